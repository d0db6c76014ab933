"""Work under way on disk: rows as they come and, now and then, all that is needed to go on."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

STATE = "state.npz"


class Parts:
    """A folder of tables that grow, with a state that says how far they are good.

    Parameters
    ----------
    folder : Path
        For this work alone: its name says which work it is.
    columns : mapping
        Table to its columns.
    """

    def __init__(self, folder: Path, columns: Mapping[str, Sequence[str]]):
        self.folder, self.columns = folder, columns
        self.pending: dict[str, list[dict]] = {name: [] for name in columns}
        folder.mkdir(parents=True, exist_ok=True)

    def resume(self) -> tuple[dict, dict[str, np.ndarray]] | None:
        """Return the last saved state, its facts and its arrays, or None; rows that were added after it are dropped."""
        path = self.folder / STATE
        if not path.exists():
            for name in self.columns:
                self._path(name).unlink(missing_ok=True)
            return None
        with np.load(path, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
        facts = json.loads(str(found.pop("facts")))
        for name, size in facts.pop("sizes").items():
            os.truncate(self._path(name), size)
        return facts, found

    def add(self, table: str, rows: Sequence[dict]) -> None:
        """Add rows to a table."""
        self.pending[table] += rows

    def save(self, facts: dict, arrays: Mapping[str, np.ndarray]) -> None:
        """Write the rows added so far and a state (JSON-able facts, arrays) from which the work can go on."""
        sizes = {}
        for name, rows in self.pending.items():
            text = io.StringIO(newline="")
            writer = csv.DictWriter(text, self.columns[name], lineterminator="\n")
            if not self._path(name).exists():
                writer.writeheader()
            writer.writerows(rows)
            with self._path(name).open("a", newline="") as file:
                file.write(text.getvalue())
            sizes[name] = self._path(name).stat().st_size
            rows.clear()
        part = self.folder / f"new-{STATE}"
        np.savez(part, facts=np.array(json.dumps(facts | {"sizes": sizes})), **arrays)
        os.replace(part, self.folder / STATE)

    def table(self, name: str) -> pd.DataFrame:
        """Return a table as saved."""
        return pd.read_csv(self._path(name))

    def remove(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder)

    def _path(self, table: str) -> Path:
        return self.folder / f"{table}.csv"
