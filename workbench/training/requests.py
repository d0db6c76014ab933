"""What somebody asks of a training under way, by a file: to pause or to stop. Both end at a checkpoint.

A file and no signal: whoever asks may be another process, another machine that shares the data folder, or a page whose
kernel has long gone; and what is asked may be a worker of several, or a thread.
"""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

from workbench.errors import Stopped, choose

WAYS = ("pause", "stop")
EVERY = 0.25  # seconds between two looks at the file


class Requests:
    """The file `folder/request`, which holds `pause` or `stop`, or is not there.

    Parameters
    ----------
    folder : Path
        Where somebody asks. Whoever waits there, for the pause to end, leaves a file `held-...` meanwhile.
    """

    def __init__(self, folder: Path):
        self.folder, self.path = Path(folder), Path(folder) / "request"
        self.last, self.next, self.waited = "", 0.0, 0.0

    def __reduce__(self):
        return Requests, (self.folder,)

    def ask(self, way: str) -> None:
        """Ask for a `pause` or a `stop`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(f".{os.getpid()}.part")
        part.write_text(choose("request", way, WAYS))
        os.replace(part, self.path)

    def withdraw(self) -> None:
        """Ask for nothing any more: what is paused goes on."""
        self.path.unlink(missing_ok=True)

    def asked(self) -> str:
        """Return what is asked for, '' for nothing; the file is looked at a few times a second at most."""
        now = time.monotonic()
        if now >= self.next:
            self.last, self.next = self._read(), now + EVERY
        return self.last

    def heed(self) -> None:
        """Wait while a pause is asked for.

        Raises
        ------
        Stopped
            If a stop is.
        """
        if self.asked() == "pause":
            held = self.folder / f"held-{socket.gethostname()}-{os.getpid()}"
            held.touch()
            began = time.perf_counter()
            try:
                while self.asked() == "pause":
                    time.sleep(EVERY)
            finally:
                held.unlink(missing_ok=True)
                self.waited += time.perf_counter() - began
        if self.asked() == "stop":
            raise Stopped

    def clock(self) -> float:
        """Return a time, s, that stands still in a pause."""
        return time.perf_counter() - self.waited

    @property
    def held(self) -> bool:
        """Whether somebody waits for a pause to end."""
        return any(self.folder.glob("held-*"))

    def _read(self) -> str:
        try:
            return self.path.read_text().strip()
        except FileNotFoundError:
            return ""
