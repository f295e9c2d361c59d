"""What is drawn: models by name at a dimension, and how many draws of each at a scale."""

from __future__ import annotations

import warnings

import numpy as np

import rmtspec as rs
from rmtspec.compare.finite_size import Model

_TWO = rs.PopulationSpectrum([0.5, 1.5])


def _rows(d: int, kernel: str) -> rs.RandomFeatureModel:
    rows = np.random.default_rng(3).normal(size=(2 * d, d))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rs.FewDimensionsWarning)
        return rs.RandomFeatureModel.from_data(rows, 2.0, 0.1, kernel=kernel)


def model(name: str, d: int) -> Model:
    """The model of a setting; it exists at dimension d."""
    power = rs.PopulationSpectrum.power_law(1.0, d)
    match name:
        case "atom":
            return rs.RandomFeatureModel(8, 4, 0.1)
        case "psi_p = psi_n":
            return rs.RandomFeatureModel(2, 2, 0.1, "erf", _TWO)
        case "two atoms":
            return rs.RandomFeatureModel(4, 2, 0.1, "tanh", _TWO)
        case "power law":
            return rs.RandomFeatureModel(4, 2, 0.1, "tanh", power)
        case "erf, t = 0.01":
            return rs.RandomFeatureModel(4, 8, 0.01, "erf", _TWO)
        case "given data":
            return _rows(d, "gaussian")
        case "exact kernel":
            return _rows(d, "exact")
        case "covariance, n > d":
            return rs.SampleCovariance(0.5, _TWO)
        case "covariance, n < d":
            return rs.SampleCovariance(2.0, power)
        case "white covariance":
            return rs.SampleCovariance(1 / 3, rs.PopulationSpectrum.isotropic())
        case "features":
            return rs.RandomFeatureModel(2, 3, 0.1)
        case _:
            raise ValueError(f"name must be that of a setting, got {name!r}")


SETTINGS = (
    "atom",
    "psi_p = psi_n",
    "two atoms",
    "power law",
    "erf, t = 0.01",
    "given data",
    "exact kernel",
    "covariance, n > d",
    "covariance, n < d",
)
# Setting -> seconds a draw at d = 100, on one core.
_SECONDS = (0.03, 0.004, 0.01, 0.01, 0.012, 0.008, 0.008, 0.002, 0.001)
COST = dict(zip(SETTINGS, _SECONDS, strict=True))

DRAWS = {
    "smoke": {50: 60},
    "cpu": {26: 2000, 50: 2000, 100: 1000, 200: 500},
    "gpu": {50: 8000, 100: 4000, 200: 2000},
}
"""Scale -> d -> draws, each a test of its own by the formula."""

TESTS = {"smoke": (3, 1), "cpu": (100, 2), "gpu": (200, 10)}
"""Scale -> tests of a batch, and batches, at d = 50 with the p-value from draws."""
TESTED = ("psi_p = psi_n", "exact kernel", "covariance, n < d")
TESTED_AT = 50

EDGES = {"covariance, n > d": 300, "white covariance": 300, "features": 150, "atom": 75}
"""Setting -> d, where the outermost eigenvalues are looked at; 300 to 600 eigenvalues."""
OUTERMOST = {"smoke": 30, "cpu": 2000, "gpu": 8000}
