"""Figures of a corpus: who shows which emotion how often, how long clips are, how far sound and film lie apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from workbench.datasets.speakers import short_names
from workbench.emotions import COLOURS, in_order
from workbench.errors import WorkbenchError, choose
from workbench.plots.style import FAINT, PALETTE, finish, legend_above, sheet, styled

SEXES = {"female": PALETTE[3], "male": PALETTE[0]}
ORDER = ("female", "male", "low", "normal", "medium", "high", "strong", "train", "validation", "test")
MOST = 100  # speakers in a grid
UNKNOWN, UNLABELLED = "not known", "no label"


@styled
def counts(clips: pd.DataFrame, *, by: str = "speaker", title: str = "", note: str = "") -> Figure:
    """Return the number of clips by emotion and by 'speaker' (a grid) or another column of words (stacked bars).

    Clips without a label stand in a row of their own, values that are '' count as `not known`.
    """
    choose("division", by, [column for column in clips if column != "emotion"])
    found = clips["emotion"].fillna("")
    rows = in_order(set(found) - {""})
    table = pd.crosstab(found, clips[by].fillna("").astype(str).replace("", UNKNOWN)).rename(index={"": UNLABELLED})
    table = table.loc[[*rows, *([UNLABELLED] if (found == "").any() else [])]]
    draw = _grid if by == "speaker" else _stack
    figure, axes = sheet(1.3 + 0.27 * len(table))
    draw(figure, axes, table)
    axes.set_yticks(range(len(table)), table.index)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(table) - 0.5, -0.5)
    return finish(figure, title, note)


def _grid(figure: Figure, axes, table: pd.DataFrame) -> None:
    """Draw emotions by speakers; up to 24 speakers the numbers are written, else a colour bar tells.

    Beyond `MOST` speakers the 20 with most clips are drawn, the first of them left, and the others counted.
    """
    known, n_all = len(set(table) - {UNKNOWN}), table.to_numpy().sum()
    said = f"Speaker ({known} known)" if UNKNOWN in table else f"Speaker ({known} in all)"
    if len(table.columns) > MOST:
        table = table[table.sum().nlargest(20).index]
        others = n_all - table.to_numpy().sum()
        said = said.replace(")", f", the others have {others:,} clips)").replace("(", "(20 of ")
    n_speakers, most = len(table.columns), table.to_numpy().max()
    shade = {"cmap": "Blues", "vmin": 0, "vmax": most if n_speakers > 24 else 2 * most}
    edges = np.arange(n_speakers + 1) - 0.5, np.arange(len(table) + 1) - 0.5
    image = axes.pcolormesh(*edges, table, edgecolor="white", linewidth=10 / n_speakers, **shade)
    if n_speakers > 24:
        bar = figure.colorbar(image, ax=axes, label="Clips", pad=0.02, ticks=MaxNLocator(integer=True))
        bar.outline.set_visible(False)
    else:
        said += "; the numbers are clips"
        for (row, column), n in np.ndenumerate(table.to_numpy()):
            axes.text(column, row, n, ha="center", va="center", fontsize=7)
    shown = range(0, n_speakers, -(-n_speakers // 24))
    names = short_names(table.columns)
    short = [names[table.columns[number]] for number in shown]
    axes.set_xticks(shown, short, rotation=0 if max(map(len, short)) <= 2 or n_speakers == 1 else 90)
    axes.set_xlabel(said)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


def _stack(figure: Figure, axes, table: pd.DataFrame) -> None:
    left, handles = np.zeros(len(table)), []
    values = sorted(table, key=lambda value: (value == UNKNOWN, ORDER.index(value) if value in ORDER else 99, value))
    for number, value in enumerate(values):
        colour = SEXES.get(value) or (PALETTE[6] if value == UNKNOWN else PALETTE[number % 6])
        handles.append(axes.barh(range(len(table)), table[value], 0.75, left=left, color=colour, label=value))
        left += table[value].to_numpy()
    for row, n in enumerate(left):
        axes.text(n + 0.01 * left.max(), row, f"{n:.0f}", va="center", fontsize=7.5)
    axes.set(xlabel="Clips", xlim=(0, 1.08 * left.max()))
    axes.grid(axis="x")
    legend_above(figure, handles, ncols=min(4, len(handles)))


@styled
def durations(recorded: pd.DataFrame, *, title: str = "", note: str = "") -> Figure:
    """Return how long clips last, a histogram an emotion on one axis of time.

    Parameters
    ----------
    recorded : DataFrame
        `emotion`, and `seconds` (NaN where it is not known), one row a clip. The axis ends where 99.5 % of the clips
        do, and what is longer is counted at its end.

    Raises
    ------
    WorkbenchError
        If no clip has a length.
    """
    known = recorded.assign(emotion=recorded["emotion"].fillna(""))[recorded["seconds"].notna()]
    if known.empty:
        raise WorkbenchError(f"durations: none of {len(recorded)} clips has a length")
    words = in_order(set(known["emotion"]) - {""}) + ([""] if (known["emotion"] == "").any() else [])
    figure, panels = sheet(0.75 + 0.42 * len(words), nrows=len(words), sharex=True, sharey=False, squeeze=False)
    low, end = known["seconds"].min(), known["seconds"].quantile(0.995)
    edges = np.linspace(0 if low < end / 2 else 0.9 * low, max(1.02 * end, 0.1), 61)
    for axes, word in zip(panels[:, 0], words, strict=True):
        _ridge(axes, known.loc[known["emotion"] == word, "seconds"], edges, COLOURS.get(word, FAINT))
        axes.set_ylabel(word or UNLABELLED, rotation=0, ha="right", va="center")
    panels[-1, 0].set(xlabel="Length (s)", xlim=(edges[0], edges[-1]))
    return finish(figure, title, note)


def _ridge(axes, seconds: pd.Series, edges: Sequence[float], colour: str) -> None:
    axes.hist(seconds.clip(upper=edges[-1]), bins=edges, color=colour)
    axes.axvline(seconds.median(), color="black", lw=0.8)
    longer = int((seconds > edges[-1]).sum())
    said = f"{len(seconds):,} clips, median {seconds.median():.2f} s" + f"\n{longer} longer" * bool(longer)
    axes.set_yticks([axes.get_ylim()[1] / 2], [said], color=FAINT)
    axes.yaxis.tick_right()
    axes.tick_params(axis="y", length=0)
    axes.spines[["left", "right"]].set_visible(False)


@styled
def lags(table: pd.DataFrame, *, title: str = "", note: str = "") -> Figure:
    """Return how far films lie behind the separate sound of their takes (`lag_ms`), over how alike both are.

    `table` is that of `Corpus.alignment`. Pairs without a lag are counted in the title of the axis.
    """
    known = table[table["lag_ms"].notna()]
    figure, axes = sheet(2.4)
    axes.plot(known["lag_ms"], known["correlation"], "o", color=PALETTE[0], ms=6, alpha=0.5, mew=0)
    if len(known):
        median = known["lag_ms"].median()
        axes.axvline(median, color=PALETTE[5], lw=1, label=f"median {median:.1f} ms")
        legend_above(figure, [axes.lines[-1]], ncols=1)
        around = max(5.0, 1.3 * float((known["lag_ms"] - median).abs().max()))
        axes.set_xlim(median - around, median + around)
    without = f"; {len(table) - len(known)} without a lag" * (len(known) < len(table))
    axes.set(xlabel=f"Film behind sound (ms), {len(known)} takes{without}", ylabel="Correlation")
    axes.set_ylim(-1.08 if (known["correlation"] < 0).any() else -0.03, 1.08)
    axes.grid()
    return finish(figure, title, note)
