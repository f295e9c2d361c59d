r"""A score of all times at once, and a score that knows classes.

The time-integrated random-feature network is quadratic in what it trains, so that its training is
known from two moments of its features, averaged over data, noises and times t_k,

.. math::  U=E\,\Delta_k\,\phi\phi^\top/p,\quad V=E\sqrt{\Delta_k}\,\phi\,\xi^\top/\sqrt p,\qquad
           L(A)=1+\tfrac2d\operatorname{Tr}AV+\tfrac1d\operatorname{Tr}AUA^\top .

Gradient descent with rate h from A = 0 has after j steps
:math:`A=-V^\top c_j(U)`, :math:`c_j(u)=(1-(1-2hu/d)^j)/u`. The test loss has the moments of fresh
data in the place of U and V. The other experiment trains a residual MLP with class labels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import rmtspec as rs
from validation.harness.checks import Check, compared, measured, power, within
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

# --- time-integrated network ---------------------------------------------------------------------

_NET_SIZES: dict[str, dict[str, Any]] = {
    "smoke": {"d": 8, "psi_p": 8, "psi_n": (2, 4), "draws": 2, "steps": 300, "samples": 4000},
    "cpu": {"d": 20, "psi_p": 16, "psi_n": (2, 4, 8), "draws": 3, "steps": 3000, "samples": 16_000},
    "gpu": {
        "d": 100,
        "psi_p": 64,
        "psi_n": (2, 4, 8),
        "draws": 3,
        "steps": 20_000,
        "samples": 100_000,
    },
}
_TIMES = np.geomspace(0.05, 1.0, 8)
_BIAS = 0.3  # a larger one makes the mean of the features the stiffest direction by far
_SHARE = 0.2  # of the largest stable rate
_MARGIN = 0.02
_FROM_DIMENSION = 20  # below, tau_mem differs between networks by more than it grows
_FRESH_BLOCK = 4000
_ROWS = 32  # noised samples an update, over d: fewer would raise the losses by their noise


class _Moments(NamedTuple):
    u: Array
    v: Array

    def loss(self, a: Array) -> float:
        """Loss of weights a, shape (d, p)."""
        d = len(a)
        return float(1.0 + (2.0 * np.sum(a * self.v.T) + np.sum((a @ self.u) * a)) / d)


def _plan_net(scale: str) -> list[Task]:
    sizes = dict(_NET_SIZES[scale])
    loads, draws = sizes.pop("psi_n"), sizes.pop("draws")
    cost = 1e-8 * sizes["steps"] * _ROWS * sizes["psi_p"] * sizes["d"] ** 2
    return [
        Task(f"psi_n {q}, draw {i}", {"psi_n": q, **sizes}, 0.5 + cost)
        for q in loads
        for i in range(draws)
    ]


def _measure_net(task: Task, setup: Setup) -> Values:
    import torch

    from validation.networks.diffusion import Levels
    from validation.networks.time_integrated import TimeIntegratedNet
    from validation.networks.training import Plan, milestones, train

    s, d = task.settings, task.settings["d"]
    n, seed = s["psi_n"] * d, setup.torch_seed("time-integrated", task.key)
    levels = Levels.of(rs.NoiseSchedule.at_times(_TIMES), device=setup.device)
    network = TimeIntegratedNet(d, s["psi_p"] * d, levels, bias=_BIAS, seed=seed)
    network = network.to(setup.device)
    generator = torch.Generator(device=setup.device).manual_seed(seed)
    data = torch.randn(
        (n, d), generator=generator, dtype=torch.float64, device=setup.device
    )  # fmt: skip
    own = _moments(network, levels, data, math.ceil(s["samples"] / n), generator)
    new = _moments(network, levels, None, math.ceil(s["samples"] / _FRESH_BLOCK), generator)
    rate = _SHARE * d / float(np.linalg.eigvalsh(own.u)[-1])

    def measure(net: Any, step: int) -> dict[str, float]:
        weights = net.trained.double().cpu().numpy()
        return {"train": own.loss(weights), "test": new.loss(weights)}

    stops = milestones(s["steps"], 40)
    checkpoint = setup.checkpoint("time-integrated", task)
    plan = Plan(s["steps"], rate, noises=math.ceil(_ROWS / s["psi_n"]), seed=seed)
    records = train(network, data, levels, plan, measure, stops, checkpoint=checkpoint)
    checkpoint.unlink()
    # 1e12 steps stand for the end of training, which need not be reached.
    exact = _descent(own, new, np.array([*stops, 1e12]), rate)
    return {
        "tau": packed(np.array(stops) * rate / d**2),
        **{name: packed([r[name] for r in records]) for name in ("train", "test")},
        **{f"exact {name}": packed(values[:-1]) for name, values in exact.items()},
        "final": packed(exact["test"][-1] - exact["train"][-1]),
    }


def _moments(network: Any, levels: Any, data: Any, repeats: int, generator: Any) -> _Moments:
    """Moments over all levels, with `repeats` noises a sample; fresh Gaussian data without any."""
    import torch

    d, p = network.dimension, network.neurons
    place: dict[str, Any] = {"dtype": torch.float64, "device": levels.t.device}
    u, v = torch.zeros((p, p), **place), torch.zeros((p, d), **place)
    for _ in range(repeats):
        clean = data
        if clean is None:
            clean = torch.randn((_FRESH_BLOCK, d), generator=generator, **place)
        for level in range(1, levels.steps + 1):
            k = torch.full((len(clean),), level, dtype=torch.int64, device=clean.device)
            noise = torch.randn(clean.shape, generator=generator, **place)
            phi = network.features(levels.noised(clean, k, noise), k)
            u += levels.delta[level] * (phi.T @ phi) / len(clean)
            v += levels.delta[level].sqrt() * (phi.T @ noise) / len(clean)
    count = repeats * levels.steps
    return _Moments((u / (count * p)).cpu().numpy(), (v / (count * math.sqrt(p))).cpu().numpy())


def _descent(own: _Moments, new: _Moments, steps: Array, rate: float) -> dict[str, Array]:
    """Losses of exact gradient descent after numbers of steps."""
    values, axes = np.linalg.eigh(own.u)
    d = own.v.shape[1]
    values = np.maximum(values, 1e-300)
    with np.errstate(divide="ignore"):
        logs = np.log(np.abs(1.0 - 2.0 * rate * values / d))
    c = -np.expm1(steps[:, None] * logs) / values
    g, h = axes.T @ own.v, axes.T @ new.v
    quadratic = (g @ g.T) * (axes.T @ new.u @ axes)
    test = np.sum((c @ quadratic) * c, axis=1) - 2.0 * c @ np.sum(g * h, axis=1)
    train = (values * c**2 - 2.0 * c) @ np.sum(g**2, axis=1)
    return {"train": 1.0 + train / d, "test": 1.0 + test / d}


def _first(tau: Array, values: Array, level: float) -> float:
    """First tau at which values, straight in log tau, rise to a level; NaN if never."""
    above = values[1:] >= level
    if not above.any() or above[0]:
        return math.nan
    i = int(np.argmax(above)) + 1
    share = (level - values[i - 1]) / (values[i] - values[i - 1])
    return float(tau[i - 1] * (tau[i] / tau[i - 1]) ** share)


def _net_times(values: Values, kind: str = "") -> tuple[float, float]:
    """tau_gen, at half of the fall of the test loss, and tau_mem, at half of L_gen's end."""
    tau = unpacked(values["tau"])
    train, test = (unpacked(values[f"{kind}{name}"]) for name in ("train", "test"))
    fall = 1.0 - test
    return _first(tau, fall, 0.5 * float(fall.max())), _first(
        tau, test - train, 0.5 * values["final"]
    )


