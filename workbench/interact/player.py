"""A clip in a page: film and sound, the face's points over the film, and curves under a cursor that follows it."""

from __future__ import annotations

import anywidget
import cv2
import librosa
import matplotlib
import numpy as np
import pandas as pd
import traitlets

from workbench import acoustics, plots
from workbench.emotions import COLOURS
from workbench.geometry import ACTION_UNITS
from workbench.interact.assets import Pictured, text
from workbench.interact.views import SAMPLE_RATE, View
from workbench.plots.faces import REGIONS
from workbench.plots.style import PALETTE

COLUMNS = 1200  # of the drawn waveform
HOP = 256  # samples between columns of the mel spectrogram


class ClipPlayer(Pictured, anywidget.AnyWidget):
    """One clip, played under a common cursor.

    Attributes
    ----------
    cursor : float
        s; where the page's player is.
    view : View or None
        What is shown.
    """

    _esm = text("common.js", "player.js")
    _css = text("panels.css")
    film = traitlets.Dict().tag(sync=True)
    sound = traitlets.List().tag(sync=True)
    curves = traitlets.List().tag(sync=True)
    face = traitlets.Dict().tag(sync=True)
    notes = traitlets.List().tag(sync=True)
    busy = traitlets.Unicode("").tag(sync=True)
    cursor = traitlets.Float(0.0).tag(sync=True)

    def __init__(self, view: View | None = None):
        super().__init__()
        self.view = None
        if view:
            self.show(view)

    def show(self, view: View, *, autoplay: bool = False) -> None:
        """Show a clip, or more of the one that is shown already, whose film plays on then."""
        same = self.view is not None and self.view.movie == view.movie and self.view.clip == view.clip
        self.view = view
        with self.hold_sync():
            if not same:
                self.cursor, self.face = 0.0, {}
                self.film = _film(view) | {"autoplay": autoplay}
                self.sound = _sound(view)
            self.curves, self.face, self.notes = _curves(view), _face(view), list(view.notes)

    def replay(self) -> None:
        """Play what is shown from its beginning."""
        self.send({"kind": "play"})

    def picture(self):
        """Return the clip as a figure, None if there is none."""
        return None if self.view is None else picture(self.view)


def title(clip: dict) -> str:
    """Return what a clip is called: its name, its emotion and its speaker."""
    return ", ".join(str(clip[name]) for name in ("clip", "emotion", "speaker") if clip.get(name))


def picture(view: View):
    """Return a clip as a figure on one time axis (`plots.clip_over_time`); None if nothing of it can be shown."""
    frames, times, landmarks = strip(view)
    options = {"frames": frames, "times": times, "landmarks": landmarks, "waveform": view.waveform}
    if view.action_units is not None:
        options["action_units"] = view.action_units
    if view.probabilities is not None:
        options["probabilities"] = view.probabilities
    if all(value is None for value in options.values()):
        return None
    asked = f"Probabilities: run {view.run}" + ", asked about a second at a time" * bool(view.duration) + "."
    note = " ".join([*view.notes, asked * bool(view.run)])
    return plots.clip_over_time(**options, sample_rate=SAMPLE_RATE, title=title(view.clip), note=note.strip())


def strip(view: View, n: int = 6) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]:
    """Return up to `n` pictures of a view (t, h, w, 3), when they are shown, and their landmarks, None without any."""
    if view.still is not None:
        return view.still[None], None, view.landmarks
    if view.shape is None or not view.movie:
        return None, None, None
    times = view.times if view.times is not None else np.linspace(0, view.duration, n)
    at = np.unique(np.linspace(0, len(times) - 1, min(n, len(times))).round().astype(int))
    frames = view.pictures(times[at])
    return frames, times[at], None if view.landmarks is None else view.landmarks[at]


def _film(view: View) -> dict:
    found = {"title": title(view.clip), "duration": view.duration, "movie": view.movie}
    found["shape"] = None if view.shape is None else [int(side) for side in view.shape]
    if view.still is not None:
        found["still"] = png(view.still)
    return found


