"""One recording to arrays, as a recipe says; whatever is wrong with it becomes a note and no error."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from workbench import acoustics, faces, media
from workbench.errors import MediaError
from workbench.recipes import PICTURES, Recipe, digest
from workbench.store import pack

LEAST_SECONDS = 0.1
# What preparation needs of a clip's row, and what holds where the row does not say.
SOURCE = {"clip": "", "path": "", "audio_path": "", "start": 0.0, "end": float("nan"), "boxes_path": "", "fps": 30.0}


def read_sound(clip: dict, recipe: Recipe) -> tuple[np.ndarray, tuple[float, float]]:
    """Return a clip's waveform (n,) float32 and the (start, end) of its speech in seconds from the waveform's start.

    Raises
    ------
    MediaError
        If it has no sound, only silence, values that are not numbers, or less than 0.1 s.
    """
    path, (start, end) = clip["audio_path"], _span(clip)
    waveform = media.read_waveform(path, sample_rate=recipe.sample_rate)
    waveform = waveform[round(start * recipe.sample_rate) : None if end is None else round(end * recipe.sample_rate)]
    if media.is_silent(waveform):
        raise MediaError(f"{path}: the sound is silent, expected a voice")
    seconds = len(waveform) / recipe.sample_rate
    if seconds < LEAST_SECONDS:
        raise MediaError(f"{path}: the sound lasts {seconds:.3f} s, expected at least {LEAST_SECONDS} s")
    return waveform, media.speech_span(waveform, sample_rate=recipe.sample_rate)


def sound_arrays(waveform: np.ndarray, span: tuple[float, float], recipe: Recipe) -> dict[str, np.ndarray]:
    """Return what a recipe keeps of the speech in a sound: of `SOUNDS` (see `Recipe`).

    Parameters
    ----------
    waveform : (n,) float32 in [-1, 1], at the recipe's sample rate
    span : (start, end) of the speech in it, s
    """
    start, end = span
    speech = waveform[int(start * recipe.sample_rate) : int(np.ceil(end * recipe.sample_rate))]
    options = {"sample_rate": recipe.sample_rate, "n_fft": recipe.n_fft, "hop_length": recipe.hop_length}
    arrays = {}
    if "waveform" in recipe.keep:
        arrays["waveform"] = np.round(np.clip(speech, -1, 1) * 32767).astype(np.int16)
    if "mfcc" in recipe.keep:
        mfcc = acoustics.mfcc(speech, n_mfcc=recipe.n_mfcc, **options).T.astype(np.float16)
        arrays["mfcc"] = _fit(mfcc, recipe.n_steps) if recipe.n_steps else mfcc
    if "mel" in recipe.keep:
        arrays["mel"] = acoustics.mel_spectrogram(speech, n_mels=recipe.n_mels, **options).T.astype(np.float16)
    if "features" in recipe.keep:
        found = acoustics.summary(speech, n_mfcc=recipe.n_mfcc, **options)
        arrays["features"] = np.array([list(found.values())], np.float32)
    if "spectrogram" in recipe.keep:
        arrays["spectrogram"] = acoustics.spectrogram(speech, **options).T
    return arrays


def _fit(array: np.ndarray, length: int) -> np.ndarray:
    """Cut or zero-pad an array (t, k) at its end to (length, k)."""
    return np.pad(array[:length], ((0, max(0, length - len(array))), (0, 0)))


def prepare_picture(
    clip: dict, recipe: Recipe, span: tuple[float, float] | None
) -> tuple[dict[str, np.ndarray], faces.Track | None, str]:
    """Return what a recipe keeps of a clip's picture (`PICTURES`), the face track, and why there is no face.

    Pictures are evenly spaced over `span`, the speech, in seconds from the clip's start; without one, over the clip.

    Raises
    ------
    MediaError
        If it has no picture.
    """
    path, (start, end), fps = clip["path"], _span(clip), clip.get("fps", SOURCE["fps"])
    if span is None:
        duration = media.probe(path, fps=fps).duration  # 0 for a still picture
        span = (0.0, max(0.0, (duration if end is None else min(end, duration)) - start))
    n_frames = recipe.n_frames if span[1] > span[0] else 1
    frames, times = media.read_frames(path, start + moments(span, n_frames), fps=fps)
    arrays, track, reason = {}, None, ""
    if "whole" in recipe.keep:
        arrays["whole"] = faces.whole(frames, size=recipe.size)
    if {"frames", "landmarks"} & set(recipe.keep):
        try:
            found, track = _face(clip, frames, times, recipe)
            arrays |= found
        except MediaError as error:
            reason = f"{path}: {error}"
    packed = {name for name in arrays if recipe.half_chroma and name != "landmarks"}
    return {name: pack(array) if name in packed else array for name, array in arrays.items()}, track, reason


def moments(span: tuple[float, float], n_frames: int) -> np.ndarray:
    """Return the times (n_frames,) s at which a clip is looked at: the middles of equal parts of its speech, `span`."""
    return np.linspace(*span, n_frames + 1)[:-1] + (span[1] - span[0]) / n_frames / 2


def _face(clip: dict, frames: np.ndarray, times: np.ndarray, recipe: Recipe) -> tuple[dict, faces.Track | None]:
    """Find the face, follow it, and return what the recipe keeps of it (`frames`, `landmarks`)."""
    if recipe.crop == "none" and "landmarks" not in recipe.keep:
        return {"frames": faces.whole(frames, size=recipe.size)}, None
    detector = detector_of(recipe)
    if recipe.detector == "given":
        track = faces.given(_boxes_path(clip), times, frames.shape)
    else:
        track = faces.track(frames, detector)
    return face_arrays(frames, track.boxes, recipe, detector), track


def detector_of(recipe: Recipe) -> faces.Detector | None:
    """Return a recipe's detector; None for dlib's, which is looked for at the width that suits the pictures."""
    return None if recipe.detector in ("dlib", "given") else faces.detector(recipe.detector)


def face_arrays(
    frames: np.ndarray, boxes: np.ndarray, recipe: Recipe, detector: faces.Detector | None = None
) -> dict[str, np.ndarray]:
    """Return what a recipe keeps of a face (`landmarks`, `frames`; not packed), given where it is.

    Parameters
    ----------
    frames : (t, h, w, 3) uint8 RGB
    boxes : (t, 4) float32
        Left, top, right, bottom in pixels, as dlib draws them.
    detector : Detector, optional
        Where it knows the eyes, it is asked for them (crop: eyes).
    """
    arrays = {}
    if "landmarks" in recipe.keep:
        arrays["landmarks"] = faces.landmarks_clip(frames, boxes)
    if "frames" in recipe.keep:
        arrays["frames"] = _crops(frames, boxes, recipe, detector)
    return arrays


def _crops(frames: np.ndarray, boxes: np.ndarray, recipe: Recipe, detector: faces.Detector | None) -> np.ndarray:
    """Cut the face out as the recipe says."""
    if recipe.crop == "none":
        return faces.whole(frames, size=recipe.size)
    if recipe.crop == "eyes":
        with_points = detector if hasattr(detector, "points") else None
        return faces.align(frames, faces.eyes(frames, boxes, detector=with_points), size=recipe.size)
    return faces.crop(frames, boxes, size=recipe.size)


def _boxes_path(clip: dict) -> str:
    if not clip.get("boxes_path"):
        raise MediaError("expected a file of face boxes beside it (recipe: detector given), found none")
    return clip["boxes_path"]


def _span(clip: dict) -> tuple[float, float | None]:
    """Return where a clip lies in its files, in s; None for the end of the file."""
    start, end = clip.get("start", 0.0), clip.get("end")
    return float(start or 0.0), None if end is None or np.isnan(end) else float(end)


def prepare_clip(clip: dict, recipe: Recipe) -> tuple[dict, dict[str, np.ndarray], list[dict]]:
    """Prepare one clip; never raises for a bad recording.

    Parameters
    ----------
    clip : dict
        A row of the clip table: `clip`, `path`, `audio_path`, and where it has them `start`, `end`, `boxes_path`,
        `fps` (of a folder of pictures).

    Returns
    -------
    row : dict
        Facts for the index. arrays : dict by name, empty if nothing could be prepared. notes : rows of the
        quarantine table: what was left out (`audio`, `video`, or '' for a mere reservation) and why.
    """
    row = {"clip": clip["clip"], **fingerprint(clip)}
    row |= {"speech_start": np.nan, "speech_end": np.nan, "faces": 0, "faces_found": np.nan}
    arrays, notes, span, track = {}, [], None, None
    if clip["audio_path"]:
        try:
            waveform, span = read_sound(clip, recipe)
            arrays |= _finite(clip["audio_path"], sound_arrays(waveform, span, recipe))
            row["speech_start"], row["speech_end"] = span
        except MediaError as error:
            notes.append({"left_out": "audio", "path": clip["audio_path"], "reason": str(error)})
    if clip["path"] and set(PICTURES) & set(recipe.keep):
        try:
            pictures, track, reason = prepare_picture(clip, recipe, span)
            arrays |= _finite(clip["path"], pictures)
        except MediaError as error:
            reason = str(error)
        if reason:
            notes.append({"left_out": "video", "path": clip["path"], "reason": reason})
    if track:
        row["faces"], row["faces_found"] = track.n_faces, float(np.mean(track.found))
        if track.n_faces > 1:
            reason = f"{clip['path']}: {track.n_faces} faces, the largest steady one was taken, expected one"
            notes.append({"left_out": "", "path": clip["path"], "reason": reason})
    if not arrays and not notes:
        have = " and ".join(kind for kind in ("path", "audio_path") if clip[kind]) or "no recording"
        reason = f"{clip['clip']}: expected what gives {', '.join(recipe.keep)}, found {have}"
        notes.append({"left_out": "audio, video", "path": clip["path"] or clip["audio_path"], "reason": reason})
    source = {key: row[key] for key in ("clip", "source_bytes", "source_time")}
    notes = [source | note for note in notes]
    return row | {"notes": json.dumps(notes)}, arrays, notes


def _finite(path: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the arrays; a MediaError if one holds NaN or infinity. NaN stands for a named feature that is missing."""
    for name, array in arrays.items():
        bad = np.isinf(array) if name == "features" else ~np.isfinite(array)
        if bad.any():
            raise MediaError(f"{path}: {name} holds {bad.sum()} values that are NaN or infinite, expected none")
    return arrays


