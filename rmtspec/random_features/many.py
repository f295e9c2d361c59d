"""Spectra and training times of many random-feature models in one compiled loop.

Every model is on its own: its numbers are those of `RandomFeatures`, whatever stands beside it.
A model that needs more than the loop does (its density could not be resolved, say) is left to it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _checks
from ..ensembles.feature_equations import find_panels
from ..ensembles.real_axis.feature import balance, feature_axis
from ..ensembles.real_axis.gram import HARD_EDGE
from ..inputs.activation import ActivationLike, Coefficients, gaussian_equivalence
from ..inputs.population import PopulationSpectrum
from ..result import Status, warn_unconverged
from ..solve.density.pieces import mixed_quantile
from ..solve.density.representation import assembled
from ..solve.edges import between
from ..solve.kernel import kernel
from .families import LOWER, MASS, MERGED, TAU, family_rows
from .features import RandomFeatures

FloatArray = NDArray[np.float64]

FAMILIES = ("fast", "sample", "noise", "slow")
"""Names along the second dimension of `Spectra.families`."""

_SAMPLE, _NOISE = 1, 2
_FEWEST = 64  # models that are worth a part
_PARTS = 16  # of a thread at most


@dataclass(frozen=True)
class Spectra:
    """Families of eigenvalues of many models, (n,) entries each.

    Attributes
    ----------
    families : (n, 4, 5) fields of `Family` after the name; the mass of an empty family is 0, and
        its other fields are NaN
    atom, bulks : mass of all atoms, and number of bulks
    gap : 1 − (upper edge of what lies below)/(lower edge of the fast family), 0 if that has merged,
        NaN without such a family or with nothing below
    done : whether the loop could do the model; if not, all else is NaN
    """

    families: FloatArray
    atom: FloatArray
    bulks: FloatArray
    gap: FloatArray
    done: NDArray[np.bool_]

    def column(self, name: str, field: int) -> FloatArray:
        """A field of the family of that name."""
        return self.families[:, FAMILIES.index(name), field]


@dataclass(frozen=True)
class ManyTimescales:
    """Training times of many models, in arrays of one shape; see `Timescales`.

    Attributes
    ----------
    tau_gen, tau_mem, tau_slow : NaN where the family is empty, or the model could not be solved
    merged : whether for any of the three a mass quantile stands in for an edge
    status : `rmtspec.Status` of each model
    """

    tau_gen: FloatArray
    tau_mem: FloatArray
    tau_slow: FloatArray
    merged: NDArray[np.bool_]
    status: NDArray[np.int8]


def timescales(
    psi_p: ArrayLike,
    psi_n: ArrayLike,
    t: ArrayLike,
    activation: ActivationLike = "tanh",
    population: PopulationSpectrum | None = None,
    *,
    threads: int = 1,
) -> ManyTimescales:
    r"""Training times :math:`\psi_p/(\Delta_t\lambda)` of many models at once.

    `RandomFeatureModel.timescales` in one compiled loop, which takes some 33 µs a model where
    bulks are apart, and lets other threads run.

    Parameters
    ----------
    psi_p, psi_n : array_like in [1e-9, 1e9]
        Features and samples per dimension; with t, they broadcast.
    t : array_like > 0
        Diffusion time.
    activation, population
        As for `RandomFeatureModel`, the same for all models.
    threads : int >= 1
        Among which the models are divided; the numbers do not depend on it.

    Returns
    -------
    ManyTimescales
        Of the shape that the arrays broadcast to.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or out of range, or the arrays do not broadcast.

    Warns
    -----
    ConvergenceWarning
        Once, if models could not be solved; they are NaN and flagged.

    Examples
    --------
    >>> import rmtspec as rs
    >>> times = rs.timescales(64, [4, 8, 16], 0.1)
    >>> bool((times.tau_gen < times.tau_mem).all())
    True
    """
    columns = [
        _checks.real_array("psi_p", psi_p, 1e-9, 1e9),
        _checks.real_array("psi_n", psi_n, 1e-9, 1e9),
        _checks.real_array("t", t, 0.0),
    ]
    if np.any(columns[2] == 0.0):
        raise ValueError("t must hold numbers > 0, got 0.0")
    try:
        columns = list(np.broadcast_arrays(*columns))
    except ValueError:
        shapes = ", ".join(str(column.shape) for column in columns)
        raise ValueError(f"psi_p, psi_n and t must broadcast, got shapes {shapes}") from None
    population = PopulationSpectrum.isotropic() if population is None else population
    if not isinstance(population, PopulationSpectrum):
        raise TypeError(f"population must be a PopulationSpectrum, got {_checks.shown(population)}")
    threads = _checks.integer("threads", threads, 1)
    shape, flat = columns[0].shape, [c.flatten() for c in columns]
    coefficients = {t: gaussian_equivalence(activation, t, population.mean) for t in set(flat[2])}
    spectra = solve_many(flat[0], flat[1], [coefficients[t] for t in flat[2]], population, threads)
    names = ("fast", "sample", "slow")
    times = np.stack([spectra.column(name, TAU) for name in names])
    merged = np.any([spectra.column(name, MERGED) == 1.0 for name in names], axis=0)
    status = np.full(flat[0].shape, int(Status.CONVERGED), dtype=np.int8)
    for i in np.flatnonzero(~spectra.done):
        found = _alone(
            float(flat[0][i]), float(flat[1][i]), float(flat[2][i]), activation, population
        )
        times[:, i], merged[i], status[i] = found
    warn_unconverged("timescales", np.stack(flat, axis=1), status)
    gen, mem, slow = times.reshape(3, *shape)
    return ManyTimescales(gen, mem, slow, merged.reshape(shape), status.reshape(shape))


def _alone(
    psi_p: float, psi_n: float, t: float, activation: ActivationLike, population: PopulationSpectrum
) -> tuple[list[float], bool, int]:
    """Times of a model that the loop has left out."""
    failed = [np.nan] * 3, False, int(Status.PRECISION_EXHAUSTED)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = RandomFeatures(psi_p, psi_n, t, activation, population).timescales()
    except ValueError:  # scales too far apart for double precision
        return failed
    if any(np.isnan(family.tau) for family in found.families):
        return failed
    times = [found.tau_gen, found.tau_mem, found.tau_slow]
    return times, found.merged, int(Status.CONVERGED)


def solve_many(
    psi_p: FloatArray,
    psi_n: FloatArray,
    coefficients: Sequence[Coefficients | None],
    population: PopulationSpectrum,
    threads: int = 1,
) -> Spectra:
    """Solve models given by flat arrays that are in range, one `Coefficients` each.

    One that has none is not done.
    """
    size = psi_p.size
    numbers = {
        id(at): (at.c, at.b, at.v, at.c**2, at.b**2, at.v**2, at.s**2, at.delta)
        for at in coefficients
        if at is not None
    }
    numbers[id(None)] = (np.nan,) * 8
    scalars = np.array([numbers[id(at)] for at in coefficients]).reshape(size, 8)
    shared = *population.positive_atoms, population.mean
    families, rest = np.full((size, 4, 5), np.nan), np.full((size, 3), np.nan)
    done = np.zeros(size, dtype=np.bool_)
    # Neighbours cost alike, merged bulks several times as much: many parts a thread even that out.
    parts = max(1, min(_PARTS * threads, size // _FEWEST)) if threads > 1 else 1

    def run(part: slice) -> None:
        _solve(
            psi_p[part], psi_n[part], scalars[part], families[part], rest[part], done[part], shared
        )

    cuts = [round(i * size / parts) for i in range(parts + 1)]
    slices = [slice(*pair) for pair in pairwise(cuts)]
    if size == 0:
        pass  # nothing to compile for
    elif parts == 1:
        run(slices[0])
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(run, slices))
    return Spectra(families, rest[:, 0], rest[:, 1], rest[:, 2], done)


@kernel
def _solve(psi_p, psi_n, scalars, families, rest, done, shared):
    """Fill rows of the three arrays."""
    for i in range(psi_p.size):
        done[i] = _one(psi_p[i], psi_n[i], scalars[i], families[i], rest[i], shared)


@kernel
def _one(psi_p, psi_n, scalars, families, rest, shared):
    """Fill the rows of one model, or return False."""
    eigenvalues, weights, zero_weight, above, whole, lost, mean = shared
    c, b, v, c2, b2, v2, s2, delta = (
        scalars[0], scalars[1], scalars[2], scalars[3], scalars[4], scalars[5], scalars[6],
        scalars[7],
    )  # fmt: skip
    if np.isnan(c):
        return False
    shares, noise_first = _shares(psi_n, whole, c, b, v, b2, v2)
    least = max(1e-70 * max(c2 * mean, b2, v2), 1e-48 * s2)
    c2 = c2 if c2 * mean > least else 0.0
    b2, v2 = b2 if b2 > least else 0.0, v2 if v2 > least else 0.0
    u = v2 / psi_n
    has_data = c2 * eigenvalues[-1] > 1e-40 * max(b2, u)
    data_excess, excess, closing, doubt = balance(psi_p, psi_n, b2, v2, has_data, zero_weight, lost)
    if not has_data:
        return False
    tau = c2 * eigenvalues
    _, _, _, gaps, ordered = feature_axis(
        tau, weights, above, whole, zero_weight, psi_p, psi_n, b2, v2,
        data_excess, excess, closing,
    )  # fmt: skip
    if not ordered:
        return False
    edges, masses, narrow = between(gaps[0], gaps[1], gaps[2])
    balanced = abs(excess) <= HARD_EDGE * psi_p
    atoms = _with_atom(narrow, 0.0 if balanced else max(0.0, -excess / psi_p))
    support = np.empty(edges.shape)
    for bulk in range(masses.size):
        support[bulk, 0], support[bulk, 1] = s2 + edges[bulk, 0], s2 + edges[bulk, 1]
    ends = np.full(4, np.nan)
    rows = family_rows(shares, ends, psi_p, delta, masses, support)
    if rows[:, MERGED].any():
        hard = np.zeros(masses.size, np.bool_)
        if masses.size:
            bare = b2 == 0.0 and v2 == 0.0 and excess < 0.0
            hard[0] = balanced or (bare and abs(data_excess) <= HARD_EDGE * psi_n)
        data = tau, weights, zero_weight, psi_p, psi_n, b2, v2, u, closing, doubt, np.int64(100)
        table, _ = find_panels(edges, hard, data)
        first, low, high, _, densities, powers, before, defect, _ = assembled(
            table, edges, masses, hard
        )
        tables = edges, masses, hard, first, low, high, densities, powers, before
        for bulk in range(masses.size):
            if not abs(defect[bulk]) <= 1e-9:
                return False
        taken = 0.0
        for j in range(4):
            taken += rows[j, MASS]
            if rows[j, MERGED]:
                ends[j] = s2 + mixed_quantile(max(1.0 - taken, 0.0), atoms, tables)
        rows = family_rows(shares, ends, psi_p, delta, masses, support)
    for j in range(4):
        place = _NOISE + _SAMPLE - j if noise_first and j in (1, 2) else j
        families[place, MASS] = rows[j, MASS]
        if rows[j, MASS] > 0.0:
            for field in range(1, 5):
                families[place, field] = rows[j, field]
    rest[0], rest[1] = atoms[:, 1].sum(), masses.size
    rest[2] = _gap(families, support, atoms, s2)
    return True


@kernel
def _shares(psi_n, whole, c, b, v, b2, v2):
    """Mass of the families from the top down, and whether noise lies above samples."""
    rank = 0.0 if c == 0.0 else min(psi_n, whole)
    sample, noise = (psi_n - rank if v > 0.0 else 0.0), (1.0 - rank if b != 0.0 else 0.0)
    noise_first = b2 > v2 / psi_n
    shares = np.empty(4)
    shares[0], shares[3] = rank, rank if v > 0.0 and b != 0.0 else 0.0
    shares[1], shares[2] = (noise, sample) if noise_first else (sample, noise)
    return shares, noise_first


@kernel
def _with_atom(narrow, mass):
    """(j, 2) place and mass of all atoms, that at 0 first."""
    start = 1 if mass > 0.0 else 0
    atoms = np.empty((start + narrow.shape[0], 2))
    if start:
        atoms[0, 0], atoms[0, 1] = 0.0, mass
    for i in range(narrow.shape[0]):
        atoms[start + i, 0], atoms[start + i, 1] = narrow[i, 0], narrow[i, 1]
    return atoms


@kernel
def _gap(families, support, atoms, s2):
    """Relative gap below the fast family."""
    mass, lower = families[0, MASS], families[0, LOWER]
    if not 0.0 < mass < 1.0 - 1e-10:
        return np.nan
    if families[0, MERGED]:
        return 0.0
    below = -np.inf
    for bulk in range(support.shape[0]):
        if support[bulk, 1] < lower:
            below = max(below, support[bulk, 1])
    for j in range(atoms.shape[0]):
        if s2 + atoms[j, 0] < lower:
            below = max(below, s2 + atoms[j, 0])
    return 1.0 - below / lower
