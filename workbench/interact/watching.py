"""What the run folders say of trainings, finished or under way; nothing else is read, and nothing is written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from workbench import paths
from workbench.evaluation import troubles
from workbench.representation import words
from workbench.studies import under_way

COLUMNS = ["epoch", "train_loss", "train_accuracy", "clips", "validation_loss", "validation_accuracy", "learning_rate",
           "seconds"]  # fmt: skip
LATEST = 5  # epochs over which speed is measured
DERIVED = ("data", "members", "start")  # parameters that differ because others do: hashes, and names of runs
FEW = 3  # differences that are named


@dataclass(frozen=True)
class Watched:
    """A run as its folder shows it: its `history` so far, and its `state`.

    The state is `finished`, `running`, or `unfinished` where nobody is at it. `differs` says what tells it from runs
    of the same variant, fold, protocol and seed.
    """

    folder: Path
    params: dict
    history: pd.DataFrame
    state: str
    differs: str = ""

    @property
    def name(self) -> str:
        """The folder's path under the runs folder."""
        return "/".join(self.folder.parts[-3:])

    @property
    def label(self) -> str:
        """What a person calls it: ``voice, fold1``; where they are not the usual ones, protocol and seed; `differs`."""
        params = self.params
        usual = params["protocol"] == "speaker-disjoint"
        parts = [params["variant"], params["fold"], *([] if usual else [params["protocol"]])]
        parts += [f"seed {params['seed']}"] if params["seed"] else []
        return ", ".join([*parts, *([self.differs] if self.differs else [])])

    @property
    def epochs(self) -> int:
        """How many epochs there will be at most; 0 of what is not trained by the epoch."""
        return self.params.get("training", {}).get("epochs", 0)

    @property
    def epoch_seconds(self) -> float:
        """Seconds an epoch takes, of late; NaN before the first."""
        return self.history["seconds"].tail(LATEST).mean()

    @property
    def clips_per_second(self) -> float:
        """Clips trained on in a second, of late, validation included in the time; NaN before the first epoch."""
        late = self.history.tail(LATEST)
        return late["clips"].sum() / seconds if (seconds := late["seconds"].sum()) > 0 else np.nan

    @property
    def seconds_left(self) -> float:
        """Seconds until it has trained all its epochs, if early stopping does not end it before; NaN if not known."""
        return 0.0 if self.state == "finished" else (self.epochs - len(self.history)) * self.epoch_seconds

    def troubles(self) -> list[str]:
        """Return what looks wrong, in words (`evaluation.troubles`)."""
        found = troubles.of_history(self.history, n_classes=len(self.params["classes"]))
        path = self.folder / "predictions.parquet"
        return found + (list(_troubles_of(path, path.stat().st_mtime_ns)) if self.state == "finished" else [])


def names() -> list[str]:
    """Return the studies that have trained something by the epoch, the latest first."""
    newest: dict[str, float] = {}
    for path in paths.runs().glob("*/*/*/history.csv"):
        study = path.parts[-4]
        newest[study] = max(newest.get(study, 0), path.stat().st_mtime)
    return sorted(newest, key=newest.get, reverse=True)


def look(study: str, process: dict | None = None) -> list[Watched]:
    """Return a study's runs, those under way first, then the latest; no two have the same label.

    Parameters
    ----------
    process : dict, optional
        Who makes them, as `under_way.latest` has it.
    """
    began = process["began"] if process and process["state"] in under_way.LIVE else np.inf
    found = []
    for path in (paths.runs() / study).glob("*/*/params.yaml"):
        folder = path.parent
        done, begun = (folder / "done").exists(), (folder / "environment.json").exists()
        mine = not done and begun and (folder / "environment.json").stat().st_mtime >= began - 1
        state = "finished" if done else "running" if mine else "unfinished"
        found.append(Watched(folder, _params(folder), history_of(folder), state))
    return sorted(_told_apart(found), key=lambda one: (one.state != "running", -_changed(one.folder), one.name))


def _told_apart(found: Sequence[Watched]) -> list[Watched]:
    """Return the runs; those that would be called the same say what `differs`."""
    alike = defaultdict(list)
    for one in found:
        alike[one.label].append(one)
    return [replace(one, differs=_difference(one, alike[one.label])) for one in found]


