"""Predictions and paths as an experiment: tables, finite networks, trained networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from validation.harness.checks import (
    Check,
    compared,
    limit,
    measured,
    power,
    within,
)
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
from validation.parametrisations import draws, networks, tables

Array = NDArray[np.float64]

NAME = "parametrisations"
# d -> networks
_GAUSSIAN = {"smoke": {48: 6}, "cpu": {120: 10}}
_TRUE = {"smoke": {16: 24, 32: 12, 64: 4}, "cpu": {24: 64, 48: 32, 96: 12}}
_PAIRS = {
    "smoke": {("gaussian", 32): 6, ("true", 32): 6},
    "cpu": {("gaussian", 60): 12, ("true", 24): 48, ("true", 48): 24, ("true", 96): 8},
}
GAUSSIAN_CORRECTIONS = (1.0, 3.0)
"""c of the train and the test loss of the Gaussian equivalent, as for the score network."""
SIGMAS = 3.0
CURVES = ("train", "test")
PAIR_NAMES = ("distance", "distance on training points", "memorised fraction")


def _plan(scale: str) -> list[Task]:
    if scale not in _GAUSSIAN:
        return []
    plan = [
        *(Task(f"table, {data}, {signal}", {"data": data, "signal": signal}, 2.0)
          for data in tables.POPULATIONS for signal in tables.SIGNALS),
        *(Task(f"flips, {p}, {n}", {"psi_p": p, "psi_n": n}, 4.0) for p, n in tables.KNOWN_FLIPS),
        *(Task(f"scale, {v}, {s}", {"variance": v, "signal": s}, 1.0)
          for v, s in tables.KNOWN_SCALES),
        *(Task(f"two data sets, {data}", {"data": data}, 1.0)
          for data in ("isotropic", "two atoms")),
    ]  # fmt: skip
    for name in draws.LEVELS:
        for d, count in _GAUSSIAN[scale].items():
            settings = {"level": name, "matrix": "gaussian", "d": d, "draws": count}
            plan.append(Task(f"networks, {name}, gaussian, {d}", settings, 4.0))
    for name in draws.TRUE_LEVELS:
        for d, count in _TRUE[scale].items():
            settings = {"level": name, "matrix": "true", "d": d, "draws": count}
            plan.append(Task(f"networks, {name}, true, {d}", settings, 10.0))
    for (matrix, d), count in _PAIRS[scale].items():
        settings = {"level": "ddpm 0.8", "matrix": matrix, "d": d, "draws": count}
        plan.append(Task(f"pairs, {matrix}, {d}", settings, 10.0))
    if scale == "cpu":
        plan += [Task(f"trained, {name}", {"name": name}, 10.0) for name in tables.NAMES]
    return plan


def _measure(task: Task, setup: Setup) -> Values:
    kind, asked = task.key.partition(",")[0], task.settings
    if kind == "table":
        return {"values": packed(tables.predictions_of(asked["data"], asked["signal"]))}
    if kind == "flips":
        return {"values": packed(tables.flips_of(asked["psi_p"], asked["psi_n"]))}
    if kind == "scale":
        return {"values": packed(tables.scales_of(asked["variance"], asked["signal"]))}
    if kind == "two data sets":
        times = [tau for data, tau in tables.KNOWN_PAIRS if data == asked["data"]]
        return {"values": packed(tables.pairs_of(asked["data"], times))}
    if kind == "trained":
        return networks.trained(asked["name"], setup.torch_seed(NAME, task.key))
    draw = draws.losses_of if kind == "networks" else draws.pairs_of
    found = np.array(
        [
            draw(asked["level"], asked["matrix"], asked["d"], setup.rng(NAME, task.key, i))
            for i in range(asked["draws"])
        ]
    )
    spread = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    return {"mean": packed(found.mean(axis=0)), "error": packed(spread)}


def _judge(outcomes: Sequence[Outcome]) -> list[Check]:
    checks: list[Check] = []
    for task, values in outcomes:
        kind = task.key.partition(",")[0]
        if kind in _JUDGES:
            checks += _JUDGES[kind](task, values)
    return checks + _trends(outcomes)


def _table(task: Task, values: Values) -> list[Check]:
    data, signal = task.settings["data"], task.settings["signal"]
    found, known = unpacked(values["values"]), tables.KNOWN[data, signal]
    checks = []
    for name, (tau, error), (known_tau, known_error) in zip(
        (*tables.NAMES, "best skip"), found, known, strict=True
    ):
        where = f"{data}, alpha_bar {signal}: {name}"
        skip = name == "best skip"
        # A flat minimum: the skip is known to some per cent.
        margin = 0.05 if skip else tables.TIME_STEP
        what = "skip over sigma" if skip else "best stopping"
        checks.append(compared(f"{where}, {what}", known_tau, tau, 0.0, margin=margin * known_tau))
        checks.append(
            compared(f"{where}, least score error", known_error, error, 0.0,
                     margin=tables.DIGITS * known_error + 1e-12)
        )  # fmt: skip
    return checks


def _flips(task: Task, values: Values) -> list[Check]:
    psi = task.settings["psi_p"], task.settings["psi_n"]
    return [
        compared(f"psi_p {psi[0]}, psi_n {psi[1]}, {data}: alpha_bar of the flip of noise and data",
                 known, found, 0.0, margin=1.5e-3)
        for data, known, found in zip(
            tables.POPULATIONS, tables.KNOWN_FLIPS[psi], unpacked(values["values"]), strict=True
        )
    ]  # fmt: skip


def _scales(task: Task, values: Values) -> list[Check]:
    variance, signal = task.settings["variance"], task.settings["signal"]
    known = tables.KNOWN_SCALES[variance, signal]
    where = f"variance {variance:g}, alpha_bar {signal}"
    return [
        compared(f"{where}: least score error of {name}", number, value, 0.0,
                 margin=tables.DIGITS * number)
        for name, number, value in zip(("noise", "v", "edm"), known, unpacked(values["values"]),
                                       strict=True)
        if number is not None
    ]  # fmt: skip


def _two(task: Task, values: Values) -> list[Check]:
    checks = []
    rows = [
        (key, row) for key, row in tables.KNOWN_PAIRS.items() if key[0] == task.settings["data"]
    ]
    for ((data, tau), known), found in zip(rows, unpacked(values["values"]), strict=True):
        for name, text, value in zip(tables.PAIR_COLUMNS, known.split(), found, strict=True):
            # Half of the last digit.
            margin = 0.501 * 10.0 ** -len(text.partition(".")[2])
            label = f"{data}, tau {tau:g}: {name}"
            checks.append(compared(label, float(text), value, 0.0, margin=margin))
    return checks


def _networks(task: Task, values: Values) -> list[Check]:
    asked = task.settings
    if asked["matrix"] != "gaussian":
        return []
    theory, scales = draws.theory_of(asked["level"])
    mean, error = unpacked(values["mean"]), unpacked(values["error"])
    checks = []
    for i, name in enumerate(tables.NAMES):
        for j, curve in enumerate(CURVES):
            margin = GAUSSIAN_CORRECTIONS[j] * scales[i, j] / asked["d"]
            off = np.maximum(np.abs(mean[i, j] - theory[i, j]) - margin - 1e-9, 0.0)
            worst = float(np.max(off / np.maximum(error[i, j], 1e-300)))
            checks.append(
                within(f"{asked['level']}, {name}, {curve}: worst of {draws.TIMES.size} times",
                       worst, 0.0, max(SIGMAS, limit(asked["draws"])),
                       note=f"standard errors beyond c/d, c = {GAUSSIAN_CORRECTIONS[j]:g} times "
                       "what the curve has to be wrong about; d = " + str(asked["d"]))
            )  # fmt: skip
    return checks


def _pairs(task: Task, values: Values) -> list[Check]:
    asked = task.settings
    theory = draws.pair_theory(asked["level"])
    mean, error = unpacked(values["mean"]), unpacked(values["error"])
    checks = []
    for i, name in enumerate(tables.NAMES):
        for j, what in enumerate(PAIR_NAMES):
            off = np.abs(mean[i, j] - theory[i, j])
            place = int(np.argmax(off))
            label = f"{asked['matrix']}, d {asked['d']}, {name}: {what}, worst of all times"
            note = f"theory {theory[i, j, place]:.3g}"
            if asked["matrix"] == "true":
                checks.append(measured(label, float(off[place]), float(error[i, j, place]), 0.0,
                                       note))  # fmt: skip
                continue
            # Relative corrections of order 1/d, as for the test loss.
            margin = GAUSSIAN_CORRECTIONS[1] * np.abs(theory[i, j]) / asked["d"]
            beyond = np.maximum(off - margin, 0.0) / np.maximum(error[i, j], 1e-300)
            checks.append(within(label, float(beyond.max()), 0.0,
                                 max(SIGMAS, limit(asked["draws"])), note=note))  # fmt: skip
    return checks


def _trained(task: Task, values: Values) -> list[Check]:
    name = task.settings["name"]
    return [
        compared(f"trained network, {name}, step {step}: test loss", exact, value, 0.0,
                 margin=0.05 * exact,
                 note=f"exact flow of the same network; theory of infinite size {theory:.4g}; the "
                 "margin is for sampled noise and 4000 fresh points")
        for step, exact, value, theory in zip(
            networks.RECORDED, values["exact"], values["trained"], values["theory"], strict=True
        )
    ]  # fmt: skip


def _trends(outcomes: Sequence[Outcome]) -> list[Check]:
    """Exponents in d of the deviation of true features, at the time of the largest."""
    checks = []
    for name in draws.TRUE_LEVELS:
        runs = [
            (task.settings["d"], values)
            for task, values in outcomes
            if task.settings.get("level") == name and task.settings["matrix"] == "true"
            and task.key.startswith("networks")
        ]  # fmt: skip
        if len(runs) < 3:
            continue
        theory, _ = draws.theory_of(name)
        for i, target in enumerate(tables.NAMES):
            off = [np.abs(unpacked(v["mean"])[i, 1] - theory[i, 1]) for _, v in runs]
            place = int(np.argmax(off[0]))
            sizes = [float(d) for d, _ in runs]
            errors = [float(unpacked(v["error"])[i, 1][place]) for _, v in runs]
            deviations = [float(each[place]) for each in off]
            slope, error = power(sizes, deviations, errors)
            shown = ", ".join(f"{value:.2g}" for value in deviations)
            checks.append(
                compared(f"{name}, {target}: exponent in d of the test loss of true features", -1.0,
                         slope, error, margin=0.4,
                         note=f"deviations {shown} at d = {', '.join(f'{d:g}' for d in sizes)}; "
                         "the margin is for terms beyond 1/d")
            )  # fmt: skip
    return checks


_JUDGES: dict[str, Any] = {
    "table": _table, "flips": _flips, "scale": _scales, "two data sets": _two,
    "networks": _networks, "pairs": _pairs, "trained": _trained,
}  # fmt: skip


def _figures(outcomes: Sequence[Outcome]) -> list[Figure]:
    rows = {
        (task.settings["data"], task.settings["signal"]): unpacked(values["values"])
        for task, values in outcomes
        if task.key.startswith("table")
    }

    def draw(figure: Any) -> None:
        axes = figure.subplots(1, len(tables.POPULATIONS), sharey=True)
        for ax, data in zip(axes, tables.POPULATIONS, strict=True):
            for i, name in enumerate(tables.NAMES):
                errors = [max(rows[data, signal][i, 1], 1e-4) for signal in tables.SIGNALS]
                ax.semilogy(tables.SIGNALS, errors, "o-", ms=3, label=name)
            ax.set_title(data, fontsize="small")
            ax.set_xlabel(r"$\bar\alpha$")
        axes[0].set_ylabel("least score error")
        axes[-1].legend(frameon=False, fontsize="x-small")

    return [Figure("Least score error of every prediction (0 is drawn at 1e-4).", draw)]


EXPERIMENTS = (
    Experiment(
        NAME,
        claim="What a network predicts and along which path decides when to stop, how good it gets "
        "and how much it memorises, through one number a target and four a path",
        source="arXiv 2006.11239, 2202.00512, 2206.00364, 2210.02747 (targets); 2603.03469 (two "
        "data sets); random features of arXiv 2505.17638",
        theory="two-resolvent equivalent with the response of any target",
        statistic="best stopping, least errors and flips against another program; losses, "
        "distances and memorised fractions of finite networks; networks trained with sampled noise",
        tolerance="three digits; 3 standard errors (or 1e-4 by chance) beyond c/d; exponent -1 "
        "within 0.4; 5 % for trained networks",
        plan=_plan,
        measure=_measure,
        judge=_judge,
        figures=_figures,
        needs=("torch",),
    ),
)
