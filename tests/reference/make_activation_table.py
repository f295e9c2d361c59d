"""Write data/activation.json: Gaussian coefficients of activations to 40 digits.

Run as `python tests/reference/make_activation_table.py`; it takes eight minutes.

Formulation: the definitions themselves, in 80-digit arithmetic, with no closed form for smooth
activations. Hermite coefficients α_k = E[σ(Γz) He_k(z)] are trapezoidal sums, converging
exponentially in the step; with X, X' = m ± δw, m = Γ√((1+ϱ)/2) u and δ = Γ√((1-ϱ)/2) = √(Δ/2),

    s² = ½ E_u E_w [σ(m + δw) - σ(m - δw)]² - α_1² (1-ϱ),

a trapezoidal sum in u and, for small δ, a Gauss-Hermite rule in w. Then v² is E σ² minus all the
rest where ϱ > 1/2 and the sum of α_k² ϱ^k/k! elsewhere; cancellation is paid for in digits.
sign and the rectifiers, where no such rule converges, come from the textbook forms of C(ϱ)
(arcsine law; Cho & Saul 2009), subtracted literally in 200-digit arithmetic.

t and the variance are exact binary fractions, so that every row has one exact answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mpmath as mp

DIGITS = 40


def saturated(sigma: Callable[[Any], Any], reach: float, above: Callable[[Any], Any]) -> Any:
    """Replace σ beyond ±reach by what it equals there to 85 digits: `above`, and σ(-∞) below."""

    def value(x: Any) -> Any:
        if abs(x) < reach:
            return sigma(x)
        return above(x) if x > 0 else mp.mpf(-1 if sigma in ODD_STEPS else 0)

    return value


ODD_STEPS = (mp.tanh, mp.erf)
SMOOTH: dict[str, Callable[[Any], Any]] = {
    "tanh": saturated(mp.tanh, 100, lambda x: mp.mpf(1)),
    "erf": saturated(mp.erf, 14, lambda x: mp.mpf(1)),
    "sine": mp.sin,
    "softplus": saturated(lambda x: mp.log1p(mp.exp(x)), 200, lambda x: x),
    "gelu": saturated(lambda x: x * mp.ncdf(x), 20, lambda x: x),
    "hermite2": lambda x: x**2 - 1,
    "hermite3": lambda x: x**3 - 3 * x,
    "hermite5": lambda x: x**5 - 10 * x**3 + 15 * x,
}
POINTS = [
    (2.0**-27, 2.0**-13),
    (2.0**-27, 1.0),
    (2.0**-27, 1024.0),
    (2.0**-13, 8.0),
    (2.0**-7, 2.0**-13),
    (2.0**-7, 1.0),
    (2.0**-7, 64.0),
    (2.0**-3, 1.0),
    (0.5, 0.0),
    (0.5, 0.25),
    (1.0, 1.0),
    (1.0, 1024.0),
    (3.0, 8.0),
    (10.0, 2.0**-13),
    (10.0, 1.0),
    (20.0, 1.0),
    (20.0, 1024.0),
]
Row = dict[str, Any]


def noising(t: float, variance: float) -> tuple[Any, Any, Any]:
    """Return Γ, ϱ and Δ."""
    decay = mp.exp(-2 * mp.mpf(t))
    delta = -mp.expm1(-2 * mp.mpf(t))
    total = decay * mp.mpf(variance) + delta
    return mp.sqrt(total), decay * mp.mpf(variance) / total, delta


def gaussian_rule(step: Any) -> list[tuple[Any, Any]]:
    """Nodes and weights of E f(z), z standard normal, by the trapezoidal rule."""
    half = int(15 / step) + 1
    scale = step / mp.sqrt(2 * mp.pi)
    return [(k * step, scale * mp.exp(-((k * step) ** 2) / 2)) for k in range(-half, half + 1)]


def even_rule(delta_width: Any) -> list[tuple[Any, Any]]:
    """Nodes w > 0 and weights of E f(w) for f even with f(0) = 0, f varying on the scale 1/δ."""
    if delta_width > 0.02:
        step = min(mp.mpf("0.3"), mp.mpf("0.1") / delta_width)
        return [(w, 2 * weight) for w, weight in gaussian_rule(step) if w > 0]
    order = 30
    guesses = mp.polyroots(hermite_coefficients(order), maxsteps=500, extraprec=600)
    nodes = [mp.re(x) for x in guesses if mp.re(x) > 0]
    weight = [mp.factorial(order - 1) / (order * hermite(order - 1, x) ** 2) for x in nodes]
    return [(x, 2 * w) for x, w in zip(nodes, weight, strict=True)]


def hermite(n: int, x: Any) -> Any:
    """He_n(x)."""
    low, high = mp.mpf(0), mp.mpf(1)
    for k in range(n):
        low, high = high, x * high - k * low
    return high


def hermite_coefficients(n: int) -> list[Any]:
    """Coefficients of He_n, highest power first."""
    result = [mp.mpf(0)] * (n + 1)
    for j in range(n // 2 + 1):
        result[2 * j] = (
            (-1) ** j * mp.factorial(n) / (2**j * mp.factorial(j) * mp.factorial(n - 2 * j))
        )
    return result


def smooth_row(sigma: Callable[[Any], Any], t: float, variance: float) -> Row:
    """Coefficients by quadrature of the definitions."""
    gamma, rho, delta = noising(t, variance)
    step = min(mp.mpf("0.3"), mp.mpf("0.1") / gamma)
    rule = [(z, weight, sigma(gamma * z)) for z, weight in gaussian_rule(step)]
    # With ϱ <= 1/2 the terms left out are below 2^-160.
    order = 2 if rho > 0.5 else 170
    alpha = [mp.mpf(0)] * (order + 1)
    second = mp.mpf(0)
    for z, weight, value in rule:
        second += weight * value**2
        low, high = mp.mpf(0), weight * value
        for k in range(order + 1):
            alpha[k] += high
            low, high = high, z * high - k * low
    half_width = mp.sqrt(delta / 2)
    middle = gamma * mp.sqrt((1 + rho) / 2)
    pairs = even_rule(half_width)
    noise = mp.mpf(0)
    for u, weight in gaussian_rule(step):
        for w, pair_weight in pairs:
            rise = sigma(middle * u + half_width * w) - sigma(middle * u - half_width * w)
            noise += weight * pair_weight * rise**2 / 2
    noise -= alpha[1] ** 2 * (1 - rho)
    if rho > 0.5:
        signal = second - alpha[0] ** 2 - alpha[1] ** 2 - noise
    else:
        signal = mp.fsum(alpha[k] ** 2 * rho**k / mp.factorial(k) for k in range(2, order + 1))
    return row(t, variance, alpha[0], alpha[1] / gamma, signal, noise, second)


def sign_row(t: float, variance: float) -> Row:
    """Coefficients of sign x from C(ϱ) = (2/π) arcsin ϱ."""
    gamma, rho, _ = noising(t, variance)
    first = 2 / mp.pi
    signal = first * mp.asin(rho) - first * rho
    noise = 1 - first * mp.asin(rho) - first * (1 - rho)
    return row(t, variance, mp.mpf(0), mp.sqrt(first) / gamma, signal, noise, mp.mpf(1))


def ramp_row(t: float, variance: float, shift: Any) -> Row:
    """Coefficients of x₊ - shift from C(ϱ) = Γ²/(2π) [√(1-ϱ²) + ϱ (π - arccos ϱ)]."""
    gamma, rho, _ = noising(t, variance)

    def c(r: Any) -> Any:
        return gamma**2 / (2 * mp.pi) * (mp.sqrt(1 - r**2) + r * (mp.pi - mp.acos(r)))

    signal = c(rho) - c(mp.mpf(0)) - rho * gamma**2 / 4
    noise = c(mp.mpf(1)) - c(rho) - (1 - rho) * gamma**2 / 4
    mean = gamma / mp.sqrt(2 * mp.pi) - shift
    second = gamma**2 / 2 - 2 * shift * gamma / mp.sqrt(2 * mp.pi) + shift**2
    return row(t, variance, mean, mp.mpf(1) / 2, signal, noise, second)


def row(t: float, variance: float, *values: Any) -> Row:
    """One table entry: t and variance as exact hexadecimal floats, values as decimal strings."""
    names = ("mean", "a", "v2", "s2", "second_moment")
    digits = {}
    for name, value in zip(names, values, strict=True):
        # Cutting the rules at |z| = 15 leaves 10^-45 of an exact zero. v², from the Hermite
        # coefficients, may be smaller than that and true.
        floor = mp.mpf("1e-110" if name == "v2" else "1e-42")
        digits[name] = mp.nstr(value if abs(value) > floor else mp.mpf(0), DIGITS)
    return {"t": t.hex(), "variance": variance.hex(), **digits}


def main() -> None:
    """Write the table."""
    mp.mp.dps = 80
    table: dict[str, list[Row]] = {}
    for name, sigma in SMOOTH.items():
        table[name] = [smooth_row(sigma, *point) for point in POINTS]
        print(name, flush=True)
    mp.mp.dps = 200
    table["sign"] = [sign_row(*point) for point in POINTS]
    table["relu"] = [ramp_row(*point, mp.mpf(0)) for point in POINTS]
    table["centred_relu"] = [ramp_row(*point, 1 / mp.sqrt(2 * mp.pi)) for point in POINTS]
    target = Path(__file__).parent / "data" / "activation.json"
    target.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
