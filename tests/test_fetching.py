"""Bringing a corpus: licence, parts, what is finished, and a kill in the middle, against a real server."""

import hashlib
import io
import json
import os
import signal
import sys
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from local_server import serve
from waiting import started, until

from workbench import datasets
from workbench.datasets import fetching
from workbench.datasets.ravdess import Ravdess
from workbench.errors import WorkbenchError
from workbench.remotes import Remote

CLIPS = {"audio_speech": "03-01-05-02-01-01-05", "audio_song": "03-02-04-01-02-01-06"}


def archive_of(clip):
    """Return a zip that is shaped as RAVDESS's: one wav in its actor's folder (noise, so that it does not shrink)."""
    sound, packed = io.BytesIO(), io.BytesIO()
    soundfile.write(sound, np.random.default_rng(0).uniform(-0.5, 0.5, 64_000), 16000, format="WAV")
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(f"Actor_{clip[-2:]}/{clip}.wav"), sound.getvalue())  # no time of today in it
    return packed.getvalue()


ARCHIVES = {part: archive_of(clip) for part, clip in CLIPS.items()}
TABLE = b"name,value\n"


@pytest.fixture
def site():
    with serve() as running:
        running.files = {f"/{part}.zip": data for part, data in ARCHIVES.items()} | {"/table.csv": TABLE}
        listed = [
            {"key": f"{part}.zip", "size": len(data), "checksum": f"md5:{hashlib.md5(data).hexdigest()}"}
            for part, data in ARCHIVES.items()
        ]
        running.files["/api/records/1"] = json.dumps({"files": listed}).encode()
        yield running


def tiny(url):
    """Return RAVDESS with three small parts on the server: one declared, one that a listing knows, one plain table."""
    declared = f"md5:{hashlib.md5(ARCHIVES['audio_speech']).hexdigest()}"
    remotes = (
        Remote("audio_speech.zip", f"{url}/audio_speech.zip", "audio_speech", None, declared, unpack=True),
        Remote("audio_song.zip", f"{url}/audio_song.zip", "audio_song", listing="zenodo:1", unpack=True),
        Remote("table.csv", f"{url}/table.csv", "tables", len(TABLE), f"sha256:{hashlib.sha256(TABLE).hexdigest()}"),
    )
    return type("Tiny", (Ravdess,), {"card": replace(Ravdess.card, remotes=remotes)})


@pytest.fixture
def corpus(site, monkeypatch):
    kind = tiny(site.url)
    monkeypatch.setitem(datasets.CORPORA, "ravdess", kind)
    return kind


@pytest.fixture
def call(call):
    """Run the command line in this process; return its exit status, output and error output in one line each."""

    def run(*words):
        status, *texts = call(*words)
        return status, *(" ".join(text.split()) for text in texts)

    return run


def test_two_parts_come_and_a_second_time_nothing_is_asked(corpus, site, tmp_path):
    root = tmp_path / "ravdess"
    opened = corpus.fetch(root, parts=["audio_speech", "audio_song", "tables"], accept_licence=True)
    assert set(opened.clips()["clip"]) == set(CLIPS.values())
    assert opened.check()["unreadable"] == []
    assert (root / "table.csv").read_bytes() == TABLE
    assert os.listdir(tmp_path) == ["ravdess"], "nothing unfinished is left, and no archive"
    assert not list(root.rglob("*.zip"))
    site.asked.clear()
    corpus.fetch(root, parts=["audio_speech", "audio_song", "tables"], accept_licence=True)
    assert site.asked == []


def test_a_part_that_was_declared_anew_or_lost_is_brought_again(corpus, site, tmp_path):
    corpus.fetch(tmp_path / "r", parts=["tables"], accept_licence=True)
    (tmp_path / "r" / "table.csv").unlink()
    corpus.fetch(tmp_path / "r", parts=["tables"], accept_licence=True)
    assert (tmp_path / "r" / "table.csv").read_bytes() == TABLE
    assert site.ranges_of("/table.csv") == [None, None]


def test_nothing_is_downloaded_unasked(corpus, site, tmp_path):
    """Notebooks fetch without parts: what is there is opened, what is not there is an error with the command."""
    with pytest.raises(
        WorkbenchError, match=r"licence at https://zenodo.*CC BY-NC-SA.*`workbench corpus fetch ravdess"
    ):
        datasets.fetch("ravdess", tmp_path / "none", size="demo", progress=lambda items, **_: items)
    with pytest.raises(WorkbenchError, match="parts audio_song --root"):
        corpus.fetch(tmp_path / "none", parts=["audio_song"])
    with pytest.raises(WorkbenchError, match="parts: audio_speech, audio_song, tables"):
        corpus.fetch(tmp_path / "none", accept_licence=True)
    with pytest.raises(WorkbenchError, match=r"unknown part of 'ravdess' 'audio': choose from audio_song, audio_sp"):
        corpus.fetch(tmp_path, parts=["audio"], accept_licence=True)
    assert datasets.fetch("ravdess", tmp_path, size="demo").root == tmp_path
    assert site.asked == []
    assert os.listdir(tmp_path) == []


