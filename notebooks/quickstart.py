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
# # Quickstart: from a covariance to a spectrum and to training times
#
# A diffusion model learns the score of noisy data. In the random-feature model of
# [Bonnaire, Urfin, Biroli and Mézard (2025)](https://arxiv.org/abs/2505.17638) the eigenvalues of
# one matrix, $U$, say how fast each direction is learned. Five questions, each answered by one
# call.

# %%
import warnings

import matplotlib.pyplot as plt
import numpy as np

import rmtspec as rs
from rmtspec.data import digits
from rmtspec.plot import mark_timescales, plot_spectrum

plt.rcParams["figure.dpi"] = 72

# %% [markdown]
# ## Where are the eigenvalues?
#
# Eight features and four samples per dimension, at diffusion time $t = 0.01$. The law is exact in
# the limit of many dimensions. Three bulks and an atom lie five decades apart, so distances are
# measured from the floor $s_t^2$.

# %%
model = rs.RandomFeatureModel(psi_p=8, psi_n=4, t=0.01, activation="tanh")
law = model.spectrum()
for name, mass, (low, high) in zip(model.bulk_names(), law.masses, law.support, strict=True):
    print(f"{name:7s} mass {mass:.4f}  from {low:.6f} to {high:.6f}")
print("atom    mass {1:.4f}  at   {0:.6f}".format(*law.atoms[0]))

# %%
ax = plot_spectrum(law, names=model.bulk_names())
mark_timescales(ax, model.timescales(), law.origin)

# %% [markdown]
# ## Is it true?
#
# One sampled matrix of the Gaussian equivalent,
# $U = \frac1n GG^\top + \frac{b^2}{d}WW^\top + s^2$ with $G = c\,WX/\sqrt d + v\,\Omega$, in 100
# dimensions, against the cumulative distribution of the law.

# %%
rng = np.random.default_rng(0)
d = 100
p, n = 8 * d, 4 * d
at = model.coefficients
w, x, omega = rng.normal(size=(p, d)), rng.normal(size=(d, n)), rng.normal(size=(p, n))
g = at.c * w @ x / np.sqrt(d) + at.v * omega
distance = np.linalg.eigvalsh(g @ g.T / n + at.b**2 / d * w @ w.T)

fig, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
grid = np.geomspace(1e-5, 30, 600)
ax.semilogx(np.sort(distance), (np.arange(p) + 0.5) / p, ".", ms=4, label="one matrix, d = 100")
ax.semilogx(grid, law.cdf(law.origin + grid), lw=1, label="law")
ax.set(xlim=(1e-5, 30), xlabel=r"$\lambda - s_t^2$", ylabel="share of eigenvalues below")
legend = ax.legend(frameon=False)

# %% [markdown]
# ## When does training generalise, and when does it memorise?
#
# The fast bulk is learned first; the sample bulk fits single samples. With more samples per
# dimension memorisation comes later and generalisation a little sooner. That widening window is
# why stopping early works.

# %%
print("psi_n     tau_gen     tau_mem    tau_slow")
for psi_n in (4, 8, 16, 32, 64):
    times = rs.RandomFeatureModel(psi_p=128, psi_n=psi_n, t=0.01).timescales()
    print(f"{psi_n:5d} {times.tau_gen:11.4g} {times.tau_mem:11.4g} {times.tau_slow:11.4g}")

# %% [markdown]
# ## What does a spike in the covariance do?
#
# An isolated population eigenvalue, or a second cluster, leaves the bulk once it is large enough.
# Below the transition the location is NaN and the overlap 0.

# %%
spiked = rs.PopulationSpectrum([1.0], spikes=[1.2, 2.0, 5.0, 20.0])
out = rs.RandomFeatureModel(8, 4, 0.01, population=spiked).outliers()
for spike, location, overlap in zip(spiked.spikes, out.location, out.overlap, strict=True):
    print(f"spike {spike:4.1f}: outlier at {location:7.3f}, squared overlap {overlap:.3f}")

# %% [markdown]
# ## And for my data?
#
# `from_data` gives the law *given* a data set, here 1797 handwritten digits in 64 dimensions. Each
# covariance eigenvalue far from its neighbours becomes a bulk of its own. Few effective dimensions
# (13 of 64) mean that the lowest eigenvalues are not to be trusted; the package says so, and here
# we have read it and go on.

# %%
images = digits()
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    real = rs.RandomFeatureModel.from_data(images, psi_p=64, t=0.01)
print(caught[0].message)
print(f"participation ratio {real.population.participation_ratio:.1f}")

# %%
ax = plot_spectrum(real.spectrum(), names=real.bulk_names())
mark_timescales(ax, real.timescales(), real.floor)
