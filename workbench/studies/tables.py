"""A study's table: published | ours, same protocol | ours, unseen speakers | the differences with their intervals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from math import nan
from pathlib import Path

import pandas as pd

from workbench import evaluation, standards
from workbench.datasets import card_of
from workbench.emotions import in_order
from workbench.errors import WorkbenchError
from workbench.speakers import all_known, count_in_words
from workbench.studies import Study, cells
from workbench.studies.cells import NOT_RUN, SAME, UNSEEN, Cell, Sheet, System, frame
from workbench.studies.places import Place
from workbench.studies.scoring import KINDS, Kind, parts, right
from workbench.studies.writing import Table

WIDEST = 9  # columns of a table; what goes beyond stands in another one
REPORT = {"precision": "precision", "recall": "recall", "f1": "F1"}  # of a class: key -> title


def table(
    study: Study,
    predictions: pd.DataFrame,
    *,
    place: Place | None = None,
    costs: pd.DataFrame | None = None,
    conditions: pd.DataFrame | None = None,
    remarks: Sequence[str] = (),
    variants: Sequence[str] | None = None,
) -> Table:
    """Return a study's table: one row a variant, and one for each system of others that the published table cites.

    `same protocol` is that of the published numbers; `unseen speakers` the speaker-disjoint one beside it, or the same
    one where that keeps speakers apart. `same protocol less unseen` is what a random split flatters by, on the takes
    that both tested. Further kinds of numbers have columns where one was published or the study's `measures` name
    them; where folds, seeds or classes were published one by one, further tables show them.

    A published number stands beside ours and never for it. It is comparable with ours if both were reached under the
    same conditions (`studies.reached`): corpus, material, classes, protocol, number of folds, size, initial weights.
    Otherwise it is grey, no difference is shown, and a note says why. A table `conditions` gives those of ours.

    Parameters
    ----------
    predictions : DataFrame
        The predictions of the study's runs on one corpus (`studies.results.results`).
    place : Place, optional
        The corpus at its root; by default the predictions' corpus alone.
    costs : DataFrame, optional
        Index `variant`; columns of `studies.COSTS`.
    conditions : DataFrame, optional
        Of the runs (`studies.conditions.table`). Without them no published number is comparable.
    remarks : sequence of str, optional
        Further notes: what was left out, what could not be run.
    variants : sequence of str, optional
        Those to show, by default all of the study, and the systems of others.

    Raises
    ------
    WorkbenchError
        If the predictions are on several corpora, or a variant is unknown.
    """
    if len(corpora := sorted(set(predictions["corpus"]))) != 1:
        raise WorkbenchError(f"a table is of one corpus, found predictions on {', '.join(corpora) or 'none'}")
    empty = pd.DataFrame()
    if "speaker_clips" not in predictions:
        predictions = predictions.assign(speaker_clips=1)
    costs = empty if costs is None else costs
    sheet = Sheet(study, place or Place(corpora[0]), predictions, costs, conditions, cells.systems(study, variants))
    shown = [cells.records(sheet, "accuracy", cells.accuracy)]
    for family in KINDS:
        shown += _packed([_of_kind(sheet, key, kind) for key, kind in family.items() if key in sheet.asked])
    further = [*_by(sheet, "fold"), *_by(sheet, "seed"), _by_class(sheet), _settings(sheet)]
    further.append(cells.records(sheet, "conditions", cells.conditions))
    whole = pd.concat([part for part in (*_packed(shown), *further) if len(part)], ignore_index=True)
    origin = f"Source {study.source}: {study.table}." if study.source else ""
    notes = [*_notes(sheet), *remarks]
    return Table(study.name, study.title, origin, sheet.place, list(_warnings(sheet)), whole, notes)


def insert(text: str, path: Path, name: str) -> None:
    """Put a table into a file, between the lines ``<!-- table NAME -->`` and ``<!-- end NAME -->``.

    Raises
    ------
    WorkbenchError
        If the file lacks the two lines.
    """
    begin, end = f"<!-- table {name} -->\n", f"<!-- end {name} -->"
    before, found, rest = path.read_text().partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise WorkbenchError(f"{path}: expected the lines {begin.strip()!r} and {end!r}, around the table's place")
    path.write_text(f"{before}{begin}\n{text.strip()}\n\n{end}{after}")


def _of_kind(sheet: Sheet, key: str, kind: Kind) -> pd.DataFrame:
    """Return the columns of a kind of number."""
    return cells.records(sheet, kind.title, partial(cells.of_kind, key=key, kind=kind))


def _packed(columns: list[pd.DataFrame]) -> list[pd.DataFrame]:
    """Return columns side by side in as many tables as they need."""
    packed: list[pd.DataFrame] = []
    for more in filter(len, columns):
        both = pd.concat([*packed[-1:], more], ignore_index=True)
        name = ", ".join(both["table"].unique())
        fits = packed and both["column"].nunique() <= WIDEST
        packed[-1:] = [both.assign(table=name)] if fits else [*packed[-1:], more]
    return packed


def _by(sheet: Sheet, by: str) -> Iterator[pd.DataFrame]:
    """Yield the table by fold or by seed, where it was published: published, ours, and the mean of each.

    Ours has a table of its own where none of its folds (seeds) is called as a published one.
    """
    listed = [system for system in sheet.systems if f"by_{by}" in system.published]
    names = list(dict.fromkeys(str(name) for system in listed for name in system.published[f"by_{by}"]))
    beside, apart = [], []
    for system in listed:
        theirs = {str(name): value for name, value in system.published[f"by_{by}"].items()}
        beside += _line(system, "published", theirs, names, comparable=sheet.comparable(system))
        for side, protocol in sheet.sides.items() if system.rebuilt else ():
            mine = _accuracies(sheet.ours(system, protocol), by)
            published = protocol == sheet.study.protocol
            if mine.keys() & set(names) or (published and not mine):
                beside += _line(system, f"ours, {side}", mine, names)
            elif published:
                apart += _line(system, f"ours, {side}", mine, list(mine))
    yield frame(f"by {by}", beside)
    yield frame(f"by {by}, ours", apart)


def _accuracies(mine: pd.DataFrame, by: str) -> dict[str, float]:
    """Return the accuracy in percent by fold or seed; with several seeds, a fold's is their mean."""
    tested = mine[mine["usage"] == "test"]
    return {str(name): value for name, value in right(tested).groupby(tested[by], sort=False).mean().items()}


