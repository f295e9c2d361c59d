"""Colours of all pictures, and how a picture gets onto disk."""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _checks
from ..result import caller_level

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BACKEND = "MPLBACKEND"


def load_matplotlib() -> None:
    """Import Matplotlib, also where the shell asks for a backend that it does not know.

    A notebook or another program may have left that name, at which Matplotlib refuses to be
    imported; pictures in files need no backend.

    Warns
    -----
    UserWarning
        If the name was left aside.
    """
    name = None if "matplotlib" in sys.modules else os.environ.pop(_BACKEND, None)
    try:
        import matplotlib
    finally:
        if name is not None:  # programs started from here are to find what we found
            os.environ[_BACKEND] = name
    if name:
        try:
            matplotlib.rcParams["backend"] = name
        except ValueError:
            warnings.warn(
                f"{_BACKEND} names no backend of Matplotlib, got {name!r:.60}: it is left aside",
                UserWarning,
                stacklevel=caller_level(),
            )


load_matplotlib()

# Okabe and Ito (2008): distinguishable for colour-blind readers and in grey.
BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
SKY, YELLOW, VERMILION = "#56B4E9", "#F0E442", "#D55E00"

INK = "#333333"
"""Of marks and labels that belong to no curve."""

_OF_BULKS = (BLUE, ORANGE, GREEN, PURPLE, SKY, YELLOW)
_FAMILIES = ("slow", "sample", "fast", "noise")  # these keep their colour from picture to picture


def colours_of_bulks(names: Sequence[str]) -> dict[str, str]:
    """A colour for each name: a family has its own, others take what is free."""
    free = list(_OF_BULKS)
    chosen: dict[str, str] = {}
    for name in sorted(dict.fromkeys(names), key=lambda name: name not in _FAMILIES):
        family = name.split(" + ")[0]
        own = _OF_BULKS[_FAMILIES.index(family)] if family in _FAMILIES else None
        free = free or list(_OF_BULKS)
        chosen[name] = own if own in free else free[0]
        free.remove(chosen[name])
    return chosen


def are_axes(value: Any) -> None:
    """Raise TypeError if `ax` is not one Axes or several of them."""
    from matplotlib.axes import Axes

    found = np.asarray(value, dtype=object).ravel()
    if not (found.size and all(isinstance(place, Axes) for place in found)):
        raise TypeError(f"ax must be matplotlib Axes, got {_checks.shown(value)}")


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure to a file, whole or not at all.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    path : str or path-like
        The ending chooses the format. An existing file is replaced only once the new one is
        complete.

    Raises
    ------
    ValueError
        If the ending is no format that Matplotlib writes.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from matplotlib.figure import Figure
    >>> from rmtspec.plots.style import save
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(Figure(), pathlib.Path(folder) / "empty.svg")
    """
    target = check_target(path)
    handle, temporary = tempfile.mkstemp(
        dir=target.parent, prefix=f".{target.name}.", suffix=target.suffix
    )
    try:
        with os.fdopen(handle, "wb") as stream:
            figure.savefig(stream, format=target.suffix[1:].lower(), dpi=200)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


def check_target(path: str | os.PathLike[str]) -> Path:
    """The path of a picture to be, if its ending is a known format and its folder exists.

    Raises
    ------
    ValueError
        If not.
    """
    from matplotlib.backend_bases import FigureCanvasBase

    target = Path(path)
    formats = sorted(FigureCanvasBase.get_supported_filetypes())
    if target.suffix[1:].lower() not in formats:
        raise ValueError(f"plot file must end in one of {', '.join(formats)}, got {str(path)!r}")
    if target.is_dir() or not target.parent.is_dir():
        raise ValueError(f"plot file must lie in an existing folder, got {str(path)!r}")
    return target
