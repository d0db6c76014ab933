"""Figures of what augmentation does to a clip."""

from __future__ import annotations

from collections.abc import Mapping

import librosa
import numpy as np
from matplotlib.figure import Figure

from workbench import acoustics
from workbench.plots.style import FAINT, finish, sheet, styled

HOP = 256
STYLE = {"origin": "lower", "aspect": "auto", "cmap": "magma", "vmin": -80, "vmax": 0}


@styled
def augmentations(
    frames: np.ndarray,
    waveform: np.ndarray,
    policies: Mapping[str, object],
    *,
    sample_rate: int = 16000,
    n: int = 4,
    seed: int = 0,
    title: str = "",
    note: str = "",
) -> Figure:
    """Return one clip as recorded and under each augmentation: some of its frames, its mel spectrogram.

    Parameters
    ----------
    frames : (t, h, w, 3) uint8
    waveform : (m,) float32 in -1..1
        The speech that the frames are spread over.
    policies : mapping
        A row's label to what `augment.policy` takes. What an augmentation leaves as it is, is not drawn again.
    n : int
        Frames shown, evenly chosen.
    seed : int
        Of the draws.
    """
    from workbench.augment import policy  # imports torch

    recorded = {"frames": frames, "speech": waveform, "spectrogram": _mel(waveform, sample_rate)}
    made = {"as recorded": recorded}
    for label, spec in policies.items():
        remake = lambda speech, names: {"spectrogram": _mel(speech, sample_rate)}  # noqa: E731
        made[label] = policy(spec)(recorded, np.random.default_rng(seed), remake=remake)
    figure, panels = sheet(1.15 + 0.78 * len(made), nrows=len(made), ncols=2, width_ratios=(1.05, 1), squeeze=False)
    top, longest = recorded["spectrogram"].max(), max(len(arrays["spectrogram"]) for arrays in made.values())
    for (left, right), (label, arrays) in zip(panels, made.items(), strict=True):
        seen, heard = (arrays is recorded or arrays[name] is not recorded[name] for name in ("frames", "spectrogram"))
        left.set_ylabel(label.replace(", ", ",\n"), rotation=0, ha="right", va="center")
        _strip(left, arrays["frames"] if seen else None, n)
        _spectrogram(right, arrays["spectrogram"] - top if heard else None, sample_rate, longest)
    for right in panels[:-1, 1]:
        right.tick_params(labelbottom=False)
    panels[0, 0].set_title("Frames", loc="left")
    panels[0, 1].set_title("Mel spectrogram (Hz)", loc="left")
    panels[-1, 1].set_xlabel("Time (s)")
    looks = {"location": "bottom", "label": "Power (dB re the recording's maximum)", "pad": 0.01, "aspect": 30}
    figure.colorbar(panels[0, 1].images[0], ax=panels[:, 1].tolist(), **looks).outline.set_visible(False)
    return finish(figure, title, note)


def _mel(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    return acoustics.mel_spectrogram(waveform, sample_rate=sample_rate, hop_length=HOP).T


def _strip(axes, frames: np.ndarray | None, n: int) -> None:
    """Draw `n` frames side by side, two white pixels between them, or say that they are as recorded."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    if frames is None:
        axes.text(0.5, 0.5, "pictures as recorded", ha="center", va="center", color=FAINT, transform=axes.transAxes)
        return
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(n, len(frames))).round().astype(int))
    framed = np.pad(frames[chosen], ((0, 0), (0, 0), (1, 1), (0, 0)), constant_values=255)
    axes.imshow(np.concatenate(framed, axis=1))


def _spectrogram(axes, mel: np.ndarray | None, sample_rate: int, longest: int) -> None:
    """Draw a mel spectrogram (t, bands) on a time axis of `longest` steps, or say that it is as recorded."""
    axes.set_xlim(0, longest * HOP / sample_rate)
    if mel is None:
        axes.yaxis.set_visible(False)
        axes.spines[:].set_visible(False)
        axes.tick_params(bottom=False)
        axes.text(0.5, 0.5, "sound as recorded", ha="center", va="center", color=FAINT, transform=axes.transAxes)
        return
    bands = librosa.mel_frequencies(mel.shape[1] + 2, fmin=0, fmax=sample_rate / 2)[1:-1]  # Hz, centres
    extent = (-0.5 * HOP / sample_rate, (len(mel) - 0.5) * HOP / sample_rate, -0.5, mel.shape[1] - 0.5)
    axes.imshow(mel.T, extent=extent, **STYLE)
    marks = [mark for mark in (500, 2000) if mark < 0.98 * sample_rate / 2]
    axes.set_yticks(np.interp(marks, bands, range(len(bands))), marks)
    axes.set_xlim(0, longest * HOP / sample_rate)
