"""Arrays in files, by the ending of the name; nothing that a file holds is ever executed."""

from __future__ import annotations

import json
import math
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..result import DataWarning, caller_level

Array = NDArray[Any]

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
"""Endings of the pictures taken from a folder."""

_TENSORS = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "u1",
}
_STARTS = (b"\x93NUMPY", b"PK\x03\x04", b"PK\x05\x06")  # of arrays and archives of them
_LONGEST_HEADER = 100_000_000  # bytes, the limit of the safetensors format
_LISTED = 8  # names listed in a message


class Stored(NamedTuple):
    """An array from a file, and names of its columns if it has any."""

    values: Array
    columns: list[str] | None = None


def read_npy(file: Path) -> Stored:
    """The array of a .npy file; an array of Python objects is refused."""
    with _opened(file) as stream:
        loaded = np.load(stream, allow_pickle=False)
        if not isinstance(loaded, np.ndarray):
            raise ValueError("it is an archive of arrays: end its name in .npz")
        return Stored(loaded)


def read_npz(file: Path) -> Stored:
    """The only array of a .npz archive, or the array x."""
    with _opened(file) as stream:
        archive = np.load(stream, allow_pickle=False)
        if isinstance(archive, np.ndarray):
            raise ValueError("it is one array: end its name in .npy")
        return Stored(np.asarray(archive[_chosen(list(archive))]))


@contextmanager
def _opened(file: Path) -> Iterator[IO[bytes]]:
    """A file that NumPy wrote; its complaints about pickles are said in other words."""
    with file.open("rb") as stream:
        start = stream.read(max(map(len, _STARTS)))
        stream.seek(0)
        if not start.startswith(_STARTS):
            raise ValueError("it is no NumPy file" if start else "it is empty")
        try:
            yield stream
        except (zipfile.BadZipFile, zlib.error, EOFError):
            raise ValueError("it is no NumPy archive, or a damaged one") from None
        except ValueError as error:
            if "allow_pickle" not in str(error):
                raise
            raise ValueError("it holds Python objects, no numbers") from None


def read_safetensors(file: Path) -> Stored:
    """The only tensor of a .safetensors file, or the tensor x.

    Eight bytes hold the length of a JSON header, little end first; the header gives each tensor a
    type, a shape and the place of its bytes in what follows.
    """
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if not 2 <= length <= min(size - 8, _LONGEST_HEADER):
            raise ValueError(f"its header claims {length} bytes of a file of {size}")
        try:
            header = json.loads(stream.read(length).decode())
        except ValueError:
            raise ValueError("its header is not JSON") from None
    if not isinstance(header, dict):
        raise ValueError("its header names no tensors")
    header.pop("__metadata__", None)
    name = _chosen([str(key) for key in header])
    try:
        entry = header[name]
        kind, shape = str(entry["dtype"]), tuple(int(side) for side in entry["shape"])
        begin, end = (int(place) for place in entry["data_offsets"])
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"its entry {name!r} has no dtype, shape and data_offsets") from None
    if kind not in _TENSORS:
        raise ValueError(f"tensor {name!r} must hold real numbers, got {kind}")
    dtype = np.dtype(_TENSORS[kind])
    count = math.prod(shape)
    if min(shape, default=0) < 0 or not 0 <= begin <= end <= size - 8 - length:
        raise ValueError(f"tensor {name!r} lies outside the file")
    if end - begin != count * dtype.itemsize:
        raise ValueError(f"tensor {name!r} of shape {shape} does not fill its {end - begin} bytes")
    values = np.fromfile(file, dtype, count, offset=8 + length + begin).reshape(shape)
    if kind == "BF16":
        values = (values.astype(np.uint32) << 16).view(np.float32)  # the upper half of a float32
    return Stored(values)


def read_parquet(file: Path) -> Stored:
    """Columns of numbers of a .parquet table, or its one column of lists of equal length."""
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ModuleNotFoundError:
        raise ModuleNotFoundError("a .parquet file needs pyarrow: pip install '.[data]'") from None
    table = parquet.ParquetFile(file).read()
    columns = [str(name) for name in table.column_names]
    parts = []
    for name, column in zip(columns, table.columns, strict=True):
        if column.null_count:
            raise ValueError(f"column {name!r} lacks {column.null_count} entries")
        listed = arrow.types.is_list(column.type) or arrow.types.is_fixed_size_list(column.type)
        if listed and len(columns) == 1:
            rows = column.to_pylist()
            if len({len(row) for row in rows}) != 1:
                raise ValueError(f"column {name!r} holds lists of different lengths")
            return Stored(np.array(rows))
        if not (arrow.types.is_integer(column.type) or arrow.types.is_floating(column.type)):
            raise ValueError(
                f"column {name!r} holds {column.type}, no numbers: drop it or encode it"
            )
        parts.append(column.to_numpy().astype(np.float64))
    return Stored(np.column_stack(parts) if parts else np.empty((0, 0)), columns)


def read_pictures(folder: Path) -> Stored:
    """The pictures of a folder in the order of their names, (n, h, w) or (n, h, w, 3).

    Grey levels and colours are the numbers stored, 0 to 255 for most pictures.
    """
    try:
        from PIL import Image
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "a folder of pictures needs pillow: pip install '.[data]'"
        ) from None
    entries = sorted(e for e in folder.iterdir() if not e.name.startswith("."))
    files = [e for e in entries if e.is_file() and e.suffix.lower() in PICTURES]
    others = [e.name for e in entries if e not in set(files)]
    if not files:
        inside = f"only {_listed(others)}" if others else "nothing"
        raise ValueError(
            f"it is a folder without pictures ({', '.join(PICTURES)}): it holds {inside}; name a "
            "file, or the folder that holds the pictures themselves"
        )
    if others:
        warnings.warn(
            f"folder {str(folder)!r}: left out what is no picture: {_listed(others)}",
            DataWarning,
            stacklevel=caller_level(),
        )
    pictures: list[Array] = []
    for file in files:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                with Image.open(file) as image:
                    pictures.append(_pixels(image))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Warning) as error:
            raise ValueError(f"picture {file.name!r}: {' '.join(str(error).split())}") from None
        if pictures[-1].shape != pictures[0].shape:
            raise ValueError(
                f"picture {file.name!r} has shape {pictures[-1].shape}, {files[0].name!r} has "
                f"{pictures[0].shape}: bring all to one size, grey or coloured"
            )
    return Stored(np.stack(pictures))


def _pixels(image: Any) -> Array:
    """Grey levels (h, w) or colours (h, w, 3) of a picture; transparency is refused."""
    if getattr(image, "n_frames", 1) > 1:
        raise ValueError("it holds several frames: save each as a picture")
    mode = image.mode
    if mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = np.asarray(image.convert("RGBA"))
        if rgba[..., 3].min() < 255:
            raise ValueError("it is transparent in places: save it without transparency")
        image = image.convert("L" if mode == "LA" else "RGB")
    elif mode in ("1", "P", "CMYK", "YCbCr", "HSV", "LAB"):
        image = image.convert("L" if mode == "1" else "RGB")
    return np.asarray(image)


def _chosen(names: list[str]) -> str:
    if len(names) == 1:
        return names[0]
    if "x" not in names:
        raise ValueError(f"it must hold one array, or one named 'x', got {_listed(names)}")
    return "x"


def _listed(names: list[str]) -> str:
    rest = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(repr(name) for name in names[:_LISTED]) + rest
