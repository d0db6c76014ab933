"""Tests of the values in a study's file: each takes a place and a value, and raises an error that names both."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from functools import partial

from workbench import standards
from workbench.emotions import EMOTIONS, EXTRA
from workbench.errors import WorkbenchError, choose
from workbench.splits import PROTOCOLS

# Of `published`: rates in percent, `loss`, and counts as they are. `by_fold`, `by_seed`, `by_class` map names to them.
RATES = ("accuracy", "sd", "best", "worst", "train", "train_sd", "validation", "precision", "recall", "f1")
COSTS = ("parameters", "multiply_adds", "latency_ms", "bytes_per_clip")
LOSSES = ("loss", "loss_sd", "train_loss", "train_loss_sd")
MAPPINGS = ("by_fold", "by_seed", "by_class", "n_neighbors", "settings")
WORDS = ("row", "setting", "note")
PUBLISHED = (*RATES, *LOSSES, *COSTS, *MAPPINGS, *WORDS, "reached")
MEASURES = ("accuracy", "uar", "precision", "recall", "f1", "loss", *COSTS)
# What a modality is taken from, where that is not its own name.
SENSES = {"features": "audio", "scene": "video", "geometry": "video"}
MODALITIES = ("audio", "video", "audiovisual", "text", *SENSES)
LEARNED = ("train", "validation")  # usages that a late fusion may learn from: never the test's


def mapping(place: str, value, expected: str = "key: value") -> Mapping:
    """Return `value`, a mapping."""
    if not isinstance(value, Mapping):
        raise WorkbenchError(f"{place} is {value!r}, expected a mapping ({expected})")
    return value


def keys(place: str, value, known: Collection[str]) -> None:
    """Test a mapping that has no other keys than those known."""
    for key in mapping(place, value):
        choose(f"key of {place}", key, known)


def string(place: str, value) -> None:
    """Test text."""
    if not isinstance(value, str):
        raise WorkbenchError(f"{place} is {value!r}, expected text; put numbers and words such as yes in quotes")


def boolean(place: str, value) -> None:
    """Test true or false."""
    if not isinstance(value, bool):
        raise WorkbenchError(f"{place} is {value!r}, expected true or false")


def number(place: str, value, low: float = 0, high: float = math.inf) -> None:
    """Test a number within `low` and `high`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        wanted = f"{low} to {high}" if high < math.inf else f"{low} or more"
        raise WorkbenchError(f"{place} is {value!r}, expected a number, {wanted}")


def share(place: str, value) -> None:
    """Test a number between 0 and 1, both excluded."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise WorkbenchError(f"{place} is {value!r}, expected a number between 0 and 1, such as 0.2")


def whole(value, least: int) -> bool:
    """Return whether a value is a whole number, `least` or more."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def count(place: str, value, least: int = 1) -> None:
    """Test a whole number, `least` or more; None for none given."""
    if value is not None and not whole(value, least):
        raise WorkbenchError(f"{place} is {value!r}, expected a whole number, {least} or more")


def repeats(place: str, value) -> None:
    """Test a number of repeats, or a list of their seeds."""
    if not isinstance(value, list):
        count(place, value)
    elif not value or any(not whole(seed, 0) for seed in value) or len(set(value)) < len(value):
        raise WorkbenchError(f"{place} are {value}, expected how many, or seeds: whole numbers, 0 or more, each once")


def by_protocol(test: Callable) -> Callable:
    """Return a test of one value for all protocols, or of a mapping of protocols to values."""

    def tested(place: str, value) -> None:
        values = value if isinstance(value, Mapping) else {None: value}
        for protocol, one in values.items():
            if protocol is not None:
                choose(f"protocol in {place}", protocol, PROTOCOLS)
            test(place, one)

    return tested


def one_of(choices: Collection[str]) -> Callable:
    """Return a test of one of the choices."""

    def tested(place: str, value) -> None:
        above, _, key = place.rpartition(": ")
        try:
            choose(key, value, choices)
        except WorkbenchError as error:
            raise WorkbenchError(f"{above}: {error}" if above else str(error)) from None

    return tested


def words(kind: str, choices: Collection[str] | None = None, least: int = 1) -> Callable:
    """Return a test of a list of different words, of the choices if there are any."""

    def tested(place: str, value) -> None:
        if not isinstance(value, list) or len(value) < least or any(not isinstance(one, str) for one in value):
            raise WorkbenchError(f"{place} is {value!r}, expected a list of {least} or more names: [a, b]")
        for one in value if choices else ():
            choose(f"{kind} in {place}", one, choices)
        if twice := [one for one in value if value.count(one) > 1]:
            raise WorkbenchError(f"{place} names {twice[0]!r} twice")

    return tested


