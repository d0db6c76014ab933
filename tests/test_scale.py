"""Fanning out: the items' order, flat memory, workers that die, interruptions, and a real Dask cluster."""

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import psutil
import pytest
from waiting import started, until
from worker_functions import complain, exit_at_once, fatal, fatal_once, leisurely, process, slow_first, square
from worker_threads import threads

from workbench import prepare, studies
from workbench.errors import WorkbenchError
from workbench.scale import fan_out
from workbench.scale.cluster import Cluster, connect
from workbench.scale.processes import AHEAD
from workbench.studies import running

ROOT = Path(__file__).parents[1]


def environment(**changes):
    """Return the environment of a process that imports the workbench and the modules of the tests."""
    return os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"} | changes


def test_no_items_start_no_process(monkeypatch):
    monkeypatch.setattr("workbench.scale.processes._CONTEXT.Process.start", lambda _: pytest.fail("a process started"))
    assert list(fan_out(square, [], jobs=8)) == []


def test_a_deadly_item_is_named_and_all_others_arrive_in_order():
    blamed = list(fan_out(partial(fatal, deadly=(4, 9)), range(12), jobs=2, broken=lambda item, why: (item, why)))
    assert [answer for answer in blamed if isinstance(answer, int)] == [n * n for n in range(12) if n not in (4, 9)]
    assert [blamed[4][0], blamed[9][0]] == [4, 9]
    assert "died 2 times" in blamed[4][1]
    assert "SIGKILL" in blamed[4][1]


def test_without_an_answer_for_it_a_deadly_item_is_an_error():
    results = fan_out(exit_at_once, ["clip 7"], jobs=2)
    with pytest.raises(WorkbenchError, match=r"clip 7: .*died 2 times.*exit code 3"):
        next(results)


def test_a_worker_that_dies_once_costs_nothing(tmp_path):
    assert list(fan_out(partial(fatal_once, folder=tmp_path), range(6), jobs=2)) == [n * n for n in range(6)]
    assert len(list(tmp_path.iterdir())) == 2


def test_one_process_works_here():
    assert list(fan_out(process, range(3))) == [os.getpid()] * 3


def test_what_the_function_raises_is_raised_and_says_where():
    results = fan_out(complain, range(6), jobs=2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="item 3 is odd") as caught:
        next(results)
    assert "in complain" in caught.value.__notes__[0]


def test_a_slow_first_item_does_not_let_the_others_pile_up():
    taken = []
    results = fan_out(slow_first, (taken.append(n) or n for n in range(100)), jobs=2)
    assert next(results) == 0
    assert len(taken) == AHEAD * 2
    assert list(results) == list(range(1, 100))


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_call_computes_in_one_thread(jobs):
    before = threads(None)
    assert list(fan_out(threads, range(2), jobs=jobs)) == [{1}, {1}]
    assert threads(None) == before


def test_a_process_that_cannot_start_is_told_as_it_is(monkeypatch):
    def refuse(*_):
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("workbench.scale.processes._CONTEXT.Process.start", refuse)
    with pytest.raises(OSError, match="temporarily unavailable"):
        list(fan_out(abs, [-1], jobs=2))


def test_an_abandoned_fan_out_leaves_no_process():
    results = fan_out(process, range(100), jobs=2)
    workers = {next(results) for _ in range(4)}
    results.close()
    assert not any(psutil.pid_exists(worker) for worker in workers)


SCRIPT = """
import os, sys, time
from pathlib import Path
from workbench.scale import fan_out

def linger(item):
    (Path(sys.argv[1]) / str(os.getpid())).touch()
    time.sleep(3600)

if __name__ == "__main__":
    try:
        list(fan_out(linger, range(9), jobs=2))
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_an_end_from_outside_is_quick_and_leaves_no_orphan(tmp_path, sign):
    """Ctrl-C goes to the whole group of processes, as from a terminal; SIGKILL to the parent alone."""
    (tmp_path / "script.py").write_text(SCRIPT)
    seen = tmp_path / "seen"
    seen.mkdir()
    command = [sys.executable, str(tmp_path / "script.py"), str(seen)]
    listen = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # what runs in the background is born deaf to Ctrl-C
    options = {"env": environment(), "stderr": subprocess.PIPE, "text": True, "preexec_fn": listen}
    with started(command, **options) as parent:
        assert until(lambda: len(list(seen.iterdir())) == 2)
        (os.killpg if sign == signal.SIGINT else os.kill)(parent.pid, sign)
        _, stderr = parent.communicate(timeout=120)
        assert parent.returncode == (130 if sign == signal.SIGINT else -sign)
        assert "Traceback" not in stderr
        assert until(lambda: not any(psutil.pid_exists(int(path.name)) for path in seen.iterdir()))


def test_a_script_that_starts_its_work_unguarded_gets_a_hint(tmp_path):
    (tmp_path / "script.py").write_text("from workbench.scale import fan_out\nlist(fan_out(abs, [1], jobs=2))\n")
    command = [sys.executable, str(tmp_path / "script.py")]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert 'below `if __name__ == "__main__":`' in done.stderr.splitlines()[-1]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A real scheduler and two worker processes on this machine, which are gone when the tests are over."""
    pytest.importorskip("distributed")
    with Dask(tmp_path_factory.mktemp("cluster")) as running_cluster:
        running_cluster.ensure(2)
        yield running_cluster


