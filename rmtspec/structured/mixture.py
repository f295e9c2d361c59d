r"""A random-feature score model of a mixture of Gaussians, at one diffusion time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from .. import _checks
from ..inputs.activation import ActivationLike
from ..inputs.gaussian.nodes import normal_nodes
from .classes import UNITS, Classes, DataClass
from .model import StructuredModel, checked_nodes
from .setting import Neurons, Setting, Times


@dataclass(frozen=True, eq=False)
class MixtureModel(StructuredModel):
    r"""Random-feature score model of unequal classes of data, in the high-dimensional limit.

    The network, its loss and its training are those of `RandomFeatureModel`; the data are
    :math:`x=m_y+\Sigma_y^{1/2}z` with the probability :math:`\pi_y`, and losses are known for every
    class.  Means of length :math:`\sqrt d` are seen by every neuron: its projection on them,
    a Gaussian number, makes it one of a continuum of types, of which a Gauss-Hermite rule takes
    `nodes` in every independent direction.  Means of length 1 change no loss; they show up in
    `outliers`.

    Parameters
    ----------
    psi_p, psi_n : float in [1e-9, 1e9]
        Features per dimension p/d, and samples of all classes per dimension n/d.
    t : float > 0
        Diffusion time.
    classes : sequence of DataClass
        Their weights sum to 1.
    direction_weights : array_like, shape (k,), optional
        Shares of the groups of directions along which the covariances have their eigenvalues,
        summing to 1; equal by default, or those of the classes' populations.
    activation : str, callable or sequence
        See `rmtspec.inputs.activation.resolve`.
    mean_unit : "sqrt(d)" or "1"
        Unit in which the means are given: well separated classes, or such as pull out single
        eigenvalues only.
    nodes : int in [1, 64]
        Of the rule over projections, a direction.  16 are good to 1e-3 in losses, 32 to 1e-4 or
        better (tanh, means :math:`\pm\sqrt d`).

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or out of range, or the classes do not fit together.

    Notes
    -----
    *Accuracy.*  Against true features of finite size, resolvents and losses deviate by O(1/d).
    Classes that are mirror images of each other are not told apart by an odd activation: with
    antipodal means and equal covariances all losses are the same, whatever the weights.

    Examples
    --------
    >>> import rmtspec as rs
    >>> classes = [rs.DataClass(0.75, 1.0, mean=1.0), rs.DataClass(0.25, 0.36, mean=-1.0)]
    >>> mixture = rs.MixtureModel(6, 3, 0.1, classes)
    >>> curves = mixture.learning_curves([1.0, 100.0])
    >>> curves.class_test.shape
    (2, 2)
    """

    psi_p: float
    psi_n: float
    t: float
    classes: Sequence[DataClass]
    direction_weights: ArrayLike | None = None
    activation: ActivationLike = "tanh"
    mean_unit: str = "sqrt(d)"
    nodes: int = 16

    def __post_init__(self) -> None:
        self._check_ratios()
        object.__setattr__(self, "t", _checks.positive("t", self.t))
        _checks.choice("mean_unit", self.mean_unit, UNITS)
        object.__setattr__(self, "nodes", checked_nodes(self.nodes))
        _ = self.setting.moments

    @cached_property
    def setting(self) -> Setting:
        """Classes, time and types of neurons."""
        classes = Classes.of(self.classes, self.direction_weights)
        separated = self.mean_unit == UNITS[0]
        projections, weights = normal_nodes(self.nodes, classes.means.shape[1] if separated else 0)
        delta = -np.expm1(-2.0 * self.t)
        times = Times(np.array([self.t]), np.ones(1), np.array([delta]))
        neurons = Neurons(weights, projections, np.zeros(len(weights)))
        return Setting(self.activation, classes, times, neurons, separated)
