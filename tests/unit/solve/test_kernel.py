"""Compiled code on disk: kept where it can be, never needed, never believed when broken."""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numba
import numpy as np
import pytest
from numba.core.codegen import JITCodeLibrary
from numba.core.registry import cpu_target
from numba.core.typing.context import BaseContext

from rmtspec.solve import compilation as module
from rmtspec.solve.edges import point
from rmtspec.solve.kernel import kernel

_PROGRAM = (
    "import numpy as np\n"
    "from own import square\n"
    "print(square(np.float64(3.0)), *square.stats[1:])\n"
)
_OWN = """
from rmtspec.solve.kernel import kernel

@kernel
def square(x):
    return x * x
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "own.py").write_text(_OWN)
    return tmp_path


def _run(folder: Path, **environment: str) -> tuple[str, bool]:
    """What a new process computes, and whether it had to compile, as it says it had."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("NUMBA")}
    paths = os.pathsep.join([str(folder), str(Path(module.__file__).parents[2])])
    screen, terminal = os.openpty()  # compiling is announced to people, not to files
    # -B: Python's own files would otherwise make the folder that must not exist.
    done = subprocess.run(
        [sys.executable, "-B", "-c", _PROGRAM],
        env={**kept, "PYTHONPATH": paths, **environment},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=terminal,
        text=True,
        check=True,
        timeout=120,
    )
    os.write(terminal, b"end\n")
    said = os.read(screen, 10_000).decode()
    os.close(terminal)
    os.close(screen)
    value, hits, _ = done.stdout.split(maxsplit=2)
    compiled = hits == "Counter()"
    assert said.count("rmtspec: compiling kernels") == compiled
    return value, compiled


def test_compiled_code_is_kept_for_the_next_process(folder: Path) -> None:
    assert _run(folder) == ("9.0", True)
    assert _run(folder) == ("9.0", False)


