"""Maps of sweeps: colours are the values, lines are the theory, and what has no value says why."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from scipy.optimize import minimize_scalar

import rmtspec as rs
from rmtspec.plots.style import save
from rmtspec.plots.sweeps import figure_size, plot_diagram, plot_map
from rmtspec.sweeps.diagrams import DIAGRAMS
from rmtspec.sweeps.problems import BUILT_IN

AXIS = np.geomspace(0.5, 50.0, 5)
AXES = {
    "gap": {"psi_p": AXIS, "psi_n": np.geomspace(0.25, 64.0, 7)},
    "timescales": {"psi_p": AXIS, "psi_n": np.geomspace(0.25, 64.0, 7)},
    "stopping": {"psi_p": AXIS[2:], "psi_n": AXIS},
    "memorisation": {"psi_p": AXIS, "psi_n": np.geomspace(0.25, 64.0, 7)},
    "kl": {"load": np.geomspace(0.1, 100.0, 7), "c": np.geomspace(1e-3, 10.0, 21)},
}


@pytest.fixture(scope="module")
def computed():
    return {
        name: DIAGRAMS[name].compute(**axes, progress=False, workers=1)
        for name, axes in AXES.items()
    }


def drawn(data):
    figure = Figure(figsize=figure_size(data), layout="constrained")
    return plot_diagram(data, figure)


def maps(figure):
    """Axes that hold a map (a colour bar has none on its own axes)."""
    return [ax for ax in figure.axes if ax.get_xlabel()]


def colours(ax):
    return ax.collections[0].get_array()


def words(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def covered(ax):
    """For each name of ground, the points of the map that it covers."""
    return {
        patch.get_label(): len(patch.get_path().vertices) // 5
        for patch in ax.patches
        if isinstance(patch, PathPatch)
    }


@pytest.mark.parametrize("name", AXES)
def test_every_diagram_is_drawn_and_written(computed, tmp_path, name):
    figure = drawn(computed[name])
    save(figure, tmp_path / "map.png")
    assert (tmp_path / "map.png").stat().st_size > 10_000
    horizontal, vertical = DIAGRAMS[name].axes
    for ax in maps(figure):
        assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
        assert ax.get_xlim() == pytest.approx(AXES[name][horizontal][[0, -1]])
        assert ax.get_ylim() == pytest.approx(AXES[name][vertical][[0, -1]])
    assert len(maps(figure)) == {"gap": 1, "timescales": 1}.get(name, 2)


def test_colours_of_the_times_are_their_ratio(computed):
    data = computed["timescales"]
    (ax,) = maps(drawn(data))
    np.testing.assert_array_equal(
        colours(ax).filled(np.nan), data.ratio.transpose("psi_p", "psi_n")
    )
    merged = ((data.merged == 1.0) & data.ratio.notnull()).sum().item()
    empty = data.ratio.isnull().sum().item()
    assert merged > 0
    assert covered(ax) == {
        "bulks merged: times by mass quantiles": merged,
        "no sample bulk": empty,
    }


def test_colours_of_the_gap_are_ratios_of_edges_and_closed_ground_is_hatched(computed):
    data = computed["gap"]
    figure = drawn(data)
    (ax,) = maps(figure)
    shown = colours(ax).filled(np.nan)
    np.testing.assert_array_equal(np.isfinite(shown), data.gap > 0.0)
    model = rs.RandomFeatureModel(AXIS[-1], 64.0, 0.01)
    # Edges compared with themselves, up to the rounding of 1 - gap, which is some 0.01.
    separation = model.families[0].lower / model.spectrum().support[-2, 1]
    assert shown[-1, -1] == pytest.approx(separation, rel=1e-13)
    closed, alone = (data.gap == 0.0).sum().item(), data.gap.isnull().sum().item()
    assert min(closed, alone) > 0
    assert covered(ax) == {"bulks merged: no gap": closed, "fast bulk alone": alone}
    assert words(figure) == ["bulks merged: no gap", "fast bulk alone"]
    hatched = {patch.get_label(): bool(patch.get_hatch()) for patch in ax.patches}
    assert hatched == {"bulks merged: no gap": True, "fast bulk alone": False}


def test_test_loss_is_drawn_above_that_of_the_true_score(computed):
    data = computed["stopping"]
    left, right = maps(drawn(data))
    np.testing.assert_array_equal(colours(left), data.tau)
    # Noisy data have variance 1 here, and the true score leaves the loss 1 - (1 - e^-2t).
    expected = data.test.values - np.exp(-2.0 * data.t.item())
    np.testing.assert_allclose(colours(right), expected, atol=1e-14)


def test_endless_training_is_named_and_not_coloured(computed):
    data = computed["stopping"].copy(deep=True)
    data.tau[0, 0], data.tau[0, 1] = np.inf, 0.0
    left, right = maps(drawn(data))
    assert colours(left).mask.sum() == 2
    assert covered(left) == {r"no best time but $\tau=0$ or $\infty$": 2}
    assert not np.any(colours(right).mask)


def test_boundary_of_memorisation_lies_on_the_map_of_its_time(computed):
    data = computed["memorisation"]
    figure = drawn(data)
    for tau, ax in zip((1e3, 1e4), maps(figure), strict=True):
        np.testing.assert_array_equal(colours(ax), data.generalization.sel(tau=tau))
        line, diagonal = ax.get_lines()
        np.testing.assert_array_equal(line.get_xdata(), data.boundary.sel(tau=tau))
        np.testing.assert_array_equal(line.get_ydata(), AXIS)
        np.testing.assert_array_equal(diagonal.get_xdata(), diagonal.get_ydata())
    assert [ax.get_title() for ax in maps(figure)] == [r"$\tau = 10^{3}$", r"$\tau = 10^{4}$"]
    assert words(figure) == ["generalisation loss $=0.1$", "$n=p$"]
    first, second = (ax.collections[0].norm for ax in maps(figure))
    assert (first.vmin, first.vmax) == (second.vmin, second.vmax)


def test_best_ridge_is_where_the_divergence_is_least(computed):
    data = computed["kl"]
    figure = drawn(data)
    for ax, name in zip(maps(figure), ("data||model", "model||data"), strict=True):
        (line,) = ax.get_lines()
        for load, c in zip(line.get_xdata(), line.get_ydata(), strict=True):

            def divergence(log_c, load=load, name=name):
                model = rs.LinearDenoiser(rs.PopulationSpectrum.isotropic(), load, np.exp(log_c))
                return float(model.kl(name))

            best = minimize_scalar(divergence, bracket=(np.log(c) - 1.0, np.log(c) + 1.0))
            # The vertex of a parabola through points h apart is off by up to h^2/6 times the ratio
            # of third and second derivative, some 3 here; the nearest point would be by h/2.
            h = np.log(1e4) / 20.0
            assert np.log(c) == pytest.approx(best.x, abs=0.5 * h**2)


def test_a_minimum_at_the_end_of_the_axis_is_none():
    data = DIAGRAMS["kl"].compute(load=[1.0, 10.0], c=[1.0, 2.0, 4.0], progress=False)
    figure = drawn(data)
    assert not any(ax.get_lines() for ax in maps(figure))
    assert not figure.legends


def test_divergences_that_are_infinite_are_named():
    flat = rs.PopulationSpectrum([0.0, 1.0])  # a ridge gives the model a variance that data lack
    data = DIAGRAMS["kl"].compute(
        load=[1.0, 10.0], c=[0.1, 1.0], population=flat, progress=False, workers=1
    )
    figure = drawn(data)
    for ax in maps(figure):
        assert covered(ax) == {"infinite": 4}
    assert words(figure) == ["infinite"]


def test_short_logarithmic_axes_have_plain_numbers():
    data = DIAGRAMS["kl"].compute(load=[1.0, 20.0], c=[0.1, 1000.0], progress=False, workers=1)
    figure = Figure()
    ax = plot_map(data.kl_data_model, figure.subplots())
    figure.canvas.draw()
    vertical, horizontal = (
        [tick.get_text() for tick in ticks]
        for ticks in (ax.get_yticklabels(), ax.get_xticklabels())
    )
    assert {"1", "2", "5", "10", "20"} <= set(vertical)
    assert all("10^" in text for text in horizontal)


def test_failed_points_are_named_apart_from_those_without_a_value(monkeypatch):
    original = BUILT_IN["edges"]

    def fails(psi_p, psi_n, t, activation="tanh", population=None):
        if psi_n > 30.0:
            raise ValueError("too many")
        return original.function(psi_p, psi_n, t, activation, population)

    monkeypatch.setitem(
        BUILT_IN, "edges", dataclasses.replace(original, function=fails, together=None)
    )
    with pytest.warns(rs.ConvergenceWarning, match="too many"):
        data = DIAGRAMS["gap"].compute(**AXES["gap"], progress=False, workers=1)
    (ax,) = maps(drawn(data))
    assert covered(ax)["failed"] == data.attrs["failed"] == AXIS.size
    assert sum(covered(ax).values()) == colours(ax).mask.sum()


def test_fixed_arguments_stand_above_the_picture():
    population = rs.PopulationSpectrum([0.5, 1.5])
    data = DIAGRAMS["gap"].compute(
        psi_p=[2.0, 4.0], psi_n=[2.0, 4.0], t=0.25, population=population, progress=False
    )
    title = drawn(data).get_suptitle()
    for part in ("$t$ = 0.25", "tanh", "variances 0.5, 1.5"):
        assert part in title


def test_one_value_everywhere_is_a_map_too():
    data = DIAGRAMS["kl"].compute(load=[1.0, 4.0], c=[0.1, 1.0], progress=False)
    for ax in maps(drawn(xr.ones_like(data).assign(failure=data.failure))):
        assert np.all(colours(ax) == 1.0)


def test_a_variable_of_any_sweep_becomes_a_map():
    def wave(x, y):
        return {"height": np.sin(x) * y}

    x, y = np.linspace(0.0, 3.0, 4), np.array([1.0, 10.0, 100.0])
    data = rs.sweep(wave, {"y": y, "x": x}, progress=False, workers=1)
    figure = Figure()
    ax = plot_map(data.height, figure.subplots(), scale="linear")
    np.testing.assert_array_equal(colours(ax), data.height)
    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "log")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x", "y")
    assert figure.axes[1].get_ylabel() == "height"
    shown = colours(plot_map(data.height, Figure().subplots(), label="height (m)"))
    np.testing.assert_array_equal(shown.mask, data.height.values <= 0.0)


def test_cells_have_their_points_inside():
    data = DIAGRAMS["kl"].compute(load=[1.0, 4.0, 8.0], c=[0.1, 2.0], progress=False)
    ax = plot_map(data.kl_data_model, Figure().subplots())
    corners = ax.collections[0].get_coordinates()
    x = corners[0, :, 0]
    np.testing.assert_allclose(x[1:-1] ** 2, [0.2], rtol=1e-14)
    y = corners[:, 0, 1]
    assert np.all((y[:-1] < [1.0, 4.0, 8.0]) & (y[1:] > [1.0, 4.0, 8.0]))


@pytest.mark.parametrize(
    ("values", "error", "part"),
    [
        (np.ones((2, 2)), TypeError, "DataArray"),
        (xr.DataArray(np.ones((2, 2, 2)), dims=("a", "b", "c")), ValueError, "two dimensions"),
        (xr.DataArray(np.ones((2, 1)), dims=("a", "b")), ValueError, "along b"),
        (
            xr.DataArray(np.ones((2, 2)), {"a": ["u", "v"], "b": [1, 2]}, ("a", "b")),
            ValueError,
            "along a",
        ),
        (
            xr.DataArray(np.ones((2, 2)), {"a": [2, 1], "b": [1, 2]}, ("a", "b")),
            ValueError,
            "ascending",
        ),
    ],
)
def test_what_is_no_map_is_refused(values, error, part):
    with pytest.raises(error, match=part):
        plot_map(values, Figure().subplots())


def test_what_was_computed_of_variables_has_no_name_to_show():
    data = rs.sweep("linear", {"load": [1.0, 4.0], "c": [0.1, 1.0]}, progress=False, workers=1)
    figure = Figure()
    plot_map(data.kl_data_model / data.kl_model_data, figure.subplots())
    assert figure.axes[1].get_ylabel() == ""
    figure = Figure()
    plot_map(data.kl_data_model, figure.subplots())
    assert figure.axes[1].get_ylabel() != ""


def test_scale_is_one_of_two():
    with pytest.raises(ValueError, match="scale must be 'log' or 'linear', got 'cubic'"):
        plot_map(xr.DataArray(np.ones((2, 2))), Figure().subplots(), scale="cubic")


def test_data_of_no_diagram_are_refused():
    data = rs.sweep("linear", {"load": [1.0, 2.0], "c": [1.0, 2.0]}, progress=False, workers=1)
    for other in (data, None, 3.0):
        with pytest.raises(ValueError, match="data must be those of a diagram"):
            plot_diagram(other, Figure())
