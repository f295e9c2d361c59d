"""U with a floor for every neuron: its equations, and the law that is read off point by point."""

from __future__ import annotations

import copy
import math
import warnings
from dataclasses import replace

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.ensembles.exact_kernel import ExactKernelGram
from rmtspec.ensembles.neuron_floors import NeuronFloorsGram
from rmtspec.ensembles.neuron_moments import NeuronMoments
from rmtspec.inputs.activation import resolve
from rmtspec.inputs.gaussian.kernels import PairKernels
from rmtspec.solve.pointwise import PointwiseLaw

SIGNAL, DELTA = math.exp(-0.4), -math.expm1(-0.4)
FloatArray = np.ndarray


def _exact(n: int = 30, d: int = 20, name: str = "tanh", psi_p: float = 3.0) -> ExactKernelGram:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, d)) * np.linspace(0.4, 1.6, d) * rng.uniform(0.6, 1.4, (n, 1))
    activation = resolve(name)
    pairs = PairKernels(activation.function, activation.pairs, SIGNAL, DELTA)
    return ExactKernelGram(psi_p, NeuronMoments(x - x.mean(axis=0), pairs))


def _gram(**changes: object) -> NeuronFloorsGram:
    """Neurons of three kinds that see few directions, with rest modes."""
    found = NeuronFloorsGram(
        psi_p=2.0,
        mu=np.array([0.2, 0.5, 1.0, 4.0]),
        weight=np.array([0.5, 0.5, 0.5, 0.1]),
        rest=np.array([0.5, 0.3, 0.2]),
        floors=np.array([0.1, 0.2, 0.4]),
        scales=np.array([0.7, 1.0, 1.3]),
        shares=np.array([0.3, 0.2, 0.1]),
    )
    return replace(found, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["tanh", "relu"])
@pytest.mark.parametrize("rest", [np.empty(0), np.array([0.6, 0.4])])
def test_equal_neurons_give_the_law_with_one_floor(name: str, rest: FloatArray) -> None:
    exact = _exact(name=name)
    alike = np.ones(7)
    gram = NeuronFloorsGram(
        exact.psi_p, exact.equations.mu, exact.equations.weight, rest,
        exact.s2 * alike, alike, (1e-30 if rest.size else 0.0) * alike,
    )  # fmt: skip
    one, law = exact.spectrum(), PointwiseLaw(gram)
    atom = float(one.atoms[:, 1].sum())
    u = atom + (1.0 - atom) * np.array([0.05, 0.3, 0.7, 0.9])
    x = one.quantile(u)
    np.testing.assert_allclose(law.cdf(x), u, rtol=0, atol=1e-10)
    np.testing.assert_allclose(law.quantile(u), x, rtol=1e-9)
    # η over the distance from an edge, which single eigenvalues at the top have close by
    np.testing.assert_allclose(law.density(x), one.density(x), rtol=1e-6)
    z = x + 0.1j
    np.testing.assert_allclose(law.stieltjes(z), one.stieltjes(z), rtol=1e-12)


@pytest.mark.parametrize("name", ["tanh", "silu", "linear"])
@pytest.mark.parametrize(("n", "d"), [(30, 20), (10, 20)])
def test_mean_is_that_of_the_law_with_one_floor(name: str, n: int, d: int) -> None:
    exact = _exact(n, d, name)
    mean = exact.s2 + float(np.trace(exact.moments.matrix)) / d
    law = PointwiseLaw(NeuronFloorsGram.of(exact))
    assert law.mean() == pytest.approx(mean, rel=1e-12)
    z = 1e5j * mean
    # −z(1 + z g) -> mean, the next order smaller by 1e-5
    assert -z * (1.0 + z * law.stieltjes(z)) == pytest.approx(mean, rel=1e-3)


