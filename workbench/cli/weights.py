"""Pretrained weights: list them, bring them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.common import Accept, Json, accepted, console, progress, show

app = typer.Typer(no_args_is_help=True, help="Pretrained weights: list them, bring them.")


@app.command("list")
def weights_list(as_json: Json = False) -> None:
    """List the declared weights: files, bytes, licence, and the folder in which they are."""
    from workbench import weights

    rows = [
        {
            "name": name,
            "title": declared.title,
            "files": [remote.name for remote in declared.remotes],
            "bytes": sum(remote.size for remote in declared.remotes),
            "licence": declared.licence,
            "on_disk": str(weights.where(name) or ""),
            "command": declared.command,
        }
        for name, declared in weights.WEIGHTS.items()
    ]
    if not as_json:  # what fits on a line
        rows = [
            {
                "name": row["name"],
                "bytes": row["bytes"],
                "licence": row["licence"],
                "where": row["on_disk"] or f"not here: {row['command']}",
            }
            for row in rows
        ]
    show(rows, as_json)


@app.command("fetch")
def weights_fetch(
    name: str,
    source: Annotated[Path | None, typer.Option("--from", help="Folder with copies; no network is used.")] = None,
    accept_licence: Accept = False,
) -> None:
    """Bring weights into $WORKBENCH_WEIGHTS or data/weights: from the network, or from a folder of copies."""
    from workbench import weights

    declared = weights.weight(name)
    agreed = bool(declared.package) or accepted(declared, accept_licence)
    for file in weights.fetch(name, accept_licence=agreed, source=source, progress=progress):
        console.print(str(file), soft_wrap=True)
