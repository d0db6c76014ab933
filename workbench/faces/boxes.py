"""Boxes around faces: how much two overlap, and one detector's drawn as another would."""

from __future__ import annotations

import cv2
import numpy as np


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Return intersection over union, 0..1, of two boxes (4,): left, top, right, bottom."""
    width, height = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    shared = max(width, 0) * max(height, 0)
    return float(shared / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - shared))


def as_dlib(boxes: np.ndarray, side: float, down: float) -> np.ndarray:
    """Return a detector's boxes (k, 5) as the squares that dlib would draw around the same faces.

    Parameters
    ----------
    boxes : (k, 5)
        Left, top, right, bottom, score.
    side : float
        dlib's side over this detector's (the root of width x height).
    down : float
        How far below this detector's centre dlib's lies, as a share of this detector's side.
    """
    size = boxes[:, 2:4] - boxes[:, :2]  # (k, 2)
    own = np.sqrt(size.clip(0).prod(axis=1, keepdims=True))  # (k, 1)
    centre = (boxes[:, :2] + boxes[:, 2:4]) / 2 + own * (0, down)
    half = own * side / 2
    return np.hstack([centre - half, centre + half, boxes[:, 4:]]).astype(np.float32)


def inside(boxes: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the share (k,), 0..1, of each box's area that lies in a frame of shape (h, w, ...)."""
    edges = np.tile(shape[1::-1], 2)
    seen, own = boxes[:, :4].clip(0, edges), boxes[:, :4]
    area = (own[:, 2:] - own[:, :2]).clip(1e-6).prod(axis=1)
    return (seen[:, 2:] - seen[:, :2]).prod(axis=1) / area


def shrunk(frame: np.ndarray, side: int) -> tuple[np.ndarray, float]:
    """Return a frame no longer than `side` pixels either way, and its pixels over the frame's (at most 1)."""
    scale = min(1.0, side / max(frame.shape[:2]))
    if scale == 1:
        return frame, 1.0
    size = tuple(max(1, round(edge * scale)) for edge in frame.shape[1::-1])
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA), scale


def suppress(boxes: np.ndarray, limit: float, *, of_smaller: bool = False) -> np.ndarray:
    """Return which boxes (k, 5) to keep, best first: those that no better one overlaps by more than `limit`.

    Overlap is intersection over union, or, with `of_smaller`, over the smaller of the two.
    """
    order = np.argsort(-boxes[:, 4], kind="stable")
    area = (boxes[:, 2:4] - boxes[:, :2]).clip(0).prod(axis=1)
    kept = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(best)
        sides = np.minimum(boxes[order, 2:4], boxes[best, 2:4]) - np.maximum(boxes[order, :2], boxes[best, :2])
        shared = sides.clip(0).prod(axis=1)
        whole = np.minimum(area[order], area[best]) if of_smaller else area[order] + area[best] - shared
        order = order[shared <= limit * whole]
    return np.array(kept, int)
