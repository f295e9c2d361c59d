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
# # What could not be computed: one network for all times, and unequal classes
#
# The theory of random-feature score networks
# ([Bonnaire, Urfin, Biroli and Mézard 2025](https://arxiv.org/abs/2505.17638)) takes one network a
# diffusion time, and data of one kind. A real network serves all times at once,
#
# $$S(x,t)=\frac{A}{\sqrt p}\,\sigma\Big(\frac{Wx}{\sqrt d}+t\,b\Big)+\beta x,$$
#
# and real data come in classes of different size, mean and spread. Both break the Gaussian
# equivalent of that paper: neurons are no longer alike, nor samples. What stays is that there are
# finitely many *types* of neurons (by their bias, or by what they see of the class means),
# *classes* of samples, and *times*; for these one system of equations gives spectrum, single
# eigenvalues and learning curves. Throughout $\sigma=\tanh$, $\psi_p=p/d$, $\psi_n=n/d$.

# %%
import matplotlib.pyplot as plt
import numpy as np

import rmtspec as rs

plt.rcParams.update({"figure.dpi": 90, "axes.spines.top": False, "axes.spines.right": False})
INK, BLUE, ORANGE, GREEN = "#333333", "#0072B2", "#E69F00", "#009E73"

# %% [markdown]
# ## One network for all times
#
# Biases are $N(0,1)$, times uniform between 0.1 and 1.5. Beside the theory, a network of $d=80$:
# its feature matrix with the noise drawn, 40 noises a sample and time.

# %% alt="Eigenvalues of one network for all times as a histogram with the theory on it, and single eigenvalues as marks"
PSI_P, PSI_N, WINDOW = 6.0, 3.0, (0.1, 1.5)
network = rs.TimeIntegratedModel(PSI_P, PSI_N, WINDOW, output="noise", nodes=20)


def drawn_eigenvalues(model, dimension, rng, noises=40):
    """Eigenvalues of the feature matrix of a network of finite size."""
    d, times = dimension, model.setting.times
    w, b = rng.standard_normal((round(PSI_P * d), d)), rng.standard_normal(round(PSI_P * d))
    x = rng.standard_normal((round(PSI_N * d), d))
    u = np.zeros((len(w), len(w)))
    for t, weight in zip(times.t, times.weights, strict=True):
        for _ in range(noises):
            noise = np.sqrt(-np.expm1(-2.0 * t)) * rng.standard_normal(x.shape)
            features = np.tanh((np.exp(-t) * x + noise) @ w.T / np.sqrt(d) + t * b)
            u += weight / (noises * len(x)) * features.T @ features
    return np.linalg.eigvalsh(u)


DIMENSION = 80
values = drawn_eigenvalues(network, DIMENSION, np.random.default_rng(0))
singles = network.outliers(DIMENSION).location

figure, ax = plt.subplots(figsize=(8.0, 3.6), layout="constrained")
law = network.spectrum()
grid = np.geomspace(0.008, 6.0, 1500)
ax.hist(
    values,
    np.geomspace(0.008, 300.0, 90),
    density=False,
    color="#cccccc",
    weights=np.full(len(values), 1.0 / len(values)),
    label=f"a network, d = {DIMENSION}",
)
step = np.log(300.0 / 0.008) / 89
ax.plot(grid, step * grid * law.density(grid), color=BLUE, lw=1.3, label="theory")
for place in singles:
    ax.plot(
        place, 2e-3, "v", color=ORANGE, label="single eigenvalues" if place == singles[0] else None
    )
ax.set(
    xscale="log",
    yscale="log",
    ylim=(1e-3, 1.0),
    xlabel="eigenvalue of U",
    ylabel="share of eigenvalues in a bin",
)
ax.legend(frameon=False)
plt.show()
print("bulks of the law, and what they are:")
for name, mass, (low, high) in zip(network.bulk_names(), law.masses, law.support, strict=True):
    print(f"  {name:<14} mass {mass:.3g}, from {low:.4g} to {high:.4g}")
print("single eigenvalues:", np.round(singles, 3), " in the network:", np.round(values[-1], 1))

