"""A study's file: every unknown key and impossible value is refused, at every level, before anything is prepared."""

import copy
import dataclasses

import pytest
import yaml

from workbench import studies
from workbench.errors import WorkbenchError
from workbench.studies import checking, declaration, planning, running

VOICE = {"encoders": {"audio": {"name": "cnn1d", "filters": [8, 8]}}}
FACE = {"encoders": {"video": {"name": "lrcn", "kernel_size": 3}}}
STACKING = {"name": "knn", "logarithms": True}
WHOLE = {
    "title": "A study",
    "source": "somebody",
    "table": "Table 1",
    "corpus": "demo",
    "classes": ["neutral", "happy", "sad", "angry"],
    "protocol": "random",
    "setting": "four classes",
    "reached": {"weights": "ImageNet", "folds": 10},
    "only": {"channel": "speech"},
    "repeats": 1,
    "inner_share": 0.25,
    "predict_training": False,
    "measures": ["accuracy", "f1"],
    "recipe": {"name": "benha", "n_frames": 5},
    "training": {"epochs": 1, "batch_size": 8},
    "variants": {
        "voice": {"title": "Voice", "group": "one", **VOICE, "normalise": "speaker", "training": {"patience": 3}},
        "face": {**FACE, "published": {"accuracy": 50.0, "row": "1"}},
        "both": {
            "encoders": VOICE["encoders"] | FACE["encoders"],
            "fusion": {"name": "concatenation"},
            "start": ["voice", "face"],
            "freeze": True,
        },
        "svm": {
            "classical": {
                "audio": {"name": "svm_rbf", "inputs": "mfcc", "statistics": ["mean"], "grid": {"C": [1.0]}}
            },
            "classes": ["happy", "sad"],
            "only": {"intensity": "strong"},
            "recipe": {"n_frames": 6},
        },
        "late": {"members": ["voice", "face"], "stacking": STACKING, "learn_from": "validation"},
        "mean": {"members": ["voice", "face"], "rule": {"name": "mean"}},
        "theirs": {"given": {"audio": {"name": "net", "order": "alphabetical", "usages": ["test"]}}},
        "elsewhere": {"of": "thread/audio_cnn"},
    },
    "cited": {"old": {"title": "Old", "published": {"accuracy": 40}}},
    "profiles": {
        "full": {"n_folds": {"random": 4, "speaker-disjoint": 2}, "repeats": {"random": [0, 7]}},
        "smoke": {
            "n_folds": 2,
            "folds": 1,
            "speakers": 4,
            "repeats": 1,
            "training": {"epochs": 1},
            "recipe": {"n_frames": 4},
            "variants": {"voice": {"encoders": {"audio": {"name": "cnn1d"}}, "training": {"epochs": 2}}},
        },
    },
}  # fmt: skip
LATE = ("variants", "late")
CASES = [
    # place in the file, new value (... takes the key away), words of the error
    (("profiles", "smoke", "n_folds"), 1, "n_folds is 1, expected a whole number, 2 or more"),
    (("profiles", "full", "n_folds"), {"random": 1}, "n_folds is 1, expected a whole number, 2 or more"),
    (("profiles", "a/b"), {"n_folds": 2}, "profile 'a/b': expected a name without '/' and ','"),
    (("profiles", "a,b"), {"n_folds": 2}, "profile 'a,b': expected a name without '/' and ','"),
    (("variants", "face", "published", "by_fold"), {"f1": "high"}, "by_fold, f1 is 'high', expected a number"),
    (("variants", "face", "published", "by_seed"), {27: 101}, "by_seed, 27 is 101, expected a number, 0 to 100"),
    (("variants", "face", "published", "by_class"), {"sad": 3}, "by_class, sad is 3, expected a mapping"),
    (("variants", "face", "published", "by_class"), {"sad": {"f1": "x"}}, "by_class, sad, f1 is 'x', expected"),
    (("variants", "face", "published", "n_neighbors"), {27: 0}, "n_neighbors, 27 is 0, expected a number, 1 or more"),
    (("trainin",), {"epochs": 2}, "unknown key of a study 'trainin'.*did you mean 'training'"),
    (("title",), 3, "title is 3, expected text"),
    (("title",), None, "title is None, expected text"),
    (("title",), ..., "missing 1 required fields: title"),
    (("corpus",), "ravdes", "unknown corpus 'ravdes'.*did you mean 'ravdess'"),
    (("corpus",), "demo:crowd", "unknown target of corpus 'demo' 'crowd'"),
    (("classes",), ["happy", "hapy"], "unknown class in classes 'hapy'.*did you mean 'happy'"),
    (("classes",), ["happy"], "classes is .'happy'., expected a list of 2 or more"),
    (("classes",), "happy", "classes is 'happy', expected a list"),
    (("classes",), ["happy", "happy"], "classes names 'happy' twice"),
    (("protocol",), "speaker-disjont", "unknown protocol 'speaker-disjont'.*did you mean 'speaker-disjoint'"),
    (("protocol",), ["random"], "unknown protocol"),
    (("only",), ["channel"], "only is .'channel'., expected a mapping"),
    (("only",), {"channel": ["speech"]}, "only: column 'channel' is .'speech'., expected one value"),
    (("repeats",), 0, "repeats is 0, expected a whole number, 1 or more"),
    (("repeats",), [], "repeats are .., expected how many, or seeds"),
    (("repeats",), [1, 1], "repeats are .1, 1., expected .* each once"),
    (("repeats",), {"rand": 3}, "unknown protocol in repeats 'rand'"),
    (("inner_share",), -1, "inner_share is -1, expected a number between 0 and 1"),
    (("inner_share",), True, "inner_share is True, expected a number between 0 and 1"),
    (("predict_training",), "no", "predict_training is 'no', expected true or false"),
    (("measures",), ["f2"], "unknown measure in measures 'f2'"),
    (("training",), None, "training is None, expected a mapping"),
    (("training", "epoch"), 2, "training: unknown training setting 'epoch'.*did you mean 'epochs'"),
    (("training", "epochs"), "many", "training: training setting epochs is 'many', expected a whole number"),
    (("training", "momentum"), 0.9, "training: training setting momentum is 0.9"),
    (("recipe", "nme"), "benha", "recipe: unknown value of recipe 'benha' 'nme'"),
    (("recipe", "name"), "bena", "recipe: unknown recipe 'bena'.*did you mean 'benha'"),
    (("recipe", "size"), 7, "recipe: recipe 'benha': size is 7, expected an even number"),
    (("variants",), ["voice"], "variants is .'voice'., expected a mapping"),
    (("variants", "voice"), None, "variant 'voice' is None, expected a mapping"),
    (("variants", 3), VOICE, "variant 3: expected a name of text"),
    (("variants", "voice", "normalize"), "speaker", "key of variant 'voice' 'normalize'.*did you mean 'normalise'"),
    (("variants", "voice", "normalise"), "people", "variant 'voice': unknown normalise 'people'"),
    (("variants", "voice", "trainin"), {}, "unknown key of variant 'voice' 'trainin'"),
    (("variants", "voice", "training"), {"epoch": 2}, "variant 'voice': training: unknown training setting 'epoch'"),
    (("variants", "voice", "group"), 1, "variant 'voice': group is 1, expected text"),
    (("variants", "voice", "classical"), {"audio": {"name": "knn"}}, "found encoders and classical"),
    (("variants", "voice", "encoders"), ..., "variant 'voice': expected one of encoders.*found none"),
    (("variants", "voice", "encoders"), ["cnn1d"], "variant 'voice': encoders is .'cnn1d'., expected a mapping"),
    (("variants", "voice", "encoders"), {}, "variant 'voice': encoders is empty"),
    (("variants", "voice", "encoders", "audio"), "cnn1d", "modality 'audio' is 'cnn1d', expected a mapping"),
    (("variants", "voice", "encoders", "audoi"), {"name": "cnn1d"}, "unknown modality in variant 'voice': encoders"),
    (("variants", "voice", "encoders", "audio", "name"), "cnn9d", "variant 'voice': unknown encoder 'cnn9d'"),
    (("variants", "voice", "encoders", "audio", "filterz"), [8], "setting of encoder 'cnn1d' 'filterz'.*'filters'"),
    (("variants", "voice", "encoders", "audio", "kernel_size"), -1, "variant 'voice': .*"),
    (("variants", "voice", "encoders", "audio", "pool"), "flaten", "variant 'voice': unknown pool.*'flatten'"),
    (("variants", "both", "fusion"), ..., "variant 'both': 2 encoders need a fusion"),
    (("variants", "both", "fusion", "name"), "n9", "unknown fusion 'n9'"),
    (("variants", "both", "fusion", "widht"), 9, "variant 'both': fusion 'concatenation' with settings"),
    (("variants", "both", "start"), ["voic"], "unknown variant in variant 'both': start 'voic'.*'voice'"),
    (("variants", "both", "start"), "voice", "variant 'both': start is 'voice', expected a list"),
    (("variants", "both", "start"), ["both"], "variant 'both' builds on itself"),
    (("variants", "both", "freeze"), "yes", "variant 'both': freeze is 'yes', expected true or false"),
    (("variants", "both", "start"), ..., "variant 'both': freeze keeps trained encoders"),
    (("variants", "svm", "training"), {"epochs": 3}, "key of variant 'svm', which has classical 'training'"),
    (("variants", "svm", "classes"), ["hapy", "sad"], "unknown class in variant 'svm': classes 'hapy'"),
    (("variants", "svm", "recipe"), {"sise": 8}, "variant 'svm': recipe: unknown value of recipe 'benha' 'sise'"),
    (("variants", "svm", "classical", "audio", "name"), "svm", "variant 'svm': unknown classifier 'svm'"),
    (("variants", "svm", "classical", "audio", "gama"), 1, "variant 'svm': classifier 'svm_rbf' with settings"),
    (("variants", "svm", "classical", "audio", "C"), -1, "variant 'svm': classifier 'svm_rbf': .*'C' parameter"),
    (("variants", "svm", "classical", "audio", "grid"), {"D": [1]}, "classifier 'svm_rbf' with settings"),
    (("variants", "svm", "classical", "audio", "grid"), {"C": 1}, "grid is .* lists of values"),
    (("variants", "svm", "classical", "audio", "statistics"), ["mode"], "variant 'svm': unknown statistic 'mode'"),
    ((*LATE, "members"), ["voice", "fase"], "unknown variant in variant 'late': members 'fase'.*'face'"),
    ((*LATE, "members"), ["voice", "late"], "variant 'late' builds on itself by members and start: late -> late"),
    ((*LATE, "members"), [], "variant 'late': members is .., expected a list"),
    ((*LATE, "stacking"), ..., "variant 'late': members need stacking or a rule"),
    ((*LATE, "stacking", "name"), "forest", "unknown stacking 'forest'"),
    ((*LATE, "stacking", "n_neighbours"), 3, "variant 'late': classifier 'knn' with settings"),
    ((*LATE, "learn_from"), "test", "variant 'late': unknown learn_from 'test': choose from train, validation"),
    (("variants", "mean", "rule", "name"), "median", "unknown rule 'median'"),
    (("variants", "mean", "rule", "weight"), 1, "rule 'mean' has no settings, found weight"),
    (("variants", "theirs", "given", "audio", "ordre"), "x", "setting of predictions of 'net' 'ordre'.*'order'"),
    (("variants", "elsewhere", "of"), "thred/n0", "unknown study 'thred'"),
    (("variants", "elsewhere", "of"), "thread/n9", "unknown variant 'n9'"),
    (("variants", "elsewhere", "of"), "thread", "of is 'thread', expected .* STUDY/VARIANT"),
    (("variants", "elsewhere", "normalise"), "speaker", "variant 'elsewhere', which is another study's"),
    (("variants", "face", "published", "acuracy"), 5, "key of variant 'face': published 'acuracy'.*'accuracy'"),
    (("variants", "face", "published", "accuracy"), "high", "accuracy is 'high', expected a number, 0 to 100"),
    (("cited", "old", "encoders"), {}, "unknown key of cited 'old' 'encoders'"),
    (("cited", "old", "published"), ..., "cited 'old': published is None, expected a mapping"),
    (("profiles", "smoke"), None, "profile 'smoke' is None, expected a mapping"),
    (("profiles", "smoke", "speaker"), 4, "unknown key of profile 'smoke' 'speaker'.*did you mean 'speakers'"),
    (("profiles", "smoke", "speakers"), {"random": 2}, "profile 'smoke': speakers is .*, expected a whole number"),
    (("profiles", "smoke", "folds"), True, "profile 'smoke': folds is True, expected a whole number"),
    (("profiles", "full", "n_folds"), {"rndom": 2}, "unknown protocol in profile 'full': n_folds 'rndom'.*'random'"),
    (("profiles", "smoke", "training"), {"epochz": 1}, "profile 'smoke': training: unknown training setting 'epochz'"),
    (("profiles", "smoke", "recipe"), {"size": 5}, "profile 'smoke': recipe: recipe 'benha': size is 5"),
    (("profiles", "smoke", "variants", "voic"), {}, "unknown variant in profile 'smoke' 'voic'.*'voice'"),
    (("profiles", "smoke", "variants", "voice", "traning"), {}, "key of profile 'smoke', variant 'voice' 'traning'"),
    (("profiles", "smoke", "variants", "voice", "training"), {"epochs": 0}, "'smoke', variant 'voice': training"),
    (("profiles", "smoke", "variants", "voice", "encoders", "audio", "name"), "cnn", "'smoke', variant 'voice': "),
    (("profiles", "smoke", "variants", "svm"), {"given": {"audio": {"name": "x"}}}, "found classical and given"),
]  # fmt: skip


