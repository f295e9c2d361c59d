"""U of given rows by the exact kernel: second moments, law, resolvents and their products."""

from __future__ import annotations

import contextlib
import math

import numpy as np
import pytest

from rmtspec.ensembles import neuron_moments
from rmtspec.ensembles.exact_kernel import ExactKernelGram, FreshNeurons
from rmtspec.ensembles.neuron_moments import NeuronMoments
from rmtspec.ensembles.two_point import Points
from rmtspec.inputs.activation import resolve
from rmtspec.inputs.gaussian.kernels import PairKernels
from rmtspec.result import DataWarning

SIGNAL = math.exp(-0.4)
DELTA = -math.expm1(-0.4)
FloatArray = np.ndarray


def _moments(x: FloatArray, name: str = "tanh") -> NeuronMoments:
    activation = resolve(name)
    return NeuronMoments(x, PairKernels(activation.function, activation.pairs, SIGNAL, DELTA))


def _rows(n: int, d: int, seed: int = 0) -> FloatArray:
    x = np.random.default_rng(seed).standard_normal((n, d)) * np.linspace(0.4, 1.6, d)
    x *= np.random.default_rng(seed + 1).uniform(0.6, 1.4, (n, 1))
    return x - x.mean(axis=0)


def _gram(n: int = 30, d: int = 20, name: str = "tanh", held_out: int = 25) -> ExactKernelGram:
    return ExactKernelGram(3.0, _moments(_rows(n, d), name), _rows(held_out, d, 7))


def _of_neurons(
    moments: NeuronMoments, rows: FloatArray, functions: FloatArray, w: FloatArray
) -> FloatArray:
    """u of every sampled neuron: noise average by the trapezoidal rule, then the linear parts."""
    z = np.linspace(-8.0, 8.0, 129)
    weight = np.exp(-0.5 * z * z)
    weight /= weight.sum()
    u = math.sqrt(SIGNAL / rows.shape[1]) * w @ rows.T
    values = [moments.pairs.function(u + math.sqrt(DELTA) * node) for node in z]
    mean = sum(share * value for share, value in zip(weight, values, strict=True))
    slope = sum(share * node * v for share, node, v in zip(weight, z, values, strict=True))
    slope = slope / math.sqrt(DELTA)
    linear = np.einsum("wj,wa->wja", slope @ functions, w).reshape(len(w), -1)
    scale = math.sqrt(DELTA / (rows.shape[1] * len(rows)))
    return np.hstack([mean / math.sqrt(len(rows)), scale * linear])


@pytest.mark.parametrize("name", ["tanh", "erf", "relu", "silu", "leaky_relu"])
def test_second_moments_are_averages_over_neurons(name: str) -> None:
    x, others = _rows(5, 4), _rows(6, 4, 7)
    moments = _moments(x, name)
    e = moments.noise_functions
    slopes = moments.pairs.between(x, others).k11.T @ e[:, 1:]
    basis = np.linalg.qr(slopes - slopes.mean(axis=0))[0]
    fresh = np.hstack([np.full((6, 1), 6**-0.5), basis])
    w = np.random.default_rng(3).standard_normal((40_000, 4))
    u, v = (_of_neurons(moments, *pair, w) for pair in ((x, e), (others, fresh)))
    cross = np.hstack(next(moments.fresh(others)))
    for exact, first, second in ((moments.matrix, u, u), (cross, u, v)):
        mean = first.T @ second / len(w)
        error = np.sqrt(((first**2).T @ second**2 / len(w) - mean**2) / len(w))
        # 4.5 standard errors: one entry of some 400 in 10^5 tries
        assert np.all(np.abs(exact / 4.0 - mean) <= 4.5 * error)


@pytest.mark.parametrize("name", ["tanh", "relu"])
def test_noise_functions_of_many_rows_are_those_of_the_dense_eigenproblem(name, monkeypatch):
    x = _rows(60, 12)
    dense = _moments(x, name).noise_functions
    monkeypatch.setattr(neuron_moments, "_DENSE", 10)
    found = _moments(x, name).noise_functions
    assert found.shape == dense.shape
    assert found.shape[1] > 1
    # Eigenvectors up to their signs: errors are eps over the relative gap of the eigenvalues.
    np.testing.assert_allclose(np.abs(found.T @ dense), np.eye(dense.shape[1]), atol=1e-10)


def test_trace_and_floor_are_the_second_moment_of_the_activation() -> None:
    x = _rows(60, 50)
    moments = _moments(x)
    trace = np.trace(moments.matrix) / 50
    # the noise of a neuron is Δ|w|²/d and not Δ: some per cent of the floor at d = 50
    assert 0.8 < moments.floor / (moments.second_moment - trace) < 1.0


