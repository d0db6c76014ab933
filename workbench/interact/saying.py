"""What the training panel says of a training, in words: its state; all that was chosen, for a page without a kernel."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from workbench.interact.checks import Checked
from workbench.interact.choices import FIELDS
from workbench.representation import card

WRONG, FAINT = "#c1121f", "#777777"


def small(text: str, colour: str = FAINT) -> str:
    """Return a text in small letters, as HTML; '' for none."""
    style = f"color:{colour};font-size:12px;line-height:1.3;overflow-wrap:anywhere"
    return f'<div style="{style}">{escape(text)}</div>' if text else ""


def state(process: Mapping | None) -> str:
    """Return what becomes of a process (`under_way.latest`), as HTML; '' without one."""
    if not process:
        return ""
    reason = f": {process['reason']}" if process.get("reason") else ""
    where = f"process {process['pid']} on {escape(process['host'])}"
    return f"<b>{_words(process)}</b> ({where}){escape(reason)}"


def _words(process: Mapping) -> str:
    training = "runs" in process
    when = (
        "at the end of the epoch (of a classifier: of the run)" if training else "as soon as the clip at hand is ready"
    )
    at = "at a checkpoint" if training else "before the first run"
    return {
        "running": "Is being made",
        "pausing": f"Pauses {when}",
        "paused": f"Is paused, {at}",
        "stopping": f"Stops {when}",
        "stopped": f"Was stopped, {at}",
        "killed": "Was broken off; it goes on from its last checkpoint",
        "failed": "Has failed",
        "finished": "Is finished",
    }[process["state"]]


def summary(checked: Checked, typed: Mapping[str, str | bool], process: Mapping | None, *, curves: bool) -> str:
    """Return what is chosen, what it comes to or what is wrong with it, and what has become of it, as HTML.

    Parameters
    ----------
    typed : mapping
        The fields as they are typed, by name (`choices.FIELDS`).
    curves : bool
        Whether its curves are shown beside it.
    """
    name = checked.chosen["name"]
    facts = {_label(field): value for field, value in typed.items() if field != "name" and value is not False}
    wrong = "; ".join(f"{_label(field)}: {reason}" for field, reason in checked.reasons.items())
    facts |= {"comes to": checked.says, "cannot be started": wrong}
    facts |= {"state": f"{_words(process).lower()}" if process else "not started yet"}
    facts |= {} if curves else {"curves": f"none yet: nothing called {name} has been trained by the epoch"}
    return card("Training", name, facts)


def _label(name: str) -> str:
    """Return what a field is called where it does not stand below another."""
    of = name.removesuffix("_options")
    return FIELDS[name].label if of == name else f"{FIELDS[of].label}, {FIELDS[name].label}"


__all__ = ["FAINT", "WRONG", "small", "state", "summary"]
