"""What a random matrix must state for a `SpectralLaw` to be made of it."""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from .edges import Gaps

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]


class BoundaryValue(NamedTuple):
    """Density with its relative error bound and the solver's status, at real points in the bulks.

    Refinement may go by less than the bound (`panels`), which next to edges is far from sharp.
    """

    density: FloatArray
    error: FloatArray
    status: NDArray[np.int8]

    @classmethod
    def from_transform(
        cls, g: ComplexArray, error: FloatArray, status: NDArray[np.int8]
    ) -> BoundaryValue:
        """Im g/π, of a g known to a relative error, all of which may lie in its imaginary part."""
        with np.errstate(divide="ignore", invalid="ignore"):
            bound = error * np.abs(g) / np.abs(g.imag)
        return cls(g.imag / np.pi, np.where(np.isnan(g), np.inf, bound), status)


class Transform(NamedTuple):
    """Stieltjes transform with its relative error bound and the solver's status."""

    value: ComplexArray
    error: FloatArray
    status: NDArray[np.int8]


class Ensemble(Protocol):
    """What a random matrix must state for a law to be made of it.

    Everything is measured from `origin`, a point at or below the support, so that a bulk that
    lies 1e-10 above it keeps all its digits.
    """

    @property
    def origin(self) -> float:
        """Where distances are measured from."""

    @property
    def gaps(self) -> Gaps:
        """Every gap of the spectrum, with the fraction of eigenvalues above it."""

    @property
    def atoms(self) -> FloatArray:
        """(j, 2) distance from the origin and mass of every atom."""

    @property
    def is_hard(self) -> bool:
        """Whether the density diverges at the lowest edge."""

    @property
    def outliers(self) -> FloatArray:
        """(i,) distances of the outliers from the origin, ascending."""

    def boundary(self, distance: FloatArray) -> BoundaryValue:
        """Density at ascending flat points inside the bulks."""

    def transform(self, z: ComplexArray) -> Transform:
        """Stieltjes transform at flat points with Im z > 0, or real ones off the support."""


@runtime_checkable
class Sampled(Protocol):
    """An ensemble that samples its density in compiled code."""

    def panels(self, edges: FloatArray, hard: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
        """What the search of `solve.density.panels` finds on the bulks."""


@runtime_checkable
class Fluctuating(Protocol):
    """An ensemble of Gaussians that also says how its eigenvalues fluctuate."""

    def determinant(self, z: ComplexArray) -> ComplexArray:
        """D at pairs of n flat points off the support, measured from the origin, Im z >= 0.

        D is the determinant of one minus the ladder of the two-resolvent problem, normalised so
        that D -> 1 where one point is far away.  Returns (n, 2n): D(z_i, z_j), then
        D(z_i, conj z_j); NaN where a point was not solved.
        """

    def spiked(self, z: ComplexArray) -> ComplexArray:
        """What the spikes add to E log det(z − ·), at such points that follow each other.

        Each spike takes the place of one direction; the first point lies next to the real axis,
        to the right of everything.
        """