@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
@pytest.mark.parametrize("damage", [b"", None, b"\x93no pickle at all\xff" * 40])
def test_broken_files_are_compiled_anew_and_mended(
    folder: Path, suffix: str, damage: bytes | None
) -> None:
    _run(folder)
    (path,) = folder.glob(f"__pycache__/*.{suffix}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] if damage is None else damage)
    assert _run(folder) == ("9.0", True)
    assert _run(folder) == ("9.0", False)


@pytest.mark.parametrize("cache", [{}, {"NUMBA_CACHE_DIR": "/dev/null/nowhere"}])
def test_import_needs_no_folder_to_write_to(folder: Path, cache: dict[str, str]) -> None:
    (folder / "__pycache__").write_text("a file where the folder should be")
    nowhere = {"HOME": "/dev/null/home", "XDG_CACHE_HOME": "/dev/null/cache"}
    assert _run(folder, **nowhere, **cache) == ("9.0", True)


@pytest.mark.parametrize("someone", [True, False])
def test_a_notebook_says_that_it_compiles_to_those_who_could_answer(
    folder: Path, someone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Programs that execute notebooks, which keep their output, forbid questions."""
    pytest.importorskip("ipykernel", reason="needs Jupyter's kernel of Python")
    jupyter = pytest.importorskip("jupyter_client.manager")
    paths = os.pathsep.join([str(folder), str(Path(module.__file__).parents[2])])
    monkeypatch.setenv("PYTHONPATH", paths)
    manager, client = jupyter.start_new_kernel(cwd=str(folder))
    said = []
    try:
        client.execute_interactive(
            _PROGRAM,
            allow_stdin=someone,
            timeout=120,
            output_hook=lambda message: said.append(message["content"].get("text", "")),
        )
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert "9.0" in "".join(said)
    assert "".join(said).count("rmtspec: compiling kernels") == someone


def test_a_folder_that_vanishes_after_import_costs_the_cache_alone(folder: Path) -> None:
    (folder / "own.py").write_text(
        _OWN + "\nimport pathlib, shutil\nhere = pathlib.Path(__file__).parent / '__pycache__'\n"
        "shutil.rmtree(here, ignore_errors=True)\nhere.write_text('')\n"
    )
    assert _run(folder) == ("9.0", True)


def test_the_place_that_numba_keeps_the_cache_at_is_where_it_was() -> None:
    # Were it to move, kernels would be cached by Numba itself, which stops at broken files.
    assert module.FunctionCache is not None
    assert isinstance(point._cache, module._Cache)
    # Without this, functions that kernels call would be compiled alone as well.
    assert ("pipeline_class" in module._OPTIONS) == (numba.version_info.short == (0, 68))


@pytest.mark.parametrize("short", [(0, 67), (0, 69), (1, 68)])
def test_a_numba_that_this_was_not_tested_with_compiles_its_own_way(
    monkeypatch: pytest.MonkeyPatch, short: tuple[int, int]
) -> None:
    monkeypatch.setattr(numba, "version_info", numba.version_info._replace(short=short))
    # Private classes that another version no longer has are not asked for.
    monkeypatch.delattr("numba.core.codegen.JITCodeLibrary")
    spec = importlib.util.spec_from_file_location("compilation_elsewhere", module.__file__)
    assert spec is not None
    assert spec.loader is not None
    elsewhere = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(elsewhere)
    assert "pipeline_class" not in elsewhere._OPTIONS
    dispatcher = elsewhere.entry(lambda x: x * np.ones(3)[1], {})
    assert dispatcher(2.0) == 2.0
    assert "pipeline_class" not in dispatcher.targetoptions
    assert dispatcher._compiler.pipeline_class is numba.core.compiler.Compiler


def test_machine_code_is_made_of_a_kernel_and_not_of_what_it_calls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[str] = []
    make = JITCodeLibrary._finalize_specific

    def noted(library: JITCodeLibrary) -> None:
        made.append(library.name)
        make(library)

    monkeypatch.setattr(JITCodeLibrary, "_finalize_specific", noted)
    third = kernel(lambda x: x * np.ones(3)[1])
    second = kernel(lambda x: third(x) + 1.0)
    first = kernel(lambda x: second(x) + third(x))
    assert first(2.0) == 5.0
    assert len(made) - made.count("nrt") == 1  # memory is Numba's own
    made.clear()
    assert second(2.0) == 3.0  # which Python calls after all
    assert len(made) == 1


def _sum_of_squares(x: np.ndarray) -> float:
    total = 0.0
    for value in x:
        total += value * value
    return total


def test_a_kernel_of_short_loops_is_not_made_for_long_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        module, "_keep", lambda *_: None
    )  # what is read back has no code to look at
    inside = kernel(_sum_of_squares)

    def twice(x: np.ndarray) -> float:
        return inside(x) + inside(x[::2])

    plain, short = kernel(twice), kernel(twice, short_loops=True)
    x = 1.0 / np.arange(1.0, 100.0)
    assert short(x) == plain(x)
    assert "optsize" not in "".join(plain.inspect_llvm().values())
    assert "optsize" in "".join(short.inspect_llvm().values())


def test_the_meaning_of_an_operation_is_sought_once_for_each_kind_of_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sought: list[object] = []
    resolve = BaseContext.resolve_function_type

    def noted(*asked: object) -> object:
        sought.append(asked)
        return resolve(*asked)

    monkeypatch.setattr(module, "_RESOLVE", noted)
    monkeypatch.setattr(module, "_KNOWN", defaultdict(dict))
    first = numba.njit(**module._OPTIONS)(lambda x: x + 1.0 + 1.0 + 1.0)
    assert first(2.0) == 5.0
    assert len(sought) == 1
    assert first(2) == 5.0
    assert len(sought) == 2  # n + 1.0; x + 1.0 is known
    assert kernel(lambda x: x[1:][0])(np.arange(3.0)) == 1.0  # a slice cannot be looked up


def _remainder_first(n: int) -> float:
    x = n
    rest = x % 2
    x = 0.5
    return rest + x


def _raised(x: np.ndarray) -> float:
    x = x.reshape(1, x.size)
    return x[0, 1]


def test_a_variable_may_stand_for_values_of_several_types() -> None:
    assert kernel(_remainder_first)(2**53 + 1) == 1.5  # as a float it would be even
    assert kernel(_raised)(np.arange(3.0)) == 1.0
    with pytest.raises(numba.TypingError):
        kernel(_raised)(1.0)


def test_numba_is_left_as_it_was_found_by_kernels_that_compile_and_that_do_not() -> None:
    resolve = BaseContext.resolve_function_type
    for value in (1.0, "word"):
        with contextlib.suppress(numba.TypingError):
            kernel(lambda x: x / 2.0)(value)
        assert gc.isenabled()
        assert gc.get_freeze_count() == 0
        assert cpu_target.target_context.codegen()._library_class is JITCodeLibrary
        assert BaseContext.resolve_function_type is resolve
    # One of Numba's own functions that was compiled as a part of a kernel serves others too.
    assert kernel(lambda n: np.full(n, 0.5).sum())(4) == 2.0
    assert numba.njit(lambda n: np.full(n, 0.5).sum())(4) == 2.0
    # So does one that calls others, |z| by the hypotenuse, or a kernel that does.
    size = kernel(lambda z: abs(z))
    assert kernel(lambda z: size(z) + 1.0)(3.0 + 4.0j) == 6.0
    assert numba.njit(lambda z: abs(z) + size(z), error_model="numpy")(3.0 + 4.0j) == 10.0


@pytest.mark.parametrize("change", [("x * f", "x * x * f"), ("f = 1.0", "f = 4.0")])
def test_an_edit_in_the_file_of_a_kernel_that_is_called_is_seen(
    folder: Path, change: tuple[str, str]
) -> None:
    decorated = "from rmtspec.solve.kernel import kernel\nf = 1.0\n@kernel\n"
    other = decorated + "def scaled(x):\n    return x * f\n"
    own = "from other import scaled\n" + _OWN.replace("x * x", "x * scaled(x)")
    (folder / "own.py").write_text(own)
    (folder / "other.py").write_text(other)
    assert _run(folder) == ("9.0", True)
    (folder / "other.py").write_text("# A remark changes nothing.\n" + other)
    assert _run(folder) == ("9.0", False)
    (folder / "other.py").write_text(other.replace(*change))
    assert _run(folder) == ("27.0" if "x" in change[0] else "36.0", True)


def test_compiled_code_is_kept_whatever_the_order_of_sets_in_a_process(folder: Path) -> None:
    decorated = "from rmtspec.solve.kernel import kernel\n@kernel(fastmath={'nsz', 'contract'})\n"
    (folder / "other.py").write_text(decorated + "def whole(x):\n    return x * x\n")
    own = "from other import whole\n" + _OWN.replace("x * x", "whole(x)")
    (folder / "own.py").write_text(own)
    seeds = ("1", "2", "3", "4")  # of the hashes of strings, which order a set
    assert [_run(folder, PYTHONHASHSEED=seed)[1] for seed in seeds] == [True, False, False, False]


def test_kernels_made_for_other_functions_are_told_apart() -> None:
    def applied(inner):  # type: ignore[no-untyped-def]
        return kernel(lambda x: inner(x) + 1.0)

    one, other = (applied(kernel(f)) for f in (lambda x: 2.0 * x, lambda x: 3.0 * x))
    assert module.fingerprint(one.py_func) != module.fingerprint(other.py_func)
    assert module.fingerprint(one.py_func) == module.fingerprint(one.py_func)
    assert (one(1.0), other(1.0)) == (3.0, 4.0)


def test_one_function_with_other_options_is_another_kernel_on_disk(folder: Path) -> None:
    functions = """
def square(x):
    return x * x

plain, compact, quick = (
    kernel(**options)(square) for options in ({}, {"short_loops": True}, {"fastmath": True})
)
"""
    (folder / "both.py").write_text("from rmtspec.solve.kernel import kernel\n" + functions)
    for name in ("plain", "compact", "quick"):
        (folder / "own.py").write_text(f"from both import {name} as square\n")
        assert _run(folder) == ("9.0", True)
        assert _run(folder) == ("9.0", False)


@pytest.mark.parametrize("options", [{}, {"fastmath": {"contract"}}])
def test_kernels_follow_ieee_and_run_without_python(options: dict[str, object]) -> None:
    compiled = kernel(**options)(lambda x: 1.0 / x)
    assert compiled(0.0) == float("inf")
    assert compiled.targetoptions["nogil"]
    assert compiled.targetoptions.get("fastmath", None) == options.get("fastmath")


def test_a_cache_that_numba_moved_is_left_to_numba(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FunctionCache", None)
    monkeypatch.setattr("numba.config.CACHE_DIR", "")  # which would take the place of __pycache__
    monkeypatch.syspath_prepend(str(folder))
    own = importlib.import_module("own")
    assert own.square(3.0) == 9.0
    assert list(folder.glob("__pycache__/*.nbc"))
    monkeypatch.delitem(sys.modules, "own")
    shutil.rmtree(folder / "__pycache__")


def test_numba_is_imported_with_the_first_kernel_that_is_called_and_not_before() -> None:
    program = (
        "import sys, rmtspec as rs\n"
        "law = rs.SampleCovariance(0.5, rs.PopulationSpectrum.isotropic()).spectrum()\n"
        "print('numba' in sys.modules)\n"
        "law.support\n"
        "print('numba' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.split() == ["False", "True"]
