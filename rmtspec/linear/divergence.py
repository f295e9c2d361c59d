r"""Divergence between the data law and the law sampled from a fitted affine denoiser.

Averages per dimension of :math:`\mathrm{KL}(\mathcal N(\mu,\Sigma)\Vert\mathcal
N(\hat\mu,\hat\Sigma+c))`, "forward", and of its reverse.  With κ at ζ = c,
:math:`1-a=c/\kappa`, :math:`x=\kappa/(l+\kappa)`, :math:`y=\kappa/l` and u = 1 − x,

.. math::  2D_{\rm fwd} = \mathcal P(a)-\langle x\rangle[\mathcal P(a)-\ln(1-a)]
                          +\langle-\ln(1-x)-x\rangle,

.. math::  2D_{\rm rev} = \mathcal Q(a)+\langle x\rangle q(a)+\langle(1-a)y-\ln(1+y)\rangle,

.. math::  \mathcal P(a)=\sum_{m\ge1}\Bigl(1-\frac1{m(m+1)}\Bigr)a^m,\quad
           \mathcal Q(a)=\sum_{m\ge1}\frac{a^m}{m(m+1)},\quad
           q(a)=\sum_{m\ge1}\frac{a^m}{m+1}.

They are the textbook expressions of :meth:`LinearDenoiser.kl` with the load eliminated by
:math:`a\psi_n=\langle u\rangle`; those are differences of numbers of order 1 where the divergence
is of order 1/ψ_n.  The log-determinant behind them,

.. math::  \tfrac1d\langle\ln\det(\hat\Sigma+\zeta)\rangle
           = \langle\ln(l+\kappa)\rangle+(1-\psi_n)\ln\frac\zeta\kappa-\langle u\rangle,

is the integral over ζ of :math:`\mathrm{tr}\,G=\langle\kappa/\zeta\,(l+\kappa)^{-1}\rangle`, and
stationary in κ.

At c = 0 only the load is left: :math:`2D_{\rm fwd}=\mathcal P(1/\psi_n)`,
:math:`2D_{\rm rev}=\mathcal Q(1/\psi_n)` for ψ_n > 1, because the law of
:math:`\Sigma^{-1/2}\hat\Sigma\Sigma^{-1/2}` does not know Σ; :func:`finite_sample` is the exact
average at any n.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import _checks
from ..inputs.population import RANK_TOLERANCE
from .corrections import EmpiricalMean, weighted_shift
from .renormalised_ridge import RenormalisedRidge, RidgeSums

FloatArray = NDArray[np.float64]

_TERMS = np.arange(1.0, 41.0)
"""Powers in the series below a = 0.3: 0.3^41 is below machine epsilon."""

_HARD_EDGE = 8 * np.finfo(float).eps
"""Loads this close to the rank per dimension are taken as equal to it."""


LARGEST_DIMENSION = 10_000_000


class _Pair(NamedTuple):
    """Twice the two divergences, per dimension."""

    forward: float
    reverse: float


def finite_sample(
    samples: int,
    dimension: int,
    direction: Literal["data||model", "model||data"] = "data||model",
    *,
    empirical_mean: bool = False,
) -> float:
    r"""Average divergence without a ridge, exact at finite n and d, per dimension.

    For Gaussian data of known mean and any covariance of full rank,

    .. math::  D_{\rm fwd} = \frac1{2d}\Bigl[\frac{nd}{n-d-1}-d+\ell_0\Bigr],\quad
               D_{\rm rev} = -\frac{\ell_0}{2d},\quad
               \ell_0 = \sum_{j=0}^{d-1}\psi\Bigl(\frac{n-j}2\Bigr)+d\ln\frac2n,

    by the mean of an inverse Wishart matrix and of a Wishart log-determinant.

    Parameters
    ----------
    samples, dimension : int
        n and d, at least 1; n up to 1e15, d up to 1e7.
    direction : {"data||model", "model||data"}
    empirical_mean : bool
        Whether the mean is estimated as well; then n >= 2.

    Returns
    -------
    float
        `inf` for data||model where n <= d + 1 and for model||data where n < d, with n − 1 in the
        place of n for an empirical mean.

    Raises
    ------
    ValueError, TypeError
        If an argument is not of its kind or outside its range.

    Notes
    -----
    *Accuracy.*  Absolute error about 1e-16 max(1, ln d); both values are about d/(4n).

    Examples
    --------
    >>> from rmtspec.linear.divergence import finite_sample
    >>> round(finite_sample(400, 200), 6), round(finite_sample(400, 200, "model||data"), 6)
    (0.350733, 0.154292)
    """
    _checks.choice("direction", direction, ("data||model", "model||data"))
    empirical_mean = _checks.flag("empirical_mean", empirical_mean)
    count = _checks.integer("samples", samples, 2 if empirical_mean else 1, 10**15)
    size = _checks.integer("dimension", dimension, 1, LARGEST_DIMENSION)
    pair = _finite_sample(count, EmpiricalMean(size, empirical_mean))
    return 0.5 * (pair.forward if direction == "data||model" else pair.reverse)


def average(
    ridge: RenormalisedRidge,
    load: FloatArray,
    c: FloatArray,
    forward: bool,
    mean: EmpiricalMean | None,
) -> FloatArray:
    """Average divergence at flat points; `mean` asks for the next order in 1/d."""
    out = np.empty(load.size)
    rank = float(ridge.weights[ridge.eigenvalues > 0.0].sum())
    full = bool(ridge.eigenvalues[0] > 0.0)
    if full:
        rank = 1.0
    for i in range(load.size):
        if c[i] == 0.0:
            pair = _without_ridge(load[i] / rank, rank, mean)
            pair = _Pair(pair.forward * rank, pair.reverse * rank)
        elif full:
            pair = _with_ridge(ridge, load[i : i + 1], c[i : i + 1], mean)
        else:
            pair = _Pair(np.inf, np.inf)
        out[i] = 0.5 * (pair.forward if forward else pair.reverse)
    return out


def of_data_set(
    sampled: FloatArray,
    vectors: FloatArray,
    c: float,
    covariance: FloatArray,
    offset: FloatArray,
    *,
    forward: bool,
) -> float:
    """Divergence for one data set, per dimension; no average.

    Parameters
    ----------
    sampled, vectors : eigenvalues (d,) and eigenvectors (d, d) of the sample covariance
    c : ridge
    covariance : (d, d), of the population
    offset : (d,), population mean minus sample mean
    forward : whether the data law is the first argument
    """
    eigenvalues, basis = np.linalg.eigh(covariance)
    kept = eigenvalues > RANK_TOLERANCE * eigenvalues[-1]
    rank = int(np.count_nonzero(kept))
    if rank < sampled.size and c > 0.0:
        return np.inf
    if c == 0.0 and np.count_nonzero(sampled) < rank:
        return np.inf
    whiten = basis[:, kept] / np.sqrt(eigenvalues[kept])
    # From factors, so that the smallest h is not the difference of large entries.
    root = (whiten.T @ vectors) * np.sqrt(sampled + c)
    h = np.linalg.svd(root, compute_uv=False)[:rank] ** 2
    shift = whiten.T @ offset
    if forward:
        moved = np.linalg.solve(root @ root.T, shift)
        total = np.sum(_excess(1.0 / h)) + shift @ moved
    else:
        total = np.sum(_excess(h)) + shift @ shift
    return float(0.5 * total / sampled.size)


def _excess(h: FloatArray) -> FloatArray:
    """h − 1 − ln h, with the digits of h − 1."""
    near = h - 1.0
    with np.errstate(divide="ignore"):
        close = near - np.log1p(near)
    return np.where(np.abs(near) < 0.5, close, near - np.log(h))


def _without_ridge(load: float, rank: float, mean: EmpiricalMean | None) -> _Pair:
    """Both on the support of the data law: `load` counts samples per direction of it."""
    if mean is not None:
        size = max(1, round(mean.dimension * rank))
        samples = float(load * mean.dimension * rank)  # the support may be no whole number wide
        count = round(samples)
        if abs(samples - count) > 1e-6:
            raise ValueError(
                f"load must give an integer number of samples for corrected=True at c = 0, "
                f"got n = {samples!r}"
            )
        if count < (2 if mean.empirical else 1):
            raise ValueError(f"load must give enough samples, got n = {count}")
        return _finite_sample(count, EmpiricalMean(size, mean.empirical))
    if abs(load - 1.0) <= _HARD_EDGE:
        return _Pair(np.inf, 1.0)
    if load < 1.0:
        return _Pair(np.inf, np.inf)
    ratio, rest = 1.0 / load, (load - 1.0) / load
    log = np.log1p(-ratio) if ratio < 0.5 else np.log(rest)
    return _Pair(_p(ratio, rest, log), _q_total(ratio, rest, log))


def _finite_sample(samples: int, mean: EmpiricalMean) -> _Pair:
    size, count = mean.dimension, samples - mean.empirical
    shrink = float(np.log1p(-1.0 / samples)) if mean.empirical else 0.0
    if count < size:
        return _Pair(np.inf, np.inf)
    halves = 0.5 * (count - np.arange(size))
    from scipy.special import digamma

    log_det = float(np.mean(digamma(halves) - np.log(0.5 * count))) + shrink
    if count <= size + 1:
        return _Pair(np.inf, -log_det)
    excess = (size + 1.0) / (count - size - 1.0)  # mean of an inverse Wishart trace, minus 1
    if mean.empirical:
        excess += 2.0 / (count - size - 1.0)
    return _Pair(excess + log_det, -log_det)


def _with_ridge(
    ridge: RenormalisedRidge, load: FloatArray, c: FloatArray, mean: EmpiricalMean | None
) -> _Pair:
    """Averages for c > 0 and positive eigenvalues only."""
    if mean is not None:
        load, _, c = mean.equivalent(load, c, c)
    sums = ridge.solve(c, load)
    pair = _leading(ridge, sums, float(c[0]))
    if mean is None:
        return pair
    log_det = -0.5 * float(np.log(sums.slope[0])) / mean.dimension
    trace = float((sums.ratio * weighted_shift(sums))[0]) / mean.dimension
    forward, reverse = pair.forward + trace + log_det, pair.reverse - log_det
    if mean.empirical:
        count = float(load[0]) * mean.dimension + 1.0
        shrink = float(np.log1p(-1.0 / count))
        forward += 2.0 / (count - 1.0) * (float((sums.ratio * sums.u)[0]) + trace) + shrink
        inverse = float(np.sum(ridge.weights / ridge.eigenvalues))
        reverse += -shrink - float(c[0]) / count * inverse
    return _Pair(forward, reverse)


def _leading(ridge: RenormalisedRidge, sums: RidgeSums, c: float) -> _Pair:
    kappa, a, mean_x, mean_u = (float(column[0]) for column in (sums.kappa, sums.a, sums.x, sums.u))
    rest = c / kappa
    log = np.log1p(-a) if a < 0.5 else np.log(rest)
    eigenvalues, weights = ridge.eigenvalues, ridge.weights
    y = kappa / eigenvalues
    x = kappa / (eigenvalues + kappa)
    log_y = np.log1p(y)
    small_x, small_y = _tail(x), _alternating_tail(y)
    spread = weights @ np.where(x < 0.1, small_x, log_y - x)
    below = np.where(y < 0.1, small_y, y - log_y) - a * y
    bias = weights @ np.where(y <= 1.0, below, c / eigenvalues - log_y)
    p, slope = _p(a, rest, log), _q(a, log)
    if mean_x > 0.5 or np.isinf(p):
        forward = mean_u * (p - log) + log
        reverse = -log - mean_u * slope
    else:
        forward = p - mean_x * (p - log)
        reverse = _q_total(a, rest, log) + mean_x * slope
    return _Pair(float(forward + spread), float(reverse + bias))


def _p(a: float, rest: float, log: float) -> float:
    """P(a) with `rest` = 1 − a and its logarithm."""
    if a < 0.3:
        return float(np.sum((1.0 - 1.0 / (_TERMS * (_TERMS + 1.0))) * a**_TERMS))
    return 1.0 / rest - 2.0 - rest / a * log


def _q_total(a: float, rest: float, log: float) -> float:
    """Q(a)."""
    if a < 0.3:
        return float(np.sum(a**_TERMS / (_TERMS * (_TERMS + 1.0))))
    return 1.0 + rest / a * log


def _q(a: float, log: float) -> float:
    """q(a) = −1 − ln(1 − a)/a."""
    if a < 0.3:
        return float(np.sum(a**_TERMS / (_TERMS + 1.0)))
    return -1.0 - log / a


def _tail(x: FloatArray) -> FloatArray:
    """−ln(1 − x) − x for x < 0.1 (anything above), by its series."""
    small = np.minimum(x, 0.1)
    total = np.zeros_like(small)
    for m in range(18, 1, -1):
        total = small * total + 1.0 / m
    return np.asarray(total * small**2)


def _alternating_tail(y: FloatArray) -> FloatArray:
    """y − ln(1 + y) for y < 0.1 (anything above), by its series."""
    small = np.minimum(y, 0.1)
    total = np.zeros_like(small)
    for m in range(18, 1, -1):
        total = 1.0 / m - small * total
    return np.asarray(total * small**2)
