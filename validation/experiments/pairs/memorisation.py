r"""Pairs of networks on disjoint data, trained together: when they memorise, and what grows with n.

The U-Net on digits and on Gaussian random fields, the residual MLP on two Gaussians. Every task is
a pair of networks with the same first weights on two disjoint data sets of n samples. At the scale
`gpu` all tasks of one network, width and optimiser form a crowd, and all crowds share one card.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import rmtspec as rs
from validation.harness.experiment import Setup, Task, Values, packed

if TYPE_CHECKING:
    from validation.networks.pairs import Course, Crowd, Pair

Array = NDArray[np.float64]

_TIME = 0.1  # of the losses
_TEST = {"digits": 256, "field": 256, "mixture": 2048}
_SIDE = 8
_UNET_SIZES = (16, 32, 64, 128, 256, 512)
_MLP_SIZES = (128, 256, 512, 1024, 2048)
# On CPUs the U-Net has two resolutions, and half the batch.
_SMALL = {"levels": 2, "batch": 32}
_STEP_SECONDS = {4: 0.005, 8: 0.007, 16: 0.015}  # of a pair of small U-Nets, by width, on one core
_ADAM, _SGD = {"optimiser": "adam"}, {"optimiser": "sgd"}
# Of pictures: the law in n, then for digits the other optimiser, the width, and the law in n at
# another width. Sizes, width, optimiser, updates a sample: about twice those at which a tenth is
# copied, by what is known of three resolutions.
_LONG_UNETS = {
    "digits": (
        ((16, 32, 64, 128, 256), 8, _ADAM, 120),
        ((16, 32, 64, 128), 8, _SGD, 200),
        ((64,), 16, _ADAM, 70),
        ((64,), 4, _ADAM, 400),
        ((16, 32, 128), 16, _ADAM, 70),
    ),
    "field": (((16, 32, 64, 128, 256), 8, _ADAM, 100),),
}
# Of the mixture in the order of what is asked first: the law in n for both optimisers, in the
# width, near what narrow networks can hold, the largest n. Sizes, width, optimiser, updates a
# sample: half as many again as those at which a tenth is copied, where that is known.
_LONG_MIXTURE = (
    ((32, 64, 128, 256), 128, _SGD, 150),
    ((32, 64, 128, 256), 128, _ADAM, 60),
    ((64,), 16, _SGD, 700),
    ((64,), 32, _SGD, 700),
    ((64,), 64, _SGD, 300),
    ((64,), 256, _SGD, 150),
    ((32, 128, 256), 16, _SGD, 250),
    ((32, 128, 256), 32, _SGD, 250),
    ((512,), 128, _SGD, 150),
    ((512,), 128, _ADAM, 60),
)


def schedule(source: str) -> rs.NoiseSchedule:
    """Return the noise levels: of the mixture closer together near 0, where the score is large."""
    from validation.networks.pairs import LEVELS

    if source == "mixture":
        return rs.NoiseSchedule.at_times(3.0 * (np.arange(1, LEVELS + 1) / LEVELS) ** 2)
    # The betas of 1000 steps, ten times as large: 100 levels reach nearly white noise.
    return rs.NoiseSchedule.linear(LEVELS, 1e-3, 0.2)


def measured_level(source: str) -> int:
    """Return the level nearest to t = 0.1."""
    return int(np.argmin(np.abs(np.asarray(schedule(source).t) - _TIME))) + 1


def tasks(name: str) -> list[Task]:
    """Return the pairs of an experiment at the scale `gpu`; `rank` says which go first."""
    found: list[Task] = []

    def add(rank: int, draws: int, **settings: Any) -> None:
        label = ", ".join(f"{key} {value}" for key, value in settings.items())
        for draw in range(draws):
            task = {**settings, "source": name, "rank": rank, "draw": draw}
            found.append(Task(f"{label}, draw {draw}", task))

    if name == "mixture":
        _mlp_tasks(add)
    else:
        _unet_tasks(name, add)
    return found


def long_tasks(name: str) -> list[Task]:
    """Return the pairs of an experiment at the scale `long`: hours, a core a process."""
    found: list[Task] = []

    def add(work: float, steps: int, **settings: Any) -> None:
        label = ", ".join(f"{key} {value}" for key, value in settings.items())
        for draw in range(3):
            task = {**settings, "source": name, "rank": 0, "draw": draw, "steps": steps}
            found.append(Task(f"{label}, draw {draw}", task, steps * work))

    if name == "mixture":
        for sizes, width, optimiser, updates in _LONG_MIXTURE:
            for n in sizes:
                # Of a pair: calls, and products of matrices.
                work = 1e-3 + 1e-9 * n * width**2
                add(work, updates * n, n=n, width=width, **optimiser, dimension=8)
        return found
    steep = {"exponent": 2.0} if name == "field" else {}
    for sizes, width, optimiser, updates in _LONG_UNETS[name]:
        for n in sizes:
            work = _STEP_SECONDS[width]
            add(work, updates * n, n=n, width=width, **optimiser, **steep, **_SMALL)
    return found


def _unet_tasks(name: str, add: Callable[..., None]) -> None:
    steep = {"exponent": 2.0} if name == "field" else {}
    for n in _UNET_SIZES:
        add(0, 3, n=n, width=8, **_ADAM, **steep)
    if name == "field":
        for exponent in (0.0, 1.0, 3.0):
            for n in _UNET_SIZES[:5:2]:
                add(0, 2, n=n, width=8, **_ADAM, exponent=exponent)
        return
    for n in _UNET_SIZES[:4]:
        add(4, 2, n=n, width=8, **_SGD)
    for width, draws in ((4, 3), (16, 3), (32, 2)):
        add(2, draws, n=64, width=width, **_ADAM)


def _mlp_tasks(add: Callable[..., None]) -> None:
    for n in _MLP_SIZES:
        add(1, 3, n=n, width=128, **_SGD, dimension=8)
        add(3, 3, n=n, width=128, **_ADAM, dimension=8)
    for width in (32, 64, 256):
        for n in _MLP_SIZES[:3]:
            add(5, 3, n=n, width=width, **_SGD, dimension=8)
    for n in (256, 1024):
        add(6, 3, n=n, width=128, **_SGD, dimension=16)
    add(7, 3, n=4096, width=128, **_SGD, dimension=8)


def course(settings: Values) -> Course:
    """Return how the networks of a task are trained: what tasks of one crowd have in common."""
    found = _course(settings)
    steps = settings.get("steps", found.steps)
    return replace(found, steps=steps, least=min(found.least, steps))


def _course(settings: Values) -> Course:
    from validation.networks.pairs import Course

    n, width, optimiser = settings["n"], settings["width"], settings["optimiser"]
    momentum = 0.95 if optimiser == "sgd" else 0.0
    if settings["source"] == "mixture":
        rate = 6e-3 if optimiser == "sgd" else 6e-4
        most, least = (400 * n, 160 * n) if optimiser == "sgd" else (150 * n, 40 * n)
        return Course("mlp", settings["dimension"], width, n, True, optimiser, rate, momentum,
                      min(most, 600_000), min(least, 330_000), first=16, ratio=1.25)  # fmt: skip
    if optimiser == "sgd":
        most, least = 60_000, 15_000
    else:
        # A wider network needs fewer updates.
        most, least = 320_000 // width, 160_000 // width
    rate = 1e-2 if optimiser == "sgd" else 1e-3
    return Course("unet", _SIDE, width, settings.get("batch", 64), False, optimiser, rate,
                  momentum, most, least, first=8, ratio=1.2,
                  levels=settings.get("levels", 3))  # fmt: skip


def pair(task: Task, setup: Setup) -> Pair:
    """Return the data of a task; the same test samples serve both of its networks."""
    from validation.networks.pairs import Pair

    s = task.settings
    seed = setup.torch_seed("pair", s["source"], s["width"], s["draw"]) % 2**30
    rng = setup.rng("pair", s["source"], s["n"], s["draw"], s.get("exponent"), s.get("dimension"))
    n, test = s["n"], _TEST[s["source"]]
    exact: Callable[[Array, int], Array] | None = None
    if s["source"] == "digits":
        from validation.data import images

        pictures = images.digits().pixels
        samples = pictures[rng.permutation(len(pictures))]
    elif s["source"] == "field":
        from validation.data import images

        samples = images.random_field(test + 2 * n, _SIDE, s["exponent"], rng).pixels
        exact = partial(_exact_of_field, s["exponent"])
    else:
        samples = rng.standard_normal((test + 2 * n, s["dimension"]))
        samples += rng.choice([-1.0, 1.0], len(samples))[:, None]
        exact = _exact_of_mixture
    own = samples[test : test + 2 * n].reshape(2, n, *samples.shape[1:])
    return Pair(task.key, own, samples[:test], seed, exact)


def _exact_of_field(exponent: float, x: Array, level: int) -> Array:
    """Noise prediction of a Gaussian field: linear, mode by mode."""
    from validation.data.images import random_field_variances

    signal, delta = _at(level, "field")
    gain = math.sqrt(delta) / (signal * random_field_variances(x.shape[-1], exponent) + delta)
    return np.asarray(np.fft.ifft2(np.fft.fft2(x) * gain).real)


def _exact_of_mixture(x: Array, level: int) -> Array:
    """Noise prediction of N(1, I) and N(-1, I) at equal weights."""
    signal, delta = _at(level, "mixture")
    pull = math.sqrt(signal) * np.tanh(math.sqrt(signal) * x.sum(axis=-1, keepdims=True))
    return math.sqrt(delta) * (x - pull)


def _at(level: int, source: str) -> tuple[float, float]:
    levels = schedule(source)
    return float(levels.alpha_bar[level - 1]), float(levels.delta[level - 1])


def crowd(task: Task, setup: Setup) -> Crowd:
    """Return the networks of one task, untrained."""
    import torch

    from validation.networks.diffusion import Levels
    from validation.networks.pairs import Crowd

    source = task.settings["source"]
    levels = Levels.of(schedule(source), dtype=torch.float32, device=setup.device)
    seed = setup.torch_seed("crowd", task.key)
    return Crowd(
        course(task.settings), [pair(task, setup)], levels, measured_level(source), seed,
        setup.device,
    )  # fmt: skip


def values(records: Sequence[Values]) -> Values:
    """Return the records of a pair as curves; of two numbers, the networks' one after the other."""
    names = [name for name in records[0] if name != "step"]
    return {
        "step": [record["step"] for record in records],
        **{name: packed([record[name] for record in records], 5) for name in names},
    }


