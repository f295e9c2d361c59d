r"""Two affine denoisers fitted to disjoint data sets, and the memorised part of one.

The score is :math:`\hat s=-\hat\varepsilon/\sqrt{1-\bar\alpha}`, so the errors of
:mod:`rmtspec.linear.losses`, divided by :math:`1-\bar\alpha`, are errors of the score: V the
variance over data sets, the rest of the squared distance to the best map the squared bias.

*Memorised fraction.*  :math:`\hat s=-Wx/\sqrt{1-\bar\alpha}` pulls with
:math:`\mathrm{tr}\,G\hat\Sigma` on its own samples and :math:`\mathrm{tr}\,G\Sigma` elsewhere,
:math:`G=(\hat\Sigma+\zeta)^{-1}`; with :math:`\zeta G\simeq\kappa(\Sigma+\kappa)^{-1}` these are
:math:`\langle u\rangle` and :math:`(\kappa/\zeta)\langle u\rangle`:

.. math::  \beta=1-\frac{\mathrm{tr}\,G\hat\Sigma}{\mathrm{tr}\,G\Sigma}=1-\frac\zeta\kappa
           =\frac1{\psi_n}\Bigl\langle\frac l{l+\kappa}\Bigr\rangle,

the degrees of freedom of the fit per sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..inputs.noise import signal
from . import losses
from .parameters import LinearParameters

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LinearTwoDataSets:
    """Two denoisers of disjoint data, per dimension; arrays of one shape.

    Attributes
    ----------
    distance : mean squared distance of the two noise predictions on fresh points; 2(1 − ᾱ) times
        the variance
    bias : squared error of the score averaged over data sets
    variance : mean squared deviation of one score from that average
    score_error : bias + variance, squared error to the best affine score
    """

    distance: Any
    bias: Any
    variance: Any
    score_error: Any


@dataclass(frozen=True, eq=False)
class LinearPairs(LinearParameters):
    """What :class:`~rmtspec.LinearDenoiser` says of two data sets, and of its own samples."""

    def two_data_sets(
        self, alpha_bar: ArrayLike, *, gamma: ArrayLike | None = None
    ) -> LinearTwoDataSets:
        r"""Distance of two denoisers of disjoint data, bias and variance of their score.

        Parameters, shapes and errors are those of `kappa`.

        Returns
        -------
        LinearTwoDataSets

        Examples
        --------
        >>> import rmtspec as rs
        >>> found = rs.LinearDenoiser(rs.PopulationSpectrum.isotropic(), 2.0).two_data_sets(0.9)
        >>> bool(abs(found.bias + found.variance - found.score_error) < 1e-15)
        True
        """
        level = self._level(alpha_bar, gamma)
        noise = (1.0 - np.broadcast_to(signal("alpha_bar", alpha_bar), level.shape)).ravel()
        variance, sums = losses.variance(level), level.sums
        square = level.ridge.average_of_square(sums.a, level.c, sums.kappa, level.s)
        bias = level.s * sums.ratio**2 * square
        columns = (2.0 * variance, bias / noise, variance / noise, (bias + variance) / noise)
        return LinearTwoDataSets(*(level.shaped(column) for column in columns))

    def memorised_fraction(self, alpha_bar: ArrayLike, *, gamma: ArrayLike | None = None) -> Any:
        r"""Part of the pull to its own training samples that the score does not have elsewhere.

        .. math::  \beta=1-\frac{E_{train}[\hat s\cdot x]}{E_{fresh}[\hat s\cdot x]}
                   =\frac1{\psi_n}\Bigl\langle\frac l{l+\kappa}\Bigr\rangle,

        x the clean sample behind the noised point, as `Training.memorised_fraction` of random
        features.  Parameters, shapes and errors are those of `kappa`.

        Examples
        --------
        >>> import rmtspec as rs
        >>> model = rs.LinearDenoiser(rs.PopulationSpectrum.isotropic(), [0.5, 2.0, 8.0])
        >>> model.memorised_fraction(0.9).round(4)
        array([0.9077, 0.4197, 0.1111])
        """
        level = self._level(alpha_bar, gamma)
        return level.shaped(level.sums.a)
