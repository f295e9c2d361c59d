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
# # Learning curves: when does a score model learn, when does it memorise?
#
# The random-feature score model $A\,\sigma(Wx/\sqrt d)/\sqrt p$ of
# [Bonnaire, Urfin, Biroli and Mézard (2025)](https://arxiv.org/abs/2505.17638), trained by gradient
# descent on the denoising loss at one diffusion time $t$. In the limit of many neurons $p$, samples
# $n$ and dimensions $d$ its train loss, test loss and distance to the true score are known at every
# training time $\tau$ = steps · rate / $d^2$. Losses are per dimension; a network that does nothing
# has loss 1.

# %%
import warnings

import matplotlib.pyplot as plt
import numpy as np

import rmtspec as rs
from rmtspec.curve_plot import plot_collapse, plot_learning_curves
from rmtspec.data import digits

plt.rcParams["figure.dpi"] = 72
SHADES = plt.colormaps["viridis"](np.linspace(0, 0.85, 4))

# %% [markdown]
# ## How does training go?
#
# First the population is learned and the score error falls; then single samples are memorised and
# it rises again. Dotted lines are times that the spectrum alone foretells, the circle is the best
# moment to stop.

# %%
training = rs.RandomFeatureModel(psi_p=64, psi_n=8, t=0.1).training()
tau = np.geomspace(0.1, 1e6, 300)
axes = plot_learning_curves(training.learning_curves(tau), training)

# %% [markdown]
# ## Is it true?
#
# Gradient flow on one draw of the Gaussian equivalent in 100 dimensions, by the eigenvectors of
# $U$: $A/\sqrt p=-\Delta_t^{-1/2}V^\top f_\tau(U)$ with $V=bW/\sqrt d$ and
# $f_\tau(\lambda)=(1-e^{-2\Delta_t\lambda\tau/\psi_p})/\lambda$. Nothing is fitted.

# %%
model = rs.RandomFeatureModel(psi_p=8, psi_n=4, t=0.1)
at, d = model.coefficients, 100
p, n = 8 * d, 4 * d
rng = np.random.default_rng(0)
w, x, omega = rng.normal(size=(p, d)), rng.normal(size=(d, n)), rng.normal(size=(p, n))
g = at.c * w @ x / np.sqrt(d) + at.v * omega
value, vector = np.linalg.eigh(g @ g.T / n + at.b**2 / d * w @ w.T + at.s**2 * np.eye(p))
seen = vector.T @ w / np.sqrt(d)
fresh = (at.c**2 + at.b**2) * seen @ seen.T + (at.v**2 + at.s**2) * np.eye(p)
times = np.geomspace(0.1, 1e5, 25)
train, test = [], []
for one in times:
    f = -np.expm1(-2 * model.delta * value * one / model.psi_p) / value
    fit = f[:, None] * seen
    linear = 1 - 2 * at.b**2 * np.sum(seen * fit) / d
    train.append(linear + at.b**2 * np.sum(value[:, None] * fit**2) / d)
    test.append(linear + at.b**2 * np.sum(fit * (fresh @ fit)) / d)

fig, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
plot_learning_curves(model.learning_curves(np.geomspace(0.1, 1e5, 300)), model.training(), ax)
for values in (train, test):
    ax.plot(times, values, "o", ms=4, mfc="none", color="#333333")

# %% [markdown]
# ## Do more samples help?
#
# They move memorisation to later times, $\tau_{mem}\propto n$, and leave the time of generalisation
# where it is. Against $\tau/\psi_n$ the rises come together as long as there are many more neurons
# than samples; at $\psi_n=32$, half of $\psi_p$, they no longer do.

# %%
tau = np.geomspace(0.1, 1e6, 300)
loads = (4, 8, 16, 32)
curves = {load: rs.RandomFeatureModel(64, load, 0.1).learning_curves(tau) for load in loads}

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
for (load, one), colour in zip(curves.items(), SHADES, strict=True):
    left.semilogx(tau, one.train, color=colour, label=rf"$\psi_n$ = {load}")
    left.semilogx(tau, one.test, "--", color=colour)
    right.loglog(tau, one.score_error, color=colour)
left.set(xlabel=r"training time $\tau$", ylabel="train loss, test loss (dashed)", ylim=(0, 2))
right.set(xlabel=r"training time $\tau$", ylabel="score error")
legend = left.legend(frameon=False)

# %%
axes = plot_collapse(curves)

# %% [markdown]
# Two clocks for the same window: the edges of the spectrum, and the curves themselves (score error
# within 10 % of its minimum; generalisation loss at half its final value).

# %%
print("psi_n   tau_gen  by curve   tau_mem  by curve  best stop  score error")
for load in (4, 8, 16, 32, 64):
    one = rs.RandomFeatureModel(512, load, 0.1).training()
    window, best = one.window(), one.best_stopping()
    print(
        f"{load:5d} {window.tau_gen:9.1f} {window.tau_gen_curve:9.1f} {window.tau_mem:9.0f} "
        f"{window.tau_mem_curve:9.0f} {best.tau:10.1f} {best.score_error:12.4f}"
    )

