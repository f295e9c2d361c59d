"""The map over psi_n and psi_p: how much later a model memorises than it generalises."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...inputs.population import PopulationSpectrum
from ...structured.classes import DataClass
from .scene import model_with, spectral_times
from .state import CLASSES, QUANTITIES, State

FloatArray = NDArray[np.float64]

LEVELS = (5, 9, 17, 33)
"""Cells along an axis, from coarse to fine: each level holds the points of the one before."""


def levels(state: State) -> tuple[int, ...]:
    """Those of a state: a law of several classes takes ten times as long as one of one class."""
    return LEVELS[:-1] if state.population in CLASSES else LEVELS


@dataclass(frozen=True)
class Map:
    """Ratios of training times over a square grid, even in the logarithms.

    Attributes
    ----------
    loads : psi_n, shape (k,)
    widths : psi_p, shape (k,)
    ratio : tau_mem/tau_gen, shape (k, k), a row for each psi_p; NaN where a family is empty
    merged : whether a quantile stands in for an edge
    """

    loads: FloatArray
    widths: FloatArray
    ratio: FloatArray
    merged: NDArray[np.bool_]

    def cells(self) -> dict[str, list[float] | list[bool]]:
        """One entry a cell: its sides, its centre and what holds there."""
        left, right = _sides(self.loads)
        bottom, top = _sides(self.widths)
        k = self.loads.size
        return {
            "left": np.tile(left, k).tolist(),
            "right": np.tile(right, k).tolist(),
            "bottom": np.repeat(bottom, k).tolist(),
            "top": np.repeat(top, k).tolist(),
            "psi_n": np.tile(self.loads, k).tolist(),
            "psi_p": np.repeat(self.widths, k).tolist(),
            "ratio": self.ratio.ravel().tolist(),
            "merged": self.merged.ravel().tolist(),
        }


def refine(state: State, data: PopulationSpectrum | list[DataClass]) -> Iterator[Map | None]:
    """Maps from coarse to fine; None after every single point between them, to be ended at will."""
    sizes = levels(state)
    axes = [
        np.geomspace(QUANTITIES[name].low, QUANTITIES[name].high, sizes[-1])
        for name in ("psi_n", "psi_p")
    ]
    ratio = np.full((sizes[-1], sizes[-1]), np.nan)
    merged = np.zeros(ratio.shape, dtype=bool)
    done = np.zeros(ratio.shape, dtype=bool)
    for size in sizes:
        every = (sizes[-1] - 1) // (size - 1)
        for row in range(0, sizes[-1], every):
            for column in range(0, sizes[-1], every):
                if not done[row, column]:
                    point = float(axes[1][row]), float(axes[0][column])
                    ratio[row, column], merged[row, column] = at(*point, state, data)
                    done[row, column] = True
                    yield None
        yield Map(
            axes[0][::every],
            axes[1][::every],
            ratio[::every, ::every].copy(),
            merged[::every, ::every].copy(),
        )


def at(
    psi_p: float, psi_n: float, state: State, data: PopulationSpectrum | list[DataClass]
) -> tuple[float, bool]:
    """tau_mem/tau_gen at one point, and whether bulks have merged there.

    Step and momentum are common to both times.
    """
    model = model_with(data, replace(state, psi_p=psi_p, psi_n=psi_n))
    times = spectral_times(model.training(ridge=state.ridge))
    ratio = times.tau_mem / times.tau_gen
    return (ratio, times.merged) if np.isfinite(ratio) else (np.nan, False)


def _sides(centres: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Both sides of cells that share the axis out, even in the logarithm; half ones at its ends."""
    between = np.sqrt(centres[1:] * centres[:-1])
    return np.append(centres[0], between), np.append(between, centres[-1])
