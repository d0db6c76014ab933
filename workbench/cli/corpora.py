"""The corpora: list, bring, check."""

from __future__ import annotations

from typing import Annotated

import typer

from workbench.cli.common import Jobs, Json, Root, console, progress, show

app = typer.Typer(no_args_is_help=True, help="The corpora: list, bring, check.")


@app.command("list")
def corpus_list(as_json: Json = False) -> None:
    """List the corpora and whether they are on disk."""
    from workbench import paths
    from workbench.datasets import CORPORA

    rows = [
        {
            "name": name,
            "title": kind.card.title,
            "licence": kind.card.licence,
            "root": str(paths.raw(name)),
            "on_disk": paths.raw(name).is_dir(),
        }
        for name, kind in CORPORA.items()
    ]
    show(rows, as_json)


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


@app.command("fetch")
def corpus_fetch(
    name: str,
    root: Root = None,
    seed: Annotated[int, typer.Option(help="Of the synthetic corpus.")] = 0,
    size: Annotated[str, typer.Option(help="Of the synthetic corpus: demo or smoke.")] = "demo",
    jobs: Jobs = 2,
) -> None:
    """Bring a corpus: the synthetic one is made here; for the others, say how to get them."""
    from workbench.datasets import fetch

    opened = fetch(name, root, seed=seed, size=size, jobs=jobs, progress=progress)
    console.print(f"{name} is at {opened.root}")
