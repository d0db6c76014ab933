"""Trainings watched while they run: curves, speed, time left, several compared, and what looks wrong, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

import ipywidgets as W
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from workbench import plots
from workbench.interact import watching
from workbench.interact.copybox import CopyBox
from workbench.interact.ticking import every_second
from workbench.plots.style import FAINT, INK, PALETTE
from workbench.studies import under_way

COMPARED = 6  # runs shown unless others are chosen
PANELS = (("loss", "Cross-entropy (nats)", 1), ("accuracy", "Accuracy (%)", 100))
SIDES = "<small>solid: inner validation clips, which choose the epoch that is kept; dotted: training clips</small>"
CELL = "padding:1px 10px 1px 0;text-align:{};white-space:nowrap"


class Monitor(W.VBox):
    """Watches the runs of a study, under way or done, by what their folders say; several can be compared.

    Parameters
    ----------
    study : str, optional
        By default the one that was last at work.
    """

    def __init__(self, study: str = ""):
        self.study, self.watched, self.process, self.figure = "", [], None, None
        self.known: dict[str, watching.Watched] = {}
        self.says, self.rows, self.warnings = (W.HTML(layout=W.Layout(width="100%")) for _ in range(3))
        self.chosen = W.SelectMultiple(
            description="compare", rows=5, layout=W.Layout(width="420px"), tooltip="Several with Ctrl or Shift"
        )
        self.others = W.SelectMultiple(
            description="and runs of", rows=5, layout=W.Layout(width="380px"), tooltip="Several with Ctrl or Shift"
        )
        self.tensorboard = CopyBox(title="The same curves in TensorBoard, where its events were left (--tensorboard)")
        self.tensorboard.on_seen(self.awake)
        self.place = W.VBox(layout=W.Layout(display="none"))
        self.pickers = W.HBox([self.chosen, self.others], layout=W.Layout(flex_flow="row wrap"))
        super().__init__([self.says, self.place, self.warnings, self.rows, self.pickers, self.tensorboard])
        self.chosen.observe(lambda _: self._draw(), "value")
        self.others.observe(lambda _: self.refresh(), "value")
        self.watch(study or next(iter(watching.names()), ""))

    def watch(self, study: str) -> None:
        """Watch the runs of another study."""
        self.study = study
        self.others.value = ()
        self.refresh()

    def awake(self) -> None:
        """Begin to look every second, and to draw; a page that shows the monitor does that."""
        if self.figure is None:
            self.figure = _figure()
            self.place.children = [self.figure, W.HTML(SIDES)]
            self.ticking = every_second(self, "refresh")
        self._draw()

    def refresh(self) -> None:
        """Look at the run folders again."""
        self.process = under_way.latest(self.study) if self.study else None
        self.watched = watching.look(self.study, self.process) if self.study else []
        compared = [one for name in self.others.value for one in watching.look(name, under_way.latest(name))]
        known = {one.name: one for one in [*self.watched, *compared] if one.epochs}
        options = tuple((_named(one, self.study), name) for name, one in known.items())
        if options != self.chosen.options:
            kept = tuple(name for name in self.chosen.value if name in known)
            self.chosen.options = options
            self.chosen.value = kept
        others = tuple(name for name in watching.names() if name != self.study)
        if others != self.others.options:
            kept = tuple(name for name in self.others.value if name in others)
            self.others.options = others
            self.others.value = kept
        self.pickers.layout.display = "" if options or others else "none"
        self.known = known
        self._draw()

    def shown(self) -> dict[str, watching.Watched]:
        """Return the runs that are drawn, by what they are called: those chosen, by default the latest few."""
        latest = [name for name, one in self.known.items() if len(one.history)][:COMPARED]
        names = self.chosen.value or sorted(latest)
        return {_named(self.known[name], self.study): self.known[name] for name in names if name in self.known}

    def picture(self) -> Figure | None:
        """Return the curves as a figure that needs no page, None where nothing has been trained yet."""
        histories = {name: one.history for name, one in self.shown().items() if len(one.history)}
        few = dict(list(histories.items())[: len(PALETTE)])
        return plots.compare_learning(few, title=f"Study {self.study}") if few else None

    def troubles(self) -> dict[str, list[str]]:
        """Return what looks wrong with the study's runs, by run; those without troubles are left out."""
        found = {_named(one, self.study): one.troubles() for one in self.watched}
        return {name: words for name, words in found.items() if words}

    def _draw(self) -> None:
        self.tensorboard.text = watching.tensorboard(self.study) if self.study else ""
        self.says.value = _headline(self.study, self.process, self.watched)
        self.rows.value = _rows(watching.table(self.watched))
        self.warnings.value = _warnings(self.troubles())
        if self.figure is not None:
            histories = {name: one.history for name, one in self.shown().items() if len(one.history)}
            self.place.layout.display = "" if histories else "none"
            _update(self.figure, histories)


