r"""Two networks of finite size with the same W, trained on independent data sets, exactly.

With :math:`N=V^\top f(U)\phi` of either set all second moments are traces: on fresh points around
:math:`\tilde U=E\phi\phi^\top`, on the training points of the first set around :math:`U_1`, and the
pull of N to the clean sample is :math:`\frac1d\mathrm{Tr}\,V^\top f(U)E\phi x^\top`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...inputs.activation import ActivationLike
from ...inputs.diffusion.level import NoiseLevel
from ...inputs.diffusion.prediction import Target
from .feature_matrices import gaussian_equivalent
from .fresh_features import data_moments, fresh_moments
from .training_flow import flow_filters

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SetMoments:
    """U (p, p), E φξᵀ and E φxᵀ (p, d) of one set of samples, or of fresh data."""

    u: Array
    noise: Array
    data: Array


class PairValues(NamedTuple):
    """Per dimension; all (times,).

    Attributes
    ----------
    distance, train_distance : E|N_1 − N_2|², on fresh points and on those of the first set
    train_pull, fresh_pull : E N_1·x there
    """

    distance: Array
    train_distance: Array
    train_pull: Array
    fresh_pull: Array


def equivalent_moments(
    w: Array, x: Array, omega: Array, *, c: float, b: float, v: float, s: float
) -> SetMoments:
    """Moments of the Gaussian equivalent on the samples x."""
    g = (c / np.sqrt(w.shape[1])) * (w @ x.T) + v * omega
    u = gaussian_equivalent(w, x, omega, c=c, b=b, v=v, s=s)
    return SetMoments(u, b * w / np.sqrt(w.shape[1]), g @ x / len(x))


def equivalent_fresh(
    w: Array, variances: Array, *, c: float, b: float, v: float, s: float
) -> SetMoments:
    """The same of fresh data."""
    scaled = w / np.sqrt(w.shape[1])
    u = (scaled * (c**2 * variances + b**2)) @ scaled.T + (v**2 + s**2) * np.eye(len(w))
    return SetMoments(u, b * scaled, c * scaled * variances)


def true_moments(
    w: Array, x: Array, level: NoiseLevel, activation: ActivationLike, order: int = 7
) -> SetMoments:
    """Moments of features of the activation on the samples x."""
    gram, noise = data_moments(w, x, level, activation, order)
    return SetMoments(gram.matrix, noise, gram.data)


def true_fresh(
    w: Array, variances: Array, level: NoiseLevel, activation: ActivationLike
) -> SetMoments:
    """The same of fresh Gaussian data."""
    u, noise = fresh_moments(w, np.zeros((1, w.shape[1])), variances, level, activation)
    return SetMoments(u, noise, noise * (level.alpha / level.sigma * variances))


def pair_values(
    first: SetMoments, second: SetMoments, fresh: SetMoments, target: Target, tau: Array,
    clock: float,
) -> PairValues:  # fmt: skip
    """Train both from A = 0 for the times tau, inf allowed."""
    psi_p = len(first.u) / first.noise.shape[1]
    rows = []
    bases = [_basis(one, target) for one in (first, second)]
    for time in np.atleast_1d(tau):
        one, two = (
            vectors @ (flow_filters(values, np.array([time]), clock, psi_p)[0][:, None] * forced)
            for values, vectors, forced in bases
        )
        apart = one - two
        rows.append(
            [
                np.sum(apart * (fresh.u @ apart)),
                np.sum(apart * (first.u @ apart)),
                np.sum(one * first.data),
                np.sum(one * fresh.data),
            ]
        )
    return PairValues(*(np.array(rows).T / first.noise.shape[1]))


def _basis(moments: SetMoments, target: Target) -> tuple[Array, Array, Array]:
    """Eigenvalues and eigenvectors of U, and V in that basis."""
    values, vectors = np.linalg.eigh(moments.u)
    kept = values > len(values) * np.finfo(float).eps * values[-1]
    values, vectors = values[kept], vectors[:, kept]
    return values, vectors, vectors.T @ (target.noise * moments.noise + target.data * moments.data)
