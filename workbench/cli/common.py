"""What every command shares: the console, the options, the progress bar, and how things are shown."""

from __future__ import annotations

import json
import math
import sys
from operator import length_hint
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

console, errors = Console(), Console(stderr=True)
Root = Annotated[Path | None, typer.Option(help="Folder of the recordings [default: data/raw/NAME]")]
RunCorpus = Annotated[str | None, typer.Option("--corpus", help="Corpus that the run was trained on; any by default.")]
RunRoot = Annotated[Path | None, typer.Option("--root", help="Folder that the run was trained on; any by default.")]
ResultsRoot = Annotated[Path | None, typer.Option(help="Folder of the recordings, where results are on several.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Jobs = Annotated[int, typer.Option(min=1, help="Processes.")]
Accept = Annotated[bool, typer.Option("--accept-licence", help="I have read the licence and accept it.")]


def progress(items, *, total=None, description="", unit="", done=0):
    """Show a bar on stderr while going through `items`; with unit "B", the items are numbers of bytes.

    `rich.progress.track` waits for a thread of its own when it is given up. Where the garbage collector gives it up
    within the thread that draws, which holds what the other waits for, neither goes on, and later prints wait too.
    """
    from rich import progress as bars

    if unit == "B":
        columns = (bars.DownloadColumn(), bars.TransferSpeedColumn(), bars.TimeRemainingColumn())
    else:
        columns = (bars.TaskProgressColumn(), bars.TimeRemainingColumn(elapsed_when_finished=True))
    total = length_hint(items) or None if total is None else total
    with bars.Progress(bars.TextColumn("{task.description}"), bars.BarColumn(), *columns, console=errors) as shown:
        task = shown.add_task(escape(description), total=total, completed=done)
        for item in items:
            yield item
            shown.advance(task, item if unit == "B" else 1)


def load_run(name: str, corpus: str | None = None, root: Path | None = None):
    """Return the run of this name (`runs.load`). Print its name, corpus, folder and profile to stderr.

    Print also the other corpora and folders that have runs of this name, unless `corpus` or `root` is given.
    """
    from workbench import runs

    found = runs.matching(name, corpus=corpus, root=root)
    run = found[0]
    errors.print(escape(f"run {run.name}: {run.material}"), soft_wrap=True)
    others = set() if corpus or root else {one.corpus_and_root for one in found} - {run.corpus_and_root}
    if others:
        known = "; ".join(sorted(others))
        errors.print(escape(f"runs of this name on others (--corpus, --root): {known}"), soft_wrap=True)
    return run


def accepted(declared, given: bool) -> bool:
    """Show licence and citation of a corpus or of weights; return whether they are accepted, asking where one can."""
    errors.print(
        f"{declared.title}\n  licence: {declared.licence}\n  home: {declared.home}", markup=False, soft_wrap=True
    )
    errors.print(f"  please cite: {declared.citation}", markup=False, soft_wrap=True)
    if given or not sys.stdin.isatty():
        return given
    return typer.confirm("Do you accept the licence?", err=True)


def show(found, as_json: bool, *, title: str = "") -> None:
    """Print a dict or a list of dicts, as JSON or as a table; numbers that are not finite are null, or a dash."""
    if as_json:
        print(json.dumps(_known(found), indent=1, default=str, allow_nan=False))
        return
    rows = found if isinstance(found, list) else [{"": key, " ": value} for key, value in found.items()]
    table = Table(*(Column(name, overflow="fold") for name in (rows[0] if rows else ())), title=title or None)
    for row in rows:
        table.add_row(*(escape(_text(value)) for value in row.values()))
    console.print(table)


def _known(value):
    """Return a value with None in place of every number that is not finite, of which JSON has none."""
    if isinstance(value, dict):
        return {name: _known(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_known(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _text(value) -> str:
    if isinstance(value, list):
        return "\n".join(map(str, value)) or "none"
    if isinstance(value, float):
        return f"{value:.3f}" if math.isfinite(value) else "–"
    return str(value)
