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
from conftest import FAKE, TOLD, free_port, leave, serve, stop, watched
from waiting import until

from workbench import datasets, faces, media, paths, runs, studies
from workbench.emotions import COLOURS
from workbench.interact import live
from workbench.interact.live import page as live_page
from workbench.interact.live import protocol
from workbench.studies.running import run as make

SIZE, FPS = (640, 360), 30
LATENCY = r"arrival to label (\d+) ms, 95 % within (\d+) ms · with the browser (\d+) ms · (\d+)/s"
# How many points of the rectangle that the face's box is (mirrored, like the picture) have the colour of the answer.
BOX = """(colours) => {
    const { emotion, box } = document.querySelector('.wb-live').dataset;
    const [video, over] = ['video', '.over'].map((one) => document.querySelector('.wb-live ' + one));
    const [left, top, right, bottom] = box.split(',').map(Number);
    const [w, h] = [over.width, over.height];
    const scale = Math.min(w / video.videoWidth, h / video.videoHeight);
    const [across, down] = [video.videoWidth * scale, video.videoHeight * scale];
    const at = (x, y) => [w / 2 + across * (0.5 - x), h / 2 + down * (y - 0.5)];
    const [pen, rgb] = [over.getContext('2d'), [1, 3, 5].map((i) => parseInt(colours[emotion].slice(i, i + 2), 16))];
    const points = [0.1, 0.3, 0.5, 0.7, 0.9].flatMap((share) => {
        const [x, y] = [left + share * (right - left), top + share * (bottom - top)];
        return [at(x, top), at(x, bottom), at(left, y), at(right, y)];
    });
    const drawn = points.filter(([x, y]) => {
        const { data } = pen.getImageData(Math.round(x), Math.round(y), 1, 1);
        return data[3] > 0 && rgb.every((value, i) => Math.abs(value - data[i]) < 40);
    });
    return { box: [left, top, right, bottom], drawn: drawn.length / points.length };
}"""
# From where to where the chart's curves reach, as shares of its time axis.
CURVES = """(colours) => {
    const chart = document.querySelector('.wb-live .chart');
    const scale = chart.width / chart.clientWidth;
    const [from, to] = [52 * scale, (chart.clientWidth - 96) * scale];
    const { data, width, height } = chart.getContext('2d').getImageData(0, 0, chart.width, chart.height);
    const wanted = Object.values(colours).map((one) => [1, 3, 5].map((i) => parseInt(one.slice(i, i + 2), 16)));
    let ends = [1, 0];
    for (let x = Math.round(from); x < to + 5 * scale; x++) for (let y = 0; y < height - 38 * scale; y++) {
        const pixel = data.slice(4 * (y * width + x), 4 * (y * width + x) + 3);
        if (!wanted.some((rgb) => rgb.every((value, i) => Math.abs(value - pixel[i]) < 12))) continue;
        const share = (x - from) / (to - from);
        ends = [Math.min(ends[0], share), Math.max(ends[1], share)];
    }
    return ends;
}"""
NOTHING = """() => {
    navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotAllowedError'); };
}"""
UNPLUG = """() => {
    const [track] = document.querySelector('.wb-live video').srcObject.getVideoTracks();
    track.stop();
    track.dispatchEvent(new Event('ended'));
}"""


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
def microphone(clip, tmp_path_factory) -> str:
    """The switch of Chromium with which the microphone plays the clip again and again."""
    path = tmp_path_factory.mktemp("fake") / "microphone.wav"
    soundfile.write(path, media.read_waveform(clip, sample_rate=48000), 48000, subtype="PCM_16")
    return f"--use-file-for-fake-audio-capture={path}"


def as_camera(frame: np.ndarray) -> np.ndarray:
    """Fit a picture into the camera's size, unstretched: between bars where it has another shape."""
    height, width = frame.shape[:2]
    scale = min(SIZE[0] / width, SIZE[1] / height)
    fitted = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    down, across = SIZE[1] - fitted.shape[0], SIZE[0] - fitted.shape[1]
    return cv2.copyMakeBorder(
        fitted, down // 2, down - down // 2, across // 2, across - across // 2, cv2.BORDER_CONSTANT
    )