def only(place: str, value) -> None:
    """Test a mapping of columns to one value each."""
    for column, one in mapping(place, value, "column: value").items():
        string(f"{place}: a column", column)
        if not isinstance(one, str | int | float):
            expected = "one value: text, a number, true or false"
            raise WorkbenchError(f"{place}: column {column!r} is {one!r}, expected {expected}")


def named(place: str, value) -> None:
    """Test a mapping with the `name` of what is meant, and its settings."""
    if not isinstance(mapping(place, value, "name: NAME").get("name"), str):
        raise WorkbenchError(f"{place} is {dict(value)!r}, expected a mapping with a name: {{name: NAME}}")


def by_modality(place: str, value) -> None:
    """Test a mapping of modalities to named settings."""
    if not mapping(place, value, "modality: {name: NAME}"):
        raise WorkbenchError(f"{place} is empty, expected a mapping (modality: {{name: NAME}})")
    for modality, settings in value.items():
        choose(f"modality in {place}", modality, MODALITIES)
        named(f"{place}, modality {modality!r}", settings)


def published(place: str, value) -> None:
    """Test what was published for a variant."""
    for key, one in mapping(place, value).items():
        choose(f"key of {place}", key, PUBLISHED)
        if key in RATES:
            number(f"{place}, {key}", one, 0, 100)
        elif key in (*LOSSES, *COSTS):
            number(f"{place}, {key}", one)
        elif key == "settings":
            mapping(f"{place}, {key}", one)
        elif key in MAPPINGS:
            numbers(f"{place}, {key}", key, one)
        elif key in WORDS:
            string(f"{place}, {key}", one)
        else:
            reached(f"{place}, {key}", one)


def numbers(place: str, key: str, value) -> None:
    """Test numbers by fold, seed or class: rates in percent, or numbers of neighbours; a class has several rates."""
    for name, one in mapping(place, value).items():
        if key == "by_class":
            keys(f"{place}, {name}", one, RATES)
        for what, rate in one.items() if key == "by_class" else [("", one)]:
            low, high = (1, math.inf) if key == "n_neighbors" else (0, 100)
            number(", ".join(filter(None, (place, str(name), what))), rate, low, high)


def reached(place: str, value) -> None:
    """Test the conditions of a published number."""
    for key, one in mapping(place, value).items():
        REACHED[choose(f"key of {place}", key, REACHED)](f"{place}, {key}", one)


CLASSES = words("class", EMOTIONS + EXTRA, 2)
# Conditions of a published number that differ from those of its study: `folds` counts folds times seeds (null: not
# known), `weights` names what networks were pretrained on.
REACHED: dict[str, Callable] = {
    **dict.fromkeys(("corpus", "weights"), string),
    "classes": CLASSES,
    "only": only,
    "protocol": one_of(PROTOCOLS),
    "folds": count,
}
COUNTS: dict[str, Callable] = {
    "n_folds": by_protocol(partial(count, least=2)),
    "folds": by_protocol(count),
    "speakers": count,
    "repeats": by_protocol(repeats),
}
# The keys of a variant, each with the test of its value.
VARIANT: dict[str, Callable] = {
    **dict.fromkeys(("title", "group", "of"), string),
    "published": published,
    **dict.fromkeys(("encoders", "classical", "given"), by_modality),
    **dict.fromkeys(("fusion", "stacking", "rule"), named),
    "members": words("variant"),
    "start": words("variant", least=0),  # none, where a profile begins from random weights
    "learn_from": one_of(LEARNED),
    "normalise": one_of(standards.CHOICES),
    "freeze": boolean,
    "classes": CLASSES,
    "only": only,
    **dict.fromkeys(("training", "recipe"), mapping),
}
# The keys of a study, each with the test of its value.
STUDY: dict[str, Callable] = {
    **dict.fromkeys(("title", "corpus", "source", "table", "setting"), string),
    "classes": CLASSES,
    "protocol": one_of(PROTOCOLS),
    "only": only,
    "reached": reached,
    "repeats": COUNTS["repeats"],
    "inner_share": share,
    "predict_training": boolean,
    "measures": words("measure", MEASURES),
    **dict.fromkeys(("training", "recipe", "variants", "cited", "profiles"), mapping),
}
