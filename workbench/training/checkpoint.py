"""Where a training stands, in a file, so that one that was killed goes on."""

from __future__ import annotations

import os
import time
from pathlib import Path

import torch

SHARE = 0.01  # of the time, at most, goes into writing


class Checkpoint:
    """`folder/checkpoint.pt`: whole or not there, and written so seldom that it takes little of the time.

    What lies between two writings is trained again after a kill: one epoch, or a hundred times as long as one takes.
    """

    def __init__(self, folder: Path):
        self.path, self.next, self.epochs = Path(folder) / "checkpoint.pt", 0.0, 0

    def load(self) -> dict | None:
        """Return the state that was written last, on the CPU, if there is one."""
        if not self.path.exists():
            return None
        state = torch.load(self.path, weights_only=True, map_location="cpu")
        self.epochs = len(state.get("history", ()))
        return state

    def save(self, state: dict, *, now: bool = False) -> None:
        """Write the state, unless the last one was written a short while ago and it need not be `now`.

        `epochs` says how many epochs the file knows of.
        """
        began = time.monotonic()
        if began < self.next and not now:
            return
        part = self.path.with_suffix(".part")
        torch.save(state, part)
        os.replace(part, self.path)
        self.epochs, ended = len(state.get("history", ())), time.monotonic()
        self.next = ended + (ended - began) / SHARE

    def remove(self) -> None:
        """Remove the file, if there is one."""
        self.path.unlink(missing_ok=True)
