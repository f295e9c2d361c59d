r"""How far the outermost eigenvalues of a finite matrix lie from the edges of the law.

At a regular (soft) edge E the density is :math:`\frac C\pi\sqrt{|\lambda-E|}` per unit of mass,
and the eigenvalue next to the edge of N in all is

.. math::  \lambda=E_N\pm(NC)^{-2/3}\,\mathrm{TW}_\beta,

+ at an upper and − at a lower edge (El Karoui 2007; Lee and Schnelli 2016; Knowles and Yin 2017).
For complex matrices E_N = E.  For real ones the mean resolvent is :math:`g-\frac1{2N}\partial_z\log
D(z,z)` (`solve.linear_statistics`), and at distance ±t² off the edge

.. math::  g=g_0\pm Ct+\dots,\qquad \log D(z,z)=\log t+\text{const}+\kappa t+\dots:

the logarithm belongs to the universal law at the edge, and the next term is a shift of the edge,

.. math::  E_N=E\pm\frac{\kappa}{2CN}.

For white Wishart matrices this is what the n − 1/2 and p − 1/2 of Ma (2012) do to the first order.
A hard edge, where the density diverges, has another law (of the smallest eigenvalue, of order
N^-2), which is not given here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _checks
from ..law import SpectralLaw
from ..solve.ensemble import Fluctuating
from ..solve.tracy_widom import TracyWidom

FloatArray = NDArray[np.float64]

_REACH = 0.3  # of the square root of the distance to the nearest other edge
_NODES = 10
_HALVINGS = 6


@dataclass(frozen=True, eq=False)
class Edges:
    """The edges of all bulks, ascending: (m,) arrays.

    Attributes
    ----------
    origin : from which a law measures, 0 or s²
    location : E
    side : 1 at the upper end of a bulk, −1 at the lower end
    is_soft : whether the density is a square root there; where not, what follows is NaN
    coefficient : C
    shift : N(E_N − E) for real matrices, to about 1e-6; NaN if the ensemble states no determinant
    error : relative error of C, estimated
    room : distance to the nearest other edge
    above : fraction of the eigenvalues above the gap next to the edge, outliers not counted: of N
        eigenvalues N·above lie above it, exactly (but for outliers)
    """

    origin: float
    location: FloatArray
    side: NDArray[np.intp]
    is_soft: NDArray[np.bool_]
    coefficient: FloatArray
    shift: FloatArray
    error: FloatArray
    room: FloatArray
    above: FloatArray

    @classmethod
    def of(cls, law: SpectralLaw) -> Edges:
        """The edges of a law.

        Raises
        ------
        TypeError
            If law is not a SpectralLaw.
        """
        if not isinstance(law, SpectralLaw):
            raise TypeError(f"law must be a SpectralLaw, got {_checks.shown(law)}")
        ends = law.edges.ravel()
        side = np.tile(np.array([-1, 1], dtype=np.intp), len(law.edges))
        gaps = law.ensemble.gaps
        soft = np.ones(ends.size, dtype=np.bool_)
        if ends.size:
            soft[0] = not law.ensemble.is_hard
        found = np.full((ends.size, 4), np.nan)
        above = np.empty(ends.size)
        for i, end in enumerate(ends):
            next_to = int(np.argmin(np.abs((gaps.lower if side[i] > 0 else gaps.upper) - end)))
            above[i] = gaps.above[next_to]
            others = np.concatenate([gaps.lower, gaps.upper, [0.0]])
            apart = np.abs(others[np.isfinite(others)] - end)
            found[i, 3] = room = float(apart[apart > 0.0].min())
            if soft[i]:
                found[i, :3] = _expansion(law, float(end), int(side[i]), room)
        steepness, shift, error, rooms = found.T
        place = law.support.ravel().copy()
        return cls(law.origin, place, side, soft, steepness, shift, error, rooms, above)

    def scale(self, size: float) -> FloatArray:
        """(NC)^(-2/3), the unit of the Tracy-Widom law, NaN at a hard edge.

        Parameters
        ----------
        size : float > 0
            Number N of eigenvalues, zeros of an atom counted.

        Raises
        ------
        TypeError, ValueError
            If size is not a positive number.
        """
        return (_checks.positive("size", size) * self.coefficient) ** (-2.0 / 3.0)

    def centre(self, size: float, beta: int = 1) -> FloatArray:
        """E_N, from which the Tracy-Widom law counts; arguments as for `scale`.

        Raises
        ------
        TypeError, ValueError
            If size is not a positive number or beta not 1 or 2.
        """
        size = _checks.positive("size", size)
        if _checks.integer("beta", beta, 1, 2) == 2:
            return self.location.copy()
        return self.location + np.nan_to_num(self.shift) / size

    def is_clear(self, size: float) -> NDArray[np.bool_]:
        """Whether nothing else lies within 8 units of a soft edge, so that it counts as alone."""
        scale = self.scale(size)
        return self.is_soft & (self.room > 8.0 * scale)

    def scaled(self, observed: ArrayLike, size: float, beta: int = 1) -> FloatArray:
        """Eigenvalues next to the edges in units of the Tracy-Widom law, outwards positive.

        Parameters
        ----------
        observed : array_like, shape (..., m)
            The outermost eigenvalue of each bulk at each edge, in the order of the edges.
        size, beta : as for `centre`

        Raises
        ------
        TypeError, ValueError
            If observed is not real or has not m columns, or another argument is out of range.
        """
        values = _checks.real_array("observed", observed)
        if values.shape[-1:] != self.location.shape:
            raise ValueError(
                f"observed must have {self.location.size} columns, got shape {values.shape}"
            )
        scale, centre = self.scale(size), self.centre(size, beta) - self.origin
        moved = values - self.origin - centre
        # At a lower edge log λ is nearer to its limit than λ, which cannot fall below 0 (Ma 2012).
        with np.errstate(divide="ignore", invalid="ignore"):
            lower = centre * np.log1p(np.maximum(moved / centre, -1.0))
        return self.side * np.where(self.side < 0, lower, moved) / scale

    def pvalues(self, observed: ArrayLike, size: float, beta: int = 1) -> FloatArray:
        """Probability to lie as far outwards or farther; arguments as for `scaled`."""
        scaled = self.scaled(observed, size, beta)
        known = np.isfinite(scaled)
        found = np.full(scaled.shape, np.nan)
        found[known] = TracyWidom(beta).sf(scaled[known])
        return found


def _expansion(law: SpectralLaw, end: float, side: int, room: float) -> FloatArray:
    """C, N(E_N − E) and the error of C at a soft edge.

    Polynomials on Chebyshev nodes of (0, r], extrapolated to 0, for ever smaller r: rounding grows
    as truncation falls, and the value that a halving moved least is taken.
    """
    reaches = _REACH * np.sqrt(room) * 0.5 ** np.arange(_HALVINGS)
    found = np.array([_fit(law, end, side, float(reach)) for reach in reaches])
    with np.errstate(invalid="ignore"):
        moved = np.abs(np.diff(found, axis=0))
    best = [int(np.argmin(np.nan_to_num(column, nan=np.inf))) for column in moved.T]
    steepness, shift = found[best[0] + 1, 0], found[best[1] + 1, 1]
    return np.array([steepness, shift, moved[best[0], 0] / abs(steepness)])


def _fit(law: SpectralLaw, end: float, side: int, reach: float) -> FloatArray:
    """C and N(E_N − E) from points at distances up to reach²: C inside the bulk, κ in the gap."""
    share = 0.5 * (1.0 - np.cos(np.pi * (np.arange(_NODES) + 0.5) / _NODES))
    inside = np.sort(end - side * reach**2 * share)
    density = law.ensemble.boundary(inside).density
    depth = np.abs(inside - end)  # of the rounded points
    steepness = _polynomial(depth / reach**2, np.pi * density / np.sqrt(depth))(0.0)
    if not isinstance(law.ensemble, Fluctuating):
        return np.array([steepness, np.nan])
    outside = (end + side * (reach * share) ** 2).astype(np.complex128)
    t = np.sqrt(np.abs(outside.real - end))
    diagonal = np.diag(law.ensemble.determinant(outside)).real
    kappa = _polynomial(t / reach, np.log(diagonal / t)).deriv()(0.0) / reach
    return np.array([steepness, side * kappa / (2.0 * steepness)])


def _polynomial(x: FloatArray, values: FloatArray) -> np.polynomial.Polynomial:
    """The polynomial through the values."""
    return np.polynomial.Polynomial.fit(x, values, len(x) - 1)
