"""Limits, closed forms, rejected arguments and warnings of the Gaussian equivalence."""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rmtspec.inputs.activation import Coefficients, gaussian_equivalence, resolve
from rmtspec.result import ConvergenceWarning

EPS = float(np.finfo(float).eps)
NAMES = ["tanh", "erf", "relu", "centred_relu", "sign", "sine", "softplus", "gelu", "linear"]
NAMES += ["hermite2", "hermite3", "hermite7", "sigmoid", "leaky_relu", "cosine"]


def _delta(t: float) -> float:
    return -math.expm1(-2.0 * t)


def test_tanh_at_small_time_has_the_published_constants() -> None:
    k = gaussian_equivalence("tanh", 0.01)
    assert k.a**2 == pytest.approx(0.3668791644, abs=1e-10)
    assert k.v**2 == pytest.approx(2.5541776e-2, abs=5e-10)
    assert k.s**2 == pytest.approx(1.8735496e-3, abs=5e-11)


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("sigmoid", lambda x: 0.5 * (1.0 + np.tanh(0.5 * x))),
        ("silu", lambda x: 0.5 * x * (1.0 + np.tanh(0.5 * x))),
        ("swish", lambda x: 0.5 * x * (1.0 + np.tanh(0.5 * x))),
        ("leaky_relu", lambda x: np.maximum(x, 0.01 * x)),
        ("cos", np.cos),
    ],
)
@pytest.mark.parametrize(("t", "variance"), [(1e-3, 1.0), (0.1, 4.0), (1.0, 0.5), (5.0, 2.0)])
def test_names_mean_the_functions_they_say(
    name: str, function: Callable[[Any], Any], t: float, variance: float
) -> None:
    named, integrated = (gaussian_equivalence(f, t, variance) for f in (name, function))
    for part in ("a", "v", "s", "mean", "second_moment"):
        # rounding of 1 + tanh far left of 0, and quadrature of a kink
        assert getattr(named, part) == pytest.approx(getattr(integrated, part), rel=1e-9, abs=1e-15)


def test_coefficients_carry_the_roots_and_the_scales() -> None:
    t, variance = 0.3, 2.5
    k = gaussian_equivalence("tanh", t, variance)
    assert k.delta == pytest.approx(1.0 - math.exp(-0.6), rel=4 * EPS)
    assert k.gamma == pytest.approx(math.sqrt(math.exp(-0.6) * variance + k.delta), rel=4 * EPS)
    assert k.c == pytest.approx(math.exp(-t) * k.a, rel=4 * EPS)
    assert k.b == pytest.approx(math.sqrt(k.delta) * k.a, rel=4 * EPS)


def test_slope_is_the_first_hermite_coefficient_over_gamma_not_over_one() -> None:
    # At Γ = 1 the two agree; E tanh'(2z), by the trapezoidal rule, is what a must be at t = 0.
    z = np.arange(-9.0, 9.0, 0.02)
    slope = np.sum(np.exp(-(z**2) / 2.0) / np.cosh(2.0 * z) ** 2) * 0.02 / math.sqrt(2.0 * math.pi)
    assert gaussian_equivalence("tanh", 0.0, 4.0).a == pytest.approx(slope, rel=1e-13)


@pytest.mark.parametrize("t", [1e-8, 1e-6])
def test_relu_noise_is_a_quarter_of_delta_at_small_time(t: float) -> None:
    k = gaussian_equivalence("relu", t)
    # s² = Δ/4 - O(Δ^(3/2)): E σ'² - a² = 1/2 - 1/4.
    assert k.s**2 == pytest.approx(_delta(t) / 4.0, rel=math.sqrt(_delta(t)))
    assert k.s**2 < _delta(t) / 4.0


def test_noise_at_small_time_is_the_variance_of_the_slope_times_delta() -> None:
    t = 1e-8
    k = gaussian_equivalence("sine", t, 2.0)
    # E cos²(Γz) - (E cos Γz)², Γ² = 2 up to t; the next order is relative O(Δ).
    variance = 0.5 * (1.0 + math.exp(-4.0)) - math.exp(-2.0)
    assert k.s**2 == pytest.approx(_delta(t) * variance, rel=10.0 * t)


