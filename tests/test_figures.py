"""Drawing a study's figures part by part: what fails is named, and nothing else is lost."""

import pandas as pd
import pytest

from workbench import figures
from workbench.errors import WorkbenchError
from workbench.plots.style import finish, sheet

PART = figures.Part("thread", "demo", None, "smoke", "scores")


def good():
    figure, _ = sheet(2.0)
    return finish(figure, "", ""), pd.DataFrame({"x": [1, 2]})


def bad():
    raise ValueError("no such column")


def test_a_figure_that_fails_is_named_and_the_others_are_drawn(monkeypatch, tmp_path):
    monkeypatch.setattr(figures, "StudyResults", lambda study, **where: None)
    monkeypatch.setattr(figures, "figures_of", lambda shown, what: [("bad", bad), ("good", good)])
    monkeypatch.setattr(figures, "_parts", lambda *where: [PART])
    with pytest.raises(WorkbenchError, match=r"not drawn: bad \(ValueError: no such column\)"):
        figures.draw("thread", size="smoke", folder=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"good.pdf", "good.png", "good.csv"}


@pytest.mark.parametrize("corpus", [None, "demo"])
def test_without_results_the_error_names_the_command(corpus, monkeypatch, tmp_path):
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path))
    with pytest.raises(WorkbenchError, match="no results yet; make them with"):
        figures.draw(corpus=corpus, size="smoke", folder=tmp_path)
