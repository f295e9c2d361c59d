"""`python -m validation structured`: the four experiments on structure, one after the other."""

from __future__ import annotations

from pathlib import Path

from validation.harness.runner import run
from validation.structured.curves import CURVES
from validation.structured.generation import GENERATION
from validation.structured.spectra import SPECTRA
from validation.structured.times import TIMES

EXPERIMENTS = (SPECTRA, CURVES, TIMES, GENERATION)


def run_structured(scale: str, results: Path, seed: int, processes: int) -> int:
    """Run them, print their checks and return the exit status."""
    experiments = {one.name: one for one in EXPERIMENTS}
    return run(experiments, list(experiments), scale, "cpu", results, seed, processes)
