"""What a series of windows amounts to: shares, transitions, volatility, the longest negative stretch."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd

UNDECIDED = "undecided"
NEGATIVE = ("sad", "angry", "fearful", "disgust", "contempt")
POSITIVE = ("happy",)
BLOCK = 20.0  # s: windows closer than this are not taken for independent


def probabilities(series: pd.DataFrame) -> np.ndarray:
    """Return the probabilities (n, C) of a series of windows."""
    return series[[name for name in series if name.startswith("p_")]].to_numpy(float)


def weight(series: pd.DataFrame, emotions: tuple[str, ...]) -> np.ndarray:
    """Return, for each window, the probability (n,) of any of some emotions."""
    return series[[f"p_{name}" for name in emotions if f"p_{name}" in series]].sum(axis=1).to_numpy(float)


def pieces(series: pd.DataFrame, step: float) -> list[pd.DataFrame]:
    """Return a series in pieces without gaps: windows whose beginnings lie `step` s apart."""
    if series.empty:
        return []
    breaks = np.flatnonzero(np.diff(series["start"]) > 1.5 * step) + 1
    edges = [0, *breaks.tolist(), len(series)]
    return [series.iloc[a:b] for a, b in pairwise(edges)]


def shares(series: pd.DataFrame, *, step: float, n_resamples: int = 500, seed: int = 0) -> pd.DataFrame:
    """Return how large a share of the windows is named by each emotion, or undecided.

    Returns
    -------
    shares : one row an emotion of the run, and `undecided`, adding up to 1
        `emotion, share, low, high` (95 % interval from resampling blocks of 20 s, as windows near each other are alike;
        NaN where there are fewer than three blocks), `mean_probability` (NaN of undecided), `windows`.
    """
    classes = [name.removeprefix("p_") for name in series if name.startswith("p_")]
    named = series["emotion"].where(series["decided"], UNDECIDED).to_numpy()
    hits = np.stack([named == name for name in [*classes, UNDECIDED]], axis=1).astype(float)
    low, high = _block_interval(hits, max(1, round(BLOCK / step)), n_resamples, seed)
    means = [*probabilities(series).mean(axis=0), np.nan]
    facts = {"emotion": [*classes, UNDECIDED], "share": hits.mean(axis=0), "low": low, "high": high}
    return pd.DataFrame(facts | {"mean_probability": means, "windows": hits.sum(axis=0).astype(int)})


def _block_interval(hits: np.ndarray, block: int, n_resamples: int, seed: int) -> np.ndarray:
    """Return the 95 % interval (2, k) of the means of hits (n, k), blocks of consecutive rows drawn at random."""
    n = len(hits)
    if n < 3 * block:
        return np.full((2, hits.shape[1]), np.nan)
    starts = np.random.default_rng(seed).integers(n, size=(n_resamples, -(-n // block)))
    drawn = (starts[:, :, None] + np.arange(block)).reshape(n_resamples, -1)[:, :n] % n
    return np.quantile(np.stack([hits[rows].mean(axis=0) for rows in drawn]), [0.025, 0.975], axis=0)


def transitions(series: pd.DataFrame, *, step: float) -> pd.DataFrame:
    """Return how often one named emotion follows another: `before, after, count`, the most frequent first.

    Undecided windows between two named ones are passed over; gaps in the series are not.
    """
    found: dict[tuple[str, str], int] = {}
    for piece in pieces(series, step):
        for pair in pairwise(piece.loc[piece["decided"], "emotion"]):
            if pair[0] != pair[1]:
                found[pair] = found.get(pair, 0) + 1
    rows = [{"before": before, "after": after, "count": count} for (before, after), count in found.items()]
    table = pd.DataFrame(rows, columns=["before", "after", "count"])
    return table.sort_values(["count", "before", "after"], ascending=[False, True, True], ignore_index=True)


def moves(series: pd.DataFrame, *, window: float) -> np.ndarray:
    """Return how far the probabilities of each window lie from those of the one that ended as it began, (n,) 0..1.

    Half the sum of the absolute differences (total variation); NaN where there is no such window. Windows that overlap
    are never compared.
    """
    place = {start: i for i, start in enumerate(series["start"].round(3))}
    found, shares = np.full(len(series), np.nan), probabilities(series)
    for i, start in enumerate(series["start"]):
        before = place.get(round(start - window, 3))
        if before is not None:
            found[i] = np.abs(shares[i] - shares[before]).sum() / 2
    return found


def longest(series: pd.DataFrame, *, step: float, emotions: tuple[str, ...] = NEGATIVE) -> tuple[float, float] | None:
    """Return (start, end) s of the longest stretch in which `emotions` together have more than 0.5, or None."""
    best = None
    for piece in pieces(series, step):
        over = np.concatenate([[0], (weight(piece, emotions) > 0.5).astype(int), [0]])
        for a, b in np.flatnonzero(np.diff(over)).reshape(-1, 2):
            span = (float(piece["start"].iloc[a]), float(piece["end"].iloc[b - 1]))
            if best is None or span[1] - span[0] > best[1] - best[0]:
                best = span
    return best


def describe(series: pd.DataFrame, *, step: float, window: float) -> dict:
    """Return a series in a row.

    Returns
    -------
    dict
        `windows`; `seconds` covered; `first`, the emotion named most often, '' without any; `undecided`, share of the
        windows; `changes_per_minute` of the named emotion; `volatility`, the mean of `moves`; `negative`, the mean
        probability of a negative emotion; `negative_start`, `negative_end`, s, of the longest negative stretch.
    """
    covered = sum(piece["end"].iloc[-1] - piece["start"].iloc[0] for piece in pieces(series, step))
    named = series.loc[series["decided"], "emotion"].value_counts()
    moved, span = moves(series, window=window), longest(series, step=step)
    changes = transitions(series, step=step)["count"].sum()
    return {
        "windows": len(series),
        "seconds": float(covered),
        "first": named.index[0] if len(named) else "",
        "undecided": float((~series["decided"]).mean()),
        "changes_per_minute": float(changes / covered * 60),
        "volatility": float(np.nanmean(moved)) if np.isfinite(moved).any() else np.nan,
        "negative": float(weight(series, NEGATIVE).mean()),
        "negative_start": span[0] if span else np.nan,
        "negative_end": span[1] if span else np.nan,
    }