def _judge_net(outcomes: Sequence[Outcome]) -> list[Check]:
    loads = sorted({o.task.settings["psi_n"] for o in outcomes})
    checks, times, exact = [], [], []
    for q in loads:
        group = [o.values for o in outcomes if o.task.settings["psi_n"] == q]
        for name in ("train", "test"):
            off = [np.max(np.abs(unpacked(v[name]) - unpacked(v[f"exact {name}"]))) for v in group]
            checks.append(
                within(f"psi_n {q}: {name} loss, largest deviation from exact gradient descent",
                       float(np.max(off)), 0.0, _MARGIN, float(np.std(off, ddof=1)),
                       f"at all milestones of all networks; L(0) = 1, allowed {_MARGIN:g}")
            )  # fmt: skip
        times.append([_net_times(v) for v in group])
        exact.append([_net_times(v, "exact ") for v in group])
        ratio = np.array([mem / gen for gen, mem in times[-1]])
        checks.append(
            within(f"psi_n {q}: tau_mem over tau_gen, the least of all networks",
                   float(ratio.min()), 1.0, math.inf, _error(ratio),
                   "L_gen at half of its end over half of the fall of the test loss")
        )  # fmt: skip
    for i, name in enumerate(("tau_gen", "tau_mem")):
        trained, known = (np.array(t)[:, :, i] for t in (times, exact))
        mean, error = trained.mean(axis=1), trained.std(axis=1, ddof=1) / math.sqrt(len(trained[0]))
        slope, uncertainty = power(loads, mean, error)
        theory = power(loads, known.mean(axis=1))[0]
        checks.append(
            measured(f"exponent of {name} in n", slope, uncertainty, theory,
                     "theory: exact gradient descent of the same features")
        )  # fmt: skip
        if name == "tau_mem":
            gain = float(mean[-1] / mean[0])
            spread = gain * float(np.hypot(error[-1] / mean[-1], error[0] / mean[0]))
            label = f"tau_mem at psi_n {loads[-1]} over that at psi_n {loads[0]}"
            if outcomes[0].task.settings["d"] >= _FROM_DIMENSION:
                note = "later by two errors at least"
                checks.append(within(label, gain, 1.0 + 2.0 * spread, math.inf, spread, note))
            else:
                note = "theory: exact descent; too few dimensions to judge"
                gain_known = float(known[-1].mean() / known[0].mean())
                checks.append(measured(label, gain, spread, gain_known, note))
    return checks


