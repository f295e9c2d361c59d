"""Small solvers that state each term of their equations apart, and forty ways to get one wrong.

They know nothing of the package: Newton's method from high above the real axis down to z, where
every point is reached along the branch that is right at infinity.
"""

from __future__ import annotations

import numpy as np

_STEPS, _LADDER, _POLISH = 4, 0.6, 12


def follow(residual, start, z, scale):
    """Roots x (unknowns, points) of residual(x, z), followed down from heights above `scale`."""
    count = max(int(np.ceil(np.log(1e3 * scale / z.imag.min()) / -np.log(_LADDER))), 1)
    top = np.maximum(z.imag, 1e3 * scale)
    x = None
    for step in range(count + 1):
        at = z.real + 1j * (top ** (1.0 - step / count) * z.imag ** (step / count))
        x = start(at) if x is None else x
        for _ in range(_POLISH if step == count else _STEPS):
            x = x - _newton_step(residual, x, at)
    return x


def _newton_step(residual, x, z):
    value = residual(x, z)
    jacobian = np.empty((x.shape[1], x.shape[0], x.shape[0]), dtype=complex)
    for j in range(x.shape[0]):
        step = np.zeros_like(x)
        step[j] = 1e-5 * x[j]
        slope = (residual(x + step, z) - residual(x - step, z)) / (2.0 * step[j])
        jacobian[:, :, j] = slope.T
    try:
        return np.linalg.solve(jacobian, value.T[:, :, None])[:, :, 0].T
    except np.linalg.LinAlgError:  # a mutant may have no root to go to
        return np.zeros_like(x)


# --- sample covariance, of ratio c and population (t, w) ------------------------------------

COVARIANCE = {
    "ratio": lambda c: c,
    "population": lambda t, w: (t, w),
    "equation": lambda k, i1, z, c: -k + c * k * i1 - z,
    "out": lambda k, i0, z, c: -k * i0 / z,
    "start": lambda z, c, t, w: -z,
}

COVARIANCE_MUTANTS = {
    "ratio upside down": {"ratio": lambda c: 1.0 / c},
    "sign of k": {"equation": lambda k, i1, z, c: k + c * k * i1 - z},
    "sign of the integral": {"equation": lambda k, i1, z, c: -k - c * k * i1 - z},
    "ratio left out": {"equation": lambda k, i1, z, c: -k + k * i1 - z},
    "transform of the companion": {"out": lambda k, i0, z, c: 1.0 / k},
    "conjugate": {"out": lambda k, i0, z, c: np.conj(-k * i0 / z)},
    "the other sign": {"out": lambda k, i0, z, c: k * i0 / z},
    "eigenvalues squared": {"population": lambda t, w: (t**2, w)},
    "conjugate on the right": {
        "out": lambda k, i0, z, c: np.where(z.real > 1.0, np.conj(-k * i0 / z), -k * i0 / z)
    },
    "largest atom missing": {"population": lambda t, w: (t[:-1], w[:-1])},
    "equal weights": {"population": lambda t, w: (t, np.full(t.size, 1.0 / t.size))},
    "atom at zero missing": {"out": lambda k, i0, z, c: -k * i0 / z + max(0.0, 1 - 1 / c) / z},
    "n - 1 for n at d = 100": {"ratio": lambda c: c / (1.0 - 0.01 * c)},
    "root that stays near the population": {
        "start": lambda z, c, t, w: -t[-1] - c * w[-1] * t[-1] ** 2 / z
    },
}

COVARIANCES = [(0.5, [0.5, 2.0], [0.3, 0.7]), (3.0, [0.2, 1.0, 4.0], [0.2, 0.5, 0.3])]


def covariance_solver(changes):
    """matrix -> g, with some terms changed."""
    term = {**COVARIANCE, **changes}

    def solve(matrix):
        c = term["ratio"](matrix.ratio)
        t, w = term["population"](matrix.population.eigenvalues, matrix.population.weights)

        def g(z):
            def residual(x, at):
                i1 = (w * t / (x[0][:, None] + t)).sum(axis=1)
                return term["equation"](x[0], i1, at, c)[None]

            lower = z.imag < 0.0
            up = np.where(lower, z.conj(), z)
            scale = t.max() * (1.0 + np.sqrt(c)) ** 2
            k = follow(residual, lambda at: term["start"](at, c, t, w)[None], up, scale)[0]
            value = term["out"](k, (w / (k[:, None] + t)).sum(axis=1), up, c)
            return np.where(lower, value.conj(), value)

        return g

    return solve


