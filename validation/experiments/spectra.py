r"""Spectra of true features: bulks and their masses, the transition of mixtures, fluctuations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import rmtspec as rs
from rmtspec.compare.networks.feature_matrices import gaussian_equivalent, true_features
from validation.harness.checks import (
    Check,
    averaged,
    compared,
    mean_and_error,
    measured,
    power,
    within,
)
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
from validation.spectra.draws import gaussian_data

Array = NDArray[np.float64]

# --- bulks ---------------------------------------------------------------------------------------

_BULK_TIME = 0.01
_BULK_SIZES = {"smoke": (30, 16, 4, 2), "cpu": (60, 48, 8, 3), "gpu": (100, 64, 8, 16)}
_BINS = np.geomspace(1e-4, 1e2, 121)
_ATOMS = {"isotropic": [1.0], "two atoms": [0.5, 1.5]}


def _plan_bulks(scale: str) -> list[Task]:
    d, psi_p, psi_n, draws = _BULK_SIZES[scale]
    work = 1.0 + 30.0 * (psi_p * d / 3000.0) ** 3
    return [
        Task(
            f"{atoms}, draw {i}",
            {"atoms": atoms, "d": d, "psi_p": psi_p, "psi_n": psi_n},
            work,
        )
        for atoms in _ATOMS
        for i in range(draws)
    ]


def _bulk_model(settings: Values) -> rs.RandomFeatureModel:
    population = rs.PopulationSpectrum(_ATOMS[settings["atoms"]])
    return rs.RandomFeatureModel(
        settings["psi_p"], settings["psi_n"], _BULK_TIME, "tanh", population
    )


def _cut(model: rs.RandomFeatureModel) -> float:
    """Middle, in the logarithm, of the gap below the second bulk."""
    edges = model.spectrum().support
    fast = {family.name: family for family in model.families}["fast"]
    below = edges[edges[:, 1] < fast.lower, 1][-1]
    return math.sqrt(below * fast.lower)


def _measure_bulks(task: Task, setup: Setup) -> Values:
    settings, rng = task.settings, setup.rng("bulks", task.key)
    d, atoms = settings["d"], np.array(_ATOMS[settings["atoms"]])
    p, n = settings["psi_p"] * d, settings["psi_n"] * d
    x = gaussian_data(rng, n, np.repeat(atoms, d // len(atoms)))
    w = rng.standard_normal((p, d))
    values = _spectrum(w, x, setup)[::-1]
    sample = values[d:n]
    return {
        "second bulk": int(np.sum(values > _cut(_bulk_model(settings)))),
        "median": packed(np.median(sample)),
        "upper": packed(np.quantile(sample, 0.98)),
        "top": packed(values[0]),
        "histogram": [int(count) for count in np.histogram(values, _BINS)[0]],
    }


def _spectrum(w: Array, x: Array, setup: Setup) -> Array:
    if setup.device == "cpu":
        return np.linalg.eigvalsh(true_features(w, x, _BULK_TIME, "tanh").matrix)
    from validation.spectra import accelerated

    return accelerated.eigenvalues(
        accelerated.true_features(w, x, _BULK_TIME, "tanh", setup.device)[0]
    )


def _judge_bulks(outcomes: Sequence[Outcome]) -> list[Check]:
    checks, medians = [], {}
    for atoms in _ATOMS:
        group = [o for o in outcomes if o.task.settings["atoms"] == atoms]
        settings = group[0].task.settings
        model = _bulk_model(settings)
        law, d = model.spectrum(), settings["d"]
        p, n = settings["psi_p"] * d, settings["psi_n"] * d
        found = {name: unpacked([o.values[name] for o in group]) for name in group[0].values}
        checks += [
            compared(f"{atoms}, draw {i}: eigenvalues in the second bulk", d, count, 0.0,
                     note="mass 1/psi_p: a count, exact")
            for i, count in enumerate(found["second bulk"])
        ]  # fmt: skip
        # Exact masses: the sample bulk holds the eigenvalues of ranks d + 1 to n from the top.
        theory = float(law.quantile(1.0 - 0.5 * (n + d) / p))
        medians[atoms] = found["median"]
        checks.append(
            _few(f"{atoms}: median of the sample bulk", theory, found["median"],
                 8.0 / d * theory, "margin 8/d relative: samples and neurons differ in norm; "
                 "5/d was seen at d = 30")
        )  # fmt: skip
        edge = float(law.support[-1, 1])
        checks.append(
            _few(f"{atoms}: upper edge of the second bulk", edge, found["top"],
                 2.5 * d ** (-2.0 / 3.0) * edge,
                 "margin 2.5 d^(-2/3) relative: the edge fluctuates by d^(-2/3)")
        )  # fmt: skip
        checks.append(
            measured(f"{atoms}: 98 % point of the sample bulk; theory: upper edge of Theorem 3.2",
                     float(found["upper"].mean()), theory=model.asymptotic_bulks().rho_1_edges[1],
                     note="leading order in large ratios only")
        )  # fmt: skip
    one, two = medians["isotropic"], medians["two atoms"]
    shift = float(one.mean() - two.mean()) / float(one.mean())
    error = math.hypot(*(float(m.std(ddof=1)) / math.sqrt(len(m)) for m in (one, two)))
    checks.append(
        compared("first bulk depends on Tr Sigma/d only: shift of its median, relative", 0.0,
                 shift, error / float(one.mean()), margin=4.0 / outcomes[0].task.settings["d"],
                 note="margin 4/d: finite size, half of what either median may miss")
    )  # fmt: skip
    return checks


def _few(name: str, theory: float, values: Array, margin: float, note: str) -> Check:
    """Compare with a mean over few draws whose margin, not their scatter, decides."""
    mean, error, _ = mean_and_error(values)
    return compared(name, theory, mean, error, margin=margin, note=note)


def _figures_bulks(outcomes: Sequence[Outcome]) -> list[Figure]:
    def draw(figure: Any) -> None:
        axes = figure.subplots(2, 1, sharex=True)
        for axis, atoms in zip(axes, _ATOMS, strict=True):
            group = [o for o in outcomes if o.task.settings["atoms"] == atoms]
            model = _bulk_model(group[0].task.settings)
            counts = np.sum([o.values["histogram"] for o in group], axis=0)
            axis.stairs(counts / counts.sum(), _BINS, fill=True, color="#7aa6c2")
            shares = np.diff(model.spectrum().cdf(_BINS))
            axis.stairs(shares, _BINS, color="k", lw=1)
            axis.set(xscale="log", yscale="log", ylim=(1e-5, 1.0), title=atoms)
            axis.set_xlim(0.5 * model.floor, 60.0)
        axes[1].set_xlabel("eigenvalue of U")

    return [Figure("Share of eigenvalues in a bin: true features (filled), law (line).", draw)]


BULKS = Experiment(
    name="bulks",
    claim="U has two bulks, of masses psi_n/psi_p and 1/psi_p; Tr Sigma/d alone fixes the first",
    source="arXiv 2505.17638, Theorem 3.2 and Fig. 4",
    theory="law of the Gaussian equivalent",
    statistic="counts above the gap, medians and edges of eigenvalues of true tanh features",
    tolerance="counts exactly; medians 8/d, upper edge 2.5 d^(-2/3), relative",
    plan=_plan_bulks,
    measure=_measure_bulks,
    judge=_judge_bulks,
    figures=_figures_bulks,
)

# --- the transition of mixtures ------------------------------------------------------------------

_MIXTURE = {"psi_p": 2.0, "psi_n": 2.0, "t": 0.2}
_SEPARATIONS = (0.4, 0.8, 1.2, 1.6, 2.0, 3.0)
_MIXTURE_SIZES = {"smoke": (60, 6), "cpu": (200, 12), "gpu": (800, 24)}


def _plan_transition(scale: str) -> list[Task]:
    d, draws = _MIXTURE_SIZES[scale]
    return [
        Task(f"|m| = {m:g}", {"m": m, "d": d, "draws": draws}, draws * 0.4 * (d / 200) ** 3)
        for m in _SEPARATIONS
    ]


def _transition_model(m: float) -> rs.RandomFeatureModel:
    population = rs.PopulationSpectrum([1.0], spikes=(1.0 + m**2,))
    return rs.RandomFeatureModel(**_MIXTURE, population=population)


def _measure_transition(task: Task, setup: Setup) -> Values:
    m, d = task.settings["m"], task.settings["d"]
    p, n = round(_MIXTURE["psi_p"] * d), round(_MIXTURE["psi_n"] * d)
    tops, overlaps = [], []
    for i in range(task.settings["draws"]):
        rng = setup.rng("transition", m, i)
        x = rng.standard_normal((n, d))
        x[:, 0] += m * rng.choice([-1.0, 1.0], n)
        w = rng.standard_normal((p, d))
        values, vectors = np.linalg.eigh(true_features(w, x, _MIXTURE["t"], "tanh").matrix)
        along = (w[:, 0] / np.linalg.norm(w[:, 0])) @ vectors
        tops.append(values[-1])
        overlaps.append(along[-1] ** 2)
    return {"top": packed(tops), "overlap": packed(overlaps)}


def _judge_transition(outcomes: Sequence[Outcome]) -> list[Check]:
    threshold = float(_transition_model(_SEPARATIONS[-1]).outliers().threshold[0])
    checks = []
    for task, values in outcomes:
        m, d = task.settings["m"], task.settings["d"]
        model = _transition_model(m)
        found = model.outliers()
        edge = float(model.spectrum().support[-1, 1])
        location, overlap = float(found.location[0]), float(found.overlap[0])
        if math.isfinite(location):
            checks += [
                averaged(f"|m| = {m:g}: outlier", location, values["top"],
                         margin=8.0 / d * location, note="margin 8/d relative, as in `simulate`"),
                averaged(f"|m| = {m:g}: overlap with W m", overlap, values["overlap"],
                         margin=8.0 / d, note="margin 8/d"),
            ]  # fmt: skip
        elif m**2 < 0.8 * (threshold - 1.0):
            checks += [
                averaged(f"|m| = {m:g}, below the transition: largest eigenvalue at the edge",
                         edge, values["top"], margin=3.0 * d ** (-2.0 / 3.0) * edge,
                         note="margin 3 d^(-2/3) relative: the edge fluctuates by d^(-2/3)"),
                within(f"|m| = {m:g}, below the transition: overlap with W m",
                       float(np.mean(values["overlap"])), 0.0, 1.5 * d ** (-1.0 / 3.0),
                       note="vanishes at least as d^(-1/3): at most 1.5 d^(-1/3)"),
            ]  # fmt: skip
        else:
            overlap, error, _ = mean_and_error(values["overlap"])
            checks.append(
                measured(f"|m| = {m:g}, within a fifth of the transition: overlap", overlap, error,
                         0.0, "finite size rounds the transition off here")
            )  # fmt: skip
    checks.append(
        measured("|m| at the transition (theory)", math.sqrt(threshold - 1.0),
                 note="spike 1 + |m|^2 at which the outlier leaves the bulk")
    )  # fmt: skip
    return checks


def _figures_transition(outcomes: Sequence[Outcome]) -> list[Figure]:
    def draw(figure: Any) -> None:
        left, right = figure.subplots(1, 2)
        m = np.array([o.task.settings["m"] for o in outcomes])
        grid = np.linspace(0.05, 1.05 * m.max(), 120)
        models = [_transition_model(float(x)) for x in grid]
        place = np.array([model.outliers().location[0] for model in models])
        edge = np.array([model.spectrum().support[-1, 1] for model in models])
        left.plot(grid, np.where(np.isfinite(place), place, edge), "k", lw=1)
        right.plot(grid, [model.outliers().overlap[0] for model in models], "k", lw=1)
        for axis, name in ((left, "top"), (right, "overlap")):
            table = np.array([o.values[name] for o in outcomes])
            axis.errorbar(m, table.mean(axis=1), table.std(axis=1, ddof=1) / math.sqrt(
                table.shape[1]), fmt="o", ms=4)  # fmt: skip
            axis.set(xlabel="|m|", title={"top": "largest eigenvalue"}.get(name, name))

    return [Figure("Two clusters at +-m: true features (points) and theory (line).", draw)]


TRANSITION = Experiment(
    name="transition",
    claim="An eigenvalue leaves the bulk when two clusters are far enough apart (BBP)",
    source="Baik, Ben Arous, Peche 2005; condition k + b^2 + c^2 y (sigma^2 + |m|^2) = 0",
    theory="outliers(): location, overlap, threshold",
    statistic="largest eigenvalue of true tanh features of a mixture, overlap with W m",
    tolerance="8/d above the transition; below it 3 d^(-2/3) for the edge, 1.5 d^(-1/3) overlap",
    plan=_plan_transition,
    measure=_measure_transition,
    judge=_judge_transition,
    figures=_figures_transition,
)

# --- fluctuations of U about its mean ------------------------------------------------------------

_NORM_RATIOS = {"smoke": (32, 64, 128, 256), "cpu": (32, 64, 128, 256), "gpu": (32, 128, 512)}
_NORM_SIZE = {"smoke": (20, 2, 8), "cpu": (60, 2, 8), "gpu": (100, 2, 12)}


def _plan_norm(scale: str) -> list[Task]:
    d, psi_p, draws = _NORM_SIZE[scale]
    return [
        Task(
            f"psi_n = {psi_n}",
            {"psi_n": psi_n, "d": d, "psi_p": psi_p, "draws": draws},
            draws * 1e-4 * psi_n * (d / 20) ** 2,
        )
        for psi_n in _NORM_RATIOS[scale]
    ]


def _measure_norm(task: Task, setup: Setup) -> Values:
    d, psi_p, psi_n = (task.settings[name] for name in ("d", "psi_p", "psi_n"))
    k = rs.RandomFeatureModel(psi_p, psi_n, 0.1).coefficients
    norms = []
    for i in range(task.settings["draws"]):
        rng = setup.rng("norm", task.key, i)
        w = rng.standard_normal((psi_p * d, d))
        x = rng.standard_normal((psi_n * d, d))
        omega = rng.standard_normal((psi_p * d, psi_n * d))
        u = gaussian_equivalent(w, x, omega, c=k.c, b=k.b, v=k.v, s=k.s)
        mean = (k.c**2 + k.b**2) / d * (w @ w.T) + (k.v**2 + k.s**2) * np.eye(len(w))
        norms.append(float(np.abs(np.linalg.eigvalsh(u - mean)).max()))
    return {"norm": packed(norms)}


def _judge_norm(outcomes: Sequence[Outcome]) -> list[Check]:
    ratios = [o.task.settings["psi_n"] for o in outcomes]
    table = np.array([o.values["norm"] for o in outcomes])
    errors = table.std(axis=1, ddof=1) / math.sqrt(table.shape[1])
    slope, error = power(ratios, table.mean(axis=1), errors)
    return [
        within("exponent of |U - Utilde| (operator norm) in psi_n", slope, -0.6, -0.4, error,
               "within 0.1 of -1/2; the next order, 1/psi_n, steepens it")
    ]  # fmt: skip


NORM = Experiment(
    name="norm",
    claim="|U - Utilde| = O(psi_p/sqrt(psi_n)) in operator norm",
    source="arXiv 2505.17638, Sect. C",
    theory="exponent -1/2 in psi_n",
    statistic="largest |eigenvalue| of the difference, Gaussian equivalent, fitted power",
    tolerance="0.1 on the exponent",
    plan=_plan_norm,
    measure=_measure_norm,
    judge=_judge_norm,
)
EXPERIMENTS = (BULKS, TRANSITION, NORM)
