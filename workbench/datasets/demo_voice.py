"""The voices of the demo corpus: source-filter synthesis of two sentences (Fant 1960; Klatt 1980).

A train of glottal pulses and some breath pass through a cascade of formant resonators; bursts and fricatives
are noise added beside it. Where the numbers come from:

* pulses: the polynomial flow of Rosenberg (1971) as in KLGLOTT88, with its low-pass for the tilt of the
  spectrum (Klatt and Klatt 1990);
* formants: vowels, the mean of the men of Peterson and Barney (1952); consonants, Klatt (1980, table III), but
  velars moved to where back vowels need them; bandwidths, Klatt (1980), rounded;
* durations, declination, accents: of the usual order in read speech ('t Hart, Collier, Cohen 1990), assumed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

HOP = 0.01  # s, between values of the returned tracks
STEP = 0.005  # s, between values of the controls; the filters are constant within a step
GAIN = 0.05  # linear, from the synthesiser to full scale: neutral speech at about -33 dB RMS
FLOOR = 5e-5  # linear, noise of the microphone
HIGHER_FORMANTS = (3300.0, 3850.0, 4900.0, 5900.0, 6900.0)  # Hz, the same for every phone
BANDWIDTHS = (70.0, 90.0, 150.0, 250.0, 250.0, 350.0, 450.0, 550.0)  # Hz
DECLINATION, ACCENT = 3.0, 3.0  # semitones: fall over the sentence, rise on a stressed vowel
RELEASE, BURST = 0.45, 0.012  # share of a stop after its release; s, length of the burst
SILENCES = (0.15, 0.3)  # s, shortest and longest pause before and after the sentence


@dataclass(frozen=True)
class Phone:
    """Targets of a phone: duration (s), formants (Hz, of a man), mouth and levels (0..1), noise band (Hz)."""

    seconds: float
    formants: tuple[float, float, float]
    jaw: float
    rounding: float = 0.0
    voicing: float = 1.0
    noise: float = 0.0
    band: tuple[float, float] = (5500.0, 2000.0)  # centre and width
    stop: bool = False


PHONES = {
    "IH": Phone(0.075, (390, 1990, 2550), 0.40),
    "AA": Phone(0.13, (730, 1090, 2440), 0.95),
    "AO": Phone(0.15, (570, 840, 2410), 0.80, 0.6),
    "AH": Phone(0.055, (640, 1190, 2390), 0.45),
    "ER": Phone(0.10, (490, 1350, 1690), 0.35, 0.4),
    "NG": Phone(0.075, (300, 1990, 2850), 0.25, voicing=0.35),
    "DH": Phone(0.045, (270, 1290, 2540), 0.20, voicing=0.5, noise=0.05, band=(6000, 4000)),
    "S": Phone(0.11, (320, 1390, 2530), 0.08, voicing=0.0, noise=0.5, band=(6200, 1800)),
    "Z": Phone(0.08, (240, 1390, 2530), 0.10, voicing=0.4, noise=0.25, band=(6000, 1800)),
    "B": Phone(0.075, (200, 1100, 2150), -0.25, noise=0.3, band=(900, 900), stop=True),
    "D": Phone(0.06, (200, 1600, 2600), 0.12, noise=0.4, band=(3800, 2000), stop=True),
    "G": Phone(0.075, (200, 1500, 2300), 0.25, noise=0.4, band=(1900, 700), stop=True),
    "T": Phone(0.09, (400, 1600, 2600), 0.12, voicing=0.0, noise=0.7, band=(4500, 2200), stop=True),
    "K": Phone(0.095, (300, 1700, 2500), 0.25, voicing=0.0, noise=0.6, band=(2100, 700), stop=True),
}
STATEMENTS = {  # a trailing 1 marks a stressed vowel
    1: "K IH1 D Z ER T AO1 K IH NG B AA IH DH AH D AO1 ER",  # Kids are talking by the door
    2: "D AO1 G Z ER S IH1 D IH NG B AA IH DH AH D AO1 ER",  # Dogs are sitting by the door
}


@dataclass(frozen=True)
class Voice:
    """What a speaker brings along."""

    f0: float = 115.0  # Hz, mean pitch
    pitch_range: float = 1.0  # factor on its movements
    tract_length: float = 1.0  # factor, 1 for the mean man
    breathiness: float = 0.15  # 0..1, noise of breath
    jitter: float = 0.005  # relative standard deviation of the period
    shimmer: float = 0.03  # relative standard deviation of the pulses' size

    @classmethod
    def random(cls, rng: np.random.Generator, sex: str) -> Voice:
        """Draw the voice of a man or a woman ("male" or "female"); women: pitch x 1.8, tract x 0.86."""
        f0, tract_length = (112.0, 1.0) if sex == "male" else (203.0, 0.86)
        return cls(
            f0=f0 * 2 ** rng.normal(0, 0.15),
            pitch_range=rng.uniform(0.8, 1.2),
            tract_length=tract_length * np.clip(rng.normal(1, 0.04), 0.92, 1.08),
            breathiness=rng.uniform(0.05, 0.3),
            jitter=rng.uniform(0.003, 0.008),
            shimmer=rng.uniform(0.02, 0.05),
        )


@dataclass(frozen=True)
class Prosody:
    """How a sentence is said, relative to the speaker's neutral voice."""

    pitch: float = 0.0  # semitones above the speaker's mean
    pitch_range: float = 1.0  # factor on declination and accents
    contour: float = 0.0  # semitones by which the pitch moves towards the end: rise > 0, fall < 0
    tempo: float = 1.0  # factor on the rate of speaking
    energy: float = 0.0  # dB
    tilt: float = 0.0  # -1 lax and breathy ... 0 ... 1 pressed, with strong overtones
    jitter: float = 0.0  # added to the voice's own
    shimmer: float = 0.0  # added to the voice's own
    tremor: float = 0.0  # semitones, depth of the trembling at 6 Hz