def _error(values: Array) -> float:
    return float(values.std(ddof=1) / math.sqrt(len(values)))


def _figures_net(outcomes: Sequence[Outcome]) -> list[Figure]:
    def draw(figure: Any) -> None:
        axes = figure.subplots()
        shown = [o for o in outcomes if o.task.key.endswith("draw 0")]
        for i, (task, values) in enumerate(shown):
            tau = unpacked(values["tau"])
            for name, marker in (("train", "x"), ("test", "o")):
                axes.plot(tau[1:], unpacked(values[name])[1:], marker, ms=3, color=f"C{i}")
                label = f"n/d = {task.settings['psi_n']}" if name == "test" else None
                axes.plot(tau[1:], unpacked(values[f"exact {name}"])[1:], color=f"C{i}", lw=0.8,
                          label=label)  # fmt: skip
        axes.set(xscale="log", xlabel="tau", ylabel="loss over all times")
        axes.legend(frameon=False)

    return [Figure("One network for all times: test o, train x, exact descent as lines.", draw)]


NET = Experiment(
    name="time-integrated",
    claim="One random-feature network for all times, too, generalises before it memorises, and "
    "memorises later with more data",
    source="slides on arXiv 2505.17638: time-integrated random features",
    theory="exact gradient descent of the same features, averaged over noises and times",
    statistic="train and test loss over all times by gradient descent with fresh noise",
    tolerance="0.02 on losses, of 1 at the start; tau_mem > tau_gen in every network; tau_mem "
    "grows by two errors (d >= 20); exponents not judged",
    plan=_plan_net,
    measure=_measure_net,
    judge=_judge_net,
    figures=_figures_net,
    needs=("torch",),
)

# --- classes and guidance ------------------------------------------------------------------------

_CLASS_SIZES: dict[str, dict[str, Any]] = {
    "smoke": {"n": (16, 64), "width": 16, "steps": 100, "draws": 1, "count": 100},
    "cpu": {"n": (32, 512), "width": 64, "steps": 6000, "draws": 2, "count": 1500},
    "gpu": {"n": (256, 512, 1024), "width": 64, "steps": 1_000_000, "draws": 2, "count": 5000},
}
_DIMENSION, _LEVELS = 8, 100
_STRENGTHS = (0.0, 2.0)
_EXACT = "exact scores"
_EARLY = 0.1  # of all updates
_JUDGED_FROM = 1000  # updates
_SIDE_MARGIN, _MEAN_MARGIN = 0.02, 0.15


def _plan_classes(scale: str) -> list[Task]:
    sizes = _CLASS_SIZES[scale]
    settings = {name: sizes[name] for name in ("width", "steps", "count")}
    tasks = [
        Task(f"n {n}, draw {i}", {"n": n, **settings}, 0.2 + sizes["steps"] * 4e-3)
        for n in sizes["n"]
        for i in range(sizes["draws"])
    ]
    return [*tasks, Task(_EXACT, {"count": 10 * sizes["count"]}, 2e-4 * sizes["count"])]


def _levels(setup: Setup, double: bool) -> Any:
    """Levels, closer together near 0, where the score is large."""
    import torch

    from validation.networks.diffusion import Levels

    schedule = rs.NoiseSchedule.at_times(3.0 * (np.arange(1, _LEVELS + 1) / _LEVELS) ** 2)
    kind = torch.float64 if double else torch.float32
    return Levels.of(schedule, dtype=kind, device=setup.device)


