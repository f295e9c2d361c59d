"""Noise schedules: closed forms of both clocks, and what they refuse."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest

import rmtspec as rs
from rmtspec.inputs.noise import signal_of_time, time_of_signal

EPS = np.finfo(float).eps


@pytest.mark.parametrize(("steps", "last"), [(100, 0.602), (250, 0.282), (1000, 0.0063)])
def test_default_schedule_ends_at_the_signal_of_its_number_of_steps(steps, last):
    # The three values are printed to this many digits.
    assert rs.NoiseSchedule.linear(steps).alpha_bar[-1] == pytest.approx(last, abs=5e-4)


def test_default_steps_run_from_one_ten_thousandth_to_one_hundredth():
    schedule = rs.NoiseSchedule.linear(7)
    np.testing.assert_allclose(np.diff(schedule.beta, n=2), 0.0, atol=4 * EPS * 1e-2)
    assert (schedule.beta[0], schedule.beta[-1], schedule.steps) == (1e-4, 1e-2, 7)
    assert rs.NoiseSchedule.linear(1).beta.tolist() == [1e-4]


def test_signal_is_the_product_of_the_steps():
    schedule = rs.NoiseSchedule.linear(1000)
    with mpmath.workdps(40):
        product = mpmath.mpf(1)
        for k, beta in enumerate(schedule.beta):
            product *= 1 - mpmath.mpf(float(beta))
            signal, noise = schedule.alpha_bar[k], schedule.delta[k]
            # t rounds to eps t, and so ln ᾱ to 2 eps t <= 6 eps; exp and log1p add one each.
            assert abs(signal - product) <= 8 * EPS * product
            assert abs(noise - (1 - product)) <= 8 * EPS * (1 - product)
            assert abs(schedule.noise_to_signal[k] - (1 - product) / product) <= 16 * EPS / product


def test_discrete_steps_and_continuous_time_are_the_same_law():
    times = np.geomspace(1e-9, 40.0, 60)
    schedule = rs.NoiseSchedule.at_times(times)
    np.testing.assert_array_equal(schedule.t, times)
    np.testing.assert_allclose(schedule.alpha_bar, np.exp(-2 * times), rtol=0, atol=0)
    np.testing.assert_allclose(schedule.delta, -np.expm1(-2 * times), rtol=2 * EPS)
    again = rs.NoiseSchedule(schedule.beta[:50])
    # beta < 1 - 1e-3 there, so that log(1 - beta) keeps all but three digits.
    np.testing.assert_allclose(again.t, times[:50], rtol=1e3 * EPS)


def test_the_map_between_time_and_signal_is_its_own_inverse():
    times = np.geomspace(1e-3, 300.0, 30)
    # ln ᾱ carries the rounding of ᾱ: eps absolutely, so eps/2t relatively.
    np.testing.assert_allclose(
        time_of_signal(signal_of_time(times)), times, rtol=4 * EPS, atol=2 * EPS
    )
    assert time_of_signal(0.25) == pytest.approx(np.log(2.0), rel=2 * EPS)


def test_posterior_variance_is_that_of_a_gaussian_between_two_levels():
    schedule = rs.NoiseSchedule([0.125, 0.25, 0.5])
    one, two, three = Fraction(7, 8), Fraction(21, 32), Fraction(21, 64)
    exact = [0, Fraction(1, 4) * (1 - one) / (1 - two), Fraction(1, 2) * (1 - two) / (1 - three)]
    np.testing.assert_allclose(
        schedule.posterior_variance, [float(value) for value in exact], rtol=8 * EPS
    )


def test_one_schedule_serves_both_models():
    schedule = rs.NoiseSchedule.at_times([0.01, 0.5])
    features = rs.RandomFeatureModel(4.0, 2.0, float(schedule.t[0]))
    assert features.delta == pytest.approx(schedule.delta[0], rel=4 * EPS)
    linear = rs.LinearDenoiser(rs.PopulationSpectrum.isotropic(), 2.0)
    assert linear.test_loss(schedule.alpha_bar).shape == (2,)


@pytest.mark.parametrize("beta", [[], [[0.1]], [0.0], [1.0, 0.5], [-0.1], [np.nan], [0.1, 2.0]])
def test_steps_outside_zero_and_one_are_refused(beta):
    with pytest.raises(ValueError, match="beta"):
        rs.NoiseSchedule(beta)


@pytest.mark.parametrize(
    "t",
    [
        [],
        [0.0, 1.0],
        [1.0, 1.0],
        [2.0, 1.0],
        [400.0],
        [400.0, np.inf],
        [np.inf, np.inf],
        [np.inf, 1.0],
    ],
)
def test_times_that_do_not_ascend_are_refused(t):
    with pytest.raises(ValueError, match="t must"):
        rs.NoiseSchedule.at_times(t)


def test_signals_at_the_ends_are_refused():
    for value in (0.0, 1.0, -0.5, np.inf):
        with pytest.raises(ValueError, match="alpha_bar"):
            time_of_signal(value)
    with pytest.raises(ValueError, match="t must"):
        signal_of_time(0.0)
    with pytest.raises(ValueError, match="steps"):
        rs.NoiseSchedule.linear(0)
    with pytest.raises(ValueError, match="last"):
        rs.NoiseSchedule.linear(3, last=1.5)


def test_a_last_step_of_one_ends_in_pure_noise():
    schedule = rs.NoiseSchedule([0.125, 0.25, 1.0])
    np.testing.assert_allclose(schedule.alpha_bar, [7 / 8, 21 / 32, 0.0], rtol=4 * EPS)
    np.testing.assert_allclose(schedule.delta, [1 / 8, 11 / 32, 1.0], rtol=4 * EPS)
    np.testing.assert_allclose(schedule.posterior_variance[-1], 11 / 32, rtol=8 * EPS)
    assert schedule.t[-1] == schedule.noise_to_signal[-1] == np.inf
    assert rs.NoiseSchedule.linear(5, last=1.0).alpha_bar[-1] == 0.0
    timed = rs.NoiseSchedule.at_times([0.1, 1.0, np.inf])
    np.testing.assert_array_equal(timed.t, [0.1, 1.0, np.inf])
    assert timed.beta[-1] == 1.0
    assert rs.NoiseSchedule(1.0).steps == 1
    assert "to 0)" in repr(schedule)


def test_no_model_is_defined_at_pure_noise():
    schedule = rs.NoiseSchedule([0.5, 1.0])
    linear = rs.LinearDenoiser(rs.PopulationSpectrum.isotropic(), 2.0)
    assert np.isfinite(linear.test_loss(schedule.alpha_bar[:-1])).all()
    with pytest.raises(ValueError, match="alpha_bar must hold numbers in"):
        linear.test_loss(schedule.alpha_bar)
    with pytest.raises(ValueError, match="t must be a finite number"):
        rs.RandomFeatureModel(4.0, 2.0, float(schedule.t[-1]))


def test_schedules_are_read_only():
    schedule = rs.NoiseSchedule.linear(3)
    with pytest.raises(ValueError, match="read-only"):
        schedule.beta[0] = 0.5
