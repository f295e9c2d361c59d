r"""Losses along the means of well separated classes, where a target may hold the means themselves.

Means :math:`\mu_y\sqrt d` span r of the d directions.  There a neuron with the projection η on them
sees a sample of class y as

.. math::  \varphi\simeq c_y+\frac{\eta}{\sqrt d}(C_yz+B\xi)+\text{own},

:math:`c_y` its mean feature, and a target with the slopes :math:`u_0=(a,n)` is
:math:`a(\mu_y\sqrt d+z)+n\xi`.  So far as losses go such a direction is one more joint eigenvalue
(`two_resolvent`), but for what neurons and target show in it: c and aμ stand beside the slopes,

.. math::
    v=(\sqrt d\,c,\ \eta u),\qquad x=(\sqrt d\,a\mu,\ u_0),\qquad
    \Theta=\mathrm{diag}\big(\{\pi_yD_y^{-1}\},\{\pi_y\lambda_yD_y^{-1}\},I\big),\qquad
    G=\psi_p\sum_\tau\pi_\tau g_\tau vv^\top

take the places of :math:`u,u_0,\Theta(\lambda)` and Q, the constant 1 being a datum of variance 1.
r directions have no influence on g and D, nor on their responses, and each weighs 1/d; but
:math:`x^2` is of order d where aμ is not 0.  So are the eigenvalues of G: this part of the loss
relaxes at times of order 1/d.

The components of c and a outside the channels of the equations (`reduction`) count here, with
:math:`D_y=1` and the source of M alone as the response.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .kernels.pairs import Readings
from .reduction import Reduced, Target
from .sample_sets import SampleSets

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]


@dataclass(frozen=True, eq=False)
class MeanDirections:
    """What K neurons show in the directions of the means; they may be finer than the types.

    Attributes
    ----------
    dimension : d
    shares : (K,) of the neurons
    type_of : (K,) which of the given types each is
    projections : (K, r) η
    features : (K, Y, T) c, weights of the channels absorbed
    slopes : (K, 2, Y, T) C and B of every neuron itself, as the ensemble takes them
    means : (Y, r) μ
    variances : (Y,) λ, along each of the directions
    """

    dimension: float
    shares: FloatArray
    type_of: NDArray[np.intp]
    projections: FloatArray
    features: FloatArray
    slopes: FloatArray
    means: FloatArray
    variances: FloatArray

    @property
    def weight(self) -> float:
        """r/d, the part of the directions that is not the bulk's."""
        return self.means.shape[1] / self.dimension

    @cached_property
    def seen(self) -> FloatArray:
        """(K, s) v: c, then C along every direction, then B along every direction."""
        along = self.projections[:, :, None, None, None] * self.slopes[:, None]
        parts = (self.features * np.sqrt(self.dimension), along[:, :, 0], along[:, :, 1])
        return np.hstack([part.reshape(len(self.shares), -1) for part in parts])

    def wanted(self, target: Target) -> FloatArray:
        """(s, r) x, a column a direction."""
        r = self.means.shape[1]
        means = np.sqrt(self.dimension) * np.einsum("yt,yj->ytj", target.data, self.means)
        own = [np.multiply.outer(np.eye(r), slopes) for slopes in target]
        rest = [part.transpose(0, 2, 3, 1).reshape(-1, r) for part in own]
        return np.vstack([means.reshape(-1, r), *rest])

    @property
    def levels(self) -> FloatArray:
        """(1 + r, Y) variances of the blocks of data: of a constant, and of each direction."""
        along = np.tile(self.variances, (self.means.shape[1], 1))
        return np.vstack([np.ones(self.variances.size), along])

    def largest(self, psi_p: float, classes: FloatArray) -> float:
        """The largest eigenvalue that these directions give U, at most."""
        data = np.repeat(self.levels * classes, self.features.shape[2])
        theta = np.append(data, np.ones(self.seen.shape[1] - data.size))
        seen = np.sqrt(psi_p * self.shares)[:, None] * self.seen * np.sqrt(theta)
        return float(np.linalg.norm(seen, 2) ** 2)


class MeanForms(NamedTuple):
    """What they add to losses, as `two_resolvent.LossForms`.

    Attributes
    ----------
    initial, single : (rows,) and (rows, n)
    tables : (2, rows, n, n) T_M, and mirrored, but for the responses g' and D'
    readings : what is seen of these
    """

    initial: FloatArray
    single: ComplexArray
    tables: ComplexArray
    readings: Readings


