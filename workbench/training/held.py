"""Clips that fit stay on the device, as tensors: batches are gathered there, not read, padded and converted anew."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
import psutil
import torch
from torch import Tensor

SHARE = 1 / 8  # of the free memory
TOGETHER = 64  # clips read at once


class Held:
    """Clips at some positions, whole on a device; their batches equal those of the clips themselves, bit by bit.

    Parameters
    ----------
    clips : Clips or Augmented
    positions : sequence of int
        Those held; no other can be asked for.
    parts : list of dict
        Their batches, in order; emptied on the way, so that no clip is in memory twice for long.
    device : torch.device
    """

    def __init__(self, clips, positions: Sequence[int], parts: list[dict[str, Tensor]], device: torch.device):
        self.emotion, self.device, lengths = clips.emotion, device, _lengths(parts)
        self.lengths = {name: n for name, n in lengths.items() if n.min() < n.max()}
        self.rows = np.full(len(clips.emotion), -1)
        self.rows[np.asarray(positions)] = np.arange(len(positions))
        shapes, kinds = _shapes(parts), {name: x.dtype for name, x in parts[0].items()}
        self.tensors = {name: torch.zeros(shapes[name], dtype=kinds[name], device=device) for name in kinds}
        first = 0
        while parts:
            part = parts.pop(0)
            last = first + len(part["emotion"])
            for name, x in part.items():
                to = self.tensors[name][first:last]
                (to[:, : x.shape[1]] if name in lengths else to).copy_(x)
            first = last

    def batch(self, positions: Sequence[int]) -> dict[str, Tensor]:
        """Return a batch on the device, as `Clips.batch` does, padded to its longest clip."""
        rows, batch = self.rows[positions], {}
        where = torch.from_numpy(rows).to(self.device)
        for name, x in self.tensors.items():
            known = x[:, : self.lengths[name][rows].max()] if name in self.lengths else x
            batch[name] = known.index_select(0, where)
        return batch


def hold(clips, positions: Sequence[int], device: torch.device):
    """Return the clips at `positions` held on the device, or `clips` as they are where that is no good.

    That is where they would take more than `SHARE` of the memory that is free, the graphics card's and the machine's,
    or where they differ in more than their length.

    Parameters
    ----------
    clips : Clips or Augmented
        Augmented clips have to be copies, which are alike in every epoch.
    """
    free = psutil.virtual_memory().available
    room = SHARE * (min(free, torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else free)
    positions, parts, taken = np.asarray(positions), [], 0
    for first in range(0, len(positions), TOGETHER):
        parts.append(clips.batch(positions[first : first + TOGETHER].tolist()))
        taken += sum(x.nbytes for x in parts[-1].values())
        read = min(first + TOGETHER, len(positions))
        if taken * len(positions) / read > room:
            return clips
    alike = all(x.shape[2:] == parts[0][name].shape[2:] for part in parts for name, x in part.items())
    if not alike or sum(prod(shape) * parts[0][name].itemsize for name, shape in _shapes(parts).items()) > room:
        return clips
    return Held(clips, positions, parts, device)


def _lengths(parts: Sequence[dict[str, Tensor]]) -> dict[str, np.ndarray]:
    """Return how long each clip is in time (n,), by the names of the arrays and of their masks."""
    found = {}
    for mask in (name for name in parts[0] if name.endswith("_mask")):
        lengths = np.concatenate([part[mask].sum(dim=1).numpy() for part in parts])
        found |= {mask.removesuffix("_mask"): lengths, mask: lengths}
    return found


def _shapes(parts: Sequence[dict[str, Tensor]]) -> dict[str, tuple[int, ...]]:
    """Return the shape of each array of all clips together, (n, longest, ...), or (n, ...) of what has no time."""
    lengths, n_clips = _lengths(parts), sum(len(part["emotion"]) for part in parts)
    return {
        name: (n_clips, lengths[name].max(), *x.shape[2:]) if name in lengths else (n_clips, *x.shape[1:])
        for name, x in parts[0].items()
    }
