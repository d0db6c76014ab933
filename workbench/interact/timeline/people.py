"""Whose face is it? What follows from the looks alone, and what has to be assumed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from workbench.errors import WorkbenchError

LEAST, MOST = 3, 6  # windows that a person needs for a line of their own, if there are as many; persons that get one
OTHERS, FEW = "other faces", 0.1  # share of one person's windows that other faces may have, and the person is alone
BACK = 300.0  # s after which somebody who has left does not come back (same: shot)
SIZE = 1.6  # times as large, or as small: still the same face
BOX = ["left", "top", "right", "bottom"]


def clock(second: float) -> str:
    """Return a moment as m:ss, or h:mm:ss from an hour on."""
    minutes, seconds = divmod(round(second), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def persons(
    windows: pd.DataFrame, places: pd.DataFrame, same: str, *, cuts: Sequence[int] = (), back: float = np.inf
) -> dict[int, str]:
    """Return who each face is taken for: `person 1`, `person 2`, ... by first appearance, or `other faces`.

    Parameters
    ----------
    windows : DataFrame
        `start, face, source, found`.
    places : DataFrame
        `stretch, face, left, top, right, bottom`: where each face is in each stretch, shares of the picture.
    same : {'never', 'shot', 'place', 'always'}
        See `Settings`.
    cuts : sequence of int
        The stretches with a cut.
    back : float
        Stretches after which somebody who has left does not come back (same: shot).

    Raises
    ------
    WorkbenchError
        If one person is said to be the only one, and two faces are seen at once.
    """
    seen = windows[windows["source"] == "face"]
    numbers = sorted(seen["face"].astype(int).unique())
    mine = places[places["face"].isin(numbers)]
    if same == "always":
        _check_alone(seen)
        group = dict.fromkeys(numbers, 0)
    elif same == "never":
        group = {n: n for n in numbers}
    else:
        group = _by_place(mine) if same == "place" else _by_place(mine, cuts=cuts, back=back)
    counts = seen["face"].astype(int).map(group).value_counts()
    least = min(LEAST, windows["start"].nunique())
    shown = sorted(counts[counts >= least].nlargest(MOST).index)
    names = {number: f"person {place}" for place, number in enumerate(shown, 1)}
    return {number: names.get(group[number], OTHERS) for number in numbers}


def _check_alone(seen: pd.DataFrame) -> None:
    together = seen.groupby("start")["found"].sum()  # of two that follow each other, at most 1
    if (together > 1.25).any():
        first = clock(together.index[together > 1.25].min())
        raise WorkbenchError(f"two faces at {first}: the recording cannot show one person only (same: always)")


def _by_place(places: pd.DataFrame, *, cuts: Sequence[int] = (), back: float = np.inf) -> dict[int, int]:
    """Return, for each face, the first face of the person who was last seen in its place, as large.

    It is within one face's side of there, and its side no more than `SIZE` times the other; who was seen before a cut,
    or longer ago than `back` stretches, is nobody.
    """
    group, last = {}, {}  # face -> first face; first face -> (stretch, box) it was last seen at
    for number, rows in sorted(places.groupby("face"), key=lambda item: (item[1]["stretch"].min(), item[0])):
        rows = rows.sort_values("stretch")
        begin, box = rows["stretch"].iloc[0], rows[BOX].iloc[0].to_numpy(float)
        left = {
            first: _away(there, box)
            for first, (until, there) in last.items()
            if until <= begin <= until + back and not any(until <= cut <= begin for cut in cuts)
        }
        best = min(left, key=left.get, default=None)
        group[number] = best if best is not None and left[best] <= 1 else number
        last[group[number]] = (rows["stretch"].iloc[-1], rows[BOX].iloc[-1].to_numpy(float))
    return group


def _away(a: np.ndarray, b: np.ndarray) -> float:
    """Return how far two boxes (4,), shares of a picture, lie apart: in their mean sides; infinite if not as large."""
    sides = np.stack([a[2:] - a[:2], b[2:] - b[:2]])  # (2, 2), of each in the picture's own width and height
    if (sides.max(axis=0) > SIZE * sides.min(axis=0)).any():
        return np.inf
    return float(np.abs((a[:2] + a[2:] - b[:2] - b[2:]) / 2 / sides.mean(axis=0)).max())


def with_subjects(windows: pd.DataFrame, who: dict[int, str], *, least: float) -> pd.DataFrame:
    """Return the windows with their `subject`, `emotion`, `probability`, whether `decided`, and whether `used`.

    A subject is the voice, or a person. Where the recording shows one person only, the voice is taken for theirs, and
    rows of face and voice together are `used` for them before those of the face alone; else whose voice it is is not
    known, and persons go by their faces. Other faces in less than a tenth of the windows (mistakes of the detector,
    somebody who passes by) do not count.
    """
    found = windows.copy()
    columns = [name for name in found if name.startswith("p_")]
    shares = found[columns].to_numpy(float)
    numbers = found["face"].fillna(-1).astype(int)
    found["subject"] = ["voice" if number < 0 else who[number] for number in numbers]
    best = shares.argmax(axis=1) if len(found) else np.zeros(0, int)
    found["emotion"] = [columns[i].removeprefix("p_") for i in best]
    found["probability"] = shares.max(axis=1, initial=0)
    found["decided"] = found["probability"] >= least
    faces_of = found[found["source"] == "face"].groupby("subject")["start"].nunique()
    persons = faces_of.drop(OTHERS, errors="ignore")
    alone = len(persons) == 1 and faces_of.get(OTHERS, 0) < FEW * persons.iloc[0]
    both = set(found.loc[found["source"] == "both", "start"]) if alone else set()
    better = found["start"].isin(both)
    found["used"] = (found["source"] == "voice") | np.where(
        better, found["source"] == "both", found["source"] == "face"
    )
    found.loc[found["subject"] == OTHERS, "used"] = False
    # Before and after a cut in a window, a person may have two faces in it: the one seen longer counts.
    longest = (
        found[found["used"]].sort_values("found", ascending=False, kind="stable").drop_duplicates(["subject", "start"])
    )
    found["used"] = found.index.isin(longest.index)
    first = ["subject", "start", "end", "source", "used", "emotion", "probability", "decided", "found", "voice", "face"]
    return found[first + columns]


def subjects(windows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the used rows of each subject in time, persons first, then the voice."""
    used = windows[windows["used"]]
    names = sorted(set(used["subject"]), key=lambda name: (name == "voice", name))
    return {name: used[used["subject"] == name].sort_values("start", ignore_index=True) for name in names}
