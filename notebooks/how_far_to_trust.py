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
# # How far to trust it
#
# Three errors stand between a number of this package and a network that somebody trains. The
# **theory** is that of infinitely many dimensions; a simulation says how many are enough. The
# **solver** works in floating point; it reports a bound on its error, and 30 digits of another
# formulation say whether the bound holds. The **data** may not be what the theory assumes; some of
# that is noticed and said, some is not. The last table lists what fails where.

# %%
import warnings

import matplotlib.pyplot as plt
import numpy as np
from ipywidgets import FloatLogSlider, IntSlider, interact

import rmtspec as rs
from rmtspec.inputs.samples import digits
from rmtspec.linear.fitted import FittedDenoiser
from rmtspec.reference import learning_curves as slow_curves
from rmtspec.reference import random_feature as slow_resolvent

plt.rcParams.update({"figure.dpi": 90, "legend.frameon": False, "legend.fontsize": "small"})
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})
BLUE, ORANGE, GREEN, PURPLE, DARK = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#333333"

# %% [markdown]
# ## A simulation in a page
#
# The network is $A\,\sigma(Wx/\sqrt d)/\sqrt p$ with $\sigma=\tanh$, and only $A$ is trained. All
# that training needs is $U=\frac1n\sum_\nu E_\xi\,\phi_\nu\phi_\nu^\top$ and
# $V=\frac1n\sum_\nu E_\xi\,\phi_\nu\xi^\top$ of the samples, and the same two of fresh data. The
# noise is averaged, not sampled. Let $u_i$ and $\omega_i$ be mean and deviation of what neuron $i$
# gets at a sample, $C_{ij}$ the cosine between $W_i$ and $W_j$, and
# $m_{ik}=E_g[\sigma(u_i+\omega_ig)He_k(g)]/\sqrt{k!}$. Mehler's formula gives
# $E_\xi\,\phi_i\phi_j=\sum_km_{ik}m_{jk}C_{ij}^k$, from which terms beyond $k=8$ are left out.

# %%
NODES = np.arange(-8.0, 8.1, 0.4)  # trapezoidal rule for the Gaussian average over g
WEIGHTS = np.exp(-(NODES**2) / 2) / np.exp(-(NODES**2) / 2).sum()
HERMITE = [np.ones_like(NODES), NODES]
for k in range(1, 8):
    HERMITE.append((NODES * HERMITE[k] - np.sqrt(k) * HERMITE[k - 1]) / np.sqrt(k + 1))
RULE = WEIGHTS * np.array(HERMITE)


