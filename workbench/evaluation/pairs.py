"""Two systems on the same takes: how much more accurate is one, and could that be luck?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from workbench.errors import WorkbenchError
from workbench.evaluation.speakers import drawn, n_resampled, of_one_system, quantiles
from workbench.speakers import n_known

FLIPS = 10_000


def paired(
    predictions_a: pd.DataFrame,
    predictions_b: pd.DataFrame,
    *,
    n_resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, float]:
    """Compare two systems on the takes both were tested on: how much more accurate is `a` than `b`?

    Takes rather than clips are matched, because sound and picture of one take may be two clips. Several seeds
    (or clips) of a take are averaged first.

    Returns
    -------
    dict
        ``difference`` (accuracy of a minus that of b, in -1..1), ``low``, ``high`` (its interval over
        speakers), ``p`` (`sign_flips`), ``n_takes``, ``n_speakers`` (known ones). Interval and p are NaN with one
        speaker, or where the speaker of a take is not known.

    Raises
    ------
    WorkbenchError
        If no take is in both.
    """
    right = {"a": _right_by_take(predictions_a), "b": _right_by_take(predictions_b)}
    both = pd.DataFrame(right).dropna()
    if both.empty:
        raise WorkbenchError("the two systems were not tested on any take in common")
    gain = (both["a"] - both["b"]).groupby(level="speaker").agg(["sum", "size"])  # (speakers, 2)
    difference, low, high, p = float(gain["sum"].sum() / len(both)), *[float("nan")] * 3
    speakers = gain.index.to_series()
    if n_resampled(speakers) > 1:
        sums, sizes = (drawn(len(gain), n_resamples, seed) @ gain.to_numpy()).T  # (resamples,) each
        low, high = quantiles(sums / sizes, level, len(gain))
        p = sign_flips(gain["sum"].to_numpy(), seed=seed)
    sizes = {"n_takes": len(both), "n_speakers": n_known(speakers)}
    return {"difference": difference, "low": low, "high": high, "p": p, **sizes}


def sign_flips(gains: np.ndarray, *, seed: int = 0) -> float:
    """Return the two-sided p-value of gains (s,), one a speaker: how often signs drawn by lot give as much in all.

    Where neither system is better, each speaker's gain could as well be the other's. All ways of signing are counted,
    or, of more than `FLIPS`, so many are drawn. Speakers are the units, as they are in the intervals; NaN with one.

    References
    ----------
    Fisher (1935), The Design of Experiments, section 21; Good (2005), Permutation, Parametric and Bootstrap Tests,
    chapter 3.
    """
    n = len(gains)
    if n < 2:
        return float("nan")
    every = 2**n <= FLIPS
    bits = np.arange(2**n)[:, None] >> np.arange(n) & 1 if every else None
    signs = 2.0 * (np.random.default_rng(seed).integers(0, 2, (FLIPS, n)) if bits is None else bits) - 1
    as_much = int((np.abs(signs @ gains) >= abs(gains.sum()) - 1e-9).sum())
    return as_much / len(signs) if every else (as_much + 1) / (FLIPS + 1)


def differences(systems: Mapping[str, pd.DataFrame], against: pd.DataFrame, **options) -> pd.DataFrame:
    """Return, one row a system, what `paired` says of it against one other system.

    Columns `system`, those of `paired`, and `p_holm`: p after Holm's correction for as many comparisons as there are
    rows (Holm 1979), which is what to go by when the best of several is singled out.
    """
    rows = [{"system": name, **paired(mine, against, **options)} for name, mine in systems.items()]
    table = pd.DataFrame(rows)
    order = np.argsort(table["p"].to_numpy(), kind="stable")
    steps = np.maximum.accumulate(table["p"].to_numpy()[order] * np.arange(len(order), 0, -1))
    table.loc[order, "p_holm"] = np.minimum(steps, 1)
    return table


def _right_by_take(predictions: pd.DataFrame) -> pd.Series:
    tested = of_one_system(predictions)
    right = (tested["emotion"] == tested["predicted"]).astype(float)
    return right.groupby([tested["speaker"], tested["take"]]).mean()
