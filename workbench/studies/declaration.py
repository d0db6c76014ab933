"""Checks of what a study declares: every key and every value, at every level, that can be judged without models.

`check` tests the words of a study, `check_variants` its variants together, `select_clips` the columns and values of
`only` on a corpus. Settings of models, training and recipes are tested by what takes them (`checking.check_study`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import pandas as pd
import yaml

from workbench.errors import WorkbenchError, choose
from workbench.studies import values

if TYPE_CHECKING:
    from workbench.datasets import Corpus
    from workbench.studies import Study

PROFILE = (*values.COUNTS, "training", "recipe", "variants")
SHOWN = ("title", "group", "published")  # keys of a variant without effect on its runs
OWN = ("classes", "only", "recipe")  # keys of a variant that replace those of its study
# What a variant is, and the further keys that have an effect on it.
KINDS = {
    "encoders": ("fusion", "training", "normalise", "start", "freeze"),
    "classical": ("normalise",),
    "given": (),
    "members": ("stacking", "rule", "learn_from", "normalise"),
}


def read(text: str):
    """Return what YAML text holds.

    Raises
    ------
    WorkbenchError
        If a mapping has a key twice: YAML would keep the last one and drop the others.
    yaml.YAMLError
        If the text is not YAML.
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    try:
        root = loader.get_single_node()
        _check_keys(root, set())
        return None if root is None else loader.construct_document(root)
    finally:
        loader.dispose()


def _check_keys(node: yaml.Node | None, seen: set[int]) -> None:
    """Raise a WorkbenchError if a mapping in a YAML node has a key twice."""
    if not isinstance(node, yaml.CollectionNode) or id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for one in node.value:
            _check_keys(one, seen)
        return
    known = set()
    for key, value in node.value:
        if isinstance(key, yaml.ScalarNode):
            if key.value in known:
                raise WorkbenchError(f"line {key.start_mark.line + 1}: key {key.value!r} stands twice; keep one")
            known.add(key.value)
        _check_keys(value, seen)


def check(declared: Mapping) -> None:
    """Check the keys of a study and their values, each by itself.

    Parameters
    ----------
    declared : mapping
        The fields of a study, as its YAML file has them.

    Raises
    ------
    WorkbenchError
        For an unknown key or an impossible value, at any level; the message says where, and what is expected.
    """
    for key, test in values.STUDY.items():
        if key in declared:
            test(key, declared[key])
    for name, settings in declared["variants"].items():
        _check_settings(_named("variant", name), settings, values.VARIANT)
    for name, settings in declared.get("cited", {}).items():
        _check_settings(place := _named("cited", name), settings, SHOWN)
        values.mapping(f"{place}: published", settings.get("published"))
    for name, profile in declared.get("profiles", {}).items():
        _check_profile(_named("profile", name), profile)


def _named(kind: str, name) -> str:
    """Return the place of a named part of a study."""
    if not isinstance(name, str) or not name.strip():
        raise WorkbenchError(f"{kind} {name!r}: expected a name of text; put a number in quotes")
    return f"{kind} {name!r}"


def _check_settings(place: str, settings, known: Iterable[str]) -> None:
    """Check the keys and values of a variant, or of what a profile changes in one."""
    values.keys(place, settings, known)
    for key, value in settings.items():
        values.VARIANT[key](f"{place}: {key}", value)


def _check_profile(place: str, profile) -> None:
    values.keys(place, profile, PROFILE)
    for key, test in values.COUNTS.items():
        if key in profile:
            test(f"{place}: {key}", profile[key])
    for key in ("training", "recipe", "variants"):
        values.mapping(f"{place}: {key}", profile.get(key, {}))
    for name, changed in profile.get("variants", {}).items():
        _check_settings(f"{place}, variant {name!r}", changed, values.VARIANT)


def check_variants(study: Study) -> None:
    """Check what each variant is, at every size, and that those it names are there.

    Raises
    ------
    WorkbenchError
        For a variant that is nothing, or two things at once; for a key without effect on what it is; for `members` or
        `start` that name no variant of the study, or lead back to the variant itself.
    """
    for kind, names in {"variant": study.variants, "profile": study.profiles}.items():
        for name in names:  # of folders, in keys of results, and in lists on the command line
            if set(name) & set("/,\n"):
                raise WorkbenchError(f"{kind} {name!r}: expected a name without '/' and ','")
    for profile, changes in study.profiles.items():
        for name in changes.get("variants", {}):
            choose(f"variant in profile {profile!r}", name, study.variants)
    for profile, name, settings in every(study):
        place = place_of(profile, name)
        _check_kind(place, settings)
        for key in ("members", "start"):
            for other in settings.get(key, ()):
                choose(f"variant in {place}: {key}", other, study.variants)
                _check_circle(study, profile, other, (name,))


