"""What a live session said: probabilities over time, and what the camera saw at some moments."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from workbench.emotions import COLOURS, in_order
from workbench.plots.style import FAINT, INK, finish, sheet, styled


@styled
def session_over_time(
    table: pd.DataFrame, pictures: Sequence[tuple[float, np.ndarray]] = (), *, title: str = "", note: str = ""
) -> Figure:
    """Return the probabilities of a session over time, under the pictures with face box and label.

    Parameters
    ----------
    table : DataFrame
        As `interact.live.play` gives it: `time` s, `emotion`, `face`, `voice`, the box, `p_<emotion>...`.
    pictures : of (time s, (h, w, 3) uint8)
        What the camera saw; drawn in a row above, each with the box and the label of that time.
    """
    classes = in_order(name.removeprefix("p_") for name in table if name.startswith("p_"))
    layout = [["time"] * max(1, len(pictures)), ["senses"] * max(1, len(pictures))]
    heights = [2.3, 0.42]
    if pictures:
        layout.insert(0, [f"picture {i}" for i in range(len(pictures))])
        heights.insert(0, 6.0 / len(pictures) * pictures[0][1].shape[0] / pictures[0][1].shape[1] + 0.1)
    figure, _ = sheet(sum(heights) + 0.9, squeeze=False)
    figure.clear()
    axes = figure.subplot_mosaic(layout, height_ratios=heights)
    for i, (time, picture) in enumerate(pictures):
        _seen(axes[f"picture {i}"], picture, table.iloc[(table["time"] - time).abs().argmin()])
    for name in classes:
        axes["time"].plot(table["time"], table[f"p_{name}"], color=COLOURS[name], label=name)
    axes["time"].set(ylabel="Probability", ylim=(0, 1), xlim=(0, table["time"].max()))
    axes["time"].grid(axis="y")
    axes["time"].tick_params(labelbottom=False)
    axes["time"].legend(loc="center left", bbox_to_anchor=(1, 0.5), handlelength=1.2)
    _senses(axes["senses"], table)
    return finish(figure, title, note)


def _seen(axes, picture: np.ndarray, answer: pd.Series) -> None:
    """Draw a picture with the box and the label of its time."""
    height, width = picture.shape[:2]
    axes.imshow(picture)
    colour = COLOURS.get(answer["emotion"], FAINT)
    if answer["face"]:
        shares = answer[["left", "top", "right", "bottom"]].to_numpy(float)
        left, top, right, bottom = shares * np.array([width, height, width, height])
        box = Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=colour, linewidth=1.6)
        axes.add_patch(box)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.set_xlabel(
        f"{answer['time']:.1f} s: {answer['emotion'] or 'no answer'}", color=colour if answer["emotion"] else INK
    )


def _senses(axes, table: pd.DataFrame) -> None:
    """Draw when there was a face and when a voice, as bars on the time axis."""
    step = table["time"].diff().median()
    for y, name in enumerate(("voice", "face")):
        bars = [(time - step, step) for time in table.loc[table[name].astype(bool), "time"]]
        axes.broken_barh(bars, (y - 0.3, 0.6), facecolors=FAINT, linewidth=0)
    axes.set(yticks=[0, 1], yticklabels=["voice", "face"], ylim=(-0.6, 1.6), xlabel="Time (s)")
    axes.set_xlim(0, table["time"].max())
