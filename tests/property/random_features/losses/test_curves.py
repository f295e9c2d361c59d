"""Learning curves over random models: exact identities, monotonicity, limits and exponents.

The time unit is that of arXiv 2505.17638: a mode λ decays as exp(-ω λ τ), ω = 2 Δ_t/ψ_p.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

import rmtspec as rs
from rmtspec.ensembles.two_point import Points, Source
from rmtspec.inputs.held_out import HeldOut
from rmtspec.random_features.losses import curves as contours
from rmtspec.testing import invariants
from rmtspec.testing.moments import gram_moments
from rmtspec.testing.strategies import loads, populations, powers_of_ten, random_feature_models

EPS = float(np.finfo(float).eps)
few = settings(max_examples=2 * settings.default.max_examples // 5)


@st.composite
def learners(draw, activations=("tanh", "erf", "sign", "relu", "linear"), zeros=True):
    """Models over four decades of diffusion time, at which training has something to learn."""
    psi_p, psi_n = draw(loads())
    t, activation = draw(powers_of_ten(-3.0, 0.5)), draw(st.sampled_from(activations))
    few_atoms = populations(atoms=st.integers(1, 3), zeros=None if zeros else st.just(False))
    return rs.RandomFeatureModel(psi_p, psi_n, t, activation, draw(few_atoms))


@st.composite
def polynomials(draw):
    """Models whose activation is a sum of Hermite polynomials up to the third."""
    psi_p, psi_n = draw(loads())
    coefficients = (0.0, draw(st.floats(0.5, 2.0)), draw(st.floats(-1.0, 1.0)), 0.25)
    return rs.RandomFeatureModel(psi_p, psi_n, draw(powers_of_ten(-2.0, 0.5)), coefficients)


def rate(model):
    """ω."""
    return 2.0 * model.delta / model.psi_p


def covering(model, count=12):
    """0, times from well before the fastest mode to well after the slowest, and infinity."""
    low, high = model.training()._curves.ends
    slow = max(low, 1e-12 * high)
    return np.concatenate(
        [[0.0], np.geomspace(1e-3 / high, 30.0 / slow, count) / rate(model), [np.inf]]
    )


def scale(curves):
    """Largest loss: what rounding is relative to."""
    return float(np.max(curves.test))


def slope(x, y):
    """Exponent of a power law through the points."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


@few
@given(random_feature_models())
@example(rs.RandomFeatureModel(1.0, 1.0, 1.0, "linear"))  # the spectrum begins at 0
def test_losses_begin_at_one_and_the_score_error_at_the_score_itself(model):
    curves = model.learning_curves([0.0])
    assert curves.train[0] == curves.test[0] == 1.0
    assert curves.generalization[0] == 0.0
    eigenvalues, weights = model.population.eigenvalues, model.population.weights
    start = weights @ (1.0 / (np.exp(-2.0 * model.t) * eigenvalues + model.delta))
    assert curves.score_error[0] == pytest.approx(start, rel=4 * EPS)


@few
@given(learners())
def test_losses_begin_as_exact_moments_say_and_the_train_loss_decays_as_exponentials_do(model):
    tau = covering(model)
    curves = model.learning_curves(tau)
    assert curves.converged
    slack = float(curves.error.max()) + 8 * EPS * scale(curves)
    invariants.check_learning_curves(lambda _: curves, model, tau, atol=slack, raise_=True)


@few
@given(learners(), powers_of_ten(-1.0, 1.0), st.floats(0.0, 1.0))
def test_train_loss_is_completely_monotone(model, unit, where):
    # A mixture of exponentials: (-1)^k times every k-th difference is positive.
    low, high = model.training()._curves.ends
    middle = high ** (1.0 - where) * max(low, 1e-9 * high) ** where
    tau = unit / (rate(model) * middle) * np.arange(8)
    curves = model.learning_curves(np.append(tau, np.inf))
    slack = float(curves.error.max()) + EPS
    invariants.check_curve(curves.train, curves.tau, atol=slack, raise_=True)


@few
@given(
    learners(), st.sampled_from([None, "noise", "v"]), st.sampled_from([0.0, 1.0]), st.booleans()
)
def test_a_contour_of_ten_more_digits_lies_within_the_bound(model, prediction, initial, alone):
    # Where the contour is asked for a single time, no other time tells how good it is.
    training = model.training(prediction=prediction, initial=initial)
    tau = covering(model)[5:6] if alone else covering(model)
    curves = training.learning_curves(tau)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contours, "DIGITS", contours.DIGITS + 10.0)
        fine = replace(training).learning_curves(tau)
    for name in ("train", "test"):
        assert np.all(abs(getattr(curves, name) - getattr(fine, name)) <= curves.error)


