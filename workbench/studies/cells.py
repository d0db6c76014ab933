"""What stands in a study's tables, in numbers: of each system what was published, and ours beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import isnan, nan
from statistics import fmean

import pandas as pd

from workbench import evaluation
from workbench.datasets import card_of
from workbench.errors import WorkbenchError
from workbench.splits import SHARING
from workbench.studies import Study
from workbench.studies.conditions import NONE
from workbench.studies.places import Place
from workbench.studies.reached import Reached, material, reached, run_differences, share, static_differences
from workbench.studies.scoring import SIDED, Kind, mean

SAME, UNSEEN = "same protocol", "unseen speakers"
NOT_RUN, OTHERS = "not run", "systems of others, not rebuilt here"


@dataclass(frozen=True)
class Cell:
    """A number of a column in its unit, with its interval; or a `text` where there is none; or neither."""

    column: str
    unit: str = ""
    value: float = nan
    low: float = nan
    high: float = nan
    text: str = ""
    comparable: bool = True


@dataclass(frozen=True)
class System:
    """A row of the published table: a variant of the study or, not `rebuilt`, a system of others.

    `title` marks what is transductive. `reached` holds the conditions of its published numbers.
    """

    name: str
    title: str
    group: str
    published: dict
    classes: frozenset
    only: dict
    reached: Reached
    rebuilt: bool = True

    @property
    def accuracy(self) -> float:
        """What was published: as printed or, without that, the mean of the folds that were."""
        return self.published.get("accuracy", fmean(self.published.get("by_fold", {"": nan}).values()))


def systems(study: Study, variants: Sequence[str] | None = None) -> list[System]:
    """Return the rows of a study's table, groups together, or those of some variants; systems of others come last."""
    chosen = {name: study.variant(name) for name in (study.variants if variants is None else variants)}
    groups = list(dict.fromkeys(["", *(settings.get("group", "") for settings in chosen.values())]))
    titles = study.titles()
    found = [_system(study, name, settings, titles[name]) for name, settings in chosen.items()]
    cited = study.cited if variants is None else {}
    others = [
        replace(_system(study, name, settings, settings.get("title", name)), group=OTHERS, rebuilt=False)
        for name, settings in cited.items()
    ]
    return sorted(found, key=lambda system: groups.index(system.group)) + others


def _system(study: Study, name: str, settings: dict, title: str) -> System:
    group, published = settings.get("group", ""), settings.get("published", {})
    return System(name, title, group, published, *material(study, settings), reached(study, settings))


