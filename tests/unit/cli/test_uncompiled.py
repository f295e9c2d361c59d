"""Commands on small models need no compiled kernels, and say the same without them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rmtspec.cli import main as cli
from rmtspec.cli.main import main

_PROGRAM = (
    "import sys; from rmtspec.cli.main import main; "
    "status = main(sys.argv[1:]); print('numba' in sys.modules); sys.exit(status)"
)


def _compiles(*arguments: str) -> bool:
    """Whether a command imports Numba in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *arguments],
        env={**os.environ, "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout.splitlines()[-1] == "True"


@pytest.mark.parametrize("command", ["spectrum", "timescales", "curves", "linear"])
def test_a_small_model_is_drawn_without_compiling(command: str, tmp_path: Path) -> None:
    assert not _compiles(command, "--plot", str(tmp_path / "picture.png"))


@pytest.mark.parametrize(
    "arguments",
    [
        ("timescales", "--power-law", "1:9"),
        ("timescales", "--power-law", "1:8", "--spike", "20"),
        ("linear", "--load", "0.1:10:201"),
        # Uncompiled, the pairs of 1,504 nodes take most of a minute, of one atom.
        ("curves", "--step", "14", "--momentum", "0.99", "--tau", "1"),
    ],
)
def test_a_larger_job_is_compiled(arguments: tuple[str, ...]) -> None:
    assert _compiles(*arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ("spectrum", "--psi-p", "3", "--psi-n", "2", "--t", "0.5"),
        ("spectrum", "--population", "1,4", "--spike", "30", "--activation", "relu"),
        ("timescales", "--power-law", "1:8"),
        ("curves", "--tau", "0,1,100", "--prediction", "noise"),
        ("linear", "--power-law", "1:8", "--corrected"),
    ],
)
def test_the_table_is_that_of_compiled_kernels(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(arguments) == 0
    plain = capsys.readouterr()
    monkeypatch.setattr(cli, "is_small", lambda arguments: False)
    assert main(arguments) == 0
    assert plain == capsys.readouterr()


def test_what_divides_by_zero_is_compiled(capsys: pytest.CaptureFixture[str]) -> None:
    # Newton's method is at k = infinity here, where compiled code has 1/k = 0 and Python an error.
    extreme = ["--psi-p", "660.024", "--psi-n", "5.61585e7", "--t", "4.5793e-6"]
    atoms = ["--activation", "relu", "--population", "0.0199006:1e-12,0.206596:1"]
    assert main(["curves", *extreme, *atoms, "--prediction", "noise", "--json"]) == 0
    losses = json.loads(capsys.readouterr().out)["curves"]["train"]
    assert np.all(np.isfinite(losses))
