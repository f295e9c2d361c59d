"""Hypothesis knows the classes of the package, whichever of the two is imported first."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "program",
    [
        "from rmtspec.testing import strategies; strategies.populations().example",
        "import hypothesis, rmtspec.testing.strategies as s; s.laws().example",
        "import rmtspec as rs; from hypothesis import find, strategies as st; "
        "find(st.from_type(rs.PopulationSpectrum), lambda one: True)",
    ],
)
def test_strategies_can_be_had_in_a_new_process(program):
    # The entry point is called while Hypothesis is imported, by whoever does that first.
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, timeout=120)