@few
@given(learners())
def test_test_loss_is_the_score_error_up_to_the_unlearnable_noise(model):
    tau = covering(model)
    eigenvalues, weights = model.population.eigenvalues, model.population.weights
    precision = 1.0 / (np.exp(-2.0 * model.t) * eigenvalues + model.delta)
    whole, along = model.learning_curves(tau), model.learning_curves(tau, directions=eigenvalues)
    for curves, least in ((whole, weights @ precision), (along, precision[:, None])):
        # The score error is a mean square, the test loss exceeds what no network can learn.
        slack = curves.error + 4 * EPS
        assert np.all(curves.score_error >= -slack / model.delta)
        expected = model.delta * curves.score_error + 1.0 - model.delta * least
        # Both sums round where their terms are large: Δ/Σ_t is at most 1.
        assert np.all(abs(curves.test - expected) <= 8 * EPS * (1.0 + abs(curves.test)))
        assert np.all(curves.test >= 1.0 - model.delta * least - slack)


@few
@given(learners())
def test_curves_of_all_directions_average_to_the_whole(model):
    tau = covering(model)
    population = model.population
    whole = model.learning_curves(tau)
    along = model.learning_curves(tau, directions=population.eigenvalues)
    for name in ("train", "test", "generalization", "score_error"):
        unit = 1.0 / model.delta if name == "score_error" else 1.0
        mean = population.weights @ getattr(along, name)
        bound = whole.error + population.weights @ along.error
        assert np.all(abs(mean - getattr(whole, name)) <= unit * (bound + 8 * EPS * scale(whole)))


@few
@given(learners())
def test_no_stopping_time_beats_infinite_data_and_no_fit_is_worse_on_its_own(model):
    many = rs.RandomFeatureModel(
        model.psi_p, 1e9, model.t, model.activation, model.population
    ).learning_curves(np.inf)
    curves = model.learning_curves(covering(model))
    # The best linear readout of the same features; at 1e9 samples per dimension it is reached to
    # the relative accuracy ψ_p/ψ_n.
    slack = float(many.error) + curves.error + 1e-7 * abs(1.0 - float(many.test))
    assert np.all(curves.test >= many.test - slack)
    assert curves.train[-1] <= many.test + slack[-1]


@few
@given(learners())
def test_short_times_obey_the_alternating_series_of_exact_moments(model):
    # x - x²/2 <= 1 - exp(-x) <= x under the mixture, of mass ψ_p and first moment m_1: at τ -> 0
    # dL/dτ = -4 Δ b², d²L/dτ² = 4 b² ω² m_1 for either loss, whatever the spectrum.
    at, psi_p, omega = model.coefficients, model.psi_p, rate(model)
    b2 = at.b**2
    first = psi_p * (at.v**2 + at.s**2 + (1.0 + psi_p) * (b2 + at.c**2 * model.population.mean))
    top = model.training()._curves.ends[1]
    tau = np.array([1e-3, 1e-2, 0.1, 1.0]) / (omega * top)
    curves = model.learning_curves(tau)
    linear = 1.0 - 4.0 * model.delta * b2 * tau
    quadratic = linear + 2.0 * b2 * (omega * tau) ** 2 * first
    cubic = b2 * psi_p * (4.0 / 3.0) * top**2 * (omega * tau) ** 3
    slack = curves.error + 2 * EPS
    assert np.all(curves.train >= linear - slack)
    assert np.all(curves.train <= quadratic + slack)
    assert np.all(curves.train >= quadratic - cubic - slack)
    # Under the double contour the third order is bounded through the norms of U and Ũ.
    norm = max(top, float(many_data_top(model)))
    assert np.all(abs(curves.test - quadratic) <= 3.0 * (norm / top) ** 2 * cubic + slack)


def many_data_top(model):
    """Largest eigenvalue of Ũ."""
    fresh = rs.RandomFeatureModel(model.psi_p, 1e9, model.t, model.activation, model.population)
    return fresh.training()._curves.ends[1]


