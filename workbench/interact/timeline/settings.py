"""What a timeline is made with, as data."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from workbench import faces
from workbench.errors import WorkbenchError, choose

SAME = ("never", "shot", "place", "always")
PIECE, HELD = 2.0, 64  # s: as much of a recording is held in pictures at a time; pictures, at most
# The lowest and highest value of each number.
RANGES = {
    "window": (0.5, 60.0),
    "step": (0.5, 60.0),
    "looks": (1.0, 30.0),
    "least": (0.0, 1.0),
    "present": (0.0, 1.0),
    "voiced": (0.1, 60.0),
    "gap": (0.0, 60.0),
}


@dataclass(frozen=True)
class Settings:
    """How a long recording is looked at.

    Attributes
    ----------
    window, step : float
        Seconds that one answer is about, and from one window to the next; `step` is a multiple of 0.5 and `window` of
        `step`. The runs are trained on clips of three or four seconds.
    looks : float
        Pictures a second that faces are looked for in; `looks` times `step` is a whole number.
    least : float
        Probability, 0..1, that the first emotion of a window needs, or the window counts as undecided.
    present : float
        Share of the looks at a window, 0..1, in which a face has to be found for the window to have an answer for it.
    voiced : float
        Seconds of voice that a window needs to have an answer for it.
    gap : float
        Seconds after which a face that was not seen is another one when it comes back.
    same : {'never', 'shot', 'place', 'always'}
        What is assumed where it cannot be known, after a cut or such a gap: that a face is nobody who was there before;
        that, until the next cut and for five minutes, it is the person who was last seen in its place and as large;
        that it is so after a cut too, and however long after; that the recording shows one person only.
    detector : str
        A name of `faces.DETECTORS`; by default the detector of the run's recipe.
    """

    window: float = 4.0
    step: float = 2.0
    looks: float = 8.0
    least: float = 0.4
    present: float = 0.5
    voiced: float = 0.5
    gap: float = 2.0
    same: str = "shot"
    detector: str | None = None

    def __post_init__(self):
        for name, (lowest, highest) in RANGES.items():
            value = getattr(self, name)
            if not isinstance(value, int | float) or not lowest <= value <= highest:
                self._refuse(name, f"a number within {lowest:g}..{highest:g}")
        choose("assumption about faces", self.same, SAME)
        if self.detector:
            choose("detector", self.detector, faces.DETECTORS)
        if self.step % 0.5:
            self._refuse("step", "a multiple of 0.5 s")
        if self.window % self.step:
            self._refuse("window", f"a multiple of the step, {self.step:g} s")
        if self.looks * self.step % 1:
            self._refuse("looks", f"a number that times the step, {self.step:g} s, is whole")
        if self.piece * self.looks > HELD:
            self._refuse("looks", f"a number that is whole in {PIECE:g} s or less, which divide the step")

    def _refuse(self, name: str, expected: str) -> None:
        raise WorkbenchError(f"timeline: {name} is {getattr(self, name)!r}, expected {expected}")

    @property
    def piece(self) -> float:
        """Seconds that are read at a time: the longest part of a step, up to 2 s, with a whole number of looks."""
        halves = round(2 * self.step)
        parts = [k / 2 for k in range(1, halves + 1) if not halves % k and not self.looks * k / 2 % 1]
        return max((part for part in parts if part <= PIECE), default=min(parts))

    def watched(self) -> dict:
        """Return the settings that what is seen and heard depends on, and not only what is made of it."""
        return {name: value for name, value in asdict(self).items() if name not in ("least", "same")}
