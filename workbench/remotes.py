"""Files on the network that corpora and weights declare."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Remote:
    """One file that can be fetched.

    `name`: file name it is kept under. `part`: the word by which `--parts` chooses it. `size`: bytes. `checksum`:
    `md5:<hex>` or `sha256:<hex>`. Where the publisher's listing is the authority and not this declaration, `size` and
    `checksum` are None and `listing` names where they stand: `zenodo:<record>` (the record's own file list) or
    `lfs:<url>` (the Git LFS pointer of the file). `unpack`: an archive, to be unpacked and then removed.
    """

    name: str
    url: str
    part: str
    size: int | None = None
    checksum: str | None = None
    listing: str = ""
    unpack: bool = False
