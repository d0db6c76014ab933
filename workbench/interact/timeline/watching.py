"""Watching and listening to a long recording, stretch by stretch: windows, answers, and rows on disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

import cv2
import numpy as np

from workbench import faces, media, runs, streaming, weights
from workbench.emotions import probability_columns
from workbench.errors import MediaError, WorkbenchError
from workbench.interact.timeline.parts import Parts
from workbench.interact.timeline.settings import Settings
from workbench.interact.timeline.stretches import Stretch, heard, seen, view
from workbench.interact.timeline.voice import Voice
from workbench.interact.timeline.voice import runs as voice_runs
from workbench.predict import arrays_read, predictor, recipe_of
from workbench.prepare import detector_of
from workbench.recipes import SOUNDS, Recipe, digest

SAVE_EVERY = 20.0  # s of the recording
DECIDE = 10.0  # s between decisions how finely faces are looked for
THUMBNAIL = 320  # pixels, its width
TABLES = {
    "windows": ("start", "end", "face", "source", "found", "voice"),
    "stretches": ("stretch", "start", "end", "voice", "faces", "cuts"),
    "faces": ("stretch", "face", "found", "crossed", "left", "top", "right", "bottom"),
    "voice": ("start", "end"),
}


class Watcher:
    """Goes through a recording once, in flat memory, and leaves tables and thumbnails in a folder.

    Parameters
    ----------
    path : Path
    run : Run
        A finished run made from recordings, that does not standardise within each speaker.
    settings : Settings
    folder : Path
        In it the work lies until it is finished, in a folder of its own; what a broken call left there is gone on from.

    Raises
    ------
    MediaError
        If the file is no recording, or has nothing that the run reads.
    WorkbenchError
        If the run cannot be used, or its detector lacks its weights.
    """

    def __init__(self, path: Path, run: runs.Run, settings: Settings, folder: Path):
        self.path, self.run, self.settings = path, run, settings
        self.classes, reads = run.params["classes"], arrays_read(run)
        recipe = recipe_of(run)
        if run.transductive:
            raise WorkbenchError(
                f"run {run.name} standardises within each speaker, who is not known in a long recording: choose another"
            )
        if settings.detector:
            recipe = replace(recipe, detector=settings.detector)
        derived = set(reads) - set(recipe.keep)  # from landmarks
        kept = tuple(name for name in recipe.keep if name in reads or (derived and name == "landmarks"))
        self.recipe, self.answer = replace(recipe, keep=kept), predictor(run)
        self.listens, self.looks = set(kept) & set(SOUNDS), set(kept) - set(SOUNDS)
        self.probe = self._probe()
        self.detector = self._detector(recipe) if self.looks else None
        gap, decide = (round(seconds * settings.looks) for seconds in (settings.gap, DECIDE))
        self.follower = faces.Follower(self.detector, gap=gap, decide=decide)
        self.per_window, self.per_step = (round(length / settings.piece) for length in (settings.window, settings.step))
        self.voice, self.recent, self.notes = Voice(recipe.sample_rate), deque(maxlen=self.per_window), []
        self.next, self.done, self.seconds = 0, False, 0.0
        columns = TABLES | {"windows": (*TABLES["windows"], *probability_columns(self.classes))}
        self.parts = Parts(folder / f"{path.stem[:60]}-{self._key()[:12]}.part", columns)
        (self.parts.folder / "thumbs").mkdir(exist_ok=True)
        self._resume()

    def _probe(self) -> media.Probe:
        probe = media.probe(self.path)
        self.film = probe.has_frames and probe.duration > 0  # and no still picture
        usable = (probe.has_sound and self.listens) or (self.film and self.looks)
        if not usable:
            has = " and ".join(["sound"] * probe.has_sound + ["picture"] * probe.has_frames) or "nothing"
            reads = " and ".join(["sound"] * bool(self.listens) + ["film"] * bool(self.looks))
            raise MediaError(f"{self.path}: expected {reads}, which run {self.run.name} reads, found {has} only")
        return probe

    def _detector(self, recipe: Recipe) -> faces.Detector | None:
        """Return the recipe's detector; the one for pictures of one face does not do for a film."""
        if recipe.detector in weights.WEIGHTS:
            weights.find(recipe.detector)
        return None if recipe.detector == "dlib_surest" else detector_of(recipe)

    def _key(self) -> str:
        stat = self.path.stat()
        made = (str(self.path.resolve()), stat.st_size, stat.st_mtime_ns, self.run.name, self.settings.watched())
        return digest(made)

    def watch(self, progress: Callable | None = None) -> None:
        """Go through what is left of the recording; broken off, it goes on from the last save."""
        total = int(np.ceil(self.probe.duration / self.settings.piece)) or None
        stretches = () if self.done else self._stretches()
        if progress and not self.done:
            left = total and max(0, total - self.next)
            stretches = progress(stretches, total=left, description=f"watching {self.path.name}")
        for sound, times, frames in stretches:
            self._take(sound, times, frames)
            if self.next % max(1, round(SAVE_EVERY / self.settings.piece)) == 0:
                self._save()
        if not self.done:
            self._finish()

    def _finish(self) -> None:
        if not self.next:
            raise MediaError(self.notes[0] if self.notes else f"{self.path}: expected a recording, found nothing in it")
        end = -(-self.next // self.per_step) * self.per_step
        if self.next < max(end, self.per_window):  # the last window is shorter
            self._answer(max(0, end - self.per_window))
        self.done = True
        self._save()

    def _stretches(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yield what is left of the recording, whether or not picture and sound are equally long."""
        piece, start, nothing = self.settings.piece, self.next, np.zeros(0, np.float32)
        hear = self.probe.has_sound  # also for a run that does not: to tell where a voice is
        look = self.looks and self.film
        rate = {"sample_rate": self.recipe.sample_rate}
        sounds = streaming.sounds(self.path, piece, start=start, **rate) if hear else ()
        looks = streaming.looks(self.path, piece, self.settings.looks, start=start) if look else ()
        for sound, looked in zip_longest(self._until_broken(sounds), self._until_broken(looks)):
            yield (nothing if sound is None else sound, *(looked or (np.zeros(0), np.empty((0, 1, 1, 3), np.uint8))))

    def _until_broken(self, stretches: Iterator) -> Iterator:
        """Yield what can be read; what then goes wrong is a note: an hour is not lost for its last minute."""
        try:
            yield from stretches
        except MediaError as error:
            if str(error) not in self.notes:  # gone on, it comes to where it was before
                self.notes.append(str(error))

    def _take(self, sound: np.ndarray, times: np.ndarray, frames: np.ndarray) -> None:
        """Take in the next stretch."""
        number, begin = self.next, self.next * self.settings.piece
        stretch = Stretch(number, sound, self.voice.hear(sound), times)
        followed, cuts = self.follower.follow(frames, np.round(times * self.settings.looks - 0.5).astype(int))
        if "whole" in self.recipe.keep:
            stretch.whole = faces.whole(frames, size=self.recipe.size) if len(frames) else None
        for face in followed:
            stretch.views[face.number] = view(face, frames, self.recipe, self.detector)
        heard_until = begin + len(sound) / self.recipe.sample_rate
        seen_until = times[-1] + 0.5 / self.settings.looks if len(times) else begin
        goes_on = begin + self.settings.piece <= self.probe.duration  # whatever is missing in between
        self.seconds = float(begin + self.settings.piece if goes_on else max(heard_until, seen_until))
        row = {"stretch": number, "start": begin, "end": round(self.seconds, 3), "faces": len(followed)}
        share = round(float(stretch.voiced.mean()), 4) if len(stretch.voiced) else 0
        self.parts.add("stretches", [row | {"voice": share, "cuts": int(cuts.sum())}])
        spans = voice_runs(stretch.voiced, begin)
        self.parts.add("voice", [{"start": round(a, 2), "end": round(b, 2)} for a, b in spans])
        self._picture(number, frames, followed, set() if cuts.any() else faces.crossed(followed))
        self.recent.append(stretch)
        self.next += 1
        if self.next >= self.per_window and self.next % self.per_step == 0:
            self._answer(self.next - self.per_window)

    def _picture(self, number: int, frames: np.ndarray, followed: list[faces.Followed], crossed: set[int]) -> None:
        """Keep a thumbnail of a stretch, a portrait of each new face, and where the faces are."""
        if not len(frames):
            return
        height, width = frames.shape[1:3]
        small = (THUMBNAIL, max(2, round(THUMBNAIL * height / width)))
        _write(self.parts.folder / "thumbs" / f"{number:06d}.jpg", frames[len(frames) // 2], small)
        for face in followed:
            portrait = self.parts.folder / "thumbs" / f"face{face.number:06d}.jpg"
            if face.found.mean() >= self.settings.present and not portrait.exists():
                at = int(np.flatnonzero(face.found)[face.found.sum() // 2])
                cut = faces.crop(frames[at : at + 1], face.boxes[at : at + 1], size=96, margin=0.3)
                _write(portrait, cut[0], (96, 96))
            box = np.median(face.boxes[face.near], axis=0) if face.near.any() else face.boxes[0]
            place = np.round(box / (width, height, width, height), 4).tolist()
            named = dict(zip(("left", "top", "right", "bottom"), place, strict=True))
            row = {"stretch": number, "face": face.number, "found": round(float(face.found.mean()), 4)}
            self.parts.add("faces", [row | {"crossed": face.number in crossed} | named])

    def _answer(self, first: int) -> None:
        """Ask the run about the window that begins with stretch `first`, of each face, the voice, and both."""
        recent = [one for one in self.recent if one.number >= first]
        begin = first * self.settings.piece
        end = min(begin + self.settings.window, self.seconds)
        sounds, span, share = heard(recent, self.recipe, self.settings.voiced)
        span = (begin, end) if span is None else (begin + span[0], begin + span[1])
        asked = [("", "voice", 0.0, sounds)] if sounds else []
        n_looks = max(1, round((end - begin) * self.settings.looks))
        present = seen(recent, self.recipe, span, n_looks) if self.looks else {}
        present = {n: one for n, one in present.items() if one[1] >= self.settings.present}
        for face, (pictures, found) in present.items():
            asked.append((face, "face", found, pictures))
            if sounds and len(present) == 1:
                asked.append((face, "both", found, pictures | sounds))
        rows = []
        for (face, source, found, _), answer in zip(asked, self.answer([one[3] for one in asked]), strict=True):
            if answer is not None:
                row = {"start": begin, "end": round(end, 3), "face": face, "source": source}
                row |= {"found": round(found, 4), "voice": round(share, 4)}
                shares = [f"{p:.6f}" for p in answer]
                rows.append(row | dict(zip(probability_columns(self.classes), shares, strict=True)))
        self.parts.add("windows", rows)

    def _save(self) -> None:
        facts = {"next": self.next, "done": self.done, "seconds": self.seconds, "notes": self.notes}
        facts |= {"follower": self.follower.state(), "recent": [one.number for one in self.recent]}
        arrays = {name: array for one in self.recent for name, array in one.flat().items()}
        self.parts.save(facts, arrays | self.voice.state())

    def _resume(self) -> None:
        saved = self.parts.resume()
        if saved is None:
            return
        facts, arrays = saved
        self.next, self.done, self.seconds, self.notes = (facts[k] for k in ("next", "done", "seconds", "notes"))
        self.follower.restore(facts["follower"])
        self.voice.restore(arrays)
        self.recent.extend(Stretch.of_flat(number, arrays) for number in facts["recent"])


def _write(path: Path, frame: np.ndarray, size: tuple[int, int]) -> None:
    """Write a frame (h, w, 3) RGB as a JPEG of (width, height) pixels."""
    small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 80])
    path.write_bytes(data.tobytes())
