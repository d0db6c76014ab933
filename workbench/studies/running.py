"""Run a study: every variant, protocol, fold and seed becomes a run folder; finished ones are skipped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from workbench import paths, runs, scale
from workbench.datasets import Corpus
from workbench.errors import WorkbenchError
from workbench.studies import Study, items, making, planning, results


def run(
    study: Study,
    corpus: Corpus,
    *,
    profile: str = "full",
    variants: Sequence[str] | None = None,
    protocols: Sequence[str] | None = None,
    jobs: int = 1,
    cluster: str | None = None,
    tensorboard: bool = False,
    progress: Callable | None = None,
) -> list[runs.Run]:
    """Make the runs of a study and return them, finished.

    Each run computes in one thread, so that it gives the same bytes wherever it is made. Killed at any moment, the same
    call goes on: finished runs are skipped, a network goes on from its last checkpoint. Started by `torchrun`, each of
    its processes makes its share.

    Parameters
    ----------
    variants, protocols : sequences of names, optional
        Which; by default all of the study's. What a variant needs (members of a late fusion, encoders to start from) is
        run with it.
    jobs : int
        Processes that prepare clips, and then make runs.
    cluster : str, optional
        The address of a Dask scheduler whose workers do it instead; they need the same data folder (`scale.fan_out`).
    tensorboard : bool
        Leave TensorBoard's events of each training in `tensorboard/` of its run folder; the runs are the same.
    progress : callable, optional
        Wraps an iterable: ``progress(items, total=..., description=...)``.

    Raises
    ------
    WorkbenchError
        For an unknown variant or protocol, a fold that would be empty, a class absent from training, a leak.
    """
    ranks, wanted = scale.ranks(), list(variants or study.variants)
    whole = planning.plan(study, corpus, profile=profile)
    planning.check(whole, wanted)
    prepared = planning.Prepared(jobs=jobs, cluster=cluster, progress=progress)
    asked = {name: items.every(whole, name, protocols or study.protocols) for name in wanted}
    if ranks.rank:
        ranks.wait()  # until the first has prepared the clips
    waves = items.in_waves([item for of_variant in asked.values() for item in of_variant], prepared)
    if not ranks.rank:
        ranks.wait()
    for wave in waves:
        todo = [item for name, item in ranks.share(list(wave.items())) if not runs.named(name).done]
        work = partial(making.execute, prepared=prepared, tensorboard=tensorboard)
        _make(todo, work, jobs=jobs, cluster=cluster, progress=progress, name=study.name)
        ranks.wait()
    made = [
        items.run_of(item, prepared).shown_as(study.name, name)
        for name, of_variant in asked.items()
        for item in of_variant
    ]
    if not ranks.rank:
        results.record(study, corpus.label, profile, made)
    return made


def _make(todo: list[items.Item], work: Callable, *, jobs, cluster, progress, name: str) -> None:
    """Make the runs of items that need nothing unfinished."""
    if not todo:
        return
    done = scale.fan_out(work, todo, jobs=min(jobs, len(todo)), cluster=cluster)
    for run in progress(done, total=len(todo), description=f"study {name}") if progress else done:
        if not runs.named(run.name).done:
            raise WorkbenchError(
                f"a worker made run {run.name} in {run.folder.parents[2]}, expected {paths.runs()}: a cluster's "
                "workers need the same WORKBENCH_DATA folder, at the same path"
            )
