"""Moments worth watching: where a series changes most, is surest, stays negative, or where face and voice disagree."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.interact.timeline.people import subjects
from workbench.interact.timeline.settings import Settings
from workbench.interact.timeline.summary import longest, moves, probabilities

COLUMNS = ("at", "end", "subject", "kind", "why", "strength")
EACH = {"change": 3, "surest": 3, "negative": 1, "disagreement": 2, "least sure": 1}  # at most, of a subject
MOST = 16
NEARLY, SURE = 0.8, 0.6  # share of a series that is nearly all of it; probability that is no doubt


def moments(windows: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Return the moments worth watching, in time: `at, end` s, `subject, kind, why` in words, `strength` 0..1.

    For each subject: the greatest changes from one window to the next that does not overlap it, the surest windows of
    different emotions, the beginning of the longest negative stretch unless it is nearly all there is, and the least
    sure window unless that is sure enough; for a person whose voice is known, where face and voice disagree most. At
    most 16, those of a kind that are strongest first.
    """
    rows = []
    for name, series in subjects(windows).items():
        found = [*_changes(series, settings), *_surest(series), *_negative(series, settings), *_least_sure(series)]
        found += _disagreements(windows, name)
        for kind, most in EACH.items():
            rows += [{"subject": name, **one} for one in _apart(found, kind, settings.window)[:most]]
    table = pd.DataFrame(rows, columns=COLUMNS)
    rank = table.groupby("kind")["strength"].rank(ascending=False, method="first")
    kept = table[rank <= max(1, MOST // max(1, table["kind"].nunique()))]
    return kept.sort_values(["at", "subject", "kind"], ignore_index=True)


def _row(window, kind: str, why: str, strength: float) -> dict:
    return {"at": window.start, "end": window.end, "kind": kind, "why": why, "strength": round(float(strength), 4)}


def _apart(found: list[dict], kind: str, window: float) -> list[dict]:
    """Return the moments of a kind, strongest first, without those within two windows of a stronger one."""
    kept: list[dict] = []
    for one in sorted((one for one in found if one["kind"] == kind), key=lambda one: -one["strength"]):
        if all(abs(one["at"] - other["at"]) >= 2 * window for other in kept):
            kept.append(one)
    return kept


def _changes(series: pd.DataFrame, settings: Settings) -> list[dict]:
    moved, place = moves(series, window=settings.window), series["start"].round(3).tolist()
    found = []
    for i in np.flatnonzero(moved > 0.3):
        before = series.iloc[place.index(round(place[i] - settings.window, 3))]
        window = series.iloc[i]
        why = f"{_named(before)}, then {_named(window)}"
        found.append(_row(window, "change", why, moved[i]))
    return found


def _named(window: pd.Series) -> str:
    if not window["decided"]:
        return f"undecided ({window['emotion']} {window['probability']:.0%})"
    return f"{window['emotion']} {window['probability']:.0%}"


def _surest(series: pd.DataFrame) -> list[dict]:
    decided = series[series["decided"] & ~series["emotion"].isin(["neutral", "calm"])]
    best = decided.loc[decided.groupby("emotion")["probability"].idxmax()] if len(decided) else decided
    return [_row(w, "surest", f"{w.emotion} {w.probability:.0%}", w.probability) for w in best.itertuples()]


def _negative(series: pd.DataFrame, settings: Settings) -> list[dict]:
    span = longest(series, step=settings.step)
    if span is None or span[1] - span[0] <= settings.window:
        return []
    if span[1] - span[0] > NEARLY * (series["end"].iloc[-1] - series["start"].iloc[0]):
        return []  # nothing sets it off from the rest
    length = span[1] - span[0]
    why = f"{length:.0f} s without a break"
    return [{"at": span[0], "end": span[1], "kind": "negative", "why": why, "strength": min(1.0, length / 60)}]


def _least_sure(series: pd.DataFrame) -> list[dict]:
    if series.empty or series["probability"].min() > SURE:
        return []
    window = series.loc[series["probability"].idxmin()]
    return [_row(window, "least sure", _top_two(series, window.name), 1 - window["probability"])]


def _top_two(series: pd.DataFrame, row: int) -> str:
    names = [name.removeprefix("p_") for name in series if name.startswith("p_")]
    shares = probabilities(series.loc[[row]])[0]
    return " or ".join(f"{names[i]} {shares[i]:.0%}" for i in np.argsort(-shares)[:2])


def _disagreements(windows: pd.DataFrame, name: str) -> list[dict]:
    """Return where a person's face and voice differ, of one whose voice is known."""
    if not (windows["used"] & (windows["subject"] == name) & (windows["source"] == "both")).any():
        return []
    face = windows[(windows["subject"] == name) & (windows["source"] == "face")]
    face = face.sort_values("found", ascending=False, kind="stable").drop_duplicates("start").set_index("start")
    voice = windows[windows["source"] == "voice"].set_index("start")
    both = face.index.intersection(voice.index)
    far = np.abs(probabilities(face.loc[both]) - probabilities(voice.loc[both])).sum(axis=1) / 2
    return [
        {
            "at": at,
            "end": face.loc[at, "end"],
            "kind": "disagreement",
            "why": f"face {_named(face.loc[at])}, voice {_named(voice.loc[at])}",
            "strength": round(float(distance), 4),
        }
        for at, distance in zip(both, far, strict=True)
        if distance > 0.5
    ]
