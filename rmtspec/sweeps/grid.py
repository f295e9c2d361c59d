"""A rectangular grid of parameters, and the blocks it is cut into."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _checks

FAILURE = "failure"
"""Name of the variable that says why a point failed."""

Where = tuple[slice, ...]  # one slice an axis: a block of the grid


@dataclass(frozen=True)
class Grid:
    """Arguments of a function at every point of a grid.

    Attributes
    ----------
    axes : arrays of one dimension whose product is the grid, in order
    whole : arrays that every point is given as they are
    fixed : single values that every point is given
    """

    axes: Mapping[str, NDArray[Any]]
    whole: Mapping[str, NDArray[Any]]
    fixed: Mapping[str, Any]

    @classmethod
    def of(cls, coords: Mapping[str, Any], whole: Collection[str] = ()) -> Grid:
        """Sort coordinates into axes, whole arrays and single values.

        Raises
        ------
        TypeError, ValueError
            If a name is no identifier, or values are not numbers (NaN is none) or strings along
            at most one dimension.
        """
        if not isinstance(coords, Mapping):
            raise TypeError(
                f"coords must be a mapping of names to values, got {_checks.shown(coords)}"
            )
        axes, entire, fixed = {}, {}, {}
        for name, value in coords.items():
            if not (isinstance(name, str) and name.isidentifier() and name != FAILURE):
                raise ValueError(
                    f"coords must be named by identifiers other than {FAILURE!r}, got {name!r:.80}"
                )
            values = _values(name, value)
            if values is None:
                fixed[name] = value
            elif values.ndim == 0:
                fixed[name] = values.item()
            elif name in whole:
                entire[name] = values
            else:
                axes[name] = values
        return cls(axes, entire, fixed)

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the axes."""
        return tuple(self.axes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Points along each axis."""
        return tuple(len(values) for values in self.axes.values())

    @property
    def size(self) -> int:
        """Number of points."""
        return math.prod(self.shape)

    def arguments(self, index: tuple[int, ...]) -> dict[str, Any]:
        """Keyword arguments at one point; numbers are Python's own."""
        at = {name: values[i].item() for (name, values), i in zip(self.axes.items(), index)}  # noqa: B905
        return {**self.fixed, **self.whole, **at}

    def chunk(self, size: int) -> tuple[int, ...]:
        """Shape of blocks of about `size` points that are contiguous and even in size."""
        shape = []
        for extent in reversed(self.shape):
            pieces = math.ceil(extent / max(1, min(size, extent)))
            shape.append(math.ceil(extent / pieces))
            size //= extent
        return tuple(reversed(shape))

    def blocks(self, chunk: tuple[int, ...]) -> list[Where]:
        """Every block of the given shape, in C order; the last ones may be smaller."""
        cuts = (
            [slice(start, min(start + step, extent)) for start in range(0, extent, step)]
            for extent, step in zip(self.shape, chunk, strict=True)
        )
        return list(product(*cuts))


def points_in(where: Where) -> int:
    """Number of points of a block."""
    return math.prod(part.stop - part.start for part in where)


def _values(name: str, value: Any) -> NDArray[Any] | None:
    """Numbers or strings of at most one dimension; None for any other single object."""
    if isinstance(value, (set, frozenset)):
        raise TypeError(f"coords: {name} must have an order, got {_checks.shown(value)}")
    if isinstance(value, Mapping):
        return None
    if not isinstance(value, (str, list, tuple, range)) and not hasattr(value, "__array__"):
        value = [*value] if hasattr(value, "__iter__") else value
    try:
        values = np.asarray(value)
    except ValueError:
        raise ValueError(
            f"coords: {name} must be one value or a list, got {_checks.shown(value)}"
        ) from None
    if values.dtype == object and values.ndim == 0:
        return None
    words = [isinstance(item, str) for item in np.asarray(value, dtype=object).ravel()]
    if words and all(words):
        values = np.array(values.tolist(), dtype=str)
    if values.dtype.kind not in "biufU" or len(set(words)) == 2:
        raise TypeError(
            f"coords: {name} must hold real numbers or strings, got {_checks.shown(value)}"
        )
    if values.ndim > 1 or values.size == 0:
        raise ValueError(
            f"coords: {name} must be one value or a list, got an array of shape {values.shape} "
            "(functools.partial gives func other arrays)"
        )
    if values.dtype.kind == "f":
        if np.any(np.isnan(values)):
            raise ValueError(f"coords: {name} must hold numbers, got nan")
        values = values.astype(np.float64)
    return values
