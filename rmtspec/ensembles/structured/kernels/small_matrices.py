"""Linear algebra of matrices too small for a library: its calls alone would take longer."""

from __future__ import annotations

import numpy as np

from ....solve.kernel import kernel


@kernel
def reciprocal(x):
    size = max(abs(x.real), abs(x.imag))
    re, im = x.real / size, x.imag / size
    scale = 1.0 / (size * (re * re + im * im))
    return complex(re * scale, -im * scale)


@kernel
def solve_linear(a, b):
    """Overwrite b by the solution of a x = b, and a by rubbish; False if a is singular."""
    n, m = a.shape[0], b.shape[1]
    for i in range(n):
        best, pivot = -1.0, i
        for j in range(i, n):
            size = abs(a[j, i].real) + abs(a[j, i].imag)
            if size > best:
                best, pivot = size, j
        if not (best > 0.0 and best < np.inf):
            return False
        if pivot != i:
            for k in range(i, n):
                a[i, k], a[pivot, k] = a[pivot, k], a[i, k]
            for k in range(m):
                b[i, k], b[pivot, k] = b[pivot, k], b[i, k]
        inverse = reciprocal(a[i, i])
        for j in range(i + 1, n):
            if a[j, i] != 0.0:
                factor = a[j, i] * inverse
                for k in range(i + 1, n):
                    a[j, k] -= factor * a[i, k]
                for k in range(m):
                    b[j, k] -= factor * b[i, k]
        a[i, i] = inverse
    for i in range(n - 1, -1, -1):
        for k in range(m):
            total = b[i, k]
            for j in range(i + 1, n):
                total -= a[i, j] * b[j, k]
            b[i, k] = total * a[i, i]
    return True


@kernel
def inverse_of(a):
    """Inverse of a small matrix, which is overwritten; NaN if singular."""
    n = a.shape[0]
    b = np.zeros((n, n), dtype=np.complex128)
    for i in range(n):
        b[i, i] = 1.0
    if not solve_linear(a, b):
        b[0, 0] = complex(np.nan, np.nan)
    return b


@kernel
def is_positive(d, scales, least):
    """Whether every D/(s_a s_b), a real matrix, less `least` has a Cholesky factor."""
    classes, r = scales.shape
    low = np.empty((r, r))
    for y in range(classes):
        for a in range(r):
            for b in range(a + 1):
                x = d[y, a, b] / (scales[y, a] * scales[y, b])
                for c in range(b):
                    x -= low[a, c] * low[b, c]
                if a > b:
                    low[a, b] = x / low[b, b]
                elif x - least >= 0.0:
                    low[a, a] = np.sqrt(x - least) if x > least else 1e-300
                else:
                    return False
    return True
