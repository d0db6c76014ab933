"""Augmentation in time, alike for sound and pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.augment.base import Transform


@dataclass(frozen=True, kw_only=True)
class Slice(Transform):
    """Random time slicing (T of source 004, section 4.5 and Table 5.1): a random part of the clip stands for the whole.

    The slice is drawn as a share of the time, and all arrays of a clip get the same one, so that face and voice stay
    together: the first half of the sound goes with the first half of the pictures, for all that is prepared covers the
    same span (the speech). Sound becomes shorter; pictures are taken anew from the slice, the nearest each, as many as
    before. Zeros that a recipe's `n_steps` has put at the end of an MFCC are no time: the slice is one of the rest,
    and is padded again.

    Parameters
    ----------
    share : range
        Of the clip's duration that is kept. The source gives no value: 0.7 to 1 is assumed.
    """

    acts_on = "time"
    limits = {"share": (0.01, 1.0)}
    share: tuple[float, float] = (0.7, 1.0)

    def apply(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Time first: pictures (t, h, w, c) to the same shape; (n,) or (t, f) to fewer rows, at least one.

        Where the last rows of (t, f), a float, are zero, to the same shape.
        """
        if x.ndim == 2 and x.dtype.kind == "f" and not x[-1].any():
            spoken = len(x) - int(np.argmax(x[::-1].any(axis=1))) if x.any() else 0
            part = self.apply(x[:spoken], rng) if spoken else x
            return np.pad(part, ((0, len(x) - len(part)), (0, 0)))
        share = self.draw("share", rng)
        start = float(rng.uniform(0, 1 - share))
        if x.ndim == 4:
            middles = (np.arange(len(x)) + 0.5) / len(x)
            return x[np.minimum(((start + share * middles) * len(x)).astype(int), len(x) - 1)]
        first = min(round(start * len(x)), len(x) - 1)
        return x[first : max(first + 1, round((start + share) * len(x)))]
