"""What a person may choose for a training: the fields of the panel, the study that they make, and what is wrong.

A choice is turned into a study and nothing else: what it may be, the package itself says (`Settings`, `models.build`,
`recipes.load`, `planning.plan`). Here is only which field an answer belongs to.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields

import yaml

from workbench import geometry, recipes, splits
from workbench.datasets import CORPORA, card_of
from workbench.emotions import in_order
from workbench.errors import WorkbenchError
from workbench.fusion.rules import RULES
from workbench.fusion.stacking import STACKERS
from workbench.models import CLASSICAL, ENCODERS, FUSIONS, arrays_of
from workbench.studies import SENSES, Study
from workbench.training import Settings
from workbench.training.settings import OPTIMISERS, SCHEDULES

NONE = "none"
PRECISIONS = ("no", "bf16", "fp16")
TITLES = {"voice": "voice alone", "face": "face alone", "both": "both"}


def models(sense: str) -> dict[str, tuple[str, str]]:
    """Return what can be chosen to hear (`audio`) or see (`video`) with: name -> (kind, modality).

    Classifiers are for the voice, whose named features they read.
    """
    encoders = {name: kind.modality for name, kind in sorted(ENCODERS.items())}
    found = {name: ("encoders", of) for name, of in encoders.items() if SENSES.get(of, of) == sense}
    return found | (dict.fromkeys(CLASSICAL, ("classical", sense)) if sense == "audio" else {})


def fusions() -> dict[str, tuple[str, str]]:
    """Return how two models can be joined: what it is called here -> (key of a variant's settings, name)."""
    kinds = {"fusion": ("network", FUSIONS), "stacking": ("stacked answers", STACKERS), "rule": ("rule", RULES)}
    return {f"{words}: {name}": (key, name) for key, (words, names) in kinds.items() for name in sorted(names)}


@dataclass(frozen=True)
class Field:
    """A field of the panel: its group, what it is called, the value it begins with, and how it is given.

    `kind` is `text`, `value` (a number, or another YAML value), `mapping` (``a: 1, b: [2, 3]``), `yes` (a tick) or a
    tuple of choices.
    """

    group: str
    label: str
    default: str | bool = ""
    kind: str | tuple[str, ...] = "text"
    hint: str = ""


def _setting(label: str, name: str, kind: str | tuple = "value") -> Field:
    return Field("Training", label, str(next(one.default for one in fields(Settings) if one.name == name)), kind)


FIELDS: dict[str, Field] = {
    "name": Field("Data", "name", "my_training", hint="of the study and of the folder of its runs"),
    "corpus": Field("Data", "corpus", "demo", tuple(CORPORA)),
    "root": Field("Data", "folder", hint="of the recordings, then Enter; left empty: data/raw/NAME"),
    "emotions": Field("Data", "emotions", hint="with commas; left empty: all that the corpus has"),
    "recipe": Field("Data", "recipe", "benha", tuple(recipes.names())),
    "recipe_options": Field("Data", "changed in it", kind="mapping", hint="such as n_frames: 15, size: 48"),
    "voice": Field("Model", "voice", "cnn1d", (NONE, *models("audio"))),
    "voice_options": Field("Model", "its settings", kind="mapping", hint="such as filters: [32, 32], kernel_size: 8"),
    "face": Field("Model", "face", NONE, (NONE, *models("video"))),
    "face_options": Field("Model", "its settings", kind="mapping", hint="such as kernel_size: 3"),
    "fusion": Field("Model", "fusion", NONE, (NONE, *fusions())),
    "fusion_options": Field("Model", "its settings", kind="mapping"),
    "start": Field("Model", "begin with the encoders trained alone", False, "yes"),
    "protocol": Field("Protocol", "protocol", "speaker-disjoint", tuple(splits.PROTOCOLS)),
    "n_folds": Field("Protocol", "folds", "5", "value", "where the speakers do not decide"),
    "folds": Field("Protocol", "of these, run", "", "value", "left empty: all"),
    "repeats": Field("Protocol", "seeds", "1", "value", "how many, or which: [0, 7]"),
    "epochs": _setting("epochs", "epochs"),
    "batch_size": _setting("batch size", "batch_size"),
    "learning_rate": _setting("learning rate", "learning_rate"),
    "optimiser": _setting("optimiser", "optimiser", tuple(OPTIMISERS)),
    "schedule": _setting("schedule", "schedule", SCHEDULES),
    "patience": _setting("patience", "patience"),
    "weight_decay": _setting("weight decay", "weight_decay"),
    "label_smoothing": _setting("label smoothing", "label_smoothing"),
    "precision": _setting("precision", "precision", PRECISIONS),
    "more": Field("Training", "further settings", kind="mapping", hint="such as clip_norm: 1, augment: [specaugment]"),
    "jobs": Field("Training", "processes", "1", "value"),
    "tensorboard": Field("Training", "leave TensorBoard's events", False, "yes"),
}
TRAINED = [name for name in FIELDS if name in {one.name for one in fields(Settings)}]


def parse(field: Field, given: str | bool):
    """Return what a field means: text, a YAML value, a mapping; None where it is left empty.

    Raises
    ------
    WorkbenchError
        If it is no YAML, or not of the field's kind.
    """
    if field.kind not in ("value", "mapping"):
        return given.strip() if isinstance(given, str) else given
    text = str(given).strip()
    if field.kind == "mapping":
        text = text if text.startswith("{") else f"{{{text}}}"
    try:
        value = yaml.safe_load(text) if text else None
    except yaml.YAMLError:
        expected = "settings such as a: 1, b: [2, 3]" if field.kind == "mapping" else "a number or another YAML value"
        raise WorkbenchError(f"expected {expected}") from None
    if field.kind == "mapping" and None in value.values():
        missing = next(key for key, one in value.items() if one is None)
        raise WorkbenchError(f"{missing} has no value: expected settings such as a: 1, b: [2, 3]")
    return {key: _number(one) for key, one in value.items()} if field.kind == "mapping" else _number(value)


def _number(value):
    """Return 1e-3, which YAML takes for text, as the number that it is."""
    try:
        return float(value) if isinstance(value, str) and re.search(r"\d", value) else value
    except ValueError:
        return value


def study_of(chosen: Mapping) -> dict:
    """Return the study that parsed fields make, as its YAML file has it.

    A fusion is never trained alone: beside it stand the two models that it joins, on the same folds.
    """
    sides = {"voice": models("audio"), "face": models("video")}
    variants = {}
    for side, known in sides.items():
        if chosen[side] != NONE:
            kind, modality = known[chosen[side]]
            settings = {"name": chosen[side]} | chosen[f"{side}_options"]
            variants[side] = {"title": f"{TITLES[side]}: {chosen[side]}", kind: {modality: settings}}
    if chosen["fusion"] != NONE:
        key, name = fusions()[chosen["fusion"]]
        variants["both"] = {"title": f"{TITLES['both']}: {name}"} | _joined(variants, key, chosen)
        variants["both"][key] = {"name": name} | chosen["fusion_options"]
    profile = {key: chosen[key] for key in ("n_folds", "folds") if chosen[key] is not None}
    return {
        "title": chosen["name"],
        "corpus": chosen["corpus"],
        "classes": classes(chosen),
        "protocol": chosen["protocol"],
        "repeats": chosen["repeats"],
        "inner_share": 0.25,
        "recipe": {"name": chosen["recipe"]} | _kept(variants, chosen) | chosen["recipe_options"],
        "training": {name: chosen[name] for name in TRAINED} | chosen["more"],
        "variants": variants,
        "profiles": {"full": profile},
    }


def _kept(variants: Mapping[str, Mapping], chosen: Mapping) -> dict:
    """Return `keep` with the arrays that the models read, where the recipe does not keep them by itself."""
    read = [array for settings in variants.values() for array in arrays_of(settings)]
    wanted = ["landmarks" if array in geometry.DESCRIPTORS else array for array in dict.fromkeys(read)]
    kept = list(recipes.load(chosen["recipe"]).keep)
    missing = [array for array in wanted if array not in kept]
    return {"keep": kept + missing} if missing else {}


def classes(chosen: Mapping) -> list[str]:
    """Return the emotions chosen; none given are all of the corpus's card."""
    named = [word.strip() for word in chosen["emotions"].split(",") if word.strip()]
    return in_order(named or CORPORA[chosen["corpus"]].card.emotions)


def _joined(variants: Mapping, key: str, chosen: Mapping) -> dict:
    """Return a fusion's settings but its own: the members, or the encoders that a network joins."""
    if len(variants) != 2:
        raise WorkbenchError("a fusion joins a voice and a face: choose both, or no fusion")
    if key != "fusion":
        return {"members": list(variants)}
    if classical := [one["title"] for one in variants.values() if "classical" in one]:
        raise WorkbenchError(f"a network joins encoders, and {classical[0]} is none: choose stacked answers or a rule")
    encoders = {modality: one for settings in variants.values() for modality, one in settings["encoders"].items()}
    return ({"start": list(variants)} if chosen["start"] else {}) | {"encoders": encoders}


def fields_of(study: Study, about: Mapping) -> dict[str, str | bool]:
    """Return the fields that make a study, as they are typed.

    Parameters
    ----------
    about : mapping
        What is said of the process that makes it: `root`, `jobs` (`under_way.latest`).

    Raises
    ------
    WorkbenchError
        If no fields would: it is a study of another making.
    """
    given = {name: field.default for name, field in FIELDS.items()}
    training, profile = dict(study.training), study.profiles.get("full", {})
    given |= {"name": study.name, "corpus": study.corpus, "protocol": study.protocol, "repeats": study.repeats}
    given |= {key: about[key] for key in ("root", "jobs") if about.get(key)}
    whole = study.classes == in_order(card_of(study.corpus).emotions)
    given |= {"emotions": "" if whole else ", ".join(study.classes)}
    given |= {key: profile.get(key, "") for key in ("n_folds", "folds")}
    given |= {name: training.pop(name) for name in TRAINED if name in training} | {"more": training}
    given |= {"recipe": study.recipe.get("name", ""), "recipe_options": _rest(study.recipe)}
    for side in ("voice", "face"):
        for kind in ("encoders", "classical"):
            for one in study.variants.get(side, {}).get(kind, {}).values():
                given |= {side: one["name"], f"{side}_options": _rest(one)}
        given[side] = given[side] if side in study.variants else NONE
    both = study.variants.get("both", {})
    for words, (key, name) in fusions().items():
        if both.get(key, {}).get("name") == name:
            given |= {"fusion": words, "fusion_options": _rest(both[key]), "start": "start" in both}
    typed = {name: value if FIELDS[name].kind == "yes" else _typed(value) for name, value in given.items()}
    made = study_of({name: parse(FIELDS[name], value) for name, value in typed.items()})
    if made["variants"] != study.variants or made["training"] != study.training:
        raise WorkbenchError(f"study {study.name!r} was not made here, and has more to it than these fields")
    return typed


def _rest(settings: Mapping) -> dict:
    return {key: value for key, value in settings.items() if key != "name"}


def _typed(value) -> str:
    """Return a value as a person would type it into a field."""
    if isinstance(value, str):
        return value
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False).removesuffix("\n...\n").strip()
    return text[1:-1] if isinstance(value, Mapping) else text


def text_of(study: Mapping) -> str:
    """Return a study as its file has it."""

    class Flow(yaml.SafeDumper):
        """Lists on one line."""

        def ignore_aliases(self, data):
            return True

    Flow.add_representer(list, lambda dumper, data: dumper.represent_sequence("tag:yaml.org,2002:seq", data, True))
    return yaml.dump(dict(study), Dumper=Flow, sort_keys=False, width=110, allow_unicode=True)


__all__ = ["FIELDS", "Field", "fields_of", "models", "parse", "study_of", "text_of"]
