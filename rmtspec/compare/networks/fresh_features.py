r"""Second moments of nonlinear features: of a data set, and of the law it was drawn from.

Training needs :math:`U=E\phi\phi^\top` and :math:`V=E\phi\xi^\top` of the samples, the test loss
the same of fresh data. For data :math:`x=m+\Sigma^{1/2}g` the pre-activation of neuron i is
Gaussian with mean :math:`u_i=e^{-t}W_im/\sqrt d` and variance
:math:`\omega_i^2=W_i(e^{-2t}\Sigma+\Delta)W_i^\top/d`, so Mehler's sum gives the average over data
and noise at once, with the correlations :math:`W_i(e^{-2t}\Sigma+\Delta)W_j^\top/(d\,\omega_i
\omega_j)`; nothing is sampled. Stein's lemma gives :math:`\tilde V_{ij}=E[\sigma'(h_i)]\sqrt\Delta
W_ij/\sqrt d` with :math:`E\sigma'(h_i)=m_1(u_i,\omega_i)/\omega_i`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ...inputs.activation import ActivationLike
from ...inputs.diffusion.level import NoiseLevel, noised
from .feature_matrices import FeatureGram, true_features
from .noise_moments import noise_average
from .training_flow import FeatureMoments

Array = NDArray[np.float64]

# Correlations of fresh pre-activations are larger than those of the noise alone, up to a half for
# few effective dimensions: 0.5^16 = 2e-5 of a tail that is itself small.
FRESH_ORDER = 25


def data_moments(
    w: Array, x: Array, t: float | NoiseLevel, activation: ActivationLike, order: int
) -> tuple[FeatureGram, Array]:
    """U (with its truncation) and V of the samples x, the noise averaged exactly."""
    gram = true_features(w, x, t, activation, order=order)
    norms = np.linalg.norm(w, axis=1)
    return gram, (gram.slope / norms)[:, None] * w


def fresh_moments(
    w: Array, centres: Array, variances: Array, t: float | NoiseLevel, activation: ActivationLike
) -> tuple[Array, Array]:
    """U and V of a mixture of equally likely Gaussians.

    Parameters
    ----------
    w : array, shape (p, d)
    centres : array, shape (k, d)
        Means of the components.
    variances : array, shape (d,)
        Diagonal of their common covariance.
    """
    d = w.shape[1]
    shown = noised(t)
    covariance = (w * (shown.data_square * variances + shown.noise_square)) @ w.T / d
    omega = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(omega, omega)
    np.fill_diagonal(correlation, 0.0)
    u = shown.data * w @ centres.T / math.sqrt(d)
    wide = np.broadcast_to(omega[:, None], u.shape).copy()
    moments, second = noise_average(activation, u, wide).moments(u, wide, FRESH_ORDER)
    gram, power = np.zeros_like(correlation), np.ones_like(correlation)
    for moment in moments:
        # Without a mean every other moment of an odd function vanishes.
        if np.abs(moment).max() > 1e-12:
            gram += power * (moment @ moment.T / len(centres))
        power *= correlation
    np.fill_diagonal(gram, second.mean(axis=1))
    slope = moments[1].mean(axis=1) / omega
    return gram, math.sqrt(shown.noise_square / d) * slope[:, None] * w


def feature_moments(
    w: Array,
    x: Array,
    fresh: tuple[Array, Array],
    t: float | NoiseLevel,
    activation: ActivationLike,
    order: int,
) -> tuple[FeatureMoments, float]:
    """Training moments of x beside those of fresh data, and the bound on Mehler's remainder."""
    gram, v = data_moments(w, x, t, activation, order)
    return FeatureMoments(gram.matrix, v, *fresh), gram.truncation
