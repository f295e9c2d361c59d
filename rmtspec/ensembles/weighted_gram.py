r"""Gram matrix of Gaussian rows with a given spectrum.

The p x p matrix :math:`\frac1d\,\mathcal W M\mathcal W^\top`, with :math:`\mathcal W` a
p x m matrix of independent standard Gaussians and M a fixed non-negative matrix whose
eigenvalues :math:`\mu` have the measure H (mass m/d), P = p/d.  With
:math:`q(z)=\frac1p\mathrm{Tr}(\cdot-z)^{-1}=1/(Pk)` the equation of Silverstein and Bai (1995) is

.. math::  z = -Pk + k\int\frac{\mu\,dH(\mu)}{k+\mu},
           \qquad \mathrm{Im}\,k<0 \text{ where } \mathrm{Im}\,z>0,

and :math:`dz/dk=\Phi-P` with :math:`\Phi=\int\mu^2(k+\mu)^{-2}dH` convex between the poles.
Eigenvalues :math:`\mu=0` drop out.  Both the sample covariance matrix (with its companion) and the
random-feature matrix of a given data set are of this form.

*Uniqueness.*  For Im z > 0 the map k -> (−z + k∫μ dH/(k+μ))/P sends the lower half plane strictly
into itself, so it has exactly one fixed point there: Im k < 0 certifies the root.

*Counting.*  At a real k outside the support, with dz/dk < 0, the fraction of the p eigenvalues
above z(k) is H((−k, ∞))/P, at most 1 (exact separation, Bai and Silverstein 1999).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from math import fsum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..result import Status
from ..solve import READS, REORDERED
from ..solve.cauchy_sums.atoms import mass_above
from ..solve.cauchy_sums.cells import atom, from_pole, nearby, seen_through_cells
from ..solve.density.panels import panel_search
from ..solve.edges import REACH, Gaps, Intervals, checked
from ..solve.kernel import kernel
from .real_axis.gram import (
    HARD_EDGE,
    density_from,
    find_gaps,
    gram_intervals,
    locate,
    net_count,
    pick,
    polish_real,
    real_maps,
)
from .two_point import conditional_determinant

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
IntArray = NDArray[np.intp]


class GramSolution(NamedTuple):
    """k at every point, with its relative error bound, relative residual and status."""

    k: ComplexArray
    error: FloatArray
    residual: FloatArray
    status: NDArray[np.int8]


@dataclass(frozen=True)
class WeightedGram:
    """The measure H (ascending positive `mu`, `weight`) and the aspect ratio P.

    All z here are distances from the origin of the matrix; a multiple of the identity is added
    by whoever uses it.  `known_excess` is the mass of H less P where the owner has it more exactly
    than the rounded weights do: next to a hard edge the law depends on nothing else.
    """

    aspect: float
    mu: FloatArray
    weight: FloatArray
    known_excess: float | None = field(default=None, kw_only=True)
    max_steps: int = field(default=100, kw_only=True)

    @cached_property
    def excess(self) -> float:
        """Mass of H less P, rounded once."""
        if self.known_excess is not None:
            return self.known_excess
        return fsum([*self.weight, -self.aspect])

    @property
    def is_hard(self) -> bool:
        """Whether the spectrum touches 0 with a diverging density (P equal to the mass of H)."""
        return bool(abs(self.excess) <= HARD_EDGE * self.aspect)

    @property
    def spare(self) -> float:
        """Mass of H less P, exactly 0 at a hard edge."""
        return 0.0 if self.is_hard else self.excess

    @property
    def doubt(self) -> float:
        """What `spare` leaves out of the mass of H less P."""
        return abs(self.excess) if self.is_hard else 0.0

    @property
    def total(self) -> float:
        """Mass of H on (0, inf): P and what is left of it, or the weights where P is far more."""
        few = self.excess < -0.5 * self.aspect
        return float(self.weight.sum()) if few else self.aspect + self.spare

    @property
    def atom(self) -> float:
        """Mass of the eigenvalue 0."""
        return max(0.0, -self.spare / self.aspect)

    def solve(self, z: ComplexArray) -> GramSolution:
        """Solve for k at flat points with Im z >= 0; real z is the limit from above.

        Real points must lie inside a bulk; outside use `solve_real`.
        """
        return GramSolution(
            *_solve(
                np.ascontiguousarray(z.real),
                np.ascontiguousarray(z.imag),
                *self._map_data,
                self.doubt,
                self.max_steps,
            )
        )

    def solve_real(self, z: FloatArray) -> GramSolution:
        """Solve for k at flat real points outside the support (NaN on it)."""
        _, table, gaps, _ = self._axis
        index, x = locate(np.ascontiguousarray(z), gaps, table, self.aspect, self._map_data)
        outside = ~np.isnan(index)
        k = np.full(z.shape, np.nan)
        error = np.full(z.shape, np.inf)
        residual = np.full(z.shape, np.nan)
        status = np.full(z.shape, Status.LEFT_HALF_PLANE, dtype=np.int8)
        if np.any(outside):
            target = z[outside]
            anchor, offset = self._intervals.point(index[outside].astype(np.intp), x[outside])
            k[outside], error[outside], residual[outside] = polish_real(
                target, anchor, offset, *self._map_data, self.doubt
            )
            status[outside] = np.where(
                residual[outside] < 1e-12, Status.CONVERGED, Status.PRECISION_EXHAUSTED
            )
        return GramSolution(k.astype(np.complex128), error, residual, status)

    def panels(
        self, edges: FloatArray, hard: NDArray[np.bool_], per: float
    ) -> tuple[FloatArray, FloatArray]:
        """Panels of the density of the eigenvalues, of which there are `per` a dimension."""
        table, failed = _panel_search(
            edges, hard, (*self._map_data, self.doubt, self.max_steps, per)
        )
        return table, failed

    def determinant(self, first: ComplexArray, second: ComplexArray) -> ComplexArray:
        """D of every pair of solutions k; see `two_point`."""
        return conditional_determinant(
            first, second, self.aspect, self.mu, self.weight, self.excess
        )

    @property
    def gaps(self) -> Gaps:
        """Every gap of the spectrum."""
        return self._axis.gaps

    @cached_property
    def _axis(self) -> _Axis:
        table = gram_intervals(
            self.mu, self.weight, mass_above(self.weight), self.aspect, self.spare, self.total
        )
        found, ordered = find_gaps(table, self.aspect, self._map_data)
        return _Axis(Intervals(*table), table, found, checked(found, ordered))

    @cached_property
    def _map_data(self) -> tuple[FloatArray, FloatArray, float, float]:
        return seen_through_cells(self.mu, self.weight), self.weight, self.aspect, self.spare

    @cached_property
    def visible(self) -> FloatArray:
        """(m, 2) intervals, ascending, of the μ > 0 of a further atom that leaves the bulks."""
        gaps, intervals = self.gaps, self._intervals
        low, high = (
            np.where(np.abs(x) < REACH, np.add(*intervals.point(gaps.interval, x)), end)
            for x, end in (
                (gaps.left, intervals.low[gaps.interval]),
                (gaps.right, intervals.high[gaps.interval]),
            )
        )
        found = np.column_stack([-high, -low])[low < 0.0]
        return np.asarray(np.maximum(found, 0.0)[np.argsort(found[:, 0])])

    def inverse_map(self, k: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return z(k) and dz/dk at real k."""
        k = np.asarray(k, dtype=np.float64)
        flat = np.ravel(k)
        value, rise = self._map(flat, np.zeros_like(flat))
        return value.reshape(k.shape), rise.reshape(k.shape)

    def levels(self, k: ComplexArray) -> tuple[ComplexArray, ComplexArray]:
        """∫dH/(k + μ) and ∫μ dH/(k + μ)² at flat k."""
        level, slope = _levels(k, *self._map_data[:2])
        return level, slope

    @property
    def _intervals(self) -> Intervals:
        """Intervals between the poles −μ on which a gap is not excluded by its two end poles."""
        return self._axis.intervals

    def _map(self, anchor: FloatArray, offset: FloatArray) -> tuple[FloatArray, FloatArray]:
        value, rise = real_maps(anchor, offset, *self._map_data)
        return value, rise


