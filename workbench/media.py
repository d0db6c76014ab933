"""Recordings in and out: a file becomes frames (t, h, w, 3) uint8 and a waveform (n,) float32.

Decoding is FFmpeg's, through PyAV, so every container and codec it knows will do; resampling is soxr's. Of
several streams of a kind the first is taken (a cover picture is not one). Time zero is where the container
starts, for picture and sound alike. A still picture is a recording of 0 s that shows it at all times; a folder
of numbered pictures is a film of so many frames a second, by the order of the numbers. Whatever is wrong with a
file becomes one `MediaError`.
"""

from __future__ import annotations

import collections
import os
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
import soxr

from workbench import _container
from workbench._container import (
    check_whole,
    find,
    is_still,
    kinds,
    mono,
    opened,
    pictures,
    sequence,
    shape_of,
    still,
    stream_of,
    upright,
)
from workbench.errors import MediaError
from workbench.levels import HOP, WINDOW, voice_level, voice_threshold

FPS = 30.0  # of a folder of pictures, unless told
SILENCE = 1e-4  # peak amplitude, -80 dB of full scale: below anything a microphone picks up


@dataclass(frozen=True)
class Probe:
    """What a header says: streams present, size in pixels as shown, frames a second (0 of a still), duration in s."""

    has_frames: bool
    has_sound: bool
    width: int
    height: int
    fps: float
    duration: float


def probe(path: str | Path, *, fps: float = FPS) -> Probe:
    """Return what the file's header and first picture say, without reading it through unless its length is not told.

    Parameters
    ----------
    path : str or Path
        A file, or a folder of numbered pictures.
    fps : float
        Frames a second of a folder; without effect on a file.

    Raises
    ------
    MediaError
        If the file is missing, empty or no recording.
    """
    if Path(path).is_dir():
        files = sequence(path)
        height, width = shape_of(still(files[0]))
        return Probe(True, False, width, height, fps, len(files) / fps)
    with opened(path) as container:
        has_sound = bool(container.streams.audio)
        if find(container, "video") is None:
            return Probe(False, has_sound, 0, 0, 0.0, _container.length(container))
        stream = stream_of(path, container, "video")
        if is_still(container):
            height, width = shape_of(next(pictures(path, container, stream))[1])
            return Probe(True, False, width, height, 0.0, 0.0)
        first = next(container.decode(stream), None)
        height, width = shape_of(first) if first else (stream.height, stream.width)
        return Probe(True, has_sound, width, height, float(stream.average_rate or 0), _container.length(container))


def read_waveform(path: str | Path, *, sample_rate: int = 16000) -> np.ndarray:
    """Return the sound of a file.

    Parameters
    ----------
    path : str or Path
        Any container and codec that FFmpeg reads.
    sample_rate : int
        Hz; where the file has another rate, it is resampled by soxr (high quality) after the mixing to mono.

    Returns
    -------
    waveform : (n,) float32, mono, in [-1, 1]
        Begins where the container begins: a sound that sets in late is preceded by zeros.

    Raises
    ------
    MediaError
        If the file is missing, empty or unreadable, has no sound, no samples, or samples that are no numbers.
    """
    with opened(path) as container:
        stream = stream_of(path, container, "audio")
        late, *blocks = [*mono(container, stream)] or [np.empty(0, np.float32)]
        n_samples, rate = sum(map(len, blocks)), stream.rate
        if not n_samples:
            raise MediaError(f"{path}: expected sound, found a stream without samples")
        check_whole(path, container, stream, n_samples / rate)
    waveform = np.concatenate([late, *blocks])
    if bad := np.count_nonzero(~np.isfinite(waveform)):
        raise MediaError(f"{path}: expected samples in [-1, 1], found {bad} that are NaN or infinite")
    waveform = soxr.resample(waveform, rate, sample_rate)
    if not len(waveform):
        raise MediaError(f"{path}: expected sound, found too few samples for {sample_rate} Hz")
    return np.clip(waveform, -1, 1)


def read_frames(
    path: str | Path, times: np.ndarray, *, threads: int = 1, fps: float = FPS
) -> tuple[np.ndarray, np.ndarray]:
    """Return the frames nearest to some times, from one pass over the file that stops after the last of them.

    Parameters
    ----------
    path : str or Path
        Any container and codec that FFmpeg reads; frames need not be evenly spaced. Or a still picture, or a
        folder of numbered pictures, of which only those that are needed are read.
    times : (t,) array, t >= 1
        Seconds from the start of the recording, in any order, repeats allowed. Beyond the end, the last frame
        that decodes serves (containers may announce more).
    threads : int
        Threads of the decoder; 0 lets FFmpeg choose.
    fps : float
        Frames a second of a folder; without effect on a file.

    Returns
    -------
    frames : (t, h, w, 3) uint8 RGB, upright (a rotation noted in the file is applied)
    times : (t,) float64, s
        When the frames really taken are shown.

    Raises
    ------
    MediaError
        If the file is missing, empty or unreadable, has no picture, or none decodes.
    """
    wanted = np.asarray(times, dtype=np.float64)
    if Path(path).is_dir():
        return _read_folder(sequence(path), wanted, fps)
    queue = collections.deque(np.argsort(wanted, kind="stable"))
    shown, frames, before = np.empty(len(wanted)), None, None
    with opened(path) as container:
        stream = stream_of(path, container, "video")
        if threads != 1:
            stream.thread_type, stream.thread_count = "AUTO", threads
        for now in chain(pictures(path, container, stream), [(np.inf, None)]):
            before = before or now
            while queue and wanted[queue[0]] <= now[0]:
                at = queue.popleft()
                shown[at], picture = min(before, now, key=lambda p, at=at: abs(p[0] - wanted[at]))
                if frames is None:
                    frames = np.empty((len(wanted), *shape_of(picture), 3), np.uint8)
                frames[at] = upright(picture, frames.shape[1:3])  # keep no other copy: its memory is reused
            if not queue:
                break
            before = now
    return frames, shown


