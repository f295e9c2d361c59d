"""Learning curves of true features, of all data and of every class, and of a trained network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from validation.harness.checks import FAILED, PASSED, Check, compared, measured, power
from validation.harness.experiment import (
    Experiment,
    Figure,
    Outcome,
    Setup,
    Task,
    Values,
    packed,
    unpacked,
)
from validation.structured.members import MEMBERS, Member
from validation.structured.networks import (
    Moments,
    Network,
    fresh_moments,
    losses,
    mixed,
    sample_moments,
)

Array = NDArray[np.float64]

TIMES = np.append(np.geomspace(0.1, 1e5, 25), np.inf)
_EARLY = np.append(np.geomspace(1e-3, 1e5, 25), np.inf)
"""Times of networks that have to predict the means, which relax at times of order 1/d."""

_NAMES = ("A", "A, skip", "B", "C", "A+B", "B, skip", "A+B, skip")
_SIZES = {
    "smoke": {25: 3, 50: 2},
    "cpu": {50: 8, 100: 4, 200: 2},
    "gpu": {50: 32, 100: 16, 200: 8, 400: 4},
}
# Largest |loss - theory| over time <= c/d + 4 standard errors. Networks drawn with seed 1000 have c
# of at most 0.9 for train losses and 2.9 for test losses, both of single classes.
_TRAIN, _TEST = 1.5, 4.5
# Losses at the end of training by an independent solution of the same equations: test and train.
_FINAL = {
    "A": (0.351756, 0.288383),
    "A, skip": (0.299027, 0.250904),
    "B": (1.386444, 0.560813),
}


def _plan(scale: str) -> list[Task]:
    tasks = [
        Task(
            f"{name}, d = {d}, draw {i}",
            {"member": name, "d": d},
            2.5e-6 * d**2.5 * (1 + len(MEMBERS[name].times[0])),
        )
        for name in _NAMES
        for d, draws in _SIZES[scale].items()
        for i in range(draws)
    ]
    if scale != "smoke":
        tasks.append(Task("descent", {"member": "A", "d": 100}, 25.0))
    return tasks


def _all_moments(member: Member, d: int, rng: np.random.Generator) -> tuple[Any, ...]:
    network, data = member.network(d, rng), member.data(d)
    rows = data.draw(member.samples(d), rng)
    own = [sample_moments(network, x) for x in rows]
    fresh = [
        fresh_moments(network, mean, variance)
        for mean, variance in zip(data.means, data.variances, strict=True)
    ]
    return network, data, rows, own, fresh


def _times(member: Member) -> Array:
    return _EARLY if member.holds_means else TIMES


def _measure(task: Task, setup: Setup) -> Values:
    member, d = MEMBERS[task.settings["member"]], task.settings["d"]
    rng = setup.rng("structured curves", task.key)
    network, data, rows, own, fresh = _all_moments(member, d, rng)
    train, test = mixed(own, data.weights), mixed(fresh, data.weights)
    if task.key == "descent":
        return _descent(network, member, np.concatenate(rows), train, test, rng)
    tau = _times(member)
    found = losses(train, [test, train, *fresh, *own], tau, network.scale, member.psi_p)
    return {"losses": packed(found)}


# --- a network trained by stochastic gradient descent ---------------------------------------------

_STEPS, _REACH = 2500, 0.25  # number, and length as a part of the largest stable one


def _descent(
    network: Network,
    member: Member,
    x: Array,
    train: Moments,
    test: Moments,
    rng: np.random.Generator,
) -> Values:
    """Gradient descent on all samples with fresh noise at every step; exact losses of the weights.

    The largest eigenvalue, of the mean features, is of order p and limits the step.
    """
    p, d = network.w.shape
    top = float(np.linalg.eigvalsh(train.u)[-1])
    step = _REACH * member.psi_p / (network.scale * top)
    stops = np.unique(np.rint(np.geomspace(1, _STEPS, 16)).astype(int))
    weights = np.zeros((d, p))
    recorded, done = [], 0
    for count in stops:
        for _ in range(int(count) - done):
            weights -= step * d**2 * _gradient(network, weights, x, rng)
        done = int(count)
        a = weights * math.sqrt(network.scale / p)
        recorded.append([_loss(a, one) for one in (test, train)])
    exact = losses(train, [test, train], step * stops.astype(float), network.scale, member.psi_p)
    return {
        "tau": packed(step * stops),
        "trained": packed(np.array(recorded).T),
        "flow": packed(exact),
    }


def _gradient(network: Network, weights: Array, x: Array, rng: np.random.Generator) -> Array:
    """Gradient of the loss of one noise a sample and time."""
    p, d = network.w.shape
    total = np.zeros_like(weights)
    for t, share, power_ in zip(network.times, network.shares, network.powers, strict=True):
        delta = -math.expm1(-2.0 * t)
        noise = rng.standard_normal(x.shape)
        seen = (math.exp(-t) * x + math.sqrt(delta) * noise) @ network.w.T / math.sqrt(d)
        features = np.tanh(seen + t * network.b) * math.sqrt(power_ / p)
        left = features @ weights.T + noise
        total += 2.0 * share / (d * len(x)) * (left.T @ features)
    return total


def _loss(a: Array, moments: Moments) -> float:
    d = len(a)
    linear, square = np.sum(a * moments.v.T), np.sum((a @ moments.u) * a)
    return float(moments.start + (2.0 * linear + square) / d)


# --- judgement ------------------------------------------------------------------------------------


def _theory(name: str, tau: Array, d: int) -> Array:
    """Rows: test, train, test of classes, train of classes."""
    curves = MEMBERS[name].model(24, d).learning_curves(tau)
    return np.array([curves.test, curves.train, *curves.class_test, *curves.class_train])


def _tables(outcomes: Sequence[Outcome]) -> dict[str, dict[int, Any]]:
    """Member -> size -> draws of all losses."""
    tables: dict[str, dict[int, Any]] = {}
    for task, values in outcomes:
        if task.key != "descent":
            sizes = tables.setdefault(task.settings["member"], {})
            sizes.setdefault(task.settings["d"], []).append(unpacked(values["losses"]))
    return tables


def _labels(rows: int) -> list[str]:
    classes = (rows - 2) // 2
    if classes == 1:
        return ["test", "train"]
    return ["test", "train"] + [f"{kind}, class {y}" for kind in ("test", "train")
                                for y in range(classes)]  # fmt: skip


def _judge(outcomes: Sequence[Outcome]) -> list[Check]:
    checks = []
    for name, sizes in _tables(outcomes).items():
        worst: dict[str, list[float]] = {}
        for d, draws in sizes.items():
            theory = _theory(name, _times(MEMBERS[name]), d)
            table = np.array(draws)
            deviation = np.abs(table.mean(axis=0) - theory)
            spread = table.std(axis=0, ddof=1) / math.sqrt(len(table))
            for j, label in enumerate(_labels(len(theory))):
                at = int(deviation[j].argmax())
                margin = (_TEST if label.startswith("test") else _TRAIN) / d
                allowed = margin + 4.0 * float(spread[j, at])
                good = deviation[j, at] <= allowed
                worst.setdefault(label, []).append(float(deviation[j, at]))
                checks.append(
                    Check(f"{name}, d = {d}: largest |{label} loss - theory|", 0.0,
                          float(deviation[j, at]), float(spread[j, at]), allowed,
                          PASSED if good else FAILED, f"margin {margin * d:g}/d and 4 s.e.")
                )  # fmt: skip
        for label, values in worst.items():
            slope, error = power(list(sizes), values)
            checks.append(
                measured(f"{name}: exponent in d of the {label} loss", slope, error, -1.0)
            )
        if name in _FINAL:
            final = MEMBERS[name].model(16).learning_curves(np.inf)
            for label, known in zip(("test", "train"), _FINAL[name], strict=True):
                checks.append(
                    compared(f"{name}: {label} loss at the end, 16 nodes", known,
                             float(getattr(final, label)), 0.0, margin=2e-6,
                             note="a second solution of the same equations, to 6 digits")
                )  # fmt: skip
    return checks + [check for task, values in outcomes if task.key == "descent"
                     for check in _judge_descent(task, values)]  # fmt: skip


def _judge_descent(task: Task, values: Values) -> list[Check]:
    d, tau = task.settings["d"], unpacked(values["tau"])
    trained, flow = unpacked(values["trained"]), unpacked(values["flow"])
    theory = _theory(task.settings["member"], tau, d)[:2]
    checks = []
    for j, (label, size) in enumerate((("test", _TEST), ("train", _TRAIN))):
        at = int(np.abs(trained[j] - theory[j]).argmax())
        checks += [
            compared(f"trained by SGD, d = {d}, {len(tau)} times to tau = {tau[-1]:.3g}: {label} "
                     "loss where it misses most", float(theory[j, at]), float(trained[j, at]),
                     0.0, margin=size / d + 0.01,
                     note=f"margin {size}/d, and 0.01 for steps of finite length and their noise"),
            measured(f"the same against exact gradient flow of this network: {label} loss, largest",
                     float(np.abs(trained[j] - flow[j]).max())),
        ]  # fmt: skip
    return checks


def _figures(outcomes: Sequence[Outcome]) -> list[Figure]:
    def draw(figure: Any) -> None:
        tables = _tables(outcomes)
        for axis, (name, sizes) in zip(
            figure.subplots(1, len(tables)), tables.items(), strict=True
        ):
            d = max(sizes)
            mean = np.mean(sizes[d], axis=0)
            tau = _times(MEMBERS[name])[:-1]
            grid = np.geomspace(tau[0], tau[-1], 120)
            theory = _theory(name, grid, d)
            rows = range(2) if len(theory) == 4 else range(2, len(theory))
            for color, j in enumerate(rows):
                axis.semilogx(grid, theory[j], f"C{color}", lw=1, label=_labels(len(theory))[j])
                axis.semilogx(tau, mean[j, :-1], f"C{color}.", ms=4)
            axis.set(title=f"{name}, d = {d}", xlabel="tau")
            axis.legend(fontsize=5)

    return [
        Figure(
            "Losses of networks of true features (points) and of the limit (lines); where there "
            "are classes, of each of them.",
            draw,
        )
    ]


CURVES = Experiment(
    name="structured-curves",
    claim="Losses of networks of all times, and of every class of a mixture, are known",
    source="two-resolvent equivalent of the structured ensemble; arXiv 2605.06367 for classes",
    theory="learning_curves() of TimeIntegratedModel and MixtureModel, 24 nodes (10 x 10)",
    statistic="exact gradient flow of true tanh features, largest deviation over 26 times; and one "
    "network of d = 100 trained by gradient descent with fresh noise at every step",
    tolerance=f"{_TRAIN}/d for train and {_TEST}/d for test losses plus 4 standard errors",
    plan=_plan,
    measure=_measure,
    judge=_judge,
    figures=_figures,
)
