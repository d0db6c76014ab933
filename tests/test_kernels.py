"""Notebooks at the same time: which waits for which, and the kernels that they run in."""

import os
import signal
import subprocess
import sys
import threading
from itertools import pairwise

import nbformat
import papermill
import psutil
import pytest
from waiting import until

from workbench import kernels, notebooks, paths

CELLS = (
    "import os, sys\nstarted_with = {'torch', 'workbench.studies.running'} <= set(sys.modules)\n"
    "print(started_with, os.getcwd(), os.environ['WORKBENCH_DATA'])",
    "from matplotlib.figure import Figure\nfigure = Figure()\nfigure.subplots().plot([1, 2])\nfigure",
    "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nfigure",
    "import plotly.io\nfrom ipywidgets import IntSlider\nprint(plotly.io.renderers.default)\nIntSlider(3)",
    "from workbench import scale\nprint(list(scale.fan_out(abs, [-1, -2], jobs=2)))",
)


def notebook(path, *cells):
    """Write a notebook of these cells."""
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(made, path)
    return path


def executed(path, tmp_path, **options):
    """Return the text and the media types of what each cell of a notebook leaves."""
    papermill.execute_notebook(str(path), str(tmp_path / "out.ipynb"), progress_bar=False, **options)
    cells = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells
    return [[(output.get("text"), sorted(output.get("data", {}))) for output in cell.outputs] for cell in cells]


@pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux only")
def test_a_forked_kernel_does_as_a_new_one_and_has_torch_at_once(tmp_path, data_folder):
    path, started = notebook(tmp_path / "cells.ipynb", *CELLS), kernels.Started()
    forked = executed(path, tmp_path, kernel_manager_class=kernels.manager(started))
    plain = executed(path, tmp_path)
    assert forked[0][0][0] == f"True {os.getcwd()} {data_folder}\n"  # as this process has it now
    assert plain[0][0][0] == f"False {os.getcwd()} {data_folder}\n"
    assert "image/png" in forked[2][-1][1]  # as soon as pyplot is imported
    assert forked[4][0][0] == "[1, 2]\n"
    assert forked[1:] == plain[1:]
    (process,) = started.processes
    assert process.poll() == 0


def job(name, study=None, unchanged=False):
    path = paths.project() / f"{name}.ipynb"
    return notebooks.Job(path, path, {}, study, "key", unchanged)


def test_notebooks_of_one_study_run_in_order_and_the_figures_last(monkeypatch):
    """31 waits for 20, 40 and 50 for 31, 90 for all; meanwhile the others run, two at the same time."""
    jobs = [job("10_corpora"), job("20_preprocessing"), job("30_audio_models", "audio_models")]
    jobs += [job(name, "thread") for name in ("31_video_models", "40_fusion_comparison", "50_feature_space")]
    jobs += [job("80_live", "light"), job("90_figures", "thread")]
    both, events, lock = threading.Barrier(2, timeout=60), [], threading.Lock()

    def execute(one, started):
        with lock:
            events.append(("begin", one.path.stem))
        if one.path.stem in ("10_corpora", "20_preprocessing"):
            both.wait()  # for ever, if one ran after the other
        with lock:
            events.append(("end", one.path.stem))

    monkeypatch.setattr(notebooks, "_execute", execute)
    rows = list(notebooks._in_turn(jobs, 2))
    assert sorted(row["notebook"] for row in rows) == [one.path.stem for one in jobs]
    at = {event: number for number, event in enumerate(events)}
    chain = ["20_preprocessing", "31_video_models", "40_fusion_comparison", "50_feature_space"]
    for earlier, later in pairwise(chain):
        assert at["end", earlier] < at["begin", later]
    assert at["begin", "90_figures"] == len(events) - 2
    running = 0
    for what, _ in events:
        running += 1 if what == "begin" else -1
        assert running <= 2


def test_one_at_a_time_runs_in_order(monkeypatch):
    jobs = [job("00_start_here", "start"), job("10_corpora"), job("80_live", "light"), job("90_figures", "thread")]
    monkeypatch.setattr(notebooks, "_execute", lambda one, started: None)
    assert [row["notebook"] for row in notebooks._in_turn(jobs, 1)] == [one.path.stem for one in jobs]


def test_an_interrupt_ends_the_kernels(tmp_path, data_folder):
    """Ctrl-C goes to the whole group of processes, as from a terminal."""
    waits = notebook(tmp_path / "waits.ipynb", f"open({str(tmp_path / 'there')!r}, 'w').close()", "while True: pass")
    code = f"""
from pathlib import Path
from workbench import notebooks
if __name__ == "__main__":
    list(notebooks.run([Path({str(waits)!r})], profile="smoke"))
"""
    (tmp_path / "script.py").write_text(code)

    def listen():  # what runs in the background does not hear Ctrl-C
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    environment = os.environ | {"PYTHONPATH": str(paths.project())}
    options = {"env": environment, "stderr": subprocess.PIPE, "start_new_session": True, "preexec_fn": listen}
    with subprocess.Popen([sys.executable, str(tmp_path / "script.py")], **options) as process:
        try:
            assert until((tmp_path / "there").exists)
            family = psutil.Process(process.pid).children(recursive=True)
            os.killpg(process.pid, signal.SIGINT)
            _, problems = process.communicate(timeout=120)
        finally:
            process.kill()
    assert b"KeyboardInterrupt" in problems
    assert until(lambda: not any(one.is_running() and one.status() != "zombie" for one in family))
