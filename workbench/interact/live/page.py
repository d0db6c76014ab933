"""Notebook 80 as a web page: voila with a token, bound to this machine unless asked, with room for so many guests."""

from __future__ import annotations

import ipaddress
import os
import secrets
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat

from workbench import datasets, notebooks, paths, runs
from workbench.errors import WorkbenchError
from workbench.interact.live.client import connect
from workbench.interact.live.protocol import MESSAGE_BYTES

NOTEBOOK = "80"
# What the browser may fetch, and whom it may send anything to: this server. (voila's template asks a CDN for icons.)
OWN = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob: mediastream:; frame-ancestors 'self'"


def serve(
    run: runs.Run, *, ip: str, port: int, max_guests: int, minutes: float, progress: Callable = lambda items, **_: items
) -> Iterator[str]:
    """Serve the live page of a run until interrupted; yield what to tell the user.

    Raises
    ------
    WorkbenchError
        If the address cannot be listened on, or the model does not start.
    """
    _free(ip, port)
    token = secrets.token_urlsafe(24)
    datasets.fetch("demo", size="smoke", progress=progress)  # the page begins with a recording
    os.environ.update(WORKBENCH_DATA=str(paths.data().resolve()), WORKBENCH_FIGURES=str(paths.figures().resolve()))
    with (
        tempfile.TemporaryDirectory(prefix="workbench-live-") as folder,
        connect(run, max_guests=max_guests, minutes=minutes) as keeper,  # no guest: keeps the model for those to come
    ):
        if (room := keeper.room()) != max_guests:
            yield f"the model process of this run is there already, and takes {room} guests"
        limits = {"max_guests": max_guests, "minutes": minutes, "served": True}
        path = filled(Path(folder), {"profile": "smoke", "run": run.name, **limits})
        yield f"open http://{_named(ip)}:{port}/?token={token}"
        if not _own(ip):
            yield (
                "browsers give camera and microphone only to pages of their own machine or over https: put a proxy "
                f"with a certificate before it, or let guests come by ssh -L {port}:127.0.0.1:{port}"
            )
        yield "Ctrl-C ends it"
        _voila(path, ip=ip, port=port, token=token, max_guests=max_guests)


def filled(folder: Path, values: dict) -> Path:
    """Write a copy of notebook 80 with these values of its parameters into a folder; return its path."""
    from papermill.iorw import load_notebook_node
    from papermill.parameterize import parameterize_notebook

    (source,) = notebooks.select([NOTEBOOK])
    path = folder / "live.ipynb"
    nbformat.write(parameterize_notebook(load_notebook_node(str(source)), values), path)
    return path


def _voila(path: Path, *, ip: str, port: int, token: str, max_guests: int) -> None:
    """Run voila in this process until it is interrupted."""
    from traitlets.config import Config

    from workbench.interact.live.places import Page, Places

    settings = Config()
    settings.Places.guests = max_guests
    settings.VoilaConfiguration.file_denylist = [".*"]  # the page needs no file of this folder
    settings.VoilaConfiguration.multi_kernel_manager_class = Places
    settings.MappingKernelManager.cull_idle_timeout = 1  # after how long is for `Places` to say
    settings.MappingKernelManager.cull_interval = 10
    # A closed page asks to end its kernel without an XSRF token, and voila refuses that where there is a login. Beside
    # the login there is nothing else to post to, and that request names a kernel by an id that nobody can guess.
    limits = {"websocket_max_message_size": MESSAGE_BYTES, "disable_check_xsrf": True}
    limits |= {"headers": {"Content-Security-Policy": OWN}}
    options = {"ip": ip, "port": port, "token": token, "open_browser": False, "port_retries": 0}
    app = Page.instance(config=settings, tornado_settings=limits, log_level="WARN", **options)
    app.initialize([str(path)])
    app.start()


def _free(ip: str, port: int) -> None:
    """Raise a WorkbenchError if nobody can listen there."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET) as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind((ip, port))
    except OSError as error:
        raise WorkbenchError(
            f"cannot listen on {ip}, port {port}: {error.strerror}; choose another --ip or --port"
        ) from None


def _own(ip: str) -> bool:
    """Say whether an address is reached from this machine alone."""
    try:
        return ipaddress.ip_address(ip).is_loopback
    except ValueError:
        return ip == "localhost"


def _named(ip: str) -> str:
    return socket.gethostname() if ip in ("0.0.0.0", "::") else f"[{ip}]" if ":" in ip else ip
