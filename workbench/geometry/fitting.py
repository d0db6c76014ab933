"""Find pose and units of a face model under which its points are seen where the landmarks are (source 004, 4.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from workbench.errors import WorkbenchError
from workbench.geometry.base import FaceModel

POSE = 6  # parameters before the units: scale, rotation vector (3), translation (2)


@dataclass(frozen=True)
class Fit:
    """Fits of t faces; what was not there to fit (a landmark that is no number) is NaN.

    `scale` (t,): pixels a unit of the model. `rotation` (t, 3): rotation vector, radians, in the picture's axes (x
    right, y down, z towards the viewer). `translation` (t, 2): where the model's origin is seen, pixels.
    `action_units` (t, 8): in the order of `ACTION_UNITS`; negative is the opposite movement. `shape` (7,): the
    person's, as they were given. `residual` (t,): root mean square distance of the tied landmarks, pixels.
    """

    scale: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray
    action_units: np.ndarray
    shape: np.ndarray
    residual: np.ndarray

    @property
    def matrix(self) -> np.ndarray:
        """Rotation matrices (t, 3, 3)."""
        return np.array([rodrigues(vector)[0] for vector in self.rotation]).reshape(-1, 3, 3)

    @property
    def pose(self) -> np.ndarray:
        """Degrees (t, 3): yaw to the picture's right, pitch up, roll clockwise, applied from last to first."""
        angles = np.full(self.rotation.shape, np.nan)
        known = np.isfinite(self.scale)
        if known.any():
            turned = Rotation.from_rotvec(self.rotation[known]).as_euler("ZYX", degrees=True)
            angles[known] = turned[:, [1, 2, 0]]
        return angles


def fit(landmarks: np.ndarray, model: FaceModel, *, shape: np.ndarray | None = None, prior: float = 0.0) -> Fit:
    """Fit pose and action units, each face by itself: the second pass of the source.

    Minimises the squared distances between landmarks and projected points by Levenberg and Marquardt's method
    (MINPACK), with the derivatives in closed form, from the pose that the source's equations 17 to 20 give.

    Parameters
    ----------
    landmarks : (68, 2) or (t, 68, 2)
        x, y in pixels, iBUG order.
    model : FaceModel
    shape : (7,), optional
        The person, from `fit_shape`; by default the average face.
    prior : float, at least 0
        Weight of the squared action units beside the squared distances, these in units of the model. 0 is the
        source's error function; more holds units back that the landmarks hardly tell apart.

    Raises
    ------
    WorkbenchError
        If the landmarks are not 68, or not in a plane.
    """
    points = _checked(landmarks)[:, model.landmarks]
    shape = np.zeros(len(model.shape_units)) if shape is None else np.asarray(shape, float)
    found, residual = _solve(points, model.person(shape)[model.tied], model.action_units[:, model.tied], prior)
    return Fit(found[:, 0], found[:, 1:4], found[:, 4:POSE], found[:, POSE:], shape, residual)


def fit_shape(landmarks: np.ndarray, model: FaceModel, *, prior: float = 0.0) -> np.ndarray:
    """Return the shape units (7,) of a person from their neutral face: the first pass of the source.

    Takes what `fit` takes; of several faces of the one person, it is the median of each unit.

    Raises
    ------
    WorkbenchError
        If the landmarks are not 68, or there is no face in them.
    """
    points = _checked(landmarks)[:, model.landmarks]
    found, _ = _solve(points, model.vertices[model.tied], model.shape_units[:, model.tied], prior)
    if not np.isfinite(found).any():
        raise WorkbenchError(f"expected a neutral face, found no landmarks in {len(points)} faces")
    return np.nanmedian(found[:, POSE:], axis=0)


def project(model: FaceModel, fitted: Fit) -> np.ndarray:
    """Return where all the model's vertices are seen, (t, v, 2), pixels."""
    face = model.person(fitted.shape) + np.tensordot(fitted.action_units, model.action_units, 1)  # (t, v, 3)
    seen = np.einsum("tij,tvj->tvi", fitted.matrix[:, :2], face)
    return fitted.scale[:, None, None] * seen + fitted.translation[:, None]


