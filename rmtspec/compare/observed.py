"""What was observed: eigenvalues of matrices, or learning curves of networks."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _checks
from ..inputs.readers import read_npy, read_npz
from ..inputs.text_tables import SEPARATORS, read_text_table
from .simulate import SimulatedCurves

FloatArray = NDArray[np.float64]

SPLITS = ("train", "test")
_TIMES = ("tau", "step")
_REPEATS = ("draw", "seed", "run", "repeat", "repetition")
_EXPECTED = (
    "curves have columns 'tau' or 'step', and 'train' or 'test', or 'split' and 'loss', and "
    f"{_REPEATS[0]!r} for repeats"
)
_OF_CURVES = re.compile("tau|time|step|epoch|iter|split|loss|train|test|" + "|".join(_REPEATS))
_NUMBERED = re.compile(r"(.*?)[ _-]*\d+")


@dataclass(frozen=True, eq=False)
class Eigenvalues:
    """Eigenvalues of m draws, (m, p), ascending, and the relative rounding they were kept with."""

    values: FloatArray
    rounding: float


@dataclass(frozen=True, eq=False)
class Curves:
    """Losses of m networks at k times: split -> (m, k)."""

    tau: FloatArray
    losses: Mapping[str, FloatArray]


def read(observed: Any, per_step: float | None) -> Eigenvalues | Curves:
    """Take what was observed for one or the other.

    Parameters
    ----------
    observed : eigenvalues or curves, as `compare` takes them
    per_step : what one step adds to tau; needed where times are given in steps

    Raises
    ------
    TypeError, ValueError
        If it is neither, or does not hold finite numbers.
    OSError
        If a file cannot be read.
    """
    if isinstance(observed, SimulatedCurves):
        return Curves(observed.tau, {name: getattr(observed, name) for name in SPLITS})
    if isinstance(observed, (str, os.PathLike)):
        return _from_file(Path(observed), per_step)
    if hasattr(observed, "columns") and hasattr(observed, "__getitem__"):
        observed = {str(name): np.asarray(observed[name]) for name in observed.columns}
    if isinstance(observed, Mapping):
        return _from_columns({str(name): column for name, column in observed.items()}, per_step)
    return _eigenvalues(observed)


def _eigenvalues(observed: Any) -> Eigenvalues:
    if isinstance(observed, (list, tuple)) and observed and np.ndim(observed[0]) == 1:
        lengths = {len(row) for row in observed if np.ndim(row) == 1}
        if len(lengths) > 1:
            raise ValueError(
                "observed must hold matrices of one size, got draws of "
                f"{min(lengths)} to {max(lengths)} eigenvalues"
            )
    kind = getattr(observed, "dtype", np.dtype(np.float64))
    rounding = float(np.finfo(kind).eps) if np.dtype(kind).kind == "f" else 0.0
    values = _checks.real_array("observed", observed)
    if values.ndim == 1:
        values = values[None]
    if values.ndim != 2 or values.shape[0] < 1 or values.shape[1] < 2:
        raise ValueError(
            "observed must be eigenvalues of shape (p,) or (draws, p), p >= 2, or curves, "
            f"got shape {np.shape(observed)}"
        )
    return Eigenvalues(np.sort(values, axis=1), max(rounding, float(np.finfo(float).eps)))


def _from_file(path: Path, per_step: float | None) -> Eigenvalues | Curves:
    kind = "".join(path.suffixes[-2:]) if path.suffix == ".gz" else path.suffix.lower()
    if not path.is_file():
        raise ValueError(f"observed must be a file that exists, got {str(path)!r}")
    try:
        if kind == ".npy":
            return _eigenvalues(read_npy(path).values)
        if kind == ".npz":
            return _eigenvalues(read_npz(path).values)
        if kind == ".csv":
            columns = _table(path)
            if columns is not None:
                return _from_columns(columns, per_step)
        if kind.removesuffix(".gz") in SEPARATORS:
            table = read_text_table(path, as_is=True)
            _refuse_other_names(table.columns or [])
            values = table.values
            return _eigenvalues(values[:, 0] if values.shape[1] == 1 else values)
    except (ValueError, TypeError) as problem:
        text = str(problem)
        raise type(problem)(
            text if text.startswith("observed") else f"observed: {path}: {text}"
        ) from None
    raise ValueError(
        "observed must be an array, a table or a file ending in .npy, .npz, .csv, .tsv or .txt, "
        f"got {str(path)!r}"
    )


def _table(path: Path) -> dict[str, Any] | None:
    """Columns of a file whose first line names a time; None if it is one of eigenvalues."""
    with path.open(newline="", encoding="utf-8-sig") as stream:
        rows = [row for row in csv.reader(stream) if row and not row[0].startswith("#")]
    names = [name.strip() for name in rows[0]] if rows else []
    if not set(names) & set(_TIMES):
        if len(names) > 1:  # a name alone may be a line of another separator
            _refuse_other_names(names)
        return None
    columns: dict[str, Any] = {}
    for place, name in enumerate(names):
        cells = [row[place].strip() if place < len(row) else "" for row in rows[1:]]
        columns[name] = np.array(cells) if name in ("split", *_REPEATS) else _numbers(name, cells)
    return columns


def _refuse_other_names(names: list[str]) -> None:
    """Refuse a table whose first line names columns that are not eigenvalues.

    One column may have any name that is none of curves; several have one name and numbers.
    """
    if not names or any(_is_number(name) for name in names):
        return
    stems = {_stem(name) for name in names}
    if len(stems) > 1 or any(_OF_CURVES.search(stem) for stem in stems):
        raise ValueError(
            f"its first line names columns {names[:8]}, which are not those of eigenvalues (one "
            "column, or one name numbered); " + _EXPECTED + ", in a .csv file, named just so"
        )


def _stem(name: str) -> str:
    found = _NUMBERED.fullmatch(name.lower())
    return found[1] if found else name.lower()


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _numbers(name: str, cells: list[str]) -> FloatArray:
    for line, cell in enumerate(cells):
        if not _is_number(cell):
            raise ValueError(f"row {line + 1}, column {name!r}: {cell!r} is no number")
    return np.array(cells, dtype=np.float64)


def _from_columns(columns: Mapping[str, Any], per_step: float | None) -> Curves:
    clock = next((name for name in _TIMES if name in columns), None)
    if clock is None:
        raise ValueError(
            "observed curves need a column of times, 'tau' or 'step', got "
            f"{sorted(columns)[:8]}: {_EXPECTED}"
        )
    times = _checks.real_array("observed times", columns[clock], 0.0, infinite=True)
    if clock == "step":
        if per_step is None:
            raise ValueError(
                "learning_rate (and dimension) must be given for observed times in steps: "
                "tau = step * learning_rate / dimension^2"
            )
        times = times * per_step
    if "loss" in columns:
        return _long(times, columns)
    losses = {name: columns[name] for name in SPLITS if name in columns}
    if not losses:
        raise ValueError(
            "observed curves need columns 'split' and 'loss', or 'train' or 'test', "
            f"got {sorted(columns)}"
        )
    repeat = next((name for name in _REPEATS if name in columns), None)
    if repeat is not None:
        return _long(
            np.tile(times, len(losses)),
            {
                "loss": np.concatenate([np.asarray(column) for column in losses.values()]),
                "split": np.repeat(list(losses), times.size),
                repeat: np.tile(np.asarray(columns[repeat]), len(losses)),
            },
        )
    if np.unique(times).size < times.size and any(np.ndim(c) == 1 for c in losses.values()):
        raise ValueError(
            "observed times must differ, got repeated ones without a column that tells networks "
            f"apart: name theirs in a column {_REPEATS[0]!r}"
        )
    found = {}
    for name, column in losses.items():
        values = np.atleast_2d(_checks.real_array(f"observed {name}", column))
        if values.ndim != 2 or times.ndim != 1 or values.shape[1] != times.size:
            raise ValueError(
                f"observed {name} must have shape (k,) or (repeats, k) for {times.size} times, "
                f"got {np.shape(column)}"
            )
        found[name] = values
    if len({len(values) for values in found.values()}) > 1:
        raise ValueError("observed train and test must have the same number of repeats")
    order = np.argsort(times, kind="stable")
    return Curves(times[order], {name: values[:, order] for name, values in found.items()})


def _long(times: FloatArray, columns: Mapping[str, Any]) -> Curves:
    """Rows of (time, split, loss), and whose they are."""
    loss = _checks.real_array("observed loss", columns["loss"])
    split = np.asarray(columns.get("split", np.full(loss.shape, "train"))).astype(str)
    repeat = next((name for name in _REPEATS if name in columns), None)
    who = np.zeros(loss.shape) if repeat is None else np.asarray(columns[repeat])
    if not (times.shape == split.shape == who.shape == loss.shape) or loss.ndim != 1:
        raise ValueError("observed columns must be rows of one length")
    strange = sorted(set(split) - set(SPLITS))
    if strange or not loss.size:
        raise ValueError(f"observed split must be 'train' or 'test', got {strange or 'no rows'}")
    people, person = np.unique(who, return_inverse=True)
    grid, place = np.unique(times, return_inverse=True)
    found = {}
    for name in (name for name in SPLITS if name in set(split)):
        chosen = split == name
        counts = np.zeros((people.size, grid.size))
        np.add.at(counts, (person[chosen], place[chosen]), 1.0)
        if not (counts == 1.0).all():
            hint = "" if repeat else f"; repeats are told apart by a column {_REPEATS[0]!r}"
            raise ValueError(
                f"observed {name} must have one loss a time and repeat, got "
                f"{int(counts.min())} to {int(counts.max())}{hint}"
            )
        table = np.empty(counts.shape)
        table[person[chosen], place[chosen]] = loss[chosen]
        found[name] = table
    return Curves(grid, found)
