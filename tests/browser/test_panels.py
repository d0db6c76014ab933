"""The clip browser, the prediction panel and the explorer, used as a person would, in JupyterLab and as a web page."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import nbformat
import pandas as pd
import papermill
import pytest
import requests
from conftest import FAKE, PROJECT, TOKEN

from workbench import notebooks
from workbench.datasets import demo
from workbench.studies import running

sys.path.insert(0, str(Path(__file__).parents[1]))
import small_study

SECOND = 1000  # ms
TOLD = 180 * SECOND  # until a notebook has run, on a machine that has much else to do


EXPLORE = """
import numpy as np
from workbench.interact.explorer import EmbeddingExplorer
angle = np.linspace(0, 6, len(clips))
maps = {"tsne": np.stack([np.cos(angle), np.sin(angle)], axis=1), "umap": np.stack([angle, angle % 2], axis=1)}
EmbeddingExplorer(clips[["clip", "emotion", "speaker", "sex", "text"]], maps, table=clips)
"""


def write(path: Path, *cells: str) -> Path:
    """Write a notebook of these cells."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)
    return path


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Sixteen clips of four synthetic speakers."""
    root = tmp_path_factory.mktemp("corpus") / "tiny"
    return demo.generate(root, n_speakers=4, emotions=("happy", "sad"), statements=(1,))


@pytest.fixture(scope="module")
def run(corpus):
    """A finished run of a small study: voice and face, joined by their answers."""
    return running.run(
        small_study.study("voice", "face", "late"), corpus, profile="smoke", protocols=["speaker-disjoint"]
    )[-1]


@pytest.fixture(scope="module")
def pages(voila, corpus, run, tmp_path_factory):
    """Notebooks of one widget each, served by voila; the address of a page by its name."""
    folder = tmp_path_factory.mktemp("pages")
    opened = f"from workbench import datasets\nclips = datasets.corpus('demo', {str(corpus.root)!r}).clips()"
    write(
        folder / "clips.ipynb",
        opened,
        f"from workbench.interact.clips import ClipBrowser\nClipBrowser(clips, {run.name!r})",
    )
    write(
        folder / "predict.ipynb",
        f"from workbench.interact.prediction import PredictionPanel\nPredictionPanel({run.name!r}, limit=8_000_000)",
    )
    write(folder / "explore.ipynb", opened, EXPLORE)
    url = voila(folder)
    return lambda name: f"{url}voila/render/{name}.ipynb"


def visit(page, url: str) -> None:
    """Open a page, and have patience with all that follows."""
    page.set_default_timeout(TOLD)
    page.goto(url, wait_until="commit")


def outside(page) -> list[str]:
    """Return the requests of a page to anywhere but this machine, from now on."""
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    return asked


def elsewhere(asked: list[str]) -> list[str]:
    """Return those that are not to this machine, but for the icons that voila's own page asks for, and does without."""
    here = ("http://127.0.0.1", "ws://127.0.0.1", "blob:", "data:", "about:")
    return [url for url in asked if not url.startswith(here) and "@fortawesome/fontawesome-free" not in url]


def test_the_cursor_moves_with_the_player_and_the_player_with_the_cursor(page, pages, shot):
    asked = outside(page)
    visit(page, pages("clips"))
    cursor, film = page.locator(".wb-cursor"), page.locator(".wb-film")
    page.wait_for_selector(".wb-legend")
    page.wait_for_function("document.querySelector('.wb-film').readyState >= 2")
    places = [cursor.bounding_box()["x"]]
    film.evaluate("film => film.play()")
    for _ in range(3):
        page.wait_for_timeout(300)
        places.append(cursor.bounding_box()["x"])
    assert places == sorted(set(places)), places
    film.evaluate("film => film.pause()")
    box = page.locator(".wb-stack").bounding_box()
    page.mouse.click(box["x"] + 0.6 * box["width"], box["y"] + 20)
    page.wait_for_timeout(500)
    now = film.evaluate("film => [film.currentTime, film.duration]")
    assert 0.4 < now[0] / now[1] < 0.7
    assert abs(float(cursor.get_attribute("data-time")) - now[0]) < 0.05
    assert abs(cursor.bounding_box()["x"] - (box["x"] + 0.6 * box["width"])) < 4
    lit = (
        "overlay => overlay.getContext('2d').getImageData(0, 0, overlay.width, overlay.height).data.some((v) => v > 0)"
    )
    assert page.locator(".wb-overlay").evaluate(lit)
    shot(page, "clip_browser_voila", full_page=True)
    assert not page.troubles
    assert not elsewhere(asked)


