"""Whose face is it? What follows from the looks alone, and what has to be assumed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench import faces
from workbench.errors import WorkbenchError

LEAST, MOST = 3, 6  # windows that a person needs for a line of their own, if there are as many; persons that get one
OTHERS = "other faces"
BOX = ["left", "top", "right", "bottom"]


def clock(second: float) -> str:
    """Return a moment as m:ss, or h:mm:ss from an hour on."""
    minutes, seconds = divmod(round(second), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def persons(windows: pd.DataFrame, places: pd.DataFrame, same: str) -> dict[int, str]:
    """Return who each face is taken for: `person 1`, `person 2`, ... by first appearance, or `other faces`.

    Parameters
    ----------
    windows : DataFrame
        `start, face, source, found`.
    places : DataFrame
        `stretch, face, left, top, right, bottom`: where each face is in each stretch, shares of the picture.
    same : {'never', 'place', 'always'}
        See `Settings`.

    Raises
    ------
    WorkbenchError
        If one person is said to be the only one, and two faces are seen at once.
    """
    seen = windows[windows["source"] == "face"]
    numbers = sorted(seen["face"].astype(int).unique())
    if same == "always":
        _check_alone(seen)
        group = dict.fromkeys(numbers, 0)
    else:
        group = _by_place(places[places["face"].isin(numbers)]) if same == "place" else {n: n for n in numbers}
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


def _by_place(places: pd.DataFrame) -> dict[int, int]:
    """Return, for each face, the first face of the person who was last seen in its place."""
    group, last = {}, {}  # face -> first face; first face -> (stretch, box) it was last seen at
    for number, rows in sorted(places.groupby("face"), key=lambda item: (item[1]["stretch"].min(), item[0])):
        rows = rows.sort_values("stretch")
        begin, box = rows["stretch"].iloc[0], rows[BOX].iloc[0].to_numpy(float)
        alike = {first: faces.overlap(there, box) for first, (until, there) in last.items() if until <= begin}
        best = max(alike, key=alike.get, default=None)
        group[number] = best if best is not None and alike[best] > 0.3 else number
        last[group[number]] = (rows["stretch"].iloc[-1], rows[BOX].iloc[-1].to_numpy(float))
    return group


def with_subjects(windows: pd.DataFrame, who: dict[int, str], *, least: float) -> pd.DataFrame:
    """Return the windows with their `subject`, `emotion`, `probability`, whether `decided`, and whether `used`.

    A subject is the voice, or a person. Where the recording shows one person only, the voice is taken for theirs, and
    rows of face and voice together are `used` for them before those of the face alone; else whose voice it is is not
    known, and persons go by their faces.
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
    alone = set(who.values()) == {"person 1"}
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
