"""A figure of a face model on the face that it was fitted to."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workbench.geometry import ACTION_UNITS, FaceModel, Fit, project
from workbench.plots.style import INK, PALETTE, finish, legend_above, sheet, styled

AXES = {"right": PALETTE[5], "down": PALETTE[2], "forward": PALETTE[0]}  # of the head: x, y, z
REACH = 0.5  # units of the model: how long the head's axes are drawn


@styled
def fitted_face(
    frame: np.ndarray,
    landmarks: np.ndarray,
    model: FaceModel,
    fitted: Fit,
    *,
    face: int = 0,
    title: str = "",
    note: str = "",
) -> Figure:
    """Return a frame with a fitted model's mesh, the landmarks and the head's axes, and its action units as bars.

    Parameters
    ----------
    frame : (h, w, 3) uint8
    landmarks : (68, 2)
        What was fitted to, pixels; those that the model is tied to are drawn.
    fitted : Fit
        Of this frame, or of several.
    face : int
        Which of them.
    """
    seen = project(model, fitted)[face]
    figure, (picture, bars) = sheet(3.5, ncols=2, width_ratios=(1.35, 1))
    low, high = np.clip(_around(np.concatenate([seen, landmarks])), 0, frame.shape[1::-1])
    picture.imshow(frame, interpolation="antialiased")
    picture.set(xlim=(low[0] - 0.5, high[0] - 0.5), ylim=(high[1] - 0.5, low[1] - 0.5), xticks=[], yticks=[])
    picture.spines[:].set_visible(False)
    for edge in model.edges:
        picture.plot(*seen[edge].T, color=PALETTE[4], lw=0.6, alpha=0.9)
    picture.plot(*landmarks[model.landmarks].T, "o", color=PALETTE[1], ms=2.4, mec=INK, mew=0.3)
    origin = seen[model.tied[model.landmarks == 30][0]]  # the tip of the nose
    for axis, colour in enumerate(AXES.values()):
        along = REACH * fitted.scale[face] * fitted.matrix[face][:2, axis]
        picture.annotate("", origin + along, origin, arrowprops={"arrowstyle": "->", "color": colour, "lw": 1.8})
    _bars(bars, fitted.action_units[face])
    handles = [
        Line2D([], [], color=PALETTE[4], label=model.name),
        Line2D([], [], color=PALETTE[1], marker="o", ms=3, mec=INK, mew=0.3, lw=0, label="landmarks"),
        *(Line2D([], [], color=colour, lw=1.8, label=f"head's {name}") for name, colour in AXES.items()),
    ]
    legend_above(figure, handles, ncols=len(handles))
    yaw, pitch, roll = fitted.pose[face]
    picture.set_title(f"yaw {yaw:.0f}°, pitch {pitch:.0f}°, roll {roll:.0f}°", loc="left")
    bars.set_title(f"action units; off by {fitted.residual[face]:.1f} px", loc="left")
    return finish(figure, title, note)


def _around(points: np.ndarray) -> list[np.ndarray]:
    """Return the corners (x, y) of a square around points."""
    middle, reach = (points.min(axis=0) + points.max(axis=0)) / 2, 0.6 * np.ptp(points, axis=0).max()
    return [middle - reach, middle + reach]


def _bars(axes, values: np.ndarray) -> None:
    """Draw action units as bars, the first on top."""
    names = [f"{name} {unit}" for unit, name in ACTION_UNITS.items()]
    axes.barh(names[::-1], values[::-1], color=[PALETTE[2] if value >= 0 else PALETTE[3] for value in values[::-1]])
    reach = max(1.0, 1.05 * np.abs(values).max())
    axes.axvline(0, color=INK, lw=0.6)
    axes.set(xlim=(-reach, reach))
    axes.grid(axis="x")
