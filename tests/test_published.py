"""Every published number of every study, against a second reading of the sources (tests/published)."""

import re
from pathlib import Path

import pandas as pd
import pytest

from workbench import studies

FOLDER = Path(__file__).parent / "published"
# The readings of studies whose name does not say their table.
OTHERS = {
    "benha_3_1": ["002_3-1", "002_3-19"],
    "benha_savee_audio": ["002_cnn-savee"],
    "benha_savee_fusion": ["002_5.6"],
    "benha_savee_video": ["002_lrcn-convlstm"],
    "benha_speech_video": ["002_lrcn-convlstm"],
    "efficientface_3": ["000_3"],
    "light": ["001_storage"],
    "mrpn_5_4_cremad": ["004_5.4"],
    "mrpn_cost": ["004_cost"],
    "savee6_audio": ["003_audio"],
    "savee6_convlstm": ["003_convlstm"],
    "savee6_frames": ["003_vgg16"],
    "savee6_fusion_group": ["003_fusion"],
    "savee6_fusion_speaker": ["003_fusion"],
    "turned_heads": ["004_4.1"],
    "turned_heads_repeats": ["004_4.2"],
}
SETTINGS = {"optimiser": "Optimizer", "epochs": "# Epochs", "learning_rate": "Learning rate", "dropout": "Dropout rate"}
# Studies of our own, which quote numbers of tables that have a study each, or (late_fusion_posteriors) those that the
# given files themselves come to, which `test_given` works out from them.
QUOTING = ("audio_models", "late_fusion_posteriors", "thread")


def readings(name):
    """Return the second reading's files of a study."""
    table = re.fullmatch(r"(benha|mrpn)_(\d)_(\d)", name)
    if name in OTHERS or not table:
        return OTHERS.get(name, [])
    system, chapter, number = table.groups()
    return [f"002_{chapter}-{number}" if system == "benha" else f"004_{chapter}.{number}"]


def second(name):
    """Return a study's second reading: row, column, value, where."""
    return pd.concat([pd.read_csv(FOLDER / f"{file}.csv", dtype=str) for file in readings(name)], ignore_index=True)


def first(study):
    """Yield row, column and value of every published number in a study."""
    for settings in (study.variants | study.cited).values():
        published = dict(settings.get("published", {}))
        row = published.pop("row", None)
        for key in ("note", "setting", "reached"):
            published.pop(key, None)
        for fold, value in published.pop("by_fold", {}).items():
            yield row, "accuracy@" + re.sub(r"(?<=[A,])0", "", fold), value  # A01,02 is the source's A1,2
        for seed, value in published.pop("by_seed", {}).items():
            yield row, f"accuracy@{seed}", value
        for seed, value in published.pop("n_neighbors", {}).items():
            yield row, f"n_neighbors@{seed}", value
        for key, value in published.pop("settings", {}).items():
            values = value if isinstance(value, list) else [value]
            yield row, f"setting:{SETTINGS[key]}", ":".join(map(str, values))
        average = "@macro avg" if "by_class" in published else ""
        for emotion, scores in published.pop("by_class", {}).items():
            yield from ((row, f"{score}@{emotion}", value) for score, value in scores.items())
        for key, value in published.items():
            yield row, key + (average if key in ("precision", "recall", "f1") else ""), value


def same(value, text):
    """Say whether a study's value is the one read."""
    try:
        return float(value) == pytest.approx(float(text), rel=1e-9)
    except ValueError:
        return str(value) == text


@pytest.mark.parametrize("name", [name for name in studies.names() if readings(name)])
def test_every_published_number_is_as_read_a_second_time(name):
    read = second(name)
    numbers = list(first(studies.load(name)))
    assert numbers
    for row, column, value in numbers:
        texts = read.loc[(read["row"] == row) & (read["column"] == column), "value"]
        assert any(same(value, text) for text in texts), f"{row!r}, {column}: {value}, a second time {list(texts)}"


@pytest.mark.parametrize("file", sorted(path.stem for path in FOLDER.glob("*.csv")))
def test_every_number_of_a_table_stands_in_a_study(file):
    """Settings of networks apart: those are the variants' own."""
    read = pd.read_csv(FOLDER / f"{file}.csv", dtype=str)
    numbers = read[read["where"].str.startswith("table") & ~read["column"].str.startswith("setting:")]
    numbers = numbers[~numbers["column"].str.contains("weighted avg")]
    found = {key for name in studies.names() if file in readings(name) for key in keys(name)}
    missing = [key for key in zip(numbers["row"], numbers["column"], strict=True) if key not in found]
    assert not missing


def keys(name):
    return [(row, column) for row, column, _ in first(studies.load(name))]


def test_every_study_that_quotes_a_number_was_read_twice():
    for name in studies.names():
        if name not in QUOTING and any(True for _ in first(studies.load(name))):
            assert readings(name), name
    assert all(set(readings(name)) <= {path.stem for path in FOLDER.glob("*.csv")} for name in studies.names())
