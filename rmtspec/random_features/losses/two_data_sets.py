r"""Two networks trained on independent data sets: bias and variance of the score, and distance.

Given W two trainings on independent sets of n samples are independent.  The response Y of
`ensembles.two_point` runs through the samples and K through W as well, so that of the products of
two resolvents

============================  ============================================
both trainings share          responses
============================  ============================================
everything (the test loss)    K, Y
W                             K_0, 0 (`two_point.independent_response`)
nothing                       0, 0
============================  ============================================

With S of `targets` and :math:`K-K_0=\mathrm{lift}\cdot Y` the error of the score splits, with
:math:`\nu=\alpha^2/(\sigma\delta)^2`, into

.. math::
    E_{score}=\underbrace{\nu\!\int\!\rho\,(\alpha^2l+\sigma^2)(ga\,m_l-m_l^*)^2}_{\text{bias}^2
      \text{ of the mean map}}
      +\underbrace{\nu\oint\oint ff\!\int\!\rho K_0\kappa\kappa'}_W
      +\underbrace{\nu\oint\oint ff\,Y\!\int\!\rho\big[l(w-c\kappa)(w-c\kappa')
      +\mathrm{lift}\,\kappa\kappa'\big]}_{\text{data sets}},

no part of which is a difference.  On fresh points the distance of the two noise predictions is
:math:`D=\frac{\sigma^2}dE|s_1-s_2|^2=2\sigma^2\cdot` the variance over what the two do not share.

On the training points of the first set :math:`E\phi\phi^\top=U_1`, so that

.. math::  \tfrac1dE|N_1|^2=\oint\lambda f^2X,\qquad
           \tfrac1dE\,N_1N_2=\oint\oint\lambda_1f(\lambda_1)f(\lambda_2)\,K_I\!\int\!\rho\kappa\kappa'

with K_I the response of independent sets to the identity; of independent W, with the mean map of
the second network in place of the network,
:math:`\int\rho\,m_l\oint f\,[wcl(1-y)+\kappa(b^2+c^2yl)]`.  The second network sees them as fresh.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...ensembles.feature_equations import FeatureEquations
from ...ensembles.two_point import Independent, Points, Response, Source
from .curves import Curves, Grid
from .mean_map import Map
from .setting import Setting
from .sums import Form, Values, each, single
from .targets import TargetCurves

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

_ROWS = 7


class Split(NamedTuple):
    """Parts of the error, in units of the target, and products on training points; all (times,).

    Attributes
    ----------
    bias : squared bias of the mean map
    features, samples : variance over W, and over data sets at the same W
    own : E|N_1|² on its training points
    shared, apart : E N_1N_2 there, with the same W and with independent ones
    fresh : E|N_2|² there
    error : bound on the error of bias, features and samples
    train_error : of the others
    """

    bias: FloatArray
    features: FloatArray
    samples: FloatArray
    own: FloatArray
    shared: FloatArray
    apart: FloatArray
    fresh: FloatArray
    error: FloatArray
    train_error: FloatArray


@dataclass(frozen=True, eq=False)
class TwoDataSetCurves:
    """Two networks with one target, of random data.

    Parameters
    ----------
    curves : those of the target
    """

    curves: TargetCurves

    def split(self, tau: FloatArray) -> Split:
        """Parts of the error at flat times, inf included."""
        base = self.curves.base
        if self.curves.sees_nothing:
            nothing = np.zeros((_ROWS + 1, tau.size))
            return Split(self.curves.course(tau).excess, *nothing)
        found = base.over_times(tau, _ROWS, self._on_grid, lambda: base.end(_ROWS, self._at_end))
        errors = found.errors
        bounds = errors[:3].max(axis=0), errors[3:].max(axis=0)
        rows: list[FloatArray] = [*found.values, *bounds]
        return Split(*rows)

    @property
    def _base(self) -> Curves:
        return self.curves.base

    @property
    def _equations(self) -> FeatureEquations:
        equations = self._base.model.ensemble.equations
        assert isinstance(equations, FeatureEquations)
        return equations

    def _on_grid(self, grid: Grid, tau: FloatArray) -> Values:
        base, curves, ulp = self._base, self.curves, grid.ulp
        along = curves.along(None, grid.points)
        here = curves.map(grid.points, along)
        there = here.conjugate()
        mirrored = grid.points.conjugate()
        found = [
            self._tables(grid.points, points, here, other, pair, along)
            for points, other, pair in zip(
                (grid.points, mirrored), (here, there), grid.pairs, strict=True
            )
        ]
        features, samples, identity = (
            Form.of(plain, mixed, sizes, grid.weights)
            for plain, mixed, sizes in zip(
                *(tables for tables, _ in found),
                np.add(*(sizes for _, sizes in found)),
                strict=True,
            )
        )
        f, weights = grid.filtered(tau), grid.weights
        done = (grid.x - base.ridge) * f  # λf
        mean, off = each(f, weights[:, None] * here.kappa, ulp)
        rows, off_rows = each(f, weights[:, None] * self._own(grid.points, here, along), ulp)
        by_features, by_samples = features.sums(f, ulp), samples.sums(f, ulp)
        own, shared = single(done, f * (weights * here.forced), ulp), identity.sums(f, ulp, done)
        by_map = curves.by_map(mean, off, along)
        variance = by_features.values + by_samples.values
        rounding = by_features.errors + by_samples.errors
        c, b = curves.slopes
        shown = along.weights * (c * c * along.levels + b * b)
        values = [
            by_map.bias,
            by_features.values,
            by_samples.values,
            own.values,
            shared.values,
            self._apart(mean, rows, along),
            self._squared(mean, along) + variance,
        ]
        errors = [
            by_map.slack,
            by_features.errors,
            by_samples.errors,
            own.errors,
            shared.errors,
            (np.abs(mean) * off_rows + off * (np.abs(rows) + off_rows)) @ along.weights,
            (2.0 * np.abs(mean) + off) * off @ shown + rounding,
        ]
        return Values(np.array(values), np.array(errors))

    def _tables(
        self, first: Points, second: Points, here: Map, there: Map, pair: Response, along: Setting
    ) -> tuple[list[ComplexArray], FloatArray]:
        """Tables of W, of the data sets, and of K_I, and the sizes of their terms, (3, n, m)."""
        alone, one = (
            self._equations.respond_apart(first, second, self._base.fresh),
            self._identity(first, second),
        )
        squared = (here.kappa * along.weights) @ there.kappa.T
        left = (here.rest * (along.weights * along.levels)) @ there.rest.T
        lifted = alone.lift * squared
        tables = [alone.k * squared, pair.y * (left + lifted), one.k * squared]
        sizes = [
            np.abs(tables[0]) * alone.loss,
            np.abs(pair.y) * (np.abs(left) + np.abs(lifted)) * np.maximum(pair.loss, alone.loss),
            np.abs(tables[2]) * one.loss,
        ]
        return tables, np.array(sizes)

    def _identity(self, first: Points, second: Points) -> Independent:
        fresh = self._base.fresh
        one = Source(1.0, 0.0, 0.0, np.zeros_like(fresh.variance))
        return self._equations.respond_apart(first, second, one)

    def _own(self, points: Points, here: Map, along: Setting) -> ComplexArray:
        """How V sees cx + bξ of its own samples, along every direction."""
        (c, b), w = self.curves.slopes, self.curves.target.data
        seen = b * b + c * c * points.y[:, None] * along.levels
        return np.asarray(w * c * here.unseen[:, None] * along.levels + here.kappa * seen)

    @staticmethod
    def _apart(mean: FloatArray, own: FloatArray, along: Setting) -> FloatArray:
        return np.asarray((mean * own) @ along.weights)

    def _squared(self, mean: FloatArray, along: Setting) -> FloatArray:
        """Mean square of the mean map on fresh points."""
        c, b = self.curves.slopes
        return np.asarray((mean * mean) @ (along.weights * (c * c * along.levels + b * b)))

    def _at_end(self, points: Points) -> FloatArray:
        base, curves = self._base, self.curves
        along = curves.along(None, points)
        (u, w), (c, b) = curves.target, curves.slopes
        here = curves.map(points, along)
        pair = base.respond(points, points)
        tables, _ = self._tables(points, points, here, here, pair, along)
        features, samples, identity = (table.diagonal().real for table in tables)
        mean = here.kappa.real
        shared = mean @ (along.weights * (u * b + w * c * along.levels))
        own = here.forced.real
        if base.ridge > 0.0:
            square = base.respond(points, points, identity=True)
            own = own - base.ridge * here.own_spread(square, along)
            shared = shared - base.ridge * identity
        rows = self._own(points, here, along).real
        return np.array(
            [
                curves.by_map(mean, np.zeros_like(mean), along).bias,
                features,
                samples,
                own,
                shared,
                self._apart(mean, rows, along),
                self._squared(mean, along) + features + samples,
            ]
        )
