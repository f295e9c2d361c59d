r"""Second moments of random neurons given a data set: what their Gram matrix is made of.

Given the rows :math:`x_\nu` (centred, dimension d) the neurons are independent and alike, whatever
the data.  Of one neuron, with weights w ~ N(0, 1), its noise average
:math:`m_\nu=E_\xi\sigma(h_\nu)` matters and the part of the neuron that is linear in the noise,
:math:`\sqrt{\Delta/d}\,\beta_\nu w\cdot\xi` with :math:`\beta_\nu=m_\nu'`.  They make the vector

.. math::  u=\big(m_\nu/\sqrt n,\ V_{ja}\big),\qquad
           V_{ja}=\sqrt{\Delta/(dn)}\sum_\nu e_j(\nu)\beta_\nu w_a,\quad j<q,

with orthonormal noise functions :math:`e_j`; :math:`e_0=n^{-1/2}` is the target of the training.
With :math:`\epsilon=e^{-t}` and the kernels :math:`K^{ij}` of `inputs.gaussian.kernels`, Stein's
lemma in w gives between two sets of rows (n and m of them, a tilde for the second)

.. math::
    E\,u_\nu\tilde u_\mu&=\tfrac1{\sqrt{nm}}K^{00}_{\nu\mu},\qquad
    E\,u_\nu\tilde V_{la}=\tfrac{\epsilon\sqrt\Delta}{d\sqrt{nm}}
      \big[(K^{11}\tilde e_l)_\nu x_{\nu a}
      +(K^{02}\mathrm{diag}(\tilde e_l)\tilde X)_{\nu a}\big],\\
    E\,V_j\tilde V_l^\top&=\tfrac\Delta{d\sqrt{nm}}\Big[e_j^\top K^{11}\tilde e_l
      +\tfrac{\epsilon^2}d\big(c+c^\top+X^\top\mathrm{diag}(e_j\circ K^{31}\tilde e_l)X
      +\tilde X^\top\mathrm{diag}(\tilde e_l\circ K^{13\top}e_j)\tilde X\big)\Big],\quad
    c=X^\top\mathrm{diag}(e_j)K^{22}\mathrm{diag}(\tilde e_l)\tilde X .

*Noise functions.*  Beyond :math:`e_0` the leading eigenvectors of :math:`JK^{11}J`,
:math:`J=1-e_0e_0^\top`, as long as their share :math:`\frac\Delta n\kappa_j` of the noise exceeds
3 % of what the target alone leaves over, at most eight and no more than keep M within 6000 rows.
For tanh on rows of very different norms the first is the slope of the sample; for ramps they follow
the signs of pre-activations.  A dozen rows of 400 numbers without structure have eight; with none
the final train loss is 9 % higher, the test loss 1 % lower.

*Floor.*  What a neuron has beside u differs from sample to sample and counts as a multiple of the
identity, :math:`s^2=E_w[\langle E_\xi\sigma^2\rangle-\langle m^2\rangle-\sum_j|V_j|^2]`.  The
kernels count the noise of a neuron as Δ where it is :math:`\Delta|w|^2/d`.  That costs 4 to 8 % of
this small difference at d = 100 to 50, and so it is averaged over 256 fixed neurons.  What they
leave over at noise Δ, whose average the kernels give exactly, controls the error of that.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..inputs.gaussian.kernels import Kernels, PairKernels
from ..result import DataWarning, caller_level

FloatArray = NDArray[np.float64]

MOST_SIZE = 6000  # rows of M, n + d at least: its eigenproblem takes a minute or two
_MOST_FUNCTIONS = 8
_APART = 1e-4  # relative: eigenvalues closer than this are of one eigenspace
_LEAST_SHARE = 0.03
_DENSE = 1000  # rows up to which a dense eigenproblem is no slower than a few products
_ROUNDING = 1e-13
_NEURONS = 256
_SAMPLED_AT_ONCE = 2_000_000  # pre-activations
_KERNEL_ENTRIES = 4_000_000  # of one kernel between the rows and a block of others


class NeuronShares(NamedTuple):
    """Parts of E σ² of single neurons.

    Attributes
    ----------
    left : what a neuron has beside u, f + s of `neuron_floors`
    linear : of that, what is linear in the noise along w: s
    scale : what belongs to u
    """

    left: FloatArray
    linear: FloatArray
    scale: FloatArray


@dataclass(frozen=True, eq=False)
class NeuronMoments:
    """Second moments of neurons given rows.

    Parameters
    ----------
    rows : (n, d) centred
    pairs : the kernels of the activation at the diffusion time
    """

    rows: FloatArray
    pairs: PairKernels

    @property
    def dimension(self) -> int:
        """d."""
        return self.rows.shape[1]

    @cached_property
    def second_moment(self) -> float:
        """E σ² over rows, noise and neurons."""
        return float(self.pairs.second_moment(self.rows).mean())

    @cached_property
    def _kernels(self) -> Kernels:
        return self.pairs.within(self.rows)

    @cached_property
    def noise_functions(self) -> FloatArray:
        """e_j as columns, (n, q)."""
        n = len(self.rows)
        target = np.full((n, 1), n**-0.5)
        whole = float(np.trace(self._kernels.k00)) / n
        linear = np.trace(self._cross(self.rows, target, target, self._kernels, n)[n:, n:])
        left = self.second_moment - whole - float(linear) / self.dimension
        if n < 3 or left <= _ROUNDING * self.second_moment:
            return target
        most = min(_MOST_FUNCTIONS, max(0, (MOST_SIZE - n) // self.dimension - 1))
        values, vectors = _leading(self._kernels.k11, min(most + 1, n - 1))
        share = self.pairs.delta / n * values[::-1]
        count = int(np.count_nonzero(share > _LEAST_SHARE * left))
        if most < min(count, _MOST_FUNCTIONS):
            warnings.warn(
                f"x has {n} rows of {self.dimension} numbers: the exact kernel has room for {most} "
                "functions of the noise that samples share and leaves out weaker ones; final "
                "losses may be some per cent off",
                DataWarning,
                stacklevel=caller_level(),
            )
        count = min(count, most)
        # An eigenspace is kept whole or not at all: in part it would be a matter of rounding.
        while 0 < count < share.size and share[count - 1] - share[count] < _APART * share[count]:
            count -= 1
        modes = vectors[:, ::-1][:, :count]
        return np.concatenate([target, modes - modes.mean(axis=0)], axis=1)

    @cached_property
    def matrix(self) -> FloatArray:
        """M = d E uuᵀ, (n + qd, n + qd), the target at n to n + d."""
        e = self.noise_functions
        found = self._cross(self.rows, e, e, self._kernels, len(self.rows))
        self.__dict__.pop("_kernels", None)  # as large as what was made of them
        found += found.T.copy()
        found *= 0.5
        return found

    @cached_property
    def floor(self) -> float:
        """s², at least 0."""
        k, e, n = self._kernels, self.noise_functions, len(self.rows)
        linear = self.pairs.delta / n * np.einsum("nj,nj->", e, k.k11 @ e)
        at_delta = self.second_moment - float(np.trace(k.k00)) / n - float(linear)
        floor = _with_control(self.shares.left, self._sampled[1].left, at_delta)
        return floor if floor > _ROUNDING * self.second_moment else 0.0

    @property
    def shares(self) -> NeuronShares:
        """Parts of the fixed neurons, one entry a neuron."""
        return self._sampled[0]

    @cached_property
    def rest(self) -> FloatArray:
        """Positive eigenvalues of K11 off the noise functions, over their sum; each is d-fold."""
        from scipy.linalg import eigh

        e = self.noise_functions
        known = self.__dict__.get("_kernels")
        k11 = (self.pairs.within(self.rows) if known is None else known).k11
        off = k11 - (k11 @ e) @ e.T
        off -= e @ (e.T @ off)
        values = eigh(off, eigvals_only=True, overwrite_a=True, check_finite=False)
        kept = values[values > _ROUNDING * float(np.trace(k11))]
        return np.asarray(kept / kept.sum()) if kept.size else kept

    @cached_property
    def _sampled(self) -> tuple[NeuronShares, NeuronShares]:
        r"""Parts of the fixed neurons, at their own noise Δ|w|²/d and at Δ.

        The neurons are drawn in the coordinates of the rows: another order of the rows changes
        nothing and a small change of them little, rows without principal axes among them (white
        ones, say).  Rotated rows are seen by other neurons, and s² moves by the error of their
        mean, 0.1 to 1.5 %, losses by 1e-3.
        """
        weights = np.random.default_rng(0).standard_normal((_NEURONS, self.dimension))
        strength = (weights * weights).mean(axis=1)
        signal = math.sqrt(self.pairs.signal / self.dimension)
        parts = math.ceil(_NEURONS * len(self.rows) / _SAMPLED_AT_ONCE)
        own, plain = [], []
        for part in np.array_split(np.arange(_NEURONS), parts):
            u = signal * weights[part] @ self.rows.T
            own.append(self._shares_of(u, strength[part]))
            plain.append(self._shares_of(u, np.ones(part.size)))
        first, second = (
            NeuronShares(*map(np.concatenate, zip(*found, strict=True))) for found in (own, plain)
        )
        return first, second

    def _shares_of(self, u: FloatArray, strength: FloatArray) -> NeuronShares:
        """Parts of neurons at signals u, (neurons, n)."""
        z = 0.25 * np.arange(-34, 35)  # to 8.5, where the tail of the normal law is rounding
        weight = np.exp(-0.5 * z * z)
        weight /= weight.sum()
        omega = np.sqrt(self.pairs.delta * strength)[:, None]
        square, mean, first = np.zeros_like(u), np.zeros_like(u), np.zeros_like(u)
        for node, share in zip(z, weight, strict=True):
            value = self.pairs.function(u + omega * node)
            square += share * value * value
            mean += share * value
            first += share * node * value
        # |w|²/d of V and the one in its β = first/ω cancel.
        seen = ((first @ self.noise_functions) ** 2).sum(axis=1) / len(self.rows)
        mean *= mean
        return NeuronShares(
            (square - mean).mean(axis=1) - seen,
            np.maximum((first * first).mean(axis=1) - seen, 0.0),
            mean.mean(axis=1) + seen,
        )

    def fresh(self, others: FloatArray) -> Iterator[tuple[FloatArray, FloatArray]]:
        """d E uũᵀ for other rows: the columns of m̃, block by block, each with its part of Ṽ's.

        The parts of Ṽ's columns are to be added up; its target comes first.
        """
        block = max(1, _KERNEL_ENTRIES // len(self.rows))
        blocks = [slice(start, start + block) for start in range(0, len(others), block)]
        e = self.noise_functions
        slopes, kept = [], None
        for part in blocks:
            kept = self.pairs.between(self.rows, others[part])
            slopes.append(kept.k11.T @ e[:, 1:])
        functions = _with_target(np.concatenate(slopes))
        for part in blocks:
            kernels = kept if len(blocks) == 1 else self.pairs.between(self.rows, others[part])
            assert kernels is not None
            found = self._cross(others[part], e, functions[part], kernels, len(others))
            split = found.shape[1] - functions.shape[1] * self.dimension
            yield found[:, :split], found[:, split:]

    def _cross(
        self, others: FloatArray, e: FloatArray, f: FloatArray, k: Kernels, count: int
    ) -> FloatArray:
        """d E uũᵀ between the rows and some of `count` others, with noise functions e and f."""
        x, y = self.rows, others
        (n, d), m = x.shape, len(y)
        q, r = e.shape[1], f.shape[1]
        epsilon, delta = math.sqrt(self.pairs.signal), self.pairs.delta
        both = math.sqrt(n * count)
        ex = (e[:, :, None] * x[:, None, :]).reshape(n, q * d)
        fy = (f[:, :, None] * y[:, None, :]).reshape(m, r * d)
        out = np.empty((n + q * d, m + r * d))
        out[:n, :m] = d / both * k.k00
        k11_f, k11_e = k.k11 @ f, k.k11.T @ e
        mixed = k.k02 @ fy + (k11_f[:, :, None] * x[:, None, :]).reshape(n, r * d)
        out[:n, m:] = epsilon * math.sqrt(delta) / both * mixed
        mixed = k.k20.T @ ex + (k11_e[:, :, None] * y[:, None, :]).reshape(m, q * d)
        out[n:, :m] = epsilon * math.sqrt(delta) / both * mixed.T
        pairs = (ex.T @ (k.k22 @ fy)).reshape(q, d, r, d)
        pairs += pairs.transpose(0, 3, 2, 1).copy()
        k31_f, k13_e = k.k31 @ f, k.k13.T @ e
        for j in range(q):
            for i in range(r):
                pairs[j, :, i] += (x.T * (e[:, j] * k31_f[:, i])) @ x
                pairs[j, :, i] += (y.T * (f[:, i] * k13_e[:, j])) @ y
        pairs *= epsilon**2 / d
        diagonal = np.arange(d)
        pairs[:, diagonal, :, diagonal] += e.T @ k11_f
        out[n:, m:] = delta / both * pairs.reshape(q * d, r * d)
        return out


def _leading(kernel: FloatArray, count: int) -> tuple[FloatArray, FloatArray]:
    """The largest eigenvalues of JKJ, ascending, and their eigenvectors as columns."""
    n = len(kernel)
    mean = kernel.mean(axis=0)
    if n <= _DENSE:
        from scipy.linalg import eigh

        inner = kernel - mean - mean[:, None] + mean.mean()
        values, vectors = eigh(inner, subset_by_index=(n - count, n - 1))
        return values, vectors
    from scipy.sparse.linalg import LinearOperator, eigsh

    def times(v: FloatArray) -> FloatArray:
        centred = v.ravel() - v.mean()
        found = kernel @ centred
        return np.asarray(found - found.mean())

    operator = LinearOperator((n, n), matvec=times, dtype=np.float64)
    start = np.random.default_rng(0).standard_normal(n)
    values, vectors = eigsh(operator, count, which="LA", v0=start)
    order = np.argsort(values)
    return values[order], vectors[:, order]


def _with_control(values: FloatArray, control: FloatArray, expected: float) -> float:
    """Mean of the values, corrected by a control whose expectation is known.

    Where the mean of the control is more than five standard errors away from its expectation, that
    lacks digits, and the bare mean is taken.
    """
    spread = control - control.mean()
    variance = float(np.mean(spread * spread))
    off = float(control.mean()) - expected
    if variance == 0.0 or off * off > 25.0 * variance / control.size:
        return float(values.mean())
    return float(values.mean() - np.mean(spread * values) / variance * off)


def _with_target(slopes: FloatArray) -> FloatArray:
    """Orthonormal columns that span the constant, which is first, and the given ones."""
    m = len(slopes)
    basis, _ = np.linalg.qr(slopes - slopes.mean(axis=0))
    return np.concatenate([np.full((m, 1), m**-0.5), basis[:, : m - 1]], axis=1)
