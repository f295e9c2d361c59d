r"""Moments of the laws, exact and to any order, from what the user knows: no equation is solved.

A Gram matrix :math:`\frac1d\mathcal WM\mathcal W^\top` of Gaussian rows, p of them, has the free
cumulants

.. math::  \kappa_j=\psi_p^{j-1}\int\mu^j\,dH_M(\mu),

with :math:`H_M` the spectrum of M counted per d (Marchenko and Pastur 1967; Nica and Speicher
2006, Lecture 12).  A sample covariance is the case M = Σ seen from the samples.  For random
features, given the data X, M is the (d + n)-dimensional

.. math::  M=\begin{pmatrix}c^2XX^\top/n+b^2&cvX/\sqrt{n\psi_n}\\ \cdot&v^2/\psi_n\end{pmatrix},

which falls, by the singular values of X, into 2 x 2 blocks of trace ς + b² + u and determinant
b²u with :math:`u=v^2/\psi_n` and ς an eigenvalue of :math:`c^2XX^\top/n`.  With the power sums
:math:`p_j(ς)` of such a block, which are polynomials in ς,
:math:`\int\mu^jdH_M=\int p_j\,dF(ς)+(\psi_n-1)u^j`, whatever the rank of X.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..ensembles.conditional_feature import ConditionalFeatureGram
from ..ensembles.random_feature import RandomFeatureGram
from ..ensembles.sample_covariance import SampleCovariance
from ..inputs.population import PopulationSpectrum

FloatArray = NDArray[np.float64]


def moments_of_cumulants(cumulants: ArrayLike) -> FloatArray:
    r"""Moments :math:`m_1,\dots,m_K` of the law with the free cumulants :math:`\kappa_1,\dots`.

    With :math:`M(x)=1+\sum m_jx^j` they are the coefficients of
    :math:`M=1+\sum_j\kappa_j(xM)^j` (Nica and Speicher 2006, Theorem 12.5), which gives one
    after the other.

    Examples
    --------
    >>> moments_of_cumulants([1.0, 1.0, 1.0, 1.0])  # Marchenko-Pastur at ratio 1
    array([ 1.,  2.,  5., 14.])
    """
    kappa = np.asarray(cumulants, dtype=np.float64)
    series = np.zeros(kappa.size + 1)
    series[0] = 1.0
    for order in range(1, kappa.size + 1):
        power = np.zeros(kappa.size + 1)
        power[0] = 1.0
        total = 0.0
        for j in range(1, order + 1):
            power = np.convolve(power, series)[: kappa.size + 1]
            total += kappa[j - 1] * power[order - j]
        series[order] = total
    return series[1:]


def covariance_moments(matrix: SampleCovariance, order: int = 3) -> FloatArray:
    """tr S^k/d of a sample covariance, k = 1 to `order`."""
    return _seen_from_samples(matrix.population, matrix.ratio, order)


def _seen_from_samples(population: PopulationSpectrum, ratio: float, order: int) -> FloatArray:
    """Moments of XX^T/n from those of X^T X/n, whose free cumulants are c∫t^j dH."""
    powers = np.array([population.moment(j) for j in range(1, order + 1)])
    return moments_of_cumulants(ratio * powers) / ratio


def gram_moments(gram: RandomFeatureGram, order: int = 2) -> FloatArray:
    """tr U^k/p of a random-feature matrix, k = 1 to `order`, for drawn or for given data."""
    powers = np.arange(1, order + 1)
    above = moments_of_cumulants(gram.psi_p ** (powers - 1.0) * _block_moments(gram, order))
    return shifted(above, gram.s2)


def _block_moments(gram: RandomFeatureGram, order: int) -> FloatArray:
    """∫μ^j dH_M, j = 1 to `order`."""
    population, u = gram.population, gram.v2 / gram.psi_n
    if isinstance(gram, ConditionalFeatureGram):
        data = np.array([population.moment(j) for j in range(1, order + 1)])
    else:
        data = _seen_from_samples(population, 1.0 / gram.psi_n, order)
    data = np.append(0.0, gram.c2 ** np.arange(1.0, order + 1) * data)
    trace, determinant = np.array([gram.b2 + u, 1.0]), gram.b2 * u
    sums = [np.array([2.0]), trace]  # as polynomials in ς
    while len(sums) <= order:
        following = np.convolve(trace, sums[-1])
        following[: sums[-2].size] -= determinant * sums[-2]
        sums.append(following)
    # p_j(0) = b^2j + u^j is put in as it stands: psi_n - 1 loses the digits of a small psi_n.
    blocks = [float(sums[j][1:] @ data[1 : sums[j].size]) for j in range(1, order + 1)]
    powers = np.arange(1.0, order + 1)
    return np.array(blocks) + gram.b2**powers + gram.psi_n * u**powers


def shifted(moments: ArrayLike, shift: float) -> FloatArray:
    """Moments of λ + shift from those of λ."""
    plain = np.append(1.0, np.asarray(moments, dtype=np.float64))
    line, power, found = np.array([shift, 1.0]), np.ones(1), []
    for k in range(1, plain.size):
        power = np.convolve(power, line)
        found.append(float(power @ plain[: k + 1]))
    return np.array(found)
