"""How figures are taken, and how each is printed beside its target."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


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
    """Least processor time of each work, in turn within every repetition."""
    for work in works:
        work()
    taken = np.empty((repeats, len(works)))
    for row in taken:
        for i, work in enumerate(works):
            start = time.process_time()
            work()
            row[i] = time.process_time() - start
    return [float(least) for least in taken.min(axis=0)]


def process_seconds(*command: str, repeats: int = 5, **environment: str) -> tuple[float, float]:
    """Least processor time and wall time of a new process."""
    used, wall = [], []
    for _ in range(repeats):
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        new_process(*command, **environment)
        wall.append(time.perf_counter() - start)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(used), min(wall)


def exponent(sizes: Sequence[int], times: Sequence[float]) -> float:
    """Slope of log time against log size."""
    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])


def new_process(*command: str, **environment: str) -> None:
    """Run Python with these arguments in a process of its own.

    Modules are kept in byte code, as an installer leaves them, whatever the environment says.
    """
    kept = os.environ | {"PYTHONDONTWRITEBYTECODE": ""} | environment
    subprocess.run([sys.executable, *command], check=True, capture_output=True, env=kept)
