"""What is judged and drawn of pairs of networks: exponents, random features beside, leans."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.stats import t as student

from validation.experiments.pairs import leans
from validation.experiments.pairs.features_beside import TIMES, Beside, beside
from validation.experiments.pairs.leans import Lean
from validation.experiments.pairs.onsets import (
    ONSETS,
    exponents,
    judge_exponents,
    runs,
    series,
)
from validation.experiments.pairs.reasons import judge_reasons
from validation.harness.checks import Check, measured, power, within
from validation.harness.experiment import Figure, Growth, Outcome

_COPIED = "tau_mem, a tenth copied"
_TOLD = (_COPIED, "tau_mem, gap a tenth", "tau_mem, half lean", "tau_gen, learned to one level")
_SIZES = 4  # a series with fewer has no theory beside it
_HALF_WIDTH = 0.15


def main_series(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return the series in n with most sizes."""
    found = series(outcomes, "n").values()
    sizes = [(len({o.task.settings["n"] for o in group}), group) for group in found]
    most = max((count for count, _ in sizes), default=0)
    return next((group for count, group in sizes if count == most and count >= _SIZES), [])


def judge(outcomes: Sequence[Outcome]) -> list[Check]:
    """Return all checks of pairs of networks."""
    checks = []
    group = main_series(outcomes)
    if group:
        checks += _later_with_data(group)
        theory = beside(group)
        checks += _ratios(theory)
        checks += leans.judge_leans(group, _leans_of(theory))
        checks += _narrow(group)
    return checks + judge_reasons(outcomes) + judge_exponents(outcomes)


def _narrow(group: Sequence[Outcome]) -> list[Check]:
    """The interval of the main exponent, asked where enough sizes got there."""
    found = next(iter(exponents(group, "n").values()))[_COPIED]
    if len(found.onsets) < _SIZES:
        return []
    return [
        within(f"{_COPIED}: half of the 68 % interval of its exponent in n", found.half_width,
               0.0, _HALF_WIDTH, note=f"{found.value:.2f} from {len(found.onsets)} sizes")
    ]  # fmt: skip


def growth(network: str, outcomes: Sequence[Outcome]) -> list[Growth]:
    """Return the exponents in n of every series with enough sizes."""
    rows, tables = [], exponents(outcomes, "n")
    large = {
        label: group
        for label, group in series(outcomes, "n").items()
        if len({o.task.settings["n"] for o in group}) >= _SIZES
    }
    widths = {group[0].task.settings["width"] for group in large.values()}
    for label, group in large.items():
        table, theory = tables[label], beside(group).exponents
        name = f"{network}, {group[0].task.settings['optimiser']}"
        if len(widths) > 1:
            name += f", width {group[0].task.settings['width']}"
        for onset in _TOLD:
            found, known = table[onset], theory[onset].onsets
            if len(found.onsets) < 2:
                continue
            # Compared at the same sizes, or not at all.
            same = [known.get(n, math.nan) for n in found.onsets]
            expected = power(list(found.onsets), same)[0] if np.isfinite(same).all() else math.nan
            rows.append(Growth(name, onset, *found[:3], tuple(found.onsets), expected))
    return rows


def _later_with_data(group: Sequence[Outcome]) -> list[Check]:
    """Copies come later with more data: asked past the onset only."""
    found = exponents(group, "n")
    table = next(iter(found.values()))[_COPIED]
    reached = sorted(table.onsets)
    checks = []
    if len(reached) > 1:
        first, last = reached[0], reached[-1]
        ratio = table.onsets[last] / table.onsets[first]
        checks.append(
            within(f"onset of copies, n = {last:g} over n = {first:g}", ratio, 1.0, math.inf,
                   note="sizes at which every network copies a tenth; "
                   f"{last / first:g} in proportion to n")
        )  # fmt: skip
    sizes = sorted(runs(group, "n"))
    ends = {
        n: np.array([c.copied[-1] / c.generated for pair in draws for c in pair])
        for n, draws in runs(group, "n").items()
        if all(c.copied is not None for pair in draws for c in pair)
    }
    low, high = ends[sizes[0]], ends[sizes[-1]]
    checks.append(
        within(f"share of copies at the end, n = {sizes[0]:g} less n = {sizes[-1]:g}",
               float(low.mean() - high.mean()), 0.0, math.inf,
               float(math.hypot(low.std(), high.std()) / math.sqrt(len(low))),
               "the smallest size is trained far past its onset")
    )  # fmt: skip
    return checks


