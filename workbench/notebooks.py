"""Run notebooks through papermill, some at the same time; skip those that are finished and unchanged."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

import nbformat
import yaml

from workbench import kernels, paths
from workbench.errors import WorkbenchError, choose

os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")

SMALL = ("smoke", "demo")  # sizes of which two notebooks run at the same time
LAST = ("90_figures",)
WAIT_FOR = {"31_video_models": ("20_preprocessing",)}  # which prepares the same pictures


def folder() -> Path:
    """Return the project's `notebooks/` folder."""
    return paths.existing(paths.project() / "notebooks", "notebooks")


def select(beginnings: Sequence[str] | None = None) -> list[Path]:
    """Return the notebooks in order, all of them or those whose names begin as given.

    Raises
    ------
    WorkbenchError
        If a beginning fits none.
    """
    every = sorted(folder().glob("[0-9]*.ipynb"))
    for beginning in beginnings or ():
        if not any(path.name.startswith(beginning) for path in every):
            raise WorkbenchError(f"no notebook {beginning!r}: choose from {', '.join(p.stem for p in every)}")
    return [path for path in every if not beginnings or path.name.startswith(tuple(beginnings))]


def run(
    notebooks: Sequence[Path],
    *,
    profile: str = "demo",
    again: bool = False,
    at_once: int | None = None,
    progress: Callable | None = None,
) -> Iterator[dict]:
    """Execute notebooks with the values of `notebooks/params/<profile>.yaml`; yield a row each as it ends.

    The executed copies go to `data/runs/notebooks/<profile>/`. A notebook is run again when it, its values, or the
    package have changed since. Each has a kernel of its own (`kernels`).

    Parameters
    ----------
    at_once : int, optional
        How many run at the same time, each in its turn (`must_wait`). By default 2 at the small sizes (`SMALL`), and 1
        at the others: two trainings of full size may not fit into the memory.

    Yields
    ------
    dict
        `notebook`, `state` (`run` or `unchanged`), `seconds`, `path`.

    Raises
    ------
    WorkbenchError
        For an unknown profile, a value that is a parameter of no notebook, or when a notebook fails; the message names
        the cell and the executed copy. Those that run at the same time are finished, and no other is begun.
    """
    values = parameters(profile)
    _check_names(values, notebooks, profile)
    at_once = at_once or (2 if values.get("profile") in SMALL else 1)
    jobs = [_job(path, paths.runs() / "notebooks" / profile / path.name, values, again) for path in notebooks]
    done = _in_turn(jobs, at_once)
    description = f"notebooks ({profile})"
    yield from progress(done, total=len(jobs), description=description) if progress else done


@dataclass(frozen=True)
class Job:
    """A notebook to execute: where it is, where its executed copy goes, its values, and a hash of all that."""

    path: Path
    out: Path
    values: dict
    study: str | None
    key: str
    unchanged: bool

    def row(self, seconds: float) -> dict:
        """Return what `run` tells of it."""
        state = "unchanged" if self.unchanged else "run"
        return {"notebook": self.path.stem, "state": state, "seconds": seconds, "path": str(self.out)}


def must_wait(job: Job, earlier: Iterable[Job]) -> bool:
    """Return whether a notebook has to wait for one of those `earlier` in the order that have not ended.

    It waits for those that make runs of the same study, which it finds finished then; a notebook of `WAIT_FOR` waits
    for those named there; and one of `LAST` waits for all, as it shows what they have left.
    """
    named = WAIT_FOR.get(job.path.stem, ())
    return any(
        job.path.stem in LAST or other.path.stem in named or (job.study is not None and job.study == other.study)
        for other in earlier
    )


