"""Who makes a study's runs just now, and what becomes of it: files beside the runs, for whoever looks or asks.

``data/runs/<study>/process-<host>-<pid>.json`` says of a process on what it makes the study, which runs, since when,
and how it ended; its time is renewed as long as the process lives. ``request`` asks all of them to pause or to stop
(`training.requests`); ``log.txt`` is what one that was started in the background (`start`) has printed.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from workbench import paths
from workbench.errors import Stopped, WorkbenchError
from workbench.training import Requests

COMMAND = ("-m", "workbench", "study", "run")
LIVE = ("running", "pausing", "paused", "stopping")
BEAT = 10.0  # seconds after which a process says again that it is there
SILENT = 120.0  # seconds without a word after which one on another machine is taken for dead


def folder(study: str) -> Path:
    """Return the folder of a study's runs."""
    return paths.runs() / study


@contextmanager
def announced(study: str, **about) -> Iterator[Callable]:
    """Say in the study's folder that this process makes its runs; at the end, how that ended.

    What was asked for before is forgotten; what was asked of a process since its `start` holds. The context is a
    function ``note(**about)`` that adds to what is said; None takes something back.

    Parameters
    ----------
    about
        `corpus`, `root`, `size`, and whatever else JSON can hold.
    """
    path = _path(study, os.getpid())
    path.parent.mkdir(parents=True, exist_ok=True)
    for other in every(study):
        if other["state"] not in LIVE:
            _path(study, other["pid"], other["host"]).unlink(missing_ok=True)
    if not any(other["state"] in LIVE for other in every(study)):  # itself among them, if `start` has spoken for it
        _forget_requests(study)
    said = _process(os.getpid()) | about

    def note(**more) -> None:
        said.update(more)
        _write(path, {name: value for name, value in said.items() if value is not None})

    note(state="running")
    try:
        with _beating(path):
            yield note
    except BaseException as error:
        state = "stopped" if isinstance(error, Stopped | KeyboardInterrupt | GeneratorExit) else "failed"
        note(state=state, reason="" if state == "stopped" else str(error) or repr(error), ended=time.time())
        raise
    note(state="finished", ended=time.time())


def every(study: str) -> list[dict]:
    """Return what is known of each process that makes, or made, a study's runs; the latest is the last.

    `pid, host, began` (seconds since 1970), `command`, `state` (`running`, `pausing`, `paused`, `stopping`; `finished`,
    `stopped`, `failed` with its `reason`, `killed`), and what it said about itself: `corpus, root, size, runs`...
    """
    known = [one for path in folder(study).glob("process-*.json") if (one := _read(path))]
    requests = Requests(folder(study))
    for one in known:
        if one["state"] == "running":
            if (reason := _death(study, one)) is not None:
                one |= {"state": "killed", "reason": reason}
            elif asked := requests.asked():
                waiting = {"pause": "pausing", "stop": "stopping"}[asked]
                one["state"] = "paused" if requests.held and waiting == "pausing" else waiting
    return sorted(known, key=lambda one: one["began"])


def latest(study: str) -> dict | None:
    """Return what is known of the process that makes the study's runs or, without one, of the last that did."""
    known = every(study)
    return next((one for one in reversed(known) if one["state"] in LIVE), known[-1] if known else None)


def known() -> list[str]:
    """Return the studies of which a process is or was known, the latest first."""
    files = paths.runs().glob("*/process-*.json")
    newest = {path.parent.name: _changed(path) for path in sorted(files, key=_changed)}
    return sorted(newest, key=newest.get, reverse=True)


def ask(study: str, way: str | None) -> None:
    """Ask whoever makes the study's runs to `pause` or to `stop`; with None, to go on after a pause.

    Raises
    ------
    WorkbenchError
        If nobody does.
    """
    if not any(one["state"] in LIVE for one in every(study)):
        raise WorkbenchError(f"study {study!r}: nobody makes its runs; `study run {study}` would")
    requests = Requests(folder(study))
    requests.ask(way) if way else requests.withdraw()


