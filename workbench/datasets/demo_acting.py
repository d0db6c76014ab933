"""How the speakers of the demo corpus act: what an emotion, and a speaker's manner, does to voice and face.

What an emotion does to the voice follows the tendencies in Banse and Scherer (1996), Scherer (2003) and
Juslin and Laukka (2003), and for disgust and surprise Murray and Arnott (1993); what it does to the face
follows the prototypes of EMFACS (Ekman and Friesen 1978; Ekman, Friesen and Hager 2002). The numbers, and the
rest, are made for the purpose: pairs of emotions look alike but sound different, other pairs sound alike but
look different, and every speaker has a manner for each emotion, which a model that has met the speaker knows
and one that has not must do without.
"""

from __future__ import annotations

import zlib
from dataclasses import astuple, dataclass

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter1d

from workbench.datasets.demo_face import render
from workbench.datasets.demo_head import ACTION_UNITS, Head, features
from workbench.datasets.demo_voice import HOP, Prosody, Speech, Voice, speak
from workbench.emotions import EMOTIONS


@dataclass(frozen=True)
class Spread:
    """How alike emotions and how different speakers are in one modality, in `FACE_UNIT` or `VOICE_UNIT`."""

    blend: float  # 0..1: how far the pairs that are alike are moved to their mean; 1 makes them the same
    manner: float  # sd over speakers of how each of them expresses one emotion
    rest: float  # sd over speakers of what each of them does in all emotions alike


@dataclass(frozen=True)
class Difficulty:
    """What makes the corpus easy or hard.

    A larger blend or manner makes its modality harder on new speakers; a manner also widens the gap to a
    random split.
    """

    face: Spread = Spread(blend=0.2, manner=0.15, rest=0.05)
    voice: Spread = Spread(blend=0.2, manner=0.6, rest=0.15)
    take_noise: float = 0.15  # share of the manner by which takes of one speaker and emotion differ
    strong: float = 1.4  # factor at strong intensity on what sets an emotion apart from neutral


DEMO = Difficulty()
VERSION = 2  # raised whenever the same seed gives other clips
FPS, SAMPLE_RATE, SIZE = 25, 16000, 256
LOOK_ALIKE = (("neutral", "calm"), ("fearful", "surprised"), ("angry", "disgust"))
SOUND_ALIKE = (("neutral", "disgust"), ("calm", "sad"), ("happy", "surprised"), ("angry", "fearful"))

POSE = {"head_yaw": 15.0, "head_pitch": 10.0, "head_roll": 8.0}  # limits, degrees: right, up, clockwise
FACE = (*ACTION_UNITS, *POSE)
SLIGHT = {"AU18": 0.3, "AU26": 0.3, "AU43": 0.3}  # manners hardly touch what speech and blinks move
FACE_UNIT = np.array([{**dict.fromkeys(ACTION_UNITS, 1.0), **SLIGHT, **POSE}[cue] for cue in FACE])
FACES = {  # action units 0..1 and pose in degrees, at normal intensity
    "neutral": {},
    "calm": {"AU12": 0.25, "AU6": 0.1, "AU43": 0.1, "head_roll": 2},
    "happy": {"AU6": 0.7, "AU12": 0.8, "AU26": 0.1, "head_pitch": 1, "head_roll": -2},
    "sad": {"AU1": 0.7, "AU4": 0.4, "AU15": 0.7, "AU43": 0.2, "head_pitch": -6},
    "angry": {"AU4": 0.8, "AU5": 0.4, "AU7": 0.6, "AU24": 0.5, "head_pitch": -3},
    "fearful": {"AU1": 0.7, "AU2": 0.5, "AU4": 0.5, "AU5": 0.7, "AU20": 0.7, "AU26": 0.15, "head_pitch": 2},
    "disgust": {"AU4": 0.3, "AU7": 0.2, "AU9": 0.8, "AU10": 0.7, "AU15": 0.3, "head_yaw": 6},
    "surprised": {"AU1": 0.8, "AU2": 0.9, "AU5": 0.6, "AU26": 0.3, "head_pitch": 5},
}
VOICE_UNIT = np.array(astuple(Prosody(3.0, 0.4, 2.0, 0.12, 4.0, 0.5, 0.006, 0.04, 0.15)))
VOICE_LIMITS = np.array([(-8, 0.2, -6, 0.65, -15, -1.3, -0.01, -0.05, 0), (14, 4, 8, 1.5, 14, 1.3, 0.04, 0.25, 1)])
PROSODIES = {  # pitch, its range and movement, tempo, energy, tilt, jitter, shimmer, tremor
    "neutral": Prosody(),
    "calm": Prosody(-1.0, 0.7, -0.5, 0.87, -3.0, -0.4, -0.001, -0.01),
    "happy": Prosody(4.0, 1.6, 1.5, 1.10, 4.0, 0.3),
    "sad": Prosody(-1.5, 0.6, -2.0, 0.80, -5.0, -0.8, 0.004, 0.02, 0.20),
    "angry": Prosody(3.5, 1.5, -1.0, 1.15, 8.0, 1.0, 0.010, 0.08),
    "fearful": Prosody(6.0, 0.8, 1.5, 1.22, 2.0, 0.1, 0.008, 0.05, 0.40),
    "disgust": Prosody(-2.5, 0.8, -3.0, 0.85, -1.0, 0.2, 0.010, 0.04),
    "surprised": Prosody(5.0, 2.2, 4.0, 1.02, 3.0, 0.1),
}
_FACES = {emotion: np.array([face.get(cue, 0.0) for cue in FACE]) for emotion, face in FACES.items()}
_VOICES = {emotion: np.array(astuple(prosody)) for emotion, prosody in PROSODIES.items()}
MODALITIES = {"face": (_FACES, LOOK_ALIKE, FACE_UNIT), "voice": (_VOICES, SOUND_ALIKE, VOICE_UNIT)}
STEADY = 0.05  # sd, in `FACE_UNIT`, of what a face held for a photograph still moves
SWAY, FLICKER = 6.0, 0.15  # degrees and 0..1: size of the slow unrest of pose and face, before smoothing