def test_noise_of_a_jump_falls_like_the_root_of_delta() -> None:
    early, late = (gaussian_equivalence("sign", t).s ** 2 for t in (1e-10, 1e-8))
    # (2/π)(θ - θ²/2 + ...), θ = √(2Δ): the ratio of the leading terms is 10 to relative O(θ).
    assert late / early == pytest.approx(10.0, rel=2e-4)


@pytest.mark.parametrize(
    ("name", "order", "coefficient"),
    # α_2²/2 of relu at Γ = 1 is 1/(4π); α_3²/6 of sine is e^(-1)/6.
    [("relu", 2, 1.0 / (4.0 * math.pi)), ("sine", 3, math.exp(-1.0) / 6.0)],
)
def test_signal_at_large_time_is_its_first_hermite_term(
    name: str, order: int, coefficient: float
) -> None:
    rho = math.exp(-40.0)
    assert gaussian_equivalence(name, 20.0).v ** 2 == pytest.approx(
        coefficient * rho**order, rel=50 * EPS
    )


@pytest.mark.parametrize("variance", [0.0, 1e-4, 1.0, 50.0])
def test_linear_activation_has_neither_signal_nor_noise(variance: float) -> None:
    k = gaussian_equivalence("linear", 0.3, variance)
    assert (k.a, k.v, k.s, k.mean) == (1.0, 0.0, 0.0, 0.0)
    assert k.second_moment == pytest.approx(k.gamma**2, rel=4 * EPS)


def test_cubic_polynomial_is_expanded_at_the_scale_of_its_argument() -> None:
    kappa, t, variance = 0.2, 0.4, 3.0
    k = gaussian_equivalence((0.0, 1.0, 0.0, kappa), t, variance)
    total = k.gamma**2
    rho = math.exp(-2.0 * t) * variance / total
    assert k.a == pytest.approx(1.0 + 3.0 * kappa * (total - 1.0), rel=20 * EPS)
    assert k.v**2 == pytest.approx(6.0 * kappa**2 * total**3 * rho**3, rel=50 * EPS)
    assert k.s**2 == pytest.approx(6.0 * kappa**2 * total**3 * (1.0 - rho**3), rel=50 * EPS)


@pytest.mark.parametrize("name", NAMES)
def test_constant_data_leaves_no_shared_nonlinearity(name: str) -> None:
    k = gaussian_equivalence(name, 0.5, 0.0)
    assert k.v == 0.0
    assert k.second_moment == pytest.approx(k.mean**2 + (k.a * k.gamma) ** 2 + k.s**2, rel=10 * EPS)


