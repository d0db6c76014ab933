"""Short-time Fourier transform, decibels and mel filters: librosa's, to the last bit, without importing librosa.

With these functions librosa imports numba and loads its compiled functions: about a second, and 100 MB, in every
process that prepares a recording.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.fft

_BLOCK = 2**18  # bytes of the frames that are transformed at a time, as in librosa: other blocks round otherwise
_LEAST_POWER = 1e-10  # power whose level is -100 dB
_LINEAR_HZ, _BREAK_HZ, _BREAK_MEL = 200.0 / 3, 1000.0, 15.0  # Slaney's mel scale: linear below the break
_LOG_STEP = np.log(6.4) / 27.0  # of the natural logarithm of the frequency, a mel, above the break


def stft(waveform: np.ndarray, *, n_fft: int, hop_length: int) -> np.ndarray:
    """Return the short-time Fourier transform of a waveform (Hann window, no padding).

    Parameters
    ----------
    waveform : (n,) float32, n >= n_fft
    n_fft, hop_length : int
        Samples of the window; samples between two windows.

    Returns
    -------
    spectrum : (1 + n_fft // 2, t) complex64, t = 1 + (n - n_fft) // hop_length
    """
    from scipy.signal.windows import hann  # slow to import

    window = hann(n_fft, sym=False)[:, None]
    frames = np.lib.stride_tricks.sliding_window_view(waveform, n_fft)[::hop_length].T
    spectrum = np.zeros((1 + n_fft // 2, frames.shape[1]), np.complex64, order="F")
    step = max(_BLOCK // (n_fft * frames.itemsize), 1)
    for start in range(0, frames.shape[1], step):
        block = window * frames[:, start : start + step]
        spectrum[:, start : start + step] = scipy.fft.rfft(block, axis=0)
    return spectrum


def power_to_db(
    power: np.ndarray, *, reference: Callable[[np.ndarray], float] | None = None, span: float
) -> np.ndarray:
    """Return the level of power in dB, raised to at most `span` dB below the maximum level.

    Parameters
    ----------
    power : array of float, >= 0
    reference : callable, optional
        Computes from `power` the power whose level is 0 dB; 1 by default.
    span : float
        dB.
    """
    level = 10.0 * np.log10(np.maximum(_LEAST_POWER, power))
    if reference is not None:
        level -= 10.0 * np.log10(np.maximum(_LEAST_POWER, reference(power)))
    return np.maximum(level, level.max() - span)


def mel_filters(sample_rate: int, n_fft: int, n_mels: int) -> np.ndarray:
    """Return triangular filters on Slaney's mel scale, each of the same area.

    Parameters
    ----------
    sample_rate : int
        Hz.
    n_fft, n_mels : int
        Samples of the Fourier transform; bands between 0 Hz and half the sample rate.

    Returns
    -------
    filters : (n_mels, 1 + n_fft // 2) float32
    """
    bins = np.fft.rfftfreq(n_fft, 1.0 / sample_rate)
    edges = _mel_frequencies(n_mels + 2, sample_rate / 2)
    widths, ramps = np.diff(edges), np.subtract.outer(edges, bins)
    filters = np.zeros((n_mels, len(bins)), np.float32)
    for i in range(n_mels):
        rise, fall = -ramps[i] / widths[i], ramps[i + 2] / widths[i + 1]
        filters[i] = np.maximum(0, np.minimum(rise, fall))
    filters *= (2.0 / (edges[2:] - edges[:-2]))[:, None]
    return filters


def _mel_frequencies(n: int, highest: float) -> np.ndarray:
    """Return frequencies (n,) Hz, evenly spaced in mel from 0 to `highest` Hz."""
    top = highest / _LINEAR_HZ
    if highest >= _BREAK_HZ:
        top = _BREAK_MEL + np.log(highest / _BREAK_HZ) / _LOG_STEP
    mels = np.linspace(0.0, top, n)
    frequencies, above = _LINEAR_HZ * mels, mels >= _BREAK_MEL
    frequencies[above] = _BREAK_HZ * np.exp(_LOG_STEP * (mels[above] - _BREAK_MEL))
    return frequencies
