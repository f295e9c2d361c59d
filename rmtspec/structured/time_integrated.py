r"""One random-feature network for the scores of all diffusion times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _checks
from ..ensembles.structured.mean_directions import MeanDirections
from ..inputs.activation import ActivationLike
from ..inputs.gaussian.nodes import normal_nodes, uniform_nodes
from ..inputs.population import PopulationSpectrum
from .classes import Classes, DataClass, weight_row
from .model import StructuredModel, checked_nodes
from .setting import OUTPUTS, Neurons, Setting, Times

FloatArray = NDArray[np.float64]

WINDOW_NODES = 8
"""Gauss-Legendre nodes that stand for a window of times: good to 1e-7 in the resolvent for
[0.1, 1.5] and to 3e-6 for [0.02, 2.02], which takes 12 for 1e-6 (tanh, z = 0.02 + 0.005i)."""

MOST_TIMES = 64


@dataclass(frozen=True, eq=False)
class TimeIntegratedModel(StructuredModel):
    r"""One score network for many diffusion times, in the high-dimensional limit.

    :math:`S(x,t)=A\,\sigma(Wx/\sqrt d+tb)/\sqrt p+\beta x` has frozen Gaussian weights W, frozen
    biases b, and is trained on the mean over times of the denoising loss,

    .. math::  L=\sum_k\omega_k\tfrac1dE\big|\sqrt{\Delta_k}\,S(x_{t_k},t_k)+\xi\big|^2 .

    Its feature matrix is the mean of those of single times,
    :math:`U=\sum_kw_k\langle\varphi_k\varphi_k^\top\rangle`,
    :math:`w_k=\omega_k\Delta_k/\bar\Delta`, :math:`\bar\Delta=\sum_k\omega_k\Delta_k`; a mode λ
    takes the training time :math:`\psi_p/(\bar\Delta\lambda)`.  At one time without biases this is
    `RandomFeatureModel`.

    Parameters
    ----------
    psi_p, psi_n : float in [1e-9, 1e9]
        Features per dimension p/d, and samples per dimension n/d.
    times : sequence of floats > 0, ascending, or a tuple (t_min, t_max)
        Diffusion times, or the window over which they are uniform (8 Gauss-Legendre nodes).  Two
        single times are a list, [t_1, t_2], or have weights.
    weights : array_like, shape (T,), optional
        ω, which sum to 1; equal by default.
    biases, bias_weights : array_like, shape (N,), optional
        Values of b and their shares, which sum to 1 and are equal by default.  Without values, b is
        a standard normal number, of which a Gauss-Hermite rule takes `nodes`.
    bias_scale : float >= 0
        Factor of b; 0 is a network that does not know the time.
    skip : float
        β: −1 leaves to the features what the score of unit white data does not know.
    activation : str, callable or sequence
        See `rmtspec.inputs.activation.resolve`.
    population : PopulationSpectrum, optional
        Spectrum of the data covariance, isotropic with variance 1 if omitted.
    classes : sequence of DataClass, optional
        In place of a population: a mixture, means in units of :math:`\sqrt d`.
    direction_weights : array_like, shape (k,), optional
        As for `MixtureModel`.
    output : "score" or "noise"
        Whether A adds up to the score, as above, or to the noise it predicts:
        :math:`S=A\sigma/\sqrt{p\Delta_t}+\beta x`, which gives all times the same weight in U,
        :math:`w_k=\omega_k`, :math:`\bar\Delta=1`.
    nodes : int in [1, 64]
        Of the rules over biases and projections, a direction.
    dimension : int in [1, 1e15], not below the number of independent means, optional
        d, of which classes with means and a skip connection need to know: the network unlearns
        their means, of length :math:`\sqrt d`, at times of order 1/d.  Where it is given, losses
        along the means are told apart from those of all directions.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or out of range.

    Notes
    -----
    *Accuracy.*  Against true features of finite size, resolvents and losses deviate by O(1/d).
    With Gaussian biases there is neither an atom nor a sharp lower edge; a rule of few nodes shows
    small bulks of single nodes below the main one (`bulk_names` counts them to it).

    Examples
    --------
    >>> import rmtspec as rs
    >>> model = rs.TimeIntegratedModel(6, 3, times=(0.1, 1.5))
    >>> curves = model.learning_curves([1.0, 10.0])
    >>> bool(curves.train[0] > curves.train[1])
    True
    """

    psi_p: float
    psi_n: float
    times: Any
    weights: ArrayLike | None = None
    biases: ArrayLike | None = None
    bias_weights: ArrayLike | None = None
    bias_scale: float = 1.0
    skip: float = 0.0
    activation: ActivationLike = "tanh"
    population: PopulationSpectrum | None = None
    classes: Sequence[DataClass] | None = None
    direction_weights: ArrayLike | None = None
    output: str = "score"
    nodes: int = 16
    dimension: int | None = None

    def __post_init__(self) -> None:
        self._check_ratios()
        for name, low, high in (("bias_scale", 0.0, 1e6), ("skip", -1e6, 1e6)):
            object.__setattr__(self, name, _checks.real(name, getattr(self, name), low, high))
        if not isinstance(self.population, PopulationSpectrum | None):
            raise TypeError(
                f"population must be a PopulationSpectrum, got {_checks.shown(self.population)}"
            )
        if self.population is not None and self.classes is not None:
            raise ValueError("population must be left out where classes are given")
        if self.classes is None and self.direction_weights is not None:
            raise ValueError("direction_weights must be left out where no classes are given")
        _checks.choice("output", self.output, OUTPUTS)
        object.__setattr__(self, "nodes", checked_nodes(self.nodes))
        means = self.setting.classes.means
        if self.dimension is not None:
            least = max(1, means.shape[1])
            dimension = _checks.integer("dimension", self.dimension, least, 10**15)
            object.__setattr__(self, "dimension", dimension)
        elif self.skip != 0.0 and means.size:
            raise ValueError(
                "dimension must be given where skip is not 0 and classes have means, got None"
            )
        _ = self.setting.moments

    @cached_property
    def setting(self) -> Setting:
        """Classes, times and types of neurons."""
        t, shares = self._given_times()
        delta = -np.expm1(-2.0 * t)
        powers = delta if self.output == OUTPUTS[0] else np.ones_like(t)
        if self.classes is None:
            population = self.population or PopulationSpectrum.isotropic()
            classes = Classes.single(population)
        else:
            classes = Classes.of(self.classes, self.direction_weights)
        biases, weights = self._given_biases()
        projections, others = normal_nodes(self.nodes, classes.means.shape[1])
        neurons = Neurons(
            np.multiply.outer(others, weights).ravel(),
            np.repeat(projections, len(biases), axis=0),
            np.tile(biases, len(others)),
            self.biases is None or len(others) > 1,
        )
        times = Times(t, shares, powers, self.skip)
        return Setting(self.activation, classes, times, neurons)

    @property
    def _directions(self) -> MeanDirections | None:
        if self.dimension is None or self.setting.classes.means.size == 0:
            return None
        return self.setting.mean_directions(float(self.dimension))

    def _given_times(self) -> tuple[FloatArray, FloatArray]:
        """Times and their weights."""
        t = np.atleast_1d(_checks.real_array("times", self.times))
        if t.ndim != 1 or not 1 <= t.size <= MOST_TIMES:
            raise ValueError(
                f"times must be a row of 1 to {MOST_TIMES} numbers, got shape {t.shape}"
            )
        if np.any(t <= 0.0):
            raise ValueError(f"times must hold numbers > 0, got {float(t.min())!r}")
        if np.any(np.diff(t) <= 0.0):
            raise ValueError(f"times must ascend, got {_checks.shown(t.tolist())}")
        if self.weights is not None:
            return t, weight_row("weights", self.weights, t.size)
        if isinstance(self.times, tuple) and t.size == 2:
            return uniform_nodes(float(t[0]), float(t[1]), WINDOW_NODES)
        return t, np.full(t.size, 1.0 / t.size)

    def _given_biases(self) -> tuple[FloatArray, FloatArray]:
        """Values of the bias and their shares."""
        if self.biases is None:
            if self.bias_weights is not None:
                raise ValueError("bias_weights must be left out where no biases are given")
            nodes, weights = normal_nodes(self.nodes, 1 if self.bias_scale > 0.0 else 0)
            return self.bias_scale * nodes.sum(axis=1), weights
        values = np.atleast_1d(_checks.real_array("biases", self.biases, -1e6, 1e6))
        if values.ndim != 1 or values.size == 0:
            raise ValueError(f"biases must be a row of numbers, got shape {values.shape}")
        if self.bias_weights is None:
            return self.bias_scale * values, np.full(values.size, 1.0 / values.size)
        return self.bias_scale * values, weight_row("bias_weights", self.bias_weights, values.size)
