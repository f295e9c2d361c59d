r"""Eigenvalues that spikes of the population pull out of the bulks of U.

A spike :math:`l_0` gives an outlier where :math:`k+b^2+c^2y\,l_0=0` off the bulks (`ensembles`
solves for it): up to two, one on the fast and one (faint) on the slow side.

How far they fluctuate is not given.  For a sample covariance the location depends on one quadratic
form of independent Gaussians; here it depends on two, of the weights and of the samples along e,
whose covariance takes responses to sources along e that no trace holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..ensembles.random_feature import SpikeImages

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Outliers:
    r"""Eigenvalues that spikes of the population pull out of the bulks of U, one entry a spike.

    Attributes
    ----------
    location : (i,) outlier beside the fast bulk; NaN below the transition
    overlap : (i,) squared scalar product of its unit eigenvector with the unit vector along W e,
        e the direction of the spike; 0 below the transition
    threshold : (i,) population eigenvalue, nearest to the spike, at which this outlier enters a
        bulk; NaN if there is none
    slow_location, slow_overlap : (i,) the second outlier of the same spike, beside the slow bulk
    tau, slow_tau : (i,) training times ψ_p/(Δ_t·location) of the two
    decrease, slow_decrease : (i,) what each takes away of the train loss along the spike's
        direction, :math:`b^2\psi_p` overlap/location; that loss is 1 at first and 1/d of the whole
    """

    location: FloatArray
    overlap: FloatArray
    threshold: FloatArray
    slow_location: FloatArray
    slow_overlap: FloatArray
    tau: FloatArray
    slow_tau: FloatArray
    decrease: FloatArray
    slow_decrease: FloatArray

    @classmethod
    def none(cls) -> Self:
        """No spikes, no outliers."""
        return cls(*(np.empty(0) for _ in range(9)))

    @classmethod
    def of(
        cls, images: SpikeImages, floor: float, psi_p: float, delta: float, weight: float
    ) -> Self:
        """From the images of the spikes in the ensemble.

        Parameters
        ----------
        images : of each spike, as distances from the floor
        floor : s²
        psi_p, delta : whose ratio is training time times eigenvalue
        weight : b²ψ_p, decrease times eigenvalue over overlap
        """
        fast, slow = floor + images.location, floor + images.slow_location
        return cls(
            fast,
            images.overlap,
            images.threshold,
            slow,
            images.slow_overlap,
            psi_p / (delta * fast),
            psi_p / (delta * slow),
            np.nan_to_num(weight * images.overlap / fast),
            np.nan_to_num(weight * images.slow_overlap / slow),
        )
