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
from .small_matrices import inverse_of, reciprocal

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

_HEAVY = 16.0  # times the weight of the first type that is not independent of the heavier ones
_SAFE = 0.1  # of 1 + |Gα|: a larger 1 + Gα is a pivot that loses no digit


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
    rank : dimension of the span of the slopes
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
    rank: int


@kernel
def _one_by_one(parts, g):
    """Types whose part of Q far outweighs those it is not independent of, the lightest first.

    In a sum over all types they would leave of the others what rounding leaves.
    """
    types, size = parts.slopes.shape
    weight = np.empty(types)
    order = np.empty(types, np.intp)
    for tau in range(types):
        total = 0.0
        for a in range(size):
            total += parts.slopes[tau, a] ** 2
        weight[tau] = parts.weights[tau] * abs(g[tau]) * total
        place = tau
        while place > 0 and weight[order[place - 1]] > weight[tau]:
            order[place] = order[place - 1]
            place -= 1
        order[place] = tau
    if types <= parts.rank:
        return order
    least = _HEAVY * weight[order[types - parts.rank - 1]]
    first = types - parts.rank
    while first < types and not weight[order[first]] > least:
        first += 1
    return order[first:]


@kernel
def _added(parts, g, order, j, low, p, w, h, pivots, growth):
    """Add the types of `order` to Q in the tables of eigenvalue j, which start without them.

    With the new part G uuᵀ of Q, α = uᵀHu and c = G/(1 + Gα),

        L -> L − c Hu wᵀ,  P -> P + c wwᵀ,  w' -> w' − c (u'ᵀHu) w,  w -> w/(1 + Gα),

    in which nothing cancels however large G is.  Where 1 + Gα does, the type waits for the others.
    """
    types, size = parts.slopes.shape
    waiting = order.copy()
    seen = np.empty(types, dtype=np.complex128)
    for count in range(order.size, 0, -1):
        chosen, best, pivot, part = 0, -1.0, 1.0 + 0j, 0j
        for i in range(count):
            k = waiting[i]
            alpha = 0j
            for a in range(size):
                alpha += parts.slopes[k, a] * h[j, k, a]
            large = parts.psi_p * parts.weights[k] * g[k]
            rest = abs(1.0 + large * alpha) / (1.0 + abs(large * alpha))
            if rest > best:
                chosen, best, pivot, part = i, rest, 1.0 + large * alpha, large
            if rest >= _SAFE:
                break
        k = waiting[chosen]
        for i in range(chosen, count - 1):
            waiting[i] = waiting[i + 1]
        pivots[j, k] = pivot
        growth[j] = max(growth[j], 1.0 / best) if best > 0.0 else np.inf
        inverse = reciprocal(pivot)
        c = part * inverse
        for a in range(size):
            left, right = c * h[j, k, a], c * w[j, k, a]
            for b in range(size):
                low[j, a, b] -= left * w[j, k, b]
                p[j, a, b] += right * w[j, k, b]
        for tau in range(types):
            total = 0j
            for a in range(size):
                total += parts.slopes[tau, a] * h[j, k, a]
            seen[tau] = c * total
        for tau in range(types):
            if tau != k:
                for a in range(size):
                    w[j, tau, a] -= seen[tau] * w[j, k, a]
                    h[j, tau, a] -= seen[tau] * h[j, k, a]
        for a in range(size):
            w[j, k, a] *= inverse
            h[j, k, a] *= inverse


@kernel
def _sum_over_types(parts, g, chosen):
    """Σψ_pπguuᵀ over some of the types."""
    size = parts.slopes.shape[1]
    q = np.zeros((size, size), dtype=np.complex128)
    for tau in range(g.size):
        if chosen[tau]:
            scale = parts.psi_p * parts.weights[tau] * g[tau]
            for a in range(size):
                part = scale * parts.slopes[tau, a]
                for b in range(a, size):
                    q[a, b] += part * parts.slopes[tau, b]
    for a in range(size):
        for b in range(a):
            q[a, b] = q[b, a]
    return q


