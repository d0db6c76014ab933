"""A shaded parametric talking head: ellipsoids lit by Lambert's law, features drawn on them by OpenCV.

Head frame: x to the image's right, y down, z towards the viewer; one unit is 0.3 of the picture's side. A head is a
smooth union of ellipsoids. Every feature is a curve in (x, y), lifted onto that surface, moved by action units
(Ekman and Friesen, Facial Action Coding System, 1978), turned by the pose and projected orthographically.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

ACTION_UNITS = ("AU1", "AU2", "AU4", "AU5", "AU6", "AU7", "AU9", "AU10", "AU12", "AU15", "AU18", "AU20", "AU24",
                "AU26", "AU43")  # fmt: skip
SKINS = ((250, 218, 196), (240, 200, 172), (228, 184, 150), (208, 160, 122), (182, 132, 96), (156, 110, 80),
         (130, 90, 64))  # fmt: skip
HAIRS = (
    (32, 26, 24),
    (58, 38, 28),
    (92, 60, 38),
    (136, 92, 52),
    (196, 156, 96),
    (142, 66, 36),
    (150, 148, 146),
)
IRISES = ((74, 48, 30), (104, 72, 40), (66, 110, 72), (70, 112, 150), (104, 122, 132))
# Hair: the hairline in front (y), its slant, volume, how low it reaches beside the face and behind it (y), curls.
STYLES = {
    "cropped": (-0.82, 0.00, 1.00, -0.18, 0.30, 0.000),
    "parted": (-0.78, 0.22, 1.05, -0.10, 0.35, 0.000),
    "receding": (-1.00, 0.00, 0.99, -0.20, 0.30, 0.000),
    "curly": (-0.78, 0.00, 1.12, -0.05, 0.40, 0.025),
    "bob": (-0.70, 0.12, 1.10, 0.00, 0.95, 0.000),
    "long": (-0.82, -0.22, 1.07, 0.00, 1.75, 0.000),
    "fringe": (-0.52, 0.00, 1.06, 0.00, 1.35, 0.000),
    "tied": (-0.86, 0.00, 1.02, -0.05, 0.35, 0.000),
    "wavy": (-0.80, 0.16, 1.14, 0.00, 1.40, 0.022),
}
SEX_STYLES = {
    "male": ("cropped", "parted", "receding", "curly"),
    "female": ("bob", "long", "fringe", "tied", "wavy"),
}
SCALE, CENTRE, PIVOT = 0.3, np.array([0.5, 0.46]), np.array([0.0, 0.6, -0.25])
STILL, SHIFT, CELLS = (
    np.eye(3),
    4,
    64,
)  # no turn; fractional bits of OpenCV's coordinates; shading cells a side
SKULL, NOSE, EARS = slice(0, 7), slice(7, 12), slice(12, 14)  # which ellipsoids are which
TURN = np.linspace(0, 2 * np.pi, 48, endpoint=False)
GRID = np.stack(np.meshgrid(*(((np.arange(CELLS) + 0.5) / CELLS - c) / SCALE for c in CENTRE)))  # (2, cells, cells)
CIRCLE = np.stack([np.cos(TURN), np.sin(TURN)])


@dataclass(frozen=True)
class Head:
    """What makes one person: proportions (1 is average), colours (RGB 0..255), hair style, and the light.

    `brow_height` is an offset in units, up positive; `light` a unit vector towards the lamp; `ambient` the share 0..1
    of light that comes from everywhere.
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
        """Return a head drawn from `rng`; `sex`, 'male' or 'female', sets the means and the choice of hair styles."""
        male = sex == "male"

        def near(mean, spread):
            return float(mean + spread * rng.uniform(-1, 1))

        light = np.array([near(0, 0.6), near(-0.4, 0.25), 1.0])
        skin = rng.integers(len(SKINS))
        return cls(
            width=near(1.0, 0.08), height=near(1.0, 0.06), jaw=near(1.06 if male else 0.93, 0.10),
            chin=near(1.08 if male else 0.92, 0.15), eye_size=near(0.98 if male else 1.12, 0.10),
            eye_spacing=near(1.0, 0.07), brow_thickness=near(1.25 if male else 0.85, 0.25),
            brow_height=near(-0.01 if male else 0.015, 0.02), nose_length=near(1.0, 0.13),
            nose_width=near(1.08 if male else 0.92, 0.18), mouth_width=near(1.0, 0.12),
            lip_thickness=near(0.95 if male else 1.15, 0.15), lashes=near(0.8 if male else 1.6, 0.2),
            skin=SKINS[skin], hair=HAIRS[rng.integers(len(HAIRS) if skin < 4 else 4)],
            iris=IRISES[rng.integers(len(IRISES) if skin < 4 else 2)],
            shirt=tuple(int(v) for v in rng.integers(40, 200, 3)),
            background=tuple(int(v) for v in rng.integers(90, 215, 3)), style=str(rng.choice(SEX_STYLES[sex])),
            light=tuple(float(v) for v in light / np.linalg.norm(light)), ambient=near(0.58, 0.08),
        )  # fmt: skip


