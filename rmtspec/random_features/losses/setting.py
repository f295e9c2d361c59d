"""Directions of the data, and what fresh data do along each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..interfaces import Model

FloatArray = NDArray[np.float64]


class Setting(NamedTuple):
    """What the curves of a model are made of besides its law.

    `levels`, `weights`: eigenvalues of the data covariance, 0 first, and their mass; `variance`:
    variance of fresh data along each; `precision`: (Σ_t^-1) along each; `unknown`: (Σ Σ_t^-1), the
    variance of data whose noised values are known, over Δ.
    """

    levels: FloatArray
    weights: FloatArray
    variance: FloatArray
    precision: FloatArray
    unknown: FloatArray

    @classmethod
    def of_random_data(cls, model: Model, levels: FloatArray, weights: FloatArray) -> Setting:
        """Directions along which fresh data do as the samples do."""
        noisy = model.signal * levels + model.delta
        return cls(levels, weights, levels, 1.0 / noisy, levels / noisy)


def setting(model: Model) -> Setting:
    """Directions of the data and what fresh data do along each; NaN where that is not known."""
    levels, weights = model.population.eigenvalues, model.population.weights
    if not model.conditional:
        known = Setting.of_random_data(model, levels, weights)
    elif model.held_out is None:
        known = Setting(levels, weights, *np.full((3, levels.size), np.nan))
    else:
        variance = model.held_out.overlaps @ model.held_out.eigenvalues
        noised = model.held_out.noised(model.signal, model.delta, weights)
        known = Setting(levels, weights, variance, *noised)
    return known if levels[0] == 0.0 else Setting(*(np.append(0.0, column) for column in known))
