"""Figures of a long recording: emotions over time, shares, transitions, reactions at a lag."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from workbench.emotions import COLOURS, in_order
from workbench.plots.style import FAINT, INK, PALETTE, finish, legend_above, sheet, styled

POINTS = 400  # windows along the page's width; of longer recordings, neighbours are averaged
UNDECIDED = "undecided"


@styled
def emotions_over_time(
    subjects: Mapping[str, pd.DataFrame],
    voice: pd.DataFrame,
    *,
    seconds: float,
    step: float,
    cuts: Sequence[float] = (),
    marks: pd.DataFrame | None = None,
    title: str = "",
    note: str = "",
) -> Figure:
    """Return the probabilities of each subject over time, what is named above them, and where a voice is heard.

    Parameters
    ----------
    subjects : mapping of name to DataFrame
        Windows in time: ``start, end, emotion, probability, decided, p_<emotion>...``; where there are none, nothing is
        drawn. The stretch from one window's middle to the next, `step` s, is drawn in the colour of the window.
    voice : DataFrame
        ``start, end`` in s of each stretch with a voice.
    seconds, step : float
        Length of the recording; from window to window.
    cuts : sequence of float
        Moments of cuts, s.
    marks : DataFrame, optional
        ``at, subject``: moments to mark by their numbers, from 1.
    """
    heights = [0.12] + [0.12, 1.0] * len(subjects)
    figure, panels = sheet(1.25 + 1.15 * len(subjects), nrows=len(heights), sharex=True, height_ratios=heights)
    panels = np.atleast_1d(panels)
    _voice(panels[0], voice)
    panels[0].vlines(cuts, -0.5, 1.5, color=INK, linewidth=0.8, clip_on=False)
    panels[-1].set(xlim=(0, seconds), xlabel="time (min:s)" if seconds < 3600 else "time (h:min:s)")
    names = []
    for number, (name, series) in enumerate(subjects.items()):
        strip, axes = panels[2 * number + 1 : 2 * number + 3]
        names += [column.removeprefix("p_") for column in series if column.startswith("p_")]
        _strip(strip, series, step)
        _stack(axes, _thinned(series, step), name)
        if marks is not None:
            _marks(axes, marks, name)
    panels[-1].xaxis.set_major_locator(
        MaxNLocator(9, integer=True, steps=[1, 1.5, 3, 6, 10] if seconds >= 60 else [1, 2, 5, 10])
    )
    panels[-1].xaxis.set_major_formatter(FuncFormatter(_long_clock if seconds >= 3600 else _clock))
    handles = [Patch(color=COLOURS[name], label=name) for name in in_order(names)]
    handles.append(Patch(facecolor="white", edgecolor=FAINT, hatch="/////", linewidth=0.4, label=UNDECIDED))
    handles.append(Patch(color=FAINT, label="a voice is heard"))
    legend_above(figure, handles, ncols=5)
    return finish(figure, title, note)


def _clock(second: float, _=None) -> str:
    return f"{round(second) // 60}:{round(second) % 60:02d}"


def _long_clock(second: float, _=None) -> str:
    return f"{round(second) // 3600}:{round(second) // 60 % 60:02d}:{round(second) % 60:02d}"


def _voice(axes, voice: pd.DataFrame) -> None:
    spans = list(zip(voice["start"], voice["end"] - voice["start"], strict=True))
    axes.broken_barh(spans, (0, 1), color=FAINT, linewidth=0)
    axes.set(ylim=(0, 1), yticks=[])
    axes.set_ylabel("voice, cuts", rotation=0, ha="right", va="center", labelpad=4)
    _bare(axes)


def _strip(axes, series: pd.DataFrame, step: float) -> None:
    """Draw what is named, pale where it is unsure, hatched where it is undecided."""
    spans, many = _spans(series, step), len(series) > POINTS
    sure = series["decided"].to_numpy()
    faint = (1.25 * series["probability"] - 0.25).clip(0.25, 1)
    colours = [to_rgba(COLOURS[name], alpha) for name, alpha in zip(series["emotion"], faint, strict=True)]
    colours = [colour for colour, named in zip(colours, sure, strict=True) if named]
    axes.broken_barh(spans[sure], (0, 1), facecolors=colours, linewidth=0, rasterized=many)
    hatched = {"facecolor": "white", "edgecolor": "#aaaaaa", "hatch": "//////", "linewidth": 0}
    axes.broken_barh(spans[~sure], (0, 1), **hatched, rasterized=many)
    axes.set(ylim=(0, 1), yticks=[])
    axes.set_ylabel("named", rotation=0, ha="right", va="center", labelpad=4)
    _bare(axes)


def _length(series: pd.DataFrame) -> float:
    """Return how long a window is, s; the last one may be cut short."""
    return (series["end"] - series["start"]).max()


def _spans(series: pd.DataFrame, step: float) -> np.ndarray:
    """Return (left, width) in s of each window's part of the axis, (n, 2): `step` around its middle, or up to a gap."""
    if series.empty:
        return np.empty((0, 2))
    begin, end = (series[name].to_numpy(float) for name in ("start", "end"))
    left = begin + (_length(series) - step) / 2
    right = left + step
    gap = np.concatenate([[True], np.diff(begin) > 1.5 * step, [True]])
    left, right = np.where(gap[:-1], begin, left), np.where(gap[1:], end, right)
    return np.column_stack([left, right - left])


