r"""What every Stieltjes transform of a probability measure obeys, whatever the matrix.

With :math:`g(z)=\int\rho(d\lambda)/(\lambda-z)` and a support in the interval [L, R], at a point
z of the upper half plane

.. math::  \frac{\mathrm{Im}\,z}{\max|\lambda-z|^2}\le\mathrm{Im}\,g
           \le\frac{\mathrm{Im}\,z}{\min|\lambda-z|^2},\qquad
           |g|\le\frac1{\min|\lambda-z|},\qquad
           \mathrm{Im}[(z-L)g]\ge0,\qquad \mathrm{Im}[(R-z)g]\ge0,

and at several points together the Gram matrices of the functions :math:`1,1/(\lambda-z_i)` under
ρ, (λ − L)ρ and (R − λ)ρ, which g gives in closed form (Pick's matrices), are positive
semidefinite: Nevanlinna, Pick 1916; Krein, Nudelman 1977, *The Markov Moment Problem*.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _checks
from .findings import EPS, Finding, at_most, equal, settled
from .functions import (
    farthest,
    intervals,
    nearest,
    point_masses,
    points_over,
    span,
    transform,
    upper_points,
    with_atoms,
)

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

_DISC, _CIRCLE = 32, 64  # nodes; either trapezoidal rule then errs by 2^-32 or 2^-64
_MOST_IN_MATRIX = 12


@dataclass(frozen=True)
class Probe:
    """A transform with all that its values may be compared with.

    A value is taken to err by `rtol` of itself, and by what 4 ulps of z move it: ``|g'|`` is at
    most one over the squared distance from the support.  Every tolerance is made of these errors.
    """

    g: Callable[[Any], ComplexArray]
    support: FloatArray
    rtol: float

    def error(self, z: Any, g: Any) -> FloatArray:
        """How far each value may be from the truth."""
        blur = 4.0 * EPS * np.abs(z) / nearest(z, self.support) ** 2
        error: FloatArray = self.rtol * np.abs(g) + blur
        return error


def check_stieltjes(
    g: Callable[[Any], Any],
    support: ArrayLike,
    z: ArrayLike | None = None,
    *,
    atoms: ArrayLike = (),
    moments: Sequence[float] = (),
    convention: str = "lambda - z",
    rtol: float = 1e-9,
    reflect: bool = True,
    raise_: bool = False,
) -> list[Finding]:
    r"""Check that g is the Stieltjes transform of a probability measure on a support.

    Parameters
    ----------
    g : callable
        Takes complex numbers off the real axis, an array of them or one at a time.  It is called
        at `z`, at other heights over the same places, on a disc around each, next to the gaps
        and on a circle around everything.
    support : array_like, shape (k, 2)
        Closed intervals that hold all the mass; wider ones weaken the checks.
    z : array_like, optional
        Points off the real axis; by default some over and beside every interval.
    atoms : array_like, shape (j, 2), optional
        Locations and masses of all atoms, where they are known.
    moments : sequence of float, optional
        Exact :math:`\int\lambda^kd\rho`, k = 1, 2, ..., as far as they are known.
    convention : "lambda - z" or "z - lambda"
        The denominator in g; with the first Im g > 0 in the upper half plane.
    rtol : float
        The relative accuracy that g claims; with 4 ulps of z, every tolerance is made of it.
    reflect : bool
        Whether g is defined in the lower half plane as well.
    raise_ : bool
        Whether to raise `InvariantError` if an invariant fails.

    Returns
    -------
    list of Finding
        One an invariant, at its worst point.  Where the sign of Im g is wrong, `note` says what
        the values are: those of the other convention, their conjugates, or another root at some
        points only.

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
    >>> semicircle = lambda z: 0.5 * (np.sqrt(z - 2) * np.sqrt(z + 2) - z)
    >>> invariants.failed(invariants.check_stieltjes(semicircle, [-2, 2]))
    []
    >>> another_root = lambda z: 0.5 * (-np.sqrt(z - 2) * np.sqrt(z + 2) - z)
    >>> print(invariants.failed(invariants.check_stieltjes(another_root, [-2, 2]))[0].note)
    wrong branch: another root at 6 of 6 points
    """
    masses = point_masses(atoms)
    held = with_atoms(intervals(support), masses)
    probe = Probe(transform(g, convention), held, _checks.real("rtol", rtol, EPS, 1.0))
    known = _checks.real_array("moments", list(moments))
    points = upper_points(points_over(held) if z is None else z)
    values = probe.g(points)
    findings = equal(
        "g is finite", np.where(np.isfinite(values), 0.0, 1.0), 0.0, at=points,
        note="not a number",
    )  # fmt: skip
    good = np.isfinite(values)
    points, values = points[good], values[good]
    findings += _at_each_point(probe, points, values)
    findings += _between_points(probe, points, values)
    findings += gram_findings(probe, points, values)
    if reflect:
        findings += equal(
            "g(conj z) = conj g(z)", probe.g(points.conj()), values.conj(),
            2.0 * probe.error(points, values), points,
        )  # fmt: skip
    findings += _far_away(probe, known)
    findings += _in_gaps(probe)
    findings += _at_atoms(probe, masses)
    return settled(findings, raise_)


def _at_each_point(probe: Probe, z: ComplexArray, g: ComplexArray) -> list[Finding]:
    """Bounds by the distances from the support."""
    near, far, error = nearest(z, probe.support), farthest(z, probe.support), probe.error(z, g)
    low, high, _ = span(probe.support)
    findings = at_most(
        "Im g >= Im z/far^2", z.imag / far**2, g.imag, error, z, _branch(probe, z, g, error)
    )
    findings += at_most("Im g <= Im z/near^2", g.imag, z.imag / near**2, error, z)
    findings += at_most("|g| <= 1/near", np.abs(g), 1.0 / near, error, z)
    for name, factor in (("Im (z - L)g >= 0", z - low), ("Im (R - z)g >= 0", high - z)):
        findings += at_most(name, -(factor * g).imag, 0.0, np.abs(factor) * error, z)
    return findings


def _branch(probe: Probe, z: ComplexArray, g: ComplexArray, error: FloatArray) -> str:
    """What values with the wrong sign are."""
    wrong = np.flatnonzero(g.imag < -error)
    low, high, width = span(probe.support)
    away = 1e3 * width * (1.0 + 1.0j)  # where -1/z, 1/z and -1/conj z differ
    decay = complex(probe.g(np.array([0.5 * (low + high) + away]))[0]) * away
    if wrong.size == z.size and abs(decay - 1.0) < 0.1:
        return "wrong branch: the sign of g is that of the other convention"
    if wrong.size == z.size and abs(decay + 1.0j) < 0.1:
        return "wrong branch: the conjugate, of the lower half plane"
    return f"wrong branch: another root at {wrong.size} of {z.size} points"


def _between_points(probe: Probe, z: ComplexArray, g: ComplexArray) -> list[Finding]:
    """Growth along a vertical line, and the mean over a disc in the half plane."""
    error = probe.error(z, g)
    findings = []
    for factor in (1.5, 30.0):
        above = z.real + 1j * factor * z.imag
        higher = probe.g(above)
        slack = error + factor * probe.error(above, higher)
        findings += at_most(
            f"eta Im g grows by {factor:g} eta", g.imag, factor * higher.imag, slack, z
        )
        findings += at_most(
            f"Im g/eta falls by {factor:g} eta",
            higher.imag / factor,
            g.imag,
            slack / factor + error,
            z,
        )
    turn = np.exp(2j * np.pi * (np.arange(_DISC) + 0.5) / _DISC)
    disc = z[:, None] + 0.5 * z.imag[:, None] * turn
    around = probe.g(disc.ravel())
    blur = probe.error(disc.ravel(), around).reshape(disc.shape).max(axis=1)
    mean = around.reshape(disc.shape).mean(axis=1)
    # The rule leaves the 32nd coefficient, at most 1/near of the disc of radius near.
    rest = 2.0 * 0.5**_DISC / nearest(z, probe.support)
    findings += equal(
        "g is the mean of a disc around z", mean, g, error + blur + rest, z, "not analytic there"
    )
    return findings


def gram_findings(probe: Probe, z: ComplexArray, g: ComplexArray) -> list[Finding]:
    r"""Gram matrices of 1 and 1/(λ − z_i) under ρ, and of the latter under (λ − L)ρ, (R − λ)ρ."""
    chosen = np.unique(np.linspace(0, z.size - 1, min(z.size, _MOST_IN_MATRIX)).astype(int))
    z, g = z[chosen], g[chosen]
    if z.size == 0:
        return []
    low, high, _ = span(probe.support)
    error, difference = probe.error(z, g), z[:, None] - z[None, :].conj()
    findings = []
    for name, factor in (
        ("rho", np.ones(z.size)),
        ("(x - L) rho", z - low),
        ("(R - x) rho", high - z),
    ):
        weighted, blur = factor * g, np.abs(factor) * error
        matrix = (weighted[:, None] - weighted[None, :].conj()) / difference
        noise = (blur[:, None] + blur[None, :]) / np.abs(difference)
        if name == "rho":
            matrix = np.block([[np.ones((1, 1)), g[None, :].conj()], [g[:, None], matrix]])
            noise = np.block([[np.zeros((1, 1)), error[None, :]], [error[:, None], noise]])
        findings += definite(f"Gram matrix under {name} >= 0", matrix, noise)
    return findings


def definite(name: str, matrix: Any, noise: Any) -> list[Finding]:
    """The finding that a Hermitian matrix, each entry known to `noise`, is positive semidefinite.

    It is scaled to a unit diagonal; by Weyl's inequality the eigenvalues then err by at most the
    Frobenius norm of the scaled noise, and by rounding.
    """
    diagonal = np.diag(matrix).real
    if not np.all(diagonal > np.diag(noise)):
        # A diagonal entry within its noise says nothing but its sign; rows of such points go.
        findings = at_most(f"{name} (diagonal)", -diagonal, 0.0, np.diag(noise))
        kept = diagonal > 2.0 * np.diag(noise)
        if not findings[0].ok or not np.any(kept):
            return findings
        matrix, noise = matrix[np.ix_(kept, kept)], noise[np.ix_(kept, kept)]
        diagonal = diagonal[kept]
    size = 1.0 / np.sqrt(diagonal)
    scale = size[:, None] * size
    tolerance = np.linalg.norm(noise * scale) + 8.0 * EPS * diagonal.size
    smallest = np.linalg.eigvalsh(matrix * scale)[0]
    return at_most(name, -smallest, 0.0, tolerance)


def _far_away(probe: Probe, moments: FloatArray) -> list[Finding]:
    """Decay, and moments from a circle of twice the radius of the support."""
    low, high, width = span(probe.support)
    centre = 0.5 * (low + high)
    away = centre + 1e3 * width * np.exp(1j * np.array([0.1, 1.6, 3.0]))
    distant, shift = probe.g(away), away - centre
    # -(z - c) g - 1 is the mean of (x - c)/(z - x)
    rest = 0.5 * width / (np.abs(shift) - 0.5 * width)
    findings = equal(
        "-z g -> 1", -shift * distant, 1.0, rest + np.abs(shift) * probe.error(away, distant), away
    )
    turn: Any = np.exp(2j * np.pi * (np.arange(_CIRCLE // 2) + 0.5) / _CIRCLE)
    nodes = centre + width * turn
    values = probe.g(nodes)
    error = probe.error(nodes, values) * np.abs(nodes - centre)
    for k, exact in enumerate([1.0, *moments]):
        # By symmetry the upper half of the circle will do.
        found = -np.mean((values * nodes**k * (nodes - centre)).real)
        slack = (
            np.mean(error * np.abs(nodes) ** k) + 2.0 * 0.5**_CIRCLE * np.max(np.abs(nodes)) ** k
        )
        findings += equal(f"moment {k} from a circle", found, exact, slack)
    return findings


def _in_gaps(probe: Probe) -> list[Finding]:
    """Next to the real axis off the support g is real, increasing, with a bounded slope."""
    low, high, width = span(probe.support)
    ends = np.maximum.accumulate(probe.support[:, 1])
    gaps = [(low - width, low), *zip(ends[:-1], probe.support[1:, 0], strict=True)]
    open_gaps = [
        (a, b) for a, b in [*gaps, (high, high + width)] if b - a > 1e-6 * (abs(a) + abs(b))
    ]
    pairs = np.array(
        [[a + share * (b - a) for share in (0.25, 0.75)] for a, b in open_gaps]
    ).ravel()
    height = 1e-4 * nearest(pairs, probe.support)
    z = pairs + 1j * height
    g = probe.g(z)
    near, far, error = nearest(pairs, probe.support), farthest(z, probe.support), probe.error(z, g)
    findings = at_most("Im g <= eta/near^2 in gaps", g.imag, height / near**2, error, pairs)
    findings += at_most("Im g >= eta/far^2 in gaps", height / far**2, g.imag, error, pairs)
    # At this height Re g is lower than on the axis by at most height^2/near^3.
    error = error + height**2 / near**3
    step, rise = np.diff(pairs)[::2], np.diff(g.real)[::2]
    slack, place = error[::2] + error[1::2], pairs[::2]
    findings += at_most("g increases in gaps", step / (far[::2] * far[1::2]), rise, slack, place)
    findings += at_most(
        "slope of g in gaps <= 1/near^2", rise, step / (near[::2] * near[1::2]), slack, place
    )
    return findings


def _at_atoms(probe: Probe, atoms: FloatArray) -> list[Finding]:
    """η Im g at an atom is its mass, but for the share (η/distance)² of the rest."""
    findings = []
    for location, mass in atoms:
        others = np.abs(probe.support - location)
        apart = ~((probe.support[:, 0] <= location) & (probe.support[:, 1] >= location))
        if np.any(~apart & (np.ptp(probe.support, axis=1) > 0.0)):
            continue  # a bulk begins there, or the support is not known so well
        distance = float(others[apart].min(initial=max(abs(location), 1.0)))
        height = 1e-3 * distance
        if height < 1e-6 * abs(location):  # z then loses more digits of the height than it leaves
            height = min(1e-6 * abs(location), 0.3 * distance)
        z = np.array([complex(location, height)])
        g = probe.g(z)
        blur = height * probe.rtol * np.abs(g) + 4.0 * EPS * abs(location) / height
        rest = (1.0 - mass) / (1.0 + (distance / height) ** 2)
        found = height * g.imag
        findings += equal("eta Im g = mass at an atom", found, mass, rest + blur, location)
    return findings
