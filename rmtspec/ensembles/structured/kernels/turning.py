r"""Where a real branch of the structured equations turns back: an edge of the spectrum.

Next to an edge the branch :math:`\xi(x)`, ξ = (log g, D), is a parabola in its arclength ς.
Unknowns (ξ, x) with the equation :math:`l\cdot(\xi-\xi_0)=\varsigma` beside the others pass through
the edge without a singular matrix, and the edge is where :math:`dx/d\varsigma=0`.
"""

from __future__ import annotations

import numpy as np

from ....solve.kernel import kernel
from .equations import dress, image_of
from .jacobian import jacobian, products
from .small_matrices import solve_linear

_LONGEST = 1.0


@kernel(short_loops=True)
def along_branch(parts, x, g, d, scales, along, length, max_steps):
    """Newton for the point of the real branch at arclength `length` from (g, D, x).

    along : (count,) l, in units of log g and D/(s_a s_b), s held fixed
    Returns g, D and the row x, dx/dς, whether it converged.
    """
    types = g.size
    classes, r = scales.shape
    count = types + classes * r * (r + 1) // 2
    g, d = g.copy(), d.copy()
    left = length
    last = False
    for _ in range(max_steps):
        dressed = dress(parts, g, d)
        above, image = image_of(parts, complex(x, 0.0), g, dressed)
        own = products(dressed)
        inner = jacobian(parts, dressed, dressed, (own, own), g, g, scales, count)
        matrix = np.zeros((count + 1, count + 1), dtype=np.complex128)
        right = np.zeros((count + 1, 2), dtype=np.complex128)
        for i in range(count):
            for j in range(count):
                matrix[i, j] = inner[i, j].real
            matrix[count, i] = along[i]
        for tau in range(types):
            right[tau, 0] = -(g[tau] * above[tau] - 1.0).real
            matrix[tau, tau] -= right[tau, 0]
            matrix[tau, count] = -g[tau].real
        row = types
        for y in range(classes):
            for a in range(r):
                for b in range(a, r):
                    scale = scales[y, a] * scales[y, b]
                    right[row, 0] = (image[y, a, b] - d[y, a, b]).real / scale
                    row += 1
        right[count, 0] = left
        right[count, 1] = 1.0
        # x in its own units, so that all columns are alike
        for i in range(count):
            matrix[i, count] *= abs(x)
        if not solve_linear(matrix, right):
            break
        size = 0.0
        for i in range(count + 1):
            size = max(size, abs(right[i, 0])) if not np.isnan(abs(right[i, 0])) else np.inf
        if not size < np.inf:
            break
        factor = _LONGEST / size if size > _LONGEST else 1.0
        for tau in range(types):
            g[tau] *= np.exp(factor * right[tau, 0].real)
        row = types
        for y in range(classes):
            for a in range(r):
                for b in range(a, r):
                    scale = scales[y, a] * scales[y, b]
                    d[y, a, b] += factor * right[row, 0].real * scale
                    d[y, b, a] = d[y, a, b]
                    row += 1
        slope = right[count, 1].real * abs(x)
        x += factor * right[count, 0].real * abs(x)
        left -= factor * left
        if last:
            return g, d, np.array([x, slope, 1.0])
        last = size < 1e-7
    return g, d, np.array([x, np.nan, 0.0])
