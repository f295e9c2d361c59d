"""Every invariant of a Stieltjes transform holds for a right one and fails for a wrong one."""

from __future__ import annotations

import cmath

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.testing import invariants

ATOMS = np.array([[-1.0, 0.25], [3.0, 0.75]])
Z = np.array([0.3 + 0.4j, 2.8 + 0.05j, -1.2 + 0.3j, 1.0 + 2.0j])


def two_atoms(z):
    return 0.25 / (-1.0 - z) + 0.75 / (3.0 - z)


def semicircle(z):
    return 0.5 * (np.sqrt(z - 2.0) * np.sqrt(z + 2.0) - z)


def check(g, support=ATOMS[:, [0, 0]], z=Z, **options):
    return {f.name: f for f in invariants.check_stieltjes(g, support, z, **options)}


def failing(g, support=ATOMS[:, [0, 0]], **options):
    return {name for name, finding in check(g, support, **options).items() if not finding.ok}


def test_right_transforms_have_no_finding():
    assert failing(two_atoms, atoms=ATOMS, moments=[2.0, 7.0, 20.0]) == set()
    assert failing(semicircle, [-2, 2], moments=[0.0, 1.0, 0.0, 2.0]) == set()
    assert failing(lambda z: -semicircle(z), [-2, 2], convention="z - lambda") == set()
    assert failing(lambda z: 0.5 * (cmath.sqrt(z - 2) * cmath.sqrt(z + 2) - z), [-2, 2]) == set()


WRONG = {
    "Im g >= Im z/far^2": lambda z: 1.1 * two_atoms(z) - 0.1 / (0.1 - 0.1j - z),
    "Im g <= Im z/near^2": lambda z: 0.25 / (-1.0 - z) + 1.5 / (3.0 - z),
    "|g| <= 1/near": lambda z: two_atoms(z) * 2.0,
    "Im (z - L)g >= 0": lambda z: 0.25 / (-1.3 - z) + 0.75 / (3.0 - z),
    "Im (R - z)g >= 0": lambda z: 0.25 / (-1.0 - z) + 0.75 / (3.1 - z),
    "eta Im g grows by 1.5 eta": lambda z: two_atoms(z) / (1.0 + np.abs(z.imag)) ** 2,
    "Im g/eta falls by 1.5 eta": lambda z: two_atoms(z) * (1.0 + z.imag**2),
    "eta Im g grows by 30 eta": lambda z: np.where(np.abs(z.imag) > 1.1, 0.1, 1.0) * two_atoms(z),
    "Im g/eta falls by 30 eta": lambda z: np.where(np.abs(z.imag) > 8, 1e3, 1.0) * two_atoms(z),
    "g is the mean of a disc around z": lambda z: two_atoms(z) + 1e-6 * np.abs(z),
    "Gram matrix under rho >= 0": lambda z: two_atoms(z) + 0.02j * np.sin(40.0 * z.real),
    "Gram matrix under (x - L) rho >= 0": lambda z: 0.25 / (-1.01 - z) + 0.75 / (3.0 - z),
    "Gram matrix under (R - x) rho >= 0": lambda z: 0.25 / (-1.0 - z) + 0.75 / (3.01 - z),
    "g(conj z) = conj g(z)": lambda z: two_atoms(z) * (1.0 + 1e-6j),
    "-z g -> 1": lambda z: 0.9 * two_atoms(z),
    "moment 0 from a circle": lambda z: (1.0 - 1e-6) * two_atoms(z),
    "moment 2 from a circle": lambda z: 0.25 / (-1.0 - z) + 0.75 / (3.0 + 1e-6 - z),
    "Im g <= eta/near^2 in gaps": lambda z: two_atoms(z) + 1e-4j,
    "Im g >= eta/far^2 in gaps": lambda z: two_atoms(z).conj(),
    "g increases in gaps": lambda z: -two_atoms(z),
    "slope of g in gaps <= 1/near^2": lambda z: 6.0 * two_atoms(z),
    "eta Im g = mass at an atom": lambda z: 0.26 / (-1.0 - z) + 0.74 / (3.0 - z),
    "g is finite": lambda z: np.where(z.real > 2.0, np.nan, two_atoms(z)),
}


@pytest.mark.parametrize("name", WRONG)
def test_each_invariant_fails_for_a_transform_that_breaks_it(name):
    found = failing(WRONG[name], atoms=ATOMS, moments=[2.0, 7.0, 20.0])
    # A matrix whose diagonal is negative already is said to be so.
    assert name in {part.removesuffix(" (diagonal)") for part in found}


@pytest.mark.parametrize(
    ("g", "note"),
    [
        (lambda z: -semicircle(z), "wrong branch: the sign of g is that of the other convention"),
        (lambda z: semicircle(z).conj(), "wrong branch: the conjugate, of the lower half plane"),
        (lambda z: 1.0 / semicircle(z), "wrong branch: another root at 4 of 4 points"),
        # np.sqrt of the product has its cut on the imaginary axis as well
        (
            lambda z: 0.5 * (np.sqrt(z**2 - 4.0) - z),
            "wrong branch: another root at 1 of 4 points",
        ),
    ],
)
def test_wrong_branch_is_found_and_named(g, note):
    finding = check(g, [-2, 2])["Im g >= Im z/far^2"]
    assert not finding.ok
    assert finding.note == note


def test_lower_half_plane_is_left_alone_on_request():
    def upper(z):
        assert np.all(z.imag > 0.0)
        return two_atoms(z)

    assert failing(upper, reflect=False) == set()


def test_points_of_the_lower_half_plane_are_reflected():
    assert check(two_atoms, z=Z.conj()) == check(two_atoms)


def test_atom_forgotten_by_a_solver_is_found():
    law = rs.SampleCovariance(4.0, rs.PopulationSpectrum.isotropic()).spectrum()
    assert failing(law.stieltjes, law.support, z=None, atoms=law.atoms) == set()
    wrong = failing(lambda z: law.stieltjes(z) + 0.75 / z, law.support, z=None, atoms=law.atoms)
    assert {"-z g -> 1", "moment 0 from a circle", "eta Im g = mass at an atom"} <= wrong


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"g": 1.0}, "g"),
        ({"g": lambda z: "a"}, "g"),
        ({"support": [[1.0, 0.0]]}, "support"),
        ({"support": [1.0, 2.0, 3.0]}, "support"),
        ({"support": [[0.0, np.nan]]}, "support"),
        ({"z": [1.0]}, "z"),
        ({"z": "a"}, "z"),
        ({"atoms": [[0.0, 2.0]]}, "atoms"),
        ({"atoms": [1.0]}, "atoms"),
        ({"moments": ["a"]}, "moments"),
        ({"convention": "z"}, "convention"),
        ({"rtol": 0.0}, "rtol"),
    ],
)
def test_arguments_out_of_range_are_refused_by_name(change, name):
    arguments = {"g": two_atoms, "support": ATOMS[:, [0, 0]], "z": Z, **change}
    with pytest.raises((TypeError, ValueError), match=rf"^{name} must"):
        invariants.check_stieltjes(**arguments)
