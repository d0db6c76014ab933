"""Which runs are a study's results: noted when they are made, so that tables need neither corpus nor settings."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from pathlib import Path

from workbench import paths, runs
from workbench.errors import WorkbenchError
from workbench.studies import Study, load


def record(study: Study, corpus: str, size: str, made: list[runs.Run]) -> None:
    """Note the runs as the study's results on a corpus at a size (profile), for their variants and protocols."""
    systems = defaultdict(list)
    for run in made:
        systems[f"{corpus}/{size}/{run.params['variant']}/{run.params['protocol']}"].append(run.name)
    path = _path(study.name)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(_read(path) | systems, indent=1, sort_keys=True))
    os.replace(part, path)


def results(
    study: str, *, corpus: str | None = None, size: str | None = None, variant: str | None = None
) -> list[runs.Run]:
    """Return the finished runs that are a study's results, in the order of its variants.

    Parameters
    ----------
    corpus, size, variant : str, optional
        Only those on this corpus, at this size (profile), of this variant.

    Raises
    ------
    WorkbenchError
        If there is none; what there is, is listed.
    """
    kept, order = _read(_path(study)), list(load(study).variants)
    wanted = (corpus, size, variant)
    keys = [key for key in kept if key.split("/")[2] in order]
    keys = [key for key in keys if all(w in (None, k) for w, k in zip(wanted, key.split("/"), strict=False))]
    if not keys:
        asked = "/".join(name or "*" for name in wanted)
        known = ", ".join(kept) or f"none yet (python -m workbench study run {study} makes them)"
        raise WorkbenchError(f"study {study!r}: no results for {asked} in {_path(study)}; there are: {known}")
    keys.sort(key=lambda key: order.index(key.split("/")[2]))
    return [runs.load(name) for key in keys for name in kept[key]]


def _path(study: str) -> Path:
    return paths.runs() / study / "results.json"


def _read(path: Path) -> dict[str, list[str]]:
    return json.loads(path.read_text()) if path.exists() else {}
