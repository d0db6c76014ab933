"""scikit-learn classifiers on disk (skops, no pickle), and their answers as probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import skops.io
from scipy.special import softmax
from sklearn.pipeline import Pipeline

from workbench.acoustics.pruning import TRUSTED as PRUNING
from workbench.errors import WorkbenchError

# What skops does not trust by itself. None of it runs code when it is loaded (a forged tree could crash a process).
SCIKIT_LEARN = ("sklearn.neural_network._stochastic_optimizers.AdamOptimizer", "sklearn.tree._tree.Tree")
TRUSTED = (*PRUNING, *SCIKIT_LEARN)


def probabilities(model: Pipeline, rows: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """Return a classifier's probabilities (n, C) in the order of `classes`; a class it never saw gets 0.

    Of a classifier without probabilities (a support vector machine) they are the softmax of its decision values: the
    greatest is the class that it names, but they are not calibrated.
    """
    if hasattr(model, "predict_proba"):
        found = model.predict_proba(rows)
    else:
        values = model.decision_function(rows)
        found = softmax(values if values.ndim == 2 else np.stack([-values, values], axis=1), axis=1)
    return pd.DataFrame(found, columns=model.classes_).reindex(columns=list(classes), fill_value=0.0).to_numpy()


def save(model: Pipeline, path: Path) -> None:
    """Write a classifier as a skops file (no pickle)."""
    skops.io.dump(model, path)


def load(path: Path) -> Pipeline:
    """Read a classifier; types outside scikit-learn, numpy and this package are refused.

    Raises
    ------
    WorkbenchError
        If the file holds other types; they are named.
    """
    strange = sorted(set(skops.io.get_untrusted_types(file=path)) - set(TRUSTED))
    if strange:
        raise WorkbenchError(f"{path}: expected a classifier of scikit-learn, found {', '.join(strange)}")
    return skops.io.load(path, trusted=list(TRUSTED))
