"""The vocabulary of emotions: RAVDESS's eight words, in RAVDESS's order, each with one colour."""

from __future__ import annotations

from collections.abc import Iterable

from workbench.errors import WorkbenchError

EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")

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
}


def in_order(names: Iterable[str]) -> list[str]:
    """Return the distinct `names` in the order of `EMOTIONS`.

    Raises
    ------
    WorkbenchError
        If a name is not in the vocabulary.
    """
    names = set(names)
    unknown = sorted(names - set(EMOTIONS))
    if unknown:
        raise WorkbenchError(f"unknown emotions {unknown}: choose from {', '.join(EMOTIONS)}")
    return [emotion for emotion in EMOTIONS if emotion in names]


def probability_columns(emotions: Iterable[str]) -> list[str]:
    """Return the predictions table's probability columns, ``p_<emotion>``, for `emotions`."""
    return [f"p_{emotion}" for emotion in emotions]
