"""Nobody and no take may stand on both sides unless it was asked for; every clip tests once."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from workbench.emotions import EMOTIONS
from workbench.errors import WorkbenchError
from workbench.splits import PROTOCOLS, LeakError, audit, grouped, inner_split, make_folds

ORDINARY = [name for name in PROTOCOLS if name not in ("frontal-to-turned", "given")]  # those that test every clip


def clip_table(n_speakers=8, emotions=EMOTIONS, repeats=4, *, sexes=("male", "female"), recordings=1):
    """Speakers of alternating sex; each take of each is `recordings` clips (as RAVDESS's 01-, 02-, 03-)."""
    rows = [
        {
            "clip": f"{kind:02d}-{speaker:02d}-{emotion}-{repeat}",
            "take": f"{speaker:02d}-{emotion}-{repeat}",
            "speaker": f"demo-{speaker:02d}",
            "sex": sexes[(speaker - 1) % len(sexes)],
            "emotion": emotion,
        }
        for speaker in range(1, n_speakers + 1)
        for emotion in emotions
        for repeat in range(repeats)
        for kind in range(1, recordings + 1)
    ]
    return pd.DataFrame(rows)


def speakers(clips, positions):
    return set(clips["speaker"].iloc[positions])


@pytest.mark.parametrize("protocol", ORDINARY)
def test_every_clip_tests_once_and_trains_otherwise(protocol):
    clips = clip_table(recordings=2).sample(frac=1, random_state=1)
    folds = make_folds(clips, protocol)
    tested = np.concatenate([fold.test for fold in folds])
    assert sorted(tested) == list(range(len(clips)))
    for fold in folds:
        assert sorted([*fold.train, *fold.test]) == list(range(len(clips)))
        assert audit(clips, fold.train, fold.test, allow=("speaker",))["shared"]["take"] == 0
    assert len({fold.name for fold in folds}) == len(folds)


@pytest.mark.parametrize("protocol", [name for name in ORDINARY if name != "random"])
def test_speaker_disjoint_is_disjoint_and_the_default(protocol):
    clips = clip_table()
    for fold in make_folds(clips, protocol):
        assert audit(clips, fold.train, fold.test) == {
            "leaks": False,
            "shared": {"speaker": 0, "take": 0, "clip": 0, "content": 0},
            "unknown": {"speaker": 0, "take": 0, "clip": 0, "content": len(clips)},
        }
    defaults = make_folds(clips)
    assert [fold.test.tolist() for fold in defaults] == [fold.test.tolist() for fold in grouped(clips)]


def test_pairs_are_a_man_and_a_woman_in_sorted_order():
    clips = clip_table(7).sample(frac=1, random_state=0)  # four men, three women
    folds = make_folds(clips, "speaker-pairs")
    assert [fold.name for fold in folds] == ["A01,02", "A03,04", "A05,06"]
    for fold in folds:
        assert set(clips["sex"].iloc[fold.test]) == {"male", "female"}
        assert "demo-07" in speakers(clips, fold.train)  # the surplus man trains, and is never tested


def test_leave_one_out_names_speakers():
    savee = clip_table(4, sexes=("male",)).replace({f"demo-{n:02d}": f"savee-{n}" for n in (1, 2, 3)})
    savee = savee.replace({"savee-1": "savee-DC", "savee-2": "savee-JE"})
    assert [fold.name for fold in make_folds(savee, "leave-one-speaker-out")] == ["A04", "A3", "DC", "JE"]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("n_speakers", "n_folds"), [(12, 5), (16, 5), (24, 5), (10, 4), (91, 10)])
def test_grouped_balances_sexes_and_sizes(n_speakers, n_folds, seed):
    clips = clip_table(n_speakers, EMOTIONS[:3], 1)
    folds = grouped(clips, n_folds, seed)
    tested = [clips.iloc[fold.test].drop_duplicates("speaker")["sex"].value_counts() for fold in folds]
    numbers = pd.DataFrame(tested).fillna(0)
    assert (numbers.max() - numbers.min() <= 1).all()
    sizes = [len(fold.test) for fold in folds]
    assert max(sizes) - min(sizes) <= 3  # one speaker's clips


