"""Every study lists, runs at smoke size on the demo corpus, and gives its table."""

import corpora
import pytest

from workbench import figures, studies
from workbench.datasets import demo_stills
from workbench.studies import results, running

SPEAKERS = 4
EMOTIONS = ("neutral", "happy", "sad", "angry")  # of which every study has two or more


@pytest.fixture(scope="module")
def demos(tmp_path_factory):
    """The demo corpora at the size of `smoke`, and a data folder of the module's own."""
    folder = tmp_path_factory.mktemp("corpora")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_DATA", str(tmp_path_factory.mktemp("data")))
        patch.setenv("WORKBENCH_FIGURES", str(tmp_path_factory.mktemp("figures")))
        made = corpora.generate(
            folder / "demo", tmp_path_factory, n_speakers=SPEAKERS, emotions=EMOTIONS, statements=(1,)
        )
        yield {"demo": made, "demo_stills": demo_stills.generate(folder / "stills", n_speakers=SPEAKERS)}


# Theirs run, at this very size, in the notebooks and in their own tests; those on given files in `test_given`.
ELSEWHERE = ("thread", "turned_heads", "late_fusion_posteriors", "fusion_features", "fusion_features_speaker")


@pytest.mark.parametrize("name", [name for name in studies.names() if name not in ELSEWHERE])
def test_runs_at_smoke_size_and_gives_its_table(name, demos):
    study = studies.load(name)
    corpus = demos["demo_stills" if study.protocol == "frontal-to-turned" else "demo"]
    made = running.run(study, corpus, profile="smoke")
    found = results.results(name, corpus=corpus.label, size="smoke")
    assert {run.name for run in found} == {run.name for run in made}
    assert {run.params["variant"] for run in made} == set(study.variants)
    table = figures.table(name, corpus=corpus.label, size="smoke")
    assert set(study.variants) <= set(table.cells["variant"])
    files = {path.suffix: path.read_text() for path in figures.save_table(table, "smoke")}
    assert set(files) == {".md", ".tex", ".csv", ".html"}
    for text in files.values():
        assert "not run" not in text
    assert "synthetic" in files[".md"]
