"""The embedded corpus: synthetic talking faces with voices, so that everything can be tried without real data.

Nothing here is a recording and no number from it says anything about people. What each emotion does to the voice
follows Banse and Scherer (1996), Scherer (2003, table 2), Juslin and Laukka (2003, table 7), and for disgust and
surprise Murray and Arnott (1993); what it does to the face follows the prototypes of EMFACS (Ekman and Friesen
1978; Ekman, Friesen and Hager 2002). The rest is made for the purpose: emotions come in pairs that look alike but
sound different and in pairs that sound alike but look different, and every speaker expresses each emotion in a
manner of their own, which a model that has met the speaker knows and one that has not must do without.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass, fields
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter1d

from workbench import media, scale
from workbench.datasets.base import Card, Corpus
from workbench.datasets.demo_face import ACTION_UNITS, Head, render
from workbench.datasets.demo_voice import HOP, Prosody, Speech, Voice, speak
from workbench.datasets.ravdess import parse_name
from workbench.emotions import EMOTIONS, in_order
from workbench.errors import WorkbenchError

# What makes the corpus easy or hard; see the README of a generated corpus for what they do to simple classifiers.
FACE_BLEND = 0.8  # 0..1: how far the pairs that look alike are moved to their mean; 1 makes them the same
VOICE_BLEND = 0.8  # 0..1: the same for the pairs that sound alike
MANNER_FACE = 0.3  # units of the face (below): standard deviation, over speakers, of how they show an emotion
MANNER_VOICE = 0.6  # units of the voice (below): the same for how it sounds
REST_FACE, REST_VOICE = 0.08, 0.3  # units: how speakers differ in all emotions alike
TAKE_NOISE = 0.15  # share of the manner by which takes of one speaker and emotion differ
STRONG = 1.4  # factor on what sets an emotion apart from neutral, at strong intensity

CONSTANTS = ("FACE_BLEND", "VOICE_BLEND", "MANNER_FACE", "MANNER_VOICE", "REST_FACE", "REST_VOICE", "TAKE_NOISE",
             "STRONG")  # fmt: skip
VERSION = 1  # of the generator: raised whenever the same seed gives other clips
FPS, SAMPLE_RATE, SIZE = 25, 16000, 256
LOOK_ALIKE = (("neutral", "calm"), ("fearful", "surprised"), ("angry", "disgust"))
SOUND_ALIKE = (("neutral", "disgust"), ("calm", "sad"), ("happy", "surprised"), ("angry", "fearful"))

POSE = {"head_yaw": 15, "head_pitch": 10, "head_roll": 8}  # degrees, never exceeded: right, up, clockwise
FACE = (*ACTION_UNITS, *POSE)
FACE_UNIT = np.array([{"AU26": 0.3, "AU43": 0.3, "AU18": 0.3}.get(a, 1.0) for a in ACTION_UNITS] + [14.0, 10.0, 8.0])
FACES = {
    "neutral": {},
    "calm": {"AU12": 0.25, "AU6": 0.1, "AU43": 0.1, "head_roll": 2},
    "happy": {"AU6": 0.7, "AU12": 0.8, "AU26": 0.1, "head_pitch": 1, "head_roll": -2},
    "sad": {"AU1": 0.7, "AU4": 0.4, "AU15": 0.7, "AU43": 0.2, "head_pitch": -6},
    "angry": {"AU4": 0.8, "AU5": 0.4, "AU7": 0.6, "AU24": 0.5, "head_pitch": -3},
    "fearful": {"AU1": 0.7, "AU2": 0.5, "AU4": 0.5, "AU5": 0.7, "AU20": 0.7, "AU26": 0.15, "head_pitch": 2},
    "disgust": {"AU4": 0.3, "AU7": 0.2, "AU9": 0.8, "AU10": 0.7, "AU15": 0.3, "head_yaw": 6},
    "surprised": {"AU1": 0.8, "AU2": 0.9, "AU5": 0.6, "AU26": 0.3, "head_pitch": 5},
}
VOICE = tuple(field.name for field in fields(Prosody))
VOICE_UNIT = np.array(astuple(Prosody(3.0, 0.4, 2.0, 0.12, 4.0, 0.5, 0.006, 0.04, 0.15)))
PROSODIES = {
    "neutral": Prosody(),
    "calm": Prosody(-1.0, 0.7, -0.5, 0.87, -3.0, -0.4, -0.001, -0.01),
    "happy": Prosody(4.0, 1.6, 1.5, 1.10, 4.0, 0.3),
    "sad": Prosody(-1.5, 0.6, -2.0, 0.80, -5.0, -0.8, 0.004, 0.02, 0.20),
    "angry": Prosody(3.5, 1.5, -1.0, 1.15, 8.0, 1.0, 0.010, 0.08),
    "fearful": Prosody(6.0, 0.8, 1.5, 1.22, 2.0, 0.1, 0.008, 0.05, 0.40),
    "disgust": Prosody(-2.5, 0.8, -3.0, 0.85, -1.0, 0.2, 0.010, 0.04),
    "surprised": Prosody(5.0, 2.2, 4.0, 1.02, 3.0, 0.1),
}


@dataclass(frozen=True)
class Performance:
    """A clip before it is encoded: frames (t, 256, 256, 3) uint8, waveform (n,) float32, truth a row a frame.

    Columns of the truth: `time` (s), `head_yaw`, `head_pitch`, `head_roll` (degrees: to the right of the picture,
    up, clockwise), the action units (0..1), `jaw` (0..1: the opening shown, which is AU26), `pitch_hz` (0 where
    unvoiced), `phone` (ARPAbet, a stressed vowel with 1, "" in silence).
    """

    frames: np.ndarray
    waveform: np.ndarray
    truth: pd.DataFrame


def perform(
    speaker: int, emotion: str, *, intensity: int = 1, statement: int = 1, take: int = 1, seed: int = 0
) -> Performance:
    """Act, say and draw one clip; the same arguments give the same arrays.

    Parameters
    ----------
    speaker : int
        From 1; odd speakers are men, even ones women.
    intensity, statement, take : int
        1 or 2 each; intensity 2 is strong.
    """
    speech, truth = act(speaker, emotion, intensity=intensity, statement=statement, take=take, seed=seed)
    head = Head.random(_stream(seed, "head", speaker), _sex(speaker))
    rows = truth[list(FACE)].to_dict("records")
    frames = [render(head, row, tuple(row.pop(angle) for angle in POSE), size=SIZE) for row in rows]
    return Performance(np.stack(frames), speech.waveform, truth)


def act(
    speaker: int, emotion: str, *, intensity: int = 1, statement: int = 1, take: int = 1, seed: int = 0
) -> tuple[Speech, pd.DataFrame]:
    """Return what `perform` draws before drawing it: the speech, and the truth of every frame."""
    rng = _stream(seed, "take", speaker, emotion, intensity, statement, take)
    given = {"speaker": speaker, "emotion": emotion, "intensity": intensity, "seed": seed, "rng": rng}
    said = dict(zip(VOICE, _cues("voice", **given), strict=True))
    said["tempo"], said["pitch_range"] = np.clip(said["tempo"], 0.65, 1.5), np.clip(said["pitch_range"], 0.2, 4)
    voice = Voice.random(_stream(seed, "voice", speaker), _sex(speaker))
    speech = speak(voice, statement, Prosody(**said), rng, sample_rate=SAMPLE_RATE)
    return speech, _move(_cues("face", **given), _rest("face", speaker, seed), speech, rng)


def _sex(speaker: int) -> str:
    return "male" if speaker % 2 else "female"


def _stream(seed: int, *names) -> np.random.Generator:
    """Return the random numbers of one thing, whatever else is drawn before or beside it."""
    return np.random.default_rng([seed, zlib.crc32(repr(names).encode())])


def _modality(name: str) -> tuple[dict[str, np.ndarray], tuple, float, float, float, np.ndarray]:
    """Return a modality's table of emotions, its pairs, their blend, the manner, the rest, and the units."""
    if name == "voice":
        table = {emotion: np.array(astuple(prosody)) for emotion, prosody in PROSODIES.items()}
        return table, SOUND_ALIKE, VOICE_BLEND, MANNER_VOICE, REST_VOICE, VOICE_UNIT
    table = {emotion: np.array([face.get(cue, 0.0) for cue in FACE]) for emotion, face in FACES.items()}
    return table, LOOK_ALIKE, FACE_BLEND, MANNER_FACE, REST_FACE, FACE_UNIT


