"""The command line of learning curves: what it prints, draws and refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.cli.main import main
from rmtspec.random_features.summaries.times import automatic_times
from rmtspec.solve.kernel import interpreted

SMALL = ["--psi-p", "8", "--psi-n", "4", "--t", "0.1"]
LOSSES = ("train", "test", "generalization", "score_error")


def refuse_constant(name):
    raise AssertionError(f"{name} is not JSON")


@pytest.fixture
def report(capsys):
    """Run with --json and return the report; nothing but strict JSON may be printed."""

    def _report(*arguments):
        assert main(["curves", *arguments, "--json"]) == 0
        return json.loads(capsys.readouterr().out, parse_constant=refuse_constant)

    return _report


@pytest.fixture
def uncompiled():
    """Kernels as the commands run them on small models."""
    with interpreted():
        yield


@pytest.fixture
def samples(tmp_path):
    """Rows of 90 samples in 60 dimensions, 100 more, and the files they lie in."""
    rng = np.random.default_rng(0)
    x, test = rng.normal(size=(90, 60)), rng.normal(size=(100, 60))
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "test.npy", test)
    return x, test, str(tmp_path / "x.npy"), str(tmp_path / "test.npy")


@pytest.mark.usefixtures("uncompiled")
def test_json_holds_the_curves_to_the_last_digit(report):
    shown = report(*SMALL, "--tau", "0,1,1e3:1e5:3")
    model = rs.RandomFeatureModel(8, 4, 0.1)
    tau = [0, 1, 1e3, 1e4, 1e5]
    curves, end = model.learning_curves(tau), model.learning_curves(np.inf)
    assert shown["curves"]["tau"] == tau
    for name in (*LOSSES, "error"):
        np.testing.assert_array_equal(shown["curves"][name], getattr(curves, name))
        assert shown["curves"]["end"][name] == getattr(end, name)
    assert shown["curves"]["converged"] is True
    assert shown["training"] == {"step": 0, "momentum": 0, "ridge": 0, "initial": 0}
    assert shown["directions"] == shown["collapse"] == shown["warnings"] == []


@pytest.mark.usefixtures("uncompiled")
def test_json_holds_what_the_curves_come_to(report):
    shown = report(*SMALL)
    training = rs.RandomFeatureModel(8, 4, 0.1).training()
    best, window, times = training.best_stopping(), training.window(), training.model.timescales()
    for name in ("tau", *LOSSES):
        assert shown["best_stopping"][name] == getattr(best, name)
    for name in ("tau_gen", "tau_mem", "tau_gen_curve", "tau_mem_curve"):
        assert shown["window"][name] == getattr(window, name)
    for name in ("tau_gen", "tau_mem", "tau_slow"):
        assert shown["timescales"][name] == getattr(times, name)
    shares = [bulk["train_decrease"] for bulk in shown["bulks"]]
    np.testing.assert_array_equal(shares, training.bulk_shares())
    assert [bulk["name"] for bulk in shown["bulks"]] == list(training.model.bulk_names())


@pytest.mark.usefixtures("uncompiled")
def test_training_is_that_of_the_options(report):
    options = ["--step", "0.5", "--momentum", "0.5", "--ridge", "0.01", "--initial", "0.1"]
    shown = report(*SMALL, *options, "--tau", "5,50,500")
    settings = {"step": 0.5, "momentum": 0.5, "ridge": 0.01, "initial": 0.1}
    training = rs.RandomFeatureModel(8, 4, 0.1).training(**settings)
    assert shown["training"] == settings
    assert shown["stability_limit"] == training.stability_limit
    curves = training.learning_curves([5, 50, 500])
    for name in LOSSES:
        np.testing.assert_array_equal(shown["curves"][name], getattr(curves, name))


@pytest.mark.usefixtures("uncompiled")
def test_ridge_and_momentum_set_the_times(report, capsys):
    options = ["--step", "0.02", "--momentum", "0.5", "--ridge", "0.1", "--spike", "9"]
    shown = report(*SMALL, *options)
    population = rs.PopulationSpectrum([1.0], spikes=[9.0])
    model = rs.RandomFeatureModel(8, 4, 0.1, population=population)
    training = model.training(step=0.02, momentum=0.5, ridge=0.1)
    times, scale = shown["timescales"], 0.5 * model.psi_p / model.delta
    for family in times["families"]:
        assert family["tau"] == pytest.approx(scale / (family["lower"] + 0.1), rel=1e-12)
    trained = training.timescales()
    for name in ("tau_gen", "tau_mem", "tau_slow"):
        assert times[name] == getattr(trained, name) < getattr(model.timescales(), name)
    assert (shown["window"]["tau_gen"], shown["window"]["tau_mem"]) == (
        times["tau_gen"],
        times["tau_mem"],
    )
    (spike,), plain = shown["outliers"], model.outliers()
    x = plain.location[0] + 0.1
    assert spike["tau"] == pytest.approx(scale / x, rel=1e-12)
    weight = plain.decrease[0] * plain.location[0]
    assert spike["decrease"] == pytest.approx(weight * (1.0 / x + 0.1 / x**2), rel=1e-12)
    assert main(["curves", *SMALL, *options]) == 0
    rows = [line.split()[:2] for line in capsys.readouterr().out.splitlines()]
    assert ["tau_mem", f"{trained.tau_mem:.6g}"] in rows


def test_a_spike_under_a_ridge_carries_what_its_direction_loses(report):
    arguments = ["--psi-p", "64", "--psi-n", "64", "--t", "0.5", "--spike", "400"]
    shown = report(*arguments, "--ridge", "3000", "--direction", "400", "--tau", "1")
    (spike,), (direction,) = shown["outliers"], shown["directions"]
    lost = 1.0 - direction["end"]["train"]
    # The rest of the direction lies in the bulks, where 1/x + ridge/x^2 is at most 2/ridge.
    x, rest = spike["location"] + 3000.0, (1.0 - spike["overlap"]) / spike["overlap"]
    bulks = rest * (2.0 / 3000.0) / (1.0 / x + 3000.0 / x**2)
    assert 0.0 < lost / spike["decrease"] - 1.0 < bulks < 2e-4
    assert spike["slow_location"] is None
    assert spike["slow_decrease"] == 0.0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--psi-p", "8", "--psi-n", "8", "--t", "0.1", "--ridge", "1"], "test loss stays there"),
        (SMALL, "test loss no longer within 5 % of its gain"),
    ],
)
def test_the_window_by_loss_is_said_in_words(report, capsys, arguments, said):
    window = report(*arguments, "--tau", "1")["window"]
    assert (window["tau_mem_loss"] == "inf") is said.endswith("stays there")
    assert main(["curves", *arguments, "--tau", "1"]) == 0
    assert said in capsys.readouterr().out


@pytest.mark.usefixtures("uncompiled")
def test_directions_have_an_error(report):
    (shown,) = report(*SMALL, "--direction", "5", "--tau", "1,10")["directions"]
    curves = rs.RandomFeatureModel(8, 4, 0.1).learning_curves([1, 10], directions=[5.0])
    np.testing.assert_array_equal(shown["error"], curves.error[0])
    assert shown["asked"] == shown["eigenvalue"] == 5.0
    assert 0.0 < shown["end"]["error"] < 1e-9


def test_directions_of_given_data_are_their_nearest_eigenvalues(report, samples, capsys):
    x, test, path, held_out = samples
    known = rs.PopulationSpectrum.from_samples(x).eigenvalues
    arguments = ["--data", path, "--held-out", held_out, "--psi-p", "4", "--t", "0.1"]
    arguments += ["--tau", "1,1e3"]
    asked = f"{known[-1]:.5g}"
    (shown,) = report(*arguments, "--direction", asked)["directions"]
    assert (shown["eigenvalue"], shown["asked"]) == (known[-1], float(asked))
    with pytest.warns(rs.FewDimensionsWarning):
        model = rs.RandomFeatureModel.from_data(x, 4, 0.1, test=test)
    curves = model.learning_curves([1, 1e3], directions=[known[-1]])
    np.testing.assert_array_equal(shown["test"], curves.test[0])
    target = path.replace("x.npy", "own.png")
    assert main(["curves", *arguments, "--direction", asked, "--plot", target]) == 0
    out = capsys.readouterr().out
    assert f"eigenvalue {known[-1]:.10g}, the nearest of the data to {asked}" in out
    with pytest.raises(SystemExit):
        main(["curves", *arguments, "--direction", f"{1.001 * known[-1]}"])
    err = capsys.readouterr().err
    assert "--direction" in err
    for value in known[-3:]:
        assert f"{value:.6g}" in err
    with pytest.raises(SystemExit):
        main(["curves", *arguments, "--direction", "nan"])
    assert "--direction" in capsys.readouterr().err


def test_an_infinite_time_is_the_string_inf(report, capsys):
    # With so many samples nothing is left to overfit.
    arguments = ["--psi-p", "2", "--psi-n", "1e9", "--t", "1"]
    assert report(*arguments)["best_stopping"]["tau"] == "inf"
    assert main(["curves", *arguments]) == 0
    assert "best stopping inf" in " ".join(capsys.readouterr().out.split())


def test_table_shows_what_json_holds(capsys, report):
    arguments = [*SMALL, "--spike", "5", "--direction", "5", "--tau", "1,10,100"]
    shown = report(*arguments)
    assert main(["curves", *arguments]) == 0
    out = capsys.readouterr().out
    rows = [line.split() for line in out.splitlines()]
    for curves in (shown["curves"], shown["directions"][0]):
        for place, tau in enumerate(shown["curves"]["tau"]):
            assert [f"{v:.6g}" for v in (tau, *(curves[n][place] for n in LOSSES))] in rows
        assert ["inf", *(f"{curves['end'][name]:.6g}" for name in LOSSES)] in rows
    for name in ("tau_gen", "tau_mem", "tau_slow"):
        assert [name, f"{shown['timescales'][name]:.6g}"] in [row[:2] for row in rows]
    best = shown["best_stopping"]
    assert f"train {best['train']:.6g}, test {best['test']:.6g}, score error" in out
    for bulk in shown["bulks"]:
        values = (bulk["mass"], *bulk["support"], bulk["train_decrease"])
        assert [*bulk["name"].replace("+", " + ").split(), *(f"{v:.6g}" for v in values)] in rows
    (spike,) = shown["outliers"]
    keys = ("location", "tau", "decrease")
    values = (spike[key] for key in ("spike", *keys, *(f"slow_{key}" for key in keys)))
    assert [f"{value:.6g}" for value in values] in rows


def test_table_of_a_spectrum_shows_where_its_spikes_are(capsys):
    assert main(["spectrum", *SMALL, "--spike", "5"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    out = rs.RandomFeatureModel(
        8, 4, 0.1, population=rs.PopulationSpectrum([1.0], spikes=[5.0])
    ).outliers()
    columns = (out.location, out.overlap, out.threshold, out.slow_location, out.slow_overlap)
    assert ["5", *(f"{column[0]:.6g}" for column in columns)] in rows


def test_table_of_the_automatic_range_has_fifteen_rows_and_the_end(capsys, report):
    assert len(report()["curves"]["tau"]) == 14 * 20 + 1
    assert main(["curves"]) == 0
    out = capsys.readouterr().out
    first = out.split("\n\n")[1].splitlines()
    assert len(first) == 1 + 15 + 1
    assert first[-1].startswith("inf")


def test_automatic_range_holds_the_whole_change_of_the_losses(report):
    for arguments in (
        [],
        SMALL,
        ["--t", "2"],
        ["--psi-p", "1", "--power-law", "2:64"],
        # A spectrum down to 0 relaxes like a power of time, not like an exponential.
        ["--psi-p", "1", "--activation", "linear"],
        [*SMALL, "--ridge", "1000"],
        [*SMALL, "--step", "1e-4", "--momentum", "0.95"],
    ):
        curves = report(*arguments)["curves"]
        for name in ("train", "test"):
            variation = np.ptp([*curves[name], curves["end"][name]])
            # Modes decay as exp(-4 tau/time) at most: a third has gone at a tenth of their time.
            assert abs(curves[name][0] - 1.0) <= 0.4 * variation
            assert abs(curves[name][-1] - curves["end"][name]) <= 2e-3 * variation
        assert 1e2 < curves["tau"][-1] / curves["tau"][0] < 1e12


def test_automatic_range_ends_with_the_losses_where_slow_modes_carry_nothing():
    for model in (
        # At t = 6 the edges lie 18 decades apart, measured from the floor.
        rs.RandomFeatureModel(64, 8, 6.0),
        rs.RandomFeatureModel(8, 4, 0.1, "linear", rs.PopulationSpectrum(np.logspace(-12, 0, 5))),
        rs.RandomFeatureModel(1, 1e6, 0.1, "linear"),
    ):
        times = automatic_times(model.training())
        assert times.size == 281
        assert 1e2 < times[-1] / times[0] < 1e10


def test_a_bulk_that_is_not_there_has_no_time(capsys):
    assert main(["curves", "--psi-p", "8", "--activation", "linear"]) == 0
    out = capsys.readouterr().out
    rows = [" ".join(line.split()) for line in out.splitlines()]
    assert "tau_mem - no sample bulk" in rows
    assert "tau_slow - no slow bulk" in rows


def test_steps_are_counted_whole(report):
    shown = report(*SMALL, "--step", "2", "--tau", "0,1.9,2.1,5,inf")
    assert shown["curves"]["tau"] == [0, 2, 4]
    automatic = report(*SMALL, "--step", "2")["curves"]["tau"]
    steps = np.array(automatic) / 2.0
    np.testing.assert_array_equal(steps, np.rint(steps))
    assert np.all(np.diff(steps) > 0)


@pytest.mark.parametrize("law", ["fresh", "sample"])
def test_fresh_rows_are_of_the_population_that_is_asked_for(report, samples, law):
    x, _, path, _ = samples
    population = rs.PopulationSpectrum.from_samples(x, debias=law == "fresh")
    for option, psi_n in ((["--law", law], 1.5), (["--psi-n", "30", "--law", law], 30.0)):
        shown = report("--data", path, *option, "--psi-p", "4", "--t", "0.1", "--tau", "1,1e3")
        model = rs.RandomFeatureModel(4, psi_n, 0.1, population=population)
        assert shown["model"]["psi_n"] == psi_n
        curves = model.learning_curves([1, 1e3])
        np.testing.assert_array_equal(shown["curves"]["test"], curves.test)
        assert (shown["data"]["samples"], shown["data"]["dimension"]) == (90, 60)
    assert "held_out" not in shown["data"]
    assert ("best stopping time" in shown["data"]["errors"]) is (law == "fresh")
    # Of 60 dimensions 90 rows show some 36, which the fit knows to be more.
    assert ["participation ratio of 3" in one for one in shown["warnings"]] == [True] * (
        law == "sample"
    )


def test_held_out_rows_give_the_curves_of_this_data_set(report, samples):
    x, test, path, held_out = samples
    arguments = ["--data", path, "--held-out", held_out, "--psi-p", "4", "--t", "0.1"]
    shown = report(*arguments, "--tau", "1,1e3")
    with pytest.warns(rs.FewDimensionsWarning):
        model = rs.RandomFeatureModel.from_data(x, 4, 0.1, test=test)
    curves = model.learning_curves([1, 1e3])
    for name in LOSSES:
        np.testing.assert_array_equal(shown["curves"][name], getattr(curves, name))
    assert shown["data"]["held_out"] == {"source": held_out, "samples": 100}


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        (["--collapse", "col.png"], "--collapse"),
        (["--psi-n", "3"], "--psi-n"),
        (["--law", "sample"], "--law sample"),
    ],
)
def test_what_makes_test_rows_fresh_is_named_beside_held_out_rows(samples, options, cause, capsys):
    *_, path, held_out = samples
    with pytest.raises(SystemExit) as ended:
        main(["curves", "--data", path, "--held-out", held_out, "--psi-p", "4", *options])
    assert ended.value.code == 2
    assert f"argument --held-out: not allowed with {cause}, whose" in capsys.readouterr().err


def test_unit_variance_scales_held_out_rows_with_the_others(report, samples, tmp_path):
    x, test, path, held_out = samples
    np.save(tmp_path / "far.npy", 3.0 + 7.0 * x)
    np.save(tmp_path / "far test.npy", 3.0 + 7.0 * test)
    near = ["--data", path, "--held-out", held_out, "--unit-variance"]
    far = ["--data", str(tmp_path / "far.npy"), "--unit-variance"]
    far += ["--held-out", str(tmp_path / "far test.npy")]
    both = [report(*files, "--psi-p", "4", "--tau", "1,1e4")["curves"] for files in (near, far)]
    for name in LOSSES:
        # Rows are rounded once more when they are shifted and scaled.
        np.testing.assert_allclose(both[0][name], both[1][name], rtol=1e-10)


def test_held_out_rows_in_other_units_than_the_data_are_warned_of(report, samples, tmp_path):
    _, test, path, _ = samples
    np.save(tmp_path / "pixels.npy", 255.0 * test)
    arguments = ["--data", path, "--held-out", str(tmp_path / "pixels.npy"), "--psi-p", "4"]
    said = report(*arguments, "--tau", "1")["warnings"]
    (found,) = (line for line in said if "other units" in line)
    assert "--held-out" in found
    assert "times that of x" in found


def test_held_out_rows_are_scaled_by_the_data_and_not_by_themselves(report, samples):
    x, test, path, held_out = samples
    shown = report("--data", path, "--held-out", held_out, "--unit-variance", "--psi-p", "4")
    middle = x.mean(axis=0)
    scale = np.sqrt(np.mean((x - middle) ** 2))
    with pytest.warns(rs.FewDimensionsWarning):
        model = rs.RandomFeatureModel.from_data(
            (x - middle) / scale, 4, 0.01, test=(test - middle) / scale
        )
    best = model.training().best_stopping()
    # The data are scaled in another order of operations, and the minimum is flat.
    assert shown["best_stopping"]["test"] == pytest.approx(best.test, rel=1e-10)


def test_collapse_holds_the_curves_of_several_psi_n(report, tmp_path):
    target = tmp_path / "collapse.png"
    shown = report(*SMALL, "--collapse", str(target))["collapse"]
    assert [one["psi_n"] for one in shown] == [2, 4, 8, 16]
    for one in shown:
        curves = rs.RandomFeatureModel(8, one["psi_n"], 0.1).learning_curves(one["tau"])
        np.testing.assert_array_equal(one["generalization"], curves.generalization)
        scaled = np.array(one["tau"]) / one["psi_n"]
        np.testing.assert_array_equal(one["tau_over_psi_n"], scaled)
    assert target.stat().st_size > 10_000
    asked = report(*SMALL, "--collapse", str(target), "--collapse-psi-n", "3,5")["collapse"]
    assert [one["psi_n"] for one in asked] == [3, 5]


def test_collapse_is_over_the_times_asked_for_if_there_are_two(report, tmp_path):
    target = ["--collapse", str(tmp_path / "collapse.png")]
    for rule in ([], ["--step", "2"]):
        automatic = report(*SMALL, *rule, *target)["collapse"]
        assert report(*SMALL, *rule, "--tau", "0,5,inf", *target)["collapse"] == automatic
        for one in report(*SMALL, *rule, "--tau", "0,6,100,4e3,inf", *target)["collapse"]:
            assert (one["tau"][0], one["tau"][-1]) == (6.0, 4e3)
            assert {6.0, 100.0, 4e3} <= set(one["tau"])
            assert np.all(np.diff(one["tau"]) > 0.0)


def test_pictures_tell_their_model_and_its_training(tmp_path):
    losses, collapse = tmp_path / "losses.svg", tmp_path / "collapse.svg"
    arguments = [*SMALL, "--step", "0.5", "--ridge", "0.25", "--tau", "1:100:5"]
    assert main(["curves", *arguments, "--plot", str(losses), "--collapse", str(collapse)]) == 0
    for path in (losses, collapse):
        # Matplotlib keeps what it draws as paths in a comment beside them.
        text = path.read_text()
        for part in ("t = 0.1", "tanh", "step 0.5", "ridge 0.25", "psi_p = 8"):
            assert part in text
        assert "momentum" not in text
    assert "psi_n = 4$, $t" in losses.read_text()
    assert "psi_n = 4$, $t" not in collapse.read_text()


def test_the_farthest_times_that_are_allowed_can_be_drawn(tmp_path):
    target = tmp_path / "far.png"
    assert main(["curves", *SMALL, "--tau", "0,1e-100,1e100,inf", "--plot", str(target)]) == 0
    assert target.stat().st_size > 10_000


def test_pictures_are_drawn(tmp_path, samples, capsys):
    for name, arguments in (
        ("a.png", []),
        ("b.svg", ["--spike", "5", "--direction", "5", "--direction", "1"]),
        ("c.png", ["--tau", "10"]),
        ("d.png", ["--tau", "0"]),
        ("e.png", ["--step", "5", "--tau", "0.1"]),
    ):
        assert main(["curves", *SMALL, *arguments, "--plot", str(tmp_path / name)]) == 0
        assert (tmp_path / name).stat().st_size > 10_000
        assert capsys.readouterr().err == ""
    target = tmp_path / "f.png"
    files = ["--data", samples[2], "--held-out", samples[3]]
    assert main(["curves", *files, "--psi-p", "4", "--plot", str(target)]) == 0
    assert target.stat().st_size > 10_000


def test_digits_are_a_ready_example(report):
    pytest.importorskip("sklearn")
    shown = report("--data", "digits", "--psi-p", "6", "--psi-n", "8", "--t", "0.1")
    assert shown["model"]["psi_n"] == 8
    assert shown["data"]["samples"] == 1797
    assert "10 to 40 %" in shown["warnings"][0]


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--psi-p", "0"], ["psi_p", "0"]),
        (["--psi-n", "nan"], ["--psi-n", "nan"]),
        (["--t", "0"], ["t must", "0"]),
        (["--t", "-1"], ["t must", "-1"]),
        (["--activation", "none"], ["activation", "none"]),
        (["--tau", ""], ["--tau", "0 and inf allowed", "START:STOP:COUNT", "''"]),
        (["--tau=-1"], ["tau", "-1"]),
        (["--tau", "nan"], ["tau", "nan"]),
        (["--tau", "soon"], ["--tau", "'soon'"]),
        (["--tau", "1:10"], ["--tau", "START:STOP:COUNT"]),
        (["--tau", "1e-300,1e300"], ["--tau", "[1e-100, 1e+100]", "1e-300"]),
        (["--tau", "1,1.1e100"], ["--tau", "[1e-100, 1e+100]", "1.1e+100"]),
        (["--tau", "1:1e200:3"], ["--tau", "[1e-100, 1e+100]", "1e+200"]),
        (["--tau", "0:10:5"], ["--tau", "positive"]),
        (["--tau", "1:10:1"], ["--tau", "COUNT", "[2, 10000]"]),
        (["--step", "-1"], ["step", "-1"]),
        (["--step", "inf"], ["step", "inf"]),
        (["--step", "big"], ["--step", "'big'"]),
        (["--momentum", "0.5"], ["momentum", "step"]),
        (["--momentum", "1", "--step", "0.1"], ["momentum", "1"]),
        (["--ridge", "-1"], ["ridge", "-1"]),
        (["--initial", "nan"], ["initial", "nan"]),
        (["--direction", "-1"], ["direction", "-1"]),
        (["--direction", "x"], ["--direction", "'x'"]),
        (["--population", "0"], ["eigenvalues", "positive"]),
        (["--unit-variance"], ["--unit-variance", "--data"]),
        (["--held-out", "x.npy"], ["--held-out", "--data"]),
        (["--data", "digits", "--held-out", "none.npy"], ["--held-out", "none.npy", "No such"]),
        (["--data", "digits", "--held-out", "digits"], ["--held-out", "file", "'digits'"]),
        (["--data", "digits", "--held-out", "x.npy", "--psi-n", "2"], ["--held-out", "fresh"]),
        (["--data", "digits", "--held-out", "x", "--collapse", "a.png"], ["--held-out", "'x'"]),
        (["--data", "digits", "--spike", "4"], ["--spike", "--data", "4"]),
        (["--data", "digits", "--power-law", "1:4"], ["not allowed with"]),
        (["--data", "none.npy"], ["none.npy", "No such file"]),
        (["--collapse-psi-n", "4"], ["--collapse-psi-n", "--collapse FILE"]),
        (["--collapse", "x.txt"], ["--collapse", "x.txt"]),
        (["--collapse", "x.png", "--collapse-psi-n", "0"], ["psi_n", "0"]),
        (["--plot", "x.txt"], ["--plot", "x.txt"]),
        (["--plot", "x.png", "--collapse", "./x.png"], ["--collapse", "--plot", "x.png"]),
    ],
)
def test_bad_input_ends_with_one_line_that_names_it(capsys, arguments, parts):
    with pytest.raises(SystemExit) as caught:
        main(["curves", *arguments])
    out, err = capsys.readouterr()
    assert (caught.value.code, out, err.count("\n")) == (2, "", 1)
    for part in parts:
        assert part in err


def test_held_out_rows_of_another_dimension_are_refused(capsys, samples, tmp_path):
    np.save(tmp_path / "thin.npy", np.ones((5, 3)))
    with pytest.raises(SystemExit) as caught:
        main(["curves", "--data", samples[2], "--held-out", str(tmp_path / "thin.npy")])
    err = capsys.readouterr().err
    assert caught.value.code == 2
    assert "--held-out" in err
    assert "thin.npy" in err
    assert "dimension 60" in err


def test_help_says_what_is_asked_and_how_infinity_is_written(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["curves", "--help"])
    assert caught.value.code == 0
    out = " ".join(capsys.readouterr().out.split())
    assert 'an infinite time is the string "inf"' in out
    assert "ascending order; the end of training, inf, is always a row of its own" in out
    assert "in JSON curves.end" in out
    for option in ("--tau", "--step", "--momentum", "--ridge", "--initial", "--direction"):
        assert option in out
    for option in ("--data", "--held-out", "--collapse", "--plot", "--json"):
        assert option in out


@pytest.mark.usefixtures("uncompiled")
def test_path_and_prediction_make_the_curves_of_that_training(report):
    shown = report("--psi-p", "8", "--psi-n", "4", "--path", "flow:0.4", "--prediction", "velocity",
                   "--weight", "2", "--tau", "0,1,10")  # fmt: skip
    model = rs.RandomFeatureModel(8, 4, rs.NoiseLevel.flow(0.4))
    training = model.training(prediction="velocity", weight=2.0)
    curves = training.learning_curves([0.0, 1.0, 10.0])
    for name in (*LOSSES, "error"):
        np.testing.assert_array_equal(shown["curves"][name], getattr(curves, name))
    assert shown["model"]["path"] == "flow:0.4"
    assert shown["prediction"] == {
        "name": "velocity",
        "weight": 2.0,
        "skip": 1.0,
        "initial": 2.0,
        "best_possible": curves.best_possible,
    }
    assert shown["best_stopping"]["tau"] == training.best_stopping().tau
    assert sum(bulk["train_decrease"] for bulk in shown["bulks"]) == pytest.approx(
        curves.initial_train - curves.final_train, rel=1e-6
    )


def test_a_prediction_is_told_in_words(capsys, tmp_path):
    picture = tmp_path / "flow.png"
    arguments = ["--path", "edm:0.5:2", "--prediction", "0.5:-1", "--plot", str(picture)]
    assert main(["curves", "--psi-p", "4", "--psi-n", "2", *arguments]) == 0
    shown = capsys.readouterr().out
    assert "(edm:0.5:2)" in shown
    assert "prediction    0.5 noise -1 data, weight 1: losses are those of the target" in shown
    assert picture.stat().st_size > 10_000


def test_spikes_of_a_prediction_have_its_clock_and_no_share_of_another_loss(report):
    plain = report(*SMALL, "--spike", "9")["outliers"][0]
    shown = report(*SMALL, "--spike", "9", "--prediction", "data")["outliers"][0]
    delta = rs.RandomFeatureModel(8, 4, 0.1).delta
    assert shown["tau"] == pytest.approx(delta * plain["tau"])
    assert shown["decrease"] is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--path", "flow"], "argument --path: must be ou:T"),
        (["--path", "flow:0.4:1"], "argument --path: must be ou:T"),
        (["--path", "flow:1.5"], "s must be a finite number"),
        (["--path", "flow:0.4", "--t", "0.1"], "not allowed with argument"),
        (["--prediction", "velocty"], "did you mean 'velocity'"),
        (["--prediction", "0:0"], "argument --prediction"),
        (["--weight", "0"], "weight must"),
    ],
)
def test_wrong_paths_and_predictions_are_refused(capsys, arguments, words):
    try:
        status = main(["curves", *arguments])
    except SystemExit as end:
        status = end.code
    assert status == 2
    assert words in capsys.readouterr().err
