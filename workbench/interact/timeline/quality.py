"""How far a run can be trusted: what it got right on test clips that it was not trained on."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from workbench import evaluation, runs
from workbench.datasets import card_of


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
    card = card_of(run.params["corpus"])
    return Quality(
        summary=evaluation.summary(predictions).iloc[0].to_dict(),
        per_class=evaluation.per_class(predictions),
        reliability=evaluation.reliability(predictions),
        corpus=card.title if card else run.params["corpus"],
        synthetic=bool(card and card.synthetic),
        modality=run.params["modality"],
        met=run.params["protocol"] == "random",
    )
