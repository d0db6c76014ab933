"""Prepared arrays on disk: memory-mapped, compact, written crash-safely, one folder a recipe.

A store is a folder of shards. A shard holds, for some clips, one NPY file an array (the clips' rows joined along
the first axis) and `index.parquet`, one row a clip with where its rows begin and how many they are. A shard is
written under another name and renamed when complete, so a killed process leaves whole shards or nothing, and so
does a full disk. `quarantine.csv` lists what was left out, or prepared with a reservation, and why.

Pictures are kept as RGB (t, h, w, 3), or packed by `pack` with colour at half resolution (t, 3 * h / 2, w); readers get
RGB from both.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from workbench.errors import WorkbenchError

QUARANTINE = ["clip", "path", "left_out", "reason", "source_bytes", "source_time"]


def pack(pictures: np.ndarray) -> np.ndarray:
    """Return RGB pictures (t, h, w, 3) uint8, h and w even, as I420 (t, 3 * h / 2, w) uint8: half the bytes.

    Brightness keeps its resolution, colour has one value for four pixels, as in most films.
    """
    return np.stack([cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420) for picture in pictures])


def unpack(array: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Return an array of the store as models see it: packed pictures (t, 3 * h / 2, w) uint8 become RGB (t, h, w, 3).

    Anything else is returned as it is, or copied into `out` where that is given.
    """
    if array.ndim != 3 or array.dtype != np.uint8:
        if out is None:
            return array
        out[:] = array
        return out
    n_frames, rows, width = array.shape
    out = np.empty((n_frames, rows * 2 // 3, width, 3), np.uint8) if out is None else out
    for picture, rgb in zip(array, out, strict=True):
        cv2.cvtColor(picture, cv2.COLOR_YUV2RGB_I420, dst=rgb)
    return out


def _unpacked_shape(array: np.ndarray) -> tuple[int, ...]:
    if array.ndim != 3 or array.dtype != np.uint8:
        return array.shape
    return (len(array), array.shape[1] * 2 // 3, array.shape[2], 3)


class Store:
    """Prepared arrays of one corpus under one recipe.

    Parameters
    ----------
    folder : Path
        The store's folder; made when missing.

    Raises
    ------
    WorkbenchError
        If it cannot be made.
    """

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        with _refused(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        self._maps: dict[tuple[str, str], np.ndarray] = {}
        self.refresh()

    def refresh(self) -> None:
        """Read the index and the quarantine table again."""
        parts = [pd.read_parquet(path).assign(shard=path.parent.name) for path in self._indices()]
        self._set_index(pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({"clip": [], "shard": []}))
        quarantine = self.folder / "quarantine.csv"
        self.quarantine = pd.DataFrame(columns=QUARANTINE)
        if quarantine.exists():  # a clip may be called 0012, or nan
            words = dict.fromkeys(["clip", "path", "left_out", "reason"], str)
            self.quarantine = pd.read_csv(quarantine, keep_default_na=False, dtype=words)

    def _set_index(self, table: pd.DataFrame) -> None:
        self.index = table.drop_duplicates("clip", keep="last").set_index("clip")

    def _indices(self) -> list[Path]:
        return sorted(self.folder.glob("shard-?????/index.parquet"))

    @contextmanager
    def writing(self):
        """Hold the store for writing; a second writer gets an error rather than a mixed store."""
        with _refused(self.folder):
            lock = open(self.folder / "lock", "w")  # noqa: SIM115
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise WorkbenchError(f"another process is preparing into {self.folder}: wait for it to end") from None
            for left_over in self.folder.glob("shard-*.part"):
                shutil.rmtree(left_over)
            yield

    def write(self, rows: Sequence[dict], arrays: Sequence[dict[str, np.ndarray]]) -> None:
        """Add one shard.

        Parameters
        ----------
        rows : sequence of dict
            Facts of each clip, `clip` among them.
        arrays : sequence of dict
            The clip's arrays by name, each with the time axis first; a clip may lack some.
        """
        if not rows:
            return
        number = max((int(path.parent.name[-5:]) for path in self._indices()), default=-1) + 1
        final, part = self.folder / f"shard-{number:05d}", self.folder / f"shard-{number:05d}.part"
        with _all_or_nothing(part):
            part.mkdir()
            index = _write_shard(part, rows, arrays)
            os.replace(part, final)
        index = index.assign(shard=final.name)
        self._set_index(pd.concat([self.index.reset_index(), index], ignore_index=True) if len(self.index) else index)

    def write_quarantine(self, rows: Sequence[dict]) -> None:
        """Add rows to the quarantine table; a clip's new rows replace its old ones."""
        if not rows:
            return
        old = self.quarantine[~self.quarantine["clip"].isin({row["clip"] for row in rows})]
        self._save_quarantine(pd.concat([old, pd.DataFrame(rows)], ignore_index=True))

    def forget(self, clips: Sequence[str]) -> None:
        """Drop rows of the quarantine table, for clips that are prepared anew."""
        kept = self.quarantine[~self.quarantine["clip"].isin(set(clips))]
        if len(kept) < len(self.quarantine):
            self._save_quarantine(kept)

    def _save_quarantine(self, table: pd.DataFrame) -> None:
        part = self.folder / "quarantine.csv.part"
        quarantine = table[QUARANTINE].sort_values("clip", ignore_index=True)
        with _all_or_nothing(part):
            quarantine.to_csv(part, index=False)
            os.replace(part, self.folder / "quarantine.csv")
        self.quarantine = quarantine

    def lengths(self, name: str, clips: Sequence[str]) -> np.ndarray:
        """Return how many rows (frames, samples) each clip has of array `name`; 0 where it has none. Shape (n,)."""
        column = f"{name}_length"
        if column not in self.index:
            return np.zeros(len(clips), dtype=int)
        return self.index[column].reindex(clips).fillna(0).to_numpy(dtype=int)

    def array(self, name: str, clip: str) -> np.ndarray:
        """Return a clip's array, time first: a view of the memory-mapped file, or RGB unpacked from it.

        Raises
        ------
        WorkbenchError
            If the clip has not been prepared or lacks this array; the quarantine's reason is given.
        """
        return unpack(self.view(name, clip))

    def view(self, name: str, clip: str) -> np.ndarray:
        """Return a clip's array as it is kept (`array` unpacks it), a view of the memory-mapped file."""
        length = self.lengths(name, [clip])[0]
        if length == 0:
            why = self.quarantine.loc[self.quarantine["clip"] == clip, "reason"].tolist() or ["not prepared"]
            raise WorkbenchError(f"clip {clip!r} has no {name} in {self.folder}: {'; '.join(why)}")
        row = self.index.loc[clip]
        start = int(row[f"{name}_start"])
        return self._map(row["shard"], name)[start : start + length]

    def views(self, name: str, clips: Sequence[str]) -> list[np.ndarray]:
        """Return the `view` of each clip, looked up all at once."""
        lengths = self.lengths(name, clips)
        if not lengths.all():
            self.view(name, clips[int(np.argmin(lengths))])  # raises
        where = self.index.loc[list(clips), ["shard", f"{name}_start"]]
        places = zip(where["shard"], where[f"{name}_start"].astype(int), lengths, strict=True)
        return [self._map(shard, name)[start : start + length] for shard, start, length in places]

    def _map(self, shard: str, name: str) -> np.ndarray:
        if (shard, name) not in self._maps:
            self._maps[shard, name] = np.load(self.folder / shard / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        return self._maps[shard, name]

    @property
    def n_bytes(self) -> int:
        """Bytes of all arrays on disk."""
        return sum(path.stat().st_size for path in self.folder.glob("shard-?????/*.npy"))


def _write_shard(folder: Path, rows: Sequence[dict], arrays: Sequence[dict[str, np.ndarray]]) -> pd.DataFrame:
    """Write a shard's files into `folder` and return its index."""
    rows = [dict(row) for row in rows]
    for name in sorted({name for mine in arrays for name in mine}):
        start = 0
        for row, mine in zip(rows, arrays, strict=True):
            row[f"{name}_start"], row[f"{name}_length"] = start, len(mine.get(name, ()))
            start += row[f"{name}_length"]
        np.save(folder / f"{name}.npy", np.concatenate([mine[name] for mine in arrays if name in mine]))
    index = pd.DataFrame(rows)
    index.to_parquet(folder / "index.parquet", index=False)
    return index


@contextmanager
def _refused(folder: Path):
    """Turn what the system refuses (a read-only disk, a file where a folder should be) into one clear error."""
    try:
        yield
    except OSError as error:
        raise WorkbenchError(
            f"{folder}: expected a folder to prepare into ({error.strerror}); WORKBENCH_DATA names another place"
        ) from None


@contextmanager
def _all_or_nothing(part: Path):
    """Leave nothing of a half-written `part` behind; what the system refused (a full disk) is the user's to mend."""
    try:
        yield
    except BaseException as error:
        shutil.rmtree(part, ignore_errors=True) if part.is_dir() else part.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        # numpy's message for a full disk is a number of bytes and has no error number, so the free space is told.
        free = shutil.disk_usage(part.parent).free
        raise WorkbenchError(
            f"{part.parent}: prepared clips could not be written ({error}); {free:,} bytes are free on this disk. What "
            "was prepared before is kept: make room, and the same command goes on from there"
        ) from error


class Reader:
    """Fast access to some clips of a store: positions in, padded batch out.

    Parameters
    ----------
    store : Store
    clips : sequence of str
        The clips, in the order that positions refer to.
    names : sequence of str
        The arrays wanted.
    """

    def __init__(self, store: Store, clips: Sequence[str], names: Sequence[str]):
        self.views = {name: store.views(name, clips) for name in names}

    @classmethod
    def of(cls, views: Mapping[str, Sequence[np.ndarray]]) -> Reader:
        """Return a reader of arrays that are at hand: by name, an array a clip, time first."""
        reader = cls.__new__(cls)
        reader.views = dict(views)
        return reader

    def batch(self, positions: Sequence[int]) -> dict[str, np.ndarray]:
        """Return the clips at `positions` as one batch (see `stack`)."""
        return self.stack([{name: views[position] for name, views in self.views.items()} for position in positions])

    @staticmethod
    def stack(clips: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """Return each array of some clips, (B, T, ...) zero-padded to the longest, and `<name>_mask` (B, T) bool.

        Raises
        ------
        WorkbenchError
            If the clips' arrays differ in more than their length.
        """
        out = {}
        for name in clips[0]:
            chosen = [clip[name] for clip in clips]
            lengths = np.array([len(view) for view in chosen])
            kinds = {(_unpacked_shape(view)[1:], view.dtype) for view in chosen}
            if len(kinds) > 1:
                raise WorkbenchError(f"{name} of one batch: expected clips of one shape and type, found {kinds}")
            shape = (len(chosen), lengths.max(), *_unpacked_shape(chosen[0])[1:])
            out[name] = np.empty(shape, dtype=chosen[0].dtype)
            for row, view, length in zip(out[name], chosen, lengths, strict=True):
                unpack(view, row[:length])
                row[length:] = 0
            out[f"{name}_mask"] = np.arange(lengths.max()) < lengths[:, None]
        return out
