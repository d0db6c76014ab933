"""A progress bar that reads the same in a notebook, in an executed copy of it, and in a terminal."""

from __future__ import annotations

import sys

from tqdm import tqdm


def bar(items, *, total: int | None = None, description: str = "", unit: str = "it", done: int = 0):
    """Go through `items` with a bar; what the package's functions take as `progress`.

    With unit "B" the items are numbers of bytes, of which `done` were there before, and the bar counts bytes.
    """
    if unit == "B":
        return _byte_bar(items, total, description, done)
    return tqdm(items, total=total, desc=description, mininterval=1.0, file=sys.stdout)


def _byte_bar(items, total, description, done):
    look = {"unit": "B", "unit_scale": True, "mininterval": 1.0, "file": sys.stdout}
    with tqdm(total=total, desc=description, initial=done, **look) as shown:
        for item in items:
            shown.update(item)
            yield item
