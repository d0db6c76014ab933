"""What clips hold, as hashes of decoded sound and pictures: a copy is found whatever its file is called.

A clip's content is a text of hashes with blanks between, such as ``sound:4f2a... picture:91bc...``; '' is not known.
Equal sound has equal hashes in any lossless format and any container; so have equal pictures. Digital silence, a
picture of one colour and a film that shows one picture throughout are no content. A clip that is a part of a longer
recording has the content of this part.

Hashes are kept in ``data/content/`` by path, size and time of the file, so that each file is read once. Of a film, the
first pictures are hashed; the whole film only where clips of other takes begin with the same pictures. Contents can
therefore be compared within one table, and not between two.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from workbench import paths, scale
from workbench.datasets.fingerprints import FilePart, Part, fingerprint_file, unreadable
from workbench.datasets.links import linked
from workbench.recipes import digest

VERSION = 1  # of the hashes; another one makes those that are kept worthless
WORTH = 40e6  # bytes of files to read from which more processes are faster than one, as each takes 2 s to start


class Wanted(NamedTuple):
    """A part of a file whose hash is needed: its sound, the first pictures of it, or all of them."""

    kind: str  # 'sound', 'picture' or 'film'
    path: str
    part: Part


def of_corpus(corpus, clips: pd.DataFrame | None = None, **options) -> pd.DataFrame:
    """Return the clips of a corpus (or those given) with a column `content`; unknown where it holds no recordings.

    Parameters
    ----------
    corpus : Corpus
    clips : DataFrame, optional
        Rows of its clip table.
    options
        `jobs`, `cluster` and `progress` of `contents`.
    """
    clips = corpus.clips() if clips is None else clips
    if corpus.holds != "recordings":
        return clips.assign(content="")
    name = f"{corpus.card.name}-{digest(str(Path(corpus.root).resolve()))}"
    return clips.assign(content=contents(clips, name, **options))


def contents(
    clips: pd.DataFrame,
    name: str,
    *,
    jobs: int = 1,
    cluster: str | None = None,
    progress: Callable | None = None,
) -> list[str]:
    """Return the content of each clip of a clip table.

    Parameters
    ----------
    clips : DataFrame
        With `path, audio_path, start, end, take`, and `fps` where clips are folders of pictures.
    name : str
        Of the file that keeps the hashes, without suffix.
    jobs, cluster
        As `scale.fan_out` takes them; few files are read in this process in any case.
    progress : callable, optional
        Wraps an iterable: ``progress(items, total=..., description=...)``.

    Returns
    -------
    content : list of str
        '' where nothing can be read, or all is silence and pictures of one colour.
    """
    known = Hashes(paths.data() / "content" / f"{name}.jsonl")
    options = {"jobs": jobs, "cluster": cluster, "progress": progress}
    rows = [_wanted(clip) for clip in clips.to_dict("records")]
    known.fill([wanted for row in rows for wanted in row], **options)
    films = _ambiguous(rows, clips["take"].tolist(), known)
    known.fill([Wanted("film", *film[1:]) for film in films], **options)
    return [_content(row, films, known) for row in rows]


def of_takes(takes: pd.DataFrame, clips: pd.DataFrame, names: list[str]) -> list[str]:
    """Return the content of each take: that of all its clips, which columns `names` tell from those of other takes."""
    known = defaultdict(set)
    for *take, found in clips[[*names, "content"]].itertuples(index=False, name=None):
        known[tuple(take)] |= set(found.split())
    return [" ".join(sorted(known[take])) for take in takes[names].itertuples(index=False, name=None)]


def copies(clips: pd.DataFrame) -> list[list[Path]]:
    """Return groups of files of different takes whose sound, or picture, is the same.

    Parameters
    ----------
    clips : DataFrame
        Clip table with a column `content`.
    """
    files, takes = defaultdict(list), defaultdict(set)
    for clip in clips.to_dict("records"):
        for hashed in clip["content"].split():
            file = clip["audio_path"] if hashed.startswith("sound") else clip["path"]
            files[hashed].append(Path(file))
            takes[hashed].add(clip["take"])
    return [same for hashed, same in files.items() if len(takes[hashed]) > 1]


def merged(groups: Iterable[Sequence[Path]]) -> list[list[Path]]:
    """Return groups of files, those with a file in common as one; sorted, and none of a single file."""
    first_of = linked((file, number) for number, files in enumerate(groups) for file in files)
    found = defaultdict(list)
    for file in sorted(first_of):
        found[first_of[file]].append(file)
    return [files for files in found.values() if len(files) > 1]


def _wanted(clip: dict) -> list[Wanted]:
    """Return what has to be hashed of a clip."""
    end = clip.get("end")
    end = None if end is None or pd.isna(end) else float(end)
    part = Part(float(clip.get("start") or 0.0), end, float(clip.get("fps") or 30.0))
    files = {"sound": clip["audio_path"], "picture": clip["path"]}
    return [Wanted(kind, path, part) for kind, path in files.items() if path]


def _ambiguous(rows: list[list[Wanted]], takes: list[str], known: Hashes) -> set[Wanted]:
    """Return the films that begin as one of another take does."""
    films, holders = defaultdict(set), defaultdict(set)
    for row, take in zip(rows, takes, strict=True):
        for wanted in row:
            if (first := known[wanted]).startswith("begins"):
                films[first].add(wanted)
                holders[first].add(take)
    return {film for first, same in films.items() if len(holders[first]) > 1 for film in same}


def _content(row: list[Wanted], films: set[Wanted], known: Hashes) -> str:
    """Return a clip's content, of what is known of its sound and picture."""
    found = []
    for wanted in row:
        hashed = known[Wanted("film", *wanted[1:])] if wanted in films else known[wanted]
        kind = "sound" if wanted.kind == "sound" else "picture"
        found += [f"{kind}:{hashed}"] if hashed else []
    return " ".join(found)


