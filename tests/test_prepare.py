"""Preparation: real clips and bad ones; nothing stops a batch, nothing done is lost, nothing is done twice."""

import errno
import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from workbench import faces, media, prepare, recipes
from workbench.datasets.demo_acting import ACTION_UNITS, POSE, _stream
from workbench.datasets.demo_head import Head, features
from workbench.errors import MediaError, WorkbenchError
from workbench.prepare import prepare_clip, usable
from workbench.recipes import Recipe
from workbench.store import Store, unpack

SIZE = (15, 64, 64, 3)


def table(files, **columns):
    """Return a clip table of files, each with picture and sound."""
    paths = [str(file) for file in files]
    names = [file.stem for file in files]
    return pd.DataFrame({"clip": names, "path": paths, "audio_path": paths, "take": names, **columns})


class Folder:
    """As much of a corpus as preparation needs."""

    def __init__(self, root):
        self.root, self.card = root, type("Card", (), {"name": "folder"})


def test_a_clip_becomes_crops_mfcc_and_waveform(tiny):
    clip = tiny.clips().iloc[0]
    row, arrays, notes = prepare_clip(clip.to_dict(), Recipe())
    assert notes == []
    assert (arrays["frames"].shape, arrays["frames"].dtype) == (SIZE, np.uint8)
    assert (arrays["mfcc"].shape[1], arrays["mfcc"].dtype) == (40, np.float16)
    assert len(arrays["mfcc"]) == pytest.approx((row["speech_end"] - row["speech_start"]) * 62.5, abs=2)
    waveform = media.read_waveform(clip["audio_path"])
    speech = waveform[int(row["speech_start"] * 16000) : int(np.ceil(row["speech_end"] * 16000))]
    assert len(speech) < len(waveform)
    assert np.allclose(arrays["waveform"] / 32767, speech, atol=1e-4)
    assert row["faces"] == 1
    assert row["faces_found"] == 1.0


def test_the_recipe_says_how_many_frames_how_large_and_how_many_coefficients(tiny):
    clip = tiny.clips().iloc[0].to_dict()
    _, arrays, _ = prepare_clip(clip, Recipe(n_frames=4, size=32, n_mfcc=13))
    assert arrays["frames"].shape == (4, 32, 32, 3)
    assert arrays["mfcc"].shape[1] == 13
    assert Recipe(size=32).key != Recipe().key == Recipe().key


def test_every_recipe_prepares_a_clip_as_its_file_says(tiny):
    clip = tiny.clips().iloc[0].to_dict()
    for name in recipes.names():
        recipe = recipes.load(name)
        row, arrays, notes = prepare_clip(clip, recipe)
        assert notes == [], name
        assert set(arrays) == set(recipe.keep), name
        for picture in {"frames", "whole"} & set(arrays):
            assert unpack(arrays[picture]).shape == (recipe.n_frames, recipe.size, recipe.size, 3), name
        speech = row["speech_end"] - row["speech_start"]
        if name == "savee6":
            assert arrays["mfcc"].shape == (290, 40)
            steps = round(speech * 22050 / 512)
            assert not arrays["mfcc"][steps + 3 :].any()
            assert arrays["mfcc"][: steps - 2].any(axis=1).all()
        if name == "mrpn":
            assert arrays["spectrogram"].shape == pytest.approx((1 + speech * 16000 / 64, 257), abs=2)
            assert arrays["spectrogram"].max() == 255


def test_half_the_colour_is_half_the_bytes_and_nearly_the_same_picture(tiny):
    clip = tiny.clips().iloc[0].to_dict()
    whole, half = (prepare_clip(clip, Recipe(half_chroma=half))[1]["frames"] for half in (False, True))
    assert half.nbytes * 2 == whole.nbytes
    assert np.abs(unpack(half).astype(int) - whole).mean() < 4


def test_a_segment_of_a_long_recording_is_prepared_as_if_it_were_a_file(tiny):
    clip = tiny.clips().iloc[0].to_dict()
    whole, arrays, _ = prepare_clip(clip, Recipe())
    part, cut, notes = prepare_clip(clip | {"start": 0.2, "end": whole["speech_end"]}, Recipe())
    assert notes == []
    segment = media.read_waveform(clip["audio_path"])[3200 : round(whole["speech_end"] * 16000)]
    speech = segment[int(part["speech_start"] * 16000) : int(np.ceil(part["speech_end"] * 16000))]
    assert np.allclose(cut["waveform"] / 32767, speech, atol=1e-4)
    assert part["speech_start"] == pytest.approx(whole["speech_start"] - 0.2, abs=0.05)
    assert np.abs(cut["frames"].astype(int) - arrays["frames"]).mean() < 8
    assert part["source_time"] != whole["source_time"]


