r"""Isotropic data: the polynomial P(q, w) = 0 of the law of U, its discriminant, and the edges.

For Σ = l I, with w = z - s² and y = 1/D, the equations of Theorem 3.1 of arXiv 2505.17638 are two
polynomials in (q, y), of degree two in y,

    (ψ_p q (v² y - w) - (ψ_p - 1)) e - 1 = 0,        e = 1 + ψ_p q (b² + c² l y),
    (ψ_n (1 - y) - ψ_p v² q y) e - ψ_p c² l q y = 0.

Eliminating y by a resultant leaves P, of degree 5 in q and 2 in w. Every edge of the support is a
branch point of q, hence a real root of the discriminant of P in q (or of its leading coefficient,
where q has a pole: the atom and the hard edge at w = 0). The converse fails: other real roots,
those at w < 0 for instance, belong to sheets that are not the resolvent's. Between two
neighbouring real roots the number of real and complex sheets is constant, and one point tells
whether the interval lies in a bulk: there all sheets are found as roots of a polynomial, and
exactly one of them is the resolvent's, the one with Im q > 0 and Im D > 0, or real with
dq/dw > 0 and dD/dw > 0. No iteration with a start is involved.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import mpmath
import sympy as sp
from mpmath import mp

from . import _arguments
from ._arguments import CertificateError
from ._continuation import derivative
from .random_feature import TheoremSystem

q, w, y = sp.symbols("q w y")
psi_p, psi_n, variance, c2, b2, v2 = sp.symbols("psi_p psi_n variance c2 b2 v2", positive=True)
PARAMETERS = (psi_p, psi_n, variance, c2, b2, v2)


def equations() -> tuple[Any, Any]:
    """The two polynomials of the module docstring, in symbols."""
    e = 1 + psi_p * q * (b2 + c2 * variance * y)
    return (
        sp.expand((psi_p * q * (v2 * y - w) - (psi_p - 1)) * e - 1),
        sp.expand((psi_n * (1 - y) - psi_p * v2 * q * y) * e - psi_p * c2 * variance * q * y),
    )


@lru_cache
def curve() -> Any:
    """P(q, w) in symbols: the irreducible factor of the resultant that involves w."""
    first, second = equations()
    _, factors = sp.factor_list(sp.resultant(first, second, y))
    (polynomial,) = [factor for factor, _ in factors if factor.has(w)]
    return sp.Poly(polynomial, q, w)


def specialise(psi_p: Any, psi_n: Any, variance: Any, c2: Any, b2: Any, v2: Any) -> Any:
    """P(q, w) with rational coefficients, its repeated factors and factors free of w removed.

    Floats are taken as the exact binary fractions they are. With vanishing coefficients the
    elimination is repeated, since the curve then splits.
    """
    values = dict(zip(PARAMETERS, _rationals(psi_p, psi_n, variance, c2, b2, v2), strict=True))
    if all(values[name] > 0 for name in PARAMETERS):
        reduced = curve().as_expr().subs(values)
    else:
        first, second = (equation.subs(values) for equation in equations())
        reduced = sp.resultant(first, second, y) if second.has(y) else first
    polynomial = sp.Poly(reduced, q, w, domain=sp.QQ)
    _, factors = polynomial.sqf_list()
    kept = sp.prod([factor.as_expr() for factor, _ in factors if factor.degree(w) > 0])
    return sp.Poly(sp.Poly(kept, q, w).primitive()[1].as_expr(), q, w, domain=sp.QQ)


def discriminant(polynomial: Any) -> Any:
    """Discriminant of P in q, times its leading coefficient, free of repeated roots, in w."""
    in_q = sp.Poly(polynomial.as_expr(), q)
    full = sp.Poly(in_q.discriminant() * in_q.LC(), w, domain=sp.QQ)
    return full.sqf_part()


def edges(
    psi_p: Any,
    psi_n: Any,
    variance: Any,
    c2: Any,
    b2: Any,
    v2: Any,
    s2: Any = 0,
    digits: int = 50,
) -> list[tuple[Any, Any]]:
    """Bulks of the support as pairs of edges measured from s², ascending.

    Parameters
    ----------
    psi_p, psi_n : number
        p/d and n/d, above 0.
    variance : number
        Σ = variance · I, above 0.
    c2, b2, v2, s2 : number
        Squares of the coefficients, >= 0. s² only shifts the spectrum and is checked, not used.
    digits : int
        Relative accuracy asked for, of each distance.

    Returns
    -------
    list of (left, right)
        A left edge of 0 is a hard edge (ψ_p = 1 + ψ_n).

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number of its range.
    CertificateError
        If some interval has not exactly one physical sheet.
    """
    digits = _arguments.digits_of(digits)
    arguments = (psi_p, psi_n, variance, c2, b2, v2)
    with mpmath.workdps(3 * digits + 60):
        model = _arguments.gram(psi_p, psi_n, [variance], None, c2, b2, v2, s2)
        polynomial = specialise(*arguments)
        roots = real_roots(discriminant(polynomial), digits)
        if not any(root == 0 for root in roots):
            roots = sorted([*roots, mp.mpf(0)])
        roots = [root for root in roots if root >= 0]
        inside = [
            _in_bulk(polynomial, TheoremSystem(model), (left + right) / 2)
            for left, right in pairwise(roots)
        ]
    return _merge(roots, inside)


def real_roots(polynomial: Any, digits: int) -> list[Any]:
    """Real roots of a square-free rational polynomial, isolated exactly, then bisected.

    Relative accuracy `digits`; zero is found exactly.
    """
    zero = [mp.mpf(0)] if polynomial.eval(0) == 0 else []
    if zero:
        polynomial = polynomial.quo(sp.Poly(polynomial.gen, polynomial.gen, domain=sp.QQ))
    if polynomial.degree() <= 0:
        return zero
    found = [_refine(polynomial, low, high, digits) for (low, high), _ in polynomial.intervals()]
    return sorted([*found, *zero])


def _refine(polynomial: Any, low: Any, high: Any, digits: int) -> Any:
    """The one simple root, not zero, of an isolating interval: Newton, bisecting when it strays."""
    if low == high:
        return _to_mp(low)
    coefficients = [_to_mp(value) for value in polynomial.all_coeffs()]
    tolerance = mp.mpf(10) ** (-digits - 20)
    # The terms of the discriminant cancel at its roots; six times the digits have always sufficed
    # for the degree of 13 it has here, and a bracket that stops shrinking would raise below.
    with mpmath.workdps(6 * digits + 200):
        low, high = _on_one_side(coefficients, _to_mp(low), _to_mp(high))
        rising = mp.polyval(coefficients, high) > 0
        x = _middle(low, high)
        for _ in range(mp.prec):
            value, slope = mp.polyval(coefficients, x, derivative=1)
            if value == 0 or high - low < tolerance * abs(x):
                return x
            low, high = (low, x) if (value > 0) == rising else (x, high)
            newton = x - value / slope if slope else low
            inside = low < newton < high
            if inside and abs(newton - x) < tolerance * abs(x):
                return newton
            x = newton if inside else _middle(low, high)
    raise CertificateError(f"a root near {mp.nstr(x, 10)} was not resolved")


def _on_one_side(coefficients: list[Any], low: Any, high: Any) -> tuple[Any, Any]:
    """Shrink an isolating interval of one root away from zero, where there is none."""
    if low < 0 < high:
        crossed = (coefficients[-1] > 0) == (mp.polyval(coefficients, high) > 0)
        low, high = (low, mp.mpf(0)) if crossed else (mp.mpf(0), high)
    inner, outer = (low, high) if low == 0 else (high, low)
    if inner != 0:
        return low, high
    sign = mp.polyval(coefficients, outer) > 0
    inner = outer / 16
    while (mp.polyval(coefficients, inner) > 0) == sign:
        outer, inner = inner, inner / 16
    return min(inner, outer), max(inner, outer)


def _middle(low: Any, high: Any) -> Any:
    """Geometric mean of two numbers of one sign."""
    return mp.sqrt(low * high) * mp.sign(high)


def sheets(polynomial: Any, at: Any) -> list[Any]:
    """All roots q of P(q, w) at one w, but for q = 0, which is no sheet."""
    row = sp.Poly(polynomial.as_expr(), q).all_coeffs()
    coefficients = [
        mp.polyval([_to_mp(value) for value in sp.Poly(entry, w).all_coeffs()], at) for entry in row
    ]
    while coefficients and coefficients[0] == 0:
        coefficients.pop(0)
    while coefficients and coefficients[-1] == 0:
        coefficients.pop()
    found: list[Any] = mp.polyroots(coefficients, maxsteps=500, extraprec=2 * mp.prec)
    return found


def _in_bulk(polynomial: Any, system: TheoremSystem, at: Any) -> bool:
    """Whether the one physical sheet at a real `at` is complex."""
    kinds = [kind for root in sheets(polynomial, at) if (kind := _kind(system, root, at))]
    if len(kinds) != 1:
        raise CertificateError(f"{len(kinds)} physical sheets at w = {mp.nstr(at, 15)}")
    return kinds[0] == "bulk"


def _kind(system: TheoremSystem, root: Any, at: Any) -> str:
    """Return "bulk" or "gap" for a physical root, "" for one that no resolvent has."""
    tolerance = mp.mpf(10) ** (-mp.dps // 3)
    D = _partner(system.model, root, at)
    if D is None:
        return ""
    needed = system.half_planes()
    pair = [mp.mpc(root), mp.mpc(D)]
    sizes = [value.imag / abs(value) for value in pair]
    if all(abs(size) < tolerance for size in sizes):
        rising = derivative(system, [value.real for value in pair], at)
        ok = all(slope > 0 for slope, half in zip(rising, needed, strict=True) if half)
        return "gap" if ok else ""
    ok = all(size > tolerance for size, half in zip(sizes, needed, strict=True) if half)
    return "bulk" if ok else ""


def _partner(model: Any, root: Any, at: Any) -> Any:
    """D at a sheet: of the roots y of the second equation the one that fulfils the first."""
    gain = model.psi_p * model.c2 * model.atoms[0] * root
    noise = model.psi_n + model.psi_p * model.v2 * root
    e = 1 + model.psi_p * root * model.b2
    # (ψ_n - noise y)(e + gain y) - gain y = 0
    quadratic = [-noise * gain, model.psi_n * gain - noise * e - gain, model.psi_n * e]
    while quadratic[0] == 0:
        quadratic.pop(0)
    candidates = [
        1 / value
        for value in mp.polyroots(quadratic, maxsteps=200, extraprec=mp.prec)
        if value != 0
    ]

    def defect(D: Any) -> Any:
        residual = TheoremSystem(model).linearise([root, D], at)
        return abs(residual.residuals[0]) / residual.sizes[0]

    if not candidates:
        return None
    return min(candidates, key=defect)


def _merge(roots: Sequence[Any], inside: Sequence[bool]) -> list[tuple[Any, Any]]:
    """Join neighbouring intervals inside bulks into pairs of edges."""
    bulks: list[tuple[Any, Any]] = []
    for (left, right), bulk in zip(pairwise(roots), inside, strict=True):
        if not bulk:
            continue
        if bulks and bulks[-1][1] == left:
            bulks[-1] = (bulks[-1][0], right)
        else:
            bulks.append((left, right))
    return bulks


def _rationals(*values: Any) -> list[Any]:
    """Exact rationals of floats, integers, fractions and decimal strings."""
    names = [str(name) for name in PARAMETERS]
    checked = [
        _arguments.exact(name, value, 0, above=name in ("psi_p", "psi_n", "variance"))
        for name, value in zip(names, values, strict=True)
    ]
    return [sp.Rational(*_ratio(number)) for number in checked]


def _ratio(number: Any) -> tuple[int, int]:
    """Numerator and denominator of an mpf, which is a binary fraction."""
    mantissa, exponent = number.man_exp
    if exponent >= 0:
        return int(mantissa) << exponent, 1
    return int(mantissa), 1 << -exponent


def _to_mp(value: Any) -> Any:
    rational = sp.Rational(value)
    return mp.mpf(int(rational.p)) / int(rational.q)
