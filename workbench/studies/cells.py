"""What stands in a study's tables, in numbers: of each system what was published, and ours beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isnan, nan
from statistics import fmean

import pandas as pd

from workbench import evaluation
from workbench.errors import WorkbenchError
from workbench.splits import SHARING
from workbench.studies import Study, load_of
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

    `classes` are those that it tells apart. `alike` says whether its published numbers were reached on the clips that
    the variant is run on, by what the study's file says.
    """

    name: str
    title: str
    group: str
    published: dict
    classes: frozenset
    alike: bool
    rebuilt: bool = True

    @property
    def accuracy(self) -> float:
        """What was published: as printed or, without that, the mean of the folds that were."""
        return self.published.get("accuracy", fmean(self.published.get("by_fold", {"": nan}).values()))


def systems(study: Study, variants: Sequence[str] | None = None) -> list[System]:
    """Return the rows of a study's table, groups together, or those of some variants; systems of others come last."""
    chosen = {name: study.variant(name) for name in (study.variants if variants is None else variants)}
    groups = list(dict.fromkeys(["", *(settings.get("group", "") for settings in chosen.values())]))
    found = [_rebuilt(study, name, settings) for name, settings in chosen.items()]
    cited = study.cited if variants is None else {}
    classes = frozenset(study.classes)
    others = [
        System(
            name,
            settings.get("title", name),
            OTHERS,
            settings["published"],
            classes,
            not _elsewhere(study, settings),
            False,
        )
        for name, settings in cited.items()
    ]
    return sorted(found, key=lambda system: groups.index(system.group)) + others


def _rebuilt(study: Study, name: str, settings: dict) -> System:
    """Return the row of a variant."""
    clips = _clips(study, settings)
    alike = not _elsewhere(study, settings) or clips != (set(study.classes), study.only)
    named = settings.get("title", name), settings.get("group", ""), settings.get("published", {})
    return System(name, *named, frozenset(clips[0]), alike)


def _elsewhere(study: Study, settings: dict) -> bool:
    """Say whether published numbers have a `setting` of their own."""
    return settings.get("published", {}).get("setting", study.setting) != study.setting


def _clips(study: Study, settings: dict) -> tuple[set, dict]:
    """Return the classes of a variant, and which clips it takes (`only`): its own, its study's, or another study's."""
    if "of" in settings:
        other, variant = load_of(settings["of"])
        return _clips(other, other.variant(variant))
    return set(settings.get("classes", study.classes)), settings.get("only", study.only)


@dataclass(frozen=True)
class Sheet:
    """A study's predictions on a corpus, and the systems that its tables show."""

    study: Study
    corpus: str
    predictions: pd.DataFrame
    costs: pd.DataFrame
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

    def comparable(self, system: System) -> bool:
        """Say whether what was published and ours are on one corpus and the same classes."""
        found = self.found(system) or system.classes
        return system.alike and self.corpus == self.study.corpus and found == system.classes


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
