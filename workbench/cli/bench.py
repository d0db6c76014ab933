"""Measurements."""

from __future__ import annotations

from pathlib import Path

import typer

from workbench.cli.common import Json, show

app = typer.Typer(no_args_is_help=True, help="Measurements; ratios are taken within one run.")


@app.command("prepare")
def bench_prepare(clips: list[Path], as_json: Json = False) -> None:
    """Time preparing clips against merely decoding them, single-threaded, in one run."""
    from workbench import bench

    show(bench.prepare(clips), as_json)