def _ratios(theory: Beside) -> list[Check]:
    fitted = max(theory.measured)
    checks = [
        measured("psi_p of random features with the window of the largest n", theory.psi_p,
                 note=f"fitted to the ratio {theory.measured[fitted]:.3g} at n = {fitted:g}")
    ]  # fmt: skip
    for n, ratio in sorted(theory.measured.items()):
        note = "fitted" if n == fitted else "no free number"
        checks.append(
            measured(f"n = {n:g}: window, updates at which the gap is a tenth over those at which "
                     "one level is learned", ratio, 0.0, theory.ratios[n], note)
        )  # fmt: skip
    for name, found in theory.exponents.items():
        if math.isfinite(found.value):
            checks.append(
                measured(f"{name}: exponent in n of those random features", found.value,
                         note="the same definition and sizes; "
                         + "; ".join(f"{n:g}: {tau:.3g}" for n, tau in found.onsets.items()))
            )  # fmt: skip
    return checks


def _leans_of(theory: Beside) -> dict[float, Lean]:
    return {
        n: Lean(TIMES, c.test, c.beta, c.distance, c.variance, c.score - c.variance)
        for n, c in theory.curves.items()
    }


# --- figures -------------------------------------------------------------------------------------


def figures(outcomes: Sequence[Outcome]) -> list[Figure]:
    """Return curves over training, onsets against n, and leans."""
    group = main_series(outcomes)
    if not group:
        return []
    known = []
    if leans.of_pair(group[0]).variance is not None:
        known = [Figure("Error of the score: variance between data sets over bias, of every pair "
                        "(lines) and of random features (dotted).", _overtakes(group))]  # fmt: skip
    return [
        Figure("Loss gap and share of copies against updates, and against updates over n: where "
               "onsets grow like n, the curves on the right fall together.", _collapse(group)),
        Figure("Left: onsets against n with fitted powers (lines; broken: in proportion to n). "
               "Right: the window, gap of a tenth over one level learned, beside random features "
               "with psi_p fitted at the largest n.", _onsets(group)),
        Figure("Two disjoint data sets: beta, the lean on own samples (above), and D, the mean "
               "square between the two noise predictions (below), over updates in units of the "
               "least test loss. Left: networks, mean and 68 % interval over pairs. Right: random "
               "features in theory, which has no interval.", _leans(group)),
        *known,
    ]  # fmt: skip


def _collapse(group: Sequence[Outcome]) -> Callable[[Any], None]:
    def draw(figure: Any) -> None:
        axes = figure.subplots(2, 2, sharey="row", sharex="col")
        for i, (n, draws) in enumerate(sorted(runs(group, "n").items())):
            for j, c in enumerate(c for pair in draws for c in pair):
                label = f"n = {n:g}" if j == 0 else None
                for column, steps in enumerate((c.steps, c.steps / n)):
                    style = {"color": f"C{i}", "lw": 0.7}
                    axes[0, column].plot(steps[1:], c.gap[1:], label=label, **style)
                    axes[1, column].plot(steps[1:], c.copied[1:] / c.generated, **style)
        for axis in axes.flat:
            axis.set_xscale("log")
        axes[0, 0].set(ylabel="loss gap", ylim=(-0.05, 2.0))
        axes[1, 0].set(ylabel="share of copies", xlabel="updates")
        axes[1, 1].set(xlabel="updates/n")
        axes[0, 0].legend(frameon=False, fontsize=7)

    return draw


