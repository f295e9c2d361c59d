r"""Gradient flow of the random-feature score on one data set, the noise average done exactly.

With U = (1/n) sum_nu E phi phi^T and V = (1/n) sum_nu E phi xi^T the loss of arXiv 2505.17638,
eq. 7, is quadratic in A and the flow from A = 0 is

.. math::  \frac{A(\tau)}{\sqrt p} = -\Delta^{-1/2}\,V^T f_\tau(U),\qquad
           f_\tau(\lambda) = \frac{1-e^{-2\Delta\lambda\tau/\psi_p}}{\lambda}.

U comes from Mehler's sum (`rmtspec.compare.networks.feature_matrices`). Neuron i has the
pre-activation u_i + omega_i g, g = W_i.xi/|W_i| standard normal, so
E sigma(u_i + omega_i g) xi = m_1(u_i, omega_i) W_i/|W_i|: V is the mean of the
first Hermite moment, times the directions of W.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from rmtspec.compare.networks.feature_matrices import true_features
from rmtspec.compare.networks.noise_moments import noise_average
from validation.harness import arguments

Array = NDArray[np.float64]

_SIGMA = {"tanh": np.tanh, "erf": special.erf, "relu": lambda x: np.maximum(x, 0.0)}
_BLOCK = 256


class FeatureFlow:
    r"""Exact gradient flow (from A = 0) of the network of eq. 7 on a data set, at one time t.

    Parameters
    ----------
    w : array, shape (p, d)
        Frozen weights, unit variance.
    x : array, shape (n, d)
        Samples.
    t : float
        Diffusion time.
    activation : {"tanh", "erf", "relu"}

    Attributes
    ----------
    eigenvalues : ndarray, shape (p,)
        Of U, ascending. Below 0 they are truncation error of Mehler's sum and are put to 0.
    truncation : float
        Bound on the Frobenius norm of what is missing in U.
    """

    def __init__(self, w: Array, x: Array, t: float, activation: str = "tanh") -> None:
        arguments.choice("activation", activation, tuple(_SIGMA))
        self.delta = -math.expm1(-2.0 * arguments.positive("t", t))
        self.t, self.activation = t, activation
        self.w = w
        self.neurons, self.dimension = w.shape
        gram = true_features(w, x, t, activation)
        self.truncation = gram.truncation
        values, axes = np.linalg.eigh(gram.matrix)
        self.eigenvalues, self._axes = np.maximum(values, 0.0), axes
        norms = np.linalg.norm(w, axis=1)
        first = self._first_moment(x, norms)
        v = (first / norms)[:, None] * w
        self._forcing = axes.T @ v

    def _first_moment(self, x: Array, norms: Array) -> Array:
        """Mean over samples of E sigma(u_i + omega_i g) g, shape (p,)."""
        total = np.zeros(self.neurons)
        omega = math.sqrt(self.delta / self.dimension) * norms[:, None]
        for start in range(0, len(x), _BLOCK):
            u = math.exp(-self.t) * (self.w @ x[start : start + _BLOCK].T)
            u /= math.sqrt(self.dimension)
            wide = np.broadcast_to(omega, u.shape)
            moments, _ = noise_average(self.activation, u, wide).moments(u, wide, 1)
            total += moments[1].sum(axis=1)
        return total / len(x)

    def _relaxed(self, tau: float, step: float) -> Array:
        """f_tau at every eigenvalue; its limit 2 Delta tau/psi_p at eigenvalue 0."""
        rate = 2.0 * self.delta * self.dimension / self.neurons
        values = self.eigenvalues
        # At tau = inf a zero eigenvalue carries no forcing: leave its direction alone.
        slope = rate * tau if math.isfinite(tau) else 0.0
        small = values <= 1e-14 * values[-1]
        safe = np.where(small, 1.0, values)
        if step > 0.0:
            if rate * values[-1] * step > 2.0:
                raise ValueError(f"step must be at most {2.0 / (rate * values[-1])!r}, got {step}")
            kept = (1.0 - rate * safe * step) ** round(tau / step)
            return np.where(small, slope, (1.0 - kept) / safe)
        return np.where(small, slope, -np.expm1(-rate * safe * tau) / safe)

    def weights(self, tau: float, *, step: float = 0.0) -> Array:
        """Return A(tau), shape (d, p).

        Parameters
        ----------
        tau : float
            At least 0; inf is the minimum of the training loss.
        step : float
            0: gradient flow. Otherwise gradient descent whose updates advance tau by `step`, after
            tau/step updates (rounded).
        """
        self._check(tau, step)
        a = -((self._axes * self._relaxed(float(tau), step)) @ self._forcing).T
        return np.asarray(a * math.sqrt(self.neurons / self.delta))

    def score(self, noised: Array, tau: float) -> Array:
        """Return the score A(tau) sigma(W x/sqrt(d))/sqrt(p) at noised points (N, d)."""
        features = _SIGMA[self.activation](noised @ self.w.T / math.sqrt(self.dimension))
        return np.asarray(features @ self.weights(tau).T / math.sqrt(self.neurons))

    def train_loss(self, tau: ArrayLike, *, step: float = 0.0) -> Array:
        """Return (1/d) E|sqrt(Delta) s + xi|^2 over the data and all noises, shaped like tau."""
        times = np.asarray(tau, dtype=np.float64)
        share = np.sum(self._forcing**2, axis=1) / self.dimension
        fallen = []
        for one in times.ravel():
            self._check(float(one), step)
            f = self._relaxed(float(one), step)
            fallen.append(np.sum(share * f * (2.0 - self.eigenvalues * f)))
        return np.asarray(1.0 - np.reshape(fallen, times.shape))

    @staticmethod
    def _check(tau: float, step: float) -> None:
        if not tau >= 0.0:
            raise ValueError(f"tau must be a number >= 0, got {tau!r}")
        if not step >= 0.0 or (step > 0.0 and not math.isfinite(tau)):
            raise ValueError(f"step must be 0, or positive with a finite tau, got {step!r}")
