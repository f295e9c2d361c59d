"""Kernels of random neurons between samples: closed forms, Mehler's sum and their derivatives."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import erf

from rmtspec.inputs.activation import resolve
from rmtspec.inputs.gaussian import kernels as kernels_module
from rmtspec.inputs.gaussian.kernels import Kernels, PairKernels

SIGNAL = math.exp(-0.4)
DELTA = -math.expm1(-0.4)
NAMES = ["tanh", "erf", "relu", "centred_relu", "leaky_relu", "silu", "softplus", "gelu", "sine"]


def _pairs(name: str, *, mehler: bool = False) -> PairKernels:
    activation = resolve(name)
    closed = None if mehler else activation.pairs
    return PairKernels(activation.function, closed, SIGNAL, DELTA)


def _rows(count: int, dimension: int = 12, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((count, dimension)) * rng.uniform(0.5, 1.5, (count, 1))


def _at(name: str, first: float, second: float, angle: float) -> Kernels:
    """Kernels of two rows of given norms per root dimension and angle, as numbers."""
    x = math.sqrt(2.0) * np.array([[first, 0.0]])
    y = math.sqrt(2.0) * second * np.array([[math.cos(angle), math.sin(angle)]])
    return Kernels(*(float(k[0, 0]) for k in _pairs(name).between(x, y)))  # type: ignore[arg-type]


def test_mehlers_sum_gives_the_closed_form_of_erf() -> None:
    x, y = _rows(30), _rows(20, seed=1)
    closed, summed = (_pairs("erf", mehler=mehler).between(x, y) for mehler in (False, True))
    for exact, found in zip(closed, summed, strict=True):
        # Rows of dimension 12 have correlations up to 0.6; the sum stops at 1e-7 of K00.
        np.testing.assert_allclose(found, exact, rtol=0, atol=1e-7 * np.abs(exact).max())


def test_two_noisings_of_one_sample_have_the_closed_form_of_erf() -> None:
    x = _rows(100)
    closed, integrated = (_pairs("erf", mehler=mehler).within(x) for mehler in (False, True))
    for name in ("k00", "k11"):
        exact, found = (np.diag(getattr(one, name)) for one in (closed, integrated))
        np.testing.assert_allclose(found, exact, rtol=1e-13)


@pytest.mark.parametrize("name", ["relu", "leaky_relu"])
def test_kernels_of_ramps_are_gaussian_integrals(name: str) -> None:
    first, second, angle = 0.9, 1.4, 0.7
    found = _at(name, first, second, angle)
    a, b = (SIGNAL * s * s + DELTA for s in (first, second))
    c = SIGNAL * first * second * math.cos(angle)
    (xx, _), (yx, yy) = np.linalg.cholesky(np.array([[a, c], [c, b]]))
    # Ramps grow with the radius, whose square has the mean 2: the angle is left, with panels that
    # end where X or Y change their signs.
    node, weight = np.polynomial.legendre.leggauss(30)
    turn = math.atan2(-yx, yy)
    ends = np.sort([-np.pi, -np.pi / 2, np.pi / 2, np.pi, turn, turn - np.copysign(np.pi, turn)])
    half, middle = 0.5 * np.diff(ends)[:, None], 0.5 * (ends[1:] + ends[:-1])[:, None]
    theta, share = middle + half * node, half * weight / (2.0 * np.pi)
    x, y = xx * np.cos(theta), yx * np.cos(theta) + yy * np.sin(theta)
    sigma, leak = resolve(name), 0.01 if name == "leaky_relu" else 0.0
    slope_x, slope_y = (np.where(v > 0.0, 1.0, leak) for v in (x, y))
    assert found.k00 == pytest.approx(2.0 * float(np.sum(share * sigma(x) * sigma(y))), rel=1e-13)
    assert found.k11 == pytest.approx(float(np.sum(share * slope_x * slope_y)), rel=1e-13)


def test_subtracting_a_constant_moves_kernels_by_the_mean_features() -> None:
    plain, centred = (_at(name, 0.9, 1.4, 0.7) for name in ("relu", "centred_relu"))
    constant = 1.0 / math.sqrt(2.0 * math.pi)
    means = [constant * math.sqrt(SIGNAL * s * s + DELTA) for s in (0.9, 1.4)]
    moved = plain.k00 - constant * sum(means) + constant**2
    assert centred.k00 == pytest.approx(moved, rel=1e-14)
    assert centred.k11 == pytest.approx(plain.k11, rel=1e-14)
    for name in ("relu", "centred_relu"):
        z = np.arange(-9.0, 9.0, 1e-3)
        weight = np.exp(-0.5 * z * z) / np.exp(-0.5 * z * z).sum()
        row = np.array([[1.3, -0.4]])
        gamma = math.sqrt(float(_pairs(name).variances(row)[0]))
        # the kink costs the trapezoidal rule the square of its step
        expected = float(weight @ resolve(name)(gamma * z) ** 2)
        assert _pairs(name).second_moment(row)[0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_turning_one_row_raises_both_derivatives_by_one(name: str) -> None:
    first, second, angle, step = 0.9, 1.4, 0.7, 1e-4
    up, down = (_at(name, first, second, angle + sign * step) for sign in (1.0, -1.0))
    here = _at(name, first, second, angle)
    moved = SIGNAL * first * second * (math.cos(angle + step) - math.cos(angle - step))
    # central differences: step² of third derivatives of order one
    assert (up.k00 - down.k00) / moved == pytest.approx(here.k11, rel=1e-6, abs=1e-7)
    assert (up.k11 - down.k11) / moved == pytest.approx(here.k22, rel=1e-6, abs=1e-7)
    assert (up.k20 - down.k20) / moved == pytest.approx(here.k31, rel=1e-6, abs=1e-7)
    assert (up.k02 - down.k02) / moved == pytest.approx(here.k13, rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("name", NAMES)
def test_lengthening_one_row_at_fixed_product_takes_two_derivatives_of_it(name: str) -> None:
    first, second, angle, step = 0.9, 1.4, 0.7, 1e-4

    def longer(by: float) -> Kernels:
        return _at(name, first + by, second, math.acos(math.cos(angle) * first / (first + by)))

    up, down, here = longer(step), longer(-step), longer(0.0)
    moved = 0.5 * SIGNAL * ((first + step) ** 2 - (first - step) ** 2)
    assert (up.k00 - down.k00) / moved == pytest.approx(here.k20, rel=1e-6, abs=1e-7)
    assert (up.k11 - down.k11) / moved == pytest.approx(here.k31, rel=1e-6, abs=1e-7)
    assert (up.k02 - down.k02) / moved == pytest.approx(here.k22, rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("name", NAMES)
def test_changing_places_transposes_the_kernels(name: str) -> None:
    x, y = _rows(6), _rows(4, seed=1)
    there, back = _pairs(name).between(x, y), _pairs(name).between(y, x)
    for one, other in (("k00", "k00"), ("k11", "k11"), ("k22", "k22"), ("k31", "k13")):
        np.testing.assert_allclose(getattr(there, one), getattr(back, other).T, rtol=1e-11)
    np.testing.assert_allclose(there.k20, back.k02.T, rtol=1e-11, atol=1e-15)


def test_diagonals_of_many_norms_are_those_of_few() -> None:
    x = _rows(200)
    many, few = _pairs("tanh").within(x), _pairs("tanh").within(x[:10])
    for name in ("k00", "k11"):
        one, other = np.diag(getattr(many, name))[:10], np.diag(getattr(few, name))
        np.testing.assert_allclose(one, other, rtol=1e-12)


@pytest.mark.parametrize("t", [1e-4, 0.01, 0.2])
def test_nearly_equal_rows_need_more_orders_and_get_them(t: float) -> None:
    x = 1.5 * _rows(20)
    y = x + 0.02 * _rows(20, seed=1)
    signal, delta = math.exp(-2.0 * t), -math.expm1(-2.0 * t)
    summed = PairKernels(erf, None, signal, delta).between(x, y)
    exact = PairKernels(erf, resolve("erf").pairs, signal, delta).between(x, y)
    np.testing.assert_allclose(summed.k00, exact.k00, rtol=0, atol=1e-6)
    np.testing.assert_allclose(summed.k11, exact.k11, rtol=0, atol=1e-4 * exact.k11.max())


def test_functions_that_jump_are_told_from_those_with_kinks() -> None:
    x = _rows(5)

    def of(function: object) -> bool:
        return PairKernels(resolve(function).function, None, SIGNAL, DELTA).jumps(x)  # type: ignore[arg-type]

    assert of(np.sign)
    assert of(lambda v: np.where(v > 0.3, 1.0, 0.0))
    assert not of(np.abs)
    assert not of(np.tanh)
    assert not of(lambda v: np.maximum(v - 0.2, 0.0))


@pytest.mark.parametrize("name", ["tanh", "erf", "relu"])
def test_blocks_of_rows_make_the_kernels_of_all_rows(name: str, monkeypatch) -> None:
    x, y = _rows(23), _rows(10, seed=1)
    pairs = _pairs(name)
    whole = [*pairs.within(x), *pairs.between(x, y)]
    monkeypatch.setattr(kernels_module, "_PAIRS_AT_ONCE", 50)  # 2 of 23 rows, 5 of 23
    for one, found in zip(whole, [*pairs.within(x), *pairs.between(x, y)], strict=True):
        np.testing.assert_array_equal(found, one)


def test_no_block_of_rows_takes_long() -> None:
    blocks = list(kernels_module._blocks(np.empty((4000, 4000))))
    assert max(stop - start for start, stop in blocks) * 4000 <= 500_000
    assert [start for start, _ in blocks[1:]] == [stop for _, stop in blocks[:-1]]
    assert (blocks[0][0], blocks[-1][1]) == (0, 4000)
