# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Is my simulation right? Is my solver?
#
# A histogram over a curve hides errors of ten per cent. Eigenvalues of a random matrix repel each
# other, so that sums over them hardly fluctuate: a few draws of a few hundred eigenvalues tell the
# third digit of a parameter. `rs.compare` holds such sums against their mean and standard
# deviation, which the theory gives too, and says how many sigma lie between. Tests for independent
# draws are of no use here: they find everything to agree.

# %%
import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import kstest

import rmtspec as rs
from rmtspec.testing import invariants

plt.rcParams.update({"figure.dpi": 90, "legend.frameon": False, "legend.fontsize": "small"})
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})

model = rs.RandomFeatureModel(psi_p=8, psi_n=4, t=0.1)
at = model.coefficients
d = 100
p, n = 8 * d, 4 * d

# %% [markdown]
# ## Your matrix
#
# These few lines stand for a simulation of one's own: the Gaussian equivalent of the feature
# matrix. Put your eigenvalues in their place, one draw or several.


# %% alt="Observed eigenvalues as a histogram on the predicted density, and the count below each eigenvalue minus the predicted one within its band"
def my_eigenvalues(rng, noise_scale=1.0):
    w = rng.normal(size=(p, d)) / np.sqrt(d)
    g = at.c * w @ rng.normal(size=(d, n)) + at.v * rng.normal(size=(p, n))
    u = g @ g.T / n + noise_scale * at.b**2 * w @ w.T + at.s**2 * np.eye(p)
    return np.linalg.eigvalsh(u)


rng = np.random.default_rng(0)
draws = [my_eigenvalues(rng) for _ in range(5)]
right = rs.compare(draws, model, dimension=d)
print(right)
axes = right.plot()

# %% [markdown]
# ## A planted bug
#
# The noise part of $U$ is $\frac{b^2}dWW^\top$. Here $W$ has been divided by $\sqrt d$ already, and
# $WW^\top$ is divided by $d$ once more, a slip that a published script has. A sixth of the trace is
# lost, and a test for independent draws lets it pass on the bulk that has lost most of it.

# %% alt="Cumulated share of eigenvalues: the law, the right matrices on it, and the matrices with the planted bug beside it"
rng = np.random.default_rng(0)
slipped = [my_eigenvalues(rng, noise_scale=1.0 / d) for _ in range(5)]
wrong = rs.compare(slipped, model, dimension=d)
print(wrong)

law = model.spectrum()
fig, ax = plt.subplots(figsize=(7, 3.2), layout="constrained")
grid = np.geomspace(law.support[0, 0], law.support[-1, 1], 600)
ax.semilogx(grid, law.cdf(grid), color="#0072B2", label="law")
for values, colour, label in ((draws, "#009E73", "right"), (slipped, "#D55E00", "with the slip")):
    pooled = np.sort(np.concatenate(values))
    shares = (np.arange(pooled.size) + 0.5) / pooled.size
    ax.semilogx(pooled, shares, color=colour, lw=1, label=label)
ax.set(xlabel=r"eigenvalue $\lambda$", ylabel="share below")
legend = ax.legend()

top = law.support[1, 0] - 0.1  # the upper bulk, which has no atom
for name, values in (("right", draws), ("with the slip", slipped)):
    upper = values[0][values[0] > top]
    share = kstest(upper, lambda x: (law.cdf(x) - law.cdf(top)) / (1.0 - law.cdf(top)))
    print(f"{name}: Kolmogorov-Smirnov on the upper bulk of one draw, p = {share.pvalue:.3f}")
print(f"right: p = {right.pvalue:.2f}; with the slip: p = {wrong.pvalue:.1g}")

# %% [markdown]
# ## Real features are another null
#
# True tanh features have the same law in the limit, and sums over their eigenvalues are shifted by
# amounts of order 1 that do not die with $d$: norms of samples and neurons fluctuate. Held against
# the Gaussian equivalent a right theory would be called wrong; `null="calibrated"` measures the
# shift at small $d$, where it is cheap.

# %%
features = rs.simulate(model, d, 1, size=5, features="true")
for null in ("gaussian", "calibrated"):
    found = rs.compare(features, model, dimension=d, null=null, rng=0)
    lowest = found.z[0]
    print(f"{null:11s} z of the lowest scale {lowest:7.1f}, p = {found.pvalue:.2g}")

# %% [markdown]
# ## Which parameters did I simulate?
#
# The other way round: the parameters behind eigenvalues, with errors. Here `psi_n` and `t` of the
# right matrices, from a start far away.

# %%
start = rs.RandomFeatureModel(psi_p=8, psi_n=6, t=0.2)
print(rs.fit(draws, start, free=["psi_n", "t"], dimension=d))

# %% [markdown]
# ## Learning curves
#
# Losses of a few networks against theory. Curves of one network are no independent points: one
# chi-square for all of them, from the scatter of the repeats and of networks drawn for comparison.

# %% alt="Measured train and test losses on the predicted curves, and observed minus predicted below"
tau = np.geomspace(0.1, 1e4, 25)
networks = rs.simulate_curves(model, 50, 2, tau, size=6)
curves = rs.compare(networks, model, dimension=50, null="simulate", rng=0)
print(curves)
axes = curves.plot()

# %% [markdown]
# ## Your solver
#
# `rmtspec.testing.invariants` checks any function that claims to be a Stieltjes transform, whoever
# wrote it. Below a solver of the Marchenko-Pastur law by the quadratic formula, once as it should
# be, and once with the root of the square that NumPy picks, which is the wrong branch on half of
# the plane.


# %%
def quadratic(z, branch):
    c = 0.5
    edges = (1.0 + np.array([-1.0, 1.0]) * np.sqrt(c)) ** 2
    if branch == "right":
        root = np.sqrt(z - edges[0]) * np.sqrt(z - edges[1])
    else:
        root = np.sqrt((z - edges[0]) * (z - edges[1]))
    return -(z + c - 1.0 - root) / (2.0 * c * z)


support = [[(1.0 - np.sqrt(0.5)) ** 2, (1.0 + np.sqrt(0.5)) ** 2]]
for branch in ("right", "wrong"):
    findings = invariants.check_stieltjes(lambda z, b=branch: quadratic(z, b), support)
    failed = invariants.failed(findings)
    print(f"{branch} branch: {len(findings)} findings, {len(failed)} fail")
    for finding in failed[:3]:
        print("   ", finding)

# %% [markdown]
# The same checks run as tests of one's own package: `invariants.parametrize` makes a test of each
# check that applies to each object, and `rmtspec.testing.strategies` has Hypothesis draw
# populations, models and points, the awkward ones among them.
