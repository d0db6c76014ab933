"""The report on a long recording in a browser: it loads nothing, says what is under the pointer, plays a moment."""

from pathlib import Path

import pytest
from untrained import untrained

from workbench.datasets import demo
from workbench.interact.timeline import Settings, stage, timeline


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A report on two drawn heads, and the film it is about."""
    folder = tmp_path_factory.mktemp("timeline")
    clips = demo.generate(folder / "tiny", n_speakers=4, emotions=("happy", "sad"), statements=(1,), jobs=1).clips()
    by = [rows["path"].tolist() for _, rows in clips.groupby("speaker")]
    film = stage(by[:2], folder / "two.mp4", seconds=8, size=(320, 320))
    made = timeline(
        film, untrained(folder, "audiovisual"), Settings(window=2, step=1, least=0.3), folder=folder / "part"
    )
    return made.write(folder / "report.html")[0], film, made


def test_the_report_loads_nothing_and_reads_under_the_pointer(page, report, shot):
    path, _, made = report
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert not page.locator("#said").is_visible()
    box = page.locator("#timeline").bounding_box()
    data = page.evaluate("JSON.parse(document.getElementById('data').textContent)")
    time = 4  # the middle of the window from 3 to 5 s
    x = box["x"] + box["width"] * (data["left"] + (data["right"] - data["left"]) * time / data["seconds"])
    page.locator("#timeline").scroll_into_view_if_needed()
    page.mouse.move(x, page.locator("#timeline").bounding_box()["y"] + 100)
    said = page.locator("#said").inner_text()
    assert said.startswith("0:04\n")
    assert "person 1: " in said
    voice = made.subjects["voice"].set_index("start").loc[3]
    assert f"voice: {voice['emotion']} {voice['probability']:.0%}" in said
    shot(page, "timeline_pointer")
    shot(page, "timeline_report", full_page=True)
    assert page.troubles == []


def test_a_moment_plays_once_the_recording_is_chosen(page, report):
    """At once, and not after the film has played up to it."""
    path, film, made = report
    page.goto(path.as_uri())
    page.locator("#recording").set_input_files(str(Path(film)))
    page.wait_for_function("document.getElementById('player').readyState >= 1")
    place, at = int(made.moments["at"].argmax()), float(made.moments["at"].max())
    assert at >= 3
    page.evaluate("""() => {
        window.shown = [];
        const player = document.getElementById('player');
        player.addEventListener('timeupdate', () => window.shown.push(player.currentTime));
    }""")
    page.locator("[data-at]").nth(place).click()
    page.wait_for_function("window.shown.length >= 3")
    shown = page.evaluate("window.shown")
    assert min(shown) >= at, "nothing before it is played"
    assert min(shown) == pytest.approx(at, abs=0.5)
    assert max(shown) > min(shown), "it plays"
    assert page.troubles == []
