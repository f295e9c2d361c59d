"""`rmtspec compare`: eigenvalues and curves from files, as text, JSON and a picture."""

from __future__ import annotations

import json

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.cli.main import main

MODEL = rs.RandomFeatureModel(4, 2, 0.1)
OPTIONS = ["--psi-p", "4", "--psi-n", "2", "--t", "0.1"]


@pytest.fixture
def file(tmp_path):
    np.save(tmp_path / "e.npy", rs.simulate(MODEL, 30, 0, size=3))
    return str(tmp_path / "e.npy")


def test_the_shell_says_what_python_says(file, capsys, tmp_path):
    picture = tmp_path / "c.png"
    arguments = ["compare", file, *OPTIONS, "--dimension", "30"]
    assert main([*arguments, "--plot", str(picture)]) == 0
    found = rs.compare(file, MODEL, 30, rng=0)
    assert capsys.readouterr().out == f"{found}\n"
    assert picture.stat().st_size > 10_000
    assert main([*arguments, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["chi2"] == found.chi2
    assert shown["source"] == file


def test_a_null_is_drawn_from_its_seed(file, capsys):
    arguments = ["compare", file, *OPTIONS, "--null", "simulate", "--null-draws", "20", "--json"]
    assert main([*arguments, "--seed", "3"]) == 0
    shown = json.loads(capsys.readouterr().out)
    found = rs.compare(file, MODEL, null="simulate", null_draws=20, rng=3)
    assert shown["pvalue"] == found.pvalue


def test_curves_of_a_table_over_steps(capsys, tmp_path):
    table = rs.simulate_curves(MODEL, 20, 0, [1.0, 10.0, 100.0], 3).to_dataframe()
    table["step"] = table.pop("tau") * 20**2 / 0.1
    table.to_csv(tmp_path / "curves.csv", index=False)
    arguments = ["compare", str(tmp_path / "curves.csv"), *OPTIONS, "--dimension", "20"]
    assert main([*arguments, "--learning-rate", "0.1", "--plot", str(tmp_path / "c.svg")]) == 0
    assert "train at tau 100" in capsys.readouterr().out
    assert (tmp_path / "c.svg").stat().st_size > 5_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.npy"], "observed must be a file that exists"),
        (["FILE", "--dimension", "31"], "observed must hold psi_p d = 124 eigenvalues"),
        (["FILE", "--null", "guess"], "--null"),
        (["FILE", "--learning-rate", "0"], "learning"),
    ],
)
def test_refusals_take_one_line(arguments, message, file, capsys):
    words = [file if word == "FILE" else word for word in arguments]
    with pytest.raises(SystemExit) as ended:
        main(["compare", words[0], *OPTIONS, *words[1:]])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
