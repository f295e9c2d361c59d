"""The command line of phase diagrams: what it prints, draws, keeps and refuses."""

from __future__ import annotations

import dataclasses
import importlib.util
import io
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.cli.main import main
from rmtspec.sweeps.diagrams import DIAGRAMS
from rmtspec.sweeps.points import Evaluation
from rmtspec.sweeps.problems import BUILT_IN

RATIOS = ["--psi-p", "2,8,32", "--psi-n", "0.5,4"]
GRIDS = {
    "gap": RATIOS,
    "timescales": RATIOS,
    "stopping": RATIOS,
    "memorisation": [*RATIOS, "--tau", "1e3"],
    "kl": ["--load", "0.5,2,8", "--c", "0.01,0.1"],
}


def refuse_constant(name):
    raise AssertionError(f"{name} is not JSON")


@pytest.fixture
def report(capsys):
    """Run with --json and return the report; nothing but strict JSON may be printed."""

    def _report(*arguments):
        assert main(["sweep", *arguments, "--workers", "1", "--json"]) == 0
        out, err = capsys.readouterr()
        assert err == ""  # not even a progress bar: this is no terminal
        return json.loads(out, parse_constant=refuse_constant)

    return _report


@pytest.fixture
def refused(capsys):
    """Run bad input and return the one line on standard error."""

    def _refused(*arguments):
        with pytest.raises(SystemExit) as caught:
            main(["sweep", *arguments])
        out, err = capsys.readouterr()
        assert (caught.value.code, out) == (2, "")
        assert (err.count("\n"), err[-1]) == (1, "\n")
        return err

    return _refused