def test_rest_modes_have_the_sum_one_and_belong_to_what_is_off_the_noise_functions() -> None:
    moments = _exact().moments
    e = moments.noise_functions
    k11 = moments.pairs.within(moments.rows).k11
    off = np.eye(len(e)) - e @ e.T
    values = np.linalg.eigvalsh(off @ k11 @ off)
    assert moments.rest.sum() == pytest.approx(1.0, rel=1e-14)
    assert moments.rest[-1] == pytest.approx(values[-1] / values.sum(), rel=1e-12)
    assert moments.rest.size == len(e) - e.shape[1]


def test_parts_of_a_neuron_add_up_to_its_second_moment() -> None:
    """Parseval, and what the order-one part off the noise functions is."""
    moments = _exact().moments
    u = np.random.default_rng(1).standard_normal((4, 30))
    strength = np.array([0.8, 0.9, 1.1, 1.3])
    found = moments._shares_of(u, strength)
    z, weight = np.polynomial.hermite_e.hermegauss(80)
    weight = weight / weight.sum()
    value = moments.pairs.function(u[..., None] + np.sqrt(DELTA * strength)[:, None, None] * z)
    total = ((value**2) @ weight).mean(axis=1)
    first = value @ (z * weight)
    e = moments.noise_functions
    off = first - (first @ e) @ e.T
    np.testing.assert_allclose(found.left + found.scale, total, rtol=1e-10)
    np.testing.assert_allclose(found.linear, np.mean(off**2, axis=1), rtol=1e-8)


def test_law_is_the_spectrum_of_gaussian_neurons_with_these_floors() -> None:
    gram, copies, d = _gram(), 40, 60
    p = 3 * copies
    rng = np.random.default_rng(0)
    counts = np.round(gram.weight * d).astype(int)
    root = np.sqrt(np.concatenate([np.repeat(gram.mu, counts), np.repeat(gram.rest, d)]) / d)
    f, r, s = (np.repeat(x, copies) for x in (gram.floors, gram.scales, gram.shares))
    seen = int(counts.sum())
    levels, draws = np.array([0.4, 0.8, 1.5, 3.0]), []
    for _ in range(30):
        h = rng.standard_normal((p, root.size)) * root
        h[:, :seen] *= np.sqrt(r)[:, None]
        h[:, seen:] *= np.sqrt(s)[:, None]
        values = np.linalg.eigvalsh(h @ h.T + np.diag(f))
        draws.append([np.mean(values <= level) for level in levels])
    mean, error = np.mean(draws, axis=0), np.std(draws, axis=0) / math.sqrt(len(draws))
    # three standard errors, and a bias of the order of one eigenvalue
    assert np.all(np.abs(mean - PointwiseLaw(gram).cdf(levels)) <= 3.0 * error + 0.5 / p)


def test_fraction_in_a_gap_counts_the_modes_above_it() -> None:
    gram = _gram(mu=np.array([0.2, 0.5, 1.0, 400.0]))
    law = PointwiseLaw(gram)
    # a tenth of the dimensions, of two eigenvalues a dimension; smeared by 1e-12
    np.testing.assert_allclose(law.cdf([30.0, 60.0]), 1.0 - 0.1 / 2.0, rtol=0, atol=1e-10)
    np.testing.assert_allclose(law.density([30.0, 60.0]), 0.0, atol=1e-10)


def test_floors_apart_are_counted_as_well() -> None:
    """Next to nothing is seen: half of the eigenvalues are at one floor, half at the other."""
    gram = _gram(
        mu=np.array([1e-3]), weight=np.array([0.5]), rest=np.empty(0),
        floors=np.array([1.0, 2.0]), scales=np.ones(2), shares=np.zeros(2),
    )  # fmt: skip
    assert PointwiseLaw(gram).cdf([0.9, 1.5, 2.2]) == pytest.approx([0.0, 0.5, 1.0], abs=1e-9)


def test_density_is_the_slope_of_the_distribution_function() -> None:
    law = PointwiseLaw(_gram())
    x = law.quantile([0.1, 0.4, 0.8])
    step = 1e-4 * x
    slope = (law.cdf(x + step) - law.cdf(x - step)) / (2.0 * step)
    np.testing.assert_allclose(law.density(x), slope, rtol=1e-6)


