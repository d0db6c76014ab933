"""The conditions of a study's runs: the material, the clips fitted on, the folds, the initial weights.

Each run folder holds its own in `conditions.json`; `table` collects those of a study's results, a row a variant and
protocol.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from workbench import runs
from workbench.fusion import rules
from workbench.studies.items import Item
from workbench.studies.making import sides
from workbench.studies.planning import Prepared

COLUMNS = ["size", "n_folds", "folds", "takes", "speakers", "fitted_least", "fitted_most", "weights"]
RANDOM, NONE = "random", "none"


def record(run: runs.Run, item: Item, prepared: Prepared) -> None:
    """Write `conditions.json` into the folder of a finished run, or add the corpus's root to it.

    `roots`: folders of the recordings; `takes`, `speakers`: how many of the study's takes the run could use, and of how
    many known speakers; `fitted`: the number of clips, or of predictions, that it was fitted on (None where others made
    the predictions); `left_out`: the study's clips that were left out, in words.
    """
    found, root = run.conditions(), str(Path(item.plan.corpus.root).resolve())
    if root in found.get("roots", ()):
        return
    if not found:
        found = _measured(run, item, prepared)
    part = run.folder / "conditions.json.part"
    part.write_text(json.dumps(found | {"roots": [*found.get("roots", ()), root]}, indent=1))
    os.replace(part, run.folder / "conditions.json")


def _measured(run: runs.Run, item: Item, prepared: Prepared) -> dict:
    """Return the conditions of a run but for the roots."""
    params = run.params
    if "members" in params:
        found = _of_members(params)
    elif "given" in params:
        found = _material(item.plan.takes) | {"fitted": None}
    else:
        data = prepared.of(item.plan, params["modality"])
        where = sides(data, item)
        refitted = len(where["validation"]) if "classical" in params else 0
        found = _material(data.table) | {"fitted": len(where["fit"]) + refitted}
    return found | {"left_out": item.plan.left_out}


def _material(table: pd.DataFrame) -> dict:
    return {"takes": int(table["take"].nunique()), "speakers": len(set(table["speaker"]) - {""})}


def _of_members(params: Mapping) -> dict:
    """Return the conditions of a late fusion: the material of its members, and the clips it learned from."""
    members = [runs.load(name) for name in params["members"]]
    fewest = min((one.conditions() for one in members), key=lambda one: one.get("takes") or 0)
    usage = params.get("learn_from", "validation")
    learned = [int((one.predictions()["usage"] == usage).sum()) for one in members]
    learns = "rule" not in params or rules.learns(params["rule"])
    return {key: fewest.get(key) for key in ("takes", "speakers")} | {"fitted": min(learned) if learns else None}


def table(made: Iterable[runs.Run]) -> pd.DataFrame:
    """Return the conditions of a study's results, index `variant, protocol`, columns `COLUMNS`.

    `n_folds`: folds that the protocol makes, `folds`: runs made of them (folds times seeds). Numbers that were not
    recorded, by runs of earlier versions, are NaN.
    """
    rows = []
    for run in made:
        params, known = run.params, run.conditions()
        rows.append(
            {key: params[key] for key in ("variant", "protocol", "fold", "seed")}
            | {key: known.get(key) for key in ("takes", "speakers", "fitted")}
            | {"size": params.get("size"), "n_folds": params.get("n_folds"), "weights": initial_weights(params)}
        )
    columns = ["variant", "protocol", "fold", "seed", "takes", "speakers", "fitted", "size", "n_folds", "weights"]
    grouped = pd.DataFrame(rows, columns=columns).groupby(["variant", "protocol"], sort=False)
    numbers = {"takes": ("takes", "min"), "speakers": ("speakers", "min")}
    numbers |= {"fitted_least": ("fitted", "min"), "fitted_most": ("fitted", "max"), "folds": ("fold", "size")}
    first = {name: (name, "first") for name in ("size", "n_folds", "weights")}
    return grouped.agg(**numbers, **first).reindex(columns=COLUMNS)


def left_out(made: Iterable[runs.Run]) -> list[str]:
    """Return what the runs left out of the study's clips, in words, each once; and notes of single runs."""
    return list(dict.fromkeys(line for run in made for line in run.conditions().get("left_out", ())))


def initial_weights(settings: Mapping) -> str:
    """Return what the networks of a run begin from: names of weight files, `random`; `none` without a network."""
    if settings.get("members"):
        of_members = [initial_weights(runs.load(name).params) for name in settings["members"]]
        return ", ".join(dict.fromkeys(name for name in of_members if name != NONE)) or NONE
    encoders = settings.get("encoders") or {}
    files = [Path(str(one["weights"])).name for one in encoders.values() if one.get("weights")]
    return ", ".join(dict.fromkeys(files)) or (RANDOM if encoders else NONE)
