"""Write tests/reference/data/predictions.json: any target on any path, at fifteen digits.

    python tests/reference/make_prediction_table.py

Inputs are doubles taken as the exact binary fractions they are.  The scalars c, b, v, s of each row
are those of the named activation as they were computed in double precision, and u and w the target
after its skip, so that nothing but the evaluation of the losses is compared.  The values come from
`rmtspec.reference.targets.predictions`: the whole of T in the variables of Theorem 3.1, an elliptic
contour in log z, the bare filter, and a certificate from integrals known in closed form.
"""

from __future__ import annotations

import json
from pathlib import Path

import mpmath

import rmtspec as rs
from rmtspec.reference.targets.predictions import predictions

DIGITS = 15
TABLE = Path(__file__).parent / "data" / "predictions.json"
INFINITY = float("inf")
TIMES = [0.0, 0.125, 2.0, 32.0, 1024.0, INFINITY]
ONE = ([1.0], [1.0])
TWO = ([0.5, 1.5], [0.5, 0.5])
LARGE = ([2.0, 6.0], [0.5, 0.5])
UNEQUAL = ([0.25, 1.0, 4.0], [0.5, 0.375, 0.125])
NULL = ([0.0, 1.0, 2.0], [0.25, 0.5, 0.25])
# path, its value and data scale
OU, LATE = ("ou", 0.125), ("ou", 0.75)
DDPM = ("ddpm", 0.8)
EDM, WIDE = ("edm", 0.5), ("edm", 1.5, 2.0)
FLOW, HALF, NOISY = ("flow", 0.25), ("flow", 0.5), ("flow", 0.8)

# psi_p, psi_n, level, activation, population, prediction, ridge
RANDOM = [
    (8.0, 4.0, OU, "tanh", ONE, "noise", 0.0),
    (8.0, 4.0, OU, "tanh", TWO, "data", 0.0),
    (8.0, 4.0, DDPM, "tanh", TWO, "v", 0.0),
    (8.0, 4.0, FLOW, "tanh", TWO, "velocity", 0.0),
    (8.0, 4.0, EDM, "erf", TWO, "edm", 0.0),
    (4.0, 8.0, EDM, "relu", TWO, "data", 0.0),
    (4.0, 8.0, FLOW, "erf", UNEQUAL, "velocity", 0.0),
    (4.0, 8.0, HALF, "tanh", ONE, "data", 0.0),
    (2.0, 1.0, LATE, "tanh", TWO, "v", 0.0),
    (2.0, 1.0, NOISY, "tanh", TWO, "velocity", 0.0),
    (2.0, 1.0, NOISY, "sign", ONE, "data", 0.0),
    (3.0, 2.0, DDPM, "erf", TWO, "data", 0.0),
    (3.0, 2.0, WIDE, "erf", LARGE, "edm:2", 0.0),
    (3.0, 2.0, WIDE, "tanh", LARGE, "data", 0.03125),
    (3.0, 1.5, FLOW, "erf", NULL, "velocity", 0.0),
    (3.0, 1.5, HALF, "erf", NULL, "data", 0.0),
    (0.5, 2.0, LATE, "tanh", UNEQUAL, "data", 0.0),
    (0.5, 2.0, HALF, "tanh", UNEQUAL, "velocity", 0.0),
    (1.0, 1.0, HALF, "tanh", UNEQUAL, "v", 0.0),
    (2.0, 3.0, HALF, "linear", TWO, "velocity", 0.0),
    (2.0, 64.0, DDPM, "tanh", TWO, "v", 0.0),
    (2.0, 3.0, FLOW, "gelu", TWO, "velocity", 0.0625),
    (4.0, 0.5, DDPM, "tanh", ONE, "data", 0.0),
    (4.0, 0.5, FLOW, "tanh", TWO, "velocity", 0.0),
]
# psi_p, psi_n, level, activation, spectrum of the data, variances of fresh data, prediction, ridge
TALL, WIDE_DATA = ([0.25, 1.0, 2.0], [0.25, 0.5, 0.25]), ([0.0, 1.0, 2.0], [0.5, 0.25, 0.25])
GIVEN = [
    (3.0, 2.0, OU, "tanh", TALL, [0.5, 1.0, 1.5], "data", 0.0),
    (3.0, 2.0, FLOW, "tanh", TALL, [0.5, 1.0, 1.5], "velocity", 0.0),
    (2.0, 0.5, DDPM, "erf", WIDE_DATA, [0.5, 1.0, 1.25], "v", 0.0),
    (2.0, 0.5, EDM, "erf", WIDE_DATA, [0.5, 1.0, 1.25], "data", 0.0),
    (3.0, 1.5, HALF, "erf", NULL, [0.0625, 1.0, 2.5], "velocity", 0.015625),
    (3.0, 1.5, OU, "erf", NULL, [0.0625, 1.0, 2.5], "noise", 0.0),
]


def row(case):
    """One row of the table."""
    psi_p, psi_n, level, activation, (eigenvalues, weights), given, name, ridge = case
    population = rs.PopulationSpectrum(eigenvalues, weights)
    at = rs.NoiseLevel.named(*level)
    scalars = rs.RandomFeatureModel(psi_p, psi_n, at, activation, population).coefficients
    u, w = rs.Prediction.named(name).target(at)
    with mpmath.workdps(60):
        found = predictions(
            TIMES, psi_p, psi_n, eigenvalues, weights, scalars.c, scalars.b,
            mpmath.mpf(scalars.v) ** 2, mpmath.mpf(scalars.s) ** 2, u, w, DIGITS,
            ridge=ridge, test_variances=given,
        )  # fmt: skip
        values = {
            key: [mpmath.nstr(value, DIGITS + 3) for value in column]
            for key, column in vars(found).items()
            if isinstance(column, list)
        }
    return {
        "psi_p": psi_p,
        "psi_n": psi_n,
        "level": level,
        "activation": activation,
        "eigenvalues": eigenvalues,
        "weights": weights,
        "variances": given,
        "prediction": name,
        "ridge": ridge,
        "scalars": {key: getattr(scalars, key) for key in ("a", "b", "c", "v", "s")},
        "target": [u, w],
        "tau": ["inf" if tau == INFINITY else tau for tau in TIMES],
        **values,
        "certificate": mpmath.nstr(found.error, 3),
    }


def main():
    """Write the table."""
    cases = [(*case[:5], None, *case[5:]) for case in RANDOM] + GIVEN
    rows = []
    for case in cases:
        rows.append(row(case))
        print(len(rows), case[6], rows[-1]["certificate"], flush=True)
        TABLE.write_text(json.dumps({"digits": DIGITS, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
