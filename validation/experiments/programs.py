"""The older programs as sources of checks: each runs as by its own command, its table is read.

A program keeps its own records in the run's working folder and resumes from them; what stays in
the result file is its table.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from validation.harness.checks import FAILED, PASSED, Check, measured, within
from validation.harness.experiment import Experiment, Outcome, Setup, Task, Values


@dataclass(frozen=True)
class Program:
    """A command as one task of an experiment.

    Attributes
    ----------
    key : name of the task
    scales : scale -> settings, and rough seconds on one core; its own command runs it at full size
    run : settings, setup, file -> the program's table in the file
    read : file -> what stays of it
    """

    key: str
    scales: Mapping[str, tuple[Values, float]]
    run: Callable[[Values, Setup, Path], object]
    read: Callable[[Path], Values]

    def plan(self, scale: str) -> list[Task]:
        """Return the task, or nothing at a scale that has none."""
        return [Task(self.key, *self.scales[scale])] if scale in self.scales else []

    def measure(self, task: Task, setup: Setup) -> Values:
        """Run the program in silence, or what is left of it, and read its table."""
        asked = [self.key, *task.settings.values(), setup.device, setup.seed]
        output = setup.folder / f"{'.'.join(map(str, asked))}.json"
        with contextlib.redirect_stdout(io.StringIO()):
            self.run(task.settings, setup, output)
        return self.read(output)


def _rows(file: Path, *names: str) -> Values:
    """Rows of the table at the end of a file of draws; all their entries, or those of `names`."""
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    rows = [line for line in lines if "quantity" in line]
    return {"rows": [{name: row[name] for name in names or row} for row in rows]}


# --- certify -------------------------------------------------------------------------------------


def _certify(settings: Values, setup: Setup, output: Path) -> None:
    from validation.certificates.certify import certify

    certify(settings["draws"], settings["reference"], setup.seed, 1, output)


def _read_certify(file: Path) -> Values:
    return {"summary": json.loads(file.read_text(encoding="utf-8"))["summary"]}


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


# --- law -----------------------------------------------------------------------------------------


def _law(settings: Values, setup: Setup, output: Path) -> None:
    from validation.certificates.law import check_laws

    check_laws(settings["draws"], setup.seed, output)


def _read_law(file: Path) -> Values:
    worst: dict[str, dict[str, float]] = {}
    numbers: dict[str, int] = {}
    for line in file.read_text(encoding="utf-8").splitlines()[1:]:
        law = json.loads(line)
        numbers[law["kind"]] = numbers.get(law["kind"], 0) + 1
        for name, value in law["figures"].items():
            of_kind = worst.setdefault(law["kind"], {})
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


# --- certify-structured ---------------------------------------------------------------------------


def _structured(settings: Values, setup: Setup, output: Path) -> None:
    from validation.certificates.structured import certify_structured

    certify_structured(settings["draws"], settings["laws"], setup.seed, output)


def _read_structured(file: Path) -> Values:
    from validation.certificates.structured import summary

    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()[1:]]
    # CPU time is no result, and differs from run to run.
    return {key: value for key, value in summary(lines).items() if key != "slowest law"}


def _judge_structured(outcomes: Sequence[Outcome]) -> list[Check]:
    from validation.certificates.structured import DEFECT, REFUSED

    found = outcomes[0].values
    points, laws = found["points"], found["laws"]
    refused = REFUSED * points
    words = "; ".join(f"{one['index']}: {one['complaints'][0]}" for one in found["bad laws"])
    return [
        within(f"{points} points: on a wrong branch", len(found["wrong"]), 0, 0,
               note="against a fine continuation from far above the axis"),
        Check(f"{points} points: refused, and flagged", 0.0, found["refused"], 0.0, refused,
              PASSED if found["refused"] <= refused else FAILED, "one in a thousand"),
        within(f"{laws} laws of {found['bulks']} bulks: with a complaint",
               len(found["bad laws"]), 0, 0, note=words or "masses, densities, a scan for gaps"),
        Check(f"{laws} laws: a density misses the mass of its bulk by at most", 0.0,
              found["largest defect"], 0.0, DEFECT,
              PASSED if found["largest defect"] <= DEFECT else FAILED, ""),
    ]  # fmt: skip


# --- simulate, linear, curves, digits -------------------------------------------------------------


def _simulate(settings: Values, setup: Setup, output: Path) -> None:
    from validation.spectra.run import simulate

    simulate(settings["scale"], setup.seed, output, setup.device)


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


def _linear(settings: Values, setup: Setup, output: Path) -> None:
    from validation.linear.run import run_linear

    run_linear(settings["scale"], setup.seed, output)


def _read_linear(file: Path) -> Values:
    return _rows(
        file, "label", "quantity", "leading", "corrected", "simulation", "error", "verdict"
    )


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


def _curves(settings: Values, setup: Setup, output: Path) -> None:
    from validation.curves.run import run_curves

    run_curves(settings["scale"], setup.seed, output)


def _read_curves(file: Path) -> Values:
    return _rows(file, "row", "quantity", "deviation", "error", "scaled_tau", "seen", "verdict")


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


def _digits(settings: Values, setup: Setup, output: Path) -> None:
    from validation.data.run import run_digits

    run_digits(setup.seed, output)


def _judge_digits(outcomes: Sequence[Outcome]) -> list[Check]:
    return [
        measured(f"{row['samples']} images, t = {row['t']:g}: {row['quantity']}, {source}",
                 row["images"], row["error"], row[column],
                 "true features of images; few dimensions, not judged")
        for row in outcomes[0].values["rows"]
        for source, column in (("population law", "population"), ("given data", "given_data"))
    ]  # fmt: skip


# --- scaling -------------------------------------------------------------------------------------


def _scaling(settings: Values, setup: Setup, output: Path) -> None:
    from validation.curves.scaling import run_scaling

    run_scaling(output, None)


def _read_scaling(file: Path) -> Values:
    return dict(json.loads(file.read_text(encoding="utf-8")))


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


# --- the experiments -----------------------------------------------------------------------------

_CERTIFICATE = Program(
    "certificate",
    {
        "smoke": ({"draws": 500, "reference": 10}, 2.0),
        "cpu": ({"draws": 20_000, "reference": 200}, 80.0),
        "gpu": ({"draws": 100_000, "reference": 1_000}, 400.0),
    },
    _certify,
    _read_certify,
)
_LAWS = Program(
    "laws", {"cpu": ({"draws": 100}, 100 / 3), "gpu": ({"draws": 300}, 100.0)}, _law, _read_law
)
_STRUCTURED = Program(
    "structured",
    {
        "smoke": ({"draws": 20, "laws": 3}, 5.0),
        "cpu": ({"draws": 1_000, "laws": 200}, 240.0),
        "gpu": ({"draws": 1_000, "laws": 200}, 240.0),
    },
    _structured,
    _read_structured,
)
_MATRICES = Program(
    "matrices",
    {"cpu": ({"scale": "smoke"}, 60.0), "gpu": ({"scale": "gpu"}, 1800.0)},
    _simulate,
    _rows,
)
_DATA_SETS = Program(
    "data sets",
    {"cpu": ({"scale": "smoke"}, 45.0), "gpu": ({"scale": "cpu"}, 600.0)},
    _linear,
    _read_linear,
)
_NETWORKS = Program(
    "networks",
    {"cpu": ({"scale": "smoke"}, 45.0), "gpu": ({"scale": "cpu"}, 900.0)},
    _curves,
    _read_curves,
)
_DIGITS = Program("digits", {"cpu": ({}, 60.0), "gpu": ({}, 60.0)}, _digits, _rows)
_EXPONENTS = Program("exponents", {"cpu": ({}, 20.0), "gpu": ({}, 20.0)}, _scaling, _read_scaling)

CERTIFY = Experiment(
    name="certify",
    claim="The solver's root is the physical one, and its error bound holds",
    source="arXiv 2505.17638, Theorem 3.1; the equations judged again in extended precision",
    theory="the unique solution with Im q > 0 and Im D > 0",
    statistic="failures among random points; worst residual, error and error over bound",
    tolerance="no failure; residual 1e-12, error 1e-10, error below its bound",
    plan=_CERTIFICATE.plan,
    measure=_CERTIFICATE.measure,
    judge=_judge_certify,
)
LAW = Experiment(
    name="law",
    claim="Masses, moments, quantiles, counts and edges of a law agree with closed forms",
    source="exact counting, Wick's theorem, discriminant of the algebraic curve",
    theory="closed forms",
    statistic="worst relative error over random laws",
    tolerance="1e-10 for the mass, 1e-9 otherwise",
    plan=_LAWS.plan,
    measure=_LAWS.measure,
    judge=_judge_law,
)
CERTIFY_STRUCTURED = Experiment(
    name="certify-structured",
    claim="Points and laws of types, classes and channels are the physical ones, and complete",
    source="structured Gaussian equivalent: positive map, counting function",
    theory="the root followed down from far above the axis; the density next to the axis",
    statistic="wrong and refused points of random ensembles; masses, densities, missed gaps",
    tolerance="no wrong branch, one point in 1000 refused, masses and densities to 1e-8",
    plan=_STRUCTURED.plan,
    measure=_STRUCTURED.measure,
    judge=_judge_structured,
    needs=("tqdm",),
)
SIMULATE = Experiment(
    name="simulate",
    claim="The law of U is that of sampled matrices, Gaussian equivalent and true features",
    source="arXiv 2505.17638, Theorem 3.1; Silverstein & Bai 1995",
    theory="resolvent at quantiles, counts below gaps, outliers and overlaps",
    statistic="mean over draws",
    tolerance="3 standard errors plus c/d (c by a stated argument), counts exactly",
    plan=_MATRICES.plan,
    measure=_MATRICES.measure,
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
    plan=_DATA_SETS.plan,
    measure=_DATA_SETS.measure,
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
    plan=_NETWORKS.plan,
    measure=_NETWORKS.measure,
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
    plan=_DIGITS.plan,
    measure=_DIGITS.measure,
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
    plan=_EXPONENTS.plan,
    measure=_EXPONENTS.measure,
    judge=_judge_scaling,
)
EXPERIMENTS = (CERTIFY, LAW, CERTIFY_STRUCTURED, SIMULATE, LINEAR, CURVES, SCALING, DIGITS)
