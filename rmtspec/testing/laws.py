r"""What densities, distribution functions and quantiles obey, each alone and all together.

Integrals run over :math:`x=a+(b-a)\sin^2\theta` in each interval of the support, which takes away
square roots and inverse square roots at its ends.  The order doubles until the result stands
still; ten times the last change is what an integral is taken to err by.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _checks
from .findings import EPS, Finding, at_most, equal, settled
from .functions import elementwise, intervals, point_masses, span, transform

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
RealFunction = Callable[[Any], Any]

_FIRST_ORDER, _MOST_ORDER = 32, 512
_INSIDE = (0.02, 0.2, 0.5, 0.8, 0.98)


@lru_cache(maxsize=16)
def _rule(order: int) -> tuple[FloatArray, FloatArray]:
    """sin²θ and the weights of ∫ over it, at Gauss-Legendre nodes in θ."""
    nodes, weights = np.polynomial.legendre.leggauss(order)
    theta = 0.25 * np.pi * (nodes + 1.0)
    return np.sin(theta) ** 2, weights * 0.25 * np.pi * np.sin(2.0 * theta)


def integral(
    f: Callable[[FloatArray], Any], a: float, b: float, rtol: float
) -> tuple[Any, FloatArray]:
    """∫f from a to b over the last axis of f(x), with its error.

    That is ten times the last change, `rtol` of ∫|f|, and what the rounding of x does to a root
    at an end.
    """
    previous, order = None, _FIRST_ORDER
    while True:
        share, weights = _rule(order)
        terms = np.asarray(f(a + (b - a) * share)) * weights * (b - a)
        total, size = terms.sum(axis=-1), np.abs(terms).sum(axis=-1)
        change = np.inf if previous is None else np.abs(total - previous)
        if np.all(change <= 0.1 * rtol * size) or 2 * order > _MOST_ORDER:
            # An ulp of x, at 1/order² of the width from an end, changes a root there by this.
            blur = min(4.0 * EPS * max(abs(a), abs(b)) / (b - a) * order, 1.0)
            return total, 10.0 * change + (rtol + blur) * size
        previous, order = total, 2 * order


def check_density(
    density: RealFunction,
    support: ArrayLike,
    *,
    atoms: ArrayLike = (),
    masses: ArrayLike | None = None,
    moments: Sequence[float] = (),
    rtol: float = 1e-9,
    raise_: bool = False,
) -> list[Finding]:
    r"""Check that a density is one, lives on the support and has the mass that atoms leave.

    Parameters
    ----------
    density : callable
        Of the absolutely continuous part, over real numbers.
    support : array_like, shape (k, 2)
        Its intervals, disjoint, no wider than it.
    atoms : array_like, shape (j, 2), optional
        Locations and masses of atoms beside it.
    masses : array_like, shape (k,), optional
        Exact mass of each interval, where it is known.
    moments : sequence of float, optional
        Exact moments of the whole law, k = 1, 2, ...
    rtol : float
        Relative accuracy that the density claims; tolerances are made of it and of the error of
        the quadrature.
    raise_ : bool
        Whether to raise `InvariantError` if an invariant fails.

    Returns
    -------
    list of Finding

    Raises
    ------
    TypeError, ValueError
        If an argument is not of its kind.
    InvariantError
        On request.

    Examples
    --------
    >>> import numpy as np
    >>> from rmtspec.testing import invariants
    >>> semicircle = lambda x: np.sqrt(np.maximum(4 - x**2, 0)) / (2 * np.pi)
    >>> invariants.failed(invariants.check_density(semicircle, [-2, 2], moments=[0, 1, 0, 2]))
    []
    """
    f, pieces, heavy = elementwise("density", density), intervals(support), point_masses(atoms)
    rtol = _checks.real("rtol", rtol, EPS, 1.0)
    low, high, _ = span(pieces)
    outside = _outside(pieces)
    findings = equal("density = 0 off the support", f(outside), 0.0, at=outside)
    inner = _inner(pieces)
    findings += at_most("density >= 0", -f(inner), 0.0, at=inner, note="negative")
    wide = pieces[np.ptp(pieces, axis=1) > 0.0]
    found = [integral(f, a, b, rtol) for a, b in wide]
    sizes, errors = (np.array([pair[i] for pair in found]) for i in (0, 1))
    rest = float(heavy[:, 1].sum())
    findings += equal(
        "mass of density and atoms = 1", sizes.sum() + rest, 1.0, errors.sum() + 8.0 * EPS
    )
    if masses is not None:
        exact = _checks.real_array("masses", masses, 0.0, 1.0)
        if exact.shape != (len(wide),):
            raise ValueError(
                f"masses must have one entry an interval, {len(wide)}, got {_checks.shown(masses)}"
            )
        findings += equal("mass of an interval", sizes, exact, errors, wide[:, 0])
    for k, exact_moment in enumerate(_checks.real_array("moments", list(moments)), start=1):
        parts = [integral(_times_power(f, k), a, b, rtol) for a, b in wide]
        total = sum(part for part, _ in parts) + float(heavy[:, 1] @ heavy[:, 0] ** k)
        slack = sum(error for _, error in parts) + 8.0 * EPS * max(abs(low), abs(high)) ** k
        findings += equal(f"moment {k} of the density", total, exact_moment, slack)
    return settled(findings, raise_)


def _times_power(f: RealFunction, k: int) -> RealFunction:
    return lambda x: x**k * f(x)


def check_cdf(
    cdf: RealFunction,
    support: ArrayLike,
    *,
    atoms: ArrayLike = (),
    density: RealFunction | None = None,
    rtol: float = 1e-9,
    raise_: bool = False,
) -> list[Finding]:
    """Check a distribution function: from 0 to 1, never falling, flat in gaps, jumps at atoms.

    Parameters
    ----------
    cdf : callable
        Mass at or below x, over real numbers.
    support, atoms, raise_ : as for `check_density`
    density : callable, optional
        Its integrals must be the differences of the cdf.
    rtol : float
        Accuracy that the cdf and the density claim.

    Returns
    -------
    list of Finding

    Raises
    ------
    TypeError, ValueError
        If an argument is not of its kind.
    InvariantError
        On request.

    Examples
    --------
    >>> import numpy as np
    >>> from rmtspec.testing import invariants
    >>> uniform = lambda x: np.clip(x, 0, 1)
    >>> invariants.failed(invariants.check_cdf(uniform, [0, 1]))
    []
    >>> invariants.failed(invariants.check_cdf(uniform, [0, 0.9]))[0].name
    'cdf = 1 above the support'
    """
    f, pieces, heavy = elementwise("cdf", cdf), intervals(support), point_masses(atoms)
    rtol = _checks.real("rtol", rtol, EPS, 1.0)
    edges = np.concatenate([pieces.ravel(), heavy[:, 0]])
    low, high, size = float(edges.min()), float(edges.max()), span(pieces)[2]
    # The ends may be rounded by an ulp.
    far = 4.0 * EPS * max(abs(low), abs(high)) + 1e-12 * size
    below, above = low - np.array([far, size]), high + np.array([far, size])
    findings = equal("cdf = 0 below the support", f(below), 0.0, at=below)
    findings += equal("cdf = 1 above the support", f(above), 1.0, rtol, above)
    x = np.sort(np.concatenate([_inner(pieces), _outside(pieces), heavy[:, 0], below, above]))
    values = f(x)
    findings += at_most("cdf never falls", values[:-1], values[1:], 4.0 * EPS, x[1:])
    findings += at_most("0 <= cdf <= 1", np.abs(values - 0.5), 0.5, 4.0 * EPS, x)
    for a, b in _gaps(pieces, heavy):
        inside = a + (b - a) * np.array([0.1, 0.9])
        findings += equal("cdf is flat in a gap", np.diff(f(inside)), 0.0, 4.0 * EPS, inside[:1])
    for location, mass in heavy:
        step = 4.0 * np.spacing(abs(location)) or far
        jump = np.diff(f(np.array([location - step, location + step])))
        findings += at_most("jump of the cdf at an atom", mass, jump, rtol, location)
    if density is not None:
        findings += _differences(f, elementwise("density", density), pieces, heavy, rtol)
    return settled(findings, raise_)


def _differences(f: Any, density: Any, pieces: FloatArray, heavy: FloatArray, rtol: float) -> Any:
    """cdf(x) − cdf at the lower end is the integral of the density between."""
    findings = []
    for a, b in pieces[np.ptp(pieces, axis=1) > 0.0]:
        for share in (0.3, 0.7):
            x = a + share * (b - a)
            total, error = integral(density, a, x, rtol)
            if np.any((heavy[:, 0] > a) & (heavy[:, 0] <= x)):
                continue
            rise = np.diff(f(np.array([a, x])))
            findings += equal("cdf differs by the density", rise, total, error + 2.0 * rtol, x)
    return findings


def check_quantile(
    quantile: RealFunction,
    support: ArrayLike,
    *,
    cdf: RealFunction | None = None,
    atoms: ArrayLike = (),
    rtol: float = 1e-9,
    raise_: bool = False,
) -> list[Finding]:
    """Check a quantile function: never falling, inside the support, and inverse to the cdf.

    Parameters
    ----------
    quantile : callable
        Smallest x with cdf(x) >= u, over numbers in [0, 1].
    support, atoms, raise_ : as for `check_density`
    cdf : callable, optional
        Must reach u at the quantile and not before.
    rtol : float
        Accuracy that both claim, of x against the width of the law and of the cdf.

    Returns
    -------
    list of Finding

    Raises
    ------
    TypeError, ValueError
        If an argument is not of its kind.
    InvariantError
        On request.

    Examples
    --------
    >>> from rmtspec.testing import invariants
    >>> invariants.failed(invariants.check_quantile(lambda u: u**2, [0, 1]))
    []
    """
    q, pieces, heavy = elementwise("quantile", quantile), intervals(support), point_masses(atoms)
    rtol = _checks.real("rtol", rtol, EPS, 1.0)
    u = np.concatenate([[0.0, 1e-6], np.linspace(0.01, 0.99, 50), [1.0 - 1e-6, 1.0]])
    x = q(u)
    edges = np.concatenate([pieces.ravel(), heavy[:, 0]])
    slack = rtol * span(pieces)[2] + 4.0 * EPS * np.abs(x)
    findings = at_most("quantile never falls", x[:-1], x[1:], 4.0 * EPS * np.abs(x[1:]), u[1:])
    findings += at_most("quantile >= lower end", edges.min(), x, slack, u)
    findings += at_most("quantile <= upper end", x, edges.max(), slack, u)
    if cdf is not None:
        f = elementwise("cdf", cdf)
        findings += at_most("cdf reaches u at its quantile", u, f(x + slack), rtol, u)
        findings += at_most("cdf is below u before its quantile", f(x - slack), u, rtol, u)
    return settled(findings, raise_)


def check_consistency(
    support: ArrayLike,
    *,
    stieltjes: Callable[[Any], Any] | None = None,
    density: RealFunction | None = None,
    cdf: RealFunction | None = None,
    quantile: RealFunction | None = None,
    atoms: ArrayLike = (),
    convention: str = "lambda - z",
    rtol: float = 1e-8,
    raise_: bool = False,
) -> list[Finding]:
    r"""Check that the functions given describe one law.

    :math:`g(z)=\int\rho(x)dx/(x-z)+\sum_jw_j/(x_j-z)` for the density (Stieltjes inversion, read
    backwards: the integral needs no limit), :math:`g(z)=\int_0^1du/(Q(u)-z)` for the quantile,
    differences of the cdf for both.

    Parameters
    ----------
    support, atoms, raise_ : as for `check_density`
    stieltjes, density, cdf, quantile : callable, optional
        At least two of them.
    convention : as for `check_stieltjes`
    rtol : float
        Relative accuracy that all claim; integrals add the error of their quadrature.

    Returns
    -------
    list of Finding

    Raises
    ------
    TypeError, ValueError
        If an argument is not of its kind, or fewer than two functions are given.
    InvariantError
        On request.

    Examples
    --------
    >>> import rmtspec as rs
    >>> from rmtspec.testing import invariants
    >>> law = rs.SampleCovariance(0.5, rs.PopulationSpectrum.isotropic()).spectrum()
    >>> wrong = lambda x: law.density(x / 1.01) / 1.01
    >>> found = invariants.check_consistency(law.support, stieltjes=law.stieltjes, density=wrong)
    >>> invariants.failed(found)[0].name
    'g = integral of the density/(x - z)'
    """
    given = [f for f in (stieltjes, density, cdf, quantile) if f is not None]
    if len(given) < 2:
        raise ValueError(
            f"density must come with a second function to agree with, got {len(given)}"
        )
    pieces, heavy = intervals(support), point_masses(atoms)
    rtol = _checks.real("rtol", rtol, EPS, 1.0)
    findings: list[Finding] = []
    if stieltjes is not None:
        g = transform(stieltjes, convention)
        z = _above(pieces)
        values = g(z)
        if density is not None:
            findings += _transform_of_density(
                values, z, elementwise("density", density), pieces, heavy, rtol
            )
        if quantile is not None:
            findings += _transform_of_quantile(values, z, elementwise("quantile", quantile), rtol)
    if cdf is not None and density is not None:
        findings += _differences(
            elementwise("cdf", cdf), elementwise("density", density), pieces, heavy, rtol
        )
    if cdf is not None and quantile is not None:
        findings += check_quantile(quantile, support, cdf=cdf, atoms=atoms, rtol=rtol)
    return settled(findings, raise_)


def _above(pieces: FloatArray) -> ComplexArray:
    """Points over every bulk at heights of a tenth to the whole of its width."""
    low, high, width = span(pieces)
    rows = [(a + 0.5 * (b - a), (b - a) or width) for a, b in [*pieces, (low, high)]]
    return np.array([complex(x, share * size) for x, size in rows for share in (0.1, 0.5, 1.0)])


def _transform_of_density(
    g: ComplexArray,
    z: ComplexArray,
    density: Any,
    pieces: FloatArray,
    heavy: FloatArray,
    rtol: float,
) -> list[Finding]:
    expected = (heavy[:, 1] / (heavy[:, 0] - z[:, None])).sum(axis=1)
    errors = (8.0 * EPS + rtol) * np.abs(expected)
    for a, b in pieces[np.ptp(pieces, axis=1) > 0.0]:
        part, error = integral(lambda x: density(x) / (x - z[:, None]), a, b, rtol)
        expected, errors = expected + part, errors + error
    near = 4.0 * EPS * np.abs(z) / z.imag**2
    return equal(
        "g = integral of the density/(x - z)", g, expected, errors + rtol * np.abs(g) + near, z
    )


def _transform_of_quantile(g: ComplexArray, z: ComplexArray, quantile: Any, rtol: float) -> Any:
    """Steps of 1/N in u put every point between two quantiles: bounds on the mean of 1/(Q − z)."""
    count = 400
    x = quantile(np.linspace(0.0, 1.0, count + 1))
    middle = quantile((np.arange(count) + 0.5) / count)
    mean = (1.0 / (middle - z[:, None])).mean(axis=1)
    # |1/(x - z)| changes by at most the step of x over the square of the distance
    ends = np.stack([x[:-1], x[1:]])
    nearest = np.clip(z.real[:, None], ends[0], ends[1])
    spread = (np.diff(x) / np.abs(nearest - z[:, None]) ** 2).mean(axis=1)
    return equal("g = mean of 1/(Q(u) - z)", g, mean, spread + rtol * np.abs(g), z)


def _inner(pieces: FloatArray) -> FloatArray:
    """Places inside every interval."""
    inner: FloatArray = (pieces[:, :1] + np.diff(pieces, axis=1) * np.array(_INSIDE)).ravel()
    return inner


def _outside(pieces: FloatArray) -> FloatArray:
    """Places outside all intervals: in the gaps, below and above."""
    low, high, width = span(pieces)
    gaps = [0.5 * (a + b) for a, b in _gaps(pieces, np.empty((0, 2)))]
    return np.array([low - width, low - 0.01 * width, *gaps, high + 0.01 * width, high + width])


def _gaps(pieces: FloatArray, heavy: FloatArray) -> list[tuple[float, float]]:
    """Intervals between pieces and atoms that are wide enough to hold a float or two."""
    places = np.column_stack([heavy[:, 0], heavy[:, 0]])
    whole = intervals(np.concatenate([pieces, places]))
    ends = np.maximum.accumulate(whole[:, 1])
    return [
        (a, b)
        for a, b in zip(ends[:-1].tolist(), whole[1:, 0].tolist(), strict=True)
        if b - a > 1e-9 * (abs(a) + abs(b))
    ]
