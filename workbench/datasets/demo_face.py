"""Draw a parametric head: ellipsoids lit by Lambert's law, features drawn on them by OpenCV."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial

import cv2
import numpy as np

from workbench.datasets.demo_head import (
    CELLS,
    EARS,
    GRID,
    NOSE,
    SCALE,
    SKULL,
    STILL,
    STYLES,
    TURN,
    Head,
    geometry,
    outline,
    surface,
    turn,
)


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
    shape = _shape(len(shade), head, blobs, rotation, outlines, gain=gain, gloss=gloss, keep=keep)
    return _put(albedo, shade, shape, colour, () if keep else outlines)


def _put(albedo, shade, shape, colour, outlines):
    """Paint a shape: `colour` within `outlines`, or by its coverage where there are none; and its light."""
    box, alpha, light = shape
    if not len(outlines):
        albedo[box] = cv2.blendLinear(np.full_like(albedo[box], colour), albedo[box], alpha, 1 - alpha)
    for curve in outlines:
        _draw(albedo, curve, colour)
    shade[box] += (light - shade[box]) * alpha
    return box, alpha


def _shape(size, head, blobs, rotation, outlines, *, gain=1.0, gloss=0.0, keep=None):
    """Return the box (slices) of the union of `outlines`, its coverage 0..1 and its light there; see `_lit`."""
    cell, every = size // CELLS, np.concatenate(outlines)
    low = np.clip((every.min(0) - 1) // cell, 0, CELLS - 1).astype(int)
    high = np.clip((every.max(0) + 2) // cell + 1, low + 1, CELLS).astype(int)
    cells, box = (np.s_[low[1] * n : high[1] * n, low[0] * n : high[0] * n] for n in (1, cell))
    grid = GRID[:, *cells]
    height, slope = surface(blobs, rotation, grid.reshape(2, -1))
    lamp = np.array([head.light, np.add(head.light, (0, 0, 1))], np.float32)
    lamp /= np.linalg.norm(lamp, axis=1, keepdims=True)
    facing, glint = np.maximum(lamp[:, 2:] - lamp[:, :2] @ slope, 0) / np.sqrt(1 + (slope**2).sum(0))
    light = gain * (head.ambient + (1.12 - head.ambient) * facing) + gloss * glint**16
    full = partial(cv2.resize, dsize=None, fx=cell, fy=cell, interpolation=cv2.INTER_CUBIC)
    mask = np.zeros((high - low)[::-1] * cell, np.uint8)
    for curve in outlines:
        _draw(mask, curve - low * cell, 255)
    alpha = mask * np.float32(1 / 255)
    if keep:
        kept = keep(np.vstack([grid.reshape(2, -1), height]).T).reshape(grid.shape[1:])
        alpha *= np.clip(full(kept.astype(np.float32)) + 0.5, 0, 1)
    return box, alpha, full(light.reshape(grid.shape[1:]))


@lru_cache(maxsize=64)
def _neck(head: Head, size: int):
    """Return the shape of the neck, which does not move, and its outlines."""
    neck = np.array([[0, 1.1, -0.35, 0.40 * head.jaw, 0.95, 0.36]])
    outlines = outline(neck, STILL, size)
    return _shape(size, head, neck, STILL, outlines), outlines


@lru_cache(maxsize=64)
def _backdrop(head: Head, size: int):
    """Return what stays behind a head: albedo (size, size, 3) uint8 and shade (size, size) float32."""
    albedo = np.full((size, size, 3), head.background, np.uint8)
    shade = np.repeat(np.linspace(1.08, 0.85, size, dtype=np.float32)[:, None], size, 1)
    chest = np.array([[0, 2.22, -0.45, 1.5, 0.92, 0.6]])
    _lit(albedo, shade, head, chest, STILL, head.shirt, outline(chest, STILL, size))
    return albedo, shade


def _hair(head: Head, rotation, size):
    """Return the ellipsoids (2, 6) of the cap and of what hangs behind, their outlines, and the cap's `keep`."""
    front, slant, volume, side, hang, curl = STYLES[head.style]
    crown, wide = -0.34 - 0.91 * volume, 0.76 * volume + 0.10 * (hang > 0.5)
    blobs = np.array([(0, -0.34, -0.24, 0.76 * volume, 0.91 * volume, 1.0 * volume),
                      (0, (crown + hang) / 2, -0.36, wide, (hang - crown) / 2, 0.62)])  # fmt: skip
    blobs *= np.tile([head.width, head.height, 1.0], 2)
    outlines = outline(blobs, rotation, size)
    middle = outlines.mean(1, keepdims=True)

    def above(points):
        x, y, z = turn(points, rotation.T).T
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
    au, blobs, rotation, at, eyes = geometry(head, action_units, pose, size)
    albedo, shade = (part.copy() for part in _backdrop(head, size))
    layer = partial(_lit, albedo, shade, head)
    hair, (cap, hanging), above = _hair(head, rotation, size)
    layer(hair[1:], rotation, head.hair, [hanging], gain=0.8)
    neck, outlines = _neck(head, size)
    _put(albedo, shade, neck, np.multiply(head.skin, (0.64, 0.58, 0.56)), outlines)
    outlines = outline(blobs, rotation, size)
    hulls = [cv2.convexHull(outlines[part].reshape(-1, 2).astype(np.float32))[:, 0] for part in (SKULL, NOSE)]
    ears = outlines[EARS] if STYLES[head.style][4] < 0.5 else []  # long hair covers them
    box, alpha = layer(blobs, rotation, head.skin, [*hulls, *ears], gloss=0.1)
    shadow = np.zeros((size, size), np.uint8)
    _paint(albedo, shadow, at, head, au, eyes, SCALE * size)
    shade[box] *= 1 - cv2.stackBlur(shadow[box], (11, 11)) * np.float32(1 / 255) * alpha
    layer(hair[:1], rotation, head.hair, [cap], gloss=0.25, keep=above)
    tones = [cv2.convertScaleAbs(shade, alpha=gain, beta=200 - gain) for gain in (180, 200, 210)]  # shade is warm
    return cv2.multiply(albedo, cv2.merge(tones), scale=1 / 200)
