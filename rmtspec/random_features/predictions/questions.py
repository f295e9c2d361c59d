r"""What one asks of one training about skips, second data sets and its own samples."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ... import _checks
from ...inputs.diffusion.prediction import Target
from ...result import ConvergenceWarning, caller_level
from ...solve.search import first_true
from ..losses.course import Course
from ..losses.kernel_targets import targets_of
from ..losses.targets import TargetCurves
from ..losses.two_data_sets import TwoDataSetCurves
from .results import BestSkip, TwoDataSets

FloatArray = NDArray[np.float64]

_TWO = (
    "tau",
    "distance",
    "train_distance",
    "bias",
    "variance",
    "feature_variance",
    "score_error",
    "error",
    "train_error",
)
_EARLIER = 1e-12  # times before the first mode moves, in which the memorised fraction is linear


@dataclass(frozen=True)
class PredictionCourse(Course):
    """A training, asked about skips, second data sets and its own samples; see `Training`."""

    def best_skip(self, tau: ArrayLike) -> BestSkip:
        r"""The skip in front of the network with which its score is best at given times.

        :math:`E_{score}(\chi)=e_0-2\chi e_1+\chi^2e_2` for the target :math:`\xi-\chi x_s`, of
        which every prediction is a multiple: :math:`e_0` is that of predicting noise, :math:`e_2`
        that of representing :math:`x_s` itself, and :math:`\chi_{opt}=e_1/e_2`.

        Parameters
        ----------
        tau : array_like >= 0, any shape; inf for the end of training
            In the clock of this training, which the skip does not change.

        Returns
        -------
        BestSkip
            At τ = 0, σ/(α²σ_x² + σ²), which is EDM's with the variance of the data.

        Raises
        ------
        TypeError, ValueError
            If tau is not real or out of range, or the test loss is not known (given data without
            held-out rows).

        Notes
        -----
        *Accuracy.*  That of `learning_curves`, of the largest of the three forms.

        Examples
        --------
        >>> import rmtspec as rs
        >>> found = rs.RandomFeatureModel(16, 4, rs.NoiseLevel.ddpm(0.8)).training().best_skip(0.0)
        >>> round(float(found.skip), 6), bool(found.score_error < 1e-14)  # the exact score
        (0.447214, True)
        """
        times = _checks.real_array("tau", tau, 0.0, infinite=True)
        self._require_fresh_data()
        flat = self.relaxation.times(times.ravel())
        zero, one, two = self.forms(flat)
        with np.errstate(divide="ignore", invalid="ignore"):
            skip = one / two
            error = np.maximum(zero - one * skip, 0.0)
        shape = times.shape
        return BestSkip(
            flat.reshape(shape),
            skip.reshape(shape),
            error.reshape(shape),
            zero.reshape(shape),
        )

    def forms(self, tau: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        r"""The forms :math:`e_0,e_1,e_2` of `best_skip` at flat times."""
        excesses = [curves.course(tau).excess for curves in self._three]
        return self._forms(excesses)

    def sketched_forms(self, tau: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """The same at finite times without bounds, for searches."""
        return self._forms([curves.sketched(tau)[2] for curves in self._three])

    def _forms(self, excesses: list[FloatArray]) -> tuple[FloatArray, FloatArray, FloatArray]:
        zero, two, both = (excess / self.model.level.sigma**2 for excess in excesses)
        return zero, 0.5 * (both - zero - two), two

    @cached_property
    def _three(self) -> list[TargetCurves]:
        """Curves of ξ, x_s and their sum."""
        level = self.model.level
        alpha, sigma = level.alpha, level.sigma
        return [
            targets_of(self._base, Target(u, w), u * alpha - w * sigma)
            for u, w in ((1.0, 0.0), (sigma, alpha), (1.0 + sigma, alpha))
        ]

    @property
    def probes(self) -> FloatArray:
        """Times that cover the whole of training, ascending, without its ends."""
        return self._times

    def two_data_sets(self, tau: ArrayLike, *, same_features: bool = True) -> TwoDataSets:
        r"""Two networks trained on disjoint data: their distance, bias and variance of the score.

        Parameters
        ----------
        tau : array_like >= 0, any shape; inf for the end of training
            In the clock of this training.
        same_features : bool
            Whether both have the same W, or each its own.

        Returns
        -------
        TwoDataSets

        Raises
        ------
        TypeError, ValueError
            If an argument is of the wrong kind or out of range, the data are given (they are one
            set), or A(0) is not 0.

        Warns
        -----
        ConvergenceWarning
            Once, if a curve could not be computed; it is NaN.

        Notes
        -----
        Derived in `losses.two_data_sets`.  Averaging networks over data sets takes the variance
        away and leaves the bias, which at the end of training is the larger part: the mean score
        is too steep at fresh points.

        *Accuracy.*  That of `learning_curves`; `error` bounds it.  `train_distance` is a difference
        and loses digits at early times, where it is small.

        References
        ----------
        arXiv 2603.03469 measures such distances of trained networks.

        Examples
        --------
        >>> import rmtspec as rs
        >>> found = rs.RandomFeatureModel(32, 8, 0.1).training().two_data_sets([10.0, float("inf")])
        >>> [round(float(value), 4) for value in found.variance / found.score_error]
        [0.1401, 0.4197]
        """
        times = _checks.real_array("tau", tau, 0.0, infinite=True)
        same = _checks.flag("same_features", same_features)
        if self.model.conditional:
            raise ValueError("two_data_sets averages over data sets, of which the given one is one")
        if self.initial > 0.0:
            raise ValueError(
                f"two_data_sets needs A(0) = 0, got initial = {self.initial!r} in the training"
            )
        flat = self.relaxation.times(times.ravel())
        curves = self._targets
        split = TwoDataSetCurves(curves).split(flat)
        nu, noise = curves.converted, self.model.level.sigma**2
        kept = split.features if same else np.zeros_like(split.features)
        bias, variance = nu * (split.bias + kept), nu * (split.features - kept + split.samples)
        apart = split.own - 2.0 * (split.shared if same else split.apart) + split.fresh
        columns = (
            2.0 * noise * variance,
            noise * nu * apart,
            bias,
            variance,
            nu * split.features,
            bias + variance,
            nu * split.error,
            4.0 * noise * nu * split.train_error,
        )
        converged = bool(np.isfinite(split.error).all())
        if not converged:
            warnings.warn(
                "two_data_sets: the resolvent could not be solved on the contour, or at the end "
                "of training; the curves are NaN there",
                ConvergenceWarning,
                stacklevel=caller_level(),
            )
        shape = times.shape
        shaped = [column.reshape(shape) for column in (flat, *columns)]
        values: dict[str, Any] = dict(zip(_TWO, shaped, strict=True))
        return TwoDataSets(**values, same_features=same, converged=converged)

    def memorised_fraction(self, tau: ArrayLike) -> FloatArray:
        r"""Part of the pull to its own training samples that the score does not have elsewhere.

        .. math::  \beta(\tau)=1-\frac{E_{train}[\hat s\cdot x]}{E_{fresh}[\hat s\cdot x]},

        x the clean sample behind the noised point.  It is 0 where own samples are nothing special
        and 1 where they are fixed points of the denoiser.  There is no onset: for the noise target
        :math:`\beta=\omega\tau(v^2+c^2\sigma_x^2)/\psi_n+O(\tau^2)` (ω the clock), while
        test − train is :math:`O(\tau^3)` and the distance of two networks :math:`O(\tau^4)`:
        losses cannot see its beginning.

        Parameters
        ----------
        tau : array_like >= 0, any shape; inf for the end of training
            In the clock of this training.

        Returns
        -------
        ndarray of float64, shaped like tau
            NaN where a resolvent could not be solved, or the score has no pull to data at all.

        Raises
        ------
        TypeError, ValueError
            If tau is not real or out of range, or the data are given and there are no held-out
            rows.

        Notes
        -----
        Derived in `losses.targets`.  For random data the difference is taken before the average, so
        that early values keep their digits: relative errors are about 1e-13/min(τ/τ_first, 1).
        Of given data own samples are compared with the held-out rows.

        Examples
        --------
        >>> import numpy as np, rmtspec as rs
        >>> training = rs.RandomFeatureModel(32, 8, 0.1).training()
        >>> training.memorised_fraction([1.0, 16.2, np.inf]).round(4)
        array([0.0069, 0.0753, 0.7779])
        """
        times = _checks.real_array("tau", tau, 0.0, infinite=True)
        self._require_fresh_data()
        return self._fraction(times.ravel()).reshape(times.shape)

    def time_at_fraction(self, beta: float) -> float:
        """When the memorised fraction first reaches beta.

        Parameters
        ----------
        beta : float in (0, 1)

        Returns
        -------
        float
            In the clock of this training, to about 1e-7; 0 if it is reached from the start, inf if
            it is reached at the end only, NaN if never.

        Raises
        ------
        TypeError, ValueError
            If beta is not in its range, or as for `memorised_fraction`.

        Examples
        --------
        >>> import rmtspec as rs
        >>> training = rs.RandomFeatureModel(32, 8, 0.1).training()
        >>> round(training.time_at_fraction(0.01), 2)
        1.46
        """
        beta = _checks.real("beta", beta, 0.0, 1.0, low_open=True, high_open=True)
        self._require_fresh_data()

        def reached(tau: FloatArray) -> NDArray[np.bool_]:
            return self._fraction(tau) >= beta

        if reached(np.zeros(1))[0]:
            return 0.0
        first = self._times[0]
        grid = np.concatenate([np.geomspace(_EARLIER * first, first, 49)[:-1], self._times])
        inside = first_true(reached, grid)
        if np.isnan(inside):
            return np.inf if reached(np.array([np.inf]))[0] else np.nan
        return float(self.relaxation.times(np.array([inside]))[0])

    def _fraction(self, tau: FloatArray) -> FloatArray:
        flat = self.relaxation.times(tau)
        apart, fresh = self._targets.pulls(flat).values
        with np.errstate(divide="ignore", invalid="ignore"):
            fraction = apart / fresh
        # Where the score is 0 yet, the limit.
        fraction[(flat == 0.0) & (fresh == 0.0)] = 0.0
        return np.where(np.isfinite(fraction), fraction + 0.0, np.nan)

    def _require_fresh_data(self) -> None:
        if not self._base.knows_fresh_data:
            raise ValueError(
                "the test loss of given data needs held-out rows: pass them to from_data as test"
            )


def memorised_at(training: PredictionCourse, best: float) -> float:
    """The memorised fraction at the best time, NaN where that is not known."""
    return float(training.memorised_fraction(best)) if best >= 0.0 else np.nan
