"""Results of a sweep as a Zarr group, on disk or in memory.

A block counts as finished once its entry in ``sweep-progress/finished`` is written, which happens
after its values: 1 more than the number of its points that failed.  Zarr writes every file under
another name first and renames it.

Every file of values ends in a checksum.  A finished block that is gone or does not agree with its
own is computed again, with one warning: that is what its owner would do by hand, and the points
that are sound need not be.  Where the damage is to what all blocks share (labels, metadata)
nothing can be recovered with certainty, so the store is refused by name and left as it is.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .grid import FAILURE, Grid, Where
from .points import Block, Layout, Variable

_WRITE_ALL = {"array.write_empty_chunks": True}  # so that a block of NaN differs from a lost one
_IDENTITY, _LAYOUT, _FINISHED = "sweep", "layout", "sweep-progress/finished"


class Results:
    """The data set of a sweep while it fills.

    Parameters
    ----------
    root : zarr.Group
    path : of the store on disk; None if it is in memory
    """

    def __init__(self, root: Any, path: Path | None) -> None:
        import zarr

        self._root, self._path = root, path
        with zarr.config.set(_WRITE_ALL):
            self._arrays = dict(root.arrays())  # once: the group looks them up on disk
        self._finished = root[_FINISHED]

    @property
    def chunk(self) -> tuple[int, ...]:
        """Shape of the blocks."""
        return tuple(self._arrays[FAILURE].chunks)

    @classmethod
    def create(
        cls,
        path: Path | None,
        grid: Grid,
        layout: Layout,
        chunk: tuple[int, ...],
        seconds: float,
        identity: Mapping[str, Any],
        attributes: Mapping[str, Mapping[str, Any]],
    ) -> Results:
        """Lay out an empty data set, complete from the moment at which the path exists.

        Parameters
        ----------
        path : of the store on disk; None keeps it in memory
        grid, layout, chunk : what is swept, what comes back, shape of the blocks
        seconds : time a point
        identity : what another call must share to continue
        attributes : attributes by name of the variable; those of the data set under ""
        """
        import zarr

        if path is None:
            root = zarr.open_group(zarr.storage.MemoryStore(), mode="w")
            _lay_out(root, grid, layout, chunk, seconds, identity, attributes)
            return cls(root, path)
        with _writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        try:
            with _writing(path):
                root = zarr.open_group(draft, mode="w")
                _lay_out(root, grid, layout, chunk, seconds, identity, attributes)
                _consolidate(draft)
                os.rename(draft, path)
        except BaseException as problem:
            shutil.rmtree(draft, ignore_errors=True)
            first = cls.find(path, identity) if isinstance(problem, OSError) else None
            if first is None:
                raise
            return first  # of another process that began the same sweep at the same moment
        return cls(zarr.open_group(path, mode="r+"), path)

    @classmethod
    def find(cls, path: Path, identity: Mapping[str, Any]) -> Results | None:
        """Results that an earlier call left at a path; None if there is nothing yet.

        Raises
        ------
        ValueError
            If the path holds anything else than a sweep of this very identity, or one that is
            damaged in what all of its blocks share.
        """
        import zarr

        if not path.exists() or (path.is_dir() and not any(path.iterdir())):
            return None
        try:
            root = zarr.open_group(path, mode="r+")
            found = json.loads(str(root.attrs[_IDENTITY]))
        except Exception:  # whatever zarr makes of bytes that are not its own
            raise ValueError(
                f"store must be a new path or a sweep's, got {path} whose zarr.json is not one's"
            ) from None
        differences = "; ".join(_differences(found, dict(identity)))
        if differences:
            raise ValueError(
                f"store {path} was made by another sweep and is not overwritten: {differences}"
            )
        with _reading(path):
            results = cls(root, path)
            results._check_shared()
        return results

    def _check_shared(self) -> None:
        """Read all that does not belong to a block, so that no work is done for nothing."""
        for name in [*self._arrays, _FINISHED]:
            self._check_metadata(name)
        for name in json.loads(str(self._root.attrs[_LAYOUT]))[2]:
            with _reading(self._path, f"{name}/"):
                self._arrays[name][...]
        own = self._finished.ndim
        for name, variable in {**self.layout.variables, FAILURE: Variable((), (), "str")}.items():
            metadata = self._arrays[name].metadata
            if (metadata.dimension_names[own:], metadata.shape[own:]) != variable[:2]:
                raise ValueError(f"{name} is not laid out as its blocks are")

    def _check_metadata(self, name: str) -> None:
        """Compare the two copies of an array's metadata: in its own file, and in the group's."""
        assert self._path is not None
        first, second = (
            json.loads((self._path / part / "zarr.json").read_text()) for part in ("", name)
        )
        if "consolidated_metadata" in first:
            first = first["consolidated_metadata"]["metadata"][name]
            if {**first, "attributes": {}} != {**second, "attributes": {}}:
                raise ValueError(f"zarr.json and {name}/zarr.json differ")

    @property
    def layout(self) -> Layout:
        """What the function returns at every point."""
        variables, labels, _ = json.loads(str(self._root.attrs[_LAYOUT]))
        return Layout(
            {name: Variable(tuple(d), tuple(s), kind) for name, (d, s, kind) in variables.items()},
            {name: self._arrays[name][...] for name in labels},
        )

    @property
    def seconds(self) -> float:
        """Time a point, as measured at first."""
        return float(self._finished.attrs["seconds"])

    def missing(self, grid: Grid) -> list[Where]:
        """The blocks of the grid that are not finished yet."""
        blocks, marks = grid.blocks(self.chunk), self._marks()
        return [block for block, done in zip(blocks, marks, strict=True) if not done]

    def _marks(self) -> NDArray[np.uint32]:
        """The mark of every block in C order, 0 where it cannot be read."""
        try:
            return np.asarray(self._finished[...]).ravel()
        except Exception:  # of which only the file that is damaged counts
            return np.array([self._mark(index) for index in np.ndindex(self._finished.shape)])

    def _mark(self, index: tuple[int, ...]) -> int:
        try:
            return int(self._finished[index])
        except Exception:
            return 0

    def forget_damaged(self, grid: Grid) -> int:
        """Take back the marks of finished blocks that cannot be read; return how many."""
        count = 0
        for where, mark in zip(grid.blocks(self.chunk), self._marks(), strict=True):
            damaged = [name for name in self._varying() if mark and not self._is_sound(name, where)]
            if damaged:
                count += 1
                with _writing(self._path):
                    self._finished[self._index(where)] = 0
                    for name in damaged:
                        self._file(name, where).unlink(missing_ok=True)
        return count

    def _varying(self) -> list[str]:
        return [*self.layout.variables, FAILURE]

    def _is_sound(self, name: str, where: Where) -> bool:
        try:
            self._arrays[name][where]
        except Exception:  # checksum, decompression, reading: none of them is a value
            return False
        return self._file(name, where).exists()

    def _file(self, name: str, where: Where) -> Path:
        array = self._arrays[name]
        index = self._index(where) + (0,) * (array.ndim - len(where))
        return Path(self._path or "", name, array.metadata.encode_chunk_key(index))

    def _index(self, where: Where) -> tuple[int, ...]:
        return tuple(part.start // step for part, step in zip(where, self.chunk, strict=True))

    def write(self, block: Block) -> None:
        """Keep one block.

        Raises
        ------
        OSError
            If the store cannot be written; blocks that were finished stay so.
        """
        with _writing(self._path):
            for name, values in block.values.items():
                self._arrays[name][block.where] = values
            self._arrays[FAILURE][block.where] = block.failure
            mark = 1 + np.count_nonzero(block.failure != "")
            self._finished[self._index(block.where)] = mark

    def failures(self, grid: Grid) -> tuple[int, tuple[int, ...], str]:
        """Once all blocks are finished: points that failed; index and reason in the first block."""
        marks = self._marks()
        for where, mark in zip(grid.blocks(self.chunk), marks, strict=True):
            if mark > 1:
                failure = self._arrays[FAILURE][where]
                local = np.argwhere(failure != "")[0]
                index = tuple(part.start + int(i) for part, i in zip(where, local, strict=True))
                return int(marks.sum()) - marks.size, index, str(failure[tuple(local)])
        return 0, (), ""

    def dataset(self) -> Any:
        """All of it as an xarray.Dataset in memory.

        Raises
        ------
        ValueError
            If files of finished blocks are gone or damaged.
        """
        import xarray as xr

        with _reading(self._path):
            for name, array in self._arrays.items():
                if self._path is not None and array.nchunks_initialized < array.nchunks:
                    raise ValueError(f"blocks of {name} are gone")
            whole = self._root.metadata.consolidated_metadata is not None
            data = xr.open_zarr(self._root.store, consolidated=whole, chunks=None).load()
        variables, _, coordinates = json.loads(data.attrs.pop(_LAYOUT))
        del data.attrs[_IDENTITY]
        for name, values in data.variables.items():
            if values.dtype.kind == "T":  # Zarr's strings, which few programs know
                data[name] = data[name].astype(object)
        # Zarr lists arrays in any order.
        return xr.Dataset(
            {name: data[name].variable for name in [*variables, FAILURE]},
            {name: data[name].variable for name in coordinates},
            data.attrs,
        )


def _lay_out(
    root: Any,
    grid: Grid,
    layout: Layout,
    chunk: tuple[int, ...],
    seconds: float,
    identity: Mapping[str, Any],
    attributes: Mapping[str, Mapping[str, Any]],
) -> None:
    def add(name: str, dims: tuple[str, ...], values: NDArray[Any]) -> None:
        array = root.create_array(
            name,
            shape=values.shape,
            dtype=_stored(values),
            dimension_names=dims,
            compressors=_checked_compression(),
        )
        array[...] = values.astype(object) if values.dtype.kind == "U" else values
        array.attrs.update(attributes.get(name, {}))

    def reserve(name: str, variable: Variable, fill: Any) -> None:
        root.create_array(
            name,
            shape=grid.shape + variable.shape,
            chunks=chunk + variable.shape,
            dtype=str if variable.dtype == "str" else variable.dtype,
            fill_value=fill,
            compressors=_checked_compression(),
            dimension_names=grid.dims + variable.dims,
            attributes=dict(attributes.get(name, {})),
        )

    labels = {**grid.axes, **grid.whole, **layout.coordinates}
    plain = {
        name: value
        for name, value in grid.fixed.items()
        if isinstance(value, (bool, int, float, str))
    }
    import zarr

    with zarr.config.set(_WRITE_ALL):
        for name, values in labels.items():
            add(name, (name,), values)
        for name, value in plain.items():
            add(name, (), np.asarray(value))
    for name, variable in layout.variables.items():
        reserve(name, variable, np.nan)
    reserve(FAILURE, Variable((), (), "str"), "")
    pieces = tuple(-(-extent // step) for extent, step in zip(grid.shape, chunk, strict=True))
    finished = root.create_array(
        _FINISHED,
        shape=pieces,
        chunks=(1,) * len(pieces),
        dtype=np.uint32,
        compressors=_checked_compression(),
    )
    finished.attrs["seconds"] = seconds
    root.attrs.update(attributes.get("", {}))
    root.attrs["coordinates"] = " ".join(plain)
    root.attrs[_LAYOUT] = json.dumps([layout.variables, [*layout.coordinates], [*labels, *plain]])
    root.attrs[_IDENTITY] = json.dumps(identity)


def _checked_compression() -> tuple[Any, ...]:
    """Zarr's usual compression, and a checksum of what it leaves."""
    from zarr.codecs import Crc32cCodec, ZstdCodec

    return ZstdCodec(), Crc32cCodec()


