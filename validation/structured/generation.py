r"""Samples generated from two well separated classes of unequal weight and variance.

Every level t of the backward process :math:`x\to x+(x+2s)h+\sqrt{2h}\,\xi` has a network of its
own, :math:`\sqrt\Delta\,s=A\tanh(Wx/\sqrt d+b)/\sqrt p` with biases b of variance 1, trained by
exact gradient flow.

**Predicted** is when to stop each of them, by the limit, and one number by symmetry: without biases
s is odd, and so is the law of what it generates: half of the samples in each class, whatever the
weights of the data.  And the variance v of a class in the directions across the means.  There a
network acts on samples of class y as a multiple of one, with the coupling of the class to what was
learned,

.. math::  s\simeq-\frac{\kappa_y}\Delta x,\qquad \kappa_y=\tfrac1d\mathrm{Tr}\,V_y^\top f(U)V
           =\oint f(z)X_y(z),

(:math:`\kappa=\Delta/v` is the true score) and one step takes v to
:math:`v(1+h-2h\kappa_y/\Delta)^2+2h`.  Since tanh saturates, κ
depends on the variance at which it is seen: samples that are generated too wide are seen as a class
of their own variance, of hardly any weight in training.  Corrections at finite d, and the place
along the means, are left out.  **Measured** are weights, variances across and along the means, and
memory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

import rmtspec as rs
from rmtspec.ensembles.structured.two_resolvent import enclosing, loss_forms
from validation.harness.checks import (
    Check,
    compared,
    mean_and_error,
    measured,
    within,
)
from validation.harness.experiment import (
    Experiment,
    Figure,
    Outcome,
    Setup,
    Task,
    Values,
    packed,
    unpacked,
)
from validation.structured.networks import Data, Network, mixed, sample_moments

Array = NDArray[np.float64]

_WEIGHTS, _VARIANCES = np.array([0.75, 0.25]), np.array([1.0, 0.36])
_FIRST, _LAST = 0.02, 4.0  # diffusion times; at the last, means are a tenth of the noise
_STOPPED, _EARLY, _LATE, _EXACT = STAGES = (
    "stopped as predicted",
    "tau = 30",
    "tau = inf",
    "exact",
)
# Case -> p/d, n/d, whether neurons have biases.
_CASES = {
    "many samples": (32, 32, True),
    "few samples": (32, 4, True),
    "no biases": (8, 32, False),
}
# Dimension, levels, generated samples, draws.
_SIZE = {"smoke": (8, 12, 100, 2), "cpu": (20, 40, 600, 3), "gpu": (40, 60, 2000, 4)}
# Networks of other seeds: weight .80 at d = 20.  Variances across the means of class 0 are 1.03 and
# .99 at d = 8 and 12, and predicted .93: corrections of 0.8/d.  Those of class 1 are .69, .65 for
# .55, and do not fall to it: the prediction leaves out where samples are along the means.
_WEIGHT, _ACROSS, _RISE = 0.12, 1.5, 0.1
_SEEN = np.array([0.15, 0.36, 0.6, 1.0, 1.5, 2.2])  # variances at which couplings are known
_SMALL = 1e-4  # weight of classes that are not trained on


def _plan(scale: str) -> list[Task]:
    d, levels, samples, draws = _SIZE[scale]
    return [
        Task(
            f"{case}, draw {i}",
            {"case": case, "d": d, "levels": levels, "samples": samples},
            levels * 3e-9 * (psi_p * d) ** 3,
        )
        for case, (psi_p, *_) in _CASES.items()
        for i in range(draws)
    ]


def _data(d: int) -> Data:
    sides = np.array([1.0, -1.0])
    return Data(_WEIGHTS, np.outer(sides, np.ones(d)), np.outer(_VARIANCES, np.ones(d)))


def _stopping(case: str, times: Array) -> Array:
    """Training times of the least test loss in the limit, between a few levels interpolated."""
    psi_p, psi_n, biased = _CASES[case]
    classes = [rs.DataClass(0.75, 1.0, 1.0), rs.DataClass(0.25, 0.36, -1.0)]
    few = np.geomspace(times[0], times[-1], 6)
    best = [
        rs.TimeIntegratedModel(
            psi_p, psi_n, [t], bias_scale=biased / t, classes=classes, output="noise", nodes=8
        ).training().best_stopping().tau
        for t in few
    ]  # fmt: skip
    # Where the end is best, the last time that is finite is long enough.
    bounded = np.minimum(best, 1e4)
    return np.asarray(np.exp(np.interp(np.log(times), np.log(few), np.log(bounded))))


def _couplings(case: str, t: float, tau: float) -> Array:
    """(2, variances) κ/Δ of samples around both means, of the variances `_SEEN`."""
    psi_p, psi_n, biased = _CASES[case]
    sides = (1.0, -1.0)
    own = _WEIGHTS - _SMALL * len(_SEEN)
    classes = [rs.DataClass(*one) for one in zip(own, _VARIANCES, sides, strict=True)]
    classes += [rs.DataClass(_SMALL, variance, side) for side in sides for variance in _SEEN]
    ensemble = rs.TimeIntegratedModel(
        psi_p, psi_n, [t], bias_scale=biased / t, classes=classes, output="noise", nodes=8
    ).ensemble
    contour = enclosing(ensemble, 30)
    z = contour.points
    f = -np.expm1(-2.0 * tau * z / psi_p) / z * contour.weights
    fresh = loss_forms(ensemble, z).single[4 : 4 + 2 * len(_SEEN)]
    return np.asarray(2.0 * (fresh @ f).real.reshape(2, -1) / -math.expm1(-2.0 * t))


def _predicted(case: str, levels: int) -> Array:
    """Variances (2,) of both classes across the means, stopped as predicted."""
    times = np.geomspace(_FIRST, _LAST, levels)
    few = np.geomspace(_FIRST, _LAST, 8)
    tables = np.array([
        _couplings(case, t, tau) for t, tau in zip(few, _stopping(case, few), strict=True)
    ])  # fmt: skip
    found = np.ones(2)
    for t, h in zip(times[::-1], -np.diff(times[::-1], append=0.0), strict=True):
        left = (found + math.expm1(-2.0 * t)) * math.exp(2.0 * t)  # of the data
        for y in range(2):
            here = [np.interp(math.log(t), np.log(few), column) for column in tables[:, y].T]
            slope = float(np.interp(left[y], _SEEN, here))
            found[y] = found[y] * (1.0 + h - 2.0 * h * slope) ** 2 + 2.0 * h
    return found


def _measure(task: Task, setup: Setup) -> Values:
    s = task.settings
    rng, d, case = setup.rng("structured generation", task.key), s["d"], s["case"]
    psi_p, psi_n, biased = _CASES[case]
    data = _data(d)
    rows, fresh = data.draw(psi_n * d, rng), data.draw(psi_n * d, rng)
    times = np.geomspace(_FIRST, _LAST, s["levels"])
    stopping = _stopping(case, times)
    x = rng.standard_normal((len(STAGES), s["samples"], d))
    for k in range(len(times) - 1, -1, -1):
        t, h = times[k], times[k] - (times[k - 1] if k else 0.0)
        network = _network(psi_p * d, d, t, biased, rng)
        scores = _scores(network, rows, [stopping[k], 30.0, np.inf], x[:-1], psi_p)
        score = np.concatenate([scores, [_exact(x[-1], t)]])
        x += (x + 2.0 * score) * h + math.sqrt(2.0 * h) * rng.standard_normal(x.shape)
    known, other = cKDTree(np.concatenate(rows)), cKDTree(np.concatenate(fresh))
    return {
        "classes": [packed(_classes(one)) for one in x],
        "leaning": [float(np.mean(known.query(one)[0] < other.query(one)[0])) for one in x],
        "stopping": packed(stopping),
    }


def _network(p: int, d: int, t: float, biased: bool, rng: np.random.Generator) -> Network:
    w, b = rng.standard_normal((p, d)), biased * rng.standard_normal(p) / t
    return Network(w, b, np.array([t]), np.ones(1), np.ones(1), 0.0, "tanh")


def _scores(network: Network, rows: list[Array], tau: list[float], x: Array, psi_p: int) -> Array:
    """Scores (stages, N, d) at x of the same shape, trained for the times tau."""
    t = float(network.times[0])
    own = mixed([sample_moments(network, part) for part in rows], _WEIGHTS)
    values, vectors = np.linalg.eigh(own.u)
    forcing = vectors.T @ own.v
    root = math.sqrt(-math.expm1(-2.0 * t))
    found = np.empty_like(x)
    for i, one in enumerate(tau):
        filters = -np.expm1(-2.0 * values * one / psi_p) / values
        weights = -(vectors * filters) @ forcing
        features = np.tanh(x[i] @ network.w.T / math.sqrt(x.shape[2]) + t * network.b)
        found[i] = features @ weights / root
    return found


def _exact(x: Array, t: float) -> Array:
    """The score of the mixture itself."""
    decay, d = math.exp(-t), x.shape[1]
    variance = decay**2 * _VARIANCES - math.expm1(-2.0 * t)
    away = x[:, None, :] - decay * np.array([1.0, -1.0])[:, None]
    logs = np.log(_WEIGHTS) - 0.5 * d * np.log(variance)
    logs = logs - 0.5 * np.sum(away**2, axis=2) / variance
    share = np.exp(logs - logs.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    return np.asarray(-np.einsum("nc,ncd->nd", share / variance, away))


def _classes(x: Array) -> list[float]:
    """Share of the first class, then variances of both across the means, and along them over d."""
    d = x.shape[1]
    along = x.mean(axis=1)
    first = along > 0.0
    across = x - along[:, None]
    spread = [[np.var(across[part], axis=0).sum() / (d - 1), np.var(along[part])]
              if part.sum() > 1 else [math.nan, math.nan] for part in (first, ~first)]  # fmt: skip
    return [float(first.mean()), *map(float, np.transpose(spread).ravel())]


def _tables(outcomes: Sequence[Outcome]) -> dict[str, tuple[Array, Array]]:
    """Case -> (draws, stages, 5) of `_classes`, and (draws, stages) of leaning."""
    found: dict[str, tuple[Array, Array]] = {}
    for case in _CASES:
        own = [values for task, values in outcomes if task.settings["case"] == case]
        classes = [[unpacked(row) for row in one["classes"]] for one in own]
        found[case] = np.array(classes), np.array([one["leaning"] for one in own])
    return found


_SPREADS = ("variance across the means", "variance along the means over d")


def _judge(outcomes: Sequence[Outcome]) -> list[Check]:
    tables = _tables(outcomes)
    settings = outcomes[0].task.settings
    drawn = settings["samples"] * len(tables["no biases"][0])
    stopped, late, exact = (STAGES.index(one) for one in (_STOPPED, _LATE, _EXACT))
    checks = [
        compared("no biases, all stages: share of the first class",
                 0.5, float(tables["no biases"][0][:, :exact, 0].mean()),
                 0.5 / math.sqrt(drawn * exact), note="predicted: by symmetry, exactly"),
        compared("exact score, the same steps: share of the first class", 0.75,
                 float(np.mean([one[:, exact, 0] for one, _ in tables.values()])),
                 math.sqrt(0.75 * 0.25 / (drawn * len(tables))), margin=0.02,
                 note="margin for steps of finite length"),
    ]  # fmt: skip
    many = tables["many samples"][0]
    if settings["d"] >= 20:
        share, error, _ = mean_and_error(many[:, stopped, 0])
        checks += [
            within(f"many samples, {_STOPPED}: share of the first class", share, 0.75 - _WEIGHT,
                   0.75 + _WEIGHT, error,
                   f"measured, against the data; {_WEIGHT} stands for the error of the score"),
            _closer("few samples", tables["few samples"][1][:, [stopped, late]]),
        ]  # fmt: skip
        predicted = _predicted("many samples", settings["levels"])
        wide, narrow = (mean_and_error(many[:, stopped, 1 + y]) for y in range(2))
        name = f"many samples, {_STOPPED}: variance across the means, class"
        checks += [
            compared(f"{name} 0", float(predicted[0]), wide[0], wide[1],
                     margin=_ACROSS / settings["d"], note=f"margin {_ACROSS:g}/d"),
            within(f"{name} 1", narrow[0], *map(float, predicted[::-1]), narrow[1],
                   "the predictions of this class, which leaves out its place along the means, and "
                   "of the other"),
        ]  # fmt: skip
    labels = ["share of the first class"]
    labels += [f"{what}, class {y}" for what in _SPREADS for y in range(2)]
    data = (0.75, *_VARIANCES, *_VARIANCES / settings["d"])
    for case, (classes, leaning) in tables.items():
        for j, stage in enumerate(STAGES):
            for label, value, column in zip(labels, data, classes[:, j].T, strict=True):
                mean, error, _ = mean_and_error(column)
                checks.append(measured(f"{case}, {stage}: {label}", mean, error, float(value)))
            mean, error, _ = mean_and_error(leaning[:, j])
            checks.append(
                measured(f"{case}, {stage}: share nearer to the training samples than to as many "
                         "fresh ones", mean, error, 0.5)
            )  # fmt: skip
    return checks


def _closer(case: str, leaning: Array) -> Check:
    """Late networks lean on the training samples more than those stopped in time."""
    rise, error, _ = mean_and_error(leaning[:, 1] - leaning[:, 0])
    return within(
        f"{case}: share nearer to the training samples than to as many fresh ones, rise from the "
        "predicted stop to tau = inf", rise, _RISE, math.inf, error,
        "measured: at 1 every sample would be a copy; of no memory it is 1/2",
    )  # fmt: skip


def _figures(outcomes: Sequence[Outcome]) -> list[Figure]:
    def draw(figure: Any) -> None:
        names = (
            "share, class 0",
            "variance across, class 0",
            "variance across, class 1",
            "leaning",
        )
        for j, (axis, name) in enumerate(zip(figure.subplots(2, 2).flat, names, strict=True)):
            for color, (case, (classes, leaning)) in enumerate(_tables(outcomes).items()):
                table = np.dstack([classes[:, :, :3], leaning])[:, :, j]
                axis.errorbar(
                    np.arange(len(STAGES)) + 0.1 * color,
                    table.mean(axis=0),
                    table.std(axis=0, ddof=1),
                    fmt=f"C{color}o",
                    ms=4,
                    label=case,
                )
            axis.axhline((*(0.75, *_VARIANCES), 0.5)[j], color="k", lw=0.7, ls=":")
            axis.set_xticks(range(len(STAGES)), ["stopped", "30", "inf", "exact"])
            axis.set_title(name, fontsize=8)
        figure.axes[0].legend(fontsize=6)

    return [
        Figure(
            "Generated samples: share and variances of the classes (dotted: of the data), and how "
            "many are nearer to the training samples than to as many fresh ones (dotted: no "
            "memory). Bars: standard deviation of a draw.",
            draw,
        )
    ]


GENERATION = Experiment(
    name="structured-generation",
    claim="Stopped as predicted, networks generate classes of nearly the right weights and of "
    "different variances; trained on, they lean on their samples; without biases no weights show",
    source="arXiv 2505.17638 for stopping; arXiv 2605.06367 for unequal classes",
    theory="predicted: best_stopping() of TimeIntegratedModel at every level, the share 1/2 of odd "
    "networks, and variances across the means by the coupling of each class at that stop",
    statistic="two clusters at +-m, |m|^2 = d, weights .75/.25, variances 1 and .36; 40 levels "
    "from t = 4 to .02, a network of true tanh features each, d = 20, against the exact score",
    tolerance=f"share within {_WEIGHT} of the data's; variance across the means of class 0 within "
    f"{_ACROSS:g}/d of the prediction, of class 1 between its own and that of class 0; leaning "
    f"rises by {_RISE}; share 1/2 within binomial error",
    reading="What one may conclude: where to stop is known beforehand, an odd activation without "
    "biases cannot learn weights or variances of mirrored classes, and most of what makes the "
    "smaller class too wide is in its coupling: at the best stop of all data that class, the last "
    "to be learned (structured-times), has four fifths of the true slope at small t, which alone "
    "makes .55 of .36. What one may not: the rest, .1 at d = 8, 12 and 20 alike, is not "
    "explained, and samples are spread over a good part of the way between the classes, .24 a "
    "dimension, of which the limit says nothing.",
    plan=_plan,
    measure=_measure,
    judge=_judge,
    figures=_figures,
)
