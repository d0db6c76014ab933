"""Every notebook runs through papermill at smoke size, and is not run again while nothing has changed."""

import json
import re
from itertools import pairwise

import nbformat
import pytest
from matplotlib.text import Text

from workbench import datasets, notebooks, paths, runs
from workbench.errors import WorkbenchError
from workbench.interact.live import page
from workbench.interact.prediction import PredictionPanel
from workbench.studies import results


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """All notebooks, executed in order in a data folder of the module's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_DATA", str(tmp_path_factory.mktemp("data")))
        patch.setenv("WORKBENCH_FIGURES", str(tmp_path_factory.mktemp("figures")))
        yield {row["notebook"]: row for row in notebooks.run(notebooks.select(), profile="smoke")}


def test_all_run_in_their_turn_and_leave_their_copies(executed):
    assert sorted(executed) == [path.stem for path in notebooks.select()]
    assert len(executed) == 13
    ended = list(executed)
    chain = ["20_preprocessing", "31_video_models", "40_fusion_comparison", "50_feature_space"]
    for earlier, later in pairwise([*chain, "60_speaker_independence", "81_timeline", "90_figures"]):
        assert ended.index(earlier) < ended.index(later)
    assert ended[-1] == "90_figures"
    for name, row in executed.items():
        assert row["state"] == "run"
        cells = nbformat.read(row["path"], as_version=4).cells
        outputs = [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]
        assert outputs, name
        assert not [output for output in outputs if output.output_type == "error"], name


def test_the_first_answer_is_right_of_a_speaker_that_the_run_never_met_and_says_synthetic(executed):
    """Notebook 00: four emotions of eight speakers, so 25 % by chance; 0.911, 0.786, 0.696 for three seeds (voice)."""
    predictions = runs.predictions(results.results("start", corpus="demo", size="full")).query("usage == 'test'")
    right = (predictions["emotion"] == predictions["predicted"]).groupby(predictions["variant"])
    assert right.size().to_dict() == {"both": 56, "face": 56, "voice": 56}
    assert right.mean()["both"] > 0.6
    assert right.mean()["voice"] > 0.6
    clips = datasets.fetch("demo", size="start").clips()
    clip = clips.query("emotion == 'happy'").iloc[0]
    shown = [run for run in results.results("start", corpus="demo", size="full") if _tests(run, clip["clip"])]
    assert [run.params["variant"] for run in shown] == ["voice", "face", "both"]
    for run in shown[:2]:
        met = run.predictions().query("usage != 'test'")["speaker"]
        assert len(met)
        assert clip["speaker"] not in set(met)
    panel = PredictionPanel(shown[::-1])
    answer = panel.add(clip["path"])
    assert answer["emotion"] == clip["emotion"]
    assert answer["probabilities"][clip["emotion"]] > 0.5
    assert {part["emotion"] for part in answer["parts"]} == {clip["emotion"]}
    for figure in (panel.picture(), panel.explain(answer["id"])):
        words = " ".join(text.get_text() for text in figure.findobj(Text)).replace("\n", " ")
        assert "synthetic" in words
    assert "synthetic" in " ".join(answer["words"])


def _tests(run, clip):
    return clip in set(run.predictions().query("usage == 'test'")["clip"])


def test_the_figures_are_there_in_three_forms(executed):
    files = {path.name for path in paths.figures().iterdir()}
    for kind in ("accuracy", "protocol_gap", "late_lr_confusion", "n0_tsne", "n0_umap"):
        found = {name.rpartition(".")[2] for name in files if re.fullmatch(rf"thread_demo.*_smoke_{kind}\.\w+", name)}
        assert found == {"pdf", "png", "csv"}, kind


def test_unchanged_notebooks_are_skipped_and_changed_values_run_again(executed, monkeypatch):
    again = list(notebooks.run(notebooks.select(), profile="smoke"))
    assert {row["state"] for row in again} == {"unchanged"}
    monkeypatch.setattr(
        notebooks, "parameters", lambda profile: {"corpus": "demo", "profile": "smoke", "study": "thread"}
    )
    (row,) = notebooks.run(notebooks.select(["90"]), profile="smoke")
    assert row["state"] == "run"


def test_a_mistyped_parameter_is_refused_before_any_notebook_runs(monkeypatch, data_folder):
    monkeypatch.setattr(notebooks, "parameters", lambda profile: {"corpsu": "demo", "profile": "smoke"})
    with pytest.raises(WorkbenchError, match=r"smoke\.yaml 'corpsu': choose from .*; did you mean 'corpus'"):
        list(notebooks.run(notebooks.select(["10"]), profile="smoke"))
    assert not list(data_folder.rglob("*.ipynb"))


def test_a_failing_notebook_names_its_cell_and_keeps_what_it_did(executed, tmp_path):
    notebook = nbformat.read(notebooks.select(["10"])[0], as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell("datasets.corpus('nobody')"))
    path = tmp_path / "10_broken.ipynb"
    nbformat.write(notebook, path)
    with pytest.raises(WorkbenchError, match=r"10_broken, cell \d+: WorkbenchError: unknown corpus 'nobody'"):
        list(notebooks.run([path], profile="smoke"))


@pytest.mark.parametrize("name", ["a.py", "studies/a.yaml", "interact/a.js", "interact/a.css"])
def test_any_source_of_the_package_that_changes_has_a_notebook_run_again(tmp_path, monkeypatch, name):
    source = tmp_path / "package" / name
    source.parent.mkdir(parents=True)
    source.write_text("one")
    monkeypatch.setattr(notebooks, "__file__", str(tmp_path / "package" / "notebooks.py"))
    (notebook,) = notebooks.select(["10"])
    before = notebooks._key(notebook, {})
    assert notebooks._key(notebook, {}) == before
    source.write_text("another")
    assert notebooks._key(notebook, {}) != before


def test_pages_of_notebooks_may_ask_nobody_else_as_the_live_page_may_not():
    said = json.loads((paths.project() / "voila.json").read_text())["Voila"]["tornado_settings"]
    assert said["headers"] == {"Content-Security-Policy": page.OWN}
