"""skops, imported without every module of scikit-learn.

skops lists all estimators of scikit-learn when it is imported, because it trusts them. For that list scikit-learn
imports each of its modules, and dask and pytest where they are installed: more than a second. Importing this module
leaves the list empty; `classifiers.ESTIMATORS` names the types that are trusted instead.
"""

from __future__ import annotations

import sklearn.utils

_all_estimators = sklearn.utils.all_estimators
sklearn.utils.all_estimators = list
try:
    from skops import io
finally:
    sklearn.utils.all_estimators = _all_estimators

__all__ = ["io"]
