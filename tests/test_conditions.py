"""Results belong to a corpus at a root, numbers are compared under the same conditions, what is left out is told."""

import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
from test_studies_tables import ALL, HALF, as_published, both, cell, columns, predictions, study, table_of

from workbench import cli, datasets, evaluation, figures, runs, studies
from workbench.cli.common import load_run
from workbench.errors import WorkbenchError
from workbench.interact import asked
from workbench.studies import conditions, making, planning, results, running, tables, writing
from workbench.studies.places import Place
from workbench.studies.reached import reached

RATE = 8000
PITCH = {"happy": 260, "sad": 120, "angry": 220, "contempt": 195, "fearful": 300}


def folder_of(root, emotions, *, speakers=4, takes=2):
    """Write a corpus of one's own: buzzes of a pitch by emotion, a speaker a letter."""
    rng = np.random.default_rng(len(emotions))
    for speaker in "abcdefgh"[:speakers]:
        for emotion in emotions:
            for take in range(takes):
                t = np.arange(RATE // 2) / RATE
                phase = 2 * np.pi * PITCH[emotion] * (1 + 0.02 * ord(speaker) % 7) * t
                sound = sum(np.sin(k * phase) / k for k in range(1, 5)) * np.hanning(len(t))
                root.mkdir(parents=True, exist_ok=True)
                noise = 0.003 * rng.standard_normal(len(t))
                sf.write(root / f"{speaker}_{emotion}_{take}.wav", 0.2 * sound + noise, RATE)
    (root / "corpus.yaml").write_text(r"pattern: (?P<speaker>\w)_(?P<emotion>[a-z]+)_\d\.wav")
    return root


@pytest.fixture(scope="module")
def two_corpora_once(tmp_path_factory):
    """Two corpora of one's own, and a data folder with results on both, to be copied by each test."""
    folder = tmp_path_factory.mktemp("two_corpora")
    roots = {"a": folder_of(folder / "a", ("happy", "sad")), "b": folder_of(folder / "b", ("angry", "sad"))}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_DATA", str(folder / "data"))
        for name, variants in (("a", "svm_rbf,knn"), ("b", "svm_rbf")):
            words = ["study", "run", "audio_models", "--jobs", "1", "--corpus", "folder", "--root", str(roots[name])]
            patch.setattr(sys, "argv", ["workbench", *words, "--profile", "smoke", "--variants", variants])
            with pytest.raises(SystemExit) as stop:
                cli.main()
                raise SystemExit(0)
            assert not stop.value.code
    for name, root in roots.items():
        shutil.copytree(root, folder / "whole" / name)
    return folder, roots


@pytest.fixture
def two_corpora(two_corpora_once, data_folder):
    """Two corpora of one's own, and results on both, which the test may change."""
    folder, roots = two_corpora_once
    for name, root in roots.items():
        shutil.rmtree(root)
        shutil.copytree(folder / "whole" / name, root)
    shutil.copytree(folder / "data", data_folder)
    return roots


def test_results_on_two_roots_stay_apart_and_can_both_be_asked_for(two_corpora, call, tmp_path):
    chosen = ["--corpus", "folder", "--profile", "smoke"]
    code, _, problem = call("study", "table", "audio_models", *chosen)
    said = " ".join(problem.split())
    assert (code, "choose one by corpus and root" in said) == (1, True)
    assert all(str(root) in problem.replace("\n", "") for root in two_corpora.values())
    for name, run in (("a", {"svm_rbf", "knn"}), ("b", {"svm_rbf"})):
        where = [*chosen, "--root", two_corpora[name]]
        code, out, _ = call("study", "table", "audio_models", *where, "--format", "csv")
        assert code == 0
        cells = pd.read_csv(pd.io.common.StringIO(out)).query("column == 'ours, same protocol' and value.notna()")
        assert set(cells["variant"]) == run
        assert set(cells["corpus"]) == {f"folder ({name})"}
        code, out, _ = call("figures", "--study", "audio_models", *where, "--json")
        assert code == 0
    saved = sorted(path.name for path in (tmp_path / "figures").glob("*_accuracy.csv"))
    assert len(saved) == 2, "a figure of one corpus does not replace that of the other"
    names = {name: Place("folder", str(root.resolve())).slug for name, root in two_corpora.items()}
    assert saved == sorted(f"audio_models_{slug}_smoke_accuracy.csv" for slug in names.values())
    tested = {
        name: pd.read_csv(tmp_path / f"figures/audio_models_{slug}_smoke_accuracy.csv") for name, slug in names.items()
    }
    assert {name: set(table["variant"]) for name, table in tested.items()} == {
        "a": {"svm_rbf", "knn"},
        "b": {"svm_rbf"},
    }


def test_the_latest_run_is_that_of_the_corpus_that_is_meant(two_corpora):
    classes = {"a": ["happy", "sad"], "b": ["sad", "angry"]}
    for name, root in two_corpora.items():
        run = runs.load("audio_models/svm_rbf", root=root)
        assert run.params["classes"] == classes[name]
        assert str(root) in run.material
    assert runs.load("audio_models/svm_rbf").params["classes"] == classes["b"], "the latest"
    with pytest.raises(
        WorkbenchError, match=r"no finished run 'audio_models/svm_rbf' on ravdess: choose from folder at"
    ):
        runs.load("audio_models/svm_rbf", corpus="ravdess")


def test_a_full_run_name_is_refused_on_another_corpus_or_root(two_corpora):
    name = runs.load("audio_models/svm_rbf", root=two_corpora["a"]).name
    assert runs.load(name, corpus="folder", root=two_corpora["a"]).name == name
    for given in ({"corpus": "ravdess"}, {"root": two_corpora["b"]}):
        for path in (name, runs.load(name).folder):
            with pytest.raises(
                WorkbenchError, match=r"no finished run '.*' on .*: choose from folder at .*/a, profile"
            ):
                runs.load(path, **given)


def finished(variant, root, size, **params):
    """Return a finished run without results, on the demo corpus at a root."""
    about = {"study": "thread", "variant": variant, "corpus": "demo", "protocol": "random", "fold": "f", "seed": 0}
    made = runs.make(about | {"size": size} | params)
    made.begin()
    (made.folder / "conditions.json").write_text(json.dumps({"roots": [root]}))
    (made.folder / "done").touch()
    return made


def test_another_profile_of_the_same_corpus_and_root_is_no_other_corpus(data_folder, capsys, monkeypatch):
    read = []
    monkeypatch.setattr(runs, "_read", lambda folder, given=runs._read: read.append(folder) or given(folder))
    for size in ("smoke", "demo"):
        finished("n0", "/x/demo", size)
    assert load_run("thread/n0").material.startswith("demo at /x/demo, profile ")
    assert "others" not in capsys.readouterr().err
    assert len(read) == len(set(read)) == 2, "every params.yaml is parsed once"
    finished("n0", "/y/demo", "smoke", data="y")
    load_run("thread/n0")
    assert "(--corpus, --root): demo at /x/demo" in capsys.readouterr().err


def test_conditions_are_read_once_when_runs_are_grouped(data_folder, monkeypatch):
    made, read = [finished("n0", root, "smoke", data=root) for root in ("/x/demo", "/y/demo")], []
    text = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda path, *args, **named: read.append(path) or text(path, *args, **named))
    first, second = asked.grouped(made), asked.grouped(made)
    assert len(first) == len(second) == 2
    assert sorted(read) == sorted(run.folder / "conditions.json" for run in made)


