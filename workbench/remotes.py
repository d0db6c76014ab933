"""Files on the network that corpora and weights declare."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

CHECKSUM = re.compile(r"md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}")
LISTING = re.compile(r"zenodo:\d+|lfs:https?://\S+")


@dataclass(frozen=True)
class Remote:
    """One file that can be fetched.

    `name`: file name it is kept under. `part`: the word by which `--parts` chooses it. `size`: bytes. `checksum`:
    `md5:<hex>` or `sha256:<hex>`. Where the publisher's listing is the authority and not this declaration, `size` and
    `checksum` are None and `listing` names where they stand: `zenodo:<record>` (the record's own file list, asked of
    the server that `url` names) or `lfs:<url>` (the Git LFS pointer of the file). `unpack`: an archive, to be unpacked
    and then removed.

    Raises
    ------
    ValueError
        For a declaration by which the bytes could not be proved: neither a checksum nor a listing, or one in another
        form; a name with a folder in it; a URL that is not http(s).
    """

    name: str
    url: str
    part: str
    size: int | None = None
    checksum: str | None = None
    listing: str = ""
    unpack: bool = False

    def __post_init__(self):
        if not self.checksum and not self.listing:
            raise ValueError(f"remote {self.name!r}: expected a checksum or a listing that has it, found neither")
        if self.checksum and not CHECKSUM.fullmatch(self.checksum):
            raise ValueError(f"remote {self.name!r}: expected md5:<hex> or sha256:<hex>, found {self.checksum!r}")
        if self.listing and not LISTING.fullmatch(self.listing):
            raise ValueError(f"remote {self.name!r}: expected zenodo:<record> or lfs:<url>, found {self.listing!r}")
        if self.size is not None and self.size < 0:
            raise ValueError(f"remote {self.name!r}: expected a size of 0 or more bytes, found {self.size}")
        if PurePosixPath(self.name).name != self.name or "\\" in self.name or self.name.startswith("."):
            raise ValueError(f"remote {self.name!r}: expected a plain file name")
        if not self.url.startswith(("https://", "http://")):
            raise ValueError(f"remote {self.name!r}: expected an http(s) address, found {self.url!r}")