def _measure_classes(task: Task, setup: Setup) -> Values:
    import torch

    from validation.measures.exact_scores import GaussianMixture
    from validation.measures.samples import memorised_fraction
    from validation.networks.layers import ResidualMLP
    from validation.networks.training import Plan, train

    s, seed = task.settings, setup.torch_seed("guidance", task.key)
    if task.key == _EXACT:
        return _sides(_exact_network(setup), _levels(setup, True), s["count"], seed)[0]
    levels = _levels(setup, False)
    generator = torch.Generator(device=setup.device).manual_seed(seed)
    law = GaussianMixture.symmetric(np.ones(_DIMENSION))
    clean, labels = law.to(dtype=torch.float32, device=setup.device).sample(s["n"], generator)
    network = ResidualMLP(_DIMENSION, s["width"], clock=1000.0 / _LEVELS, classes=2, seed=seed)
    network = network.to(setup.device)
    known = clean.double().cpu().numpy()

    def measure(net: Any, step: int) -> dict[str, float]:
        values, samples = _sides(net, levels, s["count"], seed)
        rng = setup.rng("guidance", task.key, "bootstrap", step)
        copied = memorised_fraction(samples, known, rng)
        names = (f"{name} {w:g}" for w in _STRENGTHS for name in ("mean", "side", "variance"))
        numbers = {
            f"{name}, {kind}": values[name][i]
            for name in names
            for i, kind in enumerate(("value", "error"))
        }
        return {**numbers, "copied": copied.value, "low": copied.low, "high": copied.high}

    steps = s["steps"]
    stops = [math.ceil(_EARLY * steps), steps]
    plan = Plan(steps, 1e-3, "adam", batch=128, label_dropout=0.2, seed=seed)
    checkpoint = setup.checkpoint("guidance", task)
    records = train(
        network, clean, levels, plan, measure, stops, labels=labels, checkpoint=checkpoint,
        every=10_000,
    )  # fmt: skip
    checkpoint.unlink()
    return {
        when: {name: packed(value, 6) for name, value in record.items()}
        for when, record in zip(("early", "late"), records, strict=True)
    }


def _exact_network(setup: Setup) -> Any:
    """The exact noise of each class and, without a label, of the mixture."""
    from validation.measures.exact_scores import GaussianMixture

    mean = np.ones(_DIMENSION)
    levels = _levels(setup, True)
    parts = [
        law.denoiser(levels)
        for law in (
            GaussianMixture(mean, device=setup.device),
            GaussianMixture(-mean, device=setup.device),
            GaussianMixture(np.stack([mean, -mean]), device=setup.device),
        )
    ]
    return lambda x, k, labels: parts[int(labels[0])](x, k)


def _sides(network: Any, levels: Any, count: int, seed: int) -> tuple[Values, Array]:
    """Statistics of u = y x.m/|m|, y the sign of the label, and the samples without guidance."""
    import torch

    from validation.networks.diffusion import euler_maruyama, guided

    generator = torch.Generator(device=levels.t.device)
    found: Values = {}
    plain = []
    for strength in _STRENGTHS:
        rows = []
        for label, sign in enumerate((1.0, -1.0)):
            start = torch.randn(
                (count, _DIMENSION), generator=generator.manual_seed(seed + label),
                dtype=levels.t.dtype, device=levels.t.device,
            )  # fmt: skip
            drawn = euler_maruyama(guided(network, label, strength, 2), levels, start, generator)
            samples = drawn.double().cpu().numpy()
            rows.append(sign * samples.sum(axis=1) / math.sqrt(_DIMENSION))
            if strength == 0.0:
                plain.append(samples)
        u = np.concatenate(rows)
        for name, draws in (
            ("mean", u), ("side", (u > 0.0).astype(float)), ("variance", (u - u.mean()) ** 2)
        ):  # fmt: skip
            error = max(float(np.std(draws)), 1.0 / math.sqrt(len(u))) / math.sqrt(len(u))
            found[f"{name} {strength:g}"] = [packed(draws.mean()), packed(error)]
    return found, np.concatenate(plain)


