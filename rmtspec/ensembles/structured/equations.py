r"""Self-consistent equations of a structured ensemble, their Jacobian, and Newton's method.

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

*Jacobian.*  The differences of two solutions at :math:`z_1,z_2` obey exactly the linear equations
that :func:`_jacobian` writes down: with :math:`w=L^\top u`, :math:`X=D_1^{-1}D'D_2^{-1}`,

.. math::
    A'_\tau&=-\psi_p\sum_\sigma\pi_\sigma g'_\sigma\!\int\!\rho\,(u_\tau H_1u_\sigma)(u_\sigma H_2u_\tau)
      -\sum_y\pi_y\Big\{\mathrm{Tr}K_{\tau y}X_y+\int\!\rho\lambda_yw_{1\tau}^\top X_yw_{2\tau}\Big\},\\
    D'_y&=\frac{\psi_p}{\psi_n}\sum_\sigma\pi_\sigma g'_\sigma\Big\{K_{\sigma y}
      +\int\!\rho\lambda_yw_{1\sigma}w_{2\sigma}^\top\Big\}_{yy}
      +\frac1{\psi_n}\sum_{y'}\int\!\rho\lambda_y\pi_{y'}\lambda_{y'}P_{1,yy'}X_{y'}P_{2,y'y}

and :math:`g'=-g_1g_2A'`.  Equal arguments give the derivative.

*Certificate.*  For two conjugate solutions, or two real ones, this linear map J takes the cone
:math:`\{g'\ge0,D'\succeq0\}` into itself.  Where Im z > 0, :math:`\mathrm{Im}\,x=J\,\mathrm{Im}\,x+
\mathrm{Im}z\,(|g|^2,0)`, so that Im g > 0 and Im D ⪰ 0 say that J has a spectral radius below one,
and there is only one such root.  Off the support, at real z, the physical root is the only real one
whose dx/dz lies in the cone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...solve.kernel import kernel

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

_EPS = 2.220446049250313e-16
_INVISIBLE = 1e-6  # phases below this certify nothing by their sign
_OUTSIDE = 1e-9  # by which dx/dz may leave the cone, relative to its size
_LOST = 1e-11  # by which Im D may be negative, relative to the size of D


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


@kernel
def _reciprocal(x):
    size = max(abs(x.real), abs(x.imag))
    re, im = x.real / size, x.imag / size
    scale = 1.0 / (size * (re * re + im * im))
    return complex(re * scale, -im * scale)


@kernel
def _solve_linear(a, b):
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
        inverse = _reciprocal(a[i, i])
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
def _inverse(a):
    """Inverse of a small matrix, which is overwritten; NaN if singular."""
    n = a.shape[0]
    b = np.zeros((n, n), dtype=np.complex128)
    for i in range(n):
        b[i, i] = 1.0
    if not _solve_linear(a, b):
        b[0, 0] = complex(np.nan, np.nan)
    return b


@kernel
def _dress(parts, g, d):
    """D⁻¹ (Y, r, r), Q (m, m), L and P (J, m, m), w = Lᵀu and v = Θu (J, N, m) of one state."""
    types, size = parts.slopes.shape
    classes, r = d.shape[0], d.shape[1]
    count = parts.shares.size
    u = parts.slopes
    dinv = np.empty((classes, r, r), dtype=np.complex128)
    for y in range(classes):
        inverted = _inverse(d[y].copy())
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
        inverted = _inverse(matrix)
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


@kernel
def _image(parts, g, dressed):
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


@kernel
def _scales(parts, g, dressed):
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
def _products(dressed, classes, r):
    """P D⁻¹ (J, Y·r, Y·r) and D⁻¹w (J, N, Y·r)."""
    dinv, p, w = dressed[0], dressed[3], dressed[4]
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
def _by_samples(parts, one, two, g2, scales, matrix):
    """Columns of D' of the Jacobian, taken from the unit matrix."""
    types = parts.weights.size
    classes, r = scales.shape
    symmetric = matrix.shape[0] < types + classes * r * r
    (f1, e1), (f2, e2) = _products(one, classes, r), _products(two, classes, r)
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
def _jacobian(parts, one, two, g1, g2, scales, count):
    """I − J of the two-resolvent problem, for g'/g_1 and D'/(s_a s_b).

    `count` unknowns: all entries of D', or those with a <= b where both solutions are the same.
    """
    matrix = np.zeros((count, count), dtype=np.complex128)
    for i in range(count):
        matrix[i, i] = 1.0
    _by_neurons(parts, one, two, g1, g2, scales, matrix)
    _by_samples(parts, one, two, g2, scales, matrix)
    return matrix


