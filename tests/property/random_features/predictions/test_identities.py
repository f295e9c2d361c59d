"""Identities of targets, paths and data sets over random models."""

from __future__ import annotations

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.inputs.activation import resolve

TAU = np.array([0.0, 0.05, 1.0, 20.0, 1e3, np.inf])
NAMES = ("noise", "data", "v", "velocity", "edm")
POPULATIONS = (
    rs.PopulationSpectrum.isotropic(),
    rs.PopulationSpectrum([0.5, 1.5], [0.5, 0.5]),
    rs.PopulationSpectrum([0.0, 1.0, 4.0], [0.25, 0.5, 0.25]),
)
# What a sum over a contour and the unit of a loss leave: error columns are about 1e-13.
ROUNDING = 1e-11


def drawn(seed):
    """A random model on a random path."""
    rng = np.random.default_rng(seed)
    psi_p, psi_n = 2.0 ** rng.uniform(-1.0, 4.0, 2)
    level = (
        rs.NoiseLevel.flow(rng.uniform(0.1, 0.9)),
        rs.NoiseLevel.edm(2.0 ** rng.uniform(-2.0, 1.0), 2.0 ** rng.uniform(-1.0, 1.0)),
        rs.NoiseLevel.ddpm(rng.uniform(0.1, 0.95)),
        rs.NoiseLevel(*(2.0 ** rng.uniform(-1.0, 1.0, 3))),
    )[seed % 4]
    activation = ("tanh", "erf", "relu", "gelu")[rng.integers(4)]
    population = POPULATIONS[rng.integers(len(POPULATIONS))]
    return rs.RandomFeatureModel(psi_p, psi_n, level, activation, population)


MODELS = [pytest.param(drawn(seed), id=f"draw {seed}") for seed in range(8)]


def apart(first, second, *names):
    return max(
        np.abs(getattr(first, name) - getattr(second, name)).max()
        / max(np.abs(getattr(first, name)).max(), 1e-300)
        for name in names
    )


@pytest.mark.parametrize("model", MODELS)
def test_every_path_is_the_ou_path_with_a_gain(model):
    gain, plain = model.level.ou_gain, resolve(model.activation).function
    twin = rs.RandomFeatureModel(
        model.psi_p, model.psi_n, model.t, lambda u: plain(gain * u), model.population
    )
    own, other = model.coefficients, twin.coefficients
    for name in ("b", "c", "v", "s", "mean"):
        size = np.sqrt(other.second_moment)
        assert getattr(own, name) == pytest.approx(getattr(other, name), abs=1e-10 * size)
    assert own.gamma == pytest.approx(gain * other.gamma, rel=1e-14)
    np.testing.assert_allclose(model.spectrum().support, twin.spectrum().support, rtol=1e-8)


@pytest.mark.parametrize("model", MODELS)
def test_spectrum_and_spectral_times_do_not_depend_on_the_target(model):
    score = model.training().timescales()
    for name in NAMES:
        times = model.training(prediction=name).timescales()
        for key in ("tau_gen", "tau_mem", "tau_slow"):
            # The clock of a prediction is faster by 1/σ².
            np.testing.assert_allclose(
                getattr(times, key), model.delta * getattr(score, key), rtol=1e-14
            )


@pytest.mark.parametrize("model", MODELS)
def test_noise_prediction_is_the_score_network_in_its_own_clock(model):
    score = model.learning_curves(TAU)
    noise = model.learning_curves(model.delta * TAU, prediction="noise")
    np.testing.assert_allclose(noise.train, score.train, atol=ROUNDING)
    np.testing.assert_allclose(noise.test, score.test, rtol=ROUNDING)
    np.testing.assert_allclose(noise.score_error, score.score_error, rtol=1e-9, atol=ROUNDING)


