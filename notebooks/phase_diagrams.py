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
# # Phase diagrams: many models at once
#
# `rs.sweep` computes any function over a grid of parameters, on all cores or on a Dask cluster, and
# returns a labelled `xarray.Dataset`. Five phase diagrams are ready made:
# `DIAGRAMS[name].compute()` fills one, `plot_diagram` draws it, and from the shell
# `rmtspec sweep NAME --plot FILE` does both.
#
# Needs `pip install '.[sweep]'`. Some grids are coarse here so that the whole tour takes half
# a minute; left out, they have 40 x 40 points.

# %%
import tempfile
import time
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from distributed import Client

import rmtspec as rs
from rmtspec.plots.sweeps import plot_diagram, plot_map
from rmtspec.sweeps.diagrams import DIAGRAMS

plt.rcParams["figure.dpi"] = 72
for diagram in DIAGRAMS.values():
    print(f"{diagram.name:13}{diagram.question}")

# %% [markdown]
# ## Where is there a gap?
#
# A score network with random features learns the population through the eigenvalues of its fast
# bulk. It can learn it *before* it learns single samples because a gap parts this bulk from all
# others. The gap closes where samples are as many as dimensions ($\psi_n=1$), and where features
# are hardly more than dimensions. Left of the line $\psi_n=1$ the fast bulk holds the directions
# that the samples span.

# %% alt="Map over psi_n and psi_p of the gap between the fast bulk and the one below, hatched where they have merged"
axis = np.geomspace(0.1, 1000, 25)
gap = DIAGRAMS["gap"].compute(psi_p=axis, psi_n=axis, t=0.01, progress=False)
fig = plot_diagram(gap)

# %% [markdown]
# ## How much time is there between generalisation and memorisation?
#
# $\tau_\mathrm{gen}$ and $\tau_\mathrm{mem}$ are the times at which the slowest modes of the fast
# and of the sample bulk relax. For a given number of samples the ratio is largest near $p=n$, where
# the sample bulk comes down to its floor.

# %% alt="Map over psi_n and psi_p of the ratio of memorisation to generalisation time, hatched where bulks have merged"
axis = np.geomspace(0.5, 1000, 40)
times = DIAGRAMS["timescales"].compute(psi_p=axis, psi_n=axis, progress=False)
fig = plot_diagram(times)

# %% [markdown]
# For $p\gg n\gg d$ the ratio is $\psi_n(c^2+b^2)/v^2$: memorising takes a time proportional to the
# number of samples, learning the population does not
# ([Bonnaire, Urfin, Biroli and Mézard 2025](https://arxiv.org/abs/2505.17638)). A cut through a
# wider grid shows it; what comes back is an xarray data set, so a cut is a `.sel`.

# %% alt="Ratio of memorisation to generalisation time against psi_n for three widths, approaching the line of infinitely wide networks"
psi_n = np.geomspace(2, 1e5, 60)
wide = rs.sweep("timescales", {"psi_p": [1e2, 1e4, 1e8], "psi_n": psi_n, "t": 0.01}, progress=False)
at = rs.RandomFeatureModel(64, 8, 0.01).coefficients

fig, ax = plt.subplots(figsize=(6, 3.8), layout="constrained")
for psi_p, colour in zip(wide.psi_p.values, ("#56B4E9", "#0072B2", "#333333"), strict=True):
    power = rf"10^{{{np.log10(psi_p):.0f}}}"
    ax.loglog(psi_n, wide.ratio.sel(psi_p=psi_p), color=colour, label=rf"$\psi_p={power}$")
limit = psi_n * (at.c**2 + at.b**2) / at.v**2
ax.loglog(psi_n, limit, "--", color="#E69F00", label=r"$\psi_n(c^2+b^2)/v^2$")
ax.set(xlabel=r"samples per dimension, $\psi_n$", ylabel=r"$\tau_{mem}/\tau_{gen}$")
ax.spines[["top", "right"]].set_visible(False)
_ = ax.legend(frameon=False)

# %% [markdown]
# ## Which models have memorised by now?
#
# The map of Figs. 3 and 5C of the paper, from theory alone: generalisation loss over samples and
# features after a given training time. The white line is the boundary, solved for and not read off.
# The longer one trains, the more samples can be memorised, until at $\tau=\infty$ only the number
# of features sets a limit, $n\sim p$.

