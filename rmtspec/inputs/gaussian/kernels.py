r"""Kernels of random neurons between pairs of samples, averaged over weights and noise.

A neuron with weights w ~ N(0, 1) sees the sample :math:`x_\nu` through
:math:`m_\nu(w)=E_\xi\sigma(e^{-t}w\cdot x_\nu/\sqrt d+\sqrt\Delta\xi)`.  With i and j derivatives
in the pre-activation the kernels of two samples are

.. math::  K^{ij}_{\nu\mu}=E_w\big[m_\nu^{(i)}m_\mu^{(j)}\big]=E[\sigma^{(i)}(X)\sigma^{(j)}(Y)],
           \qquad (X,Y)\sim N(0,\cdot),

where X and Y have the variances :math:`\Gamma_\nu^2=e^{-2t}|x_\nu|^2/d+\Delta` (and
:math:`\Gamma_\mu^2`) and the covariance :math:`c=e^{-2t}x_\nu\cdot x_\mu/d`; on the diagonal they
are two noisings of one sample.  The noise of a neuron, of variance :math:`\Delta|w|^2/d`, counts
as Δ.  With :math:`\alpha_k(\Gamma)=E[\sigma(\Gamma z)He_k(z)]`,
:math:`\rho=c/(\Gamma_\nu\Gamma_\mu)` and integration by parts, Mehler's formula is

.. math::  K^{ij}_{\nu\mu}=\sum_k\frac{\rho^k}{k!}
           \frac{\alpha_{k+i}(\Gamma_\nu)}{\Gamma_\nu^i}\frac{\alpha_{k+j}(\Gamma_\mu)}{\Gamma_\mu^j}.

It converges like :math:`\rho^k`, and on the diagonal, where ρ → 1 as t → 0, K00 and K11 are
integrated over signal and noise instead.  The error function and ramps have closed forms; all
follow from K00 by :math:`\partial_cK^{ij}=K^{i+1,j+1}` and
:math:`2\partial_{\Gamma_\nu^2}K^{ij}=K^{i+2,j}` (Price 1958).

References
----------
R. Price, "A useful theorem for nonlinear devices having Gaussian inputs", IRE Trans. Inf. Th. 4
(1958) 69.
C. Williams, "Computing with infinite networks", NIPS 1996, Eq. 10 (erf).
Y. Cho, L. Saul, "Kernel methods for deep learning", NIPS 2009, Eq. 6 (ramp).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ...result import ProgressBar
from ...solve import REORDERED
from ...solve.kernel import kernel

Array = NDArray[np.float64]

_REACH, _SPACING = 13.0, 0.05  # of the trapezoidal rule: He_255 ends inside
_ORDERS = (32, 64, 128, 256)
_TAIL = 1e-7  # of K00 at the largest correlation of two samples: what the orders left out may be
_ROUGH = 5e-3  # of E σ²: more than this beyond order 255 means that σ jumps (kinks leave 1e-4)
_NOISE_REACH, _NOISE_SPACING = 8.5, 0.1
_PAIRS_AT_ONCE = 500_000  # 0.1 to 0.5 s with 32 to 256 orders
_PATIENCE = 2.0  # seconds without a bar
_NORMS = 48  # Chebyshev nodes in the norm, for the diagonals


class Kernels(NamedTuple):
    """The kernels :math:`K^{ij}` that second moments of neurons are made of, (n, m) each."""

    k00: Array
    k11: Array
    k22: Array
    k31: Array
    k13: Array
    k20: Array
    k02: Array


class Pairs(NamedTuple):
    """Variances Γ² of two sets of rows, (n,) and (m,), and their covariances c, (n, m)."""

    first: Array
    second: Array
    covariance: Array


class ClosedForm(Protocol):
    """Kernels in closed form."""

    def fill(self, pairs: Pairs, delta: float, same: bool, out: Array) -> None:
        """Write the seven kernels into `out`; `same` says that the rows are two noisings."""

    def second_moment(self, variance: Array) -> Array:
        """E σ(Γz)²."""


@dataclass(frozen=True)
class ErfKernels:
    r"""Kernels of erf, with a = 1 + 2Γ_ν², b = 1 + 2Γ_μ² and D = ab − 4c²."""

    def fill(self, pairs: Pairs, delta: float, same: bool, out: Array) -> None:
        """Write the kernels."""
        for start, stop in _blocks(pairs.covariance):
            _erf_pairs(*pairs, delta, same, start, stop, out)

    def second_moment(self, variance: Array) -> Array:
        """(2/π) arcsin(2Γ²/(1 + 2Γ²))."""
        return np.asarray(2.0 / np.pi * np.arcsin(2.0 * variance / (1.0 + 2.0 * variance)))


@dataclass(frozen=True)
class RampKernels:
    r"""Kernels of constant + linear·x + ramp·x₊, with :math:`Q^2=\Gamma_\nu^2\Gamma_\mu^2-c^2`."""

    constant: float
    linear: float
    ramp: float

    def fill(self, pairs: Pairs, delta: float, same: bool, out: Array) -> None:
        """Write the kernels: those of x₊, and the parts that a line adds to K00, K11, K20, K02."""
        first, second, c = pairs
        for start, stop in _blocks(c):
            _ramp_pairs(first, second, c, delta, same, start, stop, out)
        const, line, ramp = self.constant, self.linear, self.ramp
        out *= ramp * ramp
        slope = line * (line + ramp)
        mean = ramp / math.sqrt(2.0 * math.pi)  # E of the ramp over Γ; its second derivative, ·Γ
        root1, root2 = np.sqrt(first)[:, None], np.sqrt(second)
        out[0] += slope * c + const * mean * (root1 + root2) + const * const
        out[1] += slope
        out[5] += const * mean / root1
        out[6] += const * mean / root2

    def second_moment(self, variance: Array) -> Array:
        """(l² + lr + r²/2)Γ² + 2 κrΓ/√(2π) + κ²."""
        const, line, ramp = self.constant, self.linear, self.ramp
        square = line * (line + ramp) + 0.5 * ramp * ramp
        mean = ramp / math.sqrt(2.0 * math.pi)
        return np.asarray(square * variance + 2.0 * const * mean * np.sqrt(variance) + const**2)


@dataclass(frozen=True)
class PairKernels:
    """Kernels of an activation at one diffusion time.

    Parameters
    ----------
    function : σ, on arrays
    closed_form : its kernels in closed form; None for Mehler's sum
    signal, delta : e^(−2t) and Δ = 1 − e^(−2t)
    """

    function: Callable[[Array], Array]
    closed_form: ClosedForm | None
    signal: float
    delta: float

    def variances(self, rows: Array) -> Array:
        """Γ² of every row, (n,)."""
        return np.asarray(self.signal * np.mean(rows * rows, axis=1) + self.delta)

    def within(self, rows: Array) -> Kernels:
        """Kernels of all pairs of rows; on the diagonal the two noises differ."""
        return self._kernels(rows, rows, same=True)

    def between(self, first: Array, second: Array) -> Kernels:
        """Kernels of every row of one set with every row of another."""
        return self._kernels(first, second, same=False)

    def second_moment(self, rows: Array) -> Array:
        """E σ(Γz)² of every row."""
        variance = self.variances(rows)
        if self.closed_form is not None:
            return self.closed_form.second_moment(variance)
        z, weight = _trapezoid()
        return np.asarray(self.function(np.sqrt(variance)[:, None] * z) ** 2 @ weight)

    def jumps(self, rows: Array) -> bool:
        """Whether σ jumps, as far as 255 Hermite coefficients at the mean Γ² can tell."""
        if self.closed_form is not None:
            return False
        gamma = np.sqrt(np.mean(self.variances(rows), keepdims=True))
        seen = np.sum(_coefficients(self.function, gamma, _ORDERS[-1]) ** 2)
        z, weight = _trapezoid()
        whole = self.function(gamma * z) ** 2 @ weight
        return bool(whole - seen > _ROUGH * whole)

    def _kernels(self, first: Array, second: Array, same: bool) -> Kernels:
        covariance = self.signal / first.shape[1] * (first @ second.T)
        pairs = Pairs(self.variances(first), self.variances(second), covariance)
        out = np.empty((7, *covariance.shape))
        if self.closed_form is not None:
            self.closed_form.fill(pairs, self.delta, same, out)
            return Kernels(*out)
        gammas = np.sqrt(pairs.first), np.sqrt(pairs.second)
        rho = covariance / np.multiply.outer(*gammas)
        odd = self._is_odd
        order = self._order(rho, max(float(gamma.max()) for gamma in gammas), same)
        tables = [_table(self.function, gamma, order, odd) for gamma in gammas]
        for start, stop in _blocks(rho):
            _mehler_pairs(rho, tables[0], tables[1], odd, start, stop, out)
        if same:
            diagonal = np.arange(len(first))
            out[0, diagonal, diagonal], out[1, diagonal, diagonal] = self._diagonals(pairs.first)
        return Kernels(*out)

    @cached_property
    def _is_odd(self) -> bool:
        z = np.linspace(0.0, 10.0, 101)
        value, mirrored = self.function(z), self.function(-z)
        return bool(np.all(np.abs(value + mirrored) <= 1e-14 * np.abs(value).max()))

    def _order(self, rho: Array, gamma: float, same: bool) -> int:
        """Number of Hermite coefficients that Mehler's sum needs between different samples."""
        if same:
            rho = rho - np.diag(np.diag(rho))
        largest = float(np.abs(rho).max(initial=0.0))
        alpha = _coefficients(self.function, np.array([gamma]), _ORDERS[-1])[0]
        terms = alpha**2 * largest ** np.arange(alpha.size)
        beyond = np.array([terms[order:].sum() for order in _ORDERS])
        enough = beyond <= _TAIL * float(np.sum(alpha**2))
        return _ORDERS[int(np.argmax(enough))] if enough.any() else _ORDERS[-1]

    def _diagonals(self, variance: Array) -> tuple[Array, Array]:
        """K00 and K11 of two noisings of one sample, smooth functions of its norm."""
        signal = np.sqrt(np.maximum(variance - self.delta, 0.0))
        low, high = float(signal.min()), float(signal.max())
        if signal.size <= _NORMS or high - low <= 1e-9 * high:
            found = [self._two_noisings(s) for s in signal]
            return np.array([f[0] for f in found]), np.array([f[1] for f in found])
        nodes = np.cos(np.pi * (np.arange(_NORMS) + 0.5) / _NORMS)
        values = np.array(
            [self._two_noisings(0.5 * (low + high + (high - low) * x)) for x in nodes]
        )
        series = np.polynomial.chebyshev.chebfit(nodes, values, _NORMS - 1)
        at = (2.0 * signal - low - high) / (high - low)
        k00, k11 = np.polynomial.chebyshev.chebval(at, series)
        return np.asarray(k00), np.asarray(k11)

    def _two_noisings(self, signal: float) -> tuple[float, float]:
        """E m(u)² and E m'(u)², u of standard deviation `signal`; m' = E[σ(u + √Δv)v]/√Δ."""
        root = math.sqrt(self.delta)
        count = round(_NOISE_REACH / _NOISE_SPACING)
        v = _NOISE_SPACING * np.arange(-count, count + 1)
        weight = np.exp(-0.5 * v * v)
        weight /= weight.sum()
        value = self.function((signal * v)[:, None] + root * v)
        mean, slope = value @ weight, value @ (weight * v) / root
        return float(weight @ mean**2), float(weight @ slope**2)


