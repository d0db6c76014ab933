"""Predictions that others made, read from their files: the clips, the folds they were made for, the scores."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path

import pandas as pd

from workbench.datasets import scores
from workbench.datasets.base import Card, Corpus
from workbench.datasets.schemes import SCHEMES, scheme_of
from workbench.emotions import in_order, probability_columns
from workbench.errors import WorkbenchError, choose

FILE = re.compile(r"(?P<fold>.+)_(?P<usage>train|validation|test)")
USAGES = ("train", "validation", "test")


class GivenPredictions(Corpus):
    """Predictions made elsewhere: `SYSTEM/FOLD_train.csv` and `SYSTEM/FOLD_test.csv` below the root.

    Each folder is a system (a model that somebody trained), each file its scores on the clips that it was trained on,
    or chosen by (`_validation`), or tested on, in one fold (`scores` has the forms). The clips are known by their names
    alone, in the scheme of the corpus that they come from, and the folds are those of the files: protocol `given`,
    audited for speakers as any other.

    More columns: those of the scheme, and `trains_in` and `tests_in`, the folds that a clip trains in and is tested in.

    A file that cannot be used, or that gives clips of its fold's test as trained on, counts for nothing until a study
    asks for it: then it is an error that names file and line. `check` lists them all.
    """

    card = Card(
        name="given_predictions",
        title="Predictions made elsewhere",
        description="Scores that others' models gave, clip by clip and fold by fold, read from files; no recordings.",
        citation="Predictions: by whoever made them, who is to be cited too.",
        licence="Predictions: that of whoever made them.",
        home="a folder for each system, with FOLD_train.csv and FOLD_test.csv",
        label_source="the names of the clips, by the scheme of the corpus they come from",
        steps=(
            "Put each system's files into a folder of its own: FOLD_train.csv and FOLD_test.csv for every fold.",
            "Open the folder above them with --root.",
        ),
        known_defects=(
            "A model's scores on the clips that it was trained on are over-confident; a late fusion that learns from "
            "them trusts the model too much.",
        ),
    )
    suffixes = (".csv",)
    own_columns = ("trains_in", "tests_in")
    example = "audio/fold0_test.csv"

    def __init__(self, root: str | Path | None = None, *, target: str | None = None):
        super().__init__(root, target=target)
        tested = [file for (_, _, usage), file in self._read.items() if usage == "test" and not isinstance(file, str)]
        if not tested:
            why = "; ".join(file for file in self._read.values() if isinstance(file, str))
            raise WorkbenchError(
                f"corpus 'given_predictions': no predictions under {self.root} (looked for {self.example!r} and so on)"
                + (f": {why}" if why else "")
            )
        self.scheme = SCHEMES[scheme_of(tested[0].clips, tested[0].where(tested[0].clips[0]))]
        self.card = self.scheme.describe(type(self).card)

    def parse(self, path: Path) -> dict | None:
        """Return None: a file holds many clips."""
        return None

    @cached_property
    def _read(self) -> dict[tuple[str, str, str], scores.Scores | str]:
        """What each file says, or why it cannot be used, by system, fold and usage."""
        found: dict[tuple[str, str, str], scores.Scores | str] = {}
        for path in self.files():
            if (match := FILE.fullmatch(path.stem)) and path.parent.parent == self.root:
                try:
                    found[path.parent.name, match["fold"], match["usage"]] = scores.read(path)
                except WorkbenchError as error:
                    found[path.parent.name, match["fold"], match["usage"]] = str(error)
        return found

    @cached_property
    def _sound(self) -> dict[tuple[str, str, str], scores.Scores | str]:
        """The same, with every clip's name understood, and no clip trained on that the system is tested on."""
        return {
            key: file if isinstance(file, str) else self._strange(key, file) or file for key, file in self._read.items()
        }

    def _strange(self, key: tuple[str, str, str], file: scores.Scores) -> str:
        """Return what is wrong with a file that could be read, '' if nothing is."""
        system, fold, usage = key
        tested = self._read.get((system, fold, "test")) if usage != "test" else None
        known = set() if tested is None or isinstance(tested, str) else set(tested.clips)
        for clip in file.clips:
            if not self.scheme.parse(Path(clip)):
                return f"{file.where(clip)}: expected a name such as {self.scheme.example}, found {clip!r}"
            if clip in known:
                return f"{file.where(clip)}: {clip!r} is trained on, and tested in {tested.where(clip)}"
        return ""

    @property
    def systems(self) -> list[str]:
        """Names of the systems there are predictions of."""
        return sorted({system for system, _, _ in self._read})

    def rows(self, files: Iterable[Path]) -> list[dict]:
        """Return one dict a clip, with its folds, which it has in common with all clips of its take."""
        clips, folds = {}, {"trains_in": defaultdict(set), "tests_in": defaultdict(set)}
        for (_, fold, usage), file in self._sound.items():
            for clip in [] if isinstance(file, str) else file.clips:
                row = clips.setdefault(clip, {**self.scheme.parse(Path(clip)), "path": "", "audio_path": ""})
                folds["tests_in" if usage == "test" else "trains_in"][row["take"]].add(fold)
        return [row | {side: " ".join(sorted(of[row["take"]])) for side, of in folds.items()} for row in clips.values()]

    def check(self, progress: Callable = lambda items, **_: items) -> dict:
        """Report as every corpus does; `unreadable` are the files that cannot be used, with the line where they fail.

        `missing` are the files that a system lacks of the folds that others have.
        """
        folds = {fold for _, fold, _ in self._read}
        expected = [
            (system, fold, usage) for system in self.systems for fold in sorted(folds) for usage in ("train", "test")
        ]
        table = self.clips()
        return {
            "clips": len(table),
            "readable": len(table),
            "missing": [
                f"{system}/{fold}_{usage}.csv"
                for system, fold, usage in expected
                if (system, fold, usage) not in self._read
            ],
            "unreadable": [file for file in self._sound.values() if isinstance(file, str)],
            "duplicates": [],
            "similar_speakers": [],
            "misnamed": [str(path.relative_to(self.root)) for path in self.files() if not FILE.fullmatch(path.stem)],
        }

    def predictions(
        self, system: str, *, order: str | Sequence[str] | None = None, usages: Sequence[str] = USAGES
    ) -> pd.DataFrame:
        """Return a system's predictions: columns `take, fold, usage`, and a probability of each emotion, `p_<emotion>`.

        Parameters
        ----------
        system : of `systems`
        order : 'alphabetical', 'vocabulary', or a list of emotions, optional
            Which emotion each column is, where the files do not say.
        usages : of 'train', 'validation', 'test'
            Which of the system's files to read.

        Raises
        ------
        WorkbenchError
            For an unknown system, a file that cannot be used, columns that are not in that order.
        """
        choose("system", system, self.systems)
        for usage in usages:
            choose("usage of predictions", usage, USAGES)
        parts, emotions = [], in_order(self.card.emotions)
        for (name, fold, usage), file in self._sound.items():
            if name != system or usage not in usages:
                continue
            if isinstance(file, str):
                raise WorkbenchError(file)
            about = pd.DataFrame([self.scheme.parse(Path(clip)) for clip in file.clips])
            classes = scores.classes_of(file, order, emotions, about["emotion"].to_numpy())
            table = pd.DataFrame(file.probabilities, columns=probability_columns(classes))
            table = table[probability_columns(in_order(classes))]
            parts.append(table.assign(take=about["take"], fold=fold, usage=usage))
        return pd.concat(parts, ignore_index=True)
