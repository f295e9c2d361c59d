"""The picture of the house: what may import what, and how large rooms and files may grow.

Imports are read from the source, those inside functions and those for annotations too.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]

# Bottom first. A room imports from the lines above its own here, never from its own line or below.
RMTSPEC = (
    ("_checks", "result"),
    ("solve",),
    ("inputs",),
    ("law",),
    ("ensembles",),
    ("random_features", "linear"),
    ("structured",),
    ("compare", "sweeps"),
    ("plots",),
    ("cli", "explore", "testing"),
    ("__init__", "__main__"),
)
VALIDATION = (
    ("harness",),
    ("certificates", "comparisons", "linear", "spectra"),
    ("curves", "structured"),
    ("data", "networks", "parametrisations"),
    ("measures",),
    ("experiments",),
    ("commands",),
    ("__init__", "__main__"),
)
# Stands beside the others: the same equations at any precision, imported on request only.
BESIDE = "reference"
# Where a module is imported by a name that is no part of the source: results draw themselves.
BY_NAME = {"rmtspec.result"}

MOST_ENTRIES, MOST_MODULES, MOST_LINES = 18, 12, 500


class Import(NamedTuple):
    """One name that a module imports."""

    module: str
    target: str
    relative: bool

    def __str__(self) -> str:
        return f"{self.module} imports {self.target}"


def sources(package: str) -> dict[str, str]:
    """Module -> text, a folder's own module with `__init__` at its end."""
    files = sorted((ROOT / package).rglob("*.py"))
    return {".".join(f.relative_to(ROOT).with_suffix("").parts): f.read_text() for f in files}


def imports(texts: Mapping[str, str]) -> list[Import]:
    """Everything that the modules import; what is none of them by the name written there."""
    found = []
    for module, text in texts.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                found += [Import(module, n.name, False) for n in node.names]
            if not isinstance(node, ast.ImportFrom):
                continue
            above = module.split(".")[: -node.level] if node.level else []
            base = ".".join([*above, *(node.module.split(".") if node.module else [])])
            for name in node.names:
                target = _module(f"{base}.{name.name}", base, texts)
                found.append(Import(module, target, node.level > 0))
    return found


def _module(name: str, home: str, texts: Mapping[str, str]) -> str:
    """The module behind `from home import ...`: one in a folder, or the one with the name in it."""
    for candidate in (name, f"{name}.__init__", home, f"{home}.__init__"):
        if candidate in texts:
            return candidate
    return name


def room(module: str) -> str:
    """The folder of a module, or the module itself where it stands at the top."""
    return module.split(".")[1]


def upward(found: Sequence[Import], layers: Sequence[Sequence[str]]) -> list[str]:
    """Imports between rooms that do not point down."""
    height = {name: level for level, names in enumerate(layers) for name in names}
    package = found[0].module.split(".")[0]
    return [
        str(each)
        for each in found
        if each.target.startswith(f"{package}.")
        and room(each.module) not in (room(each.target), BESIDE)
        and height.get(room(each.target), len(layers)) >= height[room(each.module)]
    ]


