"""What is read off the learning curves, and what the training rules do to them."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.integrate import simpson

import rmtspec as rs
from rmtspec.ensembles.two_point import Points
from rmtspec.random_features.losses import curves as learning_curves

TWO = rs.PopulationSpectrum([0.5, 1.5])
MODEL = rs.RandomFeatureModel(8.0, 4.0, 0.1, "erf", TWO)


def _from_data(n: int, d: int, rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    scale = np.sqrt(np.linspace(0.2, 1.8, d))
    return scale * rng.normal(size=(n, d)), scale * rng.normal(size=(rows, d))


def test_published_end_values_are_reached() -> None:
    # Simulated gradient flow at d = 150 gives 0.598 and 1.238 (within 0.001).
    end = MODEL.learning_curves(np.inf)
    assert float(end.train) == pytest.approx(0.5978, abs=5e-5)
    assert float(end.test) == pytest.approx(1.2376, abs=5e-5)


def test_empty_and_scalar_times_keep_their_shape() -> None:
    assert MODEL.learning_curves([]).train.shape == (0,)
    assert MODEL.learning_curves(3).test.shape == ()
    assert MODEL.learning_curves([[1, 2]]).error.shape == (1, 2)
    assert MODEL.learning_curves([1.0, 2.0], directions=[]).train.shape == (0, 2)
    assert MODEL.learning_curves([1.0, 2.0], directions=[0.5, 1.5, 3.0]).test.shape == (3, 2)


def test_best_stopping_is_a_minimum_of_test_loss_and_score_error() -> None:
    best = MODEL.training().best_stopping()
    around = MODEL.learning_curves(best.tau * np.geomspace(0.01, 100.0, 201))
    assert best.test <= around.test.min() + 1e-14
    assert best.score_error <= around.score_error.min() + 1e-13
    assert best.generalization == pytest.approx(best.test - best.train, abs=1e-14)


def test_plentiful_data_and_few_features_need_no_early_stopping() -> None:
    best = rs.RandomFeatureModel(0.5, 1e6, 0.5, "erf").training().best_stopping()
    assert best.tau == np.inf


def test_features_that_see_no_input_are_never_worth_training() -> None:
    blind = rs.RandomFeatureModel(2.0, 2.0, 0.1, "hermite0").training()
    assert blind.best_stopping().train == blind.best_stopping().test == 1.0
    assert np.isnan(blind.window().tau_mem_curve)


def test_window_points_are_where_the_curves_cross_the_levels() -> None:
    training = MODEL.training()
    window, best = training.window(excess=0.2, fraction=0.3), training.best_stopping()
    at = training.learning_curves([window.tau_gen_curve, window.tau_mem_curve, np.inf])
    assert at.score_error[0] == pytest.approx(1.2 * best.score_error, rel=1e-7)
    assert at.generalization[1] == pytest.approx(0.3 * at.generalization[2], rel=1e-7)
    assert window.tau_gen_curve < best.tau < window.tau_mem_curve
    assert window.tau_gen == MODEL.timescales().tau_gen


def test_window_under_descent_is_made_of_whole_steps() -> None:
    training = rs.RandomFeatureModel(64, 8, 0.01).training(step=0.1, momentum=0.99)
    window, best = training.window(), training.best_stopping()
    for tau in (window.tau_gen_curve, window.tau_mem_curve, best.tau):
        assert tau == 0.1 * np.rint(tau / 0.1)
    # The score error stays within a tenth of its least value for a few steps only.
    assert window.tau_gen_curve <= best.tau < window.tau_gen_curve + 1.0


def test_spectral_times_count_ridge_and_momentum_in() -> None:
    plain, times = (
        MODEL.timescales(),
        MODEL.training(step=0.1, momentum=0.9, ridge=0.5).timescales(),
    )
    assert times.tau_gen == pytest.approx(0.1 / (1.0 / plain.tau_gen + 0.5 * MODEL.delta / 8.0))
    assert MODEL.training().timescales() == plain


def test_memorisation_is_sought_after_the_best_time_to_stop() -> None:
    # A large random start overshoots: its transient is not memorisation.
    training = MODEL.training(initial=100.0)
    window = training.window()
    assert window.tau_mem_curve >= training.best_stopping().tau


def test_bulk_that_reaches_below_the_digits_of_its_floor_keeps_its_share() -> None:
    training = rs.RandomFeatureModel(1.0, 1e6, 6.0).training()
    end = float(training.learning_curves(np.inf).train)
    assert training.bulk_shares().sum() == pytest.approx(1.0 - end, rel=1e-9)


def test_step_that_is_unstable_elsewhere_is_refused_with_the_place() -> None:
    model = rs.RandomFeatureModel(4.0, 2.0, 0.1)
    training = model.training(step=0.9 * model.training().stability_limit)
    with pytest.raises(ValueError, match=r"stability limit .* \(at t = "):
        training.kl_bound(10.0)
    with pytest.raises(ValueError, match=r"stability limit .* \(at psi_n = "):
        training.memorisation_boundary(100.0, gap=1.0)


def test_bulks_share_the_whole_decrease_of_the_train_loss() -> None:
    for ridge in (0.0, 0.05):
        training = MODEL.training(ridge=ridge)
        shares = training.bulk_shares()
        assert shares.shape == MODEL.spectrum().masses.shape
        assert np.all(shares > 0.0)
        end = float(training.learning_curves(np.inf).train)
        assert shares.sum() == pytest.approx(1.0 - end, rel=1e-11)


def test_points_of_many_bulks_see_few_of_many_directions_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    directions, seen = 3000, []
    whole = Points.along

    def along(points: Points, *rest: Any) -> Any:
        found = whole(points, *rest)
        seen.append(found.size)
        return found

    population = rs.PopulationSpectrum.power_law(1.0, directions)
    for prediction in (None, rs.Prediction.velocity()):
        model = rs.RandomFeatureModel(16.0, 4.0, rs.NoiseLevel.flow(0.4), population=population)
        training = model.training(prediction=prediction)
        last = training.learning_curves(np.array([0.0, np.inf])).train
        assert len(model.spectrum().masses) > 50
        with monkeypatch.context() as patch:
            patch.setattr(Points, "along", along)
            shares = training.bulk_shares()
        # 5 million entries for all nodes of all bulks and all directions
        assert max(seen) < 64 * directions
        assert shares.sum() == pytest.approx(last[0] - last[1], rel=1e-9)


def test_generalisation_loss_at_the_boundary_is_the_gap() -> None:
    for tau in (1e2, 1e4, np.inf):
        boundary = MODEL.training().memorisation_boundary(tau, gap=0.05)
        at = replace(MODEL, psi_n=boundary).learning_curves(tau)
        assert float(at.generalization) == pytest.approx(0.05, rel=1e-7)
    assert np.isnan(MODEL.training().memorisation_boundary(1e-3))


def test_descent_at_the_stability_limit_is_refused_and_stable_just_below() -> None:
    for momentum in (0.0, 0.5):
        limit = (1.0 + momentum) * MODEL.training().stability_limit
        top = float(MODEL.spectrum().support[-1, 1])
        assert limit == pytest.approx((1.0 + momentum) * 8.0 / (MODEL.delta * top), rel=1e-12)
        with pytest.raises(ValueError, match="step must be below the stability limit"):
            MODEL.training(step=limit, momentum=momentum)
        below = MODEL.training(step=0.999 * limit, momentum=momentum)
        end = below.learning_curves([1e9, np.inf])
        assert end.test[0] == pytest.approx(end.test[1], abs=2.0 * end.error.max())


def test_contour_of_a_spectrum_from_zero_stays_where_descent_is_stable() -> None:
    # A hard edge at 0: the contour starts below 0 by a part of 1/tau, here as long as the spectrum.
    model = rs.RandomFeatureModel(1.0, 1.0, 1.0, "linear")
    step = 0.75 * model.training().stability_limit
    curves = model.training(step=step).learning_curves([step, 2.0 * step])
    assert curves.converged
    slope = -4.0 * model.delta * model.coefficients.b**2
    # One step: L − 1 = slope·step + quadratic term, which lies between 0 and |slope|·step.
    assert 1.0 + slope * step < curves.train[0] < 1.0


def test_momentum_speeds_slow_modes_up_by_one_over_one_minus_beta() -> None:
    tau = np.array([10.0, 100.0, 1000.0])
    fast = MODEL.training(step=1e-3, momentum=0.5).learning_curves(tau)
    flow = MODEL.learning_curves(2.0 * tau)
    # Corrections: the modes move on by a step less, a relative 2e-4 of a time-derivative below 1.
    np.testing.assert_allclose(fast.test, flow.test, rtol=0, atol=2e-4)


def test_momentum_too_close_to_one_is_refused_before_any_work() -> None:
    with pytest.raises(ValueError, match="momentum must be farther below 1"):
        MODEL.training(step=1.0, momentum=0.9999)


@pytest.mark.filterwarnings("ignore:.* rows of test are rows of x too:rmtspec.DataWarning")
def test_given_data_with_themselves_as_held_out_rows_test_their_own_covariance() -> None:
    x, _ = _from_data(120, 40, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rs.FewDimensionsWarning)
        model = rs.RandomFeatureModel.from_data(x, 3.0, 0.3, test=x)
    assert model.held_out is not None
    np.testing.assert_allclose(
        model.held_out.overlaps @ model.held_out.eigenvalues,
        model.population.eigenvalues,
        atol=1e-12,
    )
    np.testing.assert_allclose(model.held_out.overlaps.sum(1), 1.0, rtol=1e-12)


def test_given_data_follow_the_average_theory_when_they_are_many() -> None:
    x, fresh = _from_data(1500, 100, 2000)
    model = rs.RandomFeatureModel.from_data(x, 2.0, 0.3, test=fresh, kernel="gaussian")
    population = rs.PopulationSpectrum(np.linspace(0.2, 1.8, 100))
    averaged = rs.RandomFeatureModel(2.0, 15.0, 0.3, population=population)
    tau = np.append(np.geomspace(0.1, 1e4, 12), np.inf)
    given, mean = model.learning_curves(tau), averaged.learning_curves(tau)
    # Fluctuations of a mean over directions are 1/d; the trace of 1500 samples spreads by 0.4 %.
    np.testing.assert_allclose(given.train, mean.train, atol=5e-3)
    np.testing.assert_allclose(given.test, mean.test, atol=5e-3)


@pytest.mark.filterwarnings("ignore::rmtspec.FewDimensionsWarning")
def test_given_data_without_held_out_rows_have_a_train_loss_only() -> None:
    x, fresh = _from_data(60, 40, 50)
    model = rs.RandomFeatureModel.from_data(x, 3.0, 0.3)
    with pytest.warns(UserWarning, match="pass held-out rows"):
        curves = model.learning_curves([1.0, np.inf])
    assert np.all(np.isnan([curves.test, curves.score_error, curves.generalization]))
    whole = rs.RandomFeatureModel.from_data(x, 3.0, 0.3, test=fresh).learning_curves([1.0, np.inf])
    np.testing.assert_array_equal(curves.train, whole.train)
    with pytest.warns(UserWarning, match="pass held-out rows"):
        along = model.learning_curves(np.inf, directions=model.population.eigenvalues)
    assert model.population.weights @ along.train == pytest.approx(float(whole.train[1]))
    with pytest.raises(ValueError, match="held-out rows"):
        model.training().best_stopping()


@pytest.mark.filterwarnings("ignore::rmtspec.FewDimensionsWarning")
def test_directions_of_given_data_are_their_eigenvalues() -> None:
    x, fresh = _from_data(30, 40, 200)
    model = rs.RandomFeatureModel.from_data(x, 3.0, 0.3, test=fresh)
    levels, weights = model.population.eigenvalues, model.population.weights
    tau = [0.5, 30.0, np.inf]
    apart, whole = model.learning_curves(tau, directions=levels), model.learning_curves(tau)
    for name in ("train", "test", "score_error"):
        np.testing.assert_allclose(weights @ getattr(apart, name), getattr(whole, name), rtol=1e-12)
    with pytest.raises(ValueError, match="directions must be eigenvalues of the data"):
        model.learning_curves(tau, directions=[0.37 * levels[-1]])


@pytest.mark.parametrize("test", [np.zeros((3, 7)), np.zeros(40), [[np.nan] * 40], "rows"])
def test_held_out_rows_of_another_shape_are_refused(test: object) -> None:
    x, _ = _from_data(60, 40, 2)
    with pytest.raises((ValueError, TypeError), match="test"):
        rs.RandomFeatureModel.from_data(x, 3.0, 0.3, test=test)  # type: ignore[arg-type]


def test_outlier_of_a_spike_relaxes_alone() -> None:
    model = rs.RandomFeatureModel(8.0, 4.0, 0.01, population=rs.PopulationSpectrum(1.0, spikes=5.0))
    found = model.outliers()
    assert found.tau[0] == pytest.approx(8.0 / (model.delta * found.location[0]))
    assert found.slow_tau[0] > model.timescales().tau_slow  # it lies below the slow bulk's edge
    along = model.learning_curves(np.inf, directions=[5.0])
    released = 1.0 - float(along.train[0])
    assert 0.0 < found.decrease[0] + found.slow_decrease[0] < released


def test_direction_of_a_spike_without_outlier_has_no_isolated_mode() -> None:
    threshold = float(
        rs.RandomFeatureModel(8.0, 4.0, 0.01, population=rs.PopulationSpectrum(1.0, spikes=1.2))
        .outliers()
        .threshold[0]
    )
    # The curve itself is analytic in l: nothing happens to it where the outlier leaves the bulk.
    levels = threshold * (1.0 + 0.02 * np.arange(-2, 3))
    curves = [
        rs.RandomFeatureModel(
            8.0, 4.0, 0.01, population=rs.PopulationSpectrum(1.0, spikes=level)
        ).learning_curves([30.0, 1e3, 1e5], directions=[level])
        for level in levels
    ]
    test = np.array([curve.test[:, :][0] for curve in curves])
    third = test[4] - 2.0 * test[3] + 2.0 * test[1] - test[0]
    fourth = test[4] - 4.0 * test[3] + 6.0 * test[2] - 4.0 * test[1] + test[0]
    first = np.abs(test[3] - test[1])
    assert np.all(np.abs(third) < 0.02 * first)  # differences fall like powers of 0.02
    assert np.all(np.abs(fourth) < 0.005 * first)


def test_score_error_bounds_the_divergence_only_with_the_whole_integral() -> None:
    # Score −(1 + ε)x for N(0, 1): the backward variance obeys w' = 2 − 2(1 + 2ε)w, w(0) = 1.
    epsilon, time = 1e-3, 0.5
    end = 1.0 / (1.0 + 2.0 * epsilon)
    w = end + (1.0 - end) * np.exp(-2.0 * time / end)
    divergence = 0.5 * (1.0 / w - 1.0 + np.log(w))
    integral = epsilon**2 * time
    assert 0.5 * integral < divergence < integral


def test_kl_bound_adds_up_over_times_and_ends_at_perfect_scores() -> None:
    training = rs.RandomFeatureModel(4.0, 1e9, 1.0, "linear").training()
    perfect = training.kl_bound(np.inf, t_min=0.1, t_max=3.0)
    assert float(perfect.integral) == pytest.approx(0.0, abs=1e-7)  # linear score, infinite data
    assert perfect.start == 0.0
    wide = MODEL.training()
    tau = [10.0, 1e3]
    parts = [wide.kl_bound(tau, t_min=a, t_max=b) for a, b in ((0.01, 0.2), (0.2, 3.0))]
    whole = wide.kl_bound(tau, t_min=0.01, t_max=3.0)
    np.testing.assert_allclose(whole.integral, sum(p.integral for p in parts), rtol=2e-6)
    left = np.exp(-6.0) * np.array([-0.5, 0.5])
    assert whole.start == pytest.approx(0.25 * np.sum(left - np.log1p(left)), rel=1e-12)


def test_kl_bound_is_the_integral_of_the_score_error_over_t() -> None:
    t = np.geomspace(0.02, 2.0, 41)
    errors = [float(replace(MODEL, t=at).learning_curves(30.0).score_error) for at in t]
    whole = MODEL.training().kl_bound(30.0, t_min=0.02, t_max=2.0)
    # Simpson's rule in log t on 41 points: its error is far below that of any other weight.
    assert float(whole.integral) == pytest.approx(simpson(t * errors, x=np.log(t)), rel=1e-4)
    assert float(whole.bound) == float(whole.integral) + whole.start


def test_error_tells_of_a_contour_that_is_too_coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    tau = np.geomspace(0.1, 1e6, 15)
    exact = MODEL.learning_curves(tau)
    monkeypatch.setattr(learning_curves, "DIGITS", 3.0)
    rough = replace(MODEL).learning_curves(tau)
    assert np.all(np.abs(rough.test - exact.test) <= rough.error)
    assert np.all(np.abs(rough.train - exact.train) <= rough.error)
    assert 1e-6 < rough.error.max() < 1e-1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"step": -1.0}, "step"),
        ({"step": np.nan}, "step"),
        ({"momentum": 1.0, "step": 0.1}, "momentum"),
        ({"momentum": 0.5}, "momentum needs step > 0"),
        ({"ridge": -1e-3}, "ridge"),
        ({"initial": "1"}, "initial"),
    ],
)
def test_training_rule_out_of_range_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        MODEL.training(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.learning_curves(-1.0), "tau"),
        (lambda m: m.learning_curves([1.0, np.nan]), "tau"),
        (lambda m: m.learning_curves(1.0, directions=2.0), "directions must be a vector"),
        (lambda m: m.learning_curves(1.0, directions=[-2.0]), "directions"),
        (lambda m: m.training().window(excess=0.0), "excess"),
        (lambda m: m.training().window(fraction=1.0), "fraction"),
        (lambda m: m.training().memorisation_boundary([1.0, 2.0]), "tau must be a number > 0"),
        (lambda m: m.training().memorisation_boundary(1.0, gap=-0.1), "gap"),
        (lambda m: m.training().kl_bound(1.0, t_min=2.0, t_max=1.0), "t_min must be below t_max"),
        (lambda m: m.training().kl_bound(1.0, t_min=0.0), "t_min"),
    ],
)
def test_question_out_of_range_is_refused(call: object, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        call(MODEL)  # type: ignore[operator]