class _Axis(NamedTuple):
    """Intervals and gaps, with the tables of both that kernels read."""

    intervals: Intervals
    table: FloatArray
    found: FloatArray
    gaps: Gaps


@kernel(**READS, fastmath=REORDERED)
def _complex_parts(kr, ki, mu, weight):
    """Mass that counts one and that does not, the rests of z/k, dz/dk and of the size of terms."""
    on = off = part_r = part_i = rise_r = rise_i = size = 0.0
    for j in range(weight.size):
        w, m = weight[j], atom(mu, j)
        gr = from_pole(kr, mu, j, m, 0.0)
        scale = 1.0 / (gr * gr + ki * ki)
        missing_r, missing_i = (kr * gr + ki * ki) * scale, ki * m * scale
        whole_r = m * gr * scale
        near = missing_r * missing_r + missing_i * missing_i < 0.25
        on += pick(near, w, 0.0)
        off += pick(near, 0.0, w)
        part_r += w * pick(near, -missing_r, whole_r)
        part_i -= w * missing_i
        square_r = pick(near, missing_r * (missing_r - 2.0), whole_r * whole_r)
        rise_r += w * (square_r - missing_i * missing_i)
        rise_i -= 2.0 * w * missing_i * whole_r
        small = pick(near, kr * kr + ki * ki, m * m)
        size += w * np.sqrt(small * scale)
    return on, off, part_r, part_i, rise_r, rise_i, size


