"""Bulks of the random-feature matrix where features and samples are many more than dimensions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..ensembles.weighted_gram import WeightedGram
from ..inputs.activation import Coefficients
from ..inputs.population import PopulationSpectrum

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class AsymptoticBulks:
    r"""Theorem 3.2 of arXiv 2505.17638, and the forms that are one order better.

    Attributes
    ----------
    regime : "I" for psi_p > psi_n, "II" for psi_p <= psi_n
    atom : location s² and mass
    rho_1_edges, rho_1_mass : first bulk, :math:`s^2+v^2(1\mp\sqrt{\psi_p/\psi_n})^2`
    rho_2_edges, rho_2_mass : (k, 2) edges of the second bulk, the law of the population matrix
    sample_edges, sample_mass :
        :math:`s^2+\frac{v^2}{\psi_n}(\sqrt{\psi_n-1}\mp\sqrt{\psi_p-1})^2`, NaN unless both > 1
    slow_edges, slow_mass : :math:`s^2+\mu_-(\sqrt{\psi_p-\psi_n}\mp1)^2` with
        :math:`\mu_-=b^2v^2/(\psi_n(c^2\bar l+b^2))`; NaN for psi_p <= psi_n
    """

    regime: str
    atom: tuple[float, float]
    rho_1_edges: tuple[float, float]
    rho_1_mass: float
    rho_2_edges: FloatArray
    rho_2_mass: float
    sample_edges: tuple[float, float]
    sample_mass: float
    slow_edges: tuple[float, float]
    slow_mass: float

    @classmethod
    def of(
        cls, at: Coefficients, psi_p: float, psi_n: float, population: PopulationSpectrum
    ) -> Self:
        """The bulks of a model; see `RandomFeatureModel.asymptotic_bulks`.

        Raises
        ------
        ValueError
            If the population holds scales too far apart for the law of the population matrix.
        """
        b2, v2, s2 = at.b**2, at.v**2, at.s**2
        first = psi_p > psi_n
        root = np.sqrt(psi_p / psi_n)
        top = at.c**2 * population.eigenvalues + b2
        top, weight = top[top > 0.0], population.weights[top > 0.0]
        second = np.empty((0, 2))
        if top.size:
            second = s2 + v2 + WeightedGram(psi_p, top, weight).gaps.edges
        rho_1_mass = psi_n / psi_p if first else max(1.0 - 1.0 / psi_p, 0.0)
        sample = slow = (np.nan, np.nan)
        scale = at.c**2 * population.mean + b2
        if psi_p > 1.0 and psi_n > 1.0 and v2 > 0.0 and scale > 0.0:
            sample = _band(s2, v2 / psi_n, np.sqrt(psi_n - 1.0), np.sqrt(psi_p - 1.0))
        if first and v2 > 0.0 and b2 > 0.0:
            slow = _band(s2, b2 * v2 / (psi_n * scale), np.sqrt(psi_p - psi_n), 1.0)
        share = (psi_n - 1.0) / psi_p if first else 1.0 - 1.0 / psi_p
        sample_mass = 0.0 if np.isnan(sample[0]) else share
        slow_mass = 0.0 if np.isnan(slow[0]) else min(1.0, psi_p - psi_n) / psi_p
        return cls(
            regime="I" if first else "II",
            atom=(s2, max(0.0, 1.0 - (1.0 + psi_n) / psi_p)),
            rho_1_edges=_band(s2, v2, 1.0, root),
            rho_1_mass=rho_1_mass,
            rho_2_edges=second,
            rho_2_mass=min(1.0, 1.0 / psi_p) if top.size else 0.0,
            sample_edges=sample,
            sample_mass=sample_mass,
            slow_edges=slow,
            slow_mass=slow_mass,
        )


def _band(floor: float, scale: float, first: float, second: float) -> tuple[float, float]:
    """floor + scale·(first ∓ second)²."""
    return (
        float(floor + scale * (first - second) ** 2),
        float(floor + scale * (first + second) ** 2),
    )
