"""Downloads that break and go on, wrong bytes, and archives that mean harm, against a real server."""

import fcntl
import gc
import gzip
import hashlib
import io
import json
import resource
import tarfile
import threading
import tracemalloc
import zipfile

import numpy as np
import pytest
from local_server import serve
from rich.live import Live

from workbench.cli.common import progress as cli_progress
from workbench.download import download, resolve, unpack
from workbench.errors import WorkbenchError
from workbench.progress import bar
from workbench.remotes import Remote

DATA = np.random.default_rng(0).bytes(300_000)


@pytest.fixture
def site():
    with serve() as running:
        running.files["/a.bin"] = DATA
        yield running


def remote(site, data=DATA, *, name="a.bin", **options):
    checksum = f"sha256:{hashlib.sha256(data).hexdigest()}"
    return Remote(name, f"{site.url}/{name}", "all", **{"size": len(data), "checksum": checksum} | options)


def get(what, folder, **options):
    return download(what, folder, pause=0.001, **options)


def leftovers(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_comes_once_and_is_verified(site, tmp_path):
    assert get(remote(site), tmp_path).read_bytes() == DATA
    assert get(remote(site), tmp_path).read_bytes() == DATA
    assert site.ranges_of("/a.bin") == [None]
    assert leftovers(tmp_path) == ["a.bin"]


def test_a_cut_connection_is_taken_up_where_it_broke(site, tmp_path):
    site.faults["/a.bin"] = [("cut", 100_000), 503, ("cut", 50_000)]
    assert get(remote(site), tmp_path).read_bytes() == DATA
    assert site.ranges_of("/a.bin") == [None, "bytes=100000-", "bytes=100000-", "bytes=150000-"]


def test_giving_up_keeps_the_part_and_a_later_call_asks_for_the_rest_only(site, tmp_path):
    site.faults["/a.bin"] = [("cut", 120_000)] + [("cut", 0)] * 2
    with pytest.raises(WorkbenchError, match=r"a\.bin: .*3 attempts.*120000 of 300000 bytes are kept.*same command"):
        get(remote(site), tmp_path, tries=3)
    assert leftovers(tmp_path) == ["a.bin.part", "a.bin.part.json"]
    site.asked.clear()

    def progress(items, **told):
        assert told == {"total": 300_000, "description": "a.bin", "unit": "B", "done": 120_000}
        return items

    get(remote(site), tmp_path, progress=progress)
    assert site.ranges_of("/a.bin") == ["bytes=120000-"]
    assert leftovers(tmp_path) == ["a.bin"]
    assert (tmp_path / "a.bin").read_bytes() == DATA


def test_a_server_without_ranges_begins_again_and_so_does_the_bar(site, tmp_path):
    site.ranges = False
    site.faults["/a.bin"] = [("cut", 100_000)]
    told = []

    def progress(items, **_):
        for item in items:
            told.append(item)
            yield item

    assert get(remote(site), tmp_path, progress=progress).read_bytes() == DATA
    assert sum(told) == len(DATA)
    assert -100_000 in told


def test_the_bars_count_bytes(capsys):
    """What the command line and the notebooks show: bytes, those from before included, also after a new start."""
    for progress in (cli_progress, bar):
        steps = [50_000_000, -50_000_000, 150_000_000]
        assert list(progress(iter(steps), total=200_000_000, description="a.zip", unit="B", done=50_000_000)) == steps
        shown = "".join(capsys.readouterr())
        assert "a.zip" in shown
        assert "200.0/200.0 MB" in shown or "200M/200M" in shown


def test_a_bar_that_is_given_up_by_the_thread_that_draws_it_is_ended():
    """As the garbage collector does, wherever it happens to be called."""
    for unit in ("", "B"):
        before = [one for one in gc.get_objects() if type(one) is Live]
        bar = cli_progress([1, 2, 3], description="given up", unit=unit)
        next(bar)
        (live,) = (one for one in gc.get_objects() if type(one) is Live and one not in before)

        def give_up(bar=bar, live=live):
            with live._lock:  # as while it draws
                bar.close()

        drawing = threading.Thread(target=give_up, daemon=True)
        drawing.start()
        drawing.join(10)
        assert not drawing.is_alive()


@pytest.mark.parametrize("etags", [True, False])
def test_another_file_on_the_server_begins_again(site, tmp_path, etags):
    """The part is of the old file: by its tag where the server names one, else by the declared checksum."""
    site.etags = etags
    old = DATA[::-1]
    site.files["/a.bin"] = old
    site.faults["/a.bin"] = [("cut", 100_000)] * 3
    with pytest.raises(WorkbenchError, match="kept"):
        get(remote(site, old), tmp_path, tries=1)
    site.files["/a.bin"], site.faults = DATA, {}
    assert get(remote(site), tmp_path).read_bytes() == DATA
    assert site.ranges_of("/a.bin")[-1] is None


@pytest.mark.parametrize("conditions", [True, False])
def test_a_file_that_changes_between_two_requests_is_not_mixed(site, tmp_path, conditions):
    """Same declaration, so only the server's tag tells; some servers take no notice of If-Range."""
    site.conditions = conditions
    site.files["/a.bin"] = DATA[::-1]
    site.faults["/a.bin"] = [("cut", 100_000)]
    with pytest.raises(WorkbenchError, match="kept"):
        get(remote(site), tmp_path, tries=1)
    site.files["/a.bin"] = DATA
    assert get(remote(site), tmp_path).read_bytes() == DATA
    assert site.ranges_of("/a.bin") == [None, "bytes=100000-"] + [None] * (not conditions)


def test_a_damaged_note_beside_the_part_begins_again(site, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(DATA[:1000])
    (tmp_path / "a.bin.part.json").write_text("{")
    assert get(remote(site), tmp_path).read_bytes() == DATA
    assert site.ranges_of("/a.bin") == [None]


def test_wrong_bytes_are_named_and_removed(site, tmp_path):
    found, expected = hashlib.md5(DATA).hexdigest(), "0" * 32
    with pytest.raises(WorkbenchError, match=rf"a\.bin: .*md5:{expected}, found 300000 with md5:{found}.*removed"):
        get(remote(site, checksum=f"md5:{expected}"), tmp_path)
    assert leftovers(tmp_path) == []


def test_a_file_of_another_size_is_refused_before_it_comes(site, tmp_path):
    with pytest.raises(WorkbenchError, match="expected 299999 bytes, found 300000"):
        get(remote(site, size=299_999), tmp_path)
    assert leftovers(tmp_path) == []


def test_a_wrong_file_under_the_name_is_replaced_when_the_right_one_is_whole(site, tmp_path):
    (tmp_path / "a.bin").write_bytes(b"old")
    site.faults["/a.bin"] = [("cut", 10)]
    with pytest.raises(WorkbenchError):
        get(remote(site), tmp_path, tries=1)
    assert (tmp_path / "a.bin").read_bytes() == b"old"
    assert get(remote(site), tmp_path).read_bytes() == DATA


@pytest.mark.parametrize("size", [None, 300_000])
def test_refusals_are_not_tried_again(site, tmp_path, size):
    site.faults["/a.bin"] = [403]
    with pytest.raises(WorkbenchError, match=r"a\.bin: the server answered 403"):
        get(remote(site, size=size), tmp_path)
    with pytest.raises(WorkbenchError, match="404"):
        get(remote(site, name="b.bin"), tmp_path)
    assert len(site.asked) == 2
    assert leftovers(tmp_path) == []


def test_a_server_that_is_not_there_is_named(tmp_path):
    with serve() as gone:
        pass
    with pytest.raises(WorkbenchError, match=rf"2 attempts at {gone.url}"):
        get(remote(gone), tmp_path, tries=2)


def test_an_unknown_size_is_no_hindrance(site, tmp_path):
    site.faults["/a.bin"] = [("cut", 100_000)]
    assert get(remote(site, size=None), tmp_path).read_bytes() == DATA
    assert site.ranges_of("/a.bin") == [None, "bytes=100000-"]


def test_the_disk_is_looked_at_first(site, tmp_path):
    with pytest.raises(WorkbenchError, match=rf"needs {10**18} more bytes.* free"):
        get(remote(site, size=10**18), tmp_path)
    assert site.asked == []


def test_a_disk_that_fills_up_keeps_what_is_there(site, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(WorkbenchError, match="cannot write"):
            get(remote(site), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert get(remote(site), tmp_path).read_bytes() == DATA


def test_two_processes_do_not_write_into_one_part(site, tmp_path):
    with open(tmp_path / "a.bin.part", "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(WorkbenchError, match="another process"):
            get(remote(site), tmp_path)


def test_ctrl_c_keeps_the_part(site, tmp_path):
    site.delay = 0.005

    def progress(items, **_):
        next(iter(items))
        raise KeyboardInterrupt
        yield

    with pytest.raises(KeyboardInterrupt):
        get(remote(site), tmp_path, progress=progress)
    kept = (tmp_path / "a.bin.part").stat().st_size
    assert kept > 0
    site.delay = 0
    get(remote(site), tmp_path)
    if kept < len(DATA):
        assert site.ranges_of("/a.bin")[-1] == f"bytes={kept}-"


# Where checksums are listed -------------------------------------------------------------------------------------------


def test_zenodo_lists_size_and_checksum_and_is_asked_once(site, tmp_path):
    listed = {"key": "a.bin", "size": len(DATA), "checksum": f"md5:{hashlib.md5(DATA).hexdigest()}"}
    site.files["/api/records/7"] = json.dumps({"files": [listed, listed | {"key": "b.bin"}]}).encode()
    both = [Remote(name, f"{site.url}/{name}", "all", listing="zenodo:7") for name in ("a.bin", "b.bin")]
    found = resolve(both)
    assert [(one.size, one.checksum) for one in found] == [(listed["size"], listed["checksum"])] * 2
    assert len(site.asked) == 1
    assert get(both[0], tmp_path).read_bytes() == DATA
    with pytest.raises(WorkbenchError, match=r"lists no file 'c\.bin'; it has 2 files: a\.bin, b\.bin"):
        resolve([Remote("c.bin", f"{site.url}/c.bin", "all", listing="zenodo:7")])


@pytest.mark.parametrize(
    "text", ["<html>", "[]", '{"files": {}}', '{"files": [{"key": "a.bin"}]}', '{"files": [{"key": 1, "size": "x"}]}']
)
def test_a_listing_in_another_form_is_an_error_not_a_download(site, tmp_path, text):
    site.files["/api/records/7"] = text.encode()
    with pytest.raises(WorkbenchError, match=r"api/records/7|lists no file"):
        get(Remote("a.bin", f"{site.url}/a.bin", "all", listing="zenodo:7"), tmp_path)
    assert site.ranges_of("/a.bin") == []


def test_a_git_lfs_pointer_has_size_and_checksum(site, tmp_path):
    digest = hashlib.sha256(DATA).hexdigest()
    text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(DATA)}\n"
    site.files["/pointer"] = text.encode()
    what = Remote("a.bin", f"{site.url}/a.bin", "all", listing=f"lfs:{site.url}/pointer")
    assert get(what, tmp_path).read_bytes() == DATA
    site.files["/pointer"] = b"no pointer"
    with pytest.raises(WorkbenchError, match="expected a Git LFS pointer, found 'no pointer'"):
        resolve([what])


@pytest.mark.parametrize(
    "wrong",
    [{"checksum": None}, {"checksum": "sha1:00"}, {"name": "../a.bin"}, {"name": "a/b"}, {"url": "ftp://x/a.bin"},
     {"size": -1}, {"checksum": None, "listing": "zenodo:x"}],
)  # fmt: skip
def test_a_remote_that_cannot_be_proved_is_refused_where_it_is_declared(wrong):
    right = {"name": "a.bin", "url": "https://x.org/a.bin", "part": "all", "size": 1, "checksum": "md5:" + "0" * 32}
    Remote(**right)
    with pytest.raises(ValueError, match="remote"):
        Remote(**right | wrong)


# Archives -------------------------------------------------------------------------------------------------------------

FILES = {"Actor_01/one.wav": b"1" * 1000, "Actor_01/two.wav": b"2" * 70_000, "notes.txt": b"n"}


def zipped(path, files=FILES):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def tarred(path, files=FILES, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


MAKERS = {
    "a.zip": zipped,
    "a.tar.gz": tarred,
    "a.tar": lambda path, files=FILES: tarred(path, files, "w"),
    "a.tar.xz": lambda path, files=FILES: tarred(path, files, "w:xz"),
    "a.tar.bz2": lambda path, files=FILES: tarred(path, files, "w:bz2"),
}


@pytest.fixture(params=MAKERS)
def archive(request, tmp_path):
    """A maker of archives of one kind: files -> path."""
    return lambda files=FILES: MAKERS[request.param](tmp_path / request.param, files)


@pytest.fixture
def into(tmp_path):
    """A folder with something of the user's in it."""
    folder = tmp_path / "into" / "root"
    (folder / "Actor_01").mkdir(parents=True)
    (folder / "Actor_01" / "mine.txt").write_text("mine")
    (folder / "notes.txt").write_text("an older one")
    return folder


def test_an_archive_is_unpacked_and_what_is_there_stays(archive, into):
    path = archive()
    assert unpack(path, into) == sorted(into / name for name in FILES)
    assert tree(into) == FILES | {"Actor_01/mine.txt": b"mine"}
    before = {file: file.stat().st_ino for file in into.rglob("*.wav")}
    unpack(path, into)
    assert {file: file.stat().st_ino for file in into.rglob("*.wav")} == before, "equal files are kept"
    assert leftovers(into.parent) == ["root"]
    assert tree(unpack(path, into.parent / "new")[0].parents[1]) == FILES


def test_every_truncated_archive_is_an_error_that_names_it_and_changes_nothing(archive, into):
    path = archive()
    whole, before = path.read_bytes(), tree(into)
    for length in sorted({0, 1, 100, len(whole) // 2, len(whole) - 12, len(whole) - 10_000} - {-1}):
        path.write_bytes(whole[: max(length, 0)])
        if path.name.endswith(".tar") and len(whole) - length < 9000:
            continue  # only the filling after the end mark is gone
        with pytest.raises(WorkbenchError, match=path.name):
            unpack(path, into)
        assert tree(into) == before
        assert leftovers(into.parent) == ["root"]


def test_a_plain_tar_cut_between_two_members_is_noticed(tmp_path, into):
    path = tarred(tmp_path / "a.tar", mode="w")
    with tarfile.open(path) as opened:
        last = opened.getmembers()[-1].offset
    path.write_bytes(path.read_bytes()[:last])
    with pytest.raises(WorkbenchError, match=r"a\.tar: damaged or truncated"):
        unpack(path, into)


def test_flipped_bytes_are_found_by_the_archive_s_own_checksum(tmp_path, into):
    before = tree(into)
    for path in (zipped(tmp_path / "a.zip", {"x": DATA}), tarred(tmp_path / "a.tar.gz", {"x": DATA})):
        data = bytearray(path.read_bytes())
        data[150_000] ^= 1
        path.write_bytes(data)
        with pytest.raises(WorkbenchError, match=path.name):
            unpack(path, into)
        assert tree(into) == before


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/x", "C:/x", "a\\..\\x", "..", "a/\nb"])
def test_no_member_leaves_the_folder(archive, into, name):
    path, before = archive(FILES | {name: b"x"}), tree(into.parent)
    with pytest.raises(WorkbenchError, match=r"refused, its member"):
        unpack(path, into)
    assert tree(into.parent) == before
    assert not (into.parent / "x").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_a_tar_with_links_or_devices_is_refused(tmp_path, into, kind):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        info = tarfile.TarInfo("Actor_01")
        info.type, info.linkname = kind, "../.."
        archive.addfile(info)
    with pytest.raises(WorkbenchError, match="'Actor_01' is a link or a device"):
        unpack(tmp_path / "a.tar", into)


def test_a_zip_with_a_link_or_a_password_is_refused(tmp_path, into):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        info = zipfile.ZipInfo("Actor_01/link")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "../../..")
    with pytest.raises(WorkbenchError, match="'Actor_01/link' is a link or a device"):
        unpack(tmp_path / "a.zip", into)
    path = zipped(tmp_path / "b.zip", {"a": b"a"})
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(WorkbenchError, match="locked by a password"):
        unpack(path, into)


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "a.tar.xz"])
def test_bombs_are_stopped(tmp_path, into, name):
    path, before = MAKERS[name](tmp_path / name, {"zeros": bytes(30_000_000)}), tree(into)
    with pytest.raises(WorkbenchError, match=rf"{name}: unpacks to more than .* out of proportion"):
        unpack(path, into)
    with pytest.raises(WorkbenchError, match="unpacks to more than 1000000 bytes"):
        unpack(path, into, most_bytes=1_000_000)
    assert tree(into) == before
    assert unpack(path, into, most_ratio=20_000)[0].stat().st_size == 30_000_000


def test_a_zip_that_lies_about_its_sizes_does_not_swell(tmp_path, into):
    path = zipped(tmp_path / "a.zip", {"zeros": bytes(30_000_000)})
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = data.index(mark) + offset
        data[at : at + 4] = (1000).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(WorkbenchError, match=r"a\.zip"):
        unpack(path, into)


def test_a_header_that_would_fill_the_memory_is_an_error(tmp_path, into):
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 50_000_000
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(header.tobuf() + bytes(50_000_000), 1))
    tracemalloc.start()
    with pytest.raises(WorkbenchError, match=r"a\.tar\.gz: .*header of 50000384 bytes"):
        unpack(tmp_path / "a.tar.gz", into)
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


def test_archives_within_are_unpacked_where_they_lie(tmp_path, into):
    inner = tarred(tmp_path / "train.tar.gz").read_bytes()
    path = tarred(tmp_path / "MELD.Raw.tar.gz", {"MELD.Raw/train.tar.gz": inner, "MELD.Raw/train.csv": b"csv"})
    unpack(path, into, nested=True)
    expected = {f"MELD.Raw/{name}": data for name, data in FILES.items()} | {"MELD.Raw/train.csv": b"csv"}
    assert {name: data for name, data in tree(into).items() if name.startswith("MELD")} == expected
    bad = tarred(tmp_path / "evil.tar.gz", {"../../../x": b"x"}).read_bytes()
    with pytest.raises(WorkbenchError, match="would leave the folder"):
        unpack(zipped(tmp_path / "b.zip", {"evil.tar.gz": bad}), into, nested=True)


def test_what_stands_in_the_way_is_named_before_anything_moves(archive, into):
    (into / "Actor_01" / "two.wav").mkdir()
    before = tree(into)
    with pytest.raises(WorkbenchError, match=r"two\.wav"):
        unpack(archive(), into)
    assert tree(into) == before


def test_a_name_that_comes_twice_is_an_error(tmp_path, into):
    before = tree(into)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as twice:
        twice.writestr("a", "1")
        with pytest.warns(UserWarning, match="Duplicate"):
            twice.writestr("a", "2")
    with pytest.raises(WorkbenchError, match=r"a\.zip"):
        unpack(tmp_path / "a.zip", into)
    assert tree(into) == before


def test_a_full_disk_leaves_the_folder_as_it_was(archive, into):
    path, before = archive({"a": DATA}), tree(into)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(WorkbenchError, match="cannot be unpacked"):
            unpack(path, into)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert tree(into.parent) == {f"root/{name}": data for name, data in before.items()}


def test_other_files_are_not_archives(tmp_path, into):
    for name in ("a.rar", "none.zip"):
        with pytest.raises(WorkbenchError, match="expected an existing archive"):
            unpack(tmp_path / name, into)
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(b"no tar at all" * 100))
    with pytest.raises(WorkbenchError, match="damaged"):
        unpack(tmp_path / "a.tar.gz", into)
