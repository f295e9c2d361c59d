"""Networks of finite size with any target on any path, and pairs of them."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.compare.networks import data_pairs
from rmtspec.compare.networks.fresh_features import data_moments, fresh_moments

ATOMS = rs.PopulationSpectrum([0.5, 1.5], [0.5, 0.5])
TAU = np.array([0.0, 1.0, 30.0, np.inf])
SETTINGS = [
    (rs.NoiseLevel.flow(0.3), "velocity"),
    (rs.NoiseLevel.edm(0.7, 2.0), "edm"),
    (rs.NoiseLevel.ddpm(0.5), "data"),
]


@pytest.mark.parametrize(("level", "name"), SETTINGS, ids=[name for _, name in SETTINGS])
def test_mean_losses_of_equivalent_networks_are_those_of_theory(level, name):
    """Within 3 standard errors and c/d times what a curve has to be wrong about; c = 1 and 3."""
    model = rs.RandomFeatureModel(4, 3, level, "tanh", ATOMS)
    theory = model.learning_curves(TAU, prediction=name)
    d, size = 40, 12
    found = rs.simulate_curves(model, d, 0, TAU, size, prediction=name)
    for curve, c, scale in (
        ("train", 1.0, np.abs(theory.initial_train - theory.train)),
        ("test", 3.0, theory.excess),
    ):
        values = getattr(found, curve)
        error = values.std(axis=0, ddof=1) / np.sqrt(size)
        off = np.abs(values.mean(axis=0) - getattr(theory, curve))
        assert np.all(off <= 3.0 * error + c * scale / d + 1e-12)
    ratio = (found.test - theory.best_possible)[:, 1:] / found.score_error[:, 1:]
    np.testing.assert_allclose(ratio, (theory.excess / theory.score_error)[1], rtol=1e-9)


def test_score_network_and_noise_prediction_are_one_network():
    model = rs.RandomFeatureModel(4, 3, rs.NoiseLevel.flow(0.3), "tanh", ATOMS)
    score = rs.simulate_curves(model, 20, 5, TAU, 2)
    noise = rs.simulate_curves(model, 20, 5, model.delta * TAU, 2, prediction="noise")
    for name in ("train", "test", "score_error"):
        np.testing.assert_allclose(getattr(noise, name), getattr(score, name), rtol=1e-9)


def test_moments_with_the_data_are_averages_over_noise():
    """E φxᵀ of true features, by sampling the noise and by sampling fresh data."""
    rng = np.random.default_rng(0)
    d, p, level = 6, 5, rs.NoiseLevel(0.7, 0.9, 1.3)
    w, x = rng.normal(size=(p, d)), rng.normal(size=(4, d))
    gram, _ = data_moments(w, x, level, "tanh", 7)
    count = 100_000
    noise = rng.normal(size=(count, d))
    total, square = np.zeros((p, d)), np.zeros((p, d))
    for row in x:
        shown = level.gain * (level.alpha * row + level.sigma * noise)
        total += np.outer(np.tanh(shown @ w.T / np.sqrt(d)).mean(axis=0), row) / len(x)
        square += np.outer(np.ones(p), row**2) / len(x)
    assert np.all(np.abs(total - gram.data) <= 5.0 * np.sqrt(square / count))
    variances = np.linspace(0.5, 2.0, d)
    u, v = fresh_moments(w, np.zeros((1, d)), variances, level, "tanh")
    made = data_pairs.true_fresh(w, variances, level, "tanh")
    fresh = rng.normal(size=(count, d)) * np.sqrt(variances)
    features = np.tanh(level.gain * (level.alpha * fresh + level.sigma * noise) @ w.T / np.sqrt(d))
    for measured, exact in (
        (features.T @ features / count, u),
        (features.T @ noise / count, v),
        (features.T @ fresh / count, made.data),
    ):
        assert np.abs(measured - exact).max() < 6.0 * np.sqrt(variances.max() / count)


@pytest.mark.parametrize("name", ["noise", "velocity"])
def test_pairs_of_equivalent_networks_are_as_far_apart_as_theory_says(name):
    d, size, level = 40, 10, rs.NoiseLevel.flow(0.4)
    model = rs.RandomFeatureModel(4, 3, level, "tanh", ATOMS)
    at, training = model.coefficients, model.training(prediction=name)
    scalars = {key: getattr(at, key) for key in "cbvs"}
    prediction = rs.Prediction.named(name)
    target = prediction.target(level)
    variances, rng = np.repeat([0.5, 1.5], d // 2), np.random.default_rng(1)
    rows = []
    for _ in range(size):
        w, sets, spans = rng.normal(size=(4 * d, d)), [], []
        for _ in range(2):
            x = np.sqrt(variances) * rng.normal(size=(3 * d, d))
            omega = rng.normal(size=(4 * d, 3 * d))
            sets.append(data_pairs.equivalent_moments(w, x, omega, **scalars))
            spans.append(np.mean(x * x))
        fresh = data_pairs.equivalent_fresh(w, variances, **scalars)
        found = data_pairs.pair_values(*sets, fresh, target, TAU[1:], training.clock)
        to_noise = (level.alpha / prediction.delta(level)) ** 2
        own = target.data * spans[0] - found.train_pull
        away = target.data - found.fresh_pull
        rows.append([to_noise * found.distance, to_noise * found.train_distance, 1 - own / away])
    mean, error = np.mean(rows, axis=0), np.std(rows, axis=0, ddof=1) / np.sqrt(size)
    theory = training.two_data_sets(TAU[1:])
    expected = theory.distance, theory.train_distance, training.memorised_fraction(TAU[1:])
    for i, values in enumerate(expected):
        assert np.all(np.abs(mean[i] - values) <= 3.0 * error[i] + 3.0 * values / d)


@pytest.mark.parametrize("name", ["data", "velocity"])
def test_exact_kernel_of_given_rows_has_the_losses_of_true_networks(name):
    """Within 3 standard errors and 5 % of the loss before training: d is 24 only."""
    rng = np.random.default_rng(0)
    x, test = rng.normal(size=(60, 24)), rng.normal(size=(80, 24))
    with pytest.warns(rs.FewDimensionsWarning):
        model = rs.RandomFeatureModel.from_data(x, 4, rs.NoiseLevel.flow(0.4), test=test)
    theory = model.learning_curves(TAU, prediction=name)
    size = 6
    found = rs.simulate_curves(model, None, 0, TAU, size, "true", prediction=name)
    for curve in ("train", "test"):
        values = getattr(found, curve)
        error = values.std(axis=0, ddof=1) / np.sqrt(size)
        off = np.abs(values.mean(axis=0) - getattr(theory, curve))
        assert np.all(off <= 3.0 * error + 0.05 * theory.initial_test)
    assert theory.test[2] < 0.99 * theory.test[0] or name == "velocity"


def test_memorised_fraction_of_given_rows_is_that_of_true_networks():
    rng = np.random.default_rng(0)
    x, test = rng.normal(size=(60, 24)), rng.normal(size=(80, 24))
    with pytest.warns(rs.FewDimensionsWarning):
        model = rs.RandomFeatureModel.from_data(x, 4, rs.NoiseLevel.flow(0.4), test=test)
    for name in ("noise", "data"):
        training = model.training(prediction=name)
        target, mean = rs.Prediction.named(name).target(model.level), x.mean(axis=0)
        rows = []
        for _ in range(6):
            w = rng.normal(size=(96, 24))
            own, away = (
                data_pairs.true_moments(w, each - mean, model.level, "tanh", 15)
                for each in (x, test)
            )
            found = data_pairs.pair_values(own, away, away, target, TAU[1:], training.clock)
            spans = [target.data * np.mean((each - mean) ** 2) for each in (x, test)]
            rows.append(1.0 - (spans[0] - found.train_pull) / (spans[1] - found.fresh_pull))
        error = np.std(rows, axis=0, ddof=1) / np.sqrt(len(rows))
        off = np.abs(np.mean(rows, axis=0) - training.memorised_fraction(TAU[1:]))
        assert np.all(off <= 3.0 * error + 0.05)


@pytest.mark.parametrize("given", [False, True])
def test_score_errors_of_data_all_but_lost_in_the_noise_are_not_rounding(given: bool) -> None:
    rng = np.random.default_rng(5)
    x, test = rng.normal(size=(2, 30, 10))
    for t in (6.0, 12.0, 400.0):
        model = rs.RandomFeatureModel(6.0, 3.0, t)
        if given:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", rs.FewDimensionsWarning)
                model = rs.RandomFeatureModel.from_data(x, 6.0, t, test=test, kernel="gaussian")
        times = np.array([0.0, 10.0])
        found = rs.simulate_curves(model, None if given else 10, 0, times, prediction="data")
        law = model.learning_curves(times, prediction="data")
        # A = 0 is known; e^(-2t) = 4e-11 at t = 12 leaves five digits of the difference.
        np.testing.assert_allclose(found.score_error[..., 0], law.score_error[0], rtol=1e-4)
        assert np.all(found.score_error >= 0.0)
