"""scikit-learn classifiers: which there are, on disk (skops, no pickle), and their answers as probabilities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import softmax
from sklearn.base import ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC, LinearSVC

from workbench.acoustics.pruning import TRUSTED as PRUNING
from workbench.errors import WorkbenchError, choose

ESTIMATORS = (
    "sklearn.decomposition._pca.PCA",
    "sklearn.ensemble._forest.RandomForestClassifier",
    "sklearn.impute._base.SimpleImputer",
    "sklearn.linear_model._logistic.LogisticRegression",
    "sklearn.neighbors._classification.KNeighborsClassifier",
    "sklearn.neural_network._multilayer_perceptron.MLPClassifier",
    "sklearn.pipeline.Pipeline",
    "sklearn.preprocessing._data.MinMaxScaler",
    "sklearn.preprocessing._data.StandardScaler",
    "sklearn.preprocessing._label.LabelBinarizer",
    "sklearn.svm._classes.LinearSVC",
    "sklearn.svm._classes.SVC",
    "sklearn.tree._classes.DecisionTreeClassifier",
)
# What skops need not refuse. None of it runs code when it is loaded (a forged tree could crash a process).
SCIKIT_LEARN = ("sklearn.neural_network._stochastic_optimizers.AdamOptimizer", "sklearn.tree._tree.Tree")
TRUSTED = (*PRUNING, *SCIKIT_LEARN, *ESTIMATORS)


@dataclass(frozen=True)
class Classical:
    """A classifier: what makes it (``make(seed=..., **settings)``), the settings to choose from, its source."""

    make: Callable[..., ClassifierMixin]
    source: str
    grid: dict[str, list] = field(default_factory=dict)


def _svc(**fixed) -> Callable[..., SVC]:
    def make(*, seed: int, **settings) -> SVC:
        # Ties broken: the class named is the one of the greatest decision value, of which the probabilities are made.
        return SVC(break_ties=True, random_state=seed, **fixed, **settings)

    return make


def _seeded(kind: type, **fixed) -> Callable[..., ClassifierMixin]:
    return lambda *, seed, **settings: kind(**{"random_state": seed, **fixed, **settings})


def _nearest(*, seed: int, **settings) -> KNeighborsClassifier:
    return KNeighborsClassifier(algorithm="brute", **settings)  # keeps the rows themselves, no tree


_C, _SVMS = [0.1, 1.0, 10.0], "002, section 3.3.3, Table 3-5"
# The structured SVM (SSVM) of source 004 is not described there: assumed is the joint multi-class machine of Crammer
# and Singer (2001), to which the structured SVM comes down where the answer is one label.
CLASSICAL: dict[str, Classical] = {
    "logistic_regression": Classical(
        _seeded(LogisticRegression, max_iter=3000), "003, audio experiments", {"C": [0.001, 0.01, 0.1]}
    ),
    "svm_linear": Classical(_svc(kernel="linear"), _SVMS, {"C": [0.001, 0.01, 0.1]}),
    "svm_rbf": Classical(_svc(kernel="rbf"), _SVMS, {"C": [1.0, 3.0, 10.0]}),
    "svm_poly3": Classical(_svc(kernel="poly", degree=3), _SVMS, {"C": _C, "coef0": [0.0, 1.0]}),
    "svm_poly4": Classical(_svc(kernel="poly", degree=4), _SVMS, {"C": _C, "coef0": [0.0, 1.0]}),
    "svm_sigmoid": Classical(_svc(kernel="sigmoid"), "002, section 5.4", {"C": _C}),
    "ssvm": Classical(
        _seeded(LinearSVC, multi_class="crammer_singer", max_iter=20_000), "004, section 4.2.1, Table 4.1", {"C": _C}
    ),
    "random_forest": Classical(
        _seeded(RandomForestClassifier, n_estimators=200),
        "003, audio experiments",
        {"max_features": ["sqrt", 0.2], "min_samples_leaf": [1, 3]},
    ),
    "knn": Classical(_nearest, "003, audio experiments; 002, section 5.4", {"n_neighbors": [1, 3, 5, 9, 15, 24]}),
    "mlp": Classical(
        _seeded(MLPClassifier, hidden_layer_sizes=(200,), max_iter=500),
        "002, section 3.3.3 (200 units assumed, in one layer)",
        {"alpha": [0.01, 1.0, 10.0]},
    ),
}


def untrained(name: str, *, seed: int = 0, **settings) -> ClassifierMixin:
    """Return the untrained classifier of that name in `CLASSICAL`.

    Raises
    ------
    WorkbenchError
        For an unknown name or setting.
    """
    entry = CLASSICAL[choose("classifier", name, CLASSICAL)]
    try:
        return entry.make(seed=seed, **settings)
    except TypeError as error:
        raise WorkbenchError(f"classifier {name!r} with settings {settings}: {error}") from None


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


def mean_recall(emotion: Sequence[str], predicted: Sequence[str]) -> float:
    """Return the unweighted average recall (0..1): the mean over the emotions that occur in the truth `emotion` (n,).

    An emotion that is predicted and never true has no recall, and does not count, as in `evaluation.uar`.
    """
    there = np.unique(emotion)
    return float(recall_score(emotion, predicted, labels=there, average="macro", zero_division=0))


def broken(model: Pipeline) -> list[str]:
    """Return which fitted numbers of a classifier are not finite, as `step.attribute`.

    An imputer's are passed over: it keeps NaN for a column that was missing in all training clips.
    """
    found = []
    for name, step in model.steps:
        values = {} if name == "imputer" else vars(step)
        for attribute, value in values.items():
            arrays = value if isinstance(value, list) else [value]
            arrays = [one for one in arrays if isinstance(one, np.ndarray) and one.dtype.kind == "f"]
            if not all(np.isfinite(one).all() for one in arrays):
                found.append(f"{name}.{attribute}")
    return found


def save(model: Pipeline, path: Path) -> None:
    """Write a classifier as a skops file (no pickle)."""
    from workbench import _skops  # half a second

    _skops.io.dump(model, path)


def load(path: Path) -> Pipeline:
    """Read a classifier; types other than those of this package's pipelines (`TRUSTED`) and numpy are refused.

    Raises
    ------
    WorkbenchError
        If the file holds other types; they are named.
    """
    from workbench import _skops  # half a second

    strange = sorted(set(_skops.io.get_untrusted_types(file=path)) - set(TRUSTED))
    if strange:
        raise WorkbenchError(f"{path}: expected a classifier of scikit-learn, found {', '.join(strange)}")
    return _skops.io.load(path, trusted=list(TRUSTED))
