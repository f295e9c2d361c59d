"""Titles: the parameters of what is shown, on figures that are made and not on axes given."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

import rmtspec as rs
from rmtspec.plots.titles import in_words, parameters

TAU = np.geomspace(0.1, 1e4, 40)
MODEL = rs.RandomFeatureModel(8, 4, 0.1, "erf")
MIXTURE = rs.MixtureModel(8, 4, 0.1, [rs.DataClass(0.75, 1.5), rs.DataClass(0.25, 0.5)])
LINEAR = rs.LinearDenoiser(rs.PopulationSpectrum.isotropic(), np.geomspace(0.2, 20, 9), 0.01)


@pytest.mark.parametrize(
    ("of", "words"),
    [
        (MODEL, r"$\psi_p = 8$, $\psi_n = 4$, $t = 0.1$, erf"),
        (MODEL.training(step=0.1), r"$\psi_p = 8$, $\psi_n = 4$, $t = 0.1$, erf, step 0.1"),
        (MODEL.spectrum().ensemble, r"$\psi_p = 8$, $\psi_n = 4$"),
        (MIXTURE.training(ridge=0.5), "tanh, classes of weights 0.75, 0.25, ridge 0.5"),
        (rs.TimeIntegratedModel(8, 4, [0.1, 0.7]), "$t$ from 0.1 to 0.7, tanh"),
        (
            rs.SampleCovariance(0.25, rs.PopulationSpectrum([1, 2])),
            "$d/n = 0.25$, variances 1, 2 in",
        ),
        (LINEAR, "$c = 0.01$"),
    ],
)
def test_a_title_tells_the_parameters(of: object, words: str) -> None:
    assert words in parameters(of)


@pytest.mark.parametrize(
    ("population", "words"),
    [
        (rs.PopulationSpectrum([2.0], spikes=[9.0]), "variance 2, spikes 9"),
        (rs.PopulationSpectrum([0.0, 1.0]), "variances 0, 1 in shares 0.5, 0.5"),
        (rs.PopulationSpectrum.power_law(1.0, 300), "300 variances from 0.159 to 47.8"),
        (
            rs.PopulationSpectrum(np.arange(1.0, 6.0), dimension=5, samples=99, fitted=True),
            "5 variances from 1 to 5, fitted to 99 samples",
        ),
        (
            rs.PopulationSpectrum(np.arange(1.0, 6.0), dimension=5, samples=99),
            "5 variances from 1 to 5, from 99 samples",
        ),
    ],
)
def test_a_population_is_told_in_words(population: rs.PopulationSpectrum, words: str) -> None:
    assert in_words(repr(population)) == words


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (lambda: MODEL.spectrum().plot(), r"$\psi_n = 4$"),
        (lambda: MODEL.spectrum().plot(model=MODEL), "$t = 0.1$, erf"),
        (lambda: MODEL.learning_curves(TAU).plot(training=MODEL.training()), "$t = 0.1$, erf"),
        (lambda: MIXTURE.learning_curves(TAU).plot(training=MIXTURE.training()), "0.75, 0.25"),
        (lambda: LINEAR.plot(0.9), r"$\bar\alpha = 0.9$, $c = 0.01$"),
    ],
)
def test_a_new_figure_has_the_parameters_for_its_title(draw: object, words: str) -> None:
    draw()
    assert words in plt.gcf().get_suptitle()
    plt.close("all")


def test_axes_that_are_given_are_left_to_be_named_by_their_owner() -> None:
    figure = Figure()
    ax = MODEL.spectrum().plot(figure.subplots(), model=MODEL)
    assert figure.get_suptitle() == ax.get_title() == ""


def test_a_model_names_the_bulks_of_its_law() -> None:
    ax = MODEL.spectrum().plot(Figure().subplots(), model=MODEL)
    labels = ax.get_legend_handles_labels()[1]
    assert all(any(name in label for label in labels) for name in MODEL.bulk_names())
    with pytest.raises(TypeError, match="model must be a score model"):
        MODEL.spectrum().plot(Figure().subplots(), model=3)
    with pytest.raises(TypeError, match="training must be a StructuredTraining"):
        MIXTURE.learning_curves(TAU).plot(Figure().subplots(), training=MODEL.training())