def _rest(modality: str, speaker: int, seed: int) -> np.ndarray:
    """Return what a speaker's face or voice does whatever the emotion."""
    *_, rest, units = _modality(modality)
    return rest * units * _stream(seed, modality, speaker).standard_normal(len(units))


def _cues(modality: str, *, speaker: int, emotion: str, intensity: int, seed: int, rng) -> np.ndarray:
    """Return the cues (of `FACE` or `VOICE`) of one take: emotion, the speaker's manner and rest, and chance."""
    table, pairs, blend, manner, _, units = _modality(modality)
    for pair in pairs:
        mean = sum(table[name] for name in pair) / 2
        table |= {name: table[name] + blend * (mean - table[name]) for name in pair}
    factor = STRONG if intensity == 2 else 1.0
    cues = table["neutral"] + factor * (table[emotion] - table["neutral"]) + _rest(modality, speaker, seed)
    own = _stream(seed, modality, speaker, emotion).standard_normal(len(units))
    return cues + manner * units * (own + TAKE_NOISE * rng.standard_normal(len(units)))


def _move(apex: np.ndarray, rest: np.ndarray, speech: Speech, rng: np.random.Generator) -> pd.DataFrame:
    """Return the truth: the face goes from near rest to the apex as the speech sets in, and back after it."""
    times = np.arange(int(len(speech.waveform) / speech.sample_rate * FPS)) / FPS
    start, end = speech.phones[0][1], speech.phones[-1][2]
    rise, fall = rng.uniform(0.2, 0.4, 2)
    shape = [0.4, 1.0, 1.0, 0.4]
    envelope = np.interp(times, [start - 0.15, start - 0.15 + rise, end, end + fall], shape)[:, None]
    slow = gaussian_filter1d(rng.standard_normal((len(times), len(FACE))), 0.25 * FPS, axis=0, mode="wrap")
    slow *= np.r_[[0.15] * len(ACTION_UNITS), [6.0] * len(POSE)]
    truth = pd.DataFrame(rest + envelope * (apex - rest) + slow, columns=list(FACE))
    track = np.arange(len(speech.pitch)) * HOP
    accents = sum(np.exp(-0.5 * ((times - accent) / 0.09) ** 2) for accent in speech.accents)
    truth["head_pitch"] -= rng.uniform(1, 3) * accents
    truth["AU43"] = np.maximum(truth["AU43"].clip(0, 0.5), _blinks(times, rng))
    truth["AU26"] = truth["AU26"].clip(0, 0.4) + 0.6 * np.interp(times, track, speech.jaw)
    truth["AU18"] = truth["AU18"].clip(0) + 0.7 * np.interp(times, track, speech.rounding)
    truth["AU24"] *= 1 - np.interp(times, track, speech.jaw)  # pressed lips part to speak
    truth[list(ACTION_UNITS)] = truth[list(ACTION_UNITS)].clip(0, 1)
    for angle, limit in POSE.items():
        truth[angle] = truth[angle].clip(-limit, limit)
    begins = np.array([begin for _, begin, _ in speech.phones])
    which = np.searchsorted(begins, times, side="right") - 1
    names = [speech.phones[i][0] if i >= 0 and t < end else "" for i, t in zip(which, times, strict=True)]
    nearest = np.minimum(np.rint(times / HOP).astype(int), len(track) - 1)
    truth.insert(0, "time", times)
    return truth.assign(jaw=truth["AU26"], pitch_hz=speech.pitch[nearest], phone=names)


