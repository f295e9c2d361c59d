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
# descent on the denoising loss at one diffusion time $t$. The figures of the paper (5, 11, 12, 13)
# come from networks trained at $d=100$; here they are theory, in the limit of many neurons $p$,
# samples $n$ and dimensions $d$ at fixed $\psi_p=p/d$ and $\psi_n=n/d$. Nothing is fitted. Training
# time is $\tau$ = steps · rate / $d^2$, losses are per dimension, and a network that does nothing
# has loss 1. How far this is from trained networks is shown in `how_far_to_trust`.

# %%
import matplotlib.pyplot as plt
import numpy as np
from ipywidgets import FloatLogSlider, interact
from matplotlib.colors import LogNorm

import rmtspec as rs
from rmtspec.plots.curves import plot_learning_curves

plt.rcParams.update({"figure.dpi": 90, "legend.frameon": False, "legend.fontsize": "small"})
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})
SHADES = plt.colormaps["viridis"](np.linspace(0, 0.85, 4))

# %% [markdown]
# ## How does training go?
#
# First the population is learned and the score error falls; then single samples are memorised and
# it rises again. Dotted lines are times that the spectrum alone foretells, the circle is the best
# moment to stop, the band the time between having learned and starting to memorise.

# %% alt="Train, test and generalisation loss and score error against training time, with the times of the families, the window and the best stopping time"
training = rs.RandomFeatureModel(psi_p=64, psi_n=8, t=0.1).training()
tau = np.geomspace(0.1, 1e6, 300)
axes = plot_learning_curves(training.learning_curves(tau), training)

# %% [markdown]
# Sliders for the three parameters, in a running kernel:


# %%
def losses(psi_p=64.0, psi_n=8.0, t=0.1):
    chosen = rs.RandomFeatureModel(psi_p, psi_n, t).training()
    ax = plt.figure(figsize=(7, 3.2), layout="constrained").subplots()
    plot_learning_curves(chosen.learning_curves(tau), chosen, ax)
    plt.show()


sliders = interact(
    losses,
    psi_p=FloatLogSlider(64, min=-1, max=3, continuous_update=False),
    psi_n=FloatLogSlider(8, min=-1, max=3, continuous_update=False),
    t=FloatLogSlider(0.1, min=-3, max=0.5, continuous_update=False),
)

# %% [markdown]
# ## Do more samples help? (Fig. 5A, 5B)
#
# They move memorisation to later times, and leave the time of generalisation where it is: the
# window in which one may stop grows with $n$. Insets: against $\tau/\tau_{mem}$, with
# $\tau_{mem}=\psi_p/(\Delta_t\lambda_{min})$ at the lower edge of the sample bulk, the rises of the
# score error come together as long as there are many more neurons than samples. At $\psi_n=32$,
# half of $\psi_p$, the sample bulk has merged with the slow one and they do so less well.

# %% alt="Score error, and train and test loss, against training time for five psi_n; insets with time in units of the memorisation time"
loads = (4, 8, 16, 32)
models = [rs.RandomFeatureModel(psi_p=64, psi_n=load, t=0.1) for load in loads]
curves = [model.learning_curves(tau) for model in models]

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4.4), layout="constrained")
score = left.inset_axes((0.47, 0.15, 0.5, 0.27))
loss = right.inset_axes((0.08, 0.58, 0.40, 0.40))
for load, model, one, colour in zip(loads, models, curves, SHADES, strict=True):
    scaled = tau / model.timescales().tau_mem
    left.loglog(tau, one.score_error, color=colour, label=rf"$\psi_n$ = {load}")
    score.loglog(scaled, one.score_error, color=colour, lw=1)
    for ax, times, width in ((right, tau, 1.5), (loss, scaled, 1)):
        ax.semilogx(times, one.train, color=colour, lw=width)
        ax.semilogx(times, one.test, "--", color=colour, lw=width)
left.set(xlabel=r"training time $\tau$", ylabel="score error", ylim=(1e-4, 30))
right.set(xlabel=r"training time $\tau$", ylabel="train loss, test loss (dashed)", ylim=(0.1, 3))
score.set(xlim=(1e-4, 100), ylim=(1e-2, 20), xlabel=r"$\tau/\tau_{mem}$")
loss.set(xlim=(1e-3, 30), ylim=(0.2, 2), xlabel=r"$\tau/\tau_{mem}$")
for ax in (score, loss):
    ax.tick_params(labelsize="x-small")
    ax.xaxis.label.set_size("small")