def _in_turn(jobs: Sequence[Job], at_once: int) -> Iterator[dict]:
    """Execute jobs, up to `at_once` of them at the same time; yield a row each as it ends."""
    waiting, running, started = list(jobs), {}, kernels.Started()
    with contextlib.chdir(paths.project()), ThreadPoolExecutor(at_once) as threads:
        try:
            while waiting or running:
                for job in _ready(waiting, running.values())[: at_once - len(running)]:
                    waiting.remove(job)
                    running[threads.submit(_timed, job, started)] = job
                ended, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in ended:
                    job = running.pop(future)
                    yield job.row(future.result())
        except WorkbenchError:
            raise  # when those that are running have ended
        except BaseException:
            started.kill()
            raise


def _ready(waiting: Sequence[Job], running: Iterable[Job]) -> list[Job]:
    """Return the jobs that have nothing to wait for, first those for which most others wait."""
    ready = [job for at, job in enumerate(waiting) if not must_wait(job, [*running, *waiting[:at]])]
    awaited = {job.path: sum(must_wait(later, [job]) for later in waiting if later is not job) for job in ready}
    return sorted(ready, key=lambda job: -awaited[job.path])


def _timed(job: Job, started: kernels.Started) -> float:
    """Execute a notebook, if it has to be; return the seconds that it took."""
    began = time.perf_counter()
    if not job.unchanged:
        _execute(job, started)
    return time.perf_counter() - began


def parameters(profile: str) -> dict:
    """Return the values of a profile's YAML file."""
    files = {path.stem: path for path in (folder() / "params").glob("*.yaml")}
    if profile not in files:
        raise WorkbenchError(f"unknown profile {profile!r}: choose from {', '.join(sorted(files))}")
    values = yaml.safe_load(files[profile].read_text()) or {}
    if not isinstance(values, dict):
        raise WorkbenchError(f"{files[profile]}: expected NAME: VALUE, found {type(values).__name__}")
    return values


def _check_names(values: dict, notebooks: Sequence[Path], profile: str) -> None:
    """Raise a WorkbenchError for a value that is no parameter of any notebook."""
    import papermill

    every = [*select(), *notebooks] if values else []
    known = {name for path in every for name in papermill.inspect_notebook(str(path))}
    for name in values:
        choose(f"parameter of notebooks in {profile}.yaml", name, known)


def _job(path: Path, out: Path, values: dict, again: bool) -> Job:
    import papermill

    known = papermill.inspect_notebook(str(path))
    mine = {name: value for name, value in values.items() if name in known}
    key = _key(path, values)
    study = mine.get("study") or ("study" in known and ast.literal_eval(known["study"]["default"])) or None
    return Job(path, out, mine, study, key, unchanged=not again and _stamp(out) == key)


def _execute(job: Job, started: kernels.Started) -> None:
    import papermill

    job.out.parent.mkdir(parents=True, exist_ok=True)
    options = {"progress_bar": False, "kernel_manager_class": kernels.manager(started)}
    try:
        papermill.execute_notebook(str(job.path), str(job.out), job.values, **options)
    except papermill.PapermillExecutionError as error:
        raise WorkbenchError(
            f"notebook {job.path.stem}, cell {error.cell_index}: {error.ename}: {error.evalue} "
            f"(executed so far: {job.out})"
        ) from None
    executed = nbformat.read(job.out, as_version=4)
    executed.metadata["workbench"] = {"key": job.key}
    part = job.out.with_suffix(".part")
    nbformat.write(executed, part)
    os.replace(part, job.out)


def _key(path: Path, values: dict) -> str:
    """Return a hash of all that a notebook's result depends on: itself, its values, the package."""
    package = Path(__file__).parent
    sources = sorted(path for kind in ("py", "yaml", "js", "css") for path in package.rglob(f"*.{kind}"))
    state = hashlib.sha256(json.dumps(values, sort_keys=True).encode())
    for source in (path, *sources):
        state.update(source.read_bytes())
    return state.hexdigest()[:16]


def _stamp(out: Path) -> str | None:
    if not out.exists():
        return None
    return nbformat.read(out, as_version=4).metadata.get("workbench", {}).get("key")
