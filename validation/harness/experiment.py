"""What an experiment is: a statement fixed beforehand, independent tasks, and a judgement."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np

from validation.harness.checks import Check
from validation.harness.draws import generator

SCALES = ("smoke", "cpu", "long", "gpu")
"""A minute on two cores; under an hour on two cores; hours on a core a process; on a GPU."""

Values = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """One piece of an experiment: done whole or not at all, and independent of all others.

    Attributes
    ----------
    key : name in the records, unique within the experiment
    settings : what the task needs, as JSON; a record made with other settings is refused
    work : rough seconds on one core, for the progress bar and the order of the tasks
    """

    key: str
    settings: Values = field(default_factory=dict)
    work: float = 1.0


@dataclass(frozen=True)
class Setup:
    """Where a task runs: the seed of the run, the device, and a folder of its own.

    `folder` keeps what a task may want to find again if it is interrupted; it is no result.
    """

    seed: int
    device: str
    folder: Path
    images: Path | None = None

    def rng(self, *labels: object) -> np.random.Generator:
        """Return a generator that depends on the seed and the labels only."""
        return generator(self.seed, *labels)

    def torch_seed(self, *labels: object) -> int:
        """Return a seed for PyTorch that depends on the seed and the labels only."""
        return int(self.rng("torch", *labels).integers(2**31))

    def checkpoint(self, experiment: str, task: Task) -> Path:
        """Return a file for the state of a long task, of these settings and no others."""
        asked = json.dumps([self.seed, self.device, task.key, task.settings], sort_keys=True)
        return self.folder / f"{experiment}.{crc32(asked.encode()):08x}.pt"


class Outcome(NamedTuple):
    """A task and what it measured."""

    task: Task
    values: Values


Together = Callable[
    [
        Sequence[tuple[str, Task]],
        Setup,
        float,
        Callable[[str, str, Values, float], None],
        Callable[[str], None],
    ],
    dict[tuple[str, str], str],
]
"""Jobs (experiment, task), setup, seconds, what takes (experiment, key, values, seconds) whenever
there is more to keep, and what takes a line of progress -> why jobs were left out."""


class Figure(NamedTuple):
    """A drawing of the report: its caption, and what draws it on a new Matplotlib figure."""

    caption: str
    draw: Callable[[Any], None]


def no_figures(outcomes: Sequence[Outcome]) -> list[Figure]:
    """Return no drawing."""
    return []


class Growth(NamedTuple):
    """How an onset grows with n: a line of the report's table of exponents.

    Attributes
    ----------
    network, onset : what was trained, and what was timed
    value, low, high : exponent in n and its 68 % interval
    sizes : the n that it was fitted to
    theory : exponent of random features with the same sizes and definition; NaN if there is none
    """

    network: str
    onset: str
    value: float
    low: float
    high: float
    sizes: tuple[float, ...]
    theory: float = math.nan


def no_growth(outcomes: Sequence[Outcome]) -> list[Growth]:
    """Return no exponent."""
    return []


@dataclass(frozen=True)
class Experiment:
    """A claim, the theory it is held against, and how.

    Attributes
    ----------
    name : on the command line and in file names
    claim, source : what is claimed, and where (paper and equation)
    theory : the curve or number it is held against
    statistic : what is measured
    tolerance : what passes, stated before any run
    plan : scale -> tasks; empty if the experiment has nothing to do at this scale
    measure : task, setup -> values as JSON; depends on nothing but these two
    judge : outcomes of all tasks -> checks
    figures : outcomes -> drawings
    growth : outcomes -> exponents in n
    needs : modules it cannot do without, beside those of the package
    by_request : whether it runs only when it is named, for a folder of images
    prepare : looks at the request before any work; raises RequestError
    reading : what a reader may conclude, and what not
    together : trains all tasks of the scale "gpu" at once, within a time; experiments that have
        the same share the card
    """

    name: str
    claim: str
    source: str
    theory: str
    statistic: str
    tolerance: str
    plan: Callable[[str], list[Task]]
    measure: Callable[[Task, Setup], Values]
    judge: Callable[[Sequence[Outcome]], list[Check]]
    figures: Callable[[Sequence[Outcome]], list[Figure]] = no_figures
    growth: Callable[[Sequence[Outcome]], list[Growth]] = no_growth
    needs: tuple[str, ...] = ()
    by_request: bool = False
    prepare: Callable[[Setup], None] | None = None
    reading: str = ""
    together: Together | None = None

    def planned(self, scale: str) -> list[Task]:
        """Return the tasks of a scale; at "long" only pairs of networks have any."""
        return [] if scale == "long" and self.together is None else self.plan(scale)

    @property
    def statement(self) -> dict[str, str]:
        """What is written at the head of the result file."""
        names = ("claim", "source", "theory", "statistic", "tolerance")
        return {name: getattr(self, name) for name in names}


def packed(values: Any, digits: int = 10) -> Any:
    """Return arrays as lists of numbers with `digits` digits; not-a-number and infinity as None."""
    array = np.asarray(values, dtype=float)
    if array.ndim == 0:
        number = float(array)
        return float(f"{number:.{digits}g}") if np.isfinite(number) else None
    return [packed(entry, digits) for entry in array]


def unpacked(values: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return what `packed` made as an array; None becomes NaN."""
    return np.array(values, dtype=float)
