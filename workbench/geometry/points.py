"""A face of 68 points in the iBUG order, with no file behind it: the same units as Candide's, on more landmarks.

Its proportions are those of adult faces, in round numbers and as the 68-point predictor sees them; 1 unit is about
10 cm. What a unit moves follows Candide-3's of that name in size. They differ where the landmarks allow: the lid
tightener raises the lower lid and closing the eyes lowers the upper one (in Candide both do both, and can hardly be
told apart), an opening jaw takes the chin and the corners of the mouth along.
"""

from __future__ import annotations

import numpy as np

from workbench.geometry.base import FaceModel

# x, y, z of the points on the midline and on the right of the picture; those on the left mirror them.
HALF = {
    8: (0.00, 1.10, -0.05), 9: (0.18, 1.07, -0.09), 10: (0.32, 0.97, -0.18), 11: (0.43, 0.84, -0.35),
    12: (0.51, 0.69, -0.53), 13: (0.57, 0.52, -0.70), 14: (0.61, 0.35, -0.83), 15: (0.63, 0.18, -0.92),
    16: (0.64, 0.00, -0.96),
    22: (0.10, -0.16, 0.02), 23: (0.22, -0.20, 0.02), 24: (0.34, -0.22, -0.03), 25: (0.46, -0.19, -0.10),
    26: (0.55, -0.11, -0.20),
    27: (0.00, -0.02, 0.00), 28: (0.00, 0.08, 0.07), 29: (0.00, 0.19, 0.15), 30: (0.00, 0.30, 0.22),
    33: (0.00, 0.43, 0.08), 34: (0.06, 0.41, 0.06), 35: (0.12, 0.39, 0.01),
    42: (0.17, 0.02, -0.13), 43: (0.25, -0.05, -0.09), 44: (0.35, -0.05, -0.12), 45: (0.42, 0.00, -0.20),
    46: (0.35, 0.04, -0.13), 47: (0.26, 0.04, -0.11),
    51: (0.00, 0.57, 0.11), 52: (0.07, 0.55, 0.10), 53: (0.16, 0.58, 0.04), 54: (0.24, 0.64, -0.05),
    55: (0.16, 0.73, 0.02), 56: (0.08, 0.78, 0.07), 57: (0.00, 0.79, 0.08),
    62: (0.00, 0.63, 0.08), 63: (0.07, 0.63, 0.07), 64: (0.20, 0.64, -0.04), 65: (0.07, 0.66, 0.05),
    66: (0.00, 0.67, 0.06),
}  # fmt: skip
# What 1 of a unit adds: outwards from the midline, down, towards the viewer.
ACTIONS = {
    "AU26": {
        8: (0, 0.26, -0.12), 9: (0, 0.26, -0.12), 10: (0, 0.22, -0.10), 11: (0, 0.16, -0.08), 12: (0, 0.10, -0.05),
        13: (0, 0.05, -0.02), 54: (0, 0.11, -0.02), 55: (0, 0.20, -0.05), 56: (0, 0.26, -0.06), 57: (0, 0.26, -0.06),
        64: (0, 0.11, -0.02), 65: (0, 0.26, -0.06), 66: (0, 0.26, -0.06),
    },
    "AU4": {22: (-0.03, 0.09, 0), 23: (-0.03, 0.08, 0), 24: (-0.03, 0.07, 0), 25: (-0.02, 0.05, 0), 26: (0, 0.03, 0)},
    "AU15": {
        53: (0, 0.04, 0), 54: (0, 0.14, -0.01), 55: (0, 0.05, 0), 64: (0, 0.12, -0.01), 63: (0, 0.01, 0),
        65: (0, 0.01, 0),
    },
    "AU10": {
        51: (0, -0.08, 0.02), 52: (0, -0.08, 0.02), 53: (0, -0.05, 0.01), 62: (0, -0.08, 0.02), 63: (0, -0.08, 0.02),
    },
    "AU20": {
        52: (0.02, 0, -0.01), 53: (0.05, 0, -0.03), 54: (0.09, 0, -0.06), 55: (0.05, 0, -0.03), 56: (0.02, 0, -0.01),
        63: (0.02, 0, -0.01), 64: (0.08, 0, -0.06), 65: (0.02, 0, -0.01),
    },
    "AU7": {43: (0, 0.01, 0), 44: (0, 0.01, 0), 46: (0, -0.03, 0), 47: (0, -0.03, 0)},
    "AU9": {
        22: (-0.01, 0.02, 0), 30: (0, -0.03, 0), 33: (0, -0.05, 0), 34: (0, -0.06, 0), 35: (0.01, -0.07, 0),
        51: (0, -0.03, 0), 52: (0, -0.04, 0), 53: (0, -0.03, 0), 62: (0, -0.03, 0), 63: (0, -0.03, 0),
    },
    "AU43": {43: (0, 0.08, 0), 44: (0, 0.08, 0), 46: (0, -0.01, 0), 47: (0, -0.01, 0)},
}  # fmt: skip
BROW, EYE, MOUTH = range(22, 27), range(42, 48), (*range(51, 58), *range(62, 67))
OUTWARD, UP = np.array([0.1, 0.0, 0.0]), np.array([0.0, -0.1, 0.0])
SHAPES = {
    "brows_vertical": dict.fromkeys(BROW, UP),
    "eyes_vertical": dict.fromkeys(EYE, UP),
    "eyes_width": {42: -OUTWARD, 43: -OUTWARD / 2, 44: OUTWARD / 2, 45: OUTWARD, 46: OUTWARD / 2, 47: -OUTWARD / 2},
    "eyes_separation": dict.fromkeys(EYE, OUTWARD),
    "mouth_vertical": dict.fromkeys(MOUTH, UP),
    "mouth_width": {54: OUTWARD, 64: 0.9 * OUTWARD}
    | dict.fromkeys((53, 55), OUTWARD / 2)
    | dict.fromkeys((52, 56, 63, 65), OUTWARD / 4),
    "eyes_difference": dict.fromkeys(EYE, UP),
}
STROKES = ((0, 16, False), (17, 21, False), (22, 26, False), (27, 30, False), (31, 35, False), (36, 41, True),
           (42, 47, True), (48, 59, True), (60, 67, True))  # fmt: skip