legend = fig.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=4)

# %% [markdown]
# Two clocks for the same window: the edges of the spectrum, and the curves themselves (score error
# within 10 % of its minimum; generalisation loss at half its final value). Here there are 512
# neurons per dimension, so that $\tau_{mem}\propto n$ holds over the whole range.

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
# ## When is a network too large for its data? (Fig. 5C)
#
# Generalisation loss after $\tau=10^3$ and $10^4$. Left of the white line, where it is above 0.1,
# the network has memorised; the dotted line is $n=p$. A wide network needs fewer samples than
# neurons, because memorising takes a time proportional to $n$: the boundary bends and, for very
# wide networks, stands still at a number of samples that grows with $\tau$. Only endless training
# brings it to some $2p$ samples (dashed).

# %% alt="Maps of the generalisation loss over psi_n and psi_p at two training times, with the line between generalising and memorising"
grid = {"psi_p": np.geomspace(1, 128, 33), "psi_n": np.geomspace(1, 128, 33), "t": 0.1}
phase = rs.sweep("learning_curves", {**grid, "tau": [1e3, 1e4]}, progress=False)
ends = {"psi_p": grid["psi_p"][::2], "t": 0.1, "tau": [1e3, 1e4, np.inf]}
border = rs.sweep("memorisation", ends, progress=False).boundary

fig, both = plt.subplots(1, 2, figsize=(10, 4), layout="constrained", sharey=True)
for i, (ax, when) in enumerate(zip(both, (1e3, 1e4), strict=True)):
    colours = ax.contourf(
        phase.psi_n,
        phase.psi_p,
        phase.generalization.sel(tau=when),
        np.geomspace(4e-3, 4, 25),
        norm=LogNorm(),
        cmap="magma",
        extend="both",
    )
    ax.plot(border.sel(tau=when), border.psi_p, color="white", lw=2)
    ax.plot(border.sel(tau=np.inf), border.psi_p, "--", color="white", lw=1)
    ax.plot([1, 128], [1, 128], ":", color="white", lw=1)
    ax.text(2, 60, "memorises", color="black", weight="bold")
    ax.text(22, 3, "generalises", color="white", weight="bold")
    ax.set(xscale="log", yscale="log", xlim=(1, 128), ylim=(1, 128))
    ax.set(xlabel=r"samples per dimension $\psi_n$", title=rf"$\tau=10^{3 + i}$")
both[0].set_ylabel(r"neurons per dimension $\psi_p$")
bar = fig.colorbar(colours, ax=both, label="generalisation loss", ticks=[0.01, 0.1, 1])

# %% [markdown]
# ## At other noise levels? (Fig. 11)
#
# Generalisation loss for $\psi_p=32$; the caption of the figure does not give $\psi_n$ and $t$, so
# these are stand-ins. Below, against $\tau/\psi_n$. The smaller $t$, the later and the more is
# memorised: all times scale as $1/\Delta_t$, and the late ones once more.

# %% alt="Generalisation loss against training time, and against training time over psi_n where the rises collapse, at three diffusion times"
fig, rows = plt.subplots(2, 3, figsize=(10, 5), layout="constrained", sharex="row", sharey="col")
wide = np.geomspace(0.1, 1e8, 300)
for column, t in enumerate((0.01, 0.1, 1.0)):
    for load, colour in zip((2, 4, 8, 16), SHADES, strict=True):
        one = rs.RandomFeatureModel(32, load, t).learning_curves(wide)
        for ax, times in zip(rows[:, column], (wide, wide / load), strict=True):
            ax.semilogx(times, one.generalization, color=colour, label=rf"$\psi_n$ = {load}")
    rows[0, column].set(title=f"$t$ = {t:g}", xlabel=r"training time $\tau$", xlim=(0.1, 1e8))
    rows[1, column].set(xlabel=r"$\tau/\psi_n$", xlim=(0.1, 1e7))
for ax in rows[:, 0]:
    ax.set_ylabel("generalisation loss")
legend = rows[0, 0].legend()

# %% [markdown]
# ## On another scale of the data? (Fig. 12)
#
# Standard deviation 2 and 0.5 in place of 1. The activation is not scale free: its coefficients are
# taken at the variance of the noised data. Large data hide the noise, and more is memorised, and
# sooner. In small data the same noise is easy to tell: the loss falls far at once, and little is
# left to memorise.

