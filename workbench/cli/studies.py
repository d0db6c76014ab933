"""Studies: what there is, run them, stop them, their tables."""

from __future__ import annotations

from math import isnan
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from workbench.cli.common import Jobs, Json, ResultsRoot, Root, errors, progress, show
from workbench.errors import WorkbenchError, choose

app = typer.Typer(no_args_is_help=True, help="Studies: what to run, as data; run it; its table.")
Study = Annotated[str, typer.Argument(metavar="STUDY", help="A study's name, or the path of its YAML file.")]


@app.command("list")
def study_list(as_json: Json = False) -> None:
    """List the studies: how many variants each has, and how many rows of the published table."""
    from workbench import studies

    found = {name: _listed(name) for name in studies.names()}
    rows = [
        {
            "name": study.name,
            "title": study.title,
            "source": study.source,
            "table": study.table,
            "variants": len(study.variants),
            "published": sum("published" in row for row in (*study.variants.values(), *study.cited.values())),
        }
        for study in found.values()
        if study
    ]
    show(rows, as_json)


def _listed(name: str):
    """Return a study as it is listed; None, with the reason on standard error, for a file that cannot be read."""
    from workbench import studies

    try:
        return studies.listed(name)
    except WorkbenchError as error:
        errors.print(escape(f"left out: {error}"), soft_wrap=True)
        return None


@app.command("show")
def study_show(name: Study, as_json: Json = False) -> None:
    """Say what a study is: its sizes, its variants, what was published for them, which of its runs there are."""
    from workbench import studies
    from workbench.studies import showing

    study = studies.load(name)
    if as_json:
        show(showing.describe(study), True)
        return
    for title, rows in showing.overview(study).items():
        show(rows, False, title=title)


@app.command("run")
def study_run(
    name: Study,
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

    A study of your own is a YAML file like those in workbench/studies/: study run path/to/my.yaml.
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
        *(f"{metric}{end}" for metric in ("accuracy", "uar") for end in ("", "_low", "_high")),
    ]
    columns += ["n_clips", "n_speakers", "transductive", "speaker_clips"]
    rows = evaluation.summary(runs.predictions(made))[columns].to_dict("records")
    show(
        rows if as_json else list(map(_scores, rows)),
        as_json,
        title=f"{study.title} on {opened.card.title}, in percent",
    )


def _scores(row: dict) -> dict:
    """Return a row of the summary as a person reads it."""
    variant = f"{row['variant']} (transductive)" if row["transductive"] else row["variant"]
    scores = {
        title: _with_interval(*(row[f"{name}{end}"] for end in ("", "_low", "_high")))
        for name, title in (("accuracy", "accuracy"), ("uar", "UAR"))
    }
    sizes = {"clips": row["n_clips"], "speakers": row["n_speakers"]}
    return {"variant": variant, "protocol": row["protocol"], **scores, **sizes}


def _with_interval(value: float, low: float, high: float) -> str:
    return f"{100 * value:.1f}" if isnan(low) else f"{100 * value:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


@app.command("pause")
def study_pause(name: Study) -> None:
    """Pause a running study at its next checkpoint; `resume` continues it."""
    _ask(name, "pause")


@app.command("resume")
def study_resume(name: Study) -> None:
    """Continue a paused study. (`run` continues one that was stopped or killed.)"""
    _ask(name, None)


@app.command("stop")
def study_stop(name: Study) -> None:
    """Stop a running study at its next checkpoint; `run` continues it from there."""
    _ask(name, "stop")


def _ask(name: str, way: str | None) -> None:
    from workbench import studies
    from workbench.studies import under_way

    under_way.ask(studies.listed(name).name, way)


@app.command("table")
def study_table(
    name: Study,
    corpus: Annotated[str | None, typer.Option(help="Corpus [default: the study's own], or NAME:TARGET")] = None,
    root: ResultsRoot = None,
    profile: Annotated[str, typer.Option(help="Size: smoke, demo or full.")] = "full",
    form: Annotated[str, typer.Option("--format", help="markdown, latex, csv, html or text.")] = "markdown",
    into: Annotated[Path | None, typer.Option(help="File to write the Markdown into, between its markers.")] = None,
) -> None:
    """Print a study's table, published beside ours, from saved predictions; save it in figures/tables/."""
    from workbench import figures, studies
    from workbench.studies import tables, writing

    choose("format", form, writing.FORMATS)
    study = studies.load(name)
    table = figures.table(study, corpus=corpus or study.corpus, root=root, size=profile)
    saved = figures.save_table(table, profile)
    if into:
        tables.insert(writing.markdown(table), into, study.name)
    print(writing.write(table, form))
    errors.print(f"saved: {saved[0].with_suffix('')}{{{','.join(path.suffix for path in saved)}}}", soft_wrap=True)


@app.command("compare")
def study_compare(
    name: Study,
    against: Annotated[str, typer.Option(help="The variant that the others are compared with.")],
    corpus: Annotated[str | None, typer.Option(help="Corpus [default: the study's own], or NAME:TARGET")] = None,
    root: ResultsRoot = None,
    profile: Annotated[str, typer.Option(help="Size: smoke, demo or full.")] = "full",
    as_json: Json = False,
) -> None:
    """Compare a study's variants with one of them, on the same takes of unseen speakers, and draw it.

    Differences in accuracy with intervals over speakers; p from signs of the speakers' gains drawn by lot, and after
    Holm's correction for as many variants as there are.
    """
    from workbench import figures, studies

    study = studies.load(name)
    table, saved = figures.compare(study, against, corpus=corpus or study.corpus, root=root, size=profile)
    title = f"accuracy less that of {against}, same takes of unseen speakers"
    show(table.drop(columns="system").to_dict("records"), as_json, title=title)
    errors.print(f"saved: {saved[0].with_suffix('')}{{{','.join(path.suffix for path in saved)}}}", soft_wrap=True)
