"""Whose face is it? What a timeline takes for the same person."""

import pandas as pd
import pytest

from workbench.errors import WorkbenchError
from workbench.interact.timeline import people


def seen_rows(*spans):
    """Return windows and places of faces, each (number, first second, last second, left edge)."""
    windows, places = [], []
    for face, begin, end, left in spans:
        for start in range(begin, end, 2):
            windows.append(
                {"start": start, "end": start + 2, "face": face, "source": "face", "found": 1.0, "p_sad": 1.0}
            )
            places.append(
                {"stretch": start // 2, "face": face, "left": left, "top": 0, "right": left + 0.2, "bottom": 1}
            )
    return pd.DataFrame(windows), pd.DataFrame(places)


def test_who_is_who_after_a_cut_is_assumed_only_where_asked():
    cut = seen_rows((0, 0, 20, 0.1), (1, 0, 20, 0.6), (2, 20, 40, 0.62), (3, 20, 40, 0.1), (4, 40, 42, 0.4))
    assert people.persons(*cut, "never") == {
        0: "person 1",
        1: "person 2",
        2: "person 3",
        3: "person 4",
        4: people.OTHERS,
    }
    assert people.persons(*cut, "place") == {
        0: "person 1",
        1: "person 2",
        2: "person 2",
        3: "person 1",
        4: people.OTHERS,
    }
    with pytest.raises(WorkbenchError, match="two faces at 0:00"):
        people.persons(*cut, "always")
    alone = seen_rows((0, 0, 6, 0.1), (1, 6, 12, 0.6))
    assert set(people.persons(*alone, "always").values()) == {"person 1"}


def test_a_cut_within_a_window_leaves_one_row_of_a_person():
    windows, places = seen_rows((0, 0, 8, 0.1), (1, 6, 12, 0.1))
    windows.loc[windows["start"] == 6, "found"] = [0.3, 0.6]
    who = people.persons(windows, places, "always")
    found = people.with_subjects(windows.assign(voice=0.0), who, least=0.4)
    one = people.subjects(found)["person 1"]
    assert one["start"].tolist() == [0, 2, 4, 6, 8, 10]
    assert one["face"].tolist() == [0, 0, 0, 1, 1, 1]


def test_who_comes_back_to_their_place_in_a_shot_is_the_same_person():
    """A call: two who now and then turn away for longer than the gap."""
    spans = [
        (2 * k + side, 20 * k, 20 * k + 14, 0.1 + 0.5 * side + 0.02 * (-1) ** k) for k in range(9) for side in (0, 1)
    ]
    windows, places = seen_rows(*spans)
    who = people.persons(windows, places, "shot")
    assert who == {face: f"person {1 + face % 2}" for face in range(18)}
    assert len(set(people.persons(windows, places, "never").values())) == 7, "six, and the others"
    cut = people.persons(windows, places, "shot", cuts=[48])
    assert [cut[face] for face in (0, 1, 10, 11)] == ["person 1", "person 2", "person 3", "person 4"]
    assert cut[8] == "person 1"
    assert cut[16] == "person 3"


@pytest.mark.parametrize(
    ("second", "same"),
    [
        ((1, 26, 46, 0.3), True),
        ((1, 26, 46, 0.45), False),  # beside the place
        ((1, 18, 46, 0.1), False),  # both are there at once
        ((1, 626, 646, 0.1), False),  # ten minutes later
    ],
)
def test_another_place_or_time_is_another_person(second, same):
    who = people.persons(*seen_rows((0, 0, 22, 0.2), second), "shot", back=150)
    assert (who[0] == who[1]) == same


def test_a_face_of_another_size_is_another_person():
    windows, places = seen_rows((0, 0, 20, 0.4), (1, 26, 46, 0.4))
    places = places.astype(dict.fromkeys(people.BOX, float))
    places.loc[places["face"] == 1, people.BOX] = [0.45, 0.3, 0.55, 0.7]
    assert set(people.persons(windows, places, "shot").values()) == {"person 1", "person 2"}


@pytest.mark.parametrize(("mistaken", "source"), [(2, "both"), (12, "face")])
def test_a_few_mistaken_faces_leave_a_person_alone_and_many_do_not(mistaken, source):
    """One person all the time; now and then the detector takes a curtain for a face, each time elsewhere."""
    ghosts = [(1 + k, 4 + 8 * k, 6 + 8 * k, 0.05 * k) for k in range(mistaken)]
    windows, places = seen_rows((0, 0, 100, 0.7), *ghosts)
    both = windows[windows["face"] == 0].assign(source="both")
    windows = pd.concat([windows, both], ignore_index=True).assign(voice=1.0)
    who = people.persons(windows, places, "never")
    found = people.subjects(people.with_subjects(windows, who, least=0.4))
    assert list(found) == ["person 1"]
    assert set(found["person 1"]["source"]) == {source}
