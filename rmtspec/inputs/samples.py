"""Samples from files and from bundled pictures, checked before anything is computed."""

from __future__ import annotations

import os
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _checks
from ..result import DataWarning, caller_level
from .arrays import LARGEST, as_rows, refuse_named
from .readers import (
    PICTURES,
    Stored,
    read_npy,
    read_npz,
    read_parquet,
    read_pictures,
    read_safetensors,
)
from .text_tables import SEPARATORS, read_text_table

_PHOTOGRAPHS = (
    "astronaut",
    "brick",
    "camera",
    "chelsea",
    "coffee",
    "coins",
    "grass",
    "gravel",
    "moon",
)
_UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
)
_READERS: dict[str, Callable[[Path], Stored]] = {
    ".npy": read_npy,
    ".npz": read_npz,
    ".safetensors": read_safetensors,
    ".parquet": read_parquet,
}
_FORMATS = (*_READERS, *SEPARATORS, *(f"{kind}.gz" for kind in SEPARATORS))
_ADVICE = {
    kind: advice
    for kinds, advice in (
        ((".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib"), "runs code when it is loaded"),
        ((".xlsx", ".xls", ".ods"), "is a workbook: save the sheet as .csv"),
        ((".mat", ".h5", ".hdf5"), "holds many things: save the array as .npy"),
        ((".feather", ".arrow", ".json", ".jsonl"), "is not read: save the table as .parquet"),
        (PICTURES, "is one picture, one sample: name the folder that holds all"),
        ((".zip", ".tar", ".tgz", ".7z"), "is an archive: unpack it"),
    )
    for kind in kinds
}
_MOST_LABELS = 100
_ROWS_A_LABEL = 5


def read_samples(path: str | os.PathLike[str], *, as_is: bool = False) -> NDArray[np.float64]:
    """Samples stored in a file, or pictures in a folder, one a row.

    Parameters
    ----------
    path : str or path-like
        A `.npy` array; a `.npz` archive or a `.safetensors` file whose only array, or whose array
        `x`, is taken; a `.parquet` table (needs pyarrow); a table in text, separated by commas in
        `.csv`, by tabs in `.tsv`, by any of these, by ';' or by spaces in `.txt`, also packed as
        `.csv.gz` and so on, with or without one line of column names; or a folder of pictures of
        one size (needs pillow). A first line is taken for names if no cell of it is a number.
        Nothing is unpickled, and nothing that a file holds is executed.
    as_is : bool
        Whether columns of row numbers or labels, a first line of column numbers, and one picture
        in place of many are taken for samples; by default they are refused.

    Returns
    -------
    ndarray of float64, shape (n, d)
        At least two samples, all entries finite. Pictures are flattened.

    Raises
    ------
    ValueError
        If the file cannot be read, or does not hold a rectangular table of at least two rows of
        finite numbers, or one of its columns is no quantity of the samples. The message is one
        line that names the file and, for a table, the line or column.
    ModuleNotFoundError
        If the package that reads this kind of file is not installed.

    Warns
    -----
    DataWarning
        If pictures were flattened, or the first or last column looks like labels.

    Notes
    -----
    *What is guessed, and when the guess is wrong.*  A column is taken for row numbers if it is
    0, 1, 2, ... or 1, 2, 3, ... throughout, from 10 rows on, or is called index, id or the like:
    wrong for an honest quantity that is sorted and evenly spaced, or so called. A first line
    0, 1, 2, ... of at least 3 cells is taken for column numbers: wrong for a ramp as first sample.
    An array (a, b, 3) or (a, b, 4) of bytes is taken for one coloured picture. A first or last
    column that alone holds all of 0 ... k - 1 or 1 ... k, k <= 100 and at most a fifth of the rows,
    is warned of only: it may be an honest category.

    Examples
    --------
    >>> import tempfile, pathlib, numpy as np
    >>> from rmtspec.inputs.samples import read_samples
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "table.csv"
    ...     _ = path.write_text("height,width\\n1,2\\n3,4\\n5,7\\n")
    ...     read_samples(path).shape
    (3, 2)
    """
    file = Path(path)
    name = f"data file {str(file)!r}"
    as_is = _checks.flag("as_is", as_is)
    kind = _kind(file)
    if not file.is_dir() and kind not in _FORMATS:
        advice = f" (this {_ADVICE[kind]})" if kind in _ADVICE else ""
        raise ValueError(
            f"{name} must end in {', '.join(_FORMATS)}, or be a folder of pictures, "
            f"got {kind or 'no suffix'!r}{advice}"
        )
    try:
        if not file.is_dir() and file.stat().st_size == 0:
            raise ValueError("it is empty")
        stored = _stored(file, kind, as_is)
        if not as_is:
            if not file.is_dir():
                _refuse_one_picture(stored.values)
            refuse_named(stored.columns)
    except _UNREADABLE as error:
        raise ValueError(f"{name} cannot be read: {_reason(error)}") from None
    try:
        rows = as_rows(name, stored.values, columns=stored.columns, distinguish=not as_is)
    except TypeError as error:
        raise ValueError(str(error)) from None
    if not as_is:
        _warn_of_labels(name, rows)
    return rows


