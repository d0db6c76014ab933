"""The embedded corpus of still pictures: the demo's heads photographed, frontal and turned by up to 60 degrees."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial
from itertools import product
from pathlib import Path

import cv2
import pandas as pd

from workbench import paths, scale
from workbench.datasets.base import Card, Corpus
from workbench.datasets.demo_acting import DEMO, POSE, SIZE, Difficulty, Take, hold
from workbench.datasets.demo_face import render
from workbench.datasets.demo_folder import announced, claim, write
from workbench.datasets.demo_head import ACTION_UNITS
from workbench.emotions import EMOTIONS, in_order
from workbench.errors import WorkbenchError, choose

VERSION = 1  # raised whenever the same seed gives other pictures
YAWS = (0, 15, 30, 45, 60)  # degrees
INTENSITIES = {1: "normal", 2: "strong"}
NAME = re.compile(rf"(\d\d)_({'|'.join(EMOTIONS)})_({'|'.join(INTENSITIES.values())})_([12])_([+-]\d\d)")
SIZES = {"demo": {}, "full": {}, "smoke": {"n_speakers": 4}}
LAYOUT = """
* `Actor_NN/`: PNG, 256 x 256, called speaker, emotion, intensity, repetition, yaw: `03_happy_strong_1_+30.png`.
* `truth/`: a table a speaker with a row a picture: yaw, pitch, roll and action units as they were drawn.
"""


class DemoStills(Corpus):
    """The synthetic pictures as `generate` writes them; speakers are the demo's, `demo-01` and on, with the same heads.

    Each performance is photographed from the front and turned by 15, 30, 45 and 60 degrees to one side: those of normal
    intensity to the picture's right and strong ones to the left, in a second repetition the other way round. These
    pictures share their `take`, so that no split can part them; `view` tells them apart. Column `yaw`: degrees, 0
    frontal, positive to the picture's right.
    """

    card = Card(
        name="demo_stills",
        title="Demo stills: synthetic faces, frontal and turned",
        description="SYNTHETIC: every picture is computed by this project's own code from a seed. These are not "
        "people, and no number obtained on this corpus says anything about people. It exists to try and to test what "
        "a turned head does to a model that was trained on frontal faces, where the true pose and the true action "
        "units are known. The heads and their manners are those of the corpus demo.",
        citation="The demo corpus of the emotion workbench (synthetic), made by workbench.datasets.demo_stills.",
        licence="MIT, as the code that makes it",
        home="workbench/datasets/demo_stills.py",
        label_source="the emotion the drawing was computed to show",
        synthetic=True,
        known_defects=(
            "How hard it is was chosen, by the numbers under difficulty in its demo_stills.json.",
            "The drawing is sound for yaw to 30 degrees and passable to 60.",
            "Light and background turn with no head: each speaker has one of both.",
        ),
    )
    suffixes = (".png",)
    example = "03_happy_strong_1_+30.png"

    def parse(self, path: Path) -> dict | None:
        """Return the factors in a file's name, or None if the name is outside the scheme."""
        match = NAME.fullmatch(path.stem)
        if not match:
            return None
        speaker, emotion, intensity, repetition, yaw = match.groups()
        return {
            "clip": path.stem,
            "path": str(path),
            "audio_path": "",
            "emotion": emotion,
            "intensity": intensity,
            "speaker": f"demo-{speaker}",
            "sex": Take(int(speaker), emotion).sex,
            "text": "",
            "take": f"demo-still-{speaker}-{emotion}-{intensity}-{repetition}",
            "repetition": int(repetition),
            "view": yaw,
            "yaw": int(yaw),
        }

    def missing(self, files: list[Path]) -> list[str]:
        """Return the pictures that `demo_stills.json` announces and the folder lacks."""
        asked = announced(self.root, self.card.name)
        expected = {name for speaker in _speakers(asked) for name, *_ in _pictures(speaker, asked)} if asked else set()
        return sorted(expected - {path.stem for path in files})

    def truth(self) -> pd.DataFrame:
        """Return the truth, one row a picture: `clip`, the action units (0..1), `head_yaw`, `head_pitch`, `head_roll`.

        Degrees, to the right of the picture, up, clockwise.
        """
        tables = [pd.read_parquet(path) for path in sorted((self.root / "truth").glob("*.parquet"))]
        return pd.concat(tables, ignore_index=True)

    @classmethod
    def fetch(cls, root: str | Path | None = None, *, size: str = "demo", **options) -> Corpus:
        """Make the corpus where it is not there yet, and open it.

        Parameters
        ----------
        root : str or Path, optional
            By default `data/raw/demo_stills`, and `data/raw/demo_stills-smoke` for the small one.
        size : {'demo', 'full', 'smoke'}
            All of it (960 pictures), or 320 of four speakers for a quick try.
        options : of `generate`
        """
        folder = cls.card.name if choose("size", size, SIZES) != "smoke" else f"{cls.card.name}-smoke"
        return generate(root or paths.raw(folder), **SIZES[size], **options)


