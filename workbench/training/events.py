"""The history of a training while it is made: a table on disk, and TensorBoard's curves for those who ask for them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from workbench.errors import WorkbenchError


@contextmanager
def recorded(history: Sequence[dict], folder: Path | None) -> Iterator[Callable[[dict], None]]:
    """Give a function that adds an epoch's row to the event file in `folder`, or, without one, does nothing.

    A column is a curve. Where training goes on from a checkpoint, the file is begun anew with the rows so far.

    Raises
    ------
    WorkbenchError
        If TensorBoard is not installed.
    """
    if folder is None:
        yield lambda row: None
        return
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise WorkbenchError(
            "TensorBoard events need the package tensorboard, which is not installed: "
            "pip install 'workbench[tensorboard]' (or pip install tensorboard)"
        ) from None
    for old in Path(folder).glob("events.out.tfevents.*"):
        old.unlink()

    def add(row: dict) -> None:
        for name in row.keys() - {"epoch"}:
            writer.add_scalar(name, row[name], row["epoch"])
        writer.flush()

    with SummaryWriter(str(folder)) as writer:
        for row in history:
            add(row)
        yield add


@contextmanager
def written(history: Sequence[dict], path: Path | None) -> Iterator[Callable[[dict], None]]:
    """Give a function that adds an epoch's row to the CSV file at `path`, or, without one, does nothing.

    Where training goes on from a checkpoint, the file is begun anew with the rows so far.
    """
    if path is None:
        yield lambda row: None
        return
    with open(path, "w", newline="") as file:

        def add(row: dict) -> None:
            if not file.tell():
                csv.writer(file).writerow(row)
            csv.writer(file).writerow(row.values())
            file.flush()

        for row in history:
            add(row)
        yield add
