r"""Group norm, SiLU, convolution and attention on one core: loops in C, samples last.

Pictures are (rows, channels, height, width, 32) in single precision, as many rows in turn for each
of R networks. A convolution keeps 32 samples of up to eight outputs in registers while it runs over
the neighbours; a product of matrices would first write every pixel nine times. Weights are rows of
a table, which are read where they lie, and their gradients are added to `grad`, a table alike.
Values and gradients are those of the batched products of `stacked` up to rounding, and the same
bits at every call.
"""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

Tensor = torch.Tensor
Weights = Sequence[Tensor]

_SOURCE = Path(__file__).with_suffix(".c")
_FLAGS = ("-O3", "-march=native", "-std=gnu11", "-mprefer-vector-width=512", "-shared", "-fPIC")
TILE = 32


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL | None:
    """Return the compiled loops, or None where no C compiler does it."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/direct.so"
        try:
            command = ["cc", *_FLAGS, str(_SOURCE), "-o", path, "-lmvec", "-lm"]
            subprocess.run(command, check=True, capture_output=True, text=True)
            return ctypes.CDLL(path)
        except (OSError, subprocess.CalledProcessError) as problem:
            told = getattr(problem, "stderr", "") or problem
            print(f"slower updates: no loops in C ({told!s:.200})", flush=True)
            return None


def serves(x: Tensor) -> bool:
    """Say whether pictures of so many samples, last, can be treated here."""
    fits = not x.is_cuda and x.dtype == torch.float32 and x.shape[-1] % TILE == 0
    return fits and _library() is not None


def _call(name: str, *arguments: Tensor | int | ctypes.Array[ctypes.c_int] | None) -> int:
    """Call a loop on arrays that lie in memory as they are named."""
    places = [ctypes.c_void_p(a.data_ptr()) if isinstance(a, Tensor) else a for a in arguments]
    return int(getattr(_library(), name)(*places))


def _ahead(
    x: Tensor, weights: Weights, groups: int = 0, stride: int = 1, *,
    shift: Tensor | None = None, beside: Tensor | None = None,
) -> tuple[Tensor, Any]:  # fmt: skip
    """Return a convolution, zeros outside, and what is kept of it for the way back.

    Weights are those of the convolution, (R, outputs, inputs) or (R, outputs, 9 inputs), its bias
    and perhaps scale and bias of a group norm: then it is taken of the norm of x, the larger kernel
    of SiLU of that. Shifts (rows, outputs, 32) and `beside`, like the result, are added.
    """
    weight, bias, gain, offset = (*weights, None, None)[:4]
    rows, inputs, height, width, _ = x.shape
    outputs, side = weight.shape[1], 1 if weight.shape[2] == inputs else 3
    blocks, between = rows // len(weight), weight.stride(0)
    layer = (ctypes.c_int * 10)(
        rows, blocks, inputs, outputs, height, width, stride, side, groups, between
    )
    wide, statistics = None, None
    if side == 3 or groups:
        wide = x.new_empty(rows, inputs, height + side - 1, width + side - 1, TILE)
        statistics = x.new_empty(rows, 2, groups, TILE)
    y = x.new_empty(rows, outputs, height // stride, width // stride, TILE)
    _call("forward", x, weight, bias, gain, offset, shift, beside, statistics, wide, y, layer)
    return y, (x, weight, bias, gain, offset, statistics, wide, layer)


def _back(gradient: Tensor, kept: Any, needed: bool = True) -> tuple[Tensor | None, Tensor]:
    """Return the gradients of x, if needed, and of shifts."""
    x, weight, bias, gain, offset, statistics, wide, layer = kept
    of_x = torch.empty_like(x) if needed else None
    of_shift = x.new_empty(len(x), weight.shape[1], TILE)
    slopes = [None if w is None else w.grad for w in (weight, bias, gain, offset)]
    found = _call("backward", gradient, x, weight, gain, offset, statistics, wide, of_x, of_shift,
                  *slopes, layer)  # fmt: skip
    if not found:
        raise MemoryError("no memory for the gradient of a convolution")
    return of_x, of_shift


class Convolution(torch.autograd.Function):
    """Convolution of x, or of its group norm, with weights as in `_ahead`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, groups: int, stride: int, *weights: Tensor) -> Tensor:
        y, ctx.kept = _ahead(x.contiguous(), weights, groups, stride)
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        of_x, _ = _back(gradient.contiguous(), ctx.kept, ctx.needs_input_grad[0])
        return of_x, *(None,) * (len(ctx.needs_input_grad) - 1)


class Stage(torch.autograd.Function):
    """A residual block: two convolutions of normed pictures, and x or a product of it beside them.

    Between them a product of the time, pictures of one pixel, is added.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, time: Tensor, groups: tuple[int, int],
        moved: Weights, first: Weights, second: Weights, skip: Weights | None,
    ) -> Tensor:  # fmt: skip
        x = x.contiguous()
        shift, ctx.moved = _ahead(time.contiguous(), moved)
        h, ctx.first = _ahead(x, first, groups[0], shift=shift)
        beside, ctx.skip = (x, None) if skip is None else _ahead(x, skip)
        y, ctx.second = _ahead(h, second, groups[1], beside=beside)
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        gradient = gradient.contiguous()
        of_h, _ = _back(gradient, ctx.second)
        of_x, of_shift = _back(of_h, ctx.first)
        beside = gradient if ctx.skip is None else _back(gradient, ctx.skip)[0]
        of_time, _ = _back(of_shift, ctx.moved)
        return of_x.add_(beside), of_time, None, None, None, None, None


class Attention(torch.autograd.Function):
    """What pixels see of each other; (rows, 3 channels, ...) are queries, keys and values."""

    @staticmethod
    def forward(ctx: Any, parts: Tensor) -> Tensor:
        rows, channels, height, width, _ = parts.shape
        ctx.sizes = rows, channels // 3, height * width
        shares = parts.new_empty(rows, height * width, height * width, TILE)
        seen = parts.new_empty(rows, channels // 3, height, width, TILE)
        _call("attend", parts, shares, seen, *ctx.sizes)
        ctx.save_for_backward(parts, shares)
        return seen

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        parts, shares = ctx.saved_tensors
        of_parts = torch.empty_like(parts)
        slopes = torch.empty_like(shares[0])
        _call("attend_back", gradient.contiguous(), parts, shares, slopes, of_parts, *ctx.sizes)
        return of_parts
