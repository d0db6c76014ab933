"""The live page as a guest meets it: Chromium whose camera and microphone are a clip, in voila and in JupyterLab."""

import re
import time
from pathlib import Path

import cv2
import nbformat
import numpy as np
import pytest
import requests
import soundfile
from conftest import FAKE, TOKEN, free_port, serve, stop

from workbench import datasets, media, runs, studies
from workbench.interact import live
from workbench.interact.live import page as live_page
from workbench.studies.running import run as make

SIZE, FPS = (640, 360), 30
LATENCY = r"arrival to label \d+ ms, 95 % within \d+ ms · with the browser \d+ ms · \d+/s"


@pytest.fixture(scope="session")
def recordings(_isolated):
    """The small demo corpus."""
    return datasets.fetch("demo", size="smoke")


@pytest.fixture(scope="session")
def run(recordings) -> runs.Run:
    """A small light model, trained for some seconds."""
    options = {"variants": ["face_and_sound"], "protocols": ["speaker-disjoint"], "jobs": 2}
    return make(studies.load("light"), recordings, profile="live", **options)[0]


@pytest.fixture(scope="session")
def clip(request, recordings) -> Path:
    """A clip of a real person where there is one, else of the demo corpus."""
    try:
        found = sorted((request.getfixturevalue("shared") / "data").glob("ravdess/Video*/*/01-01-0[3-8]*.mp4"))
    except pytest.skip.Exception:
        found = []
    return found[0] if found else Path(recordings.clips()["path"].iloc[0])


