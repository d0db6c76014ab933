"""Fan work out over processes or a Dask cluster: in order, with flat memory, and whatever becomes of a worker."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from workbench.errors import WorkbenchError
from workbench.scale.memory import keep_memory
from workbench.scale.numerics import one_thread
from workbench.scale.processes import Died, Processes
from workbench.scale.ranks import ranks

__all__ = ["fan_out", "keep_memory", "ranks"]


def fan_out(
    function: Callable,
    items: Iterable,
    *,
    jobs: int = 1,
    cluster: str | None = None,
    broken: Callable | None = None,
) -> Iterator:
    """Yield ``function(item)`` for every item, in the items' order, with a few items under way at a time.

    A worker that dies is replaced and its item tried once more; the other items go on. Every call computes in one
    thread, so that the results are the same bytes wherever they are made.

    Parameters
    ----------
    function : callable
        A module-level function or a partial of one; with workers, it, the items and the results travel between
        processes.
    jobs : int
        Processes on this machine; 1 works in this process, which a crash of `function` takes along.
    cluster : str, optional
        A Dask scheduler, by address (``tcp://127.0.0.1:8786``) or by its scheduler file (``scheduler.json``).
        Needs the extra `cluster`; `jobs` is then without effect.
    broken : callable, optional
        ``broken(item, reason)`` gives the result of an item that has killed its worker twice.

    Raises
    ------
    WorkbenchError
        If workers cannot start, the cluster cannot be reached, or an item kills its worker twice and there is no
        `broken`. What `function` raises is raised here.
    """
    if not cluster and jobs <= 1:
        yield from map(one_thread(function), items)
        return
    items, waiting = iter(items), deque()
    with _team(function, jobs, cluster) as team:
        while True:
            # A result stays in this line until those before it are taken: its length bounds the memory.
            wanted = max(0, team.room() - len(waiting))
            waiting.extend((item, team.submit(item)) for item in islice(items, wanted))
            if not waiting:
                return
            item, future = waiting.popleft()
            try:
                result = team.result(item, future, [other for _, other in waiting])
            except Died as death:
                if broken is None:
                    raise WorkbenchError(f"{str(item)[:200]}: expected a result, but {death}") from None
                result = broken(item, str(death))
            yield result


def _team(function: Callable, jobs: int, cluster: str | None):
    """Return the workers: a context manager with `room()`, `submit(item)` and `result(item, future, others)`."""
    if not cluster:
        return Processes(function, jobs)
    from workbench.scale.cluster import Cluster

    return Cluster(function, cluster)
