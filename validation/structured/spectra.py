"""The trace of the resolvent of true features at four sizes: its error falls as 1/d."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from validation.harness.checks import FAILED, PASSED, Check, measured, power
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
from validation.structured.members import MEMBERS
from validation.structured.networks import mixed, sample_moments

POINTS = np.array([0.02 + 0.02j, 0.05 + 0.02j, 0.1 + 0.03j, 0.3 + 0.05j, 1.0 + 0.2j])
_NAMES = ("A", "B", "C", "A+B")
# Size -> draws; the largest sizes cost most and need least, for their draws hardly differ.
_SIZES = {
    "smoke": {25: 4, 50: 2},
    "cpu": {50: 16, 100: 6, 200: 2, 400: 1},
    "gpu": {50: 64, 100: 24, 200: 12, 400: 6},
}
# |q - theory| / |theory| <= c/d + scatter. Networks drawn with seed 1000 have c up to 4.4 at the
# lowest point, next to the slow end of the bulk, where neurons of different norm are told apart.
_ALLOWANCE = 6.5
_SINGLE = 0.6  # of c/d: scatter that stands in where there is one draw


def _plan(scale: str) -> list[Task]:
    return [
        Task(
            f"{name}, d = {d}, draw {i}",
            {"member": name, "d": d},
            1.2e-6 * d**2.5 * len(MEMBERS[name].times[0]),
        )
        for name in _NAMES
        for d, draws in _SIZES[scale].items()
        for i in range(draws)
    ]


def _measure(task: Task, setup: Setup) -> Values:
    member, d = MEMBERS[task.settings["member"]], task.settings["d"]
    rng = setup.rng("structured spectra", task.key)
    network, data = member.network(d, rng), member.data(d)
    parts = [sample_moments(network, x, coupled=False) for x in data.draw(member.samples(d), rng)]
    values = np.linalg.eigvalsh(mixed(parts, data.weights).u)
    q = np.mean(1.0 / (values[:, None] - POINTS), axis=0)
    return {"real": packed(q.real), "imag": packed(q.imag)}


def _tables(outcomes: Sequence[Outcome]) -> dict[str, dict[int, Any]]:
    """Member -> size -> draws of q."""
    tables: dict[str, dict[int, Any]] = {}
    for task, values in outcomes:
        q = unpacked(values["real"]) + 1j * unpacked(values["imag"])
        sizes = tables.setdefault(task.settings["member"], {})
        sizes.setdefault(task.settings["d"], []).append(q)
    return tables


def _errors(name: str, sizes: dict[int, Any]) -> tuple[Any, Any]:
    """Relative errors of the means (sizes, points), and their standard errors."""
    theory = MEMBERS[name].model(32).resolvent(POINTS).q
    errors, scatter = [], []
    for draws in sizes.values():
        table = np.array(draws)
        errors.append(np.abs(table.mean(axis=0) / theory - 1.0))
        spread = table.std(axis=0, ddof=1) / np.sqrt(len(table)) if len(table) > 1 else np.nan
        scatter.append(spread / np.abs(theory) + 0.0 * errors[-1])
    return np.array(errors), np.array(scatter)


def _judge(outcomes: Sequence[Outcome]) -> list[Check]:
    checks = []
    for name, sizes in _tables(outcomes).items():
        errors, scatter = _errors(name, sizes)
        d = np.array(list(sizes), dtype=float)
        for size, row, spread in zip(d, errors, scatter, strict=True):
            for z, error, one in zip(POINTS, row, spread, strict=True):
                noise = _SINGLE * _ALLOWANCE / size if np.isnan(one) else 4.0 * float(one)
                allowed = _ALLOWANCE / size + noise
                checks.append(
                    Check(f"{name}, d = {size:g}: |q/theory - 1| at z = {z:.3g}", 0.0,
                          float(error), float(np.nan_to_num(one)), float(allowed),
                          PASSED if error <= allowed else FAILED,
                          f"margin {_ALLOWANCE}/d, and 4 standard errors (or 0.6 of it, one draw)")
                )  # fmt: skip
        slope, error = power(d, errors.mean(axis=1))
        checks.append(
            measured(f"{name}: exponent of the mean error in d", slope, error, -1.0,
                     "of the mean over the five points; a single draw at the largest size")
        )  # fmt: skip
    return checks


def _figures(outcomes: Sequence[Outcome]) -> list[Figure]:
    def draw(figure: Any) -> None:
        for axis, (name, sizes) in zip(
            figure.subplots(1, len(_NAMES), sharey=True), _tables(outcomes).items(), strict=True
        ):
            errors, _ = _errors(name, sizes)
            d = np.array(list(sizes), dtype=float)
            axis.loglog(d, errors, "o-", ms=3, lw=1)
            axis.loglog(d, 2.0 / d, "k:", lw=1)
            axis.set(title=name, xlabel="d")

    return [
        Figure(
            "Relative error of q(z) of true features against the dimension, a line a point z; "
            "dotted: 2/d. The limit is exact, and what is left falls as 1/d.",
            draw,
        )
    ]


SPECTRA = Experiment(
    name="structured-spectra",
    claim="The spectrum of networks of all times, of separated and of unequal classes is known",
    source="structured Gaussian equivalent; arXiv 2505.17638, Theorem 3.1, is its smallest case",
    theory="resolvent() of TimeIntegratedModel and MixtureModel, 32 nodes",
    statistic="q(z) of true tanh features, psi_p = 6, psi_n = 3: "
    + "; ".join(f"{name}: {MEMBERS[name].words}" for name in _NAMES),
    tolerance=f"{_ALLOWANCE}/d relative plus 4 standard errors",
    plan=_plan,
    measure=_measure,
    judge=_judge,
    figures=_figures,
)
