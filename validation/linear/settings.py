"""What is simulated for affine denoisers: spectra, loads, ridges, noise levels, sizes and draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def _power_law(exponent: float) -> Callable[[int], Array]:
    def spectrum(dimension: int) -> Array:
        eigenvalues = np.arange(1.0, dimension + 1.0) ** -exponent
        return np.asarray(eigenvalues / eigenvalues.mean())

    return spectrum


SPECTRA: dict[str, Callable[[int], Array]] = {
    "isotropic": lambda dimension: np.ones(dimension),
    "two atoms": lambda dimension: np.repeat([4.0, 0.25], [dimension // 5, dimension // 5 * 4]),
    "k = 0.5": _power_law(0.5),
    "k = 1": _power_law(1.0),
    "k = 2": _power_law(2.0),
}
"""Population eigenvalues of each size, descending; two atoms need a multiple of five."""


@dataclass(frozen=True)
class LinearSetting:
    """One comparison: `draws` pairs of disjoint data sets of `load` samples per dimension.

    `other_load` is the size of the second set of the pair, by default the same; `own_mean` centres
    the data with their own mean; `start` is the scale of random initial weights; settings of one
    `trend` differ in their dimension only.
    """

    spectrum: str
    load: float
    c: float
    dimension: int
    alpha_bar: float
    draws: int
    own_mean: bool = False
    start: float = 0.0
    other_load: float | None = None
    trend: str = ""

    @property
    def key(self) -> str:
        """Name in the table and in the records."""
        parts = [self.spectrum, f"n {self.load:g}", f"c {self.c:g}", f"a {self.alpha_bar:g}"]
        parts += ["own mean"] if self.own_mean else []
        parts += [f"W0 {self.start:g}"] if self.start else []
        parts += [f"other {self.other_load:g}"] if self.other_load else []
        return ", ".join([*parts, f"d {self.dimension}"])

    @property
    def work(self) -> float:
        """Relative cost of one draw, for the progress bar."""
        return (self.dimension / 100.0) ** 2 * (1.0 + self.load / 10.0)

    @property
    def samples(self) -> int:
        """Number N of samples of a set."""
        return round(self.load * self.dimension)

    @property
    def eigenvalues(self) -> Array:
        """Population eigenvalues."""
        return SPECTRA[self.spectrum](self.dimension)


# Near n = 1 the ridge is at least 0.01: below it the expansion in 1/d has no meaning there.
_GRID: tuple[tuple[str, float, float, int, float], ...] = (
    ("isotropic", 0.1, 1e-6, 200, 0.5),
    ("isotropic", 0.5, 1e-4, 100, 0.9),
    ("isotropic", 0.8, 1e-1, 200, 0.99),
    ("isotropic", 1.0, 1e-1, 100, 0.9),
    ("isotropic", 2.0, 1e-6, 400, 0.99),
    ("isotropic", 5.0, 1e-2, 200, 0.3),
    ("isotropic", 30.0, 1.0, 100, 0.9),
    ("two atoms", 0.1, 1e-2, 400, 0.9),
    ("two atoms", 0.3, 1e-6, 200, 0.5),
    ("two atoms", 1.0, 1e-1, 200, 0.9),
    ("two atoms", 2.0, 1e-4, 100, 0.99),
    ("two atoms", 3.0, 1e-6, 200, 0.3),
    ("two atoms", 10.0, 1e-3, 400, 0.5),
    ("two atoms", 30.0, 1e-6, 100, 0.99),
    ("k = 0.5", 0.1, 1.0, 200, 0.99),
    ("k = 0.5", 0.5, 1e-6, 400, 0.9),
    ("k = 0.5", 1.25, 1e-2, 200, 0.5),
    ("k = 0.5", 2.0, 1e-1, 100, 0.9),
    ("k = 0.5", 10.0, 1e-6, 200, 0.99),
    ("k = 0.5", 30.0, 1e-4, 100, 0.5),
    ("k = 1", 0.1, 1e-4, 200, 0.9),
    ("k = 1", 0.5, 1e-6, 100, 0.5),
    ("k = 1", 0.5, 1e-2, 200, 0.99),
    ("k = 1", 0.8, 1e-1, 400, 0.9),
    ("k = 1", 2.0, 1e-6, 200, 0.5),
    ("k = 1", 5.0, 1.0, 100, 0.3),
    ("k = 1", 10.0, 1e-3, 200, 0.99),
    ("k = 1", 30.0, 1e-6, 200, 0.9),
    ("k = 2", 0.1, 1e-2, 400, 0.5),
    ("k = 2", 0.5, 1e-4, 200, 0.9),
    ("k = 2", 1.0, 1e-1, 200, 0.9),
    ("k = 2", 2.0, 1e-6, 100, 0.99),
    ("k = 2", 5.0, 1.0, 200, 0.5),
    ("k = 2", 10.0, 1e-3, 100, 0.3),
    ("k = 2", 30.0, 1e-6, 400, 0.9),
)
_OWN_MEAN: tuple[tuple[str, float, float, int, float], ...] = (
    ("isotropic", 0.5, 1e-3, 100, 0.9),
    ("isotropic", 2.0, 0.0, 100, 0.5),
    ("two atoms", 0.3, 1e-2, 100, 0.9),
    ("two atoms", 5.0, 1e-6, 100, 0.99),
    ("k = 0.5", 1.0, 1e-1, 100, 0.5),
    ("k = 1", 0.5, 1e-2, 100, 0.9),
    ("k = 1", 2.0, 1e-4, 200, 0.99),
    ("k = 2", 10.0, 0.0, 100, 0.9),
)
_TREND: tuple[tuple[str, float, float, float], ...] = (
    ("isotropic", 0.5, 1e-2, 0.9),
    ("two atoms", 2.0, 1e-2, 0.9),
    ("k = 0.5", 0.5, 1e-1, 0.5),
)


def _cpu() -> list[LinearSetting]:
    draws = {100: 100, 200: 100, 400: 40}
    settings = [LinearSetting(*row, draws=draws[row[3]]) for row in _GRID]
    settings += [LinearSetting(*row, draws=100, own_mean=True) for row in _OWN_MEAN]
    settings += [
        LinearSetting("k = 1", 0.5, 0.0, 100, 0.9, 100),
        LinearSetting("two atoms", 2.0, 0.0, 200, 0.9, 100),
        LinearSetting("isotropic", 0.5, 1e-2, 100, 0.9, 100, start=1.0),
        LinearSetting("k = 1", 2.0, 1e-3, 100, 0.5, 100, start=0.5),
        LinearSetting("k = 1", 0.5, 1e-2, 200, 0.9, 100, other_load=2.0),
        LinearSetting("two atoms", 0.5, 1e-1, 100, 0.99, 100, other_load=5.0),
    ]
    return settings + _trends({100: 200, 200: 120, 400: 48}, 3)


def _smoke() -> list[LinearSetting]:
    small = [row for row in _GRID if row[3] == 100 and row[1] <= 10.0]
    settings = [LinearSetting(*row, draws=24) for row in small]
    settings += [LinearSetting(*row, draws=24, own_mean=True) for row in _OWN_MEAN[:2]]
    settings += [
        LinearSetting("isotropic", 0.5, 1e-2, 100, 0.9, 24, start=1.0),
        LinearSetting("two atoms", 0.5, 1e-1, 100, 0.99, 24, other_load=5.0),
    ]
    return settings + _trends({100: 100, 200: 60, 400: 24}, 1)


def _trends(draws: dict[int, int], groups: int) -> list[LinearSetting]:
    return [
        LinearSetting(spectrum, load, c, d, level, count, trend=spectrum)
        for spectrum, load, c, level in _TREND[:groups]
        for d, count in draws.items()
    ]


LINEAR_SCALES: dict[str, Callable[[], list[LinearSetting]]] = {"smoke": _smoke, "cpu": _cpu}