# %% alt="Maps over psi_n and psi_p of the generalisation loss at two training times, with the line of memorisation"
axis = np.geomspace(0.5, 500, 14)
memory = DIAGRAMS["memorisation"].compute(psi_p=axis, psi_n=axis, tau=[1e3, 1e4], progress=False)
fig = plot_diagram(memory)

# %% [markdown]
# ## When should training stop?

# %% alt="Maps over psi_n and psi_p of the best time to stop, and of the test loss there above that of the true score"
axis = np.geomspace(0.5, 500, 10)
best = DIAGRAMS["stopping"].compute(psi_p=axis, psi_n=axis, t=0.1, progress=False)
fig = plot_diagram(best)

# %% [markdown]
# ## How much data does a linear denoiser need, and which ridge is best?
#
# Divergences of [Merger and Goldt (2025)](https://arxiv.org/abs/2505.24769) between the data and
# what is sampled. Without a ridge they blow up for fewer samples than dimensions. For isotropic
# data the ridge that is best for $D$(model || data) lies on the dotted line, the variance divided
# by $1+n/d$.

# %% alt="Maps over samples per dimension and ridge of the divergences of a linear denoiser, with the best ridge"
kl = DIAGRAMS["kl"].compute(progress=False)
fig = plot_diagram(kl)
load = kl["load"].values
_ = fig.axes[1].plot(load, 1 / (1 + load), ":", color="#D55E00", lw=3)

# %% [markdown]
# ## A function of one's own
#
# Any function of keyword arguments that returns a dict of numbers or arrays can be swept. This one
# asks how well a spike in the data covariance, a direction of large variance, shows in the network.
# Below the dashed line, the transition, it does not show at all.


# %% alt="Map over psi_n and variance of the overlap of an outlier with a spike, with the threshold as a dashed line"
def spike(variance, psi_n, psi_p, t):
    """Overlap of the outlier's eigenvector with the direction of the spike, and the transition."""
    population = rs.PopulationSpectrum([1.0], spikes=[variance])
    outliers = rs.RandomFeatureModel(psi_p, psi_n, t, population=population).outliers()
    return {"overlap": outliers.overlap[0], "threshold": outliers.threshold[0]}


grid = {
    "variance": np.geomspace(1.05, 20, 40),
    "psi_n": np.geomspace(0.2, 50, 40),
    "psi_p": 32.0,
    "t": 0.01,
}
spikes = rs.sweep(spike, grid, progress=False)
fig, ax = plt.subplots(figsize=(6, 4.2), layout="constrained")
plot_map(spikes.overlap, ax, scale="linear", label="squared overlap with the spike")
ax.plot(spikes.psi_n, spikes.threshold.isel(variance=0), "--", color="white", lw=2)
ax.set(xlabel=r"samples per dimension, $\psi_n$", ylabel="variance along the spike")
print(spikes.sizes, spikes.overlap.max().item())

# %% [markdown]
# ## A point that fails
#
# It becomes NaN, its reason a sentence in `failure`, and the sweep goes on.


# %%
def fragile(x):
    """The logarithm, where there is one."""
    if x <= 0:
        raise ValueError(f"no logarithm of {x:g}")
    return {"log": np.log(x)}


with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    partial = rs.sweep(fragile, {"x": [-1.0, 1.0, np.e]}, progress=False)
print(caught[0].message)
print(partial.log.values, partial.failure.values)

# %% [markdown]
# ## Long sweeps: keep them, continue them, spread them
#
# With `store=` every finished block is on disk at once. A sweep that was ended, by whatever it was,
# goes on where it stopped when it is called again; one that is finished is only read. A store of
# other parameters is refused, not overwritten.

# %%
store = Path(tempfile.mkdtemp()) / "times.zarr"
question = {"psi_p": np.geomspace(1, 100, 24), "psi_n": np.geomspace(1, 100, 24), "t": 0.01}
for attempt in ("computed", "read"):
    start = time.perf_counter()
    kept = rs.sweep("timescales", question, store=store, progress=False)
    print(f"{attempt:9} in {time.perf_counter() - start:.2f} s")
try:
    rs.sweep("timescales", {**question, "t": 0.02}, store=store, progress=False)
except ValueError as refusal:
    print(str(refusal).replace(str(store), "times.zarr"))

# %% [markdown]
# The same call with `client=` computes on any Dask cluster. Results do not depend on where, in
# which order or in which blocks they were computed, to the last bit.

# %%
with Client(n_workers=2, threads_per_worker=1, dashboard_address=None) as client:
    there = rs.sweep("timescales", question, client=client, chunk=50, progress=False)
print("identical:", there.identical(kept.load()))
