r"""What a structured score network is made of: types of neurons, classes of data, diffusion times.

A neuron of type τ sees a sample of class y at the time :math:`t_k` through

.. math::  h=e^{-t_k}(\eta_\tau\cdot m_y+\sigma_yu)+t_kb_\tau+\sqrt{\Delta_k}\,v,

:math:`\eta_\tau` its projection on the means (standard normal in coordinates), :math:`b_\tau` its
bias.  The network :math:`S(x,t)=\alpha_tA\varphi_t/\sqrt p+\beta x` is trained on

.. math::  L=\sum_k\omega_k\tfrac1dE\big|\sqrt{\Delta_k}\,S(x_{t_k},t_k)+\xi\big|^2
           =L_0+\tfrac2d\mathrm{Tr}\,aV+\tfrac1d\mathrm{Tr}\,aUa^\top,\qquad
           U=\sum_kw_k\langle\varphi_k\varphi_k^\top\rangle,

with :math:`a=\sqrt{\bar\Delta}A/\sqrt p`, :math:`\bar\Delta=\sum_k\omega_k\alpha_k^2\Delta_k` and
:math:`w_k=\omega_k\alpha_k^2\Delta_k/\bar\Delta`, which sum to 1: U is the mean of the feature
matrices over times, and gradient flow relaxes its mode λ as
:math:`e^{-2\bar\Delta\lambda\tau/\psi_p}`.  At one time all this is `RandomFeatureModel`.

The network has to predict :math:`-(n_k\xi+a_kx)`, :math:`n_k=1+\Delta_k\beta`,
:math:`a_k=\sqrt{\Delta_k}\,\beta e^{-t_k}`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..ensembles.structured.mean_directions import MeanDirections
from ..inputs.activation import ActivationLike, resolve
from ..inputs.gaussian.channels import ChannelMoments, channel_moments
from ..inputs.gaussian.panels import NotIntegrableError
from .classes import Classes

FloatArray = NDArray[np.float64]

OUTPUTS = ("score", "noise")
"""What the features add up to: S itself, or the noise it predicts, √Δ S."""

_EQUAL = 1e-13  # of moments, relative to the root of E σ²: what two orders of summation leave


@dataclass(frozen=True, eq=False)
class Times:
    """Diffusion times that one network serves.

    Attributes
    ----------
    t : (T,)
    shares : (T,) ω, which sum to 1
    powers : (T,) α²Δ
    skip : β
    """

    t: FloatArray
    shares: FloatArray
    powers: FloatArray
    skip: float = 0.0

    @property
    def delta(self) -> FloatArray:
        """(T,) variance of the noise, Δ."""
        return np.asarray(-np.expm1(-2.0 * self.t))

    @property
    def decay(self) -> FloatArray:
        """(T,) amplitude of the data, e^(-t)."""
        return np.asarray(np.exp(-self.t))

    @property
    def scale(self) -> float:
        """Mean of α²Δ, by which losses are a multiple of the modes' shares."""
        return float(self.shares @ self.powers)

    @property
    def weights(self) -> FloatArray:
        """(T,) w, which sum to 1."""
        return np.asarray(self.shares * self.powers / self.scale)

    @property
    def noise_target(self) -> FloatArray:
        """(T,) n."""
        return np.asarray(1.0 + self.delta * self.skip)

    @property
    def data_target(self) -> FloatArray:
        """(T,) a."""
        return np.asarray(np.sqrt(self.delta) * self.skip * self.decay)


@dataclass(frozen=True, eq=False)
class Neurons:
    """Types of neurons.

    Attributes
    ----------
    weights : (N,) shares π, which sum to 1
    projections : (N, r) η, coordinates on the means of the classes
    biases : (N,) b
    drawn : whether they are nodes of a rule over a continuum
    """

    weights: FloatArray
    projections: FloatArray
    biases: FloatArray
    drawn: bool = True


@dataclass(frozen=True, eq=False)
class Slopes:
    """The Gaussian equivalent of the features, weights of the times absorbed; see `Setting`.

    Types whose equations are the same are one: with an odd activation those of opposite biases and
    projections.

    Attributes
    ----------
    weights : (N,) shares of the types
    data : (N, Y, T) √w C
    noise : (N, Y, T) √(π_y w) B
    kernels : (N, Y, T, T) √(w w') K
    floors : (N, Y) Σ w S, of every class
    means : (N', Y, T) √w c⁰ of all types, the equal ones too
    bends : (N', 3, Y, T) √w times the three coefficients of second order
    member, shares : (N',) which of the N types each is, and its own share
    signs : (N,) mean sign of the slopes of the types that are one
    """

    weights: FloatArray
    data: FloatArray
    noise: FloatArray
    kernels: FloatArray
    floors: FloatArray
    means: FloatArray
    bends: FloatArray
    member: NDArray[np.intp]
    shares: FloatArray
    signs: FloatArray