def test_given_boxes_serve_in_place_of_a_detector(tiny, tmp_path):
    clip = tiny.clips().iloc[0].to_dict()
    times = np.arange(0, 2, 1 / 25)
    frames, times = media.read_frames(clip["path"], times)
    boxes = faces.track(frames).boxes
    table = pd.DataFrame(boxes, columns=["left", "top", "right", "bottom"]).assign(time=times)
    table.to_csv(tmp_path / "boxes.csv", index=False)
    found = prepare_clip(clip, Recipe())[1]["frames"]
    _, given, notes = prepare_clip(clip | {"boxes_path": str(tmp_path / "boxes.csv")}, Recipe(detector="given"))
    assert notes == []
    assert np.abs(found.astype(int) - given["frames"]).mean() < 6
    _, arrays, notes = prepare_clip(clip, Recipe(detector="given"))
    assert "frames" not in arrays
    assert "face boxes" in notes[0]["reason"]


def test_a_still_gives_one_frame_and_a_face_needs_no_detector(tmp_path):
    picture = np.random.default_rng(0).integers(0, 255, (48, 48, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), picture)
    clip = {"clip": "a", "path": str(tmp_path / "a.png"), "audio_path": ""}
    _, arrays, notes = prepare_clip(clip, Recipe(keep=("frames",), size=48, crop="none"))
    assert notes == []
    assert np.array_equal(arrays["frames"], picture[None, ..., ::-1])


def test_landmarks_lie_on_the_face_in_the_recordings_own_pixels(tiny):
    clip = tiny.clips().iloc[0]
    recipe = Recipe(keep=("frames", "landmarks"), n_frames=5, half_chroma=True)
    row, arrays, notes = prepare_clip(clip.to_dict(), recipe)
    assert notes == []
    assert (arrays["landmarks"].shape, arrays["landmarks"].dtype) == ((5, 68, 2), np.float32)
    assert arrays["frames"].shape == (5, 96, 64), "pictures are packed, points are not"
    truth = tiny.truth(clip["clip"])
    head = Head.random(_stream(0, "head", 1), "male")
    times = np.linspace(row["speech_start"], row["speech_end"], 6)[:-1] + (row["speech_end"] - row["speech_start"]) / 10
    for points, time in zip(arrays["landmarks"], times, strict=True):
        drawn = truth.iloc[(truth["time"] - time).abs().argmin()]
        at = features(head, drawn[list(ACTION_UNITS)], tuple(drawn[list(POSE)]))
        assert np.abs(points[30] - at["nose"][0]).max() < 12
        assert np.abs(points[48:60].mean(axis=0) - at["lip_lower"].mean(axis=0)).max() < 12
    alone = prepare_clip(clip.to_dict(), Recipe(keep=("landmarks",), n_frames=5, crop="none"))[1]
    np.testing.assert_array_equal(alone["landmarks"], arrays["landmarks"])


def test_without_a_face_there_are_no_landmarks_and_the_reason_is_kept(tmp_path, data_folder):
    cv2.imwrite(str(tmp_path / "sky.png"), np.full((200, 200, 3), 200, np.uint8))
    clips = table([tmp_path / "sky.png"], start=0.0, end=np.nan).assign(audio_path="")
    store, report = prepare.prepare(Folder(tmp_path), clips, recipes.load("stills"))
    assert report["quarantined"] == 1
    assert "expected a face, found none" in store.quarantine["reason"].iloc[0]


def test_landmarks_without_their_weights_are_an_error_before_work(tiny, data_folder, monkeypatch):
    monkeypatch.setattr(faces.points, "default_weights", lambda: Path("nowhere.dat"))
    with pytest.raises(WorkbenchError, match=r"68-point weights at nowhere\.dat"):
        prepare.prepare(tiny, tiny.clips().head(1), recipes.load("stills"))


def test_without_a_face_the_whole_picture_and_the_sound_stay(tmp_path, voice):
    plain = np.full((12, 96, 96, 3), 90, np.uint8)
    path = media.write_clip(tmp_path / "a.mp4", plain, voice, fps=12, sample_rate=16000)
    clip = {"clip": "a", "path": str(path), "audio_path": str(path)}
    _, arrays, notes = prepare_clip(clip, recipes.load("light"))
    assert set(arrays) == {"whole", "waveform"}
    assert [note["left_out"] for note in notes] == ["video"]


def test_a_clip_of_which_a_recipe_keeps_nothing_is_noted_once(tiny, data_folder):
    clips = tiny.clips().head(1).assign(path="")
    store, report = prepare.prepare(tiny, clips, Recipe(keep=("frames",)))
    assert report["quarantined"] == 1
    assert "found audio_path" in store.quarantine["reason"][0]
    assert prepare.unprepared(store, clips).empty


