"""Large spectra and wide data: what they cost, each figure beside its target."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import rmtspec as rs
from rmtspec.ensembles.random_feature import RandomFeatureGram
from rmtspec.inputs.held_out import HeldOut
from tests.benchmarks.measuring import Figure, seconds

SCALARS = {"c2": 0.36, "b2": 7.3e-3, "v2": 0.0255, "s2": 0.01}


class LargeWorkload:
    """A random-feature matrix of data with a power law, or one uniform in the logarithm.

    The power law is 1/i, with psi_n = 4: hundreds of bulks.  Of the other, over four decades and
    with psi_n = 1e4, nearly every eigenvalue has a bulk of the data to itself.
    """

    def __init__(self, atoms: int, power_law: bool = True) -> None:
        levels = 1.0 / np.arange(1.0, atoms + 1.0) if power_law else np.geomspace(1e-4, 1.0, atoms)
        self.population = rs.PopulationSpectrum(levels / levels.mean())
        self.psi_p, self.psi_n = (8.0, 4.0) if power_law else (8.0, 1e4)

    def law(self) -> rs.SpectralLaw:
        """A law of which nothing is known yet."""
        return RandomFeatureGram(self.psi_p, self.psi_n, self.population, **SCALARS).spectrum()

    def edges(self) -> NDArray[np.float64]:
        """From the eigenvalues to all edges."""
        return self.law().edges

    def density(self) -> rs.SpectralLaw:
        """From the eigenvalues to the density."""
        law = self.law()
        law.density([0.1])
        return law

    def curves(self) -> NDArray[np.float64]:
        """From the eigenvalues to 200 points of the learning curves."""
        model = rs.RandomFeatureModel(self.psi_p, self.psi_n, 0.01, population=self.population)
        return model.learning_curves(np.geomspace(1e-2, 1e8, 200)).test


def power_law_rows(count: int, dimension: int) -> NDArray[np.float64]:
    """Gaussian rows of mean variance 1 whose columns have variances like 1/i."""
    variance = 1.0 / np.arange(1.0, dimension + 1.0)
    scale = np.sqrt(variance / variance.mean())
    return np.random.default_rng(0).standard_normal((count, dimension)) * scale


class WideWorkload:
    """A hundred rows for training and forty held out, of many columns."""

    def __init__(self, dimension: int) -> None:
        rows = power_law_rows(140, dimension)
        self.train, self.test = rows[:100], rows[100:]
        self.population = rs.PopulationSpectrum.from_samples(self.train)

    def measure(self) -> HeldOut:
        """Second moments of the held-out rows along the directions of the others."""
        return HeldOut.measure(self.test, self.train, self.population)


def spectrum_figures() -> list[Figure]:
    """Edges, densities and learning curves of tens of thousands of eigenvalues."""
    rows = []
    for atoms, edges_in, density_in in ((30_000, 0.05, 1.0), (100_000, 0.2, 2.0)):
        work = LargeWorkload(atoms)
        edges, density, curves = seconds(work.edges, work.density, work.curves, repeats=5)
        name = f"power law of {atoms:,}, psi_n = 4"
        rows += [
            Figure(f"{name}: edges", edges, "s", f"< {edges_in:g}", edges < edges_in),
            Figure(f"{name}: density", density, "s", f"< {density_in:g}", density < density_in),
            Figure(f"{name}: learning curves at 200 times", curves, "s", ""),
        ]
    (edges,) = seconds(LargeWorkload(30_000, power_law=False).edges, repeats=3)
    name = "log-uniform, 30,000, psi_n = 10,000: edges"
    return [*rows, Figure(name, edges, "s", "< 2", edges < 2.0)]


def data_figures() -> list[Figure]:
    """Rows to eigenvalues and overlaps."""
    narrow, wide = WideWorkload(4096), WideWorkload(49_152)
    small, large = seconds(narrow.measure, wide.measure, repeats=3)
    rows = power_law_rows(60_000, 784)
    rows[:, 700:] = 0.0  # as pixels at the edge of small pictures
    rows /= rows.std()
    samples, rival = seconds(
        lambda: rs.PopulationSpectrum.from_samples(rows),
        lambda: np.linalg.eigvalsh(np.cov(rows.T)),
        repeats=3,
    )
    return [
        Figure("held-out overlaps, 140 rows of 4,096", small, "s", "< 1", small < 1.0),
        Figure("held-out overlaps, 140 rows of 49,152", large, "s", "< 20", large < 20.0),
        Figure("60,000 x 784 to a population", samples, "s", ""),
        Figure("  over eigenvalues of the covariance", samples / rival, "times", ""),
    ]
