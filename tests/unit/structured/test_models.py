"""Score networks of mixtures and of all times: limits, identities and values known otherwise."""

import dataclasses

import numpy as np
import pytest

import rmtspec as rs

Z = np.array([0.02 + 0.01j, 0.5 + 0.1j, -1.0, 3.0 + 0.001j])
TAU = np.append(np.geomspace(0.01, 1e5, 15), np.inf)
PLAIN = rs.PopulationSpectrum.isotropic()
WIDE = rs.PopulationSpectrum([0.5, 1.5, 3.0], [0.2, 0.5, 0.3])
SEPARATED = (rs.DataClass(0.75, 1.0, 1.0), rs.DataClass(0.25, 0.36, -1.0))
UNEQUAL = (rs.DataClass(0.6, [2.0, 0.5]), rs.DataClass(0.4, [0.3, 1.0]))
GAUSS = tuple(0.5 * (x + 1.0) for x in np.polynomial.legendre.leggauss(5)[0])
SHARES = 0.5 * np.polynomial.legendre.leggauss(5)[1]


def window(low, high):
    return [low + (high - low) * x for x in GAUSS]


@pytest.mark.parametrize("population", [PLAIN, WIDE], ids=["isotropic", "three atoms"])
@pytest.mark.parametrize("kind", ["mixture", "time"])
def test_one_type_class_and_time_are_the_random_feature_model(kind, population):
    known = rs.RandomFeatureModel(6, 3, 0.1, "tanh", population)
    if kind == "mixture":
        model = rs.MixtureModel(6, 3, 0.1, [rs.DataClass(1.0, population=population)])
    else:
        model = rs.TimeIntegratedModel(6, 3, [0.1], bias_scale=0.0, population=population)
    np.testing.assert_allclose(model.resolvent(Z).q, known.resolvent(Z).q, rtol=1e-10)
    law, other = model.spectrum(), known.spectrum()
    np.testing.assert_allclose(law.edges, other.edges, rtol=1e-10)
    np.testing.assert_allclose(law.masses, other.masses, rtol=1e-10)
    np.testing.assert_allclose(law.atoms, other.atoms, rtol=1e-10)
    assert model.bulk_names() == known.bulk_names()
    curves, expected = model.learning_curves(TAU), known.learning_curves(TAU)
    for name in ("train", "test", "generalization"):
        np.testing.assert_allclose(getattr(curves, name), getattr(expected, name), atol=1e-10)
    # The score error is a loss over Δ = 0.18.
    np.testing.assert_allclose(curves.score_error, expected.score_error, atol=1e-9)
    np.testing.assert_allclose(curves.class_test[0], curves.test, rtol=1e-12)
    times, spectral = model.timescales(), known.timescales()
    for name in ("tau_gen", "tau_mem", "tau_slow"):
        assert getattr(times, name) == pytest.approx(getattr(spectral, name), rel=1e-9)


def test_best_stopping_and_window_are_those_of_the_random_feature_model():
    training = rs.MixtureModel(6, 3, 0.1, [rs.DataClass(1.0, 1.0)]).training()
    known = rs.RandomFeatureModel(6, 3, 0.1).training()
    best, expected = training.best_stopping(), known.best_stopping()
    assert best.test == pytest.approx(expected.test, abs=1e-10)
    # A minimum is flat: losses to 1e-11 give its place to the root of that.
    assert best.tau == pytest.approx(expected.tau, rel=1e-4)
    window, other = training.window(), known.window()
    for name in ("tau_gen", "tau_mem", "tau_gen_curve", "tau_mem_curve", "tau_mem_loss"):
        assert getattr(window, name) == pytest.approx(getattr(other, name), rel=1e-6)


@pytest.mark.parametrize("rule", [{"step": 0.05}, {"step": 0.05, "momentum": 0.5}, {"ridge": 0.1}])
def test_rules_of_training_are_those_of_the_random_feature_model(rule):
    model = rs.MixtureModel(6, 3, 0.1, [rs.DataClass(1.0, 1.0)])
    known = rs.RandomFeatureModel(6, 3, 0.1)
    curves = model.training(**rule).learning_curves(TAU)
    expected = known.training(**rule).learning_curves(TAU)
    np.testing.assert_allclose(curves.train, expected.train, atol=1e-9)
    np.testing.assert_allclose(curves.test, expected.test, atol=1e-9)


