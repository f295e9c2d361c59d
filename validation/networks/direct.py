r"""Group norm, SiLU and convolution on one core: loops in C over pictures with their samples last.

Pictures are (R, channels, height, width, B) in single precision, B a multiple of 32. A 3 x 3
convolution keeps 32 samples of up to eight outputs in registers while it runs over the neighbours;
a product of matrices would first write every pixel nine times. Values and gradients are those of
the batched products of `stacked` up to rounding, and the same bits at every call.
"""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

Tensor = torch.Tensor

_SOURCE = Path(__file__).with_suffix(".c")
_FLAGS = ("-O3", "-march=native", "-std=gnu11", "-mprefer-vector-width=512", "-shared", "-fPIC")
_TILE = 32


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
    """Say whether these pictures can be treated here."""
    fits = not x.is_cuda and x.dtype == torch.float32 and x.shape[-1] % _TILE == 0
    return fits and _library() is not None


def _call(name: str, *arguments: Tensor | int | None) -> int:
    """Call a loop on arrays that lie in memory as they are named."""
    places = [ctypes.c_void_p(a.data_ptr()) if isinstance(a, Tensor) else a for a in arguments]
    return int(getattr(_library(), name)(*places))


class Convolution(torch.autograd.Function):
    """3 x 3 convolution, zeros outside, of x or, given a group norm, of SiLU of the normalised x.

    Weights are (R, outputs, 9 inputs), biases (R, outputs), shifts (R, outputs, B) or None.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, shift: Tensor | None, stride: int,
        groups: int = 0, gain: Tensor | None = None, offset: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        x, weight, bias = x.contiguous(), weight.contiguous(), bias.contiguous()
        shift = None if shift is None else shift.contiguous()
        rows, inputs, height, width, count = x.shape
        outputs = weight.shape[1]
        ctx.sizes = rows, inputs, outputs, height, width, count, stride, groups
        wide = x.new_empty(rows, inputs, height + 2, width + 2, count)
        y = x.new_empty(rows, outputs, height // stride, width // stride, count)
        norm: tuple[Tensor | None, ...] = (None,) * 4
        if gain is not None and offset is not None:
            statistics = x.new_empty(2, rows * groups, count)
            norm = gain.contiguous(), offset.contiguous(), *statistics.unbind(0)
        _call("forward", x, weight, bias, shift, *norm, wide, y, *ctx.sizes)
        ctx.save_for_backward(wide, weight, x, *norm)
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        wide, weight, x, *norm = ctx.saved_tensors
        of_weight = torch.empty_like(weight)
        of_bias = gradient.new_empty(weight.shape[:2])
        of_shift = gradient.new_empty(*weight.shape[:2], gradient.shape[-1])
        shifted = of_shift if ctx.needs_input_grad[3] else None
        of_x = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        of_norm = [None if w is None else torch.empty_like(w) for w in norm[:2]]
        found = _call("backward", gradient.contiguous(), wide, weight, x, *norm, of_weight, of_bias,
                      of_shift, of_x, *of_norm, *ctx.sizes)  # fmt: skip
        if not found:
            raise MemoryError("no memory for the gradient of a convolution")
        return of_x, of_weight, of_bias, shifted, None, None, *of_norm
