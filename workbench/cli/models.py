"""The models: list them."""

from __future__ import annotations

from itertools import chain

import typer

from workbench.cli.common import Json, progress, show

app = typer.Typer(no_args_is_help=True, help="The models: their size, their cost, their source.")


@app.callback()
def models() -> None:
    """The models: their size, their cost, their source."""


@app.command("list")
def models_list(as_json: Json = False) -> None:
    """List encoders, with parameters and multiply-adds for a clip of the usual length, and classical classifiers."""
    from workbench.models import CLASSICAL, ENCODERS, catalogue

    every = chain(catalogue.encoders(), catalogue.classifiers())
    rows = list(progress(every, total=len(ENCODERS) + len(CLASSICAL), description="building"))
    if not as_json:  # what fits on a line
        counts = {"parameters": (1e6, "M"), "multiply_adds": (1e9, "G")}
        rows = [
            {key: row[key] for key in ("name", "modality")}
            | {key: "" if row[key] is None else f"{row[key] / unit:.3g} {name}" for key, (unit, name) in counts.items()}
            | {"source": row["source"]}
            for row in rows
        ]
    show(rows, as_json)
