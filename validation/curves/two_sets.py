r"""Two random-feature networks with the same features on disjoint data: distance and lean.

With S_0, I_j, K, Y of the law's two-point equations (`rmtspec.ensembles.two_point`), the test loss
is one of two resolvents that share features and samples.  Networks on independent data share their
features only: without the response Y through the samples, that to the features is

.. math::  K_W=\frac{v^2+s^2+k_1k_2(b^2I_0+c^2I_1)}{\psi_p-1+k_1S_0^{(1)}+k_2S_0^{(2)}-k_1k_2I_0},

and the mean square between their noise predictions is twice what the test loss falls by,

.. math::  D(\tau)=2b^2\oint\oint ff\,[(K-K_W)I_0+c^2YI_1].

A network's output along the clean sample of a noised point is :math:`\oint f\int cl\,b/g` for fresh
points and the same with a factor y for its own, so that the score leans on its own samples by

.. math::  \beta(\tau)=\oint f\int\frac{l(1-y)}g\,d\rho\Big/\oint f\int\frac lg\,d\rho.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

import rmtspec as rs

Array = NDArray[np.float64]


class TwoSets(NamedTuple):
    """Curves over training; arrays shaped like the times.

    Attributes
    ----------
    train, test : losses
    distance : D
    beta : lean of the score on its own samples, from 0 to 1
    score : error of the score
    variance : D/(2 Δ): what of the score error is spread between data sets; the rest is bias
    """

    train: Array
    test: Array
    distance: Array
    beta: Array
    score: Array
    variance: Array


def two_sets(model: rs.RandomFeatureModel, tau: ArrayLike) -> TwoSets:
    """Return the curves of two networks on independent data at finite times τ > 0."""
    times = np.atleast_1d(np.asarray(tau, dtype=float))
    curves = model.training()._curves
    grid = curves.grids(float(times.max()))[1]
    level, weight, *_ = curves.setting
    co, points = model.coefficients, grid.points
    f = grid.weights * curves.relaxation.filtered(grid.x, times)
    h = points.along(level, co.c**2, co.b**2)
    along = (h * level) @ weight
    fresh = (f * along).real.sum(1)
    beta = (f * along * (1.0 - points.y)).real.sum(1) / fresh
    tables = []
    for second, pair in zip((points, points.conjugate()), grid.pairs, strict=True):
        other = second.along(level, co.c**2, co.b**2)
        i0, i1 = (h * weight) @ other.T, (h * (weight * level)) @ other.T
        kk = np.multiply.outer(points.k, second.k)
        shared = np.add.outer(points.k * (h @ weight), second.k * (other @ weight))
        alone = co.v**2 + co.s**2 + kk * (co.b**2 * i0 + co.c**2 * i1)
        alone = alone / (model.psi_p - 1.0 + shared - kk * i0)
        tables.append((pair.k - alone) * i0 + co.c**2 * pair.y * i1)
    plain, mixed = tables
    double = np.einsum("ti,ij,tj->t", f, plain, f, optimize=True)
    double = double + np.einsum("ti,ij,tj->t", f, mixed, f.conj(), optimize=True)
    distance = 4.0 * co.b**2 * double.real
    found = model.learning_curves(times)
    score = np.ravel(found.score_error)
    return TwoSets(
        np.ravel(found.train), np.ravel(found.test), distance, beta, score,
        distance / (2.0 * model.delta),
    )  # fmt: skip