def write(folder, said):
    path = folder / "mine.yaml"
    path.write_text(said if isinstance(said, str) else yaml.safe_dump(said, sort_keys=False))
    return path


def changed(place, value):
    said = copy.deepcopy(WHOLE)
    *above, last = place
    part = said
    for key in above:
        part = part[key]
    if value is ...:
        del part[last]
    else:
        part[last] = value
    return said


def test_a_study_that_has_every_key_is_loaded(tmp_path):
    study = studies.load(write(tmp_path, WHOLE))
    assert study.variants == WHOLE["variants"]
    keys = {key for settings in WHOLE["variants"].values() for key in settings}
    assert keys == set(declaration.values.VARIANT)
    assert set(WHOLE) == set(declaration.values.STUDY)


@pytest.mark.parametrize(("place", "value", "message"), CASES, ids=lambda one: str(one)[:60])
def test_what_is_mistyped_is_refused_with_file_place_and_choices(tmp_path, place, value, message):
    path = write(tmp_path, changed(place, value))
    with pytest.raises(WorkbenchError, match=message) as caught:
        studies.load(path)
    assert str(caught.value).startswith(f"{path}: ")


def places(part, above=()):
    """Return the place of every key of mappings whose keys are words of a study file, not names that a user gives."""
    found = []
    for key, value in part.items():
        place = (*above, key)
        if above[-1:] not in (("variants",), ("cited",), ("profiles",), ("only",)):
            found.append(place)
        if isinstance(value, dict):
            found += places(value, place)
    return found


