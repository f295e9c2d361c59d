"""Grey images to train on: digits, a Gaussian random field, or a folder from disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Images:
    """Grey images, their mean taken off and divided by one number so that the mean variance is 1.

    Attributes
    ----------
    name : str
    pixels : ndarray, shape (n, side, side)
    mean : ndarray, shape (side, side)
    scale : float
    """

    name: str
    pixels: Array
    mean: Array
    scale: float

    def split(self, train: int, test: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Return disjoint random subsets, (train, side, side) and (test, side, side)."""
        raise NotImplementedError


def digits() -> Images:
    """Return scikit-learn's 1797 handwritten digits, 8 x 8."""
    raise NotImplementedError


def random_field(count: int, side: int, exponent: float, rng: np.random.Generator) -> Images:
    """Return a Gaussian random field on a torus with power spectrum |wave number|^-exponent."""
    raise NotImplementedError


def random_field_variances(side: int, exponent: float) -> Array:
    """Return the population eigenvalues (side^2,) of `random_field`, descending, mean 1."""
    raise NotImplementedError


def folder(path: Path, side: int, *, limit: int | None = None) -> Images:
    """Return the images of a folder: grey, cut to a central square, resized to side x side."""
    raise NotImplementedError