@kernel
def _sizes(parts, z, g, d, dressed, image, scales, count):
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


@kernel
def _is_positive(d, scales, part, least):
    """Whether Re (part 0) or Im (part 1) of every D/(s_a s_b), less `least`, has a Cholesky."""
    classes, r = scales.shape
    low = np.empty((r, r))
    for y in range(classes):
        for a in range(r):
            for b in range(a + 1):
                x = d[y, a, b].imag if part else d[y, a, b].real
                x /= scales[y, a] * scales[y, b]
                for c in range(b):
                    x -= low[a, c] * low[b, c]
                if a > b:
                    low[a, b] = x / low[b, b]
                elif x - least >= 0.0:
                    low[a, a] = np.sqrt(x - least) if x > least else 1e-300
                else:
                    return False
    return True


@kernel
def _move(g, d, step, scales, real):
    """Take a Newton step in log g and D, cut back where it would leave the half planes."""
    types = g.size
    classes, r = scales.shape
    for tau in range(types):
        turn = 0.0
        if not real:
            turn = step[tau].imag
            angle = np.arctan2(g[tau].imag, g[tau].real)
            rest = np.arctan2(g[tau].imag, -g[tau].real)
            if angle + turn <= 0.0:
                turn = -0.8 * angle
            elif turn >= rest:
                turn = 0.8 * rest
        size = np.exp(step[tau].real)
        g[tau] *= complex(size * np.cos(turn), size * np.sin(turn))
    change = np.empty((classes, r, r), dtype=np.complex128)
    row = types
    for y in range(classes):
        for a in range(r):
            for b in range(a, r):
                x = step[row] * scales[y, a] * scales[y, b]
                change[y, a, b] = complex(x.real, 0.0) if real else x
                change[y, b, a] = change[y, a, b]
                row += 1
    trial = np.empty_like(d)
    factor = 1.0
    for _ in range(40):
        for y in range(classes):
            for a in range(r):
                for b in range(r):
                    trial[y, a, b] = d[y, a, b] + factor * change[y, a, b]
        if real or _is_positive(trial, scales, 1, -_LOST):
            break
        factor *= 0.5
    for y in range(classes):
        for a in range(r):
            for b in range(r):
                d[y, a, b] = trial[y, a, b]
    return factor


@kernel
def _unpacked(column, types, scales):
    """The D part of a column of unknowns, as matrices."""
    classes, r = scales.shape
    d = np.empty((classes, r, r), dtype=np.complex128)
    row = types
    for y in range(classes):
        for a in range(r):
            for b in range(a, r):
                d[y, a, b] = column[row] * scales[y, a] * scales[y, b]
                d[y, b, a] = d[y, a, b]
                row += 1
    return d


