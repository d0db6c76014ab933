"""Studies: list, run, table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.common import Jobs, Json, Root, progress, show

app = typer.Typer(no_args_is_help=True, help="Studies: what to run, as data; run it; its table.")


@app.command("list")
def study_list(as_json: Json = False) -> None:
    """List the studies."""
    from workbench import studies

    rows = [
        {
            "name": study.name,
            "title": study.title,
            "source": study.source,
            "table": study.table,
            "variants": ", ".join(study.variants),
        }
        for study in map(studies.load, studies.names())
    ]
    show(rows, as_json)


@app.command("run")
def study_run(
    name: str,
    corpus: Annotated[str | None, typer.Option(help="Corpus [default: the study's own]")] = None,
    root: Root = None,
    profile: Annotated[str, typer.Option(help="Size: smoke, demo or full.")] = "full",
    variants: Annotated[str | None, typer.Option(help="Names, with commas between [default: all]")] = None,
    protocols: Annotated[str | None, typer.Option(help="Names, with commas between [default: the study's]")] = None,
    target: Annotated[str | None, typer.Option(help="Which label, where the corpus has several.")] = None,
    jobs: Jobs = 2,
    cluster: Annotated[str | None, typer.Option(help="Address of a Dask scheduler that does the work.")] = None,
    tensorboard: Annotated[bool, typer.Option(help="Leave TensorBoard's events in the run folders.")] = False,
    as_json: Json = False,
) -> None:
    """Make the runs of a study; finished ones are skipped, broken ones go on.

    Or several processes share them, on one machine or more: torchrun --nproc_per_node 4 -m workbench study run ...
    """
    from workbench import datasets, evaluation, runs, studies
    from workbench.studies.running import run

    study = studies.load(name)
    opened = datasets.corpus(corpus or study.corpus, root, target=target)
    chosen = {"variants": variants and variants.split(","), "protocols": protocols and protocols.split(",")}
    options = {"jobs": jobs, "cluster": cluster, "tensorboard": tensorboard, "progress": progress}
    made = run(study, opened, profile=profile, **options, **chosen)
    columns = [
        "variant",
        "protocol",
        "accuracy",
        "accuracy_low",
        "accuracy_high",
        "uar",
        "uar_low",
        "uar_high",
    ]
    rows = evaluation.summary(runs.predictions(made))[[*columns, "n_clips", "n_speakers"]].to_dict("records")
    show(rows, as_json, title=f"{study.title} on {opened.card.title}")


@app.command("table")
def study_table(
    name: str,
    corpus: Annotated[str | None, typer.Option(help="Corpus [default: the study's own], or NAME:TARGET")] = None,
    profile: Annotated[str, typer.Option(help="Size: smoke, demo or full.")] = "full",
    into: Annotated[Path | None, typer.Option(help="File to write it into, between its markers.")] = None,
) -> None:
    """Print a study's table as Markdown, from saved predictions: published beside ours."""
    from workbench import runs, studies
    from workbench.studies import results, tables

    study = studies.load(name)
    made = results.results(name, corpus=corpus or study.corpus, size=profile)
    text = tables.markdown(study, runs.predictions(made))
    if into:
        tables.insert(text, into, name)
    print(text)
