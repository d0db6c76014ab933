"""FER2013, CK+ and RaFD: trees shaped as they are published, read, checked, and told what they lack."""

from __future__ import annotations

import os
import shutil

import cv2
import numpy as np
import pytest

from workbench import datasets, media, splits
from workbench.datasets import ckplus, fer2013, pixels, votes
from workbench.datasets.base import COLUMNS
from workbench.errors import WorkbenchError

GREYS = iter(range(10**6))


def picture(path, *, side=48):
    """Write a picture unlike every other one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = np.random.default_rng(next(GREYS)).integers(0, 255, (side, side), dtype=np.uint8)
    path.write_bytes(cv2.imencode(path.suffix, grey)[1].tobytes())
    return path


def text(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


# FER2013: the table

USAGES = ("Training", "Training", "PublicTest", "PrivateTest", "Training", "Training", "Training")
CODES = (0, 2, 4, 6, 3, 5, 1)
SPELT = ("angry", "fearful", "sad", "neutral", "happy", "surprised", "disgust")


@pytest.fixture
def greys():
    return np.random.default_rng(1).integers(0, 256, (len(CODES), 48, 48), dtype=np.uint8)


def write_table(path, greys, *, columns=("emotion", "pixels", "Usage")):
    rows = zip(CODES, (" ".join(map(str, grey.ravel())) for grey in greys), USAGES, strict=True)
    named = (dict(zip(("emotion", "pixels", "Usage"), map(str, row), strict=True)) for row in rows)
    lines = [",".join(columns), *(",".join(row[name.strip()] for name in columns) for row in named)]
    return text(path, "\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("fer2013/fer2013.csv", ("emotion", "pixels", "Usage")),
        ("icml_face_data.csv", ("emotion", " Usage", " pixels")),
    ],
)
def test_the_table_is_unpacked_once_without_loss(tmp_path, greys, name, columns):
    write_table(tmp_path / name, greys, columns=columns)
    clips = datasets.corpus("fer2013", tmp_path).clips()
    assert list(clips.columns[: len(COLUMNS)]) == COLUMNS
    assert clips["clip"].tolist() == [f"fer{row:07d}" for row in range(len(CODES))]
    assert tuple(clips["emotion"]) == SPELT
    assert clips["usage"].tolist() == ["train", "train", "validation", "test", "train", "train", "train"]
    assert set(clips["speaker"]) == {""}
    assert clips["take"].is_unique
    for path, grey in zip(clips["path"], greys, strict=True):
        frames, _ = media.read_frames(path, [0.0])
        np.testing.assert_array_equal(frames[0], np.repeat(grey[..., None], 3, axis=2))
    times = {path: os.stat(path).st_mtime_ns for path in clips["path"]}
    again = datasets.corpus("fer2013", tmp_path).clips()
    assert {path: os.stat(path).st_mtime_ns for path in again["path"]} == times
    assert not list(tmp_path.rglob(".*"))


def test_unpacking_is_taken_up_where_it_stopped(tmp_path, greys, monkeypatch):
    write_table(tmp_path / "fer2013.csv", greys)
    write, written = pixels._write, []

    def until_the_power_fails(path, grey):
        if len(written) == 3:
            path.parent.mkdir(parents=True)
            path.with_suffix(".unfinished").write_bytes(b"half a pict")
            raise KeyboardInterrupt
        written.append(path)
        write(path, grey)

    monkeypatch.setattr(pixels, "_write", until_the_power_fails)
    with pytest.raises(KeyboardInterrupt):
        datasets.corpus("fer2013", tmp_path).clips()
    assert not (tmp_path / "fer2013_pictures").exists()
    times = [path.stat().st_mtime_ns for path in written]
    monkeypatch.setattr(pixels, "_write", write)
    corpus = datasets.corpus("fer2013", tmp_path)
    assert len(corpus.clips()) == len(CODES)
    kept = [tmp_path / "fer2013_pictures" / path.relative_to(path.parents[2]) for path in written]
    assert [path.stat().st_mtime_ns for path in kept] == times
    assert corpus.check()["readable"] == len(CODES)
    assert not list(tmp_path.rglob("*.unfinished"))


def test_a_picture_that_went_after_unpacking_is_missing(tmp_path, greys):
    write_table(tmp_path / "fer2013.csv", greys)
    corpus = datasets.corpus("fer2013", tmp_path)
    os.remove(corpus.clips()["path"][4])
    assert corpus.check() | {"duplicates": 0} == {
        "clips": 6, "readable": 6, "missing": ["fer0000004"], "unreadable": [], "duplicates": 0, "misnamed": [],
        "similar_speakers": [],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (
            lambda lines: [*lines[:-1], lines[-1][:500]],
            r"line 8: expected .* 2304 grey levels.*found emotion '1', \d+ ",
        ),
        (lambda lines: [*lines[:3], "7" + lines[3][1:], *lines[4:]], "line 4: expected an emotion from 0 to 6.*'7'"),
        (lambda lines: [lines[0], lines[1].replace(" ", " 256 ", 1), *lines[2:]], "line 2: .*2305 grey levels"),
        (lambda lines: [lines[0].replace("pixels", "image"), *lines[1:]], "found no pixels"),
    ],
)
def test_a_table_that_is_not_whole_is_refused_by_line(tmp_path, greys, spoil, said):
    table = write_table(tmp_path / "fer2013.csv", greys)
    table.write_text("\n".join(spoil(table.read_text().splitlines())))
    with pytest.raises(WorkbenchError, match=rf"fer2013\.csv: .*{said}"):
        datasets.corpus("fer2013", tmp_path).clips()


def test_a_table_without_rows_is_refused(tmp_path):
    (tmp_path / "fer2013.csv").write_text("emotion,pixels,Usage\n")
    with pytest.raises(WorkbenchError, match="expected a picture a row, found no rows"):
        datasets.corpus("fer2013", tmp_path).clips()


def test_where_the_pictures_cannot_be_written_the_table_says_so(tmp_path, greys):
    table = write_table(tmp_path / "fer2013.csv", greys)
    (tmp_path / f".fer2013_pictures.{table.stat().st_size}.part").write_text("in the way")
    with pytest.raises(WorkbenchError, match=r"fer2013\.csv: .*cannot be written .*copy the table"):
        datasets.corpus("fer2013", tmp_path).clips()


def test_pictures_of_another_table_are_not_taken_for_these(tmp_path, greys):
    table = write_table(tmp_path / "fer2013.csv", greys)
    datasets.corpus("fer2013", tmp_path).clips()
    table.write_text(table.read_text() + table.read_text().splitlines()[1])
    with pytest.raises(WorkbenchError, match="remove the folder to unpack again"):
        datasets.corpus("fer2013", tmp_path).clips()


# FER2013: the folders

VOTES = """Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF
Training,fer0000000.png,4,0,0,1,3,2,0,0,0,0
Training,fer0000001.png,0,0,0,0,0,0,0,9,1,0
PublicTest,fer0000002.png,5,5,0,0,0,0,0,0,0,0
PrivateTest,,0,0,0,0,0,0,0,0,0,10
Training,fer0000004.png,0,1,2,0,0,0,1,0,6,0
Training,fer0000005.png,0,10,0,0,0,0,0,0,0,0
Training,fer0000006.png,0,0,1,0,0,0,9,0,0,0
"""


VOTED = ("neutral", "happy", "surprised", "sad", "angry", "disgust", "fearful", "contempt")


def test_folders_by_word_and_by_digit_with_the_official_usage(tmp_path):
    picture(tmp_path / "train/happy/Training_3908.jpg")
    picture(tmp_path / "train/fear/PublicTest_17.jpg")
    picture(tmp_path / "test/6/PrivateTest_4.png")
    picture(tmp_path / "validation/0/im7.png")
    picture(tmp_path / "train/0/im7.png")
    picture(tmp_path / "train/bored/Training_9.jpg")
    corpus = datasets.corpus("fer2013", tmp_path)
    clips = corpus.clips().set_index("clip")
    assert clips["emotion"].to_dict() == {
        "Training_3908": "happy", "PublicTest_17": "fearful", "PrivateTest_4": "neutral", "validation-0-im7": "angry",
        "train-0-im7": "angry",
    }  # fmt: skip
    assert clips.loc["PublicTest_17", "usage"] == "validation"
    assert clips.loc["validation-0-im7", "usage"] == "validation"
    assert corpus.check()["misnamed"] == ["train/bored/Training_9.jpg"]
    shutil.copy(tmp_path / "train/happy/Training_3908.jpg", tmp_path / "train/fear/Training_3908.jpg")
    with pytest.raises(WorkbenchError, match=r"two clips are called 'Training_3908': .*fear.* and .*happy"):
        corpus.clips()


def test_ferplus_takes_the_most_votes_and_keeps_what_has_no_winner(tmp_path, greys):
    write_table(tmp_path / "fer2013.csv", greys)
    text(tmp_path / "fer2013new.csv", VOTES)
    clips = datasets.corpus("fer2013", tmp_path, target="ferplus").clips()
    assert clips["emotion"].tolist() == ["neutral", "contempt", "", "", "", "happy", "fearful"]
    assert clips["vote"].value_counts().to_dict() == {
        "neutral": 1, "contempt": 1, "tie": 1, "NF": 1, "unknown": 1, "happiness": 1, "fear": 1,
    }  # fmt: skip
    assert clips["agreement"].tolist() == [0.4, 0.9, 0.5, 1.0, 0.6, 1.0, 0.9]
    assert len(datasets.select(clips, "video")) == 4
    labelled = clips[clips["emotion"] != ""]
    assert votes.counted(clips) == votes.columns(VOTED)
    assert labelled.iloc[0][votes.columns(VOTED)].tolist() == [4, 0, 0, 1, 3, 2, 0, 0]
    # Votes for unknown, no face or a class that is not asked for are left out.
    found = votes.shares(labelled, ["neutral", "happy", "angry", "fearful", "contempt"])
    np.testing.assert_allclose(found, [[4 / 7, 0, 3 / 7, 0, 0], [0, 0, 0, 0, 1], [0, 1, 0, 0, 0], [0, 0, 0, 1, 0]])
    with pytest.raises(WorkbenchError, match=r"3 of 4 clips \(such as 'fer0000001'\) have no vote for any of neutral"):
        votes.shares(labelled, ["neutral", "angry"])
    with pytest.raises(WorkbenchError, match="'fer2013' come without a crowd's votes, which targets: votes needs"):
        votes.shares(datasets.corpus("fer2013", tmp_path).clips(), ["neutral", "happy"])


def test_ferplus_folders_get_their_original_labels_from_the_table(tmp_path, greys):
    text(tmp_path / "fer2013new.csv", VOTES)
    for row in (0, 1, 2, 4, 6):
        folder = {"Training": "FER2013Train", "PublicTest": "FER2013Valid"}[USAGES[row]]
        picture(tmp_path / folder / f"fer{row:07d}.png")
    voted = datasets.corpus("fer2013", tmp_path, target="ferplus").clips()
    assert voted["usage"].tolist() == ["train", "train", "validation", "train", "train"]
    assert voted["emotion"].tolist() == ["neutral", "contempt", "", "", "fearful"]
    assert set(datasets.corpus("fer2013", tmp_path).clips()["emotion"]) == {""}  # no table: no original label
    write_table(tmp_path / "fer2013.csv", greys)
    assert datasets.corpus("fer2013", tmp_path).clips()["emotion"].tolist() == [SPELT[i] for i in (0, 1, 2, 4, 6)]


def test_ferplus_says_what_it_lacks(tmp_path):
    picture(tmp_path / "train/happy/Training_3908.jpg")
    with pytest.raises(WorkbenchError, match=r"expected fer2013new\.csv below"):
        datasets.corpus("fer2013", tmp_path, target="ferplus").clips()
    text(tmp_path / "fer2013new.csv", VOTES)
    with pytest.raises(WorkbenchError, match=r"1 of 1 pictures \(such as .*Training_3908\.jpg\) have no row"):
        datasets.corpus("fer2013", tmp_path, target="ferplus").clips()
    text(tmp_path / "fer2013new.csv", VOTES.replace("9,1,0", "x,1,0"))
    with pytest.raises(WorkbenchError, match="expected ten columns of votes, found 1 rows"):
        fer2013.read_votes(tmp_path / "fer2013new.csv")
    with pytest.raises(WorkbenchError, match="unknown target of 'fer2013' 'votes': choose from fer, ferplus"):
        datasets.corpus("fer2013", tmp_path, target="votes")


def test_without_known_speakers_no_speaker_disjoint_split_is_made(tmp_path):
    for emotion in ("happy", "sad"):
        for n in range(6):
            picture(tmp_path / f"train/{emotion}/Training_{n + 10 * len(emotion)}.jpg")
    clips = datasets.corpus("fer2013", tmp_path).clips()
    for protocol in ("speaker-disjoint", "speaker-pairs", "leave-one-speaker-out"):
        with pytest.raises(
            WorkbenchError, match=r"12 of 12 clips have no speaker label, .*only protocol 'random' can be used"
        ):
            splits.make_folds(clips, protocol)
    assert len(splits.make_folds(clips, "random", n_folds=3)) == 3
    assert any("no speaker-disjoint split" in defect for defect in datasets.CORPORA["fer2013"].card.known_defects)


def test_real_fer2013(shared):
    corpus = datasets.corpus("fer2013", shared / "data/fer2013")
    clips = corpus.clips()
    assert clips["usage"].value_counts().to_dict() == {"train": 3010, "validation": 350, "test": 350}
    assert set(clips["emotion"].value_counts()) == {530}
    report = corpus.check()
    assert (report["clips"], report["readable"], report["misnamed"]) == (3710, 3710, [])
    usage = clips.set_index("clip")["usage"]
    across = [
        names for names in report["duplicates"] if usage[[name[:-4].split("/")[2] for name in names]].nunique() > 1
    ]
    assert (len(report["duplicates"]), len(across)) == (83, 31)  # the official split leaks


# CK+

SEQUENCES = {("S005", "001"): (3, 11), ("S010", "004"): (7, 17), ("S999", "003"): (None, 4)}


@pytest.fixture
def sequences(tmp_path):
    """Two labelled sequences and one without a label, as the four archives unpack."""
    for (person, session), (code, n) in SEQUENCES.items():
        name = f"{person}_{session}_{n:08d}"
        for frame in range(1, n + 1):
            picture(tmp_path / f"cohn-kanade-images/{person}/{session}/{person}_{session}_{frame:08d}.png", side=16)
        text(tmp_path / f"FACS/{person}/{session}/{name}_facs.txt", "   1.0e+00   2.0e+00\n   2.5e+01   0.0e+00\n")
        text(tmp_path / f"Landmarks/{person}/{session}/{name}_landmarks.txt", "1 2\n")
        if code is not None:
            text(tmp_path / f"Emotion/{person}/{session}/{name}_emotion.txt", f"   {code:.7e}\n")
    return tmp_path


def test_a_sequence_is_a_clip_with_its_codes(sequences):
    corpus = datasets.corpus("ckplus", sequences)
    clips = corpus.clips().set_index("clip")
    assert clips["emotion"].to_dict() == {"S005_001": "disgust", "S010_004": "surprised", "S999_003": ""}
    one = clips.loc["S005_001"]
    assert (one["speaker"], one["take"], one["n_frames"], one["apex"]) == ("ckplus-S005", "ckplus-S005_001", 11, 11)
    assert one["facs"] == "1:b 25"
    assert one["neutral_path"].endswith("S005_001_00000001.png")
    assert one["apex_path"].endswith("S005_001_00000011.png")
    assert media.probe(one["path"]).duration == pytest.approx(11 / 30)
    frames, _ = media.read_frames(one["path"], [0.0, 9.0])
    np.testing.assert_array_equal(frames[1], media.read_frames(one["apex_path"], [0.0])[0][0])
    assert len(datasets.select(corpus.clips(), "video")) == 2
    report = corpus.check()
    assert report == {
        "clips": 3, "readable": 3, "missing": [], "unreadable": [], "duplicates": [], "misnamed": [],
        "similar_speakers": [],
    }  # fmt: skip


def test_stills_are_the_first_picture_and_the_apex(sequences):
    corpus = datasets.corpus("ckplus", sequences, stills=True)
    clips = corpus.clips().set_index("clip")
    assert clips["emotion"].to_dict() == {
        "S005_001_00000001": "neutral", "S005_001_00000011": "disgust", "S010_004_00000001": "neutral",
        "S010_004_00000017": "surprised", "S999_003_00000001": "neutral", "S999_003_00000004": "",
    }  # fmt: skip
    assert clips.groupby("take")["view"].nunique().tolist() == [2, 2, 2]
    assert all(path.endswith(f"{clip}.png") for clip, path in clips["path"].items())
    assert clips["facs"].tolist() == ["", "1:b 25"] * 3
    assert corpus.check()["readable"] == 6
    with pytest.raises(splits.LeakError, match=r"1 speaker .* 1 take"):
        splits.audit(corpus.clips(), [0, 2], [1])


def test_holes_damage_and_strangers_in_a_sequence_are_told(sequences):
    images = sequences / "cohn-kanade-images"
    (images / "S005/001/S005_001_00000004.png").unlink()
    (images / "S010/004/S010_004_00000017.png").unlink()
    broken = images / "S999/003/S999_003_00000002.png"
    broken.write_bytes(broken.read_bytes()[:60])
    picture(images / "S999/003/apex.png")
    report = datasets.corpus("ckplus", sequences).check()
    assert report["missing"] == ["S005_001_00000004", "S010_004_00000017"]
    assert [line.split(": ")[0] for line in report["unreadable"]] == [str(broken)]
    assert report["misnamed"] == ["cohn-kanade-images/S999/003/apex.png"]
    assert (report["clips"], report["readable"]) == (3, 2)


def test_labels_that_are_none_are_refused_by_name(tmp_path):
    for content in ("8.0", "", "happy", "1 2", "1.5", "nan"):
        with pytest.raises(WorkbenchError, match=r"x_emotion\.txt: expected one code from 0 to 7"):
            ckplus.read_emotion(text(tmp_path / "x_emotion.txt", content))
    for content in ("1.0 9.0", "1.0", "1.0 -1", "one two"):
        with pytest.raises(WorkbenchError, match=r"x_facs\.txt: expected rows of an action unit"):
            ckplus.read_facs(text(tmp_path / "x_facs.txt", content))
    assert ckplus.read_facs(text(tmp_path / "x_facs.txt", " 4 5\n\n 12 1\n9 0\n")) == "4:e 12:a 9"
    assert [ckplus.read_emotion(text(tmp_path / "x_emotion.txt", f"  {n}.0000000e+00 ")) for n in (0, 2, 7)] == [
        "neutral", "contempt", "surprised",
    ]  # fmt: skip


def test_crops_of_one_sequence_share_their_take_with_it(sequences):
    for number in (15, 16, 17):
        picture(sequences / f"CK+48/surprise/S010_004_{number:08d}.png")
    corpus = datasets.corpus("ckplus", sequences)
    clips = corpus.clips()
    crops = clips[clips["layout"] == "crop"]
    assert crops["emotion"].tolist() == ["surprised"] * 3
    assert crops["clip"].tolist() == [f"S010_004_000000{n}-48" for n in (15, 16, 17)]
    assert set(crops["take"]) == set(clips.loc[clips["clip"] == "S010_004", "take"])
    assert crops["view"].is_unique
    assert corpus.check()["readable"] == 6


def test_what_was_published_is_counted_by_layout(sequences, tmp_path_factory, greys):
    assert "3 clips of 593 published" in datasets.corpus("ckplus", sequences).describe().markdown()
    stills = datasets.corpus("ckplus", sequences, stills=True)
    assert stills.published(stills.clips()) == 2 * 593
    picture(sequences / "CK+48/surprise/S010_004_00000017.png")
    assert "4 clips, of 3 takes" in datasets.corpus("ckplus", sequences).describe().markdown(), "two layouts mixed"
    crops = datasets.corpus("ckplus", sequences / "CK+48").describe()
    assert "1 clip of 981 published" in crops.markdown()
    assert "980 of 981 clips" in crops.lacks
    root = tmp_path_factory.mktemp("table")
    write_table(root / "ckextended.csv", greys)
    table = datasets.corpus("ckplus", root)
    assert table.published(table.clips()) == 920


def test_the_table_of_crops_is_unpacked_and_names_nobody(tmp_path, greys):
    write_table(tmp_path / "ckextended.csv", greys)
    corpus = datasets.corpus("ckplus", tmp_path)
    clips = corpus.clips()
    assert clips["emotion"].tolist() == ["angry", "fearful", "sad", "neutral", "happy", "surprised", "disgust"]
    assert clips["usage"].tolist()[1:4] == ["train", "validation", "test"]
    assert set(clips["speaker"]) == {""}
    assert corpus.check()["readable"] == len(CODES)


def test_a_sequence_that_is_there_twice_is_refused(sequences):
    shutil.copytree(sequences / "cohn-kanade-images", sequences / "copy")
    with pytest.raises(WorkbenchError, match=r"sequence ckplus-S005_001 is there twice: .*S005/001 and .*copy"):
        datasets.corpus("ckplus", sequences).clips()


# RaFD


def test_every_factor_of_a_rafd_name(tmp_path):
    picture(tmp_path / "Rafd045_11_Kid_female_contemptuous_left.jpg")
    picture(tmp_path / "Rafd090_73_Moroccan_male_surprised_frontal.jpg")
    picture(tmp_path / "Rafd090_73_Moroccan_male_bored_frontal.jpg")
    corpus = datasets.corpus("rafd", tmp_path)
    girl, man = corpus.clips().to_dict("records")
    assert {key: girl[key] for key in ("speaker", "sex", "emotion", "yaw", "gaze", "ethnicity", "age", "take")} == {
        "speaker": "rafd-11", "sex": "female", "emotion": "contempt", "yaw": -45, "gaze": "left",
        "ethnicity": "Caucasian", "age": "child", "take": "rafd-11-contemptuous-left",
    }  # fmt: skip
    assert (man["yaw"], man["ethnicity"], man["age"], man["emotion"]) == (0, "Moroccan", "adult", "surprised")
    assert corpus.check()["misnamed"] == ["Rafd090_73_Moroccan_male_bored_frontal.jpg"]


@pytest.fixture
def rafd(tmp_path):
    """Two models before five cameras, whole: 240 pictures."""
    for camera in ("000", "045", "090", "135", "180"):
        for model in ("01_Caucasian_female", "73_Moroccan_male"):
            for emotion in ("neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised", "contemptuous"):
                for gaze in ("frontal", "left", "right"):
                    picture(tmp_path / f"Rafd{camera}_{model}_{emotion}_{gaze}.jpg", side=8)
    return tmp_path


def test_five_cameras_of_one_instant_stay_on_one_side(rafd):
    corpus = datasets.corpus("rafd", rafd)
    clips = corpus.clips()
    assert len(clips) == 240
    assert clips["take"].nunique() == 48
    assert set(clips.groupby("take")["view"].nunique()) == {5}
    for fold in splits.make_folds(clips, "random", n_folds=3):
        assert splits.audit(clips, fold.train, fold.test, allow=("speaker",))["shared"]["take"] == 0
    assert corpus.check()["readable"] == 240


def test_a_picture_that_is_there_twice_is_refused(rafd):
    shutil.copytree(rafd, rafd / "copy")
    with pytest.raises(WorkbenchError, match=r"two clips are called 'Rafd000_01_.*': of .* and of .*copy.*; keep one"):
        datasets.corpus("rafd", rafd).clips()


def test_holes_in_a_models_series_are_missing(rafd):
    (rafd / "Rafd090_01_Caucasian_female_angry_left.jpg").unlink()
    for path in rafd.glob("Rafd180_73_*_[fhns]*_*.jpg"):
        path.unlink()  # half a series and more gone: a selection
    assert datasets.corpus("rafd", rafd).check()["missing"] == ["Rafd090_01_Caucasian_female_angry_left"]


@pytest.mark.parametrize("name", ["fer2013", "ckplus", "rafd", "folder"])
def test_how_to_get_it_is_told(name, tmp_path):
    card = datasets.CORPORA[name].card
    assert len(card.steps) >= 2
    assert card.remotes == ()
    with pytest.raises(WorkbenchError):
        datasets.fetch(name, tmp_path / "none")
