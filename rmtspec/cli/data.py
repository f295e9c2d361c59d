"""The data set of a command: read once, and handed down with what other rows need to join it."""

from __future__ import annotations

import argparse
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..inputs.arrays import remarks
from ..inputs.samples import digits, photographs, read_samples, standardise
from ..result import DataWarning, caller_level

FloatArray = NDArray[np.float64]

_BUNDLED = {"digits": digits, "photographs": photographs}


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

    def held_out(self, path: str) -> FloatArray:
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
        return np.asarray((rows - self.shift) / self.scale)


def read(arguments: argparse.Namespace) -> Data | None:
    """The data set asked for, if any; what is odd about it is said in warnings."""
    data = _read(arguments)
    if data is not None:
        for remark in remarks(data.rows):
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
