"""The processes of a `torchrun`, on one machine or several: each takes its share of the items, and they keep step."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache

PATIENCE = timedelta(days=7)  # for the slowest of them
VARIABLES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_RANK", "ROLE_RANK")


@dataclass(frozen=True)
class Ranks:
    """Which of the processes this one is (`rank`, from 0), and how many there are (`size`)."""

    rank: int = 0
    size: int = 1

    def share(self, items: Sequence) -> Sequence:
        """Return the items that fall to this process."""
        return items[self.rank :: self.size]

    def wait(self) -> None:
        """Wait until all of them are here."""
        if self.size > 1:
            import torch

            torch.distributed.barrier()


@cache
def ranks() -> Ranks:
    """Return this process's place among those that `torchrun` started; alone without.

    They share out whole runs. So what would make each training a joint one of them all, the variables that accelerate
    looks at, is taken from the environment, and each process keeps to its own graphics card.
    """
    if int(os.environ.get("WORLD_SIZE", 1)) < 2:
        return Ranks()
    import torch

    found = Ranks(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))
    torch.distributed.init_process_group("gloo", timeout=PATIENCE)
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)) % torch.cuda.device_count())
    for name in VARIABLES:
        os.environ.pop(name, None)
    return found