def circles(found: Sequence[Import]) -> list[str]:
    """A circle of modules that import each other, if there is one."""
    graph: dict[str, set[str]] = {}
    for each in found:
        if each.target != each.module:
            graph.setdefault(each.module, set()).add(each.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as problem:
        return list(problem.args[1])
    return []


def private(found: Sequence[Import], texts: Mapping[str, str]) -> list[str]:
    """What is used that is not public: names of `rmtspec`, and attributes of classes elsewhere."""
    faults = [
        str(each)
        for each in found
        if each.target.startswith("rmtspec")
        and any(part.startswith("_") for part in each.target.split("."))
    ]
    return faults + hidden(texts)


def hidden(texts: Mapping[str, str]) -> list[str]:
    """Attributes with an underscore, which belongs to the file in which it stands."""
    faults = []
    for module, text in texts.items():
        nodes = list(ast.walk(ast.parse(text)))
        used = [node for node in nodes if isinstance(node, ast.Attribute) and _hidden(node.attr)]
        own = {node.attr for node in used if ast.unparse(node.value) in ("self", "cls")}
        own |= {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
        faults += [f"{module} uses {ast.unparse(node)}" for node in used if node.attr not in own]
    return faults


def _hidden(name: str) -> bool:
    # The methods of a named tuple have an underscore that keeps them apart from its fields.
    public = name.endswith("__") or name in ("_asdict", "_fields", "_make", "_replace")
    return name.startswith("_") and not public


@pytest.fixture(scope="module")
def rmtspec() -> list[Import]:
    return imports(sources("rmtspec"))


@pytest.fixture(scope="module")
def validation() -> list[Import]:
    return imports(sources("validation"))


def test_every_room_stands_in_the_picture() -> None:
    for package, layers in (("rmtspec", RMTSPEC), ("validation", VALIDATION)):
        named = [name for names in layers for name in names]
        assert len(named) == len(set(named))
        assert {room(module) for module in sources(package)} <= {*named, BESIDE}


def test_imports_point_down(rmtspec: list[Import], validation: list[Import]) -> None:
    assert upward(rmtspec, RMTSPEC) == []
    assert upward(validation, VALIDATION) == []


def test_modules_import_each_other_in_no_circle(
    rmtspec: list[Import], validation: list[Import]
) -> None:
    assert circles(rmtspec) == []
    assert circles(validation) == []


def test_equations_at_any_precision_stand_alone(rmtspec: list[Import]) -> None:
    across = [
        str(each)
        for each in rmtspec
        if each.relative and (room(each.module) == BESIDE) != (room(each.target) == BESIDE)
    ]
    assert across == []


def test_the_package_imports_itself_by_relative_names_and_nothing_that_is_not_installed_with_it(
    rmtspec: list[Import],
) -> None:
    foreign = {"rmtspec", "validation", "tests", "torch"}
    absolute = [each for each in rmtspec if not each.relative]
    assert [str(each) for each in absolute if each.target.split(".")[0] in foreign] == []


def test_a_module_is_imported_by_a_computed_name_in_one_place_only() -> None:
    texts = {**sources("rmtspec"), **sources("validation")}
    found = {
        name for name, text in texts.items() if "import_module" in text or "__import__" in text
    }
    assert found == BY_NAME


def test_validation_uses_public_names_and_its_machinery_knows_no_physics(
    validation: list[Import],
) -> None:
    assert private(validation, sources("validation")) == []
    physics = [each for each in validation if each.target.split(".")[0] == "rmtspec"]
    assert physics
    assert [str(each) for each in physics if room(each.module) == "harness"] == []


def test_no_module_reads_what_is_private_to_a_class_of_another() -> None:
    texts = sources("rmtspec")
    # Numba, and the frames of Python, have no public name for what these ask of them.
    others = {"rmtspec.solve.compilation", "rmtspec.result"}
    assert hidden({name: text for name, text in texts.items() if name not in others}) == []


def test_rooms_and_files_are_small_enough_to_be_read() -> None:
    entries = [path for path in (ROOT / "rmtspec").iterdir() if path.name != "__pycache__"]
    assert len(entries) <= MOST_ENTRIES
    for package in ("rmtspec", "validation"):
        texts = sources(package)
        folders = Counter(
            module.rpartition(".")[0] for module in texts if not module.endswith(".__init__")
        )
        assert {name: count for name, count in folders.items() if count > MOST_MODULES} == {}
        lines = {module: text.count("\n") for module, text in texts.items()}
        assert {module: count for module, count in lines.items() if count > MOST_LINES} == {}


# --- the tests above can fail --------------------------------------------------------------------

HOUSE = {
    "rmtspec.__init__": "from .law import SpectralLaw",
    "rmtspec._checks": "import numpy as np",
    "rmtspec.law": "from . import _checks\nfrom .solve.edges import Gaps",
    "rmtspec.solve.__init__": "",
    "rmtspec.solve.edges": "import math",
    "rmtspec.linear.denoiser": "from ..law import SpectralLaw\nfrom .summary import Summary",
    "rmtspec.linear.summary": "",
    "rmtspec.plots.linear": "from ..linear.denoiser import Denoiser",
}


@pytest.mark.parametrize(
    ("module", "line", "seen"),
    [
        ("rmtspec.solve.edges", "from ..law import SpectralLaw", True),
        ("rmtspec.solve.edges", "from .. import law", True),
        ("rmtspec.solve.edges", "from .. import SpectralLaw", True),
        ("rmtspec.solve.edges", "def f():\n    from ..law import SpectralLaw", True),
        ("rmtspec.solve.edges", "if TYPE_CHECKING:\n    from ..law import SpectralLaw", True),
        ("rmtspec.solve.edges", "import rmtspec.law", True),
        ("rmtspec.linear.denoiser", "from ..random_features.model import Model", True),
        ("rmtspec.linear.denoiser", "def plot(self):\n    from ..plots.linear import f", True),
        ("rmtspec.linear.denoiser", "from ..solve import REORDERED", False),
        ("rmtspec.law", "from .reference import replica", True),
    ],
)
def test_an_import_that_points_up_is_seen(module: str, line: str, seen: bool) -> None:
    assert upward(imports(HOUSE), RMTSPEC) == []
    house = {**HOUSE, module: f"{HOUSE[module]}\n{line}"}
    assert bool(upward(imports(house), RMTSPEC)) == seen


@pytest.mark.parametrize("line", ["def f():", "if TYPE_CHECKING:"])
def test_a_circle_is_seen_even_where_one_import_waits_or_is_for_annotations(line: str) -> None:
    assert circles(imports(HOUSE)) == []
    late = f"{line}\n    from .denoiser import Denoiser"
    assert "rmtspec.linear.denoiser" in circles(imports({**HOUSE, "rmtspec.linear.summary": late}))


@pytest.mark.parametrize(
    "line",
    [
        "from rmtspec import _checks",
        "from rmtspec._checks import real",
        "from rmtspec.law import _points",
        "import rmtspec._checks",
        "rs._checks.real('x', 1.0)",
        "value = model._ridge",
    ],
)
def test_a_private_name_is_seen(line: str) -> None:
    own = "import rmtspec as rs\nclass A:\n    def f(self, other):\n        self._x = other._x\n"
    assert private(imports({"validation.a": own}), {"validation.a": own}) == []
    house = {"validation.a": own + line}
    assert private(imports(house), house) != []
