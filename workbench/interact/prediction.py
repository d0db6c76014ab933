"""The prediction panel: files dropped or recorded in a page, what a finished run answers, and what that rests on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anywidget
import numpy as np
import pandas as pd
import traitlets

from workbench import runs
from workbench.emotions import COLOURS
from workbench.errors import WorkbenchError, choose
from workbench.explain import by_modality, explain
from workbench.interact import answering
from workbench.interact.assets import Pictured, text
from workbench.interact.uploads import LIMIT, Inbox, harmless
from workbench.predict import PreparedFile, answers_of, predictor, prepared, recipe_of, synthetic_note


@dataclass
class Recording:
    """A file in the panel: where it is, what the page calls it, what a run reads of it, its answer."""

    id: str
    path: str
    name: str
    prepared: PreparedFile | None = None
    answer: dict = field(default_factory=dict)

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """What the run reads, by name."""
        return self.prepared.arrays if self.prepared else {}


class PredictionPanel(Pictured, anywidget.AnyWidget):
    """Recordings in, answers out: of each modality by itself and of all together, with heat-maps on request.

    Parameters
    ----------
    run : Run, str, or several of them
        Finished runs, of which one is chosen in the page. A name is `runs.load`'s.
    limit : int
        Bytes that a file sent by the page may have. Files go to a temporary folder of this kernel and are gone with it.

    Attributes
    ----------
    answers : list of dict
        As `predict.predict` gives them (None for a probability that is not known), with `name`, `parts` (each
        modality's answer, and how it was found: see `explain.Part`), `words` (what was missing, for people) and
        `usable`.
    """

    _esm = text("common.js", "prediction.js")
    _css = text("panels.css")
    runs = traitlets.List().tag(sync=True)
    run = traitlets.Unicode("").tag(sync=True)
    limit = traitlets.Int(LIMIT).tag(sync=True)
    colours = traitlets.Dict(COLOURS).tag(sync=True)
    answers = traitlets.List().tag(sync=True)
    heats = traitlets.Dict().tag(sync=True)
    busy = traitlets.Unicode("").tag(sync=True)
    progress = traitlets.Float(0.0).tag(sync=True)

    def __init__(self, run: runs.Run | str | Sequence[runs.Run | str], *, limit: int = LIMIT):
        self._inbox, self._files, self._n = Inbox(limit), [], 0
        self._runs = runs.by_name(run)
        if not self._runs:
            raise WorkbenchError(
                "expected a finished run, found none: run a study first (python -m workbench study run)"
            )
        super().__init__(runs=list(self._runs), run=next(iter(self._runs)), limit=limit)
        self._load()
        self.observe(self._another_run, ["run"])
        self.on_msg(self._heard)

    def _load(self) -> None:
        """Read the chosen run's models."""
        self._run = self._runs[choose("run", self.run, self._runs)]
        self._ask, self._parts, self._recipe = (
            predictor(self._run, finite=False),
            by_modality(self._run),
            recipe_of(self._run),
        )

    def _another_run(self, _=None) -> None:
        self._load()
        self.heats = {}
        for file in self._files:
            file.prepared = prepared(file.path, self._recipe)
        self._answer(self._files)

    def add(self, path: str | Path, name: str | None = None) -> dict:
        """Answer a file; return the answer, which stands in `answers` too."""
        self._n += 1
        file = Recording(str(self._n), str(path), harmless(name or str(path)))
        self.busy, self.progress = f"Looking at {file.name} …", 0.3
        try:
            file.prepared = prepared(file.path, self._recipe)
            self._files.append(file)
            # Where a run standardises within the speaker, another recording changes the answers on all.
            self._answer(self._files if self._run.transductive else [file])
        finally:
            self.busy = ""
        return file.answer

    def _answer(self, files: Sequence[Recording]) -> None:
        given, arrays = [file.prepared for file in files], [file.arrays for file in files]
        answers = answers_of(given, self._run, self._ask)
        for file, answer, parts in zip(files, answers, self._parts(arrays), strict=True):
            said = answering.parts_of(parts, answer, self._run.params["classes"])
            more = {"reason": answer["reason"].replace(file.path, file.name)}
            more |= {"notes": [note.replace(file.path, file.name) for note in answer["notes"]]}
            more |= {"probabilities": answering.known(answer["probabilities"])}
            more |= {"id": file.id, "name": file.name, "parts": said, "usable": answer["emotion"] is not None}
            file.answer = answer | more | {"words": answering.in_words(answer | more, self._run)}
        self.answers = [file.answer for file in self._files]

    def explain(self, id: str, emotion: str | None = None):
        """Return heat-maps of what an answer rests on, as a figure; they appear in the page as well.

        Raises
        ------
        WorkbenchError
            For an unknown `id`, an emotion that is none of the run's, or a recording of which it can use nothing.
        """
        by_id = {file.id: file for file in self._files}
        file = by_id[choose("recording", id, by_id)]
        emotion = emotion or file.answer["emotion"]
        beside = [one.arrays for one in self._files if one is not file] if self._run.transductive else []
        self.busy, self.progress = f"Covering parts of {file.name}, one after the other …", 0.0
        try:
            found = explain(self._run, file.arrays, emotion, beside=beside, answer=self._ask, progress=self._steps)
        finally:
            self.busy = ""
        title = f"{file.name}: what the answer rests on, p({emotion})"
        notes = [f"Synthetic: {note}." for note in synthetic_note(self._run)]
        figure = answering.heat_figure(found, file.arrays, self._recipe, emotion, title=title, notes=notes)
        self.heats = self.heats | {id: {"png": figure._repr_png_(), "text": answering.HEAT, "emotion": emotion}}
        return figure

    def _steps(self, items, *, total: int, description: str):
        for number, item in enumerate(items):
            if number % 10 == 0:
                self.progress = number / total
            yield item

    def remove(self, id: str) -> None:
        """Take a recording out; a file that the page sent is removed with it."""
        for file in self._files:
            if file.id == id:
                self._inbox.discard(file.path)
        self._files = [file for file in self._files if file.id != id]
        self.heats = {key: heat for key, heat in self.heats.items() if key != id}
        self.answers = [file.answer for file in self._files]
        if self._run.transductive and self._files:
            self._answer(self._files)

    def clear(self) -> None:
        """Take all recordings out and remove the files that the page sent."""
        self._files, self.heats, self.answers = [], {}, []
        self._inbox.clear()

    def close(self) -> None:
        """Close the panel and remove the files that the page sent."""
        self._inbox.clear()
        super().close()

    def table(self) -> pd.DataFrame:
        """Return the answers, a row for each recording and part (`answering.table`)."""
        return answering.table(self.answers)

    def picture(self):
        """Return the latest answer as a figure, None if there is none."""
        return answering.picture(self.answers[-1]) if self.answers else None

    # What the page asks for

    def _heard(self, _, content: dict, buffers: list) -> None:
        kind, key = content.get("kind"), str(content.get("key", ""))
        try:
            if kind in ("begin", "piece", "end"):
                self._receive(kind, key, content, buffers)
            elif kind == "explain":
                self.explain(str(content["id"]), content.get("emotion"))
            elif kind == "drop":
                self._inbox.drop(key)
            elif kind == "remove":
                self.remove(str(content["id"]))
            elif kind == "clear":
                self.clear()
            elif kind == "save":
                self.send({"kind": "save"} | self._saved(content["form"]))
        except Exception as error:  # whatever it is, the page must not wait for ever
            known = isinstance(error, WorkbenchError)
            words = str(error) if known else f"This went wrong: {type(error).__name__}: {error}"
            sending = kind in ("begin", "piece", "end")
            self.send({"kind": "done", "key": key, "trouble": words} if sending else {"kind": "trouble", "text": words})
            if not known:
                raise

    def _receive(self, kind: str, key: str, content: dict, buffers: list) -> None:
        if kind == "begin":
            self._inbox.begin(key, str(content["name"]), int(content["size"]))
            self.send({"kind": "received", "key": key, "received": 0})
        elif kind == "piece":
            self.send({"kind": "received", "key": key, "received": self._inbox.add(key, bytes(buffers[0]))})
        else:
            upload = self._inbox.end(key)
            self.add(upload.path, upload.name)
            self.send({"kind": "done", "key": key})

    def _saved(self, form: str) -> dict:
        if form == "csv":
            return {"name": "predictions.csv", "type": "text/csv", "text": self.table().to_csv(index=False)}
        hidden = ("id", "path", "usable")
        rows = [{key: value for key, value in answer.items() if key not in hidden} for answer in self.answers]
        return {"name": "predictions.json", "type": "application/json", "text": json.dumps(rows, indent=1)}
