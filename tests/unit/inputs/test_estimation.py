"""The population behind few samples: what it keeps, what it repairs, what it says of itself."""

from __future__ import annotations

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.inputs.estimation import estimate_population
from rmtspec.inputs.sample_spectrum import sample_eigenvalues, triangle

pytestmark = [
    pytest.mark.filterwarnings("ignore:the data have mean variance:rmtspec.DataWarning"),
    pytest.mark.filterwarnings("ignore:.* rows repeats? others:rmtspec.DataWarning"),
]

EPS = np.finfo(float).eps
D = 48
SCALES = {
    "power law": np.sqrt(rs.PopulationSpectrum.power_law(1.0, D).eigenvalues),
    "two atoms": np.sqrt(np.repeat([0.2, 3.4], [36, 12])),
    "isotropic": np.ones(D),
}


def _second(population):
    """Second moment over squared mean: what sampling inflates, by 1 + d/n for the isotropic."""
    return population.moment(2) / population.mean**2


def _bias(law, samples, lengths=None):
    """Mean bias of the spread from sample eigenvalues and from the fit, and its standard error."""
    rng = np.random.default_rng(samples)
    truth = _second(rs.PopulationSpectrum(SCALES[law] ** 2))
    found = []
    for _ in range(12):
        x = rng.normal(size=(samples, D)) * SCALES[law]
        if lengths is not None:
            x *= np.sqrt(rng.gamma(lengths, 1.0 / lengths, (samples, 1)))
        laws = [rs.PopulationSpectrum.from_samples(x, debias=debias) for debias in (False, True)]
        found.append([_second(law) - truth for law in laws])
    return np.mean(found, axis=0), np.std(found, axis=0)[1] / np.sqrt(12)


@pytest.mark.parametrize("law", SCALES)
# Fewer rows than directions show the lower end of no spectrum: up to a third of the bias is left.
@pytest.mark.parametrize(
    ("samples", "left"), [(30, 0.35), (48, 0.1), (49, 0.1), (96, 0.1), (480, 0.1)]
)
def test_spread_of_the_spectrum_that_sampling_adds_is_taken_away(law, samples, left):
    (raw, fit), error = _bias(law, samples)
    assert raw > 0.5 * D / samples
    assert abs(fit) < left * raw + 3.0 * error


def test_lengths_of_rows_that_differ_are_not_taken_for_directions():
    # Squared norms spread by 1.4 times their mean: the spread of the spectrum grows by 3 d/n.
    (raw, fit), error = _bias("isotropic", 400, lengths=0.5)
    assert raw > 2.0 * D / 400
    assert abs(fit) < 0.1 * raw + 3.0 * error


@pytest.mark.parametrize("center", [True, False])
def test_mass_and_trace_are_those_of_the_sample(center):
    x = np.random.default_rng(2).normal(size=(90, D)) * SCALES["power law"]
    raw = rs.PopulationSpectrum.from_samples(x, center=center)
    fit = rs.PopulationSpectrum.from_samples(x, center=center, debias=True)
    # The trace is a row of weight 1000 beside 280 residuals of order 0.1: kept to some 1e-5.
    assert fit.mean == pytest.approx(raw.mean * (90 / 89 if center else 1.0), rel=1e-4)
    assert fit.weights.sum() == pytest.approx(1.0, abs=8 * EPS)
    assert (fit.dimension, fit.samples) == (D, 90)
    assert np.all(fit.eigenvalues >= 0.0)


def test_null_space_of_many_samples_is_kept_and_that_of_few_is_not():
    rng = np.random.default_rng(3)
    scales = np.concatenate([np.ones(36), np.zeros(12)])
    many = rs.PopulationSpectrum.from_samples(rng.normal(size=(300, D)) * scales, debias=True)
    assert many.eigenvalues[0] == 0.0
    assert many.weights[0] == pytest.approx(0.25, rel=1e-3)
    few = rs.PopulationSpectrum.from_samples(rng.normal(size=(25, D)), debias=True)
    assert few.weights[few.eigenvalues < 0.1].sum() < 0.25  # half of the sample's eigenvalues are 0


def test_null_space_of_a_population_of_few_different_rows_is_kept():
    rng = np.random.default_rng(12)
    one_hot = np.sqrt(10.0) * np.eye(10)[rng.integers(10, size=2000)]
    fit = rs.PopulationSpectrum.from_samples(one_hot, debias=True)
    # Of the covariance of 10 equally frequent unit vectors, 1 - 1 1'/10: components sum to one.
    assert fit.eigenvalues[0] == 0.0
    assert fit.weights[0] == pytest.approx(0.1, rel=1e-3)
    assert fit.mean == pytest.approx(0.9, rel=5e-3)
    rare = np.concatenate([np.eye(10)[rng.integers(9, size=1999)], np.eye(10)[9:]])
    kept = rs.PopulationSpectrum.from_samples(np.sqrt(10.0) * rare, debias=True)
    assert kept.weights[0] == pytest.approx(0.1, rel=1e-3)