def test_filters_narrow_the_table_and_the_list_is_saved(page, pages, shot, tmp_path):
    visit(page, pages("clips"))
    page.wait_for_selector(".wb-table tbody tr")
    assert page.locator(".wb-table tbody tr").count() == 16
    page.click('.wb-pick[data-filter="emotion"]')
    page.locator('.wb-menu[data-menu="emotion"] label', has_text="happy").locator("input").uncheck()
    page.click('.wb-pick[data-filter="speaker"]')
    page.locator(".wb-menu button", has_text="none").click()
    page.locator(".wb-menu label", has_text="demo-03").locator("input").check()
    page.wait_for_function("document.querySelectorAll('.wb-table tbody tr').length == 2")
    menu, table = page.locator(".wb-menu").bounding_box(), page.locator(".wb-table").bounding_box()
    assert menu["y"] + menu["height"] <= table["y"] + table["height"] + 1, "what hangs out of a cell is cut off"
    shot(page, "clip_browser_filters")
    with page.expect_download() as saved:
        page.click("text=Save as CSV")
    saved.value.save_as(tmp_path / "clips.csv")
    table = pd.read_csv(tmp_path / "clips.csv")
    assert (set(table["emotion"]), set(table["speaker"]), len(table)) == ({"sad"}, {"demo-03"}, 2)
    name = table["clip"].iloc[1]
    page.click(f'.wb-table tr[data-clip="{name}"]')
    page.wait_for_function(
        f"document.querySelector('.wb-player .wb-title').textContent.startsWith('{name}')", timeout=TOLD
    )
    page.click("text=Clear filters")
    page.wait_for_function("document.querySelectorAll('.wb-table tbody tr').length == 16")
    assert not page.troubles


def test_real_film_broken_file_and_one_too_large(page, pages, shot, real_clips, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"this is no film")
    (tmp_path / "hour.mp4").write_bytes(bytes(9_000_000))
    visit(page, pages("predict"))
    page.wait_for_selector(".wb-drop")
    film = next(path for path in real_clips if path.suffix == ".mp4" and path.name.startswith("01-01-03"))
    files = [str(film), str(tmp_path / "broken.mp4"), str(tmp_path / "hour.mp4")]
    page.set_input_files(".wb-drop input[type=file]", files)
    answer = page.locator(f'.wb-answer[data-name="{film.name}"]')
    answer.wait_for()
    shares = answer.locator("td[data-share]").evaluate_all("cells => cells.map((cell) => Number(cell.dataset.share))")
    assert len(shares) == 2 * 3
    for column in range(3):
        assert sum(shares[column::3]) == pytest.approx(1, abs=1e-3)
    broken = page.locator('.wb-answer[data-name="broken.mp4"]')
    broken.wait_for()
    assert "could not be read as a recording" in broken.inner_text()
    assert "hour.mp4: 9.0 MB is more than the 8 MB allowed" in page.locator(".wb-troubles").inner_text()
    answer.locator("button", has_text="Why?").click()
    answer.locator(".wb-heat img").wait_for()
    page.wait_for_timeout(300)
    shot(page, "prediction_panel_voila", full_page=True)
    with page.expect_download() as saved:
        page.click('[data-save="json"]')
    saved.value.save_as(tmp_path / "answers.json")
    rows = json.loads((tmp_path / "answers.json").read_text())
    assert [row["name"] for row in rows] == [film.name, "broken.mp4"]
    assert (rows[0]["face"], rows[0]["sound"], rows[1]["emotion"]) == (True, True, None)
    assert not page.troubles


def test_a_recording_of_camera_and_microphone_is_answered(launch, pages, shot):
    browser = launch(*FAKE)
    context = browser.new_context(viewport={"width": 1000, "height": 900}, permissions=["camera", "microphone"])
    page = context.new_page()
    visit(page, pages("predict"))
    page.wait_for_selector(".wb-drop")
    page.click("text=Record face and voice")
    page.wait_for_function("document.querySelector('.wb-preview').videoWidth > 0")
    page.wait_for_timeout(2 * SECOND)
    shot(page, "prediction_panel_recording")
    page.click("text=■ Stop")
    answer = page.locator('.wb-answer[data-name^="recording 1"]')
    answer.wait_for()
    # Chromium's camera shows no face, and its microphone beeps.
    assert "No face was found, so the answer rests on the voice alone." in answer.inner_text()
    context.close()


