"""What may be said of classes and times, and what is refused in one line."""

import numpy as np
import pytest

import rmtspec as rs

ONE, TWO = rs.DataClass(0.5, 1.0), rs.DataClass(0.5, 2.0)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: rs.DataClass(0.0, 1.0), ValueError, "weight must be a finite number in (0, 1]"),
        (lambda: rs.DataClass(1.5, 1.0), ValueError, "weight must be"),
        (lambda: rs.DataClass("half", 1.0), TypeError, "weight must be"),
        (lambda: rs.DataClass(1.0), TypeError, "eigenvalues must be given"),
        (lambda: rs.DataClass(1.0, [1.0, -1.0]), ValueError, "eigenvalues must hold"),
        (lambda: rs.DataClass(1.0, [0.0, 0.0]), ValueError, "eigenvalues must be 0 or in"),
        (lambda: rs.DataClass(1.0, [[1.0]]), ValueError, "eigenvalues must be a number or a row"),
        (lambda: rs.DataClass(1.0, []), ValueError, "eigenvalues must be a number or a row"),
        (lambda: rs.DataClass(1.0, 1.0, mean=np.nan), ValueError, "mean must hold finite"),
        (lambda: rs.DataClass(1.0, population="wide"), TypeError, "population must be"),
        (
            lambda: rs.DataClass(1.0, 1.0, population=rs.PopulationSpectrum.isotropic()),
            ValueError,
            "eigenvalues must be left out",
        ),
        (
            lambda: rs.DataClass(1.0, population=rs.PopulationSpectrum([1.0], spikes=[9.0])),
            ValueError,
            "population must have no spikes",
        ),
    ],
)
def test_a_class_that_is_none_is_refused(make, error, words):
    with pytest.raises(error) as caught:
        make()
    assert str(caught.value).startswith(words)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("classes", "options", "words"),
    [
        ([ONE], {}, "classes must have weights that sum to 1, got [0.5] with the sum 0.5"),
        ([], {}, "classes must hold at least one"),
        (
            [rs.DataClass(0.5, [1.0, 2.0]), rs.DataClass(0.5, [1.0, 2.0, 3.0])],
            {},
            "classes must have eigenvalues along the same groups of directions, got 2 and 3",
        ),
        (
            [rs.DataClass(0.5, [1.0, 2.0]), ONE],
            {"direction_weights": [0.2, 0.3, 0.5]},
            "direction_weights must hold 2 numbers",
        ),
        ([ONE, TWO], {"direction_weights": [0.5, 0.4]}, "direction_weights must sum to 1"),
        ([ONE, TWO], {"direction_weights": [1.0, 0.0]}, "direction_weights must hold numbers > 0"),
        (
            [
                rs.DataClass(0.5, population=rs.PopulationSpectrum([1.0, 2.0], [0.5, 0.5])),
                rs.DataClass(0.5, population=rs.PopulationSpectrum([1.0, 2.0], [0.4, 0.6])),
            ],
            {},
            "classes must share an eigenbasis",
        ),
        (
            [rs.DataClass(0.5, 1.0, [1.0, 0.0]), rs.DataClass(0.5, 1.0, -1.0)],
            {},
            "classes must have means of the same length",
        ),
        ([ONE, TWO], {"mean_unit": "d"}, "mean_unit must be 'sqrt(d)' or '1'"),
        ([ONE, TWO], {"nodes": 0}, "nodes must be an integer in [1, 64]"),
        ([ONE, TWO], {"activation": "tan"}, "activation must be one of"),
    ],
)
def test_classes_that_do_not_fit_together_are_refused(classes, options, words):
    with pytest.raises(ValueError, match="must") as caught:
        rs.MixtureModel(4, 2, 0.1, classes, **options)
    assert str(caught.value).startswith(words)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("classes", [None, 3, "ab", [1.0], ONE])
def test_classes_of_another_kind_are_refused(classes):
    with pytest.raises(TypeError, match=r"^classes must be a sequence of DataClass"):
        rs.MixtureModel(4, 2, 0.1, classes)


