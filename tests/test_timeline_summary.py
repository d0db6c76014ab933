"""What a series of windows amounts to: shares, transitions, reactions, moments."""

import numpy as np
import pandas as pd
import pytest

from workbench.interact.timeline import Settings, reaction, summary
from workbench.interact.timeline.moments import moments


def series(*rows, window=4.0, step=2.0, first=0.0):
    """Return windows of given probabilities of happy, sad and neutral."""
    starts = first + step * np.arange(len(rows))
    table = pd.DataFrame(np.array(rows, float), columns=["p_happy", "p_sad", "p_neutral"])
    surest = table.max(axis=1)
    named = table.idxmax(axis=1).str.removeprefix("p_")
    facts = {"start": starts, "end": starts + window, "emotion": named, "probability": surest, "decided": surest >= 0.4}
    return table.assign(**facts)


HAPPY, SAD, NEUTRAL, NONE = (0.8, 0.1, 0.1), (0.1, 0.8, 0.1), (0.2, 0.2, 0.6), (0.35, 0.35, 0.3)


def test_transitions_by_hand():
    """Undecided windows are passed over, gaps in time are not."""
    one = series(HAPPY, HAPPY, NONE, SAD, NEUTRAL, SAD)
    two = series(HAPPY, SAD, first=40)
    found = summary.transitions(pd.concat([one, two], ignore_index=True), step=2)
    rows = {(row.before, row.after): row.count for row in found.itertuples(index=False)}
    assert rows == {("happy", "sad"): 2, ("sad", "neutral"): 1, ("neutral", "sad"): 1}


def test_volatility_compares_windows_that_do_not_overlap():
    found = summary.moves(series(HAPPY, NEUTRAL, SAD, NEUTRAL), window=4)
    assert np.isnan(found[:2]).all()
    assert found[2:] == pytest.approx([0.7, 0.0])
    row = summary.describe(series(HAPPY, NEUTRAL, SAD, NEUTRAL), step=2, window=4)
    assert row["volatility"] == pytest.approx(0.35)
    assert row["seconds"] == 10
    assert row["changes_per_minute"] == pytest.approx(18)
    assert row["negative"] == pytest.approx((0.1 + 0.2 + 0.8 + 0.2) / 4)


def test_the_longest_negative_stretch_does_not_reach_over_a_gap():
    gap = series(SAD, first=8)
    table = pd.concat([series(SAD, HAPPY, SAD), gap, series(SAD, SAD, SAD, first=30)], ignore_index=True)
    assert summary.longest(table, step=2) == (30, 38)
    assert summary.longest(series(HAPPY, NEUTRAL), step=2) is None


def test_shares_add_up_and_their_intervals_are_wider_where_windows_hang_together():
    quick, slow = series(*[HAPPY, SAD] * 60), series(*([HAPPY] * 30 + [SAD] * 30) * 2)
    wide = []
    for one in (quick, slow):
        found = summary.shares(one, step=2).set_index("emotion")
        assert found["share"].sum() == pytest.approx(1)
        assert found.loc["happy", "share"] == 0.5
        assert found.loc["happy", "mean_probability"] == pytest.approx(0.45)
        wide.append(found.loc["happy", "high"] - found.loc["happy", "low"])
    assert wide[0] < 0.05 < 0.3 < wide[1]
    assert summary.shares(series(HAPPY, NONE), step=2)["low"].isna().all()
    assert summary.shares(series(HAPPY, NONE), step=2).set_index("emotion").loc["undecided", "share"] == 0.5


def slow_noise(rng, n):
    """Return noise (n,) that keeps its course for some steps."""
    return np.convolve(rng.normal(size=n + 20), np.ones(6), "valid")[:n]


def test_a_lagged_correlation_finds_the_lag_that_was_put_in():
    rng = np.random.default_rng(1)
    a = slow_noise(rng, 300)
    b = np.roll(a, 3) + 0.5 * slow_noise(rng, 300)  # b does what a did three steps before
    b[100:110] = np.nan
    table, facts = reaction.reaction(a, b, step=2)
    assert facts["lag"] == 6
    assert facts["r"] > 0.8
    assert facts["p"] < 0.02
    by_hand = pd.Series(a).shift(3).corr(pd.Series(b))
    assert table.set_index("lag").loc[6, "r"] == pytest.approx(by_hand)
    assert reaction.reaction(b, a, step=2)[1]["lag"] == -6


def test_chance_is_no_reaction():
    ps = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        _, facts = reaction.reaction(slow_noise(rng, 300), slow_noise(rng, 300), step=2)
        assert facts["enough"]
        ps.append(facts["p"])
    assert np.mean(np.array(ps) < 0.05) <= 0.15
    assert np.mean(np.array(ps) < 0.5) == pytest.approx(0.5, abs=0.15)
    assert not reaction.reaction(slow_noise(rng, 100), slow_noise(rng, 100), step=2)[1]["enough"]
    assert reaction.reaction(np.ones(200), np.ones(200), step=2) is None
    assert reaction.reaction(slow_noise(rng, 33), slow_noise(rng, 33), step=2) is None


def test_moments_are_where_the_numbers_move():
    rows = [NEUTRAL] * 20 + [SAD] * 10 + [NEUTRAL] * 20
    table = series(*rows).assign(subject="person 1", source="face", used=True)
    found = moments(table, Settings()).set_index("kind")
    assert found.loc["negative", ["at", "end"]].tolist() == [40, 62]
    assert sorted(found.loc[["change"], "at"]) == [40, 60]
    assert found.loc["surest", "why"] == "sad 80%"
    assert len(moments(table.iloc[:0], Settings())) == 0


def test_what_is_so_all_the_time_is_no_moment():
    table = series(*[SAD] * 40).assign(subject="person 1", source="face", used=True)
    assert moments(table, Settings())["kind"].tolist() == ["surest"], "neither the negative stretch nor the least sure"
