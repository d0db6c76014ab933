"""Following faces through a clip: detections now and then become one box a frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from workbench.errors import MediaError
from workbench.faces.boxes import overlap
from workbench.faces.detectors import Detector, suited

SAME = 0.3  # intersection over union above which boxes of two frames are one face
STEADY = 0.5  # share of the frames looked at in which a face has to appear to count
SURE = 0.2  # share of the surest steady face's score that another needs to count


@dataclass(frozen=True)
class Track:
    """One face through a clip.

    `boxes` (t, 4) float32: left, top, right, bottom in pixels, one a frame, smoothed over time.
    `found` (t,) bool: the face was detected in this frame, or in both the frames looked at around it.
    `n_faces`: number of steady faces in the clip, of which this is the largest.
    `others`: tracks of the other steady faces, largest first.
    """

    boxes: np.ndarray
    found: np.ndarray
    n_faces: int
    others: tuple[Track, ...] = ()


def track(frames: np.ndarray, detector: Detector | None = None, *, every: int = 3) -> Track:
    """Follow the largest steady face through a clip.

    The detector looks at every `every`-th frame and the last; boxes in between are interpolated. Only where
    no face is in all of these, it looks at every frame. Boxes that overlap from one frame to the next are one
    face, and so are boxes where a face was last seen, or where it was heading, before it was lost: one that comes
    back elsewhere is another. A face in half of the frames looked at is steady, unless the detector is far less sure
    of it than of the surest one. If no face is steady, the one seen most often is taken.

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
    chosen = _steady(faces, len(seen)) or [max(faces, key=len)]
    tracks = [Track(*fill(face, sorted(seen), n_frames), len(chosen)) for face in chosen]
    return Track(tracks[0].boxes, tracks[0].found, len(tracks), tuple(tracks[1:]))


Face = dict[int, np.ndarray]  # frame -> (5,): box and score


def _link(seen: dict[int, np.ndarray]) -> list[Face]:
    """Join the boxes of successive frames into faces, the pairs that overlap most first."""
    faces: list[Face] = []
    for i in sorted(seen):
        pairs = [(likeness(face, i, box), f, b) for f, face in enumerate(faces) for b, box in enumerate(seen[i])]
        taken: dict[int, int] = {}
        for alike, f, b in sorted(pairs, key=lambda pair: -pair[0]):
            if alike > SAME and b not in taken and f not in taken.values():
                taken[b] = f
        for b, box in enumerate(seen[i]):
            if b in taken:
                faces[taken[b]][i] = box
            else:
                faces.append({i: box})
    return faces


def likeness(face: Face, i: int, box: np.ndarray) -> float:
    """Return a box's overlap with where a face was last seen or, if that is more, where it should be by frame `i`."""
    last = face[max(face)][:4]
    return max(overlap(last, box[:4]), overlap(_ahead(face, i), box[:4]))


def _ahead(face: Face, i: int) -> np.ndarray:
    """Return the last box, carried on to frame `i` at the speed of its centre over the last few detections."""
    at = sorted(face)[-4:]
    last = face[at[-1]][:4]
    if len(at) == 1:
        return last
    first = face[at[0]][:4]
    moved = (last[:2] + last[2:] - first[:2] - first[2:]) / 2
    return last + np.tile(moved * (i - at[-1]) / (at[-1] - at[0]), 2)


def _steady(faces: list[Face], n_looks: int) -> list[Face]:
    """Return the steady faces, largest first."""
    steady = [face for face in faces if len(face) >= STEADY * n_looks]
    scores = [float(np.median([box[4] for box in face.values()])) for face in steady]
    sure = [face for face, score in zip(steady, scores, strict=True) if score >= SURE * max(scores)]
    return sorted(sure, key=_area, reverse=True)


def _area(face: Face) -> float:
    """Return the median area of a face's boxes."""
    return float(np.median([np.prod(box[2:4] - box[:2]) for box in face.values()]))


def fill(face: Face, looked: list[int], n_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Interpolate and smooth a face's boxes over all frames, and say where they rest on detections."""
    at = sorted(face)
    boxes = np.stack([np.interp(range(n_frames), at, [face[i][side] for i in at]) for side in range(4)], axis=1)
    seen = np.interp(range(n_frames), looked, [i in face for i in looked])
    return _smooth(boxes), seen == 1


def _smooth(boxes: np.ndarray) -> np.ndarray:
    """Take the detector's jitter out of the boxes: a little from their place, more from their size."""
    centre = gaussian_filter1d((boxes[:, :2] + boxes[:, 2:]) / 2, sigma=1, axis=0, mode="nearest")
    half = gaussian_filter1d((boxes[:, 2:] - boxes[:, :2]) / 2, sigma=4, axis=0, mode="nearest")
    return np.hstack([centre - half, centre + half]).astype(np.float32)
