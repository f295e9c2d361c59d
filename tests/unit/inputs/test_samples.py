"""Bundled samples and the common scale."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.inputs.samples import digits, photographs, standardise

pytestmark = pytest.mark.filterwarnings("ignore:.* rows repeats? others:rmtspec.DataWarning")

EPS = np.finfo(float).eps


def test_standardised_samples_have_mean_zero_and_mean_variance_one():
    x = np.random.default_rng(0).normal(100.0, [1.0, 5.0, 0.1], (50, 3))
    scaled = standardise(x)
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=50 * EPS * 100)
    assert np.mean(scaled**2) == pytest.approx(1.0, rel=16 * EPS)
    # One common factor: ratios of the variances survive.
    ratios = scaled.var(axis=0) / x.var(axis=0)
    np.testing.assert_allclose(ratios, ratios[0], rtol=1e4 * EPS)


@pytest.mark.parametrize("bad", [np.ones((3, 2)), np.ones(3), np.zeros((0, 2)), [[1, np.nan]]])
def test_standardise_refuses_what_has_no_scale(bad):
    with pytest.raises(ValueError, match="x must"):
        standardise(bad)


def test_digits_are_centred_with_mean_variance_one():
    pytest.importorskip("sklearn")
    x = digits()
    assert x.shape == (1797, 64)
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1797 * EPS)
    assert np.mean(x**2) == pytest.approx(1.0, rel=64 * EPS)


def test_patches_are_centred_with_mean_variance_one():
    pytest.importorskip("skimage")
    x = photographs(16)
    assert x.shape == (8005, 256)
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=8005 * EPS)
    assert np.mean(x**2) == pytest.approx(1.0, rel=256 * EPS)


def test_first_patch_is_the_corner_of_the_first_photograph():
    color = pytest.importorskip("skimage.color")
    skimage_data = pytest.importorskip("skimage.data")
    astronaut = color.rgb2gray(skimage_data.astronaut())
    x = photographs(8)
    # Differences of two patches are free of the common mean; 64 patches make one strip.
    for place, row, column in ((1, 0, 8), (63, 0, 504), (64, 8, 0)):
        patch = astronaut[row : row + 8, column : column + 8] - astronaut[:8, :8]
        step = (x[place] - x[0]).reshape(8, 8)
        scale = np.vdot(step, patch) / np.vdot(step, step)
        np.testing.assert_allclose(scale * step, patch, atol=64 * EPS)


def test_patches_without_their_mean_lack_one_direction():
    pytest.importorskip("skimage")
    x = photographs(8, patch_mean=False)
    np.testing.assert_allclose(x.sum(axis=1), x.sum(axis=1).mean(), atol=64 * 64 * EPS)
    population = rs.PopulationSpectrum.from_samples(x)
    assert population.eigenvalues[0] == 0.0
    assert population.weights[0] == pytest.approx(1 / 64, rel=4 * EPS)
    # Less degenerate: most of the variance of photographs is the mean of a patch.
    kept = rs.PopulationSpectrum.from_samples(photographs(8))
    assert population.participation_ratio > 4 * kept.participation_ratio


def test_spectrum_of_patches_falls_like_a_power():
    pytest.importorskip("skimage")
    spectrum = rs.PopulationSpectrum.from_samples(photographs(16)).eigenvalues[::-1]
    rank = np.arange(1, 257)
    part = slice(12, 154)
    slope, level = np.polyfit(np.log(rank[part]), np.log(spectrum[part]), 1)
    assert -1.8 < slope < -1.2
    rest = np.log(spectrum[part]) - slope * np.log(rank[part]) - level
    assert np.sqrt(np.mean(rest**2)) < 0.1


@pytest.mark.parametrize("side", [1, 0, -8, 101, 8.0, "8", None, True, np.nan, np.inf, [8]])
def test_sides_of_patches_that_are_no_length_are_refused(side):
    with pytest.raises((TypeError, ValueError), match="side must be an integer"):
        photographs(side)


def test_choice_of_patch_mean_is_yes_or_no():
    with pytest.raises(TypeError, match="patch_mean"):
        photographs(8, patch_mean="yes")


@pytest.mark.parametrize("name", ["skimage.color", "skimage.data", "skimage.io"])
def test_missing_scikit_image_is_said_with_the_command_that_installs_it(monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install '\.\[data\]'"):
        photographs()


def test_missing_scikit_learn_is_said_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install '\.\[data\]'"):
        digits()
