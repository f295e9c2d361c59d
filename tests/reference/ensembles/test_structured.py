"""Structured ensembles against a second solver at 20 digits, and against sampled matrices."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from rmtspec.ensembles.structured.ensemble import StructuredEnsemble
from rmtspec.ensembles.structured.points import Roots, classify, solve
from rmtspec.ensembles.structured.two_resolvent import final_losses
from rmtspec.reference.structured import points as twin
from validation.certificates.structured_draws import ensemble_of

CASES = [(1, 2, 2, 1), (2, 1, 1, 2), (4, 3, 1, 1), (5, 1, 2, 1)]


def twin_at(z: complex | float, drawn: StructuredEnsemble, start: Roots | None) -> twin.Solution:
    g, base = drawn.given, drawn.reduced.channels
    if start is not None:
        d = base @ start.d[0] @ base.swapaxes(1, 2)
        start = (start.g[0].tolist(), d.tolist())
    return twin.solve(
        z, drawn.psi_p, drawn.psi_n, g.weights, g.classes, g.data, g.noise, g.kernels,
        g.floors @ g.classes, g.levels, g.shares, digits=15, start=start,
    )  # fmt: skip


@pytest.mark.parametrize(("index", "types", "classes", "channels"), CASES)
def test_points_agree_with_another_solver_within_their_error(index, types, classes, channels):
    # No channel is dropped, so that both solve the same equations.
    drawn = ensemble_of(0, index, types=types, classes=classes, channels=channels, tolerance=0.0)
    low, high = drawn.gaps.edges[-1]
    above = drawn.origin + high * (0.3 + 0.01j)
    found = {
        above: solve(drawn.parts, np.array([above - drawn.origin])),
        drawn.origin + 0.5 * (low + high): solve(drawn.parts, np.array([0.5 * (low + high) + 0j])),
        drawn.origin + 1.2 * high: classify(drawn.parts, 1.2 * high, None),
    }
    for z, root in found.items():
        # From the root, or from far away where that is quick; either is certified.
        exact = twin_at(z, drawn, None if len(drawn.parts.weights) * channels == 1 else root)
        # z itself is rounded when the origin is taken off.
        moved = 4e-16 * abs(z) * abs(root.trace_slope(drawn.parts)[0] / root.trace(drawn.parts)[0])
        error = abs(mpmath.mpc(complex(root.trace(drawn.parts)[0])) / exact.q - 1)
        assert root.good[0]
        assert error <= root.error[0] + moved
        assert error <= 1e-12


def test_the_density_next_to_an_edge_is_within_its_bound():
    # There an error of the resolvent is 35, 1,100 and 35,000 times as large relative to Im q.
    index, types, classes, channels = CASES[0]
    drawn = ensemble_of(0, index, types=types, classes=classes, channels=channels, tolerance=0.0)
    lower = drawn.gaps.edges[0, 0]
    x = lower * (1.0 + np.array([1e-3, 1e-6, 1e-9]))
    found = drawn.boundary(x)
    roots = solve(drawn.parts, x.astype(complex))
    for i in range(x.size):
        z = mpmath.mpf(drawn.origin) + mpmath.mpf(float(x[i]))
        exact = twin_at(z, drawn, roots.at(slice(i, i + 1))).q.imag / mpmath.pi
        error = abs(mpmath.mpf(float(found.density[i])) / exact - 1)
        assert roots.error[i] < error <= found.error[i]  # that of the resolvent would not do
    assert np.all(found.error <= 1e-2)


class Sample:
    """One draw of the Gaussian matrices whose limit the ensemble is."""

    def __init__(self, drawn: StructuredEnsemble, d: int, rng: np.random.Generator) -> None:
        given = self.given = drawn.given
        p, n = round(drawn.psi_p * d), round(drawn.psi_n * d)
        self.d, types = d, np.repeat(np.arange(given.weights.size), _split(p, given.weights))
        direction = np.repeat(np.arange(given.shares.size), _split(d, given.shares))
        self.levels = given.levels[direction]
        self.w = rng.standard_normal((p, d)) / np.sqrt(d)
        self.data, self.noise = given.data[types], given.noise[types]
        self.own, self.floors = given.kernels[types], given.floors[types]
        counts = _split(n, given.classes)
        self.u = np.diag(self.floors @ given.classes) + self.from_noise(1.0 + 0.0 * given.classes)
        self.v = self.target_noise(1.0 + 0.0 * given.classes)
        for y, count in enumerate(counts):
            x = np.sqrt(self.levels[:, y])[:, None] * rng.standard_normal((d, count))
            roots = _roots(given.kernels[:, y])[types]
            rest = np.einsum("pst,ptn->psn", roots, rng.standard_normal((p, roots.shape[1], count)))
            for k in range(given.data.shape[2]):
                g = self.data[:, y, k, None] * (self.w @ x) + rest[:, k]
                self.u += given.classes[y] / count * (g @ g.T)
                self.v += given.classes[y] / count * given.target.data[y, k] * (g @ x.T)

    def from_noise(self, share):
        """Σ share_y B W Wᵀ B / d."""
        gram = self.w @ self.w.T
        return sum(
            share[y] * np.outer(self.noise[:, y, k], self.noise[:, y, k]) * gram
            for y, k in np.ndindex(*self.noise.shape[1:])
        )

    def target_noise(self, share):
        """Σ share_y n B∘W/√d."""
        noise = self.given.target.noise
        return sum(
            share[y] * noise[y, k] * self.noise[:, y, k, None] * self.w
            for y, k in np.ndindex(*noise.shape)
        )

    def fresh(self, y: int) -> float:
        """Loss of the minimum of the train loss on fresh samples of class y."""
        given, share = self.given, np.zeros(self.given.classes.size)
        share[y] = 1.0 / given.classes[y]
        own = np.einsum("pkk->p", self.own[:, y]) + self.floors[:, y]
        u = self.from_noise(share) + np.diag(own)
        v = self.target_noise(share)
        spread = self.w * self.levels[:, y]
        for k in range(given.data.shape[2]):
            u = u + np.outer(self.data[:, y, k], self.data[:, y, k]) * (spread @ self.w.T)
            v = v + given.target.data[y, k] * self.data[:, y, k, None] * spread
        zero = (given.target.noise[y] ** 2).sum() / given.classes[y]
        zero += (given.target.data[y] ** 2).sum() * self.levels[:, y].mean()
        a = -np.linalg.solve(self.u, self.v).T
        return float(zero + (2.0 * np.sum(a * v.T) + np.sum((a @ u) * a)) / self.d)


def _split(count: int, shares: np.ndarray) -> np.ndarray:
    return np.diff(np.round(count * np.concatenate([[0.0], np.cumsum(shares)])).astype(int))


def _roots(matrices: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrices)
    return (vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]) @ vectors.swapaxes(1, 2)


@pytest.fixture(scope="module")
def sampled() -> tuple[StructuredEnsemble, list[Sample]]:
    drawn = ensemble_of(7, 3, types=2, classes=2, channels=2, ratios=(0.3, 0.5))
    return drawn, [Sample(drawn, 150, np.random.default_rng(seed)) for seed in range(3)]


def test_sampled_matrices_have_the_resolvent(sampled):
    drawn, samples = sampled
    top = drawn.origin + drawn.gaps.edges[-1, 1]
    z = np.array([0.1 + 0.05j, 0.5 + 0.1j, -0.2]) * top
    values = np.array([np.linalg.eigvalsh(sample.u) for sample in samples])
    found = np.mean(1.0 / (values[:, :, None] - z), axis=(0, 1))
    # The equivalent is exact up to 1/d = 0.7 %, times a constant of order one; 1.4 % and 0.4 % were
    # found at d = 75 and 150.
    np.testing.assert_allclose(found, drawn.solve(z).q, rtol=0.01)


def test_sampled_matrices_have_the_losses_of_every_class(sampled):
    drawn, samples = sampled
    losses = final_losses(drawn)
    fresh = np.mean([[sample.fresh(y) for y in range(2)] for sample in samples], axis=0)
    # 0.6 % and 0.04 % were found at d = 75 and 150.
    np.testing.assert_allclose(losses[2:4], fresh, rtol=0.005)
    assert losses[0] == pytest.approx(drawn.given.classes @ losses[2:4], rel=1e-12)
