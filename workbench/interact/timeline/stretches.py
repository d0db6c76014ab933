"""What is kept of a stretch of recording until the last window over it is answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from workbench import faces
from workbench.interact.timeline import voice
from workbench.levels import HOP
from workbench.predict import described
from workbench.prepare import face_arrays, moments, sound_arrays
from workbench.recipes import Recipe
from workbench.store import pack, unpack


@dataclass
class View:
    """A face in a stretch: `found` (t,) bool, a look each; `which` (m,) of the looks gave the rows of `arrays`."""

    found: np.ndarray
    which: np.ndarray
    arrays: dict[str, np.ndarray]


@dataclass
class Stretch:
    """The sound (n,) float32, where a voice is in it, the times (t,) s of the looks, and the faces seen."""

    number: int
    sound: np.ndarray
    voiced: np.ndarray
    times: np.ndarray
    whole: np.ndarray | None = None
    views: dict[int, View] = field(default_factory=dict)

    def flat(self) -> dict[str, np.ndarray]:
        """Return it as arrays by name; `of_flat` puts them together again."""
        flat = {"sound": self.sound, "voiced": self.voiced, "times": self.times}
        flat |= {} if self.whole is None else {"whole": self.whole}
        for face, view in self.views.items():
            named = {"found": view.found, "which": view.which} | view.arrays
            flat |= {f"{face}/{name}": array for name, array in named.items()}
        return {f"{self.number}/{name}": array for name, array in flat.items()}

    @staticmethod
    def of_flat(number: int, arrays: Mapping[str, np.ndarray]) -> Stretch:
        """Return stretch `number` from the arrays that `flat` gave."""
        mine = {name.partition("/")[2]: array for name, array in arrays.items() if name.startswith(f"{number}/")}
        own = {name: array for name, array in mine.items() if "/" not in name}
        views = {}
        for face in sorted({int(name.partition("/")[0]) for name in mine if "/" in name}):
            named = {n.partition("/")[2]: array for n, array in mine.items() if n.startswith(f"{face}/")}
            views[face] = View(named.pop("found"), named.pop("which"), named)
        return Stretch(number, own["sound"], own["voiced"], own["times"], own.get("whole"), views)


def view(face: faces.Followed, frames: np.ndarray, recipe: Recipe, detector: faces.Detector | None) -> View:
    """Return what a recipe keeps of a face in a stretch's frames (t, h, w, 3)."""
    which = np.flatnonzero(face.near)
    arrays = face_arrays(frames[which], face.boxes[which], recipe, detector) if len(which) else {}
    return View(face.found, which, arrays)


def heard(recent: Sequence[Stretch], recipe: Recipe, least: float) -> tuple[dict, tuple[float, float] | None, float]:
    """Return what a recipe keeps of the voice in a window, where it is (s from the window's start), and its share.

    Nothing, and None, where there are less than `least` seconds of voice.
    """
    waveform, voiced = (np.concatenate([getattr(one, name) for one in recent]) for name in ("sound", "voiced"))
    share = float(voiced.mean()) if len(voiced) else 0.0
    if voiced.sum() * HOP < least:
        return {}, None, share
    span = voice.span(voiced)
    arrays = sound_arrays(waveform, span, recipe)
    return {name: unpack(array) for name, array in arrays.items()}, span, share


def seen(
    recent: Sequence[Stretch], recipe: Recipe, span: tuple[float, float], n_looks: int
) -> dict[int, tuple[dict, float]]:
    """Return, for each face of a window, what a recipe keeps of it, and the share of looks in which it was found.

    Pictures are those next to evenly spaced moments of `span`, seconds from the recording's start. `n_looks` belong to
    the window, whether or not the film has a picture at each.
    """
    wanted, times = moments(span, recipe.n_frames), np.concatenate([one.times for one in recent])
    whole = {}
    if "whole" in recipe.keep and len(times):
        whole = {"whole": np.concatenate([one.whole for one in recent if len(one.times)])[_nearest(times, wanted)]}
    found = {}
    for face in sorted({face for one in recent for face in one.views}):
        share = sum(one.views[face].found.sum() for one in recent if face in one.views) / n_looks
        with_face = [one for one in recent if face in one.views and len(one.views[face].which)]
        if not with_face:
            continue
        at = _nearest(np.concatenate([one.times[one.views[face].which] for one in with_face]), wanted)
        names = with_face[0].views[face].arrays
        arrays = {name: np.concatenate([one.views[face].arrays[name] for one in with_face])[at] for name in names}
        found[face] = (_as_stored(arrays | whole, recipe), min(1.0, float(share)))
    return found


def _nearest(times: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the places of the times (t,) nearest to the wanted ones (n,), (n,) int."""
    return np.abs(times - wanted[:, None]).argmin(axis=1)


def _as_stored(arrays: dict[str, np.ndarray], recipe: Recipe) -> dict[str, np.ndarray]:
    """Return arrays as a store would give them back, with what is made of landmarks."""
    if recipe.half_chroma:
        arrays = {name: x if name == "landmarks" else unpack(pack(x)) for name, x in arrays.items()}
    return arrays | described(arrays)