def command(study: str | Path, *, corpus: str, root: str | Path | None = None, **options) -> list[str]:
    """Return the words that make a study's runs, after Python's own: ``-m workbench study run ...``.

    `options` are those of the command line: ``profile="full", jobs=2, variants=["voice"], tensorboard=True``.
    """
    words = [*COMMAND, str(study), "--corpus", corpus, *(["--root", str(root)] if root else [])]
    for name, value in options.items():
        if value is True:
            words.append(f"--{name}")
        elif value not in (None, False):
            words += [f"--{name}", ",".join(value) if isinstance(value, list | tuple) else str(value)]
    return words


def start(study: str, words: Sequence[str], **about) -> subprocess.Popen:
    """Start a process of its own that makes a study's runs, whatever becomes of this one; `words` are `command`'s.

    It runs in the project's folder, from where the paths in `words` go. `about` is what is said of it until it speaks
    for itself (`announced`).

    Raises
    ------
    WorkbenchError
        If somebody makes them already.
    """
    if any(one["state"] in LIVE for one in every(study)):
        raise WorkbenchError(f"study {study!r}: its runs are being made already")
    folder(study).mkdir(parents=True, exist_ok=True)
    _forget_requests(study)
    environment = os.environ | {"WORKBENCH_DATA": str(paths.data().resolve()), "PYTHONUNBUFFERED": "1"}
    with open(folder(study) / "log.txt", "w") as log:
        process = subprocess.Popen(
            [sys.executable, *words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=paths.project(),
            start_new_session=True,
        )
    said = _process(process.pid) | {"command": [sys.executable, *words], "state": "running"} | about
    _write(_path(study, process.pid), said)  # until it announces itself, which takes some seconds
    return process


def kill(study: str) -> None:
    """End at once what `start` has started, and its workers; what lies behind the last checkpoint is made again."""
    for one in every(study):
        if one["state"] in LIVE and one["host"] == socket.gethostname() and tuple(one["command"][1:5]) == COMMAND:
            process = psutil.Process(one["pid"])
            for other in [*process.children(recursive=True), process]:
                other.kill()


def _process(pid: int) -> dict:
    """Return what tells a process from others; its number may be another's one day."""
    words = [sys.executable, *COMMAND[:2], *sys.argv[1:]] if Path(sys.argv[0]).parent.name == "workbench" else sys.argv
    born = psutil.Process(pid).create_time()
    return {"pid": pid, "host": socket.gethostname(), "born": born, "began": time.time(), "command": words}


@contextmanager
def _beating(path: Path) -> Iterator[None]:
    """Renew a file's time every few seconds, for those who cannot see whether this process is there."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(BEAT):
            with suppress(OSError):  # the folder was cleared away, or cannot be reached for a while
                os.utime(path)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _forget_requests(study: str) -> None:
    Requests(folder(study)).withdraw()
    for held in folder(study).glob("held-*"):
        held.unlink(missing_ok=True)


def _death(study: str, one: dict) -> str | None:
    """Return how a process has ended that did not say so itself, '' where that is not known; None while it lives."""
    if one["host"] != socket.gethostname():
        silence = time.time() - _changed(_path(study, one["pid"], one["host"]))
        return f"{one['host']} has not been heard of for {silence / 60:.0f} min" if silence > SILENT else None
    try:
        process = psutil.Process(one["pid"])
        alive = process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - one["born"]) < 1
    except psutil.NoSuchProcess:
        alive = False
    return None if alive else _last_words(study)


def _last_words(study: str) -> str:
    """Return the error that stands last in the log, '' without one."""
    path = folder(study) / "log.txt"
    lines = path.read_text(errors="replace").strip().splitlines() if path.exists() else []
    said: Iterable[str] = [re.sub(r"\x1b\[[0-9;]*m", "", line).strip() for line in lines]
    return next((line for line in reversed(list(said)) if line.startswith("error")), "")


def _path(study: str, pid: int, host: str | None = None) -> Path:
    return folder(study) / f"process-{host or socket.gethostname()}-{pid}.json"


def _read(path: Path) -> dict | None:
    """Return what a file of `announced` or `start` holds; None if another process has just removed it."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None


def _changed(path: Path) -> float:
    """Return when a file was last changed, seconds since 1970; 0 if another process has just removed it."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _write(path: Path, said: dict) -> None:
    part = path.with_suffix(f".{os.getpid()}.part")  # `start` and the process that it starts write one file
    part.write_text(json.dumps(said, indent=1, default=str))
    os.replace(part, path)
