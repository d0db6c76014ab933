"""Augmentation of pictures (t, h, w, 3) uint8: source 004's set, with one set of factors a clip or one a picture.

All geometry is composed into one matrix and done by one interpolation a picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from workbench.augment.base import Transform
from workbench.errors import WorkbenchError, choose

BORDERS = {"reflect": cv2.BORDER_REFLECT_101, "replicate": cv2.BORDER_REPLICATE, "black": cv2.BORDER_CONSTANT}


@dataclass(frozen=True, kw_only=True)
class Pictures(Transform):
    """An augmentation of pictures; a subclass defines ``apply`` with one set of factors.

    Parameters
    ----------
    each : {'clip', 'image'}
        `clip`: all pictures of a clip share the factors, so that what moves is the face only (VA of source 004's
        Table 5.4). `image`: each picture has its own (IA).
    """

    acts_on = "pictures"
    each: str = "clip"

    def __post_init__(self):
        super().__post_init__()
        choose(f"unit of augmentation {self.name!r}", self.each, ("clip", "image"))

    def __call__(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(t, h, w, c) uint8 to the same shape.

        Raises
        ------
        WorkbenchError
            If the pictures are of another shape or type.
        """
        if x.ndim != 4 or x.dtype != np.uint8:
            raise WorkbenchError(f"expected pictures (t, h, w, c) uint8, found {x.shape} {x.dtype}")
        if self.each == "clip" or not len(x):
            return super().__call__(x, rng)
        return np.concatenate([super(Pictures, self).__call__(x[i : i + 1], rng) for i in range(len(x))])


@dataclass(frozen=True, kw_only=True)
class Mirror(Pictures):
    """Left and right exchanged."""

    p: float = 0.5

    def apply(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(t, h, w, c) to the same."""
        return np.ascontiguousarray(x[:, :, ::-1])


@dataclass(frozen=True, kw_only=True)
class Affine(Pictures):
    """Mirror, crop, scale, shear, rotation and shift in one warp. Each is off unless given.

    Parameters
    ----------
    mirror : float
        Probability of mirroring.
    crop : range
        Share cut off at each of the four sides, drawn for each side; the rest is enlarged to the full size.
    scale : range
        Factor; above 1 enlarges.
    shift : range
        Share of the width to the right and of the height downwards, drawn for each.
    rotation, shear : range
        Degrees, counter-clockwise; degrees by which verticals lean.
    border : {'reflect', 'replicate', 'black'}
        What is seen beyond the picture's edge. The source is silent; mirrored content is assumed, for black corners
        would tell the factors.
    """

    limits = {
        "crop": (0.0, 0.45),
        "scale": (0.2, 5.0),
        "shift": (-1.0, 1.0),
        "rotation": (-180.0, 180.0),
        "shear": (-60.0, 60.0),
    }
    mirror: float = 0.0
    crop: tuple[float, float] = (0.0, 0.0)
    scale: tuple[float, float] = (1.0, 1.0)
    shift: tuple[float, float] = (0.0, 0.0)
    rotation: tuple[float, float] = (0.0, 0.0)
    shear: tuple[float, float] = (0.0, 0.0)
    border: str = "reflect"

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "mirror", self._number("mirror", self.mirror, 0, 1))
        choose("border", self.border, BORDERS)

    def apply(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(t, h, w, c) to the same."""
        height, width = x.shape[1:3]
        matrix = self.matrix(height, width, rng)
        out = np.empty(x.shape, x.dtype)
        for picture, changed in zip(x, out, strict=True):
            warped = cv2.warpAffine(
                picture, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=BORDERS[self.border]
            )
            changed[:] = warped.reshape(changed.shape)
        return out

    def matrix(self, height: int, width: int, rng: np.random.Generator) -> np.ndarray:
        """Return a random matrix (2, 3) from old to new pixel coordinates.

        The number of values drawn does not depend on the size: pictures of two sizes get the same factors.
        """
        turn, lean = np.radians(self.draw("rotation", rng)), np.tan(np.radians(self.draw("shear", rng)))
        flip, scale = -1.0 if rng.random() < self.mirror else 1.0, self.draw("scale", rng)
        left, right, top, bottom = (self.draw("crop", rng) for _ in range(4))
        shift = np.array([self.draw("shift", rng) * width, self.draw("shift", rng) * height])
        cosine, sine = np.cos(turn), np.sin(turn)
        rotate = np.array([[cosine, sine], [-sine, cosine]])  # the vertical axis points down
        linear = rotate @ [[1, lean], [0, 1]] @ np.diag([flip * scale, scale])
        linear = linear @ np.diag([1 / (1 - left - right), 1 / (1 - top - bottom)])
        # The middle of what the crop leaves goes to the middle of the picture, then everything is shifted.
        middle = np.array([(1 + left - right) * width, (1 + top - bottom) * height]) / 2 - 0.5
        target = np.array([width, height]) / 2 - 0.5 + shift
        return np.column_stack([linear, target - linear @ middle])


@dataclass(frozen=True, kw_only=True)
class Blur(Pictures):
    """Gaussian blur.

    Parameters
    ----------
    sigma : range
        Pixels; below 0.2 nothing is to be seen.
    """

    limits = {"sigma": (0.0, 50.0)}
    sigma: tuple[float, float] = (0.0, 0.5)
    p: float = 0.5

    def apply(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(t, h, w, c) to the same."""
        sigma = self.draw("sigma", rng)
        if sigma < 0.05:
            return x
        return np.stack([cv2.GaussianBlur(picture, (0, 0), sigma).reshape(picture.shape) for picture in x])


@dataclass(frozen=True, kw_only=True)
class Contrast(Pictures):
    """Contrast about mid-grey: alpha * (value - 128) + 128, clipped to 0..255.

    Parameters
    ----------
    alpha : range
        Factor; 1 changes nothing.
    """

    limits = {"alpha": (0.0, 10.0)}
    alpha: tuple[float, float] = (0.75, 1.5)

    def apply(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(t, h, w, c) to the same."""
        table = self.draw("alpha", rng) * (np.arange(256) - 128.0) + 128
        return table.round().clip(0, 255).astype(np.uint8)[x]


@dataclass(frozen=True, kw_only=True)
class PictureNoise(Pictures):
    """Additive Gaussian noise, new for every pixel, colour and picture, clipped to 0..255.

    Parameters
    ----------
    sd : range
        Standard deviation in grey levels. Source 004 writes N(0, 25), and, by the way it writes its blur N(0, sigma),
        means the deviation rather than the variance (which would be 5).
    """

    limits = {"sd": (0.0, 255.0)}
    sd: tuple[float, float] = (25.0, 25.0)

    def apply(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(t, h, w, c) to the same."""
        sd = np.float32(self.draw("sd", rng))
        noise = rng.standard_normal(x.shape, dtype=np.float32)
        noise *= sd
        noise += x
        return np.rint(noise, out=noise).clip(0, 255).astype(np.uint8)
