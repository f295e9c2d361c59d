"""Print what training networks on digits costs: python -m tests.benchmarks.network_figures

A pair of U-Nets of the scale `long`, on one core; a step is one network's share of an update.
Needs PyTorch.  A C compiler makes the loops of `validation.networks.direct`.
"""

from __future__ import annotations

from pathlib import Path
from unittest import mock

from tests.benchmarks.measuring import Figure, seconds
from validation.experiments.pairs import memorisation
from validation.harness.experiment import Setup
from validation.harness.machine import one_thread
from validation.networks import direct


def measured() -> list[Figure]:
    """Steps and examinations, of the smallest set."""
    one_thread()
    setup = Setup(0, "cpu", Path())
    crowd = memorisation.crowd(memorisation.long_tasks("digits")[0], setup)
    (update,) = seconds(crowd.update, repeats=300)
    (examination,) = seconds(crowd.examine, repeats=5)
    with mock.patch.object(direct, "serves", return_value=False):
        (products,) = seconds(crowd.update, repeats=30)
    step = 1e3 * update / crowd.networks.count
    elsewhere = 1e3 * products / crowd.networks.count
    return [
        Figure("step of a U-Net on digits", step, "ms", "<= 4", step <= 4.0),
        Figure("  without loops in C", elsewhere, "ms", ""),
        Figure("examination of a pair", 1e3 * examination, "ms", ""),
    ]


if __name__ == "__main__":
    for figure in measured():
        print(figure, flush=True)