@pytest.mark.parametrize("name", NAMES)
def test_zero_time_leaves_no_noise(name: str) -> None:
    k = gaussian_equivalence(name, 0.0, 2.0)
    assert (k.b, k.s, k.delta) == (0.0, 0.0, 0.0)
    # All that noise takes away at t > 0 was signal at the same Γ; s² <= O(√Δ).
    assert k.v == pytest.approx(gaussian_equivalence(name, 1e-14, 2.0).v, rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_named_activation_and_its_function_are_the_same(name: str) -> None:
    activation = resolve(name)
    by_name = gaussian_equivalence(name, 0.2, 1.5)
    by_function = gaussian_equivalence(activation.function, 0.2, 1.5)
    assert by_function.v == pytest.approx(by_name.v, rel=1e-11)
    assert by_function.s == pytest.approx(by_name.s, rel=1e-11)
    assert by_function.a == pytest.approx(by_name.a, rel=1e-11, abs=1e-13)
    assert by_function.mean == pytest.approx(by_name.mean, rel=1e-11, abs=1e-13)
    assert gaussian_equivalence(pickle.loads(pickle.dumps(activation)), 0.2, 1.5) == by_name


def test_names_with_two_spellings_mean_one_thing() -> None:
    assert resolve("sin") == resolve("sine")
    assert gaussian_equivalence("linear", 0.1) == gaussian_equivalence("hermite1", 0.1)
    assert resolve(resolve("gelu")) is resolve("gelu")


def test_hermite_names_are_probabilists_polynomials_of_x() -> None:
    x = np.array([-1.5, 0.0, 0.5, 2.0])
    np.testing.assert_allclose(resolve("hermite2")(x), x**2 - 1.0, rtol=4 * EPS)
    np.testing.assert_allclose(resolve("hermite3")(x), x**3 - 3.0 * x, rtol=4 * EPS)


def test_rectifier_mean_is_reported_apart_and_moves_nothing_else() -> None:
    plain = gaussian_equivalence("relu", 0.1, 3.0)
    centred = gaussian_equivalence("centred_relu", 0.1, 3.0)
    assert plain.mean == pytest.approx(plain.gamma / math.sqrt(2.0 * math.pi), rel=4 * EPS)
    shift = 1.0 / math.sqrt(2.0 * math.pi)
    assert centred.mean == pytest.approx(plain.mean - shift, rel=20 * EPS)
    assert (centred.a, centred.v, centred.s) == (plain.a, plain.v, plain.s)
    assert gaussian_equivalence("centred_relu", 0.1, 1.0).mean == 0.0


def test_mean_feature_adds_one_eigenvalue_of_order_p() -> None:
    """The finite Gaussian kernel matrix E φφᵀ of relu neurons has p α_0² + O(1) at its top."""
    rng = np.random.default_rng(5)
    p, d, t = 400, 200, 0.5
    k = gaussian_equivalence("relu", t)
    w = rng.standard_normal((p, d))
    norms = np.linalg.norm(w, axis=1)
    cosine = np.clip(w @ w.T / np.outer(norms, norms), -1.0, 1.0)
    angle = np.arccos(cosine)
    kernel = np.outer(norms, norms) / d / (2.0 * math.pi)
    kernel *= np.sin(angle) + (math.pi - angle) * cosine
    top = np.linalg.eigvalsh(kernel)[-2:]
    # O(1) here is at most ‖E φφᵀ‖ without the mean, (v² + s²) + a² (1 + √(p/d))² < 2.
    assert abs(top[1] - p * k.mean**2) < 2.0
    assert top[0] < 2.0


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (math.tanh, "tanh"),
        (lambda x: x if x > 0 else 0.0, "relu"),
        (lambda x: np.maximum(x, 0.0, out=x), "relu"),
        (lambda x: 2 * (x > 0) - 1, "sign"),
        (lambda x: 1e200 * 1e-200 * np.sin(x), "sine"),
    ],
    ids=["scalar", "conditional", "in place", "integers", "lambda"],
)
def test_callables_of_every_kind_are_understood(function: Callable[[Any], Any], name: str) -> None:
    found, expected = gaussian_equivalence(function, 0.1), gaussian_equivalence(name, 0.1)
    for quantity in ("a", "v", "s"):
        value, exact = getattr(found, quantity), getattr(expected, quantity)
        assert value == pytest.approx(exact, rel=found.error)


@pytest.mark.parametrize("offset", [0.0, 0.5])
def test_parity_keeps_the_first_odd_term_where_even_rounding_would_drown_it(offset: float) -> None:
    # At ϱ = e^(-80) a coefficient α_2 of 1e-17 would outweigh α_3² ϱ³ by 1e-34/ϱ = 10 or more.
    exact = gaussian_equivalence("tanh", 40.0)
    found = gaussian_equivalence(lambda x: np.tanh(x) + offset, 40.0)
    assert found.v == pytest.approx(exact.v, rel=1e-12, abs=0.0)


def test_signal_below_the_rounding_of_lower_coefficients_is_warned_of() -> None:
    # v² = α_4² ϱ⁴/24 + ... of a function without parity: the rounding of α_2 comes in as ϱ².
    with pytest.warns(ConvergenceWarning):
        k = gaussian_equivalence(lambda x: x**4 - 6.0 * x**2 + 3.0 + x, 20.0)
    assert k.error > 1.0


def test_jump_off_the_origin_is_found_and_integrated() -> None:
    """C(ϱ) of a step at h is Owen's: dC/dϱ = exp(-h²/(1+ϱ))/(2π √(1-ϱ²)), at Γ = 1."""
    h, t = 0.3, 0.01
    k = gaussian_equivalence(lambda x: np.where(x > h, 1.0, 0.0), t)
    nodes, weights = np.polynomial.legendre.leggauss(60)
    # ϱ = sin θ removes the root; both integrals are of smooth functions of θ.
    top = math.asin(math.exp(-2.0 * t))

    def integral(low: float, high: float) -> float:
        theta = 0.5 * (low + high) + 0.5 * (high - low) * nodes
        inner = np.exp(-(h**2) / (1.0 + np.sin(theta))) / (2.0 * math.pi)
        return float(0.5 * (high - low) * (weights @ inner))

    linear = math.exp(-(h**2)) / (2.0 * math.pi)
    rho = math.exp(-2.0 * t)
    assert k.a == pytest.approx(math.sqrt(linear), rel=1e-12)
    assert k.v**2 == pytest.approx(integral(0.0, top) - rho * linear, rel=1e-12)
    noise = integral(top, 0.5 * math.pi) - (1.0 - rho) * linear
    assert k.s**2 == pytest.approx(noise, rel=1e-12)


