"""Figures of one clip on one time axis, and of what was answered about it and why."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from workbench.emotions import COLOURS
from workbench.geometry import ACTION_UNITS
from workbench.plots.faces import REGIONS
from workbench.plots.material import mel_axis
from workbench.plots.style import FAINT, INK, PALETTE, finish, sheet, styled

EMPTY, NOTHING = pd.DataFrame(), pd.Series(dtype=float)
WARM, COLD = "#b2182b", "#2166ac"  # speaks for the emotion, speaks against it: the ends of the colour scale


@styled
def clip_over_time(
    *,
    frames: np.ndarray | None = None,
    times: np.ndarray | None = None,
    landmarks: np.ndarray | None = None,
    waveform: np.ndarray | None = None,
    sample_rate: int = 16000,
    action_units: pd.DataFrame = EMPTY,
    probabilities: pd.DataFrame = EMPTY,
    title: str = "",
    note: str = "",
) -> Figure:
    """Return a clip on one time axis: some of its pictures, the sound, the face's movement, what a run says.

    Tables of a single moment, as of a still picture, are drawn as bars.

    Parameters
    ----------
    frames : (t, h, w, 3) uint8, optional
        A few pictures, shown in a row at `times` (t,) s, with their `landmarks` (t, 68, 2), pixels.
    waveform : (n,) float32, optional
        Shown with its mel spectrogram.
    action_units : DataFrame, optional
        Index time in s, a column a unit.
    probabilities : DataFrame, optional
        Index time in s, a column `p_<emotion>` each, 0..1.
    """
    rows = {
        "frames": 1.3 * (frames is not None),
        "wave": 0.7 * (waveform is not None),
        "mel": 1.1 * (waveform is not None),
        "units": 1.2 * (not action_units.empty),
        "said": 1.3 * (not probabilities.empty),
    }
    heights = [height for height in rows.values() if height]
    figure, panels = sheet(0.9 + 1.15 * sum(heights), nrows=len(heights), squeeze=False, height_ratios=heights)
    axes = dict(zip([name for name, height in rows.items() if height], panels[:, 0], strict=True))
    end = _end(waveform, sample_rate, times, action_units, probabilities)
    if waveform is not None:
        _wave(axes["wave"], waveform, sample_rate)
        mel_axis(axes["mel"], waveform, sample_rate)
        axes["mel"].set_ylabel("Frequency\n(Hz, mel scale)")
    if not action_units.empty:
        _drawn(axes["units"], action_units, dict(zip(action_units, PALETTE, strict=False)), ACTION_UNITS)
        _called(axes["units"], "Action units\n(model's units)", action_units)
    if not probabilities.empty:
        names = {column: column.removeprefix("p_") for column in probabilities}
        _drawn(axes["said"], 100 * probabilities, {c: COLOURS[n] for c, n in names.items()}, names)
        _called(axes["said"], "Probability\n(%)", probabilities, (0, 100))
    still = {name for name, table in (("units", action_units), ("said", probabilities)) if len(table) == 1}
    timed = [axis for name, axis in axes.items() if name not in {"frames", *still}]
    for axis in timed:
        axis.set_xlim(0, end)
        axis.tick_params(labelbottom=axis is timed[-1])
    if timed:
        timed[-1].set_xlabel("Time (s)")
        figure.align_ylabels(timed)
    if frames is not None:
        _strip(axes["frames"], frames, times, landmarks)
    return finish(figure, title, note)


def _end(waveform, sample_rate, times, *tables) -> float:
    """Return where the time axis ends, s."""
    ends = [table.index.max() for table in tables if not table.empty]
    ends += [len(waveform) / sample_rate] if waveform is not None else []
    return float(max([*ends, *([] if times is None else times), 0.1]))


def _wave(axes, waveform: np.ndarray, sample_rate: int) -> None:
    peak = max(float(np.abs(waveform).max()), 1e-3)
    axes.plot(np.arange(len(waveform)) / sample_rate, waveform, color=PALETTE[0], lw=0.4)
    axes.set(ylabel="Amplitude", ylim=(-1.08 * peak, 1.08 * peak))


def _called(axes, label: str, table: pd.DataFrame, limits: tuple[float, float] | None = None) -> None:
    """Name the axis of the values, and say where it ends."""
    along = "x" if len(table) == 1 else "y"
    axes.set(**{f"{along}label": label.replace("\n", " ") if along == "x" else label})
    if limits:
        axes.set(**{f"{along}lim": limits})


def _drawn(axes, table: pd.DataFrame, colours: dict, names: dict) -> None:
    """Draw a table's columns over time; of a single moment, as bars."""
    if len(table) == 1:
        axes.barh([names[column] for column in colours], table.iloc[0][list(colours)], color=list(colours.values()))
        axes.invert_yaxis()
        axes.tick_params(axis="y", labelsize=6)
        return
    for column, colour in colours.items():
        axes.plot(table.index, table[column], color=colour, lw=1.1, label=names[column])
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.05), fontsize=6.5, handlelength=1.2, labelspacing=0.15)
    axes.grid(axis="y")


