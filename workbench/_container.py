"""Recordings as FFmpeg opens them: streams, pictures in order, and one `MediaError` for whatever is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av

from workbench.errors import MediaError

# Formats whose header tells the length and does not guess it.
STATES_LENGTH = ("mov,mp4", "matroska", "flv", "flac", "wav")
# A playlist in disguise must not reach for the network.
LOCAL = {"protocol_whitelist": "file,crypto,data"}


@contextmanager
def opened(path: str | Path) -> Iterator[av.container.InputContainer]:
    """Open a file for reading; all that FFmpeg finds wrong, then or while decoding, becomes a MediaError."""
    path = Path(path)
    if not path.is_file():
        found = "a folder" if path.exists() else "no such file"
        raise MediaError(f"{path}: expected a recording, found {found}")
    if path.stat().st_size == 0:
        raise MediaError(f"{path}: expected a recording, found a file of zero bytes")
    try:
        with av.open(str(path), container_options=LOCAL, metadata_errors="ignore") as container:
            yield container
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise MediaError(f"{path}: expected a recording that decodes, but FFmpeg says: {reason}") from error


def find(container, kind: str):
    """Return the first stream of `kind` ('audio' or 'video') that is no cover picture, or None."""
    cover = av.stream.Disposition.attached_pic
    return next((s for s in getattr(container.streams, kind) if not s.disposition & cover), None)


def kinds(container) -> str:
    """Return the kinds of stream a container has, for a message."""
    return ", ".join(sorted({stream.type for stream in container.streams})) or "none"


def stream_of(path: str | Path, container, kind: str):
    """Return the first stream of `kind`, set to decode in one thread; MediaError if there is none."""
    stream = find(container, kind)
    wanted = {"audio": "a sound", "video": "a picture"}[kind]
    if stream is None:
        raise MediaError(f"{path}: expected {wanted} stream, found {kinds(container)}")
    if stream.codec_context is None:
        raise MediaError(f"{path}: expected {wanted} stream that FFmpeg can decode, found an unknown codec")
    stream.thread_type, stream.thread_count = "NONE", 1
    return stream


def check_whole(path: str | Path, container, stream, end: float) -> None:
    """Raise MediaError if decoding ended at `end` s, well before what a trustworthy header announces.

    Nine tenths of the stream's own length have to be there (a frame too many is often announced), or half of
    the container's where only that is known: picture and sound need not be equally long.
    """
    if not container.format.name.startswith(STATES_LENGTH):
        return
    if stream.duration is not None:
        announced, share = float(stream.duration * stream.time_base), 0.9
    else:
        announced, share = (container.duration or 0) / av.time_base, 0.5
    if end < share * announced - 0.1:
        kind = stream.type
        raise MediaError(f"{path}: expected {announced:.2f} s of {kind}, found {end:.2f} s: cut short?")
    with open(path, "rb") as file:  # FFmpeg believes the size of a wav file rather than its header
        riff, size = file.read(4), int.from_bytes(file.read(4), "little") + 8
    found = Path(path).stat().st_size
    if riff == b"RIFF" and found < 0.9 * size < 0.9 * 2**32:
        raise MediaError(f"{path}: expected {size} bytes by its header, found {found}: cut short?")


def pictures(path: str | Path, container, stream) -> Iterator[tuple[float, av.VideoFrame]]:
    """Yield (time in s, picture) in order; MediaError if nothing decodes or the end is missing."""
    start, step = (container.start_time or 0) / av.time_base, float(1 / (stream.average_rate or 25))
    time = None
    for picture in container.decode(stream):
        if picture.time is not None:
            time = picture.time - start
        else:
            time = 0.0 if time is None else time + step
        yield time, picture
    if time is None:
        raise MediaError(f"{path}: expected a picture, found a stream of which no frame decodes")
    check_whole(path, container, stream, time + step)