def test_root_singularity_is_integrated_to_its_estimate() -> None:
    """α_k of √|x| at Γ = 1 are moments of |z|: C = Σ α_k² ϱ^k/k! converges at t = 0.5."""
    t = 0.5
    k = gaussian_equivalence(lambda x: np.sqrt(np.abs(x)), t)
    rho, signal, total = math.exp(-2.0 * t), 0.0, 0.0
    # E √|z| He_k(z) = √2^½ Γ(3/4)/√π · Π_{j<k, j even} (1/2 - j), by k-fold integration by parts.
    alpha = 2.0**0.25 * math.gamma(0.75) / math.sqrt(math.pi)
    total = math.sqrt(2.0 / math.pi) - alpha**2
    for order in range(2, 120, 2):
        alpha *= 0.5 - (order - 2)
        signal += alpha**2 / math.factorial(order) * rho**order
    assert k.v**2 == pytest.approx(signal, rel=1e-12)
    assert k.s**2 == pytest.approx(total - signal, rel=1e-12)


def test_exponential_growth_is_followed_into_the_tail() -> None:
    variance, t = 9.0, 0.2
    k = gaussian_equivalence(np.exp, t, variance)
    # E e^X e^X' = e^(Γ²(1+ϱ)), so α_k²/k! = e^(Γ²) Γ^(2k)/k!.
    total, signal = k.gamma**2, math.exp(-2.0 * t) * variance
    assert k.a == pytest.approx(math.exp(0.5 * total), rel=1e-13)
    assert k.v**2 == pytest.approx(math.exp(total) * (math.expm1(signal) - signal), rel=1e-13)


@pytest.mark.parametrize("scale", [1e-200, 1e-10, 1e100])
def test_callables_of_any_size_are_integrated(scale: float) -> None:
    k, unit = (
        gaussian_equivalence(lambda x: scale * np.tanh(x), 0.1),
        gaussian_equivalence("tanh", 0.1),
    )
    assert k.s == pytest.approx(scale * unit.s, rel=1e-12, abs=0.0)


@pytest.mark.parametrize("constant", [lambda x: 1.5, lambda x: 1.5 + 0.0 * x])
def test_constants_have_a_mean_and_nothing_else(constant: Callable[[Any], Any]) -> None:
    k = gaussian_equivalence(constant, 0.1)
    assert (k.a, k.b, k.c, k.v, k.s) == (0.0, 0.0, 0.0, 0.0, 0.0)
    assert k.mean == pytest.approx(1.5, rel=1e-14)
    assert gaussian_equivalence(lambda x: 0.0 * x, 0.1).second_moment == 0.0


def test_single_precision_is_admitted_and_warned_of() -> None:
    with pytest.warns(ConvergenceWarning, match="exceeds rtol"):
        k = gaussian_equivalence(lambda x: np.tanh(np.float32(x)), 0.01)
    exact = gaussian_equivalence("tanh", 0.01)
    assert abs(k.s / exact.s - 1.0) <= k.error


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.sin(1e4 * x),
        lambda x: np.sin(1.0 / (np.abs(x) + 1e-3)),
        lambda x: np.round(np.tanh(x), 4),
    ],
)
def test_unresolved_callables_are_warned_of(function: Callable[[Any], Any]) -> None:
    with pytest.warns(ConvergenceWarning):
        k = gaussian_equivalence(function, 1e-6)
    assert k.error > 1e-9


def test_tolerance_of_the_warning_is_the_callers() -> None:
    gaussian_equivalence("tanh", 0.1)
    with pytest.warns(ConvergenceWarning):
        gaussian_equivalence("tanh", 0.1, rtol=1e-16)