@kernel
def _cell_parts(kr, ki, mu, weight):
    """`_complex_parts` over the atoms as they are seen from k."""
    near, share = nearby(mu, weight, kr, kr, abs(ki))
    return _complex_parts(kr, ki, near, share)


@kernel
def _equation(kr, ki, zr, zi, mu, weight, aspect, spare):
    """F(k), dF/dlog k and the sum of the sizes of the terms of F, split as in `net_count`."""
    parts = _complex_parts(kr, ki, mu, weight) if mu.ndim == 1 else _cell_parts(kr, ki, mu, weight)
    on, off, part_r, part_i, rise_r, rise_i, size = parts
    count, count_size = net_count(on, off, aspect, spare)
    fr, fi = kr * (count + part_r) - ki * part_i - zr, ki * (count + part_r) + kr * part_i - zi
    dr, di = kr * (count + rise_r) - ki * rise_i, ki * (count + rise_r) + kr * rise_i
    size = np.sqrt(kr * kr + ki * ki) * (count_size + size) + abs(zr) + abs(zi)
    return fr, fi, dr, di, size


@kernel
def _newton(zr, zi, log_k, wall, far, mu, weight, aspect, spare, doubt, max_steps):
    """Newton in log k; the phase is kept as its distance `wall` from 0 (far=0) or −π (far=1).

    Returns log|k|, wall, far, error bound, residual, status.  A root on the physical branch has
    a phase strictly between the walls; measuring from the nearer wall keeps its relative
    accuracy where Im k is many decades below |k|.  Where steps square, one that needs no other
    after it is the last: the size of the next, and the residual that it would meet, are foreseen.
    """
    eps = 2.220446049250313e-16
    extra = False
    error = residual = previous = np.inf
    for _ in range(max_steps):
        modulus = np.exp(log_k)
        kr = modulus * np.cos(wall) * (1.0 - 2.0 * far)
        ki = -modulus * np.sin(wall)
        fr, fi, dr, di, size = _equation(kr, ki, zr, zi, mu, weight, aspect, spare)
        norm = 1.0 / (dr * dr + di * di)
        sr, si = -(fr * dr + fi * di) * norm, -(fi * dr - fr * di) * norm
        if not np.isfinite(sr + si):
            return log_k, wall, far, np.inf, np.inf, 3
        length = np.sqrt(sr * sr + si * si)
        shrinks = (length / previous) ** 2
        last = not extra and previous < 1e-2 and length < 1e-8 and length * shrinks < 0.1 * eps
        shrinks = shrinks if last else 1.0
        residual = np.sqrt(fr * fr + fi * fi) / size * shrinks
        rounding = (8.0 + np.sqrt(weight.size)) * eps * size + doubt * modulus
        rounding *= np.sqrt(norm)
        error = 4.0 * (length * shrinks + rounding + eps * (1.0 + abs(log_k)))
        if extra:
            break
        previous = length
        if length > 1.5:
            sr *= 1.5 / length
            si *= 1.5 / length
        log_k += sr
        moved = wall - si * (1.0 - 2.0 * far)
        turn = abs(moved - wall) / wall
        # Near an edge the root is almost double, and steps stop shrinking at rounding level.
        extra = (length < 1e-8 and turn < 1e-6) or (length < 0.25 * rounding < 1e-4 and turn < 0.1)
        if moved <= 0.0:
            moved = 0.2 * wall
        elif moved >= np.pi:
            moved, far = 0.2 * (np.pi - wall), 1.0 - far
        elif moved > 0.5 * np.pi:
            moved, far = np.pi - moved, 1.0 - far
        wall = moved
        if last and extra:
            break
    if wall < 1e-150:
        return log_k, wall, far, error, residual, 2
    if not extra:
        return log_k, wall, far, error, residual, 1
    return log_k, wall, far, error, residual, 0 if residual < 1e-12 else 4


@kernel(**READS, fastmath=REORDERED)
def _pull(kr, ki, mu, weight):
    """∫μ/(k + μ), real and imaginary part."""
    ar = ai = 0.0
    for j in range(weight.size):
        m = atom(mu, j)
        gr = from_pole(kr, mu, j, m, 0.0)
        scale = weight[j] * m / (gr * gr + ki * ki)
        ar += gr * scale
        ai -= ki * scale
    return ar, ai