def _named(one: watching.Watched, study: str) -> str:
    """Return what a run is called beside those of a study."""
    return one.label if one.folder.parts[-3] == study else f"{one.folder.parts[-3]}: {one.label}"


def _figure():
    """Return the live figure without curves: loss, accuracy, learning rate."""
    from plotly import graph_objects as go
    from plotly.subplots import make_subplots

    axes = make_subplots(rows=1, cols=3, column_widths=[0.4, 0.4, 0.2], horizontal_spacing=0.1)
    figure = go.FigureWidget(axes)
    figure._config = {"responsive": True, "displaylogo": False}
    figure.update_layout(
        height=340,
        autosize=True,
        margin={"l": 50, "r": 10, "t": 10, "b": 40},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        paper_bgcolor="white",
        plot_bgcolor="white",
        font={"size": 11, "color": INK},
        hovermode="x",
    )
    style = {"gridcolor": "#dddddd", "linecolor": FAINT, "rangemode": "tozero"}
    figure.update_xaxes(title_text="Epoch", **style)
    for column, unit in enumerate((*(unit for _, unit, _ in PANELS), "Learning rate"), start=1):
        figure.update_yaxes(title_text=unit, title_standoff=4, row=1, col=column, **style)
    figure.update_yaxes(range=[0, 102], row=1, col=2)
    figure.update_yaxes(exponentformat="e", showexponent="all", row=1, col=3)
    return figure


def _update(figure, histories: Mapping[str, pd.DataFrame]) -> None:
    """Draw the curves of the histories; what is drawn already stays, and grows."""
    curves = [
        curve for number, (name, history) in enumerate(histories.items()) for curve in _curves(number, name, history)
    ]
    columns = [curve.pop("column") for curve in curves]
    known = {trace.meta: trace for trace in figure.data}
    with figure.batch_update():
        if [curve["meta"] for curve in curves] != list(known):
            figure.data = ()
            figure.add_traces(curves, rows=[1] * len(curves), cols=columns)
            return
        for curve in curves:
            trace = known[curve["meta"]]
            if not (np.array_equal(curve["x"], trace.x) and np.array_equal(curve["y"], trace.y, equal_nan=True)):
                trace.update(x=curve["x"], y=curve["y"], mode=curve["mode"])


def _curves(number: int, name: str, history: pd.DataFrame) -> list[dict]:
    """Return a run's curves: training dotted, inner validation solid, the learning rate."""
    colour, found = PALETTE[number % len(PALETTE)], []
    mode = "lines+markers" if len(history) < 3 else "lines"
    look = {"type": "scatter", "x": history["epoch"].to_numpy(), "mode": mode, "legendgroup": name, "name": name}
    for column, (measure, _, scale) in enumerate(PANELS, start=1):
        for side, dash in (("train", "dot"), ("validation", "solid")):
            words = {"train": "training clips", "validation": "inner validation clips"}[side]
            found.append(
                {
                    **look,
                    "column": column,
                    "meta": f"{name} {side} {measure}",
                    "y": (scale * history[f"{side}_{measure}"]).to_numpy(),
                    "line": {"color": colour, "dash": dash, "width": 2 if side == "validation" else 1.5},
                    "showlegend": column == 1 and side == "validation",
                    "hovertemplate": f"%{{y:.3g}} {escape(name)}, {words}<extra></extra>",
                }
            )
    rate = {"y": history["learning_rate"].to_numpy(), "line": {"color": colour, "width": 1.5}, "showlegend": False}
    return [*found, {**look, **rate, "column": 3, "meta": f"{name} rate", "hovertemplate": "%{y:.3g}<extra></extra>"}]


