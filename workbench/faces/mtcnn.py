"""MTCNN (Zhang et al. 2016) as a detector: three networks in a row, which `cascade` holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workbench import weights as declared
from workbench.faces.boxes import as_dlib, shrunk, suppress

EXTENT = (0.91, 0.07)  # how dlib's squares lie to these boxes: `as_dlib`'s side and down


@dataclass(frozen=True)
class Mtcnn:
    """The three networks as one `Detector`, with five points a face.

    Parameters
    ----------
    weights : str or Path, optional
        The folder with pnet.pt, rnet.pt and onet.pt; by default where `weights.find` looks.
    side : int
        Pixels; frames longer than that, either way, are shrunk.
    smallest : int
        The smallest face looked for, in pixels of the shrunk frame.
    thresholds : three floats
        Least score, 0..1, for each network.
    """

    weights: str | Path | None = None
    side: int = 320
    smallest: int = 24
    thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7)

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """Return boxes as `Detector` promises; the score is O-net's, 0..1."""
        return as_dlib(self._look(frame)[0], *EXTENT)

    def points(self, frame: np.ndarray) -> np.ndarray:
        """Return the five points of each face, (k, 5, 2) float32, as `Detector` promises."""
        return self._look(frame)[1]

    def _look(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return boxes (k, 5) and points (k, 5, 2) in pixels of the frame, best first."""
        from workbench.faces import cascade  # brings torch, which no other detector needs

        small, scale = shrunk(frame, self.side)
        files = declared.find("mtcnn", self.weights)
        boxes, points = cascade.look(files, small, smallest=self.smallest, thresholds=self.thresholds)
        kept = suppress(boxes, 0.7, of_smaller=True)
        boxes[:, :4] /= scale
        return boxes[kept], points[kept] / scale
