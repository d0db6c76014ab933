"""The report on a long recording: one HTML page that needs nothing beside it."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

import workbench
from workbench import plots
from workbench.emotions import COLOURS
from workbench.interact.timeline import wording
from workbench.interact.timeline.people import clock

if TYPE_CHECKING:
    from workbench.interact.timeline.quality import Quality
    from workbench.interact.timeline.result import Timeline

FOLDER = Path(__file__).parent
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<main>
{body}
</main>
<script type="application/json" id="data">{data}</script>
<script>
{script}</script>
</body>
</html>
"""
HEADS = (
    "",
    "seen or heard",
    "named most often",
    "undecided",
    "changes a minute",
    "volatility",
    "negative",
    "longest negative stretch",
)


def html(found: Timeline) -> str:
    """Return the report on a timeline: styles, figures (SVG), pictures and script are all in the page."""
    drawn = found.figure() if found.subjects else None
    sections = [
        f"<h1>Timeline of {escape(found.name)}</h1>",
        f'<p class="facts">{escape(wording.facts(found))}</p>',
        f'<section class="limits"><h2>Read this first</h2>{_list(wording.limits(found))}</section>',
        *_notes(found),
        "<h2>At a glance</h2>",
        *_glance(found),
        *(_over_time(drawn) if drawn else ()),
        *_moments(found),
        *_shares(found),
        *_reactions(found),
        *_quality(found),
        "<h2>How this was made</h2>",
        _list(wording.made(found, workbench.__version__)),
    ]
    style, script = ((FOLDER / f"report.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    data = json.dumps(_data(found, drawn), separators=(",", ":")).replace("</", "<\\/")
    parts = {"title": escape(found.name), "style": style, "body": "\n".join(sections), "data": data, "script": script}
    return PAGE.format(**parts)


def _notes(found: Timeline) -> Iterable[str]:
    if found.notes:
        yield f"<h2>What was wrong with the recording</h2>{_list(map(escape, found.notes))}"


def _glance(found: Timeline) -> Iterable[str]:
    if not found.subjects:
        yield f"<p>{escape(wording.nothing(found))}</p>"
        return
    rows = []
    for row in found.summary.to_dict("records"):
        name, first = row["subject"], row["first"]
        share = found.shares[name].set_index("emotion")
        span = "none"
        if np.isfinite(row["negative_start"]):
            length = row["negative_end"] - row["negative_start"]
            span = f"{clock(row['negative_start'])} to {clock(row['negative_end'])} ({length:.0f} s)"
        rows.append([
            _portrait(found, name) + escape(name),
            f"{clock(row['seconds'])} ({row['seconds'] / found.seconds:.0%})",
            _emotion(first, share.loc[first]) if first else "none",
            _percent(share.loc["undecided"]),
            f"{row['changes_per_minute']:.1f}",
            "" if np.isnan(row["volatility"]) else f"{row['volatility']:.2f}",
            f"{row['negative']:.0%}",
            span,
        ])  # fmt: skip
    yield _table(HEADS, rows, numbers=(4, 5, 6))
    yield f'<p class="small">{wording.GLANCE}</p>'


def _portrait(found: Timeline, name: str) -> str:
    if name not in found.pictures:
        return ""
    return f'<img class="portrait" alt="" src="{_jpeg(found.pictures[name])}">'


def _jpeg(data: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"


def _emotion(name: str, share: pd.Series | None = None) -> str:
    colour = COLOURS.get(name, "#fff")
    chip = f'<span class="chip" style="background:{colour}"></span>{escape(name)}'
    return chip if share is None else f"{chip} {_percent(share)}"


def _percent(share: pd.Series) -> str:
    if not share["low"] < share["high"]:
        return f"{share['share']:.0%}"
    return f"{share['share']:.0%} [{100 * share['low']:.0f}, {100 * share['high']:.0f}]"


def _over_time(drawn: Figure) -> Iterable[str]:
    yield "<h2>Over time</h2>"
    yield f'<figure><div id="timeline">{_svg(drawn, "timeline")}<div id="cursor"></div><div id="said"></div></div>'
    yield f"<figcaption>{wording.OVER_TIME}</figcaption></figure>"


def _svg(figure: Figure, salt: str) -> str:
    """Return a figure as an SVG element, its names its own."""
    buffer = io.StringIO()
    with matplotlib.rc_context(plots.style.STYLE | {"svg.hashsalt": salt}):
        figure.savefig(buffer, format="svg", dpi=200, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()[buffer.getvalue().index("<svg") :].strip()


def _moments(found: Timeline) -> Iterable[str]:
    if found.moments.empty:
        return
    yield "<h2>Moments worth watching</h2>"
    yield f"<p>{wording.MOMENTS}</p>"
    yield (
        '<p class="screen"><label>To watch them here, choose the recording on this machine (it stays on it): '
        '<input type="file" id="recording" accept="video/*,audio/*"></label></p>'
        '<video id="player" class="screen" controls playsinline></video>'
    )
    yield '<div class="moments">'
    for number, moment in enumerate(found.moments.itertuples(), 1):
        shown = _picture(found, f"moment {number}", moment)
        yield (
            f'<div class="moment">{shown}<div class="said"><strong>{number}</strong> &middot; '
            f'<button data-at="{moment.at:g}">{clock(moment.at)}</button> &middot; {escape(moment.subject)}<br>'
            f"{escape(wording.KINDS[moment.kind])}: {escape(moment.why)}</div></div>"
        )
    yield "</div>"


def _picture(found: Timeline, name: str, moment) -> str:
    """Return the picture of a moment, with a frame around the face that it is about."""
    if name not in found.pictures:
        return '<p class="none">no picture</p>'
    stretch = int((moment.at + min(moment.end, moment.at + found.settings.window)) / 2 // found.settings.piece)
    faces = found.faces[(found.faces["stretch"] == stretch) & (found.faces["subject"] == moment.subject)]
    frames = [
        f'<span class="face" style="left:{face.left:.1%};top:{face.top:.1%};width:{face.right - face.left:.1%};'
        f'height:{face.bottom - face.top:.1%}"></span>'
        for face in faces.itertuples()
        if len(faces) == 1  # with a cut in it, the picture may be of either side
    ]
    return f'<div class="picture"><img alt="" src="{_jpeg(found.pictures[name])}">{"".join(frames)}</div>'


def _shares(found: Timeline) -> Iterable[str]:
    if not found.subjects:
        return
    yield "<h2>Shares and transitions</h2>"
    drawn = _svg(plots.emotion_shares(found.shares), "shares")
    yield f"<figure>{drawn}<figcaption>{wording.SHARES}</figcaption></figure>"
    yield '<div class="columns">'
    for name, table in found.transitions.items():
        rows = [
            [_emotion(row.before), _emotion(row.after), f"{row.count}"] for row in table.head(8).itertuples(index=False)
        ]
        body = _table(["from", "to", "times"], rows, numbers=(2,)) if rows else "<p>none</p>"
        more = f'<p class="small">and {len(table) - 8} other kinds</p>' if len(table) > 8 else ""
        yield f"<div><h3>Transitions: {escape(name)}</h3>{body}{more}</div>"
    yield "</div>"


def _reactions(found: Timeline) -> Iterable[str]:
    persons = [name for name in found.subjects if name != "voice"]
    if len(persons) < 2:
        return
    yield "<h2>Does one follow the other?</h2>"
    if not found.reactions:
        yield f"<p>{wording.TOO_SHORT}</p>"
        return
    figure = plots.reactions({pair: table for pair, (table, _) in found.reactions.items()})
    yield f'<figure class="narrow">{_svg(figure, "reactions")}<figcaption>{wording.REACTIONS}</figcaption></figure>'
    yield _list(escape(wording.reaction(pair, facts)) for pair, (_, facts) in found.reactions.items())


def _quality(found: Timeline) -> Iterable[str]:
    yield "<h2>How far the run can be trusted</h2>"
    known, unknown = wording.measured(found)
    for source in known or found.quality:
        yield from _measured(found.quality[source], source)
    for source in unknown:
        yield f"<p>How often the run is right from {wording.BY[source]} was not measured.</p>"
    yield f'<p class="small">{wording.QUALITY}</p>'


def _measured(quality: Quality, source: str) -> Iterable[str]:
    yield f"<h3>From {wording.BY[source]}</h3>"
    yield f"<p>{escape(wording.accuracy(quality, source))}</p>"
    rows = [[_emotion(name), f"{row['precision']:.0%}", f"{row['recall']:.0%}", f"{int(row['support'])}"]
            for name, row in quality.per_class.iterrows()]  # fmt: skip
    named = _table(
        ["emotion", "right where it is named", "named where it is right", "test clips"], rows, numbers=(1, 2, 3)
    )
    rows = [[escape(row.probability), f"{row.clips}", "" if np.isnan(row.right) else f"{row.right:.0%}"]
            for row in quality.reliability.itertuples()]  # fmt: skip
    sure = _table(["greatest probability", "test clips", "right"], rows, numbers=(1, 2))
    yield f'<div class="columns"><div>{named}</div><div>{sure}</div></div>'


def _list(items: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{item}</li>" for item in items) + "</ul>"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Sequence[int] = ()) -> str:
    """Return a table of HTML cells, the columns `numbers` right-aligned."""
    kind = [' class="number"' if i in numbers else "" for i in range(len(heads))]
    head = "".join(f"<th{k}>{escape(name)}</th>" for k, name in zip(kind, heads, strict=True))
    body = "".join("<tr>" + "".join(f"<td{k}>{cell}</td>" for k, cell in zip(kind, row, strict=True)) + "</tr>"
                   for row in rows)  # fmt: skip
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _data(found: Timeline, drawn: Figure | None) -> dict:
    """Return what the script needs: where the time axis lies in the figure, and the windows."""
    place = drawn.axes[-1].get_position() if drawn else None
    subjects, classes = [], []
    for name, series in found.subjects.items():
        columns = [column for column in series if column.startswith("p_")]
        classes = [column.removeprefix("p_") for column in columns]
        middle = ((series["start"] + series["end"]) / 2).round(2).tolist()
        subjects.append({"name": name, "middle": middle, "p": series[columns].round(3).to_numpy().tolist()})
    return {
        "left": round(place.x0, 5) if place else 0,
        "right": round(place.x1, 5) if place else 1,
        "seconds": round(found.seconds, 2),
        "step": found.settings.step,
        "least": found.settings.least,
        "classes": classes,
        "subjects": subjects,
    }
