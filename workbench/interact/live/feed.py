"""Recordings in place of a camera: a file is cut into what the browser would send, and played to a guest's session."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd

from workbench import media
from workbench.errors import MediaError
from workbench.interact.live.client import Guest
from workbench.interact.live.protocol import picture_of
from workbench.interact.live.recording import row

WIDTH, QUALITY, FPS = 640, 80, 15  # what camera.js sends: pixels at most, of JPEG, pictures a second
SAMPLE_RATE = 16000


class Tick(NamedTuple):
    """What comes at once: until when (s), a JPEG, 16-bit PCM; either may be None. And of which file it is."""

    time: float
    picture: bytes | None
    sound: bytes | None
    clip: str = ""


def ticks(
    path: str | Path, *, fps: float = FPS, seconds: float = 60, picture: bool = True, sound: bool = True
) -> Iterator[Tick]:
    """Cut a recording into ticks, `fps` a second, as the browser would send it.

    Parameters
    ----------
    seconds : float
        Of a longer file, only so much from its beginning.
    picture, sound : bool
        False leaves it out, as if camera or microphone were off.

    Raises
    ------
    MediaError
        If the file cannot be read, or has nothing of what is asked for.
    """
    probe = media.probe(path)
    picture, sound = picture and probe.has_frames, sound and probe.has_sound
    if not picture and not sound:
        raise MediaError(f"{path}: expected a picture or a sound, found neither of what is asked for")
    waveform = media.read_waveform(path, sample_rate=SAMPLE_RATE) if sound else np.empty(0, np.float32)
    pcm = np.round(np.clip(waveform, -1, 1) * 32767).astype("<i2")
    n_ticks = int(min(probe.duration, seconds) * fps)
    frames = media.read_frames(path, np.arange(n_ticks) / fps)[0] if picture and n_ticks else []
    ends = np.round(np.arange(n_ticks + 1) * SAMPLE_RATE / fps).astype(int)
    for i in range(n_ticks):
        block = pcm[ends[i] : ends[i + 1]].tobytes() if sound else None
        yield Tick((i + 1) / fps, jpeg(frames[i]) if picture else None, block, str(path))


def jpeg(frame: np.ndarray) -> bytes:
    """Return a picture (h, w, 3) uint8 RGB as the browser would send it."""
    scale = min(1.0, WIDTH / frame.shape[1])
    small = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else frame
    return cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[
        1
    ].tobytes()


def ticks_of(paths: Sequence[str | Path], *, seconds: float | None = None, **options) -> Iterator[Tick]:
    """Cut recordings into the ticks of one long one (see `ticks`): each once, or again and again for `seconds`."""
    offset = 0.0
    for path in paths if seconds is None else cycle(paths):
        time = offset
        for tick in ticks(path, **options):
            time = offset + tick.time
            if seconds is not None and time > seconds:
                return
            yield tick._replace(time=time)
        if time <= offset:
            raise MediaError(f"{path}: expected a recording, found one of no length")
        offset = time


def shown(recording: Sequence[Tick], times: Sequence[float]) -> list[tuple[float, np.ndarray]]:
    """Return the time (s) and the picture (h, w, 3) of the ticks nearest to some times."""
    seen = [tick for tick in recording if tick.picture is not None]
    nearest = [min(seen, key=lambda tick, at=at: abs(tick.time - at)) for at in times]
    return [(tick.time, picture_of(tick.picture)) for tick in nearest]


def play(
    recording: str | Path | Sequence[Tick],
    guest: Guest,
    *,
    real_time: bool = False,
    keep: Callable[[Tick, dict], None] | None = None,
) -> pd.DataFrame:
    """Play a recording to a session that has begun; return its answers, a row a tick.

    Parameters
    ----------
    recording : file, or ticks
    real_time : bool
        Wait for each tick's time, as a camera would; else go as fast as the answers come.
    keep : callable, optional
        Is given each tick and its answer.

    Returns
    -------
    table : columns of `recording.row`, and
        `note` : str, what was missing.
        `ms` : float, from the arrival of picture and sound to the answer. In real time a tick arrives when it is due,
        whether the session is ready for it or not.
    """
    every = [*ticks(recording)] if isinstance(recording, str | Path) else recording
    rows, began = [], time.perf_counter()
    for tick in every:
        due = began + tick.time
        if real_time:
            time.sleep(max(0.0, due - time.perf_counter()))
        arrived = due if real_time else time.perf_counter()
        answer = guest.step(tick.time, tick.picture, tick.sound, sample_rate=SAMPLE_RATE)
        rows.append(row(answer) | {"note": answer["note"], "ms": 1000 * (time.perf_counter() - arrived)})
        if keep:
            keep(tick, answer)
    return pd.DataFrame(rows)
