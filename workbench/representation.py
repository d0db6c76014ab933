"""Objects as a notebook shows them: a title, a few facts, a small table; everything is text, nothing is markup."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

# Only what reads on a light page and on a dark one: no colour but the page's own, and half-transparent lines.
BOX = "font:13px/1.5 system-ui,sans-serif;max-width:60rem;padding:.4em .9em;border-left:3px solid rgba(127,127,127,.5)"
TABLE = "border-collapse:collapse;margin:.4em 0 0;font-size:12px"
CELL = "padding:1px 12px 1px 0;text-align:left;vertical-align:top;border-bottom:1px solid rgba(127,127,127,.3)"


def card(kind: str, title: str, facts: Mapping[str, object], *, table: Iterable[Mapping] = (), extra: str = "") -> str:
    """Return an object as HTML.

    Parameters
    ----------
    kind, title : str
        Such as "Run" and the run's name.
    facts : mapping
        Those without a value ('' or None) are left out.
    table : iterable of mappings
        Rows with the same keys.
    extra : str
        HTML that stands before the facts, already escaped.
    """
    known = {name: value for name, value in facts.items() if value not in ("", None)}
    lines = "".join(f"<tr><th style='{CELL}'>{escape(name)}</th>{_cell(value)}</tr>" for name, value in known.items())
    rows = list(table)
    body = f"<table style='{TABLE}'>{lines}</table>" if lines else ""
    if rows:
        lines = _row("th", rows[0]) + "".join(_row("td", row.values()) for row in rows)
        body += f"<table style='{TABLE}'>{lines}</table>"
    return f"<div style='{BOX}'><b>{escape(kind)}</b> {escape(title)}{extra}{body}</div>"


def chip(text: str, colour: str) -> str:
    """Return a word with a dot of its colour, as HTML."""
    dot = f"<span style='color:{escape(colour)}' aria-hidden='true'>&#9679;</span>"
    return f"<span style='white-space:nowrap;margin-right:.8em'>{dot} {escape(text)}</span>"


def chips(colours: Mapping[str, str]) -> str:
    """Return words with a dot of their colours on a line of their own, as HTML."""
    return f"<div>{''.join(chip(text, colour) for text, colour in colours.items())}</div>"


def _row(tag: str, cells: Iterable) -> str:
    return f"<tr>{''.join(_cell(value, tag) for value in cells)}</tr>"


def _cell(value, tag: str = "td") -> str:
    return f"<{tag} style='{CELL}'>{escape(words(value))}</{tag}>"


def words(value) -> str:
    """Return a value as a person reads it: ``yes``, ``1,000``, ``0.001``, ``a: 1, b: 2``; '' for None."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: ""}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {words(one)}" for key, one in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(words, value))
    return str(value)
