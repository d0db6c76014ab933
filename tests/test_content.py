"""Content of clips: copies are found whatever their names, containers and lossless formats; each file is read once."""

from __future__ import annotations

import shutil

import av
import cv2
import numpy as np
import pandas as pd
import pytest
import soundfile

from workbench import media, paths, splits
from workbench.datasets import Fer2013, GivenFeatures, content, corpus
from workbench.errors import Stopped

RATE = 16000


@pytest.fixture(autouse=True)
def _own_data_folder(data_folder):
    """Every test has hashes of its own."""


def noise(seed=0, seconds=0.5):
    """Return samples (n,) int16."""
    return np.random.default_rng(seed).integers(-9000, 9000, round(seconds * RATE)).astype(np.int16)


def moving(seed=0, n_frames=12, size=48):
    """Return the frames of a film that changes."""
    rng = np.random.default_rng(seed)
    base = rng.integers(0, 255, (size, size, 3), dtype=np.uint8)
    return np.stack([np.roll(base, step, axis=1) for step in range(n_frames)])


def table(*rows, **shared):
    """Return a clip table; a row is (path, audio_path) and, at will, start and end. Each clip is a take."""
    found = []
    for number, (path, audio_path, *times) in enumerate(rows):
        start, end = times or (0.0, float("nan"))
        row = {"clip": f"c{number}", "take": f"t{number}", "path": str(path or ""), "audio_path": str(audio_path or "")}
        found.append(row | {"start": start, "end": end} | shared)
    return pd.DataFrame(found)


def contents(*rows, **shared):
    return content.contents(table(*rows, **shared), "test")


