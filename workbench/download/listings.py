"""Sizes and checksums from where the publisher lists them: a Zenodo record, a Git LFS pointer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from urllib.parse import urlsplit

from workbench.errors import WorkbenchError
from workbench.remotes import CHECKSUM, Remote

MOST_BYTES = 16 * 2**20  # of a listing; the largest Zenodo records list a few hundred files
POINTER = re.compile(r"version https://git-lfs\.github\.com/spec/v1\n(?:.+\n)*?oid (sha256:[0-9a-f]{64})\nsize (\d+)\n")


def resolve(remotes: Iterable[Remote]) -> list[Remote]:
    """Return the remotes with size and checksum, asking the publisher's listing for those that lack a checksum.

    A listing is read once, however many of the files are in it. A Zenodo record is asked of the server in the
    remote's own address.

    Raises
    ------
    WorkbenchError
        If a listing cannot be read or does not have the file.
    """
    read: dict[str, dict] = {}
    found = []
    for remote in remotes:
        if not remote.checksum:
            kind, _, what = remote.listing.partition(":")
            url = (
                what if kind == "lfs" else "{0.scheme}://{0.netloc}/api/records/{1}".format(urlsplit(remote.url), what)
            )
            if url not in read:
                read[url] = (_pointer if kind == "lfs" else _record)(url)
            remote = _filled(remote, read[url], url)
        found.append(remote)
    return found


def _filled(remote: Remote, listed: dict[str, tuple[int, str]], url: str) -> Remote:
    """Return the remote with what is listed under its name (a pointer lists one file, under no name)."""
    if "" not in listed and remote.name not in listed:
        names = ", ".join(sorted(listed)[:8])
        raise WorkbenchError(f"{url} lists no file {remote.name!r}; it has {len(listed)} files: {names}, ...")
    size, checksum = listed.get("") or listed[remote.name]
    return replace(remote, size=size, checksum=checksum)


def _record(url: str) -> dict[str, tuple[int, str]]:
    """Return name -> (bytes, checksum) of a Zenodo record."""
    try:
        files = json.loads(_text(url))["files"]
        listed = {file["key"]: (int(file["size"]), str(file["checksum"])) for file in files}
    except (ValueError, KeyError, TypeError) as error:
        raise WorkbenchError(f"{url}: expected a Zenodo record with files[].key, size, checksum ({error!r})") from None
    odd = [checksum for _, checksum in listed.values() if not CHECKSUM.fullmatch(checksum)]
    if odd:
        raise WorkbenchError(f"{url}: expected checksums such as md5:<hex>, found {odd[0]!r}")
    return listed


def _pointer(url: str) -> dict[str, tuple[int, str]]:
    """Return (bytes, checksum) of a Git LFS pointer, under the name ''."""
    text = _text(url)
    match = POINTER.match(text)
    if not match:
        raise WorkbenchError(f"{url}: expected a Git LFS pointer, found {text[:60]!r}")
    return {"": (int(match[2]), match[1])}


def _text(url: str) -> str:
    """Return a small text from the network."""
    import requests  # slow to import

    try:
        with requests.get(url, stream=True, timeout=(10, 60)) as answer:
            if answer.status_code != 200:
                raise WorkbenchError(f"{url}: the server answered {answer.status_code} {answer.reason}")
            body = b""
            for chunk in answer.iter_content(2**16):
                body += chunk
                if len(body) > MOST_BYTES:
                    raise WorkbenchError(f"{url}: expected a listing, found more than {MOST_BYTES} bytes")
    except requests.RequestException as error:
        raise WorkbenchError(f"{url}: no answer ({error}); is this machine connected?") from None
    return body.decode("utf-8", "replace")
