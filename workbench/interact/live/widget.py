"""The live page: camera and microphone of the browser, face box, label and probabilities over the picture."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque

import anywidget
import numpy as np
import traitlets

from workbench import datasets, paths, runs
from workbench.emotions import COLOURS
from workbench.errors import WorkbenchError
from workbench.interact.assets import text
from workbench.interact.live.client import Guest, connect
from workbench.interact.live.recording import Recording

SAVED = 20  # recordings that one page may save
QUIET = 600  # s without a wish after which a served page is ended; one that is on has fifteen wishes a second
SAVED_AT = "saved"  # where a served page finds them


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
    served : bool
        By `workbench live`, whose places are few: once the `minutes` since the first Start are over, this widget does
        nothing any more, so that the page falls idle and its place goes to others. What was saved can be downloaded.
    """

    _esm = text("common.js", "live/devices.js", "live/drawing.js", "live/camera.js")
    _css = text("live/camera.css")

    fps = traitlets.Int(15, help="Pictures a second.").tag(sync=True)
    width = traitlets.Int(640, help="Of the pictures that are sent, pixels at most.").tag(sync=True)
    reach = traitlets.Float(3.0, help="Seconds an answer goes by.").tag(sync=True)
    classes = traitlets.List(traitlets.Unicode(), help="Emotions, in order.").tag(sync=True)
    colours = traitlets.Dict(help="Emotion to colour.").tag(sync=True)
    about = traitlets.Unicode(help="Which run answers, and what it learned from.").tag(sync=True)
    state = traitlets.Enum(["off", "starting", "on", "over"], "off").tag(sync=True)
    recording = traitlets.Enum(["off", "on", "stopped"], "off").tag(sync=True)
    film = traitlets.Unicode(help="Where the page finds what was saved last, if anywhere.").tag(sync=True)
    message = traitlets.Unicode(help="What the guest should know, in words.").tag(sync=True)

    def __init__(
        self,
        run: runs.Run,
        *,
        max_guests: int = 4,
        minutes: float = 60,
        seconds: float = 3.0,
        served: bool = False,
    ):
        classes = list(run.params["classes"])
        colours = {name: COLOURS[name] for name in classes}
        super().__init__(classes=classes, colours=colours, about=about(run), reach=seconds)
        self.run, self.limits, self.served = run, {"max_guests": max_guests, "minutes": minutes}, served
        self.guest: Guest | None = None
        self.keeper: Guest | None = None  # holds the model process while the page is there, and takes no place
        self.kept: Recording | None = None
        self.n_saved, self.first = 0, None  # recordings; when Start was pressed first
        self.took, self.lags = deque(maxlen=20 * self.fps), deque(maxlen=20 * self.fps)  # ms and s, of the last answers
        self.on_msg(self._heard)

    def _heard(self, _, content: dict, buffers: list) -> None:
        """Do what the browser asks; what goes wrong is said in words."""
        heard, kind = time.perf_counter(), content.get("kind")
        acts = {
            "hello": self.expect,
            "start": self.start,
            "stop": self.stop,
            "record": self.record,
            "save": self.save,
            "discard": self.discard,
        }
        try:
            if kind == "step":
                self._step(content, [bytes(one) for one in buffers], heard)
            elif kind in acts and (self.state != "over" or kind in ("save", "discard")):
                acts[kind]()
        except (WorkbenchError, OSError, LookupError, TypeError, ValueError) as error:
            if kind in ("start", "step"):
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
        if self._over():
            return
        self.first = self.first or time.monotonic()
        self.state, self.message = "starting", "Starting the model ..."
        self.guest = connect(self.run, **self.limits)
        self.guest.begin(seconds=self.reach)
        self.took.clear()
        self.lags.clear()
        self.state, self.message = "on", ""

    def _over(self) -> bool:
        """Say whether the time of a served page is up; if so, leave for good."""
        minutes = self.limits["minutes"]
        if not self.served or self.first is None or time.monotonic() - self.first < 60 * minutes:
            return False
        self.stop()
        if self.keeper is not None:
            self.keeper.close()
        ends = f"Your {minutes:g} minutes are over: this page ends within {QUIET // 60} minutes"
        wait = ", until when you can save your recording" if self.kept else ""
        self.state, self.message = "over", f"{ends}{wait}. Load it again to go on, if there is room."
        return True

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
        if self.n_saved >= SAVED:
            raise WorkbenchError(f"This page has saved {SAVED} recordings, the limit: load it again")
        self.discard()
        self.kept, self.recording, self.message = Recording(paths.data() / "live"), "on", ""

    def save(self) -> None:
        """Save what was recorded; it stays here where that fails."""
        if self.kept is None:
            return
        self.recording = "stopped"
        path = self.kept.save()
        self.kept, self.recording, self.n_saved = None, "off", self.n_saved + 1
        self.film, self.message = f"{SAVED_AT}/{path.name}" if self.served else "", f"Saved: {path}"

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

    def _waited(self, sent: float, heard: float) -> float:
        """Return how many seconds a message sent at `sent`, by the browser's clock, waited until it was heard.

        The two clocks show different times. The message that came fastest of the last ones counts as one that did not
        wait; what others took longer they spent in a queue on their way here.
        """
        self.lags.append(heard - sent)
        return self.lags[-1] - min(self.lags)

    def _step(self, content: dict, parts: list[bytes], heard: float) -> None:
        """Pass picture and sound on, and the answer back."""
        if self.guest is None or self._over():
            return
        waited = self._waited(content["sent"], heard)
        given = dict(zip(content["has"], parts, strict=True))
        picture, sound, sample_rate = given.get("picture"), given.get("sound"), content["sample_rate"]
        answer = self.guest.step(content["time"], picture, sound, sample_rate=sample_rate)
        took = 1000 * (waited + time.perf_counter() - heard)
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
    drawn = " (synthetic: its answers say nothing about people)" if card.synthetic else ""
    return f"Run {run.name}, trained on {card.title}{drawn}"
