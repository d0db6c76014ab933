"""Measure what users wait for at two commits, in turn, and print the table of both with their ratios.

Each commit is cloned and installed into a folder of its own. Every measurement is written to `results.json` when it
ends: the same command with the same --folder goes on where it was stopped. Output of the commands is in `logs/`.
Rows that need a finished demo run `make demo` first. CPU time is that of a command and all its processes that it
waited for. Memory is the largest sum of resident memory of a command and its processes, sampled 5 times a second.
Packages should be in pip's cache before `install` is measured: a first installation downloads them.

    python benchmarks/waiting.py 41464ee HEAD
    python benchmarks/waiting.py 41464ee HEAD --rows import,help,predict --repeat 5 --folder /tmp/waiting
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
PYTHON = ".venv/bin/python"
FOREIGN = ("PYTHONPATH", "VIRTUAL_ENV", "WORKBENCH_DATA", "WORKBENCH_FIGURES", "MAKEFLAGS", "MAKELEVEL")
UNITS = {"wall": "s", "cpu": "CPU s", "memory": "MB", "size": "MB on disk"}
STAGE = """
import sys
from pathlib import Path
from workbench.interact.timeline import stage
clips = sorted(Path("data/raw/demo").glob("Actor_*/01-*.mp4"))
stage([clips[::7][:40]], sys.argv[1], seconds=600)
"""


@dataclass(frozen=True)
class Row:
    """One row of the table: a shell command, run in each clone in turn.

    `prepare` runs before, unmeasured; `aims` are the ratios to reach, by measure.
    """

    command: str
    aims: dict[str, float]
    short: bool = False
    needs_demo: bool = False
    prepare: str = ""


ROWS = {
    "install": Row("make setup", {"wall": 0.7, "size": 0.7}, prepare="rm -rf .venv"),
    "import": Row(f"{PYTHON} -c 'import workbench'", {"wall": 1.0}, short=True),
    "help": Row(f"{PYTHON} -m workbench --help", {"wall": 1.0}, short=True),
    "demo": Row("make demo", {"wall": 0.45}, prepare="git clean -fdxq data figures"),
    "predict": Row(
        f'{PYTHON} -m workbench predict "$CLIP" --run thread/late_lr', {"wall": 0.6}, short=True, needs_demo=True
    ),
    "figures": Row(
        f"{PYTHON} -m workbench figures",
        {"wall": 0.4},
        short=True,
        needs_demo=True,
        prepare="git clean -fdxq figures",
    ),
    "timeline": Row(
        f'{PYTHON} -m workbench timeline "$FILM" --run thread/late_lr --out report/report.html',
        {"memory": 0.6},
        short=True,
        needs_demo=True,
        prepare="rm -rf report",
    ),
    "test": Row("make test", {"wall": 0.5}),
    "browser": Row(
        "make test-browser", {"wall": 0.6}, prepare=f"make chromium && {PYTHON} -m pip install -e '.[browser]'"
    ),
}


class Bench:
    """The clones of two commits, and what was measured in them."""

    def __init__(self, commits: list[str], folder: Path) -> None:
        self.folder = folder
        self.commits = [_git("rev-parse", "--short", commit) for commit in commits]
        self.path = folder / "results.json"
        self.results = json.loads(self.path.read_text()) if self.path.exists() else []
        (folder / "logs").mkdir(parents=True, exist_ok=True)
        for commit in self.commits:
            if not self.clone(commit).exists():
                _git("clone", "-q", "--no-checkout", str(ROOT), str(self.clone(commit)))
                _git("-C", str(self.clone(commit)), "checkout", "-q", commit)

    def clone(self, commit: str) -> Path:
        return self.folder / commit

    def measured(self, name: str, commit: str) -> list[dict]:
        return [result for result in self.results if (result["row"], result["commit"]) == (name, commit)]

    def measure(self, name: str, rounds: int) -> None:
        """Run a row in each clone in turn, until each has been run `rounds` times."""
        for round_ in range(rounds):
            for commit in self.commits:
                if len(self.measured(name, commit)) <= round_:
                    self._once(name, commit)

    def _once(self, name: str, commit: str) -> None:
        row, clone = ROWS[name], self.clone(commit)
        self._ready(name, commit)
        left = _untracked(clone) if name == "figures" else set()
        if row.prepare:
            self._prepare(row.prepare, commit, f"{name}-prepare")
        number = len(self.measured(name, commit)) + 1
        result = {"row": name, "commit": commit, **self._run(row.command, commit, f"{name}-{number}")}
        if name == "install":
            result["size"] = sum(path.lstat().st_blocks for path in (clone / ".venv").rglob("*")) * 512 / 1e6
        if name == "figures":
            left |= set().union(*(earlier.get("left", ()) for earlier in self.measured(name, commit)))
            lost = sorted(left - _untracked(clone))
            result |= {"left": sorted(left), "note": f"{len(lost)} of {len(left)} files lost: {', '.join(lost)}"}
        self.results.append(result)
        self.path.write_text(json.dumps(self.results, indent=1))
        print(f"{name} {commit}: {result['wall']:.2f} s, exit status {result['code']}", flush=True)

    def _ready(self, name: str, commit: str) -> None:
        """Do what must be done before a row, where it has not been done: installation, demo, film."""
        clone = self.clone(commit)
        if name != "install" and not (clone / ".venv/.installed").exists():
            self._prepare("make setup", commit, "setup")
        if name in ("test", "browser") and re.search(r"^tools:", (clone / "Makefile").read_text(), re.MULTILINE):
            self._prepare("make tools", commit, "tools")
        if ROWS[name].needs_demo and not (clone / "data/runs").exists():
            self._prepare("make demo", commit, "demo")
        if name == "timeline" and not self._film().exists():
            self._prepare(f"{PYTHON} -c '{STAGE}' \"$FILM\"", commit, "film")

    def _prepare(self, command: str, commit: str, log: str) -> None:
        """Run what a row needs, unmeasured; without it the row means nothing."""
        if self._run(command, commit, log)["code"]:
            raise SystemExit(f"{command} failed at {commit}: see {self.folder / 'logs'}/{log}-{commit}.log")

    def _film(self) -> Path:
        return self.folder / "film.mp4"

    def _run(self, command: str, commit: str, log: str) -> dict:
        """Run a command in a clone; return wall and CPU seconds, MB, its exit status, and what pytest counted."""
        clone = self.clone(commit)
        clip = min((clone / "data/raw/demo").glob("Actor_*/01-*.mp4"), default="")
        env = {name: value for name, value in os.environ.items() if name not in FOREIGN}
        env |= {"CLIP": str(clip), "FILM": str(self._film())}
        path = self.folder / "logs" / f"{log}-{commit}.log"
        begun = time.perf_counter()
        with path.open("wb") as out:
            process = subprocess.Popen(command, shell=True, cwd=clone, env=env, stdout=out, stderr=subprocess.STDOUT)
            found = _wait(process)
        wall = time.perf_counter() - begun
        counts = re.findall(r"\b\d+ (?:passed|failed|errors?|skipped)\b", path.read_text(errors="replace"))
        note = ", ".join(dict.fromkeys(counts[-4:]))
        return {"wall": wall, **found, "note": note}

    def table(self, names: list[str]) -> str:
        """Return the table of both commits as Markdown: medians, their ratio, the aim."""
        lines = [f"| row | measure | {' | '.join(self.commits)} | ratio | aim |", "|---|---|---|---|---|---|"]
        notes = []
        for name in names:
            lines += [self._line(name, measure) for measure in UNITS if measure != "size" or name == "install"]
            for commit in self.commits:
                found = self.measured(name, commit)
                notes += [f"* {name} {commit}: {found[-1]['note']}" for _ in found[-1:] if found[-1]["note"]]
        return "\n".join([*lines, "", *notes])

    def _line(self, name: str, measure: str) -> str:
        values, cells = [], []
        for commit in self.commits:
            found = self.measured(name, commit)
            failed = [result["code"] for result in found if result["code"]]
            value = statistics.median(result[measure] for result in found) if found else float("nan")
            values.append(value)
            digits = 2 if value < 10 else 0
            cells.append(f"{value:.{digits}f}" + (f" (failed: exit status {failed[0]})" if failed else ""))
        ratio = values[1] / values[0] if values[0] else float("nan")
        aim = ROWS[name].aims.get(measure, "")
        return f"| {name} | {UNITS[measure]} | {' | '.join(cells)} | {ratio:.2f} | {aim} |"


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE)
    return done.stdout.strip()


def _untracked(clone: Path) -> set[str]:
    """Return the files in figures/ that git does not track: those that the workbench has drawn."""
    return set(_git("-C", str(clone), "ls-files", "--others", "figures").splitlines())


def _wait(process: subprocess.Popen) -> dict:
    """Wait for a process; return CPU seconds, MB and exit status."""
    peaks = [0]
    sampler = threading.Thread(target=_sample, args=(process.pid, peaks), daemon=True)
    sampler.start()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    memory = max(*peaks, usage.ru_maxrss * 1024) / 1e6
    return {"cpu": usage.ru_utime + usage.ru_stime, "memory": memory, "code": process.returncode}


def _sample(pid: int, peaks: list[int]) -> None:
    """Append the resident memory of a process and its descendants, bytes, until the process has ended."""
    while psutil.pid_exists(pid):
        try:
            root = psutil.Process(pid)
            peaks.append(sum(map(_resident, [root, *root.children(recursive=True)])))
        except psutil.NoSuchProcess:
            return
        time.sleep(0.2)


def _resident(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.NoSuchProcess:
        return 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commits", nargs=2, help="the commit that ratios are taken to, and the one to compare with it")
    parser.add_argument("--rows", default=",".join(ROWS), help=f"default: {','.join(ROWS)}")
    parser.add_argument("--repeat", type=int, default=3, help="rounds of a short row (default: 3)")
    parser.add_argument("--repeat-long", type=int, default=1, help="rounds of a long row (default: 1)")
    parser.add_argument("--folder", type=Path, help="clones and results (default: a new temporary folder)")
    given = parser.parse_args()
    names = given.rows.split(",")
    if unknown := set(names) - set(ROWS):
        parser.error(f"unknown rows: {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    folder = given.folder or Path(tempfile.mkdtemp(prefix="waiting-"))
    print(f"clones, logs and results: {folder}", flush=True)
    bench = Bench(given.commits, folder.resolve())
    for name in names:
        rounds = given.repeat if ROWS[name].short else given.repeat_long
        bench.measure(name, rounds)
    print(bench.table(names))


if __name__ == "__main__":
    main()
