"""Waiting for what another process or thread does."""

import time


def until(condition, seconds=30):
    """Wait until a condition holds; tell whether it does."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()
