"""What a run predicts, and which runs are a study's results: noted when made, so that tables need no settings."""

from __future__ import annotations

import fcntl
import json
import os
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd

from workbench import paths, runs
from workbench.emotions import probability_columns
from workbench.errors import WorkbenchError
from workbench.studies import COSTS, Study, load


def record(study: Study, corpus: str, size: str, made: list[runs.Run]) -> None:
    """Note the runs as the study's results on a corpus at a size (profile), for their variants and protocols."""
    systems = defaultdict(list)
    for run in made:
        systems[f"{corpus}/{size}/{run.params['variant']}/{run.params['protocol']}"].append(run.name)
    path = _path(study.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of two at once, the second adds to what the first has noted
        part = path.with_suffix(".part")
        part.write_text(json.dumps(_read(path) | systems, indent=1, sort_keys=True))
        os.replace(part, path)


def predictions(run: runs.Run, clips: pd.DataFrame, probabilities: np.ndarray, usage: str) -> pd.DataFrame:
    """Return rows of the predictions table for `clips`, in their order."""
    params, classes = run.params, run.params["classes"]
    if "members" in params:
        model = "+".join(name.split("/")[1] for name in params["members"])
        fusion = params["rule" if "rule" in params else "stacking"]["name"]
    else:
        models = next(params[kind] for kind in ("encoders", "classical", "given") if kind in params)
        model = "+".join(settings["name"] for settings in models.values())
        fusion = (params.get("fusion") or {"name": "none"})["name"]
    about = {key: params[key] for key in ("study", "variant", "corpus", "protocol", "fold", "seed", "modality")}
    table = pd.DataFrame({"run": run.name, **about, "model": model, "fusion": fusion, "usage": usage}, clips.index)
    table[["clip", "take", "speaker", "sex", "emotion"]] = clips[["clip", "take", "speaker", "sex", "emotion"]]
    if "yaw" in clips:
        table["yaw"] = pd.to_numeric(clips["yaw"], errors="coerce")
    table["predicted"] = np.array(classes)[probabilities.argmax(axis=1)]
    table[probability_columns(classes)] = probabilities
    return table.reset_index(drop=True)


def results(
    study: str | Study, *, corpus: str | None = None, size: str | None = None, variant: str | None = None
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
    study = study if isinstance(study, Study) else load(study)
    kept, order = _read(_path(study.name)), list(study.variants)
    wanted = (corpus, size, variant)
    keys = [key for key in kept if key.split("/")[2] in order]
    keys = [key for key in keys if all(w in (None, k) for w, k in zip(wanted, key.split("/"), strict=False))]
    if not keys:
        asked = "/".join(name or "*" for name in wanted)
        known = ", ".join(kept) or f"none yet (python -m workbench study run {study.name} makes them)"
        raise WorkbenchError(f"study {study.name!r}: no results for {asked} in {_path(study.name)}; there are: {known}")
    keys.sort(key=lambda key: order.index(key.split("/")[2]))
    return [runs.load(name).shown_as(study.name, key.split("/")[2]) for key in keys for name in kept[key]]


def recorded(study: str) -> pd.DataFrame:
    """Return what results a study has: one row each of corpus, size, variant and protocol, and how many `runs`."""
    kept = _read(_path(study))
    rows = [(*key.split("/"), len(made)) for key, made in kept.items()]
    return pd.DataFrame(rows, columns=["corpus", "size", "variant", "protocol", "runs"])


def costs(made: list[runs.Run]) -> pd.DataFrame:
    """Return what one clip costs each variant whose runs have measured it, the median over its runs.

    Index `variant`; columns of `studies.COSTS`.
    """
    known = {run.name: json.loads(path.read_text()) for run in made if (path := run.folder / "cost.json").exists()}
    rows = [{"variant": run.params["variant"]} | known[run.name] for run in made if run.name in known]
    return pd.DataFrame(rows, columns=["variant", *COSTS]).groupby("variant", sort=False).median()


def _path(study: str) -> Path:
    return paths.runs() / study / "results.json"


def _read(path: Path) -> dict[str, list[str]]:
    return json.loads(path.read_text()) if path.exists() else {}