@kernel
def _newton(parts, z, g, d, real, max_steps):
    """Newton from (g, D), which become the root.

    Returns status, error, residual, d(log g, D/(s_a s_b))/dz and s.
    """
    types = g.size
    classes, r = d.shape[0], d.shape[1]
    count = types + classes * r * (r + 1) // 2
    ulp = (8.0 + parts.slopes.shape[1] + np.sqrt(parts.shares.size)) * _EPS
    last = False
    slope = np.full(count, complex(np.nan, np.nan))
    scales = np.ones((classes, r))
    error = residual = np.inf
    for step in range(max_steps):
        dressed = _dress(parts, g, d)
        above, image = _image(parts, g, dressed)
        scales = _scales(parts, g, dressed)
        f = np.empty((count, 1), dtype=np.complex128)
        for tau in range(types):
            f[tau, 0] = g[tau] * (above[tau] - z) - 1.0
        row = types
        for y in range(classes):
            for a in range(r):
                for b in range(a, r):
                    f[row, 0] = (d[y, a, b] - image[y, a, b]) / (scales[y, a] * scales[y, b])
                    row += 1
        matrix = _jacobian(parts, dressed, dressed, g, g, scales, count)
        for tau in range(types):
            matrix[tau, tau] += f[tau, 0]
        last = last or step == max_steps - 1
        if last:
            inverse = _inverse(matrix)
            sizes = _sizes(parts, z, g, d, dressed, image, scales, count)
            length = rounding = residual = 0.0
            moved = np.empty(count, dtype=np.complex128)
            for i in range(count):
                total, spread, along = 0j, 0.0, 0j
                for j in range(count):
                    total -= inverse[i, j] * f[j, 0]
                    spread += abs(inverse[i, j]) * sizes[j]
                for tau in range(types):
                    along += inverse[i, tau] * g[tau]
                moved[i], slope[i] = total, along
                length, rounding = max(length, abs(total)), max(rounding, spread)
                residual = max(residual, abs(f[i, 0]) / sizes[i])
            error = 4.0 * (length + ulp * rounding)
            if not np.isfinite(error):
                return 3, np.inf, np.inf, slope, scales
            if length > 1e-4:
                return 1, error, residual, slope, scales
            _move(g, d, moved, scales, real)
            return (0 if residual < 1e-11 else 4), error, residual, slope, scales
        if not _solve_linear(matrix, f):
            break
        moved = np.empty(count, dtype=np.complex128)
        length = 0.0
        for i in range(count):
            moved[i] = -f[i, 0]
            length = max(length, abs(f[i, 0])) if not np.isnan(abs(f[i, 0])) else np.inf
        if not length < np.inf:
            break
        if length > 1.5:
            for i in range(count):
                moved[i] *= 1.5 / length
        factor = _move(g, d, moved, scales, real)
        last = length < 1e-7 and factor == 1.0
    return 3, error, residual, slope, scales


@kernel
def _in_cone(g, slope, scales):
    """Whether dx/dz is in the cone: all g' positive, all D' positive semidefinite."""
    size = 0.0
    for i in range(slope.size):
        size = max(size, abs(slope[i])) if not np.isnan(abs(slope[i])) else np.inf
    if not size < np.inf:
        return False
    for tau in range(g.size):
        if (slope[tau] * g[tau]).real < -_OUTSIDE * size * abs(g[tau]):
            return False
    return _is_positive(_unpacked(slope, g.size, scales), scales, 0, -_OUTSIDE * size)


@kernel
def _is_visible(g, d, scales):
    """Whether some imaginary part is far above rounding."""
    for tau in range(g.size):
        if abs(g[tau].imag) > _INVISIBLE * abs(g[tau].real):
            return True
    for y in range(scales.shape[0]):
        for a in range(scales.shape[1]):
            if abs(d[y, a, a].imag) > _INVISIBLE * scales[y, a] ** 2:
                return True
    return False


@kernel
def _certified(z, g, d, slope, scales):
    """Whether a complex root is the physical one; an invisible one at real z is not."""
    for tau in range(g.size):
        if not g[tau].imag > 0.0:
            return False
    if not _is_positive(d, scales, 1, -_LOST):
        return False
    if _is_visible(g, d, scales):
        return True
    return z.imag > 0.0 and _in_cone(g, slope, scales)


@kernel
def _cold(parts, z, g, d):
    """Start from a neuron alone with a few averaged steps of the fixed-point map."""
    tilted = complex(z.real, max(z.imag, 1e-3 * abs(z)))
    for tau in range(g.size):
        g[tau] = _reciprocal(parts.floors[tau] - tilted)
    for y in range(d.shape[0]):
        for a in range(d.shape[1]):
            for b in range(d.shape[1]):
                d[y, a, b] = complex(1.0, 1e-6) if a == b else 0j
    for _ in range(8):
        above, image = _image(parts, g, _dress(parts, g, d))
        for tau in range(g.size):
            g[tau] = 0.5 * g[tau] + 0.5 * _reciprocal(above[tau] - tilted)
        for y in range(d.shape[0]):
            for a in range(d.shape[1]):
                for b in range(d.shape[1]):
                    d[y, a, b] = 0.5 * d[y, a, b] + 0.5 * image[y, a, b]