@dataclass(frozen=True)
class Performance:
    """A clip before it is encoded: frames (t, 256, 256, 3) uint8 at 25 Hz, waveform (n,) float32 at 16 kHz.

    `truth` has a row a frame: `time` (s); the action units (0..1); `head_yaw`, `head_pitch`, `head_roll`
    (degrees: to the right of the picture, up, clockwise); `jaw` (0..1: the opening shown, which is AU26);
    `pitch_hz` (of the voice, 0 where unvoiced); `phone` (ARPAbet, a stressed vowel with 1; "" in silence).
    """

    frames: np.ndarray
    waveform: np.ndarray
    truth: pd.DataFrame


@dataclass(frozen=True)
class Take:
    """What is to be acted. Speakers count from 1, odd ones are men; the last three are 1 or 2 (2: strong)."""

    speaker: int
    emotion: str
    intensity: int = 1
    statement: int = 1
    repetition: int = 1

    @property
    def clip(self) -> str:
        """The name in RAVDESS's scheme, such as 01-01-03-02-01-01-12."""
        emotion = EMOTIONS.index(self.emotion) + 1
        factors = (1, 1, emotion, self.intensity, self.statement, self.repetition, self.speaker)
        return "-".join(f"{factor:02d}" for factor in factors)

    @property
    def sex(self) -> str:
        """The speaker's: "male" or "female"."""
        return "male" if self.speaker % 2 else "female"


def perform(take: Take, *, seed: int = 0, difficulty: Difficulty = DEMO) -> Performance:
    """Act, say and draw a clip; the same arguments give the same arrays, whatever was performed before."""
    speech, truth = act(take, seed=seed, difficulty=difficulty)
    head = Head.random(_stream(seed, "head", take.speaker), take.sex)
    action_units = truth[list(ACTION_UNITS)].to_dict("records")
    poses = truth[list(POSE)].itertuples(index=False, name=None)
    frames = [render(head, units, pose, size=SIZE) for units, pose in zip(action_units, poses, strict=True)]
    return Performance(np.stack(frames), speech.waveform, truth)


def hold(take: Take, *, seed: int = 0, difficulty: Difficulty = DEMO) -> tuple[Head, dict[str, float]]:
    """Return the speaker's head, and the take's apex as held for a photograph: every cue of `FACE`, nothing spoken."""
    rng = _stream(seed, "still", take.clip)
    _, apex = _cues(take, "face", rng, seed=seed, difficulty=difficulty)
    apex = apex + STEADY * FACE_UNIT * rng.standard_normal(len(FACE))
    limits = np.array([(-POSE.get(cue, 0.0), POSE.get(cue, 1.0)) for cue in FACE])
    held = dict(zip(FACE, np.clip(apex, *limits.T).tolist(), strict=True))
    return Head.random(_stream(seed, "head", take.speaker), take.sex), held


def moved(truth: pd.DataFrame) -> pd.DataFrame:
    """Return how far the truth moves what a face model's units AU26 (jaw), AU4 (brows), AU15 (lip corners) stand for.

    Fitted units are of both signs: raised brows are lowered ones turned round, a smile is a corner depressed upwards.
    The brows' weights are the mean heights in units of the head that the drawing gives to each unit.
    """
    brows = 0.063 * truth["AU4"] - 0.048 * truth["AU1"] - 0.06 * truth["AU2"]
    return pd.DataFrame({"AU26": truth["AU26"], "AU4": brows, "AU15": truth["AU15"] - truth["AU12"]})


