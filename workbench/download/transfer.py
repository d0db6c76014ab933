"""One file over HTTP: resumed from where it stopped, verified, and named only when it is whole."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from workbench.download.listings import resolve
from workbench.errors import WorkbenchError
from workbench.remotes import Remote

if TYPE_CHECKING:
    import requests

CHUNK = 2**18
TIMEOUT = (10, 60)  # seconds to connect, seconds without a byte
PASSING = {408, 425, 429, 500, 502, 503, 504}  # answers after which it is worth asking again


def download(
    remote: Remote,
    folder: str | Path,
    *,
    progress: Callable = lambda items, **_: items,
    tries: int = 5,
    pause: float = 1.0,
) -> Path:
    """Bring a file into `folder` and return its path; a file that is there with the right checksum is kept.

    Bytes go into `<name>.part`, and `<name>.part.json` says of which file they are. A later call goes on from there
    if the server still has that file and can send a part of it, else from the start. The name is given when size
    and checksum are right.

    Parameters
    ----------
    remote : Remote
        What to bring; size and checksum come from its listing where it does not declare them.
    folder : str or Path
        Where to; made when missing.
    progress : callable
        ``progress(items, total=bytes, description=name, unit="B", done=bytes)`` is given the number of bytes of each
        step (negative when the server makes it start again), and `done` bytes that were there before.
    tries : int
        Attempts without a new byte, after which it gives up.
    pause : float
        Seconds before the second attempt, doubled before each further one.

    Raises
    ------
    WorkbenchError
        If the server refuses, breaks off again and again (the part is kept), or sends other bytes than declared (the
        part is removed); if the disk has no room; if another process is at the same file.
    """
    (remote,) = resolve([remote])
    folder = Path(folder).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    if holds(folder / remote.name, remote):
        return folder / remote.name
    part = folder / f"{remote.name}.part"
    try:
        with _claimed(part) as file:
            transfer = _Transfer(remote, part, file, tries=tries, pause=pause)
            try:
                with closing(transfer.steps()) as steps:
                    have = next(steps)
                    for _ in progress(steps, total=remote.size, description=remote.name, unit="B", done=have):
                        pass
                transfer.settle()
            finally:
                transfer.drop_if_empty()
    except OSError as error:
        raise WorkbenchError(f"cannot write {part}: {error}; what is there is kept") from None
    return folder / remote.name


def holds(path: Path, remote: Remote) -> bool:
    """Return whether `path` is the file that `remote` (with a checksum) declares."""
    if not path.is_file() or (remote.size is not None and path.stat().st_size != remote.size):
        return False
    return digest(path, remote.checksum.partition(":")[0]) == remote.checksum


def digest(path: Path, kind: str) -> str:
    """Return the checksum of a file, as `md5:<hex>` or `sha256:<hex>`."""
    with open(path, "rb") as file:
        return f"{kind}:{hashlib.file_digest(file, kind).hexdigest()}"


def _claimed(part: Path) -> BinaryIO:
    """Open the part for writing, for this process alone."""
    file = open(part, "ab")  # noqa: SIM115
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.stat(part).st_ino != os.fstat(file.fileno()).st_ino:
            raise OSError("renamed meanwhile")
    except OSError:
        file.close()
        raise WorkbenchError(f"another process is downloading {part}: wait for it to end") from None
    return file


class _Cut(Exception):
    """The connection ended early, or the server asks to come again."""

    def __init__(self, why: object, wait: float = 0):
        super().__init__(str(why))
        self.wait = wait


@dataclass
class _Transfer:
    """The state of one download: the part, what it belongs to, and how often it failed."""

    remote: Remote
    part: Path
    file: BinaryIO
    tries: int
    pause: float

    def __post_init__(self):
        self.sidecar = self.part.with_name(f"{self.part.name}.json")
        self.facts = {"url": self.remote.url, "size": self.remote.size, "checksum": self.remote.checksum}

    @property
    def have(self) -> int:
        """Bytes in the part."""
        return os.fstat(self.file.fileno()).st_size

    def steps(self) -> Iterator[int]:
        """Yield the bytes that are there at first, then the number of bytes of each step."""
        if not self._is_ours() or (self.remote.size is not None and self.have > self.remote.size):
            self._restart()
        yield self.have
        self._look_for_room()
        best, failures = self.have, 0
        while self.have != self.remote.size:
            try:
                yield from self._stretch()
                return
            except _Cut as cut:
                failures = 1 if self.have > best else failures + 1
                best = max(best, self.have)
                if failures >= self.tries:
                    kept = f"{self.have} of {self.remote.size or 'unknown'} bytes are kept in {self.part}"
                    raise WorkbenchError(
                        f"{self.remote.name}: {cut} ({failures} attempts at {self.remote.url}); "
                        f"{kept if self.have else 'nothing came'}, and the same command goes on from there"
                    ) from None
                time.sleep(max(cut.wait, self.pause * 2 ** (failures - 1)))

    def _stretch(self) -> Iterator[int]:
        """Ask for what is missing and write it; yield the number of bytes of each chunk."""
        import requests  # slow to import
        import urllib3

        asked = self.have
        try:
            with self._ask(asked) as answer:
                if asked and not self._goes_on(answer, asked):
                    if answer.status_code != 200:
                        answer.close()
                        self._restart()
                        yield -asked
                        raise _Cut("the server cannot send the rest of the file")
                    self._restart()
                    yield -asked
                self._note(answer)
                self._compare_sizes(answer)
                while chunk := answer.raw.read1(CHUNK, decode_content=True):  # what has come, not a full chunk
                    self.file.write(chunk)
                    self.file.flush()
                    yield len(chunk)
                    if self.remote.size is not None and self.have > self.remote.size:
                        return
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            reason = getattr(error.args[0] if error.args else error, "reason", error)
            raise _Cut(f"the connection broke off ({type(reason).__name__}: {reason})") from None
        if self.remote.size is not None and self.have < self.remote.size:
            raise _Cut("the connection ended early")

    def _ask(self, start: int) -> requests.Response:
        """Send the request; return an answer with 200, 206 or 416."""
        import requests

        headers = {"Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
            tag = self._noted().get("etag", "")
            if tag and not tag.startswith("W/"):
                headers["If-Range"] = tag
        answer = requests.get(self.remote.url, headers=headers, stream=True, timeout=TIMEOUT)
        if answer.status_code in PASSING:
            wait = answer.headers.get("Retry-After", "")
            answer.close()
            raise _Cut(
                f"the server answered {answer.status_code} {answer.reason}",
                min(float(wait), 60) if wait.isdecimal() else 0,
            )
        if answer.status_code not in (200, 206, 416):
            answer.close()
            raise WorkbenchError(
                f"{self.remote.name}: the server answered {answer.status_code} {answer.reason} for {self.remote.url}"
            )
        return answer

    def _goes_on(self, answer: requests.Response, start: int) -> bool:
        """Return whether the answer is the rest, from `start` on, of the file whose beginning is here."""
        noted, total = self._noted(), answer.headers.get("Content-Range", "").rpartition("/")[2]
        same_tag = not noted.get("etag") or answer.headers.get("ETag", noted["etag"]) == noted["etag"]
        same_size = self.remote.size is None or not total.isdecimal() or int(total) == self.remote.size
        begins = answer.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        plain = answer.headers.get("Content-Encoding", "identity") == "identity"
        return answer.status_code == 206 and same_tag and same_size and begins and plain

    def _compare_sizes(self, answer: requests.Response) -> None:
        """Stop before a whole file comes that is another one."""
        length = answer.headers.get("Content-Length", "")
        plain = answer.headers.get("Content-Encoding", "identity") == "identity"
        if answer.status_code == 200 and plain and length.isdecimal() and self.remote.size not in (None, int(length)):
            raise WorkbenchError(
                f"{self.remote.name}: {self.remote.url} is not the file declared: expected {self.remote.size} bytes, "
                f"found {length}"
            )

    def _is_ours(self) -> bool:
        noted = self._noted()
        return bool(noted) and all(noted.get(key) == self.facts[key] for key in ("size", "checksum"))

    def _noted(self) -> dict:
        """Return what the sidecar says; nothing if there is none or it is damaged."""
        try:
            noted = json.loads(self.sidecar.read_text())
        except (OSError, ValueError):
            return {}
        return noted if isinstance(noted, dict) else {}

    def _note(self, answer: requests.Response) -> None:
        """Write down whose bytes follow, before the first of them."""
        facts = self.facts | {"etag": answer.headers.get("ETag", "")}
        if facts != self._noted():
            draft = self.sidecar.with_name(f"{self.sidecar.name}.new")
            draft.write_text(json.dumps(facts, indent=1))
            os.replace(draft, self.sidecar)

    def _restart(self) -> None:
        self.file.truncate(0)
        self.sidecar.unlink(missing_ok=True)

    def _look_for_room(self) -> None:
        need, free = (self.remote.size or 0) - self.have, shutil.disk_usage(self.part.parent).free
        if need > free:
            raise WorkbenchError(
                f"{self.remote.name} needs {need} more bytes, and the disk of {self.part.parent} has {free} free: make "
                "room or choose another folder"
            )

    def drop_if_empty(self) -> None:
        """Leave no part behind that has nothing in it."""
        if not self.have:
            self.part.unlink(missing_ok=True)
            self.sidecar.unlink(missing_ok=True)

    def settle(self) -> None:
        """Prove the bytes and give them their name, or remove them."""
        os.fsync(self.file.fileno())
        found = digest(self.part, self.remote.checksum.partition(":")[0])
        right = found == self.remote.checksum and self.remote.size in (None, self.have)
        if not right:
            size = self.have
            self._restart()
            raise WorkbenchError(
                f"{self.remote.name}: the bytes from {self.remote.url} are not those declared: expected "
                f"{self.remote.size or 'any number of'} bytes with {self.remote.checksum}, found {size} with {found}; "
                "they are removed"
            )
        os.replace(self.part, self.part.with_name(self.remote.name))
        self.sidecar.unlink(missing_ok=True)
