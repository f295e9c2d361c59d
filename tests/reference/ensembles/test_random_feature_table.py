"""The package in double precision against a stored table of fifty digits.

The table and the script that made it lie beside this file; it was generated from other
formulations of the equations. Every input is a double, and s² = 0 here, so that z is the stored
distance exactly.
"""

from __future__ import annotations

import json
from pathlib import Path

import mpmath
import numpy as np
import pytest

import rmtspec as rs
from rmtspec.ensembles.conditional_feature import ConditionalFeatureGram
from rmtspec.ensembles.random_feature import RandomFeatureGram

TABLE = json.loads((Path(__file__).parents[1] / "data" / "random_feature.json").read_text())
ACCURACY = 1e-10


def relative(found, stored):
    """Distance from the stored number, formed in fifty digits so that it can be below 1e-16."""
    with mpmath.workdps(60):
        exact = mpmath.mpc(*stored)
        return float(abs(mpmath.mpc(complex(found)) - exact) / abs(exact))


def ensemble(row, kind=RandomFeatureGram):
    population = rs.PopulationSpectrum(
        row.get("eigenvalues", [row.get("variance")]), row.get("weights")
    )
    return kind(row["psi_p"], row["psi_n"], population, row["c2"], row["b2"], row["v2"], 0.0)


def named(rows):
    def label(row):
        place = row.get("distance", row.get("z", ""))
        return f"{row['name']} {place}".strip()

    return pytest.mark.parametrize("row", rows, ids=map(label, rows))


def in_bulk(row, key):
    """Real z inside a bulk, where the resolvent has a cut."""
    place = row.get("distance", row.get("z"))
    return place[1] == 0.0 and float(row[key][1]) != 0.0


FEATURES = TABLE["random_feature"]
COVARIANCES = TABLE["sample_covariance"]


@named([row for row in FEATURES if not in_bulk(row, "q")])
def test_traces_agree_within_the_error_they_report(row):
    found = ensemble(row).solve(complex(*row["distance"]))
    assert bool(found.converged)
    assert float(found.error) < ACCURACY
    for name in ("q", "r", "s"):
        true = relative(getattr(found, name), row[name])
        assert true <= float(found.error), name


@named([row for row in FEATURES if in_bulk(row, "q")])
def test_density_on_the_axis_agrees_within_the_error_it_reports(row):
    found = ensemble(row).boundary(np.array([row["distance"][0]]))
    with mpmath.workdps(60):
        exact = mpmath.mpf(row["q"][1]) / mpmath.pi
        true = float(abs(float(found.density[0]) - exact) / exact)
    assert found.status[0] == rs.result.Status.CONVERGED
    assert float(found.error[0]) < ACCURACY
    assert true <= float(found.error[0])


@named([row for row in COVARIANCES if not in_bulk(row, "g")])
def test_stieltjes_transform_of_sample_covariances_agrees(row):
    population = rs.PopulationSpectrum(row["eigenvalues"], row["weights"])
    law = rs.SampleCovariance(row["ratio"], population).spectrum()
    # Sums of a few terms; conditioning near an edge is at most 1e3 at these points.
    assert relative(law.stieltjes(complex(*row["z"])), row["g"]) < 1e-12


@named([row for row in COVARIANCES if in_bulk(row, "g")])
def test_density_of_sample_covariances_agrees(row):
    population = rs.PopulationSpectrum(row["eigenvalues"], row["weights"])
    law = rs.SampleCovariance(row["ratio"], population).spectrum()
    stored = float(row["g"][1]) / np.pi
    assert law.density(row["z"][0]) == pytest.approx(stored, rel=ACCURACY)


@named(TABLE["isotropic_edges"])
def test_edges_are_those_of_the_discriminant(row):
    law = ensemble(row).spectrum()
    stored = np.array(row["bulks"], dtype=float)
    np.testing.assert_allclose(law.edges, stored, rtol=ACCURACY, atol=0.0)


@named(TABLE["conditional_bulks"])
def test_bulks_at_fixed_data_have_the_stored_edges_and_masses(row):
    law = ensemble(row, ConditionalFeatureGram).spectrum()
    stored = np.array(row["bulks"], dtype=float)
    np.testing.assert_allclose(law.edges, stored[:, :2], rtol=ACCURACY, atol=0.0)
    np.testing.assert_allclose(law.masses, stored[:, 2], rtol=1e-13)
