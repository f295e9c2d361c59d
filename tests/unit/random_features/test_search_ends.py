"""Searches report the ends of their ranges as ends, not as the first or last point of a grid."""

from __future__ import annotations

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.solve.search import crossings, log_grid, smallest


def test_window_opens_at_zero_where_the_score_is_good_enough_untrained() -> None:
    model = rs.RandomFeatureModel(0.7304, 0.9668, 0.00201, "centred_relu")
    training = model.training(ridge=5.4e-4)
    window, best = training.window(excess=1.0), training.best_stopping()
    assert float(training.learning_curves(0.0).score_error) <= 2.0 * best.score_error
    assert window.tau_gen_curve == 0.0


def test_window_never_opens_between_zero_and_the_first_time_of_the_search() -> None:
    """Below the first time nothing has moved: an answer there is the grid, not the curve."""
    rng = np.random.default_rng(7)
    for _ in range(20):
        psi_p, psi_n = np.exp(rng.uniform(-1.0, 2.0, 2))
        model = rs.RandomFeatureModel(psi_p, psi_n, np.exp(rng.uniform(-6.0, 0.0)), "tanh")
        training = model.training(ridge=np.exp(rng.uniform(-8.0, 0.0)))
        excess = float(np.exp(rng.uniform(-2.0, 1.0)))
        at = training.window(excess=excess).tau_gen_curve
        goal = (1.0 + excess) * training.best_stopping().score_error
        error = training.learning_curves(np.array([0.0, 0.999 * at])).score_error
        assert (error[0] <= goal) == (at == 0.0)
        assert at == 0.0 or error[1] > goal


@pytest.mark.parametrize("place", [1e-9, 1e-4, 3.0])
def test_a_minimum_below_the_grid_is_found(place: float) -> None:
    grid = log_grid(1.0, 1e6)
    assert smallest(lambda x: np.log(x / place) ** 2, grid) == pytest.approx(place, rel=1e-6)


def test_what_only_rises_is_smallest_at_zero() -> None:
    assert smallest(lambda x: x, log_grid(1.0, 1e6)) < 1e-30


def test_memorisation_boundary_at_the_ends_of_its_range() -> None:
    training = rs.RandomFeatureModel(4.0, 2.0, 0.05).training()
    assert training.memorisation_boundary(np.inf, gap=1e-12) == np.inf
    assert np.isnan(training.memorisation_boundary(np.inf, gap=1e6))
    # A boundary in the lowest stretch, which a factor of 2 from above would jump over.
    small = rs.RandomFeatureModel(4.0, 1.1e-3, 0.05).training()
    gap = float(small.learning_curves(np.inf).generalization)
    found = training.memorisation_boundary(np.inf, gap=gap)
    assert found >= 1.1e-3 * (1.0 - 1e-8)
    there = rs.RandomFeatureModel(4.0, found, 0.05).training().learning_curves(np.inf)
    assert float(there.generalization) == pytest.approx(gap, rel=1e-7)


def test_the_window_by_loss_holds_the_test_loss_within_a_share_of_its_gain():
    training = rs.RandomFeatureModel(8.0, 4.0, 0.1).training()
    best, window = training.best_stopping(), training.window(share=0.1)
    start = float(training.learning_curves(0.0).test)
    level = best.test + 0.1 * (start - best.test)
    ends = training.learning_curves([window.tau_gen_loss, window.tau_mem_loss]).test
    # The slope of the loss turns the 1e-8 of a decade of the search into less than this.
    np.testing.assert_allclose(ends, level, rtol=1e-6)
    inside = np.geomspace(window.tau_gen_loss, window.tau_mem_loss, 50)[1:-1]
    assert np.all(training.learning_curves(inside).test < level)


def test_the_window_by_loss_never_ends_where_the_loss_stays_low():
    training = rs.RandomFeatureModel(8.0, 8.0, 0.1).training(ridge=1.0)
    assert training.window().tau_mem_loss == np.inf


def test_flatness_says_how_far_a_miss_of_the_late_loss_moves_the_end_of_the_window() -> None:
    """The same window on a curve whose rise after the minimum is larger by a share of its end."""
    training = rs.RandomFeatureModel(8.0, 4.0, 0.1).training()
    window, best = training.window(), training.best_stopping()
    late = float(training.learning_curves(np.inf).test)
    level = best.test + 0.05 * (1.0 - best.test)
    assert window.flatness == pytest.approx(late / (late - level), rel=1e-9)
    tau = np.geomspace(best.tau, 100.0 * window.tau_mem_loss, 20_000)
    rise = training.learning_curves(tau).test - best.test
    larger = best.test + rise * (1.0 + 0.01 * late / (late - best.test))
    moved = tau[np.argmax(larger > level)] / window.tau_mem_loss - 1.0
    # an order of magnitude, and never much more: the loss approaches its end slowly
    assert -1.5 < moved / (0.01 * window.flatness) < -0.2


def test_there_is_no_window_by_loss_where_training_only_harms():
    training = rs.RandomFeatureModel(8.0, 4.0, 0.1, (0.0, 0.0, 1.0)).training()  # sees no signal
    assert training.best_stopping().tau == 0.0
    window = training.window()
    assert (window.tau_gen_loss, window.tau_mem_loss) == (0.0, 0.0)


def test_crossings_of_several_functions_are_found_at_once_from_the_side_where_they_hold() -> None:
    places = np.array([2.0, 3.0, 5.0, 7.0])
    ends = np.array([[1.0, 8.0]] * 4)

    def above(x: np.ndarray) -> np.ndarray:
        steep, flat, step, wave = np.log(x / places)
        return np.array([np.expm1(9.0 * steep), flat**3, np.sign(step), np.tanh(1e6 * wave)])

    values = np.array([above(np.full(4, end)) for end in (1.0, 8.0)]).T
    found = crossings(above, ends, values)
    assert np.all(above(found) >= 0.0)
    # The cube is 0 to rounding in a third root of the tolerance of its argument, and exact there.
    assert found == pytest.approx(places, rel=2e-9)
