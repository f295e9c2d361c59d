"""How a kernel is compiled: IEEE arithmetic, no lock of Python held, machine code kept on disk.

A kernel's equations matter to the numbers, its cache only to the time until the first of them.
So a cache that cannot be written, or whose files are broken, costs that time again and nothing
else: no folder is needed to import the package.
"""

from __future__ import annotations

import contextlib
import inspect
import os
from collections.abc import Callable
from typing import Any

from numba import njit

try:
    from numba.core.caching import FunctionCache
except ImportError:  # a private place of Numba's, which a later version may move
    FunctionCache = None  # type: ignore[assignment, misc]


def kernel(
    function: Callable[..., Any] | None = None, /, *, beside: bool = False, **options: Any
) -> Any:
    """Compile a function of scalars and arrays when it is first called.

    Division by zero follows IEEE, and other threads run meanwhile.  The machine code is kept on
    disk where Numba finds a folder for it.  Numba does not see edits in other files, so all that a
    kernel calls must stand in its own file, or in its own folder if it says so.

    Parameters
    ----------
    function : the kernel; left out when options are given, as in ``@kernel(fastmath=...)``
    beside : whether it calls kernels of other files of its folder: an edit of any file there makes
        its machine code stale
    options : of `numba.njit`
    """
    if function is None:
        return lambda function: kernel(function, beside=beside, **options)
    compiled = njit(**{"error_model": "numpy", "nogil": True, **options})(function)
    if hasattr(compiled, "enable_caching"):  # not under NUMBA_DISABLE_JIT
        with contextlib.suppress(RuntimeError, OSError):  # no folder to keep it in
            _keep(compiled, beside)
    return compiled


def _keep(compiled: Any, beside: bool) -> None:
    if FunctionCache is None or not hasattr(compiled, "_cache"):
        if not beside:
            compiled.enable_caching()
        return
    cache = _Cache(compiled.py_func)
    if beside:
        file: Any = getattr(cache, "_cache_file", None)
        if not hasattr(file, "_source_stamp"):
            return
        file._source_stamp = (file._source_stamp, _folder_stamp(inspect.getfile(compiled.py_func)))
    compiled._cache = cache


def _folder_stamp(path: str) -> tuple[tuple[str, int, int], ...]:
    """Name, time of change and size of every module beside one."""
    with os.scandir(os.path.dirname(path)) as entries:
        files = [entry for entry in entries if entry.name.endswith(".py")]
        return tuple(
            sorted((file.name, file.stat().st_mtime_ns, file.stat().st_size) for file in files)
        )


if FunctionCache is not None:

    class _Cache(FunctionCache):
        """Numba's cache of one function, where a broken file is as good as a missing one.

        A file that was cut or overwritten raises whatever its bytes happen to mean to pickle
        (EOFError, UnpicklingError, UnicodeDecodeError, ...), hence every exception is meant.
        """

        def load_overload(self, sig: Any, target_context: Any) -> Any:
            try:
                return super().load_overload(sig, target_context)
            except Exception:
                self._forget()
                return None

        def save_overload(self, sig: Any, data: Any) -> None:
            try:
                super().save_overload(sig, data)
            except Exception:
                self._forget()
                try:
                    super().save_overload(sig, data)
                except Exception:
                    self.disable()

        def _forget(self) -> None:
            with contextlib.suppress(Exception):
                self.flush()