@pytest.mark.parametrize("model", MODELS)
def test_losses_are_quadratic_forms_of_the_target(model):
    def of(u, w):
        found = model.learning_curves(TAU, prediction=rs.Prediction(u, w))
        return np.array([found.train, found.test, found.excess])

    forms = of(1.0, 0.0), of(0.0, 1.0), of(1.0, 1.0)
    mixed = forms[2] - forms[0] - forms[1]
    for u, w in ((2.0, -1.5), (-0.3, 0.7)):
        expected = u * u * forms[0] + w * w * forms[1] + u * w * mixed
        size = np.abs(forms).max()
        np.testing.assert_allclose(of(u, w), expected, atol=ROUNDING * size)


@pytest.mark.parametrize("model", MODELS)
def test_a_prediction_is_that_of_noise_with_its_skip(model):
    level = model.level
    for name in NAMES:
        prediction = rs.Prediction.named(name)
        twin = rs.Prediction(1.0, 0.0, prediction.noise_skip(level))
        own = model.learning_curves(TAU, prediction=prediction)
        other = model.learning_curves(TAU, prediction=twin)
        assert apart(own, other, "score_error") < 1e-9
        own_fraction = model.training(prediction=prediction).memorised_fraction(TAU)
        other_fraction = model.training(prediction=twin).memorised_fraction(TAU)
        np.testing.assert_allclose(own_fraction, other_fraction, atol=1e-9)


@pytest.mark.parametrize("model", MODELS)
def test_a_skip_changes_neither_the_least_loss_nor_conversions(model):
    plain = model.learning_curves(TAU, prediction=rs.Prediction(0.4, -0.8))
    skipped = model.learning_curves(TAU, prediction=rs.Prediction(0.4, -0.8, 0.3))
    assert skipped.best_possible == pytest.approx(plain.best_possible, rel=1e-14)
    ratio = skipped.score_error[1:] / skipped.excess[1:]
    np.testing.assert_allclose(ratio, plain.score_error[1:] / plain.excess[1:], rtol=1e-12)
    assert np.abs(skipped.test - plain.test).max() > 1e-6


@pytest.mark.parametrize("model", MODELS)
def test_test_loss_is_the_least_one_and_the_excess(model):
    for name in NAMES:
        found = model.learning_curves(TAU, prediction=name)
        largest = found.test.max()
        np.testing.assert_allclose(
            found.test, found.best_possible + found.excess, atol=ROUNDING * largest
        )
        assert np.all(np.abs(found.test - found.best_possible - found.excess) <= 2 * found.error)
        assert found.test[0] == pytest.approx(found.initial_test, rel=1e-15)
        assert found.train[-1] == found.final_train
        assert found.test[-1] == found.final_test


@pytest.mark.parametrize("model", MODELS)
def test_initial_slopes_are_those_of_the_forcing(model):
    """L̇_test = −4∫ρ(wcl + ub)², and the train loss falls faster by what data add to it."""
    at, levels = model.coefficients, model.population.eigenvalues
    weights, mean = model.population.weights, model.population.mean
    for name in ("noise", "data", "velocity"):
        u, w = rs.Prediction.named(name).target(model.level)
        slope = -4.0 * weights @ (w * at.c * levels + u * at.b) ** 2
        gap = 4.0 * w * w / model.psi_n * mean * (at.v**2 + at.c**2 * mean)
        top = model.training(prediction=name).timescales().families[0]
        step = 1e-4 * model.psi_p / max(top.upper, 1e-3)
        found = model.learning_curves([step, 2 * step], prediction=name)
        # Two points take the curvature out: what is left is of second order in 1e-4.
        for curve, expected in ((found.test, slope), (found.train, slope - gap)):
            start = u * u + w * w * mean
            measured = (4.0 * (curve[0] - start) - (curve[1] - start)) / (2.0 * step)
            assert measured == pytest.approx(expected, rel=1e-5, abs=1e-6 * start)


@pytest.mark.parametrize("model", MODELS)
def test_weight_is_a_factor_on_time(model):
    plain = model.learning_curves(TAU, prediction="velocity")
    fast = model.learning_curves(TAU / 4.0, prediction="velocity", weight=4.0)
    np.testing.assert_allclose(fast.test, plain.test, rtol=1e-13)
    score = model.training(weight=4.0).learning_curves(TAU / 4.0)
    np.testing.assert_allclose(score.test, model.learning_curves(TAU).test, rtol=1e-13)


