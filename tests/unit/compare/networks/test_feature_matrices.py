"""The noise average of finite feature matrices, against quadrature and against sampled noise."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special
from scipy.integrate import quad

from rmtspec.compare.networks.feature_matrices import gaussian_equivalent, true_features
from rmtspec.compare.networks.noise_moments import noise_average
from rmtspec.inputs.activation import resolve
from validation.spectra.draws import stieltjes

FUNCTIONS = {
    "tanh": np.tanh,
    "erf": special.erf,
    "relu": lambda x: np.maximum(x, 0.0),
    "silu": lambda x: x * special.expit(x),
}
SMOOTH = ("tanh", "erf", "silu")


def _data(
    neurons: int, samples: int, dimension: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rng = np.random.default_rng(5)
    return rng.standard_normal((neurons, dimension)), rng.standard_normal((samples, dimension))


def _exact_pairs(
    w: NDArray[np.float64], x: NDArray[np.float64], t: float, activation: str
) -> NDArray[np.float64]:
    """U by Gauss-Hermite quadrature over the two noises of every pair (smooth activations)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    weights = weights / weights.sum()
    f, dimension = FUNCTIONS[activation], w.shape[1]
    noise = math.sqrt(-math.expm1(-2.0 * t) / dimension)
    means = math.exp(-t) * (w @ x.T) / math.sqrt(dimension)
    result = np.empty((len(w), len(w)))
    for i in range(len(w)):
        for j in range(len(w)):
            size = np.linalg.norm(w[i]), np.linalg.norm(w[j])
            c = min(float(w[i] @ w[j]) / (size[0] * size[1]), 1.0)
            other = c * nodes[:, None] + math.sqrt(max(1.0 - c * c, 0.0)) * nodes[None, :]
            total = 0.0
            for nu in range(len(x)):
                first = weights @ (
                    f(means[i, nu] + noise * size[0] * nodes)
                    * (f(means[j, nu] + noise * size[1] * other) @ weights)
                )
                total += float(first)
            result[i, j] = total / len(x)
    return result


@pytest.mark.parametrize("activation", SMOOTH)
@pytest.mark.parametrize("t", [0.05, 1.0])
def test_mehler_sum_equals_quadrature_within_its_own_bound(activation: str, t: float) -> None:
    w, x = _data(4, 3, 12)
    exact = _exact_pairs(w, x, t, activation)
    for order in (1, 3, 7):
        found = true_features(w, x, t, activation, order=order)
        difference = float(np.linalg.norm(found.matrix - exact))
        # 1e-8 is the error of the trapezoidal rule for tanh, see tanh_moments.
        assert difference <= found.truncation + 2e-8
    # The bound is not idle: cut at the linear term it misses by more than at order 7.
    coarse = true_features(w, x, t, activation, order=1)
    assert np.linalg.norm(coarse.matrix - exact) > 10.0 * difference
    assert coarse.truncation < 100.0 * np.linalg.norm(coarse.matrix - exact)


@pytest.mark.parametrize("activation", sorted(FUNCTIONS))
def test_mehler_sum_equals_the_average_over_sampled_noise(activation: str) -> None:
    w, x = _data(5, 2, 30)
    t, mean, count = 0.3, 0.2, 200_000
    found = true_features(w, x, t, activation, mean=mean, block=1).matrix
    rng = np.random.default_rng(6)
    total, square = np.zeros((5, 5)), np.zeros((5, 5))
    for row in x:
        noisy = math.exp(-t) * row + math.sqrt(-math.expm1(-2 * t)) * rng.standard_normal(
            (count, 30)
        )
        phi = FUNCTIONS[activation](noisy @ w.T / math.sqrt(30)) - mean
        total += phi.T @ phi / (count * len(x))
        square += (phi**2).T @ phi**2 / (count * len(x))
    error = np.sqrt((square - total**2) / (count * len(x)))
    # Twenty-five entries: 4.5 standard errors is exceeded once in 6000 such tests.
    assert np.max(np.abs(found - total) / error) < 4.5


@pytest.mark.parametrize("activation", sorted(FUNCTIONS))
def test_conditional_moments_satisfy_parseval(activation: str) -> None:
    u, omega = np.meshgrid(np.linspace(-3.0, 3.0, 7), np.array([0.1, 0.5, 1.0]))
    moments, second = noise_average(activation, u, omega).moments(u, omega, 30)
    rest = second - np.sum(moments**2, axis=0)
    # The squares sum up to the second moment from below; the kink of relu leaves a tail k^(-5/2).
    assert np.min(rest) > -1e-7
    assert np.max(rest) < (2e-3 if activation == "relu" else 2e-6)


@pytest.mark.parametrize("activation", ["sign", "leaky_relu", "centred_relu", "gelu", "hermite3"])
def test_moments_of_every_kind_of_activation_are_their_integrals(activation: str) -> None:
    function = resolve(activation)
    for u, omega in ((0.3, 0.7), (-1.2, 0.2)):
        at = np.array([u]), np.array([omega])
        average = noise_average(activation, *at)
        moments, second = average.moments(*at, 5)

        def integral(f: Callable[[float], float]) -> float:
            kink = -u / omega  # noqa: B023
            return sum(
                quad(lambda g: f(g) * math.exp(-0.5 * g * g), a, b, epsabs=1e-12, limit=200)[0]
                for a, b in ((-12.0, kink), (kink, 12.0))
            ) / math.sqrt(2.0 * math.pi)

        hermite = np.polynomial.hermite_e.HermiteE
        for k in range(6):
            basis = hermite.basis(k)
            expected = integral(lambda g: float(function(u + omega * g)) * basis(g))  # noqa: B023
            scale = math.sqrt(second[0])
            allowed = 1e-10 + average.error * scale
            assert abs(moments[k, 0] - expected / math.sqrt(math.factorial(k))) < allowed
        square = integral(lambda g: float(function(u + omega * g)) ** 2)  # noqa: B023
        assert abs(second[0] - square) < 1e-10 + average.error * square


def test_gaussian_equivalent_of_linear_features_is_a_sample_covariance() -> None:
    w, x = _data(4, 3, 6)
    matrix = gaussian_equivalent(w, x, np.zeros((4, 3)), c=2.0, b=0.0, v=0.0, s=0.0)
    np.testing.assert_allclose(matrix, 4.0 * (w @ x.T) @ (x @ w.T) / 18, rtol=1e-13)
    shifted = gaussian_equivalent(w, x, np.ones((4, 3)), c=0.0, b=3.0, v=2.0, s=0.5)
    np.testing.assert_allclose(shifted, 4.0 + 9.0 * w @ w.T / 6 + 0.25 * np.eye(4), rtol=1e-13)


def test_stieltjes_transform_of_one_eigenvalue_is_a_pole() -> None:
    z = np.array([1.0 + 1.0j, -2.0])
    np.testing.assert_allclose(stieltjes(np.array([3.0]), z), 1.0 / (3.0 - z), rtol=1e-15)