@pytest.mark.parametrize("place", places(WHOLE), ids=".".join)
def test_any_key_with_one_letter_changed_is_named_in_the_error(tmp_path, place):
    *above, key = place
    wrong = key[:-1] + ("x" if key[-1] != "x" else "y")
    said = copy.deepcopy(WHOLE)
    part = said
    for name in above:
        part = part[name]
    part[wrong] = part.pop(key)
    with pytest.raises(WorkbenchError) as caught:
        studies.load(write(tmp_path, said))
    missing = f"missing 1 required fields: {key}"
    assert wrong in str(caught.value) or key == "name" or missing in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected the fields of a study, found NoneType"),
        ("title: a\ntitle: b\n", "line 2: key 'title' stands twice"),
        (yaml.safe_dump(WHOLE).replace("\n  voice:\n", "\n  face:\n"), "key 'face' stands twice"),
    ],
)
def test_files_that_are_no_study_or_say_a_thing_twice(tmp_path, text, message):
    with pytest.raises(WorkbenchError, match=message):
        studies.load(write(tmp_path, text))


def test_yaml_merges_are_no_repetition():
    text = "a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}\nc: {<<: *a}\n"
    assert declaration.read(text) == yaml.safe_load(text)


@pytest.mark.parametrize("name", [name for name in studies.names() if (studies.FOLDER / f"{name}.yaml").exists()])
def test_the_studies_of_the_workbench_pass_every_check(name):
    study = studies.load(name)
    declaration.check_variants(study)
    checking.check_study(study)
    assert study.variants == yaml.safe_load((studies.FOLDER / f"{name}.yaml").read_text())["variants"]


