"""`rmtspec mixture` and `rmtspec time-integrated` say what Python says."""

from __future__ import annotations

import json

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.cli.main import main

CLASSES = ["--class", "0.6:2/0.5", "--class", "0.4:0.3/1", "--direction-weights", "0.4,0.6"]


def test_a_mixture_as_tables_json_and_picture(capsys, tmp_path):
    model = rs.MixtureModel(
        6, 3, 0.1, [rs.DataClass(0.6, [2.0, 0.5]), rs.DataClass(0.4, [0.3, 1.0])], [0.4, 0.6]
    )
    picture = tmp_path / "mixture.png"
    assert main(["mixture", *CLASSES, "--tau", "1,10,inf", "--plot", str(picture)]) == 0
    shown = capsys.readouterr().out
    assert shown == f"{model.summary([1.0, 10.0, np.inf])}\n"
    assert "class 1" in shown
    assert picture.stat().st_size > 10_000
    assert main(["mixture", *CLASSES, "--tau", "1,10,inf", "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    curves = model.learning_curves([1.0, 10.0, np.inf])
    np.testing.assert_allclose(values["curves"]["class_test"], curves.class_test, rtol=1e-12)
    assert values["curves"]["tau"][-1] == "inf"
    assert [bulk["name"] for bulk in values["bulks"]] == [*model.bulk_names()]


def test_a_network_of_all_times_as_tables(capsys):
    arguments = ["--times", "0.1,0.5", "--bias-scale", "0", "--skip", "-1", "--tau", "1,10"]
    assert main(["time-integrated", *arguments]) == 0
    model = rs.TimeIntegratedModel(6, 3, [0.1, 0.5], bias_scale=0.0, skip=-1.0)
    assert capsys.readouterr().out == f"{model.summary([1.0, 10.0])}\n"


def test_means_of_length_one_are_shown_as_single_eigenvalues(capsys):
    arguments = ["--class", "0.75:1:1.2", "--class", "0.25:0.4:-3", "--mean-unit", "1"]
    assert main(["mixture", "--psi-p", "4", "--psi-n", "4", *arguments, "--tau", "1"]) == 0
    assert "single eigenvalue" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["mixture"], "--class"),
        (["mixture", "--class", "1"], "argument --class: must be WEIGHT:VARIANCE"),
        (["mixture", "--class", "2:1"], "weight must be a finite number in (0, 1]"),
        (["mixture", "--class", "0.5:1"], "classes must have weights that sum to 1"),
        (["mixture", *CLASSES[:4], "--direction-weights", "0.4"], "direction_weights must sum"),
        (["mixture", *CLASSES[:4], "--direction-weights", "a"], "must be NUMBER,NUMBER"),
        (["time-integrated", "--window", "1"], "argument --window: must be FROM:TO"),
        (["time-integrated", "--window", "1:0.5"], "times must ascend"),
        (["time-integrated", "--times", "0.5,0.1"], "times must ascend"),
        (["time-integrated", "--time-weights", "1"], "argument --time-weights: needs --times"),
        (["time-integrated", "--nodes", "0"], "nodes must be an integer"),
    ],
)
def test_bad_input_takes_one_line(arguments, words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    error = capsys.readouterr().err
    assert ended.value.code == 2
    assert words in error
    assert error.count("\n") == 1
