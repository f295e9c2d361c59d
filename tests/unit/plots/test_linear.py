"""Pictures of linear denoisers: lines are the averages, and what is infinite is marked."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

import rmtspec as rs
from rmtspec.plots.linear import plot_against_load

LOADS = np.geomspace(0.1, 10.0, 21)
POWER = rs.PopulationSpectrum.power_law(1.0, 100)


def three():
    return Figure().subplots(1, 3)


def lines(ax):
    return {line.get_label(): line for line in ax.get_lines()}


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_lines_are_the_averages():
    model = rs.LinearDenoiser(POWER, LOADS, 0.01)
    left, middle, right = plot_against_load(model, 0.9, three())
    shown = {**lines(left), **lines(middle), **lines(right)}
    expected = {
        "test": model.test_loss(0.9),
        "train": model.train_loss(0.9),
        "to the optimal map": model.alignment(0.9),
        "between two data sets": model.alignment_pair(0.9),
        "data || model": model.kl(),
        "model || data": model.kl("model||data"),
    }
    for label, values in expected.items():
        np.testing.assert_array_equal(shown[label].get_xdata(), LOADS)
        np.testing.assert_array_equal(shown[label].get_ydata(), values)
    assert shown["optimal"].get_ydata()[0] == model.optimal_loss(0.9)
    for ax in (left, middle, right):
        assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
        assert texts(ax) == ["$n=d$"]


def test_infinite_divergences_break_the_line_and_grey_the_ground():
    right = plot_against_load(rs.LinearDenoiser(POWER, LOADS), 0.9, three())[2]
    drawn = lines(right)["data || model"].get_ydata()
    np.testing.assert_array_equal(np.isnan(drawn), LOADS <= 1 + 1e-12)
    assert "infinite" in texts(right)
    law = lines(right)["$d/4n$"]
    np.testing.assert_allclose(law.get_ydata() * law.get_xdata(), 0.25, rtol=1e-15)


def test_law_of_many_samples_counts_the_rank_only():
    flat = rs.PopulationSpectrum([0.0, 1.0, 2.0, 3.0])
    loads = np.geomspace(0.1, 1000.0, 41)
    right = plot_against_load(rs.LinearDenoiser(flat, loads), 0.9, three())[2]
    law, drawn = lines(right)["$r^2/4dn$"].get_ydata(), lines(right)["data || model"].get_ydata()
    # The next term is relatively 5/3 of rank/n at most: 0.00125.
    assert drawn[-1] == pytest.approx(law[-1], rel=2e-3)


def test_everything_infinite_is_drawn_without_a_word():
    flat = rs.PopulationSpectrum([0.0, 1.0])
    right = plot_against_load(rs.LinearDenoiser(flat, LOADS, 0.1), 0.9, three())[2]
    assert "infinite" in texts(right)


def test_own_load_is_marked_where_it_is_in_sight():
    model = rs.LinearDenoiser(POWER, LOADS, 0.1)
    axes = plot_against_load(model, 0.9, three(), corrected=True, own_load=3.0)
    assert all("these data" in texts(ax) for ax in axes)
    far = plot_against_load(model, 0.9, three(), own_load=300.0)
    assert all("these data" not in texts(ax) for ax in far)
    np.testing.assert_array_equal(
        lines(axes[0])["test"].get_ydata(), model.test_loss(0.9, corrected=True)
    )


@pytest.mark.parametrize("own", [0.3, 0.75, 0.9, 1.0, 1.05, 1.3, 3.0])
def test_labels_of_two_loads_do_not_cover_each_other(own):
    figure = Figure(figsize=(10.0, 3.6), layout="constrained")
    axes = plot_against_load(
        rs.LinearDenoiser(POWER, LOADS, 0.1), 0.9, figure.subplots(1, 3), own_load=own
    )
    figure.draw_without_rendering()
    for ax in axes:
        first, second = (
            text.get_window_extent() for text in ax.texts if text.get_text() != "infinite"
        )
        assert not first.overlaps(second)


def test_figure_is_made_where_none_is_given():
    import matplotlib.pyplot as plt

    axes = rs.LinearDenoiser(POWER, [0.5, 2.0]).plot(0.5)
    assert axes.shape == (3,)
    plt.close(axes[0].figure)


def test_wrong_arguments_are_refused_by_name():
    for load in (2.0, [2.0], [2.0, 1.0], [[1.0, 2.0]], [1.0, 1.0]):
        with pytest.raises(ValueError, match="model must have a strictly ascending row"):
            plot_against_load(rs.LinearDenoiser(POWER, load), 0.9)
    with pytest.raises(ValueError, match="one ridge"):
        plot_against_load(rs.LinearDenoiser(POWER, [1.0, 2.0], [0.1, 0.2]), 0.9)
    with pytest.raises(TypeError, match="model"):
        plot_against_load(POWER, 0.9)
    good = rs.LinearDenoiser(POWER, [1.0, 2.0])
    for level in (0.0, 1.0, np.nan):
        with pytest.raises(ValueError, match="alpha_bar"):
            plot_against_load(good, level, three())
    with pytest.raises(ValueError, match="own_load"):
        plot_against_load(good, 0.9, own_load=-1.0)
    with pytest.raises(ValueError, match="three Axes"):
        plot_against_load(good, 0.9, Figure().subplots(1, 2))
