"""The embedded corpus: synthetic talking faces with voices, to try everything without real data."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from workbench import media, paths, scale
from workbench.datasets.base import Card, Corpus
from workbench.datasets.demo_acting import DEMO, FPS, SAMPLE_RATE, VERSION, Difficulty, Take, brows, perform
from workbench.datasets.demo_folder import announced, claim, write
from workbench.datasets.ravdess import parse_name
from workbench.emotions import EMOTIONS, in_order
from workbench.errors import WorkbenchError, choose

LAYOUT = """
* `Actor_NN/`: H.264 and AAC under RAVDESS's file names (modality, channel, emotion, intensity, statement,
  repetition, speaker); odd speakers are men.
* `truth/`: a table a clip with a row a frame: pose, action units, jaw, pitch of the voice, phone.
"""
SIZES = {
    "demo": {},
    "full": {},
    "smoke": {"n_speakers": 4, "statements": (1,)},
    "start": {"n_speakers": 8, "statements": (1,), "emotions": ("neutral", "happy", "sad", "angry")},
}
SMALL = ("smoke", "start")  # sizes with a folder of their own


class Demo(Corpus):
    """The synthetic corpus as `generate` writes it: RAVDESS's file names, speakers `demo-01` and on."""

    card = Card(
        name="demo",
        title="Demo: synthetic talking faces with voices",
        description="SYNTHETIC: every picture and every sound is computed by this project's own code from "
        "a seed. These are not people, and no number obtained on this corpus says anything about people. "
        "It exists to try and to test the workbench without real recordings: drawn heads and "
        "formant-synthesised voices act eight emotions, some of which look alike and others sound alike, "
        "each speaker in a manner of their own.",
        citation="The demo corpus of the emotion workbench (synthetic), made by workbench.datasets.demo.",
        licence="MIT, as the code that makes it",
        home="workbench/datasets/demo.py",
        label_source="the emotion the drawing was computed to show",
        synthetic=True,
        known_defects=("How hard it is was chosen, by the numbers under difficulty in its demo.json.",),
    )
    suffixes = (".mp4",)
    own_columns = ("kind", "channel", "repetition")
    example = "01-01-03-02-01-01-01.mp4"

    def parse(self, path: Path) -> dict | None:
        """Return the factors in a file's name, or None if the name is outside the scheme."""
        factors = parse_name(path, prefix=self.card.name)
        return factors and factors | {"path": str(path), "audio_path": str(path)}

    def missing(self, files: list[Path]) -> list[str]:
        """Return the clips that `demo.json` announces and the folder lacks."""
        asked = announced(self.root, self.card.name)
        return sorted({take.clip for take in _takes(asked)} - {path.stem for path in files}) if asked else []

    def truth(self, clip: str, times: np.ndarray | None = None) -> pd.DataFrame:
        """Return the truth of a clip, a row a frame, or of the frames next to `times` (t,) s.

        For the columns see `demo_acting.Performance`.
        """
        every = pd.read_parquet(_files(self.root, clip)[1])
        if times is None:
            return every
        return every.iloc[[(every["time"] - time).abs().argmin() for time in times]].reset_index(drop=True)

    def brows(self, clip: str, times: np.ndarray) -> np.ndarray:
        """Return where the brows are drawn at `times` (t,) s, (t, 10, 2) pixels: landmarks 17 to 26."""
        asked = announced(self.root, self.card.name) or {"seed": 0}
        return brows(int(clip[-2:]), self.truth(clip, times), seed=asked["seed"])

    @classmethod
    def fetch(cls, root: str | Path | None = None, *, size: str = "demo", **options) -> Corpus:
        """Make the corpus where it is not there yet, and open it; one that is at `root` stays as big as it is.

        Parameters
        ----------
        root : str or Path, optional
            By default `data/raw/demo`; `data/raw/demo-smoke` and `data/raw/demo-start` for the small ones.
        size : {'demo', 'full', 'smoke', 'start'}
            All of it (360 clips), 60 clips of four speakers, or 56 clips of eight speakers in four emotions.
        options : of `generate`
        """
        folder = cls.card.name if choose("size", size, SIZES) not in SMALL else f"{cls.card.name}-{size}"
        there = announced(Path(root).expanduser(), cls.card.name) if root else None
        made = SIZES[size]
        if there and there["version"] == VERSION:
            made = {key: there[key] for key in ("seed", "n_speakers", "n_takes", "emotions", "statements")}
            made["difficulty"] = Difficulty(**there["difficulty"])
        return generate(root or paths.raw(folder), **made | options)


