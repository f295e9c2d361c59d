"""Discrete samplers whose schedule ends in pure noise."""

from __future__ import annotations

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.linear.sampling import discrete_path


@pytest.mark.parametrize("noise", ["beta", "posterior", "deterministic"])
@pytest.mark.parametrize("variance", [0.0, 0.3, 4.0])
def test_sampler_from_pure_noise_is_the_limit_of_samplers_from_nearly_pure_noise(noise, variance):
    steps = [0.1, 0.3, 0.6]
    pure = discrete_path(variance, rs.NoiseSchedule([*steps, 1.0]), mean=2.0, noise=noise)
    near = discrete_path(variance, rs.NoiseSchedule([*steps, 1.0 - 1e-14]), mean=2.0, noise=noise)
    assert pure.alpha_bar[-1] == 0.0
    # The limit is approached like the square root of the last signal, 1e-7 times order one.
    np.testing.assert_allclose(pure.mean, near.mean, atol=1e-6)
    np.testing.assert_allclose(pure.variance, near.variance, atol=1e-6)


def test_first_step_from_pure_noise_draws_about_the_mean_with_its_own_noise():
    schedule = rs.NoiseSchedule([0.1, 0.3, 1.0])
    found = {
        noise: discrete_path(0.7, schedule, mean=2.0, noise=noise)
        for noise in ("beta", "posterior", "deterministic")
    }
    signal = 0.9 * 0.7
    for noise, variance in (
        ("beta", 1.0),
        ("posterior", 1 - signal),
        ("deterministic", 1 - signal),
    ):
        assert found[noise].variance[2] == pytest.approx(variance, rel=1e-14)
        assert found[noise].mean[2] == pytest.approx(2.0 * np.sqrt(signal), rel=1e-14)


def test_levels_after_the_first_of_white_noise_change_nothing():
    early = rs.NoiseSchedule.at_times([0.5, 2.0, 330.0])
    late = rs.NoiseSchedule.at_times([0.5, 2.0, 330.0, 340.0, np.inf])
    for noise in ("beta", "posterior", "deterministic"):
        one, other = (discrete_path(0.7, s, mean=1.0, noise=noise) for s in (early, late))
        np.testing.assert_allclose(other.variance[:4], one.variance, rtol=1e-14)
        np.testing.assert_allclose(other.mean[:4], one.mean, rtol=1e-14)
        assert np.all(other.variance[3:] == 1.0)
