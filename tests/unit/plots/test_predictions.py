"""The picture of predictions: what is drawn of each, and what is refused."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

import rmtspec as rs
from rmtspec.plots.predictions import plot_predictions

MODEL = rs.RandomFeatureModel(4, 2, rs.NoiseLevel.flow(0.4))


def test_every_prediction_has_a_line_over_time_and_one_along_the_path():
    found = MODEL.training().compare(["noise", "velocity"])
    axes = found.plot()
    assert len(axes) == 2
    lines = {line.get_label(): line for line in axes[0].get_lines()}
    for name in ("noise", "velocity"):
        curves = found.curves[name]
        seen = (curves.tau > 0) & np.isfinite(curves.tau)
        np.testing.assert_array_equal(lines[name].get_ydata(), curves.score_error[seen])
    np.testing.assert_array_equal(axes[1].get_lines()[0].get_ydata(), found.ranking.errors[0])
    marks = [line for line in axes[1].get_lines() if len(set(line.get_xdata())) == 1]
    assert len(marks) == len(found.flips) > 0
    assert "flow:0.4" in axes[0].get_title()
    plt.close("all")


def test_without_a_ranking_there_is_one_axis():
    found = MODEL.training().compare(["noise", "data"], flips=False)
    assert len(found.plot()) == 1
    axes = plot_predictions(found, Figure().subplots(1, 2))
    assert len(axes) == 2
    assert not axes[1].get_lines()
    plt.close("all")


def test_other_things_are_refused():
    with pytest.raises(TypeError, match="comparison must be a PredictionComparison"):
        plot_predictions(MODEL)
    found = MODEL.training().compare(["noise"], flips=False)
    with pytest.raises(TypeError, match="ax"):
        plot_predictions(found, "axes")
