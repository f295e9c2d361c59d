"""Compiling kernels: the options that all share, and the files that machine code is kept in.

Here alone is Numba imported, which takes longer than all else of the package: `kernel` does so
when the first kernel is called.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numba
import numpy as np
from numba import njit, types
from numba.extending import typeof_impl

try:
    from numba.core.caching import FunctionCache, NullCache
except ImportError:  # a private place of Numba's, which a later version may move
    FunctionCache = NullCache = None  # type: ignore[assignment, misc]

_OPTIONS: dict[str, Any] = {"error_model": "numpy", "nogil": True, "no_cfunc_wrapper": True}
_SHORT_LOOPS: dict[str, Any] = {}


@cache
def recognise(kind: type) -> None:
    """Let kernels see instances of this class, which have an `inner`, as what that is."""
    typeof_impl.register(kind)(lambda kernel, _: types.Dispatcher(kernel.inner))


def entry(function: Callable[..., Any], options: dict[str, Any]) -> Any:
    """Numba's dispatcher of a kernel, whose machine code is kept where there is a folder for it."""
    dispatcher = njit(**_of_numba(**options))(function)
    if hasattr(dispatcher, "enable_caching"):  # not under NUMBA_DISABLE_JIT
        try:
            _keep(dispatcher, _text(options))
        except (RuntimeError, OSError):  # no folder to keep it in
            if NullCache is not None:
                dispatcher._cache = _NoFolder()
    return dispatcher


def inner(function: Callable[..., Any], options: dict[str, Any]) -> Any:
    """Numba's dispatcher of a kernel for calls from other kernels alone."""
    return njit(**_of_numba(no_cpython_wrapper=True, **options))(function)