def _judge_classes(outcomes: Sequence[Outcome]) -> list[Check]:
    from scipy.stats import norm

    exact = next(o.values for o in outcomes if o.task.key == _EXACT)
    nets = [o for o in outcomes if o.task.key != _EXACT]
    sizes = sorted({o.task.settings["n"] for o in nets})
    trained = nets[0].task.settings["steps"] >= _JUDGED_FROM
    size = math.sqrt(_DIMENSION)
    weak, strong = (f"{w:g}" for w in _STRENGTHS)
    checks = [
        compared("exact scores: share of samples on the side of their label",
                 float(norm.cdf(size)), *exact[f"side {weak}"], margin=0.002,
                 note="margin 0.002: steps of the sampler"),
        compared("exact scores: mean along m", size, *exact[f"mean {weak}"], margin=0.05,
                 note="margin 0.05: steps of the sampler"),
    ]  # fmt: skip
    push = exact[f"mean {strong}"][0] - exact[f"mean {weak}"][0]
    noise = math.hypot(exact[f"mean {strong}"][1], exact[f"mean {weak}"][1])
    checks.append(
        within(f"exact scores: push of the mean by guidance {strong}", push, 4.0 * noise, math.inf,
               noise, "further out by four errors")
    )  # fmt: skip
    group = [o.values["early"] for o in nets if o.task.settings["n"] == sizes[-1]]
    label = f"n = {sizes[-1]}, early"
    for w in (weak, strong):
        side, mean, variance = (_pooled(group, f"{x} {w}") for x in ("side", "mean", "variance"))
        # The centre of a class is known from n/2 samples only.
        centre = math.sqrt(2.0 / (sizes[-1] * len(group)))
        both = math.hypot(mean[1], centre)
        name = f"{label}, guidance {w}"
        if trained:
            checks += [
                compared(f"{name}: share on the side of the label", exact[f"side {w}"][0], *side,
                         margin=_SIDE_MARGIN, note="theory: exact scores, same sampler"),
                compared(f"{name}: mean along m", exact[f"mean {w}"][0], mean[0], both,
                         margin=_MEAN_MARGIN, note="theory: exact scores, same sampler; error with "
                         "that of the centres of the data"),
            ]  # fmt: skip
        else:
            checks.append(measured(f"{name}: mean along m", *mean, exact[f"mean {w}"][0]))
        checks.append(
            measured(f"{name}: variance along m", *variance, exact[f"variance {w}"][0],
                     "theory: exact scores, same sampler")
        )  # fmt: skip
    low, high = _pooled(group, f"mean {weak}"), _pooled(group, f"mean {strong}")
    noise = math.hypot(low[1], high[1])
    if trained:
        checks.append(
            within(f"{label}: push of the mean by guidance {strong}", high[0] - low[0],
                   4.0 * noise, math.inf, noise, f"further out by four errors; exact {push:.3f}")
        )  # fmt: skip
    return checks + _judge_copies(nets, sizes, trained)


def _pooled(group: Sequence[Values], name: str) -> tuple[float, float]:
    """Mean over networks, and the error of its samples."""
    values = [v[f"{name}, value"] for v in group]
    errors = [v[f"{name}, error"] for v in group]
    return float(np.mean(values)), float(np.linalg.norm(errors)) / len(group)


def _judge_copies(nets: Sequence[Outcome], sizes: list[int], trained: bool) -> list[Check]:
    checks, share = [], {}
    for n in sizes:
        for when in ("early", "late"):
            group = [o.values[when] for o in nets if o.task.settings["n"] == n]
            value = float(np.mean([v["copied"] for v in group]))
            # Half of a 95 % interval is 1.96 errors; without copies it has no width.
            error = float(np.mean([v["high"] - v["low"] for v in group])) / 3.92
            share[n, when] = value, max(error, 1.0 / (2 * nets[0].task.settings["count"]))
            checks.append(
                measured(f"n = {n}, {when}: memorised fraction", *share[n, when],
                         note="nearest over second nearest below 1/3; labels, no guidance")
            )  # fmt: skip
    if not trained:
        return checks
    small, large = sizes[0], sizes[-1]
    for name, one, two in (
        (f"n = {small}: memorised late less early", (small, "late"), (small, "early")),
        (f"memorised late at n = {small} less n = {large}", (small, "late"), (large, "late")),
    ):
        error = math.hypot(share[one][1], share[two][1])
        gain = share[one][0] - share[two][0]
        checks.append(within(name, gain, 4.0 * error, math.inf, error, "by four errors"))
    return checks


CLASSES = Experiment(
    name="guidance",
    claim="A residual MLP with labels draws each class on its side, guidance pushes it further "
    "out, and small data sets are memorised late in training",
    source="arXiv 2505.17638, Sect. B and Fig. 10; arXiv 2207.12598, eq. 6",
    theory="exact scores of the classes and of the mixture, with the same sampler",
    statistic="share on the side of the label, mean and variance along m, memorised fraction",
    tolerance="0.02 on shares and 0.15 on means beyond the errors; push and memorised fractions by "
    "four errors; exact scores 0.002 and 0.05",
    plan=_plan_classes,
    measure=_measure_classes,
    judge=_judge_classes,
    needs=("torch",),
)
EXPERIMENTS = (NET, CLASSES)
