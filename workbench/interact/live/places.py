"""The served page's kernels: one for each guest's page, its place given back when it is closed or left alone.

Imported where voila is, and by nobody else.
"""

from __future__ import annotations

import asyncio
import time
from contextvars import ContextVar
from datetime import timedelta
from uuid import uuid4

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
PATIENCE = 5  # s for which a page waits for a place before it is told that all are taken
LEAVING = 60  # s for which it waits where a page that was left is about to give one back
_ASKED = ContextVar("the page for which a kernel is started", default=None)


class Places(AsyncMappingKernelManager):
    """One kernel for each page, and so many pages at a time.

    A page that is loaded again asks for its new place before or after its old one is given back, as it happens. So
    who finds no place waits a little; a page that is being ended has none any more; and where all are taken, a browser
    that asks again gives up its page that it has not looked at yet.
    """

    guests = Int(4, help="How many pages there may be at a time.").tag(config=True)

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.pages, self.coming, self.ending = {}, set(), set()

    def taken(self) -> int:
        """Return how many places are taken."""
        return len({*self.list_kernel_ids(), *self.coming} - self.ending)

    async def start_kernel(self, **kwargs) -> str:
        """Start a page's kernel as soon as there is a place; return its id.

        Raises
        ------
        HTTPError
            503 if there is no place for so long; 499 if who asked for the page has gone meanwhile.
        """
        page = _ASKED.get()
        await self._place_for(page)
        kernel_id = str(uuid4())
        self.coming.add(kernel_id)
        try:
            await super().start_kernel(**kwargs, kernel_id=kernel_id)
        finally:
            self.coming.discard(kernel_id)
        if page:
            page.kernel_id, self.pages[kernel_id] = kernel_id, page
        return kernel_id

    async def _place_for(self, page: Asked | None) -> None:
        """Wait until there is a place."""
        began = time.monotonic()
        while self.taken() >= self.guests:
            mine = [one for one in self.pages.values() if page and one.user == page.user and not self._watched(one)]
            if mine and not any(one.left for one in mine):
                mine[0].leave()
            leaving = any(one.left for one in self.pages.values())
            if time.monotonic() - began > (LEAVING if leaving else PATIENCE):
                taken = f"All places for guests are taken ({self.guests})"
                raise HTTPError(503, reason=f"{taken}: this page tries again by itself")
            await asyncio.sleep(0.05)
            if page and page.left:
                raise HTTPError(499, reason="The browser has gone")

    def _watched(self, page: Asked) -> bool:
        """Say whether a browser looks at a page: it does once its widgets are there."""
        return page.kernel_id in self and self.kernel_model(page.kernel_id)["connections"] > 0

    async def shutdown_kernel(self, kernel_id: str, *args, **kwargs) -> None:
        """End a page's kernel."""
        self.ending.add(kernel_id)
        try:
            await super().shutdown_kernel(kernel_id, *args, **kwargs)
        finally:
            self.ending.discard(kernel_id)
            self.pages.pop(kernel_id, None)

    async def cull_kernel_if_idle(self, kernel_id: str) -> None:
        """End the kernel of a page that nobody looks at, or at which nothing has happened for long."""
        page = self.kernel_model(kernel_id)
        rest = timedelta(seconds=QUIET if page["connections"] else ALONE)
        idle = page["execution_state"] != "busy" and utcnow() - self.get_kernel(kernel_id).last_activity > rest
        if idle and kernel_id not in self.ending:
            await self.shutdown_kernel(kernel_id)


class Asked(TornadoVoilaHandler):
    """A browser's request for the page.

    A page that is left before it is whole is ended when it is whole, within seconds: voila answers a kernel that ends
    under it by tracebacks.
    """

    kernel_id, left, whole, end = None, False, False, None

    @property
    def user(self) -> str:
        """Who asks: each browser has a name of its own, in its cookie."""
        return self.current_user.username

    async def get(self, path: str | None = None) -> None:
        """Make the page."""
        _ASKED.set(self)
        try:
            await super().get(path)
        finally:
            self.whole = True
            if self.left:
                self.leave()

    def leave(self) -> None:
        """Give the place back, as soon as this can be."""
        self.left, places = True, self.kernel_manager
        if self.whole and self.kernel_id in places and self.kernel_id not in places.ending:
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
