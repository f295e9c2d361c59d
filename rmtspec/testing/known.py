r"""What is known of a spectrum before any equation is solved: bounds, ranks and inverse moments.

The singular values of a Gaussian matrix :math:`A/\sqrt d`, p x N with p = αd and N = βd, fill
:math:`|\sqrt\alpha\pm\sqrt\beta|` (Geman 1980; Bai and Yin 1993).  They multiply at least and at
most, and ranks count atoms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..ensembles.conditional_feature import ConditionalFeatureGram
from ..ensembles.random_feature import RandomFeatureGram
from ..ensembles.sample_covariance import SampleCovariance
from ..inputs.population import PopulationSpectrum
from .findings import EPS

FloatArray = NDArray[np.float64]

_EQUAL = 1e-12  # counts this close are equal: no atom, and no gap that can be relied on


@dataclass(frozen=True)
class Known:
    """Facts about a law, from its parameters alone.

    Attributes
    ----------
    support : (k, 2) intervals that hold all the mass, wider than the true ones
    atoms : (j, 2) all atoms, with their masses
    floor : lower end of the spectrum, and place of the atom
    inverse : ∫(λ − floor)^-1 over all but the atom, NaN where it has no closed form
    gap : distance below which, above the floor, there is no eigenvalue but the atom
    """

    support: FloatArray
    atoms: FloatArray
    floor: float
    inverse: float
    gap: float

    @classmethod
    def of(cls, matrix: SampleCovariance | RandomFeatureGram) -> Known:
        """What is known of a sample covariance or a random-feature matrix."""
        if isinstance(matrix, SampleCovariance):
            return _of_covariance(matrix)
        return _of_features(matrix)


def _spread(one: float, other: float) -> tuple[float, float]:
    """Squares of the extreme singular values, widened by rounding; 0 where they may vanish."""
    a, b = np.sqrt(one), np.sqrt(other)
    low = max(abs(a - b) - 8.0 * EPS * (a + b), 0.0) if abs(one - other) > _EQUAL * one else 0.0
    return low**2 * (1.0 - 1e-12), (a + b) ** 2 * (1.0 + 1e-12)


def _made(floor: float, gap: float, top: float, mass: float, inverse: float) -> Known:
    bulk = [floor + gap, max(floor + top, floor + gap)]
    if mass <= _EQUAL:
        return Known(np.array([bulk]), np.empty((0, 2)), floor, inverse, gap)
    rows = [[floor, floor], bulk] if gap > 0.0 else [[floor, bulk[1]]]
    return Known(np.array(rows), np.array([[floor, mass]]), floor, inverse, gap)


def _positive(population: PopulationSpectrum) -> tuple[FloatArray, FloatArray]:
    positive = population.eigenvalues > 0.0
    return population.eigenvalues[positive], population.weights[positive]


def _of_covariance(matrix: SampleCovariance) -> Known:
    """XX^T/n: rank min(n, positive modes); tr S^-1/d = ∫dH/t/(1 − c) where n is the larger."""
    t, w = _positive(matrix.population)
    rank = float(w.sum())
    low, high = _spread(1.0, matrix.ratio * rank)
    gap, top = float(t.min()) * low, float(t.max()) * high
    mass = max(1.0 - rank, 1.0 - 1.0 / matrix.ratio)
    inverse = np.nan
    excess = 1.0 - matrix.ratio * rank
    if excess > 1e-6:
        inverse = float(w @ (1.0 / t)) / excess
    return _made(0.0, gap, top, mass, inverse)


def _of_features(gram: RandomFeatureGram) -> Known:
    r"""U − s² = 𝒲M𝒲^T/d: rank min(p, rank M), and ∫dH_M/μ/(ψ_p(ψ_p − m_+)) where p is larger."""
    mass, low, high, inverse = _block(gram)
    if mass == 0.0:
        return _made(gram.s2, 0.0, 0.0, 1.0, np.nan)
    narrow, wide = _spread(gram.psi_p, mass)
    excess = gram.psi_p - mass
    sure = inverse / (gram.psi_p * excess) if excess > 1e-6 * gram.psi_p else np.nan
    return _made(gram.s2, low * narrow, high * wide, excess / gram.psi_p, sure)


def _block(gram: RandomFeatureGram) -> tuple[float, float, float, float]:
    r"""Mass of the positive eigenvalues of M, bounds on them, and ∫dH_M/μ (NaN if not known).

    A pair has sum ς + b² + u and product b²u, so it lies between b²u/(ς + b² + u) and
    ς + b² + u; its inverses sum to (ς + b² + u)/(b²u).
    """
    t, w = _positive(gram.population)
    rank, u, b2 = float(w.sum()), gram.v2 / gram.psi_n, gram.b2
    low, high = (
        (1.0, 1.0) if isinstance(gram, ConditionalFeatureGram) else _spread(1.0, rank / gram.psi_n)
    )
    seen = gram.c2 > 0.0
    rank = (
        (rank if isinstance(gram, ConditionalFeatureGram) else min(rank, gram.psi_n))
        if seen
        else 0.0
    )
    most, least = gram.c2 * float(t.max()) * high, gram.c2 * float(t.min()) * low
    if b2 > 0.0 and u > 0.0:
        inverse = (gram.c2 * gram.population.mean + u + gram.psi_n * b2) / (b2 * u)
        return 1.0 + gram.psi_n, b2 * u / (most + b2 + u), most + b2 + u, inverse
    if b2 > 0.0 or u > 0.0:
        return (1.0 if b2 > 0.0 else gram.psi_n), b2 + u, most + b2 + u, np.nan
    return rank, least, most, np.nan
