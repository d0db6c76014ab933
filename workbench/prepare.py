"""Recordings to arrays: a recipe says how, a store keeps them, and a clip that fails is listed and left out."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from workbench import acoustics, faces, media, paths, scale
from workbench.errors import MediaError
from workbench.store import Store

SHARD = 32
LEAST_SECONDS = 0.1


@dataclass(frozen=True)
class Recipe:
    """How a recording becomes arrays. Its hash keys the store.

    `frames` (n_frames, size, size, 3) uint8: face crops, evenly spaced over the speech. `mfcc` (t, n_mfcc)
    float16: of the speech. `waveform` (n,) int16: mono, full scale 32767, the whole recording.
    """

    name: str = "benha"
    n_frames: int = 15
    size: int = 64
    sample_rate: int = 16000
    n_mfcc: int = 40
    n_fft: int = 1024
    hop_length: int = 256

    @property
    def key(self) -> str:
        """The recipe's name and a hash of its values."""
        return f"{self.name}-{digest(asdict(self))}"


def digest(value) -> str:
    """Return 8 hexadecimal digits that name a JSON-able value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:8]


def store_of(corpus, recipe: Recipe) -> Store:
    """Return the store of a corpus (at its root) under a recipe: `data/prepared/<corpus>/<recipe>-<root>`."""
    root = digest(str(Path(corpus.root).resolve()))
    return Store(paths.prepared() / corpus.card.name / f"{recipe.key}-{root}")


def prepare_sound(path: str, recipe: Recipe) -> tuple[dict[str, np.ndarray], tuple[float, float]]:
    """Return a recording's `waveform` and `mfcc`, and the (start, end) of its speech in seconds.

    Raises
    ------
    MediaError
        If it has no sound, only silence, values that are not numbers, or less than 0.1 s.
    """
    waveform = media.read_waveform(path, sample_rate=recipe.sample_rate)
    if media.is_silent(waveform):
        raise MediaError(f"{path}: the sound is silent, expected a voice")
    seconds = len(waveform) / recipe.sample_rate
    if seconds < LEAST_SECONDS:
        raise MediaError(f"{path}: the sound lasts {seconds:.3f} s, expected at least {LEAST_SECONDS} s")
    start, end = media.speech_span(waveform, sample_rate=recipe.sample_rate)
    speech = waveform[int(start * recipe.sample_rate) : int(np.ceil(end * recipe.sample_rate))]
    options = {"n_mfcc": recipe.n_mfcc, "n_fft": recipe.n_fft, "hop_length": recipe.hop_length}
    mfcc = acoustics.mfcc(speech, sample_rate=recipe.sample_rate, **options)
    pcm = np.round(np.clip(waveform, -1, 1) * 32767).astype(np.int16)
    return {"waveform": pcm, "mfcc": mfcc.T.astype(np.float16)}, (start, end)


def prepare_picture(path: str, recipe: Recipe, span: tuple[float, float] | None) -> tuple[np.ndarray, faces.Track]:
    """Return a recording's face crops (n_frames, size, size, 3) uint8, evenly spaced over `span`, and the face track.

    Raises
    ------
    MediaError
        If it has no picture, or no face is found in it.
    """
    start, end = span or (0.0, media.probe(path).duration)
    times = np.linspace(start, end, recipe.n_frames + 1)[:-1] + (end - start) / recipe.n_frames / 2
    frames, _ = media.read_frames(path, times)
    try:
        track = faces.track(frames)
    except MediaError as error:
        raise MediaError(f"{path}: {error}") from None
    return faces.crop(frames, track.boxes, size=recipe.size), track


def prepare_clip(clip: dict, recipe: Recipe) -> tuple[dict, dict[str, np.ndarray], list[dict]]:
    """Prepare one clip; never raises for a bad recording.

    Parameters
    ----------
    clip : dict
        A row of the clip table: `clip`, `path`, `audio_path`.

    Returns
    -------
    row : dict
        Facts for the index. arrays : dict by name, empty if nothing could be prepared. notes : rows of the
        quarantine table: what was left out (`audio`, `video`, or '' for a mere reservation) and why.
    """
    arrays, notes, span = {}, [], None
    row = {
        "clip": clip["clip"],
        **fingerprint(clip),
        "speech_start": np.nan,
        "speech_end": np.nan,
        "faces": 0,
    }
    row["faces_found"] = np.nan
    if clip["audio_path"]:
        try:
            sound, span = prepare_sound(clip["audio_path"], recipe)
            arrays |= sound
            row["speech_start"], row["speech_end"] = span
        except MediaError as error:
            notes.append({"left_out": "audio", "path": clip["audio_path"], "reason": str(error)})
    if clip["path"]:
        try:
            arrays["frames"], track = prepare_picture(clip["path"], recipe, span)
            row["faces"], row["faces_found"] = track.n_faces, float(np.mean(track.found))
            if track.n_faces > 1:
                reason = f"{clip['path']}: {track.n_faces} faces, the largest steady one was taken, expected one"
                notes.append({"left_out": "", "path": clip["path"], "reason": reason})
        except MediaError as error:
            notes.append({"left_out": "video", "path": clip["path"], "reason": str(error)})
    source = {key: row[key] for key in ("clip", "source_bytes", "source_time")}
    return row, arrays, [source | note for note in notes]


def fingerprint(clip: dict) -> dict:
    """Return the size in bytes and the change time of a clip's files, by which a changed recording is noticed."""
    stats = [Path(path).stat() for path in {clip["path"], clip["audio_path"]} if path and Path(path).exists()]
    times = sum(stat.st_mtime_ns for stat in stats) % 2**53
    return {"source_bytes": sum(stat.st_size for stat in stats), "source_time": times}