def _onsets(group: Sequence[Outcome]) -> Callable[[Any], None]:
    def draw(figure: Any) -> None:
        left, right = figure.subplots(1, 2)
        table = next(iter(exponents(group, "n").values()))
        names = [name for name in ONSETS if len(table[name].onsets) > 1]
        for i, name in enumerate(names):
            found = table[name]
            x, y = (np.array(list(v)) for v in (found.onsets, found.onsets.values()))
            line = np.exp(np.log(y).mean()) * (x / np.exp(np.log(x).mean())) ** found.value
            label = f"{name}: {found.value:.2f}({100 * found.half_width:.0f})"
            left.plot(x, y, "o", ms=4, color=f"C{i}", label=label)
            left.plot(x, line, color=f"C{i}", lw=0.8)
        sizes = np.array(sorted(runs(group, "n")))
        first = table[_COPIED].onsets.get(sizes[0], math.nan)
        left.plot(sizes, 2.0 * first * sizes / sizes[0], "k--", lw=0.8)
        left.set(xscale="log", yscale="log", xlabel="n", ylabel="updates")
        left.set_ylim(top=100.0 * left.get_ylim()[1])
        left.legend(frameon=False, fontsize=6, loc="upper left")
        theory = beside(group)
        right.plot(list(theory.measured), list(theory.measured.values()), "o", ms=4,
                   label="networks")  # fmt: skip
        right.plot(list(theory.ratios), list(theory.ratios.values()), lw=1,
                   label=f"random features, psi_p = {theory.psi_p:.3g}")  # fmt: skip
        right.set(xscale="log", yscale="log", xlabel="n", ylabel="tau_mem/tau_gen")
        for axis in (left, right):
            axis.set_xticks(sizes, [f"{n:g}" for n in sizes])
            axis.minorticks_off()
        right.legend(frameon=False, fontsize=7)

    return draw


def _leans(group: Sequence[Outcome]) -> Callable[[Any], None]:
    """Beta and D of networks, and beside each the same of random features."""

    def draw(figure: Any) -> None:
        axes = figure.subplots(2, 2, sharex=True, sharey="row")
        theory = _leans_of(beside(group))
        for i, n in enumerate(sorted(theory)):
            style = {"color": f"C{i}", "lw": 0.9}
            pairs = [leans.of_pair(o) for o in group if o.task.settings["n"] == n]
            for row, name in enumerate(("beta", "distance")):
                _mean_and_band(axes[row, 0], pairs, name, label=f"n = {n:g}", **style)
                axes[row, 1].plot(theory[n].steps / theory[n].steps[theory[n].best],
                                  getattr(theory[n], name), **style)  # fmt: skip
        for axis in axes.flat:
            axis.set(xscale="log", xlim=(0.02, 50.0))
            axis.axvline(1.0, color="k", lw=0.5)
        axes[0, 0].set(ylim=(-0.05, 1.05), ylabel="beta", title="networks")
        axes[0, 1].set(title="random features")
        axes[1, 0].set(yscale="log", ylim=(1e-4, 3.0), ylabel="D")
        figure.supxlabel("updates over those of the least test loss", fontsize=9)
        axes[0, 0].legend(frameon=False, fontsize=7)

    return draw


def _mean_and_band(axis: Any, pairs: Sequence[Lean], name: str, **style: Any) -> None:
    """Draw the mean over pairs at the same multiples of the updates of the least test loss."""
    logs = [np.log(np.maximum(p.steps, 0.1) / p.steps[p.best]) for p in pairs]
    x = np.linspace(max(log[1] for log in logs), min(log[-1] for log in logs), 60)
    curves = np.array(
        [np.interp(x, log, getattr(p, name)) for p, log in zip(pairs, logs, strict=True)]
    )
    mean = curves.mean(axis=0)
    axis.plot(np.exp(x), mean, **style)
    if len(pairs) > 1:
        half = student.ppf(0.84, len(pairs) - 1) * curves.std(axis=0, ddof=1) / len(pairs) ** 0.5
        axis.fill_between(
            np.exp(x), mean - half, mean + half, color=style["color"], alpha=0.25, lw=0
        )


def _overtakes(group: Sequence[Outcome]) -> Callable[[Any], None]:
    def draw(figure: Any) -> None:
        axis = figure.subplots()
        for i, (n, known) in enumerate(sorted(_leans_of(beside(group)).items())):
            pairs = [leans.of_pair(o) for o in group if o.task.settings["n"] == n]
            for j, found in enumerate([*pairs, known]):
                assert found.variance is not None
                axis.plot(found.steps / found.steps[found.best], found.variance / found.bias,
                          color=f"C{i}", lw=0.7, ls=":" if j == len(pairs) else "-",
                          label=f"n = {n:g}" if j == 0 else None)  # fmt: skip
        axis.set(xscale="log", yscale="log", xlim=(0.02, 50.0), ylim=(1e-3, 1e2))
        axis.set(xlabel="updates over those of the least test loss", ylabel="variance/bias")
        axis.axvline(1.0, color="k", lw=0.5)
        axis.axhline(1.0, color="k", lw=0.5)
        axis.legend(frameon=False, fontsize=7)

    return draw
