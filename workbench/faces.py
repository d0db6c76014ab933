"""Find the face in a clip, follow it, cut it out: frames (t, h, w, 3) become crops (t, size, size, 3).

The default detector is dlib's HOG detector on a downscaled picture, which needs no weights; any callable of
the same shape (`Detector`) serves in its place. The 68 points are dlib's regression trees (Kazemi & Sullivan
2014), whose weights come from the extra package `face-recognition-models`.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import cv2
import dlib
import numpy as np
from scipy.ndimage import gaussian_filter1d

from workbench.errors import MediaError, WorkbenchError

SAME = 0.3  # intersection over union above which boxes of two frames are one face
STEADY = 0.5  # share of the frames looked at in which a face has to appear to count


class Detector(Protocol):
    """Whatever finds faces in one frame."""

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """Return the boxes in a frame (h, w, 3) uint8 RGB.

        Returns
        -------
        boxes : (k, 5) float32
            Left, top, right, bottom in pixels of the frame, and a score (more is surer), best first.
        """


@lru_cache(maxsize=1)
def _hog():
    return dlib.get_frontal_face_detector()


@dataclass(frozen=True)
class DlibHog:
    """dlib's frontal face detector (HOG and linear SVM; Dalal & Triggs 2005), needing no weights.

    It works on the frame scaled to `width` pixels and sees faces of 80 pixels and more there: at the default
    320, those that fill a quarter of the picture's width.
    """

    width: int = 320

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """Return boxes as `Detector` promises; the score is the SVM's distance from the margin, above 0."""
        scale = self.width / frame.shape[1]
        size = (self.width, max(1, round(frame.shape[0] * scale)))
        small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        found, scores, _ = _hog().run(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), 0, 0.0)
        edges = [(r.left(), r.top(), r.right() + 1, r.bottom() + 1) for r in found]
        boxes = np.array(edges, np.float32).reshape(-1, 4) / scale
        return np.column_stack([boxes, scores]).astype(np.float32)