def test_a_lasso_lists_clips_and_a_click_plays_one(page, pages, shot, tmp_path):
    asked = outside(page)
    visit(page, pages("explore"))
    page.wait_for_selector(".js-plotly-plot .scatterlayer path.point")
    area = page.locator(".js-plotly-plot .nsewdrag").first.bounding_box()
    corners = [(0.02, 0.02), (0.98, 0.02), (0.98, 0.45), (0.02, 0.45), (0.02, 0.03)]
    places = [(area["x"] + x * area["width"], area["y"] + y * area["height"]) for x, y in corners]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=8)
    page.mouse.up()
    page.wait_for_function("document.querySelectorAll('.wb-table tbody tr').length > 2")
    listed = page.locator(".wb-table tbody tr").count()
    assert 4 <= listed <= 10
    with page.expect_download() as saved:
        page.click("text=Save as CSV")
    saved.value.save_as(tmp_path / "lasso.csv")
    assert len(pd.read_csv(tmp_path / "lasso.csv")) == listed
    point = page.locator(".js-plotly-plot .scatterlayer path.point").first.bounding_box()
    page.mouse.move(point["x"] + point["width"] / 2, point["y"] + point["height"] / 2, steps=4)
    page.wait_for_selector(".hoverlayer .hovertext")
    page.mouse.click(point["x"] + point["width"] / 2, point["y"] + point["height"] / 2)
    page.wait_for_function("(document.querySelector('.wb-film') || {}).currentTime > 0.1")
    page.set_viewport_size({"width": 1280, "height": 1300})
    page.wait_for_timeout(SECOND)
    shot(page, "embedding_explorer_voila")
    assert not page.troubles
    assert not elsewhere(asked)


WITH_WIDGETS = [
    path for path in sorted((PROJECT / "notebooks").glob("*.ipynb")) if "workbench.interact" in path.read_text()
]
RUN = """() => {
  const prompts = [...document.querySelectorAll(".jp-Notebook .jp-CodeCell .jp-InputPrompt")];
  const failed = document.querySelector("[data-mime-type='application/vnd.jupyter.error']");
  return failed || (prompts.length && prompts.every((prompt) => /[0-9]/.test(prompt.textContent)));
}"""
WRONG = (
    "[data-mime-type='application/vnd.jupyter.error']",
    ".jupyter-widgets-error-widget",
    ":text('Error displaying widget')",
    ":text('Traceback (most recent call last)')",
)


def smallest(path: Path):
    """Return a notebook of the project with the values of its smallest size."""
    values = notebooks.parameters("smoke")
    known = papermill.inspect_notebook(str(path))
    notebook = papermill.iorw.load_notebook_node(str(path))
    mine = {name: value for name, value in values.items() if name in known}
    return papermill.parameterize.parameterize_notebook(notebook, mine)


def wrongs(page) -> list[str]:
    """Return what went wrong on a page, in its own words."""
    return [text for kind in WRONG for text in page.locator(kind).all_inner_texts()] + page.troubles


@pytest.mark.parametrize("path", WITH_WIDGETS, ids=lambda path: path.stem)
def test_each_notebook_with_widgets_opens_in_jupyterlab(page, lab, shot, path):
    address = lab.split("/lab/")[0]
    content = {"type": "notebook", "content": json.loads(nbformat.writes(smallest(path)))}
    name, headers = f"small_{path.name}", {"Authorization": f"token {TOKEN}"}
    requests.put(f"{address}/api/contents/{name}", json=content, headers=headers, timeout=30).raise_for_status()
    asked = outside(page)
    visit(page, lab.format(name))
    page.get_by_text("| Idle").wait_for()  # before, there is no kernel to run in
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    page.wait_for_function(RUN, timeout=2 * TOLD)
    page.wait_for_timeout(3 * SECOND)
    shown = page.locator(".wb, .js-plotly-plot, .jupyter-widgets")
    assert shown.count() > 0
    shown.first.scroll_into_view_if_needed()
    page.wait_for_timeout(SECOND)
    shot(page, f"lab_{path.stem}")
    assert not wrongs(page)
    assert not elsewhere(asked)


@pytest.fixture(scope="module")
def small_pages(voila, tmp_path_factory):
    """The project's notebooks with widgets, at their smallest size, served by voila."""
    folder = tmp_path_factory.mktemp("small")
    for path in WITH_WIDGETS:
        nbformat.write(smallest(path), folder / path.name)
    url = voila(folder)
    return lambda path: f"{url}voila/render/{path.name}"


@pytest.mark.parametrize("path", WITH_WIDGETS, ids=lambda path: path.stem)
def test_each_notebook_with_widgets_opens_as_a_page(page, small_pages, shot, path):
    asked = outside(page)
    visit(page, small_pages(path))
    page.wait_for_selector(".wb, .js-plotly-plot, .jupyter-widgets", timeout=2 * TOLD)
    page.wait_for_timeout(3 * SECOND)
    page.locator(".wb, .js-plotly-plot, .jupyter-widgets").first.scroll_into_view_if_needed()
    page.wait_for_timeout(SECOND)
    shot(page, f"voila_{path.stem}")
    assert not wrongs(page)
    assert not elsewhere(asked)
