"""The Tracy-Widom laws against Painlevé II, published moments, and themselves."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.special import airy

from rmtspec.solve.tracy_widom import TracyWidom


@pytest.fixture(scope="module")
def painleve():
    """F_1 and F_2 at points from 6 down to −5, from q'' = sq + 2q³, q ~ Ai(s)."""

    def rate(s, y):
        q, slope, _, _, _ = y
        # I = ∫_s^∞ (x − s)q² and J = ∫_s^∞ q, beside I' = −∫q²
        return [slope, s * q + 2.0 * q**3, y[3], q * q, -q]

    start = 8.0
    ai, slope = airy(start)[:2]
    tail = slope**2 - start * ai**2  # ∫q² beyond the start, by Ai'' = sAi
    first = (2 * start**2 * ai**2 - 2 * start * slope**2 - ai * slope) / 3.0
    rest = -slope / start * (1 - 1 / start**1.5)  # ∫Ai, 1e-9 of what counts
    points = np.array([4.0, 2.0, 0.0, -1.0, -2.0, -3.5])
    found = solve_ivp(
        rate, (start, -3.5), [ai, slope, first, -tail, rest],
        method="DOP853", rtol=1e-13, atol=1e-20, t_eval=points,
    )  # fmt: skip
    integral, half = found.y[2], found.y[4]
    return points, np.exp(-0.5 * (half + integral)), np.exp(-integral)


@pytest.mark.parametrize("beta", [1, 2])
def test_distribution_is_that_of_the_painleve_transcendent(painleve, beta):
    points, *exact = painleve
    # The start is known to 1e-9 of ∫Ai there; Painlevé's solution is unstable below −4.
    np.testing.assert_allclose(TracyWidom(beta).cdf(points), exact[beta - 1], rtol=0, atol=2e-9)


@pytest.mark.parametrize("beta", [1, 2])
def test_mean_and_variance_are_those_of_the_density(beta):
    law = TracyWidom(beta)
    x, w = np.polynomial.legendre.leggauss(100)
    s, w = 13.0 * x + 1.0, 13.0 * w
    mass = w * law.pdf(s)
    assert mass.sum() == pytest.approx(1.0, abs=1e-11)
    assert mass @ s == pytest.approx(law.mean, abs=1e-10)
    assert mass @ (s - law.mean) ** 2 == pytest.approx(law.standard_deviation**2, abs=1e-10)


@pytest.mark.parametrize("beta", [1, 2])
def test_upper_tail_keeps_its_relative_accuracy(beta):
    # 1 − F_1 ~ ½∫Ai(y/2 + s)dy·... = Tr A_s and 1 − F_2 ~ Tr A_s², to the first order
    s, x = 12.0, np.linspace(0.0, 6.0, 60001)
    trace = airy(2 * x + s)[0] if beta == 1 else x * airy(x + s)[0] ** 2
    first = np.trapezoid(trace, x)
    assert TracyWidom(beta).sf(s) == pytest.approx(first, rel=1e-7)  # of the trapezoids


@pytest.mark.parametrize("beta", [1, 2])
def test_quantiles_invert_the_distribution(beta):
    law = TracyWidom(beta)
    fractions = np.array([1e-8, 0.01, 0.5, 0.9, 1 - 1e-9])
    np.testing.assert_allclose(law.cdf(law.quantile(fractions)), fractions, rtol=1e-9)
    np.testing.assert_array_equal(law.quantile([0.0, 1.0]), [-np.inf, np.inf])


def test_infinite_arguments_have_the_limits():
    law = TracyWidom(1)
    np.testing.assert_array_equal(law.cdf([-np.inf, np.inf]), [0.0, 1.0])
    np.testing.assert_array_equal(law.sf([-np.inf, np.inf]), [1.0, 0.0])
    np.testing.assert_array_equal(law.pdf([-np.inf, np.inf]), [0.0, 0.0])
    with pytest.raises(ValueError, match="beta"):
        TracyWidom(4)
