"""The data set of a command: read once, and handed down with the law that is asked of it.

One rule for all commands: at the number of rows in the file the numbers are those given these very
rows; where other numbers of rows are asked for, they are those of fresh rows of the population that
is fitted to these.  ``--law`` asks for the other, or for fresh rows as if the covariance of these
were that of their population.
"""

from __future__ import annotations

import argparse
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..inputs.arrays import remarks
from ..inputs.estimation import Estimated, estimate_population
from ..inputs.population import PopulationSpectrum
from ..inputs.samples import digits, photographs, read_samples, standardise
from ..result import DataWarning, caller_level

FloatArray = NDArray[np.float64]

LAWS = {
    "given": "given these very rows",
    "fresh": "fresh rows of the population fitted to them",
    "sample": "fresh rows, as if the covariance of these were that of their population",
}

_BUNDLED = {"digits": digits, "photographs": photographs}
_LEAST_FOR_HALVES = 16
_HALVINGS = 2


@dataclass(frozen=True)
class Data:
    """Rows of --data in the units asked for.

    Attributes
    ----------
    source : as it was named
    rows : (n, d)
    shift, scale : what brought them into these units, (rows of the file − shift)/scale
    """

    source: str
    rows: FloatArray
    shift: Any = 0.0
    scale: float = 1.0

    def held_out(self, path: str) -> Data:
        """Rows of another file, in the same units.

        Raises
        ------
        ValueError
            If they cannot be read, are bundled data, or have another dimension.
        """
        if path in _BUNDLED:
            raise ValueError(
                f"argument --held-out: must be a file of rows that --data does not hold, got "
                f"{path!r}"
            )
        try:
            rows = read_samples(path)
        except ValueError as error:
            raise ValueError(f"argument --held-out: {error}") from None
        if rows.shape[1] != self.rows.shape[1]:
            raise ValueError(
                f"argument --held-out: file {path!r} must have the dimension "
                f"{self.rows.shape[1]} of the data, got {rows.shape[1]}"
            )
        return Data(path, np.asarray((rows - self.shift) / self.scale))

    def split(self) -> tuple[Data, Data]:
        """Four fifths of the rows to train on, and the random fifth held out, as `stop` does.

        Raises
        ------
        ValueError
            If a fifth of the rows is none.
        """
        count = len(self.rows) // 5
        if count == 0:
            raise ValueError(
                f"argument --data: must have 5 rows or more, of which a fifth is held out, got "
                f"{len(self.rows)}; --held-out FILE gives others, --law fresh needs none"
            )
        order = np.random.default_rng(0).permutation(len(self.rows))
        return (
            replace(self, source=f"{self.source} but a fifth", rows=self.rows[order[count:]]),
            replace(self, source=f"the fifth of {self.source}", rows=self.rows[order[:count]]),
        )

    def population(
        self, law: str, quantities: Callable[[PopulationSpectrum], Mapping[str, float]]
    ) -> tuple[PopulationSpectrum, dict[str, float]]:
        """The population of fresh rows by that law, and how far its quantities can be trusted.

        Returns
        -------
        population : PopulationSpectrum
        errors : dict
            Relative errors of the quantities from halves of the rows; none for the law "sample",
            or with fewer than 16 rows.
        """
        if law == "sample":
            return PopulationSpectrum.from_samples(self.rows), {}
        if len(self.rows) < _LEAST_FOR_HALVES:
            try:
                return PopulationSpectrum.from_samples(self.rows, debias=True), {}
            except ValueError as error:
                raise ValueError(f"argument --data: {error} (or ask for --law sample)") from None
        found = estimate_population(self.rows, splits=_HALVINGS)
        once = cache(quantities)

        def estimated(name: str) -> Estimated:
            return found.of(lambda population: once(population)[name])

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values = {name: estimated(name) for name in once(found.population)}
        errors = {
            name: abs(error / value)
            for name, (value, error) in values.items()
            if value != 0.0 and not math.isnan(error)
        }
        return found.population, errors


def law_of(arguments: argparse.Namespace, **elsewhere: Any) -> str:
    """The law asked for, or that of the one rule.

    Parameters
    ----------
    elsewhere : options, by name, that ask for another number of rows, None where they do not

    Raises
    ------
    ValueError
        If the law is asked for without data, or that of the given rows with another number of them.
    """
    if arguments.data is None:
        if arguments.law is not None:
            raise ValueError("argument --law: allowed only with --data FILE")
        return "fresh"
    for name, value in elsewhere.items():
        if value is not None:
            if arguments.law == "given":
                raise ValueError(
                    f"argument --{name.replace('_', '-')}: not allowed with --law given, which has "
                    f"the rows of the file, got {str(value)!r}"
                )
            return arguments.law or "fresh"
    return arguments.law or "given"


def read(arguments: argparse.Namespace) -> Data | None:
    """The data set asked for, if any; what is odd about it is said in warnings."""
    data = _read(arguments)
    if data is not None:
        for remark in remarks(data.rows, columns=data.source not in _BUNDLED):
            warnings.warn(remark, DataWarning, stacklevel=caller_level())
    return data


def _read(arguments: argparse.Namespace) -> Data | None:
    """The rows in the units asked for; bundled ones are scaled already."""
    source = arguments.data
    if source is None:
        if arguments.unit_variance:
            raise ValueError("argument --unit-variance: allowed only with --data FILE")
        return None
    data = load(source)
    rows = data.rows
    if source in _BUNDLED or not arguments.unit_variance:
        return data
    mean = rows.mean(axis=0)
    return Data(source, standardise(rows), mean, float(np.sqrt(np.mean((rows - mean) ** 2))))


def load(source: str) -> Data:
    """The rows of a file, or bundled ones, as they are."""
    return Data(source, _BUNDLED[source]() if source in _BUNDLED else read_samples(source))
