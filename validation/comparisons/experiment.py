r"""How often `compare` rejects a right model, and whether edges follow the Tracy-Widom law."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmtspec.solve.tracy_widom import TracyWidom
from validation.comparisons.draws import LEVELS, at_edges, by_comparison, by_formula
from validation.comparisons.settings import (
    COST,
    DRAWS,
    EDGES,
    OUTERMOST,
    SETTINGS,
    TESTED,
    TESTED_AT,
    TESTS,
    model,
)
from validation.harness.checks import CHANCE, Check, compared, measured, within
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

_BATCH = 500
_NEXT_ORDER = 0.8
"""Margin of a rate at 5 %, over the least of p, n and d: 0.3 to 0.5 was seen at 26 dimensions."""
_MOMENT = 0.1
"""Margin of standardised means and variances."""
_SHIFT = 0.15
"""Margin of the mean place at an edge, in Tracy-Widom standard deviations at 300 eigenvalues."""
_BEND = 0.03
"""Margin of a distance of distributions: what a shift of 0.1 standard deviations makes of it."""

# --- sizes of the test ---------------------------------------------------------------------------


def _plan(scale: str) -> list[Task]:
    tasks = []
    for name in SETTINGS:
        for d, draws in DRAWS[scale].items():
            for i in range(math.ceil(draws / _BATCH)):
                count = min(_BATCH, draws - i * _BATCH)
                settings = {"kind": "formula", "setting": name, "d": d, "draws": count}
                work = 1.0 + count * COST[name] * (d / 100) ** 2.5
                tasks.append(Task(f"{name}, d = {d}, by formula, batch {i}", settings, work))
    tests, batches = TESTS[scale]
    for name in TESTED:
        settings = {"kind": "comparison", "setting": name, "d": TESTED_AT, "draws": tests}
        tasks += [
            Task(f"{name}, d = {TESTED_AT}, by draws, batch {i}", settings, 0.5 * tests)
            for i in range(batches)
        ]
    for name, d in EDGES.items():
        settings = {"kind": "edges", "setting": name, "d": d, "draws": OUTERMOST[scale]}
        tasks.append(Task(f"{name}, d = {d}, edges", settings, OUTERMOST[scale] * 0.02))
    return tasks


_MEASURES = {"formula": by_formula, "comparison": by_comparison, "edges": at_edges}


def _measure(task: Task, setup: Setup) -> Values:
    asked = task.settings
    measure = _MEASURES[asked["kind"]]
    found = measure(asked["setting"], asked["d"], asked["draws"], setup.rng("compare", task.key))
    if asked["kind"] == "edges":
        return _of_edges(found)
    return {name: packed(values, 6) for name, values in found.items()}


def _of_edges(found: dict[str, Any]) -> Values:
    """Distances of distributions, means and spreads in the place of all the draws."""
    return {
        "location": packed(found["location"], 6),
        "side": packed(found["side"]),
        "distance": packed([_kolmogorov(p) for p in found["pvalues"].T], 6),
        "mean": packed(found["scaled"].mean(axis=0), 6),
        "spread": packed(found["scaled"].std(axis=0, ddof=1), 6),
    }


def _kolmogorov(values: Array) -> float:
    """Largest distance of the distribution of values from the uniform one."""
    values, steps = np.sort(values), np.arange(len(values) + 1) / len(values)
    return float(max((steps[1:] - values).max(), (values - steps[:-1]).max()))


def _fewest(name: str, d: int) -> float:
    right = model(name, d)
    if hasattr(right, "psi_p"):
        return min(right.psi_p, right.psi_n, 1.0) * d
    return min(d, d / right.ratio)


def _judge(outcomes: Sequence[Outcome]) -> list[Check]:
    groups: dict[tuple[str, str, int], list[Outcome]] = {}
    for outcome in outcomes:
        asked = outcome.task.settings
        key = (asked["kind"], asked["setting"], asked["d"])
        groups.setdefault(key, []).append(outcome)
    checks = []
    for (kind, name, d), group in groups.items():
        if kind == "edges":
            checks += _judge_edges(name, d, group[0])
            continue
        checks += _judge_sizes(kind, name, d, group)
        if kind == "formula":
            checks += _judge_moments(name, d, group)
    return checks


def _rates(group: Sequence[Outcome]) -> tuple[list[float], int]:
    tests = sum(o.task.settings["draws"] for o in group)
    return list(np.sum([o.values["rejected"] for o in group], axis=0) / tests), tests


def _judge_sizes(kind: str, name: str, d: int, group: Sequence[Outcome]) -> list[Check]:
    rates, tests = _rates(group)
    how = "by formula" if kind == "formula" else "by draws"
    checks = []
    for level, rate in zip(LEVELS, rates, strict=True):
        label = f"{name}, d = {d}, {how}: right models rejected at {level:g}"
        error = math.sqrt(level * (1.0 - level) / tests)
        if kind == "comparison":
            note = f"{tests} tests; exact at every d, no margin"
            checks.append(compared(label, level, rate, error, note=note))
        elif level == LEVELS[0]:
            margin = _NEXT_ORDER / _fewest(name, d)
            note = f"{tests} tests; margin {_NEXT_ORDER:g} over the least of p, n and d"
            checks.append(compared(label, level, rate, error, margin=margin, note=note))
        else:
            note = "the tail of sums that are not quite Gaussian; `compare` remarks on it"
            checks.append(measured(label, rate, error, level, note))
    return checks


def _judge_moments(name: str, d: int, group: Sequence[Outcome]) -> list[Check]:
    weights = np.array([o.task.settings["draws"] for o in group], dtype=float)
    draws = float(weights.sum())

    def average(key: str) -> Array:
        rows = unpacked([o.values[key] for o in group])
        return np.asarray(np.tensordot(weights, rows, axes=1) / draws)

    mean = average("mean")
    variance = average("square") - mean**2
    moments = average("combinations")
    least = int(np.argmin(unpacked(group[0].values["shares"])))
    worst, widest = int(np.abs(mean).argmax()), int(np.abs(variance - 1.0).argmax())
    at = f"{name}, d = {d}"
    return [
        compared(f"{at}: mean of standardised sums, the one farthest from 0", 0.0, mean[worst],
                 1.0 / math.sqrt(draws), margin=_MOMENT, note="margin 0.1: the next order"),
        compared(f"{at}: their variance, the one farthest from 1", 1.0, variance[widest],
                 math.sqrt(2.0 / draws), margin=_MOMENT, note="margin 0.1: the next order, 1/d"),
        measured(f"{at}: variance of the combination of least variance", moments[1, least],
                 math.sqrt(2.0 / draws), 1.0, "what the order 1/d adds to the covariance"),
        measured(f"{at}: its excess kurtosis",
                 moments[3, least] / moments[1, least] ** 2 - 3.0, math.sqrt(24.0 / draws), 0.0,
                 "of order 1/d squared; the moments are about 0"),
    ]  # fmt: skip


def _judge_edges(name: str, d: int, outcome: Outcome) -> list[Check]:
    draws, values = outcome.task.settings["draws"], outcome.values
    law = TracyWidom(1)
    sd = law.standard_deviation
    # Kolmogorov's distance is exceeded with probability 2 exp(-2 x²) for x over the root of draws.
    reach = math.sqrt(0.5 * math.log(2.0 / CHANCE) / draws)
    checks = []
    for i, location in enumerate(values["location"]):
        end = "upper" if values["side"][i] > 0 else "lower"
        at = f"{name}, d = {d}, {end} edge {location:.4g}"
        checks += [
            within(f"{at}: distance of p-values from uniform ones", values["distance"][i], 0.0,
                   reach + _BEND, note=f"{draws} draws; what chance allows and margin 0.03"),
            compared(f"{at}: mean place in standard deviations", law.mean / sd,
                     values["mean"][i] / sd, values["spread"][i] / (sd * math.sqrt(draws)),
                     margin=_SHIFT, note="after the shift of order 1/N; margin 0.15 for the next"),
            measured(f"{at}: spread over that of the law", values["spread"][i] / sd,
                     1.0 / math.sqrt(2.0 * draws), 1.0),
        ]  # fmt: skip
    return checks


def _figures(outcomes: Sequence[Outcome]) -> list[Figure]:
    def draw(figure: Any) -> None:
        axes = figure.subplots()
        dimensions = sorted({
            o.task.settings["d"] for o in outcomes if o.task.settings["kind"] == "formula"
        })  # fmt: skip
        for i, name in enumerate(SETTINGS):
            rates, errors = [], []
            for d in dimensions:
                asked = {"kind": "formula", "setting": name, "d": d}
                group = [o for o in outcomes if asked.items() <= o.task.settings.items()]
                rate, tests = _rates(group)
                rates.append(100.0 * rate[0])
                errors.append(100.0 * math.sqrt(0.05 * 0.95 / tests))
            places = np.array(dimensions) * (1.0 + 0.03 * (i - 0.5 * len(SETTINGS)))
            axes.errorbar(places, rates, errors, fmt="o", ms=3, lw=0.8, label=name)
        axes.axhline(5.0, color="0.4", lw=0.8)
        axes.set(xscale="log", xlabel="d", ylabel="right models rejected at 5 %, per cent")
        axes.set_xticks(dimensions, [f"{d}" for d in dimensions])
        axes.legend(frameon=False, fontsize="x-small", ncols=3)

    return [
        Figure(
            "Rejections by the chi-square of the formula, one matrix a test, with binomial errors. "
            "What lies above 5 % at small d is the order 1/d of the covariance and the tails of "
            "sums that are not quite Gaussian; below a side of 300 `compare` takes its p-value "
            "from draws.",
            draw,
        )
    ]


COMPARE = Experiment(
    name="compare",
    claim="A right model is rejected as often as the level says; edges follow Tracy and Widom",
    source="Bai & Silverstein 2004; determinant of the two-resolvent ladder; Ma 2012",
    theory="means and covariances of sums over eigenvalues, edges shifted by order 1/N",
    statistic="share of right models rejected, standardised sums, outermost eigenvalues",
    tolerance="binomial error and 0.8/min(p, n, d); 0.1 on means and variances; distance 0.03",
    plan=_plan,
    measure=_measure,
    judge=_judge,
    figures=_figures,
)
EXPERIMENTS = (COMPARE,)
