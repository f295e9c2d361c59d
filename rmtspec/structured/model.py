r"""What all structured score networks have: a matrix U, its law, bulks, outliers and training."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _checks
from ..ensembles.structured.ensemble import StructuredEnsemble, StructuredResolvent
from ..ensembles.structured.mean_directions import MeanDirections
from ..ensembles.structured.reduction import Target
from ..law import SpectralLaw
from ..random_features.families import Family
from .bulks import find_families, names_of_bulks
from .curves import ClassCurves
from .outliers import StructuredOutliers, find_outliers
from .setting import Setting
from .summary import StructuredSummary, automatic_times
from .timescales import ClassTimescales
from .training import StructuredTraining

FloatArray = NDArray[np.float64]

MOST_NODES = 64


def checked_nodes(value: Any) -> int:
    """Nodes of a rule over biases or projections."""
    return _checks.integer("nodes", value, 1, MOST_NODES)


class StructuredModel:
    """A score network whose features have types, classes and times; the models say which."""

    psi_p: float
    psi_n: float

    def _check_ratios(self) -> None:
        for name in ("psi_p", "psi_n"):
            object.__setattr__(self, name, _checks.real(name, getattr(self, name), 1e-9, 1e9))

    @property
    def setting(self) -> Setting:
        """Classes, times and types of neurons."""
        raise NotImplementedError

    @property
    def delta(self) -> float:
        r"""Mean of :math:`\alpha^2\Delta` over times: a mode relaxes in ψ_p/(delta·λ)."""
        return self.setting.times.scale

    @property
    def class_weights(self) -> FloatArray:
        """(Y,) shares of the classes."""
        return self.setting.classes.weights

    @cached_property
    def ensemble(self) -> StructuredEnsemble:
        """The Gaussian equivalent of the feature matrix U."""
        setting, at = self.setting, self.setting.slopes
        shape = at.data.shape[1:]
        data, noise = setting.target.reshape(2, *shape)
        return StructuredEnsemble(
            self.psi_p,
            self.psi_n,
            at.weights,
            setting.classes.weights,
            at.data,
            at.noise,
            at.kernels,
            at.floors,
            setting.classes.eigenvalues,
            setting.classes.direction_weights,
            Target(data, noise),
            self._directions,
        )

    @property
    def _directions(self) -> MeanDirections | None:
        """Directions of the means, where losses are to be known there."""
        return None

    def resolvent(self, z: ArrayLike, *, rtol: float = 1e-8) -> StructuredResolvent:
        r"""Trace of :math:`(U-z)^{-1}` over p, and its derivative.

        Parameters
        ----------
        z : array_like, any shape
            Complex, or real off the support.
        rtol : float in [4 eps, 1]
            A point whose error bound exceeds it counts as not converged.

        Returns
        -------
        StructuredResolvent

        Raises
        ------
        TypeError, ValueError
            If z is not numeric, not finite, or real and on the support.

        Warns
        -----
        ConvergenceWarning
            Once, if points did not converge; they are NaN and flagged.
        """
        return self.ensemble.solve(z, rtol=rtol)

    def spectrum(self) -> SpectralLaw:
        """Limiting eigenvalue law of U, of the types of neurons as the rules have them."""
        return self._law

    @cached_property
    def _law(self) -> SpectralLaw:
        return SpectralLaw(self.ensemble)

    @cached_property
    def families(self) -> tuple[Family, ...]:
        """Families of eigenvalues, from the top of the spectrum down; see `bulks`."""
        return find_families(self._law, self.setting, self.psi_p, self.psi_n)

    def bulk_names(self) -> tuple[str, ...]:
        """Names of the families that each bulk of the spectrum holds, in ascending order."""
        return names_of_bulks(self._law, self.families, self.setting)

    def outliers(self, dimension: int | None = None) -> StructuredOutliers:
        r"""Single eigenvalues outside the bulks, by the finite-rank determinant.

        Means of length one and spikes of the population pull out eigenvalues of order one, whatever
        the dimension.  Mean features, :math:`E\sigma\ne0`, add eigenvalues that grow with it, of
        order p and, weaker, between the bulks; with the dimension these are given too, and the
        second Hermite coefficients with them.

        Parameters
        ----------
        dimension : int in [1, 1e15], optional
            d; p = psi_p d.

        Returns
        -------
        StructuredOutliers

        Raises
        ------
        TypeError, ValueError
            If the dimension is no such number.

        Notes
        -----
        *Accuracy.*  Of the limit.  An eigenvalue of order p fluctuates by :math:`O(\sqrt p)` with
        biases that are drawn.
        """
        if dimension is not None:
            dimension = _checks.integer("dimension", dimension, 1, 10**15)
        return find_outliers(self, dimension)

    def training(
        self, *, step: float = 0.0, momentum: float = 0.0, ridge: float = 0.0
    ) -> StructuredTraining:
        """Training by gradient flow (step = 0) or descent; see `StructuredTraining`."""
        return StructuredTraining(self, step, momentum, ridge)

    @cached_property
    def _flow(self) -> StructuredTraining:
        return self.training()

    def learning_curves(self, tau: ArrayLike) -> ClassCurves:
        """Losses of gradient flow from A = 0, of all data and of every class.

        See `StructuredTraining.learning_curves`; `training` gives other rules, stopping times and
        windows.
        """
        return self._flow.learning_curves(tau)

    def timescales(self) -> ClassTimescales:
        """Times at which the model, and every class, generalises and memorises."""
        return self._flow.timescales()

    def summary(
        self, tau: ArrayLike | None = None, *, dimension: int | None = None
    ) -> StructuredSummary:
        """Everything the model says of itself, as values and as tables.

        Parameters
        ----------
        tau : array_like, shape (k,), optional
            Training times of the losses; by default those over which they change.
        dimension : int in [1, 1e15], optional
            As for `outliers`.

        Raises
        ------
        TypeError, ValueError
            If an argument is of the wrong kind or out of range.
        """
        if dimension is not None:
            dimension = _checks.integer("dimension", dimension, 1, 10**15)
        if tau is None:
            times = automatic_times(self._flow)
        else:
            times = np.unique(_checks.real_array("tau", tau, 0.0, infinite=True))
        return StructuredSummary.of(self._flow, times, dimension)
