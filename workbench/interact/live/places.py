"""The served page's kernels: one for each guest's page, its place given back when it is closed or left alone.

Imported where voila is, and by nobody else.
"""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

from jupyter_server import CallContext
from jupyter_server._tz import utcnow
from jupyter_server.base.handlers import AuthenticatedFileHandler
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado.web import HTTPError
from traitlets import Int
from voila.app import Voila
from voila.tornado.handler import TornadoVoilaHandler

from workbench import paths
from workbench.interact.live.widget import QUIET, SAVED_AT

ALONE = 30  # s after which a page that no browser looks at any more is ended
DRAWN = 3  # s within which a browser looks at a page that it has got: its widgets ask for its kernel
PATIENCE = 5  # s for which a page waits for a place before it is told that all are taken
LEAVING = 45  # s for which it waits where a page that was left is about to give one back


class Places(AsyncMappingKernelManager):
    """One kernel for each page, and so many pages at a time.

    A page that is loaded again asks for its new place before or after its old one is given back, as it happens. So
    who finds no place waits a little; a page that is being ended has its place for its own browser alone; and where
    all are taken, a browser that asks again gives up the page that it has got and does not look at.
    """

    guests = Int(4, help="How many pages there may be at a time.").tag(config=True)

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.pages, self.ending = {}, set()

    def taken(self, page: Asked | None = None) -> int:
        """Return how many places are taken, as a page that asks for one sees it."""
        given = {one for one in self.ending if page and page.is_of_browser(self.pages.get(one))}
        return len({*self.list_kernel_ids(), *self.pages} - given)

    async def start_kernel(self, **kwargs) -> str:
        """Start a page's kernel as soon as there is a place; return its id.

        Raises
        ------
        HTTPError
            503 if there is no place for so long; 499 if who asked for the page has gone meanwhile.
        """
        page, kernel_id = CallContext.get(CallContext.JUPYTER_HANDLER), self.new_kernel_id()
        await self._place_for(page)
        self.pages[kernel_id] = page
        try:
            await super().start_kernel(**kwargs, kernel_id=kernel_id)
        except Exception:
            self.remove_kernel(kernel_id)
            raise
        if page:
            page.kernel_id = kernel_id
        return kernel_id

    async def _place_for(self, page: Asked | None) -> None:
        """Wait until there is a place."""
        began = time.monotonic()
        while self.taken(page) >= self.guests:
            pages = [one for one in self.pages.values() if one]
            for one in pages:
                if page and page.is_of_browser(one) and one.is_unseen():
                    one.leave()
            if time.monotonic() - began > (LEAVING if any(one.left for one in pages) else PATIENCE):
                taken = f"All places for guests are taken ({self.guests})"
                raise HTTPError(503, reason=f"{taken}: this page tries again by itself")
            await asyncio.sleep(0.05)
            if page and page.left:
                raise HTTPError(499, reason="The browser has gone")

    def remove_kernel(self, kernel_id: str) -> object:
        """Forget a kernel that has ended, and its page."""
        self.pages.pop(kernel_id, None)
        return super().remove_kernel(kernel_id)

    async def shutdown_kernel(self, kernel_id: str, *args, **kwargs) -> None:
        """End a page's kernel."""
        self.ending.add(kernel_id)
        try:
            await super().shutdown_kernel(kernel_id, *args, **kwargs)
        finally:
            self.ending.discard(kernel_id)

    async def cull_kernel_if_idle(self, kernel_id: str) -> None:
        """End the kernel of a page that nobody looks at, or at which nothing has happened for long."""
        model, page = self.kernel_model(kernel_id), self.pages.get(kernel_id)
        if page and page.whole is None and not page.left:
            return  # it is being made, and its browser waits for it
        rest = timedelta(seconds=QUIET if model["connections"] else ALONE)
        busy = model["execution_state"] == "busy" and not (page and page.left)
        idle = not busy and utcnow() - self.get_kernel(kernel_id).last_activity > rest
        if idle and kernel_id not in self.ending:
            await self.shutdown_kernel(kernel_id)


class Asked(TornadoVoilaHandler):
    """A browser's request for the page.

    A page that is left before it is whole is ended when it is whole, within seconds: voila answers a kernel that ends
    under it by tracebacks.
    """

    kernel_id, left, whole, end = None, False, None, None

    async def get(self, path: str | None = None) -> None:
        """Make the page."""
        try:
            await super().get(path)
        finally:
            self.whole = time.monotonic()
            if self.left:
                self.leave()

    def flush(self, *args, **kwargs) -> asyncio.Future:
        """Send what there is of the page. (Where its kernel has ended, voila would go on for ever.)"""
        if self.whole is None and self.kernel_id and self.kernel_id not in self.kernel_manager:
            raise HTTPError(500, reason="The page's kernel has ended")
        return super().flush(*args, **kwargs)

    def is_of_browser(self, other: Asked | None) -> bool:
        """Say whether another page is of the same browser: each has a name of its own, in its cookie."""
        return other is not None and other.current_user.username == self.current_user.username

    def is_unseen(self) -> bool:
        """Say whether its browser has got the page and does not look at it: it went elsewhere before it was drawn."""
        places = self.kernel_manager
        seen = self.kernel_id not in places or places.kernel_model(self.kernel_id)["connections"] > 0
        return self.whole is not None and time.monotonic() - self.whole > DRAWN and not seen

    def leave(self) -> None:
        """Give the place back, as soon as this can be."""
        self.left, places = True, self.kernel_manager
        if self.whole is not None and self.kernel_id in places and self.kernel_id not in places.ending:
            self.end = asyncio.ensure_future(places.shutdown_kernel(self.kernel_id))

    def on_connection_close(self) -> None:
        """Leave a page that nobody waits for any more."""
        self.leave()
        super().on_connection_close()

    def write_error(self, status_code: int, **kwargs) -> None:
        """Have the browser ask again where all places are taken."""
        if status_code == 503:
            self.set_header("Refresh", str(PATIENCE))
        super().write_error(status_code, **kwargs)


class Page(Voila):
    """voila, and the recordings that guests saved for who knows their names."""

    def init_handlers(self) -> list:
        """Return voila's addresses and that of the recordings."""
        where = {"path": str(paths.data() / "live")}
        films = (rf"{self.server_url}{SAVED_AT}/([\w-]+\.mkv)", AuthenticatedFileHandler, where)
        voila = super().init_handlers()
        return [films, *((at, Asked if by is TornadoVoilaHandler else by, *rest) for at, by, *rest in voila)]
