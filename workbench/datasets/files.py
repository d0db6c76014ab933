"""From files to clips: kinds of files, tables beside them, film and sound of one take, holes in a series."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from workbench._container import PICTURES
from workbench.errors import WorkbenchError

SOUNDS = (".wav", ".flac", ".mp3", ".ogg", ".m4a", ".aac", ".opus")
FILMS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".flv", ".mpg", ".mpeg", ".wmv", ".m4v")
RECORDINGS = SOUNDS + FILMS + PICTURES


def kind(file: str | Path) -> str:
    """Return 'sound', 'film' or 'picture' by a file's suffix; what has none of these (a folder, say) is a picture."""
    suffix = Path(file).suffix.lower()
    return "sound" if suffix in SOUNDS else "film" if suffix in FILMS else "picture"


def find_table(root: Path, name: str) -> Path | None:
    """Return the file called `name` anywhere below `root`, the one nearest to it if there are several, or None."""
    found = sorted(root.rglob(name), key=lambda path: (len(path.parts), path))
    return next((path for path in found if path.is_file()), None)


def read_table(path: Path, columns: Sequence[str], *, sep: str = ",") -> pd.DataFrame:
    """Return a CSV as text, every value without the blanks around it and '' where there is none.

    Published tables come in UTF-8 (with or without a byte order mark) and in Windows-1252; some in UTF-8 hold the
    control characters U+0080 to U+009F where a Windows-1252 apostrophe or dash was meant. All three give the same text.

    Parameters
    ----------
    columns : names that must be there, whatever their case; they are returned as spelt here.

    Raises
    ------
    WorkbenchError
        If the file is missing, is no such table, or lacks a column.
    """
    try:
        encoding = "utf-8-sig" if _is_utf8(path) else "cp1252"
        table = pd.read_csv(path, sep=sep, dtype=str, keep_default_na=False, encoding=encoding)
    except FileNotFoundError:
        raise WorkbenchError(f"{path}: expected a table with columns {', '.join(columns)}, found no file") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise WorkbenchError(f"{path}: expected a table separated by {sep!r}, found: {error}") from None
    spelling = {column.lower(): column for column in columns}
    table = table.rename(columns=lambda name: spelling.get(str(name).strip().lower(), str(name).strip()))
    if absent := [column for column in columns if column not in table]:
        found = ", ".join(map(repr, table.columns[:12]))
        raise WorkbenchError(f"{path}: expected columns {', '.join(absent)}, found {found}")
    return table.apply(lambda values: values.map(_mend).str.strip())


def _is_utf8(path: Path) -> bool:
    try:
        path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


CONTROLS = {code: bytes([code]).decode("cp1252", "ignore") for code in range(0x80, 0xA0)}


def _mend(text: str) -> str:
    """Return text with Windows-1252 characters where their codes were kept as control characters."""
    return text if text.isascii() else text.translate(CONTROLS)


def joined(rows: Iterable[dict], *, films: Sequence[str], sounds: Sequence[str]) -> list[dict]:
    """Return one row a clip from one row a file, with `path` and `audio_path`.

    Parameters
    ----------
    rows : dicts with `clip`, `file` (a Path, taken out) and the factors of the name
        Of several files of a clip with one suffix, the first counts.
    films, sounds : suffixes, the preferred first
        `path` is the clip's first film, `audio_path` the first file whose suffix is in `sounds`; '' if there is none.
    """
    clips, files = {}, {}
    for row in rows:
        factors = {name: value for name, value in row.items() if name != "file"}
        clips.setdefault(row["clip"], factors)
        files.setdefault(row["clip"], {}).setdefault(row["file"].suffix.lower(), str(row["file"]))

    def first(clip: str, suffixes: Sequence[str]) -> str:
        return next((files[clip][suffix] for suffix in suffixes if suffix in files[clip]), "")

    return [row | {"path": first(clip, films), "audio_path": first(clip, sounds)} for clip, row in clips.items()]


def film_and_sound(clips: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """Return the film and the separate sound of every take that has both, take -> (film, sound)."""
    both = clips[(clips["path"] != "") & (clips["audio_path"] != "") & (clips["path"] != clips["audio_path"])]
    return {row.take: (row.path, row.audio_path) for row in both.itertuples()}


def absent(expected: Iterable[str], have: Iterable[str]) -> list[str]:
    """Return what of a series is not there, if at least half of it is.

    A handful of files beside each other is a selection, not a series with holes.
    """
    expected, have = set(expected), set(have)
    return sorted(expected - have) if len(expected & have) * 2 >= len(expected) else []
