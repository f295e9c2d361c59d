r"""Learning curves of a network that predicts any mixture of noise and data.

The network :math:`N=A\phi/\sqrt p` with features :math:`\phi=f(g\,Wx_s/\sqrt d)`,
:math:`x_s=\alpha x+\sigma\xi`, is trained from A = 0 on
:math:`\frac\omega dE|N-\zeta|^2,\ \zeta=u\xi+wx` (u and w after the skip, `inputs.diffusion`).
With :math:`c=g\alpha a,\ b=g\sigma a` the Gaussian equivalent of a feature is
:math:`W(cx+b\xi)/\sqrt d` and independent parts, so that

.. math::  V=\tfrac1n\sum E_\xi\,\phi\,\zeta^\top\simeq u\,bW/\sqrt d+w\,GX^\top/n,\qquad
           \frac A{\sqrt p}=V^\top f_\tau(U),\qquad
           f_\tau(\lambda)=\frac{1-e^{-2\omega\lambda\tau/\psi_p}}\lambda .

*Mean map.*  With :math:`g_l=k+b^2+c^2yl` and the k, y of `feature_equations`, averaging
:math:`V^\top R(z)\phi` over W, data and all that differs between samples leaves, along a data
direction of variance l,

.. math::  \kappa_l\,(cx+b\xi),\qquad\kappa_l(z)=\frac{ub+wc\,y\,l}{g_l},

from the resolvent of the linearised :math:`U` (`two_point`), in which V is the noise column u times
:math:`bW` plus the data column w times :math:`\frac1nGX^\top`, whose part along l is
:math:`c\,y\,l\,W`: the shrinkage y is what sharing the samples with U costs.  Therefore

.. math::
    \tfrac1d\mathrm{Tr}V^\top RV=X(z)=\int\!\rho\,[w^2l(1-y)+\kappa_l^2g_l],\qquad
    \tfrac1d\mathrm{Tr}\tilde V^\top RV=\tilde X(z)=\int\!\rho\,\kappa_l(ub+wct_l),

t the variance of fresh data.  Two resolvents around :math:`\tilde U` respond by K and Y of
`two_point`, which know nothing of the target (a perturbation of z along any B moves X by
:math:`-\int\rho[Yl(w-c\kappa)^2+K\kappa^2]`, the derivative of the formula above, and so it does at
two points):

.. math::  S(z_1,z_2)=\int\!\rho\,\big[Y\,l\,(w-c\kappa^{(1)})(w-c\kappa^{(2)})
           +K\,\kappa^{(1)}\kappa^{(2)}\big].

Let :math:`m_l=\oint f_\tau\kappa_l` be the trained mean map and :math:`L_0=u^2+w^2\sigma_x^2` the
loss of A = 0.  The train and test losses are

.. math::
    L_{train}&=L_0+\oint(\lambda f^2-2f)X,\\
    L_{test}&=L_0+\int\!\rho\,\big[(c^2t+b^2)m_l^2-2(ub+wct)m_l\big]+\oint\oint ffS
      =L^*+E_\zeta,\\
    E_\zeta&=\int\!\rho\,(\alpha^2l+\sigma^2)\big(ga\,m_l-m_l^*\big)^2+\oint\oint ffS,\qquad
    m_l^*=\frac{w\alpha l+u\sigma}{\alpha^2l+\sigma^2},\quad
    L^*=\delta^2\!\int\!\frac{\rho\,l}{\alpha^2l+\sigma^2},

the second by completing the square with the best linear predictor :math:`m^*x_s`: the squared bias
of the mean map and the variance, without a difference.  For u = 1, w = 0 this is the noise target
of `curves`, whose score network :math:`-N/\sigma` has :math:`\omega=\sigma^2`.  Given the data, l
in κ and S is the eigenvalue of their covariance, and :math:`E_\zeta=L_{test}-L^*`.

*Pull to the own sample.*  The score :math:`\hat s=(wx_s-\alpha N)/(\sigma\delta)` has

.. math::  \tfrac1dE[\hat s\cdot x]=\frac{\alpha}{\sigma\delta}(w\sigma_x^2-P),\quad
           P_{train}=\oint f\!\int\!\rho\,[wl(1-y)+c\,yl\kappa],\quad
           P_{fresh}=\oint f\!\int\!\rho\,c\,t\kappa,

the polarised forms of X and :math:`\tilde X` with the target x.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from ...ensembles.exact_kernel import KernelEquations
from ...ensembles.two_point import Points
from ...inputs.diffusion.prediction import Target
from .curves import Curves, Direction, Grid, Losses
from .mean_map import Map, OfMap
from .setting import Setting
from .sums import Form, Values, each, plain_each

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

_EPS = float(np.finfo(float).eps)


class Course(NamedTuple):
    """Losses less those of A = 0, and what the test loss is above the least; (times,) each."""

    train: FloatArray
    test: FloatArray
    excess: FloatArray
    error: FloatArray


class Tables(NamedTuple):
    """Of one grid: the directions, κ and X times the weights of the contour, and S."""

    along: Setting
    kappa: ComplexArray
    forced: ComplexArray
    spread: Form


@dataclass(frozen=True, eq=False)
class TargetCurves:
    """Losses of one target, from the contours of a model under one training rule.

    Parameters
    ----------
    base : the curves whose contours and responses are used
    target : u and w after the skip
    delta : δ, 0 for a multiple of what the network is shown
    """

    base: Curves
    target: Target
    delta: float

    @property
    def unit(self) -> float:
        """Losses are counted in: the target's own units."""
        return 1.0

    @property
    def starts(self) -> tuple[float, float]:
        """Train and test loss of A = 0."""
        return self._start(self.base.model.population.mean), self._start(self._fresh_variance)

    def start_along(self, direction: Direction) -> tuple[float, float]:
        """The same along one direction."""
        return self._start(direction.level), self._start(direction.variance)

    def _start(self, variance: float) -> float:
        u, w = self.target
        return u * u + w * w * variance

    @cached_property
    def _fresh_variance(self) -> float:
        """Mean variance of fresh data."""
        known = self.base.setting
        return float(known.weights @ known.variance)

    @property
    def converted(self) -> float:
        """What a squared error of the prediction is multiplied by to be one of the score."""
        (u, w), level = self.target, self.base.model.level
        with np.errstate(divide="ignore"):
            share = 1.0 / u if w == 0.0 else np.float64(level.alpha) / self.delta  # also of α = 0
            return float((share / level.sigma) ** 2)

    def least(self, along: Setting) -> float:
        """L*, δ² times the mean of l/(α²l + σ²)."""
        return self.delta**2 * max(float(along.weights @ along.unknown), 0.0)

    def least_along(self, along: Setting) -> float:
        """L*; of random data without a difference, NaN where the law of fresh data is not known."""
        if self.base.model.conditional:
            return self.least(along)
        return self.delta**2 * float(along.weights @ (along.levels / self._weight(along)))

    def losses(self, tau: FloatArray, direction: Direction | None = None) -> Losses:
        """Losses less those of A = 0, as those of `Curves`."""
        found = self.course(tau, direction)
        return Losses(found.train, found.test, found.error)

    def final(self, direction: Direction | None) -> tuple[float, float, float]:
        """Losses at τ = inf, less those of A = 0, and the bound on their error."""
        found = self.losses(np.array([np.inf]), direction)
        return float(found.train[0]), float(found.test[0]), float(found.error[0])

    def along(self, direction: Direction | None, points: Points | None = None) -> Setting:
        """The directions that are averaged over, or few in place of many as these points see them.

        What is averaged has its poles there and at −σ²/α², which any cell sees from afar.
        """
        known, model = self.base.setting, self.base.model
        if direction is not None:
            nearest = int(np.abs(known.levels - direction.level).argmin())
            precision, unknown = known.precision[nearest], known.unknown[nearest]
            values = (direction.level, 1.0, direction.variance, precision, unknown)
            return Setting(*(np.array([value]) for value in values))
        if points is None or model.conditional:
            return self._all_along
        levels, weights = self.base.equations.directions_from(points)
        held = slice(1 if weights[0] == 0.0 else 0, None)  # no share of the directions of no data
        return Setting.of_random_data(model, levels[held], weights[held])

    @cached_property
    def _all_along(self) -> Setting:
        known = self.base.setting
        return known._replace(variance=np.nan_to_num(known.variance))

    def course(self, tau: FloatArray, direction: Direction | None = None) -> Course:
        """Losses at flat times, inf included; NaN where the tables could not be made."""
        along = self.along(direction)
        if self.sees_nothing:
            zero = np.zeros_like(tau)
            bias = float(along.weights @ (self._weight(along) * self._best_map(along) ** 2))
            return Course(zero, zero, np.full_like(tau, bias), zero)
        found = self.base.over_times(
            tau, 3,
            lambda grid, times: self._on_grid(grid, times, direction),
            lambda: self._last if direction is None else self._ended(direction),
        )  # fmt: skip
        train, test, excess = found.values
        return Course(train, test, excess, np.asarray(found.errors.max(axis=0)))

    def sketched(self, tau: FloatArray) -> FloatArray:
        """Rows of `course` at flat times, without bounds: what a search asks for."""
        base = self.base
        if self.sees_nothing or base.model.conditional or np.isinf(tau).any():
            return np.array(self.course(tau)[:3])

        def on_grid(grid: Grid, times: FloatArray) -> FloatArray:
            along, kappa, forced, spread = self.tables(grid, None)
            f = grid.filtered(times)
            train = grid.fit(f, forced).values
            mean = plain_each(f, kappa)
            by_map = self.by_map(mean, np.zeros_like(mean), along)
            found = np.array([train, *self._losses_from(by_map, spread.values(f), along)])
            return grid.with_start(times, Values(found, np.zeros_like(found))).values

        return base.on_grid(tau, on_grid)

    @property
    def sees_nothing(self) -> bool:
        """Whether no feature correlates with the target, so that A = 0 stays, or all are 0."""
        base = self.base
        seen = base.scale > 0.0 or (self.target.data != 0.0 and base.unseen > base.model.floor)
        return base.silent or (not seen and base.initial == 0.0)

    def forced(self, points: Points) -> ComplexArray:
        """X at points, averaged over all directions."""
        return self.map(points, self.along(None, points)).forced

    # -- the mean map ----------------------------------------------------------------------------

    @cached_property
    def slopes(self) -> tuple[float, float]:
        """c and b: how a feature sees data and noise."""
        at, fresh = self.base.model.coefficients, self.base.fresh
        return float(np.copysign(fresh.data**0.5, at.c)), float(np.copysign(fresh.noise**0.5, at.b))

    def map(self, points: Points, along: Setting) -> Map:
        """The mean map of the target at points."""
        return Map.of(points, self.unseen(points), along, *self.target, *self.slopes)

    def unseen(self, points: Points) -> ComplexArray:
        """1 − y without a difference, from the equation of y."""
        equations = self.base.model.ensemble.equations
        assert not isinstance(equations, KernelEquations)
        psi_n = self.base.model.psi_n
        share = equations.v2 / psi_n
        if self.base.model.conditional:
            return np.asarray(share / (points.k + share))
        (levels, weights), (c, b) = self.base.equations.directions_from(points), self.slopes
        seen = c * c * (points.along(levels, c * c, b * b) @ (weights * levels)) / psi_n
        return np.asarray(points.y * (share / points.k + seen))

    def _best_map(self, along: Setting) -> FloatArray:
        """m*, the best linear predictor."""
        (u, w), level = self.target, self.base.model.level
        return (w * level.alpha * along.levels + u * level.sigma) / self._weight(along)

    def _weight(self, along: Setting) -> FloatArray:
        """Variance of what the network is shown, before the gain."""
        level = self.base.model.level
        return level.alpha**2 * along.levels + level.sigma**2

    @cached_property
    def _known(self) -> WeakKeyDictionary[Grid, Tables]:
        return WeakKeyDictionary()

    def tables(self, grid: Grid, direction: Direction | None) -> Tables:
        """Tables of a grid; those of all directions are kept."""
        if direction is None and grid in self._known:
            return self._known[grid]
        along = self.along(direction, grid.points)
        here = self.map(grid.points, along)
        weights = grid.weights
        spread = Form.of(*here.spread(grid.pairs, along), weights)
        tables = Tables(along, weights[:, None] * here.kappa, weights * here.forced, spread)
        if direction is None:
            self._known[grid] = tables
        return tables

    def _on_grid(self, grid: Grid, tau: FloatArray, direction: Direction | None) -> Values:
        along, kappa, forced, spread = self.tables(grid, direction)
        f = grid.filtered(tau)
        train, variance = grid.fit(f, forced), spread.sums(f, grid.ulp)
        mean, off = each(f, kappa, grid.ulp)
        by_map = self.by_map(mean, off, along)
        rows = self._losses_from(by_map, variance.values, along)
        errors = np.array([train.errors, *(variance.errors + by_map.slack,) * 2])
        return grid.with_start(tau, Values(np.array([train.values, *rows]), errors))

    def by_map(self, mean: FloatArray, off: FloatArray, along: Setting) -> OfMap:
        """What a mean map m, known up to `off`, (times, directions), is worth."""
        (u, w), (c, b), base = self.target, self.slopes, self.base
        gain = np.copysign(base.scale**0.5, base.model.coefficients.a)
        seen, driven = c * c * along.variance + b * b, u * b + w * c * along.variance
        shown, best = self._weight(along), self._best_map(along)
        return OfMap.of(mean, off, along.weights, seen, driven, shown, best, gain)

    def _losses_from(
        self, by_map: OfMap, variance: FloatArray, along: Setting
    ) -> tuple[FloatArray, FloatArray]:
        """Test loss less that of A = 0, and what it is above the least."""
        test = by_map.test + variance
        if self.base.model.conditional:
            above = self._start(float(along.weights @ along.variance))
            least = self.least(along._replace(unknown=np.nan_to_num(along.unknown)))
            return test, above - least + test
        return test, by_map.bias + variance

    @cached_property
    def _last(self) -> Values:
        return self._ended(None)

    def _ended(self, direction: Direction | None) -> Values:
        return self.base.end(3, lambda points: self._at_end(points, self.along(direction, points)))

    def _at_end(self, points: Points, along: Setting) -> FloatArray:
        base, here = self.base, self.map(points, along)
        pair = base.respond(points, points)
        variance = here.own_spread(pair, along)
        mean = here.kappa.real
        by_map = self.by_map(mean, np.zeros_like(mean), along)
        test, excess = self._losses_from(by_map, variance, along)
        train = -here.forced.real
        if base.ridge > 0.0:
            square = base.respond(points, points, identity=True)
            train -= base.ridge * here.own_spread(square, along)
        return np.array([train, test, excess])

    # -- the pull to the own sample --------------------------------------------------------------

    def pulls(self, tau: FloatArray) -> Values:
        """Rows E_fresh − E_train and E_fresh of the pull of the score to the own clean sample.

        In units of α/(σδ).
        """
        spans = self._spans
        if self.sees_nothing:
            fresh = np.full_like(tau, spans[1])
            return Values(
                np.array([np.full_like(tau, spans[1] - spans[0]), fresh]), np.zeros((2, tau.size))
            )
        found = self.base.over_times(
            tau, 2,
            self._pulls_on,
            lambda: self.base.end(2, lambda points: self._pull(points).real),
        )  # fmt: skip
        drawn, fresh = found.values
        return Values(np.array([spans[1] - spans[0] + drawn, spans[1] - fresh]), found.errors)

    @property
    def _spans(self) -> tuple[float, float]:
        """w σ_x² of the samples and of fresh data."""
        w, mean = self.target.data, self.base.model.population.mean
        if not self.base.model.conditional:
            return w * mean, w * mean
        return w * mean, w * self._fresh_variance

    def _pulls_on(self, grid: Grid, tau: FloatArray) -> Values:
        found = each(grid.filtered(tau), (grid.weights * self._pull(grid.points)).T, grid.ulp)
        return Values(found.values.T, found.errors.T)

    def _pull(self, points: Points) -> ComplexArray:
        """Rows P_train − P_fresh and P_fresh at points."""
        along = self.along(None, points)
        here, (c, _), w = self.map(points, along), self.slopes, self.target.data
        fresh = c * (here.kappa @ (along.weights * along.variance))
        if not self.base.model.conditional:
            apart = here.unseen * (here.rest @ (along.weights * along.levels))
            return np.array([apart, fresh])
        seen = here.kappa @ (along.weights * along.levels)
        mean = w * float(along.weights @ along.levels)
        return np.array([mean * here.unseen + c * points.y * seen - fresh, fresh])
