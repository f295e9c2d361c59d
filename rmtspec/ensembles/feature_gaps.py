r"""The real axis of the inverse map of a random-feature matrix: intervals and gaps.

The map itself, and the nested laws behind it, are in `feature_inverse_map`.

*Intervals.*  Those between the points of −supp H come from the gaps
:math:`(\eta_1,\eta_2)` of the data level, each of which opens one interval of k on either root of
:math:`(k+b^2)(k+u)/k=\kappa(\eta)`:

=====================================  =======================  ==============================
k                                      η                        mass of H above −k
=====================================  =======================  ==============================
upper root, inner or outer             (η_1, η_2), (−inf, η_L)  m_η = ρ(c²l > −η)
central, cut at −b² and −u if atoms    (η_R, inf)               r̄ + the atoms above −k
lower root, inner or outer             (η_1, η_2), (−inf, η_L)  H((0, inf)) − m_η
k > 0                                  (η_R, inf)               all p eigenvalues
=====================================  =======================  ==============================

An interval with more mass above it than p/d lies below all eigenvalues and is left out.  On the
two roots η is swept, as pole + offset from the nearest population eigenvalue, so that nothing is
lost next to a pole; elsewhere k is, and η solved for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import fsum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..result import Status
from ..solve.edges import Gaps, Intervals, find_gaps, log_excess, real_points
from .feature_inverse_map import BY_K, LOWER, UPPER, inverse_map, roots_of_k
from .weighted_gram import HARD_EDGE, GramSolution, WeightedGram

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
    """Real axis of the inverse map, in terms of z − s².

    `eigenvalues` are the positive atoms of ρ in ascending order with `weights`;
    `zero_weight` = ρ({0}) = 1 − sum of the weights.
    """

    psi_p: float
    psi_n: float
    eigenvalues: FloatArray
    weights: FloatArray
    zero_weight: float
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
        return 1.0 - self.zero_weight

    @property
    def sample_mass(self) -> float:
        """psi_n less the rank: samples that see no data direction."""
        return max(self._spare, 0.0) if self.has_data else self.psi_n

    @property
    def noise_mass(self) -> float:
        """1 less the rank: directions without data."""
        if not self.has_data:
            return 1.0
        return self.zero_weight if self._spare >= 0.0 else 1.0 - self.psi_n

    @property
    def has_data(self) -> bool:
        """Whether U sees the data: not for c = 0, nor if they move its eigenvalues by 1e-30."""
        if self.c2 == 0.0 or self.eigenvalues.size == 0:
            return False
        return bool(self.c2 * self.eigenvalues[-1] > _NEGLIGIBLE * max(self.b2, self.u))

    @cached_property
    def excess(self) -> float:
        """Mass of H on (0, inf) less psi_p, rounded once.

        That mass is 1 and psi_n for b² and v², or the rank if there is neither.
        """
        bare = self.b2 == 0.0 and self.v2 == 0.0
        if not bare:
            return fsum([float(self.b2 > 0.0), self.psi_n * (self.v2 > 0.0), -self.psi_p])
        if not self.has_data or self._spare <= 0.0:
            return self.rank - self.psi_p
        return fsum([1.0, -self.zero_weight, -self.psi_p])

    @property
    def spare(self) -> float:
        """Mass of H less psi_p, exactly 0 at a hard edge."""
        return 0.0 if self._is_balanced else self.excess

    @cached_property
    def _closing(self) -> tuple[float, float]:
        """1 + psi_n − psi_p, rounded once and 0 at a hard edge, and what that leaves out."""
        value = fsum([1.0, self.psi_n, -self.psi_p])
        snapped = abs(value) <= HARD_EDGE * self.psi_p
        return (0.0, abs(value)) if snapped else (value, 0.0)

    @property
    def total(self) -> float:
        """Mass of H on (0, inf)."""
        if self._is_balanced:
            return self.psi_p
        bare = self.b2 == 0.0 and self.v2 == 0.0
        return self.rank if bare else (self.b2 > 0.0) + self.psi_n * (self.v2 > 0.0)

    def atoms_above(self, k: float) -> float:
        """Mass of the two atoms of H, at b² and u, that lie above −k."""
        return self.noise_mass * (self.b2 > -k) + self.sample_mass * (self.u > -k)

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

    def leaves_room(self, mass: float) -> bool:
        """Whether p holds more than this mass, rounding apart."""
        return bool(mass < self.psi_p * (1.0 - HARD_EDGE))

    @cached_property
    def _data_excess(self) -> float:
        """Mass of the data directions less psi_n, rounded once: weights sum to 1 roughly."""
        lost = fsum([*self.weights, self.zero_weight, -1.0])
        return fsum([1.0, -self.zero_weight, self.zero_weight * lost, -self.psi_n])

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
        return self.c2 * self.eigenvalues, self.weights, self.zero_weight, *rest

    def solve_real(self, z: FloatArray) -> FeatureSolution:
        """Solve for (k, y) at flat real z − s² outside the support (NaN on it)."""
        outside, index, x = real_points(self.gaps, z, self._value)
        k, y = np.full(z.shape, np.nan), np.full(z.shape, np.nan)
        error, y_error = np.full(z.shape, np.inf), np.full(z.shape, np.inf)
        residual = np.full(z.shape, np.nan)
        status = np.full(z.shape, Status.LEFT_HALF_PLANE, dtype=np.int8)
        if np.any(outside):
            target = z[outside]
            value, rise, k[outside], y[outside], size, slope = self._map(index, x)
            rounding = (8.0 + np.sqrt(self.weights.size)) * np.finfo(float).eps
            doubt = self._closing[1] * np.abs(k[outside])
            with np.errstate(all="ignore"):  # z out of reach leaves an infinite error
                rest = np.abs(value - target)
                shift = (rest + rounding * size + doubt) / np.abs(rise)  # of k
                error[outside] = 4.0 * (shift / np.abs(k[outside]) + rounding)
                y_error[outside] = 4.0 * (shift * np.abs(slope / y[outside]) + rounding)
            residual[outside] = rest / (size + np.abs(target))
            status[outside] = np.where(
                residual[outside] < 1e-12, Status.CONVERGED, Status.PRECISION_EXHAUSTED
            )
        return FeatureSolution(
            k.astype(np.complex128), y.astype(np.complex128), error, residual, status, y_error
        )

    @cached_property
    def gaps(self) -> Gaps:
        """Every gap of the spectrum, in terms of z − s²."""
        return find_gaps(self._intervals, self._excess, self._value)

    def spike(self, eigenvalue: float) -> tuple[FloatArray, FloatArray]:
        r"""Distance from s² and squared overlap of the images of an isolated population eigenvalue.

        The outlier condition :math:`g_{l_0}=0` reads :math:`\eta=-c^2l_0`, with two roots k (fast
        and slow side; one if b = 0 or v = 0), each an outlier where κ'(η) > 0 and dz/dk < 0.  Its
        unit eigenvector has with the unit vector along :math:`We`, e the direction of the spike,
        the squared scalar product

        .. math::  \cos^2=\frac{-dz/dk}{\psi_p(1+c^2l_0\,dy/dk)},\qquad
                   \frac{dy}{dk}=\frac{my^2}{\psi_n\kappa'(\eta)},

        the residue at the outlier of :math:`e^\top W^\top RWe/(d\psi_p)\simeq1/(\psi_pg_{l_0})`.
        A root below the transition has location NaN and overlap 0.
        """
        branch = np.array([UPPER, LOWER] if self.b2 > 0.0 and self.v2 > 0.0 else [UPPER])
        zero = np.zeros(branch.size)
        pole = np.full(branch.size, -self.c2 * eigenvalue)
        value, rise, _, _, _, slope = inverse_map(
            np.arange(branch.size), zero, zero, branch, pole, zero, pole, zero,
            *self._parameters, self._spare, self._closing[0],
        )  # fmt: skip
        fall = -rise
        with np.errstate(invalid="ignore"):
            overlap = fall / (self.psi_p * (1.0 + self.c2 * eigenvalue * slope))
        visible = fall > 0.0
        return np.where(visible, value, np.nan), np.where(visible, overlap, 0.0)

    @cached_property
    def visible_spikes(self) -> FloatArray:
        """(m, 2) intervals of population eigenvalues whose fast outlier is clear of the bulks."""
        if not self.has_data:
            return np.empty((0, 2))
        below = ~np.isneginf(self.gaps.lower)
        index = self.gaps.interval[below]
        tip = -np.sqrt(self.b2 * self.u)  # k_- and k_+ meet here
        ends = []
        for x in (self.gaps.left[below], self.gaps.right[below]):
            _, _, k, y, _, _ = self._map(index, x)
            with np.errstate(divide="ignore", invalid="ignore"):
                ends.append(np.where(k < tip, np.maximum(-(k + self.b2) / (y * self.c2), 0.0), 0.0))
        ends[0][np.isposinf(self.gaps.upper[below])] = np.inf
        fast = ends[0] > 0.0
        return np.column_stack([ends[1][fast], ends[0][fast]])

    @cached_property
    def data_level(self) -> WeightedGram:
        """The law of the non-zero eigenvalues of c²XX^T/n: −psi_n κ(η) is its z at k = η."""
        return WeightedGram(
            self.psi_n,
            self.c2 * self.eigenvalues,
            self.weights,
            known_excess=self._data_excess,
        )

    @cached_property
    def _table(self) -> _Table:
        return _without_data(self) if not self.has_data else _with_data(self)

    @property
    def _intervals(self) -> Intervals:
        return self._table.intervals

    def _map(self, index: IntArray, x: FloatArray) -> FloatArray:
        """Rows of `inverse_map` at coordinate x of an interval."""
        anchor, offset = self._intervals.point(index, x)
        return inverse_map(index, anchor, offset, *self._map_arguments)

    @cached_property
    def _map_arguments(self) -> tuple[Any, ...]:
        table = self._table
        return (
            table.intervals.branch,
            table.low_pole, table.low_offset, table.high_pole, table.high_offset,
            *self._parameters, self._spare, self._closing[0],
        )  # fmt: skip

    def _excess(self, index: IntArray, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        _, rise, k, *_ = self._map(index, x)
        return log_excess(rise, self.psi_p), k

    def _value(self, index: IntArray, x: FloatArray) -> FloatArray:
        return self._map(index, x)[0]


class _Table(NamedTuple):
    """Intervals with, for those swept by η, their ends as pole + offset (exact near a pole)."""

    intervals: Intervals
    low_pole: FloatArray
    low_offset: FloatArray
    high_pole: FloatArray
    high_offset: FloatArray


class _Rows:
    """Collects intervals row by row."""

    def __init__(self, model: FeatureGaps) -> None:
        self.model = model
        self.rows: list[tuple[float, ...]] = []

    def by_k(
        self, low: float, high: float, mass: float, low_value: float = np.nan,
        high_value: float = np.nan,
    ) -> None:  # fmt: skip
        """Add an interval of k, unless it is empty or would lie below all p eigenvalues."""
        if low < high and (self.model.leaves_room(mass) or high == np.inf):
            signal = float(self.model.c2 * np.dot(self.model.weights, self.model.eigenvalues))
            scale = self.model.b2 + self.model.u + signal or 1.0
            self.rows.append(
                (low, high, scale, low_value, high_value, mass, BY_K, 0.0, 0.0, 0.0, 0.0)
            )

    def by_eta(
        self, branch: int, low: tuple[float, float] | None, high: tuple[float, float], mass: float,
        low_value: float = np.nan,
    ) -> None:  # fmt: skip
        """Add an interval of η with ends (pole, offset); no low end stands for −inf."""
        if not self.model.leaves_room(mass):
            return
        if low is None:
            low, start, width = (0.0, 0.0), -np.inf, 0.0
        else:
            start, width = 0.0, (high[0] - low[0]) + (high[1] - low[1])
        scale = -high[0] - high[1]
        self.rows.append((start, width, scale, low_value, np.nan, mass, branch, *low, *high))

    def table(self) -> _Table:
        """The finished table."""
        low, high, scale, low_value, high_value, mass, branch, *ends = (
            np.array(column) for column in zip(*self.rows, strict=True)
        )
        above = mass / self.model.psi_p
        return _Table(
            Intervals(low, high, scale, low_value, high_value, above, branch.astype(np.intp)), *ends
        )

    def outside(self) -> _Table:
        """Close the table with the interval k > 0, left of the whole spectrum."""
        model = self.model
        soft = model.spare > 0.0
        mass = model.total if model.meets_atom else model.psi_p
        self.by_k(0.0, np.inf, mass, np.nan if soft else 0.0, -np.inf)
        return self.table()


def _without_data(model: FeatureGaps) -> _Table:
    """c = 0: H consists of the two atoms b² and u alone."""
    rows = _Rows(model)
    atoms = sorted({mu for mu in (model.b2, model.u) if mu > 0.0})
    if atoms:
        rows.by_k(-np.inf, -atoms[-1], 0.0, low_value=np.inf)
    else:
        rows.by_k(-np.inf, 0.0, 0.0, low_value=np.inf, high_value=0.0)
    if len(atoms) == 2:
        rows.by_k(-atoms[1], -atoms[0], model.atoms_above(-0.5 * (atoms[0] + atoms[1])))
    if atoms and model.atom > 0.0:
        rows.by_k(-atoms[0], 0.0, model.total, high_value=0.0)
    return rows.outside()


def _with_data(model: FeatureGaps) -> _Table:
    """All intervals between −supp H, from the gaps of the data level, and k > 0."""
    rows, data = _Rows(model), model.data_level
    gaps, intervals = data.gaps, data._intervals
    both = model.b2 > 0.0 and model.v2 > 0.0
    for which, i in enumerate(gaps.interval):
        low, high = _end(intervals, i, gaps.left[which]), _end(intervals, i, gaps.right[which])
        mass = float(gaps.above[which]) * model.psi_n
        if np.isneginf(intervals.low[i]):
            rows.by_eta(UPPER, None, high, 0.0, low_value=np.inf)
            if both and model.atom > 0.0:
                rows.by_eta(LOWER, None, high, model.total, low_value=0.0)
        elif intervals.high[i] < 0.0:
            rows.by_eta(UPPER, low, high, mass)
            if both:
                rows.by_eta(LOWER, low, high, model.total - mass)
    lowest = 0.0 if data.is_hard else -float(gaps.upper[gaps.upper > 0.0][0]) / model.psi_n
    start, _, _, end, _, _ = roots_of_k(lowest, model.b2, model.u)
    rank = model.rank
    cuts = [
        -mu for mu, atom in ((model.b2, model.noise_mass), (model.u, model.sample_mass)) if atom > 0
    ]
    points = [start, *sorted(cut for cut in set(cuts) if start < cut < end), end]
    for low_k, high_k in pairwise(points):
        mass = rank + model.atoms_above(0.5 * (low_k + high_k))
        if high_k < 0.0:
            rows.by_k(low_k, high_k, mass)
        elif model.atom > 0.0:
            rows.by_k(low_k, high_k, mass, high_value=0.0)
    return rows.outside()


def _end(intervals: Intervals, index: int, x: float) -> tuple[float, float]:
    """An end of a gap of the data level, as pole and offset."""
    pole, offset = intervals.point(np.array([index]), np.array([x]))
    return float(pole[0]), float(offset[0])
