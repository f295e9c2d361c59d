"""The command line: what it prints, what it draws, and one line for whatever it cannot do."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.cli import main as cli
from rmtspec.cli.main import main
from rmtspec.inputs.activation import NAMES
from rmtspec.solve.kernel import interpreted

ERF = ["--psi-p", "8", "--psi-n", "4", "--activation", "erf"]
PROGRAM = [sys.executable, "-c", "import sys; from rmtspec.cli.main import main; sys.exit(main())"]


def refuse_constant(name):
    raise AssertionError(f"{name} is not JSON")


@pytest.fixture
def report(capsys):
    """Run with --json and return the report; nothing but strict JSON may be printed."""

    def _report(*arguments):
        assert main([*arguments, "--json"]) == 0
        return json.loads(capsys.readouterr().out, parse_constant=refuse_constant)

    return _report


@pytest.fixture
def refused(capsys):
    """Run bad input and return the one line on standard error."""

    def _refused(*arguments):
        with pytest.raises(SystemExit) as caught:
            main(list(arguments))
        out, err = capsys.readouterr()
        assert caught.value.code == 2
        assert out == ""
        assert err.count("\n") == 1
        assert err.endswith("\n")
        return err

    return _refused


@pytest.fixture
def uncompiled():
    """Kernels as the commands run them on small models."""
    with interpreted():
        yield


@pytest.fixture
def samples(tmp_path):
    x = np.random.default_rng(0).normal(size=(90, 60))
    np.save(tmp_path / "x.npy", x)
    return x, str(tmp_path / "x.npy")


def test_default_model_is_printed_and_drawn(capsys, tmp_path):
    target = tmp_path / "spectrum.png"
    assert main(["spectrum", "--plot", str(target)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "psi_p = 64, psi_n = 8, t = 0.01, tanh" in out
    for name in ("atom", "slow", "sample", "fast", "tau_gen", "tau_mem", "tau_slow"):
        assert name in out
    assert target.stat().st_size > 10_000


@pytest.mark.usefixtures("uncompiled")
def test_json_holds_the_law_to_the_last_digit(report):
    shown = report("spectrum", *ERF)
    law = rs.RandomFeatureModel(8, 4, 0.01, "erf").spectrum()
    np.testing.assert_array_equal([bulk["above_floor"] for bulk in shown["bulks"]], law.edges)
    np.testing.assert_array_equal([bulk["support"] for bulk in shown["bulks"]], law.support)
    np.testing.assert_array_equal([bulk["mass"] for bulk in shown["bulks"]], law.masses)
    assert [bulk["name"] for bulk in shown["bulks"]] == ["slow", "sample", "fast"]
    np.testing.assert_array_equal([list(atom.values()) for atom in shown["atoms"]], law.atoms)
    assert shown["model"] == {"psi_p": 8, "psi_n": 4, "t": 0.01, "activation": "erf"}
    assert shown["warnings"] == []


def test_table_shows_what_json_holds(capsys, report):
    shown = report("spectrum", *ERF)
    assert main(["spectrum", *ERF]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    for bulk in shown["bulks"]:
        values = [bulk["mass"], *bulk["support"], *bulk["above_floor"]]
        assert [bulk["name"], *(f"{value:.6g}" for value in values)] in rows


def test_timescales_are_psi_p_over_delta_lambda_at_the_lower_edges(report):
    shown = report("timescales", *ERF)
    times, delta = shown["timescales"], -np.expm1(-0.02)
    lower = {bulk["name"]: bulk["support"][0] for bulk in shown["bulks"]}
    for key, name in (("tau_gen", "fast"), ("tau_mem", "sample"), ("tau_slow", "slow")):
        # Both are the same few operations on the same edge.
        assert times[key] == pytest.approx(8 / (delta * lower[name]), rel=1e-14)


@pytest.mark.usefixtures("uncompiled")
def test_population_options_build_the_population_they_describe(report):
    for option, value, population in (
        ("--population", "0.5:3,1.5:1", rs.PopulationSpectrum([0.5, 1.5], [3, 1])),
        ("--population", "0.5,1.5", rs.PopulationSpectrum([0.5, 1.5])),
        ("--power-law", "1.5:40", rs.PopulationSpectrum.power_law(1.5, 40)),
    ):
        law = rs.RandomFeatureModel(8, 4, 0.01, "erf", population).spectrum()
        shown = report("spectrum", *ERF, option, value)
        np.testing.assert_array_equal([bulk["support"] for bulk in shown["bulks"]], law.support)


def test_law_of_a_file_is_the_law_given_its_samples(report, samples):
    x, path = samples
    shown = report("spectrum", "--data", path, "--psi-p", "4", "--t", "0.1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = rs.RandomFeatureModel.from_data(x, 4, 0.1)
    np.testing.assert_array_equal(
        [bulk["support"] for bulk in shown["bulks"]], model.spectrum().support
    )
    assert shown["data"]["samples"] == 90
    assert shown["data"]["dimension"] == 60
    assert shown["data"]["participation_ratio"] == model.population.participation_ratio
    assert shown["model"]["psi_n"] == 1.5


def test_unit_variance_makes_the_unit_of_the_file_irrelevant(report, tmp_path, samples):
    x, path = samples
    np.save(tmp_path / "grey.npy", 255 * x + 40)
    first = report("spectrum", "--data", path, "--unit-variance")
    second = report("spectrum", "--data", str(tmp_path / "grey.npy"), "--unit-variance")
    assert first["data"]["mean_variance"] == pytest.approx(1.0, rel=1e-13)
    # Edges move by at most the rounding of the data, eps * 255, times their condition number.
    np.testing.assert_allclose(
        [bulk["support"] for bulk in first["bulks"]],
        [bulk["support"] for bulk in second["bulks"]],
        rtol=1e-9,
    )


def test_digits_are_warned_about_in_one_line(capsys):
    pytest.importorskip("sklearn")
    assert main(["timescales", "--data", "digits", "--json"]) == 0
    out, err = capsys.readouterr()
    shown = json.loads(out, parse_constant=refuse_constant)
    assert shown["data"]["samples"] == 1797
    assert 13 < shown["data"]["participation_ratio"] < 13.5
    assert err.startswith("rmtspec: warning: ")
    assert err.count("\n") == 1
    assert len(shown["warnings"]) == 1


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ([], ["COMMAND"]),
        (["draw"], ["draw"]),
        (["spectrum", "--colour", "red"], ["--colour"]),
        (["spectrum", "--psi-p", "zero"], ["--psi-p", "'zero'", "number"]),
        (["spectrum", "--psi-p", "-1"], ["psi_p", "-1", "[1e-09, 1e+09]"]),
        (["spectrum", "--psi-p", "0"], ["psi_p", "0", "[1e-09, 1e+09]"]),
        (["spectrum", "--psi-p", "1e10"], ["--psi-p", "psi_p", "[1e-09, 1e+09]"]),
        (["spectrum", "--psi-n", "inf"], ["--psi-n", "number", "inf"]),
        (["spectrum", "--t", "-0.1"], ["t must", "-0.1"]),
        (["spectrum", "--t"], ["--t", "expected one argument"]),
        (["spectrum", "--activation", "relish"], ["activation", "relish", "tanh"]),
        (["spectrum", "--population", "1:"], ["--population", "VALUE:WEIGHT", "'1:'"]),
        (["spectrum", "--population", "1:1,2"], ["--population", "VALUE:WEIGHT"]),
        (["spectrum", "--population", "1:2:3"], ["--population", "VALUE:WEIGHT"]),
        (["spectrum", "--population", ""], ["--population", "VALUE:WEIGHT"]),
        (["spectrum", "--population=-1:1"], ["eigenvalues", "-1"]),
        (["spectrum", "--population", "1:-1"], ["weights", "-1"]),
        (["spectrum", "--population", "nan"], ["--population", "VALUE", "nan"]),
        (["spectrum", "--population", "1", "--power-law", "1:9"], ["not allowed with"]),
        (["spectrum", "--power-law", "1"], ["--power-law", "EXPONENT:DIMENSION", "'1'"]),
        (["spectrum", "--power-law", "1:0"], ["dimension", "0"]),
        (["spectrum", "--power-law=-1:8"], ["exponent", "-1"]),
        (["spectrum", "--spike", "-4"], ["spikes", "-4"]),
        (["spectrum", "--unit-variance"], ["--unit-variance", "--data"]),
        (
            ["spectrum", "--data", "digits", "--psi-n", "8", "--law", "given"],
            ["--psi-n", "--law given", "8"],
        ),
        (["spectrum", "--data", "digits", "--spike", "8"], ["--spike", "--data", "8"]),
        (["spectrum", "--data", "none.npy"], ["none.npy", "No such file"]),
        (["spectrum", "--data", "none.xyz"], ["none.xyz", ".npy, .npz, .safetensors"]),
        (["spectrum", "--plot", "spectrum.txt"], ["--plot", "spectrum.txt", "png"]),
        (["spectrum", "--plot", "nowhere/spectrum.png"], ["--plot", "nowhere", "folder"]),
        (["timescales", "--psi-p", "-1"], ["psi_p", "-1", "[1e-09, 1e+09]"]),
    ],
)
def test_bad_input_ends_with_one_line_that_names_it(refused, arguments, parts):
    line = refused(*arguments)
    for part in parts:
        assert part in line


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("", "empty"),
        ("1,2\n3\n", "line 2"),
        ("1,2\n3,nan\n", "nan"),
        ("1,2\n", "(1, 2)"),
        ("1,2\n1,2\n", "argument --data: x must vary between samples, got rows that differ by 0\n"),
        ("1,2\n3,x\n", "'x'"),
    ],
)
def test_bad_files_end_with_one_line_that_names_them(refused, tmp_path, content, part):
    path = tmp_path / "x.csv"
    path.write_text(content)
    assert part in refused("spectrum", "--data", str(path))


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["spectrum", "--path", "flow:1"], "--path: t"),
        (["time-integrated", "--window", "1:.1"], "--window: times"),
        (["time-integrated", "--times", "0"], "--times: times"),
        (["time-integrated", "--times", "1,2", "--time-weights", "1"], "--time-weights: weights"),
        (["time-integrated", "--nodes", "0"], "--nodes: nodes"),
        (["mixture", "--class", "0.7:1.5"], "--class: classes"),
        (["mixture", "--class", "1:1/2", "--direction-weights", "1"], "--direction-weights: dir"),
        (["sweep", "timescales", "--workers", "0"], "--workers: workers"),
        (["compare", "none.npy"], "FILE: observed"),
        (["compare", "none.npy", "--null-draws", "1"], "--null-draws: null_draws"),
        (["timescales", "--population", "1e-101"], "[1e-100, 1e+100], got 1e-101"),
    ],
)
def test_what_a_function_refuses_is_told_by_the_option_that_gave_it(refused, arguments, option):
    line = refused(*arguments)
    assert "error: argument --" in line or "error: argument FILE" in line
    assert option in line


def test_few_rows_are_told_by_the_option_that_gave_them(refused, tmp_path):
    np.savetxt(tmp_path / "few.csv", np.eye(4), delimiter=",")
    assert "argument --data: x must have at least 25 rows" in refused(
        "stop", "--data", str(tmp_path / "few.csv")
    )


def test_missing_scikit_learn_is_one_line(refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    assert "pip install '.[data]'" in refused("spectrum", "--data", "digits")


def test_version_is_printed(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("rmtspec ")


def test_help_says_what_every_option_does(capsys):
    for command in ("spectrum", "timescales"):
        with pytest.raises(SystemExit) as caught:
            main([command, "--help"])
        assert caught.value.code == 0
        out = capsys.readouterr().out
        for option in ("--psi-p", "--data", "--population", "--json", "--plot"):
            assert option in out


def test_help_lists_every_activation(capsys):
    with pytest.raises(SystemExit):
        main(["spectrum", "--help"])
    words = capsys.readouterr().out.replace(",", " ").split()
    assert {"silu", "sigmoid", "cosine", "swish", *NAMES} <= set(words)


def test_interruption_is_quiet(monkeypatch, capsys):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_run", interrupt)
    assert main(["spectrum"]) == 130
    assert capsys.readouterr() == ("", "")


def test_a_reader_that_leaves_early_does_no_harm():
    buffered = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    with subprocess.Popen(
        [*PROGRAM, "spectrum"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=buffered
    ) as process:
        process.stdout.close()
        error = process.stderr.read()
    assert (process.returncode, error) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_output_that_cannot_be_written_is_one_line():
    with open("/dev/full", "wb") as full:
        result = subprocess.run(
            [*PROGRAM, "spectrum"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "cannot write" in result.stderr


SWEEP = "sweep gap --psi-p 1,9 --psi-n 1,2 --chunk 2 --workers 2"


@pytest.mark.parametrize("command", ["spectrum", SWEEP])
def test_output_that_is_closed_is_one_line(command):
    closed = ["bash", "-c", '"$@" >&-', "bash"]
    result = subprocess.run(
        [*closed, *PROGRAM, *command.split()], stderr=subprocess.PIPE, text=True, check=False
    )
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "cannot write" in result.stderr


def test_closed_standard_error_takes_warnings_and_nothing_else(tmp_path):
    few = tmp_path / "few.csv"
    np.savetxt(few, np.random.default_rng(0).standard_normal((6, 9)), delimiter=",")
    command = [*PROGRAM, "timescales", "--json", "--data", str(few)]
    closed = ["bash", "-c", '"$@" 2>&-', "bash", *command]
    result = subprocess.run(closed, stdout=subprocess.PIPE, text=True, check=False)
    assert result.returncode == 0
    json.loads(result.stdout)


SCRIPT = """
import rmtspec as rs
print(rs.sweep("edges", {"psi_p": [1, 9], "psi_n": [1, 2], "t": 0.1}, workers=2, chunk=2))
"""


@pytest.mark.parametrize("program", [[*PROGRAM, *SWEEP.split()], [sys.executable, "-c", SCRIPT]])
def test_workers_start_where_standard_error_is_closed(program):
    closed = ["bash", "-c", '"$@" 2>&- <&-', "bash", *program]
    result = subprocess.run(closed, stdout=subprocess.PIPE, text=True, check=False)
    assert result.returncode == 0
    assert "psi_p" in result.stdout


def test_many_bulks_of_one_name_share_a_row_of_the_table_but_not_of_the_json(capsys, report):
    arguments = ["spectrum", *ERF, "--psi-p", "900", "--psi-n", "600", "--power-law", "2:16"]
    shown = report(*arguments)
    assert len(shown["bulks"]) > 12
    assert main(arguments) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("fast (")]
    assert len(rows) == 1
    fast = [bulk for bulk in shown["bulks"] if bulk["name"] == "fast"]
    assert rows[0].split()[:4] == [
        "fast", f"({len(fast)}", "bulks)", f"{sum(bulk['mass'] for bulk in fast):.6g}"
    ]  # fmt: skip


def test_a_spike_below_the_transition_has_null_for_a_location(report):
    low, high = report("spectrum", *ERF, "--spike", "1.01", "--spike", "30")["outliers"]
    assert (low["spike"], low["location"], low["overlap"]) == (1.01, None, 0.0)
    assert high["location"] > 30 * 0.4  # a^2 e^(-2t) l_0 and more
    assert 0.9 < high["overlap"] < 1


def test_nonzero_mean_feature_is_reported_apart(capsys):
    assert main(["spectrum", "--activation", "relu"]) == 0
    assert "mean feature  0.398942" in capsys.readouterr().out


def test_the_package_runs_as_the_command():
    arguments = ["timescales", *ERF]
    one, other = (
        subprocess.run([*program, *arguments], capture_output=True, text=True, check=True).stdout
        for program in (PROGRAM, [sys.executable, "-m", "rmtspec"])
    )
    assert one == other
    assert "tau_gen" in one


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["spectum"], "'spectrum'"),
        (["spectrum", "--psip", "3"], "'--psi-p'"),
        (["spectrum", "--activation", "tahn"], "'tanh'"),
        (["sweep", "gapp"], "'gap'"),
        (["sweep", "gap", "--plott", "a.png"], "'--plot'"),
    ],
)
def test_a_slip_of_the_pen_is_answered_by_what_was_meant(refused, arguments, meant):
    assert f"did you mean {meant}?" in refused(*arguments)


@pytest.mark.parametrize("command", [[], *([name] for name in cli.COMMANDS), ["sweep", "gap"]])
def test_every_help_page_describes_itself_and_gives_an_example(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert "example: rmtspec" in shown
    assert max(map(len, shown.splitlines())) < 100


@pytest.mark.parametrize("module", cli.COMMANDS.values(), ids=cli.COMMANDS)
def test_the_example_of_a_help_page_is_read_without_complaint(module):
    cli._parser().parse_args(module.EXAMPLE.split()[1:])


@pytest.mark.parametrize("command", ["spectrum", "curves", "linear"])
def test_what_is_odd_about_a_file_is_said_once(command, samples, tmp_path, report):
    x, _ = samples
    np.save(tmp_path / "twice.npy", 5.0 * np.concatenate([x, x[:30]]))
    said = report(command, "--data", str(tmp_path / "twice.npy"))["warnings"]
    assert sum("rows repeat others" in line for line in said) == 1
    assert sum("drown the noise" in line for line in said) == 1
    np.save(tmp_path / "idle.npy", np.column_stack([x, x[:, :2], np.ones(len(x))]))
    said = report(command, "--data", str(tmp_path / "idle.npy"))["warnings"]
    assert sum(f"1 of {x.shape[1] + 3} columns is constant" in line for line in said) == 1
    assert sum(f"2 of {x.shape[1] + 3} columns repeat others" in line for line in said) == 1


# Matplotlib knows the notebook's backend by name where its package is installed.
INLINE = int(importlib.util.find_spec("matplotlib_inline") is None)


@pytest.mark.parametrize(
    ("backend", "lines"),
    [("foo", 1), ("module://matplotlib_inline.backend_inline", INLINE), ("module://no.such", 0)],
)
@pytest.mark.parametrize("picture", ["a.png", "a.pdf"])
def test_a_picture_needs_no_backend_that_the_shell_asks_for(tmp_path, backend, lines, picture):
    target = tmp_path / picture
    result = subprocess.run(
        [*PROGRAM, "spectrum", *ERF, "--plot", str(target)],
        env={**os.environ, "MPLBACKEND": backend},
        capture_output=True,
        text=True,
        check=True,
    )
    assert target.stat().st_size > 1000
    assert result.stderr.count("\n") == lines
    if lines:
        assert f"MPLBACKEND names no backend of Matplotlib, got {backend!r}" in result.stderr


def test_a_backend_that_the_shell_asks_for_is_taken():
    code = "import rmtspec.plots.style, matplotlib, os; print(matplotlib.get_backend())"
    shown = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "MPLBACKEND": "svg"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert shown.strip() == "svg"