class Dask:
    """A scheduler that blames the death of a worker on all its items at once, and workers without a nanny.

    A context manager: all processes are gone at its end, also where the scheduler does not come up.
    """

    def __init__(self, folder):
        self.file, self.processes = folder / "scheduler.json", []
        self.data = folder / "data"
        own = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0", "WORKBENCH_DATA": str(self.data)}
        self.environment = environment(**own)

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.stack = stack
            self.scheduler = self.start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
            self.address = until(self.read_address)
            assert self.address, "the scheduler wrote no whole scheduler file"
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self.stack.close()

    def read_address(self):
        """Return the scheduler's address, None as long as its file is not written whole."""
        try:
            return json.loads(self.file.read_text())["address"]
        except (FileNotFoundError, json.JSONDecodeError):
            return None

    def start(self, kind, *options):
        command = [sys.executable, "-m", "dask", kind, "--scheduler-file", str(self.file), *options]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = started(command, env=self.environment, cwd=self.file.parent, **quiet)
        self.processes.append(self.stack.enter_context(process))
        return self.processes[-1]

    def ensure(self, number):
        """Start workers until there are so many."""
        options = ["--no-nanny", "--nthreads", "1", "--no-dashboard", "--local-directory", str(self.file.parent)]
        alive = [process for process in self.processes[1:] if process.poll() is None]
        for _ in range(number - len(alive)):
            self.start("worker", *options)
        with self.client() as client:
            client.wait_for_workers(number, timeout=120)

    def client(self):
        return connect(self.address)


def test_a_cluster_gives_the_same_in_the_same_order_though_a_worker_is_killed(cluster):
    cluster.ensure(2)
    results = fan_out(leisurely, range(24), cluster=cluster.address)
    got = [next(results) for _ in range(3)]
    cluster.processes[-1].kill()
    assert got + list(results) == [n * n for n in range(24)]


def test_a_cluster_prepares_the_same_bytes_though_a_worker_is_killed(cluster, tiny, data_folder, tmp_path, monkeypatch):
    cluster.ensure(2)
    clips = tiny.clips()

    def kill_one_on_the_way(done, **_):
        for number, item in enumerate(done):
            if number == 2:
                cluster.processes[-1].kill()
            yield item

    one, _ = prepare.prepare(tiny, clips)
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path / "other"))
    two, _ = prepare.prepare(tiny, clips, cluster=str(cluster.file), progress=kill_one_on_the_way)
    assert (len(two.index), two.index.equals(one.index)) == (len(clips), True)
    files = [sorted(store.folder.glob("shard-*/*")) for store in (one, two)]
    assert [path.name for path in files[0]] == [path.name for path in files[1]]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(*files, strict=True))


def test_a_cluster_makes_the_runs_of_a_study(cluster, tiny, data_folder, monkeypatch):
    cluster.ensure(1)
    options = {"profile": "smoke", "variants": ["audio_cnn"], "protocols": ["random"]}
    here = running.run(studies.load("thread"), tiny, **options)
    with pytest.raises(WorkbenchError, match=r"a worker made run thread/audio_cnn.* need the same WORKBENCH_DATA"):
        running.run(small_again(), tiny, cluster=cluster.address, **options)
    monkeypatch.setenv("WORKBENCH_DATA", str(cluster.data))
    there = running.run(studies.load("thread"), tiny, cluster=cluster.address, **options)
    for mine, theirs in zip(here, there, strict=True):
        assert theirs.folder != mine.folder
        pd.testing.assert_frame_equal(mine.predictions(), theirs.predictions(), check_exact=True)


def small_again():
    """Return the study `thread` with one epoch, whose runs are others."""
    study = studies.load("thread")
    return dataclasses.replace(study, profiles={"smoke": study.profiles["smoke"] | {"training": {"epochs": 1}}})


