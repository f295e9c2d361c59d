"""Certificates of spectral laws over random ensembles: mass, moments, quantiles, counts, edges.

Each random-feature law is set against what is known without integrating it:

- mass: the density integrated over each bulk is the mass known from exact counting;
- moments: (1/p) Tr U and (1/p) Tr U^2 in closed form (with c^2 Tr Sigma/d = tau_1 and so on);
- quantile: cdf(quantile(u)) = u at levels above the atom;
- counts: the mass below every gap by the counting rule, evaluated here from q and y in the gap;
- edges (isotropic populations): roots of the discriminant of the algebraic curve P(q, z) = 0.

Sample-covariance laws of the same populations are treated alike, their edges for one atom being
(1 -+ sqrt c)^2, and both ensembles also with 256 and 4096 atoms over ten decades.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm  # type: ignore[import-untyped]

import rmtspec as rs
from rmtspec.reference import algebraic_curve
from validation.certificates.draws import ParameterSet, parameter_set
from validation.harness.records import read_lines, write_lines

Array = NDArray[np.float64]
Figures = dict[str, float]

PROMISED = {"mass": 1e-10, "moment 1": 1e-9, "moment 2": 1e-9, "quantile": 1e-9,
            "counts": 1e-9, "edges": 1e-9}  # fmt: skip
ATOMS = (256, 4096)
_DECADES = 10.0
_LEVELS = 33
_SAVE_SECONDS = 5.0


@dataclass(frozen=True)
class Case:
    """One law to certify; `kind` groups the lines of the table."""

    kind: str
    index: int
    figures: Callable[[], Figures]


def check_laws(draws: int, seed: int, output: Path | None) -> int:
    """Certify the laws of `draws` random sets, print a table and return the exit status."""
    arguments = {"program": "law", "draws": draws, "seed": seed}
    lines = read_lines(output, arguments) if output else []
    done = {(line["kind"], line["index"]): line for line in lines}
    cases = plan(draws, seed)
    started = saved = time.monotonic()
    try:
        for case in tqdm(cases, unit="law", leave=False, disable=None):
            if (case.kind, case.index) not in done:
                done[case.kind, case.index] = _record(case)
            if output and time.monotonic() - saved > _SAVE_SECONDS:
                write_lines(output, arguments, _ordered(cases, done))
                saved = time.monotonic()
    finally:
        if output:
            write_lines(output, arguments, _ordered(cases, done))
    failures = print_table(_ordered(cases, done))
    print(f"\n{len(cases)} laws, {failures} figures beyond the promise, "
          f"{time.monotonic() - started:.0f} s")  # fmt: skip
    return 1 if failures else 0


def plan(draws: int, seed: int) -> list[Case]:
    """Return all cases: random features (a third isotropic), covariances, many atoms."""
    cases = []
    for index in range(draws):
        drawn = parameter_set(seed + 1, index)
        if index % 3 == 2:
            cases.append(Case("features, isotropic", index, partial(isotropic_figures, drawn)))
        else:
            cases.append(Case("features", index, partial(random_figures, drawn)))
        if index % 3 == 0:
            cases.append(Case("covariance", index, partial(covariance_figures, drawn)))
    for index, atoms in enumerate(ATOMS):
        many = rs.PopulationSpectrum(10.0 ** np.linspace(-_DECADES, 0.0, atoms))
        cases.append(
            Case(f"features, {atoms} atoms", index, partial(feature_figures, _large(many)))
        )
        cases.append(Case(f"covariance, {atoms} atoms", index, partial(_covariance, 0.5, many)))
    return cases


def _ordered(
    cases: list[Case], done: dict[tuple[str, int], dict[str, Any]]
) -> list[dict[str, Any]]:
    keys = [(case.kind, case.index) for case in cases]
    return [done[key] for key in keys if key in done]


def _record(case: Case) -> dict[str, Any]:
    figures = {name: float(f"{value:.3g}") for name, value in case.figures().items()}
    return {"kind": case.kind, "index": case.index, "figures": figures}


def _model(drawn: ParameterSet) -> rs.RandomFeatureModel:
    population = rs.PopulationSpectrum(drawn.eigenvalues, drawn.weights)
    return rs.RandomFeatureModel(
        drawn.psi_p, drawn.psi_n, drawn.t, drawn.activation, population, conditional=drawn.given
    )


def _large(population: rs.PopulationSpectrum) -> rs.RandomFeatureModel:
    return rs.RandomFeatureModel(8.0, 4.0, 0.01, "tanh", population)


def feature_figures(model: rs.RandomFeatureModel) -> Figures:
    """Errors of the law of a random-feature model."""
    law = model.spectrum()
    first, second = feature_moments(model)
    return {**_common(law, first, second), "counts": _count_error(model, law)}


def random_figures(drawn: ParameterSet) -> Figures:
    """Errors of the law of a random-feature model with the drawn population."""
    return feature_figures(_model(drawn))


def isotropic_figures(drawn: ParameterSet) -> Figures:
    """Errors of the same law with one atom at the mean, edges against the algebraic curve."""
    mean = float(drawn.weights @ drawn.eigenvalues)
    population = rs.PopulationSpectrum([mean])
    model = rs.RandomFeatureModel(drawn.psi_p, drawn.psi_n, drawn.t, drawn.activation, population)
    return {**feature_figures(model), "edges": _edge_error(model)}


def covariance_figures(drawn: ParameterSet) -> Figures:
    """Errors of the sample-covariance law of the drawn population at ratio psi_p."""
    return _covariance(drawn.psi_p, rs.PopulationSpectrum(drawn.eigenvalues, drawn.weights))


def _covariance(ratio: float, population: rs.PopulationSpectrum) -> Figures:
    law = rs.SampleCovariance(ratio, population).spectrum()
    first = population.mean
    figures = _common(law, first, population.moment(2) + ratio * first**2)
    if len(population.eigenvalues) == 1:
        root = np.sqrt(ratio)
        exact = first * np.array([(1.0 - root) ** 2, (1.0 + root) ** 2])
        # At ratio 1 the lower edge is 0, and must be: nothing to divide by.
        size = np.where(exact > 0.0, exact, exact[1])
        figures["edges"] = float(np.max(np.abs(law.support.ravel() - exact) / size))
    return figures


def _common(law: rs.SpectralLaw, first: float, second: float) -> Figures:
    floor = float(law.atoms[:, 1].sum())
    levels = floor + (1.0 - floor) * (np.arange(_LEVELS) + 0.5) / _LEVELS
    # From the origin: a slow bulk can be thinner than the spacing of floats at s^2.
    x = law.quantile(levels, from_origin=True)
    total = floor + float(np.sum(law.masses)) - 1.0
    return {
        "mass": max(float(np.max(np.abs(law.mass_defect))), abs(total)),
        "moment 1": abs(float(law.moment(1)) / first - 1.0),
        "moment 2": abs(float(law.moment(2)) / second - 1.0),
        "quantile": float(np.max(np.abs(law.cdf(x, from_origin=True) - levels))),
    }


def feature_moments(model: rs.RandomFeatureModel) -> tuple[float, float]:
    """Return (1/p) Tr U and (1/p) Tr U^2 of U = G G^T/n + (b^2/d) W W^T + s^2 in the limit.

    With tau_k = c^{2k} Tr Sigma^k/d, by Wick's theorem:

        m1 = s^2 + v^2 + tau_1 + b^2,
        m2 = s^4 + 2 s^2 (tau_1 + v^2 + b^2) + psi_p tau_2 + tau_1^2 + 2 v^2 tau_1 + v^4
             + (psi_p/psi_n) (tau_1 + v^2)^2 + 2 b^2 (tau_1 (1 + psi_p) + v^2) + b^4 (1 + psi_p).

    Of given data the eigenvalues are known: their spread over data sets, (psi_p/psi_n) tau_1^2, is
    not in the second moment.
    """
    k = model.coefficients
    b2, v2, s2 = k.b**2, k.v**2, k.s**2
    tau1 = k.c**2 * model.population.mean
    tau2 = k.c**4 * model.population.moment(2)
    p, n = model.psi_p, model.psi_n
    first = s2 + v2 + tau1 + b2
    second = (
        s2**2 + 2 * s2 * (tau1 + v2 + b2) + p * tau2 + tau1**2 + 2 * v2 * tau1 + v2**2
        + (p / n) * (tau1 + v2) ** 2 + 2 * b2 * (tau1 * (1 + p) + v2) + b2**2 * (1 + p)
    )  # fmt: skip
    if model.conditional:
        second -= (p / n) * tau1**2
    return first, second


def _count_error(model: rs.RandomFeatureModel, law: rs.SpectralLaw) -> float:
    """Largest difference, over the inner gaps, of the law's mass below and the counting rule.

    The rule needs only (k, y) at one point of the gap: with H the measure of the weights mu of the
    two nested sample-covariance laws, the fraction above is H((-k, inf))/psi_p.
    """
    lower, upper = law.edges[:-1, 1], law.edges[1:, 0]
    below = float(law.atoms[:, 1].sum()) + np.cumsum(law.masses)[:-1]
    if not len(lower):
        return 0.0
    # By distance from s^2: a gap may be narrower than the spacing of floats there.
    found = model.ensemble.equations.solve_real(np.sqrt(lower * upper))
    above = [counted_above(model, k.real, y.real) for k, y in zip(found.k, found.y, strict=True)]
    return float(np.max(np.abs(below + np.array(above) - 1.0)))


def counted_above(model: rs.RandomFeatureModel, k: float, y: float) -> float:
    """Return the fraction of eigenvalues above a gap in which the solution is (k, y), real."""
    coefficients, population = model.coefficients, model.population
    b2, v2 = coefficients.b**2, coefficients.v**2
    u = v2 / model.psi_n
    tau = coefficients.c**2 * population.eigenvalues
    positive = tau > 0.0
    rank = min(model.psi_n, float(population.weights[positive].sum()))
    total = rank * (1 + (b2 > 0.0 and v2 > 0.0))
    total += (1.0 - rank) * (b2 > 0.0) + (model.psi_n - rank) * (v2 > 0.0)
    eta = (k + b2) / y
    if k > 0.0:
        above = model.psi_p
    elif eta > -tau[positive].min():
        above = rank + (1.0 - rank) * (b2 > -k) + (model.psi_n - rank) * (u > -k)
    else:
        above = float(population.weights[tau > -eta].sum())
        if k * k < b2 * u:
            above = total - above
    return float(above / model.psi_p)


def _edge_error(model: rs.RandomFeatureModel) -> float:
    """Largest relative distance of an edge from a root of the algebraic curve's discriminant.

    The discriminant has exact rational coefficients (of degree up to 13 in z - s^2) and simple
    roots; Newton's method from the edge leads to the nearest, in arithmetic that has digits to
    spare for the many decades the coefficients span.
    """
    k = model.coefficients
    variance = float(model.population.eigenvalues[0])
    curve = algebraic_curve.specialise(model.psi_p, model.psi_n, variance, k.c**2, k.b**2, k.v**2)
    worst = 0.0
    with mpmath.workdps(400):
        coefficients = [
            mpmath.mpf(int(value.p)) / int(value.q)
            for value in algebraic_curve.discriminant(curve).all_coeffs()
        ]
        for edge in model.spectrum().edges.ravel():
            if edge == 0.0:
                worst = max(worst, 0.0 if coefficients[-1] == 0 else math.inf)
                continue
            root = mpmath.mpf(float(edge))
            for _ in range(20):
                value, slope = mpmath.polyval(coefficients, root, derivative=1)
                root -= value / slope
            worst = max(worst, float(abs(root / float(edge) - 1)))
    return worst


def print_table(lines: list[dict[str, Any]]) -> int:
    """Print the worst figure of every kind; return how many exceed their promise."""
    kinds = list(dict.fromkeys(line["kind"] for line in lines))
    print(f"{'laws':<26} {'number':>7}  {'figure':<10} {'worst':>9} {'median':>9} {'promised':>9}")
    failures = 0
    for kind in kinds:
        group = [line for line in lines if line["kind"] == kind]
        for name, promised in PROMISED.items():
            values = [(line["figures"][name], line["index"]) for line in group
                      if name in line["figures"]]  # fmt: skip
            if not values:
                continue
            beyond = sum(not value <= promised for value, _ in values)
            failures += beyond
            largest, index = max(values, key=lambda pair: (np.isnan(pair[0]), pair[0]))
            verdict = "ok" if not beyond else f"FAILED {beyond} times, worst at set {index}"
            median = float(np.median([value for value, _ in values]))
            print(f"{kind:<26} {len(values):>7}  {name:<10} {largest:9.1e} {median:9.1e} "
                  f"{promised:9.0e}  {verdict}")  # fmt: skip
    return failures
