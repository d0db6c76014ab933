"""Named acoustic features of a corpus, as a table."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from workbench.cli.common import Jobs, Json, Root, errors, progress, show
from workbench.errors import choose

WRITERS = {".csv": "to_csv", ".parquet": "to_parquet"}


def features(
    corpus: str,
    root: Root = None,
    out: Annotated[Path | None, typer.Option(help="Write the table here: FILE.csv or FILE.parquet.")] = None,
    wide: Annotated[bool, typer.Option("--wide", help="One row a clip, instead of one a number.")] = False,
    egemaps: Annotated[bool, typer.Option("--egemaps", help="eGeMAPS too (extra egemaps, for research only).")] = False,
    compare: Annotated[str | None, typer.Option(help="Compare with `egemaps` or `praat` (extras).")] = None,
    jobs: Jobs = 2,
    as_json: Json = False,
) -> None:
    """Measure the voices of a corpus: every named feature, with its unit; what fails is listed and left out.

    FILE.left_out.csv beside the table names the clips without a usable sound.
    """
    import pandas as pd

    from workbench import acoustics, datasets, paths
    from workbench.acoustics import reference, tables

    if out:
        choose("kind of table", out.suffix, WRITERS)
        paths.existing(out.parent, f"--out {out}")
    began, clips, theirs = time.perf_counter(), datasets.corpus(corpus, root).clips(), {}
    for name in dict.fromkeys([*(["egemaps"] if egemaps else []), *([compare] if compare else [])]):
        theirs[name], _ = reference.table(name, clips, jobs=jobs, progress=progress)
    found, left_out = acoustics.table(clips, jobs=jobs, progress=progress)
    every = pd.concat([found, reference.long(theirs["egemaps"])], ignore_index=True) if egemaps else found
    if out:
        _write(acoustics.wide(every).reset_index() if wide else every, out)
        _write(left_out, out.with_name(f"{out.stem}.left_out.csv"))
    report = {
        "clips": len(clips),
        "measured": found["clip"].nunique(),
        "quarantined": len(left_out),
        "columns": len(acoustics.columns(every)),
        "seconds": round(time.perf_counter() - began, 3),
        "out": str(out or ""),
    }
    parts = {"features": tables.overview(found), "left_out": left_out}
    parts |= {"agreement": reference.compare(acoustics.wide(found), theirs[compare], compare)} if compare else {}
    if as_json:
        show(report | {name: _records(part) for name, part in parts.items()}, True)
        return
    show(report, False)
    brief = _records(parts["agreement" if compare else "features"])
    brief = [
        {key: f"{value:.4g}" if isinstance(value, float) else value for key, value in row.items()} for row in brief
    ]
    show(brief, False, title=f"ours and {compare}" if compare else "")
    for reason in left_out["reason"].head(20):
        errors.print(escape(reason))


def _records(table) -> list[dict]:
    """Return the rows as dicts, None where there is no number: JSON has no NaN."""
    return table.astype(object).where(table.notna(), None).to_dict("records")


def _write(table, path: Path) -> None:
    part = path.with_name(f".{path.name}.part")
    try:
        getattr(table, WRITERS[path.suffix])(part, index=False)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
