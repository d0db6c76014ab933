"""Two dimensions to look at, and the numbers to believe: purity and silhouette, by emotion and by speaker.

A picture of clusters may be an accident of the projection, so every number here is taken in the space that
the model made, not in the plane.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from workbench.errors import WorkbenchError, choose

METHODS = ("tsne", "umap", "pca")


def project(embedding: np.ndarray, method: str = "tsne", *, seed: int = 0) -> np.ndarray:
    """Return `embedding` (n, d) in the plane, (n, 2) float32; the same seed gives the same picture.

    Parameters
    ----------
    method : {'tsne', 'umap', 'pca'}
        t-SNE (perplexity 30, less for few points) keeps neighbours, not distances between groups; UMAP (15
        neighbours) likewise; PCA is linear. The first use of UMAP compiles for some 20 s.

    Raises
    ------
    WorkbenchError
        For an unknown method, fewer than 5 points or 2 columns, or values that are not finite.

    References
    ----------
    van der Maaten & Hinton (2008), JMLR 9; McInnes, Healy & Melville (2018), arXiv:1802.03426.
    """
    choose("projection", method, METHODS)
    embedding = _checked(embedding)
    return _mapper(method, len(embedding), seed).fit_transform(embedding).astype(np.float32)


def purity(embedding: np.ndarray, labels: Sequence[str], k: int = 10) -> float:
    """Return the share of each point's `k` nearest others (Euclidean) with its own label, averaged; 0..1."""
    from sklearn.neighbors import NearestNeighbors  # slow to import

    embedding, labels = _checked(embedding, labels)
    k = min(k, len(labels) - 1)
    neighbours = NearestNeighbors(n_neighbors=k).fit(embedding).kneighbors(return_distance=False)  # (n, k)
    return float((labels[neighbours] == labels[:, None]).mean())


def silhouette(embedding: np.ndarray, labels: Sequence[str]) -> float:
    """Return the mean silhouette, -1..1: 0 or a little below for labels that say nothing.

    NaN with fewer than two labels, or one a point.

    References
    ----------
    Rousseeuw (1987), J. Comput. Appl. Math. 20.
    """
    from sklearn.metrics import silhouette_score

    embedding, labels = _checked(embedding, labels)
    if not 2 <= len(set(labels)) < len(labels):
        return float("nan")
    return float(silhouette_score(embedding, labels))


def describe(embedding: np.ndarray, emotion: Sequence[str], speaker: Sequence[str], *, k: int = 10) -> pd.DataFrame:
    """Return the numbers beside the picture: one row for `emotion`, one for `speaker`.

    Columns: `purity`, its `chance` (labels dealt at random among the points), `silhouette`, `n_labels`, `k`.
    A space made for emotion has its purity far above chance by emotion, and close to it by speaker.
    """
    rows = {
        name: {
            "purity": purity(embedding, labels, k),
            "chance": _chance(labels),
            "silhouette": silhouette(embedding, labels),
            "n_labels": len(set(labels)),
            "k": k,
        }
        for name, labels in (("emotion", emotion), ("speaker", speaker))
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("label")


def _chance(labels: Sequence[str]) -> float:
    """Return the chance that another point, drawn at random, has the same label."""
    counts = pd.Series(labels).value_counts().to_numpy()
    return float((counts * (counts - 1)).sum() / (len(labels) * (len(labels) - 1)))


def _checked(embedding: np.ndarray, labels: Sequence[str] | None = None):
    embedding = np.asarray(embedding, dtype=np.float32)
    if embedding.ndim != 2 or min(len(embedding) - 3, embedding.shape[1]) < 2 or not np.isfinite(embedding).all():
        raise WorkbenchError(
            f"expected an embedding (n, d) of finite values with n >= 5 and d >= 2, found {embedding.shape} "
            f"with {int((~np.isfinite(embedding)).sum())} values that are not finite"
        )
    if labels is None:
        return embedding
    labels = np.asarray(labels, dtype=object)
    if len(labels) != len(embedding):
        raise WorkbenchError(f"expected one label a point, found {len(labels)} for {len(embedding)} points")
    return embedding, labels


def _mapper(method: str, n: int, seed: int):
    if method == "pca":
        from sklearn.decomposition import PCA

        return PCA(2, random_state=seed)
    if method == "tsne":
        from sklearn.manifold import TSNE

        return TSNE(perplexity=min(30, (n - 1) / 3), init="pca", random_state=seed)
    from umap import UMAP  # compiles at its first import

    return UMAP(n_neighbors=min(15, n - 1), random_state=seed, n_jobs=1)
