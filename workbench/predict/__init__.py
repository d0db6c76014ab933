"""One recording in, one answer out: which emotion does a finished run hear and see in it?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from workbench import geometry, media, runs
from workbench.datasets import card_of
from workbench.errors import MediaError
from workbench.predict.systems import (
    Answers,
    alone,
    arrays_read,
    batch_of,
    batches,
    load_model,
    members,
    predictor,
    probabilities_of,
    recipe_of,
    too_few,
    usable,
)
from workbench.prepare import prepare_clip
from workbench.recipes import SOUNDS, Recipe
from workbench.store import unpack

__all__ = [
    "Answers",
    "PreparedFile",
    "alone",
    "answers_of",
    "arrays_read",
    "batch_of",
    "batches",
    "described",
    "load_model",
    "members",
    "predict",
    "predictor",
    "prepared",
    "probabilities_of",
    "recipe_of",
    "synthetic_note",
    "too_few",
    "trained_on",
    "usable",
]


class PreparedFile(NamedTuple):
    """A file as a run reads it: its arrays by name, time first, and what was wrong with it, in words.

    `readable`: whether it could be read as a recording at all.
    """

    file: str
    arrays: dict[str, np.ndarray]
    notes: list[str]
    readable: bool = True


def predict(files: Iterable[str | Path], run: runs.Run) -> list[dict]:
    """Return one answer a file, in their order; a file that cannot be used gets its reason and no emotion.

    A run that standardises within each speaker (`normalise: speaker`) takes all of the files as recordings of one
    person, as its notes say: the more there are, and the more various, the better. With fewer than `standards.LEAST`
    that it can use, there is no emotion.

    Returns
    -------
    list of dict
        `path`; `emotion`, or None with the `reason` in words; `probabilities` (emotion -> 0..1, summing to 1; NaN where
        there is no emotion); `face` and `sound` (whether one was found); `readable` (False of a file that is no
        recording); `notes` (what was missing, in words); `run`; `corpus` (label of the one that the run was trained
        on) and `synthetic` (whether that one is).
    """
    answer, recipe = predictor(run, finite=False), recipe_of(run)
    found = (prepared(str(file), recipe) for file in files)
    if run.transductive:
        return answers_of(list(found), run, answer)
    return [one for file in found for one in answers_of([file], run, answer)]


def answers_of(files: Sequence[PreparedFile], run: runs.Run, answer: Callable[..., Answers]) -> list[dict]:
    """Return the answers on files, as `predict` gives them; `answer` is the run's `predictor`.

    With ``predictor(run, finite=False)`` the reason tells probabilities that are not finite from unusable files.
    """
    arrays = [file.arrays for file in files]
    few, notes = too_few(run, arrays), []
    if run.transductive and not few:
        n = sum(usable(run, clip) for clip in arrays)
        notes = [f"standardised over {n} recordings, taken as of one speaker (normalise: speaker)"]
    return [_answered(file, run, one, few, notes) for file, one in zip(files, answer(arrays), strict=True)]


def prepared(file: str, recipe: Recipe) -> PreparedFile:
    """Return a file as a run of this recipe reads it."""
    try:
        probe = media.probe(file)
        clip = {"clip": Path(file).stem, "path": file, "audio_path": file if probe.has_sound else ""}
        clip["path"] = file if probe.has_frames else ""
        _, arrays, rows = prepare_clip(clip, recipe)
    except MediaError as error:
        return PreparedFile(file, {}, [str(error)], readable=False)
    notes = [row["reason"] for row in rows]
    notes += [f"{file}: no sound stream"] * (not probe.has_sound) + [f"{file}: no picture"] * (not probe.has_frames)
    arrays = {name: unpack(array) for name, array in arrays.items()}
    return PreparedFile(file, arrays | described(arrays), notes, bool(arrays) or _decodes(file))


def _decodes(file: str) -> bool:
    try:
        media.verify(file)
    except MediaError:
        return False
    return True


def described(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return features of a clip's landmarks; the neutral face is the average one, as there is no picture of it."""
    if "landmarks" not in arrays:
        return {}
    names = ("action_units_stranger", "fp68")
    found = {name: views[0] for name, views in geometry.describe([arrays["landmarks"]], pd.DataFrame(), names).items()}
    return found | {"action_units": found["action_units_stranger"]}


def trained_on(run: runs.Run) -> dict:
    """Return `corpus`, the label of the corpus that a run was trained on, and `synthetic`, whether that one is."""
    label = run.params.get("corpus", "")
    card = card_of(label)
    return {"corpus": label, "synthetic": bool(card and card.synthetic)}


def synthetic_note(run: runs.Run) -> list[str]:
    """Return what has to be known of the answers of a run that was trained on a synthetic corpus, in words."""
    about = trained_on(run)
    words = (
        f"run {run.name} was trained on the synthetic corpus {about['corpus']}: its answers say nothing about people"
    )
    return [words] * about["synthetic"]


def _answered(file: PreparedFile, run: runs.Run, found: np.ndarray | None, few: str, notes: Sequence[str]) -> dict:
    """Return the answer on a file from the probabilities (C,) that a run found, or None."""
    classes, reason = run.params["classes"], ""
    if not file.readable:
        reason, notes = file.notes[0], []
    elif found is None:
        reason = few or f"{file.file}: nothing that run {run.name} can use, so no emotion is given"
    elif not np.isfinite(found).all():
        reason = f"{file.file}: run {run.name}: its probabilities are not finite, so no emotion is given"
        found = None
    if found is not None and "action_units" in file.arrays and "action_units" in arrays_read(run):
        notes = [*notes, f"{file.file}: no neutral picture of the person, action units are fitted on the average face"]
    shares = np.full(len(classes), np.nan) if found is None else found
    return {
        "path": file.file,
        "emotion": None if found is None else classes[int(shares.argmax())],
        "reason": reason,
        "probabilities": {name: float(share) for name, share in zip(classes, shares, strict=True)},
        "face": bool({"frames", "landmarks"} & set(file.arrays)),
        "sound": any(name in file.arrays for name in SOUNDS),
        "readable": file.readable,
        "notes": list(dict.fromkeys([*file.notes, *notes, *[reason] * bool(reason), *synthetic_note(run)])),
        "run": run.name,
        "transductive": run.transductive,
        **trained_on(run),
    }
