"""The clip browser used as a person would: play, click into the curves, filter, save; films, stills."""

import pandas as pd
import pytest
from conftest import TOLD, visit, write

from workbench.plots.faces import REGIONS
from workbench.plots.style import PALETTE

STILL = """
import cv2
import pandas as pd
from workbench import media
from workbench.interact.clips import ClipBrowser
clip = clips.iloc[0].to_dict()
frame = media.read_frames(clip["path"], [1.0])[0][0]
assert cv2.imwrite("still.png", frame[:, :, ::-1])
ClipBrowser(pd.DataFrame([clip | {"path": "still.png", "audio_path": ""}]), RUN)
"""
# How many pixels of a canvas have a colour, or nearly so.
COLOURED = """(canvas, colour) => {
  const [r, g, b] = [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let n = 0;
  for (let i = 0; i < data.length; i += 4) {
    if (data[i + 3] > 128 && Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 24) n++;
  }
  return n;
}"""
LATER = "(time) => Number(document.querySelector('.wb-cursor').dataset.time) >= time"
SOUGHT = """() => {
  const film = document.querySelector(".wb-film"), share = film.currentTime / film.duration;
  const shown = Number(document.querySelector(".wb-cursor").dataset.time);
  return !film.seeking && share > 0.4 && share < 0.7 && Math.abs(shown - film.currentTime) < 0.05;
}"""
COLOURS = """(canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return new Set(new Uint32Array(data.buffer)).size;
}"""


@pytest.fixture(scope="module")
def pages(voila, corpus, joint_run, tmp_path_factory):
    """Notebooks of one clip browser each, served by voila; the address of a page by its name."""
    folder = tmp_path_factory.mktemp("pages")
    opened = f"from workbench import datasets\nclips = datasets.corpus('demo', {str(corpus.root)!r}).clips()"
    shown = f"from workbench.interact.clips import ClipBrowser\nClipBrowser(clips, {joint_run.name!r})"
    write(folder / "clips.ipynb", opened, shown)
    write(folder / "still.ipynb", opened, STILL.replace("RUN", repr(joint_run.name)))
    url = voila(folder)
    return lambda name: f"{url}voila/render/{name}.ipynb"


def test_the_cursor_moves_with_the_player_and_the_player_with_the_cursor(page, pages, joint_run, shot):
    visit(page, pages("clips"))
    cursor, film, legends = page.locator(".wb-cursor"), page.locator(".wb-film"), page.locator(".wb-legend")
    legends.nth(1).wait_for()
    page.wait_for_function("document.querySelector('.wb-film').readyState >= 2")
    assert "brow" in legends.nth(0).inner_text().lower(), "action units"
    assert all(name in legends.nth(1).inner_text() for name in joint_run.params["classes"])
    places = [cursor.bounding_box()["x"]]
    film.evaluate("film => { film.playbackRate = 0.25; film.play(); }")
    for _ in range(3):
        page.wait_for_function(LATER, arg=float(cursor.get_attribute("data-time")) + 0.1)
        places.append(cursor.bounding_box()["x"])
    assert places == sorted(set(places)), places
    film.evaluate("film => film.pause()")
    box = page.locator(".wb-stack").bounding_box()
    page.mouse.click(box["x"] + 0.6 * box["width"], box["y"] + 20)
    page.wait_for_function(SOUGHT)
    now = film.evaluate("film => [film.currentTime, film.duration]")
    assert 0.4 < now[0] / now[1] < 0.7
    assert abs(float(cursor.get_attribute("data-time")) - now[0]) < 0.05
    assert abs(cursor.bounding_box()["x"] - (box["x"] + 0.6 * box["width"])) < 4
    overlay, charts = page.locator(".wb-overlay"), page.locator(".wb-chart")
    for region, (colour, _) in REGIONS.items():
        assert overlay.evaluate(COLOURED, colour) > 10, region
    assert overlay.evaluate(COLOURED, "#ffffff") > 50, "the box"
    assert charts.nth(0).evaluate(COLOURED, PALETTE[0]) > 500, "the waveform"
    assert charts.nth(1).evaluate(COLOURS) > 100, "the mel spectrogram"
    shot(page, "clip_browser_voila", full_page=True)
    assert not page.troubles
    assert not page.foreign


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


def test_of_a_still_picture_units_and_probabilities_stand_as_bars(page, pages, joint_run, shot):
    visit(page, pages("still"))
    said = page.locator(".wb-shares").nth(1)
    said.wait_for()
    assert said.locator("th").all_inner_texts() == joint_run.params["classes"]
    shares = [int(text.removesuffix(" %")) for text in said.locator("td").all_inner_texts()]
    assert sum(shares) == pytest.approx(100, abs=1)
    widths = said.locator("i").evaluate_all("bars => bars.map((bar) => parseFloat(bar.style.width))")
    assert widths == pytest.approx(shares, abs=0.6)
    assert page.locator(".wb-shares").nth(0).is_visible()
    assert page.locator(".wb-cursor").is_hidden()
    shot(page, "clip_browser_still", full_page=True)
    assert not page.troubles
