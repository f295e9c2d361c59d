"""Learning curves of one training, and what is read off them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _checks
from ..inputs.diffusion.level import NoiseLevel
from ..inputs.diffusion.prediction import Prediction
from ..result import dataframe, dataset, draw

if TYPE_CHECKING:
    import pandas
    import xarray
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]

_TAU = "gradient-flow time, (steps)(learning rate)/d^2"
_CURVES = {
    "train": "train loss per dimension",
    "test": "test loss per dimension",
    "generalization": "test loss - train loss",
    "score_error": "squared error to the true score, per dimension",
    "error": "bound on the error of train, test and generalization",
}


@dataclass(frozen=True)
class LearningCurves:
    """Losses against training time τ = (steps)·(learning rate)/d², per dimension, 1 where A = 0.

    For chosen directions every array has the shape directions.shape + tau.shape, else tau.shape.

    Attributes
    ----------
    tau : times (a training rule in steps rounds them to whole steps)
    train, test : denoising loss (without any penalty) on the n samples and on fresh ones, noise
        averaged
    generalization : test − train
    score_error : mean squared error of the score, over the law of the noised data (Gaussian, with
        the covariance of fresh data); Tr Σ_t^-1/d where A = 0; NaN, with a warning, for given rows
        on which networks do better than the score of that law, so that it is not theirs
    error : bound on the absolute error of train, test and generalization; that of the score error
        is error/Δ_t
    converged : whether the contour was solved; the curves are NaN otherwise
    """

    tau: FloatArray
    train: FloatArray
    test: FloatArray
    generalization: FloatArray
    score_error: FloatArray
    error: FloatArray
    converged: bool

    def plot(self, ax: Axes | Sequence[Axes] | None = None, **options: Any) -> NDArray[np.object_]:
        """Draw the curves; see `rmtspec.plots.curves.plot_learning_curves`.

        Curves of single directions, of shape (m, k), are drawn by `plot_directions` there.
        """
        axes: NDArray[np.object_] = draw("curves", "plot_learning_curves", self, ax=ax, **options)
        return axes

    def to_dataframe(self) -> pandas.DataFrame:
        """One row a time, one column a loss; needs pandas.

        Raises
        ------
        ValueError
            If the curves are not over a row of times, as those of several directions.
        ImportError
            If pandas is not installed.
        """
        if np.ndim(self.train) != 1:
            raise ValueError(
                f"curves must be over a row of times for a table, got shape {np.shape(self.train)}"
                "; to_xarray takes any"
            )
        return dataframe({"tau": self.tau, **{name: getattr(self, name) for name in _CURVES}})

    def to_xarray(self, directions: ArrayLike | None = None) -> xarray.Dataset:
        """The curves with names, units and tau as a coordinate; needs xarray.

        Parameters
        ----------
        directions : array_like, shape (m,), optional
            The eigenvalues that curves of single directions were asked for.

        Raises
        ------
        ValueError
            If tau has more than one dimension, or there are not as many directions as curves.
        ImportError
            If xarray is not installed.
        """
        times, shape = np.asarray(self.tau), np.shape(self.train)
        if times.ndim > 1:
            raise ValueError(f"tau must be a number or a row of numbers, got shape {times.shape}")
        dims = ("tau",) * times.ndim
        coords: dict[str, Any] = {"tau": (dims, times, {"long_name": _TAU})}
        if len(shape) > times.ndim:
            dims = ("direction", *dims)
            if directions is not None:
                levels = _checks.real_array("directions", directions, 0.0)
                if levels.shape != shape[:1]:
                    raise ValueError(
                        f"directions must have shape {shape[:1]} as the curves, got {levels.shape}"
                    )
                name = "eigenvalue of the data covariance"
                coords["direction"] = (("direction",), levels, {"long_name": name})
        elif directions is not None:
            raise ValueError("directions must be None for curves that are no directions' own")
        variables = {
            name: (dims, getattr(self, name), {"long_name": text, "units": "1"})
            for name, text in _CURVES.items()
        }
        return dataset(variables, coords, {"converged": int(self.converged)})


@dataclass(frozen=True)
class PredictionCurves(LearningCurves):
    """Losses of a network that predicts a mixture of noise and data, in units of its target.

    Attributes are those of `LearningCurves`; `train` and `test` are the mean squared distance from
    the target per dimension, `initial` where A = 0, and the error of the score error is `error`
    times :math:`\\alpha^2/(\\sigma\\delta)^2`.

    Attributes
    ----------
    excess : test − best_possible, of random data without a difference; (like test)
    prediction : the target
    level : the noise level
    weight : of the loss: τ is the clock of gradient flow on weight·(N − target)²/d
    initial_train, initial_test : losses where A = 0
    final_train, final_test : losses where training ends
    best_possible : the least test loss of a linear predictor, of any for Gaussian data; NaN where
        the law of the data is not known

    Those that are numbers are (m,) arrays for m directions.
    """

    excess: FloatArray
    prediction: Prediction
    level: NoiseLevel
    weight: float
    initial_train: Any
    initial_test: Any
    final_train: Any
    final_test: Any
    best_possible: Any


@dataclass(frozen=True)
class BestStopping:
    """Losses at the time at which test loss and score error are smallest.

    The two have their minimum together: the test loss is the score error times a constant, which is
    Δ_t for a network that predicts the score, and another constant.

    Attributes
    ----------
    tau : that time; inf when training never starts to overfit, 0 when it only does harm
    train, test, generalization, score_error : as in `LearningCurves`, there
    """

    tau: float
    train: float
    test: float
    generalization: float
    score_error: float


@dataclass(frozen=True)
class Window:
    r"""Beginning of generalisation and of memorisation in training time, by three definitions.

    That of the loss is one to act on: within it the test loss lacks no more than a given share of
    its gain.  The others are stages, not a promise: the score error may rise long before test −
    train has gone a given part of its way, and a spectral tau_gen, the end of the slowest direction
    of the data, may come after the best time to stop.

    Attributes
    ----------
    tau_gen, tau_mem : by the spectrum, at the lower ends of the fast and the sample family (see
        `Training.timescales`); NaN without such a family
    tau_gen_curve : when the score error first comes within the factor 1 + excess of its minimum;
        0 if it starts there, inf if it does so only at the end
    tau_mem_curve : when test − train first reaches `fraction` of its final value, not before the
        best time to stop; inf if it does so only at the end, NaN if that value is not positive
    tau_gen_loss, tau_mem_loss : when the test loss first comes within `share` of its gain, and when
        it has left that range again after its minimum, inf if it never does; both 0 where training
        only harms
    excess, fraction, share : as asked
    flatness : how flatly the test loss crosses the end of the window: it ends at
        :math:`L_\infty`, above or below the level L there, and flatness is
        :math:`L_\infty/|L_\infty-L|`.  Where the late test loss is off by a share m, tau_mem_loss
        is off by about m·flatness of itself, and from m·flatness = 1 on it is open whether it ever
        comes.  Large on data that hardly overfit (12 and 1700 on 256 and 512 digits at t = 0.1)
    """

    tau_gen: float
    tau_mem: float
    tau_gen_curve: float
    tau_mem_curve: float
    tau_gen_loss: float
    tau_mem_loss: float
    excess: float
    fraction: float
    share: float
    flatness: float


@dataclass(frozen=True)
class KLBound:
    """Bound on the Kullback-Leibler divergence per dimension.

    Attributes
    ----------
    tau : training times
    bound : start + integral, shaped like tau
    start : divergence of the noised data at t_max from the standard Gaussian
    integral : ∫ E_score dt, shaped like tau
    error : change of the integral when its nodes were doubled
    """

    tau: FloatArray
    bound: FloatArray
    start: float
    integral: FloatArray
    error: FloatArray