@kernel
def _take(g, d, at, rows, matrices):
    """Copy row `at` of the tables into (g, D)."""
    for tau in range(g.size):
        g[tau] = rows[at, tau]
    for y in range(d.shape[0]):
        for a in range(d.shape[1]):
            for b in range(d.shape[1]):
                d[y, a, b] = matrices[at, y, a, b]


@kernel
def solve_in_order(parts, z, start_g, start_d, warm, real, cold, max_steps):
    """Solve along z, each point started from its predecessor, the first from the start if `warm`.

    `real` looks for real roots, certified by the cone, else for complex ones.  `cold` also starts
    afresh where the predecessor leads nowhere.  Returns tables of g, D, dlog g/dz, of all
    derivatives, of s, error, residual and status.
    """
    count, types = z.size, parts.weights.size
    classes, r = parts.kernels.shape[1], parts.kernels.shape[2]
    unknowns = types + classes * r * (r + 1) // 2
    rows = np.empty((count, types), dtype=np.complex128)
    matrices = np.empty((count, classes, r, r), dtype=np.complex128)
    slopes = np.empty((count, unknowns), dtype=np.complex128)
    sizes = np.empty((count, classes, r))
    error, residual = np.empty(count), np.empty(count)
    status = np.empty(count, dtype=np.int8)
    g, d = start_g.copy(), start_d.copy()
    for i in range(count):
        done = False
        for attempt in range(2):
            if (attempt == 0 and not warm) or (attempt == 1 and not cold):
                continue
            if attempt == 1:
                _cold(parts, z[i], g, d)
            limit = max_steps if attempt == 1 or real else 20
            code, error[i], residual[i], slope, scales = _newton(parts, z[i], g, d, real, limit)
            if code == 0:
                good = _in_cone(g, slope, scales) if real else _certified(z[i], g, d, slope, scales)
                code = 0 if good else 2
            status[i], done = code, code == 0
            if done:
                break
        for k in range(unknowns):
            slopes[i, k] = slope[k] if done else complex(np.nan, np.nan)
        for tau in range(types):
            rows[i, tau] = g[tau] if done else complex(np.nan, np.nan)
        for y in range(classes):
            for a in range(r):
                sizes[i, y, a] = scales[y, a]
                for b in range(r):
                    matrices[i, y, a, b] = d[y, a, b] if done else complex(np.nan, np.nan)
        warm = done
    return rows, matrices, slopes, sizes, error, residual, status


@kernel
def _read(parts, one, two, first, second, source, solution, g1, scales, row):
    r"""u_0ᵀ∫ρH'u_0 of one column of unknowns, with u_0 dressed as `first` and `second`."""
    types = parts.weights.size
    classes, r = scales.shape
    total = source
    for sigma in range(types):
        part = 0j
        for j in range(parts.shares.size):
            left, right = 0j, 0j
            for a in range(parts.slopes.shape[1]):
                left += first[j, a] * one[5][j, sigma, a]
                right += second[j, a] * two[5][j, sigma, a]
            part += parts.shares[j] * left * right
        total -= parts.psi_p * parts.weights[sigma] * g1[sigma] * solution[sigma, row] * part
    place = types
    for y in range(classes):
        for a in range(r):
            for b in range(r):
                part = 0j
                for j in range(parts.shares.size):
                    left, right = 0j, 0j
                    for c in range(r):
                        left += one[0][y, a, c] * first[j, y * r + c]
                        right += two[0][y, b, c] * second[j, y * r + c]
                    part += parts.shares[j] * parts.levels[j, y] * left * right
                scale = parts.classes[y] * scales[y, a] * scales[y, b]
                total -= scale * solution[place, row] * part
                place += 1
    return total


