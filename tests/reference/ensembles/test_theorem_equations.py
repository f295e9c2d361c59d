"""The equations of Theorem 3.1 of arXiv 2505.17638 and their root, at fifty digits."""

from __future__ import annotations

import math

import mpmath
import pytest
from mpmath import mp, mpf

from rmtspec.reference import _arguments, algebraic_curve, random_feature, sample_covariance
from rmtspec.reference._arguments import CertificateError

DIGITS = 50
# Each root is certified to 10^-50 relative; a check that combines a handful of them loses a few
# units, and two more digits where terms of a thousandfold size cancel.
TOLERANCE = mpf(10) ** -46


@pytest.fixture(autouse=True)
def working_precision():
    with mpmath.workdps(DIGITS + 10):
        yield


# psi_p, psi_n, eigenvalues, weights, c2, b2, v2, s2: exact binary fractions.
MODELS = {
    "three bulks": (8, 4, [1.0], None, 0.40625, 0.0078125, 0.0390625, 0.00390625),
    "psi_p = psi_n": (4, 4, [0.5, 1.5], None, 0.375, 0.0625, 0.03125, 0.015625),
    "psi_p = 1 + psi_n": (3, 2, [0.5, 1.5], [0.25, 0.75], 0.375, 0.0625, 0.03125, 0.015625),
    "psi_n = 1": (2, 1, [1.0], None, 0.5, 0.125, 0.0625, 0.03125),
    "psi_p < 1": (0.5, 0.25, [1.0, 2.0], None, 0.5, 0.125, 0.0625, 0.03125),
    "two atoms far apart": (8, 4, [1.0, 2.0**-13], None, 0.375, 0.0078125, 0.03125, 0.0),
    "data on a subspace": (3, 1.5, [0.0, 1.0, 2.0], None, 0.375, 0.0625, 0.03125, 0.0),
    "linear activation": (2, 3, [0.5, 1.5], None, 0.5, 0.25, 0.0, 0.0),
    "b tiny": (4, 2, [1.0], None, 0.5, 2.0**-40, 0.0625, 2.0**-42),
}
POINTS = tuple(map(mp.mpc, (0.0625 + 0.015625j, 1 + 1e-12j, -1.0 + 3.0j)))

everywhere = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())


def deviation(a, b):
    return abs(a - b) / abs(b)


@everywhere
def test_traces_solve_the_theorem_as_printed(model):
    psi_p, psi_n, eigenvalues, weights, c2, b2, v2, s2 = model
    shares = weights or [mpf(1) / len(eigenvalues)] * len(eigenvalues)
    for z in POINTS:
        at = random_feature.solve(z, *model, digits=DIGITS)
        denominator = 1 + psi_p * (c2 * at.r + v2 * at.q) / psi_n
        s_hat, r_hat = psi_p * b2 + 1 / at.q, psi_p * c2 / denominator
        pairs = list(zip(shares, eigenvalues, strict=True))
        s = mp.fsum(w / (s_hat + r_hat * t) for w, t in pairs)
        r = mp.fsum(w * t / (s_hat + r_hat * t) for w, t in pairs)
        last = psi_p * (s2 - z) + psi_p * v2 / denominator + (1 - psi_p) / at.q - s / at.q**2
        assert deviation(s, at.s) < TOLERANCE
        assert deviation(r, at.r) < TOLERANCE
        assert abs(last) < TOLERANCE * (psi_p * abs(z) + abs(s / at.q**2))


@everywhere
def test_every_unknown_lies_in_its_half_plane(model):
    for z in POINTS:
        at = random_feature.solve(z, *model, digits=DIGITS)
        # q, r, s and D are Stieltjes transforms of positive measures (plus a constant).
        assert all(mp.im(value) > 0 for value in (at.q, at.r, at.s, at.D))
        assert mp.im(at.k) < 0
        assert mp.im(at.y) < 0


