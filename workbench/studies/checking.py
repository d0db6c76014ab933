"""Checks of a study's settings of models, training and recipes, and of what would stop its variants on a corpus."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import lru_cache

import torch

from workbench import classifiers, geometry, recipes
from workbench.datasets import CORPORA, GivenPredictions, votes
from workbench.datasets.given_predictions import USAGES
from workbench.errors import WorkbenchError, choose
from workbench.fusion import rules, stacking
from workbench.models import ENCODERS, FUSIONS, arrays_of, build, classical
from workbench.studies import Study, load_of
from workbench.studies.declaration import every, parts_of, place_of
from workbench.studies.planning import Plan
from workbench.training import Settings

FROM_FILES = ("weights", "download")  # settings of encoders about files, which may not be there yet


def check_study(study: Study) -> None:
    """Check the settings of a study that models, training, recipes and corpora take, at every size.

    Raises
    ------
    WorkbenchError
        For an unknown name or setting, or a value that cannot be; the message says where it stands.
    """
    name, _, target = study.corpus.partition(":")
    kind = CORPORA[choose("corpus", name, CORPORA)]
    choose(f"target of corpus {name!r}", target or kind.targets[0], kind.targets)
    for profile in ("", *study.profiles):
        for variant in study.variants:
            _check_parts(parts_of(study, "recipe", profile, variant), _recipe)
            _check_parts(parts_of(study, "training", profile, variant), _training)
    for profile, variant, settings in every(study):
        place = place_of(profile, variant)
        if "of" in settings:
            _at(place, _check_of, study, settings["of"])
        _at(place, check_fusion, variant, settings)
        _at(place, check_models, settings, len(settings.get("classes", study.classes)))


def _at(place: str, function: Callable, /, *args, **options):
    """Return what a function returns; its error names the place, unless it names the variant itself."""
    try:
        return function(*args, **options)
    except WorkbenchError as error:
        named = str(error).startswith("variant ")
        raise WorkbenchError(str(error) if named else f"{place}: {error}") from None


def _check_of(study: Study, of: str) -> None:
    name, slash, variant = of.partition("/")
    if not (name and slash and variant):
        raise WorkbenchError(f"of is {of!r}, expected another study and its variant: STUDY/VARIANT")
    if name != study.name:
        load_of(of)
    elif "of" in study.variant(variant):
        raise WorkbenchError(f"of is {of!r}, which is itself another study's variant: name that one")


def _check_parts(parts: Mapping[str, Mapping], test: Callable[[str], object]) -> None:
    """Test settings merged of several places; an error names the first place with which they are wrong."""
    merged, errors = {}, []
    for place, part in parts.items():
        merged |= part
        errors.append((place, test(_frozen(merged))))
    if errors[-1][1]:
        place, error = next(one for one in errors if one[1] == errors[-1][1])
        raise WorkbenchError(f"{place}: {error}")


def _frozen(settings: Mapping) -> str:
    """Return settings as text, by which what was found of them can be kept."""
    return json.dumps(settings, default=str)


@lru_cache(maxsize=256)
def _recipe(text: str) -> str:
    """Return why a recipe cannot be, '' if it can."""
    return _error_of(lambda: recipes.load(**json.loads(text)))


@lru_cache(maxsize=256)
def _training(text: str) -> str:
    """Return why settings of training cannot be, '' if they can."""
    settings, known = json.loads(text), [one.name for one in fields(Settings)]
    unknown = [name for name in settings if name not in known]
    return _error_of(lambda: choose("training setting", unknown[0], known) if unknown else Settings(**settings))


def _error_of(function: Callable[[], object]) -> str:
    """Return what is wrong with what a function is given, '' if nothing is."""
    try:
        function()
    except WorkbenchError as error:
        return str(error)
    except Exception as error:  # of a value of a type that the function does not expect
        return f"{type(error).__name__}: {error}"
    return ""


def check_models(settings: Mapping, n_classes: int) -> None:
    """Check the settings of a variant's models by making each of them once, without its numbers where that can be.

    Parameters
    ----------
    settings : mapping
        Of a variant: `encoders` and `fusion`, `classical`, `stacking`, `given`.
    n_classes : int

    Raises
    ------
    WorkbenchError
        For an unknown name or setting, or a value that the model does not take.
    """
    if "encoders" in settings:
        chosen = {key: settings[key] for key in ("encoders", "fusion") if settings.get(key)}
        if error := _network(_frozen(chosen), n_classes):
            raise WorkbenchError(error)
    for one in settings.get("classical", {}).values():
        _check_classifier("classifier", one, classical.make, ("inputs", "statistics"), classifiers.CLASSICAL)
        arrays = classical.inputs(one)
        if not arrays or any(not isinstance(name, str) for name in arrays):
            raise WorkbenchError(f"classifier {one['name']!r}: inputs are {one['inputs']!r}, expected names of arrays")
        for name in one.get("statistics", ()):
            choose("statistic", name, classical.STATISTICS)
    if "stacking" in settings:
        _check_classifier("stacking", settings["stacking"], stacking.make, ("logarithms",), stacking.STACKERS)
    for one in settings.get("given", {}).values():
        _check_given(one)


@lru_cache(maxsize=256)
def _network(text: str, n_classes: int) -> str:
    """Return why a network cannot be made, '' if it can; of one that reads files, only the names of its settings."""
    settings = json.loads(text)
    fusion = settings.get("fusion")
    for one in settings["encoders"].values():
        if error := _error_of(lambda one=one: _check_files(one)):
            return error
    encoders = {modality: _bare(one) for modality, one in settings["encoders"].items()}
    if None in encoders.values():
        return ""

    def make() -> None:
        build(encoders, n_classes, fusion=fusion)

    with torch.device("meta"):
        error = _error_of(make)
    return error and _error_of(make)  # some compute while they are made


def _check_files(settings: Mapping) -> None:
    """Check the names of an encoder's settings, and those about files."""
    name = choose("encoder", settings["name"], ENCODERS)
    taken = inspect.signature(ENCODERS[name].__init__).parameters
    if not any(one.kind is one.VAR_KEYWORD for one in taken.values()):
        for key in settings:
            choose(f"setting of encoder {name!r}", key, ["name", *(one for one in taken if one != "self")])
    if not isinstance(settings.get("weights", ""), str):
        raise WorkbenchError(f"encoder {name!r}: weights are {settings['weights']!r}, expected a file, folder or name")
    if not isinstance(settings.get("download", False), bool):
        raise WorkbenchError(f"encoder {name!r}: download is {settings['download']!r}, expected true or false")


