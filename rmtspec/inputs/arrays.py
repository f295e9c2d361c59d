"""Arrays of samples: what is taken for rows, what is refused, and what is worth a remark.

Everything here looks at an array in memory; `readers` and `text_tables` look at files.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _checks
from ..result import DataWarning, caller_level

FloatArray = NDArray[np.float64]

LARGEST = 1e40
"""Of an entry: squares of such numbers, and sums of them, stay far from overflow."""

USUAL_VARIANCE = 0.1, 10.0
"""Mean variances that a diffusion model with noise of variance 1 is used with."""

_SIGMAS = 5.0  # by which held-out rows are off before that is not chance
_OTHER_SCALE = 4.0  # a factor of mean variances: other data of a kind differ by less

_LABELS = frozenset({"label", "labels", "class", "classes", "target", "species", "category"})
_NUMBERS = frozenset({"index", "idx", "id", "row", "unnamed: 0", "__index_level_0__"})
_BLOCK = 1024  # rows looked at together
_LEAST_INDEX = 10
"""Rows from which 0, 1, 2, ... in a column is taken for row numbers: by chance it is 1 in 10!."""


def as_rows(
    name: str,
    value: ArrayLike,
    *,
    least: int = 2,
    columns: list[str] | None = None,
    distinguish: bool = False,
) -> FloatArray:
    """Samples as a new float64 array, one a row; pictures are flattened and that is said.

    Parameters
    ----------
    name : str
        What the argument is called in messages.
    value : array_like, shape (n, d), or (n, h, w) or more axes
        Entries in [-1e40, 1e40].
    least : int
        Number of rows needed.
    columns : list of str, optional
        Names of the columns, for messages; those of a data frame are known.
    distinguish : bool
        Whether a column of row numbers is refused, as it is for data from files and tables.  It is
        always refused in a data frame.

    Raises
    ------
    TypeError
        If the entries are not real numbers, the array is sparse, or a named column holds text.
    ValueError
        If entries are masked, missing, infinite or out of range, there are too few rows, a column
        is the row number, or one of a data frame is named as labels or row numbers are.

    Warns
    -----
    DataWarning
        If an array with more than two axes was flattened.
    """
    array, labels = _plain(name, value)
    refuse_named(labels, f"{name}: ")
    _refuse_no_numbers(name, array)
    columns = columns or labels
    shape = array.shape
    if array.ndim > 2 and array.size:
        array = array.reshape(shape[0], -1)
        text = " x ".join(str(length) for length in shape[1:])
        warnings.warn(
            f"{name} has {len(shape)} axes: read as {shape[0]} samples of {text} numbers, "
            "flattened",
            DataWarning,
            stacklevel=caller_level(),
        )
    if array.ndim != 2 or array.shape[0] < least or array.shape[1] < 1:
        advice = " (one sample is no data set: reshape it to rows)" if array.ndim == 1 else ""
        raise ValueError(
            f"{name} must have shape (samples >= {least}, dimension >= 1), "
            f"got shape {shape}{advice}"
        )
    rows = _numbers(name, array, columns)
    if distinguish or labels is not None:
        refuse_row_numbers(name, rows, columns)
    return rows


def refuse_row_numbers(name: str, rows: FloatArray, columns: list[str] | None) -> None:
    """Refuse a column that counts the rows, 0, 1, 2, ... or 1, 2, 3, ..., from 10 rows on.

    Wrong about honest data that are sorted and evenly spaced, as the times of a single series are;
    those are no independent samples either.
    """
    if len(rows) < _LEAST_INDEX:
        return
    counted = np.arange(len(rows))
    start = rows[0]
    likely = ((start == 0.0) | (start == 1.0)) & (rows[-1] == start + counted[-1])
    for column in np.flatnonzero(likely):
        if np.array_equal(rows[:, column], start[column] + counted):
            raise ValueError(
                f"{name} counts its rows in {_column(int(column), columns)} "
                f"({start[column]:g}, {start[column] + 1:g}, ...): delete that column, or shuffle "
                "the rows if it is a quantity"
            )


def refuse_named(columns: list[str] | None, where: str = "") -> None:
    """Refuse columns whose names say that they hold labels or row numbers.

    Parameters
    ----------
    columns : list of str, optional
        Names.
    where : str
        What the message begins with.
    """
    for place, column in enumerate(columns or []):
        word = column.strip().lower()
        if word in _LABELS | _NUMBERS:
            what = "labels" if word in _LABELS else "row numbers"
            raise ValueError(
                f"{where}column {place + 1} is named {column!r}, as {what} are: delete it, or "
                "rename it if it is a quantity of the samples"
            )


def remarks(
    rows: FloatArray, *, few: bool = True, repeats: bool = True, columns: bool = True
) -> list[str]:
    """What a user should hear about a table of samples, one line each.

    Scale (mean variance outside [0.1, 10]), and, if asked for, repeated rows, columns that are
    constant or repeat others, and no more rows than columns.
    A row counts as repeated where all its numbers are equal to another's: copies that are turned,
    mirrored or shifted are not recognised, and tables of few small integers repeat by chance.
    """
    found = []
    count, dimension = rows.shape
    variance = _mean_variance(rows)
    if variance > 0.0 and not USUAL_VARIANCE[0] <= variance <= USUAL_VARIANCE[1]:
        drowned = "drown the noise" if variance > 1.0 else "are drowned by the noise"
        found.append(
            f"the data have mean variance {variance:.3g} and {drowned} of variance 1: scale them "
            "as the network sees them, or to mean variance 1 (standardise, --unit-variance)"
        )
    repeated = count - distinct_rows(rows)[0].size if repeats else 0
    if repeated:
        found.append(
            f"{repeated} of {count} rows repeat{'s' * (repeated == 1)} others: each counts as a "
            "sample of its own, which it is not; drop the copies, those turned or mirrored too, "
            "which are not recognised"
        )
    if columns:
        found += _idle_columns(rows)
    if few and count <= dimension:
        empty = dimension - count + 1
        found.append(
            f"{count} rows of {dimension} numbers leave {empty} direction{'s' * (empty > 1)} "
            "without variance, about which the data say nothing; if samples are columns, transpose"
        )
    return found


def _mean_variance(rows: FloatArray) -> float:
    """Mean over the columns of their variances, block by block."""
    mean, total = rows.mean(axis=0), 0.0
    for start in range(0, len(rows), _BLOCK):
        part = rows[start : start + _BLOCK] - mean
        total += float(np.vdot(part, part))
    return total / rows.size


def _idle_columns(rows: FloatArray) -> list[str]:
    """What is said of columns that bring no direction of their own."""
    dimension = rows.shape[1]
    varies = np.any(rows != rows[0], axis=0)
    constant = dimension - int(np.count_nonzero(varies))
    repeated = dimension - constant
    if repeated:
        repeated -= distinct_rows(np.ascontiguousarray(rows[:, varies].T))[0].size
    found = []
    for number, one, many in (
        (constant, "is constant", "are constant"),
        (repeated, "repeats another exactly", "repeat others exactly"),
    ):
        if number:
            what, count, them = (one, "counts", "it") if number == 1 else (many, "count", "them")
            found.append(
                f"{number} of {dimension} columns {what}, and {count} in the dimension d all the "
                f"same: drop {them} unless the network sees {them}"
            )
    return found


def warn_of(rows: FloatArray, test: FloatArray | None = None, *, repeats: bool = True) -> None:
    """Say what is odd about samples, a `DataWarning` each, to the first caller outside.

    Scale and repeated rows, and held-out rows that are training rows or in other units; not n <= d,
    which is nothing odd where rows are few against dimensions, nor columns of no variance, which
    pictures have at their edges.

    Parameters
    ----------
    rows : (n, d)
    test : (rows, d), optional
        Held-out rows.
    repeats : bool
        Whether rows that repeat others count for more than they should.
    """
    found = remarks(rows, few=False, repeats=repeats, columns=False)
    if test is not None and (other := _other_units(rows, test)):
        found.append(other)
    known = set() if test is None else set(_keys(rows))
    if test is not None and (shared := sum(key in known for key in _keys(test))):
        found.append(
            f"{shared} of {len(test)} rows of test are rows of x too: their loss is one of "
            "training; drop repeated rows before some are held out"
        )
    for remark in found:
        warnings.warn(remark, DataWarning, stacklevel=caller_level())


def _other_units(rows: FloatArray, test: FloatArray) -> str | None:
    r"""What is said where sampling cannot explain how far held-out rows are from the others.

    With s the standard deviation of the squared norm of a row over its mean, the mean variances of
    n and r rows differ by chance by a share of :math:`s\sqrt{1/(n-1)+1/(r-1)}`; five of these, of
    the larger one, and a factor 4 are asked for.  The squared distance of the means, over d times
    the mean variance, is :math:`(1/n+v/r)Q`, v the ratio of the mean variances.  Q has mean 1, and
    for Gaussian data, whose shares :math:`a_i` of the variance have :math:`2\sum_ia_i^2=s^2`, it
    exceeds :math:`1+s\sqrt2(\sqrt x+x)` with probability below :math:`e^{-x}` (Laurent and
    Massart, Ann. Statist. 28, 2000, lemma 1); x is that of five standard deviations, and one
    standard deviation a component is asked for.  The mean variance may be too small by a share
    :math:`5s/\sqrt{n-1}`; where that is 1 nothing is known.  s is the larger one of both tables,
    and at least :math:`\sqrt{2/\min(d,\max(n,r)-1)}`, that of isotropic Gaussian data.
    """
    (variance, spread), (others, scatter) = _spread(rows), _spread(test)
    if not variance > 0.0:
        return None
    count, held = len(rows), len(test)
    least = math.sqrt(2.0 / max(min(rows.shape[1], max(count, held) - 1), 1))
    s = max(spread, scatter, least)
    found = []
    if count > 1 and held > 1:
        small, large = sorted((variance, others))
        share = _SIGMAS * s * math.sqrt(1.0 / (count - 1) + 1.0 / (held - 1))
        if large > _OTHER_SCALE * small and large - small > share * large:
            found.append(f"its mean variance is {others / variance:.3g} times that of x")
    shift = test.mean(axis=0) - rows.mean(axis=0)
    distance = float(shift @ shift) / (rows.shape[1] * variance)
    x = _SIGMAS**2 / 2.0
    chance = 1.0 / count + max(others / variance, 1.0) / held
    chance *= 1.0 + s * math.sqrt(2.0) * (math.sqrt(x) + x)
    certain = 1.0 - _SIGMAS * s / math.sqrt(max(count - 1, 1))
    if certain * distance > max(certain, chance):
        found.append(f"its mean is {math.sqrt(distance):.3g} standard deviations from that of x")
    if not found:
        return None
    return (
        f"test (--held-out) is in other units than x, or of other data: {' and '.join(found)}; "
        "shift and scale both by the same numbers"
    )


def _spread(rows: FloatArray) -> tuple[float, float]:
    """Mean variance, and the relative standard deviation of the squared norms of rows."""
    centred = rows - rows.mean(axis=0)
    norms = np.einsum("ij,ij->i", centred, centred)
    mean = float(norms.mean())
    if not mean > 0.0:
        return 0.0, 0.0
    unbiased = mean / rows.shape[1] * len(rows) / max(len(rows) - 1, 1)
    return unbiased, float(norms.std()) / mean


def largest(rows: FloatArray) -> float:
    """The largest size of an entry, NaN if one is; no array of sizes is made."""
    return float(np.maximum(rows.max(), -rows.min()))


def distinct_rows(rows: FloatArray) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First places of the different rows, and how often each occurs."""
    found: dict[bytes, list[int]] = {}
    for place, key in enumerate(_keys(rows)):
        found.setdefault(key, [place, 0])[1] += 1
    first, times = np.array(list(found.values()), dtype=np.intp).T
    return first, times


