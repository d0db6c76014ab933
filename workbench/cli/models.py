"""The models: list them."""

from __future__ import annotations

import typer

from workbench.cli.common import Json, progress, show

app = typer.Typer(no_args_is_help=True, help="The models: every encoder, its size, its cost, its source.")


@app.callback()
def models() -> None:
    """The models: every encoder, its size, its cost, its source."""


@app.command("list")
def models_list(as_json: Json = False) -> None:
    """List the encoders with parameters and multiply-adds for a clip of the usual length."""
    from workbench.models import ENCODERS
    from workbench.models.catalogue import encoders

    rows = list(progress(encoders(), total=len(ENCODERS), description="building"))
    if not as_json:
        counts = {"parameters": (1e6, "M"), "multiply_adds": (1e9, "G")}
        rows = [row | {key: f"{row[key] / unit:.3g} {name}" for key, (unit, name) in counts.items()} for row in rows]
    show(rows, as_json)
