"""Each notebook with widgets opens in JupyterLab and as a web page, and shows what it is there for."""

import json

import nbformat
import papermill
import pytest
import requests
from conftest import PROJECT, SECOND, TOLD, visit, write
from waiting import until

from workbench import notebooks

PANEL = ("button:has-text('Start')", ".workbench-copybox pre", ".widget-text")
# What each must show; a progress bar is a widget, too.
SHOWN = {
    "00_start_here": (".wb-drop", ".wb-answer td[data-share]"),
    "10_corpora": (".wb-table tbody tr", ".wb-film[src]", ".wb-chart", ".wb-legend"),
    "30_audio_models": PANEL,
    "31_video_models": PANEL,
    "40_fusion_comparison": PANEL,
    "50_feature_space": (".js-plotly-plot .scatterlayer path.point", ".wb-table", ".wb-player"),
    "80_live": (".wb-live .start:enabled", ".wb-live .camera", ".wb-live .microphone"),
    "81_timeline": ("img[src^='data:image/png'] >> nth=1", "td:has-text('person 1')"),
}
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
    ":text('There was an error when executing cell')",
)


def smallest(path):
    """Return a notebook of the project with the values of its smallest size."""
    values = notebooks.parameters("smoke")
    known = papermill.inspect_notebook(str(path))
    notebook = papermill.iorw.load_notebook_node(str(path))
    mine = {name: value for name, value in values.items() if name in known}
    return papermill.parameterize.parameterize_notebook(notebook, mine)


def check(page, path, shot, name: str) -> None:
    """Nothing went wrong, and what the notebook must show is there."""
    for kind in SHOWN[path.stem]:
        page.wait_for_selector(kind, state="attached", timeout=2 * TOLD if not wrongs(page) else SECOND)
    page.locator(SHOWN[path.stem][0]).first.scroll_into_view_if_needed()
    page.wait_for_timeout(SECOND)
    shot(page, f"{name}_{path.stem}")
    assert not wrongs(page)
    assert not page.foreign


def wrongs(page) -> list[str]:
    """Return what went wrong on a page, in its own words."""
    return [text for kind in WRONG for text in page.locator(kind).all_inner_texts()] + page.troubles


@pytest.fixture(scope="module")
def small_pages(voila, tmp_path_factory):
    """The project's notebooks with widgets, at their smallest size, and one that fails, served by voila."""
    folder = tmp_path_factory.mktemp("small")
    for path in WITH_WIDGETS:
        nbformat.write(smallest(path), folder / path.name)
    write(folder / "failing.ipynb", "'fine'", "1 / 0")
    url = voila(folder)
    return lambda name: f"{url}voila/render/{name}.ipynb"


def test_of_every_notebook_with_widgets_it_is_known_what_it_shows():
    assert [path.stem for path in WITH_WIDGETS] == list(SHOWN)


@pytest.mark.parametrize("path", WITH_WIDGETS, ids=lambda path: path.stem)
def test_each_notebook_with_widgets_opens_in_jupyterlab(page, open_in_lab, shot, path):
    open_in_lab(smallest(path), f"small_{path.name}")
    page.wait_for_function(RUN, timeout=2 * TOLD)
    check(page, path, shot, "lab")


@pytest.mark.parametrize("path", WITH_WIDGETS, ids=lambda path: path.stem)
def test_each_notebook_with_widgets_opens_as_a_page(page, small_pages, shot, path):
    visit(page, small_pages(path.stem))
    page.wait_for_selector("#rendered_cells", state="visible", timeout=2 * TOLD)
    check(page, path, shot, "voila")


def test_a_cell_that_fails_is_noticed_on_a_page(page, small_pages):
    visit(page, small_pages("failing"))
    page.get_by_text("fine").wait_for()
    assert any("There was an error when executing cell [2]" in one for one in wrongs(page))


def test_a_page_that_is_left_ends_its_kernel(page, small_pages):
    visit(page, address := small_pages("failing"))
    page.get_by_text("fine").wait_for()
    kernel = json.loads(page.locator("#jupyter-config-data").text_content())["kernelId"]
    known = f"{address.partition('/voila/')[0]}/api/kernels/{kernel}"
    assert requests.get(known, timeout=10).status_code == 200
    page.goto("about:blank")
    assert until(lambda: requests.get(known, timeout=10).status_code == 404)
