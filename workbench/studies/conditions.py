"""The conditions of a study's runs: the material, the clips fitted on, the folds, the initial weights.

Each run folder holds its own in `conditions.json` (`run_conditions` writes it); `table` collects those of results.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from workbench import runs

COLUMNS = ["size", "n_folds", "folds", "takes", "speakers", "fitted_least", "fitted_most", "weights"]
RANDOM, NONE = "random", "none"


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
    """Return what the runs left out of the corpus's clips, in words, each once."""
    return list(dict.fromkeys(line for run in made for line in (*run.conditions().get("left_out", ()), *run.notes())))


def initial_weights(settings: Mapping) -> str:
    """Return what the networks of a run begin from: names of weight files, `random`; `none` without a network."""
    if settings.get("members"):
        of_members = [initial_weights(runs.load(name).params) for name in settings["members"]]
        return ", ".join(dict.fromkeys(name for name in of_members if name != NONE)) or NONE
    encoders = settings.get("encoders") or {}
    files = [Path(str(one["weights"])).name for one in encoders.values() if one.get("weights")]
    return ", ".join(dict.fromkeys(files)) or (RANDOM if encoders else NONE)
