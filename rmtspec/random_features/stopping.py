r"""When to stop training on one's own data, and what more of them would buy.

The rows are standardised, a fifth of them is held out, and the model of given rows
(`RandomFeatureModel.from_data`) is asked on random subsets of a quarter, a half and all of the
rest, for two splits.  No population has to be guessed: what more data would do is read off from
what half of them do.

The window is one of loss.  With :math:`L_0` the test loss before training and :math:`L_*` its least
value, training has generalised while :math:`L\le L_*+0.05\,(L_0-L_*)`: tau_gen is the beginning of
that time and tau_mem, at which memorisation has cost as much as was missing, its end.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _checks
from ..inputs.activation import ActivationLike
from ..inputs.arrays import remarks
from ..inputs.population import PopulationSpectrum, spectrum_of_rows
from ..inputs.samples import standardise
from ..result import ConvergenceWarning, DataWarning, FewDimensionsWarning, ProgressBar
from .model import RandomFeatureModel
from .predictions.questions import memorised_at
from .results import LearningCurves
from .summaries.stopping import COLUMNS, Estimate, StoppingReport
from .summaries.times import automatic_times

FloatArray = NDArray[np.float64]

SHARE = 0.05
"""Of the gain in test loss: the window is where no more of it is missing."""

_PARTS = (4, 2, 1)  # the subsets are this fraction of the rows
_SPLITS = 2
_MOST_ROWS, _MOST_HELD_OUT = 4000, 1000
_LEAST_ROWS = 20
_FEW_HELD_OUT = 30
_FLAT_RISE = 2.0  # shares of the gain: if twice the data rise by less, they may never memorise

# What the theory missed true features by on digits, photographs and faces, relative.
_MISSED = {
    "tau_gen": 0.06,
    "best": 0.3,
    "tau_mem": 0.1,
    "tau_mem at twice the rows": 0.2,
    "early loss": 0.01,
    "late loss": 0.07,
    "memorised fraction": 0.05,
}
_MISSED_RISE = 0.02  # of the late loss: tau_mem is found where the curve has risen to a level


@dataclass(frozen=True)
class _Run:
    """What one subset of the rows says."""

    rows: int
    tau_gen: float
    best: float
    tau_mem: float
    train: float
    test: float
    final_train: float
    final_test: float
    memorised: float


def stopping_report(
    x: ArrayLike,
    psi_p: float = 6.0,
    t: float = 0.1,
    activation: ActivationLike = "tanh",
    *,
    learning_rate: float | None = None,
    seed: int = 0,
    source: str | None = None,
    progress: bool = False,
) -> StoppingReport:
    r"""When to stop training a random-feature score on these rows, and what more would buy.

    Parameters
    ----------
    x : array_like, shape (n, d), n >= 25
        One sample a row; shifted and scaled to mean variance 1.  At most 4000 rows are trained on,
        at most 1000 held out; the report says how many.
    psi_p : float in [1e-9, 1e9]
        Features per dimension.
    t : float in [1e-6, 20]
        Diffusion time.
    activation : as for `RandomFeatureModel`
    learning_rate : float > 0, optional
        Times are then in steps, τ d²/rate, and in gradient-flow time τ otherwise.
    seed : int >= 0
        Of the two random splits.
    source : str, optional
        Where the rows are from.
    progress : bool
        Whether a bar is shown on standard error (with tqdm installed).

    Returns
    -------
    StoppingReport

    Raises
    ------
    TypeError, ValueError
        If x is no table of samples or has too few rows, or another argument is out of range.

    Notes
    -----
    *Accuracy.*  Against true tanh features on digits and photographs with the same held-out rows:
    tau_gen 6 %, tau_mem 10 %, the best time 30 % (the minimum is flat), losses up to it 1 %, final
    losses 7 %.  Errors are not smaller than these.  They are larger where few rows are held out:
    the scatter between halves of them gives twice the standard error.  tau_mem is off by more
    where the test loss ends little above the window, and "or never" is said where a miss of the
    late loss by 2 %, or half of the held-out rows, lets it stay inside.  The exponent of tau_mem is
    a local one; where it still grows, or twice the data would let the loss rise by less than twice
    the share, memorisation moves at least as far as is said, or never comes.

    Examples
    --------
    >>> import numpy as np, rmtspec as rs
    >>> x = np.random.default_rng(0).normal(size=(150, 10))
    >>> report = rs.stopping_report(x)
    >>> 0 < report.tau_gen.value < report.best.value
    True
    """
    rows = standardise(x)
    if len(rows) < _LEAST_ROWS * 5 // 4:
        raise ValueError(
            f"x must have at least {_LEAST_ROWS * 5 // 4} rows, of which a fifth is held out, "
            f"got {len(rows)}"
        )
    psi_p = _checks.real("psi_p", psi_p, 1e-9, 1e9)
    t = _checks.real("t", t, 1e-6, 20.0)
    if not isinstance(source, str | None):
        raise TypeError(f"source must be a string or None, got {_checks.shown(source)}")
    progress = _checks.flag("progress", progress)
    rate = None if learning_rate is None else _checks.positive("learning_rate", learning_rate)
    generator = np.random.default_rng(_checks.integer("seed", seed, 0))
    held = min(len(rows) // 5, _MOST_HELD_OUT)
    trained = min(len(rows) - held, _MOST_ROWS)
    sizes = sorted({max(trained // part, 2) for part in _PARTS})

    said: list[str] = []
    runs: dict[int, list[_Run]] = {size: [] for size in sizes}
    halves: list[_Run] = []
    curves: LearningCurves | None = None
    with ProgressBar(_SPLITS * (len(sizes) + 2), progress, "subsets") as bar:
        for _ in range(_SPLITS):
            order = generator.permutation(len(rows))
            test, train = rows[order[:held]], rows[order[held : held + trained]]
            for size in sizes:
                model = _model(train[:size], test, psi_p, t, activation, said)
                run, found = _run(model, size)
                runs[size].append(run)
                bar()
            curves = found if curves is None else curves
            for half in (test[::2], test[1::2]):
                halves.append(_run(_model(train, half, psi_p, t, activation, []), trained)[0])
                bar()
    assert curves is not None

    scale = 1.0 if rate is None else rows.shape[1] ** 2 / rate
    means = [_mean(runs[size], scale) for size in sizes]
    population = spectrum_of_rows(PopulationSpectrum, rows)
    values = {
        "data": {
            "source": source,
            "samples": len(rows),
            "dimension": rows.shape[1],
            "trained": trained,
            "held_out": held,
            "splits": _SPLITS,
            "participation_ratio": population.participation_ratio,
        },
        "model": {"psi_p": psi_p, "t": t, "activation": _name(activation)},
        "learning_rate": rate,
        "share": SHARE,
        "unit": "gradient-flow time tau = steps * rate / d^2" if rate is None else "steps",
        "scale": scale,
        **{
            name: vars(_time(runs[trained], halves, name, scale))
            for name in ("tau_gen", "best", "tau_mem")
        },
        "losses": {
            name: vars(_loss(runs[trained], halves, key, missed))
            for name, key, missed in (
                ("train", "train", "early loss"),
                ("test", "test", "early loss"),
                ("final train", "final_train", "late loss"),
                ("final test", "final_test", "late loss"),
            )
        },
        "memorised": vars(_loss(runs[trained], halves, "memorised", "memorised fraction")),
        "doubling": _doubling(means, _time(runs[trained], halves, "tau_mem", scale)),
        "trust": [
            *_doubts(population, trained, held, rows),
            *_disagreements(runs[trained]),
            *dict.fromkeys(said),
        ],
        "subsets": means,
    }
    return StoppingReport(values, curves)


def _model(
    train: FloatArray,
    test: FloatArray,
    psi_p: float,
    t: float,
    activation: ActivationLike,
    said: list[str],
) -> RandomFeatureModel:
    """The model of these rows; what it warns of becomes a reason not to trust it.

    What is odd about the data is said once, of all rows.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        model = RandomFeatureModel.from_data(train, psi_p, t, activation, test=test)
    said += [
        " ".join(str(one.message).split())
        for one in caught
        if not issubclass(one.category, (FewDimensionsWarning, ConvergenceWarning, DataWarning))
    ]
    return model


