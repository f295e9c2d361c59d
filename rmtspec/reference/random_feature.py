r"""Theorem 3.1 of Bonnaire, Urfin, Biroli and Mézard (arXiv 2505.17638), at any number of digits.

For U = G Gᵀ/n + b² W Wᵀ/d + s² I with G = c W X/√d + v Ω (c² = e^{-2t} a²), W of size p × d, X of
size d × n with columns N(0, Σ), Ω of size p × n, and ψ_p = p/d, ψ_n = n/d, the normalised traces

    q = Tr (U - z)^{-1} / p,  r = Tr Σ Wᵀ(U - z)^{-1}W / (p d),  s = Tr Wᵀ(U - z)^{-1}W / (p d)

(entries of W of unit variance, hence the 1/d) solve, with D = 1 + (ψ_p/ψ_n)(c² r + v² q),

    ŝ = ψ_p b² + 1/q,                r̂ = ψ_p c² / D,
    s = ∫ dρ(l) / (ŝ + r̂ l),         r = ∫ l dρ(l) / (ŝ + r̂ l),
    ψ_p (s² - z) + ψ_p v²/D + (1 - ψ_p)/q - s/q² = 0.

The unknowns of the search are (q, D). The map q -> 1/(s² - z + v²/D + ∫ θ/(1 + ψ_p q θ) dρ) with
θ = b² + c² l/D, and D -> 1 + (ψ_p/ψ_n)(c² r + v² q), sends the product of two upper half planes
into itself; the root with Im q > 0 *and* Im D > 0 is unique, Im q > 0 alone is not enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mpmath
from mpmath import mp

from . import _arguments
from ._arguments import GUARD_DIGITS, CertificateError, Gram
from ._continuation import Linearised, find_root, solve_linear
from ._series import Series


@dataclass(frozen=True)
class Solution:
    """The root at one point.

    Attributes
    ----------
    q, r, s : mpc
        The traces of the theorem.
    k, y, D : mpc
        k = 1/(ψ_p q), an effective ridge; y = 1/D, an effective shrinkage of the sample covariance.
    residual : mpf
        Largest residual of the equations, each relative to the sum of its terms.
    correction : mpf
        Relative size of one more Newton step: an estimate of the error of q and D.
    """

    q: Any
    r: Any
    s: Any
    k: Any
    y: Any
    D: Any
    residual: Any
    correction: Any


@dataclass(frozen=True)
class Edge:
    """An edge of the support: `distance` = z - s², and (k, y) there, where dz/dk = 0."""

    distance: Any
    k: Any
    y: Any


def solve(
    z: Any,
    psi_p: Any,
    psi_n: Any,
    eigenvalues: Sequence[Any],
    weights: Sequence[Any] | None,
    c2: Any,
    b2: Any,
    v2: Any,
    s2: Any,
    digits: int = 50,
    start: tuple[Any, Any] | None = None,
) -> Solution:
    """Solve the equations of Theorem 3.1 at one point.

    Parameters
    ----------
    z : number
        Im z > 0, or exactly real: inside a bulk the limit from above is returned, outside the
        support the real solution. The atom at s² has none; at an edge, where the root is double,
        the search may give up.
    psi_p, psi_n : number
        p/d and n/d, above 0.
    eigenvalues, weights : sequence of numbers
        Atoms of the population law of Σ, >= 0; weights (None: equal) are normalised to sum 1.
    c2, b2, v2, s2 : number
        Squares of the four coefficients, >= 0.
    digits : int
        Relative accuracy asked for, as a number of digits in [15, 1000].
    start : (q, D), optional
        Approximate solution to polish, say from a computation in double precision. It needs no
        trust: what it leads to is certified like any other root.

    Returns
    -------
    Solution

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number of the range above.
    CertificateError
        If no certified root is found, as happens at the atom and may happen at an edge.

    Notes
    -----
    Accuracy: `correction` and `residual` are below 10^-digits; floats, integers and fractions are
    taken as exact numbers.

    References
    ----------
    Bonnaire, Urfin, Biroli, Mézard, arXiv 2505.17638, Theorem 3.1.

    Examples
    --------
    >>> import mpmath
    >>> from rmtspec.reference import random_feature
    >>> solution = random_feature.solve(-1, 2, 3, [0.5, 1.5], None, 0.5, 0.25, 0.125, 0.0625)
    >>> print(mpmath.nstr(solution.q.real, 30))
    0.658170978281647384606183434035
    """
    digits = _arguments.digits_of(digits)
    with mpmath.workdps(digits + GUARD_DIGITS):
        model = _arguments.gram(psi_p, psi_n, eigenvalues, weights, c2, b2, v2, s2)
        w = _arguments.point("z", z) - model.s2
        guess = None if start is None else [mp.mpc(value) for value in start]
        root = find_root(TheoremSystem(model), w, digits, guess)
        q, D = root.unknowns
        sums = _Sums(model, q, D)
        return Solution(
            q, sums.r, sums.s, 1 / (model.psi_p * q), 1 / D, D, root.residual, root.correction
        )


def edge(
    distance: Any,
    psi_p: Any,
    psi_n: Any,
    eigenvalues: Sequence[Any],
    weights: Sequence[Any] | None,
    c2: Any,
    b2: Any,
    v2: Any,
    s2: Any,
    digits: int = 50,
    start: tuple[Any, Any] | None = None,
) -> Edge:
    """Polish an approximate edge of the support: solve D's equation together with dz/dq = 0.

    Parameters
    ----------
    distance : number
        Approximate edge, measured from s².
    psi_p, psi_n, eigenvalues, weights, c2, b2, v2, s2, digits
        As in `solve`.
    start : (q, D), optional
        Approximate real values there; by default taken from a solve just above `distance`.

    Returns
    -------
    Edge

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number of its range.
    CertificateError
        If the iteration does not converge, or ends farther from `distance` than a tenth of it.

    Notes
    -----
    Accuracy: relative in z - s². Two edges closer to each other than 1e-7 relative in q need
    `start` to be told apart.
    """
    digits = _arguments.digits_of(digits)
    with mpmath.workdps(digits + GUARD_DIGITS):
        model = _arguments.gram(psi_p, psi_n, eigenvalues, weights, c2, b2, v2, s2)
        near = _arguments.exact("distance", distance)
        if start is None:
            above = mp.mpc(near, abs(near) * mp.mpf("1e-16"))
            root = find_root(TheoremSystem(model), above, 20, None)
            guess = [mp.re(value) for value in root.unknowns]
        else:
            guess = [_arguments.exact("start", value) for value in start]
        q, D = _stationary(model, guess, digits)
        found = TheoremSystem(model).distance(q, D)
        if not abs(found - near) <= abs(near) / 10:
            raise CertificateError(f"no edge near {mp.nstr(near, 15)}: got {mp.nstr(found, 15)}")
        return Edge(found, 1 / (model.psi_p * q), 1 / D)


def edges(
    distances: Sequence[Any],
    psi_p: Any,
    psi_n: Any,
    eigenvalues: Sequence[Any],
    weights: Sequence[Any] | None,
    c2: Any,
    b2: Any,
    v2: Any,
    s2: Any,
    digits: int = 50,
) -> list[Any]:
    """Polish every edge of a list; distances from s² in, distances from s² out."""
    arguments = (psi_p, psi_n, eigenvalues, weights, c2, b2, v2, s2)
    return [edge(distance, *arguments, digits=digits).distance for distance in distances]


def moments(
    order: int,
    psi_p: Any,
    psi_n: Any,
    eigenvalues: Sequence[Any],
    weights: Sequence[Any] | None,
    c2: Any,
    b2: Any,
    v2: Any,
    s2: Any,
    digits: int = 50,
) -> list[Any]:
    """Moments 0 to `order` of the law of U, from the expansion of its equations at infinity.

    With x = 1/z, q = -Σ_j m_j x^{j+1}; the fixed-point map turns series right to x^j into series
    right to x^{j+1}, so `order` + 1 turns are exact up to rounding.
    """
    digits = _arguments.digits_of(digits)
    with mpmath.workdps(digits + GUARD_DIGITS):
        model = _arguments.gram(psi_p, psi_n, eigenvalues, weights, c2, b2, v2, s2)
        length = order + 2
        q = Series.constant(0, length)
        D = Series.constant(1, length)
        for _ in range(length):
            y = D.reciprocal()
            self_energy = y * model.v2
            r = Series.constant(0, length)
            for weight, atom in zip(model.weights, model.atoms, strict=True):
                theta = y * (model.c2 * atom) + model.b2
                inverse = (q * theta * model.psi_p + 1).reciprocal()
                self_energy = self_energy + theta * inverse * weight
                r = r + q * inverse * (weight * atom)
            q, D = (
                (((self_energy + model.s2) * (-1)).shifted() + 1).reciprocal().shifted() * (-1),
                (r * model.c2 + q * model.v2) * (model.psi_p / model.psi_n) + 1,
            )
        return [-coefficient for coefficient in q.coefficients[1:]]


class _Sums:
    """The population averages at (q, D): m_ij = ∫ l^i (ŝ + r̂ l)^{-j} dρ(l)."""

    def __init__(self, model: Gram, q: Any, D: Any) -> None:
        self.s_hat = model.psi_p * model.b2 + 1 / q
        self.r_hat = model.psi_p * model.c2 / D
        inverse = [1 / (self.s_hat + self.r_hat * atom) for atom in model.atoms]
        terms = list(zip(model.weights, model.atoms, inverse, strict=True))
        self.s = mp.fsum(weight * h for weight, _, h in terms)
        self.r = mp.fsum(weight * atom * h for weight, atom, h in terms)
        self.m02 = mp.fsum(weight * h * h for weight, _, h in terms)
        self.m12 = mp.fsum(weight * atom * h * h for weight, atom, h in terms)
        self.m22 = mp.fsum(weight * atom * atom * h * h for weight, atom, h in terms)


class TheoremSystem:
    """The equations in the unknowns (q, D), with z measured from s²."""

    def __init__(self, model: Gram) -> None:
        self.model = model

    @property
    def scale(self) -> Any:
        """An upper bound of the spectrum above s²."""
        return self.model.scale

    def half_planes(self) -> tuple[bool, bool]:
        """Both unknowns, unless the samples do not enter and D = 1."""
        return (True, self.model.coupled)

    def far_away(self, z: Any) -> list[Any]:
        """q = -1/z and D = 1."""
        return [-1 / z, mp.mpc(1)]

    def image(self, unknowns: Sequence[Any], z: Any) -> list[Any]:
        """The map of the module docstring."""
        q, D = unknowns
        model = self.model
        sums = _Sums(model, q, D)

        def inner(atom: Any) -> Any:
            theta = model.b2 + model.c2 * atom / D
            return theta / (1 + model.psi_p * q * theta)

        return [1 / (model.v2 / D + model.average(inner) - z), self._image_of_D(q, sums)]

    def _image_of_D(self, q: Any, sums: _Sums) -> Any:
        model = self.model
        return 1 + (model.psi_p / model.psi_n) * (model.c2 * sums.r + model.v2 * q)

    def distance(self, q: Any, D: Any) -> Any:
        """The inverse map: z - s² as a function of a solution (q, D)."""
        model = self.model
        psi = model.psi_p
        return model.v2 / D + (1 - psi) / (psi * q) - _Sums(model, q, D).s / (psi * q * q)

    def linearise(self, unknowns: Sequence[Any], z: Any) -> Linearised:
        """Residuals of the last equation of the theorem and of D, with their derivatives."""
        q, D = unknowns
        model = self.model
        psi, ratio = model.psi_p, model.psi_p / model.psi_n
        sums = _Sums(model, q, D)
        pull = psi * model.c2 / D**2
        last = [-psi * z, psi * model.v2 / D, (1 - psi) / q, -sums.s / q**2]
        inner = [D, mp.mpf(-1), -ratio * model.c2 * sums.r, -ratio * model.v2 * q]
        jacobian = [
            [
                (psi - 1) / q**2 + 2 * sums.s / q**3 - sums.m02 / q**4,
                -psi * model.v2 / D**2 - pull * sums.m12 / q**2,
            ],
            [
                -ratio * (model.c2 * sums.m12 / q**2 + model.v2),
                1 - ratio * model.c2 * pull * sums.m22,
            ],
        ]
        sizes = [mp.fsum(map(abs, last)), mp.fsum(map(abs, inner))]
        return Linearised([mp.fsum(last), mp.fsum(inner)], jacobian, [-psi, mp.mpf(0)], sizes)


def _stationary(model: Gram, guess: list[Any], digits: int) -> tuple[Any, Any]:
    """Newton on (equation of D, Jacobian determinant) = 0 in (log q, log D), by differences.

    A difference step of half the working digits leaves the convergence all but quadratic.
    """
    system = TheoremSystem(model)

    def target(q: Any, D: Any) -> list[Any]:
        at = system.linearise([q, D], mp.mpf(0))
        (a, b), (c, d) = at.jacobian
        # q² scales the first row, so that the determinant keeps its size as q grows.
        return [at.residuals[1], q * q * (a * d - b * c)]

    q, D = guess
    with mpmath.workdps(2 * (digits + GUARD_DIGITS)):
        small = mp.mpf(10) ** (-(digits + GUARD_DIGITS))
        for _ in range(100):
            value = target(q, D)
            right = target(q * (1 + small), D)
            up = target(q, D * (1 + small))
            matrix = [
                [(r - v) / small, (u - v) / small] for v, r, u in zip(value, right, up, strict=True)
            ]
            step = solve_linear(matrix, value)
            size = max(map(abs, step))
            shrink = min(mp.mpf(1), mp.mpf("0.5") / size) if size else mp.mpf(1)
            q, D = q * mp.exp(-shrink * step[0]), D * mp.exp(-shrink * step[1])
            if size < mp.mpf(10) ** (-(digits + 5)):
                return q, D
    raise CertificateError("the edge equations did not converge: give a closer start")
