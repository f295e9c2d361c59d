"""How a kernel is compiled: IEEE arithmetic, no lock of Python held, machine code kept on disk.

A kernel's equations matter to the numbers, its cache only to the time until the first of them.
So a cache that cannot be written, or whose files are broken, costs that time again and nothing
else: no folder is needed to import the package.

Numba takes longer to import than the rest of the package together, so that it is not before the
first kernel is called, and not at all where `interpreted` runs them as the Python they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, update_wrapper
from typing import Any

import numpy as np

_interprets = False


@contextmanager
def interpreted() -> Iterator[None]:
    """Run kernels uncompiled: for jobs so small that this takes less time than loading them.

    All kernels of the process do, so that none of a chain is compiled.  Sums are not reordered
    and functions are those of NumPy, hence values differ by rounding.  As compiled code does,
    NumPy's numbers become infinite or NaN without a word; Python's own raise ZeroDivisionError,
    and whoever runs the job compiles it then.
    """
    global _interprets
    before, _interprets = _interprets, True
    try:
        with np.errstate(all="ignore"):
            yield
    finally:
        _interprets = before


class Kernel:
    """A function that is compiled when it is called; what it has beside is Numba's.

    A kernel that only others call needs neither a door for Python nor files of its own, which half
    of the time of compiling it would go to: `entry` is what Python calls, `inner` what kernels do.
    """

    def __init__(self, function: Callable[..., Any], options: dict[str, Any]) -> None:
        update_wrapper(self, function)
        self._function, self._options = function, options

    def __call__(self, *arguments: Any) -> Any:
        """Call the compiled function, or where kernels are `interpreted` the one it is from."""
        return (self._function if _interprets else self.entry)(*arguments)

    def __getattr__(self, name: str) -> Any:
        """What the compiled function has under this name."""
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.entry, name)

    @cached_property
    def entry(self) -> Any:
        """Compiled for Python, and kept on disk."""
        from . import compilation

        compilation.recognise(Kernel)
        return compilation.entry(self._function, self._options)

    @cached_property
    def inner(self) -> Any:
        """Compiled for other kernels, as a part of these."""
        from . import compilation

        compilation.recognise(Kernel)
        return compilation.inner(self._function, self._options)


def kernel(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Compile a function of scalars and arrays when it is first called.

    Division by zero follows IEEE, and other threads run meanwhile.  The machine code is kept on
    disk where Numba finds a folder for it, until the kernel, a kernel that it calls or a number
    that either reads is another, in whatever file.

    Parameters
    ----------
    function : the kernel; left out when options are given, as in ``@kernel(fastmath=...)``
    options : of `numba.njit`; and `short_loops`, of a kernel that Python calls, where it and those
        that it calls have loops over a few entries each: code that is not made for long ones is
        compiled in three fifths of the time
    """
    if function is None:
        return lambda function: Kernel(function, options)
    return Kernel(function, options)
