"""Run a study: every variant, protocol, fold and seed becomes a run folder; finished ones are skipped."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from workbench import paths, runs, scale
from workbench.datasets import Corpus
from workbench.errors import Stopped, WorkbenchError
from workbench.studies import (
    Study,
    checking,
    feasibility,
    items,
    making,
    planning,
    results,
    run_conditions,
    under_way,
)
from workbench.studies.places import Place
from workbench.training import Requests

NOTED = 0.5  # s, between two notes of how many clips are prepared


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
    report: Callable[[str], None] | None = None,
) -> list[runs.Run]:
    """Make the runs of a study and return them, finished.

    Protocols that cannot be run on this corpus are left out, and the reason is reported before anything is prepared.

    Each run computes in one thread, so that it gives the same bytes wherever it is made. Killed at any moment, the same
    call goes on: finished runs are skipped, a network goes on from its last checkpoint. Started by `torchrun`, each of
    its processes makes its share. Meanwhile the study's folder says who makes it, and anybody may ask there to pause or
    to stop (`under_way`).

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
    report : callable, optional
        Takes each line that says what is not run, and why, or warns of what is; by default they are printed to stderr.

    Raises
    ------
    WorkbenchError
        For an unknown variant or protocol; if no protocol can be run: a fold that would be empty, a class absent from
        training, a leak.
    Stopped
        If that was asked for; the message says how far it came.
    """
    wanted = list(variants or study.variants)
    whole = planning.plan(study, corpus, profile=profile)
    checking.check(whole, wanted)
    options = {"jobs": jobs, "cluster": cluster, "tensorboard": tensorboard, "progress": progress}
    options["report"] = report or _to_stderr
    about = {"corpus": corpus.label, "root": str(corpus.root), "size": profile, "jobs": jobs}
    with under_way.announced(study.name, **about) as note:
        return _run(whole, wanted, protocols, note=note, **options)


def _run(
    whole: planning.Plan, wanted, protocols, *, note, jobs, cluster, tensorboard, progress, report
) -> list[runs.Run]:
    """Find what can be run, prepare the clips, make the runs in waves, note which they are."""
    study, ranks, requests = whole.study, scale.ranks(), Requests(under_way.folder(whole.study.name))
    heeding = partial(_heeding, requests=requests, note=note, progress=progress)
    prepared = planning.Prepared(jobs=jobs, cluster=cluster, progress=heeding)
    if ranks.rank:
        ranks.wait()  # until the first has prepared the clips
    before = feasibility.examine(whole, wanted, protocols or study.protocols)  # before any file is opened
    _tell([*_left_out(whole, wanted), *before.lines], report if not ranks.rank else None)
    whole = whole.with_content(jobs=jobs, cluster=cluster, progress=heeding)
    found = feasibility.examine(whole, wanted, protocols or study.protocols)
    told, not_run = found.lines, found.not_run
    _tell([line for line in told if line not in before.lines], report if not ranks.rank else None)
    note(preparing=None, notes=told, not_run=not_run)
    usable = feasibility.sort_out(found.items, partial(making.check, prepared=prepared))
    if usable.not_run:  # clips that could not be prepared are missing
        _tell(usable.lines, report if not ranks.rank else None)
        told, both = [*usable.lines, *told], dict.fromkeys([*not_run, *usable.not_run])
        not_run = {name: [*not_run.get(name, ()), *usable.not_run.get(name, ())] for name in both}
        note(notes=told, not_run=not_run)
    asked = usable.items
    waves = items.in_waves([item for of_variant in asked.values() for item in of_variant], prepared)
    if not ranks.rank:
        ranks.wait()
    note(runs=[name for wave in waves for name in wave], preparing=None)
    try:
        for wave in waves:
            todo = [item for name, item in ranks.share(list(wave.items())) if not runs.named(name).done]
            work = partial(making.execute, prepared=prepared, tensorboard=tensorboard, requests=requests)
            _make(todo, work, jobs=jobs, cluster=cluster, progress=progress, study=study.name)
            if not all(runs.named(name).done for name in wave) and requests.asked() == "stop":
                done = sum(runs.named(name).done for wave in waves for name in wave)
                raise Stopped(f"{done} of {sum(map(len, waves))} runs are finished")
            ranks.wait()
    finally:  # what is finished is recorded, however the rest ended
        made = [
            items.run_of(item, prepared).shown_as(study.name, name)
            for name, of_variant in asked.items()
            for item in of_variant
        ]
        if not ranks.rank:
            for name, item in (pair for wave in waves for pair in wave.items()):
                if runs.named(name).done:
                    run_conditions.record(runs.load(name), item, prepared)
            remarks = _remarks(whole, asked, protocols or study.protocols, not_run, found.warnings)
            finished = [run for run in made if run.done]
            results.record(study, Place.of(whole.corpus, whole.clips), whole.size, finished, remarks=remarks)
    return made


def _left_out(whole: planning.Plan, variants: Iterable[str]) -> list[str]:
    """Return what is left out of the corpus, in words, each once; with the variant that has clips of its own."""
    lines = list(whole.left_out)
    for name in variants:
        part, _ = whole.part(name)
        lines += [f"variant {name!r}: {line}" for line in part.left_out if part is not whole and line not in lines]
    return lines


def _remarks(whole: planning.Plan, asked: Mapping, protocols, not_run: Mapping, warnings: list[str]) -> dict:
    """Return what a reader of the results has to know, by variant and protocol; paths are relative to the corpus."""
    remarks = {}
    for variant, items_of in asked.items():
        done = {item.protocol for item in items_of}
        for protocol in protocols:
            absent = [] if protocol in done else [f"not run: {reason}" for reason in not_run.get(protocol, ())]
            lines = [*_left_out(whole, [variant]), *absent, *warnings]
            remarks[variant, protocol] = [_relative(line, Path(whole.corpus.root)) for line in lines]
    return remarks


def _relative(line: str, root: Path) -> str:
    """Return a line without the path of the corpus's folder: results are published."""
    for path in {str(root), str(root.resolve())}:
        line = line.replace(f"{path}/", "").replace(path, root.name)
    return line


def _tell(lines: list[str], report: Callable | None) -> None:
    for line in lines if report else ():
        report(line)


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr)


def _heeding(items, *, requests: Requests, note: Callable, progress: Callable | None, total: int, **about) -> Iterator:
    """Go through clips that are prepared, with a bar if there is one; heed what was asked for.

    How many are prepared is noted at most once in `NOTED` seconds, and at the end.
    """
    noted = -NOTED
    for number, item in enumerate(progress(items, total=total, **about) if progress else items, start=1):
        if time.monotonic() - noted >= NOTED or number == total:
            noted = time.monotonic()
            note(preparing=[number, total])
        requests.heed()
        yield item


def _make(todo: list[items.Item], work: Callable, *, jobs, cluster, progress, study: str) -> None:
    """Make the runs of items that need nothing unfinished; one that was asked to stop stays unfinished."""
    if not todo:
        return
    done = scale.fan_out(work, todo, jobs=min(jobs, len(todo)), cluster=cluster)
    for run in progress(done, total=len(todo), description=f"study {study}") if progress else done:
        if not (runs.named(run.name).done or Requests(under_way.folder(study)).asked() == "stop"):
            raise WorkbenchError(
                f"a worker made run {run.name} in {run.folder.parents[2]}, expected {paths.runs()}: a cluster's "
                "workers need the same WORKBENCH_DATA folder, at the same path"
            )