@kernel
def _between(parts, j, left, right, data, noise):
    """leftᵀ Θ^M right for one joint eigenvalue."""
    classes = data.size
    r = parts.kernels.shape[2]
    total = 0j
    for a in range(left.size):
        y = a // r
        if y < classes:
            total += data[y] * parts.levels[j, y] * left[a] * right[a]
        else:
            for b in range(classes * r, left.size):
                total += left[a] * noise[a, b] * right[b]
    return total


@kernel
def _pair(parts, one, two, g1, g2, s1, s2, first, second, floors, data, noise, sources):
    """T_M(z_1, z_2) of every sample set M."""
    types = parts.weights.size
    rows, (classes, r) = floors.shape[0], s1.shape
    count = types + classes * r * r
    scales = np.sqrt(s1 * s2)
    matrix = _jacobian(parts, one, two, g1, g2, scales, count)
    right = np.zeros((count, rows), dtype=np.complex128)
    found = np.zeros(rows, dtype=np.complex128)
    for row in range(rows):
        for tau in range(types):
            total = complex(floors[row, tau], 0.0)
            for j in range(parts.shares.size):
                total += parts.shares[j] * _between(
                    parts, j, one[4][j, tau], two[4][j, tau], data[row], noise[row]
                )
            right[tau, row] = -g2[tau] * total
        place = types
        for y in range(classes):
            for a in range(r):
                for b in range(r):
                    total = complex(sources[row, y], 0.0) if a == b else 0j
                    for j in range(parts.shares.size):
                        share = parts.shares[j] * parts.levels[j, y] / parts.psi_n
                        total -= share * _between(
                            parts, j, one[3][j, y * r + a], two[3][j, y * r + b],
                            data[row], noise[row],
                        )  # fmt: skip
                    right[place, row] = total / (scales[y, a] * scales[y, b])
                    place += 1
        for j in range(parts.shares.size):
            found[row] += parts.shares[j] * _between(
                parts, j, first[j], second[j], data[row], noise[row]
            )
    if not _solve_linear(matrix, right):
        return np.full(rows, complex(np.nan, np.nan))
    for row in range(rows):
        found[row] = _read(parts, one, two, first, second, found[row], right, g1, scales, row)
    return found


@kernel
def two_resolvents(parts, g, d, sizes, target, floors, data, noise, sources):
    """T_M(z_i, z_j) and T_M(z_i, conj z_j), (2, rows, n, n), and the target's w (n, J, m).

    g, d, sizes : roots at the n points and their s
    floors (rows, N), data (rows, Y), noise (rows, m, m), sources (rows, Y) : S', the multiples of
        λ_y in the data blocks, the noise block and the multiples of one in E_y
    """
    count, (joint, size) = g.shape[0], (parts.shares.size, parts.slopes.shape[1])
    seen = np.zeros((count, joint, size), dtype=np.complex128)
    dressed = [_dress(parts, g[i], d[i]) for i in range(count)]
    for i in range(count):
        for j in range(joint):
            for c in range(size):
                for a in range(size):
                    seen[i, j, a] += target[c] * dressed[i][2][j, c, a]
    tables = np.empty((2, floors.shape[0], count, count), dtype=np.complex128)
    for k in range(count):
        dinv, q, low, p, w, v = dressed[k]
        mirrored = (np.conj(dinv), np.conj(q), np.conj(low), np.conj(p), np.conj(w), np.conj(v))
        for i in range(k + 1):
            straight = _pair(
                parts, dressed[i], dressed[k], g[i], g[k], sizes[i], sizes[k], seen[i], seen[k],
                floors, data, noise, sources,
            )  # fmt: skip
            across = _pair(
                parts, dressed[i], mirrored, g[i], np.conj(g[k]), sizes[i], sizes[k], seen[i],
                np.conj(seen[k]), floors, data, noise, sources,
            )  # fmt: skip
            for row in range(floors.shape[0]):
                tables[0, row, i, k] = straight[row]
                tables[0, row, k, i] = straight[row]
                tables[1, row, i, k] = across[row]
                tables[1, row, k, i] = np.conj(across[row])
    return tables, seen
