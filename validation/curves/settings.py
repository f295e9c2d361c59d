"""What is trained: parameter sets of learning curves, their sizes and numbers of draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

import rmtspec as rs
from validation.spectra.settings import POPULATIONS, finite_spectrum

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Descent:
    """A training rule in steps: `reach` is the step as a fraction of the largest stable one."""

    reach: float
    momentum: float = 0.0
    ridge: float = 0.0
    initial: float = 0.0
    steps: int = 1500


@dataclass(frozen=True)
class CurveSetting:
    """One comparison of learning curves with networks of finite size.

    `kind` is "flow" (Gaussian data), "conditional" (one fixed data set, fresh data from held-out
    rows), "spike" (one direction of variance `spike`, and its own curves), "mixture" (two clusters
    of unit variance whose means make `spike` of the variance along them) or "descent" (iterated,
    by `rule`). `variance` is σ_x² = Tr Σ/d. `draws` maps each size d to the number of networks;
    `trend` asks for the power of d in the deviation. `corrections` are the c of true features, for
    the training and the test loss (`validation.curves.run`).
    """

    name: str
    kind: str
    psi_p: float
    psi_n: float
    t: float
    population: str = "isotropic"
    variance: float = 1.0
    draws: dict[int, int] = field(default_factory=dict)
    matrices: tuple[str, ...] = ("gaussian", "true")
    trend: bool = False
    spike: float = 0.0
    rule: Descent | None = None
    corrections: tuple[float, float] = (2.0, 2.0)

    def spectrum(self) -> rs.PopulationSpectrum:
        """Return the limiting population, with the spike if there is one."""
        spikes = (self.spike,) if self.spike else ()
        return rs.PopulationSpectrum(self.variance * POPULATIONS[self.population](), spikes=spikes)

    def eigenvalues(self, dimension: int) -> Array:
        """Return `dimension` population eigenvalues; a spike takes the place of the first."""
        atoms = self.variance * POPULATIONS[self.population]()
        return finite_spectrum(atoms, dimension, self.spike)


# Variance 4 and 0.25 are sigma_x = 2 and 0.5. The first two rows are those of figures
# of arXiv 2505.17638: 4 (64, 8, 0.01) and 12 (64, 8, 0.1). Corrections: 1.5 times what networks
# drawn with seed 1000 showed, at all sizes.
MORE_FEATURES = (
    CurveSetting("figure 4", "flow", 64, 8, 0.01, matrices=("gaussian",)),
    CurveSetting("figure 12", "flow", 64, 8, 0.1, variance=4.0, matrices=("gaussian",)),
    CurveSetting("three bulks", "flow", 8, 4, 0.01, corrections=(4.5, 13)),
    CurveSetting("wide", "flow", 16, 8, 0.1, "two atoms", corrections=(3, 11.5)),
    CurveSetting(
        "wide, t = 0.01", "flow", 16, 2, 0.01, "two atoms", variance=0.25, corrections=(8, 17)
    ),
    CurveSetting("power law", "flow", 4, 2, 0.1, "power law", trend=True, corrections=(4.5, 16)),
    CurveSetting("large data", "flow", 4, 2, 0.1, variance=4.0, corrections=(2, 4.5)),
    CurveSetting("small data", "flow", 4, 2, 0.1, variance=0.25, corrections=(2, 4.5)),
    CurveSetting("late time", "flow", 2, 1, 1.0, "two atoms", trend=True),
    CurveSetting("few samples", "flow", 4, 0.5, 0.1, "half rank", corrections=(2, 11.5)),
)
MORE_SAMPLES = (
    CurveSetting("many samples", "flow", 4, 8, 0.1, trend=True, corrections=(2, 4.5)),
    CurveSetting("equal ratios", "flow", 4, 4, 0.01, corrections=(2.5, 9)),
    CurveSetting("late time, power law", "flow", 2, 6, 1.0, "power law", corrections=(2, 2.5)),
    CurveSetting(
        "large data, many",
        "flow",
        2,
        4,
        0.01,
        "two atoms",
        variance=4.0,
        trend=True,
        corrections=(3, 6),
    ),
    CurveSetting("small data, many", "flow", 1, 4, 0.1, "power law", variance=0.25),
    CurveSetting("fewer neurons than inputs", "flow", 0.5, 2, 1.0, variance=4.0),
    CurveSetting("early time, many", "flow", 3, 12, 0.01, "two atoms", corrections=(2, 3.5)),
)
CONDITIONAL = (
    CurveSetting("fixed data, n > d", "conditional", 4, 2, 0.1, "power law", corrections=(4, 13)),
    CurveSetting(
        "fixed data, n < d", "conditional", 3, 0.5, 0.1, "two atoms", corrections=(2, 6.5)
    ),
)
SPIKES = (
    CurveSetting("spike above", "spike", 4, 8, 0.1, spike=8.0, corrections=(17, 7.5)),
    CurveSetting("spike below", "spike", 2, 4, 0.1, spike=0.1, corrections=(4, 2)),
    CurveSetting(
        "two clusters", "mixture", 4, 8, 0.1, spike=5.0, matrices=("true",), corrections=(9, 5)
    ),
)
_RULE = ("gaussian",)
DESCENT = (
    CurveSetting("steps", "descent", 4, 2, 0.1, matrices=_RULE, rule=Descent(0.5)),
    CurveSetting(
        "momentum", "descent", 4, 2, 0.1, "two atoms", matrices=_RULE, rule=Descent(0.3, 0.8)
    ),
    CurveSetting(
        "ridge and initial weights",
        "descent",
        2,
        4,
        0.1,
        matrices=_RULE,
        rule=Descent(0.4, ridge=0.3, initial=0.7),
    ),
)

# Largest p: a draw of true features takes about ten seconds on a core.
_LARGEST = 2000


def _with_draws(
    settings: tuple[CurveSetting, ...], draws: dict[int, int], trend: dict[int, int] | None = None
) -> list[CurveSetting]:
    """Give the settings their draws; sizes too large for true features are left out."""
    chosen = []
    for setting in settings:
        sizes = trend if setting.trend and trend else draws
        kept = {
            d: n
            for d, n in sizes.items()
            if setting.psi_p * d <= _LARGEST or setting.matrices == ("gaussian",)
        }
        chosen.append(replace(setting, draws=kept))
    return chosen


def _cpu() -> list[CurveSetting]:
    trend = {100: 48, 200: 24, 400: 12}
    return [
        *_with_draws(MORE_FEATURES[:2], {100: 8}),
        *_with_draws(MORE_FEATURES[2:], {100: 16, 200: 8}, trend),
        *_with_draws(MORE_SAMPLES, {100: 16, 200: 8}, trend),
        *_with_draws(CONDITIONAL, {100: 16}),
        *_with_draws(SPIKES, {100: 64, 200: 32}),
        *_with_draws(DESCENT, {48: 16}),
    ]


def _smoke() -> list[CurveSetting]:
    return [
        *_with_draws(MORE_FEATURES[2:3], {100: 6}),
        *_with_draws(MORE_SAMPLES[:1], {100: 12, 200: 6}),
        *_with_draws(MORE_FEATURES[8:9], {100: 12}),
        *_with_draws(CONDITIONAL[:1], {100: 6}),
        *_with_draws(SPIKES[:1], {100: 24}),
        *_with_draws(DESCENT[1:2], {48: 6}),
    ]


CURVE_SCALES: dict[str, Callable[[], list[CurveSetting]]] = {"smoke": _smoke, "cpu": _cpu}
