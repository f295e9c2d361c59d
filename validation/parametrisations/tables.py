"""Tables of the theory: which prediction at which noise level, and when it memorises.

All at tanh; times are those of the loss of weight 1 on the target.  `KNOWN` holds what an
independent program found, on a grid of times of 12 % a step and to three digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import rmtspec as rs

NAMES = ("noise", "data", "v", "velocity")
SIGNALS = (0.98, 0.8, 0.3)
POPULATIONS = ("isotropic", "two atoms", "power law")

TIME_STEP = 0.12
"""Of the grid of the known times: they are right to as much."""
DIGITS = 6e-3
"""Relative, of numbers to three digits."""

# data, alpha_bar: best stopping and least score error of noise, data, v and velocity, best skip
# over sigma and its score error
KNOWN = {
    ("isotropic", 0.98): ((2.24, 0.0919), (22, 20.7), (0, 0), (12.6, 1.30), (1, 0)),
    ("isotropic", 0.8): ((2.51, 0.0739), (14, 0.438), (0, 0), (1.4, 0.217), (1, 0)),
    ("isotropic", 0.3): ((4.7, 0.0217), (14, 0.0230), (0, 0), (1.0, 0.0090), (1, 0)),
    ("two atoms", 0.98): ((3.55, 0.190), (27, 21.9), (1.6, 0.1715), (12, 1.47), (1.005, 0.1715)),
    ("two atoms", 0.8): (
        (3.8, 0.1166), (15, 0.412), (1.5, 0.1008), (1.9, 0.1708), (1.02, 0.1008),
    ),
    ("two atoms", 0.3): (
        (5.3, 0.0215), (14, 0.0202), (1.06, 0.01187), (2.0, 0.01403), (1.007, 0.01186),
    ),
    ("power law", 0.98): ((6.7, 0.370), (35, 24.9), (5.3, 0.340), (7.5, 1.48), (2.07, 0.321)),
    ("power law", 0.8): (
        (6.7, 0.141), (17, 0.328), (4.5, 0.1227), (2.7, 0.1151), (1.67, 0.1151),
    ),
    ("power law", 0.3): (
        (7.9, 0.0160), (12, 0.01077), (3.5, 0.00932), (4.7, 0.00978), (1.13, 0.00899),
    ),
}  # fmt: skip
# alpha_bar at which noise and data prediction are equally good; psi_p, psi_n, for the three data
KNOWN_FLIPS = {
    (16, 4): (0.281, 0.329, 0.500),
    (16, 16): (0.434, 0.493, 0.643),
    (4, 4): (0.416, 0.460, 0.610),
    (64, 4): (0.178, 0.204, 0.347),
}
# alpha_bar: least score errors of noise, v and EDM with the right scale; atoms 2 and 6, and their
# sixteenth
KNOWN_SCALES = {
    (4.0, 0.98): (0.0534, 0.321, 0.0461),
    (4.0, 0.8): (0.0533, 0.238, 0.0457),
    (4.0, 0.3): (0.0398, 0.0646, 0.0305),
    (0.25, 0.98): (None, 0.583, 0.549),
    (0.25, 0.8): (None, 0.1035, 0.0861),
    (0.25, 0.3): (None, 0.00285, 0.00156),
}
PAIR_COLUMNS = ("score error", "bias", "W", "variance", "distance", "gap", "memorised")
# tau of the score network at psi_p = 32, psi_n = 8, t = 0.1: the columns above, rounded
KNOWN_PAIRS = {
    ("isotropic", 3.0): "0.4545 0.4542 0.0025 0.0003 0.0001 0.0006 0.020",
    ("isotropic", 10.0): "0.0849 0.0730 0.0056 0.0119 0.0043 0.0089 0.055",
    ("isotropic", 16.2): "0.0462 0.0135 0.0046 0.0327 0.0119 0.0183 0.075",
    ("isotropic", 25.7): "0.0666 0.0037 0.0034 0.0629 0.0228 0.0295 0.095",
    ("isotropic", 100.0): "0.128 0.0195 0.0031 0.109 0.0394 0.055 0.146",
    ("isotropic", 1000.0): "0.538 0.262 0.0055 0.276 0.100 0.244 0.415",
    ("isotropic", np.inf): "5.27 3.06 0.018 2.21 0.801 1.27 0.778",
    ("two atoms", 10.0): "0.2011 0.1904 0.0061 0.0107 0.0039 0.0076 0.052",
    ("two atoms", 25.7): "0.0707 0.0177 0.0053 0.0530 0.0192 0.0258 0.089",
    ("two atoms", np.inf): "4.73 2.69 0.022 2.03 0.737 1.17 0.777",
}


def population(name: str, variance: float = 1.0) -> rs.PopulationSpectrum:
    """The three data of the tables, of a variance."""
    if name == "isotropic":
        return rs.PopulationSpectrum.isotropic(variance)
    if name == "two atoms":
        return rs.PopulationSpectrum([0.5 * variance, 1.5 * variance], [0.5, 0.5])
    return rs.PopulationSpectrum.power_law(1.0, 100)


def predictions_of(data: str, signal: float) -> list[list[float]]:
    """Best stopping and least score error of each prediction; best skip over σ and its error."""
    level = rs.NoiseLevel.ddpm(signal)
    training = rs.RandomFeatureModel(16, 4, level, "tanh", population(data)).training()
    found = training.compare(NAMES, flips=False)
    rows = [[row["tau"], row["score_error"]] for row in found["predictions"]]
    tau = np.append(0.0, np.geomspace(1e-2, 1e3, 401))
    skips = training.model.training(prediction="noise").best_skip(tau)
    best = int(np.argmin(skips.score_error))
    rows.append([float(skips.skip[best]) / level.sigma, float(skips.score_error[best])])
    return rows


def flips_of(psi_p: float, psi_n: float) -> list[float]:
    """Signals at which noise and data prediction are equally good, for the three data."""
    found = []
    for data in POPULATIONS:
        model = rs.RandomFeatureModel(psi_p, psi_n, 0.1, "tanh", population(data))
        flips = model.training().compare(["noise", "data"]).flips
        found.append(float(flips[0]["alpha_bar"]) if flips else np.nan)
    return found


def scales_of(variance: float, signal: float) -> list[float]:
    """Least score errors of noise, v and EDM with the right scale, for data of a variance."""
    level = rs.NoiseLevel.ddpm(signal)
    model = rs.RandomFeatureModel(16, 4, level, "tanh", population("two atoms", variance))
    chosen = [rs.Prediction.noise(), rs.Prediction.v(), rs.Prediction.edm(variance**0.5)]
    return [model.training(prediction=one).best_stopping().score_error for one in chosen]


def pairs_of(data: str, tau: Sequence[float]) -> list[list[float]]:
    """Bias, variance, distance, gap and memorised fraction of the score network."""
    training = rs.RandomFeatureModel(32, 8, 0.1, "tanh", population(data)).training()
    found = training.two_data_sets(tau)
    columns: tuple[Any, ...] = (
        found.score_error, found.bias, found.feature_variance, found.variance, found.distance,
        training.learning_curves(tau).generalization, training.memorised_fraction(tau),
    )  # fmt: skip
    return [list(map(float, row)) for row in zip(*columns, strict=True)]