def _blocks(pairs: Array) -> Iterator[tuple[int, int]]:
    """Ranges of rows, each done within a fraction of a second; a key that interrupts acts between.

    A bar shows on a terminal where all of them take more than two seconds.
    """
    count, columns = pairs.shape
    step = max(1, _PAIRS_AT_ONCE // max(columns, 1))
    with ProgressBar(math.ceil(count / step), None, "kernels", patience=_PATIENCE) as bar:
        for start in range(0, count, step):
            yield start, min(start + step, count)
            bar()


def _trapezoid() -> tuple[Array, Array]:
    """Nodes and normal weights, which sum to one."""
    count = round(_REACH / _SPACING)
    z = np.asarray(_SPACING * np.arange(-count, count + 1), dtype=np.float64)
    weight = np.exp(-0.5 * z * z)
    return z, np.asarray(weight / weight.sum())


def _coefficients(function: Callable[[Array], Array], gamma: Array, order: int) -> Array:
    """α_k/√k! at every Γ, (n, order); what is rounding is 0."""
    z, weight = _trapezoid()
    # Hermite functions times the root of the weight stay bounded at any order.
    basis = np.empty((order, z.size))
    basis[0] = root = np.sqrt(weight)
    basis[1] = z * root
    for k in range(2, order):
        basis[k] = (z * basis[k - 1] - math.sqrt(k - 1.0) * basis[k - 2]) / math.sqrt(k)
    basis *= root
    alpha = function(gamma[:, None] * z) @ basis.T
    alpha[np.abs(alpha) < 1e-14 * np.sqrt((alpha**2).sum(axis=1, keepdims=True))] = 0.0
    return np.asarray(alpha)


def _table(function: Callable[[Array], Array], gamma: Array, order: int, odd: bool) -> Array:
    """Factors of Mehler's sums for i = 0..3 derivatives, (n, 4, orders).

    The k-th for i derivatives is :math:`\\alpha_{k+i}/(\\sqrt{k!}\\,\\Gamma^i)`; of an odd function
    those that vanish are left out, so that power k of one table meets power k of another.
    """
    alpha = _coefficients(function, gamma, order + 4)
    k = np.arange(order)
    table = np.empty((gamma.size, 4, order))
    for i in range(4):
        rising = np.ones(order)
        for step in range(1, i + 1):
            rising *= k + step
        table[:, i] = alpha[:, i : order + i] * (np.sqrt(rising) / gamma[:, None] ** i)
    if not odd:
        return table
    half = np.empty((gamma.size, 4, order // 2))
    half[:, 0::2], half[:, 1::2] = table[:, 0::2, 1::2], table[:, 1::2, 0::2]
    return half


@kernel(fastmath=REORDERED)
def _mehler_pairs(rho, first, second, odd, start, stop, out):
    """All seven kernels of rows start to stop with all others, from tables (rows, 4, orders).

    Of an odd function every other power of ρ counts: from 1 on in K00, K22, K20 and K02, from 0 on
    in the others.
    """
    orders = first.shape[2]
    power = np.empty(orders)
    for i in range(start, stop):
        for j in range(rho.shape[1]):
            r = rho[i, j]
            step, p = r * r if odd else r, 1.0
            for k in range(orders):
                power[k] = p
                p *= step
            s00 = s11 = s22 = s31 = s13 = s20 = s02 = 0.0
            for k in range(orders):
                a0, a1, a2, a3 = first[i, 0, k], first[i, 1, k], first[i, 2, k], first[i, 3, k]
                b0, b1 = power[k] * second[j, 0, k], power[k] * second[j, 1, k]
                b2, b3 = power[k] * second[j, 2, k], power[k] * second[j, 3, k]
                s00 += a0 * b0
                s11 += a1 * b1
                s22 += a2 * b2
                s31 += a3 * b1
                s13 += a1 * b3
                s20 += a2 * b0
                s02 += a0 * b2
            lead = r if odd else 1.0
            out[0, i, j] = lead * s00
            out[1, i, j] = s11
            out[2, i, j] = lead * s22
            out[3, i, j] = s31
            out[4, i, j] = s13
            out[5, i, j] = lead * s20
            out[6, i, j] = lead * s02


@kernel
def _erf_pairs(first, second, covariance, delta, same, start, stop, out):
    """Kernels of erf; of two noisings of one sample D is written without a difference."""
    for i in range(start, stop):
        for j in range(second.size):
            a, b, c = 1.0 + 2.0 * first[i], 1.0 + 2.0 * second[j], covariance[i, j]
            d = a * b - 4.0 * c * c
            if same and i == j:
                d = 1.0 + 4.0 * first[i] + 4.0 * delta * (first[i] + c)
            root = np.sqrt(d)
            cube = 1.0 / (d * root)
            out[0, i, j] = 2.0 / np.pi * np.arctan2(2.0 * c, root)
            out[1, i, j] = 4.0 / (np.pi * root)
            out[2, i, j] = 16.0 / np.pi * c * cube
            out[3, i, j] = -8.0 / np.pi * b * cube
            out[4, i, j] = -8.0 / np.pi * a * cube
            out[5, i, j] = -8.0 / np.pi * c / (a * root)
            out[6, i, j] = -8.0 / np.pi * c / (b * root)


@kernel
def _ramp_pairs(first, second, covariance, delta, same, start, stop, out):
    """Kernels of x₊; of two noisings of one sample Q is written without a difference."""
    for i in range(start, stop):
        for j in range(second.size):
            a, b, c = first[i], second[j], covariance[i, j]
            square = delta * (a + c) if same and i == j else a * b - c * c
            q = np.sqrt(max(square, 1e-300))
            rest = np.pi - np.arctan2(q, c)
            out[0, i, j] = (q + rest * c) / (2.0 * np.pi)
            out[1, i, j] = rest / (2.0 * np.pi)
            out[2, i, j] = 1.0 / (2.0 * np.pi * q)
            out[3, i, j] = -c / (2.0 * np.pi * a * q)
            out[4, i, j] = -c / (2.0 * np.pi * b * q)
            out[5, i, j] = q / (2.0 * np.pi * a)
            out[6, i, j] = q / (2.0 * np.pi * b)
