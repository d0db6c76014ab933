"""What a trained network costs in use: weights, multiply-adds, time and room for a clip."""

from __future__ import annotations

import copy
import time
from statistics import median

import torch
from torch import nn

from workbench.models.cost import cost
from workbench.training import Clips

REPEATS = 9


def costs(model: nn.Module, clips: Clips, position: int) -> dict[str, float]:
    """Return what one clip costs a model, on the CPU, in as many threads as torch has at the moment.

    Parameters
    ----------
    model : nn.Module
    clips : Clips
    position : int
        The clip that is counted and timed.

    Returns
    -------
    dict
        `parameters` and `multiply_adds` (`models.cost`); `latency_ms`, from prepared arrays to scores, the median of
        nine; `bytes_per_clip`, which the prepared arrays that the model reads take on disk, the mean over clips.
    """
    model, batch = copy.deepcopy(model).cpu().eval(), clips.batch([position])
    parameters, multiply_adds = cost(model, batch)
    seconds = []
    with torch.inference_mode():
        for _ in range(REPEATS):
            began = time.perf_counter()
            model(batch)
            seconds.append(time.perf_counter() - began)
    views = clips.reader.views.values()
    n_bytes = sum(view.nbytes for of_array in views for view in of_array) / len(clips.emotion)
    return {
        "parameters": parameters,
        "multiply_adds": multiply_adds,
        "latency_ms": 1000 * median(seconds),
        "bytes_per_clip": n_bytes,
    }
