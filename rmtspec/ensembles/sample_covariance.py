r"""Sample covariance matrix of n Gaussian samples in d dimensions, general population.

For :math:`\frac1nXX^\top` with population law H and ratio :math:`c=d/n` the companion
:math:`\tilde m=1/k` of the Stieltjes transform g solves (Silverstein and Bai 1995)

.. math::  z=-k+ck\int\frac{t\,dH(t)}{k+t},\qquad
           g(z)=\frac{k}{-z}\int\frac{dH(t)}{k+t}.

This is the equation of a `WeightedGram` with aspect 1 and measure c·H.  Its density is that of
the n x n companion, c times the density of g.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _checks
from ..inputs.population import PopulationSpectrum
from ..law import SpectralLaw
from ..result import Status
from ..solve.edges import Gaps
from ..solve.ensemble import BoundaryValue, Transform
from ..solve.finite_rank import solved, threshold
from ..solve.linear_statistics import Fluctuations
from .two_point import traded
from .weighted_gram import WeightedGram

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]


@dataclass(frozen=True)
class CovarianceSpikes:
    """Outliers of the spikes of the population, in the order of the spikes, all (spikes,) arrays.

    Attributes
    ----------
    location : the outlier, NaN below the transition
    overlap : squared scalar product of its eigenvector with the direction of the spike, 0 below
    threshold : population eigenvalue, nearest to the spike, at which the outlier enters a bulk
    spread : standard deviation of the outlier times the root of the number of samples, for real
        Gaussian samples and a spike that comes once; NaN below the transition
    ratio : d/n
    """

    location: FloatArray
    overlap: FloatArray
    threshold: FloatArray
    spread: FloatArray
    ratio: float

    def standard_deviation(self, dimension: int, beta: int = 1) -> FloatArray:
        """Standard deviation of each outlier for data of this dimension.

        Close to the transition it holds for large n only: the outlier must be many of these away
        from the bulk.

        Parameters
        ----------
        dimension : int >= 1
        beta : 1 or 2
            Real or complex samples.

        Raises
        ------
        TypeError, ValueError
            If an argument is no such number.
        """
        d = _checks.integer("dimension", dimension, 1, 10**15)
        return self.spread * np.sqrt(self.ratio / d / _checks.integer("beta", beta, 1, 2))


@dataclass(frozen=True)
class SampleCovariance:
    """Sample covariance matrix XX^T/n of d-dimensional data with a general population spectrum.

    Parameters
    ----------
    ratio : float in [1e-9, 1e9]
        Dimension over number of samples, d/n.
    population : PopulationSpectrum
        Spectrum of the population covariance; its spikes give outliers.

    Raises
    ------
    TypeError, ValueError
        If ratio is not a number in its range or population is not a PopulationSpectrum.

    References
    ----------
    Marchenko and Pastur 1967; Silverstein and Bai 1995; Silverstein and Choi 1995;
    Baik and Silverstein 2006 (spikes).

    Examples
    --------
    >>> import rmtspec as rs
    >>> law = rs.SampleCovariance(4.0, rs.PopulationSpectrum.isotropic()).spectrum()
    >>> law.support, law.atoms
    (array([[1., 9.]]), array([[0.  , 0.75]]))
    """

    ratio: float
    population: PopulationSpectrum

    def __post_init__(self) -> None:
        object.__setattr__(self, "ratio", _checks.real("ratio", self.ratio, 1e-9, 1e9))
        if not isinstance(self.population, PopulationSpectrum):
            raise TypeError(
                f"population must be a PopulationSpectrum, got {_checks.shown(self.population)}"
            )

    def spectrum(self) -> SpectralLaw:
        """The limiting law of the d eigenvalues."""
        return SpectralLaw(self)

    def fluctuations(
        self,
        f: Callable[[Any], Any],
        *more: Callable[[Any], Any],
        dimension: int | None = None,
        beta: int = 1,
    ) -> Fluctuations:
        """Mean shift and covariance of sums Σf(λ) over the `dimension` eigenvalues.

        `SpectralLaw.fluctuations` for samples that are Gaussian (other entries add terms in
        their fourth cumulant) and whose mean is known: one that is estimated and taken off counts
        as one sample less, in the ratio and in the normalisation alike.
        """
        size = None if dimension is None else _checks.integer("dimension", dimension, 1, 10**15)
        return self.spectrum().fluctuations(f, *more, size=size, beta=beta)

    @property
    def origin(self) -> float:
        """Distances are measured from 0."""
        return 0.0

    @cached_property
    def _companion(self) -> WeightedGram:
        positive = self.population.eigenvalues > 0.0
        return WeightedGram(
            1.0,
            self.population.eigenvalues[positive],
            self.ratio * self.population.weights[positive],
            known_excess=float(Fraction(self.ratio) * (1 - Fraction(self._zero_weight)) - 1),
        )

    @property
    def _zero_weight(self) -> float:
        return float(self.population.weights[self.population.eigenvalues == 0.0].sum())

    @cached_property
    def gaps(self) -> Gaps:
        """Every gap of the spectrum, with the fraction of the d eigenvalues above it."""
        found = self._companion.gaps
        return Gaps(
            found.lower,
            found.upper,
            np.minimum(found.above / self.ratio, 1.0 - self._zero_weight),
            found.interval,
            found.left,
            found.right,
        )

    @property
    def is_hard(self) -> bool:
        """Whether the law touches 0 with a diverging density (n = number of positive modes)."""
        return self._companion.is_hard

    @property
    def atoms(self) -> FloatArray:
        """(j, 2) the atom at 0, if there is one."""
        excess = 0.0 if self.is_hard else (self.ratio - 1.0) / self.ratio
        mass = max(self._zero_weight, excess)
        return np.array([[0.0, mass]]) if mass > 0.0 else np.empty((0, 2))

    @property
    def outliers(self) -> FloatArray:
        """Images z(−t) of the spikes t with dz/dk < 0 there, ascending."""
        location = self.spike_images.location
        return np.sort(location[np.isfinite(location)])

    @cached_property
    def spike_images(self) -> CovarianceSpikes:
        r"""What becomes of each spike l of the population.

        With :math:`z(l)=l+cl\int t\,dH/(l-t)`, where z'(l) > 0: the outlier lies at z(l), the
        squared scalar product of its eigenvector with that of the spike is l z'(l)/z(l) (Paul
        2007), and :math:`\sqrt n(\lambda-z(l))` is normal with variance :math:`2l^2z'(l)` (Bai and
        Yao 2008) for Gaussian samples.  In terms of the parameter k of the companion law
        :math:`e^\top Re=-k/(z(k+l))` along the spike, so that M of `solve.finite_rank` is
        z(k + l)/k.
        """
        spikes = np.asarray(self.population.spikes, dtype=np.float64)
        location, overlap, rise = np.full((3, spikes.size), np.nan)
        overlap[:] = 0.0
        seen = (spikes > 0.0) & ~np.isin(spikes, self.population.eigenvalues)
        value, rise[seen] = self._companion.inverse_map(-spikes[seen])
        found = solved(value, rise[seen], -value / spikes[seen])
        location[seen], overlap[seen] = found.location, found.overlap[:, 0]
        spread = spikes * np.sqrt(np.where(rise < 0.0, -2.0 * rise, np.nan))
        limit = threshold(self._companion.visible, spikes)
        return CovarianceSpikes(location, overlap, limit, spread, self.ratio)

    def boundary(self, distance: FloatArray) -> BoundaryValue:
        """Density on the real axis inside the bulks."""
        found = self._companion.solve(distance.astype(np.complex128))
        with np.errstate(divide="ignore", invalid="ignore"):
            g = 1.0 / (self.ratio * found.k)
        return BoundaryValue.from_transform(g, found.error, found.status)

    def panels(self, edges: FloatArray, hard: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
        """Panels of the density."""
        return self._companion.panels(edges, hard, self.ratio)

    def determinant(self, z: ComplexArray) -> ComplexArray:
        """D at pairs of points, and of these with their conjugates."""
        k, _, status = self._solve(z)
        k = np.where(status == Status.CONVERGED, k, complex(np.nan, np.nan))
        return self._companion.determinant(k, np.append(k, k.conj()))

    def spiked(self, z: ComplexArray) -> ComplexArray:
        """What spikes add to E log det: each trades its factor 1 + t/k for the mean."""
        spikes = self.population.spikes
        if spikes.size == 0:
            return np.zeros_like(z)
        k, t = self._solve(z)[0], self.population.eigenvalues
        return traded(k, np.ones_like(k), spikes, t, self.population.weights)

    def _solve(self, z: ComplexArray) -> tuple[ComplexArray, FloatArray, NDArray[np.int8]]:
        """k with its error and status at points with Im z > 0, or real ones off the support."""
        k, error, _, status = self._companion.solve(z)
        real = z.imag == 0.0
        if np.any(real):
            k[real], error[real], _, status[real] = self._companion.solve_real(z.real[real])
        return k, error, status

    def transform(self, z: ComplexArray) -> Transform:
        """Stieltjes transform of the d eigenvalues."""
        k, error, status = self._solve(z)
        level, slope = (part / self.ratio for part in self._companion.levels(k))
        with np.errstate(invalid="ignore"):  # k is NaN where it did not converge
            if self._zero_weight > 0.0:
                level += self._zero_weight / k
            at_zero = z == 0.0
            error[at_zero], status[at_zero] = 4.0 * np.finfo(float).eps, Status.CONVERGED  # k = 0
            value = np.where(
                at_zero,
                -level / (self._companion.spare or np.nan),  # at a hard edge 0 is on the support
                -k * level / np.where(at_zero, 1.0, z),
            )
            return Transform(value, error * np.maximum(np.abs(slope / level), 1.0), status)
