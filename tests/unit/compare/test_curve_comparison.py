"""Observed learning curves beside predicted ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import rmtspec as rs
from rmtspec.compare.observed import read

MODEL = rs.RandomFeatureModel(2, 1, 0.3, "erf")
D = 30
TAU = np.geomspace(0.1, 1e3, 12)


@pytest.fixture(scope="module")
def drawn():
    return rs.simulate_curves(MODEL, D, 3, TAU, size=5)


def test_networks_of_the_model_are_accepted_and_others_are_not(drawn) -> None:
    found = rs.compare(drawn, MODEL, D, "simulate", rng=1)
    assert found.pvalue > 1e-4
    assert found["null"]["sentence"].startswith("simulate: 40 Gaussian equivalents")
    wrong = rs.RandomFeatureModel(2, 1.5, 0.3, "erf")
    assert rs.compare(drawn, wrong, D, "simulate", rng=1).pvalue < 3e-7


def test_the_limit_gives_deviations_and_no_pvalue(drawn) -> None:
    found = rs.compare(drawn, MODEL)
    assert found.pvalue is None
    assert "limit" in found["refused"]
    theory = MODEL.learning_curves(TAU)
    assert found["largest_deviation"]["train"] == np.abs(drawn.train.mean(0) - theory.train).max()
    row = found.table[0]
    place = int(np.argmin(np.abs(TAU - float(row["statistic"].split()[-1]))))
    spread = drawn.train[:, place].std(ddof=1) / np.sqrt(5)
    assert row["z"] == pytest.approx((row["observed"] - theory.train[place]) / spread)


def test_true_networks_are_calibrated_by_small_ones() -> None:
    observed = rs.simulate_curves(MODEL, 60, 5, TAU, 4, "true")
    found = rs.compare(observed, MODEL, 60, "calibrated", rng=2)
    assert found.pvalue > 1e-4
    assert "distance from the limit times 40/60" in found["null"]["sentence"]


def test_networks_of_rounded_loads_are_shown_as_they_were_drawn(drawn) -> None:
    asked = rs.RandomFeatureModel(2.01, 1, 0.3, "erf")
    found = rs.compare(drawn, asked, D, "simulate", rng=1, null_draws=20)
    assert found["model"].startswith("random features, psi_p = 2, psi_n = 1,")
    assert "psi_p = 2.01 to 2: rounded to whole p and n at d = 30" in str(found)
    np.testing.assert_array_equal(found.reference.train, MODEL.learning_curves(TAU).train)
    # The limit takes loads as they are.
    assert "psi_p = 2.01" in rs.compare(drawn, asked, D)["model"]


def test_fewer_than_three_repeats_have_no_pvalue(drawn) -> None:
    two = {"tau": TAU, "train": drawn.train[:2], "test": drawn.test[:2]}
    found = rs.compare(two, MODEL, D, "simulate", rng=1, null_draws=20)
    assert found.pvalue is None
    assert "at least 3 repeats, got 2" in found["refused"]
    one = rs.compare({"tau": TAU, "train": drawn.train[0]}, MODEL)
    assert np.isnan(one.z).all()
    assert one.table[0]["observed"] > 0.0


def test_tables_wide_and_long_with_tau_or_steps_are_read_alike(drawn, tmp_path) -> None:
    expected = rs.compare(drawn, MODEL)
    wide = drawn.to_dataframe()
    long = wide.melt(["draw", "tau"], ["train", "test"], "split", "loss").sample(
        frac=1.0, random_state=1
    )
    steps = long.assign(step=long.tau * D**2 / 0.5).drop(columns="tau")
    wide.to_csv(tmp_path / "wide.csv", index=False)
    long.to_csv(tmp_path / "long.csv", index=False)
    for table in (wide, long, tmp_path / "wide.csv", str(tmp_path / "long.csv")):
        np.testing.assert_allclose(rs.compare(table, MODEL).z, expected.z, rtol=1e-9)
    found = rs.compare(steps, MODEL, D, learning_rate=0.5)
    np.testing.assert_allclose(found.z, expected.z, rtol=1e-7)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"time": [1.0], "train": [1.0]}, "need a column of times"),
        ({"step": [1.0], "train": [1.0]}, "learning_rate .* must be given"),
        ({"tau": [1.0]}, "need columns 'split' and 'loss'"),
        ({"tau": [1.0, 2.0], "train": [1.0]}, "observed train must have shape"),
        ({"tau": [1.0, 1.0], "loss": [1.0, 1.0]}, "observed train must have one loss a time"),
        ({"tau": [1.0], "loss": [1.0], "split": ["dev"]}, "observed split must be"),
        ({"tau": [-1.0], "train": [1.0]}, "observed times"),
        ({"tau": [1.0, 2.0] * 3, "train": [0.9] * 6}, "observed times must differ.* 'draw'"),
    ],
)
def test_tables_that_are_no_curves_are_refused(table, message) -> None:
    for form in (table, pd.DataFrame(table)) if len({*map(len, table.values())}) == 1 else (table,):
        with pytest.raises(ValueError, match=message):
            rs.compare(form, MODEL)


def test_a_file_says_where_it_holds_no_number(tmp_path) -> None:
    (tmp_path / "c.csv").write_text("tau,train\n1,0.9\n2,often\n")
    with pytest.raises(ValueError, match="row 2, column 'train': 'often' is no number"):
        rs.compare(tmp_path / "c.csv", MODEL)


@pytest.mark.parametrize(
    ("name", "header", "row"),
    [
        ("c.csv", "Tau,draw,Train Loss,test", "1,0,0.9,0.95"),
        ("c.csv", "Step,split,loss", "1,train,0.9"),
        ("c.csv", "a,b", "1,2"),
        ("c.csv", "train loss", "0.9"),
        ("c.csv", "draw0,draw1", "0.1,0.2"),
        ("c.txt", "tau train test", "1 0.9 0.95"),
        ("c.tsv", "tau\ttrain", "1\t0.9"),
    ],
)
def test_named_columns_that_are_not_eigenvalues_are_not_taken_for_them(
    name, header, row, tmp_path
) -> None:
    (tmp_path / name).write_text(f"{header}\n{row}\n{row}\n")
    with pytest.raises(ValueError, match=r"names columns .*'tau' or 'step', and 'train'") as said:
        rs.compare(tmp_path / name, MODEL)
    assert header.split(",")[0].split()[0] in str(said.value)


@pytest.mark.parametrize(
    "header", ["eigenvalue", "x", "lambda_1,lambda_2", "Eigenvalue 0,eigenvalue 1"]
)
def test_named_columns_of_eigenvalues_are_read(header, tmp_path) -> None:
    row = ",".join(["0.5"] * (header.count(",") + 1))
    (tmp_path / "e.csv").write_text(f"{header}\n{row}\n{row}\n")
    assert read(tmp_path / "e.csv", None).values.shape[1] == 2


def test_only_random_features_have_curves(drawn) -> None:
    with pytest.raises(TypeError, match="model must be a RandomFeatureModel for curves"):
        rs.compare(drawn, rs.SampleCovariance(0.5, rs.PopulationSpectrum([1.0])))
