"""`rmtspec.sweep`: labels, failures, stores that are continued, and bad input."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rmtspec as rs
from rmtspec.result import FewDimensionsWarning
from rmtspec.sweeps import sweep as sweep_module
from rmtspec.sweeps.grid import Grid, points_in
from rmtspec.sweeps.points import Evaluation
from rmtspec.sweeps.problems import BUILT_IN

RATIOS = {"psi_p": [0.5, 4.0, 64.0], "psi_n": [0.5, 8.0, 32.0, 128.0], "t": 0.01}

SLOW = 0.06  # seconds a point: then only four points are computed to measure the time

shapes = st.lists(st.integers(1, 7), min_size=0, max_size=4)


def quiet(func, coords, **options):
    return rs.sweep(func, coords, progress=False, **options)


def bits(data):
    """Every value to the last bit, NaN included, by name."""
    return {name: data[name].values.tobytes() for name in data.data_vars if name != "failure"}


def grid_of(shape):
    return Grid.of({f"x{axis}": np.arange(extent) for axis, extent in enumerate(shape)})


def test_coordinates_may_be_what_other_data_sets_hold():
    data = quiet(
        lambda word, progress: {"y": len(word) * progress},
        {"word": np.array(["a", "bc"], dtype=np.dtypes.StringDType()), "progress": (1, 2)},
    )
    again = quiet(lambda word, k: {"y": len(word) + k["n"]}, {"word": data.word, "k": {"n": 1}})
    np.testing.assert_array_equal(again.y, [2, 3])
    assert data.where(data.failure == "").y.sum() == 9


@given(shapes, st.integers(1, 200))
def test_blocks_hold_every_point_of_the_grid_once(shape, size):
    grid = grid_of(shape)
    count = np.zeros(shape)
    for block in grid.blocks(grid.chunk(size)):
        count[block] += 1
        assert points_in(block) <= size
    assert np.all(count == 1)


@given(st.lists(st.integers(1, 7), min_size=1, max_size=4), st.integers(1, 200))
def test_blocks_are_even_and_not_needlessly_small(shape, size):
    grid = grid_of(shape)
    blocks = grid.blocks(grid.chunk(size))
    for axis in range(len(shape)):
        pieces = {block[axis].start: block[axis].stop - block[axis].start for block in blocks}
        assert max(pieces.values()) - min(pieces.values()) < len(pieces)
    # Contiguous blocks of C order: an axis is cut only if the ones after it are whole, and what is
    # lost by cutting it evenly is less than half of a block.
    assert len(blocks) <= 4 * np.ceil(grid.size / size)


@given(shapes)
def test_pilot_meets_every_point_once(shape):
    evaluation = Evaluation(lambda **at: {"y": 0.0}, grid_of(shape))
    assert sorted(evaluation._spread()) == sorted(np.ndindex(*shape))


def test_data_set_is_labelled_as_the_grid_was_given():
    data = quiet("timescales", {**RATIOS, "activation": ["tanh", "relu"]})
    assert data.tau_gen.dims == ("psi_p", "psi_n", "activation")
    np.testing.assert_array_equal(data.psi_n, RATIOS["psi_n"])
    assert data.activation.values.tolist() == ["tanh", "relu"]
    assert list(data.coords) == ["psi_p", "psi_n", "activation", "t"]
    assert data.coords["t"] == 0.01
    assert data.attrs["rmtspec_version"] == rs.__version__
    assert data.attrs["function"] == "timescales"
    assert data.attrs["failed"] == 0
    for name in [*data.data_vars, "psi_p", "psi_n", "t"]:
        assert data[name].attrs["long_name"], name
    assert "learning rate" in data.tau_mem.attrs["units"]


def test_values_are_those_of_single_models():
    data = quiet("timescales", RATIOS)
    for psi_p in RATIOS["psi_p"]:
        for psi_n in RATIOS["psi_n"]:
            times = rs.RandomFeatureModel(psi_p, psi_n, 0.01).timescales()
            there = data.sel(psi_p=psi_p, psi_n=psi_n)
            for name in ("tau_gen", "tau_mem", "tau_slow", "merged"):
                np.testing.assert_array_equal(there[name], getattr(times, name))


@pytest.mark.parametrize("chunk", [1, 2, 5, 7, 12])
def test_values_do_not_depend_on_the_size_of_blocks(chunk):
    assert bits(quiet("edges", RATIOS, chunk=chunk)) == bits(quiet("edges", RATIOS))


def test_values_do_not_depend_on_the_order_of_points():
    turned = {name: values[::-1] for name, values in RATIOS.items() if name != "t"}
    data = quiet("edges", {**turned, "t": 0.01})
    assert bits(data.isel(psi_p=slice(None, None, -1), psi_n=slice(None, None, -1))) == bits(
        quiet("edges", RATIOS)
    )


def test_values_do_not_depend_on_the_number_of_processes():
    data = quiet("edges", RATIOS, workers=2, chunk=2)
    assert bits(data) == bits(quiet("edges", RATIOS, workers=1))
    assert data.identical(quiet("edges", RATIOS, workers=1))


def test_processes_are_those_asked_for():
    def process(x):
        time.sleep(SLOW)
        return {"pid": os.getpid()}

    alone = quiet(process, {"x": range(8)}, workers=1, chunk=1)
    assert set(alone.pid.values) == {os.getpid()}
    many = set(quiet(process, {"x": range(8)}, workers=2, chunk=1).pid.values)
    assert many - {os.getpid()}


def test_script_needs_no_guard_around_processes(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import rmtspec as rs\n"
        "def f(x): return {'y': 2 * x}\n"
        "print(rs.sweep(f, {'x': range(6)}, workers=2, chunk=2, progress=False).y.values.sum())\n"
    )
    found = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=True, timeout=120
    )
    assert found.stdout == "30.0\n"


def test_function_names_the_dimensions_of_its_arrays():
    def law(ratio):
        x = np.linspace(0.1, 5.0, 4)
        density = rs.SampleCovariance(ratio, rs.PopulationSpectrum([1.0])).spectrum().density(x)
        return {"x": ("x", x), "density": ("x", density), "square": np.outer(density, density)}

    data = quiet(law, {"ratio": [0.25, 0.5]})
    assert data.density.dims == ("ratio", "x")
    np.testing.assert_array_equal(data.x, np.linspace(0.1, 5.0, 4))
    assert data.square.dims == ("ratio", "square_0", "square_1")
    np.testing.assert_array_equal(data.density.sel(ratio=0.5), law(0.5)["density"][1])


def test_words_flags_and_complex_numbers_are_kept():
    def mixed(n, word):
        return {"z": 1j * n, "odd": n % 2 == 1, "kind": ("kind", ["a", "b"]), "w": ("kind", [n, 0])}

    data = quiet(mixed, {"n": [1, 2], "word": "fixed"})
    assert list(data) == ["z", "odd", "w", "failure"]
    np.testing.assert_array_equal(data.z, [1j, 2j])
    np.testing.assert_array_equal(data.odd, [1.0, 0.0])
    assert data.w.sel(kind="a").values.tolist() == [1.0, 2.0]
    assert data.coords["word"] == "fixed"


def test_single_point_is_a_data_set_without_dimensions():
    data = quiet("timescales", {"psi_p": 64, "psi_n": 8, "t": 0.01})
    assert dict(data.sizes) == {}
    assert data.tau_mem == rs.RandomFeatureModel(64, 8, 0.01).timescales().tau_mem


@pytest.mark.parametrize("tau", [1000.0, [1.0, 1000.0, np.inf]])
def test_learning_curves_take_one_time_or_many(tau):
    data = quiet("learning_curves", {"psi_p": [16, 64], "psi_n": 8, "t": 0.1, "tau": tau})
    curves = rs.RandomFeatureModel(64, 8, 0.1).learning_curves(tau)
    assert data.test.dims == ("psi_p", "tau")[: 1 + np.ndim(tau)]
    np.testing.assert_array_equal(data.score_error.sel(psi_p=64), curves.score_error)
    np.testing.assert_array_equal(data.error.sel(psi_p=64), curves.error)


def test_stopping_and_memorisation_are_those_of_the_training():
    training = rs.RandomFeatureModel(16, 8, 0.1).training(ridge=0.01)
    data = quiet("stopping", {"psi_p": [4, 16], "psi_n": 8, "t": 0.1, "ridge": 0.01})
    best, window = training.best_stopping(), training.window()
    assert float(data.tau.sel(psi_p=16)) == best.tau
    assert float(data.tau_mem_curve.sel(psi_p=16)) == window.tau_mem_curve
    data = quiet("memorisation", {"psi_p": 16, "t": 0.1, "tau": [1e3, np.inf], "gap": 0.2})
    plain = rs.RandomFeatureModel(16, 1, 0.1).training()
    assert float(data.boundary.sel(tau=np.inf)) == plain.memorisation_boundary(np.inf, gap=0.2)


def test_linear_denoisers_are_swept_over_load_and_ridge():
    population = rs.PopulationSpectrum.power_law(1.0, 50)
    coords = {"load": [0.5, 2.0], "c": [0.01, 1.0], "population": population}
    model = rs.LinearDenoiser(population, np.array([[0.5], [2.0]]), [0.01, 1.0])
    data = quiet("linear", coords)
    np.testing.assert_allclose(data.kl_data_model, model.kl("data||model"), rtol=1e-15)
    assert "test_loss" not in data
    data = quiet("linear", {**coords, "alpha_bar": [0.5, 0.9]})
    assert data.test_loss.dims == ("load", "c", "alpha_bar")
    # Rounding of sums over the spectrum, taken point by point or all at once.
    np.testing.assert_allclose(data.test_loss.sel(alpha_bar=0.9), model.test_loss(0.9), rtol=1e-13)
    assert "PopulationSpectrum" in data.attrs["population"]


def test_gap_is_the_distance_of_the_bulks_below_the_fast_one():
    data = quiet("edges", {"psi_p": [0.5, 64.0], "psi_n": [0.3, 1.0, 8.0], "t": 0.01})
    for psi_p in data.psi_p.values:
        for psi_n in data.psi_n.values:
            model = rs.RandomFeatureModel(psi_p, psi_n, 0.01)
            there = data.sel(psi_p=psi_p, psi_n=psi_n)
            support, names = model.spectrum().support, model.bulk_names()
            if names[-1] == "fast" and len(names) > 1:
                expected = 1.0 - support[-2, 1] / support[-1, 0]
                # The same edges, so the same number.
                np.testing.assert_allclose(there.gap, expected, rtol=1e-15)
            assert there.bulks == len(support)
    total = data["mass"].sum("family") + data.atom
    # Masses are exact up to the rounding of their sum.
    np.testing.assert_allclose(total, 1.0, rtol=1e-14)


def test_every_built_in_names_units_of_all_it_returns():
    sets = {
        "learning_curves": {"tau": 1.0},
        "memorisation": {"tau": 10.0},
        "linear": {"load": 2.0, "alpha_bar": 0.5},
        "time_integrated": {"t_min": 0.1, "t_max": 0.5},
    }
    for name, problem in BUILT_IN.items():
        coords = {"psi_p": 4.0, "psi_n": 2.0, "t": 0.1} if name != "linear" else {}
        if name == "memorisation":
            del coords["psi_n"]
        if name == "time_integrated":
            del coords["t"]
        result = problem.function(**coords, **sets.get(name, {}))
        assert result.keys() - {"family", "data_class"} <= problem.quantities.keys(), name
        parameters = inspect.signature(problem.function).parameters
        assert parameters.keys() <= problem.checks.keys(), name


# -- failures ----------------------------------------------------------------------------------


def fails_at_two(x, y):
    if x == 2:
        raise ArithmeticError("no value\nat two")
    return {"sum": x + y, "pair": ("k", [x, y])}


def test_failed_points_are_nan_with_their_reason():
    with pytest.warns(rs.ConvergenceWarning, match=r"2 of 6 points failed.*x = 2, y = 0"):
        data = quiet(fails_at_two, {"x": [1, 2, 3], "y": [0, 1]})
    assert data.attrs["failed"] == 2
    assert set(data.failure.sel(x=2).values) == {"ArithmeticError: no value at two"}
    assert np.isnan(data["pair"].sel(x=2)).all()
    others = data.sel(x=[1, 3])
    assert (others.failure == "").all()
    np.testing.assert_array_equal(others["sum"], [[1, 2], [3, 4]])


def test_point_that_converged_in_parts_keeps_them():
    def partly(x):
        if x == 2:
            warnings.warn("half of it", rs.ConvergenceWarning, stacklevel=1)
        return {"y": ("k", [1.0, np.nan if x == 2 else 2.0])}

    with pytest.warns(rs.ConvergenceWarning, match="half of it"):
        data = quiet(partly, {"x": [1, 2]})
    np.testing.assert_array_equal(data.y, [[1.0, 2.0], [1.0, np.nan]])
    assert data.failure.values.tolist() == ["", "ConvergenceWarning: half of it"]


def test_none_everywhere_is_refused_and_none_somewhere_a_failed_point():
    def positive(x):
        return {"y": x} if x > 0 else None

    with pytest.warns(rs.ConvergenceWarning, match="2 of 3 points failed"):
        data = quiet(positive, {"x": [-1, 0, 1]})
    np.testing.assert_array_equal(data.y, [np.nan, np.nan, 1.0])
    with pytest.raises(TypeError, match=r"none of 2 points could be computed.*must return a dict"):
        quiet(positive, {"x": [-1, 0]})


def test_sweep_within_a_sweep():
    def mean(psi_p):
        inner = quiet("timescales", {"psi_p": psi_p, "psi_n": [4, 8], "t": 0.01})
        return {"mean": inner.tau_mem.mean().item()}

    data = quiet(mean, {"psi_p": [4, 64]}, workers=1)
    assert float(data["mean"].sel(psi_p=4)) == mean(4)["mean"]


def test_slow_function_that_only_fails_is_given_up_soon(monkeypatch):
    monkeypatch.setattr("rmtspec.sweeps.points._PATIENCE", 0.2)

    def broken(x):
        time.sleep(SLOW)
        raise NameError("undefined")

    with pytest.raises(RuntimeError, match=r"none of 4 points could be computed.*NameError"):
        quiet(broken, {"x": np.arange(100)})


def test_function_that_cannot_be_sent_is_named():
    lock = threading.Lock()

    def locked(x):
        with lock:
            time.sleep(SLOW)
            return {"y": x}

    with pytest.raises(TypeError, match=r"func must be picklable .*workers=1"):
        quiet(locked, {"x": np.arange(8)}, workers=2, chunk=1)
    assert quiet(locked, {"x": np.arange(8)}, workers=1).y.sum() == 28


def test_process_that_dies_is_told():
    def deadly(x):
        time.sleep(SLOW)
        if x == 6:
            os.kill(os.getpid(), signal.SIGKILL)
        return {"y": x}

    with pytest.raises(RuntimeError, match="a process of this machine died"):
        quiet(deadly, {"x": np.arange(9)}, workers=2, chunk=1)


def test_other_warnings_are_passed_on_once():
    def warns(x):
        warnings.warn(f"few at {x}", FewDimensionsWarning, stacklevel=1)
        return {"y": x}

    with pytest.warns(FewDimensionsWarning, match=r"at 3 of 3 points, as in: few at 1") as caught:
        data = quiet(warns, {"x": [1, 2, 3]}, chunk=2)
    assert len(caught) == 1
    assert (data.failure == "").all()


def test_result_of_another_shape_is_a_failed_point():
    def ragged(x):
        return {"y": np.zeros(2 if x == 3 else 1)}

    with pytest.warns(rs.ConvergenceWarning, match=r"shape \(2,\).*\(1,\)"):
        data = quiet(ragged, {"x": [1, 2, 3, 4, 5]})
    assert data.attrs["failed"] == 1
    assert np.isnan(data.y.sel(x=3)).all()


def test_none_and_complex_numbers_out_of_place_are_failed_points():
    def odd(x):
        return {3: None, 4: {"y": 1j}}.get(x, {"y": 1.0})

    with pytest.warns(rs.ConvergenceWarning, match="2 of 6 points failed"):
        data = quiet(odd, {"x": np.arange(6)})
    assert "must return a dict" in data.failure.values[3]
    assert "returned complex y" in data.failure.values[4]
    np.testing.assert_array_equal(data.y, [1.0, 1.0, 1.0, np.nan, np.nan, 1.0])


def test_labels_must_be_the_same_at_every_point():
    def moving(x):
        return {"k": ("k", [0.0, x]), "y": ("k", [1.0, 2.0])}

    with pytest.warns(rs.ConvergenceWarning, match="2 of 3 points failed.*returned other k than"):
        quiet(moving, {"x": [1, 2, 3]})


def test_nothing_is_returned_if_no_point_could_be_computed():
    def never(x):
        raise ArithmeticError(f"not at {x}")

    with pytest.raises(RuntimeError, match=r"none of 3 points could be computed.*ArithmeticError"):
        quiet(never, {"x": [1, 2, 3]})


# -- stores ------------------------------------------------------------------------------------


def test_store_is_continued_and_not_computed_twice(tmp_path):
    log, flag, store = tmp_path / "log", tmp_path / "flag", tmp_path / "folder" / "store.zarr"

    def interrupted(x):
        time.sleep(SLOW)
        if x == 6 and flag.exists():
            flag.unlink()
            raise KeyboardInterrupt
        with log.open("a") as file:
            file.write(f"{x:g} ")
        return {"y": 2.0 * x}

    def computed():
        numbers = log.read_text().split() if log.exists() else []
        log.unlink(missing_ok=True)
        return sorted(numbers)

    flag.touch()
    coords = {"x": np.arange(9.0)}
    with pytest.raises(KeyboardInterrupt):
        quiet(interrupted, coords, store=store, chunk=3)
    assert computed() == list("0123457")  # 7 among the first, to measure the time
    data = quiet(interrupted, coords, store=store)
    np.testing.assert_array_equal(data.y, 2.0 * np.arange(9.0))
    assert computed() == list("678")
    assert quiet(interrupted, coords, store=store).identical(data)
    assert computed() == []


def test_killed_sweep_is_continued_to_the_same_data(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import os, signal, sys, time, rmtspec as rs\n"
        "def f(psi_n):\n"
        "    time.sleep(0.06)\n"
        "    if psi_n == 4 and os.path.exists('kill'):\n"
        "        os.remove('kill'); os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return {'tau': rs.RandomFeatureModel(8, psi_n, 0.1).timescales().tau_mem}\n"
        "data = rs.sweep(f, {'psi_n': range(2, 8)}, store='store', chunk=1,"
        " workers=1, progress=False)\n"
        "print(data.tau.values.tobytes().hex())\n"
    )
    (tmp_path / "kill").touch()
    run = partial(
        subprocess.run, [sys.executable, script], cwd=tmp_path, capture_output=True, text=True
    )
    assert run(timeout=120).returncode == -signal.SIGKILL
    finished = sorted(
        path.name for path in (tmp_path / "store/sweep-progress/finished/c").iterdir()
    )
    assert finished == ["0", "1"]
    second = run(timeout=120, check=True)
    taus = [rs.RandomFeatureModel(8, n, 0.1).timescales().tau_mem for n in range(2, 8)]
    assert second.stdout.strip() == np.array(taus).tobytes().hex()


def test_stored_failures_are_told_again(tmp_path):
    for _ in range(2):
        with pytest.warns(rs.ConvergenceWarning, match="2 of 6 points failed"):
            data = quiet(fails_at_two, {"x": [1, 2, 3], "y": [0, 1]}, store=tmp_path / "s", chunk=1)
        assert data.attrs["failed"] == 2


def test_store_holds_what_memory_does(tmp_path):
    coords = {**RATIOS, "activation": ["tanh", "erf"]}
    data = quiet("edges", coords, store=tmp_path / "s", chunk=5)
    assert data.load().identical(quiet("edges", coords))
    assert not [path.name for path in tmp_path.iterdir() if path.name != "s"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"psi_p": [4.0, 16.0]}, "psi_p was 2 from 4.0 to 8.0 .* is 2 from 4.0"),
        ({"t": 0.2}, "t was 0.1, is 0.2"),
        ({"activation": "relu"}, "activation was None, is relu"),
        ({"population": rs.PopulationSpectrum([1.0, 2.0])}, "population was None"),
    ],
)
def test_store_of_other_parameters_is_refused_and_kept(tmp_path, change, said):
    coords = {"psi_p": [4.0, 8.0], "psi_n": [2.0, 4.0], "t": 0.1}
    before = quiet("timescales", coords, store=tmp_path / "s")
    with pytest.raises(ValueError, match=said):
        quiet("timescales", {**coords, **change}, store=tmp_path / "s")
    assert quiet("timescales", coords, store=tmp_path / "s").identical(before)


def test_result_does_not_depend_on_its_store_any_more(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = quiet(lambda x: {"y": x}, {"x": [1, 2, 3]}, store="s", chunk=1)
    (tmp_path / "s").rename(tmp_path / "moved")
    monkeypatch.chdir("/")
    np.testing.assert_array_equal(data.y, [1, 2, 3])


def test_store_may_be_a_path_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    quiet(lambda x: {"y": x}, {"x": [1, 2]}, store="~/s")
    assert (tmp_path / "s" / "zarr.json").exists()


def test_two_processes_that_begin_at_once_share_a_store(tmp_path, monkeypatch):
    coords, store = {"x": [1, 2, 3]}, tmp_path / "s"

    def f(x):
        return {"y": 2 * x}

    def first(draft, path, rename=os.rename):
        monkeypatch.setattr(os, "rename", rename)
        quiet(f, coords, store=store)
        rename(draft, path)

    monkeypatch.setattr(os, "rename", first)
    np.testing.assert_array_equal(quiet(f, coords, store=store).y, [2, 4, 6])
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_store_of_another_function_is_refused(tmp_path):
    coords = {"psi_p": [4.0, 8.0], "psi_n": [2.0, 4.0], "t": 0.1}
    quiet("timescales", coords, store=tmp_path / "s")
    with pytest.raises(ValueError, match="function was timescales, is edges"):
        quiet("edges", coords, store=tmp_path / "s")
    quiet(lambda x: {"y": x}, {"x": [1, 2]}, store=tmp_path / "f")
    with pytest.raises(ValueError, match="function was"):
        quiet(lambda x: {"y": 2 * x}, {"x": [1, 2]}, store=tmp_path / "f")
    quiet(lambda function: {"y": 1.0}, {"function": "a"}, store=tmp_path / "named")
    with pytest.raises(ValueError, match="function was"):
        quiet(lambda function: {"y": 2.0}, {"function": "a"}, store=tmp_path / "named")


def test_store_of_an_edited_function_is_refused(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    module = tmp_path / "edited_between_sweeps.py"
    more = (
        "\nclass Scaled:\n    def __init__(self, k): self.k = k\n"
        "    def times(self, x): return {'y': self.k * x}\n"
    )
    module.write_text(f"def f(x, k=0):\n    return {{'y': x}}\n{more}")
    edited = importlib.import_module("edited_between_sweeps")
    quiet(edited.f, {"x": [1, 2]}, store=tmp_path / "s")
    module.write_text(f"def f(x, k=0):\n    return {{'y': x + 1}}\n{more}")
    importlib.reload(edited)
    with pytest.raises(ValueError, match="function was"):
        quiet(edited.f, {"x": [1, 2]}, store=tmp_path / "s")
    quiet(partial(edited.f, k=1), {"x": [1, 2]}, store=tmp_path / "p")
    quiet(edited.Scaled(2).times, {"x": [1, 2]}, store=tmp_path / "m")
    module.write_text(
        module.read_text().replace("x + 1", "x + 2").replace("self.k *", "3 * self.k *")
    )
    importlib.reload(edited)
    with pytest.raises(ValueError, match="function was"):
        quiet(partial(edited.f, k=1), {"x": [1, 2]}, store=tmp_path / "p")
    with pytest.raises(ValueError, match="function was"):
        quiet(edited.Scaled(2).times, {"x": [1, 2]}, store=tmp_path / "m")


def test_progress_counts_what_an_earlier_call_left(tmp_path, capsys):
    def interrupted(x):
        time.sleep(SLOW)
        if x == 6 and not (tmp_path / "flag").exists():
            (tmp_path / "flag").touch()
            raise KeyboardInterrupt
        return {"y": x}

    for shown in ("0/9", "6/9"):
        with contextlib.suppress(KeyboardInterrupt):
            rs.sweep(interrupted, {"x": np.arange(9.0)}, store=tmp_path / "store", chunk=3)
        assert shown in capsys.readouterr().err.partition("point/s")[0]
    quiet(interrupted, {"x": np.arange(9.0)})
    assert capsys.readouterr() == ("", "")


def test_store_of_another_version_is_refused(tmp_path, monkeypatch):
    quiet("timescales", {"psi_p": 4.0, "psi_n": 2.0, "t": 0.1}, store=tmp_path / "s")
    monkeypatch.setattr(sweep_module.execution, "version", lambda name: "99.0")
    with pytest.raises(ValueError, match=rf"rmtspec was {rs.__version__}, is 99.0"):
        quiet("timescales", {"psi_p": 4.0, "psi_n": 2.0, "t": 0.1}, store=tmp_path / "s")


def test_store_of_anything_else_is_refused_and_kept(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    for path in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(ValueError, match="store must be a new path or a sweep's"):
            quiet("timescales", {"psi_p": 4.0, "psi_n": 2.0, "t": 0.1}, store=path)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    (tmp_path / "empty").mkdir()
    quiet("timescales", {"psi_p": 4.0, "psi_n": 2.0, "t": 0.1}, store=tmp_path / "empty")


def test_store_refuses_what_cannot_be_told_apart(tmp_path):
    with pytest.raises(ValueError, match="store cannot tell"):
        quiet(lambda x, o: {"y": x}, {"x": [1], "o": object()}, store=tmp_path / "s")


# -- bad input ---------------------------------------------------------------------------------


GOOD = {"psi_p": [4.0], "psi_n": [2.0], "t": 0.1}


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"psi_p": [4.0, -1.0]}, ValueError, r"psi_p .*\[1e-09, 1e\+09\], got -1.0"),
        ({"psi_p": [4.0, np.nan]}, ValueError, "psi_p must hold numbers, got nan"),
        ({"psi_p": []}, ValueError, r"psi_p .*shape \(0,\)"),
        ({"psi_p": [[1.0]]}, ValueError, r"psi_p .*shape \(1, 1\)"),
        ({"psi_p": [[1.0], [1.0, 2.0]]}, ValueError, "psi_p must be one value or a list"),
        ({"psi_p": [1j]}, TypeError, "psi_p must hold real numbers or strings"),
        ({"psi_p": ["many"]}, TypeError, "psi_p must hold real numbers"),
        ({"psi_p": [1, "a"]}, TypeError, "psi_p must hold real numbers or strings, got"),
        ({"psi_p": {1.0, 2.0}}, TypeError, "psi_p must have an order"),
        ({"failure": 1.0}, ValueError, "other than 'failure', got 'failure'"),
        ({"t": 0.0}, ValueError, "t must hold numbers > 0, got 0.0"),
        ({"activation": ["tanh", "step"]}, ValueError, "activation must be .*'step'"),
        ({"population": 3.0}, TypeError, "population must be a PopulationSpectrum, got 3.0"),
        ({"colour": "red"}, TypeError, r"arguments of timescales\(psi_p, .*'colour'"),
        ({"psi p": 1.0}, ValueError, "named by identifiers .*'psi p'"),
    ],
)
def test_bad_coordinates_are_refused_by_name(change, error, said):
    with pytest.raises(error, match=said):
        quiet("timescales", {**GOOD, **change})


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"chunk": 0}, ValueError, "chunk must be an integer >= 1, got 0"),
        ({"workers": 0}, ValueError, "workers must be an integer >= 1, got 0"),
        ({"workers": 1.5}, TypeError, "workers must be an integer"),
        ({"client": "tcp://host"}, TypeError, "client must be a dask.distributed.Client"),
        ({"client": "tcp://host", "workers": 2}, ValueError, "workers must be left out"),
        ({"store": 3}, TypeError, "store must be a path, got 3"),
        ({"store": ""}, ValueError, "store must be a path"),
        ({"store": "s3://bucket/x"}, ValueError, "store must be a path on this machine"),
        ({"progress": "yes"}, TypeError, "progress must be True or False"),
    ],
)
def test_bad_options_are_refused_by_name(options, error, said):
    with pytest.raises(error, match=said):
        rs.sweep("timescales", GOOD, **{"progress": False, **options})


@pytest.mark.parametrize(
    ("func", "error", "said"),
    [
        ("timescale", ValueError, "func must be 'timescales', .* got 'timescale'"),
        (3, TypeError, "func must be callable or one of timescales"),
        (lambda x: 3.0, TypeError, "func must return a dict .*got 3.0"),
        (lambda x: {}, TypeError, "func must return a dict"),
        (lambda x: {1: 2.0}, TypeError, "identifiers as keys, got 1"),
        (lambda x: {"y": "word"}, TypeError, "func must return numbers, got 'y'"),
        (lambda x: {"x": 2.0}, ValueError, "must not return 'x'"),
        (lambda x: {"failure": 2.0}, ValueError, "must not return 'failure'"),
        (lambda x: {"y": ("x", [1.0])}, ValueError, "must not return the dimension 'x'"),
        (lambda x: {"y": (("a", "b"), [1.0])}, TypeError, "must name 1 dimensions of 'y'"),
        (
            lambda x: {"y": ("k", [1.0]), "z": ("k", [1.0, 2.0])},
            ValueError,
            "'z' with 1 values along 'k', got 2",
        ),
    ],
)
def test_bad_functions_are_refused_with_the_reason(func, error, said):
    with pytest.raises(error, match=said):
        quiet(func, {"x": [1.0]})


def test_coords_must_be_a_mapping():
    with pytest.raises(TypeError, match="coords must be a mapping"):
        quiet("timescales", [1, 2])


def test_missing_extra_is_named(monkeypatch):
    real = sweep_module.importlib.util.find_spec
    monkeypatch.setattr(
        sweep_module.importlib.util,
        "find_spec",
        lambda name: None if name == "zarr" else real(name),
    )
    with pytest.raises(ImportError, match=r"sweep needs zarr: pip install '\.\[sweep\]'"):
        quiet("timescales", GOOD)


def test_paths_and_predictions_are_coordinates_by_name():
    names = ["score", "noise", "v"]
    found = rs.sweep(
        "stopping",
        {"psi_p": 8.0, "psi_n": 4.0, "t": [0.25, 0.5], "path": "flow", "prediction": names},
        progress=False,
    )
    assert found["tau"].dims == ("t", "prediction")
    for s in (0.25, 0.5):
        model = rs.RandomFeatureModel(8.0, 4.0, rs.NoiseLevel.flow(s))
        for name in names:
            training = model.training(prediction=None if name == "score" else name)
            best = training.best_stopping()
            here = found.sel(t=s, prediction=name)
            assert float(here["tau"]) == best.tau
            assert float(here["score_error"]) == best.score_error
            fraction = float(training.memorised_fraction(best.tau))
            assert float(here["memorised_fraction"]) == fraction
    times = rs.sweep(
        "timescales", {"psi_p": 8.0, "psi_n": 4.0, "t": 0.5, "path": ["ou", "flow"]},
        progress=False,
    )  # fmt: skip
    assert float(times["tau_mem"][0]) != float(times["tau_mem"][1])


@pytest.mark.parametrize(
    ("coords", "words"),
    [({"path": "flaw"}, "did you mean 'flow'"), ({"prediction": ["noises"]}, "prediction must")],
)
def test_unknown_paths_and_predictions_are_refused_before_any_work(coords, words):
    with pytest.raises(ValueError, match=words):
        rs.sweep("stopping", {"psi_p": 8.0, "psi_n": 4.0, "t": 0.5, **coords}, progress=False)
