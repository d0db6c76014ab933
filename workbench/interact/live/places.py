"""The served page's kernels: one for each guest's page, its place given back when it is closed or left alone.

Imported where voila is, and by nobody else.
"""

from __future__ import annotations

from datetime import timedelta

from jupyter_server._tz import utcnow
from jupyter_server.base.handlers import AuthenticatedFileHandler
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from voila.app import Voila

from workbench import paths
from workbench.interact.live.widget import QUIET, SAVED_AT

ALONE = 30  # s after which a page that no browser looks at any more is ended


class Places(AsyncMappingKernelManager):
    """One kernel for each page. A page that is being ended has no place any more, so that it can be loaded again."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.ending = set()

    def taken(self) -> int:
        """Return how many places are taken."""
        return len({*self.list_kernel_ids()} - self.ending)

    async def shutdown_kernel(self, kernel_id: str, *args, **kwargs) -> None:
        """End a page's kernel."""
        self.ending.add(kernel_id)
        try:
            await super().shutdown_kernel(kernel_id, *args, **kwargs)
        finally:
            self.ending.discard(kernel_id)

    async def cull_kernel_if_idle(self, kernel_id: str) -> None:
        """End the kernel of a page that nobody looks at, or at which nothing has happened for long."""
        page = self.kernel_model(kernel_id)
        rest = timedelta(seconds=QUIET if page["connections"] else ALONE)
        idle = page["execution_state"] != "busy" and utcnow() - self.get_kernel(kernel_id).last_activity > rest
        if idle and kernel_id not in self.ending:
            await self.shutdown_kernel(kernel_id)


class Page(Voila):
    """voila, and the recordings that guests saved for who knows their names."""

    def init_handlers(self) -> list:
        """Return voila's addresses and that of the recordings."""
        where = {"path": str(paths.data() / "live")}
        films = (rf"{self.server_url}{SAVED_AT}/([\w-]+\.mkv)", AuthenticatedFileHandler, where)
        return [films, *super().init_handlers()]
