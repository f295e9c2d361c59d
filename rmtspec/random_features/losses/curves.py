r"""Learning curves of the random-feature score model, in the high-dimensional limit.

The loss :math:`\frac1dE|\sqrt{\Delta_t}A\phi/\sqrt p+\xi|^2` is quadratic in A.  With the
gradient-flow time τ = (steps)·(learning rate)/d² (arXiv 2505.17638, Sect. 3.1), A = 0 becomes
:math:`A/\sqrt p=-\Delta_t^{-1/2}V^\top f(U)`, where :math:`V\simeq bW/\sqrt d` and

.. math::  f(\lambda)=\frac{1-e^{-2\Delta_t\lambda\tau/\psi_p}}\lambda .

Let :math:`\mu(d\lambda)` be the measure of :math:`\frac1d\mathrm{Tr}\,W^\top(U-z)^{-1}W` (mass
psi_p) and T(z_1, z_2) the product of two resolvents around the matrix of fresh data
:math:`\tilde U=\frac{c^2}dW\Sigma W^\top+\frac{b^2}dWW^\top+v^2+s^2` (`ensembles.two_point`).  Then

.. math::
    L_{train}&=1+b^2\int\mu\,(\lambda f^2-2f),\qquad
    L_{test}=1-2b^2\int\mu f+b^2\psi_p\oint\oint\frac{dz_1dz_2}{(2\pi i)^2}f(z_1)f(z_2)T(z_1,z_2),\\
    E_{score}&=\frac1dE\big|A\phi/\sqrt p+\Sigma_t^{-1}x_t\big|^2
    =\int\frac{d\rho(l)}{e^{-2t}l+\Delta_t}-2a^2\int\mu f+a^2\psi_p\oint\oint ffT,
    \qquad\Sigma_t=e^{-2t}\Sigma+\Delta_t .

f is entire and T has its singularities where z_1 and z_2 meet on a bulk from opposite sides, so one
contour (`solve.contour`) serves both arguments and all times: two tables, then a quadratic form a
time.  A ridge γ turns f into (1 − r(λ + γ))/(λ + γ); other training rules have another r
(`relaxation`).  An initial A of independent entries with variance σ_0² adds

.. math::  \Delta_t\sigma_0^2\int\rho_U\lambda r^2\quad\text{to the train loss and}\quad
           \Delta_t\sigma_0^2\tfrac1p\mathrm{Tr}\,r(U)\tilde Ur(U)\quad\text{to the test loss},

the atom at s² included, on whose eigenvectors :math:`\tilde U=v^2+s^2`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...ensembles.exact_kernel import KernelEquations
from ...ensembles.feature_equations import Equations
from ...ensembles.two_point import Points, Response, Source
from ...result import Status
from ...solve.contour import Contour, half_plane_contour, nodes_needed, slit_ratio
from ..interfaces import Model
from .relaxation import Relaxation

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

_DIGITS = 13.0  # of the coarse contour; the fine one has twice its nodes
BATCH = 500  # times evaluated at once

MOST_NODES = 1500
"""Of the coarse contour; beyond, the tables take more than a gigabyte."""
_WIDEST = 1e20  # ratio of the spectrum's ends beyond which the last time sets the lower end
TINY = 1e-30  # of the largest eigenvalue: stands for 0 where 0 itself is an atom or a hard edge
_EPS = float(np.finfo(float).eps)


class Setting(NamedTuple):
    """What the curves of a model are made of besides its law.

    `levels`, `weights`: eigenvalues of the data covariance, 0 first, and their mass; `variance`:
    variance of fresh data along each; `precision`: (Σ_t^-1) along each.
    """

    levels: FloatArray
    weights: FloatArray
    variance: FloatArray
    precision: FloatArray


def setting(model: Model) -> Setting:
    """Directions of the data and what fresh data do along each; NaN where that is not known."""
    levels, weights = model.population.eigenvalues, model.population.weights
    signal = model.signal
    if not model.conditional:
        variance, precision = levels, 1.0 / (signal * levels + model.delta)
    elif model.held_out is None:
        variance = precision = np.full_like(levels, np.nan)
    else:
        variance = model.held_out.overlaps @ model.held_out.eigenvalues
        precision = model.held_out.precision(signal, model.delta, weights)
    columns = [np.array(column) for column in (levels, weights, variance, precision)]
    if levels[0] > 0.0:
        columns = [np.append(0.0, column) for column in columns]
    return Setting(*columns)


class Losses(NamedTuple):
    """Flat losses as multiples of Δ_t above 1, and a bound on their error; (times,) each.

    train loss = 1 + Δ_t·train and test loss = 1 + Δ_t·test.
    """

    train: FloatArray
    test: FloatArray
    error: FloatArray


class Direction(NamedTuple):
    """One eigendirection of the data: its eigenvalue and the variance of fresh data along it."""

    level: float
    variance: float


class Grid:
    """Resolvents and their pairs on one contour, which stays `shift` to the right of it."""

    def __init__(self, curves: Curves, count: int, shift: float) -> None:
        model, contour = curves.model, curves.contour(count, shift)
        self.curves = curves
        self.x = contour.points - shift
        self.weights = contour.weights
        self.gram = model.ensemble
        solved = self.gram.equations.solve(self.x - curves.base)
        self.points = Points(solved.k, solved.y)
        self.ulp = 16.0 * _EPS + 4.0 * float(np.maximum(solved.error, solved.y_error).max())
        mirrored = self.points.conjugate()
        self.pairs = [curves.respond(self.points, second) for second in (self.points, mirrored)]

    def single(self, direction: Direction | None) -> ComplexArray:
        """Tr WᵀRW/d, or its entry along a direction, at every node."""
        return self.curves.along(self.points, direction)

    def double(self, direction: Direction | None) -> list[ComplexArray]:
        """ψ_p T(z_i, z_j) and ψ_p T(z_i, z̄_j), or their entries along a direction."""
        mirrored = self.points.conjugate()
        return [
            self.curves.pair_along(self.points, second, pair, direction)
            for second, pair in zip((self.points, mirrored), self.pairs, strict=True)
        ]

    def losses(self, tau: FloatArray, direction: Direction | None) -> Losses:
        """Losses at flat finite times."""
        curves, w = self.curves, self.weights
        single, double = self.single(direction), self.double(direction)
        sizes = sum(np.abs(t) * p.loss for t, p in zip(double, self.pairs, strict=True))
        bare = curves.relaxation.filtered(self.x, tau)
        f = w * bare
        seen = f * single
        fit = (self.x - curves.ridge) * bare * seen - 2.0 * seen
        known = f * curves.cross_along(self.points, direction, single)
        scale = curves.scale
        train = scale * 2.0 * fit.real.sum(1)
        test = scale * (quadratic(f, *double) - 4.0 * known.real.sum(1))
        size = np.abs(f)
        error = 2.0 * ((size @ sizes) * size).sum(1) + 4.0 * np.abs(known).sum(1)
        error = scale * self.ulp * np.maximum(error, 2.0 * np.abs(fit).sum(1))
        if curves.initial > 0.0:
            start = self.from_start(tau)
            train, test, error = train + start.train, test + start.test, error + start.error
        return Losses(train, test, error)

    def from_start(self, tau: FloatArray) -> Losses:
        """What the initial A of unit-variance entries adds."""
        curves, gram = self.curves, self.gram
        psi_p, s2, mass = gram.psi_p, gram.s2, gram.equations.atom
        fresh = curves.unseen
        distance = self.x - curves.base
        trace = 1.0 / (psi_p * self.points.k) + mass / distance
        mirrored = self.points.conjugate()
        kernels = [
            pair.k / (psi_p * np.multiply.outer(self.points.k, second.k))
            - mass * fresh / np.multiply.outer(distance, opposite)
            for pair, second, opposite in zip(
                self.pairs, (self.points, mirrored), (distance, distance.conj()), strict=True
            )
        ]
        r = curves.relaxation.residual(self.x, tau)
        left = np.zeros_like(tau)
        if mass > 0.0:
            base = np.array([curves.base + 0j])
            left = (
                mass * curves.relaxation.residual(base, tau)[:, 0].real ** 2
                if curves.base > 0.0
                else np.full_like(tau, mass)
            )
        seen = self.weights * r * r * (self.x - curves.ridge) * trace
        variance = curves.initial**2
        train = variance * (2.0 * seen.real.sum(1) + left * s2)
        test = variance * (quadratic(self.weights * r, *kernels) + left * fresh)
        size = np.abs(self.weights * r)
        sizes = sum(np.abs(t) * p.loss for t, p in zip(kernels, self.pairs, strict=True))
        error = 2.0 * ((size @ sizes) * size).sum(1) + 2.0 * np.abs(seen).sum(1)
        return Losses(train, test, variance * self.ulp * error)


@dataclass(frozen=True)
class Curves:
    """Losses of one model under one training rule, from tables that are made once.

    Parameters
    ----------
    model : the random-feature model
    relaxation : the training rule
    ridge, initial : γ and σ_0
    """

    model: Model
    relaxation: Relaxation
    ridge: float
    initial: float

    @cached_property
    def setting(self) -> Setting:
        """Directions of the data, and what fresh data do along each."""
        return setting(self.model)

    @property
    def of_gaussian_data(self) -> bool:
        """Whether the losses are those of Gaussian data, whose true score is linear."""
        return True

    @property
    def unit(self) -> float:
        """Losses are counted in: Δ_t."""
        return self.model.delta

    @property
    def starts(self) -> tuple[float, float]:
        """Train and test loss of A = 0."""
        return 1.0, 1.0

    @property
    def scale(self) -> float:
        """V is this root times √Δ_t times what `along` and `pair_along` speak of: (g a)²."""
        level = self.model.noise_level
        gain = 1.0 if level is None else level.gain
        return (gain * self.model.coefficients.a) ** 2

    @property
    def noise_square(self) -> float:
        """Δ_t times the scale: b²."""
        return self.model.coefficients.b**2

    @property
    def unseen(self) -> float:
        """Ũ on the eigenvectors of the atom at s²: v² + s²."""
        return self._equations.v2 + self.model.floor

    @property
    def _equations(self) -> Equations:
        """Those of the Gaussian equivalent."""
        equations = self.model.ensemble.equations
        assert not isinstance(equations, KernelEquations)
        return equations

    @cached_property
    def fresh(self) -> Source:
        """The matrix Ũ of fresh data."""
        equations, variance = self._equations, np.nan_to_num(self.setting.variance)
        return Source(self.unseen, equations.b2, equations.c2, variance)

    @property
    def knows_fresh_data(self) -> bool:
        """Whether the variance of fresh data is known along every direction."""
        return bool(np.isfinite(self.setting.variance).all())

    @property
    def base(self) -> float:
        """s² + γ, where distances are measured from."""
        return self.model.floor + self.ridge

    @cached_property
    def ends(self) -> tuple[float, float]:
        """Smallest and largest x = λ + γ outside the atom, outliers included."""
        gaps, outliers = self.model.ensemble.gaps, self.model.ensemble.outliers
        ends = np.concatenate([gaps.edges.ravel(), gaps.narrow[:, 0], outliers])
        if ends.size == 0:
            return self.base, self.base
        return self.base + float(ends.min()), self.base + float(ends.max())

    def contour(self, count: int, shift: float) -> Contour:
        """Contour around the spectrum, moved to the right by `shift`."""
        low, high = self.ends
        return half_plane_contour(low + shift, high + shift, count, self.relaxation.region)

    def along(self, points: Points, direction: Direction | None) -> ComplexArray:
        """Entry of WᵀRW/d along a direction, or its mean."""
        at, (levels, weights, *_) = self.fresh, self.setting
        chosen = levels if direction is None else np.array([direction.level])
        h = points.along(chosen, at.data, at.noise)
        return h @ weights if direction is None else h[:, 0]

    def cross_along(
        self, points: Points, direction: Direction | None, own: ComplexArray
    ) -> ComplexArray:
        """The same between the V of fresh data and that of the samples, `own` of the samples."""
        return own

    @cached_property
    def _identity(self) -> Source:
        return Source(1.0, 0.0, 0.0, np.zeros_like(self.fresh.variance))

    def respond(self, first: Points, second: Points, *, identity: bool = False) -> Response:
        """Responses to Ũ, or to the identity, at every pair of points."""
        source = self._identity if identity else self.fresh
        return self._equations.respond(first, second, source)

    def pair_along(
        self,
        first: Points,
        second: Points,
        pair: Response,
        direction: Direction | None,
        *,
        identity: bool = False,
    ) -> ComplexArray:
        """Entry of WᵀRBRW/d along a direction, or its mean; B is Ũ or the identity."""
        if direction is None:
            return self.model.psi_p * pair.mean
        at = self._identity if identity else self.fresh
        between = np.multiply.outer(self.along(first, direction), self.along(second, direction))
        fixed = at.noise + at.data * direction.variance
        return between * (pair.k + fixed + (self.fresh.data * direction.level) * pair.y)

    def grids(self, longest: float) -> tuple[Grid, Grid]:
        """Coarse and fine tables for times up to `longest`."""
        low, high = self.ends
        if low > high / _WIDEST:
            return self._unshifted
        # Before the fastest mode has moved there is nothing to resolve.
        shift = 0.5 / max(self.relaxation.rate * longest, 1.0 / high)
        return self._grids(min(shift, 0.25 * (self.relaxation.region.far - high)))

    @property
    def latest(self) -> float:
        """A time so late that longer ones change nothing in double precision."""
        low, high = self.ends
        scale = low if low > high / _WIDEST else high  # a hard edge at 0 goes like τ^(-1/2)
        return 1.0 / (TINY * self.relaxation.rate * scale)

    @cached_property
    def _unshifted(self) -> tuple[Grid, Grid]:
        return self._grids(0.0)

    def _grids(self, shift: float) -> tuple[Grid, Grid]:
        count = self.nodes(shift)
        return Grid(self, count, shift), Grid(self, 2 * count, shift)

    def nodes(self, shift: float = 0.0) -> int:
        """Nodes of the coarse contour."""
        low, high = (end + shift for end in self.ends)
        low = max(low, high / _WIDEST)
        ratio = slit_ratio(low, high, self.relaxation.region)
        return nodes_needed(ratio, _DIGITS)

    def losses(self, tau: FloatArray, direction: Direction | None = None) -> Losses:
        """Losses at flat times, inf included; NaN where the tables could not be made."""
        result = Losses(*(np.zeros_like(tau) for _ in range(3)))
        ended = np.isinf(tau)
        if self.scale == 0.0 and self.initial == 0.0:
            return result
        finite = np.minimum(tau[~ended], self.latest)
        if finite.size:
            coarse, fine = self.grids(float(finite.max()))
            for part in np.array_split(np.arange(finite.size), finite.size // BATCH + 1):
                found, check = (grid.losses(finite[part], direction) for grid in (fine, coarse))
                differences = [np.abs(a - b) for a, b in zip(found[:2], check[:2], strict=True)]
                where = np.flatnonzero(~ended)[part]
                result.train[where], result.test[where] = found.train, found.test
                result.error[where] = found.error + np.maximum(*differences)
        if ended.any():
            for column, value in zip(result, self.final(direction), strict=True):
                column[ended] = value
        failed = ~np.isfinite(result.error)
        for column, value in zip(result, (np.nan, np.nan, np.inf), strict=True):
            column[failed] = value
        return result

    def final(self, direction: Direction | None) -> tuple[float, float, float]:
        """Losses at τ = inf, and the bound on their error, from the real point λ = −γ."""
        gram = self.model.ensemble
        distance = -self.base if self.base > 0.0 else -TINY * self.ends[1]
        solved = gram.equations.solve_real(np.array([distance]))
        if solved.status[0] != Status.CONVERGED:
            return np.nan, np.nan, np.inf
        spread = max(float(solved.error[0]), float(solved.y_error[0]), 4.0 * _EPS)
        values = []
        for up, down in ((0.0, 0.0), (spread, spread), (spread, -spread)):
            points = Points(solved.k * (1.0 + up), solved.y * (1.0 + down))
            single = self.along(points, direction)[0].real
            cross = self.cross_along(points, direction, np.array([single]))[0].real
            square, pair = (self.respond(points, points, identity=b) for b in (True, False))
            slope = self.pair_along(points, points, square, direction, identity=True)[0, 0].real
            double = self.pair_along(points, points, pair, direction)[0, 0].real
            values.append((-single - self.ridge * slope, double - 2.0 * cross))
        scale = self.scale
        (train, test), *others = values
        error = sum(max(abs(train - other[0]), abs(test - other[1])) for other in others)
        return scale * train, scale * test, scale * float(error)


def quadratic(f: ComplexArray, plain: ComplexArray, mixed: ComplexArray) -> FloatArray:
    """2 Re Σ_ij [f_i f_j plain_ij + f_i f̄_j mixed_ij] for every row of f, in real arithmetic."""
    form = np.block(
        [[plain.real + mixed.real, mixed.imag - plain.imag],
         [-mixed.imag - plain.imag, mixed.real - plain.real]]
    )  # fmt: skip
    rows = np.concatenate([f.real, f.imag], axis=1)
    total: FloatArray = 2.0 * ((rows @ form) * rows).sum(1)
    return total