@everywhere
def test_traces_in_the_data_space_are_integrals_of_positive_resolvents(model):
    psi_p, _, eigenvalues, _, c2, b2, _, _ = model
    for z in POINTS:
        at = random_feature.solve(z, *model, digits=DIGITS)
        for level in eigenvalues:
            resolvent = 1 / (at.k + b2 + c2 * at.y * level)
            assert mp.im(resolvent) > 0
            # A positive measure of mass psi_p, seen from the height Im z.
            assert abs(resolvent) <= psi_p / z.imag


def test_more_digits_leave_the_earlier_ones_alone():
    model = MODELS["three bulks"]
    long = random_feature.solve(0.5 + 0.001j, *model, digits=100)
    for digits in (15, 30, 60):
        short = random_feature.solve(0.5 + 0.001j, *model, digits=digits)
        assert deviation(short.q, long.q) < mpf(10) ** -digits
        assert short.correction < mpf(10) ** -digits


def closed_moments(psi_p, psi_n, eigenvalues, weights, c2, b2, v2, s2):
    """The first two moments from traces computed by hand (Wick's theorem for W, X and Ω)."""
    shares = weights or [mpf(1) / len(eigenvalues)] * len(eigenvalues)
    tau1 = mp.fsum(w * mpf(t) for w, t in zip(shares, eigenvalues, strict=True))
    tau2 = mp.fsum(w * mpf(t) ** 2 for w, t in zip(shares, eigenvalues, strict=True))
    first = s2 + v2 + c2 * tau1 + b2
    signal = c2 * tau1 + v2
    second = mp.fsum(
        [
            mpf(s2) ** 2 + 2 * s2 * (signal + b2),
            mpf(c2) ** 2 * (psi_p * tau2 + tau1**2) + 2 * c2 * v2 * tau1 + mpf(v2) ** 2,
            mpf(psi_p) / psi_n * signal**2,
            2 * b2 * (c2 * tau1 * (1 + psi_p) + v2) + mpf(b2) ** 2 * (1 + psi_p),
        ]
    )
    return first, second


@everywhere
def test_first_two_moments_equal_the_traces_computed_by_hand(model):
    zeroth, first, second = random_feature.moments(2, *model, digits=DIGITS)
    assert zeroth == 1
    expected = closed_moments(*model)
    assert deviation(first, expected[0]) < TOLERANCE
    assert deviation(second, expected[1]) < TOLERANCE


@everywhere
def test_q_far_away_is_its_moment_series(model):
    order = 10
    moments = random_feature.moments(order, *model, digits=DIGITS)
    z = mp.mpc(10**4, 10**4)
    series = -mp.fsum(m / z ** (j + 1) for j, m in enumerate(moments))
    q = random_feature.solve(z, *model, digits=DIGITS).q
    # The remainder is at most the next moment over |z|^(order+1), and m_{j+1} <= 100 m_j here.
    assert abs(q * z - series * z) < 200 * moments[order] / abs(z) ** (order + 1)


@everywhere
def test_real_point_inside_a_bulk_is_the_limit_from_above(model):
    mean = random_feature.moments(1, *model)[1]
    # The mean itself may lie in a gap; some multiple of it does not.
    trials = (mean, 2 * mean, 4 * mean, 8 * mean)
    roots = {z: random_feature.solve(z, *model, digits=DIGITS) for z in trials}
    z, on_axis = next((z, root) for z, root in roots.items() if mp.im(root.q) > 0)
    above = random_feature.solve(mp.mpc(z, mpf(10) ** -25), *model, digits=DIGITS)
    # |dq/dz| is of the size of |q|/distance to an edge, far below 1e3 here.
    assert abs(above.q - on_axis.q) < mpf(10) ** -22


