"""Write tests/reference/data/random_feature.json: solutions and edges at fifty digits.

    python tests/reference/make_random_feature_table.py

Every input is a double taken as the exact binary fraction it is, so that a solver in double
precision receives the very numbers used here; "distance" is z - s². The traces come from
`rmtspec.reference.random_feature` (Theorem 3.1 in its own variables) and
`rmtspec.reference.sample_covariance`, the isotropic edges from the discriminant of the algebraic
curve; each root is certified by its residual, the last Newton correction and both half planes.
Edges are distances from s².
"""

from __future__ import annotations

import json
from pathlib import Path

import mpmath

from rmtspec.reference import algebraic_curve, conditional, random_feature, sample_covariance

DIGITS = 50
TABLE = Path(__file__).parent / "data" / "random_feature.json"
SMALL_T = {"c2": 0.40625, "b2": 0.0078125, "v2": 0.0390625, "s2": 0.00390625}
LATE_T = {"c2": 0.125, "b2": 0.25, "v2": 2.0**-10, "s2": 0.03125}
TINY_B = {"c2": 0.5, "b2": 2.0**-40, "v2": 0.0625, "s2": 2.0**-42}
LINEAR = {"c2": 0.5, "b2": 0.25, "v2": 0.0, "s2": 0.0}
NO_NOISE = {"c2": 0.5, "b2": 0.0, "v2": 0.25, "s2": 0.0}
ONLY_SAMPLES = {"c2": 0.0, "b2": 0.25, "v2": 0.5, "s2": 0.125}
ONE = ([1.0], [1.0])
TWO = ([0.5, 1.5], [0.5, 0.5])
UNEQUAL = ([0.25, 1.0, 4.0], [0.5, 0.375, 0.125])
FAR = ([2.0**-13, 1.0], [0.5, 0.5])
NULL = ([0.0, 1.0, 2.0], [0.25, 0.5, 0.25])
DECADES = ([4.0**-j for j in range(10)], [0.125] * 6 + [0.0625] * 4)

# name, psi_p, psi_n, population, coefficients, distances of z from s² (real, imaginary)
CASES = [
    (
        "three bulks",
        (8.0, 4.0, ONE, SMALL_T),
        # Slow, sample and fast bulk, the two gaps, beyond both ends; the line just above the axis.
        [
            (2.0**-10, 0.0),
            (0.03125, 0.0),
            (4.0, 0.0),
            (0.00390625, 0.0),
            (0.5, 0.0),
            (2.0**-14, 0.0),
            (-1.0, 0.0),
            (64.0, 0.0),
            (2.0**-10, 1e-12),
            (0.5, 1e-12),
        ],
    ),
    ("three bulks, two atoms", (8.0, 4.0, TWO, SMALL_T), [(2.0**-9, 0.0), (1.0, 0.5), (0.5, 0.0)]),
    (
        "psi_p = psi_n",
        (4.0, 4.0, TWO, SMALL_T),
        [(2.0**-12, 0.0), (2.0**-14, 2.0**-16), (2.0, 0.25)],
    ),
    (
        "psi_p = 1 + psi_n",
        (3.0, 2.0, TWO, SMALL_T),
        [(2.0**-30, 0.0), (2.0**-60, 1e-12), (0.0625, 0.0)],
    ),
    ("psi_n = 1", (2.0, 1.0, ONE, SMALL_T), [(2.0**-10, 0.0), (1.0, 1e-12), (-0.5, 0.0)]),
    ("psi_p = psi_n = 1", (1.0, 1.0, UNEQUAL, LATE_T), [(2.0**-20, 2.0**-20), (0.5, 0.0)]),
    ("psi_p < 1", (0.5, 2.0, TWO, LATE_T), [(0.25, 0.0), (2.0, 0.0), (0.25, 1e-12)]),
    ("psi_p, psi_n < 1", (0.5, 0.25, UNEQUAL, LATE_T), [(0.25, 0.0), (0.03125, 2.0**-8)]),
    ("psi_n < 1", (16.0, 0.25, ONE, SMALL_T), [(0.125, 0.0), (4.0, 1.0), (0.5, 0.0)]),
    ("many samples", (2.0, 1024.0, TWO, SMALL_T), [(0.0390625, 2.0**-12), (1.0, 0.0)]),
    ("many features", (1024.0, 2.0, TWO, SMALL_T), [(512.0, 0.0), (16.0, 2.0**-6), (8.0, 0.0)]),
    ("atoms 1e4 apart", (8.0, 4.0, FAR, SMALL_T), [(2.0**-10, 0.0), (0.03125, 0.0), (3.0, 1e-12)]),
    ("data on a subspace", (3.0, 1.5, NULL, SMALL_T), [(2.0**-10, 0.0), (0.015625, 2.0**-20)]),
    ("ten atoms over six decades", (8.0, 4.0, DECADES, SMALL_T), [(2.0**-8, 0.0), (0.5, 2.0**-10)]),
    ("linear activation", (2.0, 3.0, TWO, LINEAR), [(0.5, 0.0), (0.015625, 0.0), (2.0, 1e-12)]),
    ("no noise", (2.0, 3.0, TWO, NO_NOISE), [(0.25, 0.0), (2.0**-7, 0.0)]),
    ("b tiny", (4.0, 2.0, ONE, TINY_B), [(2.0**-46, 0.0), (2.0**-30, 0.0), (1.0, 1e-12)]),
    ("no signal", (3.0, 2.0, ONE, ONLY_SAMPLES), [(0.5, 0.0), (0.5, 0.5)]),
]

