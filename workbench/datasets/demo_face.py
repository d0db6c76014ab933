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
SKINS = ((250, 218, 196), (240, 200, 172), (228, 184, 150), (208, 160, 122), (182, 132, 96), (150, 104, 74),
         (120, 82, 58))  # fmt: skip
HAIRS = ((32, 26, 24), (58, 38, 28), (92, 60, 38), (136, 92, 52), (196, 156, 96), (142, 66, 36), (150, 148, 146))
IRISES = ((74, 48, 30), (104, 72, 40), (66, 110, 72), (70, 112, 150), (104, 122, 132))
# Hair: hairline in front (y), its slant, volume, how low it hangs at the sides (y) and behind (y), curls
STYLES = {
    "cropped": (-0.84, 0.0, 1.00, -0.20, 0.0, 0.000),
    "parted": (-0.80, 0.22, 1.05, -0.12, 0.0, 0.000),
    "receding": (-1.04, 0.0, 0.99, -0.22, 0.0, 0.000),
    "curly": (-0.80, 0.0, 1.10, -0.10, 0.0, 0.022),
    "bob": (-0.72, 0.12, 1.08, 0.35, 0.85, 0.000),
    "long": (-0.84, -0.20, 1.07, 0.30, 1.70, 0.000),
    "fringe": (-0.56, 0.0, 1.06, 0.30, 1.20, 0.000),
    "tied": (-0.86, 0.0, 1.02, -0.10, 0.0, 0.000),
    "wavy": (-0.80, 0.16, 1.12, 0.35, 1.35, 0.020),
}
SEX_STYLES = {"male": ("cropped", "parted", "receding", "curly"), "female": ("bob", "long", "fringe", "tied", "wavy")}
SCALE, CENTRE, PIVOT = 0.3, np.array([0.5, 0.46]), np.array([0.0, 0.6, -0.25])
SHIFT = 4  # fractional bits of OpenCV's coordinates


