"""The embedding explorer: two maps of one feature space, linked; point, click, lasso."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import ipywidgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from workbench import plots
from workbench.emotions import COLOURS, in_order
from workbench.errors import WorkbenchError, choose
from workbench.interact.assets import Pictured
from workbench.interact.player import ClipPlayer
from workbench.interact.pointing import Pointing
from workbench.interact.table import ClipTable
from workbench.interact.views import View, steps
from workbench.plots.material import PROJECTIONS
from workbench.plots.style import PALETTE

SHAPES = ("circle", "triangle-up", "square", "diamond", "cross", "star", "x", "pentagon")
BY = ("emotion", "speaker", "sex", "predicted")


class EmbeddingExplorer(Pictured, ipywidgets.VBox):
    """Maps of one feature space side by side; what is chosen in one is shown in the other.

    Parameters
    ----------
    clips : DataFrame
        A row a point: `clip` and any of `emotion, speaker, sex, predicted` to colour by, and columns to be listed.
    maps : mapping
        Where the points are, (n, 2) each, by the projection's name (`tsne`, `umap`, `pca`).
    table : DataFrame, optional
        The clip table, to play a clip that is clicked on.
    numbers : DataFrame, optional
        From `embedding.describe`, for the static picture.

    Attributes
    ----------
    by : ipywidgets.ToggleButtons
        What points are coloured by.
    chosen : ClipTable
        The clips in the lasso; `chosen.found`, `chosen.csv()`.
    player : ClipPlayer
        The clip last clicked on.
    pointing : Pointing
        What is clicked on and drawn around, told by the page.

    Raises
    ------
    WorkbenchError
        If a map has another number of points than there are clips, or there is none.
    """

    def __init__(
        self,
        clips: pd.DataFrame,
        maps: Mapping[str, np.ndarray],
        *,
        table: pd.DataFrame | None = None,
        numbers: pd.DataFrame | None = None,
    ):
        self.clips, self.numbers = clips.reset_index(drop=True), numbers
        self.maps = {choose("projection", name, PROJECTIONS): np.asarray(xy, float) for name, xy in maps.items()}
        shapes = {name: xy.shape for name, xy in self.maps.items()}
        if not shapes or set(shapes.values()) != {(len(clips), 2)}:
            raise WorkbenchError(f"expected maps of shape {(len(clips), 2)}, a point a clip, found {shapes or 'none'}")
        self.files = None if table is None else table.drop_duplicates("clip").set_index("clip", drop=False)
        names = [name for name in BY if name in clips and clips[name].astype(str).ne("").any()]
        self.by = ipywidgets.ToggleButtons(options=names, description="colour by", style={"button_width": "auto"})
        self.legend = ipywidgets.HTML()
        # The whole figure at once: what is changed before it is shown does not reach every page.
        self.figure = go.FigureWidget(self._drawn())
        self.figure._config = self.figure._config | {"displaylogo": False, "responsive": True}
        self.chosen = ClipTable(self.clips.iloc[:0], can_filter=False, name="clips_in_lasso.csv")
        self.player = ClipPlayer()
        self.pointing = Pointing(
            on_click=lambda place: self.play(str(self.clips["clip"].iloc[place])), on_lasso=self.choose
        )
        help_ = ipywidgets.HTML("<small>Point to read, click to play, draw a lasso around points to list them.</small>")
        super().__init__([self.by, self.legend, self.figure, self.pointing, help_, self.chosen, self.player])
        self.by.observe(lambda _: self._colour(), ["value"])
        self.chosen.observe(lambda change: self.play(change["new"]), ["selected"])

    def _drawn(self) -> go.Figure:
        """Return the maps with the points in their places and colours, and what is said of each."""
        shown = [name for name in ("clip", *BY, "text") if name in self.clips]
        words = self.clips[shown].astype(str).to_numpy()
        hover = "<br>".join(f"{name}: %{{customdata[{i}]}}" for i, name in enumerate(shown)) + "<extra></extra>"
        colours, symbols = self._looks()
        marker = {"size": 8, "color": colours, "symbol": symbols, "line": {"width": 0.4, "color": "white"}}
        look = {"mode": "markers", "marker": marker, "unselected": {"marker": {"opacity": 0.12}}}
        figure = _panels(list(self.maps))
        for column, (name, xy) in enumerate(self.maps.items(), start=1):
            points = go.Scatter(name=name, x=xy[:, 0], y=xy[:, 1], customdata=words, hovertemplate=hover, **look)
            figure.add_trace(points, row=1, col=column)
        return figure

    def _looks(self) -> tuple[list[str], list[str]]:
        """Return each point's colour and shape, and say in the legend what they mean."""
        values = self.clips[self.by.value].astype(str).tolist()
        looks = looks_of(values)
        self.legend.value = legend(looks)
        return [looks[value][0] for value in values], [looks[value][1] for value in values]

    def _colour(self) -> None:
        colours, symbols = self._looks()
        with self.figure.batch_update():
            for trace in self.figure.data:
                trace.marker.color, trace.marker.symbol = colours, symbols

    def play(self, clip: str) -> None:
        """Play a clip, if its files are at hand; the one that is shown already from its beginning."""
        if not clip:
            return
        if self.player.view is not None and self.player.view.clip["clip"] == clip:
            self.player.replay()
            return
        if self.files is None or clip not in self.files.index:
            row = self.clips[self.clips["clip"] == clip].iloc[0].to_dict()
            self.player.show(View(row, notes=("No recording of this clip is at hand.",)))
            return
        self.player.busy = f"Looking at {clip} …"
        try:
            for view in steps(self.files.loc[clip]):
                self.player.show(view, autoplay=True)
        except WorkbenchError as error:
            self.player.show(View(self.files.loc[clip].to_dict(), notes=(str(error),)))
        finally:
            self.player.busy = ""

    def choose(self, places: list[int]) -> None:
        """List the clips at these positions, and let them stand out in every map; none lets all stand out."""
        with self.figure.batch_update():
            for trace in self.figure.data:
                trace.selectedpoints = places or None
        self.chosen.show(self.clips.iloc[places])

    def picture(self):
        """Return the first map as a figure, coloured by emotion and by speaker."""
        name, xy = next(iter(self.maps.items()))
        table = self.clips.assign(x=xy[:, 0], y=xy[:, 1])
        by = [label for label in ("emotion", "speaker") if label in table]
        return plots.scatter(table, by=by, method=name, numbers=self.numbers)


