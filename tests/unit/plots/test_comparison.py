"""Pictures of comparisons."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

import rmtspec as rs
from rmtspec.plots.comparison import plot_comparison

MODEL = rs.RandomFeatureModel(4, 2, 0.1)


@pytest.fixture(scope="module")
def found():
    return rs.compare(rs.simulate(MODEL, 30, 0, size=4), MODEL)


def test_the_histogram_holds_every_eigenvalue_off_the_atom(found) -> None:
    first, _ = found.plot(Figure().subplots(2, 1))
    (steps,) = [patch for patch in first.patches if hasattr(patch, "get_data")]
    values, edges, _ = steps.get_data()
    mass = float(np.sum(values * np.diff(np.log(edges))))
    assert mass == pytest.approx(1.0 - MODEL.spectrum().atoms[0, 1], abs=1e-12)


def test_the_difference_is_that_of_the_counts_and_stays_in_its_band(found) -> None:
    _, second = found.plot(Figure().subplots(2, 1))
    lines = [line for line in second.get_lines() if line.get_xdata().__len__() > 2]
    assert len(lines) == len(MODEL.spectrum().masses)
    distance, difference = lines[-1].get_data()
    law = MODEL.spectrum()
    below = (found.observed - law.origin < distance[7]).sum(axis=1).mean()
    expected = below - 120 * law.cdf(distance[7], from_origin=True)
    assert difference[7] == pytest.approx(expected, abs=1e-9)
    # Two standard deviations of the mean of four matrices are 0.38.
    assert np.abs(difference).max() < 1.2


def test_one_axis_shows_the_first_picture_only(found) -> None:
    assert found.plot(Figure().subplots()).shape == (1,)


def test_curves_are_drawn_over_their_prediction() -> None:
    curves = rs.simulate_curves(MODEL, 20, 0, [0.0, 1.0, 10.0, np.inf], 3)
    found = rs.compare(curves, MODEL)
    first, second = found.plot(Figure().subplots(2, 1))
    train = first.get_lines()[0]
    np.testing.assert_array_equal(train.get_xdata(), [1.0, 10.0])
    np.testing.assert_array_equal(train.get_ydata(), found.reference.train[1:3])
    mean = second.get_lines()[1].get_ydata()
    np.testing.assert_allclose(mean, curves.train.mean(0)[1:3] - found.reference.train[1:3])


def test_what_is_no_comparison_is_refused(found) -> None:
    with pytest.raises(TypeError, match="comparison must be a Comparison"):
        plot_comparison(MODEL)
    with pytest.raises(ValueError, match="bins"):
        plot_comparison(found, Figure().subplots(), bins=1)
    with pytest.raises(TypeError, match="ax must be"):
        plot_comparison(found, 3)