def _strip(axes, frames: np.ndarray, times, landmarks) -> None:
    """Draw pictures side by side, with the face's strokes."""
    n, height, width = frames.shape[:3]
    axes.imshow(np.concatenate(list(frames), axis=1), interpolation="antialiased")
    axes.set(xticks=[(i + 0.5) * width for i in range(n)], yticks=[])
    axes.set_xticklabels([f"{time:.2f} s" for time in times] if times is not None else [], color=FAINT)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for i, points in enumerate(landmarks if landmarks is not None else ()):
        for colour, strokes in REGIONS.values():
            for first, last, closed in strokes:
                stroke = points[[*range(first, last + 1), *[first] * closed]]
                axes.plot(stroke[:, 0] + i * width, stroke[:, 1], color=colour, lw=0.6)
    axes.set(xlim=(-0.5, n * width - 0.5), ylim=(height - 0.5, -0.5))


@styled
def answers(table: pd.DataFrame, *, title: str = "", note: str = "") -> Figure:
    """Return what was answered about one recording, a panel for each modality and one for all together.

    Parameters
    ----------
    table : DataFrame
        `part` (what the panel is called), `emotion`, `probability` in 0..1, NaN where a part had nothing to go by.
    """
    parts = list(dict.fromkeys(table["part"]))
    emotions = list(dict.fromkeys(table["emotion"]))
    figure, panels = sheet(1.0 + 0.21 * len(emotions), ncols=len(parts), sharey=True, squeeze=False)
    for axes, part in zip(panels[0], parts, strict=True):
        mine = table[table["part"] == part].set_index("emotion")["probability"].reindex(emotions)
        axes.barh(range(len(emotions)), 100 * mine.fillna(0), color=[COLOURS[name] for name in emotions], height=0.75)
        for row, value in enumerate(mine):
            if not np.isnan(value):
                axes.text(100 * value + 1.5, row, f"{100 * value:.0f}", va="center", fontsize=7, color=INK)
        if mine.isna().all():
            axes.text(50, (len(emotions) - 1) / 2, "nothing\nto go by", ha="center", va="center", color=FAINT)
        axes.set(xlim=(0, 112), xticks=[0, 50, 100], yticks=range(len(emotions)), xlabel="Probability (%)")
        axes.set_yticklabels(emotions)
        axes.set_title(part, loc="left")
    panels[0, 0].invert_yaxis()
    return finish(figure, title, note)


def _limit(drops: Sequence[np.ndarray]) -> float:
    """Return the end of a colour scale that is the same on both sides of 0, in percentage points."""
    return max(100 * max((float(np.abs(drop).max()) for drop in drops), default=0.0), 0.1)


