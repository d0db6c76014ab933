"""Bringing a corpus: parts, downloads, archives, and what was finished already."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.download import download, resolve, unpack
from workbench.errors import WorkbenchError, choose
from workbench.remotes import Remote

if TYPE_CHECKING:
    from workbench.datasets.base import Card

MARKS = ".fetched"  # folder below the root with a note for each file that was brought


def parts(card: Card) -> list[str]:
    """Return the words by which the files of a corpus are chosen, in order."""
    return list(dict.fromkeys(remote.part for remote in card.remotes))


def table(card: Card, root: Path) -> list[dict]:
    """Return one row a part: `part, files, bytes, fetched`; `bytes` is None where the listing gives no answer."""
    rows = []
    for part in parts(card):
        remotes = [remote for remote in card.remotes if remote.part == part]
        try:
            size = sum(remote.size for remote in resolve(remotes))
        except (WorkbenchError, TypeError):
            size = None
        fetched = sum(is_fetched(remote, root) for remote in remotes)
        rows.append({"part": part, "files": len(remotes), "bytes": size, "fetched": fetched})
    return rows


def is_fetched(remote: Remote, root: Path) -> bool:
    """Return whether a file was brought to `root` before, as it is declared now."""
    try:
        mark = json.loads((root / MARKS / f"{remote.name}.json").read_text())
    except (OSError, ValueError):
        return False
    same = remote.checksum in (None, mark.get("checksum"))
    file = root / remote.name
    return same and (remote.unpack or (file.is_file() and file.stat().st_size == mark.get("size")))


def bring(
    card: Card,
    root: Path,
    wanted: Iterable[str] | None = None,
    *,
    accept_licence: bool = False,
    progress: Callable = lambda items, **_: items,
    **options,
) -> None:
    """Download, verify and unpack parts of a corpus into `root`; what is finished is not asked for again.

    Parameters
    ----------
    wanted : iterable of str, optional
        Of `parts`; by default the only one there is.
    accept_licence : bool
        That the licence was read and accepted; without it nothing is brought.
    options : of `download`

    Raises
    ------
    WorkbenchError
        With the steps to take for a corpus that cannot be brought; with the command, for one that can and whose
        licence is not accepted; for an unknown part; as `download` and `unpack` do.
    """
    if not card.remotes:
        raise WorkbenchError(by_hand(card, root))
    chosen = _chosen(card, wanted)
    if not accept_licence or not chosen:
        raise WorkbenchError(_how(card, root, chosen))
    todo = resolve(remote for remote in card.remotes if remote.part in chosen and not is_fetched(remote, root))
    if not todo:
        return
    work = _workplace(root)
    work.mkdir(parents=True, exist_ok=True)
    try:
        _look_for_room(todo, work)
        for remote in todo:
            _bring_one(remote, root, work, progress, options)
    finally:
        if not any(work.iterdir()):
            work.rmdir()


def by_hand(card: Card, root: Path) -> str:
    """Return how to get what cannot be brought from here."""
    return (
        f"corpus {card.name!r} has to be brought by hand (home: {card.home}; licence: {card.licence}); its root is "
        f"{root}:{steps(card)}"
    )


def steps(card: Card) -> str:
    """Return what has to be done by hand, a numbered line each."""
    lines = card.steps or ("Download it from its home page.", "Unpack it anywhere below the root.")
    return "".join(f"\n  {number}. {line}" for number, line in enumerate(lines, 1))


def _chosen(card: Card, wanted: Iterable[str] | None) -> list[str]:
    known = parts(card)
    if wanted is None:
        return known if len(known) == 1 else []
    return [choose(f"part of {card.name!r}", part, known) for part in wanted]


def _how(card: Card, root: Path, chosen: list[str]) -> str:
    """Return the command that brings a corpus which is not there."""
    given = f"--parts {','.join(chosen or ['PART'])} --root {root} --accept-licence"
    return (
        f"corpus {card.name!r} is not brought to {root} yet, and nothing is downloaded unasked: read its licence at "
        f"{card.home} ({card.licence}), then run `workbench corpus fetch {card.name} {given}` "
        f"(parts: {', '.join(parts(card))}), or give the folder in which you have it"
        + (f"; the rest is brought by hand:{steps(card)}" if card.steps else "")
    )


def _bring_one(remote: Remote, root: Path, work: Path, progress: Callable, options: dict) -> None:
    """Bring one file, unpack it if it is an archive, and leave a mark that it is done."""
    file = download(remote, work, progress=progress, **options)
    if remote.unpack:
        unpack(file, root, nested=True, work=work)
        file.unlink()
    else:
        root.mkdir(parents=True, exist_ok=True)
        os.replace(file, root / remote.name)
    mark = root / MARKS / f"{remote.name}.json"
    mark.parent.mkdir(exist_ok=True)
    draft = mark.with_suffix(".new")
    draft.write_text(json.dumps({"size": remote.size, "checksum": remote.checksum, "url": remote.url}, indent=1))
    os.replace(draft, mark)


def _workplace(root: Path) -> Path:
    """Return the folder for unfinished files: beside the root, or in it where that is a disk of its own."""
    alone = root.is_dir() and (os.path.ismount(root) or not os.access(root.resolve().parent, os.W_OK))
    return root / ".fetching" if alone else root.resolve().parent / f".{root.name}.fetching"


def _look_for_room(todo: list[Remote], work: Path) -> None:
    have = sum(path.stat().st_size for path in work.iterdir() if path.is_file())
    need, free = sum(remote.size or 0 for remote in todo) - have, shutil.disk_usage(work).free
    if need > free:
        raise WorkbenchError(f"{len(todo)} files need {need} more bytes, and the disk of {work.parent} has {free} free")
