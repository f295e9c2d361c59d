"""Tables of numbers in text files, with complaints that say which line and which column."""

from __future__ import annotations

import csv
import gzip
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

SEPARATORS: dict[str, str | None] = {".csv": ",", ".tsv": "\t", ".txt": None}
"""Of each kind of file; that of .txt is found from the file."""

_NAMES = {",": "','", "\t": "a tab", ";": "';'", "|": "'|'", " ": "spaces"}

_OTHER_KINDS = (
    (b"version https://git-lfs", "a Git LFS pointer, not the data: run git lfs pull"),
    (b"\x1f\x8b", "a gzip archive: end its name in .gz"),
    (b"PK\x03\x04", "a zip archive or an Excel workbook: save the sheet as .csv"),
    (b"\x93NUMPY", "a NumPy array: end its name in .npy"),
    (b"PAR1", "a Parquet table: end its name in .parquet"),
    (b"\x89HDF", "an HDF5 file: save the array as .npy"),
    (b"\x89PNG", "a picture"),
    (b"%PDF", "a PDF document"),
    (b"\xff\xfe", "text in UTF-16: save it as UTF-8"),
    (b"\xfe\xff", "text in UTF-16: save it as UTF-8"),
    (b"<", "a web page or XML, not a table"),
    (b"{", "JSON, not a table"),
    (b"[", "JSON, not a table"),
)


class TextTable(NamedTuple):
    """Numbers of a text file, names of its columns if it has any, and the line of each row."""

    values: FloatArray
    columns: list[str] | None
    lines: list[int]

    def place(self, row: int, column: int) -> str:
        """Where an entry stands in the file."""
        name = f" ({self.columns[column]!r})" if self.columns else ""
        return f"line {self.lines[row]}, column {column + 1}{name}"


@dataclass(frozen=True)
class _Line:
    number: int
    cells: list[str]


def read_text_table(file: Path, *, as_is: bool = False) -> TextTable:
    """Read a .csv, .tsv or .txt file, also with .gz behind.

    Blank lines and lines that begin with # are passed over.  The first other line is taken for
    names of columns if no cell of it is a number.

    Parameters
    ----------
    file : Path
    as_is : bool
        Take a first line 0, 1, 2, ... or 1, 2, 3, ... for a sample.

    Raises
    ------
    ValueError
        If the file is no table of numbers; the message names line and column, not the file.
    """
    _refuse_other_kinds(file)
    with _opened(file) as stream:
        start = [line for line, _ in zip(_content(stream), range(2), strict=False)]
    if not start:
        raise ValueError("it holds no line of numbers")
    separator = _separator(file, start[-1])
    first = _split(start[0], separator)
    columns = _names(first, as_is)
    lines: list[int] = []
    try:
        with _opened(file) as stream, warnings.catch_warnings():
            warnings.filterwarnings("ignore", "loadtxt: input contained no data")
            values = np.loadtxt(
                _counted(stream, lines, skip=columns is not None),
                delimiter=separator,
                comments=None,
                quotechar='"',
                ndmin=2,
            )
    except ValueError:
        _explain(file, separator, columns)
        raise
    if columns is not None and values.size and values.shape[1] != len(columns):
        raise ValueError(
            f"line {start[0][0]} names {len(columns)} columns, line {lines[0]} has "
            f"{values.shape[1]}"
        )
    return TextTable(values, columns, lines)


def _refuse_other_kinds(file: Path) -> None:
    with gzip.open(file) if file.suffix.lower() == ".gz" else file.open("rb") as stream:
        start = stream.read(4096)
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    for mark, kind in _OTHER_KINDS:
        if start.startswith(mark) or (mark.isascii() and text.startswith(mark)):
            raise ValueError(f"it holds {kind}")
    if b"\x00" in start:
        raise ValueError("it holds zero bytes, so it is no text")


@contextmanager
def _opened(file: Path) -> Iterator[IO[str]]:
    """The text of a file, unpacked if its name ends in .gz."""
    how = gzip.open if file.suffix.lower() == ".gz" else open
    with how(file, "rt", encoding="utf-8-sig") as stream:
        try:
            yield stream
        except UnicodeDecodeError as error:
            raise ValueError(f"it is not text in UTF-8 (byte {error.start} of a block)") from None