def measure(name: str, task: Task, setup: Setup) -> Values:
    """Train one pair, from where a run that was killed left it.

    Parameters
    ----------
    name : experiment
    task, setup

    Returns
    -------
    dict
        As `values` has it; the same bit for bit however often the training was killed.
    """
    from validation.networks.pairs import resumed

    checkpoint = setup.checkpoint(name, task)
    records = resumed(crowd(task, setup), checkpoint)
    checkpoint.unlink(missing_ok=True)
    return values(records)


def train_together(
    jobs: Sequence[tuple[str, Task]],
    setup: Setup,
    seconds: float,
    done: Callable[[str, str, Values, float], None],
    say: Callable[[str], None],
) -> dict[tuple[str, str], str]:
    """Train all pairs at once for a time.

    Parameters
    ----------
    jobs : (experiment, task)
    setup, seconds
    done : call of (experiment, key, values, seconds)
        After every examination.
    say : call of (text)

    Returns
    -------
    dict
        (experiment, key) -> why a task was left out.
    """
    from validation.networks.crowds import run_crowds

    began = time.monotonic()
    works, members = _works(jobs, setup)

    def report(label: str, records: list[Values], spent: float) -> None:
        experiment, task = members[label]
        done(experiment, task.key, values(records), spent)

    run_crowds(works, seconds, setup.device, report, say, began)
    return {
        (members[p.key][0], members[p.key][1].key): work.problem
        for work in works
        if work.problem
        for p in work.pairs
    }


