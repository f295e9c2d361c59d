"""Counts by class and worst figures of a certificate; partial summaries merge in any order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from validation.certificates.draws import ParameterSet, Point

FAILURES_KEPT = 20
_CLASSES = ("place", "ratio", "activation")

Summary = dict[str, Any]


def empty() -> Summary:
    """Return a summary of nothing."""
    return {
        "points": 0,
        "failed": 0,
        "skipped": 0,
        "refused": 0,
        "classes": {name: {} for name in _CLASSES},
        "worst": {},
        "reference": {"points": 0, "failed": 0, "cold": 0, "places": {}},
        "failures": [],
    }


def count(summary: Summary, drawn: ParameterSet, point: Point, failed: bool) -> None:
    """Count one certified point in each of its classes."""
    summary["points"] += 1
    summary["failed"] += int(failed)
    for name, value in zip(_CLASSES, (point.place, drawn.ratio, drawn.activation), strict=True):
        cell = summary["classes"][name].setdefault(value, [0, 0])
        cell[0] += 1
        cell[1] += int(failed)


def count_reference(
    summary: Summary, point: Point, error: float, ratio: float, *, failed: bool, cold: bool
) -> None:
    """Count one point compared with high precision: its error, and error over bound."""
    reference = summary["reference"]
    reference["points"] += 1
    reference["failed"] += int(failed)
    reference["cold"] += int(cold)
    cell = reference["places"].setdefault(point.place, [0, 0.0, 0.0])
    reference["places"][point.place] = [cell[0] + 1, max(cell[1], error), max(cell[2], ratio)]


def worst(summary: Summary, name: str, value: float, drawn: ParameterSet, j: int) -> None:
    """Remember the largest value of a figure, and the set and point that gave it."""
    if name not in summary["worst"] or value > summary["worst"][name][0]:
        summary["worst"][name] = [float(f"{value:.4g}"), drawn.index, j]


def fail(summary: Summary, drawn: ParameterSet, point: Point, reason: str) -> None:
    """Keep a failure so that it can be repeated: parameter set, distance from the floor, reason."""
    if len(summary["failures"]) < FAILURES_KEPT:
        z = complex(point.distance)
        where = f"set {drawn.index}, z - s^2 = {z.real!r}{z.imag:+}i ({point.place})"
        summary["failures"].append(f"{where}: {reason}")


def merge(parts: Iterable[Summary]) -> Summary:
    """Add summaries up."""
    total = empty()
    for part in parts:
        for name in ("points", "failed", "skipped", "refused"):
            total[name] += part[name]
        for name in _CLASSES:
            for value, (points, failed) in part["classes"][name].items():
                cell = total["classes"][name].setdefault(value, [0, 0])
                cell[0] += points
                cell[1] += failed
        for name, entry in part["worst"].items():
            if name not in total["worst"] or entry[0] > total["worst"][name][0]:
                total["worst"][name] = entry
        for name in ("points", "failed", "cold"):
            total["reference"][name] += part["reference"][name]
        for place, (points, error, ratio) in part["reference"]["places"].items():
            cell = total["reference"]["places"].get(place, [0, 0.0, 0.0])
            total["reference"]["places"][place] = [
                cell[0] + points,
                max(cell[1], error),
                max(cell[2], ratio),
            ]
        room = FAILURES_KEPT - len(total["failures"])
        total["failures"] += part["failures"][:room]
    return total


def print_summary(summary: Summary) -> None:
    """Print the certificate."""
    for name in _CLASSES:
        print(f"\n{name:<32} {'points':>8} {'failed':>7}")
        for value, (points, failed) in sorted(summary["classes"][name].items()):
            print(f"  {value:<30} {points:>8} {failed:>7}")
    reference = summary["reference"]
    print(f"\n{'against 50 digits':<32} {'points':>8} {'worst error':>12} {'error/bound':>12}")
    for place, (points, error, ratio) in sorted(reference["places"].items()):
        print(f"  {place:<30} {points:>8} {error:12.1e} {ratio:12.3f}")
    print()
    for name, (value, index, j) in sorted(summary["worst"].items()):
        print(f"worst {name}: {value:.3g} (set {index}, point {j})")
    for failure in summary["failures"]:
        print(f"FAILED {failure}")
    print(
        f"\n{summary['points']} points solved, {summary['failed']} failed, "
        f"{summary['skipped']} left out (thinner than the spacing of floats), "
        f"{summary['refused']} refused beside an edge; "
        f"{reference['points']} against 50 digits ({reference['cold']} from a cold start), "
        f"{reference['failed']} failed"
    )


def passed(summary: Summary) -> bool:
    """Whether nothing failed."""
    return bool(summary["failed"] == 0 and summary["reference"]["failed"] == 0)
