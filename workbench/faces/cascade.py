"""The three networks of MTCNN (Zhang et al. 2016), and how each looks again at what the one before proposed.

P-net slides over an image pyramid and proposes windows; R-net looks at each at 24 pixels and throws most away; O-net
looks at the rest at 48 pixels, and finds five points. The architecture and the scaling are those of the weights in
facenet-pytorch, which took them over from the authors' Caffe models.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

from workbench.faces.boxes import suppress

CELL, STRIDE, STEP = 12, 2, 0.709  # P-net's window and its stride, pixels; from one size of the pyramid to the next


def _block(n_in: int, n_out: int, kernel: int, pool: int = 0) -> list[nn.Module]:
    pooling = [nn.MaxPool2d(pool, 2, ceil_mode=True)] if pool else []
    return [nn.Conv2d(n_in, n_out, kernel), nn.PReLU(n_out), *pooling]


class PNet(nn.Module):
    """Proposals, fully convolutional: pictures (B, 3, h, w) to maps of a score and four corrections."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(*_block(3, 10, 3, 2), *_block(10, 16, 3), *_block(16, 32, 3))
        self.score, self.shift = nn.Conv2d(32, 2, 1), nn.Conv2d(32, 4, 1)

    def forward(self, x):
        x = self.body(x)  # (B, 32, h', w')
        return self.score(x).softmax(1)[:, 1], self.shift(x)


class RNet(nn.Module):
    """Refinement: windows (B, 3, 24, 24) to a score (B,) and four corrections (B, 4)."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(*_block(3, 28, 3, 3), *_block(28, 48, 3, 3), *_block(48, 64, 2))
        self.dense = nn.Sequential(nn.Linear(576, 128), nn.PReLU(128))
        self.score, self.shift = nn.Linear(128, 2), nn.Linear(128, 4)

    def forward(self, x):
        x = self.dense(self.body(x).permute(0, 3, 2, 1).flatten(1))  # columns first, as the weights expect
        return self.score(x).softmax(1)[:, 1], self.shift(x)


class ONet(nn.Module):
    """Output: windows (B, 3, 48, 48) to a score (B,), four corrections (B, 4), and five points (B, 10)."""

    def __init__(self):
        super().__init__()
        early = [*_block(3, 32, 3, 3), *_block(32, 64, 3, 3)]
        self.body = nn.Sequential(*early, *_block(64, 64, 3, 2), *_block(64, 128, 2))
        self.dense = nn.Sequential(nn.Linear(1152, 256), nn.PReLU(256))
        self.score, self.shift, self.points = nn.Linear(256, 2), nn.Linear(256, 4), nn.Linear(256, 10)

    def forward(self, x):
        x = self.dense(self.body(x).permute(0, 3, 2, 1).flatten(1))
        return self.score(x).softmax(1)[:, 1], self.shift(x), self.points(x)


@lru_cache(maxsize=2)
def networks(*files: Path) -> tuple[nn.Module, ...]:
    """Return P-, R- and O-net; the files name the layers otherwise, but keep them in the same order."""
    three = (PNet(), RNet(), ONet())
    for file, network in zip(files, three, strict=True):
        values = torch.load(file, map_location="cpu", weights_only=True).values()
        network.load_state_dict(dict(zip(network.state_dict(), values, strict=True)))
        network.eval().requires_grad_(False)
    return three


@torch.inference_mode()
def look(
    files: Sequence[Path], frame: np.ndarray, *, smallest: int, thresholds: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the boxes (k, 5) and points (k, 5, 2) that the networks in `files` find in a frame (h, w, 3) uint8 RGB."""
    p_net, r_net, o_net = networks(*files)
    boxes = propose(p_net, frame, smallest=smallest, threshold=thresholds[0])
    boxes, _ = look_again(r_net, frame, squared(boxes), size=24, threshold=thresholds[1])
    boxes = boxes[suppress(boxes, 0.7)]
    return look_again(o_net, frame, squared(boxes), size=48, threshold=thresholds[2])


def propose(network: PNet, frame: np.ndarray, *, smallest: int, threshold: float) -> np.ndarray:
    """Return boxes (k, 5) from all sizes of the pyramid, best first."""
    found, scale = [np.empty((0, 5), np.float32)], CELL / smallest
    height, width = frame.shape[:2]
    while min(height, width) * scale >= CELL:
        size = (int(width * scale + 1), int(height * scale + 1))
        scores, shifts = network(_scaled([cv2.resize(frame, size, interpolation=cv2.INTER_AREA)]))
        rows, columns = (at.numpy() for at in torch.where(scores[0] >= threshold))
        corner = STRIDE * np.stack([columns, rows], axis=1)  # (k, 2), x and y
        boxes = np.hstack([corner, corner + CELL]) / scale
        boxes = shifted(boxes, shifts[0, :, rows, columns].T.numpy())
        boxes = np.column_stack([boxes, scores[0, rows, columns].numpy()]).astype(np.float32)
        found.append(boxes[suppress(boxes, 0.5)])
        scale *= STEP
    boxes = np.concatenate(found)
    return boxes[suppress(boxes, 0.7)]


def look_again(
    network: nn.Module, frame: np.ndarray, boxes: np.ndarray, *, size: int, threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the boxes (k, 5) that a network still takes for faces, corrected, and their points (k, 5, 2), if any."""
    windows = [_window(frame, box, size) for box in boxes]
    if not windows:
        return boxes, np.empty((0, 5, 2), np.float32)
    scores, shifts, *points = (out.numpy() for out in network(_scaled(windows)))
    sure = scores >= threshold
    boxes = boxes[sure, :4]
    corners, sides = boxes[:, None, :2], boxes[:, None, 2:] - boxes[:, None, :2]
    points = [corners + sides * out[sure].reshape(-1, 2, 5).transpose(0, 2, 1) for out in points]
    boxes = np.column_stack([shifted(boxes, shifts[sure]), scores[sure]])
    return boxes, (points or [np.empty((len(boxes), 0, 2), np.float32)])[0]


def shifted(boxes: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Return boxes (k, 4) whose edges are moved by shares (k, 4) of their width and height."""
    return boxes[:, :4] + shifts * np.tile(boxes[:, 2:4] - boxes[:, :2], 2)


def squared(boxes: np.ndarray) -> np.ndarray:
    """Return boxes (k, 5) made square about their centres by their longer side."""
    centre = (boxes[:, :2] + boxes[:, 2:4]) / 2
    half = (boxes[:, 2:4] - boxes[:, :2]).max(axis=1, keepdims=True) / 2
    return np.hstack([centre - half, centre + half, boxes[:, 4:]])


def _window(frame: np.ndarray, box: np.ndarray, size: int) -> np.ndarray:
    """Return what a box shows, scaled to (size, size, 3); black beyond the frame."""
    left, top, right, bottom = (round(float(edge)) for edge in box[:4])
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    inside = frame[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    window = np.zeros((bottom - top, right - left, 3), np.uint8)
    y, x = max(-top, 0), max(-left, 0)
    window[y : y + inside.shape[0], x : x + inside.shape[1]] = inside
    return cv2.resize(window, (size, size), interpolation=cv2.INTER_AREA)


def _scaled(pictures: list[np.ndarray]) -> torch.Tensor:
    """Return pictures (h, w, 3) uint8 as a batch (B, 3, h, w) float32 in -1..1."""
    batch = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()
    return (batch.float() - 127.5) / 128
