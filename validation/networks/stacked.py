r"""Many independent networks of one shape as one: weights of R networks side by side.

Small networks leave a GPU idle, and most of a CPU too. Here R of them, each with weights of its
own, run in the same calls: samples are (R, B, ...), the layers are batched matrix products. All
weights lie in one table (R, P), so that an optimiser is a handful of operations. Values and
gradients are those of the R networks one by one.

Inside a U-Net pictures are (R, channels, height, width, B), samples last: the neighbourhood of a
pixel is then copied in runs of B numbers at least, a 3 x 3 convolution is one product with as many
columns as there are pixels in the batch, and group norm sums whole rows. On a CPU the loops of
`direct` do the same without these copies, on samples in rows of 32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional

from validation.networks import direct
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
        The same memory by name, (R, ...): the last two axes are (inputs, outputs) in an MLP, and
        (outputs, inputs times pixels of the kernel) in a U-Net. Their `grad` is another table.
    """

    def __init__(self, networks: Sequence[nn.Module], device: torch.device | str = "cpu") -> None:
        first = networks[0]
        if not isinstance(first, UNet | ResidualMLP) or first.classes:
            raise TypeError(
                f"networks must be UNet or ResidualMLP without labels, got {first!r:.40}"
            )
        self.shape = first
        tables = [
            {name: _for_products(net, w) for name, w in net.named_parameters()} for net in networks
        ]
        self._places: list[tuple[str, int, torch.Size]] = []
        start = 0
        for name, weight in tables[0].items():
            self._places.append((name, start, weight.shape))
            start += -(-weight.numel() // _ALIGNED) * _ALIGNED
        self.flat = torch.zeros(len(networks), start, device=device)
        self._slopes = torch.zeros_like(self.flat)
        self.weights = self._views(self.flat)
        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(torch.stack([table[name] for table in tables]))
        for name, slope in self._views(self._slopes).items():
            self.weights[name].requires_grad_().grad = slope

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
        """Return the gradient of a sum over networks as `flat` is laid out, until the next call."""
        self._slopes.zero_()
        weights = list(self.weights.values())
        found = torch.autograd.grad(loss, weights, allow_unused=True)
        for weight, gradient in zip(weights, found, strict=True):
            if gradient is not None:  # loops in C write theirs themselves
                cast(Tensor, weight.grad).copy_(gradient)
        return self._slopes


def _for_products(network: nn.Module, weight: Tensor) -> Tensor:
    """Matrices as (inputs, outputs) of an MLP and (outputs, inputs times pixels) of a U-Net."""
    weight = weight.detach()
    if weight.ndim == 1:
        return weight
    return weight.T if isinstance(network, ResidualMLP) else weight.flatten(1)


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
    shape_of_x = x.shape
    if direct.serves(x.movedim(1, -1)):
        x, k = x.reshape(-1, direct.TILE, *x.shape[2:]), k.reshape(-1, direct.TILE)
    # Pictures of one pixel.
    time = _clock(shape, x, k, shape.channels).movedim(1, -1)[:, :, None, None]
    for i in (0, 2):
        time = functional.silu(_convolution(time, _layer(weights, f"time.{i}")))
    h = _convolution(x.movedim(1, -1)[:, None], _layer(weights, "first"))
    kept = [h]
    for i, stage in enumerate(shape.down):
        h = _stage(stage, weights, f"down.{i}", h, time)
        kept.append(h)
        level, place = divmod(i + 1, shape.blocks)
        if place == 0 and level <= len(shape.shrink):
            h = _convolution(h, _layer(weights, f"shrink.{level - 1}"), stride=2)
            kept.append(h)
    for i, stage in enumerate(shape.middle):
        h = _stage(stage, weights, f"middle.{i}", h, time)
    for i, stage in enumerate(shape.up):
        h = _stage(stage, weights, f"up.{i}", torch.cat([h, kept.pop()], dim=1), time)
        level, place = divmod(i + 1, shape.blocks + 1)
        if place == 0 and level <= len(shape.grow):
            h = _convolution(_doubled(h), _layer(weights, f"grow.{level - 1}"))
    h = _convolution(h, _layer(weights, "last.2", "last.0"), shape.last[0].num_groups)
    return h[:, 0].movedim(-1, 1).reshape(shape_of_x)


def _stage(stage: Any, weights: Weights, name: str, x: Tensor, time: Tensor) -> Tensor:
    moved = _layer(weights, f"{name}.time")
    first = _layer(weights, f"{name}.first.2", f"{name}.first.0")
    second = _layer(weights, f"{name}.second.3", f"{name}.second.0")
    skip = None if isinstance(stage.skip, nn.Identity) else _layer(weights, f"{name}.skip")
    groups = stage.first[0].num_groups, stage.second[0].num_groups
    if direct.serves(x):
        h = cast(Tensor, direct.Stage.apply(x, time, groups, moved, first, second, skip))
    else:
        h = _convolution(x, first, groups[0]) + _convolution(time, moved)
        h = _convolution(h, second, groups[1])
        h = h + (x if skip is None else _convolution(x, skip))
    if stage.attention is None:
        return h
    return _attention(stage.attention, weights, f"{name}.attention", h)


def _attention(layer: Any, weights: Weights, name: str, x: Tensor) -> Tensor:
    layer_of_parts = _layer(weights, f"{name}.triple", f"{name}.norm")
    triple = _convolution(x, layer_of_parts, layer.norm.num_groups)
    if direct.serves(x):
        seen = cast(Tensor, direct.Attention.apply(triple))
    else:
        rows, channels, height, width, count = x.shape
        parts = triple.view(rows, 3, channels, height * width, count).permute(1, 0, 4, 3, 2)
        seen = functional.scaled_dot_product_attention(*parts.contiguous().unbind(0))
        seen = seen.permute(0, 3, 2, 1).reshape(x.shape)
    return x + _convolution(seen, _layer(weights, f"{name}.out"))


def _doubled(x: Tensor) -> Tensor:
    """Nearest neighbours at twice the resolution."""
    for side in (2, 3):
        x = torch.stack([x, x], dim=side + 1).flatten(side, side + 1)
    return x


def _layer(weights: Weights, *names: str) -> list[Tensor]:
    """Weights and biases of a convolution, and those of the group norm before it, if any."""
    return [weights[f"{name}.{part}"] for name in names for part in ("weight", "bias")]


def _convolution(x: Tensor, layer: Sequence[Tensor], groups: int = 0, stride: int = 1) -> Tensor:
    """Convolution of x, or of its group norm: a kernel of 3 x 3 sees SiLU of that."""
    if direct.serves(x):
        return cast(Tensor, direct.Convolution.apply(x, groups, stride, *layer))
    weight, bias, *scaling = layer
    pixelwise = weight.shape[2] == x.shape[1]
    if groups:
        x = cast(Tensor, _GroupNorm.apply(x, *scaling, groups))
        x = x if pixelwise else functional.silu(x)
    if not pixelwise:
        return cast(Tensor, _Convolution.apply(x, weight, bias, stride))
    y = torch.baddbmm(bias[..., None], weight, x.flatten(2))
    return y.view(len(x), -1, *x.shape[2:])


def _windows(x: Tensor, stride: int) -> Tensor:
    """The 3 x 3 neighbourhood of every pixel, zeros outside: (R, 9 channels, pixels)."""
    rows, channels, height, width, count = x.shape
    wide = functional.pad(x, (0, 0, 1, 1, 1, 1))
    a, b, c, d, e = wide.stride()
    shape = (rows, channels, 3, 3, height // stride, width // stride, count)
    view = wide.as_strided(shape, (a, b, c, d, stride * c, stride * d, e))
    return view.reshape(rows, 9 * channels, -1)


class _Convolution(torch.autograd.Function):
    """3 x 3 convolution as a product with neighbourhoods, and its gradient as another."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, stride: int) -> Tensor:
        windows = _windows(x, stride)
        ctx.save_for_backward(windows, weight)
        ctx.shape, ctx.stride = x.shape, stride
        rows, _, height, width, count = x.shape
        y = torch.baddbmm(bias[..., None], weight, windows)
        return y.view(rows, -1, height // stride, width // stride, count)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        windows, weight = ctx.saved_tensors
        rows, channels, height, width, count = ctx.shape
        flat = gradient.flatten(2)
        # The long side first: three times as fast as the transposed product.
        of_weight = torch.bmm(windows, flat.transpose(1, 2)).transpose(1, 2)
        of_bias = flat.sum(dim=2)
        if not ctx.needs_input_grad[0]:
            return None, of_weight, of_bias, None
        if ctx.stride == 2:
            spread = gradient.new_zeros(rows, gradient.shape[1], height, width, count)
            spread[:, :, ::2, ::2] = gradient
            gradient = spread
        # Seen from an input pixel the window is turned by half a turn.
        turned = weight.view(rows, -1, channels, 9).flip(3).transpose(1, 2)
        of_x = torch.bmm(turned.reshape(rows, channels, -1), _windows(gradient, 1))
        return of_x.view(ctx.shape), of_weight, of_bias, None


class _GroupNorm(torch.autograd.Function):
    """Group norm over pixels and the channels of a group."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, groups: int) -> Tensor:
        rows, channels, *_, count = x.shape
        split = x.reshape(rows, groups, -1, count)
        centred = split - split.mean(dim=2, keepdim=True)
        scale = torch.rsqrt(centred.square().mean(dim=2, keepdim=True) + 1e-5)
        scaled = centred.mul_(scale).view(rows, channels, -1, count)
        y = torch.addcmul(bias[..., None, None], scaled, weight[..., None, None])
        ctx.save_for_backward(scaled, scale, weight)
        return y.view(x.shape)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        scaled, scale, weight = ctx.saved_tensors
        rows, channels, pixels, count = scaled.shape
        groups = scale.shape[1]
        flat = gradient.reshape(scaled.shape)
        sums, along = flat.sum(dim=2), (flat * scaled).sum(dim=2)
        of_weight, of_bias = along.sum(dim=2), sums.sum(dim=2)

        def shared(of_channels: Tensor) -> Tensor:
            """Mean over a group, times its scale: (R, channels, 1, B)."""
            split = (of_channels * weight[..., None]).view(rows, groups, -1, count)
            mean = split.mean(dim=2, keepdim=True) * scale / pixels
            return mean.expand(split.shape).reshape(rows, channels, 1, count)

        gain = (weight.view(rows, groups, -1, 1) * scale).view(rows, channels, 1, count)
        of_x = torch.addcmul(flat * gain, scaled, shared(along), value=-1.0).sub_(shared(sums))
        return of_x.view(gradient.shape), of_weight, of_bias, None
