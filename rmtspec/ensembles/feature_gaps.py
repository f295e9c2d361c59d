r"""The law of a random-feature matrix on the real axis: gaps, masses, spikes, real points.

The inverse map is in `real_axis.feature_map`, the search for its gaps in `real_axis.feature`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..result import Status
from ..solve.cauchy_sums.atoms import PositiveAtoms
from ..solve.cauchy_sums.cells import seen_through_cells
from ..solve.edges import Gaps, Intervals, checked
from ..solve.finite_rank import Isolated, solved
from .real_axis.feature import balance, feature_axis, inverse_map, locate
from .real_axis.feature_map import LOWER, UPPER
from .real_axis.gram import HARD_EDGE
from .weighted_gram import GramSolution, WeightedGram

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
IntArray = NDArray[np.intp]

_NEGLIGIBLE = 1e-40  # (1 + psi_n^-1/2)^2 times this is 1e-31 at most


class FeatureSolution(NamedTuple):
    """k and y at every point, with residual, status and the bounds of their relative errors.

    `error` bounds that of k, which is that of q; `y_error` that of y, which is larger where
    y = k/(k + u) is made of terms that cancel.
    """

    k: ComplexArray
    y: ComplexArray
    error: FloatArray
    residual: FloatArray
    status: NDArray[np.int8]
    y_error: FloatArray


def with_shrinkage(found: GramSolution, u: float) -> FeatureSolution:
    """Add y = k/(k + u) to k, the root of a law that does not ask for y.

    dy/y = u/(k + u) dk/k: next to the pole k = −u the digits of y are those of k + u.
    """
    if u == 0.0:
        return FeatureSolution(found.k, np.ones_like(found.k), *found[1:], found.error)
    eps = np.finfo(float).eps
    with np.errstate(divide="ignore", invalid="ignore"):  # k is NaN where it did not converge
        amplified = np.abs(u / (found.k + u))
        y_error = (found.error + 4.0 * eps) * amplified + 4.0 * eps
        y = 1.0 / (1.0 + u / found.k)  # keeps the sign of Im y where k is far above u
    return FeatureSolution(found.k, y, *found[1:], np.where(np.isnan(y_error), np.inf, y_error))


@dataclass(frozen=True)
class FeatureGaps:
    """Real axis of the inverse map, in terms of z − s²; `atoms` are those of ρ."""

    psi_p: float
    psi_n: float
    atoms: PositiveAtoms
    c2: float
    b2: float
    v2: float

    @property
    def u(self) -> float:
        """u = v²/psi_n, the eigenvalue of a sample in the directions that hold no data."""
        return self.v2 / self.psi_n

    @property
    def rank(self) -> float:
        """Mass of the non-zero eigenvalues of the data covariance, per dimension."""
        return min(self.psi_n, self.directions) if self.has_data else 0.0

    @property
    def directions(self) -> float:
        """Mass of the positive eigenvalues of the population."""
        return 1.0 - self.atoms.zero_weight

    @cached_property
    def has_data(self) -> bool:
        """Whether U sees the data: not for c = 0, nor if they move its eigenvalues by 1e-30."""
        top = self.c2 * self.atoms.eigenvalues[-1]
        return bool(top > _NEGLIGIBLE * max(self.b2, self.u))

    @cached_property
    def _balance(self) -> tuple[float, float, float, float]:
        data_excess, excess, closing, doubt = balance(
            self.psi_p, self.psi_n, self.b2, self.v2, self.has_data,
            self.atoms.zero_weight, self.atoms.lost,
        )  # fmt: skip
        return data_excess, excess, closing, doubt

    @property
    def excess(self) -> float:
        """Mass of H on (0, inf) less psi_p, rounded once."""
        return self._balance[1]

    @property
    def spare(self) -> float:
        """Mass of H less psi_p, exactly 0 at a hard edge."""
        return 0.0 if self._is_balanced else self.excess

    @property
    def _closing(self) -> tuple[float, float]:
        """1 + psi_n − psi_p, rounded once and 0 at a hard edge, and what that leaves out."""
        return self._balance[2:]

    @property
    def total(self) -> float:
        """Mass of H on (0, inf)."""
        if self._is_balanced:
            return self.psi_p
        bare = self.b2 == 0.0 and self.v2 == 0.0
        return self.rank if bare else (self.b2 > 0.0) + self.psi_n * (self.v2 > 0.0)

    @property
    def _is_balanced(self) -> bool:
        """Whether psi_p equals the mass of H."""
        return bool(abs(self.excess) <= HARD_EDGE * self.psi_p)

    @property
    def meets_atom(self) -> bool:
        """Whether bulk and atom meet at s²: b = v = 0 and data whose law touches 0."""
        bare = self.has_data and self.b2 == 0.0 and self.v2 == 0.0
        return bare and self.data_level.is_hard and self.spare < 0.0

    @property
    def is_hard(self) -> bool:
        """Whether the spectrum touches s² with a diverging density."""
        return self._is_balanced or self.meets_atom

    @property
    def atom(self) -> float:
        """Mass of the eigenvalue s²."""
        return max(0.0, -self.spare / self.psi_p)

    @property
    def _data_excess(self) -> float:
        """Mass of the data directions less psi_n, rounded once."""
        return self._balance[0]

    @cached_property
    def _spare(self) -> float:
        """psi_n minus the mass of the data directions, 0 where the data law touches 0."""
        return -self.data_level.spare if self.has_data else self.psi_n

    @cached_property
    def _parameters(
        self,
    ) -> tuple[FloatArray, FloatArray, float, float, float, float, float, float]:
        rest = (self.psi_p, self.psi_n, self.b2, self.v2, self.u)
        if not self.has_data:  # every direction counts as one without data
            return np.empty(0), np.empty(0), 1.0, *rest
        eigenvalues, weights, zero_weight = self.atoms[:3]
        return seen_through_cells(self.c2 * eigenvalues, weights), weights, zero_weight, *rest

    def solve_real(self, z: FloatArray) -> FeatureSolution:
        """Solve for (k, y) at flat real z − s² outside the support (NaN on it)."""
        axis = self._axis
        index, x = locate(
            np.ascontiguousarray(z), axis.found, axis.table, self.psi_p, self._map_data
        )
        outside, rows = ~np.isnan(index), np.full((6, z.size), np.nan)
        if outside.any():
            rows[:, outside] = self._map(index[outside].astype(np.intp), x[outside])
        value, rise, k, y, size, slope = rows
        rounding = (8.0 + np.sqrt(self.atoms.weights.size)) * np.finfo(float).eps
        with np.errstate(all="ignore"):  # z out of reach leaves an infinite error
            rest, modulus = np.abs(value - z), np.abs(k)
            shift = (rest + rounding * size + self._closing[1] * modulus) / np.abs(rise)  # of k
            error = 4.0 * (shift / modulus + rounding)
            y_error = 4.0 * (shift * np.abs(slope / y) + rounding)
            residual = rest / (size + np.abs(z))
        status = np.where(residual < 1e-12, Status.CONVERGED, Status.PRECISION_EXHAUSTED)
        status = np.where(outside, status, Status.LEFT_HALF_PLANE).astype(np.int8)
        error[~outside] = y_error[~outside] = np.inf
        return FeatureSolution(
            k.astype(np.complex128), y.astype(np.complex128), error, residual, status, y_error
        )

    @property
    def gaps(self) -> Gaps:
        """Every gap of the spectrum, in terms of z − s²."""
        return self._axis.gaps

    @cached_property
    def _axis(self) -> _Axis:
        tau, weights, zero_weight, *_ = self._parameters
        table, branch, ends, found, ordered = feature_axis(
            tau, weights, self.atoms.above, self.atoms.whole, zero_weight,
            self.psi_p, self.psi_n, self.b2, self.v2,
            self._data_excess, self.excess, self._closing[0],
        )  # fmt: skip
        return _Axis(table, branch, ends, found, checked(found, ordered))

    def spike(self, eigenvalue: float) -> Isolated:
        r"""Distance from s² and squared overlap of the images of an isolated population eigenvalue.

        The outlier condition :math:`g_{l_0}=0` reads :math:`\eta=-c^2l_0`, with two roots k (fast
        and slow side; one if b = 0 or v = 0), each an outlier where κ'(η) > 0 and dz/dk < 0.  In
        the direction h of :math:`We`, e that of the spike, :math:`h^\top Rh\simeq1/(\psi_pg_{l_0})`
        is −1/M of `solve.finite_rank`, with

        .. math::  \frac{dM}{dk}=-\psi_p\Big(1+c^2l_0\frac{dy}{dk}\Big),\qquad
                   \frac{dy}{dk}=\frac{my^2}{\psi_n\kappa'(\eta)} .
        """
        branch = np.array([UPPER, LOWER] if self.b2 > 0.0 and self.v2 > 0.0 else [UPPER])
        zero = np.zeros(branch.size)
        pole = np.full(branch.size, -self.c2 * eigenvalue)
        data = branch, np.array([pole, zero, pole, zero]), *self._map_data[2:]
        value, rise, _, _, _, slope = inverse_map(np.arange(branch.size), zero, zero, data)
        with np.errstate(invalid="ignore"):  # a root that is none has infinite slopes
            growth = -self.psi_p * (1.0 + self.c2 * eigenvalue * slope)
        return solved(value, rise, growth)

    @cached_property
    def visible_spikes(self) -> FloatArray:
        """(m, 2) intervals of population eigenvalues whose fast outlier is clear of the bulks."""
        if not self.has_data:
            return np.empty((0, 2))
        below = ~np.isneginf(self.gaps.lower)
        tip = -np.sqrt(self.b2 * self.u)  # k_- and k_+ meet here
        _, k, y = self.ends_of_gaps[..., below]
        with np.errstate(divide="ignore", invalid="ignore"):
            ends = np.where(k < tip, np.maximum(-(k + self.b2) / (y * self.c2), 0.0), 0.0)
        ends[0, np.isposinf(self.gaps.upper[below])] = np.inf
        return np.asarray(ends[::-1, ends[0] > 0.0].T)

    @property
    def ends_of_gaps(self) -> FloatArray:
        """z − s², k and y at both ends of every gap, in the order of k on their interval."""
        gaps = self.gaps
        ends = [self._map(gaps.interval, x)[[0, 2, 3]] for x in (gaps.left, gaps.right)]
        return np.stack(ends, axis=1)

    @cached_property
    def data_level(self) -> WeightedGram:
        """The law of the non-zero eigenvalues of c²XX^T/n: −psi_n κ(η) is its z at k = η."""
        return WeightedGram(
            self.psi_n,
            self.c2 * self.atoms.eigenvalues,
            self.atoms.weights,
            known_excess=self._data_excess,
        )

    def _map(self, index: IntArray, x: FloatArray) -> FloatArray:
        """Rows of `inverse_map` at coordinate x of an interval."""
        anchor, offset = Intervals(*self._axis.table).point(index, x)
        rows: FloatArray = inverse_map(index, anchor, offset, self._map_data)
        return rows

    @cached_property
    def _map_data(self) -> tuple[Any, ...]:
        axis = self._axis
        return axis.branch, axis.ends, *self._parameters, self._spare, self._closing[0]


class _Axis(NamedTuple):
    """Intervals, how they are swept, and gaps, as kernels read them; gaps as Python does too."""

    table: FloatArray
    branch: IntArray
    ends: FloatArray
    found: FloatArray
    gaps: Gaps
