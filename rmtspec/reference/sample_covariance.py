r"""The sample covariance law of Silverstein and Bai (1995), at any number of digits.

For S = Σ^{1/2} X Xᵀ Σ^{1/2}/n, X of size p × n with unit independent entries, c = p/n, and H the
law of the population eigenvalues, g(z) = ∫ dF(λ)/(λ - z) and the companion transform
u = -(1 - c)/z + c g (that of Xᵀ Σ X/n) obey

    z = -1/u + c ∫ t dH(t) / (1 + t u),        g = (u + (1 - c)/z)/c = -(1/z) ∫ dH(t) / (1 + t u).

For Im z > 0 the map u -> -1/(z - c ∫ t dH/(1 + t u)) sends the upper half plane into itself and u
is its only fixed point there. A real u with dz/du > 0 marks a z outside the support (Silverstein
and Choi 1995), so that the edges are the critical values of z(u).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mpmath
from mpmath import mp

from . import _arguments
from ._arguments import GUARD_DIGITS, CertificateError
from ._continuation import Linearised, find_root


@dataclass(frozen=True)
class Solution:
    """g and its companion u at one point, with the relative residual and last Newton correction."""

    g: Any
    companion: Any
    residual: Any
    correction: Any


def solve(
    z: Any,
    ratio: Any,
    eigenvalues: Sequence[Any],
    weights: Sequence[Any] | None = None,
    digits: int = 50,
    start: Any = None,
) -> Solution:
    """Solve Silverstein's equation at one point.

    Parameters
    ----------
    z : number
        Im z > 0, or exactly real: the limit from above inside a bulk, the real solution outside.
        z = 0 is excluded; at an edge, where the root is double, the search may give up.
    ratio : number
        c = p/n > 0.
    eigenvalues, weights : sequence of numbers
        Atoms of H, >= 0; weights (None: equal) are normalised to sum 1.
    digits : int
        Relative accuracy asked for.
    start : number, optional
        Approximate companion transform to polish.

    Returns
    -------
    Solution

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number of its range.
    CertificateError
        If no certified root is found.

    References
    ----------
    Silverstein and Bai, J. Multivariate Anal. 54 (1995) 175, Eq. 1.4.
    """
    digits = _arguments.digits_of(digits)
    with mpmath.workdps(digits + GUARD_DIGITS):
        system = _system(ratio, eigenvalues, weights)
        at = _arguments.point("z", z)
        if at == 0:
            raise ValueError("z must not be 0, where the law may have an atom")
        root = find_root(system, at, digits, None if start is None else [mp.mpc(start)])
        u = root.unknowns[0]
        pairs = zip(system.weights, system.atoms, strict=True)
        g = -mp.fsum(weight / (1 + t * u) for weight, t in pairs) / at
        return Solution(g, u, root.residual, root.correction)


def edge(
    near: Any,
    ratio: Any,
    eigenvalues: Sequence[Any],
    weights: Sequence[Any] | None = None,
    digits: int = 50,
) -> Any:
    """Polish an approximate edge: solve dz/du = 0 from the solution just above `near`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number of its range.
    CertificateError
        If Newton does not converge, or ends farther from `near` than a tenth of it.
    """
    digits = _arguments.digits_of(digits)
    with mpmath.workdps(digits + GUARD_DIGITS):
        system = _system(ratio, eigenvalues, weights)
        guess = _arguments.exact("near", near)
        above = mp.mpc(guess, abs(guess) * mp.mpf("1e-16"))
        u = find_root(system, above, 20, None).unknowns[0].real
        for _ in range(100):
            step = system.slope(u, 1) / system.slope(u, 2)
            u -= step
            if abs(step) < mp.mpf(10) ** (-(digits + 5)) * abs(u):
                break
        else:
            raise CertificateError("the edge equation did not converge")
        found = system.slope(u, 0)
        if not abs(found - guess) <= abs(guess) / 10:
            raise CertificateError(f"no edge near {mp.nstr(guess, 15)}: got {mp.nstr(found, 15)}")
        return found


def moments(
    order: int, ratio: Any, eigenvalues: Sequence[Any], weights: Sequence[Any] | None = None
) -> list[Any]:
    """Moments 0 to `order` of the law, without its equation.

    The companion law is free compound Poisson of rate c and jumps H: its free cumulants are
    c ∫ t^j dH, its moments follow from m_n = Σ_j κ_j [x^{n-j}] M(x)^j with M(x) = Σ_n m_n x^n, and
    those of the law itself are the companion's divided by c.
    """
    system = _system(ratio, eigenvalues, weights)
    cumulants = [mp.mpf(0)]
    for j in range(1, order + 1):
        pairs = zip(system.weights, system.atoms, strict=True)
        cumulants.append(system.ratio * mp.fsum(weight * t**j for weight, t in pairs))
    companion = [mp.mpf(1)]
    for n in range(1, order + 1):
        powers = [mp.mpf(1)] + [mp.mpf(0)] * n
        total = mp.mpf(0)
        for j in range(1, n + 1):
            powers = [
                mp.fsum(powers[i] * companion[m - i] for i in range(m + 1) if m - i < n)
                for m in range(n)
            ]
            total += cumulants[j] * powers[n - j]
        companion.append(total)
    return [mp.mpf(1)] + [value / system.ratio for value in companion[1:]]


def _system(
    ratio: Any, eigenvalues: Sequence[Any], weights: Sequence[Any] | None
) -> SilversteinSystem:
    atoms, parts = _arguments.population(eigenvalues, weights)
    return SilversteinSystem(_arguments.exact("ratio", ratio, 0, above=True), atoms, parts)


@dataclass(frozen=True)
class SilversteinSystem:
    """Silverstein's equation in the companion transform."""

    ratio: Any
    atoms: tuple[Any, ...]
    weights: tuple[Any, ...]

    @property
    def scale(self) -> Any:
        """An upper bound of the spectrum."""
        return max(self.atoms) * (1 + mp.sqrt(self.ratio)) ** 2 + mp.mpf(10) ** -30

    def half_planes(self) -> tuple[bool]:
        """The companion transform has a positive imaginary part."""
        return (True,)

    def far_away(self, z: Any) -> list[Any]:
        """u = -1/z."""
        return [-1 / z]

    def image(self, unknowns: Sequence[Any], z: Any) -> list[Any]:
        """The map of the module docstring."""
        u = unknowns[0]
        return [-1 / (z - self._drift(u))]

    def _drift(self, u: Any) -> Any:
        pairs = zip(self.weights, self.atoms, strict=True)
        return self.ratio * mp.fsum(weight * t / (1 + t * u) for weight, t in pairs)

    def slope(self, u: Any, order: int) -> Any:
        """z(u) or its first or second derivative."""
        sign = (-1) ** order * mp.factorial(order)
        pairs = zip(self.weights, self.atoms, strict=True)
        drift = mp.fsum(w * t ** (order + 1) / (1 + t * u) ** (order + 1) for w, t in pairs)
        return sign * (self.ratio * drift - u ** (-order - 1))

    def linearise(self, unknowns: Sequence[Any], z: Any) -> Linearised:
        """z(u) - z and its derivatives."""
        u = unknowns[0]
        terms = [-1 / u, self._drift(u), -z]
        return Linearised(
            [mp.fsum(terms)], [[self.slope(u, 1)]], [mp.mpf(-1)], [mp.fsum(map(abs, terms))]
        )