# Test and train loss at τ = inf by a second solution of the same equations, to 6 digits.
@pytest.mark.parametrize(
    ("model", "test", "train"),
    [
        (
            rs.TimeIntegratedModel(6, 3, window(0.1, 1.5), SHARES, output="noise"),
            0.351756,
            0.288383,
        ),
        (
            rs.TimeIntegratedModel(6, 3, window(0.1, 1.5), SHARES, output="noise", skip=-1.0),
            0.299027,
            0.250904,
        ),
        (rs.MixtureModel(6, 3, 0.1, SEPARATED), 1.386444, 0.560813),
    ],
    ids=["all times", "with a skip connection", "separated classes"],
)  # fmt: skip
def test_losses_at_the_end_are_those_of_another_solution(model, test, train):
    curves = model.learning_curves(np.inf)
    assert float(curves.test) == pytest.approx(test, abs=1e-6)
    assert float(curves.train) == pytest.approx(train, abs=1e-6)
    late = model.learning_curves(1e12)  # by the contour in place of the point z = 0
    assert float(late.test) == pytest.approx(float(curves.test), abs=1e-6)


def test_losses_of_classes_at_the_end_are_those_of_another_solution():
    curves = rs.MixtureModel(6, 3, 0.1, SEPARATED).learning_curves(np.inf)
    np.testing.assert_allclose(curves.class_test, [1.566087, 0.847517], atol=1e-6)
    np.testing.assert_allclose(curves.class_train, [0.570153, 0.532794], atol=1e-6)


def test_bulks_of_unequal_classes_are_those_of_another_solution():
    # Distances from the floor S; the atom holds what is left.
    expected = [[3.050420036e-4, 0.05567374999], [0.4075953031, 6.958664092]]
    table = rs.MixtureModel(
        6, 3, 0.1, [rs.DataClass(0.6, [2.0, 0.3]), rs.DataClass(0.4, [0.5, 1.0])], [0.4, 0.6]
    ).spectrum()
    np.testing.assert_allclose(table.edges, expected, rtol=1e-9)
    np.testing.assert_allclose(table.masses, [0.5, 1.0 / 6.0], rtol=1e-12)
    np.testing.assert_allclose(table.atoms, [[0.012882884888, 1.0 / 3.0]], rtol=1e-9)


def test_bulks_of_two_biases_are_those_of_another_solution():
    # Biases are added to the pre-activation: b t with t = 0.1.
    law = rs.TimeIntegratedModel(
        10, 1, [0.1], biases=[0.0, 10.0], bias_weights=[0.6, 0.4], output="noise"
    ).spectrum()
    expected = [
        [4.128320475e-4, 3.601957399e-3],
        [9.156833685e-3, 0.2206663468],
        [0.3936267374, 11.77151716],
    ]
    np.testing.assert_allclose(law.edges, expected, rtol=1e-8)
    np.testing.assert_allclose(law.masses, [0.2, 0.1, 0.1], rtol=1e-12)
    np.testing.assert_allclose(law.atoms[:, 1], [0.4, 0.2], rtol=1e-12)


def test_classes_that_are_mirror_images_do_not_feel_their_weights():
    losses = []
    for weight in (0.5, 0.9):
        classes = [rs.DataClass(weight, 0.5, 1.0), rs.DataClass(1.0 - weight, 0.5, -1.0)]
        curves = rs.MixtureModel(4, 2, 0.1, classes).learning_curves(TAU)
        losses.append(curves)
        np.testing.assert_allclose(curves.class_test[0], curves.class_test[1], atol=1e-10)
    np.testing.assert_allclose(losses[0].test, losses[1].test, atol=1e-10)
    # An activation that is not odd tells them apart.
    classes = [rs.DataClass(0.9, 0.5, 1.0), rs.DataClass(0.1, 0.5, -1.0)]
    other = rs.MixtureModel(4, 2, 0.1, classes, activation="relu").learning_curves(100.0)
    assert abs(other.class_test[0] - other.class_test[1]) > 1e-3