def _blinks(times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return how far blinks close the eyes (t,): about one in 3 s, 0.2 s long."""
    moments = rng.uniform(0, times[-1], rng.poisson(times[-1] / 3))
    return sum((np.clip(1.3 - np.abs(times - m) / 0.1, 0, 1) for m in moments), np.zeros(len(times))).clip(0, 1)


class Demo(Corpus):
    """The embedded synthetic corpus, as `generate` writes it: RAVDESS file names, speakers demo-01 and on."""

    card = Card(
        name="demo",
        title="Demo: synthetic talking faces with voices",
        description="SYNTHETIC: every picture and every sound is computed by this project's own code from a seed. "
        "These are not people, and no number obtained on this corpus says anything about people. It exists to try "
        "and to test the workbench without real recordings: drawn heads and formant-synthesised voices act eight "
        "emotions, some of which look alike and others sound alike, each speaker in a manner of their own.",
        citation="The demo corpus of the emotion workbench: synthetic, made by workbench.datasets.demo.",
        licence="MIT, as the code that makes it",
        home="workbench/datasets/demo.py",
        synthetic=True,
        known_defects=("How hard it is was chosen, by the constants in demo.json.",),
    )
    suffixes = (".mp4",)
    example = "01-01-03-02-01-01-01.mp4"

    def parse(self, path: Path) -> dict | None:
        """Return the factors in a file's name, or None if the name is outside the scheme."""
        factors = parse_name(path, prefix=self.card.name)
        return factors and factors | {"path": str(path), "audio_path": str(path)}

    def missing(self, files: list[Path]) -> list[str]:
        """Return the clips that `demo.json` announces and the folder lacks."""
        if not (self.root / "demo.json").is_file():
            return []
        asked = json.loads((self.root / "demo.json").read_text())
        return sorted(set(_names(asked)) - {path.stem for path in files})

    def truth(self, clip: str) -> pd.DataFrame:
        """Return the truth of a clip, a row a frame; columns as in `Performance`."""
        return pd.read_parquet(_truth_path(self.root, clip))


def generate(
    root: str | Path,
    *,
    seed: int = 0,
    n_speakers: int = 12,
    n_takes: int = 1,
    emotions: Iterable[str] = EMOTIONS,
    statements: Iterable[int] = (1, 2),
    jobs: int = 2,
    progress: Callable = lambda items, **_: items,
) -> Demo:
    """Write the corpus under `root` and return it; clips that are there already are kept.

    Each clip depends on `seed` and its own name only, so neither `jobs`, nor the order, nor an interruption, nor
    how many others are made changes it.

    Parameters
    ----------
    n_speakers : int
        1 to 99; odd speakers are men, even ones women.
    n_takes : int
        1 or 2, of every emotion, statement and intensity (neutral has one intensity).
    jobs : int
        Processes.
    progress : callable
        Wraps the clips as they are finished: ``progress(clips, total=..., description=...)``.

    Raises
    ------
    WorkbenchError
        If `root` holds a corpus made with other parameters, or other files, or a parameter is out of range.
    """
    asked = {"emotions": in_order(emotions), "statements": sorted(set(statements))}
    asked |= {"seed": seed, "n_speakers": n_speakers, "n_takes": n_takes, "version": VERSION}
    asked |= {name: globals()[name] for name in CONSTANTS}
    root = _claim(Path(root).expanduser(), asked)
    todo = [clip for clip in _names(asked) if not (_path(root, clip).is_file() and _truth_path(root, clip).is_file())]
    if todo:
        made = scale.fan_out(partial(_make, root=root, seed=seed), todo, jobs=min(jobs, len(todo)))
        for _ in progress(made, total=len(todo), description="making the demo corpus"):
            pass
    return Demo(root)


def _claim(root: Path, asked: dict) -> Path:
    """Return `root` with `demo.json` and the card in it, unless it belongs to something else."""
    if not (1 <= asked["n_speakers"] <= 99 and asked["n_takes"] in (1, 2) and {1, 2} >= set(asked["statements"])):
        raise WorkbenchError(
            f"demo: expected 1 to 99 speakers, 1 or 2 takes, statements of 1, 2; found {asked['n_speakers']} "
            f"speakers, {asked['n_takes']} takes, statements {asked['statements']}"
        )
    notes = root / "demo.json"
    if notes.is_file():
        found = json.loads(notes.read_text())
        other = [f"{k} {found.get(k)} (asked: {v})" for k, v in asked.items() if found.get(k) != v]
        if other:
            raise WorkbenchError(
                f"{root} holds a demo corpus made with other parameters: {', '.join(other)}; choose another folder "
                "or delete this one"
            )
    elif root.exists() and (not root.is_dir() or any(not path.name.startswith(".") for path in root.iterdir())):
        raise WorkbenchError(f"{root}: expected a new or empty folder or a demo corpus, found other files")
    else:
        root.mkdir(parents=True, exist_ok=True)
        _write_text(notes, json.dumps(asked, indent=2) + "\n")
    card = Demo.card
    _write_text(
        root / "README.md",
        f"# {card.title}\n\n{card.description}\n\nMade by `{card.home}`, version {VERSION}; parameters in "
        f"`demo.json`; the truth of every frame in `truth/`. Licence: {card.licence}.\n",
    )
    return root


def _names(asked: dict) -> list[str]:
    """Return the names of all clips, in RAVDESS's scheme, speaker by speaker."""
    speakers, takes = range(1, asked["n_speakers"] + 1), range(1, asked["n_takes"] + 1)
    return [
        f"01-01-{EMOTIONS.index(emotion) + 1:02d}-{intensity:02d}-{statement:02d}-{take:02d}-{speaker:02d}"
        for speaker, emotion, intensity, statement, take in product(
            speakers, asked["emotions"], (1, 2), asked["statements"], takes
        )
        if (emotion, intensity) != ("neutral", 2)
    ]


def _path(root: Path, clip: str) -> Path:
    return root / f"Actor_{clip[-2:]}" / f"{clip}.mp4"


def _truth_path(root: Path, clip: str) -> Path:
    return root / "truth" / f"Actor_{clip[-2:]}" / f"{clip}.parquet"


def _make(clip: str, *, root: Path, seed: int) -> str:
    """Perform a clip and write it and its truth; each file appears when it is complete."""
    emotion, intensity, statement, take, speaker = map(int, clip.split("-")[2:])
    given = {"intensity": intensity, "statement": statement, "take": take, "seed": seed}
    performance = perform(speaker, EMOTIONS[emotion - 1], **given)
    for path in (_path(root, clip), _truth_path(root, clip)):
        path.parent.mkdir(parents=True, exist_ok=True)
    part = _truth_path(root, clip).with_suffix(f".{os.getpid()}.part")
    performance.truth.to_parquet(part, index=False)
    os.replace(part, _truth_path(root, clip))
    media.write_clip(_path(root, clip), performance.frames, performance.waveform, fps=FPS, sample_rate=SAMPLE_RATE)
    return clip


def _write_text(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_text(text)
    os.replace(part, path)
