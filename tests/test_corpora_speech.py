"""RAVDESS, SAVEE, CREMA-D and MELD: their names and tables read as published, and their defects told, not hidden."""

import dataclasses
import shutil
from fractions import Fraction

import av
import numpy as np
import pandas as pd
import pytest
import soundfile

from workbench import datasets, media, studies
from workbench.datasets import cremad, files, meld, ravdess, votes
from workbench.datasets.base import COLUMNS, select
from workbench.emotions import relabel
from workbench.errors import WorkbenchError
from workbench.studies import planning

RATE = 16000
FRAMES = np.zeros((6, 32, 32, 3), np.uint8)


def sound(path, *, hz=200):
    """Write a quarter of a second of a tone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * np.sin(2 * np.pi * hz * np.arange(RATE // 4) / RATE), RATE)
    return path


def film(path, *, codec="mpeg4", waveform=None, hz=200):
    """Write a film of six pictures with a tone, or a waveform, as its sound, in whatever container the name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if waveform is None:
        waveform = 0.1 * np.sin(2 * np.pi * hz * np.arange(RATE // 4) / RATE)
    with av.open(str(path), "w") as container:
        picture = container.add_stream(codec, rate=Fraction(25), pix_fmt="yuv420p")
        picture.width = picture.height = 32
        track = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        samples = av.AudioFrame.from_ndarray(np.int16(32767 * waveform)[None], format="s16", layout="mono")
        samples.sample_rate, samples.pts = RATE, 0
        for stream, pieces in ((picture, map(av.VideoFrame.from_ndarray, FRAMES)), (track, [samples])):
            for piece in [*pieces, None]:
                container.mux(stream.encode(piece))
    return path


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


# RAVDESS

OPENFACE = (
    "frame, face_id, timestamp, confidence, success, x_0, x_67, y_0, y_67, AU01_r\n1, 0, 0, 0.98, 1, 1, 2, 3, 4, 0\n"
)


@pytest.fixture
def tracked(tmp_path):
    """Film, silent film and sound of one take with OpenFace's table, another film without, and another's table."""
    for name in ("01-01-05-02-01-01-05.mp4", "02-01-05-02-01-01-05.mp4", "03-01-05-02-01-01-05.wav",
                 "01-01-04-01-01-01-05.mp4", "01-01-03-01-01-01-05.mp4"):  # fmt: skip
        touch(tmp_path / "Actor_05" / name)
    touch(tmp_path / "Tracking" / "01-01-05-02-01-01-05.csv").write_text(OPENFACE)
    touch(tmp_path / "Tracking" / "01-01-03-01-01-01-05.csv").write_text("frame,FaceRectX,FaceRectY\n0,1,2\n")
    touch(tmp_path / "Tracking" / "notes.csv").write_text(OPENFACE)
    return datasets.corpus("ravdess", tmp_path)


def test_openface_tables_find_the_films_of_their_take_and_only_those(tracked):
    boxes = tracked.clips().set_index("clip")["boxes_path"]
    assert boxes["01-01-05-02-01-01-05"].endswith("Tracking/01-01-05-02-01-01-05.csv")
    assert boxes["02-01-05-02-01-01-05"] == boxes["01-01-05-02-01-01-05"]
    assert boxes["03-01-05-02-01-01-05"] == ""
    assert boxes["01-01-04-01-01-01-05"] == ""
    assert boxes["01-01-03-01-01-01-05"] == "", "a table of another program"
    report = tracked.check()
    assert report["misnamed"] == []
    assert not any(".csv" in line for line in report["unreadable"])


def test_action_units_of_every_clip(shared):
    units = ravdess.action_units(shared / "data/ravdess_extra/openface_au_means.csv")
    assert units.shape == (1440, 35 + 2)
    assert units.index.name == "clip"
    assert units.loc["01-01-01-01-01-02-08", "AU12_r"] == pytest.approx(0.336514, abs=1e-6)
    assert units.loc["01-01-01-01-01-02-08", ["speaker", "emotion"]].tolist() == ["ravdess-08", "neutral"]
    assert units["emotion"].value_counts().to_dict() == dict.fromkeys(datasets.Card.emotions, 192) | {"neutral": 96}
    shares = units[[name for name in units if name.endswith("_c")]]
    assert shares.min().min() >= 0
    assert shares.max().max() <= 1


def test_action_units_say_what_is_wrong_with_a_table(tmp_path):
    head = ";".join([*ravdess.ACTION_UNITS, "name"])
    row = ";".join(["0.5"] * 35)
    table = tmp_path / "units.csv"
    with pytest.raises(WorkbenchError, match=r"units.csv: expected a table .* found no file"):
        ravdess.action_units(table)
    for text, said in {
        head.replace(";", ","): "expected columns AU01_r",
        f"{head}\n{row};a-film": "found 'a-film'",
        f"{head}\n{row};01-01-01-01-01-01-01\n{row};01-01-01-01-01-01-01": "expected one row a clip",
        f"{head}\n{row[:-3]}?;01-01-01-01-01-01-01": "1 values that are none",
        "": "expected a table",
    }.items():
        table.write_text(text)
        with pytest.raises(WorkbenchError, match=said):
            ravdess.action_units(table)


def test_the_sound_of_a_ravdess_film_lags_the_recording_by_a_thirtieth_of_a_second(shared):
    table = datasets.corpus("ravdess", shared / "data/ravdess").alignment()
    assert len(table) == 5
    assert table["lag_ms"].between(33.2, 33.5).all()
    assert (table["correlation"] > 0.98).all()


def test_alignment_needs_film_and_sound_of_one_take(tmp_path):
    sound(tmp_path / "03-01-05-02-01-01-05.wav")
    with pytest.raises(WorkbenchError, match=r"no film with a separate sound file .* found 1 audio-only"):
        datasets.corpus("ravdess", tmp_path).alignment()


# SAVEE


@pytest.fixture
def savee(tmp_path):
    """Two performances as published (film and wav), one of them flat from elsewhere, and names outside the scheme."""
    root = tmp_path / "savee"
    sound(root / "AudioData/DC/a01.wav")
    film(root / "AudioVisualClip/DC/a1.avi")
    film(root / "AudioVisualClip/KL/su15.avi", hz=300)
    sound(root / "flat/JE_n30.wav", hz=400)
    sound(root / "AudioData/DC/sa16.wav", hz=500)
    sound(root / "AudioData/XY/a02.wav", hz=600)
    return datasets.corpus("savee", root)


def test_savee_joins_film_and_sound_of_a_performance(savee):
    clips = savee.clips().set_index("clip")
    assert clips.index.tolist() == ["DC-a01", "JE-n30", "KL-su15"]
    both = clips.loc["DC-a01"]
    assert both["path"].endswith("a1.avi")
    assert both["audio_path"].endswith("a01.wav")
    assert both[["emotion", "speaker", "sex", "take", "sentence"]].tolist() == [
        "angry", "savee-DC", "male", "savee-DC-a01", 1,
    ]  # fmt: skip
    assert clips.loc["KL-su15", "path"] == clips.loc["KL-su15", "audio_path"]
    assert clips.loc["KL-su15", "emotion"] == "surprised"
    assert clips.loc["JE-n30", ["path", "emotion"]].tolist() == ["", "neutral"]
    assert savee.kinds() == {"audio-video": 2, "audio-only": 1}
    assert len(select(savee.clips(), "audio")) == 3
    assert select(savee.clips(), "audiovisual")["clip"].tolist() == ["DC-a01", "KL-su15"]


def test_savee_check_reads_the_films_and_names_what_is_outside_the_scheme(savee):
    report = savee.check()
    assert report["clips"] == report["readable"] == 3
    assert report["misnamed"] == ["AudioData/DC/sa16.wav", "AudioData/XY/a02.wav"]
    assert report["unreadable"] == report["missing"] == report["duplicates"] == []


def test_a_whole_savee_has_480_clips_and_missing_names_the_holes(tmp_path):
    for speaker in ("DC", "JE", "JK", "KL"):
        for code, count in {"a": 15, "d": 15, "f": 15, "h": 15, "n": 30, "sa": 15, "su": 15}.items():
            for number in range(1, count + 1):
                touch(tmp_path / f"AudioData/{speaker}/{code}{number:02d}.wav")
    corpus = datasets.corpus("savee", tmp_path)
    clips = corpus.clips()
    assert len(clips) == clips["take"].nunique() == corpus.card.n_clips
    assert clips.groupby("speaker")["emotion"].value_counts().unique().tolist() == [30, 15]
    assert set(clips["speaker"]) == set(corpus.card.speakers)
    assert corpus.missing(corpus.files()) == []
    for name in ("JE/n30", "JE/sa07"):
        (tmp_path / f"AudioData/{name}.wav").unlink()
    touch(tmp_path / "AudioVisualClip/JE/a1.avi")  # one film is a selection, not a series
    assert corpus.missing(corpus.files()) == ["JE-n30.wav", "JE-sa07.wav"]


def test_the_lag_of_joined_films_is_measured_too(tmp_path):
    noise = 0.1 * np.random.default_rng(0).uniform(-1, 1, RATE)
    soundfile.write(touch(tmp_path / "AudioData/DC/a01.wav"), noise, RATE)
    film(tmp_path / "AudioVisualClip/DC/a1.avi", waveform=np.concatenate([np.zeros(400), noise]))
    table = datasets.corpus("savee", tmp_path).alignment()
    assert table["take"].tolist() == ["savee-DC-a01"]
    assert table["lag_ms"].item() == pytest.approx(25, abs=0.1)


# CREMA-D

SUMMARY = """"","FileName","VoiceVote","VoiceLevel","FaceVote","FaceLevel","MultiModalVote","MultiModalLevel"
"1","1001_DFA_ANG_XX","A","60","A:D","40:60","A","70"
"2","1002_IEO_HAP_LO","N","71.67","H","57","H","57.38"
"""
COUNTS = """"","A","D","F","H","N","S","fileName","numResponses","agreement","emoVote"
"100001",6,2,0,0,2,0,"1001_DFA_ANG_XX",10,0.6,"A"
"200001",4,4,0,0,0,0,"1001_DFA_ANG_XX",8,0.5,"A:D"
"300001",9,1,0,0,0,0,"1001_DFA_ANG_XX",10,0.9,"A"
"""
PEOPLE = '"ActorID","Age","Sex","Race","Ethnicity"\n1001,51,"Male","Caucasian","Not Hispanic"\n'


@pytest.fixture
def crema(tmp_path):
    """One performance as flv, mp3 and wav, one as mp3 only, one without votes; the published tables."""
    for name in ("VideoFlash/1001_DFA_ANG_XX.flv", "AudioMP3/1001_DFA_ANG_XX.mp3", "AudioWAV/1001_DFA_ANG_XX.wav",
                 "AudioMP3/1002_IEO_HAP_LO.mp3", "mp4/1003_TAI_SAD_XX.mp4", "AudioWAV/1040_ITH_SAD_X.wav"):  # fmt: skip
        touch(tmp_path / name)
    touch(tmp_path / "processedResults/summaryTable.csv").write_text(SUMMARY)
    (tmp_path / "VideoDemographics.csv").write_text(PEOPLE)
    return tmp_path


def test_cremad_joins_the_files_of_a_performance(crema):
    clips = datasets.corpus("cremad", crema).clips().set_index("clip")
    assert clips.index.tolist() == ["1001_DFA_ANG_XX", "1002_IEO_HAP_LO", "1003_TAI_SAD_XX"]
    first, second, third = (clips.loc[name] for name in clips.index)
    assert first["path"].endswith(".flv")
    assert first["audio_path"].endswith(".wav")
    assert first[["emotion", "intensity", "speaker", "sex", "text", "age", "race"]].tolist() == [
        "angry", "unspecified", "cremad-1001", "male", "Don't forget a jacket", 51, "Caucasian",
    ]  # fmt: skip
    assert second["path"] == ""
    assert second["audio_path"].endswith(".mp3")
    assert second[["intensity", "sex", "race"]].tolist() == ["low", "", ""]
    assert np.isnan(second["age"])
    assert third["path"] == third["audio_path"]


def test_the_target_says_whose_label_it_is(crema):
    (crema / "processedResults/tabulatedVotes.csv").write_text(COUNTS)

    def labels(target):
        return datasets.corpus("cremad", crema, target=target).clips()["emotion"].tolist()

    assert labels("intended") == ["angry", "happy", "sad"]
    assert labels("vote_audio") == ["angry", "neutral", ""]
    assert labels("vote_video") == ["", "happy", ""]
    assert labels("vote_audiovisual") == ["angry", "happy", ""]
    first = datasets.corpus("cremad", crema).clips().iloc[0]
    assert first["vote_video"] == "angry:disgust"
    assert first["vote_video_level"] == pytest.approx(0.5)
    assert first[["vote_audio_agreement", "vote_video_agreement", "vote_audiovisual_raters"]].tolist() == [0.6, 0.5, 10]
    heard = datasets.corpus("cremad", crema, target="vote_audio").clips().head(1)
    assert votes.shares(heard, ["neutral", "angry", "disgust"])[0].tolist() == pytest.approx([0.2, 0.6, 0.2])
    seen = datasets.corpus("cremad", crema, target="vote_audiovisual").clips().head(1)
    assert votes.shares(seen, ["neutral", "angry", "disgust"])[0].tolist() == pytest.approx([0, 0.9, 0.1])
    assert not votes.counted(datasets.corpus("cremad", crema).clips())
    with pytest.raises(WorkbenchError, match="choose from intended, vote_audio, vote_audiovisual, vote_video"):
        datasets.corpus("cremad", crema, target="crowd")


def test_clips_without_a_label_are_counted_and_not_selected(crema):
    corpus = datasets.corpus("cremad", crema, target="vote_video")
    counted = corpus.votes().set_index("target")
    assert counted.loc["vote_video", ["clips", "labelled", "tied", "without"]].tolist() == [3, 1, 1, 1]
    assert counted.loc["vote_audio", "as_intended"] == 0.5
    _, report = relabel(corpus.clips(), "six")
    assert report.set_index("emotion").loc["", "clips"] == 2
    assert select(corpus.clips(), "audio")["clip"].tolist() == ["1002_IEO_HAP_LO"]


def test_the_counted_votes_serve_alone_and_the_intended_label_needs_none(crema):
    (crema / "processedResults/summaryTable.csv").unlink()
    assert datasets.corpus("cremad", crema).clips()["emotion"].tolist() == ["angry", "happy", "sad"]
    with pytest.raises(WorkbenchError, match=r"expected summaryTable.csv \(or tabulatedVotes.csv\) below"):
        datasets.corpus("cremad", crema, target="vote_audio").clips()
    (crema / "tabulatedVotes.csv").write_text(COUNTS)
    assert datasets.corpus("cremad", crema, target="vote_audio").clips()["emotion"].tolist() == ["angry", "", ""]


def test_counts_that_are_no_numbers_are_not_known(crema):
    (crema / "tabulatedVotes.csv").write_text(COUNTS.replace(",8,0.5,", ",eight,,"))
    row = datasets.corpus("cremad", crema).clips().set_index("clip").loc["1001_DFA_ANG_XX"]
    assert row["vote_video"] == "angry:disgust"
    assert row[["vote_video_agreement", "vote_video_raters"]].isna().all()
    assert row["vote_audio_raters"] == 10


def test_a_table_of_votes_without_a_column_is_named(crema):
    (crema / "processedResults/summaryTable.csv").write_text(SUMMARY.replace("FaceVote", "Visage"))
    with pytest.raises(WorkbenchError, match=r"summaryTable.csv: expected columns FaceVote, found .*'Visage'"):
        datasets.corpus("cremad", crema).clips()


def test_cremad_misnamed_and_missing(crema):
    names = cremad._published("1008")
    assert len(names) == 82 - 6
    for name in names[3:]:
        touch(crema / f"AudioWAV/{name}.wav")
    corpus = datasets.corpus("cremad", crema)
    assert corpus.missing(corpus.files()) == [f"{name}.wav" for name in sorted(names[:3])]
    assert corpus.check()["misnamed"] == ["AudioWAV/1040_ITH_SAD_X.wav"]


def test_a_clone_without_git_lfs_is_told_what_it_lacks(tmp_path):
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{64 * '0'}\nsize 78572\n"
    touch(tmp_path / "AudioWAV/1001_DFA_ANG_XX.wav").write_text(pointer)
    (said,) = datasets.corpus("cremad", tmp_path).check()["unreadable"]
    assert "1001_DFA_ANG_XX.wav: expected a recording that decodes, found a Git LFS pointer: run `git lfs pull`" in said


@pytest.fixture(scope="module")
def published_cremad(shared, tmp_path_factory):
    """All 7,442 names that were published, as empty files, with the real tables."""
    root = tmp_path_factory.mktemp("cremad")
    for name in ("summaryTable.csv", "VideoDemographics.csv", "SentenceFilenames.csv"):
        shutil.copy(shared / "data/cremad" / name, root)
    (root / "AudioWAV").mkdir()
    for name in pd.read_csv(root / "SentenceFilenames.csv")["Filename"]:
        (root / "AudioWAV" / f"{name}.wav").touch()
    return root


def test_the_published_names_are_the_scheme_less_what_is_known_to_be_absent(published_cremad):
    corpus = datasets.corpus("cremad", published_cremad)
    clips = corpus.clips()
    assert len(clips) == corpus.card.n_clips == 7442
    assert set(clips["clip"]) == {name for actor in cremad.ACTORS for name in cremad._published(str(actor))}
    assert set(clips["speaker"]) == set(corpus.card.speakers)
    assert clips.drop_duplicates("speaker")["sex"].value_counts().to_dict() == {"male": 48, "female": 43}
    assert clips["age"].agg(["min", "max"]).tolist() == [20, 74]
    assert clips["emotion"].value_counts().to_dict() == dict.fromkeys(
        ["angry", "disgust", "fearful", "happy", "sad"], 1271
    ) | {"neutral": 1087}


def test_all_real_votes_are_a_label_or_a_tie(published_cremad):
    corpus = datasets.corpus("cremad", published_cremad, target="vote_audio")
    counted = corpus.votes().set_index("target")
    assert counted["tied"].to_dict() == {"vote_audio": 644, "vote_video": 470, "vote_audiovisual": 420}
    assert counted["without"].sum() == 0
    labels = corpus.clips()["emotion"].value_counts()
    assert labels.to_dict() == {
        "neutral": 3897, "angry": 986, "": 644, "fearful": 645, "disgust": 547, "sad": 370, "happy": 353,
    }  # fmt: skip
    assert counted["as_intended"].is_monotonic_increasing, "people do best with both, worst with sound alone"


def test_real_cremad_films(shared):
    corpus = datasets.corpus("cremad", shared / "data/cremad")
    report = corpus.check()
    assert report["clips"] == report["readable"] == 6
    assert report["missing"] == report["misnamed"] == report["unreadable"] == []
    assert corpus.kinds()["audio-video"] == 6


# MELD

HEAD = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime\n"


def lines(*rows):
    """Return a table of MELD: (utterance, speaker, emotion, dialogue, number) a row."""
    return HEAD + "".join(
        f'{n},"{text}",{speaker},{emotion},neutral,{dialogue},{number},8,21,"0:16:16,059","00:16:21,731"\n'
        for n, (text, speaker, emotion, dialogue, number) in enumerate(rows)
    )


@pytest.fixture
def series(tmp_path):
    """Tables of all three sides; some films as published, with those that no row names."""
    tmp_path = tmp_path / "test_of_meld"
    touch(tmp_path / "train_sent_emo.csv").write_text(
        lines(("Hi  there", "Ross", "joy", 0, 0), ("No.", " joey ", "anger", 0, 1), ("Oh", "All", "surprise", 1, 0))
    )
    (tmp_path / "dev_sent_emo.csv").write_text(lines(("Yes", "Rachel", "neutral", 110, 7)))
    (tmp_path / "test_sent_emo.csv").write_text(
        lines(("Go", "Ross", "fear", 0, 0), ("Aha", "Phoebe", "sadness", 0, 1), ("Hm", "The Man", "disgust", 1, 0))
    )
    for name in ("train/train_splits/dia0_utt0.mp4", "dev/dev_splits_complete/dia66_utt9.mp4",
                 "test/output_repeated_splits_test/dia0_utt0.mp4", "train/train_splits/dia0_utt0.wav",
                 "test/output_repeated_splits_test/final_videos_testdia0_utt0.mp4",
                 "test/output_repeated_splits_test/final_videos_testdia0_utt1.mp4",
                 "test/output_repeated_splits_test/._dia0_utt0.mp4", "elsewhere/dia0_utt1.mp4",
                 "train/train_splits/final_videos_testdia0_utt1.mp4"):  # fmt: skip
        touch(tmp_path / name)
    return datasets.corpus("meld", tmp_path)


def test_a_meld_clip_is_a_row_with_its_film_where_there_is_one(series):
    clips = series.clips().set_index("clip")
    assert len(clips) == 7
    assert series.clips().columns[: len(COLUMNS)].tolist() == COLUMNS
    first = clips.loc["train-dia0_utt0"]
    assert first["path"].endswith("train_splits/dia0_utt0.mp4")
    assert first["audio_path"].endswith("train_splits/dia0_utt0.wav")
    assert first[["emotion", "speaker", "sex", "text", "usage", "dialogue", "utterance", "take"]].tolist() == [
        "happy", "meld-Ross", "male", "Hi there", "train", "train-dia0", 0, "meld-train-dia0_utt0",
    ]  # fmt: skip
    assert first[["start", "episode_start", "episode_end"]].tolist() == [0, 976.059, 981.731]
    assert clips.loc["test-dia0_utt0", "path"].endswith("test/dia0_utt0.mp4".replace("test/", "_test/"))
    assert clips.loc["test-dia0_utt1", "path"].endswith("final_videos_testdia0_utt1.mp4")
    assert clips.loc["train-dia0_utt1", ["path", "audio_path", "speaker"]].tolist() == ["", "", "meld-Joey"]
    assert clips.loc["dev-dia110_utt7", "usage"] == "validation"
    assert clips.loc["train-dia1_utt0", "sex"] == ""


def test_meld_check_tells_rows_without_film_and_films_without_row(series):
    report = series.check()
    assert report["missing"] == ["dev-dia110_utt7", "test-dia1_utt0", "train-dia0_utt1", "train-dia1_utt0"]
    assert report["misnamed"] == [
        "dev/dev_splits_complete/dia66_utt9.mp4",
        "elsewhere/dia0_utt1.mp4",
        "train/train_splits/final_videos_testdia0_utt1.mp4",
    ], "hidden files, which archives made on a Mac hold, are nobody's"


def test_meld_without_its_tables_and_with_an_unknown_emotion(tmp_path):
    touch(tmp_path / "train_splits/dia0_utt0.mp4")
    with pytest.raises(WorkbenchError, match=r"expected train_sent_emo.csv, dev_sent_emo.csv, test_sent_emo.csv below"):
        datasets.corpus("meld", tmp_path).clips()
    (tmp_path / "dev_sent_emo.csv").write_text(lines(("Hi", "Ross", "joy", 0, 0), ("Ho", "Ross", "fear", 0, 0)))
    with pytest.raises(WorkbenchError, match="expected one row a clip, found 1 more, such as of dev-dia0_utt0"):
        datasets.corpus("meld", tmp_path).clips()
    (tmp_path / "dev_sent_emo.csv").write_text(lines(("Hi", "Ross", "bliss", 0, 0)))
    with pytest.raises(WorkbenchError, match=r"dev_sent_emo.csv: unknown emotions \['bliss'\]"):
        datasets.corpus("meld", tmp_path).clips()


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "cp1252", "latin-1"])
def test_every_encoding_of_the_tables_gives_the_same_text(tmp_path, codec):
    apostrophe = "\x92" if codec in ("utf-8", "latin-1") else "\u2019"  # as a control character, in some releases
    text = lines((f"It{apostrophe}s a caf\u00e9", "Ross", "joy", 0, 0))
    (tmp_path / "train_sent_emo.csv").write_bytes(text.encode(codec))
    row = datasets.corpus("meld", tmp_path).clips().iloc[0]
    assert row["text"] == "It\u2019s a caf\u00e9"
    assert row["clip"] == "train-dia0_utt0"