class Hashes:
    """Hashes of parts of files, kept in a file of lines: each is added when it is known, so that none is lost."""

    def __init__(self, path: Path):
        self.path, self.kept, self.stats = path, {}, {}
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        for line in lines:
            with suppress(ValueError, TypeError):  # a line that was cut short when its process was killed
                key, hashed = json.loads(line)
                self.kept[tuple(key)] = str(hashed)

    def __getitem__(self, wanted: Wanted) -> str:
        return self.kept.get(self._key(wanted), "")

    def fill(self, wanted: list[Wanted], *, jobs: int, cluster: str | None, progress: Callable | None) -> None:
        """Read the files of those that are not known yet."""
        by_file: dict[tuple, list[Wanted]] = defaultdict(list)
        for one in dict.fromkeys(wanted):
            if self._stat(one.path) and self._key(one) not in self.kept:
                by_file[one.path].append(one)
        if not by_file:
            return
        items = [[FilePart(*one) for one in of_file] for of_file in by_file.values()]
        n_bytes = sum(self._stat(path)[0] for path in by_file)
        jobs = jobs if n_bytes > WORTH else 1
        done = scale.fan_out(fingerprint_file, items, jobs=jobs, cluster=cluster, broken=unreadable)
        if progress:
            done = progress(done, total=len(items), description="comparing what clips hold")
        self._keep(zip(by_file.values(), done, strict=True))

    def _keep(self, done: Iterator) -> None:
        """Add hashes as they come; where the data folder cannot be written, they are kept for this time."""
        file = None
        with suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = self.path.open("a", encoding="utf-8", buffering=1)
        try:
            for of_file, hashes in done:
                keys = [self._key(one) for one in of_file]
                known = [(key, hashed) for key, hashed in zip(keys, hashes, strict=True) if hashed is not None]
                self.kept.update(known)
                for pair in known if file else ():
                    file.write(f"{json.dumps(pair)}\n")
        finally:
            if file:
                file.close()

    def _key(self, wanted: Wanted) -> tuple:
        return (VERSION, wanted.kind, wanted.path, *self._stat(wanted.path), *wanted.part)

    def _stat(self, path: str) -> tuple[int, int] | tuple[()]:
        """Return size and time of a file, or of the files of a folder; () where there is none."""
        if path not in self.stats:
            place = Path(path)
            try:
                found = [file.stat() for file in (place.iterdir() if place.is_dir() else [place])]
            except OSError:
                found = []
            sizes, times = [one.st_size for one in found], [one.st_mtime_ns for one in found]
            self.stats[path] = (sum(sizes), sum(times)) if found else ()
        return self.stats[path]
