"""What a notebook shows of an object: short, with the facts in it, and every text as text."""

import dataclasses
import re
from html.parser import HTMLParser

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient

from workbench import runs, studies
from workbench.datasets import CORPORA, Card
from workbench.datasets.clip import Clip
from workbench.emotions import COLOURS
from workbench.errors import WorkbenchError
from workbench.models import build
from workbench.representation import card, chips
from workbench.studies import running

EVIL = '<script>alert("1")</script>&\'"'


class Well(HTMLParser):
    """Counts tags, and complains of any that is not closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.words = [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def words(thing):
    """The text that is shown of a thing; it is well-formed, short, and takes its colours from the page."""
    html = thing if isinstance(thing, str) else thing._repr_html_()
    parsed = Well(html)
    assert "script" not in parsed.tags
    assert not re.search(r"background[:-]|[^-]color:\s*(black|white|#000|#fff)", html), "reads on a dark page too"
    text = " ".join(parsed.words)
    assert len(text) < 12_000
    return text


def test_a_card_escapes_all_that_it_is_given():
    html = card(EVIL, EVIL, {EVIL: EVIL, "none": None, "n": 12345}, table=[{EVIL: EVIL}], extra=chips({EVIL: "red"}))
    assert "<script" not in html
    text = words(html)
    assert text.count('alert("1")') == 7
    assert "12,345" in text
    assert "none" not in text


@pytest.mark.parametrize("name", CORPORA)
def test_a_declared_corpus_names_its_licence_and_its_emotions_in_their_colours(name):
    declared = CORPORA[name].card
    text = words(declared)
    assert declared.licence in text
    html = declared._repr_html_()
    assert all(COLOURS[emotion] in html and emotion in text for emotion in declared.emotions)
    assert ("SYNTHETIC" in text) == declared.synthetic


def test_a_card_of_somebody_elses_is_text():
    declared = Card(*[EVIL] * 7, emotions=("happy",), known_defects=(EVIL,))
    assert "<script" not in declared._repr_html_()


def test_a_clip_shows_its_picture_and_who_says_what(tiny):
    name = tiny.clips()["clip"].iloc[0]
    clip = tiny.clip(name)
    text = words(clip)
    for column in ("speaker", "emotion", "take"):
        assert clip.row[column] in text
    assert clip.picture()[:2] == b"\xff\xd8"
    assert "data:image/jpeg;base64," in clip._repr_html_()
    with pytest.raises(WorkbenchError, match="unknown clip 'nobody': there are 16, such as"):
        tiny.clip("nobody")


def test_a_clip_without_a_picture_shows_the_rest(tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"nothing")
    for path in ("", str(tmp_path / "broken.mp4"), str(tmp_path / "absent.mp4")):
        row = {"clip": EVIL, "path": path, "speaker": "x-01", "emotion": "", "start": 0.0, "end": float("nan")}
        clip = Clip.of(pd.DataFrame([row]), EVIL)
        assert "x-01" in words(clip)
        assert "<img" not in clip._repr_html_()


def test_a_real_clip_shows_its_face(real_clips):
    row = {"clip": real_clips[0].stem, "path": str(real_clips[0]), "emotion": "happy"}
    assert len(Clip(row).picture()) > 1000


def test_a_study_shows_its_variants_and_what_was_published(data_folder):
    text = words(studies.load("thread"))
    for part in ("Face, voice, both", "1-D CNN on MFCC", "cnn1d", "85.26"):
        assert part in text
    assert all(words(studies.load(name)) for name in ("mrpn_5_2", "late_fusion"))
    evil = dataclasses.replace(studies.load("thread"), title=EVIL, variants={EVIL: {"title": EVIL, "members": [EVIL]}})
    assert "<script" not in evil._repr_html_()


def test_a_run_shows_what_it_is_and_how_well_it_does(tiny, data_folder):
    small = dataclasses.replace(
        studies.load("thread"),
        name="small",
        variants={"svm": {"classical": {"audio": {"name": "svm_linear", "inputs": "mfcc", "statistics": ["mean"]}}}},
        profiles={"smoke": {"n_folds": 2, "recipe": {"n_frames": 2, "size": 16}}},
    )
    run = running.run(small, tiny, profile="smoke", protocols=["speaker-disjoint"])[0]
    table = run.predictions().query("usage == 'test'")
    text = words(run)
    assert f"{100 * (table['predicted'] == table['emotion']).mean():.1f} % of 8 clips of 2 speakers" in text
    assert "svm_linear" in text
    assert "not finished" in words(runs.Run(data_folder / "runs" / "a" / "b" / "c", {"fold": EVIL}))
    assert "2" in words(small)


def test_a_model_and_an_encoder_show_their_parts_and_sizes():
    model = build(
        {"audio": {"name": "cnn1d", "filters": [8, 8]}, "video": {"name": "lrcn"}}, 4, fusion={"name": "dense"}
    )
    total = sum(x.numel() for x in model.parameters())
    text = words(model)
    assert f"{total:,}" in text
    for part in ("Cnn1d", "Lrcn", "Dense", "mfcc", "frames"):
        assert part in text
    encoder = model.encoders["audio"]
    assert encoder.source in words(encoder)
    assert f"{sum(x.numel() for x in encoder.parameters()):,}" in words(encoder)


def test_a_bar_in_a_notebook_is_a_widget_that_ends_at_its_end():
    cell = (
        "from workbench.progress import bar\nassert list(bar(range(4), total=4, description='four')) == [0, 1, 2, 3]\n"
    )
    cell += "assert list(bar([3, 4], total=9, done=2, unit='B', description='bytes')) == [3, 4]"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
    NotebookClient(notebook, timeout=500, kernel_name="python3").execute()
    shown = [output.data for output in notebook.cells[0].outputs if output.output_type == "display_data"]
    assert len(shown) == 2
    assert all("application/vnd.jupyter.widget-view+json" in data for data in shown)
    assert re.search(r"four: 100%.*4/4", shown[0]["text/plain"])
    assert re.search(r"bytes: 100%.*9.00/9.00", shown[1]["text/plain"])


def test_a_bar_in_a_terminal_is_a_line(capsys):
    from workbench.progress import bar

    assert list(bar(range(3), description="three")) == [0, 1, 2]
    assert list(bar([3, 4], total=9, done=2, unit="B", description="bytes")) == [3, 4]
    out = capsys.readouterr().out
    assert "three: 100%" in out
    assert "9.00/9.00" in out