def unprepared(store: Store, clips: pd.DataFrame) -> pd.DataFrame:
    """Return the clips whose files, as they are now, the store has neither prepared nor quarantined."""
    columns = ["clip", "source_bytes", "source_time"]
    known = pd.concat([store.index.reset_index(), store.quarantine]).reindex(columns=columns)
    known = set(known.itertuples(index=False, name=None))
    now = [fingerprint(clip) for clip in clips[["path", "audio_path"]].to_dict("records")]
    mine = zip(clips["clip"], (f["source_bytes"] for f in now), (f["source_time"] for f in now), strict=True)
    return clips[[key not in known for key in mine]]


def prepare(
    corpus,
    clips: pd.DataFrame,
    recipe: Recipe | None = None,
    *,
    jobs: int = 1,
    progress: Callable | None = None,
) -> tuple[Store, dict]:
    """Prepare clips into the corpus's store; what is there already is kept, what fails is quarantined.

    Parameters
    ----------
    progress : callable, optional
        Wraps an iterable: ``progress(items, total=..., description=...)``.

    Returns
    -------
    store : Store
    report : dict
        `clips`, `prepared`, `quarantined` (clips of which nothing could be used), `seconds`, `bytes`.
    """
    recipe = recipe or Recipe()
    began, store = time.perf_counter(), store_of(corpus, recipe)
    todo = unprepared(store, clips)
    if len(todo):
        with store.writing():
            store.forget(todo["clip"].tolist())
            items = todo[["clip", "path", "audio_path"]].to_dict("records")
            done = scale.fan_out(partial(prepare_clip, recipe=recipe), items, jobs=jobs)
            if progress:
                done = progress(done, total=len(items), description=f"preparing {corpus.card.name}")
            _keep(store, done)
    ready = store.index.index.intersection(clips["clip"])
    return store, {
        "clips": len(clips),
        "prepared": len(ready),
        "quarantined": len(clips) - len(ready),
        "seconds": round(time.perf_counter() - began, 3),
        "bytes": store.n_bytes,
    }


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


def usable(store: Store, clips: pd.DataFrame, modality: str) -> pd.DataFrame:
    """Return the clips that have, in the store, what `modality` needs (`audio`: mfcc, `video`: frames)."""
    needed = {"audio": ["mfcc"], "video": ["frames"], "audiovisual": ["mfcc", "frames"]}[modality]
    has = np.all([store.lengths(name, clips["clip"].tolist()) > 0 for name in needed], axis=0)
    return clips[has].reset_index(drop=True)
