"""Write tests/reference/data/learning_curves.json: losses at twenty digits.

    python tests/reference/make_learning_curve_table.py

Every input is a double taken as the exact binary fraction it is. The scalars a, b, c, v, s of each
row are those of the named activation as they were computed in double precision; whoever compares
must put them in, so that nothing but the evaluation of the losses is compared. The losses come from
`rmtspec.reference.learning_curves`: traces in the variables of Theorem 3.1, an elliptic contour in
log z, the bare filter functions, and a certificate from integrals known in closed form.
"""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import mpmath

import rmtspec as rs
from rmtspec.reference import learning_curves

DIGITS = 20
TABLE = Path(__file__).parent / "data" / "learning_curves.json"
INFINITY = float("inf")
ONE = ([1.0], [1.0])
TWO = ([0.5, 1.5], [0.5, 0.5])
UNEQUAL = ([0.25, 1.0, 4.0], [0.5, 0.375, 0.125])
NULL = ([0.0, 1.0, 2.0], [0.25, 0.5, 0.25])
TIMES = [0.0, 0.125, 1.0, 16.0, 256.0, 4096.0, 2.0**16, INFINITY]
LONG = [0.0, 0.125, 1.0, 16.0, 256.0, 2.0**14, 2.0**18, INFINITY]
STEPS = [0.0, 0.25, 0.5, 4.0, 32.0, 1024.0, INFINITY]

# name, (psi_p, psi_n, t, activation, population), times, directions
FLOW = [
    ("three bulks", (8.0, 4.0, 2.0**-7, "tanh", ONE), LONG, []),
    ("three bulks, two atoms and a spike", (8.0, 4.0, 2.0**-7, "erf", TWO), LONG, [0.5, 5.0]),
    ("more samples than features", (4.0, 8.0, 0.125, "relu", TWO), TIMES, [1.5]),
    ("psi_p = 1 + psi_n", (3.0, 2.0, 0.0625, "erf", TWO), TIMES, []),
    ("few features", (0.5, 2.0, 1.0, "tanh", UNEQUAL), TIMES, [4.0]),
    ("few samples, a spike", (4.0, 0.5, 0.125, "sign", ONE), TIMES, [1.0, 9.0]),
    ("data on a subspace", (3.0, 1.5, 0.25, "erf", NULL), TIMES, [0.0]),
    ("psi_p = psi_n = 1", (1.0, 1.0, 0.5, "tanh", UNEQUAL), TIMES, []),
    ("linear activation", (2.0, 3.0, 0.5, "linear", TWO), TIMES, []),
    ("linear activation, few features", (0.5, 3.0, 0.5, "linear", TWO), TIMES, [1.5]),
    ("late time", (2.0, 2.0, 2.0, "sign", ONE), TIMES, []),
    ("many samples", (2.0, 256.0, 0.0625, "tanh", TWO), TIMES, []),
]

# name, model, times, rule
RULES = [
    ("ridge", (3.0, 2.0, 0.125, "tanh", TWO), TIMES, {"ridge": 0.03125}),
    ("initial weights", (4.0, 1.5, 0.25, "relu", TWO), TIMES, {"initial": 0.5}),
    (
        "initial weights, linear activation",
        (2.0, 3.0, 0.5, "linear", TWO),
        TIMES,
        {"initial": 0.5, "ridge": 0.0625},
    ),
    ("steps", (2.0, 3.0, 0.5, "erf", TWO), STEPS, {"step": 0.25}),
    (
        "steps, ridge and initial weights",
        (3.0, 1.5, 0.5, "tanh", ONE),
        STEPS,
        {"step": 0.25, "ridge": 0.03125, "initial": 0.25},
    ),
    (
        "momentum",
        (2.0, 3.0, 0.5, "erf", TWO),
        [0.0, 0.0625, 0.5, 4.0, 32.0, INFINITY],
        {"step": 0.0625, "momentum": 0.5},
    ),
    (
        "momentum, ridge and initial weights",
        (3.0, 1.5, 0.5, "tanh", ONE),
        [0.0, 0.0625, 0.5, 4.0, 32.0, INFINITY],
        {"step": 0.0625, "momentum": 0.25, "ridge": 0.03125, "initial": 0.25},
    ),
]

# name, model (whose population is the spectrum of the data), variances of fresh data, times, rule
GIVEN = [
    (
        "given data, n > d",
        (3.0, 2.0, 0.125, "tanh", ([0.25, 1.0, 2.0], [0.25, 0.5, 0.25])),
        [0.5, 1.0, 1.5],
        TIMES,
        {},
    ),
    (
        "given data, n < d",
        (2.0, 0.5, 0.125, "erf", ([0.0, 1.0, 2.0], [0.5, 0.25, 0.25])),
        [0.5, 1.0, 1.25],
        TIMES,
        {},
    ),
    (
        "given data of low rank, ridge and initial weights",
        (3.0, 1.5, 0.125, "erf", NULL),
        [0.0625, 1.0, 2.5],
        TIMES,
        {"ridge": 0.015625, "initial": 0.25},
    ),
]


def text(value):
    """A real number in twenty digits."""
    return mpmath.nstr(value, DIGITS, min_fixed=0, max_fixed=0)


def losses(curves):
    """The three losses as strings."""
    columns = {"train": curves.train, "test": curves.test, "score_error": curves.score_error}
    return {
        name: None if c is None else [text(value) for value in c] for name, c in columns.items()
    }


def row(case):
    """One row of the table."""
    name, (psi_p, psi_n, t, activation, atoms), times, directions, given, rule = case
    eigenvalues, weights = atoms
    population = rs.PopulationSpectrum(eigenvalues, weights)
    at = rs.RandomFeatureModel(psi_p, psi_n, t, activation, population).coefficients
    with mpmath.workdps(60):
        c2, b2, v2, s2 = (mpmath.mpf(value) ** 2 for value in (at.c, at.b, at.v, at.s))
        curves = learning_curves.learning_curves(
            times, psi_p, psi_n, eigenvalues, weights, c2, b2, v2, s2, DIGITS,
            directions=directions, test_variances=given, **rule,
        )  # fmt: skip
        return {
            "name": name,
            "psi_p": psi_p,
            "psi_n": psi_n,
            "t": t,
            "activation": activation,
            "eigenvalues": eigenvalues,
            "weights": weights,
            "scalars": {key: getattr(at, key) for key in ("a", "b", "c", "v", "s")},
            "rule": rule,
            "variances": given,
            "tau": ["inf" if tau == INFINITY else tau for tau in times],
            **losses(curves),
            "directions": [
                {"eigenvalue": level, **losses(own)}
                for level, own in zip(directions, curves.directions, strict=True)
            ],
            "certificate": mpmath.nstr(curves.error, 3),
        }


def main():
    """Write the table."""
    cases = [(name, model, times, along, None, {}) for name, model, times, along in FLOW]
    cases += [(name, model, times, [], None, rule) for name, model, times, rule in RULES]
    cases += [(name, model, times, [], given, rule) for name, model, given, times, rule in GIVEN]
    with ProcessPoolExecutor(2) as pool:
        rows = list(pool.map(row, cases))
    TABLE.write_text(json.dumps({"digits": DIGITS, "rows": rows}, indent=1) + "\n")
    print(f"{TABLE}: {len(rows)} rows")


if __name__ == "__main__":
    main()
