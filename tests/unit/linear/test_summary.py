"""What a linear denoiser says of itself is what its methods answer."""

from __future__ import annotations

import numpy as np
import pytest

import rmtspec as rs

POWER = rs.PopulationSpectrum.power_law(1.0, 50)


def test_summary_holds_the_averages():
    model = rs.LinearDenoiser(POWER, [0.5, 2.0], 0.1)
    summary = model.summary(0.9)
    for name in ("train_loss", "test_loss", "alignment"):
        values = [row[name] for row in summary["loads"]]
        np.testing.assert_array_equal(values, getattr(model, name)(0.9))
    table = summary.to_dataframe()
    assert table["kl data||model"].tolist() == model.kl().tolist()
    assert "n/d" in str(summary)


def test_one_load_and_an_infinite_divergence_are_as_good_as_others():
    summary = rs.LinearDenoiser(POWER, 0.5).summary(0.9)
    assert summary["loads"][0]["kl"]["data||model"] == np.inf
    assert '"inf"' in summary.to_json()


def test_own_data_are_described_and_their_load_is_marked():
    x = np.random.default_rng(0).normal(size=(90, 60))
    population = rs.PopulationSpectrum.from_samples(x)
    summary = rs.LinearDenoiser(population, [1.0, 1.5]).summary(0.9, source="mine")
    assert summary["data"]["source"] == "mine"
    assert [row["own"] for row in summary["loads"]] == [False, True]
    assert "as many as in the data" in str(summary)


@pytest.mark.parametrize(("load", "c"), [([[1.0, 2.0]], 0.1), ([1.0, 2.0], [0.1, 0.2])])
def test_a_summary_is_of_one_row_of_loads_and_one_ridge(load, c):
    with pytest.raises(ValueError, match="load must be a number or a row"):
        rs.LinearDenoiser(POWER, load, c).summary(0.9)
    with pytest.raises(ValueError, match="alpha_bar"):
        rs.LinearDenoiser(POWER, 1.0).summary(1.0)
