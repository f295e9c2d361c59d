"""Single eigenvalues: of a finite matrix exactly, and of models against closed conditions."""

import numpy as np
import pytest

import rmtspec as rs
from validation.structured.members import MEMBERS
from validation.structured.networks import mixed, sample_moments


@pytest.mark.parametrize("psi", [(6, 3), (2, 5)])
def test_spikes_are_those_of_the_random_feature_model(psi):
    population = rs.PopulationSpectrum([0.5, 1.5], [0.5, 0.5], spikes=[8.0, 3.0, 20.0, 1.1])
    known = rs.RandomFeatureModel(*psi, 0.1, "tanh", population).outliers()
    found = rs.TimeIntegratedModel(*psi, [0.1], bias_scale=0.0, population=population).outliers()
    expected = np.concatenate([known.location, known.slow_location])
    overlap = np.concatenate([known.overlap, known.slow_overlap])
    order = np.argsort(expected)[: np.count_nonzero(np.isfinite(expected))]
    np.testing.assert_allclose(found.location, expected[order], rtol=1e-10)
    np.testing.assert_allclose(found.overlap.sum(axis=1), overlap[order], rtol=1e-6)
    tau = np.concatenate([known.tau, known.slow_tau])[order]
    np.testing.assert_allclose(found.tau, tau, rtol=1e-10)


# Location and overlap by another solution of the determinant.
@pytest.mark.parametrize(
    ("ratios", "weights", "variances", "means", "location", "overlap"),
    [
        ((4, 4), (0.75, 0.25), (1.0, 0.4), (1.2, -3.0), 7.268, 0.928),
        ((3, 2), (0.5, 0.5), (1.0, 0.25), (2.0, -2.0), 6.322, 0.9126),
    ],
)
def test_means_of_length_one_pull_out_an_eigenvalue(
    ratios, weights, variances, means, location, overlap
):
    classes = [rs.DataClass(*one) for one in zip(weights, variances, means, strict=True)]
    found = rs.MixtureModel(*ratios, 0.1, classes, mean_unit="1").outliers()
    assert found.location == pytest.approx([location], abs=5e-4)
    assert found.overlap[0] == pytest.approx([overlap], abs=5e-4)


def test_means_of_length_one_change_no_loss():
    tau = [1.0, 100.0, np.inf]
    losses = [
        rs.MixtureModel(
            4, 4, 0.1, [rs.DataClass(0.75, 1.0, m), rs.DataClass(0.25, 0.4, -m)], mean_unit="1"
        ).learning_curves(tau)
        for m in (0.0, 3.0)
    ]
    np.testing.assert_array_equal(losses[0].test, losses[1].test)


def test_a_mean_feature_gives_the_eigenvalue_of_the_random_feature_model():
    known = rs.RandomFeatureModel(4, 4, 0.1, "relu").mean_feature_eigenvalue(1000)
    model = rs.TimeIntegratedModel(4, 4, [0.1], bias_scale=0.0, activation="relu")
    found = model.outliers(1000)
    # The norms of neurons and second Hermite coefficients add O(1) to an eigenvalue of order p.
    assert found.location[-1] == pytest.approx(known, rel=2e-3)
    assert found.common[-1] > 0.99
    assert model.outliers().location.size == 0


def test_second_hermite_coefficients_make_eigenvalues_of_their_own():
    model = rs.MixtureModel(4, 4, 0.1, [rs.DataClass(1.0, 1.0)], activation=[0.0, 0.3, 1.0])
    found = model.outliers(10**6)
    assert float(model.spectrum().support[-1, 1]) == pytest.approx(6.4228, abs=1e-3)
    # Along the vector of ones, and along the norms of the neurons.
    assert found.location == pytest.approx([11.36, 11.76], abs=5e-3)
    assert found.common[0] > 0.8
    assert found.common[1] < 1e-6


def test_eigenvalues_of_order_p_grow_with_the_dimension():
    model = rs.MixtureModel(6, 3, 0.1, [rs.DataClass(0.75, 1.0, 1.0), rs.DataClass(0.25, 0.36, -1)])
    small, large = (model.outliers(d).location[-1] for d in (100, 200))
    # 267 was seen for d = 200 in a simulation.
    assert large == pytest.approx(267.0, abs=3.0)
    assert large == pytest.approx(2.0 * small, rel=0.02)


def test_along_separated_means_an_eigenvalue_lies_where_it_does_for_true_features():
    member, d = MEMBERS["B"], 60
    model = member.model()
    fast = model.spectrum().support[-1, 0]
    seen = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        net, data = member.network(d, rng), member.data(d)
        parts = [sample_moments(net, x, coupled=False) for x in data.draw(member.samples(d), rng)]
        values, vectors = np.linalg.eigh(mixed(parts, data.weights).u)
        last = np.flatnonzero(values < 0.9 * fast)[-1]
        along = net.w @ np.ones(d)
        seen.append([values[last], (vectors[:, last] @ along) ** 2 / (along @ along)])
    found = model.outliers(d)
    assert np.count_nonzero(found.location < fast) == 1
    error = np.std(seen, axis=0, ddof=1) / np.sqrt(len(seen))
    expected = [found.location[0], found.overlap[0, 0]]
    assert np.all(np.abs(np.mean(seen, axis=0) - expected) < 3.0 * error)
    # Without the linear parts along the means there is none at this size, and one at 0.104 at 120.
    assert model.outliers(120).location[0] > 0.12