@pytest.fixture(scope="session")
def guest_browser(launch, clip, tmp_path_factory):
    """A browser whose camera and microphone play the clip again and again."""
    folder = tmp_path_factory.mktemp("fake")
    seconds = media.probe(clip).duration
    frames, _ = media.read_frames(clip, np.arange(0, seconds, 1 / FPS))
    with (folder / "camera.y4m").open("wb") as film:
        film.write(b"YUV4MPEG2 W%d H%d F%d:1 Ip A1:1 C420jpeg\n" % (*SIZE, FPS))
        for frame in frames:
            yuv = cv2.cvtColor(cv2.resize(frame, SIZE, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2YUV_I420)
            film.write(b"FRAME\n" + yuv.tobytes())
    soundfile.write(folder / "microphone.wav", media.read_waveform(clip, sample_rate=48000), 48000, subtype="PCM_16")
    files = (
        f"--use-file-for-fake-{kind}-capture={folder / name}"
        for kind, name in (("video", "camera.y4m"), ("audio", "microphone.wav"))
    )
    return launch(*FAKE, *files)


@pytest.fixture
def page(guest_browser):
    """A page of that browser; `troubles` are its errors, `foreign` the addresses beyond this machine it asked for.

    What the page itself forbids the browser to fetch (a Content-Security-Policy) was not asked for.
    """
    context = guest_browser.new_context(viewport={"width": 1280, "height": 1000})
    opened = context.new_page()
    opened.troubles, opened.foreign = [], []
    opened.on("pageerror", lambda error: opened.troubles.append(str(error)))
    opened.on("request", lambda asked: opened.foreign.append(asked.url) if _foreign(asked.url) else None)
    opened.on("requestfailed", lambda asked: opened.foreign.remove(asked.url) if asked.failure == "csp" else None)
    yield opened
    context.close()


def _foreign(url: str) -> bool:
    return not re.match(r"(https?|wss?)://(127\.0\.0\.1|localhost)[:/]|data:|blob:|about:", url)


@pytest.fixture(scope="module")
def address(run, tmp_path_factory):
    """`workbench live` for one guest; the address that it prints."""
    port, log = free_port(), tmp_path_factory.mktemp("live") / "log"
    words = ["workbench", "live", f"--run={run.name}", f"--port={port}", "--max-guests=1"]
    process = serve(words, f"http://127.0.0.1:{port}/", log)
    yield re.search(r"open (\S+)", log.read_text())[1]
    stop(process)


def begin(page) -> float:
    """Press Start; return after how many seconds there is a label, and a face box where the camera is on."""
    began = time.monotonic()
    page.click(".wb-live .start")
    camera = page.is_checked(".wb-live .camera")
    page.wait_for_function(
        "(camera) => { const { emotion, face } = document.querySelector('.wb-live').dataset;"
        " return emotion && (face === 'yes' || !camera); }",
        arg=camera,
        timeout=20_000,
    )
    return time.monotonic() - began


def end(page) -> None:
    page.click(".wb-live .start")
    page.wait_for_function("() => document.querySelector('.wb-live .start').textContent === 'Start'")


def drawn(page, emotion: str, colours: dict) -> int:
    """Return how many pixels over the picture have an emotion's colour."""
    rgb = [int(colours[emotion][i : i + 2], 16) for i in (1, 3, 5)]
    return page.evaluate(
        """([r, g, b]) => {
            const over = document.querySelector('.wb-live .over');
            const { data } = over.getContext('2d').getImageData(0, 0, over.width, over.height);
            let n = 0;
            for (let i = 0; i < data.length; i += 4) {
                const off = Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b);
                if (data[i + 3] === 255 && off < 12) n++;
            }
            return n;
        }""",
        rgb,
    )


def check(page, shot, name: str, run: runs.Run) -> None:
    """A face box, a label, the latency; then each sense alone."""
    from workbench.emotions import COLOURS

    page.wait_for_selector(".wb-live .start:enabled", state="attached", timeout=180_000)
    page.locator(".wb-live .start").scroll_into_view_if_needed()
    with live.connect(run):  # the page has asked for the model process; be sure that it is there
        pass
    took = begin(page)
    assert took < 5, f"the first label came after {took:.1f} s"
    emotion = page.get_attribute(".wb-live", "data-emotion")
    page.wait_for_timeout(6000)
    emotion = page.get_attribute(".wb-live", "data-emotion")
    assert drawn(page, emotion, COLOURS) > 1000
    assert re.match(LATENCY, page.inner_text(".wb-live .latency"))
    page.locator(".wb-live").scroll_into_view_if_needed()
    shot(page, name)
    end(page)
    for off, note in (
        ("microphone", "Microphone off: going by the face."),
        ("camera", "Camera off: going by the voice."),
    ):
        page.uncheck(f".wb-live .{off}")
        begin(page)
        page.wait_for_function(
            f"() => document.querySelector('.wb-live .note').textContent === '{note}'", timeout=15_000
        )
        page.wait_for_timeout(4000)
        shot(page, f"{name}_without_{off}")
        end(page)
        page.check(f".wb-live .{off}")
    assert page.troubles == []
    assert page.foreign == []


def test_a_guest_of_the_page(address, page, shot, run, guest_browser):
    base, _, token = address.partition("?token=")
    assert base.startswith("http://127.0.0.1:")
    assert len(token) > 20
    assert "wb-live" not in requests.get(base, timeout=10).text
    assert requests.get(base, timeout=10).url.startswith(f"{base}login")
    page.goto(address, wait_until="commit")
    check(page, shot, "live_voila", run)
    context = guest_browser.new_context()
    second = context.new_page()
    assert second.goto(address).status == 503
    assert "All places for guests are taken (1)" in second.content()
    context.close()
    begin(page)
    page.click(".wb-live .record")
    page.wait_for_selector(".wb-live .record.on")
    page.wait_for_timeout(3000)
    page.click(".wb-live .save")
    page.wait_for_function("() => document.querySelector('.wb-live .message').textContent.startsWith('Saved: ')")
    film = Path(page.inner_text(".wb-live .message").removeprefix("Saved: "))
    assert 2 < media.probe(film).duration < 6
    assert media.read_frames(film, np.array([0.5]))[0].shape[1:] == (SIZE[1], SIZE[0], 3)
    with live.connect(run) as keeper:
        assert keeper.count() == 1
        page.goto("about:blank")
        until = time.monotonic() + 15
        while keeper.count() and time.monotonic() < until:
            time.sleep(0.2)
        assert keeper.count() == 0


def test_in_jupyterlab(lab, page, shot, run, tmp_path):
    """The notebook's cells that lead to the widget: JupyterLab does not draw what is far out of sight."""
    name = "80_live_small.ipynb"
    notebook = nbformat.read(live_page.filled(tmp_path, {"profile": "smoke", "run": run.name}), as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    notebook.cells = [*code[:4], next(cell for cell in code if cell.source.startswith("live.Live("))]
    content = {"type": "notebook", "format": "json", "content": notebook}
    headers = {"Authorization": f"token {TOKEN}"}
    root = lab.partition("/lab")[0]
    answer = requests.put(f"{root}/api/contents/{name}", json=content, headers=headers, timeout=30)
    assert answer.status_code == 201, answer.text
    page.goto(lab.format(name))
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
    page.wait_for_selector("text=| Idle", timeout=120_000)
    page.click("text=Run >> nth=0")
    page.click("text=Run All Cells")
    check(page, shot, "live_lab", run)
