"""How far a run can be trusted: what it got right on test clips that it was not trained on."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from workbench import evaluation, runs
from workbench.datasets import card_of
from workbench.predict import members

PASS_ON = ("mean", "product", "maximum", "confidence", "entropy")  # rules that say what the only member says
SOURCES = {"audio": "voice", "video": "face", "audiovisual": "both"}  # what a run of each modality goes by


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
        met=run.params["protocol"] == "random",
    )


def by_source(run: runs.Run) -> dict[str, Quality]:
    """Return the quality of a finished run by what it goes by: `both`, `face` or `voice`, where that was measured.

    A late fusion to which one member alone has an answer mostly passes it on (`PASS_ON`), and then the member's own
    test holds for it. Of a network that joins face and voice it is not known what it is worth with one of them.
    """
    passes = "stacking" in run.params or run.params.get("rule", {}).get("name") in PASS_ON
    found = [run, *(members(run) if passes else ())]
    sources = [SOURCES[one.params["modality"]] for one in found]
    return {source: of_run(one) for source, one in zip(sources, found, strict=True) if sources.count(source) == 1}