def test_generalisation_loss_begins_with_the_third_power_of_time():
    # To second order A does not know its samples apart from their mean.
    model = rs.RandomFeatureModel(8.0, 4.0, 0.1, "erf", rs.PopulationSpectrum([0.5, 1.5]))
    tau = np.array([0.02, 0.04])
    gap = model.learning_curves(tau).generalization
    assert np.all(gap > 0.0)
    # The next order is ωλτ/… of it, with ω λ_max τ = 0.02.
    assert slope(tau, gap) == pytest.approx(3.0, abs=0.05)


@pytest.mark.parametrize("tau", [10.0, 1e3, np.inf])
@pytest.mark.parametrize("psi_p", [0.5, 4.0])
def test_generalisation_loss_falls_like_one_over_the_number_of_samples(psi_p, tau):
    population = rs.PopulationSpectrum([0.5, 1.5])
    psi_n = np.geomspace(1e4, 1e6, 3)
    gap = [
        float(
            rs.RandomFeatureModel(psi_p, n, 0.1, "tanh", population)
            .learning_curves(tau)
            .generalization
        )
        for n in psi_n
    ]
    # Corrections are of relative size ψ_p/ψ_n <= 4e-4.
    assert slope(psi_n, gap) == pytest.approx(-1.0, abs=1e-3)


@few
@given(learners(), st.floats(0.1, 3.0), st.floats(-1.0, 2.0), st.floats(0.1, 3.0))
def test_two_resolvents_around_the_identity_are_the_divided_difference(model, angle, shift, ratio):
    top = model.training()._curves.ends[1]
    z = top * np.array([shift + 1j * angle, ratio - 1j * angle])
    found = model.resolvent(np.array([z[0], np.conj(z[1])]))
    k = np.array([found.k[0], np.conj(found.k[1])])
    y = np.array([found.y[0], np.conj(found.y[1])])
    one, two = (Points(k[i : i + 1], y[i : i + 1]) for i in (0, 1))
    fresh = model.training()._curves.fresh
    response = model.ensemble.equations.respond(
        one, two, Source(1.0, 0.0, 0.0, np.zeros_like(fresh.variance))
    )
    difference = z[0] - z[1]
    tolerance = 16 * EPS * (1.0 + float(response.loss[0, 0]))
    for mine, values in ((response.k, k), (response.y, y)):
        expected = -(values[0] - values[1]) / difference
        spread = np.abs(values).max() / abs(difference)
        assert abs(mine[0, 0] - expected) <= tolerance * max(spread, abs(expected))


@few
@given(learners(zeros=False))
def test_a_vanishing_ridge_and_an_endless_time_commute(model):
    end = model.learning_curves(np.inf)
    low, high = model.training()._curves.ends
    assume(low > 1e-9 * high)
    late = model.learning_curves(40.0 / (rate(model) * low))
    slack = late.error + end.error + 4 * EPS
    # exp(-40) of the slowest mode is 4e-18.
    assert abs(late.train - end.train) <= slack
    assert abs(late.test - end.test) <= slack + 1e-15 * scale(end)
    for share in (1e-3, 1e-6):
        held = model.training(ridge=share * low).learning_curves(np.inf)
        noise = float(held.error + end.error) + 4 * EPS
        # The ridge γ takes at most the share γ/λ from each mode: the train loss is at its minimum
        # and rises by b² ∫ μ γ²/(λ (λ + γ)²), the test loss changes to first order.
        risen = float(held.train - end.train)
        assert -noise <= risen <= share**2 * (1.0 - float(end.train)) + noise
        assert abs(float(held.test - end.test)) <= 4.0 * share * (scale(end) + 2.0) + noise


@few
@given(learners())
def test_a_ridge_never_helps_the_train_loss_in_the_end(model):
    high = model.training()._curves.ends[1]
    ridges = high * np.array([0.0, 1e-6, 1e-3, 1.0])
    ends = [model.training(ridge=r).learning_curves(np.inf) for r in ridges]
    slack = sum(float(end.error) for end in ends) + 4 * EPS
    assert np.all(np.diff([float(end.train) for end in ends]) >= -slack)


