"""A long recording, and the report on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from workbench.cli.common import Json, RunCorpus, RunRoot, console, errors, load_run, progress, show


def timeline(
    recording: Path,
    run: Annotated[str, typer.Option(help="A run's folder, its name, or STUDY/VARIANT for its latest run.")],
    out: Annotated[Path, typer.Option(help="The report, an HTML page; tables (CSV) go beside it.")] = Path(
        "report.html"
    ),
    window: Annotated[float, typer.Option(help="Seconds that one answer is about.")] = 4.0,
    step: Annotated[float, typer.Option(help="Seconds from one window to the next, a multiple of 0.5.")] = 2.0,
    least: Annotated[float, typer.Option(help="Least probability of an emotion that is named, 0 to 1.")] = 0.4,
    same: Annotated[
        str,
        typer.Option(
            help="Faces out of sight for over 2 s: never the same person, by place until the next cut (shot), by place "
            "after cuts too (place), or always."
        ),
    ] = "shot",
    detector: Annotated[str | None, typer.Option(help="Who finds faces [default: as the run's recipe says]")] = None,
    keep: Annotated[
        bool, typer.Option(help="Keep the work beside the report, so that the next report is quick.")
    ] = False,
    corpus: RunCorpus = None,
    root: RunRoot = None,
    as_json: Json = False,
) -> None:
    """Report on a long recording: who shows and says what, as a finished run names it, over time."""
    from workbench.interact.timeline import Settings, timeline
    from workbench.predict import synthetic_note

    settings = Settings(window=window, step=step, least=least, same=same, detector=detector)
    try:
        asked = load_run(run, corpus, root)
        found = timeline(recording, asked, settings, folder=out.parent, keep=keep, progress=progress)
    except KeyboardInterrupt as stopped:
        errors.print(*stopped.__notes__, soft_wrap=True)
        raise
    written = found.write(out)
    if as_json:
        show(found.summary.to_dict("records"), True)
        return
    rows = [{name: row[name] for name in ("subject", "windows", "first", "undecided", "volatility", "negative")}
            for row in found.summary.to_dict("records")]  # fmt: skip
    show(rows, False, title=f"{recording.name}: {found.run}")
    for note in (*found.notes, *synthetic_note(asked)):
        errors.print(escape(note), soft_wrap=True)
    console.print(f"{written[0]}, and {len(written) - 1} tables beside it", soft_wrap=True)
