"""MFCC, mel spectrogram, pitch: a waveform (n,) becomes (features, t).

Frame k is centred on sample k * hop_length, so t = 1 + n // hop_length; beyond the ends there are zeros.
Everything equals librosa's (Slaney's mel scale and filter areas, power in dB, orthonormal DCT-II). Only the mel
filters are kept between calls, as a sparse matrix: a dense product would wake the threads of the linear
algebra library, and on busy cores that took ten times as long as all the rest.
"""

from __future__ import annotations

from functools import lru_cache

import librosa
import numpy as np
import scipy.fft
from scipy.sparse import csr_array

from workbench.acoustics import fourier

N_MELS = 128


@lru_cache(maxsize=16)
def _filters(sample_rate: int, n_fft: int, n_mels: int) -> csr_array:
    return csr_array(fourier.mel_filters(sample_rate, n_fft, n_mels))


def mel_spectrogram(
    waveform: np.ndarray,
    *,
    sample_rate: int = 16000,
    n_mels: int = N_MELS,
    n_fft: int = 1024,
    hop_length: int = 256,
) -> np.ndarray:
    """Return the mel spectrogram in dB.

    Parameters
    ----------
    waveform : (n,) float32, n >= 1, in [-1, 1]
    sample_rate, n_fft, hop_length : int
        Hz; samples of the (Hann) window and its transform; samples between frames.
    n_mels : int
        Bands between 0 Hz and half the sample rate.

    Returns
    -------
    mel : (n_mels, t) float32, t = 1 + n // hop_length
        dB of power relative to 1, in [-100, 50], raised to at most 80 below its maximum.
    """
    padded = np.pad(np.asarray(waveform, np.float32), n_fft // 2)
    spectrum = fourier.stft(padded, n_fft=n_fft, hop_length=hop_length)
    power = spectrum.real**2 + spectrum.imag**2
    return fourier.power_to_db(_filters(sample_rate, n_fft, n_mels) @ power, span=80.0)


def mfcc(
    waveform: np.ndarray,
    *,
    sample_rate: int = 16000,
    n_mfcc: int = 40,
    n_fft: int = 1024,
    hop_length: int = 256,
) -> np.ndarray:
    """Return mel-frequency cepstral coefficients of 128 bands, equal to librosa.feature.mfcc.

    Parameters
    ----------
    waveform : (n,) float32, n >= 1, in [-1, 1]
    sample_rate, n_fft, hop_length : int
        Hz; samples of the (Hann) window and its transform; samples between frames.
    n_mfcc : int
        1 to 128 coefficients, the first of which follows the level.

    Returns
    -------
    mfcc : (n_mfcc, t) float32, t = 1 + n // hop_length
    """
    mel = mel_spectrogram(waveform, sample_rate=sample_rate, n_fft=n_fft, hop_length=hop_length)
    return scipy.fft.dct(mel, axis=0, norm="ortho")[:n_mfcc]


def pitch(
    waveform: np.ndarray,
    *,
    sample_rate: int = 16000,
    lowest: float = 60.0,
    highest: float = 600.0,
    hop_length: int = 256,
) -> np.ndarray:
    """Return the fundamental frequency by probabilistic YIN (Mauch & Dixon 2014), librosa.pyin.

    Parameters
    ----------
    waveform : (n,) float32, n >= 1, in [-1, 1]
    sample_rate, hop_length : int
        Hz; samples between frames.
    lowest, highest : float
        Hz; voices lie between some 60 (low, male) and 600 (raised, female). Steps are a tenth of a semitone.

    Returns
    -------
    pitch : (t,) float32, t = 1 + n // hop_length
        Hz in [lowest, highest]; 0 where unvoiced.
    """
    frame_length = 2 ** int(np.ceil(np.log2(4 * sample_rate / lowest)))  # four periods of the lowest voice
    voice, _, _ = librosa.pyin(
        np.asarray(waveform, np.float32),
        fmin=lowest,
        fmax=highest,
        sr=sample_rate,
        frame_length=frame_length,
        hop_length=hop_length,
        fill_na=0.0,
    )
    return voice.astype(np.float32)
