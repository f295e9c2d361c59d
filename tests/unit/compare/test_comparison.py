"""Observed eigenvalues beside a model: what is found, what is refused, and how it is said."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.compare import nulls
from rmtspec.compare.statistics import Statistics, trusted_directions
from rmtspec.law import SpectralLaw
from rmtspec.result import FewDimensionsWarning

TWO = rs.PopulationSpectrum([0.5, 1.5])
MODEL = rs.RandomFeatureModel(4, 2, 0.1, "erf", TWO)
D = 40


@pytest.fixture(scope="module")
def drawn() -> np.ndarray:
    return rs.simulate(MODEL, D, 3, size=8)


def test_a_right_model_is_not_rejected_and_every_row_is_a_standard_deviation(drawn) -> None:
    found = rs.compare(drawn, MODEL)
    assert found["dimension"] == D
    # One of 10^4 right comparisons falls below.
    assert found.pvalue > 1e-4
    for row, z in zip(found.table, found.z, strict=True):
        assert z == pytest.approx((row["observed"] - row["predicted"]) / row["sd"])
    assert np.abs(found.z).max() < 4.5


def test_sums_and_their_prediction_are_the_definitions(drawn) -> None:
    found = rs.compare(drawn, MODEL)
    trace = next(row for row in found.table if row["statistic"] == "Tr U")
    # Without a correction to its mean: p times the first moment of the law.
    assert trace["observed"] == pytest.approx(drawn.sum(axis=1).mean(), rel=1e-12)
    assert trace["predicted"] == pytest.approx(4 * D * MODEL.spectrum().moment(1), rel=1e-9)


def test_the_test_of_a_null_is_the_one_of_its_covariance() -> None:
    null = nulls.Null(np.zeros(2), np.diag([4.0, 9.0]), 0.0, math.inf, "")
    square, degrees, pvalue, source = null.test(np.tile([1.0, 3.0], (4, 1)), np.eye(2))
    # 4 draws: variances 1 and 9/4; chi-square of two degrees of freedom exceeds x by exp(-x/2).
    assert (square, degrees, source) == (pytest.approx(5.0), 2, "")
    assert pvalue == pytest.approx(math.exp(-2.5))
    one = nulls.Null(np.zeros(1), np.eye(1), 0.25, 10.0, "").test(np.ones((4, 1)), np.eye(1))
    from scipy.stats import t

    assert one[2] == pytest.approx(2.0 * t.sf(math.sqrt(2.0), 10.0))


@pytest.mark.parametrize(
    "wrong",
    [
        replace(MODEL, psi_n=1.8),
        replace(MODEL, psi_n=2.2),
        replace(MODEL, population=rs.PopulationSpectrum([1.0])),
        # Sums move like d: 2 % with ten draws at d = 200 is 11 % here.
        SpectralLaw(replace(MODEL.ensemble, v2=1.11 * MODEL.ensemble.v2)),
        SpectralLaw(replace(MODEL.ensemble, b2=2.0 * MODEL.ensemble.b2)),
    ],
)
def test_a_wrong_model_is_rejected(drawn, wrong) -> None:
    assert rs.compare(drawn, wrong).pvalue < 3e-7  # five standard deviations


def test_the_count_in_an_atom_is_exact_and_a_wrong_one_is_said(drawn) -> None:
    (right,) = rs.compare(drawn, MODEL)["atoms"]
    assert right["predicted"] == D
    assert right["observed"] == [D, D]
    found = rs.compare(drawn, replace(MODEL, psi_n=2.5))
    assert found["atoms"][0]["predicted"] == D // 2
    assert "not what the law counts" in str(found)


def test_edges_and_strays_are_found(drawn) -> None:
    found = rs.compare(drawn, MODEL)
    assert found["outside"] == 0
    assert all(abs(row["z"]) < 4.5 for row in found["edges"] if math.isfinite(row["z"]))
    assert any(math.isfinite(row["z"]) for row in found["edges"])
    planted = drawn.copy()
    planted[2, -1] *= 2.0
    stray = rs.compare(planted, MODEL)
    assert stray["outside"] == 1
    assert stray["outside_values"] == [planted[2, -1]]


def test_an_outlier_is_told_from_a_stray() -> None:
    model = rs.SampleCovariance(0.5, rs.PopulationSpectrum([1.0], [1.0], spikes=[6.0]))
    found = rs.compare(rs.simulate(model, 80, 1, size=20), model)
    (outlier,) = found["outliers"]
    assert (outlier["seen"], found["outside"]) == (20, 0)
    # sd sqrt(2 l² z'/n) = 0.66 a draw, and a correction of the mean of order l/n.
    assert abs(outlier["observed"] - outlier["predicted"]) < 4.0 * 0.66 / math.sqrt(20) + 6 / 160
    assert found.pvalue > 1e-4


def test_one_draw_has_tracy_widom_pvalues() -> None:
    rows = rs.compare(rs.simulate(MODEL, D, 5), MODEL)["edges"]
    assert all(0.0 < row["pvalue"] <= 1.0 for row in rows if math.isfinite(row["z"]))


def test_lists_tables_and_files_are_read_alike(drawn, tmp_path) -> None:
    law = MODEL.spectrum()
    expected = rs.compare(drawn, law).chi2
    assert rs.compare(list(drawn[:, ::-1]), law).chi2 == expected
    np.save(tmp_path / "e.npy", drawn)
    np.savetxt(tmp_path / "e.txt", drawn)
    np.savetxt(tmp_path / "e.csv", drawn, delimiter=",")
    for name in ("e.npy", "e.txt", "e.csv"):
        assert rs.compare(tmp_path / name, law).chi2 == pytest.approx(expected, rel=1e-9)
    np.savetxt(tmp_path / "one.csv", drawn[0])
    one = rs.compare(str(tmp_path / "one.csv"), law)
    assert one.chi2 == pytest.approx(rs.compare(drawn[0], law).chi2, rel=1e-9)


def test_eigenvalues_in_single_precision_keep_their_atom(drawn) -> None:
    found = rs.compare(drawn.astype(np.float32), MODEL)
    assert found["atoms"][0]["observed"] == [D, D]


def test_loads_that_were_rounded_are_compared_as_what_they_are() -> None:
    model = rs.RandomFeatureModel(2.52, 1.26, 0.3)
    near = rs.at_dimension(model, 30)
    eigenvalues = rs.simulate(near, 30, 0, size=6)
    one, two = rs.compare(eigenvalues, model, 30), rs.compare(eigenvalues, near, 30)
    np.testing.assert_allclose(one.z, two.z, rtol=1e-6)


def test_loads_that_were_rounded_are_shown_as_they_were_used() -> None:
    eigenvalues = rs.simulate(rs.RandomFeatureModel(4, 2, 0.1), 26, rng=0, size=3)
    asked = rs.RandomFeatureModel(4.03, 1.99, 0.1)
    found = rs.compare(eigenvalues, asked, null_draws=20, rng=0)
    assert found["model"].startswith("random features, psi_p = 4, psi_n = 2, t = 0.1")
    assert "remark: psi_p = 4.03 to 4, psi_n = 1.99 to 2: rounded to whole p and n" in str(found)
    loads = found.to_dict()["loads"]
    assert loads["psi_p"] == {"asked": 4.03, "used": 4.0}
    whole = rs.compare(eigenvalues, rs.RandomFeatureModel(4, 2, 0.1), null_draws=20, rng=0)
    assert whole.chi2 == found.chi2
    assert "rounded" not in str(whole)
    wishart = rs.SampleCovariance(0.503, TWO)
    found = rs.compare(rs.simulate(rs.SampleCovariance(0.5, TWO), 40, rng=0), wishart, rng=0)
    assert "sample covariance, d/n = 0.5," in found["model"]
    assert "d/n = 0.503 to 0.5: rounded to whole n at d = 40" in str(found)


def test_a_law_alone_can_be_compared_with_and_not_drawn_from(drawn) -> None:
    law = MODEL.spectrum()
    assert rs.compare(drawn, law).chi2 == pytest.approx(rs.compare(drawn, MODEL).chi2)
    with pytest.raises(ValueError, match="model must be more than a law"):
        rs.compare(drawn, law, null="simulate")


def test_simulated_null_agrees(drawn) -> None:
    found = rs.compare(drawn, MODEL, null="simulate", rng=1)
    assert found.pvalue > 1e-4
    assert found["null"]["sentence"].startswith("simulate: 60 draws")


@pytest.mark.parametrize("null", ["gaussian", "simulate", "calibrated"])
def test_draws_too_few_for_a_covariance_are_refused_and_enough_give_a_pvalue(drawn, null) -> None:
    for few in (2, 3):
        with pytest.raises(
            ValueError, match=r"null_draws must be at least \d+ for the cov"
        ) as said:
            rs.compare(drawn, MODEL, null=null, rng=1, null_draws=few)
    needed = int(str(said.value).split("at least ")[1].split()[0])
    with pytest.raises(ValueError, match="null_draws must be"):
        rs.compare(drawn, MODEL, null=null, rng=1, null_draws=needed - 1)
    found = rs.compare(drawn, MODEL, null=null, rng=1, null_draws=needed)
    assert found.pvalue is not None
    assert found.chi2 > 0.0
    # Nothing is drawn for a law.
    rs.compare(drawn, MODEL.spectrum(), null_draws=2)


def test_calibrated_null_accepts_the_true_features_that_the_gaussian_one_rejects() -> None:
    model = rs.RandomFeatureModel(2, 1, 0.1, "erf")
    eigenvalues = rs.simulate(model, 40, 2, 4, features="true")
    assert rs.compare(eigenvalues, model).pvalue < 1e-10
    found = rs.compare(eigenvalues, model, null="calibrated", rng=3, null_draws=40)
    assert found.pvalue > 1e-4
    assert (found["outside"], found["edges"]) == (None, [])
    wrong = replace(model, psi_n=1.5)
    assert rs.compare(eigenvalues, wrong, 40, "calibrated", rng=3, null_draws=40).pvalue < 3e-7


def test_calibrated_null_leaves_the_mean_feature_out() -> None:
    model = rs.RandomFeatureModel(2, 1, 0.3, "relu")
    eigenvalues = rs.simulate(model, 40, 2, 3, features="true")
    found = rs.compare(eigenvalues, model, null="calibrated", rng=3, null_draws=40)
    assert found.pvalue > 1e-4
    assert found["mean_feature"] == eigenvalues[:, -1].tolist()


def test_given_data_have_their_own_null() -> None:
    x = np.random.default_rng(1).normal(size=(60, 30))
    with pytest.warns(FewDimensionsWarning):
        model = rs.RandomFeatureModel.from_data(x, 2.0, 0.3)
    eigenvalues = rs.simulate(model, rng=4, size=6)
    assert rs.compare(eigenvalues, model).pvalue > 1e-4
    with pytest.raises(ValueError, match="null must be 'gaussian' or 'simulate' for a model of gi"):
        rs.compare(eigenvalues, model, null="calibrated")


@pytest.mark.parametrize("count", [1, 4])
def test_permutations_have_their_size_whatever_the_law(count, monkeypatch) -> None:
    # Lognormal sums, far from what a chi-square asks for.
    monkeypatch.setattr(nulls, "_PERMUTATIONS", 99)
    rng, tests = np.random.default_rng(2), 1000
    pvalues = np.empty(tests)
    for i in range(tests):
        sums = rng.lognormal(size=(39 + count, 2))
        null = nulls.Null(np.ones(2), np.eye(2), 0.0, math.inf, "", sums[count:])
        pvalues[i] = null.test(sums[:count], np.eye(2), rng)[2]
    for level in (0.1, 0.5, 0.8):  # all of them ranks, of 40 and of 100
        # Four standard errors.
        error = math.sqrt(level * (1.0 - level) / tests)
        assert abs(np.mean(pvalues <= level + 1e-12) - level) < 4.0 * error


def test_small_matrices_take_their_pvalue_from_draws_and_large_ones_from_the_formula(drawn) -> None:
    found = rs.compare(drawn, MODEL, rng=0, null_draws=50)
    assert "p-value from 50 draws of the same size" in str(found)
    assert "(by permutation among 50 draws)" in str(found)
    assert found.pvalue == rs.compare(drawn, MODEL, rng=0, null_draws=50).pvalue
    # The mean of 50 draws moves a p-value of about 1/2 by 0.1.
    limit = rs.compare(drawn, MODEL.spectrum()).pvalue
    assert abs(found.pvalue - limit) < 0.3
    assert not found["trust"]
    large = replace(MODEL, psi_n=8)
    few = rs.compare(rs.simulate(large, 50, 3), large, 50)
    assert few["null"]["permuted"] == 199
    many = rs.compare(rs.simulate(large, 80, 3), large, 80)
    assert many["null"]["permuted"] == 0
    assert "fewer than 100 neurons, samples or dimensions" in str(many)


def test_a_pvalue_below_the_last_rank_is_said_to_come_from_hotelling(drawn) -> None:
    shown = str(rs.compare(drawn, replace(MODEL, t=0.2), rng=0, null_draws=50))
    assert "(beyond all permutations, Hotelling's formula for 50 draws)" in shown
    assert "by permutation" not in shown
    assert rs.compare(drawn, replace(MODEL, t=0.2), rng=0, null_draws=50).pvalue < 1 / 1000


def test_a_pvalue_that_underflows_is_printed_as_a_bound(drawn) -> None:
    found = rs.compare(drawn, replace(MODEL, t=2.0).spectrum())
    assert found.pvalue == 0.0
    assert f"{found.degrees} combinations, p < 1e-300" in str(found)


def test_means_sharper_than_the_formula_get_no_pvalue(drawn) -> None:
    many = np.tile(drawn, (140, 1))
    found = rs.compare(many, MODEL.spectrum())
    assert found.pvalue is None
    assert "next order" in found["refused"]
    assert math.isfinite(found.chi2)


def test_complex_matrices_fluctuate_half_as_much(drawn) -> None:
    real, half = rs.compare(drawn, MODEL), rs.compare(drawn, MODEL, beta=2)
    ratio = [b["sd"] / a["sd"] for a, b in zip(real.table, half.table, strict=True)]
    np.testing.assert_allclose(ratio, math.sqrt(0.5), rtol=1e-8)
    with pytest.raises(ValueError, match="beta must be 1 for null"):
        rs.compare(drawn, MODEL, null="simulate", beta=2)


def test_combinations_of_small_variance_are_left_out() -> None:
    law = MODEL.spectrum()
    statistics = Statistics.of(law)
    covariance = law.fluctuations(*statistics.functions).covariance
    directions = trusted_directions(covariance)
    kept = directions.T @ covariance @ directions
    np.testing.assert_allclose(kept, np.diag(np.diag(kept)), atol=1e-9)
    assert np.diag(kept).min() > 0.03
    assert 3 <= directions.shape[1] < len(statistics.names)


def test_it_says_everything_as_text_table_html_and_json(drawn) -> None:
    found = rs.compare(drawn, MODEL)
    assert "null: gaussian: real matrices" in str(found)
    assert f"p = {found.pvalue:.3g}" in str(found)
    assert "<table>" in found._repr_html_()
    table = found.to_dataframe()
    assert list(table.columns) == ["statistic", "observed", "predicted", "sd", "z"]
    values = json.loads(found.to_json())
    assert values["chi2"] == found.chi2
    assert values["null"]["freedom"] == "inf"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones((3, 160)), MODEL, 41), r"observed must hold psi_p d = 164 eigenvalues"),
        ((np.ones((2, 2, 2)), MODEL), "observed must be eigenvalues of shape"),
        (([np.ones(3), np.ones(4)], MODEL), "observed must hold matrices of one size"),
        (([1.0, np.nan], MODEL), "observed must hold finite numbers, got nan"),
        (("nowhere.npy", MODEL), "observed must be a file that exists"),
        ((np.ones(160), MODEL, 40, "guess"), "null must be"),
        ((-np.ones(160), MODEL), "observed must lie above"),
        ((np.ones(40), rs.SampleCovariance(0.5, TWO), 40, "calibrated"), "null must be"),
    ],
)
def test_what_cannot_be_compared_is_refused_by_name(arguments, message) -> None:
    with pytest.raises(ValueError, match=message):
        rs.compare(*arguments)


@pytest.mark.parametrize("content", [b"0.1 0.2\n", b"PK\x03\x04 but no more", b""])
@pytest.mark.parametrize("name", ["e.npy", "e.npz"])
def test_files_that_numpy_did_not_write_are_said_to_be_such(name, content, tmp_path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=r"observed: .*: it is (no NumPy|empty)"):
        rs.compare(tmp_path / name, MODEL)


def test_a_model_is_needed(drawn) -> None:
    with pytest.raises(TypeError, match="model must be a RandomFeatureModel, a Sample"):
        rs.compare(drawn, TWO)
