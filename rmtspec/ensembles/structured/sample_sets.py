"""Samples over which losses of a structured ensemble are averaged, as the equations see them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .reduction import Reduced

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SampleSets:
    r"""Rows: fresh samples, training samples, fresh ones of each class, training ones of each.

    Attributes
    ----------
    floors : (rows, N) S'
    data : (rows, Y) multiples of λ in the data blocks of :math:`\Theta^M`
    noise : (rows, m, m) the noise block, in all m slopes
    shares : (rows, Y) the noise block of each class, a multiple of one where no slope is left out
    sources : (rows, Y) multiples of one in :math:`E_y`
    seen : (rows, Y) multiples of λ in :math:`\Theta^M_*`
    dressed : (rows,) whether :math:`\Theta^M_{**}` has :math:`\lambda D^{-1}` in place of λ
    """

    floors: FloatArray
    data: FloatArray
    noise: FloatArray
    shares: FloatArray
    sources: FloatArray
    seen: FloatArray
    dressed: NDArray[np.bool_]

    @classmethod
    def of(cls, reduced: Reduced) -> SampleSets:
        """Of the classes of a reduced ensemble."""
        parts = reduced.parts
        count = parts.classes.size
        own = np.einsum("nyaa->ny", parts.kernels)
        floors, share = reduced.floors, parts.classes
        identity = np.eye(count)
        table = np.vstack([(floors + own) @ share, floors @ share, (floors + own).T, floors.T])
        nothing, ones = np.zeros((count, count)), np.ones((1, count))
        shares = np.vstack([ones, ones, identity / share, identity / share])
        return cls(
            np.ascontiguousarray(table),
            np.vstack([share, 0.0 * share, identity, nothing]),
            np.ascontiguousarray(np.einsum("my,yab->mab", shares, reduced.noise)),
            shares,
            np.vstack([0.0 * share, -ones, nothing, -identity / share]),
            np.vstack([share, share, identity, identity]),
            np.repeat([False, True, False, True], [1, 1, count, count]),
        )
