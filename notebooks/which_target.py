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
# # Which target, which noise level, and when is it memorising
#
# Diffusion models are trained on $x_s=\alpha x+\sigma\xi$ along many paths (DDPM, EDM, flow
# matching) and asked for many targets $u\xi+wx$ (noise, data, v, velocity). Two facts sort them.
# **Every path** is the Ornstein-Uhlenbeck path at the same signal-to-noise ratio
# $\alpha^2/\sigma^2$, with a gain on the input of the network. **Every target** is the noise with a
# skip $\chi x_s$ taken off, and a clock. The spectrum of the features, its edges and its times do
# not see the target; the losses, the best time to stop and the memorised part do.
#
# Times below are those of gradient flow on the loss $|N-\mathrm{target}|^2/d$ of weight 1.

# %%
import matplotlib.pyplot as plt
import numpy as np

import rmtspec as rs

plt.rcParams.update({"figure.dpi": 90, "legend.frameon": False, "legend.fontsize": "small"})
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})
BLUE, ORANGE, GREEN, PURPLE, DARK = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#333333"
COLOURS = {"noise": BLUE, "data": ORANGE, "v": GREEN, "velocity": PURPLE}

atoms = rs.PopulationSpectrum([0.5, 1.5], [0.5, 0.5])
power_law = rs.PopulationSpectrum.power_law(1.0, 100)


def model_at(alpha_bar, population=power_law, psi_p=16, psi_n=4):
    return rs.RandomFeatureModel(psi_p, psi_n, rs.NoiseLevel.ddpm(alpha_bar), "tanh", population)


# %% [markdown]
# ## Paths and targets, as one writes them

# %%
for level in (rs.NoiseLevel.ddpm(0.8), rs.NoiseLevel.edm(0.5), rs.NoiseLevel.flow(1 / 3)):
    skips = {
        name: rs.Prediction.named(name).noise_skip(level) * level.sigma
        for name in ("noise", "data", "v", "velocity", "edm")
    }
    shown = ", ".join(f"{name} {value:.3f}" for name, value in skips.items())
    print(f"{level!s:11} snr {level.snr:.3f}, t {level.t:.4f}, gain {level.ou_gain:.3f}")
    print(f"            chi sigma: {shown}")

# %% [markdown]
# All three have the same signal-to-noise ratio, and so the same time t. The skip is 0 for noise and
# $1/\sigma$ for data; EDM with $\sigma_d=1$ stands where v-prediction stands on the
# variance-preserving path. It *is* v-prediction there, to rounding:

# %%
edm = rs.RandomFeatureModel(16, 4, rs.NoiseLevel.edm(0.5), population=atoms)
v = rs.RandomFeatureModel(16, 4, rs.NoiseLevel.edm(0.5).t, population=atoms)
tau = np.geomspace(1e-2, 1e5, 8)
apart = (
    edm.learning_curves(tau, prediction="edm").test - v.learning_curves(tau, prediction="v").test
)
print(f"largest difference of the test losses: {np.abs(apart).max():.1e}")

# %% [markdown]
# ## Which target at which noise level: the flips

# %%
compared = model_at(0.8).training().compare()
print(compared)

# %% alt="Score error against training time for four predictions, and the least error of each along the path with the levels at which two change places"
fig, axes = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
_ = compared.plot(axes)
# %% [markdown]
# Read from the right: at little noise (large ratio) noise prediction beats data prediction by far,
# because data prediction has to represent $x_s$ itself ($\chi=1/\sigma$) before it can say
# anything of the score. At much noise the order is the other way round. v-prediction stays within
# 7 % of the best everywhere if the data have unit variance, and stops earlier.
#
# Where noise and data change places depends on the sizes: wider networks represent $x_s$ more
# cheaply, more samples make noise prediction pay.

# %%
print("alpha_bar at which noise and data prediction are equally good")
print(f"{'psi_p, psi_n':>14} {'isotropic':>10} {'two atoms':>10} {'power law':>10}")
for psi_p, psi_n in ((16, 4), (16, 16), (4, 4), (64, 4)):
    row = []
    for population in (rs.PopulationSpectrum.isotropic(), atoms, power_law):
        training = model_at(0.8, population, psi_p, psi_n).training()
        row.append(training.compare(["noise", "data"]).flips[0]["alpha_bar"])
    print(f"{psi_p:>8}, {psi_n:>4} " + " ".join(f"{value:10.3f}" for value in row))

# %% [markdown]
# ## The exception: data whose variance is not one
#
# v-prediction has the skip of data of variance 1. For data of variance 4 it is no longer a good
# one; EDM, told the right scale, is.

# %%
large = rs.PopulationSpectrum([2.0, 6.0], [0.5, 0.5])
print(f"{'alpha_bar':>9} {'noise':>8} {'v':>8} {'EDM, scale 2':>13}   least score error")
for alpha_bar in (0.98, 0.8, 0.3):
    rows = model_at(alpha_bar, large).training().compare(["noise", "v", "edm:2"], flips=False)
    errors = [row["score_error"] for row in rows["predictions"]]
    print(f"{alpha_bar:>9} {errors[0]:8.4f} {errors[1]:8.4f} {errors[2]:13.4f}")

# %% [markdown]
# ## A degenerate case: isotropic data of unit variance
#
# There the skip of v-prediction *is* the exact score. Nothing is left to be learned: training only
# harms, from the first step. A toy problem on white data says nothing of v-prediction.