def _run(model: RandomFeatureModel, size: int) -> tuple[_Run, LearningCurves]:
    training = model.training()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # of the score error, which is not asked
        best, window = training.best_stopping(), training.window(share=SHARE)
        end = training.learning_curves(np.inf)
        curves = training.learning_curves(automatic_times(training))
    return (
        _Run(
            size,
            window.tau_gen_loss,
            best.tau,
            window.tau_mem_loss,
            best.train,
            best.test,
            float(end.train),
            float(end.test),
            memorised_at(training, best.tau),
        ),
        curves,
    )


def _mean(runs: Sequence[_Run], scale: float) -> dict[str, Any]:
    """Of the splits: geometric for times, arithmetic for losses."""
    mean: dict[str, Any] = {"rows": runs[0].rows}
    for name in ("tau_gen", "best", "tau_mem"):
        mean[name] = scale * _geometric([getattr(run, name) for run in runs])
    for name in COLUMNS[3:]:
        mean[name] = float(np.mean([getattr(run, name) for run in runs]))
    return mean


def _geometric(times: Sequence[float]) -> float:
    if min(times) <= 0.0:
        return float(np.mean(times))
    return float(np.exp(np.mean(np.log(times))))


def _time(runs: Sequence[_Run], halves: Sequence[_Run], name: str, scale: float) -> Estimate:
    """Mean over the splits; how far it may be off is infinite where it may never come."""
    times = [getattr(run, name) for run in runs]
    value = _geometric(times)
    if not math.isfinite(value):
        return Estimate(value, math.nan)
    missed = max(_MISSED[name], _flatness(runs) if name == "tau_mem" else 0.0)
    seen = [getattr(half, name) for half in halves]
    if missed >= 1.0 or not np.isfinite(seen).all():
        return Estimate(scale * value, math.inf)
    scatter = _scatter(np.log(seen)) * value if min(seen) > 0.0 else _scatter(seen)
    spread = 0.5 * (max(times) - min(times))
    return Estimate(scale * value, scale * max(spread, scatter, missed * value))