def _consolidate(path: Path) -> None:
    """Put all metadata in one file, where xarray looks first."""
    import zarr

    with warnings.catch_warnings():
        # Other programs that read version 3 of the format ignore it.
        warnings.filterwarnings("ignore", "Consolidated metadata")
        zarr.consolidate_metadata(path)


@contextmanager
def _writing(path: Path | None) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        reason = problem.strerror or str(problem)
        raise type(problem)(
            problem.errno,
            f"store {path} cannot be written ({reason}); what is finished is kept, so call again",
        ) from None


@contextmanager
def _reading(path: Path | None, part: str = "") -> Iterator[None]:
    try:
        yield
    except Exception as problem:  # zarr, its codecs and json raise many kinds for damaged bytes
        if str(problem).startswith("store "):
            raise
        text = " ".join(str(problem).split())
        raise ValueError(
            f"store {path} is damaged ({part}{' ' if part else ''}{type(problem).__name__}: "
            f"{text:.120}); move it away to compute all of it again"
        ) from None


def _stored(values: NDArray[Any]) -> Any:
    return str if values.dtype.kind == "U" else values.dtype


def _differences(found: Any, wanted: Any, name: str = "") -> list[str]:
    """Where two nested descriptions differ, one phrase each."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        return [
            phrase
            for key in dict.fromkeys([*found, *wanted])
            for phrase in _differences(found.get(key), wanted.get(key), key)
        ]
    return [] if found == wanted else [f"{name} was {found}, is {wanted}"]
