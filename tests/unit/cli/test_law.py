"""One file, one answer: every command says whose law its numbers are, and all by one rule."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.cli.main import main

SMALL = ["--psi-p", "4", "--t", "0.1"]
GIVEN = "given these very rows, by the exact kernel of the neurons"
FRESH = "fresh rows of the population fitted to these"
COMMANDS = {
    "spectrum": SMALL,
    "timescales": SMALL,
    "curves": [*SMALL, "--tau", "10"],
    "linear": ["--load", "2"],
    "sweep": ["kl", "--load", "1,2", "--c", "0.1,1"],
}


@pytest.fixture
def path(tmp_path):
    scales = np.sqrt(np.geomspace(0.2, 5.0, 20))
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(60, 20)) * scales)
    return str(tmp_path / "x.npy")


@pytest.fixture
def report(path, capsys):
    def _report(command, *options):
        name, *rest = COMMANDS[command]
        arguments = [command, name, *rest, "--data", path, *options]
        assert main([*arguments, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return _report


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_says_whose_law_it_shows(report, command, path, capsys):
    over_loads = command in ("linear", "sweep")
    assert report(command)["data"]["law"] == (FRESH if over_loads else GIVEN)
    assert "covariance" in report(command, "--law", "sample")["data"]["law"]
    assert report(command, "--law", "fresh")["data"]["law"] == FRESH
    main([command, *COMMANDS[command], "--data", path])
    assert f"law           {FRESH if over_loads else GIVEN}" in capsys.readouterr().out


def test_commands_at_the_size_of_the_file_have_one_law(report):
    for option in ([], ["--law", "fresh"], ["--law", "sample"], ["--psi-n", "5"]):
        first, second = (report(name, *option) for name in ("spectrum", "timescales"))
        for key in ("bulks", "timescales", "data"):
            assert first[key] == second[key]
    first, second = (report(name, "--law", "fresh") for name in ("spectrum", "curves"))
    assert first["timescales"] == second["timescales"]
    assert [one["support"] for one in first["bulks"]] == [one["support"] for one in second["bulks"]]


def test_another_number_of_rows_asks_for_fresh_ones(report):
    assert report("spectrum", "--psi-n", "5")["data"]["law"] == FRESH
    shown = report("curves", "--psi-n", "5")
    assert (shown["data"]["law"], shown["model"]["psi_n"]) == (FRESH, 5)


def test_curves_without_held_out_rows_keep_a_fifth_as_the_stopping_report_does(report, path):
    shown = report("curves", "--unit-variance")
    assert shown["data"]["samples"] == 48
    assert shown["data"]["held_out"] == {"source": f"the fifth of {path}", "samples": 12}
    x = np.load(path)
    x = (x - x.mean(axis=0)) / np.sqrt(np.mean((x - x.mean(axis=0)) ** 2))
    order = np.random.default_rng(0).permutation(60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = rs.RandomFeatureModel.from_data(x[order[12:]], 4, 0.1, test=x[order[:12]])
        best = model.training().best_stopping()
        splits = rs.stopping_report(x, 4, 0.1)["best"]
    assert shown["best_stopping"]["tau"] == pytest.approx(best.tau, rel=1e-6)
    # The report is the geometric mean of two splits, of which this is the first; the error holds
    # half their distance.
    assert abs(best.tau - splits["value"]) < 3.0 * splits["error"]


def test_the_error_of_a_fitted_population_shrinks_with_the_rows(tmp_path, capsys):
    scales = np.sqrt(np.geomspace(0.2, 5.0, 20))
    found = []
    for count in (40, 4000):
        x = np.random.default_rng(1).normal(size=(count, 20)) * scales
        np.save(tmp_path / f"{count}.npy", x)
        file = str(tmp_path / f"{count}.npy")
        assert main(["curves", *COMMANDS["curves"], "--data", file, "--psi-n", "3", "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out)["data"]["errors"])
    assert found[0].keys() == found[1].keys()
    for name in ("its test loss", "final test loss", "final train loss"):
        assert 0.0 < found[1][name] < 0.5 * found[0][name] < 0.3


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["spectrum", "--law", "fresh"], ["--law", "--data"]),
        (["linear", "--law", "sample"], ["--law", "--data"]),
        (["linear", "--data", "digits", "--law", "given"], ["--law", "'given'"]),
        (["sweep", "kl", "--data", "digits", "--law", "given"], ["--law", "'given'"]),
        (["curves", "--data", "digits", "--law", "real"], ["--law", "'real'"]),
        (
            ["curves", "--data", "digits", "--law", "given", "--collapse", "x.png"],
            ["--collapse", "given"],
        ),
    ],
)
def test_a_law_that_cannot_be_had_is_refused(capsys, arguments, parts):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    out, err = capsys.readouterr()
    assert (caught.value.code, out, err.count("\n")) == (2, "", 1)
    for part in parts:
        assert part in err


@pytest.mark.parametrize(
    ("rows", "arguments", "parts"),
    [
        (4, ["curves", *SMALL], ["5 rows", "--held-out"]),
        (6, ["curves", *SMALL, "--law", "fresh"], ["samples >= 8", "--law sample"]),
        (6, ["linear"], ["samples >= 8", "--law sample"]),
    ],
)
def test_too_few_rows_are_refused_with_the_way_out(tmp_path, capsys, rows, arguments, parts):
    np.save(tmp_path / "few.npy", np.random.default_rng(0).normal(size=(rows, 3)))
    with pytest.raises(SystemExit):
        main([*arguments, "--data", str(tmp_path / "few.npy")])
    err = capsys.readouterr().err.splitlines()[-1]
    for part in parts:
        assert part in err
