"""Functions that `test_scale` runs in worker processes: this module imports little, as every worker imports it."""

import os
import signal
import time
from pathlib import Path


def square(item):
    return item * item


def fatal(item, deadly=()):
    if item in deadly:
        os.kill(os.getpid(), signal.SIGKILL)
    return item * item


def fatal_once(item, folder):
    """Kill the process the first time an item is seen."""
    first = Path(folder) / str(item)
    if item % 3 == 0 and not first.exists():
        first.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return item * item


def complain(item):
    if item == 3:
        raise ValueError(f"item {item} is odd")
    return item


def slow_first(item):
    time.sleep(1.0 if item == 0 else 0)
    return item


def leisurely(item):
    time.sleep(0.1)
    return item * item


def process(item):
    return os.getpid()


def exit_at_once(item):
    os._exit(3)
