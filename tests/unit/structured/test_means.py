"""Networks with a skip connection on classes with means, which such a network has to predict."""

import numpy as np
import pytest

import rmtspec as rs
from validation.structured.curves import _all_moments
from validation.structured.members import MEMBERS
from validation.structured.networks import losses, mixed

TAU = np.append(np.geomspace(1e-3, 1e5, 12), np.inf)
ONE, OTHER = rs.DataClass(0.75, 1.0, 1.0), rs.DataClass(0.25, 0.36, -1.0)


def network(classes=(ONE, OTHER), dimension=100, skip=-1.0, times=(0.2, 0.6), **options):
    options = {"bias_scale": 0.0, "output": "noise", "nodes": 10, **options}
    return rs.TimeIntegratedModel(
        5, 3, list(times), skip=skip, classes=classes, dimension=dimension, **options
    )


def rows(curves):
    return np.array([curves.test, curves.train, *curves.class_test, *curves.class_train])


@pytest.mark.parametrize("name", ["B, skip", "A+B, skip"])
def test_losses_are_those_of_networks_of_true_features(name):
    member, d = MEMBERS[name], 40
    drawn = []
    for seed in range(4):
        net, data, _, own, fresh = _all_moments(member, d, np.random.default_rng(seed))
        train, test = mixed(own, data.weights), mixed(fresh, data.weights)
        sets = [test, train, *fresh, *own]
        drawn.append(losses(train, sets, TAU, net.scale, member.psi_p))
    expected = rows(member.model(dimension=d).learning_curves(TAU))
    deviation = np.abs(np.mean(drawn, axis=0) - expected)
    error = np.std(drawn, axis=0, ddof=1) / 2.0
    # Corrections of order 1/d, as without means (`validation structured`); what the means add
    # to the bulk is 0.2 at the start.
    assert np.all(deviation < 0.6 / d + 4.0 * error.max())


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


def test_means_are_predicted_at_once_in_infinitely_many_dimensions():
    found = rows(network(dimension=10**12).learning_curves(TAU))
    # Moving the means by 1 part in 10^12 of √d is to have none in the target.
    expected = rows(network(dimension=10**15).learning_curves(TAU))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    late = [rows(network(dimension=d).learning_curves(1.0)) for d in (10**3, 10**5)]
    np.testing.assert_array_less(np.abs(late[1] - found[:, 4]), np.abs(late[0] - found[:, 4]))


def test_without_a_skip_connection_means_are_directions_of_weight_one_in_d():
    plain = rows(network(dimension=None, skip=0.0).learning_curves(TAU))
    for d in (100, 10**8):
        found = rows(network(dimension=d, skip=0.0).learning_curves(TAU))
        assert 1e-12 < np.abs(found - plain).max() < 3.0 / d


def test_cutting_a_class_in_two_and_turning_the_means_change_nothing():
    classes = [rs.DataClass(0.5, 1.0, [1.0, 0.2]), rs.DataClass(0.5, 0.4, [-0.6, 0.8])]
    whole = network(classes, nodes=4).learning_curves(TAU)
    c, s = np.cos(0.4), np.sin(0.4)
    parts = [
        rs.DataClass(w, one.eigenvalues, [c * one.mean[0] - s * one.mean[1],
                                          s * one.mean[0] + c * one.mean[1]])
        for w, one in ((0.2, classes[0]), (0.3, classes[0]), (0.5, classes[1]))
    ]  # fmt: skip
    cut = network(parts, nodes=4).learning_curves(TAU)
    np.testing.assert_allclose(cut.test, whole.test, atol=1e-9)
    np.testing.assert_allclose(cut.class_test, whole.class_test[[0, 0, 1]], atol=1e-9)
    np.testing.assert_allclose(cut.class_train, whole.class_train[[0, 0, 1]], atol=1e-9)
