"""The command line of linear denoisers: what it prints, draws and refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.cli.main import main

FORWARD, REVERSE = "data||model", "model||data"


def refuse_constant(name):
    raise AssertionError(f"{name} is not JSON")


@pytest.fixture
def report(capsys):
    """Run with --json and return the report; nothing but strict JSON may be printed."""

    def _report(*arguments):
        assert main(["linear", *arguments, "--json"]) == 0
        return json.loads(capsys.readouterr().out, parse_constant=refuse_constant)

    return _report


@pytest.fixture
def samples(tmp_path):
    x = np.random.default_rng(0).normal(size=(90, 60))
    np.save(tmp_path / "x.npy", x)
    return x, str(tmp_path / "x.npy")


def column(shown, name):
    return [row[name] for row in shown["loads"]]


def test_json_holds_the_averages_to_the_last_digit(report):
    shown = report("--power-law", "1:50", "--load", "0.5,1,2:8:3", "--c", "0.1", "--t", "0.2")
    model = rs.LinearDenoiser(rs.PopulationSpectrum.power_law(1, 50), [0.5, 1, 2, 4, 8], 0.1)
    level = np.exp(-0.4)
    assert column(shown, "load") == [0.5, 1, 2, 4, 8]
    assert column(shown, "samples") == [25, 50, 100, 200, 400]
    assert shown["optimal_loss"] == model.optimal_loss(level)
    for name in ("train_loss", "test_loss", "alignment", "alignment_pair"):
        np.testing.assert_array_equal(column(shown, name), getattr(model, name)(level))
    for way in (FORWARD, REVERSE):
        np.testing.assert_array_equal([row["kl"][way] for row in shown["loads"]], model.kl(way))
    assert shown["model"] == {
        "alpha_bar": level,
        "t": pytest.approx(0.2, rel=1e-14),
        "c": 0.1,
        "dimension": 50,
        "corrected": False,
        "empirical_mean": False,
    }
    assert shown["warnings"] == []
    assert not any(column(shown, "own"))


def test_an_infinite_divergence_is_the_string_inf(report, capsys):
    shown = report("--load", "0.5,1,2")
    assert [row["kl"][FORWARD] for row in shown["loads"]][:2] == ["inf", "inf"]
    assert [row["kl"][REVERSE] for row in shown["loads"]][:2] == ["inf", 0.5]
    assert main(["linear", "--load", "0.5"]) == 0
    assert capsys.readouterr().out.split()[-2:] == ["inf", "inf"]


def test_table_shows_what_json_holds(capsys, report):
    arguments = ["--power-law", "1:50", "--load", "0.5:8:4", "--c", "0.1"]
    shown = report(*arguments)
    assert main(["linear", *arguments]) == 0
    out = capsys.readouterr().out
    rows = [line.split() for line in out.splitlines()]
    for row in shown["loads"]:
        values = [row["train_loss"], row["test_loss"], row["alignment"], row["alignment_pair"]]
        cells = [f"{value:.6g}" for value in [*values, *row["kl"].values()]]
        assert [f"{row['load']:.6g}", f"{row['samples']:.8g}", *cells] in rows
    assert f"optimal loss  {shown['optimal_loss']:.6g}" in out


def test_signal_and_time_are_two_names_of_one_level(report):
    by_time = report("--t", "0.25", "--load", "2")
    by_signal = report("--alpha-bar", repr(float(np.exp(-0.5))), "--load", "2")
    assert by_time == by_signal
    assert report("--load", "2") == report("--load", "2", "--t", "0.01")


def test_a_range_of_loads_is_even_in_the_logarithm_and_its_ends_are_exact(report):
    loads = column(report("--load", "0.1:100:13"), "load")
    assert loads[0] == 0.1
    assert loads[-1] == 100.0
    assert 1.0 in loads
    # Twelve digits are kept.
    np.testing.assert_allclose(np.diff(np.log(loads)), np.log(1000) / 12, rtol=1e-11)
    assert column(report("--load", "2,0.5,2,4:1:2"), "load") == [0.5, 1, 2, 4]
    assert column(report(), "load") == loads


@pytest.mark.parametrize("law", ["fresh", "sample"])
def test_population_of_a_file_is_the_one_asked_for(report, samples, law):
    x, path = samples
    shown = report("--data", path, "--law", law, "--load", "0.5,4", "--alpha-bar", "0.9")
    population = rs.PopulationSpectrum.from_samples(x, debias=law == "fresh")
    model = rs.LinearDenoiser(population, [0.5, 1.5, 4])
    np.testing.assert_array_equal(column(shown, "test_loss"), model.test_loss(0.9))
    assert column(shown, "own") == [False, True, False]
    data = shown["data"]
    assert (data["samples"], data["dimension"], data["load"]) == (90, 60, 1.5)
    assert data["participation_ratio"] == population.participation_ratio


def test_participation_ratio_without_bias_is_measured_back_with_it(report, samples):
    data = report("--data", samples[1], "--law", "sample")["data"]
    # White data in 60 dimensions: measured about 1/(1/60 + 1/90) = 36.
    assert 34 < data["participation_ratio"] < 38
    assert 55 < data["participation_ratio_unbiased"] < 65


def test_the_next_order_is_added_at_whole_numbers_of_samples(report):
    shown = report("--power-law", "1:50", "--load", "0.503,3", "--c", "0.1", "--corrected")
    assert column(shown, "samples") == [25, 150]
    model = rs.LinearDenoiser(rs.PopulationSpectrum.power_law(1, 50), [0.5, 3.0], 0.1)
    level = shown["model"]["alpha_bar"]
    for name in ("train_loss", "test_loss", "alignment"):
        values = getattr(model, name)(level, corrected=True)
        np.testing.assert_array_equal(column(shown, name), values)
    assert shown["loads"][1]["kl"][FORWARD] == model.kl(corrected=True)[1]
    assert shown["warnings"] == []
    given = report("--load", "3", "--corrected", "--dimension", "50", "--empirical-mean")
    assert given["model"]["empirical_mean"]
    flat = rs.LinearDenoiser(
        rs.PopulationSpectrum.isotropic(), [3.0], dimension=50, empirical_mean=True
    )
    np.testing.assert_array_equal(column(given, "test_loss"), flat.test_loss(level, corrected=True))


def test_rows_where_the_next_order_is_large_are_warned_about(report):
    shown = report("--power-law", "1:10", "--load", "1,100", "--alpha-bar", "0.9999", "--corrected")
    assert len(shown["warnings"]) == 1
    assert "at n/d = 1:" in shown["warnings"][0]


def test_digits_and_photographs_are_ready_examples(report):
    pytest.importorskip("sklearn")
    data = report("--data", "digits", "--load", "1")["data"]
    assert (data["samples"], data["dimension"]) == (1797, 64)
    assert 13.1 < data["participation_ratio"] == data["participation_ratio_unbiased"] < 13.3
    pytest.importorskip("skimage")
    data = report("--data", "photographs", "--load", "1")["data"]
    assert (data["samples"], data["dimension"]) == (32174, 64)


def test_picture_is_drawn_for_one_load_and_for_data(tmp_path, samples, capsys):
    for name, arguments in (("a.png", ["--load", "2"]), ("b.svg", ["--data", samples[1]])):
        assert main(["linear", *arguments, "--plot", str(tmp_path / name)]) == 0
        assert (tmp_path / name).stat().st_size > 10_000
        assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--alpha-bar", "0"], ["alpha_bar", "0", "(0, 1)"]),
        (["--alpha-bar", "1"], ["alpha_bar", "1", "(0, 1)"]),
        (["--alpha-bar", "nan"], ["--alpha-bar", "nan"]),
        (["--alpha-bar", "half"], ["--alpha-bar", "'half'", "number"]),
        (["--t", "0"], ["t must", "0"]),
        (["--t", "-1"], ["t must", "-1"]),
        (["--t", "inf"], ["--t: must", "inf"]),
        (["--t", "1e-20"], ["t must", "1e-20"]),
        (["--t", "1", "--alpha-bar", "0.5"], ["not allowed with"]),
        (["--c", "-1"], ["c must", "-1"]),
        (["--c", "nan"], ["--c: must", "nan"]),
        (["--c", "many"], ["--c", "'many'"]),
        (["--load", ""], ["--load", "FIRST:LAST:COUNT", "''"]),
        (["--load", "0"], ["load", "0", "1e-09"]),
        (["--load=-1,2"], ["load", "-1"]),
        (["--load", "nan"], ["load", "nan"]),
        (["--load", "inf"], ["load", "inf"]),
        (["--load", "1e300"], ["load", "1e+300"]),
        (["--load", "1,x"], ["--load", "FIRST:LAST:COUNT", "'1,x'"]),
        (["--load", "1:2"], ["--load", "FIRST:LAST:COUNT", "'1:2'"]),
        (["--load", "0:2:3"], ["--load", "positive", "'0:2:3'"]),
        (["--load", "1:inf:3"], ["--load", "positive", "'1:inf:3'"]),
        (["--load", "1:2:3:4"], ["--load", "FIRST:LAST:COUNT"]),
        (["--load", "1:2:2.5"], ["--load", "FIRST:LAST:COUNT"]),
        (["--load", "1:2:1"], ["--load", "COUNT", "[2, 10000]", "1"]),
        (["--load", "1:2:999999999"], ["--load", "COUNT", "999999999"]),
        (["--corrected"], ["--corrected", "--dimension D"]),
        (["--dimension", "0", "--corrected"], ["dimension", ">= 1", "0"]),
        (["--dimension", "2.5"], ["--dimension", "integer", "'2.5'"]),
        (["--population", "0"], ["eigenvalues", "positive"]),
        (["--unit-variance"], ["--unit-variance", "--data"]),
        (["--data", "digits", "--power-law", "1:4"], ["not allowed with"]),
        (["--data", "none.npy"], ["none.npy", "No such file"]),
        (["--data", "digits", "--dimension", "65"], ["--dimension", "65"]),
        (["--spike", "4"], ["--spike"]),
        (["--plot", "x.txt"], ["--plot", "x.txt"]),
    ],
)
def test_bad_input_ends_with_one_line_that_names_it(capsys, arguments, parts):
    with pytest.raises(SystemExit) as caught:
        main(["linear", *arguments])
    out, err = capsys.readouterr()
    assert (caught.value.code, out, err.count("\n")) == (2, "", 1)
    for part in parts:
        assert part in err


def test_help_says_how_infinity_is_written(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["linear", "--help"])
    assert caught.value.code == 0
    out = " ".join(capsys.readouterr().out.split())
    assert 'an infinite divergence is the string "inf"' in out
    for option in ("--load", "--alpha-bar", "--t", "--c", "--corrected", "--data", "--plot"):
        assert option in out
