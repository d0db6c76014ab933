"""Augmentation of a waveform (n,) float32 in [-1, 1], and of the spectrogram or MFCC (t, f) made of it.

A result that would pass full scale is turned down as a whole to a peak of 1: nothing is clipped, so that no
distortion is added and a signal-to-noise ratio stays what it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import librosa
import numpy as np

from workbench.augment.base import Transform
from workbench.errors import WorkbenchError

WINDOW = 1024  # samples of the phase vocoder's Hann window, 64 ms at 16 kHz: some six periods of a low voice


def limit(waveform: np.ndarray) -> np.ndarray:
    """Return a waveform (n,) as float32, turned down to a peak of 1 if it passes full scale."""
    peak = float(np.abs(waveform).max(initial=1.0))
    return (waveform / peak if peak > 1 else waveform).astype(np.float32, copy=False)


@dataclass(frozen=True, kw_only=True)
class Noise(Transform):
    """Additive white Gaussian noise, scaled so that the signal-to-noise ratio is met exactly, not on average.

    Parameters
    ----------
    snr : range
        dB: ten times the logarithm of the waveform's mean power over the noise's. Source 002: 15 to 30. Silence
        (no power) has no such ratio and is returned as it is.
    """

    acts_on = "sound"
    limits = {"snr": (-20.0, 100.0)}
    snr: tuple[float, float] = (15.0, 30.0)

    def apply(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(n,) to (n,)."""
        noise = rng.standard_normal(len(x), dtype=np.float32)
        power = float(np.mean(np.square(x, dtype=np.float64)))
        wanted = power / 10 ** (self.draw("snr", rng) / 10)
        if wanted == 0:
            return x
        return limit(x + noise * np.float32(np.sqrt(wanted / np.mean(np.square(noise, dtype=np.float64)))))


@dataclass(frozen=True, kw_only=True)
class Stretch(Transform):
    """Time stretch by a phase vocoder (librosa): another speed, the same pitch.

    Parameters
    ----------
    rate : range
        Speed: 2 halves the duration, 0.5 doubles it. Source 002: 0.5 and 1.5.
    """

    acts_on = "sound"
    limits = {"rate": (0.25, 4.0)}
    rate: tuple[float, float] = (0.8, 1.25)

    def apply(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(n,) to (m,), m = round(n / rate), at least 1."""
        rate = self.draw("rate", rng)
        stretched = librosa.effects.time_stretch(_long_enough(x), rate=rate, n_fft=WINDOW)
        return limit(stretched[: max(1, round(len(x) / rate))])


@dataclass(frozen=True, kw_only=True)
class Pitch(Transform):
    """Pitch shift: a time stretch undone by resampling (librosa with soxr), so that the duration stays.

    Formants move along with the pitch: some semitones up make a smaller speaker as well as a higher voice.

    Parameters
    ----------
    semitones : range
        Twelve are an octave. Source 002: +2.
    """

    acts_on = "sound"
    limits = {"semitones": (-24.0, 24.0)}
    semitones: tuple[float, float] = (-2.0, 2.0)

    def apply(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(n,) to (n,)."""
        options = {"n_steps": self.draw("semitones", rng), "res_type": "soxr_hq", "n_fft": WINDOW}
        # The rate cancels out: only the ratio of the two rates of the resampling counts.
        return limit(librosa.effects.pitch_shift(_long_enough(x), sr=16000, **options)[: len(x)])


def _long_enough(x: np.ndarray) -> np.ndarray:
    return np.pad(np.asarray(x, np.float32), (0, max(0, WINDOW - len(x))))


@dataclass(frozen=True, kw_only=True)
class Gain(Transform):
    """Random gain, no further up than to a peak of full scale.

    Parameters
    ----------
    db : range
        dB; 6 doubles the amplitude.
    """

    acts_on = "sound"
    limits = {"db": (-60.0, 60.0)}
    db: tuple[float, float] = (-6.0, 6.0)

    def apply(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(n,) to (n,)."""
        return limit(x * np.float32(10 ** (self.draw("db", rng) / 20)))


@dataclass(frozen=True, kw_only=True)
class Polarity(Transform):
    """Polarity inversion. It leaves every power spectrum as it is, so only a model of raw sound can notice it."""

    acts_on = "sound"
    p: float = 0.5

    def apply(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(n,) to (n,)."""
        return -x


@dataclass(frozen=True, kw_only=True)
class Specaugment(Transform):
    """SpecAugment (Park et al. 2019, section 2): blocks of frequency rows and of time steps are masked out.

    The paper's policies, on 80 mel bands and 10 ms steps: LB `frequency` 27, `time` 100, one mask each, `share` 1;
    LD the same with two masks each; SM `frequency` 15, `time` 70, two masks each, `share` 0.2; SS as SM with 27.
    The defaults are SM halved, for 40 coefficients and 16 ms steps. Time warping, of which the paper says that it
    adds least, is left out.

    On MFCC a frequency mask hides neighbouring cepstral coefficients: levels of detail of the spectral envelope rather
    than a band of frequencies.

    Parameters
    ----------
    frequency, frequency_masks : int
        A mask's greatest width in rows (drawn from 0 to that), and how many masks.
    time, time_masks : int
        The same in time steps.
    share : float
        No time mask is longer than this share of the clip.
    fill : 'mean' or float
        What stands in a mask: each row's mean over the clip (the paper's zero, for its spectrograms have mean zero),
        or a number.
    """

    acts_on = "spectrogram"
    frequency: int = 7
    frequency_masks: int = 2
    time: int = 40
    time_masks: int = 2
    share: float = 0.2
    fill: str | float = "mean"

    whole: ClassVar[tuple[str, ...]] = ("frequency", "frequency_masks", "time", "time_masks")

    def __post_init__(self):
        super().__post_init__()
        for name in self.whole:
            object.__setattr__(self, name, self._number(name, getattr(self, name), 0, 10_000, int))
        object.__setattr__(self, "share", self._number("share", self.share, 0, 1))
        if self.fill != "mean" and (isinstance(self.fill, str | bool) or not np.isfinite(self.fill)):
            raise WorkbenchError(f"augmentation 'specaugment': fill is {self.fill!r}, expected 'mean' or a number")

    def apply(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(t, f) to (t, f), of the same type."""
        out, fill = x.copy(), np.full(x.shape[1], self.fill if self.fill != "mean" else 0.0)
        if self.fill == "mean":
            fill = x.mean(axis=0, dtype=np.float64)
        fill = (fill.round() if np.issubdtype(x.dtype, np.integer) else fill).astype(x.dtype)
        for _ in range(self.frequency_masks):
            rows = _block(x.shape[1], min(self.frequency, x.shape[1]), rng)
            out[:, rows] = fill[rows]
        for _ in range(self.time_masks):
            out[_block(len(x), min(self.time, int(self.share * len(x))), rng)] = fill
        return out


def _block(length: int, widest: int, rng: np.random.Generator) -> slice:
    """Return a random block: width 0 to `widest`, all of it inside `length`."""
    width = int(rng.integers(0, widest + 1))
    start = int(rng.integers(0, length - width + 1))
    return slice(start, start + width)
