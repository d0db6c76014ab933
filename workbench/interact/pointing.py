"""What a person does with the points of a plotly figure: clicks and lassos, each of them told."""

from __future__ import annotations

from collections.abc import Callable

import anywidget

from workbench.interact.assets import text


class Pointing(anywidget.AnyWidget):
    """Calls back for each click on a point, and each lasso, in the plotly figure that stands in the same box.

    plotly's own widget has one state for whatever the pointer does, hovering too. While the kernel is busy the last
    state alone is kept: a click can be lost when the pointer moves on, and one like a click under way is not told.
    Which point a click means is told by where it was, as plotly looks only once in 50 ms at what is there. A figure of
    scatter plots, each with markers of one size and `clickanywhere` in its layout, tells every click.

    Parameters
    ----------
    on_click : function
        Takes the position of the point in its trace.
    on_lasso : function
        Takes the positions of the points, in order, of all traces together; none where a lasso is taken back.
    """

    _esm = text("pointing.js")

    def __init__(self, *, on_click: Callable[[int], None], on_lasso: Callable[[list[int]], None]):
        super().__init__()
        self.clicked, self.lassoed = on_click, on_lasso
        self.on_msg(self._told)

    def _told(self, _, content: dict, __) -> None:
        points = sorted(set(content.get("points", ())))
        if content.get("kind") == "lasso":
            self.lassoed(points)
        elif content.get("kind") == "click" and points:
            self.clicked(points[0])
