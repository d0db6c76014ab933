"""The geometry of the demo corpus's parametric heads: who they are, and where action units and pose put each feature.

Head frame: x to the image's right, y down, z towards the viewer; one unit is 0.3 of the picture's side. A head is a
smooth union of ellipsoids. Every feature is a curve in (x, y) that action units move (Ekman and Friesen, Facial
Action Coding System, 1978), lifted onto that surface, turned by the pose and projected orthographically. Sizes were
set by what dlib's detector and 68-point predictor, which know real faces, follow best.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from workbench.errors import choose

ACTION_UNITS = tuple(f"AU{number}" for number in (1, 2, 4, 5, 6, 7, 9, 10, 12, 15, 18, 20, 24, 26, 43))
SKINS = ((240, 206, 184), (236, 196, 168), (226, 182, 148), (208, 160, 122), (182, 132, 96), (160, 113, 82),
         (142, 100, 72))  # fmt: skip
HAIRS = ((32, 26, 24), (58, 38, 28), (92, 60, 38), (136, 92, 52), (196, 156, 96), (142, 66, 36), (150, 148, 146))
IRISES = ((74, 48, 30), (104, 72, 40), (66, 110, 72), (70, 112, 150), (104, 122, 132))
# Hair: hairline in front (y), its slant, volume, hairline beside the face (y), how low it hangs (y), curls.
STYLES = {
    "cropped": (-0.82, 0.00, 1.00, -0.18, 0.30, 0.0), "parted": (-0.78, 0.22, 1.05, -0.10, 0.35, 0.0),
    "receding": (-1.00, 0.00, 0.99, -0.20, 0.30, 0.0), "curly": (-0.78, 0.00, 1.12, -0.05, 0.40, 0.025),
    "bob": (-0.76, 0.15, 1.10, 0.00, 1.15, 0.0), "long": (-0.82, -0.22, 1.07, 0.00, 1.75, 0.0),
    "fringe": (-0.52, 0.00, 1.06, 0.00, 1.35, 0.0), "tied": (-0.84, 0.12, 1.02, -0.05, 0.35, 0.0),
    "wavy": (-0.80, 0.16, 1.14, 0.00, 1.40, 0.022),
}  # fmt: skip
SEX_STYLES = {"male": ("cropped", "parted", "receding", "curly"), "female": ("bob", "long", "fringe", "tied", "wavy")}
# Of what `Head.random` draws: the mean for men, the mean for women, the spread to either side.
RANGES = {
    "width": (0.98, 0.98, 0.07), "height": (1.02, 1.02, 0.06), "jaw": (1.06, 0.93, 0.10), "chin": (1.08, 0.92, 0.15),
    "eye_size": (0.98, 1.12, 0.10), "eye_spacing": (1.0, 1.0, 0.07), "brow_thickness": (1.25, 0.85, 0.25),
    "brow_height": (-0.01, 0.015, 0.02), "nose_length": (1.0, 1.0, 0.13), "nose_width": (1.08, 0.92, 0.18),
    "mouth_width": (1.0, 1.0, 0.12), "lip_thickness": (0.95, 1.15, 0.15), "lashes": (1.0, 1.7, 0.2),
    "ambient": (0.61, 0.61, 0.06),
}  # fmt: skip
SCALE, CENTRE, PIVOT = 0.3, np.array([0.5, 0.46]), np.array([0.0, 0.6, -0.25])
SKULL, NOSE, EARS = slice(0, 7), slice(7, 12), slice(12, 14)  # which of the ellipsoids are which
CELLS, STILL = 64, np.eye(3)  # cells of shading along a side; the rotation of what keeps still
GRID = np.stack(np.meshgrid(*(((np.arange(CELLS) + 0.5) / CELLS - c) / SCALE for c in CENTRE)))  # (2, cells, cells)
TURN, SIDE = np.linspace(0, 2 * np.pi, 48, endpoint=False), np.array([[-1.0], [1.0]])
CIRCLE, T, S = np.stack([np.cos(TURN), np.sin(TURN)]), np.linspace(-1, 1, 17), np.linspace(0, 1, 9)


@dataclass(frozen=True)
class Head:
    """What makes one person: proportions (1 is average), colours (RGB 0..255), hair style, and the light.

    `brow_height` is an offset in units, up positive; `light` a unit vector towards the lamp; `ambient` the share
    0..1 of light that comes from everywhere.
    """

    width: float = 1.0
    height: float = 1.0
    jaw: float = 1.0
    chin: float = 1.0
    eye_size: float = 1.0
    eye_spacing: float = 1.0
    brow_thickness: float = 1.0
    brow_height: float = 0.0
    nose_length: float = 1.0
    nose_width: float = 1.0
    mouth_width: float = 1.0
    lip_thickness: float = 1.0
    lashes: float = 1.0
    skin: tuple[int, int, int] = SKINS[1]
    hair: tuple[int, int, int] = HAIRS[1]
    iris: tuple[int, int, int] = IRISES[0]
    shirt: tuple[int, int, int] = (70, 90, 120)
    background: tuple[int, int, int] = (170, 180, 190)
    style: str = "cropped"
    light: tuple[float, float, float] = (-0.3, -0.4, 0.866)
    ambient: float = 0.58

    @classmethod
    def random(cls, rng: np.random.Generator, sex: str) -> Head:
        """Return a head drawn from `rng`; `sex`, 'male' or 'female', sets means and the choice of hair styles."""
        styles, woman = SEX_STYLES[choose("sex", sex, SEX_STYLES)], sex == "female"
        skin = rng.integers(len(SKINS))
        light = np.append(rng.uniform((-0.5, -0.4), (0.5, 0.0)), 1.0)
        return cls(
            **{name: float(row[woman] + row[2] * rng.uniform(-1, 1)) for name, row in RANGES.items()},
            skin=SKINS[skin],
            hair=HAIRS[rng.integers(len(HAIRS) if skin < 4 else 3)],
            iris=IRISES[rng.integers(len(IRISES) if skin < 4 else 2)],
            shirt=tuple(rng.integers(40, 200, 3).tolist()),
            background=tuple(rng.integers(110, 200, 3).tolist()),
            style=str(rng.choice(styles)),
            light=tuple((light / np.linalg.norm(light)).tolist()),
        )


def turn(points, rotation):
    return (points - PIVOT) @ rotation.T + PIVOT


def surface(blobs, rotation, xy):
    """Return height (k,) and slope (2, k), both analytic, of the smooth union of turned ellipsoids at `xy` (2, k).

    The front of one lies at ``z = centre_z - tilt . d + sqrt(depth - d' spread d)``, with d from its centre; beyond
    its rim each member of a union falls off, so that another takes over.
    """
    form = (rotation / blobs[:, None, 3:] ** 2) @ rotation.T
    tilt = form[:, 2, :2] / form[:, 2, 2:]
    spread = form[:, :2, :2] / form[:, 2, 2, None, None] - tilt[:, :, None] * tilt[:, None]
    parts = turn(blobs[:, :3], rotation), tilt, spread, 1 / form[:, 2, 2:]
    centre, tilt, spread, depth = (part.astype(np.float32) for part in parts)
    offset = np.ascontiguousarray(xy, np.float32) - centre[:, :2, None]  # (n, 2, k)
    steep = spread @ offset
    inside = depth - (steep * offset).sum(1)
    root = np.sqrt(np.maximum(inside, 0.004))
    height = root - (tilt[:, None] @ offset)[:, 0] + centre[:, 2:]
    height += (4 if len(blobs) > 1 else 0) * np.minimum(inside, 0)
    top = height.max(0)
    weight = np.exp(np.maximum(13 * (height - top), -20))
    total = weight.sum(0)
    weight /= total
    return top + np.log(total) / 13, -(tilt.T @ weight) - (steep * (weight / root)[:, None]).sum(0)


def outline(blobs, rotation, size):
    """Return the projected outlines (n, 48, 2) of ellipsoids in pixels."""
    turned = (rotation * blobs[:, None, 3:] ** 2) @ rotation.T
    rim = (np.linalg.cholesky(turned[:, :2, :2]) @ CIRCLE).swapaxes(1, 2)
    return ((turn(blobs[:, :3], rotation)[:, None, :2] + rim) * SCALE + CENTRE) * size - 0.5


def _blobs(head: Head, au) -> np.ndarray:
    """Return the ellipsoids of skull, jaw, chin, muzzle, cheeks, nose, ears: (14, 6) centres and radii."""
    drop, up, nose = 0.26 * au[26], 0.04 * max(au[6], 0.7 * au[12]), 0.30 * head.nose_length
    tip, wing = nose - 0.03 * au[9], 0.115 * head.nose_width
    blobs = [
        (0, -0.32, -0.22, 0.72, 0.83, 0.92), (0, 0.12, -0.02, 0.67, 0.84, 0.70),
        (0, 0.48 + 0.5 * drop, -0.02, 0.55 * head.jaw, 0.52 + 0.4 * drop, 0.64),
        (0, 0.86 + drop, 0.32, 0.22 * head.chin, 0.18, 0.24), (0, 0.57 + 0.35 * drop, 0.33, 0.36, 0.34, 0.35),
        (-0.29, 0.26 - up, 0.26 + up, 0.33, 0.34, 0.36), (0.29, 0.26 - up, 0.26 + up, 0.33, 0.34, 0.36),
        (0, nose - 0.37, 0.57, 0.08, 0.16, 0.13), (0, nose - 0.20, 0.67, 0.09, 0.22, 0.15),
        (0, tip, 0.76, 0.115, 0.095, 0.14), (-wing, tip + 0.03, 0.67, 0.075, 0.068, 0.11),
        (wing, tip + 0.03, 0.67, 0.075, 0.068, 0.11), (-0.74, 0.06, -0.16, 0.09, 0.21, 0.13),
        (0.74, 0.06, -0.16, 0.09, 0.21, 0.13),
    ]  # fmt: skip
    return np.array(blobs) * np.tile([head.width, head.height, 1.0], 2)


def _xy(x, y):
    return np.stack([x + 0 * y, y + 0 * x], -1)


def _eyes(head: Head, au) -> dict[str, np.ndarray]:
    """Return the curves (2, k, 2) of eyes and brows; lid and cheek narrow the eye, AU43 closes it from above."""
    eye, x = 0.165 * head.eye_size, SIDE * 0.335 * head.eye_spacing
    lower = 0.32 * eye * (1 - 0.5 * au[7]) * (1 - 0.6 * au[6])
    upper = 0.50 * eye * (1 + 0.55 * au[5]) * (1 - 0.35 * au[7]) * (1 - 0.15 * au[6])
    upper = upper * (1 - au[43]) - 0.85 * lower * au[43]
    lids = -0.02 * T * SIDE - upper * (1 - np.abs(T) ** 2.4), -0.02 * T * SIDE + lower * (1 - T**2)

    def disc(radius, dx=0.0, dy=0.0):
        across, down = radius * CIRCLE[:, ::2] + [[dx], [dy]]
        return _xy(x + across, np.clip(down, *([np.interp(across, T * eye, lid) for lid in pair] for pair in lids)))

    rise = head.brow_height + 0.095 * au[1] * (1 - S) + 0.12 * au[2] * S - 0.09 * au[4] * (1 - 0.6 * S)
    brow_x = SIDE * (0.135 + 0.42 * S - 0.05 * au[4] * (1 - S))
    brow_y = -0.16 - 0.05 * np.sin(np.pi * S**1.3) - rise + 0.02 * au[9] + 0.02 * S
    thick = 0.030 * head.brow_thickness * np.sqrt(np.sin(np.pi * (0.10 + 0.86 * S)))
    return {
        "eye_upper": _xy(x + eye * T, lids[0]), "eye_lower": _xy(x + eye * T, lids[1]),
        "crease": _xy(x + 1.05 * eye * T, lids[0] - (0.028 + 0.03 * au[43]) * (1 - T**2)),
        "iris": disc(0.52 * eye), "pupil": disc(0.24 * eye), "glint": disc(0.12 * eye, -0.17 * eye, -0.18 * eye),
        "brow": _xy(brow_x, brow_y), "brow_upper": _xy(brow_x, brow_y - thick),
        "brow_lower": _xy(brow_x, brow_y + thick), "frown": _xy(SIDE * (0.035 + 0.01 * S), -0.22 + 0.14 * S),
    }  # fmt: skip


def _mouth(head: Head, au) -> dict[str, np.ndarray]:
    """Return the curves of mouth (17, 2), nose and chin: the jaw opens the inner lips, a smile bares the teeth."""
    arch, nose = (1 - np.abs(T) ** 2.4) ** 0.85, 0.30 * head.nose_length - 0.03 * au[9]
    x = 0.255 * head.mouth_width * (1 + 0.20 * au[12] + 0.18 * au[20] - 0.29 * au[18] - 0.10 * au[26]) * T
    gape, lift = 0.26 * au[26] * (1 - 0.15 * au[24]), 0.04 * au[10] + 0.02 * au[9]
    middle = 0.61 + (0.10 * au[15] - 0.10 * au[12] + 0.35 * gape - 0.012) * np.abs(T) ** 2.2
    upper, lower = middle - (lift + 0.02 * gape) * arch, middle + gape * arch
    lips = head.lip_thickness * (1 - 0.6 * au[24]) * (1 - 0.2 * au[12] - 0.15 * au[20] + 0.3 * au[18])
    bow = (1 - 0.30 * np.exp(-((T / 0.13) ** 2))) * (1 - np.abs(T) ** 1.7)
    bare = np.clip(0.5 * (gape + lift - 0.06), 0, 0.045) * max(au[12], au[10], 0.7 * au[20]) * (1 - T**4)
    return {
        "mouth_upper": _xy(0.97 * x, upper), "mouth_lower": _xy(0.97 * x, lower), "teeth": _xy(0.97 * x, upper + bare),
        "tongue": _xy(0.97 * x, np.clip(0.56 + gape + 0.05 * T**2, upper, lower)),
        "lip_upper": _xy(x, upper - 0.070 * lips * bow),
        "lip_lower": _xy(x, lower + 0.115 * lips * (1 - np.abs(T) ** 2.4)),
        "nostril": _xy(SIDE * (0.07 * head.nose_width + 0.042 * CIRCLE[0]), nose + 0.075 + 0.026 * CIRCLE[1]),
        "fold": _xy(SIDE * (0.14 + 0.20 * S), nose + 0.33 * S**1.5),
        "nose": np.array([[0.0, nose]]), "chin": np.array([[0.0, 1.03 + 0.26 * au[26]]]),
    }  # fmt: skip


def geometry(head: Head, action_units, pose, size: int):
    """Return action units by number, ellipsoids, rotation, curves in pixels, and which eyes (2,) face the viewer."""
    named = {int(choose("action unit", name, ACTION_UNITS)[2:]): float(v) for name, v in action_units.items()}
    au, (yaw, pitch, roll) = defaultdict(float, named), pose
    rotation = Rotation.from_euler("ZYX", (roll, yaw, pitch), degrees=True).as_matrix()
    blobs, curves = _blobs(head, au), _eyes(head, au) | _mouth(head, au)
    flat = np.concatenate([curve.reshape(-1, 2) for curve in curves.values()]) * [head.width, head.height]
    height, slope = surface(blobs, STILL, flat.T)
    points = (turn(np.column_stack([flat, height]), rotation)[:, :2] * SCALE + CENTRE) * size - 0.5
    parts = np.split(points, np.cumsum([curve.size // 2 for curve in curves.values()])[:-1])
    at = {name: part.reshape(curve.shape) for (name, curve), part in zip(curves.items(), parts, strict=True)}
    facing = rotation[2, 2] - rotation[2, :2] @ slope[:, [8, 25]]  # at the middles of both upper lids, which come first
    return au, blobs, rotation, at, facing > 0.12


def features(head: Head, action_units: Mapping[str, float], pose=(0.0, 0.0, 0.0), *, size: int = 256) -> dict:
    """Return where `render` with the same arguments draws its features, in pixels.

    Curves (..., 2) of (x, y), the image's left side first: `eye_upper`, `eye_lower` (2, 17, 2); `brow` (2, 9, 2) from
    the inner end outwards; `mouth_upper`, `mouth_lower` (inner lips), `lip_upper`, `lip_lower` (outer) (17, 2);
    `nose`, `chin` (1, 2); more of the drawing. Lengths: `inner_lip_gap`, `eye_opening` (2,), `face_height` (mean of
    the brows to the chin).
    """
    at = geometry(head, action_units, pose, size)[3]
    at["inner_lip_gap"] = float(np.linalg.norm(at["mouth_lower"][8] - at["mouth_upper"][8]))
    at["eye_opening"] = np.linalg.norm(at["eye_lower"][:, 8] - at["eye_upper"][:, 8], axis=-1)
    at["face_height"] = float(np.linalg.norm(at["chin"][0] - at["brow"].mean((0, 1))))
    return at
