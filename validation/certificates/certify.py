"""Solve the random-feature equations at random points and certify every answer.

Each of `draws`/10 random parameter sets gives ten points (`draws.points`): half planes and real
axis, inside bulks and outside, beside edges. For every point the public solver's answer must be

- converged (within 1e-4 of an edge it may be refused, which is counted), with a relative residual
  of at most 1e-12, the equations being evaluated again here in extended precision (`equations`) and
  not by the solver;
- on the physical branch: Im q > 0 and Im D > 0 (D = 1/y) in the upper half plane and inside bulks,
  dq/dz > 0 and dD/dz > 0 at real points outside the support. Either is a proof, as the solution
  with these signs is unique (Earle and Hamilton 1970).

`reference` of the points are solved again by `rmtspec.reference` at 50 digits, where the answer in
double precision is polished and certified by the same signs; one in twenty of those in the upper
half plane starts cold instead. There the relative errors of q, r and s (q and D at real points
inside bulks) must be at most 1e-10, and the error bound that the answer carries must not be smaller
than the error. Where the bound of D is wider than that of q, it alone is held against D.
"""

from __future__ import annotations

import math
import multiprocessing
import time
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
from tqdm import tqdm  # type: ignore[import-untyped]

import rmtspec as rs
from rmtspec.reference import conditional
from rmtspec.reference import random_feature as twin
from validation.certificates.draws import POINTS_PER_SET, ParameterSet, Point, parameter_set, points
from validation.certificates.ensemble import Solved, System, ensemble
from validation.certificates.equations import Parameters, judge
from validation.certificates.summary import (
    Summary,
    count,
    count_reference,
    empty,
    fail,
    merge,
    passed,
    print_summary,
    worst,
)
from validation.harness.records import read_json, write_json

RESIDUAL = 1e-12
ERROR = 1e-10
DIGITS = 50
SETS_PER_CHUNK = 50
_COLD_SHARE = 0.05

Job = tuple[int, int, int, int, int]  # seed, first set, one past the last, all sets, references


