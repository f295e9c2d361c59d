r"""The course of one training: the losses of a random-feature model along it.

All times are gradient-flow times τ = (steps)·(learning rate)/d² (arXiv 2505.17638, Sect. 3.1).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ... import _checks
from ...inputs.diffusion.prediction import Prediction
from ...result import ConvergenceWarning, DataWarning, caller_level
from ...solve.search import log_grid
from ..interfaces import Model
from ..results import LearningCurves, PredictionCurves
from .curves import MOST_NODES, Curves, Direction, Losses
from .given import curves_of
from .kernel_targets import targets_of
from .relaxation import GradientDescent, GradientFlow, HeavyBall, Relaxation
from .targets import TargetCurves

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Course:
    r"""One model under one training rule, and its learning curves; see `Training`.

    Parameters
    ----------
    model : RandomFeatureModel
    step : float >= 0
        Increment of τ of one step of gradient descent, (learning rate)/d²; 0 is gradient flow.
        Times are rounded to whole steps.
    momentum : float in [0, 1)
        β of the heavy ball :math:`A_{k+1}=A_k-h\nabla L+\beta(A_k-A_{k-1})`; needs step > 0.  With
        small steps it is gradient flow 1/(1 − β) times as fast; with others it overshoots.
    ridge : float >= 0
        γ, added to every eigenvalue of U: the penalty
        :math:`\frac{\Delta_t\gamma}{dp}|A|^2` on the loss.  Reported losses are without it.
    initial : float >= 0
        Standard deviation of the independent entries of A at τ = 0.
    prediction : Prediction or its name, optional
        What the network N = Aφ/√p is trained to predict.  By default it is the score itself.
    weight : float in [1e-100, 1e100]
        Factor ω on the loss, which is a factor on time.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or out of range, the step is not below
        `stability_limit`, or the momentum is so close to 1 that the region of stability, an
        ellipse of semi-axes 1 ± β, is too thin to be resolved.

    Notes
    -----
    *Clock.*  τ is the time of :math:`\dot A=-d^2\nabla_AL`.  The loss of a score network is
    :math:`L=\frac\omega dE|\sigma s_A+\xi|^2`, σ = √Δ_t, and a mode of eigenvalue λ relaxes as
    :math:`e^{-2\omega\sigma^2\lambda\tau/\psi_p}`; that of a prediction is
    :math:`L=\frac\omega dE|N-\zeta|^2`, and the mode relaxes as
    :math:`e^{-2\omega\lambda\tau/\psi_p}`: the score network is the prediction of noise whose
    clock is slower by σ².  Reported losses are without ω.

    A non-zero mean feature adds to U one eigenvalue of order p.  Gradient flow relaxes it in a time
    1/p; steps of gradient descent that are stable in the limit would not be stable for it, so
    subtract the mean of the activation there.
    """

    model: Model
    step: float = 0.0
    momentum: float = 0.0
    ridge: float = 0.0
    initial: float = 0.0
    prediction: Prediction | None = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not hasattr(self.model, "ensemble"):
            raise TypeError(f"model must be a RandomFeatureModel, got {_checks.shown(self.model)}")
        for name in ("step", "ridge", "initial"):
            object.__setattr__(self, name, _checks.real(name, getattr(self, name), 0.0, 1e100))
        object.__setattr__(self, "weight", _checks.real("weight", self.weight, 1e-100, 1e100))
        if self.prediction is not None:
            prediction = Prediction.named(self.prediction)
            object.__setattr__(self, "prediction", prediction)
            noise, data = prediction.target(self.model.level)
            # Where the level holds no data, noise is all there is to be shown, and to be said.
            said = self.model.level.alpha == 0.0 and data == 0.0 and noise != 0.0
            if prediction.delta(self.model.level) == 0.0 and not said:
                raise ValueError(
                    "prediction must not be a multiple of what the network is shown, which says "
                    f"nothing of the noise, got {prediction!r} at {self.model.level}"
                )
        momentum = _checks.real("momentum", self.momentum, 0.0, 1.0, high_open=True)
        object.__setattr__(self, "momentum", momentum)
        if momentum > 0.0 and self.step == 0.0:
            raise ValueError(
                f"momentum needs step > 0, got momentum {momentum!r} and step 0.0; with small "
                "steps it is gradient flow that runs 1/(1 - momentum) times as fast"
            )
        if self.step > 0.0 and not self.step < self.stability_limit:
            raise ValueError(
                f"step must be below the stability limit {self.stability_limit:.6g}, "
                f"got {self.step!r}"
            )
        if momentum > 0.0 and not self._base.silent and self._base.nodes() > MOST_NODES:
            raise ValueError(
                f"momentum must be farther below 1 at step {self.step!r}, got {momentum!r}: "
                f"a contour of {self._base.nodes()} nodes (limit {MOST_NODES}) would be "
                "needed"
            )

    @property
    def clock(self) -> float:
        """A mode of eigenvalue λ relaxes in the time ψ_p/(clock·λ): ωΔ_t, or ω of a prediction."""
        return self.weight * (self.model.delta if self.prediction is None else 1.0)

    @cached_property
    def relaxation(self) -> Relaxation:
        """How a mode relaxes."""
        rate = 2.0 * self.clock / self.model.psi_p
        if self.step == 0.0:
            return GradientFlow(rate)
        if self.momentum == 0.0:
            return GradientDescent(rate, self.step)
        return HeavyBall(rate, self.step, self.momentum)

    @cached_property
    def _base(self) -> Curves:
        """Curves of the score network, whose contours all targets share."""
        return curves_of(self.model, self.relaxation, self.ridge, self.initial)

    @cached_property
    def _targets(self) -> TargetCurves:
        """Curves of what the network itself learns, in units of its target."""
        level = self.model.level
        prediction = Prediction.noise() if self.prediction is None else self.prediction
        return targets_of(self._base, prediction.target(level), prediction.delta(level))

    @property
    def _curves(self) -> Curves | TargetCurves:
        return self._base if self.prediction is None else self._targets

    @cached_property
    def stability_limit(self) -> float:
        r"""Steps from here on diverge: :math:`(1+\beta)\psi_p/(\omega'(\lambda_{max}+\gamma))`.

        ω' is the `clock`, Δ_t by default.

        The largest eigenvalue is the upper end of the spectrum or the highest outlier.
        """
        flow = curves_of(self.model, GradientFlow(1.0), self.ridge, 0.0)
        top = self.clock * flow.ends[1]
        return (1.0 + self.momentum) * self.model.psi_p / top if top > 0.0 else np.inf

    def learning_curves(
        self, tau: ArrayLike, directions: ArrayLike | None = None
    ) -> LearningCurves:
        r"""Train and test loss, generalisation loss and score error over training time.

        The model of the score is :math:`s_A(x)=A\,\sigma(Wx/\sqrt d)/\sqrt p`, and

        .. math::  L=\tfrac1dE_\xi\big|\sqrt{\Delta_t}\,s_A(x_t)+\xi\big|^2,\qquad
                   x_t=e^{-t}x+\sqrt{\Delta_t}\,\xi,

        averaged over the n samples x for the train loss and over fresh ones for the test loss
        (arXiv 2505.17638, Sect. 3).  The formulas are derived in `losses.curves`, for a network
        that predicts something else in `losses.targets`.

        Parameters
        ----------
        tau : array_like >= 0, any shape; inf for the end of training
            Training time (steps)·(learning rate)/d²; see Notes of `Training` for its clock.
        directions : array_like of shape (m,), optional
            Eigenvalues of the data covariance: the curves of single eigendirections (of the output
            of the network) instead of their mean.  For random data any eigenvalue >= 0 may be
            asked, that of a spike above all; given the data, only eigenvalues of the data.

        Returns
        -------
        LearningCurves
            Arrays shaped like tau, or (m,) + tau.shape for directions; per dimension.  Losses are
            1 where A = 0.  Of a prediction `PredictionCurves`: losses are those of its target.

        Raises
        ------
        TypeError, ValueError
            If tau or directions are not real or out of range, or directions not a vector.

        Warns
        -----
        ConvergenceWarning
            Once, if a curve could not be computed; it is NaN.
        UserWarning
            For a model of given data without held-out rows: only the train loss is known, the
            others are NaN.

        Notes
        -----
        *Accuracy.*  About 1e-13 of the largest loss on the curve for moderate parameters; `error`
        bounds it.  It adds what every second node of the contour tells of all (`losses.sums`) to
        the rounding of the sums.
        """
        times = _checks.real_array("tau", tau, 0.0, infinite=True)
        flat = self.relaxation.times(times.ravel())
        if directions is None:
            found: list[tuple[Direction | None, float]] = [(None, self._precision)]
            shape = times.shape
        else:
            levels = _checks.real_array("directions", directions, 0.0)
            if levels.ndim != 1:
                raise ValueError(f"directions must be a vector, got shape {levels.shape}")
            known = np.append(self.model.population.eigenvalues, self.model.population.spikes)
            alone = np.setdiff1d(levels, known)
            if alone.size and not self.model.conditional:
                return self._with_spikes(alone).learning_curves(tau, levels)
            found = [self._direction(level) for level in levels]
            shape = (*levels.shape, *times.shape)
        at = flat.reshape(times.shape)
        if self.prediction is None:
            rows = [self._base.losses(flat, direction) for direction, _ in found]
            curves = self._assembled(at, rows, [value for _, value in found], shape)
        else:
            curves = self._predicted(at, found, shape, directions is not None)
        if not curves.converged:
            warnings.warn(
                "learning_curves: the resolvent could not be solved on the contour, or at the end "
                "of training; the curves are NaN there",
                ConvergenceWarning,
                stacklevel=caller_level(),
            )
        elif not self._base.knows_fresh_data:
            warnings.warn(
                "learning_curves: only the train loss follows from the data; pass held-out rows "
                "to from_data as test for the others, which are NaN",
                UserWarning,
                stacklevel=caller_level(),
            )
        return curves

    def _with_spikes(self, eigenvalues: FloatArray) -> Self:
        """The same training where single directions have these variances: no law changes."""
        population = self.model.population
        spikes = np.append(population.spikes, eigenvalues)
        return replace(
            self, model=replace(self.model, population=replace(population, spikes=spikes))
        )

    def _assembled(
        self,
        tau: FloatArray,
        rows: list[Losses],
        precision: list[float],
        shape: tuple[int, ...],
    ) -> LearningCurves:
        train, test, error = (
            (np.array(column).reshape((len(rows), -1)) for column in zip(*rows, strict=True))
            if rows
            else (np.empty((0, tau.size)),) * 3
        )
        delta = self.model.delta
        converged = bool(np.isfinite(error).all())
        if not self._base.knows_fresh_data:
            test = np.full_like(test, np.nan)
        score = test + np.array(precision).reshape(-1, 1)
        score[np.any(score < -error, axis=1)] = np.nan  # of single directions, as of their mean
        rounding = 4.0 * np.finfo(float).eps * (1.0 + delta * np.fmax(np.abs(test), 0.0))
        return LearningCurves(
            tau,
            (1.0 + delta * train).reshape(shape),
            (1.0 + delta * test).reshape(shape),
            (delta * (test - train)).reshape(shape),
            score.reshape(shape),
            (delta * error + rounding).reshape(shape),
            converged,
        )

    def _predicted(
        self,
        tau: FloatArray,
        found: list[tuple[Direction | None, float]],
        shape: tuple[int, ...],
        apart: bool,
    ) -> PredictionCurves:
        """Curves of a prediction, and of its single directions."""
        curves = self._targets
        times = np.append(tau.ravel(), np.inf)
        rows = [curves.course(times, direction) for direction, _ in found]
        stacked = [np.array(column).reshape(len(rows), -1) for column in zip(*rows, strict=True)]
        train, test, excess, error = stacked if rows else [np.empty((0, times.size))] * 4
        starts = np.array(
            [curves.starts if at is None else curves.start_along(at) for at, _ in found]
        ).reshape(len(found), 2)
        least = np.array([curves.least_along(curves.along(at)) for at, _ in found])
        precision = np.array([value for _, value in found])
        if not self._base.knows_fresh_data:
            starts[:, 1], test = np.nan, np.full_like(test, np.nan)
            excess = np.full_like(excess, np.nan)
        # A law of the data that is refuted has no least loss.
        least[np.isnan(precision)], excess[np.isnan(precision)] = np.nan, np.nan
        if self.model.conditional:
            slack = error + 4.0 * np.finfo(float).eps * starts[:, 1:]
            excess[np.any(excess < -slack, axis=1)] = np.nan
            excess = np.maximum(excess, 0.0)
        score = curves.converted * excess
        train, test = starts[:, :1] + train, starts[:, 1:] + test
        sizes = np.fmax(np.abs(train), 0.0) + np.fmax(np.abs(test), 0.0)  # 0 for NaN
        rounding = 4.0 * np.finfo(float).eps * (starts[:, :1] + sizes)
        numbers = (*starts.T, train[:, -1], test[:, -1], least)
        initial_train, initial_test, final_train, final_test, best = (
            column if apart else float(column[0]) for column in numbers
        )
        columns = (train, test, test - train, score, error + rounding, excess)
        names = ("train", "test", "generalization", "score_error", "error", "excess")
        shaped: dict[str, Any] = {
            name: column[:, :-1].reshape(shape) for name, column in zip(names, columns, strict=True)
        }
        assert self.prediction is not None
        return PredictionCurves(
            tau=tau,
            **shaped,
            converged=bool(np.isfinite(error[:, :-1]).all()),
            prediction=self.prediction,
            level=self.model.level,
            weight=self.weight,
            initial_train=initial_train,
            initial_test=initial_test,
            final_train=final_train,
            final_test=final_test,
            best_possible=best,
        )

    @cached_property
    def _times(self) -> FloatArray:
        """Times that cover the whole of training, ascending."""
        low, high = self._base.ends
        if high == 0.0:  # no feature is seen: any time will do
            low = high = 1.0
        rate = self.relaxation.rate * (1.0 - self.momentum)
        last = 40.0 / (rate * max(low, 1e-20 * high))
        return log_grid(max(1e-3 / (self.relaxation.rate * high), self.step), max(last, self.step))

    @cached_property
    def _precision(self) -> float:
        """(1/d) Tr Σ_t^-1: the score error of A = 0; NaN where that law is refuted.

        No network has a lower loss than the true score.  One that the exact kernel sees below the
        score of Gaussian data of this covariance says that the data are not such.
        """
        value = float(np.dot(self._base.setting.weights, self._base.setting.precision))
        if self._base.of_gaussian_data or not np.isfinite(value):
            return value
        least = self._base.losses(np.append(self._times, np.inf))
        if np.all(value + least.test >= -least.error):
            return value
        warnings.warn(
            "the score error is that to the score of Gaussian data with the covariance of the "
            "held-out rows, and on these rows networks do better than that score: it is NaN; the "
            "test loss is known",
            DataWarning,
            stacklevel=caller_level(),
        )
        return float("nan")

    def _direction(self, level: float) -> tuple[Direction, float]:
        """A direction, and the entry of Σ_t^-1 along it."""
        model, known = self.model, self._base.setting
        if not model.conditional:
            noisy = model.signal * level + model.delta
            return Direction(float(level), float(level)), float(1.0 / noisy)
        nearest = int(np.abs(known.levels - level).argmin())
        found = float(known.levels[nearest])
        if abs(found - level) > 1e-9 * known.levels[-1] or known.weights[nearest] == 0.0:
            raise ValueError(
                f"directions must be eigenvalues of the data, got {float(level)!r} "
                f"(nearest {found!r})"
            )
        direction = Direction(found, float(np.nan_to_num(known.variance[nearest])))
        return direction, float(known.precision[nearest])
