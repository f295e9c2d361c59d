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
# # The spectrum of U: bulks, masses, atom
#
# The last layer of a random-feature score model $A\,\sigma(Wx/\sqrt d)/\sqrt p$ is trained by
# gradient descent, and the eigenvalues of one $p\times p$ matrix,
# $U=\frac1n\sum_\nu E_\xi[\sigma(Wx^\nu_t/\sqrt d)\,\sigma(Wx^\nu_t/\sqrt d)^\top]$, are the rates
# of that training
# ([Bonnaire, Urfin, Biroli and Mézard 2025](https://arxiv.org/abs/2505.17638)). This page redraws
# Figures 4 and 14 of that paper, holds its Theorem 3.2 against the exact law, and looks at what the
# theorem leaves out. The activation is tanh throughout, $\psi_p=p/d$ and $\psi_n=n/d$.

# %%
import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display

import rmtspec as rs
from rmtspec.plots.spectra import plot_spectrum

plt.rcParams.update({"figure.dpi": 90, "axes.spines.top": False, "axes.spines.right": False})
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#E69F00", "#009E73", "#666666"  # slow, sample, fast bulk
FAMILY = {"slow": BLUE, "sample": ORANGE, "fast": GREEN}

# %% [markdown]
# ## One matrix to compare with
#
# All of $U$ above its floor $s_t^2$ comes from $n$ samples and $d$ directions of noise. In the
# Gaussian equivalent $U-s_t^2=BB^\top$ with $B=[G/\sqrt n,\ bW/\sqrt d]$ and
# $G=c\,WX/\sqrt d+v\,\Omega$, so that the small matrix $B^\top B$ has all its $n+d$ non-zero
# eigenvalues; the other $p-n-d$ of $U$ sit at the floor exactly.
#
# It is a stand-in for a tanh network, which follows further down.

# %%
D = 100


def sampled(model, rng):
    """The n + d eigenvalues of one U above its floor, as distances from it, ascending."""
    at, pop = model.coefficients, model.population
    p, n = round(model.psi_p * D), round(model.psi_n * D)
    # Each eigenvalue of the covariance stands for its share of the D directions.
    scale = np.sqrt(np.repeat(pop.eigenvalues, (D * pop.weights).astype(int)))
    w, x = rng.normal(size=(p, D)), scale[:, None] * rng.normal(size=(D, n))
    g = at.c * w @ x / np.sqrt(D) + at.v * rng.normal(size=(p, n))
    b = np.hstack([g / np.sqrt(n), at.b * w / np.sqrt(D)])
    return np.linalg.eigvalsh(b.T @ b)


rng = np.random.default_rng(0)
one = rs.RandomFeatureModel(64, 8, 0.01)
two = rs.RandomFeatureModel(64, 8, 0.01, population=rs.PopulationSpectrum([0.5, 1.5]))
more = rs.RandomFeatureModel(64, 32, 0.01)
matrices = {model: sampled(model, rng) for model in (one, two, more)}

# %% [markdown]
# ## Figure 4: two bulks, or three?
#
# The settings of the paper: $\psi_p=64$, $\psi_n=8$, $t=0.01$, $d=100$; covariance $I$ in the
# middle panel of Figure 4 and half of the eigenvalues 0.5, half 1.5 in the right one. Steps are the
# eigenvalues of one matrix, lines the exact law; nothing is fitted.
#
# In the main panels stands the fast bulk, by which the population is learned: it follows the
# covariance, and splits with it. The insets show what lies near zero: the atom at $s_t^2$ (arrow),
# and (right) the first bulk of the paper, which the paper says to depend on the trace of the
# covariance only; up to $2\cdot10^{-5}$ in its edges it is the same in both. Between them stands a
# third bulk (left), narrow and of mass $1/\psi_p$ like the fast one, which the paper counts to the
# first. It does see the covariance, and splits too.