def _check_kind(place: str, settings: Mapping) -> None:
    """Check that a variant is one thing, and has no key without effect on it."""
    kinds = [key for key in ("of", *KINDS) if key in settings]
    if len(kinds) != 1:
        found = " and ".join(kinds) or "none of them"
        raise WorkbenchError(
            f"{place}: expected one of {', '.join(KINDS)}, of (another study's variant), found {found}"
        )
    if kinds == ["of"]:
        values.keys(f"{place}, which is another study's (of)", settings, ("of", *SHOWN))
    else:
        known = (*SHOWN, *OWN, *kinds, *KINDS[kinds[0]])
        values.keys(f"{place}, which has {kinds[0]}", settings, known)


def _check_circle(study: Study, profile: str, name: str, above: tuple[str, ...]) -> None:
    """Raise a WorkbenchError if a variant builds on itself."""
    if name in above:
        chain = " -> ".join([*above, name])
        raise WorkbenchError(f"{place_of(profile, name)} builds on itself by members and start: {chain}")
    settings = settings_of(study, profile, name)
    for other in (*settings.get("members", ()), *settings.get("start", ())):
        _check_circle(study, profile, choose("variant", other, study.variants), (*above, name))


def place_of(profile: str, variant: str) -> str:
    """Return the place of a variant's settings, for a message; `profile` is '' for those of the study itself."""
    return f"profile {profile!r}, variant {variant!r}" if profile else f"variant {variant!r}"


def settings_of(study: Study, profile: str, variant: str) -> dict:
    """Return the settings of a variant as a profile changes them; as the study has them where `profile` is ''."""
    changes = study.profiles[profile].get("variants", {}) if profile else {}
    return study.variant(variant) | changes.get(variant, {})


def every(study: Study) -> Iterable[tuple[str, str, dict]]:
    """Yield profile, variant and settings: each variant of the study ('' for the profile), and as a profile changes it.

    Profiles that change none of the settings of a variant are passed over.
    """
    for name in study.variants:
        changing = [profile for profile, changes in study.profiles.items() if name in changes.get("variants", {})]
        for profile in ("", *changing):
            yield profile, name, settings_of(study, profile, name)


def parts_of(study: Study, key: str, profile: str, variant: str) -> dict[str, Mapping]:
    """Return what a variant's `training` or `recipe` is merged of, by place, in the order in which they are merged."""
    changes = study.profiles[profile] if profile else {}
    changed = key in changes.get("variants", {}).get(variant, {})
    own = settings_of(study, profile, variant).get(key, {})
    parts = {key: getattr(study, key), f"profile {profile!r}: {key}": changes.get(key, {})}
    return parts | {f"{place_of(profile if changed else '', variant)}: {key}": own}


def select_clips(study: Study, corpus: Corpus, clips: pd.DataFrame) -> pd.DataFrame:
    """Return the clips that `only` of the study names, in their order.

    Values are compared as text, so that 1 of a YAML file is '1' of a table. A column that the clip table lacks is
    passed over where the corpus is not the study's own and some corpus has such a column.

    Raises
    ------
    WorkbenchError
        For a column that no corpus has, or that the study's own corpus lacks; for a value that no clip has.
    """
    from workbench.datasets import CORPORA

    chosen, what = pd.Series(True, clips.index), f"only of study {study.name!r}"
    for column, value in study.only.items():
        if column in clips:
            texts = clips[column].map(_text)
            if _text(value) not in (known := set(texts) - {""}):
                found = ", ".join(sorted(known)[:20]) or "no value"
                text = f"no clip of corpus {corpus.label!r} has {column} {_text(value)!r}, found {found}"
                raise WorkbenchError(f"{what}: {text}{', ...' if len(known) > 20 else ''}")
            chosen &= texts == _text(value)
        elif corpus.card.name == study.corpus.partition(":")[0] or not any(
            column in kind.own_columns for kind in CORPORA.values()
        ):
            choose(f"column of corpus {corpus.label!r} in {what}:", column, list(clips))
    return clips[chosen]


def _text(value) -> str:
    """Return a value of a YAML file or a table as text: 1 and 1.0 as '1', true as 'true', NaN as ''."""
    if isinstance(value, float):
        if not math.isfinite(value):
            return ""
        return str(int(value)) if value.is_integer() else str(value)
    text = str(value)
    return text.lower() if text in ("True", "False") else text


__all__ = ["check", "check_variants", "every", "parts_of", "place_of", "read", "select_clips", "settings_of"]
