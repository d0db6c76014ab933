"""What each modality says by itself, and what an answer rests on: on answers that are known, and on finished runs."""

import numpy as np
import pytest
import small_study

from workbench import explain, runs
from workbench.errors import WorkbenchError
from workbench.predict import predict, prepared, recipe_of
from workbench.studies import running


@pytest.fixture(scope="module")
def made(tiny, tmp_path_factory):
    """A finished run of each variant of the small study, by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_DATA", str(tmp_path_factory.mktemp("data")))
        yield {
            one.params["variant"]: one
            for one in running.run(small_study.study(), tiny, profile="smoke", protocols=["speaker-disjoint"])
        }


def arrays(run, path):
    return prepared(str(path), recipe_of(run))[1]


def test_occlusion_finds_the_part_that_counts_and_its_sign():
    """An answer that looks at one corner of the second picture, and against one stretch of a coefficient."""

    def answer(clips):
        shares = [0.5 + clip["frames"][1, :4, :4].mean() / 1000 - clip["mfcc"][5:10, 2].mean() / 100 for clip in clips]
        return [np.array([share, 1 - share]) for share in shares]

    frames, mfcc = np.zeros((2, 8, 8, 3), np.uint8), np.zeros((20, 4), np.float32)
    frames[1, :4, :4], mfcc[5:10, 2] = 200, 10
    clip = {"frames": frames, "mfcc": mfcc}
    parts = {2: (4, 4), 4: (2, 2, 2)}
    faces, sound = explain.occlude(answer, clip, 0, names=["frames", "mfcc", "waveform"], parts=parts)
    assert faces.drop.shape == (2, 2, 2)
    assert np.unravel_index(faces.drop.argmax(), faces.drop.shape) == (1, 0, 0)
    assert faces.drop[1, 0, 0] == pytest.approx((200 - 25) / 1000)  # covered with the clip's mean colour, 25
    assert np.count_nonzero(faces.drop) == 1
    assert sound.drop[1, 2] == pytest.approx((2.5 - 10) / 100)  # the band's mean is 2.5; this one speaks against it
    assert sound.whole().shape == mfcc.shape
    assert sound.whole()[7, 2] == sound.drop[1, 2]
    assert frames[1, 0, 0, 0] == 200, "the clip itself stays as it is"


def test_named_features_are_taken_away_one_by_one_and_waveforms_silenced():
    def answer(clips):
        found = [
            np.nan_to_num(clip["features"][0, 1]) / 10 + np.abs(clip["waveform"][:5]).mean() / 1e5 for clip in clips
        ]
        return [np.array([share, 1 - share]) for share in found]

    clip = {"features": np.array([[3.0, 4.0, 5.0]], np.float32), "waveform": np.full(10, 1000, np.int16)}
    features, waveform = explain.occlude(answer, clip, 0, names=["features", "waveform"], parts={1: (2,)})
    assert features.drop[0] == pytest.approx([0, 0.4, 0])
    assert waveform.drop == pytest.approx([0.01, 0])


def test_nothing_to_go_by_is_nothing_to_explain():
    with pytest.raises(WorkbenchError, match="nothing to explain"):
        explain.occlude(lambda clips: [None] * len(clips), {}, 0, names=["mfcc"])


@pytest.mark.parametrize(
    ("variant", "by"),
    [
        ("voice", {"audio": "the run itself"}),
        ("late", {"audio": "member voice", "video": "member face"}),
        ("both", {"audio": "the rest left out", "video": "the rest left out"}),
        ("sides", {"audio": "side branch", "video": "side branch"}),
    ],
)
def test_each_modality_says_something_of_its_own_and_how_it_was_asked(made, tiny, variant, by):
    run, path = made[variant], tiny.clips()["path"].iloc[0]
    clip = arrays(run, path)
    silent = {name: array for name, array in clip.items() if name not in ("mfcc", "waveform")}
    parts, without = explain.by_modality(run)([clip, silent])
    assert {part.modality: part.by for part in parts} == by
    for part in parts:
        assert part.probabilities.sum() == pytest.approx(1)
    voice = {part.modality: part.probabilities for part in without}
    assert voice["audio"] is None
    if "video" in by:
        face = {part.modality: part.probabilities for part in parts}["video"]
        assert voice["video"] == pytest.approx(face, abs=1e-6), "what the face says does not depend on the sound"
        assert face != pytest.approx(parts[0].probabilities, abs=1e-4)


def test_a_members_answer_is_what_the_member_says_when_it_is_asked(made, tiny):
    path = tiny.clips()["path"].iloc[0]
    voice, _ = explain.by_modality(made["late"])([arrays(made["late"], path)])[0]
    (alone,) = predict([path], made["voice"])
    assert dict(zip(made["voice"].params["classes"], voice.probabilities, strict=True)) == pytest.approx(
        alone["probabilities"]
    )


def test_a_run_is_explained_by_all_that_it_reads(made, tiny):
    run = made["late"]
    clip = arrays(run, tiny.clips()["path"].iloc[0])
    heats = explain.explain(run, clip, "sad")
    assert [heat.array for heat in heats] == ["mfcc", "frames"]
    assert all(np.abs(heat.drop).max() > 0 for heat in heats)
    (other, _) = explain.explain(run, clip, "happy")
    assert other.drop == pytest.approx(-heats[0].drop), "of two emotions, what speaks for one speaks against the other"
    with pytest.raises(WorkbenchError, match="unknown emotion of the run 'angry': choose from happy, sad"):
        explain.explain(run, clip, "angry")
    assert runs.load(run.name).done
