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
# The simplest diffusion model has a denoiser $\varepsilon_\theta(x) = Wx + b$. Fitted to $n$
# samples in $d$ dimensions it generalises or memorises, and every average over data sets is a
# closed expression in the population's eigenvalues
# ([Merger and Goldt, 2025](https://arxiv.org/abs/2505.24769)). This page goes through the claims of
# their figures 2 and 3. The settings behind those figures (image sizes, grids of $n$, exponents,
# ridges) are not all published, so the ones here are stand-ins, named where they are used: mostly
# eigenvalues $\propto1/k$ in 100 dimensions, with mean 1. All losses and divergences are per
# dimension; the signal $\bar\alpha$ is the share of the variance of a noised sample that is data.

# %%
import warnings

import matplotlib.pyplot as plt
import numpy as np
from ipywidgets import FloatLogSlider, FloatSlider, interact
from matplotlib.ticker import LogLocator, NullFormatter

import rmtspec as rs
from rmtspec.inputs.samples import photographs
from rmtspec.linear.divergence import finite_sample
from rmtspec.linear.fitted import FittedDenoiser
from rmtspec.plots.linear import plot_against_load

plt.rcParams.update({"figure.dpi": 90, "legend.frameon": False, "legend.fontsize": "small"})
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})
BLUE, ORANGE, GREEN, PURPLE, DARK = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#333333"

# %% [markdown]
# ## What does a fit see of the covariance?
#
# Only its sample version. For isotropic data the eigenvalues, all 1, spread to the law of
# Marchenko and Pastur: on $[(1-\sqrt{d/n})^2,(1+\sqrt{d/n})^2]$, and exactly 0 for the $d-n$
# directions of which there is no sample (the arrow). Below, the same for eigenvalues
# $\propto1/k$ on a logarithmic scale: the largest stay for themselves, and the small ones spread
# over decades as $n$ comes down to $d$. Histograms are one data set in 400 dimensions each.

# %% alt="Eigenvalues of sample covariances as histograms on their laws, for isotropic and power-law data with half, twice and eight times as many samples as dimensions"
size, rng = 400, np.random.default_rng(0)
populations = {
    "isotropic": rs.PopulationSpectrum([1.0] * size),
    r"$l_k\propto1/k$": rs.PopulationSpectrum.power_law(1.0, size),
}
fig, axes = plt.subplots(2, 3, figsize=(10, 4.6), layout="constrained", sharey="row")
for row, (name, population) in zip(axes, populations.items(), strict=True):
    linear = name == "isotropic"
    deviation = np.sqrt(np.repeat(population.eigenvalues, size // population.eigenvalues.size))
    for ax, load in zip(row, (0.5, 2, 8), strict=True):
        law = rs.SampleCovariance(1 / load, population).spectrum()
        x = rng.normal(size=(int(load * size), size)) * deviation
        found = np.linalg.svd(x, compute_uv=False) ** 2 / len(x)
        bins = np.linspace(0, 6, 61) if linear else np.geomspace(0.01, 100, 51)
        width = np.diff(bins if linear else np.log(bins))
        ax.stairs(np.histogram(found, bins)[0] / size / width, bins, fill=True, color="#cccccc")
        grid = np.linspace(1e-3, 6, 2000) if linear else np.geomspace(0.01, 100, 2000)
        ax.plot(grid, law.density(grid) * (1 if linear else grid), color=BLUE)
        ax.set(title=f"{name}, n = {load:g} d", xlim=(bins[0], bins[-1]))
        if not linear:
            ax.set(xscale="log", xlabel="eigenvalue of the sample covariance")
axes[0, 0].set(ylabel=r"density of $\lambda$", ylim=(0, 1.3))
axes[1, 0].set(ylabel=r"density of $\ln\lambda$", ylim=(0, 0.65))
for ax in axes[:, 0]:
    arrow = {"arrowstyle": "->", "color": ORANGE, "lw": 2}
    ax.annotate("", (0.02, 0.95), (0.02, 0.0), "axes fraction", "axes fraction", arrow)
    ax.text(0.05, 0.8, "atom at 0, mass 1/2", color=ORANGE, transform=ax.transAxes)

# %% [markdown]
# ## When do training and test loss agree?
#
# At $n \approx d$. Below it the denoiser fits the samples and fails on new ones; above it both
# losses close in on the optimum, and the distance between the maps of two data sets falls like
# $d/n$. The lines are the theory at $\bar\alpha = 0.9$, each circle is one data set.

# %% alt="Losses, distances between maps and divergences of a linear denoiser against samples per dimension, with sampled fits as circles"
alpha_bar, d = 0.9, 100
population = rs.PopulationSpectrum.power_law(1.0, d)
loads = np.geomspace(0.1, 100, 200)
model = rs.LinearDenoiser(population, loads)
fig = plt.figure(figsize=(10, 3.5), layout="constrained")
plot_against_load(model, alpha_bar, fig.subplots(1, 3, sharex=True))

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
        ax.plot([samples / d] * len(values), values, "o", ms=4, mfc="none", color=DARK)

# %% [markdown]
# The gap between the two losses at all noise levels. Below $n=d$ it is worst where there is little
# noise, and without bound as $\bar\alpha\to1$: directions without a sample are amplified by
# $\bar\alpha/(1-\bar\alpha)$. Above, it falls as $1/n$ at every level (dashed), and there is a
# noise level at which it is largest.

# %% alt="Gap between test and train loss against samples per dimension at four signal levels, and against the signal for four loads"
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.5), layout="constrained")
shades = plt.colormaps["viridis"](np.linspace(0, 0.85, 4))
for level, colour in zip((0.5, 0.9, 0.99, 0.999), shades, strict=True):
    gap = model.test_loss(level) - model.train_loss(level)
    left.loglog(loads, gap, color=colour, label=rf"$\bar\alpha$ = {level}")
