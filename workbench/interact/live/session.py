"""One person before camera and microphone: what the light model says of the last seconds, again and again.

The light model learned from clips of some seconds. Its streaming state, carried on for minutes, would be of a length
that it never met, and an emotion of long ago would still be in it. So a session keeps, of each stream, the features of
the pieces of the last `seconds` (the CNN's work, done once for each piece), and lets the LSTM run over them from rest
(next to no work): the answer is exactly what the model says of a clip of these seconds. What happened before is
forgotten for good, and a change shows within that time. States that are restarted every few seconds would know too
little after each restart, and two staggered ones would still jump from one to the other.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from workbench import faces, runs, standards
from workbench.errors import WorkbenchError
from workbench.interact.live.senses import Ear, Eye
from workbench.models import Model
from workbench.models.streams import Stream, Streaming
from workbench.predict import load_model
from workbench.recipes import Recipe

SILENT = 1.0  # s without a voice after which the sound counts no longer
ABSENT = 1.0  # s without a picture, or without sound, after which camera or microphone count as off


@dataclass(frozen=True)
class Light:
    """A trained model of streams with what its answers mean: shared by all sessions, and never changed by one."""

    model: Model
    classes: list[str]
    recipe: Recipe
    name: str

    @property
    def inputs(self) -> list[str]:
        """What the model reads: of `frames`, `whole`, `waveform`."""
        return self.model.inputs

    @torch.inference_mode()
    def warm(self) -> Light:
        """Run everything once, for the first time takes seconds, and no guest should wait for it."""
        for encoder in self.model.encoders.values():
            window, (x, _) = Window(encoder, 1.0), encoder.example(1)
            window.add(0.0, x[:, : getattr(encoder, "window", 1)])
            window.vector()
        Session(self).step(0.0, np.zeros((360, 640, 3), np.uint8), np.zeros(16000, np.int16))
        return self


def load(run: runs.Run) -> Light:
    """Return the model of a finished run.

    Raises
    ------
    WorkbenchError
        If it is not a network of streams, as those of study `light` are, or standardises within the speaker, which
        needs several recordings of a person.
    """
    if run.transductive:
        raise WorkbenchError(f"run {run.name} cannot be asked live: {standards.too_few(1)}")
    if "encoders" not in run.params or "recipe" not in run.params:
        raise WorkbenchError(f"run {run.name} is no network on recordings: choose one of study light")
    try:
        model = Streaming(load_model(run)).model
    except WorkbenchError as error:
        raise WorkbenchError(f"run {run.name} cannot be asked live: {error} (those of study light can)") from None
    return Light(model, list(run.params["classes"]), Recipe(**run.params["recipe"]), run.name)


class Window:
    """What one stream made of the pieces of the last `seconds`."""

    def __init__(self, encoder: Stream, seconds: float):
        self.encoder, self.seconds = encoder, seconds
        self.pieces: deque[tuple[float, Tensor]] = deque()  # when, and features (1, n_features)

    def add(self, time: float, x: Tensor) -> None:
        """Take in x (1, T, ...), one whole piece, that ended at `time` s."""
        pieces, _ = self.encoder.cut(x)  # (1, 1, ...)
        self.pieces.append((time, self.encoder.net(pieces[0])))

    def forget(self, time: float) -> bool:
        """Drop what is older than the window at `time`; return whether anything was."""
        n_pieces = len(self.pieces)
        while self.pieces and self.pieces[0][0] <= time - self.seconds + 1e-6:
            self.pieces.popleft()
        return len(self.pieces) < n_pieces

    def vector(self) -> Tensor | None:
        """Return the stream's vector (1, hidden) over the pieces; None without any."""
        if not self.pieces:
            return None
        x = torch.cat([features for _, features in self.pieces])[None]  # (1, S, n_features)
        return self.encoder.lstm(x)[0][:, -1]


