"""Archives from strangers: nothing leaves the folder, nothing swells without bound, all of it arrives or nothing."""

from __future__ import annotations

import bz2
import filecmp
import gzip
import lzma
import os
import re
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from workbench.errors import WorkbenchError

TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
MOST_BYTES = 64 * 2**30
MOST_RATIO = 100  # recordings shrink by less than ten; bombs by a thousand
MOST_FILES = 200_000
SMALL = 16 * 2**20  # bytes up to which the ratio says nothing
BLOCK = 2**20
COMPRESSED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    ValueError,
    NotImplementedError,
)


def is_archive(path: str | Path) -> bool:
    """Return whether a file is named as an archive that `unpack` reads."""
    return Path(path).name.lower().endswith((".zip", *TARS))


def unpack(
    archive: str | Path,
    folder: str | Path,
    *,
    most_bytes: int = MOST_BYTES,
    most_ratio: float = MOST_RATIO,
    nested: bool = False,
    work: str | Path | None = None,
) -> list[Path]:
    """Unpack a zip or tar archive into `folder`, as a whole or not at all, and return its files.

    All is unpacked beside `folder` first and moved in when it is complete and every checksum in the archive agrees.
    Files that are in `folder` already stay if they are equal and are replaced if not; others are not touched.

    Parameters
    ----------
    archive : str or Path
        `.zip`, `.tar`, `.tar.gz`, `.tgz`, `.tar.bz2` or `.tar.xz`.
    folder : str or Path
        Where to; made when missing.
    most_bytes : int
        Unpacked bytes, of all files together, at which it stops.
    most_ratio : float
        Unpacked bytes over the archive's own at which it stops (from 16 MB unpacked on).
    nested : bool
        Unpack archives found within, each where it lies, and drop them; one level deep, within the same bounds.
    work : str or Path, optional
        Folder to unpack in before moving, on the disk of `folder`; by default the one that `folder` is in.

    Raises
    ------
    WorkbenchError
        Naming the archive, if it is damaged, truncated or locked, if a member would leave the folder or is a link or
        a device, if a bound is passed, or if the disk is full. `folder` is as it was.
    """
    archive, folder = Path(archive), Path(folder).expanduser()
    if not is_archive(archive) or not archive.is_file():
        raise WorkbenchError(f"{archive}: expected an existing archive ({', '.join(('.zip', *TARS))})")
    work = Path(work) if work else folder.resolve().parent
    draft = work / f".{folder.name}-{archive.name}.unpacking"
    shutil.rmtree(draft, ignore_errors=True)
    try:
        draft.mkdir(parents=True)
        bounds = _Bounds(archive, draft, most_bytes, most_ratio * archive.stat().st_size)
        _extract(archive, draft, bounds)
        for inner in sorted(path for path in draft.rglob("*") if nested and is_archive(path) and path.is_file()):
            _extract(inner, inner.parent, bounds)
            inner.unlink()
        return _move(draft, folder, archive)
    except DAMAGED as error:
        raise WorkbenchError(f"{archive}: damaged or truncated ({error or type(error).__name__})") from None
    except OSError as error:  # gzip's own errors are OSErrors too
        raise WorkbenchError(f"{archive}: cannot be unpacked into {folder}: {error}") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


@dataclass
class _Bounds:
    """What an archive may become, and how much of it has come out."""

    archive: Path
    draft: Path
    most_bytes: int
    most_by_ratio: float
    bytes: int = 0
    files: int = 0

    def add(self, n_bytes: int, *, files: int = 0) -> None:
        """Count what came out."""
        self.bytes += n_bytes
        self.files += files
        self.allow(self.bytes)
        if self.files > MOST_FILES:
            raise WorkbenchError(f"{self.archive}: holds more than {MOST_FILES} files")

    def allow(self, total: int) -> None:
        """Stop if `total` unpacked bytes are too many."""
        if total > self.most_bytes:
            raise WorkbenchError(f"{self.archive}: unpacks to more than {self.most_bytes} bytes")
        if total > max(self.most_by_ratio, SMALL):
            raise WorkbenchError(
                f"{self.archive}: unpacks to more than {self.most_by_ratio:.0f} bytes, out of proportion to its size"
            )

    def announced(self, n_bytes: int) -> None:
        """Stop before anything is written, if what is announced is too much or does not fit on the disk."""
        self.allow(self.bytes + n_bytes)
        free = shutil.disk_usage(self.draft).free
        if n_bytes > free:
            raise WorkbenchError(
                f"{self.archive} needs {n_bytes} bytes, and the disk of {self.draft.parent} has {free}"
            )