def test_a_full_disk_is_a_clear_error_and_the_store_stays_as_it_was(tiny, data_folder, monkeypatch):
    clips = tiny.clips().head(6)
    store, _ = prepare.prepare(tiny, clips.head(2))
    before = {path: path.read_bytes() for path in store.folder.rglob("*") if path.is_file()}

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np, "save", full)
        with pytest.raises(WorkbenchError, match=r"No space left on device.*bytes are free.*make room"):
            prepare.prepare(tiny, clips)
    assert {path: path.read_bytes() for path in store.folder.rglob("*") if path.is_file()} == before
    _, report = prepare.prepare(tiny, clips)
    assert report["prepared"] == 6


@pytest.fixture
def bad_files(tmp_path, tiny, voice):
    """Recordings that fail, each in its own way, and the words that the reason must hold."""
    root = tmp_path / "bad"
    root.mkdir()
    good = tiny.clips().iloc[0]["path"]
    frames, _ = media.read_frames(good, np.linspace(0.3, 1, 12))
    plain = np.full((12, 96, 96, 3), 90, np.uint8)
    two = np.concatenate([frames, frames], axis=2)

    def write(name, pictures, sound):
        media.write_clip(root / f"{name}.mp4", pictures, sound, fps=12, sample_rate=16000)

    (root / "zero.mp4").touch()
    (root / "text.mp4").write_text("not a film")
    (root / "cut.mp4").write_bytes(Path(good).read_bytes()[:3000])
    write("no_sound", frames, None)
    write("no_picture", None, voice)
    write("no_face", plain, voice)
    write("two_faces", two, voice)
    write("silent", frames, np.zeros(16000, np.float32))
    shutil.copy(good, root / "good.mp4")
    return {
        "zero": ("", "zero bytes"), "text": ("", "expected a recording"), "cut": ("", "expected"),
        "no_sound": ("frames", "expected a sound stream"), "no_picture": ("mfcc", "expected a picture stream"),
        "no_face": ("mfcc", "expected a face, found none"), "two_faces": ("frames mfcc", "2 faces"),
        "silent": ("frames", "silent"), "good": ("frames mfcc", None),
    }, root  # fmt: skip


def test_bad_recordings_are_listed_with_the_reason_and_the_rest_goes_on(bad_files, data_folder):
    expected, root = bad_files
    clips = table(sorted(root.glob("*.mp4")))
    store, report = prepare.prepare(Folder(root), clips)
    assert report["clips"] == 9
    assert report["quarantined"] == 3
    reasons = store.quarantine.groupby("clip")["reason"].agg("; ".join)
    for name, (arrays, reason) in expected.items():
        have = {array for array in ("frames", "mfcc") if store.lengths(array, [name])[0]}
        assert have == set(arrays.split()), name
        if reason is None:
            assert name not in reasons
        else:
            assert reason in reasons[name], name
            assert f"{name}.mp4" in reasons[name], name
    assert set(usable(store, clips, "audiovisual", Recipe())["clip"]) == {"two_faces", "good"}
    assert set(usable(store, clips, "video", Recipe())["clip"]) == {"two_faces", "good", "no_sound", "silent"}
    with pytest.raises(WorkbenchError, match=r"keeps frames; audiovisual needs one of .*mfcc"):
        usable(store, clips, "audiovisual", Recipe(keep=("frames",)))
    both = recipes.load("light")
    store, _ = prepare.prepare(Folder(root), clips, both)
    assert store.lengths("whole", ["no_face"])[0] > 0
    assert "no_face" not in set(usable(store, clips, "video", both)["clip"])


@pytest.mark.parametrize(("detector", "message"), {"nobody": "choose from dlib", "yunet": "weights fetch"}.items())
def test_a_detector_that_is_not_to_be_had_is_said_before_work(tiny, data_folder, detector, message, monkeypatch):
    monkeypatch.setenv("WORKBENCH_WEIGHTS", str(data_folder / "none"))
    monkeypatch.setattr(prepare.scale, "fan_out", lambda *_, **__: pytest.fail("work has begun"))
    with pytest.raises(WorkbenchError, match=message):
        prepare.prepare(tiny, tiny.clips().head(1), Recipe(detector=detector))


