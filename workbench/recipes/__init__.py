"""Recipes: how a recording becomes arrays, as data. One YAML file a system; its hash keys the store."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import yaml

from workbench.errors import WorkbenchError, choose

FOLDER = Path(__file__).parent
PICTURES = ("frames", "landmarks", "whole")
SOUNDS = ("features", "mel", "mfcc", "spectrogram", "waveform")
CROPS = ("central", "eyes", "none")
# Raise it when a change of the code makes other arrays of the same recipe: old and new ones then never share a store.
VERSION = 1
# The lowest and highest value of each number.
RANGES = {
    "n_frames": (1, 10_000),
    "size": (2, 2048),
    "sample_rate": (1000, 192_000),
    "n_mels": (1, 512),
    "n_mfcc": (1, 128),
    "n_fft": (16, 65_536),
    "hop_length": (1, 65_536),
    "n_steps": (0, 100_000),
    "segment": (0, 100_000),
    "step": (0, 100_000),
}


@dataclass(frozen=True)
class Recipe:
    """How a recording becomes arrays.

    Attributes
    ----------
    keep : tuple of str
        What is kept, with time first: `frames` (n_frames, size, size, 3) uint8, face crops evenly spaced over the
        speech; `landmarks` (n_frames, 68, 2) float32, the face's 68 points at the same times, x and y in pixels of the
        recording's own picture, not of the crop; `whole` (n_frames, size, size, 3) uint8, the whole picture at the same
        times, letterboxed; `mfcc` (t, n_mfcc) float16, of the speech; `mel` (t, n_mels) float16, its mel spectrogram in
        dB; `features` (1, k) float32, its named features summed up over time (`acoustics.summary`; NaN where
        undefined); `spectrogram` (t, 1 + n_fft // 2) uint8, of the speech, 80 dB below its maximum to its maximum in
        255 steps; `waveform` (n,) int16, mono, full scale 32767, of the speech. All of them cover the same time, so
        that a part of one belongs to the same part of the others.
    n_frames, size : int
        Pictures a clip (a still picture gives one), and their side in pixels, even.
    detector : str
        Who finds the face: a name of `faces.DETECTORS`, or `given`, the boxes that the clip table's `boxes_path` holds.
    crop : {'central', 'eyes', 'none'}
        A square around the box; turned and scaled by the eyes (of YuNet or MTCNN, else of the 68 points, which need
        their weights); or the whole picture, where that is a face already.
    half_chroma : bool
        Pictures are kept with colour at half resolution (I420, as codecs do), which takes half the space.
    sample_rate, n_mels, n_mfcc, n_fft, hop_length : int
        Hz; bands of `mel`; coefficients; samples of the Hann window; samples between windows.
    n_steps : int
        Length that `mfcc` is cut or zero-padded to at its end; 0 leaves it as it is.
    segment, step : int
        Windows a spectrogram segment has, and between the beginnings of two (`acoustics.segments`).
    """

    name: str = "benha"
    keep: tuple[str, ...] = ("frames", "mfcc", "waveform")
    n_frames: int = 15
    size: int = 64
    detector: str = "dlib"
    crop: str = "central"
    half_chroma: bool = False
    sample_rate: int = 16000
    n_mels: int = 64
    n_mfcc: int = 40
    n_fft: int = 1024
    hop_length: int = 256
    n_steps: int = 0
    segment: int = 0
    step: int = 0

    def __post_init__(self):
        if not isinstance(self.keep, list | tuple) or not self.keep:
            self._refuse("keep", f"a list of one or more of {', '.join(PICTURES + SOUNDS)}")
        object.__setattr__(self, "keep", tuple(self.keep))
        for name in self.keep:
            choose("array of a recipe", name, PICTURES + SOUNDS)
        choose("crop", self.crop, CROPS)
        if not isinstance(self.half_chroma, bool):
            self._refuse("half_chroma", "true or false")
        for name, (lowest, highest) in RANGES.items():
            value = getattr(self, name)
            if type(value) is not int or not lowest <= value <= highest:
                self._refuse(name, f"a whole number within {lowest}..{highest}")
        if self.size % 2:
            self._refuse("size", "an even number")

    def _refuse(self, name: str, expected: str) -> None:
        raise WorkbenchError(f"recipe {self.name!r}: {name} is {getattr(self, name)!r}, expected {expected}")

    @property
    def key(self) -> str:
        """The recipe's name and a hash of its values and of the preparation's version."""
        return f"{self.name}-{digest(self.values() | {'version': VERSION})}"

    def values(self) -> dict:
        """Return the values as YAML and JSON have them; ``Recipe(**values)`` is the same recipe."""
        return asdict(self) | {"keep": list(self.keep)}


CHANGEABLE = [field.name for field in fields(Recipe) if field.name != "name"]


def digest(value) -> str:
    """Return 8 hexadecimal digits that name a JSON-able value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:8]


def names() -> list[str]:
    """Return the names of the recipes."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(name: str = "benha", **changes) -> Recipe:
    """Return a recipe by name, with some of its values changed.

    Raises
    ------
    WorkbenchError
        For an unknown recipe, an unknown value, or one out of its range.
    """
    values = yaml.safe_load((FOLDER / f"{choose('recipe', name, names())}.yaml").read_text())
    for change in changes:
        choose(f"value of recipe {name!r}", change, CHANGEABLE)
    return replace(Recipe(name=name, **values), **changes)


def changes(words: Iterable[str]) -> dict:
    """Return changes to a recipe given as words such as ``size=112`` or ``keep=[frames, mfcc]`` (YAML values).

    Raises
    ------
    WorkbenchError
        For a word without an equals sign, a name that no recipe has, or a value that is not YAML.
    """
    pairs = [word.partition("=") for word in words]
    if bad := [word for word, equals, _ in pairs if not equals]:
        raise WorkbenchError(f"expected KEY=VALUE, found {bad}")
    try:
        return {choose("value of a recipe", key.strip(), CHANGEABLE): yaml.safe_load(value) for key, _, value in pairs}
    except yaml.YAMLError as error:
        raise WorkbenchError(f"expected KEY=VALUE with a YAML value, found {[*words]}: {error}") from None