@given(st.sampled_from([0.2, 0.5]), st.sampled_from(["tanh", "relu", "linear"]))
@settings(max_examples=6)
def test_short_steps_are_gradient_flow_to_first_order(share, activation):
    model = rs.RandomFeatureModel(2.0, 3.0, 0.3, activation, rs.PopulationSpectrum([0.5, 1.5]))
    tau = share * model.training().stability_limit * np.array([4.0, 64.0])
    flow = model.learning_curves(tau)
    away = []
    for parts in (256, 512):
        steps = model.training(step=tau[0] / parts).learning_curves(tau)
        assert np.array_equal(steps.tau, tau)
        away.append(np.array([steps.train - flow.train, steps.test - flow.test]))
    # Halving the step halves the deviation, to relative order step·rate = 2e-2.
    assert away[0] / away[1] == pytest.approx(2.0, abs=0.02)


@few
@given(learners(), st.floats(0.05, 0.95), st.sampled_from([0.0, 0.3, 0.9]))
def test_one_and_two_steps_are_polynomials_in_exact_moments(model, share, momentum):
    limit = model.training().stability_limit
    step = share * limit
    training = model.training(step=step, momentum=momentum)
    at, psi_p = model.coefficients, model.psi_p
    eta = rate(model) * step
    # Mass and first moment of μ; e_1 = 1 - ηλ, whatever the momentum, from rest.
    first = psi_p * (
        at.v**2 + at.s**2 + (1.0 + psi_p) * (at.b**2 + at.c**2 * model.population.mean)
    )
    expected = 1.0 - at.b**2 * (2.0 * eta * psi_p - eta**2 * first)
    curves = training.learning_curves(np.array([0.0, step]))
    slack = curves.error[1] + 8 * EPS * (1.0 + at.b**2 * (2.0 * eta * psi_p + eta**2 * first))
    assert curves.train[0] == 1.0
    assert abs(curves.train[1] - expected) <= slack
    assert abs(curves.test[1] - expected) <= slack


def test_no_momentum_and_hardly_any_are_the_same_descent():
    model = rs.RandomFeatureModel(2.0, 3.0, 0.3, "tanh", rs.PopulationSpectrum([0.5, 1.5]))
    step = 0.25 * model.training().stability_limit
    tau = step * np.array([0, 1, 2, 10, 1000, np.inf])
    plain = model.training(step=step).learning_curves(tau)
    away = []
    for momentum in (1e-3, 1e-4):
        heavy = model.training(step=step, momentum=momentum).learning_curves(tau)
        away.append(np.max(abs(heavy.test - plain.test)))
    assert away[0] / away[1] == pytest.approx(10.0, rel=0.01)
    assert away[1] < 1e-4


def test_momentum_is_gradient_flow_at_a_higher_rate_when_steps_are_short():
    model = rs.RandomFeatureModel(2.0, 3.0, 0.3, "tanh")
    tau = model.training().stability_limit * np.array([1.0, 20.0])
    away = []
    for parts in (1024, 2048):
        heavy = model.training(step=tau[0] / parts, momentum=0.5).learning_curves(tau)
        flow = model.learning_curves(2.0 * tau)
        away.append(np.array([heavy.train - flow.train, heavy.test - flow.test]))
    assert away[0] / away[1] == pytest.approx(2.0, abs=0.05)


@few
@given(learners(), powers_of_ten(-1.0, 0.5))
def test_initial_weights_add_their_own_output_and_are_forgotten(model, spread):
    training = model.training(initial=spread)
    tau = covering(model)
    curves, plain = training.learning_curves(tau), model.learning_curves(tau)
    trace, _ = gram_moments(model.ensemble)
    start = 1.0 + model.delta * spread**2 * trace
    slack = curves.error + plain.error + 8 * EPS * scale(curves)
    assert abs(curves.train[0] - start) <= slack[0]
    assert abs(curves.test[0] - start) <= slack[0]
    assert np.all(curves.train - plain.train >= -slack)
    assert np.all(curves.test - plain.test >= -slack)
    assert np.all(np.diff(curves.train - plain.train) <= slack[1:] + slack[:-1])
    assert curves.train[-1] == pytest.approx(plain.train[-1], abs=slack[-1])
    # The output is linear in A(0) and A(0) is independent of everything: its square scales.
    half = model.training(initial=0.5 * spread).learning_curves(tau)
    gained, quarter = curves.test - plain.test, half.test - plain.test
    assert np.all(abs(gained - 4.0 * quarter) <= 8.0 * (slack + half.error))


