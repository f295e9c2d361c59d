"""Training loops that end the same whether or not they were interrupted.

Fresh noise is drawn at every update, as in arXiv 2505.17638; levels are uniform over the schedule
or fixed. All randomness of a run comes from one generator, whose state is saved with the weights
and the optimiser: a killed run started again with the same arguments continues where its last
checkpoint stood and ends with the same weights and records, bit for bit on a CPU.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pickle
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from validation.harness import arguments
from validation.harness.records import ForeignRecordsError
from validation.networks.diffusion import Levels

Tensor = torch.Tensor
Record = dict[str, float]
Measure = Callable[[nn.Module, int], Record]

OPTIMISERS = ("sgd", "adam")


@dataclass(frozen=True)
class Plan:
    """How a network is trained.

    Parameters
    ----------
    steps : int
        Updates in all.
    rate : float
        Learning rate on the mean squared error of the noise (mean over samples and components).
    optimiser : {"sgd", "adam"}
        "sgd" without batch and momentum is gradient descent. Adam has betas (0.9, 0.999).
    momentum : float in [0, 1)
        Heavy ball of "sgd": v <- m v + g, w <- w - rate v.
    batch : int or None
        Samples an update, drawn without replacement; None (or >= n) is the full batch.
    noises : int
        Independent noises for each sample of the batch.
    level : int or None
        Fixed level; None draws uniform levels 1..T, one for each sample and noise.
    label_dropout : float in [0, 1]
        Share of labels replaced by "no label" (classifier-free guidance).
    seed : int
        Of batches, levels, noises and dropout; weights have the network's seed.
    """

    steps: int
    rate: float
    optimiser: str = "sgd"
    momentum: float = 0.0
    batch: int | None = None
    noises: int = 1
    level: int | None = None
    label_dropout: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        arguments.integer("steps", self.steps, 0)
        arguments.positive("rate", self.rate)
        arguments.choice("optimiser", self.optimiser, OPTIMISERS)
        arguments.below_one("momentum", self.momentum)
        if self.momentum and self.optimiser != "sgd":
            raise ValueError(f"momentum must be 0 for 'adam', got {self.momentum}")
        if self.batch is not None:
            arguments.integer("batch", self.batch, 1)
        arguments.integer("noises", self.noises, 1)
        if self.level is not None:
            arguments.integer("level", self.level, 1)
        arguments.real("label_dropout", self.label_dropout, 0.0, 1.0)
        arguments.integer("seed", self.seed, 0)


def milestones(steps: int, count: int, *, first: int = 1) -> tuple[int, ...]:
    """Return 0, `count` numbers of updates evenly spread in the logarithm, and `steps` at the end.

    Rounding leaves no number twice, so there may be fewer.
    """
    steps = arguments.integer("steps", steps, 1)
    first = arguments.integer("first", first, 1, steps)
    spread = np.geomspace(first, steps, arguments.integer("count", count, 2))
    return (0, *sorted({*(int(k) for k in np.rint(spread)), first, steps}))


def train(
    network: nn.Module,
    data: Tensor,
    levels: Levels,
    plan: Plan,
    measure: Measure,
    at: Sequence[int],
    *,
    labels: Tensor | None = None,
    checkpoint: Path | None = None,
    every: int = 1000,
    progress: Callable[[int], None] | None = None,
) -> list[Record]:
    """Train a network in place and return what was measured at the milestones.

    Parameters
    ----------
    network : Module
        Called as network(x, k) or network(x, k, labels); on its own device.
    data : Tensor, shape (n, ...)
        Clean samples, of the network's type and on its device.
    levels : Levels
    plan : Plan
    measure : call of (network, step)
        Returns numbers; called in evaluation mode without gradients. Its random numbers belong to
        a generator of its own, seeded by the step; the training's are put back as they were.
    at : sequence of int
        Milestones: numbers of updates done, ascending, within [0, plan.steps].
    labels : Tensor of int64, shape (n,), optional
        Classes, for networks that take them.
    checkpoint : path, optional
        Where the state is kept, written whole or not at all every `every` updates, at milestones
        and at the end. A run with the same arguments resumes from it.
    progress : call of (step), optional
        Called after every update and once on resuming.

    Returns
    -------
    list of dict
        One a milestone: "step" and what `measure` returned.

    Raises
    ------
    ForeignRecordsError
        If the checkpoint cannot be read or belongs to another plan, network or data set.
    FloatingPointError
        If the loss is no longer finite: the rate is too large.
    """
    every = arguments.integer("every", every, 1)
    stops = _milestones(at, plan.steps)
    devices = [data.device] if data.device.type == "cuda" else []
    # Dropout inside a network draws from torch's global generator: it is seeded for the run, kept
    # with the state, and given back to the caller as it was.
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(plan.seed)
        run = _Run(network, data, levels, plan, labels)
        records: list[Record] = []
        step = 0
        identity = _identity(network, data, levels, plan, sorted(stops))
        if checkpoint is not None and checkpoint.exists():
            step, records = run.restore(checkpoint, identity)
            if progress is not None:
                progress(step)
        while True:
            if step in stops and not (records and records[-1]["step"] == step):
                records.append({"step": step, **_measured(network, measure, step)})
            kept = step in stops or step % every == 0 or step == plan.steps
            if checkpoint is not None and kept:
                run.save(checkpoint, identity, step, records)
            if step == plan.steps:
                return records
            run.update(step)
            step += 1
            if progress is not None:
                progress(step)


def _identity(
    network: nn.Module, data: Tensor, levels: Levels, plan: Plan, stops: list[int]
) -> dict[str, Any]:
    """What a checkpoint must agree with to be taken up."""

    def digest(tensor: Tensor) -> str:
        content = tensor.detach().cpu().contiguous().numpy().tobytes()
        return hashlib.sha256(content).hexdigest()[:16]

    return {
        **dataclasses.asdict(plan),
        "milestones": stops,
        "data": [list(data.shape), digest(data)],
        "levels": digest(levels.alpha_bar),
        "network": [type(network).__name__, str(network)[:2000]],
    }


def _milestones(at: Sequence[int], steps: int) -> frozenset[int]:
    stops = [arguments.integer("at", k, 0, steps) for k in at]
    if stops != sorted(set(stops)):
        raise ValueError(f"at must be ascending without repetition, got {stops!r:.80}")
    return frozenset(stops)


def _measured(network: nn.Module, measure: Measure, step: int) -> Record:
    network.eval()
    first = next(network.parameters())
    devices = [first.device] if first.is_cuda else []
    with torch.no_grad(), torch.random.fork_rng(devices=devices):
        record = {name: float(value) for name, value in measure(network, step).items()}
    network.train()
    return record


class _Run:
    """State of a training: network, optimiser and generator."""

    def __init__(
        self, network: nn.Module, data: Tensor, levels: Levels, plan: Plan, labels: Tensor | None
    ) -> None:
        if plan.level is not None:
            arguments.integer("level", plan.level, 1, levels.steps)
        if len(data) == 0:
            raise ValueError("data must hold at least one sample, got none")
        self.network, self.data, self.levels, self.plan = network, data, levels, plan
        self.labels = labels
        self.generator = torch.Generator(device=data.device).manual_seed(plan.seed)
        weights = [weight for weight in network.parameters() if weight.requires_grad]
        self.optimiser: torch.optim.Optimizer
        if plan.optimiser == "adam":
            self.optimiser = torch.optim.Adam(weights, lr=plan.rate)
        else:
            self.optimiser = torch.optim.SGD(weights, lr=plan.rate, momentum=plan.momentum)
        network.train()

    def update(self, step: int) -> None:
        """Do one update with fresh noise."""
        clean, labels = self._batch()
        k = self._levels(len(clean))
        noise = torch.randn(
            clean.shape, generator=self.generator, dtype=clean.dtype, device=clean.device
        )
        x = self.levels.noised(clean, k, noise)
        predicted = self.network(x, k) if labels is None else self.network(x, k, labels)
        loss = torch.nn.functional.mse_loss(predicted, noise)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        # Asking for the value stops a GPU's pipeline, so it is asked for rarely.
        if step % 256 == 0 and not bool(torch.isfinite(loss)):
            raise FloatingPointError(
                f"loss {loss.item()} after {step} updates: rate {self.plan.rate} is too large"
            )
        self.optimiser.step()

    def _batch(self) -> tuple[Tensor, Tensor | None]:
        n, size, plan = len(self.data), self.plan.batch, self.plan
        device = self.data.device
        clean, labels = self.data, self.labels
        if size is not None and size < n:
            chosen = torch.randperm(n, generator=self.generator, device=device)[:size]
            clean = clean[chosen]
            labels = None if labels is None else labels[chosen]
        if plan.noises > 1:
            clean = clean.repeat_interleave(plan.noises, dim=0)
            labels = None if labels is None else labels.repeat_interleave(plan.noises)
        if labels is not None:
            drop = torch.rand(len(labels), generator=self.generator, device=device)
            none = torch.full_like(labels, cast(int, self.network.classes))
            labels = torch.where(drop < plan.label_dropout, none, labels)
        return clean, labels

    def _levels(self, count: int) -> Tensor:
        device = self.data.device
        if self.plan.level is not None:
            return torch.full((count,), self.plan.level, dtype=torch.int64, device=device)
        return torch.randint(
            1, self.levels.steps + 1, (count,), generator=self.generator, device=device
        )

    def save(self, path: Path, identity: dict[str, Any], step: int, records: list[Record]) -> None:
        """Write the state in one step: a reader sees the old file or the new, never half."""
        state = {
            "identity": identity,
            "step": step,
            "records": records,
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "generator": self.generator.get_state(),
            "global": torch.get_rng_state(),
            "device": torch.cuda.get_rng_state() if self.data.is_cuda else None,
        }
        scratch = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            with scratch.open("wb") as stream:
                torch.save(state, stream)
                stream.flush()
                os.fsync(stream.fileno())
            scratch.replace(path)
        finally:
            scratch.unlink(missing_ok=True)

    def restore(self, path: Path, identity: dict[str, Any]) -> tuple[int, list[Record]]:
        """Take up a saved state; return the updates done and the records so far."""
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            if state["identity"] != identity:
                raise ForeignRecordsError(_difference(path, state["identity"], identity))
            self.network.load_state_dict(state["network"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.generator.set_state(state["generator"])
            torch.set_rng_state(state["global"])
            if self.data.is_cuda:
                torch.cuda.set_rng_state(state["device"])
            return int(state["step"]), list(state["records"])
        except _UNREADABLE as problem:
            raise ForeignRecordsError(
                f"{path} is no checkpoint of this run ({problem!s:.120}): remove it first"
            ) from None


def _difference(path: Path, found: dict[str, Any], wanted: dict[str, Any]) -> str:
    name = next((key for key in wanted if found.get(key) != wanted[key]), "content")
    return (
        f"{path} was written with another {name} ({found.get(name)!s:.80}, not "
        f"{wanted.get(name)!s:.80}): choose another file or remove it"
    )


_UNREADABLE = (
    OSError,
    EOFError,
    RuntimeError,
    KeyError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
)
