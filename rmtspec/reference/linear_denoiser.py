r"""Averages of an affine denoiser at any number of digits (arXiv 2505.24769).

Per dimension, with n samples per dimension, the ridge ζ = s + c and s = (1 − ᾱ)/ᾱ:

    ζ = κ (1 − ⟨l/(l + κ)⟩/n),

    tr G = (w − n)/ζ + n/κ,           tr G² = (w − n)/ζ² + n κ'/κ²,
    tr ΣG = n (κ/ζ − 1),              tr ΣG² = −n d(κ/ζ)/dζ,

with w = ⟨1⟩ the total weight. These textbook forms cancel digits; they are evaluated with as many
more as it takes, and share no formula with the sums of positive terms in `rmtspec.linear.denoiser`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mpmath
from mpmath import mp

from . import _arguments

EXTRA_DIGITS = 120
"""Digits carried beyond those asked for: test minus optimal loss cancels up to about 10^-40."""


@dataclass(frozen=True)
class Losses:
    """Averages at one noise level, all per dimension."""

    kappa: Any
    train: Any
    penalised: Any
    test: Any
    optimal: Any
    alignment: Any
    alignment_pair: Any


def kappa(
    zeta: Any,
    load: Any,
    eigenvalues: Sequence[Any],
    weights: Sequence[Any] | None = None,
    digits: int = 50,
) -> Any:
    """Solve the ridge equation by Newton's method from the right end of its bracket.

    Weights are used as they stand, without normalisation; zeta >= 0, load > 0.

    Raises
    ------
    ArithmeticError
        If the steps do not end, or the residual does not vanish.
    """
    with mp.workdps(_arguments.digits_of(digits) + EXTRA_DIGITS):
        pairs = _pairs(eigenvalues, weights)
        ridge = _arguments.exact("zeta", zeta, 0)
        count = _arguments.exact("load", load, 0, above=True)
        k = ridge + mp.fsum(w * lam for w, lam in pairs) / count
        if k == 0:
            return k
        for _ in range(2000):
            value = k * (1 - _df(pairs, k, 1) / count) - ridge
            step = value / (1 - _df(pairs, k, 2) / count)
            k -= step
            if abs(step) <= mp.mpf(10) ** (-mp.dps + 10) * k:
                return k
        raise _arguments.CertificateError(f"no root for zeta={zeta!r}, load={load!r}")


def losses(
    alpha_bar: Any,
    load: Any,
    eigenvalues: Sequence[Any],
    weights: Sequence[Any] | None = None,
    c: Any = 0,
    digits: int = 50,
) -> Losses:
    """Every loss and distance at one noise level."""
    with mp.workdps(_arguments.digits_of(digits) + EXTRA_DIGITS):
        pairs = _pairs(eigenvalues, weights)
        level = _arguments.exact("alpha_bar", alpha_bar, 0, above=True)
        n = _arguments.exact("load", load, 0, above=True)
        s = (1 - level) / level
        ridge = _arguments.exact("c", c, 0)
        zeta = s + ridge
        k = kappa(zeta, n, eigenvalues, weights, digits + EXTRA_DIGITS)
        slope = 1 / (1 - _df(pairs, k, 2) / n)
        total = mp.fsum(w for w, _ in pairs)
        plain = (total - n) / zeta + n / k
        square = (total - n) / zeta**2 + n * slope / k**2
        weighted_square = -n * (slope / zeta - k / zeta**2)
        objective = total - s * plain
        test = total - 2 * s * plain + s * weighted_square + s**2 * square
        optimal = mp.fsum(w * lam / (lam + s) for w, lam in pairs)
        mean_map = mp.fsum(w * (lam + s) / (lam + k) ** 2 for w, lam in pairs) * (k / zeta) ** 2
        variance = s * (weighted_square + s * square - mean_map)
        return Losses(
            k, objective - s * ridge * square, objective, test, optimal, test - optimal,
            2 * variance,
        )  # fmt: skip


def divergences(
    c: Any,
    load: Any,
    eigenvalues: Sequence[Any],
    weights: Sequence[Any] | None = None,
    digits: int = 50,
) -> tuple[Any, Any]:
    """Both divergences for c > 0 and positive eigenvalues: data against model, and the reverse."""
    with mp.workdps(_arguments.digits_of(digits) + EXTRA_DIGITS):
        pairs = _pairs(eigenvalues, weights)
        n, ridge = (_arguments.exact(name, v, 0, above=True) for name, v in (("n", load), ("c", c)))
        k = kappa(ridge, n, eigenvalues, weights, digits + EXTRA_DIGITS)
        total = mp.fsum(w for w, _ in pairs)
        degrees = _df(pairs, k, 1)
        log_det = mp.fsum(w * mp.log1p(k / lam) for w, lam in pairs)
        log_det += (total - n) * mp.log(ridge / k) - degrees
        inverse = mp.fsum(w / lam for w, lam in pairs)
        return (k / ridge * degrees - total + log_det) / 2, (ridge * inverse - log_det) / 2


def sampled_variance(
    variance: Any, beta: Sequence[Any], posterior: bool = False, digits: int = 50
) -> Any:
    """Variance of the ancestral sampler by its own steps, from white noise down."""
    with mp.workdps(_arguments.digits_of(digits) + _arguments.GUARD_DIGITS):
        lam = _arguments.exact("variance", variance, 0)
        steps = [_arguments.exact("beta", b, 0, above=True) for b in beta]
        levels = [mp.mpf(1)]
        for step in steps:
            levels.append(levels[-1] * (1 - step))
        v = mp.mpf(1)
        for j in range(len(steps), 0, -1):
            step, level, below = steps[j - 1], levels[j], levels[j - 1]
            factor = (1 - step / (level * lam + 1 - level)) / mp.sqrt(1 - step)
            noise = step * (1 - below) / (1 - level) if posterior else step
            v = factor**2 * v + noise
        return v


def curves(
    tau: Any,
    alpha_bar: Any,
    load: Any,
    eigenvalues: Sequence[Any],
    weights: Sequence[Any] | None = None,
    c: Any = 0,
    digits: int = 15,
    nodes: int | None = None,
) -> tuple[Any, Any]:
    """Train and test loss along gradient flow, by the trapezoidal rule on a circle.

    The circle passes at −1/τ, or at −z_max/2 where that is nearer; κ is followed along it from
    its real value at the left end. The poles of null directions at 0 lie at a distance 1/τ inside a
    circle of radius z_max/2, which sets the number of nodes, of order z_max τ times the digits.
    """
    with mp.workdps(_arguments.digits_of(digits) + 15):
        pairs = _pairs(eigenvalues, weights)
        n, level = mp.mpf(load), mp.mpf(alpha_bar)
        s, ridge, time = (1 - level) / level, mp.mpf(c), mp.mpf(tau)
        top = mp.mpf("1.2") * max(lam for _, lam in pairs) * (1 + 1 / mp.sqrt(n)) ** 2
        left = -min(1 / time, top / 2)
        centre, radius = (top + left) / 2, (top - left) / 2
        if nodes is None:
            inside = -left / radius
            nodes = 20 + int(mp.ceil((digits + 2) * mp.log(10) / (2 * inside)))
        k = kappa(-left, n, eigenvalues, weights, digits)
        train = test = mp.mpf(0)
        for j in range(nodes):
            target = mp.pi - (j + mp.mpf(1) / 2) * mp.pi / nodes
            turn = radius * mp.expjpi(target / mp.pi)
            z = centre + turn
            k = _follow(pairs, k, -z, n)
            if not (k.imag < 0):
                raise _arguments.CertificateError(f"wrong branch at z = {z}")
            zeta = z + s + ridge
            relax = mp.exp(-time * zeta)
            q = (1 - relax) / zeta
            m = 1 - s * q
            plain = -k / z * mp.fsum(w / (lam + k) for w, lam in pairs)
            weighted = -k / z * mp.fsum(w * lam / (lam + k) for w, lam in pairs)
            train -= ((m * m + s * q * q * z) * plain * turn).real / nodes
            test -= ((m * m * plain + s * q * q * weighted) * turn).real / nodes
        return train, test


def _follow(pairs: Any, k: Any, zeta: Any, n: Any) -> Any:
    for _ in range(60):
        value = k * (1 - _df(pairs, k, 1) / n) - zeta
        step = value / (1 - _df(pairs, k, 2) / n)
        k -= step
        if abs(step) <= mp.mpf(10) ** (-mp.dps + 4) * abs(k):
            return k
    raise _arguments.CertificateError(f"no root at zeta = {mpmath.nstr(zeta)}")


def _df(pairs: Any, k: Any, power: int) -> Any:
    return mp.fsum(w * (lam / (lam + k)) ** power for w, lam in pairs)


def _pairs(eigenvalues: Sequence[Any], weights: Sequence[Any] | None) -> list[tuple[Any, Any]]:
    atoms = [_arguments.exact("eigenvalues", value, 0) for value in eigenvalues]
    if weights is None:
        return [(mp.mpf(1) / len(atoms), atom) for atom in atoms]
    parts = [_arguments.exact("weights", value, 0) for value in weights]
    return list(zip(parts, atoms, strict=True))
