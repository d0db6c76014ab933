"""Several faces followed through a film: who of this look was who in the last one?"""

import numpy as np
import pytest

from workbench import faces, media


def moving(boxes):
    """Return a detector that says, look by look, what is in `boxes`: lists of (left, score) of squares of 40 pixels."""
    told = iter(boxes)
    return lambda frame: np.array([(x, 50, x + 40, 90, score) for x, score in next(told)], np.float32).reshape(-1, 5)


def test_two_faces_keep_their_numbers_in_whatever_order_they_are_found():
    left, right = np.linspace(20, 90, 16), np.linspace(200, 130, 16)
    looks = [[(a, 1), (b, 2)] if k % 2 else [(b, 2), (a, 1)] for k, (a, b) in enumerate(zip(left, right, strict=True))]
    follower, frames = faces.Follower(moving(looks), every=1, gap=5), np.zeros((8, 120, 240, 3), np.uint8)
    for first in (0, 8):
        found, cuts = follower.follow(frames)
        assert [face.number for face in found] == [0, 1], "from left to right"
        assert not cuts.any()
        assert found[0].boxes[:, 0] == pytest.approx(left[first : first + 8], abs=5)
        assert found[1].boxes[:, 0] == pytest.approx(right[first : first + 8], abs=5)
        assert all(face.found.all() for face in found)


def test_a_face_is_the_same_after_a_short_gap_and_another_after_a_long_one_or_a_cut():
    here = [[(50, 1)]]
    looks = here * 4 + [[]] * 3 + here * 4 + [[]] * 8 + here * 5 + here * 4
    follower, dark = faces.Follower(moving(looks), every=1, gap=5), np.zeros((24, 120, 240, 3), np.uint8)
    numbers = [[face.number for face in follower.follow(dark[:n])[0]] for n in (11, 8, 5)]
    assert numbers == [[0], [], [1]]
    found, cuts = follower.follow(dark[:4] + 200)
    assert [face.number for face in found] == [2]
    assert cuts.tolist() == [True, False, False, False]


def test_a_face_among_several_is_boxed_as_it_is_alone(tiny):
    """Side by side, faces are half as large to the detector; a box that lies beside makes another face of it."""
    paths = tiny.clips().groupby("speaker")["path"].first()
    left, right = (media.read_frames(path, np.arange(0.2, 1, 0.1))[0] for path in paths.iloc[:2])
    (alone,), _ = faces.Follower().follow(left)
    (first, _), _ = faces.Follower().follow(np.concatenate([left, right], axis=2))
    side = (alone.boxes[:, 2] - alone.boxes[:, 0]).mean()
    assert np.abs(first.boxes - alone.boxes).mean() < 0.03 * side


def test_what_a_follower_remembers_makes_another_go_on_alike_and_does_not_grow():
    rng = np.random.default_rng(0)
    looks = [[(50 + x, 1), (150 + y, 1)] for x, y in rng.integers(-3, 4, (200, 2))]
    frames, one = np.zeros((10, 120, 240, 3), np.uint8), faces.Follower(moving(looks), every=1, gap=5)
    for _ in range(5):
        one.follow(frames)
    other = faces.Follower(moving(looks[50:]), every=1, gap=5)
    other.restore(one.state())
    size = len(str(one.state()))
    for _ in range(15):
        for a, b in zip(one.follow(frames)[0], other.follow(frames)[0], strict=True):
            assert a.number == b.number
            assert np.array_equal(a.boxes, b.boxes)
    assert len(str(one.state())) < 1.1 * size


def test_a_film_that_stands_still_for_minutes_does_not_keep_its_faces():
    """Looks are counted in time: those that a hole in the film swallows count as well."""
    follower, frames = faces.Follower(moving([[(50, 1)]] * 12), every=1, gap=5), np.zeros((4, 120, 240, 3), np.uint8)
    assert [one.number for one in follower.follow(frames)[0]] == [0]
    (same,), _ = follower.follow(frames, np.array([4, 5, 9, 10]))
    assert same.number == 0
    assert same.boxes.shape == (4, 4)
    assert [one.number for one in follower.follow(frames, 2400 + np.arange(4))[0]] == [1]


def test_stretches_of_an_odd_number_of_frames():
    follower, frames = faces.Follower(moving([[]] * 3 + [[(50, 1)]] * 20), gap=8), np.zeros((5, 120, 240, 3), np.uint8)
    for expected in ([], [0], [0], [0]):
        found, _ = follower.follow(frames)
        assert [one.number for one in found] == expected
        assert all(len(one.boxes) == len(one.found) == len(one.near) == 5 for one in found)


def test_two_that_cross_are_marked_and_two_that_pass_apart_are_not():
    """Each is told by place alone: once they lie over each other, nobody knows who comes out on which side."""
    frames, rows = (
        np.zeros((16, 120, 320, 3), np.uint8),
        list(zip(np.linspace(20, 240, 16), np.linspace(240, 20, 16), strict=True)),
    )

    def marked(lower, hidden=()):
        both = [[(a, 10, a + 40, 50, 1), (b, 10 + lower, b + 40, 50 + lower, 1)] for a, b in rows]
        looks = iter([np.float32(boxes[: 1 if k in hidden else 2]) for k, boxes in enumerate(both)])
        found, _ = faces.Follower(lambda _: next(looks), every=1, gap=8).follow(frames)
        return faces.crossed(found)

    assert marked(0) == {0, 1}
    assert marked(60) == set()
    assert marked(0, hidden=range(6, 10)) == {0, 1}, "one is hidden while they cross"


def test_how_finely_dlib_looks_is_decided_now_and_then(monkeypatch, tiny):
    path = tiny.clips()["path"].iloc[0]
    frames, decided = media.read_frames(path, np.arange(0.2, 1, 0.1))[0], []
    monkeypatch.setattr("workbench.faces.following.suited", lambda *_, **__: decided.append(1) or faces.DlibHog(320))
    follower = faces.Follower(decide=20)
    for _ in range(5):
        assert len(follower.follow(frames)[0]) == 1
    assert len(decided) == 2, "at the first frame and from the twentieth on"
    for _ in range(3):
        follower.follow(np.zeros_like(frames))
    assert len(decided) == 5, "and wherever there is a cut, or nobody was seen"
