"""What a linear denoiser says of itself: losses, distances and divergences over its loads."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from ..inputs.description import describe, headline
from ..inputs.noise import time_of_signal
from ..inputs.population import PopulationSpectrum
from ..result import Summary, Table, caller_level, dataframe, rounded

if TYPE_CHECKING:
    import pandas

FloatArray = NDArray[np.float64]

_FORWARD, _REVERSE = "data||model", "model||data"
_LARGE_SHIFT = 0.5


class Denoiser(Protocol):
    """What a summary asks of a `LinearDenoiser`."""

    @property
    def population(self) -> PopulationSpectrum:
        """Spectrum of the data covariance."""

    @property
    def load(self) -> Any:
        """Samples per dimension."""

    @property
    def c(self) -> Any:
        """Ridge."""

    @property
    def dimension(self) -> int | None:
        """d, where it is known."""

    @property
    def empirical_mean(self) -> bool:
        """Whether data are centred with their own mean."""

    def train_loss(self, alpha_bar: Any, *, corrected: bool = False) -> Any:
        """Loss on the samples."""

    def test_loss(self, alpha_bar: Any, *, corrected: bool = False) -> Any:
        """Loss on fresh ones."""

    def optimal_loss(self, alpha_bar: Any) -> Any:
        """Loss of the best map."""

    def alignment(self, alpha_bar: Any, *, corrected: bool = False) -> Any:
        """Distance to the best map."""

    def alignment_pair(self, alpha_bar: Any) -> Any:
        """Distance between the maps of two data sets."""

    def kl(self, direction: Any, *, corrected: bool = False) -> Any:
        """Divergence between data and what is sampled."""


@dataclass(frozen=True, eq=False, repr=False)
class LinearSummary(Summary):
    """A linear denoiser at one noise level; made by `LinearDenoiser.summary`.

    The values are ``model``, ``data`` (None without samples), ``population``, ``optimal_loss`` and
    ``loads``, one dictionary a load; that of the data themselves is marked as ``own``.
    """

    @classmethod
    def of(
        cls,
        model: Denoiser,
        alpha_bar: float,
        corrected: bool,
        source: str | None,
        errors: Mapping[str, float] | None = None,
    ) -> Self:
        """The summary of a model whose data are from `source`; `errors` as `describe` has them."""
        loads = np.atleast_1d(model.load)
        averages = _averages(model, alpha_bar, corrected)
        if corrected:
            _warn_of_large_shifts(loads, averages, _averages(model, alpha_bar, False))
        data = describe(model.population, source, errors)
        own = None if data is None else data["samples"] / data["dimension"]
        if data is not None:
            data["load"] = own
        size = model.dimension
        return cls(
            {
                "model": {
                    "alpha_bar": alpha_bar,
                    "t": float(time_of_signal(alpha_bar)),
                    "c": float(model.c),
                    "dimension": size,
                    "corrected": corrected,
                    "empirical_mean": model.empirical_mean,
                },
                "data": data,
                "population": repr(model.population),
                "optimal_loss": float(model.optimal_loss(alpha_bar)),
                "loads": [
                    {
                        "load": float(load),
                        "samples": None if size is None else float(load * size),
                        **{
                            name: float(values[i])
                            for name, values in averages.items()
                            if name not in (_FORWARD, _REVERSE)
                        },
                        "kl": {way: float(averages[way][i]) for way in (_FORWARD, _REVERSE)},
                        "own": bool(load == own),
                    }
                    for i, load in enumerate(loads)
                ],
            }
        )

    def blocks(self) -> Iterator[str | Table]:
        yield self._head()
        divergences = f"KL {_FORWARD}", f"KL {_REVERSE}"
        rows: list[tuple[str, ...]] = [
            ("n/d", "samples", "train", "test", "alignment", "pair", *divergences)
        ]
        remarks = [""]
        for row in self["loads"]:
            samples = "" if row["samples"] is None else f"{row['samples']:.8g}"
            shown = (row[key] for key in ("train_loss", "test_loss", "alignment", "alignment_pair"))
            values = map(rounded, (*shown, *row["kl"].values()))
            rows.append((rounded(row["load"]), samples, *values))
            remarks.append("as many as in the data" * row["own"])
        yield Table(rows, remarks if any(remarks) else ())

    def to_dataframe(self) -> pandas.DataFrame:
        """One row a load, divergences as columns ``kl data||model`` and back; needs pandas.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        rows = []
        for row in self["loads"]:
            plain = {name: value for name, value in row.items() if name not in ("kl", "own")}
            rows.append(plain | {f"kl {way}": value for way, value in row["kl"].items()})
        return dataframe(rows)

    def _head(self) -> str:
        model = self["model"]
        order = "with the order 1/d" if model["corrected"] else "limit of many dimensions"
        return (
            f"linear denoiser, alpha_bar = {rounded(model['alpha_bar'])} "
            f"(t = {rounded(model['t'])}), c = {rounded(model['c'])}, {order}; all per dimension\n"
            f"{headline(self['population'], self['data'])}\n"
            f"optimal loss  {rounded(self['optimal_loss'])}"
        )


def _averages(model: Denoiser, alpha_bar: float, corrected: bool) -> dict[str, Any]:
    averages = {
        "train_loss": model.train_loss(alpha_bar, corrected=corrected),
        "test_loss": model.test_loss(alpha_bar, corrected=corrected),
        "alignment": model.alignment(alpha_bar, corrected=corrected),
        "alignment_pair": model.alignment_pair(alpha_bar),
        _FORWARD: model.kl("data||model", corrected=corrected),
        _REVERSE: model.kl("model||data", corrected=corrected),
    }
    return {name: np.atleast_1d(values) for name, values in averages.items()}


def _warn_of_large_shifts(
    loads: FloatArray, corrected: dict[str, Any], limit: dict[str, Any]
) -> None:
    """The next order of a series is only worth something while it is small."""
    large = np.zeros(loads.shape, dtype=bool)
    for name, values in corrected.items():
        # Without a ridge the divergences are exact, not a series.
        if name not in (_FORWARD, _REVERSE):
            large |= np.abs(values - limit[name]) > _LARGE_SHIFT * np.abs(limit[name])
    if np.any(large):
        first, last = loads[large][[0, -1]]
        where = f"{first:.4g}" if first == last else f"{first:.4g} to {last:.4g}"
        warnings.warn(
            f"the order 1/d exceeds half the limit at n/d = {where}: it is not to be trusted there",
            stacklevel=caller_level(),
        )
