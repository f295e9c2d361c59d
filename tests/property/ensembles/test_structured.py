"""What structured ensembles must obey: limits, symmetries, signs and sums over random draws."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.ensembles.structured import ensemble
from rmtspec.ensembles.structured.ensemble import StructuredEnsemble
from rmtspec.ensembles.structured.kernels.counting import fractions_below
from rmtspec.ensembles.structured.points import solve
from rmtspec.ensembles.structured.reduction import Target
from rmtspec.ensembles.structured.two_resolvent import enclosing, final_losses, loss_forms
from validation.certificates.structured import check_law, check_points
from validation.certificates.structured_draws import ensemble_of

ARRAYS = (
    "type_weights", "class_weights", "data_slopes", "noise_slopes", "kernels", "floors",
    "eigenvalues", "eigenvalue_weights",
)  # fmt: skip


def changed(drawn: StructuredEnsemble, **new) -> StructuredEnsemble:
    given = drawn.given
    return dataclasses.replace(drawn, **({"floors": given.floors} | new))


def one_of(model: rs.RandomFeatureModel) -> StructuredEnsemble:
    """The same matrix times Δ, with the target ξ."""
    gram, delta = model.ensemble, model.delta
    c, b = np.sqrt([gram.c2 * delta, gram.b2 * delta])
    return StructuredEnsemble(
        model.psi_p, model.psi_n, [1.0], [1.0], [[[c]]], [[[b]]], [[[[gram.v2 * delta]]]],
        [gram.s2 * delta], model.population.eigenvalues[:, None], model.population.weights,
        Target(np.zeros((1, 1)), np.ones((1, 1))),
    )  # fmt: skip


def assert_same(first: StructuredEnsemble, second: StructuredEnsemble) -> None:
    """Equal laws and losses, up to what rounding and a change of basis may do."""
    z = np.array([0.01 + 0.01j, 0.2 + 0.03j, -1.0]) * (first.origin + first.gaps.edges[-1, 1])
    np.testing.assert_allclose(second.solve(z).q, first.solve(z).q, rtol=1e-10)
    np.testing.assert_allclose(second.gaps.edges, first.gaps.edges, rtol=1e-8)
    np.testing.assert_allclose(second.gaps.masses, first.gaps.masses, rtol=1e-10)
    np.testing.assert_allclose(final_losses(second)[:2], final_losses(first)[:2], rtol=1e-9)


@pytest.mark.parametrize(
    ("psi_p", "psi_n", "t", "activation", "levels"),
    [
        (8.0, 4.0, 0.01, "tanh", [1.0]),
        (4.0, 8.0, 0.1, "tanh", [0.3, 1.7]),
        (0.7, 2.0, 0.05, "relu", [0.5, 1.5]),
        (5.0, 4.0, 0.2, "erf", [1.0]),
        (30.0, 3.0, 0.03, "softplus", [0.0, 1.0, 4.0]),
    ],
)
def test_one_type_class_and_channel_is_the_random_feature_model(
    psi_p, psi_n, t, activation, levels
):
    model = rs.RandomFeatureModel(psi_p, psi_n, t, activation, rs.PopulationSpectrum(levels))
    law, found = model.spectrum(), one_of(model)
    ours, delta = found.spectrum(), model.delta
    # 1e-10 is asked for; rounding leaves 1e-13.
    np.testing.assert_allclose(ours.edges, law.edges * delta, rtol=1e-12)
    np.testing.assert_allclose(ours.masses, law.masses, rtol=1e-12)
    np.testing.assert_allclose(ours.atoms, law.atoms * [delta, 1.0], rtol=1e-12)
    z = model.ensemble.s2 + law.edges[-1, 1] * np.array([1e-3 + 1e-3j, 0.3 + 0.1j, 1.5])
    np.testing.assert_allclose(found.solve(z * delta).q, model.resolvent(z).q / delta, rtol=1e-12)
    # Not 1/2, which is where a bulk of the first law ends: there is no digit of a density.
    x = law.quantile(np.linspace(0.053, 0.947, 10), from_origin=True)
    x = x[(x > 0.0)]
    np.testing.assert_allclose(
        ours.density(x * delta, from_origin=True), law.density(x, from_origin=True) / delta,
        rtol=1e-9,
    )  # fmt: skip


@pytest.mark.parametrize(("psi_p", "psi_n", "t"), [(8.0, 4.0, 0.1), (4.0, 8.0, 0.1)])
def test_its_learning_curves_are_those_of_the_model(psi_p, psi_n, t):
    model = rs.RandomFeatureModel(psi_p, psi_n, t)
    found = one_of(model)
    tau = np.geomspace(1e-2, 1e5, 8)
    contour = enclosing(found, 90)
    f = -np.expm1(-2.0 * np.outer(tau, contour.points) / psi_p) / contour.points
    losses = loss_forms(found, contour.points).losses(f * contour.weights)
    curves = model.learning_curves(tau)
    # The trapezoidal rule with 90 nodes is exact to 1e-13 of sums a hundred times the losses.
    np.testing.assert_allclose(losses[0], curves.test, rtol=1e-10)
    np.testing.assert_allclose(losses[1], curves.train, rtol=1e-10)
    end = model.learning_curves(np.array([np.inf]))
    np.testing.assert_allclose(final_losses(found)[:2], [*end.test, *end.train], rtol=1e-10)


@pytest.mark.parametrize("index", [1, 2, 5])
def test_splitting_types_and_classes_changes_nothing(index):
    drawn = ensemble_of(2, index, classes=2, channels=1)
    g = drawn.given
    types, classes = np.r_[0, np.arange(g.weights.size)], np.array([0, 1, 1])
    weight = g.weights[types] * np.r_[0.3, 0.7, np.ones(g.weights.size - 1)]
    share = g.classes[classes] * np.array([1.0, 0.25, 0.75])
    grown = np.sqrt(share / g.classes[classes])
    twice = changed(
        drawn, type_weights=weight, class_weights=share, data_slopes=g.data[types][:, classes],
        noise_slopes=g.noise[types][:, classes] * grown[:, None],
        kernels=g.kernels[types][:, classes], floors=g.floors[types][:, classes],
        eigenvalues=g.levels[:, classes], eigenvalue_weights=g.shares,
        target=Target(g.target.data[classes], g.target.noise[classes] * grown[:, None]),
    )  # fmt: skip
    assert twice.parts.slopes.shape == drawn.parts.slopes.shape
    assert_same(drawn, twice)
    ours, theirs = final_losses(drawn), final_losses(twice)
    np.testing.assert_allclose(theirs[2:5], ours[2:4][classes], rtol=1e-10)
    np.testing.assert_allclose(theirs[5:8], ours[4:6][classes], rtol=1e-10)


@pytest.mark.parametrize("index", [0, 3])
def test_order_of_types_classes_and_channels_and_their_rotation_change_nothing(index):
    drawn = ensemble_of(3, index, types=3, classes=2, channels=2, ratios=(0.3, 1.0))
    g, rng = drawn.given, np.random.default_rng(index)
    types, classes = rng.permutation(3), np.array([1, 0])
    order = np.ix_(types, classes)
    turn = np.linalg.qr(rng.standard_normal((2, 2)))[0]
    other = changed(
        drawn, type_weights=g.weights[types], class_weights=g.classes[classes],
        data_slopes=g.data[order] @ turn, noise_slopes=g.noise[order] @ turn,
        kernels=turn.T @ g.kernels[order] @ turn, floors=g.floors[order],
        eigenvalues=g.levels[:, classes],
        target=Target(g.target.data[classes] @ turn, g.target.noise[classes] @ turn),
    )  # fmt: skip
    assert_same(drawn, other)
    ours, theirs = final_losses(drawn), final_losses(other)
    np.testing.assert_allclose(theirs[2:4], ours[2:4][classes], rtol=1e-9)


@pytest.mark.parametrize("index", range(4))
def test_losses_of_the_classes_add_up_and_the_train_loss_needs_one_integral_only(index):
    drawn = ensemble_of(4, index, ratios=(0.0, 1.0))
    contour = enclosing(drawn, 60)
    forms = loss_forms(drawn, contour.points)
    exponent = np.outer([0.1, 10.0, 1e3], contour.points) / drawn.psi_p
    f, twice = (-np.expm1(-k * exponent) / contour.points * contour.weights for k in (2.0, 4.0))
    losses, classes = forms.losses(f), drawn.given.classes.size
    share = drawn.given.classes
    np.testing.assert_allclose(share @ losses[2 : 2 + classes], losses[0], rtol=1e-11)
    np.testing.assert_allclose(share @ losses[2 + classes :], losses[1], rtol=1e-11)
    single = forms.initial[1] - 2.0 * (twice @ forms.single[1]).real
    # The double integral has the error of the rule, 1e-8 with 60 nodes at worst.
    np.testing.assert_allclose(losses[1], single, rtol=1e-8)
    assert np.all(np.diff(losses[1]) <= 1e-12)


def test_losses_approach_those_of_the_minimum():
    drawn = ensemble_of(4, 1, ratios=(0.0, 0.5))
    contour = enclosing(drawn, 80)
    f = contour.weights / contour.points
    last = loss_forms(drawn, contour.points).losses(
        f[None] * -np.expm1(-2e9 * contour.points / drawn.psi_p)
    )
    np.testing.assert_allclose(last[:, 0], final_losses(drawn), rtol=1e-8)


@pytest.mark.parametrize("index", range(6))
def test_points_lie_on_the_branch_that_comes_from_infinity(index):
    outcome = check_points(5, index)
    assert (outcome["refused"], outcome["wrong"]) == (0, 0)


@pytest.mark.parametrize("index", range(4))
def test_bulks_are_where_the_density_is(index):
    outcome = check_law(6, index)
    assert outcome["complaints"] == []
    assert outcome["bulks"] >= 1


@pytest.mark.parametrize("index", range(3))
def test_fraction_below_a_point_is_the_distribution_function(index):
    drawn = ensemble_of(7, index)
    law = drawn.spectrum()
    # Next to an edge the law interpolates; inside it must agree to what it is resolved to.
    inside = law.edges[:, :1] + np.diff(law.edges) * np.array([0.1, 0.5, 0.8])
    x = inside.ravel()
    roots = solve(drawn.parts, x + 0j)
    below = fractions_below(drawn.parts, roots.g, roots.d)
    np.testing.assert_allclose(law.cdf(x, from_origin=True), below, atol=1e-11)


@pytest.mark.parametrize("index", range(3))
def test_slope_of_the_trace_is_its_derivative(index):
    drawn = ensemble_of(8, index)
    z = drawn.bound * np.array([0.01 + 0.01j, 0.1 + 0.003j])
    h = 1e-5 * abs(z)
    found = drawn.solve(z)
    difference = (drawn.solve(z + h).q - drawn.solve(z - h).q) / (2.0 * h)
    # Second order in the step, relative to the distance from the axis (1e-10), and rounding / step.
    np.testing.assert_allclose(found.slope, difference, rtol=1e-6)


def test_an_atom_inside_of_a_bulk_counts_beside_it():
    # One type has more neurons than the directions its samples and noise span; the noise of the
    # other types has directions left, and their band runs across its floor.
    drawn = ensemble_of(0, 21)
    law = drawn.spectrum()
    x = drawn.found.gaps.embedded[:, 0]
    inside = (x[:, None] > law.edges[:, 0]) & (x[:, None] < law.edges[:, 1])
    assert x.size == 3
    assert np.all(inside.sum(axis=1) == 1)
    assert law.masses.sum() + law.atoms[:, 1].sum() == pytest.approx(1.0, abs=1e-12)
    # The density is integrated without a word of the atoms.
    assert np.all(np.abs(law.mass_defect) <= 1e-10)
    u = np.linspace(0.25, 1.0, 40)
    quantile = law.quantile(u, from_origin=True)
    assert np.all(np.diff(quantile) >= 0.0)
    assert np.all(law.cdf(quantile * (1.0 + 1e-9), from_origin=True) >= u - 1e-10)
    assert np.all(law.cdf(quantile * (1.0 - 1e-9), from_origin=True) <= u + 1e-10)


def test_gaps_beyond_an_atom_inside_of_a_bulk_are_found():
    # Next to the atom N is rounding: a search that halves panels there gives up before the gap
    # that follows, and the two bulks are one of density that is refined without end.
    outcome = check_law(0, 72)
    assert outcome["bulks"] == 9
    assert outcome["complaints"] == []


def test_roots_far_below_the_terms_that_make_them_up_are_certified():
    # Their residuals are 1e-11 and more of these terms, their errors 1e-7; in a bulk at 1e-7 of the
    # top of the spectrum a third of the points had no root.
    outcome = check_law(0, 21)
    assert outcome["complaints"] == []


def test_density_next_to_an_edge_is_asked_for_no_more_often_than_its_noise_is_worth(monkeypatch):
    asked = []
    solve = ensemble.solve

    def counted(parts, points):
        asked.append(points.size)
        return solve(parts, points)

    monkeypatch.setattr(ensemble, "solve", counted)
    classes = [rs.DataClass(*one) for one in ((0.57, 5.46), (0.11, 0.675), (0.32, 61.5))]
    law = rs.MixtureModel(19.36, 0.1685, 1.0734, classes, activation="tanh").spectrum()
    assert np.abs(law.mass_defect).max() <= 1e-12
    assert sum(asked) <= 10_000  # Im g lost its digits long before g did


@pytest.mark.parametrize("ratios", [(8.0, 4.0), (0.5, 0.3), (0.3, 4.0)])
def test_linear_activation_has_the_curves_of_one_class_and_time(ratios):
    taus = np.geomspace(0.1, 1e6, 5)
    plain = rs.RandomFeatureModel(*ratios, 0.1, "linear").learning_curves(taus)
    mixture = rs.MixtureModel(*ratios, 0.1, [rs.DataClass(1.0, 1.0)], activation="linear")
    integrated = rs.TimeIntegratedModel(*ratios, 0.1, activation="linear")
    halves = [rs.DataClass(0.5, 1.0), rs.DataClass(0.5, 1.0)]
    classes = rs.MixtureModel(*ratios, 0.1, halves, activation="linear")
    for model in (mixture, integrated, classes):
        # Kernels and floors are rounding; the closed form of one class has none.
        assert model.learning_curves(taus).test == pytest.approx(plain.test, rel=1e-7)
