"""How far a run can be trusted: what it got right on test clips that it was not trained on."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from workbench import evaluation, runs
from workbench.datasets import CORPORA

EDGES = (0.0, 0.4, 0.6, 0.8, 1.0)  # of the greatest probability


@dataclass(frozen=True)
class Quality:
    """What the predictions of a run on its test clips say.

    `summary`: a row of `evaluation.summary`. `per_class`: from `evaluation.per_class`; its `precision` is how often
    the run is right where it names that emotion. `reliability`: `probability` (a range in words), `clips`, `right`
    (share, NaN without a clip): how often it is right where its greatest probability lies in that range.
    """

    summary: dict
    per_class: pd.DataFrame
    reliability: pd.DataFrame
    corpus: str
    synthetic: bool
    modality: str  # audio, video or audiovisual
    met: bool  # whether it was tested on speakers that it was trained on


def of_run(run: runs.Run) -> Quality:
    """Return the quality of a finished run."""
    predictions = run.predictions()
    corpus = run.params["corpus"].partition(":")[0]
    card = CORPORA[corpus].card if corpus in CORPORA else None
    return Quality(
        summary=evaluation.summary(predictions).iloc[0].to_dict(),
        per_class=evaluation.per_class(predictions),
        reliability=reliability(predictions[predictions["usage"] == "test"]),
        corpus=card.title if card else corpus,
        synthetic=bool(card and card.synthetic),
        modality=run.params["modality"],
        met=run.params["protocol"] == "random",
    )


def reliability(tested: pd.DataFrame) -> pd.DataFrame:
    """Return, by ranges of the greatest probability, how many test clips there are and which share is right."""
    surest = tested.filter(regex="^p_").max(axis=1)
    right = (tested["emotion"] == tested["predicted"]).groupby(np.digitize(surest, EDGES[1:-1])).agg(["size", "mean"])
    right = right.reindex(range(len(EDGES) - 1))
    names = [f"{low:.0%} to {high:.0%}" for low, high in pairwise(EDGES)]
    clips = right["size"].fillna(0).astype(int).to_numpy()
    return pd.DataFrame({"probability": names, "clips": clips, "right": right["mean"].to_numpy()})
