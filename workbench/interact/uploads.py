"""Files that a page sends to the kernel, piece by piece: no larger than allowed, under names that do no harm."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import WorkbenchError

PIECE = 1024 * 1024  # bytes: below what a Jupyter server lets through in one message
LIMIT = 200_000_000  # bytes a file


def readable(n_bytes: int) -> str:
    """Return a number of bytes in words, such as `3.2 MB`."""
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e5 else f"{n_bytes / 1e3:.1f} kB"


def harmless(name: str) -> str:
    """Return a file's name without folders and without characters that mean something to a system."""
    name = re.sub(r"[^\w .()\[\]+-]", "_", Path(name.replace("\\", "/")).name).strip(". ")
    return name[-120:] or "file"


@dataclass
class Upload:
    """A file on its way: where it goes, what the page called it, its size in bytes, how much of it is there."""

    path: Path
    name: str
    size: int
    received: int = 0


class Inbox:
    """A folder of this kernel's own, gone with it, and what is on its way there.

    Parameters
    ----------
    limit : int
        Bytes that a file may have.
    """

    def __init__(self, limit: int = LIMIT):
        self.limit, self._folder, self._coming, self._n = limit, None, {}, 0

    @property
    def folder(self) -> Path:
        """The folder, made when it is first needed."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="workbench-inbox-")
        return Path(self._folder.name)

    def place(self, name: str) -> Path:
        """Return a path for a file of this name that no other has."""
        self._n += 1
        folder = self.folder / f"{self._n:03d}"
        folder.mkdir()
        return folder / harmless(name)

    def begin(self, key: str, name: str, size: int) -> None:
        """Announce a file.

        Raises
        ------
        WorkbenchError
            If it is empty, or larger than allowed.
        """
        name = harmless(name)
        if size <= 0:
            raise WorkbenchError(f"{name}: expected a recording, found a file of zero bytes")
        if size > self.limit:
            raise WorkbenchError(
                f"{name}: {readable(size)} is more than the {readable(self.limit)} allowed for one file"
            )
        self._coming[key] = Upload(self.place(name), name, size)

    def add(self, key: str, piece: bytes) -> int:
        """Add a piece to a file; return how many bytes of it are there.

        Raises
        ------
        WorkbenchError
            If it was not announced, or becomes larger than announced.
        """
        if key not in self._coming:
            raise WorkbenchError("a piece of a file came that was not announced: send the file again")
        upload = self._coming[key]
        if upload.received + len(piece) > upload.size:
            self.drop(key)
            raise WorkbenchError(f"{upload.name}: more came than the {readable(upload.size)} announced")
        with upload.path.open("ab") as file:
            file.write(piece)
        upload.received += len(piece)
        return upload.received

    def end(self, key: str) -> Upload:
        """Return a file that is there.

        Raises
        ------
        WorkbenchError
            If part of it is missing.
        """
        upload = self._coming.pop(key, None)
        if upload is None:
            raise WorkbenchError("a file ended that was not announced: send it again")
        if upload.received < upload.size:
            upload.path.unlink(missing_ok=True)
            raise WorkbenchError(
                f"{upload.name}: {readable(upload.received)} of {readable(upload.size)} came: send it again"
            )
        return upload

    def drop(self, key: str) -> None:
        """Forget a file that is on its way."""
        if upload := self._coming.pop(key, None):
            upload.path.unlink(missing_ok=True)

    def discard(self, path: str | Path) -> None:
        """Remove a file that is here; one of another folder stays."""
        if self._folder is not None and Path(path).is_relative_to(self.folder):
            Path(path).unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove every file."""
        self._coming.clear()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None
