"""Pictures of the losses of classes."""

import numpy as np
import pytest
from matplotlib.figure import Figure

import rmtspec as rs
from rmtspec.plots.structured import plot_class_curves

TAU = np.geomspace(0.1, 1e3, 12)
CURVES = rs.MixtureModel(6, 3, 0.1, [rs.DataClass(0.6, 1.5), rs.DataClass(0.4, 0.5)])


def test_lines_are_the_losses_of_all_data_and_of_every_class():
    curves = CURVES.learning_curves(np.append(0.0, TAU))
    (axes,) = curves.plot(Figure().subplots())
    lines = axes.get_lines()
    assert len(lines) == 6
    np.testing.assert_array_equal(lines[2].get_ydata(), curves.class_test[0, 1:])
    np.testing.assert_array_equal(lines[5].get_ydata(), curves.class_train[1, 1:])
    assert axes.get_legend_handles_labels()[1] == [
        "all data", "class 0, weight 0.6", "class 1, weight 0.4",
    ]  # fmt: skip


def test_one_class_has_one_pair_of_lines():
    curves = rs.TimeIntegratedModel(6, 3, [0.1], bias_scale=0.0).learning_curves(TAU)
    (axes,) = plot_class_curves(curves)
    assert len(axes.get_lines()) == 2


def test_other_curves_are_refused():
    with pytest.raises(TypeError, match="curves must be curves of classes"):
        plot_class_curves(rs.RandomFeatureModel(6, 3, 0.1).learning_curves(TAU))
    with pytest.raises(ValueError, match="curves must be over a row of ascending times"):
        plot_class_curves(CURVES.learning_curves(1.0))