def test_a_corpus_whose_content_changes_begins_a_table_of_its_own(two_corpora):
    root = two_corpora["a"]
    before = Place.of(datasets.corpus("folder", root))
    (root / "a_sad_0.wav").rename(root / "a_sad_7.wav")
    after = Place.of(datasets.corpus("folder", root))
    assert (before.root, before.slug) == (after.root, after.slug)
    assert before.key != after.key
    made = results.results("audio_models", corpus="folder", root=root)
    results.record(studies.load("audio_models"), after, "smoke", made[:1])
    assert len(results.results("audio_models", corpus="folder", root=root)) == 1, "the latest content"


def test_the_default_folder_of_a_corpus_is_meant_where_no_root_is_named(data_folder):
    made = runs.make(
        {"study": "thread", "variant": "n0", "corpus": "demo", "protocol": "random", "fold": "f", "seed": 0}
    )
    made.begin()
    made.finish(predictions("n0", "random", ALL, corpus="demo"))
    for root in (data_folder / "raw/demo", data_folder / "elsewhere"):
        place = Place("demo", str(root.resolve()), "1234", noted=1.0)
        results.record(studies.load("thread"), place, "smoke", [made])
    assert results.place_of(studies.load("thread"), corpus="demo").title == "demo"
    elsewhere = results.place_of(studies.load("thread"), corpus="demo", root=data_folder / "elsewhere")
    assert elsewhere.title == "demo (elsewhere)"


