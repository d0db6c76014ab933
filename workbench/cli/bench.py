"""Measurements."""

from __future__ import annotations

from pathlib import Path

import typer

from workbench.cli.common import Json, show

app = typer.Typer(no_args_is_help=True, help="Measurements; ratios are taken within one run.")


@app.command("prepare")
def bench_prepare(clips: list[Path], as_json: Json = False) -> None:
    """Time preparing clips against merely decoding them, in one and two processes; size on disk; loading."""
    from workbench import bench

    show(bench.prepare(clips), as_json)


@app.command("memory")
def bench_memory(clips: list[Path], few: int = 100, many: int = 1000, as_json: Json = False) -> None:
    """Peak memory of preparing few clips and many (the given files over and over), each in a process of its own."""
    from workbench import bench

    show(bench.memory(clips, few=few, many=many), as_json)


@app.command("fit")
def bench_fit(candide: Path | None = None, as_json: Json = False) -> None:
    """Time fitting a face model to 68 points: the built-in one, or Candide-3 from its .wfm file."""
    from workbench import bench, geometry

    show(bench.fit(geometry.read_candide(candide) if candide else geometry.points68()), as_json)


@app.command("allocation")
def bench_allocation(as_json: Json = False) -> None:
    """Time training steps on this processor with freed memory kept by the process, and given back."""
    from workbench import bench

    show(bench.allocation(), as_json)