@everywhere
def test_q_and_D_rise_along_the_axis_outside_the_support(model):
    for z in (-1, 200):
        near, far = (random_feature.solve(z + step, *model, digits=DIGITS) for step in (0, 0.125))
        for value in (near.q, near.D, near.s):
            assert mp.im(value) == 0
        assert mp.re(far.q) > mp.re(near.q)
        assert mp.re(far.D) > mp.re(near.D)


def test_root_with_a_positive_imaginary_part_of_q_alone_is_not_the_resolvent():
    model = (8, 4, 1.0, 0.40625, 0.0078125, 0.0390625)
    arguments = (8, 4, [1.0], None, 0.40625, 0.0078125, 0.0390625, 0.0)
    z = mp.mpc(0.5, 0.01)
    physical = random_feature.solve(z, *arguments, digits=DIGITS)
    roots = algebraic_curve.sheets(algebraic_curve.specialise(*model), z)
    positive = [root for root in roots if mp.im(root) > 0]
    strangers = [root for root in positive if deviation(root, physical.q) > mpf(10) ** -20]
    assert len(positive) - len(strangers) == 1
    assert strangers, "the test needs a spurious root; choose another point"
    system = random_feature.TheoremSystem(_arguments.gram(*arguments))
    for root in strangers:
        (D,) = [D for D in partners(root, arguments) if solves(system, root, D, z)]
        assert mp.im(D) < 0
        # Started exactly there, the solver refuses it and finds the resolvent's.
        polished = random_feature.solve(z, *arguments, digits=DIGITS, start=(root, D))
        assert deviation(polished.q, physical.q) < TOLERANCE


@pytest.mark.parametrize("z", [-0.5, 0.005, 0.5, 16.0])
def test_real_root_on_another_sheet_is_refused_in_a_gap(z):
    model = (8, 4, 1.0, 0.40625, 0.0078125, 0.0390625)
    arguments = (8, 4, [1.0], None, 0.40625, 0.0078125, 0.0390625, 0.0)
    limit = random_feature.solve(mp.mpc(z, mpf(10) ** -45), *arguments, digits=DIGITS).q
    system = random_feature.TheoremSystem(_arguments.gram(*arguments))
    roots = algebraic_curve.sheets(algebraic_curve.specialise(*model), mpf(z))
    assert len(roots) == 5
    for root in roots:
        (D,) = [D for D in partners(root, arguments) if solves(system, root, D, z)]
        found = random_feature.solve(z, *arguments, digits=DIGITS, start=(root, D))
        # The limit is 1e-45 away, times dq/dz/q below 1e3.
        assert deviation(found.q, limit) < mpf(10) ** -40


def solves(system, q, D, z):
    """Whether (q, D) fulfils both equations; the sheets carry sixty digits."""
    at = system.linearise([q, D], z)
    pairs = zip(at.residuals, at.sizes, strict=True)
    return all(abs(value) < mpf(10) ** -40 * size for value, size in pairs)


def partners(q, arguments):
    """Both D that fulfil the second equation at a given q, for Σ = I."""
    psi_p, psi_n, _, _, c2, b2, v2, _ = arguments
    # D = 1 + (psi_p/psi_n)(c² r + v² q) with r = 1/(ŝ + r̂), times D (ŝ D + psi_p c²).
    s_hat = psi_p * mpf(b2) + 1 / q
    noise = 1 + mpf(psi_p) / psi_n * v2 * q
    pull = psi_p * mpf(c2)
    return mp.polyroots(
        [s_hat, pull - noise * s_hat - pull / psi_n, -noise * pull], maxsteps=200, extraprec=400
    )


def test_start_in_double_precision_is_polished_to_the_same_root():
    model = MODELS["psi_p = psi_n"]
    cold = random_feature.solve(0.3 + 1e-6j, *model, digits=DIGITS)
    start = (complex(cold.q) * (1 + 1e-10), complex(cold.D))
    warm = random_feature.solve(0.3 + 1e-6j, *model, digits=DIGITS, start=start)
    assert deviation(warm.q, cold.q) < TOLERANCE