# name, ratio, population, points
SAMPLE_COVARIANCE = [
    ("one atom", 0.5, ONE, [(1.0, 0.0), (1.0, 1e-12), (-1.0, 0.0), (4.0, 0.0), (0.0625, 0.0)]),
    ("ratio 1", 1.0, ONE, [(2.0**-20, 0.0), (1.0, 0.25)]),
    ("more dimensions than samples", 4.0, TWO, [(2.0, 0.0), (0.5, 0.0), (8.0, 1.0)]),
    ("separated bulks", 0.0625, UNEQUAL, [(0.25, 0.0), (0.5, 0.0), (4.0, 1e-12), (2.0, 0.0)]),
    ("atoms 1e4 apart", 0.125, FAR, [(2.0**-13, 0.0), (2.0**-6, 0.0), (1.0, 2.0**-30)]),
    ("data on a subspace", 0.75, NULL, [(1.0, 0.0), (2.0**-10, 2.0**-20), (2.0**-6, 0.0)]),
]

# name, psi_p, psi_n, variance, coefficients
ISOTROPIC_EDGES = [
    ("three bulks", 8.0, 4.0, 1.0, SMALL_T),
    ("slow bulk far below", 64.0, 8.0, 1.0, SMALL_T),
    ("psi_p = psi_n", 4.0, 4.0, 1.0, SMALL_T),
    ("psi_p = 1 + psi_n", 3.0, 2.0, 1.0, SMALL_T),
    ("beside psi_p = 1 + psi_n", 3.0 + 2.0**-10, 2.0, 1.0, SMALL_T),
    ("psi_n = 1", 2.0, 1.0, 1.0, SMALL_T),
    ("psi_n < 1", 16.0, 0.25, 1.0, SMALL_T),
    ("psi_p < 1", 0.5, 1.0, 4.0, LATE_T),
    ("psi_p < psi_n", 8.0, 16.0, 1.0, LATE_T),
    ("linear activation", 2.0, 3.0, 1.0, LINEAR),
    ("no noise", 2.0, 3.0, 1.0, NO_NOISE),
    ("b tiny", 4.0, 2.0, 1.0, TINY_B),
]

# name, psi_p, psi_n, eigenvalues of X Xᵀ/n with their shares, coefficients
CONDITIONAL = [
    ("more samples than dimensions", 8.0, 4.0, ([0.25, 1.0, 2.0], [0.25, 0.5, 0.25]), SMALL_T),
    ("fewer samples than dimensions", 3.0, 0.5, ([0.0, 1.0, 2.0], [0.5, 0.25, 0.25]), SMALL_T),
    ("rank deficient", 3.0, 1.5, NULL, SMALL_T),
    ("p = d + n", 3.0, 2.0, TWO, SMALL_T),
    ("few features", 0.5, 2.0, TWO, LATE_T),
]


def text(value):
    """A real number in fifty digits."""
    return mpmath.nstr(value, DIGITS, min_fixed=0, max_fixed=0)


def pair(value):
    """A complex number as two strings."""
    return [text(mpmath.re(value)), text(mpmath.im(value))]


def feature_rows():
    """Solutions of Theorem 3.1."""
    for name, (psi_p, psi_n, (eigenvalues, weights), coefficients), points in CASES:
        inputs = {"psi_p": psi_p, "psi_n": psi_n, "eigenvalues": eigenvalues, "weights": weights}
        inputs |= coefficients
        for real, imag in points:
            z = mpmath.mpc(coefficients["s2"] + mpmath.mpf(real), imag)
            at = random_feature.solve(z, **inputs, digits=DIGITS)
            traces = {key: pair(getattr(at, key)) for key in ("q", "r", "s", "k", "y")}
            yield {"name": name, **inputs, "distance": [real, imag], **traces}


def covariance_rows():
    """Solutions of Silverstein's equation."""
    for name, ratio, (eigenvalues, weights), points in SAMPLE_COVARIANCE:
        inputs = {"ratio": ratio, "eigenvalues": eigenvalues, "weights": weights}
        for real, imag in points:
            at = sample_covariance.solve(mpmath.mpc(real, imag), **inputs, digits=DIGITS)
            values = {"g": pair(at.g), "companion": pair(at.companion)}
            yield {"name": name, **inputs, "z": [real, imag], **values}


def edge_rows():
    """Edges of isotropic data, from the discriminant."""
    for name, psi_p, psi_n, variance, coefficients in ISOTROPIC_EDGES:
        inputs = {"psi_p": psi_p, "psi_n": psi_n, "variance": variance, **coefficients}
        bulks = algebraic_curve.edges(**inputs, digits=DIGITS)
        yield {"name": name, **inputs, "bulks": [[text(end) for end in bulk] for bulk in bulks]}


def conditional_rows():
    """Bulks of the law at fixed data, with their masses."""
    for name, psi_p, psi_n, (eigenvalues, weights), coefficients in CONDITIONAL:
        inputs = {"psi_p": psi_p, "psi_n": psi_n, "eigenvalues": eigenvalues, "weights": weights}
        inputs |= coefficients
        bulks = conditional.bulks(**inputs, digits=DIGITS)
        rows = [[text(bulk.left), text(bulk.right), text(bulk.mass)] for bulk in bulks]
        yield {"name": name, **inputs, "bulks": rows}


def main():
    """Write the table."""
    with mpmath.workdps(DIGITS + 20):
        table = {
            "digits": DIGITS,
            "random_feature": list(feature_rows()),
            "sample_covariance": list(covariance_rows()),
            "isotropic_edges": list(edge_rows()),
            "conditional_bulks": list(conditional_rows()),
        }
    TABLE.write_text(json.dumps(table, indent=1) + "\n")
    counts = ", ".join(f"{len(rows)} {name}" for name, rows in table.items() if name != "digits")
    print(f"{TABLE}: {counts}")


if __name__ == "__main__":
    main()
