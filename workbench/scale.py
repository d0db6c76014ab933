"""Fan work out over processes, in order, with progress, and without losing what is done when it is interrupted."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice


def fan_out(function: Callable, items: Iterable, *, jobs: int = 1) -> Iterator:
    """Yield ``function(item)`` for every item, in the items' order.

    Parameters
    ----------
    function : callable
        A module-level function; with `jobs` > 1 it and its results travel between processes.
    jobs : int
        Processes; 1 works in this one.
    """
    if jobs <= 1:
        yield from map(function, items)
        return
    items = iter(items)
    # Fresh interpreters: a forked copy of a process that has used torch's threads can hang.
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting = [pool.submit(function, item) for item in islice(items, 4 * jobs)]
        try:
            while waiting:
                yield waiting.pop(0).result()
                waiting += [pool.submit(function, item) for item in islice(items, 1)]
        finally:
            for future in waiting:
                future.cancel()
