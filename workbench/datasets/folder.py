"""Any data: a folder of recordings, described by a table of clips or by a pattern for the names of its files."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from workbench.datasets.base import COLUMNS, Card, Corpus
from workbench.datasets.declaration import SAID, compiled, declared, listed
from workbench.datasets.files import RECORDINGS, kind
from workbench.emotions import EMOTIONS, EXTRA
from workbench.errors import WorkbenchError

WORDS = EMOTIONS + EXTRA


class Folder(Corpus):
    r"""Any folder of recordings. What is in it, the keywords say, or `corpus.yaml` in it, or `clips.csv` alone.

    A recording is taken for what its suffix says: a film has picture and sound, a sound or a picture only that. A
    clip of a table has exactly the files that its row gives (a film in `path` stands for its sound too where the
    table has no column `audio_path`; `path` may also be a folder of numbered pictures). Files that a pattern gives the
    same `clip` (by default the path without its suffix) are joined: one picture or film, and one sound.

    The declaration `corpus.yaml` holds the keywords below, and of the card `title, description, citation, licence,
    home, label_source`.

    Parameters
    ----------
    table : str or Path, optional
        A CSV below the root, a row a clip, whose columns are those of the clip table and any others; `path` or
        `audio_path` (relative to the root) is needed. `start` and `end` (s) make clips of one long recording.
    pattern : str, optional
        A regular expression that a file's whole path, relative to the root, written with `/`, has to match; its named
        groups become columns: ``(?P<speaker>\d+)_(?P<emotion>\w+)\.wav``, or ``.*/(?P<emotion>\w+)/[^/]+\.jpg``.
    labels : dict, optional
        Own words for emotions -> the vocabulary, '' for clips to be kept without a label. The vocabulary's words
        mean themselves.
    suffixes : sequence of str, optional
        Of the files that count, by default those of every usual sound, film and picture.
    columns : dict, optional
        Columns that are the same for all clips, such as ``{"sex": "female"}``.
    sequences : bool
        The pattern is one for folders of numbered pictures, a clip each.

    Raises
    ------
    WorkbenchError
        Unless there is either a table or a pattern; if emotions are unknown (all listed, with their counts), if two
        clips have one name, or a time is no number.
    """

    card = Card(
        name="folder",
        title="A folder of recordings",
        description="Recordings of your own, described by a table of clips or by a pattern for their names.",
        citation="Whoever made the recordings; the declaration (corpus.yaml) names them.",
        licence="That of the recordings; the declaration (corpus.yaml) names it.",
        home="corpus.yaml or clips.csv in the folder",
        label_source="not stated: the declaration (corpus.yaml) names it",
        steps=(
            "Put the recordings anywhere below one folder and open it with --root.",
            "Write clips.csv in it (a row a clip: path or audio_path; emotion, speaker, sex, take as far as known), or "
            "corpus.yaml with a pattern for the names.",
        ),
    )
    suffixes = RECORDINGS
    targets = ("given",)
    example = "clips.csv or corpus.yaml"

    def __init__(self, root: str | Path | None = None, *, target: str | None = None, **options):
        super().__init__(root, target=target)
        said = declared(self.root, options)
        self.labels = {str(word): str(emotion or "") for word, emotion in (said.get("labels") or {}).items()}
        self.suffixes = tuple(suffix.lower() for suffix in said.get("suffixes") or RECORDINGS)
        self.columns = {name: str(value) for name, value in (said.get("columns") or {}).items()}
        self.sequences = bool(said.get("sequences"))
        self.listed = listed(self.root / said["table"]) if said.get("table") else []
        self.pattern = compiled(said["pattern"]) if said.get("pattern") else None
        card = {name: str(said[name]) for name in SAID if said.get(name)}
        self.card = replace(type(self).card, labels=self.labels, **card)
        self.card = replace(self.card, known_defects=tuple(self._defects()))

    def parse(self, path: Path) -> dict | None:
        """Return what the pattern, or the table, says of a file; None where it does not know the file."""
        if self.pattern is None:
            clip = self._owners.get(path) or self._owners.get(path.parent)
            return {"clip": clip} if clip else None
        place = (path.parent if self.sequences else path).relative_to(self.root)
        match = self.pattern.fullmatch(place.as_posix())
        if not match:
            return None
        name = place if self.sequences else place.with_suffix("")
        return {"clip": name.as_posix()} | {key: text for key, text in match.groupdict().items() if text is not None}

    @cached_property
    def _owners(self) -> dict[Path, str]:
        """The first clip of the table that each file, or folder of pictures, belongs to."""
        named = [
            (self.root / row[key], row["clip"]) for row in self.listed for key in ("path", "audio_path") if row[key]
        ]
        return dict(reversed(named))

    def rows(self, files: Iterable[Path]) -> list[dict]:
        """Return one dict a clip that has a file; files that are named and absent are left to `missing`."""
        rows = self._matched(files) if self.pattern else self.listed
        self._check_words(rows)
        places: dict[str, str] = {}
        for row in rows:
            place = row["path"] or row["audio_path"]
            if other := places.get(row["clip"]):
                raise WorkbenchError(f"two clips are called {row['clip']!r}: of {other} and of {place}")
            places[row["clip"]] = place
        return [row for row in map(self._row, rows) if row["path"] or row["audio_path"]]

    def _matched(self, files: Iterable[Path]) -> list[dict]:
        """Return a row a clip from the files that match the pattern: one picture or film and one sound, joined."""
        parsed, found = {}, defaultdict(lambda: {"picture": [], "film": [], "sound": []})
        for path in files:
            if row := self.parse(path):
                parsed.setdefault(row["clip"], row)
                place = (path.parent if self.sequences else path).relative_to(self.root).as_posix()
                members = found[row["clip"]]["picture" if self.sequences else kind(path)]
                if place not in members:
                    members.append(place)
        for clip, of in found.items():
            seen, heard = of["picture"] + of["film"], of["sound"] or of["film"]
            if len(seen) > 1 or len(heard) > 1:
                two = " and of ".join((seen if len(seen) > 1 else heard)[:2])
                raise WorkbenchError(f"two clips are called {clip!r}: of {two}; give the pattern a group `clip`")
            parsed[clip] |= {"path": "".join(seen), "audio_path": "".join(heard)}
        return list(parsed.values())

    def _check_words(self, rows: list[dict]) -> None:
        """Raise one error that lists every word for an emotion that neither labels nor vocabulary know."""
        if wrong := sorted(set(self.labels.values()) - {"", *WORDS}):
            raise WorkbenchError(f"labels: unknown emotions {', '.join(wrong)}: choose from {', '.join(WORDS)}")
        found = Counter(row.get("emotion", "") for row in rows)
        unknown = [f"{word!r} ({n})" for word, n in found.most_common() if word not in {"", *WORDS, *self.labels}]
        if unknown:
            raise WorkbenchError(
                f"corpus 'folder': {self.root}: unknown emotions (clips): {', '.join(unknown)}; let `labels` map them "
                f"to {', '.join(WORDS)}, or to '' for none"
            )

    def _row(self, row: dict) -> dict:
        """Return a full row of the clip table, with the files that exist."""
        row = {**dict.fromkeys(COLUMNS, ""), **self.columns, **row}
        for key in ("path", "audio_path"):
            file = self.root / row[key]
            row[key] = str(file) if row[key] and file.exists() else ""
        for key, default in (("start", 0.0), ("end", float("nan"))):
            try:
                row[key] = float(row[key] or default)
            except ValueError:
                raise WorkbenchError(f"clip {row['clip']!r}: {key}: expected seconds, found {row[key]!r}") from None
        row["emotion"] = self.labels.get(row["emotion"], row["emotion"])
        row["speaker"] = f"folder-{row['speaker']}" if row["speaker"] else ""
        row["take"] = f"folder-{row['take'] or row['clip']}"
        return row

    def missing(self, files: list[Path]) -> list[str]:
        """Return the files that the table names and that are absent."""
        named = {row[key] for row in self.listed for key in ("path", "audio_path") if row[key]}
        return sorted(file for file in named if not (self.root / file).exists())

    def check(self, progress: Callable = lambda items, **_: items) -> dict:
        """Read every file and report as every corpus does; a clip is readable if all its files are."""
        report, table = super().check(progress), self.clips()
        bad = {path for path in self.files() if any(line.startswith(f"{path}: ") for line in report["unreadable"])}
        bad |= {path.parent for path in bad}
        whole = [not {Path(row.path), Path(row.audio_path)} & bad for row in table.itertuples()]
        return report | {"readable": sum(whole)}

    def _defects(self) -> Iterable[str]:
        """Yield what to know before believing a number: unknown speakers, absent files, files left aside."""
        files = self.files()
        rows, absent = self.rows(files), self.missing(files)
        if nameless := sum(row["speaker"] == "" for row in rows):
            yield f"Speakers of {nameless} of {len(rows)} clips unknown: no speaker-disjoint split of them is possible."
        if absent:
            yield f"Files that the table names and that are absent: {len(absent)}, such as {absent[0]}."
        if aside := [path for path in files if not self.parse(path)]:
            what = "do not match the pattern" if self.pattern else "stand in no row of the table"
            yield f"{len(aside)} of {len(files)} files {what}, such as {aside[0].relative_to(self.root)}."
