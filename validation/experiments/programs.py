"""The older programs as sources of checks: each runs as by its own command, its table is read.

A program keeps its own records in the run's working folder and resumes from them; what stays in
the result file is its table.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

from validation.harness.checks import FAILED, PASSED, Check, measured, within
from validation.harness.experiment import Experiment, Outcome, Setup, Task, Values
from validation.harness.records import read_json, read_lines

# Program -> scale -> its arguments. Their own commands run them at full size.
_CERTIFY = {
    "smoke": {"draws": 500, "reference": 10},
    "cpu": {"draws": 20_000, "reference": 200},
    "gpu": {"draws": 100_000, "reference": 1_000},
}
_LAW = {"cpu": 100, "gpu": 300}
_SIMULATE = {"cpu": "smoke", "gpu": "gpu"}
_LINEAR = {"cpu": "smoke", "gpu": "cpu"}


def _plan_certify(scale: str) -> list[Task]:
    return [Task("certificate", _CERTIFY[scale], _CERTIFY[scale]["draws"] / 250)]


def _certify(task: Task, setup: Setup) -> Values:
    from validation.certificates.certify import certify

    draws, reference = task.settings["draws"], task.settings["reference"]
    output = setup.folder / f"certify.{draws}.{setup.seed}.json"
    with contextlib.redirect_stdout(io.StringIO()):
        certify(draws, reference, setup.seed, 1, output)
    arguments = {"program": "certify", "draws": draws, "reference": reference, "seed": setup.seed}
    found = read_json(output, arguments)
    assert found is not None
    return {"summary": found["summary"]}


def _judge_certify(outcomes: Sequence[Outcome]) -> list[Check]:
    summary = outcomes[0].values["summary"]
    points, compared = summary["points"], summary["reference"]["points"]
    checks = [
        within(f"failures among {points} random points", summary["failed"], 0, 0,
               note="residual, branch and convergence of every point; a count, exact"),
        within(f"failures among {compared} points at 50 digits", summary["reference"]["failed"],
               0, 0, note="error at most 1e-10 and below the bound that the answer carries"),
    ]  # fmt: skip
    promised = {"residual": 1e-12, "error": 1e-10, "error / bound": 1.0}
    for name, (value, *_where) in sorted(summary["worst"].items()):
        checks.append(within(f"worst {name}", value, 0.0, promised[name], note="at most twice it"))
    return [_as_bound(check) for check in checks]


def _as_bound(check: Check) -> Check:
    """Show an upper bound as theory 0 with what is allowed, not as the middle of an interval."""
    if check.theory == 0.0:
        return check
    return Check(check.name, 0.0, check.experiment, 0.0, 2.0 * check.allowed, check.verdict,
                 "worst case; the promised bound is what is allowed")  # fmt: skip


def _plan_law(scale: str) -> list[Task]:
    if scale not in _LAW:
        return []
    return [Task("laws", {"draws": _LAW[scale]}, _LAW[scale] / 3)]


def _law(task: Task, setup: Setup) -> Values:
    from validation.certificates.law import check_laws

    draws = task.settings["draws"]
    output = setup.folder / f"law.{draws}.{setup.seed}.jsonl"
    with contextlib.redirect_stdout(io.StringIO()):
        check_laws(draws, setup.seed, output)
    lines = read_lines(output, {"program": "law", "draws": draws, "seed": setup.seed})
    worst: dict[str, dict[str, float]] = {}
    numbers: dict[str, int] = {}
    for line in lines:
        numbers[line["kind"]] = numbers.get(line["kind"], 0) + 1
        for name, value in line["figures"].items():
            of_kind = worst.setdefault(line["kind"], {})
            of_kind[name] = max(of_kind.get(name, 0.0), value)
    return {"worst": worst, "numbers": numbers}


def _judge_law(outcomes: Sequence[Outcome]) -> list[Check]:
    from validation.certificates.law import PROMISED

    values = outcomes[0].values
    checks = []
    for kind, figures in sorted(values["worst"].items()):
        for name, value in sorted(figures.items()):
            verdict = PASSED if value <= PROMISED[name] else FAILED
            checks.append(
                Check(f"{kind}, {values['numbers'][kind]} laws: worst {name}", 0.0, value, 0.0,
                      PROMISED[name], verdict, "the promised bound is what is allowed")
            )  # fmt: skip
    return checks


def _plan_simulate(scale: str) -> list[Task]:
    if scale not in _SIMULATE:
        return []
    return [Task("matrices", {"scale": _SIMULATE[scale]}, 60.0 if scale == "cpu" else 1800.0)]


def _simulate(task: Task, setup: Setup) -> Values:
    from validation.spectra.run import simulate

    scale = task.settings["scale"]
    output = setup.folder / f"simulate.{scale}.{setup.device}.{setup.seed}.jsonl"
    with contextlib.redirect_stdout(io.StringIO()):
        simulate(scale, setup.seed, output, setup.device)
    rows = [line for line in _lines(output, "simulate", scale, setup) if "row" in line]
    return {"rows": rows}


def _judge_simulate(outcomes: Sequence[Outcome]) -> list[Check]:
    checks = []
    for row in outcomes[0].values["rows"]:
        theory, simulation = complex(*row["theory"]), complex(*row["simulation"])
        error, name = row["standard_error"], f"{row['row']}: {row['quantity']}"
        verdict = PASSED if row["passed"] else FAILED
        note = f"allowed beyond the standard errors: c/d, c = {row['allowance']:g}"
        if theory.imag != 0.0:
            scale = abs(theory)
            off = abs(simulation - theory) / scale
            check = Check(f"{name}, relative", 0.0, off, error / scale, 0.0, verdict, note)
        else:
            check = Check(name, theory.real, simulation.real, error, 0.0, verdict, note)
        checks.append(check)
    return checks


def _plan_linear(scale: str) -> list[Task]:
    if scale not in _LINEAR:
        return []
    return [Task("data sets", {"scale": _LINEAR[scale]}, 45.0 if scale == "cpu" else 600.0)]


def _linear(task: Task, setup: Setup) -> Values:
    from validation.linear.run import run_linear

    scale = task.settings["scale"]
    output = setup.folder / f"linear.{scale}.{setup.seed}.jsonl"
    with contextlib.redirect_stdout(io.StringIO()):
        run_linear(scale, setup.seed, output)
    rows = [line for line in _lines(output, "linear", scale, setup) if "label" in line]
    names = ("label", "quantity", "leading", "corrected", "simulation", "error", "verdict")
    return {"rows": [{name: row[name] for name in names} for row in rows]}


def _judge_linear(outcomes: Sequence[Outcome]) -> list[Check]:
    checks = []
    for row in outcomes[0].values["rows"]:
        theory = row["leading"] if row["corrected"] is None else row["corrected"]
        verdict = FAILED if row["verdict"] == "FAILED" else PASSED
        note = "beyond three standard errors, which chance may explain among so many"
        checks.append(
            Check(f"{row['label']}: {row['quantity']}", theory, row["simulation"], row["error"],
                  0.0, verdict, note if row["verdict"] == "beyond 3" else "")
        )  # fmt: skip
    return checks


def _plan_curves(scale: str) -> list[Task]:
    if scale not in _LINEAR:
        return []
    return [Task("networks", {"scale": _LINEAR[scale]}, 45.0 if scale == "cpu" else 900.0)]


def _curves(task: Task, setup: Setup) -> Values:
    from validation.curves.run import run_curves

    scale = task.settings["scale"]
    output = setup.folder / f"curves.{scale}.{setup.seed}.jsonl"
    with contextlib.redirect_stdout(io.StringIO()):
        run_curves(scale, setup.seed, output)
    rows = [line for line in _lines(output, "curves", scale, setup) if "row" in line]
    names = ("row", "quantity", "deviation", "error", "scaled_tau", "seen", "verdict")
    return {"rows": [{name: row[name] for name in names} for row in rows]}


def _judge_curves(outcomes: Sequence[Outcome]) -> list[Check]:
    checks = []
    for row in outcomes[0].values["rows"]:
        verdict = FAILED if row["verdict"] == "FAILED" else PASSED
        label = row["row"].replace("|", ", ")
        note = f"largest over all times, at Delta tau {_told(row['scaled_tau'])}; c seen "
        checks.append(
            Check(f"{label}: {row['quantity']}, deviation", *_expected(row), row["error"] or 0.0,
                  0.0, verdict, note + _told(row["seen"]))
        )  # fmt: skip
    return checks


def _expected(row: Values) -> tuple[float, float]:
    """Theory and experiment of a row: a trend has an exponent in d of -1, a curve no deviation."""
    return (-1.0 if "exponent" in row["quantity"] else 0.0, row["deviation"])


def _told(value: float | None) -> str:
    return "inf" if value is None else f"{value:.3g}"


def _plan_digits(scale: str) -> list[Task]:
    return [] if scale == "smoke" else [Task("digits", {}, 60.0)]


def _digits(task: Task, setup: Setup) -> Values:
    from validation.data.run import run_digits

    output = setup.folder / f"digits.{setup.seed}.jsonl"
    with contextlib.redirect_stdout(io.StringIO()):
        run_digits(setup.seed, output)
    lines = read_lines(output, {"program": "digits", "seed": setup.seed})
    return {"rows": [line for line in lines if "quantity" in line]}


def _judge_digits(outcomes: Sequence[Outcome]) -> list[Check]:
    return [
        measured(f"{row['samples']} images, t = {row['t']:g}: {row['quantity']}, {source}",
                 row["images"], row["error"], row[column],
                 "true features of images; few dimensions, not judged")
        for row in outcomes[0].values["rows"]
        for source, column in (("population law", "population"), ("given data", "given_data"))
    ]  # fmt: skip


def _plan_scaling(scale: str) -> list[Task]:
    return [] if scale == "smoke" else [Task("exponents", {}, 20.0)]


def _scaling(task: Task, setup: Setup) -> Values:
    from validation.curves.scaling import run_scaling

    output = setup.folder / "scaling.json"
    with contextlib.redirect_stdout(io.StringIO()):
        run_scaling(output, None)
    found = read_json(output, {"program": "scaling"})
    assert found is not None
    return found


def _judge_scaling(outcomes: Sequence[Outcome]) -> list[Check]:
    values = outcomes[0].values
    checks = [
        measured(f"exponent of the least score error, psi_n {span}", exponent,
                 theory=values["published exponent"],
                 note="theory's own curve at the setting of Fig. 13; printed: one fitted power")
        for span, exponent in values["exponents of it"].items()
    ]  # fmt: skip
    for times in values["training times"]:
        at = f"psi_p {times['psi_p']:g}, t = {times['t']:g}"
        checks += [
            measured(f"{at}: exponent of {name} in n", exponent,
                     theory=0.0 if name.startswith("tau_gen") else 1.0,
                     note="theory at finite ratios against the asymptotic claim")
            for name, exponent in times["exponents"].items()
        ]  # fmt: skip
    plateau = values["plateau"]
    for name, target in (
        ("exponent of 1 - train in delta", 1.0),
        ("exponent of 1 - test in delta", 1.0),
        ("exponent of it in psi_n", -0.5),
    ):
        label = name.replace(" it ", " the generalisation loss ")
        checks.append(
            measured(f"plateau 1 << tau << psi_n: {label}", plateau[name], theory=target,
                     note="Proposition C.2; the loss gap is an upper bound there")
        )  # fmt: skip
    return checks


def _lines(output: Any, program: str, scale: str, setup: Setup) -> list[dict[str, Any]]:
    arguments = {"program": program, "scale": scale, "seed": setup.seed}
    if program == "simulate" and setup.device != "cpu":
        arguments["device"] = setup.device
    return read_lines(output, arguments)


CERTIFY = Experiment(
    name="certify",
    claim="The solver's root is the physical one, and its error bound holds",
    source="arXiv 2505.17638, Theorem 3.1; the equations judged again in extended precision",
    theory="the unique solution with Im q > 0 and Im D > 0",
    statistic="failures among random points; worst residual, error and error over bound",
    tolerance="no failure; residual 1e-12, error 1e-10, error below its bound",
    plan=_plan_certify,
    measure=_certify,
    judge=_judge_certify,
)
LAW = Experiment(
    name="law",
    claim="Masses, moments, quantiles, counts and edges of a law agree with closed forms",
    source="exact counting, Wick's theorem, discriminant of the algebraic curve",
    theory="closed forms",
    statistic="worst relative error over random laws",
    tolerance="1e-10 for the mass, 1e-9 otherwise",
    plan=_plan_law,
    measure=_law,
    judge=_judge_law,
)
SIMULATE = Experiment(
    name="simulate",
    claim="The law of U is that of sampled matrices, Gaussian equivalent and true features",
    source="arXiv 2505.17638, Theorem 3.1; Silverstein & Bai 1995",
    theory="resolvent at quantiles, counts below gaps, outliers and overlaps",
    statistic="mean over draws",
    tolerance="3 standard errors plus c/d (c by a stated argument), counts exactly",
    plan=_plan_simulate,
    measure=_simulate,
    judge=_judge_simulate,
    needs=("tqdm",),
)
LINEAR = Experiment(
    name="linear",
    claim="Averages of linear denoisers over data sets",
    source="arXiv 2505.24769, losses, distances, divergences and curves",
    theory="closed forms with the next order in 1/d where known",
    statistic="mean over sampled data sets",
    tolerance="p < 0.01/m fails a comparison (Bonferroni)",
    plan=_plan_linear,
    measure=_linear,
    judge=_judge_linear,
    needs=("tqdm",),
)
CURVES = Experiment(
    name="curves",
    claim="Learning curves of finite networks under exact gradient flow are those of theory",
    source="arXiv 2505.17638, Figs. 5, 11 to 13; two-resolvent equivalent",
    theory="learning_curves, and training for steps, momentum, ridge and start",
    statistic="largest deviation of the mean curve over all times",
    tolerance="3 standard errors plus c scale/d, p < 0.01/m fails a curve (Bonferroni)",
    plan=_plan_curves,
    measure=_curves,
    judge=_judge_curves,
    needs=("tqdm",),
)
DIGITS = Experiment(
    name="digits",
    claim="How far learning curves on handwritten digits are from theory",
    source="scikit-learn's digits, held-out images",
    theory="law of the population of all images, and from_data with held-out rows",
    statistic="best stopping time, least test loss, final losses of true features",
    tolerance="none: measured",
    plan=_plan_digits,
    measure=_digits,
    judge=_judge_digits,
    needs=("tqdm", "sklearn"),
)
SCALING = Experiment(
    name="scaling",
    claim="Exponents of theory's own curves at finite ratios, beside those that are published",
    source="arXiv 2505.17638, Fig. 13, Sect. 3.2 and Proposition C.2",
    theory="the published exponents",
    statistic="exponents of learning_curves and their windows",
    tolerance="none: theory against asymptotic claims, measured",
    plan=_plan_scaling,
    measure=_scaling,
    judge=_judge_scaling,
)
EXPERIMENTS = (CERTIFY, LAW, SIMULATE, LINEAR, CURVES, SCALING, DIGITS)
