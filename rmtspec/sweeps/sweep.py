"""`rmtspec.sweep`: a function over a grid of parameters."""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import math
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import _checks
from ..result import ConvergenceWarning, caller_level
from . import execution
from .grid import FAILURE, Grid, Where, points_in
from .points import Block, Evaluation, Known, Layout
from .problems import Problem
from .store import Results

if TYPE_CHECKING:
    import distributed
    import xarray

_BLOCK_SECONDS = 1.0
_CALLER_SECONDS = 0.05  # the caller receives and writes a block in some 15 ms
_MOST_BLOCKS = 20_000
_BLOCKS_PER_WORKER = 8  # so that none waits long for the last one
_EXACT = 2.0**53  # integers up to this are floats
_WORTH_PROCESSES = 4.0  # seconds; processes take one or two to start and to load the kernels


def sweep(
    func: str | Callable[..., Mapping[str, Any]],
    coords: Mapping[str, Any],
    *,
    client: distributed.Client | None = None,
    store: str | os.PathLike[str] | None = None,
    progress: bool = True,
    workers: int | None = None,
    chunk: int | None = None,
) -> xarray.Dataset:
    """Compute a function at every point of a grid, on this machine or on a Dask cluster.

    Parameters
    ----------
    func : str or callable
        ``"timescales"``, ``"edges"``, ``"learning_curves"``, ``"stopping"``, ``"memorisation"``,
        ``"linear"`` (see `rmtspec.sweeps.problems`), or a function that is called with one keyword
        argument a coordinate and returns a dict of numbers or arrays.  It may name the dimensions
        of an array as xarray does, ``{"density": ("x", values), "x": ("x", x)}``; an array under
        the name of its own dimension becomes a coordinate.
    coords : mapping
        For every argument either a list (numbers or strings, one dimension of the result) or a
        single value of any kind.  `tau` of ``"learning_curves"`` and `alpha_bar` of ``"linear"``
        are handed over as whole lists.
    client : dask.distributed.Client, optional
        Computes on its cluster, whose workers need this version of rmtspec; each computes one
        point at a time, so give them one thread.  Otherwise processes of this machine do, or this
        one if that takes only seconds.
    store : path, optional
        Zarr folder in which every finished block is kept at once.  Called again, the sweep computes
        only what is missing; points that failed are finished.  Blocks carry checksums: damaged ones
        are computed again, with a warning.  An edited function is recognised by
        its own source (of a method: by that of its class), not by that of what it calls in other
        modules.
    progress : bool
        Whether to show a progress bar on standard error.
    workers : int >= 1, optional
        Local processes, 1 for this process alone; by default all cores, if that is worth it.
    chunk : int >= 1, optional
        About how many points make a block; by default what takes about a second.

    Returns
    -------
    xarray.Dataset
        Dimensions and coordinates named as given; results are float64 or complex128.  `failure`
        says in a sentence why a point failed, and is empty where it did not: NaN then says that
        there is no such number (no tau_mem without a sample bulk, say).  Attributes hold
        names and units of the variables, versions, what was swept, and the number of points that
        failed.

        Values are the same to the last bit for any number of workers, order and size of blocks, on
        machines of one kind.

    Raises
    ------
    TypeError, ValueError
        Before any work: if an argument is of the wrong kind, coordinates are not what func takes,
        or the store holds anything but a part of this very sweep (same function, coordinates and
        version) or is damaged beyond single blocks.
    OSError
        If the store cannot be written; what was finished is kept.
    RuntimeError
        If none of the first points, which are spread over the grid, could be computed, or processes
        or workers died; what was finished is in the store.
    ImportError
        Without the extra ``rmtspec[sweep]``.

    Warns
    -----
    UserWarning
        Once, if finished blocks of the store were damaged or gone.
    ConvergenceWarning
        Once, if points failed: how many, and why the first did.  They are NaN (a point that
        converged in parts keeps these).

    Examples
    --------
    >>> import numpy as np, rmtspec as rs
    >>> data = rs.sweep("timescales", {"psi_p": [16, 64], "psi_n": [2, 4, 8], "t": 0.01},
    ...                 progress=False)
    >>> dict(data.sizes), bool((data.tau_gen < data.tau_mem).all())
    ({'psi_p': 2, 'psi_n': 3}, True)
    """
    _require_extra()
    problem = Problem.of(func)
    grid = Grid.of(coords, problem.whole)
    problem.check_names(coords)
    problem.check_values({**grid.fixed, **grid.whole, **grid.axes})
    progress = _checks.flag("progress", progress)
    chunk = None if chunk is None else _checks.integer("chunk", chunk, 1)
    count = _workers(client, workers)
    path = None if store is None else _path(store)
    identity = {} if path is None else _identity(problem, grid)

    threads = count if problem.together and client is None else 1
    evaluation = Evaluation(problem.function, grid, problem.together, threads)
    results = None if path is None else Results.find(path, identity)
    known: Known = {}
    if results is None:
        layout, seconds, known = _pilot(evaluation, client)
        shape = grid.chunk(chunk or _block_size(grid.size, seconds, count))
        attributes = _attributes(problem, grid)
        results = Results.create(path, grid, layout, shape, seconds, identity, attributes)

    def complete() -> None:
        missing = results.missing(grid)
        if missing:
            task = partial(evaluation.block, layout=results.layout, known=known)
            alone = 1 if problem.together and client is None else workers
            blocks = _executed(task, missing, results.seconds, client, alone)
            _fill(results, grid.size, blocks, sum(map(points_in, missing)), progress)

    complete()
    try:
        data = results.dataset()
    except ValueError:
        damaged = results.forget_damaged(grid)
        if not damaged:
            raise
        warnings.warn(
            f"store {path}: {damaged} finished blocks were damaged or gone, and are computed again",
            UserWarning,
            stacklevel=caller_level(),
        )
        complete()
        data = results.dataset()
    return _summarised(data, results, grid, problem.name)


