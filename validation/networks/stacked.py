r"""Many independent networks of one shape as one: weights of R networks side by side.

Small networks leave a GPU idle, and most of a CPU too. Here R of them, each with weights of its
own, run in the same calls: samples are (R, B, ...), the layers are batched matrix products, and
pictures are kept channels last. All weights lie in one table (R, P), so that an optimiser is a
handful of operations. Values and gradients are those of the R networks one by one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional

from validation.networks.layers import ResidualMLP, sinusoidal
from validation.networks.unet import UNet

Tensor = torch.Tensor
Weights = dict[str, Tensor]

_ALIGNED = 32  # numbers; fast matrix kernels want weights that start on 128 bytes


class Stacked:
    """R networks of one class and shape.

    Parameters
    ----------
    networks : sequence of UNet or of ResidualMLP
        Without labels and dropout. Their weights are copied.

    Attributes
    ----------
    flat : Tensor, shape (R, P)
        All weights, a network a row.
    weights : dict of Tensor
        The same memory by name, (R, ...): the last two axes of a layer are (inputs, outputs).
    """

    def __init__(self, networks: Sequence[nn.Module], device: torch.device | str = "cpu") -> None:
        first = networks[0]
        if not isinstance(first, UNet | ResidualMLP) or first.classes:
            raise TypeError(
                f"networks must be UNet or ResidualMLP without labels, got {first!r:.40}"
            )
        self.shape = first
        tables = [
            {name: _for_products(w) for name, w in net.named_parameters()} for net in networks
        ]
        self._places: list[tuple[str, int, torch.Size]] = []
        start = 0
        for name, weight in tables[0].items():
            self._places.append((name, start, weight.shape))
            start += -(-weight.numel() // _ALIGNED) * _ALIGNED
        self.flat = torch.zeros(len(networks), start, device=device)
        self._gap = torch.zeros(len(networks), _ALIGNED, device=device)
        self.weights = self._views(self.flat)
        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(torch.stack([table[name] for table in tables]))
        for weight in self.weights.values():
            weight.requires_grad_()

    @property
    def count(self) -> int:
        """Number R of networks."""
        return len(self.flat)

    def _views(self, flat: Tensor) -> Weights:
        return {
            name: flat[:, start : start + shape.numel()].view(len(flat), *shape)
            for name, start, shape in self._places
        }

    def __call__(self, x: Tensor, k: Tensor) -> Tensor:
        """Return the predicted noise of every network on its own samples.

        Parameters
        ----------
        x : Tensor, shape (R, B, d) or (R, B, side, side)
        k : Tensor of int64, shape (R, B)
        """
        if isinstance(self.shape, UNet):
            return _unet(self.shape, self.weights, x, k)
        return _mlp(cast(ResidualMLP, self.shape), self.weights, x, k)

    def gradient(self, loss: Tensor) -> Tensor:
        """Return the gradient of a sum over networks in the layout of `flat`."""
        found = torch.autograd.grad(loss, list(self.weights.values()))
        pieces = []
        for gradient, (_, _, shape) in zip(found, self._places, strict=True):
            pieces.append(gradient.reshape(self.count, -1))
            pieces.append(self._gap[:, : -shape.numel() % _ALIGNED])
        return torch.cat(pieces, dim=1)


def _for_products(weight: Tensor) -> Tensor:
    """Weights as (inputs, outputs); of a convolution as (height, width, inputs; outputs)."""
    weight = weight.detach()
    if weight.ndim == 4:
        return weight.permute(2, 3, 1, 0).reshape(-1, len(weight))
    return weight.T if weight.ndim == 2 else weight


def _linear(weights: Weights, name: str, x: Tensor) -> Tensor:
    """x (R, ..., inputs) times the weights of layer `name`."""
    weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    y = torch.baddbmm(bias[:, None], x.reshape(len(x), -1, x.shape[-1]), weight)
    return y.reshape(*x.shape[:-1], -1)


def _mlp(shape: ResidualMLP, weights: Weights, x: Tensor, k: Tensor) -> Tensor:
    time = _clock(shape, x, k, shape.width)
    h = _linear(weights, "first", x)
    for i in range(len(shape.inner)):
        scaled = functional.layer_norm(h, (shape.width,))
        weight, bias = (weights[f"norms.{i}.{part}"][:, None] for part in ("weight", "bias"))
        inner = _linear(weights, f"inner.{i}", torch.addcmul(bias, scaled, weight) + time)
        h = h + _linear(weights, f"outer.{i}", functional.gelu(inner))
    return _linear(weights, "last", h)


def _clock(shape: Any, x: Tensor, k: Tensor, width: int) -> Tensor:
    embedded = sinusoidal((shape.clock * k.to(x.dtype)).reshape(-1), width)
    return embedded.reshape(*k.shape, width)


def _unet(shape: UNet, weights: Weights, x: Tensor, k: Tensor) -> Tensor:
    time = _clock(shape, x, k, shape.channels)
    for i in (0, 2):
        time = functional.silu(_linear(weights, f"time.{i}", time))
    h = _convolution(weights, "first", x[..., None])
    kept = [h]
    for i, stage in enumerate(shape.down):
        h = _stage(stage, weights, f"down.{i}", h, time)
        kept.append(h)
        level, place = divmod(i + 1, shape.blocks)
        if place == 0 and level <= len(shape.shrink):
            h = _convolution(weights, f"shrink.{level - 1}", h, stride=2)
            kept.append(h)
    for i, stage in enumerate(shape.middle):
        h = _stage(stage, weights, f"middle.{i}", h, time)
    for i, stage in enumerate(shape.up):
        h = _stage(stage, weights, f"up.{i}", torch.cat([h, kept.pop()], dim=-1), time)
        level, place = divmod(i + 1, shape.blocks + 1)
        if place == 0 and level <= len(shape.grow):
            h = _convolution(weights, f"grow.{level - 1}", _doubled(h))
    h = functional.silu(_normalised(weights, "last.0", h, cast(Any, shape.last[0]).num_groups))
    return _convolution(weights, "last.2", h)[..., 0]


def _stage(stage: Any, weights: Weights, name: str, x: Tensor, time: Tensor) -> Tensor:
    h = functional.silu(_normalised(weights, f"{name}.first.0", x, stage.first[0].num_groups))
    h = _convolution(weights, f"{name}.first.2", h)
    h = h + _linear(weights, f"{name}.time", time)[:, :, None, None]
    h = functional.silu(_normalised(weights, f"{name}.second.0", h, stage.second[0].num_groups))
    h = _convolution(weights, f"{name}.second.3", h)
    h = h + (x if isinstance(stage.skip, nn.Identity) else _linear(weights, f"{name}.skip", x))
    if stage.attention is None:
        return h
    return _attention(stage.attention, weights, f"{name}.attention", h)


def _attention(layer: Any, weights: Weights, name: str, x: Tensor) -> Tensor:
    rows, count, height, width, channels = x.shape
    triple = _linear(weights, f"{name}.triple", _normalised(weights, f"{name}.norm", x,
                                                            layer.norm.num_groups))  # fmt: skip
    pixels = triple.reshape(rows * count, height * width, 3, channels)
    query, key, value = pixels.unbind(2)
    share = torch.softmax(query @ key.transpose(1, 2) / math.sqrt(channels), dim=2)
    seen = (share @ value).reshape(x.shape)
    return x + _linear(weights, f"{name}.out", seen)


def _doubled(x: Tensor) -> Tensor:
    """Nearest neighbours at twice the resolution."""
    rows, count, height, width, channels = x.shape
    wide = x[:, :, :, None, :, None].expand(rows, count, height, 2, width, 2, channels)
    return wide.reshape(rows, count, 2 * height, 2 * width, channels)


def _convolution(weights: Weights, name: str, x: Tensor, stride: int = 1) -> Tensor:
    return cast(
        Tensor,
        _Convolution.apply(x, weights[f"{name}.weight"], weights[f"{name}.bias"], stride),
    )


def _normalised(weights: Weights, name: str, x: Tensor, groups: int) -> Tensor:
    return cast(
        Tensor, _GroupNorm.apply(x, weights[f"{name}.weight"], weights[f"{name}.bias"], groups)
    )


def _windows(x: Tensor, stride: int) -> Tensor:
    """The 3 x 3 neighbourhood of every pixel, zeros outside: (R, pixels, 9 channels)."""
    rows, count, height, width, channels = x.shape
    wide = functional.pad(x, (0, 0, 1, 1, 1, 1))
    a, b, c, d, e = wide.stride()
    shape = (rows, count, height // stride, width // stride, 3, 3, channels)
    view = wide.as_strided(shape, (a, b, stride * c, stride * d, c, d, e))
    return view.reshape(rows, -1, 9 * channels)


class _Convolution(torch.autograd.Function):
    """3 x 3 convolution as a product with neighbourhoods, and its gradient as another."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, stride: int) -> Tensor:
        windows = _windows(x, stride)
        ctx.save_for_backward(windows, weight)
        ctx.shape, ctx.stride = x.shape, stride
        rows, count, height, width, _ = x.shape
        y = torch.baddbmm(bias[:, None], windows, weight)
        return y.view(rows, count, height // stride, width // stride, -1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        windows, weight = ctx.saved_tensors
        rows, count, height, width, channels = ctx.shape
        gradient = gradient.contiguous()
        flat = gradient.view(rows, -1, gradient.shape[-1])
        of_weight = torch.bmm(windows.transpose(1, 2), flat)
        of_bias = flat.sum(dim=1)
        if not ctx.needs_input_grad[0]:
            return None, of_weight, of_bias, None
        if ctx.stride == 2:
            spread = gradient.new_zeros(rows, count, height, width, gradient.shape[-1])
            spread[:, :, ::2, ::2] = gradient
            gradient = spread
        # Seen from an input pixel the window is turned by half a turn.
        turned = weight.view(rows, 9, channels, -1).flip(1).transpose(2, 3)
        of_x = torch.bmm(_windows(gradient, 1), turned.reshape(rows, -1, channels))
        return of_x.view(ctx.shape), of_weight, of_bias, None


class _GroupNorm(torch.autograd.Function):
    """Group norm over pixels and the channels of a group; its gradient in few passes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, groups: int) -> Tensor:
        rows, count, height, width, channels = x.shape
        split = x.reshape(rows, count, height * width, groups, channels // groups)
        variance, mean = torch.var_mean(split, dim=(2, 4), correction=0, keepdim=True)
        scale = torch.rsqrt(variance + 1e-5)
        scaled = ((split - mean) * scale).view(rows, count, -1, channels)
        ctx.save_for_backward(scaled, scale, weight)
        ctx.groups = groups
        return torch.addcmul(bias[:, None, None], scaled, weight[:, None, None]).view(x.shape)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        scaled, scale, weight = ctx.saved_tensors
        rows, count, pixels, channels = scaled.shape
        flat = gradient.reshape(scaled.shape)
        product = flat * scaled
        of_weight, of_bias = product.sum(dim=(1, 2)), flat.sum(dim=(1, 2))
        split = (rows, count, pixels, ctx.groups, channels // ctx.groups)
        inner = (flat * weight[:, None, None]).view(split)
        common = inner.mean(dim=(2, 4), keepdim=True)
        along = (product * weight[:, None, None]).view(split).mean(dim=(2, 4), keepdim=True)
        of_x = (inner - common - scaled.view(split) * along) * scale
        return of_x.view(gradient.shape), of_weight, of_bias, None
