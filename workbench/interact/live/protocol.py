"""What guests and the model process say to each other: JSON and raw bytes over a private socket, within limits.

A message is one JSON object followed by any number of parts of bytes; nothing that arrives is ever unpickled. The
socket and its key lie in a folder that only this user can enter.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import stat
import struct
import tempfile
from collections.abc import Iterator
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection
from pathlib import Path

import cv2
import numpy as np

from workbench import runs
from workbench.errors import WorkbenchError
from workbench.recipes import digest

MESSAGE_BYTES = 4 * 2**20  # of one message, all parts
PICTURE_PIXELS = 1920 * 1080
SOUND_SECONDS = 2.0
SAMPLE_RATES = (8000, 192_000)  # Hz


def pack(header: dict, *parts: bytes) -> bytes:
    """Return a message of a JSON-able header and parts of bytes."""
    head = json.dumps(header | {"parts": [len(part) for part in parts]}).encode()
    return b"".join((struct.pack("<I", len(head)), head, *parts))


def unpack(message: bytes) -> tuple[dict, list[bytes]]:
    """Return a message's header and parts.

    Raises
    ------
    WorkbenchError
        If it is not one that `pack` made.
    """
    try:
        (n_head,) = struct.unpack_from("<I", message)
        header, at, parts = json.loads(message[4 : 4 + n_head]), 4 + n_head, []
        for size in header.pop("parts"):
            parts.append(message[at : at + size])
            at += size
        if at != len(message):
            raise ValueError(f"{len(message)} bytes, expected {at}")
    except (struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WorkbenchError(f"a message that cannot be read: {error}") from None
    return header, parts


def picture_of(jpeg: bytes) -> np.ndarray:
    """Return the picture (h, w, 3) uint8 RGB in a JPEG.

    Raises
    ------
    WorkbenchError
        If it is none, or has more than 1920 x 1080 pixels.
    """
    try:
        picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR) if jpeg[:2] == b"\xff\xd8" else None
    except cv2.error:
        picture = None
    if picture is None:
        raise WorkbenchError(f"picture: expected a JPEG of at most 1920 x 1080 pixels, found {len(jpeg)} other bytes")
    if (n_pixels := picture.shape[0] * picture.shape[1]) > PICTURE_PIXELS:
        raise WorkbenchError(f"picture: expected at most 1920 x 1080 pixels, found {n_pixels}")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def sound_of(pcm: bytes, sample_rate: int) -> np.ndarray:
    """Return the samples (n,) int16 in little-endian PCM, mono.

    Raises
    ------
    WorkbenchError
        For a sample rate that no microphone has, half a sample, or more than two seconds at once.
    """
    lowest, highest = SAMPLE_RATES
    if not isinstance(sample_rate, int | float) or not lowest <= sample_rate <= highest:
        raise WorkbenchError(f"sound at {sample_rate!r} Hz: expected {lowest} to {highest}")
    if len(pcm) % 2 or len(pcm) > 2 * SOUND_SECONDS * sample_rate:
        found = f"{len(pcm)} bytes at {sample_rate} Hz"
        raise WorkbenchError(f"sound: expected 16-bit samples of at most {SOUND_SECONDS:.0f} s, found {found}")
    return np.frombuffer(pcm, "<i2")


class Room:
    """Where the guests of one run find its model process: a socket, a key and a log in a private folder.

    Raises
    ------
    WorkbenchError
        If the folder belongs to somebody else, or others can enter it.
    """

    def __init__(self, run: runs.Run):
        self.run = run
        folder, name = _private(), digest([str(run.folder.resolve()), (run.folder / "done").stat().st_mtime_ns])
        self.socket, self.key, self.log, self.lock = (
            folder / f"{name}.{kind}" for kind in ("sock", "key", "log", "lock")
        )

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Let one process at a time start or end the model process."""
        with self.lock.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def prepare(self) -> None:
        """Clear away what a killed process left, and write a new key."""
        self.socket.unlink(missing_ok=True)
        self.key.unlink(missing_ok=True)
        with open(os.open(self.key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))

    def knock(self) -> Connection | None:
        """Return a connection to the model process, or None if there is no such process."""
        try:
            connection = Client(str(self.socket), "AF_UNIX", authkey=self.key.read_bytes())
            connection.send_bytes(pack({"ask": "count"}))  # a process that is just ending does not answer
            connection.recv_bytes()
        except (OSError, EOFError, AuthenticationError):
            return None
        return connection


def _private() -> Path:
    given = Path(os.environ.get("XDG_RUNTIME_DIR") or "")
    folder = (given if given.is_absolute() and given.is_dir() else Path(tempfile.gettempdir())) / (
        f"workbench-live-{os.getuid()}"
    )
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise WorkbenchError(f"{folder}: expected a folder that is yours alone (mode 700); remove it, or mend its mode")
    return folder