def test_larger_variance_is_learned_first_and_overfits_first():
    classes = [rs.DataClass(0.2, 1.5), rs.DataClass(0.8, 0.5)]
    times = rs.MixtureModel(32, 8, 0.05, classes).timescales()
    assert times.class_gen[0] < times.class_gen[1]
    assert times.class_gap[0] < times.class_gap[1]
    assert times.class_mem[0] < times.class_mem[1]
    # Both memorise late, by modes that they share.
    assert times.class_mem[1] < 1.15 * times.class_mem[0]


def test_stages_of_classes_are_those_of_another_solution():
    classes = [rs.DataClass(0.5, 1.5), rs.DataClass(0.5, 0.5)]
    model = rs.TimeIntegratedModel(32, 8, [0.05], bias_scale=0.0, classes=classes, output="noise")
    stages = model.training().stages()
    np.testing.assert_allclose(stages[1:, 0], [0.91, 2.5], rtol=0.02)
    np.testing.assert_allclose(stages[1:, 1], [1260.0, 1400.0], rtol=0.005)


def test_error_of_the_curves_bounds_the_change_by_more_nodes():
    model = rs.MixtureModel(6, 3, 0.1, SEPARATED, nodes=8)
    training = model.training()
    finer = dataclasses.replace(training.losses, digits=16.0)
    coarse = dataclasses.replace(training.losses, digits=5.0)
    expected, found = finer.losses(TAU), coarse.losses(TAU)
    change = np.abs(found.test - expected.test)
    assert change.max() > 1e-9  # the coarse contour is coarse
    assert np.all(change <= found.error + 1e-12)


def test_losses_at_the_start_are_one_and_fall_on_the_samples():
    curves = rs.TimeIntegratedModel(6, 3, (0.1, 1.0)).learning_curves(np.append(0.0, TAU))
    assert curves.train[0] == curves.test[0] == pytest.approx(1.0, abs=1e-11)
    assert np.all(np.diff(curves.train) <= 1e-11)
    assert np.all(curves.generalization >= -1e-11)
    assert np.all(curves.score_error > 0.0)


def test_total_losses_are_means_of_those_of_classes():
    curves = rs.MixtureModel(6, 3, 0.1, UNEQUAL, [0.4, 0.6]).learning_curves(TAU)
    np.testing.assert_allclose(curves.class_weights @ curves.class_train, curves.train, atol=1e-10)
    np.testing.assert_allclose(curves.class_weights @ curves.class_test, curves.test, atol=1e-10)


def test_output_as_noise_changes_the_unit_of_time_at_one_time():
    score = rs.TimeIntegratedModel(6, 3, [0.1], bias_scale=0.0)
    noise = rs.TimeIntegratedModel(6, 3, [0.1], bias_scale=0.0, output="noise")
    np.testing.assert_allclose(score.spectrum().support, noise.spectrum().support, rtol=1e-12)
    delta = score.delta
    assert noise.delta == 1.0
    np.testing.assert_allclose(
        score.learning_curves(TAU).test, noise.learning_curves(delta * TAU).test, atol=1e-11
    )


def test_curves_go_into_tables_with_a_column_a_class():
    pytest.importorskip("pandas")
    curves = rs.MixtureModel(6, 3, 0.1, UNEQUAL, [0.4, 0.6]).learning_curves(TAU[:4])
    frame = curves.to_dataframe()
    np.testing.assert_array_equal(frame["test_1"], curves.class_test[1])


def test_nodes_of_a_continuum_make_no_bulks_of_their_own():
    model = rs.MixtureModel(6, 3, 0.1, SEPARATED)
    names = model.bulk_names()
    assert names[-1] == "fast"
    assert len(names) > 3  # the law shows single nodes
    assert set(names[:-1]) == {names[-2]}


def test_steps_that_are_too_long_are_refused():
    model = rs.MixtureModel(6, 3, 0.1, UNEQUAL, [0.4, 0.6])
    limit = model.training().stability_limit
    with pytest.raises(ValueError, match="step must be below the stability limit"):
        model.training(step=1.01 * limit)
