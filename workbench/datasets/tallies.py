"""What a clip table adds up to: who, how often, how long, what is missing, and what an official split shares."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench import media
from workbench.datasets.files import FILMS, SOUNDS
from workbench.emotions import EMOTIONS, EXTRA
from workbench.errors import MediaError, WorkbenchError

if TYPE_CHECKING:
    from workbench.datasets.base import Card, Corpus

UNKNOWN = "not known"
UNLABELLED = "no label"


def by(clips: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return the number of clips, a row a value of `column` and a column an emotion, with `all` beside and below.

    Values that are '' or missing count as `not known`, clips without an emotion as `no label`.
    """
    values, emotions = named(clips[column], UNKNOWN), named(clips["emotion"], UNLABELLED)
    table = pd.crosstab(values, emotions, margins=True, margins_name="all")
    table = table.reindex(columns=[word for word in (*EMOTIONS, *EXTRA, UNLABELLED, "all") if word in table])
    if column == "usage":
        table = table.reindex([side for side in (*_sides(clips), UNKNOWN, "all") if side in table.index])
    return table.rename_axis(columns=None).reset_index(names=column)


def named(values: pd.Series, nothing: str) -> pd.Series:
    """Return the values as text, with `nothing` written where there is none."""
    return values.astype(object).where(values.notna() & (values != ""), nothing).astype(str)


def factors(clips: pd.DataFrame) -> list[str]:
    """Return the columns worth counting by: sex, intensity, usage, and the corpus's own with two to twelve words.

    Columns of files (`..._path`) are not.
    """
    own = [column for column in clips.columns[clips.columns.get_loc("usage") + 1 :] if not column.endswith("_path")]
    words = [c for c in own if pd.api.types.is_string_dtype(clips[c]) and not clips[c].equals(clips["emotion"])]
    return [column for column in ("sex", "intensity", "usage", *words) if 2 <= clips[column].nunique() <= 12]


def kinds(clips: pd.DataFrame) -> dict[str, int]:
    """Return how many clips are `audio-video`, `audio-only`, `video-only` and `labels-only`, without empty kinds."""
    picture, sound = clips["path"] != "", clips["audio_path"] != ""
    found = {
        "audio-video": picture & sound,
        "audio-only": ~picture & sound,
        "video-only": picture & ~sound,
        "labels-only": ~picture & ~sound,
    }
    return {kind: int(which.sum()) for kind, which in found.items() if which.any()}


def recordings(clips: pd.DataFrame, progress: Callable = lambda items, **_: items) -> pd.DataFrame:
    """Read the header of every clip's file (the picture's where it has two).

    Returns
    -------
    table : one row a clip, in order: `clip, emotion, file, seconds, width, height, fps, problem`. `seconds` is `end` -
        `start` where the clip table has them, else the header's, else `episode_end` - `episode_start` where there are
        such columns; NaN for still pictures and where nothing is known. `problem` says why a file cannot be read, ''
        where it can.
    """
    rows = []
    files = clips["path"].where(clips["path"] != "", clips["audio_path"])
    for file in progress(files, total=len(files), description="reading headers"):
        rows.append({"file": file, "seconds": np.nan, "width": 0, "height": 0, "fps": 0.0, "problem": ""})
        if not file:
            continue
        try:
            found = media.probe(file)
            seconds = found.duration if found.has_sound or found.fps * found.duration > 1.5 else np.nan  # not a still
            rows[-1] |= {"seconds": seconds or np.nan}
            rows[-1] |= {"width": found.width, "height": found.height, "fps": found.fps}
        except MediaError as error:
            rows[-1]["problem"] = str(error)
    columns = ["file", "seconds", "width", "height", "fps", "problem"]
    table = pd.concat([clips[["clip", "emotion"]], pd.DataFrame(rows, clips.index, columns)], axis=1)
    seconds = _between(clips, "start", "end").fillna(table["seconds"])
    return table.assign(seconds=seconds.fillna(_between(clips, "episode_start", "episode_end")))


def _between(clips: pd.DataFrame, start: str, end: str) -> pd.Series:
    """Return `end` - `start` in s, NaN where it is not known or not positive."""
    if not {start, end} <= set(clips):
        return pd.Series(np.nan, clips.index)
    seconds = clips[end].astype(float) - clips[start].astype(float)
    return seconds.where(seconds > 0)


def durations(recorded: pd.DataFrame) -> pd.DataFrame:
    """Return how long the recordings last, by emotion and in `all`: shortest, median, longest (s), their sum (min)."""
    known = recorded[recorded["seconds"].notna()]
    if known.empty:
        return pd.DataFrame()
    emotions = named(known["emotion"], UNLABELLED)
    groups = [(word, known[emotions == word]) for word in (*EMOTIONS, *EXTRA, UNLABELLED)]
    return pd.DataFrame(
        {
            "emotion": word,
            "clips": len(part),
            "shortest (s)": part["seconds"].min(),
            "median (s)": part["seconds"].median(),
            "longest (s)": part["seconds"].max(),
            "in all (min)": part["seconds"].sum() / 60,
        }
        for word, part in [*groups, ("all", known)]
        if len(part)
    )