def _extract(archive: Path, folder: Path, bounds: _Bounds) -> None:
    members = _zip_members if archive.name.lower().endswith(".zip") else _tar_members
    for name, file in members(archive, bounds):
        target = folder / _safe(name, archive)
        if file is None:
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        bounds.add(0, files=1)
        with open(target, "xb") as out:  # x: a name that comes twice is an error
            while block := file.read(BLOCK):
                bounds.add(len(block))
                out.write(block)


def _safe(name: str, archive: Path) -> str:
    """Return a member's name if it stays below the folder on every system."""
    parts = name.rstrip("/").split("/")
    outside = name.startswith("/") or re.match(r"[A-Za-z]:", name) or ".." in parts or "\\" in name
    if outside or not name.strip("/. ") or any(ord(sign) < 32 for sign in name):
        raise WorkbenchError(
            f"{archive}: refused, its member {name!r} would leave the folder or has a name that no file has"
        )
    return name


def _zip_members(archive: Path, bounds: _Bounds) -> Iterator[tuple[str, BinaryIO | None]]:
    with zipfile.ZipFile(archive) as opened:
        infos = opened.infolist()
        bounds.announced(sum(info.file_size for info in infos))
        for info in infos:
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise WorkbenchError(f"{archive}: refused, its member {info.orig_filename!r} is a link or a device")
            if info.flag_bits & 1:
                raise WorkbenchError(f"{archive}: its member {info.orig_filename!r} is locked by a password")
            if info.is_dir():
                yield info.orig_filename, None
                continue
            with opened.open(info) as file:
                yield info.orig_filename, file


def _tar_members(archive: Path, bounds: _Bounds) -> Iterator[tuple[str, BinaryIO | None]]:
    with open(archive, "rb") as file:
        head = file.read(6)
    kind = next((kind for magic, kind in COMPRESSED.items() if head.startswith(magic)), open)
    with kind(archive, "rb") as stream, tarfile.open(fileobj=_Sips(stream), mode="r:") as opened:
        for member in opened:
            if not (member.isfile() or member.isdir()):
                raise WorkbenchError(f"{archive}: refused, its member {member.name!r} is a link or a device")
            bounds.announced(member.size)
            if member.name not in (".", "./"):
                yield member.name, opened.extractfile(member) if member.isfile() else None
            opened.members = []  # else every header stays in memory
        if kind is open:
            stream.seek(opened.offset)
            if stream.read(tarfile.BLOCKSIZE) != tarfile.NUL * tarfile.BLOCKSIZE:
                raise EOFError("it ends before its end mark")
        while stream.read(BLOCK):  # what is compressed proves its bytes at its end
            pass


class _Sips:
    """A stream that is read in small pieces, so that no header of an archive can fill the memory."""

    def __init__(self, stream: BinaryIO):
        self.stream, self.seek, self.tell = stream, stream.seek, stream.tell

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes."""
        if not 0 <= size <= 2 * BLOCK:
            raise ValueError(f"it has a header of {size} bytes")
        return self.stream.read(size)


def _move(draft: Path, folder: Path, archive: Path) -> list[Path]:
    """Move what was unpacked into `folder`; look for what stands in the way before the first move."""
    files = sorted(path for path in draft.rglob("*") if path.is_file())
    targets = [folder / path.relative_to(draft) for path in files]
    for target in targets:
        above = next(parent for parent in (target, *target.parents) if parent.exists())
        if target.is_dir() or (above != target and not above.is_dir()):
            raise WorkbenchError(f"{archive}: expected room for {target}, found {above} in its way")
    folder.mkdir(parents=True, exist_ok=True)
    for file, target in zip(files, targets, strict=True):
        if target.is_file() and filecmp.cmp(file, target, shallow=False):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(file, target)
    return targets