@pytest.mark.parametrize("psi_p", [1e3, 1e5, 1e7])
@pytest.mark.parametrize("psi_n", [1e-4, 1.0])
def test_initial_weights_of_many_features_lose_the_digits_that_the_bound_says(psi_p, psi_n):
    # Nearly all of Tr U is then that of the atom at s², which trained modes are left without.
    model = rs.RandomFeatureModel(psi_p, psi_n, 1.0, "erf")
    gram, spread = model.ensemble, 0.3
    start = model.training(initial=spread).learning_curves(0.0)
    mean = gram.c2 + gram.b2 + gram.v2 + gram.s2
    assert abs(start.train - 1.0 - model.delta * spread**2 * mean) <= start.error


@few
@given(polynomials(), powers_of_ten(-1.0, 1.0))
def test_scaling_the_features_scales_time(model, factor):
    # U -> k² U, b -> k b: λτ and b²/λ stay.
    other = rs.RandomFeatureModel(
        model.psi_p,
        model.psi_n,
        model.t,
        tuple(factor * h for h in model.activation),
        model.population,
    )
    tau = covering(model)
    one, two = model.learning_curves(tau), other.learning_curves(tau / factor**2)
    slack = one.error + two.error + 1e-13 * scale(one)
    assert np.all(abs(one.train - two.train) <= slack)
    assert np.all(abs(one.test - two.test) <= slack)


@few
@given(learners())
def test_splitting_an_atom_of_the_population_changes_no_curve(model):
    eigenvalues, weights = model.population.eigenvalues, model.population.weights
    split = rs.PopulationSpectrum(np.repeat(eigenvalues, 2), np.repeat(0.5 * weights, 2))
    other = rs.RandomFeatureModel(model.psi_p, model.psi_n, model.t, model.activation, split)
    tau = covering(model)
    one, two = model.learning_curves(tau), other.learning_curves(tau)
    slack = one.error + two.error + 8 * EPS * scale(one)
    assert np.all(abs(one.train - two.train) <= slack)
    assert np.all(abs(one.test - two.test) <= slack)


