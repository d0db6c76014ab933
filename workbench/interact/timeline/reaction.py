"""Does one person's face follow the other's? Correlation at a lag, against what chance would give."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.interact.timeline.summary import NEGATIVE, POSITIVE, weight

LONGEST = 10.0  # s: the greatest lag
LEAST = 30  # windows that both are seen in
ENOUGH = 20  # times the range of the lags: a recording that long has as many shifts that differ


def valence(series: pd.DataFrame) -> np.ndarray:
    """Return the probability of a positive emotion less that of a negative one, (n,) -1..1, for each window."""
    return weight(series, POSITIVE) - weight(series, NEGATIVE)


def on_grid(series: pd.DataFrame, values: np.ndarray, *, step: float, n: int) -> np.ndarray:
    """Return values at every step of a recording, (n,), NaN where the series has no window."""
    grid = np.full(n, np.nan)
    grid[np.round(series["start"] / step).astype(int)] = values
    return grid


def correlations(a: np.ndarray, b: np.ndarray, lags: np.ndarray) -> np.ndarray:
    """Return, for each of lags (k,), Pearson's correlation of a[t] and b[..., t + lag], (..., k).

    Over the t at which both, (n,) and (..., n), are known; NaN where these are fewer than `LEAST`, or one of the two
    does not vary. A positive lag is one by which `b` comes later.
    """
    found = np.full((*b.shape[:-1], len(lags)), np.nan)
    a, b = a - np.nanmean(a), b - np.nanmean(b)  # so that no digits are lost
    for i, lag in enumerate(lags):
        first, second = (a[: len(a) - lag], b[..., lag:]) if lag >= 0 else (a[-lag:], b[..., : b.shape[-1] + lag])
        known = np.isfinite(first) & np.isfinite(second)
        count = known.sum(axis=-1)
        x, y = np.where(known, first, 0), np.where(known, second, 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean_x, mean_y = x.sum(axis=-1) / count, y.sum(axis=-1) / count
            spread = ((x * x).sum(axis=-1) / count - mean_x**2) * ((y * y).sum(axis=-1) / count - mean_y**2)
            r = ((x * y).sum(axis=-1) / count - mean_x * mean_y) / np.sqrt(spread)
        found[..., i] = np.where((count >= LEAST) & (spread > 1e-16), r, np.nan)
    return found


def reaction(
    a: np.ndarray, b: np.ndarray, *, step: float, n_shifts: int = 199, seed: int = 0
) -> tuple[pd.DataFrame, dict] | None:
    """Return the correlation of two persons' values at lags up to 10 s, and how it stands against chance.

    Neighbouring windows are alike, so that two series which have nothing to do with each other correlate at some lag.
    Chance is therefore what one of them gives when it is shifted against the other, in a circle, by more than the
    greatest lag: its own course is kept, and whatever ties it to the other is lost.

    Parameters
    ----------
    a, b : (n,) float
        A value every `step` s, NaN where there is none.

    Returns
    -------
    table : `lag` in s, `r`, and `chance`: 95 % of shifted series stay within +-chance at all lags together.
    facts : `lag` of the greatest |r|, `r`, and `p`: the share of shifted series (and this one) that reach as much at
        any lag; and whether there is `enough` of both for `p` to mean something: shifts that differ by less than the
        range of the lags give much the same, so that a short recording has few that count.
    None where at some lag they have fewer than `LEAST` windows in common, or do not vary.
    """
    most = round(LONGEST / step)
    lags, n = np.arange(-most, most + 1), len(a)
    if n <= 2 * most + 2 or not np.isfinite(a).any() or not np.isfinite(b).any():
        return None
    if np.isnan(r := correlations(a, b, lags)).any():
        return None
    possible = np.arange(most + 1, n - most)
    shifts = np.random.default_rng(seed).permutation(possible)[:n_shifts]
    by_chance = np.nanmax(np.abs(correlations(a, np.stack([np.roll(b, k) for k in shifts]), lags)), axis=1, initial=0)
    best = int(np.abs(r).argmax())
    table = pd.DataFrame({"lag": lags * step, "r": r, "chance": np.quantile(by_chance, 0.95)})
    p = (1 + np.sum(by_chance >= abs(r[best]))) / (1 + len(shifts))
    enough = np.sum(np.isfinite(a) & np.isfinite(b)) >= ENOUGH * len(lags)
    return table, {"lag": float(lags[best] * step), "r": float(r[best]), "p": float(p), "enough": bool(enough)}
