"""Features that others computed, read from one file: the clips by their names, their arrays as they are."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from workbench import paths
from workbench.datasets.base import Card, Corpus
from workbench.datasets.schemes import SCHEMES, scheme_of
from workbench.errors import WorkbenchError, choose

OFFSETS = "_offsets"
# What an array was made from, as the fusion of two modalities has to know it.
MODALITIES = {"audio": "audio_path", "video": "path"}


class GivenFeatures(Corpus):
    """Features made elsewhere, in one `.npz` file: `clip` (n,), and arrays of each clip, called `audio` or `video`.

    An array has a row a clip, (n, D), or a row a step of time, (steps, D), with `<name>_offsets` (n + 1,): where in it
    each clip begins, and the last ends. The clips are known by their names alone, in the scheme of the corpus that they
    come from. Nothing is prepared: a study reads the arrays by their names.

    Parameters
    ----------
    root : str or Path, optional
        The file, or a folder with one such file; by default `data/raw/given_features`.
    """

    card = Card(
        name="given_features",
        title="Features made elsewhere",
        description="Embeddings of the voice and of the face that others computed, clip by clip; no recordings.",
        citation="Features: by whoever made them, who is to be cited too.",
        licence="Features: that of whoever made them.",
        home="an .npz file with clip, audio, video and video_offsets",
        label_source="the names of the clips, by the scheme of the corpus they come from",
        steps=("Open the file with --root, or put it, alone, into the folder.",),
        known_defects=(
            "What the features were made by may have been trained on the clips' speakers, or on the clips themselves: "
            "the file cannot say, and no split of it can tell.",
        ),
    )
    suffixes = (".npz",)
    example = "features.npz"
    holds = "features"

    def __init__(self, root: str | Path | None = None, *, target: str | None = None):
        self.target = choose("target of 'given_features'", target or self.targets[0], self.targets)
        self.root = _file(Path(root or paths.raw("given_features")).expanduser())
        names = self._read.clips
        self.name = scheme_of(names, str(self.root))
        self.scheme = SCHEMES[self.name]
        for clip in names:
            if not self.scheme.parse(Path(clip)):
                raise WorkbenchError(f"{self.root}: expected a clip such as {self.scheme.example}, found {clip!r}")
        self.card = self.scheme.describe(type(self).card)

    @property
    def label(self) -> str:
        """The corpus's name, and that of the corpus whose features these are: `given_features:cremad`."""
        return f"given_features:{self.name}"

    @property
    def _read(self) -> Read:
        return read(self.root, self.root.stat().st_mtime_ns)

    def files(self) -> list[Path]:
        """Return the one file."""
        return [self.root]

    def parse(self, path: Path) -> dict | None:
        """Return None: the file holds many clips."""
        return None

    def rows(self, files: Iterable[Path]) -> list[dict]:
        """Return one dict a clip; the file is its film where it has `video`, and its sound where it has `audio`."""
        whole = {column: self._read.whole(name) for name, column in MODALITIES.items()}
        return [
            self.scheme.parse(Path(clip)) | {column: str(self.root) if of[i] else "" for column, of in whole.items()}
            for i, clip in enumerate(self._read.clips)
        ]

    def arrays(self) -> dict[str, list[np.ndarray]]:
        """Return each array by name: (T, D) of each row of `clips()`."""
        return self._read.arrays

    def left_out(self) -> dict[str, str]:
        """Return which clips hold values that are not finite, in words, by modality."""
        return {name: _broken_in_words(name, clips) for name, clips in self._read.broken.items()}

    def check(self, progress: Callable = lambda items, **_: items) -> dict:
        """Report as every corpus does; `unreadable` are clips with values that are not finite."""
        n, broken = len(self.clips()), self._read.broken
        unreadable = [f"{clip}: {name} holds NaN or infinity" for name, clips in broken.items() for clip in clips]
        report = {"clips": n, "readable": n - len({clip for clips in broken.values() for clip in clips})}
        nothing = ("missing", "duplicates", "misnamed", "similar_speakers")
        return report | {"unreadable": unreadable} | {key: [] for key in nothing}

    def describe(self, **options):
        """Return the data card; there are no recordings to read the headers of."""
        return super().describe(**options | {"durations": False})


