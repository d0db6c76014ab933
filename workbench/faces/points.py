"""The 68 points of a face, by dlib's regression trees (Kazemi & Sullivan 2014), and what is read off them.

Their weights come from the extra package `face-recognition-models` (trained on 300-W: not for commercial use).
"""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from pathlib import Path

import cv2
import dlib
import numpy as np
from scipy.ndimage import gaussian_filter1d

from workbench.errors import MediaError, WorkbenchError
from workbench.faces.boxes import overlap
from workbench.faces.detectors import Detector

LEFT_EYE, RIGHT_EYE = slice(36, 42), slice(42, 48)  # as seen in the picture


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
    predict = _predictor(str(find_weights(weights)))
    shape = predict(np.ascontiguousarray(frame), dlib.rectangle(*(round(float(edge)) for edge in box[:4])))
    return np.array([(point.x, point.y) for point in shape.parts()], np.float32)


def landmarks_clip(frames: np.ndarray, boxes: np.ndarray, *, weights: str | Path | None = None) -> np.ndarray:
    """Return the `landmarks` of every frame, (t, 68, 2) float32, given frames (t, h, w, 3) and boxes (t, 4)."""
    return np.stack([landmarks(frame, box, weights=weights) for frame, box in zip(frames, boxes, strict=True)])


def default_weights() -> Path:
    """Return where the package `face-recognition-models` keeps its 68-point predictor, not importing it."""
    spec = importlib.util.find_spec("face_recognition_models")
    folder = Path(spec.origin).parent if spec and spec.origin else Path("face_recognition_models")
    return folder / "models" / "shape_predictor_68_face_landmarks.dat"


def find_weights(weights: str | Path | None = None) -> Path:
    """Return the file of a 68-point predictor, by default `default_weights`; WorkbenchError if it is not there."""
    path = Path(weights or default_weights())
    if not path.is_file():
        raise WorkbenchError(
            f"expected the 68-point weights at {path}, found no such file: run "
            "`pip install face-recognition-models` or name a file shape_predictor_68_face_landmarks.dat"
        )
    return path


@lru_cache(maxsize=2)
def _predictor(weights: str):
    return dlib.shape_predictor(weights)


def mouth_opening(landmarks: np.ndarray) -> float:
    """Return the gap between the inner lips (61-63 to 65-67) over the face's height (brows to chin), >= 0."""
    gap = np.linalg.norm(landmarks[[61, 62, 63]] - landmarks[[67, 66, 65]], axis=1).mean()
    return float(gap / np.linalg.norm(landmarks[17:27].mean(axis=0) - landmarks[8]))


def eyes(
    frames: np.ndarray, boxes: np.ndarray, *, weights: str | Path | None = None, detector: Detector | None = None
) -> np.ndarray:
    """Return where the eyes are, for `align`.

    Parameters
    ----------
    frames : (t, h, w, 3) uint8 RGB
    boxes : (t, 4) float32
        As from `track`.
    weights : str or Path, optional
        As `landmarks` takes them.
    detector : Detector, optional
        One with `points`, such as `YuNet`: its eyes are taken, and the 68 points are not needed.

    Returns
    -------
    eyes : (t, 2, 2) float32
        Centre of the left and of the right eye as seen in the picture, x and y in pixels, smoothed over time.

    Raises
    ------
    WorkbenchError
        If the weights are not there, or the detector has no points.
    MediaError
        If the detector sees no face in any of the boxes.
    """
    if detector is None:
        found = np.stack([_level_eyes(frame, box, weights) for frame, box in zip(frames, boxes, strict=True)])
    else:
        found = _eyes_of(detector, frames, boxes)
    return gaussian_filter1d(found, sigma=1, axis=0, mode="nearest").astype(np.float32)


def _level_eyes(frame: np.ndarray, box: np.ndarray, weights: str | Path | None) -> np.ndarray:
    """Return the eyes (2, 2) by the 68 points.

    The points are drawn towards the upright faces that they were learnt from. So where a face is tilted by more than
    5 degrees, the frame is turned until it is not, at most three times, and the points are looked for there.
    """
    middle, tilt = tuple(map(float, (box[:2] + box[2:4]) / 2)), 0.0
    for _ in range(4):
        turn = cv2.getRotationMatrix2D(middle, tilt, 1)
        seen = cv2.warpAffine(frame, turn, frame.shape[1::-1], borderMode=cv2.BORDER_REPLICATE) if tilt else frame
        points = landmarks(seen, box, weights=weights)
        level = np.stack([points[LEFT_EYE].mean(axis=0), points[RIGHT_EYE].mean(axis=0)])
        right, down = level[1] - level[0]
        left_over = float(np.degrees(np.arctan2(down, right)))
        if abs(left_over) < 5:
            break
        tilt += left_over
    return cv2.transform(level[None], cv2.invertAffineTransform(turn))[0]


def _eyes_of(detector: Detector, frames: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return a detector's eyes (t, 2, 2), interpolated where it sees no face that shares a third with the box."""
    if not hasattr(detector, "points"):
        raise WorkbenchError(f"expected a detector with points, such as yunet or mtcnn, found {detector}")
    seen = {}
    for i, (frame, box) in enumerate(zip(frames, boxes, strict=True)):
        overlaps = [overlap(box[:4], other[:4]) for other in detector(frame)]
        if overlaps and max(overlaps) > 1 / 3:
            seen[i] = detector.points(frame)[int(np.argmax(overlaps)), :2].ravel()
    if not seen:
        raise MediaError(f"expected the eyes of a face, found no face with {detector} in {len(frames)} boxes")
    columns = [np.interp(range(len(frames)), list(seen), values) for values in zip(*seen.values(), strict=True)]
    return np.stack(columns, axis=1).reshape(-1, 2, 2)
