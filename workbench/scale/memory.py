"""The memory that a process frees: kept by it, where the C library is glibc."""

from __future__ import annotations

import ctypes
import os
from functools import cache

MMAP_MAX, TRIM_THRESHOLD, TOP_PAD = -4, -1, -2  # glibc's malloc.h


@cache
def keep_memory() -> bool:
    """Let this process keep what it frees from now on; return whether it does.

    By default glibc gives every large array back to the system, and fetches the next one page by page, zeroed anew:
    training LRCN on a CPU takes half as long again by that (`bench allocation`). No more is kept than was in use.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is None:
        return False
    return all([mallopt(MMAP_MAX, 0), mallopt(TRIM_THRESHOLD, 2**31 - 1), mallopt(TOP_PAD, 64 * 2**20)])
