r"""Gram matrix U of random features given one data set.

Given X (d x n, centred), U − s² is the Gram matrix of Gaussian rows (`WeightedGram`, P = psi_p)
whose measure H holds, per dimension and with :math:`u=v^2/\psi_n`, for each of the :math:`r_0`
non-zero eigenvalues :math:`\hat l_i` of XX^T/n the two eigenvalues :math:`\mu_\pm` of

.. math::  \mu_++\mu_-=c^2\hat l_i+b^2+u,\qquad \mu_+\mu_-=b^2u,

the eigenvalue u with multiplicity :math:`n-r_0` and b² with multiplicity :math:`d-r_0`
(n > d, n < d and rank-deficient data alike).  It follows from
:math:`U-s^2=\frac1d\mathcal WM\mathcal W^\top`, :math:`\mathcal W=[W,\Omega']`, by the singular
value decomposition of X: M falls into 2 x 2 blocks of trace and determinant as above.  Then
:math:`W^\top RW/d\simeq[k+b^2+c^2y\,XX^\top/n]^{-1}` with :math:`y=k/(k+u)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import fsum

import numpy as np
from numpy.typing import NDArray

from ..solve.cauchy_sums.atoms import PositiveAtoms
from ..solve.finite_rank import Isolated
from .feature_equations import Equations
from .feature_gram import GivenDataEquations
from .random_feature import RandomFeatureGram
from .two_point import Directions, Points, Response, Source, conditional_response
from .weighted_gram import WeightedGram

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

_FULL_RANK = 1e-12  # psi_n and the rank, both counts over d, are equal within this


@dataclass(frozen=True)
class ConditionalFeatureGram(RandomFeatureGram):
    """U for a given data set, whose covariance has the spectrum `population` (no spikes).

    Parameters are those of `RandomFeatureGram`; psi_n = n/d must be at least the mass of the
    positive eigenvalues.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        rank = self.population.positive_atoms.whole
        if self.psi_n < rank * (1.0 - _FULL_RANK):
            raise ValueError(
                f"psi_n must be at least the rank over d, {rank:g}, got {self.psi_n!r}"
            )

    @cached_property
    def equations(self) -> Equations:
        """The one self-consistent equation of the given data."""
        return ConditionalEquations(
            self.psi_p, self.psi_n, self.population.positive_atoms, *self._parts
        )


@dataclass(frozen=True)
class ConditionalEquations(GivenDataEquations):
    """Equations of the law given the data, in terms of z − s²; fields as `FeatureEquations`."""

    psi_p: float
    psi_n: float
    atoms: PositiveAtoms
    c2: float
    b2: float
    v2: float

    @property
    def u(self) -> float:
        """u = v²/psi_n, the eigenvalue of a sample in the directions that hold no data."""
        return self.v2 / self.psi_n

    @cached_property
    def gram(self) -> WeightedGram:
        """The Gram matrix of Gaussian rows that U − s² is, given the data."""
        u, signal = self.u, self.c2 * self.atoms.eigenvalues
        b, root_u = np.sqrt(self.b2), np.sqrt(u)
        spread = np.sqrt((signal + (b - root_u) ** 2) * (signal + (b + root_u) ** 2))
        upper = 0.5 * (signal + self.b2 + u + spread)
        lower = np.divide(self.b2 * u, upper, out=np.zeros_like(upper), where=upper > 0.0)
        mu = np.concatenate([upper, lower, [u, self.b2]])
        weight = np.concatenate(
            [self.atoms.weights, self.atoms.weights, [self._sample_mass, self.atoms.zero_weight]]
        )
        kept = (mu > 0.0) & (weight > 0.0)
        distinct, position = np.unique(mu[kept], return_inverse=True)
        merged = np.bincount(position, weights=weight[kept]).astype(np.float64)
        return WeightedGram(self.psi_p, distinct, merged, known_excess=self._excess)

    @property
    def _sample_mass(self) -> float:
        """psi_n less the rank: samples that see no data direction, none if that is rounding."""
        rest = fsum([self.psi_n, -1.0, self.atoms.zero_weight])
        return rest if rest > _FULL_RANK * self.psi_n else 0.0

    @property
    def _excess(self) -> float | None:
        """Mass of H less psi_p, rounded once: 1 for b² and psi_n for v² (the rank for neither)."""
        if self.b2 == 0.0 and self.v2 == 0.0:
            return None
        samples = self.psi_n if self._sample_mass > 0.0 else 1.0 - self.atoms.zero_weight
        return fsum([float(self.b2 > 0.0), samples * (self.v2 > 0.0), -self.psi_p])

    @property
    def visible_spikes(self) -> FloatArray:
        """Given data have no spikes apart from their own eigenvalues."""
        return np.empty((0, 2))

    def spike(self, eigenvalue: float) -> Isolated:
        """Given data have no spikes apart from their own eigenvalues."""
        raise NotImplementedError

    def directions_from(self, *_: Points) -> Directions:
        """All directions of the data, 0 first."""
        return Directions.of(self.atoms)

    def respond(self, first: Points, second: Points, source: Source) -> Response:
        """Response of every pair of solutions; the source lists t_0 before the positive l."""
        return conditional_response(
            first, second, source, self.directions_from(first, second),
            self.psi_p, self.c2, self.b2, self.u, self.gram.mu, self.gram.weight, self.gram.excess,
        )  # fmt: skip
