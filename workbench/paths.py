"""Where things live: `data/` (git-ignored) and `figures/` under the project folder, or where the user says.

`WORKBENCH_DATA` moves the data folder and `WORKBENCH_FIGURES` the figures; without them both stand under the
nearest folder above the current one that holds a `pyproject.toml` of this project, else under the current one.
`WORKBENCH_WEIGHTS` is a folder of pretrained weights, looked at before the data folder's own.
"""

from __future__ import annotations

import os
from pathlib import Path

from workbench.errors import WorkbenchError


def project() -> Path:
    """Return the project folder: the nearest one, from here upwards, with `workbench/` and `pyproject.toml`."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "pyproject.toml").is_file() and (folder / "workbench").is_dir():
            return folder
    return here


def data() -> Path:
    """Return the data folder (`raw/`, `prepared/`, `runs/`, `studies/`, `weights/`)."""
    return Path(os.environ.get("WORKBENCH_DATA") or project() / "data")


def raw(corpus: str) -> Path:
    """Return the default root of `corpus`."""
    return data() / "raw" / corpus


def prepared() -> Path:
    """Return the folder of the prepared arrays."""
    return data() / "prepared"


def runs() -> Path:
    """Return the folder of the runs."""
    return data() / "runs"


def studies() -> Path:
    """Return the folder of the user's own studies."""
    return data() / "studies"


def weights() -> list[Path]:
    """Return the folders of pretrained weights, in the order in which they are looked at."""
    given = os.environ.get("WORKBENCH_WEIGHTS")
    return [*([Path(given).expanduser()] if given else []), data() / "weights"]


def figures() -> Path:
    """Return the folder of the figures."""
    return Path(os.environ.get("WORKBENCH_FIGURES") or project() / "figures")


def existing(root: str | Path, what: str) -> Path:
    """Return `root` as a path.

    Raises
    ------
    WorkbenchError
        If it is not a folder; the message names it and where it was looked for.
    """
    root = Path(root).expanduser()
    if not root.is_dir():
        found = "a file" if root.exists() else "nothing"
        raise WorkbenchError(f"{what}: expected a folder at {root}, found {found} (current folder: {Path.cwd()})")
    return root