def test_floor_of_a_linear_activation_is_nothing() -> None:
    assert _moments(_rows(20, 10), "linear").floor == 0.0


def test_floor_is_what_sampled_neurons_leave_over() -> None:
    x, d = _rows(15, 12), 12
    moments = _moments(x)
    rng = np.random.default_rng(5)
    w = rng.standard_normal((60_000, d))
    strength = (w * w).mean(axis=1)
    u = math.sqrt(SIGNAL / d) * w @ x.T
    parts = [
        moments._shares_of(u[i : i + 600], strength[i : i + 600]).left.mean()
        for i in range(0, 60_000, 600)
    ]
    sampled = np.array(parts)
    error = sampled.std() / math.sqrt(sampled.size)
    # 256 neurons give the correction, a few per cent of the floor, to a tenth of it at d = 12
    assert abs(moments.floor - sampled.mean()) <= 3.0 * error + 0.02 * moments.floor


def test_floor_is_positive_where_noise_is_small_and_norms_differ() -> None:
    x = _rows(20, 12) * np.exp(1.5 * np.random.default_rng(1).standard_normal((20, 1)))
    activation = resolve("silu")
    signal, delta = math.exp(-2e-4), -math.expm1(-2e-4)
    moments = NeuronMoments(
        50.0 * x, PairKernels(activation.function, activation.pairs, signal, delta)
    )
    assert 0.0 < moments.floor < delta * moments.second_moment


@pytest.mark.parametrize("name", ["tanh", "relu", "linear"])
@pytest.mark.parametrize(("n", "d"), [(30, 20), (10, 20), (2, 3)])
def test_law_has_exact_masses_and_moments(name: str, n: int, d: int) -> None:
    gram = ExactKernelGram(3.0, _moments(_rows(n, d), name))
    matrix = np.array(gram.moments.matrix)
    law = gram.spectrum()
    assert law.masses.sum() + law.atoms[:, 1].sum() == pytest.approx(1.0, abs=1e-12)
    assert np.all(np.abs(law.mass_defect) <= 1e-8)
    one, two = np.trace(matrix) / d, np.sum(matrix * matrix) / d
    # Wick's theorem: Tr U²/p = (Tr M/d)² + ψ_p Tr M²/d where s² = 0
    assert law.moment(1) == pytest.approx(gram.s2 + one, rel=1e-9)
    square = gram.s2**2 + 2.0 * gram.s2 * one + one**2 + 3.0 * two
    assert law.moment(2) == pytest.approx(square, rel=1e-8)


def test_law_is_the_spectrum_of_gaussian_neurons() -> None:
    gram = _gram(40, 30)
    z = gram.spectrum().quantile([0.6, 0.95]) * (1.0 + 0.3j)
    root = np.linalg.cholesky(gram.moments.matrix + 1e-12 * np.eye(len(gram.moments.matrix)))
    rng = np.random.default_rng(1)
    draws = []
    for _ in range(20):
        h = rng.standard_normal((90, len(root))) @ root.T / math.sqrt(30)
        eigenvalues = np.linalg.eigvalsh(h @ h.T) + gram.s2
        draws.append(np.mean(1.0 / (eigenvalues - z[:, None]), axis=1))
    mean, error = np.mean(draws, axis=0), np.std(draws, axis=0) / math.sqrt(len(draws))
    # three standard errors, and a bias of 1/p of the value
    q = gram.solve(z).q
    assert np.all(np.abs(mean - q) <= 3.0 * error + np.abs(q) / 90)


def test_response_to_the_identity_is_the_divided_difference() -> None:
    equations = _gram().equations
    z = np.array([0.3 + 0.2j, 2.0 + 1.0j])
    k = equations.solve(z).k
    points = Points(k, np.ones_like(k))
    found = equations.respond(points, points, FreshNeurons(1.0)).k[0, 1]
    assert found == pytest.approx(-(k[0] - k[1]) / (z[0] - z[1]), rel=1e-12)