# %% [markdown]
# The fast bulk is there, and the largest eigenvalue, of order $p$, comes from the mean features
# $E\,\sigma(\dots)\neq0$ that biases make. A second one, a hundred times weaker, sits *between* the
# bulks. The lowest bulks are single nodes of the rule that stands for the biases (20 of them): with
# Gaussian biases the spectrum has neither an atom nor a sharp lower end, and more nodes push these
# bulks down and together.
#
# The largest eigenvalue fluctuates by $O(\sqrt p)$ with the biases that are drawn.
#
# The losses of such a network, with and without a skip connection $\beta=-1$, which takes over what
# the score of white data needs (here the variances are 0.3 and 1.7, so that some is left to learn):

# %% alt="Train and test loss, and the error of the score, against training time, with and without a skip connection"
tau = np.geomspace(0.05, 1e4, 160)
figure, axes = plt.subplots(1, 2, figsize=(9.0, 3.4), layout="constrained")
for skip, colour in ((0.0, BLUE), (-1.0, ORANGE)):
    population = rs.PopulationSpectrum([0.3, 1.7])
    model = rs.TimeIntegratedModel(
        PSI_P, PSI_N, WINDOW, output="noise", skip=skip, population=population
    )
    curves, best = model.learning_curves(tau), model.training().best_stopping()
    axes[0].semilogx(tau, curves.test, color=colour, label=f"test, skip = {skip:g}")
    axes[0].semilogx(tau, curves.train, color=colour, ls="--")
    axes[0].plot(best.tau, best.test, "o", color=colour, ms=5, mfc="none")
    axes[1].loglog(tau, curves.score_error, color=colour)
axes[0].set(xlabel="training time", ylabel="loss (dashed: train)")
axes[0].legend(frameon=False)
axes[1].set(xlabel="training time", ylabel="squared error of the score")
plt.show()

# %% [markdown]
# ## Memorisation: in proportion to n, then to p
#
# At one small time samples are memorised at $\tau\propto n$. Averaged over times, U has a floor
# that large times set and that does not vanish with $t_{min}$: from some $n$ on, every mode of a
# sample sits on this floor, and the time is that of the network, $\propto p$.

# %% alt="Memorisation time against psi_n for three windows of times: in proportion to n for a narrow window, constant for a wide one"
LOADS = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
figure, ax = plt.subplots(figsize=(5.2, 3.6), layout="constrained")
for window, colour in (((0.01, 0.02), GREEN), ((0.01, 0.3), BLUE), ((0.01, 3.0), ORANGE)):
    late = [
        rs.TimeIntegratedModel(32, n, window, output="noise", nodes=12).training().stages()[0, 1]
        for n in LOADS
    ]
    ax.loglog(LOADS, late, "o-", color=colour, ms=4, label=f"t in {window}")
ax.loglog(LOADS, 90.0 * LOADS, ":", color=INK, label="in proportion to n")
ax.set(
    xlabel=r"$\psi_n$", ylabel=r"$\tau_{mem}$", xticks=LOADS, xticklabels=[f"{n:g}" for n in LOADS]
)
ax.minorticks_off()
ax.legend(frameon=False)
plt.show()

# %% [markdown]
# ## Three bulks, and the ladder
#
# With one type of neuron there are a fast, a sample and a slow bulk. With biases each direction of
# the data carries as many modes as neurons differ in what they see: below the fast bulk stands a
# second one of the same mass $1/\psi_p$, then more, each weaker, until they merge with the rest.
# (The warning speaks of the density of one of the many slow bulks on the right; their edges and
# masses, which are all that is drawn here, are exact.)

# %% alt="Masses of the bulks of U over their ranges, for one time and for a window of times, where further bulks appear"
figure, axes = plt.subplots(1, 2, figsize=(10.0, 3.4), sharey=True, layout="constrained")
cases = {
    "one time, t = 0.01": rs.TimeIntegratedModel(32, 4, [0.01], bias_scale=0.0, output="noise"),
    "times in [0.01, 3]": rs.TimeIntegratedModel(32, 4, (0.01, 3.0), output="noise", nodes=12),
}
COLOURS = {"fast": GREEN, "ladder": ORANGE, "sample": BLUE}
for ax, (title, model) in zip(axes, cases.items(), strict=True):
    law = model.spectrum()
    for name, mass, (low, high) in zip(model.bulk_names(), law.masses, law.support, strict=True):
        if mass < 1e-4:
            continue
        colour = COLOURS.get(name, INK)
        ax.fill_between([low, high], 1e-4, mass, color=colour, alpha=0.35)
        ax.text(np.sqrt(low * high), 1.15 * mass, name, ha="center", fontsize=7, color=colour) if (
            name in COLOURS
        ) else None
    for place, mass in law.atoms:
        ax.plot(place, mass, "v", color=INK)
    ax.set(xscale="log", yscale="log", xlabel="eigenvalue of U", title=title, ylim=(1e-3, 2.0))
