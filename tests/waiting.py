"""Processes that tests start, which end with them, and waiting for what another process or thread does."""

import os
import signal
import subprocess
import time
from contextlib import contextmanager, suppress


def until(condition, seconds=120):
    """Wait until a condition holds; tell whether it does. `seconds` is a limit: nothing is asserted of the time."""
    end = time.monotonic() + seconds
    while not (held := condition()) and time.monotonic() < end:
        time.sleep(0.02)
    return held


@contextmanager
def started(command, **options):
    """Start a process in a session of its own; at the end of the block it and its children are killed."""
    process = subprocess.Popen(command, start_new_session=True, **options)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):  # nothing is left of the session
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
