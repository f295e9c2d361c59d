r"""What sums over eigenvalues are if a model is right, and how well that is known.

*gaussian.*  Mean and covariance of the Gaussian equivalent by formula
(`rmtspec.solve.linear_statistics`), without a parameter and without sampling.

*simulate.*  The same from draws of the Gaussian equivalent at the dimension of the data.

*calibrated.*  Features of the activation itself: their mean is the law's plus a shift δ, their
covariance another one, and neither depends on d but by terms of order 1/d (norms of neurons and of
samples fluctuate: :math:`\delta` reaches 27 standard deviations in the lowest statistic of tanh
features at d = 50).  M_1 draws at a small :math:`d_1` and M_2 at :math:`d_2=2d_1` give

.. math::  \delta(d)=(1+a)\,\delta_2-a\,\delta_1,\qquad a=1-d_2/d,

with the variance :math:`hC,\ h=(1+a)^2/M_2+a^2/M_1`.

*The test.*  The mean of m draws differs from a mean known up to hC by r, of covariance
(1/m + h) C.  With C known :math:`\chi^2=r^\top C^{-1}r/(1/m+h)` has k degrees of freedom; with C
estimated with ν degrees of freedom :math:`\frac{\nu-k+1}{k\nu}\chi^2` has the F distribution of
(k, ν − k + 1) degrees (Hotelling 1931).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..law import SpectralLaw
from ..random_features.model import RandomFeatureModel
from ..result import ProgressBar
from .finite_size import Model, at_dimension, sizes
from .simulate import draws
from .statistics import Statistics

FloatArray = NDArray[np.float64]

LEAST_FREEDOM = 5
"""Degrees of freedom of an estimated covariance, beyond the number of statistics."""

_LARGEST_SMALL = 160  # neurons of the smaller matrices of a calibration
_LEAST_DIMENSION = 20


@dataclass(frozen=True, eq=False)
class Null:
    """Mean and covariance (k, k) of the sums of one matrix, and how well they are known.

    Attributes
    ----------
    mean, covariance : of one draw
    doubt : h, the covariance of the mean over that of one draw
    freedom : degrees of freedom of the covariance, inf if it is known
    sentence : what is assumed
    """

    mean: FloatArray
    covariance: FloatArray
    doubt: float
    freedom: float
    sentence: str

    def test(
        self, mean: FloatArray, count: int, directions: FloatArray
    ) -> tuple[float, int, float | None]:
        """Chi-square, its degrees of freedom and p-value (None if C is known too badly)."""
        from scipy.stats import chi2, f

        moved = (mean - self.mean) @ directions
        covariance = directions.T @ self.covariance @ directions * (1.0 / count + self.doubt)
        degrees = moved.size
        square = float(moved @ np.linalg.solve(covariance, moved))
        if math.isinf(self.freedom):
            return square, degrees, float(chi2.sf(square, degrees))
        rest = self.freedom - degrees + 1.0
        if rest < LEAST_FREEDOM:
            return square, degrees, None
        return square, degrees, float(f.sf(square * rest / (degrees * self.freedom), degrees, rest))

    def deviations(self, count: int) -> FloatArray:
        """Standard deviation of the difference between the mean of `count` draws and `mean`."""
        return np.asarray(np.sqrt(np.diag(self.covariance) * (1.0 / count + self.doubt)))


def by_formula(
    law: SpectralLaw, statistics: Statistics, size: int, beta: int, assumption: str
) -> Null:
    """The Gaussian null."""
    found = law.fluctuations(*statistics.functions, size=size, beta=beta)
    kind = "real" if beta == 1 else "complex"
    return Null(
        found.expected,
        found.covariance,
        0.0,
        math.inf,
        f"gaussian: {kind} matrices, mean and covariance by formula; {assumption}",
    )


def by_draws(
    model: Model,
    dimension: int,
    statistics: Statistics,
    rng: np.random.Generator,
    count: int,
    progress: bool,
) -> Null:
    """The null of Gaussian matrices drawn at the dimension of the data."""
    sums = _sums(model, dimension, statistics, rng, "gaussian", count, 0, progress)
    return Null(
        sums.mean(axis=0),
        np.cov(sums.T, ddof=1),
        1.0 / count,
        count - 1.0,
        f"simulate: {count} draws of Gaussian matrices of the same size, d = {dimension}",
    )


def by_calibration(
    model: RandomFeatureModel,
    dimension: int,
    statistics: Statistics,
    rng: np.random.Generator,
    count: int,
    dropped: int,
    progress: bool,
) -> Null:
    """The null of true features, from draws at two small dimensions.

    `dropped` eigenvalues at the top of each matrix are left out: that of a mean feature.
    """
    small = _small_dimension(model, dimension)
    numbers = (count, max(count // 2, 2))
    shifts, squares = [], np.zeros((len(statistics.names),) * 2)
    for d, number in zip((small, 2 * small), numbers, strict=True):
        near = at_dimension(model, d)
        assert isinstance(near, RandomFeatureModel)
        sums = _sums(near, d, statistics, rng, "true", number, dropped, progress)
        shifts.append(sums.mean(axis=0) - _limit(near, d, statistics))
        moved = sums - sums.mean(axis=0)
        squares += moved.T @ moved
    a = 1.0 - 2.0 * small / dimension
    freedom = sum(numbers) - 2.0
    return Null(
        _limit(model, dimension, statistics) + (1.0 + a) * shifts[1] - a * shifts[0],
        squares / freedom,
        (1.0 + a) ** 2 / numbers[1] + a**2 / numbers[0],
        freedom,
        f"calibrated: true features of Gaussian data, their mean shift and covariance from "
        f"{numbers[0]} draws at d = {small} and {numbers[1]} at d = {2 * small}",
    )


def _small_dimension(model: RandomFeatureModel, dimension: int) -> int:
    """A d at which true features are cheap and 1/d is small."""
    wanted = _LARGEST_SMALL / max(model.psi_p, 0.5 * model.psi_n, 1.0)
    return int(max(min(wanted, 0.5 * dimension), _LEAST_DIMENSION))


def _limit(model: RandomFeatureModel, dimension: int, statistics: Statistics) -> FloatArray:
    """N times the integrals over the law."""
    law, size = model.spectrum(), sizes(model, dimension).rows
    return size * np.array([float(law.integrate(f).real) for f in statistics.functions])


def _sums(
    model: Model,
    dimension: int,
    statistics: Statistics,
    rng: np.random.Generator,
    features: str,
    count: int,
    dropped: int,
    progress: bool,
) -> FloatArray:
    made = draws(model, dimension, rng, features)
    rows = []
    with ProgressBar(count, progress, f"d = {dimension}") as step:
        for _ in range(count):
            found = next(made).eigenvalues
            rows.append(statistics.sums(found[None, : found.size - dropped])[0])
            step()
    return np.array(rows)