axes[0].set_ylabel("mass (width: from edge to edge)")
plt.show()

# %% [markdown]
# ## Classes that learn at different times
#
# Two classes around 0, variances 1.5 and 0.5. The one of larger variance is learned first and
# overfits first, whatever its share; making it rare brings its overfitting forward and delays the
# late memorisation of both, for the classes share the modes.

# %% alt="Train and test loss of two classes of unequal variance against training time, for three shares of the larger variance"
figure, axes = plt.subplots(1, 3, figsize=(11.0, 3.4), sharey=True, layout="constrained")
tau = np.geomspace(0.1, 2e4, 140)
print(f"{'share of the large':>20} {'tau_gen':>15} {'tau_gap':>15} {'tau_mem':>15}")
for ax, share in zip(axes, (0.2, 0.5, 0.8), strict=True):
    classes = [rs.DataClass(share, 1.5), rs.DataClass(1.0 - share, 0.5)]
    model = rs.MixtureModel(32, 8, 0.05, classes)
    model.learning_curves(tau).plot(ax)
    ax.set_title(f"share of the large variance {share:g}", fontsize=9)
    stages = model.training().stages()[1:]
    pairs = [f"{large:.3g} / {small:.3g}" for large, small in stages[:, [0, 2, 1]].T]
    print(f"{share:>20} {pairs[0]:>15} {pairs[1]:>15} {pairs[2]:>15}")
axes[1].set_ylabel("")
axes[2].set_ylabel("")
plt.show()

# %% [markdown]
# ## When imbalance matters, and when it does nothing
#
# Two clusters at $\pm m$, $|m|^2=d$, of equal spread: their features are mirror images of each
# other under an odd activation, and the losses do not depend on the shares *at all*. With an
# activation that is not odd, or with unequal spreads, they do.

# %% alt="Test loss of the second class against training time for three shares: equal under an odd activation with equal spreads, different otherwise"
shares = (0.5, 0.7, 0.9)
settings = {
    "tanh, equal spreads": ("tanh", 1.0, 1.0),
    "tanh, spreads 1 and 0.6": ("tanh", 1.0, 0.36),
    "relu, equal spreads": ("relu", 1.0, 1.0),
}
figure, axes = plt.subplots(1, 3, figsize=(11.0, 3.4), layout="constrained")
tau = np.geomspace(0.5, 1e5, 100)
for ax, (title, (activation, large, small)) in zip(axes, settings.items(), strict=True):
    for share, colour in zip(shares, (BLUE, ORANGE, GREEN), strict=True):
        classes = [rs.DataClass(share, large, 1.0), rs.DataClass(1.0 - share, small, -1.0)]
        curves = rs.MixtureModel(
            4, 2, 0.1, classes, activation=activation, nodes=12
        ).learning_curves(tau)
        ax.semilogx(tau, curves.class_test[1], color=colour, label=f"its share {1.0 - share:.1f}")
    ax.set(title=title, xlabel="training time")
axes[0].set_ylabel("test loss of the second class")
axes[0].legend(frameon=False)
plt.show()
equal = [
    rs.MixtureModel(
        4, 2, 0.1, [rs.DataClass(share, 1.0, 1.0), rs.DataClass(1.0 - share, 1.0, -1.0)]
    )
    .learning_curves(np.inf)
    .test
    for share in shares
]
print("test loss at the end, tanh and equal spreads:", [f"{float(loss):.10f}" for loss in equal])

# %% [markdown]
# ## How far to trust it
#
# The limit is exact: deviations of true features fall as $1/d$ (`python -m validation structured`
# draws them at four sizes, with the curves of every class). What costs accuracy are rules of few
# nodes over biases or projections: 16 are good to about $10^{-3}$ in losses, and times of
# memorisation at few samples move by 10 % from 12 to 24 of them.
