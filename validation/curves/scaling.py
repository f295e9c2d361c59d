"""Power laws of training, from theory: how far each one is a power law, and with what exponent.

Three claims of arXiv 2505.17638 (isotropic data of variance 1, tanh), whose figures come from
trained networks at d = 100:

- Fig. 13: the least score error over τ falls as psi_n^-0.59 at psi_p = 32, t = 0.01.
- Sect. 3: tau_mem grows as psi_n and tau_gen stays where psi_p >> psi_n.
- Proposition C.2: for 1 << τ << psi_n both losses lie at 1 − O(Δ), and the generalisation loss is
  O(psi_n^-1/2).

Nothing is simulated, and nothing passes or fails: exponents are least-squares slopes of logarithms
over the points shown, local exponents their differences between neighbours.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import rmtspec as rs
from validation.harness.records import write_json

Array = NDArray[np.float64]

FIGURE_PSI_P, FIGURE_T = 32.0, 0.01
PUBLISHED = -0.59
FIGURE_SAMPLES = np.geomspace(1.0, 1e4, 33)
# Networks of the paper's size have psi_n from a few to psi_p.
SPANS = ((1.0, 10.0), (2.0, 32.0), (10.0, 100.0), (100.0, 1e3), (1e3, 1e4))
TIME_NAMES = ("tau_gen", "tau_mem", "tau_gen_curve", "tau_mem_curve")
# psi_p, t and psi_n: the setting of Fig. 5, and two times two decades with psi_p >> psi_n.
TIME_SETTINGS = (
    (64.0, 0.1, (4.0, 8.0, 16.0, 32.0)),
    (1e8, 0.1, (1e1, 1e2, 1e3)),
    (1e8, 0.1, (1e3, 1e4, 1e5)),
)
PLATEAU_PSI_P, PLATEAU_SCALED_TAU = 64.0, 20.0
PLATEAU_TIMES = (1e-3, 1e-2, 1e-1)
PLATEAU_SAMPLES = (1e3, 1e4, 1e5, 1e6)


@dataclass(frozen=True)
class Least:
    """Least score error over τ at one psi_n, the time, and the exponent from the one before."""

    psi_n: float
    tau: float
    score_error: float
    exponent: float | None


def run_scaling(output: Path | None, plot: Path | None) -> int:
    """Compute all exponents, print them and return 0."""
    started = time.monotonic()
    least = least_errors(FIGURE_SAMPLES)
    spans = {f"{low:g} to {high:g}": _exponent_within(least, low, high) for low, high in SPANS}
    times = [training_times(*setting) for setting in TIME_SETTINGS]
    plateau = plateau_exponents()
    _print(least, spans, times, plateau)
    if output:
        content = {
            "arguments": {"program": "scaling"},
            "least score error": [vars(point) for point in least],
            "exponents of it": spans,
            "published exponent": PUBLISHED,
            "training times": times,
            "plateau": plateau,
        }
        write_json(output, content)
    if plot:
        draw(least, plot)
    print(f"\n{time.monotonic() - started:.0f} s")
    return 0


def least_errors(samples: Array) -> list[Least]:
    """Return the minimum over τ at each psi_n, psi_p and t as in Fig. 13."""
    found: list[Least] = []
    for psi_n in samples:
        best = rs.RandomFeatureModel(FIGURE_PSI_P, psi_n, FIGURE_T).training().best_stopping()
        slope = None
        if found:
            before = found[-1]
            slope = _rounded(
                np.log(best.score_error / before.score_error) / np.log(psi_n / before.psi_n)
            )
        found.append(Least(_rounded(psi_n), _rounded(best.tau), _rounded(best.score_error), slope))
    return found


def slope(x: Any, y: Any) -> float:
    """Least-squares exponent of y in x."""
    return _rounded(np.polyfit(np.log(x), np.log(y), 1)[0])


def _rounded(value: float) -> float:
    return float(f"{value:.8g}")


def _exponent_within(least: list[Least], low: float, high: float) -> float:
    chosen = [point for point in least if low * 0.999 <= point.psi_n <= high * 1.001]
    return slope([point.psi_n for point in chosen], [point.score_error for point in chosen])


def training_times(psi_p: float, t: float, samples: tuple[float, ...]) -> dict[str, Any]:
    """Times that bound generalisation and memorisation, and their exponents in psi_n."""
    windows = [rs.RandomFeatureModel(psi_p, n, t).training().window() for n in samples]
    values = {name: [_rounded(getattr(w, name)) for w in windows] for name in TIME_NAMES}
    return {
        "psi_p": psi_p,
        "t": t,
        "psi_n": list(samples),
        "values": values,
        "exponents": {name: slope(samples, values[name]) for name in TIME_NAMES},
    }


def plateau_exponents() -> dict[str, Any]:
    """Exponents on the plateau: of 1 − L in Δ, and of the generalisation loss in psi_n."""
    deltas, decreases = [], []
    for t in PLATEAU_TIMES:
        model = rs.RandomFeatureModel(PLATEAU_PSI_P, PLATEAU_SAMPLES[-1], t)
        at = model.learning_curves(PLATEAU_SCALED_TAU / model.delta)
        deltas.append(model.delta)
        decreases.append([1.0 - float(at.train), 1.0 - float(at.test)])
    tau = PLATEAU_SCALED_TAU / model.delta
    gaps = [
        float(rs.RandomFeatureModel(PLATEAU_PSI_P, n, t).learning_curves(tau).generalization)
        for n in PLATEAU_SAMPLES
    ]
    train, test = np.array(decreases).T
    return {
        "psi_p": PLATEAU_PSI_P,
        "delta times tau": PLATEAU_SCALED_TAU,
        "decrease over delta": [_rounded(value) for value in train / deltas],
        "exponent of 1 - train in delta": slope(deltas, train),
        "exponent of 1 - test in delta": slope(deltas, test),
        "generalisation loss": [_rounded(gap) for gap in gaps],
        "exponent of it in psi_n": slope(PLATEAU_SAMPLES, gaps),
    }


def _print(
    least: list[Least],
    spans: dict[str, float],
    times: list[dict[str, Any]],
    plateau: dict[str, Any],
) -> None:
    print(
        f"least score error over tau, psi_p = {FIGURE_PSI_P:g}, t = {FIGURE_T:g} "
        f"(trained networks of arXiv 2505.17638, Fig. 13: {PUBLISHED:g})\n"
        f"{'psi_n':>10} {'tau':>10} {'score error':>12} {'local exponent':>15}"
    )
    for point in least:
        local = "" if point.exponent is None else f"{point.exponent:+.3f}"
        print(f"{point.psi_n:10.4g} {point.tau:10.4g} {point.score_error:12.5g} {local:>15}")
    print("fitted over psi_n: " + ", ".join(f"{k}: {v:+.3f}" for k, v in spans.items()))
    for found in times:
        span = f"{found['psi_n'][0]:g} to {found['psi_n'][-1]:g}"
        print(f"\npsi_p = {found['psi_p']:g}, t = {found['t']:g}, psi_n = {span}")
        for name in TIME_NAMES:
            numbers = " ".join(f"{value:10.4g}" for value in found["values"][name])
            print(f"  {name:<14} exponent {found['exponents'][name]:+.4f}   {numbers}")
    print(
        f"\nplateau, psi_p = {plateau['psi_p']:g}, tau = {plateau['delta times tau']:g}/Delta:\n"
        f"  1 - L in Delta: {plateau['exponent of 1 - train in delta']:+.4f} (train), "
        f"{plateau['exponent of 1 - test in delta']:+.4f} (test); (1 - L)/Delta = "
        f"{plateau['decrease over delta'][-1]:.4f}\n"
        f"  generalisation loss in psi_n: {plateau['exponent of it in psi_n']:+.4f} "
        "(the proposition bounds it by -1/2)"
    )


def draw(least: list[Least], file: Path) -> None:
    """Draw the least score error and its local exponent against psi_n."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    samples = np.array([point.psi_n for point in least])
    errors = np.array([point.score_error for point in least])
    middle = int(np.argmin(np.abs(samples - 10.0)))
    left.loglog(samples, errors, color="#0072B2", label="theory")
    shown = samples <= 200.0
    line = errors[middle] * (samples / samples[middle]) ** PUBLISHED
    label = rf"$\psi_n^{{{PUBLISHED:g}}}$ (Fig. 13)"
    left.loglog(samples[shown], line[shown], "--", color="#E69F00", label=label)
    left.set(xlabel=r"$\psi_n$", ylabel=r"$\min_\tau E_{score}$")
    left.legend(frameon=False)
    centres = [np.sqrt(a.psi_n * b.psi_n) for a, b in pairwise(least)]
    right.semilogx(centres, [point.exponent for point in least[1:]], color="#0072B2")
    right.axhline(PUBLISHED, linestyle="--", color="#E69F00")
    right.set(xlabel=r"$\psi_n$", ylabel="local exponent")
    figure.savefig(file)
