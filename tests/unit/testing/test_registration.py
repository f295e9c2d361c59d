"""Hypothesis knows the classes of the package, whichever of the two is imported first."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    "first", ["rmtspec", "hypothesis", "rmtspec.testing.strategies", "rmtspec.testing.registration"]
)
def test_whatever_is_imported_first_hypothesis_starts_with_the_package_registered(first, tmp_path):
    # The package may not be installed with its entry point here, so one is put before the
    # interpreter.  Hypothesis calls entry points while it is imported itself, by whoever
    # does that first.
    told = tmp_path / "told-1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: told\nVersion: 1.0\n")
    entry = "[hypothesis]\nrmtspec = rmtspec.testing.registration:register\n"
    (told / "entry_points.txt").write_text(entry)
    code = (
        f"import {first}, rmtspec; from hypothesis import find, strategies as st; "
        "print(find(st.from_type(rmtspec.PopulationSpectrum), lambda drawn: True))"
    )
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stdout == "PopulationSpectrum([1], weights=[1])\n"