def test_nothing_is_prepared_twice_but_a_changed_file_is(tiny, data_folder, tmp_path, monkeypatch):
    calls = []
    real = prepare.prepare_clip
    monkeypatch.setattr(prepare, "prepare_clip", lambda clip, recipe: calls.append(clip["clip"]) or real(clip, recipe))
    root = tmp_path / "corpus"
    root.mkdir()
    sources = [tiny.clips().iloc[i]["path"] for i in (0, 1, 2)]
    for name, source in zip("ab", sources, strict=False):
        shutil.copy(source, root / f"{name}.mp4")
    (root / "broken.mp4").write_text("no film")
    clips = table(sorted(root.glob("*.mp4")))
    prepare.prepare(Folder(root), clips)
    assert calls == ["a", "b", "broken"]
    prepare.prepare(Folder(root), clips)
    assert len(calls) == 3
    for name in ("b", "broken"):
        shutil.copy(sources[2], root / f"{name}.mp4")
    store, report = prepare.prepare(Folder(root), clips)
    assert calls[3:] == ["b", "broken"]
    assert report["quarantined"] == 0
    assert store.quarantine.empty
    assert np.array_equal(store.array("frames", "b"), store.array("frames", "broken"))


def test_an_interrupted_preparation_keeps_what_is_done_and_ends_equal(tiny, data_folder, tmp_path, monkeypatch):
    clips = tiny.clips().head(6)
    whole, _ = prepare.prepare(tiny, clips)

    def stop_after_four(done, **_):
        for number, item in enumerate(done):
            if number == 4:
                raise KeyboardInterrupt
            yield item

    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path / "other"))
    with pytest.raises(KeyboardInterrupt):
        prepare.prepare(tiny, clips, progress=stop_after_four)
    assert len(prepare.store_of(tiny, Recipe()).index) == 4
    resumed, report = prepare.prepare(tiny, clips)
    assert report["prepared"] == 6
    for clip in clips["clip"]:
        for name in ("frames", "mfcc", "waveform"):
            assert np.array_equal(whole.array(name, clip), resumed.array(name, clip)), (clip, name)


def test_two_processes_write_the_same_store(tiny, data_folder, tmp_path, monkeypatch):
    clips = tiny.clips().head(4)
    one, _ = prepare.prepare(tiny, clips)
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path / "other"))
    two, _ = prepare.prepare(tiny, clips, jobs=2)
    files = [sorted(store.folder.glob("shard-*/*.npy")) for store in (one, two)]
    assert [path.name for path in files[0]] == [path.name for path in files[1]]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(*files, strict=True))


def test_landmarks_of_real_clips(real_clips, data_folder):
    clips = table(real_clips[::4], start=0.0, end=np.nan).assign(audio_path="")
    recipe = Recipe(keep=("landmarks",), n_frames=3)
    store, report = prepare.prepare(Folder(real_clips[0].parent), clips, recipe)
    assert report["quarantined"] == 0
    for clip in clips["clip"]:
        points = store.array("landmarks", clip)
        assert points.shape == (3, 68, 2)
        eyes = points[:, 36:48].reshape(3, 2, 6, 2).mean(axis=2)
        apart, mouth = np.linalg.norm(eyes[:, 1] - eyes[:, 0], axis=1), points[:, 48:].mean(axis=1)
        assert (points[:, 30, 1] > eyes[:, :, 1].max(axis=1)).all()
        assert (mouth[:, 1] > points[:, 33, 1]).all(), "the mouth is below the nose"
        assert ((apart > 20) & (np.abs(mouth[:, 0] - eyes[:, :, 0].mean(axis=1)) < apart / 2)).all()


def test_real_clips(real_clips, data_folder):
    """Twelve real videos: a face in each, sound in all but the silent one, at most 0.6 MB each."""
    clips = table(real_clips)
    store, report = prepare.prepare(Folder(real_clips[0].parent), clips)
    assert report["quarantined"] == 0
    assert (store.lengths("frames", clips["clip"].tolist()) == 15).all()
    without = clips["clip"][store.lengths("mfcc", clips["clip"].tolist()) == 0]
    assert without.tolist() == ["02-01-04-02-02-01-05"]
    assert report["bytes"] / len(clips) <= 0.6e6
    assert Store(store.folder).quarantine["left_out"].tolist() == ["audio"]


def test_arrays_that_are_not_finite_are_refused_and_named(tiny):
    clip = tiny.clips().iloc[0].to_dict()
    recipe = recipes.load("benha", keep=("mfcc", "features"))
    _, good, notes = prepare_clip(clip, recipe)
    assert (set(good), notes) == ({"mfcc", "features"}, [])
    found = good["features"].copy()
    found[0, 0] = np.nan
    assert prepare.clip._finite("a.wav", {"features": found}), "a named feature may be missing"
    for name, value in {"mfcc": np.nan, "features": np.inf}.items():
        broken = {key: np.array(array) for key, array in good.items()}
        broken[name][0, 0] = value
        with pytest.raises(MediaError, match=f"a.wav: {name} holds 1 values that are NaN or infinite"):
            prepare.clip._finite("a.wav", broken)
