"""What would stop a study's variants, found before anything is prepared or trained."""

from __future__ import annotations

from collections.abc import Sequence

from workbench import geometry
from workbench.datasets import votes
from workbench.errors import WorkbenchError, choose
from workbench.fusion import rules
from workbench.fusion.stacking import STACKERS
from workbench.models import FUSIONS, arrays_of
from workbench.studies.planning import Plan


def check(plan: Plan, names: Sequence[str]) -> None:
    """Raise a WorkbenchError if a variant, or one that it needs, cannot be run.

    An array not kept by the recipe, more than one classifier, a fusion that there is not, frozen encoders that no run
    has trained, votes to train on that the corpus does not have.
    """
    for variant in names:
        whole, name = plan.part(variant)
        settings = whole.settings(name)
        check_fusion(name, settings)
        check(whole, [*settings.get("members", ()), *settings.get("start", ())])
        for kind in ("classical", "given"):
            if len(settings.get(kind, "1")) != 1:
                raise WorkbenchError(f"variant {name!r}: expected one modality under {kind}, found {settings[kind]}")
        if not {"given", "members", "classical"} & set(settings) and whole.training(name).targets == "votes":
            votes.shares(whole.takes, whole.classes)
        check_arrays(whole, name, settings)


def check_arrays(plan: Plan, variant: str, settings: dict) -> None:
    """Raise a WorkbenchError if a variant's models read an array that is neither prepared nor given."""
    stored = ["landmarks" if array in geometry.DESCRIPTORS else array for array in arrays_of(settings)]
    given, keep = plan.corpus.arrays(), plan.recipe.keep
    missing = [array for array in dict.fromkeys(stored) if array not in (given or keep)]
    if missing:
        models = [one["name"] for kind in ("encoders", "classical") for one in settings.get(kind, {}).values()]
        there = f"corpus {plan.corpus.label!r} gives {', '.join(given)}" if given else (
            f"recipe {plan.recipe.name!r} keeps {', '.join(keep)}: add it to the study's recipe (keep)"
        )  # fmt: skip
        raise WorkbenchError(f"variant {variant!r} ({', '.join(models)}) reads {', '.join(missing)}, but {there}")


def check_fusion(variant: str, settings: dict) -> None:
    """Raise a WorkbenchError if a variant's fusion, stacking or rule is not one that there is."""
    if "members" in settings:
        by = [key for key in ("stacking", "rule") if key in settings]
        if len(by) != 1:
            raise WorkbenchError(f"variant {variant!r}: members need stacking or a rule, one of them, found {by}")
        if by == ["rule"]:
            rules.check(settings["rule"])
            if "normalise" in settings:
                raise WorkbenchError(f"variant {variant!r}: a rule takes probabilities as they are, not normalised")
        else:
            choose("stacking", settings["stacking"].get("name", ""), STACKERS)
    if settings.get("fusion"):
        choose("fusion", settings["fusion"].get("name", ""), FUSIONS)
    if settings.get("freeze") and "start" not in settings:
        raise WorkbenchError(f"variant {variant!r}: freeze keeps trained encoders, but no start names their variants")
