"""The self-consistent equations of Theorem 3.1 (arXiv 2505.17638) and their physical root."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import rmtspec as rs
from rmtspec.testing.strategies import (
    ends,
    powers_of_ten,
    random_feature_grams,
    random_feature_models,
)
from tests.laws import scale_of


@st.composite
def grams_with_points(draw, count=4, lowest=-6.0, upper_only=False):
    """A random-feature matrix with c > 0 or v > 0 and points over its bulks."""
    gram = draw(random_feature_grams())
    law = gram.spectrum()
    low, high = ends(law)
    span = high - low if high > low else 1.0
    z = [
        complex(low + span * draw(st.floats(-0.3, 1.3)), span * draw(powers_of_ten(lowest, 1.0)))
        for _ in range(count)
    ]
    return gram, np.array(z)


def sums(gram, k, y):
    """∫dρ/g and ∫l dρ/g with g = k + b² + c² y l, directly."""
    g = k[:, None] + gram.b2 + gram.c2 * y[:, None] * gram.population.eigenvalues
    w, values = gram.population.weights, gram.population.eigenvalues
    return (w / g).sum(axis=1), (w * values / g).sum(axis=1)


@given(grams_with_points())
def test_both_unknowns_lie_in_the_upper_half_plane(case):
    gram, z = case
    found = gram.solve(z)
    assert np.all(found.converged)
    assert np.all(found.q.imag > 0.0)
    assert np.all(found.s.imag > 0.0)
    assert np.all(found.r.imag > 0.0)
    if gram.c2 > 0.0 or gram.v2 > 0.0:
        assert np.all(found.y.imag < 0.0)  # that is Im D > 0, D = 1/y
    assert np.all(found.residual <= 1e-12)
    assert np.all(found.error <= 1e-8)


@given(grams_with_points())
def test_traces_solve_the_equations_of_theorem_three_one(case):
    gram, z = case
    found = gram.solve(z)
    k, y = found.k, found.y
    s0, s1 = sums(gram, k, y)
    near = 10.0 * found.error
    assert np.all(np.abs(found.q * gram.psi_p * k - 1.0) <= 1e-14)
    assert np.all(np.abs(gram.psi_p * found.s - s0) <= near * np.abs(s0))
    assert np.all(np.abs(gram.psi_p * found.r - s1) <= near * np.abs(s1))
    terms = [gram.v2 * y, -(gram.psi_p - 1.0) * k, -(k**2) * s0, gram.s2 - z]
    size = np.abs(terms).sum(axis=0)
    assert np.all(np.abs(np.sum(terms, axis=0)) <= 1e-12 * size)
    terms = [gram.psi_n / y, -gram.psi_n * np.ones_like(y), -gram.v2 / k, -gram.c2 * s1]
    assert np.all(np.abs(np.sum(terms, axis=0)) <= 1e-12 * np.abs(terms).sum(axis=0))


@settings(max_examples=20)
@given(grams_with_points(count=1, lowest=0.3), st.integers(0, 2**32 - 1))
def test_fixed_point_iteration_from_anywhere_reaches_the_same_root(case, seed):
    gram, z = case
    if gram.c2 == 0.0 and gram.v2 == 0.0:
        return
    rng = np.random.default_rng(seed)
    q, d = (10.0 ** rng.uniform(-2, 2, 6) * np.exp(1j * rng.uniform(0.01, 3.13, 6)) for _ in "qd")
    for _ in range(4000):
        k, y = 1.0 / (gram.psi_p * q), 1.0 / d
        s0, s1 = sums(gram, k, y)
        new_q = 1.0 / (gram.s2 - z + gram.v2 * y + k * (1.0 - k * s0))
        new_d = 1.0 + (gram.v2 / k + gram.c2 * s1) / gram.psi_n
        moved = max(np.max(np.abs(new_q / q - 1.0)), np.max(np.abs(new_d / d - 1.0)))
        q, d = new_q, new_d
        assert np.all(q.imag > 0.0)
        assert np.all(d.imag > 0.0)
        if moved < 1e-13:
            break
    if moved < 1e-13:  # geometric convergence, slow next to the real axis
        found = gram.solve(z)
        assert np.all(np.abs(q / found.q - 1.0) <= 1e-9)
        assert np.all(np.abs(d * found.y - 1.0) <= 1e-9)


@given(random_feature_grams())
def test_data_traces_are_transforms_of_measures_of_mass_one_and_of_the_mean_covariance(gram):
    z = 1e6 * scale_of(gram.spectrum()) * np.array([1j, 1.0 + 1j, -1.0 + 1j])
    found = gram.solve(z)
    # the next term of the expansion is smaller by |z| over the largest eigenvalue
    assert np.all(np.abs(-z * found.s - 1.0) <= 1e-5)
    mean = gram.population.mean
    assert np.all(np.abs(-z * found.r - mean) <= 1e-4 * mean)


@given(random_feature_grams())
def test_real_points_off_the_support_continue_the_upper_half_plane(gram):
    law = gram.spectrum()
    low, high = ends(law)
    width = scale_of(law)
    x = np.array([low - width, low - 0.01 * width, high + 0.01 * width, high + width])
    below = gram.solve(x)
    above = gram.solve(x + 1e-9j * width)
    for name in ("q", "r", "s", "k", "y"):
        real, near = getattr(below, name), getattr(above, name)
        assert np.all(real.imag == 0.0)
        assert np.all(np.abs(near - real) <= 1e-5 * np.abs(real))
    assert np.all((above.q - below.q).imag > 0.0)


@given(random_feature_models(), st.floats(0.1, 3.0))
def test_model_and_its_matrix_agree_and_the_lower_half_plane_is_the_conjugate(model, angle):
    law = model.spectrum()
    z = scale_of(law) * np.exp(1j * angle)
    found, mirrored = model.resolvent(z), model.resolvent(np.conj(z))
    assert complex(law.stieltjes(z)) == complex(found.q)
    for name in ("q", "r", "s", "k", "y"):
        assert getattr(mirrored, name) == np.conj(getattr(found, name))
    assert found.q.shape == ()
    assert law.origin == model.floor == model.coefficients.s**2


@given(grams_with_points(count=3), st.permutations(range(3)))
def test_a_point_does_not_depend_on_its_neighbours(case, order):
    gram, z = case
    together = gram.solve(z)
    shuffled = gram.solve(z[list(order)])
    alone = np.array([complex(gram.solve(point).q) for point in z])
    limit = 2.0 * together.error + 1e-15
    assert np.all(np.abs(alone - together.q) <= limit * np.abs(alone))
    assert np.all(
        np.abs(shuffled.q - together.q[list(order)]) <= limit[list(order)] * np.abs(shuffled.q)
    )


def test_lists_grids_and_empty_input_keep_their_shape():
    model = rs.RandomFeatureModel(2.0, 3.0, 0.1)
    grid = np.array([[1.0 + 1.0j, -1.0], [0.5j, 100.0]])
    found = model.resolvent(grid)
    for field in vars(found).values():
        assert field.shape == (2, 2)
    assert np.all(found.converged)
    assert model.resolvent([]).q.shape == (0,)
    assert model.resolvent(np.asfortranarray(grid)).q.tolist() == found.q.tolist()
    assert complex(model.resolvent(np.complex64(1j)).q) == complex(model.resolvent(1j).q)
