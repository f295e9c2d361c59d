"""Compiled code on disk: kept where it can be, never needed, never believed when broken."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rmtspec.solve import kernel as module
from rmtspec.solve.edges import _golden_update

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
    """What a new process computes, and whether it had to compile."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("NUMBA")}
    paths = os.pathsep.join([str(folder), str(Path(module.__file__).parents[2])])
    # -B: Python's own files would otherwise make the folder that must not exist.
    done = subprocess.run(
        [sys.executable, "-B", "-c", _PROGRAM],
        env={**kept, "PYTHONPATH": paths, **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    value, hits, _ = done.stdout.split(maxsplit=2)
    return value, hits == "Counter()"


def test_compiled_code_is_kept_for_the_next_process(folder: Path) -> None:
    assert _run(folder) == ("9.0", True)
    assert _run(folder) == ("9.0", False)


def test_a_kernel_that_calls_others_beside_it_is_compiled_anew_when_one_of_them_changes(
    folder: Path,
) -> None:
    (folder / "other.py").write_text(_OWN.replace("square", "times").replace("x * x", "3.0 * x"))
    (folder / "own.py").write_text(
        "from rmtspec.solve.kernel import kernel\nfrom other import times\n\n"
        "@kernel(beside=True)\ndef square(x):\n    return times(x)\n"
    )
    assert _run(folder) == ("9.0", True)
    assert _run(folder) == ("9.0", False)
    (folder / "other.py").write_text(_OWN.replace("square", "times").replace("x * x", "x + 1.00"))
    assert _run(folder) == ("4.0", True)


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


def test_a_folder_that_vanishes_after_import_costs_the_cache_alone(folder: Path) -> None:
    (folder / "own.py").write_text(
        _OWN + "\nimport pathlib, shutil\nhere = pathlib.Path(__file__).parent / '__pycache__'\n"
        "shutil.rmtree(here, ignore_errors=True)\nhere.write_text('')\n"
    )
    assert _run(folder) == ("9.0", True)


def test_the_place_that_numba_keeps_the_cache_at_is_where_it_was() -> None:
    # Were it to move, kernels would be cached by Numba itself, which stops at broken files.
    assert module.FunctionCache is not None
    assert isinstance(_golden_update._cache, module._Cache)


@pytest.mark.parametrize("options", [{}, {"fastmath": {"contract"}}])
def test_kernels_follow_ieee_and_run_without_python(options: dict[str, object]) -> None:
    compiled = module.kernel(**options)(lambda x: 1.0 / x)
    assert compiled(0.0) == float("inf")
    assert compiled.targetoptions["nogil"]
    assert compiled.targetoptions.get("fastmath", None) == options.get("fastmath")


def test_a_cache_that_numba_moved_is_left_to_numba(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FunctionCache", None)
    monkeypatch.syspath_prepend(str(folder))
    own = importlib.import_module("own")
    assert own.square(3.0) == 9.0
    assert list(folder.glob("__pycache__/*.nbc"))
    monkeypatch.delitem(sys.modules, "own")
    shutil.rmtree(folder / "__pycache__")
