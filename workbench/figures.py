"""Every figure and table of a study, from what its runs have saved: nothing is trained, no clip is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from workbench import embedding, evaluation, paths, plots, runs, splits, studies
from workbench.datasets import card_of
from workbench.errors import WorkbenchError, choose
from workbench.studies import Study, conditions, results, tables, writing
from workbench.studies.places import Place

UNSEEN = "unseen speakers"
FIRST = "thread"  # the study whose figures are all drawn; of others, unless they are asked for, the first


def draw(
    study: str | None = None,
    *,
    corpus: str = "demo",
    root: str | Path | None = None,
    size: str = "demo",
    folder: Path | None = None,
    progress: Callable | None = None,
) -> dict[str, list[Path]]:
    """Draw and save a study's figures (pdf, png, csv each) and tables (md, tex, csv, html); return the files by name.

    Without a study: all figures of `thread`, and of every other study that has results (`with_results`) the accuracies.
    The names of the files hold study, corpus (and its root, unless it is the default one) and size.

    Raises
    ------
    WorkbenchError
        If the study has no results on this corpus at this size; without a study, if none has.
    """
    folder, where = folder or paths.figures(), {"corpus": corpus, "root": root, "size": size}
    chosen = [study] if study else with_results(corpus, size, root=root) or [FIRST]
    every = [studies.load(name) for name in chosen]
    most = [None if name in (study, FIRST) else 1 for name in chosen]
    made = list(chain(*(islice(each(one, **where), n) for one, n in zip(every, most, strict=True))))
    steps = progress(made, total=len(made), description="saving figures") if progress else made
    files = {name: plots.save(figure, name, data, folder=folder) for name, figure, data in steps}
    written = {one.name: save_table(table(one, **where), size, folder=folder) for one in every}
    return files | {f"{name}_table": paths for name, paths in written.items()}


def with_results(corpus: str, size: str, *, root: str | Path | None = None) -> list[str]:
    """Return the studies that have results on a corpus (at a root, if given) at a size, `thread` first."""
    where = None if root is None else str(Path(root).expanduser().resolve())
    found = []
    for name in sorted(studies.names(), key=lambda name: name != FIRST):
        known = results.recorded(name)
        mine = known[(known["corpus"] == corpus) & (known["size"] == size)]
        if len(mine if where is None else mine[mine["root"] == where]):
            found.append(name)
    return found


def table(
    study: str | Study,
    *,
    corpus: str = "demo",
    root: str | Path | None = None,
    size: str = "demo",
    variants: Iterable[str] | None = None,
) -> writing.Table:
    """Return a study's table (`studies.tables.table`), from its saved results on one corpus at one root.

    Raises
    ------
    WorkbenchError
        If the study has no results on this corpus at this size, or has them at several roots and none is named.
    """
    study = study if isinstance(study, Study) else studies.load(study)
    where = {"corpus": corpus, "root": root, "size": size}
    made, place = results.results(study, **where), results.place_of(study, **where)
    known = results.remarks(study)
    remarks = known.loc[(known["key"] == place.key) & (known["size"] == size), "remark"]
    return tables.table(
        study,
        runs.predictions(made),
        place=place,
        costs=results.costs(made),
        conditions=conditions.table(made),
        remarks=[f"{line.rstrip('.')}." for line in remarks],
        variants=None if variants is None else list(variants),
    )


def save_table(table: writing.Table, size: str, *, folder: Path | None = None) -> list[Path]:
    """Write a table into `tables/<study>_<corpus>_<size>` below the folder of figures, as .md, .tex, .csv and .html."""
    name = f"{table.study}_{table.place.slug}_{size}"
    return writing.save(table, name, folder=(folder or paths.figures()) / "tables")


def compare(
    study: str | Study,
    against: str,
    *,
    corpus: str = "demo",
    root: str | Path | None = None,
    size: str = "demo",
    folder: Path | None = None,
) -> tuple[pd.DataFrame, list[Path]]:
    """Compare a study's variants with one of them on the same takes of unseen speakers; draw it, and save the figure.

    Returns
    -------
    table : DataFrame
        One row a variant, `evaluation.differences`, with its name (`variant`) first.
    files : list of Path
        The figure `<study>_<corpus>_<size>_against_<variant>` as pdf and png, and the table as csv.

    Raises
    ------
    WorkbenchError
        If the study has no results on this corpus at this size, or none of `against` or of any other variant with the
        speakers kept apart.
    """
    plan = study if isinstance(study, Study) else studies.load(study)
    choose(f"variant of study {plan.name!r}", against, plan.variants)
    where = {"corpus": corpus, "root": root, "size": size}
    place = results.place_of(plan, **where)
    predictions = runs.predictions(results.results(plan, **where))
    fair = predictions[~predictions["protocol"].isin(splits.SHARING)]
    fair = fair[fair["protocol"] == fair["protocol"].iloc[0]] if len(fair) else fair
    by_variant = dict(list(fair.groupby("variant", sort=False)))
    if against not in by_variant or len(by_variant) < 2:
        known = ", ".join(by_variant) or "none"
        raise WorkbenchError(
            f"study {plan.name!r} on {place.title} at size {size}: expected results of {against!r} and of others on "
            f"unseen speakers, found those of {known}"
        )
    titles, base = _titles(plan), by_variant.pop(against)
    table = evaluation.differences({titles[name]: mine for name, mine in by_variant.items()}, base)
    table.insert(0, "variant", list(by_variant))
    table.insert(1, "transductive", [bool((mine["speaker_clips"] > 1).any()) for mine in by_variant.values()])
    figure = plots.differences(table, against=titles[against], note=_note(place, predictions))
    name = f"{plan.name}_{place.slug}_{size}_against_{against}"
    return table, plots.save(figure, name, table, folder=folder or paths.figures())


def each(
    study: str | Study = FIRST, *, corpus: str = "demo", root: str | Path | None = None, size: str = "demo"
) -> Iterator[tuple[str, Figure, pd.DataFrame]]:
    """Yield each figure of a study, the accuracies first: its name, the figure, and the data it shows."""
    whole = study if isinstance(study, Study) else studies.load(study)
    where = {"corpus": corpus, "root": root, "size": size}
    titles, place, made = _titles(whole), results.place_of(whole, **where), results.results(whole, **where)
    name, predictions = f"{whole.name}_{place.slug}_{size}", runs.predictions(made)
    note, summary = _note(place, predictions), evaluation.summary(predictions)
    summary["system"] = summary["variant"].map(titles)
    yield f"{name}_accuracy", plots.bars(summary, note=note), summary
    if summary["protocol"].nunique() == 2 and "random" in set(summary["protocol"]):
        yield f"{name}_protocol_gap", plots.protocol_gap(summary, note=note), summary
    if "yaw" in predictions and (groups := whole.groups()):
        by_yaw = evaluation.by_yaw(predictions)
        yield f"{name}_by_yaw", plots.accuracy_by_yaw(by_yaw, groups, note=note), by_yaw
    for variant, mine in predictions[predictions["protocol"] != "random"].groupby("variant", sort=False):
        title, about = f"{titles[variant]}, {UNSEEN}", _note(place, mine)
        yield from _of_system(f"{name}_{variant}", mine, title=title, note=about)
    for run in made:
        first = run.params["fold"] == made[0].params["fold"] and run.params["protocol"] != "random"
        if first and (run.folder / "history.csv").exists():
            title = f"{titles[run.params['variant']]}, {UNSEEN}, {run.params['fold']}"
            history, about = run.history(), _note(place)
            yield (
                f"{name}_{run.params['variant']}_learning",
                plots.learning_curves(history, title=title, note=about),
                history,
            )
    yield from _maps(name, made, titles, _note(place))


def _note(place: Place, predictions: pd.DataFrame | None = None) -> str:
    """Return what stands below a figure: the corpus, and what is transductive in it."""
    card = card_of(place.corpus)
    about = "synthetic, says nothing about people" if card and card.synthetic else card.title if card else ""
    note = f"Corpus {place.title}{': ' * bool(about)}{about}."
    if predictions is None or not (words := runs.transductive_note(predictions[predictions["speaker_clips"] > 1])):
        return note
    return f"{note} Transductive: {words}."


def _titles(study: Study) -> dict[str, str]:
    """Return what figures call the variants; those of one title, in several groups, with their names."""
    titles = study.titles()
    several = Counter(titles.values())
    return {name: title if several[title] == 1 else f"{title} ({name})" for name, title in titles.items()}


def _of_system(name: str, mine: pd.DataFrame, *, title: str, note: str) -> Iterator:
    kinds = {
        "confusion": (plots.confusion_matrix, evaluation.confusion(mine)),
        "per_class": (plots.per_class, evaluation.per_class(mine)),
        "roc": (plots.roc_curves, evaluation.roc(mine)),
    }
    for kind, (plot, table) in kinds.items():
        yield f"{name}_{kind}", plot(table, title=title, note=note), table


def _maps(name: str, made: list[runs.Run], titles: dict[str, str], note: str) -> Iterator:
    """Yield the maps of embeddings that have been drawn up (notebook 50 does), by emotion and by speaker."""
    for run in made:
        for method in embedding.METHODS:
            path = run.folder / f"map_{method}.parquet"
            if path.exists():
                coordinates = pd.read_parquet(path)
                numbers = embedding.describe(run.embedding(), coordinates["emotion"], coordinates["speaker"])
                title = f"{titles[run.params['variant']]}: test clips of {run.params['fold']}, {UNSEEN}"
                figure = plots.scatter(coordinates, method=method, numbers=numbers, title=title, note=note)
                yield f"{name}_{run.params['variant']}_{method}", figure, coordinates
