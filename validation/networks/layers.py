r"""Networks that learn a score: random features, affine maps, a residual MLP, a small U-Net.

Every network is called as ``net(x, k)`` (or ``net(x, k, labels)``) and predicts the **noise** at
the levels `k`, in the convention of `validation.networks.diffusion`; `k` is an int64 tensor of
shape (N,).
Weights are drawn from a generator of the network's own, so that a seed fixes a network whatever
was drawn before it.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import cast

import torch
from torch import nn
from torch.nn import functional

from validation.harness import arguments

Tensor = torch.Tensor

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "erf": torch.erf,
    "relu": torch.relu,
    "linear": lambda x: x,
}


class RandomFeatureNet(nn.Module):
    r"""Random-feature score at one diffusion time t (arXiv 2505.17638, eq. 7).

    .. math::  s_A(x) = \frac{A}{\sqrt p}\,\sigma\!\Bigl(\frac{W x}{\sqrt d}\Bigr), \qquad
               \varepsilon_A = -\sqrt{\Delta_t}\,s_A,

    W with independent N(0, 1) entries and frozen, A trained. Gradient descent with step h on the
    mean squared error of the noise advances the time of `learning_curves` by h/d^2 a step.

    Parameters
    ----------
    dimension, neurons : int
        d and p.
    t : float
        Diffusion time, positive.
    activation : {"tanh", "erf", "relu", "linear"}
    initial : float
        Standard deviation of the entries of A at the start; 0 as in the theory.
    seed : int
        Of W and A.

    Attributes
    ----------
    frozen : Tensor, shape (p, d)
        W.
    trained : Parameter, shape (d, p)
        A.
    """

    frozen: Tensor

    def __init__(
        self,
        dimension: int,
        neurons: int,
        t: float,
        *,
        activation: str = "tanh",
        initial: float = 0.0,
        seed: int = 0,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        super().__init__()
        arguments.choice("activation", activation, tuple(ACTIVATIONS))
        self.dimension = arguments.integer("dimension", dimension, 1)
        self.neurons = arguments.integer("neurons", neurons, 1)
        self.delta = -math.expm1(-2.0 * arguments.positive("t", t))
        self.activation = ACTIVATIONS[activation]
        generator = torch.Generator().manual_seed(seed)
        self.register_buffer("frozen", _normal((neurons, dimension), generator, dtype))
        start = arguments.real("initial", initial, 0.0) * _normal(
            (dimension, neurons), generator, dtype
        )
        self.trained = nn.Parameter(start)

    def features(self, x: Tensor) -> Tensor:
        """Return sigma(W x/sqrt(d)), shape (N, p)."""
        return self.activation(functional.linear(x, self.frozen / math.sqrt(self.dimension)))

    def score(self, x: Tensor) -> Tensor:
        """Return A sigma(W x/sqrt(d))/sqrt(p), shape (N, d)."""
        return functional.linear(self.features(x), self.trained) / math.sqrt(self.neurons)

    def forward(self, x: Tensor, k: Tensor | None = None) -> Tensor:
        """Return the predicted noise, shape (N, d); the level is fixed and `k` is not read."""
        return -math.sqrt(self.delta) * self.score(x)

    def rate(self, step: float) -> float:
        """Return the learning rate h that advances the time tau by `step` an update: h = step d^2.

        With momentum m the time advances by step/(1 - m) in the long run.
        """
        return arguments.positive("step", step) * self.dimension**2


class LinearNet(nn.Module):
    r"""One affine denoiser a noise level (arXiv 2505.24769, eq. 4): eps(x, k) = W_k x + b_k.

    Starts from W = 0, b = 0. Gradient descent with step eta on the **sum** over the d components
    is what `LinearDenoiser.training_curves` describes; on the mean squared error used here the
    same step is eta d.
    """

    def __init__(
        self,
        dimension: int,
        levels: int = 1,
        *,
        bias: bool = True,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        super().__init__()
        d = arguments.integer("dimension", dimension, 1)
        count = arguments.integer("levels", levels, 1)
        self.weight = nn.Parameter(torch.zeros(count, d, d, dtype=dtype))
        self.bias = nn.Parameter(torch.zeros(count, d, dtype=dtype)) if bias else None

    def forward(self, x: Tensor, k: Tensor) -> Tensor:
        """Return W_k x + b_k, shape (N, d); a single map serves whatever level."""
        if len(self.weight) == 1:
            return functional.linear(x, self.weight[0], None if self.bias is None else self.bias[0])
        y = torch.einsum("nij,nj->ni", self.weight[k - 1], x)
        return y if self.bias is None else y + self.bias[k - 1]


class ResidualMLP(nn.Module):
    r"""Residual network of arXiv 2505.17638, Section B.

    h = in(x); three times h <- h + lin_2(gelu(lin_1(norm(h) + time + label))); out(h), all of
    width W. Without classes it has the p(d, W) = W(2d + 13) + d + 6W^2 weights of the paper.
    Where the paper adds the (weightless) time embedding is not told; here, to every block's input
    after its LayerNorm.

    Parameters
    ----------
    dimension, width, blocks : int
    clock : float
        The sinusoidal embedding sees clock * k; 1000/T makes it independent of the number of
        levels T.
    classes : int
        0: no labels. Otherwise `labels` in [0, classes] are expected, `classes` meaning none.
    seed : int
    """

    def __init__(
        self,
        dimension: int,
        width: int = 128,
        blocks: int = 3,
        *,
        clock: float = 1.0,
        classes: int = 0,
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        d, w = arguments.integer("dimension", dimension, 1), arguments.integer("width", width, 2)
        self.width, self.classes = w, arguments.integer("classes", classes, 0)
        self.clock = arguments.positive("clock", clock)
        with seeded(seed, dtype):
            self.first = nn.Linear(d, w)
            self.norms = nn.ModuleList(nn.LayerNorm(w) for _ in range(blocks))
            self.inner = nn.ModuleList(nn.Linear(w, w) for _ in range(blocks))
            self.outer = nn.ModuleList(nn.Linear(w, w) for _ in range(blocks))
            self.last = nn.Linear(w, d)
            self.label = nn.Embedding(classes + 1, w) if classes else None

    def forward(self, x: Tensor, k: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the predicted noise, shape (N, d)."""
        condition = sinusoidal(self.clock * k.to(x.dtype), self.width)
        if self.label is not None:
            none = torch.full_like(k, self.classes)
            condition = condition + self.label(none if labels is None else labels)
        h = self.first(x)
        for norm, inner, outer in zip(self.norms, self.inner, self.outer, strict=True):
            h = h + outer(functional.gelu(inner(norm(h) + condition)))
        return cast(Tensor, self.last(h))


def sinusoidal(position: Tensor, width: int) -> Tensor:
    """Return sines and cosines of position/10000^(j/(width/2)), shape (N, width).

    Vaswani et al. (2017), arXiv 1706.03762, section 3.5, sines first; an odd width ends on zero.
    """
    half = width // 2
    grid = torch.arange(half, dtype=position.dtype, device=position.device) / half
    angle = position[:, None] * torch.exp(-math.log(10_000.0) * grid)
    return functional.pad(torch.cat([angle.sin(), angle.cos()], dim=1), (0, width - 2 * half))


def parameter_count(network: nn.Module) -> int:
    """Return the number of trained weights."""
    return sum(weight.numel() for weight in network.parameters() if weight.requires_grad)


def _normal(shape: tuple[int, ...], generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


@contextlib.contextmanager
def seeded(seed: int, dtype: torch.dtype) -> Iterator[None]:
    """Draw the default weights inside from a seed, in a type, leaving the global state alone."""
    before = torch.get_default_dtype()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(arguments.integer("seed", seed, 0))
        torch.set_default_dtype(dtype)
        try:
            yield
        finally:
            torch.set_default_dtype(before)
