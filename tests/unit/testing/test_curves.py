"""Every invariant of learning curves, averages and equations holds, and can fail."""

from __future__ import annotations

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.testing import invariants

TAU = np.append(np.linspace(0.0, 3.0, 13), np.inf)
EXACT = {"final": 0.4, "slope": -0.9, "curvature": 1.5}


def loss(t):  # 0.4 + a mixture of rates 1 and 2
    return 0.4 + 0.3 * np.exp(-t) + 0.3 * np.exp(-2.0 * t)


def names(findings):
    return {finding.name for finding in invariants.failed(findings)}


def test_a_right_curve_has_no_finding_as_a_function_and_as_values():
    assert names(invariants.check_curve(loss, TAU, **EXACT)) == set()
    uneven = np.array([0.0, 1e-3, 0.1, 0.2, 1.0, 7.0, 7.5, 1e3])
    assert names(invariants.check_curve(loss(uneven), uneven, **EXACT)) == set()


@pytest.mark.parametrize(
    ("f", "name"),
    [
        (lambda t: loss(t) - 0.5, "loss >= least"),
        (lambda t: loss(t) + 1e-6, "loss at tau = 0"),
        (lambda t: loss(t) + 1e-6 * (t > 0), "loss at tau = inf"),
        (lambda t: loss(t) + 0.2 * np.sin(3 * np.minimum(t, 9)), "falling: differences of order 1"),
        (lambda t: 0.4 + 0.6 * np.exp(-(t**2)), "convex: differences of order 2"),
        (
            lambda t: loss(t) + 1e-3 * np.cos(9 * np.minimum(t, 9)),
            "completely monotone: differences of order 6",
        ),
        (lambda t: loss(2.0 * t), "loss >= initial + slope tau"),
        (lambda t: loss(0.5 * t), "loss <= initial + slope tau + curvature tau^2/2"),
        (lambda t: loss(t) - 0.1 * (t == 2.0), "log-convex above its end"),
        (lambda t: np.where(t == 3.0, 0.39, loss(t)), "train loss >= its end"),
    ],
)
def test_each_invariant_of_a_curve_can_fail(f, name):
    assert name in names(invariants.check_curve(f, TAU, **EXACT))


def test_test_loss_may_rise():
    rising = 1.0 + 0.1 * np.sqrt(TAU[:-1])
    assert names(invariants.check_curve(rising, TAU[:-1], train=False)) == set()
    assert names(invariants.check_curve(rising, TAU[:-1])) != set()


@pytest.mark.parametrize("wrong", ["time", "train", "test"])
def test_curves_of_a_model_with_a_planted_fault_are_found(wrong):
    model = rs.RandomFeatureModel(4.0, 2.0, 0.1, "erf", rs.PopulationSpectrum([0.5, 1.5]))
    tau = np.append(np.append(0.0, np.geomspace(1e-3, 1e4, 12)), np.inf)

    def curves(t):
        found = model.learning_curves(2.0 * t if wrong == "time" else t)
        # A loss divided by p for d, say, begins elsewhere; a test loss below the noise floor.
        return (
            found.train * (1.0 + 1e-6 * (wrong == "train")),
            found.test - (1.0 if wrong == "test" else 0.0),
        )

    assert names(invariants.check_learning_curves(model.learning_curves, model, tau)) == set()
    assert names(invariants.check_learning_curves(curves, model, tau)) != set()


LAW = rs.SampleCovariance(0.5, rs.PopulationSpectrum([0.5, 2.0])).spectrum()
PLACES = np.linspace(LAW.support.min(), LAW.support.max(), 3)


@pytest.mark.parametrize(
    ("average", "name"),
    [
        (lambda f: 1.01 * LAW.integrate(f), "average of 1"),
        (lambda f: LAW.integrate(f) ** 3, "averages are linear"),
        (lambda f: 9.0 * LAW.integrate(f), "average within the range"),
        (lambda f: f(PLACES) @ [-0.25, 1.5, -0.25], "Jensen: (average)^2 <= average of squares"),
        (lambda f: f(PLACES) @ [-0.25, 1.25, 0.0], "Cauchy-Schwarz"),
        (lambda f: LAW.integrate(lambda x: f(1.01 * x)), "average of 1/(x - z) = g"),
    ],
)
def test_averages_that_are_none_are_found(average, name):
    right = invariants.check_linear_statistic(LAW.integrate, LAW.support, stieltjes=LAW.stieltjes)
    assert names(right) == set()
    found = invariants.check_linear_statistic(average, LAW.support, stieltjes=LAW.stieltjes)
    assert name in names(found)


def test_root_of_an_equation_is_told_from_its_neighbourhood_and_from_the_other_root():
    def root(z, sign=1.0):
        return 0.5 * (sign * np.sqrt(z - 2.0) * np.sqrt(z + 2.0) - z)

    def equation(x, z):
        return x**2 + z * x + 1.0

    z = [1j, 2.0 + 0.1j]
    assert names(invariants.check_equation(equation, root, z)) == set()
    near = invariants.check_equation(equation, lambda z: root(z) * (1.0 + 1e-6), z)
    assert names(near) == {"Newton's step at the solution"}
    assert names(invariants.check_equation(equation, lambda z: root(z, -1.0), z)) == {"Im x > 0"}


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: invariants.check_curve(loss, [1.0, 0.5]), "tau"),
        (lambda: invariants.check_curve([1.0], TAU), "loss"),
        (lambda: invariants.check_curve(loss, TAU, atol=0.0), "atol"),
        (lambda: invariants.check_linear_statistic(1.0, [0.0, 1.0]), "statistic"),
        (lambda: invariants.check_equation(1.0, loss, [1j]), "equation"),
        (lambda: invariants.check_equation(lambda x, z: x, loss, [1.0]), "z"),
    ],
)
def test_arguments_out_of_range_are_refused_by_name(call, name):
    with pytest.raises((TypeError, ValueError), match=rf"^{name} must"):
        call()