def test_results_recorded_by_earlier_versions_are_read(data_folder):
    made = runs.make(
        {"study": "thread", "variant": "n0", "corpus": "demo", "protocol": "random", "fold": "f", "seed": 0}
    )
    made.begin()
    old = predictions("n0", "random", ALL, corpus="demo")
    assert "speaker_clips" not in old
    made.finish(old)
    path = data_folder / "runs/thread/results.json"
    path.write_text(json.dumps({"demo/smoke/n0/random": [made.name]}))
    table = figures.table("thread", size="smoke")
    assert cell(table, "n0", "ours, same protocol")["value"] == 100
    assert cell(table, "n0", "takes", part=1)["text"] == "not recorded"


def test_study_show_stands_old_results_beside_new_ones_and_runs_that_are_gone(two_corpora, call, data_folder):
    path = data_folder / "runs/audio_models/results.json"
    found = json.loads(path.read_text())
    (gone, *_), *_ = found["runs"].values()
    found["runs"]["folder/smoke/knn/random"] = [gone]
    path.write_text(json.dumps(found))
    shutil.rmtree(data_folder / "runs" / gone)
    code, out, problem = call("study", "show", "audio_models", "--json")
    assert code == 0, problem
    roots = {row["root"] for variant in json.loads(out)["variants"] for row in variant["runs"]}
    assert roots == {"", *(str(root.resolve()) for root in two_corpora.values())}


def test_what_is_left_out_belongs_to_its_corpus_and_stays_when_other_variants_are_run(call, tmp_path):
    """Two roots whose usable clips are alike share their runs; only one of them has clips that are left out."""
    emotions = ("happy", "sad")
    plain = folder_of(tmp_path / "plain", emotions)
    mixed = tmp_path / "mixed"
    shutil.copytree(plain, mixed)
    for take in range(3):
        shutil.copy2(plain / "a_happy_0.wav", mixed / f"a_contempt_{take}.wav")
    where = {
        name: ["--corpus", "folder", "--root", root, "--profile", "smoke"]
        for name, root in (("mixed", mixed), ("plain", plain))
    }
    for name in where:
        assert call("study", "run", "audio_models", "--jobs", 1, *where[name], "--variants", "knn")[0] == 0
    words = "3 of 19 clips left out"
    assert words in call("study", "table", "audio_models", *where["mixed"])[1]
    assert words not in call("study", "table", "audio_models", *where["plain"])[1]
    call("study", "run", "audio_models", "--jobs", 1, *where["mixed"], "--variants", "svm_rbf", "--protocols", "random")
    assert words in call("study", "table", "audio_models", *where["mixed"])[1], "a later run of others keeps it"


def test_why_a_protocol_was_not_run_stays_in_the_table(call, tmp_path):
    root = folder_of(tmp_path / "alone", ("happy", "sad"), speakers=1, takes=4)
    options = ["--corpus", "folder", "--root", root, "--profile", "smoke"]
    code, _, problem = call("study", "run", "audio_models", "--jobs", 1, *options, "--variants", "knn")
    assert (code, "not run: protocol 'speaker-disjoint'" in " ".join(problem.split())) == (0, True)
    call("study", "run", "audio_models", "--jobs", 1, *options, "--variants", "svm_rbf", "--protocols", "random")
    code, out, _ = call("study", "table", "audio_models", *options, "--format", "text")
    assert (code, "not run: protocol 'speaker-disjoint'" in out) == (0, True)


def test_no_path_of_this_machine_stands_in_a_table(call, tmp_path):
    root = folder_of(tmp_path / "mine", ("happy", "sad"))
    sf.write(root / "a_happy_9.wav", np.zeros(RATE), RATE)
    options = ["--corpus", "folder", "--root", root, "--profile", "smoke"]
    assert call("study", "run", "audio_models", "--jobs", 1, *options, "--variants", "knn")[0] == 0
    for form in ("markdown", "latex", "csv", "html", "text"):
        assert str(tmp_path) not in call("study", "table", "audio_models", *options, "--format", form)[1]
    lines = running._relative(f"{root}/a.wav: silent; nothing in {root}", root)
    assert lines == "a.wav: silent; nothing in mine"