@pytest.fixture(scope="session")
def guest_browser(launch, clip, microphone, tmp_path_factory):
    """A browser whose camera and microphone play the clip again and again."""
    path = tmp_path_factory.mktemp("fake") / "camera.y4m"
    frames, _ = media.read_frames(clip, np.arange(0, media.probe(clip).duration, 1 / FPS))
    with path.open("wb") as film:
        film.write(b"YUV4MPEG2 W%d H%d F%d:1 Ip A1:1 C420jpeg\n" % (*SIZE, FPS))
        for frame in frames:
            yuv = cv2.cvtColor(as_camera(frame), cv2.COLOR_RGB2YUV_I420)
            film.write(b"FRAME\n" + yuv.tobytes())
    return launch(*FAKE, f"--use-file-for-fake-video-capture={path}", microphone)


@pytest.fixture
def page(guest_browser):
    """A page of that browser; `watched`."""
    opened = watched(guest_browser.new_context(viewport={"width": 1280, "height": 1000}).new_page())
    opened.set_default_timeout(TOLD)
    yield opened
    leave(opened)


@pytest.fixture(scope="session")
def boxes(clip) -> np.ndarray:
    """Where the face is in the clip (k, 4), as shares of its size."""
    frames, _ = media.read_frames(clip, np.arange(0, media.probe(clip).duration, 0.25))
    found = [faces.DlibHog(320)(as_camera(frame)) for frame in frames]
    return np.concatenate([each[:, :4] for each in found]) / (*SIZE, *SIZE)


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


def told(page, part: str, words: str) -> None:
    """Wait until a part of the page begins with these words."""
    page.wait_for_function(
        "([part, words]) => document.querySelector(`.wb-live .${part}`).textContent.startsWith(words)",
        arg=[part, words],
        timeout=20_000,
    )


def ready(page, run: runs.Run) -> None:
    """Wait until the page is there, and the model process that it asked for."""
    page.wait_for_selector(".wb-live .start:enabled", state="attached", timeout=180_000)
    page.locator(".wb-live .start").scroll_into_view_if_needed()
    assert until(lambda: protocol.Room(run).knock(), 60)


def quick(page) -> bool:
    """Say whether the last answers came in time, as the page's corner tells."""
    said = re.match(LATENCY, page.inner_text(".wb-live .latency"))
    _, p95, browser, rate = map(int, said.groups()) if said else (0, 0, 0, 0)
    return p95 < 400 and browser < 2000 and 5 <= rate <= 16


def check(page, shot, name: str, run: runs.Run, boxes: np.ndarray) -> float:
    """A face box where the face is, a label, curves, the latency; return when this began."""
    ready(page, run)
    began = time.monotonic()
    took = begin(page)
    assert took < 5, f"the first label came after {took:.1f} s"
    page.wait_for_timeout(6000)
    found = page.evaluate(BOX, COLOURS)
    assert found["drawn"] > 0.7
    assert max(faces.overlap(np.array(found["box"]), box) for box in boxes) > 0.6
    before = time.monotonic()
    first, last = page.evaluate(CURVES, COLOURS)  # of 30 s, from when camera and microphone are there
    assert -0.05 < first < took / 30 + 0.05
    assert (before - began - took) / 30 - 0.05 < last < (time.monotonic() - began) / 30 + 0.05
    assert until(lambda: quick(page), 60), page.inner_text(".wb-live .latency")
    page.locator(".wb-live").scroll_into_view_if_needed()
    shot(page, name)
    return began


def check_one_sense(page, shot, name: str) -> None:
    """Each sense alone, chosen before Start."""
    for off, note in (
        ("microphone", "Microphone off: going by the face."),
        ("camera", "Camera off: going by the voice."),
    ):
        page.uncheck(f".wb-live .{off}")
        begin(page)
        told(page, "note", note)
        page.wait_for_timeout(2000)
        shot(page, f"{name}_without_{off}")
        end(page)
        page.check(f".wb-live .{off}")
    assert page.troubles == []
    assert page.foreign == []


