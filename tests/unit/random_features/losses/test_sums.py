"""Sums over the nodes of a contour, against the sums as they are written."""

from __future__ import annotations

import numpy as np
import pytest

from rmtspec.random_features.losses import sums

EPS = float(np.finfo(float).eps)
COARSE = 1e6  # a rounding beside which that of the rule is nothing
RNG = np.random.default_rng(3)


def _complex(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape) + 1j * RNG.standard_normal(shape)


@pytest.mark.parametrize("nodes", [6, 7])
def test_a_form_is_the_double_sum_over_both_halves_of_the_contour(nodes: int) -> None:
    f, weights = _complex(5, nodes), _complex(nodes)
    plain, mixed, sizes = _complex(nodes, nodes), _complex(nodes, nodes), RNG.random((nodes, nodes))
    found = sums.Form.of(plain, mixed, sizes, weights).sums(f, COARSE)
    g = weights * f
    expected = np.einsum("ti,ij,tj->t", g, plain, g) + np.einsum("ti,ij,tj->t", g, mixed, g.conj())
    slack = 8 * nodes**2 * EPS * np.abs(expected).max()
    np.testing.assert_allclose(found.values, 2.0 * expected.real, rtol=0, atol=slack)
    # Neighbours are taken together with the larger filter of the two: never less than each alone.
    rounding = 2.0 * COARSE * np.einsum("ti,ij,tj->t", np.abs(g), sizes, np.abs(g))
    assert np.all(found.errors >= rounding * (1.0 - 8 * nodes**2 * EPS))


def test_sums_over_columns_are_those_of_every_column_alone() -> None:
    f, table = _complex(4, 7), _complex(7, 3)
    found = sums.each(f, table, COARSE)
    for j in range(3):
        alone = sums.single(f, np.ascontiguousarray(table[:, j]), EPS)
        np.testing.assert_allclose(found.values[:, j], alone.values, rtol=0, atol=200 * EPS)
    assert np.all(found.errors >= 2.0 * COARSE * (np.abs(f) @ np.abs(table)) * (1.0 - 50 * EPS))


def test_a_node_that_was_not_solved_leaves_no_bound() -> None:
    f, table = _complex(3, 6), _complex(6, 2)
    table[2, 1] = complex(np.nan, np.nan)
    assert np.isnan(sums.each(f, table, EPS).errors).all()
    assert np.isnan(sums.single(f, np.ascontiguousarray(table[:, 1]), EPS).errors).all()
