r"""Classes of data: Gaussians of different weights, means and covariances in one eigenbasis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _checks
from ..inputs.population import LARGEST, SMALLEST, PopulationSpectrum

FloatArray = NDArray[np.float64]

UNITS = ("sqrt(d)", "1")
"""In which lengths of means may be given."""

_SUM = 1e-9  # how far weights may be from 1: what rounding and printed digits leave
_RANK = 1e-10  # of means, relative to the largest: below it a direction is rounding


@dataclass(frozen=True, eq=False)
class DataClass:
    r"""One class of a mixture: its share of the data, its covariance, and its mean.

    Samples of the class are :math:`x=m+\Sigma^{1/2}z`.  All classes of a mixture share the
    eigenbasis of their covariances; the j-th entry of `eigenvalues` is the variance along the j-th
    group of directions, whose size is the j-th of the mixture's `direction_weights`.

    Parameters
    ----------
    weight : float in (0, 1]
        Share of the data; those of all classes sum to 1.
    eigenvalues : array_like, shape (k,) or a number
        Each 0 or in [1e-100, 1e100], at least one positive; one number stands for all directions.
    mean : array_like, shape (r,) or a number
        Coordinates of the mean along any orthonormal vectors that the classes share, in the unit
        of the mixture: :math:`\sqrt d` unless it says otherwise.  Nothing is a mean of zero.
    population : PopulationSpectrum, optional
        In place of `eigenvalues`: they and the direction weights are taken from it.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or out of range.

    Examples
    --------
    >>> import rmtspec as rs
    >>> rs.DataClass(0.3, [0.4, 1.2], mean=1.0)
    DataClass(weight=0.3, eigenvalues=[0.4, 1.2], mean=[1.0])
    """

    weight: float
    eigenvalues: ArrayLike = None  # type: ignore[assignment]
    mean: ArrayLike = ()
    population: PopulationSpectrum | None = None

    def __post_init__(self) -> None:
        weight = _checks.real("weight", self.weight, 0.0, 1.0, low_open=True)
        object.__setattr__(self, "weight", weight)
        if self.population is not None:
            if not isinstance(self.population, PopulationSpectrum):
                raise TypeError(
                    f"population must be a PopulationSpectrum, got {_checks.shown(self.population)}"
                )
            if self.eigenvalues is not None:
                raise ValueError(
                    "eigenvalues must be left out where a population is given, "
                    f"got {_checks.shown(self.eigenvalues)}"
                )
            if self.population.spikes.size:
                raise ValueError(
                    "population must have no spikes in a class of data, "
                    f"got {_checks.shown(self.population.spikes)}: give an eigenvalue its weight"
                )
            values = self.population.eigenvalues
        else:
            if self.eigenvalues is None:
                raise TypeError("eigenvalues must be given where there is no population, got None")
            values = _row("eigenvalues", self.eigenvalues, 0.0, LARGEST)
            positive = values[values > 0.0]
            if positive.size == 0 or positive.min() < SMALLEST:
                raise ValueError(
                    f"eigenvalues must be 0 or in [{SMALLEST:g}, {LARGEST:g}], one of them "
                    f"positive, got {_checks.shown(self.eigenvalues)}"
                )
        mean = _row("mean", self.mean, -1e50, 1e50, empty=True)
        for name, array in (("eigenvalues", values), ("mean", mean)):
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    def __repr__(self) -> str:
        parts = [f"weight={self.weight:g}"]
        for name in ("eigenvalues", "mean"):
            values = np.asarray(getattr(self, name)).tolist()
            if values:
                parts.append(f"{name}={_checks.shown(values)}")
        return f"DataClass({', '.join(parts)})"


@dataclass(frozen=True, eq=False)
class Classes:
    r"""What the classes of a mixture are together.

    Attributes
    ----------
    weights : (Y,) shares of the data, π
    eigenvalues : (M, Y) variance of every class along each group of directions
    direction_weights : (M,) shares of the directions, ρ
    means : (Y, r) coordinates of the means, r the number of independent ones
    spikes : (S,) variances of single directions beside, of one class
    """

    weights: FloatArray
    eigenvalues: FloatArray
    direction_weights: FloatArray
    means: FloatArray
    spikes: FloatArray = field(default_factory=lambda: np.empty(0))

    @classmethod
    def of(cls, classes: Sequence[DataClass], direction_weights: ArrayLike | None) -> Self:
        """Classes that fit together.

        Raises
        ------
        TypeError, ValueError
            If they do not.
        """
        known = isinstance(classes, Sequence) and not isinstance(classes, str)
        if not known or not all(isinstance(one, DataClass) for one in classes):
            raise TypeError(
                f"classes must be a sequence of DataClass objects, got {_checks.shown(classes)}"
            )
        if not classes:
            raise ValueError("classes must hold at least one DataClass, got none")
        weights = np.array([one.weight for one in classes])
        sums_to_one("classes", weights, "weights of")
        given = _direction_weights(classes, direction_weights)
        lengths = sorted({np.size(one.eigenvalues) for one in classes} - {1})
        if len(lengths) > 1:
            raise ValueError(
                "classes must have eigenvalues along the same groups of directions, "
                f"got {' and '.join(map(str, lengths))} of them"
            )
        count = lengths[0] if lengths else 1
        if given is None:
            given = np.full(count, 1.0 / count)
        elif given.size != count and count > 1:
            raise ValueError(
                f"direction_weights must hold {count} numbers, one for each eigenvalue of a class, "
                f"got {given.size}"
            )
        columns = [np.broadcast_to(np.asarray(one.eigenvalues), given.size) for one in classes]
        return cls(weights / weights.sum(), np.stack(columns, axis=1), given, _means(classes))

    @classmethod
    def single(cls, population: PopulationSpectrum) -> Self:
        """One class of data around 0."""
        return cls(
            np.ones(1),
            population.eigenvalues[:, None].copy(),
            population.weights.copy(),
            np.zeros((1, 0)),
            population.spikes,
        )

    @cached_property
    def variances(self) -> FloatArray:
        """(Y,) mean variance of every class, Tr Σ/d."""
        return np.asarray(self.direction_weights @ self.eigenvalues)


def sums_to_one(name: str, weights: FloatArray, words: str = "") -> None:
    """Refuse weights that do not sum to 1: a slip in one of them would move all others."""
    total = float(weights.sum())
    if not abs(total - 1.0) <= _SUM:
        what = f"{name} must have weights that sum to 1" if words else f"{name} must sum to 1"
        raise ValueError(f"{what}, got {_checks.shown(weights.tolist())} with the sum {total:.12g}")


def weight_row(name: str, values: Any, count: int | None) -> FloatArray:
    """Weights > 0 that sum to 1, `count` of them."""
    weights = _row(name, values, 0.0, 1.0)
    if count is not None and weights.size != count:
        raise ValueError(f"{name} must hold {count} numbers, got {weights.size}")
    if np.any(weights == 0.0):
        raise ValueError(f"{name} must hold numbers > 0, got {_checks.shown(weights.tolist())}")
    sums_to_one(name, weights)
    return np.asarray(weights / weights.sum())


def _row(name: str, value: Any, low: float, high: float, *, empty: bool = False) -> FloatArray:
    """A number or a row of numbers, as a row of its own."""
    array = _checks.real_array(name, value, low, high)
    if array.ndim > 1 or (array.size == 0 and not empty):
        raise ValueError(
            f"{name} must be a number or a row of numbers, got {_checks.shown(value)} of shape "
            f"{array.shape}"
        )
    row: FloatArray = np.array(array, ndmin=1)
    return row


def _direction_weights(
    classes: Sequence[DataClass], direction_weights: ArrayLike | None
) -> FloatArray | None:
    """Shares of the directions: as given, or those of the populations, which must agree."""
    given = None
    if direction_weights is not None:
        given = weight_row("direction_weights", direction_weights, None)
    for one in classes:
        if one.population is None or one.population.eigenvalues.size == 1:
            continue
        own = one.population.weights
        if given is None:
            given = own.copy()
        elif given.shape != own.shape or np.abs(given - own).max() > 1e-9:
            raise ValueError(
                "classes must share an eigenbasis: their populations need the same weights, got "
                f"{_checks.shown(given.tolist())} and {_checks.shown(own.tolist())}; give "
                "eigenvalues and direction_weights for others"
            )
    return given


def _means(classes: Sequence[DataClass]) -> FloatArray:
    """Means in coordinates of the span of all of them."""
    size = max(np.size(one.mean) for one in classes)
    table = np.zeros((len(classes), size))
    for row, one in zip(table, classes, strict=True):
        mean = np.asarray(one.mean)
        if mean.size not in (0, size):
            raise ValueError(
                f"classes must have means of the same length (or none), got {mean.size} and {size} "
                "coordinates"
            )
        row[: mean.size] = mean
    _, scales, axes = np.linalg.svd(table, full_matrices=False)
    rank = int(np.count_nonzero(scales > _RANK * scales.max(initial=0.0)))
    return np.asarray(table @ axes[:rank].T)
