"""A face as a model in space, fitted to the 68 landmarks: pose, what makes the person, what makes the expression.

Two models of the same 8 action units and 7 shape units: Candide-3, from its file, and one of 68 points that needs none.
Two passes, as in source 004, section 4.1: the shape units of a person on their neutral face, then pose and action units
on every face.

>>> model = points68()
>>> person = fit_shape(neutral_landmarks, model)
>>> fit(landmarks, model, shape=person).action_units
"""

from workbench.geometry.base import ACTION_UNITS, SHAPE_UNITS, FaceModel
from workbench.geometry.candide import read_candide
from workbench.geometry.descriptors import DESCRIPTORS, action_units, describe, fit_people, levelled, shapes
from workbench.geometry.fitting import Fit, angle, fit, fit_shape, project
from workbench.geometry.points import points68
from workbench.geometry.truth import correlations, rotations

__all__ = [
    "ACTION_UNITS",
    "DESCRIPTORS",
    "SHAPE_UNITS",
    "FaceModel",
    "Fit",
    "action_units",
    "angle",
    "correlations",
    "describe",
    "fit",
    "fit_people",
    "fit_shape",
    "levelled",
    "points68",
    "project",
    "read_candide",
    "rotations",
    "shapes",
]