def test_grouped_balances_emotions_where_speakers_differ():
    rng = np.random.default_rng(0)
    shares = {f"s{n:02d}": rng.dirichlet([0.5] * 4) for n in range(40)}
    rows = [
        {"clip": f"{name}-{i}", "take": f"{name}-{i}", "speaker": name, "sex": "", "emotion": EMOTIONS[e]}
        for name, share in shares.items()
        for i, e in enumerate(rng.choice(4, size=rng.integers(5, 60), p=share))
    ]
    clips = pd.DataFrame(rows)
    of_fold = [clips["emotion"].iloc[fold.test].value_counts() for fold in grouped(clips, 4, 0)]
    names = np.array_split(rng.permutation(list(shares)), 4)
    of_chance = [clips.loc[clips["speaker"].isin(part), "emotion"].value_counts() for part in names]
    assert pd.DataFrame(of_fold).std().sum() < 0.5 * pd.DataFrame(of_chance).std().sum()


def test_random_folds_are_stratified_and_share_speakers_openly():
    clips = clip_table(recordings=3)
    folds = make_folds(clips, "random", 4, seed=3)
    for fold in folds:
        counts = clips["emotion"].iloc[fold.test].value_counts()
        assert counts.max() == counts.min() == len(clips) / 4 / len(EMOTIONS)
        with pytest.raises(LeakError, match=r"8 speakers \(such as demo-01"):
            audit(clips, fold.train, fold.test)
        assert audit(clips, fold.train, fold.test, allow=["speaker"])["leaks"] is True


@pytest.mark.parametrize("protocol", ["speaker-disjoint", "random"])
def test_seed_decides(protocol):
    clips = clip_table(12)
    first, again, other = (make_folds(clips, protocol, seed=seed) for seed in (0, 0, 1))
    assert all((a.test == b.test).all() for a, b in zip(first, again, strict=True))
    assert any(a.test.tolist() != b.test.tolist() for a, b in zip(first, other, strict=True))


def test_order_of_the_table_does_not_move_speakers_between_folds():
    clips = clip_table(12)
    shuffled = clips.sample(frac=1, random_state=5)
    sides = [[speakers(table, fold.test) for fold in grouped(table, 5, 2)] for table in (clips, shuffled)]
    assert sides[0] == sides[1]


def turned_table(yaws=(-45, 0, 45), **options):
    """Return a clip table in which every take is seen at each yaw, as by RaFD's cameras."""
    clips = clip_table(**options)
    views = [clips.assign(yaw=yaw, clip=clips["clip"] + f"{yaw:+d}") for yaw in yaws]
    return pd.concat(views, ignore_index=True).sample(frac=1, random_state=2)


def test_frontal_faces_train_and_turned_heads_of_others_test():
    clips = turned_table()
    folds = make_folds(clips, "frontal-to-turned", 4, seed=3)
    yaw = clips["yaw"].to_numpy()
    for fold in folds:
        assert (yaw[fold.train] == 0).all()
        assert set(yaw[fold.test]) == {-45, 45}
        assert (yaw[fold.beside["frontal"]] == 0).all()
        assert speakers(clips, fold.test) == speakers(clips, fold.beside["frontal"])
        assert not speakers(clips, fold.train) & speakers(clips, fold.test)
        assert audit(clips, fold.train, fold.beside["frontal"])["leaks"] is False
        fit, validation = inner_split(clips, fold.train)
        assert (yaw[[*fit, *validation]] == 0).all()
    assert sorted(np.concatenate([fold.test for fold in folds])) == np.flatnonzero(yaw != 0).tolist()
    assert sorted(np.concatenate([fold.beside["frontal"] for fold in folds])) == np.flatnonzero(yaw == 0).tolist()
    as_text = make_folds(clips.assign(yaw=clips["yaw"].astype(str)), "frontal-to-turned", 4, seed=3)
    assert all((a.test == b.test).all() for a, b in zip(folds, as_text, strict=True))