@pytest.mark.parametrize(
    ("activation", "t", "variance", "message"),
    [
        ("tahn", 0.1, 1.0, r"activation must be one of tanh, erf.*got 'tahn'"),
        ("hermite101", 0.1, 1.0, r"hermite0 to hermite100, got 'hermite101'"),
        ("hermite-2", 0.1, 1.0, r"got 'hermite-2'"),
        ("", 0.1, 1.0, r"got ''"),
        ((), 0.1, 1.0, r"activation as Hermite coefficients"),
        ((1.0,) * 102, 0.1, 1.0, r"1 to 101 numbers"),
        ((0.0, math.nan), 0.1, 1.0, r"activation must hold finite numbers"),
        (np.ones((2, 2)), 0.1, 1.0, r"shape \(2, 2\)"),
        ("tanh", -0.1, 1.0, r"t must be a finite number in \[0, inf\], got -0.1"),
        ("tanh", math.nan, 1.0, r"t must be"),
        ("tanh", math.inf, 1.0, r"t must be"),
        ("tanh", 0.1, -1.0, r"variance must be"),
        ("tanh", 0.1, math.inf, r"variance must be"),
        ("tanh", 0.0, 0.0, r"variance must be positive when t = 0"),
        ("hermite50", 0.1, 1e20, r"'hermite50' has moments too large for float64"),
        (np.log, 0.1, 1.0, r"'log' is not finite at x = -3"),
        (math.log, 0.1, 1.0, r"'log' fails: .*domain"),
        (lambda x: np.exp(x**2), 0.1, 1.0, r"grows too fast: .*\(at t = 0.1, variance = 1\)"),
        (lambda x: np.exp(0.25 * x**2), 0.0, 2.0, r"grows too fast"),
        (lambda x: x + 1j, 0.1, 1.0, r"one real number .* complex128"),
        (lambda x: x[:2], 0.1, 1.0, r"shape \(2,\) for shape \(5,\)"),
        (lambda x: "a", 0.1, 1.0, r"one real number"),
        (lambda x: None, 0.1, 1.0, r"one real number"),
        (np.mean, 0.1, 1.0, r"shape \(\) for shape \(5,\)"),
        (lambda x: x / np.linalg.norm(x), 0.1, 1.0, r"act entry by entry"),
        (lambda x: 1e200 * np.exp(20.0 * np.tanh(x)), 0.1, 1.0, r"too large for float64"),
    ],
)
def test_bad_arguments_are_refused_by_name(
    activation: Any, t: float, variance: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        gaussian_equivalence(activation, t, variance)


@pytest.mark.parametrize("activation", [3, 1.5, None, {"tanh"}, b"tanh"])
def test_activations_of_another_type_are_refused(activation: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="activation"):
        gaussian_equivalence(activation, 0.1)


@pytest.mark.parametrize(("t", "variance"), [("0.1", 1.0), (0.1j, 1.0), (0.1, None), (True, 1.0)])
def test_parameters_of_another_type_are_refused(t: Any, variance: Any) -> None:
    with pytest.raises(TypeError):
        gaussian_equivalence("tanh", t, variance)


@pytest.mark.parametrize("rtol", [0.0, -1.0, math.nan])
def test_tolerances_out_of_range_are_refused(rtol: float) -> None:
    with pytest.raises(ValueError, match="rtol"):
        gaussian_equivalence("tanh", 0.1, rtol=rtol)


@pytest.mark.parametrize("name", [*NAMES, "hermite60"])
@pytest.mark.parametrize("t", [1e-300, 1e-8, 20.0, 800.0, 1e300])
@pytest.mark.parametrize("variance", [0.0, 1e-300, 1.0, 1e3])
def test_extreme_parameters_give_finite_numbers(name: str, t: float, variance: float) -> None:
    k = gaussian_equivalence(name, t, variance)
    values = [getattr(k, field) for field in Coefficients.__dataclass_fields__]
    assert all(math.isfinite(value) for value in values)
    assert min(k.v, k.s, k.second_moment) >= 0.0


def test_example_in_the_docstring_names_what_it_prints() -> None:
    text = gaussian_equivalence.__doc__ or ""
    assert re.search(r"0\.3668791644 2\.5541776e-02 1\.8735496e-03", text)
