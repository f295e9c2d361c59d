"""Products of two resolvents of a structured ensemble: what `two_resolvent` states, compiled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ....solve.kernel import kernel
from .equations import dress
from .jacobian import jacobian, products
from .small_matrices import solve_linear

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]


class Readings(NamedTuple):
    """How losses along further directions depend on g' and D'; see `beside`.

    Attributes
    ----------
    shares, kind : (K,) of the neurons, and which of the N types each is
    heads : (2n, R, K) their xᵀHv, at every node and its conjugate
    tails : (2n, X, Y, r) what D'_y is seen with
    """

    shares: FloatArray
    kind: NDArray[np.intp]
    heads: ComplexArray
    tails: ComplexArray


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
def _read_beside(parts, beside, i, k, solution, g1, scales, row):
    """The same for further directions."""
    shares, kind, heads, tails = beside
    types, (classes, r) = parts.weights.size, scales.shape
    total = 0j
    for x in range(heads.shape[1]):
        for a in range(kind.size):
            moved = g1[kind[a]] * solution[kind[a], row]
            total -= parts.psi_p * shares[a] * moved * heads[i, x, a] * heads[k, x, a]
    for x in range(tails.shape[1]):
        place = types
        for y in range(classes):
            for a in range(r):
                for b in range(r):
                    moved = scales[y, a] * scales[y, b] * solution[place, row]
                    total -= moved * tails[i, x, y, a] * tails[k, x, y, b]
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
def _pair(
    parts, one, two, inner, g1, g2, s1, s2, first, second, floors, data, noise, sources,
    beside, i, k,
):  # fmt: skip
    """T_M(z_1, z_2) of every sample set M, and what further directions have of it."""
    types = parts.weights.size
    rows, (classes, r) = floors.shape[0], s1.shape
    count = types + classes * r * r
    scales = np.sqrt(s1 * s2)
    matrix = jacobian(parts, one, two, inner, g1, g2, scales, count)
    right = np.zeros((count, rows), dtype=np.complex128)
    found = np.zeros((2, rows), dtype=np.complex128)
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
            found[0, row] += parts.shares[j] * _between(
                parts, j, first[j], second[j], data[row], noise[row]
            )
    if not solve_linear(matrix, right):
        return np.full((2, rows), complex(np.nan, np.nan))
    for row in range(rows):
        found[0, row] = _read(parts, one, two, first, second, found[0, row], right, g1, scales, row)
        found[1, row] = _read_beside(parts, beside, i, k, right, g1, scales, row)
    return found


@kernel(short_loops=True)
def two_resolvents(parts, g, d, sizes, target, floors, data, noise, sources, beside):
    """T_M(z_i, z_j) and T_M(z_i, conj z_j), (2, 2, rows, n, n), and the target's w (n, J, m).

    The first axis holds the bulk and what `beside`, a `Readings`, sees of g' and D'.

    g, d, sizes : roots at the n points, then at their conjugates, and their s
    floors (rows, N), data (rows, Y), noise (rows, m, m), sources (rows, Y) : S', the multiples of
        λ_y in the data blocks, the noise block and the multiples of one in E_y
    """
    count, (joint, size) = g.shape[0] // 2, (parts.shares.size, parts.slopes.shape[1])
    seen = np.zeros((2 * count, joint, size), dtype=np.complex128)
    tables = np.empty((2, 2, floors.shape[0], count, count), dtype=np.complex128)
    dressed, inner = [], []
    for k in range(2 * count):
        two = dress(parts, g[k], d[k])
        own = products(two)
        for j in range(joint):
            for c in range(size):
                for a in range(size):
                    seen[k, j, a] += target[c] * two[2][j, c, a]
        mirror, node = k // count, k % count
        if not mirror:
            dressed.append(two)
            inner.append(own)
        for i in range(node + 1):
            pair = _pair(
                parts, dressed[i], two, (inner[i], own), g[i], g[k], sizes[i], sizes[k],
                seen[i], seen[k], floors, data, noise, sources, beside, i, k,
            )  # fmt: skip
            for part in range(2):
                for row in range(floors.shape[0]):
                    found = pair[part, row]
                    tables[part, mirror, row, i, node] = found
                    tables[part, mirror, row, node, i] = np.conj(found) if mirror else found
    return tables, seen[:count]
