r"""What is measured of pairs of networks on disjoint data: losses, distance, memorised fraction.

Everything is measured at one noise level on noised samples that stay the same during a training,
so that curves are smooth in time, and on samples generated from the same noise by both networks.
With x a clean sample, s the score of a network and s' that of its partner,

.. math::  D = \frac\Delta d E|s-s'|^2, \qquad
           \beta = 1 - \frac{E_{own}[s\cdot x]}{E_{own}[s'\cdot x]},

D on fresh samples (and on own ones), beta on the training samples of s, which are fresh to s'.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from validation.networks.diffusion import Levels, ddim
from validation.networks.stacked import Stacked

Tensor = torch.Tensor
Array = NDArray[np.float64]

_POINTS = {"unet": 512, "mlp": 2048}
_GENERATED = {"unet": 256, "mlp": 1024}
_SAMPLER_STEPS = {"unet": 25, "mlp": 50}
_CLOSE = 1.0 / 3.0
_AT_ONCE = 32768


class Tested(Protocol):
    """What a pair of networks is tested on."""

    @property
    def test(self) -> Array:
        """Fresh samples."""

    @property
    def exact(self) -> Callable[[Array, int], Array] | None:
        """The exact noise prediction."""


class Examined(Protocol):
    """Networks in training, two a pair, and their data."""

    networks: Stacked
    levels: Levels
    data: Tensor
    counts: Tensor

    @property
    def pairs(self) -> Sequence[Tested]:
        """One for every two networks."""


class Examination:
    """The fixed points at which the networks of a crowd are measured; `network` is their kind."""

    def __init__(self, crowd: Examined, network: str, level: int, seed: int) -> None:
        self.crowd, self.network, self.level = crowd, network, level
        device = crowd.data.device
        count = _POINTS[network]
        # On the CPU: the same points whatever the device.
        generator = torch.Generator().manual_seed(seed + 1)
        self._partner = torch.arange(crowd.networks.count, device=device).view(-1, 2).flip(1)
        self._partner = self._partner.reshape(-1)
        turn = torch.arange(count, device=device)
        rows = torch.arange(crowd.networks.count, device=device)[:, None]
        self.own = crowd.data[rows, turn % crowd.counts[:, None]]
        tests = [torch.tensor(pair.test, dtype=torch.float32) for pair in crowd.pairs]
        self.test = torch.stack([t[turn.cpu() % len(t)] for t in tests for _ in range(2)])
        self.test = self.test.to(device)
        noises = torch.randn((3, len(self.own) // 2, *self.own.shape[1:]), generator=generator)
        both = torch.stack([noises[0], noises[1]], dim=1).flatten(0, 1)
        self._own_noise = both.to(device)
        self._test_noise = noises[2].repeat_interleave(2, dim=0).to(device)
        self._generated_from = (
            torch.randn(
                (len(self.own) // 2, _GENERATED[network], *self.own.shape[2:]), generator=generator
            )
            .repeat_interleave(2, dim=0)
            .to(device)
        )
        self._exact = self._exact_noise()
        # Rows beyond n are no samples.
        self._absent = torch.arange(crowd.data.shape[1], device=device) >= crowd.counts[:, None]

    def _noised(self, clean: Tensor, noise: Tensor) -> Tensor:
        levels, k = self.crowd.levels, self.level
        return levels.alpha_bar[k].sqrt() * clean + levels.delta[k].sqrt() * noise

    def _exact_noise(self) -> Tensor | None:
        x = self._noised(self.test, self._test_noise)[::2].double().cpu().numpy()
        pairs = self.crowd.pairs
        if any(pair.exact is None for pair in pairs):
            return None
        exact = [
            pair.exact(points, self.level)  # type: ignore[misc]
            for pair, points in zip(pairs, x, strict=True)
        ]
        both = torch.tensor(np.repeat(np.array(exact), 2, axis=0), dtype=torch.float32)
        return both.to(self.crowd.data.device)

    @torch.no_grad()
    def records(self) -> list[dict[str, Any]]:
        """Return the measures of now, a record a pair; two numbers are those of its networks."""
        found = {**self._losses(), **self._samples()}
        tables = {name: values.double().cpu().numpy() for name, values in found.items()}
        return [
            {name: table[2 * i : 2 * i + 2].tolist() for name, table in tables.items()}
            for i in range(len(self.crowd.pairs))
        ]

    def _predicted(self, x: Tensor) -> Tensor:
        k = torch.full(x.shape[:2], self.level, dtype=torch.int64, device=x.device)
        return self._in_parts(x, k)

    def _in_parts(self, x: Tensor, k: Tensor) -> Tensor:
        """The prediction, a limited number of samples at once: pictures take memory."""
        size = max(1, _AT_ONCE // len(x))
        parts = zip(x.split(size, dim=1), k.split(size, dim=1), strict=True)
        return torch.cat([self.crowd.networks(a, b) for a, b in parts], dim=1)

    def _losses(self) -> dict[str, Tensor]:
        partner, own, noise = self._partner, self.own, self._own_noise
        x = self._noised(own, noise)
        on_own = self._predicted(x)
        # What the partner says of these very points.
        other = self._predicted(x[partner])[partner]
        on_test = self._predicted(self._noised(self.test, self._test_noise))
        scale = self.crowd.levels.delta[self.level].sqrt()
        found = {
            "train": _mean(on_own - noise),
            "other": _mean(other - noise),
            "test": _mean(on_test - self._test_noise),
            "distance": _mean(on_test - on_test[partner]),
            "distance_own": _mean(on_own - other),
            "pull": -(on_own * own).flatten(1).mean(dim=1) / scale,
            "pull_other": -(other * own).flatten(1).mean(dim=1) / scale,
        }
        if self._exact is not None:
            found["score"] = _mean(on_test - self._exact) / scale**2
            both = 0.5 * (on_test + on_test[partner])
            found["bias"] = _mean(both - self._exact) / scale**2
        return found

    def _samples(self) -> dict[str, Tensor]:
        crowd = self.crowd
        start = self._generated_from

        def denoiser(x: Tensor, k: Tensor) -> Tensor:
            return self._in_parts(x, k[:, None].expand(x.shape[:2]))

        steps = _SAMPLER_STEPS[self.network]
        drawn = ddim(denoiser, crowd.levels, start, steps=steps).flatten(2)
        known = crowd.data.flatten(2)
        gaps = _distances(drawn, known).masked_fill(self._absent[:, None], float("inf"))
        near = gaps.topk(2, dim=2, largest=False).values
        test = self.test.flatten(2)[:, : start.shape[1]]
        count = start.shape[1]
        within = _distances(drawn, drawn).sum(dim=(1, 2)) / (count * (count - 1))
        reference = _distances(test, test).sum(dim=(1, 2)) / (test.shape[1] * (test.shape[1] - 1))
        energy = 2.0 * _distances(drawn, test).mean(dim=(1, 2)) - within - reference
        return {
            "copied": (near[..., 0] < _CLOSE * near[..., 1]).sum(dim=1),
            "energy": energy,
            "apart": (drawn - drawn[self._partner]).square().mean(dim=(1, 2)),
        }


def _mean(difference: Tensor) -> Tensor:
    return difference.flatten(1).square().mean(dim=1)


def _distances(first: Tensor, second: Tensor) -> Tensor:
    """Distances between rows; never through products, whose rounding hides exact copies."""
    return torch.cdist(first, second, compute_mode="donot_use_mm_for_euclid_dist")
