"""Recordings to arrays: a recipe says how, a store keeps them, and a clip that fails is listed and left out."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from workbench import faces, paths, scale, weights
from workbench.errors import WorkbenchError
from workbench.prepare.clip import (
    SOURCE,
    crashed,
    detector_of,
    face_arrays,
    fingerprint,
    moments,
    prepare_clip,
    prepare_picture,
    sound_arrays,
)
from workbench.recipes import PICTURES, SOUNDS, Recipe, digest
from workbench.store import Store

__all__ = [
    "detector_of",
    "face_arrays",
    "fill",
    "fingerprint",
    "moments",
    "prepare",
    "prepare_clip",
    "prepare_picture",
    "sound_arrays",
    "store_of",
    "unprepared",
    "usable",
]

SHARD = 32


def store_of(corpus, recipe: Recipe) -> Store:
    """Return the store of a corpus (at its root) under a recipe: `data/prepared/<corpus>/<recipe>-<root>`."""
    root = digest(str(Path(corpus.root).resolve()))
    return Store(paths.prepared() / corpus.card.name / f"{recipe.key}-{root}")


def unprepared(store: Store, clips: pd.DataFrame) -> pd.DataFrame:
    """Return the clips whose files, as they are now, the store has neither prepared nor quarantined."""
    columns = ["clip", "source_bytes", "source_time"]
    known = pd.concat([store.index.reset_index(), store.quarantine]).reindex(columns=columns)
    known = set(known.itertuples(index=False, name=None))
    now = pd.DataFrame([{"clip": clip["clip"], **fingerprint(clip)} for clip in clips.to_dict("records")])
    mine = now.reindex(columns=columns).itertuples(index=False, name=None)
    return clips[[key not in known for key in mine]]


def prepare(
    corpus,
    clips: pd.DataFrame,
    recipe: Recipe | None = None,
    *,
    jobs: int = 1,
    cluster: str | None = None,
    progress: Callable | None = None,
) -> tuple[Store, dict]:
    """Prepare clips into the corpus's store; what is there already is kept, what fails is quarantined.

    Parameters
    ----------
    jobs : int
        Processes on this machine.
    cluster : str, optional
        The address of a Dask scheduler, whose workers do it instead (`scale.fan_out`).
    progress : callable, optional
        Wraps an iterable: ``progress(items, total=..., description=...)``.

    Returns
    -------
    store : Store
    report : dict
        `clips`, `prepared`, `quarantined` (clips of which nothing could be used), `seconds`, `bytes`.
    """
    began, store = time.perf_counter(), store_of(corpus, recipe or Recipe())
    if progress:
        progress = partial(progress, description=f"preparing {corpus.card.name}")
    fill(store, clips, recipe or Recipe(), jobs=jobs, cluster=cluster, progress=progress)
    ready = store.index.index.intersection(clips["clip"])
    return store, {
        "clips": len(clips),
        "prepared": len(ready),
        "quarantined": len(clips) - len(ready),
        "seconds": round(time.perf_counter() - began, 3),
        "bytes": store.n_bytes,
    }


def fill(
    store: Store,
    clips: pd.DataFrame,
    recipe: Recipe,
    *,
    jobs: int = 1,
    cluster: str | None = None,
    progress: Callable | None = None,
) -> None:
    """Prepare into a store the clips that it has not, or not as their files are now (see `prepare`).

    Raises
    ------
    WorkbenchError
        If the recipe's detector is unknown or lacks its weights, the disk is full or read-only, another process is
        writing into the store, or workers cannot be had.
    """
    _check(recipe)
    _restore_notes(store)
    todo = unprepared(store, clips)
    if todo.empty:
        return
    with store.writing():
        store.forget(todo["clip"].tolist())
        items = [_source(clip) for clip in todo.to_dict("records")]
        work = partial(prepare_clip, recipe=recipe)
        done = _seen(scale.fan_out(work, items, jobs=jobs, cluster=cluster, broken=crashed), items)
        _keep(store, progress(done, total=len(items)) if progress else done)


def _check(recipe: Recipe) -> None:
    """Raise a WorkbenchError, before work, if the recipe's detector is unknown or weights are not there."""
    looked_for = "landmarks" in recipe.keep or ("frames" in recipe.keep and recipe.crop != "none")
    if looked_for and recipe.detector != "given":
        faces.detector(recipe.detector)
        if recipe.detector in weights.WEIGHTS:
            weights.find(recipe.detector)
    if "landmarks" in recipe.keep:
        faces.find_weights()


def _seen(done: Iterator, items: list[dict]) -> Iterator:
    """Yield the results, unless a worker on another machine sees nothing where there is a recording here."""
    for item, (row, arrays, notes) in zip(items, done, strict=True):
        if not arrays and not any(note["source_bytes"] for note in notes) and fingerprint(item)["source_bytes"]:
            path = item["path"] or item["audio_path"]
            raise WorkbenchError(f"{path} is here, but a worker found none: a cluster's workers need the same paths")
        yield row, arrays, notes


def _restore_notes(store: Store) -> None:
    """Add the notes on prepared clips that a process, killed after their shard, has not come to write."""
    untold = store.index[~store.index.index.isin(store.quarantine["clip"])]
    notes = [note for text in untold.get("notes", pd.Series(dtype=str)).dropna() for note in json.loads(text)]
    if notes:
        with store.writing():
            store.write_quarantine(notes)


def _source(clip: dict) -> dict:
    """Return what preparation needs of a clip's row."""
    return {name: clip[name] if name in clip and pd.notna(clip[name]) else usual for name, usual in SOURCE.items()}


def _keep(store: Store, done: Iterator) -> None:
    """Write results shard by shard; what is at hand is written also when the work is interrupted."""
    rows, arrays, notes = [], [], []

    def flush():
        # Take the pending results first: an interruption during the write must not write them twice.
        pending = rows[:], arrays[:], notes[:]
        for pile in (rows, arrays, notes):
            pile.clear()
        store.write(*pending[:2])
        store.write_quarantine(pending[2])

    try:
        for row, mine, about in done:
            notes += about
            if mine:
                rows.append(row)
                arrays.append(mine)
            if len(rows) == SHARD:
                flush()
    finally:
        flush()


def usable(store: Store, clips: pd.DataFrame, modality: str, recipe: Recipe) -> pd.DataFrame:
    """Return the clips of which the store has all that `modality` is given by the recipe: of sound, pictures, or both.

    Raises
    ------
    WorkbenchError
        If the recipe keeps no sound or no pictures, and `modality` needs them.
    """
    needed = []
    for kind in {"audio": [SOUNDS], "video": [PICTURES], "audiovisual": [SOUNDS, PICTURES]}[modality]:
        kept = [name for name in kind if name in recipe.keep]
        if not kept:
            raise WorkbenchError(
                f"recipe {recipe.name!r} keeps {', '.join(recipe.keep)}; {modality} needs one of {', '.join(kind)}"
            )
        needed += kept
    has = [store.lengths(name, clips["clip"].tolist()) > 0 for name in needed]
    return clips[np.all(has, axis=0)].reset_index(drop=True)
