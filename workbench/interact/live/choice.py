"""Which run answers: a finished one of streams."""

from __future__ import annotations

from pathlib import Path

from workbench import runs
from workbench.errors import WorkbenchError
from workbench.models import ENCODERS
from workbench.models.streams import Stream

STUDY = "light"


def chosen(name: str | None = None, corpus: str | None = None, root: str | Path | None = None) -> runs.Run:
    """Return the run of this name (`runs.load`), or the latest finished speaker-disjoint run of study `light`.

    Parameters
    ----------
    name : str, optional
        A run's folder, its name, or the beginning of its name.
    corpus : str, optional
        Only runs on this corpus, `NAME` or `NAME:TARGET`; by default on any.
    root : str or Path, optional
        Only runs on the recordings in this folder.

    Raises
    ------
    WorkbenchError
        If there is none, or it is not a network of streams; the message says what to do.
    """
    if name is None and not runs.find(STUDY):
        raise WorkbenchError(
            f"no run of study {STUDY}: make one (workbench notebooks --only 80, or workbench study run {STUDY}), "
            "or name a run"
        )
    run = runs.load(name or STUDY, corpus=corpus, root=root)
    encoders = [ENCODERS.get(one.get("name", "")) for one in run.params.get("encoders", {}).values()]
    if not encoders or not all(encoder and issubclass(encoder, Stream) for encoder in encoders):
        known = sorted({"/".join(one.folder.parts[-3:-1]) for one in runs.find(STUDY)})
        raise WorkbenchError(
            f"run {run.name} cannot be asked live, for it has no streams: choose from {', '.join(known)}"
        )
    return run
