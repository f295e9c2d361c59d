"""Theory against sampled matrices: tables of deviations in standard errors, and the 1/d trend.

For every setting, kind of matrix and size d the mean of each observable over the draws must agree
with theory within 3 standard errors plus c/d, relative (c is printed; `draws` says where it comes
from), and eigenvalue counts below wide gaps must be exact. Settings with a trend must show a
single-draw error of q that falls as 1/d.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from validation.harness.chance import TREND_MARGIN, exponent_of_errors
from validation.harness.draws import Draws, generator, rounded
from validation.spectra.draws import (
    LARGEST_MISS,
    Comparison,
    Observable,
    compare,
    relative_change,
)
from validation.spectra.settings import HIGHER_ORDER, MEHLER_ORDER, SCALES, Setting

Comparisons = dict[str, Comparison]


@dataclass(frozen=True)
class Run:
    """All draws of one setting with one kind of matrix at one size."""

    setting: Setting
    matrix: str
    dimension: int
    draws: int

    @property
    def key(self) -> str:
        """Name in the records."""
        return f"{self.setting.name}|{self.matrix}|{self.dimension}"

    @property
    def work(self) -> float:
        """Relative cost of one draw, for the progress bar."""
        weight = 8.0 if self.matrix == "true" else 1.0
        return weight * (max(self.setting.psi_p, 0.2) * self.dimension / 100.0) ** 3


@dataclass(frozen=True)
class Row:
    """One line of the table; `seen` is the c that would leave no deviation unexplained."""

    label: str
    quantity: str
    theory: complex
    simulation: complex
    error: float
    allowance: float
    seen: float
    passed: bool

    @property
    def sigmas(self) -> float:
        """Deviation in standard errors."""
        return abs(self.simulation - self.theory) / self.error if self.error > 0.0 else 0.0


def plan(scale: str) -> list[Run]:
    """Return the runs of a scale, in the order in which they are made."""
    return [
        Run(setting, matrix, dimension, draws)
        for setting in SCALES[scale]()
        for matrix in setting.matrices
        for dimension, draws in setting.draws.items()
    ]


def simulate(scale: str, seed: int, output: Path | None, device: str = "cpu") -> int:
    """Run a scale, print its table and return the exit status; `device` diagonalises."""
    arguments: dict[str, Any] = {"program": "simulate", "scale": scale, "seed": seed}
    if device != "cpu":
        arguments["device"] = device
    draws = Draws(plan(scale), output, arguments)
    started = time.monotonic()
    comparisons = {
        run.key: compare(run.setting, run.matrix, run.dimension, seed, device) for run in draws.runs
    }
    draws.make(lambda run, i: one_draw(run, comparisons[run.key], seed, i))
    rows = [
        judge(run, observable, values[:, j])
        for run in draws.runs
        for values in [_values(draws, run)]
        for j, observable in enumerate(comparisons[run.key].observables)
    ]
    rows += _trends(draws, comparisons)
    draws.save(map(_record, rows))
    print_table(rows)
    print_truncation(draws, "observable")
    failures = sum(not row.passed for row in rows)
    matrices, seconds = len(draws.records), time.monotonic() - started
    print(f"\n{len(rows)} comparisons, {failures} failed, {matrices} matrices, {seconds:.0f} s")
    return 1 if failures else 0


def one_draw(run: Run, comparison: Comparison, seed: int, i: int) -> dict[str, Any]:
    """Return what draw `i` gives; the first of true features is repeated at a higher order."""
    sample = comparison.draw(generator(seed, run.key, i), MEHLER_ORDER)
    record: dict[str, Any] = {"values": _pairs(sample.values)}
    if run.matrix == "true":
        record["truncation"] = rounded(sample.truncation, 4)
        if i == 0:
            again = comparison.draw(generator(seed, run.key, i), HIGHER_ORDER)
            record["order_effect"] = rounded(relative_change(sample, again), 4)
    return record


def _pairs(values: NDArray[np.complex128]) -> list[list[float]]:
    """Real and imaginary parts."""
    return list(rounded(np.stack([values.real, values.imag], axis=-1)))


def _values(draws: Draws[Run], run: Run) -> NDArray[np.complex128]:
    table = draws.values(run)
    return np.asarray(table[..., 0] + 1j * table[..., 1])


def judge(run: Run, observable: Observable, values: NDArray[np.complex128]) -> Row:
    """Compare one observable: within 3 standard errors plus c/d, or exactly when c = 0."""
    mean = complex(values.mean())
    spread = float(np.sum(np.abs(values - mean) ** 2))
    error = float(np.sqrt(spread / (len(values) * max(len(values) - 1, 1))))
    deviation = abs(mean - observable.theory)
    if observable.allowance == 0.0:
        # A count: the theoretical value is an integer up to the rounding of the mass.
        passed = bool(np.all(np.abs(values - observable.theory) < 1e-6 * run.dimension))
    else:
        margin = min(observable.allowance / run.dimension, LARGEST_MISS) * abs(observable.theory)
        passed = bool(deviation <= 3.0 * error + margin)
    return Row(
        run.key.replace("|", ", "),
        observable.name,
        observable.theory,
        mean,
        error,
        observable.allowance,
        run.dimension * deviation / abs(observable.theory),
        passed,
    )


def _trends(draws: Draws[Run], comparisons: Comparisons) -> list[Row]:
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in draws.runs:
        if run.setting.trend:
            groups.setdefault((run.setting.name, run.matrix), []).append(run)
    rows = []
    for (name, matrix), members in groups.items():
        sizes = [float(run.dimension) for run in members]
        squares = [_squared_errors(_values(draws, run), comparisons[run.key]) for run in members]
        slope, uncertainty = exponent_of_errors(sizes, squares)
        passed = bool(abs(slope + 1.0) <= 3.0 * uncertainty + TREND_MARGIN)
        label = f"{name}, {matrix}, d = {'/'.join(f'{size:g}' for size in sizes)}"
        rows.append(
            Row(label, "exponent of error in d", -1.0, slope, uncertainty, 0.0, 0.0, passed)
        )
    return rows


def _squared_errors(values: NDArray[np.complex128], comparison: Comparison) -> NDArray[np.float64]:
    """Mean squared relative error of q in each draw."""
    observables = comparison.observables
    columns = [j for j, o in enumerate(observables) if o.name.startswith("q ")]
    theory = np.array([observables[j].theory for j in columns])
    off = np.abs(values[:, columns] / theory - 1.0) ** 2
    return np.asarray(off.mean(axis=1))


def print_table(rows: list[Row]) -> None:
    """Print the comparisons, one a line."""
    print(
        f"{'setting, matrix, d':<44} {'quantity':<22} {'theory':>22} {'simulation':>22} "
        f"{'s.e.':>8} {'sigma':>6} {'c seen':>7} {'c':>6}  verdict"
    )
    for row in rows:
        print(
            f"{row.label:<44.44} {row.quantity:<22} {_number(row.theory):>22} "
            f"{_number(row.simulation):>22} {row.error:8.1e} {row.sigmas:6.1f} {row.seen:7.2f} "
            f"{row.allowance:6.1f}  {'ok' if row.passed else 'FAILED'}"
        )


def _number(value: complex) -> str:
    value = complex(value)
    if value.imag == 0.0:
        return f"{value.real:.5g}"
    return f"{value.real:.4g}{value.imag:+.4g}i"


def _record(row: Row) -> dict[str, Any]:
    theory, simulation = _pairs(np.array([row.theory, row.simulation], dtype=np.complex128))
    return {
        "row": row.label,
        "quantity": row.quantity,
        "theory": theory,
        "simulation": simulation,
        "standard_error": rounded(row.error, 4),
        "allowance": rounded(row.allowance, 4),
        "passed": row.passed,
    }


def print_truncation(draws: Draws[Any], what: str) -> None:
    """Print what Mehler's sum leaves out of U, and what a higher order changes in `what`."""
    bounds, effects = draws.recorded("truncation"), draws.recorded("order_effect")
    if bounds:
        print(
            f"\nMehler's sum stops at order {MEHLER_ORDER}: Frobenius norm left out of U at most "
            f"{max(bounds):.1e}; order {HIGHER_ORDER} changes no {what} by more than "
            f"{max(effects, default=0.0):.1e}, relative."
        )