@kernel
def dress(parts, g, d):
    """D⁻¹ (Y, r, r), Q (m, m), L and P (J, m, m), w = Lᵀu and v = Θu (J, N, m) of one state.

    At the end, how they were found: the types that were added to Q one by one, the sum over the
    others, w without the former, h = Hu (J, N, m), 1 + Gα of each type when it was added (J, N),
    and the growth of rounding (J,).
    """
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
    order = _one_by_one(parts, g)
    light = np.ones(types, np.bool_)
    q = _sum_over_types(parts, g, light)
    for k in order:
        light[k] = False
    rest = _sum_over_types(parts, g, light)
    bare = np.empty((size, size), dtype=np.complex128)  # Θ without λ, times the rest of Q
    slope = np.empty((types, size), dtype=np.complex128)  # the same times u
    for a in range(size):
        y, first = a // r, a - a % r
        if y >= classes:
            for b in range(size):
                bare[a, b] = rest[a, b]
            for tau in range(types):
                slope[tau, a] = u[tau, a]
            continue
        for b in range(size):
            total = 0j
            for c in range(r):
                total += dinv[y, a - first, c] * rest[first + c, b]
            bare[a, b] = parts.classes[y] * total
        for tau in range(types):
            total = 0j
            for c in range(r):
                total += dinv[y, a - first, c] * u[tau, first + c]
            slope[tau, a] = parts.classes[y] * total
    low = np.zeros((count, size, size), dtype=np.complex128)
    p = np.zeros((count, size, size), dtype=np.complex128)
    w = np.zeros((count, types, size), dtype=np.complex128)
    v = np.empty((count, types, size), dtype=np.complex128)
    h = np.zeros((count, types, size), dtype=np.complex128)
    matrix = np.empty((size, size), dtype=np.complex128)
    for j in range(count):
        for a in range(size):
            level = parts.levels[j, a // r] if a // r < classes else 1.0
            for b in range(size):
                matrix[a, b] = level * bare[a, b]
            matrix[a, a] += 1.0
            for tau in range(types):
                v[j, tau, a] = level * slope[tau, a]
        if order.size == types:
            for a in range(size):
                low[j, a, a] = 1.0
                for tau in range(types):
                    w[j, tau, a], h[j, tau, a] = u[tau, a], v[j, tau, a]
            continue
        inverted = inverse_of(matrix)
        for a in range(size):
            for b in range(size):
                low[j, a, b] = inverted[a, b]
                for c in range(size):
                    p[j, a, b] += rest[a, c] * inverted[c, b]
                for tau in range(types):
                    w[j, tau, b] += u[tau, a] * inverted[a, b]
                    h[j, tau, a] += inverted[a, b] * v[j, tau, b]
    before = w.copy()
    pivots, growth = np.ones((count, types), dtype=np.complex128), np.ones(count)
    for j in range(count):
        _added(parts, g, order, j, low, p, w, h, pivots, growth)
    return dinv, q, low, p, w, v, (order, rest, before, h, pivots, growth)


@kernel
def image_of(parts, z, g, dressed):
    """A (N,) and the image of D (Y, r, r)."""
    dinv, p, w, v = dressed[0], dressed[3], dressed[4], dressed[5]
    types, size = parts.slopes.shape
    classes, r = dinv.shape[0], dinv.shape[1]
    above = np.empty(types, dtype=np.complex128)
    image = np.zeros((classes, r, r), dtype=np.complex128)
    for tau in range(types):
        total = parts.floors[tau] - z  # first: next to a floor this is all that z has to say
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


@kernel
def _lost_in_inverses(d, dinv):
    """|D||D⁻¹| of every class: an inverse computed by columns is D⁻¹(1 + R), |R| below it."""
    classes, r = d.shape[0], d.shape[1]
    lost = np.zeros((classes, r, r))
    for y in range(classes):
        for a in range(r):
            for b in range(r):
                for c in range(r):
                    lost[y, a, b] += abs(d[y, a, c]) * abs(dinv[y, c, b])
    return lost


@kernel
def _sizes_of_added(parts, g, j, extra, w, v):
    """Rows whose products bound the rounding of what was added one by one, (types, m) and (m,).

    It leaves an error δ of Uᵀ(Θ⁻¹ + rest)⁻¹U, and one of (1 − HG)δ(1 − GH) in UᵀHU.
    """
    order, _, before, h = extra[:4]
    types, size = parts.slopes.shape
    light = np.ones(types, np.bool_)
    for k in order:
        light[k] = False
    left, right = np.zeros((types, size)), np.zeros((types, size))
    ends = np.zeros((2, size, size))
    for tau in range(types):
        if light[tau]:
            for a in range(size):
                left[tau, a], right[tau, a] = abs(before[j, tau, a]), abs(v[j, tau, a])
    for k in order:
        large = parts.psi_p * parts.weights[k] * g[k]
        for tau in range(types):
            seen = 0j
            for a in range(size):
                seen += parts.slopes[tau, a] * h[j, k, a]
            part = abs((1.0 if tau == k else 0.0) - large * seen)
            for a in range(size):
                left[tau, a] += part * abs(before[j, k, a])
                right[tau, a] += part * abs(v[j, k, a])
        for a in range(size):
            for b in range(size):
                part = abs(large) * abs(w[j, k, a])
                ends[0, a, b] += part * abs(before[j, k, b])
                ends[1, a, b] += part * abs(v[j, k, b])
    return left, right, ends


@kernel
def sizes_of(parts, z, g, d, dressed, inner, image, scales, count):
    """Sizes of the terms of the residuals, what is lost in D⁻¹, L and P included.

    inner : `products` of the solution
    """
    dinv, _, low, p, w, v, extra = dressed
    rest, h, growth = extra[1], extra[3], extra[5]
    f, e = inner
    types, size = parts.slopes.shape
    classes, r = scales.shape
    lost = _lost_in_inverses(d, dinv)
    sizes = np.zeros(count)
    grown = np.zeros((classes, r, r))
    product = np.empty((size, size))
    for j in range(parts.shares.size):
        left, right, ends = _sizes_of_added(parts, g, j, extra, w, v)
        for a in range(size):
            y, first = a // r, a - a % r
            for b in range(size):
                total = 1.0 if a == b else 0.0
                for c in range(r if y < classes else 1):
                    share = 1.0
                    if y < classes:
                        share = parts.classes[y] * parts.levels[j, y] * abs(dinv[y, a - first, c])
                    total += share * abs(rest[first + c if y < classes else a, b])
                product[a, b] = total
        for tau in range(types):
            total = 0.0
            for a in range(size):
                y, first = a // r, a - a % r
                total += growth[j] * left[tau, a] * right[tau, a]
                total += abs(w[j, tau, a]) * abs(v[j, tau, a])
                for b in range(size):
                    total += abs(w[j, tau, a]) * product[a, b] * abs(h[j, tau, b])
                for b in range(r if y < classes else 0):
                    share = parts.classes[y] * parts.levels[j, y] * lost[y, a - first, b]
                    total += share * abs(e[j, tau, a]) * abs(w[j, tau, first + b])
            sizes[tau] += parts.shares[j] * total
        for y in range(classes):
            scale = parts.shares[j] * parts.levels[j, y] / parts.psi_n
            for a in range(y * r, (y + 1) * r):
                for k in range(size):
                    part, other, first = 0.0, 0.0, k - k % r
                    for n in range(size):
                        part += abs(p[j, a, n]) * product[n, k]
                    for n in range(r if k < classes * r else 0):
                        share = parts.classes[k // r] * parts.levels[j, k // r]
                        other += share * abs(f[j, a, first + n]) * lost[k // r, n, k - first]
                    for b in range(y * r, (y + 1) * r):
                        total = part * abs(low[j, k, b]) + other * abs(p[j, k, b])
                        total += growth[j] * ends[0, a, k] * ends[1, b, k]
                        grown[y, a - y * r, b - y * r] += scale * total
    for tau in range(types):
        total = sizes[tau] + abs(parts.floors[tau] - z)
        for y in range(classes):
            for a in range(r):
                for b in range(r):
                    seen = 0j
                    for c in range(r):
                        seen += parts.kernels[tau, y, a, c] * dinv[y, c, b]
                    part = abs(parts.kernels[tau, y, a, b]) * abs(dinv[y, b, a])
                    total += parts.classes[y] * (part + abs(seen) * lost[y, b, a])
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
