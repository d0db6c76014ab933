"""Pruning and summing up columns: as scikit-learn demands, learning from training clips only, saved without pickle."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from workbench.acoustics.pruning import TRUSTED, CorrelationPruner, CurvePca


@parametrize_with_checks([CorrelationPruner(), CorrelationPruner(n_features=1), CurvePca(length=1)])
def test_they_behave_as_scikit_learn_demands(estimator, check):
    check(estimator)


@pytest.fixture
def rows():
    """Columns: a, b = a + some noise, c, d = -c, e constant, f (60, 6)."""
    rng = np.random.default_rng(0)
    a, c, f = rng.standard_normal((3, 60))
    b = a + 0.3 * rng.standard_normal(60)
    return pd.DataFrame({"a": a, "b": b, "c": c, "d": -2 * c + 1, "e": np.full(60, 0.1), "f": f})


def test_the_earlier_of_two_correlated_columns_stays(rows):
    assert CorrelationPruner(0.9).fit(rows).get_feature_names_out().tolist() == ["a", "c", "f"]
    assert CorrelationPruner(0.99).fit(rows).get_feature_names_out().tolist() == ["a", "b", "c", "f"]
    assert CorrelationPruner(0.9).fit(rows[list("fedcba")]).get_feature_names_out().tolist() == ["f", "d", "b"]
    kept = CorrelationPruner(0.9).set_output(transform="pandas").fit_transform(rows)
    pd.testing.assert_frame_equal(kept, rows[["a", "c", "f"]])


def test_so_many_columns_stay_and_the_strongest_pairs_go_first(rows):
    for n, names in {9: "abcdf", 5: "abcdf", 4: "abcf", 3: "acf"}.items():
        assert CorrelationPruner(n_features=n).fit(rows).get_feature_names_out().tolist() == list(names)
    assert CorrelationPruner(n_features=1).fit(rows).get_support().sum() == 1


def test_columns_without_any_correlation_still_come_down_to_the_number():
    X = np.kron(np.eye(4), [[1.0], [-1.0]])
    assert CorrelationPruner(n_features=2).fit(X).get_support().tolist() == [True, True, False, False]


def test_large_offsets_do_not_make_a_column_constant():
    X = 1e6 + np.random.default_rng(0).standard_normal((50, 3))
    assert CorrelationPruner(0.9).fit(X).get_support().all()


@pytest.mark.parametrize("settings", [{"threshold": 1.5}, {"n_features": 0}])
def test_impossible_settings_are_refused(rows, settings):
    with pytest.raises(ValueError, match="threshold in"):
        CorrelationPruner(**settings).fit(rows)


def test_nan_is_refused_and_an_imputer_before_mends_it(rows):
    holes = rows.assign(f=rows["f"].mask(rows["f"] > 1))
    assert holes.isna().any().any()
    with pytest.raises(ValueError, match="NaN"):
        CorrelationPruner().fit(holes)
    assert make_pipeline(SimpleImputer(), CorrelationPruner()).fit_transform(holes).shape == (60, 3)


def curve_table(n=40, length=8, seed=0):
    """Two curves: a bump of random height on a slope, and noise about 5; names as `acoustics.curves` gives."""
    rng = np.random.default_rng(seed)
    heights, bump = rng.standard_normal(n), np.hanning(length)
    first = np.linspace(0, 1, length) + heights[:, None] * bump + 0.01 * rng.standard_normal((n, length))
    second = 5 + rng.standard_normal((n, length))
    names = [f"{curve}_{point:03d}" for curve in ("rms", "mfcc_00") for point in range(length)]
    return pd.DataFrame(np.hstack([first, second]), columns=names), heights


def test_each_curve_becomes_its_place_along_the_direction_of_most_difference():
    table, heights = curve_table()
    found = CurvePca(8).set_output(transform="pandas").fit_transform(table)
    assert list(found) == ["rms_pca0", "mfcc_00_pca0"]
    assert abs(np.corrcoef(found["rms_pca0"], heights)[0, 1]) > 0.999
    theirs = PCA(1, svd_solver="full").fit_transform(table.to_numpy()[:, 8:])
    np.testing.assert_allclose(found[["mfcc_00_pca0"]], theirs)
    two = CurvePca(8, n_components=2).fit(table.to_numpy())
    assert two.get_feature_names_out().tolist() == ["curvepca0", "curvepca1", "curvepca2", "curvepca3"]
    np.testing.assert_allclose(two.transform(table.to_numpy())[:, ::2], found)


def test_columns_that_are_no_whole_curves_are_refused():
    with pytest.raises(ValueError, match="multiples of length=7"):
        CurvePca(7).fit(curve_table()[0])


@pytest.mark.parametrize("transformer", [CorrelationPruner(0.5), CorrelationPruner(n_features=5), CurvePca(8)])
def test_test_clips_never_change_what_training_clips_become(transformer):
    table = curve_table()[0]
    train, test = table[:25], table[25:]
    pipeline = make_pipeline(SimpleImputer(), clone(transformer), StandardScaler())
    before = pipeline.fit(train).transform(train)
    test_before = pipeline.transform(test)
    strange = pd.concat([test * 1000, test + 7])
    pipeline.transform(strange)
    np.testing.assert_array_equal(pipeline.transform(train), before)
    np.testing.assert_array_equal(pipeline.transform(test), test_before)
    np.testing.assert_allclose(pipeline.transform(pd.concat([train, strange]))[:25], before, rtol=1e-12)
    one_by_one = np.vstack([pipeline.transform(test[i : i + 1]) for i in range(len(test))])
    np.testing.assert_allclose(one_by_one, test_before)


def test_parameters_are_set_by_name_in_a_pipeline(rows):
    pipeline = make_pipeline(CorrelationPruner(), StandardScaler())
    pipeline.set_params(correlationpruner__n_features=2)
    assert clone(pipeline).fit_transform(rows).shape == (60, 2)


def test_a_pipeline_is_saved_without_pickle_and_says_what_to_trust(tmp_path):
    table, heights = curve_table()
    labels = np.where(heights > 0, "happy", "sad")
    pipeline = make_pipeline(SimpleImputer(), CurvePca(8), CorrelationPruner(0.95), StandardScaler(), SVC())
    pipeline.fit(table, labels)
    skops.io.dump(pipeline, tmp_path / "model.skops")
    assert set(skops.io.get_untrusted_types(file=tmp_path / "model.skops")) == set(TRUSTED)
    with pytest.raises(Exception, match="Untrusted types"):
        skops.io.load(tmp_path / "model.skops")
    loaded = skops.io.load(tmp_path / "model.skops", trusted=TRUSTED)
    np.testing.assert_array_equal(loaded.decision_function(table), pipeline.decision_function(table))
