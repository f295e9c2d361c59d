"""Identities of the Gaussian equivalence over random activations, times and variances."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rmtspec.inputs.activation import gaussian_equivalence, resolve
from rmtspec.inputs.gaussian import moments as gaussian

EPS = float(np.finfo(float).eps)
NAMES = ["tanh", "erf", "relu", "centred_relu", "sign", "sine", "softplus", "gelu"]
NAMES += ["sigmoid", "leaky_relu", "silu", "cosine"]
NAMES += ["linear", "hermite2", "hermite3", "hermite4", "hermite5"]

names = st.sampled_from(NAMES)
times = st.floats(-8.0, math.log10(20.0)).map(lambda x: 10.0**x)
variances = st.floats(-4.0, 3.0).map(lambda x: 10.0**x)
moderate_times = st.floats(0.01, 2.0)
moderate_variances = st.floats(0.1, 10.0)


def _average(values: np.ndarray, z: np.ndarray) -> float:
    weight = np.exp(-(z**2) / 2.0)
    return float(np.sum(weight * values) / np.sum(weight))


@given(names, times, variances)
def test_linear_parts_add_up_to_the_first_hermite_coefficient(
    name: str, t: float, variance: float
) -> None:
    k = gaussian_equivalence(name, t, variance)
    # Both sides round three times.
    assert k.c**2 * variance + k.b**2 == pytest.approx((k.a * k.gamma) ** 2, rel=20 * EPS)


@given(names, moderate_times, moderate_variances)
def test_all_parts_add_up_to_the_second_moment_of_the_activation(
    name: str, t: float, variance: float
) -> None:
    k = gaussian_equivalence(name, t, variance)
    parts = k.c**2 * variance + k.b**2 + k.v**2 + k.s**2 + k.mean**2
    assert parts == pytest.approx(k.second_moment, rel=20 * EPS)
    # An origin half a step aside makes the trapezoidal rule right to h² at the kink and the jump.
    z = (np.arange(-30000, 30000) + 0.5) * 4e-4
    direct = _average(resolve(name)(k.gamma * z) ** 2, z)
    assert k.second_moment == pytest.approx(direct, rel=1e-6)


@given(names, times, variances)
def test_parts_are_not_negative(name: str, t: float, variance: float) -> None:
    k = gaussian_equivalence(name, t, variance)
    assert min(k.v, k.s, k.second_moment, k.error) >= 0.0


@given(names, times, times)
def test_signal_turns_into_noise_as_time_passes(name: str, first: float, second: float) -> None:
    """At unit variance Γ = 1 at all times: v² + s² is constant, v² falls, s² rises."""
    first, second = min(first, second), max(first, second)
    early, late = gaussian_equivalence(name, first), gaussian_equivalence(name, second)
    assert late.v**2 + late.s**2 == pytest.approx(early.v**2 + early.s**2, rel=40 * EPS)
    assert late.v <= early.v * (1.0 + 20 * EPS)
    assert late.s >= early.s * (1.0 - 20 * EPS)


@given(names, times, variances)
def test_signal_is_at_most_the_square_of_the_correlation(
    name: str, t: float, variance: float
) -> None:
    k = gaussian_equivalence(name, t, variance)
    rho = math.exp(-2.0 * t) * variance / k.gamma**2
    # Σ p_k ϱ^k <= ϱ² Σ p_k and Σ p_k (1-ϱ^k) >= (1-ϱ²) Σ p_k over k >= 2.
    nonlinear = k.v**2 + k.s**2
    assert k.v**2 <= rho**2 * nonlinear * (1.0 + 50 * EPS)
    loss = k.delta / k.gamma**2 * (1.0 + rho)
    assert k.s**2 >= loss * nonlinear * (1.0 - 50 * EPS)


@settings(max_examples=60)
@given(names, times, variances)
def test_closed_form_and_quadrature_agree_within_the_estimate(
    name: str, t: float, variance: float
) -> None:
    exact = gaussian_equivalence(name, t, variance)
    found = gaussian_equivalence(resolve(name).function, t, variance, rtol=1.0)
    whole = math.sqrt(exact.second_moment - exact.mean**2) / exact.gamma
    bound = found.error + exact.error
    assert found.v == pytest.approx(exact.v, rel=bound, abs=0.0)
    assert found.s == pytest.approx(exact.s, rel=bound, abs=0.0)
    assert found.a == pytest.approx(exact.a, rel=bound, abs=bound * whole)


@settings(max_examples=25)
@given(
    st.sampled_from(["tanh", "relu", "sine", "gelu"]),
    moderate_times,
    moderate_variances,
    st.floats(-3.0, 3.0),
    st.floats(-2.0, 2.0),
    st.floats(0.1, 10.0),
)
def test_constants_move_the_mean_lines_the_slope_and_factors_everything(
    name: str, t: float, variance: float, constant: float, line: float, factor: float
) -> None:
    sigma = resolve(name).function
    plain = gaussian_equivalence(name, t, variance)
    moved = gaussian_equivalence(
        lambda x: factor * (sigma(x) + line * x + constant), t, variance, rtol=1.0
    )
    size = factor * (1.0 + abs(line) + abs(constant))
    # Ten roundings of a function of this size, seen on the scale of each coefficient.
    slack = 10 * EPS * size
    assert moved.v == pytest.approx(factor * plain.v, rel=1e-11, abs=slack)
    assert moved.s == pytest.approx(factor * plain.s, rel=1e-11, abs=slack)
    assert moved.a == pytest.approx(factor * (plain.a + line), rel=1e-11, abs=slack / plain.gamma)
    assert moved.mean == pytest.approx(
        factor * (plain.mean + constant), rel=1e-11, abs=slack * plain.gamma
    )


@settings(max_examples=25)
@given(st.floats(0.2, 20.0), times, variances)
def test_steeper_argument_is_the_same_as_a_narrower_blur(
    steepness: float, t: float, variance: float
) -> None:
    """tanh(kx) = E sign(x + κη/k): the mixture with variances κ²/k²."""
    square, weight = gaussian.kolmogorov_mixture()
    pair = gaussian.Noising.of(math.exp(-2.0 * t), -math.expm1(-2.0 * t), variance)
    exact = gaussian.blurred_sign(square / steepness**2, weight, pair)
    found = gaussian_equivalence(lambda x: np.tanh(steepness * x), t, variance, rtol=1.0)
    bound = 2.0 * found.error + 20 * EPS
    assert found.a == pytest.approx(exact.slope, rel=bound)
    assert found.v**2 == pytest.approx(exact.signal_square, rel=bound, abs=0.0)
    assert found.s**2 == pytest.approx(exact.noise_square, rel=bound, abs=0.0)


@given(times, variances, st.floats(0.01, 100.0))
def test_rectifier_and_sign_know_no_scale(t: float, variance: float, factor: float) -> None:
    """(kx)₊ = k x₊ and sign kx = sign x, so only ϱ and Γ enter, as a power."""
    pair = gaussian.Noising.of(math.exp(-2.0 * t), -math.expm1(-2.0 * t), variance)
    scaled = gaussian.Noising(
        pair.signal * factor, pair.delta * factor, pair.signal * factor + pair.delta * factor - 1.0
    )
    point = np.zeros(1), np.ones(1)
    ramp, wide = (gaussian.blurred_ramp(*point, p) for p in (pair, scaled))
    step, same = (gaussian.blurred_sign(*point, p) for p in (pair, scaled))
    # The correlation of the scaled pair rounds; v² and s² depend on it with condition O(1).
    assert wide.noise_square == pytest.approx(factor * ramp.noise_square, rel=40 * EPS)
    assert wide.signal_square == pytest.approx(factor * ramp.signal_square, rel=40 * EPS, abs=0.0)
    assert same.noise_square == pytest.approx(step.noise_square, rel=40 * EPS)
    assert same.signal_square == pytest.approx(step.signal_square, rel=40 * EPS, abs=0.0)


@settings(max_examples=30)
@given(st.lists(st.floats(-2.0, 2.0), min_size=2, max_size=12), moderate_times, moderate_variances)
def test_hermite_series_match_their_own_quadrature(
    coefficients: list[float], t: float, variance: float
) -> None:
    series = gaussian_equivalence(coefficients, t, variance, rtol=10.0)
    assume(series.v > 1e-6)
    z = np.linspace(-16.0, 16.0, 1601)
    values = resolve(coefficients)(series.gamma * z)
    size = math.sqrt(series.second_moment)
    # The trapezoidal rule is exact for polynomials times the normal density at this step.
    assert series.mean == pytest.approx(_average(values, z), abs=1e-12 * size)
    assert series.a * series.gamma == pytest.approx(_average(z * values, z), abs=1e-12 * size)
    rest = values - series.mean - series.a * series.gamma * z
    assert series.v**2 + series.s**2 == pytest.approx(_average(rest**2, z), abs=1e-12 * size**2)
