"""Something done every second while a kernel lives, between its cells; plain Python without a loop does without."""

from __future__ import annotations

import asyncio
import logging
import weakref


def every_second(owner, method: str) -> asyncio.Task | None:
    """Call ``owner.method()`` every second as long as there is the owner; return None where no loop runs.

    The task has to be kept: the loop itself does not hold it.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return None
    return loop.create_task(_tick(weakref.ref(owner), method))


async def _tick(owner, method: str) -> None:
    while True:
        await asyncio.sleep(1)
        if (one := owner()) is None:
            return
        try:
            getattr(one, method)()
        except Exception:  # a file that goes away under one's hands: the next second will tell
            logging.getLogger(__name__).exception("%s.%s", type(one).__name__, method)
        del one
