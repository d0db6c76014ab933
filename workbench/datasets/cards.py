"""Data cards: what a corpus is, what of it is here, and what to know before believing a number made from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from tabulate import tabulate

from workbench import emotions
from workbench.datasets import tallies

if TYPE_CHECKING:
    from workbench.datasets.base import Card, Corpus

KINDS = {
    "audio-video": "with picture and sound",
    "audio-only": "with sound only",
    "video-only": "with picture only",
    "labels-only": "without any file (labels only)",
}
MOST = 40  # rows of a table, names of a list; what is more is counted
CSS = """
.data-card { max-width: 62rem; font: 15px/1.5 system-ui, "Helvetica Neue", Arial, "DejaVu Sans", sans-serif; }
.data-card h1 { font-size: 1.6em; line-height: 1.2; margin: .2em 0 .6em; }
.data-card h2 { font-size: 1.15em; margin: 1.6em 0 .4em; padding-bottom: .15em; border-bottom: 1px solid #bbb; }
.data-card h3 { font-size: 1em; margin: 1em 0 .3em; }
.data-card p, .data-card ul { margin: .4em 0; text-align: left; }
.data-card table { border-collapse: collapse; margin: .5em 0 1em; font-size: .88em; }
.data-card th, .data-card td { padding: .18em .7em; border-bottom: 1px solid #ddd; vertical-align: top; }
.data-card th { border-bottom: 2px solid #999; text-align: left; }
.data-card tr:not(:only-child):last-child td { border-top: 1px solid #999; }
.data-card code { font-size: .9em; overflow-wrap: anywhere; }
.data-card blockquote { margin: .8em 0; padding: .6em 1em; background: #fff1e0; color: #5c3200;
  border-left: 6px solid #d55e00; }
@media print {
  .data-card { max-width: none; font-size: 10.5px; }
  .data-card h2, .data-card h3 { break-after: avoid; }
  .data-card tr { break-inside: avoid; }
}
"""


@dataclass(frozen=True)
class DataCard:
    """A corpus described; `markdown()` and `html()` write it out, and a notebook shows it by itself.

    `clips` is the clip table, `published` how many clips it would have (None if not known), `absent` the clips that
    names or tables lead to expect and the folder lacks, `lacks` what else is missing, in words, and `recorded` what the
    files' headers say (`tallies.recordings`), None if not read.
    """

    card: Card
    root: Path
    target: str
    targets: tuple[str, ...]
    clips: pd.DataFrame
    published: int | None
    absent: list[str]
    lacks: list[str]
    recorded: pd.DataFrame | None

    def markdown(self) -> str:
        """Return the card as Markdown (CommonMark with pipe tables)."""
        card = self.card
        parts = [f"# {_plain(card.title)}"]
        if card.synthetic:
            parts.append("> **SYNTHETIC.** No people: no number obtained on this corpus says anything about people.")
        writers = {
            "What it is": self._declared,
            "What is here": self._present,
            "Emotions and who shows them": self._counted,
            "Label maps": self._mapped,
            "How long": self._timed,
            "The official split": self._split,
            "How well people do": self._people,
            "Known defects": lambda: [_list(map(_plain, card.known_defects)) or "None are known."],
        }
        for title, write in writers.items():
            parts += [f"## {title}", *write()]
        return "\n\n".join(parts) + "\n"

    def html(self) -> str:
        """Return the card as one self-contained HTML page, fit for printing."""
        title = escape(f"Data card: {self.card.title}")
        head = f'<meta charset="utf-8"><title>{title}</title><style>body {{ margin: 2rem; }}</style>'
        body = f"<body>\n{self._repr_html_()}\n</body>"
        return f'<!doctype html>\n<html lang="en">\n<head>{head}</head>\n{body}\n</html>\n'

    def _repr_html_(self) -> str:
        from markdown_it import MarkdownIt

        body = MarkdownIt("commonmark", {"html": False}).enable("table").render(self.markdown())
        return f'<style>{CSS}</style>\n<article class="data-card">\n{body}</article>'

    def _declared(self) -> Iterable[str]:
        card = self.card
        home = f"<{card.home}>" if card.home.startswith("http") else f"`{card.home}`"
        target = f"{self.target} (of: {', '.join(self.targets)})" if len(self.targets) > 1 else self.target
        yield _plain(card.description)
        facts = {"Cite": card.citation, "Licence": card.licence, "Label source": card.label_source, "Target": target}
        yield _list([*(f"**{name}:** {_plain(text)}" for name, text in facts.items() if text), f"**Home:** {home}"])

    def _present(self) -> Iterable[str]:
        clips, card = self.clips, self.card
        speakers = set(clips["speaker"]) - {""}
        published = f" of {self.published:,} published" if self.published else ""
        facts = [
            f"{_count(len(clips), 'clip')}{published}, of {_count(clips['take'].nunique(), 'take')}, in `{self.root}`",
            *(f"{n:,} {KINDS[kind]}" for kind, n in tallies.kinds(clips).items()),
            _count(len(speakers), "known speaker") + (f" of {len(card.speakers)} published" if card.speakers else ""),
        ]
        for column, what in {"speaker": "whose speaker is not known", "emotion": "without a label"}.items():
            if n := int((clips[column].fillna("") == "").sum()):
                facts.append(f"{_count(n, 'clip')} {what}")
        yield _list(facts)
        yield "**Missing:** " + ("; ".join(self.lacks) or "nothing that is known of") + "."
        if absent := tallies.absent_speakers(card, clips):
            yield f"**Speakers of whom nothing is here:** {_runs(absent, card.speakers)}."
        if self.absent and (clips[["path", "audio_path"]] != "").any(axis=None):
            holes = _count(len(self.absent), "clip")
            yield f"**Holes:** {holes} that names or tables lead to expect: {_names(self.absent)}."

    def _counted(self) -> Iterable[str]:
        yield "Numbers are clips."
        for column in tallies.factors(self.clips):
            yield f"### By {column.replace('_', ' ')}"
            yield _table(tallies.by(self.clips, column))
        if (self.clips["speaker"] != "").any():
            yield "### By speaker"
            yield _table(_longest(tallies.by(self.clips, "speaker")))

    def _mapped(self) -> Iterable[str]:
        if self.card.labels:
            yield "The corpus's own words, and what they are called here:"
            yield _table(pd.DataFrame(self.card.labels.items(), columns=["own word", "emotion"]))
        yield "To compare corpora, emotions are mapped onto classes that they share. What becomes of each:"
        maps, names = emotions.label_maps(self.clips), list(emotions.MAPS)
        kept = {name: f"{maps.loc[maps[name] != '', 'clips'].sum():,}" for name in names}
        total = pd.DataFrame([{"emotion": "clips kept", "clips": len(self.clips)} | kept])
        maps[names] = maps[names].replace("", "left out")
        yield _table(pd.concat([maps.assign(emotion=tallies.named(maps["emotion"], tallies.UNLABELLED)), total]))

    def _timed(self) -> Iterable[str]:
        if self.recorded is None:
            yield "The files were not read for this card."
            return
        table, formats = tallies.durations(self.recorded), tallies.formats(self.recorded)
        seconds = self.recorded["seconds"]
        if len(table):
            tabled = int((seconds.notna() & (self.recorded["file"] == "")).sum())
            yield f"{_span(seconds.sum())} in {_count(seconds.count(), 'clip')}; what is recorded twice counts twice."
            if tabled:
                yield f"{_count(tabled, 'length')} without a recording come from the corpus's own table."
        yield _table(table) if len(table) else "Nothing here has a length: no recordings, or still pictures."
        if len(formats):
            yield _table(_longest(formats))
        if len(broken := self.recorded[self.recorded["problem"] != ""]):
            yield f"**{_count(len(broken), 'file')} cannot be read:**"
            yield _list(map(_plain, broken["problem"].head(MOST)))
            if len(broken) > MOST:
                yield f"and {len(broken) - MOST:,} more."

    def _split(self) -> Iterable[str]:
        clips = self.clips
        split = tallies.shared(clips)
        if split.empty:
            yield "None comes with the corpus, or one side of it only is here."
            return
        unknown = int(((clips["speaker"] == "") & (clips["usage"] != "")).sum())
        if unknown == int((clips["usage"] != "").sum()):
            yield "Who is seen or heard is not known, so whether the sides share people cannot be measured."
            split = split[["sides", "takes in both"]]
        elif (split["speakers in both"] > 0).any():
            yield "**The sides share speakers**: scores on this split say nothing about people never seen before."
        else:
            yield f"No two sides share a speaker that is known. Not known: that of {_count(unknown, 'clip')}."
        yield _table(split)

    def _people(self) -> Iterable[str]:
        if not self.card.human:
            yield "No published figure is entered for this corpus."
            return
        rows = [(c.modality, f"{c.accuracy:g}", c.setting, c.source) for c in self.card.human]
        yield _table(pd.DataFrame(rows, columns=["modality", "recognised (%)", "setting", "source"]))


def describe(corpus: Corpus, *, durations: bool = True, progress: Callable = lambda items, **_: items) -> DataCard:
    """Describe a corpus as it lies on disk.

    Parameters
    ----------
    corpus : Corpus
    durations : bool
        Read every file's header; without, nothing but names (and the corpus's own tables) is read.
    progress : callable
        Wraps the clips while their headers are read.

    Raises
    ------
    WorkbenchError
        If nothing of the corpus is in its folder. Unreadable files are listed, not raised.
    """
    clips = corpus.clips()
    return DataCard(
        card=corpus.card,
        root=corpus.root,
        target=corpus.target,
        targets=corpus.targets,
        clips=clips,
        published=corpus.published(clips),
        absent=corpus.missing([path for path in corpus.files() if corpus.parse(path)]),
        lacks=tallies.lacks(corpus, clips),
        recorded=tallies.recordings(clips, progress) if durations else None,
    )


def _plain(text) -> str:
    """Return a text so that Markdown takes every character of it for itself."""
    return "".join(f"\\{sign}" if sign in "\\*[]<>|" else sign for sign in str(text)).replace("\n", " ")


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _names(items: list[str]) -> str:
    shown, more = items[:MOST], len(items) - MOST
    return ", ".join(f"`{item}`" for item in shown) + (f" and {more:,} more" if more > 0 else "")


def _runs(names: list[str], order: tuple[str, ...]) -> str:
    """Return names as text, three and more that follow each other in `order` as `first` to `last`."""
    runs = []
    for name in names:
        if runs and order.index(name) == order.index(runs[-1][-1]) + 1:
            runs[-1].append(name)
        else:
            runs.append([name])
    return ", ".join(f"`{run[0]}` to `{run[-1]}`" if len(run) > 2 else _names(run) for run in runs)


def _span(seconds: float) -> str:
    units = ((3600, "hours"), (60, "minutes"), (1, "seconds"))
    size, unit = next((size, unit) for size, unit in units if seconds >= size or size == 1)
    return f"{seconds / size:.1f} {unit}"


def _longest(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of counts with its largest rows, in their order, and the others added up in one row."""
    *_, count = table.select_dtypes("number")
    total = table.iloc[-1:] if table.iloc[-1, 0] == "all" else table.iloc[:0]
    rows = table.drop(total.index)
    if len(rows) <= MOST:
        return table
    most = rows.nlargest(MOST, count).index.sort_values()
    others = rows.drop(most)
    summed = others.sum(numeric_only=True).to_frame().T.assign(**{table.columns[0]: f"the other {len(others):,}"})
    return pd.concat([rows.loc[most], summed.reindex(columns=table.columns, fill_value=""), total]).astype(table.dtypes)


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def _text(value) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.2f}" if isinstance(value, float) else _plain(value)


def _table(table: pd.DataFrame) -> str:
    numbers = [pd.api.types.is_numeric_dtype(table[column]) for column in table]
    rows = [[_text(value) for value in row] for row in table.astype(object).to_numpy()]
    aligned = ["right" if number else "left" for number in numbers]
    headers = [_plain(column).replace("_", " ") for column in table]
    return tabulate(rows, headers, tablefmt="pipe", disable_numparse=True, colalign=aligned)
