"""`python -m workbench`: thin over the package. What a program would read comes as JSON with `--json`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from workbench.errors import WorkbenchError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
corpus_app = typer.Typer(no_args_is_help=True, help="The corpora: list, bring, check.")
study_app = typer.Typer(no_args_is_help=True, help="Studies: what to run, as data; run it; its table.")
bench_app = typer.Typer(no_args_is_help=True, help="Measurements; ratios are taken within one run.")
app.add_typer(corpus_app, name="corpus")
app.add_typer(study_app, name="study")
app.add_typer(bench_app, name="bench")

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


@app.command()
def doctor(as_json: Json = False) -> None:
    """Say what this machine and environment can do, and what is wrong with them."""
    from workbench import doctor

    found = doctor.examine()
    show(found, as_json, title="workbench doctor")
    if not all(row["ok"] for row in found):
        raise typer.Exit(1)


@corpus_app.command("list")
def corpus_list(as_json: Json = False) -> None:
    """List the corpora and whether they are on disk."""
    from workbench import paths
    from workbench.datasets import CORPORA

    rows = [
        {
            "name": name,
            "title": kind.card.title,
            "licence": kind.card.licence,
            "root": str(paths.raw(name)),
            "on_disk": paths.raw(name).is_dir(),
        }
        for name, kind in CORPORA.items()
    ]
    show(rows, as_json)


@corpus_app.command("check")
def corpus_check(name: str, root: Root = None, as_json: Json = False) -> None:
    """Read every file of a corpus; list what is missing, unreadable, duplicate or misnamed."""
    from workbench.datasets import corpus

    opened = corpus(name, root)
    report = opened.check(progress=progress)
    if not as_json:
        kinds = opened.kinds()
        console.print(f"{name} at {opened.root}: " + ", ".join(f"{n} {kind}" for kind, n in kinds.items()))
    show(report, as_json)


@corpus_app.command("fetch")
def corpus_fetch(
    name: str,
    root: Root = None,
    seed: Annotated[int, typer.Option(help="Of the synthetic corpus.")] = 0,
    size: Annotated[str, typer.Option(help="Of the synthetic corpus: demo or smoke.")] = "demo",
    jobs: Jobs = 2,
) -> None:
    """Bring a corpus: the synthetic one is made here; for the others, say how to get them."""
    from workbench.datasets import fetch

    opened = fetch(name, root, seed=seed, size=size, jobs=jobs, progress=progress)
    console.print(f"{name} is at {opened.root}")


@app.command()
def prepare(name: str, root: Root = None, jobs: Jobs = 2, as_json: Json = False) -> None:
    """Turn a corpus's recordings into arrays; what fails is listed and left out."""
    from workbench.datasets import corpus
    from workbench.prepare import prepare

    opened = corpus(name, root)
    store, report = prepare(opened, opened.clips(), jobs=jobs, progress=progress)
    show(report, as_json)
    if len(store.quarantine):
        errors.print(f"{len(store.quarantine)} notes on clips left out or prepared with a reservation:")
        errors.print(*map(escape, store.quarantine["reason"].head(20)), sep="\n")
        errors.print(f"all of them: {store.folder / 'quarantine.csv'}")


@study_app.command("list")
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


@study_app.command("run")
def study_run(
    name: str,
    corpus: Annotated[str | None, typer.Option(help="Corpus [default: the study's own]")] = None,
    root: Root = None,
    profile: Annotated[str, typer.Option(help="Size: smoke, demo or full.")] = "full",
    variants: Annotated[str | None, typer.Option(help="Names, with commas between [default: all]")] = None,
    protocols: Annotated[str | None, typer.Option(help="Names, with commas between [default: the study's]")] = None,
    jobs: Jobs = 2,
    as_json: Json = False,
) -> None:
    """Make the runs of a study; finished ones are skipped, broken ones go on."""
    from workbench import datasets, evaluation, runs, studies
    from workbench.studies.running import run

    study = studies.load(name)
    opened = datasets.corpus(corpus or study.corpus, root)
    chosen = {"variants": variants and variants.split(","), "protocols": protocols and protocols.split(",")}
    made = run(study, opened, profile=profile, jobs=jobs, progress=progress, **chosen)
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


@study_app.command("table")
def study_table(
    name: str,
    corpus: Annotated[str | None, typer.Option(help="Corpus [default: the study's own]")] = None,
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


@app.command()
def predict(
    clips: list[Path],
    run: Annotated[str, typer.Option(help="A run's folder, its name, or STUDY/VARIANT for its latest run.")],
    as_json: Json = False,
) -> None:
    """Say which emotion a finished run hears and sees in recordings."""
    from workbench import runs
    from workbench.predict import predict

    answers = predict(clips, runs.load(run))
    if as_json:
        show(answers, True)
        return
    rows = [
        {
            "clip": answer["path"],
            "emotion": answer["emotion"] or "unknown",
            "face": answer["face"],
            "sound": answer["sound"],
            **{name: f"{p:.2f}" for name, p in answer["probabilities"].items()},
        }
        for answer in answers
    ]
    show(rows, False, title=answers[0]["run"] if answers else "")
    for note in (note for answer in answers for note in answer["notes"]):
        errors.print(escape(note))


@app.command()
def notebooks(
    profile: Annotated[str, typer.Option(help="notebooks/params/PROFILE.yaml")] = "demo",
    only: Annotated[str | None, typer.Option(help="Beginnings of names, with commas between: 00,30")] = None,
    again: Annotated[bool, typer.Option(help="Also those that are finished and unchanged.")] = False,
) -> None:
    """Run the notebooks in order through papermill; finished, unchanged ones are skipped."""
    from workbench import notebooks

    chosen = notebooks.select(only.split(",") if only else None)
    for row in notebooks.run(chosen, profile=profile, again=again, progress=progress):
        console.print(f"{row['notebook']}: {row['state']}, {row['seconds']:.0f} s")


@app.command()
def figures(
    corpus: str = "demo",
    profile: Annotated[str, typer.Option(help="Size: smoke, demo or full.")] = "demo",
    study: str = "thread",
    as_json: Json = False,
) -> None:
    """Draw every figure again from saved predictions, without training."""
    from workbench import figures

    made = figures.draw(study, corpus=corpus, size=profile, progress=progress)
    show([{"figure": name, "files": ", ".join(p.name for p in files)} for name, files in made.items()], as_json)


@bench_app.command("prepare")
def bench_prepare(clips: list[Path], as_json: Json = False) -> None:
    """Time preparing clips against merely decoding them, single-threaded, in one run."""
    from workbench import bench

    show(bench.prepare(clips), as_json)


def main() -> None:
    """Run the command line; what the user can mend is one line, not a traceback."""
    try:
        app()
    except WorkbenchError as error:
        errors.print(f"[bold red]error[/]: {escape(str(error))}", soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        errors.print("interrupted; what is finished is kept, and the same command goes on from there")
        sys.exit(130)
