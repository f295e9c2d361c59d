"""Learning curves on given rows by the exact kernel of random neurons.

What `curves` says of the Gaussian equivalent, where :math:`V=bW/\\sqrt d` for samples and fresh
data alike, is replaced by the V and Ṽ of `ensembles.exact_kernel`; contour, filters and training
rules are the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...ensembles.exact_kernel import ExactKernelGram, FreshNeurons
from ...ensembles.two_point import Points, Response
from ..interfaces import Model
from .curves import Curves, Direction
from .relaxation import Relaxation

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]


def curves_of(model: Model, relaxation: Relaxation, ridge: float, initial: float) -> Curves:
    """The losses of a model under a training rule, whatever its ensemble is."""
    kind = KernelCurves if isinstance(model.ensemble, ExactKernelGram) else Curves
    return kind(model, relaxation, ridge, initial)


@dataclass(frozen=True)
class KernelCurves(Curves):
    """Losses of a model of given rows; parameters are those of `Curves`."""

    @property
    def gram(self) -> ExactKernelGram:
        """The ensemble."""
        gram = self.model.ensemble
        assert isinstance(gram, ExactKernelGram)
        return gram

    @property
    def of_gaussian_data(self) -> bool:
        """The rows are what they are."""
        return False

    @property
    def scale(self) -> float:
        """V is taken whole: 1/Δ_t."""
        return 1.0 / self.model.delta

    @property
    def noise_square(self) -> float:
        """V is taken whole."""
        return 1.0

    @property
    def knows_fresh_data(self) -> bool:
        """Whether there are held-out rows."""
        return self.gram.others is not None

    @property
    def unseen(self) -> float:
        """What the neurons on the samples do not explain of E σ̃²."""
        fresh = self.gram.fresh
        if fresh.product is None:
            return fresh.second_moment
        equations = self.gram.equations
        seen = np.diag(fresh.product) * equations.weight / equations.mu
        return fresh.second_moment - float(seen.sum())

    def along(self, points: Points, direction: Direction | None) -> ComplexArray:
        """Mean of VᵀRV over the eigendirections of an eigenvalue of the data, or over all."""
        return self.gram.equations.along(points, self._target(direction))

    def cross_along(
        self, points: Points, direction: Direction | None, own: ComplexArray
    ) -> ComplexArray:
        """The same of ṼᵀRV."""
        fresh = self.gram.fresh.target
        if fresh is None:
            return own
        if direction is not None:
            fresh = fresh @ self.basis(direction)
        return self.gram.equations.cross_along(points, self._target(direction), fresh)

    def respond(self, first: Points, second: Points, *, identity: bool = False) -> Response:
        """Responses to Ũ, or to the identity, at every pair of points."""
        return self.gram.equations.respond(first, second, self.source(identity))

    def pair_along(
        self,
        first: Points,
        second: Points,
        pair: Response,
        direction: Direction | None,
        *,
        identity: bool = False,
    ) -> ComplexArray:
        """Mean of VᵀRBRV over eigendirections; B is Ũ or the identity."""
        if direction is None:
            return pair.mean
        return self.gram.equations.pair_along(
            first, second, pair, self.source(identity), self._target(direction)
        )

    def source(self, identity: bool) -> FreshNeurons:
        """What stands between two resolvents: Ũ, or the identity."""
        return FreshNeurons(1.0) if identity else self.gram.fresh

    def _target(self, direction: Direction | None) -> FloatArray:
        target = self.gram.equations.target
        return target if direction is None else self.basis(direction).T @ target

    def basis(self, direction: Direction) -> FloatArray:
        """Orthonormal eigenvectors, as columns, of one eigenvalue of the sample covariance."""
        levels, axes = self._principal_axes
        known = self.model.population.eigenvalues
        nearest = known[np.abs(levels[:, None] - known).argmin(axis=1)]
        return np.asarray(axes[nearest == direction.level].T)

    @cached_property
    def _principal_axes(self) -> tuple[FloatArray, FloatArray]:
        """Eigenvalues of XᵀX/n and unit eigenvectors as rows."""
        rows = self.gram.moments.rows
        values, vectors = np.linalg.eigh(rows.T @ rows / len(rows))
        return np.maximum(values, 0.0), vectors.T