def angle(rotations: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return by how many degrees rotation matrices (..., 3, 3) differ from others."""
    trace = np.einsum("...ij,...ij->...", rotations, others)
    return np.degrees(np.arccos(np.clip((trace - 1) / 2, -1, 1)))


def rodrigues(vector: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a rotation vector's matrix R (3, 3) and the derivatives of R by its three numbers (3, 3, 3).

    Written w, they are R [J_k]x, with J_k the columns of I - (1 - cos a) / a^2 [w]x + (a - sin a) / a^3 [w]x^2 and a
    the length of w (the right Jacobian of the rotations).
    """
    angle, cross = np.sqrt(vector @ vector), _cross(vector)
    if angle > 1e-4:
        sine, cosine, rest = np.sin(angle) / angle, (1 - np.cos(angle)) / angle**2, (angle - np.sin(angle)) / angle**3
    else:
        sine, cosine, rest = 1 - angle**2 / 6, 0.5 - angle**2 / 24, 1 / 6
    twice = cross @ cross
    matrix = np.eye(3) + sine * cross + cosine * twice
    columns = (np.eye(3) - cosine * cross + rest * twice).T
    return matrix, matrix @ np.stack([_cross(column) for column in columns])


def _cross(vector: np.ndarray) -> np.ndarray:
    """Return the matrix of the cross product with a vector."""
    x, y, z = vector.tolist()
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])


class Problem:
    """The error function of one face: residuals and their derivatives by scale, rotation, translation, units.

    `points` (n, 2): landmarks, of a size and place like the model's. `rest` (n, 3), `units` (d, n, 3): its points.
    """

    def __init__(self, points: np.ndarray, rest: np.ndarray, units: np.ndarray, prior: float = 0.0):
        self.points, self.rest, self.units, self.weight = points, rest, units, np.sqrt(prior)
        self.flat = units.reshape(len(units), -1)
        self.frame = np.zeros((2 * len(points) + len(units) * (prior > 0), POSE + len(units)))
        self.frame[0 : 2 * len(points) : 2, 4] = self.frame[1 : 2 * len(points) : 2, 5] = 1
        if prior > 0:
            self.frame[2 * len(points) :, POSE:] = self.weight * np.eye(len(units))

    def residuals(self, x: np.ndarray) -> np.ndarray:
        """Return the distances in x and y, point by point (2 n,), and with a prior its share (d,)."""
        face = self.rest + (x[POSE:] @ self.flat).reshape(-1, 3)
        apart = x[0] * (face @ rodrigues(x[1:4])[0][:2].T) + x[4:POSE] - self.points
        return np.concatenate([apart.ravel(), self.weight * x[POSE:]]) if self.weight else apart.ravel()

    def jacobian(self, x: np.ndarray) -> np.ndarray:
        """Return the derivatives of `residuals`, (2 n, 6 + d) or (2 n + d, 6 + d)."""
        face = self.rest + (x[POSE:] @ self.flat).reshape(-1, 3)
        matrix, turns = rodrigues(x[1:4])
        out, rows = self.frame.copy(), face.size // 3 * 2
        out[:rows, 0] = (face @ matrix[:2].T).ravel()
        out[:rows, 1:4] = x[0] * (face @ turns[:, :2].swapaxes(1, 2)).reshape(3, -1).T
        out[:rows, POSE:] = x[0] * (self.units @ matrix[:2].T).reshape(len(self.units), -1).T
        return out


def _solve(points: np.ndarray, rest: np.ndarray, units: np.ndarray, prior: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the parameters (t, 6 + d) for points (t, n, 2), in pixels, and what is left over (t,)."""
    from scipy.optimize import least_squares  # slow to import

    found, residual = np.full((len(points), POSE + len(units)), np.nan), np.full(len(points), np.nan)
    for i in np.flatnonzero(np.isfinite(points).all(axis=(1, 2))):
        scale, shift = _start(points[i], rest)
        problem, start = Problem((points[i] - shift) / scale, rest, units, prior), np.eye(1, POSE + len(units))[0]
        best = least_squares(problem.residuals, start, problem.jacobian, method="lm", xtol=1e-6, ftol=1e-6)
        found[i] = best.x
        found[i, [0, 4, 5]] *= scale
        found[i, 4:POSE] += shift
        residual[i] = scale * np.sqrt((best.fun[: points[i].size] ** 2).sum() / len(rest))
    return found, residual


def _start(points: np.ndarray, rest: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the best scale and translation (2,) of a face that is not turned: equations 18 to 20."""
    seen, flat = points - points.mean(axis=0), rest[:, :2] - rest[:, :2].mean(axis=0)
    scale = (seen * flat).sum() / (flat**2).sum()
    return scale, points.mean(axis=0) - scale * rest[:, :2].mean(axis=0)


def _checked(landmarks: np.ndarray) -> np.ndarray:
    """Return landmarks as (t, 68, 2) float64."""
    points = np.asarray(landmarks, float)
    if points.ndim not in (2, 3) or points.shape[-2:] != (68, 2):
        raise WorkbenchError(f"expected landmarks (68, 2) or (t, 68, 2), found {points.shape}")
    return points.reshape(-1, 68, 2)