@dataclass(frozen=True)
class Head:
    """What makes one person: proportions (1 is average), colours (RGB 0..255), hair style, and the light.

    `light` is a unit vector towards the lamp in the head frame at rest, `ambient` the share 0..1 of light from
    everywhere, `brow_height` an offset in units (up is positive).
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
    light: tuple[float, float, float] = (-0.4, -0.5, 0.77)
    ambient: float = 0.45

    @classmethod
    def random(cls, rng: np.random.Generator, sex: str) -> Head:
        """Return a head drawn from `rng`; `sex` is 'male' or 'female' and sets the means and the hair styles."""
        male = sex == "male"
        near = lambda mean, spread: float(mean + spread * rng.uniform(-1, 1))  # noqa: E731
        pick = lambda choices: choices[rng.integers(len(choices))]  # noqa: E731
        light = np.array([near(0, 0.6), near(-0.4, 0.25), 1.0])
        skin = rng.integers(len(SKINS))
        return cls(
            width=near(1.0, 0.07), height=near(1.0, 0.06), jaw=near(1.06 if male else 0.93, 0.10),
            chin=near(1.08 if male else 0.92, 0.15), eye_size=near(0.95 if male else 1.10, 0.10),
            eye_spacing=near(1.0, 0.07), brow_thickness=near(1.25 if male else 0.85, 0.25),
            brow_height=near(-0.01 if male else 0.02, 0.025), nose_length=near(1.0, 0.13),
            nose_width=near(1.08 if male else 0.92, 0.18), mouth_width=near(1.0, 0.12),
            lip_thickness=near(0.85 if male else 1.15, 0.2), lashes=near(0.8 if male else 1.6, 0.2),
            skin=SKINS[skin], hair=HAIRS[rng.integers(len(HAIRS) if skin < 3 else 3)], iris=pick(IRISES),
            shirt=tuple(int(v) for v in rng.integers(40, 200, 3)),
            background=tuple(int(v) for v in rng.integers(90, 215, 3)), style=pick(SEX_STYLES[sex]),
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


def _forms(blobs, rotation):
    """Return the turned ellipsoids: centres (n, 3), tilts (n, 2), spreads (n, 2, 2), squared depths (n,).

    Seen along z, the front of one lies at height ``centre_z - tilt . d + sqrt(depth - d' spread d)``, d from its centre.
    """
    form = (rotation / blobs[:, None, 3:] ** 2) @ rotation.T
    tilt = form[:, 2, :2] / form[:, 2, 2:]
    spread = form[:, :2, :2] / form[:, 2, 2, None, None] - tilt[:, :, None] * tilt[:, None]
    parts = _turn(blobs[:, :3], rotation), tilt, spread, 1 / form[:, 2, 2]
    return [part.astype(np.float32) for part in parts]


def _surface(blobs, rotation, xy):
    """Return height (k,) and its slope (2, k) of the smooth union of turned ellipsoids at points `xy` (2, k)."""
    centre, tilt, spread, depth = _forms(blobs, rotation)
    offset = np.ascontiguousarray(xy, np.float32) - centre[:, :2, None]  # (n, 2, k)
    steep = spread @ offset
    inside = depth[:, None] - (steep * offset).sum(1)
    root = np.sqrt(np.maximum(inside, 0.004))
    height = root - (tilt[:, None] @ offset)[:, 0] + centre[:, 2:] + 4 * np.minimum(inside, 0)
    top = height.max(0)
    weight = np.exp(np.maximum(13 * (height - top), -20))
    total = weight.sum(0)
    weight /= total
    slope = -(tilt.T @ weight) - (steep * (weight / root)[:, None]).sum(0)
    return top + np.log(total) / 13, slope


def _blobs(head: Head, au) -> np.ndarray:
    """Return the ellipsoids of skull, jaw, cheeks, brows, nose and ears: (n, 6) centres and radii in the head frame."""
    d, up, nose = 0.26 * au["AU26"], 0.04 * max(au["AU6"], 0.7 * au["AU12"]), 0.30 * head.nose_length
    wrinkle = 0.03 * au["AU9"]
    blobs = [
        (0, -0.32, -0.22, 0.72, 0.86, 0.92),
        (0, 0.12, -0.02, 0.67, 0.84, 0.70),
        (0, 0.48 + 0.5 * d, -0.02, 0.53 * head.jaw, 0.52 + 0.4 * d, 0.64),
        (0, 0.86 + d, 0.32, 0.22 * head.chin, 0.18, 0.24),
        (0, 0.60 + 0.3 * d, 0.34, 0.34, 0.32, 0.34),
        (0, nose - 0.42, 0.60, 0.08, 0.20, 0.13),
        (0, nose - 0.20, 0.67, 0.09, 0.22, 0.15),
        (0, nose - wrinkle, 0.76, 0.115, 0.095, 0.14),
    ]
    for side in (-1, 1):
        blobs += [
            (side * 0.33, 0.26 - up, 0.25 + up, 0.34, 0.34, 0.36),
            (side * 0.24, -0.34, 0.33, 0.36, 0.26, 0.31),
            (side * 0.115 * head.nose_width, nose + 0.03 - wrinkle, 0.67, 0.075, 0.068, 0.11),
            (side * 0.74, 0.06, -0.16, 0.09, 0.21, 0.13),
        ]
    return np.array(blobs) * np.tile([head.width, head.height, 1.0], 2)


def _curves(head: Head, au) -> dict[str, np.ndarray]:
    """Return the features as curves in the head frame's (x, y), each (..., 2), before the head's own stretch."""
    t = np.linspace(-1, 1, 17)
    arch, side = (1 - np.abs(t) ** 2.4) ** 0.85, np.array([-1, 1])[:, None]
    curve = lambda x, y: np.stack(np.broadcast_arrays(x, y), -1)  # noqa: E731
    # Eyes: the upper lid comes down to the lower one, cheeks push the lower one up.
    eye, x_eye = 0.165 * head.eye_size, side * 0.335 * head.eye_spacing
    lower = 0.32 * eye * (1 - 0.5 * au["AU7"]) * (1 - 0.6 * au["AU6"])
    upper = 0.50 * eye * (1 + 0.55 * au["AU5"]) * (1 - 0.35 * au["AU7"]) * (1 - 0.15 * au["AU6"])
    upper = upper * (1 - au["AU43"]) - 0.85 * lower * au["AU43"]
    slant = -0.02 * t * side
    lid_up, lid_low = slant - upper * (1 - np.abs(t) ** 2.4), slant + lower * (1 - t**2)
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    circle = lambda r, dy=0.0: curve(x_eye + r * np.cos(turn), [  # noqa: E731
        np.clip(r * np.sin(turn) + dy, np.interp(r * np.cos(turn), t * eye, u), np.interp(r * np.cos(turn), t * eye, v))
        for u, v in zip(lid_up, lid_low)])  # fmt: skip
    # Brows, from the inner end to the outer one.
    s = np.linspace(0, 1, 9)
    rise = head.brow_height + 0.08 * au["AU1"] * (1 - s) + 0.075 * au["AU2"] * s - au["AU4"] * 0.08 * (1 - 0.6 * s)
    x_brow = side * (0.135 + 0.42 * s - 0.05 * au["AU4"] * (1 - s))
    y_brow = -0.195 - 0.05 * np.sin(np.pi * s**1.3) - rise + 0.02 * au["AU9"] + 0.02 * s
    thick = 0.030 * head.brow_thickness * np.sqrt(np.sin(np.pi * (0.10 + 0.86 * s)))
    # Mouth: corners, inner contour, lips.
    wide = 0.255 * head.mouth_width * (
        1 + 0.20 * au["AU12"] + 0.18 * au["AU20"] - 0.38 * au["AU18"] - 0.10 * au["AU26"])  # fmt: skip
    gape = 0.30 * au["AU26"] * (1 - 0.3 * au["AU24"])
    bare = max(au["AU12"], au["AU10"], 0.7 * au["AU20"])
    lift = 0.05 * au["AU10"] + 0.02 * au["AU9"]
    corner = (0.085 * au["AU15"] - 0.10 * au["AU12"] + 0.35 * gape - 0.012) * np.abs(t) ** 2.2
    lips = head.lip_thickness * (1 - 0.6 * au["AU24"]) * (1 - 0.2 * au["AU12"] - 0.15 * au["AU20"] + 0.3 * au["AU18"])
    bow = 1 - 0.30 * np.exp(-((t / 0.13) ** 2))
    x, middle = wide * t, 0.61 + corner
    inner_up, inner_low = middle - lift * arch - 0.02 * gape * arch, middle + gape * arch
    out_up = inner_up - 0.070 * lips * bow * (1 - np.abs(t) ** 1.7)
    out_low = inner_low + 0.098 * lips * (1 - np.abs(t) ** 2.4)
    nose = 0.30 * head.nose_length - 0.03 * au["AU9"]
    return {
        "eye_upper": curve(x_eye + eye * t, lid_up), "eye_lower": curve(x_eye + eye * t, lid_low),
        "crease": curve(x_eye + 1.05 * eye * t, lid_up - (0.028 + 0.03 * au["AU43"]) * arch),
        "iris": circle(0.52 * eye), "pupil": circle(0.24 * eye),
        "glint": curve(x_eye - 0.17 * eye, np.array([[-0.18 * eye]])) if upper > 0.25 * eye else np.zeros((2, 0, 2)),
        "brow": curve(x_brow, y_brow),
        "brow_upper": curve(x_brow, y_brow - thick), "brow_lower": curve(x_brow, y_brow + thick),
        "mouth_upper": curve(0.97 * x, inner_up), "mouth_lower": curve(0.97 * x, inner_low),
        "teeth": curve(0.97 * x, inner_up + np.minimum(0.004 + 0.045 * bare, 0.5 * (inner_low - inner_up)) * (1 - t**4)),
        "tongue": curve(0.97 * x, np.clip(0.61 + gape - 0.05 + 0.05 * t**2, inner_up, inner_low)),
        "lip_upper": curve(x, out_up), "lip_lower": curve(x, out_low),
        "nostril": curve(side * (0.07 * head.nose_width + 0.04 * np.cos(turn)), nose + 0.075 + 0.022 * np.sin(turn)),
        "chin": np.array([[0.0, 1.03 + 0.26 * au["AU26"]]]), "nose": np.array([[0.0, nose]]),
        "fold": curve(side * (0.14 + 0.20 * s), nose + 0.0 + 0.33 * s**1.5),
    }  # fmt: skip


def _outlines(blobs, rotation) -> np.ndarray:
    """Return the projected outlines (n, 40, 2) of ellipsoids, in units."""
    turned = (rotation * blobs[:, None, 3:] ** 2) @ rotation.T
    turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    circle = np.stack([np.cos(turn), np.sin(turn)])
    return _turn(blobs[:, :3], rotation)[:, None, :2] + (np.linalg.cholesky(turned[:, :2, :2]) @ circle).swapaxes(1, 2)


def _pixels(points, size):
    return (points * SCALE + CENTRE) * size


def _geometry(head: Head, action_units: Mapping[str, float], pose, size: int):
    """Return the head's blobs, its rotation and its feature curves in pixels: the one geometry of the picture."""
    au, rotation = defaultdict(float, action_units), _rotation(pose)
    blobs, curves = _blobs(head, au), _curves(head, au)
    flat = np.concatenate([c.reshape(-1, 2) for c in curves.values()]) * [head.width, head.height]
    height, _ = _surface(blobs, np.eye(3), flat.T)
    seen = _pixels(_turn(np.column_stack([flat, height]), rotation)[:, :2], size)
    ends = np.cumsum([c.size // 2 for c in curves.values()])[:-1]
    pixels = {name: p.reshape(c.shape) for (name, c), p in zip(curves.items(), np.split(seen, ends))}
    return blobs, rotation, pixels


def features(head: Head, action_units: Mapping[str, float], pose, *, size: int = 256) -> dict:
    """Return where the features of `render(head, action_units, pose, size=size)` are.

    Returns
    -------
    dict
        Curves (..., 2) in pixels (x, y), the image's left side first: `eye_upper`, `eye_lower` (2, 17, 2), `brow`
        (2, 9, 2) from the inner end outwards, `mouth_upper`, `mouth_lower` (inner lips), `lip_upper`, `lip_lower`
        (outer) (17, 2), `nose`, `chin` (1, 2); and lengths in pixels: `inner_lip_gap`, `eye_opening` (2,),
        `face_height` (middle of the brows to chin).
    """
    _, _, at = _geometry(head, action_units, pose, size)
    at["inner_lip_gap"] = float(np.linalg.norm(at["mouth_lower"][8] - at["mouth_upper"][8]))
    at["eye_opening"] = np.linalg.norm(at["eye_lower"][:, 8] - at["eye_upper"][:, 8], axis=-1)
    at["face_height"] = float(np.linalg.norm(at["chin"][0] - at["brow"].mean((0, 1))))
    return at


def _fill(image, points, colour):
    fixed = np.rint(points * (1 << SHIFT)).astype(np.int32)
    cv2.fillPoly(image, list(fixed) if fixed.ndim == 3 else [fixed], colour, cv2.LINE_AA, SHIFT)


def _line(image, points, colour, width):
    fixed = np.rint(points * (1 << SHIFT)).astype(np.int32)
    cv2.polylines(image, list(fixed) if fixed.ndim == 3 else [fixed], False, colour, width, cv2.LINE_AA, SHIFT)


def _times(colour, *factors):
    return tuple(float(min(255, c * f)) for c, f in zip(colour, np.broadcast_to(factors, 3)))


def _lit(shade, outline, blobs, rotation, head):
    """Blend Lambert's shade of `blobs` into `shade` (size, size) float32 inside `outline` (k, 2) pixels."""
    size, cell = len(shade), len(shade) // 64
    low = np.clip(np.floor(outline.min(0) / cell), 0, 63).astype(int)
    high = np.clip(np.ceil(outline.max(0) / cell), low + 1, 64).astype(int)
    axes = [((np.arange(a, b) + 0.5) * cell / size - c) / SCALE for a, b, c in zip(low, high, CENTRE)]
    x, y = np.meshgrid(*axes)
    _, slope = _surface(blobs, rotation, np.stack([x.ravel(), y.ravel()]))
    light = np.array(head.light, np.float32)
    lambert = (light[2] - light[:2] @ slope) / np.sqrt(1 + (slope**2).sum(0))
    lambert = head.ambient + (1.08 - head.ambient) * np.maximum(lambert.reshape(x.shape), 0)
    (left, top), (right, bottom) = low * cell, high * cell
    mask = np.zeros((bottom - top, right - left), np.uint8)
    _fill(mask, outline - [left, top], 255)
    part = shade[top:bottom, left:right]
    part += (cv2.resize(lambert, mask.shape[::-1], interpolation=cv2.INTER_CUBIC) - part) * (mask * np.float32(1 / 255))


@lru_cache(maxsize=64)
def _backdrop(head: Head, size: int):
    """Return what stays behind a head: albedo (size, size, 3) uint8 and shade (size, size) float32."""
    albedo = np.full((size, size, 3), head.background, np.uint8)
    shade = np.repeat(np.linspace(1.08, 0.85, size, dtype=np.float32)[:, None], size, 1)
    return albedo, shade


def _body(albedo, shade, head):
    size, still = len(shade), np.eye(3)
    neck = np.array([[0, 1.1, -0.35, 0.40 * head.jaw, 0.95, 0.36]])
    chest = np.array([[0, 2.30, -0.45, 1.5, 0.92, 0.6]])
    for blobs, colour in ((chest, head.shirt), (neck, _times(head.skin, 0.86, 0.8, 0.78))):
        outline = _pixels(_outlines(blobs, still)[0], size)
        _fill(albedo, outline, colour)
        _lit(shade, outline, blobs, still, head)


def _hair(albedo, shade, head, rotation):
    size = len(shade)
    front, slant, volume, side, behind, curl = STYLES[head.style]
    cap = np.array([[0, -0.34, -0.24, 0.76 * volume, 0.94 * volume, 1.0 * volume]]) * np.tile([head.width, head.height, 1], 2)
    outline = _pixels(_outlines(cap, rotation)[0], size)
    axis = ((np.arange(64, dtype=np.float32) + 0.5) / 64 - 0.5) / SCALE
    x, y = np.meshgrid(axis, axis)
    height, _ = _surface(cap, rotation, np.stack([x.ravel(), y.ravel()]))
    hx, hy, hz = ((np.stack([x.ravel(), y.ravel(), height]) - PIVOT[:, None]).T @ rotation + PIVOT).T
    line = np.interp(hz, [-0.5, -0.3, 0.05, 0.2, 0.4, 0.6], [max(behind, 0.3), side, side, -0.42, front + 0.1, front])
    inside = cv2.resize(((line * head.height + slant * hx - hy) * SCALE * size).reshape(64, 64).astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
    mask = np.zeros((size, size), np.uint8)
    _fill(mask, outline, 255)
    alpha = np.clip(inside + 0.5, 0, 1) * (mask * np.float32(1 / 255))
    tone = shade.copy()
    _lit(tone, outline, cap, rotation, head)
    shade += (tone - shade) * alpha
    return cv2.blendLinear(np.full_like(albedo, head.hair), albedo, alpha, 1 - alpha)


def _features(albedo, shadow, at, head, au, unit):
    """Draw the features' colours into `albedo` and their soft darkness into `shadow` (size, size) uint8."""
    px = lambda units: max(1, round(units * unit))  # noqa: E731
    both = lambda a, b: np.concatenate([at[a], at[b][..., ::-1, :]], -2)  # noqa: E731
    skin, dark = head.skin, _times(head.skin, 0.5, 0.36, 0.33)
    # eyes
    _line(shadow, at["crease"], 50, px(0.03))
    _fill(albedo, both("eye_upper", "eye_lower"), (240, 238, 236))
    _fill(albedo, at["iris"], head.iris)
    _fill(albedo, at["pupil"], (14, 12, 12))
    for spot in at["glint"].reshape(-1, 2):
        cv2.circle(albedo, tuple(np.rint(spot * 16).astype(int)), int(0.022 * unit * 16), (255, 255, 255), -1, cv2.LINE_AA, SHIFT)
    _line(albedo, at["eye_lower"], dark, 1)
    _line(albedo, at["eye_upper"], (30, 20, 18), px(0.013 + 0.012 * head.lashes))
    brow = _times(head.hair, 0.55)
    _fill(albedo, both("brow_upper", "brow_lower"), brow)
    # nose
    _fill(albedo, at["nostril"], _times(skin, 0.36, 0.24, 0.22))
    _line(shadow, at["fold"], 8 + 90 * max(au["AU12"], au["AU9"], au["AU10"]), px(0.05))
    # mouth
    lip = _times(skin, 0.75, 0.45, 0.45)
    upper, lower = at["mouth_upper"], at["mouth_lower"]
    _fill(albedo, both("lip_upper", "lip_lower"), lip)
    _fill(albedo, both("lip_upper", "mouth_upper"), _times(lip, 0.86))
    if np.linalg.norm(lower[8] - upper[8]) > 0.02 * unit:
        _fill(albedo, both("mouth_upper", "mouth_lower"), (20, 6, 8))
        _fill(albedo, both("tongue", "mouth_lower")[3:-3], (46, 14, 18))
        _fill(albedo, both("mouth_upper", "teeth"), (214, 208, 198))
    _line(albedo, upper, _times(lip, 0.4), 1)
    _line(shadow, at["lip_lower"][4:-4] + [0, 0.05 * unit], 70, px(0.06))


def render(head: Head, action_units: Mapping[str, float], pose=(0.0, 0.0, 0.0), *, size: int = 256) -> np.ndarray:
    """Draw one frame."""
    au, unit = defaultdict(float, action_units), SCALE * size
    blobs, rotation, at = _geometry(head, action_units, pose, size)
    albedo, shade = (part.copy() for part in _backdrop(head, size))
    behind = STYLES[head.style][4]
    if behind:
        curtain = np.array([[0, 0.4 * behind - 0.35, -0.4, 0.86, 0.5 + 0.6 * behind, 0.6]])
        outline = _pixels(_outlines(curtain, rotation)[0], size)
        _fill(albedo, outline, head.hair)
        _lit(shade, outline, curtain, rotation, head)
    _body(albedo, shade, head)
    outlines = _pixels(_outlines(blobs, rotation), size)
    ears = [len(blobs) - 5, len(blobs) - 1]
    for ear in ears:
        _fill(albedo, outlines[ear], head.skin)
        _lit(shade, outlines[ear], blobs[[ear]], rotation, head)
    whole = cv2.convexHull(np.delete(outlines, ears, 0).reshape(-1, 2).astype(np.float32))[:, 0]
    _fill(albedo, whole, head.skin)
    _lit(shade, whole, np.delete(blobs, ears, 0), rotation, head)
    shadow = np.zeros((size, size), np.uint8)
    _features(albedo, shadow, at, head, au, unit)
    shade *= 1 - cv2.GaussianBlur(shadow, (0, 0), size / 90) * np.float32(1 / 255)
    albedo = _hair(albedo, shade, head, rotation)
    return cv2.multiply(albedo, cv2.merge([shade] * 3), dtype=cv2.CV_8U)
