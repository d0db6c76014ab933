"""What a face model is: points in space, which of the 68 landmarks see them, and the units that move them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# The descriptor of source 004, section 4.1, in its order; positive is what the name says.
ACTION_UNITS = {
    "AU26": "jaw drop",
    "AU4": "brow lowerer",
    "AU15": "lip corner depressor",
    "AU10": "upper lip raiser",
    "AU20": "lip stretcher",
    "AU7": "lid tightener",
    "AU9": "nose wrinkler",
    "AU43": "eyes closed",
}
# What makes a person, in the source's order. The eyes' difference lowers the one on the right and raises the other.
SHAPE_UNITS = (
    "brows_vertical",
    "eyes_vertical",
    "eyes_width",
    "eyes_separation",
    "mouth_vertical",
    "mouth_width",
    "eyes_difference",
)


@dataclass(frozen=True)
class FaceModel:
    """A face that can be fitted to 68 landmarks.

    Axes are the picture's: x to its right, y down, z towards the viewer. The eyes are 0.6 units apart.

    `name`. `vertices` (v, 3): the average face at rest. `edges` (k, 2): pairs of vertices to draw a line between.
    `action_units` (8, v, 3), `shape_units` (7, v, 3): what 1 of each of `ACTION_UNITS`, `SHAPE_UNITS` adds to them.
    `landmarks`, `tied` (n,): landmark `landmarks[i]` of the 68 is seen where vertex `tied[i]` is.
    """

    name: str
    vertices: np.ndarray
    edges: np.ndarray
    action_units: np.ndarray
    shape_units: np.ndarray
    landmarks: np.ndarray
    tied: np.ndarray

    def person(self, shape: np.ndarray | None = None) -> np.ndarray:
        """Return the face at rest (v, 3) of a person, given their shape units (7,); by default the average face."""
        return self.vertices if shape is None else self.vertices + np.tensordot(shape, self.shape_units, 1)