@dataclass(frozen=True)
class Speech:
    """A spoken sentence and the truth about it; tracks have one value every 10 ms, from 0 s on."""

    waveform: np.ndarray  # (n,) float32 in [-1, 1]
    sample_rate: int
    pitch: np.ndarray  # (m,) Hz, 0 where unvoiced
    jaw: np.ndarray  # (m,) 0 closed .. 1 wide open
    rounding: np.ndarray  # (m,) 0..1
    phones: list[tuple[str, float, float]]  # name (a stressed vowel ends in 1), start and end in s

    @property
    def accents(self) -> list[float]:
        """Times (s) of the middles of the stressed vowels."""
        return [(start + end) / 2 for phone, start, end in self.phones if phone.endswith("1")]

    def phone_at(self, time: float) -> str:
        """Return the phone that is said at a time (s), "" in silence."""
        return next((phone for phone, start, end in self.phones if start <= time < end), "")


def speak(
    voice: Voice, statement: int, prosody: Prosody, rng: np.random.Generator, *, sample_rate: int = 16000
) -> Speech:
    """Say a statement (1 or 2) with a voice and a prosody; the same `rng` state gives the same samples."""
    phones, seconds = _time(STATEMENTS[statement].split(), prosody.tempo, rng)
    steps = np.arange(round(seconds / STEP)) * STEP
    tracks = _articulate(phones, steps)
    accents = sum(np.exp(-0.5 * ((steps - (a + b) / 2) / 0.07) ** 2) for p, a, b in phones if p.endswith("1"))
    progress = np.clip((steps - phones[0][1]) / (phones[-1][2] - phones[0][1]), 0, 1)
    pitch = _pitch(voice, prosody, accents, progress, rng)
    level = 10 ** ((prosody.energy + 3 * accents - 4 * progress) / 20)
    source = _glottis(voice, prosody, pitch, tracks, rng, sample_rate=sample_rate)
    sound = _cascade(source, tracks["formants"] / voice.tract_length, sample_rate=sample_rate)
    sound += _hiss(phones, len(sound), rng, sample_rate=sample_rate)
    sound *= GAIN * _at(level, len(sound), sample_rate)
    waveform = np.tanh(sound + FLOOR * rng.standard_normal(len(sound))).astype(np.float32)
    every = round(HOP / STEP)
    return Speech(
        waveform=waveform,
        sample_rate=sample_rate,
        pitch=np.where(tracks["voicing"] > 0.25, pitch, 0.0)[::every],
        jaw=np.clip(tracks["jaw"], 0, 1)[::every],
        rounding=np.clip(tracks["rounding"], 0, 1)[::every],
        phones=phones,
    )


