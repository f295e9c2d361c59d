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
# # Linear denoisers: how much data is enough?
#
# The simplest diffusion model has a denoiser $\varepsilon_\theta(x) = Wx + b$. Fitted to $N$
# samples in $d$ dimensions it generalises or memorises, and every average over data sets is a
# closed expression in the population's eigenvalues
# ([Merger and Goldt, 2025](https://arxiv.org/abs/2505.24769)). All losses and divergences below are
# per dimension.

# %%
import matplotlib.pyplot as plt
import numpy as np

import rmtspec as rs
from rmtspec.data import photographs
from rmtspec.linear_data import FittedDenoiser
from rmtspec.linear_divergence import finite_sample
from rmtspec.linear_plot import plot_against_load

plt.rcParams["figure.dpi"] = 72

# %% [markdown]
# ## When do training and test loss agree?
#
# At $N \approx d$. Below it the denoiser fits the samples and fails on new ones; above it both
# losses close in on the optimum, and the distance between the maps of two data sets falls like
# $d/N$. The lines are the theory at $\bar\alpha = 0.9$ for eigenvalues $\propto 1/k$ in 100
# dimensions; each circle is one data set.

# %%
alpha_bar, d = 0.9, 100
population = rs.PopulationSpectrum.power_law(1.0, d)
model = rs.LinearDenoiser(population, np.geomspace(0.1, 100, 200))
fig = plot_against_load(model, alpha_bar)

rng = np.random.default_rng(0)
spread = np.sqrt(population.eigenvalues)
for samples in (15, 30, 60, 120, 250, 1000, 4000):
    x = rng.normal(size=(samples, d)) * spread
    fit = FittedDenoiser.from_data(x, np.diag(spread**2), center=False)
    for ax, values in zip(
        fig.axes,
        (
            [fit.train_loss(alpha_bar), fit.test_loss(alpha_bar)],
            [fit.alignment(alpha_bar)],
            [fit.kl(), fit.kl("model||data")],
        ),
        strict=True,
    ):
        ax.plot([samples / d] * len(values), values, "o", ms=4, mfc="none", color="#333333")

# %% [markdown]
# ## How far is the sampled law from the data?
#
# Without a ridge both divergences know nothing of the spectrum: $d/(4N)$ for many samples, infinite
# below $N = d$. The average is known exactly at finite $N$; the limit formula misses the order
# $1/d$. A ridge $c$ makes them finite, at a price for large $N$.

# %%
print("     N   d/(4N)    limit     exact     exact, model||data")
for samples in (101, 102, 110, 150, 300, 1000, 10000):
    limit = rs.LinearDenoiser(population, samples / d).kl()
    exact, reverse = (finite_sample(samples, d, way) for way in ("data||model", "model||data"))
    print(f"{samples:6d}  {d / 4 / samples:7.5f}  {limit:8.5f}  {exact:8.5f}  {reverse:8.5f}")

# %%
loads = np.geomspace(0.1, 100, 200)
fig, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
for c, colour in ((0.001, "#E69F00"), (0.01, "#009E73"), (0.1, "#0072B2")):
    divergence = rs.LinearDenoiser(population, loads, c).kl()
    ax.loglog(loads, divergence, color=colour, label=f"c = {c}")
above = loads[loads > 1]
ax.loglog(above, rs.LinearDenoiser(population, above).kl(), color="#333333", label="c = 0")
ax.loglog(above, 0.25 / above, "--", color="#666666", label="$d/4N$")
ax.axvline(1.0, color="#333333", lw=0.8, ls=":")
ax.set(xlabel="samples per dimension, $n/d$", ylabel="data || model, per dimension")
ax.set(xlim=(0.1, 100), ylim=(1e-3, 30))
legend = ax.legend(frameon=False, ncols=2)

# %% [markdown]
# ## What does structure in the data change?
#
# Power laws $l_k \propto k^{-\alpha}$ have few effective directions; the rest is drowned by the
# noise, and fewer samples are needed. Patches of photographs are real data of this kind. Their
# participation ratio is small because the mean grey level of a patch carries most of the variance.