# %% alt="Error of the score of a v prediction on white data against training time, rising from the start"
white = rs.RandomFeatureModel(16, 4, rs.NoiseLevel.ddpm(0.8))
curves = white.learning_curves(np.geomspace(1e-2, 1e4, 120), prediction="v")
print(
    "score error before training:",
    f"{float(white.learning_curves(0, prediction='v').score_error):.1g}",
)
print("best stopping:", white.training(prediction="v").best_stopping().tau)
fig, ax = plt.subplots(figsize=(5, 3.2), layout="constrained")
ax.loglog(curves.tau, curves.score_error, color=GREEN)
_ = ax.set(
    xlabel=r"training time $\tau$", ylabel="squared error of the score", title="v, white data"
)
# %% [markdown]
# ## The best skip
#
# For data of a spread spectrum a larger skip than that of v gains a little more: the network
# learns the directions of large variance itself, and leaves the others to the skip.

# %% alt="Best skip in units of v prediction against training time at three signal levels, with the best stopping times"
tau = np.geomspace(0.1, 1e3, 200)
fig, ax = plt.subplots(figsize=(5.5, 3.4), layout="constrained")
for alpha_bar, colour in ((0.98, BLUE), (0.8, ORANGE), (0.3, GREEN)):
    training = model_at(alpha_bar).training(prediction="noise")
    found, sigma = training.best_skip(tau), training.model.level.sigma
    ax.semilogx(tau, found.skip / sigma, color=colour, label=rf"$\bar\alpha={alpha_bar}$")
    best = int(np.argmin(found.score_error))
    ax.plot(tau[best], found.skip[best] / sigma, "o", color=colour, ms=5)
    print(
        f"alpha_bar {alpha_bar}: least error {found.score_error[best]:.4f} at "
        f"chi/sigma {found.skip[best] / sigma:.2f}"
    )
ax.axhline(1.0, color=DARK, lw=0.7, ls=":")
ax.set(xlabel=r"training time $\tau$", ylabel=r"best skip $\chi/\sigma$ (v: 1)", ylim=(-4, 3))
_ = ax.legend()
# %% [markdown]
# ## When has it begun to lean on single samples?
#
# The pull of the score to the clean sample behind a noised point, on own training points against
# fresh ones, gives the memorised fraction $\beta$: 0 where own samples are nothing special, 1 where
# they are fixed points of the denoiser. It has **no onset**: it grows linearly in time and like
# 1/n from the first step, when the gap of the losses is still $O(\tau^3)$ and the distance of two
# networks $O(\tau^4)$. Losses cannot see its beginning.

# %% alt="Memorised fraction, test minus train loss and distance of two networks against training time; squared bias, variance and score error beside them"
training = rs.RandomFeatureModel(32, 8, 0.1).training()  # the score itself, in its own clock
tau = np.geomspace(0.03, 1e5, 200)
pair, curves = training.two_data_sets(tau), training.learning_curves(tau)
beta = training.memorised_fraction(tau)
best = training.best_stopping()
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
left.loglog(tau, beta, color=PURPLE, label=r"memorised fraction $\beta$")
left.loglog(tau, curves.generalization, color=BLUE, label="test - train")
left.loglog(tau, pair.distance, color=ORANGE, label="distance of two networks")
left.set(xlabel=r"training time $\tau$", ylim=(1e-8, 5))
right.loglog(tau, pair.bias, color=BLUE, label=r"bias$^2$ of the mean score")
right.loglog(tau, pair.variance, color=ORANGE, label="variance over data sets")
right.loglog(tau, pair.score_error, color=DARK, ls="--", label="score error")
right.set(xlabel=r"training time $\tau$", ylim=(1e-4, 10))
for ax in (left, right):
    ax.axvline(best.tau, color=DARK, lw=0.7, ls=":")
    ax.legend()
print(f"best stopping {best.tau:.1f}: memorised {float(training.memorised_fraction(best.tau)):.3f}")
print(f"1 % memorised at {training.time_at_fraction(0.01):.2f}")

# %% [markdown]
# The variance passes the bias before the test loss has its minimum (dotted): the network leans on
# its samples while it still improves. Early stopping at the test minimum always leaves a memorised
# part of order $1/\psi_n$; a chosen $\beta$ is the earlier rule as long as $\psi_n$ is not large.
#
# ## Why averaging two networks does not undo memorisation
#
# Averaging over data sets removes the variance and leaves the bias. At the best stopping that
# helps: most of the error is variance. At the end of training it does not: the larger part of the
# error is common to all data sets, because the memorised score is too steep at fresh points.

# %%
for name, when in (("best stopping", best.tau), ("end of training", np.inf)):
    found = training.two_data_sets(when)
    one, many = float(found.score_error), float(found.bias)
    two = many + 0.5 * float(found.variance)
    print(
        f"{name:16} one network {one:.4f}, mean of two {two:.4f}, of many {many:.4f} "
        f"({many / one:.0%} stays)"
    )

# %% [markdown]
# ## What to train, in three lines
#
# - v-prediction, or EDM with the scale of the data: the best, or within 7 % of it, at every level.
# - Noise prediction at little noise, never data prediction there; at much noise the other way.
# - Stop at the least test loss, or at a memorised fraction that one can defend:
#   `training.time_at_fraction(0.01)`. On own data `rmtspec stop` says how much is memorised then.
