"""A headless Chromium, and JupyterLab and voila on loopback for it to open.

Run by `make test-browser`, not by `make test`. Screenshots are left in `data/screenshots/` of the project.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import nbformat
import pytest
import requests
import small_study

from workbench.datasets import demo
from workbench.studies import running

playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: `make test-browser` installs it")

PROJECT = Path(__file__).parents[2]
TOKEN = "a-token-of-the-tests"
# The browser asks nobody but this machine, and takes what it is given for camera and microphone.
SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)
SECOND = 1000  # ms
TOLD = 180 * SECOND  # until a notebook has run, on a machine that has much else to do
HERE = r"(https?|wss?)://(127\.0\.0\.1|localhost)[:/]|data:|blob:|about:|file:"
FAKE = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not found:
        pytest.skip("no Chromium on this machine: `make test-browser` installs Debian's")
    return found


@pytest.fixture(scope="session")
def api():
    """Playwright, started once."""
    with playwright.sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def launch(api, chromium) -> Iterator[Callable]:
    """Start a browser with more switches of Chromium's; all are closed at the end."""
    opened = []

    def start(*switches: str):
        opened.append(api.chromium.launch(executable_path=chromium, args=[*SWITCHES, *switches]))
        return opened[-1]

    yield start
    for browser in opened:
        browser.close()


@pytest.fixture(scope="session")
def browser(launch):
    """A browser without camera and microphone."""
    return launch()


def watched(page):
    """Keep a page's errors in `page.troubles`, and the addresses beyond this machine that it asks in `page.foreign`.

    What the page itself forbids the browser to fetch (a Content-Security-Policy) is not asked for.
    """
    page.troubles, page.foreign = [], []
    page.on("pageerror", lambda error: page.troubles.append(str(error)))
    page.on("console", lambda said: page.troubles.append(said.text) if is_trouble(said) else None)
    page.on("request", lambda asked: None if re.match(HERE, asked.url) else page.foreign.append(asked.url))
    page.on("requestfailed", lambda asked: page.foreign.remove(asked.url) if asked.failure == "csp" else None)
    return page


def is_trouble(said) -> bool:
    """Say whether a line of the console is an error, and not of what the page forbids itself."""
    return said.type == "error" and "Content Security Policy" not in said.text


def leave(page) -> None:
    """Leave what a page shows, which ends the kernel that voila started for it, and close it."""
    if not page.is_closed():
        page.goto("about:blank")
    page.context.close()


@pytest.fixture
def page(browser):
    """A new page, 1280 x 900, that allows the clipboard; `watched`."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened = watched(context.new_page())
    yield opened
    leave(opened)


def visit(page, url: str) -> None:
    """Open a page, and have patience with all that follows."""
    page.set_default_timeout(TOLD)
    page.goto(url, wait_until="commit")


def write(path: Path, *cells: str) -> Path:
    """Write a notebook of these cells."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)
    return path


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """Sixteen clips of four synthetic speakers."""
    root = tmp_path_factory.mktemp("corpus") / "tiny"
    return demo.generate(root, n_speakers=4, emotions=("happy", "sad"), statements=(1,))


@pytest.fixture(scope="session")
def joint_run(corpus):
    """A finished run of a small study: voice and face, joined by their answers."""
    study = small_study.study("voice", "face", "late")
    return running.run(study, corpus, profile="smoke", protocols=["speaker-disjoint"])[-1]


@pytest.fixture
def shot(request) -> Callable:
    """Save a picture of a page as data/screenshots/NAME.png; return its path."""
    folder = PROJECT / "data" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)

    def save(page, name: str, **options) -> Path:
        path = folder / f"{name}.png"
        page.screenshot(path=str(path), **options)
        return path

    return save


def free_port() -> int:
    """Return a port of loopback that nobody uses, below those that the system gives to kernels meanwhile."""
    for port in random.SystemRandom().sample(range(20_000, 32_000), 100):
        with suppress(OSError), socket.socket() as one:
            one.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no port of loopback is free between 20000 and 32000")