# %% alt="Train and test loss against training time for four psi_n on data of standard deviation 2 and 0.5"
fig, both = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
for deviation, ax in zip((2.0, 0.5), both, strict=True):
    population = rs.PopulationSpectrum.isotropic(deviation**2)
    for load, colour in zip(loads, SHADES, strict=True):
        one = rs.RandomFeatureModel(64, load, 0.1, population=population).learning_curves(tau)
        ax.semilogx(tau, one.train, color=colour, label=rf"$\psi_n$ = {load}")
        ax.semilogx(tau, one.test, "--", color=colour)
    ax.set(xlabel=r"training time $\tau$", ylim=(0, 2), title=rf"$\sigma_x$ = {deviation:g}")
both[0].set_ylabel("train loss, test loss (dashed)")
legend = both[0].legend()

# %% [markdown]
# ## How good can it get? (Fig. 13)
#
# The score error, and its least value over $\tau$ against samples, for 32 neurons per dimension at
# $t=0.01$. The paper fits $\psi_n^{-0.59}$ to trained networks. A straight line through the exact
# curve from 2 to 64 has nearly the same slope, but the curve is none: the local exponent runs from
# -0.2 to -0.7 and falls off again once there are more samples than the neurons can use. The number
# is a fit across a crossover. With very many neurons the exponent goes on towards -1.

# %% alt="Score error against training time, its least value against psi_n with a fitted slope, and the local exponent"
counts = np.geomspace(1, 1024, 21)
least = {
    psi_p: np.array(
        [
            rs.RandomFeatureModel(psi_p, load, 0.01).training().best_stopping().score_error
            for load in counts
        ]
    )
    for psi_p in (32, 4096)
}
fitted = (counts > 1.9) & (counts < 65)
slope, height = np.polyfit(np.log(counts[fitted]), np.log(least[32][fitted]), 1)
print(f"slope of the line from 2 to 64: {slope:.3f}")

fig, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
for load, colour in zip(loads, SHADES, strict=True):
    one = rs.RandomFeatureModel(32, load, 0.01).learning_curves(wide)
    left.loglog(wide, one.score_error, color=colour, label=rf"$\psi_n$ = {load}")
for (psi_p, values), colour in zip(least.items(), ("#0072B2", "#E69F00"), strict=True):
    middle.loglog(counts, values, "o-", ms=3, color=colour, label=rf"$\psi_p$ = {psi_p}")
    right.semilogx(counts, np.gradient(np.log(values), np.log(counts)), color=colour)
line = np.exp(height) * counts[fitted] ** slope
middle.loglog(counts[fitted], 1.25 * line, "--", color="#333333", label=f"slope {slope:.2f}")
right.axhline(-0.59, color="#333333", ls="--")
right.text(1.1, -0.6, "-0.59", fontsize="small", va="top")
left.set(xlabel=r"training time $\tau$", ylabel="score error", title=r"$\psi_p$ = 32")
middle.set(xlabel=r"samples per dimension $\psi_n$", ylabel="least score error")
right.set(xlabel=r"samples per dimension $\psi_n$", ylabel="local exponent", ylim=(-1, 0))
left.legend(loc="upper left")
legend = middle.legend()

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
# ## Do steps of finite size matter?
#
# Only near the stability limit, and there only at first (dots are single steps): the limit is set
# by the fastest modes, and all others see a flow. Here the first large step alone, after which $A$
# is a multiple of $V^\top$, beats the best time of the flow. Heavy-ball momentum $\beta$ with small
# steps runs $1/(1-\beta)$ times as fast, past the same curve to the same end. A random start costs
# at first and is soon forgotten; a ridge stops memorisation where the modes are slower than it.

# %% alt="Score error against training time under gradient flow, large steps, momentum, a ridge and non-zero initial entries"
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
    times, values = one.tau[one.tau > 0], one.score_error[one.tau > 0]
    ax.loglog(times, values, style, color=colour, label=name)
    if rule.step == step:
        ax.plot(times[times < 50], values[times < 50], ".", color=colour)
ax.set(xlabel=r"training time $\tau$", ylabel="score error")
ax.legend()
print(f"stability limit {flow.stability_limit:.3f}")