# Of each point on the right or the midline, the one that mirrors it.
MIRROR = dict(zip(range(17), range(16, -1, -1), strict=True)) | {
    **dict(zip(range(22, 27), range(21, 16, -1), strict=True)),
    **{27: 27, 28: 28, 29: 29, 30: 30, 33: 33, 34: 32, 35: 31},
    **dict(zip(range(42, 48), (39, 38, 37, 36, 41, 40), strict=True)),
    **dict(zip(range(51, 58), (51, 50, 49, 48, 59, 58, 57), strict=True)),
    **dict(zip(range(62, 67), (62, 61, 60, 67, 66), strict=True)),
}
RIGHT = np.isin(np.arange(68), list(HALF))


def points68(*, jaw: bool = False) -> FaceModel:
    """Return the built-in model: landmarks are tied each to its own point.

    Parameters
    ----------
    jaw : bool
        Tie the lower jaw too (points 4 to 12). Nodding is then told more steadily: of two people who look at the
        camera (RAVDESS, CREMA-D) the median pitch was 0 and 2 degrees, without the jaw 7 and 3. But the points of the
        jaw lie where the face's outline is seen, and slide as the head turns: one turned by 45 degrees seems turned
        by 38 (without, by 42). For that reason the upper ends of the outline (0 to 3, 13 to 16) are never tied.
    """
    tied = np.r_[4:13, 17:68] if jaw else np.r_[17:68]
    shapes = [_both_sides(moves) for moves in SHAPES.values()]
    shapes[-1][:, 1] *= np.where(RIGHT, -1, 1)
    lines = [(i, i + 1) for first, last, _ in STROKES for i in range(first, last)]
    return FaceModel(
        name="points68",
        vertices=_both_sides(HALF),
        edges=np.array(lines + [(last, first) for first, last, closed in STROKES if closed]),
        action_units=np.stack([_both_sides(moves) for moves in ACTIONS.values()]),
        shape_units=np.stack(shapes),
        landmarks=tied,
        tied=tied,
    )


def _both_sides(half) -> np.ndarray:
    """Return what is said of the right half for all points (68, 3); 0 where nothing is said."""
    whole = np.zeros((68, 3))
    for point, (x, y, z) in half.items():
        whole[MIRROR[point]] = -x, y, z
        whole[point] = x, y, z
    return whole
