"""Sweeps over structured score networks: plain functions of numbers, as in `problems`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..inputs.activation import ActivationLike
from ..inputs.population import PopulationSpectrum

Result = dict[str, Any]

CLASSES = ["first", "second"]
"""Labels of the dimension `data_class`."""


def mixture(
    psi_p: float,
    psi_n: float,
    t: float,
    share: float = 0.5,
    variance: float = 1.0,
    other_variance: float = 1.0,
    mean: float = 0.0,
    activation: ActivationLike = "tanh",
) -> Result:
    """Times of two classes at ±mean·√d, of all data and of each, and the best loss."""
    from ..structured.classes import DataClass  # their kernels would slow every start
    from ..structured.mixture import MixtureModel

    classes = [
        DataClass(share, variance, mean),
        DataClass(1.0 - share, other_variance, -mean),
    ]
    training = MixtureModel(psi_p, psi_n, t, classes, activation=activation).training()
    return _stages(training)


def time_integrated(
    psi_p: float,
    psi_n: float,
    t_min: float,
    t_max: float,
    bias_scale: float = 1.0,
    skip: float = 0.0,
    activation: ActivationLike = "tanh",
    population: PopulationSpectrum | None = None,
) -> Result:
    """Times of one network for all diffusion times between t_min and t_max, and its best loss."""
    from ..structured.time_integrated import TimeIntegratedModel

    model = TimeIntegratedModel(
        psi_p,
        psi_n,
        (t_min, t_max),
        bias_scale=bias_scale,
        skip=skip,
        activation=activation,
        population=population,
    )
    found = _stages(model.training())
    return {name: value for name, value in found.items() if "class" not in name}


def _stages(training: Any) -> Result:
    stages, best = training.stages(), training.best_stopping()
    end = training.learning_curves(np.inf)
    names = ("gen", "mem", "gap")
    columns = dict(zip(names, stages.T, strict=True))
    return {
        **{f"tau_{name}": float(column[0]) for name, column in columns.items()},
        "best_tau": best.tau,
        "best_test": best.test,
        "final_train": float(end.train),
        "final_test": float(end.test),
        "data_class": ("data_class", CLASSES),
        **{f"class_{name}": ("data_class", column[1:]) for name, column in columns.items()},
    }
