"""What the owner of a folder says about it: `corpus.yaml`, a table of clips, or a pattern for the names of files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import yaml

from workbench.datasets.files import kind
from workbench.errors import WorkbenchError

TABLE, DECLARATION = "clips.csv", "corpus.yaml"
SAID = ("title", "description", "citation", "licence", "home", "label_source")  # of the card
OPTIONS = ("table", "pattern", "labels", "suffixes", "columns", "sequences")
FORMS = {"labels": (Mapping, "names and values"), "columns": (Mapping, "names and values"),
         "suffixes": (list | tuple, "a list")}  # fmt: skip
EXAMPLE = r"pattern: '(?P<speaker>\d+)_(?P<emotion>\w+)\.wav'"


def declared(root: Path, options: Mapping) -> dict:
    """Return what `corpus.yaml` under the root says, overruled by keywords; with no way in either, `clips.csv`.

    Raises
    ------
    WorkbenchError
        For a name that is none of `OPTIONS` and `SAID`, a value of another form than `FORMS` has, or unless there is
        either a table or a pattern.
    """
    path, said = root / DECLARATION, {}
    if path.is_file():
        try:
            said = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise WorkbenchError(f"{path}: expected YAML, found: {error}") from error
        if not isinstance(said, dict):
            raise WorkbenchError(f"{path}: expected names and values, found {said!r}")
    options = {name: value for name, value in options.items() if value is not None}
    for where, given in ((path, said), ("corpus 'folder'", options)):
        if unknown := sorted(map(str, set(given) - {*OPTIONS, *SAID})):
            raise WorkbenchError(f"{where}: unknown {', '.join(unknown)}: choose from {', '.join((*OPTIONS, *SAID))}")
        for name, (form, what) in FORMS.items():
            if given.get(name) and not isinstance(given[name], form):
                raise WorkbenchError(f"{where}: {name}: expected {what}, found {given[name]!r}")
    if {"table", "pattern"} & set(options):
        said = {name: value for name, value in said.items() if name not in ("table", "pattern")}
    said |= options
    if not said.get("table") and not said.get("pattern") and (root / TABLE).is_file():
        said["table"] = TABLE
    ways = [name for name in ("table", "pattern") if said.get(name)]
    if len(ways) != 1:
        found = "both a table and a pattern" if ways else "neither a table nor a pattern"
        raise WorkbenchError(
            f"corpus 'folder': {root}: found {found}; describe it by a table {TABLE} in it, or by a file {DECLARATION} "
            f"with a line such as {EXAMPLE}"
        )
    return said


def listed(path: Path) -> list[dict]:
    """Return the rows of a table of clips as text, each with `clip`, `path` and `audio_path` (relative, or '').

    A sound goes to `audio_path`, whatever its column; a film stands for its sound where there is no such column. A
    clip without a name is called by its file's path without suffix, and its `start` where there is one.

    Raises
    ------
    WorkbenchError
        If it is no table, names no files, or names some that are not below its corpus.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, skipinitialspace=True, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise WorkbenchError(f"{path}: expected a table of clips, found: {error}") from error
    table = table.rename(columns=str.strip).apply(lambda column: column.str.strip())
    if table.empty or not {"path", "audio_path"} & set(table):
        raise WorkbenchError(
            f"{path}: expected rows with a path or an audio_path, found {len(table)} rows with the columns "
            f"{', '.join(table)}"
        )
    rows, films_sound = table.to_dict("records"), "audio_path" not in table
    for line, row in enumerate(rows, start=2):
        picture, sound = row.get("path", ""), row.get("audio_path", "")
        for file in (picture, sound):
            if ".." in Path(file).parts or Path(file).is_absolute():
                raise WorkbenchError(f"{path}: line {line}: expected a path below {path.parent}, found {file!r}")
        if not picture and not sound:
            raise WorkbenchError(f"{path}: line {line}: expected a path or an audio_path, found neither")
        if kind(picture) == "sound":
            picture, sound = "", sound or picture
        elif films_sound and kind(picture) == "film":
            sound = picture
        name = str(Path(picture or sound).with_suffix(""))
        if row.get("start"):
            name += f"@{row['start']}"
        row |= {"clip": row.get("clip") or name, "path": picture, "audio_path": sound}
    return rows


def compiled(pattern: str) -> re.Pattern:
    """Return a pattern ready for use; WorkbenchError if it is no regular expression."""
    try:
        return re.compile(str(pattern))
    except re.error as error:
        raise WorkbenchError(f"pattern {pattern!r}: expected a regular expression, found: {error}") from error