def _kind(file: Path) -> str:
    """Ending of a name, with the one before .gz."""
    kind = file.suffix.lower()
    return Path(file.stem).suffix.lower() + kind if kind == ".gz" else kind


def _stored(file: Path, kind: str, as_is: bool) -> Stored:
    if file.is_dir():
        return read_pictures(file)
    if kind in _READERS:
        return _READERS[kind](file)
    table = read_text_table(file, as_is=as_is)
    bad = np.argwhere(~(np.abs(table.values) <= LARGEST))
    if bad.size:
        row, column = (int(place) for place in bad[0])
        value = float(table.values[row, column])
        raise ValueError(
            f"{table.place(row, column)} holds {value!r}: entries must be finite, in "
            f"[{-LARGEST:g}, {LARGEST:g}]; drop the row or fill it in"
        )
    return Stored(table.values, table.columns)


def _refuse_one_picture(values: NDArray[Any]) -> None:
    if values.ndim == 3 and values.dtype == np.uint8 and values.shape[-1] in (3, 4):
        raise ValueError(
            f"shape {values.shape} looks like one coloured picture, not like many grey ones: stack "
            "pictures along a first axis"
        )


def _warn_of_labels(name: str, rows: NDArray[np.float64]) -> None:
    """Say it where the first or last column alone holds whole numbers without a gap."""
    if rows.shape[1] < 2 or not any(_counts(rows[:, place]) for place in (0, -1)):
        return
    alike = [place for place in range(rows.shape[1]) if _counts(rows[:, place])]
    if len(alike) == 1:
        values = np.unique(rows[:, alike[0]])
        warnings.warn(
            f"{name}: column {alike[0] + 1} holds the whole numbers {values[0]:g} to "
            f"{values[-1]:g} only, as labels do: delete it if it is none of the data",
            DataWarning,
            stacklevel=caller_level(),
        )


def _counts(column: NDArray[np.float64]) -> bool:
    """Whether a column holds all of 0 ... k - 1 or 1 ... k, each often, and nothing else."""
    low, high = float(column.min()), float(column.max())
    most = min(_MOST_LABELS, column.size // _ROWS_A_LABEL)
    if low not in (0.0, 1.0) or not 1.0 <= high - low < most:
        return False
    return np.array_equal(np.unique(column), np.arange(low, high + 1.0))


def digits() -> NDArray[np.float64]:
    """The 1797 handwritten 8 x 8 digits of scikit-learn, centred, with mean variance 1.

    Returns
    -------
    ndarray of float64, shape (1797, 64)

    Raises
    ------
    ModuleNotFoundError
        If scikit-learn is not installed.

    References
    ----------
    Alpaydin and Kaynak (1998), Optical Recognition of Handwritten Digits, UCI repository.

    Examples
    --------
    >>> from rmtspec.inputs.samples import digits
    >>> digits().shape
    (1797, 64)
    """
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "data 'digits' needs scikit-learn: pip install '.[data]'"
        ) from None
    return standardise(load_digits().data)


