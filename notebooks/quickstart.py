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
# # Quickstart: from your data to a spectrum, training times and a stopping time
#
# A diffusion model learns the score of noisy data. First it learns what the data have in common,
# later it memorises single samples. In the random-feature model of
# [Bonnaire, Urfin, Biroli and Mézard (2025)](https://arxiv.org/abs/2505.17638) the eigenvalues of
# one matrix, $U$, say when which of the two happens, and they follow from the covariance of the
# data. This page goes that way with 1797 handwritten digits; put your own array in their place.

# %%
import warnings

import matplotlib.pyplot as plt
import numpy as np
from ipywidgets import FloatLogSlider, interact
from sklearn.datasets import load_digits

import rmtspec as rs
from rmtspec.inputs.samples import standardise
from rmtspec.plots.curves import plot_learning_curves
from rmtspec.plots.spectra import mark_timescales, plot_spectrum

plt.rcParams.update({"figure.dpi": 90, "legend.frameon": False, "legend.fontsize": "small"})
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})

# %% [markdown]
# ## Your data
#
# An array with one sample a row. `standardise` takes the mean away and divides by one number, so
# that the mean variance is 1, that of the noise. 1000 rows are for training, the others show what
# fresh data look like.

# %% alt="Twenty handwritten digits, and the eigenvalues of their covariance against rank"
x = standardise(load_digits().data)
x = np.random.default_rng(0).permutation(x)
train, held_out = x[:1000], x[1000:]

ratio = rs.PopulationSpectrum.from_samples(x).participation_ratio
covariance = np.sort(np.linalg.eigvalsh(np.cov(x.T)))[::-1]
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 2.9), layout="constrained")
pictures = np.pad(load_digits().images[:24], ((0, 0), (1, 1), (1, 1)))
left.imshow(np.block([list(row) for row in pictures.reshape(4, 6, 10, 10)]), cmap="Greys")
left.set_axis_off()
right.loglog(1 + np.arange(61), covariance[:61], "o-", ms=3, color="#0072B2")
right.set(xlabel="rank", ylabel="eigenvalue of the covariance")
line = right.axvline(ratio, color="#333333", lw=0.8, ls=":")
note = right.annotate(f"participation ratio {ratio:.1f}", (ratio * 1.1, 5), fontsize="small")

# %% [markdown]
# ## Where are the eigenvalues?
#
# `from_data` takes the rows as they are; you choose the network and the noise: here 16 neurons per
# dimension at diffusion time $t=0.1$. Eigenvalues of the data that lie apart give a bulk of their
# own, here those of the first principal components (green, right). Large eigenvalues are learned
# first; each family is marked with the training time at which its slowest mode is learned. With
# few effective dimensions the low end is not to be trusted, and the package says so.

# %% alt="Spectrum of U for the digits, with named bulks and the training time at the lower end of each family"
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always", rs.FewDimensionsWarning)
    model = rs.RandomFeatureModel.from_data(train, psi_p=16, t=0.1, test=held_out)
print(caught[0].message)

law, times = model.spectrum(), model.timescales()
fig, ax = plt.subplots(figsize=(8, 4), layout="constrained")
plot_spectrum(law, ax, names=model.bulk_names())
mark_timescales(ax, times, law.origin)

# %% [markdown]
# ## When does it generalise, when does it memorise, when should it stop?
#
# Train and test loss at every training time, within a few per cent of those of a real network of
# this kind. The circle is the best moment to stop; in the band the test loss is within 5 % of what
# it gains. Times are in units of
# (steps)·(learning rate)/$d^2$; `stability_limit` is the largest increment a step may make.

# %% alt="Train, test and generalisation loss of the digits against training time, with the window and the best stopping time"
training = model.training()
tau = np.geomspace(0.3, 3e5, 300)
axes = plot_learning_curves(model.learning_curves(tau), training)

