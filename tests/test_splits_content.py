"""Fold names are unique, every clip is tested once, and equal content stands on one side of every split."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from test_splits import ORDINARY, clip_table, turned_table

from workbench import splits
from workbench.datasets.speakers import short_names, similar_speakers
from workbench.emotions import EMOTIONS
from workbench.errors import WorkbenchError
from workbench.splits import Fold, LeakError, audit, coverage, given, inner_split, inner_unit, make_folds


def named(names, **options):
    """Return a clip table of speakers with these names."""
    clips = clip_table(len(names), EMOTIONS[:2], 2, **options)
    return clips.assign(speaker=clips["speaker"].map(dict(zip(sorted(set(clips["speaker"])), names, strict=True))))


def own_content(clips):
    """Return the table with a content of its own for every clip."""
    return clips.assign(content=[f"sound:{number} picture:{number}" for number in range(len(clips))])


def copied(clips, pairs):
    """Return the table with content, in which the first clips of each pair of speakers are the same recording."""
    clips = own_content(clips)
    for number, (first, second) in enumerate(pairs):
        for speaker in (first, second):
            at = clips.index[clips["speaker"] == speaker][0]
            clips.loc[at, "content"] = f"sound:copy{number} " + clips.loc[at, "content"]
    return clips


def speakers_by_fold(clips, folds):
    return [sorted(set(clips["speaker"].iloc[fold.test])) for fold in folds]


@pytest.mark.parametrize(
    ("speakers", "expected"),
    [
        (["folder-anna-1", "folder-anna-2", "folder-bob-1", "folder-bob-2"], ["anna-1", "anna-2", "bob-1", "bob-2"]),
        (["P00-M", "P01-F", "P02-M", "P03-F"], ["P00-M", "P01-F", "P02-M", "P03-F"]),
        (["demo-01", "demo-02", "ravdess-01", "ravdess-03"], ["demo-01", "A02", "ravdess-01", "A03"]),
        (["savee-DC", "savee-JE", "savee-JK", "savee-KL"], ["DC", "JE", "JK", "KL"]),
        (["01", "A01", "02", "03"], ["01", "02", "03", "A01"]),
        (["folder-a/b", "folder-c", "folder-d", "folder-e"], ["a_b", "c", "d", "e"]),
    ],
)
def test_folds_of_speakers_have_names_of_their_own(speakers, expected):
    clips = named(speakers)
    folds = make_folds(clips, "leave-one-speaker-out")
    assert [fold.name for fold in folds] == expected
    assert speakers_by_fold(clips, folds) == [[speaker] for speaker in sorted(speakers)]


def test_a_corpus_of_ones_own_is_no_part_of_a_folds_name():
    clips = named([f"mine-{name}" for name in "abcd"]).assign(corpus="mine")
    assert [fold.name for fold in make_folds(clips, "leave-one-speaker-out")] == list("abcd")


def test_short_names_stay_distinct():
    assert short_names(["folder-x", "demo-x", "folder-demo-x"]) == {
        "folder-x": "folder-x",
        "demo-x": "demo-x",
        "folder-demo-x": "folder-demo-x",
    }
    assert short_names(["savee-DC", "cremad-1001"]) == {"savee-DC": "DC", "cremad-1001": "1001"}


def test_names_that_may_mean_one_person_are_found():
    names = ["folder-Anna", "folder-anna", "folder-1", "folder-01", "folder- 1", "folder-10", "ravdess-1", "", "bob"]
    assert similar_speakers(names) == [["folder- 1", "folder-01", "folder-1"], ["folder-Anna", "folder-anna"]]
    assert similar_speakers([f"ravdess-{n:02d}" for n in range(1, 25)]) == []


@pytest.mark.parametrize("protocol", [*ORDINARY, "frontal-to-turned", "given"])
def test_a_plan_that_loses_or_repeats_a_fold_is_refused(protocol):
    clips = turned_table().reset_index(drop=True)
    clips["tests_in"] = np.where(clips["speaker"] < "demo-05", "first", "second")
    clips["trains_in"] = np.where(clips["speaker"] < "demo-05", "second", "first")
    first, *others = make_folds(clips, protocol)
    last = others[-1]
    with pytest.raises(WorkbenchError, match=f"{protocol}.*such as '.*tested 0 times"):
        coverage.check_coverage(clips, protocol, [first, *others[:-1]])
    with pytest.raises(WorkbenchError, match=r"tested 2 times .*, expected 1"):
        coverage.check_coverage(clips, protocol, [first, *others, Fold("again", last.train, last.test)])
    with pytest.raises(WorkbenchError, match=f"two called '{last.name}'"):
        coverage.check_coverage(clips, protocol, [first, *others, last])


def test_a_clip_that_comes_in_the_test_of_two_given_folds_is_refused():
    clips = clip_table(3).assign(trains_in="a", tests_in="")
    clips.loc[clips["speaker"] == "demo-02", ["trains_in", "tests_in"]] = ["", "a b"]
    clips.loc[clips["speaker"] == "demo-03", ["trains_in", "tests_in"]] = ["b", ""]
    with pytest.raises(WorkbenchError, match=r"protocol 'given'.*tested 2 times \(a, b\), expected 1"):
        make_folds(clips, "given")


def test_surplus_speakers_of_pairs_need_not_be_tested():
    assert len(make_folds(clip_table(5), "speaker-pairs")) == 2


@pytest.mark.parametrize("protocol", ORDINARY)
def test_content_of_ones_own_changes_no_fold(protocol):
    clips = clip_table(8, recordings=2).sample(frac=0.9, random_state=1)
    for plain, other in zip(make_folds(clips, protocol), make_folds(own_content(clips), protocol), strict=True):
        assert plain.name == other.name
        assert plain.test.tolist() == other.test.tolist()
        assert plain.train.tolist() == other.train.tolist()
        for by in ("speaker", "take"):
            sides = [inner_split(table, plain.train, seed=3, by=by) for table in (clips, own_content(clips))]
            assert sides[0][1].tolist() == sides[1][1].tolist()


def test_folds_are_those_of_earlier_versions():
    clips = clip_table(6, EMOTIONS[:2], 2)
    assert [fold.test.tolist() for fold in make_folds(clips, "random", 3, seed=1)] == [
        [0, 1, 2, 6, 7, 8, 12, 19],
        [3, 4, 9, 13, 14, 18, 21, 23],
        [5, 10, 11, 15, 16, 17, 20, 22],
    ]
    disjoint = make_folds(clips, "speaker-disjoint", 3, seed=1)
    assert speakers_by_fold(clips, disjoint) == [["demo-02", "demo-05"], ["demo-01", "demo-06"], ["demo-03", "demo-04"]]


def test_audit_counts_equal_content_and_never_allows_it():
    clips = copied(clip_table(2), [("demo-01", "demo-02")])
    sides = [np.flatnonzero(clips["speaker"] == speaker) for speaker in ("demo-01", "demo-02")]
    with pytest.raises(LeakError, match=r"1 content \(such as the same sound in clips '01-01-.*' and '01-02-"):
        audit(clips, *sides, allow=("speaker", "take", "clip"))
    with pytest.raises(WorkbenchError, match="unknown kind of leak 'content': choose from clip, speaker, take"):
        audit(clips, *sides, allow=("content",))
    half = clips.assign(content=clips["content"].where(clips["take"].str.contains("happy"), ""))
    assert audit(half, *sides)["unknown"]["content"] == 2 * 7 * 4
    assert audit(half.drop(columns="content"), *sides)["unknown"]["content"] == len(clips)
    assert audit(clips.assign(content=None), *sides)["shared"]["content"] == 0


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("protocol", ORDINARY)
def test_equal_content_stands_on_one_side(protocol, seed):
    clips = copied(clip_table(10), [("demo-01", "demo-04"), ("demo-04", "demo-07"), ("demo-02", "demo-09")])
    clips = clips.sample(frac=1, random_state=seed)
    n_folds = None if protocol in splits.COUNTED else 4
    with pytest.raises(LeakError, match=r"content|speaker"):
        for fold in make_folds(clips.drop(columns="content"), protocol, n_folds, seed):
            audit(clips, fold.train, fold.test, allow=("speaker",))
    folds = make_folds(clips, protocol, n_folds, seed)
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(len(clips)))
    shares = protocol == "random"
    for fold in folds:
        assert audit(clips, fold.train, fold.test, allow=("speaker",) if shares else ())["shared"]["content"] == 0
        fit, validation = inner_split(clips, fold.train, seed=seed, by="take" if shares else "speaker")
        assert audit(clips, fit, validation, allow=("speaker",) if shares else ())["shared"]["content"] == 0


def test_speakers_that_share_content_test_together():
    clips = copied(clip_table(6), [("demo-01", "demo-05"), ("demo-02", "demo-03")])
    assert [fold.name for fold in make_folds(clips, "leave-one-speaker-out")] == ["A01,05", "A02,03", "A04", "A06"]
    clips = copied(clip_table(7), [("demo-01", "demo-03"), ("demo-06", "demo-07")])
    folds = make_folds(clips, "speaker-pairs")
    assert [fold.name for fold in folds] == ["A01,02,03,04", "A05,06,07"]  # 07, a surplus man, is a copy of 06


def test_four_names_of_one_set_of_recordings_are_one_speaker():
    clips = clip_table(4, EMOTIONS[:2])
    clips = clips.assign(content="sound:" + clips["take"].str[3:])
    for protocol in ("leave-one-speaker-out", "speaker-disjoint", "speaker-pairs"):
        n_folds = 2 if protocol == "speaker-disjoint" else None
        with pytest.raises(
            WorkbenchError, match=r"at least 2 groups of speakers.*demo-01 = demo-02 = demo-03 = demo-04"
        ):
            make_folds(clips, protocol, n_folds)
    folds = make_folds(clips, "random", 2)
    assert sum(len(fold.test) for fold in folds) == len(clips)


def test_one_training_speaker_is_divided_by_takes():
    clips = clip_table(3)
    one, two = (np.flatnonzero(clips["speaker"] <= f"demo-0{last}") for last in (1, 2))
    assert inner_unit(clips, one) == "take"
    assert inner_unit(clips, two) == "speaker"
    assert inner_unit(clips, two, shares_speakers=True) == "take"
    assert inner_unit(copied(clips, [("demo-01", "demo-02")]), two) == "take"


def test_too_few_takes_are_counted():
    clips = clip_table(1, EMOTIONS[:3])
    few = pd.concat([clips[clips["emotion"] != EMOTIONS[2]], clips[clips["emotion"] == EMOTIONS[2]].head(1)])
    with pytest.raises(WorkbenchError, match=rf"too few takes of {EMOTIONS[2]} \(1\).*at least 2.*leave these classes"):
        inner_split(few, range(len(few)), by="take")
    with pytest.raises(WorkbenchError, match="at most 4 of one; expected an emotion with 9 takes, or no more than 4"):
        make_folds(clips, "random", 9)


def test_given_folds_without_a_name_are_refused():
    clips = pd.DataFrame({"clip": ["a", "b"], "trains_in": ["", ""], "tests_in": ["", ""]})
    with pytest.raises(WorkbenchError, match="expected names of folds in column tests_in, found none"):
        given(clips)
