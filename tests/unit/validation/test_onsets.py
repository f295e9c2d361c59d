"""Onsets read off known curves, exponents with their intervals, and random features beside."""

from __future__ import annotations

import math

import numpy as np
import pytest

import rmtspec as rs
from validation.curves.two_sets import two_sets
from validation.experiments.pairs.leans import Lean
from validation.experiments.pairs.onsets import ONSETS, Curve, exponent, first_above, floor_of

STEPS = np.concatenate([[0.0], np.geomspace(1.0, 1e5, 400)])
COPIED = "tau_mem, a tenth copied"


def _curve(n: float, power: float = 1.0, most: float = 1e5) -> Curve:
    """A network that learns at 10 updates and memorises in n^power times 20."""
    x = STEPS / (20.0 * n**power)
    rise = x / (1.0 + x)
    test = 1.0 - 0.5 * STEPS / (10.0 + STEPS) + rise
    keep = most >= STEPS
    return Curve(*(c[keep] for c in (STEPS, test, rise, rise, np.rint(1000.0 * rise))), 1000)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # rise = x/(1 + x): a tenth at x = 1/9, a half at x = 1.
        (COPIED, 2000.0 / 9.0),
        ("tau_mem, half copied", 2000.0),
        ("tau_mem, gap a tenth", 2000.0 / 9.0),
        ("tau_mem, half lean", 2000.0),
    ],
)
def test_onsets_of_a_known_curve_are_found_between_milestones(name: str, expected: float) -> None:
    found = ONSETS[name](_curve(100.0), 0.5)
    # Milestones are 2.9 % apart, and copies are whole numbers of a thousand.
    assert found == pytest.approx(expected, rel=1e-2 if "copied" in name else 1e-3)


def test_learning_to_a_level_is_nine_tenths_of_the_way_from_the_first_loss() -> None:
    test = 1.0 - 0.5 * STEPS / (10.0 + STEPS)
    zero = np.zeros_like(STEPS)
    # 0.9 of the way to 0.5 is s/(10 + s) = 0.9.
    found = ONSETS["tau_gen, learned to one level"](Curve(STEPS, test, zero, zero), 0.5)
    assert found == pytest.approx(90.0, rel=1e-3)


def test_a_gap_counts_after_the_level_only_where_it_opens_later_than_that_is_learned() -> None:
    test, zero = 1.0 - 0.5 * STEPS / (10.0 + STEPS), np.zeros_like(STEPS)
    name = "tau_mem, gap a tenth"
    for opened, counts in ((60.0, False), (120.0, True)):  # learned after 90
        c = Curve(STEPS, test, 0.1 * STEPS / opened, zero)
        assert ONSETS[name](c, 0.5) == pytest.approx(opened, rel=1e-3)
        found = ONSETS[f"{name} after the level"](c, 0.5)
        assert found == ONSETS[name](c, 0.5) if counts else math.isnan(found)


def test_half_a_final_gap_is_no_onset_while_the_gap_still_grows() -> None:
    name = "tau_mem, gap half its final size"
    assert math.isnan(ONSETS[name](_curve(100.0, most=2e3), 0.5))
    # At 1e5 updates x = 50 and rise = 50/51; rise is r at x = r/(1 - r).
    half = 0.5 * 50.0 / 51.0
    assert ONSETS[name](_curve(100.0), 0.5) == pytest.approx(2000.0 * half / (1 - half), rel=1e-3)


def test_a_least_loss_at_the_end_of_a_training_is_not_taken_for_the_least() -> None:
    name = "tau_gen, least test loss"
    falling = Curve(STEPS, -STEPS, STEPS, STEPS)
    assert math.isnan(ONSETS[name](falling, 0.0))
    c = _curve(100.0)
    assert ONSETS[name](c, 0.0) == STEPS[np.argmin(c.test)]


def test_a_level_that_is_passed_at_once_or_never_has_no_onset() -> None:
    assert math.isnan(first_above(STEPS, STEPS, -1.0))
    assert math.isnan(first_above(STEPS, STEPS, 1e6))


