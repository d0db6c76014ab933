"""Cutting out: frames (t, h, w, 3) become squares (t, size, size, 3), central, aligned by the eyes, or whole."""

from __future__ import annotations

from math import ceil

import cv2
import numpy as np

EYES_APART, EYES_DOWN = 0.33, 0.33  # where `align` puts the eyes, as shares of the crop's side


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


def align(
    frames: np.ndarray, eyes: np.ndarray, *, size: int = 64, apart: float = EYES_APART, down: float = EYES_DOWN
) -> np.ndarray:
    """Turn, scale and shift each frame so that the eyes lie level at fixed places, and cut out a square.

    Parameters
    ----------
    frames : (t, h, w, 3) uint8 RGB
    eyes : (t, 2, 2) float32
        Left and right eye as seen in the picture, x and y in pixels, as from `eyes`.
    size : int
        Side of the crops, in pixels.
    apart : float
        Distance of the eyes as a share of the side; they lie evenly about the vertical middle.
    down : float
        The eyes' distance from the upper edge as a share of the side. The defaults show what `crop` shows of an
        upright face.

    Returns
    -------
    crops : (t, size, size, 3) uint8 RGB
        Area-averaged; what lies beyond the frame repeats its edge.
    """
    crops = np.empty((len(frames), size, size, 3), np.uint8)
    for i, (frame, (left, right)) in enumerate(zip(frames, np.asarray(eyes, np.float64), strict=True)):
        span = max(float(np.linalg.norm(right - left)), 1e-3)
        finer = min(16, max(1, ceil(span / (apart * size) - 0.01)))  # draw larger and average, where that shrinks
        scale = apart * size * finer / span
        cosine, sine = scale * (right - left) / span
        turn = np.array([[cosine, sine], [-sine, cosine]])
        place = np.array([size / 2, down * size]) * finer - 0.5  # pixel centres lie half a pixel in
        shift = place - turn @ ((left + right) / 2)
        side, edge = (size * finer, size * finer), cv2.BORDER_REPLICATE
        drawn = cv2.warpAffine(frame, np.column_stack([turn, shift]), side, flags=cv2.INTER_LINEAR, borderMode=edge)
        cv2.resize(drawn, (size, size), dst=crops[i], interpolation=cv2.INTER_AREA)
    return crops


def whole(frames: np.ndarray, *, size: int = 112) -> np.ndarray:
    """Fit each whole frame into a square, its shape kept; nothing of the frame is lost.

    Parameters
    ----------
    frames : (t, h, w, 3) uint8 RGB
    size : int
        Side of the squares, in pixels.

    Returns
    -------
    pictures : (t, size, size, 3) uint8 RGB
        Area-averaged, in the middle of the square; the bands above and below, or beside it, are black.
    """
    height, width = frames.shape[1:3]
    scale = size / max(height, width)
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    top, left = (size - rows) // 2, (size - columns) // 2
    pictures = np.zeros((len(frames), size, size, 3), np.uint8)
    for picture, frame in zip(pictures, frames, strict=True):
        shrink = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        picture[top : top + rows, left : left + columns] = cv2.resize(frame, (columns, rows), interpolation=shrink)
    return pictures