def _loss(runs: Sequence[_Run], halves: Sequence[_Run], name: str, missed: str) -> Estimate:
    losses = [getattr(run, name) for run in runs]
    value = float(np.mean(losses))
    scatter = _scatter([getattr(half, name) for half in halves])
    spread = 0.5 * (max(losses) - min(losses))
    return Estimate(value, max(spread, scatter, _MISSED[missed] * value))


def _scatter(halves: Sequence[float] | FloatArray) -> float:
    """Twice the standard error of the mean of the splits, from four halves of held-out rows.

    A half has twice the variance of a whole, and the mean of two wholes half of it: the standard
    error is half the standard deviation of the halves.
    """
    return float(np.std(halves, ddof=1))


def _flatness(runs: Sequence[_Run]) -> float:
    """How far a small miss of the late loss moves tau_mem, relative.

    The less the loss ends above the level of the window, the more: the curve crosses it flat.
    """
    rises = [run.final_test - run.test - SHARE * (1.0 - run.test) for run in runs]
    rise = float(np.mean(rises))
    miss = _MISSED_RISE * float(np.mean([run.final_test for run in runs]))
    return miss / rise if rise > miss else math.inf


def _doubling(means: list[dict[str, Any]], tau_mem: Estimate) -> dict[str, Any]:
    """From half of the rows to all, continued once more."""
    quarter, half, whole = ([None] * 3 + means)[-3:]
    if half is None or whole is None:
        unknown = dict.fromkeys(("exponent", "tau_mem", "error", "test"), math.nan)
        return {**unknown, "at_least": False}
    steps = math.log(whole["rows"] / half["rows"])
    growth = _logarithm(whole["tau_mem"], half["tau_mem"])
    exponent = growth / steps if math.isfinite(growth) else math.nan
    before = math.nan
    if quarter is not None:
        before = _logarithm(half["tau_mem"], quarter["tau_mem"])
        before /= math.log(half["rows"] / quarter["rows"])
    # The rise above the least loss, in shares of the gain, continued as tau_mem is.
    now, then = (_rise(mean) for mean in (whole, half))
    later = now * now / then if then > 0.0 else math.nan
    value = whole["tau_mem"] * 2.0**exponent
    # The time of all rows enters squared.
    missed = max(_MISSED["tau_mem at twice the rows"], 2.0 * tau_mem.error / tau_mem.value)
    return {
        "exponent": exponent,
        "tau_mem": value,
        "error": value * missed,
        "test": whole["test"] - half["test"],
        "at_least": bool(exponent > before or later < _FLAT_RISE),
    }


def _rise(mean: dict[str, Any]) -> float:
    """How far the test loss ends above its least value, in shares of its gain."""
    gain = SHARE * (1.0 - mean["test"])
    return float((mean["final_test"] - mean["test"]) / gain) if gain > 0.0 else math.nan


def _logarithm(later: float, earlier: float) -> float:
    """ln(later/earlier), NaN where one of them never comes or is there from the start."""
    if not (0.0 < earlier < math.inf and 0.0 < later < math.inf):
        return math.nan
    return math.log(later / earlier)


def _doubts(
    population: PopulationSpectrum, trained: int, held: int, rows: FloatArray
) -> Iterator[str]:
    """Reasons not to trust the numbers, from sizes alone."""
    ratio = population.participation_ratio
    yield from remarks(rows)
    if held < _FEW_HELD_OUT:
        yield f"{held} held-out rows say little: test losses scatter by some per cent"
    if trained + held < len(rows):
        yield f"{len(rows) - trained - held} rows were left out: times are those of {trained} rows"
    if ratio < 5.0:
        yield (
            f"the data fill few directions (participation ratio {ratio:.2g}): checked on pictures "
            "down to 3, where final losses still came within 3 %"
        )
    if population.dimension is not None and population.dimension > 144:
        yield (
            f"dimension {population.dimension}: the theory was held against true features up to "
            "144 only; its errors fall as the dimension grows"
        )


def _disagreements(runs: Sequence[_Run]) -> Iterator[str]:
    """Where one split says that a time never comes and the other that it does."""
    for name, words in (("best", "overfits"), ("tau_mem", "memorises")):
        found = [getattr(run, name) for run in runs]
        if math.isinf(max(found)) and not math.isinf(min(found)):
            yield f"the splits disagree on whether it {words}: one does, at tau {min(found):.2g}"


def _name(activation: ActivationLike) -> str:
    return activation if isinstance(activation, str) else type(activation).__name__