left.loglog(loads[loads > 5], 2 / loads[loads > 5], "--", color="#666666", label="$2d/n$")
levels = np.linspace(0.001, 0.999, 300)
for load, colour in zip((0.25, 0.5, 2, 8), shades, strict=True):
    one = rs.LinearDenoiser(population, load)
    gap = one.test_loss(levels) - one.train_loss(levels)
    right.semilogy(levels, gap, color=colour, label=f"n = {load:g} d")
left.set(xlabel="samples per dimension, $n/d$", ylabel="test loss - train loss")
left.set(xlim=(0.1, 100), ylim=(1e-3, 2e3))
right.set(xlabel=r"signal $\bar\alpha$", xlim=(0, 1), ylim=(1e-3, 2e3))
for ax in (left, right):
    ax.legend()

# %% [markdown]
# ## How far is the sampled law from the data?
#
# Without a ridge the Kullback-Leibler divergence knows nothing of the spectrum. Both directions
# approach $d/(4n)$ per dimension, from different sides of the transition: `data || model` is
# infinite up to $n=d$, where the model has directions of variance 0, and falls to the law from
# above; `model || data` begins at 1/2. Circles are means over 40 data sets with $d=100$, crosses
# the exact averages at that size. On the right a ridge $c$, which stands for all that keeps null
# directions from collapsing: it makes both directions finite (`model || data` dash-dotted), at a
# price for large $n$, where the sampled law has covariance $\Sigma+c$.

# %% alt="Divergences between data and sampled law against samples per dimension, without a ridge with sampled values, and with several ridges"
above = np.geomspace(1.001, 100, 300)
free = rs.LinearDenoiser(population, above)
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
for way, colour in (("data||model", BLUE), ("model||data", ORANGE)):
    left.loglog(above, free.kl(way), color=colour, label=way.replace("||", " || "))
    for samples in (110, 150, 300, 1000, 10000):
        exact = finite_sample(samples, d, way)
        left.plot(samples / d, exact, "x", ms=5, color=DARK)
        if samples <= 1000:
            sets = rng.normal(size=(40, samples, d)) * spread
            fits = [FittedDenoiser.from_data(x, np.diag(spread**2), center=False) for x in sets]
            mean = np.mean([fit.kl(way) for fit in fits])
            left.plot(samples / d, mean, "o", ms=7, mfc="none", color=DARK)