def png(picture: np.ndarray) -> bytes:
    """Return a picture (h, w, 3) uint8 RGB as PNG."""
    return cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()


def _sound(view: View) -> list[dict]:
    """Return the waveform's outline and the mel spectrogram."""
    if view.waveform is None or not len(view.waveform):
        return []
    n, end = min(COLUMNS, len(view.waveform)), len(view.waveform) / SAMPLE_RATE
    pieces = np.array_split(view.waveform, n)
    low, high = (np.array([edge(piece) for piece in pieces], np.float32) for edge in (np.min, np.max))
    peak = max(float(np.abs(view.waveform).max()), 1e-3)
    wave = {"kind": "wave", "label": "Amplitude", "colour": PALETTE[0], "peak": peak, "end": end}
    wave |= {"low": low.tobytes(), "high": high.tobytes()}
    return [wave, _mel(view.waveform, end)]


def _mel(waveform: np.ndarray, end: float) -> dict:
    mel = acoustics.mel_spectrogram(waveform, sample_rate=SAMPLE_RATE, hop_length=HOP)
    share = np.clip(1 + (mel - mel.max()) / 80, 0, 1)[::-1]
    colours = (255 * matplotlib.colormaps["magma"](share)[:, :, :3]).astype(np.uint8)
    bands = librosa.mel_frequencies(len(mel) + 2, fmin=0, fmax=SAMPLE_RATE / 2)[1:-1]
    marks = (500, 1000, 2000, 4000)
    places = np.interp(marks, bands, np.linspace(0, 1, len(bands)))
    ticks = [{"at": float(at), "text": str(mark)} for at, mark in zip(places, marks, strict=True)]
    return {"kind": "image", "label": "Mel (Hz)", "png": png(colours), "ticks": ticks, "end": end}


def _curves(view: View) -> list[dict]:
    """Return action units and probabilities: lines over time, of a still picture bars."""
    out, drawn = [], _lines if view.duration else _bars
    if view.action_units is not None:
        values = view.action_units.to_numpy()
        reach = float(np.nanmax(np.abs(values), initial=0.1))
        colours = dict(zip(view.action_units, PALETTE, strict=False))
        lines = [(ACTION_UNITS[unit], colours[unit], view.action_units[unit]) for unit in view.action_units]
        out.append(drawn("Action units", view.action_units.index, lines) | {"range": [-reach, reach]})
    if view.probabilities is not None:
        names = {column: column.removeprefix("p_") for column in view.probabilities}
        lines = [(name, COLOURS[name], view.probabilities[column]) for column, name in names.items()]
        out.append(drawn("Probability", view.probabilities.index, lines) | {"range": [0, 1], "share": True})
    return out


def _lines(label: str, times: pd.Index, lines: list[tuple[str, str, pd.Series]]) -> dict:
    drawn = [{"name": name, "colour": colour, "values": [*map(_known, line)]} for name, colour, line in lines]
    return {"kind": "lines", "label": label, "times": [round(float(time), 4) for time in times], "lines": drawn}


def _bars(label: str, _: pd.Index, lines: list[tuple[str, str, pd.Series]]) -> dict:
    drawn = [{"name": name, "colour": colour, "value": _known(line.iloc[0])} for name, colour, line in lines]
    return {"kind": "bars", "label": label, "bars": drawn}


def _known(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)


def _face(view: View) -> dict:
    if view.boxes is None:
        return {}
    regions = [
        {"colour": colour, "strokes": [[*range(first, last + 1), *[first] * closed] for first, last, closed in strokes]}
        for colour, strokes in REGIONS.values()
    ]
    points = b"" if view.landmarks is None else view.landmarks.astype(np.float32).tobytes()
    return {
        "times": [round(float(time), 4) for time in view.times],
        "boxes": view.boxes.astype(np.float32).tobytes(),
        "found": [bool(one) for one in view.found],
        "points": points,
        "regions": regions,
    }