def _time(names: list[str], tempo: float, rng: np.random.Generator) -> tuple[list, float]:
    """Return (name, start, end) of each phone, with a pause on either side, and the whole length, in s."""
    before, after = rng.uniform(*SILENCES, 2)
    lengths = np.array([_phone(name).seconds * (1.25 if name.endswith("1") else 1) for name in names])
    lengths[-2:] *= 1.3  # the last syllable is drawn out
    ends = before + np.cumsum(lengths / tempo * np.exp(rng.normal(0, 0.05, len(names))))
    starts = np.r_[before, ends[:-1]]
    return list(zip(names, starts.tolist(), ends.tolist(), strict=True)), float(ends[-1] + after)


def _articulate(phones: list, steps: np.ndarray) -> dict[str, np.ndarray]:
    """Return the smoothed tracks a step: `formants` (t, 8) Hz, `voicing`, `breath`, `jaw`, `rounding`."""
    targets = [_phone(name) for name, _, _ in phones]
    starts, ends = np.array([span for _, *span in phones]).T
    which = np.clip(np.searchsorted(starts, steps, side="right") - 1, 0, None)
    speaking = (steps >= starts[0]) & (steps < ends[-1])
    released = ends[which] - steps < RELEASE * (ends - starts)[which]
    stop = np.array([phone.stop for phone in targets])[which]
    voicing = np.array([phone.voicing for phone in targets])[which] * speaking
    breath = stop & released & (voicing == 0) & speaking  # aspiration after a voiceless stop
    voicing = np.where(stop, np.where(released, 0.6, 0.2) * voicing, voicing)
    formants = np.array([[*phone.formants, *HIGHER_FORMANTS] for phone in targets])[which]
    mouth = np.array([(phone.jaw, phone.rounding) for phone in targets])[which] * speaking[:, None]
    jaw, rounding = gaussian_filter1d(mouth, 0.022 / STEP, axis=0).T
    return {
        "formants": gaussian_filter1d(formants, 0.018 / STEP, axis=0, mode="nearest"),
        "voicing": gaussian_filter1d(voicing, 0.006 / STEP),
        "breath": gaussian_filter1d(0.6 * breath, 0.006 / STEP),
        "jaw": jaw,
        "rounding": rounding,
    }


def _pitch(voice: Voice, prosody: Prosody, accents, progress, rng) -> np.ndarray:
    """Return the pitch (t,) in Hz at every step, also where the voice is silent."""
    steps = np.arange(len(progress)) * STEP
    movement = ACCENT * accents - DECLINATION * (progress - 0.5)
    drift = gaussian_filter1d(rng.standard_normal(len(steps)), 0.1 / STEP)
    tremor = prosody.tremor * np.sin(2 * np.pi * (6 * steps + rng.uniform()))
    semitones = prosody.pitch + voice.pitch_range * prosody.pitch_range * movement
    semitones += prosody.contour * progress**2 + 0.3 * drift / drift.std() + tremor
    return np.clip(voice.f0 * 2 ** (semitones / 12), 55, 600)


