"""Structured ensembles at random: points against a slow continuation, laws against a fine scan.

*Points.*  Every ensemble is solved at twenty points, from 1e-5 to twice the scale of its spectrum,
at Im z/|z| = 0, 1e-9, 1e-6, 1e-3 and 1, each a start for the next.  The physical root of the same
point is then followed down from Im z = 10|z| in steps of a half: on no other branch may an answer
lie, and at most one in a thousand may be refused.

*Laws.*  Masses must sum to one within 1e-8; on 80 points, at Im z/|z| = 1e-9, there is a density
inside every bulk and none outside, but for what leaks from Im z; the density of every bulk must
integrate to its mass.
"""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm  # type: ignore[import-untyped]

from rmtspec.ensembles.structured.ensemble import StructuredEnsemble
from rmtspec.ensembles.structured.points import Roots, classify, solve
from validation.certificates.structured_draws import ensemble_of
from validation.harness.records import read_lines, write_lines

POINTS = 20
SAME = 1e-8  # relative, at points that are at least this far from an edge
REFUSED = 1e-3
_HEIGHTS = (0.0, 1e-9, 1e-6, 1e-3, 1.0)
_AXIS = 1e-10  # where the continuation to a real point ends
_SCAN = 80
_SAVE_SECONDS = 5.0
_MASS = 1e-8
DEFECT = 1e-8
_ACROSS = 1e-6  # from an edge, where the scan tells nothing


def certify_structured(draws: int, laws: int, seed: int, output: Path | None) -> int:
    """Run both parts, print what was found and return the exit status; resumes from `output`."""
    arguments = {"program": "certify-structured", "draws": draws, "laws": laws, "seed": seed}
    lines = read_lines(output, arguments) if output else []
    done = {(line["part"], line["index"]) for line in lines}
    plan = [("points", i, check_points) for i in range(draws)]
    plan += [("law", i, check_law) for i in range(laws)]
    saved = time.monotonic()
    try:
        for part, index, check in tqdm(plan, disable=None, leave=False):
            if (part, index) not in done:
                lines.append({"part": part, **check(seed, index)})
            if output and time.monotonic() - saved > _SAVE_SECONDS:
                write_lines(output, arguments, lines)
                saved = time.monotonic()
    finally:
        if output:
            write_lines(output, arguments, lines)
    found = summary(lines)
    for name, value in found.items():
        print(f"{name}: {value}")
    bad = found["wrong"] or found["bad laws"] or found["refused"] > REFUSED * found["points"]
    return 1 if bad else 0


def summary(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """Counts and worst figures of both parts."""
    points = [line for line in lines if line["part"] == "points"]
    laws = [line for line in lines if line["part"] == "law"]
    return {
        "points": POINTS * len(points),
        "refused": sum(line["refused"] for line in points),
        "wrong": [line for line in points if line["wrong"]],
        "largest residual": max((line["residual"] for line in points), default=0.0),
        "laws": len(laws),
        "bulks": sum(line["bulks"] for line in laws),
        "bad laws": [line for line in laws if line["complaints"]],
        "slowest law": max((line["seconds"] for line in laws), default=0.0),
        "largest defect": max((line["defect"] for line in laws), default=0.0),
    }


def check_points(seed: int, index: int) -> dict[str, Any]:
    """Twenty points of one ensemble."""
    drawn = ensemble_of(seed, index)
    rng = np.random.default_rng([seed, index, 1])
    parts, scale = drawn.parts, drawn.bound / (1.0 + drawn.psi_p)
    size = np.exp(rng.uniform(np.log(1e-5 * scale), np.log(2.0 * scale), POINTS))
    height = np.tile(_HEIGHTS, POINTS // len(_HEIGHTS))
    outcome: dict[str, Any] = {"index": index, "refused": 0, "wrong": 0, "residual": 0.0}
    last: Roots | None = None
    for x, part in zip(size, height, strict=True):
        z = complex(x, part * x)
        root = classify(parts, x, last) if part == 0.0 else solve(parts, np.array([z]))
        if not root.good[0]:
            outcome["refused"] += 1
            continue
        last = root
        outcome["residual"] = max(outcome["residual"], float(root.residual[0]))
        outcome["wrong"] += int(not _is_physical(drawn, z, root))
    return outcome


def _is_physical(drawn: StructuredEnsemble, z: complex, root: Roots) -> bool:
    """Whether a fine continuation from far above the axis leads to the same root."""
    end = max(z.imag, _AXIS * abs(z))
    heights = np.geomspace(10.0 * abs(z), end, 2 + int(np.log2(10.0 * abs(z) / end)))
    path = solve(drawn.parts, z.real + 1j * heights)
    if not path.good[-1]:
        return True  # nothing to compare with
    away = abs(end - z.imag) * abs(path.slopes[-1, : drawn.parts.weights.size])
    change = np.abs(root.g[0] / path.g[-1] - 1.0)
    return bool(np.all(change <= SAME + 10.0 * away + 10.0 * path.error[-1]))


def check_law(seed: int, index: int) -> dict[str, Any]:
    """One law against a scan next to the axis."""
    drawn = ensemble_of(seed, index)
    started = time.process_time()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        law = drawn.spectrum()
        edges, total = law.edges, float(law.masses.sum() + law.atoms[:, 1].sum())
        seconds = time.process_time() - started
        defect = float(np.abs(law.mass_defect).max(initial=0.0))
    # A density that misses its mass by more than 1e-9 says so; here 1e-8 is what is allowed.
    said = [str(warning.message) for warning in caught]
    complaints = [words for words in said if "has its exact mass only within" not in words]
    if not abs(total - 1.0) <= _MASS:
        complaints.append(f"masses sum to {total!r}")
    if not defect <= DEFECT:
        complaints.append(f"a density misses its mass by {defect:.1e}")
    complaints += _scanned(drawn, edges)
    return {
        "index": index,
        "bulks": len(edges),
        "seconds": seconds,
        "defect": defect,
        "complaints": complaints,
    }


def _scanned(drawn: StructuredEnsemble, edges: NDArray[np.float64]) -> list[str]:
    """Complaints about densities inside and outside of the bulks."""
    positive = edges[edges > 0.0]
    low = 0.3 * float(positive.min()) if positive.size else 1e-8 * drawn.bound
    x = np.geomspace(low, 2.0 * float(edges.max(initial=0.5 * drawn.bound)), _SCAN)
    roots = solve(drawn.parts, x * (1.0 + 1e-9j))
    density = roots.trace(drawn.parts).imag
    leak = np.abs(roots.trace_slope(drawn.parts)) * x * 1e-9
    inside = ((x[:, None] > edges[:, 0]) & (x[:, None] < edges[:, 1])).any(axis=1)
    clear = np.abs(edges.ravel() / x[:, None] - 1.0).min(axis=1, initial=1.0) > _ACROSS
    complaints = []
    if not roots.good.all():
        complaints.append(f"no root at {x[~roots.good].tolist()}")
    if np.any(found := clear & ~inside & (density > 10.0 * leak)):
        complaints.append(f"a density outside of all bulks at {x[found].tolist()}")
    if np.any(found := clear & inside & ~(density > 1.5 * leak)):
        complaints.append(f"no density inside of a bulk at {x[found].tolist()}")
    return complaints
