r"""The real axis of the inverse map of a random-feature matrix: intervals and gaps.

In the notation of `feature_equations`: given the data, U − s² is a Gram matrix of Gaussian rows
(`weighted_gram`) whose measure H holds two eigenvalues :math:`\mu_\pm` for every non-zero
eigenvalue ς of c²XX^T/n, with :math:`\mu_++\mu_-=\varsigma+b^2+u`, :math:`\mu_+\mu_-=b^2u`,
:math:`u=v^2/\psi_n`, an atom at u of mass :math:`\psi_n-\bar r` and one at b² of mass
:math:`1-\bar r`, where :math:`\bar r=\min(\psi_n,\rho((0,\infty)))`.  The law of ς is that of a
sample covariance matrix,
:math:`\kappa(\eta)=\eta(1-\frac1{\psi_n}\int\frac{c^2l\,d\rho}{\eta+c^2l})`, −κ outside it, and

.. math::  (k+b^2)(k+u)/k=\kappa(\eta),\quad y=\frac{k+b^2}\eta
           =\frac{k}{k+u}\,\frac{\kappa(\eta)}{\eta},\quad g_l=y(\eta+c^2l).

Then :math:`dz/dk=\Phi-\psi_p` with the sum of squares

.. math::  \Phi=\int\Big(\frac{b^2+c^2yl}{g_l}\Big)^2d\rho+\frac{(kmy)^2}{\psi_n\kappa'(\eta)},
           \qquad m=\frac{v^2}{k^2}+c^2\int\frac{l\,d\rho}{g_l^2},

which equals :math:`\int\mu^2(k+\mu)^{-2}dH` and is therefore convex between the points of −supp H.

*Intervals.*  Those between the points of −supp H come from the gaps
:math:`(\eta_1,\eta_2)` of the data level, each of which opens one interval of k on either root of
:math:`(k+b^2)(k+u)/k=\kappa(\eta)`:

=====================================  ======================  ==============================
k                                      η                       mass of H above −k
=====================================  ======================  ==============================
upper root, inner or outer             (η_1, η_2), (−inf, η_L)  m_η = ρ(c²l > −η)
central, cut at −b² and −u if atoms    (η_R, inf)              r̄ + the atoms above −k
lower root, inner or outer             (η_1, η_2), (−inf, η_L)  H((0, inf)) − m_η
k > 0                                  (η_R, inf)              all p eigenvalues
=====================================  ======================  ==============================

An interval with more mass above it than p/d lies below all eigenvalues and is left out.  On the
two roots η is swept, as pole + offset from the nearest population eigenvalue, so that nothing is
lost next to a pole; elsewhere k is, and η solved for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ..result import Status
from ..solve import REORDERED
from ..solve.edges import Gaps, Intervals, bracketed_root, find_gaps, log_excess
from .weighted_gram import WeightedGram

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
IntArray = NDArray[np.intp]

_HARD_EDGE = 8 * np.finfo(float).eps
_NEGLIGIBLE = 1e-40  # (1 + psi_n^-1/2)^2 times this is 1e-31 at most
_BY_K, _UPPER, _LOWER = 0, 1, 2  # how an interval is swept: by k, or by η on the root k_- or k_+


class FeatureSolution(NamedTuple):
    """k and y at every point, with the relative error bound of (k, y), residual and status."""

    k: ComplexArray
    y: ComplexArray
    error: FloatArray
    residual: FloatArray
    status: NDArray[np.int8]


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
        return min(self.psi_n, 1.0 - self.zero_weight) if self.has_data else 0.0

    @property
    def has_data(self) -> bool:
        """Whether U sees the data: not for c = 0, nor if they move its eigenvalues by 1e-30."""
        if self.c2 == 0.0 or self.eigenvalues.size == 0:
            return False
        return bool(self.c2 * self.eigenvalues[-1] > _NEGLIGIBLE * max(self.b2, self.u))

    @property
    def total(self) -> float:
        """Mass of H on (0, inf)."""
        return (
            self.rank * (1.0 + (self.b2 > 0.0 and self.v2 > 0.0))
            + (1.0 - self.rank) * (self.b2 > 0.0)
            + (self.psi_n - self.rank) * (self.v2 > 0.0)
        )

    def atoms_above(self, k: float) -> float:
        """Mass of the two atoms of H, at b² and u, that lie above −k."""
        return (1.0 - self.rank) * (self.b2 > -k) + (self.psi_n - self.rank) * (self.u > -k)

    @cached_property
    def is_hard(self) -> bool:
        """Whether the spectrum touches s² with a diverging density (psi_p = mass of H)."""
        return bool(abs(self.total - self.psi_p) <= _HARD_EDGE * self.psi_p)

    @property
    def atom(self) -> float:
        """Mass of the eigenvalue s²."""
        return 0.0 if self.is_hard else max(0.0, 1.0 - self.total / self.psi_p)

    @cached_property
    def _spare(self) -> float:
        """psi_n minus the mass of the data directions, 0 where the data law touches 0."""
        if not self.has_data:
            return self.psi_n
        return 0.0 if self.data_level.is_hard else self.psi_n - float(self.weights.sum())

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
        gap = np.searchsorted(self.gaps.lower, z, side="right") - 1
        outside = (gap >= 0) & (z < self.gaps.upper[gap])
        k, y = np.full(z.shape, np.nan), np.full(z.shape, np.nan)
        error, residual = np.full(z.shape, np.inf), np.full(z.shape, np.nan)
        status = np.full(z.shape, Status.LEFT_HALF_PLANE, dtype=np.int8)
        if np.any(outside):
            inside, target = gap[outside], z[outside]
            index = self.gaps.interval[inside]

            def distance(i: IntArray, x: FloatArray) -> FloatArray:
                value = np.clip(self._value(index[i], x), -1e300, 1e300)
                return (value - target[i]) / (np.abs(value) + np.abs(target[i]))

            x = bracketed_root(
                distance, self.gaps.left[inside], self.gaps.right[inside], xtol=4e-16
            )
            value, rise, k[outside], y[outside], size, slope = self._map(index, x)
            rest = np.abs(value - target)
            rounding = (8.0 + np.sqrt(self.weights.size)) * np.finfo(float).eps
            shift = (rest + rounding * size) / np.abs(rise)  # of k
            moved = shift * np.maximum(1.0 / np.abs(k[outside]), np.abs(slope / y[outside]))
            error[outside] = 4.0 * (moved + rounding)
            residual[outside] = rest / (size + np.abs(target))
            status[outside] = np.where(
                residual[outside] < 1e-12, Status.CONVERGED, Status.PRECISION_EXHAUSTED
            )
        return FeatureSolution(
            k.astype(np.complex128), y.astype(np.complex128), error, residual, status
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
        branch = np.array([_UPPER, _LOWER] if self.b2 > 0.0 and self.v2 > 0.0 else [_UPPER])
        zero = np.zeros(branch.size)
        pole = np.full(branch.size, -self.c2 * eigenvalue)
        value, rise, _, _, _, slope = _inverse_map(
            np.arange(branch.size), zero, zero, branch, pole, zero, pole, zero,
            *self._parameters, self._spare,
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
        return WeightedGram(self.psi_n, self.c2 * self.eigenvalues, self.weights)

    @cached_property
    def _table(self) -> _Table:
        return _without_data(self) if not self.has_data else _with_data(self)

    @property
    def _intervals(self) -> Intervals:
        return self._table.intervals

    def _map(self, index: IntArray, x: FloatArray) -> FloatArray:
        """Rows of `_inverse_map` at coordinate x of an interval."""
        anchor, offset = self._intervals.point(index, x)
        return _inverse_map(index, anchor, offset, *self._map_arguments)

    @cached_property
    def _map_arguments(self) -> tuple[Any, ...]:
        table = self._table
        return (
            table.intervals.branch,
            table.low_pole, table.low_offset, table.high_pole, table.high_offset,
            *self._parameters, self._spare,
        )  # fmt: skip

    def _excess(self, index: IntArray, x: FloatArray) -> FloatArray:
        return log_excess(self._map(index, x)[1], self.psi_p)

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
        if low < high and (mass < self.model.psi_p or high == np.inf):
            signal = float(self.model.c2 * np.dot(self.model.weights, self.model.eigenvalues))
            scale = self.model.b2 + self.model.u + signal or 1.0
            self.rows.append(
                (low, high, scale, low_value, high_value, mass, _BY_K, 0.0, 0.0, 0.0, 0.0)
            )

    def by_eta(
        self, branch: int, low: tuple[float, float] | None, high: tuple[float, float], mass: float,
        low_value: float = np.nan,
    ) -> None:  # fmt: skip
        """Add an interval of η with ends (pole, offset); no low end stands for −inf."""
        if mass >= self.model.psi_p:
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
        soft = model.total > model.psi_p and not model.is_hard
        self.by_k(0.0, np.inf, model.psi_p, np.nan if soft else 0.0, -np.inf)
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
            rows.by_eta(_UPPER, None, high, 0.0, low_value=np.inf)
            if both and model.atom > 0.0:
                rows.by_eta(_LOWER, None, high, model.total, low_value=0.0)
        elif intervals.high[i] < 0.0:
            rows.by_eta(_UPPER, low, high, mass)
            if both:
                rows.by_eta(_LOWER, low, high, model.total - mass)
    lowest = 0.0 if data.is_hard else -float(gaps.edges[0, 0]) / model.psi_n
    start, _, _, end, _, _ = _roots(lowest, model.b2, model.u)
    rank = model.rank
    cuts = [-mu for mu, atom in ((model.b2, 1.0 - rank), (model.u, model.psi_n - rank)) if atom > 0]
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


@njit(cache=True, error_model="numpy")
def _roots(kappa, b2, u):
    """k_-, k_- + b², k_- + u, then the same for k_+, the roots of (k + b²)(k + u) = κk, κ <= 0."""
    b, root_u = np.sqrt(b2), np.sqrt(u)
    spread = np.sqrt(((b - root_u) ** 2 - kappa) * ((b + root_u) ** 2 - kappa))
    low = -0.5 * (b2 + u - kappa + spread)
    high = b2 * u / low if low != 0.0 else 0.0
    shift = u - b2 - kappa  # k + b² = −(shift ± spread)/2, spread² = shift² − 4κb²
    low_b = -0.5 * (shift + spread) if shift > 0.0 else 2.0 * kappa * b2 / (spread - shift)
    high_b = 0.5 * (spread - shift) if shift <= 0.0 else -2.0 * kappa * b2 / (spread + shift)
    shift = b2 - u - kappa
    low_u = -0.5 * (shift + spread) if shift > 0.0 else 2.0 * kappa * u / (spread - shift)
    high_u = 0.5 * (spread - shift) if shift <= 0.0 else -2.0 * kappa * u / (spread + shift)
    if b2 == 0.0 or u == 0.0:  # the small root is 0
        high_b, high_u = b2, u
    return low, low_b, low_u, high, high_b, high_u


@njit(cache=True, error_model="numpy")
def _from_pole(pole, tau, offset):
    """η + τ at η = pole + offset, in the order that is exact next to the pole."""
    return (pole + tau) + offset


@njit(cache=True, error_model="numpy")
def _pick(condition, this, other):
    """A choice between two numbers: unlike a branch, it can be made in a vectorised loop."""
    return this if condition else other


@njit(cache=True, error_model="numpy", fastmath=REORDERED)
def _data_sums(pole, offset, tau, weights):
    """Weight with τ > |η| and with τ < |η|, rest of −df1, and Σ w |τ/(η + τ)|, Σ w τ²/(η + τ)²."""
    eta = pole + offset
    high = low = rest = size = square = 0.0
    for j in range(tau.size):
        t, w = tau[j], weights[j]
        inverse = 1.0 / _from_pole(pole, t, offset)
        ratio = t * inverse
        above = t > abs(eta)
        high += _pick(above, w, 0.0)
        low += _pick(above, 0.0, w)
        rest += w * inverse * _pick(above, eta, -t)
        size += w * abs(ratio)
        square += w * ratio * ratio
    return high, low, rest, size, square


@njit(cache=True, error_model="numpy")
def _data_ratio(pole, offset, tau, weights, psi_n, spare):
    """κ/η = 1 − df1/ψ_n at η = pole + offset, κ' and Σ w |τ/(η + τ)|.

    Written as ψ_n minus the weight of the eigenvalues above |η|, plus or minus small terms: nothing
    cancels where ψ_n equals the number of large eigenvalues. Where most are large it is ψ_n − Σw,
    exactly 0 where ψ_n equals the number of all, plus the weight of those below.
    """
    above, below, rest, size, square = _data_sums(pole, offset, tau, weights)
    whole = spare + below if below < above else psi_n - above
    return (whole + rest) / psi_n, 1.0 - square / psi_n, size


@njit(cache=True, error_model="numpy")
def _solve_eta(kappa, tau, weights, psi_n, spare):
    """Solve κ(η) = kappa on its rising convex branch right of the data law, as (pole, offset).

    Newton from the right of the root decreases monotonically.
    """
    mean = 0.0
    for j in range(tau.size):
        mean += weights[j] * tau[j]
    pole, offset = 0.0, max(kappa, 0.0) + mean / psi_n
    if kappa < 0.0 and spare > 0.0:
        pole, offset = -tau[0], 0.5 * tau[0]
        ratio, slope, _ = _data_ratio(pole, offset, tau, weights, psi_n, spare)
        if slope <= 0.0 or (pole + offset) * ratio < kappa:  # not right of the root
            pole, offset = 0.0, 0.0
    for _ in range(200):
        ratio, slope, _ = _data_ratio(pole, offset, tau, weights, psi_n, spare)
        step = ((pole + offset) * ratio - kappa) / slope
        at_bound = offset == kappa and step < 0.0
        if not (step > 4e-16 * abs(offset) or at_bound) or slope <= 0.0:
            break
        offset -= step
        if kappa > 0.0:  # the root is above κ; rounding may say less where it is tiny
            offset = max(offset, kappa)
    return pole, offset


@njit(cache=True, error_model="numpy", fastmath=REORDERED)
def _real_sums(pole, offset, ridge, level, tau, weights):
    """Sums over f = (ridge + τ)/h and e = τ/h, h = η + τ; level = k/y = η − ridge.

    f and e count as 1 − level/h and 1 − η/h where the last term is small: the ones are kept
    apart, as the mass that does not count one, because they cancel against psi_p and psi_n.
    Returns that mass, the rest and its size for f, the same for e, ∫τ/h², and ∫f² without the
    ones.
    """
    eta = pole + offset
    off_f = rest_f = size_f = off_e = rest_e = size_e = second = squares = 0.0
    for j in range(tau.size):
        t, w = tau[j], weights[j]
        inverse = 1.0 / _from_pole(pole, t, offset)
        whole, missing = (ridge + t) * inverse, level * inverse
        near = abs(missing) < 0.5
        off_f += _pick(near, 0.0, w)
        part = w * _pick(near, -missing, whole)
        rest_f += part
        size_f += abs(part)
        squares += w * _pick(near, missing * (missing - 2.0), whole * whole)
        share, missing = t * inverse, eta * inverse
        near = abs(missing) < 0.5
        off_e += _pick(near, 0.0, w)
        part = w * _pick(near, -missing, share)
        rest_e += part
        size_e += abs(part)
        second += w * share * inverse
    return off_f, rest_f, size_f, off_e, rest_e, size_e, second, squares


@njit(cache=True, error_model="numpy")
def _inverse_map(
    index, anchor, offset, branch, low_pole, low_offset, high_pole, high_offset,
    tau, weights, zero_weight, psi_p, psi_n, b2, v2, u, spare,
):  # fmt: skip
    """Rows: z − s², dz/dk, k, y, the size of the terms of z, dy/dk; at points anchor + offset."""
    rows = np.empty((6, offset.size))
    value, climb, k_row, y_row, size, slope = rows
    for i in range(offset.size):
        interval = index[i]
        if branch[interval] == 0:
            k = anchor[i] + offset[i]
            kb, ku = (anchor[i] + b2) + offset[i], (anchor[i] + u) + offset[i]
            pole, at = 0.0, 1.0
            if tau.size:
                pole, at = _solve_eta(kb * (ku / k), tau, weights, psi_n, spare)
            ratio, rise, df1 = _data_ratio(pole, at, tau, weights, psi_n, spare)
        else:
            if offset[i] > 0.0:
                pole, at = low_pole[interval], low_offset[interval] + offset[i]
            else:
                pole, at = high_pole[interval], high_offset[interval] + offset[i]
            ratio, rise, df1 = _data_ratio(pole, at, tau, weights, psi_n, spare)
            roots = _roots((pole + at) * ratio, b2, u)
            k, kb, ku = roots[:3] if branch[interval] == 1 else roots[3:]
        eta = pole + at
        along_b = (abs(k) + b2) / abs(kb)
        along_u = (1.0 + df1 / psi_n) / abs(ratio) + ((abs(k) + u) / abs(ku) if u > 0.0 else 0.0)
        if tau.size and (along_b < along_u or k == 0.0):
            y = kb / eta
        else:
            y = ratio * (k / ku if u > 0.0 else 1.0)
        off_f, rest_f, size_f, off_e, rest_e, size_e, second, squares = _real_sums(
            pole, at, b2 / y, k / y, tau, weights
        )
        if zero_weight > 0.0:  # f = b²/(k + b²)
            near = abs(k) < 0.5 * abs(kb)
            off_f += 0.0 if near else zero_weight
            part = zero_weight * (-k if near else b2) / kb
            rest_f += part
            size_f += abs(part)
            whole, missing = b2 / kb, k / kb
            squares += zero_weight * (missing * (missing - 2.0) if near else whole * whole)
        # z = k(∫f − ψ_p) + v²y, and v²y = k(ψ_n − ∫e − ψ_n y): either may cancel, not both.
        count = 1.0 - psi_p - off_f
        squares += count
        plain = k * (count + rest_f) + v2 * y
        plain_size = abs(k) * (abs(count) + size_f) + abs(v2 * y)
        count += spare + off_e
        level = k * (count + rest_f - rest_e - psi_n * y)
        level_size = abs(k) * (abs(count) + size_f + size_e + abs(psi_n * y))
        value[i], size[i] = (plain, plain_size) if plain_size < level_size else (level, level_size)
        m = second / (y * y) + (v2 / (k * k) if v2 > 0.0 else 0.0)
        slope[i] = m * y * y / (psi_n * rise)
        squares += k * k * m * slope[i]
        climb[i] = squares if rise > 0.0 and np.isfinite(squares) else np.inf
        k_row[i], y_row[i] = k, y
    return rows