def test_a_byte_that_no_encoding_has_is_an_error_that_names_the_file(tmp_path):
    (tmp_path / "train_sent_emo.csv").write_bytes(lines(("\u00e9\x81", "Ross", "joy", 0, 0)).encode("latin-1"))
    with pytest.raises(WorkbenchError, match=r"train_sent_emo.csv: expected a table"):
        datasets.corpus("meld", tmp_path).clips()


def test_times_are_seconds_and_nonsense_is_nan():
    seconds = meld._seconds(pd.Series(["00:16:16,059", "0:05:52.435", "", "soon"])).tolist()
    assert seconds[:2] == pytest.approx([976.059, 352.435])
    assert np.isnan(seconds[2:]).all()


@pytest.fixture(scope="module")
def real_meld(shared):
    return datasets.corpus("meld", shared / "data/meld")


def test_real_meld_tables(real_meld):
    clips = real_meld.clips()
    assert len(clips) == real_meld.card.n_clips == 13708
    assert clips["usage"].value_counts().to_dict() == {"train": 9989, "test": 2610, "validation": 1109}
    assert clips["dialogue"].nunique() == 1432
    assert "train-dia60" not in set(clips["dialogue"])
    assert clips["emotion"].value_counts().to_dict() == {
        "neutral": 6436, "happy": 2308, "surprised": 1636, "angry": 1607, "sad": 1002, "disgust": 361, "fearful": 358,
    }  # fmt: skip
    assert clips["take"].is_unique
    assert clips[["episode_start", "episode_end"]].notna().all().all()
    length = (clips["episode_end"] - clips["episode_start"]).set_axis(clips["clip"])
    assert sorted(length[length > 60].index) == ["test-dia220_utt0", "test-dia38_utt4"]
    assert length[length <= 0].index.tolist() == ["test-dia155_utt3"]
    assert not clips["text"].str.contains("[\x80-\x9f]").any()
    assert len(real_meld.missing([])) == 13708