def test_a_deadly_item_is_blamed_on_a_cluster_too_and_its_neighbours_are_not(cluster):
    """The deadly item kills one worker as one of several, and one more alone."""
    cluster.ensure(3)
    work, answer = partial(fatal, deadly=(5,)), lambda item, why: (item, why)
    blamed = list(fan_out(work, range(12), cluster=cluster.address, broken=answer))
    assert [value for value in blamed if isinstance(value, int)] == [n * n for n in range(12) if n != 5]
    assert blamed[5][0] == 5
    assert "died at each of 1 tries" in blamed[5][1]


def test_what_the_function_raises_on_a_cluster_is_raised(cluster):
    cluster.ensure(1)
    with pytest.raises(ValueError, match="item 3 is odd"):
        list(fan_out(complain, range(6), cluster=cluster.address))


def test_another_workbench_on_the_workers_is_refused(cluster, monkeypatch):
    cluster.ensure(1)
    monkeypatch.setattr("workbench.__version__", "99.0")
    with pytest.raises(WorkbenchError, match=r"has workbench \S+, expected 99.0: install the same"):
        list(fan_out(square, [1], cluster=cluster.address))


def test_a_cluster_that_is_not_there_is_named(monkeypatch, tmp_path):
    pytest.importorskip("distributed")
    monkeypatch.setattr("workbench.scale.cluster.TIMEOUT", 1)
    missing = str(tmp_path / "none.json")
    for address, word in {
        "tcp://127.0.0.1:9": "127.0.0.1:9",
        missing: "no such scheduler file",
        "huhu": "huhu",
    }.items():
        with pytest.raises(WorkbenchError, match="cannot reach the Dask cluster") as caught:
            list(fan_out(square, [1], cluster=address))
        assert word in str(caught.value)
        assert "within 1 s" in str(caught.value)


def test_a_scheduler_file_that_is_not_whole_yet_is_waited_for(cluster, tmp_path, monkeypatch):
    """Dask writes it in place; here the rest comes only after the first half has been read."""
    cluster.ensure(1)
    whole, file, was_read = cluster.file.read_text(), tmp_path / "scheduler.json", threading.Event()
    clock = SimpleNamespace(monotonic=time.monotonic, sleep=lambda _: was_read.set() or time.sleep(0.01))
    monkeypatch.setattr("workbench.scale.cluster.time", clock)

    def write_the_rest():
        if was_read.wait(120):
            file.write_text(whole)

    file.write_text(whole[: len(whole) // 2])
    writer = threading.Thread(target=write_the_rest)
    writer.start()
    try:
        assert list(fan_out(square, range(3), cluster=str(file))) == [0, 1, 4]
    finally:
        was_read.set()
        writer.join()


@pytest.mark.parametrize("text", ["", '{"type": "Scheduler", "addr', "{}", "[]"])
def test_a_scheduler_file_that_stays_incomplete_is_named(text, tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("workbench.scale.cluster.TIMEOUT", 0.2)
    file = tmp_path / "scheduler.json"
    file.write_text(text)
    with pytest.raises(WorkbenchError, match=r"scheduler.json: the scheduler file is incomplete or holds no address"):
        list(fan_out(square, [1], cluster=str(file)))


def test_a_client_whose_event_loop_starts_late_is_tried_again(cluster, monkeypatch):
    """distributed asserts that it starts within 10 s; a busy machine may need longer."""
    import distributed

    cluster.ensure(1)
    client, tries = distributed.Client, []

    def late(*words, **options):
        tries.append(words)
        if len(tries) == 1:
            raise AssertionError
        return client(*words, **options)

    monkeypatch.setattr(distributed, "Client", late)
    assert list(fan_out(square, range(3), cluster=cluster.address)) == [0, 1, 4]
    assert len(tries) == 2


def test_a_scheduler_without_the_workbench_is_told_what_to_install():
    """What Dask answers then, without the half minute that starting one takes."""
    pytest.importorskip("distributed")
    answer = RuntimeError("\nError during deserialization of the task graph. This frequently\noccurs if ...")
    future = type("Future", (), {"exception": lambda _: answer})()
    with pytest.raises(WorkbenchError, match=r"tcp://there:1 cannot import the workbench: install"):
        Cluster(abs, "tcp://there:1")._wait(future)


def test_without_distributed_the_command_to_install_it_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(WorkbenchError, match=r"pip install 'workbench\[cluster\]'"):
        list(fan_out(square, [1], cluster="tcp://127.0.0.1:9"))


def test_a_scheduler_that_is_lost_on_the_way_is_named(tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("workbench.scale.cluster.TIMEOUT", 5)
    with Dask(tmp_path) as dask:
        dask.ensure(1)
        results = fan_out(leisurely, range(100), cluster=dask.address)
        assert next(results) == 0
        dask.scheduler.kill()
        with pytest.raises(WorkbenchError, match=f"lost the Dask scheduler at {dask.address}"):
            list(results)