@few
@given(learners())
def test_bulks_share_the_decrease_of_the_train_loss(model):
    shares = model.training().bulk_shares()
    assert shares.shape == model.spectrum().masses.shape
    assert np.all(shares >= 0.0)
    end = model.learning_curves(np.inf)
    # The accuracy of the law's own integrals: 1e-6 where bulks have all but merged.
    assert shares.sum() == pytest.approx(1.0 - float(end.train), rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("activation", ["tanh", "erf", "relu"])
def test_memorisation_time_grows_with_the_samples_and_generalisation_time_does_not(activation):
    # The lower end of the fast bulk, and tau_gen with it, moves by ψ_n^(-1/2): 3 % at 1e3.
    psi_n = np.geomspace(1e3, 1e5, 5)
    times = [
        rs.RandomFeatureModel(
            1e3 * n, n, 0.01, activation, rs.PopulationSpectrum([0.5, 1.5])
        ).timescales()
        for n in psi_n
    ]
    assert slope(psi_n, [at.tau_mem for at in times]) == pytest.approx(1.0, abs=0.02)
    assert slope(psi_n, [at.tau_gen for at in times]) == pytest.approx(0.0, abs=0.02)


@pytest.mark.parametrize("activation", ["tanh", "erf", "relu", "sign"])
def test_plateau_learns_the_score_of_infinite_data(activation):
    # Between generalisation and memorisation both losses are 1 - Δ tr Σ_t^{-1}: of order Δ below 1.
    population = rs.PopulationSpectrum([0.5, 1.5])
    delta, learned = [], []
    for t in (1e-4, 1e-3, 1e-2):
        model = rs.RandomFeatureModel(1e7, 1e5, t, activation, population)
        curves = model.learning_curves(300.0 / model.delta)
        whole = model.delta * np.mean(
            1.0 / (np.exp(-2.0 * t) * population.eigenvalues + model.delta)
        )
        # What is not learned yet or already memorised: tau Δ v²/ψ_n ~ 300/1e5.
        assert 1.0 - float(curves.train) == pytest.approx(whole, rel=5e-3)
        assert 1.0 - float(curves.test) == pytest.approx(whole, rel=5e-3)
        delta.append(model.delta)
        learned.append([1.0 - float(curves.train), 1.0 - float(curves.test)])
    for column in np.transpose(learned):
        # The exponent is 1 - O(Δ).
        assert slope(delta, column) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("activation", ["relu", "sign"])
@pytest.mark.parametrize("ratio", [10.0, 1e2])
def test_generalisation_loss_on_the_plateau_grows_as_time_over_samples(activation, ratio):
    # At a fixed time it is of order 1/ψ_n, so that at τ = √ψ_n/Δ it is of order ψ_n^(-1/2).
    psi_n, gap = np.array([1e4, 1e5, 1e6]), []
    for n in psi_n:
        model = rs.RandomFeatureModel(
            ratio * n, n, 0.01, activation, rs.PopulationSpectrum([0.5, 1.5])
        )
        tau = np.sqrt(n) / model.delta * np.array([1.0, 2.0])
        found = model.learning_curves(tau)
        gap.append(found.generalization)
    # Corrections are of relative size ψ_n^(-1/2), with a constant of some ten.
    assert slope(psi_n, np.array(gap)[:, 0]) == pytest.approx(-0.5, abs=0.01)
    assert gap[-1][1] / gap[-1][0] == pytest.approx(2.0, abs=0.05)


@few
@given(learners())
def test_best_stopping_is_at_least_as_good_as_every_time(model):
    best = model.training().best_stopping()
    curves = model.learning_curves(covering(model, 40))
    slack = float(curves.error.max()) + 4 * EPS * scale(curves)
    assert best.test <= curves.test.min() + slack
    assert best.score_error <= curves.score_error.min() + slack / model.delta
    there = model.learning_curves(best.tau)
    assert (best.train, best.test) == (float(there.train), float(there.test))


@pytest.mark.parametrize(("excess", "fraction"), [(0.1, 0.5), (0.5, 0.1)])
def test_window_opens_near_the_least_score_error_and_closes_at_a_share_of_the_gap(excess, fraction):
    model = rs.RandomFeatureModel(64.0, 16.0, 0.01, "tanh")
    window = model.training().window(excess=excess, fraction=fraction)
    best, times = model.training().best_stopping(), model.timescales()
    assert (window.tau_gen, window.tau_mem) == (times.tau_gen, times.tau_mem)
    at = model.learning_curves([window.tau_gen_curve, window.tau_mem_curve, np.inf])
    # Times are found to 1e-7; the curves vary by less than themselves in a factor e of time.
    assert at.score_error[0] == pytest.approx((1.0 + excess) * best.score_error, rel=1e-6)
    assert at.generalization[1] == pytest.approx(fraction * at.generalization[2], rel=1e-6)
    before = window.tau_gen_curve * np.array([0.999, 0.5, 0.01])
    assert np.all(model.learning_curves(before).score_error > (1.0 + excess) * best.score_error)
    assert window.tau_gen_curve < best.tau < window.tau_mem_curve


@pytest.mark.parametrize("tau", [300.0, 1e5, np.inf])
def test_boundary_of_memorisation_is_where_the_gap_is_reached(tau):
    model = rs.RandomFeatureModel(64.0, 1.0, 0.01, "tanh")
    boundary = model.training().memorisation_boundary(tau, gap=0.05)
    for factor, sign in ((1.0 - 1e-6, 1.0), (1.0, 0.0), (1.0 + 1e-6, -1.0)):
        there = rs.RandomFeatureModel(64.0, factor * boundary, 0.01, "tanh").learning_curves(tau)
        gap = float(there.generalization) - 0.05
        assert sign * gap > 0.0 if sign else abs(gap) < 1e-8


def test_given_data_of_infinite_number_are_drawn_data_of_infinite_number():
    population = rs.PopulationSpectrum([0.5, 1.5])
    tau = np.array([0.0, 1.0, 100.0, np.inf])
    held_out = HeldOut(np.array([0.5, 1.5]), np.eye(2))
    drawn = rs.RandomFeatureModel(4.0, 1e8, 0.1, "tanh", population).learning_curves(tau)
    known = rs.RandomFeatureModel(
        4.0, 1e8, 0.1, "tanh", population, conditional=True, held_out=held_out
    ).learning_curves(tau)
    # Both are 1/ψ_n away from infinite data.
    for name in ("train", "test", "score_error"):
        assert getattr(drawn, name) == pytest.approx(getattr(known, name), rel=1e-6)


BAD_TIMES = [-1.0, np.nan, -np.inf, "1", None, 1j, [1.0, -1e-300], True]
MODEL = rs.RandomFeatureModel(4.0, 2.0, 0.1, "erf")


@pytest.mark.parametrize("value", BAD_TIMES)
def test_times_below_zero_are_refused_by_name(value):
    if value is True:
        value = object()
    for refused in (
        MODEL.learning_curves,
        MODEL.training().learning_curves,
        MODEL.training().kl_bound,
        MODEL.training().memorisation_boundary,
    ):
        with pytest.raises((TypeError, ValueError), match=r"^tau must"):
            refused(value)


@pytest.mark.parametrize("value", [[-1.0], [np.inf], ["a"], [[1.0]], 1.0, [np.nan]])
def test_directions_that_are_no_eigenvalues_are_refused_by_name(value):
    with pytest.raises((TypeError, ValueError), match=r"^directions must"):
        MODEL.learning_curves([1.0], directions=value)


@pytest.mark.parametrize("name", ["step", "ridge", "initial", "momentum"])
@pytest.mark.parametrize("value", [-1e-300, np.nan, np.inf, "1", None, True, 1j, [0.1]])
def test_training_rules_out_of_range_are_refused_by_name(name, value):
    with pytest.raises((TypeError, ValueError), match=rf"^{name} must be a (finite|real) number"):
        MODEL.training(**{"step": 0.01, name: value})


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (
            {"momentum": 1.0, "step": 0.01},
            r"^momentum must be a finite number in \[0, 1\), got 1.0",
        ),
        ({"momentum": 0.5}, r"^momentum needs step > 0, got momentum 0.5"),
        ({"step": 1e3}, r"^step must be below the stability limit .*, got 1000.0"),
    ],
)
def test_rules_that_cannot_train_are_refused_with_their_values(rule, message):
    with pytest.raises(ValueError, match=message):
        MODEL.training(**rule)


