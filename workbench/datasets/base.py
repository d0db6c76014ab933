"""What every corpus is: a card, a table of clips, and a check of the files behind it."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from workbench import alignment, media, paths
from workbench.datasets import cards, content, fetching, tallies
from workbench.datasets.card import Card, Ceiling
from workbench.datasets.clip import Clip
from workbench.datasets.files import film_and_sound
from workbench.datasets.speakers import similar_speakers
from workbench.emotions import in_order
from workbench.errors import MediaError, WorkbenchError, choose

COLUMNS = ["clip", "corpus", "path", "audio_path", "emotion", "intensity", "speaker", "sex", "text", "take",
           "start", "end", "usage"]  # fmt: skip
MODALITIES = ("audio", "video", "audiovisual")


class Corpus:
    """A folder of recordings under one naming scheme.

    A subclass is a declaration: a `card`, the file `suffixes`, and `parse(path)`, which turns a file name into
    the factors of a clip or returns None for a name outside the scheme.

    Parameters
    ----------
    root : str or Path, optional
        Folder of the recordings; by default `data/raw/<name>`.
    target : str, optional
        Which label the column `emotion` holds, one of the class's `targets`; by default the first.

    Raises
    ------
    WorkbenchError
        If the folder is missing, the target unknown, or (in `clips`) nothing of this corpus is in the folder.
    """

    card: Card
    suffixes: tuple[str, ...] = ()
    targets: tuple[str, ...] = ("intended",)
    own_columns: tuple[str, ...] = ()  # of `clips()`, beyond `COLUMNS`; a study's `only` may name them
    holds = "recordings"

    def __init__(self, root: str | Path | None = None, *, target: str | None = None):
        self.root = paths.existing(root or paths.raw(self.card.name), f"corpus {self.card.name!r}")
        self.target = choose(f"target of {self.card.name!r}", target or self.targets[0], self.targets)

    @property
    def label(self) -> str:
        """The corpus's name, and its target where that is not the usual one: `cremad`, `cremad:vote_audio`."""
        return self.card.name if self.target == self.targets[0] else f"{self.card.name}:{self.target}"

    def files(self) -> list[Path]:
        """Return every file with one of the corpus's suffixes under the root but hidden ones, sorted."""
        below = len(str(self.root))
        found = (path for path in self.root.rglob("*") if path.suffix.lower() in self.suffixes and path.is_file())
        return sorted(path for path in found if f"{os.sep}." not in str(path)[below:])

    def parse(self, path: Path) -> dict | None:
        """Return the factors in a file's name (`clip` among them), or None if the name is outside the scheme."""
        raise NotImplementedError

    def rows(self, files: Iterable[Path]) -> list[dict]:
        """Return one dict a clip, from parsed files; a corpus that joins files to clips overrides this."""
        return [row for row in map(self.parse, files) if row]

    def clips(self) -> pd.DataFrame:
        """Return the clip table, one row a clip, columns `COLUMNS` and then the corpus's own.

        Raises
        ------
        WorkbenchError
            If nothing of this corpus is in the folder, or two clips have one name.
        """
        rows = self.rows(self.files())
        if not rows:
            raise WorkbenchError(
                f"corpus {self.card.name!r}: no recording under {self.root} (looked for names such as "
                f"{self.example!r}, suffixes {', '.join(self.suffixes)})"
            )
        table = pd.DataFrame(rows).assign(corpus=self.card.name)
        if len(twice := table["clip"][table["clip"].duplicated()]):
            same = table[table["clip"] == twice.iloc[0]]
            first, second, *_ = same["path"].where(same["path"] != "", same["audio_path"])
            raise WorkbenchError(f"two clips are called {twice.iloc[0]!r}: of {first} and of {second}; keep one")
        for column, default in {"start": 0.0, "end": float("nan"), "usage": ""}.items():
            if column not in table:
                table[column] = default
        table = table[COLUMNS + [column for column in table if column not in COLUMNS]]
        return table.sort_values("clip", ignore_index=True)

    example = ""

    def clip(self, name: str) -> Clip:
        """Return one clip by name, as a notebook shows it.

        Raises
        ------
        WorkbenchError
            If there is none called so.
        """
        return Clip.of(self.clips(), name)

    def arrays(self) -> dict[str, list[np.ndarray]]:
        """Return arrays that were made elsewhere and are given with the clips: name -> (T, D) of each row of `clips()`.

        None by default: recordings are prepared.
        """
        return {}

    def left_out(self) -> dict[str, str]:
        """Return what of the clips cannot be used and why, in words, by modality; nothing by default."""
        return {}

    def predictions(self, system: str, **options) -> pd.DataFrame:
        """Return predictions that were made elsewhere (`GivenPredictions.predictions`).

        Raises
        ------
        WorkbenchError
            If the corpus has none: by default.
        """
        raise WorkbenchError(
            f"corpus {self.card.name!r} has no predictions of {system!r} or any other system: it holds {self.holds}"
        )

    def kinds(self) -> dict[str, int]:
        """Return how many clips have picture and sound, one of them, or no file, see `tallies.kinds`."""
        return tallies.kinds(self.clips())

    def check(self, progress: Callable = lambda items, **_: items) -> dict:
        """Read every file and report on the files, the clips and the names of speakers.

        Returns
        -------
        report : dict
            `clips` counts the clip table, `readable` its clips that have a file of their own and no unreadable one.
            `missing` names clips that the scheme expects and the folder lacks, `unreadable` files with the reason,
            `duplicates` groups of files with the same bytes, or of different takes with the same decoded sound or
            picture (`content`), `misnamed` files whose name is outside the scheme, `similar_speakers` groups of names
            that differ only by case, leading zeros or blanks.
        """
        table, files = self.clips(), self.files()
        names = {path: factors["clip"] for path in files if (factors := self.parse(path))}
        misnamed = [str(path.relative_to(self.root)) for path in files if path not in names]
        unreadable, broken, digests = [], set(), defaultdict(list)
        for path in progress(names, total=len(names), description=f"checking {self.card.name}"):
            try:
                media.verify(path)
            except MediaError as error:
                unreadable.append(str(error))
                broken.add(names[path])
            with open(path, "rb") as file:
                digests[hashlib.file_digest(file, "md5").hexdigest()].append(path)
        copies = content.merged([*digests.values(), *content.copies(content.of_corpus(self, table, progress=progress))])
        duplicates = [[str(path.relative_to(self.root)) for path in same] for same in copies]
        have = set(table["clip"]) & set(names.values())
        return {
            "clips": len(table),
            "readable": len(have - broken),
            "missing": self.missing(list(names)),
            "unreadable": unreadable,
            "duplicates": duplicates,
            "misnamed": misnamed,
            "similar_speakers": similar_speakers(table["speaker"]),
        }

    def missing(self, files: list[Path]) -> list[str]:
        """Return the names that the scheme expects beside `files` and that are absent; none by default."""
        return []

    def published(self, clips: pd.DataFrame) -> int | None:
        """Return how many clips were published in the form that `clips` has, None where that is not known."""
        return self.card.n_clips

    def pairs(self) -> dict[str, tuple[str, str]]:
        """Return the films that have a separate file of their sound, take -> (film, sound)."""
        return film_and_sound(self.clips())

    def alignment(self, progress: Callable = lambda items, **_: items) -> pd.DataFrame:
        """Return how far (ms) the sound of each film lies behind the separate sound file of its take.

        Columns `take, film, sound, lag_ms, correlation, problem` (why a take has no lag), see `alignment.table`.

        Raises
        ------
        WorkbenchError
            If the corpus has no such pairs.
        """
        if not (pairs := self.pairs()):
            found = ", ".join(f"{n} {kind}" for kind, n in self.kinds().items())
            raise WorkbenchError(
                f"corpus {self.card.name!r} has no film with a separate sound file of the same take below {self.root}: "
                f"found {found}"
            )
        return alignment.table(pairs, progress=progress)

    def describe(self, **options) -> cards.DataCard:
        """Return the data card of what is here; for the options see `cards.describe`."""
        return cards.describe(self, **options)

    def _repr_html_(self) -> str:
        return self.describe(durations=False)._repr_html_()

    @classmethod
    def fetch(
        cls,
        root: str | Path | None = None,
        *,
        parts: Iterable[str] | None = None,
        accept_licence: bool = False,
        progress: Callable = lambda items, **_: items,
        **options,
    ) -> Corpus:
        """Open the corpus at `root`; bring it first where it is not there, or where `parts` are asked for.

        Nothing is downloaded without `accept_licence`. A corpus that the workbench cannot bring says how to get it.

        Parameters
        ----------
        root : str or Path, optional
            By default `data/raw/<name>`.
        parts : iterable of str, optional
            What to bring, of `fetching.parts(card)`; parts that were brought before are not asked for again.
        accept_licence : bool
            That the licence was read and accepted.
        options : the corpus's own

        Raises
        ------
        WorkbenchError
            With the command, or the steps to take; as `fetching.bring` does.
        """
        root = Path(root or paths.raw(cls.card.name)).expanduser()
        if parts is not None or not root.exists():
            fetching.bring(cls.card, root, parts, accept_licence=accept_licence, progress=progress)
        return cls(root)

    def cite(self) -> str:
        """Return the citation."""
        return self.card.citation