def _difference(one: Watched, alike: Sequence[Watched]) -> str:
    """Return the settings of a run that others have otherwise, in words: ``learning rate 0.001``; else its hash."""
    if len(alike) == 1:
        return ""
    mine, *others = (dict(_settings(run.params)) for run in (one, *(other for other in alike if other is not one)))
    names = dict.fromkeys(name for settings in (mine, *others) for name in settings)
    differ = [name for name in names if any(other.get(name) != mine.get(name) for other in others)]
    named = [name for name in differ if name[0] not in DERIVED] or [name for name in differ if name == ("data",)]
    said = [f"{_called(name)} {words(mine[name]) or 'none' if name in mine else 'as usual'}" for name in named[:FEW]]
    return ", ".join(said if 0 < len(named) <= FEW else [*said, f"run {one.folder.name.rpartition('-')[2]}"])


def _settings(params: Mapping, within: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """Yield every setting by its way through the parameters: ``("training", "epochs"), 40``."""
    for key, value in params.items():
        if isinstance(value, Mapping):
            yield from _settings(value, (*within, key))
        else:
            yield (*within, key), value


def _called(name: tuple[str, ...]) -> str:
    """Return what a person calls a setting: ``learning rate``, ``audio filters``, ``fusion``."""
    inner = [part for part in name[1:] if part != "name"]
    return " ".join(inner or name[:1]).replace("_", " ")


def history_of(folder: Path) -> pd.DataFrame:
    """Return the history of a run that may be growing; without rows where there is none yet."""
    path = folder / "history.csv"
    try:
        state = path.stat()
        return _history(path, state.st_mtime_ns, state.st_size)
    except FileNotFoundError:
        return pd.DataFrame(columns=COLUMNS, dtype=float)


@lru_cache(maxsize=512)
def _history(path: Path, changed: int, size: int) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, on_bad_lines="skip")
    except pd.errors.EmptyDataError:
        table = pd.DataFrame()
    table = table.reindex(columns=list(dict.fromkeys([*COLUMNS, *table.columns])))
    return table[table["seconds"].notna()]  # a last line that is half written lacks it


def table(watched: Iterable[Watched]) -> pd.DataFrame:
    """Return a row a run: `run, state, epoch, epochs, clips_per_second, seconds_left`, and the best epoch's scores."""
    rows = []
    for one in watched:
        best = one.history["validation_loss"].astype(float)
        kept = one.history.loc[best.idxmin()] if best.notna().any() else {}
        rows.append(
            {
                "run": one.label,
                "state": one.state,
                "epoch": len(one.history),
                "epochs": one.epochs,
                "clips_per_second": one.clips_per_second,
                "seconds_left": one.seconds_left,
                "validation_loss": kept.get("validation_loss", np.nan),
                "validation_accuracy": kept.get("validation_accuracy", np.nan),
            }
        )
    columns = ["run", "state", "epoch", "epochs", "clips_per_second", "seconds_left"]
    return pd.DataFrame(rows, columns=[*columns, "validation_loss", "validation_accuracy"])


def seconds_left(watched: Sequence[Watched], process: dict | None) -> float:
    """Return how long whoever makes a study will take for what is left, at most; NaN if that is not known.

    A run that has not begun is taken for as long as the longest of its variant or, without one, of any.
    """
    if not process or process["state"] not in under_way.LIVE or "runs" not in process:
        return np.nan
    known = {one.name: one for one in watched}
    whole = {name: _whole(one) for name, one in known.items()}
    left = 0.0
    for name in process["runs"]:
        if name in known and known[name].state == "finished":
            continue
        alike = [whole[other] for other in known if other.split("/")[1] == name.split("/")[1]]
        guess = max((one for one in alike or whole.values() if np.isfinite(one)), default=np.nan)
        left += known[name].seconds_left if name in known and known[name].epochs else guess
    return left / max(1, min(process.get("jobs", 1), len(process["runs"])))


def _whole(one: Watched) -> float:
    """Return how long a run takes, seconds: it took it, or it will."""
    if one.state == "finished":
        return float(one.history["seconds"].sum())
    return one.epochs * one.epoch_seconds


def tensorboard(study: str) -> str:
    """Return the command that shows a study's curves in TensorBoard."""
    return f"tensorboard --logdir {paths.runs() / study}"


@lru_cache(maxsize=4096)
def _params(folder: Path) -> dict:
    return yaml.safe_load((folder / "params.yaml").read_text())


@lru_cache(maxsize=512)
def _troubles_of(path: Path, changed: int) -> tuple[str, ...]:
    return tuple(troubles.of_predictions(pd.read_parquet(path)))


def _changed(folder: Path) -> float:
    """Return when something of a run was last written."""
    files = (folder / name for name in ("history.csv", "environment.json", "params.yaml"))
    return max(path.stat().st_mtime for path in files if path.exists())


__all__ = ["Watched", "history_of", "look", "names", "seconds_left", "table", "tensorboard"]
