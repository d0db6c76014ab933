"""How long a guest of the live page waits for an answer: real clips, real time, the real client and model process."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file

from workbench import recipes, runs, studies
from workbench.interact import live
from workbench.models import build


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

    The time is from when a picture is due (whether or not the session is ready for it) until its answer is here, and
    includes the way through the client to the model process and back. `live.p95_ms` is the 95th percentile over all
    guests; the first second of each, in which dlib and PyTorch make themselves ready, is left out.

    Parameters
    ----------
    clips : of Path
        Played one after the other, again from the beginning where they are shorter than `seconds`.
    run : Run, optional
        By default the light model of three streams at its full size, with random weights.
    guests : int
        At the same time.
    """
    with tempfile.TemporaryDirectory() as folder:
        run = run or untrained(Path(folder))
        every = [*live.ticks_of(clips, seconds=seconds)]
        tables: list[pd.DataFrame] = []

        def attend() -> None:
            with live.connect(run, max_guests=guests, linger=1) as guest:
                guest.begin()
                tables.append(live.play(every, guest, real_time=True))

        every_guest = [threading.Thread(target=attend) for _ in range(guests)]
        for one in every_guest:
            one.start()
        for one in every_guest:
            one.join()
    return _numbers(tables, guests)


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
