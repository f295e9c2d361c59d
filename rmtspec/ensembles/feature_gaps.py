r"""The real axis of the inverse map of a random-feature matrix: intervals and gaps.

The intervals between the points of −supp H (see `feature_equations`) come from the gaps
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

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ..solve.edges import Intervals

if TYPE_CHECKING:
    from .feature_equations import FeatureEquations

FloatArray = NDArray[np.float64]

BY_K, UPPER, LOWER = 0, 1, 2
"""How an interval is swept: by k, or by η on the root k_- or k_+."""


class Table(NamedTuple):
    """Intervals with, for those swept by η, their ends as pole + offset (exact near a pole)."""

    intervals: Intervals
    low_pole: FloatArray
    low_offset: FloatArray
    high_pole: FloatArray
    high_offset: FloatArray


class _Rows:
    """Collects intervals row by row."""

    def __init__(self, model: FeatureEquations) -> None:
        self.model = model
        self.rows: list[tuple[float, ...]] = []

    def by_k(
        self, low: float, high: float, mass: float, low_value: float = np.nan,
        high_value: float = np.nan,
    ) -> None:  # fmt: skip
        """Add an interval of k, unless it is empty or would lie below all p eigenvalues."""
        if low < high and (mass < self.model.psi_p or high == np.inf):
            signal = float(self.model.c2 * np.dot(self.model.weights, self.model.eigenvalues))
            scale = self.model.b2 + self.model.u + signal
            self.rows.append(
                (low, high, scale, low_value, high_value, mass, BY_K, 0.0, 0.0, 0.0, 0.0)
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

    def table(self) -> Table:
        """The finished table."""
        low, high, scale, low_value, high_value, mass, branch, *ends = (
            np.array(column) for column in zip(*self.rows, strict=True)
        )
        above = mass / self.model.psi_p
        return Table(
            Intervals(low, high, scale, low_value, high_value, above, branch.astype(np.intp)), *ends
        )

    def outside(self) -> Table:
        """Close the table with the interval k > 0, left of the whole spectrum."""
        model = self.model
        soft = model.total > model.psi_p and not model.is_hard
        self.by_k(0.0, np.inf, model.psi_p, np.nan if soft else 0.0, -np.inf)
        return self.table()


def without_data(model: FeatureEquations) -> Table:
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


def with_data(model: FeatureEquations) -> Table:
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
def _data_ratio(pole, offset, tau, weights, psi_n, spare):
    """κ/η = 1 − df1/ψ_n at η = pole + offset, κ' and Σ w |τ/(η + τ)|.

    Written as ψ_n − Σw, plus w for the eigenvalues below |η|, plus or minus small terms: nothing
    cancels where ψ_n equals the number of large eigenvalues, and the start is exactly 0 where it
    equals that of all.
    """
    eta = pole + offset
    whole, rest, size, square = spare, 0.0, 0.0, 0.0
    for j in range(tau.size):
        inverse = 1.0 / ((pole + tau[j]) + offset)
        ratio = tau[j] * inverse
        if tau[j] > abs(eta):
            rest += weights[j] * eta * inverse
        else:
            whole += weights[j]
            rest -= weights[j] * ratio
        size += weights[j] * abs(ratio)
        square += weights[j] * ratio * ratio
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
        if not (step > 4e-16 * abs(offset)) or slope <= 0.0:
            break
        offset -= step
    return pole, offset


@njit(cache=True, error_model="numpy")
def inverse_map(
    branch, anchor, offset, low_pole, low_offset, high_pole, high_offset,
    tau, weights, zero_weight, psi_p, psi_n, b2, v2, u, spare,
):  # fmt: skip
    """z − s², Φ, k, y, the size of the terms of z, and dy/dk, at real points of the inverse map."""
    count = offset.size
    value, phi, size, slope = np.empty(count), np.empty(count), np.empty(count), np.empty(count)
    k_out, y_out = np.empty(count), np.empty(count)
    for i in range(count):
        if branch[i] == 0:
            k = anchor[i] + offset[i]
            kb, ku = (anchor[i] + b2) + offset[i], (anchor[i] + u) + offset[i]
            pole, at = 0.0, 1.0
            if tau.size:
                pole, at = _solve_eta(kb * (ku / k), tau, weights, psi_n, spare)
            ratio, rise, df1 = _data_ratio(pole, at, tau, weights, psi_n, spare)
        else:
            if offset[i] > 0.0:
                pole, at = low_pole[i], low_offset[i] + offset[i]
            else:
                pole, at = high_pole[i], high_offset[i] + offset[i]
            ratio, rise, df1 = _data_ratio(pole, at, tau, weights, psi_n, spare)
            roots = _roots((pole + at) * ratio, b2, u)
            k, kb, ku = roots[:3] if branch[i] == 1 else roots[3:]
        eta = pole + at
        along_b = (abs(k) + b2) / abs(kb)
        along_u = (1.0 + df1 / psi_n) / abs(ratio) + ((abs(k) + u) / abs(ku) if u > 0.0 else 0.0)
        if tau.size and (along_b < along_u or k == 0.0):
            y = kb / eta
        else:
            y = ratio * (k / ku if u > 0.0 else 1.0)
        zeroth = zeroth_size = first = first_size = second = shrunk = shrunk_size = 0.0
        squares = 0.0
        for j in range(tau.size):
            inverse = 1.0 / ((pole + tau[j]) + at)
            zeroth += weights[j] * inverse
            zeroth_size += weights[j] * abs(inverse)
            first += weights[j] * tau[j] * inverse
            first_size += weights[j] * abs(tau[j] * inverse)
            second += weights[j] * tau[j] * inverse * inverse
            kept = (b2 / y + tau[j]) * inverse
            shrunk += weights[j] * kept
            shrunk_size += weights[j] * abs(kept)
            squares += weights[j] * kept * kept
        if zero_weight > 0.0:
            zeroth += zero_weight * y / kb
            zeroth_size += zero_weight * abs(y / kb)
            kept = b2 / kb
            shrunk += zero_weight * kept
            shrunk_size += zero_weight * abs(kept)
            squares += zero_weight * kept * kept
        # Two forms of the same z: one loses digits at psi_p = 1 + psi_n, the other elsewhere.
        plain = k * (shrunk - psi_p) + v2 * y
        plain_size = abs(k) * (shrunk_size + psi_p) + abs(v2 * y)
        level = k * ((1.0 + psi_n - psi_p) - psi_n * y - k * zeroth / y - first)
        level_size = abs(k) * (
            abs(1.0 + psi_n - psi_p) + abs(psi_n * y) + abs(k / y) * zeroth_size + first_size
        )
        value[i], size[i] = (plain, plain_size) if plain_size < level_size else (level, level_size)
        m = second / (y * y) + (v2 / (k * k) if v2 > 0.0 else 0.0)
        slope[i] = m * y * y / (psi_n * rise)
        squares += k * k * m * slope[i]
        phi[i] = squares if rise > 0.0 and np.isfinite(squares) else np.inf
        k_out[i], y_out[i] = k, y
    return value, phi, k_out, y_out, size, slope
