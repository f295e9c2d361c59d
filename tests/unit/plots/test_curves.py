"""Pictures of learning curves: lines are the curves, marks are the times, and 0 and infinity wait
outside of a logarithmic axis."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from matplotlib.figure import Figure

import rmtspec as rs
from rmtspec.plots.curves import plot_collapse, plot_directions, plot_learning_curves

TAU = np.geomspace(0.1, 1e6, 60)


@pytest.fixture(scope="module")
def training():
    return rs.RandomFeatureModel(16, 4, 0.1).training()


@pytest.fixture(scope="module")
def curves(training):
    return training.learning_curves(TAU)


def lines(ax):
    return {line.get_label(): line for line in ax.get_lines()}


def test_lines_are_the_curves(training, curves):
    losses, score = plot_learning_curves(curves, training, Figure().subplots(2, 1))
    shown = {**lines(losses), **lines(score)}
    expected = {
        "train": curves.train,
        "test": curves.test,
        "generalisation": curves.generalization,
        "score error": curves.score_error,
    }
    for label, values in expected.items():
        np.testing.assert_array_equal(shown[label].get_xdata(), TAU)
        np.testing.assert_array_equal(shown[label].get_ydata(), values)
    assert losses.get_xscale() == score.get_xscale() == score.get_yscale() == "log"
    assert losses.get_xlim() == (TAU[0], TAU[-1])


def test_spectral_times_and_the_optimum_are_marked(training, curves):
    axes = plot_learning_curves(curves, training, Figure().subplots(2, 1))
    times, best = training.timescales(), training.best_stopping()
    expected = [times.tau_gen, times.tau_mem, times.tau_slow]
    assert [text.xy[0] for text in axes[0].texts] == expected
    names = [text.get_text() for text in axes[0].texts]
    assert all(part in name for part, name in zip(("gen", "mem", "slow"), names, strict=True))
    for ax, value in zip(axes, (best.test, best.score_error), strict=True):
        dotted = [line.get_xdata()[0] for line in ax.get_lines() if line.get_linestyle() == ":"]
        assert dotted == expected
        mark = lines(ax)["best stopping"]
        assert (mark.get_xdata()[0], mark.get_ydata()[0]) == (best.tau, value)


def bands(ax):
    return [patch for patch in ax.patches if patch.get_label() == "window"]


def test_a_band_marks_the_window_of_the_curves(training, curves):
    axes = plot_learning_curves(curves, training, Figure().subplots(2, 1))
    window = training.window()
    assert TAU[0] < window.tau_gen_loss < window.tau_mem_loss < TAU[-1]
    for ax in axes:
        (band,) = bands(ax)
        ends = band.get_x(), band.get_x() + band.get_width()
        # Ends are kept as a start and a width.
        np.testing.assert_allclose(ends, (window.tau_gen_loss, window.tau_mem_loss), rtol=1e-12)


def test_a_band_that_leaves_the_picture_ends_with_it(training):
    window = training.window()
    middle = np.sqrt(window.tau_gen_loss * window.tau_mem_loss)
    last = np.sqrt(middle * window.tau_mem_loss)
    curves = training.learning_curves(np.geomspace(middle, last, 5))
    (ax,) = plot_learning_curves(curves, training, Figure().subplots())
    (band,) = bands(ax)
    assert (band.get_x(), band.get_x() + band.get_width()) == pytest.approx((middle, last))
    assert ax.get_xlim() == pytest.approx((middle, last))
    before = training.learning_curves(window.tau_gen_loss * np.array([0.1, 0.2]))
    (ax,) = plot_learning_curves(before, training, Figure().subplots())
    assert not bands(ax)


def test_ridge_and_momentum_move_the_marks():
    rule = rs.RandomFeatureModel(16, 4, 0.1).training(step=0.01, momentum=0.5, ridge=0.1)
    model = rule.model
    curves = rule.learning_curves(np.geomspace(0.01, 1e4, 60))
    (ax,) = plot_learning_curves(curves, rule, Figure().subplots())
    lower = np.array([f.lower for f in model.timescales().families if f.name != "noise"])
    times = 0.5 * model.psi_p / (model.delta * (lower + 0.1))
    np.testing.assert_allclose([text.xy[0] for text in ax.texts], times, rtol=1e-12)


def test_names_of_three_times_at_one_place_stand_side_by_side():
    training = rs.RandomFeatureModel(64, 8, 0.01).training(ridge=1e6)
    curves = training.learning_curves(np.geomspace(1e-4, 1.0, 60))
    (ax,) = plot_learning_curves(curves, training, Figure().subplots())
    shifts = [text.xyann[0] for text in ax.texts]
    assert shifts[1] == 0.0
    assert shifts[0] == -shifts[2] < -20.0


def test_data_without_held_out_rows_are_drawn_with_what_is_known():
    with pytest.warns(rs.FewDimensionsWarning):
        model = rs.RandomFeatureModel.from_data(
            np.random.default_rng(0).normal(size=(90, 40)), 8, 0.1
        )
    training = model.training()
    with pytest.warns(UserWarning, match="only the train loss"):
        curves = training.learning_curves(TAU)
    losses, score = plot_learning_curves(curves, training, Figure().subplots(2, 1))
    named = [label for label in lines(losses) if not label.startswith("_")]
    assert named == ["train"]
    assert len(losses.texts) == 3
    assert not bands(losses)
    assert "score error" not in lines(score)


def test_losses_next_to_one_fill_their_axis():
    for ridge, tau in ((0.0, np.geomspace(0.5, 50, 40)), (1e6, np.geomspace(1e-4, 1, 40))):
        training = rs.RandomFeatureModel(64, 8, 0.01).training(ridge=ridge)
        curves = training.learning_curves(tau)
        (ax,) = plot_learning_curves(curves, ax=Figure().subplots())
        low, high = ax.get_ylim()
        spread = np.ptp([curves.train, curves.test])
        assert low < np.min([curves.train, curves.test]) < np.max(curves.test) < high
        assert spread > 0.8 * (high - low)
        assert list(lines(ax)) == ["train", "test"]


def test_losses_that_do_not_move_are_drawn_from_zero():
    # The activation has no linear part: nothing is learned.
    curves = rs.RandomFeatureModel(4, 8, 0.1, "hermite2").learning_curves(TAU[:5] * 1e-12)
    assert np.ptp([curves.train, curves.test]) < 1e-9
    (ax,) = plot_learning_curves(curves, ax=Figure().subplots())
    assert ax.get_ylim()[0] == 0.0
    assert list(lines(ax)) == ["train", "test", "generalisation"]


def test_names_of_neighbouring_times_lean_apart():
    training = rs.RandomFeatureModel(8, 4, 0.1).training()
    times = training.model.timescales()
    (ax,) = plot_learning_curves(training.learning_curves(TAU), training, Figure().subplots())
    # A factor 1.5 is a fortieth of an axis of seven decades.
    assert times.tau_slow < 1.5 * times.tau_mem
    assert [text.get_ha() for text in ax.texts] == ["center", "right", "left"]


def test_what_lies_out_of_sight_is_not_marked(training):
    curves = training.learning_curves(np.geomspace(1e-3, 1e-2, 5))
    (ax,) = plot_learning_curves(curves, training, Figure().subplots())
    assert not ax.texts
    assert "best stopping" not in lines(ax)
    assert ax.get_xlim() == (1e-3, 1e-2)


def test_times_zero_and_infinity_are_left_out(training, curves):
    whole = training.learning_curves(np.concatenate([[0.0], TAU, [np.inf]]))
    (ax,) = plot_learning_curves(whole, ax=Figure().subplots())
    np.testing.assert_array_equal(lines(ax)["test"].get_xdata(), TAU)
    np.testing.assert_allclose(lines(ax)["test"].get_ydata(), curves.test, rtol=1e-12)


def test_unknown_curves_are_left_out(curves):
    unknown = np.full_like(TAU, np.nan)
    bare = dataclasses.replace(curves, test=unknown, generalization=unknown, score_error=unknown)
    losses, score = plot_learning_curves(bare, None, Figure().subplots(2, 1))
    assert list(lines(losses)) == ["train"]
    assert not lines(score)


def test_losses_far_apart_get_a_logarithmic_axis():
    far = rs.RandomFeatureModel(64, 8, 0.01).learning_curves(np.geomspace(1, 1e7, 30))
    near = rs.RandomFeatureModel(2, 8, 1.0).learning_curves(np.geomspace(0.1, 1e4, 30))
    scales = [
        plot_learning_curves(one, ax=Figure().subplots())[0].get_yscale() for one in (far, near)
    ]
    assert scales == ["log", "linear"]


def test_collapse_scales_time_by_samples_and_losses_by_their_last_value():
    curves = {load: rs.RandomFeatureModel(32, load, 0.1).learning_curves(TAU) for load in (4, 8)}
    left, right = plot_collapse(curves, Figure().subplots(1, 2))
    for load, one in curves.items():
        label = rf"$\psi_n = {load}$"
        np.testing.assert_array_equal(lines(left)[label].get_xdata(), TAU)
        np.testing.assert_array_equal(lines(right)[label].get_xdata(), TAU / load)
        np.testing.assert_array_equal(lines(left)[label].get_ydata(), one.generalization)
        scaled = one.generalization / one.generalization[-1]
        np.testing.assert_array_equal(lines(right)[label].get_ydata(), scaled)
    # Where both are known.
    assert right.get_xlim() == (TAU[0] / 4, TAU[-1] / 8)


def test_directions_have_a_line_for_train_and_for_test():
    model = rs.RandomFeatureModel(16, 4, 0.1, population=rs.PopulationSpectrum([1.0], spikes=[9]))
    curves = model.learning_curves(TAU, directions=[9.0, 1.0])
    ax = plot_directions(curves, [9.0, 1.0], Figure().subplots())
    drawn = [line.get_ydata() for line in ax.get_lines()]
    expected = [curves.test[0], curves.train[0], curves.test[1], curves.train[1]]
    np.testing.assert_array_equal(drawn, expected)
    with pytest.raises(ValueError, match="one row for each of 1 eigenvalues"):
        plot_directions(curves, [9.0])


def test_figures_are_made_where_none_is_given(curves):
    import matplotlib.pyplot as plt

    plt.close("all")
    assert plot_learning_curves(curves).shape == (2,)
    assert plot_collapse({4.0: curves}).shape == (2,)
    model = rs.RandomFeatureModel(16, 4, 0.1)
    plot_directions(model.learning_curves(TAU, directions=[1.0]), [1.0])
    assert len(plt.get_fignums()) == 3
    plt.close("all")


def test_wrong_arguments_are_refused_by_name(training, curves):
    for tau in (1.0, [1.0], [0.0, 1.0], [1.0, np.inf], [2.0, 1.0], [[1.0, 2.0]]):
        with pytest.raises(ValueError, match="curves must be over a row of ascending times"):
            plot_learning_curves(training.learning_curves(tau), ax=Figure().subplots())
    several = training.learning_curves(TAU, directions=[1.0, 2.0])
    with pytest.raises(ValueError, match="one row of values"):
        plot_learning_curves(several, ax=Figure().subplots())
    with pytest.raises(ValueError, match="at least one psi_n"):
        plot_collapse({})
    with pytest.raises(ValueError, match="psi_n"):
        plot_collapse({-1.0: curves})
    with pytest.raises(ValueError, match="two axes"):
        plot_collapse({4.0: curves}, Figure().subplots())


def test_what_is_no_curve_is_refused_by_name(training, curves):
    with pytest.raises(TypeError, match=r"training must be a Training.*RandomFeatureModel"):
        plot_learning_curves(curves, training.model)
    for draw in (plot_learning_curves, lambda value: plot_directions(value, [1.0])):
        with pytest.raises(TypeError, match=r"curves must be LearningCurves.*int"):
            draw(3)
    with pytest.raises(TypeError, match=r"curves must be a mapping of psi_n .*got list$"):
        plot_collapse([curves])
    with pytest.raises(TypeError, match=r"curves of psi_n = 4 must be LearningCurves.*int"):
        plot_collapse({4.0: 3})
