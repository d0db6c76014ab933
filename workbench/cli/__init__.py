"""`python -m workbench`: thin over the package. What a program would read comes as JSON with `--json`."""

from __future__ import annotations

import sys
from math import isnan
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from workbench.cli import bench, corpora, features, live, models, studies, timeline, weights
from workbench.cli.common import (
    Jobs,
    Json,
    ResultsRoot,
    Root,
    RunCorpus,
    RunRoot,
    console,
    errors,
    load_run,
    progress,
    show,
)
from workbench.errors import Stopped, WorkbenchError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
app.add_typer(corpora.app, name="corpus")
app.add_typer(weights.app, name="weights")
app.add_typer(models.app, name="models")
app.add_typer(studies.app, name="study")
app.add_typer(bench.app, name="bench")
app.command("features")(features.features)
app.command("timeline")(timeline.timeline)
app.command("live")(live.live)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Say what this machine and environment can do, and what is wrong with them."""
    from workbench import doctor

    found = doctor.examine()
    show(found, as_json, title="workbench doctor")
    if not all(row["ok"] for row in found):
        raise typer.Exit(1)


@app.command()
def prepare(
    name: str,
    root: Root = None,
    recipe: Annotated[str, typer.Option(help="A name in workbench/recipes/.")] = "benha",
    change: Annotated[
        list[str] | None, typer.Option("--set", help="KEY=VALUE of the recipe, as in YAML; can be repeated.")
    ] = None,
    jobs: Jobs = 2,
    cluster: Annotated[str | None, typer.Option(help="Address of a Dask scheduler that does the work.")] = None,
    as_json: Json = False,
) -> None:
    """Turn a corpus's recordings into arrays; what fails is listed and left out."""
    from workbench import recipes
    from workbench.datasets import corpus
    from workbench.prepare import prepare

    opened = corpus(name, root)
    wanted = recipes.load(recipe, **recipes.changes(change or []))
    store, report = prepare(opened, opened.clips(), wanted, jobs=jobs, cluster=cluster, progress=progress)
    show(report, as_json)
    if len(store.quarantine):
        errors.print(f"{len(store.quarantine)} notes on clips left out or prepared with a reservation:")
        errors.print(*map(escape, store.quarantine["reason"].head(20)), sep="\n")
        errors.print(f"all of them: {store.folder / 'quarantine.csv'}")


@app.command()
def predict(
    clips: list[Path],
    run: Annotated[str, typer.Option(help="A run's folder, its name, or STUDY/VARIANT for its latest run.")],
    corpus: RunCorpus = None,
    root: RunRoot = None,
    as_json: Json = False,
) -> None:
    """Say which emotion a finished run hears and sees in recordings.

    Exit status 1 if a file could not be read; the others are answered all the same.
    """
    from workbench import _skops  # noqa: F401  before torch: skops looks its types up in all modules that are imported
    from workbench.predict import predict

    answers = predict(clips, load_run(run, corpus, root))
    if as_json:
        show(answers, True)
    else:
        show([_row(answer) for answer in answers], False, title=_title(answers[0]))
        for note in dict.fromkeys(note for answer in answers for note in answer["notes"]):
            errors.print(escape(note), soft_wrap=True)
    if not all(answer["readable"] for answer in answers):
        raise typer.Exit(1)


def _title(answer: dict) -> str:
    return escape(answer["run"]) + f" (trained on synthetic corpus {answer['corpus']})" * answer["synthetic"]


def _row(answer: dict) -> dict:
    """Return an answer as a row of the table; a dash for a probability that is not known."""
    shares = {name: "–" if isnan(p) else f"{p:.2f}" for name, p in answer["probabilities"].items()}
    about = {"clip": answer["path"], "emotion": answer["emotion"] or "–"}
    return about | {"face": answer["face"], "sound": answer["sound"]} | shares


@app.command()
def notebooks(
    profile: Annotated[str, typer.Option(help="notebooks/params/PROFILE.yaml")] = "demo",
    only: Annotated[str | None, typer.Option(help="Beginnings of names, with commas between: 00,30")] = None,
    again: Annotated[bool, typer.Option(help="Also those that are finished and unchanged.")] = False,
    at_once: Annotated[
        int | None, typer.Option(min=1, help="How many at the same time [default: 2 at size smoke or demo, else 1]")
    ] = None,
) -> None:
    """Run the notebooks through papermill; finished, unchanged ones are skipped."""
    from workbench import notebooks

    chosen = notebooks.select(only.split(",") if only else None)
    for row in notebooks.run(chosen, profile=profile, again=again, at_once=at_once, progress=progress):
        console.print(f"{row['notebook']}: {row['state']}, {row['seconds']:.0f} s")


@app.command()
def figures(
    corpus: Annotated[str | None, typer.Option(help="Corpus, or NAME:TARGET [default: all with results]")] = None,
    profile: Annotated[str, typer.Option(help="Size: smoke, demo or full.")] = "demo",
    study: Annotated[
        str | None, typer.Option(help="All figures of this one [default: every study with results]")
    ] = None,
    root: ResultsRoot = None,
    jobs: Jobs = 2,
    as_json: Json = False,
) -> None:
    """Draw figures and tables again from saved predictions, without training."""
    from workbench import figures, studies

    made = figures.draw(study, corpus=corpus, root=root, size=profile, jobs=jobs, progress=progress)
    show([{"figure": name, "files": ", ".join(p.name for p in files)} for name, files in made.items()], as_json)
    if not study and (left := set(studies.names()) - set(figures.with_results(corpus, profile, root=root))):
        errors.print(
            f"left out, without results on {corpus or 'any corpus'} at size {profile}: {', '.join(sorted(left))}"
        )


def main() -> None:
    """Run the command line; what the user can mend is one line, not a traceback."""
    try:
        app()
    except WorkbenchError as error:
        errors.print(f"[bold red]error[/]: {escape(str(error))}", soft_wrap=True)
        sys.exit(1)
    except Stopped as stop:
        errors.print(f"stopped, as was asked: {stop or 'before the first run'}; the same command goes on from there")
        sys.exit(130)
    except SystemExit as end:
        if end.code == 130:  # what typer makes of Ctrl-C
            errors.print("interrupted; what is finished is kept, and the same command goes on from there")
        raise
