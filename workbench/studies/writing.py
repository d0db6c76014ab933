"""A study's table written out: as Markdown, LaTeX, HTML or plain text to read, as CSV to compute with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from textwrap import wrap

import pandas as pd

from workbench.errors import choose
from workbench.studies.places import Place

LABELS = ("system", "row", "")  # the columns that name a row
ROW = ["group", "variant", "system", "row", "detail"]  # what tells the rows of a table apart
SHORT = 16  # letters: what the published table calls its rows is shown if no name is longer
MARKDOWN = str.maketrans({sign: f"\\{sign}" for sign in "\\*[]<>|`"})
LATEX = str.maketrans(
    {sign: f"\\{sign}" for sign in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "|": r"\textbar{}"}
    | {"<": r"\textless{}", ">": r"\textgreater{}", "[": "{[}", "]": "{]}", "−": "$-$", "→": r"$\rightarrow$"}
)
CSS = """
body { margin: 2rem; font: 15px/1.5 system-ui, "Helvetica Neue", Arial, "DejaVu Sans", sans-serif; color: #222; }
h1 { font-size: 1.4em; } h2 { font-size: 1.1em; margin: 1.6em 0 .4em; }
table { border-collapse: collapse; font-size: .88em; border-top: 2px solid #999; border-bottom: 2px solid #999; }
th, td { padding: .2em .7em; text-align: right; vertical-align: baseline; white-space: nowrap; }
thead th { vertical-align: bottom; border-bottom: 1px solid #999; white-space: normal; max-width: 9em; }
th:first-child, td:first-child, .detailed th:nth-child(2), .detailed td:nth-child(2) { text-align: left; }
td:first-child { white-space: normal; min-width: 14em; }
blockquote { margin: .8em 0; padding: .5em 1em; background: #fff1e0; color: #5c3200; border-left: 6px solid #d55e00; }
ul { color: #555; font-size: .88em; max-width: 62rem; padding-left: 1.2em; }
"""


@dataclass(frozen=True)
class Table:
    """A study's table in numbers, and what is said above and below it.

    `cells` has one row a cell: `table` (a study may have several), `group`, `variant`, `system`, `row` (what the
    published table calls it) and `detail` (a line's name, where a system has several), `column`, `unit`, `value` with
    `low` and `high` (its interval), `text` (what stands where there is no number) and `comparable` (false for a
    published number that was reached on something else than ours).
    """

    study: str
    title: str
    origin: str
    place: Place
    warnings: list[str]
    cells: pd.DataFrame
    notes: list[str]


@dataclass(frozen=True)
class Dialect:
    """How a format takes a text for itself, marks a number that is not comparable, stresses, and says the mark."""

    plain: Callable[[str], str]
    grey: Callable[[str], str]
    strong: Callable[[str], str]
    mark: str
    minus: str = "-"


DIALECTS = {
    "markdown": Dialect(lambda text: text.translate(MARKDOWN), "*{}*".format, "**{}**".format, "In italics"),
    "latex": Dialect(
        lambda text: text.translate(LATEX), r"\textcolor{{gray}}{{{}}}".format, r"\emph{{{}}}".format, "Grey", "$-$"
    ),
    "html": Dialect(escape, '<span style="color: #999">{}</span>'.format, "<b>{}</b>".format, "Grey"),
    "text": Dialect(str, "({})".format, str.upper, "In brackets"),
}


def write(table: Table, form: str) -> str:
    """Return a table in one of the `FORMATS`: markdown, latex, html, csv, text."""
    return FORMATS[choose("format", form, FORMATS)](table)


def save(table: Table, name: str, *, folder: Path) -> list[Path]:
    """Write `name`.md, .tex, .csv and .html into `folder`; return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for suffix, form in {"md": "markdown", "tex": "latex", "csv": "csv", "html": "html"}.items():
        path, part = folder / f"{name}.{suffix}", folder / f"{name}.{suffix}.part"
        part.write_text(write(table, form), encoding="utf-8")
        written.append(part.replace(path))
    return written


def markdown(table: Table) -> str:
    """Return the table as Markdown, for GitHub and Jupyter alike."""
    return _lines(table, "markdown", above="> {}", tablefmt="pipe")


def text(table: Table) -> str:
    """Return the table as plain text."""
    return _lines(table, "text", above="{}", tablefmt="simple")


def _lines(table: Table, form: str, *, above: str, tablefmt: str) -> str:
    says = DIALECTS[form]
    title = f"{says.strong(says.plain(f'{table.title}.'))} {says.plain(table.origin)}"
    parts = [title, *(above.format(says.plain(line)) for line in table.warnings)]
    for name, block in _blocks(table, says):
        parts += [says.strong(says.plain(name))] if name else []
        aligned = ["left" if column in LABELS else "right" for column in block]
        options = {"tablefmt": tablefmt, "disable_numparse": True, "colalign": aligned}
        parts.append(block.to_markdown(index=False, **options))
    parts.append("\n".join(f"- {note}" for note in _notes(table, says)))
    return "\n\n".join(parts) + "\n"


def latex(table: Table) -> str:
    r"""Return the table as LaTeX, to be put in by ``\input``; a comment names the packages that it needs."""
    says = DIALECTS["latex"]
    below = "\n\n".join(["\\par\\medskip\\raggedright", *_notes(table, says)])
    parts = ["% needs \\usepackage{booktabs, graphicx, xcolor}"]
    for number, (name, block) in enumerate(_blocks(table, says), 1):
        about = (table.title, table.origin, name[:1].upper() + name[1:], *table.warnings)
        caption = " ".join(f"{says.plain(part).rstrip('.')}." for part in about if part)
        lefts = sum(column in LABELS for column in block)
        block.columns = [_stacked(column) for column in block]
        inner = block.to_latex(index=False, escape=False, column_format="l" * lefts + "r" * (block.shape[1] - lefts))
        parts += [
            "\\begin{table}[htbp]\n\\centering\\footnotesize\\setlength{\\tabcolsep}{4pt}",
            f"\\caption{{{caption}}}\n\\label{{tab:{table.study}-{number}}}",
            f"\\resizebox{{\\ifdim\\width>\\textwidth\\textwidth\\else\\width\\fi}}{{!}}{{%\n{inner}}}",
            *([below] if number == 1 else []),
            "\\end{table}",
        ]
    return "\n".join(parts) + "\n"


def html(table: Table) -> str:
    """Return the table as one self-contained HTML page."""
    says = DIALECTS["html"]
    title, above = says.plain(table.title), (f"<blockquote>{says.plain(line)}</blockquote>" for line in table.warnings)
    parts = [f"<h1>{title}</h1>", f"<p>{says.plain(table.origin)}</p>", *above]
    for name, block in _blocks(table, says):
        parts += [f"<h2>{says.plain(name)}</h2>"] if name else []
        kind = "plain" if len(set(LABELS) & set(block)) == 1 else "detailed"
        parts.append(block.to_html(index=False, escape=False, border=0, classes=kind))
    parts.append(f"<ul>{''.join(f'<li>{note}</li>' for note in _notes(table, says))}</ul>")
    head = f'<meta charset="utf-8"><title>{title}</title><style>{CSS}</style>'
    body = "\n".join(parts)
    return f'<!doctype html>\n<html lang="en">\n<head>{head}</head>\n<body>\n{body}\n</body>\n</html>\n'


def csv(table: Table) -> str:
    """Return the cells as CSV: numbers as they are, in the unit that stands beside them."""
    cells = table.cells.assign(comparable=table.cells["comparable"].map({True: "true", False: "false"}))
    cells.insert(0, "study", table.study)
    cells.insert(1, "corpus", table.place.title)
    return cells.to_csv(index=False, float_format="%.10g", lineterminator="\n")


FORMATS = {"markdown": markdown, "latex": latex, "csv": csv, "html": html, "text": text}


def shown(cell: pd.Series, says: Dialect) -> str:
    """Return a cell as it is printed: ``58.6 [48.6, 67.0]``; a text; '' where there is neither."""
    if pd.isna(cell["value"]):
        return says.plain(cell["text"])
    number = NUMBERS[cell["unit"]]
    interval = f" [{number(cell['low'])}, {number(cell['high'])}]" if pd.notna(cell["low"]) else ""
    written = (number(cell["value"]) + interval).replace("-", says.minus)
    return written if cell["comparable"] else says.grey(written)


def _count(value: float) -> str:
    """Return 73,126 or 26.81 M or 4.200 G."""
    for limit, unit in ((1e9, "G"), (1e6, "M")):
        if value >= limit:
            return f"{value / limit:#.4g} {unit}"
    return f"{value:,.0f}"


NUMBERS = {
    "%": "{:.1f}".format,
    "points": "{:+.1f}".format,
    "nats": "{:.3f}".format,
    "ms": "{:.1f}".format,
    "count": _count,
    "bytes": _count,
}


def _blocks(table: Table, says: Dialect) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield each table in strings, as a format takes them, with its name; the first needs none."""
    for number, (name, cells) in enumerate(table.cells.groupby("table", sort=False)):
        yield name if number else "", _laid_out(cells, says)


def _laid_out(cells: pd.DataFrame, says: Dialect) -> pd.DataFrame:
    """Return cells as a table of strings: a line a row, and one over each group."""
    cells, columns = cells.assign(shown=[shown(cell, says) for _, cell in cells.iterrows()]), cells["column"].unique()
    detailed = cells["detail"].any()
    shows = {"system": True, "row": not detailed and 0 < cells["row"].str.len().max() <= SHORT, "": detailed}
    labels = [label for label in LABELS if shows[label]]
    lines, over, before = [], "", None
    for (group, variant, system, row, detail), line in cells.groupby(ROW, sort=False):
        if group != over:
            lines.append([says.strong(says.plain(group)), *[""] * (len(labels) + len(columns) - 1)])
        named = {"system": system if (group, variant) != before else "", "row": row, "": detail}
        found = dict(zip(line["column"], line["shown"], strict=True))
        lines.append([says.plain(named[label]) for label in labels] + [found.get(column, "") for column in columns])
        over, before = group, (group, variant)
    return pd.DataFrame(lines, columns=[*labels, *map(says.plain, columns)])


def _notes(table: Table, says: Dialect) -> Iterable[str]:
    """Return what stands below the table, as the format takes it."""
    grey = (table.cells["value"].notna() & ~table.cells["comparable"]).any()
    marked = [f"{says.mark}: published numbers that are not comparable with ours."] if grey else []
    return [says.plain(note) for note in [*marked, *table.notes]]


def _stacked(header: str) -> str:
    """Return a column's header as LaTeX, in lines of a dozen letters one above the other."""
    lines = "\\\\".join(wrap(header, 13))
    return header if header in LABELS else f"\\shortstack[r]{{{lines}}}"
