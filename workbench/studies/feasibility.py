"""Which protocols of a study can be run on a corpus, and why the others cannot: known before anything is prepared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from workbench import splits
from workbench.datasets import select
from workbench.datasets.speakers import similar_speakers
from workbench.errors import WorkbenchError, choose
from workbench.studies import short_speakers
from workbench.studies.items import NEEDED, Item, every
from workbench.studies.planning import Plan

SELECTED = {"encoders", "classical"}  # kinds of variants that need an inner split


@dataclass
class Feasibility:
    """What can be run, and what to tell about it.

    Parameters
    ----------
    items : dict, variant -> list of Item
        The runs that can be made.
    not_run : dict, protocol -> list of str
        Why a protocol cannot be run, for all variants or for those named.
    warnings : list of str
        What can be run, and should be known: a single speaker to train on, names that may mean one person.
    """

    items: dict[str, list[Item]] = field(default_factory=dict)
    not_run: dict[str, list[str]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        """All of it in lines, as they are shown."""
        absent = [f"not run: {reason}" for reasons in self.not_run.values() for reason in reasons]
        return [*absent, *(f"warning: {line}" for line in self.warnings)]


def examine(plan: Plan, variants: Sequence[str], protocols: Iterable[str]) -> Feasibility:
    """Make all folds and inner splits of the variants, and sort out the protocols that cannot be run.

    Raises
    ------
    WorkbenchError
        For an unknown protocol or variant, or if no protocol can be run for any variant; the reasons are given.
    """
    protocols = [choose("protocol", protocol, splits.PROTOCOLS) for protocol in protocols]
    for part, name in map(plan.part, variants):
        if SELECTED & set(part.settings(name)):
            select(part.clips, part.study.modality(name))  # an error where no clip has what the variant needs
    asked = {name: [item for protocol in protocols for item in _items(plan, name, protocol)] for name in variants}
    found = sort_out(asked, _divide)
    found.warnings += _single_speakers(found)
    found.warnings += _copies(plan)
    for names in similar_speakers(plan.takes["speaker"]):
        listed = ", ".join(map(repr, names))
        found.warnings.append(
            f"speakers {listed} differ only by case, leading zeros or blanks, and count as {len(names)} people; if "
            "they are one, give them one name"
        )
    return found


def _copies(plan: Plan) -> list[str]:
    """Return which speakers and how many takes share content, in words."""
    lines = [
        f"speakers {', '.join(map(repr, names))} have clips of equal content, and are kept on one side of every split"
        for names in splits.joined(plan.takes, "speaker")
        if all(names)
    ]
    if groups := splits.joined(plan.takes, "take"):
        first = " = ".join(groups[0])
        lines.append(
            f"{sum(map(len, groups))} takes have the content of another, such as {first}; they are kept on one side of "
            "every split"
        )
    return lines


def sort_out(asked: dict[str, list], check: Callable[[Item], None]) -> Feasibility:
    """Return the items whose variant and protocol pass a check with all their folds.

    Parameters
    ----------
    asked : dict, variant -> list of Item, or of (protocol, error) where a protocol has no folds
    check : callable
        Raises a WorkbenchError for an item that cannot be run.

    Raises
    ------
    WorkbenchError
        If nothing passes.
    """
    found, errors = Feasibility(), {}
    for variant, items in asked.items():
        found.items[variant] = []
        for protocol in dict.fromkeys(_protocol(item) for item in items):
            of_protocol = [item for item in items if _protocol(item) == protocol]
            if (error := _first_error(of_protocol, check)) is None:
                found.items[variant] += of_protocol
            else:
                errors.setdefault((protocol, str(error)), (error, []))[1].append(variant)
    for (protocol, text), (_, variants) in errors.items():
        which = "" if len(variants) == len(asked) else f" ({', '.join(variants)})"
        about = "" if f"protocol {protocol!r}" in text else f"protocol {protocol!r}: "
        found.not_run.setdefault(protocol, []).append(f"{about}{text}{which}")
    if errors and not any(found.items.values()):
        if len(errors) == 1:
            raise next(iter(errors.values()))[0]
        reasons = "; ".join(reason for reasons in found.not_run.values() for reason in reasons)
        raise WorkbenchError(f"nothing can be run: {reasons}")
    return found


def _protocol(item: Item | tuple) -> str:
    return item.protocol if isinstance(item, Item) else item[0]


def _first_error(items: list, check: Callable[[Item], None]) -> WorkbenchError | None:
    """Return what is wrong with the first item that cannot be run."""
    for item in items:
        if not isinstance(item, Item):
            return item[1]
        try:
            check(item)
        except WorkbenchError as error:
            return error
    return None


def _items(plan: Plan, variant: str, protocol: str) -> list:
    """Return a variant's items under a protocol, or the protocol and the error that its folds cannot be made."""
    try:
        return every(plan, variant, [protocol])
    except WorkbenchError as error:
        return [(protocol, error)]


def _divide(item: Item) -> None:
    """Make the inner split of an item, if its variant needs one, and of those that it builds on."""
    plan = item.plan
    if SELECTED & set(item.settings):
        key = ("divided", item.settings.get("normalise"), item.protocol, item.fold, item.seed)
        if key not in plan.kept:
            plan.kept[key] = _problem(item)
        if plan.kept[key]:
            raise WorkbenchError(plan.kept[key])
    for needed in NEEDED:
        for other in item.needs(needed):
            _divide(other)


def _problem(item: Item) -> str:
    """Return why the fold of an item has no inner split, '' if it has."""
    try:
        fit, validation = item.plan.inner_split(item.protocol, item.sides, item.seed)
        if item.settings.get("normalise") == "speaker":
            short_speakers.labelled(item.plan.takes)
            where = {"fit": fit, "validation": validation, "test": item.sides.test}
            short_speakers.without(item.plan.takes, where)
    except WorkbenchError as error:
        return f"protocol {item.protocol!r}, fold {item.fold!r}: {error}"
    return ""


def _single_speakers(found: Feasibility) -> list[str]:
    """Return a line for each protocol that keeps speakers apart and has folds that train on one speaker only."""
    folds, single = Counter(), Counter()
    for item in {
        (item.protocol, item.fold, item.seed): item for items in found.items.values() for item in items
    }.values():
        if item.protocol not in splits.SHARING and SELECTED & set(item.settings):
            folds[item.protocol] += 1
            single[item.protocol] += item.plan.inner_unit(item.protocol, item.sides) == "take"
    return [
        f"protocol {protocol!r}: {n} of {folds[protocol]} folds train on a single speaker; clips of other takes of "
        "this speaker validate, so that settings are not chosen on unseen speakers"
        for protocol, n in single.items()
        if n
    ]
