"""How a kernel is compiled: IEEE arithmetic, no lock of Python held, machine code kept on disk.

A kernel's equations matter to the numbers, its cache only to the time until the first of them.
So a cache that cannot be written, or whose files are broken, costs that time again and nothing
else: no folder is needed to import the package.

Numba takes longer to import than the rest of the package together, so that it is not before the
first kernel is called.  Until then a `Kernel` stands in the place of each; that call puts what
Numba makes of all of them into the modules and closures where other kernels look for them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import update_wrapper
from typing import Any

_waiting: list[Kernel] = []
_lock = threading.RLock()
_linked = False


class Kernel:
    """A function that will be compiled, called like it; all other attributes are Numba's."""

    def __init__(self, function: Callable[..., Any], options: dict[str, Any]) -> None:
        update_wrapper(self, function)
        self._function, self._options = function, options
        self._compiled: Any = None

    def __call__(self, *arguments: Any) -> Any:
        """Call the compiled function."""
        return (self._compiled or _link(self))(*arguments)

    def __getattr__(self, name: str) -> Any:
        """What the compiled function has under this name."""
        if name.startswith("__") or "_compiled" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self._compiled or _link(self), name)


def kernel(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Compile a function of scalars and arrays when it is first called.

    Division by zero follows IEEE, and other threads run meanwhile.  The machine code is kept on
    disk where Numba finds a folder for it, until the kernel, a kernel that it calls or a number
    that either reads is another, in whatever file.

    Parameters
    ----------
    function : the kernel; left out when options are given, as in ``@kernel(fastmath=...)``
    options : of `numba.njit`
    """
    if function is None:
        return lambda function: kernel(function, **options)
    with _lock:
        if not _linked:
            _waiting.append(Kernel(function, options))
            return _waiting[-1]
    from .compilation import compiled

    return compiled(function, options)


def _link(called: Kernel) -> Any:
    """Import Numba, and put its functions wherever kernels look for each other."""
    global _linked
    with _lock:
        if called._compiled is None:
            from .compilation import compiled

            _linked = True
            made = {id(one): compiled(one._function, one._options) for one in _waiting}
            for one in _waiting:
                names, cells = one._function.__globals__, one._function.__closure__ or ()
                for name, value in list(names.items()):
                    if id(value) in made:
                        names[name] = made[id(value)]
                for cell in cells:
                    if id(cell.cell_contents) in made:
                        cell.cell_contents = made[id(cell.cell_contents)]
            for one in _waiting:  # at the end: other threads may call from here on
                one._compiled = made[id(one)]
            _waiting.clear()
    return called._compiled
