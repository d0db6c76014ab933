"""Pictures that a table holds as text, a row a picture (`emotion, pixels, Usage`), unpacked once into PNG files."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from workbench.errors import WorkbenchError

SIDE = 48
CHUNK = 2000  # rows read at a time: some 20 MB
USAGES = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
SOURCE = "source.json"


def unpack(csv: Path, words: Sequence[str], *, prefix: str) -> Path:
    """Write the pictures of a table beside it, as `<stem>_pictures/<usage>/<word>/<prefix><row, 7 digits>.png`.

    Done once; an interrupted run is taken up where it stopped, and the folder gets its name when it is complete.
    Progress is shown on the error stream.

    Parameters
    ----------
    csv : Path
        Columns `emotion` (a place in `words`), `pixels` (2304 grey levels parted by blanks) and `Usage`, in any order.
    words : sequence of str
        What the codes of the emotions mean.

    Raises
    ------
    WorkbenchError
        If a row is not of this form, the folder cannot be written, or it was unpacked from another table.
    """
    folder, size = csv.with_name(f"{csv.stem}_pictures"), csv.stat().st_size
    if folder.is_dir():
        if source(folder).get("bytes", size) != size:
            raise WorkbenchError(
                f"{folder}: expected the pictures of {csv} ({size} bytes), found those of another table "
                f"({source(folder)}): remove the folder to unpack again"
            )
        return folder
    part = csv.with_name(f".{folder.name}.{size}.part")
    try:
        rows = 0
        for row, name, grey in tqdm(_pictures(csv, words), desc=f"unpacking {csv.name}", unit="", file=sys.stderr):
            _write(part / f"{name}/{prefix}{row:07d}.png", grey)
            rows = row + 1
        if not rows:
            raise WorkbenchError(f"{csv}: expected a picture a row, found no rows")
        (part / SOURCE).write_text(json.dumps({"file": csv.name, "bytes": size, "rows": rows}))
        os.replace(part, folder)
    except OSError as error:
        raise WorkbenchError(
            f"{csv}: its pictures have to be unpacked beside it, into {folder}, which cannot be written "
            f"({error.strerror}): copy the table to where you may write"
        ) from error
    return folder


def source(folder: Path) -> dict:
    """Return what unpacked pictures were made from: `file`, `bytes`, `rows`; nothing for any other folder."""
    path = folder / SOURCE
    return json.loads(path.read_text()) if path.is_file() else {}


def read(csv: Path, columns: Sequence[str], **options):
    """Read some columns of a table as text, whatever blanks stand around their names (pandas' `options`).

    Raises
    ------
    WorkbenchError
        If a column is missing or the file is no table.
    """
    try:
        with csv.open() as file:
            names = {name.strip(): name for name in file.readline().rstrip("\n").split(",")}
        if absent := [column for column in columns if column not in names]:
            raise WorkbenchError(f"{csv}: expected columns {', '.join(columns)}, found no {', '.join(absent)}")
        wanted = [names[column] for column in columns]
        return pd.read_csv(csv, usecols=wanted, dtype=str, keep_default_na=False, **options)
    except ValueError as error:  # pandas' own, and text that is no text
        raise WorkbenchError(f"{csv}: expected a table, found: {error}") from error


def _pictures(csv: Path, words: Sequence[str]) -> Iterator[tuple[int, str, np.ndarray]]:
    """Yield (row, usage/word, picture (48, 48) uint8)."""
    for chunk in read(csv, ["emotion", "pixels", "Usage"], chunksize=CHUNK):
        chunk = chunk.rename(columns=str.strip)
        rows = zip(chunk.index, chunk["emotion"].str.strip(), chunk["pixels"], chunk["Usage"].str.strip(), strict=True)
        for row, emotion, text, usage in rows:
            grey = _levels(text)
            if grey is None or not emotion.isdigit() or int(emotion) >= len(words) or usage not in USAGES:
                raise WorkbenchError(
                    f"{csv}: line {row + 2}: expected an emotion from 0 to {len(words) - 1}, {SIDE * SIDE} grey levels "
                    f"from 0 to 255 and a usage of {', '.join(USAGES)}; found emotion {emotion!r}, "
                    f"{len(text.split())} grey levels, usage {usage!r}: cut short?"
                )
            yield row, f"{USAGES[usage]}/{words[int(emotion)]}", grey


def _levels(text: str) -> np.ndarray | None:
    """Return the picture (48, 48) uint8 that a text spells, or None if it spells none."""
    try:
        grey = np.fromstring(text, dtype=np.int64, sep=" ")
    except ValueError:
        return None
    if len(grey) != SIDE * SIDE or not np.array_equal(grey, grey.astype(np.uint8)):
        return None
    return grey.astype(np.uint8).reshape(SIDE, SIDE)


def _write(path: Path, grey: np.ndarray) -> None:
    """Write a picture, whole or not at all, unless it is there."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_bytes(cv2.imencode(".png", grey)[1].tobytes())
    os.replace(unfinished, path)