@everywhere
def test_shift_and_scale_of_u_shift_and_scale_its_law(model):
    psi_p, psi_n, eigenvalues, weights, c2, b2, v2, s2 = model
    z = mp.mpc(0.75, 0.125)
    q = random_feature.solve(z, *model, digits=DIGITS).q
    shifted = (psi_p, psi_n, eigenvalues, weights, c2, b2, v2, s2 + 0.5)
    assert deviation(random_feature.solve(z + 0.5, *shifted, digits=DIGITS).q, q) < TOLERANCE
    scaled = (psi_p, psi_n, eigenvalues, weights, 8 * c2, 8 * b2, 8 * v2, 8 * s2)
    assert deviation(random_feature.solve(8 * z, *scaled, digits=DIGITS).q * 8, q) < TOLERANCE


@everywhere
def test_only_the_product_of_c2_and_the_population_enters(model):
    psi_p, psi_n, eigenvalues, weights, c2, b2, v2, s2 = model
    z = mp.mpc(0.75, 0.125)
    stretched = (psi_p, psi_n, [4 * t for t in eigenvalues], weights, c2 / 4, b2, v2, s2)
    q = random_feature.solve(z, *model, digits=DIGITS).q
    assert deviation(random_feature.solve(z, *stretched, digits=DIGITS).q, q) < TOLERANCE


def test_splitting_an_atom_and_adding_an_empty_one_change_nothing():
    psi_p, psi_n, _, _, *coefficients = MODELS["three bulks"]
    z = mp.mpc(0.75, 0.125)
    populations = (([1.0], [1.0]), ([1.0, 1.0], [0.25, 0.75]), ([3.0, 1.0], [0.0, 2.0]))
    whole, split, padded = (
        random_feature.solve(z, psi_p, psi_n, *population, *coefficients, digits=DIGITS).q
        for population in populations
    )
    assert deviation(split, whole) < TOLERANCE
    assert deviation(padded, whole) < TOLERANCE


def test_without_signal_the_law_is_marchenko_pastur_of_p_over_n():
    z = mp.mpc(0.75, 0.0625)
    q = random_feature.solve(z, 3, 2, [1.0], None, 0, 0, 0.5, 0.25, digits=DIGITS).q
    g = sample_covariance.solve(z - 0.25, 1.5, [0.5], digits=DIGITS).g
    assert deviation(q, g) < TOLERANCE


def test_without_data_the_law_is_marchenko_pastur_of_p_over_d():
    z = mp.mpc(0.75, 0.0625)
    q = random_feature.solve(z, 3, 2, [1.0], None, 0, 0.5, 0, 0.25, digits=DIGITS).q
    g = sample_covariance.solve(z - 0.25, 3, [0.5], digits=DIGITS).g
    assert deviation(q, g) < TOLERANCE


def population_limit(z, psi_p, eigenvalues, weights, c2, b2, v2, s2):
    """q of c² WΣWᵀ/d + b² WWᵀ/d + (v² + s²) I: the companion of a sample covariance law."""
    theta = [c2 * mpf(t) + b2 for t in eigenvalues]
    ratio = 1 / mpf(psi_p)
    at = (z - v2 - s2) / psi_p
    return sample_covariance.solve(at, ratio, theta, weights, digits=DIGITS).companion / psi_p


@everywhere
def test_many_samples_lead_to_the_population_law_with_an_error_of_one_over_psi_n(model):
    psi_p, _, *rest = model
    z = mp.mpc(0.75, 0.25)
    limit = population_limit(z, psi_p, *rest)
    errors = [
        abs(random_feature.solve(z, psi_p, psi_n, *rest, digits=DIGITS).q - limit)
        for psi_n in (10**8, 10**9)
    ]
    # The next order is 1/psi_n² with a factor below 1e5 in these models.
    assert abs(errors[0] / errors[1] - 10) < 1e-2