def _works(
    jobs: Sequence[tuple[str, Task]], setup: Setup
) -> tuple[list[Any], dict[str, tuple[str, Task]]]:
    from validation.networks.crowds import Work
    from validation.networks.diffusion import Levels
    from validation.networks.pairs import Pair

    crowds: dict[tuple[int, Course, bool], list[tuple[str, Task]]] = {}
    for experiment, task in jobs:
        s = task.settings
        key = (s["rank"], course(s), s["source"] == "digits")
        crowds.setdefault(key, []).append((experiment, task))
    works, members = [], {}
    for (rank, common, _), group in sorted(crowds.items(), key=lambda item: item[0][0]):
        source = group[0][1].settings["source"]
        pairs = []
        for experiment, task in group:
            found = pair(task, setup)
            label = f"{experiment}: {task.key}"
            members[label] = (experiment, task)
            pairs.append(Pair(label, found.own, found.test, found.seed, found.exact))
        batch = f", n {common.batch}" if common.full else ""
        name = f"{rank}. {source}, width {common.width}, {common.optimiser}{batch}"

        def levels(device: Any, source: str = source) -> Levels:
            import torch

            return Levels.of(schedule(source), dtype=torch.float32, device=device)

        seed = setup.torch_seed("crowd", name)
        works.append(Work(name, common, pairs, levels, measured_level(source), seed))
    return works, members
