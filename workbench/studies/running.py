"""Run a study: every variant, protocol, fold and seed becomes a run folder; finished ones are skipped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd
import torch

from workbench import augment, recipes, runs, splits
from workbench.datasets import Corpus, select
from workbench.emotions import in_order
from workbench.errors import WorkbenchError, choose
from workbench.fusion import stacking
from workbench.models import ENCODERS, build, named
from workbench.predict import load_model
from workbench.prepare import prepare, sound_arrays, usable
from workbench.recipes import Recipe, digest
from workbench.store import Reader, Store
from workbench.studies import Study, results
from workbench.training import Clips, Settings, fit, predict


@dataclass(frozen=True)
class Plan:
    """A study on a corpus at a size: what every one of its runs shares.

    `profile` holds the values of the profile that `size` names. `takes` is the clip table with one row a performance:
    folds are made of takes, so that every variant, whatever it hears or sees, is trained and tested on the same
    performances.
    """

    study: Study
    corpus: Corpus
    profile: dict
    size: str
    clips: pd.DataFrame
    takes: pd.DataFrame

    @property
    def recipe(self) -> Recipe:
        """The study's recipe of preparation."""
        return recipes.load(**self.study.recipe)

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
    takes = clips.drop_duplicates("take").sort_values("take", ignore_index=True)
    n_speakers = takes["speaker"].replace("", np.nan).nunique()
    if n_speakers > 1 and chosen.get("n_folds"):
        chosen = chosen | {"n_folds": min(chosen["n_folds"], n_speakers)}
    return Plan(study, corpus, chosen, profile, clips.reset_index(drop=True), takes)


def run(
    study: Study,
    corpus: Corpus,
    *,
    profile: str = "full",
    variants: Sequence[str] | None = None,
    protocols: Sequence[str] | None = None,
    jobs: int = 1,
    progress: Callable | None = None,
) -> list[runs.Run]:
    """Make the runs of a study and return them, finished.

    Parameters
    ----------
    variants, protocols : sequences of names, optional
        Which; by default all of the study's. The members of a late fusion are run with it.
    jobs : int
        Processes that prepare clips.
    progress : callable, optional
        Wraps an iterable: ``progress(items, total=..., description=...)``.

    Raises
    ------
    WorkbenchError
        For an unknown variant or protocol, a fold that would be empty, a class absent from training, a leak.
    """
    whole = plan(study, corpus, profile=profile)
    wanted = list(_with_members(study, variants or list(study.variants)))
    _check_inputs(whole, wanted)
    modalities = {study.modality(name) for name in wanted if "encoders" in study.variant(name)}
    data = {modality: _data(whole, modality, jobs, progress) for modality in sorted(modalities)}
    items = [
        Item(variant, protocol, fold, seed)
        for variant in wanted
        for protocol in protocols or study.protocols
        for seed in range(whole.profile.get("repeats", study.repeats))
        for fold in splits.make_folds(whole.takes, protocol, n_folds=whole.profile.get("n_folds"), seed=seed)
    ]
    steps = progress(items, total=len(items), description=f"study {study.name}") if progress else items
    made = [_execute(whole, data, item) for item in steps]
    results.record(study, corpus.label, profile, made)
    return made


def _check_inputs(whole: Plan, variants: Sequence[str]) -> None:
    """Raise a WorkbenchError if an encoder of a variant reads an array that the study's recipe does not keep."""
    for name in variants:
        for settings in whole.study.variant(name).get("encoders", {}).values():
            encoder = choose("encoder", settings.get("name", ""), ENCODERS)
            if ENCODERS[encoder].inputs not in whole.recipe.keep:
                raise WorkbenchError(
                    f"variant {name!r}: encoder {encoder!r} reads {ENCODERS[encoder].inputs}, but recipe "
                    f"{whole.recipe.name!r} keeps {', '.join(whole.recipe.keep)}: add it to the study's recipe (keep)"
                )


def _with_members(study: Study, variants: Sequence[str]) -> Iterator[str]:
    """Yield the variants, each behind those it needs (members of a late fusion, trained encoders), once."""
    seen = set()
    for name in variants:
        settings = study.variant(name)
        for needed in (*settings.get("members", ()), *settings.get("start", ()), name):
            if needed not in seen:
                seen.add(needed)
                yield needed


@dataclass(frozen=True)
class Data:
    """The prepared clips of one modality: the table (one row a take), and a hash that names its content."""

    store: Store
    table: pd.DataFrame
    key: str


def _data(whole: Plan, modality: str, jobs: int, progress: Callable | None) -> Data:
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


