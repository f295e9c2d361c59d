"""What each phase diagram shows: numbers behind the colours, their name, and what is hatched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import xarray


@dataclass(frozen=True)
class Look:
    """What the maps of a diagram are called, and what is told apart on them.

    Attributes
    ----------
    label : of the colours of each map
    undefined : what it means that there is nothing to show, where the sweep did not fail
    shown : the data set and the name of a variable to the numbers that are drawn
    closed : in words and as points, what is hatched
    contours : whether lines of equal value, at powers of ten, are drawn
    """

    label: tuple[str, ...]
    undefined: str = "not defined"
    shown: Callable[[xarray.Dataset, str], xarray.DataArray] = lambda data, name: data[name]
    closed: tuple[str, Callable[[xarray.Dataset], xarray.DataArray]] | None = None
    contours: bool = False


def _separation(data: xarray.Dataset, _: str) -> xarray.DataArray:
    """Ratio of the edges on both sides of the gap: decades, where the gap itself is close to 1."""
    gap: xarray.DataArray = data["gap"]
    return (1.0 / (1.0 - gap)).where(gap > 0.0)


def _has_merged(data: xarray.Dataset) -> xarray.DataArray:
    merged: xarray.DataArray = data["merged"]
    return (merged == 1.0) & data["ratio"].notnull()


def _time_or_excess(data: xarray.Dataset, name: str) -> xarray.DataArray:
    """The time as it is; for the test loss the part that depends on the model.

    test = 1 − Δ_t Tr Σ_t^-1/d + Δ_t·score_error, whose first two terms are the loss of the true
    score.
    """
    values = data[name]
    return -np.expm1(-2.0 * data.t) * data.score_error if name == "test" else values


LOOKS = {
    "gap": Look(
        ("lower edge of the fast bulk / upper edge below",),
        "fast bulk alone",
        _separation,
        closed=("bulks merged: no gap", lambda data: data["gap"] == 0.0),
        contours=True,
    ),
    "timescales": Look(
        (r"$\tau_\mathrm{mem}/\tau_\mathrm{gen}$",),
        "no sample bulk",
        closed=("bulks merged: times by mass quantiles", _has_merged),
        contours=True,
    ),
    "stopping": Look(
        (
            r"best time to stop, $\tau$ = steps $\cdot$ rate$/d^2$",
            "test loss there $-$ that of the true score",
        ),
        r"no best time but $\tau=0$ or $\infty$",
        _time_or_excess,
        contours=True,
    ),
    "memorisation": Look(("generalisation loss (test $-$ train), per dimension",)),
    "kl": Look(
        (
            r"$D$(data || model), nats per dimension",
            r"$D$(model || data), nats per dimension",
        ),
        "infinite",
        contours=True,
    ),
}
