"""How long a guest of the live page waits for an answer: real clips, real time, the page's kernel and model process."""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jupyter_client import KernelManager
from safetensors.torch import save_file

import workbench
from workbench import recipes, runs, studies
from workbench.errors import WorkbenchError
from workbench.interact import live
from workbench.models import build

PATIENCE = 60.0  # s that a kernel may take for anything
PAGE = "from workbench import runs; from workbench.interact import live; page = live.Live(runs.load({folder!r}))"


def untrained(root: Path, *, size: str = "full", variant: str = "three_streams") -> runs.Run:
    """Make a finished run of study light under `root`, of the size of a profile, with random weights.

    An answer takes as long with these as with trained ones.
    """
    study = studies.load("light")
    profile = study.profile(size)
    settings = study.variant(variant) | profile.get("variants", {}).get(variant, {})
    params = {
        "study": study.name,
        "variant": variant,
        "protocol": "speaker-disjoint",
        "fold": "none",
        "seed": 0,
        "classes": study.classes,
        "recipe": recipes.load(**study.recipe | profile.get("recipe", {})).values(),
        "encoders": settings["encoders"],
        "fusion": settings["fusion"],
    }
    run = runs.make(params, root=root)
    run.begin()
    torch.manual_seed(0)
    model = build(params["encoders"], len(params["classes"]), fusion=params["fusion"])
    save_file(model.state_dict(), run.folder / "model.safetensors")
    run.finish(pd.DataFrame())
    return run


def live_latency(
    clips: Sequence[Path], *, run: runs.Run | None = None, guests: int = 1, seconds: float = 30
) -> dict[str, float]:
    """Play recordings in real time, 15 pictures a second with their sound, and time the answers.

    Each guest has a kernel with the page's widget, as in JupyterLab and voila, and is sent what a browser sends it. The
    time is from when a picture is due (whether or not anybody is ready for it) until its answer has left the kernel
    again. It includes all queues on the way, the model process that the guests share, and nothing of the browser:
    neither camera and JPEG nor drawing. `live.p95_ms` is the 95th percentile over all guests; the first second of each,
    in which dlib and PyTorch make themselves ready, is left out.

    Parameters
    ----------
    clips : of Path
        Played one after the other, again from the beginning where they are shorter than `seconds`.
    run : Run, optional
        By default the light model of three streams at its full size, with random weights.
    guests : int
        At the same time.

    Raises
    ------
    WorkbenchError
        If a clip cannot be read, a kernel does not answer, or the page tells of trouble.
    """
    with contextlib.ExitStack() as stack:
        run = run or untrained(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        every = [*live.ticks_of(clips, seconds=seconds)]
        stack.enter_context(live.connect(run, max_guests=guests, linger=1))  # the process, its room and its end
        pages = [stack.enter_context(Page(run)) for _ in range(guests)]
        tables: list[pd.DataFrame] = []
        threads = [threading.Thread(target=lambda one=one: tables.append(one.play(every))) for one in pages]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    if len(tables) < guests:
        raise WorkbenchError("the page gave no answer: see above")
    return _numbers(tables, guests)


class Page:
    """A page of the live widget without its browser: a kernel that holds it, and is sent what the browser sends."""

    def __init__(self, run: runs.Run):
        self.manager, self.run = KernelManager(transport="ipc"), run
        self.manager.kernel_spec.argv[0] = sys.executable

    def __enter__(self) -> Page:
        here = str(Path(workbench.__file__).parents[1])
        path = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
        self.manager.start_kernel(env={**os.environ, "PYTHONPATH": path})
        self.kernel = self.manager.client()
        self.kernel.start_channels()
        self.kernel.wait_for_ready(timeout=PATIENCE)
        self.kernel.execute(PAGE.format(folder=str(self.run.folder)))
        self.comm = self._await(lambda said: said.get("data", {}).get("state", {}).get("_anywidget_id"))["comm_id"]
        self.tell({"kind": "start"})
        self._await(lambda said: said.get("data", {}).get("state", {}).get("state") == "on")
        return self

    def __exit__(self, *_) -> None:
        self.kernel.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def tell(self, content: dict, *buffers: bytes) -> None:
        """Send what the browser would."""
        content = {"comm_id": self.comm, "data": {"method": "custom", "content": content}}
        message = self.kernel.session.msg("comm_msg", content)
        self.kernel.session.send(self.kernel.shell_channel.socket, message, buffers=list(buffers))

    def play(self, ticks: Sequence[live.Tick]) -> pd.DataFrame:
        """Send ticks when they are due; return the answers, their `ms` from then on."""
        began, answers = time.perf_counter() + 0.1, []
        for number, tick in enumerate(ticks):
            self._collect(answers, until=began + tick.time)
            given = {name: part for name in ("picture", "sound") if (part := getattr(tick, name)) is not None}
            about = {"number": number, "time": tick.time, "sent": time.perf_counter(), "sample_rate": 16000}
            self.tell({"kind": "step", **about, "has": [*given]}, *given.values())
        end = time.perf_counter() + PATIENCE
        while len(answers) < len(ticks) and time.perf_counter() < end:
            self._collect(answers, until=time.perf_counter() + 0.2)
        table = pd.DataFrame(answers)
        due = began + np.array([ticks[number].time for number in table["number"]])
        return table.assign(ms=1000 * (table["came"] - due))

    def _collect(self, answers: list[dict], *, until: float) -> None:
        """Add the answers that come until then, and when they `came`."""
        while (left := until - time.perf_counter()) > 0:
            said = self._hear(left).get("data", {})
            if said.get("content", {}).get("kind") == "answer":
                answers.append(said["content"] | {"came": time.perf_counter()})

    def _await(self, wanted) -> dict:
        """Return the first message that is wanted; what the kernel prints or the page complains of is an error."""
        end = time.perf_counter() + PATIENCE
        while (left := end - time.perf_counter()) > 0:
            said = self._hear(left)
            if wanted(said):
                return said
            trouble = said.get("evalue") or said.get("data", {}).get("state", {}).get("message")
            if trouble and not trouble.startswith("Starting"):
                raise WorkbenchError(f"the live page: {trouble}")
        raise WorkbenchError(f"the live page did not answer within {PATIENCE:.0f} s")

    def _hear(self, seconds: float) -> dict:
        """Return the content of the kernel's next message, empty where none comes in time."""
        try:
            return self.kernel.get_iopub_msg(timeout=seconds)["content"]
        except queue.Empty:
            return {}


def _numbers(tables: list[pd.DataFrame], guests: int) -> dict[str, float]:
    ms = np.concatenate([table.loc[table["time"] > 1, "ms"] for table in tables])
    found = pd.concat(tables)
    return {
        "live.p95_ms": float(np.percentile(ms, 95)),
        "live.median_ms": float(np.median(ms)),
        "live.worst_ms": float(ms.max()),
        "live.pictures": len(ms),
        "live.fps": live.FPS,
        "live.guests": guests,
        "live.face_share": float(found["face"].mean()),
        "live.voice_share": float(found["voice"].mean()),
    }
