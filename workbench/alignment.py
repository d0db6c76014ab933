"""How far two recordings of one sound lie apart: the lag between a film's sound and a separate recording of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from workbench.errors import MediaError, WorkbenchError
from workbench.media import read_waveform

# Below this two recordings are not of one sound. In RAVDESS the film and the separate sound of a take reach 0.98 and
# more; of 300 pairs of different takes of one actor none reaches 0.3.
SAME = 0.5
COLUMNS = ["take", "film", "sound", "lag_ms", "correlation", "problem"]


def lag(a: np.ndarray, b: np.ndarray, *, sample_rate: int, longest: float = 1.0) -> tuple[float, float]:
    """Return by how much the sound in `a` comes later than the same sound in `b`.

    The normalised cross-correlation over the samples that overlap; its extreme is refined by a parabola through the
    three values around it, which resolves a small part of a sample.

    Parameters
    ----------
    a, b : (n,) and (m,) arrays
        Waveforms of one sound, at the same rate; their levels and even their polarity may differ.
    sample_rate : int
        Hz, of both.
    longest : float
        Seconds; lags are looked for between minus and plus this.

    Returns
    -------
    seconds : float
        Positive where `a` comes later than `b`; NaN where the correlation stays below `SAME` (0.5), because then the
        two are not the same sound, or silent, and any lag would be a guess.
    correlation : float
        In [-1, 1], at that lag; negative where one is the other turned upside down.

    Raises
    ------
    WorkbenchError
        If either has no samples, or some that are no numbers.
    """
    for name, waveform in {"a": a, "b": b}.items():
        if waveform.ndim != 1 or not len(waveform) or not np.isfinite(waveform).all():
            raise WorkbenchError(f"lag: expected {name} to be (n,) finite samples, n >= 1, found {waveform.shape}")
    lags, values = _correlation(np.float64(a) - np.mean(a), np.float64(b) - np.mean(b), round(longest * sample_rate))
    at = int(np.abs(values).argmax())
    beside, height = _summit(np.abs(values[max(0, at - 1) : at + 2]))
    correlation = float(np.sign(values[at]) * min(height, 1))
    return ((lags[at] + beside) / sample_rate if height >= SAME else float("nan")), correlation


def _correlation(a: np.ndarray, b: np.ndarray, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """Return lags in samples, and the correlation of what overlaps at each (at least half of the shorter one)."""
    from scipy.signal import correlate, correlation_lags  # slow to import

    lags = correlation_lags(len(a), len(b))
    start, stop = np.maximum(0, lags), np.minimum(len(a), len(b) + lags)  # of the overlap, in `a`
    kept = (np.abs(lags) <= longest) & (stop - start >= min(len(a), len(b)) / 2)
    lags, start, stop = lags[kept], start[kept], stop[kept]
    energy_a, energy_b = (np.concatenate([[0.0], np.cumsum(x**2)]) for x in (a, b))
    energy = (energy_a[stop] - energy_a[start]) * (energy_b[stop - lags] - energy_b[start - lags])
    # A quiet overlap says little: it counts as if it had a thousandth of the energy of the whole.
    energy = np.maximum(energy, 1e-3 * energy_a[-1] * energy_b[-1])
    return lags, correlate(a, b, method="fft")[kept] / np.sqrt(np.maximum(energy, 1e-20))


def _summit(values: np.ndarray) -> tuple[float, float]:
    """Return the top of a parabola through three values: samples from the middle one, and its height."""
    if len(values) < 3 or (bend := values[0] - 2 * values[1] + values[2]) >= 0:
        return 0.0, float(values.max())
    beside = float(np.clip(0.5 * (values[0] - values[2]) / bend, -0.5, 0.5))
    return beside, float(values[1] - 0.25 * (values[0] - values[2]) * beside)


def table(
    pairs: Mapping[str, tuple[str | Path, str | Path]],
    *,
    sample_rate: int = 16000,
    progress: Callable = lambda items, **_: items,
) -> pd.DataFrame:
    """Return the lag of films behind the separate sound of the same take, a row a take.

    Parameters
    ----------
    pairs : take -> (film, sound)
        Files.
    sample_rate : int
        Hz, at which both are compared.
    progress : callable
        Wraps the takes: ``progress(takes, total=..., description=...)``.

    Returns
    -------
    take, film, sound : str
    lag_ms : float
        Positive where the film's sound comes later; NaN where it could not be told.
    correlation : float
        At that lag, in [-1, 1]; NaN where a file could not be read.
    problem : str
        '' or why there is no lag.
    """
    rows = []
    for take in progress(pairs, total=len(pairs), description="comparing sounds"):
        film, sound = pairs[take]
        seconds, correlation, problem = float("nan"), float("nan"), ""
        try:
            waveforms = [read_waveform(path, sample_rate=sample_rate) for path in (film, sound)]
            seconds, correlation = lag(*waveforms, sample_rate=sample_rate)
            if np.isnan(seconds):
                problem = f"not the same sound: correlation {correlation:.2f}, expected {SAME} or more"
        except MediaError as error:
            problem = str(error)
        lag_ms = round(1000 * seconds, 3) + 0.0  # to the microsecond, and no -0
        rows.append((take, str(film), str(sound), lag_ms, correlation, problem))
    return pd.DataFrame(rows, columns=COLUMNS)
