"""How a call says what it found: one status a point, one warning a call, one summary a result."""

from __future__ import annotations

import importlib
import math
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas
    import xarray


class ConvergenceWarning(UserWarning):
    """Some points did not converge; they hold NaN and are flagged in `converged`."""


class FewDimensionsWarning(UserWarning):
    """The data fill few dimensions: the limit d -> inf is far for their lowest eigenvalues."""


class DataWarning(UserWarning):
    """The data were read otherwise than they were given, or look like something else."""


class Status(IntEnum):
    """How the solution at one point ended."""

    CONVERGED = 0
    STEP_LIMIT = 1
    LEFT_HALF_PLANE = 2
    NOT_FINITE = 3
    PRECISION_EXHAUSTED = 4

    @property
    def sentence(self) -> str:
        """What the status means, as one sentence."""
        return _SENTENCES[self]


_SENTENCES = {
    Status.CONVERGED: "The value is within tolerance and on the physical branch.",
    Status.STEP_LIMIT: "The step limit was reached before the tolerance.",
    Status.LEFT_HALF_PLANE: "The iteration ended on a branch that no resolvent has.",
    Status.NOT_FINITE: "A sum overflowed or lost its meaning.",
    Status.PRECISION_EXHAUSTED: "Rounding alone exceeds the tolerance at this point.",
}


def warn_unconverged(where: str, points: NDArray[np.generic], status: NDArray[np.integer]) -> None:
    """Warn once if any status differs from CONVERGED: how many, where, and why the first failed."""
    failed = np.asarray(status) != Status.CONVERGED
    count = int(np.count_nonzero(failed))
    if count == 0:
        return
    first = np.asarray(points)[failed].flat[0]
    reason = Status(int(np.asarray(status)[failed].flat[0])).sentence
    warnings.warn(
        f"{where}: {count} of {failed.size} points did not converge and are NaN, "
        f"the first at {first}. {reason} Try a larger imaginary part or a point farther "
        "from a bulk edge.",
        ConvergenceWarning,
        stacklevel=caller_level(),
    )


def caller_level() -> int:
    """Stack level, for a warning raised by the calling function, of the first frame outside.

    A value that is kept is asked for through functools, which is inside.
    """
    inside = "rmtspec.", "functools"
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(inside):
        frame, level = frame.f_back, level + 1
    return level


class Table(NamedTuple):
    """Rows of text below a row of headings.

    Attributes
    ----------
    rows : the headings first, all of one length
    remarks : what is said after each row, the headings' first; none if empty
    """

    rows: Sequence[Sequence[str]]
    remarks: Sequence[str] = ()

    def __str__(self) -> str:
        """Aligned columns, the first flush left, the others flush right."""
        widths = [max(map(len, column)) for column in zip(*self.rows, strict=True)]
        remarks = self.remarks or [""] * len(self.rows)
        return "\n".join(
            "  ".join(
                [
                    cell.rjust(width) if place else cell.ljust(width)
                    for place, (cell, width) in enumerate(zip(row, widths, strict=True))
                ]
                + [remark]
            ).rstrip()
            for row, remark in zip(self.rows, remarks, strict=True)
        )

    def to_html(self) -> str:
        """The same as a table of HTML."""
        import html

        remarks = self.remarks or [""] * len(self.rows)
        lines = []
        for kind, row, remark in zip(
            ["th"] + ["td"] * (len(self.rows) - 1), self.rows, remarks, strict=True
        ):
            cells = [*row, remark] if self.remarks else row
            lines.append("".join(f"<{kind}>{html.escape(cell)}</{kind}>" for cell in cells))
        return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


@dataclass(frozen=True, eq=False, repr=False)
class Summary:
    """What a model has to say of itself: plain values, and the same as text.

    ``print`` shows tables, a notebook shows them as HTML, and the shell prints `to_json`.

    Attributes
    ----------
    values : numbers, strings, None, lists and dictionaries
    """

    values: Mapping[str, Any]

    def blocks(self) -> Iterator[str | Table]:
        """Paragraphs and tables, in the order in which they are read."""
        raise NotImplementedError

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def to_dict(self) -> dict[str, Any]:
        """The values, as a copy of one's own."""
        import copy

        return copy.deepcopy(dict(self.values))

    def to_json(self, **more: Any) -> str:
        """The values, and `more`, as strict JSON.

        JSON has no word for infinity, which is the string "inf", nor for "no value", which is null.
        """
        import json

        return json.dumps(_plain({**self.values, **more}), indent=2, allow_nan=False)

    def __repr__(self) -> str:
        return "\n\n".join(map(str, self.blocks()))

    def _repr_html_(self) -> str:
        import html

        return "\n".join(
            block.to_html() if isinstance(block, Table) else f"<pre>{html.escape(block)}</pre>"
            for block in self.blocks()
        )


def dataframe(rows: Sequence[Mapping[str, Any]] | Mapping[str, Any]) -> pandas.DataFrame:
    """A pandas table of rows, or of columns.

    Raises
    ------
    ImportError
        If pandas is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise ImportError("to_dataframe needs pandas: pip install '.[sweep]'") from None
    return pandas.DataFrame(rows)


def dataset(
    variables: Mapping[str, tuple[Sequence[str], Any, Mapping[str, str]]],
    coords: Mapping[str, tuple[Sequence[str], Any, Mapping[str, str]]],
    attributes: Mapping[str, Any],
) -> xarray.Dataset:
    """A labelled data set of xarray: dimensions, values and attributes by name.

    Raises
    ------
    ImportError
        If xarray is not installed.
    """
    try:
        import xarray
    except ImportError:
        raise ImportError("to_xarray needs xarray: pip install '.[sweep]'") from None
    return xarray.Dataset(dict(variables), dict(coords), dict(attributes))


def draw(kind: str, function: str, *arguments: Any, **options: Any) -> Any:
    """Call a function of `rmtspec.plots` by name.

    Results draw themselves, and yet know nothing of pictures: these stand above them, and are
    loaded when one is drawn.
    """
    module = importlib.import_module(f".plots.{kind}", __package__)
    return getattr(module, function)(*arguments, **options)


class ProgressBar:
    """A bar on standard error, called once a step.

    It is silent where none is wanted, without tqdm, and where standard error is closed.

    Parameters
    ----------
    total : number of steps
    wanted : whether it is shown; None on a terminal only
    unit : what the steps are
    patience : seconds without a bar
    """

    def __init__(
        self, total: int, wanted: bool | None, unit: str, *, patience: float = 0.0
    ) -> None:
        self._bar = None
        if sys.stderr is None:
            return
        if wanted is None:
            wanted = sys.stderr.isatty()
        if wanted:
            try:
                from tqdm import tqdm
            except ImportError:
                return
            self._bar = tqdm(total=total, file=sys.stderr, leave=False, desc=unit, delay=patience)

    def __enter__(self) -> ProgressBar:
        return self

    def __call__(self) -> None:
        if self._bar is not None:
            self._bar.update()

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()


def rounded(value: Any) -> str:
    """A number to six digits, "inf" for infinity and "-" for no number."""
    if not isinstance(value, float):
        return str(value)
    return "-" if math.isnan(value) else f"{value:.6g}"


def chance(pvalue: float) -> str:
    """A p-value to three digits, and a bound of what is too small for its rounding to be told."""
    return "p < 1e-300" if pvalue < 1e-300 else f"p = {pvalue:.3g}"


def _plain(value: Any) -> Any:
    """The same structure in words that JSON has."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else f"{value:g}"
    return value