@dataclass(frozen=True)
class Sheet:
    """A study's predictions on a corpus at a root, their conditions, and the systems that its tables show."""

    study: Study
    place: Place
    predictions: pd.DataFrame
    costs: pd.DataFrame
    conditions: pd.DataFrame | None
    systems: list[System]

    @property
    def sides(self) -> dict[str, str]:
        """What ours is called -> its protocol: the published one first, then the one that keeps speakers apart."""
        if self.study.protocol in SHARING:
            return {SAME: self.study.protocol, UNSEEN: self.study.protocols[0]}
        return {UNSEEN: self.study.protocol}

    @cached_property
    def parts(self) -> dict[tuple[str, str], pd.DataFrame]:
        """The predictions by variant and protocol."""
        return dict(list(self.predictions.groupby(["variant", "protocol"], sort=False)))

    @cached_property
    def scores(self) -> pd.DataFrame:
        """What `evaluation.summary` says of each variant and protocol."""
        return evaluation.summary(self.predictions, ["variant", "protocol"]).set_index(["variant", "protocol"])

    @cached_property
    def asked(self) -> set[str]:
        """The kinds of numbers that the tables show: what was published of any system, and the study's `measures`."""
        return {*self.study.measures, *(key for system in self.systems for key in system.published)}

    @property
    def beside(self) -> list[str]:
        """What was predicted beside test, validation and training: usages such as `frontal`."""
        return sorted(set(self.predictions["usage"]) - {"train", "validation", "test"})

    def ours(self, system: System, protocol: str) -> pd.DataFrame:
        """Return the predictions of a system under a protocol; none of one that was not run."""
        return self.parts.get((system.name, protocol), self.predictions.iloc[:0])

    def found(self, system: System) -> set[str]:
        """Return the classes on which a system was tested."""
        rows = [self.ours(system, protocol) for protocol in self.sides.values()]
        return {name for table in rows for name in table.loc[table["usage"] == "test", "emotion"]}

    def conditions_of(self, system: System, protocol: str) -> pd.Series | None:
        """Return the conditions of a system's runs under a protocol, a row of `conditions.table`; None without any."""
        known = self.conditions
        if known is None or not len(known):
            return None
        if not system.rebuilt:  # of others: profile, material and folds of ours, but for the weights
            same = known[known.index.get_level_values("protocol") == protocol]
            return pd.Series({**same.iloc[0], "weights": NONE}) if len(same) else None
        key = (system.name, protocol)
        return known.loc[key] if key in known.index else None

    @cached_property
    def reasons(self) -> dict[str, list[str]]:
        """Why published numbers and ours are not comparable, by system; an empty list where they are."""
        return {system.name: self._reasons(system) for system in self.systems if system.published}

    def _reasons(self, system: System) -> list[str]:
        study, found = self.study, self.found(system) or set(system.classes)
        why = static_differences(study, system.reached, corpus=self.place.corpus, found=found, only=system.only)
        if why or (system.rebuilt and not self.found(system)):
            return why
        if self.conditions is None:
            return ["the conditions of ours are not recorded"]
        own = self.conditions_of(system, study.protocol)
        return why if own is None else run_differences(study, system.reached, own)

    def comparable(self, system: System) -> bool:
        """Return whether what was published and ours were reached under the same conditions."""
        return not self.reasons.get(system.name)


def records(sheet: Sheet, table: str, cells: Callable[[Sheet, System], Iterator[Cell]]) -> pd.DataFrame:
    """Return the cells of a table that has one row a system."""
    return frame(table, [(system, "", cell) for system in sheet.systems for cell in cells(sheet, system)])


def frame(table: str, cells: list[tuple[System, str, Cell]]) -> pd.DataFrame:
    """Return cells as `writing.Table` holds them, from (system, detail, cell), without columns that say nothing."""
    rows = [
        {"table": table, "group": of.group, "variant": of.name, "system": of.title}
        | {"row": str(of.published.get("row", "")), "detail": detail, **vars(cell)}
        for of, detail, cell in cells
    ]
    said = {cell.column for _, _, cell in cells if cell.text or not isnan(cell.value)}
    return pd.DataFrame([row for row in rows if row["column"] in said])


def published(sheet: Sheet, system: System, key: str, column: str, unit: str) -> Cell:
    """Return the cell of a published number."""
    return Cell(column, unit, system.published.get(key, nan), comparable=sheet.comparable(system))


def ours(sheet: Sheet, system: System, protocol: str, column: str, unit: str, of: Callable) -> Cell:
    """Return the cell of a number of ours, which `of` takes from predictions; `not run` without any."""
    mine = sheet.ours(system, protocol)
    if mine.empty:
        return Cell(column, unit, text=NOT_RUN if system.rebuilt else "")
    return Cell(column, unit, of(mine))


def accuracy(sheet: Sheet, system: System) -> Iterator[Cell]:
    """Yield the first table's row of a system."""
    sides = sheet.sides
    yield Cell("published", "%", system.accuracy, comparable=sheet.comparable(system))
    for side, protocol in sides.items():
        yield _scored(sheet, system, protocol, f"ours, {side}", "accuracy")
    if SAME in sides and "uar" in sheet.asked:
        yield _scored(sheet, system, sides[SAME], "UAR, same protocol", "uar")
    yield _scored(sheet, system, sides[UNSEEN], "UAR, unseen", "uar")
    for usage in sheet.beside:
        yield ours(sheet, system, sides[UNSEEN], f"{usage}, unseen", "%", mean(usage))
    yield _less_published(sheet, system)
    if SAME in sides:
        yield _less_unseen(sheet, system)


