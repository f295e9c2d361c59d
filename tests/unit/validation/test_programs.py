"""The validation programs: their arguments, their memory, and that they notice a wrong answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from rmtspec.reference import random_feature as twin
from validation.__main__ import main
from validation.certificates import certify as certify_module
from validation.certificates import law as law_module
from validation.certificates.draws import (
    ACTIVATIONS,
    EQUAL,
    POINTS_PER_SET,
    RATIOS,
    SHARES,
    parameter_set,
)  # fmt: skip
from validation.certificates.ensemble import System
from validation.certificates.equations import Parameters, judge
from validation.certificates.summary import merge, passed
from validation.harness.chance import exponent_of_errors
from validation.harness.records import ForeignRecordsError, read_json, write_json
from validation.harness.result_file import load
from validation.spectra import run as simulate_module
from validation.spectra.draws import Observable
from validation.spectra.settings import SCALES, Setting

ROOT = Path(__file__).parents[3]
TINY = Setting(
    "tiny", "covariance", 0.5, matrices=("data",), levels=(0.5,), draws={20: 6, 40: 6}, trend=True
)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["prove"],
        ["certify", "--draws", "0"],
        ["certify", "--draws", "ten"],
        ["certify", "--draws", "100", "--reference", "101"],
        ["certify", "--processes", "0"],
        ["law", "--draws", "-3"],
        ["law", "--seed", "-1"],
        ["simulate", "--scale", "huge"],
        ["linear", "--scale", "huge"],
        ["curves", "--scale", "huge"],
        ["digits", "--seed", "-1"],
        ["scaling", "--plot", "/"],
        ["simulate", "--output", "/no/such/directory/records.jsonl"],
        ["simulate", "--output", "/"],
    ],
)
def test_a_wrong_argument_ends_with_status_2_and_one_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def _without_reader(*command: str) -> tuple[int, str]:
    """Exit status and standard error of a Python whose standard output nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, *command], stdout=writer, stderr=subprocess.PIPE, text=True, cwd=ROOT
        )
    finally:
        os.close(writer)
    return done.returncode, done.stderr


def test_a_command_ends_quietly_and_whole_when_nobody_reads_its_output(tmp_path: Path) -> None:
    for arguments in (
        ["--help"],
        ["list"],
        ["run", "norm", "--results", str(tmp_path)],
        ["report", "--results", str(tmp_path), "--output", str(tmp_path / "page.html")],
    ):
        assert _without_reader("-m", "validation", *arguments) == (0, ""), arguments
    assert load(tmp_path / "norm.smoke.jsonl").checks


def test_a_failure_is_told_by_the_status_when_nobody_reads_the_table() -> None:
    broken = (
        "import sys; from validation.__main__ import main; from validation.certificates import law;"
        "law.PROMISED['moment 2'] = -1.0; sys.exit(main(['law', '--draws', '1']))"
    )
    assert _without_reader("-c", broken) == (1, "")


def test_a_file_of_another_run_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "certificate.json"
    for content in ('{"arguments": {"program": "law"}}', "[1]", "{"):
        file.write_text(content)
        with pytest.raises(SystemExit) as stop:
            main(["certify", "--draws", "10", "--output", str(file)])
        assert stop.value.code == 2
        assert capsys.readouterr().err.count("\n") == 1
        assert file.read_text() == content


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "record.json"
    write_json(file, {"arguments": {"seed": 1}, "value": 1})
    with pytest.raises(TypeError):
        write_json(file, {"arguments": {"seed": 1}, "value": object()})
    assert read_json(file, {"seed": 1}) == {"arguments": {"seed": 1}, "value": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]
    with pytest.raises(ForeignRecordsError, match="seed"):
        read_json(file, {"seed": 2})


def test_an_interrupted_certificate_resumes_to_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certify_module, "SETS_PER_CHUNK", 4)
    arguments = ["certify", "--draws", "100", "--reference", "4", "--processes", "1", "--output"]
    whole, broken = tmp_path / "whole.json", tmp_path / "broken.json"
    assert main([*arguments, str(whole)]) == 0

    real = certify_module._chunk
    calls: list[int] = []

    def interrupted(job: Any) -> Any:
        calls.append(job[1])
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(job)

    monkeypatch.setattr(certify_module, "_chunk", interrupted)
    assert main([*arguments, str(broken)]) == 130
    assert list(json.loads(broken.read_text())["chunks"]) == ["00000000"]
    assert main([*arguments, str(broken)]) == 0
    assert calls == [0, 4, 4, 8]
    assert broken.read_bytes() == whole.read_bytes()


