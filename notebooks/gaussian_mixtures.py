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
# # Gaussian mixtures: when does a network see two clusters?
#
# Data in two clusters, $x=\pm m+\sigma z$, with a separation $|m|$ of order one in $d\gg1$
# dimensions. Their covariance is $\sigma^2I+mm^\top$: one eigenvalue, $l_0=\sigma^2+|m|^2$, stands
# out. A finite number of samples hides it if it is too small, and shows it as an eigenvalue of its
# own if it is large enough: the transition of Baik, Ben Arous and Péché (BBP). The same happens to
# the feature matrix $U$ of a random-feature score model
# ([Bonnaire, Urfin, Biroli and Mézard 2025](https://arxiv.org/abs/2505.17638)), whose eigenvalues
# are the rates of training.
#
# Throughout $\sigma=1$, tanh, $\psi_p=p/d$, $\psi_n=n/d$. That paper has no figure of this kind;
# all settings are ours. Its own mixture experiment (Figure 9: means $\pm\mathbf 1$ in 8 dimensions,
# a deep network) has $|m|^2=d$. There the clusters are apart at all noise levels of interest, their
# score is not linear, and this page does not apply.

# %%
import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display
from scipy.optimize import brentq

import rmtspec as rs

plt.rcParams.update({"figure.dpi": 90, "axes.spines.top": False, "axes.spines.right": False})
BLUE, ORANGE, GREEN, PINK, DARK = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#333333"
rng = np.random.default_rng(0)


def mixture(separation):
    """Population of two clusters at squared distance |m|² from their mean; arrays give spikes."""
    return rs.PopulationSpectrum([1.0], spikes=1.0 + np.atleast_1d(separation))


def clusters(separation, d, n):
    """(d, n) samples; m is along the first axis."""
    x = rng.normal(size=(d, n))
    x[0] += np.sqrt(separation) * rng.choice([-1.0, 1.0], n)
    return x


def dots(ax, places, values, colour, **style):
    """Means over draws (axis 1) with bars of two standard errors."""
    bar = 2 * np.std(values, axis=1, ddof=1) / np.sqrt(np.shape(values)[1])
    mean = np.mean(values, axis=1)
    ax.errorbar(places, mean, bar, fmt="o", ms=4, mfc="white", color=colour, capsize=2, **style)


# %% [markdown]
# ## The transition in the sample covariance
#
# The law of $XX^\top/n$ and its outlier, for two and for eight samples per dimension. Lines:
# theory; dots: two sampled clusters in 200 dimensions, 20 data sets, bars of two standard errors.
# Up to $|m|^2=\psi_n^{-1/2}$ (dotted) the largest eigenvalue stays at the edge of the bulk and
# knows nothing of $m$; beyond, it leaves the bulk, and its eigenvector turns towards $m$:
#
# $$\lambda=(1+|m|^2)\Big(1+\frac1{\psi_n|m|^2}\Big),\qquad
# \cos^2=\frac{1-\psi_n^{-1}|m|^{-4}}{1+\psi_n^{-1}|m|^{-2}}.$$
#
# At finite $d$ the transition is rounded: below it the largest eigenvalue lies under the edge by
# an amount of order $d^{-2/3}$.

# %% alt="Largest eigenvalue of the sample covariance, and overlap of its eigenvector with the mean, against the squared separation, for several psi_n: both leave zero at a threshold"
d, draws, squares = 200, 20, np.linspace(0.02, 4, 200)
fig, (left, right) = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained")
for psi_n, colour in ((2, ORANGE), (8, BLUE)):
    law = rs.SampleCovariance(1 / psi_n, mixture(squares)).spectrum()
    visible = squares > psi_n**-0.5
    edge = law.support[-1, 1]
    left.plot(squares[visible], law.outliers, color=colour, label=rf"$\psi_n$ = {psi_n}")
    left.plot(squares[~visible], np.full(np.sum(~visible), edge), color=colour)
    overlap = np.maximum(1 - 1 / psi_n / squares**2, 0) / (1 + 1 / psi_n / squares)
    right.plot(squares, overlap, color=colour)
    tried, top, seen = (0.1, 0.3, 0.6, 1, 1.5, 2, 3, 4), [], []
    for separation in tried:
        for _ in range(draws):
            x = clusters(separation, d, psi_n * d)
            value, vector = np.linalg.eigh(x @ x.T / x.shape[1])
            top.append(value[-1])
            seen.append(vector[0, -1] ** 2)
    dots(left, tried, np.reshape(top, (-1, draws)), colour)
    dots(right, tried, np.reshape(seen, (-1, draws)), colour)
    for ax in (left, right):
        ax.axvline(psi_n**-0.5, color=colour, lw=0.8, ls=":")