def generate(
    root: str | Path,
    *,
    seed: int = 0,
    n_speakers: int = 12,
    n_takes: int = 1,
    emotions: Iterable[str] = EMOTIONS,
    statements: Iterable[int] = (1, 2),
    difficulty: Difficulty = DEMO,
    jobs: int = 2,
    progress: Callable = lambda items, **_: items,
) -> Demo:
    """Write the corpus under `root` and open it; clips that are there already are kept.

    Clips that `data/raw/demo` holds are copied from there.

    A clip depends on `seed`, `difficulty` and its own name only: neither `jobs`, nor the order, nor an
    interruption, nor how many others are made changes it.

    Parameters
    ----------
    n_speakers : int
        1 to 99; odd speakers are men, even ones women.
    n_takes : int
        1 or 2 of every emotion, statement and intensity (neutral has one intensity).
    emotions, statements : iterable
        What of `EMOTIONS` and of 1, 2 is made; fewer for a quick try.
    jobs : int
        Processes.
    progress : callable
        Wraps the clips as they are finished: ``progress(clips, total=..., description=...)``.

    Raises
    ------
    WorkbenchError
        If `root` holds other files or a demo corpus made with other parameters; if a parameter is out of
        range.
    """
    asked = {
        "version": VERSION,
        "seed": seed,
        "n_speakers": n_speakers,
        "n_takes": n_takes,
        "emotions": in_order(emotions),
        "statements": sorted(set(statements)),
        "difficulty": asdict(difficulty),
    }
    root = Path(root).expanduser()
    _check(asked)
    claim(root, asked, Demo.card, LAYOUT)
    todo = [take for take in _takes(asked) if not all(path.is_file() for path in _files(root, take.clip))]
    if todo:
        whole = paths.raw(Demo.card.name)
        make = partial(
            _make, root=root, seed=seed, difficulty=difficulty, source=whole if _alike(whole, asked) else None
        )
        clips = scale.fan_out(make, todo, jobs=min(jobs, len(todo)))
        for _ in progress(clips, total=len(todo), description="making the demo corpus"):
            pass
    return Demo(root)


def _check(asked: dict) -> None:
    if not 1 <= asked["n_speakers"] <= 99:
        raise WorkbenchError(f"demo corpus: expected n_speakers from 1 to 99, found {asked['n_speakers']}")
    if asked["n_takes"] not in (1, 2):
        raise WorkbenchError(f"demo corpus: expected n_takes 1 or 2, found {asked['n_takes']}")
    if not asked["statements"] or not set(asked["statements"]) <= {1, 2}:
        raise WorkbenchError(f"demo corpus: expected statements of 1, 2, found {asked['statements']}")


def _takes(asked: dict) -> list[Take]:
    """Return all takes, speaker by speaker."""
    speakers, repetitions = range(1, asked["n_speakers"] + 1), range(1, asked["n_takes"] + 1)
    factors = product(speakers, asked["emotions"], (1, 2), asked["statements"], repetitions)
    return [Take(*take) for take in factors if take[1:3] != ("neutral", 2)]


def _files(root: Path, clip: str) -> tuple[Path, Path]:
    """Return where a clip and its truth are."""
    folder = f"Actor_{clip[-2:]}"
    return root / folder / f"{clip}.mp4", root / "truth" / folder / f"{clip}.parquet"


def _alike(root: Path, asked: dict) -> bool:
    """Return whether the folder holds a corpus whose clips are the same, by what it was made with."""
    try:
        found = announced(root, Demo.card.name) or {}
        return all(found.get(key) == asked[key] for key in ("version", "seed", "difficulty"))
    except (ValueError, OSError, AttributeError):  # what cannot be read is no source
        return False


def _make(take: Take, *, root: Path, seed: int, difficulty: Difficulty, source: Path | None = None) -> str:
    """Perform a take and write it, or copy it from the corpus at `source`; each file gets its name when complete."""
    clip, truth = _files(root, take.clip)
    clip.parent.mkdir(parents=True, exist_ok=True)
    truth.parent.mkdir(parents=True, exist_ok=True)
    ready = _files(source, take.clip) if source else ()
    if ready and all(path.is_file() for path in ready):
        write(truth, ready[1].read_bytes())
        write(clip, ready[0].read_bytes())
        return take.clip
    performance = perform(take, seed=seed, difficulty=difficulty)
    write(truth, performance.truth.to_parquet(index=False))
    media.write_clip(clip, performance.frames, performance.waveform, fps=FPS, sample_rate=SAMPLE_RATE)
    return take.clip
