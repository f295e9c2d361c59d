"""The population behind few samples, with an estimate of how far it can be trusted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _checks
from .arrays import as_rows
from .population import PopulationSpectrum, spectrum_of_rows

FloatArray = NDArray[np.float64]


class Estimated(NamedTuple):
    """A number that depends on the population, and the error of estimating the population."""

    value: float
    error: float


@dataclass(frozen=True, eq=False)
class PopulationEstimate:
    r"""The population spectrum behind n rows, and those behind halves of them.

    Attributes
    ----------
    population : PopulationSpectrum
        Fitted to all rows.
    halves : tuple of (PopulationSpectrum, PopulationSpectrum)
        Fitted to both halves of the rows, one pair for each of some random splits.
    raw : PopulationSpectrum
        Eigenvalues of the sample covariance.

    Examples
    --------
    >>> import numpy as np, rmtspec as rs
    >>> from rmtspec.inputs.estimation import estimate_population
    >>> x = np.random.default_rng(0).normal(size=(200, 100))
    >>> found = estimate_population(x)
    >>> value, error = found.of(lambda population: population.moment(2))
    >>> abs(value - 1.0) < 2 * error < 0.2, round(found.raw.moment(2), 1)
    (True, 1.5)
    """

    population: PopulationSpectrum
    halves: tuple[tuple[PopulationSpectrum, PopulationSpectrum], ...]
    raw: PopulationSpectrum

    def of(self, quantity: Callable[[PopulationSpectrum], float]) -> Estimated:
        r"""A quantity of the population, with its error.

        With f, f_1, f_2 from all rows and from the halves, the error is the root of the mean over
        splits of :math:`\frac14(f_1-f_2)^2+(f-\frac12(f_1+f_2))^2`: the first term is the squared
        standard error of a mean of the halves, the second the bias that half as many rows add.

        Parameters
        ----------
        quantity : callable
            Takes a PopulationSpectrum and returns a number, such as the least test loss of a model.
        """
        value = float(quantity(self.population))
        first, second = np.array([[float(quantity(h)) for h in pair] for pair in self.halves]).T
        spread, drift = 0.5 * (first - second), value - 0.5 * (first + second)
        return Estimated(value, float(np.sqrt(np.mean(spread**2 + drift**2))))


def estimate_population(
    x: ArrayLike,
    *,
    center: bool = True,
    splits: int = 4,
    rng: int | np.random.Generator = 0,
) -> PopulationEstimate:
    """Population spectrum behind the rows of x, with its half-sample spread.

    Parameters
    ----------
    x, center : as for `PopulationSpectrum.from_samples`
        At least 16 rows.
    splits : int
        Number of random splits in halves, 1 to 100.
    rng : numpy.random.Generator, or seed of one
        Splits the rows in halves.

    Raises
    ------
    ValueError, TypeError
        As `PopulationSpectrum.from_samples`.
    """
    rows = as_rows("x", x, least=16)
    center = _checks.flag("center", center)
    count = _checks.integer("splits", splits, 1, 100)
    generator = _checks.generator("rng", rng)

    def fitted(part: FloatArray) -> PopulationSpectrum:
        return spectrum_of_rows(PopulationSpectrum, part, center=center, debias=True)

    orders = [np.array_split(generator.permutation(len(rows)), 2) for _ in range(count)]
    return PopulationEstimate(
        fitted(rows),
        tuple((fitted(rows[first]), fitted(rows[second])) for first, second in orders),
        spectrum_of_rows(PopulationSpectrum, rows, center=center),
    )
