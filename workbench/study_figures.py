"""The figures of a study: each by its name, with what draws it from saved results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from workbench import embedding, evaluation, plots, runs, studies
from workbench.datasets import card_of
from workbench.studies import Study, results
from workbench.studies.places import Place

UNSEEN = "unseen speakers"
FIRST = "thread"  # the study whose figures are all drawn; of others, unless they are asked for, the first


def each(
    study: str | Study = FIRST, *, corpus: str = "demo", root: str | Path | None = None, size: str = "demo"
) -> Iterator[tuple[str, Figure, pd.DataFrame]]:
    """Yield each figure of a study, the accuracies first: its name, the figure, and the data it shows."""
    shown = StudyResults(study, corpus=corpus, root=root, size=size)
    for what in ("scores", *shown.variants):
        for name, make in figures_of(shown, what):
            yield name, *make()


class StudyResults:
    """A study's results at one place and size, read once: what its figures are drawn from."""

    def __init__(self, study: str | Study, *, corpus: str, root: str | Path | None, size: str):
        self.study = study if isinstance(study, Study) else studies.load(study)
        where = {"corpus": corpus, "root": root, "size": size}
        self.titles, self.place = titles_of(self.study), results.place_of(self.study, **where)
        self.runs = results.results(self.study, **where)
        self.variants = list(dict.fromkeys(run.params["variant"] for run in self.runs))
        self.name = f"{self.study.name}_{self.place.slug}_{size}"


Made = tuple[str, Callable[[], tuple[Figure, pd.DataFrame]]]  # a figure's name, and what draws it


def figures_of(shown: StudyResults, what: str) -> Iterator[Made]:
    """Yield the figures of a part of a study: over all variants (`scores`, `accuracy`), or of one variant."""
    if what in ("scores", "accuracy"):
        yield from _of_all(shown, what)
        return
    made = [run for run in shown.runs if run.params["variant"] == what]
    predictions = runs.predictions(made)
    mine = predictions[predictions["protocol"] != "random"]
    if len(mine):
        title, note = f"{shown.titles[what]}, {UNSEEN}", note_below(shown.place, mine)
        yield from _of_system(f"{shown.name}_{what}", mine, title=title, note=note)
    yield from _learning(shown, made)
    yield from _maps(shown, made)


def _of_all(shown: StudyResults, what: str) -> Iterator[Made]:
    predictions = runs.predictions(shown.runs)
    note, summary = note_below(shown.place, predictions), evaluation.summary(predictions)
    summary["system"] = summary["variant"].map(shown.titles)
    yield f"{shown.name}_accuracy", lambda: (plots.bars(summary, note=note), summary)
    if what == "accuracy":
        return
    if summary["protocol"].nunique() == 2 and "random" in set(summary["protocol"]):
        yield f"{shown.name}_protocol_gap", lambda: (plots.protocol_gap(summary, note=note), summary)
    if "yaw" in predictions and (groups := shown.study.groups()):
        by_yaw = evaluation.by_yaw(predictions)
        yield f"{shown.name}_by_yaw", lambda: (plots.accuracy_by_yaw(by_yaw, groups, note=note), by_yaw)


def note_below(place: Place, predictions: pd.DataFrame | None = None) -> str:
    """Return what stands below a figure: the corpus, and what is transductive in it."""
    card = card_of(place.corpus)
    about = "synthetic, says nothing about people" if card and card.synthetic else card.title if card else ""
    note = f"Corpus {place.title}{': ' * bool(about)}{about}."
    if predictions is None or not (words := runs.transductive_note(predictions[predictions["speaker_clips"] > 1])):
        return note
    return f"{note} Transductive: {words}."


def titles_of(study: Study) -> dict[str, str]:
    """Return what figures call the variants; those of one title, in several groups, with their names."""
    titles = study.titles()
    several = Counter(titles.values())
    return {name: title if several[title] == 1 else f"{title} ({name})" for name, title in titles.items()}


def _of_system(name: str, mine: pd.DataFrame, *, title: str, note: str) -> Iterator[Made]:
    kinds = {
        "confusion": (plots.confusion_matrix, evaluation.confusion),
        "per_class": (plots.per_class, evaluation.per_class),
        "roc": (plots.roc_curves, evaluation.roc),
    }
    for kind, (plot, evaluate) in kinds.items():

        def make(plot=plot, evaluate=evaluate):
            data = evaluate(mine)
            return plot(data, title=title, note=note), data

        yield f"{name}_{kind}", make


def _learning(shown: StudyResults, made: list[runs.Run]) -> Iterator[Made]:
    """Yield the learning curves of a variant's run on the first fold."""
    for run in made:
        first = run.params["fold"] == shown.runs[0].params["fold"] and run.params["protocol"] != "random"
        if first and (run.folder / "history.csv").exists():
            title = f"{shown.titles[run.params['variant']]}, {UNSEEN}, {run.params['fold']}"
            options, history = {"title": title, "note": note_below(shown.place)}, run.history()
            name = f"{shown.name}_{run.params['variant']}_learning"
            yield name, partial(_curves, history, options)


def _curves(history: pd.DataFrame, options: dict) -> tuple[Figure, pd.DataFrame]:
    return plots.learning_curves(history, **options), history


def _maps(shown: StudyResults, made: list[runs.Run]) -> Iterator[Made]:
    """Yield the maps of embeddings that have been drawn up (notebook 50 does), by emotion and by speaker."""
    for run in made:
        for method in embedding.METHODS:
            path = run.folder / f"map_{method}.parquet"
            if path.exists():
                yield f"{shown.name}_{run.params['variant']}_{method}", partial(_map, shown, run, method, path)


def _map(shown: StudyResults, run: runs.Run, method: str, path: Path) -> tuple[Figure, pd.DataFrame]:
    coordinates = pd.read_parquet(path)
    numbers = embedding.describe(run.embedding(), coordinates["emotion"], coordinates["speaker"])
    title = f"{shown.titles[run.params['variant']]}: test clips of {run.params['fold']}, {UNSEEN}"
    note = note_below(shown.place)
    return plots.scatter(coordinates, method=method, numbers=numbers, title=title, note=note), coordinates
