"""All that is seen and heard of a clip, on one time axis: what a player and a picture of it are made of."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from workbench import faces, geometry, media, runs
from workbench.emotions import probability_columns
from workbench.errors import MediaError, WorkbenchError
from workbench.interact import playing
from workbench.predict import described, predictor, recipe_of, synthetic_note
from workbench.prepare import moments, prepare_picture, sound_arrays
from workbench.recipes import Recipe
from workbench.standards import too_few
from workbench.store import unpack

SAMPLE_RATE = 16000
PER_SECOND, MOST = 12.5, 120  # pictures a second in which the face is looked for, and at most in a clip
WINDOW, STEP = 1.0, 0.2  # s: what a run is asked about at a time, and how far apart


@dataclass(frozen=True)
class View:
    """A clip; times are seconds from its start, places pixels of the shown picture.

    `clip`: its row of the clip table. `duration` s, 0 of a still picture. `movie`: an mp4 for a browser, b"" of a
    still, which is in `still` (h, w, 3) uint8. `shape`: (height, width) of the picture, None without one. `waveform`
    (n,) float32 at 16 kHz. `times` (t,), `boxes` (t, 4), `found` (t,) bool, `landmarks` (t, 68, 2): the face.
    `action_units` (index: times; a column a unit) and `probabilities` (index: the middles of windows; a column
    `p_<emotion>` each; NaN where the run could use nothing). `notes`: what is missing and why, in words.
    """

    clip: dict
    duration: float = 0.0
    movie: bytes = b""
    still: np.ndarray | None = None
    shape: tuple[int, int] | None = None
    waveform: np.ndarray | None = None
    times: np.ndarray | None = None
    boxes: np.ndarray | None = None
    found: np.ndarray | None = None
    landmarks: np.ndarray | None = None
    action_units: pd.DataFrame | None = None
    probabilities: pd.DataFrame | None = None
    run: str = ""
    notes: tuple[str, ...] = field(default=())

    def noted(self, *notes: str) -> View:
        """Return the view with more notes."""
        return replace(self, notes=(*self.notes, *notes))

    def pictures(self, times: np.ndarray) -> np.ndarray:
        """Return the pictures of the film (t, h, w, 3) uint8 at some times (t,), s."""
        with tempfile.TemporaryDirectory(prefix="workbench-") as folder:
            path = Path(folder) / "clip.mp4"
            path.write_bytes(self.movie)
            return media.read_frames(path, times)[0]


def look(clip: Mapping, run: runs.Run | None = None) -> View:
    """Return everything of a clip (the last of `steps`)."""
    *_, view = steps(clip, run)
    return view


def steps(clip: Mapping, run: runs.Run | None = None) -> Iterator[View]:
    """Yield a view of a clip three times: with film and sound; with the face as well; with what a run says over time.

    Parameters
    ----------
    clip : mapping
        A row of the clip table.
    run : Run, optional
        A finished run, asked about a second at a time. Without one there is no third view.
    """
    clip = {key: value for key, value in dict(clip).items() if not (isinstance(value, float) and np.isnan(value))}
    clip, cut = _shortened({"path": "", "audio_path": ""} | clip)
    with tempfile.TemporaryDirectory(prefix="workbench-") as folder:
        view = _played(View(clip, notes=cut), Path(folder))
        yield view
        view = _faced(view, Path(folder))
        yield view
    if run is not None and (view.duration or view.still is not None):
        yield _asked(view, run)


def _shortened(clip: dict) -> tuple[dict, tuple[str, ...]]:
    """Return a clip that ends where a page stops showing it, and say so if that is before its end."""
    (begin, end), lengths = playing.span(clip), []
    for path in {clip["path"], clip["audio_path"]} - {""}:
        with suppress(MediaError):  # said where it is read
            lengths.append(media.probe(path, fps=clip.get("fps") or media.FPS).duration)
    last = min(max(lengths, default=0.0), np.inf if end is None else end)
    if last - begin <= playing.LONGEST:
        return clip, ()
    note = f"This is {last - begin:.0f} s long, of which the first {playing.LONGEST:.0f} s are shown: see `timeline`."
    return clip | {"end": begin + playing.LONGEST}, (note,)


def _played(view: View, folder: Path) -> View:
    """Add film and waveform, or the still picture, of a clip."""
    clip, notes = view.clip, []
    try:
        if clip["path"] and media.probe(clip["path"], fps=clip.get("fps") or media.FPS).fps == 0:
            still = media.read_frames(clip["path"], [0.0])[0][0]
            return replace(view, still=still, shape=still.shape[:2]).noted("A still picture: there is no time in it.")
    except MediaError as error:
        notes.append(f"No picture: {error}")
        clip = clip | {"path": ""}
    if not clip["audio_path"]:
        notes.append("No sound: this clip is a picture only.")
    if not clip["path"] and not notes:
        notes.append("No picture: this clip is a sound only.")
    waveform = None
    try:
        waveform = _waveform(clip) if clip["audio_path"] else None
        if waveform is not None and media.is_silent(waveform):
            notes.append("The sound is silent.")
    except MediaError as error:
        notes.append(f"No sound: {error}")
        clip = clip | {"audio_path": ""}
    try:
        film = playing.movie(clip, folder / "clip.mp4")
    except MediaError as error:
        return view.noted(*notes, str(error))
    found = media.probe(film)
    shape = (found.height, found.width) if found.has_frames else None
    seen = replace(view, movie=film.read_bytes(), shape=shape, waveform=waveform, duration=_duration(found, waveform))
    return seen.noted(*notes)


def _duration(found: media.Probe, waveform: np.ndarray | None) -> float:
    """Return how long a clip lasts, s; of a sound alone without what the codec adds."""
    sound = 0.0 if waveform is None else len(waveform) / SAMPLE_RATE
    return max(found.duration, sound) if found.has_frames else sound or found.duration


def _waveform(clip: Mapping, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    begin, end = playing.span(clip)
    waveform = media.read_waveform(clip["audio_path"], sample_rate=sample_rate)
    return waveform[round(begin * sample_rate) : None if end is None else round(end * sample_rate)]


def _faced(view: View, folder: Path) -> View:
    """Add the face: box, 68 points, action units."""
    if view.shape is None:
        return view
    if view.still is not None:
        frames, times = view.still[None], np.zeros(1)
    else:
        n_frames = int(np.clip(round(view.duration * PER_SECOND), 1, MOST))
        frames, times = media.read_frames(folder / "clip.mp4", moments((0.0, view.duration), n_frames))
    try:
        track = faces.track(frames)
    except MediaError:
        return view.noted("No face was found.")
    view = replace(view, times=times, boxes=track.boxes, found=track.found)
    view = view.noted(*[f"{track.n_faces} faces: the largest is followed."] * (track.n_faces > 1))
    if not faces.default_weights().is_file():
        return view.noted("68 points and action units need the extra `landmarks`; the face's box is shown.")
    points = faces.landmarks_clip(frames, track.boxes)
    (units,) = geometry.describe([points], pd.DataFrame(), ["action_units_stranger"])["action_units_stranger"]
    table = pd.DataFrame(units, index=pd.Index(times, name="time"), columns=list(geometry.ACTION_UNITS))
    return replace(view, landmarks=points, action_units=table)


def _asked(view: View, run: runs.Run) -> View:
    try:
        table = over_time(view.clip, run)
    except WorkbenchError as error:
        return view.noted(f"Run {run.name} gives no probabilities here: {error}")
    nothing = table.isna().all(axis=None)
    return replace(view, probabilities=table, run=run.name).noted(
        *[f"Run {run.name} can use nothing of this clip."] * bool(nothing), *synthetic_note(run)
    )


def over_time(clip: Mapping, run: runs.Run, *, window: float = WINDOW, step: float = STEP) -> pd.DataFrame:
    """Return what a run says of a clip, a window at a time.

    The run was trained on whole sentences, so that what it says of a second of one is less sure than what it says of
    all. A window without sound is asked about by its pictures, one without a face by its sound.

    Parameters
    ----------
    clip : mapping
        A row of the clip table.
    window, step : float
        s; how long windows are (those at either end are shorter), and how far apart their middles.

    Returns
    -------
    DataFrame
        A row a window: index `time` (s, its middle), columns `p_<emotion>` in 0..1, NaN where nothing could be used.

    Raises
    ------
    WorkbenchError
        If a file is unreadable, or the run was not made from recordings, or it standardises within the speaker: the
        windows are of one recording.
    """
    if run.transductive:
        raise WorkbenchError(too_few(1))
    answer, recipe = predictor(run), recipe_of(run)
    waveform = _waveform(clip, recipe.sample_rate) if clip.get("audio_path") else None
    sound = 0.0 if waveform is None else len(waveform) / recipe.sample_rate
    duration = max(sound, _picture_seconds(clip))
    middles = np.arange(step / 2, max(duration, step), step)
    spans = [(max(0.0, middle - window / 2), min(duration, middle + window / 2)) for middle in middles]
    seen = _pictures(clip, recipe, duration, window) if clip.get("path") else {}
    parts = [_heard(waveform, part, recipe) | _picked(seen, part, recipe, duration) for part in spans]
    said = answer(parts)
    nothing = np.full(len(run.params["classes"]), np.nan)
    rows = np.stack([nothing if one is None else one for one in said])
    return pd.DataFrame(rows, pd.Index(middles, name="time"), probability_columns(run.params["classes"]))


def _picture_seconds(clip: Mapping) -> float:
    if not clip.get("path"):
        return 0.0
    begin, end = playing.span(clip)
    whole = media.probe(clip["path"], fps=clip.get("fps") or media.FPS).duration
    return max(0.0, (whole if end is None else min(end, whole)) - begin)


def _pictures(clip: Mapping, recipe: Recipe, duration: float, window: float) -> dict[str, np.ndarray]:
    """Return what a recipe keeps of a clip's pictures, as densely as a window of it needs them."""
    if not {"frames", "landmarks", "whole"} & set(recipe.keep):
        return {}
    n_frames = int(np.clip(np.ceil(recipe.n_frames * duration / window), 1, MOST))
    arrays, _, _ = prepare_picture(dict(clip), replace(recipe, n_frames=n_frames), (0.0, duration))
    arrays = {name: unpack(array) for name, array in arrays.items()}
    return arrays | described(arrays)


def _picked(
    seen: Mapping[str, np.ndarray], part: tuple[float, float], recipe: Recipe, duration: float
) -> dict[str, np.ndarray]:
    """Return the pictures nearest to the moments at which a window would be looked at."""
    out = {}
    for name, array in seen.items():
        at = moments((0.0, duration), len(array))
        wanted = moments(part, recipe.n_frames if duration else 1)
        out[name] = array[np.abs(at[:, None] - wanted).argmin(axis=0)]
    return out


def _heard(waveform: np.ndarray | None, part: tuple[float, float], recipe: Recipe) -> dict[str, np.ndarray]:
    """Return what a recipe keeps of the sound of a window; nothing of one too short or silent."""
    if waveform is None:
        return {}
    piece = waveform[int(part[0] * recipe.sample_rate) : int(part[1] * recipe.sample_rate)]
    if len(piece) < 0.1 * recipe.sample_rate or media.is_silent(piece):
        return {}
    return sound_arrays(piece, (0.0, len(piece) / recipe.sample_rate), recipe)
