"""Phase diagrams: they say what laws, curves and divergences say, and limits of theory hold."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.sweeps.diagrams import DIAGRAMS
from rmtspec.sweeps.points import Evaluation
from rmtspec.sweeps.problems import BUILT_IN

SMALL = {
    "gap": {"psi_p": [2.0, 8.0], "psi_n": [0.5, 4.0, 16.0]},
    "timescales": {"psi_p": [2.0, 8.0], "psi_n": [0.5, 4.0, 16.0]},
    "stopping": {"psi_p": [2.0, 8.0], "psi_n": [0.5, 4.0, 16.0]},
    "memorisation": {"psi_p": [2.0, 8.0], "psi_n": [0.5, 4.0, 16.0], "tau": [1e3]},
    "kl": {"load": [0.5, 2.0], "c": [0.01, 0.1, 1.0]},
}


def compute(name, **options):
    return DIAGRAMS[name].compute(progress=False, workers=1, **options)


@pytest.fixture
def failing(monkeypatch):
    """Make one built-in sweep fail where one of its arguments exceeds a bound."""

    def _failing(problem, argument, bound):
        original = BUILT_IN[problem]

        @functools.wraps(original.function)
        def function(**arguments):
            if arguments[argument] > bound:
                raise ValueError(f"{argument} is too large")
            return original.function(**arguments)

        monkeypatch.setitem(BUILT_IN, problem, dataclasses.replace(original, function=function))

    return _failing


@pytest.mark.parametrize("name", DIAGRAMS)
def test_a_diagram_is_a_labelled_sweep_with_all_that_is_drawn(name):
    diagram, data = DIAGRAMS[name], compute(name, **SMALL[name])
    assert data.attrs["diagram"] == diagram.name == name
    assert data.attrs["failed"] == 0
    for variable in diagram.drawn:
        assert set(diagram.axes) <= set(data[variable].dims)
        assert data[variable].attrs["long_name"]
    for axis, values in SMALL[name].items():
        np.testing.assert_array_equal(data[axis], values)


@pytest.mark.parametrize("name", DIAGRAMS)
def test_grids_of_its_own_have_forty_points_along_each_axis(name):
    diagram = DIAGRAMS[name]
    for axis in diagram.axes:
        values = diagram.coords[axis]
        assert len(values) == 40
        np.testing.assert_allclose(np.diff(np.log(values), 2), 0.0, atol=1e-13)


def test_gap_is_open_where_a_bulk_of_the_law_ends_at_the_mass_of_the_population():
    psi_p, psi_n = [0.5, 1.1, 2.0, 8.0, 64.0], [0.25, 0.8, 1.1, 1.5, 4.0, 100.0]
    data, seen = compute("gap", psi_p=psi_p, psi_n=psi_n, t=0.01), set()
    for p in psi_p:
        for n in psi_n:
            law = rs.RandomFeatureModel(p, n, 0.01).spectrum()
            share = min(p, n, 1.0) / p
            gap = data.gap.sel(psi_p=p, psi_n=n).item()
            if share == 1.0:
                assert np.isnan(gap)
                seen.add("alone")
                continue
            above = law.masses[::-1].cumsum()[::-1]
            # Masses are exact up to the rounding of their sum.
            first = np.flatnonzero(np.abs(above - share) < 1e-12)
            if first.size == 0:
                assert gap == 0.0
                seen.add("closed")
                continue
            below = law.support[: first[0], 1].max(initial=law.origin)
            # Edges are compared with themselves.
            assert gap == pytest.approx(1.0 - below / law.support[first[0], 0], rel=1e-14)
            assert gap > 0.0
            seen.add("open")
    assert seen == {"alone", "closed", "open"}


def test_gap_is_that_of_theorem_3_2_for_large_ratios():
    psi_p, psi_n = [1e5, 1e6], [1e3, 1e4]
    data = compute("gap", psi_p=psi_p, psi_n=psi_n)
    for p in psi_p:
        for n in psi_n:
            bulks = rs.RandomFeatureModel(p, n, 0.01).asymptotic_bulks()
            expected = bulks.rho_2_edges[0, 0] / bulks.rho_1_edges[1]
            found = 1.0 / (1.0 - data.gap.sel(psi_p=p, psi_n=n).item())
            # The fast bulk has an error of 2 psi_n^(-1/2), that of a lower Marchenko-Pastur edge.
            assert found == pytest.approx(expected, rel=2.5 / np.sqrt(n))


def test_times_part_in_proportion_to_the_samples_where_features_abound():
    psi_n = np.array([1e3, 1e4, 1e5])
    data = compute("timescales", psi_p=[1e8, 1e9], psi_n=psi_n, t=0.01)
    at = rs.RandomFeatureModel(1e9, 1e3, 0.01).coefficients
    # Samples lie at psi_p v^2/psi_n, the population at psi_p (c^2 + b^2); the ends of their bulks
    # are 2 psi_n^(-1/2) and 2 (psi_n/psi_p)^(1/2) away.
    limit = (at.c**2 + at.b**2) / at.v**2
    relative = data.ratio.sel(psi_p=1e9).values / psi_n / limit - 1.0
    assert np.all(np.abs(relative) < 2.0 / np.sqrt(psi_n) + 2.5 * np.sqrt(psi_n / 1e9))
    assert not data.merged.any()


def test_memorised_are_those_models_with_fewer_samples_than_the_boundary():
    axis = np.geomspace(0.5, 200.0, 9)
    data = compute("memorisation", psi_p=axis, psi_n=axis, tau=[1e3, 1e4])
    left = data.psi_n < data.boundary
    assert bool(((data.generalization > 0.1) == left).all())
    assert bool(left.any(["psi_p", "psi_n"]).all())
    assert not bool(left.all(["psi_p", "psi_n"]).any())


def test_generalisation_loss_on_the_boundary_is_the_level():
    data = compute("memorisation", psi_p=[2.0, 64.0], psi_n=[1.0, 2.0], tau=[1e3, 1e4], gap=0.2)
    for p in (2.0, 64.0):
        for tau in (1e3, 1e4):
            edge = data.boundary.sel(psi_p=p, tau=tau).item()
            curves = rs.RandomFeatureModel(p, edge, 0.1).learning_curves(tau)
            # The root is found to 1e-10 of psi_n, and the loss falls like a low power of it.
            assert curves.generalization == pytest.approx(0.2, rel=1e-8)


def test_boundary_of_wide_models_moves_out_with_training_time():
    data = compute("memorisation", psi_p=[1e3, 2e3], psi_n=[1.0, 2.0], tau=[1e3, 1e4, np.inf])
    early, late, end = data.boundary.sel(psi_p=2e3).values
    # tau_mem grows like psi_n: ten times the time for about ten times the samples.
    assert 7.0 < late / early < 10.0
    # Without a limit to training, it is features that limit memorisation.
    assert end / data.boundary.sel(psi_p=1e3, tau=np.inf).item() == pytest.approx(2.0, rel=0.01)


def test_no_boundary_where_the_loss_stays_below_the_level():
    data = compute("memorisation", **SMALL["memorisation"], gap=1e3)
    assert np.isnan(data.boundary).all()
    assert (data.boundary_failure == "").all()


def test_best_stopping_beats_its_neighbours_in_time():
    data = compute("stopping", **SMALL["stopping"])
    for p, n in ((2.0, 0.5), (8.0, 4.0), (8.0, 16.0)):
        point = data.sel(psi_p=p, psi_n=n)
        tau = point.tau.item() * np.array([0.9, 1.0, 1.1])
        test = rs.RandomFeatureModel(p, n, 0.1).learning_curves(tau).test
        assert test[1] == pytest.approx(point.test.item(), rel=1e-13)
        assert test[1] < min(test[0], test[2])


def test_training_rule_can_be_chosen_for_best_stopping():
    data = compute("stopping", psi_p=[8.0, 16.0], psi_n=[2.0, 4.0], ridge=0.1, activation="erf")
    training = rs.RandomFeatureModel(16.0, 4.0, 0.1, "erf").training(ridge=0.1)
    assert data.tau.sel(psi_p=16.0, psi_n=4.0).item() == training.best_stopping().tau


def test_divergences_are_those_of_the_linear_denoiser():
    population = rs.PopulationSpectrum.power_law(1.0, 30)
    data = compute("kl", load=[0.5, 2.0, 8.0], c=[1e-3, 0.1], population=population)
    model = rs.LinearDenoiser(population, data["load"].values[:, None], data.c.values)
    # One point and many take the same steps; sums may differ in their last bits.
    np.testing.assert_allclose(data.kl_data_model, model.kl("data||model"), rtol=1e-13)
    np.testing.assert_allclose(data.kl_model_data, model.kl("model||data"), rtol=1e-13)


def test_divergence_of_many_samples_is_a_quarter_of_dimensions_over_samples():
    load = np.array([1e2, 1e3, 1e4])
    data = compute("kl", load=load, c=[1e-12, 1e-11])
    # With q = d/N the means of tr S^-1/d and log det S/d, S a Wishart matrix, are 1/(1 - q) and
    # -1 - (1 - q) log(1 - q)/q; half of their sum less 1 is q/4 (1 + 5 q/3 + 11 q^2/6 + ...), and
    # the other way q/4 (1 + q/3 + q^2/6 + ...).
    for name, second in (("kl_data_model", 5.0 / 3.0), ("kl_model_data", 1.0 / 3.0)):
        rest = data[name].values[:, 0] * 4.0 * load - 1.0 - second / load
        assert np.all(np.abs(rest) < 2.0 / load**2)


@pytest.mark.parametrize(
    ("name", "overrides", "error", "parts"),
    [
        ("gap", {"load": 2.0}, TypeError, ["gap", "psi_p, psi_n, t", "'load'"]),
        ("kl", {"psi_p": [1.0, 2.0]}, TypeError, ["kl", "load, c", "'psi_p'"]),
        ("memorisation", {"ridge": 0.1}, TypeError, ["memorisation", "'ridge'"]),
        ("gap", {"psi_p": 2.0}, ValueError, ["psi_p", "two or more ascending", "2.0"]),
        ("gap", {"psi_p": [4.0, 2.0]}, ValueError, ["psi_p", "ascending", "4.0"]),
        ("gap", {"psi_n": [0.0, 2.0]}, ValueError, ["psi_n", "> 0", "0.0"]),
        ("gap", {"psi_n": [1.0, np.inf]}, ValueError, ["psi_n", "inf"]),
        ("gap", {"psi_n": ["a", "b"]}, TypeError, ["psi_n", "real"]),
        ("gap", {"psi_n": [[1.0, 2.0]]}, ValueError, ["psi_n", "ascending"]),
        ("gap", {"t": [0.1, 0.2]}, ValueError, ["t must be a single value", "0.2"]),
        ("gap", {"t": -1.0}, ValueError, ["t must", "-1.0"]),
        ("gap", {"activation": "relish"}, ValueError, ["activation", "relish"]),
        ("gap", {"activation": ["erf", "tanh"]}, ValueError, ["activation", "single"]),
        ("gap", {"population": [1.0]}, ValueError, ["population", "single"]),
        ("gap", {"population": 1.0}, TypeError, ["population", "PopulationSpectrum"]),
        ("memorisation", {"tau": 0.0}, ValueError, ["tau", "ascending numbers > 0"]),
        ("memorisation", {"gap": 0.0}, ValueError, ["gap", "0.0"]),
        ("kl", {"c": [0.0, 1.0]}, ValueError, ["c must", "> 0", "0.0"]),
        ("kl", {"load": [1.0, 1e15]}, ValueError, ["load", "1e+12"]),
        ("gap", {"workers": 0}, ValueError, ["workers", "0"]),
    ],
)
def test_bad_arguments_are_named_before_any_work(tmp_path, name, overrides, error, parts):
    with pytest.raises(error) as caught:
        DIAGRAMS[name].compute(store=tmp_path / "store", progress=False, **overrides)
    for part in parts:
        assert part in str(caught.value)
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("name", ["gap", "memorisation"])
@pytest.mark.parametrize(
    ("store", "error"), [("", ValueError), ("s3://bucket/gap", ValueError), (3, TypeError)]
)
def test_a_store_must_be_a_path_on_this_machine(tmp_path, monkeypatch, name, store, error):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match="store must be a path"):
        compute(name, **SMALL[name], store=store)
    assert not list(tmp_path.iterdir())


def test_a_store_is_read_and_not_computed_again(tmp_path, monkeypatch):
    options = {**SMALL["memorisation"], "store": tmp_path / "store"}
    first = compute("memorisation", **options).load()

    def refuse(*_):
        raise AssertionError("nothing is missing")

    monkeypatch.setattr(Evaluation, "block", refuse)
    monkeypatch.setattr(Evaluation, "pilot", refuse)
    assert compute("memorisation", **options).load().identical(first)
    assert {path.name for path in (tmp_path / "store").iterdir()} == {
        "learning_curves",
        "memorisation",
    }
    with pytest.raises(ValueError, match=r"gap was 0\.1, is 0\.3"):
        compute("memorisation", **options, gap=0.3)


def test_failures_of_map_and_boundary_are_counted_and_told(failing):
    failing("learning_curves", "psi_n", 10.0)
    failing("memorisation", "psi_p", 4.0)
    with pytest.warns(rs.ConvergenceWarning, match="psi_[np] is too large") as caught:
        data = compute("memorisation", **SMALL["memorisation"])
    assert len(caught) == 2
    assert data.attrs["failed"] == 3
    assert (data.failure != "").values.tolist() == [[False, False, True]] * 2
    assert data.boundary_failure.values.ravel().tolist() == ["", "ValueError: psi_p is too large"]
    assert np.isnan(data.generalization.sel(psi_n=16.0)).all()
    assert np.isnan(data.boundary.sel(psi_p=8.0)).all()


def test_two_sweeps_are_not_put_into_the_store_of_another(tmp_path):
    compute("gap", **SMALL["gap"], store=tmp_path / "store")
    with pytest.raises(ValueError, match="store must be a new path or one of memorisation"):
        compute("memorisation", **SMALL["memorisation"], store=tmp_path / "store")