# %% [markdown]
# ## And on another scale of the data?
#
# Standard deviation 2 and 0.5 in place of 1. The activation is not scale free: its coefficients are
# taken at the variance of the noised data.

# %%
fig, both = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
for deviation, ax in zip((2.0, 0.5), both, strict=True):
    population = rs.PopulationSpectrum.isotropic(deviation**2)
    for load, colour in zip(loads, SHADES, strict=True):
        one = rs.RandomFeatureModel(64, load, 0.1, population=population).learning_curves(tau)
        ax.semilogx(tau, one.train, color=colour, label=rf"$\psi_n$ = {load}")
        ax.semilogx(tau, one.test, "--", color=colour)
    ax.set(xlabel=r"training time $\tau$", ylim=(0, 2), title=rf"$\sigma_x$ = {deviation:g}")
both[0].set_ylabel("train loss, test loss (dashed)")
legend = both[0].legend(frameon=False)

# %% [markdown]
# ## How good can it get?
#
# The least score error over $\tau$ against samples, 32 neurons per dimension, $t=0.01$. The paper
# fits $\psi_n^{-0.59}$ to simulations. A straight line through the exact curve from 2 to 64 has the
# same slope, but the curve is none: its local exponent runs from -0.2 to -0.7 and falls off again
# once there are more samples than neurons can use. With very many neurons it goes on towards -1.

# %%
counts = np.geomspace(1, 512, 19)
few, many = (
    np.array(
        [
            rs.RandomFeatureModel(psi_p, load, 0.01).training().best_stopping().score_error
            for load in counts
        ]
    )
    for psi_p in (32, 4096)
)
fitted = (counts >= 2) & (counts <= 64)
slope, height = np.polyfit(np.log(counts[fitted]), np.log(few[fitted]), 1)
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
for values, name, colour in ((few, "32", "#0072B2"), (many, "4096", "#E69F00")):
    left.loglog(counts, values, color=colour, label=rf"$\psi_p$ = {name}")
    right.semilogx(counts, np.gradient(np.log(values), np.log(counts)), color=colour)
line = np.exp(height) * counts[fitted] ** slope
left.loglog(counts[fitted], line, "--", color="#333333", label=f"slope {slope:.2f}")
right.axhline(-0.59, color="#333333", ls="--")
left.set(xlabel=r"samples per dimension $\psi_n$", ylabel="least score error")
right.set(xlabel=r"samples per dimension $\psi_n$", ylabel="local exponent")
legend = left.legend(frameon=False)

# %% [markdown]
# ## When is a network too large for its data?
#
# Below the line the generalisation loss has reached 0.1 by the time $\tau$. With endless training
# that takes about twice as many samples as neurons; stopped earlier, even very wide networks
# generalise from a bounded number of samples.

# %%
sizes = np.geomspace(2, 128, 7)
fig, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
for when, name, colour in zip(
    (1e3, 1e4, np.inf), ("$10^3$", "$10^4$", r"$\infty$"), SHADES, strict=False
):
    border = [
        rs.RandomFeatureModel(size, 1, 0.1).training().memorisation_boundary(when) for size in sizes
    ]
    ax.loglog(sizes, border, "o-", ms=4, color=colour, label=rf"$\tau$ = {name}")
ax.loglog(sizes, sizes, ":", color="#333333", label=r"$\psi_n=\psi_p$")
ax.set(xlabel=r"neurons per dimension $\psi_p$", ylabel=r"$\psi_n$ at the boundary")
legend = ax.legend(frameon=False)

# %% [markdown]
# ## What does each bulk do?
#
# The fast bulk takes away what can be learned of the population. All that is memorised of the noise
# goes with the slow bulk at small $t$; the sample bulk holds most eigenvalues and almost no loss.

# %%
for t in (0.01, 0.1, 1.0):
    one = rs.RandomFeatureModel(64, 8, t).training()
    shares = one.bulk_shares()
    shown = ", ".join(
        f"{name} {share:.4f}" for name, share in zip(one.model.bulk_names(), shares, strict=True)
    )
    end = one.learning_curves(np.inf)
    print(f"t = {t:<5g} {shown}; sum {shares.sum():.4f} = 1 - {float(end.train):.4f}")

# %% [markdown]
# ## What changes when a second cluster leaves the bulk?
#
# A two-cluster mixture with means $\pm m$ is a spike $l_0=\sigma^2+|m|^2$ in the covariance. Above
# a threshold an eigenvalue leaves the fast bulk, but nothing jumps on the curve of its direction:
# that is a smooth function of $l_0$, and so is the time at which half of the score along it is
# known. What is new beyond the threshold is a mode of its own, one pure exponential with the
# outlier's relaxation time, and its share of the direction's loss, which starts from zero. On the
# slow side a second outlier appears: it ends the memorisation along this direction, later than any
# bulk does.

