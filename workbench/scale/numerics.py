"""One thread of numerics: several workers share a machine fairly, and sums are made in the same order everywhere."""

from __future__ import annotations

import os
import sys
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

    @wraps(function)
    def alone(*args):
        before = _threads()
        with _controller().limit(limits=1):
            try:
                _set_threads(1, 1)
                return function(*args)
            finally:
                _set_threads(*before)

    return alone


def _threads() -> tuple[int, int]:
    import cv2

    return sys.modules["torch"].get_num_threads() if "torch" in sys.modules else 0, cv2.getNumThreads()


def _set_threads(of_torch: int, of_opencv: int) -> None:
    """Set the threads of OpenCV, and of torch where something has loaded it: it takes a second to load."""
    import cv2

    cv2.setNumThreads(of_opencv)
    if "torch" in sys.modules and of_torch:
        sys.modules["torch"].set_num_threads(of_torch)


@cache
def _controller():
    """Return the handle on the BLAS and OpenMP libraries that are loaded; finding them takes some milliseconds."""
    import threadpoolctl

    return threadpoolctl.ThreadpoolController()