def brows(speaker: int, truth: pd.DataFrame, *, seed: int = 0) -> np.ndarray:
    """Return where a speaker's brows are drawn in each row of the truth, (t, 10, 2) pixels: landmarks 17 to 26."""
    head = Head.random(_stream(seed, "head", speaker), Take(speaker, "neutral").sex)
    poses, units = truth[list(POSE)].itertuples(index=False, name=None), truth[list(ACTION_UNITS)].to_dict("records")
    curves = [features(head, unit, pose, size=SIZE)["brow"] for unit, pose in zip(units, poses, strict=True)]
    return np.array([np.concatenate([left[::-2], right[::2]]) for left, right in curves])


def act(take: Take, *, seed: int = 0, difficulty: Difficulty = DEMO) -> tuple[Speech, pd.DataFrame]:
    """Return a performance before it is drawn: the speech, and the truth of every frame."""
    rng = _stream(seed, "take", take.clip)
    _, said = _cues(take, "voice", rng, seed=seed, difficulty=difficulty)
    rest, apex = _cues(take, "face", rng, seed=seed, difficulty=difficulty)
    voice = Voice.random(_stream(seed, "tract", take.speaker), take.sex)
    speech = speak(voice, take.statement, Prosody(*np.clip(said, *VOICE_LIMITS)), rng, sample_rate=SAMPLE_RATE)
    return speech, _move(rest, apex, speech, rng)


def _stream(seed: int, *names) -> np.random.Generator:
    """Return the random numbers of one thing, whatever else is drawn before or beside it."""
    return np.random.default_rng([seed, zlib.crc32(repr(names).encode())])


def _cues(take: Take, modality: str, rng, *, seed: int, difficulty: Difficulty):
    """Return the cues (arrays, ordered as `FACE` or `Prosody`) of the speaker at rest and of the take."""
    table, pairs, unit = MODALITIES[modality]
    spread = getattr(difficulty, modality)

    def mean(emotion):  # over speakers
        pair = next((pair for pair in pairs if emotion in pair), (emotion,))
        return table[emotion] + spread.blend * (np.mean([table[other] for other in pair], 0) - table[emotion])

    def own(*whose):
        return unit * _stream(seed, modality, *whose).standard_normal(len(unit))

    strength = difficulty.strong if take.intensity == 2 else 1.0
    rest = spread.rest * own(take.speaker)
    chance = difficulty.take_noise * unit * rng.standard_normal(len(unit))
    manner = spread.manner * (own(take.speaker, take.emotion) + chance)
    return rest, rest + mean("neutral") + strength * (mean(take.emotion) - mean("neutral")) + manner


def _move(rest: np.ndarray, apex: np.ndarray, speech: Speech, rng: np.random.Generator) -> pd.DataFrame:
    """Return the truth.

    The face leaves rest as the speech sets in, holds the apex, lets go, and is never quite still; lips and
    jaw follow the phones, the head nods on accents, the eyes blink.
    """
    times = np.arange(int(len(speech.waveform) / speech.sample_rate * FPS)) / FPS
    start, end = speech.phones[0][1], speech.phones[-1][2]
    rise, fall = rng.uniform(0.2, 0.4, 2)
    envelope = np.interp(times, [start - 0.15, start - 0.15 + rise, end, end + fall], [0.4, 1.0, 1.0, 0.4])
    unrest = gaussian_filter1d(rng.standard_normal((len(times), len(FACE))), 0.25 * FPS, axis=0, mode="wrap")
    unrest *= [SWAY if cue in POSE else FLICKER for cue in FACE]
    truth = pd.DataFrame(rest + envelope[:, None] * (apex - rest) + unrest, columns=FACE)
    jaw, rounding = (np.interp(times, np.arange(len(t)) * HOP, t) for t in (speech.jaw, speech.rounding))
    truth["AU26"] = truth["AU26"].clip(0, 0.4) + 0.6 * jaw
    truth["AU18"] = truth["AU18"].clip(0) + 0.7 * rounding
    truth["AU24"] *= 1 - jaw  # pressed lips part to speak
    truth["AU43"] = np.maximum(truth["AU43"].clip(0, 0.5), _blinks(times, rng))
    nods = np.exp(-0.5 * ((times[:, None] - speech.accents) / 0.09) ** 2).sum(1)
    truth["head_pitch"] -= rng.uniform(1, 3) * nods
    truth = truth.clip([-POSE.get(cue, 0.0) for cue in FACE], [POSE.get(cue, 1.0) for cue in FACE], axis=1)
    truth.insert(0, "time", times)
    pitch = speech.pitch[np.minimum(np.rint(times / HOP).astype(int), len(speech.pitch) - 1)]
    return truth.assign(jaw=truth["AU26"], pitch_hz=pitch, phone=[speech.phone_at(time) for time in times])


def _blinks(times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return how far blinks close the eyes (t,) in 0..1: about one in 3 s, 0.25 s long."""
    moments = rng.uniform(0, times[-1], rng.poisson(times[-1] / 3))
    return np.clip(1.25 - np.abs(times[:, None] - moments) / 0.1, 0, 1).max(1, initial=0)
