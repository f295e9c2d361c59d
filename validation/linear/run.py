"""Affine denoisers against Monte Carlo over data sets: a table of deviations in standard errors.

For every setting the mean of each number over the draws is compared with its average in closed
form, next order in 1/d included; where that order is not known, a relative deviation c/d is
permitted (the table prints c, and the c that the deviation itself would be), and settings that
differ only in d show that it falls: a straight line in 1/d through the relative deviations must
pass through zero.

What decides, fixed beforehand.  Each deviation has a two-sided probability p, Student's for the
number of draws. Among m comparisons m·P(beyond 3) lie beyond three standard errors by chance, so
one comparison fails only if p < 0.01/m (Bonferroni: a right theory fails anywhere with probability
below 0.01, however the comparisons depend on each other). As that alone would pass a theory that is
a little wrong everywhere, settings with anything beyond three standard errors are counted too: a
setting of k comparisons has one with probability at most k·P(beyond 3), settings are independent,
and the count may not exceed what such a sum of chances exceeds with probability 0.001.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t
from tqdm import tqdm  # type: ignore[import-untyped]

from validation.harness.records import read_lines, write_lines
from validation.linear.draws import Prediction, draw, predictions
from validation.linear.sampler import recursion_error, sampler_rows
from validation.linear.settings import LINEAR_SCALES, LinearSetting
from validation.spectra.draws import generator

Array = NDArray[np.float64]

LIMIT = 3.0
FAMILY = 0.01
COUNT_TAIL = 1e-3
# Explicit matrices invert: condition numbers reach 1e9.
DEFINITION_TOLERANCE = 1e-6
# Two hundred or a thousand steps, a few roundings each.
RECURSION_TOLERANCE = 1e-12
_SAVE_SECONDS = 5.0
_BAR = "{desc:40.40} {percentage:3.0f} %|{bar:30}| {elapsed}, {remaining} left"


@dataclass(frozen=True)
class LinearRow:
    """One comparison: deviation in standard errors, its probability, and that of three.

    `seen` is the c that the deviation would be. A line over d has a `slope` with its error.
    """

    label: str
    quantity: str
    leading: float
    corrected: float | None
    simulation: float
    error: float
    sigmas: float
    chance: float
    beyond: float
    allowance: float = 0.0
    seen: float = 0.0
    slope: tuple[float, float] | None = None


def run_linear(scale: str, seed: int, output: Path | None) -> int:
    """Run a scale, print its table and return the exit status."""
    arguments = {"program": "linear", "scale": scale, "seed": seed}
    settings = LINEAR_SCALES[scale]()
    lines = read_lines(output, arguments) if output else []
    draws = {(line["run"], line["draw"]): line for line in lines if "draw" in line}
    started = time.monotonic()
    predicted = {setting.name: predictions(setting) for setting in settings}
    try:
        _make_draws(settings, seed, draws, output, arguments)
    finally:
        if output:
            write_lines(output, arguments, _ordered(settings, draws))
    values = {setting.name: _values(setting, draws) for setting in settings}
    rows = [
        judge(setting.name, prediction, values[setting.name][:, j], setting.dimension)
        for setting in settings
        for j, prediction in enumerate(predicted[setting.name])
    ]
    rows += [compared(*particles) for particles in sampler_rows(generator(seed, "particles"))]
    rows += trends(settings, predicted, values)
    limit = FAMILY / len(rows)
    if output:
        summary = [_record(row, limit) for row in rows]
        write_lines(output, arguments, _ordered(settings, draws) + summary)
    print_table(rows, limit)
    definition = max(line.get("definition", 0.0) for line in draws.values())
    passed = _print_summary(rows, limit, definition, recursion_error())
    seconds = time.monotonic() - started
    print(f"{len(settings)} settings, {2 * len(draws)} data sets, {seconds:.0f} s")
    return 0 if passed else 1


def _make_draws(
    settings: list[LinearSetting],
    seed: int,
    draws: dict[tuple[str, int], dict[str, Any]],
    output: Path | None,
    arguments: dict[str, Any],
) -> None:
    missing = [(s, i) for s in settings for i in range(s.draws) if (s.name, i) not in draws]
    saved = time.monotonic()
    works = [(s.dimension / 100.0) ** 2 * (1.0 + s.load / 10.0) for s, _ in missing]
    with tqdm(total=sum(works), leave=False, disable=None, bar_format=_BAR, mininterval=0.5) as bar:
        for (setting, i), work in zip(missing, works, strict=True):
            bar.set_description(setting.name, refresh=False)
            draws[setting.name, i] = one_record(setting, seed, i)
            bar.update(work)
            if output and time.monotonic() - saved > _SAVE_SECONDS:
                write_lines(output, arguments, _ordered(settings, draws))
                saved = time.monotonic()


def one_record(setting: LinearSetting, seed: int, i: int) -> dict[str, Any]:
    """Return the record of draw `i`; the first is checked against the definitions."""
    values, disagreement = draw(setting, generator(seed, setting.name, i), check=i == 0)
    record: dict[str, Any] = {
        "run": setting.name,
        "draw": i,
        "values": [float(f"{value:.12g}") for value in values],
    }
    if disagreement is not None:
        record["definition"] = float(f"{disagreement:.4g}")
    return record


def _ordered(
    settings: list[LinearSetting], draws: dict[tuple[str, int], dict[str, Any]]
) -> list[dict[str, Any]]:
    keys = [(setting.name, i) for setting in settings for i in range(setting.draws)]
    return [draws[key] for key in keys if key in draws]


def _values(setting: LinearSetting, draws: dict[tuple[str, int], dict[str, Any]]) -> Array:
    return np.array([draws[setting.name, i]["values"] for i in range(setting.draws)])


def judge(label: str, prediction: Prediction, values: Array, dimension: int) -> LinearRow:
    """Compare the mean of independent values with a prediction for a size d."""
    count = len(values)
    mean, error = float(values.mean()), float(values.std(ddof=1) / np.sqrt(count))
    row = compared(
        label,
        prediction.quantity,
        prediction.leading,
        prediction.corrected,
        mean,
        error,
        count,
        prediction.allowance / dimension * abs(prediction.best),
    )
    seen = dimension * abs(mean / prediction.best - 1.0)
    return replace(row, allowance=prediction.allowance, seen=seen)


def compared(
    label: str,
    quantity: str,
    leading: float,
    corrected: float | None,
    mean: float,
    error: float,
    count: int,
    margin: float = 0.0,
) -> LinearRow:
    """Count a deviation beyond the margin in standard errors, with Student's probability."""
    best = leading if corrected is None else corrected
    sigmas = max(abs(mean - best) - margin, 0.0) / error
    chance, beyond = (float(2.0 * t.sf(x, count - 1)) for x in (sigmas, LIMIT))
    return LinearRow(label, quantity, leading, corrected, mean, error, sigmas, chance, beyond)