left.set(xlabel="separation $|m|^2$", ylabel="largest eigenvalue", xlim=(0, 4.1))
right.set(xlabel="separation $|m|^2$", ylabel=r"$\cos^2$ of eigenvector and $m$", xlim=(0, 4.1))
left.legend(frameon=False)
plt.show()

# %% [markdown]
# ## The transition in the features
#
# $U$ sees the clusters through $p$ random features and through noise. Its outlier comes from
# `outliers()`; the overlap is that of its eigenvector with $Wm$. Dots: true tanh features (the
# average over the noise by Mehler's sum) of two true clusters in 150 dimensions, 8 draws, bars of
# two standard errors, at $\psi_p=4$, $\psi_n=8$, $t=0.1$. Nothing is fitted, and neither the
# features nor the mixture are replaced by a Gaussian equivalent.
#
# The clusters must lie farther apart than for the sample covariance to see them (dotted), because
# the features dilute and the noise covers: $|m|^2=0.78$ (dashed) in place of $0.35$.


# %% alt="Largest eigenvalue of U, and overlap of its eigenvector with the mean, against the squared separation, with sampled tanh features on the theory"
def network(model, separation, d, orders=4):
    """One U of true tanh features on two clusters: eigenvalues, overlaps with Wm, and (Vm)²."""
    p, n = round(model.psi_p * d), round(model.psi_n * d)
    w = rng.normal(size=(p, d)) / np.sqrt(d)
    length = np.linalg.norm(w, axis=1, keepdims=True)
    seen = np.exp(-model.t) * w @ clusters(separation, d, n)
    nodes, weights = np.polynomial.hermite_e.hermegauss(12)
    hermite = np.polynomial.hermite_e.hermevander(nodes, orders - 1) * weights[:, None]
    feature = np.tanh(seen + np.sqrt(model.delta) * nodes[:, None, None] * length)
    h = np.tensordot(hermite.T / weights.sum(), feature, 1)
    correlation, power, u = (w / length) @ (w / length).T, 1.0, 0.0
    for k in range(orders):
        u, power = u + power * (h[k] @ h[k].T) / n, power * correlation / (k + 1)
    value, vector = np.linalg.eigh(u)
    towards = vector.T @ w[:, 0]
    noise = vector.T @ (h[1].mean(axis=1) * w[:, 0] / length[:, 0])
    return value, towards**2 / np.sum(towards**2), noise**2


d, draws = 150, 8
model = rs.RandomFeatureModel(4, 8, 0.1, population=mixture(np.linspace(0.02, 6.2, 100)))
squares, out = model.population.spikes - 1, model.outliers()
threshold = out.threshold[-1] - 1
edge = model.spectrum().support[-1, 1]
tried = (0.0, 0.4, 0.8, 1.2, 2.0, 4.0, 6.0)
networks = {one: [network(model, one, d) for _ in range(draws)] for one in tried}

fig, (left, right) = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained")
left.axhspan(edge - 2, edge, color=GREEN, alpha=0.3, lw=0, label="fast bulk, upper end")
left.plot(squares, out.location, color=DARK, label="outlier")
right.plot(squares, out.overlap, color=DARK)
top = [[value[-1] for value, _, _ in networks[one]] for one in tried]
dots(left, tried, top, BLUE, label="tanh features, d = 150")
dots(right, tried, [[overlap[-1] for _, overlap, _ in networks[one]] for one in tried], BLUE)
for ax in (left, right):
    ax.axvline(threshold, color=DARK, lw=0.8, ls="--")
    ax.axvline(8**-0.5, color=BLUE, lw=0.8, ls=":")
    ax.set(xlabel="separation $|m|^2$", xlim=(-0.1, 6.3))
left.set(ylabel=r"largest eigenvalue of $U$", ylim=(edge - 0.8, 10))
right.set(ylabel=r"$\cos^2$ of eigenvector and $Wm$", ylim=(-0.03, 1.03))
left.legend(frameon=False)
plt.show()
print(f"threshold |m|^2 = {threshold:.4f}")

