"""What the page is asked, as one frozen set of values that an address can hold.

The query of the address, a moved slider and a typed number are one and the same text, read here and
refused here in words.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qsl, urlencode

from ..._checks import did_you_mean
from .. import options
from ..groups import ACTIVATION, PSI_N, PSI_P, T

MOST_SPIKES = 8
_LONGEST = 2000  # letters of an address


class Quantity(NamedTuple):
    """A number that is asked for.

    Attributes
    ----------
    label : beside its slider
    low, high : its range, both ends included; 0 too where `zero`
    says : what it is
    logarithmic : how its slider is spaced
    whole : whether it counts something
    zero : what 0 means, where 0 lies below `low` and stands at the left end of the slider
    """

    label: str
    low: float
    high: float
    says: str
    logarithmic: bool = True
    whole: bool = False
    zero: str = ""

    @property
    def allowed(self) -> str:
        """Its range in words."""
        kind = "an integer" if self.whole else "a number"
        return f"{'0 or ' if self.zero else ''}{kind} in [{self.low:g}, {self.high:g}]"


QUANTITIES: Mapping[str, Quantity] = {
    "psi_p": Quantity("ψₚ", 0.1, 1000.0, "neurons per dimension, p/d"),
    "psi_n": Quantity("ψₙ", 0.1, 1000.0, "samples per dimension, n/d"),
    "t": Quantity("t", 1e-3, 3.0, "diffusion time"),
    "low": Quantity("lower", 1e-3, 100.0, "lower eigenvalue of the covariance"),
    "high": Quantity("upper", 1e-3, 100.0, "upper eigenvalue of the covariance"),
    "share": Quantity("share", 0.01, 0.99, "share of directions with the upper eigenvalue", False),
    "exponent": Quantity("exponent", 0.0, 3.0, "α of the eigenvalues k^-α, mean 1", False),
    "dimension": Quantity("dimension", 2.0, 1000.0, "number of eigenvalues", True, True),
    **{
        f"weight_{k}": Quantity(
            f"weight{digit}", 0.01, 1.0, f"of class {k}, in the unit of the others' weights", False
        )
        for k, digit in enumerate("₀₁₂")
    },
    **{
        f"variance_{k}": Quantity(f"variance{digit}", 0.01, 100.0, f"of the data of class {k}")
        for k, digit in enumerate("₀₁₂")
    },
    "step": Quantity(
        "step", 1e-4, 100.0, "what one step adds to τ: (learning rate)/d²", zero="gradient flow"
    ),
    "momentum": Quantity("momentum", 0.0, 0.99, "of heavy-ball descent; needs a step", False),
    "ridge": Quantity("ridge", 1e-8, 100.0, "added to every eigenvalue of U", zero="none"),
}

ACTIVATIONS = (
    "tanh", "erf", "relu", "centred_relu", "leaky_relu", "silu", "gelu", "softplus", "sigmoid",
    "sine", "cosine", "sign", "linear",
)  # fmt: skip

POPULATIONS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "isotropic": ("isotropic", ()),
    "two": ("two atoms", ("low", "high", "share")),
    "power": ("power law", ("exponent", "dimension")),
    "spikes": ("isotropic with spikes", ("spikes",)),
    "two_classes": ("two classes", ("weight_0", "variance_0", "weight_1", "variance_1")),
    "three_classes": (
        "three classes",
        ("weight_0", "variance_0", "weight_1", "variance_1", "weight_2", "variance_2"),
    ),
}
"""Population -> its name on the page, and which values it asks for."""

OF_ROWS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "rows": ("your rows, exact kernel", ()),
    "equivalent": ("your rows, Gaussian equivalent", ()),
    "fresh": ("fresh rows like yours", ()),
}
"""The same, where there are rows: the first two are given them, and so have their number."""

GIVEN = ("rows", "equivalent")

CLASSES: Mapping[str, int] = {"two_classes": 2, "three_classes": 3}
"""Population -> number of classes, of data that are a mixture."""

_TRAINING = ("step", "momentum", "ridge")


@dataclass(frozen=True)
class State:
    """All values that the page is asked for; those that the population does not use are kept."""

    psi_p: float = PSI_P
    psi_n: float = PSI_N
    t: float = T
    activation: str = ACTIVATION
    population: str = "isotropic"
    low: float = 0.5
    high: float = 1.5
    share: float = 0.5
    exponent: float = 1.0
    dimension: int = 200
    spikes: tuple[float, ...] = (10.0,)
    weight_0: float = 1.0
    variance_0: float = 1.5
    weight_1: float = 1.0
    variance_1: float = 0.5
    weight_2: float = 1.0
    variance_2: float = 0.1
    step: float = 0.0
    momentum: float = 0.0
    ridge: float = 0.0

    @property
    def training(self) -> dict[str, Any]:
        """How training differs from gradient flow, as arguments of `model.training`."""
        return {name: getattr(self, name) for name in _TRAINING if getattr(self, name) != 0.0}

    @property
    def classes(self) -> tuple[list[float], list[float]]:
        """Weights and variances of the classes that the population has."""
        numbers = range(CLASSES[self.population])
        weights = [float(getattr(self, f"weight_{number}")) for number in numbers]
        return weights, [float(getattr(self, f"variance_{number}")) for number in numbers]

    @property
    def on_map(self) -> Self:
        """The same but for what a map over psi_n and psi_p does not depend on."""
        return replace(self, psi_p=PSI_P, psi_n=PSI_N, step=0.0, momentum=0.0)

    def query(self, start: State) -> str:
        """The values that differ from those at the start, as the query of an address."""
        said = {
            each.name: written(getattr(self, each.name))
            for each in fields(self)
            if getattr(self, each.name) != getattr(start, each.name)
        }
        return urlencode(said, safe=",")

    def values(self) -> dict[str, str]:
        """All values, as they are written."""
        return {each.name: written(getattr(self, each.name)) for each in fields(self)}


@dataclass(frozen=True)
class Reading:
    """What a query asks for.

    Attributes
    ----------
    state : what was asked before, where a value is refused
    refused : name -> why
    """

    state: State
    refused: Mapping[str, str] = field(default_factory=dict)


def read(query: str, before: State, populations: Mapping[str, Any]) -> Reading:
    """Read the query of an address.

    Parameters
    ----------
    query : as in psi_p=64&activation=erf, in any order
    before : values of what the query does not name, and of what is refused
    populations : names of those that can be had
    """
    if len(query) > _LONGEST:
        return Reading(before, {"": f"the address must have at most {_LONGEST} letters"})
    values: dict[str, Any] = {}
    refused: dict[str, str] = {}
    known = [each.name for each in fields(State)]
    for name, text in parse_qsl(query, keep_blank_values=True):
        try:
            if name not in known:
                raise ValueError(
                    f"{name!r:.60} is none of {', '.join(known)}{did_you_mean(name, known)}"
                )
            if name in values:
                raise ValueError(f"{name} must be given once")
            values[name] = _value(name, text, populations)
        except (ValueError, argparse.ArgumentTypeError) as problem:
            key = name if name in known else ""
            refused[key] = "; ".join(
                [refused[key], str(problem)] if key in refused else [str(problem)]
            )
    kept = {name: value for name, value in values.items() if name not in refused}
    return Reading(replace(before, **kept), refused)


def written(value: Any) -> str:
    """A value as it stands in an address and in a field."""
    if isinstance(value, tuple):
        return ",".join(written(one) for one in value)
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _value(name: str, text: str, populations: Mapping[str, Any]) -> Any:
    if name in QUANTITIES:
        return _number(name, text, QUANTITIES[name])
    if name == "spikes":
        found = tuple(_number("spikes", one, _SPIKE) for one in text.split(",") if one.strip())
        if not 1 <= len(found) <= MOST_SPIKES:
            raise ValueError(f"spikes must be 1 to {MOST_SPIKES} numbers, got {len(found)}")
        return found
    words = ACTIVATIONS if name == "activation" else tuple(populations)
    if text not in words:
        if text in OF_ROWS:
            raise ValueError(f"{name} {text!r} needs rows: start with rmtspec explore --data FILE")
        raise ValueError(
            f"{name} must be one of {', '.join(words)}, got {text!r:.60}{did_you_mean(text, words)}"
        )
    return text


_SPIKE = Quantity("spikes", 1e-3, 1e4, "isolated eigenvalues of the covariance")


def _number(name: str, text: str, quantity: Quantity) -> float | int:
    try:
        value = (options.integer if quantity.whole else options.number)(text.strip())
    except argparse.ArgumentTypeError:
        value = None
    inside = value is not None and (
        quantity.low <= value <= quantity.high or (quantity.zero and value == 0.0)
    )
    if value is None or not inside:
        raise ValueError(f"{name} must be {quantity.allowed}, got {text!r:.60}")
    return value
