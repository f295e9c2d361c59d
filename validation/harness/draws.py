"""Draws of a plan: each from random numbers of its own, kept in a file while they are made."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm  # type: ignore[import-untyped]

from validation.harness.records import read_lines, write_lines

_SAVE_SECONDS = 5.0
_BAR = "{desc:40.40} {percentage:3.0f} %|{bar:30}| {elapsed}, {remaining} left"


def generator(seed: int, *labels: object) -> np.random.Generator:
    """Return a generator of its own for every label, whatever else the plan contains."""
    return np.random.default_rng([seed, crc32("|".join(map(str, labels)).encode())])


class Planned(Protocol):
    """What is drawn a number of times; `work` is the relative cost of one draw."""

    @property
    def key(self) -> str:
        """Name in the records, unique within the plan."""

    @property
    def draws(self) -> int:
        """Number of draws."""

    @property
    def work(self) -> float:
        """Relative cost of one draw, for the progress bar."""


Run = TypeVar("Run", bound=Planned)


class Draws(Generic[Run]):
    """The draws of a plan: what is on file already, and what is made.

    The file holds `arguments`, then a line a draw in the order of the plan whatever order they were
    made in, and below them the table that was made of them.

    Parameters
    ----------
    runs : what is drawn
    output : the file; None keeps nothing
    arguments : what the file must have been asked with

    Attributes
    ----------
    records : (key, number of the draw) -> record

    Raises
    ------
    ForeignRecordsError
        If the file belongs to another run.
    """

    def __init__(self, runs: Sequence[Run], output: Path | None, arguments: dict[str, Any]) -> None:
        self.runs, self._output, self._arguments = runs, output, arguments
        lines = read_lines(output, arguments) if output else []
        self.records = {(line["run"], line["draw"]): line for line in lines if "draw" in line}

    def make(self, record: Callable[[Run, int], dict[str, Any]]) -> None:
        """Make the draws that are missing, and save what there is however it ends."""
        missing = [(run, i) for run, i in self._plan() if (run.key, i) not in self.records]
        total, saved = sum(run.work for run, _ in missing), time.monotonic()
        bar = tqdm(total=total, leave=False, disable=None, bar_format=_BAR, mininterval=0.5)
        try:
            for run, i in missing:
                bar.set_description(run.key, refresh=False)
                values = record(run, i)
                self.records[run.key, i] = {"run": run.key, "draw": i, **values}
                bar.update(run.work)
                if time.monotonic() - saved > _SAVE_SECONDS:
                    self.save()
                    saved = time.monotonic()
        finally:
            bar.close()
            self.save()

    def save(self, table: Iterable[dict[str, Any]] = ()) -> None:
        """Write the draws, and below them the rows of the table."""
        if self._output:
            keys = [(run.key, i) for run, i in self._plan()]
            lines = [self.records[key] for key in keys if key in self.records]
            write_lines(self._output, self._arguments, [*lines, *table])

    def values(self, run: Run) -> NDArray[np.float64]:
        """Return the values of all draws of a run, shape (draws, ...)."""
        return np.array([self.records[run.key, i]["values"] for i in range(run.draws)])

    def recorded(self, name: str) -> list[float]:
        """Return what the draws that have it say of `name`."""
        return [record[name] for record in self.records.values() if name in record]

    def _plan(self) -> list[tuple[Run, int]]:
        return [(run, i) for run in self.runs for i in range(run.draws)]


def rounded(values: Any, digits: int = 12) -> Any:
    """Return numbers, nested as they are, with `digits` digits."""
    if isinstance(values, (list, tuple, np.ndarray)):
        return [rounded(value, digits) for value in values]
    return float(f"{values:.{digits}g}")
