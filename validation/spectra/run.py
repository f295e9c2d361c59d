"""Theory against sampled matrices: tables of deviations in standard errors, and the 1/d trend.

For every setting, kind of matrix and size d the mean of each observable over the draws must agree
with theory within 3 standard errors plus c/d, relative (c is printed; `comparisons` says where it
comes from), and eigenvalue counts below wide gaps must be exact. Settings with a trend must show a
single-draw error of q that falls as 1/d.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm  # type: ignore[import-untyped]

from validation.harness.records import read_lines, write_lines
from validation.spectra.draws import (
    LARGEST_MISS,
    Comparison,
    Observable,
    compare,
    generator,
    relative_change,
)
from validation.spectra.settings import SCALES, Setting

MEHLER_ORDER = 7
HIGHER_ORDER = 15
# log error against log d is fitted by a straight line; the next order, 1/d^2, bends it by this much
# between d = 100 and 400 when its coefficient is ten times that of 1/d.
TREND_MARGIN = 0.15
_SAVE_SECONDS = 5.0


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
    runs = plan(scale)
    lines = read_lines(output, arguments) if output else []
    draws = {(line["run"], line["draw"]): line for line in lines if "draw" in line}
    started = time.monotonic()
    comparisons = {
        run.key: compare(run.setting, run.matrix, run.dimension, seed, device) for run in runs
    }
    try:
        _make_draws(runs, comparisons, seed, draws, output, arguments)
    finally:
        if output:
            write_lines(output, arguments, _ordered(runs, draws))
    rows = _judge(runs, comparisons, draws)
    if output:
        summary = [_record(row) for row in rows]
        write_lines(output, arguments, _ordered(runs, draws) + summary)
    print_table(rows)
    _print_truncation(draws)
    failures = sum(not row.passed for row in rows)
    seconds = time.monotonic() - started
    print(f"\n{len(rows)} comparisons, {failures} failed, {len(draws)} matrices, {seconds:.0f} s")
    return 1 if failures else 0


def _make_draws(
    runs: list[Run],
    comparisons: dict[str, Comparison],
    seed: int,
    draws: dict[tuple[str, int], dict[str, Any]],
    output: Path | None,
    arguments: dict[str, Any],
) -> None:
    missing = [(run, i) for run in runs for i in range(run.draws) if (run.key, i) not in draws]
    saved = time.monotonic()
    total = sum(run.work for run, _ in missing)
    with tqdm(total=total, leave=False, disable=None, bar_format=_BAR, mininterval=0.5) as bar:
        for run, i in missing:
            bar.set_description(run.key, refresh=False)
            draws[run.key, i] = one_draw(run, comparisons[run.key], seed, i)
            bar.update(run.work)
            if output and time.monotonic() - saved > _SAVE_SECONDS:
                write_lines(output, arguments, _ordered(runs, draws))
                saved = time.monotonic()


_BAR = "{desc:40.40} {percentage:3.0f} %|{bar:30}| {elapsed}, {remaining} left"


def one_draw(run: Run, comparison: Comparison, seed: int, i: int) -> dict[str, Any]:
    """Return the record of draw `i`; the first of true features is repeated at a higher order."""
    sample = comparison.draw(generator(seed, run.key, i), MEHLER_ORDER)
    record: dict[str, Any] = {"run": run.key, "draw": i, "values": _packed(sample.values)}
    if run.matrix == "true":
        record["truncation"] = float(f"{sample.truncation:.4g}")
        if i == 0:
            again = comparison.draw(generator(seed, run.key, i), HIGHER_ORDER)
            record["order_effect"] = float(f"{relative_change(sample, again):.4g}")
    return record


def _packed(values: NDArray[np.complex128]) -> list[list[float]]:
    return [[float(f"{x.real:.12g}"), float(f"{x.imag:.12g}")] for x in values]


def _ordered(runs: list[Run], draws: dict[tuple[str, int], dict[str, Any]]) -> list[dict[str, Any]]:
    keys = [(run.key, i) for run in runs for i in range(run.draws)]
    return [draws[key] for key in keys if key in draws]


def _values(run: Run, draws: dict[tuple[str, int], dict[str, Any]]) -> NDArray[np.complex128]:
    table = np.array([draws[run.key, i]["values"] for i in range(run.draws)])
    return np.asarray(table[..., 0] + 1j * table[..., 1])


def _judge(
    runs: list[Run],
    comparisons: dict[str, Comparison],
    draws: dict[tuple[str, int], dict[str, Any]],
) -> list[Row]:
    rows = []
    for run in runs:
        values = _values(run, draws)
        for j, observable in enumerate(comparisons[run.key].observables):
            rows.append(judge(run, observable, values[:, j]))
    return rows + _trends(runs, comparisons, draws)


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


def _trends(
    runs: list[Run],
    comparisons: dict[str, Comparison],
    draws: dict[tuple[str, int], dict[str, Any]],
) -> list[Row]:
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        if run.setting.trend:
            groups.setdefault((run.setting.name, run.matrix), []).append(run)
    rows = []
    for (name, matrix), members in groups.items():
        sizes, logs, errors = [], [], []
        for run in members:
            observables = comparisons[run.key].observables
            columns = [j for j, o in enumerate(observables) if o.name.startswith("q ")]
            theory = np.array([observables[j].theory for j in columns])
            off = np.abs(_values(run, draws)[:, columns] / theory - 1.0) ** 2
            square = off.mean(axis=1)
            sizes.append(float(run.dimension))
            logs.append(0.5 * np.log(square.mean()))
            errors.append(0.5 * square.std(ddof=1) / (square.mean() * np.sqrt(len(square))))
        slope, uncertainty = exponent(np.array(sizes), np.array(logs), np.array(errors))
        passed = bool(abs(slope + 1.0) <= 3.0 * uncertainty + TREND_MARGIN)
        label = f"{name}, {matrix}, d = {'/'.join(f'{size:g}' for size in sizes)}"
        rows.append(
            Row(label, "exponent of error in d", -1.0, slope, uncertainty, 0.0, 0.0, passed)
        )
    return rows


def exponent(
    sizes: NDArray[np.float64], logs: NDArray[np.float64], errors: NDArray[np.float64]
) -> tuple[float, float]:
    """Return slope and standard error of the weighted straight line through (log size, log)."""
    weights = 1.0 / errors**2
    x = np.log(sizes)
    x = x - np.average(x, weights=weights)
    variance = 1.0 / float(np.sum(weights * x**2))
    return variance * float(np.sum(weights * x * logs)), float(np.sqrt(variance))


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
    return {
        "row": row.label,
        "quantity": row.quantity,
        "theory": _packed(np.array([row.theory], dtype=np.complex128))[0],
        "simulation": _packed(np.array([row.simulation], dtype=np.complex128))[0],
        "standard_error": float(f"{row.error:.4g}"),
        "allowance": float(f"{row.allowance:.4g}"),
        "passed": row.passed,
    }


def _print_truncation(draws: dict[tuple[str, int], dict[str, Any]]) -> None:
    bounds = [line["truncation"] for line in draws.values() if "truncation" in line]
    effects = [line["order_effect"] for line in draws.values() if "order_effect" in line]
    if not bounds:
        return
    print(
        f"\nMehler's sum stops at order {MEHLER_ORDER}: Frobenius norm left out of U at most "
        f"{max(bounds):.1e}; order {HIGHER_ORDER} changes no observable by more than "
        f"{max(effects, default=0.0):.1e}, relative."
    )
