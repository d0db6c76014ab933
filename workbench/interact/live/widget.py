"""The live page: camera and microphone of the browser, face box, label and probabilities over the picture."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from pathlib import Path

import anywidget
import numpy as np
import traitlets

from workbench import datasets, paths, runs
from workbench.emotions import COLOURS
from workbench.errors import WorkbenchError
from workbench.interact.live.client import Guest, connect
from workbench.interact.live.recording import Recording

HERE = Path(__file__).parent


class Live(anywidget.AnyWidget):
    """Camera and microphone, asked 15 times a second what they show.

    Nothing is switched on before somebody presses Start, and the browser then asks for leave. Picture and sound go to
    this kernel and on to the model process of this machine, and are forgotten. `Record` keeps them, in
    `data/live/<date and time>.mkv` and the answers in a CSV beside it, when it is saved.

    Parameters
    ----------
    run : Run
        Of the light model.
    max_guests, minutes
        As `connect` takes them.
    seconds : float
        How far back an answer reaches.
    """

    _esm = HERE / "camera.js"
    _css = HERE / "camera.css"

    fps = traitlets.Int(15, help="Pictures a second.").tag(sync=True)
    width = traitlets.Int(640, help="Of the pictures that are sent, pixels at most.").tag(sync=True)
    reach = traitlets.Float(3.0, help="Seconds an answer goes by.").tag(sync=True)
    classes = traitlets.List(traitlets.Unicode(), help="Emotions, in order.").tag(sync=True)
    colours = traitlets.Dict(help="Emotion to colour.").tag(sync=True)
    about = traitlets.Unicode(help="Which run answers, and what it learned from.").tag(sync=True)
    state = traitlets.Enum(["off", "starting", "on"], "off").tag(sync=True)
    recording = traitlets.Enum(["off", "on", "stopped"], "off").tag(sync=True)
    message = traitlets.Unicode(help="What the guest should know, in words.").tag(sync=True)

    def __init__(self, run: runs.Run, *, max_guests: int = 4, minutes: float = 60, seconds: float = 3.0):
        classes = list(run.params["classes"])
        colours = {name: COLOURS[name] for name in classes}
        super().__init__(classes=classes, colours=colours, about=about(run), reach=seconds)
        self.run, self.limits = run, {"max_guests": max_guests, "minutes": minutes}
        self.guest: Guest | None = None
        self.keeper: Guest | None = None  # holds the model process while the page is there, and takes no place
        self.kept: Recording | None = None
        self.took = deque(maxlen=20 * self.fps)  # ms of the last answers
        self.on_msg(self._heard)

    def _heard(self, _, content: dict, buffers: list) -> None:
        """Do what the browser asks; what goes wrong is said in words."""
        arrived = time.perf_counter()
        acts = {
            "hello": self.expect,
            "start": self.start,
            "stop": self.stop,
            "record": self.record,
            "save": self.save,
            "discard": self.discard,
        }
        try:
            if content.get("kind") == "step":
                self._step(content, [bytes(one) for one in buffers], arrived)
            elif content.get("kind") in acts:
                acts[content["kind"]]()
        except (WorkbenchError, OSError, LookupError, TypeError, ValueError) as error:
            self.stop()
            self.message = str(error) if isinstance(error, WorkbenchError) else f"{type(error).__name__}: {error}"

    def expect(self) -> None:
        """Have the model process ready when somebody presses Start; a page asks for it when it is shown."""

        def keep() -> None:
            with contextlib.suppress(WorkbenchError, OSError):  # told when Start is pressed
                self.keeper = connect(self.run, **self.limits)

        if self.keeper is None:
            threading.Thread(target=keep, daemon=True).start()

    def start(self) -> None:
        """Take a place in the model process, which is started if there is none."""
        self.stop()
        self.state, self.message = "starting", "Starting the model ..."
        self.guest = connect(self.run, **self.limits)
        self.guest.begin(seconds=self.reach)
        self.took.clear()
        self.state, self.message = "on", ""

    def stop(self) -> None:
        """Leave the model process; a recording stops and waits to be saved or thrown away."""
        if self.guest is not None:
            self.guest.close()
            self.guest = None
        if self.recording == "on":
            self.recording = "stopped"
        self.state = "off"

    def record(self) -> None:
        """Keep picture and sound from now on."""
        self.discard()
        self.kept, self.recording, self.message = Recording(paths.data() / "live"), "on", ""

    def save(self) -> None:
        """Save what was recorded."""
        if self.kept is None:
            return
        kept, self.kept, self.recording = self.kept, None, "off"
        self.message = f"Saved: {kept.save()}"

    def discard(self) -> None:
        """Throw away what was recorded."""
        if self.kept is not None:
            self.kept.discard()
            self.kept = None
        self.recording = "off"

    def close(self) -> None:
        """Leave, and keep nothing."""
        self.stop()
        self.discard()
        if self.keeper is not None:
            self.keeper.close()
        super().close()

    def _step(self, content: dict, parts: list[bytes], arrived: float) -> None:
        """Pass picture and sound on, and the answer back."""
        if self.guest is None:
            return
        given = dict(zip(content["has"], parts, strict=True))
        picture, sound, sample_rate = given.get("picture"), given.get("sound"), content["sample_rate"]
        answer = self.guest.step(content["time"], picture, sound, sample_rate=sample_rate)
        took = 1000 * (time.perf_counter() - arrived)
        self.took.append(took)
        p95 = float(np.percentile(self.took, 95))
        self.send({"kind": "answer", "number": content["number"], "ms": took, "p95_ms": p95, **answer})
        if self.kept is not None and self.recording == "on":
            try:
                self.kept.add(content["time"], picture, sound, sample_rate=sample_rate, answer=answer)
            except WorkbenchError as error:
                self.recording, self.message = "stopped", str(error)


def about(run: runs.Run) -> str:
    """Return in words which run answers, and what it learned from."""
    card = datasets.card_of(run.params.get("corpus", ""))
    if card is None:
        return f"Run {run.name}"
    drawn = " (what it says of real people means nothing)" if card.synthetic else ""
    return f"Run {run.name}, trained on {card.title}{drawn}"
