"""Results of a sweep as a Zarr group, on disk or in memory.

A block counts as finished once its entry in ``sweep-progress/finished`` is written, which happens
after its values: 1 more than the number of its points that failed.  Zarr writes every file under
another name first and renames it.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
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
    """

    def __init__(self, root: Any) -> None:
        import zarr

        self._root = root
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
            return cls(root)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        try:
            root = zarr.open_group(draft, mode="w")
            _lay_out(root, grid, layout, chunk, seconds, identity, attributes)
            os.rename(draft, path)
        except BaseException as problem:
            shutil.rmtree(draft, ignore_errors=True)
            first = cls.find(path, identity) if isinstance(problem, OSError) else None
            if first is None:
                raise
            return first  # of another process that began the same sweep at the same moment
        return cls(zarr.open_group(path, mode="r+"))

    @classmethod
    def find(cls, path: Path, identity: Mapping[str, Any]) -> Results | None:
        """Results that an earlier call left at a path; None if there is nothing yet.

        Raises
        ------
        ValueError
            If the path holds anything else than a sweep of this very identity.
        """
        import zarr

        if not path.exists() or (path.is_dir() and not any(path.iterdir())):
            return None
        try:
            root = zarr.open_group(path, mode="r+")
            found = json.loads(str(root.attrs[_IDENTITY]))
        except (OSError, KeyError, ValueError, TypeError):
            raise ValueError(f"store must be a new path or a sweep's, got {path}") from None
        differences = "; ".join(_differences(found, dict(identity)))
        if differences:
            raise ValueError(
                f"store {path} was made by another sweep and is not overwritten: {differences}"
            )
        return cls(root)

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
        finished = self._finished[...].ravel()
        blocks = grid.blocks(self.chunk)
        return [block for block, done in zip(blocks, finished, strict=True) if not done]

    def write(self, block: Block) -> None:
        """Keep one block."""
        for name, values in block.values.items():
            self._arrays[name][block.where] = values
        self._arrays[FAILURE][block.where] = block.failure
        index = tuple(
            part.start // step for part, step in zip(block.where, self.chunk, strict=True)
        )
        self._finished[index] = 1 + np.count_nonzero(block.failure != "")

    def failures(self, grid: Grid) -> tuple[int, tuple[int, ...], str]:
        """Once all blocks are finished: points that failed; index and reason in the first block."""
        marks = self._finished[...].ravel()
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
        RuntimeError
            If files of finished blocks are gone.
        """
        import xarray as xr
        from zarr.storage import LocalStore

        for name, array in self._arrays.items():
            on_disk = isinstance(self._root.store, LocalStore)
            if on_disk and array.nchunks_initialized < array.nchunks:
                raise RuntimeError(f"store {self._root.store} has lost blocks of {name}")
        data = xr.open_zarr(self._root.store, consolidated=False, chunks=None).load()
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
            name, shape=values.shape, dtype=_stored(values), dimension_names=dims
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
        _FINISHED, shape=pieces, chunks=(1,) * len(pieces), dtype=np.uint32
    )
    finished.attrs["seconds"] = seconds
    root.attrs.update(attributes.get("", {}))
    root.attrs["coordinates"] = " ".join(plain)
    root.attrs[_LAYOUT] = json.dumps([layout.variables, [*layout.coordinates], [*labels, *plain]])
    root.attrs[_IDENTITY] = json.dumps(identity)


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