# %% [markdown]
# ## At which noise levels are the clusters seen?
#
# Left: the threshold against the diffusion time at $\psi_p=64$. With endless data it is
# $|m|^2=e^{2t}/\sqrt{\psi_p}$: a spike $e^{-2t}|m|^2$ of the noised data, seen through p features.
# At $t\to0$, for a linear activation, $U$ is a product of two sample covariances with outliers at
# $(1+|m|^2)(1+\frac1{\psi_n|m|^2})(1+\frac1{\psi_p|m|^2})$ times the scale, and the threshold is
# where this is stationary (triangles; tanh adds little). So more samples help at small $t$ only;
# later the noise decides, all curves join the first, and clusters are seen up to
# $t=\frac12\ln|m|^2+\frac14\ln\psi_p$. A speciation time of the same form, $\frac12\ln|m|^2$, is
# found by [Biroli, Bonnaire, de Bortoli and Mézard (2024)](https://arxiv.org/abs/2402.18491) for
# the exact score of clusters with $|m|^2\propto d$.
#
# Right: the overlap at fixed separation, $\psi_p=4$, $\psi_n=8$; dots as above, 6 draws.


# %% alt="Threshold of the squared separation against diffusion time for several psi_n, and overlaps against diffusion time for several separations"
def thresholds(psi_p, psi_n, times):
    """Squared separation at which the outlier leaves the fast bulk, by diffusion time."""
    far = mixture(1e3)  # the threshold asked for is the one nearest to the spike
    models = [rs.RandomFeatureModel(psi_p, psi_n, t, population=far) for t in times]
    return np.array([one.outliers().threshold[0] - 1 for one in models])


def product_threshold(psi_p, psi_n):
    """Where the logarithm of (1 + x)(1 + 1/(psi_n x))(1 + 1/(psi_p x)) is stationary."""

    def slope(x):
        return 1 / (1 + x) - 1 / (x * (1 + psi_n * x)) - 1 / (x * (1 + psi_p * x))

    return brentq(slope, 1e-6, 100)


times = np.geomspace(1e-3, 2, 60)
fig, (left, right) = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained")
for psi_n, colour in ((2, ORANGE), (8, BLUE), (32, GREEN), (1e6, DARK)):
    label = rf"$\psi_n$ = {psi_n}" if psi_n < 1e6 else r"$\psi_n=\infty$"
    left.loglog(times, thresholds(64, psi_n, times), color=colour, label=label)
    left.plot(times[0], product_threshold(64, psi_n), ">", ms=6, color=colour, clip_on=False)
left.set_yticks([0.1, 0.2, 0.5, 1, 2, 5], [0.1, 0.2, 0.5, 1, 2, 5])
left.tick_params(axis="y", which="minor", labelleft=False)
left.set(xlabel="diffusion time $t$", ylabel="threshold $|m|^2$", xlim=(times[0], 2))
left.legend(frameon=False)
times, separations = np.geomspace(1e-2, 2, 150), np.array([1.0, 2.0, 4.0, 8.0])
models = [rs.RandomFeatureModel(4, 8, t, population=mixture(separations)) for t in times]
for overlap, one, colour in zip(
    np.transpose([model.outliers().overlap for model in models]),
    separations,
    (PINK, ORANGE, BLUE, GREEN),
    strict=True,
):
    right.semilogx(times, overlap, color=colour, label=f"$|m|^2$ = {one:g}")
tried_times = (0.02, 0.1, 0.3, 0.6, 0.9, 1.4)
seen = [
    [network(rs.RandomFeatureModel(4, 8, t), 4.0, d)[1][-1] for _ in range(6)] for t in tried_times
]
dots(right, tried_times, seen, BLUE)
right.set(xlabel="diffusion time $t$", ylabel=r"$\cos^2$ of eigenvector and $Wm$", xlim=(1e-2, 2))
right.legend(frameon=False)
plt.show()

# %% [markdown]
# The whole plane at once at $\psi_p=4$, $\psi_n=8$, and the spectrum at one point of it (dot); the
# sliders move it. The overlap, zero below the white line, is the colour on the left and the height
# of the outlier on the right.

# %% alt="Map of the overlap over diffusion time and separation with the line of the transition, beside the density of U with its outlier at one point"
plane_times, plane_squares = np.geomspace(1e-2, 2, 50), np.geomspace(0.2, 20, 60)
plane = np.transpose(
    [
        rs.RandomFeatureModel(4, 8, t, population=mixture(plane_squares)).outliers().overlap
        for t in plane_times
    ]
)
fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
shade = left.pcolormesh(plane_times, plane_squares, plane, cmap="viridis", shading="gouraud")
left.plot(plane_times, thresholds(4, 8, plane_times), color="white", lw=1.5)
left.set(xscale="log", yscale="log", xlim=plane_times[[0, -1]], ylim=plane_squares[[0, -1]])
left.set(xlabel="diffusion time $t$", ylabel="separation $|m|^2$")
fig.colorbar(shade, label=r"$\cos^2$ of eigenvector and $Wm$")
fig.get_layout_engine().set(wspace=0.06)
(point,) = left.plot([], [], "o", ms=9, mfc="black", mec="white", mew=1.5, clip_on=False)
stem = right.twinx()