def _content(stream: IO[str]) -> Iterator[tuple[int, str]]:
    """Lines that hold something, with their numbers as an editor shows them."""
    for number, line in enumerate(stream, 1):
        stripped = line.strip(" \r\n")
        if stripped.strip() and not stripped.startswith("#"):
            yield number, stripped


def _counted(stream: IO[str], lines: list[int], *, skip: bool) -> Iterator[str]:
    content = _content(stream)
    if skip:
        next(content, None)
    for number, line in content:
        lines.append(number)
        yield line


def _separator(file: Path, line: tuple[int, str]) -> str | None:
    """Separator of the kind of file, if a line of data shows no other."""
    number, text = line
    kind = next(s for s in reversed(file.suffixes) if s.lower() != ".gz").lower()
    found = next((mark for mark in ("\t", ",", ";", "|") if mark in text), None)
    if kind == ".txt":
        return found
    expected = SEPARATORS[kind]
    assert expected is not None
    if expected in text:
        return expected
    seen = found or (" " if len(text.split()) > 1 else None)
    if seen is not None:
        raise ValueError(
            f"line {number} is separated by {_NAMES[seen]}, not by {_NAMES[expected]} as {kind} "
            "files are: save it so, or let its name end in .txt"
        )
    return expected


def _split(line: tuple[int, str], separator: str | None) -> _Line:
    number, text = line
    if separator is None:
        return _Line(number, [cell.strip('"') for cell in text.split()])
    cells = next(csv.reader([text], delimiter=separator))
    return _Line(number, [cell.strip() for cell in cells])


def _names(first: _Line, as_is: bool) -> list[str] | None:
    """Names of the columns if the first line holds them."""
    cells, numeric = first.cells, [_is_number(cell) for cell in first.cells]
    if len(cells) > 1 and not cells[0] and all(cells[1:]):
        raise ValueError(
            f"line {first.number} begins with an empty cell, as a table saved with its row numbers "
            "does: save it without them (index=False), or delete the first column"
        )
    if not any(numeric):
        return cells
    if not all(numeric):
        column = numeric.index(False)
        raise ValueError(
            f"line {first.number}, column {column + 1} {_fault(cells[column])}; if line "
            f"{first.number} names the columns, no name may be a number"
        )
    values = [float(cell) for cell in cells]
    counted = [values[0] + place for place in range(len(values))]
    if not as_is and len(values) > 2 and values == counted and values[0] in (0.0, 1.0):
        raise ValueError(
            f"line {first.number} reads {', '.join(cells[:3])}{', ...' if len(cells) > 3 else ''}, "
            "as a line of column numbers does: delete it, or, if it is a sample, put a line of "
            "names above it"
        )
    return None


def _explain(file: Path, separator: str | None, columns: list[str] | None) -> None:
    """Raise with the first cell that is no number or the first line of another length."""
    width, reference = None, 0
    with _opened(file) as stream:
        content = _content(stream)
        if columns is not None:
            next(content, None)
        for line in content:
            cells = _split(line, separator).cells
            for column, cell in enumerate(cells):
                if not _is_number(cell):
                    name = f" ({columns[column]!r})" if columns and column < len(columns) else ""
                    raise ValueError(f"line {line[0]}, column {column + 1}{name} {_fault(cell)}")
            if width is None:
                width, reference = len(cells), line[0]
            if len(cells) != width:
                held = f"{len(cells)} number" + ("s" if len(cells) != 1 else "")
                raise ValueError(f"line {line[0]} holds {held}, line {reference} holds {width}")


def _fault(cell: str) -> str:
    if not cell:
        return "is empty: fill it in, or drop the row or the column"
    advice = ""
    for mark in (";", "\t", "|", " "):
        if mark in cell and all(_is_number(part.replace(",", ".")) for part in cell.split(mark)):
            advice = f", but numbers separated by {_NAMES[mark]}"
    if not advice and _is_number(cell.replace(",", ".")):
        advice = ": write decimals with a point"
    if not advice and _is_number(cell.rstrip("%")):
        advice = ": write it without %"
    return f"holds {cell[:40]!r}, no number{advice}"


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell
