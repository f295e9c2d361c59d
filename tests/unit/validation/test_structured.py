"""Networks of finite size with structure: their moments against drawn noise and drawn data."""

import numpy as np
import pytest

from validation.structured.curves import _gradient
from validation.structured.generation import _exact, _network, _scores
from validation.structured.members import MEMBERS
from validation.structured.networks import (
    Data,
    Network,
    fresh_moments,
    losses,
    mixed,
    sample_moments,
)


def network(rng, skip=0.0, dimension=30, neurons=20):
    return Network(
        rng.standard_normal((neurons, dimension)),
        rng.standard_normal(neurons),
        np.array([0.2, 0.7]),
        np.array([0.4, 0.6]),
        np.array([0.33, 0.75]),
        skip,
        "tanh",
    )


def test_the_gradient_of_drawn_noise_averages_to_that_of_the_moments():
    rng = np.random.default_rng(1)
    net, x = network(rng), rng.standard_normal((4, 30))
    found, weights = sample_moments(net, x), rng.standard_normal((30, 20))
    a = weights * np.sqrt(net.scale / 20)
    expected = 2.0 / 30 * np.sqrt(net.scale / 20) * (found.v.T + a @ found.u)
    drawn = np.array([_gradient(net, weights, x, rng) for _ in range(3000)])
    error = drawn.std(axis=0, ddof=1) / np.sqrt(len(drawn))
    # 600 entries: five standard errors are exceeded by chance once in 3000 runs.
    assert np.all(np.abs(drawn.mean(axis=0) - expected) < 5.0 * error)


@pytest.mark.parametrize("skip", [0.0, -0.8])
def test_moments_of_fresh_data_are_those_of_many_samples(skip):
    rng = np.random.default_rng(2)
    net = network(rng, skip)
    mean, variance = rng.standard_normal(30), rng.uniform(0.3, 2.0, 30)
    fresh = fresh_moments(net, mean, variance)
    parts = [
        sample_moments(net, mean + np.sqrt(variance) * rng.standard_normal((4000, 30)))
        for _ in range(5)
    ]
    for name, size in (("u", 1.0), ("v", 0.2)):
        table = np.array([getattr(one, name) for one in parts])
        error = table.std(axis=0, ddof=1).max() / np.sqrt(5)
        deviation = np.abs(table.mean(axis=0) - getattr(fresh, name)).max()
        # The largest of hundreds of entries; a wrong term would be of the order of `size`.
        assert deviation < 6.0 * error < 0.2 * size
    starts = [one.start for one in parts]
    assert fresh.start == pytest.approx(np.mean(starts), abs=6.0 * np.std(starts) + 1e-12)


def test_losses_start_from_those_of_nothing_and_end_at_the_minimum():
    rng = np.random.default_rng(3)
    net, x = network(rng, -0.5), rng.standard_normal((40, 30))
    own = sample_moments(net, x)
    found = losses(own, [own], np.array([0.0, 10.0, np.inf]), net.scale, 20 / 30)[0]
    assert found[0] == pytest.approx(own.start, rel=1e-14)
    least = own.start - np.sum(own.v * np.linalg.solve(own.u, own.v)) / 30
    assert found[2] == pytest.approx(least, rel=1e-10)
    assert found[0] > found[1] > found[2]


def test_classes_have_their_shares_of_samples_and_moments():
    data = Data(np.array([0.75, 0.25]), np.zeros((2, 4)), np.ones((2, 4)))
    assert data.counts(10) == [8, 2]
    rng = np.random.default_rng(4)
    net, x = network(rng), rng.standard_normal((8, 30))
    parts = [sample_moments(net, x[:6]), sample_moments(net, x[6:])]
    whole = sample_moments(net, x)
    np.testing.assert_allclose(mixed(parts, data.weights).u, whole.u, rtol=1e-12)


def test_every_member_is_drawn_as_its_model_says():
    for member in MEMBERS.values():
        model, net = member.model(6, 20), member.network(20, np.random.default_rng(0))
        np.testing.assert_allclose(net.times, model.setting.times.t)
        assert net.scale == pytest.approx(model.delta)
        variances = member.data(20).variances.mean(axis=1)
        np.testing.assert_allclose(variances, model.setting.classes.variances)


def test_the_exact_score_is_the_gradient_of_the_density_of_noised_classes():
    t, x = 0.7, np.random.default_rng(5).standard_normal((3, 4))

    def log_density(x):
        decay, noise = np.exp(-t), -np.expm1(-2.0 * t)
        variance = decay**2 * np.array([1.0, 0.36]) + noise
        away = np.sum((x[:, None] - decay * np.array([[1.0], [-1.0]])) ** 2, axis=2)
        terms = np.array([0.75, 0.25]) * np.exp(-0.5 * away / variance) / variance**2
        return np.log(terms.sum(axis=1))

    steps = 1e-5 * np.eye(4)
    slope = [(log_density(x + step) - log_density(x - step)) / 2e-5 for step in steps]
    np.testing.assert_allclose(_exact(x, t), np.transpose(slope), atol=1e-8)


def test_a_trained_score_is_odd_without_biases_only_and_has_its_least_loss_in_the_end():
    rng = np.random.default_rng(6)
    x = rng.standard_normal((200, 5))
    rows = [1.0 + rng.standard_normal((60, 5)), -1.0 + 0.6 * rng.standard_normal((20, 5))]
    stages = [1.0, np.inf]
    for biased in (False, True):
        net = _network(40, 5, 0.5, biased, rng)
        there, back = (_scores(net, rows, stages, np.array([at, at]), 8) for at in (x, -x))
        assert np.allclose(there, -back, rtol=1e-12) != biased
    # Denoising loss on the rows themselves: noise that the network has not met.
    clean = np.concatenate(rows)[rng.integers(0, 80, 20000)]
    noise, root = rng.standard_normal(clean.shape), np.sqrt(-np.expm1(-1.0))
    noised = np.exp(-0.5) * clean + root * noise
    scores = _scores(net, rows, stages, np.array([noised, noised]), 8)
    early, late = np.mean((root * scores + noise) ** 2, axis=(1, 2))
    assert late < early < 1.0
