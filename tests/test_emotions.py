"""The vocabulary and the label maps between corpora: what each keeps, and that it says what it leaves out."""

import pandas as pd
import pytest

from workbench import datasets
from workbench.emotions import COLOURS, EMOTIONS, EXTRA, MAPS, in_order, label_maps, relabel
from workbench.errors import WorkbenchError

SEVEN = ("neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised")
SIX = SEVEN[:-1]


def clip_table(**counts):
    """Return a table with that many clips an emotion; `none` stands for clips without a label."""
    words = [word.replace("none", "") for word, n in counts.items() for _ in range(n)]
    return pd.DataFrame({"clip": [f"c{number}" for number in range(len(words))], "emotion": words})


def test_the_maps_are_the_classes_that_they_are_named_after():
    assert {name: tuple(in_order(set(becomes.values()))) for name, becomes in MAPS.items()} == {
        "six": SIX, "seven": SEVEN, "eight": EMOTIONS,
    }  # fmt: skip
    assert set(COLOURS) == {*EMOTIONS, *EXTRA}
    assert len(set(COLOURS.values())) == len(COLOURS)


@pytest.mark.parametrize(
    ("to", "kept", "left_out"),
    [
        ("eight", {"neutral": 4, "calm": 3, "happy": 2, "surprised": 5}, {"contempt": 6, "": 1}),
        ("seven", {"neutral": 7, "happy": 2, "surprised": 5}, {"contempt": 6, "": 1}),
        ("six", {"neutral": 7, "happy": 2}, {"surprised": 5, "contempt": 6, "": 1}),
    ],
)
def test_relabel_keeps_what_the_map_names_and_reports_the_rest(to, kept, left_out):
    clips = clip_table(contempt=6, surprised=5, neutral=4, calm=3, happy=2, none=1)
    mapped, report = relabel(clips, to)
    assert mapped["emotion"].value_counts().to_dict() == kept
    assert report[report["becomes"] == ""].set_index("emotion")["clips"].to_dict() == left_out
    assert report["clips"].sum() == len(clips)
    assert list(report["emotion"]) == ["neutral", "calm", "happy", "surprised", "contempt", ""]
    assert list(mapped.index) == list(range(len(mapped)))
    assert list(clips["emotion"][:6]) == ["contempt"] * 6, "the table given stays as it was"


def test_the_original_word_stays_beside_the_mapped_one():
    mapped, _ = relabel(clip_table(calm=1, neutral=1), "seven")
    assert mapped[["original_emotion", "emotion"]].to_numpy().tolist() == [["calm", "neutral"], ["neutral", "neutral"]]


def test_missing_and_foreign_labels_are_left_out_and_counted():
    clips = pd.DataFrame({"emotion": ["happy", None, float("nan"), "bored"]})
    mapped, report = relabel(clips, "seven")
    assert mapped["emotion"].tolist() == ["happy"]
    assert report.to_numpy().tolist() == [["happy", "happy", 1], ["bored", "", 1], ["", "", 2]]


def test_an_empty_table_gives_an_empty_report():
    mapped, report = relabel(clip_table(), "six")
    assert len(mapped) == len(report) == 0
    assert list(report) == ["emotion", "becomes", "clips"]


def test_an_unknown_map_lists_the_choices():
    with pytest.raises(WorkbenchError, match="unknown label map 'nine': choose from eight, seven, six"):
        relabel(clip_table(happy=1), "nine")


def test_all_maps_side_by_side():
    table = label_maps(clip_table(surprised=2, calm=1, none=3)).set_index("emotion")
    assert table.loc["calm"].to_dict() == {"clips": 1, "eight": "calm", "seven": "neutral", "six": "neutral"}
    assert table.loc["surprised"].to_dict() == {"clips": 2, "eight": "surprised", "seven": "surprised", "six": ""}
    assert table.loc[""].to_dict() == {"clips": 3, "eight": "", "seven": "", "six": ""}


@pytest.mark.parametrize("name", sorted(datasets.CORPORA))
@pytest.mark.parametrize("to", MAPS)
def test_every_corpus_can_be_mapped_and_adds_up(name, to):
    card = datasets.CORPORA[name].card
    words = in_order(card.emotions)
    assert set(card.labels.values()) <= {*EMOTIONS, *EXTRA, ""}
    clips = clip_table(**{word: 2 + number for number, word in enumerate(words)})
    mapped, report = relabel(clips, to)
    assert set(report["emotion"]) == set(words)
    assert report["clips"].sum() == len(clips)
    assert report.loc[report["becomes"] != "", "clips"].sum() == len(mapped)
    assert set(mapped["emotion"]) <= set(MAPS[to].values())
