"""Measurements anyone can repeat: each gives one flat object, name to number; ratios are taken within one run."""

from __future__ import annotations

import time
from collections.abc import Callable


def seconds(work: Callable) -> float:
    """Return how long a call takes, s."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
