r"""Jacobian of the structured equations, for one solution or between two.

The differences of two solutions at :math:`z_1,z_2` obey exactly the linear equations
that `jacobian` writes down: with :math:`w=L^\top u`, :math:`X=D_1^{-1}D'D_2^{-1}`,

.. math::
    A'_\tau&=-\psi_p\sum_\sigma\pi_\sigma g'_\sigma\!\int\!\rho\,
      (u_\tau H_1u_\sigma)(u_\sigma H_2u_\tau)\\
      &\quad-\sum_y\pi_y\Big\{\mathrm{Tr}K_{\tau y}X_y
      +\int\!\rho\lambda_yw_{1\tau}^\top X_yw_{2\tau}\Big\},\\
    D'_y&=\frac{\psi_p}{\psi_n}\sum_\sigma\pi_\sigma g'_\sigma\Big\{K_{\sigma y}
      +\int\!\rho\lambda_yw_{1\sigma}w_{2\sigma}^\top\Big\}_{yy}
      +\frac1{\psi_n}\sum_{y'}\int\!\rho\lambda_y\pi_{y'}\lambda_{y'}P_{1,yy'}X_{y'}P_{2,y'y}

and :math:`g'=-g_1g_2A'`.  Equal arguments give the derivative.
"""

from __future__ import annotations

import numpy as np

from ....solve.kernel import kernel


@kernel
def _by_neurons(parts, one, two, g1, g2, scales, matrix):
    """Columns of g' of the Jacobian, taken from the unit matrix."""
    types, size = parts.slopes.shape
    r = scales.shape[1]
    w1, v1, w2, v2 = one[4], one[5], two[4], two[5]
    for tau in range(types):
        for sigma in range(types):
            total = 0j
            for j in range(parts.shares.size):
                first, second = 0j, 0j
                for a in range(size):
                    first += w1[j, tau, a] * v1[j, sigma, a]
                    second += w2[j, tau, a] * v2[j, sigma, a]
                total += parts.shares[j] * first * second
            share = parts.psi_p * parts.weights[sigma] * g1[sigma]
            matrix[tau, sigma] -= g2[tau] * share * total
    for sigma in range(types):
        share = parts.psi_p / parts.psi_n * parts.weights[sigma] * g1[sigma]
        row = types
        for y in range(scales.shape[0]):
            for a in range(r):
                for b in range(r):
                    if matrix.shape[0] < types + scales.shape[0] * r * r and b < a:
                        continue
                    total = complex(parts.kernels[sigma, y, a, b], 0.0)
                    for j in range(parts.shares.size):
                        part = w1[j, sigma, y * r + a] * w2[j, sigma, y * r + b]
                        total += parts.shares[j] * parts.levels[j, y] * part
                    matrix[row, sigma] -= share * total / (scales[y, a] * scales[y, b])
                    row += 1


@kernel
def products(dressed):
    """P D⁻¹ (J, Y·r, Y·r) and D⁻¹w (J, N, Y·r) of one solution."""
    dinv, p, w = dressed[0], dressed[3], dressed[4]
    classes, r = dinv.shape[:2]
    width = classes * r
    f = np.zeros((p.shape[0], width, width), dtype=np.complex128)
    e = np.zeros((p.shape[0], w.shape[1], width), dtype=np.complex128)
    for j in range(p.shape[0]):
        for a in range(width):
            y, first = a // r, a - a % r
            for c in range(r):
                part = dinv[y, a - first, c]
                for b in range(width):
                    f[j, b, a] += p[j, b, first + c] * part
                for tau in range(w.shape[1]):
                    e[j, tau, a] += part * w[j, tau, first + c]
    return f, e


@kernel
def _by_samples(parts, one, two, inner, g2, scales, matrix):
    """Columns of D' of the Jacobian, taken from the unit matrix."""
    types = parts.weights.size
    classes, r = scales.shape
    symmetric = matrix.shape[0] < types + classes * r * r
    (f1, e1), (f2, e2) = inner
    kd = np.empty((r, r), dtype=np.complex128)
    kdd = np.empty((r, r), dtype=np.complex128)
    for tau in range(types):
        column = types
        for y in range(classes):
            for a in range(r):
                for b in range(r):
                    kd[a, b] = 0j
                    for c in range(r):
                        kd[a, b] += one[0][y, a, c] * parts.kernels[tau, y, c, b]
            for a in range(r):
                for b in range(r):
                    total = 0j
                    for c in range(r):
                        total += kd[a, c] * two[0][y, c, b]
                    for j in range(parts.shares.size):
                        part = e1[j, tau, y * r + a] * e2[j, tau, y * r + b]
                        total += parts.shares[j] * parts.levels[j, y] * part
                    kdd[a, b] = total
            for c in range(r):
                for d in range(r):
                    if symmetric and d < c:
                        continue
                    total = kdd[c, d]
                    if symmetric and d > c:
                        total += kdd[d, c]
                    scale = parts.classes[y] * scales[y, c] * scales[y, d]
                    matrix[tau, column] -= g2[tau] * scale * total
                    column += 1
    row = types
    for y in range(classes):
        for a in range(r):
            for b in range(r):
                if symmetric and b < a:
                    continue
                left, right = y * r + a, y * r + b
                column = types
                for other in range(classes):
                    share = parts.classes[other] / (parts.psi_n * scales[y, a] * scales[y, b])
                    for c in range(r):
                        for d in range(r):
                            if symmetric and d < c:
                                continue
                            k, n = other * r + c, other * r + d
                            total = 0j
                            for j in range(parts.shares.size):
                                part = f1[j, left, k] * f2[j, right, n]
                                if symmetric and d > c:
                                    part += f1[j, left, n] * f2[j, right, k]
                                level = parts.levels[j, y] * parts.levels[j, other]
                                total += parts.shares[j] * level * part
                            scale = share * scales[other, c] * scales[other, d]
                            matrix[row, column] -= scale * total
                            column += 1
                row += 1


@kernel
def jacobian(parts, one, two, inner, g1, g2, scales, count):
    """I − J of the two-resolvent problem, for g'/g_1 and D'/(s_a s_b).

    `one`, `two` and `inner` : both solutions as `dress` gives them, and the `products` of both
    `count` unknowns: all entries of D', or those with a <= b where both solutions are the same.
    """
    matrix = np.zeros((count, count), dtype=np.complex128)
    for i in range(count):
        matrix[i, i] = 1.0
    _by_neurons(parts, one, two, g1, g2, scales, matrix)
    _by_samples(parts, one, two, inner, g2, scales, matrix)
    return matrix
