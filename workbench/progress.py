"""A progress bar that reads the same in a notebook, in an executed copy of it, and in a terminal."""

from __future__ import annotations

import sys

from tqdm import tqdm


def bar(items, *, total: int | None = None, description: str = ""):
    """Go through `items` with a bar; what the package's functions take as `progress`."""
    return tqdm(items, total=total, desc=description, mininterval=1.0, file=sys.stdout)
