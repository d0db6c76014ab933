"""The folder of a synthetic corpus: whose it is, with what parameters it was made, and files that are whole."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from workbench.datasets.base import Card
from workbench.errors import WorkbenchError


def claim(root: Path, asked: Mapping, card: Card, layout: str) -> None:
    """Put `<name>.json` (the parameters) and the card into `root`, unless it belongs to something else.

    Parameters
    ----------
    asked : mapping
        What the corpus is made with, as JSON has it; `version` among them.
    layout : str
        Markdown lines that say what is where.

    Raises
    ------
    WorkbenchError
        If `root` holds other files, or this corpus made with other parameters.
    """
    notes = root / f"{card.name}.json"
    if notes.is_file():
        found = json.loads(notes.read_text())
        differ = [f"{k} {found.get(k)} (asked: {v})" for k, v in asked.items() if found.get(k) != v]
        if differ:
            raise WorkbenchError(
                f"{root} holds a demo corpus made with other parameters: {', '.join(differ)}; choose another "
                "folder or delete this one"
            )
        return
    if root.exists() and (not root.is_dir() or any(not path.name.startswith(".") for path in root.iterdir())):
        raise WorkbenchError(f"{root}: expected an empty or new folder, or a demo corpus; found other files")
    root.mkdir(parents=True, exist_ok=True)
    text = f"""# {card.title}

{card.description}

* Made by `{card.home}`, version {asked["version"]}, with the parameters in `{notes.name}`.
{layout.strip()}
* Licence: {card.licence}. {" ".join(card.known_defects)}
"""
    write(root / "README.md", text)
    write(notes, json.dumps(asked, indent=2) + "\n")


def announced(root: Path, name: str) -> dict | None:
    """Return the parameters that a synthetic corpus was made with; None where the folder does not say."""
    notes = root / f"{name}.json"
    return json.loads(notes.read_text()) if notes.is_file() else None


def write(path: Path, content: str | bytes) -> None:
    """Write a file beside its place and move it there: it is whole, or not there."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_bytes(content.encode() if isinstance(content, str) else content)
    os.replace(part, path)
