"""Every figure of a study, from saved predictions, histories and maps alone: nothing is trained, no clip is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from workbench import embedding, evaluation, paths, plots, runs, studies
from workbench.datasets import CORPORA
from workbench.studies import results

UNSEEN = "unseen speakers"


def draw(
    study: str = "thread",
    *,
    corpus: str = "demo",
    size: str = "demo",
    folder: Path | None = None,
    progress: Callable | None = None,
) -> dict[str, list[Path]]:
    """Draw and save a study's figures (pdf, png, csv each); return the files by figure.

    Raises
    ------
    WorkbenchError
        If the study has no results on this corpus at this size.
    """
    made = list(each(study, corpus=corpus, size=size))
    steps = progress(made, total=len(made), description="saving figures") if progress else made
    return {name: plots.save(figure, name, data, folder=folder or paths.figures()) for name, figure, data in steps}


def each(
    study: str = "thread", *, corpus: str = "demo", size: str = "demo"
) -> Iterator[tuple[str, Figure, pd.DataFrame]]:
    """Yield each figure of a study: its name, the figure, and the data it shows."""
    titles = {name: settings.get("title", name) for name, settings in studies.load(study).variants.items()}
    made = results.results(study, corpus=corpus, size=size)
    predictions = runs.predictions(made)
    card = CORPORA[corpus.partition(":")[0]].card
    note = f"Corpus {corpus}: synthetic, says nothing about people." if card.synthetic else f"{card.title}."
    summary = evaluation.summary(predictions)
    summary["system"] = summary["variant"].map(titles)
    yield f"{study}_accuracy", plots.bars(summary, note=note), summary
    if summary["protocol"].nunique() == 2 and "random" in set(summary["protocol"]):
        yield f"{study}_protocol_gap", plots.protocol_gap(summary, note=note), summary
    if "yaw" in predictions and (groups := studies.load(study).groups()):
        by_yaw = evaluation.by_yaw(predictions)
        yield f"{study}_by_yaw", plots.accuracy_by_yaw(by_yaw, groups, note=note), by_yaw
    for variant, mine in predictions[predictions["protocol"] != "random"].groupby("variant", sort=False):
        title = f"{titles[variant]}, {UNSEEN}"
        yield from _of_system(f"{study}_{variant}", mine, title=title, note=note)
    for run in made:
        first = run.params["fold"] == made[0].params["fold"] and run.params["protocol"] != "random"
        if first and (run.folder / "history.csv").exists():
            title = f"{titles[run.params['variant']]}, {UNSEEN}, {run.params['fold']}"
            history = run.history()
            name = f"{study}_{run.params['variant']}_learning"
            yield name, plots.learning_curves(history, title=title, note=note), history
    yield from _maps(study, made, titles, note)


def _of_system(name: str, mine: pd.DataFrame, *, title: str, note: str) -> Iterator:
    tables = {
        "confusion": (plots.confusion_matrix, evaluation.confusion(mine)),
        "per_class": (plots.per_class, evaluation.per_class(mine)),
        "roc": (plots.roc_curves, evaluation.roc(mine)),
    }
    for kind, (plot, table) in tables.items():
        yield f"{name}_{kind}", plot(table, title=title, note=note), table


def _maps(study: str, made: list[runs.Run], titles: dict[str, str], note: str) -> Iterator:
    """Yield the maps of embeddings that have been drawn up (notebook 50 does), by emotion and by speaker."""
    for run in made:
        for method in embedding.METHODS:
            path = run.folder / f"map_{method}.parquet"
            if path.exists():
                coordinates = pd.read_parquet(path)
                numbers = embedding.describe(run.embedding(), coordinates["emotion"], coordinates["speaker"])
                title = f"{titles[run.params['variant']]}: test clips of {run.params['fold']}, {UNSEEN}"
                figure = plots.scatter(coordinates, method=method, numbers=numbers, title=title, note=note)
                yield f"{study}_{run.params['variant']}_{method}", figure, coordinates