def test_rows_of_others_are_grey_where_ours_next_to_them_are_not_comparable():
    cited = {"x": {"title": "Doe (2027)", "published": {"accuracy": 70.0}}}
    made, mine = study({"a": {}}, cited=cited, profiles=PROFILES), both("a", ALL, HALF)
    for size, comparable in (("full", True), ("smoke", False)):
        table = tables.table(made, mine, conditions=as_published(made, mine, size=size))
        assert cell(table, "x", "published")["comparable"] == comparable


def test_more_folds_and_networks_that_are_random_in_part_are_not_as_published():
    published = {"accuracy": 80.0, "reached": {"weights": "ImageNet", "folds": 4}}
    made, mine = study({"a": {"published": published}}, profiles=PROFILES), both("a", ALL, HALF)
    for values, words in (({"folds": 8}, "8 of 4 folds"), ({"weights": "random, vgg.pth"}, "random initial weights")):
        table = table_of(made, mine, conditions=as_published(made, mine, **{"weights": "vgg.pth"} | values))
        assert any(words in note for note in table.notes)


CHANGES = {
    "size": ({"size": "smoke"}, "profile smoke, published: full"),
    "speakers": ({"speakers": 4}, "4 of 24 speakers"),
    "takes": ({"takes": 300}, "300 of 752 takes"),
    "folds": ({"folds": 1}, "1 of 10 folds"),
    "weights": ({"weights": "resnet18.pth"}, "initial weights resnet18.pth, published: random"),
    "unrecorded": ({"takes": None, "speakers": None}, "the material of ours is not recorded"),
}
PROFILES = {"smoke": {"folds": 1}, "full": {"n_folds": {"random": 10}}}


def test_under_the_same_conditions_a_published_number_is_compared():
    made = study({"a": {"published": {"accuracy": 80.0}}}, profiles=PROFILES)
    table = table_of(made, both("a", ALL, HALF))
    assert cell(table, "a", "published")["comparable"]
    assert cell(table, "a", "ours less published")["value"] == 20
    assert not any("not comparable" in note for note in table.notes)
    assert cell(table, "a", "takes", part=1)["text"] == "2,452 of 752"


@pytest.mark.parametrize("changed", CHANGES)
def test_each_other_condition_greys_the_number_and_is_said(changed):
    values, words = CHANGES[changed]
    made, mine = study({"a": {"title": "A", "published": {"accuracy": 80.0}}}, profiles=PROFILES), both("a", ALL, HALF)
    table = tables.table(made, mine, conditions=as_published(made, mine, **values))
    assert not cell(table, "a", "published")["comparable"]
    assert "ours less published" not in columns(table)
    (note,) = [note for note in table.notes if note.startswith("Published numbers not comparable")]
    assert words in note
    assert words in writing.markdown(table).replace("\\", "")


def test_pretrained_weights_protocol_classes_and_clips_of_the_published_number_count():
    pretrained = {"accuracy": 80.0, "reached": {"weights": "ImageNet"}}
    variants = {
        "random": {"published": pretrained},
        "pairs": {"published": {"accuracy": 80.0, "reached": {"protocol": "speaker-pairs"}}},
        "classes": {"published": {"accuracy": 80.0, "reached": {"classes": ["happy", "sad", "angry"]}}},
        "clips": {"published": {"accuracy": 80.0, "reached": {"only": {"channel": "speech"}}}},
    }
    made = study(variants, profiles=PROFILES)
    mine = pd.concat([both(name, ALL, HALF) for name in variants], ignore_index=True)
    table = tables.table(made, mine, conditions=as_published(made, mine, weights="random"))
    notes = " ".join(table.notes)
    for words in (
        "(random): random initial weights, published: ImageNet",
        "(pairs): protocol random, published: speaker-pairs",
        "(classes): classes happy, sad; published: happy, sad, angry",
        "(clips): all clips; published: channel speech",
    ):
        assert words in notes
    assert not cell(table, "random", "published")["comparable"]
    found = table_of(made, mine.query("variant == 'random'"), conditions=as_published(made, mine, weights="vgg16.pth"))
    assert cell(found, "random", "published")["comparable"], "begun from weights, as the published one"