def _of_numba(short_loops: bool = False, **options: Any) -> dict[str, Any]:
    """What `numba.njit` is to be told, of the options of a kernel."""
    return {**_OPTIONS, **(_SHORT_LOOPS if short_loops else {}), **options}


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Spare the search for garbage, a tenth of the time of compiling.

    What was left is old afterwards: it is searched with all else, not as soon as this ends.
    """
    if collects := gc.isenabled():
        gc.disable()
    try:
        yield
    finally:
        if collects:
            if not gc.get_freeze_count():  # nobody else has put objects aside
                gc.freeze()
                gc.unfreeze()
            gc.enable()


def _keep(compiled: Any, options: str) -> None:
    if FunctionCache is None or not hasattr(compiled, "_cache"):
        compiled.enable_caching()
    else:
        compiled._cache = _Cache(compiled.py_func)
        compiled._cache.options = options


if FunctionCache is not None:

    class _Cache(FunctionCache):
        """Numba's cache of one function, where a broken file is as good as a missing one.

        A file that was cut or overwritten raises whatever its bytes happen to mean to pickle
        (EOFError, UnpicklingError, UnicodeDecodeError, ...), hence every exception is meant.
        """

        options = ""

        def load_overload(self, sig: Any, target_context: Any) -> Any:
            try:
                with _uncollected():  # the first time, Numba imports what it knows of types here
                    found = super().load_overload(sig, target_context)
            except Exception:
                self._forget()
                found = None
            if found is None:
                _announce(self.cache_path)
            return found

        def save_overload(self, sig: Any, data: Any) -> None:
            try:
                super().save_overload(sig, data)
            except Exception:
                self._forget()
                try:
                    super().save_overload(sig, data)
                except Exception:
                    self.disable()

        def _index_key(self, sig: Any, codegen: Any) -> Any:
            """Numba's key, which knows one function's text, not its options and what it calls."""
            return sig, codegen.magic_tuple(), fingerprint(self._py_func) + self.options

        def _forget(self) -> None:
            with contextlib.suppress(Exception):
                self.flush()

    class _NoFolder(NullCache):
        """No cache, as there is no folder for one."""

        def load_overload(self, sig: Any, target_context: Any) -> None:
            _announce(None)


if numba.version_info.short == (0, 68):  # what follows is private, and another version's may differ
    from numba.core.codegen import JITCodeLibrary, llvmir  # type: ignore[attr-defined]
    from numba.core.compiler import Compiler
    from numba.core.compiler_machinery import register_pass
    from numba.core.errors import TypingError
    from numba.core.ir import Assign, Var
    from numba.core.typed_passes import NopythonTypeInference, PreLowerStripPhis
    from numba.core.typing.context import BaseContext
    from numba.core.untyped_passes import ReconstructSSA

    class _Part(JITCodeLibrary):
        """Code of a function, which becomes machine code if Python is to call it.

        Numba optimises each function that a kernel calls, links it with all that it calls itself,
        optimises that again and makes machine code of it, and then does so with the kernel, which
        they are all linked into.  Nobody needs the former, a quarter of the time.
        """

        _called = _linked = False

        def _optimize_functions(self, module: Any) -> None:
            """Leave that to the kernel which this is linked into."""

        def finalize(self) -> None:
            """Leave that to the kernel which this is linked into."""
            self._finalized = True

        def get_pointer_to_function(self, name: str) -> int:
            """Address of what Python calls, made now; 0 for a function that it does not."""
            self._ensure_finalized()
            if not self._called and any(f.name == name for f in self.get_defined_functions()):
                self._called = True
                self._link()
                # What one round has inlined the other simplifies: without, kernels are slower.
                self._optimize_final_module()
                self._optimize_final_module()
                self._finalize_final_module()
            address: int = super().get_pointer_to_function(name)
            return address

        def _get_module_for_linking(self) -> Any:
            """The code with all that it calls, for a function that Numba compiles as it does."""
            self._link()
            return super()._get_module_for_linking()

        def _link(self) -> None:
            if self._linked:
                return
            self._linked, below = True, list(self._linking_libraries)
            for library in below:  # which grows by what these call
                if isinstance(library, _Part):
                    below += [other for other in library._linking_libraries if other not in below]
                self._reload_init.update(library._reload_init)
                alone = JITCodeLibrary._get_module_for_linking(library)
                self._final_module.link_in(alone, preserve=True)
            self._shared_module = None  # a copy of the code alone

        @property
        def codegen(self) -> Any:
            """Where Numba notes, in the machine code, what a function raises its errors with.

            It does so whether or not Python is to call the function, by `codegen.set_env`.  Without
            machine code there is nowhere to note it: this library stands in for its maker then.
            """
            return self._codegen if self._called else self

        def set_env(self, name: str, env: Any) -> None:
            """Note nothing."""

    class _ShortLoops(_Part):
        """Code that wider arithmetic, unrolled loops and copies of what it calls make no faster."""

        def _link(self) -> None:
            super()._link()
            for function in self._final_module.functions:
                if not function.is_declaration:
                    function.add_function_attribute("optsize")

    @contextlib.contextmanager
    def _exchanged(owner: Any, name: str, value: Any) -> Iterator[None]:
        usual = getattr(owner, name)
        setattr(owner, name, value)
        try:
            yield
        finally:
            setattr(owner, name, usual)

    def _remembering(known: dict[Any, Any]) -> Callable[..., Any]:
        """Numba's search for what a function makes of arguments of some types, once for all calls.

        Numba tries a dozen meanings of each `+` until one fits, a tenth of the time of compiling.
        Kernels are not remembered: Numba knows those, and one may stand for several.
        """

        def resolve(typing: Any, function: Any, arguments: Any, keywords: Any) -> Any:
            asked = function, tuple(arguments), tuple(dict(keywords).items())
            try:
                return known[asked]
            except (KeyError, TypeError):  # a slice is no key
                found = _RESOLVE(typing, function, arguments, keywords)
            if not isinstance(function, types.Dispatcher):
                with contextlib.suppress(TypeError):
                    known[asked] = found
            return found

        return resolve

    @register_pass(mutates_CFG=True, analysis_only=False)
    class _Inference(NopythonTypeInference):
        """Types of variables, one for each unless a variable stands for values of several types.

        Numba makes a variable of each value that one has in turn, which is a sixth more to do.
        """

        _name = "types of variables"

        def run_pass(self, state: Any) -> bool:
            with contextlib.suppress(TypingError):
                super().run_pass(state)
                if all(map(self._is_kept, self._assignments(state))):
                    return True
            ReconstructSSA().run_pass(state)
            super().run_pass(state)
            PreLowerStripPhis().run_pass(state)
            return True

        @staticmethod
        def _assignments(state: Any) -> Iterator[tuple[Any, Any]]:
            """Type of each variable with that of a value it is given."""
            for block in state.func_ir.blocks.values():
                for each in block.find_insts(Assign):
                    if isinstance(each.value, Var):
                        yield state.typemap[each.target.name], state.typemap[each.value.name]

        @staticmethod
        def _is_kept(types_: tuple[Any, Any]) -> bool:
            return bool(types.unliteral(types_[0]) == types.unliteral(types_[1]))

    class _Compiler(Compiler):
        """Numba's compiler, where a kernel and all that it calls are optimised as one.

        Left out are passes for what kernels are without: generators, exceptions with arguments,
        functions within functions, operations on whole arrays.
        """

        _library: type[_Part] = _Part

        def compile_extra(self, function: Any) -> Any:
            generator = self.state.targetctx.codegen()
            resolve = _remembering(_KNOWN[str(self.state.flags.fastmath)])
            with (
                _uncollected(),
                _exchanged(generator, "_library_class", self._library),
                _exchanged(BaseContext, "resolve_function_type", resolve),
                _exchanged(llvmir.Type, "get_abi_size", _SIZE),
            ):
                return super().compile_extra(function)

        def define_pipelines(self) -> Any:
            (passes,) = super().define_pipelines()
            named = {each[0].__name__: each for each in passes.passes}
            named["NopythonTypeInference"] = (_Inference, "types of variables")
            passes.passes = [named[name] for name in _NEEDED]
            passes.finalize()
            return [passes]

    class _CompilerOfShortLoops(_Compiler):
        _library = _ShortLoops

    _NEEDED = (
        "TranslateByteCode",
        "FixupArgs",
        "RewriteSemanticConstants",
        "DeadBranchPrune",
        "GenericRewrites",
        "NopythonTypeInference",
        "IRLegalization",
        "AnnotateTypes",
        "NativeLowering",
        "NoPythonBackend",
    )
    _RESOLVE = BaseContext.resolve_function_type
    _SIZE = cache(llvmir.Type.get_abi_size)
    _KNOWN: dict[str, dict[Any, Any]] = defaultdict(dict)
    _OPTIONS["pipeline_class"] = _Compiler
    _SHORT_LOOPS["pipeline_class"] = _CompilerOfShortLoops

_announced = False


def _announce(folder: str | None) -> None:
    """Say once a process, where a person reads it, why the first numbers take their time."""
    global _announced
    if not _announced and _is_read():
        _announced = True
        kept = f"kept in {folder}" if folder else "no folder to keep them in: set NUMBA_CACHE_DIR"
        print(f"rmtspec: compiling kernels, which takes some seconds ({kept})", file=sys.stderr)


def _is_read() -> bool:
    """Whether standard error is a terminal, or a notebook in which someone could answer.

    Programs that execute a notebook keep what is printed in it, and take no questions.
    """
    if sys.stderr is None:
        return False
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    notebook = getattr(shell, "kernel", None)
    return sys.stderr.isatty() or bool(getattr(notebook, "_allow_stdin", False))


def fingerprint(function: Callable[..., Any]) -> str:
    """A hash of the code of a kernel and of all that it reads, the kernels that it calls included.

    Where that code stands, and what is said about it, does not count.
    """
    digest, seen = hashlib.sha256(), set()
    waiting: list[Any] = [function]
    while waiting:
        value = waiting.pop()
        options = getattr(value, "targetoptions", "")
        value = getattr(value, "py_func", value)
        if isinstance(value, FunctionType):
            if value not in seen:
                seen.add(value)
                digest.update(f"{value.__qualname__} {_text(options)}".encode())
                waiting.extend(_read_by(value, digest.update))
        elif isinstance(value, tuple):
            waiting.extend(value)
        elif isinstance(value, np.ndarray):
            digest.update(f"{value.dtype} {value.shape}".encode() + value.tobytes())
        elif not callable(value) and not isinstance(value, ModuleType):
            digest.update(_text(value).encode())
    return digest.hexdigest()


def _text(value: Any) -> str:
    """A value in words that are the same in every process, where a set is in another order."""
    if isinstance(value, dict):
        return repr([(key, _text(entry)) for key, entry in sorted(value.items())])
    if isinstance(value, (set, frozenset)):
        return repr(sorted(map(_text, value)))
    return repr(value)


def _read_by(function: FunctionType, write: Callable[[bytes], None]) -> Iterator[Any]:
    """Write the instructions of a function; return what they name outside of it."""
    codes = [function.__code__]
    for code in codes:  # which grows by what stands inside
        codes.extend(part for part in code.co_consts if isinstance(part, CodeType))
        plain = [_text(part) for part in code.co_consts[1:] if not isinstance(part, CodeType)]
        write(code.co_code + repr((plain, code.co_names, code.co_varnames)).encode())
        yield from (function.__globals__[n] for n in code.co_names if n in function.__globals__)
    yield from (cell.cell_contents for cell in function.__closure__ or ())