def of_kind(sheet: Sheet, system: System, *, key: str, kind: Kind) -> Iterator[Cell]:
    """Yield a system's cells of a further kind of number: published, and ours.

    Costs come from their table; what generalises is shown for both protocols, the rest for the published one.
    """
    yield published(sheet, system, key, f"{kind.title}, published", kind.unit)
    if kind.of is None:
        known = key in sheet.costs and system.name in sheet.costs.index
        yield Cell(f"{kind.title}, ours", kind.unit, sheet.costs.loc[system.name, key] if known else nan)
        return
    sides = list(sheet.sides.items()) if SAME in sheet.sides else [("ours", sheet.study.protocol)]
    for side, protocol in sides if key in SIDED else sides[:1]:
        yield ours(sheet, system, protocol, f"{kind.title}, {side}", kind.unit, kind.of)


def conditions(sheet: Sheet, system: System) -> Iterator[Cell]:
    """Yield the conditions of ours: initial weights, folds, share of the corpus, clips fitted on and used."""
    sides = {side: sheet.conditions_of(system, protocol) for side, protocol in sheet.sides.items()}
    known = {side: one for side, one in sides.items() if one is not None}
    if not (system.rebuilt and known):
        return
    own = sides.get(SAME) if sides.get(SAME) is not None else next(iter(known.values()))
    yield Cell("profile", text=str(own["size"]))
    yield Cell("initial weights", text=own["weights"])
    for side, one in known.items():
        same = system.published and sheet.sides[side] == system.reached.protocol
        published = system.reached.folds if same else None
        whole = f" of {published}" if published else ""
        yield Cell(f"folds, {side}", text=f"{one['folds']}{whole}")
    card = card_of(sheet.place.corpus)
    speakers, takes = share(card, replace(system.reached, classes=system.classes), own)
    yield Cell("speakers", text=speakers)
    yield Cell("takes", text=takes)
    for side, one in known.items():
        yield Cell(f"clips fitted, {side}", text=span([one["fitted_least"], one["fitted_most"]]))
    mine = pd.concat([sheet.ours(system, protocol) for protocol in sheet.sides.values()])
    yield Cell("clips of a speaker used at once", text=span(mine.loc[mine["usage"] == "test", "speaker_clips"]))


def span(values: Iterable[float]) -> str:
    """Return the least and the greatest value: ``96 to 180``, ``60`` where they are one, '' where none is known."""
    known = [value for value in values if not pd.isna(value)]
    if not known:
        return ""
    least, most = min(known), max(known)
    return f"{least:,.0f}" if least == most else f"{least:,.0f} to {most:,.0f}"


def _scored(sheet: Sheet, system: System, protocol: str, column: str, metric: str) -> Cell:
    """Return the cell of a score with its interval over speakers."""
    if sheet.ours(system, protocol).empty:
        return Cell(column, "%", text=NOT_RUN if system.rebuilt else "")
    scores = sheet.scores.loc[(system.name, protocol)]
    return Cell(column, "%", *(100 * float(scores[name]) for name in (metric, f"{metric}_low", f"{metric}_high")))


def _less_published(sheet: Sheet, system: System) -> Cell:
    """Return how much better ours is than published; the interval is that of ours, the published number is fixed."""
    column, theirs = "ours less published", system.accuracy
    mine = _scored(sheet, system, sheet.study.protocol, column, "accuracy")
    if isnan(theirs) or not sheet.comparable(system):
        return Cell(column, "points")
    return Cell(column, "points", mine.value - theirs, mine.low - theirs, mine.high - theirs, mine.text)


def _less_unseen(sheet: Sheet, system: System) -> Cell:
    """Return how much a protocol that shares speakers flatters, take by take."""
    column = "same protocol less unseen"
    same, unseen = (sheet.ours(system, protocol) for protocol in sheet.sides.values())
    if same.empty or unseen.empty:
        return Cell(column, "points", text=NOT_RUN if system.rebuilt else "")
    try:
        pair = evaluation.paired(same, unseen)
    except WorkbenchError:
        return Cell(column, "points", text="no take in both")
    return Cell(column, "points", *(100 * pair[name] for name in ("difference", "low", "high")))
