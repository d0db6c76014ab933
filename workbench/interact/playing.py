"""Recordings as a browser plays them: whatever FFmpeg reads becomes a small mp4 with H.264 picture and AAC sound."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from workbench import media
from workbench._container import opened, pictures, stream_of
from workbench.errors import MediaError

HEIGHT = 480  # pixels at most: a player in a page is no larger
SAMPLE_RATE = 48000  # Hz
TICKS = 90000  # a second, of the pictures' times
LONGEST = 300.0  # s: a page is no place for a whole film


def span(clip: Mapping) -> tuple[float, float | None]:
    """Return where a clip lies in its files, in s; None for the end of the file."""
    start, end = clip.get("start"), clip.get("end")
    known = [None if time is None or np.isnan(time) else float(time) for time in (start, end)]
    return known[0] or 0.0, known[1]


def movie(clip: Mapping, out: str | Path, *, height: int = HEIGHT) -> Path:
    """Write what is seen and heard of a clip as an mp4 that browsers play; return its path.

    Times start at 0 with the clip, and pictures keep theirs. The picture is shrunk to `height`, never enlarged. Beyond
    300 s it is cut.

    Parameters
    ----------
    clip : mapping
        `path` (a film or a folder of numbered pictures) and `audio_path`, either of which may be '' or absent;
        `start`, `end` in s; `fps` of a folder. Sound is taken from `audio_path`, which is what models hear.
    height : int
        Pixels.

    Raises
    ------
    MediaError
        If a file is unreadable, or the clip has neither a moving picture nor a sound.
    """
    out = Path(out)
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    path, sound = clip.get("path") or "", clip.get("audio_path") or ""
    begin, end = span(clip)
    until = min(begin + LONGEST, np.inf if end is None else end)
    if not path and not sound:
        raise MediaError(f"clip {clip.get('clip', '')!r}: expected a film or a sound, found no file")
    try:
        with av.open(str(part), "w", format="mp4", options={"movflags": "faststart"}) as container:
            picture = _picture_stream(container, path, clip, height) if path else None
            speech = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono") if sound else None
            if picture:
                for frame in _frames(path, begin, until, clip, (picture.width, picture.height)):
                    container.mux(picture.encode(frame))
                container.mux(picture.encode(None))
            if speech:
                container.mux(speech.encode(_samples(sound, begin, until)))
                container.mux(speech.encode(None))
        os.replace(part, out)
    finally:
        part.unlink(missing_ok=True)
    return out


def _picture_stream(container, path: str, clip: Mapping, height: int):
    found = media.probe(path, fps=clip.get("fps") or media.FPS)
    rate = Fraction(min(max(found.fps, 1.0), 120.0) if found.fps else 30.0).limit_denominator(1001)
    options = {"preset": "veryfast", "crf": "24", "threads": "1"}
    stream = container.add_stream("libx264", rate=rate, pix_fmt="yuv420p", options=options)
    scale = min(1.0, height / found.height)
    stream.width, stream.height = (max(2, 2 * round(scale * side / 2)) for side in (found.width, found.height))
    stream.codec_context.time_base = stream.time_base = Fraction(1, TICKS)
    stream.codec_context.gop_size = 24  # so that a cursor can be moved to any place at once
    return stream


def _frames(path: str, begin: float, until: float, clip: Mapping, size: tuple[int, int]) -> Iterator[av.VideoFrame]:
    """Yield the pictures between two times, upright, of a (width, height), their times counted from the first one."""
    last = -1
    for time, picture in _shown(path, begin, until, clip):
        ticks = round(max(0.0, time - begin) * TICKS)
        if ticks <= last:
            continue
        if picture.rotation:
            turned = np.rot90(picture.to_ndarray(format="rgb24"), picture.rotation // 90)
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(turned))
        frame = picture.reformat(*size, format="yuv420p", threads=1)
        frame.pts, frame.time_base, last = ticks, Fraction(1, TICKS), ticks
        yield frame


def _shown(path: str, begin: float, until: float, clip: Mapping) -> Iterator[tuple[float, av.VideoFrame]]:
    """Yield (time, picture) from `begin` on, up to `until`."""
    if Path(path).is_dir():
        fps = clip.get("fps") or media.FPS
        times = np.arange(begin, min(until, media.probe(path, fps=fps).duration), 1 / fps)
        for time in times:
            yield float(time), av.VideoFrame.from_ndarray(media.read_frames(path, [time], fps=fps)[0][0])
        return
    with opened(path) as container:
        for time, picture in pictures(path, container, stream_of(path, container, "video")):
            if time >= until:
                return
            if time >= begin - 1e-6:
                yield time, picture


def _samples(path: str, begin: float, until: float) -> av.AudioFrame:
    waveform = media.read_waveform(path, sample_rate=SAMPLE_RATE)
    last = None if np.isinf(until) else round(until * SAMPLE_RATE)
    frame = av.AudioFrame.from_ndarray(waveform[round(begin * SAMPLE_RATE) : last][None], format="fltp", layout="mono")
    frame.sample_rate, frame.pts = SAMPLE_RATE, 0
    return frame
