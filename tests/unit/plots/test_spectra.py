"""Pictures: the curve is the law, every bulk can be seen, and files appear whole or not at all."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.image import imread

import rmtspec as rs
from rmtspec.law import SpectralLaw
from rmtspec.plots.spectra import mark_timescales, plot_pointwise, plot_spectrum
from rmtspec.plots.style import check_target, save
from rmtspec.solve.edges import Gaps
from rmtspec.solve.ensemble import BoundaryValue


@dataclass(frozen=True)
class Semicircles:
    """A made-up ensemble: semicircles on given bulks, an atom at the origin takes what is left."""

    edges: tuple[tuple[float, float], ...]
    masses: tuple[float, ...]
    origin: float = 0.0
    spikes: tuple[float, ...] = ()
    is_hard: bool = False
    unresolved: float = np.nan  # lower end of a bulk without a known density

    @property
    def gaps(self):
        lower = np.array([-np.inf, *(high for _, high in self.edges)])
        upper = np.array([*(low for low, _ in self.edges), np.inf])
        above = np.cumsum([0.0, *reversed(self.masses)])[::-1]
        unused = np.zeros(lower.size)
        return Gaps(lower, upper, above, unused.astype(np.intp), unused, unused)

    @property
    def outliers(self):
        return np.array(self.spikes)

    @property
    def atoms(self):
        rest = 1.0 - sum(self.masses)
        return np.array([[0.0, rest]]) if rest > 1e-12 else np.zeros((0, 2))

    def boundary(self, distance):
        density = np.zeros(distance.size)
        for (low, high), mass in zip(self.edges, self.masses, strict=True):
            inside = (distance >= low) & (distance <= high)
            x = distance[inside]
            density[inside] = (
                mass * np.sqrt((x - low) * (high - x)) * 8 / (np.pi * (high - low) ** 2)
            )
            if low == self.unresolved:
                density[inside] = np.nan
        return BoundaryValue(density, np.zeros(distance.size), np.zeros(distance.size, np.int8))


THREE = SpectralLaw(
    Semicircles(((1e-4, 3e-3), (8e-3, 0.2), (0.7, 9.0)), (0.1, 0.4, 0.1), 2e-3, (0.5, 20.0))
)
THIN = SpectralLaw(Semicircles(((1e-12, 1.001e-12), (1.0, 50.0)), (1e-3, 0.5), 1e-3))
ONE = SpectralLaw(Semicircles(((1.0, 3.0),), (1.0,)))


def drawn(law, **options):
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = plot_spectrum(law, figure.subplots(), **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.canvas.draw()
    return axes


def outline(collection):
    """Abscissa and height of the upper side of a filled curve."""
    vertices = collection.get_paths()[0].vertices
    upper = vertices[1 : (len(vertices) - 1) // 2]
    return upper[:, 0], upper[:, 1]


@pytest.mark.parametrize("law", [THREE, THIN])
def test_area_under_a_bulk_is_its_mass_on_the_logarithmic_scale(law):
    axes = drawn(law, points=2001)
    for collection, mass in zip(axes.collections, law.masses, strict=True):
        x, height = outline(collection)
        # Trapezoidal rule in the angle between the edges, where the integrand is smooth.
        assert np.trapezoid(height, np.log(x)) == pytest.approx(mass, rel=1e-5)


def test_area_under_the_curve_is_one_on_the_linear_scale():
    x, height = outline(drawn(ONE, scale="linear", points=2001).collections[0])
    assert np.trapezoid(height, x) == pytest.approx(1.0, rel=1e-5)


@pytest.mark.parametrize("law", [THREE, THIN])
def test_every_bulk_leaves_its_colour_in_the_picture(law):
    names = ["slow", "sample", "fast"][: len(law.masses)]
    axes = drawn(law, names=names)
    axes.get_legend().remove()
    canvas = FigureCanvasAgg(axes.figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3].reshape(-1, 3)
    for collection in axes.collections:
        colour = to_hex(collection.get_edgecolor()[0])
        rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
        assert np.count_nonzero(np.abs(pixels.astype(int) - rgb).max(axis=1) < 40) > 50


@pytest.mark.parametrize("names", [["slow", "mid", "top"], ["sample + noise bulks"] * 2 + ["fast"]])
@pytest.mark.parametrize("width", [4.0, 7.0, 10.0])
def test_the_legend_stays_over_its_picture(names, width):
    figure = Figure((width, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    plot_spectrum(THREE, ax=axes, names=names)
    figure.draw_without_rendering()
    legend = axes.get_legend()
    assert legend.get_window_extent().x1 <= figure.bbox.x1
    assert axes.bbox.width >= 0.8 * figure.bbox.width
    assert {entry.get_text().split(",")[0] for entry in legend.texts} >= {f"{names[-1]} bulk"}


def test_legend_names_bulks_masses_atom_and_outliers():
    texts = [
        text.get_text() for text in drawn(THREE, names=["slow", "mid", "mid"]).get_legend().texts
    ]
    assert texts == [
        "slow bulk, mass 0.1",
        "2 mid bulks, mass 0.5",
        r"atom at $\lambda_0$, mass 0.4",
        "2 outliers",
    ]


def test_bulks_of_one_name_share_a_colour():
    first, second, third = (
        to_hex(c.get_edgecolor()[0]) for c in drawn(THREE, names=["a", "b", "b"]).collections
    )
    assert first != second == third


def test_limits_hold_all_bulks_and_outliers():
    low, high = drawn(THREE).get_xlim()
    assert low < 1e-4
    assert high > 20
    low, high = drawn(THREE, scale="linear").get_xlim()
    assert low < 2e-3
    assert high > 20.002


def test_a_bulk_whose_density_is_unknown_is_hatched_between_its_edges():
    law = SpectralLaw(Semicircles(((1.0, 2.0), (30.0, 80.0)), (0.5, 0.5), unresolved=1.0))
    axes = drawn(law, names=["unknown", "known"])
    (span,) = axes.patches
    assert span.get_hatch()
    np.testing.assert_allclose(span.get_x() + np.array([0.0, span.get_width()]), [1.0, 2.0])
    low, high = axes.get_xlim()
    assert low < 1.0
    assert high > 80.0


def test_axes_are_labelled():
    for axes in (drawn(THREE), drawn(ONE), drawn(ONE, scale="linear")):
        assert axes.get_xlabel()
        assert axes.get_ylabel()
    assert "0.002" in drawn(THREE).get_xlabel()


def test_a_bulk_that_touches_the_origin_runs_out_of_the_picture_four_decades_below_its_top():
    law = SpectralLaw(Semicircles(((0.0, 2.0),), (1.0,), is_hard=False))
    axes = drawn(law)
    assert axes.get_xlim()[0] == pytest.approx(2e-4)
    assert axes.collections[0].get_datalim(axes.transData).x0 < 1e-4  # no wall on the border
    # An outlier below has its place, and the bulk is then seen to be cut.
    low = SpectralLaw(Semicircles(((0.0, 2.0),), (1.0,), is_hard=False, spikes=(1e-6,)))
    assert drawn(low).get_xlim()[0] < 1e-6


def test_training_times_stand_at_the_lower_ends_of_the_families():
    model = rs.RandomFeatureModel(8, 4, 0.01, "erf")
    times = model.timescales()
    axes = drawn(model.spectrum(), names=model.bulk_names())
    mark_timescales(axes, times, model.floor)
    axes.figure.canvas.draw()
    families = sorted(times.families, key=lambda one: one.lower)
    for text, family in zip(axes.texts, families, strict=True):
        assert text.xy[0] == family.lower - model.floor
        name, value = text.get_text().replace("$", "").split(r": \tau = ")
        number = float(value.replace(r"\times10^{", "e").replace("}", ""))
        assert name == family.name
        assert number == pytest.approx(family.tau, rel=0.05)  # two digits are shown


def test_labels_of_training_times_cover_neither_bulks_nor_lines_beside_them():
    population = rs.PopulationSpectrum.power_law(1.0, 300)
    hard = rs.RandomFeatureModel(3, 2, 0.01, population=rs.PopulationSpectrum([0.0, 1.0]))
    for model in (rs.RandomFeatureModel(64, 8, 0.1, population=population), hard):
        figure = Figure((7.0, 4.0), layout="constrained")
        axes = model.spectrum().plot(figure.subplots(), model=model)
        peak = axes.get_ylim()[1] / 6.0
        mark_timescales(axes, model.timescales(), model.floor)
        figure.canvas.draw()
        boxes = [text.get_window_extent() for text in axes.texts]
        assert len(boxes) >= 3
        lines = [line.get_window_extent() for line in axes.lines if line.get_linestyle() == ":"]
        assert len(lines) == len(boxes)
        for box in boxes:
            assert box.y0 > axes.transData.transform((1.0, peak))[1]
            assert not any(box.overlaps(line) for line in lines)


def test_families_keep_their_colours_when_others_are_missing():
    full = drawn(THREE, names=["slow", "sample", "fast"]).collections
    part = drawn(THREE, names=["slow", "fast + noise", "fast"]).collections
    colours = [[to_hex(c.get_edgecolor()[0]) for c in picture] for picture in (full, part)]
    assert colours[0][0] == colours[1][0]
    assert colours[0][2] == colours[1][2]
    assert len(set(colours[1])) == 3


def test_without_axes_a_new_figure_is_made():
    import matplotlib.pyplot as plt

    axes = plot_spectrum(ONE)
    assert axes.figure.number in plt.get_fignums()
    plt.close(axes.figure)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"names": ["a"]}, "names must have one entry for each of 3 bulks"),
        ({"scale": "cubic"}, "scale must be 'log' or 'linear', got 'cubic'"),
        ({"points": 1}, "points must be an integer"),
    ],
)
def test_bad_options_are_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        plot_spectrum(THREE, Figure().subplots(), **options)


@pytest.mark.parametrize("name", ["a.png", "b.PDF", "c.svg"])
def test_saved_file_is_whole_and_alone(tmp_path, name):
    save(drawn(THREE).figure, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o666 & ~current_umask()


def current_umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_saved_png_can_be_opened(tmp_path):
    save(drawn(THREE).figure, tmp_path / "a.png")
    assert imread(tmp_path / "a.png").shape[:2] == (800, 1400)


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    target = tmp_path / "a.png"
    target.write_text("old")
    figure = drawn(ONE).figure

    def fail(stream, **_):
        stream.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(figure, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        save(figure, target)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("name", ["a", "a.txt", "none/a.png"])
def test_impossible_targets_are_refused_before_drawing(tmp_path, name):
    with pytest.raises(ValueError, match="plot file must"):
        check_target(tmp_path / name)


@pytest.mark.filterwarnings("ignore::rmtspec.FewDimensionsWarning")
@pytest.mark.parametrize("scale", ["log", "linear"])
def test_a_law_known_point_by_point_is_drawn_as_its_density(scale):
    x = np.random.default_rng(0).standard_normal((40, 20))
    law = rs.RandomFeatureModel.from_data(x, 2.0, 0.1).spectrum_by_neuron()
    ax = law.plot(Figure().subplots(), scale=scale, points=200)
    assert (ax.get_xscale(), ax.get_yscale()) == (scale, scale)
    outline = ax.collections[0].get_paths()[0].vertices
    places, heights = outline[outline[:, 1] > 0.0].T
    places, first = np.unique(places, return_index=True)
    weight = places if scale == "log" else 1.0
    np.testing.assert_allclose(heights[first], weight * law.density(places), rtol=1e-12)
    # All of the mass but 2e-4 is shown.  The law has a gap between eigenvalues 0.04 and 0.05, at
    # whose two edges, of heights up to 0.1, the trapezoid rule is off by up to half a step of 0.06.
    across = np.log(places) if scale == "log" else places
    assert np.trapezoid(heights[first], across) == pytest.approx(1.0, abs=5e-3)


def test_only_a_law_known_point_by_point_is_drawn_so():
    with pytest.raises(TypeError, match="law must be a PointwiseLaw, got"):
        plot_pointwise(rs.RandomFeatureModel(8, 4, 0.1).spectrum())
