r"""Sums over the nodes of a contour, and bounds on their errors.

With nodes :math:`z_0,\dots,z_{n-1}` on the upper half of a contour (`solve.contour`) a trace is
:math:`2\,\mathrm{Re}\sum_jt_j`, the trapezoidal rule over all 2n nodes, of which every second one,
:math:`z_0,\bar z_1,z_2,\bar z_3,\dots`, is a rule of half as many.  It gives
:math:`2\sum_j(\mathrm{Re}\,t_j\pm i\,\mathrm{Im}\,t_j)`: the same real part, and

.. math::  \Big|2\sum_j(-1)^j\mathrm{Im}\,t_j\Big|

is its error.  The rule converges geometrically, so that of all nodes has the square of this error,
both relative to :math:`2\sum_j|t_j|`.  At single times the error of half of the nodes may pass
through 0: the largest of all times counts (of every so many, at least 100, where there are many
columns), or what the contour was made for, if that is more.  Over 150 random models and all times
the error of all nodes was at most 4 times the square of the largest of half of them, and 2.3 times
what the contour was made for.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...solve import REORDERED
from ...solve.kernel import kernel

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

DIGITS = 16.0
"""Of the rule over all nodes, relative to the sum of moduli."""

_MARGIN = 8.0  # twice the largest ratio that was met
_TIMES = 100  # at least, at which half of the nodes are asked where there are many columns


class Values(NamedTuple):
    """Quantities over training time, and bounds on their errors, of one shape."""

    values: FloatArray
    errors: FloatArray


class Form(NamedTuple):
    r"""The form 2 Re Σ_ij [g_i f_j plain_ij + g_i f̄_j mixed_ij] in real arithmetic.

    Attributes
    ----------
    real : (2n, 2n), on real and imaginary parts in turn
    sizes : moduli of the entries, each times the factor by which it magnifies rounding, together
        for every two neighbours, (⌈n/2⌉, ⌈n/2⌉)
    """

    real: FloatArray
    sizes: FloatArray

    @classmethod
    def of(
        cls, plain: ComplexArray, mixed: ComplexArray, sizes: FloatArray, weights: ComplexArray
    ) -> Form:
        """The form of a table over pairs of nodes and one over nodes and conjugate nodes.

        Each entry is taken times the weights of its nodes; `sizes` are those of entries without.
        """
        return cls(*_in_real_numbers(plain, mixed, sizes, weights))

    def values(self, f: ComplexArray) -> FloatArray:
        """The quadratic form of every row of f, without a bound."""
        rows = f.view(np.float64)
        return np.asarray(2.0 * np.einsum("ij,ij->i", rows @ self.real, rows))

    def sums(
        self, f: ComplexArray, ulp: float, g: ComplexArray | None = None, *, decays: bool = False
    ) -> Values:
        """The form of every row of f, or of g and f; see `single`."""
        g = f if g is None else g
        size = _larger(f)
        other = size if g is f else _larger(g)
        value, half, all_sizes = _row_sums(f, (g.view(np.float64) @ self.real).view(np.complex128))
        rounding = ulp * 2.0 * np.einsum("ij,ij->i", other @ self.sizes, size)
        # Half of the nodes may be taken in either argument.
        return Values(value, rounding + _settled(2.0 * half, all_sizes, decays))


def single(
    f: ComplexArray,
    trace: ComplexArray,
    ulp: float,
    *,
    sizes: FloatArray | None = None,
    decays: bool = False,
) -> Values:
    """Sums of every row of f times a trace, (n,) or of every row.

    `sizes`, shaped like the trace, are those of the terms that cancel in it.  With `decays` the
    sums decay from row to row, and the bound is that of the largest row: what decays on a contour
    does not do so on the border of the region where it is bounded.
    """
    value, half, size = _row_sums(f, np.atleast_2d(trace.conj()))
    rounds = size if sizes is None else 2.0 * np.einsum("ij,ij->i", np.abs(f), sizes)
    return Values(value, ulp * rounds + _settled(half, size, decays))


def fitted(f: ComplexArray, distance: ComplexArray, trace: ComplexArray, ulp: float) -> Values:
    """Sums of every row of f times (distance·f − 2)·trace."""
    value, half, size = _fitted_sums(f, distance, trace)
    return Values(value, ulp * size + _settled(half, size))


def each(f: ComplexArray, table: ComplexArray, ulp: float) -> Values:
    """Sums of every row of f over every column of the table, (times, columns)."""
    rows, moduli, sign = _in_rows(table), np.abs(table), 1.0 - 2.0 * (np.arange(len(table)) % 2)
    moduli[:-1:2] += moduli[1::2]
    size = _larger(f) @ (2.0 * moduli[::2])
    some = slice(None, None, max(1, len(f) // _TIMES))
    half = (1j * sign * f[some]).view(np.float64) @ rows
    size *= ulp + _relative(half, size[some])
    return Values(f.view(np.float64) @ rows, size)


def plain_each(f: ComplexArray, table: ComplexArray) -> FloatArray:
    """The same without a bound."""
    return np.asarray(f.view(np.float64) @ _in_rows(table))


def _in_rows(table: ComplexArray) -> FloatArray:
    """Twice the real parts and twice the imaginary ones, negated, in turn; (2n, columns)."""
    rows = np.empty((2 * len(table), table.shape[1]))
    np.multiply(table.real, 2.0, out=rows[::2])
    np.multiply(table.imag, -2.0, out=rows[1::2])
    return rows


def _settled(half: FloatArray, size: FloatArray, decays: bool = False) -> FloatArray:
    """Error of sums over all nodes, from that of half of them and from the sums of moduli."""
    if decays:
        half, size = np.full_like(half, half.max()), np.full_like(size, size.max())
    return np.asarray(_relative(half, size) * size)


def _relative(half: FloatArray, size: FloatArray) -> float:
    """The same relative to the sums of moduli."""
    return float(_MARGIN * max(_largest_ratio(half.ravel(), size.ravel()) ** 2, 10.0**-DIGITS))


@kernel
def _largest_ratio(half, size):
    """Of moduli where the size is not 0; NaN if there is one."""
    largest = 0.0
    for i in range(size.size):
        if size[i] != 0.0:
            ratio = abs(half[i]) / size[i]
            if ratio > largest or ratio != ratio:
                largest = ratio
            if ratio != ratio:
                break
    return largest


@kernel
def _in_real_numbers(plain, mixed, sizes, weights):
    """The fields of `Form`."""
    n = plain.shape[0]
    real, half, scale = np.empty((2 * n, 2 * n)), (n + 1) // 2, np.abs(weights)
    moduli = np.zeros((half, half))
    for i in range(n):
        for j in range(n):
            w = weights[j]
            a, b = plain[i, j] * (weights[i] * w), mixed[i, j] * (weights[i] * np.conj(w))
            moduli[i // 2, j // 2] += sizes[i, j] * (scale[i] * scale[j])
            real[2 * i, 2 * j] = b.real + a.real
            real[2 * i, 2 * j + 1] = b.imag - a.imag
            real[2 * i + 1, 2 * j] = -b.imag - a.imag
            real[2 * i + 1, 2 * j + 1] = b.real - a.real
    return real, moduli


@kernel
def _larger(f):
    """The larger modulus of every two neighbours in a row; they differ by the step of the nodes."""
    larger = np.zeros((f.shape[0], (f.shape[1] + 1) // 2))
    for i in range(f.shape[0]):
        for j in range(f.shape[1]):
            square = f[i, j].real * f[i, j].real + f[i, j].imag * f[i, j].imag
            larger[i, j // 2] = max(larger[i, j // 2], np.sqrt(square))
    return larger


@kernel(fastmath=REORDERED)
def _row_sum(f, g):
    """2 Re Σ_j f_jḡ_j, the modulus of the error of half of the nodes, and the sum of moduli."""
    total = odd = modulus = 0.0
    sign = 2.0
    for j in range(f.size):
        a, b = f[j], g[j]
        real = a.real * b.real + a.imag * b.imag
        imag = a.imag * b.real - a.real * b.imag
        total += 2.0 * real
        odd += sign * imag
        modulus += 2.0 * np.sqrt(real * real + imag * imag)
        sign = -sign
    return total, abs(odd), modulus


@kernel
def _row_sums(f, g):
    """`_row_sum` for every row of f, and of g if that has several."""
    value, half, size = np.empty(f.shape[0]), np.empty(f.shape[0]), np.empty(f.shape[0])
    for i in range(f.shape[0]):
        value[i], half[i], size[i] = _row_sum(f[i], g[i % g.shape[0]])
    return value, half, size


@kernel
def _fitted_sums(f, distance, trace):
    """The same for the fit, whose trace is distance·f − 2 times that given."""
    value, half, size = np.empty(f.shape[0]), np.empty(f.shape[0]), np.empty(f.shape[0])
    row = np.empty_like(trace)
    for i in range(f.shape[0]):
        for j in range(trace.size):
            row[j] = np.conj(trace[j] * (distance[j] * f[i, j] - 2.0))
        value[i], half[i], size[i] = _row_sum(f[i], row)
    return value, half, size
