"""What matrices U of random features have in common whose law stems from equations in z − s²."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _checks
from ..law import SpectralLaw
from ..result import Status, warn_unconverged
from ..solve.edges import Gaps
from ..solve.ensemble import BoundaryValue, Ensemble, Transform
from .feature_gaps import FeatureSolution, with_shrinkage
from .two_point import Points
from .weighted_gram import WeightedGram

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

_LEAST_TOLERANCE = 4.0 * float(np.finfo(float).eps)
_CONVERGED = int(Status.CONVERGED)  # a member of an enumeration takes a microsecond to read


@dataclass(frozen=True)
class Resolvent:
    """Traces of the resolvent (U − z)^-1, every array shaped like z.

    Attributes
    ----------
    q, r, s : complex, the traces of Theorem 3.1 (total masses 1, tr Σ/d and 1)
    k, y : complex, 1/(psi_p q) and 1/D: effective ridge and shrinkage in the data space
    error : bound on the largest relative error of q, r and s
    residual : largest relative residual of the two equations, as the last Newton step leaves it
    converged : whether the values are within tolerance and on the physical branch
    status : `rmtspec.Status` of each point
    y_error : bound on the relative error of y, beyond `error` where k is next to −v²/psi_n
    """

    q: ComplexArray
    r: ComplexArray
    s: ComplexArray
    k: ComplexArray
    y: ComplexArray
    error: FloatArray
    residual: FloatArray
    converged: NDArray[np.bool_]
    status: NDArray[np.int8]
    y_error: FloatArray


class LawEquations(Protocol):
    """What a law asks of the equations behind it, all in terms of z − s²."""

    @property
    def gaps(self) -> Gaps:
        """Every gap of the spectrum."""

    @property
    def is_hard(self) -> bool:
        """Whether the law touches s² with a diverging density."""

    @property
    def atom(self) -> float:
        """Mass of the eigenvalue s²."""

    def solve(self, z: ComplexArray) -> FeatureSolution:
        """Solve at flat points with Im z >= 0, the real ones inside bulks."""

    def solve_real(self, z: FloatArray) -> FeatureSolution:
        """Solve at flat real points outside the support."""

    def panels(self, edges: FloatArray, hard: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
        """Panels of the density of the p eigenvalues."""

    def determinant(self, first: Points, second: Points) -> ComplexArray:
        """D of every pair of solutions; see `two_point`."""


class GivenDataEquations(ABC):
    """Equations of U − s² given the data: a Gram matrix of Gaussian rows, and y = k/(k + u)."""

    psi_p: float

    @property
    @abstractmethod
    def gram(self) -> WeightedGram:
        """The Gram matrix of Gaussian rows that U − s² is, given the data."""

    @property
    def u(self) -> float:
        """Eigenvalue of a sample in the directions that hold no data; 0 where y is not asked."""
        return 0.0

    @property
    def gaps(self) -> Gaps:
        """Every gap of the spectrum."""
        return self.gram.gaps

    @property
    def is_hard(self) -> bool:
        """Whether the law touches s² with a diverging density."""
        return self.gram.is_hard

    @property
    def atom(self) -> float:
        """Mass of the eigenvalue s²."""
        return self.gram.atom

    def solve(self, z: ComplexArray) -> FeatureSolution:
        """Solve for (k, y) at flat z − s² with Im z >= 0; real z must lie inside a bulk."""
        return with_shrinkage(self.gram.solve(z), self.u)

    def solve_real(self, z: FloatArray) -> FeatureSolution:
        """Solve for (k, y) at flat real z − s² outside the support."""
        return with_shrinkage(self.gram.solve_real(z), self.u)

    def panels(self, edges: FloatArray, hard: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
        """Panels of the density of the p eigenvalues."""
        return self.gram.panels(edges, hard, self.psi_p)

    def determinant(self, first: Points, second: Points) -> ComplexArray:
        """D of every pair of solutions; see `two_point`."""
        return self.gram.determinant(first.k, second.k)


class FeatureGram(ABC):
    """A matrix U of p/d = psi_p features a dimension with the floor s²."""

    psi_p: float

    @property
    @abstractmethod
    def equations(self) -> LawEquations:
        """The self-consistent equations behind the law."""

    @property
    @abstractmethod
    def origin(self) -> float:
        """Distances are measured from s²."""

    @property
    @abstractmethod
    def outliers(self) -> FloatArray:
        """Distances of all outliers from s², ascending."""

    @abstractmethod
    def traces(self, found: FeatureSolution, lower: NDArray[np.bool_], rtol: float) -> ComplexArray:
        """Rows q, r, s, k and y at solutions, conjugate where `lower`.

        Where they are not known to `rtol` they are NaN, and the errors and status of `found` are
        made to say so.
        """

    def spectrum(self) -> SpectralLaw:
        """The limiting law of the p eigenvalues."""
        return SpectralLaw(self)

    @property
    def gaps(self) -> Gaps:
        """Every gap of the spectrum."""
        return self.equations.gaps

    @property
    def is_hard(self) -> bool:
        """Whether the law touches s² with a diverging density (p = number of non-zero modes)."""
        return self.equations.is_hard

    @property
    def atoms(self) -> FloatArray:
        """(j, 2) the atom at s², if there is one."""
        mass = self.equations.atom
        return np.array([[0.0, mass]]) if mass > 0.0 else np.empty((0, 2))

    def boundary(self, distance: FloatArray) -> BoundaryValue:
        """Density on the real axis inside the bulks."""
        found = self.equations.solve(distance.astype(np.complex128))
        with np.errstate(divide="ignore", invalid="ignore"):
            g = 1.0 / (self.psi_p * found.k)
        return BoundaryValue.from_transform(g, found.error, found.status)

    def panels(self, edges: FloatArray, hard: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
        """Panels of the density."""
        return self.equations.panels(edges, hard)

    def transform(self, z: ComplexArray) -> Transform:
        """Stieltjes transform q of the p eigenvalues."""
        found = self.solve(z, check=False)
        return Transform(found.q, found.error, found.status)

    def determinant(self, z: ComplexArray) -> ComplexArray:
        """D at pairs of points z − s², and of these with their conjugates."""
        found = self.roots(z)
        k = np.where(found.status == Status.CONVERGED, found.k, complex(np.nan, np.nan))
        points = Points(k, found.y)
        return self.equations.determinant(points, points.with_conjugates())

    def solve(self, z: ArrayLike, *, rtol: float = 1e-8, check: bool = True) -> Resolvent:
        """Resolvent traces at z, complex or real off the support, any shape.

        A point at which the error bound of k, or that of y as far as the data are felt, exceeds
        `rtol` (within 1e-12 of an edge, say) counts as not converged.  `check` refuses real points
        on the support and warns of points that failed.

        Raises
        ------
        TypeError, ValueError
            If z is not numeric, not finite, or real and on the support.

        Warns
        -----
        ConvergenceWarning
            Once, if points did not converge; they are NaN and flagged.
        """
        points, lower, distance, rtol = points_to_solve(self, z, rtol, check)
        found = self.roots(distance)
        traces = self.traces(found, lower, rtol)
        converged = found.status == _CONVERGED
        if check and not converged.all():
            warn_unconverged("resolvent", points.ravel(), found.status)
        columns: list[Any] = [
            *traces, found.error, found.residual, converged, found.status, found.y_error
        ]  # fmt: skip
        return Resolvent(*[column.reshape(points.shape) for column in columns])

    def roots(self, z: ComplexArray) -> FeatureSolution:
        """Solve at flat z − s² with Im z >= 0, real ones off the support."""
        real = z.imag == 0.0
        if not real.any():
            return self.equations.solve(z)
        above, axis = self.equations.solve(z[~real]), self.equations.solve_real(z.real[real])
        return FeatureSolution(*(_merge(real, *pair) for pair in zip(axis, above, strict=True)))


def points_to_solve(
    ensemble: Ensemble, z: ArrayLike, rtol: float, check: bool
) -> tuple[ComplexArray, NDArray[np.bool_], ComplexArray, float]:
    """Checked points, which lie below the axis, their flat mirrored distances, and the tolerance.

    `check` refuses real points on the support.
    """
    points = _checks.complex_array("z", z)
    rtol = _checks.real("rtol", rtol, _LEAST_TOLERANCE, 1.0)
    flat = points.ravel()
    if check:
        SpectralLaw(ensemble).check_off_support(flat)
    lower = flat.imag < 0.0
    mirrored = np.where(lower, flat.conj(), flat) if lower.any() else flat
    return points, lower, mirrored - complex(ensemble.origin), rtol


def _merge(where: NDArray[np.bool_], inside: Any, outside: Any) -> NDArray[Any]:
    """One array from its entries inside and outside a mask."""
    whole = np.empty(where.shape, dtype=inside.dtype)
    whole[where], whole[~where] = inside, outside
    return whole
