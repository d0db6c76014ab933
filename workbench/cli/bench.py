"""Measurements."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.common import Json, progress, show

app = typer.Typer(no_args_is_help=True, help="Measurements; ratios are taken within one run.")


@app.command("prepare")
def bench_prepare(clips: list[Path], as_json: Json = False) -> None:
    """Time preparing clips against merely decoding them, in one and two processes; size on disk; loading."""
    from workbench.bench import preparation

    show(preparation.prepare(clips), as_json)


@app.command("memory")
def bench_memory(clips: list[Path], few: int = 100, many: int = 1000, as_json: Json = False) -> None:
    """Peak memory of preparing few clips and many (the given files over and over), each in a process of its own."""
    from workbench.bench import preparation

    show(preparation.memory(clips, few=few, many=many), as_json)


@app.command("fit")
def bench_fit(candide: Path | None = None, as_json: Json = False) -> None:
    """Time fitting a face model to 68 points: the built-in one, or Candide-3 from its .wfm file."""
    from workbench import geometry
    from workbench.bench import fitting

    show(fitting.fit(geometry.read_candide(candide) if candide else geometry.points68()), as_json)


@app.command("allocation")
def bench_allocation(as_json: Json = False) -> None:
    """Time training steps on this processor with freed memory kept by the process, and given back."""
    from workbench.bench import training

    show(training.allocation(), as_json)


@app.command("train")
def bench_train(repeats: Annotated[int, typer.Option(min=1)] = 7, epochs: int = 4, as_json: Json = False) -> None:
    """Time the training loop against bare PyTorch at equal work, for LRCN and for the smaller 1-D CNN."""
    from workbench.bench import training

    show(training.overhead(repeats=repeats, epochs=epochs), as_json)


@app.command("mrpn")
def bench_mrpn(
    folds: Annotated[int, typer.Option(help="Trained of the twelve, 1 to 12; all are projected from these.")] = 1,
    epochs: Annotated[int, typer.Option(min=1, help="Of each fold.")] = 20,
    clips: Annotated[int, typer.Option(help="Of all 24 speakers; RAVDESS has 1440.")] = 1440,
    batch_size: Annotated[int, typer.Option(min=2)] = 32,
    precision: Annotated[str | None, typer.Option(help="no, bf16, fp16 [default: bf16 on a graphics card]")] = None,
    filters: Annotated[int, typer.Option(min=1, help="Of the ResNets; 64 is the published size.")] = 64,
    as_json: Json = False,
) -> None:
    """Time MRPN end to end on random arrays of RAVDESS's size: a fold, and the twelve of the published protocol."""
    from workbench.bench import mrpn

    options = {"folds": folds, "epochs": epochs, "clips": clips, "batch_size": batch_size}
    show(mrpn.mrpn(**options, precision=precision, filters=filters), as_json)


@app.command("timeline")
def bench_timeline(
    clips: list[Path],
    run: Annotated[str, typer.Option(help="A run's folder, its name, or STUDY/VARIANT for its latest run.")] = (
        "thread/late_lr"
    ),
    minutes: Annotated[float, typer.Option(min=0.1, help="Length of the recording made of the clips.")] = 20,
    people: Annotated[int, typer.Option(min=1, max=4, help="Side by side; the clips are dealt out to them.")] = 1,
    as_json: Json = False,
) -> None:
    """Time and peak memory of the report on a long recording made by joining clips, and on a quarter of it."""
    from workbench.bench import timeline

    show(timeline.measure(clips, run=run, minutes=minutes, people=people, progress=progress), as_json)


@app.command("live")
def bench_live(
    clips: Annotated[list[Path], typer.Argument(help="Recordings, played one after the other in real time.")],
    run: Annotated[str | None, typer.Option(help="A run of study light [default: full size, random weights]")] = None,
    guests: Annotated[int, typer.Option(min=1, help="At the same time.")] = 1,
    seconds: Annotated[float, typer.Option(min=2, help="How long they are played.")] = 30,
    as_json: Json = False,
) -> None:
    """Time the live page: from a picture due at its kernel to its label coming back, 15 a second with sound."""
    from workbench.bench import live
    from workbench.interact.live import chosen

    show(live.live_latency(clips, run=chosen(run) if run else None, guests=guests, seconds=seconds), as_json)
