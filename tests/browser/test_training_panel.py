"""The training panel as a person uses it, in JupyterLab and as a page of voila: train, look, stop, go on, come back."""

import re
import time

import nbformat
import pytest
from conftest import visit, watched
from playwright.sync_api import expect
from waiting import until

from workbench import paths, studies
from workbench.interact import watching
from workbench.studies import under_way

CURVE = ".js-plotly-plot .scatterlayer path.js-line"
CELL = """
from workbench.interact import training
panel = training.TrainingPanel(root={root!r}, name={name!r}, n_folds=2, epochs=3000, patience=3000, batch_size=4,
                               learning_rate=0.01, voice_options="filters: [8, 8]")
panel
"""


@pytest.fixture
def notebook(tiny, tmp_path):
    """Make a notebook with a panel for a small model on the smallest corpus."""

    def make(name):
        cell = nbformat.v4.new_code_cell(CELL.format(root=str(tiny.root), name=name).strip())
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        path = tmp_path / f"{name}.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": kernel}), path)
        return path

    return make


@pytest.fixture
def ended():
    """What the test has started is ended with it."""
    names = []
    yield names.append
    for name in names:
        under_way.kill(name)


def row(page, label):
    """The field of that label: its box, with the input and what stands below it."""
    exact = page.locator(".widget-html", has_text=re.compile(rf"^\s*{re.escape(label)}\s*$"))
    return page.locator(".widget-vbox").filter(has=exact).last


def button(page, name):
    return page.locator("button").filter(has_text=re.compile(rf"^\s*{name}\s*$"))


def press(page, name):
    button(page, name).click()


def epochs(name):
    """How many epochs the run folders hold."""
    return sum(len(watching.history_of(path.parent)) for path in under_way.folder(name).glob("*/*/history.csv"))


def drawn(page):
    """The longest curve's path, as the browser has drawn it."""
    curves = page.locator(CURVE)
    return max(curves.evaluate_all("all => all.map(one => one.getAttribute('d'))"), key=len, default="")


def come(page, address):
    visit(page, address)
    button(page, "Start").wait_for()


def test_in_voila_a_small_model_is_trained_stopped_and_gone_on_with(page, voila, notebook, tiny, shot, ended):
    name = "in_voila"
    ended(name)
    page.set_viewport_size({"width": 1280, "height": 1250})  # the panel as a whole, without its commands
    address = voila(notebook(name))
    come(page, address)

    field = row(page, "epochs")
    field.locator("input").fill("many")
    field.get_by_text("training setting epochs is 'many', expected a whole number").wait_for()
    expect(button(page, "Start")).to_be_disabled()
    shot(page, "training_panel_reason")
    field.locator("input").fill("2500")
    folder = row(page, "folder")
    folder.locator("input").press_sequentially("/nowhere")  # not looked for at every key, which might walk a whole disk
    time.sleep(0.7)
    assert folder.get_by_text("expected a folder at").count() == 0
    folder.locator("input").press("Enter")
    folder.get_by_text("expected a folder at").wait_for()
    folder.locator("input").fill(str(tiny.root))
    folder.locator("input").press("Enter")
    page.get_by_text("16 takes of 4 speakers, 2 emotions; voice, speaker-disjoint: 2 runs").wait_for()

    for title, part in (("command line", "study run"), ("notebook", "papermill"), ("The study,", "epochs: 2500")):
        box = page.locator(".workbench-copybox").filter(has_text=title).first
        box.locator("button").click()
        shown = box.locator("pre").inner_text().strip()
        assert part in shown
        assert until(lambda shown=shown: page.evaluate("navigator.clipboard.readText()").strip() == shown)

    press(page, "Start")
    page.get_by_text("Is being made").wait_for(timeout=60_000)
    press(page, "Stop")  # before the process has so much as begun
    page.get_by_text("Was stopped, before the first run").wait_for(timeout=60_000)
    assert epochs(name) == 0

    press(page, "Go on")
    page.locator(CURVE).first.wait_for(timeout=120_000)
    assert studies.load(name).training["epochs"] == 2500
    first = drawn(page)
    assert until(lambda: drawn(page) != first, 120)  # the curve moves
    shot(page, "training_panel_running")

    press(page, "Pause")
    page.get_by_text("Is paused, at a checkpoint").wait_for(timeout=60_000)
    there = epochs(name)
    time.sleep(1.5)
    assert epochs(name) == there
    press(page, "Go on")
    page.get_by_text("Is being made").wait_for(timeout=60_000)
    press(page, "Stop")
    page.get_by_text("Was stopped, at a checkpoint").wait_for(timeout=60_000)
    before = epochs(name)
    assert before > 0
    shot(page, "training_panel_stopped")
    press(page, "Go on")
    page.get_by_text("Is being made").wait_for(timeout=60_000)
    assert until(lambda: epochs(name) > before, 120)

    again = watched(page.context.new_page())
    page.close(run_before_unload=True)  # a closed page loses nothing
    there = epochs(name)
    come(again, address)
    again.get_by_text("Is being made").wait_for(timeout=60_000)
    assert row(again, "epochs").locator("input").input_value() == "2500"
    assert until(lambda: epochs(name) > there, 120)
    again.locator(CURVE).first.wait_for(timeout=60_000)
    press(again, "Stop")
    again.get_by_text("Was stopped, at a checkpoint").wait_for(timeout=60_000)

    row(again, "learning rate").locator("input").fill("0.02")
    press(again, "Go on")  # with another setting: other runs, which are told apart
    for rate in ("0.01", "0.02"):
        legend = again.locator(".js-plotly-plot .legendtext", has_text=f"voice, fold1, learning rate {rate}")
        legend.wait_for(timeout=60_000)
    again.get_by_text("0 of 2 runs finished").wait_for()
    again.set_viewport_size({"width": 1280, "height": 1900})
    shot(again, "training_panel_changed")
    press(again, "Stop")
    again.get_by_text("Was stopped, at a checkpoint").wait_for(timeout=60_000)
    again.goto("about:blank")  # which ends its kernel
    assert page.troubles + again.troubles == []
    assert page.foreign + again.foreign == []


def test_in_jupyterlab_a_finished_training_shows_its_curves(page, open_in_lab, notebook, shot, ended):
    name = "in_lab"
    ended(name)
    open_in_lab(nbformat.read(notebook(name), as_version=4), f"{name}.ipynb")
    button(page, "Start").wait_for()
    field = row(page, "epochs").locator("input")
    field.fill("2000")
    field.fill("6")
    press(page, "Start")  # at once: what was typed last counts
    page.get_by_text("Is finished").wait_for()
    assert studies.load(name).training["epochs"] == 6
    page.locator(CURVE).first.wait_for(timeout=60_000)
    page.locator(".js-plotly-plot").scroll_into_view_if_needed()
    shot(page, "training_panel_lab")
    assert len(list((paths.runs() / name).glob("*/*/done"))) == 2
    assert page.troubles == []
