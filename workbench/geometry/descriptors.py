"""What classifiers are given of a face's landmarks: the person's action units, or the points themselves (FP68).

Both are made of prepared landmarks and the clip table, and need no picture.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd

from workbench.errors import WorkbenchError
from workbench.geometry.base import FaceModel
from workbench.geometry.fitting import Fit, fit, fit_shape
from workbench.geometry.points import points68

DESCRIPTORS = ("action_units", "action_units_stranger", "fp68")


def describe(landmarks: Sequence[np.ndarray], clips: pd.DataFrame, names: Sequence[str] = DESCRIPTORS) -> dict:
    """Return descriptors by name, a list of arrays each: float32, a row a frame.

    `action_units` (t, 8): of the person, `action_units`. `action_units_stranger` (t, 8): of a person of whom nothing is
    known, fitted as the average face; what enrolment is worth, is what these lack. `fp68` (t, 136): `levelled`.

    Parameters
    ----------
    landmarks, clips : as `action_units` takes them
    names : of `DESCRIPTORS`
    """
    makers = {
        "action_units": lambda: action_units(landmarks, clips),
        "action_units_stranger": lambda: [
            fit(points, points68()).action_units.astype(np.float32) for points in landmarks
        ],
        "fp68": lambda: [levelled(points) for points in landmarks],
    }
    return {name: makers[name]() for name in names}


def action_units(
    landmarks: Sequence[np.ndarray], clips: pd.DataFrame, model: FaceModel | None = None, *, prior: float = 0.0
) -> list[np.ndarray]:
    """Return the action units of each clip, (t, 8) float32; arguments, enrolment and warning are `fit_people`'s."""
    return [found.action_units.astype(np.float32) for found in fit_people(landmarks, clips, model, prior=prior)]


def fit_people(
    landmarks: Sequence[np.ndarray], clips: pd.DataFrame, model: FaceModel | None = None, *, prior: float = 0.0
) -> list[Fit]:
    """Return the fit of each clip: the two passes of source 004, section 4.1, on a corpus.

    First the shape units of every speaker, on their neutral pictures (`shapes`), then pose and action units of every
    picture. A speaker without a neutral picture, or without a name, is fitted as the average face, with a warning that
    says of how many this holds.

    A test speaker's neutral picture is used too. This is *enrolment*: the system is shown the person's face at rest,
    and told that it is at rest, before it is asked anything. It has to be said beside a result; without it the
    source finds recognition to "drop significantly". The pictures that enrol are among those that are recognised.

    Parameters
    ----------
    landmarks : sequence of (t, 68, 2)
        A clip's points, pixels.
    clips : DataFrame
        Their rows of the clip table, in the same order: `speaker`, `emotion` and, where there is one, `yaw`.
    model : FaceModel, optional
        By default `points68`.
    prior : float
        As `fit` takes it.
    """
    model = model or points68()
    people, names = shapes(landmarks, clips, model, prior=prior), clips["speaker"].fillna("").tolist()
    if unknown := sorted(set(names) - set(people)):
        warnings.warn(
            f"no neutral picture of {len(unknown)} of {len(set(names))} speakers "
            f"({', '.join(map(repr, unknown[:3]))}{', ...' if len(unknown) > 3 else ''}): their action units are "
            "fitted on the average face",
            stacklevel=2,
        )
    pairs = zip(landmarks, names, strict=True)
    return [fit(points, model, shape=people.get(speaker), prior=prior) for points, speaker in pairs]


def shapes(
    landmarks: Sequence[np.ndarray], clips: pd.DataFrame, model: FaceModel, *, prior: float = 0.0
) -> dict[str, np.ndarray]:
    """Return the shape units (7,) of every speaker who has a neutral picture: the median over those pictures.

    Where the clip table has a column `yaw` and some of them are frontal (0), over these alone.
    """
    table, people = clips.reset_index(drop=True), {}
    known = (table["emotion"] == "neutral") & (table["speaker"].fillna("") != "")
    for speaker, mine in table[known].groupby("speaker"):
        frontal = mine[mine["yaw"].astype(float) == 0] if "yaw" in mine else mine
        rows = (mine if frontal.empty else frontal).index
        people[speaker] = fit_shape(np.concatenate([landmarks[i] for i in rows]), model, prior=prior)
    return people


def levelled(landmarks: np.ndarray) -> np.ndarray:
    """Return landmarks (t, 68, 2) as rows (t, 136) float32 that do not depend on where and how large the face is.

    Assumed, for the source is silent: centred, and divided by the root mean square distance from the centre. The
    head's turn is left in, for it is what the source tests.

    Raises
    ------
    WorkbenchError
        If the landmarks are not (t, 68, 2).
    """
    points = np.asarray(landmarks, np.float64)
    if points.shape[1:] != (68, 2):
        raise WorkbenchError(f"expected landmarks (t, 68, 2), found {points.shape}")
    points = points - points.mean(axis=1, keepdims=True)
    size = np.sqrt((points**2).sum(axis=2).mean(axis=1))
    return (points / size[:, None, None]).reshape(len(points), -1).astype(np.float32)