# %%
strengths = np.concatenate([np.linspace(1.0, 2.0, 11), np.geomspace(2.2, 20.0, 12)])
spiked = rs.PopulationSpectrum([1.0], spikes=strengths)
model = rs.RandomFeatureModel(64, 8, 0.1, population=spiked)
out = model.outliers()
fine = np.geomspace(1e-3, 1e3, 1200)
along = model.learning_curves(fine, directions=strengths)
start = 1 / (np.exp(-0.2) * strengths + model.delta)
half = np.array(
    [
        fine[np.argmax(row < 0.5 * first)]
        for row, first in zip(along.score_error, start, strict=True)
    ]
)

fig, (left, middle, right) = plt.subplots(1, 3, figsize=(13, 3.6), layout="constrained")
for strength, colour in zip((1.0, 1.5, 4.0, 12.0), SHADES, strict=True):
    one = model.learning_curves(tau, directions=[strength])
    left.loglog(tau, one.score_error[0], color=colour, label=rf"$l_0$ = {strength:g}")
left.set(xlabel=r"training time $\tau$", ylabel="score error of the direction")
left.legend(frameon=False)
middle.semilogy(strengths, half, color="#0072B2", label="half of the score is known")
middle.semilogy(strengths, out.tau, color="#E69F00", label="relaxation time of the outlier")
middle.set(xlabel="$l_0$", ylabel=r"time $\tau$")
middle.legend(frameon=False)
right.plot(strengths, out.overlap, color="#333333", label="overlap")
right.plot(strengths, out.decrease / model.delta, color="#E69F00", label=r"loss / $\Delta_t$")
right.plot(strengths, out.slow_decrease, "--", color="#009E73", label="loss, slow outlier")
right.set(xlabel="$l_0$", ylabel="what the outlier carries")
right.legend(frameon=False)
for ax in (middle, right):
    ax.axvline(out.threshold[-1], color="#333333", lw=0.8, ls=":")

# %% [markdown]
# ## Do steps of finite size matter?
#
# Only near the stability limit, and there only at first: the limit is set by the fastest modes, and
# all others see a flow. Heavy-ball momentum $\beta$ with small steps runs $1/(1-\beta)$ times as
# fast, past the same curve to the same end. A random start costs at first and is soon forgotten; a
# ridge stops memorisation where the modes are slower than it.

# %%
model = rs.RandomFeatureModel(64, 8, 0.1)
flow = model.training()
step = 0.9 * flow.stability_limit
rules = {
    "flow": flow,
    "0.9 of the largest step": model.training(step=step),
    "momentum 0.5, small steps": model.training(step=step / 50, momentum=0.5),
    "ridge 0.05": model.training(ridge=0.05),
    "initial entries 0.5": model.training(initial=0.5),
}
styles = ("-", "--", "-.", ":", "-")
colours = ("#333333", "#E69F00", "#009E73", "#CC79A7", "#0072B2")
fig, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
for (name, rule), style, colour in zip(rules.items(), styles, colours, strict=True):
    one = rule.learning_curves(tau)
    shown = one.tau > 0
    ax.loglog(one.tau[shown], one.score_error[shown], style, color=colour, label=name)
ax.set(xlabel=r"training time $\tau$", ylabel="score error")
ax.legend(frameon=False, fontsize="small")
print(f"stability limit {flow.stability_limit:.3f}")

# %% [markdown]
# ## And on my data?
#
# `from_data` with held-out rows gives the curves of one very data set: here 512 of the 8 x 8
# digits, with the rest held out. As many fresh samples of the same covariance give the same curve;
# four times as many are hardly overfitted. Against true tanh features digits follow these lines
# within 1 to 7 % up to the best stopping time; the overfitted end is overestimated by 10 to 40 %,
# because the images fill few dimensions and are not Gaussian.

# %%
images = digits()
order = np.random.default_rng(0).permutation(len(images))
train_rows, test_rows = images[order[:512]], images[order[512:]]
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    given = rs.RandomFeatureModel.from_data(train_rows, psi_p=6, t=0.1, test=test_rows)
print(caught[0].message)

population = rs.PopulationSpectrum.from_samples(images)
tau = np.geomspace(1, 1e5, 300)
fig, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
plot_learning_curves(given.learning_curves(tau), given.training(), ax)
for samples, style in ((512, "--"), (2048, ":")):
    fresh_rows = rs.RandomFeatureModel(6, samples / 64, 0.1, population=population)
    label = f"test, {samples} fresh rows"
    ax.semilogx(tau, fresh_rows.learning_curves(tau).test, style, color="#333333", label=label)
ax.set_ylim(0, 1.05)
legend = ax.legend(frameon=False, fontsize="small", ncols=2)
for name, one in (("this data set", given), ("2048 fresh rows", fresh_rows)):
    best = one.training().best_stopping()
    print(f"{name}: stop at {best.tau:.0f}, test loss {best.test:.3f}")