def _bare(settings: Mapping) -> dict | None:
    """Return an encoder's settings but those about files; None where these say what the encoder is."""
    shaped = "config" in inspect.signature(ENCODERS[settings["name"]].__init__).parameters
    bare = {key: value for key, value in settings.items() if key not in FROM_FILES}
    return None if shaped and "weights" in settings else bare


def _check_classifier(kind: str, settings: Mapping, make: Callable, others: Sequence[str], known: Mapping) -> None:
    """Check the settings of a classifier, and each value of its grid; `others` are not the classifier's own."""
    name = choose(kind, settings["name"], known)
    own = {key: value for key, value in settings.items() if key not in (*others, "grid", "name")}
    grid = settings.get("grid", {})
    if not isinstance(grid, Mapping) or any(not isinstance(one, list) or not one for one in grid.values()):
        raise WorkbenchError(f"{kind} {name!r}: grid is {grid!r}, expected a mapping of settings to lists of values")
    choices = [own, *(own | {key: value} for key, offered in grid.items() for value in offered)]
    for choice in choices:
        if error := _error_of(lambda choice=choice: make(name, **choice)[-1]._validate_params()):
            raise WorkbenchError(error if error.startswith(("unknown", "classifier")) else f"{kind} {name!r}: {error}")


def _check_given(settings: Mapping) -> None:
    taken = inspect.signature(GivenPredictions.predictions).parameters
    for key in settings:
        choose(f"setting of predictions of {settings['name']!r}", key, ["name", *list(taken)[2:]])
    for usage in settings.get("usages", ()):
        choose("usage of predictions", usage, USAGES)


def check(plan: Plan, names: Sequence[str]) -> None:
    """Raise a WorkbenchError if a variant, or one that it needs, cannot be run.

    An array not kept by the recipe, more than one classifier, a fusion that there is not, frozen encoders that no run
    has trained, votes to train on that the corpus does not have.
    """
    for variant in names:
        whole, name = plan.part(variant)
        settings = whole.settings(name)
        check_fusion(name, settings)
        _at(f"variant {name!r}", check_models, settings, len(whole.classes))
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
            choose("stacking", settings["stacking"].get("name", ""), stacking.STACKERS)
    if settings.get("fusion"):
        choose("fusion", settings["fusion"].get("name", ""), FUSIONS)
    if settings.get("freeze") and "start" not in settings:
        raise WorkbenchError(f"variant {variant!r}: freeze keeps trained encoders, but no start names their variants")
