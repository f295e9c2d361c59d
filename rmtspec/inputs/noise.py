r"""Noise schedules: Ornstein-Uhlenbeck time and the discrete steps of a diffusion model.

Forward diffusion turns data :math:`x_0` into

.. math::  x = \sqrt{\bar\alpha}\,x_0+\sqrt{1-\bar\alpha}\,\varepsilon,\qquad
           \varepsilon\sim\mathcal N(0,I).

A discrete process of T steps has :math:`\bar\alpha_k=\prod_{j\le k}(1-\beta_j)`; the
Ornstein-Uhlenbeck process :math:`dx=-x\,dt+\sqrt2\,dB` has :math:`\bar\alpha=e^{-2t}` and noise
variance :math:`\Delta_t=1-e^{-2t}`.  The two are the same law at (eq. 21 of arXiv 2505.17638)

.. math::  t = -\tfrac12\ln\bar\alpha.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _checks
from .diffusion.level import NoiseLevel

FloatArray = NDArray[np.float64]

_MAX_STEPS = 1_000_000
_SMALLEST = float(np.finfo(float).tiny)


@dataclass(frozen=True, eq=False, repr=False)
class NoiseSchedule:
    r"""Noise levels :math:`k=1,\dots,T`, in all the variables the models ask for.

    Parameters
    ----------
    beta : array_like, shape (T,)
        Variance :math:`\beta_k` added in step k, each in (0, 1), the last also 1, which ends in
        pure noise (zero terminal signal-to-noise ratio). T is 1 to 1,000,000.

    Attributes
    ----------
    beta : ndarray of float64, shape (T,)
        The steps. Read-only, as are all arrays here.
    t : ndarray of float64, shape (T,)
        Ornstein-Uhlenbeck times, ascending: what `RandomFeatureModel` takes.

    Raises
    ------
    ValueError
        If `beta` is not one-dimensional, is empty or leaves (0, 1), the last step (0, 1].
    TypeError
        If its entries are not real numbers.

    Notes
    -----
    *Pure noise at the last level.*  There alpha_bar is 0, delta 1, t and noise_to_signal are inf
    and the posterior variance is delta of the level before.  The data cannot be seen at such a
    level: models and losses are defined at the others, ``t[:-1]``. Samplers are defined: their
    first step draws x_(T-1) about its mean, the limit :math:`\beta_T\to1` of other schedules.

    *Accuracy.*  Sums of logarithms are compensated: t, alpha_bar and delta have a relative error of
    a few machine epsilons, alpha_bar that times max(1, 2t).

    References
    ----------
    Ho, Jain, Abbeel (2020), arXiv 2006.11239; Bonnaire et al. (2025), arXiv 2505.17638, eq. 21;
    Merger, Goldt (2025), arXiv 2505.24769; Lin, Liu, Li, Yang (2023), arXiv 2305.08891, for pure
    noise at the end.

    Examples
    --------
    >>> import rmtspec as rs
    >>> schedule = rs.NoiseSchedule.linear(1000)
    >>> schedule
    NoiseSchedule(1000 steps, alpha_bar from 0.9999 to 0.0063)
    >>> rs.NoiseSchedule.at_times([0.01, 0.1, 1.0]).delta.round(4)
    array([0.0198, 0.1813, 0.8647])
    >>> rs.NoiseSchedule([0.1, 0.5, 1.0]).alpha_bar
    array([0.9 , 0.45, 0.  ])
    """

    beta: FloatArray
    t: FloatArray

    def __init__(self, beta: ArrayLike) -> None:
        steps = np.atleast_1d(_checks.real_array("beta", beta, 0.0, 1.0))
        _check_length("beta", steps)
        if not (np.all(steps > 0.0) and np.all(steps[:-1] < 1.0)):
            raise ValueError(
                f"beta must hold numbers in (0, 1), the last in (0, 1], got {_checks.shown(beta)}"
            )
        pure = steps[-1] == 1.0
        times = -0.5 * _running_sum(np.log1p(-(steps[:-1] if pure else steps)))
        self._store(steps, np.append(times, np.inf) if pure else times)

    @classmethod
    def linear(cls, steps: int = 1000, first: float = 1e-4, last: float = 1e-2) -> Self:
        r"""Steps growing linearly from `first` at k = 1 to `last` at k = T.

        With the default ends :math:`\bar\alpha_T` is 0.602, 0.282, 0.0063 for T = 100, 250, 1000:
        the last level is close to white noise for about a thousand steps only. T = 1 has the one
        step `first`.  With `last` = 1 the last level is pure noise.

        Raises
        ------
        ValueError, TypeError
            If `steps` is not an integer in [1, 1000000], `first` lies outside (0, 1) or `last`
            outside (0, 1].

        Examples
        --------
        >>> import rmtspec as rs
        >>> rs.NoiseSchedule.linear(250).alpha_bar[-1].round(3)
        np.float64(0.282)
        """
        count = _checks.integer("steps", steps, 1, _MAX_STEPS)
        start = _checks.real("first", first, 0.0, 1.0, low_open=True, high_open=True)
        end = _checks.real("last", last, 0.0, 1.0, low_open=True)
        return cls(np.linspace(start, end, count))

    @classmethod
    def at_times(cls, t: ArrayLike) -> Self:
        r"""Steps between given Ornstein-Uhlenbeck times, :math:`\beta_k=1-e^{-2(t_k-t_{k-1})}`.

        Parameters
        ----------
        t : array_like, shape (T,)
            Strictly ascending positive times, at most 350, above which alpha_bar underflows; the
            last may be inf, where the data are gone; :math:`t_0=0`. A single number is a schedule
            of one step.

        Raises
        ------
        ValueError, TypeError
            If the times are not of this kind.
        """
        times = np.atleast_1d(_checks.real_array("t", t, 0.0, infinite=True))
        _check_length("t", times)
        finite = times[:-1] if times[-1] == np.inf else times
        if np.any(finite > 350.0):
            raise ValueError(
                f"t must hold numbers in [0, 350], the last also inf, got {finite.max().item()!r}"
            )
        differences = np.diff(times, prepend=0.0)
        if not np.all(differences > 0.0):
            raise ValueError(f"t must be positive and strictly ascending, got {_checks.shown(t)}")
        schedule = cls.__new__(cls)
        schedule._store(-np.expm1(-2.0 * differences), times)
        return schedule

    def __iter__(self) -> Iterator[NoiseLevel]:
        """The levels, from little noise to much, as `RandomFeatureModel` takes them.

        At one of pure noise α is 0, and no model can be made there.
        """
        for t in self.t.tolist():
            yield NoiseLevel.ou(t) if t < np.inf else NoiseLevel(0.0, 1.0)

    def __len__(self) -> int:
        """Number T of steps."""
        return self.steps

    @property
    def steps(self) -> int:
        """Number T of steps."""
        return int(self.beta.size)

    @property
    def alpha_bar(self) -> FloatArray:
        r"""Signal :math:`\bar\alpha_k=e^{-2t_k}`, shape (T,): what `LinearDenoiser` takes."""
        return np.exp(-2.0 * self.t)

    @property
    def delta(self) -> FloatArray:
        r"""Noise variance :math:`\Delta_k=1-\bar\alpha_k`, shape (T,), without subtraction."""
        return -np.expm1(-2.0 * self.t)

    @property
    def noise_to_signal(self) -> FloatArray:
        r"""Ratio :math:`s_k=(1-\bar\alpha_k)/\bar\alpha_k`, shape (T,), without subtraction."""
        return np.expm1(2.0 * self.t)

    @property
    def posterior_variance(self) -> FloatArray:
        r"""Variance :math:`\beta_k(1-\bar\alpha_{k-1})/(1-\bar\alpha_k)`, shape (T,); 0 at k = 1.

        It is that of :math:`x_{k-1}` given :math:`x_k` and :math:`x_0`: the smaller of the two
        usual choices for the noise of the sampler, the other being :math:`\beta_k`.
        """
        before = np.concatenate([[0.0], self.delta[:-1]])
        variance: FloatArray = self.beta * before / self.delta
        return variance

    def __repr__(self) -> str:
        ends = self.alpha_bar[[0, -1]]
        return f"NoiseSchedule({self.steps} steps, alpha_bar from {ends[0]:.4g} to {ends[1]:.3g})"

    def _store(self, beta: FloatArray, t: FloatArray) -> None:
        for name, array in (("beta", beta), ("t", t)):
            array.setflags(write=False)
            object.__setattr__(self, name, array)


def signal_of_time(t: ArrayLike) -> FloatArray:
    r"""Signal :math:`\bar\alpha=e^{-2t}` at Ornstein-Uhlenbeck times t > 0, shaped like `t`.

    Raises
    ------
    ValueError, TypeError
        If a time is not a number in (0, 350].
    """
    times = _checks.real_array("t", t, _SMALLEST, 350.0)
    return np.asarray(np.exp(-2.0 * times))


def time_of_signal(alpha_bar: ArrayLike) -> FloatArray:
    r"""Ornstein-Uhlenbeck time :math:`t=-\frac12\ln\bar\alpha`, shaped like `alpha_bar` in (0, 1).

    Raises
    ------
    ValueError, TypeError
        If a signal is not a number in (0, 1).

    Examples
    --------
    >>> import numpy as np
    >>> from rmtspec.inputs.noise import signal_of_time, time_of_signal
    >>> bool(np.allclose(time_of_signal(signal_of_time([0.01, 1.0])), [0.01, 1.0]))
    True
    """
    return np.asarray(-0.5 * np.log(signal("alpha_bar", alpha_bar)))


def signal(name: str, value: ArrayLike) -> FloatArray:
    """Return `value` as an array of numbers in (0, 1); both ends are refused."""
    array = _checks.real_array(name, value, 0.0, 1.0)
    outside = (array < _SMALLEST) | (array == 1.0)
    if np.any(outside):
        raise ValueError(
            f"{name} must hold numbers in (0, 1), got {array[outside].flat[0].item()!r}"
        )
    return array


def _check_length(name: str, array: FloatArray) -> None:
    if array.ndim != 1 or not 1 <= array.size <= _MAX_STEPS:
        raise ValueError(
            f"{name} must have shape (T,) with 1 <= T <= {_MAX_STEPS}, got {array.shape}"
        )


def _running_sum(terms: FloatArray) -> FloatArray:
    """Cumulative sum whose rounding errors, each exactly a float, are summed and put back."""
    total = np.cumsum(terms)
    before = np.concatenate([[0.0], total[:-1]])
    added = total - before
    lost = (before - (total - added)) + (terms - added)
    return np.asarray(total + np.cumsum(lost))
