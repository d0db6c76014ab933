"""A progress bar: a widget in a notebook, a line in a terminal; an executed notebook keeps how it ended."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from tqdm.auto import tqdm
from tqdm.notebook import tqdm_notebook


def bar(items, *, total: int | None = None, description: str = "", unit: str = "it", done: int = 0) -> Iterator:
    """Go through `items` with a bar; what the package's functions take as `progress`.

    With unit "B" the items are numbers of bytes, of which `done` were there before, and the bar counts bytes.
    """
    look = {"desc": description, "mininterval": 1.0, "file": sys.stdout}
    widget = issubclass(tqdm, tqdm_notebook)
    look |= {"display": False} if widget else {}
    if unit == "B":
        shown = tqdm(total=total, initial=done, unit="B", unit_scale=True, **look)
    else:
        shown = tqdm(items, total=total, **look)
    steps = _bytes(items, shown) if unit == "B" else shown
    yield from _displayed(steps, shown) if widget else steps


def _bytes(items, shown) -> Iterator:
    with shown:
        for item in items:
            shown.update(item)
            yield item


def _displayed(steps, shown) -> Iterator:
    """Go through the steps with the widget on the page; at the end, the text beside it is that of the end."""
    from IPython.display import display

    handle = display(shown.container, display_id=True)
    try:
        yield from steps
    finally:
        handle.update(shown.container)
