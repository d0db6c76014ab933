"""Figures of what was found in a frame: the 68 points by region, and the boxes of several detectors."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workbench.plots.style import PALETTE, WIDTH, finish, legend_above, sheet, styled

# Region: colour, and its strokes of (first point, last point, closed) in the iBUG order.
REGIONS = {
    "jaw": (PALETTE[4], [(0, 16, False)]),
    "brows": (PALETTE[1], [(17, 21, False), (22, 26, False)]),
    "nose": (PALETTE[2], [(27, 30, False), (31, 35, False)]),
    "eyes": (PALETTE[3], [(36, 41, True), (42, 47, True)]),
    "mouth": (PALETTE[5], [(48, 59, True), (60, 67, True)]),
}


@styled
def landmarks(frame: np.ndarray, points: np.ndarray, *, title: str = "", note: str = "") -> Figure:
    """Return a frame (h, w, 3) uint8 around its 68 points (68, 2), in pixels, which are coloured by region."""
    middle, reach = (points.min(axis=0) + points.max(axis=0)) / 2, 0.75 * np.ptp(points, axis=0).max()
    figure, axes = _picture(frame, [middle - reach, middle + reach])
    for colour, strokes in REGIONS.values():
        for first, last, closed in strokes:
            stroke = points[[*range(first, last + 1), *[first] * closed]]
            axes.plot(*stroke.T, color=colour, lw=0.9, marker="o", ms=2.6, mec="white", mew=0.3)
    handles = [Line2D([], [], color=colour, marker="o", ms=3, label=name) for name, (colour, _) in REGIONS.items()]
    legend_above(figure, handles, ncols=len(handles))
    return finish(figure, title, note)


@styled
def detectors(frame: np.ndarray, boxes: Mapping[str, np.ndarray], *, title: str = "", note: str = "") -> Figure:
    """Return a frame (h, w, 3) uint8 with the boxes (k, 4 or 5) of each detector, by name, in pixels."""
    figure, axes = _picture(frame, [np.zeros(2), np.array(frame.shape[1::-1], float)])
    handles = []
    for (name, found), colour, dashes in zip(boxes.items(), PALETTE * len(boxes), _dashes(len(boxes)), strict=False):
        style = {"color": colour, "lw": 1.6, "linestyle": dashes}
        for left, top, right, bottom in np.asarray(found)[:, :4]:
            axes.plot([left, right, right, left, left], [top, top, bottom, bottom, top], **style)
        handles.append(Line2D([], [], **style, label=f"{name} ({len(found)})"))
    legend_above(figure, handles, ncols=4)
    return finish(figure, title, note)


def _dashes(n: int) -> list:
    """Return line styles that let boxes on the same place be told apart."""
    return [(0, ()), (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2))] * n


def _picture(frame: np.ndarray, corners: list[np.ndarray]):
    """Return a figure of the part of a frame between two corners (x, y), clipped to the frame, and its axes."""
    low, high = np.clip(corners, 0, frame.shape[1::-1])
    width, height = np.maximum(high - low, 1)
    figure, axes = sheet(min(4.2, 0.95 * WIDTH * height / width) + 0.6)
    axes.imshow(frame, interpolation="antialiased")
    axes.set(xlim=(low[0] - 0.5, high[0] - 0.5), ylim=(high[1] - 0.5, low[1] - 0.5), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    return figure, axes