def show(t, separation):
    """Mark the point in the plane, and draw the spectrum there."""
    point.set_data([t], [separation])
    right.clear()
    stem.clear()
    one = rs.RandomFeatureModel(4, 8, t, population=mixture(separation))
    law, out = one.spectrum(), one.outliers()
    x = np.linspace(*law.support[-1], 400)
    right.fill_between(x, law.density(x), color=GREEN, alpha=0.4, lw=0)
    end = 1.2 * np.fmax(law.support[-1, 1], out.location[0])
    right.set(xlim=(0, end), ylim=(0, 0.2), xlabel=r"eigenvalue $\lambda$")
    right.set_ylabel(r"density $\rho(\lambda)$, fast bulk", color=GREEN)
    stem.vlines(out.location, 0, out.overlap, color=DARK, lw=2)
    stem.plot(out.location, out.overlap, "o", color=DARK)
    stem.set(ylim=(0, 1.05), ylabel="overlap of the outlier")
    stem.yaxis.set_label_position("right")
    stem.yaxis.tick_right()
    stem.spines["right"].set_visible(True)
    stem.set_title(f"$t$ = {t:.3g}, $|m|^2$ = {separation:.3g}", fontsize="medium")


show(0.1, 4.0)
plt.close(fig)
picture = display(fig, display_id=True)
slide = ipywidgets.FloatLogSlider
t_slider = slide(0.1, min=-2, max=0.3, step=0.05, description="t")
m_slider = slide(4.0, min=-0.69, max=1.3, step=0.05, description="|m|²")
for slider in (t_slider, m_slider):
    slider.observe(
        lambda _: (show(t_slider.value, m_slider.value), picture.update(fig)), names="value"
    )
display(ipywidgets.VBox([t_slider, m_slider]))

# %% [markdown]
# ## What happens in training when the outlier leaves the bulk?
#
# Left: the train loss along $m$ (per direction; 1 before training) at $\psi_p=4$, $\psi_n=8$,
# $t=0.1$. Dots are gradient flow on the tanh networks above, diamonds the outlier's time
# $\tau=\psi_p/(\Delta_t\lambda)$. The wider the clusters are apart, the sooner their direction is
# learned, and the less there is to gain, because a wide distribution has a small score. (The
# black dots end 0.006 low, two standard errors; $1/d$ is 0.007.)
#
# Middle: what is gained in the end, $1-L_{train}(\infty)$, is a smooth function of the separation.
# What the outlier takes of it (`decrease`; dots: the largest eigenvector of the networks) starts
# from zero at the threshold and is two thirds at $|m|^2=6$; the bulks share the rest. Right: the
# time at which half of the score along $m$ is known is smooth as well. The transition makes no loss
# jump: it hands the direction over from many modes of the bulk, each with a little of it, to one
# mode with a clock of its own.

# %% alt="Train loss along the mean against training time for four separations, and beside it how much and when it falls, against the separation"
tau = np.geomspace(1e-2, 1e5, 400)
model = rs.RandomFeatureModel(4, 8, 0.1, population=mixture(squares))
out, shown = model.outliers(), np.geomspace(0.05, 1e5, 20)
rate = 4 * model.delta / model.psi_p
fig, (left, middle, right) = plt.subplots(1, 3, figsize=(14, 3.8), layout="constrained")
for one, colour in ((0.0, DARK), (1.2, ORANGE), (4.0, BLUE)):
    curve = model.learning_curves(tau, directions=[1 + one]).train[0]
    left.semilogx(tau, curve, color=colour, label=f"$|m|^2$ = {one:g}")
    flows = [
        1 - np.sum(noise / value * -np.expm1(-rate * value * shown[:, None]), axis=1)
        for value, _, noise in networks[one]
    ]
    dots(left, shown, np.transpose(flows), colour, ls="none")
    clock = np.interp(one, squares, out.tau)
    left.plot(clock, np.interp(clock, tau, curve), "D", ms=8, color=colour)