def _rotation(pose) -> np.ndarray:
    """Return the (3, 3) rotation of (yaw to the image's right, pitch up, roll clockwise) in degrees."""
    (sy, sp, sr), (cy, cp, cr) = np.sin(np.radians(pose)), np.cos(np.radians(pose))
    yaw = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    pitch = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    return np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]]) @ yaw @ pitch


def _turn(points, rotation):
    return (points - PIVOT) @ rotation.T + PIVOT


def _pixels(points, size):
    return (points * SCALE + CENTRE) * size - 0.5


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
    height = (
        root - (tilt[:, None] @ offset)[:, 0] + centre[:, 2:] + (4 if len(blobs) > 1 else 0) * np.minimum(inside, 0)
    )
    top = height.max(0)
    weight = np.exp(np.maximum(13 * (height - top), -20))
    total = weight.sum(0)
    weight /= total
    return top + np.log(total) / 13, -(tilt.T @ weight) - (steep * (weight / root)[:, None]).sum(0)


def _outlines(blobs, rotation, size):
    """Return the projected outlines (n, 48, 2) of ellipsoids in pixels."""
    turned = (rotation * blobs[:, None, 3:] ** 2) @ rotation.T
    rim = (np.linalg.cholesky(turned[:, :2, :2]) @ CIRCLE).swapaxes(1, 2)
    return _pixels(_turn(blobs[:, :3], rotation)[:, None, :2] + rim, size)


def _blobs(head: Head, au) -> np.ndarray:
    """Return the ellipsoids of skull, jaw, muzzle, cheeks, nose and ears: (n, 6) centres and radii, head frame."""
    drop, up, nose = 0.26 * au["AU26"], 0.04 * max(au["AU6"], 0.7 * au["AU12"]), 0.30 * head.nose_length
    tip, wing = nose - 0.03 * au["AU9"], 0.115 * head.nose_width
    blobs = [
        (0, -0.32, -0.22, 0.72, 0.83, 0.92),
        (0, 0.12, -0.02, 0.67, 0.84, 0.70),
        (0, 0.48 + 0.5 * drop, -0.02, 0.53 * head.jaw, 0.52 + 0.4 * drop, 0.64),
        (0, 0.86 + drop, 0.32, 0.22 * head.chin, 0.18, 0.24),
        (0, 0.57 + 0.35 * drop, 0.33, 0.36, 0.34, 0.35),
        *((side * 0.29, 0.26 - up, 0.26 + up, 0.33, 0.34, 0.36) for side in (-1, 1)),
        (0, nose - 0.37, 0.57, 0.08, 0.16, 0.13),
        (0, nose - 0.20, 0.67, 0.09, 0.22, 0.15),
        (0, tip, 0.76, 0.115, 0.095, 0.14),
        *((side * wing, tip + 0.03, 0.67, 0.075, 0.068, 0.11) for side in (-1, 1)),
        *((side * 0.74, 0.06, -0.16, 0.09, 0.21, 0.13) for side in (-1, 1)),
    ]
    return np.array(blobs) * np.tile([head.width, head.height, 1.0], 2)


def _xy(x, y):
    return np.stack([x + 0 * y, y + 0 * x], -1)