def test_the_slides_numbers_on_savee_are_compared_on_savee():
    """Source 003's numbers on SAVEE, in a study whose own corpus is RAVDESS."""
    made = studies.load("audio_models")
    emotions = ["neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised"]
    rows = [predictions("random_forest", name, ALL, corpus="savee") for name in made.protocols]
    mine = pd.concat(rows, ignore_index=True)
    mine["emotion"] = mine["predicted"] = [emotions[i % 7] for i in range(len(mine))]
    mine = mine.drop(columns=["p_happy", "p_sad"])
    table = tables.table(made, mine, conditions=as_published(made, mine, speakers=4, takes=480))
    assert cell(table, "random_forest", "published")["comparable"]
    assert cell(table, "random_forest", "ours less published")["value"] == pytest.approx(100 - 46.4)
    assert not cell(table, "svm_linear", "published")["comparable"], "RAVDESS's"
    assert not any("in place of" in line for line in table.warnings)


def test_table_3_5_is_of_eight_classes():
    for name in ("svm_linear", "svm_rbf", "svm_poly3", "svm_poly4"):
        assert "eight classes" in studies.load("audio_models").variant(name)["published"]["setting"]


@pytest.mark.parametrize("name", studies.names())
def test_where_published_networks_were_pretrained_the_study_says_on_what(name):
    made = studies.load(name)
    for variant, settings in (made.variants | made.cited).items():
        found = reached(made, settings)
        assert found.folds is None or found.folds > 0, variant
        setting = settings.get("published", {}).get("setting", made.setting)
        if re.search(r"from [\w -]+ weights", setting):
            assert found.weights or found.elsewhere, variant
        weights = conditions.initial_weights({"encoders": settings.get("encoders")})
        if "published" in settings and set(weights.split(", ")) - {"random", "none"}:
            assert found.weights, f"{variant} begins from {weights}"


@pytest.mark.parametrize(
    ("corpus", "emotions", "only", "n"),
    [
        ("ravdess", None, {}, 2452), ("ravdess", None, {"channel": "speech"}, 1440),
        ("ravdess", ["neutral", "calm", "happy", "sad", "angry", "fearful"], {}, 2068),
        ("savee", None, {}, 480), ("cremad", None, {}, 7442), ("cremad", ["neutral"], {}, 1087),
        ("folder", None, {}, None),
    ],
)  # fmt: skip
def test_how_many_takes_were_published(corpus, emotions, only, n):
    card = datasets.CORPORA[corpus].card
    assert card.n_takes(emotions or card.emotions, only) == n


def test_classes_and_clips_left_out_are_said_in_run_table_and_show(call, tmp_path):
    root = folder_of(tmp_path / "mine", ("happy", "sad", "contempt"))
    options = ["--corpus", "folder", "--root", root, "--profile", "smoke"]
    code, _, problem = call("study", "run", "audio_models", "--jobs", 1, *options, "--variants", "knn")
    words = "8 of 24 clips left out: their class is not among the study's classes: contempt (8)"
    assert (code, words in " ".join(problem.split())) == (0, True)
    code, out, _ = call("study", "table", "audio_models", *options)
    assert (code, words in out) == (0, True)
    code, out, _ = call("study", "show", "audio_models", "--json")
    assert words in [row["remark"] for row in json.loads(out)["remarks"]]


def test_clips_without_label_and_a_filter_that_does_not_apply_are_said(tmp_path):
    root = folder_of(tmp_path / "mine", ("happy", "sad"))
    (root / "corpus.yaml").write_text((root / "corpus.yaml").read_text() + "\nlabels: {angry: ''}\n")
    sf.write(root / "a_angry_0.wav", np.zeros(RATE) + 0.1, RATE)
    corpus = datasets.corpus("folder", root)
    plan = planning.plan(studies.load("mrpn_5_1"), corpus, profile="smoke")
    assert plan.left_out[:2] == [
        "1 of 17 clips left out: they have no label",
        "`only` channel: speech is not applied: this corpus has no column 'channel'",
    ]


