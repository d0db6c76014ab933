"""What a study's runs are: the clips, the prepared arrays, and of each run everything that its result depends on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import pandas as pd

from workbench import geometry, recipes, runs, splits, standards
from workbench.datasets import Corpus, select
from workbench.emotions import in_order
from workbench.errors import WorkbenchError, choose
from workbench.fusion import rules
from workbench.fusion.stacking import STACKERS
from workbench.models import FUSIONS, arrays_of
from workbench.prepare import prepare, usable
from workbench.recipes import Recipe, digest
from workbench.store import Reader, Store
from workbench.studies import Study
from workbench.training import Settings


@dataclass(frozen=True)
class Plan:
    """A study on a corpus at a size: what every one of its runs shares.

    `profile` holds the values of the profile that `size` names. `takes` is the clip table with one row a performance
    (one a `view` of it, where there are several cameras): folds are made of takes, so that every variant, whatever it
    hears or sees, is trained and tested on the same performances.
    """

    study: Study
    corpus: Corpus
    profile: dict
    size: str
    clips: pd.DataFrame
    takes: pd.DataFrame

    def settings(self, variant: str) -> dict:
        """Return the settings of a variant, as the profile changes them (`variants` of the profile)."""
        return self.study.variant(variant) | self.profile.get("variants", {}).get(variant, {})

    @property
    def recipe(self) -> Recipe:
        """The study's recipe of preparation, as the profile changes it."""
        return recipes.load(**self.study.recipe | self.profile.get("recipe", {}))

    @property
    def classes(self) -> list[str]:
        """The study's classes that the corpus has, in the vocabulary's order."""
        return in_order(set(self.study.classes) & set(self.takes["emotion"]))


