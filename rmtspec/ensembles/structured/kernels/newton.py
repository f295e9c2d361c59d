r"""Newton's method for the structured equations, and the certificates of its roots.

For two conjugate solutions, or two real ones, this linear map J takes the cone
:math:`\{g'\ge0,D'\succeq0\}` into itself.  Where Im z > 0, :math:`\mathrm{Im}\,x=J\,\mathrm{Im}\,x+
\mathrm{Im}z\,(|g|^2,0)`, so that Im g > 0 and Im D ⪰ 0 say that J has a spectral radius below one,
and there is only one such root.  Off the support, at real z, the physical root is the only real one
whose dx/dz lies in the cone.
"""

from __future__ import annotations

import numpy as np

from ....solve.kernel import kernel
from .equations import dress, image_of, scales_of, sizes_of
from .jacobian import jacobian, products
from .small_matrices import inverse_of, is_positive, reciprocal, solve_linear

_EPS = 2.220446049250313e-16
_INVISIBLE = 1e-6  # phases below this certify nothing by their sign
_OUTSIDE = 1e-9  # by which dx/dz may leave the cone, relative to its size
_LOST = 1e-11  # by which Im D may be negative, relative to the size of D
_SETTLED = 1e-7  # step in log g and D after which there is one more
_COARSE = 1e-6  # most that either may be where a root is known no better


@kernel
def _allowed(least, error):
    """What a certificate lets pass at a root that is known to within `error`."""
    return max(least, error) if error < _COARSE else least


@kernel
def _move(g, d, step, scales, real, lost):
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
        if real or is_positive(trial.imag, scales, -lost):
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
        dressed = dress(parts, g, d)
        above, image = image_of(parts, z, g, dressed)
        scales = scales_of(parts, g, dressed)
        f = np.empty((count, 1), dtype=np.complex128)
        for tau in range(types):
            f[tau, 0] = g[tau] * above[tau] - 1.0
        row = types
        for y in range(classes):
            for a in range(r):
                for b in range(a, r):
                    f[row, 0] = (d[y, a, b] - image[y, a, b]) / (scales[y, a] * scales[y, b])
                    row += 1
        own = products(dressed)
        matrix = jacobian(parts, dressed, dressed, (own, own), g, g, scales, count)
        for tau in range(types):
            matrix[tau, tau] += f[tau, 0]
        last = last or step == max_steps - 1
        if last:
            inverse = inverse_of(matrix)
            sizes = sizes_of(parts, z, g, d, dressed, own, image, scales, count)
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
            _move(g, d, moved, scales, real, _allowed(_LOST, length))
            # Far below the terms that make it up, a root leaves a residual of their rounding: there
            # the length of the step after the last says that it has been reached.
            code = 0 if residual < 1e-11 or length < _SETTLED else 4
            return code, error, residual, slope, scales
        if not solve_linear(matrix, f):
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
        # The last steps are rounding, which leaves the half plane as well as it stays in it.
        factor = _move(g, d, moved, scales, real, _allowed(_LOST, length))
        last = length < _SETTLED and factor == 1.0
    return 3, error, residual, slope, scales


@kernel
def _in_cone(g, slope, scales, error):
    """Whether dx/dz is in the cone: all g' positive, all D' positive semidefinite."""
    size = 0.0
    for i in range(slope.size):
        size = max(size, abs(slope[i])) if not np.isnan(abs(slope[i])) else np.inf
    if not size < np.inf:
        return False
    outside = _allowed(_OUTSIDE, error) * size
    for tau in range(g.size):
        if (slope[tau] * g[tau]).real < -outside * abs(g[tau]):
            return False
    return is_positive(_unpacked(slope, g.size, scales).real, scales, -outside)


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
def _certified(z, g, d, slope, scales, error):
    """Whether a complex root is the physical one; an invisible one at real z is not."""
    for tau in range(g.size):
        if not g[tau].imag > 0.0:
            return False
    if not is_positive(d.imag, scales, -_allowed(_LOST, error)):
        return False
    if _is_visible(g, d, scales):
        return True
    return z.imag > 0.0 and _in_cone(g, slope, scales, error)


@kernel
def _cold(parts, z, g, d):
    """Start from a neuron alone with a few averaged steps of the fixed-point map."""
    tilted = complex(z.real, max(z.imag, 1e-3 * abs(z)))
    for tau in range(g.size):
        g[tau] = reciprocal(parts.floors[tau] - tilted)
    for y in range(d.shape[0]):
        for a in range(d.shape[1]):
            for b in range(d.shape[1]):
                d[y, a, b] = complex(1.0, 1e-6) if a == b else 0j
    for _ in range(8):
        above, image = image_of(parts, tilted, g, dress(parts, g, d))
        for tau in range(g.size):
            g[tau] = 0.5 * g[tau] + 0.5 * reciprocal(above[tau])
        for y in range(d.shape[0]):
            for a in range(d.shape[1]):
                for b in range(d.shape[1]):
                    d[y, a, b] = 0.5 * d[y, a, b] + 0.5 * image[y, a, b]


@kernel(short_loops=True)
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
                if real:
                    good = _in_cone(g, slope, scales, error[i])
                else:
                    good = _certified(z[i], g, d, slope, scales, error[i])
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
