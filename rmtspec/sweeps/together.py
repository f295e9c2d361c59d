"""Built-in problems of sweeps for many points at once."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..inputs.activation import gaussian_equivalence
from ..inputs.population import PopulationSpectrum
from ..random_features import many
from ..random_features.families import LOWER, MASS, MERGED, TAU, UPPER
from ..result import ConvergenceWarning

Result = dict[str, Any]

Together = Callable[[Mapping[str, Any], int, int], tuple[Result, NDArray[np.bool_]]]
"""(arguments, points, threads) -> results with the points as the first dimension of every array,
and which points are done; an argument is one value or an array over the points."""

FAMILIES = ["slow", "noise", "sample", "fast"]
"""Labels of the dimension `family`, in the usual ascending order of the eigenvalues."""


def times_together(
    arguments: Mapping[str, Any], points: int, threads: int
) -> tuple[Result, NDArray[np.bool_]]:
    """`timescales` of many models."""
    found = _spectra(arguments, points, threads)
    times = {
        f"tau_{name}": found.column(family, TAU)
        for name, family in (("gen", "fast"), ("mem", "sample"), ("slow", "slow"))
    }
    merged = [found.column(family, MERGED) == 1.0 for family in ("fast", "sample", "slow")]
    ratio = times["tau_mem"] / times["tau_gen"]
    return {**times, "ratio": ratio, "merged": np.any(merged, axis=0)}, found.done


def edges_together(
    arguments: Mapping[str, Any], points: int, threads: int
) -> tuple[Result, NDArray[np.bool_]]:
    """`edges` of many models."""
    found = _spectra(arguments, points, threads)
    order = [many.FAMILIES.index(family) for family in FAMILIES]
    table = found.families[:, order]
    mass = table[:, :, MASS]
    return {
        "family": ("family", FAMILIES),
        "lower": ("family", table[:, :, LOWER]),
        "upper": ("family", table[:, :, UPPER]),
        "mass": ("family", np.where(mass > 0.0, mass, np.nan)),
        "atom": found.atom,
        "bulks": found.bulks,
        "gap": found.gap,
    }, found.done


def _spectra(arguments: Mapping[str, Any], points: int, threads: int) -> many.Spectra:
    """Spectra of the models whose activation has a Gaussian equivalent without a remark."""
    population = arguments.get("population")
    population = PopulationSpectrum.isotropic() if population is None else population
    activation = arguments.get("activation", "tanh")
    if isinstance(activation, np.ndarray):
        activations = activation.tolist()
    else:
        activations = [activation] * points
    psi_p, psi_n, t = (
        np.broadcast_to(np.asarray(arguments[name], dtype=np.float64), points)
        for name in ("psi_p", "psi_n", "t")
    )
    paths = np.broadcast_to(np.asarray(arguments.get("path", "ou")), points).tolist()
    known: dict[tuple[Any, float], Any] = {}
    for kind, time in zip(activations, t.tolist(), strict=True):
        key = (kind if isinstance(kind, str) else 0, time)
        if key not in known:
            with warnings.catch_warnings():
                warnings.simplefilter("error", ConvergenceWarning)
                try:
                    known[key] = gaussian_equivalence(kind, time, population.mean)
                except Exception:  # the point is computed alone, and says why
                    known[key] = None
    coefficients = [
        known[kind if isinstance(kind, str) else 0, time] if path == "ou" else None
        for kind, time, path in zip(activations, t.tolist(), paths, strict=True)
    ]
    return many.solve_many(psi_p, psi_n, coefficients, population, threads)