def _pilot(evaluation: Evaluation, client: Any) -> tuple[Layout, float, Known]:
    """What comes back and how long it takes, found where the work will be done."""
    if client is None:
        return evaluation.pilot()
    from distributed import KilledWorker

    try:
        found: tuple[Layout, float, Known] = client.submit(evaluation.pilot, pure=False).result()
    except KilledWorker as problem:
        raise RuntimeError(f"workers died on the first points: {problem}") from problem
    return found


def _block_size(points: int, seconds: float, workers: int) -> int:
    """How many points make a block.

    One of about a second, of which the caller can keep up with as many as the workers finish, and
    of which no worker waits long for the last.
    """
    longest = max(_BLOCK_SECONDS, _CALLER_SECONDS * workers)
    size = min(longest / seconds, points / (_BLOCKS_PER_WORKER * workers))
    return math.ceil(max(size, points / _MOST_BLOCKS, 1.0))


def _executed(
    task: execution.Task, blocks: list[Where], seconds: float, client: Any, workers: int | None
) -> Iterator[Block]:
    """Blocks as they are finished, wherever that is soonest."""
    if client is not None:
        return execution.cluster(task, blocks, client)
    if workers is None:
        work = seconds * sum(map(points_in, blocks))
        workers = 1 if work < _WORTH_PROCESSES else _workers(None, None)
    if workers == 1:
        return execution.serial(task, blocks)
    return execution.processes(task, blocks, workers)


def _fill(
    results: Results, points: int, blocks: Iterator[Block], missing: int, progress: bool
) -> None:
    """Write blocks as they come, and warn once a category of what their points warned of."""
    from tqdm import tqdm

    warned: dict[type[Warning], tuple[int, str]] = {}
    silent = not progress or sys.stderr is None  # where standard error is closed
    with tqdm(total=points, initial=points - missing, unit="point", disable=silent) as bar:
        for block in blocks:
            results.write(block)
            for category, (count, text) in block.warned.items():
                before, first = warned.get(category, (0, text))
                warned[category] = before + count, first
            bar.update(block.failure.size)
    for category, (count, text) in warned.items():
        message = f"sweep: at {count} of {missing} points, as in: {text}"
        warnings.warn(message, category, stacklevel=caller_level())


def _summarised(data: xarray.Dataset, results: Results, grid: Grid, name: str) -> xarray.Dataset:
    """The data set with the number of points that failed, and one warning if there are any."""
    data.attrs["failed"], index, reason = results.failures(grid)
    if reason:
        point = zip(grid.axes.items(), index, strict=True)
        where = ", ".join(f"{axis} = {values[i].item()}" for (axis, values), i in point)
        warnings.warn(
            f"sweep of {name}: {data.attrs['failed']} of {grid.size} points failed; the first, at "
            f"{where}: {reason}",
            ConvergenceWarning,
            stacklevel=caller_level(),
        )
    return data


