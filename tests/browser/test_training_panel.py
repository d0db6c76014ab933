"""The training panel as a person uses it, in JupyterLab and as a page of voila: train, look, stop, go on, come back."""

import re
import time

import nbformat
import pandas as pd
import pytest
import requests

from workbench import paths, studies
from workbench.studies import under_way

CELL = """
from workbench.interact import training
panel = training.panel(root={root!r}, name={name!r}, n_folds=2, epochs=3000, patience=3000, batch_size=4,
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
    histories = under_way.folder(name).glob("*/*/history.csv")
    return sum(len(pd.read_csv(path)) for path in histories if path.stat().st_size)


def wait(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.2)


def drawn(page):
    """The longest curve's path, as the browser has drawn it."""
    paths = page.locator(".js-plotly-plot .scatterlayer path.js-line").evaluate_all(
        "all => all.map(p => p.getAttribute('d'))"
    )
    return max(paths, key=len, default="")


def in_voila(page, voila, path):
    page.goto(voila(path))
    button(page, "Start").wait_for(timeout=120_000)


def test_in_voila_a_small_model_is_trained_stopped_and_gone_on_with(page, voila, notebook, shot, ended):
    name = "in_voila"
    ended(name)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    path = notebook(name)
    in_voila(page, voila, path)

    field = row(page, "epochs")
    field.locator("input").fill("many")
    field.get_by_text("training setting epochs is 'many', expected a whole number").wait_for()
    assert button(page, "Start").is_disabled()
    shot(page, "training_panel_reason", full_page=True)
    field.locator("input").fill("2500")
    page.get_by_text("16 takes of 4 speakers, 2 emotions; voice, speaker-disjoint: 2 runs").wait_for()

    boxes = page.locator(".workbench-copybox")
    for number in range(3):
        boxes.nth(number).locator("button").click()
        boxes.nth(number).get_by_text("Copied").wait_for()
        shown = boxes.nth(number).locator("pre").inner_text()
        assert page.evaluate("navigator.clipboard.readText()").strip() == shown.strip()
    assert "epochs: 2500" in shown

    press(page, "Start")
    page.get_by_text("Is being made").wait_for(timeout=60_000)
    page.locator(".js-plotly-plot .scatterlayer path.js-line").first.wait_for(timeout=120_000)
    assert studies.load(name).training["epochs"] == 2500
    first = drawn(page)
    wait(lambda: drawn(page) != first)  # the curve moves
    shot(page, "training_panel_running", full_page=True)

    press(page, "Pause")
    page.get_by_text("Is paused, at a checkpoint").wait_for(timeout=60_000)
    press(page, "Go on")
    page.get_by_text("Is being made").wait_for(timeout=60_000)
    press(page, "Stop")
    page.get_by_text("Was stopped, at a checkpoint").wait_for(timeout=60_000)
    before = epochs(name)
    assert before > 0
    shot(page, "training_panel_stopped", full_page=True)
    press(page, "Go on")
    page.get_by_text("Is being made").wait_for(timeout=60_000)
    wait(lambda: epochs(name) > before)

    page.close()  # a closed page loses nothing
    again = page.context.new_page()
    there = epochs(name)
    in_voila(again, voila, path)
    again.get_by_text("Is being made").wait_for(timeout=60_000)
    assert row(again, "epochs").locator("input").input_value() == "2500"
    wait(lambda: epochs(name) > there)
    again.locator(".js-plotly-plot .scatterlayer path.js-line").first.wait_for(timeout=60_000)
    press(again, "Stop")
    again.get_by_text("Was stopped, at a checkpoint").wait_for(timeout=60_000)
    assert page.troubles == []
    # Voila's own template asks for an icon font that it has itself; no part of the panel asks for anything.
    known = r"(http|ws)://127\.0\.0\.1|blob:|data:|https://cdn\.jsdelivr\.net/npm/@fortawesome/"
    strangers = [url for url in asked if not re.match(known, url)]
    assert strangers == []


def test_in_jupyterlab_a_finished_training_shows_its_curves(page, lab, notebook, shot, ended):
    name = "in_lab"
    ended(name)
    content = {"type": "notebook", "format": "json", "content": nbformat.read(notebook(name), as_version=4)}
    url = f"{lab.partition('/lab')[0]}/api/contents/{name}.ipynb"
    token = lab.partition("token=")[2].partition("&")[0]
    assert requests.put(url, json=content, headers={"Authorization": f"token {token}"}, timeout=30).status_code == 201
    page.goto(lab.format(f"{name}.ipynb"))
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=120_000)
    page.click("text=Run >> nth=0")
    page.click("text=Run All Cells")
    button(page, "Start").wait_for(timeout=120_000)
    row(page, "epochs").locator("input").fill("6")
    page.get_by_text("2 runs").first.wait_for()
    press(page, "Start")
    page.get_by_text("Is finished").wait_for(timeout=180_000)
    page.locator(".js-plotly-plot .scatterlayer path.js-line").first.wait_for(timeout=60_000)
    page.locator(".js-plotly-plot").scroll_into_view_if_needed()
    shot(page, "training_panel_lab")
    assert len(list((paths.runs() / name).glob("*/*/done"))) == 2
    assert page.troubles == []
