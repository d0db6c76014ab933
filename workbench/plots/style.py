"""One look for every figure: a page's width, small sans type, colours that everybody can tell apart."""

from __future__ import annotations

import io
import os
import textwrap
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

DPI = 200  # of saved pictures
WIDTH = 6.3  # inches: the text of an A4 page with 2.5 cm margins
STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same letters on every machine
    "font.size": 8.5,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8.5,
    "figure.titlesize": 9.5,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.4,
    "hatch.linewidth": 0.5,
    "pdf.fonttype": 42,  # real letters in the PDF, that can be searched and edited
    "figure.constrained_layout.use": True,
}
styled = matplotlib.rc_context(STYLE)

# Okabe & Ito's colours, which the colour-blind tell apart; for anything that is not an emotion.
PALETTE = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#999999", "#000000")
INK, FAINT = "#222222", "#666666"


class Sheet(Figure):
    """A figure that a notebook shows by itself, without pyplot and its list of open figures."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        with matplotlib.rc_context(STYLE):
            self.savefig(buffer, format="png", dpi=120)
        return buffer.getvalue()


def sheet(height: float, **grid):
    """Return a figure of the page's width and `height` inches, and its axes, as `Figure.subplots` does.

    It is laid out at the resolution it is saved with: at a lower one, letters are a tenth narrower.
    """
    figure = Sheet(figsize=(WIDTH, height), dpi=DPI)
    return figure, figure.subplots(**grid)


def legend_above(figure: Figure, handles, *, ncols: int) -> None:
    """Put the legend above all panels, left-aligned; `finish` writes the title over it."""
    figure.legend(handles=handles, loc="outside upper left", ncols=ncols, alignment="left")


def finish(figure: Figure, title: str, note: str) -> Figure:
    """Write the title above and the note below, left-aligned, and lay the figure out once and for all.

    Drawn here, while the style holds (twice, for ticks change with the layout), and then fixed: each later
    layout would move things by a hair. Tick labels get their size outright, or matplotlib would choose other
    ticks once the style is gone.
    """
    if title and figure.legends:
        figure.legends[0].set_title(title, {"size": STYLE["figure.titlesize"]})
    elif title:
        figure.suptitle(title, x=0.01, ha="left")
    if note:
        figure.supxlabel(textwrap.fill(note, 115), x=0.01, ha="left", fontsize=7, color=FAINT)
    for axes in figure.axes:
        axes.tick_params(labelsize=STYLE["xtick.labelsize"])
    for _ in range(2):
        figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return figure


def save(figure: Figure, name: str, data: pd.DataFrame, *, folder: str | Path) -> list[Path]:
    """Write `name`.pdf (vector), .png (`DPI`) and .csv (the data shown) into `folder`; return the paths.

    Each is written beside its place and then moved there: a broken-off call leaves the old file whole.
    The same figure and data give the same bytes.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    index = not isinstance(data.index, pd.RangeIndex)
    writers = {
        "pdf": lambda part: figure.savefig(part, format="pdf", metadata={"CreationDate": None}),
        "png": lambda part: figure.savefig(part, format="png", dpi=DPI, metadata={"Software": None}),
        "csv": lambda part: data.to_csv(part, index=index, float_format="%.6g", lineterminator="\n"),
    }
    written = []
    for suffix, write in writers.items():
        path, part = folder / f"{name}.{suffix}", folder / f".{name}.{suffix}.{os.getpid()}.part"
        try:
            with matplotlib.rc_context(STYLE):
                write(part)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
        written.append(path)
    return written