def remux(source, target):
    """Copy the streams of a film into another container."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        streams = {stream: new.add_stream_from_template(stream) for stream in old.streams}
        for packet in old.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream]
                new.mux(packet)
    return target


def test_sound_is_known_in_every_lossless_format(tmp_path):
    sound, other = noise(), noise(1)
    for name, samples, subtype in (
        ("a.wav", sound, "PCM_16"),
        ("b.flac", sound, "PCM_16"),
        ("c.wav", np.stack([sound, sound], axis=1), "PCM_16"),
        ("d.wav", other, "PCM_16"),
        ("e.wav", np.stack([sound, other], axis=1), "PCM_16"),
    ):
        soundfile.write(tmp_path / name, samples, RATE, subtype)
    same, flac, twice, different, stereo = contents(
        *((None, tmp_path / f) for f in sorted(p.name for p in tmp_path.glob("?.*")))
    )
    assert same.startswith("sound:")
    assert same == flac == twice
    assert len({same, different, stereo}) == 3


def test_silence_and_a_constant_are_no_content(tmp_path):
    soundfile.write(tmp_path / "silent.wav", np.zeros(RATE), RATE)
    soundfile.write(tmp_path / "constant.wav", np.full(RATE, 0.25), RATE)
    black = media.write_clip(tmp_path / "black.mp4", np.zeros((8, 48, 48, 3), np.uint8), np.zeros(RATE), fps=25)
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((9, 9, 3), 120, np.uint8))
    rows = [(None, tmp_path / "silent.wav"), (None, tmp_path / "constant.wav"), (black, black)]
    assert contents(*rows, (tmp_path / "grey.png", None)) == ["", "", "", ""]


def test_a_picture_that_every_film_shows_throughout_is_no_content(tmp_path):
    logo = np.broadcast_to(moving()[:1], (10, 48, 48, 3))
    films = [media.write_clip(tmp_path / f"{n}.mp4", logo, noise(n) / 32768, fps=25) for n in range(2)]
    found = contents(*((film, film) for film in films))
    assert [text.split(":")[0] for text in found] == ["sound", "sound"]
    assert found[0] != found[1]


def test_films_are_known_in_every_container(tmp_path):
    film = media.write_clip(tmp_path / "a.mp4", moving(), noise() / 32768, fps=25)
    copies = [shutil.copy(film, tmp_path / "b.mp4"), remux(film, tmp_path / "c.mov"), remux(film, tmp_path / "d.mkv")]
    other = media.write_clip(tmp_path / "e.mp4", moving(1), noise(1) / 32768, fps=25)
    first, *same, different = contents(*((path, path) for path in (film, *copies, other)))
    assert [text.partition(":")[0] for text in first.split()] == ["sound", "picture"]
    assert same == [first] * 3
    assert not set(first.split()) & set(different.split())


def test_films_that_only_begin_alike_are_different(tmp_path):
    begin, ends = np.repeat(moving()[:1], 6, axis=0), (moving(1), moving(2))
    films = [
        media.write_clip(tmp_path / f"{n}.mp4", np.concatenate([begin, end]), None, fps=25)
        for n, end in enumerate(ends)
    ]
    copy = shutil.copy(films[0], tmp_path / "copy.mp4")
    first, second, third = contents(*((path, None) for path in (*films, copy)))
    assert first == third != second


def test_takes_that_begin_in_black_are_compared_by_what_follows(tmp_path):
    black = np.zeros((5, 48, 48, 3), np.uint8)
    films = [
        media.write_clip(tmp_path / f"{n}.mp4", np.concatenate([black, moving(n)]), None, fps=25) for n in range(2)
    ]
    first, second = contents(*((path, None) for path in films))
    assert first.startswith("picture:")
    assert first != second


def test_pictures_are_known_by_their_pixels(tmp_path):
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)
    for name, pixels in (("a.png", picture), ("b.bmp", picture), ("c.jpg", picture), ("e.png", picture[::-1])):
        cv2.imwrite(str(tmp_path / name), pixels)
    shutil.copy(tmp_path / "c.jpg", tmp_path / "d.jpeg")
    png, bmp, jpg, twin, other = contents(*((path, None) for path in sorted(tmp_path.glob("?.*"))))
    assert png == bmp
    assert jpg == twin
    assert len({png, jpg, other}) == 3


def test_folders_of_pictures_are_films(tmp_path):
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        (tmp_path / folder).mkdir()
        for number, frame in enumerate(moving(seed)):
            cv2.imwrite(str(tmp_path / folder / f"{number:03d}.png"), frame)
    first, second, other = contents(*((tmp_path / folder, None) for folder in "abc"))
    assert first == second != other


def test_parts_of_a_recording_have_contents_of_their_own(tmp_path):
    long = noise(seconds=4)
    soundfile.write(tmp_path / "long.wav", long, RATE)
    soundfile.write(tmp_path / "cut.wav", long[RATE : 2 * RATE], RATE)
    film = media.write_clip(tmp_path / "film.mp4", moving(n_frames=40), None, fps=10)
    rows = [(film, tmp_path / "long.wav", start, start + 1.0) for start in (0.0, 1.0, 2.0, 1.0)]
    *parts, cut = contents(*rows, (None, tmp_path / "cut.wav"))
    assert parts[1] == parts[3]
    tokens = [token for part in parts[:3] for token in part.split()]
    assert len(set(tokens)) == len(tokens) == 6
    assert cut == parts[1].split()[0]


def test_what_cannot_be_read_is_unknown_and_stops_nothing(tmp_path):
    soundfile.write(tmp_path / "good.wav", noise(), RATE)
    for name in ("broken.wav", "broken.mp4", "broken.jpg", "empty.wav"):
        (tmp_path / name).write_bytes(b"" if name == "empty.wav" else b"no recording")
    rows = [
        (None, "broken.wav"),
        ("broken.mp4", "broken.mp4"),
        ("broken.jpg", None),
        (None, "empty.wav"),
        (None, "absent.wav"),
    ]
    rows = [tuple(name and tmp_path / name for name in row) for row in rows]
    found = contents(*rows, (None, tmp_path / "good.wav"))
    assert found[:-1] == [""] * 5
    assert found[-1].startswith("sound:")


def test_each_file_is_read_once_until_it_changes(tmp_path, monkeypatch):
    files = [tmp_path / f"{number}.wav" for number in range(4)]
    for number, path in enumerate(files):
        soundfile.write(path, noise(number), RATE)
    read = []
    honest = content.fingerprint_file
    monkeypatch.setattr(content, "fingerprint_file", lambda wanted: read.append(wanted[0].path) or honest(wanted))

    def interrupted(items, *, total, description):
        for number, item in enumerate(items):
            if number == 2:
                raise Stopped("somebody asked")
            yield item

    rows = table(*((None, path) for path in files))
    with pytest.raises(Stopped):
        content.contents(rows, "kept", progress=interrupted)
    assert len(read) >= 2
    before = len(read)
    first = content.contents(rows, "kept")
    assert len(read) <= before + 2, "what was read before the interruption is kept"
    read.clear()
    with open(paths.data() / "content" / "kept.jsonl", "a") as file:
        file.write('[[1, "sound", "cut')  # as a process leaves it that is killed while it writes
    assert content.contents(rows, "kept") == first
    assert read == []
    soundfile.write(files[1], noise(9), RATE)
    again = content.contents(rows, "kept")
    assert read == [str(files[1])]
    assert [a == b for a, b in zip(first, again, strict=True)] == [True, False, True, True]


def test_processes_find_the_same_contents(tmp_path, monkeypatch):
    for number in range(3):
        soundfile.write(tmp_path / f"{number}.wav", noise(number), RATE)
    rows = table(*((None, path) for path in sorted(tmp_path.glob("*.wav"))))
    monkeypatch.setattr(content, "WORTH", 0)
    assert content.contents(rows, "two", jobs=2) == content.contents(rows, "one")


def test_a_corpus_without_recordings_has_unknown_content(tmp_path):
    np.savez(tmp_path / "features.npz", clip=["03-01-03-01-01-01-01", "03-01-04-01-01-01-02"], audio=np.eye(2))
    found = content.of_corpus(GivenFeatures(tmp_path))
    assert found["content"].tolist() == ["", ""]
    assert splits.audit(found, [0], [1])["unknown"]["content"] == 2


def test_corpus_check_finds_copies_in_other_formats_and_names_alike(tmp_path):
    for number, (speaker, emotion) in enumerate([("Anna", "happy"), ("anna", "sad"), ("01", "happy"), ("1", "sad")]):
        soundfile.write(tmp_path / f"{speaker}_{emotion}.wav", noise(number), RATE, "PCM_16")
    soundfile.write(tmp_path / "bob_happy.flac", noise(0), RATE, "PCM_16")
    (tmp_path / "corpus.yaml").write_text("pattern: (?P<speaker>[^_]+)_(?P<emotion>[a-z]+)[.](wav|flac)\n")
    report = corpus("folder", tmp_path).check()
    assert report["duplicates"] == [["Anna_happy.wav", "bob_happy.flac"]]
    assert report["similar_speakers"] == [["folder-01", "folder-1"], ["folder-Anna", "folder-anna"]]


def test_the_recordings_of_one_take_are_no_duplicates(tiny):
    assert tiny.check()["duplicates"] == []


def test_random_folds_of_fer2013_share_no_picture(shared):
    clips = content.of_corpus(Fer2013(shared / "data" / "fer2013"))
    plain = clips.drop(columns="content")
    leaks = 0
    for fold in splits.make_folds(plain, "random", 5):
        train, test = (set(" ".join(clips["content"].iloc[side]).split()) for side in (fold.train, fold.test))
        leaks += clips["content"].iloc[fold.test].isin(train & test).sum()
    assert leaks == 157
    for fold in splits.make_folds(clips, "random", 5):
        assert splits.audit(clips, fold.train, fold.test)["shared"]["content"] == 0
