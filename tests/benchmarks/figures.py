"""Print what the package costs, each figure beside its target: python -m tests.benchmarks.figures

Groups of rows may be named: points, models, large, data, sweeps, structured, start.  Times are
processor times (user and system) of single-threaded work, the least of several repetitions, all
taken in one run: on an idle machine they are wall times, on a busy one they change less.  Ratios
divide times of repetitions that alternate.

`tests.benchmarks.sweep_figures` (processes and threads, needs two idle cores),
`tests.benchmarks.page_figures` (needs Chromium) and `tests.benchmarks.network_figures` (needs
PyTorch) print tables of their own.
"""

from __future__ import annotations

import argparse
import tempfile

import numpy as np

import rmtspec as rs
from tests.benchmarks.large_figures import data_figures, spectrum_figures
from tests.benchmarks.measuring import Figure, exponent, process_seconds, seconds
from tests.benchmarks.structured_figures import structured_figures
from tests.benchmarks.sweep_figures import point_rates
from tests.benchmarks.workloads import (
    FIRST_NUMBER,
    IMPORT,
    KernelWorkload,
    LinearWorkload,
    Workload,
    marchenko_pastur,
)


def density_figures() -> list[Figure]:
    """Warm density against the closed form, and warm quantiles."""
    work = Workload()
    x, u = work.points_on_support(10_000), np.random.default_rng(1).random(100_000)
    closed = np.linspace(0.3, 2.9, x.size)
    warm, yardstick = seconds(
        lambda: work.law.density(x), lambda: marchenko_pastur(closed, 0.5), repeats=51
    )
    (quantiles,) = seconds(lambda: work.law.quantile(u), repeats=31)
    ratio, each = warm / yardstick, quantiles / u.size
    return [
        Figure(
            "closed-form Marchenko-Pastur density, NumPy", yardstick / x.size * 1e9, "ns/point", ""
        ),
        Figure("warm density, 2 atoms, 10,000 points", warm / x.size * 1e9, "ns/point", ""),
        Figure("  over the closed form", ratio, "times", "<= 50, aim 5", ratio <= 50.0),
        Figure("warm quantile, 100,000 points", each * 1e9, "ns/point", "< 40", each < 4e-8),
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


def population_figures() -> list[Figure]:
    """Edges and density of larger populations, for which no target is set."""
    rows = []
    for atoms in (50, 512, 4096):
        work = Workload(atoms)
        edges, law = seconds(
            lambda w=work: w.cold_edges(),
            lambda w=work: w.cold_law(np.array([0.1])),
            repeats=3,
        )
        rows.append(Figure(f"new model to all edges, {atoms} atoms", edges * 1e3, "ms", ""))
        rows.append(Figure(f"new model to density, {atoms} atoms", law * 1e3, "ms", ""))
    return rows


def model_figures() -> list[Figure]:
    """What a new model costs before each of its first numbers, and one of many models."""
    work = Workload()
    x, tau = work.points_on_support(1_000), np.geomspace(1e-2, 1e8, 200)
    ratios = np.meshgrid(np.geomspace(30.0, 300.0, 40), np.geomspace(5.0, 20.0, 40))
    rows = []
    for name, call, target in (
        ("training times", lambda: work.new_model().timescales(), 0.1),
        ("edges, masses, density at 1,000 points", lambda: work.cold_law(x), 0.5),
        ("learning curves at 200 times", lambda: work.cold_curves(tau), 2.0),
        ("best stopping", lambda: work.new_model().training().best_stopping(), 4.0),
        ("window", lambda: work.new_model().training().window(), 0.0),
        ("memorisation boundary at 1e4", lambda: work.boundary(1e4), 0.0),
    ):
        taken = 1e3 * seconds(call, repeats=31)[0]
        aim, holds = (f"< {target:g}", taken < target) if target else ("", None)
        rows.append(Figure(f"new model to {name}", taken, "ms", aim, holds))
    (many,) = seconds(lambda: rs.timescales(*ratios, 0.01, population=work.population))
    each = 1e3 * many / ratios[0].size
    return [*rows, Figure("training times, one of 1,600 models", each, "ms", "< 0.05", each < 0.05)]


def curve_figures() -> list[Figure]:
    """Learning curves of more times, rows and targets."""
    work, counts = Workload(), (1_000, 4_000, 16_000)
    grids = [np.geomspace(1e-2, 1e8, count) for count in counts]
    slope = exponent(counts, seconds(*(lambda g=g: work.cold_curves(g) for g in grids), repeats=9))
    (kernel,) = seconds(KernelWorkload().curves, repeats=5)
    return [
        Figure("512 rows of 64 to curves by exact kernel", kernel, "s", "< 1", kernel < 1.0),
        Figure("exponent of learning curves in times", slope, "", "<= 1.1", slope <= 1.1),
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
    """New processes, with kernels that an earlier one compiled, and first commands of a machine."""
    rows = []
    for name, code, limit in (
        ("import rmtspec", IMPORT, 0.3),
        ("first number in a new process", FIRST_NUMBER, 2.0),
    ):
        used, wall = process_seconds("-c", code)
        rows.append(Figure(name, used, "s", f"< {limit:g}", used < limit))
        rows.append(Figure("  on the wall", wall, "s", ""))
    model = ("--psi-p", "64", "--psi-n", "8", "--t", "0.01")
    many = ("--power-law", "1.5:64")  # more atoms than kernels are left uncompiled for
    for name, atoms, limit in (
        ("spectrum", (), 10.0),
        ("curves", (), 0.0),
        ("spectrum", many, 0.0),
        ("curves", many, 0.0),
    ):
        with tempfile.TemporaryDirectory() as folder:
            command = ("-m", "rmtspec", name, *model, *atoms, "--plot", f"{folder}/picture.png")
            kept = {"NUMBA_CACHE_DIR": folder, "MPLBACKEND": "agg"}
            first, _ = process_seconds(*command, repeats=1, **kept)
            again, _ = process_seconds(*command, repeats=3, **kept)
        aim, holds = (f"< {limit:g}", first < limit) if limit else ("", None)
        rows.append(
            Figure(
                f"{' '.join(('rmtspec', name, *atoms))} --plot, empty cache", first, "s", aim, holds
            )
        )
        rows.append(Figure("  again", again, "s", ""))
    return rows


TABLES = {
    "points": (density_figures, point_figures, scaling_figures),
    "models": (model_figures, population_figures, curve_figures, linear_figures),
    "large": (spectrum_figures,),
    "data": (data_figures,),
    "sweeps": (point_rates,),
    "structured": (structured_figures,),
    "start": (start_figures,),
}


def main() -> None:
    """Print the tables that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0].split(":")[0])
    parser.add_argument("groups", nargs="*", default=[*TABLES], metavar="GROUP")
    for group in parser.parse_args().groups:
        for measure in TABLES[group]:
            for figure in measure():
                print(figure, flush=True)


if __name__ == "__main__":
    main()