left.set(xlabel=r"training time $\tau$", ylabel="train loss along $m$", ylim=(0.75, 1.01))
left.legend(frameon=False, loc="lower left")

fine = np.append(np.geomspace(0.1, 10, 500), np.inf)
along = model.learning_curves(fine, directions=1 + squares)
middle.plot(squares, 1 - along.train[:, -1], color=DARK, label="whole")
middle.plot(squares, out.decrease, color=BLUE, label="outlier")
taken = [[noise[-1] / value[-1] for value, _, noise in networks[one]] for one in tried]
dots(middle, tried, taken, BLUE)
middle.set(xlabel="separation $|m|^2$", ylabel="decrease of the train loss along $m$")
score = 1 / (np.exp(-2 * model.t) * (1 + squares) + model.delta)
half = fine[np.argmax(along.score_error < score[:, None] / 2, axis=1)]
right.plot(squares, half, color=DARK, label="half of the score is known")
right.plot(squares, out.tau, color=BLUE, label=r"outlier, $\psi_p/(\Delta_t\lambda)$")
right.set(xlabel="separation $|m|^2$", ylabel=r"training time $\tau$", ylim=(0, 6.5))
for ax in (middle, right):
    ax.axvline(threshold, color=DARK, lw=0.8, ls="--")
    ax.legend(frameon=False)
plt.show()

# %% [markdown]
# ## And what is memorised along m?
#
# With many more features than samples, $\psi_p=64$, $\psi_n=8$, the clusters leave a trace at both
# ends of training. Left: the score error along $m$, divided by its value before training. A
# separated direction is learned sooner and better than the others, and its best moment to stop
# comes earlier. Right: a second outlier leaves the slow bulk downwards, towards the floor. It is
# faint, but its eigenvalue is small: it carries much of the loss (table), and it memorises the
# noise along $m$ later than any bulk does. Neither of the paper's two times knows of it. Trained
# to the end, the test loss along $m$ is worst at a moderate separation.

# %% alt="Score error along the mean against training time, and the best time to stop along it, with the time of the outlier, against the separation"
wide = np.geomspace(0.05, 20, 80)
model = rs.RandomFeatureModel(64, 8, 0.1, population=mixture(wide))
out, ends = model.outliers(), model.timescales()
fig, (left, right) = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained")
for one, colour in ((0.0, DARK), (1.0, ORANGE), (4.0, BLUE), (16.0, GREEN)):
    error = model.learning_curves(tau, directions=[1 + one]).score_error[0]
    first = 1 / (np.exp(-2 * model.t) * (1 + one) + model.delta)
    left.loglog(tau, error / first, color=colour, label=f"$|m|^2$ = {one:g}")
    left.plot(tau[error.argmin()], error.min() / first, "o", mfc="white", color=colour)
left.set(xlabel=r"training time $\tau$", ylabel="score error along $m$, relative", ylim=(3e-3, 300))
left.legend(frameon=False)
fine = np.geomspace(0.5, 50, 600)
errors = model.learning_curves(fine, directions=1 + wide).score_error
right.loglog(wide, fine[errors.argmin(axis=1)], color=DARK, label="best stop along $m$")
right.loglog(wide, out.tau, color=BLUE, label="outlier")
right.loglog(wide, out.slow_tau, color=ORANGE, label="slow outlier")
for name, place in (("tau_gen", "fast"), ("tau_mem", "sample"), ("tau_slow", "slow")):
    right.axhline(getattr(ends, name), color="#666666", lw=0.8, ls=":")
    right.text(0.055, 1.1 * getattr(ends, name), f"{place} bulk", fontsize="small", color="#666666")
right.set(xlabel="separation $|m|^2$", ylabel=r"training time $\tau$", xlim=(0.05, 20))
right.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(0, 0.63))
plt.show()

few = np.array([0, 0.2, 0.5, 1, 4, 16])
model = rs.RandomFeatureModel(64, 8, 0.1, population=mixture(few))
out, end = model.outliers(), model.learning_curves(np.inf, directions=1 + few)
print("           outlier             slow outlier           endless training")
print("|m|^2    tau   decrease        tau   decrease      train loss  test loss")
for row in range(few.size):
    print(
        f"{few[row]:5.1f} {out.tau[row]:7.2f} {out.decrease[row]:9.4f} {out.slow_tau[row]:11.0f} "
        f"{out.slow_decrease[row]:9.4f} {end.train[row]:14.3f} {end.test[row]:10.3f}"
    )