def test_a_file_of_ones_own_that_is_wrong_is_left_out_of_the_list_with_the_reason(call, data_folder):
    folder = data_folder / "studies"
    folder.mkdir(parents=True)
    write(folder, changed(("trainin",), {}))
    code, out, problem = call("study", "list", "--json")
    assert (code, '"thread"' in out, '"mine"' in out) == (0, True, False)
    assert "left out" in problem
    assert "trainin" in problem


@pytest.mark.parametrize(
    ("corpus", "only", "message"),
    [
        ("demo", {"chanel": "speech"}, "unknown column .*'chanel'.*did you mean 'channel'"),
        ("ravdess", {"chanel": "speech"}, "unknown column .*'chanel'.*did you mean 'channel'"),
        ("demo", {"dialogue": "x"}, "unknown column .*'dialogue'"),
        ("demo", {"channel": "song"}, "no clip of corpus 'demo' has channel 'song', found speech"),
        ("demo", {"repetition": 2}, "no clip of corpus 'demo' has repetition '2', found 1"),
    ],
)
def test_only_is_checked_on_the_corpus_before_anything_is_prepared(tiny, data_folder, corpus, only, message):
    base = studies.load("thread")
    study = dataclasses.replace(base, corpus=corpus, only=only)
    with pytest.raises(WorkbenchError, match=message):
        running.run(study, tiny, profile="smoke", variants=["audio_cnn"])
    mine = base.variants["audio_cnn"] | {"only": only}
    study = dataclasses.replace(base, corpus=corpus, variants={"audio_cnn": mine})
    with pytest.raises(WorkbenchError, match=message):
        running.run(study, tiny, profile="smoke")
    assert not (data_folder / "prepared").exists()


def test_values_of_only_are_compared_as_text(tiny):
    base = studies.load("thread")
    whole = planning.plan(base, tiny, profile="smoke")
    for value in (1, "1", 1.0):
        plan = planning.plan(dataclasses.replace(base, only={"repetition": value}), tiny, profile="smoke")
        assert plan.takes["take"].tolist() == whole.takes["take"].tolist()
    plan = planning.plan(dataclasses.replace(base, only={"dialogue": "of MELD"}), tiny, profile="smoke")
    assert len(plan.takes) == len(whole.takes)
