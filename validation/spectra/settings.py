"""What is simulated: parameter sets, sizes and numbers of draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

import rmtspec as rs

Array = NDArray[np.float64]

MEHLER_ORDER = 7
"""Where Mehler's sum over the noise stops; one draw a run is repeated at `HIGHER_ORDER`."""
HIGHER_ORDER = 15

# Every population has a number of atoms that divides the sizes used, so that a finite matrix has
# the limiting spectrum exactly and no rounding of weights is compared with the theory.
POPULATIONS: dict[str, Callable[[], Array]] = {
    "isotropic": lambda: np.ones(1),
    "two atoms": lambda: np.array([0.5, 1.5]),
    "power law": lambda: _normalised(np.arange(1.0, 51.0) ** -1.0),
    "half rank": lambda: np.repeat([0.0, 2.0], [1, 1]),
}


def _normalised(eigenvalues: Array) -> Array:
    return np.asarray(eigenvalues / eigenvalues.mean())


def finite_spectrum(atoms: Array, dimension: int, spike: float = 0.0) -> Array:
    """Return `dimension` population eigenvalues; a spike takes the place of the first."""
    if dimension % len(atoms):
        raise ValueError(f"dimension {dimension} is no multiple of {len(atoms)} atoms")
    eigenvalues = np.repeat(atoms, dimension // len(atoms))
    if spike:
        eigenvalues[0] = spike
    return eigenvalues


@dataclass(frozen=True)
class Setting:
    """One comparison of theory with sampled matrices.

    `kind` is "features" (random data), "conditional" (one fixed data set), "outlier" (a spike of
    variance `spike`) or "covariance" (psi_p is then dimension / samples). `draws` maps each size d
    to the number of draws; `matrices` says which finite matrices are drawn; `levels` are the
    quantiles of the law at which z is placed; `trend` asks for the power of d in the error.
    """

    name: str
    kind: str
    psi_p: float
    psi_n: float = 1.0
    t: float = 0.0
    activation: str = "tanh"
    population: str = "isotropic"
    draws: dict[int, int] = field(default_factory=dict)
    matrices: tuple[str, ...] = ("gaussian", "true")
    levels: tuple[float, ...] = (0.15, 0.50, 0.95)
    trend: bool = False
    spike: float = 0.0

    def spectrum(self) -> rs.PopulationSpectrum:
        """Return the limiting population, with the spike if there is one."""
        spikes = (self.spike,) if self.kind == "outlier" else ()
        return rs.PopulationSpectrum(POPULATIONS[self.population](), spikes=spikes)

    def finite_spectrum(self, dimension: int) -> Array:
        """Return `dimension` population eigenvalues; a spike takes the place of the first."""
        return finite_spectrum(POPULATIONS[self.population](), dimension, self.spike)


FEATURES = (
    Setting("three bulks", "features", 8, 4, 0.01, "tanh", "isotropic"),
    Setting("three bulks, erf", "features", 8, 4, 0.01, "erf", "two atoms"),
    Setting("power law", "features", 4, 2, 0.1, "tanh", "power law"),
    Setting("equal ratios", "features", 2, 2, 0.1, "tanh", "two atoms", trend=True),
    Setting("few neurons", "features", 1, 3, 0.5, "relu", "isotropic", trend=True),
    Setting("fewer neurons than inputs", "features", 0.5, 2, 1.0, "erf", "power law"),
    Setting("many samples", "features", 3, 12, 0.01, "tanh", "isotropic"),
    Setting("hard edge", "features", 3, 2, 0.1, "relu", "two atoms"),
    Setting("few samples", "features", 4, 0.5, 0.1, "erf", "half rank"),
)
CONDITIONAL = (
    Setting("fixed data, n > d", "conditional", 2, 3, 0.05, "relu", "power law"),
    Setting("fixed data, n < d", "conditional", 3, 0.5, 0.1, "erf", "two atoms"),
    Setting("fixed data, half rank", "conditional", 3, 1.5, 0.1, "tanh", "half rank"),
)
OUTLIERS = (
    Setting("spike above", "outlier", 4, 8, 0.1, "erf", spike=4.0),
    Setting("spike above, few", "outlier", 2, 1, 0.5, "tanh", spike=9.0),
    Setting("spike below", "outlier", 3, 4, 0.1, "tanh", spike=0.02),
    Setting(
        "two outliers of a spike", "outlier", 8, 4, 0.01, "tanh", spike=5.0, matrices=("gaussian",)
    ),
)
COVARIANCE = (
    Setting(
        "covariance, n > d",
        "covariance",
        0.5,
        population="two atoms",
        matrices=("data",),
        trend=True,
    ),
    Setting(
        "covariance, n < d",
        "covariance",
        2.0,
        population="power law",
        matrices=("data",),
        levels=(0.6, 0.75, 0.95),
    ),
)


# Largest p: the eigenvalues of one such matrix take two seconds on a core.
_LARGEST = 1600


def _with_draws(settings: tuple[Setting, ...], draws: dict[int, int]) -> list[Setting]:
    """Give the settings their draws, leaving out sizes that are too large for them."""
    return [
        replace(
            setting,
            draws={d: n for d, n in draws.items() if max(setting.psi_p, 1.0) * d <= _LARGEST},
        )
        for setting in settings
    ]


def _cpu() -> list[Setting]:
    settings = []
    for setting in FEATURES:
        draws = {100: 96, 200: 48, 400: 24} if setting.trend else {100: 24, 200: 12, 400: 6}
        settings += _with_draws((setting,), draws)
    settings += _with_draws(CONDITIONAL, {100: 24, 200: 8})
    settings += _with_draws(OUTLIERS, {100: 24, 200: 16, 400: 6})
    return settings + _with_draws(COVARIANCE, {100: 96, 200: 48, 400: 24})


def _smoke() -> list[Setting]:
    settings = _with_draws(FEATURES[:1], {100: 4}) + _with_draws(FEATURES[8:], {100: 6})
    settings += _with_draws(FEATURES[3:5], {100: 16, 200: 8})
    settings += _with_draws(CONDITIONAL[1:2], {100: 8})
    settings += _with_draws(OUTLIERS[1:2], {100: 16})
    return settings + _with_draws(COVARIANCE, {100: 24, 200: 12})


def _gpu() -> list[Setting]:
    """The settings of `_cpu`, and p of 6,400 and 20,000 (arXiv 2505.17638, Figs. 4 and 14)."""
    large = (
        Setting("psi_p 64, psi_n 8", "features", 64, 8, 0.01, draws={100: 16}),
        Setting("psi_p 64, psi_n 8, two", "features", 64, 8, 0.01, "tanh", "two atoms", {100: 16}),
        Setting("psi_p 64, psi_n 32", "features", 64, 32, 0.01, draws={100: 8}),
        Setting("p 20,000", "features", 8, 4, 0.01, draws={2500: 3}),
        Setting("p 20,000, few samples", "features", 20, 2, 0.1, draws={1000: 3}),
    )
    return _cpu() + list(large)


SCALES: dict[str, Callable[[], list[Setting]]] = {"smoke": _smoke, "cpu": _cpu, "gpu": _gpu}
