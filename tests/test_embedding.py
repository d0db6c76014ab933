"""The numbers beside the picture: known for points whose groups are known."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from workbench import embedding
from workbench.errors import WorkbenchError


def groups(n=40, k=4, *, spread=0.05, d=8, seed=0):
    """`k` groups of `n` points each round corners of a simplex, and their labels."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([f"g{number}" for number in range(k)], n)
    return np.eye(k, d)[np.repeat(np.arange(k), n)] + rng.normal(scale=spread, size=(n * k, d)), labels


@pytest.mark.parametrize("method", ["tsne", "pca"])
def test_projection_is_seeded_and_keeps_groups_apart(method):
    points, labels = groups()
    plane = embedding.project(points, method, seed=3)
    assert plane.shape == (160, 2)
    assert plane.dtype == np.float32
    assert embedding.purity(plane, labels) > 0.95
    assert (embedding.project(points, method, seed=3) == plane).all()


def test_projection_of_very_few_points():
    assert embedding.project(groups(2, 3)[0]).shape == (6, 2)


def test_umap_is_imported_only_when_asked_for():
    code = (
        "import sys, numpy as np; from workbench import embedding as e; e.project(np.eye(9), 'pca'); "
        "sys.exit('umap' in sys.modules or 'numba' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_purity_knows_pure_mixed_and_small_groups():
    points, labels = groups()
    assert embedding.purity(points, labels) == 1
    assert embedding.silhouette(points, labels) > 0.8
    shuffled = np.random.default_rng(0).permutation(labels)
    assert abs(embedding.purity(points, shuffled) - 0.25) < 0.06
    assert abs(embedding.silhouette(points, shuffled)) < 0.1
    # Three points a group have two neighbours of their own and then eight others'.
    assert embedding.purity(groups(3, 8, spread=0.01)[0], groups(3, 8)[1], k=10) == pytest.approx(0.2)


def test_a_point_is_not_its_own_neighbour_even_among_doubles():
    points = np.repeat(np.eye(5), 2, axis=0)
    assert embedding.purity(points, list("abcdefghij"), k=1) == 0


def test_describe_tells_emotion_from_speaker():
    points, emotion = groups(60)
    speaker = np.tile([f"s{number:02d}" for number in range(12)], 20)
    table = embedding.describe(points, emotion, speaker)
    assert table.loc["emotion", "purity"] == 1
    assert table.loc["emotion", "chance"] == pytest.approx(59 / 239)
    assert abs(table.loc["speaker", "purity"] - table.loc["speaker", "chance"]) < 0.03
    assert table["n_labels"].to_dict() == {"emotion": 4, "speaker": 12}


def test_one_label_has_no_silhouette():
    assert np.isnan(embedding.silhouette(groups()[0], ["a"] * 160))


@pytest.mark.parametrize(
    ("points", "method", "message"),
    [
        (np.eye(9), "lda", "unknown projection 'lda': choose from pca, tsne, umap"),
        (np.eye(4), "pca", r"found \(4, 4\)"),
        (np.ones(9), "pca", r"found \(9,\)"),
        (np.full((9, 9), np.nan), "pca", "81 values that are not finite"),
    ],
)
def test_bad_input_gets_one_clear_error(points, method, message):
    with pytest.raises(WorkbenchError, match=message):
        embedding.project(points, method)


def test_labels_must_fit_the_points():
    with pytest.raises(WorkbenchError, match="found 3 for 160 points"):
        embedding.purity(groups()[0], ["a", "b", "c"])