def _read_folder(files: list[Path], wanted: np.ndarray, fps: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the frames nearest to the `wanted` times, and their times, as `read_frames` does."""
    places, frames = np.clip(np.rint(wanted * fps), 0, len(files) - 1).astype(int), None
    for place in np.unique(places):
        picture = still(files[place])
        if frames is None:
            frames = np.empty((len(wanted), *shape_of(picture), 3), np.uint8)
        frames[places == place] = upright(picture, frames.shape[1:3])
    return frames, places / fps


def verify(path: str | Path) -> None:
    """Decode the sound and the picture of a file, or every picture of a folder, from beginning to end.

    Raises
    ------
    MediaError
        If the file is missing, empty or unreadable, has neither sound nor picture, ends before its header
        says, or has a stream that decodes to nothing or to samples that are no numbers.
    """
    if Path(path).is_dir():
        collections.deque(map(still, sequence(path)), maxlen=0)
        return
    with opened(path) as container:
        picture, sound = find(container, "video"), find(container, "audio")
        if picture is None and sound is None:
            raise MediaError(f"{path}: expected a sound or a picture stream, found {kinds(container)}")
        if picture is not None:
            collections.deque(pictures(path, container, stream_of(path, container, "video")), maxlen=0)
    if sound is not None:
        read_waveform(path)


def is_silent(waveform: np.ndarray) -> bool:
    """Tell whether a waveform is digital silence: no sample reaches `SILENCE` (1e-4, -80 dB full scale)."""
    return not len(waveform) or float(np.abs(waveform).max()) < SILENCE


def speech_span(waveform: np.ndarray, *, sample_rate: int = 16000) -> tuple[float, float]:
    """Return where the speech begins and ends, in s.

    Speech is where the `voice_level` is above its `voice_threshold`; 100 ms are added on either side for soft
    consonants.

    Returns
    -------
    start, end : float
        0 <= start < end <= n / sample_rate; the whole clip if it is silent or nothing stands out by 6 dB.
    """
    whole = (0.0, len(waveform) / sample_rate)
    window, hop = round(WINDOW * sample_rate), round(HOP * sample_rate)
    if len(waveform) < 2 * window or is_silent(waveform):
        return whole
    level = voice_level(waveform, sample_rate=sample_rate)
    spoken = np.flatnonzero(level > voice_threshold(level))
    if not len(spoken):
        return whole
    start, end = spoken[0] * hop / sample_rate - 0.1, (spoken[-1] * hop + window) / sample_rate + 0.1
    return max(0.0, float(start)), min(whole[1], float(end))


def write_clip(
    path: str | Path,
    frames: np.ndarray | None,
    waveform: np.ndarray | None,
    *,
    fps: float = 30,
    sample_rate: int = 16000,
) -> Path:
    """Write an mp4 with H.264 picture (yuv420p) and AAC sound, either of which may be None; return its path.

    `frames` are (t, h, w, 3) uint8 RGB (an odd width or height loses its last column or row, since yuv420p
    has none), `waveform` is (n,) float32 in [-1, 1] at a rate that AAC knows (16000, 22050, 44100, 48000 Hz).
    The file gets its name when it is complete, so that a broken run leaves no half clip.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with av.open(str(part), "w", format="mp4") as container:
            streams = []
            if frames is not None:
                streams.append(_picture_stream(container, frames, Fraction(fps).limit_denominator(1001)))
            if waveform is not None:
                streams.append(_sound_stream(container, waveform, sample_rate))
            for stream, pieces in streams:
                for piece in chain(pieces, [None]):
                    container.mux(stream.encode(piece))
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _picture_stream(container, frames: np.ndarray, fps: Fraction):
    """Return a new picture stream and the pictures to encode with it."""
    options = {"preset": "veryfast", "crf": "20", "threads": "1"}
    stream = container.add_stream("libx264", rate=fps, pix_fmt="yuv420p", options=options)
    stream.height, stream.width = (side - side % 2 for side in frames.shape[1:3])
    even = (np.ascontiguousarray(frame[: stream.height, : stream.width]) for frame in frames)
    return stream, map(av.VideoFrame.from_ndarray, even)


def _sound_stream(container, waveform: np.ndarray, sample_rate: int):
    """Return a new sound stream and the samples to encode with it."""
    stream = container.add_stream("aac", rate=sample_rate, layout="mono")
    samples = av.AudioFrame.from_ndarray(np.float32(waveform)[None], format="fltp", layout="mono")
    samples.sample_rate, samples.pts = sample_rate, 0
    return stream, [samples]
