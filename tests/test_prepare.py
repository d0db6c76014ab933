"""Preparation: real clips and bad ones; nothing stops a batch, nothing done is lost, nothing is done twice."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workbench import media, prepare
from workbench.prepare import Recipe, prepare_clip, usable
from workbench.store import Store

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
    assert np.allclose(arrays["waveform"] / 32767, waveform, atol=1e-4)
    assert row["faces"] == 1
    assert row["faces_found"] == 1.0


def test_the_recipe_says_how_many_frames_how_large_and_how_many_coefficients(tiny):
    clip = tiny.clips().iloc[0].to_dict()
    _, arrays, _ = prepare_clip(clip, Recipe(n_frames=4, size=32, n_mfcc=13))
    assert arrays["frames"].shape == (4, 32, 32, 3)
    assert arrays["mfcc"].shape[1] == 13
    assert Recipe(size=32).key != Recipe().key == Recipe().key


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
    assert set(usable(store, clips, "audiovisual")["clip"]) == {"two_faces", "good"}
    assert set(usable(store, clips, "video")["clip"]) == {"two_faces", "good", "no_sound", "silent"}


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
