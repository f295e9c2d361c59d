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

take the places of :math:`u,u_0,\Theta(\lambda)` and Q, the mean of the class having the variance 1
of a constant.  r directions have no influence on g and D, nor on their responses, and each weighs
1/d; but :math:`x^2` is of order d where aμ is not 0.  Eigenvalues of G are of order d too: this part
of the loss relaxes at times of order 1/d, and leaves :math:`O(1/d)`.

The components of c and a outside the channels of the equations (`reduction`) count here, with
:math:`D_y=1` and the source of M alone as the response.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .kernels.pairs import Readings
from .reduction import Reduced, Target
from .sample_sets import SampleSets

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]


class MeanDirections(NamedTuple):
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

    @property
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
        theta = np.concatenate([
            (self.levels * classes)[:, :, None].repeat(self.features.shape[2], 2).ravel(),
            np.ones(self.means.shape[1] * self.features[0].size),
        ])  # fmt: skip
        seen = np.sqrt(psi_p * self.shares)[:, None] * self.seen * np.sqrt(theta)
        return float(np.linalg.norm(seen, 2) ** 2)


class MeanForms(NamedTuple):
    """What they add to losses, as `two_resolvent.LossForms`; T_M lacks what `readings` holds."""

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
    parts, basis = reduced.parts, reduced.channels
    kind = reduced.type_of[given.type_of]
    v, x, levels = given.seen, given.wanted(target), given.levels * parts.classes
    blocks, count = (*levels.shape, basis.shape[1]), levels.size * basis.shape[1]
    outside = np.eye(basis.shape[1]) - np.einsum("yta,ysa->yts", basis, basis)
    inverses = np.einsum("yta,nyab,ysb->nyts", basis, np.linalg.inv(d), basis) + outside

    def times(matrices: ComplexArray, vectors: ComplexArray) -> ComplexArray:
        """D⁻¹ in the data blocks of columns."""
        turned = np.einsum("yts,bysk->bytk", matrices, vectors[:count].reshape(*blocks, -1))
        return np.concatenate([turned.reshape(count, -1), vectors[count:]])

    shape = (levels[:, :, None] * np.ones(blocks)).ravel()
    theta = np.concatenate([shape, np.ones(len(x) - count)])[:, None]
    seen = np.empty((len(g), *x.shape), dtype=np.complex128)
    heads = np.empty((len(g), x.shape[1], len(v)), dtype=np.complex128)
    tails = np.empty((len(g), *blocks, x.shape[1]), dtype=np.complex128)
    dressed = np.empty_like(seen)
    for i, inverse in enumerate(inverses):
        gram = psi_p * ((given.shares * g[i, kind]) * v.T) @ v
        system = np.eye(len(x)) + theta * times(inverse, gram)
        seen[i] = np.linalg.solve(system.T, x)
        turned = times(inverse, seen[i])
        heads[i] = (theta * turned).T @ v.T
        tails[i] = np.sqrt(levels)[:, :, None, None] * turned[:count].reshape(*blocks, -1)
        dressed[i] = times(inverse, x)
    tails = np.moveaxis(tails, -1, 1).reshape(len(g), -1, *blocks[1:])

    noise = np.tile(np.repeat(sets.shares, blocks[2], axis=1), x.shape[1])

    def on_data(multiples: FloatArray) -> FloatArray:
        """(rows, s) the diagonal of Θ^M from the multiples of λ."""
        data = multiples[:, None, :, None] * given.levels[:, :, None] * np.ones(blocks)
        return np.hstack([data.reshape(len(multiples), -1), noise])

    full, inner = on_data(sets.seen), on_data(sets.data)
    initial = np.einsum("sj,ms,sj->m", x, full, x)
    bare = np.einsum("nsj,ms,sj->mn", seen, full, x)
    turned_rows = np.einsum("nsj,ms,nsj->mn", seen, full, dressed)
    single = initial[:, None] - np.where(sets.dressed[:, None], turned_rows, bare)
    beyond = np.einsum("yts,nxys->nxyt", outside, tails)
    tables = [
        np.einsum("nsj,ms,ksj->mnk", seen, inner, other)
        - np.einsum("nxyt,my,kxyt->mnk", beyond, sets.sources, rest)
        for other, rest in ((seen, beyond), (seen.conj(), beyond.conj()))
    ]
    readings = Readings(
        given.shares,
        kind,
        heads,
        np.ascontiguousarray(np.einsum("ytr,nxyt->nxyr", basis, tails)),
    )
    each = 1.0 / given.dimension
    return MeanForms(each * initial, each * single, each * np.array(tables), readings)
