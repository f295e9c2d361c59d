"""Points of a grid, one after the other: values, shapes, and why points failed."""

from __future__ import annotations

import math
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..result import ConvergenceWarning
from .grid import FAILURE, Grid, Where
from .together import Together

_PILOT_SECONDS = 0.1
_LONGEST_START = 20.0  # seconds: compiling all kernels for the first time takes about ten
_MOST_PILOTS = 1000
_FEW_PILOTS, _PATIENCE = 4, 10.0  # points, and seconds: enough of a function that only fails
_LONGEST_REASON = 300  # characters

# Warnings are caught by state of the whole process: one point at a time, whatever the threads, but
# for a sweep within the function of another.
_one_at_a_time = threading.RLock()

Read = dict[str, tuple[tuple[str, ...], NDArray[Any]]]


class Outcome(NamedTuple):
    """What happened at one point.

    `read` is None where it failed, and `malformed` if that is because the function returned what no
    data set can hold; `warned` holds the first text of each category of other warnings.
    """

    read: Read | None
    reason: str
    warned: dict[type[Warning], str]
    malformed: bool = False


Known = Mapping[tuple[int, ...], Outcome]


class Variable(NamedTuple):
    """What a function returns under one name: dimensions beside those of the grid, and kind."""

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Layout:
    """What a function returns at every point.

    Attributes
    ----------
    variables : what varies from point to point
    coordinates : labels of the dimensions that it adds, the same at every point
    """

    variables: Mapping[str, Variable]
    coordinates: Mapping[str, NDArray[Any]]

    def check(self, result: Read) -> None:
        """Raise ValueError if a result is laid out in another way."""
        if result.keys() != self.variables.keys() | self.coordinates.keys():
            raise ValueError(
                f"returned {', '.join(result)} where another point returned "
                f"{', '.join([*self.variables, *self.coordinates])}"
            )
        for name, (dims, values) in result.items():
            if name in self.coordinates:
                if not np.array_equal(values, self.coordinates[name]):
                    raise ValueError(f"returned other {name} than another point")
            elif (dims, values.shape) != self.variables[name][:2]:
                raise ValueError(
                    f"returned {name} of shape {values.shape} where another point returned "
                    f"{self.variables[name].shape}"
                )
            elif not np.can_cast(values.dtype, self.variables[name].dtype):
                raise ValueError(
                    f"returned complex {name} where another point returned real ones: return "
                    "complex ones always"
                )


class Block(NamedTuple):
    """Results of one block of the grid.

    `values` are NaN, and `failure` holds a sentence, where a point failed; `warned` counts the
    points at which there were other warnings and keeps the first text, by category.
    """

    where: Where
    values: dict[str, NDArray[Any]]
    failure: NDArray[np.object_]
    warned: dict[type[Warning], tuple[int, str]]