def _glottis(voice: Voice, prosody: Prosody, pitch, tracks, rng, *, sample_rate: int) -> np.ndarray:
    """Return the source (n,): the derivative of the glottal flow, and breath while the glottis is open."""
    from scipy.signal import lfilter

    n = round(len(pitch) * STEP * sample_rate)
    times = np.arange(n) / sample_rate
    onsets, perturbation = [0.0], rng.normal(0, voice.jitter + max(prosody.jitter, 0), 4096)
    while onsets[-1] < times[-1]:
        f0 = pitch[min(int(onsets[-1] / STEP), len(pitch) - 1)]
        onsets.append(onsets[-1] + (1 + perturbation[len(onsets) % 4096]) / f0)
    phase = np.interp(times, onsets, np.arange(len(onsets)))
    period = phase.astype(int)
    amplitude = 1 + rng.normal(0, voice.shimmer + max(prosody.shimmer, 0), len(onsets))
    open_quotient = np.clip(0.6 - 0.15 * prosody.tilt, 0.35, 0.85)
    x = (phase - period) / open_quotient
    pulses = np.where(x < 1, 2 * x - 3 * x**2, 0.0) * amplitude[period]
    pulses *= _at(tracks["voicing"], n, sample_rate)
    decay = _one_pole(np.clip(12 - 12 * prosody.tilt, 0.5, 30), sample_rate)
    pulses = lfilter([1 - decay], [1, -decay], pulses)
    breath = voice.breathiness * np.clip(1 - prosody.tilt, 0.1, 2.5) * tracks["voicing"]
    noise = rng.standard_normal(n) * np.where(x < 1, 1.0, 0.3)
    return pulses + 0.06 * noise * _at(breath + 2 * tracks["breath"], n, sample_rate)


def _one_pole(decibels: float, sample_rate: int) -> float:
    """Return the pole of the low-pass that is `decibels` down at 3 kHz."""
    gain, cosine = 10 ** (-decibels / 10), np.cos(2 * np.pi * 3000 / sample_rate)
    k = (1 - gain * cosine) / (1 - gain)
    return float(k - np.sqrt(k**2 - 1))


def _cascade(source: np.ndarray, formants: np.ndarray, *, sample_rate: int) -> np.ndarray:
    """Filter (n,) by a cascade of resonators at `formants` (t, 8) Hz, one set of them a step (Klatt 1980)."""
    from scipy.signal import sosfilt

    heard = (formants < 0.45 * sample_rate).all(axis=0)  # short tracts have fewer formants below half the rate
    radius = np.exp(-np.pi * np.array(BANDWIDTHS)[heard] / sample_rate)
    b = 2 * radius * np.cos(2 * np.pi * formants[:, heard] / sample_rate)
    c = np.broadcast_to(-(radius**2), b.shape)
    zero, one = np.zeros_like(b), np.ones_like(b)
    sections = np.ascontiguousarray(np.stack([1 - b - c, zero, zero, one, -b, -c], axis=-1))  # (t, k, 6)
    state, output, size = np.zeros((b.shape[1], 2)), np.empty_like(source), round(STEP * sample_rate)
    turn = np.diff(b, axis=0, prepend=b[:1]) / c  # keeps the outputs' history when the formants move
    for i, filters in enumerate(sections):
        block = slice(i * size, (i + 1) * size)
        state[:, 0] += turn[i] * state[:, 1]
        output[block], state = sosfilt(filters, source[block], zi=state)
    return output


def _hiss(phones: list, n: int, rng: np.random.Generator, *, sample_rate: int) -> np.ndarray:
    """Return the noise (n,) of fricatives (over the phone) and stops (10 ms at the release)."""
    from scipy.signal import lfilter

    hiss = np.zeros(n)
    for name, start, end in phones:
        phone = _phone(name)
        if phone.stop:
            start = end - RELEASE * (end - start)
            end = start + BURST
        first, last = int(start * sample_rate), int(end * sample_rate)
        noise = phone.noise * rng.standard_normal(last - first) * np.hanning(last - first) ** 0.5
        radius = np.exp(-np.pi * phone.band[1] / sample_rate)
        poles = [1, -2 * radius * np.cos(2 * np.pi * phone.band[0] / sample_rate), radius**2]
        hiss[first:last] += lfilter([(1 - radius) / 2, 0, (radius - 1) / 2], poles, noise)
    return hiss


def _phone(name: str) -> Phone:
    return PHONES[name.rstrip("1")]


def _at(track: np.ndarray, n: int, sample_rate: int) -> np.ndarray:
    """Interpolate a track of one value a step to `n` samples."""
    return np.interp(np.arange(n) / sample_rate, np.arange(len(track)) * STEP, track)