@pytest.mark.parametrize("name", DIAGRAMS)
def test_every_diagram_is_told_and_drawn(capsys, tmp_path, name):
    target = tmp_path / "map.png"
    assert main(["sweep", name, *GRIDS[name], "--workers", "1", "--plot", str(target)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert f"phase diagram {name}: {DIAGRAMS[name].question}" in out
    assert "6 points" in out
    for variable in DIAGRAMS[name].drawn:
        assert f"\n{variable}" in out
    assert target.stat().st_size > 10_000


def test_json_holds_the_sweep_to_the_last_digit(report):
    shown = report("timescales", *RATIOS, "--t", "0.1", "--activation", "erf")
    data = DIAGRAMS["timescales"].compute(
        psi_p=[2, 8, 32], psi_n=[0.5, 4], t=0.1, activation="erf", progress=False, workers=1
    )
    assert shown["coords"] == {"psi_p": [2, 8, 32], "psi_n": [0.5, 4]}
    assert shown["fixed"] == {"t": 0.1, "activation": "erf"}
    assert (shown["problem"], shown["points"], shown["failed"]) == ("timescales", 6, 0)
    assert shown["population"] is shown["data"] is shown["store"] is shown["first_failure"] is None
    for name in ("tau_gen", "tau_mem", "ratio"):
        variable = shown["variables"][name]
        values = np.array(variable["values"], dtype=float)
        np.testing.assert_array_equal(values, data[name].values)
        assert variable["dims"] == ["psi_p", "psi_n"]
        known = values[np.isfinite(values)]
        (span,) = variable["range"]
        assert (span["least"], span["largest"]) == (known.min(), known.max())
        assert span["points"] == known.size
    # There is no sample bulk below one sample a dimension: null, for JSON has no NaN.
    assert shown["variables"]["tau_mem"]["values"][0][0] is None
    assert shown["shares"]["no sample bulk"] == 0.5


def test_shares_are_those_of_the_points(report):
    shown = report("gap", "--psi-p", "0.5,1.1,8", "--psi-n", "1.1,16")["shares"]
    gaps = []
    for psi_p in (0.5, 1.1, 8.0):
        for psi_n in (1.1, 16.0):
            gaps.append(BUILT_IN["edges"].function(psi_p, psi_n, 0.01)["gap"])
    gaps = np.array(gaps)
    assert shown == {
        "gap open": np.mean(gaps > 0.0),
        "gap closed": np.mean(gaps == 0.0),
        "fast bulk alone": np.mean(np.isnan(gaps)),
    }
    assert min(shown.values()) > 0.0


def test_share_of_memorised_models_is_that_below_the_boundary(report):
    axes = ["--psi-p", "1:100:5", "--psi-n", "1:100:6"]
    shown = report("memorisation", *axes, "--tau", "1e3,inf", "--gap", "0.2")
    boundary = np.array(shown["variables"]["boundary"]["values"])
    below = np.array(shown["coords"]["psi_n"])[:, None, None] < boundary
    assert shown["coords"]["tau"] == [1e3, "inf"]
    assert shown["shares"] == {
        "memorised at tau = 1000": below[..., 0].mean(),
        "memorised at tau = inf": below[..., 1].mean(),
    }


def test_population_is_that_of_the_options(report, tmp_path):
    x = np.random.default_rng(0).normal(size=(90, 60)) * np.linspace(0.5, 1.5, 60)
    np.save(tmp_path / "x.npy", x)
    for options, population in (
        (["--power-law", "1:40"], rs.PopulationSpectrum.power_law(1, 40)),
        (["--population", "0.5,1.5"], rs.PopulationSpectrum([0.5, 1.5])),
        (
            ["--data", str(tmp_path / "x.npy"), "--law", "sample"],
            rs.PopulationSpectrum.from_samples(x),
        ),
        (
            ["--data", str(tmp_path / "x.npy")],
            rs.PopulationSpectrum.from_samples(x, debias=True),
        ),
    ):
        shown = report("kl", *GRIDS["kl"], *options)
        model = rs.LinearDenoiser(population, 2.0, 0.1)
        found = shown["variables"]["kl_data_model"]["values"][1][1]
        assert found == float(model.kl("data||model"))
        assert shown["population"] == repr(population)
    assert (shown["data"]["samples"], shown["data"]["dimension"]) == (90, 60)


def test_training_rule_is_that_of_the_options(report):
    shown = report("stopping", *RATIOS, "--ridge", "0.1")
    training = rs.RandomFeatureModel(8.0, 4.0, 0.1).training(ridge=0.1)
    assert shown["variables"]["tau"]["values"][1][1] == training.best_stopping().tau
    assert shown["fixed"]["ridge"] == 0.1


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to catch")
def test_sigterm_ends_a_sweep_and_its_workers_and_keeps_what_is_finished(tmp_path):
    store = tmp_path / "store"
    many = ["--psi-p", "1:100:99", "--psi-n", "0.5:50:99", "--chunk", "2", "--workers", "2"]
    with subprocess.Popen(
        [sys.executable, "-m", "rmtspec", "sweep", "stopping", *many, "--store", str(store)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            until = time.monotonic() + 120
            while not any(store.glob("tau/c/**/[0-9]*")) and time.monotonic() < until:
                time.sleep(0.05)
            process.terminate()
            # Workers that are left behind hold the pipes open for minutes.
            out, err = process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    assert (process.returncode, out) == (143, "")
    assert f"interrupted: finished blocks are kept in {store}" in err


def test_a_store_is_resumed_and_tells_the_same(report, refused, tmp_path, monkeypatch, capsys):
    store = str(tmp_path / "store")
    arguments = ["kl", *GRIDS["kl"], "--store", store, "--chunk", "2"]
    computed, block, pilot = [], Evaluation.block, Evaluation.pilot

    def interrupted(self, where, **options):
        if len(computed) == 2:
            raise KeyboardInterrupt
        computed.append(where)
        return block(self, where, **options)

    monkeypatch.setattr(Evaluation, "block", interrupted)
    assert main(["sweep", *arguments, "--workers", "1"]) == 130
    assert f"finished blocks are kept in {store}" in capsys.readouterr().err
    assert len(computed) == 2

    def resumed(self, where, **options):
        computed.append(where)
        return block(self, where, **options)

    monkeypatch.setattr(Evaluation, "block", resumed)
    shown = report(*arguments)
    assert len(computed) == len({str(where) for where in computed}) == 3  # 6 points in twos
    monkeypatch.setattr(Evaluation, "block", None)
    again = report(*arguments)
    assert again == shown
    assert shown["store"] == store
    monkeypatch.setattr(Evaluation, "block", block)
    monkeypatch.setattr(Evaluation, "pilot", pilot)
    plain = report("kl", *GRIDS["kl"])
    assert plain == {**shown, "store": None}
    line = refused("kl", "--load", "1,2", "--c", "1,2", "--store", store)
    assert "made by another sweep" in line


def test_failed_points_are_told_once_and_do_not_end_the_sweep(capsys, monkeypatch):
    original = BUILT_IN["edges"]

    def fails(psi_p, psi_n, t, activation="tanh", population=None):
        if psi_p > 4.0:
            raise ValueError("too wide")
        return original.function(psi_p, psi_n, t, activation, population)

    alone = dataclasses.replace(original, function=fails, together=None)
    monkeypatch.setitem(BUILT_IN, "edges", alone)
    arguments = ["sweep", "gap", *RATIOS, "--workers", "1"]
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert "failed points  4; the first, at psi_p = 8, psi_n = 0.5: ValueError: too wide" in out
    assert err.startswith("rmtspec: warning: ")
    assert err.count("\n") == 1
    assert main([*arguments, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out, parse_constant=refuse_constant)
    assert shown["failed"] == 4
    assert shown["first_failure"] == {
        "at": {"psi_p": 8.0, "psi_n": 0.5},
        "reason": "ValueError: too wide",
    }
    assert shown["variables"]["gap"]["values"][1] == [None, None]


def test_a_sweep_without_one_good_point_ends_with_status_1_and_one_line(capsys, monkeypatch):
    original = BUILT_IN["edges"]

    def fails(psi_p, psi_n, t, activation="tanh", population=None):
        raise ValueError("never")

    alone = dataclasses.replace(original, function=fails, together=None)
    monkeypatch.setitem(BUILT_IN, "edges", alone)
    assert main(["sweep", "gap", *RATIOS]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "never" in err


def test_a_terminal_sees_the_progress(monkeypatch, capsys):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    assert main(["sweep", "kl", *GRIDS["kl"], "--workers", "1"]) == 0
    assert "6/6" in sys.stderr.getvalue()
    assert "phase diagram kl" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ([], ["NAME"]),
        (["triple-point"], ["triple-point", "'gap'"]),
        (["gap", "--load", "1"], ["--load"]),
        (["gap", "--psi-p", "4"], ["psi_p", "two or more", "4.0"]),
        (["gap", "--psi-p", "0,4"], ["psi_p", "> 0", "0.0"]),
        (["gap", "--psi-p", "1:10"], ["--psi-p", "FIRST:LAST:COUNT", "'1:10'"]),
        (["gap", "--psi-p", "1:10:1"], ["--psi-p", "COUNT", "1"]),
        (["gap", "--psi-n", "1,1e10"], ["psi_n", "[1e-09, 1e+09]", "10000000000.0"]),
        (["gap", "--t", "0"], ["t must", "0.0"]),
        (["gap", "--t", "soon"], ["--t", "number", "'soon'"]),
        (["gap", "--activation", "relish"], ["activation", "relish", "tanh"]),
        (["memorisation", "--tau", "0,1"], ["tau", "> 0", "0.0"]),
        (["memorisation", "--gap", "-1"], ["gap", "-1.0"]),
        (["kl", "--c", "0,1"], ["c must", "> 0", "0.0"]),
        (["kl", "--population", "1:"], ["--population", "VALUE:WEIGHT"]),
        (["kl", "--unit-variance"], ["--unit-variance", "--data"]),
        (["kl", "--data", "none.npy"], ["none.npy", "No such file"]),
        (["kl", "--plot", "kl.txt"], ["--plot", "kl.txt", "png"]),
        (["kl", "--workers", "0"], ["workers", ">= 1", "0"]),
        (["kl", "--workers", "two"], ["--workers", "integer", "'two'"]),
        (["kl", "--chunk", "0"], ["chunk", ">= 1", "0"]),
        (["kl", "--store", ""], ["store", "''"]),
        (["kl", "--store", __file__], ["store", "new path", __file__]),
        (["kl", "--scheduler", "nowhere"], ["--scheduler", "'nowhere'", "port"]),
        (["kl", "--scheduler", "tcp://127.0.0.1:1"], ["--scheduler", "127.0.0.1:1"]),
    ],
)
def test_bad_input_ends_with_one_line_that_names_it(refused, monkeypatch, arguments, parts):
    monkeypatch.setattr("rmtspec.cli.sweep._SECONDS_TO_CONNECT", 0.2)
    line = refused(*arguments)
    for part in parts:
        assert part in line


def test_a_store_that_cannot_be_written_is_one_line(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    assert main(["sweep", "kl", *GRIDS["kl"], "--store", str(tmp_path / "file" / "store")]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "cannot write" in err


@pytest.mark.parametrize("package", ["xarray", "joblib", "distributed"])
def test_a_missing_extra_is_one_line_that_says_how_to_install_it(refused, monkeypatch, package):
    find = importlib.util.find_spec

    def absent(name, *rest):
        return None if name == package else find(name, *rest)

    monkeypatch.setattr(importlib.util, "find_spec", absent)
    monkeypatch.setitem(sys.modules, package, None)
    assert "pip install '.[sweep]'" in refused("kl", *GRIDS["kl"])
    if package == "distributed":
        line = refused("kl", "--scheduler", "tcp://127.0.0.1:1")
        assert "pip install '.[sweep]'" in line


def test_help_says_what_every_option_does(capsys):
    for name, diagram in DIAGRAMS.items():
        with pytest.raises(SystemExit) as caught:
            main(["sweep", name, "--help"])
        assert caught.value.code == 0
        out = capsys.readouterr().out
        for parameter in diagram.coords:
            assert f"--{parameter.replace('_', '-')} " in out
        for option in ("--store", "--workers", "--chunk", "--scheduler", "--json", "--plot"):
            assert option in out
    with pytest.raises(SystemExit):
        main(["sweep", "--help"])
    out = " ".join(capsys.readouterr().out.split())
    for name, diagram in DIAGRAMS.items():
        assert f"{name} {diagram.question}" in out


def test_a_cluster_gives_what_this_process_gives(report, capsys):
    from distributed import LocalCluster

    options = {"processes": False, "n_workers": 1, "threads_per_worker": 1}
    with LocalCluster(**options, dashboard_address=None, protocol="tcp") as cluster:
        arguments = ["sweep", "kl", *GRIDS["kl"], "--scheduler", cluster.scheduler_address]
        assert main([*arguments, "--json"]) == 0
        there = json.loads(capsys.readouterr().out, parse_constant=refuse_constant)
    assert there == report("kl", *GRIDS["kl"])


def test_few_dimensions_of_the_data_are_warned_of(capsys):
    arguments = ["timescales", "--data", "digits", "--psi-p", "4,8", "--psi-n", "2,4"]
    assert main(["sweep", *arguments]) == 0
    assert "participation ratio of 13.3" in capsys.readouterr().err