# %% alt="Densities of U for one and for two variances of the data, with sampled eigenvalues; insets show the slow and the sample bulk"
def draw(ax, model, zoomed):
    law, distance = model.spectrum(), matrices[model]
    for name, (low, high) in zip(model.bulk_names(), law.edges, strict=True):
        if (name == "fast") == zoomed:
            continue
        inside = distance[(distance > 0.8 * low) & (distance < 1.2 * high)]
        count, ends = np.histogram(inside, max(12, inside.size // 20))
        ax.stairs(
            count / (model.psi_p * D * np.diff(ends)),
            law.origin + ends,
            fill=True,
            color=FAMILY[name],
            alpha=0.35,
        )
        x = np.linspace(low, high, 400)
        ax.plot(law.origin + x, law.density(x, from_origin=True), color=FAMILY[name], lw=1.5)
    ax.set_ylim(bottom=0.0)


fig, axes = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained", sharey=True)
titles = (
    r"$\rho_\Sigma=\delta(1)$",
    r"$\rho_\Sigma=\frac{1}{2}\delta(0.5)+\frac{1}{2}\delta(1.5)$",
)
for ax, model, title in zip(axes, (one, two), titles, strict=True):
    draw(ax, model, zoomed=False)
    ax.set(xlabel=r"eigenvalue $\lambda$", title=title, xlim=(0, 60), ylim=(0, 2.4e-3))
    for corner, right_end, top in ((0.08, 0.018, 9.5), (0.56, 0.4, 0.95)):
        inset = ax.inset_axes([corner, 0.62, 0.4, 0.34])
        draw(inset, model, zoomed=True)
        inset.set(xlim=(-0.03 * right_end, right_end), ylim=(0, top))
        tip, foot = (model.floor, 0.98 * top), (model.floor, 0)
        inset.annotate("", tip, foot, arrowprops={"arrowstyle": "-|>"})
        inset.tick_params(labelsize="small")
        name, colour = ("slow", BLUE) if corner < 0.5 else ("sample", ORANGE)
        label = {"color": colour, "fontsize": "small", "transform": inset.transAxes}
        inset.text(0.6, 0.75, f"{name} bulk", **label)
        if name == "slow":
            inset.text(1.5 * model.floor, 0.9 * top, "atom", fontsize="small")
axes[0].set_ylabel(r"density $\rho(\lambda)$")
plt.show()

# %% [markdown]
# The third bulk is no matter of taste: its mass is exact and the sampled matrix has just as many
# eigenvalues in it: $d=100$, $n-d$ and $d$ from the left, and $p-n-d$ in the atom. It is easily
# overlooked: the authors' published script divides $b_t^2WW^\top$ in its sample by $d$ once more,
# which draws these $d$ eigenvalues to within $10^{-4}$ of the atom, and its grid for the theory has
# steps as wide as the bulk.

# %%
for model in (one, two, more):
    law, distance = model.spectrum(), matrices[model]
    middle = np.sqrt(law.edges[1:, 0] * law.edges[:-1, 1])
    counts = np.diff(np.searchsorted(distance, [0, *middle, np.inf]))
    print(f"psi_n = {model.psi_n:g}, {model.population}")
    for name, mass, (low, high), count in zip(
        model.bulk_names(), law.masses, law.support, counts, strict=True
    ):
        expected = mass * model.psi_p * D
        print(f"  {name:7s}[{low:8.5f}, {high:8.5f}]  {expected:6.1f} expected, {count:5d} found")
    print(f"  atom at {law.atoms[0, 0]:.6f}, mass {law.atoms[0, 1]:.6f}")

# %% [markdown]
# ## And in a true tanh network?
#
# The average over the noise is done exactly, by Mehler's sum over the Hermite coefficients $h_k$
# of each feature at each sample and the correlations $C$ of the rows of W:
# $U=\sum_k\frac1{k!}\,\frac1nh_kh_k^\top\circ C^{\circ k}$. The ratios, $\psi_p=32$ and $\psi_n=4$,
# are ours, small enough for a matrix of true features in 80 dimensions.
#
# At finite $d$ the "atom" of a network is a hump. The average of $\sigma'\sigma'$ over n samples,
# times the correlations $C$ of order $d^{-1/2}$, gives it a width of about $(p/nd)^{1/2}s_t^2$;
# the lengths of the rows of W, spread by $(2/d)^{1/2}$, add to it. Both fall as $d^{-1/2}$ only. At
# $d=20$ the hump buries the slow bulk; at $d=80$ the slow bulk has come out, where the law puts it:
# it is no artefact of the Gaussian equivalent.


# %% alt="Histograms of eigenvalues of true tanh features at two dimensions on the bulks and the atom of the law"
def tanh_spectrum(model, d, rng, orders=6):
    """Eigenvalues of U for true tanh features of Gaussian data in d dimensions, ascending."""
    p, n = round(model.psi_p * d), round(model.psi_n * d)
    w = rng.normal(size=(p, d)) / np.sqrt(d)
    seen = np.exp(-model.t) * w @ rng.normal(size=(d, n))
    length = np.linalg.norm(w, axis=1, keepdims=True)
    correlation, power, u = (w / length) @ (w / length).T, 1.0, 0.0
    nodes, weights = np.polynomial.hermite_e.hermegauss(30)
    hermite = np.polynomial.hermite_e.hermevander(nodes, orders - 1) * weights[:, None]
    h = np.zeros((orders, p, n))
    for node, row in zip(nodes, hermite / weights.sum(), strict=True):
        h += row[:, None, None] * np.tanh(seen + np.sqrt(model.delta) * node * length)
    for k in range(orders):
        u, power = u + power * (h[k] @ h[k].T) / n, power * correlation / (k + 1)
    return np.linalg.eigvalsh(u)


small = rs.RandomFeatureModel(32, 4, 0.01)
law, ends, tenths = small.spectrum(), np.geomspace(1e-4, 100, 91), np.array([0.1, 0.5, 0.9])
fig, ax = plt.subplots(figsize=(7.5, 3.8), layout="constrained")
lines = []
for d, style in ((20, ":"), (80, "-")):
    value, moved = tanh_spectrum(small, d, rng), round((small.psi_n + 1) * d)
    share = np.histogram(value, ends)[0] / (value.size * np.diff(np.log(ends)))
    ax.stairs(share, ends, color="#333333", ls=style, label=f"tanh features, d = {d}")
    spread, slow = value[:-moved].std() / small.floor, np.quantile(value[-moved:][:d], tenths)
    lines.append(f"d = {d}: width of the atom {spread:.2f} s_t^2, slow bulk {slow.round(5)}")
for name, (low, high) in zip(small.bulk_names(), law.edges, strict=True):
    x = np.linspace(low, high, 400)
    value, height = law.origin + x, law.density(x, from_origin=True)
    ax.fill_between(
        value, value * height, color=FAMILY[name], alpha=0.5, lw=0, label=f"{name} bulk"
    )
ax.axvline(small.floor, color=GREY, lw=2, label="atom")
ax.set(xscale="log", yscale="log", xlim=(1e-4, 100), ylim=(1e-4, 3))
ax.set(xlabel=r"eigenvalue $\lambda$", ylabel=r"density of $\ln\lambda$")
ax.legend(frameon=False, fontsize="small", ncols=3, loc="lower left", bbox_to_anchor=(0, 1))
plt.show()
slow = law.quantile(law.atoms[0, 1] + tenths * law.masses[0])
print(*lines, f"law: slow bulk {slow.round(5)} at 10, 50, 90 % of its mass", sep="\n")

# %% [markdown]
# ## Figure 14, on an axis that shows everything
#
# The same with $\psi_n=8$ (left) and $32$ (right), settings of the paper; the logarithmic axis of
# distances from the floor is ours. Heights are mass per unit of $\ln(\lambda-s_t^2)$. With more
# samples the sample bulk moves left, and the fast bulk shrinks towards the law of infinite data.
# Black bars are the supports that Theorem 3.2 gives for its two bulks: the first one hits the
# sample bulk well and knows nothing of the slow one; the second one is too narrow as long as
# $\psi_n$ is not very large.

# %% alt="Density of U on logarithmic axes for two loads, with the ranges of the theorem as bars above the bulks"
fig, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained", sharex=True, sharey=True)
for ax, model in zip(axes, (one, more), strict=True):
    plot_spectrum(model.spectrum(), ax, names=model.bulk_names())
    ends = np.geomspace(1e-4, 1e2, 121)
    count = np.histogram(matrices[model], ends)[0]
    ax.stairs(count / (model.psi_p * D * np.diff(np.log(ends))), ends, color=GREY, lw=0.8)
    theorem = model.asymptotic_bulks()
    for name, edges in ((1, theorem.rho_1_edges), (2, theorem.rho_2_edges[0])):
        low, high = np.array(edges) - model.floor
        ax.plot([low, high], [0.7, 0.7], "k", lw=3, solid_capstyle="butt")
        ax.text(np.sqrt(low * high), 0.8, rf"$\rho_{name}$", ha="center", va="bottom")
axes[0].set(xlim=(1e-4, 1e2), ylim=(1e-4, 2))
axes[1].set_ylabel("")
plt.show()

# %% [markdown]
# ## How good is Theorem 3.2?
#
# It is stated for $\psi_p,\psi_n\gg1$. Relative errors of its edges, as distances from the floor,
# at $\psi_p=2\psi_n$, $t=0.01$, $\Sigma=I$. Those of the first bulk fall like $1/\psi_n$. Counting
# directions, $\psi_n-1$ samples left of the data and $\psi_p-1$ features, in
# $s_t^2+\frac{v_t^2}{\psi_n}(\sqrt{\psi_n-1}\mp\sqrt{\psi_p-1})^2$ gains one to two orders. The
# second bulk comes only as $\psi_n^{-1/2}$: it is the law of infinite data, and the sampling noise
# of $XX^\top/n$ widens it.
#
# Two remarks on the letter of the theorem. Its edges (Eq. 173 of the paper) are right, the
# discriminant above them (Eq. 172) is misprinted. And its population matrix must carry $a_t^2$
# where Lemma C.2 prints $\mu_1^2$; the two agree at $\sigma_x=1$, so no figure here is touched.

# %% alt="Relative errors of the edges of the sample and the fast bulk by the theorem, against psi_n, falling like its inverse and its inverse square root"
loads = np.geomspace(2, 1024, 19)
errors = {name: [] for name in ("rho_1", "sample", "rho_2")}
for load in loads:
    model = rs.RandomFeatureModel(2 * load, load, 0.01)
    edges, bulks = model.spectrum().edges, model.asymptotic_bulks()
    for name, exact in (("rho_1", edges[1]), ("sample", edges[1]), ("rho_2", edges[2])):
        guess = np.ravel(getattr(bulks, f"{name}_edges")) - model.floor
        errors[name].append(np.abs(guess / exact - 1))

fig, (left, right) = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained", sharex=True)
drawn = (
    (left, "rho_1", r"$\rho_1$ of the theorem", ORANGE),
    (left, "sample", "counting directions", BLUE),
    (right, "rho_2", r"$\rho_2$ of the theorem", GREEN),
)
for ax, name, label, colour in drawn:
    low, high = np.transpose(errors[name])
    ax.loglog(loads, low, "o-", ms=4, color=colour, label=f"{label}, lower edge")
    ax.loglog(loads, high, "s--", ms=4, mfc="white", color=colour, label=f"{label}, upper edge")
left.loglog(loads, 0.5 / loads, ":", color=GREY, label=r"$\psi_n^{-1}$")
right.loglog(loads, 1 / np.sqrt(loads), ":", color=GREY, label=r"$\psi_n^{-1/2}$")
for ax in (left, right):
    ax.set(xlabel=r"samples per dimension $\psi_n$", ylabel="relative error of the edge")
    ax.legend(frameon=False, fontsize="small")
plt.show()

# %% [markdown]
# ## What the theorem merges
#
# In regime I ($\psi_p>\psi_n$) the theorem gives the first bulk the mass $\psi_n/\psi_p$, which is
# that of the sample bulk, $(\psi_n-1)/\psi_p$, and the slow bulk, $1/\psi_p$, together. As a
# statement on the density that is right: the slow bulk's share of the eigenvalues vanishes. As a
# statement on training it is not, for two reasons. The smallest eigenvalue that matters is the
# slow bulk's, so the train loss goes on falling long after $\tau_{mem}$; and at small $t$ the
# little bulk takes nearly all of the late decrease of the train loss, the sample bulk next to none.

# %%
print("                mass of the bulk    share of the train loss           time")
print("psi_p  psi_n      slow   sample      slow  sample    fast     tau_mem   tau_slow")
for psi_p, psi_n in ((64, 8), (64, 32), (512, 8), (512, 64), (512, 256)):
    model = rs.RandomFeatureModel(psi_p, psi_n, 0.01)
    slow, sample, _ = model.spectrum().masses
    shares, times = model.training().bulk_shares(), model.timescales()
    print(
        f"{psi_p:5d} {psi_n:6d}  {slow:8.4f} {sample:8.4f}  {shares[0]:8.4f}{shares[1]:8.4f}"
        f"{shares[2]:8.4f}  {times.tau_mem:10.3g} {times.tau_slow:10.3g}"
    )

# %% [markdown]
# ## The atom
#
# Features that neither the samples nor the noise can move stay at $s_t^2$: the mass of the atom is
# $1-(1+\psi_n)/\psi_p$, exactly, at every size (circles: counted in matrices with $d=40$). Its
# eigenvectors are orthogonal to $W$, and no loss sees them. The theorem states it for
# $\psi_p>\psi_n$; between $\psi_n$ and $\psi_n+1$ the formula is negative, and there is none.
#
# At $\psi_p=1+\psi_n$ the atom has just dissolved: the density of the lowest bulk diverges at the
# floor like $(\lambda-s_t^2)^{-1/2}$, a hard edge. On either side the lowest bulk starts above it.

# %% alt="Mass of the atom against psi_p with counted eigenvalues, and the density close to the floor for three psi_p"
psi_n, d = 8, 40
widths = np.linspace(7, 20, 200)
counted = np.arange(7, 21)
found = []
for psi_p in counted:
    at, p, n = rs.RandomFeatureModel(psi_p, psi_n, 0.01).coefficients, psi_p * d, psi_n * d
    w = rng.normal(size=(p, d))
    g = at.c * w @ rng.normal(size=(d, n)) / np.sqrt(d) + at.v * rng.normal(size=(p, n))
    above = np.linalg.eigvalsh(g @ g.T / n + at.b**2 / d * w @ w.T)
    found.append(np.mean(above < 1e-12 * above[-1]))

fig, (left, right) = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained")
left.plot(widths, 1 - (1 + psi_n) / widths, ":", color=GREY, label=r"$1-(1+\psi_n)/\psi_p$")
masses = [rs.RandomFeatureModel(x, psi_n, 0.01).spectrum().atoms[:, 1].sum() for x in widths]
left.plot(widths, masses, color=BLUE, label="exact law")
left.plot(counted, found, "o", mfc="none", color="#333333", label=f"one matrix, d = {d}")
left.axvspan(psi_n, psi_n + 1, color=GREY, alpha=0.2, lw=0)
left.set(xlabel=r"features per dimension $\psi_p$", ylabel="mass of the atom")
left.legend(frameon=False)
for psi_p, style, colour in ((8.8, "--", ORANGE), (9, "-", "#333333"), (9.2, "-.", BLUE)):
    law = rs.RandomFeatureModel(psi_p, psi_n, 0.01).spectrum()
    x = np.geomspace(max(law.edges[0, 0], 1e-9), law.edges[0, 1], 4000)
    right.loglog(x, law.density(x, from_origin=True), style, color=colour, label=psi_p)
right.set(xlabel=r"distance from the floor, $\lambda-s_t^2$", ylabel=r"density $\rho(\lambda)$")
right.set(xlim=(1e-8, 1e-2), ylim=(10, 1e5))
right.legend(frameon=False, title=r"$\psi_p$, with $\psi_n=8$")
plt.show()

# %% [markdown]
# ## What does the diffusion time change?
#
# Left the supports of the three families against $t$ at $\psi_p=64$, $\psi_n=8$, right the spectrum
# at one time; the slider moves it. The floor $s_t^2$ (dashed) and the slow bulk grow like $t$, the
# sample bulk starts from a constant: with less noise memorisation and the very end of training
# move apart by $1/\Delta_t$. At $t=0.25$ slow and sample bulk merge, and beyond $t\approx1$ the
# nonlinear part of the noised features no longer knows the samples: both shrink onto the floor.
# Then every eigenvalue but the fast ones relaxes at one rate.

# %% alt="Bulks and floor against diffusion time, merging as it grows, and the spectrum at one time"
times = np.geomspace(1e-3, 2, 80)
models = [rs.RandomFeatureModel(64, 8, t) for t in times]
fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
for row, name in enumerate(("fast", "sample", "slow")):
    ends = np.array([[one.families[row].lower, one.families[row].upper] for one in models])
    ends -= np.array([[one.floor] for one in models])
    left.fill_between(times, *ends.T, color=FAMILY[name], alpha=0.5, lw=0, label=f"{name} bulk")
left.plot(times, [one.floor for one in models], "k--", lw=1, label="$s_t^2$")
left.set(xscale="log", yscale="log", xlim=(1e-3, 2), ylim=(1e-6, 100))
left.set(xlabel="diffusion time $t$", ylabel=r"distance from the floor, $\lambda-s_t^2$")
above = {"frameon": False, "fontsize": "small", "ncols": 2}
above |= {"loc": "lower left", "bbox_to_anchor": (0, 1)}
left.legend(**above)
cut = left.axvline(0.01, color="#333333", lw=1)


def show(t):
    """Move the cut to t, and draw the spectrum there."""
    cut.set_xdata([t, t])
    right.clear()
    model = rs.RandomFeatureModel(64, 8, t)
    plot_spectrum(model.spectrum(), right, names=model.bulk_names())
    right.set(xlim=(1e-6, 100), ylim=(1e-4, 2))
    # Two columns whatever the number of bulks, so that the picture keeps its shape.
    right.legend(**above)
    right.text(0.97, 0.93, f"$t$ = {t:.3g}", ha="right", transform=right.transAxes)


show(0.01)
plt.close(fig)
picture = display(fig, display_id=True)
slider = ipywidgets.FloatLogSlider(0.01, min=-3, max=0.3, step=0.05, description="t")
slider.observe(lambda change: (show(change["new"]), picture.update(fig)), names="value")
display(slider)
