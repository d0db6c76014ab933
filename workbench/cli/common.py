"""What every command shares: the console, the options, the progress bar, and how things are shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

console, errors = Console(), Console(stderr=True)
Root = Annotated[Path | None, typer.Option(help="Folder of the recordings [default: data/raw/NAME]")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Jobs = Annotated[int, typer.Option(min=1, help="Processes.")]


def progress(items, *, total=None, description=""):
    """Show a bar on the error stream while going through `items`."""
    from rich.progress import track

    return track(items, description=description, total=total, console=errors)


def show(found, as_json: bool, *, title: str = "") -> None:
    """Print a dict or a list of dicts, as JSON or as a table."""
    if as_json:
        print(json.dumps(found, indent=1, default=str))
        return
    rows = found if isinstance(found, list) else [{"": key, " ": value} for key, value in found.items()]
    table = Table(*(Column(name, overflow="fold") for name in (rows[0] if rows else ())), title=title or None)
    for row in rows:
        table.add_row(*(escape(_text(value)) for value in row.values()))
    console.print(table)


def _text(value) -> str:
    if isinstance(value, list):
        return "\n".join(map(str, value)) or "none"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
