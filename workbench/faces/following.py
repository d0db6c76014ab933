"""Following several faces through a film of any length: who of this look was who in the last one?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations

import cv2
import numpy as np

from workbench.faces.boxes import overlap
from workbench.faces.detectors import Detector, DlibHog, suited
from workbench.faces.tracking import SAME, Face, fill, likeness

TOUCH = 0.1  # intersection over union from which two faces may be taken for each other
CUT = 28.0  # mean change of a tiny grey picture, 0..255, that talking and moving heads do not reach
TINY = (32, 18)  # its width and height
WIDTHS = (320, 640)  # pixels at which dlib looks first: a face of an eighth of the picture's width is found
FINE, FINER = 112, 140  # pixels: smaller faces are looked at twice as finely, and then up to the second size
COUNTS = ("n_faces", "n_frames", "width", "decided")


@dataclass(frozen=True)
class Followed:
    """One face in a stretch of film.

    `number`: counts the faces of the film in the order of their first appearance, from left to right, from 0.
    `boxes` (t, 4) float32: left, top, right, bottom in pixels, smoothed over time.
    `found` (t,) bool: detected in this frame, or in both the frames looked at around it.
    `near` (t,) bool: detected no more than `Follower.every` frames away, so that the box can be trusted.
    """

    number: int
    boxes: np.ndarray
    found: np.ndarray
    near: np.ndarray


@dataclass
class Follower:
    """Follows the faces of a film, stretch by stretch; what it remembers does not grow with the film.

    Boxes of successive looks are joined so that their overlaps add up to the most (Kuhn's assignment), where a face was
    last seen or where it was heading. A face that is lost for longer than `gap` is another when it comes back, and so
    is every face after a cut: no look tells who somebody is.

    Parameters
    ----------
    detector : Detector, optional
        By default the `DlibHog` that `suited` finds for each stretch, or one of twice its width where faces are small:
        near the least size that it sees, 80 pixels, its boxes lie some hundredths of a face beside.
    every : int
        Frames from one look of the detector to the next; boxes in between are interpolated.
    gap : int
        Frames after which a face that was not seen is lost.
    decide : int
        Frames after which it is decided anew how finely dlib looks; before that, after a cut or where nobody was seen.
    """

    detector: Detector | None = None
    every: int = 2
    gap: int = 15
    decide: int = 80
    faces: dict[int, Face] = field(default_factory=dict)
    n_faces: int = 0
    n_frames: int = 0
    width: int = 0  # that dlib looked at last
    decided: int = -1  # at which frame; -1 where it has to be decided
    before: np.ndarray | None = None  # the last frame, tiny and grey

    def follow(self, frames: np.ndarray, at: np.ndarray | None = None) -> tuple[list[Followed], np.ndarray]:
        """Return the faces of the next stretch, and before which of its frames there is a cut, (t,) bool.

        Parameters
        ----------
        frames : (t, h, w, 3) uint8 RGB
        at : (t,) int, optional
            The frames' numbers, rising, where the film lacks some; by default they go on from the last ones.
        """
        at = self.n_frames + np.arange(len(frames)) if at is None else np.asarray(at, int)
        if not len(frames):
            return [], np.zeros(0, bool)
        self.n_frames = int(at[-1]) + 1
        cuts = self._cuts(frames)
        detector = self.detector or self._hog(frames, int(at[0]), cuts.any())
        met = dict(self.faces)
        for i, frame, cut in zip(at.tolist(), frames, cuts, strict=True):
            if cut:
                self.faces = {}
            if i % self.every == 0:
                self._join(i, detector(frame))
                met |= self.faces
        seen = {number: face for number, face in met.items() if max(face) >= at[0]}
        self.decided = self.decided if seen else -1
        found = [self._followed(number, face, at) for number, face in sorted(seen.items())]
        for k in np.flatnonzero(cuts):
            for face in found:  # on which side of the cut is it?
                side = slice(k, None) if max(seen[face.number]) < at[k] else slice(None, k)
                face.near[side] = False
        return found, cuts

    def _hog(self, frames: np.ndarray, first: int, cut: bool) -> DlibHog:
        if cut or self.decided < 0 or first - self.decided >= self.decide:
            coarse, middle = suited(frames, widths=WIDTHS), frames[len(frames) // 2]
            boxes, scale = coarse(middle), coarse.width / middle.shape[1]
            limit = FINER if self.width > coarse.width else FINE
            small = len(boxes) and (boxes[:, 2] - boxes[:, 0]).min() * scale < limit
            self.width, self.decided = coarse.width * (2 if small else 1), first
        return DlibHog(self.width)

    def _cuts(self, frames: np.ndarray) -> np.ndarray:
        tiny = [cv2.resize(cv2.cvtColor(f, cv2.COLOR_RGB2GRAY), TINY, interpolation=cv2.INTER_AREA) for f in frames]
        before = [tiny[0] if self.before is None else self.before, *tiny[:-1]]
        self.before = tiny[-1]
        return np.abs(np.float32(tiny) - np.float32(before)).mean(axis=(1, 2)) > CUT

    def _join(self, i: int, boxes: np.ndarray) -> None:
        """Give the boxes (k, 5) of a look to the faces they are, or to new ones."""
        from scipy.optimize import linear_sum_assignment

        self.faces = {number: face for number, face in self.faces.items() if i - max(face) <= self.gap}
        numbers, free = list(self.faces), set(range(len(boxes)))
        alike = np.array([[likeness(self.faces[n], i, box) for box in boxes] for n in numbers])
        alike = alike.reshape(len(numbers), len(boxes))
        for row, column in zip(*linear_sum_assignment(alike, maximize=True), strict=True):
            if alike[row, column] > SAME:
                self.faces[numbers[row]] = self.faces[numbers[row]] | {i: boxes[column]}
                free.discard(column)
        for column in sorted(free, key=lambda column: boxes[column][0]):
            self.faces[self.n_faces] = {i: boxes[column]}
            self.n_faces += 1
        oldest = i - 2 * self.gap
        self.faces = {n: {k: box for k, box in face.items() if k >= oldest} for n, face in self.faces.items()}

    def _followed(self, number: int, face: Face, at: np.ndarray) -> Followed:
        begin = min(int(at[0]), min(face))
        begin -= begin % self.every
        n = int(at[-1]) + 1 - begin
        boxes, found = fill({i - begin: box for i, box in face.items()}, list(range(0, n, self.every)), n)
        detected = np.array(sorted(face)) - begin
        mine = at - begin
        away = np.abs(mine[:, None] - detected).min(axis=1)
        return Followed(number, boxes[mine], found[mine], away <= self.every)

    def state(self) -> dict:
        """Return what the follower remembers, as JSON has it."""
        faces = {str(n): {str(i): box.tolist() for i, box in face.items()} for n, face in self.faces.items()}
        before = None if self.before is None else self.before.tolist()
        return {"faces": faces, "before": before} | {name: getattr(self, name) for name in COUNTS}

    def restore(self, state: dict) -> None:
        """Remember what another one did when it gave its `state`."""
        for name in COUNTS:
            setattr(self, name, state[name])
        self.before = None if state["before"] is None else np.array(state["before"], np.uint8)
        self.faces = {
            int(n): {int(i): np.array(box, np.float32) for i, box in face.items()} for n, face in state["faces"].items()
        }


def crossed(followed: Sequence[Followed]) -> set[int]:
    """Return the numbers of the faces that come to lie over another in a stretch without a cut: they may be swapped."""
    found = set()
    for a, b in combinations(followed, 2):
        seen = a.near | b.near  # of two that cross, one hides the other
        if any(overlap(*pair) > TOUCH for pair in zip(a.boxes[seen], b.boxes[seen], strict=True)):
            found |= {a.number, b.number}
    return found
