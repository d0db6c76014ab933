"""What a study's runs are: of each, everything that its result depends on, and which runs it needs first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import pandas as pd

from workbench import runs, splits, standards
from workbench.errors import WorkbenchError
from workbench.studies import short_speakers
from workbench.studies.planning import Plan, Prepared

NEEDED = ("members", "start")  # keys of a variant's settings that name other variants


@dataclass(frozen=True)
class Item:
    """One run to make: a variant of the plan's study, on a fold (by name) of a protocol, with a seed."""

    plan: Plan
    variant: str
    protocol: str
    fold: str
    seed: int

    @property
    def settings(self) -> dict:
        """The settings of the variant."""
        return self.plan.settings(self.variant)

    @property
    def sides(self) -> splits.Fold:
        """The fold: positions in `plan.takes`."""
        return self.plan.folds(self.protocol, self.seed)[self.fold]

    def needs(self, key: str) -> list[Item]:
        """Return the runs on the same fold that the run builds on: its `members`, or those it has to `start` from.

        Raises
        ------
        WorkbenchError
            If a variant named is on other clips or classes, so that its folds are others.
        """
        found = []
        for name in self.settings.get(key, ()):
            plan, variant = self.plan.part(name)
            item = Item(plan, variant, self.protocol, self.fold, self.seed)
            if plan is not self.plan and not _same(self, item):
                raise WorkbenchError(
                    f"variant {self.variant!r} of study {self.plan.study.name!r}: {name!r} has other folds "
                    f"(classes {plan.classes}, {plan.n_folds(self.protocol)} folds), expected those of this variant "
                    f"({self.plan.classes}, {self.plan.n_folds(self.protocol)})"
                )
            found.append(item)
        return found


def _same(item: Item, other: Item) -> bool:
    """Say whether two items test the same takes."""
    fold = other.plan.folds(other.protocol, other.seed).get(other.fold)
    mine, its = item.plan.takes["take"], other.plan.takes["take"]
    return fold is not None and set(mine.iloc[item.sides.test]) == set(its.iloc[fold.test])


def every(plan: Plan, variant: str, protocols: Iterable[str]) -> list[Item]:
    """Return the items of a variant on all folds and seeds of the protocols."""
    whole, name = plan.part(variant)
    return [
        Item(whole, name, protocol, fold, seed)
        for protocol in protocols
        for seed in whole.seeds(protocol)
        for fold in whole.folds(protocol, seed)
    ]


def run_of(item: Item, prepared: Prepared) -> runs.Run:
    """Return the item's run, which may or may not exist; its parameters hold all that the result depends on."""
    plan, study, settings = item.plan, item.plan.study, item.settings
    params = {
        "study": study.name,
        "variant": item.variant,
        "corpus": plan.corpus.label,
        "size": plan.size,
        "protocol": item.protocol,
        "n_folds": plan.n_folds(item.protocol),
        "fold": item.fold,
        "seed": item.seed,
        "modality": study.modality(item.variant),
        "classes": plan.classes,
    }
    if joined := plan.joined(item.protocol):
        params["same_content"] = joined  # the folds depend on it
    needed = {key: [run_of(other, prepared).name for other in item.needs(key)] for key in NEEDED if key in settings}
    if "members" in needed:
        kept = ("rule", "stacking", "learn_from", "normalise")
        params |= needed | {key: settings[key] for key in kept if key in settings}
        if settings.get("normalise") == "speaker":
            params |= _left_out(params, item, prepared)
        return runs.make(params)
    if "given" in settings:
        return runs.make(params | {"given": settings["given"], "data": prepared.given(plan, settings["given"]).key})
    params |= needed | {"data": prepared.of(plan, params["modality"]).key, "inner_share": study.inner_share}
    if not plan.corpus.arrays():
        params["recipe"] = plan.recipe.values()
    if study.predict_training:
        params["predict_training"] = True
    if "normalise" in settings:
        params["normalise"] = standards.check(settings["normalise"])
    if settings.get("normalise") == "speaker":
        params = short_speakers.marked(params, prepared.of(plan, params["modality"]))
    if settings.get("freeze"):
        params["freeze"] = True
    if "classical" in settings:
        return runs.make(params | {"classical": settings["classical"]})
    params |= {
        "encoders": settings["encoders"],
        "fusion": settings.get("fusion"),
        "training": asdict(plan.training(item.variant)),
    }
    return runs.make(params)


def _left_out(params: dict, item: Item, prepared: Prepared) -> dict:
    """Return the parameter that says how many rows a late fusion leaves out, worked out once."""
    key = ("left_out", item.variant, item.protocol, item.fold, item.seed, *params["members"])
    if key not in item.plan.kept:
        tables = [_table(member, prepared) for member in item.needs("members")]
        item.plan.kept[key] = short_speakers.mark_of_fusion(params, item, tables)
    return item.plan.kept[key]


def _table(item: Item, prepared: Prepared) -> pd.DataFrame:
    """Return what a run can be made of: prepared clips or given predictions, a row each, with their `take`."""
    if "given" in item.settings:
        return prepared.given(item.plan, item.settings["given"]).table
    return prepared.of(item.plan, item.plan.study.modality(item.variant)).table


def in_waves(items: Iterable[Item], prepared: Prepared) -> list[dict[str, Item]]:
    """Return the items and all that they need, by their runs' names, in waves: each needs only those of earlier."""
    level: dict[str, int] = {}
    by_name: dict[str, Item] = {}

    def visit(item: Item) -> int:
        name = run_of(item, prepared).name
        if name not in level:
            level[name] = 1 + max((visit(other) for key in NEEDED for other in item.needs(key)), default=-1)
            by_name[name] = item
        return level[name]

    for item in items:
        visit(item)
    waves = range(1 + max(level.values(), default=-1))
    return [{name: item for name, item in by_name.items() if level[name] == wave} for wave in waves]
