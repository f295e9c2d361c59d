r"""Averaged losses of affine denoisers, and distances between their maps, at solved points.

With :math:`\kappa,\kappa',a,r=\kappa/\zeta` at ζ, :math:`u=l/(l+\kappa)`, :math:`x=1-u` and
averages over the population, the traces are

.. math::  \mathrm{tr}\,G=\tfrac r\kappa\langle x\rangle,\quad
           \mathrm{tr}\,\Sigma G=r\langle u\rangle,\quad
           \mathrm{tr}\,\Sigma G^2=\tfrac{r^2\kappa'}\kappa\langle ux\rangle,\quad
           \mathrm{tr}\,\hat\Sigma G^2=\tfrac{\kappa'}\kappa\langle ux\rangle,

and every quantity here is arranged as a sum of positive terms of these. The formulas stand in the
methods of :class:`~rmtspec.LinearDenoiser`; G, ζ and the rest are those of its module.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import corrections
from .corrections import EmpiricalMean
from .renormalised_ridge import RenormalisedRidge, RidgeSums

FloatArray = NDArray[np.float64]


class Level(NamedTuple):
    """One flat set of points: noise s, ridge c, the renormalised ridge there, and the shape.

    Where `mean` is given, averages hold the next order in 1/d, and s and c are those of the
    known-mean problem that stands for the asked one.
    """

    s: FloatArray
    c: FloatArray
    sums: RidgeSums
    shape: tuple[int, ...]
    ridge: RenormalisedRidge
    mean: EmpiricalMean | None

    def shaped(self, values: FloatArray) -> Any:
        """The values in the shape of the points, a scalar for one point."""
        return np.asarray(values).reshape(self.shape)[()]

    def average(self, function: Any, points: tuple[FloatArray, ...]) -> FloatArray:
        """Average of ``function(l, *points)`` over the population, in slices of bounded memory."""
        eigenvalues, weights = self.ridge.eigenvalues, self.ridge.weights
        out = np.empty(points[0].size)
        block = max(1, 1_000_000 // eigenvalues.size)
        for start in range(0, out.size, block):
            part = slice(start, start + block)
            columns = (array[part, None] for array in points)
            out[part] = function(eigenvalues, *columns) @ weights
        return out


def solve(
    ridge: RenormalisedRidge,
    s: FloatArray,
    c: FloatArray,
    load: FloatArray,
    shape: tuple[int, ...],
    mean: EmpiricalMean | None,
) -> Level:
    """Solve each distinct point once: curves repeat them at every time."""
    if mean is not None:
        load, s, c = mean.equivalent(load, s, c)
    distinct, place = np.unique(np.stack([s + c, load]), axis=1, return_inverse=True)
    place = np.ravel(place)
    sums = ridge.solve(*np.ascontiguousarray(distinct))
    return Level(s, c, RidgeSums(*(column[place] for column in sums)), shape, ridge, mean)


def train(level: Level) -> FloatArray:
    """Training loss, without the penalty."""
    sums = level.sums
    s, c = level.s / sums.zeta, level.c / sums.zeta
    value = c * c + c * s * (sums.u + sums.slope / sums.ratio * sums.ux) + s * sums.u
    if level.mean is not None:
        value = value + corrections.shift_of_training_loss(
            level.s, level.c, sums, level.mean.dimension
        )
    return np.asarray(value)


def objective(level: Level) -> FloatArray:
    """Training loss with the penalty."""
    sums = level.sums
    value = level.c / sums.zeta + level.s / sums.zeta * sums.u
    if level.mean is not None:
        value = value + corrections.shift_of_objective(level.s, sums, level.mean.dimension)
    return np.asarray(value)


def test(level: Level) -> FloatArray:
    """Test loss."""
    sums = level.sums
    gap = level.s / sums.zeta * sums.slope * sums.ux * sums.a * (sums.ratio + 1.0)
    return train(level._replace(mean=None)) + gap + _shift_of_test_loss(level)


def variance(level: Level) -> FloatArray:
    """Variance V of the map over data sets."""
    s, sums = level.s, level.sums
    spread = sums.uu + s / sums.kappa * sums.ux
    return np.asarray(s / sums.zeta * sums.ratio * sums.slope * sums.ux * spread / sums.load)


def distance_to_optimal(level: Level) -> FloatArray:
    """Squared distance to the map of infinite data without a ridge."""
    s, sums = level.s, level.sums
    bias = level.ridge.average_of_square(sums.a, level.c, sums.kappa, s)
    value = variance(level) + s * sums.ratio * bias * sums.ratio + _shift_of_test_loss(level)
    if level.mean is not None:
        value = value + level.mean.optimal_shift(s, sums, level.average)
    return np.asarray(value)


def distance_to_regularised(level: Level) -> FloatArray:
    """Squared distance to the map of infinite data with the same ridge."""
    s, sums = level.s, level.sums
    bias = sums.a**2 * level.average(
        lambda lam, s, k, z: (lam / (lam + k)) ** 2 * ((lam + s) / (lam + z)) / (lam + z),
        (s, sums.kappa, sums.zeta),
    )
    return np.asarray(variance(level) + s * sums.ratio * bias * sums.ratio)


def distance_of_pair(mine: Level, other: Level) -> FloatArray:
    """Squared distance between the maps of two disjoint data sets, of two loads."""
    s, first, second = mine.s, mine.sums, other.sums
    distance = mine.average(
        lambda lam, s, k, m: (lam / (lam + k)) ** 2 * ((lam + s) / (lam + m)) / (lam + m),
        (s, first.kappa, second.kappa),
    )
    factor = first.ratio * second.ratio * (first.a - second.a)
    return np.asarray(variance(mine) + variance(other) + s * factor**2 * distance)


def distance_along(level: Level, lam: FloatArray) -> FloatArray:
    """Relative squared distance to the regularised map along directions of variance `lam`."""
    s, sums = level.s, level.sums
    u = lam / (lam + sums.kappa)
    spread = sums.uu + s / sums.kappa * sums.ux
    shape = (lam + sums.zeta) / (lam + sums.kappa) * ((lam + sums.zeta) / (lam + s))
    part = sums.slope / sums.load * u * shape * spread
    return np.asarray(sums.ratio**2 * ((sums.a * u) ** 2 + part))


def noise_to_signal(alpha_bar: FloatArray) -> FloatArray:
    """s = (1 − ᾱ)/ᾱ; the subtraction is exact where ᾱ > 1/2 and harmless below."""
    return np.asarray((1.0 - alpha_bar) / alpha_bar)


def _shift_of_test_loss(level: Level) -> FloatArray | float:
    if level.mean is None:
        return 0.0
    shift = corrections.shift_of_test_loss(level.s, level.sums, level.mean.dimension)
    return shift + level.mean.test_excess(level.s, level.sums)
