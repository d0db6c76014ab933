"""Boxes and points that others found: OpenFace's output, or a table of boxes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from workbench.errors import MediaError
from workbench.faces.tracking import Track

EDGES = ["left", "top", "right", "bottom"]
X, Y = [f"x_{i}" for i in range(68)], [f"y_{i}" for i in range(68)]
INNER = slice(17, 48)  # brows, nose and eyes: what talking moves least
# dlib's box around the 68 points: its side over the inner points' spread (root mean square distance from their mean),
# and how far its centre lies below that mean, in sides; medians over 340 frames of RAVDESS and CREMA-D.
SIDE, DOWN = 3.84, 0.2
CONFIDENT = 0.5  # OpenFace's confidence, 0..1, from which a frame counts


@dataclass(frozen=True)
class OpenFace:
    """What OpenFace (Baltrusaitis et al. 2018) found in a recording, a row a frame.

    `timestamps` (t,) float64 s. `landmarks` (t, 68, 2) float32 pixels, iBUG order. `confidence` (t,) float32, 0..1.
    `success` (t,) bool: the tracker held the face. `action_units`: table (t rows) of the columns `AU01_r` ...
    (intensity, 0..5) and `AU01_c` ... (present, 0 or 1) that the file has.
    """

    timestamps: np.ndarray
    landmarks: np.ndarray
    confidence: np.ndarray
    success: np.ndarray
    action_units: pd.DataFrame

    @property
    def good(self) -> np.ndarray:
        """Where the landmarks can be relied on, (t,) bool: success, at a confidence of 0.5 or more."""
        return self.success & (self.confidence >= CONFIDENT) & np.isfinite(self.landmarks).all(axis=(1, 2))


def read_openface(path: str | Path) -> OpenFace:
    """Read the CSV that OpenFace's FeatureExtraction or FaceLandmarkVidMulti writes (2-D landmarks needed).

    Of several faces, that with the most frames of success is taken.

    Raises
    ------
    MediaError
        If the file is missing or no table, or lacks a column; it names the file, what was found and expected.
    """
    return _openface(_table(path), path)


def given(path: str | Path, times: np.ndarray, shape: tuple[int, ...], *, fps: float = 30) -> Track:
    """Return the track of a face that somebody else has found, from a CSV of boxes or of OpenFace.

    Parameters
    ----------
    path : str or Path
        A CSV with the columns `left, top, right, bottom` in pixels and `time` in s or `frame` (from 0), a row a
        detection; or OpenFace's, whose frames without success or of little confidence are passed over, and whose
        points are boxed as dlib would box the face.
    times : (t,) array
        Seconds, when the frames are shown; boxes are interpolated.
    shape : tuple of int
        Of the frames, (t, h, w, 3), or of one, (h, w, 3): the face has to be in them.
    fps : float
        Frames a second, where a `frame` stands for a time.

    Returns
    -------
    track : Track
        `found` where the rows before and after are detections at most three usual steps apart.

    Raises
    ------
    MediaError
        If the file is missing or no such table, has no usable row, or boxes that are empty or off the frame.
    """
    table = _table(path)
    if {"x_0", "y_0"} <= set(table.columns):
        face = _openface(table, path)
        at, boxes = face.timestamps[face.good], box_of(face.landmarks[face.good])
    else:
        at, boxes = _boxes(table, path, fps)
    if not len(at):
        raise MediaError(f"{path}: expected rows with a face, found none in {len(table)} rows")
    height, width = shape[-3:-1]
    _check(path, boxes, height, width)
    step = np.median(np.diff(at)) if len(at) > 1 else 1 / fps
    filled = [np.interp(times, at, side) for side in boxes.T]
    return Track(np.stack(filled, axis=1).astype(np.float32), _between(at, np.asarray(times), 3.5 * step), 1)


def box_of(landmarks: np.ndarray) -> np.ndarray:
    """Return the box (..., 4) that dlib's detector would draw around 68 points (..., 68, 2), in pixels."""
    inner = landmarks[..., INNER, :]
    middle = inner.mean(axis=-2)  # (..., 2)
    spread = np.sqrt(((inner - middle[..., None, :]) ** 2).sum(axis=-1).mean(axis=-1))[..., None]
    side = SIDE * spread
    centre = middle + side * (0, DOWN)
    return np.concatenate([centre - side / 2, centre + side / 2], axis=-1)


