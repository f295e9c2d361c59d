r"""Random features of several types on classes of data and noise levels, at any number of digits.

Neurons of type τ (fraction π_τ) see class y (fraction π_y) at noise level k with slope C_τyk in
the data, B_τyk in the noise (the root of π_y included), a sample-specific part of covariance K_τy
over the levels, and a floor S_τ; weights of the levels are absorbed. With u_τ = (C_τ, B_τ), all
classes and levels in one vector, and T x T matrices D_y,

    Q = psi_p Σ_τ π_τ g_τ u_τ u_τᵀ,      Θ(λ) = diag({π_y λ_y D_y^-1}_y, I),
    1/g_τ = S_τ - z + Σ_y π_y Tr K_τy D_y^-1 + u_τᵀ ∫ρ Θ(I + QΘ)^-1 u_τ,
    D_y = I + (psi_p/psi_n) Σ_τ π_τ g_τ K_τy + (1/psi_n) [∫ρ λ_y Q(I + ΘQ)^-1]_yy,

and q = Σ_τ π_τ g_τ. The right-hand sides send {Im g > 0, Im D > 0} into itself, and there is one
root in it. Nothing is reduced here, derivatives are differences at twice the digits, and matrices
are inverted as they stand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mpmath
from mpmath import mp

from .. import _arguments
from .._arguments import GUARD_DIGITS, CertificateError

_SEARCH_DIGITS = 20
_STEPS = 60


@dataclass(frozen=True)
class Solution:
    """The root at one point.

    Attributes
    ----------
    q : mpc
        Trace of the resolvent.
    g : list of mpc
        Resolvent of a neuron of each type.
    d : list of mpmath matrices
        D of each class.
    residual : mpf
        Largest residual of the fixed-point equations, relative to the unknown.
    """

    q: Any
    g: list[Any]
    d: list[Any]
    residual: Any


class _System:
    """The equations; unknowns are g_τ, then the entries a <= b of D_y, class by class."""

    def __init__(
        self, psi_p: Any, psi_n: Any, type_weights: Sequence[Any], class_weights: Sequence[Any],
        data_slopes: Any, noise_slopes: Any, kernels: Any, floors: Sequence[Any],
        eigenvalues: Sequence[Sequence[Any]], eigenvalue_weights: Sequence[Any],
    ) -> None:  # fmt: skip
        def number(value: Any) -> Any:
            return _arguments.exact("parameters", value)

        self.psi_p = _arguments.exact("psi_p", psi_p, 0, above=True)
        self.psi_n = _arguments.exact("psi_n", psi_n, 0, above=True)
        self.types = [_arguments.exact("type_weights", x, 0) for x in type_weights]
        self.classes = [_arguments.exact("class_weights", x, 0) for x in class_weights]
        self.levels = [[_arguments.exact("eigenvalues", x, 0) for x in row] for row in eigenvalues]
        self.shares = [_arguments.exact("eigenvalue_weights", x, 0) for x in eigenvalue_weights]
        self.floors = [_arguments.exact("floors", x, 0) for x in floors]
        self.count = len(data_slopes[0][0])
        self.slopes = [
            mp.matrix([number(x) for half in (data, noise) for row in half for x in row])
            for data, noise in zip(data_slopes, noise_slopes, strict=True)
        ]
        self.kernels = [
            [mp.matrix([[number(x) for x in row] for row in k]) for k in own] for own in kernels
        ]

    def unpack(self, unknowns: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """g and the matrices D."""
        size, types = self.count, len(self.types)
        matrices, place = [], types
        for _ in self.classes:
            d = mp.matrix(size, size)
            for a in range(size):
                for b in range(a, size):
                    d[a, b] = d[b, a] = unknowns[place]
                    place += 1
            matrices.append(d)
        return list(unknowns[:types]), matrices

    def image(self, unknowns: Sequence[Any], z: Any) -> list[Any]:
        """The right-hand sides, as g and D."""
        g, matrices = self.unpack(unknowns)
        size = self.count
        inverses = [mp.inverse(d) for d in matrices]
        whole = 2 * size * len(self.classes)
        q = mp.matrix(whole, whole)
        for weight, value, u in zip(self.types, g, self.slopes, strict=True):
            q += self.psi_p * weight * value * (u * u.T)
        signal, response = mp.matrix(whole, whole), [mp.matrix(size, size) for _ in self.classes]
        for share, levels in zip(self.shares, self.levels, strict=True):
            theta = mp.eye(whole)
            for y, (weight, level) in enumerate(zip(self.classes, levels, strict=True)):
                for a in range(size):
                    for b in range(size):
                        theta[y * size + a, y * size + b] = weight * level * inverses[y][a, b]
            signal += share * theta * mp.inverse(mp.eye(whole) + q * theta)
            back = q * mp.inverse(mp.eye(whole) + theta * q)
            for y, level in enumerate(levels):
                for a in range(size):
                    for b in range(size):
                        response[y][a, b] += share * level * back[y * size + a, y * size + b]
        new = []
        for floor, own, u in zip(self.floors, self.kernels, self.slopes, strict=True):
            total = floor - z + (u.T * signal * u)[0]
            for weight, k, inverse in zip(self.classes, own, inverses, strict=True):
                product = k * inverse
                total += weight * mp.fsum(product[a, a] for a in range(size))
            new.append(1 / total)
        for y, part in enumerate(response):
            d = mp.eye(size) + part / self.psi_n
            for weight, value, own in zip(self.types, g, self.kernels, strict=True):
                d += self.psi_p / self.psi_n * weight * value * own[y]
            new += [d[a, b] for a in range(size) for b in range(a, size)]
        return new

    def far_away(self, z: Any) -> list[Any]:
        """The unknowns at large z."""
        size = self.count
        d = [mp.mpc(a == b) for a in range(size) for b in range(a, size)]
        return [1 / (floor - z) for floor in self.floors] + d * len(self.classes)

    def scale(self) -> Any:
        """A rough size of the spectrum."""
        largest = max(max(row) for row in self.levels)
        slopes = max(mp.fsum(x * x for x in u) for u in self.slopes)
        own = max(mp.fsum(k[a, a] for a in range(self.count)) for row in self.kernels for k in row)
        signal = (1 + largest) * slopes * (1 + self.psi_p) * (1 + 1 / self.psi_n)
        return max(self.floors) + signal + own * (1 + self.psi_p / self.psi_n)

    def newton(self, unknowns: Sequence[Any], z: Any, digits: int) -> list[Any] | None:
        """Newton with differences at twice the digits."""
        with mpmath.workdps(2 * digits + GUARD_DIGITS):
            x = list(unknowns)
            for _ in range(_STEPS):
                residual, matrix = self.linearised(x, z, digits)
                try:
                    step = mp.lu_solve(matrix, -residual)
                except ZeroDivisionError:
                    return None
                sizes = [
                    abs(d) / (abs(v) + mp.mpf(10) ** -300) for d, v in zip(step, x, strict=True)
                ]
                size = max(sizes[: len(self.types)] + [abs(d) for d in step[len(self.types) :]])
                shrink = min(mp.mpf(1), mp.mpf(1) / 2 / size) if size else mp.mpf(1)
                x = [v + shrink * d for v, d in zip(x, step, strict=True)]
                if size < mp.mpf(10) ** (-digits - 2):
                    return x
        return None

    def linearised(self, x: list[Any], z: Any, digits: int) -> tuple[Any, Any]:
        """x less its image, and its Jacobian by differences."""
        image = self.image(x, z)
        residual = mp.matrix([v - i for v, i in zip(x, image, strict=True)])
        matrix = mp.eye(len(x))
        for j, value in enumerate(x):
            h = (abs(value) + mp.mpf(10) ** (-digits)) * mp.mpf(10) ** (-digits - 5)
            moved = self.image([*x[:j], value + h, *x[j + 1 :]], z)
            for i in range(len(x)):
                matrix[i, j] -= (moved[i] - image[i]) / h
        return residual, matrix

    def inside(self, x: Sequence[Any], margin: Any) -> bool:
        """Whether all imaginary parts are positive."""
        g, matrices = self.unpack(x)
        if not all(mp.im(value) > margin * abs(value) for value in g):
            return False
        return all(min(mp.eigsy(d.apply(mp.im), eigvals_only=True)) >= -margin for d in matrices)

    def in_cone(self, x: list[Any], z: Any, digits: int) -> bool:
        """Whether a real root has dx/dz in the cone of positive g' and D'."""
        with mpmath.workdps(2 * digits + GUARD_DIGITS):
            _, matrix = self.linearised(x, z, digits)
            types = len(self.types)
            right = mp.matrix([v * v if i < types else mp.mpf(0) for i, v in enumerate(x)])
            slopes, matrices = self.unpack(list(mp.lu_solve(matrix, right)))
            size = max(mp.norm(d, mp.inf) for d in matrices) * mp.mpf(10) ** (-digits)
            lowest = [min(mp.eigsy(d.apply(mp.re), eigvals_only=True)) for d in matrices]
            return all(mp.re(s) > 0 for s in slopes) and all(low >= -size for low in lowest)


def solve(
    z: Any,
    psi_p: Any,
    psi_n: Any,
    type_weights: Sequence[Any],
    class_weights: Sequence[Any],
    data_slopes: Any,
    noise_slopes: Any,
    kernels: Any,
    floors: Sequence[Any],
    eigenvalues: Sequence[Sequence[Any]],
    eigenvalue_weights: Sequence[Any],
    digits: int = 30,
    start: tuple[Sequence[Any], Any] | None = None,
) -> Solution:
    """Solve the equations at one point.

    Parameters
    ----------
    z : number
        Im z > 0, or exactly real: inside a bulk the limit from above is returned, outside the
        support the real solution. At an atom or an edge there is none.
    psi_p, psi_n : number
        p/d and n/d, above 0.
    type_weights, class_weights : sequence of N and of Y numbers
        Fractions, of sum one.
    data_slopes, noise_slopes : nested sequences (N, Y, T)
        C, and B with the root of the class weight.
    kernels : nested sequence (N, Y, T, T)
        K.
    floors : sequence of N numbers
        S.
    eigenvalues : nested sequence (J, Y)
        Joint eigenvalues of the covariances.
    eigenvalue_weights : sequence of J numbers
        Their fractions, of sum one.
    digits : int
        Relative accuracy asked for, as a number of digits in [15, 1000].
    start : (N numbers, (Y, T, T) numbers), optional
        Approximate g and D to polish. They need no trust: what they lead to is certified like any
        other root.

    Returns
    -------
    Solution

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number of its range.
    CertificateError
        If no certified root is found.

    Notes
    -----
    Accuracy: `residual` is below 10^-digits; floats are taken as exact numbers.

    References
    ----------
    One type, class and level: Bonnaire, Urfin, Biroli, Mézard, arXiv 2505.17638, Theorem 3.1. The
    general equations follow as there: given W the columns of the data are independent Gaussians,
    then the rows of W are.
    """
    digits = _arguments.digits_of(digits)
    with mpmath.workdps(2 * digits + GUARD_DIGITS):
        system = _System(
            psi_p, psi_n, type_weights, class_weights, data_slopes, noise_slopes, kernels, floors,
            eigenvalues, eigenvalue_weights,
        )  # fmt: skip
        point = _arguments.point("z", z)
        unknowns = None if start is None else _polished(system, point, *start, digits)
        if unknowns is None:
            unknowns = _descended(system, point, digits)
        image = system.image(unknowns, point)
        types = len(system.types)
        residual = max(
            abs(v - i) / (abs(v) if place < types else 1)
            for place, (v, i) in enumerate(zip(unknowns, image, strict=True))
        )
        g, d = system.unpack(unknowns)
        q = mp.fsum(weight * value for weight, value in zip(system.types, g, strict=True))
        return Solution(q, g, d, residual)


def _descended(system: _System, z: Any, digits: int) -> list[Any]:
    """Follow the root down from far above the axis, and certify where it ends."""
    eta = 3 * (system.scale() + abs(z))
    with mpmath.workdps(_SEARCH_DIGITS + GUARD_DIGITS):
        x = system.far_away(z + 1j * eta)
        for _ in range(40):
            image = system.image(x, z + 1j * eta)
            x = [(old + new) / 2 for old, new in zip(x, image, strict=True)]
    factor, lowest = mp.mpf("0.1"), mp.mpf(10) ** (-digits) * eta
    while eta > lowest and factor < mp.mpf("0.99"):
        below = max(eta * factor, z.imag)
        found = system.newton(x, mp.mpc(z.real, below), _SEARCH_DIGITS)
        if found is None or not system.inside(found, mp.mpf(0)):
            factor = mp.sqrt(factor)
            continue
        x, eta = found, below
        factor = max(factor**2, mp.mpf("0.001"))
        if eta == z.imag or (z.imag == 0 and eta < abs(z) / 50):
            last = _arrived(system, z, x, digits)
            if last is not None:
                return last
            if eta == z.imag:
                break
    raise CertificateError(
        f"no certified root at z = {mp.nstr(z, 20)}: it is an edge or an atom, or needs more digits"
    )


def _polished(system: _System, z: Any, g: Sequence[Any], d: Any, digits: int) -> list[Any] | None:
    size = system.count
    entries = [part[a][b] for part in d for a in range(size) for b in range(a, size)]
    return _arrived(system, z, [mp.mpc(value) for value in [*g, *entries]], digits)


def _arrived(system: _System, z: Any, x: list[Any], digits: int) -> list[Any] | None:
    """The certified root at z itself, complex or real."""
    found = system.newton(x, z, digits)
    margin = mp.mpf(10) ** (-digits) if z.imag == 0 else mp.mpf(0)
    if found is not None and system.inside(found, margin):
        return found
    if z.imag == 0:
        real = system.newton([mp.mpc(mp.re(v)) for v in x], z, digits)
        if real is not None and system.in_cone(real, z, digits):
            return real
    return None
