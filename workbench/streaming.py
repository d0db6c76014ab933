"""Recordings piece by piece: the sound and the pictures of a file of any length, a stretch at a time, in flat memory.

Stretch k covers the seconds from ``k * seconds`` to ``(k + 1) * seconds``. What it holds depends on the file and on
k alone, wherever the reading began.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import av
import numpy as np
import soxr

from workbench._container import check_whole, is_still, mono, opened, pictures, shape_of, stream_of, upright
from workbench.errors import MediaError

MARGIN = 0.5  # s of sound after a stretch that its resampling sees; before it, 1 s or more
RUN_UP = 2.0  # s of film that are decoded before the stretch that reading begins with
SEEKABLE = ("mov,mp4", "matroska")  # formats in which a moment is found without reading up to it
STALE = 1.0  # s: a picture further than this from the moment asked for does not stand for it


def sounds(path: str | Path, seconds: float, *, sample_rate: int = 16000, start: int = 0) -> Iterator[np.ndarray]:
    """Yield the sound of a file in stretches, (n,) float32, mono, in [-1, 1]; the last one may be shorter.

    Parameters
    ----------
    path : str or Path
        Any container and codec that FFmpeg reads.
    seconds : float
        Of a stretch; its product with `sample_rate` is a whole number.
    sample_rate : int
        Hz; where the file has another rate, each stretch is resampled by soxr with sound around it.
    start : int
        The first stretch yielded.

    Raises
    ------
    MediaError
        If the file is missing, empty or unreadable, has no sound, no samples, or samples that are no numbers; after
        the last stretch that could be read, if it ends before its header says.
    """
    with opened(path) as container:
        stream = stream_of(path, container, "audio")
        held, rate, number = _Held(stream.rate), stream.rate, 0
        for block in chain(mono(container, stream), [None]):
            if block is not None:
                held.add(block)
            while held.begins + held.seconds >= (number + 1) * seconds + MARGIN or block is None:
                begin = number * seconds - held.begins
                if round(begin * rate) >= held.n_samples:
                    break
                if number >= start:
                    yield _stretch(path, held.samples(), begin, seconds, rates=(rate, sample_rate))
                number += 1
                held.forget(int(number * seconds) - 1)
        if not number:
            raise MediaError(f"{path}: expected sound, found a stream without samples")
        check_whole(path, container, stream, held.begins + held.seconds)


@dataclass
class _Held:
    """Samples at hand: those from a whole second, `begins`, on."""

    rate: int
    begins: int = 0

    def __post_init__(self):
        self.blocks, self.n_samples = [], 0

    @property
    def seconds(self) -> float:
        return self.n_samples / self.rate

    def add(self, block: np.ndarray) -> None:
        self.blocks.append(block)
        self.n_samples += len(block)

    def samples(self) -> np.ndarray:
        self.blocks = [np.concatenate(self.blocks)]
        return self.blocks[0]

    def forget(self, until: int) -> None:
        """Drop what lies before the second `until`."""
        if until > self.begins:
            left = self.samples()[(until - self.begins) * self.rate :]
            self.blocks, self.n_samples, self.begins = [left.copy()], len(left), until


def _stretch(path, held: np.ndarray, begin: float, seconds: float, *, rates: tuple[int, int]) -> np.ndarray:
    """Return the seconds from `begin` on of samples, resampled from the first rate to the second."""
    rate, wanted = rates
    held = held[: round((begin + seconds + MARGIN) * rate)]  # the same samples, whatever more is at hand
    if bad := np.count_nonzero(~np.isfinite(held)):
        raise MediaError(f"{path}: expected samples in [-1, 1], found {bad} that are NaN or infinite")
    found = soxr.resample(held, rate, wanted)[round(begin * wanted) : round((begin + seconds) * wanted)]
    return np.clip(found, -1, 1)


def looks(
    path: str | Path, seconds: float, rate: float, *, start: int = 0, largest: int = 1280
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the pictures of a film in stretches, `rate` a second: those next to the middles of equal parts.

    Parameters
    ----------
    path : str or Path
        Any container and codec that FFmpeg reads; frames need not be evenly spaced.
    seconds, rate : float
        Of a stretch; pictures a second. Their product is a whole number.
    start : int
        The first stretch yielded; where the format allows, what lies before it is not decoded.
    largest : int
        Pixels: pictures that are longer, either way, are shrunk to it.

    Yields
    ------
    times : (n,) float64, s
        The moments asked for; fewer in the last stretch, and where the film has nothing within a second of them.
    frames : (n, h, w, 3) uint8 RGB, upright

    Raises
    ------
    MediaError
        If the file is missing, empty or unreadable, has no picture, is a still picture, or none decodes; after the
        last stretch that could be read, if it ends before its header says.
    """
    with opened(path) as container:
        stream = stream_of(path, container, "video")
        if is_still(container):
            raise MediaError(f"{path}: expected a film, found a still picture")
        if start:
            _seek(container, stream, start * seconds - RUN_UP)
        film, number = _Film(path, container, stream, largest), start
        while True:
            wanted = number * seconds + (np.arange(round(seconds * rate)) + 0.5) / rate
            times, frames = film.read(wanted)
            if film.over and not len(times):
                break
            yield times, frames
            number += 1
        if film.trouble:
            raise film.trouble


def _seek(container, stream, second: float) -> None:
    """Have decoding begin at the last key frame before a moment, where that can be trusted."""
    if second <= 0 or not container.format.name.startswith(SEEKABLE):
        return
    begin = container.start_time or 0
    container.seek(begin + int(second * av.time_base))
    first = next(container.decode(stream), None)
    reached = first is not None and first.time is not None and first.time - begin / av.time_base <= second
    container.seek(begin + int(second * av.time_base) if reached else begin)


class _Film:
    """A film that is read forwards, the pictures next to given moments taken out."""

    def __init__(self, path, container, stream, largest: int):
        self.pictures, self.largest, self.trouble = pictures(path, container, stream), largest, None
        self.near: deque = deque(maxlen=2)  # the pictures before and after the moment
        self.shape, self.step, self.over = None, 0.1, False

    def read(self, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return those of the moments `wanted` that the film shows, and their pictures."""
        found = [(time, picture) for time in wanted if (picture := self._at(time)) is not None]
        times = np.array([time for time, _ in found])
        return times, np.stack([rgb for _, rgb in found]) if found else np.empty((0, 1, 1, 3), np.uint8)

    def _at(self, time: float) -> np.ndarray | None:
        while not self.over and (not self.near or self.near[-1][0] < time):
            self._next()
        if not self.near:
            return None
        shown, picture = min(self.near, key=lambda one: abs(one[0] - time))
        if abs(shown - time) > STALE or (self.over and time > self.near[-1][0] + self.step):
            return None
        return upright(picture, self.shape)

    def _next(self) -> None:
        try:
            one = next(self.pictures, None)
        except (MediaError, av.FFmpegError) as error:  # raised when all that could be read is used
            one, self.trouble = None, error
        if one is None:
            self.over = True
            return
        self.step = one[0] - self.near[-1][0] if self.near else self.step
        self.near.append(one)
        if self.shape is None:
            height, width = shape_of(one[1])
            scale = min(1.0, self.largest / max(height, width))
            self.shape = (max(2, round(height * scale)), max(2, round(width * scale)))
