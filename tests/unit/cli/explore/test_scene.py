"""What the page shows is what public functions give, in numbers and in its Python."""

from __future__ import annotations

import subprocess
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.cli.data import Data
from rmtspec.cli.explore import diagram
from rmtspec.cli.explore.beside import tell
from rmtspec.cli.explore.scene import Rows, Scene, Stopping, data_of
from rmtspec.cli.explore.snippet import snippet
from rmtspec.cli.explore.state import ACTIVATIONS, OF_ROWS, State
from rmtspec.plots.style import colours_of_bulks

STATES = [
    State(),
    State(psi_p=0.5, psi_n=3.0, activation="relu", t=0.3),
    State(population="two", low=0.2, high=4.0, share=0.25),
    State(population="power", exponent=1.5, dimension=30, activation="gelu"),
    State(population="spikes", spikes=(5.0, 40.0)),
    State(population="two_classes", weight_0=0.37, variance_1=0.2, psi_p=8.0, psi_n=4.0, t=0.1),
    State(population="three_classes", ridge=0.01, activation="erf", t=0.1),
    State(step=0.5),
    State(step=0.5, momentum=0.5, ridge=0.01),
]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    path = tmp_path_factory.mktemp("rows") / "rows.npy"
    x = np.random.default_rng(0).standard_normal((60, 8)) * np.linspace(0.5, 2.0, 8)
    np.save(path, x)
    return Rows(Data(str(path), x))


def shows_the_same(scene: Scene, namespace: dict[str, object]) -> None:
    law, curves = namespace["law"], namespace["curves"]
    assert isinstance(law, rs.SpectralLaw)
    assert np.array_equal([bulk.edges for bulk in scene.bulks], law.support)
    assert np.array_equal([bulk.mass for bulk in scene.bulks], law.masses)
    for bulk in scene.bulks:
        inside = bulk.line.height > 0.0
        at = bulk.line.distance[inside]
        density = law.density(at, from_origin=True)
        assert np.array_equal(bulk.line.height[inside], at * density)
    for name in ("tau", "train", "test", "generalization", "score_error"):
        shown, given = getattr(scene.curves, name), getattr(curves, name)
        assert np.array_equal(shown, given, equal_nan=True)
    found = Stopping.of(scene)
    assert found is not None
    assert repr(found.best) == repr(namespace["best"])
    assert repr(found.window) == repr(namespace["window"])


def run(text: str) -> dict[str, object]:
    """The lines without those that print and draw."""
    quiet = [
        line for line in text.splitlines() if not line.startswith(("print(", "law.", "curves."))
    ]
    namespace: dict[str, object] = {}
    exec("\n".join(quiet), namespace)
    return namespace


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.query(State()) or "start")
def test_the_python_of_a_state_gives_what_is_shown(state: State) -> None:
    shows_the_same(Scene.of(state, None), run(snippet(state)))


@pytest.mark.filterwarnings("ignore::rmtspec.FewDimensionsWarning")
@pytest.mark.filterwarnings("ignore::rmtspec.DataWarning")
@pytest.mark.parametrize("population", OF_ROWS)
@pytest.mark.parametrize("unit_variance", [False, True])
def test_the_python_of_own_rows_gives_what_is_shown(
    rows: Rows, population: str, unit_variance: bool
) -> None:
    if unit_variance:
        from rmtspec.inputs.samples import standardise

        rows = Rows(replace(rows.data, rows=standardise(rows.data.rows)), True)
    state = State(population=population, psi_p=3.0, psi_n=5.0, t=0.1)
    shows_the_same(Scene.of(state, rows), run(snippet(state, rows)))


