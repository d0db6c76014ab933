"""A text to copy: a command, a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anywidget
import traitlets

HERE = Path(__file__).parent


class CopyBox(anywidget.AnyWidget):
    """Shows a `text` under a `title`, with a button that copies it.

    `on_seen` calls back when a page shows it, which no notebook that runs without one does; `on_copied` when the button
    is pressed.
    """

    _esm = HERE / "copybox.js"
    _css = HERE / "copybox.css"
    title = traitlets.Unicode().tag(sync=True)
    text = traitlets.Unicode().tag(sync=True)

    def on_seen(self, function: Callable[[], None]) -> None:
        """Call a function each time that a page begins to show the box."""
        self.on_msg(lambda _widget, content, _buffers: function() if content.get("seen") else None)

    def on_copied(self, function: Callable[[], None]) -> None:
        """Call a function each time that somebody copies the text."""
        self.on_msg(lambda _widget, content, _buffers: function() if content.get("copied") else None)