def suited(frames: np.ndarray, *, widths: tuple[int, ...] = (320, 640, 1280)) -> DlibHog:
    """Return the coarsest `DlibHog` for a clip (t, h, w, 3) that misses no face which a finer one sees.

    The middle frame decides: the widths are tried in pairs, from the first. Small pictures are not blown up
    more than three times.
    """
    middle = frames[len(frames) // 2]
    widths = [width for width in widths if width <= max(widths[0], 3 * middle.shape[1])]
    for width, finer in pairwise(widths):
        n_faces = len(DlibHog(width)(middle))
        if n_faces and n_faces >= len(DlibHog(finer)(middle)):
            return DlibHog(width)
    return DlibHog(widths[-1])


@dataclass(frozen=True)
class Track:
    """One face through a clip.

    `boxes` (t, 4) float32: left, top, right, bottom in pixels, one a frame, smoothed over time.
    `found` (t,) bool: the face was detected in this frame, or in both the frames looked at around it.
    `n_faces`: number of steady faces in the clip, of which this is the largest.
    """

    boxes: np.ndarray
    found: np.ndarray
    n_faces: int


def track(frames: np.ndarray, detector: Detector | None = None, *, every: int = 3) -> Track:
    """Follow the largest steady face through a clip.

    The detector looks at every `every`-th frame and the last; boxes in between are interpolated. Only where
    no face is in all of these, it looks at every frame. Boxes that overlap from one frame to the next are one
    face; a face in half of the frames looked at is steady. If none is, the one seen most often is taken.

    Parameters
    ----------
    frames : (t, h, w, 3) uint8 RGB
    detector : Detector
        By default the `DlibHog` that `suited` finds for the clip.
    every : int
        1 to detect in every frame.

    Raises
    ------
    MediaError
        If there is no face in any frame.
    """
    detector = detector or suited(frames)
    n_frames = len(frames)
    looked = sorted({*range(0, n_frames, every), n_frames - 1})
    seen = {i: detector(frames[i]) for i in looked}
    faces = _link(seen)
    if not any(len(face) == len(seen) for face in faces):
        seen |= {i: detector(frames[i]) for i in range(n_frames) if i not in seen}
        faces = _link(seen)
    if not faces:
        height, width = frames.shape[1:3]
        raise MediaError(f"expected a face, found none in {n_frames} frames of {width} x {height} pixels")
    steady = [face for face in faces if len(face) >= STEADY * len(seen)]
    best = max(steady, key=_area) if steady else max(faces, key=len)
    boxes, found = _fill(best, sorted(seen), n_frames)
    return Track(_smooth(boxes), found, max(1, len(steady)))


def _link(seen: dict[int, np.ndarray]) -> list[dict[int, np.ndarray]]:
    """Join the boxes of successive frames into faces: each a dict from frame to box (4,)."""
    faces: list[dict[int, np.ndarray]] = []
    for i in sorted(seen):
        for box in seen[i][:, :4]:
            free = [face for face in faces if i not in face]
            overlaps = [_overlap(face[max(face)], box) for face in free]
            if overlaps and max(overlaps) > SAME:
                free[int(np.argmax(overlaps))][i] = box
            else:
                faces.append({i: box})
    return faces


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Return intersection over union of two boxes."""
    width, height = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    shared = max(width, 0) * max(height, 0)
    return float(shared / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - shared))


def _area(face: dict[int, np.ndarray]) -> float:
    """Return the median area of a face's boxes."""
    return float(np.median([np.prod(box[2:] - box[:2]) for box in face.values()]))


def _fill(face: dict[int, np.ndarray], looked: list[int], n_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Interpolate a face's boxes over all frames, and say where they rest on detections."""
    at = sorted(face)
    boxes = np.stack([np.interp(range(n_frames), at, [face[i][side] for i in at]) for side in range(4)], axis=1)
    seen = np.interp(range(n_frames), looked, [i in face for i in looked])
    return boxes, seen == 1


def _smooth(boxes: np.ndarray) -> np.ndarray:
    """Take the detector's jitter out of the boxes: a little from their place, more from their size."""
    centre = gaussian_filter1d((boxes[:, :2] + boxes[:, 2:]) / 2, sigma=1, axis=0, mode="nearest")
    half = gaussian_filter1d((boxes[:, 2:] - boxes[:, :2]) / 2, sigma=4, axis=0, mode="nearest")
    return np.hstack([centre - half, centre + half]).astype(np.float32)


def crop(frames: np.ndarray, boxes: np.ndarray, *, size: int = 64, margin: float = 0.1) -> np.ndarray:
    """Cut a square around the face out of each frame.

    Parameters
    ----------
    frames : (t, h, w, 3) uint8 RGB
    boxes : (t, 4) float32
        As from `track`.
    size : int
        Side of the crops, in pixels.
    margin : float
        What is added on each side of the box, as a share of its longer side. dlib's boxes reach from the
        brows to the chin; at 0.1 both are well inside the crop, and so are the ears and an open mouth.

    Returns
    -------
    crops : (t, size, size, 3) uint8 RGB
        Area-averaged; where the square leaves the frame, the frame's edge is repeated.
    """
    crops = np.empty((len(frames), size, size, 3), np.uint8)
    for i, (frame, box) in enumerate(zip(frames, boxes, strict=True)):
        side = max(1, round(float((box[2:] - box[:2]).max()) * (1 + 2 * margin)))
        left, top = np.round((box[:2] + box[2:] - side) / 2).astype(int)
        square = _cut(frame, left, top, side)
        shrink = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
        cv2.resize(square, (size, size), dst=crops[i], interpolation=shrink)
    return crops


def _cut(frame: np.ndarray, left: int, top: int, side: int) -> np.ndarray:
    """Return the square of a frame, its edge repeated where the square goes beyond."""
    rows = np.arange(top, top + side).clip(0, frame.shape[0] - 1)
    columns = np.arange(left, left + side).clip(0, frame.shape[1] - 1)
    if rows[-1] - rows[0] == columns[-1] - columns[0] == side - 1:
        return frame[top : top + side, left : left + side]
    return frame[rows[:, None], columns]


def landmarks(frame: np.ndarray, box: np.ndarray, *, weights: str | Path | None = None) -> np.ndarray:
    """Return the 68 points of the iBUG order (0-16 jaw, 17-26 brows, 27-35 nose, 36-47 eyes, 48-67 mouth).

    Parameters
    ----------
    frame : (h, w, 3) uint8 RGB
    box : (4,)
        The face's box as dlib's detector draws it.
    weights : str or Path, optional
        A dlib shape predictor of 68 points; by default that of the package `face-recognition-models`.

    Returns
    -------
    landmarks : (68, 2) float32
        x, y in pixels of the frame; points may lie outside it.

    Raises
    ------
    WorkbenchError
        If the weights are not there.
    """
    predict = _predictor(str(weights or default_weights()))
    shape = predict(np.ascontiguousarray(frame), dlib.rectangle(*(round(float(edge)) for edge in box[:4])))
    return np.array([(point.x, point.y) for point in shape.parts()], np.float32)


def default_weights() -> Path:
    """Return where the package `face-recognition-models` keeps its 68-point predictor, not importing it."""
    spec = importlib.util.find_spec("face_recognition_models")
    folder = Path(spec.origin).parent if spec and spec.origin else Path("face_recognition_models")
    return folder / "models" / "shape_predictor_68_face_landmarks.dat"


@lru_cache(maxsize=2)
def _predictor(weights: str):
    if not Path(weights).is_file():
        raise WorkbenchError(
            f"expected the 68-point weights at {weights}, found no such file: run "
            "`pip install face-recognition-models` or name a file shape_predictor_68_face_landmarks.dat"
        )
    return dlib.shape_predictor(weights)


def mouth_opening(landmarks: np.ndarray) -> float:
    """Return the gap between the inner lips (61-63 to 65-67) over the face's height (brows to chin), >= 0."""
    gap = np.linalg.norm(landmarks[[61, 62, 63]] - landmarks[[67, 66, 65]], axis=1).mean()
    return float(gap / np.linalg.norm(landmarks[17:27].mean(axis=0) - landmarks[8]))
