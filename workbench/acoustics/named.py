"""The named features of source 003 (appendix: "A list of features"), under its names.

The source names them and gives no formulas. Those here are the usual ones, librosa's where it has them; the rest
are from Velardo, *Audio signal processing for machine learning* (2020), whose words the list uses (amplitude
envelope, band energy ratio), Kaiser (1990) for the Teager operator, and Praat for jitter and shimmer.

x is the waveform, in full scales (1 is the loudest a file holds); frame k is the `n_fft` samples centred on sample
k * hop_length, with zeros beyond the ends; S = |STFT(x)| under a Hann window, in full scales times samples: a sine of
amplitude 1 peaks at n_fft / 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import librosa
import numpy as np

from workbench.acoustics import spectra, voice
from workbench.errors import WorkbenchError

SPLIT = 2000.0  # Hz, between the low and the high band of `ber`
SPREAD = ("mean", "median", "std", "range", "max")
_FLOOR = 1e-10


@dataclass(frozen=True)
class Feature:
    """What a named feature is.

    `kind` is `scalar`, `curve` (t,) or `matrix` (k, t), t = 1 + n // hop_length. `statistics` say how a table
    sums it up over time: `by_row` for each row of a matrix, else over all of its cells.
    """

    name: str
    unit: str
    kind: str
    about: str
    source: str
    statistics: tuple[str, ...] = SPREAD
    by_row: bool = False


def _scalar(name, unit, about, source):
    return Feature(name, unit, "scalar", about, source, ("value",))


def _curve(name, unit, about, source, statistics=SPREAD):
    return Feature(name, unit, "curve", about, source, statistics)


_PITCH, _ENERGY = "over the voiced frames of f0; NaN where none is", "over the frames' mean squares, mean(x^2)"
_VELARDO, _PRAAT = "Velardo 2020", "Boersma & Weenink, Praat"
_ALL = (
    _curve("f0", "Hz", "fundamental frequency, 0 where unvoiced", "Boersma 1993", ("voiced_share",)),
    *(_scalar(f"pitch_{name}", "Hz", f"{name} {_PITCH}", "Boersma 1993") for name in SPREAD),
    *(_scalar(f"energy_{name}", "full scale^2", f"{name} {_ENERGY}", "definition") for name in SPREAD),
    _scalar("jitter", "%", "mean |T[i] - T[i-1]| / mean T, T the glottal periods; NaN below two", _PRAAT),
    _scalar("shimmer", "%", "mean |A[i] - A[i-1]| / mean A, A the pulses' amplitudes; NaN below two", _PRAAT),
    _curve("amplitude_envelope", "full scale", "max |x| of the frame", _VELARDO),
    _curve("rms", "full scale", "sqrt(mean(x^2)) of the frame", "librosa.feature.rms"),
    _curve("zcr", "crossings/sample", "share of samples where x changes sign", "librosa.feature.zero_crossing_rate"),
    _curve("ber", "dB", f"10 log10 of the power below {SPLIT:.0f} Hz over that from there on", _VELARDO),
    Feature("amplitude_spectrogram", "full scale x samples", "matrix", "S", "librosa.stft"),
    Feature("dB_spectrogram", "dB", "matrix", "20 log10 S, at most 80 below its maximum", "librosa.amplitude_to_db"),
    Feature("spec_contrast", "dB", "matrix", "10 log10 of the upper over the lower 2 % of S, in octaves from 200 Hz",
            "librosa.feature.spectral_contrast; Jiang et al. 2002", ("mean", "std"), by_row=True),
    _curve("spec_flux", "full scale x samples", "||S[t] - S[t-1]||, 0 for the first", "Scheirer & Slaney 1997"),
    _curve("spec_centroid", "Hz", "sum(f S) / sum(S); 0 in digital silence", "librosa.feature.spectral_centroid"),
    _curve("spec_bandwidth", "Hz", "sqrt(sum((f - centroid)^2 S) / sum(S))", "librosa.feature.spectral_bandwidth"),
    _curve("spec_flatness", "", "geometric over arithmetic mean of S^2: 0 tone, near 0.56 white noise, 1 silence",
           "librosa.feature.spectral_flatness"),
    Feature("power_spectrogram", "(full scale x samples)^2", "matrix", "S^2", "librosa.stft"),
    Feature("mel_spectrogram", "dB", "matrix", "power in 128 mel bands, at most 80 below its maximum",
            "librosa.feature.melspectrogram"),
    Feature("mfcc", "dB", "matrix", "orthonormal cosine transform of the mel spectrogram", "librosa.feature.mfcc",
            ("mean", "std"), by_row=True),
    Feature("mfcc_delta", "dB/frame", "matrix", "slope of the mfcc over 9 frames", "librosa.feature.delta",
            ("mean", "std"), by_row=True),
    _curve("teo", "full scale^2", "frame mean of the Teager energy x[n]^2 - x[n-1] x[n+1]", "Kaiser 1990"),
)  # fmt: skip
FEATURES: dict[str, Feature] = {feature.name: feature for feature in _ALL}


def features(
    waveform: np.ndarray,
    *,
    sample_rate: int,
    n_mfcc: int = 40,
    n_fft: int = 1024,
    hop_length: int = 256,
) -> dict[str, float | np.ndarray]:
    """Return every named feature of a sound.

    Parameters
    ----------
    waveform : (n,) float32, n >= 1, in [-1, 1]
    sample_rate, n_fft, hop_length : int
        Hz; samples of a frame; samples between frames.
    n_mfcc : int
        1 to 128.

    Returns
    -------
    features : dict, by the names of `FEATURES` and in their order
        scalar: float, NaN where it is not defined (pitch, jitter and shimmer of a sound without voice).
        curve: (t,) float32; matrix: (k, t) float32; t = 1 + n // hop_length.

    Raises
    ------
    WorkbenchError
        If the waveform is empty, has several channels, or holds values that are no numbers.
    """
    x = np.asarray(waveform, np.float32)
    if x.ndim != 1 or not len(x) or not np.isfinite(x).all():
        raise WorkbenchError(f"features: expected a waveform (n,) of finite samples, n >= 1; found {_said(x)}")
    timing = {"sample_rate": sample_rate, "hop_length": hop_length}
    contour = voice.f0(x, **timing)
    jitter, shimmer, _ = voice.perturbation(x, contour, **timing)
    curves, mfcc = _curves(x, n_fft, hop_length), spectra.mfcc(x, n_mfcc=n_mfcc, n_fft=n_fft, **timing)
    found = {
        "f0": contour,
        **{f"pitch_{name}": value for name, value in spread(contour[contour > 0]).items()},
        **{f"energy_{name}": value for name, value in spread(curves["rms"] ** 2).items()},
        "jitter": jitter,
        "shimmer": shimmer,
        **curves,
        **_spectral(x, sample_rate, n_fft, hop_length),
        "mel_spectrogram": spectra.mel_spectrogram(x, n_fft=n_fft, **timing),
        "mfcc": mfcc,
        "mfcc_delta": librosa.feature.delta(mfcc, mode="nearest"),
    }
    return {name: found[name] for name in FEATURES}


def _said(x: np.ndarray) -> str:
    return f"shape {x.shape}" if x.ndim != 1 or not len(x) else f"{np.count_nonzero(~np.isfinite(x))} that are not"


def spread(values: np.ndarray) -> dict[str, float]:
    """Return mean, median, std (divided by n), range (max - min) and max of values (n,); NaN of none."""
    if not len(values):
        return dict.fromkeys(SPREAD, float("nan"))
    values = np.asarray(values, np.float64)
    most = float(values.max())
    found = values.mean(), np.median(values), values.std(), most - values.min(), most
    return {name: float(value) for name, value in zip(SPREAD, found, strict=True)}


def teager(waveform: np.ndarray) -> np.ndarray:
    """Return the Teager energy x[n]^2 - x[n-1] x[n+1] (n,) float32, 0 at the ends; A^2 sin^2(w) of A sin(w n)."""
    x = np.asarray(waveform, np.float64)
    energy = np.zeros(len(x), np.float32)
    energy[1:-1] = x[1:-1] ** 2 - x[:-2] * x[2:]
    return energy


def _curves(x: np.ndarray, n_fft: int, hop_length: int) -> dict[str, np.ndarray]:
    """Return the curves (t,) that come straight from the samples."""

    def framed(values):
        return np.lib.stride_tricks.sliding_window_view(np.pad(values, n_fft // 2), n_fft)[::hop_length]

    crossings = librosa.feature.zero_crossing_rate(x, frame_length=n_fft, hop_length=hop_length)[0]
    return {
        "amplitude_envelope": framed(np.abs(x)).max(axis=1),
        "rms": librosa.feature.rms(y=x, frame_length=n_fft, hop_length=hop_length)[0],
        "zcr": crossings.astype(np.float32),
        "teo": framed(teager(x)).mean(axis=1),
    }


def _spectral(x: np.ndarray, sample_rate: int, n_fft: int, hop_length: int) -> dict[str, np.ndarray]:
    """Return the spectrograms (1 + n_fft / 2, t) and what is computed from them."""
    padded = np.pad(x, n_fft // 2)
    S = np.abs(librosa.stft(padded, n_fft=n_fft, hop_length=hop_length, center=False))
    power, bins = S**2, librosa.fft_frequencies(sr=sample_rate, n_fft=n_fft)
    low, high = power[bins < SPLIT].sum(axis=0), power[bins >= SPLIT].sum(axis=0)
    centroid = librosa.feature.spectral_centroid(S=S, freq=bins)
    octaves = min(6, int(np.ceil(np.log2(sample_rate / 400))))
    found = {
        "ber": 10 * np.log10((low + _FLOOR) / (high + _FLOOR)),
        "amplitude_spectrogram": S,
        "dB_spectrogram": librosa.amplitude_to_db(S, top_db=80.0),
        "spec_contrast": librosa.feature.spectral_contrast(S=S, sr=sample_rate, n_bands=octaves),
        "spec_flux": np.linalg.norm(np.diff(S, axis=1, prepend=S[:, :1]), axis=0),
        "spec_centroid": centroid[0],
        "spec_bandwidth": librosa.feature.spectral_bandwidth(S=S, freq=bins, centroid=centroid)[0],
        "spec_flatness": librosa.feature.spectral_flatness(S=S)[0],
        "power_spectrogram": power,
    }
    return {name: values.astype(np.float32, copy=False) for name, values in found.items()}