@pytest.mark.parametrize("power", [0.5, 1.0, 1.5])
def test_an_exponent_is_found_within_its_interval_and_counts_widen_it(power: float) -> None:
    rng = np.random.default_rng(1)
    runs = {}
    for n in (16.0, 32.0, 64.0, 128.0):
        draws = []
        for _ in range(3):
            late = math.exp(0.1 * rng.standard_normal())
            draws.append([_curve(n * late, power) for _ in range(2)])
        runs[n] = draws
    found = exponent(runs, COPIED, np.random.default_rng(0))
    # Three draws a size, spread 0.1: the slope's error is 0.1 power/sqrt(3)/1.55 = 0.037 power;
    # four standard errors.
    assert abs(found.value - power) < 0.15 * power
    assert 0.01 * power < found.half_width < 0.15 * power
    few = {
        n: [[c._replace(copied=np.rint(c.copied / 50), generated=20) for c in p] for p in d]
        for n, d in runs.items()
    }
    assert exponent(few, COPIED, np.random.default_rng(0)).half_width > found.half_width


def test_a_size_that_did_not_get_there_is_named_and_left_out_of_the_fit() -> None:
    runs = {n: [[_curve(n), _curve(n)] for _ in range(2)] for n in (16.0, 32.0, 64.0)}
    runs[64.0][1][0] = _curve(64.0, most=100.0)
    found = exponent(runs, COPIED, np.random.default_rng(0))
    assert found.censored == {64.0: (3, 4)}
    assert sorted(found.onsets) == [16.0, 32.0]
    assert found.value == pytest.approx(1.0, abs=0.01)
    nowhere = exponent({16.0: [[_curve(16.0, most=9.0)] * 2]}, COPIED, np.random.default_rng(0))
    assert math.isnan(nowhere.value)
    assert nowhere.censored == {16.0: (0, 2)}


def test_one_level_for_all_sizes_is_the_highest_of_their_least_losses() -> None:
    runs = {n: [[_curve(n)]] for n in (16.0, 64.0)}
    assert floor_of(runs) == pytest.approx(_curve(16.0).test.min())


def test_two_random_feature_networks_differ_and_lean_as_their_limits_say() -> None:
    model = rs.RandomFeatureModel(16.0, 8.0, 0.1, "tanh")
    co = model.coefficients
    early = np.array([0.02, 0.04])
    found = two_sets(model, early)
    # beta = Delta tau (v^2 + c^2)/psi_n at first; D grows like the fourth power of the time.
    first = model.delta * early * (co.v**2 + co.c**2) / 8.0
    np.testing.assert_allclose(found.beta, first, rtol=2e-2)
    assert found.distance[1] / found.distance[0] == pytest.approx(16.0, rel=0.05)
    curves = model.learning_curves(early)
    np.testing.assert_allclose(found.test, curves.test, rtol=1e-12)


def test_distance_between_random_feature_networks_falls_like_the_inverse_of_n() -> None:
    few, many = (two_sets(rs.RandomFeatureModel(16.0, n, 0.1, "tanh"), 5.0) for n in (64.0, 256.0))
    # At fixed time D n is constant up to terms of relative order 1/psi_n.
    assert 4.0 * many.distance[0] == pytest.approx(few.distance[0], rel=0.05)


def test_variance_overtakes_bias_where_their_ratio_is_one() -> None:
    steps = np.geomspace(1.0, 100.0, 50)
    test = np.abs(np.log(steps / 40.0))
    one = Lean(steps, test, 0.01 * steps, steps, steps / 20.0, np.ones(50))
    best = steps[one.best]
    assert one.overtaken() == pytest.approx(20.0 / best, rel=1e-6)
    assert one.share() == pytest.approx(best / 20.0 / (best / 20.0 + 1.0))
    # Linear between milestones in the logarithm: off by the square of a step of 0.094, over 8.
    assert one.early() == pytest.approx(0.005 * best, rel=2e-3)
    assert math.isnan(one._replace(variance=None).share())
