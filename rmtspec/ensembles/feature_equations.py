r"""Gram matrix U of random features (arXiv 2505.17638, Theorem 3.1).

The Gaussian equivalent of the feature matrix of a score model at one diffusion time is

.. math::  U = \tfrac1n GG^\top+\tfrac{b^2}{d}WW^\top+s^2 I,\qquad
           G = \tfrac{c}{\sqrt d}\,W\Sigma^{1/2}Z+v\,\Omega,

W (p x d), Z (d x n), Ω (p x n) independent standard Gaussian, :math:`\psi_p=p/d`,
:math:`\psi_n=n/d`, ρ the spectrum of Σ.  With R = (U − z)^-1, :math:`q=\frac1p\mathrm{Tr}R`,
:math:`D=1+\frac1n\mathrm{Tr}[(c^2W\Sigma W^\top/d+v^2)R]` and :math:`k=1/(\psi_pq)`,
:math:`y=1/D`, :math:`g_l=k+b^2+c^2yl`, :math:`S_j=\int l^jd\rho/g_l` it solves

.. math::  F_1 &= v^2y-(\psi_p-1)k-k^2S_0-(z-s^2)=0, \\
           F_2 &= \psi_n(1/y-1)-v^2/k-c^2S_1=0.

In the paper's variables q, :math:`s=S_0/\psi_p`, :math:`r=S_1/\psi_p`.

*The physical root.*  For Im z > 0 the map q -> 1/(s² − z + v²y + k(1 − kS_0)),
D -> 1 + (v²/k + c²S_1)/ψ_n takes the product of upper half planes strictly into itself, so
(Earle and Hamilton 1970) it has one fixed point there: Im q > 0 **and** Im D > 0 certify it.
Im q > 0 alone does not.

The real axis outside the bulks is the business of `feature_gaps`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..solve import READS, REORDERED
from ..solve.cauchy_sums.cells import atom, nearby, nearby_all
from ..solve.density.panels import panel_search
from ..solve.finite_rank import Isolated
from ..solve.kernel import kernel
from .feature_gaps import FeatureGaps, FeatureSolution, with_shrinkage
from .feature_gram import LawEquations
from .newton.logarithms import foreseen, inside, moved, phase, polar, reciprocal, size
from .real_axis.feature_map import totals
from .real_axis.gram import density_from
from .two_point import (
    Directions,
    Independent,
    Points,
    Response,
    Source,
    averaged_determinant,
    averaged_response,
    independent_response,
)
from .weighted_gram import WeightedGram

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

_FOLLOWING = 30  # steps of Newton's method along a way down: shorter ways help more than more steps


class Equations(LawEquations, Protocol):
    """What the random-feature ensemble asks of its equations, all in terms of z − s²."""

    @property
    def c2(self) -> float:
        """c², the linear part in the data."""

    @property
    def b2(self) -> float:
        """b², the linear part in the noise."""

    @property
    def v2(self) -> float:
        """v², the sample-specific part."""

    @property
    def visible_spikes(self) -> FloatArray:
        """(m, 2) intervals of population eigenvalues whose fast outlier is clear of the bulks."""

    def spike(self, eigenvalue: float) -> Isolated:
        """Distance and squared overlap of the images of an isolated population eigenvalue."""

    def directions_from(self, *points: Points) -> Directions:
        """Directions of the data as sums at these solutions, and products of two, see them."""

    def respond(self, first: Points, second: Points, source: Source) -> Response:
        """Response of every pair of solutions to a matrix between their resolvents."""


@dataclass(frozen=True)
class FeatureEquations(FeatureGaps):
    """The self-consistent equations in terms of z − s²; fields as `FeatureGaps`."""

    max_steps: int = field(default=100, kw_only=True)

    def solve(self, z: ComplexArray) -> FeatureSolution:
        """Solve for (k, y) at flat z − s² with Im z >= 0; real z is the limit from above.

        Real points must lie inside a bulk; outside use `solve_real`.
        """
        if not self.has_data:  # U − s² is the Gram matrix of two atoms
            return with_shrinkage(self._two_atoms.solve(z), self.u)
        k, y, error, residual, status = _solve(
            np.ascontiguousarray(z.real),
            np.ascontiguousarray(z.imag),
            *self._parameters,
            *self._closing,
            self.max_steps,
        )
        # Newton's method bounds both unknowns at once.
        return FeatureSolution(k, y, error, residual, status, error)

    def panels(self, edges: FloatArray, hard: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
        """Panels of the density of the p eigenvalues."""
        if not self.has_data:
            return self._two_atoms.panels(edges, hard, self.psi_p)
        data = *self._parameters, *self._closing, self.max_steps
        table, failed = find_panels(edges, hard, data)
        return table, failed

    def respond(self, first: Points, second: Points, source: Source) -> Response:
        """Response of every pair of solutions; the source lists t_0 before the positive l."""
        return averaged_response(
            first, second, *self._seen_from(first, second, source),
            self.psi_p, self.psi_n, self.c2, self.b2, self.v2,
        )  # fmt: skip

    def respond_apart(self, first: Points, second: Points, source: Source) -> Independent:
        """The same where the two resolvents share W and not their samples."""
        return independent_response(
            first, second, *self._seen_from(first, second, source),
            self.psi_p, self.psi_n, self.c2, self.b2, self.v2,
        )  # fmt: skip

    def determinant(self, first: Points, second: Points) -> ComplexArray:
        """D of every pair of solutions; see `two_point`."""
        directions = self.directions_from(first, second)
        return averaged_determinant(
            first, second, directions, self.psi_p, self.psi_n, self.c2, self.b2, self.v2
        )

    def _seen_from(
        self, first: Points, second: Points, source: Source
    ) -> tuple[Source, Directions]:
        """A matrix between resolvents, and the directions; few of them where it allows."""
        directions = self._directions
        if source.data == 0.0 or np.array_equal(source.variance, directions.eigenvalues):
            directions = self.directions_from(first, second)
            source = source._replace(variance=directions.eigenvalues)
        return source, directions

    def directions_from(self, *points: Points) -> Directions:
        """Eigenvalues of the data covariance, 0 first, or cells of many as they are seen."""
        cells, weights = self._parameters[:2]
        if cells.ndim == 1:
            return self._directions
        eta = np.concatenate([(k + self.b2) / y for k, y in points])
        near, masses = nearby_all(cells, weights, eta)
        return Directions(
            np.append(0.0, near.sum(axis=0) / self.c2), np.append(self.atoms.zero_weight, masses)
        )

    @cached_property
    def _directions(self) -> Directions:
        return Directions.of(self.atoms)

    @property
    def _two_atoms(self) -> WeightedGram:
        """What is left if U does not see the data: b² with mass 1 and u with mass psi_n."""
        mu, weight = np.array([self.b2, self.u]), np.array([1.0, self.psi_n])
        weight[mu == 0.0] = 0.0
        order = np.argsort(mu)
        return WeightedGram(self.psi_p, mu[order], weight[order], known_excess=self.excess)


@kernel
def _nearby(k, y, tau, weights, b2):
    """The atoms as they are seen from η, where g_l = y (η + τ)."""
    eta = (k + b2) * reciprocal(y)
    return nearby(tau, weights, eta.real, eta.real, abs(eta.imag))


@kernel(**READS, fastmath=REORDERED)
def _first_sums(k, y, tau, weights, zero_weight, b2):
    """S_0 and c²S_1, with c²l = τ."""
    kr, ki, yr, yi = k.real + b2, k.imag, y.real, y.imag
    r0 = i0 = r1 = i1 = 0.0
    for j in range(weights.size):
        t = atom(tau, j)
        gr, gi = kr + t * yr, ki + t * yi
        scale = weights[j] / (gr * gr + gi * gi)
        r0 += scale * gr
        i0 -= scale * gi
        r1 += t * scale * gr
        i1 -= t * scale * gi
    if zero_weight > 0.0:
        scale = zero_weight / (kr * kr + ki * ki)
        r0 += scale * kr
        i0 -= scale * ki
    return complex(r0, i0), complex(r1, i1)


@kernel(**READS, fastmath=REORDERED)
def _sums(k, y, tau, weights, zero_weight, b2):
    """S_0, c²S_1, ∫1/g², ∫c²l/g², ∫c⁴l²/g², and rounding sizes of the first two.

    With c²l = τ.  Real arithmetic, so that the loop is vectorised.
    """
    kr, ki, yr, yi = k.real + b2, k.imag, y.real, y.imag
    r0 = i0 = r1 = i1 = r00 = i00 = r01 = i01 = r11 = i11 = e0 = e1 = 0.0
    base, steep = abs(kr) + abs(ki) + b2, abs(yr) + abs(yi)
    for j in range(weights.size):
        t, w = atom(tau, j), weights[j]
        gr, gi = kr + t * yr, ki + t * yi
        scale = 1.0 / (gr * gr + gi * gi)
        hr, hi = gr * scale, -gi * scale
        cr, ci = hr * hr - hi * hi, 2.0 * hr * hi
        wt = w * t
        r0 += w * hr
        i0 += w * hi
        r1 += wt * hr
        i1 += wt * hi
        r00 += w * cr
        i00 += w * ci
        r01 += wt * cr
        i01 += wt * ci
        r11 += wt * t * cr
        i11 += wt * t * ci
        lost = (base + t * steep) * scale
        e0 += w * lost
        e1 += wt * lost
    if zero_weight > 0.0:
        scale = 1.0 / (kr * kr + ki * ki)
        hr, hi = kr * scale, -ki * scale
        r0 += zero_weight * hr
        i0 += zero_weight * hi
        r00 += zero_weight * (hr * hr - hi * hi)
        i00 += zero_weight * 2.0 * hr * hi
        e0 += zero_weight * base * scale
    return (
        complex(r0, i0), complex(r1, i1), complex(r00, i00), complex(r01, i01), complex(r11, i11),
        e0, e1,
    )  # fmt: skip


@kernel
def _cell_sums(k, y, tau, weights, zero_weight, b2):
    """`_sums` over the atoms as they are seen from η."""
    near, share = _nearby(k, y, tau, weights, b2)
    return _sums(k, y, near, share, zero_weight, b2)


@kernel
def _newton(
    z, start, tau, weights, zero_weight, psi_p, psi_n, b2, v2, u, closing, doubt, max_steps
):
    """Newton in (log k, log y), each phase kept as its distance from the nearer of 0 and −π.

    Both phases of a physical root lie strictly between the walls.  Measured from the nearer wall
    they keep their relative accuracy where an imaginary part is many decades below the modulus,
    and a step across a wall, towards an unphysical root, is cut back.  Returned are, beside the
    unknowns, error, residual, status, k, y, and the derivatives of log k and log y along z.
    Where steps square, one that needs no other after it is the last: the size of the next, and the
    residual that it would meet, are foreseen.

    `closing` is 1 + ψ_n − ψ_p, rounded once: next to a hard edge the root hangs on its digits.
    """
    eps = 2.220446049250313e-16
    log_k, wall_k, far_k, log_y, wall_y, far_y = start
    near = abs(closing) < 0.5 * psi_p
    ulp = (8.0 + np.sqrt(weights.size)) * eps
    extra = False
    error = residual = rounding = previous = np.inf
    for step in range(max_steps):
        k, y = phase(log_k, wall_k, far_k), phase(log_y, wall_y, far_y)
        if tau.ndim == 1:
            sums = _sums(k, y, tau, weights, zero_weight, b2)
        else:
            sums = _cell_sums(k, y, tau, weights, zero_weight, b2)
        s0, s1, s00, s01, s11, e0, e1 = sums
        inverse_y, v2_k = reciprocal(y), v2 * reciprocal(k)
        f2 = psi_n * (inverse_y - 1.0) - v2_k - s1
        f2_k, f2_y = v2_k + k * s01, s11 * y - psi_n * inverse_y
        folded = near
        if near:  # F_1 + kyF_2 or F_1 itself, whichever has the smaller terms
            size_k, size_y = size(k), size(y)
            folded_size = abs(closing) + psi_n * size_y + size_k * e0 + size_y * e1
            plain_size = v2 * size_y + size_k * (abs(psi_p - 1.0) + size_k * e0)
            folded = size_k * folded_size < plain_size
        if folded:
            bracket = closing - psi_n * y - k * s0 - y * s1
            f1 = k * bracket - z
            f1_k = k * (bracket + k * (k * s00 - s0 + y * s01))
            f1_y = k * y * (k * s01 - psi_n - s1 + y * s11)
        elif psi_p < 0.5:  # k is large, and 1 − kS_0 would cancel
            share = b2 * s0 + y * s1
            f1 = v2 * y + k * (share - psi_p) - z
            f1_k = k * (share - psi_p - k * (b2 * s00 + y * s01))
            f1_y = y * (v2 + k * k * s01)
        else:
            f1 = v2 * y - (psi_p - 1.0) * k - k * k * s0 - z
            f1_k = k * (k * k * s00 - 2.0 * k * s0 - (psi_p - 1.0))
            f1_y = y * (v2 + k * k * s01)
        inverse = reciprocal(f1_k * f2_y - f1_y * f2_k)
        step_k, step_y = (f1_y * f2 - f2_y * f1) * inverse, (f2_k * f1 - f1_k * f2) * inverse
        length = max(size(step_k), size(step_y))
        if not np.isfinite(length):
            return log_k, wall_k, far_k, log_y, wall_y, far_y, np.inf, np.inf, 3, k, y, k, y
        stalled = 0.1 * previous < length < 1e-4
        ahead = length * (length / previous) ** 2
        last = not extra and previous < 1e-2 and length < 1e-8 and ahead < 0.1 * eps
        if extra or stalled or last or step == max_steps - 1:
            size_k, size_y = size(k), size(y)
            if folded:
                size1 = abs(closing) + psi_n * size_y + size_k * e0 + size_y * e1
                size1 = size_k * (size1 + doubt / ulp) + size(z)
            elif psi_p < 0.5:
                size1 = v2 * size_y + size_k * (psi_p + b2 * e0 + size_y * e1) + size(z)
            else:
                size1 = v2 * size_y + size_k * (abs(psi_p - 1.0) + size_k * e0) + size(z)
            size2 = psi_n * (size(inverse_y) + 1.0) + size(v2_k) + e1
            residual = max(size(f1) / size1, size(f2) / size2)
            spread_k = size(f2_y) * size1 + size(f1_y) * size2
            spread_y = size(f2_k) * size1 + size(f1_k) * size2
            rounding = ulp * size(inverse) * max(spread_k, spread_y)
            rest = ahead if last else length
            error = 4.0 * (rest + rounding + eps * (1.0 + abs(log_k) + abs(log_y)))
            residual *= (length / previous) ** 2 if last else 1.0
        if extra:
            break
        if length > 1.5:
            step_k *= 1.5 / length
            step_y *= 1.5 / length
        turn = max(abs(step_k.imag) / wall_k, abs(step_y.imag) / wall_y)
        # Near an edge the root is almost double, and steps stop shrinking at rounding level.
        extra = length < 1e-8 and turn < 1e-6
        extra = extra or (stalled and length < 0.25 * rounding < 1e-4 and turn < 0.1)
        previous = length
        log_k += step_k.real
        log_y += step_y.real
        wall_k, far_k = moved(wall_k, far_k, step_k.imag)
        wall_y, far_y = moved(wall_y, far_y, step_y.imag)
        if last and extra:
            k, y = k * (1.0 + step_k), y * (1.0 + step_y)  # the exponential, but for 1e-16
            break
    else:
        k, y = phase(log_k, wall_k, far_k), phase(log_y, wall_y, far_y)
    status = 0 if residual < 1e-12 else 4
    if not extra:
        status = 1
    if wall_k < 1e-150 or wall_y < 1e-150:
        status = 2
    return (
        log_k, wall_k, far_k, log_y, wall_y, far_y, error, residual, status,
        k, y, f2_y * inverse, -f2_k * inverse,
    )  # fmt: skip


@kernel
def _cold(z, tau, weights, zero_weight, psi_p, psi_n, b2, v2, u, closing, doubt, max_steps):
    """Start from k = −z/ψ_p, y = 1 with a few averaged steps of the fixed-point map of (q, D)."""
    tilted = complex(z.real, z.imag + 1e-3 * abs(z.real))
    q, d = -reciprocal(tilted), complex(1.0, 1e-6)
    for _ in range(8):
        k, y = reciprocal(psi_p * q), reciprocal(d)
        near, share = _nearby(k, y, tau, weights, b2)
        s0, s1 = _first_sums(k, y, near, share, zero_weight, b2)
        q = 0.5 * q + 0.5 * reciprocal(v2 * y + k * (1.0 - k * s0) - z)
        d = 0.5 * d + 0.5 * (1.0 + (v2 * psi_p * q + s1) * (1.0 / psi_n))
    start = polar(reciprocal(psi_p * q)) + polar(reciprocal(d))
    return _newton(
        z, start, tau, weights, zero_weight, psi_p, psi_n, b2, v2, u, closing, doubt, max_steps
    )


@kernel
def _continued(z, tau, weights, zero_weight, psi_p, psi_n, b2, v2, u, closing, doubt, max_steps):
    """Follow the root down from a large imaginary part."""
    mean, _ = totals(tau, weights)
    height = 10.0 * ((1.0 + psi_p) * (mean + b2) + (1.0 + psi_p / psi_n) * v2 + abs(z))
    lifted = complex(z.real, z.imag + height)
    state = _cold(
        lifted, tau, weights, zero_weight, psi_p, psi_n, b2, v2, u, closing, doubt, max_steps
    )
    factor = 0.2
    for _ in range(400):
        lower = height * factor if height * factor > 1e-18 * abs(z) else 0.0
        trial = _newton(
            complex(z.real, z.imag + lower), inside(*state[:6], 1e-14),
            tau, weights, zero_weight, psi_p, psi_n, b2, v2, u, closing, doubt,
            min(_FOLLOWING, max_steps),
        )  # fmt: skip
        if trial[8] == 0:
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
def _solve(zr, zi, tau, weights, zero_weight, psi_p, psi_n, b2, v2, u, closing, doubt, max_steps):
    """Solve along the points in order, each started from its predecessor."""
    count = zr.size
    k, y = np.empty(count, dtype=np.complex128), np.empty(count, dtype=np.complex128)
    error, residual = np.empty(count), np.empty(count)
    status = np.empty(count, dtype=np.int8)
    z = ahead = none = complex(0.0, 0.0)
    state = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, np.int64(0), none, none, none, none)
    before, followed = state, 0  # points in a row that were solved
    for i in range(count):
        back, ahead, z = ahead, complex(zr[i], zi[i]) - z, complex(zr[i], zi[i])
        start = foreseen(before, state, back, ahead) if followed > 1 else state[:6]
        before = state
        if followed > 0:
            state = _newton(
                z, inside(*start, 1e-8), tau, weights, zero_weight, psi_p, psi_n, b2, v2, u,
                closing, doubt, min(12, max_steps),
            )  # fmt: skip
        if followed == 0 or state[8] != 0:
            state = _cold(
                z, tau, weights, zero_weight, psi_p, psi_n, b2, v2, u, closing, doubt, max_steps
            )
        if state[8] != 0:
            state = _continued(
                z, tau, weights, zero_weight, psi_p, psi_n, b2, v2, u, closing, doubt, max_steps
            )
        followed = followed + 1 if state[8] == 0 else 0
        if followed > 0:
            k[i], y[i], error[i] = state[9], state[10], state[6]
        else:
            k[i], y[i], error[i] = complex(np.nan, np.nan), complex(np.nan, np.nan), np.inf
        residual[i], status[i] = state[7], state[8]
    return k, y, error, residual, status


@kernel
def boundary(x, data):
    """Density, its error and status on the real axis inside the bulks."""
    tau, weights, zero_weight, psi_p, psi_n, b2, v2, u, closing, doubt, max_steps = data
    k, _, error, _, status = _solve(
        x, np.zeros(x.size), tau, weights, zero_weight, psi_p, psi_n, b2, v2, u,
        closing, doubt, max_steps,
    )  # fmt: skip
    return density_from(k, psi_p), error, status


find_panels = panel_search(boundary)
