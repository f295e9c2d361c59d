r"""Random-feature networks trained by gradient descent against the theory's learning curves.

The network of eq. 7 (`validation.networks.layers.RandomFeatureNet`) is trained from A = 0 with
fresh noise at every step; its losses are exact (`exact_losses`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import rmtspec as rs
from rmtspec.compare.networks.training_flow import decompose
from validation.experiments.exact_losses import ExactLosses, moments_of, network_of, train_on
from validation.harness.checks import Check, averaged
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

Array = NDArray[np.float64]

_CURVE_SETTINGS = {
    "smoke": ((4, 4, 0.1, 30, 6, 300),),
    "cpu": ((4, 8, 0.1, 100, 6, 1000), (4, 2, 0.1, 100, 6, 2000), (8, 4, 0.3, 100, 6, 1000)),
    "gpu": ((64, 8, 0.1, 100, 8, 20_000), (64, 32, 0.1, 100, 6, 20_000), (8, 4, 0.1, 400, 6, 5000)),
}
_REACH = 0.05  # of the largest stable step: noise drawn at every step adds in proportion to it
_NOISES = 4  # for each sample and step, which divides that noise; the paper has 100
_POINTS = 14


def _plan_curves(scale: str) -> list[Task]:
    tasks = []
    for psi_p, psi_n, t, d, draws, steps in _CURVE_SETTINGS[scale]:
        settings = {"psi_p": psi_p, "psi_n": psi_n, "t": t, "d": d, "steps": steps}
        settings["noises"] = _NOISES
        work = 2.0 + steps * psi_p * psi_n * d**3 * 1.2e-9 / (50.0 if scale == "gpu" else 1.0)
        tasks += [
            Task(f"psi_p {psi_p}, psi_n {psi_n}, t {t}, d {d}, draw {i}", settings, work)
            for i in range(draws)
        ]
    return tasks


def _curve_model(settings: Values) -> tuple[rs.RandomFeatureModel, float]:
    """The model, and the step in tau."""
    model = rs.RandomFeatureModel(settings["psi_p"], settings["psi_n"], settings["t"])
    limit = float(model.training(step=1e-9).stability_limit)
    return model, float(f"{_REACH * limit:.3g}")


def _measure_curves(task: Task, setup: Setup) -> Values:
    from validation.networks.training import Plan, milestones

    s = task.settings
    _, step = _curve_model(s)
    seed = setup.torch_seed("curves", task.key)
    x = setup.rng("curves", task.key).standard_normal((round(s["psi_n"] * s["d"]), s["d"]))
    network = network_of(s["psi_p"], s["d"], s["t"], seed)
    exact = ExactLosses(moments_of(network, x, s["t"]), network.delta, setup.device)
    plan = Plan(s["steps"], network.rate(step), noises=s["noises"], seed=seed)
    records = train_on(network, x, s["t"], plan, milestones(s["steps"], _POINTS), exact, setup)
    done = np.array([r["step"] for r in records])
    flow = decompose(exact.moments)
    # Exact descent of this network without sampled noise: powers for exponentials.
    kept = np.log1p(-2.0 * network.delta / s["psi_p"] * flow.eigenvalues * step)
    test = flow.losses(-np.expm1(np.multiply.outer(done, kept)) / flow.eigenvalues)[1]
    return {
        "tau": packed(step * done),
        **{name: packed([r[name] for r in records]) for name in ("train", "gap", "score")},
        "exact score": packed((test - 1.0 + network.delta) / network.delta),
    }


def _groups(outcomes: Sequence[Outcome]) -> list[list[Outcome]]:
    groups: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault(outcome.task.key.rpartition(",")[0], []).append(outcome)
    return list(groups.values())


def _theory(settings: Values, tau: Array) -> dict[str, Array]:
    model, step = _curve_model(settings)
    curves = model.training(step=step).learning_curves(tau)
    return {"train": curves.train, "gap": curves.generalization, "score": curves.score_error}


def _judge_curves(outcomes: Sequence[Outcome]) -> list[Check]:
    checks = []
    for group in _groups(outcomes):
        settings = group[0].task.settings
        tau = unpacked(group[0].values["tau"])
        theory = _theory(settings, tau)
        name, d = group[0].task.key.rpartition(",")[0], settings["d"]
        # Before, during and after the fast bulk, and at the end of the run.
        for i in np.unique(np.linspace(3, len(tau) - 1, 4).astype(int)):
            for quantity, note in _QUANTITIES.items():
                values = unpacked([o.values[quantity] for o in group])[:, i]
                exact = float(theory[quantity][i])
                scale = 1.0 - float(theory["train"][i])
                size = {"train": 2.0 * scale, "gap": 5.0 * scale, "score": 10.0 * exact}[quantity]
                checks.append(
                    averaged(f"{name}: {quantity} at tau {tau[i]:.3g}", exact, values,
                             margin=size / d, note=note)
                )  # fmt: skip
        own = [unpacked(o.values["score"]) / unpacked(o.values["exact score"]) for o in group]
        for i in (len(tau) // 2, len(tau) - 1):
            checks.append(
                averaged(f"{name}: score error over that of exact descent, tau {tau[i]:.3g}", 1.0,
                         np.array(own)[:, i], margin=_REACH,
                         note="same networks; margin: fresh noise, in proportion to the step")
            )  # fmt: skip
    return checks


_QUANTITIES = {
    "train": "margin 2 (1 - L_train)/d: c = 2 as in `curves`",
    "gap": "test minus train loss; margin 5 (1 - L_train)/d",
    "score": "error to the exact score; margin 10/d relative (exact flow of true features at "
    "d = 150 is off by 7/d)",
}


def _figures_curves(outcomes: Sequence[Outcome]) -> list[Figure]:
    figures = []
    for group in _groups(outcomes):
        figures.append(
            Figure(
                f"Trained networks (points, mean and error) and theory (line): "
                f"{group[0].task.key.rpartition(',')[0]}.",
                lambda figure, group=group: _draw_curves(figure, group),
            )
        )
    return figures


def _draw_curves(figure: Any, group: Sequence[Outcome]) -> None:
    axes = figure.subplots()
    tau = unpacked(group[0].values["tau"])
    grid = np.geomspace(tau[1], tau[-1], 120)
    _, step = _curve_model(group[0].task.settings)
    grid = step * np.unique(np.rint(grid / step))
    theory = _theory(group[0].task.settings, grid)
    labels = {"train": "training loss", "gap": "test - train", "score": "score error"}
    for i, (name, label) in enumerate(labels.items()):
        table = unpacked([o.values[name] for o in group])
        error = table.std(axis=0, ddof=1) / math.sqrt(len(table))
        axes.errorbar(tau[1:], table.mean(axis=0)[1:], error[1:], fmt="o", ms=3, color=f"C{i}")
        axes.plot(grid, theory[name], color=f"C{i}", lw=1, label=label)
    axes.set(xscale="log", xlabel="tau")
    axes.legend(frameon=False)


CURVES = Experiment(
    name="gradient-descent",
    claim="Gradient descent with fresh noise at every step follows the theory's learning curves",
    source="arXiv 2505.17638, eq. 7 and Fig. 5; the curves of `learning_curves`",
    theory="training(step).learning_curves(tau): train, generalisation, score error",
    statistic="the trained network's own losses, mean over networks, at four times",
    tolerance="margins 2 (1 - L_train)/d, 5 (1 - L_train)/d, 10/d relative; 5 % to exact descent",
    plan=_plan_curves,
    measure=_measure_curves,
    judge=_judge_curves,
    figures=_figures_curves,
    needs=("torch",),
)
EXPERIMENTS = (CURVES,)
