"""What a study is on a corpus at a size: its clips and folds, what its variants are, and the prepared arrays."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from workbench import geometry, recipes, splits
from workbench.datasets import Corpus, content, select, votes
from workbench.emotions import in_order
from workbench.errors import WorkbenchError, choose
from workbench.models.precomputed import Arrays
from workbench.prepare import prepare, usable
from workbench.recipes import Recipe, digest
from workbench.store import Reader, Store
from workbench.studies import Study, by_protocol, load_of, seeds_of
from workbench.studies.declaration import parts_of, select_clips, settings_of
from workbench.training import Settings

MOST_RECEIVED = 8  # plans that a process keeps


@dataclass(frozen=True)
class Plan:
    """A study on a corpus at a size: what every one of its runs shares.

    `profile` holds the values of the profile that `size` names. `takes` is the clip table with one row a performance
    (one a `view` of it, where there are several cameras): folds are made of takes, so that every variant, whatever it
    hears or sees, is trained and tested on the same performances. `left_out` says which clips of the corpus are not
    among them, and why.
    """

    study: Study
    corpus: Corpus
    profile: dict
    size: str
    clips: pd.DataFrame
    takes: pd.DataFrame
    left_out: list[str] = field(default_factory=list)
    kept: dict = field(default_factory=dict, repr=False, compare=False)

    def __reduce__(self):
        return _received, (self._token, self.__dict__ | {"kept": {}})  # what was worked out does not travel

    @cached_property
    def _token(self) -> str:
        """The name of this plan in other processes, which keep what they have worked out of it."""
        return uuid.uuid4().hex

    def settings(self, variant: str) -> dict:
        """Return the settings of a variant, as the profile changes them (`variants` of the profile)."""
        return settings_of(self.study, self.size, variant)

    def training(self, variant: str) -> Settings:
        """Return how a variant is trained: as the study says, the profile, and the variant itself, the last one first.

        Raises
        ------
        WorkbenchError
            For a setting that there is not, or a value that it cannot have.
        """
        parts = parts_of(self.study, "training", self.size, variant).values()
        chosen = {key: value for part in parts for key, value in part.items()}
        for key in chosen:
            choose(f"training setting of variant {variant!r}", key, [setting.name for setting in fields(Settings)])
        return Settings(**chosen)

    @property
    def recipe(self) -> Recipe:
        """The study's recipe of preparation, as the profile changes it."""
        return recipes.load(**self.study.recipe | self.profile.get("recipe", {}))

    @property
    def classes(self) -> list[str]:
        """The study's classes that the corpus has, in the vocabulary's order."""
        return in_order(set(self.study.classes) & set(self.takes["emotion"]))

    @cached_property
    def key(self) -> str:
        """A hash of the clips and of how they are prepared: plans with equal keys share their prepared arrays."""
        where = [self.corpus.label, str(self.corpus.root), self.recipe.key]
        return digest([*where, self.clips[["clip", "emotion", "speaker"]].to_csv(index=False)])

    def n_folds(self, protocol: str) -> int | None:
        """Return how many folds a protocol makes, None where the speakers decide.

        No more than there are known speakers (that share no content) where a protocol keeps them apart, so that a small
        corpus is left one speaker out.
        """
        if protocol in splits.COUNTED:
            return None
        wanted, known = by_protocol(self.profile.get("n_folds"), protocol), self._n_speakers
        if protocol in splits.SHARING or not 2 <= known < (wanted or splits.DEFAULT_FOLDS):
            return wanted
        return known

    @cached_property
    def _n_speakers(self) -> int:
        """How many known speakers there are that share no content."""
        return len(set(splits.units(self.takes, "speaker")) - {""})

    def folds(self, protocol: str, seed: int) -> dict[str, splits.Fold]:
        """Return the folds that are run, by name: all of the protocol's, or as many as the profile says (`folds`)."""
        if (protocol, seed) not in self.kept:
            made = splits.make_folds(self.takes, protocol, n_folds=self.n_folds(protocol), seed=seed)
            first = made[: by_protocol(self.profile.get("folds"), protocol)]
            self.kept[protocol, seed] = {fold.name: fold for fold in first}
        return self.kept[protocol, seed]

    def inner_unit(self, protocol: str, fold: splits.Fold) -> str:
        """Return what the inner split of a fold keeps whole, 'speaker' or 'take' (`splits.inner_unit`)."""
        return splits.inner_unit(self.takes, fold.train, shares_speakers=protocol in splits.SHARING)

    def inner_split(self, protocol: str, fold: splits.Fold, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the positions in `takes` that a fold fits and validates on (`splits.inner_split`)."""
        by, share = self.inner_unit(protocol, fold), self.study.inner_share
        return splits.inner_split(self.takes, fold.train, share=share, seed=seed, by=by)

    def joined(self, protocol: str) -> str:
        """Return a hash of which speakers (takes, where speakers are shared) share content; '' where none do."""
        by = "take" if protocol in splits.SHARING else "speaker"
        if ("joined", by) not in self.kept:
            groups = splits.joined(self.takes, by)
            self.kept["joined", by] = digest(groups) if groups else ""
        return self.kept["joined", by]

    def with_content(self, **options) -> Plan:
        """Return the plan with the content of its clips (`datasets.content`), by which copies stay on one side.

        `options` are `jobs`, `cluster` and `progress`. A take has the content of all its clips.
        """
        clips = content.of_corpus(self.corpus, self.clips, **options)
        takes = self.takes.assign(content=content.of_takes(self.takes, clips, identity(clips)))
        return replace(self, clips=clips, takes=takes, kept={})

    def seeds(self, protocol: str) -> list[int]:
        """Return the seeds of a protocol's repeats."""
        return seeds_of(self.study, self.profile, protocol)

    def part(self, variant: str) -> tuple[Plan, str]:
        """Return the plan that a variant's runs are made under, and its name there.

        It is this one, unless the variant is another study's (`of`) or has `classes`, `only` or a `recipe` of its own.
        """
        settings = self.settings(variant)
        own = {key: settings[key] for key in ("classes", "only", "recipe") if key in settings}
        if "of" not in settings and not own:
            return self, variant
        study, name = load_of(settings["of"]) if "of" in settings else (self._with(variant, own), variant)
        key = digest([study.name, own])
        if key not in self.kept:
            part = plan(study, self.corpus, profile=self.size)
            self.kept[key] = part.with_content() if "content" in self.clips else part
        return self.kept[key].part(name)

    def _with(self, variant: str, own: dict) -> Study:
        """Return the study with one variant's classes, clips and recipe in place of its own; the variant's go first."""
        recipe = self.study.recipe | self.profile.get("recipe", {}) | own.get("recipe", {})
        variants = {name: self.settings(name) for name in self.study.variants}
        variants[variant] = {key: value for key, value in variants[variant].items() if key not in own}
        profile = {key: value for key, value in self.profile.items() if key not in ("recipe", "variants")}
        return replace(
            self.study,
            classes=own.get("classes", self.study.classes),
            only=own.get("only", self.study.only),
            recipe=recipe,
            variants=variants,
            profiles={self.size: profile},
        )


_RECEIVED: dict[str, Plan] = {}  # plans from another process, by token; each comes with every item of work


def _received(token: str, state: dict) -> Plan:
    """Return the plan that came from another process: the same object each time, with what it keeps."""
    if token not in _RECEIVED:
        if len(_RECEIVED) == MOST_RECEIVED:
            _RECEIVED.clear()
        _RECEIVED[token] = object.__new__(Plan)
        _RECEIVED[token].__dict__.update(state)
    return _RECEIVED[token]


def plan(study: Study, corpus: Corpus, *, profile: str = "full") -> Plan:
    """Return the plan of a study on a corpus: the clips of its classes, of as many speakers as the profile allows.

    Raises
    ------
    WorkbenchError
        If the corpus has none of the study's classes, or fewer than two.
    """
    chosen, every = study.profile(profile), corpus.clips()
    labelled, left_out = _of_classes(study, every)
    clips = select_clips(study, corpus, labelled)
    words = ", ".join(f"{column} {value}" for column, value in study.only.items() if column in clips)
    left_out += _counted(len(labelled) - len(clips), len(labelled), f"only clips of {words} are used")
    left_out += [
        f"`only` {column}: {value} is not applied: this corpus has no column {column!r}"
        for column, value in study.only.items()
        if column not in clips
    ]
    if clips["emotion"].nunique() < 2:
        of = "".join(f" of {column} {value!r}" for column, value in study.only.items())
        found = sorted(set(clips["emotion"])) or "none"
        raise WorkbenchError(f"study {study.name!r} needs two or more{of} of {study.classes}; the corpus has {found}")
    if chosen.get("speakers"):
        named = clips[clips["speaker"] != ""] if (clips["speaker"] != "").any() else clips
        sexes = named.drop_duplicates("speaker").sort_values("speaker").groupby("sex")["speaker"]
        share, n_clips = -(-chosen["speakers"] // sexes.ngroups), len(clips)
        clips = clips[clips["speaker"].isin([name for _, names in sexes for name in names[:share]])]
        left_out += _counted(n_clips - len(clips), n_clips, f"profile {profile!r} uses {share} speakers of each sex")
    takes = clips.drop_duplicates(identity(clips)).sort_values(identity(clips), ignore_index=True)
    return Plan(study, corpus, chosen, profile, clips.reset_index(drop=True), takes, left_out)


def _of_classes(study: Study, clips: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return the clips of a study's classes, and what is left out, in words: clips of other classes, without label."""
    others = clips.loc[~clips["emotion"].isin(study.classes), "emotion"].value_counts()
    unlabelled = int(others.get("", 0))
    counts = [f"{emotion} ({n})" for emotion, n in others.items() if emotion]
    other = ", ".join(counts)
    left_out = _counted(unlabelled, len(clips), "they have no label")
    why = f"their class is not among the study's classes: {other}"
    left_out += _counted(int(others.sum()) - unlabelled, len(clips), why)
    return clips[clips["emotion"].isin(study.classes)], left_out


def _counted(n_left_out: int, n_clips: int, why: str) -> list[str]:
    return [f"{n_left_out} of {n_clips} clips left out: {why}"] if n_left_out else []


def identity(clips: pd.DataFrame) -> list[str]:
    """Return the columns that name a performance as it was recorded: `take` and, where the table has one, `view`."""
    return ["take", *(["view"] if "view" in clips else [])]


@dataclass(frozen=True)
class Data:
    """The prepared clips of one modality: the table (one row a take), and a hash that names its content.

    `described` keeps what is made of the clips' landmarks (`geometry.describe`), once it was asked for. Clips whose
    arrays were made elsewhere have no store: `arrays` holds what the corpus gives, in the order of the table. `notes`
    say in words which clips the corpus leaves out.
    """

    store: Store | None
    table: pd.DataFrame
    key: str
    described: dict[str, list[np.ndarray]] = field(default_factory=dict)
    arrays: dict[str, list[np.ndarray]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def reader(self, names: Sequence[str]) -> Reader | Arrays:
        """Return a reader of arrays of the table's clips, in order: of the store, made of its landmarks, or given."""
        if self.store is None:
            return Arrays({name: self.arrays[name] for name in names})
        made = [name for name in names if name in geometry.DESCRIPTORS]
        reader = Reader(self.store, self.table["clip"].tolist(), [name for name in names if name not in made])
        if lacking := [name for name in made if name not in self.described]:
            landmarks = [self.store.array("landmarks", clip) for clip in self.table["clip"]]
            self.described.update(geometry.describe(landmarks, self.table, lacking))
        reader.views |= {name: self.described[name] for name in made}
        return reader


class Given(NamedTuple):
    """Predictions made elsewhere (`GivenPredictions.predictions`), and a hash that names their content."""

    table: pd.DataFrame
    key: str


def load(
    whole: Plan, modality: str, *, jobs: int = 1, cluster: str | None = None, progress: Callable | None = None
) -> Data:
    """Prepare the clips of a modality, what is not prepared yet, and return those that can be used."""
    table = select(whole.clips, modality)
    if whole.corpus.arrays():
        left_out = whole.corpus.left_out()
        notes = [words for name, words in left_out.items() if modality in (name, "audiovisual")]
        return replace(_given(whole.corpus, table), notes=tuple(notes))
    store, _ = prepare(whole.corpus, table, whole.recipe, jobs=jobs, cluster=cluster, progress=progress)
    table = usable(store, table, modality, whole.recipe)
    if table.empty:
        reasons = store.quarantine["reason"].tolist()[:3]
        raise WorkbenchError(f"no clip of {whole.corpus.card.name!r} could be prepared for {modality}: {reasons}")
    content = table[["clip", "emotion", "speaker", "take", *votes.counted(table)]].assign(
        source=store.index["source_bytes"].reindex(table["clip"]).to_numpy()
    )
    return Data(store, _counted_by_speaker(table), digest([whole.recipe.key, content.to_csv(index=False)]))


def _given(corpus: Corpus, table: pd.DataFrame) -> Data:
    """Return the arrays that a corpus gives of the clips in `table`."""
    at = pd.Index(corpus.clips()["clip"]).get_indexer(table["clip"])
    arrays = {name: [views[i] for i in at] for name, views in corpus.arrays().items()}
    content = hashlib.sha256(table[["clip", "emotion", "speaker", "take"]].to_csv(index=False).encode())
    for views in arrays.values():
        for view in views:
            content.update(np.ascontiguousarray(view))
    return Data(None, _counted_by_speaker(table), content.hexdigest()[:8], arrays=arrays)


def _counted_by_speaker(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with `speaker_clips`, how many of its clips are of the clip's speaker."""
    return table.assign(speaker_clips=table.groupby("speaker")["clip"].transform("size"))


class Prepared:
    """Prepared clips of plans, by modality; each loaded once.

    Parameters
    ----------
    jobs, cluster, progress
        As `prepare` takes them.
    """

    def __init__(self, *, jobs: int = 1, cluster: str | None = None, progress: Callable | None = None):
        self.options, self.kept = {"jobs": jobs, "cluster": cluster, "progress": progress}, {}

    def __reduce__(self):
        return Prepared, ()  # another process reads them for itself

    def of(self, whole: Plan, modality: str) -> Data:
        """Return the clips of a plan that can be used for a modality, prepared if they are not yet."""
        key = (whole.key, modality)
        if key not in self.kept:
            self.kept[key] = load(whole, modality, **self.options)
        return self.kept[key]

    def given(self, whole: Plan, settings: Mapping[str, Mapping]) -> Given:
        """Return the predictions that a corpus gives; `settings` maps a modality to a system and how to read it."""
        (options,) = (dict(one) for one in settings.values())
        if (key := (whole.key, digest(options))) not in self.kept:
            system = options.pop("name", "")
            try:
                table = whole.corpus.predictions(system, **options)
            except TypeError as error:
                raise WorkbenchError(f"predictions of {system!r} with settings {options}: {error}") from None
            self.kept[key] = Given(table, digest(table.to_csv(index=False)))
        return self.kept[key]
