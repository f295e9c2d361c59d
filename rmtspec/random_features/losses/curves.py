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

from collections.abc import Callable
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
from .setting import Setting, setting
from .sums import DIGITS, Form, Values, fitted, single

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

_BATCH = 500  # times evaluated at once

MOST_NODES = 2000
"""Of a contour; beyond, the tables take more than half a gigabyte."""
_WIDEST = 1e20  # ratio of the spectrum's ends beyond which the last time sets the lower end
_TINY = 1e-30  # of the largest eigenvalue: stands for 0 where 0 itself is an atom or a hard edge
_MOST_GRIDS = 8  # kept, of different last times
_EPS = float(np.finfo(float).eps)


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


class Tables(NamedTuple):
    """Traces at the nodes, of the samples and between these and fresh data, and those of pairs.

    Attributes
    ----------
    own : Tr WᵀRW/d times the weights of the contour, (n,)
    cross : the same between the V of fresh data and that of the samples
    form : of ψ_p T
    """

    own: ComplexArray
    cross: ComplexArray
    form: Form


class Grid:
    """Resolvents and their pairs on one contour, which stays `shift` to the right of it."""

    def __init__(self, curves: Curves, count: int, shift: float) -> None:
        model, contour = curves.model, curves.contour(count, shift)
        self.curves = curves
        self._whole: Tables | None = None
        self.x = contour.points - shift
        self.weights = contour.weights
        self.gram = model.ensemble
        solved = self.gram.equations.solve(self.x - curves.base)
        self.points = Points(solved.k, solved.y)
        self.ulp = 16.0 * _EPS + 4.0 * float(np.maximum(solved.error, solved.y_error).max())
        mirrored = self.points.conjugate()
        self.pairs = [curves.respond(self.points, second) for second in (self.points, mirrored)]

    def filtered(self, tau: FloatArray) -> ComplexArray:
        """The filter f(x) at every time and node, without the weights of the contour."""
        return self.curves.relaxation.filtered(self.x, tau)

    def tables(self, direction: Direction | None) -> Tables:
        """What the losses are made of, of all directions or along one."""
        if direction is None and self._whole is not None:
            return self._whole
        curves, mirrored = self.curves, self.points.conjugate()
        own = curves.along(self.points, direction)
        double = [
            curves.pair_along(self.points, second, pair, direction)
            for second, pair in zip((self.points, mirrored), self.pairs, strict=True)
        ]
        cross = curves.cross_along(self.points, direction, own)
        tables = Tables(self.weights * own, self.weights * cross, self.form(*double))
        if direction is None:
            self._whole = tables
        return tables

    def form(self, plain: ComplexArray, mixed: ComplexArray) -> Form:
        """The form of a table that rounds as the responses do."""
        of_plain, of_mixed = self.pairs
        sizes = np.abs(plain)
        sizes *= of_plain.loss
        sizes += np.abs(mixed) * of_mixed.loss
        return Form.of(plain, mixed, sizes, self.weights)

    def losses(self, tau: FloatArray, direction: Direction | None) -> Values:
        """Rows of train and test losses at flat finite times."""
        own, cross, form = self.tables(direction)
        f = self.filtered(tau)
        fit, known = self.fit(f, own), single(f, cross, self.ulp)
        square = form.sums(f, self.ulp)
        scale = self.curves.scale
        values = scale * np.array([fit.values, square.values - 2.0 * known.values])
        errors = scale * np.array([fit.errors, square.errors + 2.0 * known.errors])
        return self.with_start(tau, Values(values, errors))

    def fit(self, f: ComplexArray, trace: ComplexArray) -> Values:
        """∮(λf² − 2f)X of a trace X times the weights."""
        return fitted(f, self.x - self.curves.ridge, trace, self.ulp)

    def sketched(self, tau: FloatArray) -> FloatArray:
        """The same losses without a bound."""
        own, cross, form = self.tables(None)
        f = self.filtered(tau)
        train = self.fit(f, own).values
        found = self.curves.scale * np.array([train, form.values(f) - 4.0 * (f @ cross).real])
        return self.with_start(tau, Values(found, np.zeros_like(found))).values

    def with_start(self, tau: FloatArray, found: Values) -> Values:
        """The losses, of which the first are those of training, with what A brings at the start."""
        if self.curves.initial > 0.0:
            start = self.from_start(tau)
            for row in range(len(found.values)):
                of = min(row, 1)
                found.values[row] += start.values[of]
                found.errors[row] += start.errors[of]
        return found

    def from_start(self, tau: FloatArray) -> Values:
        """What the initial A of independent entries adds to train and test loss."""
        curves, gram = self.curves, self.gram
        mass, fresh = gram.equations.atom, curves.unseen
        r = curves.relaxation.residual(self.x, np.append(tau, 0.0))  # the largest comes last
        left = np.full_like(tau, mass)
        if mass > 0.0 and curves.base > 0.0:
            base = np.array([curves.base + 0j])
            left *= curves.relaxation.residual(base, tau)[:, 0].real ** 2
        trace, size, form = self._start_tables
        forced = r * (self.weights * (self.x - curves.ridge))
        sizes = np.abs(forced) * size
        found = (
            single(r, forced * trace, self.ulp, sizes=sizes, decays=True),
            form.sums(r, self.ulp, decays=True),
        )
        values = np.array([one.values[:-1] for one in found])
        errors = np.array([one.errors[:-1] for one in found])
        values += np.multiply.outer([gram.s2, fresh], left)
        return Values(curves.initial**2 * values, curves.initial**2 * errors)

    @cached_property
    def _start_tables(self) -> tuple[ComplexArray, FloatArray, Form]:
        """Tr R/p, the size of its terms, and Tr RŨR/p, the traces without the atom.

        Of many features the atom is nearly all, and what is left without it rounds as they do.
        """
        psi_p, mass, fresh = self.gram.psi_p, self.gram.equations.atom, self.curves.unseen
        distance, k = self.x - self.curves.base, self.points.k
        tables: list[ComplexArray] = []
        sizes = np.zeros((k.size, k.size))
        for pair, second, opposite in zip(
            self.pairs, (k, k.conj()), (distance, distance.conj()), strict=True
        ):
            all_of_it = pair.k / (psi_p * np.multiply.outer(k, second))
            of_atom = mass * fresh / np.multiply.outer(distance, opposite)
            tables.append(all_of_it - of_atom)
            sizes += (np.abs(all_of_it) + np.abs(of_atom)) * pair.loss
        q, atom = 1.0 / (psi_p * k), mass / distance
        form = Form.of(tables[0], tables[1], sizes, self.weights)
        return q + atom, np.abs(q) + np.abs(atom), form


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
        return self.equations.v2 + self.model.floor

    @property
    def equations(self) -> Equations:
        """Those of the Gaussian equivalent."""
        equations = self.model.ensemble.equations
        assert not isinstance(equations, KernelEquations)
        return equations

    @cached_property
    def fresh(self) -> Source:
        """The matrix Ũ of fresh data."""
        variance = np.fmax(self.setting.variance, 0.0)  # 0 for NaN
        return Source(self.unseen, self.equations.b2, self.equations.c2, variance)

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
        low, high = self._span
        return self.base + low, self.base + high

    @cached_property
    def _span(self) -> tuple[float, float]:
        """The same as distances from s²."""
        gaps, outliers = self.model.ensemble.gaps, self.model.ensemble.outliers
        ends = np.concatenate([gaps.edges.ravel(), gaps.narrow[:, 0], outliers])
        return (float(ends.min()), float(ends.max())) if ends.size else (0.0, 0.0)

    @property
    def silent(self) -> bool:
        """Whether all features are 0, so that the network is 0 whatever A is."""
        return self.model.floor + self._span[1] == 0.0

    @property
    def _constant(self) -> bool:
        """Whether no time changes the losses."""
        return self.silent or (self.scale == 0.0 and self.initial == 0.0)

    def contour(self, count: int, shift: float) -> Contour:
        """Contour around the spectrum, moved to the right by `shift`."""
        low, high = self.ends
        return half_plane_contour(low + shift, high + shift, count, self.relaxation.region)

    def along(self, points: Points, direction: Direction | None) -> ComplexArray:
        """Entry of WᵀRW/d along a direction, or its mean."""
        seen = self.fresh.data, self.fresh.noise
        if direction is not None:
            return points.along(np.array([direction.level]), *seen)[:, 0]
        levels, weights = self.equations.directions_from(points)
        return points.along(levels, *seen) @ weights

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
        return self.equations.respond(first, second, source)

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
            return pair.mean
        at = self._identity if identity else self.fresh
        between = np.multiply.outer(self.along(first, direction), self.along(second, direction))
        fixed = at.noise + at.data * direction.variance
        return between * (pair.k + fixed + (self.fresh.data * direction.level) * pair.y)

    def grid(self, longest: float) -> Grid:
        """Tables for times up to `longest`."""
        low, high = self.ends
        shift = 0.0
        if not low > high / _WIDEST:
            # Before the fastest mode has moved there is nothing to resolve.
            shift = 0.5 / max(self.relaxation.rate * longest, 1.0 / high)
            shift = min(shift, 0.25 * (self.relaxation.region.far - high))
            if shift > 0.0:  # tables serve all times of about the same length
                shift = float(2.0 ** np.floor(np.log2(shift)))
        if shift not in self._grids:
            if len(self._grids) >= _MOST_GRIDS:
                self._grids.clear()
            self._grids[shift] = Grid(self, self.nodes(shift), shift)
        return self._grids[shift]

    @cached_property
    def _grids(self) -> dict[float, Grid]:
        return {}

    @property
    def latest(self) -> float:
        """A time so late that longer ones change nothing in double precision."""
        low, high = self.ends
        scale = low if low > high / _WIDEST else high  # a hard edge at 0 goes like τ^(-1/2)
        return 1.0 / _TINY / self.relaxation.rate / scale

    def nodes(self, shift: float = 0.0) -> int:
        """Nodes of the contour."""
        low, high = (end + shift for end in self.ends)
        low = max(low, high / _WIDEST)
        ratio = slit_ratio(low, high, self.relaxation.region)
        return nodes_needed(ratio, DIGITS)

    def losses(self, tau: FloatArray, direction: Direction | None = None) -> Losses:
        """Losses at flat times, inf included; NaN where the tables could not be made."""
        if self._constant:
            return Losses(*np.zeros((3, tau.size)))
        found = self.over_times(
            tau, 2,
            lambda grid, times: grid.losses(times, direction),
            lambda: self._last if direction is None else self._ended(direction),
        )  # fmt: skip
        train, test = found.values
        return Losses(train, test, np.asarray(found.errors.max(axis=0)))

    def sketched(self, tau: FloatArray) -> FloatArray:
        """Rows of train and test loss at flat times without bounds: what a search asks for."""
        if np.isinf(tau).any() or self._constant:
            found = self.losses(tau)
            return np.array([found.train, found.test])
        return self.on_grid(tau, lambda grid, times: grid.sketched(times))

    def final(self, direction: Direction | None) -> tuple[float, float, float]:
        """Losses at τ = inf, and the bound on their error."""
        found = self.losses(np.array([np.inf]), direction)
        return float(found.train[0]), float(found.test[0]), float(found.error[0])

    def over_times(
        self,
        tau: FloatArray,
        count: int,
        on_grid: Callable[[Grid, FloatArray], Values],
        at_end: Callable[[], Values],
    ) -> Values:
        """Evaluate `count` quantities at flat times, inf included.

        Parameters
        ----------
        tau : (times,)
        count : number of quantities
        on_grid : tables and finite times -> values and bounds on their errors
        at_end : values and bounds at τ = inf, (quantities, 1)

        Returns
        -------
        Values
            NaN, with an infinite error, where a resolvent could not be solved.
        """
        values, errors = np.zeros((2, count, tau.size))
        ended = np.isinf(tau)
        finite = np.minimum(tau[~ended], self.latest)
        with np.errstate(divide="ignore", invalid="ignore"):  # where nodes are NaN: flagged below
            if finite.size:
                grid, where = self.grid(float(finite.max())), np.flatnonzero(~ended)
                for begin in range(0, finite.size, _BATCH):
                    part = slice(begin, begin + _BATCH)
                    values[:, where[part]], errors[:, where[part]] = on_grid(grid, finite[part])
            if ended.any():
                values[:, ended], errors[:, ended] = at_end()
        failed = ~np.isfinite(errors) | ~np.isfinite(values)
        values[failed], errors[failed] = np.nan, np.inf
        return Values(values, errors)

    def on_grid(
        self, tau: FloatArray, function: Callable[[Grid, FloatArray], FloatArray]
    ) -> FloatArray:
        """A function of tables at flat finite times, in one piece."""
        finite = np.minimum(tau, self.latest)
        with np.errstate(divide="ignore", invalid="ignore"):
            return function(self.grid(float(finite.max(initial=0.0))), finite)

    def end(self, count: int, function: Callable[[Points], FloatArray]) -> Values:
        """Values at τ = inf, and how they move with k and y inside their bounds.

        The function is given m times the real point λ = −γ, where 1/(λ + γ) is the filter, with
        rounded k and y, and returns (count, m) values.
        """
        distance = -self.base if self.base > 0.0 else -_TINY * self.ends[1]
        solved = self.model.ensemble.equations.solve_real(np.array([distance]))
        if solved.status[0] != Status.CONVERGED:
            return Values(np.full((count, 1), np.nan), np.full((count, 1), np.inf))
        spread = max(float(solved.error[0]), float(solved.y_error[0]), 4.0 * _EPS)
        k = solved.k * (1.0 + spread * np.array([0.0, 1.0, 1.0]))
        y = solved.y * (1.0 + spread * np.array([0.0, 1.0, -1.0]))
        found = function(Points(k + 0j, y + 0j))  # kernels are compiled for complex ones
        value, others = found[:, :1], found[:, 1:]
        return Values(value, np.abs(value - others).sum(axis=1, keepdims=True))

    @cached_property
    def _last(self) -> Values:
        return self._ended(None)

    def _ended(self, direction: Direction | None) -> Values:
        return self.end(2, lambda points: self._at_end(points, direction))

    def _at_end(self, points: Points, direction: Direction | None) -> FloatArray:
        own = self.along(points, direction)
        cross = self.cross_along(points, direction, own).real
        square, pair = (self.respond(points, points, identity=b) for b in (True, False))
        slope = self.pair_along(points, points, square, direction, identity=True)
        double = self.pair_along(points, points, pair, direction)
        train = -own.real - self.ridge * slope.diagonal().real
        return self.scale * np.array([train, double.diagonal().real - 2.0 * cross])
