r"""Linear denoisers: divergence against samples, and how linear a trained network is.

With N samples in d dimensions and no ridge the sampled law of a linear denoiser is the Gaussian of
the sample covariance. Its divergence from the data law is d/(4N) per dimension for N >> d, whatever
the covariance, since it is invariant under :math:`\Sigma\to A\Sigma A^\top`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

import rmtspec as rs
from validation.harness.checks import Check, averaged, compared, measured, power, within
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

# --- divergence ----------------------------------------------------------------------------------

_LOADS = (2, 5, 10, 20, 50, 100)
_KL_SIZES = {"smoke": (40, 12), "cpu": (100, 32), "gpu": (400, 32)}
_DIRECTIONS = ("data||model", "model||data")


def _eigenvalues(name: str, d: int) -> Any:
    k = np.arange(1.0, d + 1.0)
    return np.ones(d) if name == "isotropic" else k**-1.0 / np.mean(k**-1.0)


def _plan_kl(scale: str) -> list[Task]:
    d, draws = _KL_SIZES[scale]
    return [
        Task(
            f"{name}, N/d {load}",
            {"spectrum": name, "load": load, "d": d, "draws": draws},
            1e-8 * draws * load * d**3 / 10.0,
        )
        for name in ("isotropic", "power law")
        for load in _LOADS
    ]


def _measure_kl(task: Task, setup: Setup) -> Values:
    s = task.settings
    d, n = s["d"], s["load"] * s["d"]
    lam = _eigenvalues(s["spectrum"], d)
    found: dict[str, list[float]] = {name: [] for name in _DIRECTIONS}
    for i in range(s["draws"]):
        x = np.sqrt(lam) * setup.rng("kl", task.key, i).standard_normal((n, d))
        sample = x.T @ x / n
        inverse = np.linalg.inv(sample)
        logs = float(np.linalg.slogdet(sample)[1]) - float(np.log(lam).sum())
        # Gaussian against Gaussian, per dimension; the mean is known to be zero.
        found["data||model"].append(0.5 * (float(np.diag(inverse) @ lam) - d + logs) / d)
        found["model||data"].append(0.5 * (float(np.diag(sample) @ (1.0 / lam)) - d - logs) / d)
    return {name: packed(values) for name, values in found.items()}


def _judge_kl(outcomes: Sequence[Outcome]) -> list[Check]:
    checks = []
    for task, values in outcomes:
        s = task.settings
        population = rs.PopulationSpectrum(_eigenvalues(s["spectrum"], s["d"]))
        model = rs.LinearDenoiser(population, s["load"], dimension=s["d"])
        for direction in _DIRECTIONS:
            theory = float(model.kl(direction, corrected=True))
            checks.append(averaged(f"{task.key}: KL({direction})/d", theory, values[direction]))
    for name in ("isotropic", "power law"):
        group = [o for o in outcomes if o.task.settings["spectrum"] == name]
        loads = np.array([o.task.settings["load"] for o in group], dtype=float)
        table = np.array([o.values["model||data"] for o in group])
        error = table.std(axis=1, ddof=1) / math.sqrt(table.shape[1])
        large = loads >= 20
        slope, uncertainty = power(loads[large], table.mean(axis=1)[large], error[large])
        checks.append(
            within(f"{name}: exponent of KL in N, N/d >= 20", slope, -1.05, -0.95, uncertainty,
                   "-1 within 0.05: the next order is 1/N relative")
        )  # fmt: skip
        last = int(np.argmax(loads))
        law = 0.25 / loads[last]
        checks.append(
            compared(f"{name}: KL(model||data)/d at N/d = {loads[last]:g}, leading order d/(4N)",
                     law, float(table.mean(axis=1)[last]), float(error[last]), margin=0.05 * law,
                     draws=table.shape[1], note="margin 5 %: next order d/N and 1/d")
        )  # fmt: skip
    return checks


def _figures_kl(outcomes: Sequence[Outcome]) -> list[Figure]:
    def draw(figure: Any) -> None:
        axes = figure.subplots()
        grid = np.geomspace(_LOADS[0], _LOADS[-1], 60)
        for i, direction in enumerate(_DIRECTIONS):
            model = rs.LinearDenoiser(rs.PopulationSpectrum.isotropic(), grid)
            axes.plot(grid, model.kl(direction), color=f"C{i}", lw=1, label=f"KL({direction})")
            for name, marker in (("isotropic", "o"), ("power law", "x")):
                group = [o for o in outcomes if o.task.settings["spectrum"] == name]
                axes.plot([o.task.settings["load"] for o in group],
                          [np.mean(o.values[direction]) for o in group], marker, color=f"C{i}",
                          ms=4)  # fmt: skip
        axes.plot(grid, 0.25 / grid, "k:", lw=1, label="d/(4N)")
        axes.set(xscale="log", yscale="log", xlabel="N/d", ylabel="per dimension")
        axes.legend(frameon=False)

    return [Figure("Divergence of sampled Gaussians (isotropic o, power law x) and theory.", draw)]


KL = Experiment(
    name="kl",
    claim="KL is d/(4N) per dimension for N >> d, whatever the covariance",
    source="arXiv 2505.24769, divergence of the linear model",
    theory="LinearDenoiser.kl with the next order in 1/d; d/(4N)",
    statistic="divergence of Gaussians with sampled covariances, mean over data sets",
    tolerance="none beyond the errors; exponent -1 within 0.05; 5 % of d/(4N) at N/d = 100",
    plan=_plan_kl,
    measure=_measure_kl,
    judge=_judge_kl,
    figures=_figures_kl,
)

# --- linear and trained maps ---------------------------------------------------------------------

_NETWORK_SIZES = {
    "smoke": {"sizes": (64, 800), "width": 32, "steps": 300},
    "cpu": {"sizes": (64, 800), "width": 128, "steps": 6000},
    "gpu": {"sizes": (32, 128, 800), "width": 256, "steps": 40_000},
}
_LEVELS = 100  # of a linear schedule with the betas of 1000 steps, ten times as large
_GENERATED = 200
_ALIKE = 0.9


def _plan_network(scale: str) -> list[Task]:
    sizes = _NETWORK_SIZES[scale]
    return [
        Task(
            f"digits, N = {n}",
            {"n": n, "width": sizes["width"], "steps": sizes["steps"]},
            sizes["steps"] * 1.5e-2,
        )
        for n in sizes["sizes"]
    ]


def _measure_network(task: Task, setup: Setup) -> Values:
    import torch

    from validation.data.images import digits
    from validation.measures.samples import detail_similarity
    from validation.measures.scores import linear_distance
    from validation.networks.diffusion import Levels, ddim
    from validation.networks.layers import ResidualMLP
    from validation.networks.training import Plan, train

    s = task.settings
    n = s["n"]
    images = digits().pixels.reshape(-1, 64)
    order = setup.rng("linear-network").permutation(len(images))
    halves, held_out = (images[order[:n]], images[order[n : 2 * n]]), images[order[1600:]]
    schedule = rs.NoiseSchedule.linear(_LEVELS, 1e-3, 0.2)
    levels = Levels.of(schedule, dtype=torch.float32, device=setup.device)
    start = torch.tensor(
        setup.rng("linear-network", "start").standard_normal((_GENERATED, 64)),
        dtype=torch.float32, device=setup.device,
    )  # fmt: skip
    drawn, found = [], {}
    for i, half in enumerate(halves):
        network = ResidualMLP(64, s["width"], clock=1000.0 / _LEVELS, seed=i).to(setup.device)
        data = torch.tensor(half, dtype=torch.float32, device=setup.device)
        plan = Plan(s["steps"], 1e-3, "adam", batch=min(n, 128), seed=setup.torch_seed(task.key, i))
        train(network, data, levels, plan, lambda net, step: {}, [])
        network.eval()
        with torch.no_grad():
            drawn.append(ddim(network, levels, start, steps=50).double().cpu().numpy())
        if i == 0:
            ks = tuple(range(1, _LEVELS + 1, 3))
            fresh = torch.tensor(held_out, dtype=torch.float32, device=setup.device)
            generator = torch.Generator(device=setup.device).manual_seed(0)
            covariance = np.cov(half.T, bias=True)
            away = linear_distance(
                network, fresh, levels, ks, half.mean(axis=0), covariance, generator
            )
            found = {
                "k": list(ks),
                "distance": packed(away.distance.sum(axis=1) / away.scale.sum(axis=1), 6),
                "error": packed(np.sqrt(np.sum(away.error**2, axis=1)) / away.scale.sum(axis=1), 6),
                "upper": packed(away.distance[:, :16].sum(axis=1) / away.scale[:, :16].sum(axis=1)),
            }
    alike = detail_similarity(drawn[0], drawn[1], images, components=0)
    return {**found, "similarity": packed(alike.value), "similarity error": packed(alike.error)}


def _judge_network(outcomes: Sequence[Outcome]) -> list[Check]:
    checks = []
    trained = outcomes[0].task.settings["steps"] >= 1000
    for task, values in outcomes:
        shares = unpacked(values["distance"]) < 1.0 - _ALIKE
        label = f"{task.key}: share of levels where the map is linear to 90 %"
        note = "1 - E|eps - eps_lin|^2/E|eps_lin|^2 > 0.9 on held-out digits"
        count = len(shares)
        share = float(shares.mean())
        if trained and task.settings["n"] >= 800:
            checks.append(within(label, share, 0.5, 1.0, 1.0 / count, note))
        else:
            checks.append(measured(label, share, 1.0 / count, note=note))
        checks.append(
            measured(f"{task.key}: distance to the linear map, last level",
                     float(values["distance"][-1]), float(values["error"][-1]), note="relative")
        )  # fmt: skip
    one, two = outcomes[0], outcomes[-1]
    gain = two.values["similarity"] - one.values["similarity"]
    error = math.hypot(one.values["similarity error"], two.values["similarity error"])
    label = (
        f"similarity of samples of two networks on disjoint data, N = "
        f"{two.task.settings['n']} less N = {one.task.settings['n']}"
    )
    note = "cosine of pairs drawn from the same noise; grows with N where networks generalise"
    if trained:
        checks.append(within(label, gain, 4.0 * error, math.inf, error, note))
    else:
        checks.append(measured(label, gain, error, note=note))
    for outcome in outcomes:
        checks.append(
            measured(f"{outcome.task.key}: similarity of disjoint networks",
                     outcome.values["similarity"], outcome.values["similarity error"])
        )  # fmt: skip
    return checks


def _figures_network(outcomes: Sequence[Outcome]) -> list[Figure]:
    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for task, values in outcomes:
            axes.errorbar(values["k"], unpacked(values["distance"]), unpacked(values["error"]),
                          fmt=".-", ms=3, lw=0.8, label=task.key)  # fmt: skip
        axes.axhline(1.0 - _ALIKE, color="k", lw=0.8, ls=":")
        axes.set(yscale="log", xlabel=f"level k of {_LEVELS}",
                 ylabel="relative squared distance")  # fmt: skip
        axes.legend(frameon=False)

    return [Figure("A trained residual MLP and the best linear map, on held-out digits.", draw)]


NETWORK = Experiment(
    name="linear-network",
    claim="Trained networks are close to linear denoisers at most noise levels",
    source="arXiv 2505.24769, eq. 16 and Appendix A",
    theory="the best affine map of the training data",
    statistic="relative squared distance on held-out digits by level; similarity of two networks",
    tolerance="at N = 800 above 90 % at half of the levels; similarity grows by 4 errors",
    plan=_plan_network,
    measure=_measure_network,
    judge=_judge_network,
    figures=_figures_network,
    needs=("torch", "sklearn"),
)
EXPERIMENTS = (KL, NETWORK)
