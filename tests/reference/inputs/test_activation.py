"""Gaussian coefficients against 40-digit tables, and the derivation of every closed form."""

from __future__ import annotations

import json
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest
import sympy as sp
from scipy.special import erf, ndtr

from rmtspec.inputs.activation import gaussian_equivalence
from rmtspec.inputs.gaussian.moments import kolmogorov_mixture

EPS = float(np.finfo(float).eps)
TABLE = json.loads((Path(__file__).parents[1] / "data" / "activation.json").read_text())
ROWS = [(name, row) for name, rows in TABLE.items() for row in rows]
CALLABLES = {
    "tanh": np.tanh,
    "erf": erf,
    "sine": np.sin,
    "softplus": lambda x: np.logaddexp(0.0, x),
    "gelu": lambda x: x * ndtr(x),
    "relu": lambda x: np.maximum(x, 0.0),
    "sign": np.sign,
    "hermite3": lambda x: x**3 - 3.0 * x,
}


def _relative(value: float, exact: str, scale: float = 0.0) -> float:
    """Relative error, or relative to `scale` where that is larger; exact zeros need a scale."""
    reference = mp.mpf(exact)
    size = max(abs(reference), mp.mpf(scale))
    return float(abs(value - reference) / size) if size else abs(value)


def _at(row: dict[str, str]) -> tuple[float, float]:
    return float.fromhex(row["t"]), float.fromhex(row["variance"])


@pytest.mark.parametrize(("name", "row"), ROWS, ids=lambda p: p if isinstance(p, str) else "")
def test_named_coefficients_agree_with_forty_digits(name: str, row: dict[str, str]) -> None:
    t, variance = _at(row)
    found = gaussian_equivalence(name, t, variance)
    # The closed forms are sums of positive terms: a few roundings each. The rounding of Γ² moves
    # e^(-Γ²/2), the slope of a sine, by Γ² eps/2, and its argument adds as much again.
    bound = 20.0 * EPS + (2.0 * EPS * found.gamma**2 if name == "sine" else 0.0)
    assert bound <= 1e-12
    exact_v, exact_s = mp.sqrt(mp.mpf(row["v2"])), mp.sqrt(mp.mpf(row["s2"]))
    with mp.workdps(50):
        assert _relative(found.v, str(exact_v)) <= bound
        assert _relative(found.s, str(exact_s)) <= bound
        # The table calls 0 what is below 1e-42.
        assert _relative(found.a, row["a"], 1e-30) <= bound
        # α_0 = (Γ - 1)/√(2π) of centred_relu is a difference of terms of order one.
        cancellation = 1.0 if name == "centred_relu" else 1e-30
        assert _relative(found.mean, row["mean"], cancellation) <= bound
        assert _relative(found.second_moment, row["second_moment"]) <= 2.0 * bound
    assert bound / 10.0 <= found.error <= 1e-12


@pytest.mark.parametrize(
    ("name", "row"),
    [(name, row) for name, row in ROWS if name in CALLABLES],
    ids=lambda p: p if isinstance(p, str) else "",
)
def test_quadrature_is_accurate_and_its_error_estimate_honest(
    name: str, row: dict[str, str]
) -> None:
    t, variance = _at(row)
    found = gaussian_equivalence(CALLABLES[name], t, variance)
    whole = (found.second_moment - found.mean**2) ** 0.5 / found.gamma
    error = max(
        _relative(found.v, str(mp.sqrt(mp.mpf(row["v2"])))),
        _relative(found.s, str(mp.sqrt(mp.mpf(row["s2"])))),
        _relative(found.a, row["a"], whole),
    )
    assert error <= found.error
    # Rounding of σ in σ(m + δw) - σ(m - δw) or in α_3, whichever route is taken: eps/Γ² and
    # eps √(E σ²)/s are the condition numbers.
    condition = max(1.0, 1.0 / found.gamma**2, found.second_moment**0.5 / found.s)
    assert error <= 8.0 * EPS * (4.0 + condition)


G, R = sp.symbols("G rho", positive=True)  # Γ² and ϱ
X, Y = sp.symbols("x y", real=True)
COVARIANCE = G * sp.Matrix([[1, R], [R, 1]])
DENSITY = 1 / (2 * sp.pi * sp.sqrt(COVARIANCE.det()))


def _same(left: sp.Expr, right: sp.Expr) -> bool:
    """Equality at three points (Γ², ϱ) to 25 digits: nested roots do not simplify reliably."""
    points = [("0.3", "0.2"), ("1", "0.5"), ("7", "0.9")]
    values = [{G: sp.Rational(total), R: sp.Rational(rho)} for total, rho in points]
    return all(abs(sp.N((left - right).subs(value), 30)) < 1e-25 for value in values)


def _gaussian_integral(polynomial: sp.Expr, precision: sp.Matrix) -> sp.Expr:
    """∫ polynomial exp(-½ (x, y) P (x, y)ᵀ) dx dy, by Isserlis' theorem up to degree four."""
    c = precision.inv()
    moment = {
        (0, 0): sp.Integer(1),
        (2, 0): c[0, 0],
        (0, 2): c[1, 1],
        (2, 2): c[0, 0] * c[1, 1] + 2 * c[0, 1] ** 2,
    }
    terms = sp.Poly(polynomial, X, Y).terms()
    total = sum(coefficient * moment[power] for power, coefficient in terms)
    return total * 2 * sp.pi / sp.sqrt(precision.det())