# %%
spectra = {rf"$\alpha$ = {k:g}": rs.PopulationSpectrum.power_law(k, 64) for k in (0, 0.5, 1, 2)}
patches = photographs(8)
spectra["photographs"] = rs.PopulationSpectrum.from_samples(patches)
spectra["... without mean"] = rs.PopulationSpectrum.from_samples(photographs(8, patch_mean=False))

colours = ("#333333", "#56B4E9", "#0072B2", "#CC79A7", "#E69F00", "#009E73")
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
for (name, spectrum), colour in zip(spectra.items(), colours, strict=True):
    ratio = spectrum.participation_ratio
    positive = spectrum.eigenvalues > 0
    size = np.round(64 * spectrum.weights[positive]).astype(int)
    left.loglog(
        1 + np.arange(size.sum()),
        np.repeat(spectrum.eigenvalues[positive], size)[::-1],
        color=colour,
        label=f"{name}, PR {ratio:.1f}",
    )
    gap = rs.LinearDenoiser(spectrum, loads).alignment(alpha_bar)
    right.loglog(loads, gap, color=colour)
left.set(xlabel="rank", ylabel="eigenvalue, mean 1", ylim=(3e-3, 200))
left.legend(frameon=False, fontsize="small")
right.set(xlabel="samples per dimension, $n/d$", ylabel="test loss above optimum")
line = right.axvline(1.0, color="#333333", lw=0.8, ls=":")

# %% [markdown]
# A participation ratio measured on few samples comes out too small: it cannot exceed $N$. The
# expected value is that of Gaussian data; patches have heavier tails and fall below it.

# %%
whole = spectra["... without mean"]
without_mean = photographs(8, patch_mean=False)
print("samples  measured  expected")
for samples in (10, 30, 100, 1000):
    drawn = [
        rs.PopulationSpectrum.from_samples(without_mean[rng.choice(len(without_mean), samples)])
        for _ in range(50)
    ]
    measured = np.mean([sample.participation_ratio for sample in drawn])
    print(f"{samples:7d}  {measured:8.2f}  {whole.sampled_participation_ratio(samples):8.2f}")
print(f"    all  {whole.participation_ratio:8.2f}")

# %% [markdown]
# ## Is it better to stop early?
#
# Along gradient flow each direction relaxes at its own rate, large eigenvalues first. With few
# samples the test loss turns up again once the noise of small eigenvalues is fitted. The circles
# are gradient flow on one data set, $d = 100$, $N = 50$.

# %%
level = 0.97
few = rs.LinearDenoiser(population, 0.5)
tau = np.geomspace(0.01, 1e4, 120)
curves, best = few.training_curves(tau, level), few.optimal_stopping(level)
x = rng.normal(size=(50, d)) * spread
given = FittedDenoiser.from_data(x, np.diag(spread**2), center=False).training_curves(
    tau[::6], level
)

fig, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
ax.loglog(tau, curves.test, color="#0072B2", label="test")
ax.loglog(tau, curves.train, color="#E69F00", label="train")
for values in (given.test, given.train):
    ax.loglog(given.tau, values, "o", ms=4, mfc="none", color="#333333")
ax.axhline(few.optimal_loss(level), color="#666666", ls="--", label="optimal")
ax.axvline(best.tau, color="#333333", lw=0.8, ls=":")
ax.annotate("best time", (best.tau, 4.0), (4, 0), textcoords="offset points", fontsize="small")
ax.set(xlabel=r"training time $\tau$", ylabel="loss per dimension", xlim=(0.01, 1e4))
legend = ax.legend(frameon=False)
print(
    f"best time {best.tau:.2f}: test loss {best.test:.3f}, "
    f"{best.final:.3f} at the end, {few.optimal_loss(level):.3f} at the optimum"
)

# %% [markdown]
# ## What do finite steps of the sampler cost?
#
# In continuous time the sampler draws the fitted covariance itself. With $T$ steps of the usual
# linear schedule a null direction keeps variance $\beta_1$, and large variances fall short.

# %%
variances = np.array([0.0, 0.001, 0.1, 1.0, 10.0])
sampler = rs.LinearDenoiser(population, 0.5)
print("fitted variance    " + "".join(f"{value:9.4g}" for value in variances))
for steps in (100, 300, 1000):
    sampled = sampler.sampled_variance(variances, steps)
    print(f"sampled, T = {steps:5d} " + "".join(f"{value:9.4g}" for value in sampled))
