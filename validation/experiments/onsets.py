r"""Onsets of generalisation and of memorisation in pairs of networks, and how they grow with n.

Every onset is read off a curve over training, on the logarithm of the updates:

- **copied**: a tenth of the generated samples are copies of training samples;
- **gap**: the gap between the losses of fresh and own samples is a tenth;
- **generalised**: the loss of fresh samples is nine tenths of the way down to its least value;
- **best**: it is least.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from validation.harness.checks import Check, measured, power
from validation.harness.experiment import Figure, Outcome, Values, unpacked

Array = NDArray[np.float64]

_COPIED, _GAP, _DOWN = 0.1, 0.1, 0.9
_GENERATED = {"mixture": 1024}


def first_above(steps: Array, curve: Array, level: float) -> float:
    """Return where a curve first reaches a level, between milestones on a logarithmic axis.

    NaN if it never does, or does so at once.
    """
    above = curve >= level
    if not above.any() or above[0]:
        return math.nan
    i = int(np.argmax(above))
    share = (level - curve[i - 1]) / (curve[i] - curve[i - 1])
    before = max(steps[i - 1], 0.5 * steps[i] if steps[i - 1] == 0.0 else 0.0)
    return float(before * (steps[i] / before) ** share)


def onset_copied(task: Values, values: Values, network: int) -> float:
    """Return when a tenth of the generated samples are copies."""
    count = _GENERATED.get(task["source"], 256)
    steps = np.array(values["step"], dtype=float)
    return first_above(steps, unpacked(values["copied"])[:, network] / count, _COPIED)


def onset_gap(task: Values, values: Values, network: int) -> float:
    """Return when fresh samples have a loss a tenth above that of own ones."""
    test, train = (unpacked(values[name])[:, network] for name in ("test", "train"))
    return first_above(np.array(values["step"], dtype=float), test - train, _GAP)


def onset_generalised(task: Values, values: Values, network: int) -> float:
    """Return when the loss of fresh samples is nine tenths of the way down."""
    test = unpacked(values["test"])[:, network]
    down = (test[0] - test) / (test[0] - np.nanmin(test))
    return first_above(np.array(values["step"], dtype=float), down, _DOWN)


def onset_best(task: Values, values: Values, network: int) -> float:
    """Return when the loss of fresh samples is least."""
    test = unpacked(values["test"])[:, network]
    return float(values["step"][int(np.nanargmin(test))])


ONSETS: dict[str, Callable[[Values, Values, int], float]] = {
    "tau_mem, a tenth copied": onset_copied,
    "tau_mem, gap a tenth": onset_gap,
    "tau_gen, nine tenths learned": onset_generalised,
    "tau_gen, least test loss": onset_best,
}


def series(outcomes: Sequence[Outcome], free: str) -> dict[str, list[Outcome]]:
    """Return outcomes that differ in `free` and the draw only, by what they have in common."""
    groups: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        settings = outcome.task.settings
        fixed = [
            f"{k} {v}" for k, v in settings.items() if k not in (free, "draw", "rank", "source")
        ]
        groups.setdefault(", ".join(fixed), []).append(outcome)
    return {
        label: group
        for label, group in groups.items()
        if len({o.task.settings[free] for o in group}) > 1
    }


def judge(outcomes: Sequence[Outcome]) -> list[Check]:
    """Return the exponents of all onsets in n and in the width."""
    checks = []
    for free in ("n", "width"):
        for label, group in series(outcomes, free).items():
            for name, onset in ONSETS.items():
                checks.append(_exponent(free, label, name, onset, group))
    return checks


def _exponent(free: str, label: str, name: str, onset: Any, group: Sequence[Outcome]) -> Check:
    found: dict[float, list[float]] = {}
    for task, values in group:
        times = [onset(task.settings, values, network) for network in (0, 1)]
        found.setdefault(float(task.settings[free]), []).extend(times)
    # A size at which some run did not get there says nothing of the mean.
    whole = {size: times for size, times in found.items() if np.all(np.isfinite(times))}
    title = f"{label}: exponent of {name} in {free}"
    if len(whole) < 2:
        return measured(title, math.nan, note="reached at fewer than two sizes")
    means = [float(np.mean(times)) for times in whole.values()]
    slope, error = power(list(whole), means)
    table = ", ".join(f"{size:g}: {mean:.4g}" for size, mean in zip(whole, means, strict=True))
    return measured(title, slope, error if math.isfinite(error) else 0.0, note=table)


def figures(outcomes: Sequence[Outcome]) -> list[Figure]:
    """Return the losses and the copied share over training, by n."""
    return [
        Figure(f"{label}: losses (train dotted) and share of copies over training.", _curves(group))
        for label, group in series(outcomes, "n").items()
    ]


def _curves(group: Sequence[Outcome]) -> Callable[[Any], None]:
    def draw(figure: Any) -> None:
        left, right = figure.subplots(1, 2)
        sizes = sorted({o.task.settings["n"] for o in group})
        for task, values in group:
            if task.settings["draw"]:
                continue
            n = task.settings["n"]
            color, steps = f"C{sizes.index(n)}", np.array(values["step"], dtype=float)
            left.plot(steps, unpacked(values["train"])[:, 0], ":", color=color, lw=1)
            left.plot(steps, unpacked(values["test"])[:, 0], color=color, lw=1, label=f"n = {n}")
            count = _GENERATED.get(task.settings["source"], 256)
            right.plot(steps / n, unpacked(values["copied"])[:, 0] / count, color=color, lw=1)
        left.set(xscale="log", xlabel="updates", title="losses at t = 0.1", ylim=(0.0, 1.6))
        right.set(xscale="log", xlabel="updates/n", title="share of copies")
        left.legend(frameon=False)

    return draw
