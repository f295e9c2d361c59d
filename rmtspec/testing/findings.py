"""What a check found: two numbers, the tolerance between them, and whether they stand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

EPS = float(np.finfo(float).eps)
TINY = float(np.finfo(float).tiny)


@dataclass(frozen=True)
class Finding:
    """One invariant, at the point of those asked where it is nearest to failing.

    Parameters
    ----------
    name : str
        The invariant, as a formula.
    left, right : float or complex
        Its two sides.
    tolerance : float
        How far the left side may exceed the right one, or they may differ; each check says where
        it comes from.
    ok : bool
        Whether the invariant holds, at all points asked.
    at : float or complex, optional
        The point.
    note : str
        What a failure hints at.
    """

    name: str
    left: float | complex
    right: float | complex
    tolerance: float
    ok: bool
    at: float | complex | None = None
    note: str = ""

    def __str__(self) -> str:
        place = "" if self.at is None else f" at {self.at:.6g}"
        hint = f" ({self.note})" if self.note else ""
        return (
            f"{'holds' if self.ok else 'FAILS'}: {self.name}{place}: {self.left:.12g} against "
            f"{self.right:.12g}, tolerance {self.tolerance:.1e}{hint}"
        )


class InvariantError(AssertionError):
    """Invariants fail; `findings` has those that do."""

    def __init__(self, findings: list[Finding]) -> None:
        self.findings = findings
        super().__init__("\n".join(str(finding) for finding in findings))


def failed(findings: Iterable[Finding]) -> list[Finding]:
    """The findings that do not stand."""
    return [finding for finding in findings if not finding.ok]


def raise_on(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings if all stand.

    Raises
    ------
    InvariantError
        If one does not; an AssertionError, with a line for each.

    Examples
    --------
    >>> from rmtspec.testing import invariants
    >>> wrong = invariants.check_stieltjes(lambda z: -1 / (1 - z), [[1, 1]], [2j])
    >>> invariants.raise_on(wrong)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    rmtspec.testing.findings.InvariantError: FAILS: Im g >= Im z/far^2 at 0+2j: ...
    """
    found = list(findings)
    wrong = failed(found)
    if wrong:
        raise InvariantError(wrong)
    return found


def settled(findings: Iterable[Finding], raise_: bool) -> list[Finding]:
    """The findings as a list, or `raise_on` them."""
    return raise_on(findings) if raise_ else list(findings)


def at_most(
    name: str,
    left: ArrayLike,
    right: ArrayLike,
    tolerance: ArrayLike = 0.0,
    at: Any = None,
    note: str = "",
) -> list[Finding]:
    """The finding that left <= right + tolerance everywhere; none if there is no point."""
    first, second, slack = _aligned(left, right, tolerance)
    return _worst(name, first, second, slack, first - second, at, note)


def equal(
    name: str,
    left: ArrayLike,
    right: ArrayLike,
    tolerance: ArrayLike = 0.0,
    at: Any = None,
    note: str = "",
) -> list[Finding]:
    """The finding that ``|left − right| <= tolerance`` everywhere; none if there is no point."""
    first, second, slack = _aligned(left, right, tolerance)
    return _worst(name, first, second, slack, np.abs(first - second), at, note)


def _aligned(left: ArrayLike, right: ArrayLike, tolerance: ArrayLike) -> list[Any]:
    arrays = np.broadcast_arrays(
        np.atleast_1d(np.asarray(left)), np.asarray(right), np.asarray(tolerance, dtype=float)
    )
    return [array.ravel() for array in arrays]


def _worst(
    name: str, left: Any, right: Any, tolerance: Any, excess: Any, at: Any, note: str
) -> list[Finding]:
    """The point where the excess is largest against its tolerance; a NaN fails."""
    if left.size == 0:
        return []
    holds = excess <= tolerance
    with np.errstate(all="ignore"):
        share = np.nan_to_num(excess / np.maximum(tolerance, TINY), nan=np.inf, posinf=np.inf)
    worst = int(np.argmax(np.where(holds, np.minimum(share, 1.0), np.maximum(share, 2.0))))
    place = None
    if at is not None:
        place = np.broadcast_to(np.asarray(at).ravel(), left.shape)[worst].item()
    return [
        Finding(
            name,
            left[worst].item(),
            right[worst].item(),
            float(tolerance[worst]),
            bool(np.all(holds)),
            place,
            "" if holds.all() else note,
        )
    ]
