"""Run a study: every variant, protocol, fold and seed becomes a run folder; finished ones are skipped."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from workbench import runs, splits
from workbench.datasets import Corpus
from workbench.studies import Study, making, planning, results


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
    whole = planning.plan(study, corpus, profile=profile)
    wanted = list(planning.variants(study, variants or list(study.variants)))
    planning.check(whole, wanted)
    modalities = {study.modality(name) for name in wanted if "members" not in study.variant(name)}
    data = {modality: planning.load(whole, modality, jobs, progress) for modality in sorted(modalities)}
    items = [
        planning.Item(variant, protocol, fold, seed)
        for variant in wanted
        for protocol in protocols or study.protocols
        for seed in range(whole.profile.get("repeats", study.repeats))
        for fold in splits.make_folds(whole.takes, protocol, n_folds=whole.profile.get("n_folds"), seed=seed)
    ]
    steps = progress(items, total=len(items), description=f"study {study.name}") if progress else items
    made = [making.execute(whole, data, item) for item in steps]
    results.record(study, corpus.label, profile, made)
    return made
