"""Recordings as FFmpeg opens them: streams, pictures in order, and one `MediaError` for whatever is wrong.

A recording is a film, a sound, a still picture, or a folder of numbered pictures.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import av
import numpy as np

from workbench.errors import MediaError

# s: a sound that goes on later than this has a hole; shorter ones are the clock of the container.
HOLE = 0.1
# What a still picture, or one of a folder, may be called.
PICTURES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp")
# Formats whose header tells the length and does not guess it.
STATES_LENGTH = ("mov,mp4", "matroska", "flv", "flac", "wav")
POINTER = b"version https://git-lfs.github.com/spec/v1"  # how a pointer begins
# A playlist in disguise must not reach for the network.
LOCAL = {"protocol_whitelist": "file,crypto,data"}
# A still picture is either whole or of no use; a film may do without a frame. (Sound tiffs would fail, too.)
STRICT, STRICTLY = {"err_detect": "crccheck+explode"}, ("mjpeg", "png")


@contextmanager
def opened(path: str | Path) -> Iterator[av.container.InputContainer]:
    """Open a file for reading; all that FFmpeg finds wrong, then or while decoding, becomes a MediaError."""
    path = Path(path)
    if not path.is_file():
        found = "a folder" if path.exists() else "no such file"
        raise MediaError(f"{path}: expected a recording, found {found}")
    try:
        if path.stat().st_size == 0:
            raise MediaError(f"{path}: expected a recording, found a file of zero bytes")
        with ExitStack() as stack:
            # By its name, FFmpeg would take `photo%2d[1].png` for a pattern that stands for many files.
            picture = path.suffix.lower() in PICTURES
            source = stack.enter_context(path.open("rb")) if picture else f"file:{path}"
            yield stack.enter_context(av.open(source, container_options=LOCAL, metadata_errors="ignore"))
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        said = "found a Git LFS pointer: run `git lfs pull`" if is_pointer(path) else f"but FFmpeg says: {reason}"
        raise MediaError(f"{path}: expected a recording that decodes, {said}") from error


def is_pointer(path: Path) -> bool:
    """Return whether a file is what Git LFS leaves in the place of one that was not brought."""
    try:
        with path.open("rb") as file:
            return file.read(len(POINTER)) == POINTER
    except OSError:
        return False


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


def is_still(container) -> bool:
    """Tell whether an open file is a single picture."""
    return container.format.name == "image2" or container.format.name.endswith("_pipe")


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


def check_picture(path: str | Path) -> None:
    """Raise MediaError if a jpg or png lacks its end, which decoders make up for without a word."""
    content, start, end = Path(path).read_bytes(), 0, b""
    if content.startswith(b"\x89PNG"):
        end = b"IEND"
    elif content.startswith(b"\xff\xd8"):
        start, end = 2, b"\xff\xd9"
        while content[start : start + 1] == b"\xff" and content[start : start + 2] != b"\xff\xda":
            # Step over what stands before the picture: among it may be a preview with an end of its own.
            start += 2 + int.from_bytes(content[start + 2 : start + 4], "big")
    if content.find(end, start) < 0:
        raise MediaError(f"{path}: expected a whole picture, found one without its end: cut short?")


def pictures(path: str | Path, container, stream) -> Iterator[tuple[float, av.VideoFrame]]:
    """Yield (time in s, picture) in order, one at 0 s of a still; MediaError if none decodes or the end is missing."""
    if is_still(container):
        check_picture(path)
        if stream.codec_context.name in STRICTLY:
            stream.codec_context.options = STRICT
    start, step = (container.start_time or 0) / av.time_base, float(1 / (stream.average_rate or 25))
    time = None
    for picture in container.decode(stream):
        if picture.time is not None:
            time = picture.time - start
        else:
            time = 0.0 if time is None else time + step
        yield time, picture
        if is_still(container):
            return
    if time is None:
        raise MediaError(f"{path}: expected a picture, found a stream of which no frame decodes")
    check_whole(path, container, stream, time + step)


def shape_of(picture: av.VideoFrame) -> tuple[int, int]:
    """Return the (height, width) of a picture when it is turned as the file says."""
    shape = (picture.height, picture.width)
    return shape[::-1] if picture.rotation % 180 else shape


def upright(picture: av.VideoFrame, shape: tuple[int, int]) -> np.ndarray:
    """Convert a picture to RGB, turned as the file says and of the given (height, width)."""
    height, width = shape[::-1] if picture.rotation % 180 else shape
    rgb = picture.reformat(width, height, format="rgb24", threads=1).to_ndarray()
    return np.rot90(rgb, picture.rotation // 90)


def mono(container, stream) -> Iterator[np.ndarray]:
    """Yield the samples of a sound stream, mixed to mono, float32: first zeros for as long as it sets in late.

    Where it breaks off and goes on later, as when packets were lost on the way, zeros stand for what is missing.
    """
    planar, rate, n_samples = av.AudioResampler(format="fltp"), stream.rate, None
    start, most = (container.start_time or 0) / av.time_base, (container.duration or np.inf) / av.time_base
    for frame in container.decode(stream):
        begins = n_samples if frame.time is None else round(min(frame.time - start, most) * rate)
        if n_samples is None:
            n_samples = max(0, begins or 0)
            yield np.zeros(n_samples, np.float32)
        while (missing := (begins or 0) - n_samples) > HOLE * rate:
            silence = np.zeros(min(missing, rate), np.float32)  # no more at a time, however long it is
            n_samples += len(silence)
            yield silence
        for block in planar.resample(frame):
            samples = block.to_ndarray().mean(axis=0)
            n_samples += len(samples)
            yield samples


def length(container) -> float:
    """Return how long an open file is, s.

    Where the header does not say, as of what browsers record, it is read through to its last packet.
    """
    if container.duration:
        return container.duration / av.time_base
    ends = [float((p.pts + (p.duration or 0)) * p.time_base) for p in container.demux() if p.pts is not None]
    start = (container.start_time or 0) / av.time_base
    return max(0.0, max(ends, default=start) - start)


def still(path: str | Path) -> av.VideoFrame:
    """Return the picture in a file, the first one of a film; MediaError if it is missing or damaged."""
    with opened(path) as container:
        return next(picture for _, picture in pictures(path, container, stream_of(path, container, "video")))


def sequence(folder: str | Path) -> list[Path]:
    """Return the numbered pictures of a folder in the order of their numbers (the last one in each name).

    Hidden files and files that are no pictures do not count.

    Raises
    ------
    MediaError
        If there is no picture, one without a number, or two with the same.
    """
    found = [p for p in Path(folder).iterdir() if p.suffix.lower() in PICTURES and not p.name.startswith(".")]
    if not found:
        raise MediaError(f"{folder}: expected a recording, found a folder without pictures ({', '.join(PICTURES)})")
    numbered: dict[int, Path] = {}
    for path in sorted(found):
        digits = re.findall(r"[0-9]+", path.stem)
        if not digits:
            raise MediaError(f"{folder}: expected numbered pictures, found {path.name!r}")
        other = numbered.setdefault(int(digits[-1]), path)
        if other != path:
            raise MediaError(f"{folder}: expected numbered pictures, found two of number {digits[-1]}: "
                             f"{other.name!r} and {path.name!r}")  # fmt: skip
    return [numbered[number] for number in sorted(numbered)]