# --- random features: unknowns k and y, g_l = k + b² + c² y l ---------------------------------

FEATURES = {
    "loads": lambda p, n: (p, n),
    "parts": lambda c2, b2, v2, s2: (c2, b2, v2, s2),
    "population": lambda t, w: (t, w),
    "denominator": lambda k, y, t, c2, b2: k + b2 + c2 * y * t,
    "first": lambda k, y, s0, z, p, v2, s2: v2 * y - (p - 1.0) * k - k**2 * s0 - (z - s2),
    "second": lambda k, y, s0, s1, n, c2, v2: n * (1.0 / y - 1.0) - v2 / k - c2 * s1,
    "out": lambda k, p, z: 1.0 / (p * k),
    "start": lambda z, p, n, v2: (-z / p, np.ones_like(z)),
}

FEATURE_MUTANTS = {
    "sign of v² y": {
        "first": lambda k, y, s0, z, p, v2, s2: -v2 * y - (p - 1.0) * k - k**2 * s0 - (z - s2)
    },
    "v² y left out": {"first": lambda k, y, s0, z, p, v2, s2: -(p - 1) * k - k**2 * s0 - (z - s2)},
    "psi_p for psi_p - 1": {
        "first": lambda k, y, s0, z, p, v2, s2: v2 * y - p * k - k**2 * s0 - (z - s2)
    },
    "k for k²": {
        "first": lambda k, y, s0, z, p, v2, s2: v2 * y - (p - 1.0) * k - k * s0 - (z - s2)
    },
    "sign of k² S_0": {
        "first": lambda k, y, s0, z, p, v2, s2: v2 * y - (p - 1.0) * k + k**2 * s0 - (z - s2)
    },
    "floor left out": {
        "first": lambda k, y, s0, z, p, v2, s2: v2 * y - (p - 1.0) * k - k**2 * s0 - z
    },
    "s for s²": {"parts": lambda c2, b2, v2, s2: (c2, b2, v2, np.sqrt(s2))},
    "c for c²": {"parts": lambda c2, b2, v2, s2: (np.sqrt(c2), b2, v2, s2)},
    "b² left out": {"parts": lambda c2, b2, v2, s2: (c2, 0.0, v2, s2)},
    "W W^T divided by d twice": {"parts": lambda c2, b2, v2, s2: (c2, b2 / 100.0, v2, s2)},
    "v² and s² exchanged": {"parts": lambda c2, b2, v2, s2: (c2, b2, s2, v2)},
    "y left out of the denominator": {"denominator": lambda k, y, t, c2, b2: k + b2 + c2 * t},
    "psi_n left out": {
        "second": lambda k, y, s0, s1, n, c2, v2: (1.0 / y - 1.0) - v2 / k - c2 * s1
    },
    "v²/k left out": {"second": lambda k, y, s0, s1, n, c2, v2: n * (1.0 / y - 1.0) - c2 * s1},
    "S_0 for S_1": {
        "second": lambda k, y, s0, s1, n, c2, v2: n * (1.0 / y - 1.0) - v2 / k - c2 * s0
    },
    "loads exchanged": {"loads": lambda p, n: (n, p)},
    "psi_p left out of q": {"out": lambda k, p, z: 1.0 / k},
    "conjugate": {"out": lambda k, p, z: np.conj(1.0 / (p * k))},
    "only the two largest atoms": {"population": lambda t, w: (t[-2:], w[-2:] / w[-2:].sum())},
    "mean for the population": {"population": lambda t, w: (np.array([w @ t]), np.ones(1))},
    "one 1/d too many at d = 100": {"parts": lambda c2, b2, v2, s2: (c2, b2, v2, s2 + 0.01 * b2)},
    "root of the wrong half plane for D": {
        "start": lambda z, p, n, v2: (np.full_like(z, -v2 / n * (1.0 - 0.01j)), z / v2)
    },
}