def _keys(rows: FloatArray) -> Iterator[bytes]:
    """What equal rows, and no others, have in common; -0 equals 0."""
    return (blake2b((row + 0.0).tobytes(), digest_size=16).digest() for row in rows)


def _plain(name: str, value: Any) -> tuple[NDArray[Any], list[str] | None]:
    """The array behind a masked, sparse or labelled table, and the names of its columns."""
    module = type(value).__module__.split(".")[0]
    if not isinstance(value, np.ma.MaskedArray) or value.ndim == 0:
        _checks.unmasked(name, value)
    if isinstance(value, np.ma.MaskedArray):
        mask = np.asarray(value.mask)
        masked = int(np.count_nonzero(mask))
        if masked:
            first = tuple(int(axis[0]) for axis in np.nonzero(mask))
            raise ValueError(
                f"{name} must have no masked entries, got {masked}, the first at {first}: drop "
                "their rows or fill them in"
            )
        return np.asarray(value.data), None
    if hasattr(value, "toarray") and not isinstance(value, np.ndarray):
        raise TypeError(
            f"{name} must be a dense array, got a sparse matrix ({type(value).__name__}): pass "
            f"{name}.toarray()"
        )
    if hasattr(value, "columns") and hasattr(value, "shape") and module in ("pandas", "polars"):
        return _from_frame(name, value)
    if isinstance(value, (str, bytes)):
        raise TypeError(f"{name} must hold real numbers, one sample a row, got {value!r:.60}")
    try:
        return np.asarray(value), None
    except ValueError:
        raise ValueError(f"{name} must be a rectangular array of real numbers") from None