class Session:
    """Camera and microphone of one guest.

    Parameters
    ----------
    light : Light
    seconds : float
        How far back an answer reaches. The model is shown as many pictures in that time as its recipe takes of a clip.
    """

    def __init__(self, light: Light, *, seconds: float = 3.0):
        if not 0.5 <= seconds <= 30:
            raise WorkbenchError(f"an answer over {seconds} s: expected 0.5 to 30")
        self.light, self.seconds, self.time = light, seconds, 0.0
        self.windows = {one.inputs: Window(one, seconds) for one in light.model.encoders.values()}
        self.eye = Eye(light.recipe)
        audio = self.windows.get("waveform")
        self.ear = Ear(sample_rate=light.recipe.sample_rate, window=audio.encoder.window if audio else 1600)
        self.looked, self.listened, self.heard = -np.inf, -np.inf, -np.inf  # when there last was picture, sound, voice
        self.slot, self.shape, self.changed, self.shares = -1, (1, 1), True, None

    @torch.inference_mode()
    def step(
        self,
        time: float,
        picture: np.ndarray | None = None,
        sound: np.ndarray | None = None,
        *,
        sample_rate: int = 16000,
    ) -> dict:
        """Take in what camera and microphone gave since the last step, and answer.

        Parameters
        ----------
        time : float
            Seconds since the session began, at the end of this step; never less than before.
        picture : (h, w, 3) uint8 RGB, optional
        sound : (n,) int16 at `sample_rate` Hz, optional

        Returns
        -------
        dict
            `time` s; `emotion` or None; `probabilities` (emotion -> 0..1), empty without an answer; `box` of the face
            (left, top, right, bottom as shares of the picture) or None; `face`, `voice`: what the answer goes by;
            `note`: what is missing, in words; `filled`: 0..1, how much of the seconds it rests on; `level` dB.
        """
        if not np.isfinite(time) or time < self.time:
            raise WorkbenchError(f"time is {time} s, expected {self.time} or later")
        self.time = time
        if picture is not None:
            self._see(picture)
        if sound is not None:
            self._hear(sound, sample_rate)
        self._forget()
        if self.changed:
            self.shares, self.changed = self._ask(), False
        return self._answer()

    def _see(self, picture: np.ndarray) -> None:
        """Follow the face, and show the model a picture if it is time for one."""
        self.looked, self.shape = self.time, picture.shape[:2]
        box = self.eye.step(picture, self.time)
        slot = int(self.time / self.seconds * self.light.recipe.n_frames + 1e-6)
        if box is None or slot == self.slot:
            return
        self.slot, self.changed = slot, True
        for name, of in (("frames", lambda: self.eye.cut(picture, box)), ("whole", lambda: self._whole(picture))):
            if name in self.windows:
                self.windows[name].add(self.time, torch.from_numpy(of())[None])

    def _whole(self, picture: np.ndarray) -> np.ndarray:
        return faces.whole(picture[None], size=self.light.recipe.size)

    def _hear(self, sound: np.ndarray, sample_rate: int) -> None:
        self.listened = self.time
        for window in self.ear.step(sound, sample_rate):
            self.heard = self.time
            if "waveform" in self.windows:
                self.windows["waveform"].add(self.time, torch.from_numpy(window)[None])
                self.changed = True

    def _forget(self) -> None:
        """Drop what is too old, all pictures when the face has gone, all sound when the voice has."""
        gone = {"frames": self.eye.box is None, "whole": self.eye.box is None}
        gone = dict.fromkeys(gone, True) if self.time - self.looked > ABSENT else gone
        gone["waveform"] = self.time - self.heard > SILENT
        for name, window in self.windows.items():
            self.changed |= window.forget(np.inf if gone[name] else self.time)

    def _ask(self) -> np.ndarray | None:
        """Return the probabilities (C,); None with nothing to go by."""
        vectors = [self.windows[encoder.inputs].vector() for encoder in self.light.model.encoders.values()]
        if all(vector is None for vector in vectors):
            return None
        shares = self.light.model.head(self.light.model.fusion(vectors)).double().softmax(1)[0].numpy()
        return shares if np.isfinite(shares).all() else None

    def _answer(self) -> dict:
        shares, classes = self.shares, self.light.classes
        height, width = self.shape
        seen = self.time - self.looked <= ABSENT and self.eye.box is not None
        full = {"frames": self.light.recipe.n_frames, "waveform": self.seconds * self.ear.sample_rate / self.ear.window}
        share = [len(self.windows[name].pieces) / n for name, n in full.items() if name in self.windows]
        return {
            "time": self.time,
            "emotion": None if shares is None else classes[int(shares.argmax())],
            "probabilities": {} if shares is None else dict(zip(classes, shares.round(4).tolist(), strict=True)),
            "box": (self.eye.box / (width, height, width, height)).round(4).tolist() if seen else None,
            "face": seen,
            "voice": self.time - self.heard <= SILENT,
            "note": self._note(),
            "filled": round(min(1.0, max(share, default=0.0)), 3),
            "level": round(self.ear.level, 1),
        }

    def _note(self) -> str:
        """Say in words what is missing, and what the answer goes by instead."""
        camera, microphone = (self.time - last <= ABSENT for last in (self.looked, self.listened))
        seen, heard = camera and self.eye.box is not None, self.time - self.heard <= SILENT
        no_face = "No face found" if camera else "Camera off"
        no_voice = "No voice heard" if microphone else "Microphone off"
        if seen and heard:
            others = self.eye.n_faces - 1
            return f"{others + 1} faces: the answer is about the one in the box." if others > 0 else ""
        if seen:
            return f"{no_voice}: going by the face."
        if heard:
            return f"{no_face}: going by the voice."
        return f"{no_face}, {no_voice[0].lower()}{no_voice[1:]}: nothing to go by."