def select(clips: pd.DataFrame, modality: str, *, emotions: Iterable[str] | None = None) -> pd.DataFrame:
    """Return the labelled clips that have what `modality` needs, one row a take (a row a `view`, where it has several).

    Where several recordings of one take serve (RAVDESS `01-` and `03-`), the first in the corpus's own order
    of preference is kept: for sound the audio-only file, for the picture the file with sound.

    Raises
    ------
    WorkbenchError
        If nothing is left.
    """
    choose("modality", modality, MODALITIES)
    picture, sound = clips["path"] != "", clips["audio_path"] != ""
    wanted = {"audio": sound, "video": picture, "audiovisual": picture & sound}[modality]
    if emotions is not None:
        wanted &= clips["emotion"].isin(in_order(emotions))
    # Sound alone is the original of a take's sound; for pictures the clip that carries its sound comes first.
    wanted &= clips["emotion"] != ""
    order = picture.astype(int) if modality == "audio" else (~sound).astype(int)
    table = clips[wanted].assign(_order=order[wanted]).sort_values(["_order", "clip"])
    views = ["view"] if "view" in table else []
    table = table.drop_duplicates(["take", *views]).drop(columns="_order").sort_values("clip", ignore_index=True)
    if table.empty:
        raise WorkbenchError(f"no clip with {modality} among the {len(clips)} clips of {sorted(set(clips['corpus']))}")
    return table


__all__ = ["COLUMNS", "MODALITIES", "Card", "Ceiling", "Corpus", "select"]
