"""Data cards: counts that add up, who is missing by name, splits measured; whatever is broken is listed, not fatal."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from workbench import datasets, media
from workbench.datasets import cards, tallies
from workbench.datasets.base import COLUMNS, Card, Ceiling, Corpus
from workbench.errors import WorkbenchError

DECLARED = {
    "name": "toy",
    "title": "A toy | with *signs* <b>in</b> its title",
    "description": "Made for tests.",
    "citation": "Nobody (2000).",
    "licence": "none",
    "home": "https://example.org/toy",
    "label_source": "the test",
}


class Toy(Corpus):
    """Rows as the test sets them; no file is read for the table."""

    card = Card(**DECLARED)
    suffixes = (".wav", ".mp4")
    table: list = []

    def rows(self, files):
        return self.table

    def parse(self, path):
        return {"clip": path.stem}


def row(number, **factors):
    usual = {
        "path": "", "audio_path": "", "emotion": "happy", "intensity": "", "speaker": "toy-a", "sex": "", "text": "",
    }  # fmt: skip
    return {"clip": f"c{number}", "take": f"toy-c{number}"} | usual | factors


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """Return a maker of corpora: rows, and what else the card declares."""

    def make(rows, **declared):
        monkeypatch.setattr(Toy, "table", rows)
        monkeypatch.setattr(Toy, "card", Card(**DECLARED | declared))
        return Toy(tmp_path)

    return make


def test_counts_add_up_with_what_is_not_known():
    clips = pd.DataFrame([row(1, sex="female"), row(2), row(3, emotion="", sex="female"), row(4, emotion="sad")])
    table = tallies.by(clips, "sex").set_index("sex")
    assert list(table) == ["happy", "sad", "no label", "all"]
    assert table.loc["not known"].tolist() == [1, 1, 0, 2]
    assert table.loc["all"].tolist() == [2, 1, 1, 4]


def test_missing_speakers_stand_there_by_name_and_runs_are_shortened(toy):
    everybody = tuple(f"toy-{letter}" for letter in "abcdefg")
    card = toy([row(1, speaker="toy-c"), row(2, speaker="toy-a")], speakers=everybody, n_clips=70).describe()
    text = card.markdown()
    assert "**Speakers of whom nothing is here:** `toy-b`, `toy-d` to `toy-g`." in text
    assert "2 clips of 70 published" in text
    assert "2 known speakers of 7 published" in text
    assert "**Missing:** 68 of 70 clips; 5 of 7 speakers; every recording (labels only)." in text


def test_what_an_official_split_shares_is_measured(toy):
    sides = [("train", "a"), ("train", "a"), ("train", "b"), ("test", "a"), ("test", "c"), ("validation", "")]
    rows = [row(n, usage=side, speaker=who and f"toy-{who}") for n, (side, who) in enumerate(sides)]
    table = tallies.shared(toy(rows).clips()).set_index("sides")
    assert list(table.index) == ["train, validation", "train, test", "validation, test"]
    found = table.loc["train, test"]
    assert found["speakers in both"] == 1
    assert found["of the first's clips (%)"] == pytest.approx(100 * 2 / 3)
    assert found["of the second's clips (%)"] == pytest.approx(50)
    assert table.loc["train, validation", "speakers in both"] == 0, "nobody is not a speaker that both have"
    assert "**The sides share speakers**" in toy(rows).describe().markdown()
    apart = toy([one for one in rows if one["speaker"] != "toy-a"]).describe().markdown()
    assert "No two sides share a speaker that is known. Not known: that of 1 clip." in apart


def test_a_split_of_unknown_people_says_that_it_cannot_be_measured(toy):
    text = toy([row(1, usage="train", speaker=""), row(2, usage="test", speaker="")]).describe().markdown()
    assert "cannot be measured" in text
    assert "share speakers**" not in text
    assert "2 clips whose speaker is not known" in text


def test_lengths_come_from_headers_and_what_cannot_be_read_is_listed(toy, tmp_path, voice, numbered):
    sound = media.write_clip(tmp_path / "sound.mp4", None, voice)
    film = media.write_clip(tmp_path / "film.mp4", numbered, None)
    (tmp_path / "broken.wav").write_text("no sound")
    rows = [
        row(1, audio_path=str(sound)), row(2, path=str(film), emotion="sad"),
        row(3, audio_path=str(tmp_path / "broken.wav")), row(4, path=str(film), start=0.5, end=1.25), row(5),
    ]  # fmt: skip
    card = toy(rows).describe()
    recorded = card.recorded.set_index("clip")
    assert recorded["seconds"].fillna(0).tolist() == pytest.approx([3, 2, 0, 0.75, 0], abs=0.1)
    assert recorded.loc["c2", ["width", "height", "fps"]].tolist() == [64, 48, 30]
    table = tallies.durations(card.recorded).set_index("emotion")
    assert table.loc["happy", "clips"] == 2
    assert table.loc["all", "in all (min)"] == pytest.approx(5.75 / 60, abs=0.005)
    text = card.markdown()
    assert "**1 file cannot be read:**" in text
    assert "broken.wav: expected" in text
    assert "1 without any file (labels only)" in text


def test_still_pictures_have_a_size_and_no_length(toy, tmp_path):
    Image.fromarray(np.zeros((48, 40), np.uint8)).save(tmp_path / "face.png")
    Image.fromarray(np.zeros((48, 40), np.uint8)).save(tmp_path / "face.jpg")
    card = toy([row(n, path=str(tmp_path / f"face.{kind}")) for n, kind in enumerate(("png", "jpg"))]).describe()
    assert card.recorded["seconds"].isna().all()
    assert tallies.formats(card.recorded).to_numpy().tolist() == [["40 x 48", "still picture", 2]]
    assert "Nothing here has a length" in card.markdown()


def test_a_sequence_of_pictures_has_a_length(toy, tmp_path):
    folder = tmp_path / "S005" / "001"
    folder.mkdir(parents=True)
    for number in range(1, 16):
        Image.fromarray(np.full((48, 40), 10 * number, np.uint8)).save(folder / f"S005_001_{number:08d}.png")
    card = toy([row(1, path=str(folder))]).describe()
    assert card.recorded["seconds"].tolist() == pytest.approx([0.5])
    assert tallies.formats(card.recorded).to_numpy().tolist() == [["40 x 48", "30.00", 1]]
    assert "0.5 seconds in 1 clip" in card.markdown()


def test_times_in_the_table_serve_where_recordings_are_missing(toy):
    times = [{"episode_start": 10.0, "episode_end": 12.5}, {"episode_start": 5.0, "episode_end": 4.0}]
    card = toy([row(n, **given) for n, given in enumerate(times)]).describe()
    assert card.recorded["seconds"].fillna(0).tolist() == [2.5, 0]
    assert "1 length without a recording" in card.markdown()


def test_label_maps_are_printed_with_what_they_leave_out(toy):
    rows = [row(1, emotion="surprised"), row(2, emotion="contempt"), row(3, emotion=""), row(4)]
    text = toy(rows, labels={"SUR": "surprised", "CON": "contempt"}).describe().markdown()
    cells = [re.sub(r" +", " ", line) for line in text.splitlines()]
    assert "| SUR | surprised |" in cells
    assert "| surprised | 1 | surprised | surprised | left out |" in cells
    assert "| contempt | 1 | left out | left out | left out |" in cells
    assert "| no label | 1 | left out | left out | left out |" in cells
    assert "| clips kept | 4 | 2 | 2 | 1 |" in cells


def test_human_figures_stand_with_their_source(toy):
    people = (Ceiling("audio", 40.9, "six classes", "Cao et al."),)
    assert "| 40.9" in toy([row(1)], human=people).describe().markdown()
    assert "No published figure is entered" in toy([row(1)]).describe().markdown()


@pytest.mark.parametrize(
    ("name", "accuracies"),
    [
        ("ravdess", {"audio": 67.0, "video": 75.0}),
        ("cremad", {"audio": 40.9, "video": 58.2, "audiovisual": 63.6}),
    ],
)
def test_the_published_human_figures_are_declared(name, accuracies):
    human = datasets.CORPORA[name].card.human
    assert {figure.modality: figure.accuracy for figure in human} == accuracies
    assert all("https://doi.org/" in figure.source and "intended emotion" in figure.setting for figure in human)


def test_the_page_takes_no_sign_for_markup_and_needs_no_other_file(toy):
    page = toy([row(1, speaker="toy-<i>|*x*")], known_defects=("a *star* & a <tag>",)).describe().html()
    assert "<h1>A toy | with *signs* &lt;b&gt;in&lt;/b&gt; its title</h1>" in page
    assert '<td style="text-align:left">toy-&lt;i&gt;|*x*</td>' in page
    assert "a *star* &amp; a &lt;tag&gt;" in page
    assert not re.findall(r"<(?:img|script|link)|src=|@import|url\(", page)
    assert page.count("<h2>") == 8


def test_long_tables_end_with_the_others_added_up(toy):
    rows = [row(n, speaker=f"toy-{n:03d}", emotion="sad" if n % 2 else "happy") for n in range(100)]
    rows += [row(200 + n, speaker="toy-099") for n in range(5)]
    text = toy(rows).describe().markdown()
    speakers = text.split("### By speaker")[1].split("##")[0]
    assert len(re.findall(r"\| toy-\d", speakers)) == cards.MOST
    assert re.search(r"\| toy-099 +\| +5 +\| +1 +\| +6 \|", speakers)
    assert re.search(r"\| the other 60 +\| +30 +\| +30 +\| +60 \|", speakers)
    assert re.search(r"\| all +\| +55 +\| +50 +\| +105 \|", speakers)


def test_only_columns_of_a_few_words_are_counted_by(toy):
    rows = [
        row(n, pose=f"{n % 3}", note=f"{n}", box_path=f"{n % 3}", repetition=n % 2, intended="happy", sex="male")
        for n in range(20)
    ]
    assert tallies.factors(toy(rows).clips()) == ["pose"]


def test_synthetic_corpora_carry_a_banner_and_real_ones_do_not(tiny, toy):
    text = tiny.describe(durations=False).markdown()
    assert "> **SYNTHETIC.** No people" in text
    assert "The files were not read" in text
    assert "| all" in text
    assert "SYNTHETIC" not in toy([row(1)]).describe().markdown()
    assert '<article class="data-card">' in tiny._repr_html_()


def test_a_card_counts_every_clip_once(tiny):
    card = tiny.describe()
    for column in (*tallies.factors(card.clips), "speaker"):
        table = tallies.by(card.clips, column)
        assert table["all"].iloc[-1] == table["all"].iloc[:-1].sum() == len(card.clips) == 16
    assert tallies.durations(card.recorded)["clips"].iloc[-1] == 16
    assert (card.recorded["fps"] == 25).all()


def test_the_list_says_what_is_there_and_survives_a_broken_corpus(call, tiny, tmp_path, monkeypatch):
    shutil.copytree(tiny.root, tmp_path / "corpora" / "demo")
    (tmp_path / "corpora" / "ravdess").mkdir()

    class Broken(Toy):
        def clips(self):
            raise KeyError("a table without its column")

    monkeypatch.setitem(datasets.CORPORA, "toy", Broken)
    (tmp_path / "corpora" / "toy").mkdir()
    code, out, _ = call("corpus", "list", "--root", tmp_path / "corpora", "--json")
    rows = {found["name"]: found for found in json.loads(out)}
    assert code == 0
    assert set(rows) == set(datasets.CORPORA)
    assert list(rows["demo"]) == [
        "name", "title", "licence", "root", "on_disk", "clips", "speakers", "missing", "problem",
    ]  # fmt: skip
    assert (rows["demo"]["clips"], rows["demo"]["speakers"], rows["demo"]["missing"]) == (16, 4, "")
    assert rows["ravdess"]["on_disk"]
    assert rows["ravdess"]["problem"].startswith("corpus 'ravdess': no recording under")
    assert rows["toy"]["problem"] == "KeyError: 'a table without its column'"
    assert rows["meld"]["on_disk"] is False
    assert rows["meld"]["missing"].startswith("everything: `workbench corpus fetch meld`")
    assert call("corpus", "list", "--json")[1].count('"everything: `workbench corpus fetch demo`"') == 1
    code, out, problems = call("corpus", "list", "--root", tmp_path / "corpora")
    assert code == 0
    assert "no recording under" in problems


def test_the_list_without_a_folder_looks_into_the_data_folder(call, data_folder):
    code, out, _ = call("corpus", "list", "--json")
    assert code == 0
    assert {found["root"] for found in json.loads(out)} == {str(data_folder / "raw" / n) for n in datasets.CORPORA}


def test_a_card_is_written_and_printed(call, tiny, tmp_path):
    page, text = tmp_path / "new" / "card.html", tmp_path / "card.md"
    code, *_ = call("corpus", "card", "demo", "--root", tiny.root, "--html", page, "--markdown", text)
    assert code == 0
    assert page.read_text().startswith("<!doctype html>")
    assert text.read_text() == tiny.describe().markdown()
    code, out, _ = call("corpus", "card", "demo", "--root", tiny.root, "--no-durations")
    assert code == 0
    assert out.startswith("# Demo: synthetic")
    code, _, problem = call("corpus", "card", "demo", "--root", tiny.root, "--target", "crowd")
    assert code == 1
    assert "unknown target of 'demo' 'crowd': choose from intended" in " ".join(problem.split())


def test_a_corpus_without_pairs_says_so(call, tiny):
    with pytest.raises(WorkbenchError, match="corpus 'demo' has no film with a separate sound file"):
        tiny.alignment()
    code, _, problem = call("corpus", "align", "demo", "--root", tiny.root)
    assert code == 1
    assert "no film with a separate sound file" in " ".join(problem.split())


def test_the_lag_of_real_ravdess_films_on_the_command_line(call, shared):
    root = shared / "data" / "ravdess"
    code, out, _ = call("corpus", "align", "ravdess", "--root", root, "--json")
    rows = json.loads(out)
    assert code == 0
    assert len(rows) == 5
    assert all(32 < found["lag_ms"] < 35 and {"take", "film", "sound", "correlation"} <= set(found) for found in rows)
    code, out, _ = call("corpus", "align", "ravdess", "--root", root)
    assert "lag of 5 of 5 pairs: median 33.3 ms" in " ".join(out.split())


def test_real_ravdess_lacks_eight_speakers(shared, monkeypatch):
    for name in ("read_frames", "read_waveform"):
        monkeypatch.setattr(media, name, lambda *_, **__: pytest.fail("a recording was decoded"))
    card = datasets.corpus("ravdess", shared / "data" / "ravdess").describe()
    assert len(card.clips) == 966
    assert "`ravdess-17` to `ravdess-24`" in card.markdown()
    table = tallies.durations(card.recorded).set_index("emotion")
    assert table.loc["all", "clips"] == 966
    assert 2.9 < table.loc["all", "shortest (s)"] < table.loc["all", "longest (s)"] < 5.3
    assert any(lack.startswith("picture of 955 of 960 takes") for lack in card.lacks)


def test_real_meld_split_shares_its_speakers(shared):
    card = datasets.corpus("meld", shared / "data" / "meld").describe()
    table = tallies.shared(card.clips).set_index("sides")
    assert table.loc["train, test", "speakers in both"] == 69
    assert table.loc["train, test", "of the second's clips (%)"] == pytest.approx(95.8, abs=0.1)
    assert card.lacks == ["every recording (labels only)"]
    assert tallies.durations(card.recorded)["clips"].iloc[-1] == 13707


@pytest.mark.parametrize(("name", "folder"), [("cremad", "cremad"), ("fer2013", "fer2013")])
def test_real_corpora_have_cards(shared, name, folder):
    if name not in datasets.CORPORA:
        pytest.skip(f"no corpus {name}")
    card = datasets.corpus(name, shared / "data" / folder).describe()
    assert list(card.clips)[: len(COLUMNS)] == COLUMNS
    assert (card.recorded["problem"] == "").all()
    assert card.html().count("<table>") >= 4
