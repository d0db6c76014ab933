"""The clip browser: find clips by any column, see and hear one, with all that is known of it on one time axis."""

from __future__ import annotations

from collections.abc import Sequence

import ipywidgets
import pandas as pd

from workbench import runs
from workbench.errors import WorkbenchError
from workbench.interact.asked import grouped
from workbench.interact.assets import Pictured
from workbench.interact.player import ClipPlayer
from workbench.interact.table import ClipTable
from workbench.interact.views import View, steps

KEPT = 8  # clips that need not be looked at again


class ClipBrowser(Pictured, ipywidgets.VBox):
    """A clip table with filters, and below it the chosen clip.

    Parameters
    ----------
    clips : DataFrame
        A clip table.
    run : Run, str, or several of them, optional
        Finished runs to be asked about each clip, a second at a time, such as `asked.at_hand` finds. The folds of one
        model are asked as one, each clip of the fold that tests it; of several models, one is chosen in the page. A
        name is `runs.load`'s.

    Attributes
    ----------
    table : ClipTable
        `table.filters`, `table.found`, `table.selected`.
    player : ClipPlayer
        `player.view`, `player.cursor`.
    """

    def __init__(self, clips: pd.DataFrame, run: runs.Run | str | Sequence[runs.Run | str] | None = None):
        if clips.empty:
            raise WorkbenchError("expected a clip table with clips in it, found an empty one")
        self.models = grouped(runs.by_name(() if run is None else run).values())
        self.table, self.player, self._seen = ClipTable(clips), ClipPlayer(), {}
        choices = [("no run", ""), *((name, name) for name in self.models)]
        wide = {"description_width": "initial"}
        self.asked = ipywidgets.Dropdown(options=choices, description="probabilities by", style=wide)
        self.asked.layout.width = "auto"
        self.asked.value = next(iter(self.models), "")
        super().__init__([self.table, *([self.asked] if self.models else []), self.player])
        self.table.observe(self._chosen, ["selected"])
        self.asked.observe(self._chosen, ["value"])
        self.table.selected = str(self.table.found["clip"].iloc[0])

    def _chosen(self, _=None) -> None:
        """Show the chosen clip, what is soon there first."""
        if not self.table.selected:
            return
        clip = self.table.clips.set_index("clip", drop=False).loc[self.table.selected]
        key = (self.table.selected, self.asked.value)
        self.player.busy = f"Looking at {self.table.selected} …"
        try:
            for view in self._views(key, clip):
                self.player.show(view)
        except WorkbenchError as error:
            self.player.show(View(dict(clip), notes=(str(error),)))
        finally:
            self.player.busy = ""

    def _views(self, key: tuple[str, str], clip: pd.Series):
        """Yield views of a clip, the last one kept for the next time."""
        if key in self._seen:
            yield self._seen[key]
            return
        model = self.models.get(self.asked.value)
        run, words = model.of(clip) if model else (None, "")
        for view in steps(clip, run):
            yield view
        self._seen[key] = view = view.noted(*[words] * bool(words))
        yield view
        if len(self._seen) > KEPT:
            del self._seen[next(iter(self._seen))]

    def picture(self):
        """Return the chosen clip as a figure."""
        return self.player.picture()
