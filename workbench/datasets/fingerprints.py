"""Hashes of what a file decodes to: its sound, the first pictures of it, or all of them; of the whole or of parts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np

from workbench import _container
from workbench._container import PICTURES
from workbench.errors import MediaError
from workbench.media import SILENCE

FIRST = 3  # pictures of a film that are hashed, beginning with the first that is not of one colour
FLAT = 4  # grey levels: a picture that spans no more is of one colour
STILL = 16  # grey levels: a film in which no pixel changes more shows one picture throughout
# Containers differ in what they note of samples to leave out at either end of a compressed sound: all are hashed.
UNTRIMMED = {"flags2": "skip_manual"}


class Part(NamedTuple):
    """A part of a recording, s; `end` None is its end. `fps` is that of a folder of pictures."""

    start: float
    end: float | None
    fps: float


class FilePart(NamedTuple):
    """What is to be hashed of a file: 'sound', 'picture' (how it begins) or 'film' (all its pictures)."""

    kind: str
    path: str
    part: Part


def fingerprint_file(wanted: Sequence[FilePart]) -> list[str]:
    """Return a hash of each part of a file; '' for what cannot be read, is silent, or shows nothing.

    Parameters
    ----------
    wanted : sequence of FilePart
        All of the same file.
    """
    path, found = wanted[0].path, dict.fromkeys(wanted, "")
    sounds = [one for one in wanted if one.kind == "sound"]
    if sounds:
        with suppress(MediaError):
            found.update(zip(sounds, _sounds(path, [one.part for one in sounds]), strict=True))
    for one in wanted:
        if one.kind != "sound":
            with suppress(MediaError):
                found[one] = _pictures(path, one.part, whole=one.kind == "film")
    return list(found.values())


def unreadable(wanted: Sequence[FilePart], reason: str) -> list[None]:
    """Return None for each part of a file whose worker process has died: not known this time."""
    return [None] * len(wanted)


class _SoundHash:
    """The hash of a part of a sound; equal channels count as one."""

    def __init__(self, begin: int, end: float):
        self.begin, self.end = begin, end
        self.first, self.all, self.differ = _hash(), _hash(), False
        self.low, self.high = np.inf, -np.inf

    def add(self, samples: np.ndarray, position: int) -> None:
        """Add what lies in the part of `samples` (channels, n), the first of which is number `position`."""
        last = None if np.isinf(self.end) else max(0, int(self.end) - position)
        samples = samples[:, max(0, self.begin - position) : last]
        if not samples.shape[1]:
            return
        self.low, self.high = min(self.low, samples.min()), max(self.high, samples.max())
        self.first.update(np.ascontiguousarray(samples[0]))
        if len(samples) > 1:
            self.all.update(np.ascontiguousarray(samples.T))
            self.differ = self.differ or bool((samples != samples[0]).any())

    def value(self, rate: int) -> str:
        if self.high - self.low < SILENCE or self.high < self.low:
            return ""
        hashed = self.all if self.differ else self.first
        hashed.update(str(rate).encode())
        return hashed.hexdigest()


def _sounds(path: str, parts: Sequence[Part]) -> list[str]:
    """Return the hash of each part of a file's sound: of its samples as they are, at their own rate."""
    with _container.opened(path) as container:
        stream = _container.stream_of(path, container, "audio")
        stream.codec_context.options = UNTRIMMED
        rate, start = stream.rate, (container.start_time or 0) / av.time_base
        spans = [(round(part.start * rate), np.inf if part.end is None else round(part.end * rate)) for part in parts]
        hashes, position = [_SoundHash(*span) for span in spans], None
        for samples, time in _blocks(container, stream):
            if position is None:
                position = 0 if time is None else max(0, round((time - start) * rate))
            for (begin, end), hashed in zip(spans, hashes, strict=True):
                if begin == 0 and end == np.inf:
                    hashed.add(samples, 0)
                elif begin < position + samples.shape[1] and end > position:
                    hashed.add(samples, position)
            position += samples.shape[1]
    return [hashed.value(rate) for hashed in hashes]