@dataclass(frozen=True, eq=False)
class Setting:
    """Classes, times and neurons of one model, and the scalars that follow.

    Parameters
    ----------
    activation : as `rmtspec.inputs.activation.resolve` takes it
    separated : whether means are of length √d, so that every neuron sees them
    """

    activation: ActivationLike
    classes: Classes
    times: Times
    neurons: Neurons
    separated: bool = True

    @cached_property
    def moments(self) -> ChannelMoments:
        """Moments of the activation for every type, class and time.

        Raises
        ------
        ValueError
            If the activation has none.
        """
        resolved = resolve(self.activation)
        t, decay = self.times.t, self.times.decay
        seen = np.zeros((len(self.neurons.weights), len(self.classes.weights)))
        if self.separated:
            seen = self.neurons.projections @ self.classes.means.T
        centre = decay * seen[:, :, None] + (t * self.neurons.biases[:, None])[:, None, :]
        spread = np.sqrt(self.classes.variances)[:, None] * decay
        try:
            return channel_moments(resolved.function, centre, spread, np.sqrt(self.times.delta))
        except NotIntegrableError as problem:
            raise ValueError(f"activation {resolved.name!r} {problem}") from None

    @cached_property
    def slopes(self) -> Slopes:
        """The Gaussian equivalent, equal types taken together."""
        at, w = self.moments, self.times.weights
        root = np.sqrt(w)
        deviation = np.sqrt(self.classes.variances)[:, None]
        shares = np.sqrt(self.classes.weights)[:, None]
        data = root * at.signal / deviation
        noise = root * shares * at.noise
        kernels = root[:, None] * root * at.kernel
        floors = at.floor @ w
        member, sign = _same(data, noise, kernels, floors)
        first = np.unique(member, return_index=True)[1]
        own = self.neurons.weights
        weights: FloatArray = np.bincount(member, weights=own).astype(np.float64)
        signs = np.bincount(member, weights=own * sign) / weights * sign[first]
        bends = np.stack([at.bend_signal, at.bend_mixed, at.bend_noise], axis=1)
        return Slopes(
            weights,
            np.ascontiguousarray(data[first]),
            np.ascontiguousarray(noise[first]),
            np.ascontiguousarray(kernels[first]),
            np.ascontiguousarray(floors[first]),
            root * at.mean,
            root * bends,
            member,
            own,
            signs,
        )

    def mean_directions(self, dimension: float) -> MeanDirections:
        """What every neuron shows along the means of well separated classes, d given."""
        at, root, classes = self.moments, np.sqrt(self.times.weights), self.classes
        data = at.signal / np.sqrt(classes.variances)[:, None]
        noise = at.noise * np.sqrt(classes.weights)[:, None]
        return MeanDirections(
            dimension,
            self.neurons.weights,
            self.slopes.member,
            self.neurons.projections,
            self.slopes.means,
            root * np.stack([data, noise], axis=1),
            classes.means,
            classes.variances,
        )

    @cached_property
    def target(self) -> FloatArray:
        """(2YT,) what is to be predicted, as a linear neuron: data part, then noise part."""
        times, count = self.times, len(self.classes.weights)
        root = np.sqrt(times.shares)
        data = np.tile(root * times.data_target, count)
        noise = np.sqrt(self.classes.weights)[:, None] * (root * times.noise_target)
        return np.concatenate([data, noise.ravel()])

    @cached_property
    def optimum(self) -> float:
        """Loss of the true score: Gaussian in every class, which a sample tells of itself."""
        level, delta = self.classes.eigenvalues, self.times.delta
        signal = self.times.decay[:, None, None] ** 2 * level
        left = signal / (signal + delta[:, None, None])  # of E|√Δ s + ξ|²/d along a direction
        kept: FloatArray = np.einsum("tjy,j->ty", left, self.classes.direction_weights)
        return float(self.times.shares @ kept @ self.classes.weights)


def _same(
    data: FloatArray, noise: FloatArray, kernels: FloatArray, floors: FloatArray
) -> tuple[NDArray[np.intp], FloatArray]:
    """Of every type the number of its kind, slopes agreeing but for a sign, and that sign."""
    count = len(data)
    slopes = np.hstack([data.reshape(count, -1), noise.reshape(count, -1)])
    lead = slopes[np.arange(count), np.abs(slopes).argmax(axis=1)]
    sign = np.where(lead < 0.0, -1.0, 1.0)
    signed = slopes * sign[:, None]
    rest = np.hstack([kernels.reshape(count, -1), floors])
    size = np.sqrt((slopes**2).sum(axis=1).max() + np.abs(rest).max())
    if size == 0.0:
        return np.zeros(count, dtype=np.intp), sign
    table = np.hstack([signed / size, rest / size**2])
    member = np.full(count, -1, dtype=np.intp)
    kinds: list[int] = []
    for i, row in enumerate(table):
        near = [k for k, j in enumerate(kinds) if np.abs(table[j] - row).max() <= _EQUAL]
        if not near:
            near = [len(kinds)]
            kinds.append(i)
        member[i] = near[0]
    return member, sign
