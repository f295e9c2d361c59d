"""The rows of a given data set, as models of it take them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _checks

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class GivenRows:
    """Rows of data about the mean of the training rows.

    Attributes
    ----------
    train : (n, d) training rows
    held_out : (rows, d) rows kept from them, None without
    """

    train: FloatArray
    held_out: FloatArray | None = None

    @classmethod
    def of(cls, x: ArrayLike, test: ArrayLike | None = None) -> Self:
        """Take the mean of x from both.

        Raises
        ------
        TypeError, ValueError
            If an array does not hold finite numbers.
        """
        train = _checks.real_array("x", x, -1e40, 1e40)
        mean = train.mean(axis=0)
        fresh = None if test is None else _checks.real_array("test", test, -1e40, 1e40) - mean
        return cls(train - mean, fresh)

    @property
    def samples(self) -> int:
        """n."""
        return len(self.train)