def trends(
    settings: list[LinearSetting],
    predicted: dict[str, list[Prediction]],
    values: dict[str, Array],
) -> list[LinearRow]:
    """Lines in 1/d through relative deviations from the leading order; they must start at zero."""
    groups: dict[str, list[LinearSetting]] = {}
    for setting in settings:
        if setting.trend:
            groups.setdefault(setting.trend, []).append(setting)
    rows = []
    for name, members in groups.items():
        sizes = np.array([setting.dimension for setting in members], dtype=float)
        label = f"{name}, d {'/'.join(f'{size:g}' for size in sizes)}"
        for j, prediction in enumerate(predicted[members[0].name]):
            theory = np.array([predicted[setting.name][j].leading for setting in members])
            columns = [values[setting.name][:, j] for setting in members]
            means = np.array([column.mean() for column in columns])
            errors = np.array([c.std(ddof=1) / np.sqrt(len(c)) for c in columns]) / theory
            (at_zero, slope), (error, uncertainty) = line_in_inverse_size(
                sizes, means / theory - 1.0, errors
            )
            sigmas = abs(at_zero) / error
            chance, beyond = (float(2.0 * norm.sf(x)) for x in (sigmas, LIMIT))
            row = LinearRow(
                label, prediction.quantity, 0.0, None, at_zero, error, sigmas, chance, beyond
            )
            rows.append(replace(row, slope=(float(slope), float(uncertainty))))
    return rows


def line_in_inverse_size(sizes: Array, values: Array, errors: Array) -> tuple[Array, Array]:
    """Intercept and slope of the weighted straight line in 1/d, and their standard errors."""
    design = np.stack([np.ones_like(sizes), 1.0 / sizes], axis=1) / errors[:, None]
    covariance = np.linalg.inv(design.T @ design)
    return covariance @ design.T @ (values / errors), np.sqrt(np.diag(covariance))


