"""Names that are linked with each other, directly or by others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable


def linked(pairs: Iterable[tuple[Hashable, Hashable]]) -> dict:
    """Return of each name the first, in sorted order, of all that are linked with it.

    Parameters
    ----------
    pairs : iterable of (name, link)
        Names with a link in common are linked, and so are those that these are linked with.
    """
    above: dict = {}

    def first_of(name):
        while name in above:
            name = above[name]
        return name

    holders, names = defaultdict(set), set()
    for name, link in pairs:
        names.add(name)
        holders[link].add(name)
    for linked_names in holders.values():
        first, *others = sorted({first_of(name) for name in linked_names})
        above.update(dict.fromkeys(others, first))
    return {name: first_of(name) for name in names}