def erf_coefficients(t, variance=1):
    """c², b², v², s² and E σ² of σ = erf, from the arcsine law of two correlated Gaussians."""
    decay, noise = mp.exp(-2 * mpf(t)), -mp.expm1(-2 * mpf(t))
    total = decay * variance + noise
    a2 = 4 / mp.pi / (1 + 2 * total)
    A, B = 2 * total / (1 + 2 * total), 2 * decay * variance / (1 + 2 * total)
    v2 = 2 / mp.pi * (mp.asin(B) - B)
    s2 = 2 / mp.pi * (mp.asin(A) - mp.asin(B) - (A - B))
    return decay * a2, noise * a2, v2, s2, 2 / mp.pi * mp.asin(A)


@pytest.mark.parametrize("variance", [4, 0.25])
def test_population_matrix_carries_a_and_not_the_first_hermite_coefficient(variance):
    c2, b2, v2, s2, second_moment = erf_coefficients(mpf("0.1"), variance)
    model = (2, 10**6, [variance], None, c2, b2, v2, s2)
    trace = random_feature.moments(1, *model, digits=DIGITS)[1]
    assert deviation(trace, second_moment) < TOLERANCE
    # Lemma C.2 of the paper prints μ_1² = a² Γ² where a² must stand; that trace is off by
    # μ_1² (Γ² - 1), which vanishes at Γ = 1 only.
    gamma2 = mp.exp(mpf("-0.2")) * variance - mp.expm1(mpf("-0.2"))
    printed = (2, 10**6, [variance], None, c2 * gamma2, b2 * gamma2, v2, s2)
    excess = random_feature.moments(1, *printed, digits=DIGITS)[1] - second_moment
    # The quadrature of μ_1 is cut at 12 standard deviations, which leaves out exp(-72).
    assert deviation(excess, erf_first_coefficient(gamma2) ** 2 * (gamma2 - 1)) < 1e-28
    assert abs(excess) > 0.1


def erf_first_coefficient(gamma2):
    """E[z erf(Γ z)] by quadrature."""
    gamma = mp.sqrt(gamma2)
    weight = 1 / mp.sqrt(2 * mp.pi)
    return weight * mp.quad(
        lambda x: x * mp.erf(gamma * x) * mp.exp(-x * x / 2), [-12, -4, 0, 4, 12]
    )


REFERENCE_EDGES = {
    (1.0,): [1.478947e-4, 3.104000e-3, 8.026004e-3, 1.784900e-1, 0.7515749, 9.287227],
    (0.5, 1.5): [1.292657e-4, 4.350852e-3, 8.110510e-3, 0.1783097, 0.5313211, 11.23055],
}


@pytest.mark.parametrize("eigenvalues", REFERENCE_EDGES)
def test_three_bulks_of_erf_have_their_known_edges(eigenvalues):
    c2, b2, v2, s2, _ = erf_coefficients(mpf("0.01"))
    model = (8, 4, eigenvalues, None, c2, b2, v2, s2)
    known = REFERENCE_EDGES[eigenvalues]
    polished = random_feature.edges(known, *model, digits=30)
    for found, printed in zip(polished, known, strict=True):
        # The printed values carry seven digits.
        assert deviation(found, printed) < 1e-6


def test_support_begins_and_ends_at_the_polished_edges():
    c2, b2, v2, *_ = erf_coefficients(mpf("0.01"))
    model = (8, 4, [0.5, 1.5], None, c2, b2, v2, 0)
    sides = (-1, 1, -1, 1, -1, 1)
    for near, side in zip(REFERENCE_EDGES[0.5, 1.5], sides, strict=True):
        edge = random_feature.edge(near, *model, digits=DIGITS)
        step = side * mpf(10) ** -20
        outside = random_feature.solve(edge.distance * (1 + step), *model, digits=DIGITS)
        inside = random_feature.solve(edge.distance * (1 - step), *model, digits=DIGITS)
        assert mp.im(outside.q) == 0
        assert mp.im(inside.q) > 0
        # The density vanishes like a square root: 1e-10 at a relative distance of 1e-20.
        assert mp.im(inside.q) < mpf(10) ** -8 * abs(inside.q)
        assert deviation(inside.k, edge.k) < mpf(10) ** -8


