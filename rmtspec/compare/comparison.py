"""Observed eigenvalues or learning curves beside what a model says, in standard deviations."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import _checks
from ..ensembles.random_feature import RandomFeatureGram
from ..ensembles.sample_covariance import SampleCovariance
from ..inputs.population import PopulationSpectrum
from ..law import SpectralLaw
from ..random_features.model import RandomFeatureModel
from ..result import Summary, Table, chance, dataframe, draw, rounded
from . import nulls, positions
from .curve_comparison import compare_curves
from .finite_size import (
    Model,
    at_dimension,
    at_whole_loads,
    checked_dimension,
    loads_used,
    named,
    rounding,
)
from .observed import Curves, Eigenvalues, read
from .statistics import Statistics, trusted_directions

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]

NULLS = ("gaussian", "simulate", "calibrated")

_DRAWS = {"gaussian": 199, "simulate": 60, "calibrated": 100}


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Summary):
    """What was observed beside what a model says; made by `compare`.

    ``print`` shows it as tables, a notebook too.

    Attributes
    ----------
    table : rows with the keys statistic, observed, predicted, sd and z; sd is that of the
        difference between the mean over the draws and a prediction that may be estimated itself
    z : (k,) differences in units of sd
    chi2, degrees, pvalue : the one test of all statistics; the p-value is None if it cannot be
        defended, for the reason in ``["refused"]``
    observed : (m, p) eigenvalues, or a mapping of losses, (m, k) each
    reference : the law, or the predicted curves, that they are compared with
    """

    observed: Any = field(default=None)
    reference: Any = field(default=None)

    @property
    def table(self) -> list[dict[str, Any]]:
        """The statistics."""
        return [dict(row) for row in self["statistics"]]

    @property
    def z(self) -> FloatArray:
        """(k,) standardised differences."""
        return np.array([row["z"] for row in self["statistics"]], dtype=np.float64)

    @property
    def chi2(self) -> float:
        """Of all statistics together; with an estimated covariance, Hotelling's square."""
        return float(self["chi2"])

    @property
    def degrees(self) -> int:
        """Number of independent combinations tested."""
        return int(self["degrees"])

    @property
    def pvalue(self) -> float | None:
        """Chance of so large a chi2 if the null holds."""
        found = self["pvalue"]
        return None if found is None else float(found)

    def to_dataframe(self) -> pandas.DataFrame:
        """The table of statistics, one a row; needs pandas.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        return dataframe(self.table)

    def plot(self, ax: Axes | None = None, **options: Any) -> NDArray[np.object_]:
        """Draw what was observed over what was predicted; see `rmtspec.plots.comparison`."""
        axes: NDArray[np.object_] = draw("comparison", "plot_comparison", self, ax=ax, **options)
        return axes

    def blocks(self) -> Iterator[str | Table]:
        yield f"{self['what']}\n{self['model']}\nnull: {self['null']['sentence']}"
        keys = ("observed", "predicted", "sd", "z")
        rows = [("statistic", *keys)]
        rows += [
            (row["statistic"], *(_short(row[key]) for key in keys)) for row in self["statistics"]
        ]
        yield Table(rows)
        yield self._verdict()
        if self["kind"] == "eigenvalues":
            yield from self._places()
        for remark in self["trust"]:
            yield f"remark: {remark}"

    def _verdict(self) -> str:
        if self["pvalue"] is None:
            return f"no p-value: {self['refused']}"
        name = "chi-square" if math.isinf(self["null"]["freedom"]) else "Hotelling's T-square"
        how = f" ({self['pvalue_source']})" if self["pvalue_source"] else ""
        p = chance(self["pvalue"])
        return f"{name} {self.chi2:.4g} of {self.degrees} combinations, {p}{how}"

    def _places(self) -> Iterator[str | Table]:
        for row in self["atoms"]:
            low, high = row["observed"]
            seen = f"{low}" if low == high else f"{low} to {high}"
            right = "" if low == high == row["predicted"] else ": not what the law counts"
            yield (
                f"atom at {rounded(row['location'])}: {row['predicted']} eigenvalues predicted, "
                f"{seen} observed{right}"
            )
        if self["edges"]:
            rows = [("edge", "end", "observed", "predicted", "sd", "z")]
            for row in self["edges"]:
                keys = ("observed", "predicted", "sd", "z")
                rows.append(
                    (_short(row["location"]), row["end"], *(_short(row[key]) for key in keys))
                )
            yield Table(rows)
        for row in self["outliers"]:
            yield (
                f"outlier at {rounded(row['predicted'])}: observed at {rounded(row['observed'])}"
                f" in {row['seen']} of {self['draws']} draws"
            )
        if self["outside"] is None:
            return
        yield (
            f"eigenvalues off the bulks, beyond the reach of Tracy and Widom: {self['outside']} in "
            f"{self['draws']} draws"
        )


def compare(
    observed: Any,
    model: Model | SpectralLaw,
    dimension: int | None = None,
    null: str = "gaussian",
    *,
    beta: int = 1,
    rng: np.random.Generator | int | None = None,
    null_draws: int | None = None,
    learning_rate: float | None = None,
    progress: bool = False,
) -> Comparison:
    r"""Compare a simulation with theory, in standard deviations.

    Eigenvalues repel each other, so that sums over them hardly fluctuate: in the limit
    :math:`\mathrm{Tr}f(U)` is Gaussian, with a variance of order 1 whatever the size, and a mean
    that differs from :math:`p\int f\,d\rho` by order 1.  Both are known.  A few such sums, of the
    resolvent at several scales, find an error of a per cent in a parameter from one matrix.

    Parameters
    ----------
    observed : array_like, table or path
        Eigenvalues, all of them: (p,), (draws, p) or a list of rows, or a file of these (.npy,
        .npz, .csv, .txt).  Or learning curves: a `SimulatedCurves`, a mapping or data frame (or
        .csv file) with the times ``tau`` or ``step`` and either ``train`` and ``test``, of shape
        (k,) or (repeats, k), or rows with ``split`` and ``loss``; a column ``draw`` (or seed, run,
        repeat) tells repeats apart.
    model : RandomFeatureModel, SampleCovariance or SpectralLaw
        A law can be compared with eigenvalues under the Gaussian null.
    dimension : int in [1, 30,000], optional
        d, without which it is p/psi_p, p for a sample covariance, or what the population says.
        The loads compared with are those of whole numbers of neurons and samples: they are shown,
        and a remark names those that were rounded.
    null : {"gaussian", "simulate", "calibrated"}
        What is assumed if the model is right.  "gaussian": matrices of Gaussians, by formula; the
        p-value of small ones (a side of H up to 300) from draws at this d, a second or two.
        "simulate": mean and covariance from draws as well.  "calibrated": features of the
        activation itself on Gaussian data: mean shift and covariance, which do not depend on d,
        come from small matrices; without it a right theory is called wrong on true features.
    beta : 1 or 2
        Real or complex matrices (Gaussian null).
    rng : numpy.random.Generator or int, optional
        For the draws; without it, a p-value from draws differs a little from call to call.
    null_draws : int >= 2, optional
        Number of draws: 199 for "gaussian", 60 for "simulate", 100 (and half as many at twice the
        size) for "calibrated".  Their covariance takes 5 more than there are combinations of
        statistics tested (at most 7), some fewer for "calibrated".
    learning_rate : float > 0, optional
        For curves whose times are steps: tau = step·learning_rate/d².
    progress : bool
        Whether a bar is shown on standard error while matrices are drawn (with tqdm installed).

    Returns
    -------
    Comparison
        It says which null was used, and gives no p-value where none can be defended.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or out of range, the number of eigenvalues is not psi_p
        d, null_draws are too few for a covariance, or a null is asked for that the model does not
        have.
    OSError
        If a file cannot be read.

    Notes
    -----
    *Eigenvalues.*  The statistics are those of `rmtspec.compare.statistics`, the test is described
    in `rmtspec.compare.nulls`.  The number of eigenvalues in an atom does not fluctuate: it is
    compared as a count.  Corrections of relative order 1/d are not in the formula.  Where matrices
    are small the p-value is a rank among draws, which is exact at every d; where they are not, it
    is a chi-square's, the means of more than (d/5)² draws would show the next order and get no
    p-value, and a remark tells if p, n or d is below 100.  Compared with ``model.spectrum()``,
    nothing is drawn.

    *Curves.*  A loss fluctuates by order 1/d, and its mean misses the limit by order 1/d too, 0.1
    to 0.6 of the standard deviation of one network (measured at d = 40 to 80): under the null
    "gaussian" z counts in the spread over the repeats, and there is no p-value; the others draw
    networks, and compare means by Hotelling's test.  It needs three repeats.

    References
    ----------
    Bai and Silverstein, Ann. Probab. 32 (2004) 553 (linear statistics of sample covariances);
    Hotelling, Ann. Math. Stat. 2 (1931) 360.

    Examples
    --------
    >>> import rmtspec as rs
    >>> model = rs.RandomFeatureModel(psi_p=4, psi_n=2, t=0.1)
    >>> eigenvalues = rs.simulate(model, 50, rng=0, size=5)
    >>> bool(rs.compare(eigenvalues, model).pvalue > 0.01)
    True
    >>> wrong = rs.RandomFeatureModel(psi_p=4, psi_n=2.2, t=0.1)
    >>> bool(rs.compare(eigenvalues, wrong).pvalue < 1e-6)
    True
    """
    if not isinstance(model, (RandomFeatureModel, SampleCovariance, SpectralLaw)):
        raise TypeError(
            "model must be a RandomFeatureModel, a SampleCovariance or a SpectralLaw, "
            f"got {_checks.shown(model)}"
        )
    _checks.choice("null", null, NULLS)
    beta = _checks.integer("beta", beta, 1, 2)
    generator = _checks.generator("rng", rng)
    progress = _checks.flag("progress", progress)
    if null_draws is not None:
        null_draws = _checks.integer("null_draws", null_draws, 2, 10**6)
    per_step = None
    if learning_rate is not None:
        rate = _checks.positive("learning_rate", learning_rate)
        if isinstance(model, SpectralLaw):
            raise TypeError("model must be a RandomFeatureModel for curves, got a SpectralLaw")
        per_step = rate / checked_dimension(model, dimension) ** 2
    found = read(observed, per_step)
    if isinstance(found, Curves):
        values, reference = compare_curves(
            found, model, dimension, null, generator, null_draws, progress
        )
        return Comparison(values, found, reference)
    if null != "gaussian" and beta != 1:
        raise ValueError(f"beta must be 1 for null {null!r}, whose draws are real, got {beta}")
    return _eigenvalues(found, model, dimension, null, beta, generator, null_draws, progress)


def _eigenvalues(
    found: Eigenvalues,
    model: Model | SpectralLaw,
    dimension: int | None,
    null: str,
    beta: int,
    rng: np.random.Generator,
    null_draws: int | None,
    progress: bool,
) -> Comparison:
    count, size = found.values.shape
    if isinstance(model, SpectralLaw):
        if null != "gaussian":
            raise ValueError(f"model must be more than a law for null {null!r}: it is drawn from")
        law, d, name, dropped = model, None, f"law with {len(model.masses)} bulks", 0
        loads = {}
    else:
        d = _dimension_of(model, size, dimension)
        asked, model = model, at_whole_loads(model, d, size)
        name, loads = named(model), loads_used(asked, model)
        law = model.spectrum()
        dropped = _mean_features(model, d) if null == "calibrated" else 0
    statistics = Statistics.of(law)
    exact = law if isinstance(model, SpectralLaw) or d is None else with_spikes_inside(model, d)
    number = _DRAWS[null] if null_draws is None else null_draws
    sample = None
    if null == "gaussian" and beta == 1:
        sample = nulls.small_sums(model, d, statistics, rng, number, progress)
    by_formula = null == "gaussian" and sample is None
    formula = nulls.by_formula(exact, statistics, size, beta, assumption(model), sample)
    directions = trusted_directions(formula.covariance)
    if null != "gaussian" or sample is not None:
        nulls.enough_draws(null, number, directions.shape[1])
    if isinstance(model, SpectralLaw) or null == "gaussian":
        assumed = formula
    else:
        assert d is not None
        drawn = at_dimension(model, d)
        if null == "simulate":
            assumed = nulls.by_draws(drawn, d, statistics, rng, number, progress)
        else:
            assumed = nulls.by_calibration(
                _featured(drawn), d, statistics, rng, number, dropped, progress
            )
    kept = replace(found, values=found.values[:, : size - dropped])
    with np.errstate(invalid="ignore", divide="ignore"):
        sums = statistics.sums(kept.values)
    if not np.isfinite(sums).all():
        raise ValueError(
            f"observed must lie above {-_lowest_pole(statistics):.6g}, where the statistics have "
            f"their pole, got {found.values.min():.6g}"
        )
    mean, sd = sums.mean(axis=0), assumed.deviations(count)
    square, degrees, pvalue, source = assumed.test(sums, directions, rng)
    refused = nulls.refusal(by_formula, count, d, size)
    smeared = null == "calibrated"
    outliers, outside, stray = ([], None, []) if smeared else positions.strays(law, kept, beta)
    values = {
        "kind": "eigenvalues",
        "what": f"{count} draw{'s' * (count > 1)} of {size} eigenvalues",
        "model": name + ("" if d is None else f", d = {d}"),
        "loads": loads,
        "draws": count,
        "size": size,
        "dimension": d,
        "beta": beta,
        "null": {
            "name": null,
            "sentence": assumed.sentence,
            "freedom": assumed.freedom,
            "permuted": 0 if assumed.drawn is None else len(assumed.drawn),
        },
        "statistics": _rows(statistics.names, mean, assumed.mean, sd),
        "chi2": square,
        "degrees": degrees,
        "pvalue": pvalue if refused is None else None,
        "pvalue_source": source,
        "refused": refused,
        "atoms": [] if smeared else positions.atoms(law, kept),
        "edges": [] if smeared else positions.edges(law, kept, beta),
        "outliers": outliers,
        "outside": outside,
        "outside_values": np.unique(np.asarray(stray, dtype=np.float64))[:100].tolist(),
        "mean_feature": [float(row[-1]) for row in found.values] if dropped else [],
        "trust": [
            *rounding(loads, d),
            *_remarks(model, null, dropped, d if by_formula and beta == 1 else None),
        ],
    }
    return Comparison(values, found.values, law)


def _rows(
    names: tuple[str, ...], observed: FloatArray, predicted: FloatArray, sd: FloatArray
) -> list[dict[str, Any]]:
    columns = (observed, predicted, sd, (observed - predicted) / sd)
    keys = ("observed", "predicted", "sd", "z")
    return [
        {"statistic": name, **{key: float(c[i]) for key, c in zip(keys, columns, strict=True)}}
        for i, name in enumerate(names)
    ]


def _lowest_pole(statistics: Statistics) -> float:
    return min(float(getattr(f, "x", math.inf)) for f in statistics.functions)


def _dimension_of(model: Model, size: int, dimension: int | None) -> int:
    """d, given or found from the number of eigenvalues."""
    load = model.psi_p if isinstance(model, RandomFeatureModel) else 1.0
    given = isinstance(model, RandomFeatureModel) and model.conditional
    if dimension is None and (not given or model.population.dimension is None):
        dimension = max(round(size / load), 1)
    d = checked_dimension(model, dimension)
    if abs(load * d - size) >= 1.0:
        what = "psi_p d" if isinstance(model, RandomFeatureModel) else "d"
        raise ValueError(
            f"observed must hold {what} = {load * d:g} eigenvalues a matrix at dimension {d}, "
            f"got {size}"
        )
    return d


def with_spikes_inside(model: Model, d: int) -> SpectralLaw:
    """The law with spikes as eigenvalues of weight 1/d.

    In the limit they only shift means; at finite d a spike l adds 2l²/n to a variance.
    """
    spectrum = model.population
    if not spectrum.spikes.size:
        return model.spectrum()
    weights = spectrum.weights.copy()
    lost = min(spectrum.spikes.size / d, 0.999 * float(weights.max()))
    weights[weights.argmax()] -= lost
    inside = PopulationSpectrum(
        np.append(spectrum.eigenvalues, spectrum.spikes),
        np.append(weights, np.full(spectrum.spikes.size, lost / spectrum.spikes.size)),
    )
    if isinstance(model, SampleCovariance):
        return SampleCovariance(model.ratio, inside).spectrum()
    assert isinstance(model.ensemble, RandomFeatureGram)
    # The coefficients stay those of the model: its variance counts no spikes.
    return SpectralLaw(replace(model.ensemble, population=inside))


def assumption(model: Model | SpectralLaw) -> str:
    """What the Gaussian null takes for granted."""
    if isinstance(model, RandomFeatureModel):
        return (
            "the Gaussian equivalent of random features; true features have other means, which no "
            "formula gives: null='calibrated'"
        )
    return "Gaussian entries, the mean of the data known"


def _featured(model: Model) -> RandomFeatureModel:
    """The model, if there are features and a population to calibrate with."""
    if isinstance(model, SampleCovariance):
        raise ValueError("null must be 'gaussian' or 'simulate' for a sample covariance")
    if model.conditional:
        raise ValueError(
            "null must be 'gaussian' or 'simulate' for a model of given data: the shift of true "
            "features belongs to these data, and no smaller ones have it"
        )
    return model


def _mean_features(model: Model, d: int) -> int:
    """1 if a mean feature makes an eigenvalue of its own."""
    if isinstance(model, SampleCovariance) or model.conditional:
        return 0
    return int(np.isfinite(model.mean_feature_eigenvalue(d)))


def _remarks(
    model: Model | SpectralLaw, null: str, dropped: int, formula_at: int | None
) -> Iterator[str]:
    if isinstance(model, SpectralLaw):
        return
    if formula_at is not None and nulls.is_few(model, formula_at):
        yield (
            "the p-value is that of the limit, for fewer than 100 neurons, samples or dimensions: "
            "one of 5 % may be 7 %, one of 1 % may be 3 %; null='simulate' has no such error"
        )
    if null == "calibrated":
        yield (
            "edges and atom of true features are smeared by norms of neurons and samples: single "
            "eigenvalues are not compared"
        )
    if dropped:
        yield "the largest eigenvalue of every draw, that of the mean feature, is left out"


def _short(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) and not math.isnan(value) else rounded(value)
