"""Workers of a Dask cluster that is running already; which machines it has, and how they came, is its own affair."""

from __future__ import annotations

import gc
import json
import socket
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import workbench
from workbench.errors import WorkbenchError
from workbench.scale.numerics import settle
from workbench.scale.processes import AHEAD, Died

TIMEOUT = 10  # s, to reach the scheduler
TRIES = 3  # to start a client on a busy machine
REFRESH = 5  # s, between two looks at how many workers there are
POLL = 0.05  # s, between two reads of a scheduler file that is not complete yet


def connect(address: str, **options):
    """Return a Dask client; try again where its event loop has not started within the 10 s that distributed asserts.

    Unused clients are collected before: distributed blocks for ever where one is collected while another
    starts.
    """
    import distributed

    for tries_left in reversed(range(TRIES)):
        gc.collect()
        try:
            return distributed.Client(address, set_as_default=False, **options)
        except AssertionError:
            if not tries_left:
                raise


class Cluster:
    """The workers of a Dask scheduler; a context manager, at whose end it is left as it was.

    Parameters
    ----------
    function : callable
        What is done to an item.
    address : str
        The scheduler's address, or the path of its scheduler file (ends in ``.json``).

    Raises
    ------
    WorkbenchError
        If `distributed` is not installed, no scheduler answers, or it is lost on the way.
    """

    def __init__(self, function: Callable, address: str):
        try:
            import distributed
        except ImportError:
            raise WorkbenchError(
                "work on a cluster needs the package distributed, which is not installed: "
                "pip install 'workbench[cluster]' (or pip install distributed)"
            ) from None
        self.distributed, self.address = distributed, address
        self.task = partial(_work, function, workbench.__version__)
        self.threads, self.looked = 0, -REFRESH

    def __enter__(self) -> Cluster:
        end = time.monotonic() + TIMEOUT
        try:
            address = _read_scheduler_file(Path(self.address), end) if self.address.endswith(".json") else self.address
            timeout = max(1, end - time.monotonic())
            self.client = connect(address, timeout=timeout, name="workbench")
        except (OSError, ValueError, TimeoutError) as error:
            raise WorkbenchError(
                f"cannot reach the Dask cluster at {self.address}: {error or type(error).__name__}; expected a "
                f"scheduler that answers within {TIMEOUT} s (tcp://HOST:8786 or the path of its .json file)"
            ) from None
        if not self.client.nthreads():
            warnings.warn(f"the Dask cluster at {self.address} has no workers yet: waiting for them", stacklevel=4)
        return self

    def __exit__(self, *_) -> None:
        self.client.close(timeout=TIMEOUT)

    def room(self) -> int:
        """Return how many items may be under way, by the number of the workers' threads at the moment."""
        if time.monotonic() > self.looked + REFRESH:
            with self._connected():
                self.threads, self.looked = sum(self.client.nthreads().values()), time.monotonic()
        return AHEAD * max(1, self.threads)

    def submit(self, item):
        """Hand an item to the scheduler, which gives it to another worker should one die."""
        with self._connected():
            return self.client.submit(self.task, item, pure=False)

    def result(self, item, future, others: Sequence):
        """Return what the function made of an item, or raise what it raised, or `Died`.

        Dask blames a worker's repeated death on all items that it held. An item so blamed is tried once more, when
        no other is under way.
        """
        killed = self.distributed.KilledWorker
        try:
            return self._wait(future)
        except killed:
            with self._connected():
                for other in others:
                    other.exception()  # waits for it
        try:
            return self._wait(self.submit(item))
        except killed as error:
            reason = f"its worker on the cluster died at each of {error.allowed_failures + 1} tries in a row"
            raise Died(f"{reason}, the last one {error.last_worker.address}") from None

    def _wait(self, future):
        with self._connected():
            error = future.exception()
        if isinstance(error, RuntimeError) and "deserialization of the task graph" in str(error):
            raise WorkbenchError(
                f"the Dask scheduler at {self.address} cannot import the workbench: install the same environment "
                "(pip install -e '.[cluster]') where the scheduler and the workers are started"
            )
        if error is not None:
            raise error
        with self._connected():
            return future.result()

    @contextmanager
    def _connected(self):
        """Turn the loss of the scheduler into one clear error."""
        client = self.distributed.client
        try:
            yield
        except (client.CancelledError, client.ClosedClientError, OSError, TimeoutError) as error:
            raise WorkbenchError(
                f"lost the Dask scheduler at {self.address} ({type(error).__name__}): what is finished is kept; "
                "start the cluster anew and give the same command again"
            ) from None


def _read_scheduler_file(path: Path, end: float) -> str:
    """Return the address in a scheduler file; wait until `end` (monotonic time, s) while it is not complete.

    Dask writes the file in place, so that it may be empty or cut off when it is read.

    Raises
    ------
    OSError
        If there is no such file.
    ValueError
        If the file holds no address at `end`.
    """
    if not path.is_file():
        raise OSError("no such scheduler file")
    while True:
        try:
            return json.loads(path.read_text())["address"]
        except (ValueError, LookupError, TypeError) as error:
            if time.monotonic() > end:
                found = f"{type(error).__name__}: {error}"
                raise ValueError(f"the scheduler file is incomplete or holds no address ({found})") from None
        time.sleep(POLL)


def _work(function: Callable, version: str, item):
    """Apply the function on a worker, in one thread, if the worker has the same workbench as the caller."""
    if version != workbench.__version__:
        raise WorkbenchError(
            f"a worker on {socket.gethostname()} has workbench {workbench.__version__}, expected {version}: "
            "install the same environment on every machine of the cluster"
        )
    settle()
    return function(item)