def test_the_atom_has_no_certified_root():
    model = MODELS["three bulks"]
    with pytest.raises(CertificateError, match="edge or an atom"):
        random_feature.solve(model[-1], *model, digits=15)


def test_an_edge_far_from_its_start_is_refused():
    with pytest.raises(CertificateError):
        random_feature.edge(3.0, *MODELS["three bulks"])


@pytest.mark.parametrize("name", ["psi_p = 1 + psi_n"])
def test_hard_edge_diverges_like_an_inverse_square_root(name):
    psi_p, psi_n, eigenvalues, weights, c2, b2, v2, _ = MODELS[name]
    tau1 = mp.fsum(w * t for w, t in zip(weights, eigenvalues, strict=True))
    u = mpf(v2) / psi_n
    strength = (c2 * tau1 + u + psi_n * mpf(b2)) / (b2 * u)
    distance = mpf(10) ** -30
    model = (psi_p, psi_n, eigenvalues, weights, c2, b2, v2, 0)
    at = random_feature.solve(distance, *model, digits=DIGITS)
    # k = -i sqrt(distance / M_{-1}), corrections of relative order sqrt(distance).
    assert deviation(at.k, -1j * mp.sqrt(distance / strength)) < mpf(10) ** -11


def test_atom_carries_the_mass_left_over_by_data_and_samples():
    model = MODELS["three bulks"]
    z = mp.mpc(model[-1], mpf(10) ** -40)
    mass = -1j * mpf(10) ** -40 * random_feature.solve(z, *model, digits=DIGITS).q
    assert abs(mass - mpf(3) / 8) < mpf(10) ** -30


BAD = [
    ({"z": float("nan")}, ValueError, "z must be finite"),
    ({"z": 1 - 1j}, ValueError, "imaginary part >= 0"),
    ({"z": "one"}, ValueError, "z must be a real number"),
    ({"z": None}, TypeError, "z must be a real number"),
    ({"psi_p": 0}, ValueError, "psi_p must be finite and > 0"),
    ({"psi_n": -1}, ValueError, "psi_n must be finite and > 0"),
    ({"psi_n": True}, TypeError, "psi_n must be a real number"),
    ({"eigenvalues": []}, ValueError, "at least one number"),
    ({"eigenvalues": [-1]}, ValueError, "eigenvalues must be finite and >= 0"),
    ({"weights": [0.5, 0.5]}, ValueError, "as many as the 1 eigenvalues"),
    ({"weights": [0.0]}, ValueError, "positive sum"),
    ({"c2": math.inf}, ValueError, "c2 must be finite"),
    ({"b2": -0.5}, ValueError, "b2 must be finite and >= 0"),
    ({"v2": 1j}, TypeError, "v2 must be a real number"),
    ({"s2": []}, TypeError, "s2 must be a real number"),
    ({"digits": 5}, ValueError, r"digits must be an integer in \[15, 1000\]"),
    ({"digits": 20.0}, TypeError, "digits must be an integer"),
]


@pytest.mark.parametrize(("change", "kind", "message"), BAD)
def test_bad_arguments_are_named(change, kind, message):
    good = {"z": 1j, "psi_p": 2, "psi_n": 2, "eigenvalues": [1], "weights": None}
    good |= {"c2": 1, "b2": 1, "v2": 1, "s2": 1}
    random_feature.solve(**good, digits=15)
    with pytest.raises(kind, match=message):
        random_feature.solve(**(good | change))