def _run_of(whole: Plan, data: dict[str, Data], item: Item) -> runs.Run:
    """Return the item's run, which may or may not exist; its parameters hold all that the result depends on."""
    study, settings = whole.study, whole.study.variant(item.variant)
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
        key: [_run_of(whole, data, replace(item, variant=name)).name for name in settings[key]]
        for key in ("members", "start")
        if key in settings
    }
    if "members" in needed:
        return runs.make(params | needed | {"stacking": settings["stacking"]})
    training = {**study.training, **whole.profile.get("training", {}), **settings.get("training", {})}
    params |= needed | {
        "data": data[params["modality"]].key,
        "inner_share": study.inner_share,
        "recipe": whole.recipe.values(),
        "encoders": settings["encoders"],
        "fusion": settings.get("fusion"),
        "training": asdict(Settings(**training)),
    }
    return runs.make(params)


def _execute(whole: Plan, data: dict[str, Data], item: Item) -> runs.Run:
    """Make the item's run unless it is finished; return it."""
    run = _run_of(whole, data, item)
    if not run.done:
        run.begin()
        if "members" in run.params:
            _stack(run)
        else:
            _train(run, whole, data[run.params["modality"]], item)
    return run


def _sides(whole: Plan, data: Data, item: Item) -> dict[str, np.ndarray]:
    """Return positions in `data.table` of the clips that fit, validate and test; audited for leaks.

    Raises
    ------
    WorkbenchError
        If a side has no clip, a class is absent from training, or a speaker or take stands on both sides.
    """
    by = "take" if item.protocol == "random" else "speaker"
    inner, validation = splits.inner_split(
        whole.takes, item.fold.train, share=whole.study.inner_share, seed=item.seed, by=by
    )
    takes = {"fit": inner, "validation": validation, "test": item.fold.test}
    where = {
        side: np.flatnonzero(data.table["take"].isin(whole.takes["take"].iloc[positions]))
        for side, positions in takes.items()
    }
    what = f"protocol {item.protocol!r}, fold {item.fold.name!r} of {whole.corpus.card.name!r}"
    for side, positions in where.items():
        if not len(positions):
            raise WorkbenchError(f"{what}: no clip to {side} with; expected at least one on every side")
    absent = sorted(set(data.table["emotion"]) - set(data.table["emotion"].iloc[where["fit"]]))
    if absent:
        raise WorkbenchError(f"{what}: no training clip of {', '.join(absent)}")
    allow = ("speaker",) if by == "take" else ()
    for left, right in (("fit", "test"), ("validation", "test"), ("fit", "validation")):
        splits.audit(data.table, where[left], where[right], allow=allow)
    return where


def _train(run: runs.Run, whole: Plan, data: Data, item: Item) -> None:
    """Train a network on the fold's inner training clips and predict its validation and test clips.

    Its encoders may start from those of runs on the same fold and seed, which met the same training clips only.
    """
    params, where = run.params, _sides(whole, data, item)
    settings = Settings(**params["training"])
    torch.manual_seed(item.seed)
    model = build(params["encoders"], len(params["classes"]), fusion=params["fusion"])
    for name in params.get("start", ()):
        trained = load_model(runs.load(name))
        for modality, encoder in trained.encoders.items():
            model.encoders[modality].load_state_dict(encoder.state_dict())
    emotion = [params["classes"].index(name) for name in data.table["emotion"]]
    names = data.table["clip"].tolist()
    # The sound itself is read only where augmentation acts on it.
    speech = augment.Speech(data.store, names, whole.recipe, sound_arrays)
    clips = Clips(Reader(data.store, names, model.inputs), emotion, speech=speech)
    history = fit(model, clips, where["fit"], where["validation"], settings=settings, seed=item.seed, folder=run.folder)
    parts = []
    for usage in ("validation", "test"):
        probabilities, embedding = predict(model, clips, where[usage])
        parts.append(results.predictions(run, data.table.iloc[where[usage]], probabilities, usage))
    run.finish(pd.concat(parts, ignore_index=True), history=history, embedding=embedding)


def _stack(run: runs.Run) -> None:
    """Train a late fusion on its members' probabilities of their inner validation clips; predict the test clips.

    Those clips are out-of-fold: no member was trained on them (they chose the members' best epoch), and no test
    speaker had a part in them.
    """
    tables = [runs.load(name).predictions() for name in run.params["members"]]
    about, scores = stacking.join([table[table["usage"] == "validation"] for table in tables])
    model = named("stacking", run.params["stacking"], stacking.STACKERS).fit(scores, about["emotion"])
    about, scores = stacking.join([table[table["usage"] == "test"] for table in tables])
    probabilities = stacking.probabilities(model, scores, run.params["classes"])
    stacking.save(model, run.folder / "model.skops")
    run.finish(results.predictions(run, about, probabilities, "test"))
