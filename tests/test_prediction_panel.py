"""The prediction panel in this process: files as a page sends them, answers in words and tables, heat-maps, limits."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import small_study

from workbench import media
from workbench.emotions import COLOURS
from workbench.errors import WorkbenchError
from workbench.interact.prediction import PredictionPanel
from workbench.interact.uploads import Inbox, harmless
from workbench.predict import predict
from workbench.studies import running

BLANK = np.full((30, 64, 64, 3), 90, np.uint8)


@pytest.fixture(scope="module")
def made(tiny, tmp_path_factory):
    """A finished run of each variant of the small study, by name."""
    study, options = small_study.study("voice", "face", "late"), {"protocols": ["speaker-disjoint"]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_DATA", str(tmp_path_factory.mktemp("data")))
        yield {one.params["variant"]: one for one in running.run(study, tiny, profile="smoke", **options)}


class Page:
    """What a page does with a panel: it sends messages and hears the answers."""

    def __init__(self, panel):
        self.panel, self.heard = panel, []
        panel.send = lambda content, buffers=None: self.heard.append(content)

    def say(self, piece=None, **content):
        self.panel._heard(self.panel, content, [] if piece is None else [memoryview(piece)])
        return self.heard[-1] if self.heard else None

    def upload(self, name, content, size=None, step=1024):
        answer = self.say(kind="begin", key="k", name=name, size=len(content) if size is None else size)
        while "trouble" not in answer and answer["received"] < len(content):
            at = answer["received"]
            answer = self.say(content[at : at + step], kind="piece", key="k")
        return answer if "trouble" in answer else self.say(kind="end", key="k")


@pytest.fixture
def page(made):
    panel = PredictionPanel(made["late"])
    yield Page(panel)
    panel.close()


def test_a_film_sent_piece_by_piece_is_answered_as_the_command_line_answers_it(page, made, tiny):
    path = tiny.clips()["path"].iloc[0]
    with open(path, "rb") as file:
        assert page.upload("../../Anna happy.mp4", file.read()) == {"kind": "done", "key": "k"}
    (answer,), (expected,) = page.panel.answers, predict([path], made["late"])
    assert answer["name"] == "Anna happy.mp4"
    assert answer["probabilities"] == pytest.approx(expected["probabilities"])
    assert [part["name"] for part in answer["parts"]] == ["audio", "video", "fused"]
    assert [part["by"] for part in answer["parts"]] == ["member voice", "member face", "all together"]
    mean = np.mean([list(part["probabilities"].values()) for part in answer["parts"][:2]], axis=0)
    assert list(answer["probabilities"].values()) == pytest.approx(mean, abs=1e-6), "this run's rule is the mean"
    assert answer["words"] == [word for word in expected["notes"] if "synthetic corpus demo" in word]
    assert (answer["corpus"], answer["synthetic"]) == ("demo", True)
    assert str(page.panel._inbox.folder) not in json.dumps(page.panel._saved("json"))


@pytest.mark.parametrize(
    ("frames", "sound", "words"),
    [
        (BLANK, True, "No face was found, so the answer rests on the voice alone."),
        (None, True, "No face was found, so the answer rests on the voice alone."),
        ("face", None, "There is no voice to hear, so the answer rests on the face alone."),
        ("face", False, "The sound is silent, so the answer rests on the face alone."),
        (BLANK, None, "There is no face and no voice to go by, so no emotion is named."),
    ],
)
def test_what_is_missing_is_said_in_words(page, tiny, voice, tmp_path, frames, sound, words):
    if isinstance(frames, str):
        frames = media.read_frames(tiny.clips()["path"].iloc[0], np.arange(0, 2, 1 / 15))[0]
    waveform = None if sound is None else voice if sound else np.zeros_like(voice)
    path = media.write_clip(tmp_path / "clip.mp4", frames, waveform, fps=15)
    answer = page.panel.add(path)
    assert answer["words"][0] == words
    there = [part["probabilities"] is not None for part in answer["parts"]]
    assert there == ["voice alone" in words, "face alone" in words, "alone" in words]
    assert (answer["emotion"] is None) == (not answer["usable"]) == (there[2] is False)


def test_wrong_files_are_answered_kindly_and_the_next_one_is_taken(page, tiny):
    assert "trouble" not in page.upload("notes.txt", b"only words")
    (answer,) = page.panel.answers
    assert answer["words"][0].startswith("This file could not be read as a recording. Films (mp4, webm")
    assert answer["words"][1].startswith("notes.txt: expected a recording that decodes, but FFmpeg says")
    assert (answer["emotion"], answer["usable"]) == (None, False)
    with open(tiny.clips()["path"].iloc[0], "rb") as file:
        cut = file.read(9000)
    page.upload("cut.mp4", cut)
    assert page.panel.answers[1]["words"][0].startswith("This file could not be read")
    assert page.say(kind="explain", id="2") == {
        "kind": "trouble",
        "text": "nothing in this recording that the run can use, so there is nothing to explain",
    }
    assert page.say(kind="explain", id="9")["text"].startswith("unknown recording '9'")
    assert page.panel.busy == ""


def test_a_file_that_is_removed_or_could_not_be_sent_is_gone_from_the_disk(page, tiny):
    path = Path(tiny.clips()["path"].iloc[0])
    page.upload("one.mp4", path.read_bytes())
    page.upload("two.mp4", path.read_bytes())
    page.panel.add(path)
    inbox = page.panel._inbox.folder
    page.say(kind="remove", id="1")
    page.say(kind="remove", id="3")
    assert [one.name for one in inbox.rglob("*.mp4")] == ["two.mp4"]
    assert path.exists(), "a file that the page did not send stays"
    page.say(kind="begin", key="k", name="folder", size=4096)
    page.say(b"half of it", kind="piece", key="k")
    page.say(kind="drop", key="k")
    assert [one.name for one in inbox.rglob("*") if one.is_file()] == ["two.mp4"]
    assert page.upload("three.mp4", path.read_bytes()) == {"kind": "done", "key": "k"}


def test_uploads_have_limits(made, tmp_path):
    panel = PredictionPanel(made["voice"], limit=5000)
    page = Page(panel)
    assert (
        page.upload("long.mp4", b"x" * 5001)["trouble"]
        == "long.mp4: 5.0 kB is more than the 5.0 kB allowed for one file"
    )
    assert "zero bytes" in page.upload("none.mp4", b"")["trouble"]
    assert "more came than the 0.1 kB announced" in page.upload("liar.mp4", b"x" * 2000, size=100)["trouble"]
    page.say(kind="begin", key="k", name="half.mp4", size=100)
    page.say(b"x" * 50, kind="piece", key="k")
    assert "0.1 kB of 0.1 kB came" in page.say(kind="end", key="k")["trouble"]
    assert "not announced" in page.say(b"x", kind="piece", key="other")["trouble"]
    assert panel.answers == []
    assert not [path for path in panel._inbox.folder.rglob("*") if path.is_file()]
    folder = panel._inbox.folder
    panel.close()
    assert not folder.exists()


def test_names_of_files_do_no_harm_and_stay_apart():
    assert harmless("../../etc/passwd") == "passwd"
    assert harmless("C:\\films\\a b.mp4") == "a b.mp4"
    assert harmless("..") == "file"
    assert harmless("<script>.mp4") == "_script_.mp4"
    inbox = Inbox()
    assert len({inbox.place("a.mp4"), inbox.place("a.mp4")}) == 2
    inbox.clear()


def test_answers_are_saved_as_tables_and_taken_out_again(page, tiny, tmp_path):
    (tmp_path / "words.txt").write_text("words")
    page.panel.add(tiny.clips()["path"].iloc[0], "first.mp4")
    page.panel.add(tmp_path / "words.txt")
    saved = page.say(kind="save", form="csv")
    table = pd.read_csv(io.StringIO(saved["text"]))
    assert saved["name"] == "predictions.csv"
    assert table["part"].tolist() == ["audio", "video", "fused"] * 2
    assert table.filter(like="p_").columns.tolist() == ["p_happy", "p_sad"]
    assert table.filter(like="p_").head(3).sum(axis=1).tolist() == pytest.approx([1, 1, 1])
    assert table["emotion"].isna().tolist() == [False] * 3 + [True] * 3
    rows = json.loads(page.say(kind="save", form="json")["text"])
    assert [row["name"] for row in rows] == ["first.mp4", "words.txt"]
    assert {"emotion", "probabilities", "face", "sound", "parts", "words", "run"} <= set(rows[0])
    page.say(kind="remove", id="1")
    assert [answer["name"] for answer in page.panel.answers] == ["words.txt"]
    page.say(kind="clear")
    assert page.panel.answers == []


def test_heat_maps_and_pictures(page, tiny):
    answer = page.panel.add(tiny.clips()["path"].iloc[0])
    page.say(kind="explain", id=answer["id"], emotion="sad")
    heat = page.panel.heats[answer["id"]]
    assert heat["png"].startswith(b"\x89PNG")
    assert "occlusion" in heat["text"]
    figure = page.panel.explain(answer["id"])
    words = " ".join(text.get_text() for text in figure.findobj(lambda part: hasattr(part, "get_text")))
    assert "MFCC" in words
    assert f"Points of p({answer['emotion']})" in words
    bars = page.panel.picture()
    assert [axes.get_title(loc="left").split("\n")[0] for axes in bars.axes] == ["audio", "video", "fused"]
    assert page.panel._repr_png_().startswith(b"\x89PNG")


def test_another_run_answers_anew(made, tiny):
    panel = PredictionPanel([made["late"], made["voice"]])
    panel.add(tiny.clips()["path"].iloc[0])
    before = panel.answers[0]
    panel.run = made["voice"].name
    (answer,) = panel.answers
    assert [part["name"] for part in answer["parts"]] == ["audio"], "one modality is shown once"
    assert answer["parts"][0]["probabilities"] == before["parts"][0]["probabilities"]
    assert answer["run"] == made["voice"].name
    assert panel.colours == COLOURS
    panel.close()
    with pytest.raises(WorkbenchError, match="expected a finished run, found none"):
        PredictionPanel([])


def test_real_films(page, real_clips):
    """RAVDESS in 720p, CREMA-D in flv, and the one whose sound is silent."""
    for path in (real_clips[0], real_clips[6], real_clips[-1]):
        answer = page.panel.add(path)
        assert answer["face"]
        assert sum(answer["probabilities"].values()) == pytest.approx(1)
        words = [word for word in answer["words"] if "synthetic corpus demo" not in word]
        assert words[:1] == ["The sound is silent, so the answer rests on the face alone."] * (not answer["sound"])
    assert not page.panel.answers[2]["sound"]