def test_the_official_split_shares_speakers_as_the_card_says(real_meld):
    clips = real_meld.clips()
    known = set(clips.loc[clips["usage"] == "train", "speaker"])
    said = {}
    for usage in ("validation", "test"):
        side = clips[clips["usage"] == usage]
        shared = side["speaker"].isin(known)
        said[usage] = f"{side.loc[shared, 'speaker'].nunique()} of {side['speaker'].nunique()}"
        assert f"{round(100 * shared.mean())} %" == {"validation": "97 %", "test": "96 %"}[usage]
    assert said == {"validation": "33 of 47", "test": "69 of 100"}
    defects = " ".join(real_meld.card.known_defects)
    assert "33 of 47 on the validation side (97 %" in defects
    assert "69 of 100 on the test side (96 %" in defects


def test_speakers_of_unknown_sex_stay_in_a_study_with_few_speakers(real_meld):
    study = dataclasses.replace(studies.load("thread"), profiles={"smoke": {"speakers": 6}})
    plan = planning.plan(study, real_meld, profile="smoke")
    sexes = plan.takes.drop_duplicates("speaker")["sex"].value_counts().to_dict()
    assert sexes == {"": 2, "female": 2, "male": 2}


# What they share


def test_the_table_nearest_to_the_root_is_read(tmp_path):
    for folder in ("a/b", "c"):
        touch(tmp_path / folder / "votes.csv")
    assert files.find_table(tmp_path, "votes.csv") == tmp_path / "c/votes.csv"
    assert files.find_table(tmp_path, "none.csv") is None


def test_the_first_file_of_a_kind_counts_and_the_order_of_the_suffixes_decides(tmp_path):
    rows = [{"clip": "a", "n": n, "file": tmp_path / name} for n, name in enumerate(["1/a.WAV", "2/a.wav", "a.mp4"])]
    one = files.joined(rows, films=(".avi", ".mp4"), sounds=(".wav", ".mp4"))
    assert one == [{"clip": "a", "n": 0, "path": str(tmp_path / "a.mp4"), "audio_path": str(tmp_path / "1/a.WAV")}]


def test_a_film_made_here_is_a_recording(tmp_path):
    assert media.probe(film(tmp_path / "a.avi")).has_sound


def test_a_study_on_the_crowd_s_votes_is_not_one_on_the_intended_emotion(shared):
    """Names of results and runs hold the target, so that two kinds of truth never mix."""
    root = shared / "data" / "cremad"
    intended, heard = cremad.Cremad(root), cremad.Cremad(root, target="vote_audio")
    assert (intended.label, heard.label) == ("cremad", "cremad:vote_audio")
    plans = [planning.plan(studies.load("thread"), corpus) for corpus in (intended, heard)]
    assert plans[0].takes["emotion"].tolist() != plans[1].takes["emotion"].tolist()
