"""Speakers of whom there are too few clips to standardise within them (`standards.LEAST`): their clips are left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench import standards
from workbench.errors import WorkbenchError
from workbench.studies.planning import Data

if TYPE_CHECKING:
    from workbench.studies.items import Item


def without(
    table: pd.DataFrame, where: Mapping[str, np.ndarray], *, optional: Sequence[str] = ()
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return the positions of each side without the clips of such speakers, and what was left out, in words.

    Parameters
    ----------
    table : DataFrame
        All clips that a speaker is standardised over.
    where : mapping
        Positions in the table by side: `fit`, `validation`, `test`, and others.
    optional : sequence of str
        Sides that may be empty.

    Raises
    ------
    WorkbenchError
        If a side becomes empty, or no clip of an emotion is left to train on.
    """
    if not (note := standards.left_out(table["speaker"])):
        return dict(where), []
    enough, emotion = standards.enough(table["speaker"]), table["emotion"].to_numpy()
    kept = {side: positions[enough[positions]] for side, positions in where.items()}
    for side, positions in kept.items():
        if not len(positions) and side not in optional:
            raise WorkbenchError(f"no clip is left for {side}; {note}")
    if lost := sorted(set(emotion) - set(emotion[kept["fit"]])):
        raise WorkbenchError(f"no training clip of {', '.join(lost)} is left; {note}")
    return kept, [note]


def labelled(table: pd.DataFrame) -> None:
    """Raise a WorkbenchError if clips have no speaker label."""
    if unknown := int((table["speaker"].fillna("") == "").sum()):
        raise WorkbenchError(f"{unknown} of {len(table)} clips have no speaker label; normalise: speaker needs them")


def rows_kept(
    about: pd.DataFrame, scores: np.ndarray, variant: str, purpose: str
) -> tuple[pd.DataFrame, np.ndarray, list[str]]:
    """Return a late fusion's rows (n, ...) and scores (n, members x classes) without such speakers, and a note.

    The note has no counts, so that it is the same in every fold; parameter `left_out` of the run counts the rows.

    Parameters
    ----------
    variant : str
        The late fusion, for the note.
    purpose : str
        What the rows are for, in words: `learn from`, `test`.

    Raises
    ------
    WorkbenchError
        If no row, or no row of an emotion, is left.
    """
    if not (counts := standards.left_out(about["speaker"])):
        return about, scores, []
    what, enough = f"late fusion {variant}, rows to {purpose}", standards.enough(about["speaker"])
    lost = sorted(set(about["emotion"]) - set(about["emotion"][enough]))
    if lost and (purpose != "test" or not enough.any()):
        raise WorkbenchError(f"no clip of {', '.join(lost)} is left; {what}: {counts}")
    note = f"{what}: speakers with fewer than {standards.LEAST} clips are left out (normalise: speaker)"
    return about[enough].reset_index(drop=True), scores[enough], [note]


def marked(params: dict, data: Data) -> dict:
    """Return parameters of a run that standardises within speakers, with how many clips it leaves out, if any."""
    return params | _mark([data.table["speaker"]])


def _mark(sides: Iterable[pd.Series]) -> dict:
    """Return the parameter that counts the clips left out, each side's speakers by themselves; {} if there are none."""
    short = sum(int((~standards.enough(speakers)).sum()) for speakers in sides)
    return {"left_out": {"clips": short, "least": standards.LEAST}} if short else {}


def mark_of_fusion(params: dict, item: Item, tables: Sequence[pd.DataFrame]) -> dict:
    """Return the parameter of a late fusion that standardises which says how many rows it leaves out, if any.

    Parameters
    ----------
    tables : sequence of DataFrame
        What each member can be asked about: column `take`.
    """
    plan, fold = item.plan, item.sides
    usage = params.get("learn_from", "validation")
    learned = fold.train
    if usage == "validation":
        _, learned = plan.inner_split(item.protocol, fold, item.seed)
    shared = set.intersection(*(set(table["take"]) for table in tables))
    sides = [plan.takes.iloc[positions] for positions in (learned, fold.test)]
    return _mark(takes.loc[takes["take"].isin(shared), "speaker"] for takes in sides)