def serve(words: list[str], url: str, log: Path, *, folder: Path = PROJECT, seconds: float = 90) -> subprocess.Popen:
    """Start a server in a process group of its own and wait until it answers at `url`."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(PROJECT),
        "JUPYTER_CONFIG_DIR": str(log.parent / "config"),
        "JUPYTER_RUNTIME_DIR": str(log.parent / "runtime"),
        "JUPYTER_DATA_DIR": str(log.parent / "jupyter"),
        "IPYTHONDIR": str(log.parent / "ipython"),
        "OMP_NUM_THREADS": "1",
    }
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=folder,
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"{words[0]} ended with {process.returncode}: {log.read_text()[-2000:]}")
        try:
            requests.get(url, timeout=2)
            return process
        except requests.RequestException:
            time.sleep(0.2)
    stop(process)
    raise RuntimeError(f"{words[0]} did not answer at {url} within {seconds} s: {log.read_text()[-2000:]}")


def stop(process: subprocess.Popen) -> None:
    """End a server and its kernels."""
    if process.poll() is None:
        os.killpg(process.pid, 15)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()


@pytest.fixture(scope="session")
def voila(tmp_path_factory, _isolated) -> Iterator[Callable[[Path], str]]:
    """Serve a notebook, or a folder of them, as a web page; return its address."""
    started = []

    def serve_notebook(notebook: Path) -> str:
        port, folder = free_port(), tmp_path_factory.mktemp("voila")
        url = f"http://127.0.0.1:{port}/"
        words = ["voila", str(notebook), "--no-browser", f"--port={port}", "--Voila.ip=127.0.0.1"]
        # Any answer will do; asking for the page itself would start a kernel each time.
        # Started in the project's folder, as the README says, whose voila.json is read.
        started.append(serve(words, f"{url}voila/static/nothing", folder / "log"))
        return url

    yield serve_notebook
    for process in started:
        stop(process)


@pytest.fixture(scope="session")
def lab(tmp_path_factory, _isolated) -> Iterator[str]:
    """JupyterLab on a copy of the project's notebooks; its address up to the path of a notebook."""
    port, folder = free_port(), tmp_path_factory.mktemp("lab")
    shutil.copytree(PROJECT / "notebooks", folder / "notebooks", ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    settings = folder / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"fetchNews": "false", "checkForUpdates": False}))  # no question over the notebook
    url = f"http://127.0.0.1:{port}/lab"
    words = [
        "jupyterlab",
        "--no-browser",
        f"--port={port}",
        "--ip=127.0.0.1",
        "--allow-root",
        f"--IdentityProvider.token={TOKEN}",
        f"--ServerApp.root_dir={folder / 'notebooks'}",
        f"--LabApp.user_settings_dir={folder / 'settings'}",
    ]
    process = serve(words, url, folder / "log", folder=folder / "notebooks")
    yield f"http://127.0.0.1:{port}/lab/tree/{{}}?token={TOKEN}&reset"
    stop(process)


@pytest.fixture
def open_in_lab(lab, page) -> Iterator[Callable]:
    """Open a notebook in JupyterLab and run all of its cells; its kernel ends with the test."""
    address, headers = lab.split("/lab/")[0], {"Authorization": f"token {TOKEN}"}

    def run(notebook, name: str) -> None:
        content = {"type": "notebook", "content": json.loads(nbformat.writes(notebook))}
        requests.put(f"{address}/api/contents/{name}", json=content, headers=headers, timeout=30).raise_for_status()
        visit(page, lab.format(name))
        page.get_by_text("| Idle").wait_for()  # before, there is no kernel to run in
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_text("Run All Cells", exact=True).click()

    yield run
    page.goto("about:blank")
    for session in requests.get(f"{address}/api/sessions", headers=headers, timeout=30).json():
        requests.delete(f"{address}/api/sessions/{session['id']}", headers=headers, timeout=30)
