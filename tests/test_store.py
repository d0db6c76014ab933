"""The store keeps what it is given, whole or not at all."""

import numpy as np
import pandas as pd
import pytest

from workbench.errors import WorkbenchError
from workbench.store import QUARANTINE, Reader, Store, pack


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "store")
    rng = np.random.default_rng(0)
    for shard in (("a", "b"), ("c",)):
        rows = [{"clip": clip, "source_bytes": 1, "source_time": 2} for clip in shard]
        arrays = [
            {
                "frames": rng.integers(0, 255, (3, 4, 4, 3), np.uint8),
                "mfcc": rng.normal(size=(n, 5)).astype(np.float16),
            }
            for n in range(2, 2 + len(shard))
        ]
        store.write(rows, arrays)
    return store


def test_arrays_come_back_as_written_from_a_store_opened_again(tmp_path):
    store, mfcc = Store(tmp_path), np.arange(6, dtype=np.float16).reshape(3, 2)
    store.write([{"clip": "a"}, {"clip": "b"}], [{"mfcc": mfcc}, {"mfcc": mfcc[:1] + 10}])
    again = Store(tmp_path)
    assert np.array_equal(again.array("mfcc", "a"), mfcc)
    assert np.array_equal(again.array("mfcc", "b"), mfcc[:1] + 10)
    assert isinstance(again.array("mfcc", "a"), np.memmap)


def test_batch_pads_with_zeros_and_masks_the_padding(store):
    batch = Reader(store, ["a", "b", "c"], ["mfcc"]).batch([1, 2, 0])
    assert batch["mfcc"].shape == (3, 3, 5)
    assert batch["mfcc_mask"].sum(axis=1).tolist() == [3, 2, 2]
    assert np.array_equal(batch["mfcc"][0], store.array("mfcc", "b"))
    assert not batch["mfcc"][1, 2].any()


def test_clips_of_different_kinds_are_no_batch(tmp_path):
    store = Store(tmp_path)
    for name, width in {"a": 3, "b": 4}.items():
        store.write([{"clip": name}], [{"mfcc": np.ones((2, width), np.float16)}])
    with pytest.raises(WorkbenchError, match="mfcc of one batch: expected clips of one shape"):
        Reader(store, ["a", "b"], ["mfcc"]).batch([0, 1])


def test_a_clip_may_lack_an_array(tmp_path):
    store = Store(tmp_path)
    store.write([{"clip": "a"}, {"clip": "b"}], [{"mfcc": np.ones((2, 3))}, {"frames": np.ones((1, 2, 2, 3))}])
    assert store.lengths("mfcc", ["a", "b", "never seen"]).tolist() == [2, 0, 0]
    with pytest.raises(WorkbenchError, match="clip 'b' has no mfcc"):
        store.array("mfcc", "b")


def test_a_shard_that_was_broken_off_is_not_seen_and_is_swept_away(store):
    part = store.folder / "shard-00002.part"
    part.mkdir()
    (part / "mfcc.npy").write_bytes(b"half")
    assert set(Store(store.folder).index.index) == {"a", "b", "c"}
    with store.writing():
        assert not part.exists()


def test_a_place_that_takes_no_store_is_named(store, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(WorkbenchError, match=r"file/store: expected a folder.*WORKBENCH_DATA"):
        Store(tmp_path / "file" / "store")
    store.folder.joinpath("lock").mkdir()  # as unwritable as a read-only disk, for root too
    with pytest.raises(WorkbenchError, match="expected a folder to prepare into"), store.writing():
        pass


def test_two_writers_are_refused(store):
    with (
        store.writing(),
        pytest.raises(WorkbenchError, match="another process"),
        Store(store.folder).writing(),
    ):
        pass


def test_a_clip_prepared_again_replaces_the_old_one(store):
    store.write([{"clip": "a", "source_bytes": 9, "source_time": 9}], [{"mfcc": np.zeros((7, 5), np.float16)}])
    assert Store(store.folder).lengths("mfcc", ["a", "b"]).tolist() == [7, 3]


def test_quarantine_survives_and_names_the_reason_for_a_missing_array(store):
    row = {"clip": "x", "path": "x.mp4", "left_out": "video", "reason": "x.mp4: zero bytes"}
    store.write_quarantine([row | {"source_bytes": 0, "source_time": 1}])
    again = Store(store.folder)
    assert again.quarantine["reason"].tolist() == ["x.mp4: zero bytes"]
    with pytest.raises(WorkbenchError, match="zero bytes"):
        again.array("frames", "x")


def test_packed_pictures_come_back_as_rgb_alone_and_in_batches(tmp_path):
    levels = np.linspace(0, 255, 5 * 8 * 8, dtype=np.uint8).reshape(5, 8, 8, 1)
    pictures = np.repeat(levels, 3, axis=3)  # grey: no colour to lose
    store = Store(tmp_path)
    store.write([{"clip": "a"}, {"clip": "b"}], [{"frames": pack(pictures)}, {"frames": pack(pictures[:2])}])
    assert store.n_bytes == pytest.approx(7 * 8 * 8 * 1.5, abs=200)
    assert np.abs(store.array("frames", "a").astype(int) - pictures).max() <= 2
    batch = Reader(store, ["a", "b"], ["frames"]).batch([1, 0])
    assert batch["frames"].shape == (2, 5, 8, 8, 3)
    assert np.array_equal(batch["frames"][1], store.array("frames", "a"))
    assert np.array_equal(batch["frames"][0, :2], store.array("frames", "b"))
    assert not batch["frames"][0, 2:].any()


def test_the_index_in_memory_is_the_one_on_disk(store):
    store.write([{"clip": "b", "source_bytes": 9, "source_time": 9}], [{"mfcc": np.ones((1, 5), np.float16)}])
    again = Store(store.folder)
    pd.testing.assert_frame_equal(store.index, again.index, check_like=True)
    first = Store(store.folder.with_name("other"))
    first.write([{"clip": "a", "source_bytes": 9}], [{"mfcc": np.ones((1, 5), np.float16)}])
    pd.testing.assert_frame_equal(first.index, Store(first.folder).index, check_like=True)
    assert len(store.array("mfcc", "b")) == 1


def test_what_the_disk_refuses_leaves_the_store_as_it_was(store, monkeypatch):
    before = sorted(store.folder.rglob("*"))

    def refuse(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", refuse)
    with pytest.raises(WorkbenchError, match=r"No space left on device.*bytes are free"):
        store.write([{"clip": "d"}], [{"mfcc": np.ones((1, 5), np.float16)}])
    assert sorted(store.folder.rglob("*")) == before
    assert "d" not in store.index.index
    monkeypatch.setattr(pd.DataFrame, "to_csv", refuse)
    with pytest.raises(WorkbenchError, match="could not be written"):
        store.write_quarantine([dict.fromkeys(QUARANTINE, "x")])
    assert sorted(store.folder.rglob("*")) == before
    assert store.quarantine.empty