def test_a_broken_archive_leaves_no_corpus_and_a_mended_one_is_fetched(corpus, site, tmp_path):
    root = tmp_path / "ravdess"
    site.files["/audio_speech.zip"] = ARCHIVES["audio_speech"][:-50]
    with pytest.raises(WorkbenchError, match=r"audio_speech\.zip: the bytes .* are not those declared"):
        corpus.fetch(root, parts=["audio_speech"], accept_licence=True)
    assert not root.exists()
    site.files["/audio_speech.zip"] = ARCHIVES["audio_speech"]
    assert len(corpus.fetch(root, parts=["audio_speech"], accept_licence=True).clips()) == 1


SCRIPT = """
import sys
from test_fetching import tiny
tiny(sys.argv[1]).fetch(sys.argv[2], parts=["audio_speech", "audio_song"], accept_licence=True)
"""


def test_killed_in_the_middle_it_goes_on_where_it_was(site, tmp_path):
    """The first archive is finished, the second half there: neither is asked for again, but the rest of the second."""
    root, part = tmp_path / "ravdess", tmp_path / ".ravdess.fetching" / "audio_song.zip.part"
    site.pauses = {"/audio_song.zip": 100_000}
    paths = os.pathsep.join([os.path.dirname(__file__), os.path.dirname(os.path.dirname(__file__))])
    environment = os.environ | {"PYTHONPATH": paths}
    with started([sys.executable, "-c", SCRIPT, site.url, str(root)], env=environment) as process:
        assert until(lambda: part.is_file() and part.stat().st_size > 30_000)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    have = part.stat().st_size
    assert 30_000 < have < len(ARCHIVES["audio_song"])
    site.pauses = {}
    site.go_on.set()
    site.asked.clear()
    opened = tiny(site.url).fetch(root, parts=["audio_speech", "audio_song"], accept_licence=True)
    assert site.asked == [("/api/records/1", None), ("/audio_song.zip", f"bytes={have}-")]
    assert set(opened.clips()["clip"]) == set(CLIPS.values())


def test_the_command_line_shows_the_licence_and_wants_it_accepted(call, corpus, site, data_folder):
    code, _, said = call("corpus", "fetch", "ravdess", "--parts", "audio_speech")
    assert code == 1
    assert "licence: CC BY-NC-SA 4.0" in said
    assert "please cite: S. R. Livingstone" in said
    assert "--accept-licence" in said
    assert site.asked == []
    code, out, _ = call("corpus", "fetch", "ravdess", "--parts", "audio_speech,tables", "--accept-licence")
    assert code == 0
    assert "ravdess is at" in out
    assert len(datasets.corpus("ravdess").clips()) == 1


def test_the_command_line_lists_the_parts(call, corpus, data_folder):
    for words in (["--parts", "list"], ["--parts", "vidoe"], []):
        code, out, said = call("corpus", "fetch", "ravdess", *words)
        assert all(part in out for part in ("audio_speech", "audio_song", "tables"))
        assert str(len(ARCHIVES["audio_song"])) in out, "sizes, also from the listing"
        assert (code == 0) == (words == ["--parts", "list"])
    assert "unknown part" not in said
    assert not (data_folder / "raw").exists()


def test_a_corpus_that_has_to_be_asked_for_prints_the_steps(call):
    code, _, said = call("corpus", "fetch", "savee")
    assert code == 1
    assert "has to be brought by hand" in said
    for number, _ in enumerate(datasets.CORPORA["savee"].card.steps, 1):
        assert f" {number}. " in said


def test_room_is_looked_for_before_the_first_byte(site, tmp_path):
    huge = Remote("a.zip", f"{site.url}/a.zip", "all", 10**18, "md5:" + "0" * 32, unpack=True)
    with pytest.raises(WorkbenchError, match=rf"1 files need {10**18} more bytes"):
        fetching.bring(replace(Ravdess.card, remotes=(huge,)), tmp_path / "r", accept_licence=True)
    assert site.asked == []


def test_declared_parts_of_the_real_corpora():
    card = Ravdess.card
    assert fetching.parts(card) == ["audio_speech", "audio_song", "video_speech", "video_song", "openface"]
    speech = card.remotes[0]
    assert (speech.size, speech.checksum) == (208_468_073, "md5:bc696df654c87fed845eb13823edef8a")
    assert sum(remote.part == "video_song" for remote in card.remotes) == 23
    assert not any("Video_Song_Actor_18" in remote.url for remote in card.remotes)
    for kind in datasets.CORPORA.values():
        names = [remote.name for remote in kind.card.remotes]
        assert len(names) == len(set(names))


def test_declared_tables_are_the_real_ones(shared):
    for name in ("cremad", "meld"):
        tables = [remote for remote in datasets.CORPORA[name].card.remotes if remote.part == "tables"]
        for remote in tables:
            data = (shared / "data" / name / remote.name).read_bytes()
            assert (remote.size, remote.checksum) == (len(data), f"sha256:{hashlib.sha256(data).hexdigest()}")
        assert tables


def test_a_demo_corpus_that_is_there_is_opened_whatever_size_is_asked_for(tiny):
    before = sorted(path.name for path in tiny.root.rglob("*"))
    assert len(datasets.fetch("demo", tiny.root, size="full").clips()) == 16
    assert sorted(path.name for path in tiny.root.rglob("*")) == before
