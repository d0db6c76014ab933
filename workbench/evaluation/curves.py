"""ROC curves, their areas, precision and recall from counts: scikit-learn's numbers without importing it (1 s)."""

from __future__ import annotations

import numpy as np


def roc_curve(positive: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the ROC curve of scores, without the points that lie on a line between others.

    Parameters
    ----------
    positive : (n,) bool
        Which clips are of the class; at least one is, and at least one is not.
    scores : (n,) float
        Higher for the class.

    Returns
    -------
    fpr, tpr : (m,) float64
        False and true positive rate, rising from 0 to 1.
    """
    order = np.argsort(scores, kind="stable")[::-1]
    scores, positive = scores[order], positive[order].astype(float)
    ends = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)  # the last of equal scores
    true = np.cumsum(positive)[ends]
    false = 1 + ends - true
    if len(ends) > 2:
        corner = (np.diff(false, 2) != 0) | (np.diff(true, 2) != 0)
        kept = np.concatenate([[True], corner, [True]])
        false, true = false[kept], true[kept]
    return np.append(0, false) / false[-1], np.append(0, true) / true[-1]


def area(fpr: np.ndarray, tpr: np.ndarray) -> float:
    """Return the area (0..1) under a curve (m,), by the trapezoidal rule."""
    return float(np.trapezoid(tpr, fpr))


def precision_recall_f1(counts: np.ndarray) -> dict[str, np.ndarray]:
    """Return `precision`, `recall` and `f1` (k,) from confusion counts (k, k), rows true; 0 where undefined."""
    hits, true, predicted = np.diagonal(counts), counts.sum(axis=1), counts.sum(axis=0)
    pairs = {"precision": (hits, predicted), "recall": (hits, true), "f1": (2 * hits, true + predicted)}
    return {
        name: np.divide(part, whole, out=np.zeros(len(counts)), where=whole > 0)
        for name, (part, whole) in pairs.items()
    }
