"""The embedding explorer in this process: maps, colours, and what a click and a lasso do."""

import io

import numpy as np
import pandas as pd
import pytest

from workbench.emotions import COLOURS
from workbench.errors import WorkbenchError
from workbench.interact.explorer import EmbeddingExplorer, legend, looks_of


@pytest.fixture
def explorer(tiny):
    clips = tiny.clips()
    shown = clips[["clip", "emotion", "speaker", "sex"]].assign(predicted="sad")
    maps = {name: np.random.default_rng(i).normal(size=(len(clips), 2)) for i, name in enumerate(("tsne", "pca"))}
    return EmbeddingExplorer(shown, maps, table=clips)


def event(explorer, kind, places):
    """Send what the page sends when something happens to points."""
    explorer.pointing._handle_custom_msg({"kind": kind, "points": places}, [])


def test_maps_stand_side_by_side_coloured_as_everywhere(explorer):
    left, right = explorer.figure.data
    assert np.allclose(left.x, explorer.maps["tsne"][:, 0])
    assert np.allclose(right.y, explorer.maps["pca"][:, 1])
    layout = explorer.figure.layout
    assert (layout.xaxis.title.text, layout.yaxis2.title.text) == ("t-SNE 1", "PCA 2")
    assert set(left.marker.color) == {COLOURS["happy"], COLOURS["sad"]} == set(right.marker.color)
    assert "emotion: %{customdata[1]}" in left.hovertemplate
    explorer.by.value = "speaker"
    assert len(set(left.marker.color)) == 4
    assert all(f"demo-0{i}" in explorer.legend.value for i in range(1, 5))
    assert explorer.by.options == ("emotion", "speaker", "sex", "predicted")


def test_a_lasso_lists_its_clips_and_marks_them_in_both_maps(explorer):
    event(explorer, "lasso", [3, 5, 4, 5])
    names = explorer.clips["clip"].iloc[[3, 4, 5]].tolist()
    assert explorer.chosen.found["clip"].tolist() == names
    assert [list(data.selectedpoints) for data in explorer.figure.data] == [[3, 4, 5]] * 2
    saved = pd.read_csv(io.StringIO(explorer.chosen.csv()))
    assert saved["clip"].tolist() == names
    assert saved.columns.tolist() == ["clip", "emotion", "speaker", "sex", "predicted"]
    event(explorer, "lasso", [0])
    assert explorer.chosen.n_found == 1
    event(explorer, "lasso", [])
    assert explorer.chosen.n_found == 0
    assert [data.selectedpoints for data in explorer.figure.data] == [None, None]


def test_a_click_plays_the_clip_and_so_does_a_row_of_the_list(explorer):
    event(explorer, "click", [6])
    name = explorer.clips["clip"].iloc[6]
    assert explorer.player.film["title"].startswith(name)
    assert explorer.player.film["autoplay"]
    assert len(explorer.player.film["movie"]) > 1000
    told = []
    explorer.player.send = lambda content, buffers=None: told.append(content)
    event(explorer, "click", [6])
    assert told == [{"kind": "play"}], "the clip that is shown already, once more"
    explorer.choose([2, 6])
    explorer.chosen.selected = explorer.clips["clip"].iloc[2]
    assert explorer.player.film["title"].startswith(explorer.clips["clip"].iloc[2])


def test_without_files_the_click_says_so(tiny):
    clips = tiny.clips()[["clip", "emotion"]]
    explorer = EmbeddingExplorer(clips, {"pca": np.zeros((len(clips), 2))})
    explorer.play(clips["clip"].iloc[0])
    assert explorer.player.notes == ["No recording of this clip is at hand."]


def test_maps_have_a_point_a_clip(tiny):
    clips = tiny.clips()
    with pytest.raises(WorkbenchError, match=r"expected maps of shape \(16, 2\), a point a clip, found .*\(3, 2\)"):
        EmbeddingExplorer(clips, {"pca": np.zeros((3, 2))})
    with pytest.raises(WorkbenchError, match="unknown projection 'mds': choose from pca, tsne, umap"):
        EmbeddingExplorer(clips, {"mds": np.zeros((16, 2))})


def test_hundred_speakers_can_be_told_apart_and_names_are_no_code():
    names = [f"s{i}" for i in range(60)]
    looks = looks_of(names)
    assert len(set(looks.values())) == 60
    assert "and 28 more" in legend(looks)
    assert "<b>" not in legend(looks_of(["<b>"]))


def test_the_static_picture_is_the_first_map(explorer):
    axes = explorer.picture().axes
    assert [one.get_xlabel() for one in axes] == ["t-SNE 1", "t-SNE 1"]
