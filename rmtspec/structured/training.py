r"""Training of a structured score network, and what one asks of it.

All times are gradient-flow times τ = (steps)·(learning rate)/d² (arXiv 2505.17638, Sect. 3.1).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _checks
from ..random_features.families import Timescales
from ..random_features.losses.reader import Reader
from ..random_features.losses.relaxation import (
    GradientDescent,
    GradientFlow,
    HeavyBall,
    Relaxation,
)
from ..random_features.results import BestStopping, Window
from ..result import ConvergenceWarning, caller_level
from ..solve.search import log_grid
from .curves import ClassCurves, ClassLosses, StructuredLosses
from .interfaces import Model
from .timescales import ClassTimescales, stages

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class StructuredTraining:
    r"""One structured model under one training rule, from A = 0; the model's `training` makes it.

    Parameters
    ----------
    model : MixtureModel or TimeIntegratedModel
    step, momentum, ridge : as for `rmtspec.random_features.losses.course.Course`

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or out of range, or the step is not below
        `stability_limit`.

    Notes
    -----
    Mean features add eigenvalues of order p.  Steps of gradient descent that are stable in the
    limit are not stable for them.

    Examples
    --------
    >>> import rmtspec as rs
    >>> classes = [rs.DataClass(0.5, 1.5), rs.DataClass(0.5, 0.5)]
    >>> training = rs.MixtureModel(8, 4, 0.1, classes).training()
    >>> best = training.best_stopping()
    >>> best.train < best.test < 1.0
    True
    """

    model: Model
    step: float = 0.0
    momentum: float = 0.0
    ridge: float = 0.0

    def __post_init__(self) -> None:
        if not hasattr(self.model, "setting"):
            raise TypeError(
                "model must be a MixtureModel or TimeIntegratedModel, "
                f"got {_checks.shown(self.model)}"
            )
        for name in ("step", "ridge"):
            object.__setattr__(self, name, _checks.real(name, getattr(self, name), 0.0, 1e100))
        momentum = _checks.real("momentum", self.momentum, 0.0, 1.0, high_open=True)
        object.__setattr__(self, "momentum", momentum)
        if momentum > 0.0 and self.step == 0.0:
            raise ValueError(f"momentum needs step > 0, got momentum {momentum!r} and step 0.0")
        if self.step > 0.0 and not self.step < self.stability_limit:
            raise ValueError(
                f"step must be below the stability limit {self.stability_limit:.6g}, "
                f"got {self.step!r}"
            )

    @cached_property
    def relaxation(self) -> Relaxation:
        """How a mode relaxes."""
        rate = 2.0 * self.model.delta / self.model.psi_p
        if self.step == 0.0:
            return GradientFlow(rate)
        if self.momentum == 0.0:
            return GradientDescent(rate, self.step)
        return HeavyBall(rate, self.step, self.momentum)

    @cached_property
    def stability_limit(self) -> float:
        r"""Steps from here on may diverge: :math:`(1+\beta)\psi_p/(\bar\Delta(\lambda+\gamma))`.

        λ bounds the spectrum, by norms; it is at most a few times the largest eigenvalue.
        """
        flow = StructuredLosses(self.model.ensemble, GradientFlow(1.0), self.ridge, 1.0)
        top = self.model.delta * flow.ends[1]
        return (1.0 + self.momentum) * self.model.psi_p / top

    @cached_property
    def losses(self) -> StructuredLosses:
        """Losses of all sets of samples, as functions of time."""
        model = self.model
        return StructuredLosses(model.ensemble, self.relaxation, self.ridge, model.delta)

    def learning_curves(self, tau: ArrayLike) -> ClassCurves:
        r"""Train and test loss over training time, of all data and of every class.

        The loss is :math:`\sum_k\omega_k\frac1dE|\sqrt{\Delta_k}S(x_{t_k},t_k)+\xi|^2`, averaged
        over the n samples, or those of a class, for the train losses and over fresh ones for the
        test losses.

        Parameters
        ----------
        tau : array_like >= 0, any shape; inf for the end of training

        Returns
        -------
        ClassCurves
            Arrays shaped like tau, those of the classes (Y,) + tau.shape; per dimension.

        Raises
        ------
        TypeError, ValueError
            If tau is not real or negative.

        Warns
        -----
        ConvergenceWarning
            Once, if a curve could not be computed; it is NaN.

        Notes
        -----
        *Accuracy.*  `error` is four times the difference of two formulas for the train loss, about
        1e-10, plus rounding.  Rules over biases and projections of few nodes cost more: 16 nodes
        are good to 1e-3.
        """
        times = _checks.real_array("tau", tau, 0.0, infinite=True)
        flat = self.relaxation.times(times.ravel())
        found = self.losses.losses(flat)
        rows = found.rows.reshape(len(found.rows), *times.shape)
        count = len(self.model.class_weights)
        converged = bool(np.isfinite(found.error).all())
        curves = ClassCurves(
            flat.reshape(times.shape),
            rows[1],
            rows[0],
            rows[0] - rows[1],
            (rows[0] - self.model.setting.optimum) / self.model.delta,
            self.model.delta * found.error.reshape(times.shape),
            converged,
            rows[2 + count :],
            rows[2 : 2 + count],
            self.model.class_weights,
        )
        if not converged:
            warnings.warn(
                "learning_curves: the equations could not be solved on the contour; the curves "
                "are NaN there",
                ConvergenceWarning,
                stacklevel=caller_level(),
            )
        return curves

    def best_stopping(self) -> BestStopping:
        """When to stop: the time at which the test loss of all data is smallest.

        Returns
        -------
        BestStopping
            As for a random-feature model, accuracy and warning too; see
            `rmtspec.random_features.training.Training.best_stopping`.
        """
        return self._reader.best_stopping()

    def window(self, *, share: float = 0.05, excess: float = 0.1, fraction: float = 0.5) -> Window:
        """Training times between which the model generalises and does not memorise.

        Parameters and result are those of `rmtspec.random_features.training.Training.window`.

        Raises
        ------
        TypeError, ValueError
            If an argument is out of range.
        """
        return self._reader.window(self.spectral_times(), share, excess, fraction)

    def timescales(self) -> ClassTimescales:
        """Times at which all data, and every class, are generalised and memorised."""
        return ClassTimescales.of(self.spectral_times(), self.stages())

    def stages(self) -> FloatArray:
        """Times τ_gen, τ_mem and τ_gap by the curves; see `timescales`.

        Returns
        -------
        (1 + Y, 3) ndarray
            Of all data, then of every class.
        """
        count = len(self.model.class_weights)

        def of(test: int, train: int) -> tuple[float, float, float]:
            def losses(tau: FloatArray) -> FloatArray:
                return self.losses.losses(self.relaxation.times(tau)).rows[[test, train]]

            return stages(losses, self.grid)

        pairs = [(0, 1)] + [(2 + y, 2 + count + y) for y in range(count)]
        return np.array([of(*pair) for pair in pairs])

    def spectral_times(self) -> Timescales:
        """Times at the lower ends of the families, ridge and momentum counted in."""
        scale = (1.0 - self.momentum) * self.model.psi_p / self.model.delta
        families = tuple(
            family._replace(
                tau=scale / (family.lower + self.ridge)
                if family.lower + self.ridge > 0.0
                else np.inf
            )
            for family in self.model.families
        )
        times = {family.name: family.tau for family in families}
        gen, mem, slow = (times.get(name, np.nan) for name in ("fast", "sample", "slow"))
        merged = any(one.merged for one in families if one.name in ("fast", "sample", "slow"))
        return Timescales(gen, mem, slow, merged, families)

    @cached_property
    def grid(self) -> FloatArray:
        """Times that cover the whole of training, ascending."""
        low, high = self.losses.ends
        rate = self.relaxation.rate * (1.0 - self.momentum)
        last = 40.0 / (rate * max(low, 1e-12 * high))
        return log_grid(max(1e-3 / (self.relaxation.rate * high), self.step), max(last, self.step))

    @cached_property
    def _reader(self) -> Reader:
        precision = (self.losses.initial[0] - self.model.setting.optimum) / self.model.delta

        def losses(tau: FloatArray) -> ClassLosses:
            return self.losses.losses(tau)

        def read(tau: FloatArray) -> FloatArray:
            found = losses(self.relaxation.times(tau))
            return np.array([found.test, found.test - found.train])

        return Reader(
            losses,
            read,
            self.learning_curves,
            self.relaxation.times,
            self.grid,
            lambda: float(precision),
            self.model.delta,
            self.model.delta,
        )