def generate(
    root: str | Path,
    *,
    seed: int = 0,
    n_speakers: int = 12,
    n_takes: int = 1,
    emotions: Iterable[str] = EMOTIONS,
    yaws: Iterable[int] = YAWS,
    difficulty: Difficulty = DEMO,
    jobs: int = 2,
    progress: Callable = lambda items, **_: items,
) -> DemoStills:
    """Write the corpus under `root` and open it, speaker by speaker; speakers that are complete are kept.

    A picture depends on `seed`, `difficulty` and its own name only.

    Parameters
    ----------
    n_speakers : int
        1 to 99; odd speakers are men, even ones women.
    n_takes : int
        1 or 2 repetitions of every emotion and intensity (two of neutral, too, which are alike but for chance).
    yaws : iterable of int
        Degrees, 0 to 60.
    jobs : int
        Processes.
    progress : callable
        Wraps the speakers as they are finished: ``progress(speakers, total=..., description=...)``.

    Raises
    ------
    WorkbenchError
        If `root` holds other files or this corpus made with other parameters; if a parameter is out of range.
    """
    asked = {
        "version": VERSION,
        "seed": seed,
        "n_speakers": n_speakers,
        "n_takes": n_takes,
        "emotions": in_order(emotions),
        "yaws": sorted(set(yaws)),
        "difficulty": asdict(difficulty),
    }
    _check(asked)
    root = Path(root).expanduser()
    claim(root, asked, DemoStills.card, LAYOUT)
    todo = [speaker for speaker in _speakers(asked) if not _complete(root, speaker, asked)]
    if todo:
        make = partial(_make, root=root, asked=asked, difficulty=difficulty)
        speakers = scale.fan_out(make, todo, jobs=min(jobs, len(todo)))
        for _ in progress(speakers, total=len(todo), description="making the demo stills"):
            pass
    return DemoStills(root)


def _check(asked: dict) -> None:
    if not 1 <= asked["n_speakers"] <= 99:
        raise WorkbenchError(f"demo stills: expected n_speakers from 1 to 99, found {asked['n_speakers']}")
    if asked["n_takes"] not in (1, 2):
        raise WorkbenchError(f"demo stills: expected n_takes 1 or 2, found {asked['n_takes']}")
    if not asked["yaws"] or not all(0 <= yaw <= 60 for yaw in asked["yaws"]):
        raise WorkbenchError(f"demo stills: expected yaws from 0 to 60 degrees, found {asked['yaws']}")


def _speakers(asked: dict) -> range:
    return range(1, asked["n_speakers"] + 1)


def _pictures(speaker: int, asked: dict) -> list[tuple[str, Take, int]]:
    """Return the name, take and yaw of each of a speaker's pictures."""
    repetitions, found = range(1, asked["n_takes"] + 1), []
    for emotion, intensity, repetition in product(asked["emotions"], INTENSITIES, repetitions):
        take = Take(speaker, emotion, intensity, repetition=repetition)
        for yaw in (yaw if repetition == intensity else -yaw for yaw in asked["yaws"]):
            name = f"{speaker:02d}_{emotion}_{INTENSITIES[intensity]}_{repetition}_{yaw:+03d}"
            found.append((name, take, yaw))
    return found


def _folders(root: Path, speaker: int) -> tuple[Path, Path]:
    """Return where a speaker's pictures and their truth are."""
    return root / f"Actor_{speaker:02d}", root / "truth" / f"Actor_{speaker:02d}.parquet"


def _complete(root: Path, speaker: int, asked: dict) -> bool:
    folder, truth = _folders(root, speaker)
    return truth.is_file() and all((folder / f"{name}.png").is_file() for name, *_ in _pictures(speaker, asked))


def _make(speaker: int, *, root: Path, asked: dict, difficulty: Difficulty) -> int:
    """Draw a speaker's pictures that are not there, and write the truth of all."""
    (folder, truth), rows = _folders(root, speaker), []
    for path in (folder, truth.parent):
        path.mkdir(parents=True, exist_ok=True)
    for name, take, yaw in _pictures(speaker, asked):
        head, held = hold(take, seed=asked["seed"], difficulty=difficulty)
        held["head_yaw"] = float(yaw)
        rows.append({"clip": name} | held)
        if not (folder / f"{name}.png").is_file():
            units = {unit: held[unit] for unit in ACTION_UNITS}
            picture = render(head, units, [held[angle] for angle in POSE], size=SIZE)
            _, png = cv2.imencode(".png", picture[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
            write(folder / f"{name}.png", png.tobytes())
    write(truth, pd.DataFrame(rows).to_parquet(index=False))
    return speaker
