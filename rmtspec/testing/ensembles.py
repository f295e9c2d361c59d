r"""Checks of a solver against what is exact for its model: no equation is used, none is solved.

Moments come from free cumulants (`moments`), atoms from ranks and intervals from norms (`known`).
With the moments :math:`m_k` of λ − floor known, the Gram matrix of
:math:`1,\lambda,\lambda^2,\dots,1/(\lambda-z_i)` is known too, by

.. math::  h_0=g,\qquad h_{k+1}=\int\frac{\lambda^{k+1}\rho(d\lambda)}{\lambda-z}=m_k+z\,h_k,

and must be positive semidefinite: at points next to the spectrum it leaves g little room.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _checks
from ..ensembles.random_feature import RandomFeatureGram
from ..ensembles.sample_covariance import SampleCovariance
from ..inputs.population import PopulationSpectrum
from .findings import EPS, Finding, at_most, equal, settled
from .functions import nearest, span, transform, upper_points
from .known import Known
from .moments import covariance_moments, gram_moments, shifted
from .transforms import Probe, check_stieltjes, definite

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

_MOMENTS = 6
Matrix = SampleCovariance | RandomFeatureGram
Solver = Callable[[Any], Callable[[Any], Any]]


def check_sample_covariance(
    g: Callable[[Any], Any],
    matrix: SampleCovariance,
    z: ArrayLike | None = None,
    *,
    solve: Solver | None = None,
    convention: str = "lambda - z",
    rtol: float = 1e-9,
    reflect: bool = True,
    raise_: bool = False,
) -> list[Finding]:
    r"""Check g against what is exact for a sample covariance XX^T/n of a known population.

    All of `check_stieltjes`, with six moments from free cumulants, the mass at 0 from the rank, an
    interval from the norms, and :math:`g(0)=\int dH/t\,/(1-c)` for n > d.

    Parameters
    ----------
    g : callable
        Stieltjes transform of the d eigenvalues.
    matrix : SampleCovariance
        Ratio d/n and population; only its numbers are read.
    z : array_like, optional
        Points off the real axis; by default some over five decades of distance from 0.
    solve : callable, optional
        Takes a `SampleCovariance` and returns its g: then scaling, the splitting and order of
        eigenvalues, n -> inf, and for one eigenvalue the closed form and the exchange of samples
        and dimensions are checked as well.
    convention, rtol, reflect, raise_ : as for `check_stieltjes`

    Returns
    -------
    list of Finding

    Raises
    ------
    TypeError, ValueError
        If an argument is not of its kind.
    InvariantError
        On request.

    Notes
    -----
    Sources: Silverstein and Bai 1995 for the free cumulants of the companion, :math:`c\int t^jdH`;
    the inverse moment is that of a Wishart matrix in the limit.

    Examples
    --------
    >>> import rmtspec as rs
    >>> from rmtspec.testing import invariants
    >>> matrix = rs.SampleCovariance(0.5, rs.PopulationSpectrum([0.5, 2.0]))
    >>> g = matrix.spectrum().stieltjes
    >>> invariants.failed(invariants.check_sample_covariance(g, matrix))
    []
    >>> other = rs.SampleCovariance(2.0, matrix.population)
    >>> len(invariants.failed(invariants.check_sample_covariance(g, other))) > 3
    True
    """
    if not isinstance(matrix, SampleCovariance):
        raise TypeError(f"matrix must be a SampleCovariance, got {_checks.shown(matrix)}")
    exact = covariance_moments(matrix, _MOMENTS)
    points, findings = _against_model(g, matrix, exact, z, convention, rtol, reflect)
    if solve is not None:
        oriented = _oriented(solve, convention)
        findings += _common_symmetries(oriented, matrix, points, rtol)
        findings += _covariance_limits(oriented, matrix, points, rtol)
    return settled(findings, raise_)


def check_random_feature(
    g: Callable[[Any], Any],
    model: Any,
    z: ArrayLike | None = None,
    *,
    solve: Solver | None = None,
    convention: str = "lambda - z",
    rtol: float = 1e-9,
    reflect: bool = True,
    raise_: bool = False,
) -> list[Finding]:
    r"""Check g against what is exact for a random-feature matrix U, of drawn or of given data.

    All of `check_stieltjes`, with six moments from free cumulants, the atom at s² from the ranks,
    an interval from the norms, and, for more features than modes, the inverse moment
    :math:`\int\frac{d\rho}{\lambda-s^2}=\frac{c^2\tau_1+u+\psi_nb^2}{b^2u\,\psi_p(\psi_p-1-\psi_n)}`
    over all but the atom, :math:`u=v^2/\psi_n`.

    Parameters
    ----------
    g : callable
        Stieltjes transform of the p eigenvalues.
    model : RandomFeatureModel or RandomFeatureGram
        The parameters; only its numbers are read.  A model whose kernel is exact is refused: its
        law has no closed moments.
    z : array_like, optional
        Points off the real axis; by default some over five decades of distance from s².
    solve : callable, optional
        Takes a `RandomFeatureGram` and returns its g: then scaling, shift, the product of c² and
        Σ, the splitting and order of eigenvalues, and the limits without data, of many samples and
        of many directions are checked as well.
    convention, rtol, reflect, raise_ : as for `check_stieltjes`

    Returns
    -------
    list of Finding

    Raises
    ------
    TypeError, ValueError
        If an argument is not of its kind.
    InvariantError
        On request.

    Notes
    -----
    Derivations stand in `rmtspec.testing.moments` and `rmtspec.testing.known`.

    Examples
    --------
    >>> import rmtspec as rs
    >>> from rmtspec.testing import invariants
    >>> model = rs.RandomFeatureModel(8.0, 4.0, 0.1, "erf")
    >>> g = model.spectrum().stieltjes
    >>> invariants.failed(invariants.check_random_feature(g, model))
    []
    """
    gram = getattr(model, "ensemble", model)
    if not isinstance(gram, RandomFeatureGram):
        raise TypeError(
            "model must be a RandomFeatureModel with a Gaussian equivalent, or a "
            f"RandomFeatureGram, got {_checks.shown(model)}"
        )
    exact = gram_moments(gram, _MOMENTS)
    points, findings = _against_model(g, gram, exact, z, convention, rtol, reflect)
    if solve is not None:
        oriented = _oriented(solve, convention)
        findings += _common_symmetries(oriented, gram, points, rtol)
        findings += _feature_symmetries(oriented, gram, points, rtol)
        findings += _feature_limits(oriented, gram, points, rtol)
    return settled(findings, raise_)


def _oriented(solve: Solver, convention: str) -> Callable[[Any], Callable[[Any], ComplexArray]]:
    return lambda matrix: transform(solve(matrix), convention)


def _against_model(
    g: Any, matrix: Matrix, exact: FloatArray, z: Any, convention: str, rtol: float, reflect: bool
) -> tuple[ComplexArray, list[Finding]]:
    known = Known.of(matrix)
    oriented = transform(g, convention)
    probe = Probe(oriented, known.support, _checks.real("rtol", rtol, EPS, 1.0))
    if z is None:
        _, high, width = span(known.support)
        reach = (high - known.floor) or width
        decades = reach * 10.0 ** np.arange(0.0, -5.0, -1.0)
        z = known.floor + decades[:, None] * np.exp(1j * np.array([0.4, 1.3, 2.6]))
    points = upper_points(z)
    findings = check_stieltjes(
        oriented, known.support, points, atoms=known.atoms, moments=exact.tolist(), rtol=rtol,
        reflect=reflect,
    )  # fmt: skip
    findings += _moment_gram(probe, known, exact, points)
    findings += _mass_at_floor(probe, known)
    findings += _inverse_moment(probe, known)
    return points, findings


def _moment_gram(probe: Probe, known: Known, exact: FloatArray, z: ComplexArray) -> list[Finding]:
    """The Gram matrix of 1, x, x², x³ and one 1/(x − z) each, x = (λ − floor)/size."""
    _, high, width = span(known.support)
    size = (high - known.floor) or width
    moments = shifted(exact, -known.floor) if known.floor else exact
    centred = np.append(1.0, moments) / size ** np.arange(exact.size + 1.0)
    # Shifting by the floor cancels; the sum of the terms without their signs bounds the rounding.
    terms = np.append(1.0, shifted(exact, known.floor)) / size ** np.arange(exact.size + 1.0)
    blur = 64.0 * EPS * terms
    order = exact.size // 2
    hankel = centred[np.add.outer(np.arange(order + 1), np.arange(order + 1))]
    noise = blur[np.add.outer(np.arange(order + 1), np.arange(order + 1))]
    values = probe.g(z)
    findings = []
    for point, value, error in zip(z, values, probe.error(z, values), strict=True):
        x, g, spread = (point - known.floor) / size, value * size, error * size
        column, slack = [g], [spread]
        for k in range(order):
            column.append(centred[k] + x * column[-1])
            slack.append(blur[k] + abs(x) * slack[-1] + 4.0 * EPS * abs(column[-1]))
        matrix = np.empty((order + 2, order + 2), dtype=np.complex128)
        wobble = np.empty(matrix.shape)
        matrix[:-1, :-1], wobble[:-1, :-1] = hankel, noise
        matrix[:-1, -1], wobble[:-1, -1] = column, slack
        matrix[-1, :-1], wobble[-1, :-1] = np.conj(column), slack
        matrix[-1, -1], wobble[-1, -1] = g.imag / x.imag, spread / x.imag
        name = "Gram matrix with exact moments >= 0"
        findings += [replace(f, at=complex(point)) for f in definite(name, matrix, wobble)]
    return _merged(findings)


def _merged(findings: list[Finding]) -> list[Finding]:
    """One finding a name: the first that fails, or that with least room."""
    found: dict[str, Finding] = {}
    for each in findings:
        kept = found.setdefault(each.name, each)
        if kept.ok and (not each.ok or _room(each) < _room(kept)):
            found[each.name] = each
    return list(found.values())


def _room(finding: Finding) -> float:
    return float(abs(finding.right - finding.left) + finding.tolerance)


def _mass_at_floor(probe: Probe, known: Known) -> list[Finding]:
    """η Im g over the floor is at least the mass there, at every height."""
    mass = float(known.atoms[:, 1].sum())
    _, high, width = span(known.support)
    reach = (high - known.floor) or width
    heights = reach * 10.0 ** np.array([-6.0, -4.0, -2.0, 0.0])
    heights = heights[heights > 1e-9 * abs(known.floor)]
    z = known.floor + 1j * heights
    g = probe.g(z)
    # The floor may be rounded by an ulp, which moves the argument by a share of its height.
    slack = heights * probe.rtol * np.abs(g) + 4.0 * EPS * abs(known.floor) / heights
    name = "eta Im g >= mass at the floor"
    return at_most(name, mass, heights * g.imag, slack, z, "the atom is too light")


def _inverse_moment(probe: Probe, known: Known) -> list[Finding]:
    r"""Re g just over the floor is ∫(λ − floor)^-1 over the rest, which begins at `gap`."""
    if not np.isfinite(known.inverse) or known.gap < 1e-7 * abs(known.floor) or known.gap == 0.0:
        return []
    height = 1e-4 * known.gap
    z = np.array([complex(known.floor, height)])
    g = probe.g(z)
    # x/(x² + η²) is below 1/x by the share η²/x²
    slack = (
        known.inverse * (height / known.gap) ** 2
        + probe.rtol * np.abs(g)
        + 4.0 * EPS * abs(known.floor) * np.abs(g) / height
    )
    return equal("Re g at the floor = inverse moment", g.real, known.inverse, slack, z)


def _common_symmetries(solve: Any, matrix: Any, z: ComplexArray, rtol: float) -> list[Finding]:
    """Splitting and reordering eigenvalues changes nothing."""
    old = matrix.population
    split = PopulationSpectrum(
        np.concatenate([old.eigenvalues[::-1], old.eigenvalues]),
        np.concatenate([0.25 * old.weights[::-1], 0.75 * old.weights]),
    )
    plain = solve(matrix)(z)
    other = solve(replace(matrix, population=split))(z)
    return equal("splitting eigenvalues changes nothing", other, plain, _pair(plain, rtol), z)


def _pair(values: ComplexArray, rtol: float) -> FloatArray:
    """What two values that should be equal may differ by."""
    slack: FloatArray = (2.0 * rtol + 64.0 * EPS) * np.abs(values)
    return slack


def marchenko_pastur(z: ComplexArray, ratio: float, variance: float = 1.0) -> ComplexArray:
    r"""Transform of the law of XX^T/n for one population eigenvalue, in closed form.

    .. math::  g=\frac{(1-c)\sigma^2-z+\sqrt{z-a}\sqrt{z-b}}{2c\sigma^2z},\qquad
               a,b=\sigma^2(1\mp\sqrt c)^2,

    taken from the smaller of the two roots of :math:`c\sigma^2zg^2+(z-(1-c)\sigma^2)g+1=0` by
    their product :math:`1/(c\sigma^2z)` where they cancel (Marchenko and Pastur 1967).
    """
    low, high = (variance * (1.0 + sign * np.sqrt(ratio)) ** 2 for sign in (-1.0, 1.0))
    root, linear = np.sqrt(z - low) * np.sqrt(z - high), (1.0 - ratio) * variance - z
    # The physical root is linear + root; where these cancel it is 2/(linear - root).
    agree = (linear * root.conj()).real >= 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        direct = (linear + root) / (2.0 * ratio * variance * z)
        other = 2.0 / (linear - root)
    value: ComplexArray = np.where(agree, direct, other)
    return value


def _covariance_limits(
    solve: Any, matrix: SampleCovariance, z: ComplexArray, rtol: float
) -> list[Finding]:
    """Scaling; many samples; for one eigenvalue the closed form and the dual."""
    population, c = matrix.population, matrix.ratio
    plain, factor = solve(matrix)(z), 3.0
    wider = PopulationSpectrum(factor * population.eigenvalues, population.weights)
    scaled = factor * solve(replace(matrix, population=wider))(factor * z)
    findings = equal("scaling the population scales the law", scaled, plain, _pair(plain, rtol), z)
    t, w = population.eigenvalues, population.weights
    few, away = 1e-8, population.mean * np.array([2.0 + 1.0j, -0.5 + 1.0j])
    many = solve(replace(matrix, ratio=few))(away)
    limit = (w / (t - away[:, None])).sum(axis=1)
    # g moves by -c g'-like terms: |∂g/∂c| <= ∫t²dH/η³, as the second moment grows by c(∫t)²
    bound = few * population.moment(2) / away.imag**3
    findings += equal(
        "n -> inf gives the population", many, limit, bound + _pair(limit, rtol), away
    )
    if t.size == 1:
        closed = marchenko_pastur(z, c, float(t[0]))
        findings += equal(
            "closed form of Marchenko and Pastur", plain, closed, _pair(closed, rtol), z
        )
        dual = solve(replace(matrix, ratio=1.0 / c))(z / c) / c
        companion = -(1.0 - c) / z + c * plain
        slack = _pair(dual, rtol) + c * _pair(plain, rtol) + 8.0 * EPS / np.abs(z)
        findings += equal("samples and dimensions exchange", dual, companion, slack, z)
    return findings


def _feature_symmetries(
    solve: Any, gram: RandomFeatureGram, z: ComplexArray, rtol: float
) -> list[Finding]:
    plain, factor = solve(gram)(z), 3.0
    slack = _pair(plain, rtol)
    parts = {name: factor * getattr(gram, name) for name in ("c2", "b2", "v2", "s2")}
    scaled = factor * solve(replace(gram, **parts))(factor * z)
    findings = equal("scaling all parts scales the law", scaled, plain, slack, z)
    shift = 0.25 * gram.s2 + 0.5 * (gram.c2 * gram.population.mean + gram.b2 + gram.v2)
    raised = solve(replace(gram, s2=gram.s2 + shift))(z + shift)
    near = nearest(z, Known.of(gram).support)
    blur = 8.0 * EPS * (np.abs(z) + shift) / near**2
    findings += equal("raising s^2 shifts the law", raised, plain, slack + blur, z)
    narrower = PopulationSpectrum(gram.population.eigenvalues / factor, gram.population.weights)
    other = solve(replace(gram, c2=factor * gram.c2, population=narrower))(z)
    findings += equal("only c^2 Sigma enters", other, plain, slack, z)
    return findings


def _feature_limits(
    solve: Any, gram: RandomFeatureGram, z: ComplexArray, rtol: float
) -> list[Finding]:
    """Noise of the samples alone, of the directions alone, and infinitely many samples."""
    findings = []
    if gram.v2 > 0.0:
        alone = solve(replace(gram, c2=0.0, b2=0.0))(z)
        closed = marchenko_pastur(z - gram.s2, gram.psi_p / gram.psi_n, gram.v2)
        name = "c = b = 0 is Marchenko-Pastur with p/n"
        findings += equal(name, alone, closed, _blurred(closed, gram, z, rtol), z)
    if gram.b2 > 0.0:
        alone = solve(replace(gram, c2=0.0, v2=0.0))(z)
        closed = marchenko_pastur(z - gram.s2, gram.psi_p, gram.b2)
        name = "c = v = 0 is Marchenko-Pastur with p/d"
        findings += equal(name, alone, closed, _blurred(closed, gram, z, rtol), z)
    many, only = 1e8, PopulationSpectrum([gram.population.mean])
    if type(gram) is RandomFeatureGram and gram.c2 > 0.0:
        top = gram.c2 * gram.population.mean + gram.b2
        size = top * (1.0 + gram.psi_p) + gram.v2
        away: Any = gram.s2 + size * np.array([1.0 + 1.0j, 0.2 + 0.5j])
        found = solve(replace(gram, psi_n=many, population=only))(away)
        closed = marchenko_pastur(away - gram.s2 - gram.v2, gram.psi_p, top)
        # U differs from its mean by variance of order size² psi_p/psi_n
        bound = 100.0 * (1.0 + gram.psi_p) / many / size
        name = "n -> inf is Marchenko-Pastur over s^2 + v^2"
        findings += equal(name, found, closed, bound + _pair(closed, rtol), away)
    return findings


def _blurred(
    values: ComplexArray, gram: RandomFeatureGram, z: ComplexArray, rtol: float
) -> FloatArray:
    """What the difference z − s² loses, by |dg/dz| <= 1/(Im z)²."""
    slack: FloatArray = _pair(values, rtol) + 4.0 * EPS * (np.abs(z) + gram.s2) / z.imag**2
    return slack