def test_products_of_resolvents_are_those_of_gaussian_neurons() -> None:
    n, d, p, rows = 25, 20, 60, 15
    x, others = _rows(n, d), _rows(rows, d, 7)
    moments = _moments(x)
    gram = ExactKernelGram(p / d, moments, others)
    matrix, cross = np.array(moments.matrix), np.hstack(next(moments.fresh(others)))
    rng = np.random.default_rng(2)
    z = np.array([0.4 + 0.4j, 1.5 - 0.5j])
    values, vectors = np.linalg.eigh(matrix)
    root = vectors * np.sqrt(np.maximum(values, 1e-12))
    predict = vectors @ ((vectors.T @ cross) / np.maximum(values, 1e-12)[:, None])
    rest = gram.fresh.second_moment - np.sum(predict * cross) / d
    draws = []
    for _ in range(60):
        h = rng.standard_normal((p, len(matrix))) @ root.T / math.sqrt(d)
        seen = h @ predict
        first, second = (np.linalg.inv(h @ h.T + (gram.s2 - at) * np.eye(p)) for at in z)
        v, fresh = h[:, n : n + d], seen @ seen.T + rest * np.eye(p)
        draws.append(
            [
                np.trace(v.T @ first @ v) / d,
                np.trace(seen[:, rows : rows + d].T @ first @ v) / d,
                np.trace(v.T @ first @ fresh @ second @ v) / d,
                np.trace(first @ fresh @ second) / p,
            ]
        )
    mean, error = np.mean(draws, axis=0), np.std(draws, axis=0) / math.sqrt(len(draws))
    k = gram.solve(z).k
    one, two = (Points(k[i : i + 1], np.ones(1, dtype=complex)) for i in (0, 1))
    equations = gram.equations
    pair = equations.respond(one, two, gram.fresh)
    assert gram.fresh.target is not None
    found = [
        equations.along(one, equations.target)[0],
        equations.cross_along(one, equations.target, gram.fresh.target)[0],
        pair.mean[0, 0],
        pair.k[0, 0] / (gram.psi_p * k[0] * k[1]),
    ]
    # three standard errors (of a complex mean), and corrections of relative order 1/p
    assert np.all(np.abs(mean - found) <= 4.0 * error + np.abs(found) / p)


def test_blocks_of_fresh_rows_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = _gram().fresh
    monkeypatch.setattr("rmtspec.ensembles.neuron_moments._KERNEL_ENTRIES", 7 * 30)
    parts = _gram().fresh
    assert whole.product is not None
    np.testing.assert_allclose(parts.product, whole.product, rtol=0, atol=1e-13)
    np.testing.assert_allclose(parts.target, whole.target, rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", ["tanh", "relu"])
def test_rotated_data_and_other_orders_of_rows_have_the_same_law(name: str) -> None:
    """The floor of rotated data is that of other neurons: the same within the error of its mean."""
    x, others = _rows(30, 20), _rows(25, 20, 7)
    rng = np.random.default_rng(4)
    rotation, _ = np.linalg.qr(rng.normal(size=(20, 20)))
    order = rng.permutation(30)
    first, turned, mixed = (
        ExactKernelGram(3.0, _moments(data, name), fresh)
        for data, fresh in ((x, others), (x @ rotation, others @ rotation), (x[order], others))
    )
    points = Points(np.array([0.1 - 0.05j]), np.ones(1, dtype=complex))
    mean = first.equations.respond(points, points, first.fresh).mean
    for gram, rtol in ((turned, 0.02), (mixed, 1e-10)):
        assert gram.s2 == pytest.approx(first.s2, rel=rtol)
        np.testing.assert_allclose(gram.spectrum().edges[-1], first.spectrum().edges[-1], rtol=1e-7)
    again = mixed.equations.respond(points, points, mixed.fresh).mean
    np.testing.assert_allclose(again, mean, rtol=1e-9)


def test_real_points_and_the_lower_half_plane_belong_to_the_same_transform() -> None:
    gram = _gram()
    left = gram.solve(0.5 * gram.s2).q
    assert left.imag == 0.0
    assert left == pytest.approx(gram.solve(0.5 * gram.s2 + 1e-9j).q, rel=1e-6)
    assert gram.solve(1.0 - 0.5j).q == pytest.approx(np.conj(gram.solve(1.0 + 0.5j).q), rel=1e-15)
    assert np.isnan(gram.solve(1j).r)
    with pytest.raises(ValueError, match="support"):
        gram.solve(float(gram.spectrum().support[-1].mean()))


def test_noise_functions_are_no_more_than_the_columns_leave_room_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x = np.random.default_rng(0).standard_normal((12, 100))
    assert _moments(x, "tanh").noise_functions.shape == (12, 9)
    for size, functions in ((912, 9), (911, 8), (400, 3), (200, 1), (100, 1)):
        monkeypatch.setattr(neuron_moments, "MOST_SIZE", size)
        moments = _moments(x, "tanh")
        said = pytest.warns(DataWarning, match="leaves out weaker ones")
        with said if functions < 9 else contextlib.nullcontext():
            assert moments.noise_functions.shape == (12, functions)
        assert moments.matrix.shape == (12 + 100 * functions,) * 2
