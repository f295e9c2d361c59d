r"""Misprints of arXiv 2505.17638 and of published code, decided by sampling.

For every quantity the right form must agree with samples and the printed form must be excluded by
them. Rows of W are normalised to sqrt(d) where a neuron's variance is meant to be exactly
:math:`\Gamma_t^2=e^{-2t}\sigma_x^2+\Delta_t`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rmtspec.compare.networks.feature_matrices import gaussian_equivalent
from rmtspec.inputs.activation import Coefficients, gaussian_equivalence
from validation.harness.checks import FAILED, Check, averaged, compared, measured, refuted
from validation.harness.experiment import Experiment, Outcome, Setup, Task, Values, packed

Array = NDArray[np.float64]

_DRAWS = {"smoke": 6, "cpu": 16, "gpu": 64}
_TIME = 0.1
_DIMENSION, _NEURONS, _SAMPLES = 200, 60, 20_000
_HERMITE_ORDER = 3
_TOY = (24, 48, 36, 400)  # d, p, n, noises a sample of the gradient-descent slips


def _plan(scale: str) -> list[Task]:
    draws = _DRAWS[scale]
    return [
        Task("coefficients, sigma_x = 2", {"variance": 4.0, "draws": draws}, 0.7 * draws),
        Task("coefficients, sigma_x = 0.5", {"variance": 0.25, "draws": draws}, 0.7 * draws),
        Task("trace of U", {"draws": draws}, 0.3 * draws),
        Task("rates", {"draws": draws}, 0.2 * draws),
        Task("atom", {"draws": 4}, 0.5),
        Task("constants by sampling", {"draws": 20}, 1.0),
    ]


def _measure(task: Task, setup: Setup) -> Values:
    program: Callable[[np.random.Generator, Values], dict[str, float]]
    program = {
        "coefficients, sigma_x = 2": _coefficients,
        "coefficients, sigma_x = 0.5": _coefficients,
        "trace of U": _trace,
        "rates": _rates,
        "atom": _atom,
        "constants by sampling": _constants,
    }[task.key]
    draws = [
        program(setup.rng("slips", task.key, i), task.settings)
        for i in range(task.settings["draws"])
    ]
    return {name: packed([draw[name] for draw in draws]) for name in draws[0]}


def _normalised(rng: np.random.Generator, neurons: int, dimension: int) -> Array:
    w = rng.standard_normal((neurons, dimension))
    return w * (math.sqrt(dimension) / np.linalg.norm(w, axis=1, keepdims=True))


def _coefficients(rng: np.random.Generator, settings: Values) -> dict[str, float]:
    """Input scale, second moment, slopes a, b, c and covariance at two noisings, by sampling."""
    root, t = math.sqrt(settings["variance"]), _TIME
    delta = -math.expm1(-2.0 * t)
    w = _normalised(rng, _NEURONS, _DIMENSION)
    scaled = w / math.sqrt(_DIMENSION)
    x = root * rng.standard_normal((_SAMPLES, _DIMENSION))
    noise, again = (rng.standard_normal(x.shape) for _ in range(2))
    h = (math.exp(-t) * x + math.sqrt(delta) * noise) @ scaled.T
    other = (math.exp(-t) * x + math.sqrt(delta) * again) @ scaled.T
    phi, repeated = np.tanh(h), np.tanh(other)
    shared = scaled @ scaled.T
    variance = math.exp(-2.0 * t) * settings["variance"] + delta
    off = ~np.eye(_NEURONS, dtype=bool)
    seen, expected = (phi.T @ phi / len(x))[off], (variance * shared)[off]
    weight = float(np.sum(scaled**2))
    return {
        "input scale": float(np.sqrt(np.mean(h**2))),
        "second moment": float(np.mean(phi**2)),
        "slope of U off the diagonal": float(seen @ expected / (expected @ expected)),
        "slope on data": float(np.sum((phi.T @ x / len(x)) * scaled))
        / (weight * settings["variance"]),
        "slope on noise": float(np.sum((phi.T @ noise / len(x)) * scaled)) / weight,
        "two noisings": float(np.mean(phi * repeated)),
    }


def _trace(rng: np.random.Generator, settings: Values) -> dict[str, float]:
    """(1/p) Tr U of true features, t = 1 and 0.1, at unit variance: the mean of sigma^2."""
    found = {}
    for t in (1.0, 0.1):
        delta = -math.expm1(-2.0 * t)
        w = _normalised(rng, _NEURONS, _DIMENSION) / math.sqrt(_DIMENSION)
        x, noise = (rng.standard_normal((_SAMPLES, _DIMENSION)) for _ in range(2))
        h = (math.exp(-t) * x + math.sqrt(delta) * noise) @ w.T
        found[f"t = {t:g}"] = float(np.mean(np.tanh(h) ** 2))
    return found


def _rates(rng: np.random.Generator, settings: Values) -> dict[str, float]:
    """Rates of the fastest mode under gradient descent on the sampled loss, in units of theory's.

    The noises are drawn once, so that the loss is one fixed quadratic form; its gradient is
    formed from the residuals. Unit of rates: Delta lambda/psi_p per unit of tau.
    """
    d, p, n, noises = _TOY
    delta = -math.expm1(-2.0 * _TIME)
    w = rng.standard_normal((p, d)) / math.sqrt(d)
    x = np.repeat(rng.standard_normal((n, d)), noises, axis=0)
    noise = rng.standard_normal(x.shape)
    phi = np.tanh((math.exp(-_TIME) * x + math.sqrt(delta) * noise) @ w.T)
    values, axes = np.linalg.eigh(phi.T @ phi / len(x))
    top, axis = values[-1], axes[:, -1]
    unit = delta * top * d / p
    rates = {}
    for name, norm in (("with 1/sqrt(p)", math.sqrt(p)), ("without 1/sqrt(p)", 1.0)):
        # A thousandth of an e-fold a step: the exponential is met to that accuracy.
        tau = 1e-3 / (unit * p / norm**2)
        a = np.zeros((d, p))
        changes, falls = [], []
        for _ in range(3):
            residual = math.sqrt(delta) / norm * phi @ a.T + noise
            loss = float(np.mean(residual**2))
            gradient = (2.0 * math.sqrt(delta) / (norm * d * len(x))) * residual.T @ phi
            changes.append(gradient @ axis)
            share = float(np.sum((gradient @ axis) ** 2))
            falls.append((loss, share))
            a -= tau * d**2 * gradient
        ratio = float(changes[0] @ changes[1] / (changes[0] @ changes[0]))
        rates[f"rate of A, {name}"] = -math.log(ratio) / (tau * unit)
        # The part of the loss that the mode carries is proportional to its squared gradient.
        rates[f"rate of the loss, {name}"] = -math.log(falls[1][1] / falls[0][1]) / (tau * unit)
    return rates


def _atom(rng: np.random.Generator, settings: Values) -> dict[str, float]:
    """Share of eigenvalues of the Gaussian equivalent at s^2, beside and between the regimes."""
    d, shares = 60, {}
    for psi_p, psi_n in ((8, 4), (4, 3.5)):
        k = gaussian_equivalence("tanh", _TIME, 1.0)
        n, p = round(psi_n * d), round(psi_p * d)
        w, x = rng.standard_normal((p, d)), rng.standard_normal((n, d))
        u = gaussian_equivalent(w, x, rng.standard_normal((p, n)), c=k.c, b=k.b, v=k.v, s=k.s)
        above = np.linalg.eigvalsh(u) - k.s**2
        shares[f"psi_p {psi_p:g}, psi_n {psi_n:g}"] = float(np.mean(above < 1e-10))
    return shares


def _constants(rng: np.random.Generator, settings: Values) -> dict[str, float]:
    """s^2 at t = 0.01 as a difference of plain averages over 500,000 draws."""
    t, count = 0.01, 500_000
    k = gaussian_equivalence("tanh", t, 1.0)
    u, first, second = rng.standard_normal((3, count))
    one = np.tanh(math.exp(-t) * u + math.sqrt(k.delta) * first)
    two = np.tanh(math.exp(-t) * u + math.sqrt(k.delta) * second)
    return {"s^2": float(np.mean(one**2)) - float(np.mean(one * two)) - k.b**2}


def _judge(outcomes: Sequence[Outcome]) -> list[Check]:
    values = {task.key: found for task, found in outcomes}
    checks = []
    for root in (2.0, 0.5):
        checks += _judge_coefficients(values[f"coefficients, sigma_x = {root:g}"], root)
    return [
        *checks,
        *_judge_trace(values["trace of U"]),
        *_judge_rates(values["rates"]),
        *_judge_atom(values["atom"]),
        _judge_constants(values["constants by sampling"]),
    ]


def _judge_coefficients(found: Values, root: float) -> list[Check]:
    k = gaussian_equivalence("tanh", _TIME, root**2)
    first = k.a * k.gamma  # mu_1 = E sigma(Gamma z) z
    at = f"sigma_x = {root:g}: "
    # Off the diagonal U has, beside a^2 C, Hermite terms of relative size C^2 = O(1/d).
    margin = 3.0 / _DIMENSION * k.a**2
    checks = [
        averaged(f"{at}scale of a neuron's input, Gamma_t", k.gamma, found["input scale"]),
        refuted(f"{at}Gamma_t printed without the root (main text)", k.gamma**2,
                found["input scale"]),
        averaged(f"{at}diagonal of Utilde, with a_t = mu_1/Gamma_t", k.second_moment,
                 found["second moment"]),
        refuted(f"{at}diagonal of Utilde, with mu_1 for a_t (Lemma C.2)",
                k.second_moment + first**2 * (k.gamma**2 - 1.0), found["second moment"]),
        averaged(f"{at}off the diagonal Utilde is a_t^2 W Sigma_t W^T/d", k.a**2,
                 found["slope of U off the diagonal"], margin=margin,
                 note="margin 3/d: next Hermite terms"),
        refuted(f"{at}off the diagonal with mu_1^2 (Eqs. 81, 183)", first**2,
                found["slope of U off the diagonal"]),
        averaged(f"{at}slope on the data, e^-t mu_1/Gamma_t", k.c, found["slope on data"]),
        refuted(f"{at}slope on the data, e^-t mu_1/sigma_x", math.exp(-_TIME) * first / root,
                found["slope on data"]),
        averaged(f"{at}slope on the noise b_t = sqrt(Delta) mu_1/Gamma_t", k.b,
                 found["slope on noise"]),
        refuted(f"{at}slope on the noise b_t = sqrt(Delta) mu_1", math.sqrt(k.delta) * first,
                found["slope on noise"]),
        averaged(f"{at}covariance at two noisings, Mehler's sum with 1/k!", k.c**2 * root**2
                 + k.v**2, found["two noisings"]),
        refuted(f"{at}the same sum without 1/k! (to order {_HERMITE_ORDER})",
                _without_factorial(k, root), found["two noisings"]),
    ]  # fmt: skip
    if root == 2.0:
        wrong = gaussian_equivalence("tanh", _TIME, root**4).second_moment
        checks.append(
            refuted(f"{at}Tr Sigma/d taken for sigma_x (published script)", wrong,
                    found["second moment"])
        )  # fmt: skip
    return checks


def _without_factorial(k: Coefficients, root: float) -> float:
    nodes, weights = np.polynomial.hermite_e.hermegauss(200)
    weights = weights / weights.sum()
    correlation = math.exp(-2.0 * _TIME) * root**2 / k.gamma**2
    total = 0.0
    for order in range(1, _HERMITE_ORDER + 1):
        basis = np.polynomial.hermite_e.hermeval(nodes, np.eye(order + 1)[order])
        total += float(weights @ (np.tanh(k.gamma * nodes) * basis)) ** 2 * correlation**order
    return total


def _judge_trace(found: Values) -> list[Check]:
    late, early = (gaussian_equivalence("tanh", t, 1.0) for t in (1.0, 0.1))

    def total(k: Coefficients) -> float:
        return k.s**2 + k.v**2 + k.c**2 + k.b**2

    return [
        averaged("(1/p) Tr U, t = 1, with (b_t^2/d) W W^T", total(late), found["t = 1"]),
        refuted("(1/p) Tr U, t = 1, W W^T divided by d twice (published script)",
                total(late) - late.b**2 * (1.0 - 1.0 / _DIMENSION), found["t = 1"]),
        averaged("(1/p) Tr U, t = 0.1", total(early), found["t = 0.1"]),
        refuted("(1/p) Tr U, t = 0.1, without the b_t^2 term (Eq. 187)",
                total(early) - early.b**2, found["t = 0.1"]),
        refuted("(1/p) Tr U, t = 0.1, with s_t^2 + v_t^2 for s_t^2 (Eq. 187)",
                total(early) + early.v**2, found["t = 0.1"]),
    ]  # fmt: skip


def _judge_rates(found: Values) -> list[Check]:
    d, p, _, _ = _TOY
    note = "unit: Delta lambda/psi_p per tau; margin: one step is 1e-3 of an e-fold"
    scaled, bare = found["rate of A, with 1/sqrt(p)"], found["rate of A, without 1/sqrt(p)"]
    loss = found["rate of the loss, with 1/sqrt(p)"]
    return [
        averaged("rate of a mode of A is 2 Delta lambda/psi_p", 2.0, scaled, margin=5e-3,
                 note=note),
        averaged("rate of its part of the loss is 4 Delta lambda/psi_p", 4.0, loss, margin=1e-2,
                 note=note),
        _apart("rate printed Delta lambda/psi_p (tau = psi_p/(Delta lambda))", 1.0, scaled),
        _apart("rate printed 2 Delta lambda/d (Eqs. 206-208)", 2.0 * (p / d) / d, scaled),
        averaged("A without 1/sqrt(p) (published training script): p times as fast", 2.0 * p,
                 bare, margin=5e-3 * p, note=note),
    ]  # fmt: skip


def _apart(name: str, printed: float, values: Sequence[float]) -> Check:
    """Refute beyond the accuracy of the steps, which draws of a deterministic rate do not show."""
    check = refuted(name, printed, values)
    far = abs(check.experiment - printed) > 0.1
    return check if far else replace(check, verdict=FAILED)


def _judge_atom(found: Values) -> list[Check]:
    shares = {name: float(np.mean(found[name])) for name in found}
    return [
        compared("mass at s_t^2, psi_p 8, psi_n 4: 1 - (1 + psi_n)/psi_p", 0.375,
                 shares["psi_p 8, psi_n 4"], 0.0, margin=1e-9, note="a count, exact"),
        compared("no atom for psi_n < psi_p < 1 + psi_n (4, 3.5)", 0.0,
                 shares["psi_p 4, psi_n 3.5"], 0.0, margin=1e-9,
                 note="Regime I is stated for psi_p > psi_n; its atom has weight -1/8 there"),
    ]  # fmt: skip


def _judge_constants(found: Values) -> Check:
    exact = gaussian_equivalence("tanh", 0.01, 1.0).s ** 2
    spread = float(np.std(found["s^2"], ddof=1)) / exact
    return measured(
        "relative scatter of s_t^2 from 500,000 plain draws, t = 0.01", spread,
        spread / math.sqrt(2.0 * (len(found["s^2"]) - 1)),
        note="the published script gets its constants by sampling",
    )  # fmt: skip


SLIPS = Experiment(
    name="slips",
    claim="Misprinted forms are excluded by samples, the corrected forms agree",
    source="arXiv 2505.17638, Lemma C.2, Eqs. 81, 183, 187, 206-208, Theorem 3.2; published code",
    theory="closed forms in the coefficients a_t, b_t, v_t, s_t",
    statistic="means over sampled features, gradients and matrices",
    tolerance="right forms within the limit, printed forms beyond it; margins 3/d off the diagonal",
    plan=_plan,
    measure=_measure,
    judge=_judge,
)
EXPERIMENTS = (SLIPS,)