def tanh_features(w, x, noise):
    """U and V of the rows of x, each with Gaussian noise of this variance added."""
    d = w.shape[1]
    norm = np.linalg.norm(w, axis=1, keepdims=True)
    cosine = w @ w.T / (norm @ norm.T)
    np.fill_diagonal(cosine, 0.0)
    u, second, slope = np.zeros((len(w), len(w))), 0.0, 0.0
    for rows in np.array_split(x, 1 + len(x) // 300):
        mean = (w @ rows.T / np.sqrt(d))[..., None]
        value = np.tanh(mean + np.sqrt(noise / d) * norm[..., None] * NODES)
        moments = np.moveaxis(value @ RULE.T, 2, 0)
        u += sum(cosine**k * (one @ one.T) for k, one in enumerate(moments))
        second += (value**2 @ WEIGHTS).sum(axis=1)
        slope += moments[1].sum(axis=1, keepdims=True)
    np.fill_diagonal(u, second)
    return u / len(x), slope / len(x) * w / norm


def true_network(model, d, rng):
    """U and V of n isotropic Gaussian samples, and those of fresh data."""
    w = rng.normal(size=(round(model.psi_p * d), d))
    x = rng.normal(size=(round(model.psi_n * d), d))
    fresh_u, fresh_v = tanh_features(w, np.zeros((1, d)), 1.0)  # noised fresh data are N(0, 1)
    seen = tanh_features(w, np.exp(-model.t) * x, model.delta)
    return *seen, fresh_u, np.sqrt(model.delta) * fresh_v


def gaussian_equivalent(model, d, rng):
    """The same for the matrix the theory solves: a linear network with independent noise."""
    at, p, n = model.coefficients, round(model.psi_p * d), round(model.psi_n * d)
    w, x, omega = rng.normal(size=(p, d)), rng.normal(size=(d, n)), rng.normal(size=(p, n))
    g = at.c * w @ x / np.sqrt(d) + at.v * omega
    u = g @ g.T / n + at.b**2 / d * w @ w.T + at.s**2 * np.eye(p)
    fresh = (at.c**2 + at.b**2) / d * w @ w.T + (at.v**2 + at.s**2) * np.eye(p)
    return u, at.b * w / np.sqrt(d), fresh, at.b * w / np.sqrt(d)


def gradient_flow(model, tau, u, v, fresh_u, fresh_v):
    """Eigenvalues of U, and train and test loss at the times tau."""
    eigenvalue, vector = np.linalg.eigh(u)
    d, v, fresh_v, fresh_u = v.shape[1], vector.T @ v, vector.T @ fresh_v, vector.T @ fresh_u
    train, test = np.empty((2, len(tau)))
    for i, time in enumerate(tau):
        grown = -np.expm1(-2 * model.delta * eigenvalue * time / model.psi_p) / eigenvalue
        a = grown[:, None] * v
        train[i] = 1 + np.sum(a * (eigenvalue[:, None] * a - 2 * v)) / d
        test[i] = 1 + np.sum(a * (fresh_u @ (vector @ a) - 2 * fresh_v)) / d
    return eigenvalue, train, test


# %% [markdown]
# One network against the law of its eigenvalues. The Gaussian equivalent follows the law down to
# the floor $s_t^2$, where a share of its eigenvalues sits exactly. The true features follow it too,
# except that the floor itself is smeared: the norms of the rows of $W$ fluctuate by $d^{-1/2}$.


# %% alt="Cumulated law of U with the sorted eigenvalues of one Gaussian equivalent and of true tanh features on it"
def one_network(d=100, psi_n=2.0, t=0.1):
    model = rs.RandomFeatureModel(4, psi_n, t)
    law, rng = model.spectrum(), np.random.default_rng(1)
    grid = np.geomspace(model.floor / 3, 1.3 * law.support[-1, 1], 800)
    ax = plt.figure(figsize=(7, 3.4), layout="constrained").subplots()
    ax.semilogx(grid, law.cdf(grid), color=DARK, lw=1.2, label="law")
    for draw, colour, name in (
        (gaussian_equivalent, BLUE, "Gaussian equivalent"),
        (true_network, ORANGE, "tanh features"),
    ):
        found = np.linalg.eigvalsh(draw(model, d, rng)[0])
        ax.plot(found, (np.arange(len(found)) + 0.5) / len(found), ".", ms=3.5, color=colour)
        ax.plot([], [], "o", ms=4, color=colour, label=f"{name}, d = {d}")
    ax.set(xlim=(grid[0], grid[-1]), ylim=(0, 1.02))
    ax.set(xlabel=r"eigenvalue $\lambda$ of $U$", ylabel="share of eigenvalues below")
    ax.legend(loc="lower right")
    plt.show()


one_network()

# %% [markdown]
# The same with sliders (they need a running kernel).

# %%
sliders = interact(
    one_network,
    d=IntSlider(100, 20, 200, 20, continuous_update=False),
    psi_n=FloatLogSlider(2, min=-1, max=1, continuous_update=False),
    t=FloatLogSlider(0.1, min=-2, max=0, continuous_update=False),
)

# %% [markdown]
# ## How many dimensions are enough?
#
# Each point is the root mean square, over networks, of the relative deviation of **one** network
# from the theory, chance included: what to expect of the single network that one trains. At $d=64$
# it is 0.1 % until the best stopping time and up to 1.5 % at the end of training, and it falls as
# $1/d$, for true tanh features as for the Gaussian equivalent. On the right the one thing that
# converges more slowly: what is an atom at the floor $s_t^2$ in the limit reaches below it, by a
# part of $s_t^2$ that falls as $d^{-1/2}$. In the limit no loss sees these eigenvectors.

# %% alt="Relative deviation of finite networks from the theory against the dimension, falling like 1/d, for the Gaussian equivalent, true tanh features and the floor"
model = rs.RandomFeatureModel(psi_p=4, psi_n=2, t=0.1)
tau = np.array([2.0, model.training().best_stopping().tau, np.inf])
theory, z = model.learning_curves(tau), model.spectrum().quantile(0.95) * (1 + 0.3j)
q, atom = model.resolvent(z).q, model.spectrum().atoms[0, 1]
sizes = np.array([16, 32, 64, 128])
names = ("test, early", "test, best time", "test, end", "train, end", r"$\mathrm{Tr}\,R(z)/p$")
colours = (GREEN, BLUE, ORANGE, PURPLE, DARK)

fig, axes = plt.subplots(1, 3, figsize=(10, 3.8), layout="constrained", width_ratios=(3, 3, 2))
kinds = {"Gaussian equivalent": gaussian_equivalent, "true tanh features": true_network}
for ax, (title, draw) in zip(axes[:2], kinds.items(), strict=True):
    spread, depth = [], []
    for d in sizes:
        off, lowest, rng = [], [], np.random.default_rng(d)
        for _ in range(1280 // d):
            value, train, test = gradient_flow(model, tau, *draw(model, d, rng))
            off.append([*(test / theory.test - 1), train[2] / theory.train[2] - 1])
            off[-1].append(abs(np.mean(1 / (value - z)) / q - 1))
            lowest.append(1 - np.quantile(value, 0.16 * atom) / model.floor)
        spread.append(np.sqrt(np.mean(np.square(off), axis=0)))
        depth.append(np.mean(lowest))
    for values, colour, name in zip(np.transpose(spread), colours, names, strict=True):
        exponent = np.polyfit(np.log(sizes), np.log(values), 1)[0]
        print(f"{title:20s} {name:24s} exponent {exponent:.2f}, {values[2]:.2%} at d = 64")
        ax.loglog(sizes, values, "o-", ms=4, color=colour, label=name)
    ax.loglog(sizes, 0.7 / sizes, "--", color="#888888", label=r"$\propto 1/d$")
    ax.set(ylim=(2e-4, 0.1), title=title)
axes[0].set_ylabel("relative deviation of one network")
axes[2].loglog(sizes, depth, "s-", ms=4, color=ORANGE)
axes[2].loglog(sizes, depth[0] * (sizes / 16) ** -0.5, "--", color="#888888")
axes[2].set_yticks([0.1, 0.2, 0.5, 1], [0.1, 0.2, 0.5, 1])
axes[2].yaxis.minorticks_off()
axes[2].text(34, 0.53, r"$\propto d^{-1/2}$", color="#666666")
axes[2].set(ylim=(0.1, 1), ylabel=r"depth below $s_t^2$, relative", title="the floor")
for ax in axes:
    ax.set(xlabel="dimension $d$")
    ax.set_xticks(sizes, sizes)
    ax.xaxis.minorticks_off()
legend = fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=6)

# %% [markdown]
# ## Is the solver right?
#
# Every value of the resolvent comes with `error`, a bound on its relative error, with `residual`
# and with `converged`, which promises the physical branch as well. Here $z$ approaches the upper
# end of the spectrum from outside. The dots are the true error, taken from 30 digits of a slower
# formulation of the same theorem. Both grow as (distance)$^{-1/2}$, because the resolvent has a
# square root there; the bound stays above. Closer than about $10^{-14}$ nothing can be promised:
# the value is NaN, `converged` is false, and one warning says so. On the right the same for the
# learning curves: bound (line) and true error (dots) of train and test loss.

# %% alt="Reported error bounds and true errors of the resolvent near an edge, and of the learning curves over training time: the bounds lie above the errors"
model = rs.RandomFeatureModel(psi_p=8, psi_n=4, t=0.01)
at = model.coefficients
scalars = (8.0, 4.0, [1.0], None, at.c**2, at.b**2, at.v**2, at.s**2)
distance = np.geomspace(1, 1e-15, 46)
z = model.spectrum().support[-1, 1] * (1 + distance)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always", rs.ConvergenceWarning)
    found = model.resolvent(z)
print(caught[0].message)
known = found.converged
start = zip(z[known], found.q[known], found.y[known], strict=True)
exact = [slow_resolvent.solve(x, *scalars, digits=30, start=(q, 1 / y)).q for x, q, y in start]
true_error = [float(abs(1 - complex(q) / e)) for q, e in zip(found.q[known], exact, strict=True)]

tau = np.geomspace(0.1, 1e6, 8)
fine, curves = np.geomspace(0.1, 1e6, 200), model.learning_curves(tau)
slow = slow_curves.learning_curves(tau, *scalars, digits=16)

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
left.loglog(distance[known], found.error[known], color=BLUE, label="reported bound")
left.loglog(
    distance[known], np.maximum(true_error, 1e-17), "o", ms=3.5, color=DARK, label="true error"
)
left.axvspan(1e-15, distance[known][-1], color="#666666", alpha=0.15, lw=0)
left.text(2e-15, 3e-16, "not\nconverged", fontsize="small")
left.set(xlabel="relative distance from the edge", ylabel="relative error of $q$", xlim=(1e-15, 1))
right.loglog(fine, model.learning_curves(fine).error, color=BLUE, label="reported bound")
for name, colour in (("train", ORANGE), ("test", GREEN)):
    off = [
        float(abs(e - float(v)))
        for e, v in zip(getattr(slow, name), getattr(curves, name), strict=True)
    ]
    right.loglog(tau, np.maximum(off, 1e-17), "o", ms=4, color=colour, label=f"true error, {name}")
right.set(xlabel=r"training time $\tau$", ylabel="error of the loss", ylim=(5e-18, 1e-10))
for ax in (left, right):
    ax.legend(loc="upper right" if ax is left else "upper left")

# %% [markdown]
# ## Are two bulks one?
#
# Times are read off the lower edges of the families of eigenvalues: fast, sample and slow. Their
# masses are known exactly, so a family has a lower end even where it shares its bulk with another;
# it is then a quantile and no edge. `timescales().merged` says so, and each of
# `timescales().families` for itself (dotted line). From there on $\tau_{mem}$ and $\tau_{slow}$ are
# two points of one continuous band.

# %% alt="Bulks of the spectrum against diffusion time, merging at small and large times, and the three training times where they are apart"
noise = np.geomspace(0.003, 1, 250)
models = [rs.RandomFeatureModel(8, 4, t) for t in noise]
times = [one.timescales() for one in models]
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
for t, step, one in zip(noise, np.diff(noise, append=1.03), models, strict=True):
    for name, (low, high) in zip(one.bulk_names(), one.spectrum().support - one.floor, strict=True):
        colour = {"fast": GREEN, "sample": ORANGE, "slow": BLUE}.get(name, PURPLE)
        left.fill_between([t, t + step], low, high, color=colour, alpha=0.7, lw=0)
for name, where in (("slow", 2e-4), ("sample", 0.04), ("fast", 2.0)):
    left.text(0.0034, where, name, color="white", weight="bold", va="center")
left.text(0.055, 6e-3, "sample + slow", color="white", weight="bold", va="center")
left.set(xscale="log", yscale="log", xlim=(noise[0], noise[-1]))
left.set(xlabel="diffusion time $t$", ylabel=r"distance from the floor, $\lambda-s_t^2$")
for name, colour, sign in (
    ("fast", GREEN, "gen"),
    ("sample", ORANGE, "mem"),
    ("slow", BLUE, "slow"),
):
    family = [next(part for part in one.families if part.name == name) for one in times]
    tau, merged = (np.array([getattr(part, what) for part in family]) for what in ("tau", "merged"))
    label = rf"$\tau_{{{sign}}}$"
    right.loglog(noise, np.where(merged, np.nan, tau), color=colour, label=label)
    right.loglog(noise, np.where(merged, tau, np.nan), ":", lw=2, color=colour)
right.set(xlabel="diffusion time $t$", ylabel="training time", xlim=(noise[0], noise[-1]))
legend = right.legend()

# %% [markdown]
# ## Do the data fill enough dimensions?
#
# The small parameter is not $1/d$ but one over the participation ratio
# $(\sum_i l_i)^2/\sum_i l_i^2$ of the covariance. For handwritten digits it is 13 out of 64, and
# `from_data` warns. Dots are true tanh features of 512 digits, trained by exact gradient flow and
# tested on the other images. With the Gaussian equivalent of the neurons (dashed) the fast bulk and
# the curves up to the best stopping time hold, and the overfitted end comes out too high; the exact
# kernel of the neurons on these rows, the default, follows the curves to the end.

# %% alt="Law given the digits beside eigenvalues of tanh features, and train and test loss of a trained network on the curves of theory"
rows = np.random.default_rng(0).permutation(digits())
given, held_out = rows[:512], rows[512:]
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always", rs.FewDimensionsWarning)
    model = rs.RandomFeatureModel.from_data(given, psi_p=6, t=0.1, test=held_out)
    equivalent = rs.RandomFeatureModel.from_data(
        given, psi_p=6, t=0.1, test=held_out, kernel="gaussian"
    )
print(caught[0].message)

given, held_out = given - given.mean(axis=0), held_out - given.mean(axis=0)
w = np.random.default_rng(1).normal(size=(6 * 64, 64))
seen, fresh = (tanh_features(w, np.exp(-model.t) * x, model.delta) for x in (given, held_out))
tau = np.geomspace(1, 1e5, 31)
value, train, test = gradient_flow(model, tau, *seen, *fresh)
curves, law = model.learning_curves(tau), model.spectrum()

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
grid = np.geomspace(5e-3, 1.2 * law.support[-1, 1], 600)
left.semilogx(grid, law.cdf(grid), color=BLUE, label="law, given these digits")
left.semilogx(grid, equivalent.spectrum().cdf(grid), "--", color=BLUE, label="Gaussian equivalent")
left.plot(
    value, (np.arange(len(value)) + 0.5) / len(value), ".", ms=3, color=DARK, label="tanh features"
)
left.set(
    xlabel=r"eigenvalue $\lambda$ of $U$", ylabel="share of eigenvalues below", xlim=(5e-3, 200)
)
right.semilogx(tau, curves.test, color=BLUE, label="test loss")
right.semilogx(tau, curves.train, color=ORANGE, label="train loss")
rough = equivalent.learning_curves(tau)
right.semilogx(tau, rough.test, "--", color=BLUE)
right.semilogx(tau, rough.train, "--", color=ORANGE)
right.plot(tau, test, "o", ms=3.5, mfc="none", color=DARK, label="tanh features")
right.plot(tau, train, "o", ms=3.5, mfc="none", color=DARK)
right.axvline(model.training().best_stopping().tau, color="#666666", lw=0.8, ls=":")
right.set(xlabel=r"training time $\tau$", ylabel="loss per dimension", ylim=(0.35, 1.02))
for ax in (left, right):
    ax.legend(loc="upper left" if ax is left else "upper right")
best = np.argmin(curves.test)
for name, i in (("best stopping", best), ("end", -1)):
    print(f"{name:13s}: test loss {curves.test[i]:.3f} in theory, {test[i]:.3f} of the network")

# %% [markdown]
# ## Is there a mean to predict?
#
# For linear denoisers `corrected=True` adds the next order in $1/d$. It helps wherever the averaged
# quantity is tame. At $n=d$ without a ridge to speak of it is not: the smallest eigenvalue of the
# sample covariance sets the divergence, its mean is carried by rare data sets, and neither the
# limit nor the correction is of use (grey: the middle 80 % of data sets). The package does not warn
# here; the two curves, drawn apart, do.

# %% alt="Divergence of the linear model from the data against the ridge for two loads: mean of 100 data sets, the limit, and the corrected limit"
d, ridges = 60, np.geomspace(1e-7, 1, 15)
rng, isotropic = np.random.default_rng(0), rs.PopulationSpectrum([1.0] * d)
fig, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained", sharey=True)
for ax, samples in zip(axes, (2 * d, d), strict=True):
    limit = rs.LinearDenoiser(isotropic, samples / d, ridges)
    drawn = np.array(
        [
            [FittedDenoiser.from_data(x, np.eye(d), c, center=False).kl() for c in ridges]
            for x in rng.normal(size=(100, samples, d))
        ]
    )
    ax.fill_between(ridges, *np.quantile(drawn, [0.1, 0.9], axis=0), color="#bbbbbb", lw=0)
    ax.errorbar(ridges, drawn.mean(axis=0), drawn.std(axis=0) / 10, fmt="o", ms=4, color=DARK)
    ax.loglog(ridges, limit.kl(), color=BLUE)
    ax.loglog(ridges, limit.kl(corrected=True), "--", color=ORANGE)
    ax.set(xlabel="ridge $c$", title=f"n = {samples // d if samples > d else ''}d, d = {d}")
axes[0].plot([], [], "o", ms=4, color=DARK, label="mean of 100 data sets")
axes[0].plot([], [], color=BLUE, label="limit")
axes[0].plot([], [], "--", color=ORANGE, label="corrected")
axes[0].set_ylabel("data || model, per dimension")
legend = axes[0].legend()

# %% [markdown]
# ## What fails where
#
# - **Some tens of dimensions.** One network is 1 to 5 % off at the end of training, falling as
#   $1/d$. Nothing warns; look at the second figure, and average over networks.
# - **Eigenvalues next to the floor $s_t^2$.** In true features they are smeared by $d^{-1/2}$.
#   Nothing warns; read no $\tau_{slow}$ off a small network.
# - **A participation ratio below 50.** Low bulks and the overfitted end are 10 to 40 % off.
#   `FewDimensionsWarning`; trust the fast bulk and the best stopping time.
# - **$z$ within a part in $10^{13}$ of an edge.** The value is NaN. `ConvergenceWarning`,
#   `converged`, `status`; step off the edge, or give $z$ an imaginary part.
# - **Two families in one bulk.** The time of the upper one is a quantile, not an edge.
#   `timescales().merged`; read the two times as a range.
# - **$n=d$ and a tiny ridge, linear denoisers.** There is no mean worth predicting. The limit and
#   `corrected=True` disagree; take a ridge of some $10/d^2$ or more.
# - **An activation with a mean, such as ReLU.** One eigenvalue of order $p$ lies outside the law.
#   `mean_feature_eigenvalue` gives it; subtract the mean, losses do not change.
# - **SGD, Adam, a trained first layer, other architectures.** Another dynamics. Nothing warns: the
#   curves are those of gradient flow, descent or momentum on the last layer.
