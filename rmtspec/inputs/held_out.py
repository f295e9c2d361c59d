"""Held-out rows seen from the eigenbasis of the training data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _checks
from .population import PopulationSpectrum

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class HeldOut:
    r"""Second moments Σ' of held-out rows, all that learning curves ask of fresh data.

    Attributes
    ----------
    eigenvalues : (d,) of Σ', about the mean of the training rows
    overlaps : (m, d) squared scalar products of the eigenvectors of Σ' with the eigenvectors of
        each of the m distinct eigenvalues of the training covariance, averaged over the latter;
        rows sum to 1
    samples : number of rows, where known
    """

    eigenvalues: FloatArray
    overlaps: FloatArray
    samples: int | None = None

    @classmethod
    def measure(cls, test: ArrayLike, train: FloatArray, population: PopulationSpectrum) -> Self:
        """Second moments of the rows `test`, where `population` is the spectrum of `train`.

        Raises
        ------
        TypeError, ValueError
            If test is not a matrix of finite numbers with as many columns as the training data.
        """
        rows = _checks.real_array("test", test, -1e40, 1e40)
        if rows.ndim != 2 or rows.shape[0] < 1 or rows.shape[1] != train.shape[1]:
            raise ValueError(
                f"test must have shape (rows >= 1, {train.shape[1]}) as the columns of x, "
                f"got shape {rows.shape}"
            )
        mean = train.mean(axis=0)
        values, fresh = _principal_axes(rows - mean)
        levels, axes = _principal_axes(train - mean)
        nearest = np.abs(levels[:, None] - population.eigenvalues).argmin(1)
        squared = (axes @ fresh.T) ** 2
        overlaps = np.zeros((population.eigenvalues.size, values.size))
        np.add.at(overlaps, nearest, squared)
        return cls(values, overlaps / np.bincount(nearest)[:, None], len(rows))


def _principal_axes(rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Eigenvalues of rowsᵀrows/n, all d of them, and unit eigenvectors as rows."""
    _, singular, axes = np.linalg.svd(np.linalg.qr(rows, mode="r"))
    eigenvalues = np.zeros(rows.shape[1])
    eigenvalues[: singular.size] = singular**2 / rows.shape[0]
    return eigenvalues, axes