def _panels(names: list[str]) -> go.Figure:
    """Return a figure with an empty panel for each map."""
    titles = [PROJECTIONS[name] for name in names]
    figure = make_subplots(cols=len(names), horizontal_spacing=0.04)
    bare = {"showticklabels": False, "showgrid": False, "zeroline": False, "showline": True, "mirror": True}
    for column, title in enumerate(titles, start=1):
        place = {"linecolor": "#bbbbbb", "row": 1, "col": column, "title_standoff": 4}
        figure.update_xaxes(title_text=f"{title} 1", **bare, **place)
        figure.update_yaxes(title_text=f"{title} 2", **bare, **place)
    margin = {"l": 30, "r": 10, "t": 28, "b": 34}
    figure.update_layout(dragmode="lasso", clickanywhere=True, height=430, margin=margin, template="plotly_white")
    figure.update_layout(autosize=True, showlegend=False, font={"family": "sans-serif", "size": 12, "color": "#222222"})
    return figure


def looks_of(values: list[str]) -> dict[str, tuple[str, str]]:
    """Return a colour and a shape for each value: the emotion's own, or eight colours times eight shapes."""
    known = [value for value in values if value in COLOURS]
    if len(known) == len(values):
        return {value: (COLOURS[value], SHAPES[0]) for value in in_order(values)}
    n = len(PALETTE)
    every = sorted(set(values))
    return {value: (PALETTE[i % n], SHAPES[i // n % len(SHAPES)]) for i, value in enumerate(every)}


MARKS = dict(zip(SHAPES, "●▲■◆✚★✖⬟", strict=True))


def legend(looks: Mapping[str, tuple[str, str]], most: int = 32) -> str:
    """Return what the colours and shapes mean, as HTML."""
    mark = '<span style="white-space:nowrap"><span style="color:{}">{}</span> {}</span>'
    shown = [mark.format(colour, MARKS[shape], escape(value)) for value, (colour, shape) in list(looks.items())[:most]]
    more = f" and {len(looks) - most} more" if len(looks) > most else ""
    return f'<div style="display:flex;flex-wrap:wrap;gap:2px 14px;line-height:1.4">{"".join(shown)}{more}</div>'
