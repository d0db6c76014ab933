"""Processes that tests have started and not ended."""

import os

import psutil

TRACKER, FORK_SERVER = "multiprocessing.resource_tracker", "multiprocessing.forkserver"


def children(home):
    """Return the processes that this one has started, also through others; they have inherited `home` as HOME."""
    mine = {process.pid for process in psutil.Process().children(recursive=True)}
    return [process for process in psutil.process_iter() if _is_left(process, mine, str(home))]


def _is_left(process, mine, home):
    try:
        if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
            return False
        command = " ".join(process.cmdline())
        if TRACKER in command or (FORK_SERVER in command and process.ppid() == os.getpid()):
            return False  # Python's own helpers end with this process; but not what a fork server has forked
        return process.pid in mine or process.environ().get("HOME") == home
    except psutil.Error:  # it has just ended, or is another user's
        return False


def end(home, patience=30):
    """Wait for the processes to end by themselves, kill the rest; return what they were, in words."""
    _, left = psutil.wait_procs(children(home), timeout=patience)
    names = []
    for process in left:
        try:
            names.append(f"process {process.pid}: {' '.join(process.cmdline())[:200]}")
            process.kill()
        except psutil.NoSuchProcess:
            pass
    return names
