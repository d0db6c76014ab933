"""Scores of a classifier, a clip a line, as others publish them: which files there are, and what a line says.

Two forms are read. A table with a header, separated by commas or semicolons: one column with the clip (`clip`, `name`,
`video_name`, `file` or `path`) and one a class, called by the emotion (`happy`, `p_happy`) or numbered (`embs0`,
`embs1`, ...); other columns are passed over. Or, without a header, lines of a clip and a list of numbers in JSON.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import softmax

from workbench.emotions import EMOTIONS, EXTRA, in_order
from workbench.errors import WorkbenchError, choose

CLIP_COLUMNS = ("clip", "name", "video_name", "file", "path")
# What an `order` may be, beside a list of emotions: of the words, or that of the vocabulary (RAVDESS's own).
ORDERS = {"alphabetical": sorted, "vocabulary": in_order}
SUM = 0.01  # how far the sum of probabilities may be from 1, as others round them


@dataclass(frozen=True)
class Scores:
    """What a file says: clips (names without suffix), the lines they stand on, and scores (n, C).

    `classes` are the emotions of the columns, in order, where a header names them; None where it does not.
    """

    path: Path
    clips: list[str]
    lines: list[int]
    values: np.ndarray
    classes: list[str] | None = None

    def where(self, clip: str) -> str:
        """Return the file and line of a clip, for messages."""
        return f"{self.path}, line {self.lines[self.clips.index(clip)]}"

    @property
    def probabilities(self) -> np.ndarray:
        """The scores as probabilities, (n, C): as they are where all rows are such, else their softmax."""
        sums = self.values.sum(axis=1, keepdims=True)
        if (self.values >= 0).all() and (np.abs(sums - 1) <= SUM).all():
            return self.values / sums
        return softmax(self.values, axis=1)


def read(path: Path) -> Scores:
    """Return the scores in a file.

    Raises
    ------
    WorkbenchError
        With file and line: for a line without a clip or a number, a list of another length, a clip that stands twice.
    """
    try:
        text = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise WorkbenchError(f"{path}: expected a table of scores, found: {error}") from None
    first, classes = text[0] if text else "", None
    if re.search(r"\[[^\]]*\]", first):
        rows = _listed(path, csv.reader(text))
    else:
        classes, rows = _tabled(path, csv.reader(text, delimiter=";" if ";" in first else ","))
    clips, lines, values = [], {}, []
    for line, name, numbers in rows:
        if not (clip := Path(name.strip()).stem):
            raise WorkbenchError(f"{path}, line {line}: expected the name of a clip, found {name!r}")
        if clip in lines:
            raise WorkbenchError(f"{path}, line {line}: clip {clip!r} stands on line {lines[clip]} already")
        values.append(_numbers(path, line, numbers, expected=len(values[0]) if values else len(numbers)))
        clips.append(clip)
        lines[clip] = line
    if not clips:
        raise WorkbenchError(f"{path}: expected a line a clip, found none")
    return Scores(path, clips, list(lines.values()), np.array(values), classes)


def _listed(path: Path, rows) -> Iterator[tuple[int, str, list]]:
    """Yield line number, name and numbers of lines such as ``name,"[1.5, -2]"``."""
    for row in rows:
        try:
            name, numbers = row
            numbers = json.loads(numbers)
            if not isinstance(numbers, list):
                raise ValueError
        except ValueError:
            text = ",".join(row)[:60]
            raise WorkbenchError(
                f'{path}, line {rows.line_num}: expected a clip and a list in quotes, such as name,"[1.5, -2.0]", '
                f"found {text!r}"
            ) from None
        yield rows.line_num, name, numbers


def _tabled(path: Path, rows) -> tuple[list[str] | None, Iterator[tuple[int, str, list]]]:
    """Return the emotions that a header names, if it does, and its lines as `_listed` does."""
    header = [column.strip() for column in next(rows, [])]
    named = {column: column.removeprefix("p_") for column in header if column.removeprefix("p_") in EMOTIONS + EXTRA}
    numbered = [match for column in header if (match := re.fullmatch(r"(.*?\D)(\d+)", column))]
    columns = list(named) or [match[0] for match in sorted(numbered, key=lambda match: int(match[2]))]
    name = next((column for column in CLIP_COLUMNS if column in header), None)
    if name is None or len(columns) < 2 or (not named and len({match[1] for match in numbered}) > 1):
        raise WorkbenchError(
            f"{path}, line 1: expected a column of clips ({', '.join(CLIP_COLUMNS)}) and columns of scores, called by "
            f"emotions or numbered, found {', '.join(header)[:200]!r}"
        )
    at, places = header.index(name), [header.index(column) for column in columns]

    def lines():
        for row in rows:
            if len(row) != len(header):
                found = f"{len(row)} values"
                raise WorkbenchError(f"{path}, line {rows.line_num}: expected {len(header)} values, found {found}")
            yield rows.line_num, row[at], [row[place] for place in places]

    return list(named.values()) or None, lines()


def _numbers(path: Path, line: int, numbers: list, *, expected: int) -> list[float]:
    if len(numbers) != expected:
        raise WorkbenchError(f"{path}, line {line}: expected {expected} scores, found {len(numbers)}")
    try:
        found = [float(number) for number in numbers]
    except (TypeError, ValueError):
        raise WorkbenchError(f"{path}, line {line}: expected numbers, found {numbers}") from None
    if not np.isfinite(found).all():
        raise WorkbenchError(f"{path}, line {line}: expected finite numbers, found {numbers}")
    return found


def classes_of(scores: Scores, order: str | Sequence[str] | None, emotions: Sequence[str], truth: np.ndarray) -> list:
    """Return the emotions of a file's columns, in order.

    Parameters
    ----------
    order : 'alphabetical', 'vocabulary', or the emotions themselves, optional
        Needed where no header names the columns.
    emotions : those of the corpus
    truth : (n,) of the clips
        Where the other order of words would make more of the clips right, `order` is wrong.

    Raises
    ------
    WorkbenchError
        If `order` is missing, or wrong, or there are other columns than emotions.
    """
    if scores.classes:
        return scores.classes
    if order is None:
        raise WorkbenchError(f"{scores.path}: its columns have no emotions' names: order has to give them "
                             f"({', '.join(ORDERS)}, or a list)")  # fmt: skip
    classes = ORDERS[choose("order", order, ORDERS)](emotions) if isinstance(order, str) else list(order)
    n = scores.values.shape[1]
    if sorted(classes) != sorted(emotions) or n != len(classes):
        raise WorkbenchError(f"{scores.path}: expected a column for each of {', '.join(classes)}, found {n} columns")
    best = scores.values.argmax(axis=1)
    right = {name: float((np.array(of(emotions))[best] == truth).mean()) for name, of in ORDERS.items()}
    mine = float((np.array(classes)[best] == truth).mean())
    other = max(right, key=right.get)
    if right[other] > mine:
        raise WorkbenchError(
            f"{scores.path}: order {order!r} makes {mine:.0%} of the clips right, {other!r} {right[other]:.0%}: "
            "the columns are in another order"
        )
    return classes
