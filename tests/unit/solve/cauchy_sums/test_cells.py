"""Cells of Gauss rules in place of atoms: sums next to clusters, masses, and what stays exact."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from rmtspec.solve.cauchy_sums import cells
from rmtspec.solve.cauchy_sums.cells import (
    ATOM,
    DISTANCE,
    WEIGHT,
    atom,
    cell_table,
    first_atoms,
    from_pole,
    nearby,
    seen_through_cells,
)
from rmtspec.solve.cauchy_sums.gauss import ORDER

EPS = np.finfo(float).eps


def clusters(width, seed=0):
    """Clusters of 100 atoms over fifteen decades, with weights over eight."""
    rng = np.random.default_rng(seed)
    centres = 10.0 ** np.arange(-7.0, 9.0, 3.0)
    atoms = np.unique(np.outer(centres, 1.0 + width * rng.random(100)))
    return atoms, 10.0 ** rng.uniform(-8.0, 0.0, atoms.size)


SPECTRA = {
    "clusters of relative width 1e-6": clusters(1e-6),
    "clusters of relative width 1e-9": clusters(1e-9),
    "clusters of relative width 1e-12": clusters(1e-12),
    "log-uniform": (np.geomspace(1e-4, 1.0, 600), np.full(600, 1.0 / 600.0)),
    "mass at the small end": (np.geomspace(1e-12, 1.0, 600), np.geomspace(1.0, 1e-24, 600)),
    "power law": (1.0 / np.arange(600.0, 0.0, -1.0), np.full(600, 1.0 / 600.0)),
}


def targets(atoms, count, seed=1):
    """(pole, offset, height) between neighbours, at all distances from them and from the axis."""
    rng = np.random.default_rng(seed)
    for turn in range(count):
        j = int(rng.integers(0, atoms.size - 1))
        offset = -(atoms[j + 1] - atoms[j]) * 10.0 ** rng.uniform(-6.0, -0.31)
        height = abs(offset) * 10.0 ** rng.uniform(-3.0, 3.0) if turn % 2 else 0.0
        yield -atoms[j], offset, height


@pytest.mark.parametrize("spectrum", SPECTRA)
def test_sums_through_cells_are_those_over_atoms_to_rounding(spectrum):
    atoms, weights = SPECTRA[spectrum]
    table = cell_table(atoms, weights)
    for pole, offset, height in targets(atoms, 12):
        at = pole + offset
        places, shares = nearby(table, weights, at, at, height)
        apart = np.array([from_pole(pole, places, j, 0.0, offset) for j in range(shares.size)])
        tau, apart = places[ATOM] + places[DISTANCE], apart + 1j * height
        with mp.workdps(40):
            eta = mp.mpc(mp.mpf(pole) + mp.mpf(offset), height)
            mass, exact = [mp.mpf(w) for w in weights], [mp.mpf(a) for a in atoms]
            inverse = [1 / (eta + a) for a in exact]
            ratio = [a * f for a, f in zip(exact, inverse, strict=True)]
            for terms, found in (
                (inverse, shares / apart),
                ([f * f for f in inverse], shares / apart**2),
                (ratio, shares * tau / apart),
                ([f * f for f in ratio], shares * (tau / apart) ** 2),
            ):
                size = mp.fdot(mass, [abs(f) for f in terms])
                error = abs(mp.mpc(complex(np.sum(found))) - mp.fdot(mass, terms)) / size
                # Terms, nodes and weights of the list are rounded: the bound of the solvers.
                assert error <= (18.0 + np.sqrt(shares.size)) * EPS


@pytest.mark.parametrize("spectrum", SPECTRA)
def test_lists_have_the_mass_of_all_atoms_and_hold_the_nearest_as_they_are(spectrum):
    atoms, weights = SPECTRA[spectrum]
    table = cell_table(atoms, weights)
    for j in (0, 17, atoms.size // 2, atoms.size - 2):
        places, shares = nearby(table, weights, -atoms[j + 1], -atoms[j], 0.0)
        assert shares.sum() == pytest.approx(weights.sum(), rel=16 * EPS)
        for own in (j, j + 1):
            found = (places[ATOM] == atoms[own]) & (places[DISTANCE] == 0.0)
            assert weights[own] in shares[found]


def test_length_of_a_list_grows_like_the_logarithm_of_the_atoms():
    lengths = []
    for count in (4_000, 64_000):
        atoms, weights = np.geomspace(1e-4, 1.0, count), np.full(count, 1.0 / count)
        j = count // 2
        places, shares = nearby(cell_table(atoms, weights), weights, -atoms[j + 1], -atoms[j], 0.0)
        assert places.shape == (2, shares.size)
        lengths.append(shares.size)
    # Four more levels, each with at most six cells beside those that are opened.
    assert lengths[1] <= lengths[0] + 4 * 6 * ORDER


def test_an_interval_is_served_by_one_list():
    atoms, weights = SPECTRA["power law"]
    table, j = cell_table(atoms, weights), 300
    places, shares = nearby(table, weights, -atoms[j + 1], -atoms[j], 0.0)
    for part in (0.01, 0.3, 0.5, 0.99):
        offset = -part * (atoms[j + 1] - atoms[j])
        apart = np.array([from_pole(-atoms[j], places, i, 0.0, offset) for i in range(shares.size)])
        exact = weights / (atoms - atoms[j] + offset)
        size = np.abs(exact).sum()
        assert (
            abs((shares / apart).sum() - exact.sum()) <= (18.0 + np.sqrt(atoms.size)) * EPS * size
        )


def test_few_atoms_are_left_alone():
    atoms, weights = np.arange(1.0, 6.0), np.full(5, 0.2)
    seen = seen_through_cells(atoms, weights)
    assert seen is atoms
    near, shares = nearby(seen, weights, -2.0, -1.0, 0.0)
    np.testing.assert_array_equal(near, atoms)
    np.testing.assert_array_equal(shares, weights)
    assert atom(seen, 1) == 2.0
    assert from_pole(-2.0, seen, 1, 2.0, 1e-30) == 1e-30
    np.testing.assert_array_equal(first_atoms(seen, weights), atoms)


def test_many_atoms_become_a_table_that_begins_with_them():
    atoms = np.geomspace(1.0, 2.0, cells.LARGE)
    weights = np.full(atoms.size, 1.0 / atoms.size)
    table = seen_through_cells(atoms, weights)
    np.testing.assert_array_equal(first_atoms(table, weights), atoms)
    np.testing.assert_array_equal(table[WEIGHT, : atoms.size], weights)
    assert not table[DISTANCE, : atoms.size].any()
