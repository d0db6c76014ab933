"""The embedding explorer used as a person would: a lasso, a list, a click, and another."""

import pandas as pd
import pytest
from conftest import SECOND, visit, write

EXPLORE = """
import numpy as np
from workbench import datasets
from workbench.interact.explorer import EmbeddingExplorer
clips = datasets.corpus("demo", ROOT).clips()
angle = np.linspace(0, 6, len(clips))
angle[-1] = angle[-2] + 0.008  # one over the other, but for two pixels
maps = {"tsne": np.stack([np.cos(angle), np.sin(angle)], axis=1), "umap": np.stack([angle, angle % 2], axis=1)}
EmbeddingExplorer(clips[["clip", "emotion", "speaker", "sex", "text"]], maps, table=clips)
"""
REPLAYED = """() => {
  const film = document.querySelector(".wb-film");
  film.addEventListener("seeked", () => { window.replayed = film.currentTime; }, { once: true });
}"""
AT_ONCE = """async (places) => {
  const area = document.querySelector(".nsewdrag"), pause = (time) => new Promise((done) => setTimeout(done, time));
  await pause(100); // plotly looks at what is there once in 50 ms: now for the first place, and not for the second
  for (const [clientX, clientY] of places) {
    const about = { bubbles: true, clientX, clientY, view: window };
    for (const kind of ["mousemove", "mousedown"]) area.dispatchEvent(new MouseEvent(kind, about));
    document.dispatchEvent(new MouseEvent("mouseup", about));
    await pause(0);
  }
}"""
FIRST = "01-01-03-01-01-01-01"
TIME = "(document.querySelector('.wb-film') || {}).currentTime"


@pytest.fixture(scope="module")
def explorer(voila, corpus, tmp_path_factory):
    """The address of an explorer."""
    path = tmp_path_factory.mktemp("pages") / "explore.ipynb"
    return voila(write(path, EXPLORE.replace("ROOT", repr(str(corpus.root)))))


def test_a_lasso_lists_clips_and_a_click_plays_one(page, explorer, shot, tmp_path):
    visit(page, explorer)
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
    middle = (point["x"] + point["width"] / 2, point["y"] + point["height"] / 2)
    page.mouse.move(*middle, steps=4)
    page.wait_for_selector(".hoverlayer .hovertext")
    other = page.locator(".js-plotly-plot .scatterlayer path.point").nth(8).bounding_box()
    before = (other["x"] + other["width"] / 2, other["y"] + other["height"] / 2)
    page.evaluate(AT_ONCE, [before, middle])  # the second while the kernel is busy with the first
    page.mouse.move(*places[0], steps=4)  # and away, at once
    page.wait_for_function(f"document.querySelector('.wb-player .wb-title').textContent.startsWith('{FIRST}')")
    page.wait_for_function(f"{TIME} > 0.8")
    page.evaluate(REPLAYED)
    page.mouse.click(*middle)  # a click like the last one
    page.wait_for_function("window.replayed < 0.5")
    page.wait_for_function(f"{TIME} > 0.6")
    below = page.locator(".js-plotly-plot .scatterlayer path.point").nth(14).bounding_box()
    page.mouse.move(below["x"] + below["width"] / 2, below["y"] + below["height"] / 2, steps=4)
    page.wait_for_function("(document.querySelector('.hovertext') || {textContent: ''}).textContent.includes('sad')")
    said = page.text_content(".hovertext").split("emotion")[0].removeprefix("clip: ")
    page.mouse.down()
    page.mouse.up()
    page.wait_for_function(f"document.querySelector('.wb-player .wb-title').textContent.startsWith('{said}')")
    page.wait_for_function(f"{TIME} > 0.8")
    page.set_viewport_size({"width": 1280, "height": 1300})
    page.wait_for_timeout(SECOND)
    shot(page, "embedding_explorer_voila")
    assert not page.troubles
    assert not page.foreign