left.loglog(above, 0.25 / above, "--", color="#666666", label="$d/4n$")
for c, colour in ((0.001, ORANGE), (0.01, GREEN), (0.1, BLUE)):
    ridged = rs.LinearDenoiser(population, loads, c)
    right.loglog(loads, ridged.kl(), color=colour, label=f"c = {c}")
    right.loglog(loads, ridged.kl("model||data"), "-.", lw=1, color=colour)
right.loglog(above, free.kl(), color=DARK, label="c = 0")
right.loglog(above, 0.25 / above, "--", color="#666666", label="$d/4n$")
left.set(xlabel="samples per dimension, $n/d$", ylabel="divergence per dimension", ylim=(1e-3, 30))
right.set(xlabel="samples per dimension, $n/d$", xlim=(0.1, 100), ylim=(1e-3, 30))
left.legend()
legend = right.legend(ncols=2)

# %% [markdown]
# ## What does structure in the data change?
#
# Power laws $l_k \propto k^{-a}$ have few effective directions; the rest is drowned by the
# noise, and fewer samples are needed. Patches of photographs are real data of this kind, a stand-in
# for the faces of the paper. Their participation ratio is small because the mean grey level of a
# patch carries most of the variance.

# %% alt="Eigenvalues against rank of power laws and of photographs, and the test loss above the optimum against samples per dimension"
spectra = {f"a = {a:g}": rs.PopulationSpectrum.power_law(a, 64) for a in (0, 0.5, 1, 2)}
patches, without_mean = (
    np.unique(photographs(8, patch_mean=mean), axis=0)  # blank ones repeat each other
    for mean in (True, False)
)
spectra["photographs"] = rs.PopulationSpectrum.from_samples(patches)
spectra["... without mean"] = rs.PopulationSpectrum.from_samples(without_mean)

colours = (DARK, "#56B4E9", BLUE, PURPLE, ORANGE, GREEN)
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
for (name, spectrum), colour in zip(spectra.items(), colours, strict=True):
    positive = spectrum.eigenvalues > 0
    count = np.rint(64 * spectrum.weights[positive]).astype(int)
    values = np.repeat(spectrum.eigenvalues[positive], count)[::-1]
    label = f"{name}, PR {spectrum.participation_ratio:.1f}"
    left.loglog(1 + np.arange(values.size), values, color=colour, label=label)
    right.loglog(loads, rs.LinearDenoiser(spectrum, loads).alignment(alpha_bar), color=colour)
left.set(xlabel="rank", ylabel="eigenvalue, mean 1", ylim=(3e-3, 200))
left.legend()
right.set(xlabel="samples per dimension, $n/d$", ylabel="test loss above optimum")
line = right.axvline(1.0, color=DARK, lw=0.8, ls=":")

# %% [markdown]
# A participation ratio measured on few samples comes out too small: it cannot exceed $n$. The
# expected value is that of Gaussian data; patches have heavier tails and fall below it.

# %%
whole = spectra["... without mean"]
print("samples  measured  expected")
for samples in (10, 30, 100, 1000):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rs.DataWarning)  # ten patches may vary little
        drawn = [
            rs.PopulationSpectrum.from_samples(rng.choice(without_mean, samples, replace=False))
            for _ in range(50)
        ]
    measured = np.mean([sample.participation_ratio for sample in drawn])
    print(f"{samples:7d}  {measured:8.2f}  {whole.sampled_participation_ratio(samples):8.2f}")
print(f"    all  {whole.participation_ratio:8.2f}")

# %% [markdown]
# ## Is it better to stop early, or to regularise?
#
# Along gradient flow each direction relaxes at its own rate, large eigenvalues first. With few
# samples the test loss turns up again once the noise of small eigenvalues is fitted. On the left
# lines are theory at $\bar\alpha=0.9$, open circles gradient flow on one data set of $n=d/2$, full
# ones the best time. On the right what is left of the gap to the optimum: stopping at the best time
# closes most of it, and the best ridge does about as well.


# %% alt="Test and train loss against training time for four loads with the best times to stop, and the test loss above the optimum of early stopping and of the best ridge"
def plain_numbers(axis):
    axis.set(major_locator=LogLocator(subs=(1, 2, 5)), minor_formatter=NullFormatter())
    axis.set_major_formatter("{x:g}")


