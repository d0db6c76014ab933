"""A run folder: what was asked, on what, what came of it. A finished run is skipped, a broken one goes on.

``data/runs/<study>/<variant>/<fold>-<seed>-<hash of parameters>/`` holds `params.yaml`, `environment.json`,
`history.csv`, `model.safetensors`, `model.skops` or `rule.json`, `predictions.parquet`, `embedding.npy` (one row a
test prediction), `notes.json` where clips were left out, `cost.json` where a study measures costs, `conditions.json`
(roots of the corpus, clips fitted on), `tensorboard/` where its events were asked for and, last, `done`. Of a network
in training there are a `history.csv` that grows by the epoch, and `checkpoint.pt`.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from workbench import paths
from workbench.errors import WorkbenchError
from workbench.recipes import digest
from workbench.representation import card
from workbench.speakers import count_in_words

SHOWN = (
    "corpus",
    "size",
    "protocol",
    "fold",
    "seed",
    "modality",
    "encoders",
    "fusion",
    "classical",
    "members",
    "given",
)
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's is ten times as fast
LIBRARIES = ("torch", "torchaudio", "accelerate", "numpy", "pandas", "scikit-learn", "av", "dlib-bin")


@dataclass(frozen=True)
class Run:
    """A run folder.

    Parameters
    ----------
    folder : Path
    params : dict
        Everything that the result depends on: study, variant, corpus, data, protocol, fold, seed, settings.
    """

    folder: Path
    params: dict

    @property
    def name(self) -> str:
        """The folder's path under the runs folder: `<study>/<variant>/<fold>-<seed>-<hash>`."""
        return "/".join(self.folder.parts[-3:])

    @property
    def done(self) -> bool:
        """Whether the run is finished."""
        return (self.folder / "done").exists()

    def shown_as(self, study: str, variant: str) -> Run:
        """Return the run as a variant of a study that shows it, which may be another than it was made for."""
        return replace(self, params=self.params | {"study": study, "variant": variant})

    def begin(self) -> None:
        """Write the parameters and the environment."""
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self.folder / "params.yaml.part"
        part.write_text(yaml.safe_dump(self.params, sort_keys=False))
        os.replace(part, self.folder / "params.yaml")  # whole or not there: others look while it is made
        (self.folder / "environment.json").write_text(json.dumps(environment(), indent=1))

    def finish(
        self,
        predictions: pd.DataFrame,
        *,
        history: pd.DataFrame | None = None,
        embedding: np.ndarray | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        """Write the results, and `done` as the last of all; `notes` say what was left out, in words."""
        if history is not None:
            history.to_csv(self.folder / "history.csv", index=False)
        if embedding is not None:
            np.save(self.folder / "embedding.npy", embedding)
        if notes:
            (self.folder / "notes.json").write_text(json.dumps(list(notes), indent=1))
        part = self.folder / "predictions.parquet.part"
        predictions.to_parquet(part, index=False)
        os.replace(part, self.folder / "predictions.parquet")
        (self.folder / "done").touch()

    @property
    def transductive(self) -> bool:
        """Whether predicting one clip uses other unlabelled clips of its speaker (`normalise: speaker`)."""
        if self.params.get("normalise") == "speaker":
            return True
        folders = [self.folder.parents[2] / name for name in self.params.get("members", ())]
        return any(_read(folder).transductive for folder in folders if (folder / "params.yaml").exists())

    def predictions(self) -> pd.DataFrame:
        """Return the predictions table; `study` and `variant` are those that the run is shown as.

        `speaker_clips` is the number of clips of its speaker that a prediction rests on: 1 for one clip at a time.
        """
        table = pd.read_parquet(self.folder / "predictions.parquet")
        if "speaker_clips" not in table:  # runs of earlier versions
            counts = table.groupby(["usage", "speaker"])["clip"].transform("size") if self.transductive else 1
            table = table.assign(speaker_clips=counts)
        return table.assign(study=self.params["study"], variant=self.params["variant"])

    @property
    def material(self) -> str:
        """Corpus, absolute folder and profile, in words: ``demo at /data/raw/demo, profile demo``."""
        return f"{self.corpus_and_root}, profile {self.params.get('size', 'unknown')}"

    @property
    def corpus_and_root(self) -> str:
        """The corpus that the run was made on, and its absolute folder where that is recorded."""
        roots = self.conditions().get("roots", [])
        corpus = self.params.get("corpus", "no recorded corpus")
        return f"{corpus} at {roots[-1]}" if roots else corpus

    def conditions(self) -> dict:
        """Return the conditions of the run, {} if none are recorded: `roots`, `takes`, `speakers`, `fitted`, ...

        `studies.run_conditions` writes them.
        """
        path = self.folder / "conditions.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def notes(self) -> list[str]:
        """Return what was left out of the run and why, in words; nothing where all clips were used."""
        path = self.folder / "notes.json"
        return json.loads(path.read_text()) if path.exists() else []

    def history(self) -> pd.DataFrame:
        """Return the training history, one row an epoch."""
        return pd.read_csv(self.folder / "history.csv")

    def embedding(self) -> np.ndarray:
        """Return the embedding (n, D) float32, row by row of the test predictions."""
        return np.load(self.folder / "embedding.npy", allow_pickle=False)

    def _repr_html_(self) -> str:
        facts = {key: self.params.get(key, "") for key in SHOWN} | {
            "state": "finished" if self.done else "not finished"
        }
        if (self.folder / "history.csv").exists() and self.done:
            facts["epochs"] = len(self.history())
        if self.done:
            table = self.predictions()
            facts["transductive"] = transductive_note(table)
            tested = table[table["usage"] == "test"]
            right = (tested["predicted"] == tested["emotion"]).mean()
            facts |= {"notes": " ".join(self.notes())} if self.notes() else {}
            facts["test"] = f"{100 * right:.1f} % of {len(tested)} clips {count_in_words(tested['speaker'])}"
        return card("Run", self.name, facts)


def transductive_note(predictions: pd.DataFrame) -> str:
    """Return how many clips of a speaker the predictions rest on, '' for one clip at a time."""
    counts = predictions.loc[predictions["usage"] == "test", "speaker_clips"]
    if counts.empty or counts.max() <= 1:
        return ""
    least, most = int(counts.min()), int(counts.max())
    clips = f"{least}" if least == most else f"{least} to {most}"
    return f"each prediction uses all unlabelled clips of its speaker at once ({clips} clips a speaker)"


def make(params: dict, *, root: Path | None = None) -> Run:
    """Return the run of these parameters, whether it exists yet or not."""
    name = f"{params['fold']}-{params['seed']}-{digest(params)}"
    return Run((root or paths.runs()) / params["study"] / params["variant"] / name, params)


def named(name: str) -> Run:
    """Return the run of this name under the runs folder, finished or not; its parameters are left out."""
    return Run(paths.runs() / name, {})


def load(name: str | Path, *, corpus: str | None = None, root: str | Path | None = None) -> Run:
    """Return a finished run by its folder, its name under the runs folder, or the beginning of its name.

    ``thread/video_lrcn`` gives that variant's latest finished speaker-disjoint run.

    Parameters
    ----------
    corpus : str, optional
        Only runs on this corpus, `NAME` or `NAME:TARGET`; by default on any.
    root : str or Path, optional
        Only runs on the recordings in this folder.

    Raises
    ------
    WorkbenchError
        If there is none; the finished runs' names (without folds) are listed, or the corpora of those of this name.
    """
    return matching(name, corpus=corpus, root=root)[0]


def matching(name: str | Path, *, corpus: str | None = None, root: str | Path | None = None) -> list[Run]:
    """Return all finished runs that `load` chooses from, the one that it returns first.

    Raises
    ------
    WorkbenchError
        As `load`.
    """
    folder = next((path for path in (Path(name), paths.runs() / name) if (path / "params.yaml").exists()), None)
    if folder is not None:
        run = _read(folder)
        if not run.done:
            raise WorkbenchError(f"run {name} is not finished: run its study again, and it goes on where it stopped")
    matches = [run] if folder is not None else named_like(name)
    chosen = [run for run in matches if _made_on(run, corpus, root)]
    if not chosen and matches:
        known = "; ".join(sorted({run.material for run in matches}))
        asked = " at ".join(str(part) for part in (corpus, root) if part)
        raise WorkbenchError(f"no finished run {str(name)!r} on {asked}: choose from {known}")
    if not chosen:
        known = sorted({"/".join(run.folder.parts[-3:-1]) for run in find()}) or ["none yet: run a study first"]
        raise WorkbenchError(f"no finished run {str(name)!r} under {paths.runs()}: choose from {', '.join(known)}")
    return chosen


def named_like(name: str | Path) -> list[Run]:
    """Return the finished runs whose name begins so: speaker-disjoint ones first, then the latest."""
    wanted = tuple(part for part in Path(name).parts if part not in (".", "/"))
    matches = [run for run in find() if run.folder.parts[-3:][: len(wanted)] == wanted]
    return sorted(matches, key=lambda run: (run.params["protocol"] == "random", -(run.folder / "done").stat().st_mtime))


def _made_on(run: Run, corpus: str | None, root: str | Path | None) -> bool:
    same_root = root is None or str(Path(root).expanduser().resolve()) in run.conditions().get("roots", ())
    return corpus in (None, run.params.get("corpus")) and same_root


def by_name(several: Run | str | Iterable[Run | str]) -> dict[str, Run]:
    """Return a run, or several, by their names; what is given by name is loaded (`load`)."""
    several = [several] if isinstance(several, str | Run) else several
    return {run.name: run for run in (load(one) if isinstance(one, str) else one for one in several)}


def find(study: str = "*", variant: str = "*", *, unfinished: bool = False, **params) -> list[Run]:
    """Return the finished runs, sorted by name, whose parameters have the given values; and `unfinished` ones too."""
    mark = "params.yaml" if unfinished else "done"
    folders = sorted(path.parent for path in paths.runs().glob(f"{study}/{variant}/*/{mark}"))
    found = map(_read, folders)
    return [run for run in found if all(run.params.get(key) == value for key, value in params.items())]


def predictions(runs: list[Run]) -> pd.DataFrame:
    """Return the runs' predictions in one table.

    Raises
    ------
    WorkbenchError
        If there is no run.
    """
    if not runs:
        raise WorkbenchError(f"no finished run under {paths.runs()}: run a study first (python -m workbench study run)")
    return pd.concat([run.predictions() for run in runs], ignore_index=True)


def _read(folder: Path) -> Run:
    return Run(folder, yaml.load((folder / "params.yaml").read_text(), Loader=LOADER))


@lru_cache(maxsize=1)
def environment() -> dict:
    """Return commit, versions and device: what a result may depend on beyond its parameters."""
    import torch

    git = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        commit = subprocess.run(git, capture_output=True, text=True, timeout=10).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        commit = ""
    return {
        "commit": commit,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "threads": torch.get_num_threads(),
        "versions": {name: importlib.metadata.version(name) for name in LIBRARIES},
    }
