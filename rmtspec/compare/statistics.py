r"""Sums over eigenvalues by which observed matrices are compared with a law.

.. math::  \mathrm{Tr}(U+x_j)^{-1},\quad\mathrm{Tr}\log(U+x_1),\quad
           \mathrm{Tr}\,U,\quad\mathrm{Tr}\,U^2,

at four x that grow geometrically from the lower part of the bulks (the tenth part of their mass) to
the top of the spectrum.  Nearby scales say nearly the same: the correlation matrix of the seven has
eigenvalues down to 1e-8, and along the smallest ones what matrices of finite size add to the
covariance (relative order 1/d) is as large as the limit itself: there the variance is 1.1 to 6
times the predicted one at d = 26 to 50, and the sums are far from Gaussian.  An addition that is
κ/d of the variance of a sum is κ/(dλ) of that of a combination of correlation λ, so that those of a
variance below 0.03 are left out.  Three to five remain, whose variances were right to 15 % at
d = 26 and to 11 % at d = 50 and above; what is left of the order 1/d in a test is told in
`rmtspec.compare.nulls`.  Wrong models are found as well: v² off by 2 % had a chi-square of 275 in
place of 281.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..law import SpectralLaw

FloatArray = NDArray[np.float64]

_SCALES = 4
_LOWEST_SHARE = 0.1  # of the mass of the bulks lies below the smallest x
_LEAST_VARIANCE = 0.03


class _Resolvent:
    def __init__(self, x: float) -> None:
        self.x = x

    def __call__(self, z: Any) -> Any:
        return 1.0 / (z + self.x)


class _Logarithm(_Resolvent):
    def __call__(self, z: Any) -> Any:
        return np.log(z + self.x)


@dataclass(frozen=True, eq=False)
class Statistics:
    """Names and functions of k sums over eigenvalues."""

    names: tuple[str, ...]
    functions: tuple[Callable[[Any], Any], ...]

    @classmethod
    def of(cls, law: SpectralLaw) -> Statistics:
        """The sums that suit a law.

        Raises
        ------
        ValueError
            If the law has no bulk: its eigenvalues do not fluctuate.
        """
        if not len(law.masses):
            raise ValueError("model must have a bulk to compare with: its law has atoms only")
        empty = float(law.atoms[:, 1].sum()) if len(law.atoms) else 0.0
        low = float(law.quantile(empty + _LOWEST_SHARE * (1.0 - empty)))
        # Rounded, so that the names are the functions.
        scales = [float(f"{x:.3g}") for x in np.geomspace(low, law.support[-1, 1], _SCALES)]
        names = [f"Tr 1/(U + {x:g})" for x in scales]
        names += [f"Tr log(U + {scales[0]:g})", "Tr U", "Tr U^2"]
        functions: list[Callable[[Any], Any]] = [_Resolvent(x) for x in scales]
        functions += [_Logarithm(scales[0]), _trace, _square]
        return cls(tuple(names), tuple(functions))

    def sums(self, eigenvalues: FloatArray) -> FloatArray:
        """(m, k) of matrices with eigenvalues (m, p)."""
        return np.stack([f(eigenvalues).sum(axis=1) for f in self.functions], axis=1)


def _trace(z: Any) -> Any:
    return z + 0.0


def _square(z: Any) -> Any:
    return z * z


def trusted_directions(covariance: FloatArray) -> FloatArray:
    """(k, r) combinations of the statistics whose limiting variance can be trusted.

    Columns are eigenvectors of the correlation matrix, in units of the standard deviations.
    """
    sd = np.sqrt(np.diag(covariance))
    values, vectors = np.linalg.eigh(covariance / np.outer(sd, sd))
    kept = values > _LEAST_VARIANCE
    return np.asarray(vectors[:, kept] / sd[:, None])