def _from_frame(name: str, frame: Any) -> tuple[NDArray[Any], list[str]]:
    """Columns of a data frame, each a column of numbers."""
    columns = [str(column) for column in frame.columns]
    parts = []
    for place in range(len(columns)):
        series = frame.iloc[:, place] if hasattr(frame, "iloc") else frame[:, place]
        part = np.asarray(series)
        if part.dtype == object and str(series.dtype).lower().startswith(("int", "uint", "float")):
            # Nullable columns: a missing entry is NaN, so that the refusal says where it is.
            part = np.array([entry if _is_real(entry) else np.nan for entry in part])
        if part.dtype.kind not in "iuf":
            raise TypeError(
                f"{name} must hold numbers only, got {_column(place, columns)} of dtype "
                f"{series.dtype}: drop it or encode it"
            )
        parts.append(part.astype(np.float64))
    table = np.column_stack(parts) if parts else np.empty((len(frame), 0))
    return table, columns


def _is_real(entry: Any) -> bool:
    return isinstance(entry, (int, float, np.integer, np.floating))


def _refuse_no_numbers(name: str, array: NDArray[Any]) -> None:
    kind = array.dtype.kind
    if array.dtype.names:
        raise TypeError(
            f"{name} must hold real numbers, got named fields {', '.join(array.dtype.names)}: pass "
            "them as columns of one array"
        )
    if kind == "c":
        raise TypeError(f"{name} must be real, got dtype {array.dtype}")
    if kind == "O":
        others = (entry for entry in array.flat if not _is_real(entry))
        got = f"{next(others, 'dtype object')!r:.60}".replace("\n", " ")
        raise TypeError(f"{name} must hold real numbers, got {got}")
    if kind not in "iuf":
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}")


def _numbers(name: str, array: NDArray[Any], columns: list[str] | None) -> FloatArray:
    """Finite float64 entries; a refusal says where the first bad one stands."""
    rows = array.astype(np.float64)
    if rows.size and not largest(rows) <= LARGEST:
        bad = ~(np.abs(rows) <= LARGEST)
        row, column = (int(axis[0]) for axis in np.nonzero(bad))
        raise ValueError(
            f"{name} must hold finite numbers in [{-LARGEST:g}, {LARGEST:g}], got "
            f"{float(rows[row, column])!r} in row {row + 1}, {_column(column, columns)}"
        )
    return rows


def _column(place: int, columns: list[str] | None) -> str:
    return f"column {place + 1}" if columns is None else f"column {columns[place]!r}"
