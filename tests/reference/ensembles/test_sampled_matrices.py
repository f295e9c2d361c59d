"""The reference equations against sampled Gaussian-equivalent matrices.

Sampled matrices of dimension d deviate from the limit by fluctuations of order 1/d (a trace of an
analytic function of U fluctuates by O(1)) and, for real entries, by a bias of order 1/d. Each check
allows three standard errors of the mean and a bias of 2/d relative; at Im z of the size of |z| the
coefficient of the bias was at most 0.6 in these models.
"""

from __future__ import annotations

import numpy as np
import pytest

from rmtspec.reference import conditional, random_feature

BIAS = 2.0
MODELS = {
    "three bulks": (6, 3, [1.0], [1.0], 0.40625, 0.0078125, 0.0390625, 0.00390625),
    "two atoms": (2, 1.5, [0.5, 1.5], [0.5, 0.5], 0.375, 0.125, 0.0625, 0.03125),
    "fewer samples than dimensions": (2, 0.5, [0.0, 2.0], [0.25, 0.75], 0.5, 0.125, 0.0625, 0.0),
    "few features": (0.5, 2, [0.5, 1.5], [0.5, 0.5], 0.375, 0.125, 0.0625, 0.03125),
}
everywhere = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())


def levels(model, d):
    """The eigenvalues of Σ on the diagonal, by their shares of d directions."""
    return np.repeat(model[2], np.round(np.array(model[3]) * d).astype(int))


def sampled_data(model, d, rng):
    n = round(model[1] * d)
    return np.sqrt(levels(model, d))[:, None] * rng.standard_normal((d, n))


def sampled_gram(model, X, rng):
    """U and W at given data."""
    psi_p, _, _, _, c2, b2, v2, s2 = model
    d, n = X.shape
    p = round(psi_p * d)
    W = rng.standard_normal((p, d))
    G = np.sqrt(c2 / d) * W @ X + np.sqrt(v2) * rng.standard_normal((p, n))
    return G @ G.T / n + b2 / d * W @ W.T + s2 * np.eye(p), W


def agree(draws, theory, d):
    """Whether the mean of complex draws is within three standard errors and the bias of theory."""
    mean = np.mean(draws)
    error = np.sqrt(np.var(draws, ddof=1) / len(draws))
    return abs(mean - theory) < 3 * error + BIAS / d * abs(theory)


@everywhere
@pytest.mark.parametrize("z", [1.0 + 0.5j, 0.0625 + 0.0625j])
def test_traces_and_data_space_resolvent_of_sampled_matrices_are_those_of_the_theorem(model, z):
    d, rng = 80, np.random.default_rng(11)
    at = random_feature.solve(z, *model, digits=20)
    _, _, eigenvalues, _, c2, b2, _, _ = model
    directions = levels(model, d)
    q, r, s, groups = [], [], [], {level: [] for level in eigenvalues}
    for _ in range(8):
        U, W = sampled_gram(model, sampled_data(model, d, rng), rng)
        p = len(U)
        resolvent = np.linalg.inv(U - z * np.eye(p))
        data_space = np.einsum("pi,pq,qi->i", W, resolvent, W, optimize=True) / d
        q.append(np.trace(resolvent) / p)
        s.append(data_space.sum() / p)
        r.append((directions * data_space).sum() / p)
        for level, values in groups.items():
            values.append(data_space[directions == level].mean())
    assert agree(q, complex(at.q), d)
    assert agree(r, complex(at.r), d)
    assert agree(s, complex(at.s), d)
    for level, values in groups.items():
        assert agree(values, complex(1 / (at.k + b2 + c2 * at.y * level)), d)
    # The comparison must be sharp enough to see half as much signal again in the features.
    off = random_feature.solve(z, *model[:4], model[4] * 1.5, *model[5:], digits=20)
    assert not (agree(q, complex(off.q), d) and agree(r, complex(off.r), d))


@everywhere
def test_law_at_fixed_data_is_that_of_matrices_sampled_at_fixed_data(model):
    d, z, rng = 80, 0.25 + 0.25j, np.random.default_rng(12)
    X = sampled_data(model, d, rng)
    X -= X.mean(axis=1, keepdims=True)
    n = X.shape[1]
    measured = np.linalg.eigvalsh(X @ X.T / n)
    measured[measured < 1e-12 * measured[-1]] = 0.0
    q, s = [], []
    for _ in range(8):
        U, W = sampled_gram(model, X, rng)
        resolvent = np.linalg.inv(U - z * np.eye(len(U)))
        q.append(np.trace(resolvent) / len(U))
        s.append(np.sum(W * (resolvent @ W)) / (len(U) * d))
    # Starting from the sampled value spares the search; the root is certified all the same.
    theory = conditional.solve(
        z, model[0], n / d, measured, None, *model[4:], digits=15, start=complex(np.mean(q))
    )
    assert agree(q, complex(theory.q), d)
    assert agree(s, complex(theory.s), d)


def test_deviation_of_sampled_traces_falls_like_one_over_dimension():
    model, z = MODELS["two atoms"], 0.5 + 0.25j
    theory = complex(random_feature.solve(z, *model, digits=20).q)
    bias = {}
    for d, count in ((8, 2000), (16, 1000)):
        rng = np.random.default_rng(13)
        total = 0.0
        for _ in range(count):
            U, _ = sampled_gram(model, sampled_data(model, d, rng), rng)
            total += np.mean(1 / (np.linalg.eigvalsh(U) - z))
        bias[d] = abs(total / count - theory)
    # The bias halves; the standard errors leave it uncertain by some ten per cent.
    assert 1.5 < bias[8] / bias[16] < 2.7
