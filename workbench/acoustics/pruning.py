"""Fewer columns for classical classifiers, as scikit-learn transformers that learn from training clips only.

Source 003: "PCA on 1 dimensional array features" gives 40-odd columns, "correlation matrix to reduce it to 16".
Put them into a pipeline, after an imputer (neither takes NaN) and, for `CurvePca`, before a scaler; a pipeline that
is fitted on the training side of a fold cannot learn from the other. `TRUSTED` names what `skops.io.load` must be
told to accept: the two, and the dtype that a SimpleImputer keeps.
"""

from __future__ import annotations

import re

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

TRUSTED = [f"workbench.acoustics.pruning.{name}" for name in ("CorrelationPruner", "CurvePca")] + ["numpy.dtype"]


class CorrelationPruner(SelectorMixin, BaseEstimator):
    """Drop the columns that say what an earlier column says already.

    With `threshold` alone, columns are met from left to right, and one is kept if its absolute correlation
    (Pearson) with every column kept before is at most `threshold`. With `n_features`, the strongest correlation
    left is sought and the later column of that pair dropped, until so many remain (`threshold` is not looked at;
    of equally strong pairs the first in order). Either way a column that is constant in training goes first.

    Parameters
    ----------
    threshold : float
        In [0, 1].
    n_features : int, optional
        How many columns to keep, at least 1.

    Attributes
    ----------
    support_ : (n_columns,) bool
        Which columns are kept.
    correlation_ : (n_columns, n_columns) float64
        Absolute, of the training rows; 0 for a constant column.
    """

    def __init__(self, threshold: float = 0.9, n_features: int | None = None):
        self.threshold = threshold
        self.n_features = n_features

    def fit(self, X, y=None):
        """Learn which columns to keep from X (n, n_columns), n >= 2, without NaN."""
        X = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        if not 0 <= self.threshold <= 1 or (self.n_features is not None and self.n_features < 1):
            raise ValueError(
                f"expected a threshold in [0, 1] and n_features >= 1, found {self.threshold} and {self.n_features}"
            )
        self.correlation_, varies = _correlation(X)
        keep = np.flatnonzero(varies)
        self.support_ = np.zeros(X.shape[1], dtype=bool)
        self.support_[self._by_threshold(keep) if self.n_features is None else self._by_number(keep)] = True
        return self

    def _by_threshold(self, columns: np.ndarray) -> list[int]:
        kept: list[int] = []
        for column in columns:
            if not (self.correlation_[column, kept] > self.threshold).any():
                kept.append(column)
        return kept

    def _by_number(self, columns: np.ndarray) -> np.ndarray:
        left = np.triu(self.correlation_, 1)[np.ix_(columns, columns)]
        alive = np.ones(len(columns), dtype=bool)
        for _ in range(len(columns) - self.n_features):
            drop = np.unravel_index(left.argmax(), left.shape)[1] if left.max() > 0 else np.flatnonzero(alive)[-1]
            alive[drop], left[drop], left[:, drop] = False, 0, 0
        return columns[alive]

    def _get_support_mask(self):
        check_is_fitted(self)
        return self.support_


def _correlation(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the absolute correlations (p, p) and which columns vary (p,)."""
    centred = X - X.mean(axis=0)
    length = np.linalg.norm(centred, axis=0)
    varies = length > 1e-10 * np.maximum(np.abs(X).max(axis=0), 1e-300) * np.sqrt(len(X))
    unit = np.where(varies, centred / np.where(varies, length, 1), 0)
    return np.minimum(np.abs(unit.T @ unit), 1), varies


class CurvePca(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Sum up each curve of a clip by its first principal components.

    The columns are curves side by side, each stretched to `length` points (`acoustics.curves` makes such a
    table). Each curve has a PCA of its own: column j of the result says how far a clip's curve goes, from the
    mean curve of the training clips, along the direction in which those differ most. It is in the curve's unit.

    Parameters
    ----------
    length : int
        Points of a curve.
    n_components : int
        Values a curve.

    Attributes
    ----------
    pcas_ : list of PCA
        One a curve.
    """

    def __init__(self, length: int = 64, n_components: int = 1):
        self.length = length
        self.n_components = n_components

    def fit(self, X, y=None):
        """Learn the directions from X (n, n_curves * length), n > n_components, without NaN.

        Raises
        ------
        ValueError
            If the columns are not a multiple of `length`.
        """
        X = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        if self.length < 1 or X.shape[1] % self.length:
            raise ValueError(f"expected columns in multiples of length={self.length}, found {X.shape[1]} columns")
        self.pcas_ = [PCA(self.n_components, svd_solver="full").fit(curve) for curve in self._split(X)]
        self._n_features_out = len(self.pcas_) * self.n_components
        return self

    def transform(self, X):
        """Return the components (n, n_curves * n_components) float64, those of a curve side by side."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return np.hstack([pca.transform(curve) for pca, curve in zip(self.pcas_, self._split(X), strict=True)])

    def _split(self, X: np.ndarray) -> list[np.ndarray]:
        return np.split(X, X.shape[1] // self.length, axis=1)

    def get_feature_names_out(self, input_features=None):
        """Return ``rms_pca0``... after columns ``rms_000``...; ``curvepca0``... where the columns have no names."""
        check_is_fitted(self)
        given = getattr(self, "feature_names_in_", None)
        if given is None:
            return super().get_feature_names_out(input_features)
        curves = [re.sub(r"_\d+$", "", name) for name in given[:: self.length]]
        names = [f"{curve}_pca{number}" for curve in curves for number in range(self.n_components)]
        return np.array(names, dtype=object)
