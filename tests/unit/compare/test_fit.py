"""Fits: exact input gives itself back; what cannot be fitted is refused by name."""

from __future__ import annotations

import numpy as np
import pytest

import rmtspec as rs

TRUTH = rs.RandomFeatureModel(4, 2, 0.1)
START = rs.RandomFeatureModel(4, 3, 0.15)
DRAWN = rs.simulate(TRUTH, 50, 0, size=4)


def test_parameters_are_found_from_a_start_far_away():
    found = rs.fit(DRAWN, START, ["psi_n", "t"], dimension=50)
    for name in ("psi_n", "t"):
        assert abs(found.values[name] - getattr(TRUTH, name)) < 4.0 * found.errors[name]
    assert found.converged
    assert found.pvalue > 1e-3
    again = rs.fit(DRAWN, found.model, ["psi_n", "t"], dimension=50)
    # Which sums are compared depends on the start a little, the parameters on that by less.
    for name in ("psi_n", "t"):
        assert abs(again.values[name] - found.values[name]) < 0.2 * found.errors[name]


def test_errors_fall_with_the_root_of_the_draws_and_with_the_dimension():
    few = rs.fit(DRAWN[:1], TRUTH, "psi_n", dimension=50)
    many = rs.fit(DRAWN, TRUTH, "psi_n", dimension=50)
    assert few.errors["psi_n"] / many.errors["psi_n"] == pytest.approx(2.0, rel=0.1)
    large = rs.fit(rs.simulate(TRUTH, 100, 1), TRUTH, "psi_n", dimension=100)
    assert few.errors["psi_n"] / large.errors["psi_n"] == pytest.approx(2.0, rel=0.1)


def test_scalars_of_the_law_can_be_fitted():
    found = rs.fit(DRAWN, TRUTH, ["b2", "v2"], dimension=50)
    at = TRUTH.coefficients
    for name, value in (("b2", at.b**2), ("v2", at.v**2)):
        assert abs(found.values[name] - value) < 4.0 * found.errors[name] < 0.2 * value


def test_a_wrong_model_has_no_good_chi_square():
    spread = rs.RandomFeatureModel(4, 2, 0.1, population=rs.PopulationSpectrum([0.5, 1.5]))
    found = rs.fit(rs.simulate(spread, 50, 0, size=4), TRUTH, ["psi_n"], dimension=50)
    assert found.pvalue < 1e-6


def test_more_parameters_than_independent_statistics_are_refused():
    seen = rs.simulate_curves(TRUTH, 20, 0, [3.0], size=3)
    seen = {"tau": seen.tau, "train": seen.train}
    with pytest.raises(ValueError, match="at most 1 "):
        rs.fit(seen, TRUTH, ["psi_n", "t"], dimension=20)


def test_a_fit_reads_as_a_table():
    found = rs.fit(DRAWN, START, ["psi_n", "t"], dimension=50)
    assert "chi-square" in repr(found)
    assert "<table>" in found._repr_html_()
    np.testing.assert_allclose(np.diag(found.correlation), 1.0)
    frame = pytest.importorskip("pandas") and found.to_dataframe()
    assert list(frame.parameter) == ["psi_n", "t"]


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"free": ["psi"]}, ValueError, "psi_n"),
        ({"free": ["psi_p"]}, ValueError, "psi_p is p/d"),
        ({"free": []}, TypeError, "free"),
        ({"free": ["t", "t"]}, ValueError, "once"),
        ({"free": ["t", "b2"]}, ValueError, "scalars"),
        ({"free": ["b2"], "features": "true"}, ValueError, "features"),
        ({"features": "some"}, ValueError, "features"),
        ({"dimension": 51}, ValueError, "204 eigenvalues"),
        ({"dimension": None}, ValueError, "dimension"),
        ({"start": None}, TypeError, "start"),
        ({"observed": "none.npy"}, ValueError, "none.npy"),
        ({"observed": np.zeros((2, 3, 4))}, ValueError, "observed"),
    ],
)
def test_what_cannot_be_fitted_is_refused_by_name(change, error, said):
    arguments = {"observed": DRAWN, "start": START, "free": ["psi_n", "t"], "dimension": 50}
    with pytest.raises(error, match=said):
        rs.fit(**{**arguments, **change})


def test_what_was_not_found_is_nan_and_said():
    # The samples are e^6 times as many as at the start: the search is bounded by e^5.
    far = rs.RandomFeatureModel(4, 2.0 * np.exp(-6.0), 0.1)
    with pytest.warns(rs.ConvergenceWarning, match="psi_n"):
        found = rs.fit(DRAWN, far, ["psi_n"], dimension=50)
    assert np.isnan(found.values["psi_n"])
    assert not found.converged
