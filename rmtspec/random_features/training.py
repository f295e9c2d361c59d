r"""Training a random-feature score model: its learning curves and what one reads off them.

All times are gradient-flow times τ = (steps)·(learning rate)/d² (arXiv 2505.17638, Sect. 3.1).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _checks
from ..ensembles.two_point import Points
from ..result import ConvergenceWarning, Status, caller_level
from ..solve.search import first_true, log_grid, smallest
from .curves import MOST_NODES, Curves, Direction, Losses
from .families import Timescales
from .interfaces import Model
from .relaxation import GradientDescent, GradientFlow, HeavyBall, Relaxation
from .results import BestStopping, KLBound, LearningCurves, Window
from .summary import ModelSummary
from .times import automatic_times
from .training_summary import TrainingSummary, nearest_directions

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Training:
    r"""One model under one training rule; made by `RandomFeatureModel.training`.

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

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or out of range, the step is not below
        `stability_limit`, or the momentum is so close to 1 that the region of stability, an
        ellipse of semi-axes 1 ± β, is too thin to be resolved.

    Notes
    -----
    A non-zero mean feature adds to U one eigenvalue of order p.  Gradient flow relaxes it in a time
    1/p; steps of gradient descent that are stable in the limit would not be stable for it, so
    subtract the mean of the activation there.
    """

    model: Model
    step: float = 0.0
    momentum: float = 0.0
    ridge: float = 0.0
    initial: float = 0.0

    def __post_init__(self) -> None:
        for name in ("step", "ridge", "initial"):
            object.__setattr__(self, name, _checks.real(name, getattr(self, name), 0.0, 1e100))
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
        if momentum > 0.0 and self._curves.nodes() > MOST_NODES:
            raise ValueError(
                f"momentum must be farther below 1 at step {self.step!r}, got {momentum!r}: "
                f"a contour of {self._curves.nodes()} nodes (limit {MOST_NODES}) would be "
                "needed"
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
    def _curves(self) -> Curves:
        return Curves(self.model, self.relaxation, self.ridge, self.initial)

    @cached_property
    def stability_limit(self) -> float:
        r"""Steps from here on diverge: :math:`(1+\beta)\psi_p/(\Delta_t(\lambda_{max}+\gamma))`.

        The largest eigenvalue is the upper end of the spectrum or the highest outlier.
        """
        flow = Curves(self.model, GradientFlow(1.0), self.ridge, 0.0)
        top = self.model.delta * flow.ends[1]
        return (1.0 + self.momentum) * self.model.psi_p / top if top > 0.0 else np.inf

    def learning_curves(
        self, tau: ArrayLike, directions: ArrayLike | None = None
    ) -> LearningCurves:
        r"""Train and test loss, generalisation loss and score error over training time.

        The model of the score is :math:`s_A(x)=A\,\sigma(Wx/\sqrt d)/\sqrt p`, and

        .. math::  L=\tfrac1dE_\xi\big|\sqrt{\Delta_t}\,s_A(x_t)+\xi\big|^2,\qquad
                   x_t=e^{-t}x+\sqrt{\Delta_t}\,\xi,

        averaged over the n samples x for the train loss and over fresh ones for the test loss
        (arXiv 2505.17638, Sect. 3).  The formulas are derived in `rmtspec.random_features.curves`.

        Parameters
        ----------
        tau : array_like >= 0, any shape; inf for the end of training
            Training time (steps)·(learning rate)/d².
        directions : array_like of shape (m,), optional
            Eigenvalues of the data covariance: the curves of single eigendirections (of the output
            of the network) instead of their mean.  For random data any eigenvalue >= 0 may be
            asked, that of a spike above all; given the data, only eigenvalues of the data.

        Returns
        -------
        LearningCurves
            Arrays shaped like tau, or (m,) + tau.shape for directions; per dimension.  Losses are
            1 where A = 0.

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
        bounds it.  It adds the change by doubling the nodes of the contour to the rounding of the
        sums.
        """
        times = _checks.real_array("tau", tau, 0.0, infinite=True)
        flat = self.relaxation.times(times.ravel())
        if directions is None:
            rows = [self._curves.losses(flat)]
            precision = [self._precision]
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
            rows = [self._curves.losses(flat, direction) for direction, _ in found]
            precision = [value for _, value in found]
            shape = (*levels.shape, *times.shape)
        curves = self._assembled(flat.reshape(times.shape), rows, precision, shape)
        if not curves.converged:
            warnings.warn(
                "learning_curves: the resolvent could not be solved on the contour, or at the end "
                "of training; the curves are NaN there",
                ConvergenceWarning,
                stacklevel=caller_level(),
            )
        elif not self._curves.knows_fresh_data:
            warnings.warn(
                "learning_curves: only the train loss follows from the data; pass held-out rows "
                "to from_data as test for the others, which are NaN",
                UserWarning,
                stacklevel=caller_level(),
            )
        return curves

    def summary(
        self,
        tau: ArrayLike | None = None,
        *,
        directions: Sequence[float] = (),
        collapse: Mapping[float, LearningCurves] | None = None,
        source: str | None = None,
        held_out: str | None = None,
    ) -> TrainingSummary:
        """Everything this training says of itself, as values and as tables.

        Parameters
        ----------
        tau : array_like, shape (k,), optional
            Training times; by default those over which the losses change.
        directions : sequence of float
            Population eigenvalues whose own curves are shown too, to 1e-4 for given data.
        collapse : mapping, optional
            psi_n to curves of the same training, as `times.curves_beside` makes them.
        source, held_out : str, optional
            Where the data behind the population, and the rows kept from them, are from.

        Raises
        ------
        TypeError, ValueError
            If an argument is of the wrong kind or out of range, or the test loss is not known
            (given data without held-out rows).
        """
        if tau is None:
            times = automatic_times(self)
        else:
            given = _checks.real_array("tau", tau, 0.0, infinite=True)
            times = np.unique(self.relaxation.times(np.atleast_1d(given)))
        model = ModelSummary.of(self.model, source, held_out)
        pairs = nearest_directions(self, directions)
        return TrainingSummary.of(self, model, times, pairs, collapse or {})

    def _with_spikes(self, eigenvalues: FloatArray) -> Training:
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
        if not self._curves.knows_fresh_data:
            test = np.full_like(test, np.nan)
        score = test + np.array(precision).reshape(-1, 1)
        rounding = 4.0 * np.finfo(float).eps * (1.0 + delta * np.abs(np.nan_to_num(test)))
        return LearningCurves(
            tau,
            (1.0 + delta * train).reshape(shape),
            (1.0 + delta * test).reshape(shape),
            (delta * (test - train)).reshape(shape),
            score.reshape(shape),
            (delta * error + rounding).reshape(shape),
            converged,
        )

    @cached_property
    def _precision(self) -> float:
        """(1/d) Tr Σ_t^-1: the score error of A = 0."""
        return float(np.dot(self._curves.setting.weights, self._curves.setting.precision))

    def _direction(self, level: float) -> tuple[Direction, float]:
        """A direction, and the entry of Σ_t^-1 along it."""
        model, known = self.model, self._curves.setting
        if not model.conditional:
            noisy = np.exp(-2.0 * model.t) * level + model.delta
            return Direction(float(level), float(level)), float(1.0 / noisy)
        nearest = int(np.abs(known.levels - level).argmin())
        found = float(known.levels[nearest])
        if abs(found - level) > 1e-9 * known.levels[-1] or known.weights[nearest] == 0.0:
            raise ValueError(
                f"directions must be eigenvalues of the data, got {float(level)!r} "
                f"(nearest {found!r})"
            )
        direction = Direction(found, float(self._curves.fresh.variance[nearest]))
        return direction, float(known.precision[nearest])

    @cached_property
    def _times(self) -> FloatArray:
        """Times that cover the whole of training, ascending."""
        low, high = self._curves.ends
        if high == 0.0:  # no feature is seen: any time will do
            low = high = 1.0
        rate = self.relaxation.rate * (1.0 - self.momentum)
        last = 40.0 / (rate * max(low, 1e-20 * high))
        return log_grid(max(1e-3 / (self.relaxation.rate * high), self.step), max(last, self.step))

    def best_stopping(self) -> BestStopping:
        """When to stop: the time at which test loss and score error are smallest.

        Returns
        -------
        BestStopping
            The time to about 1e-7 (the minimum is flat), or the step of descent, and the losses
            there.

        Raises
        ------
        ValueError
            If the test loss is not known (given data without held-out rows).
        """
        self._require_fresh_data()
        tau = float(self.relaxation.times(np.array(smallest(self._test, self._times))))
        at = np.array([0.0, tau, np.inf])
        ordered = self._curves.losses(at)
        # A minimum that lies below the two ends only by rounding is none.
        margin = np.array([0.0, 1.0, 0.0]) * (ordered.error[1] + ordered.error[2])
        best = self.learning_curves(float(at[np.argmin(ordered.test + margin)]))
        return BestStopping(
            float(best.tau),
            float(best.train),
            float(best.test),
            float(best.generalization),
            float(best.score_error),
        )

    def window(self, *, excess: float = 0.1, fraction: float = 0.5) -> Window:
        """Training times between which the model generalises and does not memorise.

        Parameters
        ----------
        excess : float > 0
            The score error counts as learned within the factor 1 + excess of its minimum.
        fraction : float in (0, 1)
            Memorisation has set in when test − train has reached this part of its final value.

        Raises
        ------
        TypeError, ValueError
            If an argument is out of range, or the test loss is not known.
        """
        excess = _checks.positive("excess", excess)
        fraction = _checks.real("fraction", fraction, 0.0, 1.0, low_open=True, high_open=True)
        self._require_fresh_data()
        times, best = self.timescales(), self.best_stopping()
        end = self.learning_curves(np.inf)
        goal = (1.0 + excess) * best.score_error - self._precision
        memorised = fraction * float(end.generalization) / self.model.delta
        grid = later = self._times
        if 0.0 < best.tau < np.inf:
            grid, later = np.union1d(grid, best.tau), np.append(best.tau, grid[grid > best.tau])

        def learned(tau: FloatArray) -> NDArray[np.bool_]:
            return self._test(tau) <= goal

        def overfits(tau: FloatArray) -> NDArray[np.bool_]:
            found = self._curves.losses(self.relaxation.times(tau))
            return found.test - found.train >= memorised

        first = first_true(learned, grid)
        last = first_true(overfits, later) if memorised > 0.0 else np.nan
        first, last = self.relaxation.times(np.array([first, last]))
        return Window(times.tau_gen, times.tau_mem, float(first), float(last), excess, fraction)

    def timescales(self) -> Timescales:
        r"""Times at the lower ends of the families, as this rule of training has them.

        :math:`(1-\beta)\psi_p/(\Delta_t(\lambda+\gamma))`: ridge and momentum (in the limit of
        small steps) counted in; see `RandomFeatureModel.timescales`.
        """
        plain = self.model.timescales()
        scale = self.model.psi_p / self.model.delta
        families = tuple(
            family._replace(
                tau=(1.0 - self.momentum)
                * (scale / (family.lower + self.ridge) if self.ridge > 0.0 else family.tau)
            )
            for family in plain.families
        )
        times = {family.name: family.tau for family in families}
        gen, mem, slow = (times.get(name, np.nan) for name in ("fast", "sample", "slow"))
        return Timescales(gen, mem, slow, plain.merged, families)

    def _test(self, tau: FloatArray) -> FloatArray:
        return self._curves.losses(self.relaxation.times(tau)).test

    def _require_fresh_data(self) -> None:
        if not self._curves.knows_fresh_data:
            raise ValueError(
                "the test loss of given data needs held-out rows: pass them to from_data as test"
            )

    def bulk_shares(self) -> FloatArray:
        r"""Part of the train loss that each bulk of the spectrum takes away until τ = inf.

        :math:`b^2\int_{bulk}\mu(d\lambda)\big[\frac1{\lambda+\gamma}
        +\frac\gamma{(\lambda+\gamma)^2}\big]`, μ the measure of
        :math:`\frac1d\mathrm{Tr}\,W^\top(U-z)^{-1}W`.

        Returns
        -------
        (k,) ndarray in the order of ``model.spectrum().support``; bulk names are
        ``model.bulk_names()``.  The sum is 1 − train(inf) for A = 0 at the start.

        Warns
        -----
        ConvergenceWarning
            If it is not, to 1e-6 (eigenvalues that the quadrature of the law cannot resolve).
        """
        model, curves = self.model, self._curves
        ensemble = model.ensemble

        def released(distance: FloatArray) -> FloatArray:
            found = ensemble.equations.solve(distance.astype(np.complex128))
            known = found.status == Status.CONVERGED  # not at the very edge of a bulk, perhaps
            k, y = found.k[known], found.y[known]
            seen = curves.along(Points(k, y), None).imag
            relative = seen / (1.0 / (model.psi_p * k)).imag  # dμ/dρ_U, smooth on a bulk
            order = np.argsort(distance[known])
            relative = np.interp(distance, distance[known][order], relative[order])
            x = curves.base + distance
            weight: FloatArray = relative * (1.0 / x + self.ridge / x**2)
            return weight

        shares: FloatArray = model.spectrum().bulk_integrals(released, from_origin=True)
        shares *= model.coefficients.b**2
        total = -model.delta * curves.final(None)[0]
        if not abs(float(shares.sum()) - total) <= 1e-6 * total:
            warnings.warn(
                f"bulk_shares: the sum {float(shares.sum()):.6g} is not the decrease {total:.6g}",
                ConvergenceWarning,
                stacklevel=caller_level(),
            )
        return shares

    def memorisation_boundary(self, tau: float, *, gap: float = 0.1) -> float:
        """Samples per dimension below which the model has memorised by the time tau.

        Parameters
        ----------
        tau : float > 0, inf allowed
        gap : float > 0
            Generalisation loss (test − train) that counts as memorisation.

        Returns
        -------
        float
            The largest psi_n in [1e-3, 1e9] at which the generalisation loss at tau is `gap`, found
            by going down from above in factors of 2; NaN if it stays below.

        Raises
        ------
        TypeError, ValueError
            If an argument is out of range, the step is unstable at a psi_n on the way, or the
            model is one of given data.
        """
        when = _checks.real_array("tau", tau, 0.0, infinite=True)
        if when.ndim != 0 or when == 0.0:
            raise ValueError(f"tau must be a number > 0, got {tau!r:.80}")
        gap = _checks.positive("gap", gap)
        if self.model.conditional:
            raise ValueError("memorisation_boundary varies psi_n, which given data have fixed")

        def excess(log_n: float) -> float:
            there = self._elsewhere(psi_n=float(np.exp(log_n)))
            losses = there._curves.losses(self.relaxation.times(when.ravel()))
            return float(self.model.delta * (losses.test - losses.train)[0]) - gap

        from scipy.optimize import brentq

        low = high = np.log(1e9)
        while excess(low) < 0.0:
            low, high = low - np.log(2.0), low
            if low < np.log(1e-3):
                return np.nan
        return float(np.exp(brentq(excess, low, high, xtol=1e-10))) if high > low else 1e9

    def kl_bound(self, tau: ArrayLike, *, t_min: float = 1e-3, t_max: float = 5.0) -> KLBound:
        r"""Bound on the divergence of the generated law from the data, from the score error.

        By Girsanov's theorem, for the backward process of :math:`dx=-x\,dt+\sqrt2\,dB` that starts
        from a standard Gaussian at t_max and stops at t_min,

        .. math::  \tfrac1dD(P_{t_{min}}\|\hat P_{t_{min}})\le\tfrac1dD(P_{t_{max}}\|N(0,1))
                   +\int_{t_{min}}^{t_{max}}E_{score}(t)\,dt,

        each time t having a network of its own, trained for tau.  arXiv 2505.17638 states half of
        the integral; that is no bound: a standard Gaussian with the score −(1 + ε)x in place of −x
        has E_score = ε², and after t = 1/2 the divergence is 0.40 ε² to leading order.

        Parameters
        ----------
        tau : array_like >= 0, any shape; inf allowed
        t_min, t_max : float, 0 < t_min < t_max

        Returns
        -------
        KLBound
            Per dimension, in nats, for Gaussian data.

        Raises
        ------
        TypeError, ValueError
            If an argument is out of range, the step is unstable at a t on the way, or the test
            loss is not known.

        Warns
        -----
        ConvergenceWarning
            If 96 nodes in log t change the integral by more than 1e-6 of it.
        """
        times = _checks.real_array("tau", tau, 0.0, infinite=True)
        t_min, t_max = _checks.positive("t_min", t_min), _checks.positive("t_max", t_max)
        if not t_min < t_max:
            raise ValueError(f"t_min must be below t_max, got {t_min!r} and {t_max!r}")
        self._require_fresh_data()
        flat, order = times.ravel(), 12
        integral, error = self._integrated(flat, t_min, t_max, order), np.full(flat.shape, np.inf)
        while order < 96 and np.any(error > 1e-6 * integral):
            order *= 2
            finer = self._integrated(flat, t_min, t_max, order)
            integral, error = finer, np.abs(finer - integral)
        if np.any(error > 1e-6 * integral):
            warnings.warn(
                f"kl_bound: the integral over t is known to {float(error.max()):.1e} only",
                ConvergenceWarning,
                stacklevel=caller_level(),
            )
        left = np.exp(-2.0 * t_max) * (self._curves.setting.levels - 1.0)
        start = 0.5 * float(np.dot(self._curves.setting.weights, left - np.log1p(left)))
        shaped = integral.reshape(times.shape)
        return KLBound(times, start + shaped, start, shaped, error.reshape(times.shape))

    def _elsewhere(self, **change: float) -> Training:
        """The same training of a model with other parameters."""
        try:
            return replace(self, model=replace(self.model, **change))
        except ValueError as problem:
            where = ", ".join(f"{name} = {value:g}" for name, value in change.items())
            raise ValueError(f"{problem} (at {where}, which the answer needs)") from None

    def _integrated(self, tau: FloatArray, t_min: float, t_max: float, order: int) -> FloatArray:
        """∫ E_score dt by Gauss-Legendre in log t."""
        nodes, weights = np.polynomial.legendre.leggauss(order)
        half = 0.5 * np.log(t_max / t_min)
        total = np.zeros_like(tau)
        for node, weight in zip(nodes, weights, strict=True):
            t = t_min * np.exp(half * (1.0 + node))
            at = self._elsewhere(t=float(t))
            total += half * weight * t * at.learning_curves(tau).score_error
        return total
