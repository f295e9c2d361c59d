"""The atoms of a measure as the equations of laws read them."""

from __future__ import annotations

from math import fsum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


class PositiveAtoms(NamedTuple):
    """The positive atoms of a measure of mass 1, ascending.

    `above` is the mass above each, `whole` that of all, and `lost` what the weights, that of 0
    among them, sum to beyond 1.
    """

    eigenvalues: FloatArray
    weights: FloatArray
    zero_weight: float
    above: FloatArray
    whole: float
    lost: float

    @classmethod
    def of(cls, atoms: FloatArray, weights: FloatArray) -> PositiveAtoms:
        """Those of atoms >= 0 that ascend."""
        kept = atoms > 0.0
        mass, zero_weight = weights[kept], float(weights[~kept].sum())
        lost = fsum([*weights, -1.0])
        return cls(atoms[kept], mass, zero_weight, mass_above(mass), float(mass.sum()), lost)


def mass_above(weights: FloatArray) -> FloatArray:
    """Mass above each of ascending atoms."""
    return np.append(weights[::-1].cumsum(dtype=np.longdouble)[::-1][1:], 0.0).astype(float)
