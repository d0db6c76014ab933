"""Measure the conditions of a finished run, and keep them in its folder (`conditions.json`)."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from workbench import runs, standards
from workbench.fusion import rules, stacking
from workbench.studies.conditions import initial_weights
from workbench.studies.items import Item
from workbench.studies.making import used
from workbench.studies.planning import Prepared


def record(run: runs.Run, item: Item, prepared: Prepared) -> None:
    """Write `conditions.json` into the folder of a finished run, or add the corpus's root to it.

    `roots`: folders of the recordings; `takes`, `speakers`: how many of the study's takes the run could use, and of how
    many known speakers; `fitted`: the number of clips, or of predictions, that it was fitted on (None where others made
    the predictions); `weights`: what its networks began from (`conditions.initial_weights`).
    """
    found, root = run.conditions(), str(Path(item.plan.corpus.root).resolve())
    if root in found.get("roots", ()):
        return
    if not found:
        found = _measured(run, item, prepared)
    part = run.folder / f"conditions.json.{os.getpid()}.part"  # studies that share the run may write at once
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
        where, _ = used(run, data, item)
        refitted = len(where["validation"]) if "classical" in params else 0
        table = data.table.iloc[np.concatenate(list(where.values()))]
        found = _material(table) | {"fitted": len(where["fit"]) + refitted}
    return found | {"weights": initial_weights(params)}


def _material(table: pd.DataFrame) -> dict:
    return {"takes": int(table["take"].nunique()), "speakers": len(set(table["speaker"]) - {""})}


def _of_members(params: Mapping) -> dict:
    """Return the conditions of a late fusion: the material of its members, and the clips it learned from."""
    members = [runs.load(name) for name in params["members"]]
    fewest = min((one.conditions() for one in members), key=lambda one: one.get("takes") or 0)
    material = {key: fewest.get(key) for key in ("takes", "speakers")}
    if "rule" in params and not rules.learns(params["rule"]):
        return material | {"fitted": None}
    tables = [one.predictions() for one in members]
    usage = params.get("learn_from", "validation")
    rows, _ = stacking.join([table[table["usage"] == usage] for table in tables])
    if params.get("normalise") == "speaker":
        rows = rows[standards.enough(rows["speaker"])]
    return material | {"fitted": len(rows)}
