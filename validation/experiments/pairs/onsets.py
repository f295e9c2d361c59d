r"""Onsets of generalisation and of memorisation in pairs of networks, and how they grow.

An onset is read off a curve over training, between milestones on the logarithm of the updates.
Memorisation:

- **copied**, **half copied**: a tenth, a half of the generated samples are copies of training
  samples;
- **gap**: the partner's loss on a network's own samples is a tenth above the network's;
- **gap after the level**: the same, if it comes after generalisation to one level (below): the gap
  of few samples opens for a while as they are learned, which is no memorisation;
- **half gap**: that gap is half of its final size, where it has reached one;
- **half lean**: beta, the lean of the score on its own samples, is a half.

Generalisation:

- **level**: the test loss is nine tenths of the way down to one level for all sizes, the highest
  of their least test losses;
- **own**: it is nine tenths of the way down to its own least value;
- **best**: it is least.

The same definitions serve random features in theory (`Curve` of both kinds).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from validation.harness.checks import Check, measured, power
from validation.harness.experiment import Outcome, Values, unpacked

Array = NDArray[np.float64]

_COPIED, _GAP, _DOWN, _HALF = 0.1, 0.1, 0.9, 0.5
_SETTLED = 1.1  # at most this factor of growth of the gap over the second half of the updates
_RESAMPLED = 400
_LABELS = ("draw", "rank", "source", "steps")  # not a property of what is trained
GENERATED = {"mixture": 1024}


class Curve(NamedTuple):
    """One network, or the theory, over training; `copied` and `generated` are counts."""

    steps: Array
    test: Array
    gap: Array
    beta: Array
    copied: Array | None = None
    generated: int = 256


def lean(values: Values) -> Array:
    """Return beta over training, of both networks of a pair together."""
    own, other = (unpacked(values[name]).sum(axis=1) for name in ("pull", "pull_other"))
    # Before the first update there is no score.
    return 1.0 - np.divide(own, other, out=np.ones_like(own), where=other != 0.0)


def curve(outcome: Outcome, network: int) -> Curve:
    """Return what was measured of one network of a pair."""
    task, values = outcome
    train, test, other, copied = (
        unpacked(values[name])[:, network] for name in ("train", "test", "other", "copied")
    )
    return Curve(
        np.array(values["step"], dtype=float), test, other - train, lean(values), copied,
        GENERATED.get(task.settings["source"], 256),
    )  # fmt: skip


def first_above(steps: Array, values: Array, level: float) -> float:
    """Return where a curve first reaches a level, between milestones on a logarithmic axis.

    NaN if it never does, or does so at once.
    """
    above = values >= level
    if not above.any() or above[0]:
        return math.nan
    i = int(np.argmax(above))
    share = (level - values[i - 1]) / (values[i] - values[i - 1])
    before = max(steps[i - 1], 0.5 * steps[i] if steps[i - 1] == 0.0 else 0.0)
    return float(before * (steps[i] / before) ** share)


def _copied(c: Curve, floor: float, share: float = _COPIED) -> float:
    return math.nan if c.copied is None else first_above(c.steps, c.copied / c.generated, share)


def _half_copied(c: Curve, floor: float) -> float:
    return _copied(c, floor, _HALF)


def _gap(c: Curve, floor: float) -> float:
    return first_above(c.steps, c.gap, _GAP)


def _gap_after(c: Curve, floor: float) -> float:
    found = _gap(c, floor)
    return found if found > _learned(c, floor) else math.nan


def _half_gap(c: Curve, floor: float) -> float:
    end = float(c.gap[-1])
    middle = float(np.interp(0.5 * c.steps[-1], c.steps, c.gap))
    if end > _SETTLED * middle:
        return math.nan
    return first_above(c.steps, c.gap, _HALF * end)


def _half_lean(c: Curve, floor: float) -> float:
    return first_above(c.steps, c.beta, _HALF)


def _learned(c: Curve, floor: float) -> float:
    return first_above(c.steps, c.test[0] - c.test, _DOWN * (c.test[0] - floor))


def _learned_own(c: Curve, floor: float) -> float:
    return _learned(c, float(np.nanmin(c.test)))


def _best(c: Curve, floor: float) -> float:
    i = int(np.nanargmin(c.test))
    return float(c.steps[i]) if i < len(c.steps) - 1 else math.nan


ONSETS: dict[str, Callable[[Curve, float], float]] = {
    "tau_mem, a tenth copied": _copied,
    "tau_mem, half copied": _half_copied,
    "tau_mem, gap a tenth": _gap,
    "tau_mem, gap a tenth after the level": _gap_after,
    "tau_mem, gap half its final size": _half_gap,
    "tau_mem, half lean": _half_lean,
    "tau_gen, learned to one level": _learned,
    "tau_gen, nine tenths of its own": _learned_own,
    "tau_gen, least test loss": _best,
}

Runs = dict[float, list[list[Curve]]]
"""Size -> draws -> the networks of a draw."""


def series(outcomes: Sequence[Outcome], free: str) -> dict[str, list[Outcome]]:
    """Return outcomes that differ in `free` and the draw only, by what they have in common."""
    groups: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        settings = outcome.task.settings
        fixed = [f"{k} {v}" for k, v in settings.items() if k not in (free, *_LABELS)]
        groups.setdefault(", ".join(fixed), []).append(outcome)
    return {
        label: group
        for label, group in groups.items()
        if len({o.task.settings[free] for o in group}) > 1
    }


def runs(group: Sequence[Outcome], free: str) -> Runs:
    """Return the curves of a series by size."""
    found: Runs = {}
    for outcome in sorted(group, key=lambda o: (o.task.settings[free], o.task.settings["draw"])):
        pair = [curve(outcome, network) for network in (0, 1)]
        found.setdefault(float(outcome.task.settings[free]), []).append(pair)
    return found


def floor_of(curves: Runs) -> float:
    """Return the highest of the least test losses of all sizes, NaN if there is none."""
    least = (
        np.mean([np.nanmin(c.test) for pair in draws for c in pair]) for draws in curves.values()
    )
    return max(map(float, least), default=math.nan)


class Exponent(NamedTuple):
    """Power of an onset in a size.

    Attributes
    ----------
    value, low, high : least squares in the logarithms, and the 68 % interval
    onsets : size -> geometric mean
    censored : size -> how many of its networks got there, of how many; not used in the fit
    """

    value: float
    low: float
    high: float
    onsets: dict[float, float]
    censored: dict[float, tuple[int, int]]

    @property
    def half_width(self) -> float:
        """Half of the interval; NaN where there is none."""
        return 0.5 * (self.high - self.low)


def exponent(curves: Runs, name: str, rng: np.random.Generator) -> Exponent:
    """Fit onset ~ size^k, sizes at which every network got there only.

    The interval is the wider of two: of the bootstrap (draws with their pairs, and what a finite
    number of generated samples leaves open), and of the scatter about the straight line.
    """
    onset, floor = ONSETS[name], floor_of(curves)
    times = {
        size: np.array([[onset(c, floor) for c in pair] for pair in draws])
        for size, draws in curves.items()
    }
    censored = {
        size: (int(np.isfinite(t).sum()), t.size)
        for size, t in times.items()
        if not np.isfinite(t).all()
    }
    whole = {size: np.log(t).mean(axis=1) for size, t in times.items() if size not in censored}
    means = {size: float(np.exp(logs.mean())) for size, logs in whole.items()}
    if len(whole) < 2:
        return Exponent(math.nan, math.nan, math.nan, means, censored)
    value, scatter = power(list(means), list(means.values()))
    slopes = []
    if all(len(logs) > 1 for logs in whole.values()):
        for _ in range(_RESAMPLED):
            again = [_resampled(curves[s], logs, name, rng) for s, logs in whole.items()]
            slopes.append(power(list(whole), np.exp(again))[0])
    slopes = [s for s in slopes if math.isfinite(s)]
    low, high = np.quantile(slopes, [0.16, 0.84]) if slopes else (math.nan, math.nan)
    if math.isfinite(scatter) and not 0.5 * (high - low) >= scatter:
        low, high = value - scatter, value + scatter
    return Exponent(value, float(low), float(high), means, censored)


def _resampled(draws: list[list[Curve]], logs: Array, name: str, rng: np.random.Generator) -> float:
    """Mean logarithm of other draws, as far from the mean as that of few draws is."""
    count = len(logs)
    chosen = rng.integers(count, size=count)
    # The mean of `count` resampled draws is too narrow by (count - 1)/count in variance.
    moved = float(
        logs.mean() + (logs[chosen].mean() - logs.mean()) * math.sqrt(count / (count - 1))
    )
    if not name.endswith("copied"):
        return moved
    onset, shifts = ONSETS[name], []
    for c in (c for pair in draws for c in pair):
        assert c.copied is not None
        share = np.clip(c.copied / c.generated, 0.0, 1.0)
        again = c._replace(copied=rng.binomial(c.generated, share).astype(float))
        shifts.append(math.log(onset(again, 0.0)) - math.log(onset(c, 0.0)))
    return moved + float(np.nanmean(shifts))


def exponents(outcomes: Sequence[Outcome], free: str) -> dict[str, dict[str, Exponent]]:
    """Return label of a series -> name of an onset -> exponent in `free`."""
    rng = np.random.default_rng(0)
    return {
        label: {name: exponent(runs(group, free), name, rng) for name in ONSETS}
        for label, group in series(outcomes, free).items()
    }


def judge_exponents(outcomes: Sequence[Outcome]) -> list[Check]:
    """Return the exponents of all onsets in n and in the width; reported, not judged."""
    targets = {"n": {"tau_mem": 1.0, "tau_gen": 0.0}, "width": {"tau_mem": -1.0, "tau_gen": -1.0}}
    checks = []
    for free in ("n", "width"):
        for label, table in exponents(outcomes, free).items():
            for name, found in table.items():
                checks.append(
                    measured(f"{name}: exponent in {free} ({label})", found.value,
                             found.half_width if math.isfinite(found.half_width) else 0.0,
                             targets[free][name[:7]], note=_told(found))
                )  # fmt: skip
    return checks


def _told(found: Exponent) -> str:
    text = "; ".join(f"{size:g}: {time:.4g}" for size, time in found.onsets.items()) or "none"
    if math.isfinite(found.half_width):
        text = f"68 % interval [{found.low:.2f}, {found.high:.2f}]; updates at {text}"
    else:
        text = f"no interval; updates at {text}"
    for size, (reached, count) in found.censored.items():
        text += f"; {size:g} left out, {reached} of {count} networks got there"
    return text
