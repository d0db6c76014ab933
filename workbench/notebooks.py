"""Run notebooks in order through papermill; skip those that are finished and unchanged."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import nbformat
import yaml

from workbench import paths
from workbench.errors import WorkbenchError, choose

os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")


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
    notebooks: Sequence[Path], *, profile: str = "demo", again: bool = False, progress: Callable | None = None
) -> Iterator[dict]:
    """Execute notebooks with the values of `notebooks/params/<profile>.yaml`; yield a row each as it ends.

    The executed copies go to `data/runs/notebooks/<profile>/`. A notebook is run again when it, its values, or the
    package have changed since.

    Yields
    ------
    dict
        `notebook`, `state` (`run` or `unchanged`), `seconds`, `path`.

    Raises
    ------
    WorkbenchError
        For an unknown profile, a value that is a parameter of no notebook, or when a notebook fails; the message names
        the cell and the executed copy.
    """
    values = parameters(profile)
    _check_names(values, notebooks, profile)
    steps = progress(notebooks, total=len(notebooks), description=f"notebooks ({profile})") if progress else notebooks
    for path in steps:
        began, out = time.perf_counter(), paths.runs() / "notebooks" / profile / path.name
        key = _key(path, values)
        unchanged = not again and _stamp(out) == key
        if not unchanged:
            _execute(path, out, values, key)
        state = "unchanged" if unchanged else "run"
        yield {
            "notebook": path.stem,
            "state": state,
            "seconds": time.perf_counter() - began,
            "path": str(out),
        }


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


def _execute(path: Path, out: Path, values: dict, key: str) -> None:
    import papermill

    out.parent.mkdir(parents=True, exist_ok=True)
    known = papermill.inspect_notebook(str(path))
    mine = {name: value for name, value in values.items() if name in known}
    try:
        papermill.execute_notebook(str(path), str(out), mine, cwd=str(paths.project()), progress_bar=False)
    except papermill.PapermillExecutionError as error:
        raise WorkbenchError(
            f"notebook {path.stem}, cell {error.cell_index}: {error.ename}: {error.evalue} (executed so far: {out})"
        ) from None
    executed = nbformat.read(out, as_version=4)
    executed.metadata["workbench"] = {"key": key}
    part = out.with_suffix(".part")
    nbformat.write(executed, part)
    os.replace(part, out)


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