def no_readings(count: int, classes: int, r: int) -> Readings:
    """Readings of an ensemble whose directions are all of the bulk."""
    heads = np.zeros((count, 0, 0), dtype=np.complex128)
    tails = np.zeros((count, 0, classes, r), dtype=np.complex128)
    return Readings(np.zeros(0), np.zeros(0, dtype=np.intp), heads, tails)


def mean_forms(
    given: MeanDirections,
    target: Target,
    reduced: Reduced,
    sets: SampleSets,
    psi_p: float,
    g: ComplexArray,
    d: ComplexArray,
) -> MeanForms:
    """Forms of the directions' losses at n roots g (n, N), D (n, Y, r, r)."""
    basis, kind, x = reduced.channels, reduced.type_of[given.type_of], given.wanted(target)
    channels = basis.shape[1]
    outside = np.eye(channels) - np.einsum("yta,ysa->yts", basis, basis)
    inverses = np.einsum("yta,nyab,ysb->nyts", basis, np.linalg.inv(d), basis) + outside
    levels = given.levels * reduced.parts.classes
    seen, dressed, heads, tails = (
        np.array(column)
        for column in zip(
            *(_state(given, x, levels, psi_p, g[i, kind], inverses[i]) for i in range(len(g))),
            strict=True,
        )
    )
    noise = np.tile(np.repeat(sets.shares, channels, axis=1), x.shape[1])

    def diagonal(multiples: FloatArray) -> FloatArray:
        """(rows, s) Θ^M from the multiples of λ."""
        data = np.repeat(multiples[:, None] * given.levels, channels, axis=2)
        return np.hstack([data.reshape(len(multiples), -1), noise])

    full, inner = diagonal(sets.seen), diagonal(sets.data)
    initial = np.einsum("sj,ms,sj->m", x, full, x)
    right = np.where(sets.dressed[:, None, None, None], dressed, x)
    single = initial[:, None] - np.einsum("nsj,ms,mnsj->mn", seen, full, right)
    beyond = np.einsum("yts,nxys->nxyt", outside, tails)
    tables = [
        np.einsum("nsj,ms,ksj->mnk", seen, inner, other)
        - np.einsum("nxyt,my,kxyt->mnk", beyond, sets.sources, rest)
        for other, rest in ((seen, beyond), (seen.conj(), beyond.conj()))
    ]
    tails = np.ascontiguousarray(np.einsum("ytr,nxyt->nxyr", basis, tails))
    readings = Readings(given.shares, kind, heads, tails)
    each = 1.0 / given.dimension
    both = np.array(tables, dtype=np.complex128)
    return MeanForms(each * initial, each * single, each * both, readings)


def _state(
    given: MeanDirections,
    x: FloatArray,
    levels: FloatArray,
    psi_p: float,
    g: ComplexArray,
    inverse: ComplexArray,
) -> tuple[ComplexArray, ComplexArray, ComplexArray, ComplexArray]:
    """Of one root: w = Lᵀx, D⁻¹x in the data blocks, xᵀHv (r, K) and √(πλ)D⁻¹w (r(1+r), Y, T).

    levels (1 + r, Y) are πλ, `inverse` (Y, T, T) is D⁻¹ of all channels.
    """
    shape = (*levels.shape, inverse.shape[1])
    count = levels.size * shape[2]
    theta = np.append(np.repeat(levels, shape[2]), np.ones(len(x) - count))[:, None]

    def times(columns: ComplexArray | FloatArray) -> ComplexArray:
        turned = np.einsum("yts,bysk->bytk", inverse, columns[:count].reshape(*shape, -1))
        return np.concatenate([turned.reshape(count, -1), columns[count:]])

    v = given.seen
    gram: ComplexArray = psi_p * ((given.shares * g) * v.T) @ v
    system = np.eye(len(x)) + theta * times(gram)
    seen: ComplexArray = np.linalg.solve(system.T, x).astype(np.complex128)
    turned = times(seen)
    tails = np.sqrt(theta[:count]) * turned[:count]
    heads = np.asarray((theta * turned).T @ v.T)
    return seen, times(x), heads, np.asarray(tails.T.reshape(-1, *shape[1:]))
