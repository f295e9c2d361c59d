"""Many models in one compiled loop give the numbers of each alone."""

from __future__ import annotations

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.random_features import many
from rmtspec.random_features.families import LOWER
from rmtspec.random_features.many import FAMILIES, solve_many, timescales

POPULATIONS = [
    None,
    rs.PopulationSpectrum([0.0, 0.5, 1.5], [0.2, 0.3, 0.5]),
    rs.PopulationSpectrum(np.geomspace(1e-3, 3.0, 20)),
]
# both sides of every regime, and the equalities between them
PSI_P = np.array([0.3, 1.0, 2.0, 8.0, 64.0])
PSI_N = np.array([0.4, 1.0, 7.0, 8.0])


def alone(psi_p, psi_n, t, activation, population):
    times = rs.RandomFeatureModel(psi_p, psi_n, t, activation, population).timescales()
    return [times.tau_gen, times.tau_mem, times.tau_slow, float(times.merged)]


@pytest.mark.parametrize("population", POPULATIONS)
@pytest.mark.parametrize("activation", ["tanh", "relu", "linear", "hermite2"])
def test_times_are_those_of_each_model_to_the_last_bit(activation, population):
    found = timescales(PSI_P[:, None], PSI_N, 0.1, activation, population)
    assert found.tau_gen.shape == (5, 4)
    for i, psi_p in enumerate(PSI_P):
        for j, psi_n in enumerate(PSI_N):
            columns = (found.tau_gen, found.tau_mem, found.tau_slow, found.merged)
            ours = [float(column[i, j]) for column in columns]
            expected = alone(float(psi_p), float(psi_n), 0.1, activation, population)
            np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("activation", ["tanh", "relu", "hermite2"])
def test_families_do_not_vanish_with_the_signal(activation):
    """c and v² pass below the least float at t = 745 and 120: their bulks stay, next to s²."""
    late = np.array([100.0, 130.0, 400.0, 1000.0])
    found = timescales(8.0, 4.0, late, activation)
    for i, t in enumerate(late):
        expected = alone(8.0, 4.0, float(t), activation, None)
        np.testing.assert_array_equal([found.tau_gen[i], found.tau_mem[i]], expected[:2])
    floor = rs.RandomFeatureModel(8.0, 4.0, 1000.0, activation).floor
    np.testing.assert_allclose(found.tau_mem, 8.0 / floor, rtol=1e-14)
    assert np.isnan(found.tau_gen).all() == (activation == "hermite2")
    np.testing.assert_array_equal(found.tau_gen, found.tau_gen[0])


def test_no_models_have_no_times_and_compile_nothing(monkeypatch):
    monkeypatch.setattr(many, "_solve", None)
    assert timescales([], 8.0, 0.1).tau_gen.shape == (0,)
    assert timescales(np.ones((0, 1)), [4.0, 8.0], 0.1, threads=2).merged.shape == (0, 2)


def test_neither_neighbours_nor_threads_change_a_number():
    psi_p, t = np.geomspace(0.5, 100.0, 150), np.resize([0.01, 0.3, 1.0], 150)
    one = timescales(psi_p, 3.0, t)
    two = timescales(psi_p[::-1], 3.0, t[::-1], threads=2)
    for name in ("tau_gen", "tau_mem", "tau_slow", "merged", "status"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name)[::-1])


def test_a_model_without_coefficients_is_left_out_alone():
    model = rs.RandomFeatureModel(8.0, 4.0, 0.1)
    found = solve_many(
        np.full(2, 8.0), np.full(2, 4.0), [None, model.coefficients], model.population
    )
    assert found.done.tolist() == [False, True]
    assert np.isnan(found.families[0]).all()
    lowest = {family.name: family.lower for family in model.families}
    assert found.column("fast", LOWER)[1] == lowest["fast"]
    assert set(lowest) <= set(FAMILIES)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.0, 1.0, 0.1), "psi_p"),
        ((1.0, [1.0, np.nan], 0.1), "psi_n"),
        ((1.0, 1.0, 0.0), "t must hold numbers > 0"),
        (([1.0, 2.0], [1.0, 2.0, 3.0], 0.1), "must broadcast"),
    ],
)
def test_wrong_arguments_are_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        timescales(*arguments)