def test_an_interrupted_simulation_resumes_to_the_same_file(
    resumes_to_the_same_file: Callable[[str, ModuleType], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SCALES, "smoke", lambda: [TINY])
    assert resumes_to_the_same_file("simulate", simulate_module)


def test_random_sets_hold_the_promised_ranges_and_shares_of_each_relation() -> None:
    sets = [parameter_set(0, index) for index in range(1000)]
    for drawn in sets:
        low, high = (1e-6, 1e9) if drawn.ratio == "far apart" or drawn.given else (0.05, 1001.1)
        assert low <= drawn.psi_p <= high
        assert low <= drawn.psi_n <= high
        assert 1e-6 <= drawn.t <= 10.0
        assert 1 <= len(drawn.eigenvalues) <= 50
        assert np.min(drawn.eigenvalues) >= 0.0
    shares = [sum(drawn.ratio == name for drawn in sets) / 1000 for name in RATIOS]
    # Three standard deviations of a binomial share of at most 0.4 among 1000.
    np.testing.assert_allclose(shares, SHARES, atol=3 * np.sqrt(0.24 / 1000))
    for name, relation in zip(EQUAL, (
        lambda drawn: drawn.psi_p / drawn.psi_n, lambda drawn: drawn.psi_p / (1 + drawn.psi_n),
        lambda drawn: drawn.psi_p, lambda drawn: drawn.psi_n,
    ), strict=True):  # fmt: skip
        assert all(relation(drawn) == 1.0 for drawn in sets if drawn.ratio == name)
        near = [
            abs(relation(drawn) - 1.0)
            for drawn in sets
            if drawn.ratio == f"{name}, nearly" and not (drawn.given and name == "psi_n = 1")
        ]
        assert 0.9e-14 < min(near) < 1e-9 < max(near) < 1.1e-3
    given = [drawn for drawn in sets if drawn.given]
    assert {int(np.sign(drawn.psi_n - 1.0)) for drawn in given} == {-1, 0, 1}
    assert {drawn.activation for drawn in sets} == set(ACTIVATIONS)
    assert any(np.any(drawn.eigenvalues == 0.0) for drawn in sets)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda found: replace(found, k=found.k * (1 + 1e-9)), "residual"),
        (lambda found: replace(found, y=found.y * (1 - 1e-9)), "residual"),
        (lambda found: replace(found, k=found.k.conj(), y=found.y.conj()), "physical branch"),
        (lambda found: replace(found, converged=np.zeros_like(found.converged)), "not converged"),
        (lambda found: replace(found, values=found.values * (1 + 1e-8)), "relative error"),
        (lambda found: replace(found, bound=found.bound * 0.0), "relative error"),
    ],
)
def test_the_certificate_notices_a_wrong_answer(
    change: Any, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert passed(certify_module.certify_set(0, 1, 2))
    real = System.solve
    monkeypatch.setattr(System, "solve", lambda self, points: change(real(self, points)))
    summary = certify_module.certify_set(0, 1, 2)
    assert not passed(summary)
    assert any(reason in failure for failure in summary["failures"])


def test_merged_summaries_add_up_however_they_are_grouped() -> None:
    parts = [certify_module.certify_set(0, index, 1) for index in range(4)]
    whole = merge(parts)
    assert whole == merge([merge(parts[:1]), merge(parts[1:])])
    assert whole["points"] + whole["skipped"] == 4 * POINTS_PER_SET
    assert whole["reference"]["points"] == 4
    for classes in whole["classes"].values():
        assert sum(points for points, _ in classes.values()) == whole["points"]
    errors = [part["worst"]["residual"][0] for part in parts]
    assert whole["worst"]["residual"][0] == max(errors)


def test_extended_precision_equations_hold_at_the_reference_root_and_give_its_slope() -> None:
    p = Parameters(2.0, 3.0, 0.5, 0.25, 0.125, 0.0, np.array([0.5, 1.5]), np.array([0.25, 0.75]))
    step = 1e-6
    z = np.array([1.0 + 0.5j, -1.0, -1.0 + step, -1.0 - step])
    exact = [
        twin.solve(complex(x), 2, 3, [0.5, 1.5], [0.25, 0.75], 0.5, 0.25, 0.125, 0, digits=20)
        for x in z
    ]
    k, y = (np.array([complex(getattr(root, name)) for root in exact]) for name in ("k", "y"))
    found = judge(p, z, k, y)
    # The root is rounded to doubles, each term by half a unit in the last place.
    assert np.max(found.residual) < 4 * np.finfo(float).eps
    # Central differences: truncation of order step^2, rounding of order eps/step.
    np.testing.assert_allclose(complex(found.dk[1]), (k[2] - k[3]) / (2 * step), rtol=1e-9)
    np.testing.assert_allclose(complex(found.dy[1]), (y[2] - y[3]) / (2 * step), rtol=1e-9)


@pytest.mark.parametrize(
    ("observable", "values", "expected"),
    [
        (Observable("q", 1.0, 1.0), [1.0, 1.02], True),
        (Observable("q", 1.0, 1.0), [1.11, 1.111], False),
        (Observable("q", 1.0, 12.0), [1.11, 1.111], True),
        (Observable("count", 40.0, 0.0), [40.0, 40.0], True),
        (Observable("count", 40.0, 0.0), [40.0, 41.0], False),
    ],
)
def test_a_mean_may_miss_by_three_standard_errors_plus_c_over_d_and_a_count_not_at_all(
    observable: Observable, values: list[float], expected: bool
) -> None:
    run = simulate_module.Run(TINY, "data", 100, len(values))
    row = simulate_module.judge(run, observable, np.array(values, dtype=np.complex128))
    assert row.passed is expected


def test_the_fitted_exponent_of_a_power_is_the_power() -> None:
    sizes = np.array([100.0, 200.0, 400.0])
    rng = np.random.default_rng(0)
    scatter = 1.0 + 0.1 * rng.standard_normal(50)
    squares = [(3.0 / d) ** 2 * scatter / scatter.mean() for d in sizes]
    slope, error = exponent_of_errors(sizes, squares)
    assert slope == pytest.approx(-1.0, abs=1e-12)
    assert 0.0 < error < 0.2


def test_laws_of_random_sets_keep_their_promises_and_a_broken_promise_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(law_module, "ATOMS", (64,))
    assert main(["law", "--draws", "4"]) == 0
    assert "edges" in capsys.readouterr().out
    monkeypatch.setitem(law_module.PROMISED, "moment 2", -1.0)
    assert main(["law", "--draws", "1"]) == 1
    assert "FAILED" in capsys.readouterr().out