def formats(recorded: pd.DataFrame) -> pd.DataFrame:
    """Return the sizes in pixels and frame rates of the pictures, the commonest first."""
    seen = recorded[recorded["width"] > 0]
    size = seen["width"].astype(str) + " x " + seen["height"].astype(str)
    rate = seen["fps"].where(seen["seconds"].notna(), 0).map(lambda fps: f"{fps:.2f}" if fps else "still picture")
    counts = pd.DataFrame({"picture (pixels)": size, "frames/s": rate}).value_counts().rename("clips")
    return counts.reset_index()


def absent_speakers(card: Card, clips: pd.DataFrame) -> list[str]:
    """Return the published speakers of whom the clip table has nothing."""
    here = set(clips["speaker"])
    return [speaker for speaker in card.speakers if speaker not in here]


def shared(clips: pd.DataFrame) -> pd.DataFrame:
    """Return what each two sides of the official split (`usage`) have in common, measured.

    Returns
    -------
    table : one row a pair of sides: `sides`; `speakers in both`; the share in percent of the first side's clips, and of
        the second's, that are theirs; `takes in both`. Clips without usage are on no side, unknown speakers are nobody.
        Empty where there are not two sides.
    """
    rows = []
    for first, second in combinations(_sides(clips), 2):
        sides = [clips[clips["usage"] == side] for side in (first, second)]
        people = set.intersection(*(set(side["speaker"]) for side in sides)) - {""}
        rows.append(
            {
                "sides": f"{first}, {second}",
                "speakers in both": len(people),
                "of the first's clips (%)": 100 * sides[0]["speaker"].isin(people).mean(),
                "of the second's clips (%)": 100 * sides[1]["speaker"].isin(people).mean(),
                "takes in both": len(set.intersection(*(set(side["take"]) for side in sides))),
            }
        )
    return pd.DataFrame(rows)


def _sides(clips: pd.DataFrame) -> list[str]:
    """Return the sides of the official split, training first."""
    usual = ("train", "validation", "test")
    return sorted(set(clips["usage"]) - {""}, key=lambda side: (usual.index(side) if side in usual else 9, side))


def lacks(corpus: Corpus, clips: pd.DataFrame) -> list[str]:
    """Return in words what is not there of what was published, as far as names tell; nothing is opened."""
    card, published, found = corpus.card, corpus.published(clips), []
    if published and len(clips) < published:
        found.append(f"{published - len(clips):,} of {published:,} clips")
    if not published and (holes := corpus.missing([path for path in corpus.files() if corpus.parse(path)])):
        found.append(f"{len(holes):,} that names or tables lead to expect")
    if absent := absent_speakers(card, clips):
        found.append(f"{len(absent)} of {len(card.speakers)} speakers")
    if not any(clips["path"]) and not any(clips["audio_path"]):
        return [*found, "every recording (labels only)"]
    takes = clips["take"].nunique()
    for what, column, suffixes in (("picture", "path", FILMS), ("sound", "audio_path", SOUNDS + FILMS)):
        having = clips.loc[clips[column] != "", "take"].nunique()
        if set(suffixes) & set(corpus.suffixes) and having < takes:
            found.append(f"{what} of {takes - having:,} of {takes:,} takes" if having else f"all {what}")
    return found


def overview(kind: type[Corpus], root: Path) -> dict:
    """Return a corpus's row of the list: what it is, and what of it is under `root`; names are read, no recordings.

    Keys `name, title, licence, root, on_disk, clips, speakers, missing, problem`. A corpus that cannot be opened has
    its reason in `problem` and stops nothing.
    """
    card, clips, problem = kind.card, None, ""
    fetched = card.synthetic or card.remotes
    missing = [f"everything: `workbench corpus fetch {card.name}`" + ("" if fetched else " says how to get it")]
    if root.is_dir():
        try:
            corpus = kind(root)
            card, clips = corpus.card, corpus.clips()
            missing = lacks(corpus, clips)
        except Exception as error:  # whatever is wrong with one corpus, the others are still listed
            problem = str(error) if isinstance(error, WorkbenchError) else f"{type(error).__name__}: {error}"
    return {
        "name": card.name,
        "title": card.title,
        "licence": card.licence,
        "root": str(root),
        "on_disk": root.is_dir(),
        "clips": 0 if clips is None else len(clips),
        "speakers": 0 if clips is None else len(set(clips["speaker"]) - {""}),
        "missing": "; ".join(missing),
        "problem": problem,
    }
