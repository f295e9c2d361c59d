"""Learning curves and times as tables, data sets and pictures."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

import rmtspec as rs

TAU = np.geomspace(1.0, 1e5, 7)


@pytest.fixture(scope="module")
def training():
    population = rs.PopulationSpectrum([0.5, 1.5], spikes=[9.0])
    return rs.RandomFeatureModel(8, 4, 0.1, "erf", population).training()


def test_curves_leave_as_a_table_of_one_row_a_time(training):
    curves = training.learning_curves(TAU)
    table = curves.to_dataframe()
    assert list(table) == ["tau", "train", "test", "generalization", "score_error", "error"]
    for name in table:
        np.testing.assert_array_equal(table[name], getattr(curves, name))
    with pytest.raises(ValueError, match="over a row of times"):
        training.learning_curves(1.0).to_dataframe()


def test_curves_leave_as_a_data_set_whatever_their_shape(training):
    row, point = training.learning_curves(TAU), training.learning_curves(3.0)
    assert row.to_xarray().test.dims == ("tau",)
    assert point.to_xarray().test.dims == ()
    several = training.learning_curves(TAU, directions=[0.5, 9.0])
    data = several.to_xarray([0.5, 9.0])
    assert data.train.dims == ("direction", "tau")
    np.testing.assert_array_equal(data.train.sel(direction=9.0), several.train[1])
    assert data.attrs["converged"] == 1
    assert all(data[name].attrs["long_name"] for name in data.data_vars)
    with pytest.raises(ValueError, match="directions must have shape"):
        several.to_xarray([0.5])
    with pytest.raises(ValueError, match="directions must be None"):
        row.to_xarray([0.5])
    with pytest.raises(ValueError, match="tau must be a number or a row"):
        training.learning_curves(TAU.reshape(1, -1)).to_xarray()


def test_families_leave_as_a_table(training):
    times = training.timescales()
    table = times.to_dataframe()
    assert list(table["name"]) == [family.name for family in times.families]
    assert list(table["tau"]) == [family.tau for family in times.families]


def test_curves_draw_themselves(training):
    axes = training.learning_curves(TAU).plot(Figure().subplots(2, 1), training=training)
    assert len(axes) == 2


def test_summary_of_a_training_is_what_its_methods_answer(training):
    summary = training.summary([1.0, 100.0, np.inf], directions=[9.0])
    curves = training.learning_curves([1.0, 100.0])
    assert summary["curves"]["tau"] == [1.0, 100.0]
    assert summary["curves"]["test"] == curves.test.tolist()
    assert summary["curves"]["end"]["test"] == float(training.learning_curves(np.inf).test)
    assert summary["best_stopping"]["tau"] == training.best_stopping().tau
    assert summary["window"]["tau_mem_curve"] == training.window().tau_mem_curve
    along = training.learning_curves([1.0, 100.0], directions=[9.0])
    assert summary["directions"][0]["train"] == along.train[0].tolist()
    shares = [bulk["train_decrease"] for bulk in summary["bulks"]]
    np.testing.assert_array_equal(shares, training.bulk_shares())


def test_summary_of_a_model_is_what_its_methods_answer(training):
    model = training.model
    summary = model.summary()
    law, times = model.spectrum(), model.timescales()
    np.testing.assert_array_equal([bulk["support"] for bulk in summary["bulks"]], law.support)
    assert [bulk["mass"] for bulk in summary["bulks"]] == law.masses.tolist()
    assert summary["timescales"]["tau_gen"] == times.tau_gen
    assert summary["outliers"][0]["location"] == model.outliers().location[0]
    assert summary["data"] is None
    assert "fast" in str(summary)
    brief = model.summary(brief=True)
    assert brief.to_dict() == summary.to_dict()
    assert len(str(brief)) < len(str(summary))
