"""A guest of the model process: sends pictures and sound, gets answers. Starts the process where there is none."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path

import workbench
from workbench import runs
from workbench.errors import WorkbenchError
from workbench.interact.live.protocol import MESSAGE_BYTES, Room, pack, unpack

# One thread: guests share the cores, and small networks gain little from more. Larger pictures are not even unpacked.
SURROUNDINGS = {"OMP_NUM_THREADS": "1", "OPENCV_IO_MAX_IMAGE_PIXELS": str(1920 * 1080)}
GONE = "the model process has ended this session (it was idle for long, or was stopped): start again"


class Guest:
    """A session in the model process; `with` it, or close it at the end.

    `about` says what the process answered with: `run`, `classes`, `inputs`, `pid`, `seconds`.
    """

    def __init__(self, connection: Connection):
        self.connection, self.about = connection, {}

    def begin(self, *, seconds: float = 3.0) -> Guest:
        """Take a place. Until then one is no guest, and keeps the process alive without counting.

        Raises
        ------
        WorkbenchError
            If all places are taken.
        """
        self.about = self.ask({"ask": "begin", "seconds": seconds})
        return self

    def step(
        self, time: float, picture: bytes | None = None, sound: bytes | None = None, *, sample_rate: int = 16000
    ) -> dict:
        """Return the answer (`Session.step`) after a JPEG and 16-bit PCM that came until `time` s.

        Raises
        ------
        WorkbenchError
            For a picture or sound beyond the limits, or when the process has ended.
        """
        parts = {name: part for name, part in (("picture", picture), ("sound", sound)) if part is not None}
        header = {"ask": "step", "time": time, "sample_rate": sample_rate, "has": list(parts)}
        return self.ask(header, *parts.values())

    def count(self) -> int:
        """Return how many guests the process has."""
        return self.ask({"ask": "count"})["guests"]

    def room(self) -> int:
        """Return how many guests the process takes."""
        return self.ask({"ask": "count"})["max_guests"]

    def ask(self, header: dict, *parts: bytes) -> dict:
        """Send a message and return the answer."""
        message = pack(header, *parts)
        if len(message) > MESSAGE_BYTES:
            raise WorkbenchError(f"a picture and sound of {len(message)} bytes: expected at most {MESSAGE_BYTES}")
        try:
            self.connection.send_bytes(message)
            answer, _ = unpack(self.connection.recv_bytes())
        except (OSError, EOFError):
            raise WorkbenchError(GONE) from None
        if "error" in answer:
            raise WorkbenchError(answer["error"])
        return answer

    def close(self) -> None:
        """Leave."""
        self.connection.close()

    def __enter__(self) -> Guest:
        return self

    def __exit__(self, *_) -> None:
        self.close()


def connect(run: runs.Run, *, max_guests: int = 4, minutes: float = 60, wait: float = 90, linger: float = 10) -> Guest:
    """Return a connection to the model process of a run, which is started if there is none.

    Parameters
    ----------
    run : Run
        A finished one of the light model.
    max_guests, minutes, linger : as `server.Server` takes them; they count only where the process is started now.
    wait : float
        Seconds that the process may take to start.

    Raises
    ------
    WorkbenchError
        If the run cannot be asked live, or the process does not start.
    """
    room = Room(run)
    connection = room.knock()
    if connection is None:
        with room.locked():
            connection = room.knock() or _start(
                room, wait, {"guests": max_guests, "minutes": minutes, "linger": linger}
            )
    return Guest(connection)


def _start(room: Room, wait: float, limits: dict) -> Connection:
    """Start the model process and return a connection to it."""
    room.prepare()
    here = str(Path(workbench.__file__).parents[1])
    path = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
    words = [str(room.run.folder.resolve()), *(f"--{name}={value}" for name, value in limits.items())]
    with room.log.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "workbench.interact.live.server", *words],
            env={**os.environ, **SURROUNDINGS, "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    end = time.monotonic() + wait
    while time.monotonic() < end and process.poll() is None:
        if (connection := room.knock()) is not None:
            return connection
        time.sleep(0.05)
    process.kill()
    said = room.log.read_text().strip().splitlines() or [f"it did not answer within {wait:.0f} s"]
    raise WorkbenchError(f"the model process did not start: {said[-1]} (all it said: {room.log})")