@pytest.mark.parametrize("name", ["support", "edges", "masses", "atoms", "outliers", "origin"])
def test_what_is_not_known_of_it_is_said_with_the_law_that_has_it(name) -> None:
    law = PointwiseLaw(_gram())
    assert hasattr(rs.RandomFeatureModel(8.0, 4.0, 0.1).spectrum(), name)
    with pytest.raises(AttributeError, match=rf"has no {name}: .* model.spectrum\(\).{name} is"):
        getattr(law, name)
    with pytest.raises(AttributeError, match="has no hedges"):
        law.hedges  # noqa: B018
    assert copy.copy(law).mean() == law.mean()


def test_quantiles_come_in_any_order_and_shape() -> None:
    law = PointwiseLaw(_gram())
    u = np.array([[0.9, 0.2], [0.5, 0.2]])
    found = law.quantile(u)
    assert found.shape == u.shape
    assert found[0, 1] == pytest.approx(found[1, 1], rel=1e-11)
    np.testing.assert_allclose(law.cdf(found), u, rtol=1e-12)
    assert law.quantile(0.5) == pytest.approx(found[1, 0], rel=1e-12)
    assert law.quantile([]).shape == (0,)


def test_lower_half_plane_is_the_conjugate_and_a_real_point_is_refused() -> None:
    law = PointwiseLaw(_gram())
    assert law.stieltjes(0.5 - 0.2j) == np.conj(law.stieltjes(0.5 + 0.2j))
    with pytest.raises(ValueError, match=r"z must not be real, got 0\.5"):
        law.stieltjes([0.5, 1j])


@pytest.mark.parametrize("u", [0.0, 1.0, -0.1, np.nan, "a"])
def test_a_fraction_whose_place_is_an_edge_is_refused(u: object) -> None:
    law = PointwiseLaw(_gram())
    for ask in (law.quantile, law.sampling_error):
        with pytest.raises((TypeError, ValueError), match=r"\bu\b"):
            ask(u)


def test_few_neurons_have_a_sampling_error() -> None:
    gram = NeuronFloorsGram.of(_exact(psi_p=6.0))
    u = [0.1, 0.5]
    error = PointwiseLaw(gram).sampling_error(u)
    parts = np.array([PointwiseLaw(gram.part(i, 2)).quantile(u) for i in range(2)])
    off = np.abs(parts[1] - parts[0]) / 2.0
    # a difference of two halves is one draw of the error: within a factor 4 in 19 of 20 tries
    assert np.all(off <= 4.0 * error)
    assert np.all(error < 0.1 * parts.mean(axis=0))


def test_points_without_a_solution_are_nan_and_said_once() -> None:
    law = PointwiseLaw(_gram(floors=np.array([0.1, np.nan, 0.4])))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert np.all(np.isnan(law.density([0.5, 1.0])))
    assert [w.category for w in caught] == [rs.ConvergenceWarning]


def test_a_model_without_rows_has_no_floors_by_neuron() -> None:
    with pytest.raises(ValueError, match="rows must be those of from_data"):
        rs.RandomFeatureModel(8.0, 4.0, 0.1).spectrum_by_neuron()


@pytest.mark.filterwarnings("ignore::rmtspec.FewDimensionsWarning")
def test_given_rows_have_eigenvalues_below_their_mean_floor() -> None:
    x = np.random.default_rng(0).standard_normal((40, 20))
    model = rs.RandomFeatureModel.from_data(x, 2.0, 0.1)
    law = model.spectrum_by_neuron()
    assert law is model.spectrum_by_neuron()
    assert law.quantile(0.05) < model.floor < model.spectrum().quantile(0.05)
    assert law.mean() == pytest.approx(model.spectrum().mean(), rel=1e-8)
    drawn = law.sample(2000, rng=1)
    # three standard errors of the fraction of draws below a point
    assert np.mean(drawn < law.quantile(0.3)) == pytest.approx(0.3, abs=3.0 * 0.011)