def plan(study: Study, corpus: Corpus, *, profile: str = "full") -> Plan:
    """Return the plan of a study on a corpus: the clips of its classes, of as many speakers as the profile allows.

    There are no more folds than known speakers, so that a small corpus is left one speaker out.

    Raises
    ------
    WorkbenchError
        If the corpus has none of the study's classes, or fewer than two.
    """
    chosen, clips = study.profile(profile), corpus.clips()
    clips = clips[clips["emotion"].isin(study.classes)]
    if clips["emotion"].nunique() < 2:
        found = sorted(set(clips["emotion"])) or "none"
        raise WorkbenchError(f"study {study.name!r} needs two or more of {study.classes}; the corpus has {found}")
    if chosen.get("speakers"):
        sexes = clips.drop_duplicates("speaker").sort_values("speaker").groupby("sex")["speaker"]
        share = -(-chosen["speakers"] // sexes.ngroups)
        clips = clips[clips["speaker"].isin([name for _, names in sexes for name in names[:share]])]
    takes = clips.drop_duplicates(identity(clips)).sort_values(identity(clips), ignore_index=True)
    n_speakers = takes["speaker"].replace("", np.nan).nunique()
    if n_speakers > 1 and chosen.get("n_folds"):
        chosen = chosen | {"n_folds": min(chosen["n_folds"], n_speakers)}
    return Plan(study, corpus, chosen, profile, clips.reset_index(drop=True), takes)


def identity(clips: pd.DataFrame) -> list[str]:
    """Return the columns that name a performance as it was recorded: `take` and, where the table has one, `view`."""
    return ["take", *(["view"] if "view" in clips else [])]


def variants(study: Study, names: Sequence[str]) -> Iterator[str]:
    """Yield the variants, each behind those it needs (members of a late fusion, trained encoders), once."""
    seen = set()
    for name in names:
        settings = study.variant(name)
        for needed in (*settings.get("members", ()), *settings.get("start", ()), name):
            if needed not in seen:
                seen.add(needed)
                yield needed


def check(whole: Plan, names: Sequence[str]) -> None:
    """Raise a WorkbenchError if a variant cannot be run.

    An array not kept by the recipe, more than one classifier, a fusion that there is not, frozen encoders that no run
    has trained.
    """
    for name in names:
        settings = whole.settings(name)
        check_fusion(name, settings)
        if len(settings.get("classical", "1")) != 1:
            raise WorkbenchError(
                f"variant {name!r}: expected one modality under classical, found {settings['classical']}"
            )
        stored = ["landmarks" if array in geometry.DESCRIPTORS else array for array in arrays_of(settings)]
        missing = [array for array in dict.fromkeys(stored) if array not in whole.recipe.keep]
        if missing:
            models = [one["name"] for kind in ("encoders", "classical") for one in settings.get(kind, {}).values()]
            raise WorkbenchError(
                f"variant {name!r} ({', '.join(models)}) reads {', '.join(missing)}, but recipe {whole.recipe.name!r} "
                f"keeps {', '.join(whole.recipe.keep)}: add it to the study's recipe (keep)"
            )


def check_fusion(variant: str, settings: dict) -> None:
    """Raise a WorkbenchError if a variant's fusion, stacking or rule is not one that there is."""
    if "members" in settings:
        by = [key for key in ("stacking", "rule") if key in settings]
        if len(by) != 1:
            raise WorkbenchError(f"variant {variant!r}: members need stacking or a rule, one of them, found {by}")
        if by == ["rule"]:
            rules.check(settings["rule"])
        else:
            choose("stacking", settings["stacking"].get("name", ""), STACKERS)
    if settings.get("fusion"):
        choose("fusion", settings["fusion"].get("name", ""), FUSIONS)
    if settings.get("freeze") and "start" not in settings:
        raise WorkbenchError(f"variant {variant!r}: freeze keeps trained encoders, but no start names their variants")


@dataclass(frozen=True)
class Data:
    """The prepared clips of one modality: the table (one row a take), and a hash that names its content.

    `described` keeps what is made of the clips' landmarks (`geometry.describe`), once it was asked for.
    """

    store: Store
    table: pd.DataFrame
    key: str
    described: dict[str, list[np.ndarray]] = field(default_factory=dict)

    def reader(self, names: Sequence[str]) -> Reader:
        """Return a reader of arrays of the table's clips, in order: of the store, or made of the landmarks in it."""
        made = [name for name in names if name in geometry.DESCRIPTORS]
        reader = Reader(self.store, self.table["clip"].tolist(), [name for name in names if name not in made])
        if lacking := [name for name in made if name not in self.described]:
            landmarks = [self.store.array("landmarks", clip) for clip in self.table["clip"]]
            self.described.update(geometry.describe(landmarks, self.table, lacking))
        reader.views |= {name: self.described[name] for name in made}
        return reader


def load(whole: Plan, modality: str, jobs: int, progress: Callable | None) -> Data:
    """Prepare the clips of a modality, what is not prepared yet, and return those that can be used."""
    table = select(whole.clips, modality)
    store, _ = prepare(whole.corpus, table, whole.recipe, jobs=jobs, progress=progress)
    table = usable(store, table, modality, whole.recipe)
    if table.empty:
        reasons = store.quarantine["reason"].tolist()[:3]
        raise WorkbenchError(f"no clip of {whole.corpus.card.name!r} could be prepared for {modality}: {reasons}")
    content = table[["clip", "emotion", "speaker", "take"]].assign(
        source=store.index["source_bytes"].reindex(table["clip"]).to_numpy()
    )
    return Data(store, table, digest([whole.recipe.key, content.to_csv(index=False)]))


@dataclass(frozen=True)
class Item:
    """One run to make."""

    variant: str
    protocol: str
    fold: splits.Fold
    seed: int


def run_of(whole: Plan, data: dict[str, Data], item: Item) -> runs.Run:
    """Return the item's run, which may or may not exist; its parameters hold all that the result depends on."""
    study, settings = whole.study, whole.settings(item.variant)
    params = {
        "study": study.name,
        "variant": item.variant,
        "corpus": whole.corpus.label,
        "size": whole.size,
        "protocol": item.protocol,
        "n_folds": whole.profile.get("n_folds"),
        "fold": item.fold.name,
        "seed": item.seed,
        "modality": study.modality(item.variant),
        "classes": whole.classes,
    }
    needed = {
        key: [run_of(whole, data, replace(item, variant=name)).name for name in settings[key]]
        for key in ("members", "start")
        if key in settings
    }
    if "members" in needed:
        by = "rule" if "rule" in settings else "stacking"
        return runs.make(params | needed | {by: settings[by]})
    params |= needed | {
        "data": data[params["modality"]].key,
        "inner_share": study.inner_share,
        "recipe": whole.recipe.values(),
    }
    if study.predict_training:
        params["predict_training"] = True
    if "normalise" in settings:
        params["normalise"] = standards.check(settings["normalise"])
    if settings.get("freeze"):
        params["freeze"] = True
    if "classical" in settings:
        return runs.make(params | {"classical": settings["classical"]})
    training = {**study.training, **whole.profile.get("training", {}), **settings.get("training", {})}
    params |= {
        "encoders": settings["encoders"],
        "fusion": settings.get("fusion"),
        "training": asdict(Settings(**training)),
    }
    return runs.make(params)
