"""TensorBoard's curves of a training, for those who ask for them; the numbers are those of the history."""

from __future__ import annotations

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
