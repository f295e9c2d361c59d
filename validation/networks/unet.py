"""A small U-Net for grey images."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import nn
from torch.nn import functional

from validation.harness import arguments
from validation.networks.layers import seeded, sinusoidal

Tensor = torch.Tensor


class UNet(nn.Module):
    """U-Net of the kind of arXiv 2505.17638, Section A (Ho, Jain, Abbeel 2020).

    Images are (N, 1, side, side), or (N, side, side), which come back the same. Each level has
    residual blocks (group norm, SiLU, convolution, twice, with the time added between), and
    attention where asked; levels are joined by strided convolutions down and nearest-neighbour
    upsampling with a convolution up. The last convolution starts from zero, so that an untrained
    network predicts no noise and has loss 1.

    Parameters
    ----------
    side : int
        A multiple of 2^(levels - 1).
    channels : int
        Width W of the first level.
    multipliers : tuple of int
        Width of each level in units of W.
    blocks : int
        Residual blocks a level on the way down; one more on the way up.
    attention : tuple of bool
        One a level.
    dropout : float in [0, 1)
    clock : float
        The sinusoidal embedding sees clock * k; 1000/T makes it independent of T.
    classes : int
        As in `ResidualMLP`.
    seed : int
    """

    def __init__(
        self,
        side: int,
        channels: int = 32,
        *,
        multipliers: tuple[int, ...] = (1, 2, 4),
        blocks: int = 2,
        attention: tuple[bool, ...] = (False, True, True),
        dropout: float = 0.0,
        clock: float = 1.0,
        classes: int = 0,
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.side = arguments.integer("side", side, 1)
        self.channels = arguments.integer("channels", channels, 2)
        blocks = arguments.integer("blocks", blocks, 1)
        dropout = arguments.below_one("dropout", dropout)
        self.clock = arguments.positive("clock", clock)
        self.classes = arguments.integer("classes", classes, 0)
        if len(attention) != len(multipliers) or not multipliers:
            raise ValueError(
                f"attention must have one entry a level, got {attention} for {multipliers}"
            )
        if side % 2 ** (len(multipliers) - 1):
            raise ValueError(
                f"side must be a multiple of {2 ** (len(multipliers) - 1)}, got {side}"
            )
        widths = [channels * arguments.integer("multipliers", m, 1) for m in multipliers]
        with seeded(seed, dtype):
            self._build(widths, blocks, attention, dropout)

    def _build(
        self, widths: list[int], blocks: int, attention: tuple[bool, ...], dropout: float
    ) -> None:
        time = 4 * self.channels
        self.time = nn.Sequential(
            nn.Linear(self.channels, time), nn.SiLU(), nn.Linear(time, time), nn.SiLU()
        )
        self.label = nn.Embedding(self.classes + 1, time) if self.classes else None
        self.first = nn.Conv2d(1, self.channels, 3, padding=1)
        self.down, self.shrink = nn.ModuleList(), nn.ModuleList()
        self.up, self.grow = nn.ModuleList(), nn.ModuleList()
        now, skips = self.channels, [self.channels]
        for i, width in enumerate(widths):
            for _ in range(blocks):
                self.down.append(_Stage(now, width, time, dropout, attention[i]))
                now = width
                skips.append(now)
            if i + 1 < len(widths):
                self.shrink.append(nn.Conv2d(now, now, 3, stride=2, padding=1))
                skips.append(now)
        self.middle = nn.ModuleList(
            [_Stage(now, now, time, dropout, True), _Stage(now, now, time, dropout, False)]
        )
        for i in reversed(range(len(widths))):
            for _ in range(blocks + 1):
                self.up.append(_Stage(now + skips.pop(), widths[i], time, dropout, attention[i]))
                now = widths[i]
            if i:
                self.grow.append(nn.Conv2d(now, now, 3, padding=1))
        self.blocks = blocks
        self.last = nn.Sequential(_norm(now), nn.SiLU(), _silent(nn.Conv2d(now, 1, 3, padding=1)))

    def forward(self, x: Tensor, k: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the predicted noise, shaped like `x`."""
        if x.ndim == 3:
            return self.forward(x[:, None], k, labels)[:, 0]
        time = self.time(sinusoidal(self.clock * k.to(x.dtype), self.channels))
        if self.label is not None:
            time = time + self.label(torch.full_like(k, self.classes) if labels is None else labels)
        h = self.first(x)
        kept = [h]
        for i, stage in enumerate(self.down):
            h = stage(h, time)
            kept.append(h)
            level, place = divmod(i + 1, self.blocks)
            if place == 0 and level <= len(self.shrink):
                h = self.shrink[level - 1](h)
                kept.append(h)
        for stage in self.middle:
            h = stage(h, time)
        for i, stage in enumerate(self.up):
            h = stage(torch.cat([h, kept.pop()], dim=1), time)
            level, place = divmod(i + 1, self.blocks + 1)
            if place == 0 and level <= len(self.grow):
                h = self.grow[level - 1](functional.interpolate(h, scale_factor=2.0))
        return cast(Tensor, self.last(h))


class _Stage(nn.Module):
    """A residual block, then attention over the pixels where asked."""

    def __init__(self, inner: int, outer: int, time: int, dropout: float, attend: bool) -> None:
        super().__init__()
        self.first = nn.Sequential(_norm(inner), nn.SiLU(), nn.Conv2d(inner, outer, 3, padding=1))
        self.time = nn.Linear(time, outer)
        self.second = nn.Sequential(
            _norm(outer),
            nn.SiLU(),
            nn.Dropout(dropout),
            _silent(nn.Conv2d(outer, outer, 3, padding=1)),
        )
        self.skip = nn.Identity() if inner == outer else nn.Conv2d(inner, outer, 1)
        self.attention = _Attention(outer) if attend else None

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        h = self.first(x) + self.time(time)[:, :, None, None]
        h = self.skip(x) + self.second(h)
        return h if self.attention is None else cast(Tensor, self.attention(h))


class _Attention(nn.Module):
    """Self-attention of the pixels, one head, as a residual."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = _norm(channels)
        self.triple = nn.Conv2d(channels, 3 * channels, 1)
        self.out = _silent(nn.Conv2d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        n, c, height, width = x.shape
        query, key, value = self.triple(self.norm(x)).reshape(n, 3, c, -1).unbind(1)
        share = torch.softmax(query.transpose(1, 2) @ key / math.sqrt(c), dim=2)
        seen = (value @ share.transpose(1, 2)).reshape(n, c, height, width)
        return x + cast(Tensor, self.out(seen))


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(math.gcd(channels, 8), channels)


def _silent(layer: nn.Conv2d) -> nn.Conv2d:
    """Start from zero, so that a residual branch begins as the identity."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