@pytest.mark.parametrize("population", ["isotropic", "two_classes"])
def test_all_lines_of_the_python_run(population: str, capsys: pytest.CaptureFixture[str]) -> None:
    import matplotlib.pyplot as plt

    exec(snippet(State(psi_p=8.0, population=population)), {})
    plt.close("all")
    assert "tau_gen" in capsys.readouterr().out


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_has_bulks_and_curves(activation: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scene = Scene.of(State(activation=activation, psi_p=4.0, psi_n=2.0, t=0.1), None)
    assert scene.bulks
    assert np.all(np.isfinite(scene.curves.train))
    colours = colours_of_bulks([bulk.name for bulk in scene.bulks])
    assert [bulk.colour for bulk in scene.bulks] == [colours[b.name] for b in scene.bulks]


def test_all_bulks_lie_within_the_limits() -> None:
    scene = Scene.of(State(population="two", low=0.001, high=100.0), None)
    (left, right), (bottom, top) = scene.limits
    for bulk in scene.bulks:
        assert left < bulk.line.distance[0] < bulk.line.distance[-1] < right
        assert bottom < bulk.line.height.max() < top


def test_the_legend_holds_all_mass_of_the_bulks_by_name() -> None:
    scene = Scene.of(State(population="two", low=0.01, high=50.0), None)
    legend = scene.legend()
    assert sum(entry["bulks"] for entry in legend) == len(scene.bulks) > len(legend)
    assert sum(entry["mass"] for entry in legend) == pytest.approx(
        float(scene.model.spectrum().masses.sum()), rel=1e-12
    )
    assert {entry["name"]: entry["colour"] for entry in legend} == {
        bulk.name: bulk.colour for bulk in scene.bulks
    }


def test_every_class_has_the_losses_of_its_model() -> None:
    scene = Scene.of(State(population="three_classes", weight_1=0.5, t=0.1), None)
    classes = [rs.DataClass(0.4, 1.5), rs.DataClass(0.2, 0.5), rs.DataClass(0.4, 0.1)]
    given = rs.MixtureModel(64.0, 8.0, 0.1, classes).learning_curves(scene.curves.tau)
    assert [one.share for one in scene.classes] == pytest.approx([0.4, 0.2, 0.4], rel=1e-15)
    for number, one in enumerate(scene.classes):
        # Weights that sum to one anew move the last digits of the losses.
        assert one.test == pytest.approx(given.class_test[number], rel=1e-9)
        assert one.train == pytest.approx(given.class_train[number], rel=1e-9)


def test_a_step_that_is_not_stable_is_refused_in_words() -> None:
    told = tell(lambda: Scene.of(State(step=100.0), None))
    assert isinstance(told.problem, ValueError)
    assert str(told.problem).startswith("step must be below the stability limit")


@pytest.mark.filterwarnings("ignore::rmtspec.FewDimensionsWarning")
@pytest.mark.filterwarnings("ignore::rmtspec.DataWarning")
def test_the_number_of_given_rows_is_their_own(rows: Rows) -> None:
    scene = Scene.of(State(population="equivalent", psi_n=500.0, psi_p=3.0, t=0.1), rows)
    assert scene.model.psi_n == 48 / 8
    assert scene.facts["psi_n"] == 48 / 8
    assert rows.load == 60 / 8


def test_the_map_holds_the_ratio_of_times_at_every_centre() -> None:
    state = State(t=0.05, ridge=0.01, population="two")
    maps = [found for found in diagram.refine(state, data_of(state, None)) if found]
    assert [found.loads.size for found in maps] == list(diagram.LEVELS)
    coarse, fine = maps[0], maps[-1]
    assert np.array_equal(coarse.ratio, fine.ratio[::8, ::8], equal_nan=True)
    for row, column in ((24, 20), (20, 24), (30, 18)):
        model = rs.RandomFeatureModel(
            fine.widths[row], fine.loads[column], 0.05, "tanh",
            rs.PopulationSpectrum([0.5, 1.5], [0.5, 0.5]),
        )  # fmt: skip
        times = model.training(ridge=0.01).timescales()
        assert fine.ratio[row, column] == times.tau_mem / times.tau_gen
        assert fine.merged[row, column] == times.merged
    assert np.all(np.isnan(fine.ratio[:, fine.loads < 1.0]))


def test_the_map_of_a_mixture_is_coarser_and_as_true() -> None:
    state = State(population="two_classes", t=0.05)
    found = None
    for found in diagram.refine(state, data_of(state, None)):
        if found is not None:
            break
    assert found is not None
    assert diagram.levels(state) == diagram.LEVELS[:-1]
    classes = [rs.DataClass(0.5, 1.5), rs.DataClass(0.5, 0.5)]
    times = rs.MixtureModel(found.widths[3], found.loads[2], 0.05, classes).timescales()
    assert found.ratio[3, 2] == times.tau_mem / times.tau_gen
    assert found.merged[3, 2] == times.merged


def test_cells_of_the_map_share_it_out() -> None:
    cells = next(
        found for found in diagram.refine(State(), rs.PopulationSpectrum.isotropic()) if found
    ).cells()
    left, right, bottom, top = (
        np.log10(np.asarray(cells[side])) for side in ("left", "right", "bottom", "top")
    )
    assert np.sum((right - left) * (top - bottom)) == pytest.approx(16.0, rel=1e-12)
    at = {(p, n): k for k, (p, n) in enumerate(zip(cells["psi_p"], cells["psi_n"], strict=True))}
    assert len(at) == 25
    for x, low, high in (("psi_n", left, right), ("psi_p", bottom, top)):
        centre = np.log10(np.asarray(cells[x]))
        assert np.all((low - 1e-9 <= centre) & (centre <= high + 1e-9))


COUNTED = """
import gc, warnings
from itertools import islice
import numpy as np
from numba.core.dispatcher import Dispatcher
import rmtspec as rs
from rmtspec.cli.data import Data
from rmtspec.cli.explore import diagram, warming
from rmtspec.cli.explore.scene import Rows, Scene, Stopping
from rmtspec.cli.explore.state import ACTIVATIONS, OF_ROWS, POPULATIONS, State

def compiled():
    kernels = [one for one in gc.get_objects() if isinstance(one, Dispatcher)]
    return {f"{one.__module__}.{one.__name__} {signature}" for one in kernels
            for signature in one.signatures}

warnings.simplefilter("ignore")
warming.warm(with_rows=True)
before = compiled()
rows = Rows(Data("", np.random.default_rng(0).standard_normal((40, 4))))
states = [State(population=name, psi_p=3.0, t=0.1, dimension=20) for name in OF_ROWS | POPULATIONS]
states += [State(activation=name, t=0.2, psi_p=0.5) for name in ACTIVATIONS]
states += [State(step=0.1), State(step=0.1, momentum=0.3), State(ridge=0.3)]
for state in states:
    Stopping.of(Scene.of(state, rows))
assert list(islice(diagram.refine(State(), rs.PopulationSpectrum([1, 2])), 20))
assert len(before) > 10, len(before)
print(sorted(compiled() - before))
"""


def test_nothing_is_compiled_after_warming() -> None:
    # In a process of its own, in which no other test has asked for a kernel.
    found = subprocess.run(
        [sys.executable, "-c", COUNTED], capture_output=True, text=True, check=False
    )
    assert (found.stdout, found.returncode) == ("[]\n", 0), found.stderr
