r"""The next order in 1/d of averages over data sets: real Gaussian data, and the empirical mean.

For real Gaussian data the traces of the resolvent :math:`G=(\hat\Sigma+\zeta)^{-1}` differ from
their limits by terms of order 1 in total.  With totals over the d components,
:math:`B=\frac1n\sum l^2(l+\kappa)^{-3}`, :math:`D=\frac1n\sum l^2(l+\kappa)^{-4}`,
:math:`b=\frac1n\sum u^2` and :math:`X=\kappa'^2[\frac1n\sum u^3-b^2]`,

.. math::  \delta\ln\det(\hat\Sigma+\zeta) = -\tfrac12\ln\kappa',\quad
           \delta\,\mathrm{tr}\,G = \kappa'^2B,\quad
           \delta\,\mathrm{tr}\,G^2 = 4\kappa'^4B^2+3\kappa'^3D,\quad
           \delta\,\mathrm{tr}\,\Sigma G = rX,

.. math::  \delta\,\mathrm{tr}\,\Sigma G^2 = \tfrac{r^2\kappa'}n X\textstyle\sum l(l+\kappa)^{-2}
           +r\,[3\kappa'^3B-\kappa(4\kappa'^4B^2+3\kappa'^3D)].

The first is the mean shift of linear statistics of real Wishart matrices (Bai and Silverstein
2004); its ζ-derivative is the second, because :math:`\kappa''=-2B\kappa'^3`, and the squares are
:math:`-\partial_\zeta` of the traces.  :math:`\delta\,\mathrm{tr}\,\Sigma G` follows from Gaussian
integration by parts of :math:`\mathrm{tr}\,G\hat\Sigma=d-\zeta\,\mathrm{tr}\,G`.

*Empirical mean.*  A covariance about its own mean has exactly the law of :math:`f\hat\Sigma'`,
f = (n−1)/n, with :math:`\hat\Sigma'` of n − 1 samples of known mean, independent of the mean.  In
terms of :math:`s'=s/f,\ c'=c/f` training losses keep their form, and the test loss gains
:math:`\frac{2s'}{n-1}\mathrm{tr}\,\Sigma G'^2`: 1/n from the error of the mean, the rest from f.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .renormalised_ridge import RidgeSums

FloatArray = NDArray[np.float64]


class TraceShifts(NamedTuple):
    """Shifts of traces per dimension, made dimensionless: κ δtrG, κ² δtrG², δtrΣG, κ δtrΣG²."""

    resolvent: Any
    square: Any
    weighted: Any
    weighted_square: Any


def trace_shifts(sums: RidgeSums, dimension: int) -> TraceShifts:
    """The four shifts at real points, divided by d."""
    slope, load, ratio = sums.slope, sums.load, sums.ratio
    first, second, spread = sums.uux / load, sums.uuxx / load, weighted_shift(sums)
    square = 4.0 * (slope**2 * first) ** 2 + 3.0 * slope**3 * second
    weighted_square = ratio**2 * slope * sums.ux / load * spread
    weighted_square += ratio * (3.0 * slope**3 * first - square)
    return TraceShifts(
        slope**2 * first / dimension,
        square / dimension,
        ratio * spread / dimension,
        weighted_square / dimension,
    )


def weighted_shift(sums: RidgeSums) -> FloatArray:
    """X = κ'²[⟨u³⟩/ψ_n − (⟨u²⟩/ψ_n)²]."""
    b = sums.uu / sums.load
    return np.asarray(sums.slope**2 * (sums.uuu / sums.load - b * b))


def shift_of_training_loss(
    s: FloatArray, c: FloatArray, sums: RidgeSums, dimension: int
) -> FloatArray:
    r"""Shift of the training loss, :math:`-s\,\delta\mathrm{tr}G-sc\,\delta\mathrm{tr}G^2`."""
    shifts = trace_shifts(sums, dimension)
    scaled = s / sums.kappa
    return np.asarray(-scaled * shifts.resolvent - scaled * (c / sums.kappa) * shifts.square)


def shift_of_objective(s: FloatArray, sums: RidgeSums, dimension: int) -> FloatArray:
    r"""Shift of the objective, :math:`-s\,\delta\mathrm{tr}G`."""
    return np.asarray(-s / sums.kappa * trace_shifts(sums, dimension).resolvent)


def shift_of_test_loss(s: FloatArray, sums: RidgeSums, dimension: int) -> FloatArray:
    r"""Shift of the test loss,
    :math:`-2s\,\delta\mathrm{tr}G+s\,\delta\mathrm{tr}\Sigma G^2+s^2\,\delta\mathrm{tr}G^2`."""
    shifts = trace_shifts(sums, dimension)
    scaled = s / sums.kappa
    inner = shifts.weighted_square - 2.0 * shifts.resolvent + scaled * shifts.square
    return np.asarray(scaled * inner)


class EmpiricalMean(NamedTuple):
    """Dimension d, and whether the data were centred with their own mean."""

    dimension: int
    empirical: bool

    def equivalent(
        self, load: FloatArray, s: FloatArray, c: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Load, s and c of the known-mean problem with n − 1 samples.

        Raises
        ------
        ValueError
            If there are not at least two samples.
        """
        if not self.empirical:
            return load, s, c
        samples = load * self.dimension
        if np.any(samples < 2.0):
            raise ValueError(
                f"load must give at least two samples, got n = {float(samples.min()):g}"
            )
        factor = (samples - 1.0) / samples
        return (samples - 1.0) / self.dimension, s / factor, c / factor

    def test_excess(self, s: FloatArray, sums: RidgeSums) -> FloatArray:
        r"""What the test loss gains, :math:`\frac{2s}{n-1}\mathrm{tr}\,\Sigma G^2` (primed)."""
        if not self.empirical:
            return np.zeros_like(s)
        trace = sums.ratio * sums.slope * sums.ux / sums.zeta
        trace += trace_shifts(sums, self.dimension).weighted_square / sums.kappa
        return np.asarray(2.0 * s * trace / (sums.load * self.dimension))

    def optimal_shift(
        self,
        s: FloatArray,
        sums: RidgeSums,
        average: Callable[[Any, tuple[FloatArray, ...]], FloatArray],
    ) -> FloatArray:
        r"""Optimal loss at the primed s minus that at s, which the distance is measured from."""
        if not self.empirical:
            return np.zeros_like(s)
        samples = sums.load * self.dimension + 1.0
        plain = s * (samples - 1.0) / samples
        both = average(lambda lam, s, p: lam / (lam + s) / (lam + p), (s, plain))
        return np.asarray(-s / samples * both)
