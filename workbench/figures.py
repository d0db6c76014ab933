"""Every figure and table of a study, from what its runs have saved: nothing is trained, no clip is read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from workbench import evaluation, paths, plots, runs, scale, splits, studies
from workbench.errors import WorkbenchError, choose
from workbench.studies import Study, conditions, results, tables, writing
from workbench.study_figures import FIRST, StudyResults, each, figures_of, note_below, titles_of

__all__ = ["compare", "draw", "each", "save_table", "table", "with_results"]


class Part(NamedTuple):
    """Some of a study's figures, or its table: what one process draws at a time.

    `what` is `scores` (accuracies and the other figures over all variants), `accuracy` (the accuracies alone),
    `table`, or the name of a variant.
    """

    study: str
    corpus: str
    root: str | None
    size: str
    what: str


def draw(
    study: str | None = None,
    *,
    corpus: str | None = "demo",
    root: str | Path | None = None,
    size: str = "demo",
    folder: Path | None = None,
    jobs: int = 1,
    progress: Callable | None = None,
) -> dict[str, list[Path]]:
    """Draw and save a study's figures (pdf, png, csv each) and tables (md, tex, csv, html); return the files by name.

    Without a study: all figures of `thread`, and of every other study that has results (`with_results`) the accuracies.
    The names of the files hold study, corpus (and its root, unless it is the default one) and size.

    Parameters
    ----------
    corpus : str, optional
        Its label; None for every corpus at every root.
    jobs : int
        Processes.

    Raises
    ------
    WorkbenchError
        If the study has no results on this corpus at this size, or without a study none has. If a figure or a table
        cannot be drawn: all others are, and the message names it.
    """
    folder = folder or paths.figures()
    parts = list(_parts(study, corpus, None if root is None else str(root), size))
    work = scale.fan_out(partial(_draw, folder=folder), parts, jobs=min(jobs, len(parts)))
    files, broken = {}, []
    for drawn, problems in progress(work, total=len(parts), description="saving figures") if progress else work:
        for name, paths_of in drawn.items():  # a study's table on several corpora
            files[name] = [*files.get(name, ()), *paths_of]
        broken += problems
    if broken:
        raise WorkbenchError(f"not drawn: {'; '.join(broken)} (all other figures and tables are in {folder})")
    return files


def with_results(corpus: str | None, size: str, *, root: str | Path | None = None) -> list[str]:
    """Return the studies that have results on a corpus (at a root, if given) at a size, `thread` first."""
    return list(dict.fromkeys(study for study, _ in _places(None, corpus, root, size)))


def _places(
    study: str | None, corpus: str | None, root: str | Path | None, size: str
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the studies, `thread` first, with the rows of `results.recorded` at a size, one corpus at one root each."""
    where = None if root is None else str(Path(root).expanduser().resolve())
    for name in [study] if study else sorted(studies.names(), key=lambda name: name != FIRST):
        rows = results.recorded(studies.load(name).name if study else name)
        rows = rows[(rows["size"] == size) & rows["corpus"].isin([corpus] if corpus else rows["corpus"])]
        rows = rows if where is None else rows[rows["root"] == where]
        for _, mine in rows.groupby(["corpus", "root"] if corpus is None else "corpus", sort=False):
            yield name, mine


def _parts(study: str | None, corpus: str | None, root: str | None, size: str) -> Iterator[Part]:
    """Yield what is to be drawn: figures of single variants first, which take longest."""
    found = list(_places(study, corpus, root, size))
    if not found:  # the error says which results there are
        results.place_of(studies.load(study or FIRST), corpus=corpus, root=root, size=size)
    for what in ("variants", "scores", "table"):
        for name, rows in found:
            at = rows.iloc[0]
            whole = name in (study, FIRST)
            part = Part(name, at["corpus"], (at["root"] or None) if corpus is None else root, size, what)
            if what != "variants":
                yield part._replace(what="accuracy" if what == "scores" and not whole else what)
                continue
            order = studies.load(name).variants
            for variant in sorted(set(rows["variant"]) & set(order), key=list(order).index) if whole else ():
                yield part._replace(what=variant)


def _draw(part: Part, *, folder: Path) -> tuple[dict[str, list[Path]], list[str]]:
    """Draw a part; return its files by name, and what could not be drawn and why."""
    where = {"corpus": part.corpus, "root": part.root, "size": part.size}
    files, broken, name = {}, [], f"{part.study} on {part.corpus}, {part.what}"
    try:
        if part.what == "table":
            made = table(part.study, **where)
            return {f"{made.study}_table": save_table(made, part.size, folder=folder)}, broken
        shown = StudyResults(part.study, **where)
        for name, make in figures_of(shown, part.what):
            try:
                figure, data = make()
                files[name] = plots.save(figure, name, data, folder=folder)
            except Exception as error:
                broken.append(_why(name, error))
    except Exception as error:
        broken.append(_why(name, error))
    return files, broken


def _why(name: str, error: Exception) -> str:
    kind = "" if isinstance(error, WorkbenchError) else f"{type(error).__name__}: "
    return f"{name} ({kind}{error})"


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
    titles, base = titles_of(plan), by_variant.pop(against)
    table = evaluation.differences({titles[name]: mine for name, mine in by_variant.items()}, base)
    table.insert(0, "variant", list(by_variant))
    table.insert(1, "transductive", [bool((mine["speaker_clips"] > 1).any()) for mine in by_variant.values()])
    figure = plots.differences(table, against=titles[against], note=note_below(place, predictions))
    name = f"{plan.name}_{place.slug}_{size}_against_{against}"
    return table, plots.save(figure, name, table, folder=folder or paths.figures())
