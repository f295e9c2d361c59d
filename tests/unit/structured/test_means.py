"""Networks with a skip connection on classes with means, which such a network has to predict."""

import numpy as np
import pytest

import rmtspec as rs
from validation.structured.members import MEMBERS
from validation.structured.networks import (
    Data,
    Network,
    fresh_moments,
    losses,
    mixed,
    sample_moments,
)

TAU = np.append(np.geomspace(1e-3, 1e5, 12), np.inf)
ONE, OTHER = rs.DataClass(0.75, 1.0, 1.0), rs.DataClass(0.25, 0.36, -1.0)


def network(classes=(ONE, OTHER), dimension=100, skip=-1.0, times=(0.2, 0.6), **options):
    options = {"bias_scale": 0.0, "output": "noise", "nodes": 10, **options}
    return rs.TimeIntegratedModel(
        5, 3, list(times), skip=skip, classes=classes, dimension=dimension, **options
    )


def rows(curves):
    return np.array([curves.test, curves.train, *curves.class_test, *curves.class_train])


def deviations(draw, model, psi_n, d):
    """Largest deviation of four networks' mean from the model, and what it may be."""
    drawn = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        net, data = draw(rng)
        own = [sample_moments(net, x) for x in data.draw(psi_n * d, rng)]
        fresh = [fresh_moments(net, *one) for one in zip(data.means, data.variances, strict=True)]
        sets = [mixed(fresh, data.weights), mixed(own, data.weights), *fresh, *own]
        drawn.append(losses(sets[1], sets, TAU, net.scale, len(net.w) / d))
    deviation = np.abs(np.mean(drawn, axis=0) - rows(model.learning_curves(TAU)))
    # Corrections are of order 1/d, as without means (`validation structured`); what the means add
    # to the bulk is 0.2 at the start.
    return deviation.max(), 0.6 / d + 4.0 * (np.std(drawn, axis=0, ddof=1) / 2.0).max()


@pytest.mark.parametrize("name", ["B, skip", "A+B, skip"])
def test_losses_are_those_of_networks_of_true_features(name):
    member, d = MEMBERS[name], 40
    found, allowed = deviations(
        lambda rng: (member.network(d, rng), member.data(d)), member.model(10, d), 3, d
    )
    assert found < allowed


def test_losses_of_three_classes_are_those_of_networks_of_true_features():
    d, weights, means = 40, np.array([0.5, 0.3, 0.2]), [[1.0, 0.0], [-0.5, 0.8], [-0.5, -0.8]]
    axes = np.sqrt(2.0) * np.repeat(np.eye(2), d // 2, axis=1)
    data = Data(weights, means @ axes, np.outer([1.0, 0.36, 0.64], np.ones(d)))
    classes = [
        rs.DataClass(weight, variance, mean)
        for weight, variance, mean in zip(weights, (1.0, 0.36, 0.64), means, strict=True)
    ]

    def draw(rng):
        one = np.ones(1)
        w = rng.standard_normal((5 * d, d))
        return Network(w, np.zeros(5 * d), np.array([0.3]), one, one, -1.0, "tanh"), data

    found, allowed = deviations(draw, network(classes, d, times=(0.3,), nodes=8), 3, d)
    assert found < allowed


def test_losses_start_from_the_squares_of_what_is_to_be_predicted():
    curves = network(skip=-0.7).learning_curves(0.0)
    t = np.array([0.2, 0.6])
    delta = -np.expm1(-2.0 * t)
    noise, data = 1.0 - 0.7 * delta, 0.49 * delta * np.exp(-2.0 * t)
    expected = [np.mean(noise**2 + data * (one.eigenvalues[0] + 1.0)) for one in (ONE, OTHER)]
    np.testing.assert_allclose(curves.class_train, expected, rtol=1e-11)
    np.testing.assert_allclose(curves.class_test, expected, rtol=1e-11)
    assert float(curves.test) == pytest.approx(0.75 * expected[0] + 0.25 * expected[1], rel=1e-11)


def test_the_train_loss_of_two_resolvents_is_that_of_one():
    curves = network().learning_curves(TAU)
    assert np.all(curves.error < 1e-9)
    np.testing.assert_allclose(curves.class_weights @ curves.class_train, curves.train, atol=1e-9)
    np.testing.assert_allclose(curves.class_weights @ curves.class_test, curves.test, atol=1e-9)
    late = network().learning_curves(1e12)
    np.testing.assert_allclose(rows(late), rows(curves)[:, -1], atol=1e-9)


def test_means_are_predicted_the_sooner_the_more_dimensions_there_are():
    late = [rows(network(dimension=d).learning_curves(1.0)) for d in (10**3, 10**5, 10**15)]
    # One by d, and less for the faintest mean features, whose eigenvalues are 1e-7 of the largest.
    assert np.all(np.abs(late[1] - late[2]) < 0.1 * np.abs(late[0] - late[2]))


def test_without_a_skip_connection_means_are_directions_of_weight_one_in_d():
    plain = rows(network(dimension=None, skip=0.0).learning_curves(TAU))
    for d in (100, 10**8):
        found = rows(network(dimension=d, skip=0.0).learning_curves(TAU))
        assert 1e-12 < np.abs(found - plain).max() < 3.0 / d


def test_cutting_a_class_in_two_changes_nothing():
    parts = (rs.DataClass(0.5, 1.0, 1.0), rs.DataClass(0.25, 1.0, 1.0), OTHER)
    whole, cut = network().learning_curves(TAU), network(parts).learning_curves(TAU)
    np.testing.assert_allclose(cut.test, whole.test, atol=1e-9)
    np.testing.assert_allclose(cut.class_test, whole.class_test[[0, 0, 1]], atol=1e-9)
    np.testing.assert_allclose(cut.class_train, whole.class_train[[0, 0, 1]], atol=1e-9)
