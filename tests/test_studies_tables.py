"""A study's table: every number by hand, what is not comparable marked, every format, folds, seeds and classes."""

import io
import json
import re

import numpy as np
import pandas as pd
import pytest

from workbench import evaluation, figures, runs, studies
from workbench.errors import WorkbenchError
from workbench.studies import Study, results, showing, tables, writing
from workbench.studies.places import Place
from workbench.studies.reached import reached

SETTING = "two classes, random split"
ALL, HALF = "11" * 4, "10" * 4  # of four speakers, each with a happy and a sad take: which are told


def predictions(variant, protocol, told, *, seed=0, folds=("fold1",), usage="test", corpus="ravdess"):
    """Return predictions of eight takes; `told` says which are right. The named emotion gets 0.8; folds in turn."""
    rows = []
    for number, right in enumerate(told):
        emotion = ("happy", "sad")[number % 2]
        other = ("sad", "happy")[number % 2]
        predicted = emotion if right == "1" else other
        shares = {f"p_{name}": 0.8 if name == predicted else 0.2 for name in ("happy", "sad")}
        take = {"clip": f"c{number}", "take": f"t{number}", "speaker": f"s{number // 2}"}
        fold = folds[number * len(folds) // len(told)]
        rows.append({**take, "emotion": emotion, "predicted": predicted, "fold": fold, **shares})
    about = {"run": "made/up/run", "study": "made_up", "variant": variant, "corpus": corpus, "protocol": protocol}
    about |= {"seed": seed, "usage": usage, "sex": "female", "model": variant, "modality": "audio", "fusion": "none"}
    return pd.DataFrame(rows).assign(**about)


def study(variants, *, protocol="random", classes=("happy", "sad"), **changes):
    about = {"name": "made_up", "title": "Made up", "source": "000", "table": "Table 1", "corpus": "ravdess"}
    about |= {"classes": list(classes), "protocol": protocol, "setting": SETTING, "variants": variants}
    return Study(**about | changes)


def as_published(made, mine, **changes):
    """Return conditions that are as published, of every variant and protocol of some predictions."""
    index = pd.MultiIndex.from_frame(mine[["variant", "protocol"]].drop_duplicates())
    usual = {"size": "full", "takes": 2452, "speakers": 24}
    usual |= {"fitted_least": 100, "fitted_most": 100, "weights": "none"}
    table = pd.DataFrame({key: [value] * len(index) for key, value in (usual | changes).items()}, index)
    if "folds" not in changes:
        folds = [reached(made, settings).folds for settings in map(made.variant, table.index.get_level_values(0))]
        table["folds"] = [1 if one is None else one for one in folds]
    return table


def table_of(made, mine, **options):
    return tables.table(made, mine, **{"conditions": as_published(made, mine), **options})


def both(variant, same, unseen, **options):
    parts = [
        predictions(variant, "random", same, **options),
        predictions(variant, "speaker-disjoint", unseen, **options),
    ]
    return pd.concat(parts, ignore_index=True)


def cell(table, variant, column, *, part=0, detail=""):
    """Return a cell's row of the CSV, by the number of the table."""
    cells = table.cells[table.cells["table"] == table.cells["table"].unique()[part]]
    (found,) = cells.query("variant == @variant and column == @column and detail == @detail").to_dict("records")
    return found


def numbers(found):
    return pytest.approx([found["value"], found["low"], found["high"]])


def columns(table, part=0):
    return list(table.cells[table.cells["table"] == table.cells["table"].unique()[part]]["column"].unique())


def test_published_same_protocol_unseen_and_the_differences_by_hand():
    made = study({"a": {"title": "A", "published": {"accuracy": 80.0}}, "b": {"title": "B"}})
    table = table_of(made, both("a", ALL, HALF))
    assert columns(table) == ["published", "ours, same protocol", "ours, unseen speakers", "UAR, unseen",
                              "ours less published", "same protocol less unseen"]  # fmt: skip
    assert cell(table, "a", "published")["value"] == 80
    assert numbers(cell(table, "a", "ours, same protocol")) == [100, 100, 100]
    assert numbers(cell(table, "a", "ours, unseen speakers")) == [50, 50, 50]
    assert numbers(cell(table, "a", "ours less published")) == [20, 20, 20]
    assert numbers(cell(table, "a", "same protocol less unseen")) == [50, 50, 50]
    assert {cell(table, "b", column)["text"] for column in columns(table) if column.startswith("ours, ")} == {"not run"}
    assert "| A        |        80.0 |" in (text := writing.markdown(table))
    assert "+50.0 [+50.0, +50.0]" in text
    assert table.warnings == []


def test_intervals_are_those_over_speakers_and_over_pairs_of_takes():
    same, unseen = "11101111", "11010010"
    mine = both("a", same, unseen)
    table = table_of(study({"a": {"published": {"accuracy": 80.0}}}), mine)
    sides = [mine[mine["protocol"] == protocol] for protocol in ("random", "speaker-disjoint")]
    low, high = evaluation.interval(sides[0])
    assert [87.5, 100 * low, 100 * high] == numbers(cell(table, "a", "ours, same protocol"))
    assert [7.5, 100 * low - 80, 100 * high - 80] == numbers(cell(table, "a", "ours less published"))
    pair = evaluation.paired(*sides)
    assert [37.5, 100 * pair["low"], 100 * pair["high"]] == numbers(cell(table, "a", "same protocol less unseen"))
    # Told are three of four happy takes (the 1st, 2nd, 4th speaker's) and one of four sad ones.
    assert cell(table, "a", "UAR, unseen")["value"] == pytest.approx((75 + 25) / 2)


def test_a_protocol_or_variant_without_results_is_said_not_to_be_run():
    made = study({"a": {"published": {"accuracy": 80.0, "best": 90.0}}})
    table = table_of(made, predictions("a", "speaker-disjoint", HALF))
    for column in ("ours, same protocol", "ours less published", "same protocol less unseen", "best, same protocol"):
        assert cell(table, "a", column)["text"] == "not run"
    assert numbers(cell(table, "a", "ours, unseen speakers")) == [50, 50, 50]
    apart = pd.concat([predictions("a", "random", "1111"), both("a", "", HALF).query("take > 't3'")])
    assert cell(table_of(made, apart), "a", "same protocol less unseen")["text"] == "no take in both"


def test_where_the_published_protocol_keeps_speakers_apart_one_column_is_ours():
    made = study({"a": {"published": {"accuracy": 40.0}}}, protocol="leave-one-speaker-out")
    table = table_of(made, predictions("a", "leave-one-speaker-out", HALF))
    assert columns(table) == ["published", "ours, unseen speakers", "UAR, unseen", "ours less published"]
    assert numbers(cell(table, "a", "ours less published")) == [10, 10, 10]
    assert any("leave-one-speaker-out, the published protocol" in note for note in table.notes)


def test_kinds_of_numbers_by_hand():
    """Two seeds, 8 and 4 of 8 takes told; of the second, all happy ones. Train and validation as usages."""
    published = {"accuracy": 76.0, "worst": 1.0, "best": 2.0, "sd": 3.0, "train": 4.0, "validation": 5.0,
                 "precision": 6.0, "recall": 7.0, "f1": 8.0,
                 "loss": 0.9, "loss_sd": 0.1, "parameters": 73126}  # fmt: skip
    parts = [both("a", told, told, seed=seed) for seed, told in enumerate((ALL, HALF))]
    parts += [both("a", "11110000", ALL, usage="train"), both("a", "10000000", ALL, usage="validation")]
    costs = pd.DataFrame({"parameters": {"a": 26_813_704}, "multiply_adds": {"a": 4.2e9}})
    made = study({"a": {"published": published}}, measures=["accuracy", "multiply_adds", "latency_ms"])
    table = table_of(made, pd.concat(parts), costs=costs)
    assert list(table.cells["table"].unique()) == [
        "accuracy", "worst, best, sd", "train, validation", "precision, recall, F1",
        "loss, sd of loss, parameters, multiply-adds", "conditions",
    ]  # fmt: skip
    found = table.cells.set_index("column")["value"]
    certain, missed = -np.log(0.8), -np.log(0.2)
    half = (certain + missed) / 2
    expected = {
        "ours, same protocol": 75, "worst, same protocol": 50, "best, same protocol": 100,
        "sd, same protocol": 50 / np.sqrt(2), "train, same protocol": 50, "validation, same protocol": 12.5,
        # Happy always: precision 1/2 and 0, recall 1 and 0, F1 2/3 and 0; the other seed is perfect.
        "precision, same protocol": (100 + 25) / 2, "recall, same protocol": 75,
        "F1, unseen speakers": (100 + 100 / 3) / 2,
        "loss, same protocol": (certain + half) / 2, "loss, unseen speakers": (certain + half) / 2,
        "sd of loss, same protocol": (half - certain) / np.sqrt(2),
        "parameters, published": 73126, "parameters, ours": 26_813_704, "multiply-adds, ours": 4.2e9,
        "loss, published": 0.9,
    }  # fmt: skip
    assert found[list(expected)].to_dict() == pytest.approx(expected)
    assert "latency, ours" not in found.index, "what was neither published nor measured has no column"
    assert "Spread of ours: over 2 seeds." in table.notes
    text = writing.text(table)
    assert "73,126" in text
    assert "26.81 M" in text
    assert "4.200 G" in text
    assert "0.570" in text


def test_a_spread_is_over_folds_where_there_is_one_seed():
    made = study({"a": {"published": {"sd": 3.0}}})
    table = table_of(made, both("a", "11110000", HALF, folds=("fold1", "fold2")))
    assert cell(table, "a", "sd, same protocol")["value"] == pytest.approx(100 / np.sqrt(2))
    assert "Spread of ours: over 2 folds." in table.notes
    alone = table_of(made, both("a", ALL, HALF))
    assert np.isnan(cell(alone, "a", "sd, published")["low"])
    assert "sd, same protocol" not in columns(alone)


def test_another_corpus_is_allowed_and_labelled_and_greyed():
    made = study({"a": {"title": "A", "published": {"accuracy": 80.0}}}, classes=("calm", "happy", "sad"))
    table = table_of(made, both("a", ALL, HALF, corpus="demo"))
    assert table.warnings == [
        "Corpus demo (synthetic: says nothing about people) in place of ravdess: "
        "the published column is not comparable.",
        "Classes of the study without a test clip here: calm.",
    ]
    assert "ours less published" not in columns(table)
    assert "*80.0*" in writing.markdown(table)
    assert r"\textcolor{gray}{80.0}" in writing.latex(table)
    assert '<span style="color: #999">80.0</span>' in writing.html(table)
    assert "(80.0)" in writing.text(table)
    for form in ("markdown", "latex", "html", "text"):
        assert "in place of ravdess" in writing.write(table, form)
    rows = pd.read_csv(io.StringIO(writing.csv(table))).query("table != 'conditions'")
    assert rows.set_index("column")["comparable"].to_dict() == {name: name != "published" for name in columns(table)}
    assert ",80,,,,false" in writing.csv(table)


def test_without_published_numbers_no_corpus_stands_in_for_another():
    table = table_of(study({"a": {"title": "A"}}), both("a", ALL, HALF, corpus="demo"))
    assert table.warnings == []
    assert "Corpus demo (synthetic: says nothing about people): 8 takes" in writing.markdown(table)


def test_a_setting_of_its_own_says_that_a_number_was_reached_elsewhere():
    elsewhere = {"accuracy": 80.0, "setting": "eight classes"}
    three = ["calm", "happy", "sad"]
    variants = {
        "here": {"published": {"accuracy": 80.0}},
        "there": {"published": elsewhere},
        "matched": {"published": elsewhere, "classes": ["happy", "sad"]},
        "lacking": {"published": {"accuracy": 80.0}, "classes": [*three, "angry"]},
    }
    made = study(variants, classes=three)
    of = {name: both(name, ALL, HALF) for name in variants}
    calm = {name: of[name].replace({"sad": "calm", "c1": "c9", "t1": "t9"}).query("take == 't9'") for name in of}
    for name in ("here", "there"):
        of[name] = pd.concat([of[name], calm[name]], ignore_index=True)
    table = table_of(made, pd.concat(of.values(), ignore_index=True))
    comparable = {name: cell(table, name, "published")["comparable"] for name in variants}
    assert comparable == {"here": True, "there": False, "matched": True, "lacking": False}
    assert np.isnan(cell(table, "there", "ours less published")["value"])
    assert "Published numbers of there; matched: eight classes." in table.notes


def test_groups_stand_together_and_cited_systems_below():
    variants = {"a": {"title": "A", "group": "one"}, "b": {"title": "B", "group": "two"},
                "c": {"title": "C", "group": "one", "published": {"row": "1.2"}}, "d": {"title": "D"}}  # fmt: skip
    cited = {"x": {"title": "Doe (2027)", "published": {"accuracy": 70.0, "note": "as Doe prints it"}}}
    made, mine = study(variants, cited=cited), both("a", ALL, HALF)
    table = table_of(made, mine)
    above = writing.markdown(table).partition("**conditions**")[0]
    lines = [line.split("|")[1].strip() for line in above.splitlines() if line.startswith("|")]
    heading = "**systems of others, not rebuilt here**"
    assert lines[2:] == ["D", "**one**", "A", "C", "**two**", "B", heading, "Doe (2027)"]
    assert cell(table, "x", "published")["value"] == 70
    assert cell(table, "x", "ours, same protocol")["text"] == ""
    assert "Doe (2027): as Doe prints it." in table.notes
    assert "| 1.2 " in writing.markdown(table)
    some = writing.markdown(table_of(made, mine, variants=["c", "a"])).partition("**conditions**")[0]
    assert [line.split("|")[1].strip() for line in some.splitlines() if line.startswith("|")][2:] == [
        "**one**",
        "C",
        "A",
    ]


def test_by_fold_ours_stands_beside_where_the_names_match_and_apart_where_not():
    published = {"by_fold": {"A01,02": 90.0, "A03,04": 70.0}}
    made = study({"a": {"published": published}}, protocol="speaker-pairs")
    mine = predictions("a", "speaker-pairs", "11110100", folds=("A01,02", "A03,04"))
    table = table_of(made, mine)
    lines = {detail: [cell(table, "a", name, part=1, detail=detail)["value"] for name in ("A01,02", "A03,04", "mean")]
             for detail in ("published", "ours, unseen speakers")}  # fmt: skip
    assert lines == {"published": [90, 70, 80], "ours, unseen speakers": [100, 25, 62.5]}
    assert cell(table, "a", "published")["value"] == 80, "the mean of the folds, for nothing else is printed"
    assert cell(table, "a", "ours less published")["value"] == pytest.approx(62.5 - 80)
    other = table_of(made, mine.replace({"A01,02": "fold1", "A03,04": "fold2"}))
    assert list(other.cells["table"].unique()) == ["accuracy", "by fold", "by fold, ours", "conditions"]
    ours = [cell(other, "a", name, part=2, detail="ours, unseen speakers")["value"] for name in columns(other, 2)]
    assert (columns(other, 2), ours) == (["fold1", "fold2", "mean"], [100, 25, 62.5])


def test_by_seed_and_what_of_it_was_not_run():
    published = {"accuracy": 80.0, "by_seed": {27: 90.0, 31: 70.0}, "n_neighbors": {27: 4, 31: 1}}
    made = study({"a": {"published": published}, "b": {"published": published}})
    parts = [predictions("a", "random", told, seed=seed) for seed, told in ((27, ALL), (31, HALF))]
    table = table_of(made, pd.concat([*parts, predictions("a", "speaker-disjoint", HALF)], ignore_index=True))
    ours = [cell(table, "a", name, part=1, detail="ours, same protocol")["value"] for name in ("27", "31", "mean")]
    assert ours == [100, 50, 75]
    assert cell(table, "b", "mean", part=1, detail="ours, same protocol")["text"] == "not run"
    assert set(table.cells["detail"]) == {"", "published", "ours, same protocol"}
    assert cell(table, "a", "n_neighbors by seed", part=2)["text"] == "27: 4, 31: 1"


def test_by_class_and_the_settings_of_a_published_table():
    report = {"happy": {"precision": 60.0, "recall": 81.0, "f1": 69.0}, "sad": {"f1": 37.0}}
    published = {"by_class": report, "settings": {"epochs": 70, "dropout": [0.1, 0.2]}}
    table = table_of(study({"a": {"published": published}}), both("a", HALF, ALL))
    by_class = {column: cell(table, "a", column, part=1, detail="happy")["value"] for column in columns(table, 1)}
    assert by_class == pytest.approx({
        "precision, published": 60, "precision, same protocol": 50, "precision, unseen speakers": 100,
        "recall, published": 81, "recall, same protocol": 100, "recall, unseen speakers": 100,
        "F1, published": 69, "F1, same protocol": 200 / 3, "F1, unseen speakers": 100,
    })  # fmt: skip
    assert cell(table, "a", "recall, same protocol", part=1, detail="sad")["value"] == 0
    assert cell(table, "a", "dropout", part=2)["text"] == "0.1, 0.2"


def test_what_comes_beside_the_test_has_its_column():
    made = study({"a": {}}, protocol="frontal-to-turned")
    mine = [predictions("a", "frontal-to-turned", HALF), predictions("a", "frontal-to-turned", ALL, usage="frontal")]
    assert cell(table_of(made, pd.concat(mine)), "a", "frontal, unseen")["value"] == 100


def test_formats_take_every_sign_for_itself():
    title = r"50 % of A_1 & {x} | <y> *z* ~ ^ # $ \ [w]"
    made = study(
        {"a": {"title": title, "group": "g_1 & 2", "published": {"accuracy": 80.0, "note": title}}}, title="T_1 & 2 %"
    )
    table = table_of(made, both("a", HALF, ALL))
    assert r"50 % of A_1 & {x} \| \<y\> \*z\* ~ ^ # $ \\ \[w\]" in writing.markdown(table)
    assert "50 % of A_1 &amp; {x} | &lt;y&gt; *z*" in writing.html(table)
    assert "<y>" not in writing.html(table)
    latex = writing.latex(table)
    assert (
        r"50 \% of A\_1 \& \{x\} \textbar{} \textless{}y\textgreater{} *z* \textasciitilde{} \textasciicircum{}"
        in latex
    )
    bare = re.sub(r"\\label.*|\\[%&$#_{}\\]|%.*", "", latex)
    assert bare.count("{") == bare.count("}") > 0
    assert not set("$~^#_|<>") & set(bare.replace("$-$", "").replace(r"\ifdim\width>", ""))
    for place in ("table", "tabular"):
        assert latex.count(f"\\begin{{{place}}}") == latex.count(f"\\end{{{place}}}") == 2
    rows = [line for line in latex.splitlines() if line.endswith(r"\\") and "shortstack" not in line]
    widths = {len(re.findall(r"(?<!\\)&", row)) for row in rows}
    assert widths == {len(columns(table)), len(columns(table, 1))}
    assert "$-$50.0 [$-$50.0, $-$50.0]" in latex
    with pytest.raises(WorkbenchError, match="unknown format 'pdf': choose from csv, html, latex, markdown, text"):
        writing.write(table, "pdf")


def test_csv_holds_numbers_and_is_saved_with_the_other_three(tmp_path):
    table = table_of(study({"a": {"title": "A", "published": {"accuracy": 80.0}}, "b": {}}), both("a", ALL, HALF))
    files = figures.save_table(table, "full", folder=tmp_path)
    assert [path.name for path in files] == [
        f"made_up_ravdess_full.{suffix}" for suffix in ("md", "tex", "csv", "html")
    ]
    assert sorted(tmp_path.rglob("*.*")) == sorted(files)
    rows = pd.read_csv(tmp_path / "tables/made_up_ravdess_full.csv").set_index(["variant", "column"])
    row = rows.loc[("a", "same protocol less unseen")]
    assert row[["study", "corpus", "unit"]].tolist() == ["made_up", "ravdess", "points"]
    assert row[["value", "low", "high"]].tolist() == [50, 50, 50]
    assert rows.loc[("b", "ours, same protocol"), "text"] == "not run"
    before = [path.read_bytes() for path in files]
    assert [path.read_bytes() for path in figures.save_table(table, "full", folder=tmp_path)] == before


def test_a_table_is_of_one_corpus():
    several = pd.concat([both("a", ALL, HALF), both("a", ALL, HALF, corpus="savee")])
    with pytest.raises(WorkbenchError, match="a table is of one corpus, found predictions on ravdess, savee"):
        table_of(study({"a": {}}), several)


def test_table_goes_into_a_file_between_its_markers(tmp_path):
    page = tmp_path / "README.md"
    page.write_text("before\n<!-- table thread -->\nold\n<!-- end thread -->\nafter\n")
    tables.insert("new", page, "thread")
    assert page.read_text() == "before\n<!-- table thread -->\n\nnew\n\n<!-- end thread -->\nafter\n"
    page.write_text("no markers")
    with pytest.raises(WorkbenchError, match="table thread"):
        tables.insert("new", page, "thread")


@pytest.fixture
def saved(data_folder):
    """Results on disk, as runs leave them: of `thread` and, as if on the same corpus, of `turned_heads`."""
    for name, variant in (("thread", "audio_cnn"), ("turned_heads", "au_dnn")):
        made = []
        for protocol in studies.load(name).protocols:
            params = {
                "study": name,
                "variant": variant,
                "corpus": "demo",
                "protocol": protocol,
                "fold": "fold1",
                "seed": 0,
            }
            run = runs.make(params)
            run.begin()
            run.finish(predictions(variant, protocol, "11011010", corpus="demo"))
            (run.folder / "cost.json").write_text(json.dumps({"parameters": 5, "latency_ms": 1.5}))
            made.append(run)
        results.record(studies.load(name), Place("demo"), "smoke", made)
    return data_folder


def test_figures_without_a_study_are_those_of_thread_and_the_first_of_others(call, saved):
    code, out, problem = call("figures", "--profile", "smoke", "--json")
    assert code == 0
    drawn = {row["figure"]: row["files"] for row in json.loads(out)}
    assert {
        *(f"thread_demo_smoke_{name}" for name in ("accuracy", "protocol_gap", "audio_cnn_roc")),
        "thread_table",
    } <= set(drawn)
    assert {name for name in drawn if name.startswith("turned")} == {
        "turned_heads_demo_smoke_accuracy",
        "turned_heads_table",
    }
    assert drawn["thread_table"] == ", ".join(f"thread_demo_smoke.{end}" for end in ("md", "tex", "csv", "html"))
    left = " ".join(problem.split())
    assert "left out, without results on any corpus at size smoke: audio_models" in left
    assert "turned_heads," not in left
    assert "thread" not in left
    code, _, problem = call("figures", "--profile", "smoke", "--study", "audio_models")
    assert (code, "no results yet" in " ".join(problem.split())) == (1, True)


def test_a_table_from_the_command_line(call, saved, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("<!-- table thread -->\n<!-- end thread -->\n")
    chosen = ["study", "table", "thread", "--corpus", "demo", "--profile", "smoke"]
    code, out, problem = call(*chosen, "--format", "latex", "--into", page)
    assert code == 0
    assert "\\toprule" in out
    assert "thread_demo_smoke" in problem
    assert "62.5 [" in page.read_text()
    assert (tmp_path / "figures/tables/thread_demo_smoke.html").exists()
    code, _, problem = call(*chosen, "--format", "pdf")
    assert (code, "unknown format 'pdf'" in problem) == (1, True)


def test_variants_are_compared_on_the_same_takes_of_unseen_speakers(call, data_folder, tmp_path):
    hits = {"audio_cnn": ("11011010", "11111111"), "n0": ("11111010", "00000000")}  # unseen speakers, random split
    for variant, by_protocol in hits.items():
        made = []
        for protocol, right in zip(("speaker-disjoint", "random"), by_protocol, strict=True):
            params = {"study": "thread", "variant": variant, "corpus": "demo", "protocol": protocol}
            run = runs.make({**params, "fold": "fold1", "seed": 0})
            run.begin()
            run.finish(predictions(variant, protocol, right, corpus="demo"))
            made.append(run)
        results.record(studies.load("thread"), Place("demo"), "smoke", made)
    chosen = ["study", "compare", "thread", "--corpus", "demo", "--profile", "smoke", "--json", "--against"]
    code, out, problem = call(*chosen, "audio_cnn")
    assert code == 0
    (row,) = json.loads(out)
    assert (row["variant"], row["difference"], row["n_takes"]) == ("n0", 1 / 8, 8)
    assert row["p"] == row["p_holm"]
    assert "thread_demo_smoke_against_audio_cnn{.pdf,.png,.csv}" in problem
    assert pd.read_csv(tmp_path / "figures/thread_demo_smoke_against_audio_cnn.csv")["difference"].tolist() == [1 / 8]
    code, _, problem = call(*chosen, "late_lr")
    assert (code, "expected results of 'late_lr' and of others" in " ".join(problem.split())) == (1, True)
    code, _, problem = call(*chosen, "nobody")
    assert (code, "unknown variant of study 'thread' 'nobody': choose from audio_cnn" in problem) == (1, True)


def test_what_runs_measured_of_costs_is_their_median(saved):
    made = results.results("thread", corpus="demo", size="smoke")
    (made[0].folder / "cost.json").write_text(json.dumps({"parameters": 5, "latency_ms": 2.5}))
    costs = results.costs(made)
    assert costs.loc["audio_cnn", ["parameters", "latency_ms"]].tolist() == [5, 2]
    assert results.costs([]).empty


def test_a_study_is_shown_with_its_sizes_and_what_was_run(call, saved):
    code, out, _ = call("study", "show", "thread", "--json")
    about = json.loads(out)
    assert code == 0
    assert (about["name"], about["corpus"], about["protocol"]) == ("thread", "ravdess", "random")
    sizes = {(row["profile"], row["protocol"]): row["runs"] for row in about["profiles"]}
    assert sizes[("full", "random")] == sizes[("full", "speaker-disjoint")] == 4 * 8
    variant = about["variants"][0]
    assert variant["settings"] == {"encoders": {"audio": {"name": "cnn1d"}}}
    assert variant["published"]["accuracy"] == 85.26
    assert {"corpus": "demo", "root": "", "size": "smoke", "protocol": "random", "runs": 1} in variant["runs"]
    assert about["variants"][1]["runs"] == []
    code, out, _ = call("study", "show", "thread")
    assert code == 0
    assert "85.26" in out
    code, out, _ = call("study", "list", "--json")
    row = next(row for row in json.loads(out) if row["name"] == "turned_heads")
    assert (row["variants"], row["published"]) == (13, 10)


def test_sizes_where_the_speakers_decide_and_where_a_profile_says():
    profiles = {"smoke": {"speakers": 4, "folds": 1}, "full": {"repeats": [27, 31]},
                "odd": {"n_folds": {"random": 10}, "folds": {"random": 1}, "repeats": {"random": 4}}}  # fmt: skip
    of = {"a": {}, "b": {}, "c": {"of": "thread/n0"}}
    pairs = showing.sizes(study(of, protocol="speaker-pairs", profiles=profiles))
    assert [(row["n_folds"], row["folds"], row["seeds"], row["runs"]) for row in pairs] == [
        (2, 1, [0], 2), (12, 12, [27, 31], 48), (12, 12, [0], 24),
    ]  # fmt: skip
    odd = [row for row in showing.sizes(study(of, profiles=profiles)) if row["profile"] == "odd"]
    assert [(row["protocol"], row["folds"], row["runs"]) for row in odd] == [
        ("speaker-disjoint", 5, 10),
        ("random", 1, 8),
    ]
    (unknown,) = showing.sizes(study(of, protocol="speaker-pairs", corpus="folder", profiles={"full": {}}))
    assert (unknown["n_folds"], unknown["runs"]) == (None, None)


def test_a_corpus_without_speaker_labels_has_no_speakers_and_no_intervals():
    made = study({"a": {"published": {"accuracy": 80.0}}})
    table = tables.table(made, both("a", ALL, HALF).assign(speaker=""))
    assert any(" takes (speakers not known). Rates in percent, without intervals" in note for note in table.notes)
    assert cell(table, "a", "ours, unseen speakers")["value"] == 50
    assert "50.0 |" in writing.markdown(table), "no interval stands beside the number"