@dataclass(frozen=True)
class Evaluation:
    """A function over a grid.

    Attributes
    ----------
    function : of one point
    grid : all points
    together : the same function of many points, if there is one
    threads : among which the points of a block are divided if there is
    """

    function: Callable[..., Mapping[str, Any]]
    grid: Grid
    together: Together | None = None
    threads: int = 1

    def pilot(self) -> tuple[Layout, float, Known]:
        """Compute points spread over the grid until layout and time a point are known.

        Returns
        -------
        layout : of the first point that did not fail
        seconds : time a point
        known : the outcomes, by index

        Raises
        ------
        RuntimeError
            If none of these points (all, 1000, or four that took more than ten seconds) could be
            computed.
        TypeError, ValueError
            If the function returns what no data set can hold.
        """
        layout, seconds = None, math.inf
        known: dict[tuple[int, ...], Outcome] = {}
        spread, begin, done = self._spread(), time.perf_counter(), False
        with _serially():
            while not done and len(known) < min(self.grid.size, _MOST_PILOTS):
                batch = list(islice(spread, max(1, len(known))))  # the first alone: it loads code
                start = time.perf_counter()
                known.update(self._several(batch) if known else [(batch[0], self._point(batch[0]))])
                end = time.perf_counter()
                seconds = (end - start) / len(batch)
                good = (outcome.read for outcome in known.values() if outcome.read is not None)
                layout = next(map(self._layout, good), None)
                if layout is None:
                    done = len(known) >= _FEW_PILOTS and end - begin > _PATIENCE
                else:
                    done = end - start > (_LONGEST_START if len(known) == 1 else _PILOT_SECONDS)
        if layout is None:
            last = known[batch[-1]]
            error = TypeError if last.malformed else RuntimeError
            raise error(f"none of {len(known)} points could be computed; the last: {last.reason}")
        return layout, seconds, known

    def block(self, where: Where, layout: Layout, known: Known) -> Block:
        """Compute one block, but for the points that are known already."""
        shape = tuple(part.stop - part.start for part in where)
        values = {
            name: np.full(shape + variable.shape, np.nan, variable.dtype)
            for name, variable in layout.variables.items()
        }
        failure = np.full(shape, "", dtype=object)
        warned: dict[type[Warning], tuple[int, str]] = {}
        with _serially():
            done = self._filled(where, known, values)
            for local in np.ndindex(*shape):
                if done[local]:
                    continue
                index = tuple(part.start + i for part, i in zip(where, local, strict=True))
                outcome = known[index] if index in known else self._point(index)
                failure[local] = outcome.reason
                for category, text in outcome.warned.items():
                    count, first = warned.get(category, (0, text))
                    warned[category] = count + 1, first
                if outcome.read is None:
                    continue
                try:
                    layout.check(outcome.read)
                except ValueError as problem:
                    failure[local] = _reason(problem)
                    continue
                for name, array in values.items():
                    array[local] = outcome.read[name][1]
        return Block(where, values, failure, warned)

    def _filled(
        self, where: Where, known: Known, values: dict[str, NDArray[Any]]
    ) -> NDArray[np.bool_]:
        """Fill in the points that can be computed together, and say which these are."""
        shape = tuple(part.stop - part.start for part in where)
        filled, missing = np.zeros(shape, dtype=np.bool_), np.ones(shape, dtype=np.bool_)
        for index in known:
            local = tuple(i - part.start for part, i in zip(where, index, strict=True))
            if all(0 <= i < extent for i, extent in zip(local, shape, strict=True)):
                missing[local] = False
        if self.together is None or not missing.any():
            return filled
        places = np.nonzero(np.atleast_1d(missing))[: len(shape)]
        columns = [part.start + i for part, i in zip(where, places, strict=True)]
        found, done = self._at(columns, int(missing.sum()))
        filled[missing] = done
        for name, array in values.items():
            value = found[name]
            rows = np.asarray(value[1] if isinstance(value, tuple) else value)
            array[filled] = rows[done]
        return filled

    def _at(
        self, columns: list[NDArray[np.intp]], points: int
    ) -> tuple[Mapping[str, Any], NDArray[np.bool_]]:
        """What the function of many points gives at points of the grid, one column an axis."""
        assert self.together is not None
        axes = zip(self.grid.axes.items(), columns, strict=True)
        at = {name: values[column] for (name, values), column in axes}
        return self.together({**self.grid.fixed, **self.grid.whole, **at}, points, self.threads)

    def _several(self, batch: list[tuple[int, ...]]) -> Iterator[tuple[tuple[int, ...], Outcome]]:
        """Outcomes of some points, together if that can be done."""
        done = np.zeros(len(batch), dtype=np.bool_)
        if self.together is not None:
            columns = [np.array(column) for column in zip(*batch, strict=True)]
            found, done = self._at(columns, len(batch))
        for i, index in enumerate(batch):
            if done[i]:
                there = {name: _row(name, value, i) for name, value in found.items()}
                yield index, Outcome(_read(there), "", {})
            else:
                yield index, self._point(index)

    def _point(self, index: tuple[int, ...]) -> Outcome:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                result = self.function(**self.grid.arguments(index))
            except Exception as problem:  # whatever a user's function raises is this point's reason
                return Outcome(None, _reason(problem), {})
        reason = ""
        others: dict[type[Warning], str] = {}
        for warning in caught:
            if issubclass(warning.category, ConvergenceWarning):
                reason = reason or _reason(warning.message)
            else:
                others.setdefault(warning.category, str(warning.message))
        try:
            return Outcome(_read(result), reason, others)
        except TypeError as problem:
            return Outcome(None, _reason(problem), others, malformed=True)

    def _layout(self, result: Read) -> Layout:
        extents: dict[str, int] = {name: len(v) for name, v in self.grid.whole.items()}
        for name, (dims, values) in result.items():
            for dim, extent in zip(dims, values.shape, strict=True):
                if dim in self.grid.axes or dim == FAILURE:
                    raise ValueError(f"func must not return the dimension {dim!r} in {name!r}")
                if extents.setdefault(dim, extent) != extent:
                    raise ValueError(
                        f"func must return {name!r} with {extents[dim]} values along {dim!r}, "
                        f"got {extent}"
                    )
        taken = {FAILURE, *self.grid.axes, *self.grid.whole, *self.grid.fixed}
        labels = {name for name, (dims, _) in result.items() if dims == (name,)}
        for name in taken & result.keys():
            raise ValueError(f"func must not return {name!r}: the name is taken")
        return Layout(
            {
                name: Variable(dims, values.shape, values.dtype.str)
                for name, (dims, values) in result.items()
                if name not in labels
            },
            {name: result[name][1] for name in labels},
        )

    def _spread(self) -> Iterator[tuple[int, ...]]:
        """Every point once, in an order that meets all parts of the grid early."""
        size = self.grid.size
        stride = max(1, round(size * (math.sqrt(5.0) - 1.0) / 2.0))
        while math.gcd(stride, size) != 1:
            stride += 1
        for k in range(size):
            index = np.unravel_index(k * stride % size, self.grid.shape)
            yield tuple(int(i) for i in index)