@pytest.mark.parametrize(
    ("times", "options", "words"),
    [
        ([0.5, 0.1], {}, "times must ascend"),
        ((0.5, 0.1), {}, "times must ascend"),
        ([0.1, 0.1], {}, "times must ascend"),
        ([0.0, 0.1], {}, "times must hold numbers > 0"),
        ([], {}, "times must be a row of 1 to 64 numbers"),
        ([[0.1]], {}, "times must be a row"),
        ([0.1, 0.2], {"weights": [0.5, 0.4]}, "weights must sum to 1"),
        ([0.1, 0.2], {"weights": [1.0]}, "weights must hold 2 numbers"),
        ([0.1], {"bias_weights": [1.0]}, "bias_weights must be left out"),
        ([0.1], {"biases": [0.0, 1.0], "bias_weights": [0.5, 0.6]}, "bias_weights must sum to 1"),
        ([0.1], {"biases": []}, "biases must be a row"),
        ([0.1], {"bias_scale": -1.0}, "bias_scale must be"),
        ([0.1], {"skip": np.inf}, "skip must be"),
        (
            [0.1, 0.2],
            {
                "skip": -1.0,
                "classes": [rs.DataClass(0.5, 1.0, mean=1.0), rs.DataClass(0.5, 1.0, mean=-1.0)],
            },
            "dimension must be given where skip is not 0 and classes have means, got None",
        ),
        ([0.1], {"dimension": 0}, "dimension must be"),
        (
            [0.1],
            {
                "dimension": 1,
                "classes": [rs.DataClass(0.5, 1.0, [1, 0]), rs.DataClass(0.5, 1.0, [0, 1])],
            },
            "dimension must be",
        ),
        ([0.1], {"output": "data"}, "output must be 'score' or 'noise'"),
        ([0.1], {"direction_weights": [1.0]}, "direction_weights must be left out"),
        (
            [0.1],
            {"classes": [ONE, TWO], "population": rs.PopulationSpectrum.isotropic()},
            "population must be left out",
        ),
    ],
)
def test_times_and_biases_that_are_none_are_refused(times, options, words):
    with pytest.raises(ValueError, match="must") as caught:
        rs.TimeIntegratedModel(4, 2, times, **options)
    assert str(caught.value).startswith(words)
    assert "\n" not in str(caught.value)


def test_a_tuple_of_two_times_is_a_window_and_a_list_is_not():
    window = rs.TimeIntegratedModel(4, 2, (0.1, 0.9), bias_scale=0.0).setting.times
    pair = rs.TimeIntegratedModel(4, 2, [0.1, 0.9], bias_scale=0.0).setting.times
    assert window.t.size == 8
    assert window.shares @ window.t == pytest.approx(0.5, rel=1e-14)
    np.testing.assert_array_equal(pair.t, [0.1, 0.9])


def test_populations_stand_for_eigenvalues_and_direction_weights():
    wide = rs.PopulationSpectrum([0.5, 2.0], [0.25, 0.75])
    given = rs.MixtureModel(4, 2, 0.1, [rs.DataClass(0.5, population=wide), rs.DataClass(0.5, 1.0)])
    known = rs.MixtureModel(
        4, 2, 0.1, [rs.DataClass(0.5, [0.5, 2.0]), rs.DataClass(0.5, 1.0)], [0.25, 0.75]
    )
    z = 0.3 + 0.1j
    assert given.resolvent(z).q == pytest.approx(known.resolvent(z).q, rel=1e-14)


def test_means_count_by_their_span():
    classes = [rs.DataClass(0.5, 1.0, [1.0, 1.0]), rs.DataClass(0.5, 1.0, [-1.0, -1.0])]
    model = rs.MixtureModel(4, 2, 0.1, classes, nodes=6)
    assert model.setting.classes.means.shape == (2, 1)
    np.testing.assert_allclose(np.abs(model.setting.classes.means), np.sqrt(2.0))


def legendre(low, high, count):
    x, w = np.polynomial.legendre.leggauss(count)
    return (0.5 * (low + high) + 0.5 * (high - low) * x).tolist(), 0.5 * w


def test_eight_channels_stand_for_a_window_of_times():
    z = np.array([0.02 + 0.005j, 0.3 + 0.05j])
    many = rs.TimeIntegratedModel(6, 3, *legendre(0.1, 1.5, 20), nodes=6).resolvent(z).q
    few = rs.TimeIntegratedModel(6, 3, (0.1, 1.5), nodes=6)
    np.testing.assert_allclose(few.resolvent(z).q, many, rtol=1e-6)
    # A wider window takes more times, and no more channels.
    many = rs.TimeIntegratedModel(6, 3, *legendre(0.02, 2.02, 20), nodes=6).resolvent(z).q
    few = rs.TimeIntegratedModel(6, 3, *legendre(0.02, 2.02, 12), nodes=6)
    assert few.ensemble.reduced.channels.shape[2] <= 8
    np.testing.assert_allclose(few.resolvent(z).q, many, rtol=1e-6)