def span(seconds: float) -> str:
    """Return a time in words: ``40 s``, ``3 min 20 s``, ``2 h 5 min``; '' where it is not known."""
    if not np.isfinite(seconds):
        return ""
    minutes, seconds = divmod(round(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def _headline(study: str, process: dict | None, watched: Sequence[watching.Watched]) -> str:
    """Return the state of a study in one line: how many runs are done, how fast, how long still."""
    if not study:
        return "<i>Nothing has been trained yet.</i>"
    live = process is not None and process["state"] in under_way.LIVE
    asked = process.get("runs") if process else [one.name for one in watched]
    parts = [f"<b>{escape(study)}</b>", escape(process["state"] if process else "made before")]
    if asked is not None:
        done = sum(one.state == "finished" for one in watched if one.name in set(asked))
        parts.append(f"{done} of {len(asked)} runs finished")
    elif live:
        n, of = process.get("preparing", (0, 0))
        parts.append(f"preparing clips: {n:,} of {of:,}" if of else "is about to begin")
    if live:
        speeds = [one.clips_per_second for one in watched if one.state == "running"]
        speed = sum(one for one in speeds if np.isfinite(one))
        parts += [f"{speed:,.0f} clips/s"] if speed else []
        left = span(watching.seconds_left(watched, process))
        parts += [f"{left} left at most"] if left else []
    reason = process.get("reason") if process else ""
    return " · ".join(parts) + (f'<br><span style="color:#c1121f">{escape(reason)}</span>' if reason else "")


def _rows(table: pd.DataFrame) -> str:
    """Return the table of runs."""
    if table.empty:
        return ""
    heads = {"run": "left", "state": "left", "epoch": "right", "clips/s": "right", "left at most": "right",
             "kept: loss": "right", "accuracy": "right"}  # fmt: skip
    cells = [
        [
            row.run,
            row.state,
            f"{row.epoch} of {row.epochs}" if row.epochs else "",
            f"{row.clips_per_second:,.0f}" if np.isfinite(row.clips_per_second) else "",
            span(row.seconds_left) if row.state == "running" else "",
            f"{row.validation_loss:.3f}" if np.isfinite(row.validation_loss) else "",
            f"{100 * row.validation_accuracy:.1f} %" if np.isfinite(row.validation_accuracy) else "",
        ]
        for row in table.head(40).itertuples()
    ]
    lines = [_line("th", heads, heads.values()), *(_line("td", row, heads.values()) for row in cells)]
    more = f"<p>and {len(table) - 40} more</p>" if len(table) > 40 else ""
    return f'<table style="font-size:12px;line-height:1.5">{"".join(lines)}</table>{more}'


def _line(tag: str, cells: Iterable[str], sides: Iterable[str]) -> str:
    """Return a row of a table."""
    styled = zip(cells, sides, strict=True)
    return "<tr>" + "".join(f'<{tag} style="{CELL.format(side)}">{escape(c)}</{tag}>' for c, side in styled) + "</tr>"


def _warnings(troubles: Mapping[str, Sequence[str]]) -> str:
    """Return the troubles, a line each."""
    lines = [f"<b>{escape(run)}</b>: {escape(words)}" for run, found in troubles.items() for words in found]
    style = "border-left:4px solid #d55e00;padding:2px 10px;line-height:1.45"
    return f'<div style="{style}">{"<br>".join(lines)}</div>' if lines else ""


__all__ = ["Monitor", "span"]
