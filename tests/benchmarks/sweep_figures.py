"""Print what a sweep costs beside a bare loop: python -m tests.benchmarks.sweep_figures [SIDE]

Training times on a SIDE x SIDE grid (200 by default, some five minutes): a bare loop of solves,
`rmtspec.sweep` in one process and in two, in turn, twice; the shorter wall time of each counts.
Needs two idle cores.  Overhead is also given in processor time, which other load changes less.
"""

from __future__ import annotations

import math
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import rmtspec as rs
from rmtspec.sweeps.grid import Grid
from rmtspec.sweeps.points import Evaluation
from rmtspec.sweeps.problems import BUILT_IN
from rmtspec.sweeps.sweep import _block_size
from tests.benchmarks.measuring import Figure, seconds

TIME = 0.01


class SweepWorkload:
    """Training times over a square of ratios."""

    def __init__(self, side: int) -> None:
        self.ratios = np.geomspace(0.5, 500.0, side)
        self.coords = {"psi_p": self.ratios, "psi_n": self.ratios, "t": TIME}

    def row(self, psi_p: float) -> list[float]:
        return [self.point(psi_p, float(psi_n)) for psi_n in self.ratios]

    @staticmethod
    def point(psi_p: float, psi_n: float) -> float:
        return rs.RandomFeatureModel(psi_p, psi_n, TIME).timescales().tau_mem

    def bare(self) -> NDArray[np.float64]:
        return np.array([self.row(float(psi_p)) for psi_p in self.ratios])

    def threads(self) -> NDArray[np.float64]:
        with ThreadPoolExecutor(2) as pool:
            return np.array(list(pool.map(self.row, self.ratios.tolist())))

    def together(self, threads: int) -> NDArray[np.float64]:
        grid = np.meshgrid(self.ratios, self.ratios, indexing="ij")
        return rs.timescales(*grid, TIME, threads=threads).tau_mem

    def swept(self, **options: Any) -> NDArray[np.float64]:
        data = rs.sweep("timescales", self.coords, progress=False, **options)
        return np.asarray(data.tau_mem)

    def stored(self) -> NDArray[np.float64]:
        with tempfile.TemporaryDirectory() as folder:
            return self.swept(workers=2, store=Path(folder) / "store")


def taken(work: Callable[[], NDArray[np.float64]]) -> tuple[float, float, NDArray[np.float64]]:
    """Wall time, processor time of this process, and the result."""
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    found = work()
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, used, found


