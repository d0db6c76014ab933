"""The conditions of a study's runs: the material, the clips fitted on, the folds, the initial weights.

Each run folder holds its own in `conditions.json` (`run_conditions` writes it); `table` collects those of results.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from workbench import runs

COLUMNS = ["size", "folds", "takes", "speakers", "fitted_least", "fitted_most", "weights"]
RANDOM, NONE = "random", "none"


def table(made: Iterable[runs.Run]) -> pd.DataFrame:
    """Return the conditions of a study's results, index `variant, protocol`, columns `COLUMNS`.

    `folds`: runs made, folds times seeds. Numbers that were not recorded, by runs of earlier versions, are NaN.
    """
    rows = []
    for run in made:
        params, known = run.params, run.conditions()
        rows.append(
            {key: params[key] for key in ("variant", "protocol", "fold", "seed")}
            | {key: known.get(key) for key in ("takes", "speakers", "fitted")}
            | {"size": params.get("size"), "weights": known.get("weights", "not recorded")}
        )
    columns = ["variant", "protocol", "fold", "seed", "takes", "speakers", "fitted", "size", "weights"]
    grouped = pd.DataFrame(rows, columns=columns).groupby(["variant", "protocol"], sort=False)
    numbers = {"takes": ("takes", "min"), "speakers": ("speakers", "min")}
    numbers |= {"fitted_least": ("fitted", "min"), "fitted_most": ("fitted", "max"), "folds": ("fold", "size")}
    first = {name: (name, "first") for name in ("size", "weights")}
    return grouped.agg(**numbers, **first).reindex(columns=COLUMNS)


def initial_weights(settings: Mapping) -> str:
    """Return what the networks of a run begin from: names of weight files, `random`; `none` without a network.

    Networks that `start` from others begin from what those began from.
    """
    if others := [*settings.get("members", ()), *settings.get("start", ())]:
        found = [initial_weights(runs.load(name).params) for name in others]
        return ", ".join(dict.fromkeys(name for names in found for name in names.split(", ") if name != NONE)) or NONE
    encoders = settings.get("encoders") or {}
    names = [Path(str(one["weights"])).name if one.get("weights") else RANDOM for one in encoders.values()]
    return ", ".join(dict.fromkeys(names)) or NONE
