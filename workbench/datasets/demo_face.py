"""A shaded parametric talking head: ellipsoids lit by Lambert's law, features drawn on them by OpenCV.

Head frame: x to the image's right, y down, z towards the viewer; one unit is 0.3 of the picture's side. A head is a
smooth union of ellipsoids. Every feature is a curve in (x, y) that action units move (Ekman and Friesen, Facial
Action Coding System, 1978), lifted onto that surface, turned by the pose and projected orthographically. Sizes were
set by what dlib's detector and 68-point predictor, which know real faces, follow best.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial

import cv2
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


def _turn(points, rotation):
    return (points - PIVOT) @ rotation.T + PIVOT


def _surface(blobs, rotation, xy):
    """Return height (k,) and slope (2, k), both analytic, of the smooth union of turned ellipsoids at `xy` (2, k).

    The front of one lies at ``z = centre_z - tilt . d + sqrt(depth - d' spread d)``, with d from its centre; beyond
    its rim each member of a union falls off, so that another takes over.
    """
    form = (rotation / blobs[:, None, 3:] ** 2) @ rotation.T
    tilt = form[:, 2, :2] / form[:, 2, 2:]
    spread = form[:, :2, :2] / form[:, 2, 2, None, None] - tilt[:, :, None] * tilt[:, None]
    parts = _turn(blobs[:, :3], rotation), tilt, spread, 1 / form[:, 2, 2:]
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


def _outlines(blobs, rotation, size):
    """Return the projected outlines (n, 48, 2) of ellipsoids in pixels."""
    turned = (rotation * blobs[:, None, 3:] ** 2) @ rotation.T
    rim = (np.linalg.cholesky(turned[:, :2, :2]) @ CIRCLE).swapaxes(1, 2)
    return ((_turn(blobs[:, :3], rotation)[:, None, :2] + rim) * SCALE + CENTRE) * size - 0.5


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


def _geometry(head: Head, action_units, pose, size: int):
    """Return action units by number, ellipsoids, rotation, curves in pixels, and which eyes (2,) face the viewer."""
    named = {int(choose("action unit", name, ACTION_UNITS)[2:]): float(v) for name, v in action_units.items()}
    au, (yaw, pitch, roll) = defaultdict(float, named), pose
    rotation = Rotation.from_euler("ZYX", (roll, yaw, pitch), degrees=True).as_matrix()
    blobs, curves = _blobs(head, au), _eyes(head, au) | _mouth(head, au)
    flat = np.concatenate([curve.reshape(-1, 2) for curve in curves.values()]) * [head.width, head.height]
    height, slope = _surface(blobs, STILL, flat.T)
    points = (_turn(np.column_stack([flat, height]), rotation)[:, :2] * SCALE + CENTRE) * size - 0.5
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
    at = _geometry(head, action_units, pose, size)[3]
    at["inner_lip_gap"] = float(np.linalg.norm(at["mouth_lower"][8] - at["mouth_upper"][8]))
    at["eye_opening"] = np.linalg.norm(at["eye_lower"][:, 8] - at["eye_upper"][:, 8], axis=-1)
    at["face_height"] = float(np.linalg.norm(at["chin"][0] - at["brow"].mean((0, 1))))
    return at


def _draw(image, curves, colour, width=0):
    """Draw curves (..., k, 2), antialiased: filled, or as lines `width` pixels wide."""
    for curve in np.rint(curves * 16).astype(np.int32).reshape(-1, *curves.shape[-2:]):
        if width:
            cv2.polylines(image, [curve], False, np.ravel(colour).tolist(), max(1, round(width)), cv2.LINE_AA, 4)
        else:
            cv2.fillPoly(image, [curve], np.ravel(colour).tolist(), cv2.LINE_AA, 4)


def _lit(albedo, shade, head, blobs, rotation, colour, outlines, *, gain=1.0, gloss=0.0, keep=None):
    """Paint the union of `outlines` (pixels): `colour` into `albedo`, Lambert's shade of `blobs` into `shade`.

    `gloss` adds a highlight; `keep` maps points (k, 3) of the surface to signed distances in pixels, positive where
    there is paint. Returns the box painted (slices) and its coverage 0..1.
    """
    cell, every = len(shade) // CELLS, np.concatenate(outlines)
    low = np.clip((every.min(0) - 1) // cell, 0, CELLS - 1).astype(int)
    high = np.clip((every.max(0) + 2) // cell + 1, low + 1, CELLS).astype(int)
    cells, box = (np.s_[low[1] * n : high[1] * n, low[0] * n : high[0] * n] for n in (1, cell))
    grid = GRID[:, *cells]
    height, slope = _surface(blobs, rotation, grid.reshape(2, -1))
    lamp = np.array([head.light, np.add(head.light, (0, 0, 1))], np.float32)
    lamp /= np.linalg.norm(lamp, axis=1, keepdims=True)
    facing, glint = np.maximum(lamp[:, 2:] - lamp[:, :2] @ slope, 0) / np.sqrt(1 + (slope**2).sum(0))
    light = gain * (head.ambient + (1.12 - head.ambient) * facing) + gloss * glint**16
    full = partial(cv2.resize, dsize=None, fx=cell, fy=cell, interpolation=cv2.INTER_CUBIC)
    mask = np.zeros(shade[box].shape, np.uint8)
    for outline in outlines:
        _draw(mask, outline - low * cell, 255)
    alpha = mask * np.float32(1 / 255)
    if keep:
        kept = keep(np.vstack([grid.reshape(2, -1), height]).T).reshape(grid.shape[1:])
        alpha *= np.clip(full(kept.astype(np.float32)) + 0.5, 0, 1)
        albedo[box] = cv2.blendLinear(np.full_like(albedo[box], colour), albedo[box], alpha, 1 - alpha)
    else:
        for outline in outlines:
            _draw(albedo, outline, colour)
    shade[box] += (full(light.reshape(grid.shape[1:])) - shade[box]) * alpha
    return box, alpha


@lru_cache(maxsize=64)
def _backdrop(head: Head, size: int):
    """Return what stays behind a head: albedo (size, size, 3) uint8 and shade (size, size) float32."""
    albedo = np.full((size, size, 3), head.background, np.uint8)
    shade = np.repeat(np.linspace(1.08, 0.85, size, dtype=np.float32)[:, None], size, 1)
    chest = np.array([[0, 2.22, -0.45, 1.5, 0.92, 0.6]])
    _lit(albedo, shade, head, chest, STILL, head.shirt, _outlines(chest, STILL, size))
    return albedo, shade


def _hair(head: Head, rotation, size):
    """Return the ellipsoids (2, 6) of the cap and of what hangs behind, their outlines, and the cap's `keep`."""
    front, slant, volume, side, hang, curl = STYLES[head.style]
    crown, wide = -0.34 - 0.91 * volume, 0.76 * volume + 0.10 * (hang > 0.5)
    blobs = np.array([(0, -0.34, -0.24, 0.76 * volume, 0.91 * volume, 1.0 * volume),
                      (0, (crown + hang) / 2, -0.36, wide, (hang - crown) / 2, 0.62)])  # fmt: skip
    blobs *= np.tile([head.width, head.height, 1.0], 2)
    outlines = _outlines(blobs, rotation, size)
    middle = outlines.mean(1, keepdims=True)

    def above(points):
        x, y, z = _turn(points, rotation.T).T
        line = np.interp(z, [-0.5, -0.3, 0.05, 0.2, 0.4, 0.6], [0.3, side, side, -0.42, front + 0.1, front])
        return SCALE * size * (line * head.height + slant * x * np.clip(4 * z - 0.8, 0, 1) - y)

    return blobs, middle + (outlines - middle) * (1 + curl * np.cos(12 * TURN))[:, None], above


def _paint(albedo, shadow, at, head, au, eyes, unit):
    """Draw the features' colours into `albedo` and their soft darkness into `shadow` (size, size) uint8."""
    skin, lip = np.array(head.skin), np.add(head.skin, 30) * (0.8, 0.48, 0.48)

    def ring(a, b, trim=0):
        keep = slice(trim, -trim or None)
        return np.concatenate([at[a][..., keep, :], at[b][..., keep, :][..., ::-1, :]], -2)

    inside = (
        (ring("mouth_upper", "mouth_lower"), (12, 4, 5)),
        (ring("tongue", "mouth_lower", 4), (54, 18, 22)),
        (ring("mouth_upper", "teeth", 4), (150, 144, 136)),
    )
    for curve, darkness, width in (
        (at["crease"][eyes], 50, 0.03),
        (at["frown"], 90 * max(au[4], au[9]), 0.03),
        (at["fold"], 8 + 90 * max(au[12], au[9], au[10]), 0.05),
        (at["lip_lower"][4:-4] + [0, 0.05 * unit], 110, 0.06),
    ):
        _draw(shadow, curve, darkness, width * unit)
    for curve, colour, *width in (
        (ring("eye_upper", "eye_lower")[eyes], (240, 238, 236)),
        (at["iris"][eyes], head.iris), (at["pupil"][eyes], (14, 12, 12)), (at["glint"][eyes], (255, 255, 255)),
        (at["eye_lower"][eyes], skin * (0.5, 0.36, 0.33), 1),
        (at["eye_upper"][eyes], (30, 20, 18), (0.018 + 0.012 * head.lashes) * unit),
        (ring("brow_upper", "brow_lower")[eyes], np.multiply(head.hair, 0.45)),
        (at["nostril"], skin * (0.26, 0.17, 0.15)),
        (ring("lip_upper", "lip_lower"), lip), (ring("lip_upper", "mouth_upper"), 0.86 * lip),
        *(inside if np.linalg.norm(at["mouth_lower"][8] - at["mouth_upper"][8]) > 0.02 * unit else ()),
        (at["mouth_upper"], 0.4 * lip, 1),
    ):  # fmt: skip
        _draw(albedo, curve, colour, *width)


def render(head: Head, action_units: Mapping[str, float], pose=(0.0, 0.0, 0.0), *, size: int = 256) -> np.ndarray:
    """Return one frame, (size, size, 3) uint8 RGB; the same arguments give the same bytes.

    `action_units` maps `ACTION_UNITS` to 0..1, those missing are 0: AU26 is the jaw's angle, AU43 closes the eyes.
    `pose` is (yaw, pitch, roll) in degrees, to the image's right, up and clockwise; sound for yaw to 30, passable to
    60. `size` is a multiple of 64. An unknown action unit is a WorkbenchError.
    """
    au, blobs, rotation, at, eyes = _geometry(head, action_units, pose, size)
    albedo, shade = (part.copy() for part in _backdrop(head, size))
    layer = partial(_lit, albedo, shade, head)
    hair, (cap, hanging), above = _hair(head, rotation, size)
    layer(hair[1:], rotation, head.hair, [hanging], gain=0.8)
    neck = np.array([[0, 1.1, -0.35, 0.40 * head.jaw, 0.95, 0.36]])
    layer(neck, STILL, np.multiply(head.skin, (0.64, 0.58, 0.56)), _outlines(neck, STILL, size))
    outlines = _outlines(blobs, rotation, size)
    hulls = [cv2.convexHull(outlines[part].reshape(-1, 2).astype(np.float32))[:, 0] for part in (SKULL, NOSE)]
    ears = outlines[EARS] if STYLES[head.style][4] < 0.5 else []  # long hair covers them
    box, alpha = layer(blobs, rotation, head.skin, [*hulls, *ears], gloss=0.1)
    shadow = np.zeros((size, size), np.uint8)
    _paint(albedo, shadow, at, head, au, eyes, SCALE * size)
    shade[box] *= 1 - cv2.stackBlur(shadow[box], (11, 11)) * np.float32(1 / 255) * alpha
    layer(hair[:1], rotation, head.hair, [cap], gloss=0.25, keep=above)
    tones = [cv2.convertScaleAbs(shade, alpha=gain, beta=200 - gain) for gain in (180, 200, 210)]  # shade is warm
    return cv2.multiply(albedo, cv2.merge(tones), scale=1 / 200)
