"""A table of clips in a page: filtered by any column, put in order, one clip chosen, the list saved as CSV."""

from __future__ import annotations

from collections.abc import Mapping

import anywidget
import numpy as np
import pandas as pd
import traitlets

from workbench.emotions import COLOURS, EMOTIONS, EXTRA
from workbench.errors import WorkbenchError, choose
from workbench.interact.assets import text

FEW = 40  # values of a column that can be ticked one by one
PER_PAGE = 100
FILES = ("path", "audio_path", "boxes_path")  # long, so they come last


def columns_of(table: pd.DataFrame) -> list[dict]:
    """Return how each column of a clip table can be filtered: files last, columns without any value not at all.

    Returns
    -------
    list of dict
        `name` and `kind`: `choices` (few values: `values`, a list of `value`, `count` and, of emotions, `colour`),
        `range` (numbers: `low`, `high`) or `text`.
    """
    names = sorted(table, key=lambda name: name in FILES)
    return [_column(table[name]) for name in names if (_words(table[name]) != "").any()]


def _column(values: pd.Series) -> dict:
    words, name = _words(values), str(values.name)
    colours = {word: COLOURS[word] for word in set(words) & set(COLOURS)}
    about = {"name": name} | ({"colours": colours} if colours else {})
    numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    if words.nunique() <= (12 if numeric else FEW):
        counts = words.value_counts()
        known = {word: place for place, word in enumerate(EMOTIONS + EXTRA)}
        order = sorted(counts.index, key=lambda word: (known.get(word, len(known)), word))
        ticked = [{"value": word, "count": int(counts[word]), "colour": colours.get(word, "")} for word in order]
        return about | {"kind": "choices", "values": ticked}
    if numeric:
        return about | {"kind": "range", "low": float(values.min()), "high": float(values.max())}
    return about | {"kind": "text"}


def _words(values: pd.Series) -> pd.Series:
    """Return a column as it is shown: text, '' where there is no value, numbers without needless digits."""
    if pd.api.types.is_float_dtype(values):
        return values.map(lambda value: "" if np.isnan(value) else f"{value:g}")
    return values.astype(object).where(values.notna(), "").astype(str)


def narrow(table: pd.DataFrame, filters: Mapping[str, Mapping]) -> pd.DataFrame:
    """Return the rows of a table that pass all filters.

    Parameters
    ----------
    filters : mapping of column to filter
        ``{"in": ["happy", "sad"]}`` (values as shown), ``{"from": 1.5, "to": 3}`` (either may be left out) or
        ``{"contains": "dog"}`` (whatever the case).

    Raises
    ------
    WorkbenchError
        For a column that there is not, or another filter.
    """
    keep = pd.Series(True, index=table.index)
    for name, wanted in filters.items():
        column = table[choose("column of the clip table", name, list(table))]
        if "in" in wanted:
            keep &= _words(column).isin(wanted["in"])
        elif "contains" in wanted:
            keep &= _words(column).str.contains(str(wanted["contains"]), case=False, regex=False)
        elif {"from", "to"} & set(wanted):
            keep &= column.between(wanted.get("from", -np.inf), wanted.get("to", np.inf))
        else:
            raise WorkbenchError(f"filter of column {name!r}: expected in, from and to, or contains, found {wanted}")
    return table[keep]


class ClipTable(anywidget.AnyWidget):
    """A clip table in a page.

    Parameters
    ----------
    clips : DataFrame
        Any columns, `clip` among them, which tells rows apart.
    can_filter : bool
        Whether there is a filter under each column.
    name : str
        What the file of a saved list is called.

    Attributes
    ----------
    filters : dict
        As `narrow` takes them; set it, or let the page do so.
    order : list
        Column, and whether it goes down; of equal rows the first comes first.
    selected : str
        The `clip` of the chosen row, '' if none is.
    found : DataFrame
        The rows that pass the filters, in order.
    """

    _esm = text("common.js", "table.js")
    _css = text("panels.css")
    columns = traitlets.List().tag(sync=True)
    rows = traitlets.List().tag(sync=True)
    n_found = traitlets.Int(0).tag(sync=True)
    n_all = traitlets.Int(0).tag(sync=True)
    page = traitlets.Int(0).tag(sync=True)
    n_pages = traitlets.Int(1).tag(sync=True)
    filters = traitlets.Dict().tag(sync=True)
    order = traitlets.List(default_value=["", False]).tag(sync=True)
    selected = traitlets.Unicode("").tag(sync=True)
    can_filter = traitlets.Bool(True).tag(sync=True)

    def __init__(self, clips: pd.DataFrame, *, can_filter: bool = True, name: str = "clips.csv"):
        super().__init__(can_filter=can_filter)
        self.name = name
        self.show(clips)
        self.observe(self._narrow, ["filters", "order"])
        self.observe(self._page, ["page"])
        self.on_msg(self._asked)

    def show(self, clips: pd.DataFrame) -> None:
        """Show another table; filters of columns that it lacks are dropped."""
        self.clips = clips.reset_index(drop=True)
        with self.hold_sync():
            self.columns = columns_of(self.clips) if len(clips) else [{"name": "clip", "kind": "text"}]
            self.filters = {name: wanted for name, wanted in self.filters.items() if name in clips}
            self.n_all, self.page = len(clips), 0
            self._narrow()

    def _narrow(self, _=None) -> None:
        found = narrow(self.clips, self.filters)
        by, down = self.order
        if by in found:
            found = found.sort_values(by, ascending=not down, kind="stable")
        self.found = found
        with self.hold_sync():
            self.n_found, self.n_pages = len(found), max(1, -(-len(found) // PER_PAGE))
            self._page()

    def _page(self, _=None) -> None:
        page = min(max(self.page, 0), self.n_pages - 1)
        mine = self.found.iloc[page * PER_PAGE : (page + 1) * PER_PAGE]
        shown = [_words(mine[column["name"]]).tolist() for column in self.columns if column["name"] in mine]
        with self.hold_sync():
            self.rows = [list(row) for row in zip(*shown, strict=True)]
            self.page = page

    def csv(self) -> str:
        """Return the rows that pass the filters, as CSV."""
        return self.found.to_csv(index=False)

    def _asked(self, _, content: dict, __) -> None:
        if content.get("kind") == "csv":
            # As the page has them: it asks at once, and tells of changes one at a time.
            self.filters, self.order = content["filters"], content["order"]
            self.send({"kind": "csv", "name": self.name, "text": self.csv()})
