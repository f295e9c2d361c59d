"""Print what the package costs, each figure beside its target: python -m tests.benchmarks.figures

Times are processor times (user and system) of single-threaded work, medians over repetitions, all
taken in one run: on an idle machine they are wall times, on a busy one they change less.  Ratios
divide medians of repetitions that alternate.  New processes are also timed on the wall, best of
the repetitions.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tests.benchmarks.workloads import (
    FIRST_NUMBER,
    IMPORT,
    KernelWorkload,
    LinearWorkload,
    Workload,
    marchenko_pastur,
    new_process,
)


@dataclass(frozen=True)
class Figure:
    """A measured number and the range it should lie in."""

    name: str
    value: float
    unit: str
    target: str
    holds: bool | None = None

    def __str__(self) -> str:
        mark = {True: "holds", False: "MISSED", None: ""}[self.holds]
        return f"{self.name:<62} {self.value:>10.4g} {self.unit:<10} {self.target:<18} {mark}"


def seconds(*works: Callable[[], object], repeats: int = 15) -> list[float]:
    """Median processor time of each work, in turn within every repetition."""
    for work in works:
        work()
    taken = np.empty((repeats, len(works)))
    for row in taken:
        for i, work in enumerate(works):
            start = time.process_time()
            work()
            row[i] = time.process_time() - start
    return [float(median) for median in np.median(taken, axis=0)]


def process_seconds(code: str, repeats: int = 5) -> tuple[float, float]:
    """Median processor time and best wall time of a new process."""
    new_process(code)
    used, wall = [], []
    for _ in range(repeats):
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        new_process(code)
        wall.append(time.perf_counter() - start)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return float(np.median(used)), min(wall)


def exponent(sizes: Sequence[int], times: Sequence[float]) -> float:
    """Slope of log time against log size."""
    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])


def density_figures() -> list[Figure]:
    """Warm density against the closed form, and a cold object."""
    work = Workload()
    x = work.points_on_support(10_000)
    closed = np.linspace(0.3, 2.9, x.size)
    few = work.points_on_support(1_000)
    warm, yardstick = seconds(
        lambda: work.law.density(x), lambda: marchenko_pastur(closed, 0.5), repeats=51
    )
    (cold,) = seconds(lambda: work.cold_law(few), repeats=31)
    ratio = warm / yardstick
    return [
        Figure(
            "closed-form Marchenko-Pastur density, NumPy", yardstick / x.size * 1e9, "ns/point", ""
        ),
        Figure("warm density, 2 atoms, 10,000 points", warm / x.size * 1e9, "ns/point", ""),
        Figure("  over the closed form", ratio, "times", "<= 50, aim 5", ratio <= 50.0),
        Figure(
            "cold model to edges, masses, density at 1,000", cold * 1e3, "ms", "< 5", cold < 5e-3
        ),
    ]


def point_figures() -> list[Figure]:
    """Cold points, one by one and together, against the published way."""
    work = Workload()
    alone, many = work.unrelated_points(200), work.unrelated_points(10_000)
    kernel, public, together, published = seconds(
        lambda: work.solve_one_by_one(alone),
        lambda: work.resolve_one_by_one(alone),
        lambda: work.model.resolvent(many),
        lambda: work.published.solve(complex(alone[0])),
        repeats=7,
    )
    kernel, public, together = kernel / alone.size, public / alone.size, together / many.size
    rows = []
    for name, taken, rival in (
        ("cold points, compiled solver called for each", kernel, True),
        ("cold points, public method called for each", public, False),
        ("unrelated points, one public call", together, True),
    ):
        gain, target = published / taken, ">= 5,000" if rival else ""
        holds = gain >= 5e3 if rival else None
        rows.append(Figure(name, 1.0 / taken, "1/s", ">= 20,000", taken <= 5e-5))
        rows.append(Figure("  the published way over it", gain, "times", target, holds))
    return [Figure("published way, 114 solves", published * 1e3, "ms/point", ""), *rows]


def scaling_figures() -> list[Figure]:
    """Cost against the number of atoms and of points."""
    atoms, counts = (512, 1024, 2048, 4096, 8192), (1_000, 3_000, 10_000, 30_000)
    works = [Workload(n) for n in atoms]
    points = [work.unrelated_points(200) for work in works]
    by_atoms = seconds(
        *(lambda w=w, z=z: w.model.resolvent(z) for w, z in zip(works, points, strict=True)),
        repeats=5,
    )
    small = Workload()
    batches = [small.unrelated_points(count) for count in counts]
    by_points = seconds(*(lambda z=z: small.model.resolvent(z) for z in batches), repeats=7)
    middle = by_atoms[0] / points[0].size
    slopes = exponent(atoms, by_atoms), exponent(counts, by_points)
    return [
        Figure("cold point, 512 atoms", middle * 1e6, "us", "<= 60", middle <= 6e-5),
        Figure("exponent of the cost in atoms", slopes[0], "", "<= 1.1", slopes[0] <= 1.1),
        Figure("exponent of the cost in points", slopes[1], "", "<= 1.1", slopes[1] <= 1.1),
    ]


def large_figures() -> list[Figure]:
    """Edges and density of large populations, for which no target is set."""
    rows = []
    for atoms in (50, 512, 4096):
        work = Workload(atoms)
        edges, law = seconds(
            lambda w=work: w.cold_edges(),
            lambda w=work: w.cold_law(np.array([0.1])),
            repeats=3,
        )
        rows.append(Figure(f"cold model to all edges, {atoms} atoms", edges * 1e3, "ms", ""))
        rows.append(Figure(f"cold model to density, {atoms} atoms", law * 1e3, "ms", ""))
    return rows


def curve_figures() -> list[Figure]:
    """Learning curves of a new model, over ten decades of training time."""
    work, counts = Workload(), (1_000, 4_000, 16_000)
    grids = [np.geomspace(1e-2, 1e8, count) for count in (200, *counts)]
    first, *more = seconds(*(lambda g=g: work.cold_curves(g) for g in grids), repeats=9)
    slope = exponent(counts, more)
    (kernel,) = seconds(KernelWorkload().curves, repeats=5)
    return [
        Figure("512 rows of 64 to curves by exact kernel", kernel, "s", "< 1", kernel < 1.0),
        Figure("cold model to learning curves, 200 times", first * 1e3, "ms", "< 50", first < 5e-2),
        Figure("  exponent of the cost in times", slope, "", "<= 1.1", slope <= 1.1),
        *prediction_figures(),
    ]


def prediction_figures() -> list[Figure]:
    """Curves of any target beside those of the noise target and of the score."""
    rows = []
    for atoms in (2, 100):
        work, tau = Workload(atoms), np.geomspace(1e-2, 1e8, 400)
        works = [lambda work=work, tau=tau: work.cold_curves(tau)]
        for name in ("noise", "data", "velocity"):
            works.append(lambda work=work, tau=tau, name=name: work.cold_predictions(tau, name))
        score, noise, *others = seconds(*works, repeats=9)
        worst = max(others)
        label = f"curves of data and velocity, {atoms} atoms, at worst"
        rows += [
            Figure(f"{label}: of noise", worst / noise, "times", "< 1.3", worst < 1.3 * noise),
            Figure(f"{label}: of the score", worst / score, "times", "< 1.3", worst < 1.3 * score),
        ]
    return rows


def linear_figures() -> list[Figure]:
    """Averages of affine denoisers for a large spectrum."""
    work = LinearWorkload()
    losses, curves = seconds(work.losses, work.curves, repeats=5)
    return [
        Figure(
            "train and test loss, 100 x 100, 4096 eigenvalues", losses, "s", "< 1", losses < 1.0
        ),
        Figure("learning curves, 100 times, 4096 eigenvalues", curves * 1e3, "ms", ""),
    ]


def start_figures() -> list[Figure]:
    """New processes, with kernels compiled by an earlier one."""
    rows = []
    for name, code, limit in (
        ("import rmtspec", IMPORT, 0.7),
        ("first number in a new process", FIRST_NUMBER, 2.0),
    ):
        used, wall = process_seconds(code)
        rows.append(Figure(name, used, "s", f"< {limit:g}", used < limit))
        rows.append(Figure("  on the wall", wall, "s", ""))
    return rows


def main() -> None:
    """Print the table."""
    print(__doc__.splitlines()[0].split(":")[0])
    for measure in (
        density_figures,
        point_figures,
        scaling_figures,
        large_figures,
        curve_figures,
        linear_figures,
        start_figures,
    ):
        for figure in measure():
            print(figure, flush=True)


if __name__ == "__main__":
    main()
