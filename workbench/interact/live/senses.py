"""Eye and ear of a live session: where the face is, frame by frame, and when somebody speaks, as it happens.

`faces.track` and `media.speech_span` see a whole clip before they answer; here nothing of the future is known.
"""

from __future__ import annotations

import threading
from collections import deque

import numpy as np
import soxr
from scipy.signal import sosfilt

from workbench import faces
from workbench.errors import WorkbenchError
from workbench.levels import QUIETEST, voice_band, voice_threshold
from workbench.recipes import Recipe

SAME = 0.3  # intersection over union from which a box is that of the face followed
HOLD = 0.5  # s: a face lost for less is where it was
_LOOK = threading.Lock()  # dlib's detector is one for the process, and takes one picture at a time


class Eye:
    """Follows one face, the largest, for as long as it is there.

    dlib looks at 320 pixels; where it sees nobody it looks at 640 too every fourth time, and every other time while the
    face followed is too small for 320. Boxes are smoothed over the past. A face that was lost for half a second is
    gone; until then another one does not take its place.
    """

    def __init__(self, recipe: Recipe):
        self.recipe = recipe
        self.fixed = None if recipe.detector in ("dlib", "given") else faces.detector(recipe.detector)
        self.width, self.looks, self.n_faces = 320, 0, 0
        self.box, self.seen = None, -np.inf

    def step(self, frame: np.ndarray, time: float) -> np.ndarray | None:
        """Return the face's box (4,) float32, left, top, right, bottom in pixels, of a frame (h, w, 3) uint8 RGB at
        `time` s; None without one."""
        found = self._choose(self._look(frame))
        if found is None:
            if time - self.seen > HOLD:
                self.box = None
            return self.box
        self.box, self.seen = found if self.box is None else _smoothed(self.box, found), time
        return self.box

    def cut(self, frame: np.ndarray, box: np.ndarray) -> np.ndarray:
        """Return the face (1, size, size, 3) as the recipe's clips show it."""
        one, size = frame[None], self.recipe.size
        if self.recipe.crop == "none":
            return faces.whole(one, size=size)
        if self.recipe.crop == "eyes":
            with_points = self.fixed if hasattr(self.fixed, "points") else None
            return faces.align(one, faces.eyes(one, box[None], detector=with_points), size=size)
        return faces.crop(one, box[None], size=size)

    def _look(self, frame: np.ndarray) -> np.ndarray:
        """Return the boxes (k, 4) in a frame."""
        self.looks += 1
        with _LOOK:
            if self.fixed is not None:
                return self.fixed(frame)[:, :4]
            small = self.width == 640 and self.box is not None
            widths = (320,) if self.looks % 4 else (320, 640)
            if small:  # 640 takes four times as long: every other look tells whether 320 will do again
                widths = (320,) if self.looks % 2 else (640,)
            for width in widths:
                boxes = faces.DlibHog(width)(frame)[:, :4]
                if len(boxes):
                    self.width = width
                    break
        return boxes

    def _choose(self, boxes: np.ndarray) -> np.ndarray | None:
        """Return the box of the face followed or, where there is none yet, the largest."""
        if not len(boxes):
            return None
        self.n_faces = len(boxes)
        if self.box is None:
            return max(boxes, key=lambda box: box[2] - box[0])
        alike = [faces.overlap(self.box, box) for box in boxes]
        return boxes[int(np.argmax(alike))] if max(alike) > SAME else None


def _smoothed(before: np.ndarray, now: np.ndarray) -> np.ndarray:
    """Take a detector's jitter out of a box: a little from its place, more from its size."""
    (old, old_half), (new, new_half) = (((b[:2] + b[2:]) / 2, (b[2:] - b[:2]) / 2) for b in (before, now))
    centre, half = 0.35 * old + 0.65 * new, 0.75 * old_half + 0.25 * new_half
    return np.concatenate([centre - half, centre + half]).astype(np.float32)


class Ear:
    """Cuts sound into windows and says which of them belong to speech.

    The rule is `levels.voice_threshold` on the last ten seconds. The window before a voice sets in, and three after it
    (0.3 s, a pause between words), belong to it.

    Parameters
    ----------
    sample_rate : int
        Hz, of the windows; what comes at another rate is resampled by soxr.
    window : int
        Samples of a window.
    """

    FIRST, HANGOVER = -40.0, 3  # dB: a voice from the first second, when there is nothing to compare it with

    def __init__(self, *, sample_rate: int = 16000, window: int = 1600):
        self.sample_rate, self.window = sample_rate, window
        self.band = voice_band(sample_rate)
        self.filtered = np.zeros((len(self.band), 2))
        self.rest, self.before = np.empty(0, np.int16), None
        self.levels = deque(maxlen=round(10 * sample_rate / window))
        self.since = self.HANGOVER + 1  # windows since the last voice
        self.resampler, self.given_rate = None, None

    @property
    def level(self) -> float:
        """The last window's level in dB of full scale, -100 at the least."""
        return self.levels[-1] if self.levels else -100.0

    def step(self, sound: np.ndarray, sample_rate: int) -> list[np.ndarray]:
        """Return the windows (window,) int16 of speech that end in this sound, (n,) int16 at `sample_rate` Hz."""
        sound = np.concatenate([self.rest, self._resampled(sound, sample_rate)])
        n_whole = len(sound) // self.window
        whole, self.rest = np.split(sound, [n_whole * self.window])
        return [heard for window in whole.reshape(n_whole, self.window) for heard in self._hear(window)]

    def _resampled(self, sound: np.ndarray, sample_rate: int) -> np.ndarray:
        if sample_rate == self.sample_rate:
            return sound
        if sample_rate != self.given_rate:
            if sample_rate < 1:
                raise WorkbenchError(f"sound at {sample_rate} Hz: expected 8000 to 192000")
            self.given_rate = sample_rate
            self.resampler = soxr.ResampleStream(sample_rate, self.sample_rate, 1, dtype="int16")
        return self.resampler.resample_chunk(sound)

    def _hear(self, window: np.ndarray) -> list[np.ndarray]:
        """Return the windows that belong to speech now that `window` came: none, itself, or the one before and it."""
        voice, self.filtered = sosfilt(self.band, window / 32768, zi=self.filtered)
        self.levels.append(float(10 * np.log10(np.mean(voice**2) + 1e-10)))
        began = self.since > self.HANGOVER
        self.since = 0 if self._is_voice() else self.since + 1
        heard = [window] if self.since <= self.HANGOVER else []
        if heard and began and self.before is not None:
            heard = [self.before, window]
        self.before = window
        return heard

    def _is_voice(self) -> bool:
        enough = len(self.levels) >= 5
        threshold = voice_threshold(np.array(self.levels), quietest=QUIETEST) if enough else np.inf
        if np.isinf(threshold):  # too little to compare with
            return len(self.levels) < 10 and self.level > self.FIRST
        return self.level > threshold