def test_copies_of_few_rows_make_no_null_space_real():
    x = np.random.default_rng(13).normal(size=(30, D))
    for copied in (np.tile(x, (4, 1)), np.concatenate([x, x[:20]])):
        fit = rs.PopulationSpectrum.from_samples(copied, debias=True)
        assert len(copied) > D
        assert fit.weights[fit.eigenvalues == 0.0].sum() < 0.25  # of the sample 0.4


def test_fit_scales_with_the_data_and_forgets_their_mean():
    x = np.random.default_rng(4).normal(size=(80, D)) * SCALES["two atoms"]
    base = rs.PopulationSpectrum.from_samples(x, debias=True)
    moved = rs.PopulationSpectrum.from_samples(1e3 * x + 7.0, debias=True)
    for quantity in (lambda p: p.mean, _second):
        ratio = quantity(moved) / quantity(base)
        assert ratio == pytest.approx(1e6 if quantity is not _second else 1.0, rel=1e-6)


def test_rows_that_repeat_are_one_row_of_more_weight():
    x = np.random.default_rng(5).normal(size=(60, D)) * SCALES["power law"]
    once = rs.PopulationSpectrum.from_samples(x, debias=True)
    twice = rs.PopulationSpectrum.from_samples(np.concatenate([x, x]), debias=True)
    # Only the factor n/(n - 1) of the trace differs.
    assert _second(twice) == pytest.approx(_second(once), rel=1e-9)
    assert twice.mean / once.mean == pytest.approx((120 / 119) / (60 / 59), rel=1e-6)


def test_a_row_that_repeats_is_one_longer_row():
    x = np.random.default_rng(11).normal(size=(60, D)) * SCALES["power law"]
    repeated = np.concatenate([x, x[:20], x[:20]])
    longer = np.concatenate([np.sqrt(3.0) * x[:20], x[20:]])
    one, other = (
        rs.PopulationSpectrum.from_samples(rows, center=False, debias=True)
        for rows in (repeated, longer)
    )
    assert _second(one) == pytest.approx(_second(other), rel=1e-9)


def test_error_of_the_estimate_covers_its_deviation():
    rng = np.random.default_rng(6)
    truth = rs.PopulationSpectrum(SCALES["power law"] ** 2)
    deviations = []
    for _ in range(12):
        found = estimate_population(rng.normal(size=(96, D)) * SCALES["power law"], rng=rng)
        value, error = found.of(_second)
        assert value == _second(found.population)
        assert error > 0.0
        deviations.append((value - _second(truth)) / error)
    # A standard error would give 1; four splits in halves estimate it to some 30 %.
    assert 0.3 < np.sqrt(np.mean(np.square(deviations))) < 2.0


def test_estimate_is_that_of_from_samples_and_splits_are_repeatable():
    x = np.random.default_rng(7).normal(size=(40, 10))
    first, second = estimate_population(x, splits=2), estimate_population(x, splits=2)
    assert first.population == rs.PopulationSpectrum.from_samples(x, debias=True)
    assert first.raw == rs.PopulationSpectrum.from_samples(x)
    assert first.halves == second.halves
    assert len(first.halves) == 2
    assert {half.samples for pair in first.halves for half in pair} == {20}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: estimate_population(x[:15]), "samples >= 16"),
        (lambda x: estimate_population(x, splits=0), "splits"),
        (lambda x: rs.PopulationSpectrum.from_samples(x[:7], debias=True), "samples >= 8"),
        (lambda x: rs.PopulationSpectrum.from_samples(np.ones((9, 3)), debias=True), "x must vary"),
    ],
)
def test_too_few_rows_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.random.default_rng(8).normal(size=(40, 10)))


def test_choices_are_yes_or_no():
    for choice in ({"debias": 1}, {"center": "no"}):
        with pytest.raises(TypeError, match="must be True or False"):
            rs.PopulationSpectrum.from_samples(np.eye(9), **choice)


def test_blocks_of_rows_lose_nothing_of_small_eigenvalues(monkeypatch):
    rng = np.random.default_rng(9)
    rows = rng.normal(size=(500, 12)) * np.geomspace(1.0, 1e-5, 12)
    whole = np.linalg.svd(rows, compute_uv=False)[::-1] ** 2 / 500
    monkeypatch.setattr("rmtspec.inputs.sample_spectrum._BLOCK", 64)
    assert triangle(rows).shape == (12, 12)
    # Backward stable: eps sqrt(l_max/l) a factorisation, of which there are eight.
    bound = 16 * 8 * EPS * np.sqrt(whole[-1] / whole)
    assert np.all(np.abs(sample_eigenvalues(rows) / whole - 1.0) < bound)


def test_eigenvalues_that_rounding_splits_are_one_atom():
    left, _, right = np.linalg.svd(np.random.default_rng(10).normal(size=(80, 9)), False)
    equal = rs.PopulationSpectrum.from_samples(left @ right, center=False)
    assert equal.eigenvalues.size == 1
    apart = rs.PopulationSpectrum.from_samples((left * (1.0 + 1e-9 * np.arange(9))) @ right)
    assert apart.eigenvalues.size == 9
