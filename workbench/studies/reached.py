"""The conditions under which a published number was reached, and why ours may not be compared with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan

import pandas as pd

from workbench.datasets import Card, card_of
from workbench.emotions import in_order
from workbench.splits import COUNTED, DEFAULT_FOLDS, SHARING
from workbench.studies import Study, by_protocol, load_of, seeds_of
from workbench.studies.conditions import NONE, RANDOM

FULL = "full"  # the profile that is as published
LEAST_TAKES = 0.99  # the share of the published takes that has to be there: a few damaged files do not matter


@dataclass(frozen=True)
class Reached:
    """The conditions of a published number.

    Attributes
    ----------
    corpus : str
    classes : frozenset of str
    only : mapping
        Column of the clip table -> its value, of the clips used; {} for all.
    protocol : str
    folds : int or None
        Folds times seeds that the number is the mean of; None where it is not known.
    weights : str
        The data that networks were pretrained on; '' for random initial weights.
    elsewhere : str
        What the number was reached on, in words, where that is all that is known; '' otherwise.
    """

    corpus: str
    classes: frozenset
    only: Mapping[str, str]
    protocol: str
    folds: int | None
    weights: str = ""
    elsewhere: str = ""


def reached(study: Study, settings: Mapping) -> Reached:
    """Return the conditions of the published number of a variant, or of a system of others.

    They are the study's own (its corpus, classes, protocol and profile `full`), changed by `reached` of the study and
    of the number. A number with a `setting` of its own and without `reached` is on something else, unless the variant
    has `classes` or `only` of its own to match.
    """
    published = settings.get("published", {})
    own = dict(study.reached) | dict(published.get("reached", {}))
    other = load_of(settings["of"])[0] if "of" in settings else study
    classes, only = material(study, settings)
    matched = (classes, only) != (frozenset(study.classes), study.only)
    setting = published.get("setting", study.setting)
    elsewhere = setting if setting != study.setting and not matched and "reached" not in published else ""
    corpus, protocol = own.get("corpus", study.corpus), own.get("protocol", study.protocol)
    folds = own["folds"] if "folds" in own else _folds(other, published, protocol, corpus)
    classes, only = frozenset(own.get("classes", classes)), own.get("only", only)
    return Reached(corpus, classes, only, protocol, folds, own.get("weights", ""), elsewhere)


def material(study: Study, settings: Mapping) -> tuple[frozenset, dict]:
    """Return the classes of a variant and `only`: its own, its study's, or those of the study that it is `of`."""
    if "of" in settings:
        other, variant = load_of(settings["of"])
        return material(other, other.variant(variant))
    return frozenset(settings.get("classes", study.classes)), settings.get("only", study.only)


def _folds(study: Study, published: Mapping, protocol: str, corpus: str) -> int | None:
    """Return the number of folds times seeds: those published one by one, else those of profile `full`."""
    for key in ("by_fold", "by_seed"):
        if key in published:
            return len(published[key])
    profile = study.profiles.get(FULL)
    n_folds = profile is not None and n_folds_of(study, profile, protocol, corpus)
    if not n_folds:
        return None
    folds = min(n_folds, by_protocol(profile.get("folds"), protocol) or n_folds)
    return folds * len(seeds_of(study, profile, protocol))


def n_folds_of(study: Study, profile: Mapping, protocol: str, corpus: str | None = None) -> int | None:
    """Return how many folds a protocol makes of a whole corpus's speakers, as far as its card names them.

    None where the speakers, or the corpus's own folds, decide and the card does not name them.
    """
    known = len(card_of(corpus or study.corpus).speakers)
    speakers = min(known, profile.get("speakers") or known)
    if protocol in COUNTED:
        return (speakers // 2 if protocol == "speaker-pairs" else speakers) or None
    wanted = by_protocol(profile.get("n_folds"), protocol) or DEFAULT_FOLDS
    return wanted if protocol in SHARING or not speakers else min(wanted, speakers)


def static_differences(study: Study, of: Reached, *, corpus: str, found: set[str], only: Mapping) -> list[str]:
    """Return why a published number is not on the same ground as ours, in words; nothing if it is.

    Parameters
    ----------
    of : Reached
        The published number's conditions.
    corpus : str
        The label of ours.
    found : set of str
        The classes that ours is tested on.
    only : mapping
        Column -> value, of the clips that ours uses.
    """
    if corpus != of.corpus:
        return [f"corpus {corpus}, published: {of.corpus}"]
    if of.elsewhere:
        return [f"published on: {of.elsewhere}"]
    why = [] if found == of.classes else [_of_classes(found, of.classes)]
    why += [] if only == of.only else [f"{_of_clips(only)}; published: {_of_clips(of.only)}"]
    return why + ([] if of.protocol == study.protocol else [f"protocol {study.protocol}, published: {of.protocol}"])


def _of_classes(found: set[str], published: frozenset) -> str:
    return f"classes {', '.join(in_order(found))}; published: {', '.join(in_order(published))}"


def _of_clips(only: Mapping[str, str]) -> str:
    return ", ".join(f"{column} {value}" for column, value in only.items()) or "all clips"


def run_differences(study: Study, of: Reached, conditions: pd.Series) -> list[str]:
    """Return how profile, material, folds and initial weights of our runs differ from the published, in words.

    Parameters
    ----------
    of : Reached
        The published number's conditions.
    conditions : Series
        Of ours under the published protocol, a row of `conditions.table`.
    """
    size, weights, why = conditions["size"], conditions["weights"], []
    if size != FULL and study.profiles.get(size, {}) != study.profiles.get(FULL):
        why.append(f"profile {size}, published: {FULL}")
    why += _of_material(card_of(of.corpus), of, conditions)
    if of.folds and conditions["folds"] != of.folds:
        why.append(f"{conditions['folds']} of {of.folds} folds")
    if of.weights and RANDOM in weights.split(", "):
        why.append(f"random initial weights, published: {of.weights}")
    if not of.weights and set(weights.split(", ")) - {RANDOM, NONE}:
        why.append(f"initial weights {weights}, published: random")
    return why


def _of_material(card: Card, of: Reached, conditions: pd.Series) -> list[str]:
    if pd.isna(conditions["takes"]):
        return ["the material of ours is not recorded: run the study again"]
    speakers, takes, why = len(card.speakers), card.n_takes(of.classes, of.only), []
    if conditions["speakers"] < speakers:
        why.append(f"{conditions['speakers']:.0f} of {speakers} speakers")
    if takes and conditions["takes"] < LEAST_TAKES * takes:
        why.append(f"{conditions['takes']:,.0f} of {takes:,} takes")
    return why


def share(card: Card, of: Reached, conditions: pd.Series) -> tuple[str, str]:
    """Return speakers and takes of ours, of those published where these are known: ``16 of 24``, ``960 of 1,440``."""
    known = {"speakers": len(card.speakers), "takes": card.n_takes(of.classes, of.only)}
    texts = []
    for name, whole in known.items():
        number = conditions[name]
        text = "not recorded" if number is None or isnan(number) else f"{number:,.0f}"
        texts.append(f"{text} of {whole:,}" if whole else text)
    return texts[0], texts[1]
