"""One thread of numerics: several workers share a machine fairly, and sums are made in the same order everywhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache, wraps

VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@cache
def settle() -> None:
    """Make this process compute in one thread from now on: OpenMP, BLAS, torch and OpenCV."""
    os.environ.update(dict.fromkeys(VARIABLES, "1"))  # for libraries yet to be loaded
    _set_threads(1, 1)
    _controller().limit(limits=1)


def one_thread(function: Callable) -> Callable:
    """Return `function` such that it computes in one thread, and this process as before when it has returned."""
    import cv2
    import torch

    @wraps(function)
    def alone(*args):
        before = torch.get_num_threads(), cv2.getNumThreads()
        with _controller().limit(limits=1):
            try:
                _set_threads(1, 1)
                return function(*args)
            finally:
                _set_threads(*before)

    return alone


def _set_threads(of_torch: int, of_opencv: int) -> None:
    import cv2
    import torch

    torch.set_num_threads(of_torch)
    cv2.setNumThreads(of_opencv)


@cache
def _controller():
    """Return the handle on the BLAS and OpenMP libraries that are loaded; finding them takes some milliseconds."""
    import threadpoolctl

    return threadpoolctl.ThreadpoolController()
