"""What is installed: metadata, type marker, a light import and one list of public names."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import rmtspec

ROOT = Path(__file__).parents[2]


def imported_name(requirement):
    name = re.split(r"[^\w-]", requirement)[0]
    return {"scikit-learn": "sklearn", "scikit-image": "skimage"}.get(name, name)


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_version_is_stated_once_and_installed(project):
    assert importlib.metadata.version("rmtspec") == project["version"]


def test_package_is_typed():
    assert (Path(rmtspec.__file__).parent / "py.typed").is_file()


def test_import_leaves_heavy_packages_alone():
    heavy = ["matplotlib", "sympy", "mpmath", "scipy.optimize", "scipy.special", "sklearn"]
    heavy += ["skimage", "torch", "xarray", "dask", "distributed", "zarr", "joblib", "tqdm"]
    heavy += ["numba", "numpy.ma", "importlib.metadata"]
    code = f"import sys, rmtspec; print(*(name for name in {heavy} if name in sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert result.stdout.split() == []


def test_every_public_name_exists_and_is_documented():
    assert sorted(set(rmtspec.__all__)) == sorted(rmtspec.__all__)
    for name in rmtspec.__all__:
        assert getattr(rmtspec, name).__doc__, name


def test_every_import_of_the_package_is_a_declared_dependency(project):
    declared = {
        imported_name(requirement)
        for group in [project["dependencies"], *project["optional-dependencies"].values()]
        for requirement in group
    }
    pattern = re.compile(r"^\s*(?:from|import) ([a-z_]\w*)", re.MULTILINE)
    imported = set()
    for file in (ROOT / "rmtspec").rglob("*.py"):
        imported |= set(pattern.findall(re.sub(r'r?"""[\s\S]*?"""', "", file.read_text())))
    assert imported - set(sys.stdlib_module_names) - {"rmtspec"} <= declared


def test_tests_extra_holds_everything_that_tests_import(project):
    extras = project["optional-dependencies"]
    assert "rmtspec[sweep]" in extras["test"]
    declared = {
        imported_name(requirement)
        for requirement in project["dependencies"] + extras["test"] + extras["sweep"]
    }
    pattern = re.compile(r"^\s*(?:from|import) ([a-z_]\w*)", re.MULTILINE)
    own = {"rmtspec", "validation", "tests"}
    # Tests of trained networks are skipped without PyTorch, those of the page without a browser;
    # Pillow comes with Matplotlib.
    beside = {"tests": {"playwright"}, "validation": {"torch", "PIL"}}
    for folder in ("tests", "validation"):
        for file in (ROOT / folder).rglob("*.py"):
            local = own | {other.stem for other in file.parent.glob("*.py")}
            found = set(pattern.findall(re.sub(r'r?"""[\s\S]*?"""', "", file.read_text())))
            assert found - set(sys.stdlib_module_names) - local <= declared | beside[folder], file


def test_readme_offers_two_commands_that_start_from_nothing():
    commands = re.findall(r"^python3 -m venv .*$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert len(commands) == 2
    assert commands[0].endswith(".venv/bin/rmtspec spectrum --plot spectrum.png")
    assert commands[1].endswith(".venv/bin/python -m pytest")