def check_saving(page, run: runs.Run) -> None:
    """A recording that cannot be saved stays; then it is saved, and can be taken home."""
    page.click(".wb-live .record")
    page.wait_for_selector(".wb-live .record.on")
    page.wait_for_timeout(3000)
    folder = paths.data() / "live"
    folder.write_text("in the way")
    page.click(".wb-live .save")
    told(page, "message", "Not saved, but still here.")
    folder.unlink()
    page.click(".wb-live .save")
    told(page, "message", "Saved: ")
    film = Path(page.inner_text(".wb-live .message").removeprefix("Saved: "))
    assert 2 < media.probe(film).duration < 6
    assert media.read_frames(film, np.array([0.5]))[0].shape[1:] == (SIZE[1], SIZE[0], 3)
    with page.expect_download() as taken:
        page.click(".wb-live .film")
    assert taken.value.suggested_filename == film.name
    assert Path(taken.value.path()).read_bytes() == film.read_bytes()
    url = f"{page.url.partition('?')[0]}saved/{film.name}"
    assert requests.get(url, timeout=10).content != film.read_bytes()  # without the token


def test_a_guest_of_the_page(address, page, shot, run, boxes, guest_browser):
    base, _, token = address.partition("?token=")
    assert base.startswith("http://127.0.0.1:")
    assert len(token) > 20
    assert "wb-live" not in requests.get(base, timeout=10).text
    assert requests.get(base, timeout=10).url.startswith(f"{base}login")
    page.goto(address, wait_until="commit")
    began = check(page, shot, "live_voila", run, boxes)
    context = guest_browser.new_context()
    second = context.new_page()
    answer = second.goto(address)
    assert (answer.status, answer.headers["refresh"]) == (503, "5")
    shot(second, "live_full")
    assert "All places for guests are taken (1)" in second.content()
    context.close()
    check_saving(page, run)
    page.wait_for_timeout(max(0, 1000 * (began + 34 - time.monotonic())))
    assert page.evaluate(CURVES, COLOURS) == pytest.approx([0, 1], abs=0.05)
    page.evaluate(UNPLUG)
    told(page, "message", "The camera has gone: going on without it.")
    told(page, "note", "Camera off: going by the voice.")
    assert page.get_attribute(".wb-live", "data-face") == "no"
    end(page)
    check_one_sense(page, shot, "live_voila")
    with live.connect(run) as keeper:
        begin(page)
        assert keeper.count() == 1
        page.goto("about:blank")
        assert until(lambda: keeper.count() == 0, 15)


def enter(page, address: str) -> None:
    """Open the page; where one before it went without a word, as when a browser crashes, it tries by itself again."""
    page.goto(address, wait_until="commit")
    page.wait_for_selector(".wb-live", state="attached")


def test_a_page_that_is_loaded_again_keeps_its_place(address, page, run):
    """At once when it is whole; as the impatient load it again, by itself as soon as it can."""
    enter(page, address)
    for _ in range(2):
        ready(page, run)
        assert page.reload(wait_until="commit").status == 200
    for wait in (0, 1500):
        page.wait_for_timeout(wait)
        page.reload(wait_until="commit")
    ready(page, run)
    begin(page)


@pytest.fixture
def page_without_camera(launch, microphone):
    """A page of a browser that has a microphone alone."""
    browser = launch("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream=device-count=0", microphone)
    opened = browser.new_page(viewport={"width": 1280, "height": 1000})
    opened.set_default_timeout(TOLD)
    yield opened
    leave(opened)


def test_a_guest_without_a_camera_goes_by_the_voice(address, page_without_camera, run, shot):
    page = page_without_camera
    enter(page, address)
    ready(page, run)
    page.click(".wb-live .start")
    told(page, "message", "No camera (none is plugged in).")
    told(page, "note", "Camera off: going by the voice.")
    page.locator(".wb-live").scroll_into_view_if_needed()
    shot(page, "live_no_camera")
    end(page)
    page.evaluate(NOTHING)
    page.click(".wb-live .start")
    told(page, "message", "No camera (this page may not use it). No microphone (this page may not use it). Plug one in")
    assert page.inner_text(".wb-live .start") == "Start"


def test_in_jupyterlab(open_in_lab, page, shot, run, boxes, tmp_path):
    """The notebook's cells that lead to the widget: JupyterLab does not draw what is far out of sight."""
    notebook = nbformat.read(live_page.filled(tmp_path, {"profile": "smoke", "run": run.name}), as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    notebook.cells = [*code[:4], next(cell for cell in code if cell.source.startswith("live.Live("))]
    open_in_lab(notebook, "80_live_small.ipynb")
    check(page, shot, "live_lab", run, boxes)
    end(page)
    check_one_sense(page, shot, "live_lab")
