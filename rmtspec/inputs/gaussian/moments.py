"""Gaussian moments of an activation seen at two noisings of one sample, in closed form.

Two noisings of a sample reach a neuron as X = Γz and X' = Γz' with correlation ϱ, the share of
signal in Γ² = e^(-2t) σ_x² + Δ. With C(ϱ) = E[σ(X) σ(X')] = Σ_k p_k ϱ^k, p_k = α_k²/k! (Mehler),

    α_0² = C(0),   (aΓ)² = C'(0),   v² = C(ϱ) - C(0) - ϱ C'(0),   s² = C(1) - C(ϱ) - (1-ϱ) C'(0).

Taken literally, s² loses log10(1/t) digits and v² all of them at large t. Every form below is a
sum of positive terms instead. Two kernels carry most activations. The error function of a
Gaussian blur of variance τ, E sign(x + √τ η), has (Williams 1997)

    C = (2/π) arcsin(ϱA),   A = Γ²/√(VV'),   V = Γ² + τ,

and the blurred ramp E (x + √τ η)₊ has (Cho & Saul 2009)

    C = √(VV')/(2π) [π ϱA/2 + 1 + J(ϱA)],   J(x) = x arcsin x + √(1-x²) - 1.

sign and x₊ have τ = 0, erf has τ = 1/2. The logistic density is a mixture of centred normal
densities whose standard deviation is 2κ, κ being Kolmogorov's variable (Andrews & Mallows 1974),
so that tanh x = E_κ E_η sign(x + κη) and softplus x = E_κ E_η (x + 2κη)₊: both cost a double sum
over κ and κ', at any Γ, although their poles come as near as π/(2Γ) to the real axis of z.
With A = sin α, ϱA = sin β, h = (α-β)/2 and m = (α+β)/2, all signs below being plus,

    (α - sin α) - (β - sin β) = 2(h - sin h) + 4 sin h sin²(m/2),
    cos β - cos α = 2 sin m sin h,
    J(A) - J(ϱA) = 2 sin h · m cos m - 2 sin m (sin h - h cos h),

where the last difference never cancels more than a factor two.

References
----------
C. Williams, "Computing with infinite networks", NIPS 1996, Eq. 10.
Y. Cho, L. Saul, "Kernel methods for deep learning", NIPS 2009, Eq. 6.
D. Andrews, C. Mallows, "Scale mixtures of normal distributions", JRSS B 36 (1974) 99.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_EPS = float(np.finfo(np.float64).eps)
# Largest relative error of the closed forms against the stored 40-digit table is 8 eps (v and s);
# the bound leaves a factor of eight.
_CLOSED_FORM_ERROR = 64 * _EPS


@dataclass(frozen=True)
class Noising:
    """The pair (X, X') at diffusion time t and data variance σ_x², with nothing subtracted.

    Attributes
    ----------
    signal : float
        e^(-2t) σ_x², the covariance of X and X'.
    delta : float
        Δ = 1 - e^(-2t), the variance of the noise in each.
    excess : float
        Γ² - 1 = e^(-2t) (σ_x² - 1) + (e^(-2t) + Δ - 1).
    """

    signal: float
    delta: float
    excess: float

    @classmethod
    def of(cls, signal: float, noise: float, variance: float) -> Noising:
        """The pair where data and noise have been multiplied by the roots of these two."""
        rest = signal + noise - 1.0
        # On the Ornstein-Uhlenbeck path the rest is 0, but for rounding.
        rest = 0.0 if abs(rest) <= 4.0 * _EPS else rest
        return cls(signal * variance, noise, signal * (variance - 1.0) + rest)

    @property
    def total(self) -> float:
        """Γ²."""
        return self.signal + self.delta

    @property
    def gamma(self) -> float:
        """Γ."""
        return math.sqrt(self.total)

    @property
    def correlation(self) -> float:
        """ϱ."""
        return self.signal / self.total

    @property
    def decorrelation(self) -> float:
        """1 - ϱ, to full relative precision."""
        return self.delta / self.total

    def power_loss(self, k: Array) -> Array:
        """1 - ϱ^k, to full relative precision."""
        if self.signal == 0.0:
            return np.where(k > 0, 1.0, 0.0)
        return np.asarray(-np.expm1(-k * math.log1p(self.delta / self.signal)))


@dataclass(frozen=True)
class Moments:
    """α_0, a = Eσ'(Γz), v², s² of σ/scale, and a bound on the relative error of each."""

    mean: float
    slope: float
    signal_square: float
    noise_square: float
    error: float = _CLOSED_FORM_ERROR
    scale: float = 1.0


@dataclass(frozen=True)
class _Angles:
    """α, β, h and m of the module docstring, for one A or an array of them."""

    beta: Array
    half_difference: Array
    middle: Array
    cos_alpha: Array
    cos_beta: Array
    cos_middle: Array

    @classmethod
    def between(cls, a: Array, cos_alpha: Array, pair: Noising) -> _Angles:
        """Angles of sin α = a and sin β = ϱa; cos α is passed because 1 - a² would cancel."""
        rho = pair.correlation
        loss = pair.decorrelation * (1.0 + rho)  # 1 - ϱ²
        b = rho * a
        cos_beta = np.sqrt(cos_alpha**2 + a**2 * loss)
        beta = np.arctan2(b, cos_beta)
        # sin(α-β) = a (cos β - ϱ cos α), multiplied out so that nothing is subtracted.
        top, bottom = a * loss, cos_beta + rho * cos_alpha
        sine = np.divide(top, bottom, out=np.zeros_like(a), where=bottom > 0.0)
        half = 0.5 * np.arctan2(sine, cos_alpha * cos_beta + a * b)
        # Near α = β = π/2 the cosine of the middle is the sine of a small angle.
        small = 0.5 * (np.arctan2(cos_alpha, a) + np.arctan2(cos_beta, b))
        return cls(beta, half, beta + half, cos_alpha, cos_beta, np.sin(small))

    def arcsine(self) -> Array:
        """β - sin β."""
        return _x_minus_sin(self.beta)

    def arcsine_gap(self) -> Array:
        """(α - sin α) - (β - sin β)."""
        h = self.half_difference
        gap: Array = 2.0 * _x_minus_sin(h) + 4.0 * np.sin(h) * np.sin(0.5 * self.middle) ** 2
        return gap

    def ramp(self) -> Array:
        """J(sin β) = β sin β + cos β - 1."""
        x = 0.5 * self.beta
        return np.asarray(2.0 * np.sin(x) * (2.0 * x * np.cos(x) - np.sin(x)))

    def ramp_gap(self) -> Array:
        """J(sin α) - J(sin β)."""
        h, m = self.half_difference, self.middle
        return np.asarray(
            2.0 * np.sin(h) * m * self.cos_middle - 2.0 * np.sin(m) * _sin_minus_x_cos(h)
        )

    def cosine_gap(self) -> Array:
        """cos β - cos α."""
        return np.asarray(2.0 * np.sin(self.middle) * np.sin(self.half_difference))


def blurred_sign(tau: Array, weight: Array, pair: Noising) -> Moments:
    """Moments of E_κ E_η sign(x + √τ η), τ = tau[i] with probability weight[i]."""
    v, a, cos_alpha, both = _mixture_pairs(tau, weight, pair.total)
    angles = _Angles.between(a, cos_alpha, pair)
    return Moments(
        mean=0.0,
        slope=math.sqrt(2.0 / math.pi) * float(weight @ (1.0 / np.sqrt(v))),
        signal_square=2.0 / math.pi * float(both @ angles.arcsine()),
        noise_square=2.0 / math.pi * float(both @ angles.arcsine_gap()),
    )


def blurred_ramp(tau: Array, weight: Array, pair: Noising) -> Moments:
    """Moments of E_κ E_η (x + √τ η)₊, τ = tau[i] with probability weight[i]."""
    v, a, cos_alpha, both = _mixture_pairs(tau, weight, pair.total)
    angles = _Angles.between(a, cos_alpha, pair)
    scale = both * (pair.total / a) / (2.0 * math.pi)  # √(VV')/(2π)
    return Moments(
        mean=float(weight @ np.sqrt(v)) / math.sqrt(2.0 * math.pi),
        slope=0.5,
        signal_square=float(scale @ angles.ramp()),
        noise_square=float(scale @ angles.ramp_gap()),
    )


def gelu(pair: Noising) -> Moments:
    """Moments of xΦ(x), Φ the normal distribution function.

    With V = 1 + Γ², A = Γ²/V and B = ϱA, Stein's lemma on E[XX'Φ(X)Φ(X')] gives

        2πC = VB (π/2 + arcsin B) + [(V-1)²/V + (2-V) B²] / √(1-B²),

    whose coefficient of B^n (n even) is C(n, n/2) 2^-n (V/(n-1) + 1)²/V: a perfect square, as it
    must be. Summing its three parts apart,

        2πv² = V J(B) + 2 (1 - √(1-B²)) + (1/√(1-B²) - 1)/V,

    and 2πs² is the same difference between A and B.
    """
    v = 1.0 + pair.total
    a = np.array([pair.total / v])
    cos_alpha = np.sqrt((1.0 + a) / v)
    angles = _Angles.between(a, cos_alpha, pair)
    drop = 2.0 * np.sin(0.5 * angles.beta) ** 2  # 1 - cos β
    signal = v * angles.ramp() + 2.0 * drop + drop / (v * angles.cos_beta)
    gap = angles.cosine_gap()
    noise = v * angles.ramp_gap() + gap * (2.0 + 1.0 / (v * cos_alpha * angles.cos_beta))
    return Moments(
        mean=pair.total / math.sqrt(2.0 * math.pi * v),
        slope=0.5,
        signal_square=float(signal[0]) / (2.0 * math.pi),
        noise_square=float(noise[0]) / (2.0 * math.pi),
    )


def sine(pair: Noising) -> Moments:
    """Moments of sin x, from C(ϱ) = e^(-Γ²) sinh(Γ²ϱ).

    s² = 2 e^(-Γ²) (sinh(Δ/2) - Δ/2) + e^(-Δ/2) sinh(Δ/2) (1 - e^(-y-Δ/2))², y = Γ²ϱ: no overflow
    at large Γ and no difference at small Δ.
    """
    y, delta, total = pair.signal, pair.delta, pair.total
    half = 0.5 * delta
    if y < 2.0:
        signal = math.exp(-total) * _sinh_minus_x(y)
    else:
        signal = math.exp(-delta) * (-0.5 * math.expm1(-2.0 * y) - y * math.exp(-y))
    noise = 2.0 * math.exp(-total) * _sinh_minus_x(half)
    noise += math.exp(-half) * math.sinh(half) * math.expm1(-(y + half)) ** 2
    # The rounding of Γ² itself moves e^(-Γ²/2) by Γ² eps.
    return Moments(
        0.0, math.exp(-0.5 * total), signal, noise, _CLOSED_FORM_ERROR + 2.0 * _EPS * total
    )


def cosine(pair: Noising) -> Moments:
    """Moments of cos x, from C(ϱ) = e^(-Γ²) cosh(Γ²ϱ): with y = Γ²ϱ,

    v² = ½ e^(-Δ) (1 - e^(-y))² and s² = ½ (1 - e^(-Δ)) (1 - e^(-2y-Δ)).
    """
    y, delta, total = pair.signal, pair.delta, pair.total
    return Moments(
        math.exp(-0.5 * total),
        0.0,
        0.5 * math.exp(-delta) * math.expm1(-y) ** 2,
        0.5 * math.expm1(-delta) * math.expm1(-2.0 * y - delta),
        _CLOSED_FORM_ERROR + 2.0 * _EPS * total,
    )


def polynomial(coefficients: Sequence[float], pair: Noising) -> Moments:
    """Moments of Σ_n h_n He_n(x), He_n the probabilists' polynomials with leading coefficient 1.

    At scale Γ the expansion in He_k(z) changes through

        He_n(Γz) = Σ_j n!/(2^j j! (n-2j)!) Γ^(n-2j) (Γ²-1)^j He_(n-2j)(z).
    """
    order = len(coefficients)
    gamma, half_excess = np.float64(pair.gamma), np.float64(0.5 * pair.excess)
    alpha, size = np.zeros(order), np.zeros(order)  # α_k/√k! and the sum of |terms|
    with np.errstate(all="ignore"):
        for n, height in enumerate(coefficients):
            for j in range(n // 2 + 1 if height else 0):
                k = n - 2 * j
                choices = math.factorial(n) // (math.factorial(j) * math.factorial(k))
                term = height * choices * math.sqrt(math.factorial(k)) * half_excess**j * gamma**k
                alpha[k] += term
                size[k] += abs(term)
        powers = np.arange(2.0, order)
        power, spread = alpha[2:] ** 2, np.abs(alpha[2:]) * size[2:]
        kept, lost = pair.correlation**powers, pair.power_loss(powers)
        signal, noise = float(power @ kept), float(power @ lost)
        slope = float(alpha[1]) / pair.gamma if order > 1 else 0.0
        rounding = 4.0 * order * _EPS
        worst = max(
            ratio(float(size[1]), abs(float(alpha[1]))) if order > 1 else 1.0,
            ratio(float(spread @ kept), signal),
            ratio(float(spread @ lost), noise),
        )
    return Moments(
        float(alpha[0]) if order else 0.0,
        slope,
        signal,
        noise,
        _CLOSED_FORM_ERROR + rounding * worst,
    )


@cache
def kolmogorov_mixture() -> tuple[Array, Array]:
    """Nodes κ² and weights of Kolmogorov's law: a sum over them is E_κ.

    Trapezoidal rule in log κ. The density is analytic for |Im log κ| < π/4 and falls like
    e^(-2κ²) and e^(-π²/(8κ²)) at its ends, so that the step 1/12 leaves a relative error below
    eps; the lower end is taken far enough for the weight κ^-6 that small Γ brings.
    """
    kappa = np.exp(np.arange(-26, 20) / 12.0)
    j = np.arange(1.0, 9.0)[:, None]
    with np.errstate(under="ignore"):
        above = 8.0 * kappa * np.sum((-1.0) ** (j - 1) * j**2 * np.exp(-2.0 * (j * kappa) ** 2), 0)
        x = ((2.0 * j - 1.0) * math.pi) ** 2 / 8.0 / kappa**2
        below = math.sqrt(2.0 * math.pi) / kappa**2 * np.sum(np.exp(-x) * (2.0 * x - 1.0), 0)
    return kappa**2, np.where(kappa > 1.0, above, below) * kappa / 12.0


def _mixture_pairs(tau: Array, weight: Array, total: float) -> tuple[Array, Array, Array, Array]:
    """V, and over the pairs i <= j: A = Γ²/√(VV'), √(1-A²), and the weight of the pair."""
    i, j = _upper_triangle(tau.size)
    v = total + tau
    inverse = 1.0 / np.sqrt(v)
    scaled = inverse[i] * inverse[j]
    # VV' - Γ⁴ = ττ' + Γ²(τ + τ'), divided by VV' factor by factor against overflow.
    share = tau / v
    square = share[i] * share[j] + (total / v)[i] * share[j] + share[i] * (total / v)[j]
    both = weight[i] * weight[j] * np.where(i == j, 1.0, 2.0)
    return v, total * scaled, np.sqrt(square), both


@cache
def _upper_triangle(size: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    i, j = np.triu_indices(size)
    return i, j


def _x_minus_sin(x: Array) -> Array:
    """x - sin x for 0 <= x <= π/2, by its series (11 terms reach eps)."""
    total = np.ones_like(x)
    for j in range(11, 0, -1):
        total = 1.0 - x**2 / ((2 * j + 2) * (2 * j + 3)) * total
    return np.asarray(x**3 / 6.0 * total)


def _sin_minus_x_cos(x: Array) -> Array:
    """sin x - x cos x for 0 <= x <= π/4, by its series."""
    total = np.ones_like(x)
    for j in range(10, 0, -1):
        total = 1.0 - x**2 / (2 * j * (2 * j + 3)) * total
    return np.asarray(x**3 / 3.0 * total)


def _sinh_minus_x(x: float) -> float:
    """sinh x - x for 0 <= x <= 2, by its series."""
    total = 1.0
    for j in range(12, 0, -1):
        total = 1.0 + x**2 / ((2 * j + 2) * (2 * j + 3)) * total
    return x**3 / 6.0 * total


def ratio(error: float, value: float) -> float:
    """error/value, 0 where both vanish: an exact zero has no error."""
    if error == 0.0:
        return 0.0
    return error / value if value > 0.0 else math.inf