@pytest.mark.parametrize("sigma", [0.1, 0.5, 2.0])
@pytest.mark.parametrize("population", POPULATIONS, ids=["one", "two", "three"])
def test_edm_of_unit_scale_is_v_prediction_at_the_same_signal_to_noise_ratio(sigma, population):
    level = rs.NoiseLevel.edm(sigma)
    edm = rs.RandomFeatureModel(8, 4, level, "tanh", population)
    v = rs.RandomFeatureModel(8, 4, level.t, "tanh", population)
    first = edm.learning_curves(TAU, prediction="edm")
    second = v.learning_curves(TAU, prediction="v")
    np.testing.assert_allclose(first.train, second.train, atol=ROUNDING)
    np.testing.assert_allclose(first.test, second.test, rtol=ROUNDING)


@pytest.mark.parametrize("model", MODELS)
def test_best_skip_is_not_beaten_by_any_prediction(model):
    for tau in (0.0, 1.0, np.inf):
        best = model.training(prediction="noise").best_skip(tau)
        for name in NAMES:
            error = float(model.learning_curves(tau, prediction=name).score_error)
            assert best.score_error <= error * (1.0 + 1e-9) + 1e-11 * best.noise_error
        chosen = rs.Prediction(1.0, 0.0, float(best.skip))
        reached = float(model.learning_curves(tau, prediction=chosen).score_error)
        assert reached == pytest.approx(float(best.score_error), rel=1e-7, abs=1e-10)


def test_best_skip_at_the_start_is_that_of_edm_with_the_variance_of_the_data():
    level = rs.NoiseLevel.flow(0.3)
    population = rs.PopulationSpectrum([1.0, 5.0], [0.5, 0.5])
    model = rs.RandomFeatureModel(8, 4, level, "tanh", population)
    skip = float(model.training(prediction="data").best_skip(0.0).skip)
    assert skip == pytest.approx(rs.Prediction.edm(3.0**0.5).noise_skip(level), rel=1e-12)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", ["noise", "velocity"])
def test_bias_and_variance_are_the_score_error(model, name):
    training = model.training(prediction=name)
    curves = training.learning_curves(TAU)
    for same in (True, False):
        found = training.two_data_sets(TAU, same_features=same)
        size = curves.score_error.max()
        np.testing.assert_allclose(found.score_error, curves.score_error, atol=ROUNDING * size)
        assert np.all(found.bias >= -found.error)
        assert np.all(found.variance >= -found.error)
        assert np.all(found.feature_variance >= -found.error)
    shared, own = (training.two_data_sets(TAU, same_features=same) for same in (True, False))
    np.testing.assert_allclose(
        own.variance - shared.variance, shared.feature_variance, atol=ROUNDING * size
    )


def test_distance_falls_as_one_over_n_at_a_fixed_time():
    products = [
        psi_n * float(rs.RandomFeatureModel(32, psi_n, 0.1).training().two_data_sets(10.0).distance)
        for psi_n in (256.0, 4096.0, 1e6)
    ]
    assert products[1] == pytest.approx(products[2], rel=2e-2)
    assert products[0] == pytest.approx(products[2], rel=5e-2)


@pytest.mark.parametrize("model", MODELS)
def test_memorised_fraction_begins_as_time_over_the_number_of_samples(model):
    """β = ωτ(v² + c²σ_x²)/ψ_n + O(τ²) for the noise target."""
    at, mean = model.coefficients, model.population.mean
    training = model.training(prediction="noise")
    tau = 1e-4 * model.psi_p / training.timescales().families[0].upper
    expected = tau * (at.v**2 + at.c**2 * mean) / model.psi_n
    found = training.memorised_fraction([tau, 2.0 * tau])
    assert 2.0 * found[0] - 0.5 * found[1] == pytest.approx(expected, rel=1e-5)


