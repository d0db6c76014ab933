"""How near a fit comes to faces of which pose and movement are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.spatial.transform import Rotation

from workbench.geometry.base import ACTION_UNITS


def rotations(poses: np.ndarray) -> np.ndarray:
    """Return rotation matrices (t, 3, 3) of poses (t, 3) in degrees: yaw, pitch, roll, as `Fit.pose` gives them."""
    yaw, pitch, roll = np.asarray(poses, float).reshape(-1, 3).T
    return Rotation.from_euler("ZYX", np.stack([roll, yaw, pitch], axis=1), degrees=True).as_matrix()


def correlations(action_units: np.ndarray, moved: pd.DataFrame, speakers: Sequence[str]) -> pd.DataFrame:
    """Return how fitted action units go with how far the face was really moved, speaker by speaker.

    Parameters
    ----------
    action_units : (t, 8)
        In the order of `ACTION_UNITS`.
    moved : DataFrame
        A column for each unit to be looked at (`AU26`, ...), in any measure that rises with the movement; t rows.
    speakers : (t,)
        Whose face it is.

    Returns
    -------
    DataFrame
        `unit` (its name: `jaw drop`), `speaker`, `correlation` (Pearson's; NaN where nothing moves).
    """
    fitted, rows = pd.DataFrame(np.asarray(action_units, float), columns=list(ACTION_UNITS)), []
    moved, speakers = moved.reset_index(drop=True), pd.Series(list(speakers))
    for unit in moved:
        for speaker, at in speakers.groupby(speakers).groups.items():
            together = fitted.loc[at, unit].corr(moved.loc[at, unit])
            rows.append({"unit": ACTION_UNITS[unit], "speaker": speaker, "correlation": together})
    return pd.DataFrame(rows)
