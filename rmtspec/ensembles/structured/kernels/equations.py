r"""Self-consistent equations of a structured ensemble.

With r channels a class, r_B noise directions, :math:`u_\tau` the stacked slopes of a type,

.. math::
    Q=\psi_p\sum_\tau\pi_\tau g_\tau u_\tau u_\tau^\top,\qquad
    \Theta(\lambda)=\mathrm{diag}\big(\{\pi_y\lambda_yD_y^{-1}\}_y,I\big),\qquad
    L=(I+\Theta Q)^{-1},\quad H=L\Theta,\quad P=QL,

the resolvent :math:`g_\tau` of a neuron and the matrices :math:`D_y` solve

.. math::
    \frac1{g_\tau}&=A_\tau=S_\tau-z+\sum_y\pi_y\mathrm{Tr}(K_{\tau y}D_y^{-1})
      +u_\tau^\top\!\int\!\rho H\,u_\tau,\\
    D_y&=I+\frac{\psi_p}{\psi_n}\sum_\tau\pi_\tau g_\tau K_{\tau y}
      +\frac1{\psi_n}\Big[\int\!\rho\,\lambda_yP\Big]_{yy} .
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ....solve.kernel import kernel
from .small_matrices import inverse_of

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]


class Parts(NamedTuple):
    """A reduced ensemble, all arrays of floats.

    Attributes
    ----------
    psi_p, psi_n : p/d and n/d
    weights : (N,) of the types
    classes : (Y,) weights of the classes
    slopes : (N, Y·r + r_B) u
    kernels : (N, Y, r, r) K
    floors : (N,) distances of the S from the origin
    levels : (J, Y) joint eigenvalues of the covariances
    shares : (J,) their weights
    """

    psi_p: float
    psi_n: float
    weights: FloatArray
    classes: FloatArray
    slopes: FloatArray
    kernels: FloatArray
    floors: FloatArray
    levels: FloatArray
    shares: FloatArray


@kernel(beside=True)
def dress(parts, g, d):
    """D⁻¹ (Y, r, r), Q (m, m), L and P (J, m, m), w = Lᵀu and v = Θu (J, N, m) of one state."""
    types, size = parts.slopes.shape
    classes, r = d.shape[0], d.shape[1]
    count = parts.shares.size
    u = parts.slopes
    dinv = np.empty((classes, r, r), dtype=np.complex128)
    for y in range(classes):
        inverted = inverse_of(d[y].copy())
        for a in range(r):
            for b in range(r):
                dinv[y, a, b] = inverted[a, b]
    q = np.zeros((size, size), dtype=np.complex128)
    for tau in range(types):
        scale = parts.psi_p * parts.weights[tau] * g[tau]
        for a in range(size):
            part = scale * u[tau, a]
            for b in range(a, size):
                q[a, b] += part * u[tau, b]
    for a in range(size):
        for b in range(a):
            q[a, b] = q[b, a]
    bare = np.empty((size, size), dtype=np.complex128)  # Θ without λ, times Q
    slope = np.empty((types, size), dtype=np.complex128)  # the same times u
    for a in range(size):
        y, first = a // r, a - a % r
        if y >= classes:
            for b in range(size):
                bare[a, b] = q[a, b]
            for tau in range(types):
                slope[tau, a] = u[tau, a]
            continue
        for b in range(size):
            total = 0j
            for c in range(r):
                total += dinv[y, a - first, c] * q[first + c, b]
            bare[a, b] = parts.classes[y] * total
        for tau in range(types):
            total = 0j
            for c in range(r):
                total += dinv[y, a - first, c] * u[tau, first + c]
            slope[tau, a] = parts.classes[y] * total
    low = np.empty((count, size, size), dtype=np.complex128)
    p = np.zeros((count, size, size), dtype=np.complex128)
    w = np.zeros((count, types, size), dtype=np.complex128)
    v = np.empty((count, types, size), dtype=np.complex128)
    matrix = np.empty((size, size), dtype=np.complex128)
    for j in range(count):
        for a in range(size):
            level = parts.levels[j, a // r] if a // r < classes else 1.0
            for b in range(size):
                matrix[a, b] = level * bare[a, b]
            matrix[a, a] += 1.0
            for tau in range(types):
                v[j, tau, a] = level * slope[tau, a]
        inverted = inverse_of(matrix)
        for a in range(size):
            for b in range(size):
                low[j, a, b] = inverted[a, b]
        for a in range(size):
            for c in range(size):
                for b in range(size):
                    p[j, a, b] += q[a, c] * inverted[c, b]
        for tau in range(types):
            for c in range(size):
                for a in range(size):
                    w[j, tau, a] += u[tau, c] * inverted[c, a]
    return dinv, q, low, p, w, v


@kernel(beside=True)
def image_of(parts, g, dressed):
    """A + z (N,) and the image of D (Y, r, r)."""
    dinv, _, _, p, w, v = dressed
    types, size = parts.slopes.shape
    classes, r = dinv.shape[0], dinv.shape[1]
    above = np.empty(types, dtype=np.complex128)
    image = np.zeros((classes, r, r), dtype=np.complex128)
    for tau in range(types):
        total = complex(parts.floors[tau], 0.0)
        scale = parts.psi_p * parts.weights[tau] / parts.psi_n * g[tau]
        for y in range(classes):
            part = 0j
            for a in range(r):
                for b in range(r):
                    part += parts.kernels[tau, y, a, b] * dinv[y, b, a]
                    image[y, a, b] += scale * parts.kernels[tau, y, a, b]
            total += parts.classes[y] * part
        for j in range(parts.shares.size):
            part = 0j
            for a in range(size):
                part += w[j, tau, a] * v[j, tau, a]
            total += parts.shares[j] * part
        above[tau] = total
    for y in range(classes):
        for j in range(parts.shares.size):
            scale = parts.shares[j] * parts.levels[j, y] / parts.psi_n
            for a in range(r):
                for b in range(r):
                    image[y, a, b] += scale * p[j, y * r + a, y * r + b]
        for a in range(r):
            image[y, a, a] += 1.0
    return above, image


@kernel(beside=True)
def scales_of(parts, g, dressed):
    """s (Y, r): D is measured in s_a s_b.

    Not the diagonal of D itself: that of an indefinite D passes through zero inside a gap.
    """
    p = dressed[3]
    classes, r = dressed[0].shape[0], dressed[0].shape[1]
    scales = np.ones((classes, r))
    for y in range(classes):
        for a in range(r):
            for tau in range(g.size):
                share = parts.psi_p * parts.weights[tau] * abs(g[tau]) / parts.psi_n
                scales[y, a] += share * parts.kernels[tau, y, a, a]
            for j in range(parts.shares.size):
                share = parts.shares[j] * parts.levels[j, y] / parts.psi_n
                scales[y, a] += share * abs(p[j, y * r + a, y * r + a])
            scales[y, a] = np.sqrt(scales[y, a])
    return scales


@kernel(beside=True)
def sizes_of(parts, z, g, d, dressed, image, scales, count):
    """Sizes of the terms of the residuals, what is lost in the inverse of I + ΘQ included."""
    dinv, q, low, p, w, v = dressed
    types, size = parts.slopes.shape
    classes, r = scales.shape
    sizes = np.zeros(count)
    grown = np.zeros((classes, r, r))
    product = np.empty((size, size))
    for j in range(parts.shares.size):
        for a in range(size):
            y, first = a // r, a - a % r
            for b in range(size):
                total = 0.0
                for c in range(r if y < classes else 1):
                    share = 1.0
                    if y < classes:
                        share = parts.classes[y] * parts.levels[j, y] * abs(dinv[y, a - first, c])
                    total += share * abs(q[first + c if y < classes else a, b])
                product[a, b] = total + (1.0 if a == b else 0.0)
        for tau in range(types):
            for a in range(size):
                left = abs(w[j, tau, a])
                sizes[tau] += parts.shares[j] * left * abs(v[j, tau, a])
                for b in range(size):
                    seen = 0j
                    for c in range(size):
                        seen += low[j, b, c] * v[j, tau, c]
                    sizes[tau] += parts.shares[j] * left * product[a, b] * abs(seen)
        for y in range(classes):
            scale = parts.shares[j] * parts.levels[j, y] / parts.psi_n
            for a in range(r):
                for k in range(size):
                    part = 0.0
                    for n in range(size):
                        part += abs(p[j, y * r + a, n]) * product[n, k]
                    for b in range(r):
                        grown[y, a, b] += scale * part * abs(low[j, k, y * r + b])
    for tau in range(types):
        total = sizes[tau] + abs(parts.floors[tau]) + abs(z)
        for y in range(classes):
            for a in range(r):
                for b in range(r):
                    part = abs(parts.kernels[tau, y, a, b]) * abs(dinv[y, b, a])
                    total += parts.classes[y] * part
        sizes[tau] = 1.0 + abs(g[tau]) * total
    row = types
    for y in range(classes):
        for a in range(r):
            for b in range(r):
                if count < types + classes * r * r and b < a:
                    continue
                total = abs(d[y, a, b]) + abs(image[y, a, b]) + grown[y, a, b]
                for tau in range(types):
                    share = parts.psi_p / parts.psi_n * parts.weights[tau] * abs(g[tau])
                    total += share * abs(parts.kernels[tau, y, a, b])
                sizes[row] = total / (scales[y, a] * scales[y, b])
                row += 1
    return sizes