def _blocks(container, stream) -> Iterator[tuple[np.ndarray, float | None]]:
    """Yield (samples (channels, n) float32, time in s) of a second or more, so that there are few."""
    planar, pile, time, n_samples = av.AudioResampler(format="fltp"), [], None, 0
    for frame in container.decode(stream):
        if not pile:
            time = frame.time
        pile += [block.to_ndarray() for block in planar.resample(frame)]
        n_samples += frame.samples
        if n_samples >= stream.rate:
            yield np.concatenate(pile, axis=1), time
            pile, n_samples = [], 0
    if pile:
        yield np.concatenate(pile, axis=1), time


def _pictures(path: str, part: Part, *, whole: bool) -> str:
    """Return the hash of a still picture, or of the pictures of a film: of the first of them, or of all."""
    if Path(path).suffix.lower() in PICTURES and not Path(path).is_dir():
        picture = _still(path)
        return "" if _flat(picture) else _add(_hash(), picture).hexdigest()
    hashed, n_pictures, first, changes = _hash(), 0, None, False
    for picture in _film(path, part):
        if first is None and _flat(picture) and not whole:
            continue
        if first is not None and whole and not changes:
            changes = picture.shape != first.shape or _change(picture, first) > STILL
        first = picture if first is None else first
        n_pictures += 1
        _add(hashed, picture)
        if n_pictures == FIRST and not whole:
            break
    if not whole:
        return f"begins{hashed.hexdigest()}" if n_pictures else ""
    nothing = not n_pictures or (not changes and (n_pictures > 1 or _flat(first)))
    return "" if nothing else hashed.hexdigest()


def _film(path: str, part: Part) -> Iterator[np.ndarray]:
    """Yield the pictures of a part of a film, or of a folder of numbered pictures."""
    if Path(path).is_dir():
        files, end = _container.sequence(path), np.inf if part.end is None else part.end
        yield from (_still(file) for number, file in enumerate(files) if part.start <= number / part.fps < end)
        return
    with _container.opened(path) as container:
        stream = _container.stream_of(path, container, "video")
        if part.start > 1:
            container.seek(int(part.start * av.time_base) + (container.start_time or 0))
        for time, picture in _container.pictures(path, container, stream):
            if part.end is not None and time >= part.end:
                return
            if time >= part.start:
                yield _pixels(picture)


def _pixels(picture: av.VideoFrame) -> np.ndarray:
    """Return a picture as it was decoded, or in RGB where NumPy has no form for it."""
    try:
        return picture.to_ndarray()
    except (ValueError, AssertionError):
        return picture.reformat(format="rgb24").to_ndarray()


def _still(path: str | Path) -> np.ndarray:
    """Return a still picture, (h, w, 3) uint8."""
    try:
        picture = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error) as error:
        raise MediaError(f"{path}: expected a picture, found {error}") from error
    if picture is None:
        raise MediaError(f"{path}: expected a picture that decodes, found none")
    return picture


def _flat(picture: np.ndarray) -> bool:
    """Tell whether a picture is of one colour; of planes above each other, that of the brightness decides."""
    if picture.ndim == 2:
        brightness = picture[: max(1, len(picture) * 2 // 3)]
        return int(brightness.max()) - int(brightness.min()) <= FLAT
    channels = picture if picture.shape[0] <= 4 else np.moveaxis(picture, -1, 0)
    return all(int(channel.max()) - int(channel.min()) <= FLAT for channel in channels)


def _change(picture: np.ndarray, other: np.ndarray) -> int:
    """Return the most by which a pixel differs, grey levels."""
    return int(np.abs(picture.astype(int) - other.astype(int)).max())


def _hash():
    return hashlib.blake2b(digest_size=12)


def _add(hashed, picture: np.ndarray):
    """Add a picture, its shape included; return the hash."""
    hashed.update(str(picture.shape).encode())
    hashed.update(np.ascontiguousarray(picture))
    return hashed
