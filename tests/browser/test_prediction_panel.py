"""The prediction panel used as a person would: choose, drop, record; wrong files; answers saved."""

import base64
import json
from pathlib import Path

import pandas as pd
import pytest
from conftest import FAKE, SECOND, leave, visit, watched, write

# Drop a file on the panel, as a file manager does.
DROP = """(drop, [name, content]) => {
  const bytes = Uint8Array.from(atob(content), (one) => one.charCodeAt(0)), dropped = new DataTransfer();
  dropped.items.add(new File([bytes], name, { type: "video/mp4" }));
  for (const kind of ["dragenter", "dragover", "drop"]) {
    drop.dispatchEvent(new DragEvent(kind, { dataTransfer: dropped, bubbles: true, cancelable: true }));
  }
}"""


@pytest.fixture(scope="module")
def panel(voila, joint_run, tmp_path_factory):
    """The address of a panel."""
    path = tmp_path_factory.mktemp("pages") / "predict.ipynb"
    shown = "from workbench.interact.prediction import PredictionPanel\n"
    return voila(write(path, f"{shown}PredictionPanel({joint_run.name!r}, limit=8_000_000)"))


def saved(page, form: str, folder):
    """Save the answers in a form; return the file's path."""
    with page.expect_download() as download:
        page.click(f'[data-save="{form}"]')
    download.value.save_as(folder / f"answers.{form}")
    return folder / f"answers.{form}"


def test_real_film_broken_file_and_one_too_large(page, panel, shot, real_clips, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"this is no film")
    (tmp_path / "hour.mp4").write_bytes(bytes(9_000_000))
    visit(page, panel)
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
    rows = json.loads(saved(page, "json", tmp_path).read_text())
    assert [row["name"] for row in rows] == [film.name, "broken.mp4"]
    assert (rows[0]["face"], rows[0]["sound"], rows[1]["emotion"]) == (True, True, None)
    table = pd.read_csv(saved(page, "csv", tmp_path))
    assert table["part"].tolist()[:3] == ["audio", "video", "fused"]
    assert set(table["name"]) == {film.name, "broken.mp4"}
    in_page = [shares[row * 3 + column] for column in range(3) for row in range(2)]
    assert table.loc[table["name"] == film.name, ["p_happy", "p_sad"]].to_numpy().ravel() == pytest.approx(
        in_page, abs=1e-3
    )
    answer.locator("button", has_text="Remove").click()
    answer.wait_for(state="detached")
    assert not page.troubles
    assert not page.foreign


def test_a_dropped_file_is_answered_and_one_that_vanished_stops_nobody(page, panel, corpus, tmp_path):
    visit(page, panel)
    content = base64.b64encode(Path(corpus.clips()["path"].iloc[0]).read_bytes()).decode()
    page.locator(".wb-drop").evaluate(DROP, ["dropped.mp4", content])
    page.locator('.wb-answer[data-name="dropped.mp4"] td[data-share]').first.wait_for()
    assert not page.locator(".wb-drop.wb-over").count()
    files = [tmp_path / name for name in ("large 1.mp4", "large 2.mp4", "large 3.mp4", "gone.mp4")]
    for file in files:
        file.write_bytes(bytes(7_900_000))
    page.set_input_files(".wb-drop input[type=file]", files)
    files[-1].unlink()  # while the first are on their way
    page.get_by_text("gone.mp4: this could not be read").wait_for()
    page.locator(".wb-drop").evaluate(DROP, ["after.mp4", content])
    page.locator('.wb-answer[data-name="after.mp4"] td[data-share]').first.wait_for()
    assert not page.troubles


@pytest.mark.parametrize(
    ("button", "words"),
    [
        # Chromium's camera shows no face, and its microphone beeps.
        ("Record face and voice", "No face was found, so the answer rests on the voice alone."),
        ("Record voice", "No face was found, so the answer rests on the voice alone."),
    ],
)
def test_a_recording_of_this_machine_is_answered(launch, panel, shot, button, words):
    context = launch(*FAKE).new_context(viewport={"width": 1000, "height": 900}, permissions=["camera", "microphone"])
    page = watched(context.new_page())
    visit(page, panel)
    page.wait_for_selector(".wb-drop")
    page.get_by_text(button).click()
    page.get_by_text("■ Stop").wait_for()
    seen = "face" in button
    if seen:
        page.wait_for_function("document.querySelector('.wb-preview').videoWidth > 0")
    assert page.locator(".wb-preview").is_visible() == seen
    page.wait_for_timeout(2 * SECOND)
    shot(page, "prediction_panel_recording" + "_voice" * (not seen))
    page.click("text=■ Stop")
    answer = page.locator('.wb-answer[data-name^="recording 1"]')
    answer.wait_for()
    assert words in answer.inner_text()
    assert answer.locator("td[data-share]").count() == 2 * 2, "of the voice and of all together"
    assert not page.troubles
    leave(page)
