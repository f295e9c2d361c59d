"""Moments of an activation by type, class and noise level, and the rules over what neurons draw."""

import math

import numpy as np
import pytest

from rmtspec.inputs.activation import gaussian_equivalence, resolve
from rmtspec.inputs.gaussian.channels import channel_moments
from rmtspec.inputs.gaussian.nodes import normal_nodes, uniform_nodes


def of_one(name, t, variance):
    spread, blur = math.exp(-t) * math.sqrt(variance), math.sqrt(-math.expm1(-2.0 * t))
    return channel_moments(
        resolve(name).function, np.zeros((1, 1, 1)), np.array([[spread]]), np.array([blur])
    )


@pytest.mark.parametrize("name", ["tanh", "erf", "relu", "sign", "gelu", "leaky_relu", "sine"])
@pytest.mark.parametrize(("t", "variance"), [(0.1, 1.0), (1e-4, 2.0), (1.0, 0.3)])
def test_one_neuron_has_the_moments_of_the_closed_forms(name, t, variance):
    known, found = gaussian_equivalence(name, t, variance), of_one(name, t, variance)
    # Sums of positive terms on both sides: rounding only, 1e-13 with a margin of five.
    close = {"rtol": 1e-13}
    np.testing.assert_allclose(found.mean, known.mean, atol=1e-15)
    np.testing.assert_allclose(found.signal / math.sqrt(variance), known.c, **close)
    np.testing.assert_allclose(found.noise, known.b, **close)
    np.testing.assert_allclose(found.kernel, known.v**2, **close)
    np.testing.assert_allclose(found.floor, known.s**2, **close)


@pytest.mark.parametrize("name", ["tanh", "relu"])
def test_slopes_are_derivatives_of_the_mean_by_steins_lemma(name):
    spread, blur = np.array([[0.9, 0.5]]), np.array([0.4, 0.8])
    centre, step = np.array([[[0.3, -0.7]]]), 1e-5

    def moments(shift):
        return channel_moments(resolve(name).function, centre + shift, spread, blur)

    at = moments(0.0)
    slope = (moments(step).mean - moments(-step).mean) / (2.0 * step)
    # Central differences: step² of the third derivative, and rounding/step.
    np.testing.assert_allclose(at.signal, spread * slope, rtol=1e-8)
    np.testing.assert_allclose(at.noise, blur * slope, rtol=1e-8)
    curvature = (moments(step).noise - moments(-step).noise) / (2.0 * step)
    np.testing.assert_allclose(at.bend_noise, 0.5 * blur * curvature, rtol=1e-7)
    np.testing.assert_allclose(at.bend_mixed, spread * curvature, rtol=1e-7)
    np.testing.assert_allclose(at.bend_signal, 0.5 * spread**2 / blur * curvature, rtol=1e-7)


@pytest.mark.parametrize("name", ["tanh", "relu"])
def test_parts_add_up_to_the_second_moment(name):
    function = resolve(name).function
    centre, spread, blur = np.full((2, 1, 1), 0.4), np.array([[0.7]]), np.array([0.6])
    at = channel_moments(function, centre, spread, blur)
    z, w = np.polynomial.hermite_e.hermegauss(150)
    total = w @ function(0.4 + math.hypot(0.7, 0.6) * z) ** 2 / math.sqrt(2.0 * math.pi)
    parts = at.mean**2 + at.signal**2 + at.noise**2 + at.kernel[..., 0] + at.floor
    # Gauss-Hermite at a kink: 150 nodes leave 1e-4.
    np.testing.assert_allclose(parts, total, rtol=1e-12 if name == "tanh" else 1e-3)


def test_levels_that_are_equal_have_a_kernel_of_rank_one():
    at = channel_moments(np.tanh, np.full((1, 1, 2), 0.2), np.full((1, 2), 0.8), np.full(2, 0.5))
    np.testing.assert_allclose(at.kernel[0, 0], at.kernel[0, 0, 0, 0], rtol=1e-14)


def test_rules_integrate_polynomials():
    nodes, weights = normal_nodes(6, 2)
    assert weights.sum() == pytest.approx(1.0, abs=1e-15)
    # Weights below 1e-9 are dropped: at most a few of them here.
    assert weights @ nodes[:, 0] ** 4 == pytest.approx(3.0, rel=1e-6)
    assert weights @ (nodes[:, 0] * nodes[:, 1]) ** 2 == pytest.approx(1.0, rel=1e-6)
    assert normal_nodes(5, 0)[0].shape == (1, 0)
    t, shares = uniform_nodes(0.5, 2.0, 4)
    assert shares @ t**7 == pytest.approx((2.0**8 - 0.5**8) / (8 * 1.5), rel=1e-14)
