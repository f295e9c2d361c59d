"""Find the one root of a self-consistent equation that lies in its half planes, and certify it.

Every law of this package is the fixed point of an analytic map of a product of upper half planes
into itself, so that (Earle and Hamilton 1970) it has exactly one fixed point there. The search may
therefore be as careless as it likes: a root found by any means is right if its residual vanishes
and every unknown lies in its half plane. At real z a root in the open half planes is the limit from
above (inside a bulk), and a real root whose unknowns all increase with z is the continuation from
above (outside the support).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import mpmath
from mpmath import mp

from ._arguments import GUARD_DIGITS, CertificateError

_SEARCH_DIGITS = 30
_NEWTON_STEPS = 60
_LARGEST_LOG_STEP = 1.0


class Linearised(NamedTuple):
    """Residuals, their Jacobian, their derivative in z, and the sizes of their terms."""

    residuals: list[Any]
    jacobian: list[list[Any]]
    slope: list[Any]
    sizes: list[Any]


class System(Protocol):
    """Equations in unknowns whose imaginary parts are positive for Im z > 0."""

    @property
    def scale(self) -> Any:
        """An upper bound of the size of the spectrum."""

    def half_planes(self) -> Sequence[bool]:
        """Which unknowns must lie in the upper half plane (a constant one need not)."""

    def far_away(self, z: Any) -> list[Any]:
        """Return the leading behaviour of the unknowns at large z."""

    def image(self, unknowns: Sequence[Any], z: Any) -> list[Any]:
        """Return the fixed-point map, which sends the half planes into themselves."""

    def linearise(self, unknowns: Sequence[Any], z: Any) -> Linearised:
        """Return residuals and derivatives at a trial point."""


class Root(NamedTuple):
    """Unknowns with the relative residual and the relative size of the last Newton correction."""

    unknowns: list[Any]
    residual: Any
    correction: Any


def find_root(system: System, z: Any, digits: int, start: Sequence[Any] | None) -> Root:
    """Return the certified root at `z`, from `start` if that leads there, else by continuation.

    To be called with a working precision of `digits` and the guard digits.

    Raises
    ------
    CertificateError
        If no certified root is found.
    """
    if start is not None:
        root = _arrive(system, z, list(start), digits)
        if root is not None:
            return root
    return _continue_from_afar(system, z, digits)


def solve_linear(matrix: Sequence[Sequence[Any]], right: Sequence[Any]) -> list[Any]:
    """Solve one or two linear equations."""
    if len(right) == 1:
        return [right[0] / matrix[0][0]]
    (a, b), (c, d) = matrix
    determinant = a * d - b * c
    return [
        (d * right[0] - b * right[1]) / determinant,
        (a * right[1] - c * right[0]) / determinant,
    ]


def derivative(system: System, unknowns: Sequence[Any], z: Any) -> list[Any]:
    """Return du/dz of every unknown along the solution."""
    at = system.linearise(unknowns, z)
    return [-slope for slope in solve_linear(at.jacobian, at.slope)]


def _continue_from_afar(system: System, z: Any, digits: int) -> Root:
    """Descend on z + iη from η beyond the spectrum to 0, each step a Newton from the last."""
    with mpmath.workdps(_SEARCH_DIGITS):
        eta = 10 * (system.scale + abs(z))
        unknowns = system.far_away(z + 1j * eta)
        for _ in range(40):
            image = system.image(unknowns, z + 1j * eta)
            unknowns = [(old + new) / 2 for old, new in zip(unknowns, image, strict=True)]
        last = eta * mp.mpf(10) ** (-2 * digits)
    factor = mp.mpf("0.1")
    while eta > last and factor < mp.mpf("0.999"):
        trial = eta * factor
        found = _newton(system, z + 1j * trial, unknowns, _SEARCH_DIGITS, inside=True)
        if found is None:
            factor = mp.sqrt(factor)
            continue
        unknowns, eta = found, trial
        factor = max(factor**2, mp.mpf("0.001"))
        if eta < 1e-2 * abs(z) or eta < z.imag:
            root = _arrive(system, z, unknowns, digits)
            if root is not None:
                return root
    raise CertificateError(
        f"no certified root at z = {mp.nstr(z, 20)}: it is an edge or an atom, or needs more digits"
    )


def _arrive(system: System, z: Any, unknowns: list[Any], digits: int) -> Root | None:
    """Newton at `z` itself, complex and (for real z) real; None unless certified."""
    attempts = [unknowns]
    if z.imag == 0:
        attempts.append([mp.mpc(value.real) for value in map(mp.mpc, unknowns)])
    for attempt in attempts:
        found = _newton(system, z, attempt, digits + 5, inside=z.imag > 0)
        if found is not None:
            root = _certify(system, z, found, digits)
            if root is not None:
                return root
    return None


def _certify(system: System, z: Any, unknowns: list[Any], digits: int) -> Root | None:
    at = system.linearise(unknowns, z)
    step = solve_linear(at.jacobian, at.residuals)
    residual = max(abs(value) / size for value, size in zip(at.residuals, at.sizes, strict=True))
    correction = max(abs(d) / abs(u) for d, u in zip(step, unknowns, strict=True))
    tolerance = mp.mpf(10) ** (-digits)
    if not (residual <= tolerance and correction <= tolerance):
        return None
    if _in_half_planes(system, unknowns, tolerance if z.imag == 0 else mp.mpf(0)):
        return Root(unknowns, residual, correction)
    if z.imag == 0 and all(abs(u.imag) <= tolerance * abs(u) for u in map(mp.mpc, unknowns)):
        real = [mp.mpc(u.real) for u in map(mp.mpc, unknowns)]
        rising = derivative(system, real, z)
        needed = system.half_planes()
        if all(slope.real > 0 for slope, half in zip(rising, needed, strict=True) if half):
            return Root(real, residual, correction)
    return None


def _in_half_planes(system: System, unknowns: Sequence[Any], margin: Any) -> bool:
    pairs = zip(unknowns, system.half_planes(), strict=True)
    return all(mp.im(u) > margin * abs(u) for u, half in pairs if half)


def _newton(
    system: System, z: Any, start: Sequence[Any], digits: int, *, inside: bool
) -> list[Any] | None:
    """Newton with capped relative steps; with `inside`, steps that would leave are shortened."""
    unknowns = list(start)
    tolerance = mp.mpf(10) ** (-digits)
    with mpmath.workdps(digits + GUARD_DIGITS):
        for _ in range(_NEWTON_STEPS + digits // 10):
            try:
                at = system.linearise(unknowns, z)
                step = solve_linear(at.jacobian, at.residuals)
            except ZeroDivisionError:
                return None
            size = max(abs(d) / abs(u) for d, u in zip(step, unknowns, strict=True))
            if not mpmath.isfinite(size):
                return None
            shrink = min(mp.mpf(1), _LARGEST_LOG_STEP / size) if size else mp.mpf(1)
            moved = _moved(unknowns, step, shrink)
            for _ in range(60 if inside else 0):
                if _in_half_planes(system, moved, mp.mpf(0)):
                    break
                shrink /= 2
                moved = _moved(unknowns, step, shrink)
            unknowns = moved
            if size < tolerance:
                return unknowns
    return None


def _moved(unknowns: Sequence[Any], step: Sequence[Any], shrink: Any) -> list[Any]:
    """Step in the logarithms, so that no unknown passes through zero."""
    return [u * mp.exp(-shrink * d / u) for u, d in zip(unknowns, step, strict=True)]
