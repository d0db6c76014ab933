"""Any folder: by a table, by a pattern, by a declaration; nothing is guessed and nothing is dropped unsaid."""

from __future__ import annotations

import re

import cv2
import numpy as np
import pytest
import soundfile

from workbench import datasets, media
from workbench.datasets import tallies
from workbench.datasets.base import COLUMNS
from workbench.datasets.folder import Folder
from workbench.errors import WorkbenchError

FREQUENCIES = iter(range(100, 10**6))


def sound(path):
    """Write a fifth of a second of a tone of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * np.sin(2 * np.pi * next(FREQUENCIES) * np.arange(3200) / 16000), 16000)
    return path


def film(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = np.full((4, 32, 32, 3), next(FREQUENCIES) % 256, np.uint8)
    return media.write_clip(path, frames, 0.1 * np.sin(np.arange(3200, dtype=np.float32)), fps=25)


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = np.random.default_rng(next(FREQUENCIES)).integers(0, 255, (16, 16), dtype=np.uint8)
    path.write_bytes(cv2.imencode(path.suffix, grey)[1].tobytes())
    return path


def folder(root, **options):
    return datasets.corpus("folder", root, **options)


# By a table


def test_a_table_gives_the_clips_and_whatever_else_it_knows(tmp_path):
    sound(tmp_path / "a/1.wav")
    film(tmp_path / "b/2.mp4")
    for number in (1, 2, 3):
        picture(tmp_path / f"c/seq/f{number}.png")
    (tmp_path / "clips.csv").write_text(
        "path, emotion, speaker, sex, room\n"
        "a/1.wav, happy, 7, female, kitchen\n"
        "b/2.mp4, fury, 8, male, hall\n"
        "c/seq, , 8, male, hall\n"
    )
    corpus = folder(tmp_path, labels={"fury": "angry"})
    clips = corpus.clips()
    assert list(clips.columns) == [*COLUMNS, "room"]
    table = clips.set_index("clip")
    assert table["emotion"].to_dict() == {"a/1": "happy", "b/2": "angry", "c/seq": ""}
    assert table["speaker"].tolist() == ["folder-7", "folder-8", "folder-8"]
    assert table["take"].tolist() == ["folder-a/1", "folder-b/2", "folder-c/seq"]
    assert table["room"].tolist() == ["kitchen", "hall", "hall"]
    root = f"{tmp_path}/"
    assert table["path"].str.removeprefix(root).tolist() == ["", "b/2.mp4", "c/seq"]
    assert table["audio_path"].str.removeprefix(root).tolist() == ["a/1.wav", "b/2.mp4", ""]
    assert corpus.check() == {
        "clips": 3, "readable": 3, "missing": [], "unreadable": [], "duplicates": [], "misnamed": [],
        "similar_speakers": [],
    }  # fmt: skip
    assert corpus.card.known_defects == ()


def test_a_table_with_both_columns_is_taken_at_its_word(tmp_path):
    film(tmp_path / "1.mp4")
    film(tmp_path / "2.mp4")
    sound(tmp_path / "2.wav")
    (tmp_path / "clips.csv").write_text("clip,path,audio_path\nmute,1.mp4,\nboth,2.mp4,2.wav\n")
    clips = folder(tmp_path).clips().set_index("clip")
    assert clips.loc["mute", "audio_path"] == ""
    assert clips.loc["both", "audio_path"].endswith("2.wav")


def test_segments_of_a_long_recording_are_clips_of_their_own(tmp_path):
    sound(tmp_path / "call.wav")
    (tmp_path / "clips.csv").write_text("path,start,end,emotion\ncall.wav,0,0.1,sad\ncall.wav,0.1,0.2,happy\n")
    corpus = folder(tmp_path)
    clips = corpus.clips()
    assert clips["clip"].tolist() == ["call@0", "call@0.1"]
    assert clips[["start", "end"]].to_numpy().tolist() == [[0.0, 0.1], [0.1, 0.2]]
    assert corpus.check()["readable"] == 2
    (tmp_path / "call.wav").write_bytes(b"no sound")
    assert folder(tmp_path).check()["readable"] == 0
    (tmp_path / "clips.csv").write_text("path,start\ncall.wav,1:05\n")
    with pytest.raises(WorkbenchError, match=r"clip 'call@1:05': start: expected seconds, found '1:05'"):
        folder(tmp_path).clips()


def test_what_the_table_names_and_the_folder_lacks_is_missing(tmp_path):
    sound(tmp_path / "1.wav")
    sound(tmp_path / "extra.wav")
    (tmp_path / "clips.csv").write_text("audio_path,path\n1.wav,\n2.wav,\n,3.jpg\n1.wav,4.jpg\n")
    corpus = folder(tmp_path)
    report = corpus.check()
    assert report["missing"] == ["2.wav", "3.jpg", "4.jpg"]
    assert report["misnamed"] == ["extra.wav"]
    assert corpus.clips()["clip"].tolist() == ["1", "4"]
    assert corpus.clips()["path"].tolist() == ["", ""]
    assert [defect.split(",")[0] for defect in corpus.card.known_defects] == [
        "Speakers of 2 of 2 clips unknown: no speaker-disjoint split of them is possible.",
        "Files that the table names and that are absent: 3",
        "1 of 2 files stand in no row of the table",
    ]
    assert tallies.overview(Folder, tmp_path)["missing"] == "3 that names or tables lead to expect; all picture"


def test_the_lag_of_a_film_behind_its_own_sound_file_is_measured(tmp_path):
    noise = 0.1 * np.random.default_rng(0).uniform(-1, 1, 16000).astype(np.float32)
    frames = np.zeros((30, 48, 64, 3), np.uint8)
    late = np.concatenate([np.zeros(320, np.float32), noise])
    media.write_clip(tmp_path / "anna_happy.mp4", frames, late)
    soundfile.write(tmp_path / "anna_happy.wav", noise, 16000)
    found = folder(tmp_path, pattern=r"(?P<speaker>[a-z]+)_(?P<emotion>[a-z]+)\..*").alignment()
    assert found[["take", "problem"]].to_numpy().tolist() == [["folder-anna_happy", ""]]
    assert found["lag_ms"].item() == pytest.approx(20, abs=0.1)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("emotion,speaker\nhappy,1\n", "expected rows with a path or an audio_path, found 1 rows with the columns em"),
        ("path,emotion\n", "found 0 rows"),
        ("path\n../1.wav\n", r"line 2: expected a path below .*, found '\.\./1\.wav'"),
        ("path\n/etc/1.wav\n", "found '/etc/1.wav'"),
        ("path,emotion\n1.wav,sad\n,sad\n", "line 3: expected a path or an audio_path, found neither"),
        ("clip,path\na,1.wav\na,2.wav\n", r"two clips are called 'a': of 1\.wav and of 2\.wav"),
        ("path\n1.wav\n1.wav\n", r"two clips are called '1': of 1\.wav and of 1\.wav"),
    ],
)
def test_a_table_that_cannot_serve_says_why(tmp_path, table, said):
    sound(tmp_path / "1.wav")
    sound(tmp_path / "2.wav")
    (tmp_path / "clips.csv").write_text(table)
    with pytest.raises(WorkbenchError, match=said):
        folder(tmp_path).clips()


def test_unknown_words_are_listed_once_with_their_counts(tmp_path):
    rows = "".join(f"{n}.wav,{word}\n" for n, word in enumerate(["joy", "joy", "rage", "happy"]))
    (tmp_path / "clips.csv").write_text(f"path,emotion\n{rows}")
    with pytest.raises(WorkbenchError, match=r"unknown emotions \(clips\): 'joy' \(2\), 'rage' \(1\); .*neutral, calm"):
        folder(tmp_path).clips()
    with pytest.raises(WorkbenchError, match="labels: unknown emotions joyful: choose from neutral"):
        folder(tmp_path, labels={"joy": "joyful"}).clips()


# By a pattern


def test_a_pattern_reads_the_factors_from_the_names(tmp_path):
    for name in ("12_joy.wav", "13_sad.wav", "notes.wav", "deep/14_sad.wav", ".hidden_sad.wav"):
        sound(tmp_path / name)
    pattern = r"(?P<speaker>\d+)_(?P<emotion>\w+)\.wav"
    corpus = folder(tmp_path, pattern=pattern, labels={"joy": "happy"}, columns={"sex": "female"})
    clips = corpus.clips()
    assert clips[["clip", "speaker", "emotion", "sex"]].to_numpy().tolist() == [
        ["12_joy", "folder-12", "happy", "female"], ["13_sad", "folder-13", "sad", "female"],
    ]  # fmt: skip
    report = corpus.check()
    assert report["misnamed"] == ["deep/14_sad.wav", "notes.wav"]
    assert (report["clips"], report["readable"]) == (2, 2)
    assert corpus.card.known_defects == ("2 of 4 files do not match the pattern, such as deep/14_sad.wav.",)
    everywhere = folder(tmp_path, pattern=f"(.*/)?{pattern}", labels={"joy": "happy"})
    assert everywhere.clips()["clip"].tolist() == ["12_joy", "13_sad", "deep/14_sad"]


def test_picture_and_sound_of_one_name_are_one_clip(tmp_path):
    film(tmp_path / "1_sad.mp4")
    sound(tmp_path / "1_sad.wav")
    picture(tmp_path / "2_sad.jpg")
    sound(tmp_path / "2_sad.flac")
    film(tmp_path / "3_sad.mp4")
    clips = folder(tmp_path, pattern=r"(?P<speaker>\d)_(?P<emotion>\w+)\.\w+").clips().set_index("clip")
    names = clips[["path", "audio_path"]].apply(lambda column: column.str.rpartition("/")[2])
    assert names.to_numpy().tolist() == [
        ["1_sad.mp4", "1_sad.wav"], ["2_sad.jpg", "2_sad.flac"], ["3_sad.mp4", "3_sad.mp4"],
    ]  # fmt: skip
    sound(tmp_path / "1_sad.ogg")
    with pytest.raises(WorkbenchError, match=r"two clips are called '1_sad': of 1_sad\.ogg and of 1_sad\.wav; give"):
        folder(tmp_path, pattern=r"(?P<speaker>\d)_(?P<emotion>\w+)\.\w+").clips()


def test_folders_of_pictures_may_be_the_clips(tmp_path):
    for name in ("anna/happy", "anna/sad", "ben/sad"):
        for number in (1, 2):
            picture(tmp_path / name / f"{number}.png")
    corpus = folder(tmp_path, pattern=r"(?P<speaker>\w+)/(?P<emotion>\w+)", sequences=True)
    clips = corpus.clips()
    assert clips["clip"].tolist() == ["anna/happy", "anna/sad", "ben/sad"]
    assert clips["speaker"].tolist() == ["folder-anna", "folder-anna", "folder-ben"]
    assert media.probe(clips["path"][0]).duration == pytest.approx(2 / 30)
    broken = tmp_path / "anna/sad/2.png"
    broken.write_bytes(broken.read_bytes()[:40])
    assert corpus.check()["readable"] == 2


# By a declaration


def test_a_declaration_needs_no_keyword_and_fills_the_card(tmp_path):
    sound(tmp_path / "1_w.wav")
    (tmp_path / "corpus.yaml").write_text(
        "title: Calls\nlicence: ours\ncitation: Me (2026)\npattern: '(?P<speaker>\\d)_(?P<emotion>\\w)\\.wav'\n"
        "labels: {w: angry, x: ''}\nsuffixes: [.wav]\ncolumns: {sex: male}\n"
    )
    picture(tmp_path / "logo.png")  # not of the suffixes
    corpus = folder(tmp_path)
    assert (corpus.card.title, corpus.card.licence, corpus.cite()) == ("Calls", "ours", "Me (2026)")
    assert corpus.card.labels == {"w": "angry", "x": ""}
    assert datasets.CORPORA["folder"].card.title == "A folder of recordings"
    assert corpus.clips()[["emotion", "sex"]].to_numpy().tolist() == [["angry", "male"]]
    assert corpus.check()["misnamed"] == []
    assert "Calls" in corpus.describe().markdown()
    (tmp_path / "mine.csv").write_text("path,emotion\n1_w.wav,sad\n")
    assert folder(tmp_path, table="mine.csv").clips()["emotion"].tolist() == ["sad"]  # keywords overrule


@pytest.mark.parametrize(
    ("declaration", "options", "said"),
    [
        ("", {}, "found neither a table nor a pattern; describe it by a table clips.csv"),
        ("table: a.csv\npattern: x", {}, "found both a table and a pattern"),
        ("pattern: x\nlabels: [a]", {}, r"corpus\.yaml: labels: expected names and values, found \['a'\]"),
        ("pattern: x", {"suffixes": ".wav"}, r"'folder': suffixes: expected a list, found '\.wav'"),
        ("patern: x", {}, r"corpus\.yaml: unknown patern: choose from table, pattern"),
        ("- a\n- b", {}, r"corpus\.yaml: expected names and values"),
        ("a: [", {}, r"corpus\.yaml: expected YAML"),
        ("pattern: '(?P<speaker'", {}, "expected a regular expression, found"),
        ("table: none.csv", {}, r"none\.csv: expected a table of clips"),
        ("", {"fps": 3}, "corpus 'folder': unknown fps"),
    ],
)
def test_a_declaration_that_cannot_serve_says_why(tmp_path, declaration, options, said):
    (tmp_path / "corpus.yaml").write_text(declaration)
    with pytest.raises(WorkbenchError, match=said):
        folder(tmp_path, **options)


def test_a_pattern_that_matches_nothing_says_where_it_looked(tmp_path):
    sound(tmp_path / "1.wav")
    with pytest.raises(WorkbenchError, match=re.escape(f"no recording under {tmp_path}")):
        folder(tmp_path, pattern="nothing").clips()


def test_real_fer2013_as_any_folder(shared):
    pattern = r"(?P<usage>test|train)/(?P<emotion>\w+)/.*\.jpg"
    labels = {"fear": "fearful", "surprise": "surprised"}
    corpus = folder(shared / "data/fer2013", pattern=pattern, labels=labels)
    own = datasets.corpus("fer2013", shared / "data/fer2013").clips()
    assert corpus.clips().groupby("emotion").size().to_dict() == own.groupby("emotion").size().to_dict()
    assert "no speaker-disjoint split" in corpus.card.known_defects[0]