def test_losses_are_blind_to_the_first_of_memorisation():
    """Local exponents: fraction 1, loss gap 3, distance 4."""
    training = rs.RandomFeatureModel(32, 8, 0.1).training()
    tau = np.array([0.01, 0.02])
    quantities = (
        (training.memorised_fraction(tau), 1.0),
        (training.learning_curves(tau).generalization, 3.0),
        (training.two_data_sets(tau).distance, 4.0),
    )
    for values, exponent in quantities:
        assert np.log2(values[1] / values[0]) == pytest.approx(exponent, abs=0.03)


@pytest.mark.parametrize("name", NAMES)
def test_at_the_end_the_memorised_fraction_does_not_depend_on_the_prediction(name):
    population = rs.PopulationSpectrum([0.5, 1.5], [0.5, 0.5])
    model = rs.RandomFeatureModel(8, 4, rs.NoiseLevel.ddpm(0.8), "tanh", population)
    noise = model.training(prediction="noise").memorised_fraction(np.inf)
    found = model.training(prediction=name).memorised_fraction(np.inf)
    assert float(found) == pytest.approx(float(noise), abs=1e-3)


@pytest.mark.parametrize("psi_n", [0.5, 2.0, 8.0])
def test_linear_features_are_the_linear_denoiser(psi_n):
    population, t = rs.PopulationSpectrum([0.5, 1.5], [0.5, 0.5]), 0.2
    training = rs.RandomFeatureModel(3.0, psi_n, t, "linear", population).training()
    linear, signal = rs.LinearDenoiser(population, psi_n), float(np.exp(-2.0 * t))
    assert float(training.memorised_fraction(np.inf)) == pytest.approx(
        float(linear.memorised_fraction(signal)), abs=1e-13
    )
    first, second = training.two_data_sets(np.inf), linear.two_data_sets(signal)
    for name in ("distance", "bias", "variance", "score_error"):
        assert float(getattr(first, name)) == pytest.approx(float(getattr(second, name)), rel=1e-11)
    assert second.score_error * (1.0 - signal) == pytest.approx(linear.alignment(signal), rel=1e-12)


def test_isotropic_unit_data_leave_nothing_to_v_prediction():
    model = rs.RandomFeatureModel(8, 4, rs.NoiseLevel.ddpm(0.5))
    found = model.learning_curves(TAU, prediction="v")
    assert found.score_error[0] < 1e-15
    assert np.all(np.diff(found.score_error) > 0.0)
    assert model.training(prediction="v").best_stopping().tau == 0.0


@pytest.mark.parametrize("kernel", ["gaussian", "exact"])
def test_given_data_have_the_same_forms_and_conversions(kernel):
    rng = np.random.default_rng(0)
    x, test = rng.normal(size=(60, 12)), rng.normal(size=(200, 12))
    with pytest.warns(rs.FewDimensionsWarning):
        model = rs.RandomFeatureModel.from_data(
            x, 6, rs.NoiseLevel.flow(0.4), test=test, kernel=kernel
        )
    curves = {
        name: model.learning_curves(TAU, prediction=name) for name in ("noise", "data", "velocity")
    }
    score = model.learning_curves(TAU / model.delta)
    np.testing.assert_allclose(curves["noise"].test, score.test, rtol=1e-11)
    np.testing.assert_allclose(curves["noise"].score_error, score.score_error, rtol=1e-9)
    both = model.learning_curves(TAU, prediction=rs.Prediction(1.0, 1.0))
    for name in ("train", "test"):
        one, two, three = (getattr(curves[key], name) for key in ("noise", "data", "velocity"))
        np.testing.assert_allclose(getattr(both, name) + three, 2.0 * (one + two), rtol=1e-11)
    centred = x - x.mean(axis=0)
    assert curves["data"].initial_train == pytest.approx(np.mean(centred**2))
    assert curves["data"].initial_test == pytest.approx(np.mean((test - x.mean(axis=0)) ** 2))
    for found in curves.values():
        np.testing.assert_allclose(
            found.test, found.best_possible + found.excess, rtol=1e-12, atol=1e-12
        )
