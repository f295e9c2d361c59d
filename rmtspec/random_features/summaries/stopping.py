"""When to stop training on given data, in words, as a table and as plain values."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ...result import Summary, Table, draw, rounded
from ..results import LearningCurves

COLUMNS = ("tau_gen", "best", "tau_mem", "train", "test", "final_train", "final_test")
"""Numbers of one subset of the rows."""


@dataclass(frozen=True)
class Estimate:
    """A number, and how far it may be off.

    Attributes
    ----------
    value : mean over the splits, geometric for times; inf for a time that never comes
    error : the largest of half the difference of the splits, twice the standard error from the
        scatter between halves of the held-out rows, and what the theory missed true features by on
        image data; NaN where the value is infinite, infinite for a time that may never come
    """

    value: float
    error: float

    def __str__(self) -> str:
        if not math.isfinite(self.value):
            return rounded(self.value)
        if math.isinf(self.error):
            return f"{float(f'{self.value:.2g}'):g}, or never,"
        digits = 2 if self.error > 0.02 * abs(self.value) else 3
        value, error = float(f"{self.value:.{digits}g}"), float(f"{self.error:.1g}")
        return f"{value:g} ± {error:g}"


@dataclass(frozen=True, eq=False, repr=False)
class StoppingReport(Summary):
    """When training has generalised, should stop, and memorises; made by `stopping_report`.

    ``print`` reads it as a paragraph and a table.

    Attributes
    ----------
    tau_gen, best, tau_mem : Estimate
        Beginning of the window, best time to stop, and end of the window; inf: never.
    losses : dict of str to Estimate
        ``train`` and ``test`` at the best time, ``final train`` and ``final test``.
    memorised : Estimate
        Part of the pull to its own samples that the score does not have on held-out rows, at the
        best time.
    doubling : dict
        What twice the rows would do: ``exponent`` of tau_mem in n, ``tau_mem`` then with its
        ``error``, ``test`` (the change of the least test loss between half of the rows and all),
        and ``at_least``: the time may come later, or never.
    trust : list of str
        Reasons not to trust the numbers; empty if there are none.
    curves : LearningCurves
        Of all rows, first split.
    """

    curves: LearningCurves

    @property
    def tau_gen(self) -> Estimate:
        """When the test loss first comes within 5 % of its gain."""
        return self._estimate("tau_gen")

    @property
    def best(self) -> Estimate:
        """When the test loss is least."""
        return self._estimate("best")

    @property
    def tau_mem(self) -> Estimate:
        """When the test loss has left that range again; inf if it never does."""
        return self._estimate("tau_mem")

    @property
    def losses(self) -> dict[str, Estimate]:
        """Losses at the best time and at the end of training."""
        return {name: Estimate(**pair) for name, pair in self["losses"].items()}

    @property
    def memorised(self) -> Estimate:
        """Memorised fraction of the score at the best time; see `Training.memorised_fraction`."""
        return self._estimate("memorised")

    @property
    def doubling(self) -> dict[str, Any]:
        """What twice the rows would do."""
        return dict(self["doubling"])

    @property
    def trust(self) -> list[str]:
        """Reasons not to trust the numbers."""
        return list(self["trust"])

    def _estimate(self, name: str) -> Estimate:
        return Estimate(**self[name])

    def blocks(self) -> Iterator[str | Table]:
        data, model = self["data"], self["model"]
        source = "" if data["source"] is None else f"{data['source']}: "
        yield (
            f"{source}{data['samples']} rows of dimension {data['dimension']}; trained on "
            f"{data['trained']}, {data['held_out']} held out, {data['splits']} splits\n"
            f"random-feature score model, psi_p = {rounded(model['psi_p'])}, "
            f"t = {rounded(model['t'])}, {model['activation']}; times in {self['unit']}"
        )
        yield self._paragraph()
        yield (
            f"tau_gen and tau_mem are by the test loss, where it enters and leaves its "
            f"{100 * self['share']:.0f} % window; `rmtspec timescales` gives times of the spectrum "
            "by these names, which differ."
        )
        rows: list[tuple[str, ...]] = [("rows", "tau_gen", "best", "tau_mem", "train", "test")]
        rows[0] = (*rows[0], "final train", "final test")
        for run in self["subsets"]:
            rows.append((str(run["rows"]), *(_short(run[name]) for name in COLUMNS)))
        yield Table(rows)
        yield self._verdict()

    def _paragraph(self) -> str:
        losses = self.losses
        if self.best.value == 0.0:
            return (
                "Training only harms: the test loss is least before it begins. More data, or fewer "
                "neurons, or more noise are needed."
            )
        if math.isnan(self.best.value):
            return "When to stop is not known: the losses have too large errors."
        words = [
            f"It has generalised at {self._time(self.tau_gen)}: from then on the test loss is "
            f"within {100 * self['share']:.0f} % of its gain."
        ]
        if math.isinf(self.best.value):
            words.append("It never overfits: train as long as you like.")
        else:
            words.append(
                f"Stop at {self._time(self.best)}, where the test loss is {losses['test']} and the "
                f"train loss {losses['train']} (1 is a model that does nothing); by then "
                f"{self.memorised} of the pull to its own samples is memorised."
            )
        if math.isinf(self.tau_mem.value):
            words.append(
                f"It never memorises so far that it matters: at the end of training the test loss "
                f"is {losses['final test']}."
            )
        else:
            words.append(
                f"It memorises from {self._time(self.tau_mem)} on, and ends with a test loss of "
                f"{losses['final test']} at a train loss of {losses['final train']}."
            )
        return " ".join([*words, self._more_data()])

    def _more_data(self) -> str:
        doubling = self.doubling
        gain = f"The least test loss changed by {doubling['test']:+.2g} from half the rows to all"
        if math.isinf(self.tau_mem.value):
            return f"{gain}."
        if math.isnan(doubling["exponent"]):
            return f"{gain}; how tau_mem grows cannot be told from these subsets."
        later = Estimate(doubling["tau_mem"], doubling["error"])
        # More data never memorise earlier.
        least = max(later.value - later.error, self.tau_mem.value)
        bound = f"at least {least:.2g}" if doubling["at_least"] else f"about {later}"
        return (
            f"{gain}; twice the data would move memorisation to {bound} (it grows like "
            f"n^{doubling['exponent']:.2g} here)."
        )

    def _verdict(self) -> str:
        if not self.trust:
            return "trust         nothing speaks against these numbers but their stated errors"
        return "\n".join(
            f"{'trust' if place == 0 else '':<14}{reason}"
            for place, reason in enumerate(self.trust)
        )

    def _time(self, estimate: Estimate) -> str:
        return f"{estimate} {'steps' if self['unit'] == 'steps' else ''}".strip()

    def plot(self, ax: Any = None) -> Any:
        """Draw curves and window; see `rmtspec.plots.stopping.plot_stopping`."""
        return draw("stopping", "plot_stopping", self, ax)


def _short(value: float) -> str:
    return rounded(value) if not math.isfinite(value) else f"{value:.4g}"