GRAMS = [
    (6.0, 2.0, [0.5, 1.5], [0.5, 0.5], 0.4, 0.05, 0.04, 0.01),
    (0.8, 3.0, [0.2, 1.0, 3.0], [0.3, 0.5, 0.2], 0.3, 0.2, 0.1, 0.05),
]


def feature_solver(changes):
    """gram -> g, with some terms changed."""
    term = {**FEATURES, **changes}

    def solve(gram):
        p, n = term["loads"](gram.psi_p, gram.psi_n)
        c2, b2, v2, s2 = term["parts"](gram.c2, gram.b2, gram.v2, gram.s2)
        t, w = term["population"](gram.population.eigenvalues, gram.population.weights)

        def sums(k, y):
            below = term["denominator"](k[:, None], y[:, None], t, c2, b2)
            return (w / below).sum(axis=1), (w * t / below).sum(axis=1)

        def residual(x, at):
            k, y = x
            s0, s1 = sums(k, y)
            first = term["first"](k, y, s0, at, p, v2, s2)
            return np.array([first, term["second"](k, y, s0, s1, n, c2, v2)])

        def g(z):
            lower = z.imag < 0.0
            up = np.where(lower, z.conj(), z)
            scale = gram.s2 + (gram.c2 * t.max() + gram.b2 + gram.v2) * (1.0 + gram.psi_p)
            k, _ = follow(residual, lambda at: np.array(term["start"](at, p, n, v2)), up, scale)
            value = term["out"](k, p, up)
            return np.where(lower, value.conj(), value)

        return g

    return solve


# --- given data: one unknown k, H of pairs and of what they leave ---------------------------

GIVEN = {
    "samples": lambda n: n,
    "pair": lambda signal, b2, u: (signal + b2 + u, b2 * u),
    "unseen": lambda n, rank: n - rank,
    "empty": lambda rank: 1.0 - rank,
    "equation": lambda k, i1, z, p: -p * k + k * i1 - z,
}

GIVEN_MUTANTS = {
    "n - 1 for n at d = 100": {"samples": lambda n: n - 0.01},
    "b² left out of the trace": {"pair": lambda signal, b2, u: (signal + u, b2 * u)},
    "u left out of the determinant": {"pair": lambda signal, b2, u: (signal + b2 + u, b2**2)},
    "psi_p left out": {"equation": lambda k, i1, z, p: -k + k * i1 - z},
}

GIVEN_DATA = [
    (5.0, 1.5, [0.0, 0.5, 2.0], [0.2, 0.4, 0.4], 0.4, 0.05, 0.04, 0.01),
    (1.5, 2.0, [0.3, 1.0], [0.6, 0.4], 0.3, 0.1, 0.2, 0.02),
]


def given_solver(changes):
    """gram -> g, with some terms changed."""
    term = {**GIVEN, **changes}

    def solve(gram):
        t, w = gram.population.eigenvalues, gram.population.weights
        n, rank = term["samples"](gram.psi_n), float(w[t > 0.0].sum())
        u = gram.v2 / n
        trace, determinant = term["pair"](gram.c2 * t[t > 0.0], gram.b2, u)
        spread = np.sqrt(np.maximum(trace**2 - 4.0 * determinant, 0.0))
        mu = np.concatenate([0.5 * (trace + spread), 0.5 * (trace - spread), [u, gram.b2]])
        weight = [w[t > 0.0], w[t > 0.0], [term["unseen"](n, rank), term["empty"](rank)]]
        weight = np.concatenate(weight)

        def residual(x, at):
            i1 = (weight * mu / (x[0][:, None] + mu)).sum(axis=1)
            return term["equation"](x[0], i1, at - gram.s2, gram.psi_p)[None]

        def g(z):
            lower = z.imag < 0.0
            up = np.where(lower, z.conj(), z)
            scale = gram.s2 + mu.max() * (1.0 + gram.psi_p)
            k = follow(residual, lambda at: -at[None] / gram.psi_p, up, scale)[0]
            value = 1.0 / (gram.psi_p * k)
            return np.where(lower, value.conj(), value)

        return g

    return solve