def test_two_corpora_one_frontal_one_turned():
    """CK+ beside RaFD's turned pictures: the first trains, the second tests, whatever the fold."""
    frontal = clip_table(6, recordings=1).assign(yaw=0)
    turned = turned_table((45, 90), n_speakers=6)
    turned[["speaker", "take"]] = "rafd-" + turned[["speaker", "take"]]
    clips = pd.concat([frontal, turned], ignore_index=True)
    for fold in make_folds(clips, "frontal-to-turned", 3):
        assert not clips["speaker"].iloc[fold.train].str.startswith("rafd").any()
        assert clips["speaker"].iloc[fold.test].str.startswith("rafd").all()


def test_turned_heads_are_asked_for_where_there_are_none():
    with pytest.raises(WorkbenchError, match=r"expected a column 'yaw' \(degrees, 0 frontal\), found clip, take"):
        make_folds(clip_table(), "frontal-to-turned")
    for yaws, found in (((0,), "and 0"), ((45,), "found 0 and")):
        with pytest.raises(WorkbenchError, match=f"frontal-to-turned.*{found}"):
            make_folds(turned_table(yaws), "frontal-to-turned", 2)
    clips = turned_table()
    with pytest.raises(WorkbenchError, match="frontal pictures: no training clip of sad"):
        make_folds(clips[(clips["yaw"] != 0) | (clips["emotion"] != "sad")], "frontal-to-turned", 2)


def test_inner_split_takes_whole_speakers_of_both_sexes_from_training_only():
    clips = clip_table(12)
    fold = make_folds(clips, "speaker-pairs")[2]
    fit, validation = inner_split(clips, fold.train, share=0.4, seed=1)
    assert sorted([*fit, *validation]) == fold.train.tolist()
    assert not speakers(clips, fit) & speakers(clips, validation)
    chosen = clips.iloc[validation].drop_duplicates("speaker")["sex"].value_counts()
    assert chosen.to_dict() == {"male": 2, "female": 2}
    again = inner_split(clips, fold.train[::-1], share=0.4, seed=1)[1]
    assert (again == validation).all()


def test_inner_split_keeps_the_only_woman_for_fitting():
    clips = clip_table(5, sexes=("male", "male", "male", "male", "female"))
    for seed in range(6):
        assert "demo-05" in speakers(clips, inner_split(clips, range(len(clips)), seed=seed)[0])


def test_inner_split_of_one_man_and_one_woman():
    clips = clip_table(2)
    fit, validation = inner_split(clips, range(len(clips)), seed=0)
    assert len(fit) == len(validation) == len(clips) / 2


def test_inner_split_by_take_is_stratified_and_keeps_takes_whole():
    clips = clip_table(4, repeats=5, recordings=2)
    train = np.arange(0, len(clips))
    fit, validation = inner_split(clips, train, share=0.2, seed=0, by="take")
    assert audit(clips, fit, validation, allow=("speaker",))["shared"]["take"] == 0
    assert set(clips["emotion"].iloc[validation].value_counts()) == {8}


def test_audit_finds_takes_under_different_clip_names():
    clips = clip_table(2, recordings=2)
    sound, picture = (np.flatnonzero(clips["clip"].str.startswith(kind)) for kind in ("01", "02"))
    with pytest.raises(LeakError, match="64 takes"):
        audit(clips, sound, picture, allow=("speaker",))
    report = audit(clips, sound, picture, allow=("speaker", "take"))
    assert {key: report[key] for key in ("leaks", "shared")} == {
        "leaks": True,
        "shared": {"speaker": 2, "take": 64, "clip": 0, "content": 0},
    }


def test_audit_does_not_take_unknown_speakers_for_one_person():
    clips = clip_table(1).assign(speaker="")
    report = audit(clips, [0, 1], [2, 3])
    assert report["leaks"] is False
    assert report["unknown"] == {"speaker": 4, "take": 0, "clip": 0, "content": 4}


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        ({}, ("speaker-disjointed",), "unknown protocol 'speaker-disjointed': choose from frontal-to-turned"),
        ({}, ("speaker-disjoint", 9), "at least 9 speakers, found 8"),
        ({}, ("speaker-disjoint", 1), "at least 2 folds"),
        ({}, ("random", 33), "33 random folds would leave some empty"),
        ({}, ("speaker-pairs", 5), "makes 4 folds"),
        ({"sex": "male"}, ("speaker-pairs",), "8 men and 0 women"),
        ({"speaker": "demo-01"}, ("leave-one-speaker-out",), "at least 2 speakers, found 1"),
        ({"speaker": ""}, ("speaker-disjoint",), "256 of 256 clips have no speaker label"),
    ],
)
def test_bad_requests_get_one_clear_error(change, arguments, message):
    with pytest.raises(WorkbenchError, match=message):
        make_folds(clip_table().assign(**change), *arguments)


