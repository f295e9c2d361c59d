"""Relaxation of one mode under the training rules."""

from __future__ import annotations

import numpy as np
import pytest

from rmtspec.random_features.losses.relaxation import (
    GradientDescent,
    GradientFlow,
    HeavyBall,
    Relaxation,
)

X = np.array([1e-9 + 1e-10j, 0.03 + 0.02j, 0.4 + 0.3j, 1.5 + 0.1j])
RULES = [GradientFlow(2.0), GradientDescent(2.0, 0.3), HeavyBall(2.0, 0.3, 0.6)]


def _iterated(x: np.ndarray, eta: float, beta: float, steps: int) -> np.ndarray:
    """Residual after so many steps of the heavy ball, started at rest."""
    before, now = np.ones_like(x), np.ones_like(x)
    for _ in range(steps):
        before, now = now, (1.0 + beta - eta * x) * now - beta * before
    return now


@pytest.mark.parametrize("steps", [0, 1, 2, 7, 60])
@pytest.mark.parametrize("beta", [0.1, 0.6, 0.9])
def test_heavy_ball_solves_its_recurrence(beta: float, steps: int) -> None:
    rule = HeavyBall(2.0, 0.3, beta)
    found = rule.residual(X, np.array([0.3 * steps]))[0]
    # Off the region of stability r grows; the recurrence itself loses a few digits in 60 steps.
    np.testing.assert_allclose(found, _iterated(X, 0.6, beta, steps), rtol=1e-12, atol=1e-13)


def test_descent_multiplies_by_the_same_factor_every_step() -> None:
    found = GradientDescent(2.0, 0.3).residual(X, np.array([0.3 * 9]))[0]
    np.testing.assert_allclose(found, _iterated(X, 0.6, 0.0, 9), rtol=0, atol=1e-14)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_filter_is_what_is_relaxed_over_the_eigenvalue(rule: Relaxation) -> None:
    tau = np.array([0.0, 0.3, 3.0, 300.0])
    difference = rule.filtered(X, tau) * X - (1.0 - rule.residual(X, tau))
    np.testing.assert_allclose(np.abs(difference), 0.0, atol=1e-14)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_slow_mode_keeps_its_digits(rule: Relaxation) -> None:
    # To first order in x a step moves every rule by ωτ; momentum adds up what it remembers.
    x, tau = np.array([1e-14 + 1e-14j]), np.array([0.3])
    assert abs(rule.filtered(x, tau)[0, 0] - 0.6) < 1e-12


def test_descent_of_short_steps_is_flow() -> None:
    tau = np.array([3.0])
    flow = GradientFlow(2.0).residual(X, tau)
    gaps = [
        np.abs(GradientDescent(2.0, step).residual(X, tau) - flow).max() for step in (1e-3, 1e-4)
    ]
    assert gaps[0] / gaps[1] == pytest.approx(10.0, rel=0.01)  # first order in the step


@pytest.mark.parametrize("rule", RULES[1:], ids=str)
def test_times_are_whole_steps(rule: Relaxation) -> None:
    np.testing.assert_allclose(
        rule.times(np.array([0.0, 0.14, 0.16, 1.0, np.inf])), [0.0, 0.0, 0.3, 0.9, np.inf]
    )