def permitted_settings(rows: list[LinearRow]) -> tuple[int, float]:
    """How many settings may have something beyond the limit, and how many are expected at most."""
    share: dict[str, float] = {}
    for row in rows:
        share[row.label] = share.get(row.label, 0.0) + row.beyond
    # Exact law of a sum of independent chances, one factor a setting.
    law = np.array([1.0])
    for probability in share.values():
        p = min(probability, 1.0)
        law = np.convolve(law, [1.0 - p, p])
    tail = np.cumsum(law[::-1])[::-1]
    return int(np.argmax(np.append(tail[1:], 0.0) < COUNT_TAIL)), sum(share.values())


def print_table(rows: list[LinearRow], limit: float) -> None:
    """Print the comparisons, one a line, then the straight lines over d."""
    print(
        f"{'setting':<47} {'quantity':<17} {'leading':>11} {'corrected':>11} {'Monte Carlo':>11} "
        f"{'s.e.':>7} {'sigma':>5} {'c seen':>6} {'c':>5}  verdict"
    )
    for row in (row for row in rows if row.slope is None):
        corrected = "" if row.corrected is None else f"{row.corrected:.6g}"
        sizes = f"{row.seen:6.2f} {row.allowance:5.2f}" if row.allowance else " " * 12
        print(
            f"{row.label:<47} {row.quantity:<17} {row.leading:>11.6g} {corrected:>11} "
            f"{row.simulation:>11.6g} {row.error:7.1e} {row.sigmas:5.2f} {sizes}  "
            f"{verdict(row, limit)}"
        )
    lines = [row for row in rows if row.slope is not None]
    if lines:
        _print_lines(lines, limit)


def _print_lines(rows: list[LinearRow], limit: float) -> None:
    print(
        "\nrelative deviation from the leading order as c0 + c1/d\n"
        f"{'settings':<47} {'quantity':<17} {'c0':>10} {'s.e.':>7} {'sigma':>5} {'c1':>7} "
        f"{'s.e.':>6}  verdict"
    )
    for row in rows:
        slope, error = row.slope or (0.0, 0.0)
        print(
            f"{row.label:<47} {row.quantity:<17} {row.simulation:>10.2e} {row.error:7.1e} "
            f"{row.sigmas:5.2f} {slope:>+7.3f} {error:6.3f}  {verdict(row, limit)}"
        )


def verdict(row: LinearRow, limit: float) -> str:
    """Return "ok", "beyond 3" where chance may explain it, or "FAILED"."""
    if row.chance < limit or not np.isfinite(row.sigmas):
        return "FAILED"
    return "ok" if row.sigmas <= LIMIT else "beyond 3"


def _print_summary(
    rows: list[LinearRow], limit: float, definition: float, recursion: float
) -> bool:
    beyond = [row for row in rows if not row.sigmas <= LIMIT]
    failed = [row for row in rows if verdict(row, limit) == "FAILED"]
    labels = {row.label for row in beyond}
    permitted, expected_settings = permitted_settings(rows)
    expected = sum(row.beyond for row in rows)
    corrected = [row.sigmas for row in rows if row.corrected is not None]
    smallest = min(rows, key=lambda row: row.chance if np.isfinite(row.chance) else 0.0)
    print(
        f"\n{len(rows)} comparisons, {len(beyond)} beyond {LIMIT:g} standard errors "
        f"({expected:.1f} expected by chance), {len(failed)} with p < {FAMILY:g}/{len(rows)} "
        f"= {limit:.1e}; smallest p {smallest.chance:.1e} ({smallest.sigmas:.2f} s.e.: "
        f"{smallest.label}, {smallest.quantity})"
    )
    print(
        f"settings with something beyond: {len(labels)}, at most {expected_settings:.1f} expected, "
        f"{permitted} permitted; root mean square of sigma with correction "
        f"{np.sqrt(np.mean(np.square(corrected))):.2f}, 1 expected"
    )
    print(
        f"sampled data against the definitions {definition:.1e} (at most "
        f"{DEFINITION_TOLERANCE:g}); discrete sampler against its recursion {recursion:.1e} (at "
        f"most {RECURSION_TOLERANCE:g})"
    )
    exact = definition <= DEFINITION_TOLERANCE and recursion <= RECURSION_TOLERANCE
    passed = not failed and len(labels) <= permitted and exact
    print("passed" if passed else "FAILED")
    return passed


def _record(row: LinearRow, limit: float) -> dict[str, Any]:
    packed = {
        name: float(f"{value:.12g}") if isinstance(value, float) else value
        for name, value in vars(row).items()
    }
    return {**packed, "verdict": verdict(row, limit)}