@pytest.mark.parametrize("protocol", ["leave-one-speaker-out", "speaker-pairs", "speaker-disjoint"])
def test_an_emotion_that_only_one_speaker_shows_cannot_be_learned(protocol):
    clips = clip_table()
    clips = clips[(clips["emotion"] != "calm") | (clips["speaker"] == "demo-03")]
    with pytest.raises(WorkbenchError, match="no training clip of calm"):
        make_folds(clips, protocol)
    with pytest.raises(WorkbenchError, match="inner split: no training clip of calm"):
        inner_split(clips, range(len(clips)), share=0.7, seed=0)  # three of the four men, demo-03 among them


def test_inner_split_errors():
    clips = clip_table(1)
    with pytest.raises(WorkbenchError, match="at least 2 speakers"):
        inner_split(clips, range(len(clips)), seed=0)
    with pytest.raises(WorkbenchError, match="inner split by take"):
        inner_split(clips.drop_duplicates("emotion"), range(8), seed=0, by="take")


def test_pairs_of_the_real_ravdess(shared):
    rows = []
    for path in sorted((shared / "data" / "ravdess" / "Audio_Speech_Actors_01-24").rglob("*.flac")):
        _, _, emotion, _, _, _, actor = path.stem.split("-")
        sex = "male" if int(actor) % 2 else "female"
        rows.append((path.stem, path.stem[3:], f"ravdess-{actor}", sex, EMOTIONS[int(emotion) - 1]))
    clips = pd.DataFrame(rows, columns=["clip", "take", "speaker", "sex", "emotion"])
    assert len(clips) == 960
    folds = make_folds(clips, "speaker-pairs")
    assert [fold.name for fold in folds] == [f"A{n:02d},{n + 1:02d}" for n in range(1, 16, 2)]
    assert {len(fold.test) for fold in folds} == {120}


def test_the_published_cremad_split_is_caught(shared):
    folder = shared / "data" / "splits" / "ogm_ge_cremad"
    sides = [pd.read_csv(folder / f"{side}.csv", names=["clip", "label"]) for side in ("train", "test")]
    clips = pd.concat(sides, ignore_index=True)
    clips = clips.assign(take=clips["clip"], speaker="cremad-" + clips["clip"].str[:4])
    train, test = np.split(np.arange(len(clips)), [len(sides[0])])
    with pytest.raises(LeakError, match="91 speakers"):
        audit(clips, train, test)
    report = audit(clips, train, test, allow=("speaker",))
    assert {key: report[key] for key in ("leaks", "shared")} == {
        "leaks": True,
        "shared": {"speaker": 91, "take": 0, "clip": 0, "content": 0},
    }


@pytest.mark.parametrize("fold", range(1, 7))
def test_the_published_emobox_folds_pass(shared, fold):
    sides = []
    for side in ("train", "test"):
        lines = (shared / "data" / "splits" / "emobox_ravdess" / f"fold{fold}_{side}.jsonl").read_text().splitlines()
        keys = [json.loads(line)["key"] for line in lines]
        sides.append(pd.DataFrame({"clip": keys, "take": keys, "speaker": [key[-2:] for key in keys]}))
    clips = pd.concat(sides, ignore_index=True)
    report = audit(clips, range(len(sides[0])), range(len(sides[0]), len(clips)))
    assert {key: report[key] for key in ("leaks", "shared")} == {
        "leaks": False,
        "shared": {"speaker": 0, "take": 0, "clip": 0, "content": 0},
    }
    assert clips["speaker"].nunique() == 24