def _table(path: str | Path) -> pd.DataFrame:
    """Read a CSV; names of columns lose the blanks that OpenFace puts before them."""
    try:
        table = pd.read_csv(path, skipinitialspace=True)
    except FileNotFoundError:
        raise MediaError(f"{path}: expected a CSV of boxes, found no such file") from None
    except (OSError, ValueError) as error:  # parser and decoder errors are ValueErrors
        raise MediaError(f"{path}: expected a CSV of boxes, found something else ({error})") from None
    return table.rename(columns=lambda name: str(name).strip())


def _numbers(table: pd.DataFrame, columns: list[str], path: str | Path) -> np.ndarray:
    """Return columns as (rows, columns) float64."""
    missing = [column for column in columns if column not in table]
    if missing:
        found = ", ".join(table.columns[:12]) + ", ..." * (len(table.columns) > 12)
        raise MediaError(f"{path}: expected the columns {_list(columns)}, found {found} (missing: {_list(missing)})")
    try:
        return table[columns].to_numpy(np.float64)
    except ValueError as error:
        raise MediaError(f"{path}: expected numbers in {_list(columns)}, found {error}") from None


def _list(columns: list[str]) -> str:
    return ", ".join(columns if len(columns) <= 8 else [*columns[:6], "...", columns[-1]])


def _openface(table: pd.DataFrame, path: str | Path) -> OpenFace:
    if "face_id" in table and table["face_id"].nunique() > 1 and "success" in table:
        table = table[table["face_id"] == table.groupby("face_id")["success"].sum().idxmax()]
    values = _numbers(table, ["timestamp", "confidence", "success", *X, *Y], path)
    order = np.argsort(values[:, 0], kind="stable")
    values, table = values[order], table.iloc[order]
    return OpenFace(
        timestamps=values[:, 0],
        landmarks=np.stack([values[:, 3:71], values[:, 71:]], axis=2).astype(np.float32),
        confidence=values[:, 1].astype(np.float32),
        success=values[:, 2] == 1,
        action_units=table.filter(regex=r"^AU\d\d_[rc]$").reset_index(drop=True),
    )


def _boxes(table: pd.DataFrame, path: str | Path, fps: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the times (n,) s, rising, and boxes (n, 4) of the rows that are whole."""
    clock = "frame" if "frame" in table and "time" not in table else "time"
    values = _numbers(table, [clock, *EDGES], path)
    values = values[np.isfinite(values).all(axis=1)]
    values = values[np.argsort(values[:, 0], kind="stable")]
    return values[:, 0] / (fps if clock == "frame" else 1), values[:, 1:]


def _check(path: str | Path, boxes: np.ndarray, height: int, width: int) -> None:
    """Refuse boxes without area, and boxes of which most have their centres off the frame."""
    empty = (boxes[:, 2:] <= boxes[:, :2]).any(axis=1)
    if empty.any():
        raise MediaError(f"{path}: expected left < right and top < bottom, found {boxes[empty][0].round(1).tolist()}")
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    off = ((centre < 0) | (centre > (width, height))).any(axis=1)
    if off.mean() > 0.5:
        found = boxes[off][0].round(1).tolist()
        raise MediaError(f"{path}: expected boxes in frames of {width} x {height} pixels, found {found}")


def _between(at: np.ndarray, times: np.ndarray, gap: float) -> np.ndarray:
    """Return which times (t,) lie between two of `at` that are at most `gap` apart, or that near to one end."""
    after = np.searchsorted(at, times)
    before = at[np.maximum(after - 1, 0)]
    behind = at[np.minimum(after, len(at) - 1)]
    inside = behind - before <= gap + 1e-9
    near = np.minimum(np.abs(times - before), np.abs(times - behind)) <= gap / 3 + 1e-9
    return np.where((after == 0) | (after == len(at)), near, inside | near)
