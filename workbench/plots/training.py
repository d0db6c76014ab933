"""How networks learned: one, and several side by side."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from workbench.errors import WorkbenchError
from workbench.plots.style import INK, PALETTE, finish, legend_above, sheet, styled

MEASURES = (("loss", "Cross-entropy (nats)", 1), ("accuracy", "Accuracy (%)", 100))  # unit, and what it is times


@styled
def learning_curves(history: pd.DataFrame, *, title: str = "", note: str = "") -> Figure:
    """Return loss and accuracy by epoch, in training and inner validation, with the best epoch marked.

    `history` has the columns ``epoch, train_loss, validation_loss, train_accuracy, validation_accuracy``
    (accuracies in 0..1); the best epoch is that of the least validation loss, whose weights are kept.
    """
    figure, panels = sheet(2.8, ncols=2)
    best = history.loc[history["validation_loss"].idxmin(), "epoch"]
    for axes, (measure, unit, scale) in zip(panels, MEASURES, strict=True):
        for side, colour, marker in (("train", PALETTE[0], "o"), ("validation", PALETTE[5], "s")):
            label = {"train": "training clips", "validation": "inner validation clips"}[side]
            values = scale * history[f"{side}_{measure}"]
            axes.plot(history["epoch"], values, color=colour, marker=marker, markersize=2.5, label=label)
        axes.axvline(best, color=INK, ls=(0, (3, 2)), lw=1, label=f"kept: epoch {best:.0f}")
        _by_epoch(axes, unit)
    panels[0].set_ylim(bottom=0)
    panels[1].set_ylim(0, 102)
    legend_above(figure, panels[0].get_lines(), ncols=3)
    return finish(figure, title, note)


@styled
def compare_learning(histories: Mapping[str, pd.DataFrame], *, title: str = "", note: str = "") -> Figure:
    """Return loss and accuracy by epoch of several trainings: training clips dotted, inner validation clips solid.

    Parameters
    ----------
    histories : name -> history
        Columns as `learning_curves` takes them; up to eight, told apart by colour.

    Raises
    ------
    WorkbenchError
        If there is none, or there are more than eight.
    """
    if not 1 <= len(histories) <= len(PALETTE):
        raise WorkbenchError(f"expected 1 to {len(PALETTE)} trainings to compare, found {len(histories)}")
    figure, panels = sheet(2.6 + 0.16 * -(-len(histories) // 3), ncols=2)
    for axes, (measure, unit, scale) in zip(panels, MEASURES, strict=True):
        for colour, history in zip(PALETTE, histories.values(), strict=False):
            for side, line in (("train", ":"), ("validation", "-")):
                few = {"marker": "o", "markersize": 2.5} if len(history) < 3 else {}
                axes.plot(history["epoch"], scale * history[f"{side}_{measure}"], line, color=colour, **few)
        _by_epoch(axes, unit)
    panels[0].set_ylim(bottom=0)
    panels[1].set_ylim(0, 102)
    sides = {":": "training clips", "-": "inner validation clips"}
    handles = [Line2D([], [], color=colour, label=name) for colour, name in zip(PALETTE, histories, strict=False)]
    handles += [Line2D([], [], color=INK, ls=line, label=words) for line, words in sides.items()]
    legend_above(figure, handles, ncols=3)
    return finish(figure, title, note)


def _by_epoch(axes, unit: str) -> None:
    axes.set(xlabel="Epoch", ylabel=unit)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid()