best, end = training.best_stopping(), model.learning_curves(np.inf)
window = training.window()
print(f"within 5 % from tau = {window.tau_gen_loss:.0f} to {window.tau_mem_loss:.0f}")
print(f"stop at tau = {best.tau:.0f}, in at least {best.tau / training.stability_limit:.0f} steps")
print(f"test loss {best.test:.3f} there, {end.test:.3f} at the end; train loss {end.train:.3f}")

# %% [markdown]
# All of this in one call, from the raw rows, with errors and with reasons for doubt (in the shell:
# `rmtspec stop --data FILE`):

# %%
with warnings.catch_warnings():
    warnings.simplefilter("ignore", rs.FewDimensionsWarning)
    report = rs.stopping_report(train[:400], psi_p=16, t=0.1)
print(report)

# %% [markdown]
# ## Would more data help?
#
# Fresh samples of the population behind the images, as many as one likes: `debias=True` takes the
# noise of few rows out of their covariance. More samples lower the best test loss a little and move
# memorisation far away: stopping early matters less and less. (This is the theory of Gaussian data
# with that covariance; late losses of real ones are lower, see `how_far_to_trust`.)

# %% alt="Test and train loss against training time for 250 to 16000 samples, with the best stopping time of each"
population = rs.PopulationSpectrum.from_samples(x, debias=True)
fig, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
for samples, colour in zip(
    (250, 1000, 4000, 16000), plt.colormaps["viridis"](np.linspace(0, 0.85, 4)), strict=True
):
    fresh = rs.RandomFeatureModel(16, samples / 64, 0.1, population=population)
    curve, stop = fresh.learning_curves(tau), fresh.training().best_stopping()
    ax.semilogx(tau, curve.test, color=colour, label=f"{samples} samples")
    ax.semilogx(tau, curve.train, "--", color=colour)
    ax.plot(stop.tau, stop.test, "o", color=colour)
ax.set(xlabel=r"training time $\tau$", ylabel="test loss (train dashed)", ylim=(0.25, 1.02))
legend = ax.legend()

# %% [markdown]
# ## Another network, another noise
#
# Four times the neurons at less noise: training takes several times as long, and memorisation costs
# more. Below, in a running kernel, sliders for the neurons per dimension and the diffusion time,
# quick by the Gaussian equivalent of the neurons.


# %% alt="Train, test and generalisation loss of a wider network at lower noise against training time, with its best stopping time"
def curves_of(psi_p=64.0, t=0.03):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rs.FewDimensionsWarning)
        chosen = rs.RandomFeatureModel.from_data(train, psi_p, t, test=held_out, kernel="gaussian")
    ax = plt.figure(figsize=(7, 3.4), layout="constrained").subplots()
    plot_learning_curves(chosen.learning_curves(tau), chosen.training(), ax)
    plt.show()


curves_of()

# %%
sliders = interact(
    curves_of,
    psi_p=FloatLogSlider(64, min=-1, max=3, continuous_update=False),
    t=FloatLogSlider(0.03, min=-2.5, max=0.5, continuous_update=False),
)

# %% [markdown]
# ## No data, only a covariance?
#
# Any spectrum will do: eigenvalues with weights, a power law, or isotropic data.

# %%
spectra = {
    "isotropic": rs.PopulationSpectrum.isotropic(),
    "two levels": rs.PopulationSpectrum([0.5, 1.5]),
    "power law": rs.PopulationSpectrum.power_law(1.0, 200),
}
print("              tau_gen     tau_mem   best stop  score error")
for name, spectrum in spectra.items():
    other = rs.RandomFeatureModel(psi_p=64, psi_n=8, t=0.1, population=spectrum)
    times, best = other.timescales(), other.training().best_stopping()
    print(
        f"{name:11s}{times.tau_gen:10.1f}{times.tau_mem:12.1f}{best.tau:12.1f}{best.score_error:13.4f}"
    )

# %% [markdown]
# `how_far_to_trust` holds all this against simulations; `learning_curves` and `linear_denoisers`
# go through the figures of the papers.
