"""Long recordings made of short ones, to show and to measure what a timeline does."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path

import av
import cv2
import numpy as np

from workbench import media
from workbench.errors import WorkbenchError

SAMPLE_RATE = 16000


def stage(
    columns: Sequence[Sequence[str | Path]],
    path: str | Path,
    *,
    seconds: float,
    size: tuple[int, int] = (640, 480),
    fps: int = 25,
) -> Path:
    """Write an mp4 (H.264, AAC) in which clips follow each other, in columns side by side; return its path.

    Parameters
    ----------
    columns : sequence of sequences of paths
        The clips of each column, played in turn, over and over; all with picture and sound.
    path : str or Path
    seconds : float
        About how long it gets: it ends with the round of clips in which this is reached.
    size : (width, height)
        Pixels, even, of a column; clips are fitted in, their shape kept.

    Raises
    ------
    WorkbenchError
        If there is no clip.
    MediaError
        If a clip cannot be read.
    """
    if not columns or not all(columns):
        raise WorkbenchError("expected at least one clip in each column")
    path, n_clips = Path(path), max(map(len, columns))
    once, part = path.with_name(f".{path.name}.once.part"), path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        _encode([list(islice(cycle(column), n_clips)) for column in columns], once, size, fps)
        _repeat(once, part, seconds)
        os.replace(part, path)
    finally:
        once.unlink(missing_ok=True)
        part.unlink(missing_ok=True)
    return path


def _encode(columns: list[list], path: Path, size: tuple[int, int], fps: int) -> None:
    """Write one round of the clips."""
    width, height = size[0] * len(columns), size[1]
    options = {"preset": "ultrafast", "crf": "23", "bf": "0", "g": str(2 * fps)}
    with av.open(str(path), "w", format="mp4") as out:
        film = out.add_stream("libx264", rate=fps, width=width, height=height, pix_fmt="yuv420p", options=options)
        sound, n = out.add_stream("aac", rate=SAMPLE_RATE, layout="mono"), 0
        for clips in zip(*columns, strict=True):
            frames, waveform = _together(clips, size, fps)
            for frame in frames:
                out.mux(film.encode(av.VideoFrame.from_ndarray(frame)))
            samples = av.AudioFrame.from_ndarray(waveform[None], format="fltp", layout="mono")
            samples.sample_rate, samples.pts = SAMPLE_RATE, n
            n += len(waveform)
            out.mux(sound.encode(samples))
        for stream in (film, sound):
            out.mux(stream.encode(None))


def _together(clips: Sequence, size: tuple[int, int], fps: int) -> tuple[Iterator[np.ndarray], np.ndarray]:
    """Return clips side by side: frames, and their sounds added up, (n,) float32 in [-1, 1], equally long."""
    sounds = [media.read_waveform(clip, sample_rate=SAMPLE_RATE) for clip in clips]
    n_frames = max(1, min(len(one) for one in sounds) * fps // SAMPLE_RATE)
    times = (np.arange(n_frames) + 0.5) / fps
    films = [[_fitted(frame, size) for frame in media.read_frames(clip, times)[0]] for clip in clips]
    waveform = sum(one[: n_frames * SAMPLE_RATE // fps] for one in sounds)
    return (np.hstack(frames) for frames in zip(*films, strict=True)), np.clip(waveform, -1, 1).astype(np.float32)


def _fitted(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return a frame fitted into (width, height), its shape kept, black around it."""
    scale = min(size[0] / frame.shape[1], size[1] / frame.shape[0])
    width, height = round(frame.shape[1] * scale), round(frame.shape[0] * scale)
    fitted = np.zeros((size[1], size[0], 3), np.uint8)
    top, left = (size[1] - height) // 2, (size[0] - width) // 2
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    fitted[top : top + height, left : left + width] = cv2.resize(frame, (width, height), interpolation=how)
    return fitted


def _repeat(source: Path, path: Path, seconds: float) -> None:
    """Write what is in a file over and over, without encoding it anew, until `seconds` are reached."""
    with av.open(str(path), "w", format="mp4") as out:
        streams, begin = None, 0.0
        while begin < seconds:
            with av.open(str(source)) as one:
                film, sound = one.streams.video[0], one.streams.audio[0]
                streams = streams or {s.index: out.add_stream_from_template(s) for s in (film, sound)}
                for packet in one.demux(film, sound):
                    if packet.dts is not None and packet.dts >= 0:  # an encoder's run-up would lie in the round before
                        shift = round(begin / packet.time_base)
                        packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                        packet.stream = streams[packet.stream.index]
                        out.mux(packet)
                begin += max(float(stream.duration * stream.time_base) for stream in (film, sound)) + 1 / SAMPLE_RATE