def test_what_is_transductive_is_marked_everywhere(call, tmp_path):
    """Tables, figures, JSON and cards tell systems that look at all clips of a test speaker from strict ones."""
    root = folder_of(tmp_path / "mine", ("happy", "sad"), takes=4)
    options = ["--corpus", "folder", "--root", root, "--profile", "smoke"]
    _, out, _ = call(
        "study", "run", "audio_models", "--jobs", 1, *options, "--variants", "svm_rbf,svm_rbf_speaker", "--json"
    )
    found = {row["variant"]: (row["transductive"], row["speaker_clips"]) for row in json.loads(out)}
    assert found == {"svm_rbf": (False, 1), "svm_rbf_speaker": (True, 8)}
    made = results.results("audio_models", corpus="folder", root=root)
    table = figures.table("audio_models", corpus="folder", root=root, size="smoke")
    titles = table.cells.drop_duplicates("variant").set_index("variant")["system"]
    assert titles["svm_rbf_speaker"] == "SVM, RBF, by speaker (transductive)"
    assert titles["svm_rbf"] == "SVM, RBF"
    assert titles["late"].endswith("(transductive)"), "so is a fusion of such"
    used = {
        name: cell(table, name, "clips of a speaker used at once", part=1)["text"]
        for name in ("svm_rbf", "svm_rbf_speaker")
    }
    assert used == {"svm_rbf": "1", "svm_rbf_speaker": "8"}
    assert any("(8 clips a speaker here; 5 are needed)" in note for note in table.notes)
    drawn = {name: figure for name, figure, _ in figures.each("audio_models", corpus="folder", root=root, size="smoke")}
    bars = next(figure for name, figure in drawn.items() if name.endswith("_accuracy"))
    text = " ".join(one.get_text() for one in bars.findobj() if hasattr(one, "get_text"))
    assert "(transductive)" in " ".join(text.split())
    assert "(8 clips a speaker)" in " ".join(text.split())
    run = next(run for run in made if run.params["variant"] == "svm_rbf_speaker")
    assert "8 clips a speaker" in run._repr_html_()
    assert "transductive" not in next(run for run in made if run.params["variant"] == "svm_rbf")._repr_html_()
    assert "by speaker (transductive)" in studies.load("audio_models")._repr_html_()
    _, out, _ = call("study", "show", "audio_models", "--json")
    shown = {row["variant"]: row["transductive"] for row in json.loads(out)["variants"]}
    assert (shown["svm_rbf"], shown["svm_rbf_speaker"], shown["late"]) == (False, True, True)
    _, out, _ = call("study", "compare", "audio_models", *options, "--against", "svm_rbf", "--json")
    assert [row["transductive"] for row in json.loads(out)] == [True]


def test_summaries_without_the_column_are_of_one_clip_at_a_time():
    (row,) = evaluation.summary(predictions("a", "random", ALL)).to_dict("records")
    assert (row["speaker_clips"], row["transductive"]) == (1, False)


def test_conditions_of_runs_are_measured_and_not_lost(two_corpora):
    made = results.results("audio_models", corpus="folder", root=two_corpora["a"])
    table = conditions.table(made)
    row = table.loc[("svm_rbf", "speaker-disjoint")]
    assert (row["size"], row["folds"], row["takes"], row["speakers"], row["weights"]) == ("smoke", 1, 16, 4, "none")
    (run,) = [
        run for run in made if run.params["variant"] == "svm_rbf" and run.params["protocol"] == "speaker-disjoint"
    ]
    tested = int((run.predictions()["usage"] == "test").sum())
    assert row["fitted_least"] == row["fitted_most"] == 16 - tested
    assert [Path(root) for root in run.conditions()["roots"]] == [two_corpora["a"].resolve()]


def test_a_variant_that_cannot_standardise_does_not_stop_the_others(call, tmp_path):
    """Four clips a speaker are too few for `normalise: speaker`: that variant is not run, the plain one is."""
    root = folder_of(tmp_path / "mine", ("happy", "sad"), takes=2)
    options = ["--corpus", "folder", "--root", root, "--profile", "smoke"]
    code, out, problem = call(
        "study", "run", "audio_models", "--jobs", 1, *options, "--variants", "svm_rbf,svm_rbf_speaker", "--json"
    )
    assert code == 0, problem
    assert {row["variant"] for row in json.loads(out)} == {"svm_rbf"}
    said = " ".join(problem.split())
    assert "not run: protocol 'speaker-disjoint', fold" in said
    assert "normalise: speaker needs at least 5 clips of a speaker (svm_rbf_speaker)" in said


def test_without_speaker_labels_only_what_standardises_is_not_run(call, tmp_path):
    root = folder_of(tmp_path / "mine", ("happy", "sad"), takes=3)
    (root / "corpus.yaml").write_text(r"pattern: \w_(?P<emotion>[a-z]+)_\d\.wav")
    options = ["--corpus", "folder", "--root", root, "--profile", "smoke", "--variants", "svm_rbf,svm_rbf_speaker"]
    code, out, problem = call("study", "run", "audio_models", "--jobs", 1, *options, "--json")
    assert code == 0, problem
    assert {(row["variant"], row["protocol"]) for row in json.loads(out)} == {("svm_rbf", "random")}
    assert "have no speaker label; normalise: speaker needs them (svm_rbf_speaker)" in " ".join(problem.split())


