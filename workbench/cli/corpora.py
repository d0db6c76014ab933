"""The corpora: list, bring, check, describe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from workbench.cli.common import Accept, Jobs, Json, Root, accepted, console, errors, progress, show

app = typer.Typer(no_args_is_help=True, help="The corpora: list, bring, check, describe.")
Target = Annotated[str | None, typer.Option(help="Which of the corpus's labels [default: its first]")]


@app.command("list")
def corpus_list(
    root: Annotated[Path | None, typer.Option(help="Folder with a folder for each corpus [default: data/raw]")] = None,
    as_json: Json = False,
) -> None:
    """List the corpora: what of each is on disk, and what is missing."""
    from workbench import paths
    from workbench.datasets import CORPORA, tallies

    rows = [tallies.overview(kind, (root / name) if root else paths.raw(name)) for name, kind in CORPORA.items()]
    if as_json:
        show(rows, True)
        return
    shown = ("name", "title", "clips", "speakers", "missing")
    show([{key: row[key] for key in shown} for row in rows], False, title=f"corpora under {root or paths.raw('')}")
    for row in rows:
        if row["problem"]:
            errors.print(escape(f"{row['name']} at {row['root']}: {row['problem']}"), soft_wrap=True)


@app.command("card")
def corpus_card(
    name: str,
    root: Root = None,
    target: Target = None,
    html: Annotated[Path | None, typer.Option(help="File to write it to as a self-contained page.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="File to write it to as Markdown.")] = None,
    durations: Annotated[bool, typer.Option(help="Read every file's header, for its length.")] = True,
) -> None:
    """Describe a corpus: counts, durations, label maps, what is missing, what is known to be wrong."""
    from rich.markdown import Markdown

    from workbench.datasets import corpus

    card = corpus(name, root, target=target).describe(durations=durations, progress=progress)
    for path, write in ((html, card.html), (markdown, card.markdown)):
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(write(), encoding="utf-8")
            console.print(f"the card of {name} is at {path}", soft_wrap=True)
    if not html and not markdown:
        text = card.markdown()
        console.print(Markdown(text)) if console.is_terminal else print(text, end="")


@app.command("check")
def corpus_check(name: str, root: Root = None, as_json: Json = False) -> None:
    """Read every file of a corpus; list what is missing, unreadable, duplicate or misnamed."""
    from workbench.datasets import corpus

    opened = corpus(name, root)
    report = opened.check(progress=progress)
    if not as_json:
        kinds = opened.kinds()
        console.print(f"{name} at {opened.root}: " + ", ".join(f"{n} {kind}" for kind, n in kinds.items()))
    show(report, as_json)


@app.command("align")
def corpus_align(name: str, root: Root = None, as_json: Json = False) -> None:
    """Measure how far the sound of a film lies behind the separate sound file of the same take."""
    from workbench.datasets import corpus

    table = corpus(name, root).alignment(progress=progress)
    shown = table if as_json else table.drop(columns=["film", "sound"])
    rows = shown.astype(object).where(shown.notna(), None).to_dict("records")
    show(rows, as_json, title=f"{name}: positive where the film is later")
    known = table["lag_ms"].dropna()
    if not as_json and len(known):
        spread = f"median {known.median():.1f} ms, from {known.min():.1f} to {known.max():.1f} ms"
        console.print(f"lag of {len(known)} of {len(table)} pairs: {spread}")


@app.command("fetch")
def corpus_fetch(
    name: str,
    parts: Annotated[str | None, typer.Option(help="What of it, with commas between; `list` shows the parts.")] = None,
    root: Root = None,
    accept_licence: Accept = False,
    seed: Annotated[int | None, typer.Option(help="Of a synthetic corpus [default: 0]")] = None,
    size: Annotated[str | None, typer.Option(help="Of a synthetic corpus: demo, smoke, start [default: demo]")] = None,
    jobs: Jobs = 2,
) -> None:
    """Bring a corpus: download, verify and unpack its parts, or make the synthetic one, or say how to get it.

    An interrupted download goes on when the same command is given again; finished parts are not fetched twice.
    """
    from workbench import paths
    from workbench.datasets import CORPORA, fetch, fetching
    from workbench.errors import WorkbenchError, choose

    kind = CORPORA[choose("corpus", name, CORPORA)]
    where, known = (root or paths.raw(name)).expanduser(), fetching.parts(kind.card)
    asked = [part.strip() for part in parts.split(",")] if parts else None
    if not asked and len(known) == 1 and not where.is_dir():
        asked = known
    synthetic = {"seed": seed, "size": size}
    given = [
        key for key, value in ({"parts": parts} if kind.card.synthetic else synthetic).items() if value is not None
    ]
    if given:
        what = "is made here and has no parts" if kind.card.synthetic else "is not synthetic"
        raise WorkbenchError(f"corpus {name!r} {what}: --{given[0]} has no effect on it")
    options = {"progress": progress}
    if kind.card.synthetic:
        options |= {"jobs": jobs, **{key: value for key, value in synthetic.items() if value is not None}}
    if known and (set(asked) - set(known) if asked else not where.is_dir()):
        rows = [{**row, "bytes": row["bytes"] or "no answer"} for row in fetching.table(kind.card, where)]
        show(rows, False, title=f"parts of {name!r}")
        if parts == "list":
            return
    elif known and asked:
        options["accept_licence"] = accepted(kind.card, accept_licence)
    if asked and not kind.card.synthetic:
        options["parts"] = asked
    opened = fetch(name, root, **options)
    console.print(f"{name} is at {opened.root}")
    if known and kind.card.steps:
        errors.print(escape(f"The rest of {name!r} is brought by hand:{fetching.steps(kind.card)}"), soft_wrap=True)
