"""What is timed: the same laws and points for the benchmarks and for the table of figures.

The law is that of two data variances at psi_p = 8, psi_n = 4, t = 0.01: three bulks and an atom.
"""

from __future__ import annotations

import warnings
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

import rmtspec as rs
from rmtspec.ensembles.random_feature import RandomFeatureGram
from rmtspec.linear.results import LinearCurves
from tests.benchmarks.published_way import TheoremEquations

PSI_P, PSI_N, TIME = 8.0, 4.0, 0.01

FIRST_NUMBER = "import rmtspec as rs; print(rs.RandomFeatureModel(8, 4, 0.01).resolvent(1 + 1j).q)"
IMPORT = "import rmtspec"


class Workload:
    """A model with a given number of population atoms, and the work done with it.

    Two atoms are 1/2 and 3/2; more follow a power law over four decades.
    """

    def __init__(self, atoms: int = 2) -> None:
        eigenvalues = np.array([0.5, 1.5]) if atoms == 2 else np.geomspace(1e-4, 1.0, atoms)
        self.population = rs.PopulationSpectrum(eigenvalues / eigenvalues.mean())
        self.model = rs.RandomFeatureModel(PSI_P, PSI_N, TIME, "tanh", self.population)

    @cached_property
    def gram(self) -> RandomFeatureGram:
        """The matrix without the activation."""
        return self.model.ensemble

    @cached_property
    def law(self) -> rs.SpectralLaw:
        """The law of the model, warm."""
        law = self.model.spectrum()
        law.density([0.0])
        return law

    def new_model(self) -> rs.RandomFeatureModel:
        """The model, of which nothing is known yet."""
        return rs.RandomFeatureModel(PSI_P, PSI_N, TIME, "tanh", self.population)

    def points_on_support(self, count: int) -> NDArray[np.float64]:
        """Ascending points that fill every bulk evenly."""
        shares = [share.size for share in np.array_split(np.arange(count), len(self.law.support))]
        ends = zip(self.law.support, shares, strict=True)
        return np.concatenate([np.linspace(*bulk, share) for bulk, share in ends])

    def unrelated_points(self, count: int) -> NDArray[np.complex128]:
        """Points in random order, so that no solution is a good start for the next."""
        rng = np.random.default_rng(1)
        low, high = self.law.edges[0, 0], self.law.edges[-1, 1]
        distance = np.exp(rng.uniform(np.log(low), np.log(high), count))
        return self.gram.s2 + distance * np.exp(1j * np.pi * 10.0 ** rng.uniform(-6.0, -0.3, count))

    def cold_edges(self) -> NDArray[np.float64]:
        """From a new model to all edges."""
        return self._new_law().edges

    def cold_law(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """From a new model to edges, masses and density."""
        law = self._new_law()
        assert len(law.edges) == len(law.masses)
        return law.density(points)

    def _new_law(self) -> rs.SpectralLaw:
        return self.new_model().spectrum()

    def cold_curves(self, tau: NDArray[np.float64]) -> NDArray[np.float64]:
        """From a new model to the test loss at every time."""
        return self.new_model().learning_curves(tau).test

    def cold_predictions(self, tau: NDArray[np.float64], prediction: str) -> NDArray[np.float64]:
        """The same of a network that predicts something else than the score."""
        return self.new_model().learning_curves(tau, prediction=prediction).test

    def boundary(self, tau: float) -> float:
        """From a new model to the samples per dimension at which it has memorised by tau."""
        return self.new_model().training().memorisation_boundary(tau)

    def solve_one_by_one(self, points: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """Every point cold in the compiled solver, without the public method around it."""
        solve, distance = self.gram.equations.solve, points - self.gram.s2
        return np.array([solve(distance[i : i + 1]).k[0] for i in range(points.size)])

    def resolve_one_by_one(self, points: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """Every point by a call of the public method."""
        return np.array([self.model.resolvent(z).q for z in points])

    @cached_property
    def published(self) -> TheoremEquations:
        """The same matrix for the published way of solving it."""
        gram = self.gram
        return TheoremEquations(
            PSI_P, PSI_N, self.population.eigenvalues, self.population.weights,
            gram.c2, gram.b2, gram.v2, gram.s2,
        )  # fmt: skip


class KernelWorkload:
    """The exact kernel of 512 rows of 64 dimensions and different norms, 600 held out."""

    def __init__(self, samples: int = 512, dimension: int = 64, held_out: int = 600) -> None:
        rng = np.random.default_rng(0)
        scale = np.sqrt(np.arange(1.0, dimension + 1.0) ** -1.0)
        scale /= np.sqrt(np.mean(scale**2))
        rows = rng.standard_normal((samples + held_out, dimension)) * scale
        rows *= rng.uniform(0.7, 1.3, (samples + held_out, 1))
        self.rows, self.held_out = rows[:samples], rows[samples:]
        self.times = np.geomspace(1e-1, 1e6, 80)

    def curves(self) -> NDArray[np.float64]:
        """From rows to train and test loss at every time."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", rs.FewDimensionsWarning)
            model = rs.RandomFeatureModel.from_data(self.rows, 6.0, 0.1, test=self.held_out)
        found = model.learning_curves(self.times)
        return np.array([found.train, found.test])


class LinearWorkload:
    """Affine denoisers of a power law with 4096 eigenvalues, at 10,000 loads and levels."""

    def __init__(self, eigenvalues: int = 4096) -> None:
        self.population = rs.PopulationSpectrum.power_law(1.0, eigenvalues)
        self.loads = np.geomspace(0.1, 30.0, 100)
        self.alpha_bars = np.linspace(0.005, 0.995, 100)
        self.times = np.geomspace(1e-2, 1e4, 100)

    def losses(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Averaged training and test loss on the grid, from a new model."""
        model = rs.LinearDenoiser(self.population, self.loads[:, None], c=1e-3)
        return model.train_loss(self.alpha_bars), model.test_loss(self.alpha_bars)

    def curves(self) -> LinearCurves:
        """Averaged losses at a hundred training times, from a new model."""
        model = rs.LinearDenoiser(self.population, 0.5, c=1e-3)
        return model.training_curves(self.times, 0.9)


def marchenko_pastur(x: NDArray[np.float64], ratio: float) -> NDArray[np.float64]:
    """Closed-form density in NumPy, the yardstick for a density a point."""
    low, high = (1.0 - np.sqrt(ratio)) ** 2, (1.0 + np.sqrt(ratio)) ** 2
    return np.sqrt(np.maximum((high - x) * (x - low), 0.0)) / (2.0 * np.pi * ratio * x)