def test_predict_says_which_run_answers_and_that_there_are_others(two_corpora, call):
    clip = two_corpora["a"] / "a_sad_0.wav"
    code, out, problem = call("predict", clip, "--run", "audio_models/svm_rbf", "--root", two_corpora["a"], "--json")
    (answer,) = json.loads(out)
    assert (code, answer["emotion"], answer["transductive"]) == (0, "sad", False)
    assert set(answer["probabilities"]) == {"happy", "sad"}
    assert f"run {answer['run']}: folder at {two_corpora['a']}" in problem.replace("\n", "")
    code, _, problem = call("predict", clip, "--run", "audio_models/svm_rbf", "--json")
    assert f"(--corpus, --root): folder at {two_corpora['a']}" in problem.replace("\n", "")


def test_the_default_number_of_folds_is_that_of_the_speakers_where_these_are_fewer(tmp_path):
    corpus = datasets.corpus("folder", folder_of(tmp_path / "mine", ("happy", "sad"), speakers=3))
    made = study({"a": {"classical": {"audio": {"name": "knn"}}}}, corpus="folder", profiles={"smoke": {}})
    plan = planning.plan(made, corpus, profile="smoke")
    assert (plan.n_folds("speaker-disjoint"), plan.n_folds("random")) == (3, None)
    assert len(plan.folds("speaker-disjoint", 0)) == 3


def test_the_place_of_results_follows_the_content_of_the_recordings(tmp_path):
    """A recording that is replaced by another of the same size begins a table of its own."""
    root = folder_of(tmp_path / "mine", ("happy", "sad"))
    corpus, keys = datasets.corpus("folder", root), []
    for _ in range(2):
        whole = planning.plan(studies.load("audio_models"), corpus, profile="smoke").with_content()
        keys.append(Place.of(corpus, whole.clips).key)
        sound, rate = sf.read(root / "a_sad_0.wav")
        sf.write(root / "a_sad_0.wav", sound[::-1], rate)
    assert keys[0] != keys[1]


def test_what_is_finished_is_in_the_table_also_where_a_study_ends_in_an_error(call, tmp_path, monkeypatch):
    root = folder_of(tmp_path / "mine", ("happy", "sad"))
    options = ["--corpus", "folder", "--root", root, "--profile", "smoke"]
    execute = making.execute

    def broken(item, *args, **kwargs):
        if item.variant == "svm_rbf":
            raise WorkbenchError("the disk is full")
        return execute(item, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(making, "execute", broken)
        code, _, problem = call("study", "run", "audio_models", "--jobs", 1, *options, "--variants", "knn,svm_rbf")
    assert (code, "the disk is full" in problem) == (1, True)
    assert {run.params["variant"] for run in results.results("audio_models", corpus="folder", root=root)} == {"knn"}
    assert runs.load("audio_models/knn", root=root).params["variant"] == "knn"


def test_copies_are_told(call, tmp_path):
    root = folder_of(tmp_path / "mine", ("happy", "sad"), speakers=4, takes=3)
    shutil.copy2(root / "a_sad_0.wav", root / "b_sad_9.wav")
    options = ["--corpus", "folder", "--root", root, "--profile", "smoke", "--variants", "knn"]
    code, _, problem = call("study", "run", "audio_models", "--jobs", 1, *options)
    said = " ".join(problem.split())
    assert code == 0, problem
    assert "speakers 'folder-a', 'folder-b' have clips of equal content" in said
    assert "2 takes have the content of another" in said


def test_a_profile_of_few_speakers_keeps_those_that_are_known(tmp_path):
    root = folder_of(tmp_path / "mine", ("happy", "sad"), speakers=4)
    for take in range(2):
        shutil.copy2(root / f"a_sad_{take}.wav", root / f"_sad_{take}.wav")
    (root / "corpus.yaml").write_text(r"pattern: (?P<speaker>\w?)_(?P<emotion>[a-z]+)_\d\.wav")
    plan = planning.plan(studies.load("audio_models"), datasets.corpus("folder", root), profile="smoke")
    assert set(plan.takes["speaker"]) == {f"folder-{name}" for name in "abcd"}
