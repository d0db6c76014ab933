"""The live page: notebook 80 as a web page for this machine's browser, or for guests."""

from __future__ import annotations

from typing import Annotated

import typer

from workbench.cli.common import RunCorpus, RunRoot, console, progress


def live(
    run: Annotated[str | None, typer.Option(help="A run of study light [default: the latest]")] = None,
    corpus: RunCorpus = None,
    root: RunRoot = None,
    ip: Annotated[str, typer.Option(help="Where to listen; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8866,
    max_guests: Annotated[int, typer.Option(min=1, help="Pages and sessions at a time.")] = 4,
    minutes: Annotated[float, typer.Option(min=1, help="How long a page may last from its first Start.")] = 60,
) -> None:
    """Show which emotion the light model sees and hears, live, in a browser: camera, microphone, or both.

    The page's address holds a token, without which nobody gets in. Picture and sound are forgotten, unless a guest
    records them. A page that is idle for ten minutes gives its place back. Ctrl-C ends it.
    """
    from workbench.interact.live import chosen, page

    found = chosen(run, corpus, root)
    console.print(f"run {found.name}: {found.material}", soft_wrap=True, markup=False)
    limits = {"max_guests": max_guests, "minutes": minutes}
    for line in page.serve(found, ip=ip, port=port, progress=progress, **limits):
        console.print(line, soft_wrap=True, markup=False)