# Price's theorem: d^k C/dϱ^k = Γ^(2k) E σ^(k)(X) σ^(k)(X'), while C(0) = α_0² and C'(0) = α_1².


def test_gelu_kernel_has_the_curvature_that_prices_theorem_gives() -> None:
    v = 1 + G
    b = G * R / v
    algebraic = ((v - 1) ** 2 / v + (2 - v) * b**2) / sp.sqrt(1 - b**2)
    kernel = (v * b * (sp.pi / 2 + sp.asin(b)) + algebraic) / (2 * sp.pi)
    # σ'' = (2 - x²) φ(x)
    polynomial = sp.expand((2 - X**2) * (2 - Y**2)) / (2 * sp.pi)
    curvature = DENSITY * _gaussian_integral(polynomial, COVARIANCE.inv() + sp.eye(2))
    assert _same(sp.diff(kernel, R, 2), G**2 * curvature)
    assert sp.simplify(kernel.subs(R, 0) - G**2 / (2 * sp.pi * v)) == 0
    assert sp.simplify(sp.diff(kernel, R).subs(R, 0) - G / 4) == 0


def test_blurred_sign_and_ramp_kernels_follow_from_prices_theorem() -> None:
    tau, other = sp.Rational(1, 2), sp.Rational(3, 7)
    root = sp.sqrt((G + tau) * (G + other))
    b = G * R / root
    # The step's σ' is twice the normal density of variance τ, the ramp's σ'' that density.
    precision = COVARIANCE.inv() + sp.diag(1 / tau, 1 / other)
    normal = 1 / (2 * sp.pi * sp.sqrt(tau * other))
    overlap = DENSITY * normal * _gaussian_integral(sp.Integer(1), precision)
    step = 2 / sp.pi * sp.asin(b)
    assert _same(sp.diff(step, R), 4 * G * overlap)
    assert step.subs(R, 0) == 0
    ramp = root / (2 * sp.pi) * (sp.pi * b / 2 + b * sp.asin(b) + sp.sqrt(1 - b**2))
    assert _same(sp.diff(ramp, R, 2), G**2 * overlap)
    assert sp.simplify(ramp.subs(R, 0) - root / (2 * sp.pi)) == 0
    assert sp.simplify(sp.diff(ramp, R).subs(R, 0) - G / 4) == 0


def test_sine_kernel_solves_the_equation_of_prices_theorem() -> None:
    kernel = sp.exp(-G) * sp.sinh(G * R)
    # σ'' = -σ, so C'' = Γ⁴ C; C(0) = 0 and C'(0) = (Γ E cos X)².
    assert sp.simplify(sp.diff(kernel, R, 2) - G**2 * kernel) == 0
    assert kernel.subs(R, 0) == 0
    assert sp.simplify(sp.diff(kernel, R).subs(R, 0) - G * sp.exp(-G / 2) ** 2) == 0


def test_textbook_kernels_behind_the_table_follow_in_polar_coordinates() -> None:
    """X = Γr cos θ, X' = Γr cos(θ - f), ϱ = cos f: both are positive for f - π/2 < θ < π/2."""
    f, angle, radius = sp.symbols("f theta r", positive=True)
    ends = (angle, f - sp.pi / 2, sp.pi / 2)
    radial = sp.integrate(radius**3 * sp.exp(-(radius**2) / 2), (radius, 0, sp.oo))
    ramp = radial * sp.integrate(sp.cos(angle) * sp.cos(angle - f), ends) / (2 * sp.pi)
    assert sp.simplify(ramp - (sp.sin(f) + (sp.pi - f) * sp.cos(f)) / (2 * sp.pi)) == 0
    both_positive = sp.integrate(sp.Integer(1), ends) / (2 * sp.pi)
    step = 4 * both_positive - 1  # P(same sign) - P(different sign)
    assert sp.simplify(step - 2 / sp.pi * (sp.pi / 2 - f)) == 0


@pytest.mark.parametrize("x", [0.0, 0.5, 2.0, 10.0])
def test_kolmogorov_mixture_of_normal_densities_is_logistic(x: float) -> None:
    square, weight = kolmogorov_mixture()
    mixture = weight @ (2.0 * np.exp(-(x**2) / (2.0 * square)) / np.sqrt(2.0 * np.pi * square))
    # tanh' = sech²; the sum has 46 positive terms.
    assert mixture == pytest.approx(1.0 / np.cosh(x) ** 2, rel=46 * EPS)


@pytest.mark.parametrize("power", [-6, -3, -1, 1, 2])
def test_kolmogorov_mixture_has_the_moments_of_kolmogorovs_law(power: int) -> None:
    square, weight = kolmogorov_mixture()
    with mp.workdps(30):
        # E κ^s = 2^(1-s/2) Γ(1+s/2) η(s), η Dirichlet's eta function, by termwise integration.
        # At negative even s a zero of η meets a pole of Γ: shift by what 30 digits do not see.
        exact = _moment(mp.mpf(power) + mp.mpf("1e-15"))
    assert weight @ square ** (power / 2.0) == pytest.approx(float(exact), rel=46 * EPS)


def _moment(s: mp.mpf) -> mp.mpf:
    return 2 ** (1 - s / 2) * mp.gamma(1 + s / 2) * mp.altzeta(s)