def measured(side: int, repeats: int = 2) -> Iterator[Figure]:
    """Wall times, their ratios, and whether all values agree to the last bit."""
    work = SweepWorkload(side)
    works = {
        "bare loop": work.bare,
        "sweep, one process": partial(work.swept, workers=1),
        "sweep, two processes": partial(work.swept, workers=2),
        "sweep, two processes, on disk": work.stored,
        "one call for all": partial(work.together, 1),
        "one call, two threads": partial(work.together, 2),
    }
    SweepWorkload(3).swept(workers=2, chunk=2)  # start the processes and load the kernels
    runs: dict[str, list[tuple[float, float, NDArray[np.float64]]]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, each in works.items():
            runs[name].append(taken(each))
    wall = {name: min(run[0] for run in each) for name, each in runs.items()}
    used = {name: min(run[1] for run in each) for name, each in runs.items()}
    first = runs["bare loop"][0][2].tobytes()
    same = all(run[2].tobytes() == first for each in runs.values() for run in each)
    bare, one, two, stored, call, threaded = wall.values()
    serial = used["sweep, one process"] / used["bare loop"] - 1.0
    few = SweepWorkload(max(2, side // 5))
    alone, threads = (min(taken(each)[0] for _ in range(2)) for each in (few.bare, few.threads))
    shared = used["one call, two threads"] / used["one call for all"] - 1.0
    points = side * side
    for name, each in wall.items():
        yield Figure(name, points / each, "points/s", "")
    yield Figure("two processes over one core", one / two, "times", ">= 1.8", one / two >= 1.8)
    yield Figure("  on disk", one / stored, "times", "")
    yield Figure("two processes over the bare loop", bare / two, "times", "")
    wasted = one / bare - 1.0
    yield Figure("overhead over the bare loop, wall", wasted, "", "< 0.2", wasted < 0.2)
    yield Figure("  processor time", serial, "", "< 0.2", serial < 0.2)
    yield Figure("two threads over one, a model a call", alone / threads, "times", "")
    yield Figure(
        "two threads over one, one call", call / threaded, "times", ">= 1.8", call / threaded >= 1.8
    )
    yield Figure("  processor time added", shared, "", "< 0.1", shared < 0.1)
    yield Figure("all values agree to the last bit", same, "", "1", same)
    yield from on_paper(bare / points)


def point_rates(side: int = 8) -> list[Figure]:
    """Sweeps in one process: points a second of processor time, and what a phase diagram takes."""
    ratios = np.geomspace(0.5, 500.0, side)
    coords = {"psi_p": ratios, "psi_n": ratios, "t": 0.1}  # those of `rmtspec sweep stopping`
    apart = {"psi_p": np.geomspace(30.0, 300.0, 100), "psi_n": np.geomspace(5.0, 20.0, 100)}
    sweep = partial(rs.sweep, progress=False, workers=1)
    (times,) = seconds(lambda: sweep("timescales", {**apart, "t": TIME}), repeats=5)
    (merging,) = seconds(lambda: SweepWorkload(60).swept(workers=1), repeats=5)
    (stopping,) = seconds(lambda: sweep("stopping", coords), repeats=3)
    rate, diagram = 1e4 / times, stopping * (40 / side) ** 2
    return [
        Figure("sweep of training times, bulks apart", rate, "points/s", ">= 8,000", rate >= 8e3),
        Figure("  from 0.5 to 500, where bulks merge", 3600 / merging, "points/s", ""),
        Figure(f"sweep stopping, {side} x {side}", stopping, "s", ""),
        Figure("  40 x 40 at this rate", diagram, "s", "< 12", diagram < 12.0),
    ]


def on_paper(seconds: float, points: int = 10**8, workers: int = 100) -> list[Figure]:
    """What a large sweep needs on a cluster, from what one block takes."""
    side = math.isqrt(points)
    grid = Grid.of({**dict.fromkeys(("psi_p", "psi_n"), np.geomspace(0.5, 500.0, side)), "t": TIME})
    shape = grid.chunk(_block_size(grid.size, seconds, workers))
    blocks = math.prod(-(-extent // step) for extent, step in zip(grid.shape, shape, strict=True))
    layout, *_ = Evaluation(BUILT_IN["timescales"].function, grid).pilot()
    block = math.prod(shape) * 8 * len(layout.variables)
    return [
        Figure(f"on paper: {points:.0e} points, {workers} cores: blocks", blocks, "", ""),
        Figure("  points a block", math.prod(shape), "", ""),
        Figure("  seconds a block", math.prod(shape) * seconds, "s", ""),
        Figure("  bytes a block sends back", block, "B", ""),
        Figure("  values on disk, before compression", blocks * block / 1e9, "GB", ""),
        Figure("  files", blocks * (len(layout.variables) + 1), "", ""),
        Figure("  messages through the scheduler", 4 * blocks, "", ""),
        Figure("  duration", points * seconds / workers / 3600.0, "h", ""),
        Figure("  time of the caller to write them", blocks * writing(500) / 3600.0, "h", ""),
    ]


def writing(count: int) -> float:
    """Seconds that writing a small block of training times takes."""

    def instant(a: int, b: int) -> dict[str, float]:
        return dict.fromkeys(("tau_gen", "tau_mem", "tau_slow", "ratio", "merged"), 0.0)

    coords = {"a": range(count), "b": range(2)}
    with tempfile.TemporaryDirectory() as folder:
        many = partial(rs.sweep, instant, coords, progress=False, workers=1)
        return taken(partial(many, store=Path(folder) / "a", chunk=2))[0] / count


def main() -> None:
    """Print the table."""
    for figure in measured(int(sys.argv[1]) if len(sys.argv) > 1 else 200):
        print(figure, flush=True)


if __name__ == "__main__":
    main()