def certify(draws: int, reference: int, seed: int, processes: int, output: Path | None) -> int:
    """Run the certificate, print its summary and return the exit status."""
    sets = -(-draws // POINTS_PER_SET)
    arguments = {"program": "certify", "draws": draws, "reference": reference, "seed": seed}
    saved = read_json(output, arguments) if output else None
    started = time.monotonic()
    if saved and "summary" in saved:
        summary = saved["summary"]
    else:
        chunks = dict(saved["chunks"]) if saved else {}
        _run_chunks(sets, reference, seed, processes, chunks, output, arguments)
        summary = merge(chunks[name] for name in sorted(chunks))
        if output:
            write_json(output, {"arguments": arguments, "summary": summary})
    print_summary(summary)
    print(f"{time.monotonic() - started:.0f} s")
    return 0 if passed(summary) else 1


def _run_chunks(
    sets: int,
    reference: int,
    seed: int,
    processes: int,
    chunks: dict[str, Summary],
    output: Path | None,
    arguments: dict[str, Any],
) -> None:
    starts = range(0, sets, SETS_PER_CHUNK)
    jobs = [(seed, start, min(start + SETS_PER_CHUNK, sets), sets, reference) for start in starts]
    missing = [job for job in jobs if _name(job[1]) not in chunks]
    done = sets - sum(stop - start for _, start, stop, _, _ in missing)
    with tqdm(total=sets, initial=done, unit="set", leave=False, disable=None) as bar:
        for start, size, summary in _in_parallel(missing, processes):
            chunks[_name(start)] = summary
            bar.update(size)
            if output:
                write_json(output, {"arguments": arguments, "chunks": chunks})


def _in_parallel(jobs: Sequence[Job], processes: int) -> Iterable[tuple[int, int, Summary]]:
    if processes == 1:
        yield from map(_chunk, jobs)
        return
    # Fresh interpreters: the compiled kernels come from the disk cache, and no thread is forked.
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap_unordered(_chunk, jobs)


def _name(start: int) -> str:
    return f"{start:08d}"


def _chunk(job: Job) -> tuple[int, int, Summary]:
    seed, start, stop, sets, reference = job
    parts = []
    for index in range(start, stop):
        checked = (index + 1) * reference // sets - index * reference // sets
        parts.append(certify_set(seed, index, checked))
    return start, stop - start, merge(parts)


def certify_set(seed: int, index: int, checked: int) -> Summary:
    """Certify one parameter set; `checked` of its points also against 50 digits."""
    drawn = parameter_set(seed, index)
    system = ensemble(drawn)
    chosen = points(seed, index, system.edges, system.atom)
    summary = empty()
    kept = [moved for point in chosen if (moved := system.rounded(point)) is not None]
    summary["skipped"] = len(chosen) - len(kept)
    distance = np.array([point.distance for point in kept])
    with warnings.catch_warnings():
        # Points that did not converge are counted below.
        warnings.simplefilter("ignore", rs.ConvergenceWarning)
        found = system.solve(kept)
    with np.errstate(all="ignore"):
        verdict = judge(system.parameters, distance, found.k, found.y)
    for j, point in enumerate(kept):
        reason = ""
        if not found.converged[j] and system.beside_edge(point):
            summary["refused"] += 1
            continue
        if not found.converged[j]:
            reason = "not converged"
        elif not _physical(
            point, system.parameters, found.k[j], found.y[j], verdict.dk[j], verdict.dy[j]
        ):
            reason = "not on the physical branch"
        elif not verdict.residual[j] <= RESIDUAL:
            reason = f"residual {verdict.residual[j]:.1e}"
        if found.converged[j]:
            worst(summary, "residual", verdict.residual[j], drawn, j)
        count(summary, drawn, point, bool(reason))
        if reason:
            fail(summary, drawn, point, reason)
    rng = np.random.default_rng([seed, index, 2])
    for j in rng.permutation(len(kept))[:checked]:
        cold = bool(kept[j].distance.imag > 0.0 and rng.random() < _COLD_SHARE)
        if found.converged[j]:
            _check(summary, system, drawn, kept[j], found, int(j), cold=cold)
    return summary


def _physical(point: Point, p: Parameters, k: complex, y: complex, dk: Any, dy: Any) -> bool:
    if p.given and p.v2 == 0.0:  # y is 1 throughout
        y, dy = (complex(1.0, k.imag), dk) if y == 1.0 else (complex(np.nan), np.nan)
    if point.outside:
        real = k.imag == 0.0 and y.imag == 0.0
        return bool(real and dk.real < 0.0 and dy.real < 0.0)
    # q = 1/(psi_p k) and D = 1/y: their imaginary parts have the signs opposite to those of k, y.
    return k.imag < 0.0 and y.imag < 0.0


def _check(
    summary: Summary,
    system: System,
    drawn: ParameterSet,
    point: Point,
    found: Solved,
    j: int,
    *,
    cold: bool,
) -> None:
    """Compare one point with 50 digits: largest relative error, and this error over its bound."""
    p = system.parameters
    ours = [complex(value) for value in found.values[:, j]]
    arguments = (
        system.z(point), p.psi_p, p.psi_n, list(p.eigenvalues), list(p.weights),
        p.c2, p.b2, p.v2, p.s2, DIGITS,
    )  # fmt: skip
    on_bulk = point.place == "real, in a bulk"
    try:
        if p.given:
            alone = conditional.solve(*arguments, None if cold else ours[0])
            true_values = (alone.q, None, alone.q if on_bulk else alone.s)
        else:
            exact = twin.solve(*arguments, None if cold else (ours[0], complex(1.0 / found.y[j])))
            true_values = (exact.q, exact.D, exact.q) if on_bulk else (exact.q, exact.r, exact.s)
    except ArithmeticError as problem:
        count_reference(summary, point, math.inf, math.inf, failed=True, cold=cold)
        fail(summary, drawn, point, f"50 digits: {problem}")
        return
    pairs = [
        (float(abs(mpmath.mpc(value) - true) / abs(true)) if true else abs(value), float(bound))
        for value, true, bound in zip(ours, true_values, found.bound[:, j], strict=True)
        if true is not None
    ]
    # Next to the pole of y = k/(k + u) the digits of D are those of k + u: its bound holds alone.
    alone_held = on_bulk and found.bound[1, j] > found.bound[0, j]
    error = max(error for i, (error, _) in enumerate(pairs) if not (alone_held and i == 1))
    ratio, beside = max(
        (error / bound if bound > 0.0 else math.inf, bound) for error, bound in pairs
    )
    failed = not (error <= ERROR and ratio <= 1.0)
    if failed:
        fail(summary, drawn, point, f"relative error {error:.1e}, its bound {beside:.1e}")
    count_reference(summary, point, error, ratio, failed=failed, cold=cold)
    worst(summary, "error", error, drawn, j)
    worst(summary, "error / bound", ratio, drawn, j)
