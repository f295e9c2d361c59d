r"""Eigenvalues of samples, and the population spectrum behind a few of them.

With n rows :math:`x_\nu=\sqrt{\tau_\nu}\,\Sigma^{1/2}z_\nu`, the :math:`\tau_\nu` of mean 1, the
sample covariance :math:`\hat\Sigma=\frac1n\sum_\nu x_\nu x_\nu^{\mathsf T}` has, at
:math:`d,n\to\infty`, the transform :math:`m(z)=\frac1d\mathrm{Tr}(\hat\Sigma-z)^{-1}` with

.. math::
    m(z)=\int\frac{dH(l)}{w(z)\,l-z},\qquad w=\frac1n\sum_\nu\frac{\tau_\nu}{1+\tau_\nu\delta},
    \qquad\frac1n\sum_\nu\frac{\tau_\nu\delta}{1+\tau_\nu\delta}=\frac dn(1+z\,m(z)),

H the law of the eigenvalues of Σ.  The last equation counts the trace of
:math:`\hat\Sigma(\hat\Sigma-z)^{-1}` by rows; it gives δ(z), and w(z), from sample eigenvalues and
norms alone.  What remains is linear in H,

.. math::  \int\frac{w_jl\,dH(l)}{w_jl-z_j}=1+z_j\hat m(z_j)

at chosen points, and is fitted by non-negative weights on a fixed grid of l.  For
:math:`\tau_\nu=1` this is the convex fit of El Karoui (Ann. Statist. 36, 2008, 2757) to the
equation of Marchenko and Pastur; with norms, to that of El Karoui (Ann. Appl. Probab. 19, 2009,
2362).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..result import ProgressBar

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

RANK_TOLERANCE = 1e-12
"""A sample eigenvalue below this fraction of the largest is rounding of an exact zero."""

_SAME = 1e-12
"""Eigenvalues l closer than this times sqrt(l l_max) are one: rounding of the singular values
splits them by 1e-15, and that of whitened data by some 1e-14."""

_BLOCK = 4096  # rows triangularised at once
_PATIENCE = 3.0  # seconds without a progress bar

_ATOMS = 200
_POINTS = 40
_HEIGHTS = 0.1, 0.5, 2.0
_LOWEST = 1e-4  # of the mean eigenvalue: nothing the models ask depends on what is below
_HEAVY = 1e3  # weight of mass and trace against one relative residual of the transform
_MOST_ENTRIES = 2_000_000  # points times rows in memory at once


def sample_eigenvalues(rows: FloatArray) -> FloatArray:
    r"""Eigenvalues of :math:`\frac1n\sum_\nu x_\nu x_\nu^{\mathsf T}`, shape (d,), ascending.

    The eigenvalues are squared singular values of the data, never of a product, so an eigenvalue l
    has a relative error of about 2 eps sqrt(l_max / l); many rows are first brought to a triangle,
    block by block, which loses nothing of this.  Eigenvalues that rounding alone keeps apart are
    made equal, and those below 1e-12 of the largest are exactly 0.
    """
    count, dimension = rows.shape
    reduced = triangle(rows)
    scale = float(np.abs(reduced).max())
    singular = np.linalg.svd(reduced / scale, compute_uv=False)
    eigenvalues = np.zeros(dimension)
    eigenvalues[dimension - singular.size :] = singular[::-1] ** 2
    top = eigenvalues[-1]
    eigenvalues[eigenvalues < RANK_TOLERANCE * top] = 0.0
    apart = np.diff(eigenvalues) > _SAME * np.sqrt(eigenvalues[1:] * top)
    starts = np.concatenate([[0], 1 + np.flatnonzero(apart)])
    lengths = np.diff(np.append(starts, dimension))
    equal: FloatArray = np.repeat(np.add.reduceat(eigenvalues, starts) / lengths, lengths)
    scaled: FloatArray = equal * (scale**2 / count)
    return scaled


def triangle(rows: FloatArray) -> FloatArray:
    """Rows with the same scalar products between columns, no more of them than columns."""
    reduced, dimension = rows[:0], rows.shape[1]
    if len(rows) <= dimension:
        return rows
    block = max(_BLOCK, dimension)
    starts = range(0, len(rows), block)
    with ProgressBar(len(starts), None, "blocks of rows", patience=_PATIENCE) as advance:
        for start in starts:
            part = rows[start : start + block]
            reduced = np.asarray(np.linalg.qr(np.concatenate([reduced, part]), mode="r"))
            advance()
    return reduced


def zeros_are_real(times: NDArray[np.intp], lost: int, dimension: int) -> bool:
    """Whether directions in which no row varies are zeros of the population, not too few rows.

    They are where the different rows are as many as the dimensions, and in a population of few
    different rows, such as one-hot vectors, of which the sample has seen all: the share of the
    population that is not in a sample is that of the rows which occur once in it (Good, Biometrika
    40, 1953), and here it is less than one dimension's.  Rows that all occur equally often are
    copies of a table, not draws.

    Parameters
    ----------
    times : (k,) how often each of the different rows occurs
    lost : 1 if the rows are centred with their own mean, 0 otherwise
    dimension : of the rows
    """
    if times.size - lost >= dimension:
        return True
    rows, once = int(times.sum()), int(np.count_nonzero(times == 1))
    copies = bool(np.all(times == times[0]))
    return rows - lost >= dimension and once * dimension < rows and not copies


def fit_population(
    eigenvalues: FloatArray, norms: FloatArray, samples: int, zeros_known: bool
) -> tuple[FloatArray, FloatArray]:
    """Atoms and weights of the population behind sample eigenvalues.

    Parameters
    ----------
    eigenvalues : (d,), ascending
        Of the covariance with the factor 1/`samples`.
    norms : (rows,)
        Squared norms of the rows, on any scale.
    samples : int
        Different rows, less one if they are centred with their own mean.
    zeros_known : bool
        Whether eigenvalues 0 of the sample are those of the population; see `zeros_are_real`.

    Returns
    -------
    atoms, weights : (k,), k = 5 to 40 for most data
        Mean and mass are those of `eigenvalues`.
    """
    dimension = eigenvalues.size
    mean = float(eigenvalues.mean())
    levels = eigenvalues / mean
    positive = levels[levels > 0.0]
    low = max(float(positive[0]), _LOWEST)
    atoms = np.geomspace(max(0.5 * float(positive[0]), _LOWEST), positive[-1], _ATOMS)
    x = np.geomspace(low, positive[-1], _POINTS)
    z = np.concatenate([x * (1.0 + 1.0j * height) for height in _HEIGHTS] + [-x + 0.0j])
    # 1 + z m(z), in which zeros of the sample have no part.
    seen = (positive / (positive - z[:, None])).sum(axis=1) / dimension
    w, solved = _row_factor(seen * (dimension / samples), norms / norms.mean())
    z, w, seen = z[solved], w[solved], seen[solved]
    table = w[:, None] * atoms / (w[:, None] * atoms - z[:, None]) / seen[:, None]
    zeros = 1.0 - positive.size / dimension
    free = not zeros_known
    atoms, table = np.append(0.0, atoms), np.column_stack([np.zeros(z.size), table])
    weights = _weights(atoms, table, free, zeros)
    kept = weights > 0.0
    return atoms[kept] * mean, weights[kept] / weights.sum()


def _weights(atoms: FloatArray, table: ComplexArray, free: bool, zeros: float) -> FloatArray:
    """Non-negative weights for which every row of the table gives 1, and mass and mean are 1."""
    from scipy.optimize import nnls

    first = 0 if free else 1
    system = np.concatenate(
        [table.real, table.imag, _HEAVY * np.ones((1, atoms.size)), _HEAVY * atoms[None]]
    )[:, first:]
    mass = 1.0 if free else 1.0 - zeros
    goal = np.concatenate([np.ones(len(table)), np.zeros(len(table)), [_HEAVY * mass, _HEAVY]])
    found = nnls(system, goal, maxiter=100 * atoms.size)[0]
    return np.asarray(found if free else np.append(zeros, found))


def _row_factor(filled: ComplexArray, norms: FloatArray) -> tuple[ComplexArray, NDArray[np.bool_]]:
    r"""w at the points where :math:`\frac1n\sum\tau\delta/(1+\tau\delta)` is given, and success.

    Newton's method from the solution for rows of equal norm.
    """
    w = np.empty_like(filled)
    solved = np.zeros(filled.size, dtype=bool)
    parts = 1 + filled.size * norms.size // _MOST_ENTRIES
    for part in np.array_split(np.arange(filled.size), parts):
        with np.errstate(all="ignore"):  # a point at which Newton's method fails is left out
            w[part], solved[part] = _solved_factor(filled[part], norms)
    return w, solved


def _solved_factor(goal: ComplexArray, norms: FloatArray) -> tuple[ComplexArray, NDArray[np.bool_]]:
    delta = goal / (1.0 - goal)
    for _ in range(100):
        open_ = 1.0 / (1.0 + norms * delta[:, None])
        error = 1.0 - open_.mean(axis=1) - goal
        step = error / (norms * open_**2).mean(axis=1)
        delta = delta - step
        if np.all(np.abs(step) <= 1e-13 * np.abs(delta)):
            break
    open_ = 1.0 / (1.0 + norms * delta[:, None])
    # Rows with fewer directions than themselves are filled by less than their number; nearer to it
    # than rounding there is no solution.
    return (norms * open_).mean(axis=1), np.abs(1.0 - open_.mean(axis=1) - goal) < 1e-8
