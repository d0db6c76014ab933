"""Workers on this machine, a process each: one that dies is replaced, and it is known which item it had in hand.

`concurrent.futures`, loky and joblib give up every item under way when one worker dies, without telling whose fault
it was; `multiprocessing.Pool` waits for ever. So each worker here has a pipe of its own and one item at a time.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from queue import SimpleQueue

from workbench.errors import WorkbenchError
from workbench.scale.numerics import settle

TRIES = 2
AHEAD = 4  # items under way or done, but not yet taken, for each worker

# A forked copy of a process that has used torch's threads can hang. So a worker is forked from a server process that
# has imported the package and has used no thread; elsewhere than on Linux, libraries do not bear a fork, and a worker
# is a fresh interpreter.
_CONTEXT = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")
_FOR_TRAINING = ("accelerate", "torch._dynamo", "torch.distributed.tensor")
_NOT_FOR_WORKERS = ("workbench.cli", "workbench.interact", "workbench.plots")


class Died(Exception):
    """An item killed its worker as often as it was tried; the message says how."""


class Processes:
    """Some processes that each work on one item at a time; a context manager, at whose end they are gone.

    Parameters
    ----------
    function : callable
        What is done to an item.
    jobs : int
        How many processes, >= 1. Each starts with its first item, so none starts in vain.
    """

    def __init__(self, function: Callable, jobs: int):
        self.jobs, self.stopped = jobs, threading.Event()
        self.workers = [_Worker(function, self.stopped) for _ in range(jobs)]
        self.idle = SimpleQueue()
        for worker in self.workers:
            self.idle.put(worker)

    def __enter__(self) -> Processes:
        self.threads = ThreadPoolExecutor(self.jobs, "worker", _leave_interrupts_to_the_main_thread)
        return self

    def __exit__(self, *_) -> None:
        self.stopped.set()
        for worker in self.workers:
            worker.kill()
        self.threads.shutdown(cancel_futures=True)

    def room(self) -> int:
        """Return how many items may be under way."""
        return AHEAD * self.jobs

    def submit(self, item) -> Future:
        """Queue an item."""
        return self.threads.submit(self._work, item)

    def result(self, item, future: Future, others: Sequence[Future]):
        """Return what the function made of an item, or raise what it raised, or `Died`."""
        return future.result()

    def _work(self, item):
        worker = self.idle.get()
        try:
            return worker.work(item)
        finally:
            self.idle.put(worker)


class _Worker:
    """One process at a time, and the pipe to it."""

    def __init__(self, function: Callable, stopped: threading.Event):
        self.function, self.stopped, self.lock = function, stopped, threading.Lock()
        self.process = None

    def work(self, item):
        """Return ``function(item)`` from the process; a process that dies is replaced and given the item again."""
        for _ in range(TRIES):
            if self.process is None:
                self._start()
            try:
                self.pipe.send(item)
                result, error = self.pipe.recv()
            except (EOFError, OSError):
                how = self._bury()
                continue
            if error:
                raise error
            return result
        raise Died(f"its worker process died {TRIES} times, the last time of {how}")

    def kill(self) -> None:
        """End the process at once; a thread that waits for it wakes."""
        with self.lock:
            if self.process is not None:
                self.process.kill()
                self.process.join()

    def _start(self) -> None:
        with self.lock:  # either `kill` sees the new process, or there is none
            if self.stopped.is_set():
                raise WorkbenchError("the work has been stopped")
            self.pipe, theirs = _CONTEXT.Pipe()
            arguments = theirs, self.function, dict(os.environ)
            process = _CONTEXT.Process(target=_serve, args=arguments, daemon=True)
            _CONTEXT.set_forkserver_preload(_to_import())
            process.start()
            self.process = process
            theirs.close()  # so that the death of the process ends the pipe
        try:
            self.pipe.recv()
        except (EOFError, OSError):
            how = self._bury()
            reason = f"a worker process ended before its first item, by {how}; the reason stands above, on stderr"
            hint = 'a script that uses several processes begins its work below `if __name__ == "__main__":`'
            raise WorkbenchError(f"{reason} ({hint})") from None

    def _bury(self) -> str:
        """Clear a dead process away; return what it died of."""
        self.process.kill()
        self.process.join()
        code = self.process.exitcode
        with self.lock:
            self.pipe.close()
            self.process = None
        if self.stopped.is_set():
            raise WorkbenchError("the work has been stopped")
        if code is None or code >= 0:
            return f"exit code {code}"
        out_of_memory = ", as when memory runs out" if code == -signal.SIGKILL else ""
        return f"signal {signal.Signals(-code).name}{out_of_memory}"


def _leave_interrupts_to_the_main_thread() -> None:
    """Block Ctrl-C in this thread, and so in the processes that it starts: the main thread ends them."""
    if hasattr(signal, "pthread_sigmask"):
        resource_tracker.ensure_running()  # which unblocks the signal, if it is left to start with the first process
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _to_import() -> list[str]:
    """Return the modules that a server of workers imports: those of this package that this process has imported.

    Where it trains, those as well that the first optimiser and accelerate import.
    """
    mine = [name for name in sys.modules if name.startswith("workbench.") and not name.startswith(_NOT_FOR_WORKERS)]
    return [*mine, *(_FOR_TRAINING if "workbench.training" in sys.modules else ())]


def _serve(pipe: Connection, function: Callable, environment: dict[str, str]) -> None:
    """Work in a process: receive an item, send (result, error), until there is no one at the other end.

    `environment` is that of the parent now: the server of workers may have started before it changed.
    """
    os.environ.clear()
    os.environ.update(environment)
    threading.Thread(target=end_with_the_parent, daemon=True).start()
    settle()
    pipe.send("ready")
    while True:
        try:
            item = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            answer = function(item), None
        except Exception as error:
            error.add_note("In the worker process:\n" + traceback.format_exc())
            answer = None, error
        _send(pipe, answer)


def _send(pipe: Connection, answer: tuple) -> None:
    try:
        pipe.send(answer)
    except OSError:
        return
    except Exception as error:  # what cannot travel
        pipe.send((None, WorkbenchError(f"a result that cannot travel between processes: {error}")))


def end_with_the_parent() -> None:
    """Wait for the parent's death and follow it, whatever the main thread is doing."""
    multiprocessing.parent_process().join()
    os._exit(1)
