r"""Parameters of an affine denoiser: population, load and ridge, and the renormalised ridge there.

Whatever is asked of a denoiser is a function of the noise :math:`s=(1-\bar\alpha)/\bar\alpha`, the
ridge c, and the solved point of :mod:`rmtspec.linear.renormalised_ridge` at ζ = s + c.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import _checks
from ..inputs.noise import signal
from ..inputs.population import PopulationSpectrum
from . import losses
from .corrections import EmpiricalMean
from .divergence import LARGEST_DIMENSION
from .losses import Level, noise_to_signal
from .renormalised_ridge import RenormalisedRidge

SMALLEST_LOAD, LARGEST_LOAD = 1e-9, 1e12
_LARGEST_RIDGE = 1e100


@dataclass(frozen=True, eq=False)
class LinearParameters:
    """What :class:`~rmtspec.LinearDenoiser` is built from, checked; its parameters stand there."""

    population: PopulationSpectrum
    load: Any
    c: Any = 0.0
    dimension: int | None = field(default=None, kw_only=True)
    empirical_mean: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.population, PopulationSpectrum):
            raise TypeError(
                f"population must be a PopulationSpectrum, got {_checks.shown(self.population)}"
            )
        empirical = _checks.flag("empirical_mean", self.empirical_mean)
        load = _checks.real_array("load", self.load, SMALLEST_LOAD, LARGEST_LOAD)
        ridge = _checks.real_array("c", self.c, 0.0, _LARGEST_RIDGE)
        try:
            np.broadcast_shapes(load.shape, ridge.shape)
        except ValueError:
            raise ValueError(
                f"load and c must broadcast, got shapes {load.shape} and {ridge.shape}"
            ) from None
        size = self.population.dimension if self.dimension is None else self.dimension
        if size is not None:
            size = _checks.integer("dimension", size, 1, LARGEST_DIMENSION)
        for name, array in (("load", load), ("c", ridge)):
            array.setflags(write=False)
            object.__setattr__(self, name, array[()])
        object.__setattr__(self, "dimension", size)
        object.__setattr__(self, "empirical_mean", empirical)

    def kappa(self, alpha_bar: ArrayLike, *, gamma: ArrayLike | None = None) -> Any:
        r"""Renormalised ridge κ at :math:`\zeta=(1-\bar\alpha)/\bar\alpha+c`.

        .. math::
            \zeta = \kappa\Bigl(1-\frac1{\psi_n}\Bigl\langle\frac l{l+\kappa}\Bigr\rangle\Bigr).

        The training loss at c = 0 is the loss of infinite data at the larger noise κ > s.

        Parameters
        ----------
        alpha_bar : array_like
            Signal, in (0, 1).
        gamma : array_like, optional
            Penalty at this noise level, >= 0, in place of :math:`c\bar\alpha`.

        Returns
        -------
        ndarray of float64, or a scalar
            With the broadcast shape of load, c, alpha_bar and gamma.

        Raises
        ------
        ValueError, TypeError
            If an argument is outside its range, or shapes do not broadcast.
        """
        level = self._level(alpha_bar, gamma)
        return level.shaped(level.sums.kappa)

    @cached_property
    def _ridge(self) -> RenormalisedRidge:
        return RenormalisedRidge(self.population.eigenvalues, self.population.weights)

    def _mean_handling(self) -> EmpiricalMean:
        if self.dimension is None:
            raise ValueError("dimension must be given for corrected=True, got None")
        return EmpiricalMean(self.dimension, self.empirical_mean)

    def _level(
        self,
        alpha_bar: ArrayLike,
        gamma: ArrayLike | None,
        *,
        extra: tuple[int, ...] = (),
        corrected: bool = False,
    ) -> Level:
        mean = self._mean_handling() if _checks.flag("corrected", corrected) else None
        return self._levels(alpha_bar, gamma, (self.load,), extra, mean)[0]

    def _levels(
        self,
        alpha_bar: ArrayLike,
        gamma: ArrayLike | None,
        loads: tuple[Any, ...],
        extra: tuple[int, ...] = (),
        mean: EmpiricalMean | None = None,
    ) -> list[Level]:
        """Solved points for each of the loads, all broadcast to one shape."""
        signal_level = signal("alpha_bar", alpha_bar)
        if gamma is None:
            ridge = np.asarray(self.c)
        else:
            penalty = _checks.real_array("gamma", gamma, 0.0, _LARGEST_RIDGE)
            try:
                with np.errstate(over="ignore"):
                    ridge = penalty / signal_level
            except ValueError:
                raise ValueError(
                    "gamma and alpha_bar must broadcast, "
                    f"got shapes {penalty.shape} and {signal_level.shape}"
                ) from None
            if np.any(ridge > _LARGEST_RIDGE):
                raise ValueError(
                    f"gamma must be at most {_LARGEST_RIDGE:g} alpha_bar, "
                    f"got {_checks.shown(gamma)}"
                )
        arrays = [signal_level, ridge, *(np.asarray(load) for load in loads)]
        try:
            shape = np.broadcast_shapes(extra, *(array.shape for array in arrays))
        except ValueError:
            shapes = [extra, *(array.shape for array in arrays)]
            raise ValueError(
                f"alpha_bar, load, other_load, c, gamma and what else is given must broadcast, "
                f"got shapes {shapes}"
            ) from None
        s, c, *flat = (
            np.ascontiguousarray(np.broadcast_to(array, shape).ravel())
            for array in (noise_to_signal(signal_level), *arrays[1:])
        )
        return [losses.solve(self._ridge, s, c, load, shape, mean) for load in flat]