def _line(system: System, detail: str, values: dict, names: list[str], *, comparable: bool = True) -> list:
    """Return the cells of a line with one column a name, and their mean; `not run` where there is no value at all."""
    known = pd.Series({name: values[name] for name in names if name in values}, dtype=float)
    line = [Cell(name, "%", known.get(name, nan), comparable=comparable) for name in names]
    line.append(Cell("mean", "%", known.mean(), text="" if len(known) else NOT_RUN, comparable=comparable))
    return [(system, detail, cell) for cell in line]


def _by_class(sheet: Sheet) -> pd.DataFrame:
    """Return the report by class, where it was published: precision, recall and F1, published and ours."""
    rows = []
    for system in sheet.systems:
        theirs = system.published.get("by_class", {})
        ran = {side: sheet.ours(system, protocol) for side, protocol in sheet.sides.items() if theirs}
        ours = {side: 100 * evaluation.per_class(mine) for side, mine in ran.items() if len(mine)}
        for name, numbers in theirs.items():
            for key, title in REPORT.items():
                shown = Cell(f"{title}, published", "%", numbers.get(key, nan), comparable=sheet.comparable(system))
                rows.append((system, name, shown))
                for side in ran if system.rebuilt else ():
                    value = ours[side][key].get(name, nan) if side in ours else nan
                    text = "" if side in ours else NOT_RUN
                    rows.append((system, name, Cell(f"{title}, {side}", "%", value, text=text)))
    return frame("by class", rows)


def _settings(sheet: Sheet) -> pd.DataFrame:
    """Return the settings that the published table is one of, as texts."""
    rows = []
    for system in sheet.systems:
        given = dict(system.published.get("settings", {}))
        if by_seed := system.published.get("n_neighbors"):
            given["n_neighbors by seed"] = ", ".join(f"{seed}: {n}" for seed, n in by_seed.items())
        rows += [(system, "", Cell(str(name), text=_words(value))) for name, value in given.items()]
    return frame("settings, as published", rows)


def _words(value) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _warnings(sheet: Sheet) -> Iterator[str]:
    """Yield what has to be read before the numbers."""
    study, place = sheet.study, sheet.place
    if place.corpus != study.corpus and sheet.reasons and all(sheet.reasons.values()):
        title = f"{place.title}{_synthetic(place.corpus)}"
        yield f"Corpus {title} in place of {study.corpus}: the published column is not comparable."
    ran = [system for system in sheet.systems if sheet.found(system)]
    if lacking := in_order({name for system in ran for name in system.classes - sheet.found(system)}):
        yield f"Classes of the study without a test clip here: {', '.join(lacking)}."


