r"""What one asks of a training: when to stop, what each bulk does, how much data it needs.

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
from ..inputs.diffusion.prediction import Prediction
from ..result import ConvergenceWarning, Status, caller_level
from .families import Timescales
from .losses.reader import Reader
from .predictions.comparison import PredictionComparison, chosen_predictions, prediction_row
from .predictions.questions import PredictionCourse
from .predictions.ranking import ranking
from .results import BestStopping, KLBound, LearningCurves, Window
from .summaries.model import ModelSummary
from .summaries.times import automatic_times
from .summaries.training import TrainingSummary, nearest_directions

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

_BESIDE = 64  # points of a bulk whose directions are seen at once
_BOUND_TIMES = 1e-6, 1e3  # between which a bound on the divergence takes about a second


@dataclass(frozen=True)
class Training(PredictionCourse):
    """One model under one training rule, and what one asks of it.

    Made by `RandomFeatureModel.training`; parameters, curves and limits are those of `Course`.

    Examples
    --------
    >>> import rmtspec as rs
    >>> training = rs.RandomFeatureModel(psi_p=64, psi_n=8, t=0.1).training()
    >>> 0 < training.best_stopping().tau < training.timescales().tau_mem
    True
    """

    def summary(
        self,
        tau: ArrayLike | None = None,
        *,
        directions: Sequence[float] = (),
        collapse: Mapping[float, LearningCurves] | None = None,
        source: str | None = None,
        held_out: str | None = None,
        errors: Mapping[str, float] | None = None,
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
        errors : mapping from str to float, optional
            Relative errors of numbers, by name, because the population is estimated from samples.

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
        model = ModelSummary.of(self.model, source, held_out, errors=errors)
        levels = np.atleast_1d(_checks.real_array("directions", directions, 0.0, 1e100)).ravel()
        if collapse is not None and not isinstance(collapse, Mapping):
            raise TypeError(
                f"collapse must be a mapping to learning curves, got {_checks.shown(collapse)}"
            )
        pairs = nearest_directions(self, levels.tolist())
        return TrainingSummary.of(self, model, times, pairs, collapse or {})

    def best_stopping(self) -> BestStopping:
        r"""When to stop: the time at which test loss and score error are smallest.

        Returns
        -------
        BestStopping
            All NaN where the errors of the losses hide whether there is a gain, or whether the best
            time is before the end.

        Raises
        ------
        ValueError
            If the test loss is not known (given data without held-out rows).

        Warns
        -----
        ConvergenceWarning
            If the answer is hidden.

        Notes
        -----
        *Accuracy.*  The losses there are least within the `error` e of `learning_curves`.  The
        minimum is flat: with the test loss :math:`L_*+\tfrac12L''\ln^2(\tau/\tau_*)` the time is
        known to :math:`\sqrt{2e/L''}`, relative: about 1e-7 where training gains much, and 2e-5
        was met for eigenvalues :math:`k^{-2}` at t = 1, where :math:`L''` is 1e-9.  With steps of
        descent it is the nearest step.
        """
        self._require_fresh_data()
        return self._reader.best_stopping()

    def window(self, *, share: float = 0.05, excess: float = 0.1, fraction: float = 0.5) -> Window:
        """Training times between which the model generalises and does not memorise.

        Parameters
        ----------
        share : float in (0, 1)
            The window by loss is where the test loss is at most its least value and this part of
            the gain, which is what that value lies below the loss before training.
        excess : float > 0
            The score error counts as learned within the factor 1 + excess of its minimum.
        fraction : float in (0, 1)
            Memorisation has set in when test − train has reached this part of its final value.

        Raises
        ------
        TypeError, ValueError
            If an argument is out of range, or the test loss is not known.
        """
        self._require_fresh_data()
        return self._reader.window(self.timescales(), share, excess, fraction)

    @cached_property
    def _reader(self) -> Reader:
        return Reader(
            self._curves.losses,
            self._read,
            self.learning_curves,
            self.relaxation.times,
            self._times,
            lambda: self._offset,
            self._curves.unit,
            self.model.delta,
        )

    def compare(
        self,
        predictions: Sequence[str | Prediction] | None = None,
        *,
        flips: bool = True,
    ) -> PredictionComparison:
        """Predictions beside each other: when to stop, how good, and which is best where.

        Parameters
        ----------
        predictions : sequence of Prediction or names, optional
            Noise, data, v and velocity, and EDM with the variance of the data if that is not 1.
        flips : bool
            Whether the noise levels are searched at which two of them change places, along the path
            of the model, between signal-to-noise ratios of 1000 and 0.01; that takes seconds.  By
            the exact kernel of given rows every level is a kernel of its own: none is searched.

        Returns
        -------
        PredictionComparison
            A table when printed, a picture by its `plot`.

        Raises
        ------
        TypeError, ValueError
            If predictions are none of these, or the test loss is not known.

        Notes
        -----
        All are compared at the weight of this training, in the clock of predictions.  Levels at
        which rankings flip are good to 1e-4 in the logarithm of t.

        Examples
        --------
        >>> import rmtspec as rs
        >>> model = rs.RandomFeatureModel(16, 4, rs.NoiseLevel.ddpm(0.8))
        >>> found = model.training().compare(["noise", "data"])
        >>> found.best, round(found.flips[0]["alpha_bar"], 3)
        ('noise', 0.281)
        """
        self._require_fresh_data()
        flips = _checks.flag("flips", flips)
        chosen = chosen_predictions(predictions, self.model.population.mean)
        rows, curves = [], {}
        shared = replace(self, prediction=chosen[0])
        for one in chosen:
            training = replace(self, prediction=one)
            training.__dict__["_base"] = shared._base  # contours do not depend on the target
            rows.append(prediction_row(training, one))
            curves[one.name] = training.learning_curves(automatic_times(training))
        found = ranking(self, chosen) if flips and self.model.rows is None else None
        values = {
            "psi_p": self.model.psi_p,
            "psi_n": self.model.psi_n,
            "level": str(self.model.level),
            "weight": self.weight,
            "predictions": rows,
            "flips": [] if found is None else found.flips,
        }
        return PredictionComparison(values, curves, found)

    def timescales(self) -> Timescales:
        r"""Times at the lower ends of the families, as this rule of training has them.

        :math:`(1-\beta)\psi_p/(\omega'(\lambda+\gamma))`, ω' the `clock` (Δ_t by default): ridge
        and momentum (in the limit of small steps) counted in; see `RandomFeatureModel.timescales`.
        """
        plain = self.model.timescales()
        scale, slower = self.model.psi_p / self.clock, self.model.delta / self.clock
        families = tuple(
            family._replace(
                tau=(1.0 - self.momentum)
                * (scale / (family.lower + self.ridge) if self.ridge > 0.0 else slower * family.tau)
            )
            for family in plain.families
        )
        times = {family.name: family.tau for family in families}
        gen, mem, slow = (times.get(name, np.nan) for name in ("fast", "sample", "slow"))
        return Timescales(gen, mem, slow, plain.merged, families)

    def _read(self, tau: FloatArray) -> FloatArray:
        """Rows for searches: what is least where the test loss is, and the generalisation loss.

        `_offset` more than the first is the score error.  Of a prediction it is from the excess,
        which keeps its digits next to the least possible loss.  The second is in the unit of the
        curves.
        """
        rows = self._curves.sketched(self.relaxation.times(tau))
        test, (from_train, from_test) = rows[1], self._curves.starts
        gap = test - rows[0]
        if from_train != from_test:
            gap = gap + (from_test - from_train)
        if self.prediction is not None:
            # Without held-out rows enough for the score error, the test loss is as good.
            test = self._targets.converted * (rows[2] if np.isfinite(rows[2]).all() else test)
        return np.array([test, gap])

    @property
    def _offset(self) -> float:
        """Score error less what `_read` says."""
        return self._precision if self.prediction is None else 0.0

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
        model, curves, targets = self.model, self._base, self._targets
        ensemble = model.ensemble
        bulks = len(model.spectrum().support)
        if curves.silent or not bulks:
            return np.zeros(bulks)

        def through(points: Points) -> ComplexArray:
            return curves.along(points, None) if self.prediction is None else targets.forced(points)

        def released(distance: FloatArray) -> FloatArray:
            found = ensemble.equations.solve(distance.astype(np.complex128))
            known = found.status == Status.CONVERGED  # not at the very edge of a bulk, perhaps
            order = np.flatnonzero(known)[np.argsort(distance[known])]
            k, y = found.k[order], found.y[order]
            # A few neighbours see few directions of many; all points together see each of them.
            pieces = range(0, order.size, _BESIDE)
            seen = [through(Points(k[i : i + _BESIDE], y[i : i + _BESIDE])).imag for i in pieces]
            relative = np.concatenate(seen) / (1.0 / (model.psi_p * k)).imag  # dμ/dρ_U, smooth
            relative = np.interp(distance, distance[order], relative)
            x = curves.base + distance
            weight: FloatArray = relative * (1.0 / x + self.ridge / x**2)
            return weight

        shares: FloatArray = model.spectrum().bulk_integrals(released, from_origin=True)
        if self.prediction is None:
            shares *= curves.noise_square
        total = -self._curves.unit * self._curves.final(None)[0]
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
            by going down from above in factors of 2; NaN if it stays below, inf if it is above
            at 1e9 already.

        Raises
        ------
        TypeError, ValueError
            If an argument is out of range, the step is unstable at a psi_n on the way, or the
            model is one of given data.
        """
        when = _checks.real_array("tau", tau, 0.0, infinite=True)
        if when.ndim != 0 or when == 0.0:
            raise ValueError(f"tau must be a number > 0, got {_checks.shown(tau)}")
        gap = _checks.positive("gap", gap)
        if self.model.conditional:
            raise ValueError("memorisation_boundary varies psi_n, which given data have fixed")

        def excess(log_n: float) -> float:
            there = self._elsewhere(psi_n=float(np.exp(log_n)))
            return float(there._curves.unit * there._read(when.ravel())[1, 0]) - gap

        from scipy.optimize import brentq

        least, high = np.log(1e-3), np.log(1e9)
        if (value := excess(high)) >= 0.0:
            return np.inf
        low = high
        while value < 0.0 and low > least:
            # It rises like 1/psi_n, so that half of the way to the boundary is a safe step.
            way = 0.5 * np.log(gap / max(value + gap, 1e-6 * gap))
            low, high = max(low - max(way, np.log(2.0)), least), low
            value = excess(low)
        return float(np.exp(brentq(excess, low, high, xtol=1e-10))) if value >= 0.0 else np.nan

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
        t_min, t_max : float, 1e-6 <= t_min < t_max <= 1000
            Going on to 1e-10 moved the bound by 1e-6 at psi_p = 8, psi_n = 4, t = 0.1, and took
            twice the time.

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
            If 96 nodes in log t change the integral by more than 1e-6 of it and than the errors of
            the curves allow.
        """
        times = _checks.real_array("tau", tau, 0.0, infinite=True)
        t_min, t_max = (
            _checks.real(name, t, *_BOUND_TIMES) for name, t in (("t_min", t_min), ("t_max", t_max))
        )
        if not t_min < t_max:
            raise ValueError(f"t_min must be below t_max, got {t_min!r} and {t_max!r}")
        self._require_fresh_data()
        flat, order = times.ravel(), 12
        (integral, known), error = (
            self._integrated(flat, t_min, t_max, order),
            np.full_like(flat, np.inf),
        )
        while order < 96 and np.any(error > np.maximum(1e-6 * integral, known)):
            order *= 2
            finer, known = self._integrated(flat, t_min, t_max, order)
            integral, error = finer, np.abs(finer - integral)
        if np.any(error > np.maximum(1e-6 * integral, known)):
            warnings.warn(
                f"kl_bound: the integral over t is known to {float(error.max()):.1e} only",
                ConvergenceWarning,
                stacklevel=caller_level(),
            )
        known = self._base.setting
        left = np.exp(-2.0 * t_max) * (known.levels - 1.0)
        start = 0.5 * float(np.dot(known.weights, left - np.log1p(left)))
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
        """∫ E_score dt by Gauss-Legendre in log t, and how well E_score itself is known; rows."""
        nodes, weights = np.polynomial.legendre.leggauss(order)
        half = 0.5 * np.log(t_max / t_min)
        total = np.zeros((2, tau.size))
        for node, weight in zip(nodes, weights, strict=True):
            t = t_min * np.exp(half * (1.0 + node))
            at = self._elsewhere(t=float(t))
            # A path that is longer by a factor has scores shorter by it.
            longer = at.model.level.scale**2
            curves = at.learning_curves(tau)
            known = np.array([curves.score_error, curves.error / at.model.delta])
            total += half * weight * t * longer * known
        return total
