"""Noise levels and predictions: limits in closed form, conversions, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.inputs.diffusion.level import NoiseLevel, noised
from rmtspec.inputs.diffusion.prediction import Prediction

EPS = np.finfo(float).eps
LEVELS = [
    NoiseLevel.ou(0.1),
    NoiseLevel.ddpm(0.3),
    NoiseLevel.edm(0.5),
    NoiseLevel.edm(3.0, 2.0),
    NoiseLevel.flow(0.25),
    NoiseLevel(0.7, 1.9, 0.4),
]
NAMES = ["noise", "data", "v", "velocity", "edm", "edm:2"]


@pytest.mark.parametrize("level", LEVELS, ids=str)
def test_time_has_the_signal_to_noise_ratio_and_gain_of_the_level(level):
    signal, delta = np.exp(-2.0 * level.t), -np.expm1(-2.0 * level.t)
    assert signal / delta == pytest.approx(level.snr, rel=8 * EPS)
    shown = np.array([level.gain * level.alpha, level.gain * level.sigma])
    np.testing.assert_allclose(level.ou_gain * np.sqrt([signal, delta]), shown, rtol=8 * EPS)
    np.testing.assert_allclose(noised(level)[:2], shown, rtol=8 * EPS)


def test_paths_have_the_amplitudes_of_their_papers():
    assert NoiseLevel.flow(0.25) == NoiseLevel(0.75, 0.25)
    assert NoiseLevel.edm(0.75, 1.0) == NoiseLevel(1.0, 0.75, 0.8)
    level = NoiseLevel.ddpm(0.64)
    assert (level.alpha, level.sigma) == pytest.approx((0.8, 0.6))
    assert NoiseLevel.ou(0.3).t == 0.3
    assert NoiseLevel.ddpm(np.exp(-0.6)).t == pytest.approx(0.3, rel=4 * EPS)
    assert NoiseLevel.flow(1.0).t == np.inf
    assert NoiseLevel.flow(1.0).snr == 0.0


def test_small_noise_keeps_its_digits():
    assert NoiseLevel.edm(1e-9).t == pytest.approx(0.5e-18, rel=4 * EPS)
    assert NoiseLevel.flow(1e-12).t == pytest.approx(0.5e-24, rel=1e-11)


@pytest.mark.parametrize("level", LEVELS, ids=str)
def test_another_time_is_on_the_same_path(level):
    moved = level.at_time(0.4)
    assert moved.t == pytest.approx(0.4, rel=8 * EPS)
    back = moved.at_time(level.t)
    values = (level.alpha, level.sigma, level.gain)
    assert (back.alpha, back.sigma, back.gain) == pytest.approx(values, rel=1e-14)


def test_schedule_yields_its_levels():
    schedule = rs.NoiseSchedule([0.1, 0.5, 1.0])
    levels = list(schedule)
    assert len(schedule) == len(levels) == 3
    assert [level.t for level in levels] == schedule.t.tolist()
    assert levels[-1] == NoiseLevel(0.0, 1.0)
    model = rs.RandomFeatureModel(4, 2, levels[0])
    assert model == rs.RandomFeatureModel(4, 2, float(schedule.t[0]))


@pytest.mark.parametrize("level", LEVELS, ids=str)
def test_targets_have_the_invariants_of_the_table(level):
    a, s = level.alpha, level.sigma
    deltas = {"noise": a, "data": -s, "v": a * a + s * s, "velocity": a + s}
    skips = {
        "noise": 0.0, "data": 1 / s, "v": s / (a * a + s * s), "velocity": 1 / (a + s),
        "edm": s / (a * a + s * s), "edm:2": s / (4 * a * a + s * s),
    }  # fmt: skip
    for name, delta in deltas.items():
        assert Prediction.named(name).delta(level) == pytest.approx(delta, rel=4 * EPS)
    for name, skip in skips.items():
        assert Prediction.named(name).noise_skip(level) == pytest.approx(skip, rel=16 * EPS)


@pytest.mark.parametrize("level", LEVELS, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_target_after_the_skip_is_the_target_less_the_skipped(level, name):
    plain = Prediction.named(name).at(level)
    target = Prediction.named(name).target(level)
    expected = (
        plain.noise_part - plain.skip * level.sigma,
        plain.data_part - plain.skip * level.alpha,
    )
    # EDM has 1 − cα without the difference that the plain numbers take.
    size = abs(plain.data_part) + abs(plain.skip) * max(level.alpha, level.sigma)
    assert target == pytest.approx(expected, abs=8 * EPS * size)


def test_edm_on_its_own_path_has_the_preconditioners_of_the_paper():
    sigma, scale = 0.7, 1.3
    level, total = NoiseLevel.edm(sigma, scale), sigma**2 + scale**2
    plain = Prediction.edm(scale).at(level)
    out = sigma * scale / np.sqrt(total)
    assert level.gain == pytest.approx(total**-0.5)
    assert plain.data_part == pytest.approx(1 / out)
    assert plain.skip == pytest.approx(scale**2 / total / out)


@pytest.mark.parametrize("level", LEVELS, ids=str)
def test_conversions_of_errors_return_and_compose(level):
    for first in NAMES:
        for second in NAMES:
            there = rs.convert_error([0.25, 2.0], level, first, second)
            back = rs.convert_error(there, level, second, first)
            np.testing.assert_allclose(back, [0.25, 2.0], rtol=32 * EPS)
            score = rs.convert_error(there, level, second)
            np.testing.assert_allclose(
                score, rs.convert_error([0.25, 2.0], level, first), rtol=32 * EPS
            )
    assert float(rs.convert_error(1.0, level, "noise")) == pytest.approx(level.sigma**-2)


def test_errors_are_those_of_converted_predictions():
    """Pointwise: ξ̂ = (αζ̂ − w x_s)/δ, x̂ = (u x_s − σζ̂)/δ, ŝ = −ξ̂/σ."""
    rng = np.random.default_rng(0)
    level, prediction = NoiseLevel(0.7, 1.9), Prediction(0.4, -1.1, 0.3)
    x, noise, error = rng.normal(size=(3, 50))
    u, w, delta = prediction.noise_part, prediction.data_part, prediction.delta(level)
    shown = level.alpha * x + level.sigma * noise
    predicted = u * noise + w * x + error
    of_noise = (level.alpha * predicted - w * shown) / delta
    of_data = (u * shown - level.sigma * predicted) / delta
    mean = np.mean(error**2)
    for off, target in ((of_noise - noise, "noise"), (of_data - x, "data")):
        expected = float(rs.convert_error(mean, level, prediction, target))
        assert np.mean(off**2) == pytest.approx(expected, rel=1e-13)
    score = -(of_noise - noise) / level.sigma
    assert np.mean(score**2) == pytest.approx(float(rs.convert_error(mean, level, prediction)))


def test_names_read_back():
    for name in NAMES:
        assert Prediction.named(name).name == name
        assert Prediction.named(Prediction.named(name)).name == name
    assert "0.5" in Prediction(0.5, 2.0, 0.1).name
    assert repr(Prediction.v()) == "Prediction.v()"
    assert Prediction.v() == Prediction.v() != Prediction.edm()
    assert str(NoiseLevel.edm(0.5, 2.0)) == "edm:0.5:2"
    assert str(NoiseLevel.flow(0.4)) == "flow:0.4"
    assert "gain 0.4" in str(NoiseLevel(0.7, 1.9, 0.4))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: NoiseLevel(-0.1, 1.0), "alpha"),
        (lambda: NoiseLevel(1.0, 0.0), "sigma"),
        (lambda: NoiseLevel(1.0, 1.0, 0.0), "gain"),
        (lambda: NoiseLevel.ou(0.0), "t must"),
        (lambda: NoiseLevel.ddpm(1.0), "alpha_bar"),
        (lambda: NoiseLevel.edm(1.0, -1.0), "data_scale"),
        (lambda: NoiseLevel.flow(1.5), "s must"),
        (lambda: NoiseLevel.named("flaw", 0.5), "did you mean 'flow'"),
        (lambda: Prediction(0.0, 0.0), "noise and data"),
        (lambda: Prediction(np.nan, 0.0), "noise must"),
        (lambda: Prediction.edm(0.0), "data_scale"),
        (lambda: Prediction.named("velocty"), "did you mean 'velocity'"),
        (lambda: Prediction.named("edm:x"), "edm:"),
        (lambda: rs.convert_error(-1.0, LEVELS[0], "noise"), "value"),
        (lambda: rs.convert_error(1.0, LEVELS[0], Prediction(2.0, 0.0), "speed"), "target"),
        (lambda: rs.convert_error(1.0, NoiseLevel.flow(1.0), "noise"), "level"),
        (lambda: rs.convert_error(1.0, NoiseLevel(1.0, 2.0), Prediction(2.0, 1.0)), "source"),
        (lambda: rs.RandomFeatureModel(4, 2, NoiseLevel.flow(1.0)), "t must be a level"),
    ],
)
def test_wrong_values_are_refused_by_name(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_wrong_kinds_are_refused_by_name():
    with pytest.raises(TypeError, match="prediction must be a Prediction"):
        Prediction.named(3)
    with pytest.raises(TypeError, match="level must be a NoiseLevel"):
        Prediction.noise().delta(0.1)
    with pytest.raises(TypeError, match="noise_level must be a NoiseLevel"):
        rs.RandomFeatureModel(4, 2, 0.1, noise_level="flow")
