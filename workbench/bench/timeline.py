"""Watching a long recording: how much of its length it takes, and whether the memory is flat."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from workbench import media, runs
from workbench.bench import seconds
from workbench.errors import WorkbenchError
from workbench.interact.timeline import stage, timeline


def measure(
    files: Sequence[str | Path],
    *,
    run: str = "thread/late_lr",
    minutes: float = 20,
    people: int = 1,
    progress: Callable | None = None,
) -> dict[str, float]:
    """Time the report on a recording of so many minutes, made by joining clips, and on one of a quarter of them.

    Each is watched in a fresh process of its own, from the file to the report on disk. The real-time factor is the time
    this takes over the length of the recording, the processor factor all time on processors (threads added up, loading
    of the libraries included) over it; peak memory includes the libraries. `persons` have a line of their own in the
    report, and the one who has the least is `covered` in such a share of the windows.

    Parameters
    ----------
    people : int
        Faces side by side, as in a call: the clips are dealt out to so many columns of a picture as large as the first.

    Raises
    ------
    WorkbenchError
        If there are fewer clips than people, no such finished run, or a clip cannot be read.
    """
    if len(files) < max(1, people):
        raise WorkbenchError(f"bench timeline: expected a video file a person or more, {people}, found {len(files)}")
    probe, name = media.probe(files[0]), runs.load(run).folder
    size = tuple(max(2, edge // 2 * 2) for edge in (probe.width // people, probe.height))
    columns = [files[place::people] for place in range(people)]
    with tempfile.TemporaryDirectory() as folder:
        lengths = {"short": minutes / 4, "long": minutes}
        work = progress(lengths.items(), total=2, description="watching") if progress else lengths.items()
        found = {}
        for kind, length in work:
            film = stage(columns, Path(folder) / f"{kind}.mp4", seconds=60 * length, size=size)
            found[kind] = _apart(film, name)
            film.unlink()
    short, long = found["short"], found["long"]
    return {
        "timeline.minutes": long["seconds"] / 60,
        "timeline.real_time_factor": long["took"] / long["seconds"],
        "timeline.processor_factor": long["processor"] / long["seconds"],
        "timeline.peak_mb": long["peak_mb"],
        "timeline.windows": long["windows"],
        "timeline.persons": long["persons"],
        "timeline.covered": long["covered"],
        "timeline.report_kb": long["report_kb"],
        "timeline.minutes_short": short["seconds"] / 60,
        "timeline.real_time_factor_short": short["took"] / short["seconds"],
        "timeline.peak_mb_short": short["peak_mb"],
        "timeline.memory_ratio": long["peak_mb"] / short["peak_mb"],
    }


def _apart(film: Path, run: Path) -> dict[str, float]:
    """Return what `watched` gives, in a process of its own."""
    code = "import sys; from workbench.bench.timeline import watched; watched(*sys.argv[1:])"
    command = [sys.executable, "-c", code, str(film), str(run)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])


def watched(film: str, run: str) -> None:
    """Watch a film in this process; print its length, how long it took, and the peak memory, as JSON."""
    report = Path(film).with_suffix(".html")
    made = []
    took, processor = seconds(lambda: made.append(_report(film, run, report))), time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    n_windows = int(made[0].windows["start"].nunique())
    persons = [len(series) for name, series in made[0].subjects.items() if name != "voice"]
    facts = {"seconds": made[0].seconds, "windows": n_windows, "persons": len(persons)}
    facts |= {"covered": min(persons, default=0) / max(1, n_windows), "report_kb": report.stat().st_size / 1024}
    print(json.dumps(facts | {"took": took, "processor": processor, "peak_mb": peak}))


def _report(film: str, run: str, report: Path):
    found = timeline(film, runs.load(run), folder=report.parent)
    found.write(report)
    return found
