"""A small U-Net for grey images."""

from __future__ import annotations

import torch
from torch import nn

Tensor = torch.Tensor


class UNet(nn.Module):
    """U-Net of arXiv 2505.17638, Section A: x (N, 1, side, side), called as net(x, k).

    Three levels by default, residual blocks, attention at the coarse ones, sinusoidal time.
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
        raise NotImplementedError

    def forward(self, x: Tensor, k: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the predicted noise, shaped like `x`."""
        raise NotImplementedError
