"""Affine denoisers against Monte Carlo over data sets: a table of deviations in standard errors.

For every setting the mean of each number over the draws is compared with its average in closed
form, next order in 1/d included; where that order is not known, a relative deviation c/d is
permitted (the table prints c, and the c that the deviation itself would be), and settings that
differ only in d show that it falls: a straight line in 1/d through the relative deviations must
pass through zero.

`validation.harness.chance` says what decides. Its labels are the settings here, which are
independent of each other; a line over d has a normal law's probability.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from validation.harness.chance import FAMILY, LIMIT, permitted, two_sided, verdict
from validation.harness.draws import Draws, generator, rounded
from validation.linear.draws import Prediction, draw, predictions
from validation.linear.sampler import recursion_error, sampler_rows
from validation.linear.settings import LINEAR_SCALES, LinearSetting

Array = NDArray[np.float64]

# Explicit matrices invert: condition numbers reach 1e9.
DEFINITION_TOLERANCE = 1e-6
# Two hundred or a thousand steps, a few roundings each.
RECURSION_TOLERANCE = 1e-12


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
    draws = Draws(settings, output, arguments)
    started = time.monotonic()
    predicted = {setting.key: predictions(setting) for setting in settings}
    draws.make(lambda setting, i: one_draw(setting, seed, i))
    values = {setting.key: draws.values(setting) for setting in settings}
    rows = [
        judge(setting.key, prediction, values[setting.key][:, j], setting.dimension)
        for setting in settings
        for j, prediction in enumerate(predicted[setting.key])
    ]
    rows += [compared(*particles) for particles in sampler_rows(generator(seed, "particles"))]
    rows += trends(settings, predicted, values)
    limit = FAMILY / len(rows)
    draws.save(_record(row, limit) for row in rows)
    print_table(rows, limit)
    definition = max(draws.recorded("definition"), default=0.0)
    passed = _print_summary(rows, limit, definition, recursion_error())
    seconds = time.monotonic() - started
    print(f"{len(settings)} settings, {2 * len(draws.records)} data sets, {seconds:.0f} s")
    return 0 if passed else 1


def one_draw(setting: LinearSetting, seed: int, i: int) -> dict[str, Any]:
    """Return what draw `i` gives; the first is checked against the definitions."""
    values, disagreement = draw(setting, generator(seed, setting.key, i), check=i == 0)
    record: dict[str, Any] = {"values": rounded(values)}
    if disagreement is not None:
        record["definition"] = rounded(disagreement, 4)
    return record


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
    chance, beyond = two_sided(sigmas, count), two_sided(LIMIT, count)
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
        for j, prediction in enumerate(predicted[members[0].key]):
            theory = np.array([predicted[setting.key][j].leading for setting in members])
            columns = [values[setting.key][:, j] for setting in members]
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


def _print_summary(
    rows: list[LinearRow], limit: float, definition: float, recursion: float
) -> bool:
    beyond = [row for row in rows if not row.sigmas <= LIMIT]
    failed = [row for row in rows if verdict(row, limit) == "FAILED"]
    labels = {row.label for row in beyond}
    allowed, expected_settings = permitted(rows)
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
        f"{allowed} permitted; root mean square of sigma with correction "
        f"{np.sqrt(np.mean(np.square(corrected))):.2f}, 1 expected"
    )
    print(
        f"sampled data against the definitions {definition:.1e} (at most "
        f"{DEFINITION_TOLERANCE:g}); discrete sampler against its recursion {recursion:.1e} (at "
        f"most {RECURSION_TOLERANCE:g})"
    )
    exact = definition <= DEFINITION_TOLERANCE and recursion <= RECURSION_TOLERANCE
    passed = not failed and len(labels) <= allowed and exact
    print("passed" if passed else "FAILED")
    return passed


def _record(row: LinearRow, limit: float) -> dict[str, Any]:
    packed = {
        name: rounded(value) if isinstance(value, float) else value
        for name, value in vars(row).items()
    }
    return {**packed, "verdict": verdict(row, limit)}
