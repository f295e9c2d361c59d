r"""What moves an exponent: series that differ in one setting, fitted at the same sizes.

Optimiser, width (how near n comes to what a network can hold) and spectrum of the data are told
apart by the difference of two exponents, each from sizes at which every network of both series got
there. Decided beforehand: a difference beyond twice its error is one, a smaller one is not seen;
fewer than three common sizes decide nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from validation.experiments.pairs.onsets import Exponent, exponent, runs, series
from validation.harness.checks import Check, measured
from validation.harness.experiment import Outcome

_ASKED = ("tau_mem, a tenth copied", "tau_mem, gap a tenth", "tau_mem, half lean")
_SIZES = 3
_ERRORS = 2.0


def judge_reasons(outcomes: Sequence[Outcome]) -> list[Check]:
    """Return differences of exponents in n between series that differ in one setting."""
    checks = []
    for what, first, second in _rivals(outcomes):
        for name in _ASKED:
            one, other = common(first, second, name)
            if len(one.onsets) >= _SIZES:
                checks.append(_difference(f"{name}: exponent in n, {what}", one, other))
    return checks


def _rivals(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, list[Outcome], list[Outcome]]]:
    groups = list(series(outcomes, "n").values())
    for first, second in combinations(groups, 2):
        a, b = _fixed(first[0].task.settings), _fixed(second[0].task.settings)
        differing = [key for key in a if a[key] != b.get(key)]
        if len(differing) == 1:
            key = differing[0]
            rest = ", ".join(f"{k} {v}" for k, v in a.items() if k != key)
            yield f"{key} {a[key]} less {b[key]} ({rest})", first, second


def _fixed(settings: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in settings.items() if k in ("width", "optimiser", "exponent")}


def common(
    first: Sequence[Outcome], second: Sequence[Outcome], name: str
) -> tuple[Exponent, Exponent]:
    """Return the exponents of one onset in two series, from the sizes that both reached."""
    curves = [runs(group, "n") for group in (first, second)]
    rng = np.random.default_rng(0)
    reached = [set(exponent(c, name, rng).onsets) for c in curves]
    sizes = reached[0] & reached[1]
    one, other = (exponent({n: c[n] for n in c if n in sizes}, name, rng) for c in curves)
    return one, other


def _difference(label: str, one: Exponent, other: Exponent) -> Check:
    value = one.value - other.value
    error = math.hypot(one.half_width, other.half_width)
    sizes = ", ".join(f"{n:g}" for n in one.onsets)
    if abs(value) > _ERRORS * error:
        told = "decided: it moves the exponent"
    else:
        told = f"decided: no difference beyond {abs(value) + _ERRORS * error:.2f}"
    if not math.isfinite(error):
        told, error = "not decided: no interval", 0.0
    return measured(label, value, error, 0.0,
                    f"{told}; {one.value:.2f} and {other.value:.2f} from n = {sizes}")  # fmt: skip
