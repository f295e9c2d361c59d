"""Blocks of a grid to processes of this machine, or to a Dask cluster.

Threads lose where points are computed one by one: that is some ten short calls of Python and of
compiled kernels, and two threads got through 0.6 times as many points as one (two processes: 1.8 to
2.1 times).  Problems whose points are computed together share them among threads instead.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

from .grid import Where
from .points import Block

Task = Callable[[Where], Block]


def serial(task: Task, blocks: list[Where]) -> Iterator[Block]:
    """One block after the other, in this process."""
    return map(task, blocks)


def processes(task: Task, blocks: list[Where], workers: int) -> Iterator[Block]:
    """Blocks as they are finished by processes of this machine.

    They need no ``if __name__ == "__main__"`` in the calling script and stay alive for a while, so
    that the next sweep finds them started.

    Raises
    ------
    RuntimeError, TypeError
        If a process dies; if the task cannot be sent to one.
    """
    from pickle import PicklingError

    from joblib import Parallel, delayed
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    pool = Parallel(workers, backend="loky", return_as="generator_unordered", batch_size=1)
    try:
        with _streams():
            yield from pool(delayed(task)(block) for block in blocks)
    except TerminatedWorkerError as problem:
        raise RuntimeError(
            "a process of this machine died, in a crash or for want of memory; what was finished "
            "is in the store, if there is one"
        ) from problem
    except PicklingError as problem:
        raise TypeError(
            f"func must be picklable to run in other processes (workers=1 runs it in this one): "
            f"{problem}"
        ) from problem


def open_descriptors() -> None:
    """Open what is closed of descriptors 0 to 2 (``2>&-``) to nowhere.

    Processes that start inherit them, and do not start without the last; a file opened later would
    take its number, and what is printed there.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:  # the lowest number that is free
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


@contextlib.contextmanager
def _streams() -> Iterator[None]:
    """Standard streams, to nowhere where they are closed: processes that start flush them."""
    open_descriptors()
    with contextlib.ExitStack() as opened:
        for name, redirect in (
            ("stdout", contextlib.redirect_stdout),
            ("stderr", contextlib.redirect_stderr),
        ):
            if getattr(sys, name) is None:
                opened.enter_context(redirect(opened.enter_context(open(os.devnull, "w"))))
        yield


def cluster(task: Task, blocks: list[Where], client: Any) -> Iterator[Block]:
    """Blocks as they are finished by the workers of a `dask.distributed.Client`.

    The scheduler gives the blocks of a worker that died to others.  Function and grid go to a
    worker once; after that a block costs four messages of some hundred bytes beside its values: to
    a worker, back when it is finished, and the request for the values with its answer.

    Raises
    ------
    RuntimeError
        After all other blocks, if blocks were lost because every worker that took one of them died.
    """
    from distributed import as_completed

    shared = client.submit(_itself, task, pure=False)
    futures = client.map(_applied, blocks, task=shared, pure=False)
    lost = []
    try:
        finished = as_completed(futures, loop=client.loop, with_results=True, raise_errors=False)
        for future, result in finished:
            if future.status == "finished":
                yield result
            else:
                lost.append(future.exception())
            future.release()
    finally:
        client.cancel(futures)
    if lost:
        raise RuntimeError(f"{len(lost)} of {len(blocks)} blocks were lost; the first: {lost[0]}")


def _itself(task: Task) -> Task:
    return task


def _applied(block: Where, task: Task) -> Block:
    return task(block)


def version(package: str) -> str:
    """The installed version; the module that knows is read when asked for, being slow to import."""
    from importlib import metadata

    return metadata.version(package)


def require_version(client: Any, wanted: str) -> None:
    """Raise ValueError unless every worker that answers has this version of rmtspec.

    One that does not has just died: the scheduler has not seen it yet.
    """
    from importlib import metadata  # and not `version`, which other versions may lack

    answers = client.run(metadata.version, "rmtspec", on_error="return")
    for worker, found in answers.items():
        if not isinstance(found, OSError) and found != wanted:
            raise ValueError(
                f"client must have workers with rmtspec {wanted}, got {found} on {worker}"
            )