@styled
def heat_maps(
    emotion: str,
    *,
    frames: np.ndarray | None = None,
    faces: np.ndarray | None = None,
    over_time: Sequence[tuple[str, np.ndarray, np.ndarray, float]] = (),
    others: pd.Series = NOTHING,
    title: str = "",
    note: str = "",
) -> Figure:
    """Return where covering a recording lowers the probability of an emotion (red) or raises it (blue).

    Costs are differences of probabilities, -1..1; they are shown in percentage points, on one scale.

    Parameters
    ----------
    frames : (t, h, w, 3) uint8, optional
        Pictures, one a part of time, with what covering their parts costs, `faces` (t, rows, columns).
    over_time : sequence of (name, array (t, D) or (t,), drop (times, bands) or (times,), step)
        What else the model is given, drawn in grey, with what covering its parts costs; `step` is the time in s from
        one of its t steps to the next, 0 where the steps are pictures.
    others : Series, optional
        What taking away each named value costs; the ten that count most are shown.
    """
    shown = [x for x in (faces, *(drop for _, _, drop, _ in over_time)) if x is not None]
    limit = _limit([*shown, *([others.to_numpy()] if len(others) else [])])
    heights = [1.25] * (faces is not None) + [1.5] * len(over_time) + [1.6] * bool(len(others))
    figure, panels = sheet(0.8 + 1.1 * sum(heights), nrows=len(heights), squeeze=False, height_ratios=heights)
    left, style, image = list(panels[:, 0]), {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}, None
    if faces is not None:
        image = _hot_faces(left.pop(0), frames, 100 * faces, style)
    for name, array, drop, step in over_time:
        image = _hot_steps(left.pop(0), array, 100 * drop, (name, step), style)
    if len(others):
        _hot_values(left.pop(0), 100 * others)
    if image is not None:
        label = f"Points of p({emotion})\nlost when covered"
        figure.colorbar(image, ax=panels[:, 0].tolist(), label=label, pad=0.015, aspect=30).outline.set_visible(False)
    return finish(figure, title, note)


def _hot_values(axes, drop: pd.Series) -> None:
    """Draw what taking away each of the ten values that count most costs."""
    most = drop.reindex(drop.abs().sort_values(ascending=False).index)[:10][::-1]
    colours = [WARM if value > 0 else COLD for value in most]
    axes.barh(range(len(most)), most, color=colours, height=0.7)
    axes.axvline(0, color=INK, lw=0.6)
    axes.set(yticks=range(len(most)), xlabel="Percentage points lost without it")
    axes.set_yticklabels(most.index)
    axes.tick_params(axis="y", labelsize=6.5)


def _hot_faces(axes, frames: np.ndarray, drop: np.ndarray, style: dict):
    """Draw pictures in grey, side by side, and over them what covering their parts costs."""
    n, height, width = frames.shape[:3]
    grey = np.concatenate([frame.mean(axis=2) for frame in frames], axis=1)
    axes.imshow(grey, cmap="gray", vmin=0, vmax=255, extent=(0, n * width, height, 0))
    whole = np.concatenate(list(drop), axis=1)
    strength = 0.15 + 0.6 * np.abs(whole) / style["vmax"]
    image = axes.imshow(whole, extent=(0, n * width, height, 0), alpha=strength, interpolation="nearest", **style)
    for i in range(1, n):
        axes.axvline(i * width, color="white", lw=1.5)
    axes.set(xticks=[0, n * width], yticks=[])
    axes.set_xticklabels(["first picture", "last picture"], color=FAINT)
    for label, side in zip(axes.get_xticklabels(), ("left", "right"), strict=True):
        label.set_ha(side)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return image


def _hot_steps(axes, array: np.ndarray, drop: np.ndarray, about: tuple[str, float], style: dict):
    """Draw what a model is given in grey over time, and over it what covering its parts costs."""
    name, step = about
    end = len(array) * (step or 1)
    if array.ndim == 1:
        peak = max(float(np.abs(array.astype(float)).max()), 1e-9)
        image = axes.imshow(drop[None], extent=(0, end, -1.05, 1.05), aspect="auto", alpha=0.7, **style)
        axes.plot(np.arange(len(array)) * step, array / peak, color=INK, lw=0.3)
    else:
        scaled = (array - array.mean(axis=0)) / np.maximum(array.std(axis=0), 1e-6)
        extent = {"extent": (0, end, -0.5, array.shape[1] - 0.5), "aspect": "auto", "origin": "lower"}
        axes.imshow(scaled.T, cmap="gray", vmin=-3, vmax=3, **extent)
        strength = 0.15 + 0.6 * np.abs(drop.T) / style["vmax"]
        image = axes.imshow(drop.T, alpha=strength, **extent, **style)
    axes.set(ylabel=name, xlabel="Time from where the speech begins (s)" if step else "Picture")
    return image
