"""Samples from files and from bundled pictures, checked before anything is computed."""

from __future__ import annotations

import os
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _checks

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
_FORMATS = (".npy", ".npz", ".csv")
_UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
)


def read_samples(path: str | os.PathLike[str]) -> NDArray[np.float64]:
    """Samples stored in a file, one a row.

    Parameters
    ----------
    path : str or path-like
        A `.npy` array; a `.npz` archive whose only array, or whose array `x`, is taken; or a
        `.csv` table of numbers separated by commas, with or without one line of column names;
        a first line is taken for names if no cell of it is a number.
        Nothing is unpickled.

    Returns
    -------
    ndarray of float64, shape (n, d)
        At least two samples, all entries finite.

    Raises
    ------
    ValueError
        If the file cannot be read, or does not hold a rectangular table of at least two rows of
        finite numbers. The message names the file.

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
    kind = file.suffix.lower()
    if kind not in _FORMATS:
        raise ValueError(f"{name} must end in {', '.join(_FORMATS)}, got {kind or 'no suffix'!r}")
    try:
        if file.stat().st_size == 0:
            raise ValueError("it is empty")
        values = _read_csv(file) if kind == ".csv" else _read_numpy(file)
    except _UNREADABLE as error:
        raise ValueError(f"{name} cannot be read: {_reason(error)}") from None
    try:
        samples = _checks.real_array(name, values, -1e40, 1e40)
    except TypeError as error:
        raise ValueError(str(error)) from None
    if samples.ndim != 2 or samples.shape[0] < 2 or samples.shape[1] < 1:
        raise ValueError(
            f"{name} must hold an array of shape (samples >= 2, dimension >= 1), "
            f"got shape {samples.shape}"
        )
    return samples


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
            "data 'digits' needs scikit-learn: pip install 'rmtspec[data]'"
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
            "data 'photographs' needs scikit-image: pip install 'rmtspec[data]'"
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

    Returns
    -------
    ndarray of float64, shape (n, d)

    Raises
    ------
    ValueError
        If x is not a table of finite numbers, or does not vary.

    Examples
    --------
    >>> from rmtspec.inputs.samples import standardise
    >>> standardise([[0, 7], [2, 7]])
    array([[-1.41421356,  0.        ],
           [ 1.41421356,  0.        ]])
    """
    data = _checks.real_array("x", x, -1e40, 1e40)
    if data.ndim != 2 or data.size == 0:
        raise ValueError(f"x must have shape (samples, dimension), got shape {data.shape}")
    data = data - data[0]
    data -= data.mean(axis=0)
    spread = float(np.abs(data).max())
    if spread < 1e-40:
        raise ValueError(f"x must vary between samples, got entries within {spread:g}")
    data /= spread
    return np.asarray(data / np.sqrt(np.mean(data**2)))


def _read_numpy(file: Path) -> NDArray[np.generic]:
    with file.open("rb") as stream:
        archive = np.load(stream, allow_pickle=False)
        if isinstance(archive, np.ndarray):
            return archive
        names = list(archive)
        if len(names) != 1 and "x" not in names:
            raise ValueError(f"it must hold one array, or one named 'x', got {names}")
        return np.asarray(archive[names[0] if len(names) == 1 else "x"])


def _read_csv(file: Path) -> NDArray[np.float64]:
    with file.open(encoding="utf-8-sig") as stream:
        first = next((line for line in stream if line.strip()), "")
        stream.seek(0)
        lines = (line for line in stream if line.strip())
        if not any(_is_number(cell) for cell in first.split(",")):
            next(lines, None)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "loadtxt: input contained no data")
            return np.loadtxt(lines, delimiter=",", comments=None, quotechar='"', ndmin=2)


def _is_number(cell: str) -> bool:
    try:
        float(cell.strip().strip('"'))
    except ValueError:
        return False
    return True


def _reason(error: BaseException) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__
