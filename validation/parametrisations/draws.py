"""Networks of finite size with any target on any path, and pairs of them on disjoint data."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

import rmtspec as rs
from rmtspec.compare.networks.data_pairs import (
    SetMoments,
    equivalent_fresh,
    equivalent_moments,
    pair_values,
    true_fresh,
    true_moments,
)
from rmtspec.compare.networks.training_flow import (
    FeatureMoments,
    TargetFlow,
    decompose_with,
    equivalent_targets,
    flow_filters,
)
from validation.parametrisations.tables import NAMES, population

Array = NDArray[np.float64]

PSI_P, PSI_N = 8.0, 4.0
TIMES = np.append(np.logspace(-1.5, 5.5, 8), np.inf)
# path, its value and data scale, data: four targets each
LEVELS: dict[str, tuple[tuple[Any, ...], str]] = {
    "ddpm 0.98": (("ddpm", 0.98), "two atoms"),
    "ddpm 0.8": (("ddpm", 0.8), "two atoms"),
    "ddpm 0.3": (("ddpm", 0.3), "two atoms"),
    "ddpm 0.8, isotropic": (("ddpm", 0.8), "isotropic"),
    "ou 0.1, isotropic": (("ou", 0.1), "isotropic"),
    "ou 1": (("ou", 1.0), "two atoms"),
    "flow 0.25": (("flow", 0.25), "two atoms"),
    "flow 0.5": (("flow", 0.5), "two atoms"),
    "flow 0.75, isotropic": (("flow", 0.75), "isotropic"),
    "edm 0.5": (("edm", 0.5), "two atoms"),
    "edm 0.5, scale 2": (("edm", 0.5, 2.0), "two atoms"),
    "edm 2, isotropic": (("edm", 2.0), "isotropic"),
}
TRUE_LEVELS = ("ddpm 0.8", "flow 0.25", "edm 0.5")


def model_of(name: str) -> rs.RandomFeatureModel:
    """The model of a setting."""
    level, data = LEVELS[name]
    return rs.RandomFeatureModel(
        PSI_P, PSI_N, rs.NoiseLevel.named(*level), "tanh", population(data)
    )


def _variances(model: rs.RandomFeatureModel, dimension: int) -> Array:
    levels = model.population.eigenvalues
    return np.repeat(levels, dimension // levels.size)


def losses_of(name: str, matrix: str, dimension: int, rng: np.random.Generator) -> Array:
    """Train and test loss of the four targets in one network, (targets, 2, times)."""
    model, flow = model_of(name), _network(name, matrix, dimension, rng)
    filters = flow_filters(flow.flow.eigenvalues, TIMES, 1.0, PSI_P)
    targets = [rs.Prediction.named(one).target(model.level) for one in NAMES]
    return np.array([flow.losses(filters, *target) for target in targets])


def _network(name: str, matrix: str, dimension: int, rng: np.random.Generator) -> TargetFlow:
    model = model_of(name)
    at, variances = model.coefficients, _variances(model, dimension)
    w = rng.standard_normal((round(PSI_P * dimension), dimension))
    x = np.sqrt(variances) * rng.standard_normal((round(PSI_N * dimension), dimension))
    if matrix == "gaussian":
        omega = rng.standard_normal((len(w), len(x)))
        return equivalent_targets(w, x, omega, variances, c=at.c, b=at.b, v=at.v, s=at.s)
    own, fresh = (
        true_moments(w, x, model.level, "tanh"),
        true_fresh(w, variances, model.level, "tanh"),
    )
    flow, vectors = decompose_with(FeatureMoments(own.u, own.noise, fresh.u, fresh.noise))
    return TargetFlow(
        flow,
        vectors.T @ own.data,
        vectors.T @ fresh.data,
        float(np.mean(x * x)),
        float(variances.mean()),
    )


def theory_of(name: str) -> tuple[Array, Array]:
    """Train and test losses of the targets, (targets, 2, times), and what c/d multiplies."""
    model = model_of(name)
    found = [model.learning_curves(TIMES, prediction=one) for one in NAMES]
    values = np.array([[each.train, each.test] for each in found])
    scales = np.array([[np.abs(each.initial_train - each.train), each.excess] for each in found])
    return values, scales


def pairs_of(name: str, matrix: str, dimension: int, rng: np.random.Generator) -> Array:
    """Distance, distance on training points and memorised fraction, (targets, 3, times)."""
    model = model_of(name)
    at, level, variances = model.coefficients, model.level, _variances(model, dimension)
    w = rng.standard_normal((round(PSI_P * dimension), dimension))
    sets: list[SetMoments] = []
    spans = []
    for _ in range(2):
        x = np.sqrt(variances) * rng.standard_normal((round(PSI_N * dimension), dimension))
        spans.append(float(np.mean(x * x)))
        if matrix == "gaussian":
            omega = rng.standard_normal((len(w), len(x)))
            made = equivalent_moments(w, x, omega, c=at.c, b=at.b, v=at.v, s=at.s)
        else:
            made = true_moments(w, x, level, "tanh")
        sets.append(made)
    if matrix == "gaussian":
        fresh = equivalent_fresh(w, variances, c=at.c, b=at.b, v=at.v, s=at.s)
    else:
        fresh = true_fresh(w, variances, level, "tanh")
    rows = []
    for one in NAMES:
        prediction = rs.Prediction.named(one)
        target, delta = prediction.target(level), prediction.delta(level)
        found = pair_values(*sets, fresh, target, TIMES, 1.0)
        to_noise = (level.alpha / delta) ** 2
        own = target.data * spans[0] - found.train_pull
        away = target.data * float(variances.mean()) - found.fresh_pull
        rows.append([to_noise * found.distance, to_noise * found.train_distance, 1.0 - own / away])
    return np.array(rows)


def pair_theory(name: str) -> Array:
    """The same of theory."""
    model, rows = model_of(name), []
    for one in NAMES:
        training = model.training(prediction=one)
        found = training.two_data_sets(TIMES)
        fraction = training.memorised_fraction(TIMES)
        rows.append([found.distance, found.train_distance, fraction])
    return np.array(rows)


def whole(dimension: int) -> int:
    """The even dimension next to one, which two atoms divide."""
    return 2 * math.ceil(dimension / 2)
