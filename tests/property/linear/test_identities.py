"""Identities of affine denoisers over random spectra, loads, ridges and noise levels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rmtspec as rs
from rmtspec.linear.renormalised_ridge import resolvent_pair

# Sums of positive terms: a few units each, and some tens where several are multiplied.
TIGHT = 1e-13


@st.composite
def spectra(draw, zeros=True):
    """Up to 12 eigenvalues over six decades, some of them zero, of weights k/64."""
    size = draw(st.integers(1, 12))
    logs = draw(st.lists(st.floats(-6.0, 0.0), min_size=size, max_size=size))
    weights = draw(st.lists(st.integers(1, 5), min_size=size, max_size=size))
    eigenvalues = [10.0**x for x in logs]
    if zeros and size > 1 and draw(st.booleans()):
        eigenvalues[0] = 0.0
    weights[-1] += 64 - sum(weights)
    return rs.PopulationSpectrum(eigenvalues, weights)


loads = st.one_of(st.floats(-3.0, 6.0).map(lambda x: 10.0**x), st.just(1.0))
ridges = st.one_of(st.floats(-12.0, 3.0).map(lambda x: 10.0**x), st.just(0.0))
levels = st.floats(-4.0, 4.0).map(lambda x: 1.0 / (1.0 + 10.0**x))


@given(spectra(), loads, ridges, levels)
def test_distance_to_the_optimum_is_test_minus_optimal_loss(population, load, c, level):
    fitted = rs.LinearDenoiser(population, load, c)
    test, optimal = fitted.test_loss(level), fitted.optimal_loss(level)
    distance = fitted.alignment(level)
    assert distance > 0.0
    assert abs(test - optimal - distance) <= TIGHT * test


@given(spectra(), loads, levels)
def test_without_a_ridge_test_exceeds_optimal_exceeds_training_loss(population, load, level):
    fitted = rs.LinearDenoiser(population, load)
    optimal = fitted.optimal_loss(level)
    assert fitted.test_loss(level) >= optimal * (1 - TIGHT)
    assert fitted.train_loss(level) <= optimal * (1 + TIGHT)


@given(spectra(), loads, ridges, levels)
def test_training_loss_without_penalty_is_below_the_objective_and_the_loss_of_no_weights(
    population, load, c, level
):
    fitted = rs.LinearDenoiser(population, load, c)
    train, objective = fitted.train_loss(level), fitted.penalised_loss(level)
    assert train <= objective * (1 + TIGHT)
    assert objective <= 1 + TIGHT


@given(spectra(), loads, ridges, levels, st.floats(-6.0, 6.0))
def test_scaling_data_and_noise_together_changes_no_loss(population, load, c, level, power):
    factor = 10.0**power
    s = (1.0 - level) / level * factor
    scaled_level = 1.0 / (1.0 + s)
    # The scaled level is a float of its own; take its s back to the old units exactly.
    back = (1.0 - scaled_level) / scaled_level / factor
    plain = rs.LinearDenoiser(population, load, c)
    scaled = rs.LinearDenoiser(
        rs.PopulationSpectrum(factor * population.eigenvalues, population.weights),
        load,
        factor * c,
    )
    level = 1.0 / (1.0 + back)
    # 1 − ᾱ loses digits where s is small; the loss then moves with s.
    tolerance = TIGHT + 8e-16 * (1.0 / back + 1.0 / s)
    for name in ("test_loss", "train_loss", "optimal_loss"):
        one, other = getattr(plain, name)(level), getattr(scaled, name)(scaled_level)
        assert abs(one - other) <= tolerance * max(one, other)


@given(spectra(zeros=False), loads, st.floats(-8.0, 2.0), st.floats(-6.0, 6.0))
def test_divergences_are_positive_and_do_not_change_with_the_unit(population, load, power, unit):
    c, factor = 10.0**power, 10.0**unit
    scaled = rs.PopulationSpectrum(factor * population.eigenvalues, population.weights)
    for direction in ("data||model", "model||data"):
        plain = rs.LinearDenoiser(population, load, c).kl(direction)
        other = rs.LinearDenoiser(scaled, load, factor * c).kl(direction)
        assert plain >= 0.0
        assert abs(plain - other) <= TIGHT * plain


@given(spectra(zeros=False), st.floats(0.01, 6.0))
def test_divergences_without_a_ridge_depend_on_the_load_alone(population, power):
    load = 1.0 + 10.0**power
    isotropic = rs.LinearDenoiser(rs.PopulationSpectrum.isotropic(), load)
    fitted = rs.LinearDenoiser(population, load)
    for direction in ("data||model", "model||data"):
        assert fitted.kl(direction) == isotropic.kl(direction)
        # (1/4n)(1 + O(1/n)), with coefficients 5/3 and 1/3.
        if load > 100.0:
            assert fitted.kl(direction) * 4 * load == pytest.approx(1.0, abs=2.0 / load)


@given(spectra(zeros=False), st.floats(-3.0, 2.0))
def test_divergences_vanish_with_infinite_data_and_a_vanishing_ridge(population, power):
    small = float(population.eigenvalues[0]) * 1e-9
    for direction in ("data||model", "model||data"):
        assert rs.LinearDenoiser(population, 1e9, small).kl(direction) < 1e-8


@given(spectra(), loads, ridges, levels, st.floats(0.1, 4.0))
def test_two_resolvents_obey_the_resolvent_identity(population, load, c, level, gap):
    fitted = rs.LinearDenoiser(population, load, c)
    zeta = (1.0 - level) / level + c
    zetas = np.array([zeta, zeta * (1.0 + gap)])
    sums = fitted._ridge.solve(zetas, np.full(2, load))
    first, second = zip(zetas.tolist(), sums.kappa.tolist(), strict=True)
    lam = population.eigenvalues
    both = resolvent_pair(first, second, load, fitted._ridge, np.ones_like(lam), lam)
    # tr ΣG(ζ) = n (κ/ζ − 1) = r<u>; the difference of the two loses the factor 1/gap.
    single = sums.ratio * sums.u
    difference = (single[0] - single[1]) / (zetas[1] - zetas[0])
    scale = single.max() / (zetas[1] - zetas[0])
    assert abs(both - difference) <= TIGHT * scale


@given(spectra(), loads, ridges, levels)
def test_two_data_sets_of_equal_size_are_twice_the_variance_apart(population, load, c, level):
    fitted = rs.LinearDenoiser(population, load, c)
    pair = fitted.alignment_pair(level)
    assert fitted.alignment_pair(level, other_load=load) == pytest.approx(pair, rel=TIGHT)
    assert 0.5 * pair <= fitted.alignment(level) * (1 + TIGHT)
    huge = fitted.alignment_pair(level, other_load=1e12)
    regularised = fitted.alignment(level, reference="regularised")
    # The second set has 1e12 samples a dimension: its variance and bias are of that order.
    assert abs(huge - regularised) <= 1e-5 * regularised + 1e-10


@given(spectra(), loads, ridges, levels)
def test_distances_along_directions_average_to_the_whole(population, load, c, level):
    fitted = rs.LinearDenoiser(population, load, c)
    s = (1.0 - level) / level
    lam = population.eigenvalues
    reference = s * (lam + s) / (lam + s + c) ** 2
    parts = fitted.alignment_along(lam, level) * reference
    whole = fitted.alignment(level, reference="regularised")
    assert population.weights @ parts == pytest.approx(whole, rel=TIGHT)


@given(
    spectra(), st.floats(-1.5, 2.0).map(lambda x: 10.0**x),
    st.one_of(st.just(0.0), st.floats(-4.0, 1.0).map(lambda x: 10.0**x)),
    st.floats(-3.0, 2.0).map(lambda x: 1.0 / (1.0 + 10.0**x)),
)  # fmt: skip
def test_training_loss_never_rises_and_ends_at_the_fitted_denoiser(population, load, c, level):
    fitted = rs.LinearDenoiser(population, load, c)
    zeta = (1.0 - level) / level + c
    tau = np.concatenate([[0.0], np.geomspace(1e-2 / (zeta + 1.0), 60.0 / zeta, 12), [np.inf]])
    curves = fitted.training_curves(tau, level)
    assert curves.converged.all()
    objective = curves.train
    # Gradient flow lowers the penalised objective; without a penalty that is the training loss.
    if c == 0.0:
        assert np.all(np.diff(objective) <= 1e-10 * objective[:-1])
    assert curves.train[0] == curves.test[0] == 1.0
    assert curves.test[-1] == fitted.test_loss(level)
    assert curves.train[-2] == pytest.approx(curves.train[-1], rel=1e-10)
    assert curves.test[-2] == pytest.approx(curves.test[-1], rel=1e-10)
    assert np.all(curves.test >= fitted.optimal_loss(level) * (1 - 1e-10))


@given(st.floats(-6.0, 2.0).map(lambda x: 10.0**x), st.integers(1, 200))
def test_sampling_in_many_small_steps_reaches_the_variance_of_continuous_time(lam, steps):
    fitted = rs.LinearDenoiser(rs.PopulationSpectrum.isotropic(), 1.0)
    v = [float(fitted.sampled_variance(lam, noise=n, steps=steps)) for n in ("beta", "posterior")]
    assert v[0] >= v[1]
    assert fitted.sampled_variance(lam) == lam
    # With noise β a white law stays white whatever the schedule.
    assert fitted.sampled_variance(1.0, steps=steps) == pytest.approx(1.0, rel=1e-13)
