"""Kill a preparation at random moments, resume it each time, and compare what it ends with to an undisturbed one.

Half of the kills (SIGKILL) fall at any moment, half while something is being written. A preparation that ends before
its kill is compared, and the next begins from nothing, until all kills have been given.

    python scripts/kill_prepare.py ../shared/data/cremad/VideoFlash/*.flv --kills 20
"""

from __future__ import annotations

import argparse
import json
import os

os.environ["OMP_NUM_THREADS"] = "1"  # the children are forked, and must not inherit half a team of threads

import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

import numpy as np
import pandas as pd

from workbench import datasets, prepare
from workbench.recipes import Recipe
from workbench.store import Store

RECIPE = Recipe(n_frames=6, size=32, n_mfcc=13)


def table(files: list[Path], out: Path, n: int) -> pd.DataFrame:
    """Return the clip table of n links to the files in turn, one in ten of them to a file that is no recording."""
    out.mkdir(parents=True)
    (out / "text").write_text("not a recording")
    rows = []
    for number in range(n):
        source = out / "text" if number % 10 == 9 else files[number % len(files)].resolve()
        path = out / f"{number:04d}{source.suffix}"
        path.symlink_to(source)
        rows.append({"clip": path.stem, "path": str(path), "audio_path": str(path)})
    return pd.DataFrame(rows)


def child(folder: Path, clips: pd.DataFrame, jobs: int) -> int:
    """Prepare in a forked process; return its id."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            prepare.fill(Store(folder), clips, RECIPE, jobs=jobs)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return pid


def kill_later(pid: int, folder: Path, delay: float, *, at_a_write: bool) -> bool:
    """Kill a process after `delay` s, and if wanted at its next write after that; tell whether it was still there."""
    due = time.monotonic() + delay
    while time.monotonic() < due or (at_a_write and not any(folder.glob("*.part"))):
        if os.waitpid(pid, os.WNOHANG)[0]:
            return False
        time.sleep(0.0005)
    os.kill(pid, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])


def finish(folder: Path, clips: pd.DataFrame) -> Store:
    """Prepare undisturbed, in a process as the others; return the store."""
    _, status = os.waitpid(child(folder, clips, 1), 0)
    if status:
        sys.exit(f"{folder}: the undisturbed preparation ended with status {os.waitstatus_to_exitcode(status)}")
    return Store(folder)


def differences(one: Store, two: Store) -> list[str]:
    """Return where two stores differ: clips, index rows (but for their shard), arrays, quarantine; leftovers too."""
    found = []
    a, b = (store.index.drop(columns="shard").sort_index() for store in (one, two))
    values = [column for column in a if not column.endswith("_start") or column == "speech_start"]
    if not a[values].equals(b.reindex(columns=values)):
        found.append("index")
    if not one.quarantine.equals(two.quarantine):
        found.append("quarantine")
    for clip in a.index.intersection(b.index):
        for name in ("frames", "mfcc", "waveform"):
            have = [store.lengths(name, [clip])[0] > 0 for store in (one, two)]
            if any(have) and not (all(have) and np.array_equal(one.array(name, clip), two.array(name, clip))):
                found.append(f"{name} of {clip}")
    clips = [pd.read_parquet(path)["clip"] for path in two.folder.glob("shard-*/index.parquet")]
    found += [f"{clip} twice" for clip in pd.concat(clips).loc[lambda names: names.duplicated()]]
    return found + [f"left over: {path.name}" for path in two.folder.glob("*.part")]


def trial(clips: pd.DataFrame, out: Path, *, kills: int, seed: int = 0, jobs: int = 1) -> dict:
    """Kill preparations `kills` times; return the report.

    Returns
    -------
    report : dict
        `clips`, `kills`, `kills_while_writing` (a half-written file was there), `survived` (clips in the store after
        each kill), `compared` (how many preparations came to an end), `differences`, `identical`.
    """
    rng = np.random.default_rng(seed)
    prepare.fill(Store(out / "warm"), clips.head(10), RECIPE)  # load what is loaded on first use, once for all children
    began = time.monotonic()
    whole = finish(out / "whole", clips)
    usual, given, writing, survived, compared, found = time.monotonic() - began, 0, 0, [], 0, []
    usual += 3 * (jobs > 1)  # processes take some seconds to start
    while given < kills:
        folder, alive = out / f"killed-{compared}", False
        Store(folder)
        while given < kills:
            pid = child(folder, clips, jobs)
            alive = kill_later(pid, folder, rng.uniform(0, 0.7 * usual), at_a_write=bool(rng.integers(2)))
            if not alive:
                break
            given += 1
            writing += any(folder.glob("*.part"))
            survived.append(len(Store(folder).index))
        found += differences(whole, finish(folder, clips))
        compared += 1
    report = {"clips": len(clips), "kills": given, "kills_while_writing": writing, "survived": survived}
    return report | {"compared": compared, "differences": found, "identical": not found}


def main() -> None:
    """Run the trial and print its report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help="recordings")
    parser.add_argument("--corpus", default="demo", help="whose recordings to take where none are named")
    parser.add_argument("--clips", type=int, default=80, help="links to make to them (a shard holds 32 clips)")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args()
    files = given.files or [Path(path) for path in datasets.corpus(given.corpus, None).clips()["path"][:12]]
    with tempfile.TemporaryDirectory() as scratch:
        clips = table(files, Path(scratch) / "files", given.clips)
        report = trial(clips, Path(scratch), kills=given.kills, seed=given.seed, jobs=given.jobs)
    print(json.dumps(report) if given.json else pd.Series(report).to_string())
    sys.exit(not report["identical"])


if __name__ == "__main__":
    main()
