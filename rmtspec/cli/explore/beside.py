"""Work beside the event loop: one thread a question, with the warnings of its own."""

from __future__ import annotations

import asyncio
import ctypes
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Generic, NamedTuple, TypeVar

_Answer = TypeVar("_Answer")


class Told(NamedTuple, Generic[_Answer]):
    """What came of a question: an answer or a problem, and what was warned of on the way."""

    answer: _Answer | None
    problem: Exception | None
    heard: list[str]


_HEARD = threading.local()


@contextmanager
def heard_by_thread() -> Iterator[None]:
    """While this lasts, warnings of `beside` go to whoever asked, whatever other threads do.

    `warnings.catch_warnings` would change what all threads share each time.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        shown = warnings.showwarning

        def hear(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            heard = getattr(_HEARD, "lines", None)
            if heard is None:
                shown(message, category, *place, **more)
            else:
                heard.append(" ".join(str(message).split()))

        warnings.showwarning = hear
        yield


def tell(question: Callable[[], _Answer]) -> Told[_Answer]:
    """Ask in this thread."""
    heard: list[str] = []
    _HEARD.lines = heard
    try:
        return Told(question(), None, list(dict.fromkeys(heard)))
    except Exception as problem:  # the page says what it was, and stays
        return Told(None, problem, list(dict.fromkeys(heard)))
    finally:
        _HEARD.lines = None


class _GivenUp(BaseException):
    """Raised in a thread whose answer nobody waits for any more; no `except Exception` stops it."""


async def beside(question: Callable[[], _Answer]) -> Told[_Answer]:
    """Ask in a thread of its own, which does not keep the program from ending.

    Where this is cancelled the thread ends at its next step of Python, so that questions without
    an answer do not pile up; a kernel is run to its end.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Told[_Answer]] = loop.create_future()

    def give(told: Told[_Answer]) -> None:
        if not done.done():
            done.set_result(told)

    def work() -> None:
        with suppress(_GivenUp):
            told = tell(question)
            if not loop.is_closed():
                loop.call_soon_threadsafe(give, told)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        return await done
    except asyncio.CancelledError:
        if thread.is_alive():
            name = ctypes.c_ulong(thread.ident or 0)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(name, ctypes.py_object(_GivenUp))
        raise
