r"""Learning curves of any target on given rows, by the exact kernel of random neurons.

Of one neuron the means :math:`m_\nu/\sqrt n` on the samples and the noise part V are known
(`ensembles.neuron_moments`), so :math:`\frac1n\sum E_\xi\sigma\zeta^\top` is a combination of them:
u times the noise part plus :math:`w\sum_\nu(m_\nu/\sqrt n)x_\nu^\top/\sqrt n`.  Traces of
`ensembles.exact_kernel` take any such combination of rows as their target.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...ensembles.exact_kernel import ExactKernelGram
from ...ensembles.two_point import Points
from ...inputs.diffusion.prediction import Target
from .curves import Curves, Direction, Grid
from .given import KernelCurves
from .setting import Setting
from .sums import Values, single
from .targets import Course, TargetCurves

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]


def targets_of(base: Curves, target: Target, delta: float) -> TargetCurves:
    """The losses of a target, whatever the ensemble is."""
    kind = KernelTargetCurves if isinstance(base, KernelCurves) else TargetCurves
    return kind(base, target, delta)


@dataclass(frozen=True, eq=False)
class KernelTargetCurves(TargetCurves):
    """Losses of one target on given rows; parameters are those of `TargetCurves`."""

    @property
    def _gram(self) -> ExactKernelGram:
        gram = self.base.model.ensemble
        assert isinstance(gram, ExactKernelGram)
        return gram

    @cached_property
    def _rows(self) -> FloatArray:
        """The target as combinations of what is known of a neuron, (d, m)."""
        u, w = self.target
        rows = u * self._gram.equations.target
        return np.asarray(rows + w * self._gram.data_target if w != 0.0 else rows)

    @cached_property
    def _fresh_rows(self) -> FloatArray:
        """The same of fresh rows, (m, d)."""
        (u, w), fresh = self.target, self._gram.fresh
        if fresh.target is None or fresh.data is None:
            return np.zeros_like(self._rows.T)
        return np.asarray(u * fresh.target + w * fresh.data)

    @cached_property
    def _fresh_variance(self) -> float:
        """Mean square of the fresh rows about the mean of the samples."""
        others = self._gram.others
        return float("nan") if others is None else float(np.mean(others * others))

    def forced(self, points: Points) -> ComplexArray:
        """X at points, averaged over all directions."""
        return self._gram.equations.along(points, self._rows)

    def course(self, tau: FloatArray, direction: Direction | None = None) -> Course:
        """Losses at flat times, inf included; NaN where the tables could not be made."""
        base, along = self.base, self.along(direction)
        assert isinstance(base, KernelCurves)
        if self.sees_nothing:
            zero = np.zeros_like(tau)
            return Course(zero, zero, self._above(zero, along, direction), zero)
        rows, fresh = self._rows, self._fresh_rows
        if direction is not None:
            basis = base.basis(direction)
            rows, fresh = basis.T @ rows, fresh @ basis

        def on_grid(grid: Grid, times: FloatArray) -> Values:
            equations = self._gram.equations
            f, own = grid.filtered(times), equations.along(grid.points, rows)
            cross = equations.cross_along(grid.points, rows, fresh)
            train = grid.fit(f, grid.weights * own)
            known = single(f, grid.weights * cross, grid.ulp)
            square = grid.form(*self._double(grid, rows)).sums(f, grid.ulp)
            values = np.array([train.values, square.values - 2.0 * known.values])
            errors = np.array([train.errors, square.errors + 2.0 * known.errors])
            return grid.with_start(times, Values(values, errors))

        found = base.over_times(
            tau, 2, on_grid,
            lambda: base.end(2, lambda points: self._at_last(points, rows, fresh)),
        )  # fmt: skip
        train, test = found.values
        return Course(train, test, self._above(test, along, direction), found.errors.max(axis=0))

    def _above(self, test: FloatArray, along: Setting, direction: Direction | None) -> FloatArray:
        variance = self._fresh_variance if direction is None else direction.variance
        least = self.least(along)
        return self._start(variance) - least + test

    def _double(self, grid: Grid, rows: FloatArray) -> list[ComplexArray]:
        mirrored = grid.points.conjugate()
        return [
            self._gram.equations.pair_along(grid.points, second, pair, self._gram.fresh, rows)
            for second, pair in zip((grid.points, mirrored), grid.pairs, strict=True)
        ]

    def _at_last(self, points: Points, rows: FloatArray, fresh: FloatArray) -> FloatArray:
        base, equations = self.base, self._gram.equations
        cross = equations.cross_along(points, rows, fresh).real
        pair = base.respond(points, points)
        double = equations.pair_along(points, points, pair, self._gram.fresh, rows)
        train = -equations.along(points, rows).real
        if base.ridge > 0.0:
            assert isinstance(base, KernelCurves)
            one = base.source(identity=True)
            square = base.respond(points, points, identity=True)
            slope = equations.pair_along(points, points, square, one, rows)
            train -= base.ridge * slope.diagonal().real
        return np.array([train, double.diagonal().real - 2.0 * cross])

    @property
    def sees_nothing(self) -> bool:
        """Whether all features are 0."""
        return self.base.silent

    def _pull(self, points: Points) -> ComplexArray:
        """Rows P_train − P_fresh and P_fresh at points."""
        gram, poles = self._gram, self._gram.equations.poles(points)
        own = (self._rows * gram.data_target).mean(axis=0) * gram.equations.mu
        data = gram.fresh.data
        if data is None:
            unknown = np.full(points.k.shape, complex(np.nan, np.nan))
            return np.array([unknown, unknown])
        fresh = poles @ (self._rows.T * data).mean(axis=1)
        return np.array([poles @ own - fresh, fresh])