def _eyes(head: Head, au) -> dict[str, np.ndarray]:
    """Return the curves (2, k, 2) of eyes and brows; lid and cheek narrow the eye, AU43 closes it from above."""
    t, s, side = np.linspace(-1, 1, 17), np.linspace(0, 1, 9), np.array([[-1.0], [1.0]])
    eye, x = 0.165 * head.eye_size, side * 0.335 * head.eye_spacing
    lower = 0.32 * eye * (1 - 0.5 * au["AU7"]) * (1 - 0.6 * au["AU6"])
    upper = 0.50 * eye * (1 + 0.55 * au["AU5"]) * (1 - 0.35 * au["AU7"]) * (1 - 0.15 * au["AU6"])
    upper = upper * (1 - au["AU43"]) - 0.85 * lower * au["AU43"]
    lids = -0.02 * t * side - upper * (1 - np.abs(t) ** 2.4), -0.02 * t * side + lower * (1 - t**2)

    def disc(radius, dx=0.0, dy=0.0):
        across, down = radius * CIRCLE[0, ::2] + dx, radius * CIRCLE[1, ::2] + dy
        limits = [[np.interp(across, t * eye, lid) for lid in pair] for pair in lids]
        return _xy(x + across, np.clip(down, *limits))

    rise = head.brow_height + 0.095 * au["AU1"] * (1 - s) + 0.10 * au["AU2"] * s - 0.08 * au["AU4"] * (1 - 0.6 * s)
    brow_x = side * (0.135 + 0.42 * s - 0.05 * au["AU4"] * (1 - s))
    brow_y = -0.18 - 0.05 * np.sin(np.pi * s**1.3) - rise + 0.02 * au["AU9"] + 0.02 * s
    thick = 0.030 * head.brow_thickness * np.sqrt(np.sin(np.pi * (0.10 + 0.86 * s)))
    return {
        "eye_upper": _xy(x + eye * t, lids[0]), "eye_lower": _xy(x + eye * t, lids[1]),
        "crease": _xy(x + 1.05 * eye * t, lids[0] - (0.028 + 0.03 * au["AU43"]) * (1 - t**2)),
        "iris": disc(0.52 * eye), "pupil": disc(0.24 * eye), "glint": disc(0.12 * eye, -0.17 * eye, -0.18 * eye),
        "brow": _xy(brow_x, brow_y), "brow_upper": _xy(brow_x, brow_y - thick),
        "brow_lower": _xy(brow_x, brow_y + thick),
        "frown": _xy(side * (0.035 + 0.01 * s), -0.22 + 0.14 * s),
    }  # fmt: skip


def _mouth(head: Head, au) -> dict[str, np.ndarray]:
    """Return the curves of mouth, nose and chin: corners move, the jaw opens the inner lips, teeth bare in a smile."""
    t, s, side = np.linspace(-1, 1, 17), np.linspace(0, 1, 9), np.array([[-1.0], [1.0]])
    arch, nose = (1 - np.abs(t) ** 2.4) ** 0.85, 0.30 * head.nose_length - 0.03 * au["AU9"]
    stretch = 0.20 * au["AU12"] + 0.18 * au["AU20"] - 0.33 * au["AU18"] - 0.10 * au["AU26"]
    x = 0.255 * head.mouth_width * (1 + stretch) * t
    gape, lift = 0.30 * au["AU26"] * (1 - 0.15 * au["AU24"]), 0.04 * au["AU10"] + 0.02 * au["AU9"]
    middle = 0.61 + (0.10 * au["AU15"] - 0.10 * au["AU12"] + 0.35 * gape - 0.012) * np.abs(t) ** 2.2
    upper, lower = middle - (lift + 0.02 * gape) * arch, middle + gape * arch
    lips = head.lip_thickness * (1 - 0.6 * au["AU24"]) * (1 - 0.2 * au["AU12"] - 0.15 * au["AU20"] + 0.3 * au["AU18"])
    bow = (1 - 0.30 * np.exp(-((t / 0.13) ** 2))) * (1 - np.abs(t) ** 1.7)
    bare = max(au["AU12"], au["AU10"], 0.7 * au["AU20"])
    teeth = upper + np.clip(0.5 * (gape + lift - 0.06), 0, 0.045) * bare * (1 - t**4)
    return {
        "mouth_upper": _xy(0.97 * x, upper), "mouth_lower": _xy(0.97 * x, lower), "teeth": _xy(0.97 * x, teeth),
        "tongue": _xy(0.97 * x, np.clip(0.56 + gape + 0.05 * t**2, upper, lower)),
        "lip_upper": _xy(x, upper - 0.070 * lips * bow),
        "lip_lower": _xy(x, lower + 0.098 * lips * (1 - np.abs(t) ** 2.4)),
        "nostril": _xy(side * (0.07 * head.nose_width + 0.04 * CIRCLE[0]), nose + 0.075 + 0.022 * CIRCLE[1]),
        "fold": _xy(side * (0.14 + 0.20 * s), nose + 0.33 * s**1.5),
        "nose": np.array([[0.0, nose]]), "chin": np.array([[0.0, 1.03 + 0.26 * au["AU26"]]]),
    }  # fmt: skip


