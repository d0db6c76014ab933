"""The Candide-3 model (Ahlberg 2001), read from its `.wfm` file, which is the user's to bring."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from workbench.errors import WorkbenchError
from workbench.geometry.base import FaceModel

HOME = "http://www.icg.isy.liu.se/candide/"
# The file's names for the 8 and the 7, in their order; brows are one unit in the source and four in the file.
ACTIONS = (
    ("Jaw drop",),
    ("Brow lowerer",),
    ("Lip corner depressor",),
    ("Upper lip raiser",),
    ("Lip stretcher",),
    ("Lid tightener",),
    ("Nose wrinkler",),
    ("Eyes closed",),
)
SHAPES = (
    tuple(f"Eyebrows {part} vertical position" for part in ("between", "inner", "outer", "middle")),
    ("Eyes vertical position",),
    ("Eyes width",),
    ("Eyes separation distance",),
    ("Mouth vertical position",),
    ("Mouth width",),
    ("Eyes vertical difference",),
)
# Source 004, section 4.1: landmarks and their vertices. It speaks of 46 points, and of 35; its lists have these 35.
LANDMARKS = (
    *(35, 31, 30, 33, 28),  # nose
    *(36, 37, 38, 39, 40, 41),  # the eye on the left of the picture
    *(42, 43, 44, 45, 46, 47),
    *(17, 19, 21),  # the brow on the left
    *(22, 24, 26),
    *(48, 51, 54, 57, 53, 49, 55, 59),  # outer lips
    *(60, 62, 64, 66),  # inner lips
)
VERTICES = (
    *(26, 59, 5, 6, 94),
    *(53, 98, 104, 56, 110, 100),
    *(23, 103, 97, 20, 99, 109),
    *(48, 49, 50),
    *(17, 16, 15),
    *(64, 7, 31, 8, 79, 80, 85, 86),
    *(89, 87, 88, 40),
)
AXES = np.array([1.0, -1.0, 1.0])  # in the file, y is up


def read_candide(path: str | Path) -> FaceModel:
    """Return Candide-3 with the 35 ties of source 004, section 4.1.

    Parameters
    ----------
    path : str or Path
        The model's `.wfm` file: 113 vertices, 184 triangles, units in its own names.

    Raises
    ------
    WorkbenchError
        If there is no such file, or it lacks a section, a unit, or a number.
    """
    path = Path(path)
    if not path.is_file():
        raise WorkbenchError(f"expected the Candide-3 mesh at {path}, found no such file: candide3.wfm is at {HOME}")
    parts = _sections(path.read_text(errors="replace"))
    try:
        vertices = _numbers(parts["VERTEX LIST"][""])[1:].reshape(-1, 3)
        triangles = _numbers(parts["FACE LIST"][""])[1:].reshape(-1, 3).astype(int)
        actions = np.stack([_units(parts["ANIMATION UNITS LIST"], names, len(vertices)) for names in ACTIONS])
        shapes = np.stack([_units(parts["SHAPE UNITS LIST"], names, len(vertices)) for names in SHAPES])
    except (KeyError, ValueError, IndexError) as error:
        raise WorkbenchError(f"{path}: expected a Candide-3 mesh, found none: {error}") from None
    if not max(*VERTICES, triangles.max()) < len(vertices):
        raise WorkbenchError(f"{path}: expected the 113 vertices of Candide-3, found {len(vertices)}")
    edges = {tuple(sorted(pair)) for triangle in triangles.tolist() for pair in combinations(triangle, 2)}
    return FaceModel(
        name="candide3",
        vertices=vertices * AXES,
        edges=np.array(sorted(edges)),
        action_units=actions * AXES,
        shape_units=shapes * AXES,
        landmarks=np.array(LANDMARKS),
        tied=np.array(VERTICES),
    )


def _sections(text: str) -> dict[str, dict[str, str]]:
    """Return the numbers of a file as text, by section and, where it has some, by unit."""
    parts = re.split(r"^# *([A-Z ]+):[ \r]*$", text, flags=re.MULTILINE)
    found = {}
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        units = re.split(r"^# *(.+?)[ \r]*$", body, flags=re.MULTILINE)
        found[name] = {"": units[0], **dict(zip(units[1::2], units[2::2], strict=True))}
    return found


def _numbers(text: str) -> np.ndarray:
    return np.array(text.split(), float)


def _units(parts: dict[str, str], names: Sequence[str], n_vertices: int) -> np.ndarray:
    """Return what some units together add to each vertex (v, 3); a vertex named twice is moved by both."""
    rows, moves = (
        np.concatenate([_numbers(parts[name])[1:].reshape(-1, 4) for name in names]),
        np.zeros((n_vertices, 3)),
    )
    np.add.at(moves, rows[:, 0].astype(int), rows[:, 1:])
    return moves
