"""Figures of what went in (sound, faces) and of what a model makes of it (embedding)."""

from __future__ import annotations

from collections.abc import Sequence

import librosa
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation

from workbench import acoustics
from workbench.datasets.speakers import short_names
from workbench.emotions import COLOURS, in_order
from workbench.errors import choose
from workbench.plots.style import FAINT, PALETTE, finish, sheet, styled

MARKERS = "o^sDvP*X"
PROJECTIONS = {"tsne": "t-SNE", "umap": "UMAP", "pca": "PCA"}


@styled
def scatter(
    table: pd.DataFrame,
    *,
    by: str | Sequence[str] = ("emotion", "speaker"),
    method: str = "",
    numbers: pd.DataFrame | None = None,
    title: str = "",
    note: str = "",
) -> Figure:
    """Return a projected embedding, one panel for each of `by`, coloured by it (named up to 24 speakers).

    Parameters
    ----------
    table : DataFrame
        ``x, y, emotion, speaker``, one row a clip.
    by : 'emotion', 'speaker', or both
    method : {'tsne', 'umap', 'pca'}, optional
        How the plane came about; it names the axes.
    numbers : DataFrame, optional
        From `embedding.describe`: written over each panel, so that nobody has to trust the picture.
    """
    by = (by,) if isinstance(by, str) else tuple(by)
    figure, panels = sheet(3.7 if len(by) > 1 else 4.4, ncols=len(by), squeeze=False)
    name = PROJECTIONS[choose("projection", method, PROJECTIONS)] if method else "dimension"
    for axes, label in zip(panels[0], by, strict=True):
        values = in_order(table[label]) if label == "emotion" else sorted(set(table[label]))
        names = short_names(values)
        for value, (colour, marker) in zip(values, _looks(label, values), strict=True):
            points = table[table[label] == value]
            style = {"s": 11, "marker": marker, "alpha": 0.8, "linewidths": 0}
            axes.scatter(points["x"], points["y"], color=colour, label=names[value], **style)
        numbered = _numbers(numbers, label) if numbers is not None else ""
        axes.set_title(f"by {label} ({len(values)}){numbered}", loc="left")
        axes.set(xlabel=f"{name} 1", ylabel=f"{name} 2", xticks=[], yticks=[])
        if len(values) <= 24:
            _legend_below(figure, axes, ncols=4 if label == "emotion" else 6)
    return finish(figure, title, note)


def _legend_below(figure: Figure, axes, *, ncols: int) -> None:
    below = axes.transAxes + ScaledTranslation(-0.1, -0.22, figure.dpi_scale_trans)  # inches
    axes.legend(
        ncols=ncols,
        loc="upper left",
        bbox_to_anchor=(0, 0),
        bbox_transform=below,
        borderaxespad=0,
        handletextpad=0,
        columnspacing=0.6,
        markerscale=1.5,
        fontsize=7,
    )


def _looks(label: str, values: Sequence[str]) -> list[tuple[str, str]]:
    """Return a colour and a marker a value: the emotion's own, or eight colours times eight markers."""
    if label == "emotion":
        return [(COLOURS[value], "o") for value in values]
    n = len(PALETTE)
    return [(PALETTE[number % n], MARKERS[number // n % len(MARKERS)]) for number in range(len(values))]


def _numbers(numbers: pd.DataFrame, label: str) -> str:
    row = numbers.loc[label]
    alike = f"of {row['k']:.0f} nearest, {100 * row['purity']:.0f} % alike (chance {100 * row['chance']:.0f} %)"
    return f"\n{alike}\nsilhouette {row['silhouette']:.2f}".replace("-", "\N{MINUS SIGN}")


@styled
def waveform_and_mel(waveform: np.ndarray, *, sample_rate: int = 16000, title: str = "", note: str = "") -> Figure:
    """Return the waveform (n,), in -1..1, over its mel spectrogram, on one time axis in seconds."""
    figure, (upper, lower) = sheet(3.4, nrows=2, sharex=True, height_ratios=(1, 1.6))
    seconds = np.arange(len(waveform)) / sample_rate
    upper.plot(seconds, waveform, color=PALETTE[0], lw=0.4)
    peak = max(float(np.abs(waveform).max()), 1e-3)
    upper.set(ylabel="Amplitude", ylim=(-1.08 * peak, 1.08 * peak))
    image = mel_axis(lower, waveform, sample_rate)
    lower.set(xlabel="Time (s)", ylabel="Frequency (Hz, mel scale)", xlim=(0, len(waveform) / sample_rate))
    figure.colorbar(image, ax=lower, label="Power (dB re maximum)", pad=0.015).outline.set_visible(False)
    return finish(figure, title, note)


def mel_axis(axes, waveform: np.ndarray, sample_rate: int):
    """Draw the mel spectrogram of a waveform (n,) on axes in seconds and Hz; return the image, dB re its maximum."""
    hop_length = 256
    mel = acoustics.mel_spectrogram(waveform, sample_rate=sample_rate, hop_length=hop_length)
    bands = librosa.mel_frequencies(len(mel) + 2, fmin=0, fmax=sample_rate / 2)[1:-1]  # Hz, centres
    edges = (np.array([0, mel.shape[1]]) - 0.5) * hop_length / sample_rate  # s
    style = {"origin": "lower", "aspect": "auto", "cmap": "magma", "vmin": -80, "vmax": 0}
    image = axes.imshow(mel - mel.max(), extent=(*edges, -0.5, len(mel) - 0.5), **style)
    marks = [mark for mark in (250, 500, 1000, 2000, 4000, 8000, 16000) if mark < 0.98 * sample_rate / 2]
    axes.set_yticks(np.interp(marks, bands, range(len(mel))), marks)
    return image


@styled
def face_strip(
    frames: np.ndarray, *, times: Sequence[float] | None = None, n: int = 8, title: str = "", note: str = ""
) -> Figure:
    """Return up to `n` of the frames (t, h, w, 3) uint8, evenly chosen, in a row; `times` are theirs in s."""
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(n, len(frames))).round().astype(int))
    height, width = frames.shape[1:3]
    figure, panels = sheet(0.55 + 6.1 / len(chosen) * height / width, ncols=len(chosen), squeeze=False)
    for axes, number in zip(panels[0], chosen, strict=True):
        axes.imshow(frames[number])
        axes.set(xticks=[], yticks=[])
        axes.set_xlabel(f"{times[number]:.2f} s" if times is not None else f"frame {number}", color=FAINT)
        axes.spines[:].set_visible(False)
    return finish(figure, title, note)
