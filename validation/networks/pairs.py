r"""Pairs of networks on two disjoint data sets, trained together with other pairs.

Both networks of a pair start from the same weights and see the same test pictures; a crowd of
pairs of one shape is one `Stacked` network. An update draws fresh noise and levels for every
network. All randomness of a crowd comes from one generator.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from validation.harness import arguments
from validation.harness.records import ForeignRecordsError
from validation.networks.diffusion import Levels
from validation.networks.examination import Examination
from validation.networks.layers import ResidualMLP
from validation.networks.stacked import Stacked
from validation.networks.unet import UNet

Tensor = torch.Tensor
Array = NDArray[np.float64]

_BETAS = (0.9, 0.999)
_EPSILON = 1e-8
_SAVED = 500


@dataclass(frozen=True)
class Course:
    """What pairs of a crowd have in common: network, schedule and optimiser.

    Parameters
    ----------
    network : {"unet", "mlp"}
    size : int
        Side of a picture, or dimension.
    width : int
        W.
    batch : int
        Noised samples an update. Where n divides it and `full` is set, every sample is seen equally
        often; otherwise samples are drawn with replacement.
    full : bool
    optimiser : {"adam", "sgd"}
    rate, momentum : float
    steps : int
        Updates, at most.
    least : int
        Updates below which the onset of memorisation is not expected to show.
    first : int
        First milestone; the others grow by `ratio`.
    levels : int
        Resolutions of a U-Net. With fewer than three it has attention in the middle only.
    """

    network: str
    size: int
    width: int
    batch: int
    full: bool
    optimiser: str
    rate: float
    momentum: float
    steps: int
    least: int
    first: int = 8
    ratio: float = 1.25
    levels: int = 3

    def __post_init__(self) -> None:
        arguments.choice("network", self.network, ("unet", "mlp"))
        arguments.choice("optimiser", self.optimiser, ("adam", "sgd"))
        arguments.integer("batch", self.batch, 1)
        arguments.integer("steps", self.steps, 1)

    @property
    def milestones(self) -> list[int]:
        """Numbers of updates at which the networks are examined, in ascending order."""
        count = max(2, 1 + round(math.log(self.steps / self.first) / math.log(self.ratio)))
        spread = np.geomspace(min(self.first, self.steps), self.steps, count)
        return sorted({0, *(int(k) for k in np.rint(spread))})

    def build(self, seed: int) -> nn.Module:
        """Return an untrained network."""
        clock = 1000.0 / LEVELS
        if self.network == "unet":
            return UNet(
                self.size, self.width, multipliers=(1, 2, 4)[: self.levels], blocks=1,
                attention=(False, *(self.levels > 2,) * (self.levels - 1)), clock=clock, seed=seed,
            )  # fmt: skip
        return ResidualMLP(self.size, self.width, clock=clock, seed=seed)


LEVELS = 100


@dataclass(frozen=True, eq=False)
class Pair:
    """Two data sets, what they are tested on, and the seed of both networks.

    Attributes
    ----------
    key : name
    own : arrays, (2, n, ...)
    test : array, (m, ...)
    seed : int
    exact : call of (x, k), optional
        The exact noise prediction, on arrays (N, ...).
    """

    key: str
    own: Array
    test: Array
    seed: int
    exact: Callable[[Array, int], Array] | None = None


class Crowd:
    """Networks of many pairs under training.

    Parameters
    ----------
    course, pairs, levels
    measured : int
        Level of the losses.
    seed : int
        Of batches, levels and noises.
    """

    def __init__(
        self,
        course: Course,
        pairs: Sequence[Pair],
        levels: Levels,
        measured: int,
        seed: int,
        device: torch.device | str = "cpu",
    ) -> None:
        self.course, self.pairs, self.levels = course, list(pairs), levels
        networks = [course.build(pair.seed) for pair in pairs for _ in range(2)]
        self.networks = Stacked(networks, device)
        counts = [pair.own.shape[1] for pair in pairs for _ in range(2)]
        self.counts = torch.tensor(counts, device=device)
        longest = max(counts)
        shape = pairs[0].own.shape[2:]
        self.data = torch.zeros(len(counts), longest, *shape, device=device)
        for row, values in enumerate(part for pair in pairs for part in pair.own):
            self.data[row, : len(values)] = torch.tensor(values, dtype=torch.float32)
        self.generator = torch.Generator(device=device).manual_seed(seed)
        flat = self.networks.flat
        self.first, self.second = torch.zeros_like(flat), torch.zeros_like(flat)
        self.done = torch.zeros((), dtype=torch.float64, device=device)
        self.loss = torch.zeros(len(counts), device=device)
        self.step = 0
        self.graph: Any = None
        rows = torch.arange(len(counts), device=device)[:, None]
        self._start = rows * longest
        turn = torch.arange(course.batch, device=device)
        self._turn = turn % self.counts[:, None]
        self._signal, self._noise = levels.alpha_bar.sqrt(), levels.delta.sqrt()
        self.examination = Examination(self, course.network, measured, seed)

    def _losses(self, clean: Tensor, k: Tensor, noise: Tensor) -> Tensor:
        """Mean squared error of the noise, a network an entry."""
        wide = (*k.shape, *(1,) * (clean.ndim - 2))
        x = self._signal[k].reshape(wide) * clean + self._noise[k].reshape(wide) * noise
        return (self.networks(x, k) - noise).square().flatten(1).mean(dim=1)

    def update(self) -> None:
        """Do one update with fresh noise."""
        clean = self._batch()
        shape = clean.shape[:2]
        count = self.levels.steps
        k = 1 + (self._uniform(shape) * count).long().clamp(max=count - 1)
        noise = torch.randn(clean.shape, generator=self.generator, device=clean.device)
        with torch.enable_grad():
            losses = self._losses(clean, k, noise)
            gradient = self.networks.gradient(losses.sum())
        with torch.no_grad():
            self.loss.copy_(losses)
            self._descend(gradient)

    def _uniform(self, shape: torch.Size) -> Tensor:
        return torch.rand(shape, generator=self.generator, device=self.data.device)

    def _batch(self) -> Tensor:
        if self.course.full:
            chosen = self._turn
        else:
            counts = self.counts[:, None]
            drawn = (self._uniform(self._turn.shape) * counts).long()
            chosen = torch.minimum(drawn, counts - 1)
        return self._batch_of(chosen)

    def _batch_of(self, chosen: Tensor) -> Tensor:
        rows = self.data.flatten(0, 1)
        index = (chosen + self._start).reshape(-1)
        return rows.index_select(0, index).reshape(*chosen.shape, *self.data.shape[2:])

    def _descend(self, gradient: Tensor) -> None:
        flat, rate = self.networks.flat, self.course.rate
        self.done.add_(1.0)
        if self.course.optimiser == "sgd":
            self.first.mul_(self.course.momentum).add_(gradient)
            flat.sub_(self.first, alpha=rate)
            return
        slow, slower = _BETAS
        # No powers of Python numbers: they would be copied to the device at every update.
        whole, squares = (-torch.expm1(self.done * math.log(beta)) for beta in _BETAS)
        self.first.lerp_(gradient, 1.0 - slow)
        self.second.mul_(slower).addcmul_(gradient, gradient, value=1.0 - slower)
        # The moments start from zero; their share of what they average is 1 - beta^steps.
        size = self.second.sqrt().mul_((whole / squares.sqrt()).float())
        flat.addcdiv_(self.first, size.add_((whole * _EPSILON).float()), value=-rate)

    def capture(self, stream: Any) -> None:
        """Record an update as a CUDA graph, after three ordinary ones."""
        with torch.cuda.stream(stream):
            self.advance(3)
        stream.synchronize()
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self.generator)
        with torch.cuda.graph(graph, stream=stream):
            self.update()
        self.graph = graph

    def advance(self, count: int) -> None:
        """Do a number of updates."""
        for _ in range(count):
            if self.graph is None:
                self.update()
            else:
                self.graph.replay()
        self.step += count

    def examine(self) -> list[dict[str, Any]]:
        """Return what there is to measure now, a record a pair."""
        return [{"step": self.step, **found} for found in self.examination.records()]

    def state(self) -> dict[str, Any]:
        """Return what has to be kept of a training to go on from here."""
        return {
            "step": self.step,
            "weights": self.networks.flat,
            "first": self.first,
            "second": self.second,
            "done": self.done,
            "generator": self.generator.get_state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.step = int(state["step"])
        for name in ("first", "second", "done"):
            getattr(self, name).copy_(state[name])
        self.networks.flat.copy_(state["weights"])
        self.generator.set_state(state["generator"])


def resumed(crowd: Crowd, checkpoint: Path) -> list[dict[str, Any]]:
    """Train a crowd of one pair to its end, from its checkpoint on if there is one.

    The state is saved after every milestone, and at least every `_SAVED` updates.
    """
    records: list[dict[str, Any]] = []
    if checkpoint.exists():
        records = _restored(crowd, checkpoint)
    for stop in crowd.course.milestones[len(records) :]:
        while crowd.step < stop:
            crowd.advance(min(_SAVED, stop - crowd.step))
            if crowd.step < stop:
                _keep(crowd, records, checkpoint)
        records += crowd.examine()
        _keep(crowd, records, checkpoint)
    return records


def _restored(crowd: Crowd, checkpoint: Path) -> list[dict[str, Any]]:
    try:
        found = torch.load(checkpoint, map_location="cpu", weights_only=True)
        crowd.restore(found["state"])
        return list(found["records"])
    except (KeyError, TypeError, RuntimeError, EOFError, UnpicklingError) as problem:
        raise ForeignRecordsError(
            f"{checkpoint} is no checkpoint of this run ({problem!s:.120}): remove it first"
        ) from None


def _keep(crowd: Crowd, records: list[dict[str, Any]], checkpoint: Path) -> None:
    """Write the state in one step: a reader sees the old file or the new, never half."""
    scratch = checkpoint.with_name(f".{checkpoint.name}.{os.getpid()}.tmp")
    try:
        with scratch.open("wb") as stream:
            torch.save({"state": crowd.state(), "records": records}, stream)
            stream.flush()
            os.fsync(stream.fileno())
        scratch.replace(checkpoint)
    finally:
        scratch.unlink(missing_ok=True)
