"""What every augmentation is: a frozen set of ranges, called with an array and a random generator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

import numpy as np

from workbench.errors import WorkbenchError


@dataclass(frozen=True, kw_only=True)
class Transform:
    """An augmentation. Its parameters are ranges to draw from; a single number stands for a range of one value.

    A subclass sets `acts_on` (`sound`, `spectrogram`, `pictures`, or `time` for all of them), `limits` (the lowest
    and highest value that each range may hold), and defines ``apply(x, rng) -> array``. All that is random comes from
    `rng`: the same generator state gives the same array, and no global generator is touched.

    Parameters
    ----------
    p : float
        Probability, 0 to 1, that it is applied at all.
    """

    acts_on: ClassVar[str]
    limits: ClassVar[dict[str, tuple[float, float]]] = {}

    p: float = 1.0

    def __post_init__(self):
        object.__setattr__(self, "p", self._number("p", self.p, 0, 1))
        for name, (lowest, highest) in self.limits.items():
            object.__setattr__(self, name, self._range(name, getattr(self, name), lowest, highest))

    def __call__(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return `x` augmented, or, with probability 1 - p, `x` itself; `x` is never written to."""
        return self.apply(x, rng) if rng.random() < self.p else x

    def apply(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return `x` augmented."""
        raise NotImplementedError

    def draw(self, name: str, rng: np.random.Generator) -> float:
        """Return a value drawn evenly from the range `name`."""
        return float(rng.uniform(*getattr(self, name)))

    def settings(self) -> dict[str, Any]:
        """Return all parameters as JSON-able values, with `name`; `policy` makes the same augmentation of them."""
        values = asdict(self).items()
        return {"name": self.name, **{key: list(x) if isinstance(x, tuple) else x for key, x in values}}

    @property
    def name(self) -> str:
        """Its name in a study's YAML file: the class name in lower case, words joined by `_`."""
        return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in type(self).__name__)[1:]

    @classmethod
    def parameters(cls) -> list[str]:
        """Return the names of the parameters."""
        return [field.name for field in fields(cls)]

    def _range(self, name: str, value, lowest: float, highest: float) -> tuple[float, float]:
        pair = value if isinstance(value, Sequence) and not isinstance(value, str) else (value, value)
        if len(pair) != 2 or not all(_is_number(x) for x in pair) or not lowest <= pair[0] <= pair[1] <= highest:
            raise WorkbenchError(
                f"augmentation {self.name!r}: {name} is {value!r}, expected a number or [lowest, highest] "
                f"within {lowest:g}..{highest:g}"
            )
        return float(pair[0]), float(pair[1])

    def _number(self, name: str, value, lowest: float, highest: float, kind: type = float):
        if not _is_number(value) or not lowest <= value <= highest or kind(value) != value:
            what = "a whole number" if kind is int else "a number"
            raise WorkbenchError(
                f"augmentation {self.name!r}: {name} is {value!r}, expected {what} within {lowest:g}..{highest:g}"
            )
        return kind(value)


def _is_number(value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))
