"""The mean map of a network of random features: what the losses of any target are made of.

Symbols and equations are those of `targets`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ...ensembles.two_point import Points, Response
from ...solve import REORDERED
from ...solve.kernel import kernel
from .setting import Setting

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]


class Map(NamedTuple):
    """The mean map at points, for every direction.

    Attributes
    ----------
    kappa : (points, directions)
    rest : w − cκ, without a difference
    unseen : 1 − y, without a difference; (points,)
    forced : X, (points,)
    """

    kappa: ComplexArray
    rest: ComplexArray
    unseen: ComplexArray
    forced: ComplexArray

    @classmethod
    def of(
        cls, points: Points, unseen: ComplexArray, along: Setting,
        u: float, w: float, c: float, b: float,
    ) -> Self:  # fmt: skip
        """Of the target uξ + wx for features that see cx + bξ."""
        kappa, rest, forced = _map(*points, unseen, along.levels, along.weights, u, w, c, b)
        return cls(kappa, rest, unseen, forced)

    def conjugate(self) -> Map:
        """The map at the complex conjugate points."""
        return Map(*(column.conj() for column in self))

    def spread(
        self, pairs: Sequence[Response], along: Setting
    ) -> tuple[ComplexArray, ComplexArray, FloatArray]:
        """S of points, and of points and conjugate ones, and the sizes of the terms of both."""
        noise = _products(self.kappa, along.weights)
        data = _products(self.rest, along.weights * along.levels)
        responses = [column for pair in pairs for column in (pair.k, pair.y, pair.loss)]
        tables: tuple[ComplexArray, ComplexArray, FloatArray] = _spread(noise, data, *responses)
        return tables

    def own_spread(self, pair: Response, along: Setting) -> FloatArray:
        """S of every point with itself, for real points."""
        by_noise = pair.k.diagonal() * (self.kappa**2 @ along.weights)
        by_data = pair.y.diagonal() * (self.rest**2 @ (along.weights * along.levels))
        return np.asarray((by_noise + by_data).real)


class OfMap(NamedTuple):
    """Of a mean map, (times,) each.

    Attributes
    ----------
    test : what it adds to the test loss of A = 0
    bias : its squared bias, of random data
    slack : how far its error moves the test loss
    """

    test: FloatArray
    bias: FloatArray
    slack: FloatArray

    @classmethod
    def of(
        cls, mean: FloatArray, off: FloatArray, weights: FloatArray, seen: FloatArray,
        driven: FloatArray, shown: FloatArray, best: FloatArray, gain: float,
    ) -> Self:  # fmt: skip
        """Of a map m known up to `off`, (times, directions) each.

        Along each direction `seen` is c²t + b², `driven` ub + wct, `shown` α²l + σ², and `best` m*,
        the best map of what is shown, from which gain·m differs by the bias.
        """
        return cls(*_of_map(mean, off, weights, seen, driven, shown, best, gain))


def _products(rows: ComplexArray, weights: FloatArray) -> FloatArray:
    """Σ_l w_l r_il r_jl of real parts r, and after them imaginary ones; no w is negative."""
    parts = np.concatenate([rows.real, rows.imag])
    parts *= np.sqrt(weights)
    return np.asarray(parts @ parts.T)  # half of the work, as it is seen to be symmetric


@kernel
def _spread(noise, data, k1, y1, loss1, k2, y2, loss2):
    """S of points and of points with conjugate ones, and the sizes of the terms of both."""
    plain, mixed, sizes = np.empty_like(k1), np.empty_like(k1), np.empty_like(loss1)
    n = len(k1)
    for i in range(n):
        for j in range(n):
            real, imag = noise[i, j], noise[n + i, n + j]
            across, back = noise[i, n + j], noise[n + i, j]
            noise1 = k1[i, j] * complex(real - imag, back + across)
            noise2 = k2[i, j] * complex(real + imag, back - across)
            real, imag = data[i, j], data[n + i, n + j]
            across, back = data[i, n + j], data[n + i, j]
            data1 = y1[i, j] * complex(real - imag, back + across)
            data2 = y2[i, j] * complex(real + imag, back - across)
            plain[i, j], mixed[i, j] = noise1 + data1, noise2 + data2
            sizes[i, j] = (_modulus(noise1) + _modulus(data1)) * loss1[i, j]
            sizes[i, j] += (_modulus(noise2) + _modulus(data2)) * loss2[i, j]
    return plain, mixed, sizes


@kernel
def _modulus(z):
    return np.sqrt(z.real * z.real + z.imag * z.imag)


@kernel(fastmath=REORDERED)
def _of_map(mean, off, weights, seen, driven, shown, best, gain):
    """Fields of `OfMap`."""
    found = np.empty((3, mean.shape[0]))
    for i in range(mean.shape[0]):
        test = bias = slack = 0.0
        for j in range(weights.size):
            m, w, away = mean[i, j], weights[j], gain * mean[i, j] - best[j]
            pull = abs(seen[j] * m - driven[j]) + seen[j] * off[i, j]
            test += w * (seen[j] * m - 2.0 * driven[j]) * m
            bias += w * shown[j] * away * away
            slack += 2.0 * w * pull * off[i, j]
        found[0, i], found[1, i], found[2, i] = test, bias, slack
    return found[0], found[1], found[2]


@kernel
def _map(k, y, unseen, levels, weights, u, w, c, b):
    """κ, w − cκ and X."""
    shape = (k.size, levels.size)
    kappa, rest = np.empty(shape, k.dtype), np.empty(shape, k.dtype)
    forced = np.empty_like(unseen)
    own = 0.0
    for j in range(levels.size):
        own += weights[j] * levels[j] * w * w
    for i in range(k.size):
        base, left = k[i] + b * b, w * (k[i] + b * b) - u * b * c
        forced[i] = own * unseen[i]
        for j in range(levels.size):
            seen = y[i] * levels[j]
            g, driven = base + c * c * seen, u * b + w * c * seen
            h = np.conj(g) * (1.0 / (g.real * g.real + g.imag * g.imag))
            kappa[i, j], rest[i, j] = driven * h, left * h
            forced[i] += weights[j] * (driven * kappa[i, j])
    return kappa, rest, forced
