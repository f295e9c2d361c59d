"""`rmtspec stop`: the report of a file, as a paragraph, as JSON and as a picture."""

from __future__ import annotations

import json

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.cli.main import main


@pytest.fixture
def file(tmp_path):
    rows = np.random.default_rng(0).normal(size=(120, 8)) * np.geomspace(2.0, 0.5, 8)
    np.save(tmp_path / "x.npy", rows)
    return rows, str(tmp_path / "x.npy")


def test_the_shell_says_what_python_says(file, capsys, tmp_path):
    rows, path = file
    arguments = ["stop", "--data", path, "--psi-p", "8", "--learning-rate", "0.1"]
    assert main([*arguments, "--plot", str(tmp_path / "stop.png")]) == 0
    report = rs.stopping_report(rows, 8.0, learning_rate=0.1, source=path)
    assert capsys.readouterr().out == f"{report}\n"
    assert (tmp_path / "stop.png").stat().st_size > 10_000
    assert main([*arguments, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["best"] == vars(report.best)
    assert shown["unit"] == "steps"


def test_times_of_the_report_are_told_apart_from_those_of_the_spectrum(file, capsys):
    assert main(["stop", "--data", file[1], "--psi-p", "8"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("tau_gen and tau_mem are by the test loss") == 1
    assert "5 % window; `rmtspec timescales` gives times of the spectrum" in shown


def test_data_are_needed(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["stop"])
    assert ended.value.code == 2
    assert "--data" in capsys.readouterr().err


def test_report_says_how_much_is_memorised_at_the_recommended_time(capsys, tmp_path):
    rng = np.random.default_rng(0)
    file = tmp_path / "rows.npy"
    np.save(file, rng.normal(size=(120, 8)))
    assert main(["stop", "--data", str(file), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert 0.0 < shown["memorised"]["value"] < 1.0
    assert shown["memorised"]["error"] > 0.0
    report = rs.stopping_report(np.load(file))
    assert report.memorised.value == shown["memorised"]["value"]
    assert f"{report.memorised} of the pull to its own samples is memorised" in str(report)
