"""A check: one number of theory, the same number by experiment, and a verdict fixed beforehand.

What decides. A comparison fails if the experiment misses the theory by more than its margin (a
stated allowance for finite size, zero unless given) plus `limit` standard errors, the limit being
where a right theory would be missed with probability 1e-4: 3.89 standard errors of a normal law,
and Student's quantile where the error comes from few draws. Of a hundred right checks one fails by
chance once in a hundred runs. A check that is only measured has no verdict but "measured"; a form
that is known to be wrong is "excluded" if the experiment lies beyond the limit from it, and fails
otherwise.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm, t

CHANCE = 1e-4
PASSED, FAILED, MEASURED, EXCLUDED = "passed", "failed", "measured", "excluded"
VERDICTS = (PASSED, EXCLUDED, FAILED, MEASURED)
FOLDED = 40
"""Tables longer than this are folded; their failures are always shown."""


@dataclass(frozen=True)
class Check:
    """One line of the report.

    Attributes
    ----------
    name : what is compared
    theory : the predicted number; None if nothing is predicted
    experiment : the measured number
    error : its standard error; 0 for counts and exact arithmetic
    allowed : largest deviation that passes
    verdict : "passed", "failed", "measured" or "excluded"
    note : what the reader should know, the margin's origin among it
    """

    name: str
    theory: float | None
    experiment: float
    error: float
    allowed: float
    verdict: str
    note: str = ""

    @property
    def deviation(self) -> float:
        """Experiment minus theory; NaN where nothing is predicted."""
        return math.nan if self.theory is None else self.experiment - self.theory

    @property
    def sigmas(self) -> float:
        """Deviation in standard errors; NaN where there is no theory or no error."""
        return self.deviation / self.error if self.error > 0.0 else math.nan

    def record(self) -> dict[str, Any]:
        """Return the check as a JSON object; numbers that are not finite become null."""
        packed = {
            key: _digits(value) if isinstance(value, float) else value
            for key, value in asdict(self).items()
        }
        sigmas = _digits(self.sigmas)
        return {"check": packed.pop("name"), **packed, "sigmas": sigmas}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Check:
        """Return the check that `record` holds; KeyError or TypeError if it does not."""
        experiment, error, allowed = (
            math.nan if record[key] is None else float(record[key])
            for key in ("experiment", "error", "allowed")
        )
        theory = None if record["theory"] is None else float(record["theory"])
        verdict = record["verdict"]
        if verdict not in VERDICTS:
            raise KeyError(f"verdict {verdict!r}")
        return cls(
            str(record["check"]), theory, experiment, error, allowed, verdict, str(record["note"])
        )


def _digits(value: float) -> float | None:
    return float(f"{value:.8g}") if math.isfinite(value) else None


def limit(draws: int | None = None) -> float:
    """Return how many standard errors a right theory misses with probability `CHANCE`.

    Parameters
    ----------
    draws : int, optional
        Number of independent draws behind the standard error; None for a normal law.

    Examples
    --------
    >>> round(limit(), 2), round(limit(6), 2)
    (3.89, 9.68)
    """
    if draws is None:
        return float(norm.isf(0.5 * CHANCE))
    return float(t.isf(0.5 * CHANCE, max(draws - 1, 1)))


def compared(
    name: str,
    theory: float,
    experiment: float,
    error: float,
    *,
    margin: float = 0.0,
    draws: int | None = None,
    note: str = "",
) -> Check:
    """Compare two numbers: |experiment - theory| <= limit(draws) error + margin."""
    allowed = limit(draws) * error + margin
    good = abs(experiment - theory) <= allowed  # False for NaN
    return Check(
        name, float(theory), float(experiment), float(error), float(allowed),
        PASSED if good else FAILED, note,
    )  # fmt: skip


def averaged(
    name: str, theory: float, values: ArrayLike, *, margin: float = 0.0, note: str = ""
) -> Check:
    """Compare the mean of independent draws with theory; the error is that of the mean."""
    mean, error, count = mean_and_error(values)
    return compared(name, theory, mean, error, margin=margin, draws=count, note=note)


def refuted(name: str, printed: float, values: ArrayLike, *, note: str = "") -> Check:
    """A form that must be wrong: excluded if the mean of draws lies beyond the limit from it."""
    mean, error, count = mean_and_error(values)
    beyond = limit(count) * error
    good = abs(mean - printed) > beyond
    text = "a misprint, which the experiment must exclude" + (f"; {note}" if note else "")
    verdict = EXCLUDED if good else FAILED
    return Check(name, float(printed), mean, error, float(beyond), verdict, text)


def within(
    name: str, value: float, low: float, high: float, error: float = 0.0, note: str = ""
) -> Check:
    """Demand low <= value <= high, whatever the error; the middle stands for the theory."""
    good = low <= value <= high
    middle, half = 0.5 * (low + high), 0.5 * (high - low)
    if math.isinf(high) or math.isinf(low):
        middle, half = (low, math.inf) if math.isinf(high) else (high, math.inf)
    return Check(
        name, float(middle), float(value), float(error), float(half),
        PASSED if good else FAILED, note,
    )  # fmt: skip


def measured(
    name: str, experiment: float, error: float = 0.0, theory: float | None = None, note: str = ""
) -> Check:
    """A number that is reported and not judged."""
    return Check(name, theory, float(experiment), float(error), math.inf, MEASURED, note)


def mean_and_error(values: ArrayLike) -> tuple[float, float, int]:
    """Return mean, standard error of the mean, and number of independent draws (at least two)."""
    array = np.asarray(values, dtype=float)
    if array.ndim != 1 or len(array) < 2:
        raise ValueError(f"values must be two or more numbers, got shape {array.shape}")
    return float(array.mean()), float(array.std(ddof=1) / math.sqrt(len(array))), len(array)


def power(x: ArrayLike, y: ArrayLike, errors: ArrayLike | None = None) -> tuple[float, float]:
    """Exponent of y ~ x^k and its standard error.

    Parameters
    ----------
    x, y : array_like, shape (m,), positive, m >= 2
    errors : array_like, shape (m,), optional
        Standard errors of y. Without them the scatter about the straight line in the logarithms
        gives the error, NaN for two points.

    Returns
    -------
    (float, float)
        NaN, NaN if a value is not positive and finite.
    """
    a, b = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if not (np.all(a > 0.0) and np.all(b > 0.0) and np.all(np.isfinite(a * b))):
        return math.nan, math.nan
    logs, values = np.log(a), np.log(b)
    weights = np.ones_like(a) if errors is None else (b / np.asarray(errors, dtype=float)) ** 2
    centred = logs - np.average(logs, weights=weights)
    norm2 = float(np.sum(weights * centred**2))
    slope = float(np.sum(weights * centred * values)) / norm2
    residual = values - np.average(values, weights=weights) - slope * centred
    scatter = float(np.sum(weights * residual**2)) / max(len(a) - 2, 1)
    # Errors that are too small for the scatter are widened by it, never narrowed.
    variance = max(1.0, scatter)
    if errors is None:
        variance = scatter if len(a) > 2 else math.nan
    return slope, math.sqrt(variance / norm2)