@kernel
def _levels(k, mu, weight):
    """∫dH/(k + μ) and ∫μ dH/(k + μ)² at every k."""
    rows = np.zeros((2, k.size), dtype=np.complex128)
    for i in range(k.size):
        near, share = nearby(mu, weight, k[i].real, k[i].real, abs(k[i].imag))
        for j in range(share.size):
            m, gi = atom(near, j), k[i].imag
            gr = from_pole(k[i].real, near, j, m, 0.0)
            scale = 1.0 / (gr * gr + gi * gi)
            inverse = complex(gr * scale, -gi * scale)
            rows[0, i] += share[j] * inverse
            rows[1, i] += share[j] * m * inverse * inverse
    return rows


@kernel
def _cold(zr, zi, mu, weight, aspect, spare, doubt, max_steps):
    """Start from k = −z/P with a few averaged fixed-point steps."""
    kr, ki = -zr / aspect, -max(zi, 1e-3 * abs(zr)) / aspect
    for _ in range(8):
        near, share = nearby(mu, weight, kr, kr, abs(ki))
        ar, ai = _pull(kr, ki, near, share)
        kr, ki = (
            0.5 * kr + 0.5 * (kr * ar - ki * ai - zr) / aspect,
            0.5 * ki + 0.5 * (kr * ai + ki * ar - zi) / aspect,
        )
    angle = -np.arctan2(ki, kr)
    far = 1.0 if angle > 0.5 * np.pi else 0.0
    wall = max(min(angle, np.pi - angle), 1e-14)
    log_k = 0.5 * np.log(kr * kr + ki * ki)
    return _newton(zr, zi, log_k, wall, far, mu, weight, aspect, spare, doubt, max_steps)


@kernel
def _continued(zr, zi, mu, weight, aspect, spare, doubt, max_steps):
    """Follow the root down from a large imaginary part."""
    height = 10.0 * (atom(mu, weight.size - 1) * (1.0 + np.sqrt(aspect)) ** 2 + abs(zr))
    state = _cold(zr, zi + height, mu, weight, aspect, spare, doubt, max_steps)
    factor = 0.2
    for _ in range(400):
        lower = height * factor if height * factor > 1e-18 * abs(zr) else 0.0
        trial = _newton(
            zr, zi + lower, state[0], max(state[1], 1e-14), state[2],
            mu, weight, aspect, spare, doubt, max_steps,
        )  # fmt: skip
        if trial[5] == 0:
            state, height = trial, lower
            factor = max(factor * factor, 1e-4)
            if height == 0.0:
                break
        else:
            factor = np.sqrt(factor)
            if factor > 0.999:
                return trial
    return state


@kernel
def _solve(zr, zi, mu, weight, aspect, spare, doubt, max_steps):
    """Solve along the points in order, each started from its predecessor."""
    size = zr.size
    k = np.empty(size, dtype=np.complex128)
    error, residual = np.empty(size), np.empty(size)
    status = np.empty(size, dtype=np.int8)
    warm = False
    state = (0.0, 0.0, 0.0, 0.0, 0.0, 0)
    for i in range(size):
        if warm:
            state = _newton(
                zr[i], zi[i], state[0], max(state[1], 1e-8), state[2],
                mu, weight, aspect, spare, doubt, min(12, max_steps),
            )  # fmt: skip
        if not warm or state[5] != 0:
            state = _cold(zr[i], zi[i], mu, weight, aspect, spare, doubt, max_steps)
        if state[5] != 0:
            state = _continued(zr[i], zi[i], mu, weight, aspect, spare, doubt, max_steps)
        warm = state[5] == 0
        log_k, wall, far = state[0], state[1], state[2]
        modulus = np.exp(log_k)
        k[i] = complex(modulus * np.cos(wall) * (1.0 - 2.0 * far), -modulus * np.sin(wall))
        error[i], residual[i], status[i] = state[3], state[4], state[5]
        if not warm:
            k[i], error[i] = complex(np.nan, np.nan), np.inf
    return k, error, residual, status


@kernel
def _boundary(x, data):
    """Density, its error and status on the real axis inside the bulks."""
    mu, weight, aspect, spare, doubt, max_steps, per = data
    k, error, _, status = _solve(x, np.zeros(x.size), mu, weight, aspect, spare, doubt, max_steps)
    return density_from(k, per), error, status


_panel_search = panel_search(_boundary)