def _bare(axes) -> None:
    for side in axes.spines.values():
        side.set_visible(False)
    axes.tick_params(bottom=False)


def _thinned(series: pd.DataFrame, step: float) -> pd.DataFrame:
    """Return the windows with `middle`, `begin`, `until`, `step`; of more than `POINTS`, neighbours are averaged."""
    together = max(1, -(-len(series) // POINTS))
    means = dict.fromkeys(["middle", *(name for name in series if name.startswith("p_"))], "mean")
    middles = series.assign(middle=series["start"] + _length(series) / 2, begin=series["start"], until=series["end"])
    found = middles.groupby(middles["middle"] // (together * step)).agg({**means, "begin": "min", "until": "max"})
    return found.assign(step=together * step)


def _stack(axes, points: pd.DataFrame, name: str) -> None:
    """Draw the probabilities over each other, with gaps where there is no window."""
    emotions = in_order(column.removeprefix("p_") for column in points if column.startswith("p_"))
    if len(points):
        broken = np.flatnonzero(np.diff(points["middle"]) > 1.5 * points["step"].iloc[0]) + 1
        for piece in np.split(np.arange(len(points)), broken):
            rows = points.iloc[piece]
            x = np.concatenate([rows["begin"].iloc[:1], rows["middle"], rows["until"].iloc[-1:]])
            y = rows[[f"p_{emotion}" for emotion in emotions]].to_numpy().T
            y = np.column_stack([y[:, 0], y, y[:, -1]])
            axes.stackplot(x, y, colors=[COLOURS[emotion] for emotion in emotions], linewidth=0)
    axes.set(ylim=(0, 1), yticks=[0, 0.5, 1])
    axes.set_ylabel(f"{name}\nprobability")


def _marks(axes, marks: pd.DataFrame, name: str) -> None:
    """Number the moments of a subject on top of its panel."""
    for number, mark in enumerate(marks.itertuples(), 1):
        if mark.subject == name:
            right = axes.get_xlim()[1]
            axes.axvline(mark.at, color=INK, linewidth=0.6)
            box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": INK, "linewidth": 0.4}
            at = min(max(mark.at, 0.01 * right), 0.99 * right)
            axes.text(at, 0.9 - 0.17 * (number % 3), f"{number}", fontsize=6, ha="center", va="center", bbox=box)


@styled
def emotion_shares(shares: Mapping[str, pd.DataFrame], *, title: str = "", note: str = "") -> Figure:
    """Return the share of the windows by emotion named, of each subject, with intervals.

    Parameters
    ----------
    shares : mapping of subject to DataFrame
        ``emotion, share, low, high``, `undecided` among the emotions.
    """
    rows = len(next(iter(shares.values())))
    columns = min(3, len(shares))
    lines = -(-len(shares) // columns)
    height = 0.6 + (0.35 + 0.19 * rows) * lines
    figure, panels = sheet(height, nrows=lines, ncols=columns, sharex=True, sharey=True, squeeze=False)
    for axes, (name, table) in zip(panels.flat, shares.items(), strict=False):
        y = np.arange(len(table))[::-1]
        colours = [COLOURS.get(emotion, "white") for emotion in table["emotion"]]
        axes.barh(y, 100 * table["share"], color=colours, edgecolor=[*["none"] * (len(table) - 1), FAINT], height=0.75)
        axes.patches[-1].set(hatch="/////", linewidth=0.4)
        known = table["low"].notna().to_numpy()
        away = np.abs(table.loc[known, ["low", "high"]].sub(table.loc[known, "share"], axis=0)).T.to_numpy()
        style = {"fmt": "none", "ecolor": INK, "elinewidth": 0.9, "capsize": 2}
        axes.errorbar(100 * table.loc[known, "share"], y[known], xerr=100 * away, **style)
        axes.set_title(name, loc="left")
        axes.set_yticks(y, table["emotion"])
        axes.set(xlim=(0, 100), xlabel="share of windows (%)")
        axes.grid(axis="x")
    for axes in list(panels.flat)[len(shares) :]:
        axes.set_visible(False)
    return finish(figure, title, note)


@styled
def reactions(tables: Mapping[tuple[str, str], pd.DataFrame], *, title: str = "", note: str = "") -> Figure:
    """Return, for each pair of persons, the correlation at each lag, and the band that chance keeps to.

    Parameters
    ----------
    tables : mapping of (first, second) to DataFrame
        ``lag`` in s (positive: the second comes later), ``r``, ``chance``.
    """
    figure, panels = sheet(0.5 + 1.7 * len(tables), nrows=len(tables), squeeze=False)
    for axes, ((first, second), table) in zip(panels.flat, tables.items(), strict=True):
        axes.fill_between(table["lag"], -table["chance"], table["chance"], color="#dddddd", label="95% of chance")
        axes.axhline(0, color=FAINT, linewidth=0.6)
        axes.axvline(0, color=FAINT, linewidth=0.6, linestyle=":")
        axes.plot(table["lag"], table["r"], color=PALETTE[0], marker="o", markersize=3, label=f"{first} and {second}")
        most = max(0.3, 1.15 * np.nanmax([table["r"].abs().max(), table["chance"].max()]))
        axes.set(ylim=(-most, most), ylabel="correlation", xlim=(table["lag"].min(), table["lag"].max()))
        axes.set_xlabel(f"lag (s): left, {first} comes after {second}; right, {second} comes after {first}")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0)
    return finish(figure, title, note)