def crashed(clip: dict, reason: str) -> tuple[dict, dict, list[dict]]:
    """Return what `prepare_clip` would, for a clip that took its worker process down with it."""
    path = clip["path"] or clip["audio_path"]
    note = {
        "left_out": "audio, video",
        "path": path,
        "reason": f"{path}: expected a recording that decodes, but {reason}",
    }
    return {"clip": clip["clip"]}, {}, [{"clip": clip["clip"], **fingerprint(clip)} | note]


def fingerprint(clip: dict) -> dict:
    """Return the size in bytes and the change time of a clip's files, by which a changed recording is noticed.

    A clip that is a part of its file has its place in the file in the time too.
    """
    files = {clip["path"], clip["audio_path"], clip.get("boxes_path") or ""} - {""}
    stats = [file.stat() for path in map(Path, files) if path.exists() for file in _members(path)]
    start, end = _span(clip)
    place = int(digest([start, end]), 16) if start or end else 0
    times = (sum(stat.st_mtime_ns for stat in stats) + place) % 2**53
    return {"source_bytes": sum(stat.st_size for stat in stats), "source_time": times}


def _members(path: Path) -> list[Path]:
    """Return a file, or the files of a folder of pictures."""
    return [file for file in path.iterdir() if file.is_file()] if path.is_dir() else [path]
