"""The voice source: fundamental frequency, glottal pulses, jitter and shimmer.

The definitions are those of Praat (Boersma & Weenink, *Praat: doing phonetics by computer*), whose manual states
them; the lines here are our own, since Praat is GPL. The pitch is that of Boersma (1993), "Accurate short-term
analysis of the fundamental frequency and the harmonics-to-noise ratio of a sampled sound", IFA Proceedings 17,
97-110: it costs a thirtieth of probabilistic YIN (`acoustics.pitch`), and jitter is defined upon it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

LOWEST, HIGHEST = 75.0, 600.0  # Hz
PERIODS = 1e-4, 0.02  # s, the shortest and longest interval that counts as a period
PERIOD_FACTOR, AMPLITUDE_FACTOR = 1.3, 1.6  # neighbours further apart than this are not compared
_CANDIDATES, _BLOCK = 8, 1024
_SILENCE, _VOICING, _OCTAVE, _JUMP, _SWITCH = 0.03, 0.45, 0.01, 0.35, 0.14  # Boersma's thresholds and costs


class Perturbation(NamedTuple):
    """How unsteady a voice is: `jitter` %, `shimmer` % and `shimmer_db` dB; NaN where fewer than two periods count."""

    jitter: float
    shimmer: float
    shimmer_db: float


def f0(
    waveform: np.ndarray,
    *,
    sample_rate: int = 16000,
    hop_length: int = 256,
    lowest: float = LOWEST,
    highest: float = HIGHEST,
) -> np.ndarray:
    """Return the fundamental frequency by autocorrelation and the best path through its candidates.

    Each frame is three periods of `lowest` long. Its autocorrelation is divided by that of its Hann window; the
    candidates are the maxima of the quotient; the path of least cost decides between them and silence.

    Parameters
    ----------
    waveform : (n,) float, n >= 1, in [-1, 1]
    sample_rate, hop_length : int
        Hz; samples between frames.
    lowest, highest : float
        Hz; what counts as a voice.

    Returns
    -------
    f0 : (t,) float32, t = 1 + n // hop_length
        Hz in [lowest, highest]; 0 where unvoiced. Frame k is centred on sample k * hop_length.
    """
    lags, strengths = _candidates(np.asarray(waveform, np.float32), sample_rate, hop_length, lowest, highest)
    with np.errstate(divide="ignore"):
        frequencies = np.where(np.isfinite(strengths) & (lags > 0), sample_rate / lags, 0.0)
    path = _best_path(frequencies, strengths, 0.01 * sample_rate / hop_length)
    chosen = np.take_along_axis(frequencies, path[:, None], axis=1)[:, 0]
    return np.where(chosen > 0, np.clip(chosen, lowest, highest), 0).astype(np.float32)


def _candidates(waveform, sample_rate, hop_length, lowest, highest) -> tuple[np.ndarray, np.ndarray]:
    """Return each frame's candidates: lags in samples (t, 1 + 8), 0 for unvoiced, and strengths, -inf for none."""
    window = 2 * round(1.5 * sample_rate / lowest)
    centred = waveform - waveform.mean()
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(centred, window // 2), window)[::hop_length]
    peak = max(float(np.abs(centred).max()), 1e-10)
    blocks = [
        _block_candidates(frames[start : start + _BLOCK], peak, sample_rate, lowest, highest)
        for start in range(0, len(frames), _BLOCK)  # in blocks, so that memory stays flat over long sounds
    ]
    lags, strengths = (np.concatenate(part) for part in zip(*blocks, strict=True))
    return lags, strengths


def _block_candidates(frames, peak, sample_rate, lowest, highest):
    frames = frames - frames.mean(axis=1, keepdims=True)
    loudness = np.abs(frames).max(axis=1) / peak
    first, last = int(np.ceil(sample_rate / highest)), int(sample_rate / lowest)
    r = _autocorrelation(frames, last + 2)
    before, here, after = r[:, first - 1 : last], r[:, first : last + 1], r[:, first + 1 : last + 2]
    peaked = (here > before) & (here >= after) & (here > 0.5 * _VOICING)
    bend = np.where(peaked, (before - here) + (after - here), -1.0)
    shift = 0.5 * (before - after) / bend
    lag = np.arange(first, last + 1) + np.where(peaked, shift, 0.0)
    height = np.minimum(here - 0.25 * (before - after) * shift, 1.0)
    strength = np.where(peaked, height - _OCTAVE * np.log2(lowest * lag / sample_rate), -np.inf)
    n = min(_CANDIDATES, strength.shape[1])
    best = np.argpartition(-strength, n - 1, axis=1)[:, :n]
    unvoiced = _VOICING + np.maximum(0, 2 - loudness * (1 + _VOICING) / _SILENCE)
    lags = np.concatenate([np.zeros((len(frames), 1)), np.take_along_axis(lag, best, axis=1)], axis=1)
    return lags, np.concatenate([unvoiced[:, None], np.take_along_axis(strength, best, axis=1)], axis=1)


def _autocorrelation(frames: np.ndarray, n: int) -> np.ndarray:
    """Return the autocorrelation of windowed frames over that of the window, 1 at lag 0; lags 0 to n - 1."""
    from scipy.signal.windows import hann

    size = frames.shape[1]
    shape, window = 1 << int(np.ceil(np.log2(size + n))), hann(size, sym=False)
    of_window = np.fft.irfft(np.abs(np.fft.rfft(window, shape)) ** 2)[:n]
    spectrum = np.fft.rfft(frames * window, shape, axis=1)
    r = np.fft.irfft(spectrum.real**2 + spectrum.imag**2, axis=1)[:, :n]
    return r / np.maximum(r[:, :1], 1e-20) / (of_window / of_window[0])


def _best_path(frequencies: np.ndarray, strengths: np.ndarray, rate: float) -> np.ndarray:
    """Return each frame's state (t,) on the strongest path; jumps and switches cost, more so for short steps."""
    voiced = frequencies > 0
    octaves = np.log2(np.where(voiced, frequencies, 1.0))
    jump = _JUMP * np.abs(octaves[:-1, :, None] - octaves[1:, None, :])
    both, either = voiced[:-1, :, None] & voiced[1:, None, :], voiced[:-1, :, None] ^ voiced[1:, None, :]
    cost = rate * (np.where(both, jump, 0.0) + _SWITCH * either)
    score, came_from = strengths[0], np.zeros(strengths.shape, int)
    for step in range(1, len(strengths)):
        total = score[:, None] - cost[step - 1]
        came_from[step] = total.argmax(axis=0)
        score = total.max(axis=0) + strengths[step]
    path = np.empty(len(strengths), int)
    path[-1] = score.argmax()
    for step in range(len(strengths) - 1, 0, -1):
        path[step - 1] = came_from[step, path[step]]
    return path


def pulses(
    waveform: np.ndarray, contour: np.ndarray, *, sample_rate: int = 16000, hop_length: int = 256
) -> list[np.ndarray]:
    """Return when the vocal folds close, one array of times for each voiced stretch.

    The first pulse is the extremum within one period around the middle of the stretch. From there, to either
    side, the next one lies 0.8 to 1.2 periods away, where the sound of one period around it is most like that
    around the last one. One whose correlation with the last is below 0.3 is left out (Praat's "cc" pulses).

    Parameters
    ----------
    waveform : (n,) float
    contour : (t,) float
        Hz, 0 where unvoiced: `f0` with the same `hop_length`.

    Returns
    -------
    pulses : list of (k,) float64
        Samples, rising, between the samples where the correlation says so.
    """
    waveform, found = np.asarray(waveform, np.float64), []
    voiced = np.flatnonzero(contour > 0)
    for stretch in np.split(voiced, np.flatnonzero(np.diff(voiced) > 1) + 1) if len(voiced) else []:
        at, period = stretch * hop_length, sample_rate / contour[stretch]
        edges = max(0, at[0] - hop_length / 2), min(len(waveform) - 1, at[-1] + hop_length / 2)
        middle = (edges[0] + edges[1]) / 2
        half = float(np.interp(middle, at, period)) / 2
        start = max(0, int(middle - half))
        first = start + int(np.abs(waveform[start : int(middle + half) + 1]).argmax())
        left = _walk(waveform, first, -1, edges[0], at, period)
        right = _walk(waveform, first, 1, edges[1], at, period)
        found.append(np.array([*left[::-1], first, *right], dtype=np.float64))
    return found


def _walk(waveform, first: float, way: int, edge: float, at: np.ndarray, period: np.ndarray) -> list[float]:
    """Return the pulses from `first` onwards, to the right (`way` 1) or left (-1), up to `edge`."""
    found, here = [], float(first)
    while True:
        length = float(np.interp(here, at, period))
        step, likeness = _next(waveform, here, way, length)
        there = here + way * step
        if step == 0 or way * (there - edge) > (length if likeness > 0.7 else 0):
            return found
        outside = way * (there - edge) > 0
        if likeness >= 0.3:
            found.append(there)
        if outside:
            return found
        here = there


def _next(waveform: np.ndarray, here: float, way: int, period: float) -> tuple[float, float]:
    """Return the distance (samples) to the most similar period and its correlation; (0, 0) beyond the ends."""
    n, start = max(3, round(period)), round(here - period / 2)
    distances = np.arange(int(0.8 * period) - 1, int(np.ceil(1.2 * period)) + 2)
    starts = start + way * distances
    if min(start, starts.min()) < 0 or max(start, starts.max()) + n > len(waveform):
        return 0.0, 0.0
    this, others = waveform[start : start + n], waveform[starts[:, None] + np.arange(n)]
    energy = np.sqrt((this @ this) * np.einsum("ij,ij->i", others, others))
    likeness = np.einsum("ij,j->i", others, this) / np.maximum(energy, 1e-20)
    best = int(likeness[1:-1].argmax()) + 1
    before, top, after = likeness[best - 1 : best + 2]
    bend = before - 2 * top + after
    shift = np.clip(0.5 * (before - after) / bend, -0.5, 0.5) if bend < 0 else 0.0
    return distances[best] + float(shift), float(top)


def perturbation(
    waveform: np.ndarray,
    contour: np.ndarray | None = None,
    *,
    sample_rate: int = 16000,
    hop_length: int = 256,
) -> Perturbation:
    """Return jitter and shimmer, Praat's "local" ones.

    With T the intervals between pulses, of 0.1 to 20 ms, and A the amplitudes of the pulses (root mean square
    under a Hann window that reaches 0.2 periods to either side): jitter = mean abs(T[i] - T[i-1]) / mean T,
    shimmer = mean abs(A[i] - A[i-1]) / mean A, shimmer_db = mean abs(20 log10(A[i] / A[i-1])). Neighbours whose
    intervals differ by a factor above 1.3, or amplitudes above 1.6, are not compared: the voice paused there.

    Parameters
    ----------
    waveform : (n,) float
    contour : (t,) float, optional
        Hz, 0 where unvoiced; by default `f0` of the waveform.

    Returns
    -------
    perturbation : Perturbation
        In %, % and dB. Independent of the level. NaN where no two neighbouring periods count.
    """
    waveform = np.asarray(waveform, np.float64)
    if contour is None:
        contour = f0(waveform, sample_rate=sample_rate, hop_length=hop_length)
    stretches = pulses(waveform, contour, sample_rate=sample_rate, hop_length=hop_length)
    parts = [_differences(waveform, times, sample_rate) for times in stretches if len(times) > 2]
    if not parts:
        return Perturbation(np.nan, np.nan, np.nan)
    steps, periods, changes, levels, decibels = (np.concatenate(part) for part in zip(*parts, strict=True))
    jitter = 100 * steps.mean() / periods.mean() if len(steps) else np.nan
    shimmer, in_db = (100 * changes.mean() / levels.mean(), decibels.mean()) if len(changes) else (np.nan, np.nan)
    return Perturbation(float(jitter), float(shimmer), float(in_db))


def _differences(waveform: np.ndarray, times: np.ndarray, sample_rate: int) -> tuple[np.ndarray, ...]:
    """Return, of one voiced stretch, what is averaged: |dT|, T (s), |dA|, A and |dA| in dB."""
    intervals = np.diff(times)
    counts = (intervals >= PERIODS[0] * sample_rate) & (intervals <= PERIODS[1] * sample_rate)
    pairs = counts[:-1] & counts[1:] & _alike(intervals, PERIOD_FACTOR)
    steps, levels = np.abs(np.diff(intervals))[pairs], np.full(len(intervals) - 1, np.nan)
    for i in np.flatnonzero(pairs):  # the pulse between intervals i and i + 1
        levels[i] = _level(waveform, times[i + 1], 0.2 * intervals[i], 0.2 * intervals[i + 1])
    near = _alike(levels, AMPLITUDE_FACTOR)
    changes = np.abs(np.diff(levels))[near]
    decibels = 20 * np.abs(np.log10(levels[1:][near] / levels[:-1][near]))
    return steps, intervals[counts], changes, levels[np.isfinite(levels)], decibels


def _alike(values: np.ndarray, factor: float) -> np.ndarray:
    """Tell which neighbours (k - 1,) differ by at most `factor`; a NaN or 0 is like nothing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.abs(np.log(values[1:] / values[:-1])) <= np.log(factor)


def _level(waveform: np.ndarray, at: float, left: float, right: float) -> float:
    """Return the root mean square around `at` under a Hann window with sides of `left` and `right` samples."""
    first, last = max(0, int(np.ceil(at - left))), min(len(waveform) - 1, int(at + right))
    distance = np.arange(first, last + 1) - at
    weight = 0.5 + 0.5 * np.cos(np.pi * distance / np.where(distance < 0, left, right))
    return float(np.sqrt(weight @ waveform[first : last + 1] ** 2 / max(weight.sum(), 1e-20)))
