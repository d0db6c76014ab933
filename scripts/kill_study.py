"""Kill a study at random moments, give the command again each time; compare what it ends with to an undisturbed one.

A study that ends before its kill is compared, and the next begins from nothing, until all kills have been given.

    python scripts/kill_study.py thread --corpus demo --profile smoke --kills 5
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from workbench import paths

SORTED = ["variant", "protocol", "seed", "fold", "usage", "clip"]


def start(words: list[str], data: Path) -> subprocess.Popen:
    """Start `python -m workbench study run ...` with a data folder of its own, as a group of processes."""
    environment = os.environ | {"WORKBENCH_DATA": str(data)}
    command = [sys.executable, "-m", "workbench", "study", "run", *words, "--json"]
    return subprocess.Popen(command, env=environment, start_new_session=True, stdout=subprocess.DEVNULL)


def killed(process: subprocess.Popen, delay: float | None = None) -> bool:
    """Wait for a group of processes, `delay` s at most; tell whether it had to be killed.

    It is killed also if the wait is interrupted.
    """
    try:
        process.wait(delay)
        return False
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if isinstance(error, subprocess.TimeoutExpired):
            return True
        raise


def failed(words: list[str], data: Path) -> bool:
    """Run a study to its end; tell whether it failed."""
    process = start(words, data)
    killed(process)
    return process.returncode != 0


def predictions(data: Path) -> pd.DataFrame:
    """Return the predictions of all finished runs in a data folder, in one order."""
    files = sorted(path.with_name("predictions.parquet") for path in (data / "runs").glob("*/*/*/done"))
    return pd.concat(map(pd.read_parquet, files)).sort_values(SORTED, ignore_index=True)


def trial(words: list[str], out: Path, *, kills: int, seed: int = 0) -> dict:
    """Kill studies `kills` times; return the report.

    Returns
    -------
    report : dict
        `kills`, `seconds` (of the undisturbed study), `finished` (runs there after each kill), `compared` (how many
        studies came to an end), `rows` of the predictions table, `identical`.
    """
    rng, began = np.random.default_rng(seed), time.monotonic()
    if failed(words, out / "whole"):
        sys.exit("the undisturbed study failed; its error stands above")
    usual, whole = time.monotonic() - began, predictions(out / "whole")
    finished, compared, identical = [], 0, True
    while len(finished) < kills:
        data = out / f"killed-{compared}"
        while len(finished) < kills and killed(start(words, data), rng.uniform(0.2, 1) * usual):
            finished.append(len(list(data.glob("runs/*/*/*/done"))))
        if failed(words, data):
            sys.exit(f"after kills, with {finished} runs finished, the study failed; its error stands above")
        identical &= predictions(data).equals(whole)
        compared += 1
    report = {"kills": len(finished), "seconds": round(usual, 1), "finished": finished}
    return report | {"compared": compared, "rows": len(whole), "identical": identical}


def main() -> None:
    """Run the trial and print its report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study")
    parser.add_argument("--corpus", default="demo")
    parser.add_argument("--root", type=Path, help="folder of the recordings [default: data/raw/CORPUS]")
    parser.add_argument("--profile", default="smoke")
    parser.add_argument("--variants", help="names, with commas between")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    root = (given.root or paths.raw(given.corpus)).resolve()
    words = [given.study, "--corpus", given.corpus, "--root", str(root), "--profile", given.profile]
    words += ["--jobs", str(given.jobs), *(["--variants", given.variants] if given.variants else [])]
    with tempfile.TemporaryDirectory() as scratch:
        report = trial(words, Path(scratch), kills=given.kills, seed=given.seed)
    print(json.dumps(report))
    sys.exit(not report["identical"])


if __name__ == "__main__":
    main()
