"""What a run predicts, and which runs are a study's results: noted when made, so that tables need no settings."""

from __future__ import annotations

import fcntl
import json
import os
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from workbench import paths, runs
from workbench.emotions import probability_columns
from workbench.errors import WorkbenchError
from workbench.studies import COSTS, Study, load, names
from workbench.studies.places import Place, choose_place


def record(
    study: Study, place: Place, size: str, made: list[runs.Run], *, remarks: Mapping[tuple[str, str], list[str]] = {}
) -> None:
    """Record the runs as the study's results on a corpus at a root, at a size, by variant and protocol.

    Parameters
    ----------
    remarks : mapping, optional
        (variant, protocol) -> lines for a reader of the results: what was left out, why a protocol was not run. They
        replace the earlier ones of this variant and protocol.
    """
    kept = defaultdict(list)
    for run in made:
        kept[f"{place.key}/{size}/{run.params['variant']}/{run.params['protocol']}"].append(run.name)
    lines_of = {f"{place.key}/{size}/{variant}/{protocol}": lines for (variant, protocol), lines in remarks.items()}
    path = _path(study.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of two processes at once, the second adds to what the first has recorded
        found = _read(path)
        found["runs"] |= kept
        found["remarks"] |= lines_of
        found["places"][place.key] = place.values()
        part = path.with_suffix(".part")
        part.write_text(json.dumps(found, indent=1, sort_keys=True))
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
    table["speaker_clips"] = clips.get("speaker_clips", 1) if run.transductive else 1
    table["predicted"] = np.array(classes)[probabilities.argmax(axis=1)]
    table[probability_columns(classes)] = probabilities
    return table.reset_index(drop=True)


def results(
    study: str | Study,
    *,
    corpus: str | None = None,
    root: str | Path | None = None,
    size: str | None = None,
    variant: str | None = None,
) -> list[runs.Run]:
    """Return the finished runs that are a study's results on one corpus at one root, in the order of its variants.

    Parameters
    ----------
    corpus, root : optional
        Which (`places.choose_place`); results on two corpora, or at two roots, are never returned together.
    size, variant : str, optional
        Only those at this size (profile), of this variant.

    Raises
    ------
    WorkbenchError
        If there is none, or several corpora or roots could be meant; what there is, is listed.
    """
    study = study if isinstance(study, Study) else load(study)
    place = place_of(study, corpus=corpus, root=root, size=size, variant=variant)
    kept, order = _read(_path(study.name))["runs"], list(study.variants)
    keys = [(_Key(*key.split("/")), names) for key, names in kept.items()]
    wanted = (place.key, size, variant)
    found = [(key, names) for key, names in keys if key.variant in order and key.matches(*wanted)]
    found.sort(key=lambda one: order.index(one[0].variant))
    return [runs.load(name).shown_as(study.name, key.variant) for key, names in found for name in names]


def place_of(
    study: Study,
    *,
    corpus: str | None = None,
    root: str | Path | None = None,
    size: str | None = None,
    variant: str | None = None,
) -> Place:
    """Return the corpus at a root whose results are meant (`places.choose_place`).

    Raises
    ------
    WorkbenchError
        If there is none, or several could be meant; what there is, is listed.
    """
    found = _read(_path(study.name))
    keys = [_Key(*key.split("/")) for key in found["runs"]]
    keys = [key for key in keys if key.variant in study.variants and key.matches(None, size, variant)]
    places = _places(found)
    with_results = [places[key] for key in dict.fromkeys(key.place for key in keys)]
    what = f"study {study.name!r}{f', size {size}' if size else ''}{f', variant {variant!r}' if variant else ''}"
    if not found["runs"]:
        name = study.name if study.name in names() else f"path/to/{study.name}.yaml"
        raise WorkbenchError(f"{what}: no results yet; make them with: python -m workbench study run {name}")
    if not with_results:
        known = ", ".join(
            sorted({f"{places[_Key(*key.split('/')).place].title}/{key.split('/', 1)[1]}" for key in found["runs"]})
        )
        raise WorkbenchError(f"{what}: no results; there are: {known}")
    return choose_place(with_results, what, corpus=corpus, root=root)


class _Key(NamedTuple):
    """The parts of a key of `results.json`."""

    place: str
    size: str
    variant: str
    protocol: str

    def matches(self, place: str | None, size: str | None, variant: str | None) -> bool:
        return place in (None, self.place) and size in (None, self.size) and variant in (None, self.variant)


def recorded(study: str) -> pd.DataFrame:
    """Return what results a study has: one row each of corpus, root, size, variant and protocol, how many `runs`."""
    found = _read(_path(study))
    places = _places(found)
    rows = []
    for key, made in found["runs"].items():
        place, *rest = key.split("/")
        rows.append((places[place].corpus, places[place].root, *rest, len(made)))
    return pd.DataFrame(rows, columns=["corpus", "root", "size", "variant", "protocol", "runs"])


def remarks(study: Study) -> pd.DataFrame:
    """Return what a reader of a study's results has to know: one row each of `corpus, root, size, key, remark`.

    What was left out of the study, why a protocol was not run, and the notes of single runs; `key` names the place.
    """
    found, rows = _read(_path(study.name)), []
    places = _places(found)
    for full in dict.fromkeys([*found["remarks"], *found["runs"]]):
        key = _Key(*full.split("/"))
        if key.variant not in study.variants or key.place not in places:
            continue
        notes = (line for name in found["runs"].get(full, ()) for line in runs.named(name).notes())
        place = places[key.place]
        for line in (*found["remarks"].get(full, ()), *notes):
            rows.append((place.corpus, place.root, key.size, key.place, line))
    return pd.DataFrame(rows, columns=["corpus", "root", "size", "key", "remark"]).drop_duplicates(ignore_index=True)


def costs(made: list[runs.Run]) -> pd.DataFrame:
    """Return what one clip costs each variant whose runs have measured it, the median over its runs.

    Index `variant`; columns of `studies.COSTS`.
    """
    known = {run.name: json.loads(path.read_text()) for run in made if (path := run.folder / "cost.json").exists()}
    rows = [{"variant": run.params["variant"]} | known[run.name] for run in made if run.name in known]
    return pd.DataFrame(rows, columns=["variant", *COSTS]).groupby("variant", sort=False).median()


def _path(study: str) -> Path:
    return paths.runs() / study / "results.json"


def _read(path: Path) -> dict[str, dict]:
    """Return what is recorded: `runs`, `places`, `remarks`. Files of earlier versions held the runs alone."""
    found = json.loads(path.read_text()) if path.exists() else {}
    if found and "runs" not in found:
        found = {"runs": found}
    return {"runs": {}, "places": {}, "remarks": {}} | found


def _places(found: Mapping) -> dict[str, Place]:
    """Return the places of results by their keys; those of earlier versions have no root."""
    places = {key: Place(**values) for key, values in found["places"].items()}
    keys = {key.split("/")[0] for key in found["runs"]} - set(places)
    return places | {key: Place(key) for key in keys}
