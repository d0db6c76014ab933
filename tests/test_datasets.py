"""Corpora: names to factors, files to clips, and what `check` finds."""

import shutil

import numpy as np
import pytest
import soundfile

from workbench import datasets, media
from workbench.datasets.base import COLUMNS, Corpus, select
from workbench.datasets.ravdess import Ravdess, parse_name
from workbench.emotions import in_order
from workbench.errors import WorkbenchError


def tone(path, *, hz=200):
    """Write a quarter of a second of a tone; different pitches are different files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * np.sin(2 * np.pi * hz * np.arange(4000) / 16000), 16000)
    return path


@pytest.fixture
def ravdess(tmp_path):
    """Sound of two takes (one as wav and flac), a silent-film `02-` of the first, an `01-` of the second, and song."""
    root = tmp_path / "ravdess"
    tone(root / "Actor_05" / "03-01-05-02-01-01-05.wav")
    tone(root / "flac" / "03-01-05-02-01-01-05.flac")
    tone(root / "Actor_06" / "03-01-08-01-02-02-06.wav", hz=300)
    tone(root / "Song" / "03-02-04-01-02-01-06.wav", hz=400)
    frames = np.zeros((6, 32, 32, 3), np.uint8)
    sound = (0.1 * np.sin(np.arange(4000) / 10)).astype(np.float32)
    media.write_clip(root / "02-01-05-02-01-01-05.mp4", frames, None, fps=25, sample_rate=16000)
    media.write_clip(root / "01-01-08-01-02-02-06.mp4", frames, sound, fps=25, sample_rate=16000)
    return root


def test_every_factor_of_the_name():
    factors = parse_name("some/where/02-02-04-02-01-02-16.mp4")
    assert factors == {
        "clip": "02-02-04-02-01-02-16", "emotion": "sad", "intensity": "strong", "speaker": "ravdess-16",
        "sex": "female",
        "text": "Kids are talking by the door", "take": "ravdess-02-04-02-01-02-16", "kind": "video-only",
        "channel": "song", "repetition": 2,
    }  # fmt: skip
    assert parse_name("03-01-01-01-01-01-07.wav")["sex"] == "male"


@pytest.mark.parametrize(
    "name",
    [
        "04-01-01-01-01-01-01",
        "03-01-09-01-01-01-01",
        "03-01-01-02-01-01-01",
        "03-01-01-01-01-01",
        "03-01-02-01-01-01-00",
    ],
)
def test_names_outside_the_scheme(name):
    assert parse_name(f"{name}.wav") is None


def test_clip_table_joins_a_silent_film_with_the_sound_of_its_take(ravdess):
    clips = Ravdess(ravdess).clips().set_index("clip")
    assert list(Ravdess(ravdess).clips().columns[: len(COLUMNS)]) == COLUMNS
    assert len(clips) == 5
    joined = clips.loc["02-01-05-02-01-01-05"]
    assert joined["path"].endswith("02-01-05-02-01-01-05.mp4")
    assert joined["audio_path"].endswith("03-01-05-02-01-01-05.wav")
    assert clips.loc["03-01-08-01-02-02-06", "take"] == clips.loc["01-01-08-01-02-02-06", "take"]
    assert clips.loc["03-01-08-01-02-02-06", "path"] == ""
    assert Ravdess(ravdess).kinds() == {"audio-video": 2, "audio-only": 3}


def test_select_keeps_one_clip_a_take(ravdess):
    clips = Ravdess(ravdess).clips()
    assert select(clips, "audio")["clip"].tolist() == [
        "03-01-05-02-01-01-05", "03-01-08-01-02-02-06", "03-02-04-01-02-01-06",
    ]  # fmt: skip
    assert select(clips, "audiovisual")["clip"].tolist() == ["01-01-08-01-02-02-06", "02-01-05-02-01-01-05"]
    with pytest.raises(WorkbenchError, match="no clip with video"):
        select(clips[clips["path"] == ""], "video")


def test_check_finds_what_is_wrong(ravdess):
    (ravdess / "Actor_05" / "notes.wav").write_bytes(b"x")
    (ravdess / "Actor_05" / "03-01-02-01-01-01-05.wav").touch()
    (ravdess / "Actor_05" / "03-01-03-01-01-01-05.wav").write_text("no sound at all")
    shutil.copy(ravdess / "Actor_06/03-01-08-01-02-02-06.wav", ravdess / "Actor_06/03-01-08-02-02-02-06.wav")
    report = Ravdess(ravdess).check()
    assert report["misnamed"] == ["Actor_05/notes.wav"]
    assert report["clips"] == 8
    assert report["readable"] == 6
    assert len(report["unreadable"]) == 2
    assert all("03-01-0" in line and "expected" in line for line in report["unreadable"])
    assert ["Actor_06/03-01-08-01-02-02-06.wav", "Actor_06/03-01-08-02-02-02-06.wav"] in report["duplicates"]
    assert report["missing"] == []


def test_missing_takes_of_a_series_that_is_mostly_there(tmp_path):
    for emotion in range(2, 8):
        for text in (1, 2):
            for intensity in (1, 2):
                for repetition in (1, 2):
                    name = f"03-01-{emotion:02d}-{intensity:02d}-{text:02d}-{repetition:02d}-03.wav"
                    (tmp_path / name).touch()
    missing = Ravdess(tmp_path).missing(Ravdess(tmp_path).files())
    assert len(missing) == 60 - 48
    assert missing[0] == "03-01-01-01-01-01-03"
    assert all(name.split("-")[2] in ("01", "08") for name in missing)


def test_unknown_corpus_missing_root_and_empty_folder(tmp_path):
    choices = ", ".join(sorted(datasets.CORPORA))
    with pytest.raises(WorkbenchError, match=f"unknown corpus 'ravdes': choose from {choices}"):
        datasets.corpus("ravdes")
    with pytest.raises(WorkbenchError, match=r"corpus 'ravdess': expected a folder at .*nowhere, found nothing"):
        datasets.corpus("ravdess", tmp_path / "nowhere")
    with pytest.raises(WorkbenchError, match="no recording under"):
        datasets.corpus("ravdess", tmp_path).clips()


def test_a_corpus_that_cannot_be_brought_says_how(tmp_path):
    with pytest.raises(WorkbenchError, match=r"zenodo.*CC BY-NC-SA"):
        datasets.fetch("ravdess", tmp_path / "none")
    assert datasets.fetch("ravdess", tmp_path).root == tmp_path


@pytest.mark.parametrize("name", sorted(datasets.CORPORA))
def test_every_corpus_is_a_full_declaration(name):
    card, kind = datasets.CORPORA[name].card, datasets.CORPORA[name]
    assert card.name == name
    assert all((card.title, card.description, card.citation, card.licence, card.home, card.label_source))
    assert all((kind.suffixes, kind.example, kind.targets))
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in kind.suffixes)
    assert card.synthetic == name.startswith("demo")
    assert card.known_defects or name == "folder"
    assert list(card.emotions) == in_order(card.emotions), "words of the vocabulary, in its order"
    if card.labels:
        assert set(card.labels.values()) == set(card.emotions)
    assert len(set(card.speakers)) == len(card.speakers)
    assert all(speaker.startswith(f"{name}-") for speaker in card.speakers)
    assert card.n_clips is None or card.n_clips > len(card.speakers)
    assert kind.__doc__ != Corpus.__doc__


@pytest.mark.parametrize("name", sorted(datasets.CORPORA))
def test_no_corpus_says_other_than_that_it_found_nothing_in_an_empty_folder(name, tmp_path):
    with pytest.raises(WorkbenchError, match=f"(?s){name}.*{tmp_path}"):
        datasets.corpus(name, tmp_path).clips()


def test_real_ravdess(shared):
    corpus = datasets.corpus("ravdess", shared / "data" / "ravdess")
    clips = corpus.clips()
    assert corpus.kinds() == {"audio-video": 6, "audio-only": 960}
    assert clips["speaker"].nunique() == 16
    sound = select(clips, "audio")
    assert sound.groupby("sex")["speaker"].nunique().to_dict() == {"female": 8, "male": 8}
    assert sound["emotion"].value_counts().to_dict() == {"neutral": 64} | dict.fromkeys(
        ["calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"], 128
    )
    silent_film = clips.set_index("clip").loc["02-01-04-02-02-01-05"]
    assert silent_film["audio_path"].endswith("03-01-04-02-02-01-05.flac")
    assert corpus.missing(corpus.files()) == []
