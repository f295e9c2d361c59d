"""Learning curves against finite networks: exact losses, the rule that decides, its memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy.stats import t as student
from threadpoolctl import threadpool_limits

from rmtspec.compare.networks.feature_matrices import gaussian_equivalent
from rmtspec.compare.networks.fresh_features import data_moments, fresh_moments
from rmtspec.compare.networks.training_flow import (
    FeatureMoments,
    Flow,
    decompose,
    equivalent_flow,
    flow_filters,
)
from validation.__main__ import main
from validation.curves import run as curves_module
from validation.curves import scaling as scaling_module
from validation.curves.descent import descend
from validation.curves.draws import Prediction, case, draw, recorded_steps
from validation.curves.run import CurveRun, judge, trends
from validation.curves.settings import CURVE_SCALES, CurveSetting, Descent
from validation.data import run as digits_module
from validation.data import settings as digits_settings
from validation.harness.chance import verdict
from validation.harness.draws import Draws
from validation.spectra.settings import MEHLER_ORDER

TINY = [
    CurveSetting("tiny", "flow", 2, 1, 0.5, "two atoms", draws={20: 6, 40: 6}, trend=True),
    CurveSetting("tiny data", "conditional", 2, 1.5, 0.5, draws={20: 4}, matrices=("gaussian",)),
    CurveSetting("tiny spike", "spike", 2, 1, 0.5, draws={20: 6}, spike=4.0),
    CurveSetting("tiny clusters", "mixture", 2, 1, 0.5, draws={20: 6}, spike=4.0),
    CurveSetting(
        "tiny steps",
        "descent",
        2,
        1,
        0.5,
        draws={20: 6},
        matrices=("gaussian",),
        rule=Descent(0.4, 0.5, 0.1, 0.5, steps=50),
    ),
]
# Corrections of a matrix this small are large and of no interest here.
TINY = [replace(setting, corrections=(20.0, 60.0)) for setting in TINY]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    # Matrices this small lose to the waiting of threads for each other.
    with threadpool_limits(1):
        yield


def random_moments(rng: np.random.Generator, p: int = 12, d: int = 5) -> FeatureMoments:
    roots = rng.standard_normal((2, p, 2 * p)) / np.sqrt(p)
    u, u_fresh = (root @ root.T + 0.1 * np.eye(p) for root in roots)
    v, v_fresh = rng.standard_normal((2, p, d)) / np.sqrt(d)
    return FeatureMoments(u, v, u_fresh, v_fresh)


def defined_losses(a: np.ndarray, m: FeatureMoments, delta: float) -> list[float]:
    d, p = a.shape
    linear, square = 2.0 * np.sqrt(delta / p) / d, delta / (p * d)
    return [
        1.0 + linear * np.trace(a @ v) + square * np.trace(a @ u @ a.T)
        for u, v in ((m.u, m.v), (m.u_fresh, m.v_fresh))
    ]


def test_losses_from_eigenvectors_are_those_of_the_weights() -> None:
    m, delta, psi_p = random_moments(np.random.default_rng(1)), 0.2, 2.4
    tau = np.array([0.0, 0.3, 10.0, np.inf])
    flow = decompose(m)
    train, test = flow.losses(flow_filters(flow.eigenvalues, tau, delta, psi_p))
    values, vectors = np.linalg.eigh(m.u)
    for i, time in enumerate(tau):
        f = -np.expm1(-2.0 * delta * values * time / psi_p) / values
        a = -np.sqrt(12 / delta) * m.v.T @ (vectors * f) @ vectors.T
        # Sums of a hundred numbers of order one.
        np.testing.assert_allclose([train[i], test[i]], defined_losses(a, m, delta), rtol=1e-13)
    assert train[0] == test[0] == 1.0


def test_losses_are_the_means_of_those_of_the_directions() -> None:
    flow = decompose(random_moments(np.random.default_rng(2)))
    filters = flow_filters(flow.eigenvalues, np.array([1.0, 30.0]), 0.3, 2.0)
    single = np.array([flow.losses(filters, direction=j) for j in range(5)])
    np.testing.assert_allclose(single.mean(axis=0), flow.losses(filters), rtol=1e-13)


def test_iterated_descent_takes_powers_of_one_minus_the_rate() -> None:
    m, delta, ridge, step = random_moments(np.random.default_rng(3)), 0.2, 0.3, 2.0
    psi_p = 12 / 5
    counts = np.array([1, 2, 7, 40])
    flow = decompose(m)
    shifted = flow.eigenvalues + ridge
    rate = 2.0 * delta * shifted * step / psi_p
    assert np.all(rate < 2.0)
    filters = (1.0 - (1.0 - rate) ** counts[:, None]) / shifted
    found = descend(m, delta, step, counts, ridge=ridge)
    np.testing.assert_allclose(found, flow.losses(filters), rtol=1e-12)


def test_iterated_momentum_follows_its_three_term_recursion_from_any_start() -> None:
    rng = np.random.default_rng(4)
    m, delta, step, beta = random_moments(rng), 0.2, 1.0, 0.7
    start = rng.standard_normal((5, 12))
    goal = -np.sqrt(12 / delta) * np.linalg.solve(m.u, m.v).T
    values, vectors = np.linalg.eigh(m.u)
    eta = 2.0 * delta * values * step / (12 / 5)
    before, now = np.ones(12), 1.0 - eta  # residuals r_0 and r_1
    expected = []
    for count in range(1, 31):
        if count in (1, 3, 30):
            a = goal + (start - goal) @ (vectors * now) @ vectors.T
            expected.append(defined_losses(a, m, delta))
        before, now = now, (1.0 + beta - eta) * now - beta * before
    found = descend(m, delta, step, np.array([1, 3, 30]), momentum=beta, start=start)
    np.testing.assert_allclose(np.transpose(found), expected, rtol=1e-11)


@pytest.mark.parametrize("neurons", [90, 30])
def test_eigenvectors_of_the_small_gram_matrix_give_the_same_losses(neurons: int) -> None:
    rng = np.random.default_rng(5)
    d, n, delta = 10, 25, 0.1
    k = {"c": 0.6, "b": 0.25, "v": 0.2, "s": 0.05}
    w, x = rng.standard_normal((neurons, d)), rng.standard_normal((n, d))
    omega = rng.standard_normal((neurons, n))
    root = rng.standard_normal((d, d))
    covariance = root @ root.T / d
    v = k["b"] / np.sqrt(d) * w
    fresh = w @ (k["c"] ** 2 * covariance + k["b"] ** 2 * np.eye(d)) @ w.T / d
    fresh += (k["v"] ** 2 + k["s"] ** 2) * np.eye(neurons)
    whole = decompose(FeatureMoments(gaussian_equivalent(w, x, omega, **k), v, fresh, v))
    small = equivalent_flow(w, x, omega, covariance, **k)
    assert len(small.eigenvalues) == min(neurons, n + d)
    tau = np.array([1.0, 1e2, 1e4, np.inf])

    def losses(flow: Flow) -> Any:
        return flow.losses(flow_filters(flow.eigenvalues, tau, delta, neurons / d))

    # Eigenvalues down to 1e-3 of the largest: eps times the condition number, squared in the test
    # loss, leaves ten digits.
    np.testing.assert_allclose(losses(small), losses(whole), rtol=1e-9)


def gauss() -> tuple[np.ndarray, np.ndarray]:
    # Trapezoidal rule; for tanh its error exp(-pi^2/(0.05 width)) is nothing below width 5.
    x = np.arange(-9.0, 9.01, 0.05)
    weights = np.exp(-0.5 * x**2)
    return x, weights / weights.sum()


def test_fresh_moments_of_a_mixture_are_the_integrals_over_data_and_noise() -> None:
    rng = np.random.default_rng(6)
    d, t = 60, 0.2
    w = rng.standard_normal((5, d))
    variances = np.linspace(0.3, 1.7, d)
    centre = np.zeros(d)
    centre[0] = 2.0
    u, v = fresh_moments(w, np.array([centre, -centre]), variances, t, "tanh")
    delta = -np.expm1(-2.0 * t)
    cov = (w * (np.exp(-2.0 * t) * variances + delta)) @ w.T / d
    x, weights = gauss()
    for i in range(5):
        for j in range(i + 1):
            # Two standard normals g, h with pre-activations a g and b g + e h.
            a = np.sqrt(cov[i, i])
            b = cov[i, j] / a
            e = np.sqrt(max(cov[j, j] - b**2, 0.0))
            total = 0.0
            for sign in (1.0, -1.0):
                m = sign * np.exp(-t) * w @ centre / np.sqrt(d)
                first = np.tanh(m[i] + a * x)
                second = np.tanh(m[j] + b * x[:, None] + e * x[None, :])
                total += 0.5 * float((weights * first) @ second @ weights)
            # The moments are good to 3e-8 (tanh_moments).
            assert u[i, j] == pytest.approx(total, abs=1e-7)
        slope = 0.0
        for sign in (1.0, -1.0):
            h = sign * np.exp(-t) * (w @ centre)[i] / np.sqrt(d) + np.sqrt(cov[i, i]) * x
            slope += 0.5 * float(weights @ (1.0 - np.tanh(h) ** 2))
        np.testing.assert_allclose(v[i], slope * np.sqrt(delta / d) * w[i], atol=1e-7)


def test_correlation_with_the_noise_is_that_with_the_noised_data_whitened() -> None:
    # Hence L_test = Delta E_score + 1 - Delta Tr Sigma_t^-1 / d at every size, for Gaussian data.
    rng = np.random.default_rng(7)
    d, t = 8, 0.3
    w, variances = rng.standard_normal((6, d)), np.linspace(0.2, 2.0, d)
    _, v = fresh_moments(w, np.zeros((1, d)), variances, t, "tanh")
    delta = -np.expm1(-2.0 * t)
    noised = np.exp(-2.0 * t) * variances + delta
    x, weights = gauss()
    for i in range(6):
        cross = w[i] * noised / np.sqrt(d)  # covariance of h_i and x_t
        square = float(w[i] @ cross) / np.sqrt(d)
        h = np.sqrt(square) * x
        with_data = float(weights @ (h * np.tanh(h))) * cross / square  # E[tanh(h_i) x_t]
        np.testing.assert_allclose(v[i], np.sqrt(delta) * with_data / noised, atol=1e-7)


def test_correlation_of_features_and_noise_is_its_integral() -> None:
    rng = np.random.default_rng(8)
    t, w, x = 0.3, rng.standard_normal((4, 1)), rng.standard_normal((7, 1))
    _, v = data_moments(w, x, t, "tanh", order=1)
    xi, weights = gauss()
    noise = np.sqrt(-np.expm1(-2.0 * t)) * xi
    for i in range(4):
        features = np.tanh(w[i, 0] * (np.exp(-t) * x + noise[None, :]))
        assert v[i, 0] == pytest.approx(float(np.mean(features @ (weights * xi))), abs=1e-7)


def test_the_promised_settings_are_all_there() -> None:
    settings = [s for s in CURVE_SCALES["cpu"]() if s.kind == "flow"]
    assert len({s.name for s in settings}) == len(settings) >= 12
    assert {s.psi_p > s.psi_n for s in settings} == {True, False}
    assert {s.t for s in settings} == {0.01, 0.1, 1.0}
    assert {s.population for s in settings} >= {"isotropic", "two atoms", "power law"}
    assert {s.variance for s in settings} >= {4.0, 0.25}
    assert {d for s in settings for d in s.draws} == {100, 200, 400}
    assert sum(s.trend and len(s.draws) == 3 for s in settings) >= 3
    assert all(count >= 6 for s in CURVE_SCALES["cpu"]() for count in s.draws.values())
    kinds = {s.kind for s in CURVE_SCALES["cpu"]()}
    assert kinds == {"flow", "conditional", "spike", "mixture", "descent"}
    assert all(s.psi_p * d <= 2500 for s in settings if "true" in s.matrices for d in s.draws)


@pytest.mark.parametrize("setting", TINY, ids=lambda setting: setting.name)
def test_every_curve_has_a_prediction_that_starts_with_it(setting: CurveSetting) -> None:
    made = case(setting, 20, 0)
    for matrix in setting.matrices:
        values, _ = draw(made, matrix, np.random.default_rng(1), MEHLER_ORDER)
        assert values.shape == (len(made.predictions), len(made.tau))
        if setting.rule is None:
            # Nothing is learned within 1e-2 of the fastest time: both are 1 to some per cent.
            np.testing.assert_allclose(values[:, 0], 1.0, atol=0.1)
            np.testing.assert_allclose([p.theory[0] for p in made.predictions], 1.0, atol=0.1)


def test_recorded_steps_run_from_the_first_to_the_last() -> None:
    steps = recorded_steps(1500)
    assert steps[0] == 1
    assert steps[-1] == 1500
    assert np.all(np.diff(steps) > 0)


def a_run() -> CurveRun:
    return CurveRun(case(replace(TINY[0], corrections=(2.0, 2.0)), 20, 0), "true", 6)


def test_a_deviation_of_c_over_d_is_permitted_and_no_more() -> None:
    run = a_run()
    prediction = run.case.predictions[0]
    noise = np.array([-1.0, 1.0, -1.0, 1.0, -1.0, 1.0])[:, None] * 1e-3 * prediction.scale
    error = 1e-3 * np.sqrt(6 / 5 / 6)
    for deviation, sigmas in ((1.99, 0.0), (2.1, 0.1 / 20 / error)):
        values = prediction.theory + deviation / 20 * prediction.scale + noise
        row = judge(run, prediction, values)
        assert row.seen == pytest.approx(deviation, rel=1e-6)
        assert row.sigmas == pytest.approx(sigmas, rel=1e-5)
        assert row.chance == pytest.approx(2.0 * student.sf(row.sigmas, 5))
    assert verdict(row, 1e-9) == "beyond 3"
    assert verdict(row, 0.5) == "FAILED"
    assert verdict(replace(row, sigmas=np.nan), 1e-9) == "FAILED"


def test_the_largest_deviation_is_found_wherever_it_is() -> None:
    run = a_run()
    prediction = Prediction(
        "test", run.case.tau, run.case.predictions[1].theory, run.case.predictions[1].scale
    )
    values = np.tile(prediction.theory, (6, 1))
    values[:, 7] -= 0.25
    row = judge(run, prediction, values)
    assert row.deviation == pytest.approx(-0.25)
    assert row.scaled_tau == pytest.approx(run.case.tau[7] * run.case.model.delta)
    assert row.theory == prediction.theory[7]


def test_deviations_like_one_over_d_have_the_exponent_minus_one() -> None:
    runs = [CurveRun(case(TINY[0], d, 0), "gaussian", 6) for d in (20, 40)]
    rng = np.random.default_rng(9)
    for power in (1.0, 0.5):
        draws = Draws(runs, None, {})
        for run in runs:
            d = run.case.dimension
            for i in range(6):
                off = (1.0 + 0.01 * rng.standard_normal()) / d**power
                values = [(p.theory + off).tolist() for p in run.case.predictions]
                draws.records[run.key, i] = {"values": values}
        for row in trends(draws):
            assert row.deviation == pytest.approx(-power, abs=0.05)
            # Beyond the margin only for the wrong power.
            assert (row.sigmas > 10.0) == (power == 0.5)


def test_an_interrupted_run_resumes_to_the_same_file(
    resumes_to_the_same_file: Callable[[str, ModuleType], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CURVE_SCALES, "smoke", lambda: TINY)
    assert resumes_to_the_same_file("curves", curves_module)


def test_curves_of_a_wrong_model_end_with_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    setting = CurveSetting("tiny", "flow", 2, 1, 0.5, draws={40: 12}, matrices=("gaussian",))
    monkeypatch.setitem(CURVE_SCALES, "smoke", lambda: [setting])
    assert main(["curves"]) == 0
    real = curves_module.case

    def mistaken(asked: CurveSetting, dimension: int, seed: int) -> Any:
        # The curves of 30 % more samples.
        wrong = real(replace(asked, psi_n=1.3), dimension, seed)
        return replace(wrong, setting=asked)

    monkeypatch.setattr(curves_module, "case", mistaken)
    assert main(["curves"]) == 1
    assert "FAILED" in capsys.readouterr().out


def test_digits_are_measured_and_an_interrupted_measurement_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few = digits_module.digits()[:300]
    monkeypatch.setattr(digits_module, "digits", lambda: few)
    for module in (digits_module, digits_settings):
        monkeypatch.setattr(module, "SETTINGS", ((128, 0.1),))
        monkeypatch.setattr(module, "SPLITS", 2)
    file = tmp_path / "digits.jsonl"
    assert main(["digits", "--output", str(file)]) == 0
    first = file.read_bytes()
    rows = [json.loads(line) for line in first.decode().splitlines() if "quantity" in line]
    assert [row["quantity"] for row in rows] == list(digits_module.SUMMARIES)
    # Stopped in time the network is better than nothing (1) and than trained to the end.
    least, final = rows[1]["images"], rows[3]["images"]
    assert least < min(1.0, final)
    shown = capsys.readouterr().out
    assert "participation ratio" in shown

    def refused(*job: Any) -> Any:
        raise AssertionError("measured again")

    monkeypatch.setattr(digits_module, "draw", refused)
    assert main(["digits", "--output", str(file)]) == 0
    assert file.read_bytes() == first


def test_best_stopping_is_the_time_of_the_least_test_loss() -> None:
    found = digits_module.summarise(
        np.array([[1.0, 0.5, 0.2], [1.0, 0.6, 0.9]]), np.array([1.0, 10.0, np.inf])
    )
    np.testing.assert_array_equal(found, [10.0, 0.6, 0.2, 0.9])


def test_slope_of_a_power_law_is_its_exponent() -> None:
    x = np.array([1.0, 3.0, 20.0])
    assert scaling_module.slope(x, 5.0 * x**-0.59) == pytest.approx(-0.59, rel=1e-7)


def test_memorisation_takes_times_like_the_samples_and_generalisation_does_not() -> None:
    # 0.02: the fast bulk's lower end still moves like psi_n^-1/2, by 3 % over these decades.
    found = scaling_module.training_times(1e8, 0.1, (1e3, 1e4, 1e5))["exponents"]
    assert found["tau_mem"] == pytest.approx(1.0, abs=0.02)
    assert found["tau_gen"] == pytest.approx(0.0, abs=0.02)
    assert found["tau_mem_curve"] == pytest.approx(1.0, abs=0.02)


def test_scaling_writes_its_table_and_its_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scaling_module, "FIGURE_SAMPLES", np.geomspace(1.0, 100.0, 5))
    monkeypatch.setattr(scaling_module, "SPANS", ((1.0, 100.0),))
    monkeypatch.setattr(scaling_module, "TIME_SETTINGS", ((64.0, 0.1, (4.0, 8.0)),))
    table, picture = tmp_path / "scaling.json", tmp_path / "scaling.png"
    assert main(["scaling", "--output", str(table), "--plot", str(picture)]) == 0
    found = json.loads(table.read_text())
    errors = [point["score_error"] for point in found["least score error"]]
    assert errors == sorted(errors, reverse=True)
    # The limits of Proposition C.2: both losses at 1 - O(Delta), the gap falling with the samples.
    assert found["plateau"]["exponent of 1 - test in delta"] == pytest.approx(1.0, abs=1e-3)
    assert found["plateau"]["exponent of it in psi_n"] < -0.5
    assert picture.stat().st_size > 10_000
