"""What is compared on given rows: sets of pictures, their number, time, activation, and limits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from validation.data.settings import PSI_P, SCALED_TIMES

__all__ = [
    "FINE_TIMES",
    "GIVEN_SCALES",
    "LATE_MISS",
    "PSI_P",
    "QUANTILES",
    "SCALED_TIMES",
    "GivenRun",
]

# Times at which the curves of networks are searched for their minimum and their window, as
# multiples of 1/Delta: between neighbours, 1.2 % apart, they are interpolated.
FINE_TIMES = np.append(np.logspace(-2.0, 7.0, 1801), np.inf)

# What the theory may miss networks by, relative. Losses at the best time, at the end, and times;
# the best time is only measured, for the minimum is flat.
_TABLE = {
    "least test loss": 0.01,
    "final train loss": 0.04,
    "final test loss": 0.07,
    "tau_gen": 0.06,
    "tau_mem": 0.10,
}
# What a theory may miss the late test loss by where tau_mem is concerned, relative: it is what
# a stopping report allows for. Where the loss crosses the end of the window flatly, this moves
# tau_mem by more than its limit, and nothing better can be said of it (`Window.flatness`).
LATE_MISS = 0.02
# Levels of the quantiles of U, and how far the law with a floor for every neuron may miss them.
QUANTILES = {0.1: 0.2, 0.5: 0.1, 0.9: 0.06}
_ELSEWHERE = {"least test loss": 0.01, "final train loss": 0.05, "final test loss": 0.05}


@dataclass(frozen=True)
class GivenRun:
    """The splits of one setting.

    Attributes
    ----------
    limits : quantity -> largest relative deviation of the exact kernel that passes
    held_out : rows of the test loss, the same for networks and theory
    networks : on every split; one alone has times that scatter by 3 to 5 %
    """

    pictures: str
    samples: int
    t: float
    activation: str
    limits: dict[str, float]
    draws: int = 2
    held_out: int = 600
    networks: int = 4

    @property
    def key(self) -> str:
        """Name in the records and in the tables."""
        return f"{self.pictures}, {self.activation}, n = {self.samples}, t = {self.t:g}"

    @property
    def work(self) -> float:
        """Relative cost of one draw, for the progress bar."""
        large = self.pictures in ("large patches", "faces")
        return (3.0 if large else 1.0) * (3.0 + self.samples / 100.0)


def _table(pictures: str) -> list[GivenRun]:
    return [GivenRun(pictures, n, t, "tanh", _TABLE) for n in (128, 256, 512) for t in (0.1, 0.01)]


def _cpu() -> list[GivenRun]:
    return [
        *_table("digits"),
        *_table("patches"),
        *[
            GivenRun("digits", n, 0.1, activation, _ELSEWHERE)
            for activation in ("relu", "silu")
            for n in (128, 512)
        ],
        GivenRun("large patches", 256, 0.1, "tanh", _ELSEWHERE),
        GivenRun("large patches", 256, 0.01, "tanh", _ELSEWHERE),
        GivenRun("large patches", 256, 0.1, "relu", _ELSEWHERE),
        GivenRun("faces", 120, 0.1, "tanh", _ELSEWHERE, held_out=80),
    ]


def _smoke() -> list[GivenRun]:
    return [
        GivenRun(name, 128, 0.1, "tanh", _TABLE, draws=1, held_out=300, networks=2)
        for name in ("digits", "patches")
    ]


GIVEN_SCALES = {"smoke": _smoke, "cpu": _cpu}