@pytest.mark.parametrize("momentum", [0.0, 0.3, 0.9])
def test_stability_limit_parts_steps_that_are_stable_from_those_refused(momentum):
    limit = MODEL.training().stability_limit
    top = MODEL.spectrum().support[-1, 1]
    assert limit == pytest.approx(MODEL.psi_p / (MODEL.delta * top), rel=1e-13)
    bound = (1.0 + momentum) * limit
    with pytest.raises(ValueError, match="stability limit"):
        MODEL.training(step=bound * 1.000001, momentum=momentum)
    # Just below it the fastest mode flips its sign at every step, and shrinks.
    steps = MODEL.training(step=0.99 * bound, momentum=momentum)
    curves = steps.learning_curves(steps.step * np.arange(50))
    assert curves.converged
    assert np.all(curves.train <= 1.0)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda t: t.window(excess=0.0), "excess"),
        (lambda t: t.window(fraction=1.0), "fraction"),
        (lambda t: t.memorisation_boundary(1.0, gap=-0.1), "gap"),
        (lambda t: t.kl_bound(1.0, t_min=0.0), "t_min"),
        (lambda t: t.kl_bound(1.0, t_min=1.0, t_max=0.5), "t_min"),
    ],
)
def test_what_is_read_off_the_curves_refuses_by_name(call, name):
    with pytest.raises(ValueError, match=f"^{name} must be"):
        call(MODEL.training())


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (2, 0)])
def test_arrays_are_shaped_like_the_times_asked(shape):
    tau = np.ones(shape)
    along = MODEL.learning_curves(tau, directions=[1.0, 4.0])
    plain = MODEL.learning_curves(tau)
    for name in ("train", "test", "generalization", "score_error", "error"):
        assert getattr(plain, name).shape == shape
        assert getattr(along, name).shape == (2, *shape)
    assert MODEL.learning_curves(tau, directions=[]).train.shape == (0, *shape)


@pytest.mark.parametrize("tau", [1e-300, 1e-30, 1e30, 1e300])
@pytest.mark.parametrize(
    "model",
    [
        MODEL,
        rs.RandomFeatureModel(1.0, 3.0, 0.1, "linear"),  # the spectrum begins at 0
        rs.RandomFeatureModel(3.0, 2.0, 0.1, "tanh"),  # the spectrum begins at s²
        rs.RandomFeatureModel(1e-9, 1e9, 0.1, "tanh"),
    ],
)
def test_times_beyond_every_mode_give_the_ends_of_the_curves(model, tau):
    found = model.learning_curves(tau)
    end = model.learning_curves(0.0 if tau < 1.0 else np.inf)
    # A hard edge at 0 leaves a power of time: τ^(-1/2) = 1e-15 at 1e30.
    slack = float(found.error + end.error) + 1e-14
    assert abs(float(found.train - end.train)) <= slack
    assert abs(float(found.test - end.test)) <= slack