def _file(root: Path) -> Path:
    """Return the one file that `root` is, or holds."""
    found = sorted(root.glob("*.npz")) if root.is_dir() else [root] if root.is_file() else []
    if len(found) != 1:
        what = f"a folder with {len(found)} of them" if root.is_dir() else "nothing"
        raise WorkbenchError(f"corpus 'given_features': expected an .npz file at {root}, found {what}")
    return found[0]


class Read(NamedTuple):
    """What a file holds: clips, sorted; arrays by name, (T, D) of each clip; by name, clips with one not finite."""

    clips: list[str]
    arrays: dict[str, list[np.ndarray]]
    broken: dict[str, list[str]]

    def whole(self, name: str) -> list[bool]:
        """Return, clip by clip, whether it has a finite array of this name."""
        broken = set(self.broken.get(name, ()))
        return [name in self.arrays and clip not in broken for clip in self.clips]


def _broken_in_words(name: str, clips: list[str]) -> str:
    more = f" and {len(clips) - 3} more" if len(clips) > 3 else ""
    return f"{len(clips)} clip(s) left out: {name} holds NaN or infinity: {', '.join(clips[:3])}{more}"


@lru_cache(maxsize=2)
def read(path: Path, modified: int) -> Read:
    """Return what is in a file that was last `modified` then (ns).

    Raises
    ------
    WorkbenchError
        If it is no such file, or its arrays do not fit each other.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise WorkbenchError(f"{path}: expected an .npz file without pickles, found: {error}") from None
    clips, names = found.get("clip"), [name for name in MODALITIES if name in found]
    if clips is None or clips.dtype.kind != "U" or clips.ndim != 1 or not len(clips) or not names:
        there = ", ".join(f"{name} {array.shape}" for name, array in found.items()) or "nothing"
        raise WorkbenchError(f"{path}: expected clip (n,), text, and {' or '.join(MODALITIES)}, found {there}")
    order, arrays, broken = np.argsort(clips), {}, {}
    for name in names:
        array, offsets = found[name], found.get(name + OFFSETS)
        _check(path, name, array, offsets, len(clips))
        offsets = np.arange(len(clips) + 1) if offsets is None else offsets
        arrays[name] = [array[offsets[i] : offsets[i + 1]] for i in order]
        if not np.isfinite(array).all():
            finite = [np.isfinite(one).all() for one in arrays[name]]
            broken[name] = [str(clip) for clip, good in zip(clips[order], finite, strict=True) if not good]
            if not any(finite):
                raise WorkbenchError(
                    f"{path}: {name}: expected (n, D), finite floats, found NaN or infinity in every clip"
                )
    return Read(clips[order].tolist(), arrays, broken)


def _check(path: Path, name: str, array: np.ndarray, offsets: np.ndarray | None, n_clips: int) -> None:
    """Raise a WorkbenchError unless an array is (n, D), or (steps, D) with offsets (n + 1,), of floats."""
    if array.ndim != 2 or array.dtype.kind != "f":
        raise WorkbenchError(f"{path}: {name}: expected (n, D), finite floats, found {array.shape} {array.dtype}")
    if offsets is None:
        if len(array) != n_clips:
            raise WorkbenchError(
                f"{path}: {name}: expected {n_clips} rows, one a clip, or {name}{OFFSETS}, found {len(array)}"
            )
        return
    good = offsets.shape == (n_clips + 1,) and offsets.dtype.kind in "iu"
    if not good or offsets[0] != 0 or offsets[-1] != len(array) or (np.diff(offsets) < 1).any():
        raise WorkbenchError(
            f"{path}: {name}{OFFSETS}: expected {n_clips + 1} rising numbers from 0 to {len(array)}, a step or more a "
            f"clip, found {offsets.shape}, {offsets[:1]} to {offsets[-1:]}"
        )