def _require_extra() -> None:
    for name in ("xarray", "zarr", "dask", "distributed", "joblib", "threadpoolctl", "tqdm"):
        if importlib.util.find_spec(name) is None:
            raise ImportError(f"sweep needs {name}: pip install '.[sweep]'", name=name)


def _workers(client: Any, workers: int | None) -> int:
    """How many points can be computed at a time."""
    if client is None:
        from joblib import cpu_count

        return cpu_count() if workers is None else _checks.integer("workers", workers, 1)
    if workers is not None:
        raise ValueError(
            f"workers must be left out when client is given, got {_checks.shown(workers)}"
        )
    from distributed import Client

    if not isinstance(client, Client):
        raise TypeError(f"client must be a dask.distributed.Client, got {_checks.shown(client)}")
    if client.asynchronous or client.status != "running":
        raise ValueError(f"client must be synchronous and open, got {_checks.shown(client)}")
    execution.require_version(client, execution.version("rmtspec"))
    return max(1, len(client.nthreads()))


def _path(store: str | os.PathLike[str]) -> Path:
    if not isinstance(store, (str, os.PathLike)):
        raise TypeError(f"store must be a path, got {_checks.shown(store)}")
    if "://" in str(store) or not str(store):
        raise ValueError(f"store must be a path on this machine, got {_checks.shown(store)}")
    return Path(store).expanduser().absolute()


def _identity(problem: Problem, grid: Grid) -> dict[str, Any]:
    """What makes a sweep the same as another, in words and hashes."""
    listed = {
        name: f"{len(values)} from {values[0]} to {values[-1]} ({_token(values)})"
        for name, values in map(_as_numbers, {**grid.axes, **grid.whole}.items())
    }
    single = {
        name: value if _is_plain(value) else f"{_checks.shown(value)} ({_token(value)})"
        for name, value in grid.fixed.items()
    }
    return {
        "function": problem.name if problem.checks else _token(problem.function, source=True),
        "rmtspec": execution.version("rmtspec"),
        "coords": {**listed, **single},
    }


def _as_numbers(item: tuple[str, NDArray[Any]]) -> tuple[str, NDArray[Any]]:
    """Integers as the floats that equal them, so that 4 is 4.0 in a list too."""
    name, values = item
    exact = values.dtype.kind in "iu" and np.all(np.abs(values.astype(float)) <= _EXACT)
    return name, values.astype(np.float64) if exact else values


def _token(value: Any, *, source: bool = False) -> str:
    """A short hash that is the same in every process.

    Raises
    ------
    ValueError
        If the value has no such hash.
    """
    from dask.base import tokenize

    text = ""
    if source:
        inner = value
        while hasattr(inner, "func"):  # partial objects
            inner = inner.func
        if not inspect.isfunction(inner):
            inner = type(getattr(inner, "__self__", inner))  # methods, objects that are called
        with contextlib.suppress(OSError, TypeError):  # functions at a prompt
            text = inspect.getsource(inner)
    try:
        return str(tokenize(value, text, ensure_deterministic=True))[:12]
    except RuntimeError as problem:
        raise ValueError(
            f"store cannot tell {_checks.shown(value)} from another, "
            f"so it could not be continued: {problem}"
        ) from None


def _is_plain(value: Any) -> bool:
    return isinstance(value, (bool, int, float, str))


def _attributes(problem: Problem, grid: Grid) -> dict[str, dict[str, Any]]:
    """Attributes of every variable by name; those of the data set under ""."""
    named = {
        name: {"long_name": quantity.long_name, "units": quantity.units}
        for name, quantity in (problem.quantities or {}).items()
    }
    packages = ("rmtspec", "numpy", "scipy", "numba")
    versions = {f"{name}_version": execution.version(name) for name in packages}
    objects = {name: repr(v)[:200] for name, v in grid.fixed.items() if not _is_plain(v)}
    why = {"long_name": "why the point failed, empty where it did not"}
    return {**named, FAILURE: why, "": {"function": problem.name, **objects, **versions}}