def _synthetic(corpus: str) -> str:
    card = card_of(corpus)
    return " (synthetic: says nothing about people)" if card and card.synthetic else ""


def _notes(sheet: Sheet) -> Iterator[str]:
    """Yield what the numbers are, and on what they were made."""
    study, tested = sheet.study, sheet.predictions[sheet.predictions["usage"] == "test"]
    takes, speakers = tested["take"].nunique(), tested["speaker"]
    title = f"{sheet.place.title}{_synthetic(sheet.place.corpus)}"
    intervals = "with 95 % intervals from resampling speakers"
    if not all_known(speakers):
        intervals = "without intervals, which resample known speakers"
    yield (
        f"Corpus {title}: {takes} takes {count_in_words(speakers)}. Rates in percent, {intervals}; differences in "
        "points."
    )
    if SAME in sheet.sides:
        yield (
            f"Same protocol: {study.protocol}, which shares speakers between training and test. Unseen speakers: "
            f"{sheet.sides[UNSEEN]}. Same protocol less unseen is over the takes that both tested."
        )
    else:
        yield f"Unseen speakers: {study.protocol}, the published protocol, which keeps speakers apart."
    if any("by_fold" in system.published and "accuracy" not in system.published for system in sheet.systems):
        yield "Published: the mean of the published folds, where no other is printed."
    yield from _transductive(sheet)
    yield from _measured(sheet)
    yield from _reached(sheet)
    yield from _not_comparable(sheet)
    for system in sheet.systems:
        if "note" in system.published:
            yield f"{system.title}: {system.published['note'].rstrip('.')}."


def _transductive(sheet: Sheet) -> Iterator[str]:
    """Yield which systems need several clips of a speaker, and how many they used."""
    tested = sheet.predictions[sheet.predictions["usage"] == "test"]
    by_speaker = tested[tested["speaker_clips"] > 1]
    if len(by_speaker):
        yield (
            "Transductive: a prediction uses all unlabelled clips of its speaker at once "
            f"({cells.span(by_speaker['speaker_clips'])} clips a speaker here; {standards.LEAST} are needed). All "
            "other rows see one clip at a time: the two answer different questions."
        )


def _not_comparable(sheet: Sheet) -> Iterator[str]:
    """Yield why published numbers are not comparable, systems with the same reasons together."""
    by_reason: dict[str, list[str]] = {}
    titles = {system.name: system.title for system in sheet.systems}
    for name, why in sheet.reasons.items():
        if why:
            by_reason.setdefault("; ".join(why), []).append(titles[name])
    for why, names in by_reason.items():
        of = "all" if len(names) == len(sheet.reasons) else "; ".join(names)
        yield f"Published numbers not comparable with ours ({of}): {why}."


def _measured(sheet: Sheet) -> Iterator[str]:
    """Yield how further kinds of numbers were had."""
    asked = sheet.asked
    if asked & {"worst", "best", *(key for key in asked if key.endswith("sd"))}:
        spread = [parts(sheet.ours(system, sheet.study.protocol)) for system in sheet.systems]
        over = sorted({f"{len(one)} {one.index.name}s" for one in spread if len(one)})
        yield (
            f"Spread of ours: over {' or '.join(over)}." if over else "Spread of ours: none, of one fold and one seed."
        )
    if asked & {"loss", "train_loss"}:
        yield "Loss: the mean negative log of the probability of the true emotion, in nats."
    if asked & {"precision", "recall", "f1"}:
        yield "Precision, recall, F1: means over emotions."
    if asked & {"latency_ms"}:
        yield "Latency: one clip, from prepared arrays to scores, on the CPU, in milliseconds."


def _reached(sheet: Sheet) -> Iterator[str]:
    """Yield on what the published numbers were reached."""
    by_setting: dict[str, list[str]] = {}
    for system in sheet.systems:
        if system.published:
            by_setting.setdefault(system.published.get("setting", sheet.study.setting), []).append(system.title)
    for setting, titles in by_setting.items():
        if setting:
            of = f" of {'; '.join(titles)}" if len(by_setting) > 1 else ""
            yield f"Published numbers{of}: {setting.rstrip('.')}."
