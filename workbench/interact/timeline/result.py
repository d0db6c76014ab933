"""A timeline: what a run made of a long recording, its summary, its figures, its report."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations, islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench import paths, runs
from workbench.interact.timeline import moments as worth
from workbench.interact.timeline import people, quality, reaction, summary, voice
from workbench.interact.timeline.settings import Settings
from workbench.interact.timeline.watching import Watcher
from workbench.predict import trained_on

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAIRS = 3  # at most, of persons whose reactions are looked for


@dataclass(frozen=True, eq=False, repr=False)
class Timeline:
    """What a run made of a recording; a notebook shows its figure, `write` its report and tables.

    `name`, `run`: of the recording's file and of the run. `seconds`: its length. `windows`: a row a window, subject and
    source (`people.with_subjects`). `voice`: `start, end` of each stretch with a voice. `stretches`: `stretch, start,
    end, voice, faces, cuts` of each step. `faces`: where each face is in each step, and who it is taken for. `notes`:
    what was wrong with the recording. `quality`: what the run is worth on test clips, by what it goes by
    (`quality.by_source`). `pictures`: JPEGs by name, the moments' (`moment 1`...) and a portrait of each person.
    `trained`: `corpus`, the label of the one that the run was trained on, and whether that is `synthetic`.
    """

    name: str
    run: str
    settings: Settings
    seconds: float
    windows: pd.DataFrame
    voice: pd.DataFrame
    stretches: pd.DataFrame
    faces: pd.DataFrame
    notes: tuple[str, ...]
    quality: dict[str, quality.Quality]
    pictures: dict[str, bytes]
    trained: dict = field(default_factory=dict)

    @cached_property
    def subjects(self) -> dict[str, pd.DataFrame]:
        """The windows of each person, and of the voice, in time."""
        return people.subjects(self.windows)

    @cached_property
    def crossings(self) -> list[float]:
        """When two persons' faces come to lie over each other, s."""
        seen = self.faces[self.faces["crossed"] & self.faces["subject"].str.startswith("person")]
        both = seen.groupby("stretch")["subject"].nunique()
        return [float(stretch * self.settings.piece) for stretch in both.index[both > 1]]

    @cached_property
    def shares(self) -> dict[str, pd.DataFrame]:
        """`summary.shares` of each subject."""
        return {name: summary.shares(series, step=self.settings.step) for name, series in self.subjects.items()}

    @cached_property
    def transitions(self) -> dict[str, pd.DataFrame]:
        """`summary.transitions` of each subject."""
        return {name: summary.transitions(series, step=self.settings.step) for name, series in self.subjects.items()}

    @cached_property
    def summary(self) -> pd.DataFrame:
        """`summary.describe`, a row a subject, with what `trained` says."""
        options = {"step": self.settings.step, "window": self.settings.window}
        described = {name: summary.describe(one, **options) for name, one in self.subjects.items()}
        rows = [{"subject": name, **one, **self.trained} for name, one in described.items()]
        return pd.DataFrame(rows, columns=None if rows else ["subject"])

    @cached_property
    def reactions(self) -> dict[tuple[str, str], tuple[pd.DataFrame, dict]]:
        """`reaction.reaction` of the first pairs of persons for which there is enough."""
        persons, step = [name for name in self.subjects if name != "voice"], self.settings.step
        n = int(np.ceil(self.seconds / step)) + 1
        values = {name: reaction.valence(self.subjects[name]) for name in persons}
        grids = {name: reaction.on_grid(self.subjects[name], values[name], step=step, n=n) for name in persons}
        found = {(a, b): reaction.reaction(grids[a], grids[b], step=step) for a, b in combinations(persons, 2)}
        return dict(islice(((pair, one) for pair, one in found.items() if one), PAIRS))

    @cached_property
    def moments(self) -> pd.DataFrame:
        """`moments.moments`."""
        return worth.moments(self.windows, self.settings)

    def figure(self, *, title: str = "", note: str = "") -> Figure:
        """Return the emotions over time of each subject, as `plots.emotions_over_time` draws them."""
        from workbench import plots  # matplotlib: loaded when the film has been read

        cuts = self.stretches.loc[self.stretches["cuts"] > 0, "start"]
        options = {"seconds": self.seconds, "step": self.settings.step, "cuts": cuts, "marks": self.moments}
        return plots.emotions_over_time(self.subjects, self.voice, **options, title=title, note=note)

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return all there is, as tables by name."""
        pairs = {f"{a} and {b}": table for (a, b), (table, _) in self.reactions.items()}
        return {
            "windows": self.windows,
            "summary": self.summary,
            "shares": _stacked(self.shares, "subject"),
            "transitions": _stacked(self.transitions, "subject"),
            "reactions": _stacked(pairs, "pair"),
            "moments": self.moments,
            "voice": self.voice,
            "faces": self.faces,
        }

    def html(self) -> str:
        """Return the report, a page that needs nothing beside it."""
        from workbench.interact.timeline import report

        return report.html(self)

    def write(self, out: str | Path) -> list[Path]:
        """Write the report to `out`, and `<out>_<table>.csv` beside it; return the paths, the report first."""
        out = Path(out)
        out.parent.mkdir(parents=True, exist_ok=True)
        written = [_write(out, self.html())]
        for name, table in self.tables().items():
            text = table.to_csv(index=False, float_format="%.6g", lineterminator="\n")
            written.append(_write(out.with_name(f"{out.stem}_{name}.csv"), text))
        return written

    def __repr__(self) -> str:
        return f"Timeline of {self.name}: {people.clock(self.seconds)} long, {', '.join(self.subjects) or 'nobody'}"

    def _repr_png_(self) -> bytes:
        return self.figure(title=self.name)._repr_png_()


def _stacked(tables: dict[str, pd.DataFrame], name: str) -> pd.DataFrame:
    """Return tables over each other, with the column `name` for which one a row is from."""
    rows = [table.assign(**{name: key})[[name, *table.columns]] for key, table in tables.items() if len(table)]
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=[name])


def _write(path: Path, text: str) -> Path:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8", newline="")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def timeline(
    path: str | Path,
    run: runs.Run,
    settings: Settings | None = None,
    *,
    folder: Path | None = None,
    keep: bool = False,
    progress: Callable | None = None,
) -> Timeline:
    """Watch a long recording with a finished run; broken off, the same call goes on where it stopped.

    Parameters
    ----------
    path : str or Path
        A film with or without sound, or a sound.
    run : Run
        Made from recordings (`runs.load`).
    settings : Settings, optional
    folder : Path, optional
        Where unfinished work lies, in `<name of the file>-<hash>.part`, a folder for each file, run and way of looking;
        by default `data/timelines`. It holds thumbnails of people, and is deleted in the end.
    keep : bool
        Leave it there: another call for the same file and run then takes what is finished from it.
    progress : callable, optional
        Wraps an iterable: ``progress(items, total=..., description=...)``.

    Raises
    ------
    MediaError
        If the file is no recording, or has nothing that the run reads.
    WorkbenchError
        If the run cannot be used for it.
    """
    path, settings = Path(path), settings or Settings()
    watcher = Watcher(path, run, settings, folder or paths.data() / "timelines")
    try:
        watcher.watch(progress)
    except KeyboardInterrupt as stopped:
        stopped.add_note(
            f"stopped at {people.clock(watcher.seconds)} of {people.clock(watcher.probe.duration)}; the same call goes "
            f"on from there, or shortly before; what it has, also pictures of people, is in {watcher.parts.folder}"
        )
        raise
    found = _gather(watcher)
    if not keep:
        watcher.parts.remove()
    return found


def _gather(watcher: Watcher) -> Timeline:
    parts, settings = watcher.parts, watcher.settings
    windows, places, stretches = (parts.table(name) for name in ("windows", "faces", "stretches"))
    cuts = stretches.loc[stretches["cuts"] > 0, "stretch"].tolist()
    who = people.persons(windows, places, settings.same, cuts=cuts, back=people.BACK / settings.piece)
    places["subject"] = places["face"].map(who).fillna("")
    found = Timeline(
        name=watcher.path.name,
        run=watcher.run.name,
        settings=settings,
        seconds=watcher.seconds,
        windows=people.with_subjects(windows, who, least=settings.least),
        voice=voice.segments(parts.table("voice")),
        stretches=stretches,
        faces=places,
        notes=tuple(watcher.notes),
        quality=quality.by_source(watcher.run),
        pictures={},
        trained=trained_on(watcher.run),
    )
    return replace(found, pictures=_pictures(parts.folder / "thumbs", found, who))


def _pictures(folder: Path, found: Timeline, who: dict[int, str]) -> dict[str, bytes]:
    """Return the thumbnails that the report shows."""
    piece, pictures = found.settings.piece, {}
    for number, moment in enumerate(found.moments.itertuples(), 1):
        middle = (moment.at + min(moment.end, moment.at + found.settings.window)) / 2
        pictures[f"moment {number}"] = folder / f"{int(middle // piece):06d}.jpg"
    for name in found.subjects:
        portraits = (folder / f"face{number:06d}.jpg" for number, subject in who.items() if subject == name)
        if portrait := next(portraits, None):
            pictures[name] = portrait
    return {name: path.read_bytes() for name, path in pictures.items() if path.exists()}