def photographs(side: int = 8, *, patch_mean: bool = True) -> NDArray[np.float64]:
    """Square patches of nine photographs of scikit-image, centred, with mean variance 1.

    Each photograph, as grey levels in [0, 1], is cut from its upper left corner into patches that
    do not overlap; strips at the right and lower ends narrower than a patch are left out. Only
    pictures inside the installed package are read; nothing is downloaded.

    Parameters
    ----------
    side : int
        Pixels along a patch, 2 to 100.
    patch_mean : bool
        Whether a patch keeps its mean grey level, most of the variance of photographs. Without
        it every patch sums to 0, so that one eigenvalue of the covariance is 0.

    Returns
    -------
    ndarray of float64, shape (n, side^2)
        n = 32174 for 8 x 8 patches; rows of one photograph lie together, neighbours beside each
        other.

    Raises
    ------
    ModuleNotFoundError
        If scikit-image is not installed.
    ValueError, TypeError
        If `side` is not an integer in its range.

    Notes
    -----
    Patches of one photograph are not independent samples. Their covariance is a good example of
    a spectrum that falls like a power; their number counts for more than it should.

    Examples
    --------
    >>> from rmtspec.inputs.samples import photographs
    >>> photographs(16).shape
    (8005, 256)
    """
    size = _checks.integer("side", side, 2, 100)
    patch_mean = _checks.flag("patch_mean", patch_mean)
    try:
        from skimage.color import rgb2gray
        from skimage.data import data_dir
        from skimage.io import imread
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "data 'photographs' needs scikit-image: pip install '.[data]'"
        ) from None
    # By their paths: the functions of skimage.data would download a picture that is missing.
    pictures = (imread(Path(data_dir) / f"{name}.png") for name in _PHOTOGRAPHS)
    greys = (rgb2gray(a) if a.ndim == 3 else a / 255.0 for a in pictures)
    patches = np.concatenate([_patches(grey, size) for grey in greys])
    if not patch_mean:
        patches -= patches.mean(axis=1, keepdims=True)
    return standardise(patches)


def _patches(picture: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """Patches that do not overlap, row by row, one a row."""
    down, along = (length // side for length in picture.shape)
    whole = picture[: down * side, : along * side]
    blocks = whole.reshape(down, side, along, side).swapaxes(1, 2)
    return np.asarray(blocks.reshape(down * along, side * side))


def standardise(x: ArrayLike) -> NDArray[np.float64]:
    """Samples minus their mean, divided by one number so that the mean variance is 1.

    The noise of a diffusion model has variance 1 in each direction; data on another scale, such
    as grey levels up to 255, drown it or are drowned by it.

    Parameters
    ----------
    x : array_like, shape (n, d)
        More axes, as of pictures, are flattened, with a warning.

    Returns
    -------
    ndarray of float64, shape (n, d)

    Raises
    ------
    ValueError
        If x is not a table of finite numbers, has masked or missing entries, or does not vary.
    TypeError
        If the entries are not real numbers, or the array is sparse.

    Examples
    --------
    >>> from rmtspec.inputs.samples import standardise
    >>> standardise([[0, 7], [2, 7]])
    array([[-1.41421356,  0.        ],
           [ 1.41421356,  0.        ]])
    """
    data = as_rows("x", x, least=1)
    data = data - data[0]
    data -= data.mean(axis=0)
    spread = float(np.abs(data).max())
    if spread < 1e-40:
        raise ValueError(f"x must vary between samples, got rows that differ by {spread:g}")
    data /= spread
    return np.asarray(data / np.sqrt(np.mean(data**2)))


def _reason(error: BaseException) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__
