"""Figures of a face model on the face that it was fitted to, of how well it fits, and of what turned heads cost."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workbench.geometry import ACTION_UNITS, FaceModel, Fit, project
from workbench.plots.style import FAINT, INK, PALETTE, finish, legend_above, sheet, styled

AXES = {"right": PALETTE[5], "down": PALETTE[2], "forward": PALETTE[0]}  # of the head: x, y, z
LOOKS = tuple(zip(PALETTE, "osD^vPX*", strict=True))  # colour and marker of a line
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
    yaw, pitch, roll = np.round(fitted.pose[face]) + 0.0  # -0.0 becomes 0
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


@styled
def accuracy_by_yaw(
    table: pd.DataFrame, groups: Mapping[str, Mapping[str, str]], *, title: str = "", note: str = ""
) -> Figure:
    """Return accuracy against how far the head is turned: one panel a group of systems, one line a system.

    Parameters
    ----------
    table : DataFrame
        From `evaluation.by_yaw`: `variant, yaw, accuracy, accuracy_low, accuracy_high, chance, level`.
    groups : mapping of panel title to mapping of variant to its name
        Variants that the table lacks are left out, and so are panels without any. Names alike up to " on " (what a
        system reads) have one look in all panels.
    """
    panels = {name: [v for v in some if v in set(table["variant"])] for name, some in groups.items()}
    panels = {name: some for name, some in panels.items() if some}
    short = {v: name.partition(" on ")[0].rstrip(",") for some in groups.values() for v, name in some.items()}
    looks = dict(zip(dict.fromkeys(short[v] for some in panels.values() for v in some), LOOKS, strict=False))
    figure, axes = sheet(3.2, ncols=len(panels), sharey=True, squeeze=False)
    for panel, (name, variants) in zip(axes[0], panels.items(), strict=True):
        for variant in variants:
            mine, (colour, marker) = table[table["variant"] == variant].sort_values("yaw"), looks[short[variant]]
            panel.plot(mine["yaw"], 100 * mine["accuracy"], color=colour, marker=marker, ms=3.5)
            low, high = 100 * mine["accuracy_low"], 100 * mine["accuracy_high"]
            panel.fill_between(mine["yaw"], low, high, color=colour, alpha=0.12, lw=0)
        panel.axhline(100 * table["chance"].max(), color=INK, ls=(0, (3, 2)), lw=1)
        panel.set_title(name, loc="left")
        panel.set(xlabel="Head turned by (degrees)", ylim=(0, 103), xticks=sorted(table["yaw"].unique()))
        panel.grid()
    axes[0][0].set_ylabel("Accuracy on unseen speakers (%)")
    handles = [Line2D([], [], color=colour, marker=mark, ms=3.5, label=name) for name, (colour, mark) in looks.items()]
    handles.append(Line2D([], [], color=INK, ls=(0, (3, 2)), lw=1, label="chance"))
    legend_above(figure, handles, ncols=4)
    shaded = f"Shaded: {100 * table['level'].iloc[0]:.0f} % interval over speakers."
    shaded = shaded if table["accuracy_low"].notna().any() else "No intervals: speakers not known, or a single one."
    return finish(figure, title, f"{shaded} {note}".strip())


@styled
def fit_quality(
    errors: pd.DataFrame, correlations: pd.DataFrame, *, bound: float = 3.0, title: str = "", note: str = ""
) -> Figure:
    """Return how well known poses and movements are found again.

    Parameters
    ----------
    errors : DataFrame
        One row a picture: `group` (a row of the left panel, in this order) and `degrees`, the rotation error.
    correlations : DataFrame
        One row a unit and speaker: `unit` and `correlation` with how far it was drawn moved.
    bound : float
        Degrees, drawn as a line.
    """
    figure, (left, right) = sheet(2.9, ncols=2)
    groups, units = list(dict.fromkeys(errors["group"])), list(dict.fromkeys(correlations["unit"]))
    values = [errors.loc[errors["group"] == group, "degrees"].dropna() for group in groups]
    style = {"medianprops": {"color": PALETTE[5], "lw": 1.6}, "boxprops": {"facecolor": "#dce9f5", "lw": 0.6}}
    left.boxplot(values, orientation="horizontal", showfliers=False, patch_artist=True, widths=0.6, **style)
    reach = left.get_xlim()[1]
    for row, mine in enumerate(values, start=1):
        left.text(1.02, row, f"{mine.median():.1f}", transform=left.get_yaxis_transform(), va="center", fontsize=7.5)
    for axes in (left, right):
        axes.text(1.02, 1.0, "median", transform=axes.transAxes, va="bottom", color=FAINT, fontsize=7)
    left.axvline(bound, color=INK, ls=(0, (3, 2)), lw=1)
    left.set_yticks(range(1, len(groups) + 1), groups)
    left.set(xlabel="Rotation off by (degrees)", xlim=(0, reach), ylim=(len(groups) + 0.6, 0.3))
    _by_speaker(right, correlations, units)
    return finish(figure, title, note)


def _by_speaker(axes, correlations: pd.DataFrame, units: list[str]) -> None:
    """Draw each speaker's correlation as a point, a row a unit, and the median over speakers as a stroke."""
    for row, unit in enumerate(units):
        mine = correlations.loc[correlations["unit"] == unit, "correlation"].dropna()
        axes.plot(mine, np.full(len(mine), row), "o", color=PALETTE[0], alpha=0.5, ms=4, mew=0)
        axes.plot([mine.median()] * 2, [row - 0.25, row + 0.25], color=PALETTE[5], lw=2)
        axes.text(1.02, row, f"{mine.median():.2f}", transform=axes.get_yaxis_transform(), va="center", fontsize=7.5)
    axes.axvline(0.8, color=INK, ls=(0, (3, 2)), lw=1)
    axes.set_yticks(range(len(units)), [textwrap.fill(unit, 20) for unit in units])
    low = min(0.0, float(correlations["correlation"].min()) - 0.05)
    axes.set(xlabel="Correlation with the truth, by speaker", xlim=(low, 1.02), ylim=(len(units) - 0.4, -0.7))
