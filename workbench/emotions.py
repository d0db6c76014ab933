"""The vocabulary of emotions: RAVDESS's eight words in RAVDESS's order, contempt beside them, one colour each."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from workbench.errors import WorkbenchError, choose

EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
EXTRA = ("contempt",)  # a class of CK+, RaFD, FER+ and AffectNet-8

# Label maps between corpora: an emotion that a corpus may have -> what it counts as. What a map does not name is
# left out, and `relabel` says how many clips that were.
MAPS = {
    # All words of RAVDESS, as they are.
    "eight": {emotion: emotion for emotion in EMOTIONS},
    # The classes of SAVEE, MELD and FER2013: nobody but RAVDESS tells calm from neutral.
    "seven": {emotion: emotion for emotion in EMOTIONS} | {"calm": "neutral"},
    # The classes of CREMA-D, which has no surprise.
    "six": {emotion: emotion for emotion in EMOTIONS if emotion != "surprised"} | {"calm": "neutral"},
}

# One colour an emotion, in every figure. Distinct in hue and in lightness, so that they survive grey print.
COLOURS = {
    "neutral": "#7f7f7f",
    "calm": "#56b4e9",
    "happy": "#e6a700",
    "sad": "#0b5394",
    "angry": "#c1121f",
    "fearful": "#7b2d8b",
    "disgust": "#4c8c2b",
    "surprised": "#f28482",
    "contempt": "#8c564b",
}


def in_order(names: Iterable[str]) -> list[str]:
    """Return the distinct `names` in the order of `EMOTIONS`, then `EXTRA`.

    Raises
    ------
    WorkbenchError
        If a name is not in the vocabulary.
    """
    names, known = set(names), EMOTIONS + EXTRA
    unknown = sorted(names - set(known))
    if unknown:
        raise WorkbenchError(f"unknown emotions {unknown}: choose from {', '.join(known)}")
    return [emotion for emotion in known if emotion in names]


def relabel(clips: pd.DataFrame, to: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Map the emotions of a clip table onto a set of classes that corpora share.

    Parameters
    ----------
    clips : clip table
    to : {'six', 'seven', 'eight'}
        A map of `MAPS`.

    Returns
    -------
    clips : the clips that the map names, `emotion` mapped and `original_emotion` as it was.
    report : one row an emotion found, in the vocabulary's order (`emotion`, `becomes`, `clips`; the sum of `clips` is
        that of the table). `becomes` is '' for clips left out: the map does not name their emotion, or they have none
        (`emotion` is '' then).

    Raises
    ------
    WorkbenchError
        For an unknown map.
    """
    names = MAPS[choose("label map", to, MAPS)]
    found = clips["emotion"].fillna("")
    becomes = found.map(names).fillna("").astype(found.dtype)
    counts = pd.DataFrame({"emotion": found, "becomes": becomes}).value_counts().rename("clips").reset_index()
    report = counts.sort_values("emotion", key=lambda words: words.map(_place), ignore_index=True)
    mapped = clips.assign(original_emotion=found, emotion=becomes)
    return mapped[becomes != ""].reset_index(drop=True), report


def label_maps(clips: pd.DataFrame) -> pd.DataFrame:
    """Return what every map of `MAPS` makes of a clip table: the reports of `relabel` side by side.

    Returns
    -------
    table : one row an emotion found (`emotion`, '' for clips without one; `clips`), and a column a map with what the
        emotion becomes there, '' where its clips are left out.
    """
    reports = {name: relabel(clips, name)[1].set_index("emotion") for name in MAPS}
    first = next(iter(reports.values()))
    return first[["clips"]].assign(**{name: report["becomes"] for name, report in reports.items()}).reset_index()


def _place(word: str) -> int:
    """Return where a word stands in the vocabulary; unknown words come after it, no word at the very end."""
    known = EMOTIONS + EXTRA
    return known.index(word) if word in known else len(known) + (word == "")


def probability_columns(emotions: Iterable[str]) -> list[str]:
    """Return the predictions table's probability columns, ``p_<emotion>``, for `emotions`."""
    return [f"p_{emotion}" for emotion in emotions]
