"""A study's table: published | ours, same protocol | ours, unseen speakers | difference with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from workbench import evaluation
from workbench.errors import WorkbenchError
from workbench.studies import Study

COLUMNS = [
    "system",
    "published",
    "random split",
    "unseen speakers",
    "UAR, unseen",
    "flattery of the random split",
]

PUBLISHED = {"train": "train", "test": "accuracy", "sd": "sd"}  # column of `turned` -> key in the YAML


def table(study: Study, predictions: pd.DataFrame) -> pd.DataFrame:
    """Return one row a variant, as text: percent, with 95 % intervals over speakers in brackets.

    The published number was reached on the corpus, classes and split that its column names in the YAML; it stands
    beside ours and never for it. `flattery` is the accuracy on the random split less that on unseen speakers, on
    the same takes, in points.

    Parameters
    ----------
    predictions : DataFrame
        The predictions of the study's runs (`studies.running.results`).
    """
    rows = []
    for name, settings in study.variants.items():
        mine = predictions[predictions["variant"] == name]
        random = mine[mine["protocol"] == "random"]
        unseen = mine[mine["protocol"] != "random"]
        published = settings.get("published", {})
        rows.append(
            {
                "variant": name,
                "system": settings.get("title", name),
                "published": f"{published['accuracy']:.1f}" if "accuracy" in published else "none",
                "setting": published.get("setting", ""),
                "random split": _score(random, "accuracy"),
                "unseen speakers": _score(unseen, "accuracy"),
                "UAR, unseen": _score(unseen, "uar"),
                "flattery of the random split": _difference(random, unseen),
            }
        )
    return pd.DataFrame(rows).set_index("variant")


def turned(study: Study, predictions: pd.DataFrame) -> pd.DataFrame:
    """Return one row a variant of a study by protocol frontal-to-turned: published and ours, in percent, as text.

    `train`: the frontal pictures trained on; `frontal`: those of people never met; `turned`: turned heads of the same,
    with its 95 % interval over speakers. The published numbers are on other corpora and stand beside ours, never for
    them. With several seeds, `sd` is the standard deviation over them of the turned heads' accuracy, in points.
    """
    rows = []
    for name, settings in study.variants.items():
        mine, published = predictions[predictions["variant"] == name], settings.get("published", {})
        row = {"variant": name, "system": settings.get("title", name)}
        row |= {f"published {key}": _number(published.get(value)) for key, value in PUBLISHED.items()}
        row |= {usage: _number(_share_right(mine, usage)) for usage in ("train", "frontal")}
        row |= {"turned": _score(mine[mine["usage"] == "test"], "accuracy"), "sd": _number(_spread(mine))}
        rows.append(row)
    table = pd.DataFrame(rows).set_index("variant")
    return table.drop(columns=[column for column in ("published sd", "sd") if (table[column] == "").all()])


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _share_right(mine: pd.DataFrame, usage: str) -> float | None:
    """Return in percent how many of the predictions of a usage are right; None where there is none."""
    mine = mine[mine["usage"] == usage]
    return None if mine.empty else 100 * float((mine["emotion"] == mine["predicted"]).mean())


def _spread(mine: pd.DataFrame) -> float | None:
    """Return the standard deviation over seeds of the test's accuracy, in points; None with a single seed."""
    tested = mine[mine["usage"] == "test"]
    right = (tested["emotion"] == tested["predicted"]).groupby(tested["seed"]).mean()
    return 100 * float(right.std()) if len(right) > 1 else None


def markdown(study: Study, predictions: pd.DataFrame, *, variants: Sequence[str] | None = None) -> str:
    """Return the table as Markdown, with a line that says what the numbers were made on.

    `variants` are those to show, by default all of the study.
    """
    text = table(study, predictions)
    text = text if variants is None else text.loc[list(variants)]
    notes = [f"{row['system']}: {row['published']} on {row['setting']}" for _, row in text.iterrows() if row["setting"]]
    tested = predictions[predictions["usage"] == "test"]
    made_on = (
        f"Corpus `{'`, `'.join(sorted(set(tested['corpus'])))}`: {tested['take'].nunique()} takes of "
        f"{tested['speaker'].nunique()} speakers. Accuracy in percent, with 95 % intervals from resampling speakers."
    )
    return f"{text[COLUMNS].to_markdown(index=False)}\n\n{made_on} Published numbers: {'; '.join(notes)}.\n"


def insert(text: str, path: Path, name: str) -> None:
    """Put a table into a file, between the lines ``<!-- table NAME -->`` and ``<!-- end NAME -->``.

    Raises
    ------
    WorkbenchError
        If the file lacks the two lines.
    """
    begin, end = f"<!-- table {name} -->\n", f"<!-- end {name} -->"
    before, found, rest = path.read_text().partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise WorkbenchError(f"{path}: expected the lines {begin.strip()!r} and {end!r}, around the table's place")
    path.write_text(f"{before}{begin}\n{text.strip()}\n\n{end}{after}")


def _score(mine: pd.DataFrame, metric: str) -> str:
    if mine.empty:
        return "not run"
    value, (low, high) = evaluation.score(mine)[metric], evaluation.interval(mine, metric)
    return f"{100 * value:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def _difference(random: pd.DataFrame, unseen: pd.DataFrame) -> str:
    if random.empty or unseen.empty:
        return "not run"
    pair = evaluation.paired(random, unseen)
    return f"{100 * pair['difference']:+.1f} [{100 * pair['low']:+.1f}, {100 * pair['high']:+.1f}]"