def _geometry(head: Head, au, pose, size: int):
    """Return ellipsoids, rotation, feature curves in pixels, and which eyes (0, 1) face the viewer."""
    rotation, blobs = _rotation(pose), _blobs(head, au)
    curves = _eyes(head, au) | _mouth(head, au)
    flat = np.concatenate([c.reshape(-1, 2) for c in curves.values()]) * [head.width, head.height]
    height, slope = _surface(blobs, STILL, flat.T)
    points = _pixels(_turn(np.column_stack([flat, height]), rotation)[:, :2], size)
    ends = np.cumsum([c.size // 2 for c in curves.values()])[:-1]
    at = {name: part.reshape(c.shape) for (name, c), part in zip(curves.items(), np.split(points, ends), strict=True)}
    facing = rotation[2, 2] - rotation[2, :2] @ slope[:, [8, 25]]  # the middles of both upper lids
    return blobs, rotation, at, facing > 0.12


def features(head: Head, action_units: Mapping[str, float], pose=(0.0, 0.0, 0.0), *, size: int = 256) -> dict:
    """Return where the features of `render(head, action_units, pose, size=size)` are.

    Returns
    -------
    dict
        Curves in pixels (x, y), the image's left side first: `eye_upper`, `eye_lower` (2, 17, 2), `brow` (2, 9, 2)
        from the inner end outwards, `mouth_upper`, `mouth_lower` (inner lips), `lip_upper`, `lip_lower` (outer)
        (17, 2), `nose`, `chin` (1, 2) and the other curves of the drawing; and lengths in pixels: `inner_lip_gap`,
        `eye_opening` (2,), `face_height` (middle of the brows to chin).
    """
    _, _, at, _ = _geometry(head, defaultdict(float, action_units), pose, size)
    at["inner_lip_gap"] = float(np.linalg.norm(at["mouth_lower"][8] - at["mouth_upper"][8]))
    at["eye_opening"] = np.linalg.norm(at["eye_lower"][:, 8] - at["eye_upper"][:, 8], axis=-1)
    at["face_height"] = float(np.linalg.norm(at["chin"][0] - at["brow"].mean((0, 1))))
    return at


def _fill(image, points, colour):
    fixed = np.rint(points * (1 << SHIFT)).astype(np.int32)
    for polygon in fixed if fixed.ndim == 3 else [fixed]:
        cv2.fillPoly(image, [polygon], colour, cv2.LINE_AA, SHIFT)


def _line(image, points, colour, width):
    fixed = np.rint(points * (1 << SHIFT)).astype(np.int32)
    cv2.polylines(image, list(fixed) if fixed.ndim == 3 else [fixed], False, colour, width, cv2.LINE_AA, SHIFT)


def _times(colour, *factors):
    return tuple(float(c * f) for c, f in zip(colour, factors * (3 // len(factors)), strict=True))


def _lit(albedo, shade, blobs, rotation, head, *, colour, outlines, gain=1.0, gloss=0.0, keep=None):
    """Paint the union of `outlines` (pixels): `colour` into `albedo`, Lambert's shade of `blobs` into `shade`.

    `gloss` adds a highlight; `keep` maps points (k, 3) of the surface to signed distances in pixels, positive where
    there is paint. Returns the box painted (slices) and its coverage 0..1.
    """
    cell, every = len(shade) // CELLS, np.concatenate(outlines)
    low = np.clip(np.floor((every.min(0) - 1) / cell), 0, CELLS - 1).astype(int)
    high = np.clip(np.ceil((every.max(0) + 2) / cell), low + 1, CELLS).astype(int)
    (left, top), (right, bottom) = low * cell, high * cell
    grid = GRID[:, low[1] : high[1], low[0] : high[0]]
    height, slope = _surface(blobs, rotation, grid.reshape(2, -1))
    light = np.array(head.light, np.float32)
    halfway = (light + [0, 0, 1]) / np.linalg.norm(light + [0, 0, 1])
    facing, glint = (np.maximum(v[2] - v[:2] @ slope, 0) / np.sqrt(1 + (slope**2).sum(0)) for v in (light, halfway))
    light = gain * (head.ambient + (1.05 - head.ambient) * facing) + gloss * glint**16

    def full(field):
        field = field.reshape(grid.shape[1:]).astype(np.float32)
        return cv2.resize(field, (right - left, bottom - top), interpolation=cv2.INTER_CUBIC)

    mask = np.zeros((bottom - top, right - left), np.uint8)
    for outline in outlines:
        _fill(mask, outline - [left, top], 255)
        if not keep:
            _fill(albedo, outline, colour)
    alpha, box = mask * np.float32(1 / 255), np.s_[top:bottom, left:right]
    if keep:
        alpha *= np.clip(full(keep(np.vstack([grid.reshape(2, -1), height]).T)) + 0.5, 0, 1)
        paint = np.full((*mask.shape, 3), colour, np.uint8)
        albedo[box] = cv2.blendLinear(paint, albedo[box], alpha, 1 - alpha)
    shade[box] += (full(light) - shade[box]) * alpha
    return box, alpha


@lru_cache(maxsize=64)
def _backdrop(head: Head, size: int):
    """Return what stays behind a head: albedo (size, size, 3) uint8 and shade (size, size) float32."""
    albedo = np.full((size, size, 3), head.background, np.uint8)
    shade = np.repeat(np.linspace(1.08, 0.85, size, dtype=np.float32)[:, None], size, 1)
    chest = np.array([[0, 2.22, -0.45, 1.5, 0.92, 0.6]])
    _lit(albedo, shade, chest, STILL, head, colour=head.shirt, outlines=_outlines(chest, STILL, size))
    return albedo, shade


@lru_cache(maxsize=64)
def _cap(head: Head) -> np.ndarray:
    """Return the ellipsoids (2, 6) of the hair: the cap over the skull, and what hangs behind the head."""
    _, _, volume, _, behind, _ = STYLES[head.style]
    crown, wide = -0.34 - 0.91 * volume, 0.76 * volume + 0.10 * (behind > 0.5)
    cap = [(0, -0.34, -0.24, 0.76 * volume, 0.91 * volume, 1.0 * volume),
           (0, (crown + behind) / 2, -0.36, wide, (behind - crown) / 2, 0.62)]  # fmt: skip
    return np.array(cap) * np.tile([head.width, head.height, 1.0], 2)


def _curled(outline, curl):
    centre = outline.mean(0)
    return centre + (outline - centre) * (1 + curl * np.cos(12 * TURN))[:, None]


def _hairline(head: Head, rotation, unit):
    """Return the function that says how far, in pixels, a point of the turned cap (k, 3) lies above the hairline."""
    front, slant, _, side, _, _ = STYLES[head.style]
    line = [0.3, side, side, -0.42, front + 0.1, front]

    def above(points):
        x, y, z = _turn(points, rotation.T).T
        return unit * (
            np.interp(z, [-0.5, -0.3, 0.05, 0.2, 0.4, 0.6], line) * head.height
            + slant * x * np.clip(4 * z - 0.8, 0, 1)
            - y
        )

    return above


def _paint(albedo, shadow, at, head, au, eyes, *, unit):
    """Draw the features' colours into `albedo` and their soft darkness into `shadow` (size, size) uint8."""

    def px(units):
        return max(1, round(units * unit))

    def between(a, b, keep=slice(None)):
        ring = np.concatenate([at[a][..., keep, :], at[b][..., keep, :][..., ::-1, :]], -2)
        return ring[eyes] if ring.ndim == 3 else ring

    skin, hair = head.skin, _times(head.hair, 0.45)
    _line(shadow, at["crease"][eyes], 50, px(0.03))
    _line(shadow, at["frown"], 90 * max(au["AU4"], au["AU9"]), px(0.03))
    _fill(albedo, between("eye_upper", "eye_lower"), (240, 238, 236))
    for name, colour in {"iris": head.iris, "pupil": (14, 12, 12), "glint": (255, 255, 255)}.items():
        _fill(albedo, at[name][eyes], colour)
    _line(albedo, at["eye_lower"][eyes], _times(skin, 0.5, 0.36, 0.33), 1)
    _line(albedo, at["eye_upper"][eyes], (30, 20, 18), px(0.013 + 0.012 * head.lashes))
    _fill(albedo, between("brow_upper", "brow_lower"), hair)
    _fill(albedo, at["nostril"], _times(skin, 0.36, 0.24, 0.22))
    _line(shadow, at["fold"], 8 + 90 * max(au["AU12"], au["AU9"], au["AU10"]), px(0.05))
    lip = _times([c + 20 for c in skin], 0.75, 0.45, 0.45)
    _fill(albedo, between("lip_upper", "lip_lower"), lip)
    _fill(albedo, between("lip_upper", "mouth_upper"), _times(lip, 0.86))
    if np.linalg.norm(at["mouth_lower"][8] - at["mouth_upper"][8]) > 0.02 * unit:
        _fill(albedo, between("mouth_upper", "mouth_lower"), (12, 4, 5))
        _fill(albedo, between("tongue", "mouth_lower", slice(4, -4)), (54, 18, 22))
        _fill(albedo, between("mouth_upper", "teeth", slice(4, -4)), (150, 144, 136))
    _line(albedo, at["mouth_upper"], _times(lip, 0.4), 1)
    _line(shadow, at["lip_lower"][4:-4] + [0, 0.05 * unit], 70, px(0.06))


def render(head: Head, action_units: Mapping[str, float], pose=(0.0, 0.0, 0.0), *, size: int = 256) -> np.ndarray:
    """Draw one frame.

    Parameters
    ----------
    head : Head
        Who.
    action_units : mapping
        Of `ACTION_UNITS` to 0..1, those missing are 0; AU26 is the jaw's angle, AU43 closes the eyes.
    pose : (yaw, pitch, roll)
        Degrees: to the image's right, up, clockwise; drawn well to about 60, 20 and 20.
    size : int
        Side of the picture in pixels, a multiple of 64.

    Returns
    -------
    (size, size, 3) uint8 RGB
    """
    au, unit = defaultdict(float, action_units), SCALE * size
    blobs, rotation, at, eyes = _geometry(head, au, pose, size)
    albedo, shade = (part.copy() for part in _backdrop(head, size))

    def layer(shapes, colour, outlines, turn=rotation, **options):
        return _lit(albedo, shade, shapes, turn, head, colour=colour, outlines=outlines, **options)

    neck, caps = np.array([[0, 1.1, -0.35, 0.40 * head.jaw, 0.95, 0.36]]), _cap(head)
    cap, hanging = (_curled(outline, STYLES[head.style][5]) for outline in _outlines(caps, rotation, size))
    layer(caps[1:], head.hair, [hanging], gain=0.8)
    layer(neck, _times(head.skin, 0.86, 0.8, 0.78), _outlines(neck, STILL, size), STILL)
    outlines = _outlines(blobs, rotation, size)
    hulls = [cv2.convexHull(outlines[part].reshape(-1, 2).astype(np.float32))[:, 0] for part in (SKULL, NOSE)]
    box, alpha = layer(blobs, head.skin, hulls + list(outlines[EARS] if STYLES[head.style][4] < 0.5 else []))
    shadow = np.zeros((size, size), np.uint8)
    _paint(albedo, shadow, at, head, au, eyes, unit=unit)
    shade[box] *= 1 - cv2.stackBlur(shadow[box], (11, 11)) * np.float32(1 / 255) * alpha
    layer(caps[:1], head.hair, [cap], gloss=0.25, keep=_hairline(head, rotation, unit))
    tones = [cv2.convertScaleAbs(shade, alpha=gain, beta=200 - gain) for gain in (180, 200, 210)]  # shade is warm
    return cv2.multiply(albedo, cv2.merge(tones), scale=1 / 200)
