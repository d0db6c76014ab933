"""Which finished runs can be asked about clips, and which of their folds about which clip: one that tests it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import pandas as pd

from workbench import runs
from workbench.errors import WorkbenchError
from workbench.predict import alone
from workbench.studies.places import Place

TRAINED, CHOSEN, TESTED = range(3)  # what a clip was to a fold


@dataclass(frozen=True)
class Asked:
    """One model's finished runs, a fold each, asked as if they were one.

    Parameters
    ----------
    name : str
        `<study>/<variant>`, protocol, corpus, size and seed.
    folds : tuple of Run
        The latest first.
    """

    name: str
    folds: tuple[runs.Run, ...]

    @cached_property
    def _known(self) -> list[pd.DataFrame]:
        """What each fold predicted: `clip`, `speaker`, `place` (`CHOSEN` or `TESTED`), `corpus`."""
        tables = [run.predictions() for run in self.folds]
        tables = [table[table["usage"] != "train"] for table in tables]
        return [table.assign(place=(table["usage"] != "validation") + CHOSEN) for table in tables]

    def of(self, clip: Mapping) -> tuple[runs.Run, str]:
        """Return the run to ask about a clip, and in words what may make its answer look better than it is.

        A run that tests the clip, or its speaker, is taken before one that chose its epoch by them, and that before
        one that was trained on them.
        """
        places = [_place(table, clip) for table in self._known]
        best = max(places)
        run = self.folds[places.index(best)]
        who = f"speaker {clip['speaker']}" if clip.get("speaker") else "this clip"
        home = run.params["corpus"]
        if not _same(home, clip):
            return run, f"Run {run.name} was trained on another corpus, {home}."
        if best == TRAINED:
            return run, f"Run {run.name} was trained on {who}: it does better here than on people it has never seen."
        if best == CHOSEN:
            return run, f"Run {run.name} was not trained on {who}, but chosen by how it does on them."
        if run.params["protocol"] == "random" and clip.get("speaker"):
            return run, f"Run {run.name} (protocol random) was not trained on this clip, but on others of its speaker."
        return run, ""


def _place(known: pd.DataFrame, clip: Mapping) -> int:
    mine = known[known["clip"] == clip["clip"]]
    if mine.empty and clip.get("speaker"):
        mine = known[known["speaker"] == clip["speaker"]]
    return int(mine["place"].max()) if len(mine) else TRAINED


def _same(corpus: str, clip: Mapping) -> bool:
    """Say whether a run's corpus, such as `cremad:vote_audio`, is that of a clip."""
    return corpus.partition(":")[0] == clip.get("corpus", corpus)


def grouped(found: Iterable[runs.Run]) -> dict[str, Asked]:
    """Return the models of some runs by their names, in the order of the runs; of two runs of a fold, the later."""
    models: dict[str, dict[str, runs.Run]] = {}
    for run in found:
        folds = models.setdefault(_name(run), {})
        if run.params["fold"] not in folds or _made(folds[run.params["fold"]]) < _made(run):
            folds[run.params["fold"]] = run
    return {name: Asked(name, tuple(folds.values())) for name, folds in models.items()}


def _name(run: runs.Run) -> str:
    params = run.params
    seed = f", seed {params['seed']}" * bool(params["seed"])
    mark = ", transductive" if run.transductive else ""
    about = f"{params['protocol']}, {_corpus(run)}, {params['size']}{seed}{mark}"
    return f"{params['study']}/{params['variant']} ({about})"


def _corpus(run: runs.Run) -> str:
    """Return the corpus of a run as file names have it, with its folder: runs on two corpora of one name stay apart."""
    path, corpus = run.folder / "conditions.json", run.params["corpus"]
    return _slugs(path, path.stat().st_mtime_ns, corpus) if path.exists() else corpus


@lru_cache(maxsize=4096)
def _slugs(path: Path, changed: int, corpus: str) -> str:
    """Return the slugs of the corpus at the roots in `conditions.json`; a file is read once as long as it is the same.

    `changed`: when the file was written, in ns.
    """
    roots = json.loads(path.read_text()).get("roots", ())
    return ", ".join(Place(corpus, root).slug for root in roots) or corpus


def _made(run: runs.Run) -> float:
    return (run.folder / "done").stat().st_mtime


def at_hand(clips: pd.DataFrame) -> list[runs.Run]:
    """Return the finished runs that can be asked about the clips of a table, those that fit best first.

    Those made from recordings of the same corpus; where there are none, those of another one with the same emotions.
    Of these, models that name more of the table's emotions go first, then those on unseen speakers, those that were
    tested on more of its clips, those that both see and hear, and the latest.
    """
    corpora, emotions = set(clips["corpus"]), set(clips["emotion"]) - {""}
    finished = runs.find()
    own = [run for run in finished if run.params["corpus"].partition(":")[0] in corpora and _from_recordings(run)]
    others = (run for run in finished if emotions <= set(run.params["classes"]) and _from_recordings(run))
    models = grouped(own or others).values()
    return [run for model in sorted(models, key=lambda model: _fit(model, clips), reverse=True) for run in model.folds]


def _from_recordings(run: runs.Run) -> bool:
    try:
        return all("recipe" in one.params for one in alone(run))
    except WorkbenchError:  # a member is gone
        return False


def _fit(model: Asked, clips: pd.DataFrame) -> tuple:
    """Return how well a model fits a table of clips, the more the better."""
    run = model.folds[0]
    named = clips["emotion"].isin(run.params["classes"]).mean()
    known = clips["clip"].isin(run.predictions().query("usage == 'test'")["clip"]).mean()
    return named, run.params["protocol"] != "random", known, run.params["modality"] == "audiovisual", _made(run)