level, tau = 0.9, np.geomspace(0.01, 1e4, 120)
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.7), layout="constrained")
for load, colour in zip((0.25, 0.5, 1, 4), shades, strict=True):
    one = rs.LinearDenoiser(population, load)
    curves, best = one.training_curves(tau, level), one.optimal_stopping(level)
    left.loglog(tau, curves.test, color=colour, label=f"n = {load:g} d")
    left.loglog(tau, curves.train, "--", color=colour)
    left.plot(best.tau, best.test, "o", color=colour)
x = rng.normal(size=(50, d)) * spread
given = FittedDenoiser.from_data(x, np.diag(spread**2), center=False)
given = given.training_curves(tau[::6], level)
for values in (given.test, given.train):
    left.plot(given.tau, values, "o", ms=4, mfc="none", color=DARK)
left.set(xlabel=r"training time $\tau$", ylabel="test loss (train dashed)", xlim=(0.01, 1e4))
left.axhline(model.optimal_loss(level), color="#666666", lw=0.8, ls=":")
plain_numbers(left.yaxis)
left.legend()

optimal, ridges = model.optimal_loss(level), np.geomspace(1e-3, 1e3, 200)
ridged = rs.LinearDenoiser(population, loads[:, None], ridges).test_loss(level).min(axis=1)
right.loglog(loads, model.alignment(level), color=BLUE, label="trained to the end")
right.loglog(loads, model.optimal_stopping(level).test - optimal, color=ORANGE, label="best time")
right.loglog(loads, ridged - optimal, "--", color=GREEN, label="best ridge")
right.set(xlabel="samples per dimension, $n/d$", ylabel="test loss above optimum", xlim=(0.1, 100))
legend = right.legend()

# %% [markdown]
# The same for other spectra and other noise: the exponent of the power law, samples per dimension,
# and the signal as sliders (in a running kernel).


# %% alt="Train and test loss of one data set against training time, with the optimum and the best time to stop"
def training(exponent=2.0, load=0.5, alpha_bar=0.97):
    one = rs.LinearDenoiser(rs.PopulationSpectrum.power_law(exponent, 100), load)
    curves, best = one.training_curves(tau, alpha_bar), one.optimal_stopping(alpha_bar)
    ax = plt.figure(figsize=(7, 3.2), layout="constrained").subplots()
    ax.loglog(tau, curves.test, color=BLUE, label="test")
    ax.loglog(tau, curves.train, color=ORANGE, label="train")
    ax.axhline(one.optimal_loss(alpha_bar), color="#666666", ls="--", label="optimum")
    if np.isfinite(best.tau):
        ax.plot(best.tau, best.test, "o", color=BLUE, label="best time")
    ax.set(xlabel=r"training time $\tau$", ylabel="loss per dimension", xlim=(0.01, 1e4))
    plain_numbers(ax.yaxis)
    ax.legend()
    plt.show()


training()

# %%
sliders = interact(
    training,
    exponent=FloatSlider(2, min=0, max=3, step=0.25, continuous_update=False),
    load=FloatLogSlider(0.5, min=-1, max=2, continuous_update=False),
    alpha_bar=FloatSlider(0.97, min=0.01, max=0.99, step=0.01, continuous_update=False),
)

# %% [markdown]
# ## What do finite steps of the sampler cost?
#
# In continuous time the sampler draws the fitted covariance itself. With $T$ steps of the schedule
# $\beta_t$ from $10^{-4}$ to $10^{-2}$ a null direction keeps variance $\beta_1$, and large
# variances fall short.

# %%
variances = np.array([0.0, 0.001, 0.1, 1.0, 10.0])
sampler = rs.LinearDenoiser(population, 0.5)
print("fitted variance    " + "".join(f"{value:9.4g}" for value in variances))
for steps in (100, 300, 1000):
    sampled = sampler.sampled_variance(variances, steps)
    print(f"sampled, T = {steps:5d} " + "".join(f"{value:9.4g}" for value in sampled))
