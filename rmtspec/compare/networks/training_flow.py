r"""Losses of gradient flow at finite size, exactly, from the eigenvectors of the feature matrix.

The network :math:`A\phi/\sqrt p` with fixed features :math:`\phi` is trained from A = 0 on

.. math::

    L(A) = \frac1d E\,|\sqrt\Delta A\phi/\sqrt p+\xi|^2
         = 1+\frac{2\sqrt\Delta}{d\sqrt p}\mathrm{Tr}\,AV+\frac{\Delta}{dp}\mathrm{Tr}\,AUA^\top ,
    \qquad U=E\phi\phi^\top,\quad V=E\phi\xi^\top ,

E the average over the samples and their noise. Any linear first-order method leaves
:math:`\sqrt\Delta A/\sqrt p=-V^\top f(U)` with a filter f; for the flow
:math:`\dot A=-d^2\nabla L` it is
:math:`f_\tau(\lambda)=(1-e^{-2\Delta\lambda\tau/\psi_p})/\lambda`.
With the matrices :math:`\tilde U,\tilde V` of fresh data the losses are

.. math::

    L_{train} = 1-\tfrac1d\mathrm{Tr}\,V^\top(2f-Uf^2)V, \qquad
    L_{test} = 1-\tfrac2d\mathrm{Tr}\,\tilde V^\top fV+\tfrac1d\mathrm{Tr}\,V^\top f\tilde UfV .

A row of A, and so every data direction, learns by itself: its loss has the row's :math:`v v^\top`
in place of :math:`VV^\top/d`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .feature_matrices import equivalent_root

Array = NDArray[np.float64]


@dataclass(frozen=True)
class FeatureMoments:
    """U (p, p) and V (p, d) of the training data, and the same of fresh data."""

    u: Array
    v: Array
    u_fresh: Array
    v_fresh: Array


@dataclass(frozen=True)
class Flow:
    """Eigenvalues of U (m,), and V (m, d), fresh V (m, d) and fresh U (m, m) in its eigenbasis.

    Eigenvectors orthogonal to V may be left out: they stay untrained.
    """

    eigenvalues: Array
    v: Array
    v_fresh: Array
    u_fresh: Array

    def losses(self, filters: Array, direction: int | None = None) -> tuple[Array, Array]:
        """Training and test loss, shape (k,), of filters f(λ), shape (k, m), at A(0) = 0.

        With a `direction` the loss of that row of A, normalised to 1 at the start.
        """
        v, v_fresh = self.v, self.v_fresh
        if direction is not None:
            v, v_fresh = v[:, [direction]], v_fresh[:, [direction]]
        d = v.shape[1]
        own = np.sum(v * v, axis=1) / d
        cross = np.sum(v * v_fresh, axis=1) / d
        pairs = self.u_fresh * (v @ v.T / d)
        train = 1.0 - (2.0 * filters - self.eigenvalues * filters**2) @ own
        test = 1.0 - 2.0 * filters @ cross + np.sum((filters @ pairs) * filters, axis=1)
        return train, test


@dataclass(frozen=True)
class TargetFlow:
    """A flow with the forcing of the target x beside that of the noise, in the same basis.

    Attributes
    ----------
    flow : of the noise
    data, data_fresh : (m, d), E φxᵀ of the samples and of fresh data
    variance, variance_fresh : mean square of a coordinate of both
    """

    flow: Flow
    data: Array
    data_fresh: Array
    variance: float
    variance_fresh: float

    def losses(self, filters: Array, noise: float, data: float) -> tuple[Array, Array]:
        """Training and test loss of the target noise·ξ + data·x, at A(0) = 0."""
        flow = self.flow
        mixed = Flow(
            flow.eigenvalues,
            noise * flow.v + data * self.data,
            noise * flow.v_fresh + data * self.data_fresh,
            flow.u_fresh,
        )
        train, test = mixed.losses(filters)
        own, fresh = (noise**2 + data**2 * each for each in (self.variance, self.variance_fresh))
        return train - 1.0 + own, test - 1.0 + fresh


def decompose(moments: FeatureMoments) -> Flow:
    """Diagonalise U and express everything in its eigenbasis."""
    return decompose_with(moments)[0]


def decompose_with(moments: FeatureMoments) -> tuple[Flow, Array]:
    """The same, and the eigenbasis as columns."""
    eigenvalues, vectors = np.linalg.eigh(moments.u)
    flow = Flow(
        eigenvalues,
        vectors.T @ moments.v,
        vectors.T @ moments.v_fresh,
        vectors.T @ moments.u_fresh @ vectors,
    )
    return flow, vectors


def equivalent_flow(
    w: Array,
    x: Array,
    omega: Array,
    covariance: Array,
    *,
    c: float,
    b: float,
    v: float,
    s: float,
) -> Flow:
    r"""Flow of the Gaussian equivalent (arXiv 2505.17638, Sect. 3), b != 0.

    With :math:`H=[(cWX^\top/\sqrt d+v\Omega)/\sqrt n,\ bW/\sqrt d]` it has
    :math:`U=HH^\top+s^2`, :math:`V=\tilde V=bW/\sqrt d` and
    :math:`\tilde U=W(c^2\Sigma+b^2)W^\top/d+v^2+s^2`.  V lies in the span of H, so for
    p > n + d the n + d eigenvectors of :math:`H^\top H` are enough.

    Parameters
    ----------
    w : array, shape (p, d)
    x : array, shape (n, d)
    omega : array, shape (p, n)
    covariance : array, shape (d,) or (d, d)
        Covariance of fresh data, the diagonal or the whole matrix.
    """
    projected, squares, _ = _seen_features(w, x, omega, c=c, b=b, v=v)
    fresh = _fresh_gram(projected, covariance, c=c, b=b, v=v, s=s)
    return Flow(squares + s**2, b * projected, b * projected, fresh)


def equivalent_targets(
    w: Array,
    x: Array,
    omega: Array,
    covariance: Array,
    *,
    c: float,
    b: float,
    v: float,
    s: float,
) -> TargetFlow:
    r"""The same with the forcing of the target x beside that of the noise.

    :math:`V_x=GX/n` and :math:`\tilde V_x=cW\Sigma/\sqrt d`; parameters as for `equivalent_flow`.
    """
    projected, squares, vectors = _seen_features(w, x, omega, c=c, b=b, v=v)
    fresh = _fresh_gram(projected, covariance, c=c, b=b, v=v, s=s)
    samples = len(x)
    g = (c / np.sqrt(w.shape[1])) * (w @ x.T) + v * omega
    seen = projected * covariance if covariance.ndim == 1 else projected @ covariance
    spread = covariance if covariance.ndim == 1 else np.diag(covariance)
    return TargetFlow(
        Flow(squares + s**2, b * projected, b * projected, fresh),
        vectors.T @ (g @ x) / samples,
        c * seen,
        float(np.sum(x * x)) / x.size,
        float(np.mean(spread)),
    )


def _seen_features(
    w: Array, x: Array, omega: Array, *, c: float, b: float, v: float
) -> tuple[Array, Array, Array]:
    """W/√d in the eigenbasis of HHᵀ, the eigenvalues, and the eigenvectors."""
    (neurons, dimension), samples = w.shape, len(x)
    scaled = w / np.sqrt(dimension)
    h = equivalent_root(w, x, omega, c=c, b=b, v=v)
    if neurons > samples + dimension:
        squares, small = np.linalg.eigh(h.T @ h)
        kept = _seen(squares)
        if not kept.all():
            squares, small = squares[kept], small[:, kept]
        # The largest roundings are eps times the largest square: slow bulks stay far above.
        vectors = h @ (small / np.sqrt(squares))
    else:
        squares, vectors = np.linalg.eigh(h @ h.T)
        kept = _seen(squares)
        if not kept.all():
            squares, vectors = squares[kept], vectors[:, kept]
    return vectors.T @ scaled, squares, vectors


def _fresh_gram(
    projected: Array, covariance: Array, *, c: float, b: float, v: float, s: float
) -> Array:
    seen = projected * covariance if covariance.ndim == 1 else projected @ covariance
    fresh = np.asarray((c**2 * seen + b**2 * projected) @ projected.T)
    fresh[np.diag_indices_from(fresh)] += v**2 + s**2
    return fresh


def _seen(squares: Array) -> NDArray[np.bool_]:
    """Which eigenvalues rounding does not make: the others have eigenvectors orthogonal to V."""
    return np.asarray(squares > len(squares) * np.finfo(float).eps * squares[-1])


def flow_filters(eigenvalues: Array, tau: Array, delta: float, psi_p: float) -> Array:
    """f_τ(λ), shape (k, m); τ may be infinite."""
    rate = 2.0 * delta * eigenvalues / psi_p
    return -np.expm1(-np.multiply.outer(tau, rate)) / eigenvalues
