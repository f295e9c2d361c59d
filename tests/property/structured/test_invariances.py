"""Random structured models: what must not depend on how they are written down."""

import numpy as np
import pytest

import rmtspec as rs

Z = np.array([0.05 + 0.02j, 0.5 + 0.1j, -0.7])
TAU = np.array([0.5, 20.0, 1e3, np.inf])


def draw(seed):
    """Classes, direction weights and arguments of a random mixture."""
    rng = np.random.default_rng(seed)
    count, groups = int(rng.integers(2, 4)), int(rng.integers(1, 4))
    weights = rng.dirichlet(3.0 * np.ones(count))
    directions = rng.dirichlet(3.0 * np.ones(groups))
    separated = bool(rng.integers(2))
    classes = [
        rs.DataClass(
            float(weight),
            rng.uniform(0.1, 2.0, groups),
            rng.normal(size=1) if separated else (),
        )
        for weight in weights
    ]
    psi = np.exp(rng.uniform(np.log(0.7), np.log(8.0), 2))
    activation = ("tanh", "relu", "gelu")[int(rng.integers(3))]
    return (*psi, float(rng.uniform(0.02, 0.5))), classes, directions, activation


def model(arguments, classes, directions, activation):
    return rs.MixtureModel(*arguments, classes, directions, activation, nodes=6)


def same(one, two, classes=None):
    np.testing.assert_allclose(one.resolvent(Z).q, two.resolvent(Z).q, rtol=1e-9)
    a, b = one.learning_curves(TAU), two.learning_curves(TAU)
    # Contours have 12 digits of the largest loss on them, a few here.
    np.testing.assert_allclose(a.train, b.train, atol=1e-9)
    np.testing.assert_allclose(a.test, b.test, atol=1e-9 * max(1.0, float(np.max(b.test))))
    if classes is not None:
        scale = max(1.0, float(np.max(b.class_test)))
        np.testing.assert_allclose(a.class_test, b.class_test[classes], atol=1e-9 * scale)
        np.testing.assert_allclose(a.class_train, b.class_train[classes], atol=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_the_order_of_classes_and_directions_does_not_matter(seed):
    arguments, classes, directions, activation = draw(seed)
    rng = np.random.default_rng(seed + 100)
    order = rng.permutation(len(classes))
    groups = rng.permutation(directions.size)
    turned = [
        rs.DataClass(classes[i].weight, classes[i].eigenvalues[groups], classes[i].mean)
        for i in order
    ]
    one = model(arguments, turned, directions[groups], activation)
    same(one, model(arguments, classes, directions, activation), order)


@pytest.mark.parametrize("seed", range(6))
def test_a_class_that_is_written_as_two_is_one(seed):
    arguments, classes, directions, activation = draw(seed)
    first = classes[0]
    halves = [
        rs.DataClass(share * first.weight, first.eigenvalues, first.mean) for share in (0.3, 0.7)
    ]
    one = model(arguments, [*halves, *classes[1:]], directions, activation)
    two = model(arguments, classes, directions, activation)
    same(one, two, [0, 0, *range(1, len(classes))])


@pytest.mark.parametrize("seed", range(4))
def test_times_that_are_written_twice_are_one(seed):
    rng = np.random.default_rng(seed)
    t = np.sort(rng.uniform(0.05, 1.0, 2))
    biases = rng.normal(size=2)
    one = rs.TimeIntegratedModel(4, 2, t.tolist(), [0.3, 0.7], biases, [0.4, 0.6], skip=-0.5)
    # A split bias is the same type twice; a time beside another one is that time.
    split = [biases[0], biases[1], biases[1]]
    two = rs.TimeIntegratedModel(4, 2, t.tolist(), [0.3, 0.7], split, [0.4, 0.2, 0.4], skip=-0.5)
    same(one, two)
    near = [float(t[0]), float(t[1]), float(t[1]) * (1.0 + 1e-9)]
    three = rs.TimeIntegratedModel(4, 2, near, [0.3, 0.2, 0.5], biases, [0.4, 0.6], skip=-0.5)
    # The times differ by 1e-9, and with them the moments; a channel is dropped for it.
    np.testing.assert_allclose(one.resolvent(Z).q, three.resolvent(Z).q, rtol=1e-7)


def test_odd_activations_do_not_know_the_sign_of_biases_and_means():
    same(
        rs.TimeIntegratedModel(4, 2, [0.1, 0.6], biases=[0.2, 1.0]),
        rs.TimeIntegratedModel(4, 2, [0.1, 0.6], biases=[-0.2, 1.0]),
    )
    classes = [[rs.DataClass(0.7, 1.0, s), rs.DataClass(0.3, 0.5, -2.0 * s)] for s in (1.0, -1.0)]
    same(*(rs.MixtureModel(4, 2, 0.1, one, nodes=6) for one in classes))