def _row(name: str, value: Any, point: int) -> Any:
    """One point of what the function of many gave under a name; labels are the same at all."""
    if not isinstance(value, tuple):
        return value[point]
    dims, values = value
    return (dims, values if dims == name else values[point])


def _read(result: Any) -> Read:
    """Names, dimensions and arrays of what a function returned."""
    if not isinstance(result, Mapping) or not result:
        raise TypeError(f"func must return a dict of scalars or arrays, got {result!r:.80}")
    read: Read = {}
    for name, value in result.items():
        if not (isinstance(name, str) and name.isidentifier()):
            raise TypeError(f"func must return a dict with identifiers as keys, got {name!r:.80}")
        dims: Any = None
        if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], (str, tuple)):
            dims, value = value
            dims = (dims,) if isinstance(dims, str) else dims
        try:
            array = np.asarray(value)
        except ValueError:
            raise TypeError(f"func must return rectangular arrays, got {name!r}") from None
        if dims is None:
            dims = tuple(f"{name}_{axis}" for axis in range(array.ndim))
        if array.dtype.kind in "biufc":
            array = array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)
        elif array.dtype.kind != "U" or dims != (name,):  # labels may be words
            raise TypeError(f"func must return numbers, got {name!r} of dtype {array.dtype}")
        if len(dims) != array.ndim:
            raise TypeError(f"func must name {array.ndim} dimensions of {name!r}, got {dims!r}")
        read[name] = tuple(dims), array
    return read


def _reason(problem: Any) -> str:
    text = " ".join(str(problem).split())
    return f"{type(problem).__name__}: {text}"[:_LONGEST_REASON]


@contextmanager
def _serially() -> Iterator[None]:
    """One point at a time and one thread in BLAS: sums do not depend on the machine's load."""
    from threadpoolctl import threadpool_limits

    with _one_at_a_time, threadpool_limits(1):
        yield
