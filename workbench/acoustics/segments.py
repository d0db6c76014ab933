"""Spectrograms as pictures, and their overlapping segments (source 004, section 4.4)."""

from __future__ import annotations

import numpy as np

from workbench.acoustics import fourier

RANGE = 80.0  # dB that 255 steps span


def spectrogram(
    waveform: np.ndarray, *, sample_rate: int = 16000, n_fft: int = 512, hop_length: int = 64
) -> np.ndarray:
    """Return the spectrogram as a picture: power in dB, from 80 below its maximum to the maximum.

    Parameters
    ----------
    waveform : (n,) float32, n >= 1, in [-1, 1]
    sample_rate, n_fft, hop_length : int
        Hz (which only says what a row is); samples of the Hann window and its transform; samples between windows.
        Source 004 takes 512 and 64 at 16 kHz.

    Returns
    -------
    spectrogram : (1 + n_fft // 2, t) uint8, t = 1 + n // hop_length
        0 is 80 dB or more below the maximum, 255 the maximum; a step is 80 / 255 dB. Row k is at
        k * sample_rate / n_fft Hz.
    """
    padded = np.pad(np.asarray(waveform, np.float32), n_fft // 2)
    spectrum = fourier.stft(padded, n_fft=n_fft, hop_length=hop_length)
    level = fourier.power_to_db(spectrum.real**2 + spectrum.imag**2, reference=np.max, span=RANGE)
    return np.round((level + RANGE) * (255 / RANGE)).clip(0, 255).astype(np.uint8)


def segments(spectrogram: np.ndarray, *, segment: int = 250, step: int = 125) -> np.ndarray:
    """Cut a spectrogram with time first into overlapping segments of one length.

    Parameters
    ----------
    spectrogram : (t, f)
    segment, step : int
        Windows a segment has, and between the beginnings of two; equal for segments that do not overlap.

    Returns
    -------
    segments : (s, segment, f), a view without a copy
        s = 1 + (t - segment) // step, so that what is left at the end is dropped; a spectrogram shorter than one
        segment is zero-padded to one.
    """
    short = segment - len(spectrogram)
    if short > 0:
        spectrogram = np.pad(spectrogram, ((0, short), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(spectrogram, segment, axis=0)[::step]
    return windows.swapaxes(1, 2)
