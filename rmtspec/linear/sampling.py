r"""Mean and variance of samples drawn with an affine denoiser, along the reverse process.

The ancestral sampler starts from white noise :math:`u_T\sim\mathcal N(0,I)` and steps

.. math::  u_{k-1} = \frac1{\sqrt{1-\beta_k}}\Bigl(u_k-\frac{\beta_k}{\sqrt{1-\bar\alpha_k}}
                     \varepsilon_\theta(u_k)\Bigr)+\sigma_k\xi_k .

The fitted denoiser with :math:`\gamma_k=c\bar\alpha_k` is diagonal in the eigenbasis of the sample
covariance.  In a direction of eigenvalue λ and mean m̂, with l = λ + c and
:math:`M_k=1-\bar\alpha_k+\bar\alpha_kl` (:math:`M_0=l`), the step from k to k−1 multiplies the
distance to :math:`\sqrt{\bar\alpha_k}\hat m` by :math:`\sqrt{1-\beta_k}M_{k-1}/M_k`.  These factors
telescope, so that for any schedule, exactly,

.. math::  m_k = \hat m\,\frac{\bar\alpha_k-\bar\alpha_T}{\sqrt{\bar\alpha_k}\,M_T},\qquad
           v_k = \frac{M_k^2}{\bar\alpha_k}\Bigl[\frac{\bar\alpha_T}{M_T^2}
               +\sum_{j=k+1}^T\sigma_j^2\frac{\bar\alpha_{j-1}}{M_{j-1}^2}\Bigr].

In continuous time, with :math:`A=\bar\alpha_T`,

.. math::  v(\bar\alpha) = \frac{M\,[\bar\alpha(1-A)^2+(1-\bar\alpha)A^2+lA(2\bar\alpha-A)]}
                            {\bar\alpha M_T^2},

all terms positive; the mean formula is unchanged, and A → 0 leaves l and m̂ at the end.  The
deterministic sampler :math:`u_{k-1}=\sqrt{\bar\alpha_{k-1}}\hat x_0
+\sqrt{1-\bar\alpha_{k-1}}\,\varepsilon_\theta` has the step factor

.. math::  \bigl[\sqrt{\bar\alpha_{k-1}\bar\alpha_k}\,l
           +\sqrt{(1-\bar\alpha_{k-1})(1-\bar\alpha_k)}\bigr]/M_k,

and in continuous time :math:`v=M/M_T`, with factor :math:`\sqrt{M/M_T}` for the mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _checks
from ..inputs.noise import NoiseSchedule

FloatArray = NDArray[np.float64]
SamplerNoise = Literal["beta", "posterior", "deterministic"]


_WHITE = 300.0
"""Time beyond which the signal, 1e-260, changes no digit of anything; further on it underflows."""

_PURE = 340.0
"""Time that stands for all later ones, inf included; its signal is 1e-295."""


@dataclass(frozen=True)
class SamplingPath:
    """Mean and variance of one direction at every level of the reverse process.

    `alpha_bar`, `mean` and `variance` have the levels on the last axis, in the order of the
    schedule: 1 (the sample itself) first, then k = 1 .. T; the process runs from the end.
    """

    alpha_bar: FloatArray
    mean: FloatArray
    variance: FloatArray


def sampled_variance(
    variance: ArrayLike, schedule: NoiseSchedule, *, noise: SamplerNoise = "beta"
) -> Any:
    r"""Variance of the samples of a discrete sampler, exact for every schedule.

    Parameters
    ----------
    variance : array_like
        l = λ + c, an eigenvalue of the sample covariance plus the ridge; 0 to 1e100.
    schedule : NoiseSchedule
    noise : {"beta", "posterior", "deterministic"}
        :math:`\sigma_k^2=\beta_k`;
        :math:`\sigma_k^2=\beta_k(1-\bar\alpha_{k-1})/(1-\bar\alpha_k)`; or the deterministic
        sampler.

    Returns
    -------
    ndarray of float64, or a scalar
        Shaped like `variance`. At l = 0 it is :math:`\beta_1` for the first choice, a floor in
        null directions only, and 0 for the others. For l < 1 the first choice has too much
        variance, at l = 1 none too much; the second always has too little.

    Raises
    ------
    ValueError, TypeError
        If an argument is not of its kind or outside its range.

    Notes
    -----
    *Accuracy.*  A few machine epsilons: all terms are positive.

    Examples
    --------
    >>> import numpy as np, rmtspec as rs
    >>> from rmtspec.linear.sampling import sampled_variance
    >>> schedule = rs.NoiseSchedule.linear(1000)
    >>> l = np.array([0.0, 0.001, 0.1, 4.0])
    >>> (sampled_variance(l, schedule) - l).round(5)
    array([ 1.00e-04,  8.00e-05,  4.80e-04, -8.41e-03])
    """
    lam = _checks.real_array("variance", variance, 0.0, 1e100)
    return _discrete(lam.ravel(), schedule, noise)[1][:, 0].reshape(lam.shape)[()]


def discrete_path(
    variance: ArrayLike,
    schedule: NoiseSchedule,
    *,
    mean: ArrayLike = 0.0,
    noise: SamplerNoise = "beta",
) -> SamplingPath:
    """Mean and variance at every step of a discrete sampler.

    Parameters
    ----------
    variance, noise : as in `sampled_variance`.
    schedule : NoiseSchedule
    mean : array_like
        Component m̂ of the sample mean; broadcasts with `variance`.

    Returns
    -------
    SamplingPath
        Arrays of the broadcast shape and one more axis of T + 1 levels.
    """
    lam, centre = np.broadcast_arrays(
        _checks.real_array("variance", variance, 0.0, 1e100), _checks.real_array("mean", mean)
    )
    factor, spread = _discrete(lam.ravel(), schedule, noise)
    level = np.concatenate([[1.0], schedule.alpha_bar])
    shape = (*lam.shape, level.size)
    path = np.sqrt(level) * centre[..., None] * factor.reshape(shape)
    return SamplingPath(level, path, spread.reshape(shape))


def continuous_path(
    variance: ArrayLike,
    alpha_bar: ArrayLike,
    *,
    final: float = 0.0,
    mean: ArrayLike = 0.0,
    deterministic: bool = False,
) -> SamplingPath:
    r"""Mean and variance along the reverse process in continuous time.

    Parameters
    ----------
    variance : array_like
        l = λ + c, in [0, 1e100].
    alpha_bar : array_like, shape (k,)
        Levels asked for, in [final, 1] and positive; 1 is the sample itself.
    final : float
        :math:`\bar\alpha_T` in [0, 1), where the process starts from white noise; 0 is a fully
        noised start.
    mean : array_like
        Component m̂ of the sample mean; broadcasts with `variance`.
    deterministic : bool
        The probability-flow sampler instead of the ancestral one.

    Returns
    -------
    SamplingPath
        Arrays of the broadcast shape and one more axis of k levels.

    Examples
    --------
    >>> from rmtspec.linear.sampling import continuous_path
    >>> continuous_path(0.5, [1.0, 0.5, 0.01], final=0.01).variance.round(4)
    array([0.5   , 0.7501, 1.    ])
    """
    deterministic = _checks.flag("deterministic", deterministic)
    start = _checks.real("final", final, 0.0, 1.0, high_open=True)
    level = np.atleast_1d(_checks.real_array("alpha_bar", alpha_bar, start, 1.0))
    if level.ndim != 1 or np.any(level == 0.0):
        raise ValueError(
            f"alpha_bar must be a row of positive numbers, got {_checks.shown(alpha_bar)}"
        )
    lam, centre = np.broadcast_arrays(
        _checks.real_array("variance", variance, 0.0, 1e100), _checks.real_array("mean", mean)
    )
    lam, centre = lam[..., None], centre[..., None]
    here = (1.0 - level) + level * lam
    there = (1.0 - start) + start * lam
    if deterministic:
        remaining = np.sqrt(start / level * (here / there))
        path = np.sqrt(level) * centre * (1.0 - remaining)
        return SamplingPath(level, path, here / there)
    inner = level * (1.0 - start) ** 2 + (1.0 - level) * start**2
    inner = inner + lam * start * (2.0 * level - start)
    path = centre * (level - start) / (np.sqrt(level) * there)
    return SamplingPath(level, path, here / there * (inner / (level * there)))


def check_noise(noise: SamplerNoise) -> None:
    """Refuse what is none of the three samplers.

    Raises
    ------
    ValueError
    """
    _checks.choice("noise", noise, ("beta", "posterior", "deterministic"))


def _discrete(
    lam: FloatArray, schedule: NoiseSchedule, noise: SamplerNoise
) -> tuple[FloatArray, FloatArray]:
    """Mean over √ᾱ m̂ and variance at the levels 0 .. T; shapes (k, T + 1)."""
    if not isinstance(schedule, NoiseSchedule):
        raise TypeError(f"schedule must be a NoiseSchedule, got {_checks.shown(schedule)}")
    check_noise(noise)
    # The first level of white noise counts, from wherever the data were still seen; further steps
    # start from the same white noise and leave it as it is.
    used = min(schedule.steps, 1 + int(np.searchsorted(schedule.t, _WHITE)))
    time = np.concatenate([[0.0], np.minimum(schedule.t[:used], _PURE)])
    level = np.concatenate([[1.0], np.exp(-2.0 * time[1:])])
    delta = np.concatenate([[0.0], schedule.delta[:used]])
    white = ((0, 0), (0, schedule.steps - used))
    m = delta + level * lam[:, None]
    if noise == "deterministic":
        step = np.sqrt(level[:-1] * level[1:]) * lam[:, None] + np.sqrt(delta[:-1] * delta[1:])
        down = np.ones_like(m)
        down[:, :-1] = np.cumprod((step / m[:, 1:])[:, ::-1], axis=1)[:, ::-1]
        start = np.exp(time - time[-1])  # √(ᾱ_T/ᾱ_k)
        factor, variance = 1.0 - start * down, down**2
        return np.pad(factor, white), np.pad(variance, white, constant_values=1.0)
    sigma2 = (schedule.beta if noise == "beta" else schedule.posterior_variance)[:used]
    factor = -np.expm1(2.0 * (time - time[-1])) / m[:, -1:]  # (ᾱ_k − ᾱ_T)/ᾱ_k M_T
    terms = sigma2[1:] * level[1:-1] / m[:, 1:-1] ** 2
    tail = np.empty_like(m[:, 1:])
    tail[:, -1] = level[-1] / m[:, -1] ** 2
    tail[:, :-1] = tail[:, -1:] + np.cumsum(terms[:, ::-1], axis=1)[:, ::-1]
    variance = np.empty_like(m)
    variance[:, -1] = 1.0
    # The newest noise enters with weight one, whatever M is: at l = 0 its ratio would be 0/0.
    variance[:, :-1] = sigma2 + m[:, :-1] ** 2 / level[:-1] * tail
    return np.pad(factor, white), np.pad(variance, white, constant_values=1.0)
