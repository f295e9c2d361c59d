"""The Python that gives what the page shows."""

from __future__ import annotations

from .scene import Rows
from .state import CLASSES, GIVEN, State, written


def snippet(state: State, rows: Rows | None = None) -> str:
    """Lines that run as they are: model, law, training, curves, and when to stop."""
    mixed = state.population in CLASSES
    imports, lines = _classes(state) if mixed else _data(state, rows)
    population, arguments = _population(state)
    arguments = [f"psi_p={written(state.psi_p)}", *arguments, f"t={written(state.t)}"]
    arguments.append(f"activation={state.activation!r}")
    if state.population in GIVEN:
        kernel = "exact" if state.population == "rows" else "gaussian"
        arguments += [f"kernel={kernel!r}", "test=held_out"]
        call = f"rs.RandomFeatureModel.from_data(\n    train, {', '.join(arguments)}\n)"
    elif mixed:
        call = f"rs.MixtureModel(\n    {', '.join([*arguments, 'classes=classes'])}\n)"
    else:
        arguments += ["population=population"] if population else []
        call = f"rs.RandomFeatureModel(\n    {', '.join(arguments)}\n)"
    home = "structured.summary" if mixed else "random_features.summaries.times"
    times = "spectral_times" if mixed else "timescales"
    training = ", ".join(f"{name}={written(value)}" for name, value in state.training.items())
    return "\n".join(
        [
            "import rmtspec as rs",
            *imports,
            f"from rmtspec.{home} import automatic_times",
            "",
            *lines,
            *([f"population = {population}"] if population else []),
            f"model = {call}",
            "law = model.spectrum()",
            f"training = model.training({training})",
            "curves = training.learning_curves(automatic_times(training))",
            "best, window = training.best_stopping(), training.window()",
            "print(model.summary())",
            f"print(training.{times}(), best, window, sep='\\n')",
            "law.plot(model=model)",
            "curves.plot(training=training)",
            "",
        ]
    )


def _population(state: State) -> tuple[str, list[str]]:
    """The population, if it has to be said, and the number of samples, if it is chosen."""
    samples = [] if state.population in GIVEN else [f"psi_n={written(state.psi_n)}"]
    made = "rs.PopulationSpectrum"
    if state.population == "two":
        weights = f"{written(1.0 - state.share)}, {written(state.share)}"
        return f"{made}([{written(state.low)}, {written(state.high)}], [{weights}])", samples
    if state.population == "power":
        return f"{made}.power_law({written(state.exponent)}, {state.dimension})", samples
    if state.population == "spikes":
        return f"{made}([1.0], [1.0], spikes=[{written(state.spikes)}])", samples
    return (
        f"{made}.from_samples(rows, debias=True)" if state.population == "fresh" else ""
    ), samples


def _classes(state: State) -> tuple[list[str], list[str]]:
    """Lines that make the classes of a mixture, of weights that need not sum to one."""
    weights, variances = (f"[{', '.join(map(written, row))}]" for row in state.classes)
    return [], [
        f"weights, variances = {weights}, {variances}",
        "shares = [weight / sum(weights) for weight in weights]",
        "classes = [rs.DataClass(*one) for one in zip(shares, variances)]",
    ]


def _data(state: State, rows: Rows | None) -> tuple[list[str], list[str]]:
    """Imports and lines that read the rows, and part them where they are given."""
    if rows is None or state.population not in (*GIVEN, "fresh"):
        return [], []
    source = rows.data.source
    bundled = source in ("digits", "photographs")
    reader = source if bundled else "read_samples"
    lines = [f"rows = {reader}()" if bundled else f"rows = read_samples({source!r})"]
    names = [reader]
    if rows.unit_variance and not bundled:
        lines.append("rows = standardise(rows)")
        names.append("standardise")
    imports = [f"from rmtspec.inputs.samples import {', '.join(names)}"]
    if state.population in GIVEN:
        imports.insert(0, "import numpy as np")
        lines += [
            "order = np.random.default_rng(0).permutation(len(rows))",
            "held_out, train = rows[order[: len(rows) // 5]], rows[order[len(rows) // 5 :]]",
        ]
    return imports, [*lines, ""]
