"""Bulks as lines: many thin ones as the law that they make up."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

import rmtspec as rs
from rmtspec.plots.outlines import pieces
from rmtspec.plots.spectra import plot_spectrum

POWER = rs.PopulationSpectrum.power_law(1.0, 60)
MANY = rs.SampleCovariance(1e-3, POWER).spectrum()


@pytest.mark.parametrize("logarithmic", [True, False])
def test_the_area_under_a_crowd_is_the_mass_of_its_bulks(logarithmic: bool) -> None:
    names = [""] * len(MANY.masses)
    assert len(names) == 60
    found = pieces(MANY, names, 40, logarithmic=logarithmic)
    crowd = max(found, key=lambda piece: piece.members.stop - piece.members.start)
    assert crowd.crowded
    x = np.log(crowd.line.distance) if logarithmic else crowd.line.distance
    assert np.all(np.diff(x) >= 0.0)
    area = np.sum(crowd.line.height[::2] * np.diff(x)[::2])
    assert area == pytest.approx(MANY.masses[crowd.members].sum(), rel=1e-12)
    members = [piece.members for piece in found]
    assert [m.start for m in members[1:]] == [m.stop for m in members[:-1]]
    assert (members[0].start, members[-1].stop) == (0, 60)


def test_bulks_of_another_name_and_few_bulks_are_drawn_each() -> None:
    alternating = [f"{k % 2}" for k in range(60)]
    assert not any(piece.crowded for piece in pieces(MANY, alternating, 40))
    model = rs.RandomFeatureModel(64, 8, 0.01)
    names = model.bulk_names()
    assert [piece.name for piece in pieces(model.spectrum(), names, 40)] == list(names)


def test_a_crowd_is_one_patch_over_a_line_for_each_bulk() -> None:
    ax = plot_spectrum(MANY, Figure().subplots(), points=40)
    crowds = pieces(MANY, [""] * 60, 40)
    lines = [c for c in ax.collections if hasattr(c, "get_segments")]
    assert sum(len(c.get_segments()) for c in lines) == sum(
        p.members.stop - p.members.start for p in crowds if p.crowded
    )
    low, high = ax.get_ylim()
    for piece in crowds:
        assert low < min(piece.peaks) <= max(piece.peaks) < high
